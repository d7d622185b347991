//! Couplings of large snapshots, block by block.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::cloud::Cloud;
use super::coupling::{Coupling, Pair};
use super::whole::{JoinedBlocks, Terms, WORK, WholeGap};
use super::{PointCloud, Problem, Report, Solution, SparsePlan};
use crate::error::Result;
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
    /// [`Error::Cancelled`](crate::Error::Cancelled) once `stop` is requested.
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
/// Those of `solve`, of the first block in order; [`Error::Cancelled`](crate::Error::Cancelled) once `stop` is requested.
pub fn couple<C: Cloud>(
    (source, target): (&C, &C),
    chunk: Option<usize>,
    (seed, interval): (u64, u64),
    solve: &Solver<'_>,
    stop: &Stop,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Blocks> {
    let (rows, columns) = (weighted_points(source), weighted_points(target));
    let masses = (source.mass(), target.mass());
    let blocks = block_count(rows.len(), columns.len(), chunk);
    let rows = random_blocks(rows, blocks, stream(seed, Purpose::Minibatch, interval, 0));
    let columns = random_blocks(columns, blocks, stream(seed, Purpose::Minibatch, interval, 1));
    // Of a block's clouds nothing is kept but the weights of its targets: all points together are as many as there are.
    let solve_block = |block: usize| -> Result<(Coupling, Solution, Vec<f64>)> {
        stop.check()?;
        let (rows, columns) = (&rows[block], &columns[block]);
        let (a, b) = (source.part(rows), target.part(columns));
        let (a_share, b_share) = (a.mass() / masses.0, b.mass() / masses.1);
        let b = if blocks == 1 { b } else { b.scaled(a_share / b_share) };
        let mut solution = solve(&a, &b)?;
        let mut coupling = Coupling::from_plan(&solution.plan, a.weights(), b.weights());
        coupling.relabel(rows, columns);
        solution.plan = SparsePlan::default();
        Ok((coupling, solution, b.weights))
    };
    let done = AtomicUsize::new(0);
    let solve_and_tell = |block: usize| {
        let solved = solve_block(block);
        progress(done.fetch_add(1, Relaxed) + 1, blocks);
        solved
    };
    progress(0, blocks);
    let solved: Vec<Result<(Coupling, Solution, Vec<f64>)>> =
        (0..blocks).into_par_iter().map(solve_and_tell).collect();
    let mut all = Coupling::default();
    let mut reports = Vec::with_capacity(blocks);
    let mut joined = JoinedBlocks::of_points(source.len(), target.len());
    let mut target_weights = vec![0.0; target.len()];
    for ((block, rows), columns) in solved.into_iter().zip(&rows).zip(&columns) {
        let (coupling, solution, b) = block?;
        all.pairs.extend(coupling.pairs);
        all.dying.extend(coupling.dying);
        all.born.extend(coupling.born);
        columns.iter().zip(&b).for_each(|(&j, w)| target_weights[j] = *w);
        joined.add(&solution, (rows, source.weights()), (columns, &b));
        reports.push(solution.report);
    }
    Ok(Blocks { coupling: all, reports, joined, target_weights })
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
