//! An index of labelled points for the labels of their nearest neighbours: exact, in any number of dimensions.
//!
//! A tree of boxes (Friedman, Bentley, Finkel, ACM Trans. Math. Softw. 1977): points are halved along the widest side of their box
//! until few are left, whose distances are then taken all at once, a vector of them in an instruction. Boxes further away than the
//! neighbours found so far are passed over. In ten dimensions and more, where cells lie along all of them, few are, and no index
//! does better. But it is labels that are asked for: once all neighbours found have one label, boxes of that label alone are passed
//! over as well, since they could only bring the same. Within a type of cells that is nearly all of the tree; where types
//! mix, the search is begun again and looks at all. The crates at hand want the dimension when they are compiled, or take one
//! distance at a time.

use crate::exec::simd::vectorised;

/// Numbers of a vector of single precision.
const LANES: usize = 8;
/// Points whose distances are taken together: of two vectors, so that the sums of one need not wait for those of the other.
const TOGETHER: usize = 2 * LANES;
/// Points of a leaf. Half or twice as many take longer.
const LEAF: usize = 8 * TOGETHER;

/// Bounds are compared with distances that were rounded otherwise.
const ROUNDING: f32 = 1.0 - 1e-5;

/// The row of a place in a leaf that no point has.
const NOBODY: u32 = u32::MAX;

/// Labelled points.
pub(super) struct Neighbours {
    dims: usize,
    /// How many neighbours are asked for.
    count: usize,
    /// The root first.
    nodes: Vec<Node>,
    /// Of each node, the lowest coordinates of its points and the highest; up to a whole vector, all that there are.
    boxes: Vec<[f32; LANES]>,
    /// Of each leaf, the points, [`TOGETHER`] after [`TOGETHER`]: one row a coordinate. Where there are fewer, infinity.
    leaves: Vec<[f32; TOGETHER]>,
    /// In the places of the leaves, [`LEAF`] a leaf.
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// The label of all of its points, if they have one.
    column: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Inner { left: u32, right: u32 },
    Leaf { number: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// As it was given, by which points of equal distance are in order.
    row: u32,
    column: u32,
    weight: f64,
}

/// A point that may be among the nearest.
#[derive(Debug, Clone, Copy)]
struct Found {
    distance: f32,
    row: u32,
    column: u32,
    place: u32,
}

impl Found {
    fn is_before(self, other: Self) -> bool {
        self.distance < other.distance || self.distance == other.distance && self.row < other.row
    }
}

/// Buffers of a search.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The point, with zeros up to a whole vector.
    point: Vec<f32>,
    /// The nearest so far, in order.
    found: Vec<Found>,
    /// Nodes to be looked at, the next one last, with the squared distance of their boxes.
    pending: Vec<(f32, u32)>,
    /// Nodes whose points have the label of all that were found.
    aside: Vec<(f32, u32)>,
}

impl Neighbours {
    /// An index of `points` (row-major, n × d), each with the column of its label and its weight, of which the nearest `count`, at most
    /// n, will be asked for.
    pub(super) fn new(
        dims: usize,
        points: &[f32],
        labels: impl Iterator<Item = (usize, f64)>,
        count: usize,
    ) -> Self {
        let mut index = Self { dims, count, nodes: vec![], boxes: vec![], leaves: vec![], points: vec![] };
        let labels: Vec<Point> = labels
            .enumerate()
            .map(|(row, (column, weight))| Point { row: row as u32, column: column as u32, weight })
            .collect();
        let mut rows: Vec<u32> = (0..labels.len() as u32).collect();
        index.build(points, &labels, &mut rows);
        index
    }

    pub(super) fn dims(&self) -> usize {
        self.dims
    }

    /// How many neighbours are asked for.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds the node of some points; gives its number.
    fn build(&mut self, points: &[f32], labels: &[Point], rows: &mut [u32]) -> u32 {
        let dims = self.dims;
        let number = self.nodes.len();
        let coordinate = |row: u32, axis: usize| points[row as usize * dims + axis];
        let first = labels[rows[0] as usize].column;
        let is_first = |row: &u32| labels[*row as usize].column == first;
        let column = rows.iter().all(is_first).then_some(first);
        self.nodes.push(Node { kind: Kind::Leaf { number: 0 }, column });
        let vectors = dims.div_ceil(LANES);
        let (mut low, mut high) = (vec![f32::INFINITY; dims], vec![f32::NEG_INFINITY; dims]);
        for &row in &*rows {
            for axis in 0..dims {
                low[axis] = low[axis].min(coordinate(row, axis));
                high[axis] = high[axis].max(coordinate(row, axis));
            }
        }
        let width = |axis: &usize| high[*axis] - low[*axis];
        let widest = (0..dims).max_by(|a, b| width(a).total_cmp(&width(b))).unwrap_or(0);
        low.resize(vectors * LANES, f32::NEG_INFINITY);
        high.resize(vectors * LANES, f32::INFINITY);
        self.boxes.extend([low, high].iter().flat_map(|side| side.as_chunks::<LANES>().0));
        if rows.len() <= LEAF {
            self.nodes[number].kind = Kind::Leaf { number: (self.points.len() / LEAF) as u32 };
            for lanes in (0..LEAF).step_by(TOGETHER) {
                let of_lane =
                    |lane: usize, axis| rows.get(lane).map_or(f32::INFINITY, |&row| coordinate(row, axis));
                let row = |axis| std::array::from_fn(|lane| of_lane(lanes + lane, axis));
                self.leaves.extend((0..dims).map(row));
            }
            let nobody = Point { row: NOBODY, column: 0, weight: 0.0 };
            self.points.extend(rows.iter().map(|&row| labels[row as usize]));
            self.points.resize(self.points.len() + LEAF - rows.len(), nobody);
            return number as u32;
        }
        // So that all leaves but one are full.
        let middle = (rows.len() / 2).next_multiple_of(LEAF);
        let key = |row: &u32| (coordinate(*row, widest), *row);
        rows.select_nth_unstable_by(middle, |a, b| {
            let ((x, a), (y, b)) = (key(a), key(b));
            x.total_cmp(&y).then(a.cmp(&b))
        });
        let (left, right) = rows.split_at_mut(middle);
        let left = self.build(points, labels, left);
        let right = self.build(points, labels, right);
        self.nodes[number].kind = Kind::Inner { left, right };
        number as u32
    }

    /// Writes the share of each column in the weight of the points nearest to `point`.
    pub(super) fn shares(&self, point: &[f32], search: &mut Search, shares: &mut [f64]) {
        shares.fill(0.0);
        if let Some(column) = self.look(point, search, true) {
            shares[column as usize] = 1.0;
            return;
        }
        let mut total = 0.0;
        for found in &search.found {
            let Point { column, weight, .. } = self.points[found.place as usize];
            shares[column as usize] += weight;
            total += weight;
        }
        shares.iter_mut().for_each(|share| *share /= total);
    }

    /// Adds `mass` to the columns of the points nearest to `point`, each by its share of their weight.
    pub(super) fn spread(&self, point: &[f32], search: &mut Search, mass: f64, columns: &mut [f64]) {
        self.look(point, search, false);
        let weight = |found: &Found| self.points[found.place as usize].weight;
        let total: f64 = search.found.iter().map(weight).sum();
        for found in &search.found {
            columns[found.column as usize] += mass * (weight(found) / total);
        }
    }

    /// Finds the points nearest to `point`. With `labels_only` gives the label of all of them, if they have one: then those
    /// found have it, but others that have it may be nearer.
    fn look(&self, point: &[f32], search: &mut Search, labels_only: bool) -> Option<u32> {
        let Search { point: padded, found, pending, aside } = search;
        padded.clear();
        padded.extend_from_slice(point);
        padded.resize(self.dims.next_multiple_of(LANES), 0.0);
        found.clear();
        aside.clear();
        pending.clear();
        pending.push((0.0, 0));
        vectorised(
            #[inline(always)]
            || {
                // The label of all that were found, as long as they have one.
                let mut only = None;
                let mut mixed = !labels_only;
                while let Some((bound, node)) = pending.pop() {
                    if bound * ROUNDING > self.furthest(found) {
                        continue;
                    }
                    let Node { kind, column } = self.nodes[node as usize];
                    if !mixed && found.len() == self.count && column.is_some() && column == only {
                        aside.push((bound, node));
                        continue;
                    }
                    match kind {
                        Kind::Inner { left, right } => {
                            let (a, b) = (self.bound(left, padded), self.bound(right, padded));
                            // The nearer one is next.
                            pending.extend(if a < b {
                                [(b, right), (a, left)]
                            } else {
                                [(a, left), (b, right)]
                            });
                        }
                        Kind::Leaf { number } => {
                            self.scan(number as usize, point, found);
                            if !mixed {
                                only = Some(found[0].column);
                                mixed = found.iter().any(|found| Some(found.column) != only);
                                if mixed {
                                    pending.append(aside);
                                }
                            }
                        }
                    }
                }
                only.filter(|_| !mixed)
            },
        )
    }

    /// The square within which the nearest points are.
    #[inline(always)]
    fn furthest(&self, found: &[Found]) -> f32 {
        if found.len() == self.count { found[self.count - 1].distance } else { f32::INFINITY }
    }

    /// The squared distance from `point`, of whole vectors, to the box of a node.
    #[inline(always)]
    fn bound(&self, node: u32, point: &[f32]) -> f32 {
        let points = point.as_chunks::<LANES>().0;
        let sides = &self.boxes[2 * points.len() * node as usize..][..2 * points.len()];
        let (lows, highs) = sides.split_at(points.len());
        let mut sums = [0.0; LANES];
        for ((x, low), high) in points.iter().zip(lows).zip(highs) {
            for lane in 0..LANES {
                let below = if low[lane] > x[lane] { low[lane] - x[lane] } else { 0.0 };
                let outside = below + if x[lane] > high[lane] { x[lane] - high[lane] } else { 0.0 };
                sums[lane] += outside * outside;
            }
        }
        sums.iter().sum()
    }

    /// Looks at the points of a leaf, some of them together.
    #[inline(always)]
    fn scan(&self, leaf: usize, point: &[f32], found: &mut Vec<Found>) {
        let parts = LEAF / TOGETHER;
        let coordinates = &self.leaves[leaf * parts * self.dims..][..parts * self.dims];
        for (part, rows) in coordinates.chunks_exact(self.dims).enumerate() {
            // Not by fused products, so that they are the same bits on every machine.
            let mut squares = [0.0; TOGETHER];
            for (x, row) in point.iter().zip(rows) {
                for lane in 0..TOGETHER {
                    let difference = row[lane] - x;
                    squares[lane] += difference * difference;
                }
            }
            // However far it is, somebody may be there.
            let distances = squares.map(|square| if square > f32::MAX { f32::MAX } else { square });
            let furthest = self.furthest(found);
            // Mostly nobody is near.
            if distances.iter().map(|&distance| u32::from(distance <= furthest)).sum::<u32>() > 0 {
                for (lane, distance) in distances.into_iter().enumerate() {
                    self.meet((leaf * LEAF + part * TOGETHER + lane) as u32, distance, found);
                }
            }
        }
    }

    /// Puts the point at a place among those found, if it belongs there.
    fn meet(&self, place: u32, distance: f32, found: &mut Vec<Found>) {
        let Point { row, column, .. } = self.points[place as usize];
        let candidate = Found { distance, row, column, place };
        let is_full = found.len() == self.count;
        if row == NOBODY || is_full && !candidate.is_before(found[self.count - 1]) {
            return;
        }
        if is_full {
            found.pop();
        }
        let mut to = found.len();
        found.push(candidate);
        while to > 0 && candidate.is_before(found[to - 1]) {
            found.swap(to, to - 1);
            to -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, normals, stream};

    fn cloud(n: usize, dims: usize, index: u64) -> Vec<f32> {
        let mut numbers = vec![0.0; n * dims];
        normals(&mut stream(9, Purpose::Dataset, index, 0), &mut numbers);
        numbers.into_iter().map(|x| x as f32).collect()
    }

    /// The rows of the nearest, by looking at all.
    fn plain(points: &[f32], dims: usize, query: &[f32], count: usize) -> Vec<u32> {
        let square = |row: &[f32]| row.iter().zip(query).map(|(y, x)| (y - x) * (y - x)).sum::<f32>();
        let mut all: Vec<(f32, u32)> = points.chunks_exact(dims).map(square).zip(0..).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all[..count].iter().map(|(_, row)| *row).collect()
    }

    fn nearest(index: &Neighbours, query: &[f32], search: &mut Search) -> Vec<u32> {
        index.look(query, search, false);
        search.found.iter().map(|found| found.row).collect()
    }

    #[test]
    fn the_nearest_are_those_of_a_plain_search() {
        let mut search = Search::default();
        for (n, dims, count) in
            [(1, 1, 1), (31, 2, 31), (32, 2, 5), (33, 3, 7), (1000, 1, 10), (3000, 10, 10), (500, 50, 20)]
        {
            let points = cloud(n, dims, n as u64);
            let index = Neighbours::new(dims, &points, (0..n).map(|_| (0, 1.0)), count);
            for query in cloud(50, dims, 77).chunks_exact(dims) {
                assert_eq!(
                    nearest(&index, query, &mut search),
                    plain(&points, dims, query, count),
                    "{n} × {dims}"
                );
            }
        }
    }

    /// Types of cells apart, beside each other, and mixed: whether all neighbours are of one or not.
    #[test]
    fn shares_are_those_of_the_nearest_wherever_types_are() {
        let (n, dims, count) = (2000, 4, 7);
        let points = cloud(n, dims, 1);
        let kinds: [fn(usize, f32) -> usize; 4] = [
            |_, x| usize::from(x > 0.0),
            |row, _| row % 3,
            |row, x| if x > 1.0 { 2 } else { usize::from(row % 50 == 0) },
            |row, _| usize::from(row == 77),
        ];
        let mut search = Search::default();
        let mut alone = 0;
        for kind in kinds {
            let label = |row: usize| (kind(row, points[row * dims]), 1.0 + (row % 4) as f64);
            let index = Neighbours::new(dims, &points, (0..n).map(label), count);
            for query in cloud(200, dims, 78).chunks_exact(dims) {
                let (mut got, mut want) = ([f64::NAN; 3], [0.0; 3]);
                index.shares(query, &mut search, &mut got);
                let near = plain(&points, dims, query, count);
                let total: f64 = near.iter().map(|&row| label(row as usize).1).sum();
                near.iter().map(|&row| label(row as usize)).for_each(|(kind, weight)| want[kind] += weight);
                assert_eq!(got, want.map(|share| share / total));
                alone += usize::from(got.contains(&1.0));
            }
        }
        assert!(alone > 200 && alone < 700, "{alone}");
    }

    #[test]
    fn points_of_equal_distance_are_taken_in_the_order_of_their_rows() {
        let points = [vec![1.0; 100], vec![3.0; 100]].concat();
        let index = Neighbours::new(1, &points, (0..200).map(|_| (0, 1.0)), 120);
        let want: Vec<u32> = (0..120).collect();
        assert_eq!(nearest(&index, &[1.5], &mut Search::default()), want);
        let index = Neighbours::new(1, &points, (0..200).map(|_| (0, 1.0)), 3);
        assert_eq!(nearest(&index, &[2.0], &mut Search::default()), [0, 1, 2]);
    }

    #[test]
    fn shares_are_of_the_weight_of_the_nearest() {
        let labels = [(0, 1.0), (1, 3.0), (1, 100.0)];
        let index = Neighbours::new(1, &[0.0, 1.0, 9.0], labels.into_iter(), 2);
        let mut shares = [f64::NAN; 2];
        index.shares(&[0.2], &mut Search::default(), &mut shares);
        assert_eq!(shares, [0.25, 0.75]);
        // So far away that squares overflow.
        index.shares(&[1e30], &mut Search::default(), &mut shares);
        assert_eq!(shares[0] + shares[1], 1.0);
    }
}
