//! BranchSBM: branches from the first snapshot to the parts of the last (Tang et al., ICLR 2026).
//!
//! The cells of the last snapshot are parted by k-means. To each part leads a branch: cells are coupled with those of the first snapshot, by exact
//! optimal transport of shares, and a velocity is regressed on learned paths between them, which keep near to the cells of all
//! snapshots, as Metric FM's do. Then it is learned how much of a population goes each way ([`rollout`]): everything begins in the
//! branch that ends with the most mass, and the branches' weights change by addition.
//!
//! The paper's last stage, which learns ways and weights together, is an option, `joint_epochs`, and off unless asked for: with the weights of its
//! loss as published, the energy makes ways stop short of their ends (of dyngen.csv, seed 11, W1 at the last time went from 0.21 to 3.04 in
//! 500 steps).
//!
//! The paper's data are balanced: the weights sum to one, and a branch's goal is its share. Here the goals are masses over that of the first
//! snapshot, which is its unbalanced variant; where the masses are equal, both are the same. The parts of a snapshot may weigh more
//! than all began with: a branch gains or loses, whichever leads to its goal, and not both. The public code has the first branch lose, since
//! what it is run on is balanced.

use std::time::Instant;

use rand::Rng;

use super::couple::{BlockSolver, Coupler};
use super::fit::{Fitted, Settled};
use super::parts::parts;
use super::{BranchReport, BridgeKind, CouplingKind, FitReport, warnings};
use crate::error::Result;
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::rng::{Purpose, stream};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::fields::BranchWeight;
use crate::matching::{self, Branches, Coupled};
use crate::metric::{self, CellMetric};
use crate::rollout::{self, Way};
use crate::snapshots::Snapshots;
use crate::units::Scaling;

/// Learns the branches of a population.
///
/// # Errors
/// As [`fit`](super::fit); [`Error::InvalidArgument`](crate::Error) for more branches than there are places of cells in the last snapshot.
pub(super) fn learn(
    snapshots: &Snapshots,
    scaling: &Scaling,
    settled: Settled<'_>,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Fitted> {
    let Settled { options, resolved } = settled;
    let started = Instant::now();
    let mut look = || {
        reporter.report(&Progress { stage: Stage::Coupling, done: 0, total: options.branches, loss: None })
    };
    let last = snapshots.len() - 1;
    let rows =
        watched(threads, &mut look, |stop| parts(snapshots, last, options.branches, options.seed, stop))?;
    let ends = snapshots.without(&snapshots.times()[1..last])?;
    let all: Vec<usize> = (0..ends.count(0)).collect();
    let of_part = |rows: Vec<usize>| ends.subset(&[all.clone(), rows]);
    let of_parts = rows.into_iter().map(of_part).collect::<Result<Vec<Snapshots>>>()?;

    let bridge = BridgeKind::Geodesic.build(&resolved.scales())?;
    let of_bridge = (BridgeKind::Geodesic.facts(), &*bridge);
    let mut report = FitReport { warnings: warnings::of_cells(snapshots), ..settled.report() };
    let mut coupled: Vec<Coupled> = vec![];
    for part in &of_parts {
        let solver = BlockSolver { kind: CouplingKind::ExactOt, options, resolved };
        let coupler = Coupler { snapshots: part, solver, bridge: of_bridge, threads };
        let mut told = FitReport::default();
        coupled.push(coupler.bridged(coupler.couplings(None, reporter, &mut told)?)?);
        report.branches.push(BranchReport {
            cells: part.count(1),
            mass: part.mass(1),
            pairs: told.pairs[0],
            relative_gap: told.coupling_gap(0),
        });
    }
    report.coupling_seconds = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let seeds: Vec<u64> = (0..of_parts.len()).map(|branch| seed_of(options.seed, branch)).collect();
    let cells = metric::places(snapshots, scaling, 0..snapshots.len());
    let mut look = || {
        let total = options.interpolant_epochs;
        reporter.report(&Progress { stage: Stage::Interpolant, done: 0, total, loss: None })
    };
    let metric = watched(threads, &mut look, |stop| {
        CellMetric::new(options.cell_metric(), &cells, snapshots.dims(), (options.seed, 1), stop)
    })?;
    let branches = Branches {
        parts: of_parts.iter().zip(&coupled).zip(&seeds).map(|((part, c), &seed)| (part, c, seed)).collect(),
        metric: &metric,
    };
    let (paths, training) = (options.paths(), &options.training);
    let trained =
        matching::train_branches(&branches, scaling, of_bridge, paths, training, threads, reporter)?;
    (report.losses, report.interpolant_losses) = (trained.descended.losses, trained.interpolant_losses);
    let mut stopped = trained.descended.stopped;
    let way = |(branch, velocity)| {
        let ends: &Snapshots = &of_parts[branch];
        let goal = ends.mass(1) / snapshots.mass(0);
        let start = if branch == 0 { 1.0 } else { 0.0 };
        let weight = BranchWeight { start, gains: goal >= start };
        Way { ends, weight, goal, velocity, seed: seeds[branch] }
    };
    let ways: Vec<Way<'_>> = trained.velocities.into_iter().enumerate().map(way).collect();
    let weights = ways.iter().map(|way| way.weight).collect();
    // Of ways that were not learned to the end nothing more is.
    let mut rollout = options.rollout.clone();
    if stopped.is_some() {
        (rollout.growth_epochs, rollout.joint_epochs) = (0, 0);
    }
    let of_energy = options.metric_energy.then_some(&metric);
    let weighed =
        rollout::weigh(ways, of_energy, scaling, &rollout, training, options.seed, threads, reporter)?;
    report.rollout = Some(weighed.report);
    stopped = stopped.or(weighed.stopped);
    report.training_seconds = started.elapsed().as_secs_f64();
    Ok(Fitted {
        members: weighed.networks,
        branches: weights,
        displaced: None,
        law: None,
        sigma: 0.0,
        couplings: None,
        report,
        stopped,
    })
}

/// The seed of a branch; that of the first is the fit's, so that a single one is what Metric FM would learn.
fn seed_of(seed: u64, branch: usize) -> u64 {
    match branch {
        0 => seed,
        _ => stream(seed, Purpose::Branch, branch as u64, u64::MAX).next_u64(),
    }
}
