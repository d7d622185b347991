//! The cubic Hermite bridge: cells pass their snapshots without a jump of velocity or of growth rate.

use super::brownian::Brownian;
use super::straight_log_linear::cumulative_log_linear_mass;
use super::{Bridge, BridgeFacts, BridgeState, Ends};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: Some(0.03),
    bends: true,
    options: &["sigma", "tension"],
    build: |scales| Ok(Box::new(Hermite(Brownian::new(scales.sigma)?))),
};

/// A Brownian bridge whose mean is a cubic in time, as its log-mass is: with accelerations a0 and a1 at its two cells,
///
/// x(r) = x0 + r(x1 − x0) − (h²/2) r(1 − r)[(1 − r)a0 + r a1],
///
/// and ln m alike, from the second derivatives of the log-mass. So the slope at the start is that of the straight line less
/// (h/2)a0, at the end that of the line plus (h/2)a1, and [`acceleration`] gives the acceleration for which the mean slopes on
/// both sides of a snapshot agree, so that paths of constant acceleration are met exactly. Without accelerations it is the bridge of branching Brownian motion, bit for bit.
///
/// Cubics between measures: Chewi et al., AISTATS 2021.
#[derive(Debug)]
struct Hermite(Brownian);

/// What the accelerations at either cell add to the place, at relative time `r` of an interval of length `h`.
fn bend(h: f64, r: f64) -> [f64; 2] {
    let left = 1.0 - r;
    [left, r].map(|share| -0.5 * h * h * r * left * share)
}

/// What they add to the velocity: the derivative of [`bend`] by physical time.
fn velocity_bend(h: f64, r: f64) -> [f64; 2] {
    [(1.0 - r) * (1.0 - 3.0 * r), r * (2.0 - 3.0 * r)].map(|slope| -0.5 * h * slope)
}

impl Bridge for Hermite {
    fn sigma(&self, time: f64) -> f64 {
        self.0.sigma(time)
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let (bend, velocity_bend) = (bend(ends.length, r), velocity_bend(ends.length, r));
        let log_ratio = libm::log(ends.received / ends.sent);
        BridgeState {
            bend,
            velocity_bend,
            relative_mass: libm::exp(r * log_ratio + dot(bend, ends.log_mass_acceleration)),
            growth: log_ratio / ends.length + dot(velocity_bend, ends.log_mass_acceleration),
            ..self.0.state(ends, r)
        }
    }

    /// By Gauss–Legendre quadrature of eight nodes, in as many equal parts as keep the log-mass from changing by more than
    /// [`MOST_LOG_CHANGE`] in any: good to 1e-11 of the whole.
    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
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
}

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

/// The acceleration at a cell between two intervals, each given as the mean rate of change in it and its length: that of the
/// parabola through three points, 2(d⁺ − d⁻)/(h⁻ + h⁺).
///
/// With it the slopes on both sides of the snapshot are (h⁺d⁻ + h⁻d⁺)/(h⁻ + h⁺): the nearer interval counts more. But a short
/// interval says little of a long one: where one is more than three times as long as the other, the acceleration is less in
/// proportion, so that no path strays farther the longer the interval is.
pub fn acceleration((rate_before, before): (f64, f64), (rate_after, after): (f64, f64)) -> f64 {
    let trust = (FORESIGHT * before.min(after) / before.max(after)).min(1.0);
    2.0 * trust * (rate_after - rate_before) / (before + after)
}

/// For how many times its own length an interval tells how cells move on.
const FORESIGHT: f64 = 3.0;

/// How far the change of a cell's mean velocity from one interval to the next is taken for an acceleration, from 0 to 1: twice the
/// cosine of the angle between them, so that cells that turn by up to 60° are taken at their word.
///
/// Where cells wander or populations part, the two velocities tell of different partners and not of a bend: beyond a right angle,
/// and from or into complete rest, the place has no acceleration. On branching data (dyngen, times held out) that is the
/// difference between paths worse and better than straight ones. Growth has no direction, and needs no such care.
pub fn trust_in_turn(before: impl Iterator<Item = f64>, after: impl Iterator<Item = f64>) -> f64 {
    let (mut before2, mut after2, mut product) = (0.0, 0.0, 0.0);
    for (b, a) in before.zip(after) {
        before2 += b * b;
        after2 += a * a;
        product += b * a;
    }
    let speeds = f64::sqrt(before2) * f64::sqrt(after2);
    if speeds > 0.0 { (2.0 * product / speeds).clamp(0.0, 1.0) } else { 0.0 }
}
