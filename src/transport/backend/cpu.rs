//! All pairs of points, on the CPU: in chunks of rows whose size does not depend on the number of threads.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rayon::prelude::*;

use super::{Backend, Block, Entry, Kernel, MOST_ENTRIES, column_exponents, kappa, shares};
use crate::error::Result;
use crate::exec::simd;
use crate::exec::stop::Stop;
use crate::transport::Problem;
use crate::transport::cost::CostRows;
use crate::transport::objective::translate;

/// The most costs that one solve keeps in memory (128 MiB), those of the first rows; the others are computed anew in every sweep.
const CACHED_COSTS: usize = 1 << 24;
/// Rows are cut into this many chunks at the most, each with its own column sums, whatever the thread count.
const CHUNKS: usize = 16;

/// The state of Sinkhorn's iteration.
#[derive(Debug)]
pub(super) struct Cpu<'a> {
    problem: Problem<'a>,
    costs: CostRows<'a>,
    /// The costs of the first rows.
    cached: Vec<f64>,
    f: Vec<f64>,
    g: Vec<f64>,
    row_mass: Vec<f64>,
    column_mass: Vec<f64>,
    chunks: Vec<Chunk>,
    stop: Stop,
}

/// What one chunk of rows works in.
#[derive(Debug)]
struct Chunk {
    costs: Vec<f64>,
    entries: Vec<f64>,
    column_mass: Vec<f64>,
}

/// The costs of row i: from memory, or computed into `scratch`.
fn cost_row<'a>(costs: &CostRows<'_>, cached: &'a [f64], i: usize, scratch: &'a mut [f64]) -> &'a [f64] {
    match cached.get(i * scratch.len()..(i + 1) * scratch.len()) {
        Some(row) => row,
        None => {
            costs.row(i, 0, scratch);
            scratch
        }
    }
}

impl<'a> Cpu<'a> {
    pub(super) fn new(problem: &Problem<'a>, stop: &Stop) -> Self {
        let (n, m) = (problem.source.len(), problem.target.len());
        let chunk = || Chunk { costs: vec![0.0; m], entries: vec![0.0; m], column_mass: vec![0.0; m] };
        Self {
            problem: *problem,
            costs: CostRows::new(problem),
            cached: vec![],
            f: vec![0.0; n],
            g: vec![0.0; m],
            row_mass: vec![0.0; n],
            column_mass: vec![0.0; m],
            chunks: (0..n.div_ceil(chunk_rows(n))).map(|_| chunk()).collect(),
            stop: stop.clone(),
        }
    }

    /// LSE_i( ln a_i + (f_i − C_ij)/ε ).
    fn column_log_sum(&self, j: usize, epsilon: f64) -> f64 {
        let a = self.problem.source.weights();
        let exponent = |i: usize| libm::log(a[i]) + (self.f[i] - self.costs.entry(i, j)) / epsilon;
        let max = (0..self.f.len()).map(exponent).fold(f64::NEG_INFINITY, f64::max);
        max + libm::log((0..self.f.len()).map(|i| libm::exp(exponent(i) - max)).sum())
    }
}

/// Rows of a chunk: a fixed number for a problem, so that no result depends on the number of threads.
pub(in crate::transport) fn chunk_rows(n: usize) -> usize {
    n.div_ceil(CHUNKS).max(8)
}

impl Backend for Cpu<'_> {
    fn in_reach(&mut self) -> Result<(Vec<bool>, Vec<bool>)> {
        let (n, costs, chunk_rows, stop) = (self.f.len(), &self.costs, chunk_rows(self.f.len()), &self.stop);
        let parts: Vec<(Vec<bool>, Vec<bool>)> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let mut columns = vec![false; chunk.costs.len()];
                let rows = c * chunk_rows..n.min((c + 1) * chunk_rows);
                let rows = rows.take_while(|_| !stop.is_requested()).map(|i| {
                    costs.row(i, 0, &mut chunk.costs);
                    columns.iter_mut().zip(&chunk.costs).for_each(|(hit, cost)| *hit |= cost.is_finite());
                    chunk.costs.iter().any(|cost| cost.is_finite())
                });
                (rows.collect(), columns)
            })
            .collect();
        stop.check()?;
        let mut columns = vec![false; self.g.len()];
        for (_, hit) in &parts {
            columns.iter_mut().zip(hit).for_each(|(column, hit)| *column |= hit);
        }
        Ok((parts.into_iter().flat_map(|(rows, _)| rows).collect(), columns))
    }

    /// Keeps the costs, too, for which there is room.
    fn cost_ranges(&mut self) -> Result<(f64, f64)> {
        let (n, m) = (self.f.len(), self.g.len());
        let (costs, chunk_rows, stop) = (&self.costs, chunk_rows(n), &self.stop);
        self.cached = vec![0.0; (CACHED_COSTS / m).min(n) * m];
        let mut kept: Vec<&mut [f64]> = self.cached.chunks_mut(chunk_rows * m).collect();
        kept.resize_with(self.chunks.len(), Default::default);
        let ranges: Vec<(f64, f64)> = self
            .chunks
            .par_iter_mut()
            .zip(kept)
            .enumerate()
            .map(|(c, (chunk, kept))| {
                let rows = c * chunk_rows..n.min((c + 1) * chunk_rows);
                let mut kept = kept.chunks_exact_mut(m);
                let ranges = rows.take_while(|_| !stop.is_requested()).map(|i| {
                    let row = kept.next().unwrap_or(&mut chunk.costs);
                    costs.row(i, 0, row);
                    range(row)
                });
                ranges.fold((0.0, 0.0), join)
            })
            .collect();
        stop.check()?;
        let (scale, spread) = ranges.into_iter().fold((0.0, 0.0), join);
        Ok((scale, spread / n as f64))
    }

    fn sweep(&mut self, epsilon: f64) -> Result<()> {
        let chunk_rows = chunk_rows(self.f.len());
        let kappa = kappa(self.problem.source_penalty, epsilon);
        let u = column_exponents(&self.problem, &self.g, epsilon);
        let (costs, cached, a) = (&self.costs, &self.cached, self.problem.source.weights());
        let stop = &self.stop;
        self.f
            .par_chunks_mut(chunk_rows)
            .zip(self.row_mass.par_chunks_mut(chunk_rows))
            .zip(&mut self.chunks)
            .enumerate()
            .for_each(|(c, ((f, row_mass), chunk))| {
                let Chunk { costs: scratch, entries, column_mass } = chunk;
                column_mass.fill(0.0);
                for (r, (f, row_mass)) in f.iter_mut().zip(row_mass).enumerate() {
                    if stop.is_requested() {
                        return;
                    }
                    let i = c * chunk_rows + r;
                    let cost_row = cost_row(costs, cached, i, scratch);
                    let row = update_row(*f, kappa, epsilon, cost_row, &u, entries);
                    add_scaled(a[i] * row.rescale, entries, column_mass);
                    *f = row.potential;
                    *row_mass = a[i] * row.rescale * row.sum;
                }
            });
        stop.check()?;
        let (column_mass, chunks) = (&mut self.column_mass, &self.chunks);
        column_mass.fill(0.0);
        for chunk in chunks {
            column_mass.iter_mut().zip(&chunk.column_mass).for_each(|(t, c)| *t += c);
        }
        Ok(())
    }

    fn update_target(&mut self, epsilon: f64) -> Result<()> {
        let kappa = kappa(self.problem.target_penalty, epsilon);
        for j in 0..self.g.len() {
            let b = self.problem.target.weights()[j];
            let mass = self.column_mass[j];
            self.g[j] = if mass > 1e-280 && mass.is_finite() {
                kappa * (self.g[j] - epsilon * libm::log(mass / b))
            } else {
                // Every entry of the column under- or overflowed: the slow, safe form.
                -kappa * epsilon * self.column_log_sum(j, epsilon)
            };
        }
        translate(&self.problem, &mut self.f, &mut self.g);
        Ok(())
    }

    fn potentials(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((self.f.clone(), self.g.clone()))
    }

    fn set_potentials(&mut self, f: Vec<f64>, g: Vec<f64>) -> Result<()> {
        (self.f, self.g) = (f, g);
        Ok(())
    }

    fn masses(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        Ok((self.row_mass.clone(), self.column_mass.clone()))
    }

    fn row_masses(&mut self, epsilon: f64, g: &[f64]) -> Result<Vec<f64>> {
        let (n, chunk_rows) = (self.f.len(), chunk_rows(self.f.len()));
        let u = column_exponents(&self.problem, g, epsilon);
        let (costs, cached, f, a) = (&self.costs, &self.cached, &self.f, self.problem.source.weights());
        let stop = &self.stop;
        let blocks: Vec<Vec<f64>> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let rows = c * chunk_rows..n.min((c + 1) * chunk_rows);
                let mass = |i: usize| {
                    let cost_row = cost_row(costs, cached, i, &mut chunk.costs);
                    a[i] * exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries)
                };
                rows.take_while(|_| !stop.is_requested()).map(mass).collect()
            })
            .collect();
        stop.check()?;
        Ok(blocks.concat())
    }

    fn kernel(&mut self, epsilon: f64, cutoff: f64) -> Result<Option<Kernel>> {
        let Problem { source_penalty, target_penalty, target, .. } = self.problem;
        let chunk_rows = chunk_rows(self.f.len());
        let u = column_exponents(&self.problem, &self.g, epsilon);
        let (of_rows, of_columns) = (shares(&self.f, source_penalty), shares(&self.g, target_penalty));
        let cutoffs: Vec<f64> = target.weights().iter().map(|b| b * libm::exp(-cutoff)).collect();
        let (costs, cached, f, stop) = (&self.costs, &self.cached, &self.f, &self.stop);
        let count = AtomicUsize::new(0);
        let blocks: Vec<Block> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let rows = c * chunk_rows..f.len().min((c + 1) * chunk_rows);
                let mut block = Block { first: rows.start, offsets: vec![0], ..Block::default() };
                let go_on = |_: &usize| !stop.is_requested() && count.load(Relaxed) <= MOST_ENTRIES;
                for i in rows.take_while(go_on) {
                    let cost_row = cost_row(costs, cached, i, &mut chunk.costs);
                    exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries);
                    let before = block.columns.len();
                    for (j, (&k, &cutoff)) in chunk.entries.iter().zip(&cutoffs).enumerate() {
                        if k > cutoff * of_rows[i].min(of_columns[j]) {
                            block.columns.push(j as u32);
                            block.values.push(k);
                        }
                    }
                    block.offsets.push(block.columns.len());
                    count.fetch_add(block.columns.len() - before, Relaxed);
                }
                block
            })
            .collect();
        stop.check()?;
        Ok((count.into_inner() <= MOST_ENTRIES).then_some(Kernel { blocks }))
    }

    fn plan(&mut self, epsilon: f64, drop_below: f64) -> Result<Vec<Entry>> {
        let chunk_rows = chunk_rows(self.f.len());
        let u = column_exponents(&self.problem, &self.g, epsilon);
        let (costs, cached, f, a) = (&self.costs, &self.cached, &self.f, self.problem.source.weights());
        let stop = &self.stop;
        let blocks: Vec<Vec<Entry>> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let mut kept = Vec::new();
                let rows = c * chunk_rows..f.len().min((c + 1) * chunk_rows);
                for i in rows.take_while(|_| !stop.is_requested()) {
                    let cost_row = cost_row(costs, cached, i, &mut chunk.costs);
                    let sum = exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries);
                    let threshold = drop_below * sum;
                    let kept_sum: f64 = chunk.entries.iter().filter(|p| **p > threshold).sum();
                    let rescale = a[i] * sum / kept_sum;
                    for (j, &p) in chunk.entries.iter().enumerate() {
                        if p > threshold && p > 0.0 {
                            kept.push((i as u32, j as u32, p * rescale));
                        }
                    }
                }
                kept
            })
            .collect();
        stop.check()?;
        Ok(blocks.concat())
    }
}

/// The largest finite cost of a row, and the difference of its two smallest (0 if there are not two).
fn range(row: &[f64]) -> (f64, f64) {
    let (mut largest, mut first, mut second) = (0.0f64, f64::INFINITY, f64::INFINITY);
    for &c in row.iter().filter(|c| c.is_finite()) {
        largest = largest.max(c);
        second = second.min(c.max(first));
        first = first.min(c);
    }
    (largest, if second.is_finite() { second - first } else { 0.0 })
}

fn join((largest, spread): (f64, f64), (l, s): (f64, f64)) -> (f64, f64) {
    (largest.max(l), spread + s)
}

/// A row's new potential, the sum of its `entries` (at the old one or the new), and the factor from there to the new.
struct RowUpdate {
    potential: f64,
    sum: f64,
    rescale: f64,
}

fn update_row(f: f64, kappa: f64, epsilon: f64, costs: &[f64], u: &[f64], entries: &mut [f64]) -> RowUpdate {
    let inverse = 1.0 / epsilon;
    let sum = exponentials(f * inverse, inverse, costs, u, entries);
    // Far from the last potentials the entries lose their figures: go back to the log-sum-exp with its maximum.
    if sum > 1e-100 && sum < 1e100 {
        let potential = kappa * (f - epsilon * libm::log(sum));
        return RowUpdate { potential, sum, rescale: libm::exp((potential - f) * inverse) };
    }
    let max = u.iter().zip(costs).fold(f64::NEG_INFINITY, |max, (u, c)| max.max(u - c * inverse));
    let sum: f64 = u.iter().zip(costs).map(|(u, c)| libm::exp(u - c * inverse - max)).sum();
    let potential = -kappa * epsilon * (max + libm::log(sum));
    let sum = exponentials(potential * inverse, inverse, costs, u, entries);
    RowUpdate { potential, sum, rescale: 1.0 }
}

/// entries_j = exp(shift + u_j − C_j/ε), and their sum.
pub(in crate::transport) fn exponentials(
    shift: f64,
    inverse: f64,
    costs: &[f64],
    u: &[f64],
    entries: &mut [f64],
) -> f64 {
    simd::vectorised(
        #[inline(always)]
        || {
            for ((e, c), u) in entries.iter_mut().zip(costs).zip(u) {
                *e = simd::exp((-c).mul_add(inverse, shift + u));
            }
            simd::sum(entries)
        },
    )
}

/// sums_j += factor · entries_j.
fn add_scaled(factor: f64, entries: &[f64], sums: &mut [f64]) {
    simd::vectorised(
        #[inline(always)]
        || {
            for (s, e) in sums.iter_mut().zip(entries) {
                *s = factor.mul_add(*e, *s);
            }
        },
    );
}
