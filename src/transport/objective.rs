//! What one marginal adds to the objective and its dual, and the shift of the potentials that is best for both.

use super::Problem;
use crate::exec::simd;

/// One marginal's share: masses r of a plan, weights w, potentials p and the penalty ρ.
pub(crate) struct MarginalTerms {
    /// Σ r.
    pub(crate) mass: f64,
    /// ρ KL(r | w), 0 for a hard marginal.
    pub(crate) penalty: f64,
    /// −Σ w φ*(−p).
    pub(crate) dual: f64,
    /// Σ |r − w e^{−p/ρ}|.
    pub(crate) error: f64,
    /// Σ w e^{−p/ρ}: the mass that the potentials imply.
    pub(crate) total: f64,
    /// Σ w.
    pub(crate) weight: f64,
    /// What the side adds to the duality gap, beyond Σ r (what the potentials fall short of the costs): ρ KL(r | w e^{−p/ρ}),
    /// or |Σ (r − w) p| for a hard marginal, which is 0 but for rounding if the plan meets it.
    pub(crate) gap: f64,
}

impl MarginalTerms {
    pub(crate) fn of(weights: &[f64], potential: &[f64], mass: &[f64], rho: f64) -> Self {
        let mut side = Self {
            mass: mass.iter().sum(),
            weight: weights.iter().sum(),
            penalty: 0.0,
            dual: 0.0,
            error: 0.0,
            total: 0.0,
            gap: 0.0,
        };
        for ((&w, &p), &r) in weights.iter().zip(potential).zip(mass) {
            let implied = if rho.is_infinite() { w } else { w * libm::exp(-p / rho) };
            side.error += (r - implied).abs();
            side.total += implied;
            if rho.is_finite() {
                side.penalty += rho * kl_term(r, w);
                side.dual -= rho * w * libm::expm1(-p / rho);
                side.gap += rho * kl_term(r, implied);
            } else if w > 0.0 {
                side.dual += w * p;
                side.gap += (r - w) * p;
            }
        }
        side.gap = side.gap.abs();
        side
    }

    /// The error in units of the implied mass.
    pub(crate) fn residual(&self) -> f64 {
        if self.total > 0.0 { self.error / self.total } else { 0.0 }
    }
}

/// r ln(r/w) − r + w, never negative and with all its figures, which cancel where r is near w.
pub(super) fn kl_term(r: f64, w: f64) -> f64 {
    if r <= 0.0 {
        return w;
    }
    let d = (r - w) / w;
    if d.abs() < SMALL_CHANGE {
        w * kl_of_change(d)
    } else {
        let ratio = r / w;
        let log = if ratio.is_normal() { libm::log(ratio) } else { libm::log(r) - libm::log(w) };
        r * log - r + w
    }
}

/// Changes for which [`kl_of_change`] holds.
pub(super) const SMALL_CHANGE: f64 = 0.01;

/// (1 + d) ln(1 + d) − d for |d| below [`SMALL_CHANGE`]: what a mass pays that is off by the share d.
pub(super) fn kl_of_change(d: f64) -> f64 {
    // Σ_{k≥2} (−d)^k / (k (k − 1)), to a remainder of 1e-18 of the first term.
    let series = (2..=9).rev().map(f64::from).fold(0.0, |sum, k| 1.0 / (k * (k - 1.0)) - d * sum);
    d * d * series
}

/// Shifts (f, g) to the best translation f + λ, g − λ (Séjourné, Vialard, Peyré, AISTATS 2022); without effect between two
/// hard marginals.
pub(super) fn translate(problem: &Problem<'_>, f: &mut [f64], g: &mut [f64]) {
    let (rho_a, rho_b) = (problem.source_penalty, problem.target_penalty);
    if rho_a.is_finite() || rho_b.is_finite() {
        let log_a = log_sum(problem.source.weights(), f, rho_a);
        let log_b = log_sum(problem.target.weights(), g, rho_b);
        let rate = 1.0 / (1.0 / rho_a + 1.0 / rho_b);
        let shift = rate * (log_a - log_b);
        f.iter_mut().for_each(|f| *f += shift);
        g.iter_mut().for_each(|g| *g -= shift);
    }
}

/// ln Σ_i w_i e^{−p_i/ρ}.
fn log_sum(weights: &[f64], potential: &[f64], rho: f64) -> f64 {
    let inverse = 1.0 / rho;
    let max = potential.iter().fold(f64::NEG_INFINITY, |m, p| m.max(-p * inverse));
    let sum = simd::vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0.0f64; 8];
            for (w, p) in weights.chunks(8).zip(potential.chunks(8)) {
                for ((lane, w), p) in lanes.iter_mut().zip(w).zip(p) {
                    *lane += w * simd::exp(-p * inverse - max);
                }
            }
            lanes.iter().sum::<f64>()
        },
    );
    max + libm::log(sum)
}
