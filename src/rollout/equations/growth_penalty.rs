//! What growth costs along a rollout.

use super::diffusion::SigmaOverTime;
use super::{GrowthPrice, Moment, Setting};
use crate::fields::Price;

/// The price Ψ(g) of a fit, which may change with time; see [`GrowthPrice`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GrowthPenalty {
    Quadratic { delta: f64 },
    Branching { delta: f64, sigma: SigmaOverTime },
}

impl GrowthPenalty {
    /// The price of a fit whose model prices growth by one of these.
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let delta = setting.scales.delta;
        match setting.options.growth_price {
            GrowthPrice::Branching => GrowthPenalty::Branching { delta, sigma: SigmaOverTime::new(setting) },
            GrowthPrice::Quadratic | GrowthPrice::Power => GrowthPenalty::Quadratic { delta },
        }
    }

    /// g ↦ (Ψ(g), Ψ′(g)) at a moment, in its units.
    pub(super) fn at(self, moment: Moment) -> impl Fn(f32) -> (f32, f32) {
        let price = match self {
            GrowthPenalty::Quadratic { delta } => Price::Quadratic { delta },
            GrowthPenalty::Branching { delta, sigma } => {
                let sigma = sigma.at(moment);
                Price::Branching { sigma, rate: (sigma / delta).powi(2) }
            }
        };
        move |g| {
            let (value, slope) = price.of(g.into());
            (value as f32, slope as f32)
        }
    }
}
