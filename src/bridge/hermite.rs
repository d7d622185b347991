//! The cubic Hermite bridge: cells pass their snapshots without a jump of velocity or of growth rate.

use rand::Rng;

use super::log_cubic::{bend, slope_of_bend};
use super::poisson_brownian::PoissonBrownian;
use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: Some(0.03),
    bends: Bends { place: true, growth: true },
    chained: false,
    learned: false,
    options: &["sigma", "tension", "growth_tension"],
    build: |scales| Ok(Box::new(Hermite(PoissonBrownian::new(scales.sigma)?))),
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
struct Hermite(PoissonBrownian);

impl Bridge for Hermite {
    fn sigma(&self, time: f64) -> f64 {
        self.0.sigma(time)
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let (bend, velocity_bend) = (bend(ends.length, r), slope_of_bend(ends.length, r));
        BridgeState { bend, velocity_bend, ..self.0.state(ends, r) }
    }

    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
        self.0.cumulative_mass(ends, r)
    }

    fn draw_time(&self, ends: &Ends, range: (f64, f64), rng: &mut dyn Rng) -> Option<f64> {
        self.0.draw_time(ends, range, rng)
    }
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
