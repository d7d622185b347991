//! Units of work: a long computation as tasks that any process can do.

use std::ffi::{c_char, c_void};

use super::evaluate::chreode_evaluation;
use super::model::chreode_model;
use super::options::{chreode_options, settings, validation_of};
use super::pointers::{borrow, clear, fill, fill_bytes, fill_text, free, give, put, slice};
use super::progress::{Listener, chreode_progress_fn};
use super::simulate::chreode_trajectory;
use super::snapshots::chreode_snapshots;
use super::status::{Failure, chreode_status, guard, guard_free};
use super::validate::{annotations, chreode_validation};
use super::workers::{Workers, lend_once, resolved};
use crate::FitOptions;
use crate::evaluate::protocol::Protocol;
use crate::exec::progress::Progress;
use crate::exec::stop::Stop;
use crate::simulate::simulation::Simulation;
use crate::work::{Inputs, Part, Plan};

/// A long computation in tasks, each a function of the plan and the cells that it names: any process on any machine does them, in any
/// order, and what is put together in the end is the same bits as that of the call that does it all.
pub struct chreode_work(Plan);

/// What came of a task.
pub struct chreode_part(Vec<u8>);

/// Plans a fit by options of the list "fit" (NULL: all defaults), as `chreode_fit` would do it: the numbers that are not given are
/// chosen from the data now. There is a task for each block of each interval's coupling, or, of an ensemble, for each of its fits; a
/// single fit by a method that is based on simulation has no tasks, and is finished at once. The option `threads` is about this call alone.
/// `progress` may be NULL; `user_data` is handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_plan_fit(
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    work: *mut *mut chreode_work,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("work", work)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let settings = settings::<FitOptions>(options)?;
        let threads = resolved(settings.build()?.threads);
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        give("work", work, chreode_work(Plan::fit(snapshots, &settings, threads, &mut report)?))
    })
}

/// Plans a validation by options of the list "validate" (NULL: all defaults), as `chreode_validate` would do it, with `parts` and `growth` as
/// there. There is a task for each fit to a part of the cells or without a time, and for what fits are held against. The option `threads` is
/// about this call alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_plan_validate(
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    parts: *const u32,
    parts_count: usize,
    growth: *const f64,
    growth_count: usize,
    work: *mut *mut chreode_work,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("work", work)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let request = validation_of(options)?;
        let annotations = annotations((parts, parts_count), (growth, growth_count))?;
        let threads = resolved(request.validation.build()?.threads);
        give("work", work, chreode_work(Plan::validate(snapshots, &annotations, &request, threads)?))
    })
}

/// Plans a simulation of the cells of the first time of `snapshots`, with their weights, to each of `times`, by options of the list "simulate"
/// (NULL: all defaults), as `chreode_simulate` would do it. There is a task for about so many `founders` each, at least 1, and of a branching
/// population for their families; with resampling, where all particles depend on each other, and on a device there is one task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_plan_simulate(
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    times: *const f64,
    times_count: usize,
    options: *const chreode_options,
    founders: usize,
    work: *mut *mut chreode_work,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("work", work)?;
        let dynamics = &borrow("model", model)?.dynamics;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let times = slice("times", times, times_count)?;
        let settings = settings::<Simulation>(options)?;
        give("work", work, chreode_work(Plan::simulate(dynamics, snapshots, times, &settings, founders)?))
    })
}

/// Plans an evaluation of a model by options of the list "evaluate" (NULL: all defaults), as `chreode_evaluate` would do it: a task for each
/// run, of the model and, for error bars, of every member of an ensemble, and one for the action.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_plan_evaluate(
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    work: *mut *mut chreode_work,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("work", work)?;
        let dynamics = &borrow("model", model)?.dynamics;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let settings = settings::<Protocol>(options)?;
        give("work", work, chreode_work(Plan::evaluate(dynamics, snapshots, &settings)?))
    })
}

/// Frees a plan of work. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_free(work: *mut chreode_work) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(work) });
}

/// Gets the plan as bytes (size, then fill) for other processes: a JSON object without a NUL at its end, with the job ("fit", "validate", "simulate", "evaluate"), the options that were set, the numbers
/// that were chosen, the data's shape and fingerprint, the tasks, and the plan's own fingerprint. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_to_bytes(
    work: *const chreode_work,
    buffer: *mut u8,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { fill_bytes(&borrow("work", work)?.0.to_bytes(), buffer, capacity, size) })
}

/// Makes the plan that `chreode_work_to_bytes` wrote. Any other bytes are refused with CHREODE_ERROR_INVALID_DATA, and so are plans of
/// another version of the library, which may do the tasks to other bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_from_bytes(
    bytes: *const u8,
    size: usize,
    work: *mut *mut chreode_work,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("work", work)?;
        give("work", work, chreode_work(Plan::from_bytes(slice("bytes", bytes, size)?)?))
    })
}

/// Tells the number of tasks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_task_count(
    work: *const chreode_work,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("work", work)?.0.tasks().len()) })
}

/// Gets what a task is, counted from 0, as a JSON object (size, then fill): kind ("block" of a coupling, "member", "coarse" or "cheaper" fit of an
/// ensemble, "fold" or "time" of a validation, "shard" of founders, "run", …), cost (very roughly, in seconds of one core), and what it is about, such as interval and block. Later versions may add
/// keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_task(
    work: *const chreode_work,
    task: usize,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let plan = &borrow("work", work)?.0;
        plan.rows(task)?;
        fill_text(&plan.tasks()[task].to_json().to_string(), buffer, capacity, size)
    })
}

/// Tells how many cells a task needs; 0 if it needs all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_row_count(
    work: *const chreode_work,
    task: usize,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let rows = borrow("work", work)?.0.rows(task)?;
        put("count", count, rows.map_or(0, |rows| rows.len()))
    })
}

/// Gets the cells that a task needs, as their numbers, counted from 0, in the order in which the snapshots hold the cells: by time, those of
/// one time as they were given (a stable sort by time). Snapshots of those cells alone, in that order and with their weights, will do for `chreode_work_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_rows(
    work: *const chreode_work,
    task: usize,
    rows: *mut u64,
    rows_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let found = borrow("work", work)?.0.rows(task)?.unwrap_or_default();
        fill("rows", rows, rows_count, found.into_iter().map(|row| row as u64))
    })
}

/// Does a task by so many threads (0: all cores), which changes nothing about the result. `snapshots` are those that the work was planned
/// for, or the cells of the task alone. `model` is the model of work that simulates or evaluates one, NULL for any other. `progress`
/// may be NULL; `user_data` is handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_run(
    work: *const chreode_work,
    snapshots: *const chreode_snapshots,
    model: *const chreode_model,
    task: usize,
    threads: usize,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    part: *mut *mut chreode_part,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("part", part)?;
        let chreode_work(plan) = borrow("work", work)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let model = if model.is_null() { None } else { Some(&borrow("model", model)?.dynamics) };
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        let inputs = Inputs { snapshots, model };
        give("part", part, chreode_part(plan.run(inputs, task, resolved(threads), &mut report)?))
    })
}

/// Frees a part. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_part_free(part: *mut chreode_part) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(part) });
}

/// Gets a part as bytes (size, then fill), to be kept or sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_part_to_bytes(
    part: *const chreode_part,
    buffer: *mut u8,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { fill_bytes(&borrow("part", part)?.0, buffer, capacity, size) })
}

/// Tells which task the bytes of a part are of; CHREODE_ERROR_INVALID_DATA if they are not a whole part of this work.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_check_part(
    work: *const chreode_work,
    bytes: *const u8,
    size: usize,
    task: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let bytes = slice("bytes", bytes, size)?;
        put("task", task, borrow("work", work)?.0.task_of(Part { name: "the part", bytes })?)
    })
}

/// Puts the parts of a fit together by so many threads (0: all cores), and trains what is left to be trained: `parts` and `sizes` have `parts_count` elements each, a part
/// and its number of bytes. They may come in any order, and a part more than once; one that is missing, damaged or of other work is
/// CHREODE_ERROR_INVALID_DATA, and the message tells its place, counted from 0. `snapshots` are those that the work was planned for.
///
/// The model is that of `chreode_fit`, to the bit, but for the seconds in its report; errors are the same, and so is what is there in
/// spite of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_finish_fit(
    work: *const chreode_work,
    snapshots: *const chreode_snapshots,
    parts: *const *const u8,
    sizes: *const usize,
    parts_count: usize,
    threads: usize,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    model: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("model", model)?;
        let chreode_work(plan) = borrow("work", work)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let parts = read_parts(parts, sizes, parts_count)?;
        let workers = Workers::new(threads);
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        let fitted = plan.finish_fit(snapshots, named(&parts), resolved(threads), &mut report)?;
        give("model", model, chreode_model::new(fitted.dynamics, Some(fitted.report), workers))?;
        fitted.stopped.map_or(Ok(()), |why| Err(why.into()))
    })
}

/// Puts the parts of a validation together, as `chreode_work_finish_fit` those of a fit: what `chreode_validate` gives, to the bit, but for
/// the seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_finish_validate(
    work: *const chreode_work,
    snapshots: *const chreode_snapshots,
    parts: *const *const u8,
    sizes: *const usize,
    parts_count: usize,
    validation: *mut *mut chreode_validation,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("validation", validation)?;
        let chreode_work(plan) = borrow("work", work)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let parts = read_parts(parts, sizes, parts_count)?;
        let found = plan.finish_validate(snapshots, named(&parts))?;
        give("validation", validation, chreode_validation(found))
    })
}

/// Puts the parts of a simulation together, as `chreode_work_finish_fit` those of a fit: what `chreode_simulate` gives, to the bit. For an
/// ensemble's error bars, unless `error_bars` is off, its members are simulated now, by so many threads (0: all cores).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_finish_simulate(
    work: *const chreode_work,
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    parts: *const *const u8,
    sizes: *const usize,
    parts_count: usize,
    threads: usize,
    trajectory: *mut *mut chreode_trajectory,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("trajectory", trajectory)?;
        let chreode_work(plan) = borrow("work", work)?;
        let dynamics = &borrow("model", model)?.dynamics;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let parts = read_parts(parts, sizes, parts_count)?;
        let outcome = plan.finish_simulate(dynamics, snapshots, named(&parts))?;
        let masses = lend_once(threads, |threads| {
            threads.run(|| plan.masses(dynamics, snapshots, &outcome, &Stop::default()))
        })??;
        give("trajectory", trajectory, chreode_trajectory::new(outcome, masses, snapshots.dims()))
    })
}

/// Puts the parts of an evaluation together, as `chreode_work_finish_fit` those of a fit: what `chreode_evaluate` gives, to the bit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_work_finish_evaluate(
    work: *const chreode_work,
    model: *const chreode_model,
    snapshots: *const chreode_snapshots,
    parts: *const *const u8,
    sizes: *const usize,
    parts_count: usize,
    evaluation: *mut *mut chreode_evaluation,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("evaluation", evaluation)?;
        let chreode_work(plan) = borrow("work", work)?;
        let dynamics = &borrow("model", model)?.dynamics;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let parts = read_parts(parts, sizes, parts_count)?;
        // Where distances are estimates, samples of the cells are compared now: not on threads of the host.
        let found = lend_once(0, |threads| {
            threads.run(|| plan.finish_evaluate(dynamics, snapshots, named(&parts)))
        })??;
        give("evaluation", evaluation, chreode_evaluation(found))
    })
}

fn named<'p>(parts: &'p [(String, &'p [u8])]) -> impl Iterator<Item = Part<'p>> {
    parts.iter().map(|(name, bytes)| Part { name, bytes })
}

/// The caller's parts, each with what a complaint calls it.
///
/// # Safety
/// `parts` and `sizes` are arrays of `count` elements, and each part points to so many bytes, none of which is changed during `'a`.
unsafe fn read_parts<'a>(
    parts: *const *const u8,
    sizes: *const usize,
    count: usize,
) -> Result<Vec<(String, &'a [u8])>, Failure> {
    // SAFETY: the same contract.
    let (parts, sizes) = unsafe { (slice("parts", parts, count)?, slice("sizes", sizes, count)?) };
    let part = |(i, (&bytes, &size)): (usize, (&*const u8, &usize))| {
        let name = format!("part {i}");
        // SAFETY: the same contract.
        let bytes = unsafe { slice(&name, bytes, size) }?;
        Ok((name, bytes))
    };
    parts.iter().zip(sizes).enumerate().map(part).collect()
}
