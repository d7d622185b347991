//! The bridge of branching Brownian motion: Brownian in position, log-linear in mass.

use super::{BridgeState, brownian, straight};

/// Equal masses stay equal on the way, where the travelling Dirac's dip and recover (Ying et al. 2026).
pub(super) fn state(sigma: f64, ratio: f64, h: f64, r: f64) -> BridgeState {
    let mass = straight::log_linear_mass(ratio, h, r);
    BridgeState { relative_mass: mass.relative_mass, growth: mass.growth, ..brownian::state(sigma, h, r) }
}
