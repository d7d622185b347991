//! The bridge of branching Brownian motion: Brownian in position, log-linear in mass.

use super::brownian::Brownian;
use super::straight_log_linear::{cumulative_log_linear_mass, with_log_linear_mass};
use super::{Bridge, BridgeFacts, BridgeState, Ends};

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: Some(0.03),
    bends: false,
    options: &["sigma"],
    build: |scales| Ok(Box::new(PoissonBrownian(Brownian::new(scales.sigma)?))),
};

/// Equal masses stay equal on the way, where the travelling Dirac's dip and recover (USB: Ying et al. 2026).
#[derive(Debug)]
struct PoissonBrownian(Brownian);

impl Bridge for PoissonBrownian {
    fn sigma(&self, time: f64) -> f64 {
        self.0.sigma(time)
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        with_log_linear_mass(self.0.state(ends, r), ends, r)
    }

    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
        cumulative_log_linear_mass(ends, r)
    }
}
