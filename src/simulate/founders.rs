//! The particles that a simulation of a snapshot starts from, some at a time.

use std::ops::Range;

use super::resampling::Drawn;
use super::simulation::{Process, Simulation};
use super::{Particles, resampling};
use crate::error::Result;
use crate::snapshots::Snapshots;

/// The cells of a snapshot with their weights, or particles of equal weight that were drawn from them.
#[derive(Debug, Clone)]
pub struct Founders<'a> {
    snapshots: &'a Snapshots,
    k: usize,
    drawn: Option<Drawn>,
}

impl<'a> Founders<'a> {
    /// All cells of snapshot `k`, as a simulation starts from them: those that branch are [`equal`](resampling::equal).
    ///
    /// # Errors
    /// [`Error::InvalidData`](crate::Error::InvalidData) if cells that branch have no mass.
    pub fn of_snapshot(snapshots: &'a Snapshots, k: usize, simulation: &Simulation) -> Result<Self> {
        let mut drawn = None;
        if simulation.process == Process::Branching {
            let log_weights: Vec<f64> = snapshots.weights(k).iter().map(|&w| libm::log(w)).collect();
            drawn = resampling::equal_rows(&log_weights, simulation.seed)?;
        }
        Ok(Self { snapshots, k, drawn })
    }

    /// So many cells of snapshot `k`, drawn by `seed` without replacement, heavy cells more often, so that all weigh the same: the
    /// mean of all cells.
    ///
    /// # Errors
    /// Those of [`Snapshots::sample`].
    pub fn sample(snapshots: &'a Snapshots, k: usize, count: usize, seed: u64) -> Result<Self> {
        let rows = snapshots.sample(k, count, seed)?;
        let all = Self { snapshots, k, drawn: None };
        let log_weight = libm::log(all.mass() / snapshots.count(k) as f64);
        Ok(Self { drawn: Some(Drawn { log_weight, rows }), ..all })
    }

    /// Their time.
    pub fn time(&self) -> f64 {
        self.snapshots.times()[self.k]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.drawn.as_ref().map_or(self.snapshots.count(self.k), |drawn| drawn.rows.len())
    }

    /// The total weight of the snapshot, of its weights as particles have them.
    pub fn mass(&self) -> f64 {
        let weights = self.snapshots.weights(self.k).iter();
        weights.fold(0.0, |mass, &weight| mass + libm::exp(libm::log(weight)))
    }

    /// Some of them, numbered by their places among all.
    pub fn some(&self, founders: Range<usize>) -> Particles {
        let (snapshots, k) = (self.snapshots, self.k);
        let (points, log_weights) = match &self.drawn {
            Some(Drawn { log_weight, rows }) => {
                let rows = &rows[founders.clone()];
                let points = rows.iter().flat_map(|&row| snapshots.point(k, row)).copied().collect();
                (points, vec![*log_weight; rows.len()])
            }
            None => {
                let weights = snapshots.weights(k)[founders.clone()].iter();
                let points = snapshots.points_of(k, founders.clone()).into_owned();
                (points, weights.map(|&weight| libm::log(weight)).collect())
            }
        };
        Particles {
            time: self.time(),
            dims: snapshots.dims(),
            points,
            log_weights,
            ids: founders.clone().map(|row| row as u64).collect(),
            ancestors: (0..founders.len()).collect(),
        }
    }
}
