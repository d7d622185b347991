//! One step of a differentiable solver, recorded on a tape.
//!
//! The state is what the particles of a chunk carry: position and log-weight. Along with it the costs of the path are
//! integrated, by the solver's own quadrature.

use super::equations::{Carried, Equations, Moment, Rates, Record, State, Wanted};
use crate::named::named;
use crate::nn::Var;

/// How particles are stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Euler's method, and Euler–Maruyama's where there is noise.
    Euler,
    /// The classical fourth-order Runge–Kutta method; without noise only.
    RungeKutta4,
}

named!(Scheme, "scheme", Euler = "euler", RungeKutta4 = "rk4");

/// A step of length `length`, in network time, from `start` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct SolverStep {
    pub(super) start: Moment,
    pub(super) length: f64,
}

/// Where a step leads and what it costs: integrals over the step of mass times energy rate, and of the residual's square
/// (taken at the step's start), a column each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advanced {
    pub(super) state: State,
    pub(super) energy: Option<Var>,
    pub(super) residual: Option<Var>,
}

/// Records one step; `noise` is the displacement by Brownian motion.
pub(super) fn advance(
    equations: &dyn Equations,
    record: &mut Record<'_>,
    scheme: Scheme,
    step: SolverStep,
    start: State,
    noise: Option<Var>,
    wanted: Wanted,
) -> Advanced {
    let SolverStep { start: moment, length } = step;
    let first = equations.rates(record, moment, start, wanted);
    let residual = first.residual.map(|residual| {
        let square = record.tape.product(residual, residual);
        record.tape.scale(square, length as f32)
    });
    let carried = equations.carried();
    let mut energy = first.energy.map(|energy| record.weigh(energy, (start, carried), length));
    let mut state = match scheme {
        Scheme::Euler => record.moved(start, first, length),
        Scheme::RungeKutta4 => {
            let later = if wanted == Wanted::Motion { Wanted::Motion } else { Wanted::Energy };
            let mut end = record.moved(start, first, length / 6.0);
            energy = energy.map(|energy| record.tape.scale(energy, 1.0 / 6.0));
            let mut rates = first;
            for (at, share) in [(0.5, 1.0 / 3.0), (0.5, 1.0 / 3.0), (1.0, 1.0 / 6.0)] {
                let stage = record.moved(start, rates, at * length);
                rates = equations.rates(record, moment.after(at * length), stage, later);
                end = record.moved(end, rates, share * length);
                if let (Some(sum), Some(rate)) = (energy, rates.energy) {
                    let more = record.weigh(rate, (stage, carried), share * length);
                    energy = Some(record.tape.sum((sum, 1.0), (more, 1.0)));
                }
            }
            end
        }
    };
    if let Some(noise) = noise {
        state.x = record.tape.sum((state.x, 1.0), (noise, 1.0));
    }
    Advanced { state, energy, residual }
}

impl Record<'_> {
    /// The state after moving at constant rates.
    fn moved(&mut self, from: State, rates: Rates, length: f64) -> State {
        let length = length as f32;
        State {
            x: self.tape.sum((from.x, 1.0), (rates.drift, length)),
            log_weight: match rates.growth {
                Some(growth) => self.tape.sum((from.log_weight, 1.0), (growth, length)),
                None => from.log_weight,
            },
        }
    }

    /// length · w · rate.
    fn weigh(&mut self, rate: Var, (state, carried): (State, Carried), length: f64) -> Var {
        let weight = self.tape.map(state.log_weight, |l| match carried {
            Carried::Added { first } => (first + l, 1.0),
            Carried::LogWeight | Carried::LogDensity => {
                let w = libm::expf(l);
                (w, w)
            }
        });
        let product = self.tape.product(rate, weight);
        self.tape.scale(product, length as f32)
    }
}
