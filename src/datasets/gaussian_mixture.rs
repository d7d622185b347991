//! Gaussian clouds of which one grows without moving and one splits without growing.

use super::Generator;
use crate::error::{Error, Result, fits_in_memory};
use crate::exec::rng::{Purpose, normals, stream};
use crate::snapshots::{MatrixView, Snapshots};

/// Growth and transport side by side, in any dimension: at t = 0, 100 cells in an upper cloud and 400 in a
/// lower one; at t = 1 the upper cloud has grown to 1000 cells without moving, and the lower one has split
/// into 200 cells on its left and 200 on its right.
///
/// The centres are (0, 2.5), (0, 0), (−1, 0) and (1, 0) in the first two coordinates and 0 in the others;
/// every coordinate of every cloud has variance 0.005 (standard deviation 0.0707).
///
/// Source: the Gaussian mixture of DeepRUOT (Zhang, Li and Zhou, ICLR 2025) and its successors; centres and
/// variance as measured in the published 100-dimensional file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GaussianMixture {
    /// The dimension d ≥ 2. Default 100.
    pub dims: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for GaussianMixture {
    fn default() -> Self {
        Self { dims: 100, seed: 0 }
    }
}

/// (time, cells, centre in the first two coordinates)
const CLOUDS: [(f64, usize, [f64; 2]); 5] = [
    (0.0, 100, [0.0, 2.5]),
    (0.0, 400, [0.0, 0.0]),
    (1.0, 1000, [0.0, 2.5]),
    (1.0, 200, [-1.0, 0.0]),
    (1.0, 200, [1.0, 0.0]),
];
const VARIANCE: f64 = 0.005;

impl GaussianMixture {
    /// The two snapshots, of 500 and 1400 cells.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two dimensions.
    pub fn generate(&self) -> Result<Snapshots> {
        if self.dims < 2 {
            return Err(Error::argument("dims", self.dims, "at least 2"));
        }
        let cells: usize = CLOUDS.iter().map(|cloud| cloud.1).sum();
        fits_in_memory("dims", self.dims, self.dims.checked_mul(2 * cells))?;
        let (mut points, mut labels, mut cell) = (Vec::new(), Vec::new(), vec![0.0; self.dims]);
        for (time, count, centre) in CLOUDS {
            for _ in 0..count {
                let index = Generator::GaussianMixture as u64;
                normals(&mut stream(self.seed, Purpose::Dataset, index, labels.len() as u64), &mut cell);
                cell.iter_mut().for_each(|x| *x *= VARIANCE.sqrt());
                cell.iter_mut().zip(centre).for_each(|(x, c)| *x += c);
                points.extend_from_slice(&cell);
                labels.push(time);
            }
        }
        Snapshots::new(MatrixView::from_f64(&points, labels.len(), self.dims)?, &labels, None)
    }
}
