//! A single evaluation of a fit's loss, for the tests of its gradient.

use super::density_fit::DensityFit;
use super::equations::{EquationsFacts, EquationsKind, MATCHED_WITH_GROWTH};
use super::fit::{RolloutLoss, Run, run_number};
use super::kernel::AtPoints;
use super::options::RolloutOptions;
use super::path::{Cloud, Paths};
use crate::exec::progress::Stage;
use crate::nn::{Mlp, Tape};
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
        if run.facts.fits_densities {
            let mut loss = DensityFit::new(run, networks, paths);
            let value = loss.evaluate(0, networks).unwrap();
            return (value, (0..networks.len()).map(|k| loss.gradient(k).to_vec()).collect());
        }
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

    /// The velocity and the growth of the networks at a place, in network units.
    pub(crate) fn fields(&self, t: f64, x: &[f64]) -> (Vec<f64>, f64) {
        let input: Vec<f32> = std::iter::once(t).chain(x.iter().copied()).map(|x| x as f32).collect();
        let mut tape = Tape::default();
        let input = tape.leaf(1, &input);
        let mut of = |k: usize| {
            let output = tape.apply(&self.networks, k, input, 1).output;
            tape.value(output).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>()
        };
        (of(0), of(1)[0])
    }

    /// Makes velocity and growth the same everywhere.
    pub(crate) fn set_constant(&mut self, velocity: &[f64], growth: f64) {
        for (network, values) in self.networks.iter_mut().zip([velocity, &[growth]]) {
            let last = network.architecture().layers().last().unwrap();
            let parameters = network.parameters_mut();
            parameters[last.weights()].fill(0.0);
            parameters[last.bias()].iter_mut().zip(values).for_each(|(bias, value)| *bias = *value as f32);
        }
    }

    /// What the first step of TIGON draws from each later snapshot, in network units.
    pub(crate) fn draws(&mut self) -> Vec<Vec<f32>> {
        let Self { run, networks, paths, .. } = self;
        let mut loss = DensityFit::new(run, networks, paths);
        (1..run.populations.len()).map(|k| loss.draw(k, run_number(Stage::Training, 0)).x.clone()).collect()
    }

    /// The mean square of a snapshot's density of the first step, with its mass, at points.
    pub(crate) fn mean_square_density(&mut self, points: &[f32], k: usize) -> f64 {
        let Self { run, networks, paths, .. } = self;
        let mass = run.populations[k].mass;
        let mut found = AtPoints::default();
        DensityFit::new(run, networks, paths).density(k).log_density(1.0, points, &mut found);
        let log_density = found.log_density();
        log_density.iter().map(|l| (mass * libm::exp(*l)).powi(2)).sum::<f64>() / log_density.len() as f64
    }

    /// The same at its own cells.
    pub(crate) fn mean_square_density_of_cells(&mut self, k: usize) -> f64 {
        let points = self.run.populations[k].x.clone();
        self.mean_square_density(&points, k)
    }

    pub(crate) fn was_resampled(&self) -> bool {
        self.paths.was_resampled()
    }
}
