//! What an ensemble says of the errors of what is simulated: every member does the same, and how much they differ tells.

use super::{Evaluation, EvaluationOptions, MemberErrors, evaluate};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::model::{Dynamics, Follows};
use crate::simulate::Particles;
use crate::simulate::simulation::Simulation;
use crate::snapshots::Snapshots;
use crate::statistics::Estimate;

/// The mass at each of `frames`, which a simulation of the mean fields gave from `start`, and the standard deviation of its error,
/// from simulations of every member with the same seed; of a model that is no ensemble, or where error bars are not wanted, none.
/// The masses of a frame at the start's own time are known: their deviation is 0.
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
    if model.members() < 2 || !simulation.error_bars {
        return Ok(None);
    }
    let times: Vec<f64> = frames.iter().map(|frame| frame.time).collect();
    let of_member = |member: usize| -> Result<Vec<f64>> {
        let outcome = simulation.run(&model.member(member)?, start, &times, stop)?;
        Ok(outcome.trajectory.frames.iter().map(Particles::mass).collect())
    };
    let of_members = (0..model.members()).map(of_member).collect::<Result<Vec<_>>>()?;
    let estimate = |(k, frame): (usize, &Particles)| {
        let at_k: Vec<f64> = of_members.iter().map(|masses| masses[k]).collect();
        model.estimate(frame.mass(), &at_k, Follows::Growth)
    };
    Ok(Some(frames.iter().enumerate().map(estimate).collect()))
}

/// Evaluates a model as [`evaluate`] does its fields; an ensemble's members as well, for the errors of the measures.
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
    if model.members() < 2 || !error_bars {
        return Ok(evaluation);
    }
    let of_member = |member: usize| evaluate(&model.member(member)?, snapshots, options, stop);
    let of_members = (0..model.members()).map(of_member).collect::<Result<Vec<_>>>()?;
    let error = |mean: f64, measure: &dyn Fn(&Evaluation) -> f64, follows: Follows| {
        // A population that died out has no distance.
        let values: Vec<f64> = of_members.iter().map(measure).filter(|value| !value.is_nan()).collect();
        model.estimate(mean, &values, follows).sd
    };
    for k in 0..evaluation.time_points.len() {
        let point = evaluation.time_points[k];
        evaluation.time_points[k].errors = Some(MemberErrors {
            w1: error(point.w1.mean, &|of| of.time_points[k].w1.mean, Follows::Velocity),
            w2: error(point.w2.mean, &|of| of.time_points[k].w2.mean, Follows::Velocity),
            rme: error(point.rme.mean, &|of| of.time_points[k].rme.mean, Follows::Growth),
        });
    }
    Ok(evaluation)
}
