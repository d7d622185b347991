//! Penalties so large that the marginals are as good as hard.

use super::super::network_simplex::{largest_cost, network_simplex};
use super::super::objective::kl_term;
use super::super::{PointCloud, Problem, Report, Solution};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;

/// Penalties from so many times the largest cost on: below, the active set's own figures suffice.
const NEARLY_HARD: f64 = 1e9;
/// Totals that differ by less are the same number, summed in another order.
const SAME_TOTAL: f64 = 1e-14;

/// The optimum for penalties far beyond all costs, or none if the penalties are not, or if it misses the `tolerance`.
///
/// Marginals that are off by the share x cost ρ x²/2, while what they save is of the order of the costs: to a share of
/// cost/ρ the plan is the exact one between the two measures, scaled to the total M that their penalties agree on
/// (ln M is the mean of ln Σa and ln Σb, weighted by ρ_a and ρ_b), and its potentials are nearly the best ones. The gap that they
/// leave is ρ Σ r h(p/ρ) on either side, with h(x) = e^{−x} − 1 + x.
pub(super) fn nearly_hard(problem: &Problem<'_>, tolerance: f64, stop: &Stop) -> Result<Option<Solution>> {
    let penalties = [problem.source_penalty, problem.target_penalty];
    if penalties.iter().any(|rho| *rho < NEARLY_HARD * largest_cost(problem)) {
        return Ok(None);
    }
    let inverse = penalties.map(|rho| 1.0 / rho);
    let totals = [problem.source.mass(), problem.target.mass()];
    let same = (totals[0] - totals[1]).abs() <= SAME_TOTAL * totals[0];
    let share = inverse[1] / (inverse[0] + inverse[1]);
    let logs =
        if same { [0.0; 2] } else { [0, 1].map(|side: usize| libm::log(totals[side] / totals[1 - side])) };
    // M/Σa and M/Σb, the logarithms of which add up to nothing that rounding could spoil.
    let log_factor = [-(1.0 - share) * logs[0], -share * logs[1]];
    let factor = log_factor.map(libm::exp);
    let scaled = |cloud: &PointCloud, side: usize| cloud.clone().scaled(factor[side]);
    let (source, target) = (scaled(problem.source, 0), scaled(problem.target, 1));
    let hard = f64::INFINITY;
    let balanced =
        Problem { source: &source, target: &target, source_penalty: hard, target_penalty: hard, ..*problem };
    let exact = match network_simplex(&balanced, stop) {
        // Parts out of each other's reach, or costs of extremely different magnitudes.
        Err(Error::Infeasible(_) | Error::NonFinite(_)) => return Ok(None),
        exact => exact?,
    };
    let mut potentials = [exact.source_potential, exact.target_potential];
    let mean = |side: usize, weights: &[f64]| -> f64 {
        weights.iter().zip(&potentials[side]).map(|(w, p)| w * p).sum::<f64>() / weights.iter().sum::<f64>()
    };
    let (weights, means) =
        ([source.weights(), target.weights()], [mean(0, source.weights()), mean(1, target.weights())]);
    let shift = (inverse[1] * means[1] - inverse[0] * means[0]) / (inverse[0] + inverse[1]);
    let (mut gap, mut penalty) = (exact.report.gap.abs(), 0.0);
    for (side, shift) in [(0, shift), (1, -shift)] {
        for (p, &r) in potentials[side].iter_mut().zip(weights[side]) {
            *p += shift;
            if penalties[side].is_finite() {
                gap += penalties[side] * kl_term(r, r * libm::exp(-*p * inverse[side]));
            }
            if log_factor[side] != 0.0 {
                *p -= penalties[side] * log_factor[side];
            }
        }
        if log_factor[side] != 0.0 {
            penalty += penalties[side] * kl_term(factor[side] * totals[side], totals[side]);
        }
    }
    let primal = exact.report.primal + penalty;
    let converged = exact.report.converged && gap <= tolerance * primal;
    let [source_potential, target_potential] = potentials;
    let report = Report { converged, primal, dual: primal - gap, gap, ..exact.report };
    let solution = Solution { source_potential, target_potential, report, plan: exact.plan };
    Ok(converged.then_some(solution))
}
