//! What a report shows of a model: everything that has to be computed before anything is drawn.

use chreode::device::Device;
use chreode::evaluate::ensemble::{evaluate_model, masses as estimated_masses};
use chreode::evaluate::{Evaluation, EvaluationOptions, Mode};
use chreode::exec::stop::Stop;
use chreode::fates;
use chreode::fields::{FieldValues, Fields, Scratch, SpreadScratch};
use chreode::method::{self, FitOptions, FitReport};
use chreode::model::Dynamics;
use chreode::simulate::branching::{self, BranchingTrajectory};
use chreode::simulate::simulation::Simulation;
use chreode::simulate::{Particles, ode};
use chreode::snapshots::Snapshots;
use chreode::statistics::Estimate;

use super::labels::LabelledCells;
use super::svg::Axis;
use super::view::View;
use crate::cells::{Data, Described, Embedding};
use crate::failure::Result;
use crate::simulate::choose;

/// The cells that a page is about, with what is known of them.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    pub data: &'a Data,
    labels: Option<&'a (fates::Labels, Vec<String>)>,
    embedding: Option<&'a Embedding>,
}

impl<'a> From<&'a Data> for Observed<'a> {
    fn from(data: &'a Data) -> Self {
        Self { data, labels: None, embedding: None }
    }
}

impl<'a> From<&'a Described> for Observed<'a> {
    fn from(described: &'a Described) -> Self {
        let Described { data, labels, embedding } = described;
        Self { data, labels: labels.as_ref(), embedding: embedding.as_ref() }
    }
}

/// How a model was fitted, where that is known.
#[derive(Debug, Clone, Copy)]
pub struct Fitted<'a> {
    pub options: &'a FitOptions,
    pub report: &'a FitReport,
}

/// A model and what it predicts.
#[derive(Debug)]
pub struct ModelSection<'a> {
    pub fitted: Option<Fitted<'a>>,
    pub model: &'a Dynamics,
    /// Of what is random in the section.
    pub seed: u64,
    pub held_out: Vec<f64>,
    /// The data that is predicted and drawn: all cells, or a sample that keeps every mass.
    pub shown: Snapshots,
    /// The cells of each snapshot, drawn or not.
    pub counts: Vec<usize>,
    /// Where they are drawn.
    pub view: View,
    /// The places there of the cells of each snapshot.
    pub places: Vec<Vec<(f64, f64)>>,
    /// The axes of all pictures of the plane.
    pub axes: [Axis; 2],
    /// The probability flow from the first snapshot at the fine times; or why there is none.
    pub flow: std::result::Result<Vec<Particles>, String>,
    /// The places of its particles, of each frame.
    pub flow_places: Vec<Vec<(f64, f64)>>,
    /// The measures; or why there are none.
    pub evaluation: std::result::Result<Evaluation, String>,
    /// Branching populations from the same founders with consecutive seeds, at least one; or why there are none.
    pub populations: std::result::Result<Vec<BranchingTrajectory>, String>,
    /// The learned growth rate at the cells of each snapshot.
    pub growth: Vec<Vec<f32>>,
    /// Of an ensemble, that less its bias, with the standard deviation of its error.
    pub unbiased_growth: Option<Vec<Vec<Estimate>>>,
    /// Of an ensemble, the masses of the flow with their errors.
    pub masses: Option<Vec<Estimate>>,
    /// The labels of the cells, if there are any, and what cells become by them.
    pub labels: Option<LabelledCells>,
}

/// Cells a time point that a report predicts and draws, at most.
const CELLS: usize = 1500;
/// Cells of all times together that one picture draws, at most: each takes some 13 bytes of the page.
const DRAWN: usize = 12_000;
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
    /// Predicts the `observed` cells by a fitted model. What cannot be predicted is told in the report instead of failing it:
    /// the fit itself has succeeded.
    pub fn of_fit(
        observed: &Observed<'_>,
        options: &'a FitOptions,
        fitted: &'a method::Fit,
        held_out: &[f64],
    ) -> Result<Self> {
        let how = Fitted { options, report: &fitted.report };
        let section = Self::new(observed, &fitted.dynamics, options.seed)?;
        Ok(Self { fitted: Some(how), held_out: held_out.to_vec(), ..section })
    }

    /// The same by a model of which nothing else is known.
    pub fn new(observed: &Observed<'_>, model: &'a Dynamics, seed: u64) -> Result<Self> {
        let Data { snapshots, names } = observed.data;
        let fine = fine_times(snapshots.times(), FINE);
        let rows = sample(snapshots, fine.len(), seed);
        let masses: Vec<f64> = (0..snapshots.len()).map(|k| snapshots.mass(k)).collect();
        let shown = snapshots.subset(&rows)?.with_masses(&masses)?;
        let view = match observed.embedding {
            Some(embedding) => View::embedded(snapshots, embedding),
            None => View::of(snapshots, names),
        };
        let places = match observed.embedding {
            Some(embedding) => embedded(embedding, snapshots, &rows),
            None => (0..shown.len()).map(|k| view.places(&shown.points(k), shown.dims())).collect(),
        };
        let times = shown.times();
        let start = Particles::of_snapshot(&shown, 0);
        let flow = ode::integrate(model, &start, &fine, &ode::Solver::default(), &Stop::default());
        let masses = match &flow {
            Ok(flow) => {
                estimated_masses(model, &Simulation::default(), &start, &flow.frames, &Stop::default())?
            }
            Err(_) => None,
        };
        let flow = flow.map(|flow| flow.frames).map_err(|error| error.to_string());
        let flow_places: Vec<Vec<(f64, f64)>> =
            flow.iter().flatten().map(|frame| view.places(&frame.points, frame.dims)).collect();
        let evaluation = evaluate_model(
            model,
            &shown,
            &EvaluationOptions {
                mode: Mode::Ode(ode::Solver::default()),
                runs: 1,
                seed,
                delta: model.info().delta.unwrap_or(1.0),
                device: Device::Cpu,
                exact_cells: EvaluationOptions::EXACT_CELLS,
            },
            true,
            &Stop::default(),
        );
        let growth: Vec<Vec<f32>> = (0..shown.len()).map(|k| growth(model, &shown, k)).collect();
        let unbiased = || (0..shown.len()).map(|k| unbiased_growth(model, &shown, k, &growth[k])).collect();
        let unbiased_growth = (model.members() > 1).then(unbiased).transpose()?;
        let populations = if model.has_growth() {
            branch(model, &start, &fine, times, seed).map_err(|error| error.to_string())
        } else if model.branches() > 0 {
            Err("what goes into its branches are weights of particles, of which none divides or dies".into())
        } else {
            Err("this method learns no growth, so nothing divides or dies".into())
        };
        let labels = observed
            .labels
            .and_then(|labels| LabelledCells::new(model, snapshots, labels, (&shown, &rows), seed));
        Ok(Self {
            fitted: None,
            model,
            seed,
            held_out: vec![],
            axes: axes(&view.labels, &places, flow_places.last()),
            growth,
            unbiased_growth,
            masses,
            counts: (0..snapshots.len()).map(|k| snapshots.count(k)).collect(),
            shown,
            view,
            places,
            flow,
            flow_places,
            evaluation: evaluation.map_err(|error| error.to_string()),
            populations,
            labels,
        })
    }

    /// The magnitude of growth rates at which colours end: a few extreme cells must not make all others grey.
    pub fn largest_growth(&self) -> f64 {
        let mut magnitudes: Vec<f64> = self.growth.iter().flatten().map(|&g| f64::from(g).abs()).collect();
        magnitudes.sort_by(f64::total_cmp);
        magnitudes[(magnitudes.len() - 1) * 99 / 100].max(f64::MIN_POSITIVE)
    }

    /// Of the cells that are shown, pictures of all times draw every so-manyth.
    pub fn stride(&self) -> usize {
        self.shown.cells().div_ceil(DRAWN)
    }

    /// The rows of the cells of snapshot `k` that pictures of all times draw.
    pub fn drawn(&self, k: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.shown.count(k)).step_by(self.stride())
    }

    /// Whether pictures and predictions are of a sample of the cells: of so many a time point, at most.
    pub fn sample(&self) -> Option<usize> {
        let shown = (0..self.shown.len()).map(|k| self.shown.count(k));
        let is_sample = shown.clone().zip(&self.counts).any(|(shown, &all)| shown < all);
        shown.max().filter(|_| is_sample)
    }
}

/// About so many times, for smooth curves, the snapshots' own among them.
pub fn fine_times(times: &[f64], count: usize) -> Vec<f64> {
    let pieces = count.div_ceil((times.len() - 1).max(1));
    let within = |pair: &[f64]| {
        let (from, to) = (pair[0], pair[1]);
        (0..pieces).map(move |i| from + (to - from) * i as f64 / pieces as f64).collect::<Vec<f64>>()
    };
    let mut fine: Vec<f64> = times.windows(2).flat_map(within).chain(times.last().copied()).collect();
    // Times so near each other that nothing lies between them.
    fine.dedup();
    fine
}

/// The rows of some cells of each snapshot; so few that `frames` of them fit in memory.
fn sample(snapshots: &Snapshots, frames: usize, seed: u64) -> Vec<Vec<usize>> {
    let dims = snapshots.dims();
    let most = (KEPT / (frames * dims)).clamp(100, CELLS);
    let some = |k: usize| {
        let rows = choose(snapshots.count(k), snapshots.count(k).min(most), seed);
        // A sample without any mass cannot stand for its snapshot.
        let has_mass = rows.iter().any(|&row| snapshots.weights(k)[row] > 0.0);
        if has_mass { rows } else { (0..snapshots.count(k)).collect() }
    };
    (0..snapshots.len()).map(some).collect()
}

/// The places of some rows of each snapshot.
fn embedded(embedding: &Embedding, snapshots: &Snapshots, rows: &[Vec<usize>]) -> Vec<Vec<(f64, f64)>> {
    let mut first = 0;
    let of_snapshot = |(k, rows): (usize, &Vec<usize>)| {
        let places = rows.iter().map(|&row| embedding.places[first + row]).collect();
        first += snapshots.count(k);
        places
    };
    rows.iter().enumerate().map(of_snapshot).collect()
}

/// Axes that hold the observed cells, and the predicted ones unless they are far out.
fn axes(names: &[String; 2], observed: &[Vec<(f64, f64)>], predicted: Option<&Vec<(f64, f64)>>) -> [Axis; 2] {
    let axis = |label: &str, along: fn(&(f64, f64)) -> f64| {
        let near = Axis::around(label, observed.iter().flatten().map(along));
        let room = 0.2 * (near.to - near.from);
        let within = |x: &f64| (near.from - room..=near.to + room).contains(x);
        let all = observed.iter().flatten().chain(predicted.into_iter().flatten());
        Axis::around(label, all.map(along).filter(within))
    };
    [axis(&names[0], |p| p.0), axis(&names[1], |p| p.1)]
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
    if !model.has_growth() {
        return growth;
    }
    let values = FieldValues { growth: Some(&mut growth), ..Default::default() };
    model.evaluate(snapshots.times()[k], &snapshots.points(k), values, &mut Scratch::default());
    growth
}

fn unbiased_growth(
    model: &Dynamics,
    snapshots: &Snapshots,
    k: usize,
    growth: &[f32],
) -> chreode::Result<Vec<Estimate>> {
    let (time, points) = (snapshots.times()[k], snapshots.points(k));
    let (mut bias, mut sd) = (vec![0.0; snapshots.count(k)], vec![0.0; snapshots.count(k)]);
    let of = |values| FieldValues { growth: Some(values), ..Default::default() };
    model.field_bias(time, &points, of(&mut bias), &mut Scratch::default())?;
    model.field_sd(time, &points, of(&mut sd), &mut SpreadScratch::default())?;
    let estimate =
        |((g, bias), sd): ((&f32, &f32), &f32)| Estimate { mean: (g - bias).into(), sd: (*sd).into() };
    Ok(growth.iter().zip(&bias).zip(&sd).map(estimate).collect())
}
