//! How good a fit is: the measures of quality by which methods are compared.

pub mod action;
pub mod energy;
pub mod ensemble;
pub mod hold_out;
pub mod mass;
pub mod protocol;
pub mod validation;
pub mod wasserstein;

use rayon::prelude::*;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::{
    Particles, Trajectory, backend, branching, extrapolation, ode, resampling, sde, straying,
};
use crate::snapshots::{MatrixView, Snapshots};
use crate::statistics::Estimate;
use crate::transport::PointCloud;

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
    /// Of an ensemble, how much these differ between its members: see [`ensemble::evaluate_model`].
    pub errors: Option<MemberErrors>,
}

/// The standard deviations of measures of one snapshot over the members of an ensemble: how much the measures depend on which
/// cells were drawn.
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
/// 2026): W1 without square root, exact; RME against the masses of the snapshots; see also [`action`] and [`mass`].
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
    Ok(summarise(fields, snapshots, &runs, action))
}

/// Refuses what cannot be evaluated.
pub(crate) fn check(snapshots: &Snapshots, options: &EvaluationOptions) -> Result<()> {
    if snapshots.len() < 2 {
        return Err(Error::InvalidData("an evaluation needs cells at two times or more".into()));
    }
    if options.runs == 0 {
        return Err(Error::argument("runs", 0, "at least 1"));
    }
    Ok(())
}

impl EvaluationOptions {
    /// How many runs there are: the flow needs one.
    pub(crate) fn run_count(&self) -> usize {
        if matches!(self.mode, Mode::Ode(_)) { 1 } else { self.runs }
    }
}

/// One prediction of all later snapshots.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// W1, W2 and RME at each later time.
    pub(crate) measures: Vec<[f64; 3]>,
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
        let start = Particles::of_snapshot(snapshots, 0);
        let (later, seed) = (&snapshots.times()[1..], options.seed.wrapping_add(run as u64));
        let predicted = predict(fields, &start, later, options, seed, stop)?;
        let strayed = straying(&predicted);
        let compare = |(k, frame): (usize, &Particles)| compare(&start, frame, snapshots, k + 1, stop);
        let measures: Vec<Result<[f64; 3]>> = predicted.frames.par_iter().enumerate().map(compare).collect();
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

/// The measures of each later time over runs.
fn time_points(later: &[f64], runs: &[Run]) -> Vec<TimePoint> {
    let over_runs =
        |k: usize, measure: usize| Statistic::of(runs.iter().map(move |run| run.measures[k][measure]));
    let time_point = |(k, &time): (usize, &f64)| TimePoint {
        time,
        w1: over_runs(k, 0),
        w2: over_runs(k, 1),
        rme: over_runs(k, 2),
        errors: None,
    };
    later.iter().enumerate().map(time_point).collect()
}

/// Puts all runs and the action together.
pub(crate) fn summarise(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    runs: &[Run],
    action: action::PathAction,
) -> Evaluation {
    let later = &snapshots.times()[1..];
    let mean = |measure: usize| {
        let of_run = |run: &Run| Statistic::of(run.measures.iter().map(|m| m[measure])).mean;
        Statistic::of(runs.iter().map(of_run))
    };
    let mut warnings = Vec::from_iter(extrapolation(fields, snapshots.times().iter().copied()));
    warnings.extend(runs.iter().find_map(|run| run.strayed.clone()));
    let extinct = |k: &usize| runs.iter().any(|run| run.measures[*k][0].is_nan());
    if let Some(k) = (0..later.len()).find(extinct) {
        let lost = runs.iter().filter(|run| run.measures.iter().any(|m| m[0].is_nan())).count();
        warnings.push(format!(
            "the population died out in {lost} of {} runs, by time {} at the earliest: its relative mass error is 1 from there \
             on, and W1 and W2 are over the runs in which cells live",
            runs.len(),
            later[k]
        ));
    }
    Evaluation {
        time_points: time_points(later, runs),
        mean_w1: mean(0),
        mean_rme: mean(2),
        action: action.flow,
        regularised_action: action.regularised,
        warnings,
    }
}

fn predict(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &EvaluationOptions,
    seed: u64,
    stop: &Stop,
) -> Result<Trajectory> {
    let open = |adaptive| backend::open(options.device, fields, start.len(), adaptive);
    match options.mode {
        Mode::Ode(solver) => {
            let adaptive = matches!(solver, ode::Solver::DormandPrince(_));
            open(adaptive)?.flow(start, times, &solver, stop)
        }
        Mode::Sde { step } => open(false)?.diffusion(start, times, &sde::Options::new(step, seed), stop),
        Mode::Branching { step, motion, turnover, max_population } => {
            let options = branching::Options { step, seed, motion, turnover, max_population };
            let start = resampling::equal(start, seed)?;
            Ok(open(false)?.branching(&start, times, &options, stop)?.trajectory)
        }
    }
}

/// W1, W2 and RME of a predicted snapshot; a population that died out has the distances NaN.
fn compare(
    start: &Particles,
    predicted: &Particles,
    snapshots: &Snapshots,
    k: usize,
    stop: &Stop,
) -> Result<[f64; 3]> {
    let rme = mass::relative_mass_error(start.mass(), predicted.mass(), snapshots, k)?;
    if predicted.mass() <= 0.0 {
        return Ok([f64::NAN, f64::NAN, rme]);
    }
    let (particles, cells) = (cloud_of(predicted)?, cloud(snapshots, k)?);
    Ok([wasserstein::exact1(&particles, &cells, stop)?, wasserstein::exact2(&particles, &cells, stop)?, rme])
}

/// The cells of a snapshot, for the static solvers.
fn cloud(snapshots: &Snapshots, k: usize) -> Result<PointCloud> {
    let view = MatrixView::from_f32(snapshots.points(k), snapshots.count(k), snapshots.dims())?;
    PointCloud::new(view, Some(snapshots.weights(k)))
}

/// Particles, likewise.
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
            max_population: 100,
        };
        let options = EvaluationOptions { mode, runs: 20, seed: 1, delta: 1.0, device: Device::Cpu };
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
            let options = EvaluationOptions { mode, runs: 2, seed: 0, delta: 1.0, device: Device::Cpu };
            assert_eq!(evaluate(&fields, &snapshots, &options, &stop), Err(Error::Cancelled), "{mode:?}");
            let learn =
                |_: &Snapshots| -> Result<ClosedForm> { panic!("nothing is learned after the request") };
            let held_out = hold_out::hold_out(&snapshots, &[1.0], learn, &options, &stop);
            assert_eq!(held_out, Err(Error::Cancelled));
        }
    }
}
