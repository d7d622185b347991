//! What growth costs.

use super::diffusion::Diffusion;
use super::{GrowthPrice, Moment, Setting};

/// The price Ψ(g) of growing at rate g, of a unit of mass and time, as a squared length over a squared time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GrowthPenalty {
    /// ½δ²g², that of the Wasserstein–Fisher–Rao metric.
    Quadratic { delta: f64 },
    /// That of branching Brownian motion with diffusion σ and branching rate λ = σ²/δ² (Baradat, Lavenant 2021):
    /// Ψ = σ² [g asinh(g/λ) − √(λ²+g²) + λ] = ½δ²g² + O(g⁴). Where σ changes with time, so does λ; δ stays.
    Branching { delta: f64, sigma: Diffusion },
}

/// A [`GrowthPenalty`] at one time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Price {
    Quadratic { delta: f64 },
    Branching { sigma: f64, rate: f64 },
}

impl GrowthPenalty {
    /// The price of a fit whose model prices growth by one of these.
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        let delta = setting.scales.delta;
        match setting.options.growth_price {
            GrowthPrice::Branching => GrowthPenalty::Branching { delta, sigma: Diffusion::new(setting) },
            GrowthPrice::Quadratic | GrowthPrice::Power => GrowthPenalty::Quadratic { delta },
        }
    }

    /// The price at a moment, in its units.
    pub(super) fn at(self, moment: Moment) -> Price {
        match self {
            GrowthPenalty::Quadratic { delta } => Price::Quadratic { delta },
            GrowthPenalty::Branching { delta, sigma } => {
                let sigma = sigma.at(moment);
                Price::Branching { sigma, rate: (sigma / delta).powi(2) }
            }
        }
    }
}

impl Price {
    /// Ψ(g) and Ψ′(g).
    pub(super) fn of(self, g: f32) -> (f32, f32) {
        let g = f64::from(g);
        let (value, slope) = match self {
            Price::Quadratic { delta } => (0.5 * delta * delta * g * g, delta * delta * g),
            Price::Branching { sigma, rate } => {
                let (angle, hypotenuse) = (libm::asinh(g / rate), libm::hypot(rate, g));
                // λ − √(λ²+g²) without the cancellation of small g.
                let rest = -g * g / (rate + hypotenuse);
                (sigma * sigma * (g * angle + rest), sigma * sigma * angle)
            }
        };
        (value as f32, slope as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_values_and_small_growth_costs_what_it_does_in_the_metric() {
        let (sigma, rate) = (0.3f64, 0.2);
        let branching = Price::Branching { sigma, rate };
        let metric = Price::Quadratic { delta: sigma / rate.sqrt() };
        for price in [branching, metric] {
            for g in [-3.0f32, -0.4, 0.01, 0.5, 2.0] {
                let h = 1e-2;
                let difference = (price.of(g + h).0 - price.of(g - h).0) / (2.0 * h);
                // The third derivative is below σ²/λ² = 2.3, and single precision leaves 1e-5 of values over h.
                assert!((difference - price.of(g).1).abs() < 2e-4, "{price:?} at {g}");
            }
        }
        let (small, expansion) = (branching.of(1e-3).0, metric.of(1e-3).0);
        assert!((small / expansion - 1.0).abs() < 1e-4);
        // The exact value at g = λ: σ²λ (asinh 1 − √2 + 1).
        let exact = (sigma * sigma * rate * (1f64.asinh() - 2f64.sqrt() + 1.0)) as f32;
        assert!((branching.of(rate as f32).0 / exact - 1.0).abs() < 1e-6);
    }
}
