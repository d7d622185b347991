//! A simulation-based fit: its stages, and the losses that they minimise.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::density_fit::DensityFit;
use super::equations::{Equations, EquationsFacts, EquationsKind, MATCHED, MATCHED_WITH_GROWTH, Setting};
use super::mixture::Mixture;
use super::path::{Cloud, Grid, InitialDraws, PathWeights, Paths, Stepping};
use super::report::{RolloutReport, Term};
use super::score::ScoreMatching;
use super::snapshot::ScaledSnapshot;
use super::solver::Scheme;
use super::terms::{Objective, SnapshotCloud};
use super::{EXACT_DIMS, RolloutOptions};
use crate::error::{Error, Result, fits_in_memory};
use crate::exec::progress::{Reporter, Stage};
use crate::exec::rng::{Purpose, stream};
use crate::exec::threads::Threads;
use crate::fields::{GrowthLaw, Network, Role};
use crate::nn::{Mlp, Schedule};
use crate::scales::Scales;
use crate::snapshots::Snapshots;
use crate::train::{Descended, Descent, Keep, Loss, TrainingOptions};
use crate::transport::network_simplex::Basis;
use crate::units::Scaling;

/// Rows of a batch of the density's training on bridges.
const SCORE_ROWS: usize = 1024;
/// The paths that bridges are drawn from are rolled out anew after this many steps.
const FRESH_PATHS: usize = 50;

/// What a rollout ends with.
#[derive(Debug)]
pub(crate) struct RolledOut {
    pub(crate) networks: Vec<Network>,
    /// How growth follows from the potential, where there is one.
    pub(crate) law: Option<GrowthLaw>,
    pub(crate) report: RolloutReport,
    /// The main stage's losses, and why the fit ended early, if it did; the networks are then those of the best step before.
    pub(crate) descended: Descended,
}

/// Trains a model on snapshots. `scales` are in the data's units.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn train(
    snapshots: &Snapshots,
    scaling: &Scaling,
    kind: EquationsKind,
    scales: Scales,
    options: &RolloutOptions,
    training: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<RolledOut> {
    let run = Run::new(snapshots, scaling, kind.facts(), scales, options, training, seed)?;
    let mut networks = run.networks()?;
    let mut paths = run.paths(&networks);
    let mut report = RolloutReport::default();
    let mut density = None;
    let mut losses = vec![];
    let mut stopped = None;
    for &stage in run.facts.stages {
        if stopped.is_some() {
            break;
        }
        match stage {
            Stage::Local if options.local_epochs > 0 => {
                let (descended, _) =
                    run.optimise(stage, run.objective(), &mut networks, &mut paths, threads, reporter)?;
                (report.local_losses, stopped) = (descended.losses, descended.stopped);
            }
            Stage::PostLocal if options.post_local_epochs > 0 => {
                let (descended, _) =
                    run.optimise(stage, run.objective(), &mut networks, &mut paths, threads, reporter)?;
                (report.post_local_losses, stopped) = (descended.losses, descended.stopped);
            }
            Stage::PreTraining if options.pretraining_epochs > 0 => {
                let objective = run.objective().at_snapshots_alone();
                let (descended, _) =
                    run.optimise(stage, objective, &mut networks, &mut paths, threads, reporter)?;
                (report.pretraining_losses, stopped) = (descended.losses, descended.stopped);
            }
            Stage::Score if options.score_epochs > 0 => {
                let own = run.facts.networks.iter().position(|&role| role == Role::LogDensity);
                let mut separate;
                let (moving, learner) = match own {
                    Some(at) => networks.split_at_mut(at),
                    None => {
                        separate = vec![training.network(Role::LogDensity, run.dims, seed)?];
                        (&mut networks[..], &mut separate[..])
                    }
                };
                let learner_of_role = (Role::LogDensity, &mut *learner);
                let descended = run.fit_score(moving, learner_of_role, &mut paths, threads, reporter);
                // A density whose training broke off would be noise in the flow.
                density = (own.is_none() && descended.stopped.is_none()).then(|| learner[0].clone());
                (report.score_losses, stopped) = (descended.losses, descended.stopped);
            }
            Stage::Training if run.facts.fits_densities => {
                let (descended, terms) = run.fit_densities(&mut networks, &mut paths, threads, reporter);
                (losses, report.terms, stopped) = (descended.losses, terms, descended.stopped);
            }
            Stage::Training => {
                let (descended, terms) =
                    run.optimise(stage, run.objective(), &mut networks, &mut paths, threads, reporter)?;
                (losses, report.terms, stopped) = (descended.losses, terms, descended.stopped);
            }
            _ => {}
        }
    }
    let own = run.facts.networks.iter().zip(networks).map(|(&role, mlp)| Network { role, mlp });
    let density = density.map(|mlp| Network { role: Role::LogDensity, mlp });
    let networks = own.chain(density).collect();
    Ok(RolledOut { networks, law: run.equations.law(), report, descended: Descended { losses, stopped } })
}

/// Fine-tunes the networks that move and grow the cells of a simulation-free method, and then its score where it has one. `scales` are in
/// the data's units.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn finetune(
    snapshots: &Snapshots,
    scaling: &Scaling,
    mut networks: Vec<Network>,
    scales: Scales,
    options: &RolloutOptions,
    training: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<RolledOut> {
    let (mut moving, mut score): (Vec<Network>, Vec<Network>) =
        networks.drain(..).partition(|network| network.role != Role::Score);
    let grows = moving.iter().any(|network| network.role == Role::Growth);
    let facts = if grows { &MATCHED_WITH_GROWTH } else { &MATCHED };
    let training = TrainingOptions { batch_size: options.finetune_batch_size, ..training.clone() };
    let run = Run::new(snapshots, scaling, facts, scales, options, &training, seed)?;
    let mut mlps: Vec<Mlp> = moving.iter().map(|network| network.mlp.clone()).collect();
    let mut paths = run.paths(&mlps);
    let (mut descended, terms) =
        run.optimise(Stage::FineTuning, run.objective(), &mut mlps, &mut paths, threads, reporter)?;
    let finetuning_losses = std::mem::take(&mut descended.losses);
    let mut report = RolloutReport { finetuning_losses, terms, ..RolloutReport::default() };
    if let ([network], true, None) = (&mut score[..], options.score_epochs > 0, &descended.stopped) {
        let mut learner = [network.mlp.clone()];
        let refitted = run.fit_score(&mlps, (Role::Score, &mut learner), &mut paths, threads, reporter);
        [network.mlp] = learner;
        (report.score_losses, descended.stopped) = (refitted.losses, refitted.stopped);
    }
    moving.iter_mut().zip(mlps).for_each(|(network, mlp)| network.mlp = mlp);
    moving.append(&mut score);
    Ok(RolledOut { networks: moving, law: None, report, descended })
}

/// A number of its own for the rollout of every step of every stage, but for a fine-tuning, whose steps all have the same cells.
pub(super) fn run_number(stage: Stage, step: usize) -> u64 {
    let place = match stage {
        Stage::FineTuning => return u64::MAX,
        // Beyond all steps that the others have.
        Stage::Local => return (step as u64 * 2) | (1 << 62),
        Stage::PostLocal => return (step as u64 * 2 + 1) | (1 << 62),
        Stage::PreTraining => 0,
        Stage::Score => 1,
        _ => 2,
    };
    step as u64 * 3 + place
}

/// A fit's data and options, ready for use.
pub(super) struct Run<'a> {
    pub(super) dims: usize,
    pub(super) grid: Grid,
    pub(super) populations: Vec<ScaledSnapshot>,
    particles: usize,
    pub(super) facts: &'static EquationsFacts,
    pub(super) equations: Box<dyn Equations>,
    /// The unit of length, in the data's.
    length: f64,
    mixture: Option<Mixture>,
    pub(super) stepping: Stepping,
    pub(super) training: &'a TrainingOptions,
    pub(super) options: &'a RolloutOptions,
    pub(super) seed: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        snapshots: &Snapshots,
        scaling: &Scaling,
        facts: &'static EquationsFacts,
        scales: Scales,
        options: &'a RolloutOptions,
        training: &'a TrainingOptions,
        seed: u64,
    ) -> Result<Self> {
        options.validate()?;
        if let Some(what) = facts.smooth {
            training.activation.require_smooth(what)?;
        }
        let Scaling { length, duration, start, .. } = *scaling;
        let times = snapshots.times();
        let dims = snapshots.dims();
        let setting = Setting {
            // A diffusion's σ² is a squared length over a time; a δ is a length.
            scales: Scales { sigma: scales.sigma * duration.sqrt() / length, delta: scales.delta / length },
            final_over_first: options
                .final_sigma
                .filter(|_| facts.takes("final_sigma"))
                .map(|last| last / scales.sigma),
            span: (times[times.len() - 1] - start) / duration,
            options,
        };
        let equations = facts.build(&setting)?;
        let mut populations = vec![];
        for k in 0..snapshots.len() {
            populations.push(ScaledSnapshot::new(snapshots, k, scaling, training.batch_size)?);
        }
        let first = &populations[0];
        // From the density of the first snapshot as many can be drawn as are wanted.
        let particles = if facts.fits_densities {
            training.batch_size
        } else {
            first.weights.len().min(training.batch_size)
        };
        let compares_start = facts.takes("initial_density_weight") && options.initial_density_weight > 0.0;
        let mixture =
            compares_start.then(|| Mixture::fit(&first.x, &first.weights, dims, seed)).transpose()?;
        let grid = Grid::new(times, scaling, options.steps);
        let paths = if facts.fits_densities { grid.intervals() + 1 } else { 1 };
        let numbers = Paths::numbers(&grid, dims, particles).and_then(|one| one.checked_mul(paths));
        fits_in_memory("rollout_steps", options.steps, numbers)?;
        Ok(Self {
            dims,
            populations,
            particles,
            facts,
            length,
            mixture,
            stepping: Stepping {
                // With noise there is Euler–Maruyama only.
                scheme: if equations.noise() > 0.0 { Scheme::Euler } else { options.scheme },
                // As published: the snapshots are met one after the other.
                detached: facts.stages.contains(&Stage::FineTuning),
                resample_below: if facts.takes("resample_below") { options.resample_below } else { 0.0 },
                probes: (dims > EXACT_DIMS).then_some(options.probes),
                seed,
            },
            equations,
            grid,
            training,
            options,
            seed,
        })
    }

    /// The model's networks, in the order in which its equations take them.
    ///
    /// They start without growth: a random rate, small as it is, is the same along a path, and over many intervals lets the
    /// population vanish or explode before anything is learned. A potential, of which growth is a function, starts flat.
    pub(super) fn networks(&self) -> Result<Vec<Mlp>> {
        let network = |&role: &Role| {
            let count = self.training.architecture(role, self.dims)?.parameter_count();
            fits_in_memory("hidden", count, count.checked_mul(8))?;
            match role {
                Role::Growth | Role::Potential => self.training.silent_network(role, self.dims, self.seed),
                _ => self.training.network(role, self.dims, self.seed),
            }
        };
        self.facts.networks.iter().map(network).collect()
    }

    pub(super) fn paths(&self, networks: &[Mlp]) -> Paths {
        Paths::new(self.grid.clone(), self.dims, self.particles, networks)
    }

    /// The model's whole loss.
    pub(super) fn objective(&self) -> Objective {
        let parts = self.grid.intervals() as f64 * self.dims as f64;
        Objective::new(self.facts, self.options, self.length, parts)
    }

    /// Minimises an objective by Adam and leaves the networks with the best parameters that were met.
    fn optimise(
        &self,
        stage: Stage,
        objective: Objective,
        networks: &mut [Mlp],
        paths: &mut Paths,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<(Descended, Vec<Term>)> {
        let steps = match stage {
            Stage::PreTraining => self.options.pretraining_epochs,
            Stage::FineTuning => self.options.finetune_steps,
            Stage::Local => self.options.local_epochs,
            Stage::PostLocal => self.options.post_local_epochs,
            _ => self.training.epochs,
        };
        let noisy = stage != Stage::FineTuning && self.is_noisy();
        let descent = self.descent(stage, steps, Keep::Best { noisy });
        let mut loss = RolloutLoss::new(self, stage, objective, networks, paths);
        let descended = descent.run(networks, &mut loss, threads, reporter);
        let terms = loss.terms(descended.losses.len());
        Ok((descended, terms))
    }

    /// Fits the densities along the flow to those of the snapshots, and leaves the networks with the average of their parameters: the
    /// loss is another one for every width of the kernels, so that there is no best of all steps.
    fn fit_densities(
        &self,
        networks: &mut [Mlp],
        paths: &mut Paths,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> (Descended, Vec<Term>) {
        let descent = self.descent(Stage::Training, self.training.epochs, Keep::Average(self.training.ema));
        let mut loss = DensityFit::new(self, networks, paths);
        let descended = descent.run(networks, &mut loss, threads, reporter);
        let terms = loss.terms(descended.losses.len());
        (descended, terms)
    }

    /// Trains the network of a density or of a score on bridges between rolled-out clouds; `moving` are the networks that move them.
    fn fit_score(
        &self,
        moving: &[Mlp],
        (role, learner): (Role, &mut [Mlp]),
        paths: &mut Paths,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Descended {
        let descent = self.descent(Stage::Score, self.options.score_epochs, Keep::Average(self.training.ema));
        let mut loss = DensityLoss {
            run: self,
            moving,
            paths,
            matching: ScoreMatching::new(SCORE_ROWS, self.dims, role, &learner[0]),
            gradient: vec![0.0; learner[0].parameters().len()],
        };
        descent.run(learner, &mut loss, threads, reporter)
    }

    fn descent(&self, stage: Stage, steps: usize, keep: Keep) -> Descent {
        let mut descent = Descent { keep, ..Descent::new(stage, steps, self.training) };
        if stage == Stage::FineTuning {
            descent.schedule = Schedule::Constant(self.options.finetune_learning_rate);
        }
        descent
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

    /// The particles at a later snapshot, where they begin as its cells: a sample of them, or all, evenly repeated.
    fn restart(&self, k: usize, run: u64) -> Cloud {
        let population = &self.populations[k];
        let count = population.weights.len();
        let rows = if self.particles <= count {
            population.sample(self.particles, (self.seed, run, k as u64))
        } else {
            (0..self.particles).map(|i| i * count / self.particles).collect()
        };
        let (x, weights) = population.rows(&rows, self.dims);
        Cloud { x, log_weight: weights.iter().map(|&w| libm::log(w) as f32).collect() }
    }

    fn sample_target(&self, k: usize, run: u64) -> Result<SnapshotCloud> {
        let population = &self.populations[k];
        let rows = population.sample(self.training.batch_size, (self.seed, run, k as u64));
        let (x, weights) = population.rows(&rows, self.dims);
        SnapshotCloud::new(&x, &weights, self.dims, population.mass)
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

/// The loss of rolled-out particles, differentiated through the solver's steps.
pub(super) struct RolloutLoss<'a> {
    run: &'a Run<'a>,
    stage: Stage,
    objective: Objective,
    paths: &'a mut Paths,
    gradients: Vec<Vec<f32>>,
    /// The terms' values, step after step.
    values: Vec<f64>,
    /// The transport of the last step.
    transport: f64,
    /// For each interval where the next plan begins, if it is nearly the last one.
    bases: Vec<Option<Mutex<Basis>>>,
}

impl<'a> RolloutLoss<'a> {
    pub(super) fn new(
        run: &'a Run<'a>,
        stage: Stage,
        objective: Objective,
        networks: &[Mlp],
        paths: &'a mut Paths,
    ) -> Self {
        let gradients = networks.iter().map(|network| vec![0.0; network.parameters().len()]).collect();
        // A plan says nothing of one between other samples, and little of one of particles that diffused.
        let are_the_same = !is_local(stage)
            && run.particles >= run.populations[0].weights.len()
            && run.equations.noise() == 0.0;
        let basis = |to: &ScaledSnapshot| (are_the_same && to.target.is_some()).then(Mutex::default);
        let bases = run.populations[1..].iter().map(basis).collect();
        Self { run, stage, objective, paths, gradients, values: vec![], transport: f64::NAN, bases }
    }

    /// The terms along the first `steps` steps.
    fn terms(&self, steps: usize) -> Vec<Term> {
        Term::along(&self.objective.names(), &self.values, steps)
    }

    /// How the particles at the end of an interval reconstruct its snapshot, and its share of the loss's derivative.
    fn compare(&self, interval: usize, number: u64) -> Result<(Vec<f64>, Cloud)> {
        let mut cloud = Cloud::default();
        self.paths.end_of(interval, &mut cloud);
        let sampled;
        let target = match &self.run.populations[interval + 1].target {
            Some(target) => target,
            None => {
                sampled = self.run.sample_target(interval + 1, number)?;
                &sampled
            }
        };
        let basis = self.bases[interval].as_ref();
        let (values, mut derivative) = self.objective.compare(&cloud, target, basis)?;
        let share = 1.0 / self.run.grid.intervals() as f32;
        derivative.x.iter_mut().chain(&mut derivative.log_weight).for_each(|d| *d *= share);
        Ok((values, derivative))
    }
}

impl Loss for RolloutLoss<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let run = self.run;
        let number = run_number(self.stage, step);
        let intervals = run.grid.intervals();
        let is_local = is_local(self.stage);
        let restarts: Vec<Cloud> =
            (1..intervals).filter(|_| is_local).map(|k| run.restart(k, number)).collect();
        let stepping = Stepping { detached: run.stepping.detached || is_local, ..run.stepping };
        let start = run.start(number);
        self.paths.forward(&*run.equations, networks, &stepping, number, &start, &restarts)?;

        // The largest problems first, so that threads end together.
        let mut order: Vec<usize> = (0..intervals).collect();
        order.sort_by_key(|&interval| std::cmp::Reverse(run.populations[interval + 1].weights.len()));
        let compare = |interval| (interval, self.compare(interval, number));
        let mut compared: Vec<_> = order.into_par_iter().with_max_len(1).map(compare).collect();
        compared.sort_by_key(|(interval, _)| *interval);
        let mut at_marks = Vec::with_capacity(intervals);
        let mut means = vec![0.0; self.objective.count_at_snapshots()];
        for (_, compared) in compared {
            let (values, derivative) = compared?;
            means.iter_mut().zip(values).for_each(|(mean, value)| *mean += value / intervals as f64);
            at_marks.push(derivative);
        }
        self.transport = means[0];
        let weights = self.objective.along_paths();
        let draws = run.initial_draws(weights, number);
        self.gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        let costs = self.paths.backward(
            &*run.equations,
            networks,
            &stepping,
            number,
            weights,
            &at_marks,
            draws.as_ref(),
            &mut self.gradients,
        );
        Ok(self.objective.total(&means, &costs, &mut self.values))
    }

    fn gradient(&mut self, network: usize) -> &mut [f32] {
        &mut self.gradients[network]
    }

    /// Fine-tuned networks are judged by what they are made for, whatever their masses.
    fn merit(&self, loss: f64) -> f64 {
        if self.stage == Stage::FineTuning { self.transport } else { loss }
    }

    /// Where the next plans begin, and the terms' values, each after its length.
    fn notes(&self) -> Vec<f64> {
        let of = |basis: &Mutex<Basis>| basis.lock().unwrap_or_else(PoisonError::into_inner).to_numbers();
        let bases = self.bases.iter().flatten().map(of).chain([self.values.clone()]);
        bases.flat_map(|numbers| std::iter::once(numbers.len() as f64).chain(numbers)).collect()
    }

    fn take_up(&mut self, notes: Vec<f64>) -> Result<()> {
        let mut rest = notes.as_slice();
        let mut list = || {
            let (length, others) = rest.split_first()?;
            let (list, others) = others.split_at_checked(*length as usize)?;
            rest = others;
            Some(list)
        };
        let other = || Error::InvalidData("the checkpoint's notes are of another training".into());
        for basis in self.bases.iter_mut().flatten() {
            *basis = list().and_then(Basis::from_numbers).map(Mutex::new).ok_or_else(other)?;
        }
        self.values = list().ok_or_else(other)?.to_vec();
        Ok(())
    }
}

/// Whether particles begin anew at each snapshot.
fn is_local(stage: Stage) -> bool {
    matches!(stage, Stage::Local | Stage::PostLocal)
}

/// The loss of the density's network, on bridges along rolled-out paths.
struct DensityLoss<'a> {
    run: &'a Run<'a>,
    moving: &'a [Mlp],
    paths: &'a mut Paths,
    matching: ScoreMatching,
    gradient: Vec<f32>,
}

impl Loss for DensityLoss<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let run = self.run;
        if step.is_multiple_of(FRESH_PATHS) {
            let number = run_number(Stage::Score, step);
            let start = run.start(number);
            self.paths.forward(&*run.equations, self.moving, &run.stepping, number, &start, &[])?;
            self.matching.take(self.paths);
        }
        self.gradient.fill(0.0);
        let sigma2 = |moment| run.equations.sigma2(moment);
        Ok(self.matching.evaluate(&networks[0], &sigma2, (run.seed, step), &mut self.gradient))
    }

    fn gradient(&mut self, _network: usize) -> &mut [f32] {
        &mut self.gradient
    }

    /// The paths are not noted: another loss rolls them out anew with these steps.
    fn may_rest_before(&self, step: usize) -> bool {
        step.is_multiple_of(FRESH_PATHS)
    }
}
