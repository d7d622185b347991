//! A diffusion that may change with time.

use super::Setting;

/// σ(t) = σ₀ e^{ρ(t − t₀)} with t₀ = 0: constant for ρ = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SigmaOverTime {
    start: f64,
    /// ρ.
    pub(super) rate: f64,
}

impl SigmaOverTime {
    /// The diffusion of a fit.
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let rate = setting.final_over_first.map_or(0.0, |ratio| libm::log(ratio) / setting.span);
        Self { start: setting.scales.sigma, rate }
    }

    /// σ.
    pub(super) fn at(self, time: f64) -> f64 {
        self.start * libm::exp(self.rate * time)
    }

    /// σ².
    pub(super) fn square(self, time: f64) -> f64 {
        let sigma = self.at(time);
        sigma * sigma
    }
}
