//! The straight line at constant speed, of constant mass.

use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: false,
    noise: None,
    bends: Bends::NONE,
    chained: false,
    learned: false,
    options: &["bandwidth"],
    build: |_| Ok(Box::new(Straight)),
};

/// x = x0 + r(x1 − x0), mass constant (OT-CFM: Tong et al., TMLR 2024).
#[derive(Debug)]
struct Straight;

impl Bridge for Straight {
    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        line(ends, r)
    }
}

/// The straight line, for all bridges that have it as their mean.
pub(super) fn line(ends: &Ends, r: f64) -> BridgeState {
    BridgeState { along: r, velocity_along: 1.0 / ends.length, ..BridgeState::AT_REST }
}
