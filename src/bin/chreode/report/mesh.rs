//! A mesh over the plane, and means of what cells tell at its nodes.

use rayon::prelude::*;

use super::svg::Plot;

/// Nodes in a row or column.
pub const NODES: usize = 40;
/// A node speaks if so many cells are within so many spacings.
const NEAR: usize = 3;
const REACH: f64 = 2.2;

/// Nodes over a plane, row by row from below.
#[derive(Debug)]
pub struct Mesh {
    pub columns: usize,
    pub first: (f64, f64),
    pub spacing: (f64, f64),
    rows: usize,
}

impl Mesh {
    /// Over what a plot shows.
    pub fn over(plot: &Plot) -> Self {
        let ((left, right), (low, high)) = plot.ranges();
        let steps = (NODES - 1) as f64;
        Self {
            columns: NODES,
            rows: NODES,
            first: (left, low),
            spacing: ((right - left) / steps, (high - low) / steps),
        }
    }

    /// Over what a plot shows, with `nodes` along the wider side of it and one more outside it on every side.
    pub fn around(plot: &Plot, nodes: usize) -> Self {
        let ((left, right), (low, high)) = plot.ranges();
        let (width, height) = (right - left, high - low);
        let along = |length: f64| ((nodes as f64 * length / width.max(height)).round() as usize).max(4);
        let (columns, rows) = (along(width), along(height));
        let spacing = (width / (columns - 3) as f64, height / (rows - 3) as f64);
        Self { columns, rows, first: (left - spacing.0, low - spacing.1), spacing }
    }

    /// Where the nodes are in the plane.
    pub fn nodes(&self) -> impl Iterator<Item = (f64, f64)> {
        (0..self.columns * self.rows).map(|node| self.node(node))
    }

    fn node(&self, node: usize) -> (f64, f64) {
        self.place(((node % self.columns) as f64, (node / self.columns) as f64))
    }

    /// Where something at a column and a row, between nodes or upon one, is in the plane.
    pub fn place(&self, (column, row): (f64, f64)) -> (f64, f64) {
        (self.first.0 + column * self.spacing.0, self.first.1 + row * self.spacing.1)
    }

    /// At each node the mean of the `values` of cells at `places`, by a Gaussian of their distance that is as wide as a square of the
    /// mesh; none where few cells are near.
    pub fn means<const N: usize>(&self, places: &[(f64, f64)], values: &[[f64; N]]) -> Vec<Option<[f64; N]>> {
        let mean = |node: usize| {
            let (x, y) = self.node(node);
            let (mut sum, mut total, mut near) = ([0.0; N], 0.0, 0);
            for (place, value) in places.iter().zip(values) {
                let (across, up) = ((place.0 - x) / self.spacing.0, (place.1 - y) / self.spacing.1);
                let square = across * across + up * up;
                near += usize::from(square <= REACH * REACH);
                // Half the square over that of the width, √2 spacings.
                let share = (-0.25 * square).exp();
                sum.iter_mut().zip(value).for_each(|(sum, x)| *sum += share * x);
                total += share;
            }
            (near >= NEAR).then(|| sum.map(|sum| sum / total))
        };
        (0..self.columns * self.rows).into_par_iter().map(mean).collect()
    }
}
