//! A Gaussian mixture fitted to weighted points.

use crate::error::Result;
use crate::exec::rng::{ChaCha8Rng, Purpose, normals, stream, uniform};

/// The most components that are tried.
const MOST_COMPONENTS: usize = 5;
/// Rounds of expectation and maximisation.
const ROUNDS: usize = 100;
/// Independent starts for each number of components.
const STARTS: u64 = 3;
/// Added to every variance, over the mean variance of the points: cells in a plane, or fewer cells than dimensions, still have
/// a density.
const RIDGE: f64 = 1e-3;

/// Σ_k π_k N(μ_k, Σ_k) with full covariances.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    dims: usize,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
struct Component {
    share: f64,
    mean: Vec<f64>,
    /// The lower triangular L of LLᵀ = Σ, row-major.
    factor: Vec<f64>,
}

impl Mixture {
    /// The maximum-likelihood mixture by expectation-maximisation (Dempster, Laird, Rubin 1977), started from centres spread
    /// as k-means++ does, with the number of components, up to five, of the least Bayesian information criterion
    /// (Schwarz 1978).
    pub(super) fn fit(points: &[f32], weights: &[f64], dims: usize, seed: u64) -> Result<Self> {
        let points: Vec<f64> = points.iter().map(|&x| f64::from(x)).collect();
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let mut best: Option<(f64, Self)> = None;
        // A component must be able to rest on more cells than it has dimensions.
        let most = (n / (dims + 1)).clamp(1, MOST_COMPONENTS);
        for count in 1..=most {
            for start in 0..STARTS {
                let mut rng = stream(seed, Purpose::Initialisation, 1 << 32, count as u64 * STARTS + start);
                let (mixture, likelihood) = Self::maximise(&points, &weights, dims, count, &mut rng);
                let parameters = count * (dims * (dims + 3) / 2 + 1) - 1;
                let criterion = parameters as f64 * libm::log(n as f64) - 2.0 * n as f64 * likelihood;
                if best.as_ref().is_none_or(|(least, _)| criterion < *least) {
                    best = Some((criterion, mixture));
                }
            }
        }
        best.map(|(_, mixture)| mixture).ok_or_else(|| {
            crate::error::Error::NonFinite(
                "no Gaussian mixture has a finite likelihood at the first snapshot".into(),
            )
        })
    }

    /// The mixture of `count` components, and its mean log-likelihood.
    fn maximise(
        points: &[f64],
        weights: &[f64],
        dims: usize,
        count: usize,
        rng: &mut ChaCha8Rng,
    ) -> (Self, f64) {
        let n = weights.len();
        let (mean, covariance) = moments(points, weights, dims, &|_| 1.0);
        let ridge = RIDGE * (0..dims).map(|k| covariance[k * dims + k]).sum::<f64>() / dims as f64 + 1e-12;
        let factor = |covariance: &[f64]| cholesky(covariance, dims, ridge);
        let centres = spread(points, weights, dims, count, rng);
        let component = |centre: usize| Component {
            share: 1.0 / count as f64,
            mean: if count == 1 { mean.clone() } else { points[centre * dims..(centre + 1) * dims].to_vec() },
            factor: factor(&covariance),
        };
        let mut mixture = Self { dims, components: centres.into_iter().map(component).collect() };
        let mut responsibilities = vec![0.0; n * count];
        let mut likelihood = f64::NEG_INFINITY;
        for _ in 0..ROUNDS {
            let before = likelihood;
            likelihood = 0.0;
            for ((x, w), row) in
                points.chunks_exact(dims).zip(weights).zip(responsibilities.chunks_exact_mut(count))
            {
                let log = mixture.log_terms(x, row);
                row.iter_mut().for_each(|r| *r = libm::exp(*r - log));
                likelihood += w * log;
            }
            for (k, component) in mixture.components.iter_mut().enumerate() {
                let share: f64 =
                    weights.iter().zip(responsibilities.chunks_exact(count)).map(|(w, r)| w * r[k]).sum();
                // A component that lost its cells stays where it is, without weight.
                if share > 1e-9 {
                    let (mean, covariance) =
                        moments(points, weights, dims, &|i| responsibilities[i * count + k]);
                    *component = Component { share, mean, factor: factor(&covariance) };
                } else {
                    component.share = 1e-12;
                }
            }
            if (likelihood - before).abs() < 1e-8 {
                break;
            }
        }
        (mixture, likelihood)
    }

    /// ln π_k N(x; μ_k, Σ_k) for every k into `terms`; gives the logarithm of their sum.
    fn log_terms(&self, x: &[f64], terms: &mut [f64]) -> f64 {
        let dims = self.dims;
        for (component, term) in self.components.iter().zip(&mut *terms) {
            // ‖L⁻¹(x − μ)‖² by forward substitution, a row at a time.
            let (mut square, mut log_determinant) = (0.0, 0.0);
            let mut solved = Vec::with_capacity(dims);
            for i in 0..dims {
                let row = &component.factor[i * dims..];
                let inner: f64 = row.iter().zip(&solved).map(|(l, z): (&f64, &f64)| l * z).sum();
                let z = (x[i] - component.mean[i] - inner) / row[i];
                square += z * z;
                log_determinant += libm::log(row[i]);
                solved.push(z);
            }
            let constant = 0.5 * dims as f64 * libm::log(std::f64::consts::TAU);
            *term = libm::log(component.share) - constant - log_determinant - 0.5 * square;
        }
        let largest = terms.iter().fold(f64::NEG_INFINITY, |m, &t| m.max(t));
        largest + libm::log(terms.iter().map(|t| libm::exp(t - largest)).sum::<f64>())
    }

    /// ln p(x).
    pub(super) fn log_density(&self, x: &[f64]) -> f64 {
        self.log_terms(x, &mut vec![0.0; self.components.len()])
    }

    /// A random point.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, x: &mut [f64]) {
        let mut rest = uniform(rng) * self.components.iter().map(|c| c.share).sum::<f64>();
        let mut chosen = &self.components[self.components.len() - 1];
        for component in &self.components {
            if rest < component.share {
                chosen = component;
                break;
            }
            rest -= component.share;
        }
        normals(rng, x);
        // From the last coordinate on, since each needs the normals before it.
        for i in (0..self.dims).rev() {
            let row = &chosen.factor[i * self.dims..];
            x[i] = chosen.mean[i] + row[..=i].iter().zip(&x[..=i]).map(|(l, z)| l * z).sum::<f64>();
        }
    }
}

/// Mean and covariance of the points with weights `weights[i]·factor(i)`.
fn moments(
    points: &[f64],
    weights: &[f64],
    dims: usize,
    factor: &dyn Fn(usize) -> f64,
) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut covariance) = (vec![0.0; dims], vec![0.0; dims * dims]);
    let shares: Vec<f64> = weights.iter().enumerate().map(|(i, w)| w * factor(i)).collect();
    let total: f64 = shares.iter().sum();
    for (x, w) in points.chunks_exact(dims).zip(&shares) {
        mean.iter_mut().zip(x).for_each(|(m, x)| *m += w / total * x);
    }
    for (x, w) in points.chunks_exact(dims).zip(&shares) {
        for i in 0..dims {
            let scaled = w / total * (x[i] - mean[i]);
            for j in 0..=i {
                covariance[i * dims + j] += scaled * (x[j] - mean[j]);
            }
        }
    }
    (mean, covariance)
}

/// The lower triangular factor of a covariance, whose lower triangle is given, plus `ridge` on the diagonal.
fn cholesky(covariance: &[f64], dims: usize, ridge: f64) -> Vec<f64> {
    let mut factor = vec![0.0; dims * dims];
    for i in 0..dims {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| factor[i * dims + k] * factor[j * dims + k]).sum();
            factor[i * dims + j] = if i == j {
                // The ridge keeps the pivot positive; rounding cannot take more than that away.
                (covariance[i * dims + i] + ridge - inner).max(0.1 * ridge).sqrt()
            } else {
                (covariance[i * dims + j] - inner) / factor[j * dims + j]
            };
        }
    }
    factor
}

/// `count` points far from each other: each is drawn in proportion to its squared distance from those before it (Arthur,
/// Vassilvitskii, SODA 2007).
fn spread(points: &[f64], weights: &[f64], dims: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = vec![];
    let mut distances = vec![1.0; weights.len()];
    while chosen.len() < count {
        let total: f64 = weights.iter().zip(&distances).map(|(w, d)| w * d).sum();
        let mut rest = uniform(rng) * total;
        let mut next = 0;
        for (i, (w, d)) in weights.iter().zip(&distances).enumerate() {
            if w * d > 0.0 {
                next = i;
                rest -= w * d;
                if rest <= 0.0 {
                    break;
                }
            }
        }
        let centre = &points[next * dims..(next + 1) * dims];
        for (distance, x) in distances.iter_mut().zip(points.chunks_exact(dims)) {
            let square: f64 = x.iter().zip(centre).map(|(a, b)| (a - b) * (a - b)).sum();
            *distance = if chosen.is_empty() { square } else { distance.min(square) };
        }
        chosen.push(next);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clusters in the plane, a third of the cells in the wider, tilted one.
    #[test]
    fn two_clusters_are_found_with_their_moments_and_density() {
        let truth = Mixture {
            dims: 2,
            components: vec![
                Component { share: 2.0 / 3.0, mean: vec![2.0, 0.0], factor: vec![0.1, 0.0, 0.0, 0.2] },
                Component { share: 1.0 / 3.0, mean: vec![-1.0, 1.0], factor: vec![0.5, 0.0, 0.3, 0.2] },
            ],
        };
        let mut rng = stream(3, Purpose::Dataset, 0, 0);
        let mut x = [0.0; 2];
        let mut points = vec![];
        for _ in 0..6000 {
            truth.draw(&mut rng, &mut x);
            points.extend(x.map(|x| x as f32));
        }
        let fitted = Mixture::fit(&points, &vec![2.0; 6000], 2, 1).unwrap();
        let heavy: Vec<&Component> = fitted.components.iter().filter(|c| c.share > 0.05).collect();
        assert_eq!(heavy.len(), 2, "{fitted:?}");
        // Standard errors of log-densities from 2000 cells and more are a few hundredths inside the clusters.
        for x in [[2.0, 0.0], [2.1, -0.2], [-1.0, 1.0], [-0.5, 1.3], [-1.4, 0.9]] {
            let (got, want) = (fitted.log_density(&x), truth.log_density(&x));
            assert!((got - want).abs() < 0.15, "ln p at {x:?}: {got}, not {want}");
        }
    }

    #[test]
    fn cells_in_a_line_and_single_cells_have_a_finite_density() {
        for count in [1usize, 2, 50] {
            let points: Vec<f32> = (0..count).flat_map(|i| [i as f32, 2.0 * i as f32, 0.0]).collect();
            let mixture = Mixture::fit(&points, &vec![1.0; count], 3, 1).unwrap();
            assert!(mixture.log_density(&[0.0, 0.0, 0.0]).is_finite(), "{count} cells");
        }
    }
}
