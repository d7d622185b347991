//! One recipe with one seed, measured in every way that a table shows.

use std::ops::ControlFlow;

use chreode::FitOptions;
use chreode::datasets::GeneNetwork;
use chreode::evaluate::mass::growth_correlation;
use chreode::evaluate::protocol::Protocol;
use chreode::evaluate::validation::{Annotations, Scores, ValidationOptions};
use chreode::exec::progress::Progress;
use chreode::exec::stop::Stop;
use chreode::fields::Fields;
use chreode::method::{NamedRecipe, fit, validate};
use chreode::model::Dynamics;
use chreode::simulate::simulation::{Process, Simulation};
use chreode::snapshots::Snapshots;
use serde_json::{Value, json};

use crate::failure::Result;
use crate::progress::Bar;

/// What is measured beside the cells that were fitted.
#[derive(Debug, Clone, Copy)]
pub struct Honest {
    /// Halves that are held out, 0 for none.
    pub splits: usize,
    /// Whether inner times, where there are any, are left out in turn, too.
    pub hold_one_out: bool,
}

/// Fits and measures; a fit that fails is a result, too: its object has `failed` and what was said.
pub fn measure(
    what: &str,
    snapshots: &Snapshots,
    options: &FitOptions,
    honest: Honest,
    is_gene_network: bool,
) -> Result<Value> {
    let mut measured = match in_sample(what, snapshots, options, is_gene_network) {
        Ok(measured) => measured,
        Err(error) => return Ok(json!({ "failed": error.to_string() })),
    };
    if honest.splits == 0 {
        return Ok(measured);
    }
    let mut validation = ValidationOptions::default();
    (validation.splits, validation.seed) = (Some(honest.splits), options.seed);
    validation.hold_out_times = honest.hold_one_out && snapshots.len() > 2;
    let recipe = NamedRecipe { name: what.into(), options: options.clone() };
    let mut bar = Bar::new(&format!("{what}, held out"));
    let found =
        validate(snapshots, &Annotations::default(), &[recipe], &validation, &mut |now| bar.show(now))?;
    drop(bar);
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    measured["floor_w1"] = json!(mean(&mut found.floor.iter().map(|at| at.mean)));
    measured["nothing_moves_w1"] = json!(mean(&mut found.nothing_moves.iter().map(|at| at.w1)));
    measured["nothing_moves_ratio"] = json!(found.nothing_moves_ratio.mean);
    if !found.held_out_times.is_empty() {
        measured["mid_points_w1"] =
            json!(mean(&mut found.held_out_times.iter().map(|at| at.interpolation_w1)));
    }
    match &found.recipes[0].scores {
        Ok(scores) => add_scores(&mut measured, scores),
        Err(why) => measured["held_out_failed"] = json!(why),
    }
    Ok(measured)
}

fn add_scores(measured: &mut Value, scores: &Scores) {
    measured["ratio"] = json!(scores.ratio.mean);
    measured["energy"] = json!(scores.energy.mean);
    measured["held_out_w1"] = json!(scores.w1.mean);
    measured["held_out_rme"] = json!(scores.rme.mean);
    if let Some(w1) = scores.held_out_w1 {
        measured["hold_one_out"] = json!(w1.mean);
    }
}

/// The figures that papers show: of the cells that were fitted, predicted from the first snapshot.
fn in_sample(
    what: &str,
    snapshots: &Snapshots,
    options: &FitOptions,
    is_gene_network: bool,
) -> chreode::Result<Value> {
    let mut bar = Bar::new(what);
    let fitted = fit(snapshots, options, &mut |now: &Progress| -> ControlFlow<()> { bar.show(now) })?;
    drop(bar);
    if let Some(error) = fitted.stopped {
        return Err(error);
    }
    let model = &fitted.dynamics;
    let mut measured = predicted(model, snapshots, Process::Ode, options.seed)?;
    if model.has_score() {
        measured["sde"] = predicted(model, snapshots, Process::Sde, options.seed)?;
    }
    if is_gene_network && model.has_growth() && model.dims() == 2 {
        let truth = |_: f64, x: &[f32]| GeneNetwork::growth_shape(x);
        measured["growth_correlation"] =
            json!(growth_correlation(model, snapshots, truth, &Stop::default())?);
    }
    if let Some(seconds) = fitted.report.cpu_seconds {
        measured["cpu_seconds"] = json!(seconds);
    }
    measured["parameters"] = json!(model.parameter_count());
    measured["grows"] = json!(model.has_growth() || model.branches() > 0);
    measured["warnings"] = json!(fitted.report.warnings);
    Ok(measured)
}

fn predicted(model: &Dynamics, snapshots: &Snapshots, process: Process, seed: u64) -> chreode::Result<Value> {
    let simulation = Simulation { process, seed, ..Simulation::default() };
    let evaluation =
        Protocol { simulation, ..Protocol::default() }.run(model, snapshots, &Stop::default())?;
    let points = &evaluation.time_points;
    Ok(json!({
        "times": points.iter().map(|point| point.time).collect::<Vec<_>>(),
        "w1": points.iter().map(|point| point.w1.mean).collect::<Vec<_>>(),
        "mean_w1": evaluation.mean_w1.mean,
        "rme": evaluation.mean_rme.mean,
        "action": evaluation.action,
    }))
}
