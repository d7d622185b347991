//! The straight line at constant speed.

use super::BridgeState;

/// x = x0 + r(x1 − x0), mass constant.
pub(super) fn constant_mass(h: f64, r: f64) -> BridgeState {
    BridgeState { along: r, velocity_along: 1.0 / h, ..BridgeState::at_rest() }
}

/// x = x0 + r(x1 − x0), m(r) = m0^{1−r} m1^r for `ratio` = m1/m0.
pub(super) fn log_linear_mass(ratio: f64, h: f64, r: f64) -> BridgeState {
    let log_ratio = libm::log(ratio);
    BridgeState { relative_mass: libm::exp(r * log_ratio), growth: log_ratio / h, ..constant_mass(h, r) }
}
