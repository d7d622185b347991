//! Couplings of large snapshots, block by block.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::cloud::Cloud;
use super::coupling::{Coupling, Pair};
use super::whole::{JoinedBlocks, Terms, WORK, WholeGap};
use super::{PointCloud, Problem, Report, Solution};
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;

/// A static solver, as a function of two point clouds.
pub type Solver<'a> = dyn Fn(&PointCloud, &PointCloud) -> Result<Solution> + Sync + 'a;

/// A coupling that was made in blocks.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// The joint coupling.
    pub coupling: Coupling,
    /// What the solver reported, one a block.
    pub reports: Vec<Report>,
    pub(crate) joined: JoinedBlocks,
    /// The weights that the blocks gave to the targets.
    target_weights: Vec<f64>,
}

impl Blocks {
    /// How far the joint coupling is from the best one of the whole at the most, estimated in a fraction of a second (see [`WholeGap`]):
    /// of `problem`, whose clouds are those that were coupled, with the entropic regularisation `epsilon`, or 0, in `key` =
    /// (seed, interval).
    ///
    /// # Errors
    /// [`Error::Cancelled`] once `stop` is requested.
    pub fn whole_gap(
        &self,
        problem: &Problem<'_>,
        epsilon: f64,
        key: (u64, u64),
        stop: &Stop,
    ) -> Result<WholeGap> {
        self.whole_gap_between((problem.source, problem.target), Terms::of(problem), epsilon, key, stop)
    }

    /// [`whole_gap`](Self::whole_gap) of the problem with these `terms` between the clouds that were coupled.
    pub(crate) fn whole_gap_between<C: Cloud>(
        &self,
        (source, target): (&C, &C),
        terms: Terms,
        epsilon: f64,
        key: (u64, u64),
        stop: &Stop,
    ) -> Result<WholeGap> {
        match &self.reports[..] {
            [report] => Ok(WholeGap::of_report(report)),
            _ => {
                let target = (target, &self.target_weights[..]);
                WholeGap::of_blocks(source, target, terms, epsilon, &self.joined, key, WORK, stop)
            }
        }
    }
}

/// Cuts both clouds into random blocks of at most `chunk` points, couples block with block by `solve`, and joins the
/// couplings: memory O(chunk²) a thread while it runs and a few pairs a point after.
///
/// The reports, and the gaps in them, are those of the blocks. The joint coupling is a plan between the whole clouds, but not the
/// best one: points can only be matched within their block. How far it is from that at the most, [`Blocks::whole_gap`] estimates.
///
/// Without `chunk`, or when both clouds fit into one, it is one solve over all points. A block's targets are scaled
/// so that its shares of both masses are equal: a random block must not look like growth. Blocks are independent and
/// run in parallel; the cut depends on `seed` and `interval` only. `stop` may end it before each block and, where `solve` looks
/// at it, within; `progress(done, total)` is told of every block, on whatever thread has solved it.
///
/// # Errors
/// Those of `solve`, of the first block in order; [`Error::Cancelled`] once `stop` is requested.
pub fn couple<C: Cloud>(
    (source, target): (&C, &C),
    chunk: Option<usize>,
    (seed, interval): (u64, u64),
    solve: &Solver<'_>,
    stop: &Stop,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Blocks> {
    let (rows, columns) = (weighted_points(source), weighted_points(target));
    let blocks = block_count(rows.len(), columns.len(), chunk);
    let cut = Cut::new(rows, columns, blocks, (seed, interval));
    let masses = (source.mass(), target.mass());
    let solved = cut.solve_all(stop, progress, |block| {
        let (a, b) = (source.part(&cut.rows[block]), target.part(&cut.columns[block]));
        SolvedBlock::new((a, b), masses, blocks, solve)
    });
    cut.join((source.weights(), target.weights()), solved.into_iter().collect::<Result<_>>()?)
}

/// Two clouds cut into pairs of blocks: which of their points each block has, in increasing order.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) rows: Vec<Vec<usize>>,
    pub(crate) columns: Vec<Vec<usize>>,
}

impl Cut {
    /// Cuts the source points `rows` and the target points `columns`, those that weigh anything, into `blocks` random blocks: a
    /// function of its arguments, whatever the points are.
    pub(crate) fn new(
        rows: Vec<usize>,
        columns: Vec<usize>,
        blocks: usize,
        (seed, interval): (u64, u64),
    ) -> Self {
        let side =
            |points, side| random_blocks(points, blocks, stream(seed, Purpose::Minibatch, interval, side));
        Self { rows: side(rows, 0), columns: side(columns, 1) }
    }

    /// Solves every block by `solve`, in parallel; `progress(done, total)` is told of each.
    pub(crate) fn solve_all(
        &self,
        stop: &Stop,
        progress: &(dyn Fn(usize, usize) + Sync),
        solve: impl Fn(usize) -> Result<SolvedBlock> + Sync,
    ) -> Vec<Result<SolvedBlock>> {
        let (done, blocks) = (AtomicUsize::new(0), self.rows.len());
        let solve_and_tell = |block: usize| {
            let solved = stop.check().and_then(|()| solve(block));
            progress(done.fetch_add(1, Relaxed) + 1, blocks);
            solved
        };
        progress(0, blocks);
        (0..blocks).into_par_iter().map(solve_and_tell).collect()
    }

    /// Joins the solved blocks, one of each, to a coupling of the clouds that were cut, whose points have these weights.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for blocks that are not those of this cut.
    pub(crate) fn join(
        &self,
        (source, target): (&[f64], &[f64]),
        solved: Vec<SolvedBlock>,
    ) -> Result<Blocks> {
        if solved.len() != self.rows.len() {
            let (got, want) = (solved.len(), self.rows.len());
            return Err(Error::InvalidData(format!(
                "a coupling of {want} blocks cannot be joined from {got}"
            )));
        }
        let mut all = Coupling::default();
        let mut reports = Vec::with_capacity(solved.len());
        let mut joined = JoinedBlocks::of_points(source.len(), target.len());
        let mut target_weights = vec![0.0; target.len()];
        for ((mut block, rows), columns) in solved.into_iter().zip(&self.rows).zip(&self.columns) {
            block.check(rows.len(), columns.len())?;
            let b: Vec<f64> = columns.iter().map(|&j| target[j] * block.target_factor).collect();
            block.coupling.relabel(rows, columns);
            columns.iter().zip(&b).for_each(|(&j, w)| target_weights[j] = *w);
            joined.add(&block, (rows, source), (columns, &b));
            all.pairs.extend(block.coupling.pairs);
            all.dying.extend(block.coupling.dying);
            all.born.extend(block.coupling.born);
            reports.push(block.report);
        }
        Ok(Blocks { coupling: all, reports, joined, target_weights })
    }
}

/// What is kept of a solved block: all that joining needs, in the block's own numbers of its points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SolvedBlock {
    pub(crate) coupling: Coupling,
    pub(crate) report: Report,
    pub(crate) source_potential: Vec<f64>,
    pub(crate) target_potential: Vec<f64>,
    /// What the targets' weights were multiplied by, for the block's shares of both masses to be equal.
    pub(crate) target_factor: f64,
}

impl SolvedBlock {
    /// Couples the points of one of `blocks` blocks, of clouds with these total masses.
    ///
    /// # Errors
    /// Those of `solve`.
    pub(crate) fn new(
        (a, b): (PointCloud, PointCloud),
        (source_mass, target_mass): (f64, f64),
        blocks: usize,
        solve: &Solver<'_>,
    ) -> Result<Self> {
        let (a_share, b_share) = (a.mass() / source_mass, b.mass() / target_mass);
        let target_factor = if blocks == 1 { 1.0 } else { a_share / b_share };
        let b = b.scaled(target_factor);
        let Solution { source_potential, target_potential, plan, report } = solve(&a, &b)?;
        let coupling = Coupling::from_plan(&plan, a.weights(), b.weights());
        Ok(Self { coupling, report, source_potential, target_potential, target_factor })
    }

    /// Refuses what cannot be of a block of so many points, as a block that was read from a file might be.
    fn check(&self, rows: usize, columns: usize) -> Result<()> {
        let Coupling { pairs, dying, born } = &self.coupling;
        let within =
            pairs.iter().all(|pair| (pair.source as usize) < rows && (pair.target as usize) < columns)
                && dying.iter().all(|(i, _)| (*i as usize) < rows)
                && born.iter().all(|(j, _)| (*j as usize) < columns)
                && (self.source_potential.len(), self.target_potential.len()) == (rows, columns);
        let message = || format!("a block of {rows} × {columns} points does not hold what it should");
        if within { Ok(()) } else { Err(Error::InvalidData(message())) }
    }
}

/// How many pairs of blocks a problem is cut into: enough that neither side of a block exceeds `chunk`, and never
/// so many that a block is empty.
pub fn block_count(source: usize, target: usize, chunk: Option<usize>) -> usize {
    chunk.map_or(1, |chunk| source.max(target).div_ceil(chunk).min(source).min(target))
}

fn weighted_points(cloud: &impl Cloud) -> Vec<usize> {
    let weights = cloud.weights();
    (0..weights.len()).filter(|&i| weights[i] > 0.0).collect()
}

/// A random partition into blocks of nearly equal size, in increasing order within.
fn random_blocks(mut points: Vec<usize>, blocks: usize, mut rng: impl rand::Rng) -> Vec<Vec<usize>> {
    if blocks > 1 {
        points.shuffle(&mut rng);
    }
    let bound = |block: usize| block * points.len() / blocks;
    let block = |block: usize| {
        let mut rows = points[bound(block)..bound(block + 1)].to_vec();
        rows.sort_unstable();
        rows
    };
    (0..blocks).map(block).collect()
}

impl Coupling {
    fn relabel(&mut self, rows: &[usize], columns: &[usize]) {
        for Pair { source, target, .. } in &mut self.pairs {
            *source = rows[*source as usize] as u32;
            *target = columns[*target as usize] as u32;
        }
        self.dying.iter_mut().for_each(|(i, _)| *i = rows[*i as usize] as u32);
        self.born.iter_mut().for_each(|(j, _)| *j = columns[*j as usize] as u32);
    }
}
