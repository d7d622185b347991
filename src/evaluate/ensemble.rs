//! What an ensemble says of the errors of what is simulated: every member does the same, and how much they differ tells.

use super::{Evaluation, EvaluationOptions, MemberErrors, Run, TimePoint, evaluate, time_points};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::model::Dynamics;
use crate::simulate::Particles;
use crate::simulate::simulation::Simulation;
use crate::snapshots::Snapshots;
use crate::statistics::Estimate;

/// The mass at each of `frames`, which a simulation of the mean fields gave from `start`, and the standard deviation of its error:
/// [that over simulations of every member](Dynamics::deviation_over_members) with the same seed, times the [inflation](crate::model::FieldError::inflation) of the growth
/// rate, which masses follow from. None of a model that is no ensemble, or where error bars are not wanted. The mass at the start's
/// own time is known: its deviation is 0.
///
/// # Errors
/// As [`Simulation::run`].
pub fn masses(
    model: &Dynamics,
    simulation: &Simulation,
    start: &Particles,
    frames: &[Particles],
    stop: &Stop,
) -> Result<Option<Vec<Estimate>>> {
    let times: Vec<f64> = frames.iter().map(|frame| frame.time).collect();
    let masses = |frames: &[Particles]| frames.iter().map(Particles::mass).collect::<Vec<_>>();
    let mut of_member =
        |member: &Dynamics| Ok(masses(&simulation.run(member, start, &times, stop)?.trajectory.frames));
    errors_of_masses(model, simulation, &masses(frames), &mut of_member)
}

/// The same of a simulation whose frames have these `masses`, where `of_member` gives those of a simulation of another model, as of a member
/// that is simulated in pieces.
///
/// # Errors
/// Those of `of_member`.
pub fn errors_of_masses(
    model: &Dynamics,
    simulation: &Simulation,
    masses: &[f64],
    of_member: &mut dyn FnMut(&Dynamics) -> Result<Vec<f64>>,
) -> Result<Option<Vec<Estimate>>> {
    if model.members() < 2 || !simulation.error_bars {
        return Ok(None);
    }
    let of_members = (0..model.members()).map(|member| of_member(&model.member(member)?));
    let of_members = of_members.collect::<Result<Vec<_>>>()?;
    let inflation = model.info().uncertainty.map_or(1.0, |errors| errors.growth.inflation());
    let estimate = |(k, &mean): (usize, &f64)| {
        let at_k: Vec<f64> = of_members.iter().map(|masses| masses[k]).collect();
        Estimate { mean, sd: inflation * model.deviation_over_members(&at_k) }
    };
    Ok(Some(masses.iter().enumerate().map(estimate).collect()))
}

/// Evaluates a model as [`evaluate`] does its fields; an ensemble's members as well, for how much the measures depend on the cells.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_model(
    model: &Dynamics,
    snapshots: &Snapshots,
    options: &EvaluationOptions,
    error_bars: bool,
    stop: &Stop,
) -> Result<Evaluation> {
    let mut evaluation = evaluate(model, snapshots, options, stop)?;
    if !has_error_bars(model, error_bars) {
        return Ok(evaluation);
    }
    let of_member = |member: usize| -> Result<Vec<Run>> {
        let member = model.member(member)?;
        (0..options.run_count()).map(|run| Run::of(&member, snapshots, options, run, stop)).collect()
    };
    let of_members = (0..model.members()).map(of_member).collect::<Result<Vec<_>>>()?;
    add_errors(&mut evaluation, model, &of_members);
    Ok(evaluation)
}

/// Whether the members of a model are evaluated as well.
pub(crate) fn has_error_bars(model: &Dynamics, error_bars: bool) -> bool {
    model.members() > 1 && error_bars
}

/// Tells of each measure of a model how much it depends on the cells, by the runs of each member.
pub(crate) fn add_errors(evaluation: &mut Evaluation, model: &Dynamics, of_members: &[Vec<Run>]) {
    let times: Vec<f64> = evaluation.time_points.iter().map(|point| point.time).collect();
    let of_members: Vec<Vec<TimePoint>> = of_members.iter().map(|runs| time_points(&times, runs)).collect();
    for (k, point) in evaluation.time_points.iter_mut().enumerate() {
        let error = |measure: fn(&TimePoint) -> f64| {
            // Of a member whose population died out there is no distance.
            let values = of_members.iter().map(|of| measure(&of[k])).filter(|value| !value.is_nan());
            let values: Vec<f64> = values.collect();
            model.deviation_over_members(&values)
        };
        point.errors = Some(MemberErrors {
            w1: error(|point| point.w1.mean),
            w2: error(|point| point.w2.mean),
            rme: error(|point| point.rme.mean),
        });
    }
}
