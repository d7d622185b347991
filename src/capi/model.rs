//! Models: what they are, and their bytes.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;

use serde_json::Value;

use super::json;
use super::pointers::{
    borrow, borrow_mut, c_text, clear, fill, fill_bytes, fill_text, free, give, put, slice, text,
};
use super::status::{Failure, chreode_status, guard, guard_free};
use super::workers::Workers;
use crate::error::Error;
use crate::fields::Fields;
use crate::method::FitReport;
use crate::model::Dynamics;

/// The attributes that a file keeps the report and the losses by.
const REPORT: &str = "report";
pub(super) const LOSSES: &str = "losses";

/// Learned dynamics: velocity, growth rate and score drift of a population.
pub struct chreode_model {
    pub(super) dynamics: Dynamics,
    /// Of a model that was fitted by this process.
    report: Option<FitReport>,
    /// Of this process's fit, or of the one that wrote the file that the model is from.
    losses: Vec<f64>,
    pub(super) workers: Workers,
}

impl chreode_model {
    pub(super) fn new(dynamics: Dynamics, report: Option<FitReport>, workers: Workers) -> Self {
        let kept = || serde_json::from_str(dynamics.info().attributes.get(LOSSES)?).ok();
        let losses = report.as_ref().map(|report| report.losses.clone()).or_else(kept).unwrap_or_default();
        Self { dynamics, report, losses, workers }
    }

    /// How the fit went: of this process, or of the one that wrote the file that the model is from.
    fn report_json(&self) -> Option<Value> {
        let kept = || serde_json::from_str(self.dynamics.info().attributes.get(REPORT)?).ok();
        self.report.as_ref().map(FitReport::to_json).or_else(kept)
    }

    fn losses(&self) -> &[f64] {
        &self.losses
    }
}

/// Frees a model. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_free(model: *mut chreode_model) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(model) });
}

/// Tells the number of coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_dims(model: *const chreode_model, dims: *mut usize) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("dims", dims, borrow("model", model)?.dynamics.dims()) })
}

/// Gets what the model is, as a JSON object (size, then fill): method, dims, sigma, delta (null for a method without
/// growth), times, seed (as text), epochs, members, stretch (see `chreode_model_member`), branches, uncertainty (of an ensemble, by field the root mean square errors
/// "sampling", over the members, and "resolution", what the distance of the snapshots, or the price of growth, adds, in network units of an interval, and
/// "shrinkage", what the deviations over the members are multiplied by where they say more than other cells can explain (0 to 1), and "biased", whether it is
/// the price of growth that matters most, in proportion to its inverse, so that quantiles lie around the field less its bias; else null),
/// parameters, has_growth, has_score, has_landscape, fields (the names of those
/// that were learned), coordinates and masses (null where nobody set them), attributes (an object of texts), has_couplings (whether it keeps those of its
/// cells, see chreode_model_couplings). Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_info(
    model: *const chreode_model,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let text = json::of_model(&borrow("model", model)?.dynamics).to_string();
        fill_text(&text, buffer, capacity, size)
    })
}

/// Gets how the fit went, as a JSON object (size, then fill), the same that the command prints: delta, sigma, final_sigma,
/// branching_rate, penalty (chosen or given; null where the method has none), choices (name, value and rule of each),
/// unmatched_mass ([dying, born] of each interval), pairs and couplings (blocks, iterations, relative_gap, whole_gap,
/// whole_gap_error, converged of each interval; the relative gap is the largest of the blocks, the whole gap an estimate, with
/// its standard error, of how far the coupling in blocks is from the best one of all cells at the most), epochs, first_loss, last_loss, interpolant (null, or epochs, first_loss and last_loss of the paths' own training), branches (null, or cells, mass, pairs and relative_gap of each), rollout (null, or the losses of the stages "pre-training", "local", "post-local", "fine-tuning", "score", "growth" and "joint" and the
/// terms of the last loss by name), ensemble (null, or members, coarse_fits, cheaper_fits and uncertainty; the rest is then that of the first
/// member), growth_over_branching_rate, warnings (sentences that say why the fit may mean little),
/// coupling_seconds, training_seconds, cpu_seconds (null where the system does not tell). A model's file keeps it; `null` for a model from bytes. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_report(
    model: *const chreode_model,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let report = borrow("model", model)?.report_json().unwrap_or_default();
        fill_text(&report.to_string(), buffer, capacity, size)
    })
}

/// Tells the number of members of an ensemble, whose mean the fields are; 1 of a model that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_members(
    model: *const chreode_model,
    members: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("members", members, borrow("model", model)?.dynamics.members()) })
}

/// Makes a model of one member of an ensemble, counted from 0, to be used and freed as any other. Members were fitted to the same cells
/// with random weights, which differ by less than other cells would: the standard deviation over the members of whatever is computed of
/// them (one less than their number in the denominator), times "stretch" of `chreode_model_info`, is what fits to other cells would differ by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_member(
    model: *const chreode_model,
    index: usize,
    member: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("member", member)?;
        let model = borrow("model", model)?;
        let workers = Workers::new(model.workers.count());
        give("member", member, chreode_model::new(model.dynamics.member(index)?, None, workers))
    })
}

/// Tells the number of branches of a population that goes several ways, each with a velocity of its own; 0 of a model that has none. Of
/// a simulation of such a model every founder is a particle in each of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_branches(
    model: *const chreode_model,
    branches: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("branches", branches, borrow("model", model)?.dynamics.branches()) })
}

/// Makes a model of one branch, counted from 0, to be used and freed as any other: cells move by its velocity and keep their mass. The
/// fields of the whole model are refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_branch(
    model: *const chreode_model,
    index: usize,
    branch: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("branch", branch)?;
        let model = borrow("model", model)?;
        let workers = Workers::new(model.workers.count());
        give("branch", branch, chreode_model::new(model.dynamics.branch(index)?, None, workers))
    })
}

/// Tells the number of training steps whose loss is known: 0 for a model from bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_loss_count(
    model: *const chreode_model,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("model", model)?.losses().len()) })
}

/// Gets the loss of every training step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_losses(
    model: *const chreode_model,
    losses: *mut f64,
    losses_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        fill("losses", losses, losses_count, borrow("model", model)?.losses().iter().copied())
    })
}

/// Sets a text by a name of the caller's, which the model keeps in its bytes and its file and does not look at: where in the
/// caller's own data the coordinates were, for instance. An empty text takes it away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_set_attribute(
    model: *mut chreode_model,
    name: *const c_char,
    value: *const c_char,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (name, value) = (text("name", name)?, text("value", value)?);
        Ok(borrow_mut("model", model)?.dynamics.set_attribute(name, value)?)
    })
}

/// Gets a text that was set by its name (size, then fill); the empty text if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_attribute(
    model: *const chreode_model,
    name: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let attributes = &borrow("model", model)?.dynamics.info().attributes;
        let value = attributes.get(text("name", name)?).map_or("", String::as_str);
        fill_text(value, buffer, capacity, size)
    })
}

/// Sets what the coordinates are called, one name a dimension, which the model keeps in its bytes and its file;
/// `chreode_model_info` tells them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_set_coordinates(
    model: *mut chreode_model,
    names: *const *const c_char,
    names_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let names = slice("names", names, names_count)?.iter();
        let names: Result<Vec<String>, Failure> =
            names.map(|&name| Ok(text("a name", name)?.into())).collect();
        Ok(borrow_mut("model", model)?.dynamics.set_coordinates(names?)?)
    })
}

/// Tells how many threads the model computes with: what was asked for, 0 for all cores.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_threads(
    model: *const chreode_model,
    threads: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("threads", threads, borrow("model", model)?.workers.count()) })
}

/// Sets how many threads the model computes with, up to 1024; 0 for all cores, which is the default of a model that was
/// loaded. A fitted one has the threads of its fit. The results are the same bits at any number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_set_threads(
    model: *mut chreode_model,
    threads: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        if threads > 1024 {
            return Err(Error::argument("threads", threads, "0 to 1024").into());
        }
        borrow_mut("model", model)?.workers = Workers::new(threads);
        Ok(())
    })
}

/// Writes the model to a file, which is whole or not there: safetensors, with the recipe in its metadata, and the report of its
/// fit, if there is one, as the attributes "report" and "losses". `path` is UTF-8, or whatever bytes name a file on Unix.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_save(
    model: *const chreode_model,
    path: *const c_char,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (model, path) = (borrow("model", model)?, to_path(c_text("path", path)?)?);
        let Some(report) = &model.report else { return Ok(model.dynamics.save(path)?) };
        let mut told = model.dynamics.clone();
        told.set_attribute(REPORT, &report.to_json().to_string())?;
        told.set_attribute(LOSSES, &serde_json::json!(model.losses).to_string())?;
        Ok(told.save(path)?)
    })
}

/// Reads a model from a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_load(
    path: *const c_char,
    model: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("model", model)?;
        let dynamics = Dynamics::load(to_path(c_text("path", path)?)?)?;
        give("model", model, chreode_model::new(dynamics, None, Workers::new(0)))
    })
}

/// Gets the model as bytes (size, then fill): those that `chreode_model_save` writes, but without the report, which tells seconds.
/// The same model gives the same bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_to_bytes(
    model: *const chreode_model,
    buffer: *mut u8,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let bytes = borrow("model", model)?.dynamics.to_bytes();
        fill_bytes(&bytes, buffer, capacity, size)
    })
}

/// Makes the model that `chreode_model_to_bytes` wrote, with the same bits in every field. Any other bytes are refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_from_bytes(
    bytes: *const u8,
    size: usize,
    model: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("model", model)?;
        let dynamics = Dynamics::from_bytes(slice("bytes", bytes, size)?)?;
        give("model", model, chreode_model::new(dynamics, None, Workers::new(0)))
    })
}

#[cfg(unix)]
fn to_path(text: &CStr) -> Result<PathBuf, Error> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(text.to_bytes()).into())
}

#[cfg(not(unix))]
fn to_path(text: &CStr) -> Result<PathBuf, Error> {
    let wrong = |_| Error::argument("path", text.to_string_lossy(), "UTF-8");
    text.to_str().map(PathBuf::from).map_err(wrong)
}
