//! Static transport on its own.

use std::ffi::c_char;

use super::json;
use super::matrix::chreode_matrix;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, fill, fill_text, free, give, optional_slice, put};
use super::snapshots::room_for;
use super::status::chreode_status::CHREODE_ERROR_NOT_CONVERGED;
use super::status::{Failure, chreode_status, guard, guard_free};
use super::workers::run_once;
use crate::error::Error;
use crate::exec::stop::Stop;
use crate::transport::solver::TransportOptions;
use crate::transport::{PointCloud, Solution};

/// An optimal plan between two clouds of points, with its dual potentials and the solver's report.
pub struct chreode_plan(Solution);

/// Solves a static transport problem between two clouds of points, by options of the list "transport" (NULL: all defaults):
/// entropic if `epsilon` is positive, exact if both penalties are infinite, else the unregularised optimum with relaxed
/// marginals. `source_weights` has one weight a row of `source`, or is NULL with count 0 if all weigh 1; so has
/// `target_weights`.
///
/// With CHREODE_ERROR_NOT_CONVERGED there is a plan all the same, and its report says how far it is from the optimum.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_transport(
    source: *const chreode_matrix,
    source_weights: *const f64,
    source_weights_count: usize,
    target: *const chreode_matrix,
    target_weights: *const f64,
    target_weights_count: usize,
    options: *const chreode_options,
    plan: *mut *mut chreode_plan,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("plan", plan)?;
        let source_weights = optional_slice("source_weights", source_weights, source_weights_count)?;
        let target_weights = optional_slice("target_weights", target_weights, target_weights_count)?;
        let source = cloud("source", source, source_weights)?;
        let target = cloud("target", target, target_weights)?;
        let options = build::<TransportOptions>(options)?;
        let advice = options.advice();
        let solution = run_once(options.threads, || options.solve(source, target, &Stop::default()))??;
        let report = solution.report.clone();
        give("plan", plan, chreode_plan(solution))?;
        if report.converged {
            return Ok(());
        }
        Err(Failure::new(
            CHREODE_ERROR_NOT_CONVERGED,
            format!(
                "the solver did not converge: duality gap {:.1e} after {} iterations; {advice}",
                report.gap, report.iterations
            ),
        ))
    })
}

/// The caller's cloud of points; what is wrong with it is told by its name.
///
/// # Safety
/// As [`chreode_matrix::read`], or NULL.
unsafe fn cloud(
    name: &str,
    points: *const chreode_matrix,
    weights: Option<&[f64]>,
) -> Result<PointCloud, Failure> {
    // SAFETY: the same contract.
    let view = unsafe { borrow(name, points)?.read(name) }?.view;
    room_for(&view)?;
    let told = |error: Error| match error {
        Error::InvalidData(message) => Error::InvalidData(format!("{name}: {message}")),
        Error::InvalidArgument { name: what, value, allowed } => {
            Error::InvalidArgument { name: format!("{name}_{what}"), value, allowed }
        }
        other => other,
    };
    Ok(PointCloud::new(view, weights).map_err(told)?)
}

/// Frees a plan. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_free(plan: *mut chreode_plan) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(plan) });
}

/// Tells the number of source points, of target points and of entries of the plan.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_size(
    plan: *const chreode_plan,
    rows: *mut usize,
    cols: *mut usize,
    entries: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_plan(solution) = borrow("plan", plan)?;
        put("rows", rows, solution.source_potential.len())?;
        put("cols", cols, solution.target_potential.len())?;
        put("entries", entries, solution.plan.values.len())
    })
}

/// Gets the plan, sparse, row by row with increasing columns: for each entry its source point, its target point, both counted
/// from 0, and the mass that goes from one to the other. Each array has `count` elements, the number of entries, or is NULL
/// if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_entries(
    plan: *const chreode_plan,
    sources: *mut u64,
    targets: *mut u64,
    masses: *mut f64,
    count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_plan(Solution { plan, .. }) = borrow("plan", plan)?;
        if count != plan.values.len() {
            return Err(Error::argument("count", count, &plan.values.len().to_string()).into());
        }
        if !sources.is_null() {
            let of_entries: Vec<u64> = plan.entries().map(|(source, ..)| source as u64).collect();
            fill("sources", sources, count, of_entries.into_iter())?;
        }
        if !targets.is_null() {
            fill("targets", targets, count, plan.columns.iter().map(|&target| target.into()))?;
        }
        if !masses.is_null() {
            fill("masses", masses, count, plan.values.iter().copied())?;
        }
        Ok(())
    })
}

/// Gets where the entries of each source point begin: `count` is one more than there are source points, and the last
/// element is the number of entries. With the targets and masses of `chreode_plan_entries` that is the compressed-row form.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_row_offsets(
    plan: *const chreode_plan,
    offsets: *mut u64,
    count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let offsets_of_rows = borrow("plan", plan)?.0.plan.row_offsets.iter().map(|&offset| offset as u64);
        fill("offsets", offsets, count, offsets_of_rows)
    })
}

/// Gets the dual potentials, one a source point and one a target point; infinite for a point that nothing can be sent from,
/// or that nothing can reach.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_potentials(
    plan: *const chreode_plan,
    source: *mut f64,
    source_count: usize,
    target: *mut f64,
    target_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_plan(solution) = borrow("plan", plan)?;
        fill("source", source, source_count, solution.source_potential.iter().copied())?;
        fill("target", target, target_count, solution.target_potential.iter().copied())
    })
}

/// Gets the solver's report as a JSON object (size, then fill): primal, dual, gap, transport_cost, transported_mass,
/// source_residual, target_residual, iterations, converged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_plan_report(
    plan: *const chreode_plan,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let text = json::of_transport(&borrow("plan", plan)?.0.report).to_string();
        fill_text(&text, buffer, capacity, size)
    })
}
