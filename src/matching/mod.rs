//! Simulation-free training: regress networks on the fields of conditional bridges between coupled cells.

mod batch;
mod chain;
mod curvature;
mod loss;
mod source;

pub(crate) use chain::Chains;
pub(crate) use curvature::{Curvature, Looseness};
use loss::Regression;
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

/// Trains the networks of the fields that a bridge has, about which places are spread by `bandwidth` more.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn train(
    snapshots: &Snapshots,
    scaling: &Scaling,
    coupled: &Coupled,
    (facts, bridge): (&BridgeFacts, &dyn Bridge),
    bandwidth: f64,
    options: &TrainingOptions,
    seed: u64,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<(Vec<Network>, Descended)> {
    let source = Source {
        snapshots,
        intervals: &coupled.intervals,
        curvature: coupled.curvature.as_ref(),
        chains: coupled.chains.as_ref(),
        bridge,
        facts,
        scaling,
        sigma: bridge.sigma(snapshots.times()[0]),
        bandwidth,
        weighting: options.pair_weighting,
        rows_per_interval: options.batch_size,
        seed,
    };
    let mut roles = vec![Role::Velocity];
    roles.extend(facts.grows.then_some(Role::Growth));
    roles.extend(facts.noise.map(|_| Role::Score));
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
    let descended = descent.run(&mut networks, &mut regression, threads, reporter);
    let networks = roles.into_iter().zip(networks).map(|(role, mlp)| Network { role, mlp });
    Ok((networks.collect(), descended))
}
