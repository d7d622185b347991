//! Entropic transport in the log domain: balanced, semi-relaxed and unbalanced.
//!
//! The iteration is Sinkhorn's with the translation-invariant shift of Séjourné, Vialard and Peyré (AISTATS 2022)
//! for KL penalties and ε-scaling. One sweep updates f and then g in a single pass over the costs, with a single
//! exponential a pair: a row's entries exp((f_i + g_j − C_ij)/ε) at the old f give the new f_i, and rescaled by
//! exp((f_i' − f_i)/ε) they are what the column sums need.

#[cfg(feature = "cuda")]
mod on_device;
mod sparse;

use rayon::prelude::*;

use super::cost::CostRows;
use super::objective::Side;
use super::reach::Reach;
use super::{PointCloud, Problem, Report, Solution, SparsePlan};
#[cfg(feature = "cuda")]
use crate::device::cuda::DeviceSinkhorn;
use crate::device::{Device, Opened};
use crate::error::{Result, positive};
use crate::exec::simd;
#[cfg(feature = "cuda")]
pub(super) use on_device::upload;

/// How far to regularise and when to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SinkhornOptions {
    /// ε > 0, in units of the cost.
    pub epsilon: f64,
    /// Stop when the duality gap is at most this fraction of the primal value (and, for hard marginals, when the
    /// marginal residual is at most this fraction of the mass).
    pub tolerance: f64,
    /// Give up after this many sweeps; the report then says that it did not converge.
    pub max_iterations: usize,
    /// Entries below this fraction of their row's mass are left out of the returned plan; the others of the row
    /// are scaled up so that its mass is kept.
    pub drop_below: f64,
    /// Where the sweeps over all pairs run.
    pub device: Device,
}

impl SinkhornOptions {
    /// Relative gap 1e-9, at most 10 000 sweeps, plan entries down to 1e-9 of their row, on the CPU.
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, tolerance: 1e-9, max_iterations: 10_000, drop_below: 1e-9, device: Device::Cpu }
    }
}

/// Solves min ⟨C,γ⟩ + ρ_a KL(γ1|a) + ρ_b KL(γᵀ1|b) + ε KL(γ | a⊗b).
///
/// The primal and dual values include every term. Points of zero weight and points that no finite cost connects
/// to the other side keep potential +∞ and no mass.
///
/// # Errors
/// [`Error::InvalidArgument`](crate::Error) for parameters outside their domain,
/// [`Error::Infeasible`](crate::Error) for hard marginals that cannot be met: totals that differ, or a point out of
/// everyone's reach; [`Error::Device`](crate::Error) for a device that cannot be used.
pub fn sinkhorn(problem: &Problem<'_>, options: &SinkhornOptions) -> Result<Solution> {
    problem.validate()?;
    positive("epsilon", options.epsilon)?;
    positive("tolerance", options.tolerance)?;
    let opened = open(problem, options.device)?;
    let reach = Reach::of(problem, &opened)?;
    let mut iterations = 0;
    let mut converged = true;
    let mut potentials =
        (vec![f64::INFINITY; problem.source.len()], vec![f64::INFINITY; problem.target.len()]);
    let mut entries = Vec::new();
    let mut values = Values::of_unreachable(problem, &reach, options.epsilon);
    if !reach.rows.is_empty() {
        let (source, target) = (problem.source.subset(&reach.rows), problem.target.subset(&reach.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        let mut sweeper = Sweeper::new(&reduced, &opened)?;
        (iterations, converged) = sweeper.solve(options)?;
        values.add(&sweeper.values(options.epsilon)?);
        sweeper.fetch()?;
        entries = sweeper.plan_entries(options.epsilon, options.drop_below, &reach)?;
        reach.rows.iter().zip(&sweeper.f).for_each(|(&i, &f)| potentials.0[i] = f);
        reach.columns.iter().zip(&sweeper.g).for_each(|(&j, &g)| potentials.1[j] = g);
    }
    let plan = SparsePlan::from_entries(problem.source.len(), entries);
    let costs = CostRows::new(problem);
    values.transport_cost = plan.entries().map(|(i, j, mass)| mass * costs.entry(i, j)).sum();
    Ok(Solution {
        source_potential: potentials.0,
        target_potential: potentials.1,
        plan,
        report: values.report(iterations, converged),
    })
}

/// What sweeps over the pairs of a problem: a device from [`ENOUGH`] pairs on, or one that was asked for by name.
pub(super) fn open(problem: &Problem<'_>, device: Device) -> Result<Opened> {
    device.open(problem.source.len().saturating_mul(problem.target.len()), ENOUGH)
}

/// Pairs of points from which on a device gains.
pub(crate) const ENOUGH: usize = 1 << 22;

/// The terms of the objective and the residuals, summed over parts of a problem.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Values {
    primal: f64,
    dual: f64,
    transport_cost: f64,
    mass: f64,
    source_error: f64,
    source_total: f64,
    target_error: f64,
    target_total: f64,
}

impl Values {
    /// What points outside reach add: they are destroyed or created at the price of their penalty.
    fn of_unreachable(problem: &Problem<'_>, reach: &Reach, epsilon: f64) -> Self {
        let sum =
            |cloud: &PointCloud, kept: &[usize]| -> f64 { kept.iter().map(|&i| cloud.weights()[i]).sum() };
        let (a, b) = (problem.source.mass(), problem.target.mass());
        let (kept_a, kept_b) = (sum(problem.source, &reach.rows), sum(problem.target, &reach.columns));
        let lost = |all: f64, kept: f64, n: usize, of: usize, rho: f64| {
            // A side that is wholly in reach loses nothing, whatever rounding says, and its penalty may be infinite.
            if n == of || all <= kept { 0.0 } else { rho * (all - kept) }
        };
        let positive = |cloud: &PointCloud| cloud.weights().iter().filter(|w| **w > 0.0).count();
        let value = lost(a, kept_a, reach.rows.len(), positive(problem.source), problem.source_penalty)
            + lost(b, kept_b, reach.columns.len(), positive(problem.target), problem.target_penalty)
            + epsilon * (a * b - kept_a * kept_b).max(0.0);
        Self { primal: value, dual: value, ..Self::default() }
    }

    fn add(&mut self, other: &Self) {
        self.primal += other.primal;
        self.dual += other.dual;
        self.mass += other.mass;
        self.source_error += other.source_error;
        self.source_total += other.source_total;
        self.target_error += other.target_error;
        self.target_total += other.target_total;
    }

    fn report(&self, iterations: usize, converged: bool) -> Report {
        let ratio = |error: f64, total: f64| if total > 0.0 { error / total } else { 0.0 };
        Report {
            iterations,
            converged,
            primal: self.primal,
            dual: self.dual,
            gap: self.primal - self.dual,
            transport_cost: self.transport_cost,
            transported_mass: self.mass,
            source_residual: ratio(self.source_error, self.source_total),
            target_residual: ratio(self.target_error, self.target_total),
        }
    }
}

/// The most costs that one solve keeps in memory (32 MiB); above it they are computed anew in every sweep.
const CACHED_COSTS: usize = 1 << 22;
/// Dense sweeps between two attempts to finish on the few entries that matter.
const POLISH_EVERY: usize = 10;
/// Sweeps on those entries in one attempt, at the most.
const SPARSE_SWEEPS: usize = 50_000;
/// Rows are cut into this many chunks at the most, each with its own column sums, whatever the thread count.
const CHUNKS: usize = 16;

/// Sinkhorn sweeps over a problem in which every point has positive weight and a partner within reach.
#[derive(Debug)]
pub(super) struct Sweeper<'a> {
    problem: Problem<'a>,
    costs: CostRows<'a>,
    cached: Option<Vec<f64>>,
    /// The largest finite cost.
    pub(super) scale: f64,
    /// How much dearer a row's second cheapest partner is than its cheapest, on average: where the plan is decided.
    pub(super) resolution: f64,
    pub(super) f: Vec<f64>,
    pub(super) g: Vec<f64>,
    row_mass: Vec<f64>,
    column_mass: Vec<f64>,
    chunks: Vec<Chunk>,
    /// Where the sweeps run, if not here: then f, g and the masses are as of the last [`fetch`](Self::fetch).
    #[cfg(feature = "cuda")]
    device: Option<DeviceSinkhorn>,
}

/// What one chunk of rows works in.
#[derive(Debug)]
struct Chunk {
    costs: Vec<f64>,
    entries: Vec<f64>,
    column_mass: Vec<f64>,
}

/// The costs of row i: from memory, or computed into `scratch`.
fn cost_row<'a>(
    costs: &CostRows<'_>,
    cached: Option<&'a [f64]>,
    i: usize,
    scratch: &'a mut [f64],
) -> &'a [f64] {
    match cached {
        Some(all) => &all[i * scratch.len()..(i + 1) * scratch.len()],
        None => {
            costs.row(i, 0, scratch);
            scratch
        }
    }
}

impl<'a> Sweeper<'a> {
    pub(super) fn new(problem: &Problem<'a>, opened: &Opened) -> Result<Self> {
        let (n, m) = (problem.source.len(), problem.target.len());
        let chunk_rows = Self::chunk_rows(n);
        let chunk = || Chunk { costs: vec![0.0; m], entries: vec![0.0; m], column_mass: vec![0.0; m] };
        let mut sweeper = Self {
            problem: *problem,
            costs: CostRows::new(problem),
            cached: None,
            scale: 0.0,
            resolution: 0.0,
            f: vec![0.0; n],
            g: vec![0.0; m],
            row_mass: vec![0.0; n],
            column_mass: vec![0.0; m],
            chunks: (0..n.div_ceil(chunk_rows)).map(|_| chunk()).collect(),
            #[cfg(feature = "cuda")]
            device: None,
        };
        let ranges = match opened {
            Opened::Cpu => sweeper.cost_ranges(),
            #[cfg(feature = "cuda")]
            Opened::Cuda(gpu) => sweeper.move_to(gpu)?,
        };
        let (scale, spread) = ranges.into_iter().fold((0.0, 0.0), join);
        (sweeper.scale, sweeper.resolution) = (scale, spread / n as f64);
        Ok(sweeper)
    }

    /// Keeps the costs, if there is room, and finds the [`range`] of every chunk of rows.
    fn cost_ranges(&mut self) -> Vec<(f64, f64)> {
        let (n, m) = (self.f.len(), self.g.len());
        let (costs, chunk_rows) = (&self.costs, Self::chunk_rows(n));
        self.cached = (n * m <= CACHED_COSTS).then(|| vec![0.0; n * m]);
        match &mut self.cached {
            Some(all) => all
                .par_chunks_mut(chunk_rows * m)
                .enumerate()
                .map(|(c, block)| {
                    let rows = block.chunks_exact_mut(m).enumerate();
                    let ranges = rows.map(|(r, row)| {
                        costs.row(c * chunk_rows + r, 0, row);
                        range(row)
                    });
                    ranges.fold((0.0, 0.0), join)
                })
                .collect(),
            None => self
                .chunks
                .par_iter_mut()
                .enumerate()
                .map(|(c, chunk)| {
                    let rows = c * chunk_rows..n.min((c + 1) * chunk_rows);
                    let ranges = rows.map(|i| {
                        costs.row(i, 0, &mut chunk.costs);
                        range(&chunk.costs)
                    });
                    ranges.fold((0.0, 0.0), join)
                })
                .collect(),
        }
    }

    fn chunk_rows(n: usize) -> usize {
        n.div_ceil(CHUNKS).max(8)
    }

    /// ε-scaling down to the target, then sweeps until the tolerance is met; (sweeps, converged).
    fn solve(&mut self, options: &SinkhornOptions) -> Result<(usize, bool)> {
        // The last sweep is at the target.
        let most = options.max_iterations.saturating_sub(1);
        let mut sweeps = self.scale_down(options.epsilon, 0.25, 8, most)?;
        let scaled = sweeps;
        loop {
            // The gap belongs to the potentials before g is updated: look first, then move.
            self.sweep(options.epsilon)?;
            sweeps += 1;
            let converged = self.is_within(options.tolerance, options.epsilon)?;
            if converged || sweeps >= options.max_iterations {
                return Ok((sweeps, converged));
            }
            self.update_g(options.epsilon)?;
            if (sweeps - scaled).is_multiple_of(POLISH_EVERY) {
                self.polish(options.epsilon, 0.1 * options.tolerance, SPARSE_SWEEPS)?;
            }
        }
    }

    /// Warm starts from the scale of the costs down to (not including) `epsilon`, in at most `max` sweeps; returns those done.
    pub(super) fn scale_down(
        &mut self,
        epsilon: f64,
        factor: f64,
        sweeps_each: usize,
        max: usize,
    ) -> Result<usize> {
        let mut sweeps = 0;
        let mut level = self.scale;
        while level > epsilon && sweeps < max {
            let now = sweeps_each.min(max - sweeps);
            for _ in 0..now {
                self.sweep(level)?;
                self.update_g(level)?;
            }
            sweeps += now;
            level *= factor;
        }
        Ok(sweeps)
    }

    /// Brings f, g and the masses here, where others than the sweeps use them.
    pub(super) fn fetch(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = &self.device {
            (self.f, self.g) = device.potentials()?;
            (self.row_mass, self.column_mass) = device.marginals()?;
        }
        Ok(())
    }

    /// Lets the sweeps go on from the f and g that are here.
    fn send(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(device) = &mut self.device {
            device.set_potentials(&self.f, &self.g)?;
        }
        Ok(())
    }

    /// One pass over the costs: updates f, and leaves the row and column masses of the plan at (new f, old g).
    pub(super) fn sweep(&mut self, epsilon: f64) -> Result<()> {
        let chunk_rows = Self::chunk_rows(self.f.len());
        let kappa = kappa(self.problem.source_penalty, epsilon);
        #[cfg(feature = "cuda")]
        if let Some(device) = &mut self.device {
            return device.sweep(epsilon, kappa);
        }
        let u = self.column_exponents(epsilon);
        let (costs, cached, a) = (&self.costs, &self.cached, self.problem.source.weights());
        self.f
            .par_chunks_mut(chunk_rows)
            .zip(self.row_mass.par_chunks_mut(chunk_rows))
            .zip(&mut self.chunks)
            .enumerate()
            .for_each(|(c, ((f, row_mass), chunk))| {
                let Chunk { costs: scratch, entries, column_mass } = chunk;
                column_mass.fill(0.0);
                for (r, (f, row_mass)) in f.iter_mut().zip(row_mass).enumerate() {
                    let i = c * chunk_rows + r;
                    let cost_row = cost_row(costs, cached.as_deref(), i, scratch);
                    let row = update_row(*f, kappa, epsilon, cost_row, &u, entries);
                    add_scaled(a[i] * row.rescale, entries, column_mass);
                    *f = row.potential;
                    *row_mass = a[i] * row.rescale * row.sum;
                }
            });
        let (column_mass, chunks) = (&mut self.column_mass, &self.chunks);
        column_mass.fill(0.0);
        for chunk in chunks {
            column_mass.iter_mut().zip(&chunk.column_mass).for_each(|(t, c)| *t += c);
        }
        Ok(())
    }

    /// Updates g from the column masses of the last sweep, then shifts (f, g) along the translation.
    pub(super) fn update_g(&mut self, epsilon: f64) -> Result<()> {
        let kappa = kappa(self.problem.target_penalty, epsilon);
        #[cfg(feature = "cuda")]
        if let Some(device) = &mut self.device {
            let (source, target) = (self.problem.source_penalty, self.problem.target_penalty);
            device.update_target(epsilon, kappa)?;
            return if source.is_finite() || target.is_finite() {
                device.translate(source, target)
            } else {
                Ok(())
            };
        }
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
        self.shift();
        Ok(())
    }

    /// The best translation f + λ, g − λ; without effect between two hard marginals.
    fn shift(&mut self) {
        let (rho_a, rho_b) = (self.problem.source_penalty, self.problem.target_penalty);
        if rho_a.is_finite() || rho_b.is_finite() {
            let log_a = log_sum(self.problem.source.weights(), &self.f, rho_a);
            let log_b = log_sum(self.problem.target.weights(), &self.g, rho_b);
            let rate = 1.0 / (1.0 / rho_a + 1.0 / rho_b);
            let shift = rate * (log_a - log_b);
            self.f.iter_mut().for_each(|f| *f += shift);
            self.g.iter_mut().for_each(|g| *g -= shift);
        }
    }

    /// LSE_i( ln a_i + (f_i − C_ij)/ε ).
    fn column_log_sum(&self, j: usize, epsilon: f64) -> f64 {
        let a = self.problem.source.weights();
        let exponent = |i: usize| libm::log(a[i]) + (self.f[i] - self.costs.entry(i, j)) / epsilon;
        let max = (0..self.f.len()).map(exponent).fold(f64::NEG_INFINITY, f64::max);
        max + libm::log((0..self.f.len()).map(|i| libm::exp(exponent(i) - max)).sum())
    }

    fn is_within(&mut self, tolerance: f64, epsilon: f64) -> Result<bool> {
        let values = self.values(epsilon)?;
        let report = values.report(0, false);
        let scale = report.primal.abs().max(report.dual.abs());
        Ok(report.gap.abs() <= tolerance * scale.max(f64::MIN_POSITIVE)
            && (self.problem.source_penalty.is_finite() || report.source_residual <= tolerance)
            && (self.problem.target_penalty.is_finite() || report.target_residual <= tolerance))
    }

    /// The objective at the potentials of the last sweep (new f, old g), from its marginals alone:
    /// ⟨C,γ⟩ + ε KL(γ|a⊗b) = Σ r_i f_i + Σ c_j g_j − ε Σγ + ε (Σa)(Σb).
    fn values(&mut self, epsilon: f64) -> Result<Values> {
        let total = self.problem.source.mass() * self.problem.target.mass();
        let [source, target] = self.sides()?;
        // Both marginals have the mass of the plan; the rows' sum is the one that is reported.
        let mass = source.mass;
        let linear = source.linear + target.linear;
        Ok(Values {
            primal: linear + source.penalty + target.penalty + epsilon * (total - mass),
            dual: source.dual + target.dual + epsilon * (total - mass),
            mass,
            source_error: source.error,
            source_total: source.total,
            target_error: target.error,
            target_total: target.total,
            ..Values::default()
        })
    }

    /// What either marginal adds at the last sweep.
    fn sides(&mut self) -> Result<[Side; 2]> {
        let Problem { source, target, source_penalty, target_penalty, .. } = self.problem;
        #[cfg(feature = "cuda")]
        if let Some(device) = &mut self.device {
            return on_device::sides(device, source_penalty, target_penalty);
        }
        Ok([
            Side::of(source.weights(), &self.f, &self.row_mass, source_penalty),
            Side::of(target.weights(), &self.g, &self.column_mass, target_penalty),
        ])
    }

    /// Entries of the plan at the current potentials that hold at least `fraction` of their row's largest entry, or
    /// are the largest of their column in a chunk of rows.
    pub(super) fn heavy_entries(&mut self, epsilon: f64, fraction: f64) -> Vec<(u32, u32, f64)> {
        let chunk_rows = Self::chunk_rows(self.f.len());
        let u = self.column_exponents(epsilon);
        let (costs, cached, f, a) = (&self.costs, &self.cached, &self.f, self.problem.source.weights());
        let blocks: Vec<Vec<(u32, u32, f64)>> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let mut kept = Vec::new();
                let mut best = vec![(0u32, 0.0f64); u.len()];
                for i in c * chunk_rows..f.len().min((c + 1) * chunk_rows) {
                    let cost_row = cost_row(costs, cached.as_deref(), i, &mut chunk.costs);
                    exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries);
                    let max = chunk.entries.iter().fold(0.0f64, |m, &p| m.max(p));
                    for (j, &p) in chunk.entries.iter().enumerate() {
                        let mass = a[i] * p;
                        if mass > best[j].1 {
                            best[j] = (i as u32, mass);
                        }
                        if p >= fraction * max && p > 0.0 {
                            kept.push((i as u32, j as u32, mass));
                        }
                    }
                }
                kept.extend(
                    best.iter().enumerate().filter(|(_, b)| b.1 > 0.0).map(|(j, b)| (b.0, j as u32, b.1)),
                );
                kept
            })
            .collect();
        blocks.concat()
    }

    /// Σ_j |column mass − the mass that g_j implies| over the implied mass, at the last sweep.
    pub(super) fn target_residual(&mut self) -> Result<f64> {
        let [_, target] = self.sides()?;
        Ok(target.residual())
    }

    /// The row and column masses of the plan of the last sweep; their totals agree.
    pub(super) fn masses(&self) -> (&[f64], &[f64]) {
        (&self.row_mass, &self.column_mass)
    }

    /// u_j = g_j/ε + ln b_j.
    fn column_exponents(&self, epsilon: f64) -> Vec<f64> {
        let b = self.problem.target.weights();
        self.g.iter().zip(b).map(|(g, b)| g / epsilon + libm::log(*b)).collect()
    }

    /// The plan at the potentials of the last sweep, in the indices of the problem before reduction.
    fn plan_entries(&mut self, epsilon: f64, drop_below: f64, reach: &Reach) -> Result<Vec<(u32, u32, f64)>> {
        #[cfg(feature = "cuda")]
        if self.device.is_some() {
            return self.plan_entries_of_device(epsilon, drop_below, reach);
        }
        let chunk_rows = Self::chunk_rows(self.f.len());
        let u = self.column_exponents(epsilon);
        let (costs, cached, f, a) = (&self.costs, &self.cached, &self.f, self.problem.source.weights());
        let blocks: Vec<Vec<(u32, u32, f64)>> = self
            .chunks
            .par_iter_mut()
            .enumerate()
            .map(|(c, chunk)| {
                let mut kept = Vec::new();
                for i in c * chunk_rows..f.len().min((c + 1) * chunk_rows) {
                    let cost_row = cost_row(costs, cached.as_deref(), i, &mut chunk.costs);
                    let sum = exponentials(f[i] / epsilon, 1.0 / epsilon, cost_row, &u, &mut chunk.entries);
                    let threshold = drop_below * sum;
                    let kept_sum: f64 = chunk.entries.iter().filter(|p| **p > threshold).sum();
                    let rescale = a[i] * sum / kept_sum;
                    for (j, &p) in chunk.entries.iter().enumerate() {
                        if p > threshold && p > 0.0 {
                            kept.push((reach.rows[i] as u32, reach.columns[j] as u32, p * rescale));
                        }
                    }
                }
                kept
            })
            .collect();
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

/// ρ/(ρ+ε), 1 for a hard marginal.
fn kappa(rho: f64, epsilon: f64) -> f64 {
    if rho.is_infinite() { 1.0 } else { rho / (rho + epsilon) }
}

/// ln Σ_i w_i e^{−p_i/ρ}.
pub(super) fn log_sum(weights: &[f64], potential: &[f64], rho: f64) -> f64 {
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
fn exponentials(shift: f64, inverse: f64, costs: &[f64], u: &[f64], entries: &mut [f64]) -> f64 {
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
