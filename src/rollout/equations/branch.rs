//! A branch of BranchSBM: a velocity, and what is added to the weights of its particles.

use super::{Carried, Equations, Moment, Rates, Record, State, Wanted};
use crate::fields::BranchWeight;
use crate::metric::CellMetric;

/// dX = u dt, dw = g dt, at the price ‖u‖²/d + g² of a unit of mass, or, in a metric G of cells, Σ_c u_c² G_c(x)/d + g² (Tang et al., ICLR
/// 2026): g is added, whatever a particle weighs.
///
/// Networks: u, and the one of which g is ± ln(1 + e^z).
pub(in super::super) struct Branch<'a> {
    pub(in super::super) weight: BranchWeight,
    pub(in super::super) metric: Option<&'a CellMetric<'a>>,
}

impl Equations for Branch<'_> {
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, wanted: Wanted) -> Rates {
        let Record { tape, networks, scratch, .. } = record;
        let input = tape.input(moment.time as f32, state.x);
        let drift = tape.apply(networks, 0, input, 1).output;
        let output = tape.apply(networks, 1, input, 1).output;
        let source = tape.map(output, |z| {
            let (value, slope) = self.weight.source(z.into());
            (value as f32, slope as f32)
        });
        let energy = (wanted != Wanted::Motion).then(|| {
            let speed = match self.metric {
                None => tape.dot(drift, drift),
                Some(metric) => tape.function(state.x, drift, |place, (by_x, by_u)| {
                    metric.energy(place, (by_u, by_x), scratch) as f32
                }),
            };
            let (dims, price) = (networks[0].architecture().outputs as f32, tape.product(source, source));
            tape.sum((speed, 1.0 / dims), (price, 1.0))
        });
        Rates { drift, growth: Some(source), energy, residual: None }
    }

    fn carried(&self) -> Carried {
        Carried::Added { first: self.weight.start as f32 }
    }
}
