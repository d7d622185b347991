//! A diffusion that may change with time.

use super::{Moment, Setting};

/// σ(t) = σ₀ e^{ρ(t − t₀)} in physical time: constant for ρ = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SigmaOverTime {
    start: f64,
    /// ρ, by the mean interval.
    rate: f64,
}

impl SigmaOverTime {
    /// The diffusion of a fit.
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let rate = setting.final_over_first.map_or(0.0, |ratio| libm::log(ratio) / setting.span);
        Self { start: setting.scales.sigma, rate }
    }

    /// σ, by the square root of the moment's unit of time.
    pub(super) fn at(self, moment: Moment) -> f64 {
        self.start * libm::exp(self.rate * moment.elapsed) * moment.unit.sqrt()
    }

    /// σ², by the moment's unit of time.
    pub(super) fn square(self, moment: Moment) -> f64 {
        let sigma = self.at(moment);
        sigma * sigma
    }

    /// ρ, of which dσ²/dt = 2ρσ², by the moment's unit of time.
    pub(super) fn rate(self, moment: Moment) -> f64 {
        self.rate * moment.unit
    }
}
