//! Sweeps over the few entries that matter when ε is small.
//!
//! Near the optimum at small ε nearly all entries exp((f_i + g_j − C_ij)/ε) vanish. These sweeps run on those that do not, a
//! thousand times cheaper than a pass over all pairs, and hand back to the dense ones, which check the result on
//! all pairs and restore what was left out (after the truncated kernels of Schmitzer, SIAM J. Sci. Comput. 2019).

use rayon::prelude::*;

use super::{Sweeper, cost_row, exponentials, kappa};
use crate::error::Result;
use crate::exec::simd;

/// Entries below e^−40 of a⊗b are left out,
pub(super) const NEGLIGIBLE: f64 = 40.0;
/// at the potentials that the kernel was made for. A sweep may take them far from there, where other entries matter: the
/// dense sweeps in between notice, and the next kernel has them. This bound on the move, in ε, only keeps its
/// exponential from overflowing.
const DRIFT: f64 = 200.0;
/// A kernel with more than one in so many of all pairs is not worth it.
pub(super) const DENSE: usize = 8;

/// Sweeps before over-relaxation sets in, at the rate that they show (Lehmann, von Renesse, Sambale, Uschmajew,
/// Optimization Letters 2022); the slowest rate that is believed, and the growth of a step that ends it.
const PROBE: usize = 10;
const SLOWEST_RATE: f64 = 0.9995;
const UNSTABLE: f64 = 2.0;

/// exp((f_i + g_j − C_ij)/ε) b_j at some potentials, row by row.
pub(super) struct Kernel {
    pub(super) row_offsets: Vec<usize>,
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f64>,
}

impl Kernel {
    fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let row = self.row_offsets[i]..self.row_offsets[i + 1];
        self.columns[row.clone()].iter().map(|&j| j as usize).zip(self.values[row].iter().copied())
    }
}

impl Sweeper<'_> {
    /// Sparse sweeps from the current potentials until they change by less than `tolerance`·ε a sweep. Does nothing where the kernel is not sparse.
    pub(in crate::transport) fn polish(
        &mut self,
        epsilon: f64,
        tolerance: f64,
        most_sweeps: usize,
    ) -> Result<()> {
        self.fetch()?;
        let Some(kernel) = self.sparse_kernel(epsilon)? else { return Ok(()) };
        let (a, b) = (self.problem.source.weights(), self.problem.target.weights());
        let (kappa_a, kappa_b) =
            (kappa(self.problem.source_penalty, epsilon), kappa(self.problem.target_penalty, epsilon));
        // In units of ε, relative to where the kernel was made.
        let (f0, g0) = (self.f.clone(), self.g.clone());
        let mut v = vec![1.0; b.len()];
        let mut column_mass = vec![0.0; b.len()];
        let (mut relaxation, mut previous) = (1.0, f64::INFINITY);
        for sweep in 0..most_sweeps {
            let (f, g) = (&mut self.f, &mut self.g);
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
            self.shift();
            let g = &self.g;
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
        self.send()
    }

    /// The entries that are not negligible at the current potentials; none if they are many.
    fn sparse_kernel(&mut self, epsilon: f64) -> Result<Option<Kernel>> {
        #[cfg(feature = "cuda")]
        if self.device.is_some() {
            return self.kernel_of_device(epsilon);
        }
        Ok(self.kernel_of_rows(epsilon))
    }

    fn kernel_of_rows(&mut self, epsilon: f64) -> Option<Kernel> {
        let chunk_rows = Self::chunk_rows(self.f.len());
        let u = self.column_exponents(epsilon);
        let cutoff: Vec<f64> =
            self.problem.target.weights().iter().map(|b| b * libm::exp(-NEGLIGIBLE)).collect();
        let (costs, cached, f) = (&self.costs, &self.cached, &self.f);
        type Part = (Vec<usize>, Vec<u32>, Vec<f64>);
        let parts: Vec<Option<Part>> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let rows = c * chunk_rows..f.len().min((c + 1) * chunk_rows);
                let most = rows.len() * u.len() / DENSE;
                let (mut lengths, mut columns, mut values) = (vec![], vec![], vec![]);
                for i in rows {
                    let cost_row = cost_row(costs, cached.as_deref(), i, &mut chunk.costs);
                    exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries);
                    let before = columns.len();
                    for (j, (&k, &cutoff)) in chunk.entries.iter().zip(&cutoff).enumerate() {
                        if k > cutoff {
                            columns.push(j as u32);
                            values.push(k);
                        }
                    }
                    lengths.push(columns.len() - before);
                    if columns.len() > most {
                        return None;
                    }
                }
                Some((lengths, columns, values))
            })
            .collect();
        let mut kernel = Kernel { row_offsets: vec![0], columns: vec![], values: vec![] };
        for part in parts {
            let (lengths, columns, values) = part?;
            for length in lengths {
                kernel.row_offsets.push(kernel.row_offsets[kernel.row_offsets.len() - 1] + length);
            }
            kernel.columns.extend(columns);
            kernel.values.extend(values);
        }
        Some(kernel)
    }
}
