//! A single evaluation of a fit's loss, for the tests of its gradient.

use super::equations::{EquationsFacts, EquationsKind, MATCHED_WITH_GROWTH};
use super::fit::{RolloutLoss, Run};
use super::options::RolloutOptions;
use super::path::{Cloud, Paths};
use crate::exec::progress::Stage;
use crate::nn::Mlp;
use crate::scales::Scales;
use crate::snapshots::Snapshots;
use crate::train::{Loss, TrainingOptions};
use crate::units::Scaling;

/// One fit's loss at parameters of choice.
pub(crate) struct Probe {
    run: Run<'static>,
    networks: Vec<Mlp>,
    paths: Paths,
    stage: Stage,
}

impl Probe {
    pub(crate) fn new(
        snapshots: &Snapshots,
        model: EquationsKind,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        Self::with_delta(snapshots, model, options, training, 1.3)
    }

    /// Growth that costs so much, or a growth network so small, that weights stay what they are.
    pub(crate) fn without_growth(
        snapshots: &Snapshots,
        model: EquationsKind,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        let delta = if model == EquationsKind::VarRuot { 1e4 } else { 1.3 };
        let mut probe = Self::with_delta(snapshots, model, options, training, delta);
        if model == EquationsKind::DeepRuot {
            // Its gradient is then zero, and so is its share of every direction.
            probe.networks[1].parameters_mut().fill(0.0);
        }
        probe
    }

    fn with_delta(
        snapshots: &Snapshots,
        model: EquationsKind,
        options: &RolloutOptions,
        training: &TrainingOptions,
        delta: f64,
    ) -> Self {
        let scaling = Scaling::of(snapshots);
        Self::of_facts(snapshots, &scaling, model.facts(), options, training, delta)
    }

    /// The fine-tuning of a flow with growth, in given units.
    pub(crate) fn finetuning(
        snapshots: &Snapshots,
        scaling: &Scaling,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        let mut probe = Self::of_facts(snapshots, scaling, &MATCHED_WITH_GROWTH, options, training, 1.3);
        probe.stage = Stage::FineTuning;
        probe
    }

    /// A MIOFlow whose particles begin every interval as its cells, in given units.
    pub(crate) fn local(
        snapshots: &Snapshots,
        scaling: &Scaling,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        let mut probe =
            Self::of_facts(snapshots, scaling, EquationsKind::MioFlow.facts(), options, training, 1.3);
        probe.stage = Stage::Local;
        probe
    }

    fn of_facts(
        snapshots: &Snapshots,
        scaling: &Scaling,
        facts: &'static EquationsFacts,
        options: &RolloutOptions,
        training: &TrainingOptions,
        delta: f64,
    ) -> Self {
        let (options, training) = (options.clone(), training.clone());
        // A test's few bytes may outlive it.
        let (options, training): (&'static _, &'static _) =
            (Box::leak(Box::new(options)), Box::leak(Box::new(training)));
        let scales = Scales { sigma: 0.4, delta };
        let run = Run::new(snapshots, scaling, facts, scales, options, training, 7).unwrap();
        // As random as they are not at a start of training, where growth is silent.
        let network = |&role| training.network(role, run.dims, 7).unwrap();
        let mut networks: Vec<Mlp> = facts.networks.iter().map(network).collect();
        let paths = run.paths(&networks);
        // Larger weights than at a start of training bend the fields more.
        networks.iter_mut().flat_map(|n| n.parameters_mut()).for_each(|p| *p *= 1.5);
        Self { run, networks, paths, stage: Stage::Training }
    }

    /// Places and logarithms of weights of the particles at the end of an interval of the last evaluation, in network units.
    pub(crate) fn particles(&self, interval: usize) -> (Vec<f32>, Vec<f32>) {
        let mut cloud = Cloud::default();
        self.paths.end_of(interval, &mut cloud);
        (cloud.x, cloud.log_weight)
    }

    pub(crate) fn networks(&self) -> usize {
        self.networks.len()
    }

    pub(crate) fn evaluate(&mut self) -> (f64, Vec<Vec<f32>>) {
        let Self { run, networks, paths, stage } = self;
        let mut loss = RolloutLoss::new(run, *stage, run.objective(), networks, paths);
        let value = loss.evaluate(0, networks).unwrap();
        (value, (0..networks.len()).map(|k| loss.gradient(k).to_vec()).collect())
    }

    pub(crate) fn loss_along(&mut self, direction: &[Vec<f64>], step: f64) -> f64 {
        let before = self.networks.clone();
        for (network, direction) in self.networks.iter_mut().zip(direction) {
            for (parameter, d) in network.parameters_mut().iter_mut().zip(direction) {
                *parameter = (f64::from(*parameter) + step * d) as f32;
            }
        }
        let loss = self.evaluate().0;
        self.networks = before;
        loss
    }

    pub(crate) fn was_resampled(&self) -> bool {
        self.paths.was_resampled()
    }
}
