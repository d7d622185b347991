//! How far a coupling in blocks is from the best one of the whole.
//!
//! Every block's optimum is certified; that no pair across blocks was allowed is not in those certificates. Weak duality tells of it:
//! any target potentials g, with the best source potentials for them among all targets, bound the optimum of the whole from
//! below. The blocks' own g, put together, are such potentials.

use std::ops::Range;

use rand::seq::index;
use rayon::prelude::*;

use super::cloud::Cloud;
use super::cost::CostRows;
use super::minibatch::SolvedBlock;
use super::{Cost, PointCloud, Problem, Report};
use crate::error::Result;
use crate::exec::rng::{Purpose, stream};
use crate::exec::simd;
use crate::exec::stop::Stop;

/// What the estimate takes at the most, in multiplications (a fraction of a second): source points are sampled where all pairs
/// would take more.
pub(crate) const WORK: usize = 1 << 30;
/// Beside a multiplication for each dimension, what a pair takes.
const WORK_OF_PAIR: usize = 8;
/// The smallest sample.
const SMALLEST_SAMPLE: usize = 100;

/// Targets that costs are computed to at a time: their coordinates stay in the caches, and no more of the cloud is gathered.
const TILE: usize = 4096;

/// A static problem but for its clouds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) cost: Cost,
    pub(crate) source_penalty: f64,
    pub(crate) target_penalty: f64,
}

impl Terms {
    pub(crate) fn of(problem: &Problem<'_>) -> Self {
        let &Problem { cost, source_penalty, target_penalty, .. } = problem;
        Self { cost, source_penalty, target_penalty }
    }

    fn between<'a>(&self, source: &'a PointCloud, target: &'a PointCloud) -> Problem<'a> {
        let &Self { cost, source_penalty, target_penalty } = self;
        Problem { source, target, cost, source_penalty, target_penalty }
    }
}

/// How far the objective of a coupling is above the optimum at the most, relative to it, as estimated from a sample.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WholeGap {
    /// Objective less lower bound, over the objective; between 0 and 1, which says nothing. The gap itself may be much smaller:
    /// the bound is that of potentials made block by block.
    pub relative: f64,
    /// The standard error of `relative` from the sampling of source points; 0 where all were looked at.
    pub standard_error: f64,
}

/// Solved blocks, as one dual point of the whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct JoinedBlocks {
    /// One a source point; of those in no block nothing is read.
    source_potential: Vec<f64>,
    /// One a target point; −∞ for those in no block.
    target_potential: Vec<f64>,
    /// The mean target potential of every point's block, for source and target points.
    levels: (Vec<f64>, Vec<f64>),
    /// The objectives of the blocks, all added up, and the products of their total weights.
    primal: f64,
    products: f64,
}

impl JoinedBlocks {
    /// No blocks yet, of so many source and target points.
    pub(crate) fn of_points(source: usize, target: usize) -> Self {
        Self {
            source_potential: vec![0.0; source],
            target_potential: vec![f64::NEG_INFINITY; target],
            levels: (vec![0.0; source], vec![0.0; target]),
            primal: 0.0,
            products: 0.0,
        }
    }

    /// (f, g) as one dual point. Between two hard marginals a block's potentials are known up to a constant: it is chosen for g to
    /// be 0 on average in every block, as random blocks of one cloud nearly agree on.
    fn potentials(&self, hard: bool) -> (Vec<f64>, Vec<f64>) {
        let moved = |potential: &[f64], levels: &[f64], by: f64| {
            potential.iter().zip(levels).map(|(p, level)| p + by * level).collect()
        };
        let by = if hard { 1.0 } else { 0.0 };
        (
            moved(&self.source_potential, &self.levels.0, by),
            moved(&self.target_potential, &self.levels.1, -by),
        )
    }

    /// Adds the block between the `rows` of the source, which has the weights `a`, and the `columns` of the target, which have the weights `b`.
    ///
    /// A target that nothing reached in its block may be reached from others: it gets the block's largest potential.
    pub(crate) fn add(
        &mut self,
        solved: &SolvedBlock,
        (rows, a): (&[usize], &[f64]),
        (columns, b): (&[usize], &[f64]),
    ) {
        let g = &solved.target_potential;
        let finite = g.iter().copied().filter(|g| g.is_finite());
        let largest = finite.fold(f64::NEG_INFINITY, f64::max);
        let largest = if largest.is_finite() { largest } else { 0.0 };
        let g: Vec<f64> = g.iter().map(|g| if g.is_finite() { *g } else { largest }).collect();
        let mass: f64 = b.iter().sum();
        let level = g.iter().zip(b).map(|(g, b)| g * b).sum::<f64>() / mass;
        for (&j, g) in columns.iter().zip(g) {
            (self.target_potential[j], self.levels.1[j]) = (g, level);
        }
        for (&i, f) in rows.iter().zip(&solved.source_potential) {
            (self.source_potential[i], self.levels.0[i]) = (*f, level);
        }
        self.primal += solved.report.primal;
        self.products += rows.iter().map(|&i| a[i]).sum::<f64>() * mass;
    }
}

impl WholeGap {
    /// Of a coupling in one block: that of its report.
    pub(crate) fn of_report(report: &Report) -> Self {
        Self { relative: report.relative_gap(), standard_error: 0.0 }
    }

    /// Of blocks of the problem with these `terms` between the `source` and the target, whose weights are those that the blocks had;
    /// `epsilon` is 0 for unregularised ones.
    ///
    /// With f_i = min_j (C_ij − g_j), or the soft minimum by ε, the dual is a sum over source points, of which a uniform
    /// sample is taken; the blocks' own terms, which are all known, are subtracted first, so that only the difference
    /// scatters. It takes about so much `work`, in multiplications, and the memory of a tile of targets a thread.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) once `stop` is requested.
    #[allow(clippy::too_many_arguments)] // a problem, its solution, and how much to ask of them
    pub(crate) fn of_blocks<C: Cloud>(
        source: &C,
        (target, b): (&C, &[f64]),
        terms: Terms,
        epsilon: f64,
        blocks: &JoinedBlocks,
        (seed, interval): (u64, u64),
        work: usize,
        stop: &Stop,
    ) -> Result<Self> {
        let a = source.weights();
        let Terms { source_penalty: rho_a, target_penalty: rho_b, .. } = terms;
        let (own_f, g) = &blocks.potentials(rho_a.is_infinite() && rho_b.is_infinite());
        let rows: Vec<usize> = (0..a.len()).filter(|&i| a[i] > 0.0).collect();
        let of_row = b.len().saturating_mul(source.dims() + WORK_OF_PAIR);
        let size = (work / of_row.max(1)).max(SMALLEST_SAMPLE).min(rows.len());
        let sample = |sub_index: u64| {
            let mut rng = stream(seed, Purpose::Minibatch, interval, sub_index);
            let mut sample = index::sample(&mut rng, rows.len(), size).into_vec();
            sample.sort_unstable();
            sample.into_iter().map(|k| rows[k]).collect::<Vec<usize>>()
        };
        let costs = TiledCosts { source, target, terms, stop };
        // Another sample than that of the estimate, which must not know of it.
        let g = &if epsilon > 0.0 { g.clone() } else { costs.moderated(own_f, g, &sample(3)) };
        let sample = sample(2);
        let own = |i: usize| a[i] * conjugate(own_f[i], rho_a);
        let change = |(&i, f): (&usize, f64)| {
            let mass = if rho_a.is_infinite() { 1.0 } else { libm::exp(-f / rho_a) };
            a[i] * (conjugate(f, rho_a) - epsilon * mass) - own(i)
        };
        let best_f = if epsilon > 0.0 {
            let exponents: Vec<f64> = b.iter().zip(g).map(|(b, g)| g / epsilon + libm::log(*b)).collect();
            let rate = if rho_a.is_infinite() { epsilon } else { 1.0 / (1.0 / rho_a + 1.0 / epsilon) };
            costs.log_sums(&sample, &exponents, epsilon).into_iter().map(|sum| -rate * sum).collect()
        } else {
            costs.smallest(&sample, g)
        };
        let changes: Vec<f64> = sample.iter().zip(best_f).map(change).collect();
        stop.check()?;
        let all = rows.len() as f64;
        let sampled = changes.len() as f64;
        let mean = changes.iter().sum::<f64>() / sampled;
        let variance =
            changes.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (sampled - 1.0).max(1.0);
        let of_source: f64 = rows.iter().map(|&i| own(i)).sum::<f64>() + all * mean;
        let of_target: f64 =
            b.iter().zip(g).filter(|(b, _)| **b > 0.0).map(|(b, g)| b * conjugate(*g, rho_b)).sum();
        let product = source.mass() * b.iter().sum::<f64>();
        let dual = of_source + of_target + epsilon * product;
        let primal = blocks.primal + epsilon * (product - blocks.products);
        // No term of the objective is negative, so that 0 is a bound, too.
        if !(primal > 0.0 && dual > 0.0) {
            return Ok(Self { relative: if primal > 0.0 { 1.0 } else { 0.0 }, standard_error: 0.0 });
        }
        let unseen = ((all - sampled) / all).max(0.0);
        Ok(Self {
            relative: ((primal - dual) / primal).max(0.0),
            standard_error: all * (variance * unseen / sampled).sqrt() / primal,
        })
    }
}

/// The costs between some source points and all targets, a tile of targets at a time.
struct TiledCosts<'a, C> {
    source: &'a C,
    target: &'a C,
    terms: Terms,
    stop: &'a Stop,
}

impl<C: Cloud> TiledCosts<'_, C> {
    /// Of each tile what `take` makes of `begin`, given the costs to the tile from one of the source points `some` after another:
    /// `take(made, number of the point, tile, costs)`.
    fn tiles<R: Send>(
        &self,
        begin: impl Fn(&Range<usize>) -> R + Sync,
        some: &[usize],
        take: impl Fn(&mut R, usize, &Range<usize>, &[f64]) + Sync,
    ) -> Vec<R> {
        let (few, columns) = (self.source.part(some), self.target.len());
        let of_tile = |number: usize| {
            let tile = number * TILE..columns.min((number + 1) * TILE);
            let part = self.target.part(&tile.clone().collect::<Vec<usize>>());
            let costs = CostRows::new(&self.terms.between(&few, &part));
            let (mut made, mut row) = (begin(&tile), vec![0.0; tile.len()]);
            for at in (0..some.len()).take_while(|_| !self.stop.is_requested()) {
                costs.row(at, 0, &mut row);
                take(&mut made, at, &tile, &row);
            }
            made
        };
        (0..columns.div_ceil(TILE)).into_par_iter().map(of_tile).collect()
    }

    /// min_j (C_ij − g_j) for the source points `some`.
    fn smallest(&self, some: &[usize], g: &[f64]) -> Vec<f64> {
        let tiles = self.tiles(
            |_| vec![f64::INFINITY; some.len()],
            some,
            |least, at, tile, costs| {
                least[at] = smallest(costs, &g[tile.clone()]);
            },
        );
        let of_all = |at: usize| tiles.iter().map(|tile| tile[at]).fold(f64::INFINITY, f64::min);
        (0..some.len()).map(of_all).collect()
    }

    /// ln Σ_j exp(u_j − C_ij/ε) for the source points `some`.
    fn log_sums(&self, some: &[usize], u: &[f64], epsilon: f64) -> Vec<f64> {
        let none = (f64::NEG_INFINITY, 0.0);
        let tiles = self.tiles(
            |_| vec![none; some.len()],
            some,
            |sums, at, tile, costs| {
                sums[at] = log_sum(costs, &u[tile.clone()], epsilon);
            },
        );
        let of_all = |at: usize| {
            let parts = || tiles.iter().map(|tile| &tile[at]);
            let max = parts().fold(f64::NEG_INFINITY, |max, part| max.max(part.0));
            // A tile without any weight has no sum.
            let of_part = |&(largest, sum): &(f64, f64)| {
                if largest == f64::NEG_INFINITY { 0.0 } else { sum * libm::exp(largest - max) }
            };
            max + libm::log(parts().map(of_part).sum::<f64>())
        };
        (0..some.len()).map(of_all).collect()
    }

    /// g half-way to where f, at the source points `some`, would let it be.
    ///
    /// The dual is concave: of two dual points, f with what is left to g and g with what is left to f, the middle is better than
    /// either on average, and much better where one cell's potential would have to give way as a whole.
    fn moderated(&self, f: &[f64], g: &[f64], some: &[usize]) -> Vec<f64> {
        let some: Vec<usize> = some.iter().copied().filter(|&i| f[i].is_finite()).collect();
        let tiles = self.tiles(
            |tile| vec![f64::INFINITY; tile.len()],
            &some,
            |left, at, _, costs| {
                left.iter_mut().zip(costs).for_each(|(left, cost)| *left = left.min(cost - f[some[at]]));
            },
        );
        let left = tiles.into_iter().flatten();
        g.iter().zip(left).map(|(g, left)| if left < *g { 0.5 * (g + left) } else { *g }).collect()
    }
}

/// −φ*(−p): p for a hard marginal, ρ (1 − e^{−p/ρ}) for a relaxed one.
fn conjugate(potential: f64, rho: f64) -> f64 {
    if rho.is_infinite() { potential } else { -rho * libm::expm1(-potential / rho) }
}

/// min (c − g).
fn smallest(costs: &[f64], g: &[f64]) -> f64 {
    simd::vectorised(
        #[inline(always)]
        || {
            let mut lanes = [f64::INFINITY; 8];
            for (costs, g) in costs.chunks(8).zip(g.chunks(8)) {
                for ((lane, c), g) in lanes.iter_mut().zip(costs).zip(g) {
                    let value = c - g;
                    *lane = if value < *lane { value } else { *lane };
                }
            }
            lanes.into_iter().fold(f64::INFINITY, f64::min)
        },
    )
}

/// The largest of all u − c/ε, and Σ exp(u − c/ε) over its exponential.
fn log_sum(costs: &[f64], u: &[f64], epsilon: f64) -> (f64, f64) {
    let inverse = 1.0 / epsilon;
    let max = u.iter().zip(costs).fold(f64::NEG_INFINITY, |max, (u, c)| max.max(u - c * inverse));
    let sum = simd::vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0.0f64; 8];
            for (costs, u) in costs.chunks(8).zip(u.chunks(8)) {
                for ((lane, c), u) in lanes.iter_mut().zip(costs).zip(u) {
                    *lane += simd::exp(u - c * inverse - max);
                }
            }
            lanes.iter().sum::<f64>()
        },
    );
    (max, sum)
}

#[cfg(test)]
mod tests {
    use super::super::minibatch::couple;
    use super::super::network_simplex::network_simplex;
    use super::super::{Cost, PointCloud, Problem};
    use super::*;
    use crate::exec::rng::normals;
    use crate::snapshots::MatrixView;

    fn problem<'a>(source: &'a PointCloud, target: &'a PointCloud) -> Problem<'a> {
        let (cost, hard) = (Cost::HalfSquaredEuclidean, f64::INFINITY);
        Problem { source, target, cost, source_penalty: hard, target_penalty: hard }
    }

    #[test]
    fn a_sample_estimates_what_all_points_give() {
        let cloud = |shift: f64, index: u64| {
            let mut points = vec![0.0; 2 * 1500];
            normals(&mut stream(3, Purpose::Dataset, index, 0), &mut points);
            points.iter_mut().for_each(|x| *x += shift);
            PointCloud::new(MatrixView::from_f64(&points, 1500, 2).unwrap(), None).unwrap().normalised()
        };
        let (source, target) = (cloud(0.0, 1), cloud(1.0, 2));
        let stop = Stop::default();
        let solve = |a: &PointCloud, b: &PointCloud| network_simplex(&problem(a, b), &stop);
        let blocks = couple((&source, &target), Some(250), (1, 0), &solve, &stop, &|_, _| ()).unwrap();
        let of = |seed: u64, work: usize| {
            let terms = Terms::of(&problem(&source, &target));
            let targets = (&target, target.weights());
            WholeGap::of_blocks(&source, targets, terms, 0.0, &blocks.joined, (seed, 0), work, &stop).unwrap()
        };
        let all = of(1, WORK);
        assert_eq!(all.standard_error, 0.0);
        assert!(all.relative > 0.0 && all.relative < 1.0, "{all:?}");
        // Ten samples of 150: their errors are those that they state.
        let off = |seed| {
            let sampled = of(seed, 150 * 1500 * (2 + WORK_OF_PAIR));
            (sampled.relative - all.relative) / sampled.standard_error
        };
        let squares: f64 = (1..=10).map(|seed| off(seed) * off(seed)).sum();
        assert!((1.5..30.0).contains(&squares), "a chi-squared number of ten: {squares}");
    }
}
