//! Simulation-free training: regress networks on the fields of conditional bridges between coupled cells.

mod batch;
mod chain;
mod curvature;
mod interpolant;
mod loss;
mod metric;
mod source;

pub(crate) use chain::Chains;
pub(crate) use curvature::{Curvature, Looseness};
use interpolant::Energy;
pub(crate) use interpolant::InterpolantOptions;
use loss::Regression;
pub(crate) use metric::Metric;
use source::Source;
pub(crate) use source::{Coupled, CoupledInterval};

use crate::bridge::{Bridge, BridgeFacts};
use crate::error::Result;
use crate::exec::progress::{Reporter, Stage};
use crate::exec::threads::Threads;
use crate::fields::{Network, Role};
use crate::snapshots::Snapshots;
use crate::train::{Descended, Descent, Keep, TrainingOptions};
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

/// Trains the networks of the fields that a bridge has; where it learns its paths, those first.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn train(
    snapshots: &Snapshots,
    scaling: &Scaling,
    coupled: &Coupled,
    (facts, bridge): (&BridgeFacts, &dyn Bridge),
    paths: PathOptions,
    options: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Trained> {
    let mut source = Source {
        snapshots,
        intervals: &coupled.intervals,
        curvature: coupled.curvature.as_ref(),
        chains: coupled.chains.as_ref(),
        interpolant: None,
        bridge,
        facts,
        scaling,
        sigma: bridge.sigma(snapshots.times()[0]),
        bandwidth: paths.bandwidth,
        weighting: options.pair_weighting,
        rows_per_interval: options.batch_size,
        seed,
    };
    let mut roles = vec![Role::Velocity];
    roles.extend(facts.grows.then_some(Role::Growth));
    roles.extend(facts.noise.map(|_| Role::Score));
    let mut curves = vec![];
    let mut interpolant_losses = vec![];
    let mut stopped = None;
    if facts.learned {
        let InterpolantOptions { epochs, metric } = paths.interpolant;
        curves.push(interpolant::network(options, snapshots.dims(), seed)?);
        let mut energy = Energy::new(source, metric, &curves[0]);
        let descent = Descent {
            stage: Stage::Interpolant,
            steps: epochs,
            schedule: options.schedule_over(epochs),
            clip: options.clip,
            keep: Keep::Average(options.ema),
        };
        let descended = descent.run(&mut curves, &mut energy, threads, reporter);
        (interpolant_losses, stopped) = (descended.losses, descended.stopped);
    }
    source.interpolant = curves.first();
    let mut regression = Regression::new(source, &roles, options)?;
    let network = |&role: &Role| options.network(role, snapshots.dims(), seed);
    let mut networks = roles.iter().map(network).collect::<Result<Vec<_>>>()?;
    let descent = Descent {
        stage: Stage::Training,
        steps: options.epochs,
        schedule: options.schedule_over(options.epochs),
        clip: options.clip,
        keep: Keep::Average(options.ema),
    };
    let descended = match stopped {
        // Fields along paths that are not what they should be would mean nothing.
        Some(_) => Descended { losses: vec![], stopped },
        None => descent.run(&mut networks, &mut regression, threads, reporter),
    };
    let networks = roles.into_iter().zip(networks).map(|(role, mlp)| Network { role, mlp });
    Ok(Trained { networks: networks.collect(), interpolant_losses, descended })
}
