//! What a report shows of a model: everything that has to be computed before anything is drawn.

use chreode::device::Device;
use chreode::evaluate::{Evaluation, EvaluationOptions, Mode, evaluate};
use chreode::exec::stop::Stop;
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::method::{self, FitOptions, FitReport};
use chreode::model::Dynamics;
use chreode::simulate::branching::{self, BranchingTrajectory};
use chreode::simulate::simulation::Simulation;
use chreode::simulate::{Particles, ode};
use chreode::snapshots::{MatrixView, Snapshots};

use crate::failure::Result;
use crate::simulate::choose;

/// A fitted model and what it predicts.
#[derive(Debug)]
pub struct ModelSection<'a> {
    pub options: &'a FitOptions,
    pub report: &'a FitReport,
    pub model: &'a Dynamics,
    pub held_out: Vec<f64>,
    /// The data that is predicted and drawn: all cells, or a sample that keeps every mass.
    pub shown: Snapshots,
    /// Whether `shown` is a sample.
    pub sampled: bool,
    /// The probability flow from the first snapshot at the fine times; or why there is none.
    pub flow: std::result::Result<Vec<Particles>, String>,
    /// The measures; or why there are none.
    pub evaluation: std::result::Result<Evaluation, String>,
    /// A branching population; or why there is none.
    pub population: std::result::Result<BranchingTrajectory, String>,
    /// The learned growth rate at the cells of each snapshot.
    pub growth: Vec<Vec<f32>>,
}

/// Cells a time point that a report predicts and draws, at most.
const CELLS: usize = 1500;
/// Founders of the branching simulation, at most.
const FOUNDERS: usize = 400;
/// The population at which it is given up.
const MAX_POPULATION: usize = 50_000;
/// The times of curves, about.
const FINE: usize = 60;
/// Coordinates that are kept of all cells at all fine times, at most.
const KEPT: usize = 20_000_000;

impl<'a> ModelSection<'a> {
    /// Predicts `snapshots` by a fitted model. What cannot be predicted is told in the report instead of failing it:
    /// the fit itself has succeeded.
    pub fn new(
        snapshots: &Snapshots,
        options: &'a FitOptions,
        fitted: &'a method::Fit,
        held_out: &[f64],
    ) -> Result<Self> {
        let fine = fine_times(snapshots.times());
        let shown = sample(snapshots, fine.len(), options.seed)?;
        let sampled = (0..snapshots.len()).any(|k| shown.count(k) < snapshots.count(k));
        let model = &fitted.dynamics;
        let times = shown.times();
        let start = Particles::of_snapshot(&shown, 0);
        let flow = ode::integrate(model, &start, &fine, &ode::Solver::default(), &Stop::default());
        let evaluation = evaluate(
            model,
            &shown,
            &EvaluationOptions {
                mode: Mode::Ode(ode::Solver::default()),
                runs: 1,
                seed: options.seed,
                delta: model.info().delta.unwrap_or(1.0),
                device: Device::Cpu,
            },
            &Stop::default(),
        );
        let population = if model.has_growth() {
            branch(model, &start, &fine, times, options.seed).map_err(|error| error.to_string())
        } else {
            Err("this method learns no growth, so nothing divides or dies".into())
        };
        Ok(Self {
            options,
            report: &fitted.report,
            model,
            held_out: held_out.to_vec(),
            growth: (0..shown.len()).map(|k| growth(model, &shown, k)).collect(),
            shown,
            sampled,
            flow: flow.map(|flow| flow.frames).map_err(|error| error.to_string()),
            evaluation: evaluation.map_err(|error| error.to_string()),
            population,
        })
    }
}

/// Times of smooth curves, the snapshots' own among them.
fn fine_times(times: &[f64]) -> Vec<f64> {
    let pieces = FINE.div_ceil((times.len() - 1).max(1));
    let within = |pair: &[f64]| {
        let (from, to) = (pair[0], pair[1]);
        (0..pieces).map(move |i| from + (to - from) * i as f64 / pieces as f64).collect::<Vec<f64>>()
    };
    let mut fine: Vec<f64> = times.windows(2).flat_map(within).chain(times.last().copied()).collect();
    // Times so near each other that nothing lies between them.
    fine.dedup();
    fine
}

/// Some cells of each snapshot, with weights that keep its mass; so few that `frames` of them fit in memory.
fn sample(snapshots: &Snapshots, frames: usize, seed: u64) -> Result<Snapshots> {
    let dims = snapshots.dims();
    let most = (KEPT / (frames * dims)).clamp(100, CELLS);
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for (k, &time) in snapshots.times().iter().enumerate() {
        let rows = choose(snapshots.count(k), snapshots.count(k).min(most), seed);
        let kept: f64 = rows.iter().map(|&row| snapshots.weights(k)[row]).sum();
        // A sample without any mass cannot stand for its snapshot.
        let rows = if kept > 0.0 { rows } else { (0..snapshots.count(k)).collect() };
        let factor = if kept > 0.0 { snapshots.mass(k) / kept } else { 1.0 };
        for row in rows {
            points.extend_from_slice(&snapshots.points(k)[row * dims..(row + 1) * dims]);
            labels.push(time);
            weights.push(snapshots.weights(k)[row] * factor);
        }
    }
    Ok(Snapshots::new(MatrixView::from_f32(&points, labels.len(), dims)?, &labels, Some(&weights))?)
}

/// A branching population from some of the `start`ing cells, each of weight 1.
fn branch(
    model: &Dynamics,
    start: &Particles,
    fine: &[f64],
    times: &[f64],
    seed: u64,
) -> chreode::Result<BranchingTrajectory> {
    let rows = choose(start.len(), start.len().min(FOUNDERS), seed);
    let points = rows.iter().flat_map(|&row| start.point(row)).copied().collect();
    let founders = Particles::new(start.time, start.dims, points, None)?;
    let rule = Simulation::default();
    let options = branching::Options {
        motion: rule.motion_of(model),
        max_population: MAX_POPULATION,
        ..branching::Options::new(rule.step_from(times[0], times), seed)
    };
    branching::simulate(model, &founders, fine, &options, &Stop::default())
}

fn growth(model: &Dynamics, snapshots: &Snapshots, k: usize) -> Vec<f32> {
    let mut growth = vec![0.0; snapshots.count(k)];
    let values = FieldValues { growth: Some(&mut growth), ..Default::default() };
    model.evaluate(snapshots.times()[k], snapshots.points(k), values, &mut Scratch::default());
    growth
}
