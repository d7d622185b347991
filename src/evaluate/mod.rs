//! How good a fit is: the measures of quality by which methods are compared.

pub mod action;
pub mod energy;
pub mod ensemble;
pub mod hold_out;
pub mod mass;
mod predicted;
pub mod protocol;
mod sampled;
pub mod validation;
pub mod wasserstein;

use rayon::prelude::*;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::branching::Offspring;
use crate::simulate::founders::Founders;
use crate::simulate::simulation::{Process, Rule, Simulation};
use crate::simulate::{Particles, branching, extrapolation, ode, stray};
use crate::snapshots::{MatrixView, Snapshots};
use crate::statistics::Estimate;
use crate::transport::PointCloud;
use crate::transport::cloud::{Cloud, SnapshotCells};
use predicted::Predicted;
pub(crate) use sampled::Distances;
use sampled::Sampling;

/// How the snapshots are predicted from the first.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// The probability flow, weighted particles: one run.
    Ode(ode::Solver),
    /// The diffusion, weighted particles.
    Sde {
        /// The longest step, in units of time.
        step: f64,
    },
    /// Particles that divide and die.
    Branching {
        /// The longest step, in units of time.
        step: f64,
        /// How they move between divisions.
        motion: branching::Motion,
        /// Turnover added to both rates, per unit of time.
        turnover: f64,
        /// λ of the offspring of the reference process, 0 for one-hot ones: see [`branching::Options::branching_rate`].
        branching_rate: f64,
        /// The most particles that may live at once.
        max_population: usize,
    },
}

/// How a model is evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluationOptions {
    /// How snapshots are predicted.
    pub mode: Mode,
    /// Independent stochastic runs, with seeds `seed`, `seed + 1`, …; the probability flow needs one.
    pub runs: usize,
    /// The seed of the first run.
    pub seed: u64,
    /// δ of the action.
    pub delta: f64,
    /// Where particles are stepped for predictions. The action is the CPU's.
    pub device: Device,
    /// The most particles or cells between which W1 and W2 are exact; of more they are means over samples of a third of it, see
    /// [`TimePoint::sampled`].
    pub exact_cells: usize,
}

impl EvaluationOptions {
    /// The most cells between which distances are exact unless asked for: a few seconds each.
    pub const EXACT_CELLS: usize = 6000;
}

/// A mean over runs and its standard deviation (n − 1 in the denominator; 0 for one run).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Statistic {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub sd: f64,
}

impl Statistic {
    /// Of the values that are there: both are NaN if none is.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        let Estimate { mean, sd } = Estimate::of(&values);
        Self { mean, sd }
    }
}

/// How well one snapshot is predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TimePoint {
    /// Its time.
    pub time: f64,
    /// W1 between the predicted particles and its cells, both normalised. A population that died out has none: this is over the
    /// runs in which cells live, NaN if there is none.
    pub w1: Statistic,
    /// W2, likewise.
    pub w2: Statistic,
    /// Relative mass error: 1 for a population that died out.
    pub rme: Statistic,
    /// How W1 and W2 were estimated, where there were too many particles or cells for exact ones.
    pub sampled: Option<Sampled>,
    /// Of an ensemble, how much these differ between its members: see [`ensemble::evaluate_model`].
    pub errors: Option<MemberErrors>,
}

/// W1 and W2 as means over pairs of samples, two to eight, drawn in proportion to the weights of particles and cells.
///
/// They are above the distances of the populations, by what samples of so few cells differ by themselves: the floor says how much
/// that is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sampled {
    /// The points of a sample; of a side with no more, all are taken.
    pub cells: usize,
    /// The standard error of W1 from the drawing of samples.
    pub w1_se: f64,
    /// Of W2, likewise.
    pub w2_se: f64,
    /// W1 between two samples of the snapshot's own cells: what a perfect prediction would have. NaN where all its cells are one
    /// sample.
    pub w1_floor: f64,
    /// W2, likewise.
    pub w2_floor: f64,
}

/// The standard deviations of measures of one snapshot [by the cells](crate::model::Dynamics::deviation_over_members): how much the measures
/// depend on which cells were drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct MemberErrors {
    /// Of W1.
    pub w1: f64,
    /// Of W2.
    pub w2: f64,
    /// Of the relative mass error.
    pub rme: f64,
}

/// The quality of a model on a data set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// All snapshots but the first, from which they are predicted.
    pub time_points: Vec<TimePoint>,
    /// The mean of W1 over the time points that have one, over runs.
    pub mean_w1: Statistic,
    /// The mean of the relative mass error over the time points, over runs.
    pub mean_rme: Statistic,
    /// The Wasserstein–Fisher–Rao path action of the probability flow, by the δ that was asked for.
    pub action: f64,
    /// The action of regularised unbalanced transport, which the diffusion spends at the fit's own price of growth; none of fields
    /// that solve no such problem. See [`PathAction`](action::PathAction).
    pub regularised_action: Option<f64>,
    /// Why the result may mean little, in whole sentences: snapshots outside the fitted times, populations that died out.
    pub warnings: Vec<String>,
}

/// Predicts every later snapshot from all cells of the first and compares, by the protocol of WFR-FM (Peng et al., ICLR
/// 2026): W1 without square root, exact up to [`EvaluationOptions::exact_cells`]; RME against the masses of the snapshots; see also
/// [`action`] and [`mass`].
///
/// # Errors
/// [`Error::InvalidData`] for a single snapshot; [`Error::InvalidArgument`] for options outside their domain; [`Error::Cancelled`] once `stop` is requested; those of the simulations and of
/// [`wasserstein`].
pub fn evaluate(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    options: &EvaluationOptions,
    stop: &Stop,
) -> Result<Evaluation> {
    check(snapshots, options)?;
    let runs = 0..options.run_count();
    let runs = runs.map(|run| Run::of(fields, snapshots, options, run, stop)).collect::<Result<Vec<_>>>()?;
    let action = action_of(fields, snapshots, options, stop)?;
    summarise(fields, snapshots, options, &runs, action, stop)
}

/// Refuses what cannot be evaluated.
pub(crate) fn check(snapshots: &Snapshots, options: &EvaluationOptions) -> Result<()> {
    if snapshots.len() < 2 {
        return Err(Error::InvalidData("an evaluation needs cells at two times or more".into()));
    }
    for (name, value) in [("runs", options.runs), ("exact_cells", options.exact_cells)] {
        if value == 0 {
            return Err(Error::argument(name, value, "at least 1"));
        }
    }
    Ok(())
}

impl EvaluationOptions {
    /// How many runs there are: the flow needs one.
    pub(crate) fn run_count(&self) -> usize {
        if matches!(self.mode, Mode::Ode(_)) { 1 } else { self.runs }
    }

    /// The simulation of a run of this seed.
    fn simulation(&self, seed: u64) -> Simulation {
        let plain = Simulation { seed, device: self.device, ..Simulation::default() };
        match self.mode {
            Mode::Ode(ode::Solver::DormandPrince(tolerance)) => Simulation { tolerance, ..plain },
            Mode::Ode(ode::Solver::RungeKutta4 { step }) => {
                Simulation { rule: Rule::RungeKutta4, step: Some(step), ..plain }
            }
            Mode::Ode(ode::Solver::Euler { step }) => {
                Simulation { rule: Rule::Euler, step: Some(step), ..plain }
            }
            Mode::Sde { step } => Simulation { process: Process::Sde, step: Some(step), ..plain },
            Mode::Branching { step, motion, turnover, branching_rate, max_population } => Simulation {
                process: Process::Branching,
                step: Some(step),
                motion: Some(motion),
                turnover,
                offspring: if branching_rate == 0.0 { Offspring::OneHot } else { Offspring::Reference },
                branching_rate: Some(branching_rate),
                max_population,
                ..plain
            },
        }
    }

    fn sampling(&self) -> Sampling {
        Sampling { exact_cells: self.exact_cells, seed: self.seed }
    }
}

/// One prediction of all later snapshots.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// How well it predicts each of them.
    pub(crate) measures: Vec<Compared>,
    /// What is to be said of particles that strayed.
    pub(crate) strayed: Option<String>,
}

impl Run {
    /// Run number `run`: a function of it, the options and the data.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub(crate) fn of(
        fields: &dyn Fields,
        snapshots: &Snapshots,
        options: &EvaluationOptions,
        run: usize,
        stop: &Stop,
    ) -> Result<Self> {
        let simulation = options.simulation(options.seed.wrapping_add(run as u64));
        let founders = Founders::of_snapshot(snapshots, 0, &simulation)?;
        let (later, sampling) = (&snapshots.times()[1..], options.sampling());
        let cells: Vec<usize> = (1..snapshots.len()).map(|k| snapshots.count(k)).collect();
        let sampling = (&sampling, run as u64);
        let (predicted, summary) =
            predicted::predict((&simulation, fields), &founders, (later, &cells), sampling, stop)?;
        let start = founders.mass();
        let compare = |(k, predicted): (usize, &Predicted)| {
            compare(start, predicted, (snapshots, k + 1), sampling, stop)
        };
        let measures: Vec<Result<Compared>> = predicted.par_iter().enumerate().map(compare).collect();
        let strayed = stray(summary.outside);
        Ok(Self { measures: measures.into_iter().collect::<Result<_>>()?, strayed })
    }
}

/// The path action of the flow.
///
/// # Errors
/// As [`evaluate`].
pub(crate) fn action_of(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    options: &EvaluationOptions,
    stop: &Stop,
) -> Result<action::PathAction> {
    let solver = if let Mode::Ode(solver) = options.mode { solver } else { ode::Solver::default() };
    action::path_action(fields, snapshots, options.delta, &solver, stop)
}

/// The measures of each later time over runs; how they were sampled is not among them.
fn time_points(later: &[f64], runs: &[Run]) -> Vec<TimePoint> {
    let over_runs = |k: usize, measure: fn(&Compared) -> f64| {
        Statistic::of(runs.iter().map(move |run| measure(&run.measures[k])))
    };
    let time_point = |(k, &time): (usize, &f64)| TimePoint {
        time,
        w1: over_runs(k, Compared::w1),
        w2: over_runs(k, Compared::w2),
        rme: over_runs(k, |of| of.rme),
        sampled: None,
        errors: None,
    };
    later.iter().enumerate().map(time_point).collect()
}

/// Puts all runs and the action together.
///
/// # Errors
/// Those of distances between samples of the snapshots, where any are estimates.
pub(crate) fn summarise(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    options: &EvaluationOptions,
    runs: &[Run],
    action: action::PathAction,
    stop: &Stop,
) -> Result<Evaluation> {
    let later = &snapshots.times()[1..];
    let mean = |measure: fn(&Compared) -> f64| {
        let of_run = |run: &Run| Statistic::of(run.measures.iter().map(measure)).mean;
        Statistic::of(runs.iter().map(of_run))
    };
    let mut time_points = time_points(later, runs);
    for (k, point) in time_points.iter_mut().enumerate() {
        let of_runs: Vec<Compared> = runs.iter().map(|run| run.measures[k]).collect();
        point.sampled = sampled(&of_runs, &options.sampling(), snapshots, k + 1, stop)?;
    }
    let mut warnings = Vec::from_iter(extrapolation(fields, snapshots.times().iter().copied()));
    warnings.extend(runs.iter().find_map(|run| run.strayed.clone()));
    if let Some(sampled) = time_points.iter().find_map(|point| point.sampled) {
        warnings.push(format!(
            "W1 and W2 are estimates where there are more than {} particles or cells: means over samples of {} on either side, \
             which are above the distances of the populations by what such samples of one population differ by (the floor)",
            options.exact_cells, sampled.cells
        ));
    }
    let extinct = |k: &usize| runs.iter().any(|run| run.measures[*k].distances.is_none());
    if let Some(k) = (0..later.len()).find(extinct) {
        let lost = runs.iter().filter(|run| run.measures.iter().any(|m| m.distances.is_none())).count();
        warnings.push(format!(
            "the population died out in {lost} of {} runs, by time {} at the earliest: its relative mass error is 1 from there \
             on, and W1 and W2 are over the runs in which cells live",
            runs.len(),
            later[k]
        ));
    }
    Ok(Evaluation {
        time_points,
        mean_w1: mean(Compared::w1),
        mean_rme: mean(|of| of.rme),
        action: action.flow,
        regularised_action: action.regularised,
        warnings,
    })
}

/// A predicted snapshot beside its cells; a population that died out has no distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compared {
    pub(crate) distances: Option<Distances>,
    pub(crate) rme: f64,
    /// How many particles there are.
    pub(crate) particles: usize,
}

impl Compared {
    fn w1(&self) -> f64 {
        self.distances.map_or(f64::NAN, |distances| distances.w1.mean)
    }

    fn w2(&self) -> f64 {
        self.distances.map_or(f64::NAN, |distances| distances.w2.mean)
    }
}

fn compare(
    start: f64,
    predicted: &Predicted,
    (snapshots, k): (&Snapshots, usize),
    (sampling, run): (&Sampling, u64),
    stop: &Stop,
) -> Result<Compared> {
    let rme = mass::relative_mass_error(start, predicted.mass(), snapshots, k)?;
    let lives = predicted.mass() > 0.0;
    let distances = || sampling.distances(predicted, &SnapshotCells::new(snapshots, k), run, stop);
    Ok(Compared { distances: lives.then(distances).transpose()?, rme, particles: predicted.len() })
}

/// How the distances of all runs to snapshot `k` were estimated, where any was: the standard error of their mean.
fn sampled(
    of_runs: &[Compared],
    sampling: &Sampling,
    snapshots: &Snapshots,
    k: usize,
    stop: &Stop,
) -> Result<Option<Sampled>> {
    let distances: Vec<Distances> = of_runs.iter().filter_map(|run| run.distances).collect();
    let Some(cells) = distances.iter().find_map(|distances| distances.cells) else { return Ok(None) };
    let error = |of: fn(&Distances) -> f64| {
        distances.iter().map(|distances| of(distances).powi(2)).sum::<f64>().sqrt() / distances.len() as f64
    };
    let largest = of_runs.iter().map(|run| run.particles).max().unwrap_or(0);
    let floor = sampling.floor(largest, &SnapshotCells::new(snapshots, k), stop)?;
    let [w1_floor, w2_floor] = floor.unwrap_or([f64::NAN; 2]);
    Ok(Some(Sampled { cells, w1_se: error(|of| of.w1.sd), w2_se: error(|of| of.w2.sd), w1_floor, w2_floor }))
}

/// Particles, for the static solvers.
fn cloud_of(particles: &Particles) -> Result<PointCloud> {
    let view = MatrixView::from_f32(&particles.points, particles.len(), particles.dims)?;
    PointCloud::new(view, Some(&particles.weights()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::ClosedForm;

    /// Cells that stay where they are and die at a rate, two at 0 and two at each later time.
    fn dying(rate: f32) -> (ClosedForm, Snapshots) {
        let fields = ClosedForm {
            dims: 1,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.fill(0.0)),
            growth: Box::new(move |_, _| -rate),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        let view = MatrixView::from_f32(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 6, 1).unwrap();
        (fields, Snapshots::new(view, &[0.0, 0.0, 1.0, 1.0, 9.0, 9.0], None).unwrap())
    }

    #[test]
    fn a_run_that_dies_out_has_the_mass_error_one_and_the_others_their_distances() {
        let mode = Mode::Branching {
            step: 0.1,
            motion: branching::Motion::Flow,
            turnover: 0.0,
            branching_rate: 0.0,
            max_population: 100,
        };
        let options = EvaluationOptions {
            mode,
            runs: 20,
            seed: 1,
            delta: 1.0,
            device: Device::Cpu,
            exact_cells: EvaluationOptions::EXACT_CELLS,
        };
        // Some of twenty pairs of cells live for a unit of time, and none for nine.
        let (fields, snapshots) = dying(1.0);
        let measured = evaluate(&fields, &snapshots, &options, &Stop::default()).unwrap();
        let [first, last] = measured.time_points[..] else { panic!("there are two") };
        assert!(first.w1.mean.is_finite() && first.rme.mean > 0.0 && first.rme.mean < 1.0);
        assert!(last.w1.mean.is_nan() && last.w2.mean.is_nan());
        assert_eq!((last.rme.mean, last.rme.sd), (1.0, 0.0));
        assert!(measured.mean_w1.mean.is_finite() && measured.mean_rme.mean > 0.5);
        assert!(measured.warnings[0].starts_with("the population died out in 20 of 20 runs, by time 1"));
        let (fields, snapshots) = dying(0.0);
        assert!(evaluate(&fields, &snapshots, &options, &Stop::default()).unwrap().warnings.is_empty());
    }

    #[test]
    fn a_request_to_stop_ends_an_evaluation_wherever_it_is() {
        let points: Vec<f32> = (0..600).map(|i| (i as f32).sin()).collect();
        let labels: Vec<f64> = (0..600).map(|i| f64::from(i / 200)).collect();
        let snapshots =
            Snapshots::new(MatrixView::from_f32(&points, 600, 1).unwrap(), &labels, None).unwrap();
        let euler = Mode::Ode(ode::Solver::Euler { step: 0.1 });
        let branching = Mode::Branching {
            step: 0.1,
            motion: branching::Motion::Flow,
            turnover: 0.0,
            branching_rate: 0.0,
            max_population: 1000,
        };
        // The fields ask for it: in a prediction, or late, and then in the action (the steps of predictions begin at 1.9 at the
        // latest, those of the action's grid go on).
        for (mode, after) in [(euler, 0.0), (euler, 1.91), (Mode::Sde { step: 0.1 }, 0.0), (branching, 0.0)] {
            let stop = Stop::default();
            let asked = stop.clone();
            let fields = ClosedForm {
                dims: 1,
                sigma: 0.1,
                velocity: Box::new(move |time, _, v| {
                    if time >= after {
                        asked.request();
                    }
                    v.fill(0.0);
                }),
                growth: Box::new(|_, _| 0.0),
                score_drift: Box::new(|_, _, s| s.fill(0.0)),
            };
            let options = EvaluationOptions {
                mode,
                runs: 2,
                seed: 0,
                delta: 1.0,
                device: Device::Cpu,
                exact_cells: EvaluationOptions::EXACT_CELLS,
            };
            assert_eq!(evaluate(&fields, &snapshots, &options, &stop), Err(Error::Cancelled), "{mode:?}");
            let learn =
                |_: &Snapshots| -> Result<ClosedForm> { panic!("nothing is learned after the request") };
            let held_out = hold_out::hold_out(&snapshots, &[1.0], learn, &options, &stop);
            assert_eq!(held_out, Err(Error::Cancelled));
        }
    }
}
