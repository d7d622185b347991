//! An evaluation as its options describe it.

use super::ensemble::evaluate_model;
use super::{Evaluation, EvaluationOptions, Mode};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::model::Dynamics;
use crate::simulate::simulation::{Process, Simulation};
use crate::snapshots::Snapshots;

/// How a model is evaluated: what of [`EvaluationOptions`] is absent is chosen from the model and the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// How snapshots are predicted; with the seed of the first run.
    pub simulation: Simulation,
    /// Independent runs of sde and branching, with consecutive seeds.
    pub runs: usize,
    /// δ of the action; the model's, else 1, where absent.
    pub delta: Option<f64>,
    /// See [`EvaluationOptions::exact_cells`].
    pub exact_cells: usize,
}

impl Default for Protocol {
    /// By the probability flow; five runs otherwise.
    fn default() -> Self {
        let exact_cells = EvaluationOptions::EXACT_CELLS;
        Self { simulation: Simulation::default(), runs: 5, delta: None, exact_cells }
    }
}

impl Protocol {
    /// The options for a model and a data set.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error) for offspring of a reference process whose rate is not known.
    pub fn options(&self, model: &Dynamics, snapshots: &Snapshots) -> Result<EvaluationOptions> {
        let times = snapshots.times();
        let (simulation, step) = (&self.simulation, self.simulation.step_from(times[0], times));
        let mode = match simulation.process {
            Process::Ode => Mode::Ode(simulation.solver(step)),
            Process::Sde => Mode::Sde { step },
            Process::Branching => Mode::Branching {
                step,
                motion: simulation.motion_of(model),
                turnover: simulation.turnover,
                branching_rate: simulation.branching_rate_of(model)?,
                max_population: simulation.max_population,
            },
        };
        let delta = self.delta.or(model.info().delta).unwrap_or(1.0);
        let device = simulation.device;
        let (runs, exact_cells) = (self.runs, self.exact_cells);
        Ok(EvaluationOptions { mode, runs, seed: simulation.seed, delta, device, exact_cells })
    }

    /// Evaluates a model, and the members of an ensemble.
    ///
    /// # Errors
    /// Those of [`evaluate`](super::evaluate).
    pub fn run(&self, model: &Dynamics, snapshots: &Snapshots, stop: &Stop) -> Result<Evaluation> {
        evaluate_model(model, snapshots, &self.options(model, snapshots)?, self.simulation.error_bars, stop)
    }
}
