//! The training loops of the simulation-based methods.

use std::time::Instant;

use rayon::prelude::*;

use super::deep_ruot::{DeepRuot, Sigma};
use super::flow::Flow;
use super::growth_penalty::GrowthPenalty;
use super::mixture::Mixture;
use super::path::{Cloud, Grid, InitialDraws, PathWeights, Paths, Stepping};
use super::population::Population;
use super::reconstruction::{ReconstructionCosts, ReconstructionWeights, Target, reconstruct};
use super::score::ScoreMatching;
use super::solver::Equations;
use super::var_ruot::VarRuot;
use super::{EXACT_DIMS, GrowthPrice, Model, RolloutOptions, Scheme};
use crate::error::{Error, Result, fits_in_memory};
use crate::exec::progress::{Progress, Reporter};
use crate::exec::rng::{Purpose, stream};
use crate::exec::threads::Threads;
use crate::fields::GrowthLaw;
use crate::fields::{Drift, Score};
use crate::matching::TrainingOptions;
use crate::nn::{Adam, Mlp, MovingAverage, clip_gradients};
use crate::snapshots::Snapshots;
use crate::units::Scaling;

/// Rows of a batch of the density's training on bridges.
const SCORE_ROWS: usize = 1024;
/// Of a noisy loss, the best parameters are judged by a moving average over about this many steps.
const SMOOTHING: f64 = 20.0;
/// The paths that bridges are drawn from are rolled out anew after this many steps.
const FRESH_PATHS: usize = 50;

/// The parts of the loss of a training step, unweighted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Terms {
    /// W2² over the dimension, mean over the snapshots.
    pub transport: f64,
    /// (Σw/M − 1)², mean over the snapshots.
    pub mass: f64,
    /// The error of the particles' own masses, mean over the snapshots.
    pub local_mass: f64,
    /// ∫ Σ w e dt over the number of intervals.
    pub energy: f64,
    /// The time mean of Σ ŵ r².
    pub residual: f64,
    /// The mean square error of the log-density at the first snapshot.
    pub initial_density: f64,
}

/// How the stages of a simulation-based fit went, beside the losses of its main stage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RolloutReport {
    /// The losses of the pre-training on the reconstruction.
    pub pretraining_losses: Vec<f64>,
    /// The losses of the density's training on bridges.
    pub score_losses: Vec<f64>,
    /// The parts of the main stage's loss at each step.
    pub terms: Vec<Terms>,
}

/// The diffusion and the length of the growth's price, in the data's units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) sigma: f64,
    pub(crate) delta: f64,
}

/// What training ends with.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) drift: Drift,
    pub(crate) growth: Option<Mlp>,
    pub(crate) score: Option<Score>,
    pub(crate) losses: Vec<f64>,
    pub(crate) report: RolloutReport,
    pub(crate) seconds: f64,
    /// Why training ended early, if it did; the networks are then those of the best step before.
    pub(crate) stopped: Option<Error>,
}

/// Trains a model on snapshots.
#[allow(clippy::too_many_arguments)] // the parts of a fit's options, each of one kind
pub(crate) fn train(
    snapshots: &Snapshots,
    scaling: &Scaling,
    model: Model,
    numbers: Numbers,
    options: &RolloutOptions,
    training: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Trained> {
    let started = Instant::now();
    let run = Run::new(snapshots, scaling, model, numbers, options, training, seed)?;
    let mut learners = run.learners()?;
    let mut paths = run.paths(&learners)?;
    let mut report = RolloutReport::default();
    let mut losses = vec![];
    let mut stopped = None;
    let weights = |energy: f64, residual: f64, initial: f64| PathWeights { energy, residual, initial };

    if model == Model::DeepRuot && options.pretraining_epochs > 0 {
        let stage = Stage {
            phase: Phase::PreTraining,
            epochs: options.pretraining_epochs,
            weights: weights(0.0, 0.0, 0.0),
        };
        let outcome = run.optimise(&stage, &mut learners, &mut paths, threads, reporter)?;
        report.pretraining_losses = outcome.losses;
        stopped = outcome.stopped;
    }
    if model == Model::DeepRuot && options.score_epochs > 0 && stopped.is_none() {
        let (moving, density) = learners.split_at_mut(2);
        stopped = run.fit_density(moving, &mut density[0], &mut paths, &mut report, threads, reporter)?;
    }
    if stopped.is_none() {
        let intervals = run.grid.intervals() as f64;
        let (residual, initial) = match model {
            Model::DeepRuot => (options.residual_weight, options.initial_density_weight),
            Model::VarRuot => (options.residual_weight, 0.0),
            Model::MioFlow | Model::Tigon => (0.0, 0.0),
        };
        let stage = Stage {
            phase: Phase::Training,
            epochs: training.epochs,
            weights: weights(options.energy_weight / (intervals * run.dims as f64), residual, initial),
        };
        let outcome = run.optimise(&stage, &mut learners, &mut paths, threads, reporter)?;
        (losses, report.terms, stopped) = (outcome.losses, outcome.terms, outcome.stopped);
    }
    let (drift, growth, score) = match model {
        Model::MioFlow | Model::Tigon => {
            let mut networks = learners.into_iter().map(|learner| learner.network);
            (networks.next().map(Drift::Velocity), networks.next(), None)
        }
        Model::DeepRuot => {
            let mut networks = learners.into_iter().map(|learner| learner.network);
            (networks.next().map(Drift::Velocity), networks.next(), networks.next().map(Score::LogDensity))
        }
        Model::VarRuot => {
            // A density that was not trained would be noise in the flow; without one the flow is that of ∇λ.
            let mut density = None;
            if stopped.is_none() && options.score_epochs > 0 {
                let mut learner = Learner::new(run.density_network()?, training.ema);
                stopped =
                    run.fit_density(&mut learners, &mut learner, &mut paths, &mut report, threads, reporter)?;
                density = Some(learner.network);
            }
            let potential = learners.into_iter().next().zip(run.law);
            let drift = potential.map(|(learner, law)| Drift::Potential { network: learner.network, law });
            (drift, None, density.map(Score::LogDensity))
        }
    };
    let drift = drift.expect("every model has a first network");
    Ok(Trained { drift, growth, score, losses, report, seconds: started.elapsed().as_secs_f64(), stopped })
}

/// The parts of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    PreTraining,
    Score,
    Training,
}

impl Phase {
    /// As the progress function is told.
    fn name(self) -> &'static str {
        match self {
            Phase::PreTraining => "pre-training",
            Phase::Score => "score",
            Phase::Training => "training",
        }
    }

    /// A number of its own for the rollout of every step of every phase.
    fn run_number(self, epoch: usize) -> u64 {
        epoch as u64 * 3 + self as u64
    }
}

/// What a stage minimises, beside the reconstruction.
struct Stage {
    phase: Phase,
    epochs: usize,
    weights: PathWeights,
}

/// How a stage went.
struct Outcome {
    losses: Vec<f64>,
    terms: Vec<Terms>,
    stopped: Option<Error>,
}

/// A network and its optimiser.
struct Learner {
    network: Mlp,
    adam: Adam,
    gradient: Vec<f32>,
    average: MovingAverage,
    ema: f64,
}

impl Learner {
    fn new(network: Mlp, ema: f64) -> Self {
        let count = network.parameters().len();
        let average = MovingAverage::new(network.parameters(), ema);
        Self { network, adam: Adam::new(count), gradient: vec![0.0; count], average, ema }
    }

    /// Forgets the optimiser's memory: the next stage has another loss.
    fn restart(&mut self) {
        self.adam = Adam::new(self.gradient.len());
        self.average = MovingAverage::new(self.network.parameters(), self.ema);
    }
}

/// A fit's data and options, ready for use.
struct Run<'a> {
    dims: usize,
    grid: Grid,
    populations: Vec<Population>,
    particles: usize,
    equations: Box<dyn Equations>,
    /// Of Var-RUOT.
    law: Option<GrowthLaw>,
    sigma: Sigma,
    mixture: Option<Mixture>,
    stepping: Stepping,
    reconstruction: ReconstructionWeights,
    model: Model,
    training: &'a TrainingOptions,
    options: &'a RolloutOptions,
    seed: u64,
}

impl<'a> Run<'a> {
    fn new(
        snapshots: &Snapshots,
        scaling: &Scaling,
        model: Model,
        numbers: Numbers,
        options: &'a RolloutOptions,
        training: &'a TrainingOptions,
        seed: u64,
    ) -> Result<Self> {
        options.validate()?;
        if matches!(model, Model::DeepRuot | Model::VarRuot) {
            let what = if model == Model::DeepRuot {
                "the density of deep-ruot"
            } else {
                "the potential of var-ruot"
            };
            training.activation.require_smooth(what)?;
        }
        let Scaling { length, duration, start, .. } = *scaling;
        let dims = snapshots.dims();
        let marks: Vec<f64> = snapshots.times().iter().map(|t| (t - start) / duration).collect();
        let span = marks[marks.len() - 1];
        // A diffusion's σ² is a squared length over a time; a δ is a length.
        let in_units = |sigma: f64| sigma * duration.sqrt() / length;
        let (sigma, delta) = (in_units(numbers.sigma), numbers.delta / length);
        let final_sigma = options.final_sigma.filter(|_| model == Model::DeepRuot);
        let rate = final_sigma.map_or(0.0, |last| libm::log(last / numbers.sigma) / span);
        let sigma = Sigma { start: sigma, rate };
        let refused = |allowed: &str| Error::argument("growth_price", options.growth_price, allowed);
        let penalty = || match options.growth_price {
            GrowthPrice::Quadratic => Ok(GrowthPenalty::Quadratic { delta }),
            GrowthPrice::Branching => {
                Ok(GrowthPenalty::Branching { sigma: sigma.start, rate: (sigma.start / delta).powi(2) })
            }
            GrowthPrice::Power => Err(refused("quadratic or branching")),
        };
        let mut law = None;
        let equations: Box<dyn Equations> = match model {
            Model::MioFlow => Box::new(Flow { growth: None }),
            Model::Tigon => Box::new(Flow { growth: Some(penalty()?) }),
            Model::DeepRuot => Box::new(DeepRuot { sigma, growth: penalty()? }),
            Model::VarRuot => {
                let alpha = delta * delta;
                let chosen = match options.growth_price {
                    GrowthPrice::Quadratic => GrowthLaw::quadratic(alpha)?,
                    GrowthPrice::Power => GrowthLaw::power(alpha, options.growth_cap)?,
                    GrowthPrice::Branching => return Err(refused("quadratic or power")),
                };
                law = Some(chosen);
                Box::new(VarRuot { sigma: sigma.start, law: chosen })
            }
        };
        let mut populations = vec![];
        for k in 0..snapshots.len() {
            populations.push(Population::new(snapshots, k, scaling, training.batch_size)?);
        }
        let first = &populations[0];
        let particles = first.weights.len().min(training.batch_size);
        let mixture = (model == Model::DeepRuot && options.initial_density_weight > 0.0)
            .then(|| Mixture::fit(&first.x, &first.weights, dims, seed))
            .transpose()?;
        let grid = Grid::new(marks, options.steps);
        fits_in_memory("rollout_steps", options.steps, Paths::numbers(&grid, dims, particles))?;
        Ok(Self {
            dims,
            populations,
            particles,
            equations,
            law,
            sigma,
            mixture,
            stepping: Stepping {
                // With noise there is Euler–Maruyama only.
                scheme: if model == Model::VarRuot { Scheme::Euler } else { options.scheme },
                resample_below: if model == Model::VarRuot { options.resample_below } else { 0.0 },
                probes: (dims > EXACT_DIMS).then_some(options.probes),
                seed,
            },
            reconstruction: ReconstructionWeights {
                mass: if model == Model::MioFlow { 0.0 } else { options.mass_weight },
                local_mass: if model == Model::MioFlow { 0.0 } else { options.local_mass_weight },
                epsilon: options.plan_epsilon.map(|epsilon| epsilon / (length * length)),
            },
            grid,
            model,
            training,
            options,
            seed,
        })
    }

    /// The model's networks, in the order in which its equations take them.
    fn learners(&self) -> Result<Vec<Learner>> {
        let training = self.training;
        let growth_hidden = training.growth_hidden.as_ref().unwrap_or(&training.hidden);
        let networks = match self.model {
            Model::MioFlow => vec![(&training.hidden, self.dims)],
            Model::Tigon => vec![(&training.hidden, self.dims), (growth_hidden, 1)],
            Model::DeepRuot => vec![(&training.hidden, self.dims), (growth_hidden, 1)],
            Model::VarRuot => vec![(&training.hidden, 1)],
        };
        let mut learners = vec![];
        for (index, (hidden, outputs)) in networks.into_iter().enumerate() {
            let shape = training.architecture(hidden, self.dims, outputs);
            shape.validate()?;
            fits_in_memory("hidden", shape.parameter_count(), shape.parameter_count().checked_mul(8))?;
            learners.push(Learner::new(Mlp::new(shape, self.seed, index as u64)?, training.ema));
        }
        if self.model == Model::DeepRuot {
            learners.push(Learner::new(self.density_network()?, training.ema));
        }
        Ok(learners)
    }

    fn density_network(&self) -> Result<Mlp> {
        let training = self.training;
        let hidden = training.score_hidden.as_ref().unwrap_or(&training.hidden);
        Mlp::new(training.architecture(hidden, self.dims, 1), self.seed, 2)
    }

    fn paths(&self, learners: &[Learner]) -> Result<Paths> {
        let networks: Vec<Mlp> = learners.iter().map(|learner| learner.network.clone()).collect();
        Ok(Paths::new(self.grid.clone(), self.dims, self.particles, &networks))
    }

    /// Minimises a stage's loss by Adam and leaves the learners with the best parameters that were met.
    fn optimise(
        &self,
        stage: &Stage,
        learners: &mut [Learner],
        paths: &mut Paths,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Outcome> {
        let schedule = self.training.schedule_over(stage.epochs);
        let mut networks: Vec<Mlp> = learners.iter().map(|learner| learner.network.clone()).collect();
        let mut gradients: Vec<Vec<f32>> = learners.iter().map(|learner| learner.gradient.clone()).collect();
        learners.iter_mut().for_each(Learner::restart);
        let mut best = Best::new(self.is_noisy());
        let mut outcome = Outcome { losses: vec![], terms: vec![], stopped: None };
        for epoch in 0..stage.epochs {
            let loss = outcome.losses.last().copied();
            let progress = Progress { stage: stage.phase.name(), done: epoch, total: stage.epochs, loss };
            if reporter.report(&progress).is_break() {
                outcome.stopped = Some(Error::Cancelled);
                break;
            }
            let evaluated = threads.run(|| self.evaluate(stage, epoch, &networks, paths, &mut gradients));
            let (loss, terms) = match evaluated {
                Ok((loss, terms))
                    if loss.is_finite() && gradients.iter().flatten().all(|g| g.is_finite()) =>
                {
                    (loss, terms)
                }
                Ok((loss, _)) => {
                    outcome.stopped = Some(Error::NonFinite(format!(
                        "the loss or its gradient is not finite at step {epoch} of {}: {loss}; a smaller learning_rate or \
                         a clip of the gradient would keep it so",
                        stage.phase.name()
                    )));
                    break;
                }
                Err(error) => {
                    outcome.stopped = Some(error);
                    break;
                }
            };
            outcome.losses.push(loss);
            outcome.terms.push(terms);
            best.offer(loss, &networks);
            if let Some(clip) = self.training.clip {
                let mut views: Vec<&mut [f32]> = gradients.iter_mut().map(Vec::as_mut_slice).collect();
                clip_gradients(&mut views, clip);
            }
            let rate = schedule.rate(epoch);
            for ((learner, network), gradient) in learners.iter_mut().zip(&mut networks).zip(&gradients) {
                threads.run(|| learner.adam.step(network.parameters_mut(), gradient, rate));
            }
        }
        for (learner, parameters) in learners.iter_mut().zip(best.parameters) {
            learner.network.parameters_mut().copy_from_slice(&parameters);
        }
        Ok(outcome)
    }

    /// The loss at one step and its gradient.
    fn evaluate(
        &self,
        stage: &Stage,
        epoch: usize,
        networks: &[Mlp],
        paths: &mut Paths,
        gradients: &mut [Vec<f32>],
    ) -> Result<(f64, Terms)> {
        let run = stage.phase.run_number(epoch);
        let start = self.start(run);
        let equations = &*self.equations;
        paths.forward(equations, networks, &self.stepping, run, &start)?;

        let intervals = self.grid.intervals();
        // The largest problems first, so that threads end together.
        let mut order: Vec<usize> = (0..intervals).collect();
        order.sort_by_key(|&interval| std::cmp::Reverse(self.populations[interval + 1].weights.len()));
        let mut compared: Vec<(usize, Result<(ReconstructionCosts, Cloud)>)> = order
            .into_par_iter()
            .with_max_len(1)
            .map(|interval| (interval, self.compare(paths, interval, run)))
            .collect();
        compared.sort_by_key(|(interval, _)| *interval);
        let mut at_marks = Vec::with_capacity(intervals);
        let mut terms = Terms::default();
        for (_, compared) in compared {
            let (costs, derivative) = compared?;
            terms.transport += costs.transport / intervals as f64;
            terms.mass += costs.mass / intervals as f64;
            terms.local_mass += costs.local_mass / intervals as f64;
            at_marks.push(derivative);
        }
        let draws = self.initial_draws(&stage.weights, run);
        gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        let weights = &stage.weights;
        let costs = paths.backward(
            equations,
            networks,
            &self.stepping,
            run,
            weights,
            &at_marks,
            draws.as_ref(),
            gradients,
        );
        (terms.energy, terms.residual) = (costs.energy / (intervals * self.dims) as f64, costs.residual);
        terms.initial_density = costs.initial;
        let reconstruction = terms.transport
            + self.reconstruction.mass * terms.mass
            + self.reconstruction.local_mass * terms.local_mass;
        let path = weights.energy * costs.energy
            + weights.residual * costs.residual
            + weights.initial * costs.initial;
        Ok((reconstruction + path, terms))
    }

    /// How the particles at the end of an interval reconstruct its snapshot, and its share of the loss's derivative.
    fn compare(&self, paths: &Paths, interval: usize, run: u64) -> Result<(ReconstructionCosts, Cloud)> {
        let (mut cloud, mut derivative) = (Cloud::default(), Cloud::default());
        paths.end_of(interval, &mut cloud);
        let sampled;
        let target = match &self.populations[interval + 1].target {
            Some(target) => target,
            None => {
                sampled = self.sample_target(interval + 1, run)?;
                &sampled
            }
        };
        let costs = reconstruct(&cloud, target, &self.reconstruction, &mut derivative)?;
        let share = 1.0 / self.grid.intervals() as f32;
        derivative.x.iter_mut().chain(&mut derivative.log_weight).for_each(|d| *d *= share);
        Ok((costs, derivative))
    }

    /// Trains the density's network on bridges between rolled-out clouds; `moving` are the networks that move them.
    fn fit_density(
        &self,
        moving: &mut [Learner],
        density: &mut Learner,
        paths: &mut Paths,
        report: &mut RolloutReport,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Option<Error>> {
        let phase = Phase::Score;
        let mut networks: Vec<Mlp> = moving.iter().map(|learner| learner.network.clone()).collect();
        if self.model == Model::DeepRuot {
            networks.push(density.network.clone());
        }
        let epochs = self.options.score_epochs;
        let schedule = self.training.schedule_over(epochs);
        density.restart();
        let mut matching = ScoreMatching::new(SCORE_ROWS, self.dims, &density.network);
        for epoch in 0..epochs {
            let loss = report.score_losses.last().copied();
            if reporter.report(&Progress { stage: phase.name(), done: epoch, total: epochs, loss }).is_break()
            {
                return Ok(Some(Error::Cancelled));
            }
            let loss = threads.run(|| {
                if epoch % FRESH_PATHS == 0 {
                    let run = phase.run_number(epoch);
                    paths.forward(&*self.equations, &networks, &self.stepping, run, &self.start(run))?;
                    matching.take(paths);
                }
                density.gradient.fill(0.0);
                let sigma2 = |time: f64| self.sigma.square(time);
                let key = (self.seed, epoch);
                Ok(matching.evaluate(&density.network, &sigma2, key, &mut density.gradient))
            });
            let loss = match loss {
                Ok(loss) if loss.is_finite() => loss,
                Ok(loss) => {
                    return Ok(Some(Error::NonFinite(format!("the score's loss is {loss} at step {epoch}"))));
                }
                Err(error) => return Ok(Some(error)),
            };
            report.score_losses.push(loss);
            if let Some(clip) = self.training.clip {
                clip_gradients(&mut [&mut density.gradient], clip);
            }
            density.adam.step(density.network.parameters_mut(), &density.gradient, schedule.rate(epoch));
            density.average.update(density.network.parameters());
        }
        density.network.parameters_mut().copy_from_slice(density.average.parameters());
        Ok(None)
    }

    /// Whether the same parameters have another loss at another step.
    fn is_noisy(&self) -> bool {
        self.equations.noise() > 0.0
            || self.mixture.is_some()
            || self.stepping.probes.is_some()
            || self.populations.iter().any(|population| population.target.is_none())
    }

    /// The particles at the first snapshot: all its cells, or a sample of them.
    fn start(&self, run: u64) -> Cloud {
        let first = &self.populations[0];
        let rows = first.sample(self.particles, (self.seed, run, 0));
        let (x, weights) = first.rows(&rows, self.dims);
        Cloud { x, log_weight: weights.iter().map(|&w| libm::log(w) as f32).collect() }
    }

    fn sample_target(&self, k: usize, run: u64) -> Result<Target> {
        let population = &self.populations[k];
        let rows = population.sample(self.training.batch_size, (self.seed, run, k as u64));
        let (x, weights) = population.rows(&rows, self.dims);
        Target::new(&x, &weights, self.dims, population.mass)
    }

    fn initial_draws(&self, weights: &PathWeights, run: u64) -> Option<InitialDraws> {
        let mixture = self.mixture.as_ref().filter(|_| weights.initial > 0.0)?;
        let mut rng = stream(self.seed, Purpose::Rollout, run, u64::MAX);
        let mut draws = InitialDraws::default();
        let mut x = vec![0.0; self.dims];
        for _ in 0..self.particles {
            mixture.draw(&mut rng, &mut x);
            draws.points.extend(x.iter().map(|&x| x as f32));
            draws.log_density.push(mixture.log_density(&x) as f32);
        }
        Some(draws)
    }
}

/// The best parameters so far.
struct Best {
    noisy: bool,
    smoothed: Option<f64>,
    least: f64,
    parameters: Vec<Vec<f32>>,
}

impl Best {
    fn new(noisy: bool) -> Self {
        Self { noisy, smoothed: None, least: f64::INFINITY, parameters: vec![] }
    }

    /// Keeps the parameters of `networks` if their loss is the least so far; a noisy one is smoothed first.
    fn offer(&mut self, loss: f64, networks: &[Mlp]) {
        let judged = match self.smoothed {
            Some(before) if self.noisy => before + (loss - before) / SMOOTHING,
            _ => loss,
        };
        self.smoothed = Some(judged);
        if judged < self.least {
            self.least = judged;
            self.parameters.resize(networks.len(), vec![]);
            for (kept, network) in self.parameters.iter_mut().zip(networks) {
                kept.clear();
                kept.extend_from_slice(network.parameters());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod probe;
