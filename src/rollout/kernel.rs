//! The density of a snapshot: a Gaussian kernel about every cell.

use rayon::prelude::*;

use crate::exec::rng::{ChaCha8Rng, normals, uniform};
use crate::exec::simd::{exp, vectorised};

/// Σ_i b_i N(x; y_i, vI) over the cells y_i of a snapshot, whose weights b_i are of sum 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelDensity<'a> {
    pub(super) cells: &'a [f32],
    pub(super) weights: &'a [f64],
    pub(super) dims: usize,
    /// v.
    pub(super) variance: f64,
}

impl KernelDensity<'_> {
    /// ln q at the rows of `points`, and its gradient there, a row each.
    pub(super) fn log_density(&self, points: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (dims, rows) = (self.dims, points.len() / self.dims);
        let log_weights: Vec<f64> = self.weights.iter().map(|&b| libm::log(b)).collect();
        let (mut values, mut gradients) = (vec![0.0; rows], vec![0.0; points.len()]);
        values.par_iter_mut().zip(gradients.par_chunks_mut(dims)).zip(points.par_chunks(dims)).for_each_init(
            || vec![0.0; log_weights.len()],
            |terms, ((value, gradient), x)| {
                *value = self.at(x, &log_weights, terms, gradient);
            },
        );
        (values, gradients)
    }

    /// ln q(x); its gradient goes to `gradient`. `terms` has room for a number a cell.
    fn at(&self, x: &[f32], log_weights: &[f64], terms: &mut [f64], gradient: &mut [f64]) -> f64 {
        let (dims, variance) = (self.dims, self.variance);
        let cells = || self.cells.chunks_exact(dims);
        for ((term, y), log_weight) in terms.iter_mut().zip(cells()).zip(log_weights) {
            let square: f64 = x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum();
            *term = log_weight - 0.5 * square / variance;
        }
        // Of the largest term all are taken relative: none of them is lost, however far the cells are.
        let largest = terms.iter().fold(f64::NEG_INFINITY, |most, &term| most.max(term));
        vectorised(
            #[inline(always)]
            || terms.iter_mut().for_each(|term| *term = exp(*term - largest)),
        );
        let total: f64 = terms.iter().sum();
        gradient.fill(0.0);
        for (term, y) in terms.iter().zip(cells()) {
            let pull = term / (total * variance);
            let ends = x.iter().zip(y);
            gradient.iter_mut().zip(ends).for_each(|(to, (&x, &y))| *to += pull * f64::from(y - x));
        }
        let constant = 0.5 * dims as f64 * libm::log(std::f64::consts::TAU * variance);
        largest + libm::log(total) - constant
    }

    /// Random points of it, row-major.
    pub(super) fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = self.weights.iter().map(|&b| (sum += b, sum).1).collect();
        let (spread, mut noise) = (self.variance.sqrt(), vec![0.0; self.dims]);
        let mut points = Vec::with_capacity(count * self.dims);
        for _ in 0..count {
            let place = uniform(rng) * sum;
            let cell = cumulative.partition_point(|&sum| sum <= place).min(cumulative.len() - 1);
            normals(rng, &mut noise);
            let centre = &self.cells[cell * self.dims..(cell + 1) * self.dims];
            points.extend(centre.iter().zip(&noise).map(|(&y, z)| (f64::from(y) + spread * z) as f32));
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, stream};

    const CELLS: [f32; 8] = [0.0, 0.0, 1.0, 0.5, -0.5, 2.0, 3.0, -1.0];
    const WEIGHTS: [f64; 4] = [0.1, 0.4, 0.3, 0.2];

    fn density(variance: f64) -> KernelDensity<'static> {
        KernelDensity { cells: &CELLS, weights: &WEIGHTS, dims: 2, variance }
    }

    #[test]
    fn it_is_the_sum_of_its_kernels_and_has_the_right_gradient() {
        let variance = 0.3;
        let direct = |x: [f32; 2]| {
            let kernel = |(y, b): (&[f32], &f64)| {
                let square = f64::from(x[0] - y[0]).powi(2) + f64::from(x[1] - y[1]).powi(2);
                b * (-square / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance)
            };
            CELLS.chunks(2).zip(&WEIGHTS).map(kernel).sum::<f64>().ln()
        };
        for x in [[0.25f32, 0.5], [1.0, 0.5], [-2.0, 3.0], [2.5, -2.0]] {
            let (value, gradient) = density(variance).log_density(&x);
            assert!((value[0] - direct(x)).abs() < 1e-12, "{value:?} at {x:?}");
            let step = 1.0 / 1024.0;
            for c in 0..2 {
                let moved = |by: f32| {
                    let mut x = x;
                    x[c] += by;
                    direct(x)
                };
                let want = (moved(step) - moved(-step)) / f64::from(2.0 * step);
                // h² times a third derivative of order 1/v².
                assert!((gradient[c] - want).abs() < 1e-5, "{gradient:?} {want} at {x:?}");
            }
        }
        // A thousand widths from all cells its logarithm is still that of the nearest kernel.
        let far = density(1e-6).log_density(&[3.0, 0.0]).0[0];
        let want = 0.2f64.ln() - 0.5e6 - (std::f64::consts::TAU * 1e-6).ln();
        assert!((far - want).abs() < 1e-6, "{far}, not {want}");
    }

    #[test]
    fn its_draws_have_its_mean_and_covariance() {
        let count = 40_000;
        let points = density(0.09).draw(count, &mut stream(3, Purpose::Rollout, 0, 0));
        let mean = |f: &dyn Fn(&[f32]) -> f64| points.chunks(2).map(f).sum::<f64>() / count as f64;
        let centre = |c: usize| CELLS.chunks(2).zip(&WEIGHTS).map(|(y, b)| b * f64::from(y[c])).sum::<f64>();
        for c in 0..2 {
            let got = mean(&|x| f64::from(x[c]));
            let spread =
                CELLS.chunks(2).zip(&WEIGHTS).map(|(y, b)| b * (f64::from(y[c]) - centre(c)).powi(2));
            let want = spread.sum::<f64>() + 0.09;
            let variance = mean(&|x| (f64::from(x[c]) - got).powi(2));
            // Five standard errors of a mean, and of a variance whose fourth moment is at most four times its square.
            let size = (want / count as f64).sqrt();
            assert!((got - centre(c)).abs() < 5.0 * size, "{got}");
            assert!((variance - want).abs() < 10.0 * want / (count as f64).sqrt(), "{variance}, not {want}");
        }
    }
}
