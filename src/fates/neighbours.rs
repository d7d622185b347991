//! An index of labelled points for their nearest neighbours: exact, in any number of dimensions.
//!
//! A tree of boxes (Friedman, Bentley, Finkel, ACM Trans. Math. Softw. 1977): points are halved along the widest side of their box
//! until few are left, whose distances are then taken all at once, a vector of them in an instruction. Boxes further away than the
//! neighbours found so far are passed over. In few dimensions, or where cells lie along few, that is nearly all of them;
//! in many, where no index helps, what is left is the plain search at the machine's speed. The crates at hand want the dimension when they are
//! compiled, or take one distance at a time.

use crate::exec::simd::vectorised;

/// Points of a leaf, of which the distances are taken together: four vectors of single precision. Half or twice as many take as long.
const LEAF: usize = 32;

/// Bounds are compared with distances that were rounded otherwise.
const ROUNDING: f32 = 1.0 - 1e-5;

/// Labelled points.
pub(super) struct Neighbours {
    dims: usize,
    /// How many neighbours are asked for.
    count: usize,
    /// The root first.
    nodes: Vec<Node>,
    /// Of each node, the lowest coordinates of its points and the highest.
    boxes: Vec<f32>,
    /// Of each leaf, the points: one row a coordinate, [`LEAF`] columns. Where there are fewer, infinity.
    leaves: Vec<f32>,
    /// In the places of the leaves, [`LEAF`] a leaf.
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
enum Node {
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
    /// The nearest so far, in order.
    found: Vec<Found>,
    /// Nodes to be looked at, the next one last, with the squared distance of their boxes.
    pending: Vec<(f32, u32)>,
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
        self.nodes.push(Node::Leaf { number: 0 });
        let sides = self.boxes.len();
        self.boxes.resize(sides + dims, f32::INFINITY);
        self.boxes.resize(sides + 2 * dims, f32::NEG_INFINITY);
        for &row in &*rows {
            for axis in 0..dims {
                let x = coordinate(row, axis);
                let (low, high) = (sides + axis, sides + dims + axis);
                self.boxes[low] = self.boxes[low].min(x);
                self.boxes[high] = self.boxes[high].max(x);
            }
        }
        if rows.len() <= LEAF {
            self.nodes[number] = Node::Leaf { number: (self.points.len() / LEAF) as u32 };
            for axis in 0..dims {
                self.leaves.extend(rows.iter().map(|&row| coordinate(row, axis)));
                self.leaves.resize(self.leaves.len() + LEAF - rows.len(), f32::INFINITY);
            }
            let nobody = Point { row: u32::MAX, column: 0, weight: 0.0 };
            self.points.extend(rows.iter().map(|&row| labels[row as usize]));
            self.points.resize(self.points.len() + LEAF - rows.len(), nobody);
            return number as u32;
        }
        let width = |axis: &usize| self.boxes[sides + dims + axis] - self.boxes[sides + axis];
        let widest = (0..dims).max_by(|a, b| width(a).total_cmp(&width(b))).unwrap_or(0);
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
        self.nodes[number] = Node::Inner { left, right };
        number as u32
    }

    /// Writes the share of each column in the weight of the points nearest to `point`.
    pub(super) fn shares(&self, point: &[f32], search: &mut Search, shares: &mut [f64]) {
        self.search(point, search);
        shares.fill(0.0);
        let mut total = 0.0;
        for found in &search.found {
            let Point { column, weight, .. } = self.points[found.place as usize];
            shares[column as usize] += weight;
            total += weight;
        }
        shares.iter_mut().for_each(|share| *share /= total);
    }

    /// Finds the points nearest to `point`.
    fn search(&self, point: &[f32], search: &mut Search) {
        let Search { found, pending } = search;
        found.clear();
        pending.clear();
        pending.push((0.0, 0));
        vectorised(
            #[inline(always)]
            || {
                while let Some((bound, node)) = pending.pop() {
                    if found.len() == self.count && bound * ROUNDING > found[self.count - 1].distance {
                        continue;
                    }
                    match self.nodes[node as usize] {
                        Node::Leaf { number } => self.scan(number as usize, point, found),
                        Node::Inner { left, right } => {
                            let (a, b) = (self.bound(left, point), self.bound(right, point));
                            // The nearer one is next.
                            pending.extend(if a < b {
                                [(b, right), (a, left)]
                            } else {
                                [(a, left), (b, right)]
                            });
                        }
                    }
                }
            },
        );
    }

    /// The squared distance from `point` to the box of a node.
    #[inline(always)]
    fn bound(&self, node: u32, point: &[f32]) -> f32 {
        let sides = &self.boxes[2 * self.dims * node as usize..][..2 * self.dims];
        let (low, high) = sides.split_at(self.dims);
        let mut sum = 0.0;
        for ((&x, &low), &high) in point.iter().zip(low).zip(high) {
            let outside = (low - x).max(x - high).max(0.0);
            sum += outside * outside;
        }
        sum
    }

    /// Looks at the points of a leaf.
    #[inline(always)]
    fn scan(&self, leaf: usize, point: &[f32], found: &mut Vec<Found>) {
        let coordinates = &self.leaves[leaf * LEAF * self.dims..][..LEAF * self.dims];
        let mut squares = [0f32; LEAF];
        for (&x, row) in point.iter().zip(coordinates.as_chunks::<LEAF>().0) {
            for (square, y) in squares.iter_mut().zip(row) {
                *square += (y - x) * (y - x);
            }
        }
        for (at, &distance) in squares.iter().enumerate() {
            let place = (leaf * LEAF + at) as u32;
            if found.len() == self.count && distance > found[self.count - 1].distance
                || distance == f32::INFINITY
            {
                continue;
            }
            let candidate = Found { distance, row: self.points[place as usize].row, place };
            if found.len() == self.count {
                if !candidate.is_before(found[self.count - 1]) {
                    continue;
                }
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
        index.search(query, search);
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
    }
}
