//! The density of a snapshot: a Gaussian kernel about every cell.

use rayon::prelude::*;

use crate::exec::rng::{ChaCha8Rng, normals, uniform};
use crate::exec::simd::{exp, vectorised};

/// So many points meet the cells together, a lane each.
const LANES: usize = 8;
/// The exponentials of so many cells are taken in one loop.
const TILE: usize = 32;

/// A number of each of so many points.
type Lanes = [f64; LANES];

/// Σ_i b_i N(x; y_i, vI) over the cells y_i of a snapshot, whose weights b_i are of sum 1; the variance v is another at every call.
#[derive(Debug)]
pub(super) struct KernelDensity<'a> {
    cells: &'a [f32],
    dims: usize,
    log_weights: Vec<f64>,
    /// Of every cell the weight of all up to it.
    cumulative: Vec<f64>,
    noise: Vec<f64>,
}

/// Points, and what is known of a density at them.
#[derive(Debug, Default)]
pub(super) struct AtPoints {
    count: usize,
    dims: usize,
    /// Block after block of points, a coordinate after the other.
    x: Vec<Lanes>,
    log_density: Vec<Lanes>,
    slopes: Vec<Lanes>,
}

impl<'a> KernelDensity<'a> {
    pub(super) fn new(cells: &'a [f32], weights: &[f64], dims: usize) -> Self {
        let mut sum = 0.0;
        Self {
            cells,
            dims,
            log_weights: weights.iter().map(|&b| libm::log(b)).collect(),
            cumulative: weights.iter().map(|&b| (sum += b, sum).1).collect(),
            noise: vec![0.0; dims],
        }
    }

    /// ln q at the rows of `points`, to `found`.
    pub(super) fn log_density(&self, variance: f64, points: &[f32], found: &mut AtPoints) {
        found.take(points, self.dims);
        let AtPoints { x, log_density, .. } = found;
        let blocks = x.par_chunks(self.dims).zip(log_density);
        blocks.for_each(|(x, log_density)| *log_density = self.at(variance, x, &mut []));
    }

    /// [`log_density`](Self::log_density), and its gradient.
    pub(super) fn log_density_and_slopes(&self, variance: f64, points: &[f32], found: &mut AtPoints) {
        found.take(points, self.dims);
        let AtPoints { x, log_density, slopes, .. } = found;
        let blocks = x.par_chunks(self.dims).zip(log_density).zip(slopes.par_chunks_mut(self.dims));
        blocks.for_each(|((x, log_density), slopes)| *log_density = self.at(variance, x, slopes));
    }

    /// ln q at a block of points; its gradient goes to `slopes`, where there is room for it.
    ///
    /// The cells are gone through twice, so that of each nothing is kept.
    fn at(&self, variance: f64, x: &[Lanes], slopes: &mut [Lanes]) -> Lanes {
        let (dims, scale) = (self.dims, -0.5 / variance);
        let constant = 0.5 * dims as f64 * libm::log(std::f64::consts::TAU * variance);
        let (mut largest, mut total) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
        vectorised(
            #[inline(always)]
            || {
                for (y, &log_weight) in self.cells.chunks_exact(dims).zip(&self.log_weights) {
                    let term = term(x, y, log_weight, scale);
                    for lane in 0..LANES {
                        largest[lane] = largest[lane].max(term[lane]);
                    }
                }
                slopes.fill([0.0; LANES]);
                let mut terms = [[0.0; LANES]; TILE];
                for (cells, log_weights) in self.cells.chunks(TILE * dims).zip(self.log_weights.chunks(TILE))
                {
                    let terms = &mut terms[..log_weights.len()];
                    for ((to, y), &log_weight) in
                        terms.iter_mut().zip(cells.chunks_exact(dims)).zip(log_weights)
                    {
                        // Of the largest term all are taken relative: none of them is lost, however far the cells are.
                        let term = term(x, y, log_weight, scale);
                        for lane in 0..LANES {
                            to[lane] = term[lane] - largest[lane];
                        }
                    }
                    terms.as_flattened_mut().iter_mut().for_each(|term| *term = exp(*term));
                    for (term, y) in terms.iter().zip(cells.chunks_exact(dims)) {
                        for lane in 0..LANES {
                            total[lane] += term[lane];
                        }
                        for ((slopes, x), &y) in slopes.iter_mut().zip(x).zip(y) {
                            for lane in 0..LANES {
                                slopes[lane] = term[lane].mul_add(f64::from(y) - x[lane], slopes[lane]);
                            }
                        }
                    }
                }
                for slopes in slopes {
                    for lane in 0..LANES {
                        slopes[lane] /= total[lane] * variance;
                    }
                }
            },
        );
        std::array::from_fn(|lane| largest[lane] + libm::log(total[lane]) - constant)
    }

    /// Random points of it, row-major, to `points`.
    pub(super) fn draw(&mut self, variance: f64, count: usize, rng: &mut ChaCha8Rng, points: &mut Vec<f32>) {
        let Self { cells, dims, cumulative, noise, .. } = self;
        let (spread, sum) = (variance.sqrt(), cumulative[cumulative.len() - 1]);
        points.clear();
        for _ in 0..count {
            let place = uniform(rng) * sum;
            let cell = cumulative.partition_point(|&sum| sum <= place).min(cumulative.len() - 1);
            normals(rng, noise);
            let centre = &cells[cell * *dims..(cell + 1) * *dims];
            points.extend(centre.iter().zip(&*noise).map(|(&y, z)| (f64::from(y) + spread * z) as f32));
        }
    }
}

/// ln b + s ‖x − y‖² at a block of points, of a cell y of weight b and of s = −1/2v.
#[inline(always)]
fn term(x: &[Lanes], y: &[f32], log_weight: f64, scale: f64) -> Lanes {
    let mut square = [0.0; LANES];
    for (x, &y) in x.iter().zip(y) {
        for lane in 0..LANES {
            let apart = x[lane] - f64::from(y);
            square[lane] = apart.mul_add(apart, square[lane]);
        }
    }
    let mut term = [0.0; LANES];
    for lane in 0..LANES {
        term[lane] = scale.mul_add(square[lane], log_weight);
    }
    term
}

impl AtPoints {
    /// Takes up other points.
    fn take(&mut self, points: &[f32], dims: usize) {
        (self.count, self.dims) = (points.len() / dims, dims);
        let blocks = self.count.div_ceil(LANES);
        self.x.resize(blocks * dims, [0.0; LANES]);
        self.log_density.resize(blocks, [0.0; LANES]);
        self.slopes.resize(blocks * dims, [0.0; LANES]);
        for (i, point) in points.chunks_exact(dims).enumerate() {
            let block = &mut self.x[i / LANES * dims..];
            block.iter_mut().zip(point).for_each(|(x, &point)| x[i % LANES] = f64::from(point));
        }
    }

    /// ln q at each point.
    pub(super) fn log_density(&self) -> &[f64] {
        &self.log_density.as_flattened()[..self.count]
    }

    /// The gradient of ln q at point `i`.
    pub(super) fn slopes(&self, i: usize) -> impl Iterator<Item = f64> {
        self.slopes[i / LANES * self.dims..][..self.dims].iter().map(move |slopes| slopes[i % LANES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, stream};

    const CELLS: [f32; 8] = [0.0, 0.0, 1.0, 0.5, -0.5, 2.0, 3.0, -1.0];
    const WEIGHTS: [f64; 4] = [0.1, 0.4, 0.3, 0.2];

    fn density() -> KernelDensity<'static> {
        KernelDensity::new(&CELLS, &WEIGHTS, 2)
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
        // More points than go together, and of the last ones fewer.
        let points: Vec<[f32; 2]> = (0..21).map(|i| [0.25 * i as f32 - 2.0, 3.0 - 0.3 * i as f32]).collect();
        let (mut found, mut values) = (AtPoints::default(), AtPoints::default());
        density().log_density_and_slopes(variance, points.as_flattened(), &mut found);
        density().log_density(variance, points.as_flattened(), &mut values);
        assert_eq!(found.log_density(), values.log_density());
        assert_eq!(values.log_density().len(), points.len());
        for (i, x) in points.into_iter().enumerate() {
            let (value, gradient) = (values.log_density()[i], found.slopes(i).collect::<Vec<f64>>());
            assert!((value - direct(x)).abs() < 1e-12, "{value} at {x:?}");
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
        density().log_density(1e-6, &[3.0, 0.0], &mut values);
        let far = values.log_density()[0];
        let want = 0.2f64.ln() - 0.5e6 - (std::f64::consts::TAU * 1e-6).ln();
        assert!((far - want).abs() < 1e-6, "{far}, not {want}");
    }

    #[test]
    fn its_draws_have_its_mean_and_covariance() {
        let count = 40_000;
        let mut points = vec![];
        density().draw(0.09, count, &mut stream(3, Purpose::Rollout, 0, 0), &mut points);
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
