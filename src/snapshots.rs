//! Time-stamped weighted point clouds: what every method takes, and the only place where data is validated.

mod checks;
pub(crate) mod kmeans;
mod known;
mod selection;
mod view;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use checks::{RESOLVED_TIME, check_len, checked_order, coordinate, half_span, ordered_weights, sorted_times};
use known::Known;
pub use view::MatrixView;
pub(crate) use view::extent;

/// Points that somebody holds, a caller's array or a mapped file: single precision, row-major, one row a cell.
pub type SharedPoints = Arc<dyn AsRef<[f32]> + Send + Sync>;

/// Point clouds X_0 … X_K in ℝ^d at strictly increasing times, one weight a cell.
///
/// The measure at time t_k is Σ_i w_{k,i} δ_{x_{k,i}}; its total is the *mass* of the snapshot. Without weights
/// every cell weighs 1 and the mass is the cell count.
///
/// [`new`](Self::new) copies the cells. [`shared`](Self::shared) leaves them where they are, as do clones and parts of any
/// snapshots: they hold the times, the weights, and where the rows are.
#[derive(Clone)]
pub struct Snapshots {
    dims: usize,
    times: Vec<f64>,
    /// How many cells there are before each snapshot; one more entry than there are snapshots.
    offsets: Vec<usize>,
    points: SharedPoints,
    rows: Rows,
    weights: Vec<f64>,
    known: Known,
}

/// Which rows of the points the cells are.
#[derive(Debug, Clone)]
enum Rows {
    /// Those of each snapshot stand together, from this one on.
    Together(Vec<usize>),
    /// Cell by cell, through all snapshots.
    Listed(Vec<u32>),
}

impl Snapshots {
    /// Sorts cells by their time label into snapshots. `labels` holds one time a row of `points`; cells of equal
    /// label keep their order. `weights`, where given, holds one non-negative number a cell.
    ///
    /// Points are copied, kept in single precision, as they are, not centred.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the row (and column) of a coordinate, label or weight that cannot be used; a time
    /// point without mass; two times that differ by less than 1e-9 of the span of all, as 0.3 and 0.1 + 0.2 do; a
    /// coordinate so far from the origin, for the spread of the cells, that single precision would blur them.
    /// [`Error::InvalidArgument`] for lengths that disagree.
    pub fn new(points: MatrixView<'_>, labels: &[f64], weights: Option<&[f64]>) -> Result<Self> {
        let order = checked_order(&points, labels, weights)?;
        let mut copied = Vec::with_capacity(order.len() * points.cols());
        for &row in &order {
            for col in 0..points.cols() {
                copied.push(coordinate(points.get(row, col), row, col)?);
            }
        }
        let (times, offsets) = sorted_times(labels, &order);
        let rows = Rows::Together(offsets[..times.len()].to_vec());
        let (points, dims) = (Arc::new(copied), points.cols());
        let weights = ordered_weights(weights, &order)?;
        Self { dims, times, offsets, points, rows, weights, known: Known::default() }.checked()
    }

    /// As [`new`](Self::new), without a copy of the points: rows of `dims` coordinates that `points` holds and never changes, in any
    /// order. Beside them, cells take 8 bytes each for the weight, and 4 for the row where those of a time do not stand together.
    ///
    /// The points are read once here, to be checked, and kept as long as these snapshots, clones and parts of them; what is learned from
    /// them keeps nothing of them. All results are those of a copy, to the bit.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::InvalidArgument`] for more than 2³² − 1 rows.
    pub fn shared(
        points: SharedPoints,
        dims: usize,
        labels: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let elements = (*points).as_ref();
        let view = MatrixView::from_f32(elements, labels.len(), dims)?;
        if u32::try_from(labels.len()).is_err() {
            return Err(Error::argument("the number of rows", labels.len(), "below 2^32"));
        }
        let order = checked_order(&view, labels, weights)?;
        for (row, x) in elements.chunks_exact(dims).enumerate() {
            if let Some(col) = x.iter().position(|x| !x.is_finite()) {
                coordinate(x[col].into(), row, col)?;
            }
        }
        let (times, offsets) = sorted_times(labels, &order);
        let of_snapshot = |k: usize| &order[offsets[k]..offsets[k + 1]];
        let together = (0..times.len()).all(|k| of_snapshot(k).windows(2).all(|pair| pair[1] == pair[0] + 1));
        let rows = if together {
            Rows::Together((0..times.len()).map(|k| of_snapshot(k)[0]).collect())
        } else {
            Rows::Listed(order.iter().map(|&row| row as u32).collect())
        };
        let weights = ordered_weights(weights, &order)?;
        Self { dims, times, offsets, points, rows, weights, known: Known::default() }.checked()
    }

    /// Gives every cell a weight, in the order in which [`all_cells`](Self::all_cells) gives the cells.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one a cell; [`Error::InvalidData`] for one that is negative or not finite, and for a
    /// snapshot without mass.
    pub fn with_weights(mut self, weights: &[f64]) -> Result<Self> {
        check_len("weights", weights.len(), self.cells())?;
        if let Some(cell) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            let message = format!(
                "the weight of cell {} is {}; it must be finite and not negative",
                cell + 1,
                weights[cell]
            );
            return Err(Error::InvalidData(message));
        }
        self.weights.copy_from_slice(weights);
        self.checked()
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

    /// The snapshot whose time is `time`, up to the rounding that tells 0.1 + 0.2 from 0.3: two times of a data set are
    /// never so close.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] listing the times that there are.
    pub fn index_of(&self, time: f64) -> Result<usize> {
        let near = RESOLVED_TIME * half_span(&self.times);
        self.times.iter().position(|&t| t == time || (t / 2.0 - time / 2.0).abs() < near / 2.0).ok_or_else(
            || Error::argument("time", time, &format!("one of the data's time points {:?}", self.times)),
        )
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

    /// The time from snapshot `k` to the next.
    pub(crate) fn duration(&self, k: usize) -> f64 {
        self.times[k + 1] - self.times[k]
    }

    /// The number of cells of snapshot `k`.
    pub fn count(&self, k: usize) -> usize {
        self.offsets[k + 1] - self.offsets[k]
    }

    /// The number of cells of all snapshots.
    pub fn cells(&self) -> usize {
        self.weights.len()
    }

    /// The coordinates of a cell of snapshot `k`.
    pub fn point(&self, k: usize, cell: usize) -> &[f32] {
        let row = self.row(k, cell);
        &(*self.points).as_ref()[row * self.dims..(row + 1) * self.dims]
    }

    /// The coordinates of the cells of snapshot `k`, one slice a cell: nothing is copied.
    pub fn cells_of(&self, k: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        let (elements, dims) = ((*self.points).as_ref(), self.dims);
        (0..self.count(k)).map(move |cell| {
            let row = self.row(k, cell);
            &elements[row * dims..(row + 1) * dims]
        })
    }

    /// The coordinates of all cells, of all snapshots in order of time.
    pub fn all_cells(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.len()).flat_map(|k| self.cells_of(k))
    }

    /// The coordinates of snapshot `k`, row-major, `count(k)` × `dims()`: gathered where its rows do not stand together.
    pub fn points(&self, k: usize) -> Cow<'_, [f32]> {
        self.points_of(k, 0..self.count(k))
    }

    /// The coordinates of some consecutive cells of snapshot `k`, row-major: gathered where their rows do not stand together.
    pub fn points_of(&self, k: usize, cells: Range<usize>) -> Cow<'_, [f32]> {
        match &self.rows {
            Rows::Together(starts) => {
                let elements = (starts[k] + cells.start) * self.dims..(starts[k] + cells.end) * self.dims;
                Cow::Borrowed(&(*self.points).as_ref()[elements])
            }
            Rows::Listed(_) => Cow::Owned(cells.flat_map(|cell| self.point(k, cell)).copied().collect()),
        }
    }

    /// The row of the points that a cell is.
    fn row(&self, k: usize, cell: usize) -> usize {
        match &self.rows {
            Rows::Together(starts) => starts[k] + cell,
            Rows::Listed(rows) => rows[self.offsets[k] + cell] as usize,
        }
    }

    /// The weights of the cells of snapshot `k`.
    pub fn weights(&self, k: usize) -> &[f64] {
        &self.weights[self.offsets[k]..self.offsets[k + 1]]
    }

    /// The total weight of snapshot `k`.
    pub fn mass(&self, k: usize) -> f64 {
        self.weights(k).iter().sum()
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<usize> = (0..self.len()).map(|k| self.count(k)).collect();
        let mut told = f.debug_struct("Snapshots");
        told.field("dims", &self.dims).field("times", &self.times).field("counts", &counts);
        told.finish_non_exhaustive()
    }
}

impl PartialEq for Snapshots {
    /// Whether the cells are the same, and what is known of them, wherever they are kept.
    fn eq(&self, other: &Self) -> bool {
        (self.dims, &self.times, &self.offsets, &self.weights, &self.known)
            == (other.dims, &other.times, &other.offsets, &other.weights, &other.known)
            && self.all_cells().eq(other.all_cells())
    }
}

/// The rows of time-labelled cells in the order in which [`Snapshots`] hold them: by label, those of equal label as they came.
/// For what else is known of each cell.
pub fn time_order(labels: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| labels[a].total_cmp(&labels[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_points_are_the_same_snapshots_as_copied_ones_in_any_order_of_rows() {
        let elements: Vec<f32> = (0..12).map(|i| (i * i) as f32).collect();
        let weights: Vec<f64> = (1..7).map(f64::from).collect();
        for labels in
            [[0.0, 0.0, 1.0, 1.0, 4.0, 4.0], [4.0, 4.0, 0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 4.0, 4.0, 0.0, 1.0]]
        {
            let view = MatrixView::from_f32(&elements, 6, 2).unwrap();
            let copied = Snapshots::new(view, &labels, Some(&weights)).unwrap();
            let shared = Snapshots::shared(Arc::new(elements.clone()), 2, &labels, Some(&weights)).unwrap();
            assert_eq!(copied, shared);
            for k in 0..3 {
                assert_eq!((copied.points(k), copied.weights(k)), (shared.points(k), shared.weights(k)));
                assert_eq!(copied.points_of(k, 1..2), shared.point(k, 1));
            }
            assert_eq!(copied.without(&[1.0]), shared.without(&[1.0]));
            let some = [vec![1], vec![0, 1], vec![1, 0]];
            assert_eq!(copied.subset(&some), shared.subset(&some));
            assert_eq!(
                shared.subset(&some).unwrap().without(&[0.0]).unwrap().points(1),
                [shared.point(2, 1), shared.point(2, 0)].concat()
            );
        }
    }

    #[test]
    fn shared_points_are_kept_as_long_as_anything_is_made_of_them_and_no_longer() {
        let points: SharedPoints = Arc::new(vec![0.0f32, 1.0, 2.0]);
        let all = Snapshots::shared(points.clone(), 1, &[0.0, 1.0, 2.0], None).unwrap();
        let some = all.without(&[1.0]).unwrap();
        drop(all);
        assert_eq!(Arc::strong_count(&points), 2);
        assert_eq!(some.points(1).as_ptr(), (*points).as_ref()[2..].as_ptr(), "where they were");
        drop(some);
        assert_eq!(Arc::strong_count(&points), 1);
    }

    #[test]
    fn shared_points_are_refused_as_copied_ones_are() {
        let labels = [0.0, 1.0, 0.0];
        for elements in
            [vec![0.0, 1.0, f32::NAN], vec![0.0, f32::INFINITY, 1.0], vec![1e7, 1e7 + 1.0, 1e7], vec![0.0; 2]]
        {
            let view = MatrixView::from_f32(&elements, 3, 1);
            let copied = view.and_then(|view| Snapshots::new(view, &labels, None));
            let shared = Snapshots::shared(Arc::new(elements), 1, &labels, None);
            assert_eq!(copied.unwrap_err(), shared.unwrap_err());
        }
        let weights = [1.0, -1.0, 1.0];
        assert!(Snapshots::shared(Arc::new(vec![0.0f32, 1.0, 2.0]), 1, &labels, Some(&weights)).is_err());
        assert!(Snapshots::shared(Arc::new(Vec::<f32>::new()), 0, &labels, None).is_err());
    }
}
