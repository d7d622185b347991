//! The path action: how much motion and growth the learned fields spend.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::error::{Error, Result, positive};
use crate::exec::stop::Stop;
use crate::fields::{Branch, FieldValues, Fields, Scratch};
use crate::simulate::{BLOCK, Particles, ode};
use crate::snapshots::Snapshots;

/// The points of the time grid, both ends counted.
const GRID: usize = 100;

/// Cells that are integrated together: their paths on the grid are held in memory.
const CELLS: usize = 16 * BLOCK;

/// What a unit of mass spends on the way from the first snapshot to the last.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PathAction {
    /// The Wasserstein–Fisher–Rao action of the probability flow, ∫ ½(‖v‖² + δ² g²) w dt.
    pub flow: f64,
    /// The action of regularised unbalanced transport, ∫ (½‖v + s‖² + Ψ(g)) w dt with the fit's own price Ψ of growth: what the
    /// diffusion spends, whose population is that of the flow (Zhang, Li, Zhou, ICLR 2025; Sun et al., NeurIPS 2025). None of
    /// fields that solve no such problem.
    pub regularised: Option<f64>,
}

/// The path action along the probability flow from all cells of the first snapshot, with their weights there, over the snapshot's
/// mass.
///
/// The integral is the left rectangle sum on 100 equally spaced times from the first to the last snapshot:
/// the field's values at each of the first 99, times Δt = (t_K − t_0)/99. That is the quadrature of the
/// published comparisons, within O(Δt) of the integral. Of [branches](Fields::of_branches) it is the sum of the actions of all, g being what
/// each adds to its founder's weight, for each unit of that (the energy of BranchSBM: Tang et al., ICLR 2026).
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
) -> Result<PathAction> {
    positive("delta", delta)?;
    let (first, last) = (snapshots.times()[0], snapshots.times()[snapshots.len() - 1]);
    if first == last {
        return Err(Error::InvalidData("the path action needs at least two time points".into()));
    }
    let step = (last - first) / (GRID - 1) as f64;
    let times: Vec<f64> = (0..GRID - 1).map(|i| first + i as f64 * step).collect();
    let dims = snapshots.dims();
    let ways = fields.of_branches();
    let (mut flow, mut regularised) = (0.0, 0.0);
    for (points, weights) in snapshots.points(0).chunks(CELLS * dims).zip(snapshots.weights(0).chunks(CELLS))
    {
        let start = Particles::new(first, dims, points.to_vec(), Some(weights))?;
        let paths = ode::integrate(fields, &start, &times, solver, stop)?;
        for frame in &paths.frames {
            for (fields, particles) in parts(fields, &ways, frame) {
                let (of_flow, of_diffusion) = weighted_costs(fields, &particles, delta);
                flow += of_flow * step;
                regularised += of_diffusion * step;
            }
        }
    }
    let mass = snapshots.mass(0);
    let priced = fields.growth_cost(first, 0.0).is_some();
    Ok(PathAction { flow: flow / mass, regularised: priced.then_some(regularised / mass) })
}

/// The particles of a frame with the fields that they move by: all with the whole ones, or those of each branch with its own.
fn parts<'a>(
    fields: &'a dyn Fields,
    ways: &'a [Branch<'_>],
    frame: &'a Particles,
) -> Vec<(&'a dyn Fields, Cow<'a, Particles>)> {
    if ways.is_empty() {
        return vec![(fields, Cow::Borrowed(frame))];
    }
    let of_branch = |(b, branch): (usize, &'a Branch<'_>)| {
        let rows = || (b..frame.len()).step_by(ways.len());
        let particles = Particles {
            time: frame.time,
            dims: frame.dims,
            points: rows().flat_map(|row| frame.point(row)).copied().collect(),
            log_weights: rows().map(|row| frame.log_weights[row]).collect(),
            ids: vec![],
            ancestors: vec![],
        };
        (&*branch.fields as &dyn Fields, Cow::Owned(particles))
    };
    ways.iter().enumerate().map(of_branch).collect()
}

/// Σ ½(‖v‖² + δ² g²) w and Σ (½‖v + s‖² + Ψ(g)) w over the particles.
fn weighted_costs(fields: &dyn Fields, particles: &Particles, delta: f64) -> (f64, f64) {
    let (dims, time) = (particles.dims, particles.time);
    let priced = fields.growth_cost(time, 0.0).is_some();
    let of_block = |scratch: &mut Scratch, (points, log_weights): (&[f32], &[f64])| {
        let (mut velocity, mut growth) = (vec![0.0; points.len()], vec![0.0; log_weights.len()]);
        let mut score = vec![0.0; if priced { points.len() } else { 0 }];
        let score_drift = priced.then_some(&mut score[..]);
        let values = FieldValues { velocity: Some(&mut velocity), growth: Some(&mut growth), score_drift };
        fields.evaluate(time, points, values, scratch);
        let (mut flow, mut regularised) = (0.0, 0.0);
        for (i, (&g, &log_weight)) in growth.iter().zip(log_weights).enumerate() {
            let weight = libm::exp(log_weight);
            let row = i * dims..(i + 1) * dims;
            let speed = velocity[row.clone()].iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
            flow += 0.5 * (speed + (delta * f64::from(g)).powi(2)) * weight;
            if let Some(price) = fields.growth_cost(time, g.into()).filter(|_| priced) {
                let drifts = velocity[row.clone()].iter().zip(&score[row]);
                let drift = drifts.map(|(&v, &s)| (f64::from(v) + f64::from(s)).powi(2)).sum::<f64>();
                regularised += (0.5 * drift + price) * weight;
            }
        }
        (flow, regularised)
    };
    let blocks = particles.points.par_chunks(BLOCK * dims).zip(particles.log_weights.par_chunks(BLOCK));
    let sums: Vec<(f64, f64)> = blocks.map_init(Scratch::default, of_block).collect();
    sums.into_iter().fold((0.0, 0.0), |(a, b), (flow, regularised)| (a + flow, b + regularised))
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
        let action =
            path_action(&fields, &snapshots, 1.5, &ode::Solver::default(), &Stop::default()).unwrap();
        assert_eq!(action.regularised, None, "functions solve no problem");
        let got = action.flow;
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
            path_action(&fields, &snapshots, 1.0, &ode::Solver::default(), &Stop::default()).unwrap().flow
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
    /// Fields that were learned under a price of growth of their own, with noise.
    struct Priced(ClosedForm);

    impl Fields for Priced {
        fn dims(&self) -> usize {
            self.0.dims()
        }

        fn sigma(&self, time: f64) -> f64 {
            self.0.sigma(time)
        }

        fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
            self.0.evaluate(time, points, values, scratch);
        }

        fn growth_cost(&self, _time: f64, growth: f64) -> Option<f64> {
            Some(7.0 * growth.abs())
        }
    }

    #[test]
    fn the_diffusion_pays_for_its_whole_drift_and_the_fits_own_price_of_growth() {
        // v + s = (4, 5) and Ψ = 7 · .4, in the place of v = (3, 4) and ½δ²g².
        let fields = Priced(ClosedForm {
            dims: 2,
            sigma: 1.0,
            velocity: Box::new(|_, _, v| v.copy_from_slice(&[3.0, 4.0])),
            growth: Box::new(|_, _| 0.4),
            score_drift: Box::new(|_, _, s| s.fill(1.0)),
        });
        let view = MatrixView::from_f32(&[0.0, 0.0, 1.0, 1.0], 2, 2).unwrap();
        let snapshots = Snapshots::new(view, &[0.0, 2.0], None).unwrap();
        let action =
            path_action(&fields, &snapshots, 1.5, &ode::Solver::default(), &Stop::default()).unwrap();
        let ratio = (0.5 * 41.0 + 7.0 * 0.4) / (0.5 * (25.0 + 2.25 * 0.16));
        // The same mass at the same times: one rounding of single-precision fields.
        assert!((action.regularised.unwrap() / action.flow / ratio - 1.0).abs() < 1e-6);
    }
}
