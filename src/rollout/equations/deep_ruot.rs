//! DeepRUOT: velocity, growth and density along the probability flow of a regularised unbalanced transport.

use super::diffusion::SigmaOverTime;
use super::growth_penalty::GrowthPenalty;
use super::{Equations, EquationsFacts, GrowthPrice, Moment, Rates, Record, Role, Stage, State, Wanted};
use crate::nn::Var;

/// What is known of DeepRUOT.
pub(super) const FACTS: EquationsFacts = EquationsFacts {
    grows: true,
    scores: true,
    has_landscape: true,
    noise: Some(0.1),
    options: &[
        "delta",
        "sigma",
        "final_sigma",
        "scheme",
        "rollout_steps",
        "mass_weight",
        "local_mass_weight",
        "energy_weight",
        "residual_weight",
        "initial_density_weight",
        "growth_price",
        "plan_epsilon",
        "probes",
        "pretraining_epochs",
        "score_epochs",
        "ema",
        "growth_hidden",
        "growth_activation",
        "score_hidden",
    ],
    prices: &[GrowthPrice::Quadratic, GrowthPrice::Branching],
    stages: &[Stage::PreTraining, Stage::Score, Stage::Training],
    smooth: Some("the density of deep-ruot"),
    fits_densities: false,
    networks: &[Role::Velocity, Role::Growth, Role::LogDensity],
    build: |setting| {
        Ok(Box::new(DeepRuot { sigma: SigmaOverTime::new(setting), growth: GrowthPenalty::new(setting) }))
    },
};

/// The equations of regularised unbalanced optimal transport as a flow (Zhang, Li, Zhou, ICLR 2025):
///
/// ```text
/// dX = v dt,  d ln w = g dt,  at the price
/// ½‖v‖² + (σ⁴/8)‖∇ℓ‖² − (σ²/2)(1 + ℓ) g − ½ (dσ²/dt) ℓ + Ψ(g)    of a unit of mass,   ℓ = ln p,
/// where  ∂_t ℓ + v·∇ℓ + ∇·v − g = 0
/// ```
///
/// The published scalar is s = ½σ²ℓ. The network's output is ℓ itself, which is of order one whatever σ is, and the
/// residual is the published one, ∂_t p + ∇·(pv) − gp, divided by p.
///
/// Networks: v, g, ℓ.
struct DeepRuot {
    sigma: SigmaOverTime,
    growth: GrowthPenalty,
}

impl Equations for DeepRuot {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, wanted: Wanted) -> Rates {
        let t = moment.time as f32;
        let Record { tape, networks, directions, .. } = record;
        let input = tape.input(t, state.x);
        let growth = tape.apply(networks, 1, input, 1).output;
        let (velocity, divergence) = if wanted == Wanted::EnergyAndResidual {
            let jet = tape.apply_jet(networks, 0, (t, state.x), directions);
            let divergence = tape.divergence(&jet, directions);
            (tape.output_value(&jet), Some(divergence))
        } else {
            (tape.apply(networks, 0, input, 1).output, None)
        };
        if wanted == Wanted::Motion {
            return Rates { drift: velocity, growth: Some(growth), energy: None, residual: None };
        }
        let density = tape.apply(networks, 2, input, 2);
        let slopes = tape.input_gradient(networks, &density);
        let log_density = density.output;
        let dims = tape.value(velocity).len() / tape.value(growth).len();
        let gradient = tape.columns(slopes, 1, dims);

        let square = self.sigma.square(moment);
        let (speed, fisher) = (tape.dot(velocity, velocity), tape.dot(gradient, gradient));
        let mut energy = tape.sum((speed, 0.5), (fisher, (square * square / 8.0) as f32));
        let shifted = tape.map(log_density, |l| (1.0 + l, 1.0));
        let entropy = tape.product(shifted, growth);
        energy = tape.sum((energy, 1.0), (entropy, (-square / 2.0) as f32));
        let rate = self.sigma.rate(moment);
        if rate != 0.0 {
            // dσ²/dt = 2ρσ²
            energy = tape.sum((energy, 1.0), (log_density, (-rate * square) as f32));
        }
        let price = self.growth.at(moment);
        let price = tape.map(growth, price);
        energy = tape.sum((energy, 1.0), (price, 1.0));

        let residual = divergence.map(|divergence| {
            let change = tape.columns(slopes, 0, 1);
            let along = tape.dot(velocity, gradient);
            let material = tape.sum((change, 1.0), (along, 1.0));
            let source = tape.sum((divergence, 1.0), (growth, -1.0));
            tape.sum((material, 1.0), (source, 1.0))
        });
        Rates { drift: velocity, growth: Some(growth), energy: Some(energy), residual }
    }

    fn initial_error(&self, record: &mut Record<'_>, points: Var, log_density: Var) -> Option<Var> {
        let input = record.tape.input(0.0, points);
        let learned = record.tape.apply(record.networks, 2, input, 1).output;
        Some(record.tape.sum((learned, 1.0), (log_density, -1.0)))
    }
    fn sigma2(&self, moment: Moment) -> f64 {
        self.sigma.square(moment)
    }
}
