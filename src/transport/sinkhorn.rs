//! Entropic transport in the log domain: balanced, semi-relaxed and unbalanced.
//!
//! The iteration is Sinkhorn's with the translation-invariant shift of Séjourné, Vialard and Peyré (AISTATS 2022)
//! for KL penalties and ε-scaling. One sweep updates f and then g in a single pass over the costs, with a single
//! exponential a pair: a row's entries exp((f_i + g_j − C_ij)/ε) at the old f give the new f_i, and rescaled by
//! exp((f_i' − f_i)/ε) they are what the column sums need.

mod sparse;

pub(crate) use super::backend::ENOUGH;
use super::backend::{self, Backend, Entry};
use super::cost::CostRows;
use super::reach::Reach;
use super::{PointCloud, Problem, Report, Solution, SparsePlan};
use crate::device::{Device, Opened};
use crate::error::{Result, positive};
use crate::exec::stop::Stop;

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
/// everyone's reach; [`Error::Device`](crate::Error) for a device that cannot be used;
/// [`Error::Cancelled`](crate::Error) once `stop` is requested.
pub fn sinkhorn(problem: &Problem<'_>, options: &SinkhornOptions, stop: &Stop) -> Result<Solution> {
    problem.validate()?;
    positive("epsilon", options.epsilon)?;
    positive("tolerance", options.tolerance)?;
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
        let mut sweeper = Sweeper::new(&reduced, &opened, stop)?;
        (iterations, converged) = sweeper.solve(options)?;
        values.add(&sweeper.values(options.epsilon)?);
        let original =
            |(i, j, mass): Entry| (reach.rows[i as usize] as u32, reach.columns[j as usize] as u32, mass);
        let plan = sweeper.backend.plan(options.epsilon, options.drop_below)?;
        entries = plan.into_iter().map(original).collect();
        let (f, g) = sweeper.backend.potentials()?;
        reach.rows.iter().zip(f).for_each(|(&i, f)| potentials.0[i] = f);
        reach.columns.iter().zip(g).for_each(|(&j, g)| potentials.1[j] = g);
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

/// Dense sweeps between two attempts to finish on the few entries that matter.
const POLISH_EVERY: usize = 10;
/// Sweeps on those entries in one attempt, at the most.
const SPARSE_SWEEPS: usize = 50_000;

/// Sinkhorn sweeps over a problem in which every point has positive weight and a partner within reach.
#[derive(Debug)]
pub(super) struct Sweeper<'a> {
    problem: Problem<'a>,
    pub(super) backend: Box<dyn Backend + 'a>,
    /// The largest finite cost.
    pub(super) scale: f64,
    /// How much dearer a row's second cheapest partner is than its cheapest, on average: where the plan is decided.
    pub(super) resolution: f64,
    stop: Stop,
}

impl<'a> Sweeper<'a> {
    pub(super) fn new(problem: &Problem<'a>, opened: &Opened, stop: &Stop) -> Result<Self> {
        let mut backend = backend::on(opened, problem, stop)?;
        let (scale, resolution) = backend.cost_ranges()?;
        Ok(Self { problem: *problem, backend, scale, resolution, stop: stop.clone() })
    }

    /// ε-scaling down to the target, then sweeps until the tolerance is met; (sweeps, converged).
    fn solve(&mut self, options: &SinkhornOptions) -> Result<(usize, bool)> {
        // The last sweep is at the target.
        let most = options.max_iterations.saturating_sub(1);
        let mut sweeps = self.scale_down(options.epsilon, 0.25, 8, most)?;
        let scaled = sweeps;
        loop {
            // The gap belongs to the potentials before g is updated: look first, then move.
            self.backend.sweep(options.epsilon)?;
            sweeps += 1;
            let converged = self.is_within(options.tolerance, options.epsilon)?;
            if converged || sweeps >= options.max_iterations {
                return Ok((sweeps, converged));
            }
            self.backend.update_target(options.epsilon)?;
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
                self.backend.sweep(level)?;
                self.backend.update_target(level)?;
            }
            sweeps += now;
            level *= factor;
        }
        Ok(sweeps)
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
        let [source, target] = self.backend.marginal_terms()?;
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

    /// Σ_j |column mass − the mass that g_j implies| over the implied mass, at the last sweep.
    pub(super) fn target_residual(&mut self) -> Result<f64> {
        let [_, target] = self.backend.marginal_terms()?;
        Ok(target.residual())
    }
}
