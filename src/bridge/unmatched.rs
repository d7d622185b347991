//! Cells that have no partner: they die or are born where they are, whatever the bridge of the others.

use super::BridgeState;

/// A cell without a partner that dies where it is over an interval of length `h`: m(r) = m0(1−r)², the
/// Wasserstein–Fisher–Rao geodesic to nothing.
pub fn death(h: f64, r: f64) -> BridgeState {
    let left = 1.0 - r;
    BridgeState { relative_mass: left * left, growth: -2.0 / (left * h), ..BridgeState::AT_REST }
}

/// A cell without an ancestor that is born where it is: m(r) = m1 r², relative to its mass at the *end*.
pub fn birth(h: f64, r: f64) -> BridgeState {
    BridgeState { relative_mass: r * r, growth: 2.0 / (r * h), ..BridgeState::AT_REST }
}

/// The mean over the way of what a cell without a partner weighs, relative to its mass where it has one: ∫ (1−r)² dr = ∫ r² dr.
pub const MEAN_MASS: f64 = 1.0 / 3.0;

/// The relative time before which a share of a dying cell's mass has been on the way.
pub fn death_time_of_share(share: f64) -> f64 {
    1.0 - libm::cbrt(1.0 - share)
}

/// The relative time before which a share of a born cell's mass has been on the way; never 0, where the growth rate is
/// unbounded.
pub fn birth_time_of_share(share: f64) -> f64 {
    libm::cbrt(share.max(f64::EPSILON / 4.0))
}
