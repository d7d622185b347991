//! Coupling the cells of consecutive snapshots, interval by interval, in blocks where that is asked for.
//!
//! A block is solved from its own cells and the [`Gauge`] of its interval alone, so that any process can do it that has those; what
//! comes of it, a [`SolvedBlock`], is joined with the others here.
//!
//! Where the growth of cells is expected, the plan sends what they are expected to weigh at the end of the interval; what a
//! semi-coupling says to be sent is what they weigh at its start.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::coupling::unit_factor_of;
use super::resolve::Resolved;
use super::{CouplingKind, FitOptions, FitReport};
use crate::bridge::{Bridge, BridgeFacts};
use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::matching::{Chains, Coupled, CoupledInterval, Curvature, Looseness};
use crate::snapshots::Snapshots;
use crate::train::IntervalWeighting;
use crate::transport::PointCloud;
use crate::transport::cloud::{Cloud, SnapshotCells};
use crate::transport::coupling::Coupling;
use crate::transport::couplings::Couplings;
use crate::transport::minibatch::{Blocks, Cut, SolvedBlock, block_count};

/// What the blocks of an interval have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gauge {
    /// What the weights of source and target cells are multiplied by before they are coupled.
    pub(crate) factors: (f64, f64),
    /// The total weights of both sides after that.
    pub(crate) masses: (f64, f64),
    /// How many blocks there are.
    pub(crate) blocks: usize,
}

/// What the coupling of a fit is made from, but for the cells.
#[derive(Clone, Copy)]
pub(super) struct BlockSolver<'a> {
    pub(super) kind: CouplingKind,
    pub(super) options: &'a FitOptions,
    pub(super) resolved: &'a Resolved,
}

impl BlockSolver<'_> {
    /// How the cells of the interval `index` are to be weighed, and into how many blocks they are cut.
    pub(super) fn gauge(&self, snapshots: &Snapshots, index: usize) -> Gauge {
        let source = &*snapshots.expected_weights(index, snapshots.duration(index));
        let target = snapshots.weights(index + 1);
        let facts = self.kind.facts();
        let mass = |weights: &[f64], factor: f64| weights.iter().map(|w| w * factor).sum::<f64>();
        let (a, b) = (mass(source, 1.0), mass(target, 1.0));
        let factors = if facts.balanced {
            (1.0 / a, 1.0 / b)
        } else if facts.scaled {
            (unit_factor_of(a, b), unit_factor_of(a, b))
        } else {
            (1.0, 1.0)
        };
        let blocks = block_count(
            weighted(source).len(),
            weighted(target).len(),
            self.options.block_cells(source.len(), target.len()),
        );
        Gauge { factors, masses: (mass(source, factors.0), mass(target, factors.1)), blocks }
    }

    /// The cut of the interval `index`, of whose snapshots these cells have a weight.
    pub(super) fn cut(&self, index: usize, gauge: &Gauge, rows: Vec<usize>, columns: Vec<usize>) -> Cut {
        Cut::new(rows, columns, gauge.blocks, (self.options.seed, index as u64))
    }

    /// Couples the cells of a block, as they weigh in the data, between two times.
    ///
    /// # Errors
    /// Those of the static solvers, [`Error::NotConverged`] for one that did not reach its tolerance, [`Error::Cancelled`].
    pub(super) fn solve(
        &self,
        (start, end): (f64, f64),
        gauge: &Gauge,
        (a, b): (PointCloud, PointCloud),
        stop: &Stop,
    ) -> Result<SolvedBlock> {
        let &Self { kind, options, resolved } = self;
        let (facts, numbers) = (kind.facts(), resolved.coupling(end - start));
        let solve = |source: &PointCloud, target: &PointCloud| {
            let solution = facts.solve(source, target, &numbers, options.device, stop)?;
            if solution.report.converged {
                return Ok(solution);
            }
            Err(Error::NotConverged(format!(
                "the coupling {kind} from time {start} to {end} did not converge: relative gap {:.1e} after {} iterations; {} \
                 would help",
                solution.report.relative_gap(),
                solution.report.iterations,
                facts.advice
            )))
        };
        let clouds = (a.scaled(gauge.factors.0), b.scaled(gauge.factors.1));
        SolvedBlock::new(clouds, gauge.masses, gauge.blocks, &solve)
    }
}

/// Couples all cells of a fit.
pub(super) struct Coupler<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) solver: BlockSolver<'a>,
    /// The bridge that will join the coupled cells, and what is known of its kind.
    pub(super) bridge: (&'a BridgeFacts, &'a dyn Bridge),
    pub(super) threads: &'a Threads,
}

impl Coupler<'_> {
    /// Joins the coupled cells of all intervals by the bridge.
    ///
    /// # Errors
    /// Those of the bridge, for cells that it cannot join.
    pub(super) fn bridged(&self, couplings: Vec<Coupling>) -> Result<Coupled> {
        let &Self { snapshots, bridge: (facts, bridge), solver: BlockSolver { options, .. }, .. } = self;
        let count = couplings.len();
        let loose = |bends: bool, tension: f64| if bends { 1.0 - tension } else { 0.0 };
        let looseness = Looseness {
            place: loose(facts.bends.place, options.tension),
            growth: loose(facts.bends.growth, options.growth_tension),
        };
        let bends = looseness.place > 0.0 || looseness.growth > 0.0;
        let curvature = bends.then(|| Curvature::new(snapshots, &couplings, looseness));
        let chains = facts.chained.then(|| Chains::new(snapshots, &couplings));
        let weight = |index: usize| match options.training.interval_weighting {
            IntervalWeighting::Uniform => 1.0,
            IntervalWeighting::Mass => snapshots.mass(index),
        };
        let mean_weight = (0..count).map(weight).sum::<f64>() / count as f64;
        let interval = |(index, coupling)| {
            let weight = weight(index) / mean_weight;
            CoupledInterval::new(
                snapshots,
                index,
                coupling,
                curvature.as_ref(),
                (facts, bridge),
                (weight, options.training.pair_weighting),
            )
        };
        let intervals = couplings.into_iter().enumerate().map(interval).collect::<Result<Vec<_>>>()?;
        Ok(Coupled { intervals, curvature, chains })
    }

    /// The couplings of all intervals in masses, also where what is coupled is shares.
    pub(super) fn in_masses(&self, mut couplings: Vec<Coupling>) -> Couplings {
        if self.solver.kind.facts().balanced {
            couplings.iter_mut().enumerate().for_each(|(k, coupling)| coupling.scale(self.snapshots.mass(k)));
        }
        Couplings::new(couplings, self.snapshots)
    }

    /// Couples the cells of all intervals, and tells the report of it; `solved` has the blocks of each interval where that has been
    /// done.
    ///
    /// # Errors
    /// As [`BlockSolver::solve`]; [`Error::InvalidData`] for blocks that are not those of the cells.
    pub(super) fn couplings(
        &self,
        solved: Option<Vec<Vec<SolvedBlock>>>,
        reporter: &mut Reporter<'_, '_>,
        report: &mut FitReport,
    ) -> Result<Vec<Coupling>> {
        let mut solved = solved.map(Vec::into_iter);
        let mut couple = |index: usize| {
            let blocks = match &mut solved {
                Some(solved) => solved.next().unwrap_or_default(),
                None => self.solve(index, reporter)?,
            };
            self.join(index, blocks, reporter, report)
        };
        (0..self.snapshots.len() - 1).map(&mut couple).collect()
    }

    fn gauge(&self, index: usize) -> Gauge {
        self.solver.gauge(self.snapshots, index)
    }

    /// The cells before an interval, as they are expected to weigh at its end, and those after it.
    fn sides(&self, index: usize) -> (SnapshotCells<'_>, SnapshotCells<'_>) {
        let clone_penalty = self.solver.options.price_of_clones();
        let of = |k: usize| SnapshotCells::new(self.snapshots, k).in_clones(clone_penalty);
        (of(index).expected(self.snapshots.duration(index)), of(index + 1))
    }

    fn cut(&self, index: usize, gauge: &Gauge) -> Cut {
        let weighted = |k: usize| weighted(self.snapshots.weights(k));
        self.solver.cut(index, gauge, weighted(index), weighted(index + 1))
    }

    /// Solves the blocks between snapshots `index` and `index + 1`.
    fn solve(&self, index: usize, reporter: &mut Reporter<'_, '_>) -> Result<Vec<SolvedBlock>> {
        let &Self { snapshots, ref solver, threads, .. } = self;
        let gauge = self.gauge(index);
        let cut = self.cut(index, &gauge);
        let intervals = snapshots.len() - 1;
        // Blocks of all intervals are counted as if each had as many as this one.
        let (blocks_done, block_count) = (AtomicUsize::new(0), AtomicUsize::new(1));
        let mut look = || {
            let (done, total) = (blocks_done.load(Relaxed), block_count.load(Relaxed));
            let (done, total) = (index * total + done, intervals * total);
            reporter.report(&Progress { stage: Stage::Coupling, done, total, loss: None })
        };
        if look().is_break() {
            return Err(Error::Cancelled);
        }
        let times = (snapshots.times()[index], snapshots.times()[index + 1]);
        let (source, target) = self.sides(index);
        let solved = watched(threads, &mut look, |stop| {
            let count = |done, total| {
                blocks_done.store(done, Relaxed);
                block_count.store(total, Relaxed);
            };
            cut.solve_all(stop, &count, |block| {
                let (a, b) = (source.part(&cut.rows[block]), target.part(&cut.columns[block]));
                solver.solve(times, &gauge, (a, b), stop)
            })
        });
        if look().is_break() {
            return Err(Error::Cancelled);
        }
        solved.into_iter().collect()
    }

    /// Joins the solved blocks between snapshots `index` and `index + 1`, and tells the report of them.
    fn join(
        &self,
        index: usize,
        solved: Vec<SolvedBlock>,
        reporter: &mut Reporter<'_, '_>,
        report: &mut FitReport,
    ) -> Result<Coupling> {
        let &Self {
            snapshots,
            solver: BlockSolver { kind, options, resolved },
            bridge: (_, bridge),
            threads,
        } = self;
        let (facts, gauge) = (kind.facts(), self.gauge(index));
        let (source, target) = self.sides(index);
        let (source, target) = (source.scaled(gauge.factors.0), target.scaled(gauge.factors.1));
        let blocks = self.cut(index, &gauge).join((source.weights(), target.weights()), solved)?;
        let numbers = resolved.coupling(snapshots.duration(index));
        let total = snapshots.len() - 1;
        let mut look =
            || reporter.report(&Progress { stage: Stage::Coupling, done: index + 1, total, loss: None });
        let whole_gap = watched(threads, &mut look, |stop| {
            let (terms, epsilon) = (facts.terms_of(&numbers), facts.epsilon(&numbers));
            let key = (options.seed, index as u64);
            blocks.whole_gap_between((&source, &target), terms, epsilon, key, stop)
        })?;
        let Blocks { mut coupling, reports, .. } = blocks;
        if let Some(rates) = snapshots.growth_prior(index) {
            let duration = snapshots.duration(index);
            coupling.scale_sources(|cell| libm::exp(-rates[cell] * duration));
        }
        coupling.part(|pair| {
            let ends = [(index, pair.source), (index + 1, pair.target)];
            let [x, y] =
                ends.map(|(k, cell)| snapshots.point(k, cell as usize).iter().map(|&x| f64::from(x)));
            bridge.reaches(x.zip(y).map(|(x, y)| (x - y) * (x - y)).sum())
        });
        if facts.scaled {
            coupling.scale(1.0 / gauge.factors.0);
        }
        if facts.balanced {
            // Between shares the plan says how much of the one arrives for how much of the other.
            let growth = snapshots.mass(index + 1) / snapshots.mass(index);
            coupling.pairs.iter_mut().for_each(|pair| pair.received *= growth);
            coupling.born.iter_mut().for_each(|(_, mass)| *mass *= growth);
        }
        report.unmatched_mass.push(coupling.unmatched_mass());
        report.pairs.push(coupling.pairs.len());
        report.couplings.push(reports);
        report.whole_gaps.push(whole_gap);
        Ok(coupling)
    }
}

/// Which of the cells weigh anything.
pub(super) fn weighted(weights: &[f64]) -> Vec<usize> {
    (0..weights.len()).filter(|&row| weights[row] > 0.0).collect()
}
