//! Wasserstein distances between point clouds.

use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::transport::network_simplex::network_simplex;
use crate::transport::{Cost, PointCloud, Problem};

/// W1: the least mean distance (in the points' unit) over which mass must move to make one cloud of the other.
///
/// Both clouds' weights are normalised to total 1. The value is exact, certified by a duality gap below 1e-9 of it
/// (network simplex: Bonneel et al., ACM Transactions on Graphics 2011).
///
/// # Errors
/// [`Error::InvalidArgument`] if the dimensions differ; [`Error::NonFinite`] if the distance cannot be computed in double
/// precision, which takes coordinates of extremely different magnitudes.
///
/// # Examples
/// ```
/// use chreode::{evaluate::wasserstein::wasserstein1, snapshots::MatrixView, transport::PointCloud};
///
/// let a = PointCloud::new(MatrixView::from_f64(&[0.0, 0.0, 1.0, 0.0], 2, 2)?, None)?;
/// let b = PointCloud::new(MatrixView::from_f64(&[0.5, 2.0], 1, 2)?, None)?;
/// assert!((wasserstein1(&a, &b)? - 4.25f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn wasserstein1(a: &PointCloud, b: &PointCloud) -> Result<f64> {
    exact1(a, b, &Stop::default())
}

/// W2: the square root of the least mean squared distance over which mass must move to make one cloud of the other.
///
/// Both clouds' weights are normalised to total 1; exact as [`wasserstein1`].
///
/// # Errors
/// As [`wasserstein1`].
pub fn wasserstein2(a: &PointCloud, b: &PointCloud) -> Result<f64> {
    exact2(a, b, &Stop::default())
}

/// [`wasserstein1`], unless `stop` is requested.
pub(super) fn exact1(a: &PointCloud, b: &PointCloud, stop: &Stop) -> Result<f64> {
    exact(a, b, Cost::Euclidean, stop)
}

/// [`wasserstein2`], unless `stop` is requested.
pub(super) fn exact2(a: &PointCloud, b: &PointCloud, stop: &Stop) -> Result<f64> {
    Ok((2.0 * exact(a, b, Cost::HalfSquaredEuclidean, stop)?).sqrt())
}

fn exact(a: &PointCloud, b: &PointCloud, cost: Cost, stop: &Stop) -> Result<f64> {
    stop.check()?;
    let (source, target) = (a.clone().normalised(), b.clone().normalised());
    let hard = f64::INFINITY;
    let problem =
        Problem { source: &source, target: &target, cost, source_penalty: hard, target_penalty: hard };
    let report = network_simplex(&problem, &Stop::default())?.report;
    if !report.converged {
        return Err(Error::NonFinite(format!(
            "the Wasserstein distance was found only to a duality gap of {:?} in {:?}; rescale the coordinates",
            report.gap, report.primal
        )));
    }
    Ok(report.primal)
}
