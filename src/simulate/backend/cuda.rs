//! Simulation on a CUDA device: the equations of the modules beside this folder, stepped there.
//! Families of branching cells are drawn there and written into the lineage here.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::Backend;
use crate::device::cuda::{self, Fault, Gpu, Program, Rule, Stepper, Steps};
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::fields::{Compiled, Fields};
use crate::simulate::branching::{self, Motion};
use crate::simulate::forest::{self, Forest};
use crate::simulate::ode::Solver;
use crate::simulate::{
    Naming, OutputInterval, Particles, Residence, Shard, TimeStep, blown_up, fill_state, particle, report,
    resampling, runs_backward, sde,
};

/// Fields that are made of networks, and the device that steps their particles.
pub(super) struct Cuda<'a> {
    gpu: Arc<Gpu>,
    fields: &'a Compiled,
}

impl<'a> Cuda<'a> {
    pub(super) fn new(gpu: Arc<Gpu>, fields: &'a dyn Fields) -> Result<Self> {
        let allowed = "learned ones on a device: fields that are given as functions run on the CPU";
        let refusal = || Error::argument("the fields", "functions", allowed);
        Ok(Self { gpu, fields: fields.compiled().ok_or_else(refusal)? })
    }

    /// A model on the device.
    fn stepper(&self, count: usize) -> Result<Stepper> {
        if count > u32::MAX as usize / 2 {
            return Err(Error::argument("the number of particles", count, "at most 2^31 on a CUDA device"));
        }
        Stepper::new(&self.gpu, &Program::new(self.fields)?, count)
    }

    /// Steps particles that do not need each other, in as many parts as the device's memory makes of them.
    fn in_parts(
        &self,
        start: &Particles,
        times: &[f64],
        step: f64,
        walk: Walk<'a>,
        stop: &Stop,
    ) -> Result<Shard> {
        let intervals = OutputInterval::all(start.time, times, step, self.knots())?;
        let mut residence = Residence::new(start.time, times);
        let mut stepper = self.stepper(start.len())?;
        let part = stepper.capacity()?;
        if part == 0 {
            stepper.require(1)?;
        }
        let mut frames: Vec<Particles> = times
            .iter()
            .map(|&time| Particles { time, points: vec![], log_weights: vec![], ..start.clone() })
            .collect();
        for first in (0..start.len()).step_by(part.max(1)) {
            let rows = first..start.len().min(first + part);
            let (ids, log_weights) = (&start.ids[rows.clone()], &start.log_weights[rows.clone()]);
            load(
                &mut stepper,
                &start.points[rows.start * start.dims..rows.end * start.dims],
                start.dims,
                ids,
            )?;
            for (interval, frame) in intervals.iter().zip(&mut frames) {
                walk.take(&mut stepper, interval, 0..interval.count, &mut residence, stop)?;
                let ancestors: Vec<usize> = rows.clone().collect();
                let state = stepper.state()?;
                let reported =
                    report(interval.to, start.dims, &state, (ids, particle), log_weights, &ancestors)?;
                frame.points.extend(reported.points);
                frame.log_weights.extend(reported.log_weights);
            }
        }
        frames.iter_mut().for_each(|frame| frame.ancestors = (0..start.len()).collect());
        Ok(Shard::of(frames, residence))
    }

    fn knots(&self) -> &'a [f64] {
        self.fields.knots()
    }

    fn walk(&self, rule: Rule, seed: u64, backward: bool) -> Walk<'a> {
        Walk { rule, fields: self.fields, seed, backward, naming: particle }
    }
}

impl Backend for Cuda<'_> {
    fn flow(
        &self,
        start: &Particles,
        times: &[f64],
        solver: &Solver,
        _spread: f64,
        stop: &Stop,
    ) -> Result<Shard> {
        runs_backward(self.fields.dims(), start, times)?;
        let (rule, step) = match *solver {
            Solver::Euler { step } => (Rule::Euler, step),
            Solver::RungeKutta4 { step } => (Rule::RungeKutta4, step),
            Solver::DormandPrince(_) => {
                let allowed = "rk4 or euler on a CUDA device: dormand-prince fits its steps to the particles, on the CPU";
                return Err(Error::argument("solver", "dormand-prince", allowed));
            }
        };
        self.in_parts(start, times, step, self.walk(rule, 0, false), stop)
    }

    fn diffusion(
        &self,
        start: &Particles,
        times: &[f64],
        options: &sde::Options,
        stop: &Stop,
    ) -> Result<Shard> {
        let backward = runs_backward(self.fields.dims(), start, times)?;
        options.check()?;
        let walk = self.walk(Rule::EulerMaruyama, options.seed, backward);
        if !options.resamples() {
            return self.in_parts(start, times, options.step, walk, stop);
        }
        let mut stepper = self.stepper(start.len())?;
        stepper.require(start.len())?;
        load(&mut stepper, &start.points, start.dims, &start.ids)?;
        let mut residence = Residence::new(start.time, times);
        let (mut frames, mut log_weights) = (Vec::with_capacity(times.len()), start.log_weights.clone());
        for interval in OutputInterval::all(start.time, times, options.step, self.knots())? {
            for j in 0..interval.count {
                walk.take(&mut stepper, &interval, j..j + 1, &mut residence, stop)?;
                let step = interval.step(j).index;
                let growth = stepper.growth()?;
                let now = log_weights.iter().zip(&growth).map(|(l, a)| l + a);
                if let Some((log_weight, rows)) =
                    resampling::if_below(options.resample_below, now, options.seed, step)?
                {
                    stepper.resample(&rows.iter().map(|&row| row as u32).collect::<Vec<_>>())?;
                    log_weights.fill(log_weight);
                }
            }
            frames.push(frame(&mut stepper, interval.to, start, (&start.ids, particle), &log_weights)?);
        }
        Ok(Shard::of(frames, residence))
    }

    fn branching(
        &self,
        start: &Particles,
        first: u64,
        times: &[f64],
        options: &branching::Options,
        stop: &Stop,
    ) -> Result<Shard> {
        branching::check(self.fields.dims(), start, times, options)?;
        let rule = match options.motion {
            Motion::Diffusion => Rule::EulerMaruyama,
            Motion::Flow => Rule::RungeKutta4,
        };
        let walk = Walk { naming: forest::name, ..self.walk(rule, options.seed, false) };
        let mut stepper = self.stepper(start.len())?;
        stepper.require(start.len())?;
        let mut forest = Forest::new(first, start.len(), start.time)?;
        load(&mut stepper, &start.points, start.dims, &forest.founders().collect::<Vec<_>>())?;
        let log_weight = start.log_weights.first().copied().unwrap_or(0.0);
        let mut residence = Residence::new(start.time, times);
        let (mut frames, mut living) = (Vec::with_capacity(times.len()), vec![]);
        for interval in OutputInterval::all(start.time, times, options.step, self.knots())? {
            for j in 0..interval.count {
                walk.take(&mut stepper, &interval, j..j + 1, &mut residence, stop)?;
                multiply(&mut stepper, interval.step(j), options, &mut forest)?;
                living.push(stepper.count() as u64);
            }
            let ids = stepper.ids()?;
            let log_weights = vec![log_weight; ids.len()];
            frames.push(frame(&mut stepper, interval.to, start, (&ids, forest::name), &log_weights)?);
        }
        forest.survive(&stepper.ids()?, times[times.len() - 1]);
        let lineage = forest.end(&mut frames);
        Ok(Shard { lineage: Some(lineage), living, ..Shard::of(frames, residence) })
    }
}

/// Replaces every particle by its descendants after a step, as branching does on the CPU.
fn multiply(
    stepper: &mut Stepper,
    step: TimeStep,
    options: &branching::Options,
    forest: &mut Forest,
) -> Result<()> {
    let end = step.time + step.length;
    let law = cuda::Branching {
        length: step.length,
        turnover: options.turnover,
        branching_rate: options.branching_rate,
        seed: options.seed,
        step: step.index,
        most: options.max_population,
    };
    let drawn = stepper.draw(&law)?;
    if drawn.total > options.max_population {
        return Err(Error::PopulationLimit { limit: options.max_population, time: end });
    }
    stepper.require_next(drawn.total)?;
    let mut new_ids = Vec::new();
    for event in &drawn.events {
        let law = options.law(event.growth / step.length);
        let mut rng = stream(options.seed, Purpose::Branching, event.id, step.index);
        let extinction = law.extinction_time(step.length, &mut rng);
        if event.count == 0 {
            // A device's rounding may find a death that is none here: then it happens at the end of the step.
            forest.die(event.id, step.time + extinction.unwrap_or(step.length));
        } else {
            let mut depths: Vec<f64> =
                law.split_depths(step.length, &mut rng).take(event.count - 1).collect();
            // Likewise a division that is none here happens at the beginning of the step.
            depths.resize(event.count - 1, step.length);
            forest.divide(event.id, end, &depths, |leaf| new_ids.push(leaf))?;
        }
    }
    stepper.settle(drawn, &new_ids)
}

/// How particles without births and deaths are stepped.
#[derive(Debug, Clone, Copy)]
struct Walk<'a> {
    rule: Rule,
    fields: &'a Compiled,
    seed: u64,
    backward: bool,
    naming: Naming,
}

impl Walk<'_> {
    /// Takes the steps numbered `some` of an interval.
    fn take(
        self,
        stepper: &mut Stepper,
        interval: &OutputInterval,
        some: Range<usize>,
        residence: &mut Residence,
        stop: &Stop,
    ) -> Result<()> {
        for first in some.clone().step_by(STEPS_AT_A_TIME) {
            let last = some.end.min(first + STEPS_AT_A_TIME);
            let steps: Vec<TimeStep> = (first..last).map(|j| interval.step(j)).collect();
            for steps in steps.chunk_by(|a, b| a.stretch == b.stretch) {
                self.take_equal(stepper, steps, residence, stop)?;
            }
        }
        Ok(())
    }

    /// Takes steps of one stretch, which are of one length and by one clock.
    fn take_equal(
        self,
        stepper: &mut Stepper,
        steps: &[TimeStep],
        residence: &mut Residence,
        stop: &Stop,
    ) -> Result<()> {
        let times: Vec<f64> = steps.iter().map(|step| step.time).collect();
        let sigmas: Vec<f64> = times.iter().map(|&time| self.fields.diffusion.at(time)).collect();
        let first = steps[0];
        let walked = Steps {
            rule: self.rule,
            times: &times,
            sigmas: &sigmas,
            length: first.length,
            clock: self.fields.scaling.clock(first.stretch.middle()),
            bounds: self.fields.guard.as_ref().map(|guard| guard.at(first.stretch.middle())),
            first_index: first.index | u64::from(self.backward) << 63,
            seed: self.seed,
        };
        if let Some(Fault { step, row }) = stepper.advance(&walked, stop)? {
            return Err(blown_up(&(self.naming)(stepper.ids()?[row]), times[step] + steps[step].length));
        }
        residence.add(first.length, stepper.count() * steps.len(), stepper.take_outside() as usize);
        Ok(())
    }
}

/// Steps that are written down at a time: an interval may have a billion.
const STEPS_AT_A_TIME: usize = 4096;

fn load(stepper: &mut Stepper, points: &[f32], dims: usize, ids: &[u64]) -> Result<()> {
    let mut state = Vec::new();
    fill_state(&mut state, points, dims);
    stepper.load(&state, ids)
}

/// What is reported at `time`, after which origins are rows of this frame.
fn frame(
    stepper: &mut Stepper,
    time: f64,
    start: &Particles,
    who: (&[u64], Naming),
    log_weights: &[f64],
) -> Result<Particles> {
    let origins: Vec<usize> = stepper.origins()?.into_par_iter().map(|row| row as usize).collect();
    let frame = report(time, start.dims, &stepper.state()?, who, log_weights, &origins)?;
    stepper.reset_origins()?;
    Ok(frame)
}
