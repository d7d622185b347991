//! Pricing: which pairs of points violate the dual constraints f_i + g_j ≤ C_ij, found row by row from the points.
//!
//! The exact solvers keep only the few pairs that matter and ask here, with their current potentials, for those
//! that they overlooked: column generation (Ford and Fulkerson, Management Science 1958), so that nothing of size
//! n × m is ever stored.

use super::cost::CostRows;
use super::{Cost, PointCloud, Problem};
use crate::error::Result;
use crate::exec::stop::Stop;
use rayon::prelude::*;
use std::ops::Range;

/// Rows that a task prices: a fixed number, so that no result depends on the number of threads, and enough of
/// them to use a tile of target coordinates many times while it is in the cache.
const CHUNK: usize = 16;
/// Columns whose costs are held at a time.
const TILE: usize = 512;
/// Columns that one comparison rules out together.
const GROUP: usize = 16;

/// A pair of points and its cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// The source point.
    pub(crate) row: u32,
    /// The target point.
    pub(crate) column: u32,
    /// C_ij.
    pub(crate) cost: f64,
}

/// Appends to `out`, for every row i of `rows` in order, the at most `per_row` most violated pairs: those with the
/// smallest C_ij − g_j below f_i, smallest first. Among equals, neighbouring rows prefer different columns: coincident
/// points would otherwise all be offered the same few partners.
///
/// An infinite f_i asks for the row's smallest C_ij − g_j, whatever it is. Infinite costs are never violated. Any
/// tolerance is the caller's: pairs violated by no more than rounding are reported too.
pub(crate) fn violated(
    costs: &CostRows<'_>,
    f: &[f64],
    g: &[f64],
    rows: Range<usize>,
    per_row: usize,
    out: &mut Vec<Candidate>,
) {
    let mut shortlists: Vec<Shortlist> = rows.clone().map(|i| Shortlist::new(f[i], per_row)).collect();
    let mut tile = [0.0; TILE];
    for t in rotated(g.len().div_ceil(TILE), rows.start / CHUNK) {
        let g = &g[t * TILE..g.len().min((t + 1) * TILE)];
        let tile = &mut tile[..g.len()];
        for (i, shortlist) in rows.clone().zip(&mut shortlists) {
            costs.row(i, t * TILE, tile);
            for k in rotated(g.len().div_ceil(GROUP), i) {
                let group = k * GROUP..g.len().min((k + 1) * GROUP);
                let (costs, g) = (&tile[group.clone()], &g[group]);
                if smallest_difference(costs, g) < shortlist.threshold {
                    for (l, (&cost, g)) in costs.iter().zip(g).enumerate() {
                        let column = (t * TILE + k * GROUP + l) as u32;
                        shortlist.offer(cost - g, Candidate { row: i as u32, column, cost });
                    }
                }
            }
        }
    }
    out.extend(shortlists.iter().flat_map(|list| list.best.iter().map(|(_, candidate)| *candidate)));
}

/// [`violated`] of all rows, in parallel, in row order.
pub(crate) fn all_violated(
    costs: &CostRows<'_>,
    f: &[f64],
    g: &[f64],
    per_row: usize,
    stop: &Stop,
) -> Result<Vec<Candidate>> {
    let chunks: Vec<Vec<Candidate>> = (0..f.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let mut out = Vec::new();
            if !stop.is_requested() {
                violated(costs, f, g, chunk * CHUNK..f.len().min((chunk + 1) * CHUNK), per_row, &mut out);
            }
            out
        })
        .collect();
    stop.check()?;
    Ok(chunks.concat())
}

/// The at most `per_row` pairs with the smallest finite C_ij − g_j of each of `rows` rows, smallest first.
pub(crate) fn cheapest(
    costs: &CostRows<'_>,
    rows: usize,
    g: &[f64],
    per_row: usize,
    stop: &Stop,
) -> Result<Vec<Candidate>> {
    all_violated(costs, &vec![f64::INFINITY; rows], g, per_row, stop)
}

/// Lowers each f_i to the smallest C_ij − g_j among `pairs`; with a violated or cheapest pair of every row that has
/// one, this is the c-transform of g, the largest f that is dual feasible with it.
pub(crate) fn lower(f: &mut [f64], g: &[f64], pairs: &[Candidate]) {
    for pair in pairs {
        let f = &mut f[pair.row as usize];
        *f = f.min(pair.cost - g[pair.column as usize]);
    }
}

/// The distance from each point of `source` to the nearest point of the `targets` together that is left when the `passed` nearest
/// are passed over: 1 for a point that is among the targets itself. Infinite where there are no more. One of the targets is held at a
/// time.
pub(crate) fn nearest_distances(
    source: &PointCloud,
    targets: impl Iterator<Item = PointCloud>,
    passed: usize,
    stop: &Stop,
) -> Result<Vec<f64>> {
    let (hard, cost) = (f64::INFINITY, Cost::Euclidean);
    let mut nearest = vec![vec![]; source.len()];
    for target in targets {
        let problem = Problem { source, target: &target, cost, source_penalty: hard, target_penalty: hard };
        let costs = CostRows::new(&problem);
        for pair in cheapest(&costs, source.len(), &vec![0.0; target.len()], passed + 1, stop)? {
            let of_row: &mut Vec<f64> = &mut nearest[pair.row as usize];
            of_row.insert(of_row.partition_point(|other| *other <= pair.cost), pair.cost);
            of_row.truncate(passed + 1);
        }
    }
    Ok(nearest.iter().map(|of_row| of_row.get(passed).copied().unwrap_or(f64::INFINITY)).collect())
}

/// 0, 1, …, n − 1, beginning somewhere in the middle.
fn rotated(n: usize, first: usize) -> impl Iterator<Item = usize> {
    let first = if n == 0 { 0 } else { first % n };
    (first..n).chain(0..first)
}

/// The best pairs of one row.
struct Shortlist {
    /// What C_ij − g_j must be below: f_i until the list is full, then the last of the list.
    threshold: f64,
    length: usize,
    best: Vec<(f64, Candidate)>,
}

impl Shortlist {
    fn new(f: f64, length: usize) -> Self {
        Self { threshold: f, length, best: Vec::with_capacity(length + 1) }
    }

    fn offer(&mut self, value: f64, candidate: Candidate) {
        if value < self.threshold {
            let place = self.best.partition_point(|(other, _)| *other <= value);
            self.best.insert(place, (value, candidate));
            self.best.truncate(self.length);
            if self.best.len() == self.length {
                self.threshold = self.best[self.length - 1].0;
            }
        }
    }
}

/// min (c − g), written so that it vectorises.
#[inline(always)]
fn smallest_difference(costs: &[f64], g: &[f64]) -> f64 {
    let mut lanes = [f64::INFINITY; 4];
    let mut quads = costs.chunks_exact(4).zip(g.chunks_exact(4));
    for (c, g) in &mut quads {
        for l in 0..4 {
            let value = c[l] - g[l];
            lanes[l] = if value < lanes[l] { value } else { lanes[l] };
        }
    }
    let done = costs.len() / 4 * 4;
    for (c, g) in costs[done..].iter().zip(&g[done..]) {
        lanes[0] = lanes[0].min(c - g);
    }
    lanes[0].min(lanes[1]).min(lanes[2].min(lanes[3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    #[test]
    fn the_nearest_of_pieces_are_the_nearest_of_the_whole() {
        let cloud = |points: &[f64]| {
            PointCloud::new(MatrixView::from_f64(points, points.len(), 1).unwrap(), None).unwrap()
        };
        let points: Vec<f64> = (0..50).map(|i| f64::from(i * i % 37)).collect();
        let source = cloud(&[0.0, 5.5, 40.0]);
        for passed in [0, 1, 3, 49, 50] {
            let of = |size: usize| {
                nearest_distances(&source, points.chunks(size).map(cloud), passed, &Stop::default()).unwrap()
            };
            let mut sorted: Vec<f64> = points.iter().map(|x| (x - 5.5).abs()).collect();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(of(50)[1], sorted.get(passed).copied().unwrap_or(f64::INFINITY), "{passed}");
            assert!([1, 7, 16].map(of).iter().all(|found| *found == of(50)), "{passed}");
        }
    }
}
