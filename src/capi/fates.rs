//! Fates: what cells become, by labels of later cells.

use std::ffi::{c_char, c_void};

use serde_json::json;

use super::matrix::chreode_matrix_mut;
use super::model::chreode_model;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, fill, fill_text, free, give, put, slice, text};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::chreode_snapshots;
use super::status::{Failure, chreode_status, guard, guard_free};
use crate::error::Error;
use crate::exec::progress::Stage;
use crate::fates::{Estimates, FateOptions, Fates, Labels, Transitions, fates_of_model};
use crate::options::nearest;

/// What cells become.
pub struct chreode_fates(Fates);

/// A label that is not known.
const UNKNOWN: i32 = -1;

/// Finds what cells become, by options of the list "fates" (NULL: all defaults): several families of each are simulated to the time
/// of the labelled cells, the last unless the option `to` says so, where a descendant has the labels of its nearest labelled cells.
///
/// `labels` has the label of each cell, a number from 0 to 9999, or -1 where it is not known, in the order in which the snapshots hold
/// the cells: by time, those of one time as they were given. Cells without a label are nobody's neighbours. Those of other times say
/// only which mass is counted where in the transitions.
///
/// The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's threads are
/// used. `progress` may be NULL; `user_data` is handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_new(
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    labels: *const i32,
    labels_count: usize,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    fates: *mut *mut chreode_fates,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("fates", fates)?;
        let model = borrow("model", model)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let labels = read_labels(slice("labels", labels, labels_count)?)?;
        let options = build::<FateOptions>(options)?;
        let dynamics = &model.dynamics;
        let listener = Listener::new(progress, user_data);
        let found = model.workers.lend_as_asked(options.threads, |threads| {
            let work = |stop: &_| fates_of_model(dynamics, snapshots, &labels, &options, stop);
            listener.watch(Stage::Fates, threads, work)
        })??;
        give("fates", fates, chreode_fates(found))
    })
}

fn read_labels(labels: &[i32]) -> crate::Result<Labels> {
    let label = |(cell, &label): (usize, &i32)| match label {
        UNKNOWN => Ok(None),
        _ => u32::try_from(label).map(Some).map_err(|_| {
            Error::argument(&format!("labels[{cell}]"), label, "a number from 0, or -1 for unknown")
        }),
    };
    Labels::new(labels.iter().enumerate().map(label).collect::<crate::Result<_>>()?)
}

fn number_of(label: Option<u32>) -> i32 {
    // Labels are below 10 000.
    label.map_or(UNKNOWN, |label| label as i32)
}

/// Frees fates. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_free(fates: *mut chreode_fates) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(fates) });
}

/// Gets what is to be known of fates beside their numbers, as a JSON object (size, then fill): `to`, the time of the labelled cells;
/// `neighbours`, how many of them say what a descendant is; `unlabelled`, how many cells there have no label; `outside`, the largest
/// share of the descendants' time outside of the box of the cells that the model was fitted to, null for a model without a guard;
/// `warnings`, an array of sentences that say why they may mean little. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_report(
    fates: *const chreode_fates,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_fates(fates) = borrow("fates", fates)?;
        let report = json!({
            "to": fates.to,
            "neighbours": fates.neighbours,
            "unlabelled": fates.unlabelled,
            "outside": fates.outside,
            "warnings": fates.warnings,
        });
        fill_text(&report.to_string(), buffer, capacity, size)
    })
}

/// Tells how many cells there are, the rows, and how many labels that labelled cells have, the columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_shape(
    fates: *const chreode_fates,
    cells: *mut usize,
    labels: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_fates(found) = borrow("fates", fates)?;
        put("cells", cells, found.cells.len())?;
        put("labels", labels, found.labels.len())
    })
}

/// Gets the labels of the columns, increasing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_labels(
    fates: *const chreode_fates,
    labels: *mut i32,
    label_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let of = &borrow("fates", fates)?.0.labels;
        fill("labels", labels, label_count, of.iter().map(|&label| number_of(Some(label))))
    })
}

/// Gets the cells of the rows, by their numbers in the order in which the snapshots hold them, from 0, and their times. Each array has
/// one element a row, or is NULL if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_cells(
    fates: *const chreode_fates,
    cells: *mut u64,
    times: *mut f64,
    cell_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_fates(found) = borrow("fates", fates)?;
        if !cells.is_null() {
            fill("cells", cells, cell_count, found.cells.iter().map(|&cell| cell as u64))?;
        }
        if !times.is_null() {
            fill("times", times, cell_count, found.times.iter().copied())?;
        }
        Ok(())
    })
}

/// Gets numbers of every cell, one row each. Of every label, a column each: "p", the probability that a random descendant has the
/// label (NaN of a cell without any), and "n", the expected number of descendants with it. In one column: "p_none", the probability to
/// have no descendants: with the mode branching the share of families that died out; with the others, that of cells which divide or die at
/// the rate |g|, if all of a family went the way of one particle: exact for the flow, and for the diffusion rather too large. "se_p", "se_n"
/// and "se_p_none" are their standard errors, from the number of families, 0 for the flow; "sd_p", "sd_n" and "sd_p_none" their standard
/// deviations by the cells, of an ensemble, NaN for a model that is none or with the option `error_bars` off.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_values(
    fates: *const chreode_fates,
    name: *const c_char,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (chreode_fates(found), name) = (borrow("fates", fates)?, text("name", name)?);
        let all = [("p", &found.probability), ("n", &found.number), ("p_none", &found.none)];
        let column = estimate(&all, &[], name)?;
        let columns = if name.ends_with("none") { 1 } else { found.labels.len() };
        borrow("values", values)?.check("values", found.cells.len(), columns)?.fill(&column);
        Ok(())
    })
}

/// Tells how many tables of transitions there are: one for each time of the cells, in order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_transition_count(
    fates: *const chreode_fates,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("fates", fates)?.0.transitions.len()) })
}

/// Tells of the table of transitions `k`, counted from 0, the time of its cells and how many labels those have, the rows: one more
/// where some have none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_transition(
    fates: *const chreode_fates,
    k: usize,
    time: *mut f64,
    sources: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let table = transitions(fates, k)?;
        put("time", time, table.from)?;
        put("sources", sources, table.sources.len())
    })
}

/// Gets the labels of the rows of the table of transitions `k`, increasing, -1 first where cells have none, and the mass of the cells
/// of each. Each array has one element a row, or is NULL if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_transition_sources(
    fates: *const chreode_fates,
    k: usize,
    labels: *mut i32,
    masses: *mut f64,
    source_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let table = transitions(fates, k)?;
        if !labels.is_null() {
            fill("labels", labels, source_count, table.sources.iter().map(|&label| number_of(label)))?;
        }
        if !masses.is_null() {
            fill("masses", masses, source_count, table.weight.iter().copied())?;
        }
        Ok(())
    })
}

/// Gets numbers of the table of transitions `k`, one row a label of the cells, one column a label of the labelled cells: "mass", that of
/// the descendants, with "se_mass" and "sd_mass" as of chreode_fates_values; "went", the share of each in its row's mass; "came", the
/// share in its column's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fates_transition_values(
    fates: *const chreode_fates,
    k: usize,
    name: *const c_char,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (table, name) = (transitions(fates, k)?, text("name", name)?);
        let columns = borrow("fates", fates)?.0.labels.len();
        let all = match name {
            "went" => table.went(),
            "came" => table.came(),
            _ => estimate(&[("mass", &table.mass)], &["went", "came"], name)?,
        };
        borrow("values", values)?.check("values", table.sources.len(), columns)?.fill(&all);
        Ok(())
    })
}

/// A table of transitions by its number.
///
/// # Safety
/// `fates` is NULL or points to fates.
unsafe fn transitions<'a>(fates: *const chreode_fates, k: usize) -> Result<&'a Transitions, Failure> {
    // SAFETY: the same contract.
    let all = unsafe { &borrow("fates", fates)?.0.transitions };
    let allowed = || format!("below {}, the number of tables", all.len());
    all.get(k).ok_or_else(|| Error::argument("k", k, &allowed()).into())
}

/// Estimates by their name, their standard errors by `se_` before it, and their standard deviations by `sd_`; a complaint names `others`, too.
fn estimate(estimates: &[(&str, &Estimates)], others: &[&str], name: &str) -> Result<Vec<f64>, Failure> {
    for (own, estimate) in estimates {
        let absent = || vec![f64::NAN; estimate.mean.len()];
        match name.strip_suffix(own) {
            Some("") => return Ok(estimate.mean.clone()),
            Some("se_") => return Ok(estimate.se.clone()),
            Some("sd_") => return Ok(estimate.sd.clone().unwrap_or_else(absent)),
            _ => {}
        }
    }
    let own =
        ["", "se_", "sd_"].iter().flat_map(|of| estimates.iter().map(move |(own, _)| format!("{of}{own}")));
    let all: Vec<String> = own.chain(others.iter().map(|other| other.to_string())).collect();
    let near = nearest(name, all.iter().map(String::as_str));
    Err(Error::argument("name", name, &format!("one of {} (nearest: {near})", all.join(" "))).into())
}
