//! Any entropic problem as one between measures of total one.

use super::super::objective::{SMALL_CHANGE, kl_of_change};
use super::super::{PointCloud, Problem};
use super::Values;

/// The problem between the shares a/A and b/B of the totals A and B, and how the problem itself follows from it.
///
/// Were the costs zero, the optimum would be s a⊗b with (ρ_a + ρ_b + ε) ln s + ρ_a ln B + ρ_b ln A = 0. Its marginals are s B a and
/// s A b, both of the mass M = s A B, and around it the objective is
///
/// V + M (⟨C,γ⟩ + ρ_a KL(γ1 | a/A) + ρ_b KL(γᵀ1 | b/B) + ε KL(γ | a/A ⊗ b/B)),   V its value,
///
/// for a plan M γ: the terms linear in the mass cancel. So masses of any size are iterated at the scale of one, where the weights
/// are no exponents to be carried along, and what they cost by themselves is known without rounding.
pub(super) struct Shares {
    source: PointCloud,
    target: PointCloud,
    totals: [f64; 2],
    /// M.
    pub(super) mass: f64,
    /// V.
    pub(super) value: f64,
    /// What the potentials f and g have beyond those between shares.
    pub(super) shifts: [f64; 2],
}

impl Shares {
    /// Of a problem whose source is hard if its target is.
    pub(super) fn of(problem: &Problem<'_>, epsilon: f64) -> Self {
        let Problem { source, target, source_penalty: rho_a, target_penalty: rho_b, .. } = *problem;
        let totals = [source.mass(), target.mass()];
        let [a, b] = totals;
        let (log_a, log_b) = (log_of_total(a), log_of_total(b));
        // ln B/A, to the last figure where they are nearly the same.
        let ratio = if (b - a).abs() <= SAME_TOTAL * a {
            0.0
        } else if (b - a).abs() < 0.5 * a {
            libm::log1p((b - a) / a)
        } else {
            log_b - log_a
        };
        // The logarithms of sB and sA, the factors of either marginal.
        let (of_source, of_target, shifts) = if rho_a.is_infinite() {
            let of_target = if rho_b.is_infinite() { 0.0 } else { rho_b * ratio };
            (0.0, -ratio, [-epsilon * log_b - of_target, of_target])
        } else {
            let sum = rho_a + rho_b + epsilon;
            let (of_source, of_target) =
                ((rho_b * ratio + epsilon * log_b) / sum, (epsilon * log_a - rho_a * ratio) / sum);
            (of_source, of_target, [-rho_a * of_source, -rho_b * of_target])
        };
        let paid = |rho: f64, mass: f64, log: f64| if rho.is_infinite() { 0.0 } else { rho * mass * kl(log) };
        Self {
            source: source.clone().normalised(),
            target: target.clone().normalised(),
            totals,
            mass: a * libm::exp(of_source),
            value: paid(rho_a, a, of_source)
                + paid(rho_b, b, of_target)
                + epsilon * a * b * kl(of_source - log_b),
            shifts,
        }
    }

    /// The problem between the shares.
    pub(super) fn problem<'a>(&'a self, problem: &Problem<'a>) -> Problem<'a> {
        Problem { source: &self.source, target: &self.target, ..*problem }
    }

    /// The values of the problem itself.
    pub(super) fn restored(&self, values: Values) -> Values {
        let Self { mass, totals, .. } = *self;
        Values {
            primal: self.value + mass * values.primal,
            gap: mass * values.gap,
            transport_cost: mass * values.transport_cost,
            mass: mass * values.mass,
            source_error: mass * values.source_error,
            source_weight: totals[0],
            target_error: mass * values.target_error,
            target_weight: totals[1],
        }
    }
}

/// Totals that differ by less are the same number, summed in another order.
const SAME_TOTAL: f64 = 1e-14;

/// ln `total`, and nothing for weights that were normalised: at a large ε the rounding of their sum would weigh more than all costs.
fn log_of_total(total: f64) -> f64 {
    if (total - 1.0).abs() <= SAME_TOTAL { 0.0 } else { libm::log(total) }
}

/// r ln r − r + 1 with r = e^`log`.
fn kl(log: f64) -> f64 {
    let change = libm::expm1(log);
    if change.abs() < SMALL_CHANGE { kl_of_change(change) } else { (1.0 + change) * log - change }
}
