//! Coupling the cells of consecutive snapshots, interval by interval, in blocks where that is asked for.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::resolve::Resolved;
use super::{CouplingKind, FitOptions, FitReport};
use crate::bridge::{self, Bridge};
use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::matching::CoupledInterval;
use crate::snapshots::{MatrixView, Snapshots};
use crate::train::IntervalWeighting;
use crate::transport::PointCloud;
use crate::transport::minibatch::couple;

/// Couples the cells of all intervals, and tells the report of it.
///
/// # Errors
/// Those of the static solvers, [`Error::NotConverged`] for one that did not reach its tolerance, [`Error::Cancelled`].
pub(super) fn couple_intervals(
    snapshots: &Snapshots,
    kind: CouplingKind,
    bridge: (&bridge::Facts, &dyn Bridge),
    options: &FitOptions,
    resolved: &Resolved,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
    report: &mut FitReport,
) -> Result<Vec<CoupledInterval>> {
    let mut intervals = Vec::with_capacity(snapshots.len() - 1);
    for index in 0..snapshots.len() - 1 {
        intervals.push(couple_interval(
            snapshots,
            (index, kind),
            bridge,
            options,
            resolved,
            threads,
            reporter,
            report,
        )?);
    }
    let mean_weight = intervals.iter().map(|interval| interval.weight).sum::<f64>() / intervals.len() as f64;
    intervals.iter_mut().for_each(|interval| interval.weight /= mean_weight);
    Ok(intervals)
}

/// Couples the cells of snapshots `index` and `index + 1`.
fn couple_interval(
    snapshots: &Snapshots,
    (index, kind): (usize, CouplingKind),
    (bridge_facts, bridge): (&bridge::Facts, &dyn Bridge),
    options: &FitOptions,
    resolved: &Resolved,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
    report: &mut FitReport,
) -> Result<CoupledInterval> {
    let facts = kind.facts();
    let (start, end) = (snapshots.times()[index], snapshots.times()[index + 1]);
    let (mut source, mut target) = (cloud(snapshots, index)?, cloud(snapshots, index + 1)?);
    if facts.balanced {
        (source, target) = (source.normalised(), target.normalised());
    }
    let numbers = resolved.coupling(end - start);
    let intervals = snapshots.len() - 1;
    // Blocks of all intervals are counted as if each had as many as this one.
    let (blocks_done, blocks) = (AtomicUsize::new(0), AtomicUsize::new(1));
    let mut look = || {
        let (done, total) = (blocks_done.load(Relaxed), blocks.load(Relaxed));
        let (done, total) = (index * total + done, intervals * total);
        reporter.report(&Progress { stage: Stage::Coupling, done, total, loss: None })
    };
    if look().is_break() {
        return Err(Error::Cancelled);
    }
    let (mut coupling, reports) = watched(threads, &mut look, |stop| {
        let solve = |source: &PointCloud, target: &PointCloud| {
            let solution = facts.solve(source, target, &numbers, options.device, stop)?;
            if solution.report.converged {
                return Ok((solution.plan, solution.report));
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
            blocks.store(total, Relaxed);
        };
        let key = (options.seed, index as u64);
        couple((&source, &target), options.chunk_size, key, &solve, stop, &count)
    })?;
    if look().is_break() {
        return Err(Error::Cancelled);
    }
    coupling.part(|pair| {
        let (x, y) = (source.point(pair.source as usize), target.point(pair.target as usize));
        bridge.reaches(x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum())
    });
    if facts.balanced {
        // Between shares the plan says how much of the one arrives for how much of the other.
        let growth = snapshots.mass(index + 1) / snapshots.mass(index);
        coupling.pairs.iter_mut().for_each(|pair| pair.received *= growth);
        coupling.born.iter_mut().for_each(|(_, mass)| *mass *= growth);
    }
    report.unmatched_mass.push(coupling.unmatched_mass());
    report.pairs.push(coupling.pairs.len());
    report.couplings.push(reports);
    let weight = match options.training.interval_weighting {
        IntervalWeighting::Uniform => 1.0,
        IntervalWeighting::Mass => snapshots.mass(index),
    };
    CoupledInterval::new(snapshots, index, coupling, (bridge_facts, bridge), weight)
}

/// The cells of a snapshot, for the static solvers.
pub(super) fn cloud(snapshots: &Snapshots, k: usize) -> Result<PointCloud> {
    let view = MatrixView::from_f32(snapshots.points(k), snapshots.count(k), snapshots.dims())?;
    PointCloud::new(view, Some(snapshots.weights(k)))
}
