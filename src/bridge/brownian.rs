//! The Brownian bridge of diffusion σ, with its probability-flow velocity and score.

use super::{BridgeState, straight};

/// Mean on the straight line, variance σ²h r(1−r); v = (x1−x0)/h + (1−2r)σξ/(2√(h r(1−r))) is the velocity of the
/// probability flow, and (σ²/2)∇ log p = −ξ/λ with λ = 2√(h r(1−r))/σ (Tong et al., AISTATS 2024).
pub(super) fn state(sigma: f64, h: f64, r: f64) -> BridgeState {
    let root = (h * r * (1.0 - r)).sqrt();
    BridgeState {
        spread: sigma * root,
        velocity_spread: (1.0 - 2.0 * r) * sigma / (2.0 * root),
        score_weight: 2.0 * root / sigma,
        ..straight::constant_mass(h, r)
    }
}
