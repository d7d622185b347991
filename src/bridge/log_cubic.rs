//! A mass whose logarithm is a cubic in time, for bridges whose growth rate goes on through snapshots.

use rand::RngExt;

use super::straight_log_linear::cumulative_log_linear_mass;
use super::{BridgeState, Ends};

/// What the accelerations at either end add to a path, at relative time `r` of an interval of length `h`: −(h²/2) r(1 − r) times
/// 1 − r and r.
pub(super) fn bend(h: f64, r: f64) -> [f64; 2] {
    let left = 1.0 - r;
    [left, r].map(|share| -0.5 * h * h * r * left * share)
}

/// What they add to its slope: the derivative of [`bend`] by physical time.
pub(super) fn slope_of_bend(h: f64, r: f64) -> [f64; 2] {
    [(1.0 - r) * (1.0 - 3.0 * r), r * (2.0 - 3.0 * r)].map(|slope| -0.5 * h * slope)
}

/// Gives a state the mass whose logarithm has the second derivatives of `ends` at either end, and is linear without them, and its
/// growth rate.
pub(super) fn with_log_cubic_mass(state: BridgeState, ends: &Ends, r: f64) -> BridgeState {
    let log_ratio = libm::log(ends.received / ends.sent);
    let bent = |factors: [f64; 2]| dot(factors, ends.log_mass_acceleration);
    BridgeState {
        relative_mass: libm::exp(r * log_ratio + bent(bend(ends.length, r))),
        growth: log_ratio / ends.length + bent(slope_of_bend(ends.length, r)),
        ..state
    }
}

/// By Gauss–Legendre quadrature of eight nodes, in as many equal parts as keep the log-mass from changing by more than
/// [`MOST_LOG_CHANGE`] in any: good to 1e-11 of the whole.
pub(super) fn cumulative_log_cubic_mass(ends: &Ends, r: f64) -> f64 {
    if ends.log_mass_acceleration == [0.0; 2] {
        return cumulative_log_linear_mass(ends, r);
    }
    let log_ratio = libm::log(ends.received / ends.sent);
    let steepest = log_ratio.abs()
        + 0.5 * ends.length.powi(2) * ends.log_mass_acceleration.map(f64::abs).iter().sum::<f64>();
    let parts = (steepest / MOST_LOG_CHANGE).ceil().clamp(1.0, MOST_PARTS);
    let width = r / parts;
    let mass = |r: f64| libm::exp(r * log_ratio + dot(bend(ends.length, r), ends.log_mass_acceleration));
    let of_part = |part: usize| {
        let middle = (part as f64 + 0.5) * width;
        let of_node = |&(node, weight): &(f64, f64)| {
            weight * (mass(middle - 0.5 * width * node) + mass(middle + 0.5 * width * node))
        };
        0.5 * width * GAUSS_LEGENDRE.iter().map(of_node).sum::<f64>()
    };
    (0..parts as usize).map(of_part).sum()
}

/// A relative time between `low` and `high`, drawn in proportion to the mass; none without accelerations, where there is a closed form,
/// nor where most of the mass is in so short a time that it is hardly met.
///
/// By rejection: a uniform time is kept with the probability of its mass over a bound of the largest.
pub(super) fn draw_log_cubic_time(
    ends: &Ends,
    (low, high): (f64, f64),
    rng: &mut dyn rand::Rng,
) -> Option<f64> {
    if ends.log_mass_acceleration == [0.0; 2] {
        return None;
    }
    let log_ratio = libm::log(ends.received / ends.sent);
    // r(1 − r) ≤ 1/4, and of its factor neither end exceeds the larger.
    let lift = ends.log_mass_acceleration.map(|a| 0.125 * ends.length.powi(2) * (-a).max(0.0));
    let bound = log_ratio.max(0.0) + lift[0].max(lift[1]);
    for _ in 0..MOST_DRAWS {
        let r = low + (high - low) * rng.random::<f64>();
        let log_mass = r * log_ratio + dot(bend(ends.length, r), ends.log_mass_acceleration);
        if rng.random::<f64>() <= libm::exp(log_mass - bound) {
            return Some(r);
        }
    }
    None
}

/// After so many rejections, a quadrature is cheaper.
const MOST_DRAWS: usize = 32;

/// The most that the log-mass may change in one part of a quadrature.
const MOST_LOG_CHANGE: f64 = 4.0;

/// With more parts than these, masses leave the range of double precision.
const MOST_PARTS: f64 = 1024.0;

/// The positive nodes of Gauss–Legendre quadrature of order 8 on [−1, 1], each with its weight.
const GAUSS_LEGENDRE: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_5),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_3),
];

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}
