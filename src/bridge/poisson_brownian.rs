//! The bridge of branching Brownian motion: Brownian in position, log-linear in mass, or log-cubic where its growth goes on through
//! snapshots.

use rand::Rng;

use super::brownian::Brownian;
use super::log_cubic::{cumulative_log_cubic_mass, draw_log_cubic_time, with_log_cubic_mass};
use super::{Bends, Bridge, BridgeFacts, BridgeState, Ends};
use crate::error::Result;

pub(super) const FACTS: BridgeFacts = BridgeFacts {
    grows: true,
    noise: Some(0.03),
    bends: Bends { place: false, growth: true },
    chained: false,
    learned: false,
    options: &["sigma", "growth_tension"],
    build: |scales| Ok(Box::new(PoissonBrownian::new(scales.sigma)?)),
};

/// Equal masses stay equal on the way, where the travelling Dirac's dip and recover (USB: Ying et al. 2026). As published, the growth
/// rate along it is constant, and jumps at every snapshot; accelerations of the log-mass smooth that.
#[derive(Debug)]
pub(super) struct PoissonBrownian(Brownian);

impl PoissonBrownian {
    pub(super) fn new(sigma: f64) -> Result<Self> {
        Ok(Self(Brownian::new(sigma)?))
    }
}

impl Bridge for PoissonBrownian {
    fn sigma(&self, time: f64) -> f64 {
        self.0.sigma(time)
    }

    fn state(&self, ends: &Ends, r: f64) -> BridgeState {
        with_log_cubic_mass(self.0.state(ends, r), ends, r)
    }

    fn cumulative_mass(&self, ends: &Ends, r: f64) -> f64 {
        cumulative_log_cubic_mass(ends, r)
    }

    fn draw_time(&self, ends: &Ends, range: (f64, f64), rng: &mut dyn Rng) -> Option<f64> {
        draw_log_cubic_time(ends, range, rng)
    }
}
