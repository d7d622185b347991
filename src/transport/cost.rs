//! Costs of moving a unit of mass, evaluated from the points, a row at a time.

use super::clones::ClonePenalty;
use super::{PointCloud, Problem};
use crate::error::{Result, positive};
use crate::exec::simd;

/// The cost of moving a unit of mass from x to y, as a function of r = ‖x−y‖.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cost {
    /// r.
    Euclidean,
    /// ½ r².
    HalfSquaredEuclidean,
    /// −2 ln cos(min(r/(2δ), π/2)): infinite from r = πδ on. With both penalties 1 the optimum times 2δ² is the
    /// squared Wasserstein–Fisher–Rao distance (Liero, Mielke, Savaré, Inventiones 2018; Chizat et al., FoCM 2018).
    Wfr {
        /// The length δ that sets how far mass travels before dying and being born is cheaper.
        delta: f64,
    },
}

impl Cost {
    pub(crate) fn validate(self) -> Result<()> {
        if let Cost::Wfr { delta } = self {
            positive("delta", delta)?;
        }
        Ok(())
    }

    /// The cost at squared distance `r2`.
    #[inline(always)]
    pub fn of_squared_distance(self, r2: f64) -> f64 {
        match self {
            Cost::Euclidean => r2.sqrt(),
            Cost::HalfSquaredEuclidean => 0.5 * r2,
            Cost::Wfr { delta } => wfr(r2 * (1.0 / (4.0 * delta * delta))),
        }
    }

    /// The cost over these differences of coordinates, by way of the largest: for those whose squares underflow.
    pub(crate) fn of_differences(self, differences: impl Iterator<Item = f64> + Clone) -> f64 {
        let largest = differences.clone().fold(0.0f64, |largest, d| largest.max(d.abs()));
        if largest == 0.0 {
            return 0.0;
        }
        let distance = largest * differences.map(|d| (d / largest) * (d / largest)).sum::<f64>().sqrt();
        match self {
            Cost::Euclidean => distance,
            Cost::HalfSquaredEuclidean => 0.5 * distance * distance,
            Cost::Wfr { delta } => wfr((0.5 * (distance / delta)).powi(2)),
        }
    }

    /// The squared distance below which the cost lacks figures, or all: a square root brings an underflow back to light, and so
    /// does a δ as small.
    fn small_below(self) -> f64 {
        match self {
            Cost::Euclidean => SMALLEST_SQUARE,
            Cost::Wfr { delta } if delta < SMALLEST_DELTA => 1.0,
            Cost::HalfSquaredEuclidean | Cost::Wfr { .. } => 0.0,
        }
    }
}

/// Squares below have addends that underflow.
const SMALLEST_SQUARE: f64 = 1e-280;
/// δ² and its inverse have all their figures from here on.
const SMALLEST_DELTA: f64 = 1e-130;

/// −2 ln cos z as a function of u = z², infinite from u = π²/4 on.
///
/// cos z = (1 − 4u/π²)·Q(u) where Q(u) = Π_{k≥1} (1 − u/((k+½)π)²) has its first zero at u = 9π²/4, so that
/// −ln Q is a power series in u that converges fast on [0, π²/4]: no square root, no cosine, and no loss of
/// figures for nearby points.
#[inline(always)]
fn wfr(u: f64) -> f64 {
    // w = 4u/π² ∈ [0, 1); −2 ln Q = Σ_n (2/n) λ_n wⁿ with λ_n = Σ_{k≥1} (2k+1)^{−2n}.
    let w = u * (4.0 / (std::f64::consts::PI * std::f64::consts::PI));
    let mut p = LOG_Q[LOG_Q.len() - 1];
    let mut n = LOG_Q.len() - 1;
    while n > 0 {
        n -= 1;
        p = p.mul_add(w, LOG_Q[n]);
    }
    // ln(1−w) with the rounding of 1−w put back (it is all that matters for small w).
    let y = 1.0 - w;
    let log = simd::ln(y) - ((y - 1.0) + w) / y;
    if w < 1.0 { (-2.0f64).mul_add(log, w * p) } else { f64::INFINITY }
}

/// The coefficients (2/n) Σ_{k≥1} (2k+1)^{−2n} for n = 1…18: the 19th term is below 1e-18.
const LOG_Q: [f64; 18] = log_q();

const fn log_q() -> [f64; 18] {
    let mut c = [0.0; 18];
    let mut n = 1;
    while n <= 18 {
        // Σ over odd m ≥ 3 up to 2M+1, then the Euler–Maclaurin tail.
        let mut sum = 0.0;
        let mut m = 399;
        while m >= 3 {
            sum += inverse_power(m as f64, 2 * n);
            m -= 2;
        }
        // Σ_{odd m > 399} m^{−2n} = ∫_{400}^∞ x^{−2n} dx/2 − (h²/24) f'(400)… with spacing h = 2 (midpoint rule).
        let s = 2.0 * n as f64;
        let tail = inverse_power(400.0, 2 * n - 1) / (2.0 * (s - 1.0))
            - s * inverse_power(400.0, 2 * n + 1) * (1.0 / 12.0)
            + 7.0 * s * (s + 1.0) * (s + 2.0) * inverse_power(400.0, 2 * n + 3) / 720.0;
        c[n - 1] = (sum + tail) * 2.0 / n as f64;
        n += 1;
    }
    c
}

const fn inverse_power(x: f64, n: usize) -> f64 {
    let mut p = 1.0;
    let mut i = 0;
    while i < n {
        p /= x;
        i += 1;
    }
    p
}

/// The costs of a [`Problem`], evaluated row by row.
///
/// The coordinates of the targets are kept transposed so that a row of costs is one vectorised loop over the
/// columns for each coordinate. Differences are taken before squaring: nearby points of a far-away cloud lose no
/// figures, which the one-matrix-product form ‖x‖² + ‖y‖² − 2x·y would.
#[derive(Debug)]
pub(crate) struct CostRows<'a> {
    source: &'a PointCloud,
    target: &'a PointCloud,
    cost: Cost,
    /// Costs of smaller squared distances are computed from the differences anew.
    small_below: f64,
    /// d × m: the targets' coordinates, one coordinate after another.
    transposed: Vec<f64>,
    clones: Option<ClonePenalty<'a>>,
}

impl<'a> CostRows<'a> {
    pub(crate) fn new(problem: &Problem<'a>) -> Self {
        let (d, m) = (problem.target.dims(), problem.target.len());
        let mut transposed = vec![0.0; d * m];
        for j in 0..m {
            for (c, &y) in problem.target.point(j).iter().enumerate() {
                transposed[c * m + j] = y;
            }
        }
        Self {
            source: problem.source,
            target: problem.target,
            cost: problem.cost,
            small_below: problem.cost.small_below(),
            transposed,
            clones: ClonePenalty::of(problem),
        }
    }

    /// C_ij for one pair.
    pub(crate) fn entry(&self, i: usize, j: usize) -> f64 {
        let of_distance = simd::vectorised(
            #[inline(always)]
            || {
                let mut r2 = 0.0f64;
                for (x, y) in self.source.point(i).iter().zip(self.target.point(j)) {
                    let difference = x - y;
                    r2 = difference.mul_add(difference, r2);
                }
                if r2 < self.small_below { self.small(i, j) } else { self.cost.of_squared_distance(r2) }
            },
        );
        match &self.clones {
            None => of_distance,
            Some(clones) => of_distance + clones.entry(i, j),
        }
    }

    /// C_ij where the square of the distance underflows.
    #[cold]
    fn small(&self, i: usize, j: usize) -> f64 {
        let pairs = self.source.point(i).iter().zip(self.target.point(j));
        self.cost.of_differences(pairs.map(|(x, y)| x - y))
    }

    /// C_ij for j in `first..first + out.len()`.
    pub(crate) fn row(&self, i: usize, first: usize, out: &mut [f64]) {
        simd::vectorised(
            #[inline(always)]
            || self.row_inner(i, first, out),
        );
        if let Some(clones) = &self.clones {
            clones.add_row(i, first, out);
        }
    }

    #[inline(always)]
    fn row_inner(&self, i: usize, first: usize, out: &mut [f64]) {
        let m = self.target.len();
        // Tiles of columns that stay in the first-level cache while the coordinates are summed.
        for (t, tile) in out.chunks_mut(512).enumerate() {
            let start = first + t * 512;
            tile.fill(0.0);
            for (c, &x) in self.source.point(i).iter().enumerate() {
                let ys = &self.transposed[c * m + start..c * m + start + tile.len()];
                for (r2, y) in tile.iter_mut().zip(ys) {
                    let difference = x - y;
                    *r2 = difference.mul_add(difference, *r2);
                }
            }
            let small = tile.iter().any(|r2| *r2 < self.small_below);
            match self.cost {
                Cost::Euclidean => tile.iter_mut().for_each(|c| *c = c.sqrt()),
                Cost::HalfSquaredEuclidean => tile.iter_mut().for_each(|c| *c *= 0.5),
                Cost::Wfr { delta } => {
                    let scale = 1.0 / (4.0 * delta * delta);
                    tile.iter_mut().for_each(|c| *c = wfr(*c * scale));
                }
            }
            if small {
                // Rare, coincident points aside.
                let all = matches!(self.cost, Cost::Wfr { .. });
                for (k, cost) in tile.iter_mut().enumerate() {
                    if all || *cost * *cost < self.small_below {
                        *cost = self.small(i, start + k);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wfr_cost_agrees_with_its_definition() {
        for i in 1..10_000 {
            let z = std::f64::consts::FRAC_PI_2 * f64::from(i) / 10_000.0;
            let want = if z < 0.1 {
                // Where −2 ln cos z loses figures itself: its Taylor series.
                let u = z * z;
                u + u * u / 6.0
                    + u.powi(3) * 2.0 / 45.0
                    + u.powi(4) * 17.0 / 1260.0
                    + u.powi(5) * 62.0 / 14175.0
                    + u.powi(6) * 1382.0 / 935_550.0
            } else {
                -2.0 * libm::log(libm::cos(z))
            };
            let got = Cost::Wfr { delta: 0.5 }.of_squared_distance(z * z);
            // Near π/2 the definition itself is ill-conditioned in z: dC/dz = 2 tan z.
            let tolerance = 1e-14 * want + 4.0 * f64::EPSILON * z * 2.0 * libm::tan(z);
            assert!((got - want).abs() <= tolerance, "z = {z}: {got} vs {want}");
        }
        assert_eq!(Cost::Wfr { delta: 1.0 }.of_squared_distance(9.87), f64::INFINITY);
        // δ → ∞: 2δ²C → ½r².
        let scaled = 2e12 * Cost::Wfr { delta: 1e6 }.of_squared_distance(4.0);
        assert!((scaled - 2.0).abs() < 1e-11);
    }
}
