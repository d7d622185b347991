//! Contours of a function on a grid.

use std::collections::BTreeMap;

/// Heights at the nodes of a grid, row by row.
#[derive(Debug)]
pub struct Grid {
    pub columns: usize,
    pub heights: Vec<f64>,
}

/// A node: column and row, counted from 1; around them lies a frame of nodes that are lower than all others, which
/// closes every contour.
type Node = (usize, usize);

impl Grid {
    fn rows(&self) -> usize {
        self.heights.len() / self.columns
    }

    fn height(&self, (column, row): Node) -> f64 {
        let inside = (1..=self.columns).contains(&column) && (1..=self.rows()).contains(&row);
        let height = if inside { self.heights[(row - 1) * self.columns + column - 1] } else { f64::NAN };
        if height.is_finite() { height } else { f64::NEG_INFINITY }
    }

    /// Closed rings around all that is at least as high as `level`, in (column, row) from 0, by marching squares: filled
    /// by the even–odd rule they are that region. What is not finite counts as low.
    pub fn rings(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        // Every edge that a contour crosses is left by it into one of its two squares.
        let mut next = BTreeMap::new();
        for row in 0..=self.rows() {
            for column in 0..=self.columns {
                self.cross_square((column, row), level, &mut next);
            }
        }
        let mut rings = vec![];
        while let Some((start, mut edge)) = next.pop_first() {
            let mut ring = vec![self.crossing(start, level)];
            while edge != start {
                ring.push(self.crossing(edge, level));
                edge = next.remove(&edge).expect("contours are closed");
            }
            rings.push(ring);
        }
        rings
    }

    /// Adds the contours across the square whose first corner is `(column, row)`, as steps from edge to edge with the
    /// high side on the left.
    fn cross_square(&self, (column, row): Node, level: f64, next: &mut BTreeMap<Edge, Edge>) {
        let corners = [(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)];
        let high = corners.map(|corner| self.height(corner) >= level);
        let edge = |k: usize| Edge::between(corners[k], corners[(k + 1) % 4]);
        let falls = |k: &usize| high[*k] && !high[(*k + 1) % 4];
        let rises = |k: &usize| !high[*k] && high[(*k + 1) % 4];
        // Of two opposite high corners, the middle says whether a ridge joins them or a valley parts them.
        let middle = corners.iter().map(|&corner| self.height(corner)).sum::<f64>() / 4.0;
        let turn = if middle >= level { 1 } else { 3 };
        for k in (0..4).filter(falls) {
            let to = (1..4).map(|step| (k + turn * step) % 4).find(rises).expect("what falls rises again");
            next.insert(edge(k), edge(to));
        }
    }

    /// Where `level` is met on an edge, by linear interpolation; at the inner node of an edge to the frame.
    fn crossing(&self, Edge(a, b): Edge, level: f64) -> (f64, f64) {
        let (low, high) = (self.height(a), self.height(b));
        let share = match (low.is_finite(), high.is_finite()) {
            (true, true) => (level - low) / (high - low),
            (true, false) => 0.0,
            _ => 1.0,
        };
        let between = |a: usize, b: usize| a as f64 + share * (b as f64 - a as f64) - 1.0;
        (between(a.0, b.0), between(a.1, b.1))
    }
}

/// An edge by its two nodes, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge(Node, Node);

impl Edge {
    fn between(a: Node, b: Node) -> Self {
        Edge(a.min(b), a.max(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(columns: usize, rows: usize, height: impl Fn(f64, f64) -> f64) -> Grid {
        let nodes = (0..columns * rows).map(|i| ((i % columns) as f64, (i / columns) as f64));
        Grid { columns, heights: nodes.map(|(x, y)| height(x, y)).collect() }
    }

    fn area(ring: &[(f64, f64)]) -> f64 {
        let next = ring.iter().cycle().skip(1);
        ring.iter().zip(next).map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum::<f64>() / 2.0
    }

    #[test]
    fn a_hill_has_one_ring_of_its_area() {
        let hill = grid(41, 31, |x, y| 10.0 - (x - 20.0).hypot(y - 15.0));
        let rings = hill.rings(0.0);
        assert_eq!(rings.len(), 1);
        // A circle of radius 10; linear interpolation loses below a percent.
        assert!((area(&rings[0]) / (100.0 * std::f64::consts::PI) - 1.0).abs() < 0.01, "{}", area(&rings[0]));
        assert!(hill.rings(11.0).is_empty());
    }

    #[test]
    fn rings_close_along_the_border_and_around_holes() {
        // All but a lake: the ring along the border runs one way round, that of the lake the other.
        let lake = grid(21, 21, |x, y| (x - 10.0).hypot(y - 10.0) - 5.0);
        let mut areas: Vec<f64> = lake.rings(0.0).iter().map(|ring| area(ring)).collect();
        areas.sort_by(f64::total_cmp);
        assert_eq!(areas.len(), 2);
        assert!((areas[0] / (-25.0 * std::f64::consts::PI) - 1.0).abs() < 0.02);
        assert!((areas[1] - 400.0).abs() < 1.0);
        assert!(grid(3, 3, |_, _| f64::NAN).rings(0.0).is_empty());
    }

    #[test]
    fn saddles_are_joined_or_parted_by_their_middle() {
        let saddle = |corner: f64| Grid { columns: 2, heights: vec![corner, 0.0, 0.0, corner] };
        assert_eq!(saddle(1.5).rings(1.0).len(), 2);
        assert_eq!(saddle(2.5).rings(1.0).len(), 1);
    }
}
