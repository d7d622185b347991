//! Sweeps over the few entries that matter when ε is small.
//!
//! Near the optimum at small ε nearly all entries exp((f_i + g_j − C_ij)/ε) vanish. These sweeps run on those that do not, a
//! thousand times cheaper than a pass over all pairs, and hand back to the dense ones, which check the result on
//! all pairs and restore what was left out (after the truncated kernels of Schmitzer, SIAM J. Sci. Comput. 2019).

use rayon::prelude::*;

use super::{Sweeper, cost_row, exponentials, kappa};
use crate::exec::simd;

/// Entries below e^−40 of a⊗b are left out …
const NEGLIGIBLE: f64 = 40.0;
/// … and the potentials may move by this many ε each before the kernel must be made anew: what was left out is then
/// still below e^−30.
const DRIFT: f64 = 5.0;
/// A kernel with more than this share of all pairs is not worth it.
const DENSE: usize = 8;
/// Sweeps on one kernel at the most.
const MOST_SWEEPS: usize = 50_000;

/// exp((f_i + g_j − C_ij)/ε) b_j at some potentials, row by row.
struct Kernel {
    row_offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Sweeper<'_> {
    /// Sparse sweeps from the current potentials until they change by less than `tolerance`·ε a sweep or leave the kernel's
    /// validity. Does nothing where the kernel is not sparse.
    pub(super) fn polish(&mut self, epsilon: f64, tolerance: f64) {
        let Some(kernel) = self.sparse_kernel(epsilon) else { return };
        let (a, b) = (self.problem.source.weights(), self.problem.target.weights());
        let (kappa_a, kappa_b) =
            (kappa(self.problem.source_penalty, epsilon), kappa(self.problem.target_penalty, epsilon));
        // In units of ε, relative to where the kernel was made.
        let (f0, g0) = (self.f.clone(), self.g.clone());
        let mut v = vec![1.0; b.len()];
        let mut column_mass = vec![0.0; b.len()];
        for _ in 0..MOST_SWEEPS {
            column_mass.fill(0.0);
            let mut drift = 0.0f64;
            for i in 0..a.len() {
                let row = kernel.row_offsets[i]..kernel.row_offsets[i + 1];
                let (columns, values) = (&kernel.columns[row.clone()], &kernel.values[row]);
                let sum: f64 = columns.iter().zip(values).map(|(&j, k)| k * v[j as usize]).sum();
                // f = κ(f0 − ε ln Σ), as in the dense sweep.
                self.f[i] = kappa_a * (f0[i] - epsilon * simd::ln(sum));
                let change = (self.f[i] - f0[i]) / epsilon;
                drift = drift.max(change.abs());
                let u = a[i] * simd::exp(change);
                columns
                    .iter()
                    .zip(values)
                    .for_each(|(&j, k)| column_mass[j as usize] += u * k * v[j as usize]);
            }
            let mut step = 0.0f64;
            for j in 0..b.len() {
                let new = kappa_b * (self.g[j] - epsilon * simd::ln(column_mass[j] / b[j]));
                step = step.max((new - self.g[j]).abs() / epsilon);
                self.g[j] = new;
            }
            self.shift();
            for (v, (g, g0)) in v.iter_mut().zip(self.g.iter().zip(&g0)) {
                let change = (g - g0) / epsilon;
                drift = drift.max(change.abs());
                *v = simd::exp(change);
            }
            // Not a number is a drift too.
            if step <= tolerance || drift.is_nan() || drift > DRIFT {
                break;
            }
        }
    }

    /// The entries that are not negligible at the current potentials; none if they are many.
    fn sparse_kernel(&mut self, epsilon: f64) -> Option<Kernel> {
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
