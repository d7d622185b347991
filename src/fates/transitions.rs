//! Which label's cells became which, with mass.

use super::{Estimates, Labels};
use crate::snapshots::Snapshots;

/// The mass that the cells of each label at one time send to each label at the time of the labelled cells: Σ w n over the cells,
/// with their weights w and the expected numbers n of their descendants.
///
/// A row over its sum says where a label went, a column over its sum where one came from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Transitions {
    /// The time of the cells.
    pub from: f64,
    /// The labels of the cells, increasing; first none, where cells are without: the rows.
    pub sources: Vec<Option<u32>>,
    /// The mass of the cells of each, Σ w.
    pub weight: Vec<f64>,
    /// Row-major, one row a source, one column a label of [`Fates::labels`](super::Fates::labels).
    pub mass: Estimates,
    columns: usize,
}

impl Transitions {
    /// Of the mass of each source's descendants, the share with each label, laid out as the masses; NaN where a source has none.
    pub fn went(&self) -> Vec<f64> {
        let rows = self.mass.mean.chunks_exact(self.columns);
        rows.flat_map(|row| {
            let sum: f64 = row.iter().sum();
            row.iter().map(move |mass| mass / sum)
        })
        .collect()
    }

    /// Of the mass with each label, the share that descends from each source, laid out as the masses; NaN where a label has none.
    pub fn came(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        for row in self.mass.mean.chunks_exact(self.columns) {
            sums.iter_mut().zip(row).for_each(|(sum, mass)| *sum += mass);
        }
        self.mass.mean.iter().zip(sums.iter().cycle()).map(|(mass, sum)| mass / sum).collect()
    }
}

/// The tables of the snapshots `starts`, whose cells' numbers of descendants follow one another in `number`.
pub(super) fn of_rows(
    snapshots: &Snapshots,
    labels: &Labels,
    starts: &[usize],
    columns: &[u32],
    number: &Estimates,
) -> Vec<Transitions> {
    let mut first = 0;
    let of_start = |&start: &usize| {
        let own = labels.of(snapshots, start);
        let mut sources = own.to_vec();
        sources.sort_unstable();
        sources.dedup();
        let columns = columns.len();
        let mut weight = vec![0.0; sources.len()];
        let [mut mass, mut squares] = [(); 2].map(|()| vec![0.0; sources.len() * columns]);
        for (label, w) in own.iter().zip(snapshots.weights(start)) {
            let source = sources.binary_search(label).expect("one of them");
            weight[source] += w;
            for column in 0..columns {
                let (from, to) = (first * columns + column, source * columns + column);
                mass[to] += w * number.mean[from];
                squares[to] += (w * number.se[from]).powi(2);
            }
            first += 1;
        }
        let se = squares.into_iter().map(f64::sqrt).collect();
        let mass = Estimates { mean: mass, se, sd: None };
        Transitions { from: snapshots.times()[start], sources, weight, mass, columns }
    };
    starts.iter().map(of_start).collect()
}
