//! Sparse transport plans in compressed-row form.

/// A non-negative matrix, rows the source points, columns the target points, stored row by row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparsePlan {
    /// Row i holds the entries `row_offsets[i]..row_offsets[i + 1]`; one more entry than there are rows.
    pub row_offsets: Vec<usize>,
    /// The target point of each entry, increasing within a row.
    pub columns: Vec<u32>,
    /// The mass of each entry, positive.
    pub values: Vec<f64>,
}

impl SparsePlan {
    /// The plan with the given `(row, column, mass)` entries, which need not be sorted but must not repeat a cell.
    pub(crate) fn from_entries(rows: usize, mut entries: Vec<(u32, u32, f64)>) -> Self {
        entries.sort_unstable_by_key(|&(i, j, _)| (i, j));
        let mut plan = Self { row_offsets: vec![0; rows + 1], columns: vec![], values: vec![] };
        for (i, j, value) in entries {
            plan.row_offsets[i as usize + 1] += 1;
            plan.columns.push(j);
            plan.values.push(value);
        }
        for i in 0..rows {
            plan.row_offsets[i + 1] += plan.row_offsets[i];
        }
        plan
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.row_offsets.len().saturating_sub(1)
    }

    /// All entries as (row, column, mass), row by row.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        (0..self.rows()).flat_map(move |i| self.row(i).map(move |(j, mass)| (i, j, mass)))
    }

    /// The entries of row `i` as (column, mass).
    pub(crate) fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        (self.row_offsets[i]..self.row_offsets[i + 1]).map(|e| (self.columns[e] as usize, self.values[e]))
    }

    /// Σ_j γ_ij for every row.
    pub fn row_mass(&self) -> Vec<f64> {
        (0..self.rows())
            .map(|i| self.values[self.row_offsets[i]..self.row_offsets[i + 1]].iter().sum())
            .collect()
    }

    /// Σ_i γ_ij for each of `columns` columns.
    pub fn column_mass(&self, columns: usize) -> Vec<f64> {
        let mut mass = vec![0.0; columns];
        for (_, j, value) in self.entries() {
            mass[j] += value;
        }
        mass
    }
}
