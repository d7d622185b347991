//! Gradient descent by Adam: progress, finiteness, clipping, the step, and which parameters are kept.

use super::TrainingOptions;
use super::memory::Memory;
use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::nn::{Adam, Mlp, MovingAverage, Schedule, clip, sum_of_squares};

/// What a descent minimises.
pub(crate) trait Loss {
    /// The loss of training step `step` at these networks; its derivatives are then what [`gradient`](Self::gradient) gives.
    ///
    /// # Errors
    /// Whatever makes it impossible to go on: the descent ends with it, and keeps what it had.
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64>;

    /// The derivative of the last evaluated loss in the parameters of network `network`.
    fn gradient(&mut self, network: usize) -> &mut [f32];

    /// What the last evaluated networks are judged by where the best are kept: the loss, or a part of it.
    fn merit(&self, loss: f64) -> f64 {
        loss
    }

    /// What it has noted of the steps so far, for those who go on from a checkpoint.
    fn notes(&self) -> Vec<f64> {
        vec![]
    }

    /// Takes up what [`notes`](Self::notes) gave.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for those of another loss.
    fn take_up(&mut self, _notes: Vec<f64>) -> Result<()> {
        Ok(())
    }

    /// Whether another one, with these notes, could go on with step `step`.
    fn may_rest_before(&self, _step: usize) -> bool {
        true
    }
}

/// How a loss is minimised.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descent {
    /// As which stage of the fit it is reported.
    pub(crate) stage: Stage,
    /// The number of steps.
    pub(crate) steps: usize,
    /// The learning rate over them.
    pub(crate) schedule: Schedule,
    /// The gradient's norm, over all networks, is clipped to this where given.
    pub(crate) clip: Option<f64>,
    /// Which parameters the networks end with.
    pub(crate) keep: Keep,
}

/// Which parameters a descent ends with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep {
    /// Their moving average of this decay.
    Average(f64),
    /// Those of the least loss that was met. One that changes from step to step at the same parameters (`noisy`) is judged
    /// by its own moving average.
    Best { noisy: bool },
}

/// How a descent went.
#[derive(Debug)]
pub(crate) struct Descended {
    /// The loss of every step.
    pub(crate) losses: Vec<f64>,
    /// Why it ended early, if it did; the networks are then what the good steps before gave.
    pub(crate) stopped: Option<Error>,
}

impl Descent {
    /// A descent of so many steps as these options have it, which ends with the moving average.
    pub(crate) fn new(stage: Stage, steps: usize, options: &TrainingOptions) -> Self {
        let schedule = options.schedule_over(steps);
        Self { stage, steps, schedule, clip: options.clip, keep: Keep::Average(options.ema) }
    }

    /// Takes `networks` down `loss` from where they are and leaves them with the parameters that are to be kept.
    pub(crate) fn run(
        &self,
        networks: &mut [Mlp],
        loss: &mut (dyn Loss + Send),
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Descended {
        let mut memory = Memory {
            losses: Vec::with_capacity(self.steps),
            optimisers: networks.iter().map(|network| Adam::new(network.parameters().len())).collect(),
            kept: Kept::new(self.keep, networks),
            notes: vec![],
            ended: false,
        };
        let stopped = self.resume(&mut memory, networks, loss, reporter).and_then(|()| {
            if memory.ended { Ok(()) } else { self.descend(&mut memory, networks, loss, threads, reporter) }
        });
        if memory.ended {
            return Descended { losses: memory.losses, stopped: stopped.err() };
        }
        let mut stopped = stopped.err();
        if stopped.is_none() {
            // The work is done: there is nothing left to cancel.
            let _ = self.report(self.steps, &memory.losses, reporter);
        }
        let cancelled = matches!(stopped, None | Some(Error::Cancelled));
        // On these threads too: the ambient pool is the host's, or would be started for this alone.
        threads.run(|| memory.kept.restore(networks, cancelled && !memory.losses.is_empty()));
        if stopped.is_none() {
            memory.ended = true;
            stopped = self.keep_state(&mut memory, networks, loss, reporter).err();
        }
        Descended { losses: memory.losses, stopped }
    }

    /// Goes on from the last checkpoint, where there is one.
    fn resume(
        &self,
        memory: &mut Memory,
        networks: &mut [Mlp],
        loss: &mut (dyn Loss + Send),
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<()> {
        let Some(checkpoints) = &mut reporter.checkpoints else { return Ok(()) };
        if let Some(state) = checkpoints.last(self.stage)? {
            memory.take_up(&state, networks)?;
            loss.take_up(memory.notes.clone())?;
        }
        Ok(())
    }

    /// Keeps a checkpoint, where they are kept.
    fn keep_state(
        &self,
        memory: &mut Memory,
        networks: &[Mlp],
        loss: &(dyn Loss + Send),
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<()> {
        let Some(checkpoints) = &mut reporter.checkpoints else { return Ok(()) };
        memory.notes = loss.notes();
        checkpoints.keep(self.stage, &memory.to_bytes(networks))
    }

    /// Takes the steps that are left.
    fn descend(
        &self,
        memory: &mut Memory,
        networks: &mut [Mlp],
        loss: &mut (dyn Loss + Send),
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<()> {
        for step in memory.losses.len()..self.steps {
            let is_cancelled = self.report(step, &memory.losses, reporter).is_break();
            let is_due = reporter.checkpoints.as_ref().is_some_and(|checkpoints| checkpoints.is_due());
            if (is_due || is_cancelled) && loss.may_rest_before(step) {
                self.keep_state(memory, networks, loss, reporter)?;
            }
            if is_cancelled {
                return Err(Error::Cancelled);
            }
            let Memory { optimisers, kept, .. } = memory;
            let value = threads.run(|| self.step(step, networks, loss, optimisers, kept))?;
            memory.losses.push(value);
        }
        Ok(())
    }

    fn report(
        &self,
        done: usize,
        losses: &[f64],
        reporter: &mut Reporter<'_, '_>,
    ) -> std::ops::ControlFlow<()> {
        let progress = Progress { stage: self.stage, done, total: self.steps, loss: losses.last().copied() };
        reporter.report(&progress)
    }

    /// One step: the loss, and, if it and its gradient are finite, what follows from them.
    fn step(
        &self,
        step: usize,
        networks: &mut [Mlp],
        loss: &mut (dyn Loss + Send),
        optimisers: &mut [Adam],
        kept: &mut Kept,
    ) -> Result<f64> {
        let value = loss.evaluate(step, networks)?;
        let norm = (0..networks.len()).map(|k| sum_of_squares(loss.gradient(k))).sum::<f64>().sqrt();
        if !(value.is_finite() && norm.is_finite()) {
            return Err(Error::NonFinite(format!(
                "the loss or its gradient is not finite at step {step} of {}: {value}; a smaller learning_rate ({}) or a clip \
                 of the gradient would keep it so",
                self.stage,
                self.schedule.rate(0)
            )));
        }
        kept.offer(step, loss.merit(value), networks);
        let rate = self.schedule.rate(step);
        for (k, (network, adam)) in networks.iter_mut().zip(optimisers).enumerate() {
            let gradient = loss.gradient(k);
            if let Some(most) = self.clip {
                clip(gradient, norm, most);
            }
            adam.step(network.parameters_mut(), gradient, rate);
        }
        Ok(value)
    }
}

/// A noisy loss is judged by a moving average over about this many steps.
const SMOOTHING: f64 = 20.0;

/// The parameters that are kept.
pub(super) enum Kept {
    Average(Vec<MovingAverage>),
    Best { noisy: bool, smoothed: Option<f64>, least: f64, parameters: Vec<Vec<f32>> },
}

impl Kept {
    fn new(keep: Keep, networks: &[Mlp]) -> Self {
        match keep {
            Keep::Average(decay) => Kept::Average(
                networks.iter().map(|network| MovingAverage::new(network.parameters(), decay)).collect(),
            ),
            Keep::Best { noisy } => Kept::Best {
                noisy,
                smoothed: None,
                least: f64::INFINITY,
                parameters: networks.iter().map(|network| network.parameters().to_vec()).collect(),
            },
        }
    }

    /// Takes note of networks whose loss at `step` was found to be finite. Only now are the parameters that the last step led
    /// to known to be good.
    fn offer(&mut self, step: usize, loss: f64, networks: &[Mlp]) {
        match self {
            Kept::Average(averages) => {
                if step > 0 {
                    averages.iter_mut().zip(networks).for_each(|(a, network)| a.update(network.parameters()));
                }
            }
            Kept::Best { noisy, smoothed, least, parameters } => {
                let judged = match *smoothed {
                    Some(before) if *noisy => before + (loss - before) / SMOOTHING,
                    _ => loss,
                };
                *smoothed = Some(judged);
                if judged < *least {
                    *least = judged;
                    for (kept, network) in parameters.iter_mut().zip(networks) {
                        kept.copy_from_slice(network.parameters());
                    }
                }
            }
        }
    }

    /// Gives the networks what was kept. The parameters of the last step are `good` if no loss has spoken against them.
    fn restore(&mut self, networks: &mut [Mlp], good: bool) {
        match self {
            Kept::Average(averages) => {
                for (average, network) in averages.iter_mut().zip(networks) {
                    if good && network.parameters().iter().all(|p| p.is_finite()) {
                        average.update(network.parameters());
                    }
                    network.parameters_mut().copy_from_slice(average.parameters());
                }
            }
            Kept::Best { parameters, .. } => {
                for (kept, network) in parameters.iter().zip(networks) {
                    network.parameters_mut().copy_from_slice(kept);
                }
            }
        }
    }
}
