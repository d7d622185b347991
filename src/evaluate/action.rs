//! The path action: how much motion and growth the learned fields spend.

use rayon::prelude::*;

use crate::error::{Error, Result, positive};
use crate::exec::stop::Stop;
use crate::fields::{FieldValues, Fields, Scratch};
use crate::simulate::{BLOCK, Particles, ode};
use crate::snapshots::Snapshots;

/// The points of the time grid, both ends counted.
const GRID: usize = 100;

/// Cells that are integrated together: their paths on the grid are held in memory.
const CELLS: usize = 16 * BLOCK;

/// The Wasserstein–Fisher–Rao action ∫ ½(‖v‖² + δ² g²) w dt along the probability flow from all cells of the
/// first snapshot, with their weights there, over the snapshot's mass: what a unit of mass spends.
///
/// The integral is the left rectangle sum on 100 equally spaced times from the first to the last snapshot:
/// the field's values at each of the first 99, times Δt = (t_K − t_0)/99. That is the quadrature of the
/// published comparisons, within O(Δt) of the integral.
///
/// # Errors
/// [`Error::InvalidArgument`] if `delta` is not positive and finite, [`Error::InvalidData`] for a single
/// snapshot, [`Error::Cancelled`] once `stop` is requested, and those of [`ode::integrate`].
pub fn path_action(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    delta: f64,
    solver: &ode::Solver,
    stop: &Stop,
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
    for (points, weights) in snapshots.points(0).chunks(CELLS * dims).zip(snapshots.weights(0).chunks(CELLS))
    {
        let start = Particles::new(first, dims, points.to_vec(), Some(weights))?;
        let paths = ode::integrate(fields, &start, &times, solver, stop)?;
        sum += paths.frames.iter().map(|frame| weighted_cost(fields, frame, delta) * step).sum::<f64>();
    }
    Ok(sum / snapshots.mass(0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::ClosedForm;
    use crate::snapshots::MatrixView;

    #[test]
    fn constant_fields_have_their_action_in_closed_form() {
        // ‖v‖ = 5 and g = 0.4 over T = 3: ½(25 + δ² 0.16) (e^{1.2} − 1)/0.4, less what the left sum misses.
        let fields = ClosedForm {
            dims: 2,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.copy_from_slice(&[3.0, 4.0])),
            growth: Box::new(|_, _| 0.4),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        // More cells than are integrated together.
        let cells = CELLS + 100;
        let points: Vec<f32> = (0..2 * cells + 2).map(|i| (i as f32).sin()).collect();
        let labels: Vec<f64> = (0..=cells).map(|i| if i < cells { 1.0 } else { 4.0 }).collect();
        let view = MatrixView::from_f32(&points, cells + 1, 2).unwrap();
        let snapshots = Snapshots::new(view, &labels, None).unwrap();
        let got = path_action(&fields, &snapshots, 1.5, &ode::Solver::default(), &Stop::default()).unwrap();
        let rate = 0.5 * (25.0 + 2.25 * 0.16);
        let step: f64 = 3.0 / 99.0;
        let left_sum = rate * step * (1.2f64.exp() - 1.0) / ((0.4 * step).exp() - 1.0);
        assert!((got / left_sum - 1.0).abs() < 1e-5, "{got} against {left_sum}");
        let integral = rate * (1.2f64.exp() - 1.0) / 0.4;
        assert!((got / integral - 1.0).abs() < 0.01, "{got} against {integral}");
        let stopped = Stop::default();
        stopped.request();
        let refused = path_action(&fields, &snapshots, 1.5, &ode::Solver::default(), &stopped);
        assert_eq!(refused, Err(Error::Cancelled));
        assert!(path_action(&fields, &snapshots, -1.0, &ode::Solver::default(), &Stop::default()).is_err());
        assert!(
            path_action(
                &fields,
                &snapshots.without(&[4.0]).unwrap(),
                1.0,
                &ode::Solver::default(),
                &Stop::default()
            )
            .is_err()
        );
    }

    #[test]
    fn cells_count_by_their_weights() {
        // Cells stay where they are; those at 1 grow, those at 0 cost nothing.
        let fields = ClosedForm {
            dims: 1,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.fill(0.0)),
            growth: Box::new(|_, x| 0.5 * x[0]),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        let action = |weights: Option<&[f64]>| {
            let view = MatrixView::from_f32(&[0.0, 1.0, 0.0], 3, 1).unwrap();
            let snapshots = Snapshots::new(view, &[0.0, 0.0, 1.0], weights).unwrap();
            path_action(&fields, &snapshots, 1.0, &ode::Solver::default(), &Stop::default()).unwrap()
        };
        let even = action(None);
        assert!(even > 0.05, "{even}");
        // Half of the mass grows, a thousandth of it, nearly all, none; the unit of weight does not matter.
        for (weights, share) in [
            ([7.0, 7.0, 1.0], 0.5),
            ([999.0, 1.0, 1.0], 0.001),
            ([1.0, 999.0, 1.0], 0.999),
            ([2.0, 0.0, 1.0], 0.0),
        ] {
            let got = action(Some(&weights));
            assert!(
                (got - 2.0 * share * even).abs() < 1e-12,
                "{got} with weights {weights:?}, {even} without"
            );
        }
    }
}
