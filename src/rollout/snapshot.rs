//! Snapshots in network units, and samples of them.

use rand::seq::SliceRandom;

use super::terms::SnapshotCloud;
use crate::error::Result;
use crate::exec::rng::{Purpose, stream};
use crate::snapshots::Snapshots;
use crate::units::Scaling;

/// All cells of a snapshot that have weight, in network units.
pub(super) struct ScaledSnapshot {
    pub(super) x: Vec<f32>,
    /// Of sum 1.
    pub(super) weights: Vec<f64>,
    /// Over the first snapshot's.
    pub(super) mass: f64,
    /// All of it, where a batch holds all of it.
    pub(super) target: Option<SnapshotCloud>,
}

impl ScaledSnapshot {
    pub(super) fn new(snapshots: &Snapshots, k: usize, scaling: &Scaling, batch_size: usize) -> Result<Self> {
        let dims = snapshots.dims();
        let (mut x, mut weights) = (vec![], vec![]);
        let mut row = vec![0.0; dims + 1];
        let total = snapshots.mass(k);
        for (point, &weight) in snapshots.cells_of(k).zip(snapshots.weights(k)) {
            if weight > 0.0 {
                // The place alone is kept.
                scaling.write_row(0.0, point.iter().copied(), &mut row);
                x.extend_from_slice(&row[1..]);
                weights.push(weight / total);
            }
        }
        let mass = total / snapshots.mass(0);
        let whole = weights.len() <= batch_size;
        let target = whole.then(|| SnapshotCloud::new(&x, &weights, dims, mass)).transpose()?;
        Ok(Self { x, weights, mass, target })
    }

    /// `count` different rows at random, or all of them in order.
    pub(super) fn sample(&self, count: usize, (seed, run, k): (u64, u64, u64)) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.weights.len()).collect();
        if count < rows.len() {
            let mut rng = stream(seed, Purpose::Minibatch, run, 1 << 32 | k);
            return rows.partial_shuffle(&mut rng, count).0.to_vec();
        }
        rows
    }

    /// The cells `rows` and their weights, of sum 1.
    pub(super) fn rows(&self, rows: &[usize], dims: usize) -> (Vec<f32>, Vec<f64>) {
        let x = rows.iter().flat_map(|&i| &self.x[i * dims..(i + 1) * dims]).copied().collect();
        let total: f64 = rows.iter().map(|&i| self.weights[i]).sum();
        (x, rows.iter().map(|&i| self.weights[i] / total).collect())
    }
}
