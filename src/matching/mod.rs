//! Simulation-free training: learn networks from conditional bridges between coupled cells.

mod action;
mod batch;
mod branches;
mod chain;
mod curvature;
#[cfg(test)]
mod fixture;
mod interpolant;
mod loss;
mod objective;
mod source;

use action::Action;
pub(crate) use branches::{Branches, train_branches};
pub(crate) use chain::Chains;
pub(crate) use curvature::{Curvature, Looseness};
use interpolant::Energy;
pub(crate) use interpolant::InterpolantOptions;
use loss::Regression;
pub use objective::Objective;
use source::Source;
pub(crate) use source::{Coupled, CoupledInterval};

use crate::bridge::{Bridge, BridgeFacts};
use crate::error::Result;
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::fields::{GrowthLaw, Network, Role};
use crate::metric::{self, CellMetric};
use crate::snapshots::Snapshots;
use crate::train::{Descended, Descent, Loss, TrainingOptions};
use crate::units::Scaling;

/// What paths are beside their bridges' own numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathOptions {
    /// The standard deviation of places about them, a length.
    pub(crate) bandwidth: f64,
    pub(crate) interpolant: InterpolantOptions,
}

/// Networks, and how they were trained.
pub(crate) struct Trained {
    pub(crate) networks: Vec<Network>,
    /// The losses of the paths' own training.
    pub(crate) interpolant_losses: Vec<f64>,
    pub(crate) descended: Descended,
}

/// Trains the networks of the fields that a bridge has, or a potential of this law; where the bridge learns its paths, those first.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn train(
    snapshots: &Snapshots,
    scaling: &Scaling,
    coupled: &Coupled,
    (facts, bridge): (&BridgeFacts, &dyn Bridge),
    (objective, law): (Objective, Option<GrowthLaw>),
    paths: PathOptions,
    options: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Trained> {
    let source = Source::new(snapshots, coupled, (facts, bridge), scaling, paths.bandwidth, options, seed);
    let mut source = Source { gives_ends: objective.has_potential(), ..source };
    let mut roles = vec![Role::Velocity];
    roles.extend(facts.grows.then_some(Role::Growth));
    roles.extend(facts.noise.map(|_| Role::Score));
    let mut curves = vec![];
    let mut interpolant_losses = vec![];
    let mut stopped = None;
    if facts.learned {
        let InterpolantOptions { epochs, metric: of_paths } = paths.interpolant;
        curves.push(interpolant::network(options, snapshots.dims(), seed)?);
        let cells = |interval| metric::places(snapshots, scaling, [interval, interval + 1]);
        let cells: Vec<Vec<f32>> = (0..coupled.intervals.len()).map(cells).collect();
        let mut look =
            || reporter.report(&Progress { stage: Stage::Interpolant, done: 0, total: epochs, loss: None });
        let metrics = watched(threads, &mut look, |stop| {
            let of_interval =
                |k: usize| CellMetric::new(of_paths, &cells[k], snapshots.dims(), (seed, k as u64), stop);
            (0..cells.len()).map(of_interval).collect::<Result<Vec<_>>>()
        })?;
        let mut energy = Energy::new(source, metrics, &curves[0]);
        let descent = Descent::new(Stage::Interpolant, epochs, options);
        let descended = descent.run(&mut curves, &mut energy, threads, reporter);
        (interpolant_losses, stopped) = (descended.losses, descended.stopped);
    }
    source.interpolant = curves.first();
    let (mut networks, mut loss): (Vec<_>, Box<dyn Loss + Send + '_>) = if objective.has_potential() {
        options.activation.require_smooth("a potential")?;
        roles = vec![Role::Potential];
        let learned = objective == Objective::Lagrangian;
        let networks = Action::networks(options, learned, snapshots.dims(), seed)?;
        let loss = Action::new(source, law, &networks, options)?;
        (networks, Box::new(loss))
    } else {
        let regression = Regression::new(source, &roles, options)?;
        let network = |&role: &Role| options.network(role, snapshots.dims(), seed);
        (roles.iter().map(network).collect::<Result<Vec<_>>>()?, Box::new(regression))
    };
    let descent = Descent::new(Stage::Training, options.epochs, options);
    let descended = match stopped {
        // Fields along paths that are not what they should be would mean nothing.
        Some(_) => Descended { losses: vec![], stopped },
        None => descent.run(&mut networks, &mut *loss, threads, reporter),
    };
    // Paths that were learned beside a potential are no field.
    let networks = roles.into_iter().zip(networks).map(|(role, mlp)| Network { role, mlp });
    Ok(Trained { networks: networks.collect(), interpolant_losses, descended })
}
