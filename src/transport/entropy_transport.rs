//! Unregularised optimal entropy transport: min ⟨C,γ⟩ + ρ_a KL(γ1|a) + ρ_b KL(γᵀ1|b), at least one ρ finite.
//!
//! A finite active-set method in the spirit of the network simplex. The support of the plan is a forest of
//! (source, target) edges. On a fixed forest the minimiser is known in closed form, tree by tree: along the edges
//! f_i + g_j = C_ij fixes the potentials up to one shift, the tree's balance of mass fixes the shift, and the
//! potentials fix the mass of every point and so the flow on every edge. The method
//!
//! 1. moves the flows of a tree towards that minimiser, and where a flow would turn negative stops there, cuts the
//!    edge and goes on with the two parts;
//! 2. when all trees are at their minimisers, prices all pairs: one with f_i + g_j > C_ij would lower the
//!    objective, so it enters, joining two trees, or closing a cycle around which mass is pushed until an edge empties.
//!
//! Edges that empty are cut at once, so every edge carries mass and every step strictly lowers the objective: no
//! cycling, and an end after finitely many steps at the optimum itself. It starts from exact transport between the
//! marginals of an entropic plan ([`sinkhorn`](super::sinkhorn)), which leaves it few steps to make.

mod forest;
mod nearly_hard;
mod start;

use super::backend;
use super::cost::CostRows;
use super::objective::MarginalTerms;
use super::pricing::{self, Candidate};
use super::reach::Reach;
use super::{Problem, Report, Solution, SparsePlan};
use crate::device::{Device, Opened};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use forest::Forest;
use nearly_hard::nearly_hard;
use start::start;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropyTransportOptions {
    /// Stop when the certified duality gap is at most this fraction of the primal value.
    pub tolerance: f64,
    /// Give up after this many pivots; the report then says that it did not converge.
    pub max_iterations: usize,
    /// Where the sweeps of Sinkhorn's iteration run that it starts from; pricing and pivots are the CPU's.
    pub device: Device,
}

impl Default for EntropyTransportOptions {
    /// Relative gap 1e-9, at most 100 million pivots, on the CPU.
    fn default() -> Self {
        Self { tolerance: 1e-9, max_iterations: 100_000_000, device: Device::Cpu }
    }
}

/// Solves min ⟨C,γ⟩ + ρ_a KL(γ1|a) + ρ_b KL(γᵀ1|b) to a certified duality gap.
///
/// The returned potentials are dual feasible for all pairs, so that `report.dual` is a true lower bound; the plan has
/// fewer entries than there are points. Points of zero weight, or that no finite cost connects to the other
/// side, keep potential +∞ and no mass. With [`Cost::Wfr`](super::Cost::Wfr) and both penalties 1, 2δ² times the
/// optimum is WFR²_δ (Liero, Mielke, Savaré, Inventiones 2018).
///
/// # Errors
/// [`Error::InvalidArgument`] for parameters outside their domain or two infinite penalties (that is
/// [`network_simplex`](super::network_simplex)), [`Error::Infeasible`] if a point of a hard marginal is out
/// of reach, [`Error::NonFinite`] if one side is hard and costs exceed the other's penalty by some 13 orders of magnitude;
/// [`Error::Cancelled`] once `stop` is requested.
pub fn entropy_transport(
    problem: &Problem<'_>,
    options: &EntropyTransportOptions,
    stop: &Stop,
) -> Result<Solution> {
    problem.validate()?;
    crate::error::positive("tolerance", options.tolerance)?;
    if problem.source_penalty.is_infinite() && problem.target_penalty.is_infinite() {
        return Err(Error::argument(
            "the penalties",
            "infinite on both sides",
            "finite on at least one side (two hard marginals are exact transport: network_simplex)",
        ));
    }
    let opened = backend::open(problem, options.device)?;
    let reach = Reach::of(problem, &opened, stop)?;
    let mut source_potential = vec![f64::INFINITY; problem.source.len()];
    let mut target_potential = vec![f64::INFINITY; problem.target.len()];
    let mut entries = Vec::new();
    let mut iterations = 0;
    if !reach.rows.is_empty() {
        let (source, target) = (problem.source.subset(&reach.rows), problem.target.subset(&reach.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        if let Some(solution) = nearly_hard(problem, options.tolerance, stop)? {
            return Ok(solution);
        }
        let mut solver = ActiveSet::new(&reduced, &opened, stop)?;
        solver.run(options)?;
        iterations = solver.pivots;
        let (f, g) = solver.feasible_potentials();
        reach.rows.iter().zip(f).for_each(|(&i, f)| source_potential[i] = f);
        reach.columns.iter().zip(g).for_each(|(&j, g)| target_potential[j] = g);
        let original =
            |(i, j, mass): (usize, usize, f64)| (reach.rows[i] as u32, reach.columns[j] as u32, mass);
        entries = solver.forest.entries().map(original).collect();
    }
    let plan = SparsePlan::from_entries(problem.source.len(), entries);
    let report = report(problem, &plan, &source_potential, &target_potential, iterations, options.tolerance);
    if !(report.primal.is_finite() && report.dual.is_finite()) {
        return Err(Error::NonFinite(format!(
            "the transport problem is beyond double precision (objective {}, dual {}): its costs exceed the penalties \
             ({}, {}) too far; raise the finite penalty towards the scale of the costs",
            report.primal, report.dual, problem.source_penalty, problem.target_penalty
        )));
    }
    Ok(Solution { source_potential, target_potential, plan, report })
}

/// The objective and the residuals of a plan and feasible potentials.
///
/// The gap is a sum of terms that are not negative, so that it keeps its figures where primal and dual agree in all
/// of theirs: Σ γ_ij (C_ij − f_i − g_j), and what the marginals add.
fn report(
    problem: &Problem<'_>,
    plan: &SparsePlan,
    f: &[f64],
    g: &[f64],
    iterations: usize,
    tolerance: f64,
) -> Report {
    let costs = CostRows::new(problem);
    let (mut transport_cost, mut slack) = (0.0, 0.0);
    for (i, j, mass) in plan.entries() {
        let cost = costs.entry(i, j);
        transport_cost += mass * cost;
        slack += mass * (cost - f[i] - g[j]).max(0.0);
    }
    let source = MarginalTerms::of(problem.source.weights(), f, &plan.row_mass(), problem.source_penalty);
    let columns = plan.column_mass(problem.target.len());
    let target = MarginalTerms::of(problem.target.weights(), g, &columns, problem.target_penalty);
    let primal = transport_cost + source.penalty + target.penalty;
    let gap = slack + source.gap + target.gap;
    Report {
        iterations,
        converged: gap <= tolerance * primal,
        primal,
        dual: primal - gap,
        gap,
        transport_cost,
        transported_mass: plan.values.iter().sum(),
        source_residual: source.error / source.weight,
        target_residual: target.error / target.weight,
    }
}

/// Pivots a forest to the optimum.
struct ActiveSet<'a> {
    costs: CostRows<'a>,
    forest: Forest,
    pivots: usize,
    /// By how much the latest pricing found each potential too high, rows first.
    slack: Vec<f64>,
    /// The largest potential then, in absolute value.
    largest: f64,
    stop: Stop,
}

/// What a look at all pairs gives.
struct Pricing {
    /// The pairs worth a pivot, worst first.
    candidates: Vec<Candidate>,
    /// The objective, and how far at most it is above the optimum.
    primal: f64,
    gap: f64,
}

impl<'a> ActiveSet<'a> {
    fn new(problem: &Problem<'a>, opened: &Opened, stop: &Stop) -> Result<Self> {
        let costs = CostRows::new(problem);
        let entry = |(row, column, mass): (u32, u32, f64)| {
            let cost = costs.entry(row as usize, column as usize);
            (Candidate { row, column, cost }, mass)
        };
        let forest = Forest::new(problem, start(problem, opened, stop)?.into_iter().map(entry), stop)?;
        Ok(Self { costs, forest, pivots: 0, slack: vec![], largest: 0.0, stop: stop.clone() })
    }

    /// Runs to the tolerance, or until the pivots run out or rounding forbids further progress.
    fn run(&mut self, options: &EntropyTransportOptions) -> Result<()> {
        let (mut stalled, mut lowest, mut narrowest) = (0, f64::INFINITY, f64::INFINITY);
        loop {
            let Pricing { candidates, primal, gap } = self.price()?;
            // A margin: the report adds what rounding leaves in the plan.
            if gap <= 0.5 * options.tolerance * primal {
                return Ok(());
            }
            // The objective falls strictly but for rounding, below which the gap may go on closing.
            stalled = if primal < lowest || gap < narrowest { 0 } else { stalled + 1 };
            (lowest, narrowest) = (lowest.min(primal), narrowest.min(gap));
            if candidates.is_empty() || stalled == MOST_STALLED || self.pivots >= options.max_iterations {
                return Ok(());
            }
            for candidate in &candidates {
                // Earlier pivots may have settled it.
                if self.violation(candidate) > self.noise() {
                    self.forest.enter(candidate)?;
                    self.pivots += 1;
                }
            }
        }
    }

    fn price(&mut self) -> Result<Pricing> {
        let (f, g) = self.potentials();
        let finite = f.iter().chain(&g).filter(|p| p.is_finite());
        self.largest = finite.fold(0.0, |largest: f64, p| largest.max(p.abs()));
        let pairs = pricing::all_violated(&self.costs, &f, &g, PER_ROW, &self.stop)?;
        self.slack = self.forest.slack((&f, &g), &pairs);
        // Of a row only what is near its worst is worth a pivot: the others often vanish with it.
        let noise = self.noise();
        let mut worst = vec![0.0f64; f.len()];
        for pair in &pairs {
            worst[pair.row as usize] = worst[pair.row as usize].max(self.violation(pair));
        }
        let mut candidates: Vec<(f64, Candidate)> =
            pairs.into_iter().map(|pair| (self.violation(&pair), pair)).collect();
        candidates.retain(|(violation, pair)| {
            *violation > noise && *violation >= NEAR_WORST * worst[pair.row as usize]
        });
        candidates.sort_by(|(u, a), (v, b)| v.total_cmp(u).then((a.row, a.column).cmp(&(b.row, b.column))));
        let (mut gap, mut primal) = (0.0, 0.0);
        for ((w, p, rho), slack) in self.forest.nodes().zip(&self.slack) {
            if rho.is_infinite() {
                primal += w * p;
                gap += w * slack;
            } else {
                primal -= rho * w * libm::expm1(-p / rho);
                let capped = p.min(NEGLIGIBLE * rho);
                gap += rho * w * libm::exp(-capped / rho) * libm::expm1(slack / rho);
            }
        }
        Ok(Pricing { candidates: candidates.into_iter().map(|(_, pair)| pair).collect(), primal, gap })
    }

    /// The forest's potentials, but none beyond what makes a point's mass negligible: a dual bound that is no weaker,
    /// and that pairs which could carry next to nothing do not spoil.
    fn potentials(&self) -> (Vec<f64>, Vec<f64>) {
        let (f, g) = self.forest.potentials();
        let capped = |potentials: &[f64], rho: f64| {
            potentials.iter().map(|p| if rho.is_finite() { p.min(NEGLIGIBLE * rho) } else { *p }).collect()
        };
        let [source, target] = self.forest.penalties();
        (capped(f, source), capped(g, target))
    }

    /// f_i + g_j − C_ij.
    fn violation(&self, pair: &Candidate) -> f64 {
        let (f, g) = self.forest.potentials();
        let [source, target] = self.forest.penalties();
        f[pair.row as usize].min(NEGLIGIBLE * source) + g[pair.column as usize].min(NEGLIGIBLE * target)
            - pair.cost
    }

    /// What rounding does to a sum of potentials along a path.
    fn noise(&self) -> f64 {
        1e-14 * self.largest
    }

    /// The potentials lowered until no pair violates its cost.
    fn feasible_potentials(&self) -> (Vec<f64>, Vec<f64>) {
        let (f, g) = self.potentials();
        let (of_rows, of_columns) = self.slack.split_at(f.len());
        let lowered =
            |potentials: Vec<f64>, slack: &[f64]| potentials.iter().zip(slack).map(|(p, s)| p - s).collect();
        (lowered(f, of_rows), lowered(g, of_columns))
    }
}

/// Potentials, in penalties, beyond which a point has less than 1e-17 of its mass: what it still has does not count.
const NEGLIGIBLE: f64 = 40.0;
/// Rounds of pivots without progress that are taken for rounding.
const MOST_STALLED: usize = 5;
/// Candidates looked at of one row in one pass.
const PER_ROW: usize = 3;
/// Candidates taken: those violated by at least this share of their row's worst.
const NEAR_WORST: f64 = 0.3;
