//! MIOFlow and the flows with growth: a velocity, and a growth rate, along the probability flow.

use super::growth_penalty::GrowthPenalty;
use super::{Equations, EquationsFacts, GrowthPrice, Moment, Rates, Record, Role, Stage, State, Wanted};

/// What is known of MIOFlow.
pub(super) const MIOFLOW: EquationsFacts = EquationsFacts {
    grows: false,
    scores: false,
    has_landscape: false,
    noise: None,
    options: &[
        "scheme",
        "rollout_steps",
        "energy_weight",
        "plan_epsilon",
        "density_weight",
        "density_hinge",
        "local_epochs",
        "post_local_epochs",
    ],
    prices: &[],
    stages: &[Stage::Local, Stage::Training, Stage::PostLocal],
    smooth: None,
    fits_densities: false,
    networks: &[Role::Velocity],
    build: |_| Ok(Box::new(Flow { growth: None })),
};

/// What is known of TIGON's flow where its snapshots are met in W2 and mass.
pub(super) const TIGON_W2: EquationsFacts = EquationsFacts {
    grows: true,
    scores: false,
    has_landscape: false,
    noise: None,
    options: &[
        "delta",
        "sigma",
        "scheme",
        "rollout_steps",
        "mass_weight",
        "local_mass_weight",
        "energy_weight",
        "growth_price",
        "plan_epsilon",
        "growth_hidden",
        "growth_activation",
    ],
    prices: &[GrowthPrice::Quadratic, GrowthPrice::Branching],
    stages: &[Stage::Training],
    smooth: None,
    fits_densities: false,
    networks: &[Role::Velocity, Role::Growth],
    build: |setting| Ok(Box::new(Flow { growth: Some(GrowthPenalty::new(setting)) })),
};

/// dX = v dt, d ln w = g dt, at the price ½‖v‖² + Ψ(g) of a unit of mass: MIOFlow (Huguet et al., NeurIPS 2022) without
/// growth, whose coordinates are taken as given, TIGON (Sha et al., Nature Machine Intelligence 2024) with the Wasserstein–Fisher–Rao price Ψ = ½δ²g².
///
/// Networks: v, and g where there is growth.
struct Flow {
    growth: Option<GrowthPenalty>,
}

impl Equations for Flow {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, wanted: Wanted) -> Rates {
        let input = record.tape.input(moment.time as f32, state.x);
        let velocity = record.tape.apply(record.networks, 0, input, 1).output;
        let growth = self.growth.map(|_| record.tape.apply(record.networks, 1, input, 1).output);
        let energy = (wanted != Wanted::Motion).then(|| {
            let speed = record.tape.dot(velocity, velocity);
            match self.growth.zip(growth) {
                Some((penalty, growth)) => {
                    let price = penalty.at(moment);
                    let price = record.tape.map(growth, price);
                    record.tape.sum((speed, 0.5), (price, 1.0))
                }
                None => record.tape.scale(speed, 0.5),
            }
        });
        Rates { drift: velocity, growth, energy, residual: None }
    }
}
