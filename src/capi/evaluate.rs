//! Evaluations.

use std::ffi::{c_char, c_void};

use super::json::{self, Measure};
use super::model::chreode_model;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, fill, fill_text, free, give, put, text};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::chreode_snapshots;
use super::status::{chreode_status, guard, guard_free};
use crate::error::Error;
use crate::evaluate::protocol::Protocol;
use crate::evaluate::{Evaluation, TimePoint};
use crate::exec::progress::Stage;
use crate::options::nearest;

/// How well a model predicts the snapshots after the first from the first.
pub struct chreode_evaluation(pub(super) Evaluation);

/// The measures of a time point.
const OF_TIMES: &[Measure<TimePoint>] = &[
    ("time", |point| point.time),
    ("w1", |point| point.w1.mean),
    ("w1_sd", |point| point.w1.sd),
    ("w2", |point| point.w2.mean),
    ("w2_sd", |point| point.w2.sd),
    ("rme", |point| point.rme.mean),
    ("rme_sd", |point| point.rme.sd),
    // NaN where there is no ensemble.
    ("w1_error", |point| point.errors.map_or(f64::NAN, |errors| errors.w1)),
    ("w2_error", |point| point.errors.map_or(f64::NAN, |errors| errors.w2)),
    ("rme_error", |point| point.errors.map_or(f64::NAN, |errors| errors.rme)),
    // Exact distances have no error, and NaN for cells and floor.
    ("w1_cells", |point| point.sampled.map_or(f64::NAN, |sampled| sampled.cells as f64)),
    ("w1_se", |point| point.sampled.map_or(0.0, |sampled| sampled.w1_se)),
    ("w2_se", |point| point.sampled.map_or(0.0, |sampled| sampled.w2_se)),
    ("w1_floor", |point| point.sampled.map_or(f64::NAN, |sampled| sampled.w1_floor)),
    ("w2_floor", |point| point.sampled.map_or(f64::NAN, |sampled| sampled.w2_floor)),
];

/// The measures of all time points together.
const OF_ALL: &[Measure<Evaluation>] = &[
    ("mean_w1", |all| all.mean_w1.mean),
    ("mean_w1_sd", |all| all.mean_w1.sd),
    ("mean_rme", |all| all.mean_rme.mean),
    ("mean_rme_sd", |all| all.mean_rme.sd),
    ("action", |all| all.action),
    // NaN where there is none.
    ("regularised_action", |all| all.regularised_action.unwrap_or(f64::NAN)),
];

fn by_name<T>(measures: &[Measure<T>], name: &str) -> Result<fn(&T) -> f64, Error> {
    let names = || measures.iter().map(|(name, _)| *name);
    let found = measures.iter().find(|(known, _)| *known == name).map(|(_, measure)| *measure);
    found.ok_or_else(|| {
        let all = names().collect::<Vec<_>>().join(" ");
        Error::argument("name", name, &format!("one of {all} (nearest: {})", nearest(name, names())))
    })
}

/// Predicts every later snapshot from all cells of the first and compares, by options of the list "evaluate" (NULL: all
/// defaults). The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's
/// threads are used. `progress` may be NULL; `user_data` is handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluate(
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    evaluation: *mut *mut chreode_evaluation,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("evaluation", evaluation)?;
        let model = borrow("model", model)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let protocol = build::<Protocol>(options)?;
        let dynamics = &model.dynamics;
        let listener = Listener::new(progress, user_data);
        let measured = model.workers.lend_as_asked(protocol.simulation.threads, |threads| {
            let work = |stop: &_| protocol.run(dynamics, snapshots, stop);
            listener.watch(Stage::Evaluation, threads, work)
        })??;
        give("evaluation", evaluation, chreode_evaluation(measured))
    })
}

/// Frees an evaluation. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluation_free(evaluation: *mut chreode_evaluation) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(evaluation) });
}

/// Tells the number of time points: all but the first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluation_time_count(
    evaluation: *const chreode_evaluation,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("evaluation", evaluation)?.0.time_points.len()) })
}

/// Gets a measure of every time point: "time"; "w1", "w2" (Wasserstein distances), "rme" (relative mass error), means over
/// the runs; "w1_sd", "w2_sd", "rme_sd", their standard deviations (0 for one run); "w1_error",
/// "w2_error", "rme_error", an ensemble's standard deviations by the cells (NaN for a model that is none, or with the option
/// `error_bars` off); "w1_cells", the points of each sample where there are more particles or cells than the option `exact_cells`, so
/// that W1 and W2 are means over samples (NaN where they are exact), "w1_se", "w2_se", the standard errors of that (0 where exact), and
/// "w1_floor", "w2_floor", the distances between two such samples of the cells themselves, which a perfect prediction would have (NaN
/// where exact, or where all cells are one sample). A population that died out has the relative
/// mass error 1 and no distances: those are over the runs in which cells live, NaN where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluation_values(
    evaluation: *const chreode_evaluation,
    name: *const c_char,
    values: *mut f64,
    values_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_evaluation(evaluation) = borrow("evaluation", evaluation)?;
        let measure = by_name(OF_TIMES, text("name", name)?)?;
        fill("values", values, values_count, evaluation.time_points.iter().map(measure))
    })
}

/// Tells a measure of all time points together: "mean_w1", "mean_rme", "mean_w1_sd", "mean_rme_sd", "action" (of the
/// flow, Wasserstein–Fisher–Rao) or "regularised_action" (of the diffusion, at the fit's own price of growth; NaN for a model
/// that solves no such problem).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluation_value(
    evaluation: *const chreode_evaluation,
    name: *const c_char,
    value: *mut f64,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_evaluation(evaluation) = borrow("evaluation", evaluation)?;
        put("value", value, by_name(OF_ALL, text("name", name)?)?(evaluation))
    })
}

/// Gets everything as a JSON object (size, then fill): the measures of all time points together by their names (null for NaN);
/// time_points, an array of objects with the measures of each; warnings, an array of sentences that say why the result may mean
/// little. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_evaluation_json(
    evaluation: *const chreode_evaluation,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_evaluation(evaluation) = borrow("evaluation", evaluation)?;
        let mut all = json::of_measures(OF_ALL, evaluation);
        let points = evaluation.time_points.iter().map(|point| json::of_measures(OF_TIMES, point));
        all["time_points"] = points.collect();
        all["warnings"] = evaluation.warnings.clone().into();
        fill_text(&all.to_string(), buffer, capacity, size)
    })
}
