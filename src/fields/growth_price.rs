//! What growth costs.

use crate::named::named;

/// What a population pays for growing at rate g, Ψ(g) or αψ(g), of a unit of mass and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GrowthPrice {
    /// ½δ²g², the Wasserstein–Fisher–Rao price; of Var-RUOT its ψ1 with α = δ².
    #[default]
    Quadratic,
    /// Of TIGON and DeepRUOT: the price of branching Brownian motion with diffusion σ and branching rate λ = σ²/δ², which USB
    /// approximates by the quadratic one. Where σ changes with time, so does λ; δ stays.
    Branching,
    /// Of Var-RUOT: its ψ2 = |g|^{2/15} with α = δ², capped as [`GrowthLaw`](super::GrowthLaw) tells.
    Power,
}

named!(GrowthPrice, "growth_price", Quadratic = "quadratic", Branching = "branching", Power = "power");

/// The quadratic or the branching price with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Price {
    /// ½δ²g².
    Quadratic { delta: f64 },
    /// That of branching Brownian motion with diffusion σ and branching rate λ (Baradat, Lavenant 2021):
    /// Ψ = σ² [g asinh(g/λ) − √(λ²+g²) + λ] = σ²g²/(2λ) + O(g⁴).
    Branching { sigma: f64, rate: f64 },
}

impl Price {
    /// Ψ(g) and Ψ′(g).
    pub(crate) fn of(self, g: f64) -> (f64, f64) {
        match self {
            Price::Quadratic { delta } => (0.5 * delta * delta * g * g, delta * delta * g),
            Price::Branching { sigma, rate } => {
                let (angle, hypotenuse) = (libm::asinh(g / rate), libm::hypot(rate, g));
                // λ − √(λ²+g²) without the cancellation of small g.
                let rest = -g * g / (rate + hypotenuse);
                (sigma * sigma * (g * angle + rest), sigma * sigma * angle)
            }
        }
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
            for g in [-3.0, -0.4, 0.01, 0.5, 2.0] {
                let h = 1e-4;
                let difference = (price.of(g + h).0 - price.of(g - h).0) / (2.0 * h);
                // h²/6 times the third derivative, which is below σ²/λ² = 2.3, and 1e-16 of values over h.
                assert!((difference - price.of(g).1).abs() < 1e-8, "{price:?} at {g}");
            }
        }
        let (small, expansion) = (branching.of(1e-3).0, metric.of(1e-3).0);
        assert!((small / expansion - 1.0).abs() < 1e-4);
        // The exact value at g = λ: σ²λ (asinh 1 − √2 + 1).
        let exact = sigma * sigma * rate * (1f64.asinh() - 2f64.sqrt() + 1.0);
        assert!((branching.of(rate).0 / exact - 1.0).abs() < 1e-12);
    }
}
