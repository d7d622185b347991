//! The cells nearest to points, for where particles are among cells and what they are like.

use rayon::prelude::*;

/// A particle is among so many cells.
pub const AMONG: usize = 15;
/// Points that are looked at together.
const BLOCK: usize = 64;

/// Cells that points are among, each coordinate by itself.
#[derive(Debug)]
pub struct Cells {
    dims: usize,
    count: usize,
    among: usize,
    columns: Vec<f32>,
}

/// A cell near a point: its row, and its share in what is said of the point; of all shares the sum is 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Near {
    pub row: usize,
    pub share: f64,
}

/// The mean over cells near a point of what `of` tells of each.
pub fn mean(near: &[Near], of: impl Fn(usize) -> f64) -> f64 {
    near.iter().map(|cell| cell.share * of(cell.row)).sum()
}

impl Cells {
    /// Of `cells`, one slice each.
    pub fn new<'a>(dims: usize, cells: impl Iterator<Item = &'a [f32]>) -> Self {
        let rows: Vec<&[f32]> = cells.collect();
        let columns = (0..dims).flat_map(|axis| rows.iter().map(move |row| row[axis])).collect();
        Self { dims, count: rows.len(), among: AMONG, columns }
    }

    /// With so many neighbours of each point.
    pub fn with_neighbours(self, among: usize) -> Self {
        Self { among, ..self }
    }

    /// The cells near each of `points` (row-major), [`found`](Self::found) of them: by a Gaussian of the distance that is as wide as the
    /// farthest of them is away, as all of chreode's plots do it.
    pub fn near(&self, points: &[f32]) -> Vec<Near> {
        let found = self.found();
        let mut near = vec![Near::default(); points.len() / self.dims * found];
        let blocks = near.par_chunks_mut(BLOCK * found).zip(points.par_chunks(BLOCK * self.dims));
        blocks.for_each(|(near, points)| {
            let mut squares = vec![0.0f32; self.count];
            for (near, point) in near.chunks_exact_mut(found).zip(points.chunks_exact(self.dims)) {
                self.squares(point, &mut squares);
                nearest(&squares, near);
            }
        });
        near
    }

    /// How many cells are near a point.
    pub fn found(&self) -> usize {
        self.among.min(self.count)
    }

    fn squares(&self, point: &[f32], squares: &mut [f32]) {
        squares.fill(0.0);
        for (x, column) in point.iter().zip(self.columns.chunks_exact(self.count)) {
            for (square, y) in squares.iter_mut().zip(column) {
                let apart = y - x;
                *square += apart * apart;
            }
        }
    }
}

/// The nearest cells by the squares of all distances, the nearest first, and their shares.
fn nearest(squares: &[f32], near: &mut [Near]) {
    let mut found: Vec<(f32, usize)> = Vec::with_capacity(near.len() + 1);
    for (row, &square) in squares.iter().enumerate() {
        if found.len() == near.len() && square >= found[near.len() - 1].0 {
            continue;
        }
        let place = found.partition_point(|&(other, _)| other <= square);
        found.insert(place, (square, row));
        found.truncate(near.len());
    }
    let width = found.last().map_or(1.0, |&(square, _)| f64::from(square));
    let width = if width > 0.0 && width.is_finite() { width } else { 1.0 };
    for (near, (square, row)) in near.iter_mut().zip(found) {
        *near = Near { row, share: (-0.5 * (f64::from(square) / width).min(1.0)).exp() };
    }
    let total: f64 = near.iter().map(|cell| cell.share).sum();
    near.iter_mut().for_each(|cell| cell.share /= total);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_cells_share_by_a_gaussian_as_wide_as_the_farthest() {
        let cells: Vec<[f32; 2]> = (0..40).map(|i| [i as f32, 0.0]).collect();
        let index = Cells::new(2, cells.iter().map(|cell| &cell[..]));
        let near = index.near(&[0.0, 0.0, 39.0, 0.0]);
        assert_eq!(near.len(), 2 * AMONG);
        let rows: Vec<usize> = near[..AMONG].iter().map(|cell| cell.row).collect();
        assert_eq!(rows, (0..AMONG).collect::<Vec<_>>());
        assert_eq!(near[AMONG].row, 39);
        let ratio = near[AMONG - 1].share / near[0].share;
        assert!((ratio - (-0.5f64).exp()).abs() < 1e-12, "{ratio}");
        let sum: f64 = near[..AMONG].iter().map(|cell| cell.share).sum();
        assert!((sum - 1.0).abs() < 1e-12);
        // Cells upon each other share alike.
        let same = Cells::new(1, std::iter::repeat_n(&[1.0f32][..], 4));
        assert!(same.near(&[1.0]).iter().all(|cell| (cell.share - 0.25).abs() < 1e-12));
    }
}
