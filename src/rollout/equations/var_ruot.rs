//! Var-RUOT: one potential, from which motion and growth follow by the optimality conditions.

use super::{
    Equations, EquationsFacts, GrowthPrice, Moment, Rates, Record, Role, Setting, Stage, State, Wanted,
};
use crate::error::Result;
use crate::fields::GrowthLaw;

/// What is known of Var-RUOT before anything is computed.
pub(super) const FACTS: EquationsFacts = EquationsFacts {
    grows: true,
    scores: true,
    has_landscape: true,
    noise: Some(0.1),
    options: &[
        "delta",
        "sigma",
        "rollout_steps",
        "mass_weight",
        "local_mass_weight",
        "energy_weight",
        "residual_weight",
        "growth_price",
        "growth_cap",
        "plan_epsilon",
        "probes",
        "resample_below",
        "score_epochs",
        "ema",
        "score_hidden",
    ],
    prices: &[GrowthPrice::Quadratic, GrowthPrice::Power],
    stages: &[Stage::Training, Stage::Score],
    smooth: Some("the potential of var-ruot"),
    fits_densities: false,
    networks: &[Role::Potential],
    build: |setting| Ok(Box::new(VarRuot { sigma: setting.scales.sigma, law: law(setting)? })),
};

/// How growth follows from the potential, at the price of a fit.
fn law(setting: &Setting<'_>) -> Result<GrowthLaw> {
    let alpha = setting.scales.delta * setting.scales.delta;
    match setting.options.growth_price {
        GrowthPrice::Power => GrowthLaw::power(alpha, setting.options.growth_cap),
        GrowthPrice::Quadratic | GrowthPrice::Branching => GrowthLaw::quadratic(alpha),
    }
}

/// The necessary conditions of regularised unbalanced optimal transport (Sun et al., NeurIPS 2025):
///
/// ```text
/// dX = ∇λ dt + σ dW,  d ln w = g(λ) dt,  at the price ½‖∇λ‖² + αψ(g) of a unit of mass,
/// where  ∂_t λ + ½‖∇λ‖² + ½σ²Δλ + H(λ) = 0,   H = λg − αψ(g)
/// ```
///
/// Network: λ.
struct VarRuot {
    sigma: f64,
    law: GrowthLaw,
}

impl Equations for VarRuot {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, wanted: Wanted) -> Rates {
        let t = moment.time as f32;
        let Record { tape, networks, directions, .. } = record;
        let (potential, laplacian) = if wanted == Wanted::EnergyAndResidual {
            let jet = tape.apply_jet(networks, 0, (t, state.x), directions);
            let laplacian = tape.laplacian(&jet);
            (jet, Some(laplacian))
        } else {
            let input = tape.input(t, state.x);
            (tape.apply(networks, 0, input, 2), None)
        };
        let slopes = tape.input_gradient(networks, &potential);
        let value = tape.output_value(&potential);
        let dims = networks[0].architecture().inputs - 1;
        let drift = tape.columns(slopes, 1, dims);
        let law = self.law;
        let single = |(value, slope): (f64, f64)| (value as f32, slope as f32);
        let growth = tape.map(value, |l| single(law.growth(f64::from(l))));
        if wanted == Wanted::Motion {
            return Rates { drift, growth: Some(growth), energy: None, residual: None };
        }
        let speed = tape.dot(drift, drift);
        let hamiltonian = tape.map(value, |l| single(law.hamiltonian(f64::from(l))));
        // αψ(g) = λg − H
        let product = tape.product(value, growth);
        let price = tape.sum((product, 1.0), (hamiltonian, -1.0));
        let energy = tape.sum((speed, 0.5), (price, 1.0));
        let residual = laplacian.map(|laplacian| {
            let change = tape.columns(slopes, 0, 1);
            let advected = tape.sum((change, 1.0), (speed, 0.5));
            let spread = tape.sum((laplacian, (0.5 * self.sigma2(moment)) as f32), (hamiltonian, 1.0));
            tape.sum((advected, 1.0), (spread, 1.0))
        });
        Rates { drift, growth: Some(growth), energy: Some(energy), residual }
    }

    fn noise(&self) -> f64 {
        self.sigma
    }

    fn needs_laplacian(&self) -> bool {
        true
    }
    fn sigma2(&self, moment: Moment) -> f64 {
        self.sigma * self.sigma * moment.unit
    }

    fn law(&self) -> Option<GrowthLaw> {
        Some(self.law)
    }
}
