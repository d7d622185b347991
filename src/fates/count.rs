//! The numbers of one cell from its families.

use super::Estimates;
use super::neighbours::{Neighbours, Search};
use crate::simulate::families::Descendants;

/// Where what is told of a cell is in its row: of each label its probability with standard error, then its number with
/// standard error; then the probability to have no descendants, with standard error.
pub(super) struct Layout {
    /// The labels that occur, increasing.
    pub(super) labels: Vec<u32>,
}

impl Layout {
    pub(super) fn new(labels: Vec<u32>) -> Self {
        Self { labels }
    }

    pub(super) fn width(&self) -> usize {
        4 * self.labels.len() + 2
    }

    /// The columns of a table of rows: probability, number and none.
    pub(super) fn estimates(&self, table: &[f64]) -> [Estimates; 3] {
        let labels = self.labels.len();
        let part = |from: usize, count: usize| {
            let columns = |from: usize| {
                let row = move |row: &[f64]| row[from..from + count].to_vec();
                table.chunks_exact(self.width()).flat_map(row).collect()
            };
            Estimates { mean: columns(from), se: columns(from + count), sd: None }
        };
        [part(0, labels), part(2 * labels, labels), part(4 * labels, 1)]
    }
}

/// Sums over the families of a cell: x of a family's members, y of those with a label.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    y: f64,
    yy: f64,
    xy: f64,
}

/// Counts descendants by their labels.
pub(super) struct Counter<'a> {
    index: &'a Neighbours,
    search: Search,
    shares: Vec<f64>,
    of_family: Vec<f64>,
    sums: Vec<Sums>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(index: &'a Neighbours, layout: &Layout) -> Self {
        let labels = layout.labels.len();
        Self {
            index,
            search: Search::default(),
            shares: vec![0.0; labels],
            of_family: vec![0.0; labels],
            sums: vec![Sums::default(); labels],
        }
    }

    /// Fills the row of a cell.
    pub(super) fn count(&mut self, descendants: &Descendants<'_>, row: &mut [f64]) {
        let (mut x, mut xx) = (0.0, 0.0);
        self.sums.fill(Sums::default());
        let mut member = 0;
        for &size in descendants.sizes {
            let mut in_family = 0.0;
            self.of_family.fill(0.0);
            for _ in 0..size {
                let dims = self.index.dims();
                let point = &descendants.points[member * dims..(member + 1) * dims];
                let weight = descendants.weights[member];
                self.index.shares(point, &mut self.search, &mut self.shares);
                self.of_family.iter_mut().zip(&self.shares).for_each(|(y, share)| *y += weight * share);
                in_family += weight;
                member += 1;
            }
            x += in_family;
            xx += in_family * in_family;
            for (sums, y) in self.sums.iter_mut().zip(&self.of_family) {
                sums.y += y;
                sums.yy += y * y;
                sums.xy += in_family * y;
            }
        }
        let families = descendants.sizes.len() as f64;
        let labels = self.sums.len();
        for (label, sums) in self.sums.iter().enumerate() {
            let p = sums.y / x;
            // The families are independent. A ratio of means errs by the mean of y − p x, over that of x (Cochran, Sampling
            // Techniques, 1977, 6.3).
            let residues = sums.yy - 2.0 * p * sums.xy + p * p * xx;
            let of_mean = |squares: f64| standard_error(squares, families);
            row[label] = p;
            row[labels + label] = of_mean(residues) * families / x;
            row[2 * labels + label] = sums.y / families;
            row[3 * labels + label] = of_mean(sums.yy - sums.y * sums.y / families);
        }
        let none = descendants.extinct.iter().sum::<f64>() / families;
        let squares = descendants.extinct.iter().map(|extinct| (extinct - none).powi(2)).sum();
        row[4 * labels] = none;
        row[4 * labels + 1] = standard_error(squares, families);
    }
}

/// The standard error of a mean, from the sum of the squared deviations from it; 0 of what is without chance, of which there
/// is one.
fn standard_error(squares: f64, count: f64) -> f64 {
    if count == 1.0 { 0.0 } else { (squares.max(0.0) / (count * (count - 1.0))).sqrt() }
}
