//! Regularisation so far above all costs that plan and product measure differ by less than rounding.
//!
//! The plan is γ = a⊗b (1 + e) with e_ij = exp((f_i + g_j − C_ij)/ε) − 1 of the size of cost/ε, all that the costs say. Here
//! e itself is added up, so that nothing of it is lost beside the one. Each sweep reduces the error by the square of cost/ε.

use rayon::prelude::*;

use super::super::Problem;
use super::super::backend::chunk_rows;
use super::super::cost::CostRows;
use super::super::objective::kl_of_change;
use super::{SinkhornOptions, Sweeper, Values};
use crate::error::Result;
use crate::exec::simd;
use crate::exec::stop::Stop;

/// ε, in largest costs, from which on e is so small. Below, the sums of 1 + e have the figures that are needed.
const DIFFUSE: f64 = 1e3;

impl Sweeper<'_> {
    /// Solves a problem between shares whose ε is far above all costs; none if it is not, or some costs are infinite. The
    /// passes are the CPU's whatever the device: they are few.
    pub(super) fn solve_diffuse(
        &mut self,
        options: &SinkhornOptions,
        constant: f64,
    ) -> Result<Option<(Values, usize, bool)>> {
        let epsilon = options.epsilon;
        if epsilon < DIFFUSE * self.scale {
            return Ok(None);
        }
        let mut diffuse = Diffuse::new(&self.problem, epsilon);
        if diffuse.has_infinite_costs() {
            return Ok(None);
        }
        for sweeps in 1.. {
            diffuse.sweep(&self.stop)?;
            let values = diffuse.values(self.scale);
            let converged = values.gap <= options.tolerance * (values.primal + constant);
            if converged || sweeps >= options.max_iterations {
                let Diffuse { f, g, .. } = diffuse;
                self.backend.set_potentials(f, g)?;
                return Ok(Some((values, sweeps, converged)));
            }
            diffuse.update_target();
        }
        unreachable!("sweeps are counted beyond any bound")
    }
}

struct Diffuse<'a> {
    problem: &'a Problem<'a>,
    costs: CostRows<'a>,
    epsilon: f64,
    f: Vec<f64>,
    g: Vec<f64>,
    /// What the columns' masses have beyond b, in units of b, after the last sweep.
    excess: Vec<f64>,
    chunks: Vec<Chunk>,
}

/// What a chunk of rows works in.
struct Chunk {
    costs: Vec<f64>,
    entries: Vec<f64>,
    excess: Vec<f64>,
}

impl<'a> Diffuse<'a> {
    fn new(problem: &'a Problem<'a>, epsilon: f64) -> Self {
        let (n, m) = (problem.source.len(), problem.target.len());
        let chunk = || Chunk { costs: vec![0.0; m], entries: vec![0.0; m], excess: vec![0.0; m] };
        Self {
            problem,
            costs: CostRows::new(problem),
            epsilon,
            f: vec![0.0; n],
            g: vec![0.0; m],
            excess: vec![0.0; m],
            chunks: (0..n.div_ceil(chunk_rows(n))).map(|_| chunk()).collect(),
        }
    }

    fn has_infinite_costs(&mut self) -> bool {
        if !self.problem.bounds_reach() {
            return false;
        }
        let row = &mut self.chunks[0].costs;
        (0..self.f.len()).any(|i| {
            self.costs.row(i, 0, row);
            row.iter().any(|cost| cost.is_infinite())
        })
    }

    /// f from g, and the columns' masses at both.
    fn sweep(&mut self, stop: &Stop) -> Result<()> {
        let (costs, g, epsilon, rho) = (&self.costs, &self.g, self.epsilon, self.problem.source_penalty);
        let (a, b) = (self.problem.source.weights(), self.problem.target.weights());
        let chunk_rows = chunk_rows(a.len());
        self.f.par_chunks_mut(chunk_rows).zip(&mut self.chunks).enumerate().for_each(|(c, (f, chunk))| {
            let Chunk { costs: row, entries, excess } = chunk;
            excess.fill(0.0);
            let mut shift = 0.0;
            for (r, f) in f.iter_mut().enumerate() {
                if stop.is_requested() {
                    return;
                }
                let i = c * chunk_rows + r;
                costs.row(i, 0, row);
                let excess_of_row = row_excess(epsilon, row, (g, b), entries);
                *f = damped(libm::log1p(excess_of_row), rho, epsilon);
                // (1 + x) e^{f/ε} − 1 = x e^{f/ε} + (e^{f/ε} − 1)
                add_scaled(a[i] * libm::exp(*f / epsilon), entries, excess);
                shift += a[i] * libm::expm1(*f / epsilon);
            }
            excess.iter_mut().for_each(|x| *x += shift);
        });
        stop.check()?;
        self.excess.fill(0.0);
        for chunk in &self.chunks {
            self.excess.iter_mut().zip(&chunk.excess).for_each(|(all, part)| *all += part);
        }
        Ok(())
    }

    /// g from the columns' masses, then the best translation, as [`translate`](super::super::objective::translate) has it.
    fn update_target(&mut self) {
        let Problem { source, target, source_penalty: rho_a, target_penalty: rho_b, .. } = *self.problem;
        for (g, excess) in self.g.iter_mut().zip(&self.excess) {
            // Sinkhorn's update of a column whose sum at g = 0 would be (1 + excess) e^{−g/ε}.
            let log_sum = libm::log1p(*excess) - *g / self.epsilon;
            *g = damped(log_sum, rho_b, self.epsilon);
        }
        if rho_a.is_finite() || rho_b.is_finite() {
            let log_total = |weights: &[f64], potential: &[f64], rho: f64| {
                let terms = weights.iter().zip(potential).map(|(w, p)| w * implied(*p, rho));
                libm::log1p(terms.sum())
            };
            let rate = 1.0 / (1.0 / rho_a + 1.0 / rho_b);
            let shift = rate
                * (log_total(source.weights(), &self.f, rho_a) - log_total(target.weights(), &self.g, rho_b));
            self.f.iter_mut().for_each(|f| *f += shift);
            self.g.iter_mut().for_each(|g| *g -= shift);
        }
    }

    /// The objective after a sweep, and how far above the optimum it is at the most.
    ///
    /// Rows are as f implies them. Against a relaxed target the columns pay what they are off by; hard ones, off by x_j, are met by
    /// the plan γ − a⊗(b x), whose objective is ε KL(γ − a⊗(b x) | γ) ≤ ε Σ b x²/min (1 + e) above the dual.
    fn values(&self, largest_cost: f64) -> Values {
        let Problem { source, target, source_penalty: rho_a, target_penalty: rho_b, .. } = *self.problem;
        let epsilon = self.epsilon;
        let sum = |weights: &[f64], terms: &mut dyn FnMut(usize) -> f64| -> f64 {
            weights.iter().enumerate().map(|(i, w)| w * terms(i)).sum()
        };
        let (a, b) = (source.weights(), target.weights());
        let excess = sum(a, &mut |i| implied(self.f[i], rho_a));
        let dual = sum(a, &mut |i| conjugate(self.f[i], rho_a))
            + sum(b, &mut |j| conjugate(self.g[j], rho_b))
            - epsilon * excess;
        let off = |j: usize| self.excess[j] - implied(self.g[j], rho_b);
        let gap = if rho_b.is_infinite() {
            let smallest = |potential: &[f64]| potential.iter().copied().fold(f64::INFINITY, f64::min);
            let least = libm::exp((smallest(&self.f) + smallest(&self.g) - largest_cost) / epsilon);
            epsilon * sum(b, &mut |j| off(j) * off(j)) / least
        } else {
            sum(b, &mut |j| {
                let share = 1.0 + implied(self.g[j], rho_b);
                rho_b * share * kl_of_change(off(j) / share)
            })
        };
        Values {
            primal: dual + gap,
            gap,
            mass: 1.0 + excess,
            source_weight: 1.0,
            target_error: sum(b, &mut |j| off(j).abs()),
            target_weight: 1.0,
            ..Values::default()
        }
    }
}

/// entries_j = exp((g_j − C_j)/ε) − 1, and their mean by `b`.
fn row_excess(epsilon: f64, costs: &[f64], (g, b): (&[f64], &[f64]), entries: &mut [f64]) -> f64 {
    let inverse = 1.0 / epsilon;
    simd::vectorised(
        #[inline(always)]
        || {
            for ((e, c), g) in entries.iter_mut().zip(costs).zip(g) {
                *e = simd::expm1((g - c) * inverse);
            }
            let mut lanes = [0.0f64; 8];
            for (e, b) in entries.chunks(8).zip(b.chunks(8)) {
                for ((lane, e), b) in lanes.iter_mut().zip(e).zip(b) {
                    *lane = b.mul_add(*e, *lane);
                }
            }
            lanes.iter().sum()
        },
    )
}

/// sums_j += factor · entries_j.
fn add_scaled(factor: f64, entries: &[f64], sums: &mut [f64]) {
    simd::vectorised(
        #[inline(always)]
        || sums.iter_mut().zip(entries).for_each(|(s, e)| *s = factor.mul_add(*e, *s)),
    );
}

/// −κ ε · `log_sum`, κ = ρ/(ρ+ε).
fn damped(log_sum: f64, rho: f64, epsilon: f64) -> f64 {
    if rho.is_infinite() { -epsilon * log_sum } else { -log_sum / (1.0 / rho + 1.0 / epsilon) }
}

/// The share of its weight that a point has beyond it by its potential: e^{−p/ρ} − 1.
fn implied(potential: f64, rho: f64) -> f64 {
    if rho.is_infinite() { 0.0 } else { libm::expm1(-potential / rho) }
}

/// −φ*(−p): p, or ρ (1 − e^{−p/ρ}).
fn conjugate(potential: f64, rho: f64) -> f64 {
    if rho.is_infinite() { potential } else { -rho * libm::expm1(-potential / rho) }
}
