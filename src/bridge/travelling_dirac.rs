//! The Wasserstein–Fisher–Rao geodesic between two Diracs: a straight line in the cone.
//!
//! With θ = ‖x1−x0‖/(2δ) < π/2, a Dirac of mass m at angle φ is the plane point √m e^{iφ}, and the geodesic is the
//! segment z(r) = (1−r)√m0 + r√m1 e^{iθ} (Liero, Mielke, Savaré, Inventiones 2018). Mass is |z|², position arg z.

use super::BridgeState;

pub(super) fn state(delta: f64, distance2: f64, m0: f64, m1: f64, h: f64, r: f64) -> BridgeState {
    let theta = distance2.sqrt() / (2.0 * delta);
    // In units of √m0: the start is 1, the end ρe^{iθ}.
    let rho = (m1 / m0).sqrt();
    let (sin, cos) = libm::sincos(theta);
    let (x, y) = ((1.0 - r) + r * rho * cos, r * rho * sin);
    let mass = x * x + y * y;
    // sin θ/θ, and φ/θ: their limits at θ = 0 are the pure-growth ones.
    let sinc = if theta > 0.0 { sin / theta } else { 1.0 };
    let along = if theta > 0.0 { libm::atan2(y, x) / theta } else { r * rho / x };
    // d(|z|²)/dr = 2 Re(z̄ z'), z' = ρe^{iθ} − 1.
    let half_slope = x * (rho * cos - 1.0) + y * rho * sin;
    BridgeState {
        along,
        // (2δ/h) q/m along the unit vector: q/(θ h m) per unit of x1 − x0, with q = ρ sin θ.
        velocity_along: rho * sinc / (h * mass),
        relative_mass: mass,
        growth: 2.0 * half_slope / (h * mass),
        ..BridgeState::at_rest()
    }
}
