//! The energy distance between two samples of cells, without bias.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::exec::simd::vectorised;
use crate::exec::stop::Stop;
use crate::transport::PointCloud;

/// Rows whose distances to all columns a task adds up: a fixed number, so that no result depends on the number of threads.
const ROWS: usize = 32;
/// Columns whose distances are held at a time.
const COLUMNS: usize = 256;

/// 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ of independent X, X′ of one population and Y, Y′ of another, in the points' unit: zero if
/// the two are the same, positive if not (Székely and Rizzo, Journal of Statistical Planning and Inference 2013).
///
/// Estimated without bias from a sample of each, weighted by the points' weights: pairs of cells of one group do not enter,
/// since a cell says nothing of the distance to another that depends on it. `groups` names the group of each point of `x`, the
/// founder of a predicted cell; each point of `y` is a group of its own. So the estimate is zero in the mean, sometimes below,
/// for two samples of one population. No matrix of distances is kept.
///
/// # Errors
/// [`Error::InvalidArgument`] if the dimensions or the lengths differ; [`Error::InvalidData`] if the mass of either sample is
/// that of a single group; [`Error::Cancelled`] once `stop` is requested.
///
/// # Examples
/// ```
/// use chreode::exec::stop::Stop;
/// use chreode::{evaluate::energy::energy_distance, snapshots::MatrixView, transport::PointCloud};
///
/// let x = PointCloud::new(MatrixView::from_f64(&[0.0, 1.0], 2, 1)?, None)?;
/// let y = PointCloud::new(MatrixView::from_f64(&[5.0, 7.0], 2, 1)?, None)?;
/// // 2 · (5 + 7 + 4 + 6)/4 − 1 − 2
/// assert_eq!(energy_distance(&x, &[0, 1], &y, &Stop::default())?, 8.0);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn energy_distance(x: &PointCloud, groups: &[u64], y: &PointCloud, stop: &Stop) -> Result<f64> {
    if groups.len() != x.len() {
        return Err(Error::argument("groups", groups.len(), &format!("{}, one a point", x.len())));
    }
    if x.dims() != y.dims() {
        let allowed = format!("{}, that of the first sample", x.dims());
        return Err(Error::argument("the dimension of the second sample", y.dims(), &allowed));
    }
    let between = mean_distance(x, y, |_, _| true, stop)?;
    let within_x = mean_distance(x, x, |i, j| groups[i] != groups[j], stop)?;
    let within_y = mean_distance(y, y, |i, j| i != j, stop)?;
    Ok(2.0 * between - within_x - within_y)
}

/// The mean distance over the pairs that count, by the products of their weights.
fn mean_distance(
    a: &PointCloud,
    b: &PointCloud,
    counts: impl Fn(usize, usize) -> bool + Sync,
    stop: &Stop,
) -> Result<f64> {
    let of_rows = |chunk: usize| -> Result<(f64, f64)> {
        stop.check()?;
        let (mut distances, mut sum, mut weight) = ([0.0; COLUMNS], 0.0, 0.0);
        for i in chunk * ROWS..a.len().min((chunk + 1) * ROWS) {
            for first in (0..b.len()).step_by(COLUMNS) {
                let columns = first..b.len().min(first + COLUMNS);
                let distances = &mut distances[..columns.len()];
                let points = &b.points()[columns.start * b.dims()..columns.end * b.dims()];
                vectorised(
                    #[inline(always)]
                    || fill_distances(a.point(i), points, distances),
                );
                for (j, distance) in columns.zip(distances) {
                    if counts(i, j) {
                        let both = a.weights()[i] * b.weights()[j];
                        sum += both * *distance;
                        weight += both;
                    }
                }
            }
        }
        Ok((sum, weight))
    };
    let sums: Vec<Result<(f64, f64)>> = (0..a.len().div_ceil(ROWS)).into_par_iter().map(of_rows).collect();
    let (mut sum, mut weight) = (0.0, 0.0);
    for part in sums {
        let part = part?;
        sum += part.0;
        weight += part.1;
    }
    if weight > 0.0 {
        return Ok(sum / weight);
    }
    Err(Error::InvalidData(
        "the energy distance needs cells with weight of two founders or more on either side".into(),
    ))
}

#[inline(always)]
fn fill_distances(from: &[f64], points: &[f64], distances: &mut [f64]) {
    for (point, distance) in points.chunks_exact(from.len()).zip(distances) {
        let mut square = 0.0;
        for (x, y) in from.iter().zip(point) {
            square += (x - y) * (x - y);
        }
        *distance = square.sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::rng::{Purpose, normals, stream};
    use crate::snapshots::MatrixView;

    fn cloud(points: &[f64], dims: usize, weights: Option<&[f64]>) -> PointCloud {
        PointCloud::new(MatrixView::from_f64(points, points.len() / dims, dims).unwrap(), weights).unwrap()
    }

    fn noise(n: usize, index: u64) -> Vec<f64> {
        let mut out = vec![0.0; n];
        normals(&mut stream(7, Purpose::Dataset, index, 0), &mut out);
        out
    }

    #[test]
    fn it_is_the_double_sum_over_pairs_of_different_founders() {
        // More rows and columns than are added up together.
        let (n, m, dims) = (3 * ROWS + 5, COLUMNS + 3, 3);
        let (a, b) = (noise(n * dims, 0), noise(m * dims, 1));
        let (v, w): (Vec<f64>, Vec<f64>) =
            ((0..n).map(|i| (i % 4) as f64).collect(), (0..m).map(|j| 0.5 + (j % 3) as f64).collect());
        let groups: Vec<u64> = (0..n as u64).map(|i| i / 4).collect();
        let d = |x: &[f64], i: usize, y: &[f64], j: usize| -> f64 {
            (0..dims).map(|c| (x[i * dims + c] - y[j * dims + c]).powi(2)).sum::<f64>().sqrt()
        };
        let mean = |x: &[f64], v: &[f64], y: &[f64], w: &[f64], counts: &dyn Fn(usize, usize) -> bool| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for (i, v) in v.iter().enumerate() {
                for (j, w) in w.iter().enumerate().filter(|(j, _)| counts(i, *j)) {
                    sum += v * w * d(x, i, y, j);
                    weight += v * w;
                }
            }
            sum / weight
        };
        let want = 2.0 * mean(&a, &v, &b, &w, &|_, _| true)
            - mean(&a, &v, &a, &v, &|i, j| groups[i] != groups[j])
            - mean(&b, &w, &b, &w, &|i, j| i != j);
        let got = energy_distance(
            &cloud(&a, dims, Some(&v)),
            &groups,
            &cloud(&b, dims, Some(&w)),
            &Stop::default(),
        );
        assert!((got.clone().unwrap() - want).abs() < 1e-12, "{got:?} against {want}");
    }

    #[test]
    fn it_is_zero_in_the_mean_for_samples_of_one_population_in_which_founders_have_several_cells() {
        // 12 founders of three near cells each against 12 cells; 400 repetitions.
        let (repetitions, founders) = (400, 12);
        let groups: Vec<u64> = (0..3 * founders as u64).map(|i| i / 3).collect();
        let estimates: Vec<f64> = (0..repetitions)
            .map(|r| {
                let (centres, apart) = (noise(2 * founders, 3 * r), noise(6 * founders, 3 * r + 1));
                let x: Vec<f64> =
                    (0..6 * founders).map(|i| 0.8 * centres[i / 6 * 2 + i % 2] + 0.6 * apart[i]).collect();
                let y = noise(2 * founders, 3 * r + 2);
                energy_distance(&cloud(&x, 2, None), &groups, &cloud(&y, 2, None), &Stop::default()).unwrap()
            })
            .collect();
        let mean = estimates.iter().sum::<f64>() / repetitions as f64;
        let variance = estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (repetitions - 1) as f64;
        let error = (variance / repetitions as f64).sqrt();
        assert!(mean.abs() < 4.0 * error, "{mean} ± {error}");
        assert!(error < 0.01 && estimates.iter().any(|&e| e < 0.0), "{error}");
    }

    #[test]
    fn a_single_founder_and_a_request_to_stop_are_errors() {
        let (x, y) = (cloud(&[0.0, 1.0], 1, None), cloud(&[5.0, 7.0], 1, None));
        let told = energy_distance(&x, &[4, 4], &y, &Stop::default()).unwrap_err().to_string();
        assert!(told.contains("two founders"), "{told}");
        assert!(energy_distance(&x, &[4], &y, &Stop::default()).is_err());
        assert!(energy_distance(&x, &[4, 5], &cloud(&[5.0, 7.0], 2, None), &Stop::default()).is_err());
        let stop = Stop::default();
        stop.request();
        assert_eq!(energy_distance(&x, &[0, 1], &y, &stop), Err(Error::Cancelled));
    }
}
