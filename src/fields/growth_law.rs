//! The growth rate as a function of a potential.

use crate::error::{Result, positive};

/// How the growth rate g follows from the potential λ of a population that moves and grows at the least cost
/// ∫∫ (½‖u‖² + α ψ(g)) p dx dt: from αψ′(g) = λ (Sun et al., Variational regularized unbalanced optimal transport,
/// NeurIPS 2025, Var-RUOT).
///
/// With it goes the growth part of the Hamiltonian, H(λ) = λg − αψ(g) with H′(λ) = g, so that the cost itself is
/// αψ(g) = λg − H(λ).
///
/// The unit of g is one over that of time, of λ that of the squared length over time; α and the floor have the units
/// that make λ and g so.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum GrowthLaw {
    /// ψ(g) = g²/2, hence g = λ/α and H = λ²/(2α): growth rises along the drift ∇λ, cells downstream divide more.
    Quadratic {
        /// The price α > 0 of growth.
        alpha: f64,
    },
    /// ψ(g) = |g|^{2/15}, hence, with K = (2α/15)^{15/13},
    ///
    /// ```text
    /// g = K λ (λ² + c²)^{−14/13},   H = −(13K/2) (λ² + c²)^{−1/13}
    /// ```
    ///
    /// ψ″ < 0: growth falls along the drift, stem cells upstream divide most.
    ///
    /// At c = 0 this is the published g = sign(λ) (2α/(15|λ|))^{15/13}, which is unbounded as λ → 0. The floor c is
    /// our cap on it: it is smooth, H′ = g holds with it exactly, and it changes g by a factor of 1 − O(c²/λ²) where
    /// |λ| is above c.
    Power {
        /// The price α > 0 of growth.
        alpha: f64,
        /// The floor c > 0 of |λ|.
        floor: f64,
    },
}

impl GrowthLaw {
    /// The quadratic law.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) unless α is positive and finite.
    pub fn quadratic(alpha: f64) -> Result<Self> {
        Ok(GrowthLaw::Quadratic { alpha: positive("alpha", alpha)? })
    }

    /// The power law whose growth rate stays below `cap` at every λ: its floor is c = 2α/(15 cap^{13/15}).
    ///
    /// Proof: |λ| < (λ² + c²)^{1/2}, hence |g| < K (λ² + c²)^{−15/26} ≤ K c^{−15/13} = cap. The largest |g|, at
    /// λ² = (13/15)c², is (13/15)^{1/2} (15/28)^{14/13} cap ≈ 0.475 cap.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) unless α and the cap are positive and finite.
    pub fn power(alpha: f64, cap: f64) -> Result<Self> {
        let floor = 2.0 * positive("alpha", alpha)? / (15.0 * libm::pow(positive("cap", cap)?, 13.0 / 15.0));
        Ok(GrowthLaw::Power { alpha, floor: positive("the floor of the power law", floor)? })
    }

    /// K = (2α/15)^{15/13} of the power law.
    pub(crate) fn power_factor(alpha: f64) -> f64 {
        libm::pow(2.0 * alpha / 15.0, 15.0 / 13.0)
    }

    /// The growth rate g(λ) and its derivative dg/dλ.
    pub fn growth(self, lambda: f64) -> (f64, f64) {
        match self {
            GrowthLaw::Quadratic { alpha } => (lambda / alpha, 1.0 / alpha),
            GrowthLaw::Power { alpha, floor } => {
                let Power { factor, square, root } = Power::at(alpha, floor, lambda);
                let scale = factor * root / square;
                let slope = scale / square * (floor * floor - 15.0 / 13.0 * lambda * lambda);
                (scale * lambda, slope)
            }
        }
    }

    /// What growing at rate g costs, αψ(g), of the power law as published, without its cap.
    pub fn cost(self, growth: f64) -> f64 {
        match self {
            GrowthLaw::Quadratic { alpha } => 0.5 * alpha * growth * growth,
            GrowthLaw::Power { alpha, .. } => alpha * libm::pow(growth.abs(), 2.0 / 15.0),
        }
    }

    /// The growth part H(λ) = λg − αψ(g) of the Hamiltonian, and its derivative g(λ).
    pub fn hamiltonian(self, lambda: f64) -> (f64, f64) {
        match self {
            GrowthLaw::Quadratic { alpha } => (lambda * lambda / (2.0 * alpha), lambda / alpha),
            GrowthLaw::Power { alpha, floor } => {
                let Power { factor, square, root } = Power::at(alpha, floor, lambda);
                (-6.5 * factor * root, factor * root / square * lambda)
            }
        }
    }
}

/// What the formulas of the power law share.
struct Power {
    /// K = (2α/15)^{15/13}.
    factor: f64,
    /// λ² + c².
    square: f64,
    /// (λ² + c²)^{−1/13}.
    root: f64,
}

impl Power {
    fn at(alpha: f64, floor: f64, lambda: f64) -> Self {
        let square = lambda * lambda + floor * floor;
        Power { factor: GrowthLaw::power_factor(alpha), square, root: libm::pow(square, -1.0 / 13.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laws() -> Vec<GrowthLaw> {
        let power = |alpha, cap| GrowthLaw::power(alpha, cap).unwrap();
        vec![GrowthLaw::quadratic(0.7).unwrap(), power(0.7, 2.0), power(3.0, 0.5), power(1e-2, 30.0)]
    }

    /// From −4 to 4 in steps that are no multiple of anything, 0 among them.
    fn potentials() -> impl Iterator<Item = f64> {
        (-37..=37).map(|i| 4.0 / 37.0 * f64::from(i))
    }

    #[test]
    fn growth_is_the_derivative_of_the_hamiltonian_and_has_the_stated_slope() {
        for law in laws() {
            for lambda in potentials() {
                // The functions bend on the scale of the floor: a step of 1e-4 of it or of λ leaves a relative
                // truncation error of about 1e-8 and a rounding error of 1e-12 of H over the step.
                let scale = match law {
                    GrowthLaw::Quadratic { .. } => 1.0,
                    GrowthLaw::Power { floor, .. } => floor.max(lambda.abs()),
                };
                let step = 1e-4 * scale;
                let difference =
                    |f: &dyn Fn(f64) -> f64| (f(lambda + step) - f(lambda - step)) / (2.0 * step);
                let ((g, slope), (h, same)) = (law.growth(lambda), law.hamiltonian(lambda));
                assert!((g - same).abs() <= 4.0 * f64::EPSILON * g.abs());
                let by_difference = difference(&|x| law.hamiltonian(x).0);
                assert!(
                    (g - by_difference).abs() <= 1e-7 * (g.abs() + h.abs() / scale),
                    "{law:?} at {lambda}: g = {g}, H′ = {by_difference}"
                );
                let by_difference = difference(&|x| law.growth(x).0);
                assert!(
                    (slope - by_difference).abs() <= 1e-6 * (slope.abs() + g.abs() / scale),
                    "{law:?} at {lambda}: slope {slope}, differences {by_difference}"
                );
            }
        }
    }

    #[test]
    fn the_quadratic_law_and_the_uncapped_power_law_are_the_published_ones() {
        for lambda in potentials() {
            assert_eq!(GrowthLaw::quadratic(0.5).unwrap().growth(lambda), (2.0 * lambda, 2.0));
            if lambda == 0.0 {
                continue;
            }
            // The floor 1e-9 changes g by (14/13)(c/λ)² < 1e-15 relative.
            let law = GrowthLaw::Power { alpha: 2.0, floor: 1e-9 };
            let (g, _) = law.growth(lambda);
            let published = libm::pow(4.0 / (15.0 * lambda.abs()), 15.0 / 13.0) * lambda.signum();
            assert!((g / published - 1.0).abs() < 1e-13, "{g}, published {published}");
            // λg − H is the cost α|g|^{2/15}.
            let cost = lambda * g - law.hamiltonian(lambda).0;
            assert!((cost / law.cost(g) - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn the_power_law_stays_below_its_cap() {
        for (alpha, cap) in [(1.0, 1.0), (0.02, 7.0), (40.0, 0.1)] {
            let law = GrowthLaw::power(alpha, cap).unwrap();
            let GrowthLaw::Power { floor, .. } = law else { unreachable!() };
            let peak = (13.0f64 / 15.0).sqrt() * floor;
            let largest = law.growth(peak).0;
            assert!((largest / cap - 0.4753).abs() < 1e-3, "{largest} of {cap}");
            for step in -400..=400 {
                // λ from 1e-10 to 1e10 floors, on both sides.
                let lambda = floor * libm::pow(10.0, f64::from(step) / 40.0);
                for lambda in [lambda, -lambda] {
                    assert!(law.growth(lambda).0.abs() <= largest * (1.0 + 1e-12) && largest < cap);
                }
            }
        }
        assert_eq!(GrowthLaw::power(1.0, 1.0).unwrap().growth(0.0).0, 0.0);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let refusal = |law: Result<GrowthLaw>| law.unwrap_err().to_string();
        assert_eq!(refusal(GrowthLaw::quadratic(0.0)), "alpha must be positive and finite, got 0");
        assert!(refusal(GrowthLaw::power(f64::NAN, 1.0)).starts_with("alpha"));
        assert!(refusal(GrowthLaw::power(1.0, -2.0)).starts_with("cap"));
        // Too small or too large for double precision.
        assert!(refusal(GrowthLaw::power(1e-300, 1e300)).contains("floor"));
    }
}
