//! Entropic transport in the log domain: balanced, semi-relaxed and unbalanced.
//!
//! The iteration is Sinkhorn's with the translation-invariant shift of Séjourné, Vialard and Peyré (AISTATS 2022)
//! for KL penalties and ε-scaling. One sweep updates f and then g in a single pass over the costs, with a single
//! exponential a pair: a row's entries exp((f_i + g_j − C_ij)/ε) at the old f give the new f_i, and rescaled by
//! exp((f_i' − f_i)/ε) they are what the column sums need.
//!
//! Whatever the totals of the weights, what is iterated is a problem between measures of total one.

mod coarse;
mod diffuse;
mod mending;
mod newton;
mod shares;

pub(crate) use super::backend::ENOUGH;
use super::backend::{self, Backend, Entry};
use super::cost::CostRows;
use super::objective::MarginalTerms;
use super::reach::Reach;
use super::{PointCloud, Problem, Report, Solution, SparsePlan};
use crate::device::{Device, Opened};
use crate::error::{Result, positive};
use crate::exec::stop::Stop;
use mending::{mending, scaling};
use rayon::prelude::*;
use shares::Shares;

/// How far to regularise and when to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SinkhornOptions {
    /// ε > 0, in units of the cost.
    pub epsilon: f64,
    /// Stop when the certified duality gap is at most this fraction of the primal value.
    pub tolerance: f64,
    /// Give up after this many sweeps; the report then says that it did not converge.
    pub max_iterations: usize,
    /// Entries below this fraction of their row's mass are left out of the returned plan; the others of the row
    /// are scaled up so that its mass is kept. Where only the target is hard, columns take the place of rows.
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
/// everyone's reach; [`Error::Device`](crate::Error) for a device that cannot be used;
/// [`Error::Cancelled`](crate::Error) once `stop` is requested.
pub fn sinkhorn(problem: &Problem<'_>, options: &SinkhornOptions, stop: &Stop) -> Result<Solution> {
    problem.validate()?;
    positive("epsilon", options.epsilon)?;
    positive("tolerance", options.tolerance)?;
    if problem.target_penalty.is_infinite() && problem.source_penalty.is_finite() {
        // A sweep meets the source's marginal: it takes the side of the one that is hard.
        let Problem { source, target, source_penalty, target_penalty, cost } = *problem;
        let turned = Problem {
            source: target,
            target: source,
            source_penalty: target_penalty,
            target_penalty: source_penalty,
            cost,
        };
        return Ok(sinkhorn(&turned, options, stop)?.transposed(source.len()));
    }
    let opened = backend::open(problem, options.device)?;
    let reach = Reach::of(problem, &opened, stop)?;
    let mut iterations = 0;
    let mut converged = true;
    let mut potentials =
        (vec![f64::INFINITY; problem.source.len()], vec![f64::INFINITY; problem.target.len()]);
    let mut entries = Vec::new();
    let mut values = Values::of_unreachable(problem, &reach, options.epsilon);
    if !reach.rows.is_empty() {
        let (source, target) = (problem.source.subset(&reach.rows), problem.target.subset(&reach.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        let shares = Shares::of(&reduced, options.epsilon);
        let mut sweeper = Sweeper::new(&shares.problem(&reduced), &opened, stop)?;
        let of_shares;
        (of_shares, iterations, converged) = sweeper.solve(options, shares.value / shares.mass)?;
        values.add(&shares.restored(of_shares));
        let original = |(i, j, share): Entry| {
            (reach.rows[i as usize] as u32, reach.columns[j as usize] as u32, shares.mass * share)
        };
        let plan = sweeper.backend.plan(options.epsilon, options.drop_below)?;
        entries = plan.into_iter().map(original).collect();
        let (f, g) = sweeper.backend.potentials()?;
        reach.rows.iter().zip(f).for_each(|(&i, f)| potentials.0[i] = f + shares.shifts[0]);
        reach.columns.iter().zip(g).for_each(|(&j, g)| potentials.1[j] = g + shares.shifts[1]);
    }
    let plan = SparsePlan::from_entries(problem.source.len(), entries);
    let costs = CostRows::new(problem);
    let of_row = |i: usize| plan.row(i).map(|(j, mass)| mass * costs.entry(i, j)).sum::<f64>();
    // Row by row, whatever the number of threads.
    let of_rows: Vec<f64> = (0..plan.rows()).into_par_iter().map(of_row).collect();
    values.transport_cost = of_rows.iter().sum();
    Ok(Solution {
        source_potential: potentials.0,
        target_potential: potentials.1,
        plan,
        report: values.report(iterations, converged),
    })
}

/// The terms of the objective and the residuals, summed over parts of a problem.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Values {
    primal: f64,
    /// How far the primal is above the dual, kept apart: their difference has no figures left.
    gap: f64,
    transport_cost: f64,
    mass: f64,
    source_error: f64,
    source_weight: f64,
    target_error: f64,
    target_weight: f64,
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
        Self { primal: value, ..Self::default() }
    }

    fn add(&mut self, other: &Self) {
        self.primal += other.primal;
        self.gap += other.gap;
        self.mass += other.mass;
        self.source_error += other.source_error;
        self.source_weight += other.source_weight;
        self.target_error += other.target_error;
        self.target_weight += other.target_weight;
    }

    fn report(&self, iterations: usize, converged: bool) -> Report {
        let ratio = |error: f64, total: f64| if total > 0.0 { error / total } else { 0.0 };
        Report {
            iterations,
            converged,
            primal: self.primal,
            dual: self.primal - self.gap,
            gap: self.gap,
            transport_cost: self.transport_cost,
            transported_mass: self.mass,
            source_residual: ratio(self.source_error, self.source_weight),
            target_residual: self.target_residual(),
        }
    }

    fn target_residual(&self) -> f64 {
        if self.target_weight > 0.0 { self.target_error / self.target_weight } else { 0.0 }
    }
}

/// ε falls by this factor from stage to stage,
const STAGE: f64 = 0.25;
/// each of which ends when the columns' masses are off by this share, or after a few sweeps: that is near enough for the next.
const STAGE_RESIDUAL: f64 = 1e-3;
const STAGE_SWEEPS: usize = 13;
const STAGE_CUTOFF: f64 = 10.0;
/// A sweep that leaves more than this share of what the columns' masses were off by creeps.
const CREEPING: f64 = 0.3;
/// Dense sweeps at the target between two looks at the entries that matter.
const REFINE_EVERY: usize = 4;
/// The accuracy of the columns' masses that a refinement aims at; below the first figure rounding begins.
const FINEST: f64 = 1e-14;
/// How much finer, in logarithms, the entries of a kernel are than the accuracy that is wanted of their sums.
const MARGIN: f64 = 5.0;
const COARSEST: f64 = 1e-2;

/// Sinkhorn sweeps over a problem in which every point has positive weight and a partner within reach.
#[derive(Debug)]
pub(super) struct Sweeper<'a> {
    problem: Problem<'a>,
    pub(super) backend: Box<dyn Backend + 'a>,
    /// The largest finite cost.
    pub(super) scale: f64,
    /// How much dearer a row's second cheapest partner is than its cheapest, on average: where the plan is decided.
    pub(super) resolution: f64,
    /// What a unit of mass that misses a hard target costs, by the latest look at it, and a guess before.
    price_of_mending: f64,
    opened: Opened,
    stop: Stop,
}

impl<'a> Sweeper<'a> {
    pub(super) fn new(problem: &Problem<'a>, opened: &Opened, stop: &Stop) -> Result<Self> {
        let mut backend = backend::on(opened, problem, stop)?;
        let (scale, resolution) = backend.cost_ranges()?;
        Ok(Self {
            problem: *problem,
            backend,
            scale,
            resolution,
            price_of_mending: 0.1 * scale,
            opened: opened.clone(),
            stop: stop.clone(),
        })
    }

    /// ε-scaling down to the target, then sweeps until the tolerance is met; the values there, sweeps, and whether it is met. To the
    /// primal that the gap is measured against belongs `constant`, too.
    fn solve(&mut self, options: &SinkhornOptions, constant: f64) -> Result<(Values, usize, bool)> {
        let epsilon = options.epsilon;
        if let Some(solved) = self.solve_diffuse(options, constant)? {
            return Ok(solved);
        }
        let allowed = |values: &Values| match options.tolerance * (values.primal + constant) {
            allowed if allowed.is_finite() => allowed,
            _ => 0.0,
        };
        // The last sweep is at the target.
        let mut sweeps = self.scale_down(
            epsilon,
            (STAGE_RESIDUAL, f64::INFINITY),
            options.max_iterations.saturating_sub(1),
        )?;
        let mut goal = COARSEST;
        loop {
            for _ in 0..REFINE_EVERY {
                // The gap belongs to the potentials before g is updated: look first, then move.
                self.backend.sweep(epsilon)?;
                sweeps += 1;
                let last = sweeps >= options.max_iterations;
                let mut values = self.values(epsilon)?;
                if last || values.gap <= allowed(&values) {
                    self.certify(&mut values, epsilon)?;
                }
                let converged = values.gap <= allowed(&values);
                if converged || last {
                    return Ok((values, sweeps, converged));
                }
                // Each look aims at what would end it, or at a tenth of what the last one aimed at.
                let wanted = 0.1 * values.target_residual() * allowed(&values) / values.gap;
                goal = wanted.clamp(FINEST, COARSEST).min(goal);
                self.backend.update_target(epsilon)?;
            }
            self.refine(epsilon, goal, -libm::log(goal) + MARGIN)?;
        }
    }

    /// Warm starts from the scale of the costs down to (not including) `epsilon`, in at most `max` sweeps; returns those done. What is
    /// `wanted` is as in [`stages`](Self::stages).
    pub(super) fn scale_down(&mut self, epsilon: f64, wanted: (f64, f64), max: usize) -> Result<usize> {
        let first = self.coarse_start(epsilon, wanted)?.unwrap_or(self.scale);
        let (_, sweeps) = self.stages(first, epsilon, wanted, max)?;
        Ok(sweeps)
    }

    /// Stages from ε = `first` down to (not including) `last`, each until the columns' masses are off by the share `wanted`, or a refinement
    /// leaves more than the share `stuck` of that, in at most `max` sweeps; the last stage's ε, and the sweeps done.
    fn stages(
        &mut self,
        first: f64,
        last: f64,
        (wanted, stuck): (f64, f64),
        max: usize,
    ) -> Result<(f64, usize)> {
        let (mut level, mut done, mut sweeps) = (first, first, 0);
        while level > last && sweeps < max {
            let (mut previous, mut sparse) = (f64::INFINITY, true);
            for _ in 0..STAGE_SWEEPS.min(max - sweeps) {
                self.backend.sweep(level)?;
                let mut residual = self.target_residual()?;
                self.backend.update_target(level)?;
                sweeps += 1;
                // Entries that are too many to look at are so for all of the stage, and as dear to count as a sweep.
                if sparse && residual > CREEPING * previous {
                    let refined = self.refine(level, 0.1 * wanted, STAGE_CUTOFF)?;
                    let before = residual;
                    (residual, sparse) = (refined.unwrap_or(residual), refined.is_some());
                    if sparse && residual > stuck * before {
                        break;
                    }
                }
                if residual < wanted {
                    break;
                }
                previous = residual;
            }
            (level, done) = (level * STAGE, level);
        }
        Ok((done, sweeps))
    }

    /// The objective at the potentials of the last sweep (new f, old g), and how far above the optimum it is at the most.
    ///
    /// The dual is −Σ a φ*(−f) − Σ b φ*(−g) + ε (Σa)(Σb) − ε Σγ. The sweep leaves the plan's rows as f implies them; its columns c are
    /// not those that g implies, and add ρ KL(c | b e^{−g/ρ}) to the primal, which is never negative. A hard target is
    /// not met by c: what it takes to meet it is estimated here, and left to [`certify`](Self::certify).
    fn values(&mut self, epsilon: f64) -> Result<Values> {
        let Problem { source, target, source_penalty, target_penalty, .. } = self.problem;
        let ((f, g), (rows, columns)) = (self.backend.potentials()?, self.backend.masses()?);
        let of_source = MarginalTerms::of(source.weights(), &f, &rows, source_penalty);
        let of_target = MarginalTerms::of(target.weights(), &g, &columns, target_penalty);
        // Both marginals have the mass of the plan; the rows' sum is the one that is reported.
        let mass = of_source.mass;
        let dual = of_source.dual + of_target.dual + epsilon * (source.mass() * target.mass() - mass);
        let gap = if target_penalty.is_infinite() {
            0.5 * of_target.error * self.price_of_mending
        } else {
            of_source.gap + of_target.gap
        };
        Ok(Values {
            primal: dual + gap,
            gap,
            mass,
            source_error: of_source.error,
            source_weight: of_source.weight,
            target_error: of_target.error,
            target_weight: of_target.weight,
            ..Values::default()
        })
    }

    /// Puts in place of the estimated gap of two hard marginals the one to a plan that meets both.
    fn certify(&mut self, values: &mut Values, epsilon: f64) -> Result<()> {
        if self.problem.target_penalty.is_finite() {
            return Ok(());
        }
        let ((f, g), (_, columns)) = (self.backend.potentials()?, self.backend.masses()?);
        let shrunk: Vec<f64> = scaling(&self.problem, &columns)
            .iter()
            .zip(&g)
            .map(|(s, g)| g + epsilon * libm::log(*s))
            .collect();
        let rows = self.backend.row_masses(epsilon, &shrunk)?;
        values.primal -= values.gap;
        values.gap = mending(&self.problem, (&f, &g), (&rows, &columns), epsilon);
        values.primal += values.gap;
        if values.target_error > 0.0 && values.gap.is_finite() {
            self.price_of_mending = values.gap / (0.5 * values.target_error);
        }
        Ok(())
    }

    /// Σ_j |column mass − the mass that g_j implies| over the implied mass, at the last sweep.
    pub(super) fn target_residual(&mut self) -> Result<f64> {
        let ((_, g), (_, columns)) = (self.backend.potentials()?, self.backend.masses()?);
        let Problem { target, target_penalty, .. } = self.problem;
        Ok(MarginalTerms::of(target.weights(), &g, &columns, target_penalty).residual())
    }
}
