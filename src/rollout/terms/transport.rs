//! W2² between particles and cells.

use std::sync::PoisonError;

use super::{Comparison, Derivative, SnapshotTerm};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::transport::network_simplex::network_simplex_from;
use crate::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use crate::transport::{Cost, Problem};

/// W2²(ŵ, b)/d between the normalised particles and the cells.
///
/// With the optimal plan γ and potential f, its derivatives are 2 Σ_j γ_ij (x_i − y_j)/d in positions and, the cost being convex
/// in the weights with f as a slope, ŵ_i (f_i − Σ ŵ f) in ln w_i: the plan itself needs no derivative (the envelope theorem).
/// At a kink of the cost, where several potentials are optimal, this is one of the slopes.
pub(super) struct Transport {
    /// ε of the plan; exact where absent.
    pub(super) epsilon: Option<f64>,
}

impl SnapshotTerm for Transport {
    fn name(&self) -> &'static str {
        "transport"
    }

    fn evaluate(&self, comparison: &Comparison<'_>, weight: f64, derivative: &mut Derivative) -> Result<f64> {
        let Comparison { source, shares, target, basis, .. } = comparison;
        let problem = Problem {
            source,
            target: &target.cloud,
            cost: Cost::HalfSquaredEuclidean,
            source_penalty: f64::INFINITY,
            target_penalty: f64::INFINITY,
        };
        // A plan of a batch is short work: the descent asks between its steps.
        let stop = Stop::default();
        let solution = match self.epsilon {
            None => {
                let mut basis = basis.map(|basis| basis.lock().unwrap_or_else(PoisonError::into_inner));
                network_simplex_from(&problem, basis.as_deref_mut(), &stop)?
            }
            Some(epsilon) => {
                let options = SinkhornOptions { tolerance: 1e-4, ..SinkhornOptions::new(epsilon) };
                sinkhorn(&problem, &options, &stop)?
            }
        };
        if !solution.report.converged {
            return Err(Error::NotConverged(format!(
                "the plan between particles and cells did not converge: relative gap {:.1e} after {} sweeps; a larger \
                 plan_epsilon would",
                solution.report.relative_gap(),
                solution.report.iterations
            )));
        }
        // The cost is half of the square.
        let dims = target.cloud.dims();
        let scale = weight * 2.0 / dims as f64;
        for (i, j, value) in solution.plan.entries() {
            let row = derivative.x[i * dims..(i + 1) * dims].iter_mut();
            for ((to, x), y) in row.zip(source.point(i)).zip(target.cloud.point(j)) {
                *to += (scale * value * (x - y)) as f32;
            }
        }
        let potential = &solution.source_potential;
        let mean: f64 = shares.iter().zip(potential).filter(|(s, _)| **s > 0.0).map(|(s, f)| s * f).sum();
        for ((slope, &share), f) in derivative.log_weight.iter_mut().zip(shares).zip(potential) {
            if share > 0.0 {
                *slope += scale * share * (f - mean);
            }
        }
        Ok(2.0 / dims as f64 * solution.report.transport_cost)
    }
}
