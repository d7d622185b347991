//! Simulations, their frames and their lineages.

use std::ffi::{c_char, c_void};

use serde_json::json;

use super::matrix::{chreode_matrix, chreode_matrix_mut};
use super::model::chreode_model;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, fill, fill_text, free, give, optional_slice, put, slice};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::room_for;
use super::status::{Failure, chreode_status, guard, guard_free};
use crate::error::Error;
use crate::evaluate::ensemble::masses;
use crate::exec::progress::Stage;
use crate::simulate::lineage::{Fate, Lineage, Node};
use crate::simulate::simulation::{Outcome, Simulation};
use crate::simulate::{Particles, Trajectory};
use crate::statistics::Estimate;

/// The particles of a simulation at every output time, and the lineage of a branching population.
pub struct chreode_trajectory {
    frames: Vec<Particles>,
    /// Of an ensemble, the masses of the frames with their errors.
    masses: Option<Vec<Estimate>>,
    lineage: Option<Lineage>,
    warnings: Vec<String>,
    outside: Option<f64>,
    dims: usize,
}

impl chreode_trajectory {
    pub(super) fn new(outcome: Outcome, masses: Option<Vec<Estimate>>, dims: usize) -> Self {
        let Outcome { trajectory: Trajectory { frames, outside }, lineage, warnings } = outcome;
        Self { frames, masses, lineage, warnings, outside, dims }
    }
}

/// What became of a cell.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum chreode_fate {
    /// It lived when the simulation ended.
    CHREODE_FATE_ALIVE = 0,
    /// It divided in two.
    CHREODE_FATE_DIVIDED = 1,
    /// It died.
    CHREODE_FATE_DIED = 2,
}

use chreode_fate::*;

/// Simulates a population under a model, by options of the list "simulate" (NULL: all defaults), from `points` at
/// `start_time` to each of `times`: strictly increasing from there on (the first may be the start itself), or, but for
/// branching, strictly decreasing. `weights` has one weight a row of `points`, or is NULL with count 0 if all weigh 1. A
/// branching population starts from equal cells: unequal weights are resampled first.
///
/// The option `threads` is about this call alone: 0 is all cores, as everywhere. Where it is not set, the model's threads are
/// used. `progress` may be NULL; `user_data` is handed to it and not looked at. `chreode_trajectory_report` warns of times beyond
/// those of the fit; a weight or a position that is not finite is CHREODE_ERROR_NON_FINITE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_simulate(
    model: *const chreode_model,
    start_time: f64,
    points: *const chreode_matrix,
    weights: *const f64,
    weights_count: usize,
    times: *const f64,
    times_count: usize,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    trajectory: *mut *mut chreode_trajectory,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("trajectory", trajectory)?;
        let model = borrow("model", model)?;
        let points = borrow("points", points)?;
        let weights = optional_slice("weights", weights, weights_count)?;
        let times = slice("times", times, times_count)?;
        let simulation = build::<Simulation>(options)?;
        if let Some(weights) = weights.filter(|weights| weights.len() != points.rows) {
            return Err(Error::argument("weights_count", weights.len(), &points.rows.to_string()).into());
        }
        let start = particles(points, start_time, weights)?;
        let dynamics = &model.dynamics;
        let listener = Listener::new(progress, user_data);
        let (outcome, masses) = model.workers.lend_as_asked(simulation.threads, |threads| {
            let work = |stop: &_| -> crate::Result<_> {
                let outcome = simulation.run(dynamics, &start, times, stop)?;
                let masses = masses(dynamics, &simulation, &start, &outcome.trajectory.frames, stop)?;
                Ok((outcome, masses))
            };
            listener.watch(Stage::Simulation, threads, work)
        })??;
        give("trajectory", trajectory, chreode_trajectory::new(outcome, masses, start.dims))
    })
}

/// The caller's points as particles.
///
/// # Safety
/// As [`chreode_matrix::read`].
unsafe fn particles(
    points: &chreode_matrix,
    time: f64,
    weights: Option<&[f64]>,
) -> Result<Particles, Failure> {
    // SAFETY: the same contract.
    let view = unsafe { points.read("points") }?.view;
    room_for(&view)?;
    let all = (0..view.rows()).flat_map(|i| (0..view.cols()).map(move |j| view.get(i, j) as f32));
    Ok(Particles::new(time, view.cols(), all.collect(), weights)?)
}

/// Frees a trajectory. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_free(trajectory: *mut chreode_trajectory) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(trajectory) });
}

/// Gets what is to be known of a simulation beside its particles, as a JSON object (size, then fill): `warnings`, an array of
/// sentences that say why it may mean little; `outside`, the share of the particles' time outside of the box of the cells that
/// the model was fitted to, null for a model without a guard. Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_report(
    trajectory: *const chreode_trajectory,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let simulated = borrow("trajectory", trajectory)?;
        let report = json!({ "warnings": simulated.warnings, "outside": simulated.outside });
        fill_text(&report.to_string(), buffer, capacity, size)
    })
}

/// Tells the number of coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_dims(
    trajectory: *const chreode_trajectory,
    dims: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("dims", dims, borrow("trajectory", trajectory)?.dims) })
}

/// Tells the number of frames: one for each output time, in the order in which they were asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_frame_count(
    trajectory: *const chreode_trajectory,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("trajectory", trajectory)?.frames.len()) })
}

/// Tells the time and the number of particles of frame `k`, counted from 0. A branching population may have died out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_frame(
    trajectory: *const chreode_trajectory,
    k: usize,
    time: *mut f64,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let frame = frame(trajectory, k)?;
        put("time", time, frame.time)?;
        put("count", count, frame.len())
    })
}

/// Gets the particles of frame `k`, one row each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_points(
    trajectory: *const chreode_trajectory,
    k: usize,
    points: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let frame = frame(trajectory, k)?;
        borrow("points", points)?.check("points", frame.len(), frame.dims)?.fill(&frame.points);
        Ok(())
    })
}

/// Gets the weights of the particles of frame `k`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_weights(
    trajectory: *const chreode_trajectory,
    k: usize,
    weights: *mut f64,
    weights_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { fill("weights", weights, weights_count, frame(trajectory, k)?.weights().into_iter()) })
}

/// Gets the mass of every frame, and the standard deviation of its error: of an ensemble, whose members were simulated too, over
/// these; NaN of another model, or with the option `error_bars` off. Each array has one element a frame, or is NULL if it is not
/// wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_masses(
    trajectory: *const chreode_trajectory,
    masses: *mut f64,
    sds: *mut f64,
    frame_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let trajectory = borrow("trajectory", trajectory)?;
        if !masses.is_null() {
            fill("masses", masses, frame_count, trajectory.frames.iter().map(Particles::mass))?;
        }
        if !sds.is_null() {
            let known = |k: usize| trajectory.masses.as_ref().map_or(f64::NAN, |masses| masses[k].sd);
            fill("sds", sds, frame_count, (0..trajectory.frames.len()).map(known))?;
        }
        Ok(())
    })
}

/// Gets who the particles of frame `k` are. Of weighted particles: the row of `points` that each started from; of a model of branches that
/// times their number, plus the branch that it is in. Of a branching population: the cell's number in the lineage.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_ids(
    trajectory: *const chreode_trajectory,
    k: usize,
    ids: *mut u64,
    ids_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { fill("ids", ids, ids_count, frame(trajectory, k)?.ids.iter().copied()) })
}

/// Gets, for each particle of frame `k`, the row of the frame before (for the first frame, of the start) that it comes from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_ancestors(
    trajectory: *const chreode_trajectory,
    k: usize,
    ancestors: *mut u64,
    ancestors_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let rows = frame(trajectory, k)?.ancestors.iter().map(|&row| row as u64);
        fill("ancestors", ancestors, ancestors_count, rows)
    })
}

/// Tells how many cells ever lived in a branching population; 0 for the other modes. The first ones are the founders.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_cell_count(
    trajectory: *const chreode_trajectory,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, nodes(borrow("trajectory", trajectory)?).len()) })
}

/// Gets the lineage: of each cell its parent's number (-1 for a founder), the times of its birth and end, and its
/// `chreode_fate`. Parents come before their daughters, and sisters are neighbours. Each array has `cell_count` elements, or
/// is NULL if it is not wanted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_lineage(
    trajectory: *const chreode_trajectory,
    parents: *mut i64,
    births: *mut f64,
    ends: *mut f64,
    fates: *mut i32,
    cell_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let nodes = nodes(borrow("trajectory", trajectory)?);
        if cell_count != nodes.len() {
            return Err(Error::argument("cell_count", cell_count, &nodes.len().to_string()).into());
        }
        if !parents.is_null() {
            let of_node = |node: &Node| node.parent.map_or(-1, |parent| parent as i64);
            fill("parents", parents, cell_count, nodes.iter().map(of_node))?;
        }
        if !births.is_null() {
            fill("births", births, cell_count, nodes.iter().map(|node| node.birth))?;
        }
        if !ends.is_null() {
            fill("ends", ends, cell_count, nodes.iter().map(|node| node.end))?;
        }
        if !fates.is_null() {
            let of_node = |node: &Node| match node.fate {
                Fate::Alive => CHREODE_FATE_ALIVE as i32,
                Fate::Divided => CHREODE_FATE_DIVIDED as i32,
                Fate::Died => CHREODE_FATE_DIED as i32,
            };
            fill("fates", fates, cell_count, nodes.iter().map(of_node))?;
        }
        Ok(())
    })
}

/// Gets the lineage in the Newick format (size, then fill): one tree a line for each founder, cells named c and their number.
/// Empty for the other modes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_trajectory_newick(
    trajectory: *const chreode_trajectory,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let lineage = borrow("trajectory", trajectory)?.lineage.as_ref();
        fill_text(&lineage.map(Lineage::newick).unwrap_or_default(), buffer, capacity, size)
    })
}

fn nodes(trajectory: &chreode_trajectory) -> &[Node] {
    trajectory.lineage.as_ref().map_or(&[], Lineage::nodes)
}

/// A frame by its number.
///
/// # Safety
/// `trajectory` is NULL or points to a trajectory.
unsafe fn frame<'a>(trajectory: *const chreode_trajectory, k: usize) -> Result<&'a Particles, Failure> {
    // SAFETY: the same contract.
    let frames = unsafe { &borrow("trajectory", trajectory)?.frames };
    let allowed = || format!("below {}, the number of frames", frames.len());
    frames.get(k).ok_or_else(|| Error::argument("k", k, &allowed()).into())
}
