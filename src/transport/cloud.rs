//! Clouds that are too large to be held: parts of them are gathered when they are needed.

use super::PointCloud;
use crate::snapshots::Snapshots;

/// A weighted point cloud, however it is kept.
#[allow(clippy::len_without_is_empty)] // never empty: what makes clouds refuses it
pub trait Cloud: Sync {
    /// The dimension of the space.
    fn dims(&self) -> usize;

    /// One weight a point.
    fn weights(&self) -> &[f64];

    /// The points `rows`, in that order, with their weights.
    fn part(&self, rows: &[usize]) -> PointCloud;

    /// The number of points.
    fn len(&self) -> usize {
        self.weights().len()
    }

    /// The total weight.
    fn mass(&self) -> f64 {
        self.weights().iter().sum()
    }
}

impl Cloud for PointCloud {
    fn dims(&self) -> usize {
        self.dims
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn part(&self, rows: &[usize]) -> PointCloud {
        self.subset(rows)
    }
}

impl PointCloud {
    /// The points `rows` of a cloud that is kept elsewhere, with their weights.
    pub(crate) fn gathered<'p>(
        dims: usize,
        rows: &[usize],
        point: impl Fn(usize) -> &'p [f32],
        weights: &[f64],
    ) -> Self {
        let points = rows.iter().flat_map(|&row| point(row)).map(|&x| f64::from(x)).collect();
        Self { dims, points, weights: rows.iter().map(|&row| weights[row]).collect(), clones: None }
    }
}

/// The cells of a snapshot where they lie, with weights of their own: what [`PointCloud::of_snapshot`] would hold in double
/// precision.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotCells<'a> {
    snapshots: &'a Snapshots,
    k: usize,
    weights: Vec<f64>,
    clone_penalty: f64,
}

impl<'a> SnapshotCells<'a> {
    /// The cells of snapshot `k`.
    pub(crate) fn new(snapshots: &'a Snapshots, k: usize) -> Self {
        Self { snapshots, k, weights: snapshots.weights(k).to_vec(), clone_penalty: 0.0 }
    }

    /// The same in their clones, if these are known, of which different ones cost `penalty` more to join.
    pub(crate) fn in_clones(self, penalty: f64) -> Self {
        Self { clone_penalty: penalty, ..self }
    }

    /// The same with the weights that the cells are expected to have after a `duration`: what a coupling sends.
    pub(crate) fn expected(self, duration: f64) -> Self {
        Self { weights: self.snapshots.expected_weights(self.k, duration).into_owned(), ..self }
    }

    /// The same with weights times `factor`.
    pub(crate) fn scaled(mut self, factor: f64) -> Self {
        self.weights.iter_mut().for_each(|w| *w *= factor);
        self
    }
}

impl Cloud for SnapshotCells<'_> {
    fn dims(&self) -> usize {
        self.snapshots.dims()
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn part(&self, rows: &[usize]) -> PointCloud {
        let cells =
            PointCloud::gathered(self.dims(), rows, |row| self.snapshots.point(self.k, row), &self.weights);
        match self.snapshots.clones(self.k) {
            Some(clones) if self.clone_penalty > 0.0 => {
                cells.of_clones(rows.iter().map(|&row| clones[row]), self.clone_penalty)
            }
            _ => cells,
        }
    }
}
