//! MIOFlow and TIGON: a velocity, and a growth rate, along the probability flow.

use super::growth_penalty::GrowthPenalty;
use super::solver::{Equations, Rates, Record, State, Wanted};

/// dX = v dt, d ln w = g dt, at the price ½‖v‖² + Ψ(g) of a unit of mass: MIOFlow (Huguet et al., NeurIPS 2022) without
/// growth, TIGON (Sha et al., Nature Machine Intelligence 2024) with the Wasserstein–Fisher–Rao price Ψ = ½δ²g².
///
/// Networks: v, and g where there is growth.
pub(super) struct Flow {
    pub(super) growth: Option<GrowthPenalty>,
}

impl Equations for Flow {
    fn rates(&self, record: &mut Record<'_>, time: f64, state: State, wanted: Wanted) -> Rates {
        let input = record.tape.input(time as f32, state.x);
        let velocity = record.tape.apply(record.networks, 0, input, 1).output;
        let growth = self.growth.map(|_| record.tape.apply(record.networks, 1, input, 1).output);
        let energy = (wanted != Wanted::Motion).then(|| {
            let speed = record.tape.dot(velocity, velocity);
            match self.growth.zip(growth) {
                Some((penalty, growth)) => {
                    let price = record.tape.map(growth, |g| penalty.of(g));
                    record.tape.sum((speed, 0.5), (price, 1.0))
                }
                None => record.tape.scale(speed, 0.5),
            }
        });
        Rates { drift: velocity, growth, energy, residual: None }
    }
}
