//! The training loop of all simulation-free methods.

use std::iter::once;
use std::time::Instant;

use super::batch::{Batch, Row, Source};
use crate::bridge::Bridge;
use crate::error::{Error, Result, fits_in_memory, positive};
use crate::exec::progress::{Progress, Reporter};
use crate::exec::threads::Threads;
use crate::named::named;
use crate::nn::{
    Activation, Adam, Architecture, BatchGradient, Mlp, MovingAverage, Schedule, clip_gradients,
};
use crate::snapshots::Snapshots;
use crate::transport::sampling::PairSampler;
use crate::units::Scaling;

/// How much each interval between snapshots counts in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntervalWeighting {
    /// All intervals count the same.
    #[default]
    Uniform,
    /// An interval counts by the mass at its start.
    Mass,
}

named!(IntervalWeighting, "interval_weighting", Uniform = "uniform", Mass = "mass");

/// How networks are shaped and trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOptions {
    /// Training steps.
    pub epochs: usize,
    /// Pairs drawn a step, for each interval.
    pub batch_size: usize,
    /// Hidden widths of the velocity network.
    pub hidden: Vec<usize>,
    /// Hidden widths of the growth network; as the velocity's where absent.
    pub growth_hidden: Option<Vec<usize>>,
    /// Hidden widths of the score network; as the velocity's where absent.
    pub score_hidden: Option<Vec<usize>>,
    /// The function of the hidden units.
    pub activation: Activation,
    /// Adam's learning rate at the first step.
    pub learning_rate: f64,
    /// The rate that a cosine takes it down to at the last step; constant where absent.
    pub final_learning_rate: Option<f64>,
    /// Decay of the parameters' moving average, which is the model that a fit returns; 0 for the parameters themselves.
    pub ema: f64,
    /// The gradient's norm, over all networks, is clipped to this where given.
    pub clip: Option<f64>,
    /// How much each interval counts.
    pub interval_weighting: IntervalWeighting,
}

impl Default for TrainingOptions {
    /// The published recipe: 3000 steps of 400 pairs an interval, Adam from 5e-3 down to 1e-5 by a cosine, moving average
    /// 0.995, five hidden layers of 256 (three for growth), LeakyReLU.
    fn default() -> Self {
        Self {
            epochs: 3000,
            batch_size: 400,
            hidden: vec![256; 5],
            growth_hidden: Some(vec![256; 3]),
            score_hidden: None,
            activation: Activation::LeakyRelu,
            learning_rate: 5e-3,
            final_learning_rate: Some(1e-5),
            ema: 0.995,
            clip: None,
            interval_weighting: IntervalWeighting::Uniform,
        }
    }
}

impl TrainingOptions {
    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                return Err(Error::argument(name, value, "at least 1"));
            }
        }
        // One loss a step is kept.
        fits_in_memory("epochs", self.epochs, self.epochs.checked_mul(2))?;
        self.schedule_over(self.epochs).validate()?;
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::argument("ema", self.ema, "at least 0 and below 1"));
        }
        if let Some(clip) = self.clip {
            positive("clip", clip)?;
        }
        Ok(())
    }

    /// The learning rate of a stage of `epochs` steps.
    pub(crate) fn schedule_over(&self, epochs: usize) -> Schedule {
        match self.final_learning_rate {
            Some(end) => Schedule::Cosine { start: self.learning_rate, end, steps: epochs },
            None => Schedule::Constant(self.learning_rate),
        }
    }

    pub(crate) fn architecture(&self, hidden: &[usize], dims: usize, outputs: usize) -> Architecture {
        Architecture { inputs: dims + 1, hidden: hidden.to_vec(), outputs, activation: self.activation }
    }
}

/// One interval between snapshots, and the coupling of its cells.
#[derive(Debug)]
pub(crate) struct Interval {
    /// The snapshot at its start.
    pub(crate) index: usize,
    pub(crate) start: f64,
    pub(crate) length: f64,
    pub(crate) sampler: PairSampler,
    /// ω_k, of mean 1.
    pub(crate) weight: f64,
}

/// The networks that training ends with.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) velocity: Mlp,
    pub(crate) growth: Option<Mlp>,
    pub(crate) score: Option<Mlp>,
    /// The loss of every step.
    pub(crate) losses: Vec<f64>,
    pub(crate) seconds: f64,
    /// Why training ended early, if it did; the networks are then those of the last good step.
    pub(crate) stopped: Option<Error>,
}

/// A network with all that its training needs.
struct Learner {
    network: Mlp,
    gradient: BatchGradient,
    adam: Adam,
    average: MovingAverage,
}

impl Learner {
    fn new(architecture: Architecture, rows: usize, seed: u64, index: u64, ema: f64) -> Result<Self> {
        architecture.validate()?;
        let parameters = architecture.parameter_count();
        fits_in_memory("hidden", parameters, BatchGradient::numbers(&architecture, rows))?;
        let gradient = BatchGradient::new(&architecture, rows);
        let adam = Adam::new(architecture.parameter_count());
        let network = Mlp::new(architecture, seed, index)?;
        let average = MovingAverage::new(network.parameters(), ema);
        Ok(Self { network, gradient, adam, average })
    }

    /// One step after a loss that was finite: only now are the parameters of the last step known to be good, and join
    /// the average.
    fn step(&mut self, epoch: usize, rate: f64) {
        if epoch > 0 {
            self.average.update(self.network.parameters());
        }
        self.adam.step(self.network.parameters_mut(), self.gradient.gradient(), rate);
    }

    /// The network of averaged parameters; those of the last step are `good` if no loss has spoken against them.
    fn into_average(mut self, good: bool) -> Result<Mlp> {
        if good && self.network.parameters().iter().all(|p| p.is_finite()) {
            self.average.update(self.network.parameters());
        }
        Mlp::from_parameters(self.network.architecture().clone(), self.average.parameters().to_vec())
    }
}

/// Minimises Σ_k ω_k E[(m(r)/m0)(‖v − v*‖²/d + |g − g*|² + ‖λ s + ξ‖²/d)], all in the networks' units
/// (mass-weighted conditional regression: Peng et al., ICLR 2026, Theorem 4.2; Ying et al. 2026, Theorem 4.3).
pub(crate) fn train(
    snapshots: &Snapshots,
    intervals: &[Interval],
    (bridge, scaling): (Bridge, &Scaling),
    options: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Trained> {
    let started = Instant::now();
    let dims = snapshots.dims();
    let source = Source {
        snapshots,
        intervals,
        bridge,
        scaling,
        score_unit: scaling.score_unit(bridge.sigma()),
        rows_per_interval: options.batch_size,
        seed,
    };
    let numbers =
        options.batch_size.checked_mul(intervals.len()).and_then(|rows| rows.checked_mul(3 * dims + 4));
    fits_in_memory("batch_size", options.batch_size, numbers)?;
    let mut batch = Batch::new(&source);
    let rows = batch.rows.len();
    let learner = |wanted: bool, hidden: Option<&Vec<usize>>, outputs: usize, index: u64| {
        let shape = options.architecture(hidden.unwrap_or(&options.hidden), dims, outputs);
        wanted.then(|| Learner::new(shape, rows, seed, index, options.ema)).transpose()
    };
    let mut velocity =
        Learner::new(options.architecture(&options.hidden, dims, dims), rows, seed, 0, options.ema)?;
    let mut growth = learner(bridge.grows(), options.growth_hidden.as_ref(), 1, 1)?;
    let mut score = learner(bridge.sigma() > 0.0, options.score_hidden.as_ref(), dims, 2)?;

    let schedule = options.schedule_over(options.epochs);
    let mut losses = Vec::with_capacity(options.epochs);
    let mut stopped = None;
    for epoch in 0..options.epochs {
        let progress =
            Progress { stage: "training", done: epoch, total: options.epochs, loss: losses.last().copied() };
        if reporter.report(&progress).is_break() {
            stopped = Some(Error::Cancelled);
            break;
        }
        let loss = threads.run(|| {
            batch.draw(&source, epoch);
            let mut loss = evaluate_velocity(&mut velocity, &batch, dims);
            loss += growth.as_mut().map_or(0.0, |learner| evaluate_growth(learner, &batch));
            loss += score.as_mut().map_or(0.0, |learner| evaluate_score(learner, &batch, dims));
            if loss.is_finite() {
                if let Some(clip) = options.clip {
                    let mut gradients =
                        [Some(&mut velocity), growth.as_mut(), score.as_mut()].map(gradient_mut);
                    clip_gradients(&mut gradients, clip);
                }
                let learners = once(&mut velocity).chain(&mut growth).chain(&mut score);
                learners.for_each(|learner| learner.step(epoch, schedule.rate(epoch)));
            }
            loss
        });
        if !loss.is_finite() {
            stopped = Some(Error::NonFinite(format!(
                "the training loss is {loss} at epoch {epoch}; lower the learning rate ({}) or give a clip",
                options.learning_rate
            )));
            break;
        }
        losses.push(loss);
    }
    if stopped.is_none() {
        let done = Progress {
            stage: "training",
            done: options.epochs,
            total: options.epochs,
            loss: losses.last().copied(),
        };
        // The work is done: there is nothing left to cancel.
        let _ = reporter.report(&done);
    }
    let good = !losses.is_empty() && !matches!(stopped, Some(Error::NonFinite(_)));
    // On these threads too: the ambient pool is the host's, or would be started for this alone.
    let average = |learner: Learner| threads.run(|| learner.into_average(good));
    Ok(Trained {
        velocity: average(velocity)?,
        growth: growth.map(average).transpose()?,
        score: score.map(average).transpose()?,
        losses,
        seconds: started.elapsed().as_secs_f64(),
        stopped,
    })
}

/// A network's gradient, to be clipped; nothing for a network that is not there.
fn gradient_mut(learner: Option<&mut Learner>) -> &mut [f32] {
    learner.map(|learner| learner.gradient.gradient_mut()).unwrap_or_default()
}

/// Σ weight ‖v − v*‖²/d.
fn evaluate_velocity(learner: &mut Learner, batch: &Batch, dims: usize) -> f64 {
    learner.gradient.evaluate(&learner.network, &batch.input, |first, output, d_output| {
        let targets = &batch.velocity[first * dims..][..output.len()];
        let rows = &batch.rows[first..];
        squared_error(dims, rows, output, d_output, |row, at, value| (value - targets[at], row.weight, 1.0))
    })
}

/// Σ weight |g − g*|².
fn evaluate_growth(learner: &mut Learner, batch: &Batch) -> f64 {
    learner.gradient.evaluate(&learner.network, &batch.input, |first, output, d_output| {
        squared_error(1, &batch.rows[first..], output, d_output, |row, _, value| {
            (value - row.growth, row.weight, 1.0)
        })
    })
}

/// Σ weight ‖λ s + ξ‖²/d.
fn evaluate_score(learner: &mut Learner, batch: &Batch, dims: usize) -> f64 {
    learner.gradient.evaluate(&learner.network, &batch.input, |first, output, d_output| {
        let noise = &batch.noise[first * dims..][..output.len()];
        squared_error(dims, &batch.rows[first..], output, d_output, |row, at, value| {
            (row.score_weight.mul_add(value, noise[at]), row.weight, row.score_weight)
        })
    })
}

/// Σ weight residual²/width over rows of `width` outputs, and its derivative; `residual` gives the residual of an
/// output, its weight and its slope.
#[inline(always)]
fn squared_error(
    width: usize,
    rows: &[Row],
    output: &[f32],
    d_output: &mut [f32],
    residual: impl Fn(&Row, usize, f32) -> (f32, f32, f32),
) -> f64 {
    let share = 1.0 / width as f32;
    let mut sum = 0.0f64;
    for (r, row) in rows.iter().take(output.len() / width).enumerate() {
        for at in r * width..(r + 1) * width {
            let (residual, weight, slope) = residual(row, at, output[at]);
            let scaled = weight * share * residual;
            sum += f64::from(scaled) * f64::from(residual);
            d_output[at] = 2.0 * scaled * slope;
        }
    }
    sum
}
