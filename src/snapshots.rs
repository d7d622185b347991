//! Time-stamped weighted point clouds: what every method takes, and the only place where data is validated.

use crate::error::{Error, Result};

/// A borrowed matrix with any strides: R's column-major double, Julia's d × n, numpy's C order.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    elements: Elements<'a>,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

#[derive(Debug, Clone, Copy)]
enum Elements<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> MatrixView<'a> {
    /// `rows` × `cols` single-precision numbers, one row a cell, rows one after another.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the slice is not `rows * cols` long.
    pub fn from_f32(elements: &'a [f32], rows: usize, cols: usize) -> Result<Self> {
        Self::strided(Elements::F32(elements), elements.len(), rows, cols, cols, 1)?.exactly(elements.len())
    }

    /// `rows` × `cols` double-precision numbers, one row a cell, rows one after another.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the slice is not `rows * cols` long.
    pub fn from_f64(elements: &'a [f64], rows: usize, cols: usize) -> Result<Self> {
        Self::strided(Elements::F64(elements), elements.len(), rows, cols, cols, 1)?.exactly(elements.len())
    }

    /// Single-precision elements at `row * row_stride + col * col_stride`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the last element lies outside the slice.
    pub fn from_f32_strided(
        elements: &'a [f32],
        shape: (usize, usize),
        strides: (usize, usize),
    ) -> Result<Self> {
        Self::strided(Elements::F32(elements), elements.len(), shape.0, shape.1, strides.0, strides.1)
    }

    /// Double-precision elements at `row * row_stride + col * col_stride`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the last element lies outside the slice.
    pub fn from_f64_strided(
        elements: &'a [f64],
        shape: (usize, usize),
        strides: (usize, usize),
    ) -> Result<Self> {
        Self::strided(Elements::F64(elements), elements.len(), shape.0, shape.1, strides.0, strides.1)
    }

    fn strided(
        elements: Elements<'a>,
        len: usize,
        rows: usize,
        cols: usize,
        row_stride: usize,
        col_stride: usize,
    ) -> Result<Self> {
        let last = |n: usize, stride: usize| n.saturating_sub(1).checked_mul(stride);
        let end = last(rows, row_stride)
            .zip(last(cols, col_stride))
            .and_then(|(r, c)| r.checked_add(c))
            .and_then(|last| last.checked_add(1));
        match end {
            Some(end) if rows == 0 || cols == 0 || end <= len => {
                Ok(Self { elements, rows, cols, row_stride, col_stride })
            }
            _ => Err(Error::argument(
                "points",
                format!("{len} elements"),
                &format!(
                    "large enough for {rows} rows × {cols} columns with strides {row_stride}, {col_stride}"
                ),
            )),
        }
    }

    fn exactly(self, len: usize) -> Result<Self> {
        if len == self.rows * self.cols {
            Ok(self)
        } else {
            let allowed =
                format!("{} elements for {} rows × {} columns", self.rows * self.cols, self.rows, self.cols);
            Err(Error::argument("points", format!("{len} elements"), &allowed))
        }
    }

    /// The number of rows (cells).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns (coordinates).
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The element at (`row`, `col`).
    pub fn get(&self, row: usize, col: usize) -> f64 {
        let at = row * self.row_stride + col * self.col_stride;
        match self.elements {
            Elements::F32(e) => f64::from(e[at]),
            Elements::F64(e) => e[at],
        }
    }
}

/// Point clouds X_0 … X_K in ℝ^d at strictly increasing times, one weight a cell.
///
/// The measure at time t_k is Σ_i w_{k,i} δ_{x_{k,i}}; its total is the *mass* of the snapshot. Without weights
/// every cell weighs 1 and the mass is the cell count.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshots {
    dims: usize,
    times: Vec<f64>,
    /// Where each snapshot's cells begin; one more entry than there are snapshots.
    offsets: Vec<usize>,
    points: Vec<f32>,
    weights: Vec<f64>,
}

impl Snapshots {
    /// Sorts cells by their time label into snapshots. `labels` holds one time a row of `points`; cells of equal
    /// label keep their order. `weights`, where given, holds one non-negative number a cell.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the row (and column) of a coordinate, label or weight that cannot be used, or
    /// a time point without mass; [`Error::InvalidArgument`] for lengths that disagree.
    pub fn new(points: MatrixView<'_>, labels: &[f64], weights: Option<&[f64]>) -> Result<Self> {
        let (rows, dims) = (points.rows(), points.cols());
        if dims == 0 {
            return Err(Error::InvalidData(
                "the cells have no coordinates: at least one column is needed".into(),
            ));
        }
        check_len("labels", labels.len(), rows)?;
        if let Some(weights) = weights {
            check_len("weights", weights.len(), rows)?;
        }
        if let Some(row) = labels.iter().position(|t| !t.is_finite()) {
            let message =
                format!("row {}: the time is {}, which is not a finite number", row + 1, labels[row]);
            return Err(Error::InvalidData(message));
        }
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by(|&a, &b| labels[a].total_cmp(&labels[b]));

        let mut snapshots = Self {
            dims,
            times: Vec::new(),
            offsets: vec![0],
            points: Vec::with_capacity(rows * dims),
            weights: Vec::with_capacity(rows),
        };
        for (position, &row) in order.iter().enumerate() {
            // −0 and 0 are one time.
            if position == 0 || labels[row] != labels[order[position - 1]] {
                if position > 0 {
                    snapshots.offsets.push(position);
                }
                snapshots.times.push(labels[row] + 0.0);
            }
            for col in 0..dims {
                snapshots.points.push(coordinate(points.get(row, col), row, col)?);
            }
            let weight = weights.map_or(1.0, |w| w[row]);
            if !(weight >= 0.0 && weight.is_finite()) {
                let message =
                    format!("row {}: the weight is {weight}; weights are finite and not negative", row + 1);
                return Err(Error::InvalidData(message));
            }
            snapshots.weights.push(weight);
        }
        if rows > 0 {
            snapshots.offsets.push(rows);
        }
        snapshots.checked()
    }

    /// Rescales the weights so that snapshot k has mass `masses[k]`: real experiments subsample, so the number of
    /// cells is not always the size of the population.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one positive finite mass a snapshot.
    pub fn with_masses(mut self, masses: &[f64]) -> Result<Self> {
        check_len("masses", masses.len(), self.len())?;
        for (k, &mass) in masses.iter().enumerate() {
            let factor = crate::error::positive("mass", mass)? / self.mass(k);
            self.weights[self.offsets[k]..self.offsets[k + 1]].iter_mut().for_each(|w| *w *= factor);
        }
        self.checked()
    }

    /// The snapshots without those at `times`: what a held-out fit learns from.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a time that is not there.
    pub fn without(&self, times: &[f64]) -> Result<Self> {
        for &time in times {
            self.index_of(time)?;
        }
        let mut kept =
            Self { times: vec![], offsets: vec![0], points: vec![], weights: vec![], dims: self.dims };
        for k in (0..self.len()).filter(|&k| !times.contains(&self.times[k])) {
            kept.times.push(self.times[k]);
            kept.points.extend_from_slice(self.points(k));
            kept.weights.extend_from_slice(self.weights(k));
            kept.offsets.push(kept.weights.len());
        }
        kept.checked()
    }

    fn checked(self) -> Result<Self> {
        if self.times.is_empty() {
            return Err(Error::InvalidData("there are no cells".into()));
        }
        for (k, time) in self.times.iter().enumerate() {
            let mass = self.mass(k);
            if !(mass > 0.0 && mass.is_finite()) {
                return Err(Error::InvalidData(format!(
                    "time {time}: the total weight of its {} cells is {mass}; it must be positive and finite",
                    self.count(k)
                )));
            }
        }
        Ok(self)
    }

    /// The snapshot whose time is exactly `time`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] listing the times that there are.
    pub fn index_of(&self, time: f64) -> Result<usize> {
        self.times.iter().position(|&t| t == time).ok_or_else(|| {
            Error::argument("time", time, &format!("one of the data's time points {:?}", self.times))
        })
    }

    /// The dimension d of the space.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The number of snapshots, K + 1.
    #[allow(clippy::len_without_is_empty)] // never empty: construction refuses it
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// The times t_0 < … < t_K.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The number of cells of snapshot `k`.
    pub fn count(&self, k: usize) -> usize {
        self.offsets[k + 1] - self.offsets[k]
    }

    /// The coordinates of snapshot `k`, row-major, `count(k)` × `dims()`.
    pub fn points(&self, k: usize) -> &[f32] {
        &self.points[self.offsets[k] * self.dims..self.offsets[k + 1] * self.dims]
    }

    /// The weights of the cells of snapshot `k`.
    pub fn weights(&self, k: usize) -> &[f64] {
        &self.weights[self.offsets[k]..self.offsets[k + 1]]
    }

    /// The total weight of snapshot `k`.
    pub fn mass(&self, k: usize) -> f64 {
        self.weights(k).iter().sum()
    }

    /// All coordinates, of all snapshots in order of time, row-major.
    pub fn all_points(&self) -> &[f32] {
        &self.points
    }
}

fn check_len(name: &str, got: usize, want: usize) -> Result<()> {
    if got == want {
        Ok(())
    } else {
        Err(Error::argument(name, format!("{got} values"), &format!("{want} values")))
    }
}

fn coordinate(value: f64, row: usize, col: usize) -> Result<f32> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    let what =
        if value.is_finite() { "is beyond single precision (3.4e38)" } else { "is not a finite number" };
    Err(Error::InvalidData(format!("row {}, coordinate {}: {value} {what}", row + 1, col + 1)))
}
