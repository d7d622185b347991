//! The path action: how much motion and growth the learned fields spend.

use rayon::prelude::*;

use crate::dynamics::{FieldValues, Fields, Scratch};
use crate::error::{Error, Result, positive};
use crate::simulate::{BLOCK, Particles, ode};
use crate::snapshots::Snapshots;

/// The points of the time grid, both ends counted.
const GRID: usize = 100;

/// Cells that are integrated together: their paths on the grid are held in memory.
const CELLS: usize = 16 * BLOCK;

/// The Wasserstein–Fisher–Rao action ∫ ½(‖v‖² + δ² g²) w dt along the probability flow from all cells of the first
/// snapshot, each of weight 1 there, averaged over these cells.
///
/// The integral is the left rectangle sum on 100 equally spaced times from the first to the last snapshot: each of
/// the first 99 with Δt = (t_K − t_0)/99. This is the quadrature by which methods are compared (Peng et al., WFR-FM, ICLR 2026); it is
/// within O(Δt) of the integral.
///
/// # Errors
/// [`Error::InvalidArgument`] if `delta` is not positive and finite, [`Error::InvalidData`] for a single snapshot, and
/// those of [`ode::integrate`].
pub fn path_action(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    delta: f64,
    solver: &ode::Solver,
) -> Result<f64> {
    positive("delta", delta)?;
    let (first, last) = (snapshots.times()[0], snapshots.times()[snapshots.len() - 1]);
    if first == last {
        return Err(Error::InvalidData("the path action needs at least two time points".into()));
    }
    let step = (last - first) / (GRID - 1) as f64;
    let times: Vec<f64> = (0..GRID - 1).map(|i| first + i as f64 * step).collect();
    let dims = snapshots.dims();
    let mut sum = 0.0;
    for points in snapshots.points(0).chunks(CELLS * dims) {
        let start = Particles::new(first, dims, points.to_vec(), None)?;
        let paths = ode::integrate(fields, &start, &times, solver)?;
        sum += paths.frames.iter().map(|frame| weighted_cost(fields, frame, delta) * step).sum::<f64>();
    }
    Ok(sum / snapshots.count(0) as f64)
}

/// Σ ½(‖v‖² + δ² g²) w over the particles.
fn weighted_cost(fields: &dyn Fields, particles: &Particles, delta: f64) -> f64 {
    let dims = particles.dims;
    let of_block = |scratch: &mut Scratch, (points, log_weights): (&[f32], &[f64])| {
        let (mut velocity, mut growth) = (vec![0.0; points.len()], vec![0.0; log_weights.len()]);
        let values =
            FieldValues { velocity: Some(&mut velocity), growth: Some(&mut growth), score_drift: None };
        fields.evaluate(particles.time, points, values, scratch);
        let costs = velocity.chunks_exact(dims).zip(&growth).zip(log_weights).map(|((v, &g), &l)| {
            let speed = v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            0.5 * (speed + (delta * f64::from(g)).powi(2)) * libm::exp(l)
        });
        costs.sum::<f64>()
    };
    let blocks = particles.points.par_chunks(BLOCK * dims).zip(particles.log_weights.par_chunks(BLOCK));
    blocks.map_init(Scratch::default, of_block).collect::<Vec<f64>>().into_iter().sum()
}
