//! Couplings of consecutive snapshots, and what is carried along them.

use std::ffi::{c_char, c_void};

use serde_json::json;

use super::model::chreode_model;
use super::options::{build, chreode_options, settings};
use super::pointers::{borrow, clear, fill, fill_text, free, give, put, slice, text};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::chreode_snapshots;
use super::status::{Failure, chreode_status, guard, guard_free};
use super::workers::resolved;
use crate::error::Error;
use crate::exec::progress::{Progress, Stage};
use crate::fates::{FateOptions, descent};
use crate::method::{Coupled, FitOptions, couple};
use crate::transport::coupling::{Carry, Coupling};
use crate::transport::couplings::Couplings;

/// The couplings of consecutive snapshots, one an interval, and the report of their making.
pub struct chreode_couplings {
    couplings: Couplings,
    report: serde_json::Value,
}

/// Couples the cells of consecutive snapshots as `chreode_fit` does by the same options (NULL: all defaults), and trains nothing: what
/// the fields of a model are learned from. The method is one that couples, and `ensemble` is 1. `progress` may be NULL; `user_data` is
/// handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couple(
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    couplings: *mut *mut chreode_couplings,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("couplings", couplings)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let mut options = build::<FitOptions>(options)?;
        options.threads = resolved(options.threads);
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        let Coupled { couplings: made, report } = couple(snapshots, &options, &mut report)?;
        give("couplings", couplings, chreode_couplings { couplings: made, report: report.to_json() })
    })
}

/// Couples the cells of two times by simulation, by options of the list "fates" (NULL: all defaults): which of the time `to`, the last unless
/// it is said, descend from which of the time `from`, the first unless it is said. Several families of each cell are simulated, of an
/// ensemble by its mean fields, and a descendant counts for its nearest cells there, each by its share of their weight. A cell sends its
/// weight but for the share without descendants, which dies, and what is received is what its descendants weigh; cells that no descendant
/// came near are born. These are couplings of one interval: chreode_couplings_carry pushes a distribution along the dynamics,
/// and pulls one back by Bayes' rule. Their report has `from`, `to`, `neighbours`, `outside` as of chreode_fates_report, `pairs`,
/// `unmatched_mass` and `warnings`.
///
/// The options `from` and `to` may be left out, and `error_bars` must be; `threads`, `progress` and `user_data` are as those of
/// chreode_fates_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_descent(
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    couplings: *mut *mut chreode_couplings,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("couplings", couplings)?;
        let model = borrow("model", model)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let settings = settings::<FateOptions>(options)?;
        if let Some(given) = settings.get("error_bars")? {
            let allowed = "left out: the members of an ensemble are not asked one by one";
            return Err(Error::argument("error_bars", given, allowed).into());
        }
        let options = settings.build()?;
        let dynamics = &model.dynamics;
        let listener = Listener::new(progress, user_data);
        let found = model.workers.lend_as_asked(options.threads, |threads| {
            listener.watch(Stage::Fates, threads, |stop: &_| descent(dynamics, snapshots, &options, stop))
        })??;
        let mut report = report_of(&found.couplings);
        report["from"] = json!(found.couplings.times()[0]);
        report["to"] = json!(found.couplings.times()[1]);
        report["neighbours"] = json!(found.neighbours);
        report["outside"] = json!(found.outside);
        report["warnings"] = json!(found.warnings);
        give("couplings", couplings, chreode_couplings { couplings: found.couplings, report })
    })
}

/// Makes couplings of those that a model keeps: of the cells that it was fitted to, where the option `keep_couplings` was on. Others keep
/// none, which is CHREODE_ERROR_INVALID_ARGUMENT; chreode_model_info tells. Their report has `pairs`, `unmatched_mass` and `warnings`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_couplings(
    model: *const chreode_model,
    couplings: *mut *mut chreode_couplings,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("couplings", couplings)?;
        let kept = borrow("model", model)?.dynamics.couplings().ok_or_else(|| {
            Error::argument("model", "one without couplings", "one that was fitted with keep_couplings")
        })?;
        let report = report_of(kept);
        give("couplings", couplings, chreode_couplings { couplings: kept.clone(), report })
    })
}

/// What couplings tell of themselves.
fn report_of(couplings: &Couplings) -> serde_json::Value {
    let pairs: Vec<usize> = couplings.iter().map(|coupling| coupling.pairs.len()).collect();
    let unmatched: Vec<(f64, f64)> = couplings.iter().map(Coupling::unmatched_mass).collect();
    json!({ "pairs": pairs, "unmatched_mass": unmatched, "warnings": [] })
}

/// Frees couplings. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_free(couplings: *mut chreode_couplings) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(couplings) });
}

/// Tells how many times the couplings are of: one more than there are couplings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_time_count(
    couplings: *const chreode_couplings,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("couplings", couplings)?.couplings.times().len()) })
}

/// Gets these times, increasing, and how many cells each has. Each array has `count` elements, the number of times, or is NULL if it
/// is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_times(
    couplings: *const chreode_couplings,
    times: *mut f64,
    cells: *mut u64,
    count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let all = &borrow("couplings", couplings)?.couplings;
        if !times.is_null() {
            fill("times", times, count, all.times().iter().copied())?;
        }
        if !cells.is_null() {
            fill("cells", cells, count, all.counts().iter().map(|&cells| cells as u64))?;
        }
        Ok(())
    })
}

/// Tells of the coupling between the times number `k` and `k` + 1, counted from 0, the number of cells at either, and of the pairs of
/// cells that are coupled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_size(
    couplings: *const chreode_couplings,
    k: usize,
    rows: *mut usize,
    cols: *mut usize,
    pairs: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (all, coupling) = of_interval(couplings, k)?;
        put("rows", rows, all.counts()[k])?;
        put("cols", cols, all.counts()[k + 1])?;
        put("pairs", pairs, coupling.pairs.len())
    })
}

/// Gets the pairs of the coupling between the times number `k` and `k` + 1: of each its cell before and its cell after, both counted
/// from 0 among those of their time, the mass that the one sends, and the mass that the other receives. A cell sends its weight, but for
/// what of it dies; a cell receives its weight, but for what of it is born: see `chreode_couplings_unmatched`. Each array has `count`
/// elements, the number of pairs, or is NULL if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_pairs(
    couplings: *const chreode_couplings,
    k: usize,
    sources: *mut u64,
    targets: *mut u64,
    sent: *mut f64,
    received: *mut f64,
    count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let pairs = &of_interval(couplings, k)?.1.pairs;
        if count != pairs.len() {
            return Err(Error::argument("count", count, &pairs.len().to_string()).into());
        }
        if !sources.is_null() {
            fill("sources", sources, count, pairs.iter().map(|pair| pair.source.into()))?;
        }
        if !targets.is_null() {
            fill("targets", targets, count, pairs.iter().map(|pair| pair.target.into()))?;
        }
        if !sent.is_null() {
            fill("sent", sent, count, pairs.iter().map(|pair| pair.sent))?;
        }
        if !received.is_null() {
            fill("received", received, count, pairs.iter().map(|pair| pair.received))?;
        }
        Ok(())
    })
}

/// Gets, between the times number `k` and `k` + 1, the mass of each cell before that has no partner, and of each cell after: 0 where all
/// has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_unmatched(
    couplings: *const chreode_couplings,
    k: usize,
    dying: *mut f64,
    dying_count: usize,
    born: *mut f64,
    born_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let (all, _) = of_interval(couplings, k)?;
        fill("dying", dying, dying_count, all.of_cells(k).dying.into_iter())?;
        fill("born", born, born_count, all.of_cells(k + 1).born.into_iter())
    })
}

/// Gets, of each cell of the time number `k`, counted from 0, what of its mass has partners and what has none: what it sends to cells of
/// the next time, and what of it dies; what it receives from cells of the time before, and what of it is born. Nothing is sent from the last
/// time, and nothing received at the first. Each array has `count` elements, the number of cells, or is NULL if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_cells(
    couplings: *const chreode_couplings,
    k: usize,
    sent: *mut f64,
    dying: *mut f64,
    received: *mut f64,
    born: *mut f64,
    count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let all = &borrow("couplings", couplings)?.couplings;
        if k >= all.counts().len() {
            let allowed = format!("below {}, the number of times", all.counts().len());
            return Err(Error::argument("k", k, &allowed).into());
        }
        let cells = all.of_cells(k);
        for (name, wanted, values) in [
            ("sent", sent, cells.sent),
            ("dying", dying, cells.dying),
            ("received", received, cells.received),
            ("born", born, cells.born),
        ] {
            if !wanted.is_null() {
                fill(name, wanted, count, values.into_iter())?;
            }
        }
        Ok(())
    })
}

/// Carries a mass on each cell of the time number `from` to those of the time number `to`, onwards (descendants) or back (ancestors),
/// through the couplings of all intervals in between: `result` has one element a cell of `to`. `lost` has one an interval on the way, in
/// the order in which they are crossed: the mass that stood on cells without a partner. `carry` is "share", by which nothing grows
/// and what arrives and what was lost add up to what there was, or "mass", by which mass grows on the way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_carry(
    couplings: *const chreode_couplings,
    from: usize,
    to: usize,
    carry: *const c_char,
    masses: *const f64,
    masses_count: usize,
    result: *mut f64,
    result_count: usize,
    lost: *mut f64,
    lost_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let all = &borrow("couplings", couplings)?.couplings;
        let carry: Carry = text("carry", carry)?.parse()?;
        let carried = all.carry(from, to, slice("masses", masses, masses_count)?, carry)?;
        fill("result", result, result_count, carried.masses.into_iter())?;
        fill("lost", lost, lost_count, carried.lost.into_iter())
    })
}

/// Gets the report of their making as a JSON object (size, then fill), as that of a fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_couplings_report(
    couplings: *const chreode_couplings,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let report = borrow("couplings", couplings)?.report.to_string();
        fill_text(&report, buffer, capacity, size)
    })
}

/// The coupling of an interval, after a look at its number.
///
/// # Safety
/// `couplings` is NULL or points to couplings.
unsafe fn of_interval<'a>(
    couplings: *const chreode_couplings,
    k: usize,
) -> Result<(&'a Couplings, &'a Coupling), Failure> {
    // SAFETY: the same contract.
    let all = unsafe { &borrow("couplings", couplings)?.couplings };
    let coupling = all
        .get(k)
        .ok_or_else(|| Error::argument("k", k, &format!("below {}, the number of intervals", all.len())))?;
    Ok((all, coupling))
}
