//! The diffusion: dX = (v + s) dt + σ dW, d ln w = g dt, by the rule of Euler and Maruyama.

use super::{
    BlockFields, OutputInterval, Particles, Residence, TimeStep, Trajectory, check_finite, fill_state,
    for_each_block, lanes, particle, report, resampling, runs_backward, share_outside,
};
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, normals, stream};
use crate::exec::stop::Stop;
use crate::fields::{Fields, require_whole};

/// How the diffusion is simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The longest step, in units of time: the interval between two output times is cut into equal steps. Of fields with
    /// [`knots`](Fields::knots), in an interval of the mean length.
    pub step: f64,
    /// The seed of the noise.
    pub seed: u64,
    /// Resample after a step that leaves the effective sample size under this share of the particles, 0 to 1; 0 is
    /// never. Default 0.
    pub resample_below: f64,
}

impl Options {
    /// Steps of at most `step`, noise of `seed`, no resampling.
    pub fn new(step: f64, seed: u64) -> Self {
        Self { step, seed, resample_below: 0.0 }
    }

    pub(super) fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.resample_below) {
            Ok(())
        } else {
            Err(Error::argument("resample_below", self.resample_below, "between 0 and 1, both included"))
        }
    }

    /// Whether particles are ever resampled.
    pub(super) fn resamples(&self) -> bool {
        self.resample_below > 0.0
    }
}

/// Moves weighted particles along the diffusion of `fields`, from `start` to each of the output `times`.
///
/// `times` increase from the start time on (the first may equal it), or decrease from it: then the diffusion
/// runs backward, with drift −v + s, and carries the population at the start time to that at the earlier
/// ones.
///
/// The noise of particle `i` (its [`Particles::ids`]), step and coordinate is a pure function of the seed. A
/// simulation continued from a reported frame counts its steps anew, so it needs another seed. With
/// resampling, a particle keeps its row and id (hence its noise), takes over the position of the particle
/// that it was drawn from, and [`Particles::ancestors`] tells which row of the previous frame that came from;
/// the total mass is kept.
///
/// Source of the rule: Maruyama, Rend. Circ. Mat. Palermo 1955; it is of strong order 1 here, since σ does not
/// depend on the place, and weak order 1. A σ that changes with time is that at each step's start.
///
/// # Errors
/// [`Error::InvalidArgument`] for times, steps or fractions out of range, [`Error::InvalidData`] for a start
/// that is not finite, [`Error::NonFinite`] naming time and particle when a state leaves the finite numbers,
/// [`Error::Cancelled`] once `stop` is requested.
pub fn simulate(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &Options,
    stop: &Stop,
) -> Result<Trajectory> {
    let (frames, residence) = simulate_some(fields, start, times, options, stop)?;
    Ok(Trajectory { frames, outside: share_outside(fields, residence) })
}

/// The same for some of the particles of a start, whole blocks of them, where they are never resampled.
pub(super) fn simulate_some(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &Options,
    stop: &Stop,
) -> Result<(Vec<Particles>, Residence)> {
    require_whole(fields, "the mode sde")?;
    let backward = runs_backward(fields.dims(), start, times)?;
    options.check()?;
    let noise = Noise { seed: options.seed, backward };
    let residence = Residence::new(start.time, times);
    let mut lanes = lanes(|| Scratch::new(fields, residence));
    let mut cloud = Cloud::new(start);
    let mut frames = Vec::with_capacity(times.len());
    for interval in OutputInterval::all(start.time, times, options.step, fields.knots())? {
        // Without resampling the blocks do not need each other, and each goes through the whole interval at
        // once.
        let stride = if options.resamples() { 1 } else { interval.count.max(1) };
        for first in (0..interval.count).step_by(stride) {
            for_each_block(&mut lanes, &mut cloud.state, start.dims + 1, |scratch, row, state| {
                let ids = &start.ids[row..row + state.len() / (start.dims + 1)];
                (first..first + stride).try_for_each(|j| {
                    stop.check()?;
                    let step = interval.step(j);
                    diffusion_step(scratch, noise, step, ids, state);
                    check_finite(step.time + step.length, state, ids)
                })
            })?;
            if options.resamples() {
                cloud.resample_if_below(options.resample_below, options.seed, interval.step(first).index)?;
            }
        }
        frames.push(report(
            interval.to,
            start.dims,
            &cloud.state,
            (&start.ids, particle),
            &cloud.log_weights,
            &cloud.ancestors,
        )?);
        cloud.ancestors = (0..start.len()).collect();
    }
    let residence = lanes.iter().fold(residence, |sum, lane| sum.merge(lane.scratch.fields.residence));
    Ok((frames, residence))
}

/// Which noise a simulation uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) seed: u64,
    /// The way back has noise of its own.
    pub(super) backward: bool,
}

/// A block's buffers.
pub(super) struct Scratch<'a> {
    pub(super) fields: BlockFields<'a>,
    normals: Vec<f64>,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(fields: &'a dyn Fields, residence: Residence) -> Self {
        Self { fields: BlockFields::new(fields, residence), normals: vec![0.0; fields.dims()] }
    }
}

/// One step of a block of particles with these `ids`, after which their states may not be finite.
pub(super) fn diffusion_step(
    scratch: &mut Scratch<'_>,
    noise: Noise,
    step: TimeStep,
    ids: &[u64],
    state: &mut [f64],
) {
    let time = step.stretch.inside(step.time);
    let (dims, sigma) = (scratch.fields.model.dims(), scratch.fields.model.sigma(time));
    // Without diffusion the score drift (σ²/2) ∇ log p is zero.
    let noisy = sigma > 0.0;
    scratch.fields.reside(time, step.length, state);
    scratch.fields.evaluate(time, state, noisy);
    let (h, duration) = (step.length, step.length.abs());
    let amplitude = sigma * duration.sqrt();
    let stream_of_step = step.index | u64::from(noise.backward) << 63;
    for (i, row) in state.chunks_exact_mut(dims + 1).enumerate() {
        let of_row = i * dims..(i + 1) * dims;
        for (x, &v) in row.iter_mut().zip(&scratch.fields.velocity[of_row.clone()]) {
            *x += h * f64::from(v);
        }
        if noisy {
            normals(
                &mut stream(noise.seed, Purpose::Diffusion, ids[i], stream_of_step),
                &mut scratch.normals,
            );
            let score_drift = &scratch.fields.score_drift[of_row];
            for ((x, &s), normal) in row.iter_mut().zip(score_drift).zip(&scratch.normals) {
                *x += duration * f64::from(s) + amplitude * normal;
            }
        }
        row[dims] += h * f64::from(scratch.fields.growth[i]);
    }
}

/// All particles between two steps.
struct Cloud {
    state: Vec<f64>,
    /// ln w of each particle when its accumulated growth was 0.
    log_weights: Vec<f64>,
    /// The row of the last reported frame that each comes from.
    ancestors: Vec<usize>,
}

impl Cloud {
    fn new(start: &Particles) -> Self {
        let mut state = Vec::new();
        fill_state(&mut state, &start.points, start.dims);
        Self { state, log_weights: start.log_weights.clone(), ancestors: (0..start.len()).collect() }
    }

    fn resample_if_below(&mut self, fraction: f64, seed: u64, step: u64) -> Result<()> {
        let rows = self.log_weights.len();
        let width = self.state.len() / rows.max(1);
        let growth = self.state.chunks_exact(width.max(1)).map(|row| row[width - 1]);
        let current = self.log_weights.iter().zip(growth).map(|(l, a)| l + a);
        let Some((log_weight, drawn)) = resampling::if_below(fraction, current, seed, step)? else {
            return Ok(());
        };
        self.state =
            drawn.iter().flat_map(|&row| &self.state[row * width..(row + 1) * width]).copied().collect();
        self.state.chunks_exact_mut(width).for_each(|row| row[width - 1] = 0.0);
        self.ancestors = drawn.iter().map(|&row| self.ancestors[row]).collect();
        self.log_weights = vec![log_weight; rows];
        Ok(())
    }
}
