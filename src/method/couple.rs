//! Coupling the cells of consecutive snapshots, interval by interval, in blocks where that is asked for.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::coupling::unit_factor;
use super::resolve::Resolved;
use super::{CouplingKind, FitOptions, FitReport};
use crate::bridge::{Bridge, BridgeFacts};
use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::matching::{Coupled, CoupledInterval, Curvature, Looseness};
use crate::snapshots::Snapshots;
use crate::train::IntervalWeighting;
use crate::transport::PointCloud;
use crate::transport::cloud::SnapshotCells;
use crate::transport::coupling::Coupling;
use crate::transport::minibatch::{Blocks, couple};

/// What the coupling of a fit is made from.
pub(super) struct Coupler<'a> {
    pub(super) snapshots: &'a Snapshots,
    pub(super) kind: CouplingKind,
    /// The bridge that will join the coupled cells, and what is known of its kind.
    pub(super) bridge: (&'a BridgeFacts, &'a dyn Bridge),
    pub(super) options: &'a FitOptions,
    pub(super) resolved: &'a Resolved,
    pub(super) threads: &'a Threads,
}

impl Coupler<'_> {
    /// Couples the cells of all intervals, and tells the report of it.
    ///
    /// # Errors
    /// Those of the static solvers, [`Error::NotConverged`] for one that did not reach its tolerance, [`Error::Cancelled`].
    pub(super) fn couple_all(
        &self,
        reporter: &mut Reporter<'_, '_>,
        report: &mut FitReport,
    ) -> Result<Coupled> {
        let &Self { snapshots, bridge: (facts, bridge), options, .. } = self;
        let count = snapshots.len() - 1;
        let couplings =
            (0..count).map(|index| self.couple(index, reporter, report)).collect::<Result<Vec<_>>>()?;
        let loose = |bends: bool, tension: f64| if bends { 1.0 - tension } else { 0.0 };
        let looseness = Looseness {
            place: loose(facts.bends.place, options.tension),
            growth: loose(facts.bends.growth, options.growth_tension),
        };
        let bends = looseness.place > 0.0 || looseness.growth > 0.0;
        let curvature = bends.then(|| Curvature::new(snapshots, &couplings, looseness));
        let weight = |index: usize| match options.training.interval_weighting {
            IntervalWeighting::Uniform => 1.0,
            IntervalWeighting::Mass => snapshots.mass(index),
        };
        let mean_weight = (0..count).map(weight).sum::<f64>() / count as f64;
        let interval = |(index, coupling)| {
            let weight = weight(index) / mean_weight;
            CoupledInterval::new(snapshots, index, coupling, curvature.as_ref(), (facts, bridge), weight)
        };
        let intervals = couplings.into_iter().enumerate().map(interval).collect::<Result<Vec<_>>>()?;
        Ok(Coupled { intervals, curvature })
    }

    /// Couples the cells of snapshots `index` and `index + 1`.
    fn couple(
        &self,
        index: usize,
        reporter: &mut Reporter<'_, '_>,
        report: &mut FitReport,
    ) -> Result<Coupling> {
        let &Self { snapshots, kind, bridge: (_, bridge), options, resolved, threads } = self;
        let facts = kind.facts();
        let (start, end) = (snapshots.times()[index], snapshots.times()[index + 1]);
        let cells = |k: usize| SnapshotCells::new(snapshots, k);
        let (mut source, mut target) = (cells(index), cells(index + 1));
        if facts.balanced {
            (source, target) = (source.normalised(), target.normalised());
        }
        let unit = if facts.scaled { unit_factor(&source, &target) } else { 1.0 };
        if facts.scaled {
            (source, target) = (source.scaled(unit), target.scaled(unit));
        }
        let numbers = resolved.coupling(end - start);
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
        let (blocks, whole_gap) = watched(threads, &mut look, |stop| {
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
            let count = |done, total| {
                blocks_done.store(done, Relaxed);
                block_count.store(total, Relaxed);
            };
            let key = (options.seed, index as u64);
            let chunk = options.block_cells(snapshots.count(index), snapshots.count(index + 1));
            let blocks = couple((&source, &target), chunk, key, &solve, stop, &count)?;
            let (terms, epsilon) = (facts.terms_of(&numbers), facts.epsilon(&numbers));
            let whole_gap = blocks.whole_gap_between((&source, &target), terms, epsilon, key, stop)?;
            Ok((blocks, whole_gap))
        })?;
        let Blocks { mut coupling, reports, .. } = blocks;
        if look().is_break() {
            return Err(Error::Cancelled);
        }
        coupling.part(|pair| {
            let ends = [(index, pair.source), (index + 1, pair.target)];
            let [x, y] =
                ends.map(|(k, cell)| snapshots.point(k, cell as usize).iter().map(|&x| f64::from(x)));
            bridge.reaches(x.zip(y).map(|(x, y)| (x - y) * (x - y)).sum())
        });
        if facts.scaled {
            coupling.scale(1.0 / unit);
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
