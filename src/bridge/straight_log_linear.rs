//! The straight line at constant speed, of a mass that grows or shrinks exponentially.

use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends, straight};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: None,
    bends: Bends::NONE,
    chained: false,
    learned: false,
    options: &["bandwidth"],
    build: |_| Ok(Box::new(StraightLogLinear)),
};

/// x = x0 + r(x1 − x0), m(r) = m0^{1−r} m1^r (VGFM: Wang et al., NeurIPS 2025).
#[derive(Debug)]
struct StraightLogLinear;

impl Bridge for StraightLogLinear {
    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let log_ratio = libm::log(ends.received / ends.sent);
        BridgeState {
            relative_mass: libm::exp(r * log_ratio),
            growth: log_ratio / ends.length,
            ..straight::line(ends, r)
        }
    }

    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
        cumulative_log_linear_mass(ends, r)
    }
}

/// ∫₀^r (m1/m0)^{r′} dr′ = r (e^x − 1)/x with x = r ln(m1/m0).
pub(super) fn cumulative_log_linear_mass(ends: &Ends, r: f64) -> f64 {
    let x = r * libm::log(ends.received / ends.sent);
    if x == 0.0 { r } else { r * (libm::expm1(x) / x) }
}
