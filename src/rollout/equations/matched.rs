//! The flow of a simulation-free method, to be fine-tuned.

use super::diffusion::SigmaOverTime;
use super::{Equations, EquationsFacts, Moment, Rates, Record, Role, Stage, State, Wanted};

/// What is known of the flow of a method that learns no growth.
pub(in super::super) const MATCHED: EquationsFacts = EquationsFacts {
    grows: false,
    scores: false,
    has_landscape: false,
    noise: None,
    options: &[],
    prices: &[],
    stages: &[Stage::FineTuning, Stage::Score],
    smooth: None,
    fits_densities: false,
    networks: &[Role::Velocity],
    build: |setting| Ok(Box::new(Matched { grows: false, sigma: SigmaOverTime::new(setting) })),
};

/// The same of one that does.
pub(in super::super) const MATCHED_WITH_GROWTH: EquationsFacts = EquationsFacts {
    grows: true,
    options: &["mass_weight"],
    networks: &[Role::Velocity, Role::Growth],
    build: |setting| Ok(Box::new(Matched { grows: true, sigma: SigmaOverTime::new(setting) })),
    ..MATCHED
};

/// dX = v dt, d ln w = g dt, at no price: the probability flow of a population whose diffusion is in its score.
///
/// Networks: v, and g where there is growth.
struct Matched {
    grows: bool,
    sigma: SigmaOverTime,
}

impl Equations for Matched {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, _wanted: Wanted) -> Rates {
        let input = record.tape.input(moment.time as f32, state.x);
        let drift = record.tape.apply(record.networks, 0, input, 1).output;
        let growth = self.grows.then(|| record.tape.apply(record.networks, 1, input, 1).output);
        Rates { drift, growth, energy: None, residual: None }
    }

    fn sigma2(&self, moment: Moment) -> f64 {
        self.sigma.square(moment)
    }
}
