//! Gradient descent by Adam: progress, finiteness, clipping, the step, and which parameters are kept.

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
    /// Takes `networks` down `loss` from where they are and leaves them with the parameters that are to be kept.
    pub(crate) fn run(
        &self,
        networks: &mut [Mlp],
        loss: &mut (dyn Loss + Send),
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Descended {
        let mut optimisers: Vec<Adam> =
            networks.iter().map(|network| Adam::new(network.parameters().len())).collect();
        let mut kept = Kept::new(self.keep, networks);
        let mut losses = Vec::with_capacity(self.steps);
        let mut stopped = None;
        for step in 0..self.steps {
            if self.report(step, &losses, reporter).is_break() {
                stopped = Some(Error::Cancelled);
                break;
            }
            let value = threads.run(|| self.step(step, networks, loss, &mut optimisers, &mut kept));
            match value {
                Ok(value) => losses.push(value),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        if stopped.is_none() {
            // The work is done: there is nothing left to cancel.
            let _ = self.report(self.steps, &losses, reporter);
        }
        let cancelled = matches!(stopped, None | Some(Error::Cancelled));
        // On these threads too: the ambient pool is the host's, or would be started for this alone.
        threads.run(|| kept.restore(networks, cancelled && !losses.is_empty()));
        Descended { losses, stopped }
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
        kept.offer(step, value, networks);
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
enum Kept {
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
    fn restore(self, networks: &mut [Mlp], good: bool) {
        match self {
            Kept::Average(averages) => {
                for (mut average, network) in averages.into_iter().zip(networks) {
                    if good && network.parameters().iter().all(|p| p.is_finite()) {
                        average.update(network.parameters());
                    }
                    network.parameters_mut().copy_from_slice(average.parameters());
                }
            }
            Kept::Best { parameters, .. } => {
                for (kept, network) in parameters.into_iter().zip(networks) {
                    network.parameters_mut().copy_from_slice(&kept);
                }
            }
        }
    }
}
