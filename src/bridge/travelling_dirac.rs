//! The Wasserstein–Fisher–Rao geodesic between two Diracs: a straight line in the cone.

use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends};
use crate::error::positive;
use crate::transport::Cost;

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: None,
    bends: Bends::NONE,
    chained: false,
    learned: false,
    options: &["delta", "bandwidth"],
    build: |scales| Ok(Box::new(TravellingDirac { delta: positive("delta", scales.delta)? })),
};

/// With θ = ‖x1−x0‖/(2δ) < π/2, a Dirac of mass m at angle φ is the plane point √m e^{iφ}, and the geodesic is the
/// segment z(r) = (1−r)√m0 + r√m1 e^{iθ} (Liero, Mielke, Savaré, Inventiones 2018). Mass is |z|², position arg z
/// (WFR-FM: Peng et al., ICLR 2026).
#[derive(Debug)]
struct TravellingDirac {
    delta: f64,
}

impl Bridge for TravellingDirac {
    fn reaches(&self, distance2: f64) -> bool {
        // No Dirac travels πδ or farther, whatever a coupling other than its own asks for.
        Cost::Wfr { delta: self.delta }.of_squared_distance(distance2).is_finite()
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let h = ends.length;
        let theta = ends.distance2.sqrt() / (2.0 * self.delta);
        // In units of √m0: the start is 1, the end ρe^{iθ}.
        let rho = (ends.received / ends.sent).sqrt();
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
            ..BridgeState::AT_REST
        }
    }
    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
        // |z(r)|² = (1−r)² + 2ρ cos θ r(1−r) + ρ² r², in units of m0.
        let rho2 = ends.received / ends.sent;
        let along = rho2.sqrt() * libm::cos(ends.distance2.sqrt() / (2.0 * self.delta));
        let cube = r * r * r / 3.0;
        (r - r * r + cube) + 2.0 * along * (0.5 * r * r - cube) + rho2 * cube
    }
}
