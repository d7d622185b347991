//! The Brownian bridge of diffusion σ, with its probability-flow velocity and score.

use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends, straight};
use crate::error::{Result, positive};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: false,
    noise: Some(0.1),
    bends: Bends::NONE,
    chained: false,
    learned: false,
    options: &["sigma"],
    build: |scales| Ok(Box::new(Brownian::new(scales.sigma)?)),
};

/// Mean on the straight line, variance σ²h r(1−r), mass constant; v = (x1−x0)/h + (1−2r)σξ/(2√(h r(1−r))) is the velocity
/// of the probability flow, and (σ²/2)∇ log p = −ξ/λ with λ = 2√(h r(1−r))/σ (SF2M: Tong et al., AISTATS 2024).
#[derive(Debug)]
pub(super) struct Brownian {
    sigma: f64,
}

impl Brownian {
    pub(super) fn new(sigma: f64) -> Result<Self> {
        Ok(Self { sigma: positive("sigma", sigma)? })
    }
}

impl Bridge for Brownian {
    fn sigma(&self, _time: f64) -> f64 {
        self.sigma
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        let root = (ends.length * r * (1.0 - r)).sqrt();
        BridgeState {
            spread: self.sigma * root,
            velocity_spread: (1.0 - 2.0 * r) * self.sigma / (2.0 * root),
            score_weight: 2.0 * root / self.sigma,
            ..straight::line(ends, r)
        }
    }
}
