//! The metric of radial basis functions: motion is cheap where clusters of cells are.

use rand::seq::index;

use super::{Metric, MetricScratch};
use crate::error::{Result, fits_in_memory};
use crate::exec::rng::{Purpose, stream};
use crate::exec::simd;
use crate::exec::stop::Stop;
use crate::snapshots::kmeans::Points;

/// The metric G(x) = 1/(h(x) + ρ) of every coordinate, h(x) = Σ_k ω_k φ_k(x), φ_k(x) = exp(−λ_k‖x − c_k‖²/2), with the means c_k of clusters
/// and λ_k = 1/(2κ²σ_k²) by the mean square deviation σ_k² of a coordinate in theirs. The weights ω make h as near to 1 at the cells as least squares can
/// (Metric FM: Kapuśniak et al., NeurIPS 2024; λ and the least weight as in its public code).
#[derive(Debug, Clone)]
pub(super) struct Kernels {
    centres: Vec<f64>,
    precisions: Vec<f64>,
    weights: Vec<f64>,
    ridge: f64,
}

/// A cluster has so many cells in the mean, at least: of fewer no spread is known.
const CELLS_A_CENTRE: usize = 4;
/// And so many are looked at, at most.
const MOST_CELLS_A_CENTRE: usize = 50;
const LEAST_WEIGHT: f64 = 1e-4;
/// Sweeps of the least squares, and the step, relative to the largest weight, that ends them.
const SWEEPS: usize = 2000;
const SETTLED: f64 = 1e-9;

impl Kernels {
    pub(super) fn new(
        metric: &Metric,
        cells: &[f32],
        dims: usize,
        (seed, number): (u64, u64),
        stop: &Stop,
    ) -> Result<Self> {
        let count = cells.len() / dims;
        let wanted = metric.centres.min(count / CELLS_A_CENTRE).max(1);
        // A number of eight bytes for each pair.
        fits_in_memory(
            "metric_centres",
            metric.centres,
            wanted.checked_mul(wanted).and_then(|n| n.checked_mul(2)),
        )?;
        let mut rng = stream(seed, Purpose::Metric, number, 0);
        let looked_at = count.min(wanted.saturating_mul(MOST_CELLS_A_CENTRE));
        let points: Vec<f64> = if looked_at < count {
            let drawn = index::sample(&mut rng, count, looked_at);
            drawn.iter().flat_map(|cell| &cells[cell * dims..(cell + 1) * dims]).map(|&x| x.into()).collect()
        } else {
            cells.iter().map(|&x| x.into()).collect()
        };
        let weights = vec![1.0; looked_at];
        let all = Points { coordinates: &points, weights: &weights, dims };
        let (_, labels) = all.settle(wanted, &mut rng, stop)?;
        let (centres, variances) = clusters(&points, dims, &labels, wanted);
        let precisions: Vec<f64> =
            variances.iter().map(|variance| 0.5 / (metric.kappa * metric.kappa * variance)).collect();
        let mut kernels = Self { weights: vec![], centres, precisions, ridge: metric.ridge };
        kernels.weigh(&points, stop)?;
        Ok(kernels)
    }

    /// φ_k(x) of all kernels.
    fn values(&self, x: impl Fn(usize) -> f64, dims: usize, values: &mut Vec<f64>) {
        values.clear();
        values.extend(self.centres.chunks_exact(dims).zip(&self.precisions).map(|(centre, precision)| {
            let square: f64 = centre.iter().enumerate().map(|(c, m)| (x(c) - m).powi(2)).sum();
            simd::exp(-0.5 * precision * square)
        }));
    }

    /// The weights, none below the least, of which the mean of (1 − h)² over points is least: by cyclic coordinate descent, which finds the
    /// minimum of such a quadratic (Tseng, J. Optim. Theory Appl. 2001), or as near to it as its sweeps get where kernels are nearly alike.
    fn weigh(&mut self, points: &[f64], stop: &Stop) -> Result<()> {
        let kernels = self.precisions.len();
        let dims = self.centres.len() / kernels;
        let (mut gram, mut ones, mut values) = (vec![0.0; kernels * kernels], vec![0.0; kernels], vec![]);
        for point in points.chunks_exact(dims) {
            self.values(|c| point[c], dims, &mut values);
            for (k, value) in values.iter().enumerate() {
                ones[k] += value;
                gram[k * kernels..][..kernels].iter_mut().zip(&values).for_each(|(g, v)| *g += value * v);
            }
        }
        let mut weights = vec![LEAST_WEIGHT; kernels];
        for _ in 0..SWEEPS {
            stop.check()?;
            let mut largest_step = 0.0f64;
            for k in 0..kernels {
                let row = &gram[k * kernels..][..kernels];
                let missing = ones[k] - row.iter().zip(&weights).map(|(g, w)| g * w).sum::<f64>();
                // A kernel that says nothing anywhere keeps the least weight.
                let step = if row[k] > 0.0 { missing / row[k] } else { 0.0 };
                let next = (weights[k] + step).max(LEAST_WEIGHT);
                largest_step = largest_step.max((next - weights[k]).abs());
                weights[k] = next;
            }
            if largest_step <= SETTLED * weights.iter().copied().fold(0.0, f64::max) {
                break;
            }
        }
        self.weights = weights;
        Ok(())
    }

    /// The energy Σ_c u_c² G(x); its derivatives by u and by x are written beside.
    pub(super) fn energy(
        &self,
        (x, u): (&[f32], &[f32]),
        (d_u, d_x): (&mut [f32], &mut [f32]),
        scratch: &mut MetricScratch,
    ) -> f64 {
        let dims = x.len();
        let MetricScratch { weights: values, slope, .. } = scratch;
        self.values(|c| x[c].into(), dims, values);
        let h: f64 = self.weights.iter().zip(&*values).map(|(weight, value)| weight * value).sum();
        let metric = 1.0 / (h + self.ridge);
        let square: f64 = u.iter().map(|&u| f64::from(u).powi(2)).sum();
        // −‖u‖²G² ∇h, ∇h = −Σ_k ω_k λ_k φ_k(x) (x − c_k).
        slope.clear();
        slope.resize(dims, 0.0);
        let pulls = self.weights.iter().zip(&self.precisions).zip(&*values).map(|((w, p), v)| w * p * v);
        for (centre, pull) in self.centres.chunks_exact(dims).zip(pulls) {
            for (c, slope) in slope.iter_mut().enumerate() {
                *slope += pull * (f64::from(x[c]) - centre[c]);
            }
        }
        for (c, slope) in slope.iter().enumerate() {
            d_u[c] = (2.0 * f64::from(u[c]) * metric) as f32;
            d_x[c] = (square * metric * metric * slope) as f32;
        }
        square * metric
    }
}

/// The means of the clusters that have any points, and the mean square deviation of a coordinate from them; one whose points are all at one place
/// has that of all together, and points that all are, 1.
fn clusters(points: &[f64], dims: usize, labels: &[usize], count: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut centres, mut sizes) = (vec![0.0; count * dims], vec![0.0f64; count]);
    for (point, &label) in points.chunks_exact(dims).zip(labels) {
        sizes[label] += 1.0;
        centres[label * dims..][..dims].iter_mut().zip(point).for_each(|(c, x)| *c += x);
    }
    for (centre, size) in centres.chunks_exact_mut(dims).zip(&sizes).filter(|(_, size)| **size > 0.0) {
        centre.iter_mut().for_each(|c| *c /= size);
    }
    let mut squares = vec![0.0; count];
    for (point, &label) in points.chunks_exact(dims).zip(labels) {
        let centre = &centres[label * dims..][..dims];
        squares[label] += point.iter().zip(centre).map(|(x, c)| (x - c).powi(2)).sum::<f64>();
    }
    let all = squares.iter().sum::<f64>() / (labels.len() * dims) as f64;
    let typical = if all > 0.0 { all } else { 1.0 };
    let variance = |label: usize| {
        let variance = squares[label] / (sizes[label] * dims as f64);
        if variance > 0.0 { variance } else { typical }
    };
    let there: Vec<usize> = (0..count).filter(|&label| sizes[label] > 0.0).collect();
    let variances = there.iter().map(|&label| variance(label)).collect();
    (there.iter().flat_map(|&label| &centres[label * dims..][..dims]).copied().collect(), variances)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::metric::MetricKind;

    fn cells() -> Vec<f32> {
        // Three clouds in the plane.
        let place = |i: usize, c: usize| {
            let middle = [[0.0, 0.0], [3.0, 0.5], [1.0, 3.0]][i % 3][c];
            middle + ((i * 7 + c * 5) % 11) as f32 / 20.0
        };
        (0..120).flat_map(|i| [place(i, 0), place(i, 1)]).collect()
    }

    fn kernels(centres: usize, cells: &[f32]) -> Kernels {
        let metric = Metric { kind: MetricKind::Rbf, width: 0.0, ridge: 0.01, centres, kappa: 1.5 };
        Kernels::new(&metric, cells, 2, (5, 0), &Stop::default()).unwrap()
    }

    #[test]
    fn kernels_sum_to_one_at_the_cells_as_nearly_as_least_squares_can() {
        let cells = cells();
        let kernels = kernels(3, &cells);
        let points: Vec<f64> = cells.iter().map(|&x| x.into()).collect();
        let loss = |weights: &[f64]| {
            let mut values = vec![];
            let miss = points.chunks_exact(2).map(|point| {
                kernels.values(|c| point[c], 2, &mut values);
                let h: f64 = values.iter().zip(weights).map(|(v, w)| v * w).sum();
                (1.0 - h).powi(2)
            });
            miss.sum::<f64>() / 120.0
        };
        // Every cloud is a cluster of its own, whose mean and spread are known.
        let mut first: Vec<f64> = kernels.centres.chunks_exact(2).map(|centre| centre[0]).collect();
        first.sort_by(f64::total_cmp);
        assert!(
            first.iter().zip([0.25, 1.25, 3.25]).all(|(got, want)| (got - want).abs() < 0.03),
            "{first:?}"
        );
        let least = loss(&kernels.weights);
        assert!(least < 0.02, "{least}");
        for k in 0..3 {
            for by in [-1e-3, 1e-3] {
                let mut other = kernels.weights.clone();
                other[k] += by;
                assert!(loss(&other) > least, "{k} {by}");
            }
        }
    }

    #[test]
    fn the_energy_has_the_right_derivatives() {
        let kernels = kernels(7, &cells());
        let energy = |x: &[f32], u: &[f32]| {
            let (mut d_u, mut d_x) = ([0.0; 2], [0.0; 2]);
            let value = kernels.energy((x, u), (&mut d_u, &mut d_x), &mut MetricScratch::default());
            (value, d_u, d_x)
        };
        let (x, u) = ([0.5f32, 1.0], [1.0f32, -0.5]);
        let (_, d_u, d_x) = energy(&x, &u);
        // A power of two, so that places are moved by exactly that.
        let step = 1.0 / 1024.0;
        for c in 0..2 {
            let moved = |of: [f32; 2], by: f32| {
                let mut moved = of;
                moved[c] += by;
                moved
            };
            let slope = |plus: f64, minus: f64| (plus - minus) / (2.0 * f64::from(step));
            let by_x = slope(energy(&moved(x, step), &u).0, energy(&moved(x, -step), &u).0);
            let by_u = slope(energy(&x, &moved(u, step)).0, energy(&x, &moved(u, -step)).0);
            // The square of the step.
            assert!((f64::from(d_x[c]) - by_x).abs() < 1e-4 * (1.0 + by_x.abs()), "{c}: {} {by_x}", d_x[c]);
            assert!((f64::from(d_u[c]) - by_u).abs() < 1e-5 * (1.0 + by_u.abs()), "{c}: {} {by_u}", d_u[c]);
        }
    }

    #[test]
    fn a_request_to_stop_ends_it() {
        let stop = Stop::default();
        stop.request();
        let metric = Metric { kind: MetricKind::Rbf, width: 0.0, ridge: 0.01, centres: 3, kappa: 1.5 };
        assert_eq!(Kernels::new(&metric, &cells(), 2, (5, 0), &stop).unwrap_err(), Error::Cancelled);
    }

    fn cells_mean(cells: &[f32]) -> Vec<f64> {
        let mean = |c: usize| cells.iter().skip(c).step_by(2).map(|&x| f64::from(x)).sum::<f64>();
        [0, 1].map(|c| mean(c) / (cells.len() / 2) as f64).to_vec()
    }

    #[test]
    fn cells_of_one_place_and_fewer_cells_than_centres_make_a_metric_too() {
        for cells in [vec![1.0f32; 40], cells()[..6].to_vec()] {
            let kernels = kernels(100, &cells);
            // One place is one cluster, however many are asked for, and three cells are too few for two.
            assert_eq!(kernels.centres, cells_mean(&cells));
            let (mut d_u, mut d_x) = ([0.0; 2], [0.0; 2]);
            let energy = kernels.energy(
                (&cells[..2], &[1.0, 1.0]),
                (&mut d_u, &mut d_x),
                &mut MetricScratch::default(),
            );
            assert!(energy.is_finite() && energy > 0.0 && energy < 4.0, "{energy}");
        }
    }
}
