//! Several regressions at once: the flows of branches from one snapshot to the parts of another.

use super::PathOptions;
use super::interpolant::{self, Energy};
use super::loss::Regression;
use super::source::{Coupled, Source};
use crate::bridge::{Bridge, BridgeFacts};
use crate::error::Result;
use crate::exec::progress::{Reporter, Stage};
use crate::exec::threads::Threads;
use crate::fields::Role;
use crate::metric::CellMetric;
use crate::nn::Mlp;
use crate::snapshots::Snapshots;
use crate::train::{Descended, Descent, Loss, TrainingOptions};
use crate::units::Scaling;

/// The branches of a fit.
pub(crate) struct Branches<'a> {
    /// Of each, the two snapshots between which it leads, their coupled cells, and its seed.
    pub(crate) parts: Vec<(&'a Snapshots, &'a Coupled, u64)>,
    /// What motion costs among all cells that paths are to keep near to.
    pub(crate) metric: &'a CellMetric<'a>,
}

/// The velocity of each branch, and how they were trained.
pub(crate) struct TrainedBranches {
    pub(crate) velocities: Vec<Mlp>,
    /// The losses of the paths' own training.
    pub(crate) interpolant_losses: Vec<f64>,
    pub(crate) descended: Descended,
}

/// Trains the paths of all branches together, and then their velocities: each as [`train`](super::train) does those of a bridge that
/// learns its paths, but that the metric is that of all cells.
#[allow(clippy::too_many_arguments)] // the parts of a fit, each of one kind
pub(crate) fn train_branches(
    branches: &Branches<'_>,
    scaling: &Scaling,
    (facts, bridge): (&BridgeFacts, &dyn Bridge),
    paths: PathOptions,
    options: &TrainingOptions,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<TrainedBranches> {
    let dims = scaling.centre.len();
    let seeds = || branches.parts.iter().map(|&(.., seed)| seed);
    let source = |&(snapshots, coupled, seed): &(_, _, u64)| {
        Source::new(snapshots, coupled, (facts, bridge), scaling, paths.bandwidth, options, seed)
    };
    let mut sources: Vec<Source<'_>> = branches.parts.iter().map(source).collect();
    let epochs = paths.interpolant.epochs;
    let mut curves =
        seeds().map(|seed| interpolant::network(options, dims, seed)).collect::<Result<Vec<_>>>()?;
    let metrics = seeds().map(|seed| vec![branches.metric.numbered((seed, 0))]);
    let energies = sources.iter().zip(metrics).zip(&curves);
    let energies = energies.map(|((source, metrics), curve)| Energy::new(*source, metrics, curve));
    let mut energy = Together(energies.collect());
    let descent = Descent::new(Stage::Interpolant, epochs, options);
    let Descended { losses: interpolant_losses, stopped } =
        descent.run(&mut curves, &mut energy, threads, reporter);
    drop(energy);
    sources.iter_mut().zip(&curves).for_each(|(source, curve)| source.interpolant = Some(curve));
    let mut velocities =
        seeds().map(|seed| options.network(Role::Velocity, dims, seed)).collect::<Result<Vec<_>>>()?;
    let regressions = sources.iter().map(|source| Regression::new(*source, &[Role::Velocity], options));
    let mut loss = Together(regressions.collect::<Result<Vec<_>>>()?);
    let descended = match stopped {
        // Fields along paths that are not what they should be would mean nothing.
        Some(_) => Descended { losses: vec![], stopped },
        None => Descent::new(Stage::Training, options.epochs, options).run(
            &mut velocities,
            &mut loss,
            threads,
            reporter,
        ),
    };
    Ok(TrainedBranches { velocities, interpolant_losses, descended })
}

/// The sum of losses that have a network each.
struct Together<L>(Vec<L>);

impl<L: Loss> Loss for Together<L> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let of_each = self.0.iter_mut().zip(networks);
        of_each.map(|(loss, network)| loss.evaluate(step, std::slice::from_ref(network))).sum()
    }

    fn gradient(&mut self, network: usize) -> &mut [f32] {
        self.0[network].gradient(0)
    }
}
