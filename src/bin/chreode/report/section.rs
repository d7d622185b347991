//! What a report shows of a model: everything that has to be computed before anything is drawn.

use chreode::device::Device;
use chreode::evaluate::ensemble::{evaluate_model, masses};
use chreode::evaluate::{Evaluation, EvaluationOptions, Mode};
use chreode::exec::stop::Stop;
use chreode::fields::{FieldValues, Fields, Scratch, SpreadScratch};
use chreode::method::{self, FitOptions, FitReport};
use chreode::model::Dynamics;
use chreode::simulate::branching::{self, BranchingTrajectory};
use chreode::simulate::simulation::Simulation;
use chreode::simulate::{Particles, ode};
use chreode::snapshots::Snapshots;
use chreode::statistics::Estimate;

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
    /// The cells of each snapshot, drawn or not.
    pub counts: Vec<usize>,
    /// The probability flow from the first snapshot at the fine times; or why there is none.
    pub flow: std::result::Result<Vec<Particles>, String>,
    /// The measures; or why there are none.
    pub evaluation: std::result::Result<Evaluation, String>,
    /// Branching populations from the same founders with consecutive seeds, at least one; or why there are none.
    pub populations: std::result::Result<Vec<BranchingTrajectory>, String>,
    /// The learned growth rate at the cells of each snapshot.
    pub growth: Vec<Vec<f32>>,
    /// Of an ensemble, the standard deviations of its errors there.
    pub growth_sd: Option<Vec<Vec<f32>>>,
    /// Of an ensemble, the masses of the flow with their errors.
    pub masses: Option<Vec<Estimate>>,
}

/// Cells a time point that a report predicts and draws, at most.
const CELLS: usize = 1500;
/// Founders of the branching simulation, at most.
const FOUNDERS: usize = 400;
/// Branching simulations, which differ by chance.
const POPULATIONS: u64 = 8;
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
        let model = &fitted.dynamics;
        let times = shown.times();
        let start = Particles::of_snapshot(&shown, 0);
        let flow = ode::integrate(model, &start, &fine, &ode::Solver::default(), &Stop::default());
        let masses = match &flow {
            Ok(flow) => masses(model, &Simulation::default(), &start, &flow.frames, &Stop::default())?,
            Err(_) => None,
        };
        let evaluation = evaluate_model(
            model,
            &shown,
            &EvaluationOptions {
                mode: Mode::Ode(ode::Solver::default()),
                runs: 1,
                seed: options.seed,
                delta: model.info().delta.unwrap_or(1.0),
                device: Device::Cpu,
                exact_cells: EvaluationOptions::EXACT_CELLS,
            },
            true,
            &Stop::default(),
        );
        let growth_sd = || (0..shown.len()).map(|k| growth_sd(model, &shown, k)).collect();
        let growth_sd = (model.members() > 1).then(growth_sd).transpose()?;
        let populations = if model.has_growth() {
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
            growth_sd,
            masses,
            shown,
            counts: (0..snapshots.len()).map(|k| snapshots.count(k)).collect(),
            flow: flow.map(|flow| flow.frames).map_err(|error| error.to_string()),
            evaluation: evaluation.map_err(|error| error.to_string()),
            populations,
        })
    }

    /// Whether pictures and predictions are of a sample of the cells: of so many a time point, at most.
    pub fn sample(&self) -> Option<usize> {
        let shown = (0..self.shown.len()).map(|k| self.shown.count(k));
        let is_sample = shown.clone().zip(&self.counts).any(|(shown, &all)| shown < all);
        shown.max().filter(|_| is_sample)
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
    let some = |k: usize| {
        let rows = choose(snapshots.count(k), snapshots.count(k).min(most), seed);
        // A sample without any mass cannot stand for its snapshot.
        let has_mass = rows.iter().any(|&row| snapshots.weights(k)[row] > 0.0);
        if has_mass { rows } else { (0..snapshots.count(k)).collect() }
    };
    let rows: Vec<Vec<usize>> = (0..snapshots.len()).map(some).collect();
    let masses: Vec<f64> = (0..snapshots.len()).map(|k| snapshots.mass(k)).collect();
    Ok(snapshots.subset(&rows)?.with_masses(&masses)?)
}

/// Branching populations from some of the `start`ing cells, each of weight 1.
fn branch(
    model: &Dynamics,
    start: &Particles,
    fine: &[f64],
    times: &[f64],
    seed: u64,
) -> chreode::Result<Vec<BranchingTrajectory>> {
    let rows = choose(start.len(), start.len().min(FOUNDERS), seed);
    let points = rows.iter().flat_map(|&row| start.point(row)).copied().collect();
    let founders = Particles::new(start.time, start.dims, points, None)?;
    let rule = Simulation::default();
    let simulate = |seed: u64| {
        let options = branching::Options {
            motion: rule.motion_of(model),
            max_population: MAX_POPULATION,
            ..branching::Options::new(rule.step_from(times[0], times), seed)
        };
        branching::simulate(model, &founders, fine, &options, &Stop::default())
    };
    (0..POPULATIONS).map(|run| simulate(seed.wrapping_add(run))).collect()
}

fn growth(model: &Dynamics, snapshots: &Snapshots, k: usize) -> Vec<f32> {
    let mut growth = vec![0.0; snapshots.count(k)];
    let values = FieldValues { growth: Some(&mut growth), ..Default::default() };
    model.evaluate(snapshots.times()[k], &snapshots.points(k), values, &mut Scratch::default());
    growth
}

fn growth_sd(model: &Dynamics, snapshots: &Snapshots, k: usize) -> chreode::Result<Vec<f32>> {
    let mut sd = vec![0.0; snapshots.count(k)];
    let values = FieldValues { growth: Some(&mut sd), ..Default::default() };
    model.field_sd(snapshots.times()[k], &snapshots.points(k), values, &mut SpreadScratch::default())?;
    Ok(sd)
}
