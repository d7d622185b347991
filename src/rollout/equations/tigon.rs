//! TIGON: a velocity and a growth rate, and the density that both carry.

use super::flow::TIGON_W2;
use super::{Carried, Equations, EquationsFacts, Moment, Rates, Record, State, Wanted};

/// What is known of TIGON: its flow is that of the other flows with growth.
pub(super) const FACTS: EquationsFacts = EquationsFacts {
    options: &[
        "delta",
        "sigma",
        "scheme",
        "rollout_steps",
        "energy_weight",
        "growth_price",
        "kernel_variance",
        "ema",
        "growth_hidden",
        "growth_activation",
    ],
    smooth: Some("the divergence of tigon"),
    fits_densities: true,
    ..TIGON_W2
};

/// The logarithm of a density along the flow, carried where others carry that of a weight (Sha et al., Nature Machine Intelligence
/// 2024):
///
/// ```text
/// dX = v dt,  d ln ρ(X, t) = (g − ∇·v) dt
/// ```
///
/// The divergence is exact, along all axes.
///
/// Networks: v, g.
pub(in super::super) struct CarriedDensity;

impl Equations for CarriedDensity {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, _wanted: Wanted) -> Rates {
        let t = moment.time as f32;
        let Record { tape, networks, directions, .. } = record;
        let jet = tape.apply_jet(networks, 0, (t, state.x), directions);
        let divergence = tape.divergence(&jet, directions);
        let input = tape.input(t, state.x);
        let growth = tape.apply(networks, 1, input, 1).output;
        let rate = tape.sum((growth, 1.0), (divergence, -1.0));
        Rates { drift: tape.output_value(&jet), growth: Some(rate), energy: None, residual: None }
    }

    fn carried(&self) -> Carried {
        Carried::LogDensity
    }
}
