//! Sweeps over the few entries that matter when ε is small.
//!
//! Near the optimum at small ε nearly all entries exp((f_i + g_j − C_ij)/ε) vanish. These sweeps run on those that do not, a
//! thousand times cheaper than a pass over all pairs, and hand back to the dense ones, which check the result on
//! all pairs and restore what was left out (after the truncated kernels of Schmitzer, SIAM J. Sci. Comput. 2019).

use super::super::objective::translate;
use super::Sweeper;
use super::backend::kappa;
use crate::error::Result;
use crate::exec::simd;

/// Sweeps may take the potentials far from where the kernel was made, where other entries matter: the dense sweeps in
/// between notice, and the next kernel has them. This bound on the move, in ε, only keeps its exponential from overflowing.
const DRIFT: f64 = 200.0;
/// Sweeps before over-relaxation sets in, at the rate that they show (Lehmann, von Renesse, Sambale, Uschmajew,
/// Optimization Letters 2022); the slowest rate that is believed, and the growth of a step that ends it.
const PROBE: usize = 10;
const SLOWEST_RATE: f64 = 0.9995;
const UNSTABLE: f64 = 2.0;

impl Sweeper<'_> {
    /// Sparse sweeps from the current potentials until they change by less than `tolerance`·ε a sweep. Does nothing where the kernel is not sparse.
    pub(in crate::transport) fn polish(
        &mut self,
        epsilon: f64,
        tolerance: f64,
        most_sweeps: usize,
    ) -> Result<()> {
        let Some(kernel) = self.backend.kernel(epsilon)? else { return Ok(()) };
        let (a, b) = (self.problem.source.weights(), self.problem.target.weights());
        let (kappa_a, kappa_b) =
            (kappa(self.problem.source_penalty, epsilon), kappa(self.problem.target_penalty, epsilon));
        // In units of ε, relative to where the kernel was made.
        let (f0, g0) = self.backend.potentials()?;
        let (mut f, mut g) = (f0.clone(), g0.clone());
        let mut v = vec![1.0; b.len()];
        let mut column_mass = vec![0.0; b.len()];
        let (mut relaxation, mut previous) = (1.0, f64::INFINITY);
        for sweep in 0..most_sweeps {
            self.stop.check()?;
            let mut drift = 0.0f64;
            let mut step = 0.0f64;
            simd::vectorised(
                #[inline(always)]
                || {
                    column_mass.fill(0.0);
                    for i in 0..a.len() {
                        let entries = kernel.row(i);
                        let sum: f64 = entries.clone().map(|(j, k)| k * v[j]).sum();
                        // f = κ(f0 − ε ln Σ), as in the dense sweep.
                        let new = kappa_a * (f0[i] - epsilon * simd::ln(sum));
                        f[i] += relaxation * (new - f[i]);
                        let change = (f[i] - f0[i]) / epsilon;
                        drift = drift.max(change.abs());
                        let u = a[i] * simd::exp(change);
                        entries.for_each(|(j, k)| column_mass[j] += u * k * v[j]);
                    }
                    for j in 0..b.len() {
                        let new = kappa_b * (g[j] - epsilon * simd::ln(column_mass[j] / b[j]));
                        step = step.max((new - g[j]).abs() / epsilon);
                        g[j] += relaxation * (new - g[j]);
                    }
                },
            );
            translate(&self.problem, &mut f, &mut g);
            simd::vectorised(
                #[inline(always)]
                || {
                    for (v, (g, g0)) in v.iter_mut().zip(g.iter().zip(&g0)) {
                        let change = (g - g0) / epsilon;
                        drift = drift.max(change.abs());
                        *v = simd::exp(change);
                    }
                },
            );
            if sweep == PROBE {
                // The rate of plain sweeps tells how far to overstep them.
                let rate = (step / previous).clamp(0.0, SLOWEST_RATE);
                relaxation = 2.0 / (1.0 + (1.0 - rate).sqrt());
            } else if sweep > PROBE && step > UNSTABLE * previous {
                relaxation = 1.0;
            }
            previous = step;
            // Not a number is a drift too.
            if step * relaxation <= tolerance || drift.is_nan() || drift > DRIFT {
                break;
            }
        }
        self.backend.set_potentials(f, g)
    }
}
