//! A single evaluation of a fit's loss, for the tests of its gradient.

use super::*;

/// One fit's loss at parameters of choice.
pub(crate) struct Probe {
    run: Run<'static>,
    stage: Stage,
    networks: Vec<Mlp>,
    paths: Paths,
}

impl Probe {
    pub(crate) fn new(
        snapshots: &Snapshots,
        model: Model,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        Self::with_delta(snapshots, model, options, training, 1.3)
    }

    /// Growth that costs so much, or a growth network so small, that weights stay what they are.
    pub(crate) fn without_growth(
        snapshots: &Snapshots,
        model: Model,
        options: &RolloutOptions,
        training: &TrainingOptions,
    ) -> Self {
        let delta = if model == Model::VarRuot { 1e4 } else { 1.3 };
        let mut probe = Self::with_delta(snapshots, model, options, training, delta);
        if model == Model::DeepRuot {
            // Its gradient is then zero, and so is its share of every direction.
            probe.networks[1].parameters_mut().fill(0.0);
        }
        probe
    }

    fn with_delta(
        snapshots: &Snapshots,
        model: Model,
        options: &RolloutOptions,
        training: &TrainingOptions,
        delta: f64,
    ) -> Self {
        let (options, training) = (options.clone(), training.clone());
        // A test's few bytes may outlive it.
        let (options, training): (&'static _, &'static _) =
            (Box::leak(Box::new(options)), Box::leak(Box::new(training)));
        let numbers = Numbers { sigma: 0.4, delta };
        let scaling = Scaling::of(snapshots);
        let run = Run::new(snapshots, &scaling, model, numbers, options, training, 7).unwrap();
        let learners = run.learners().unwrap();
        let paths = run.paths(&learners).unwrap();
        let energy = options.energy_weight / (run.grid.intervals() * run.dims) as f64;
        let weights = PathWeights {
            energy,
            residual: options.residual_weight,
            initial: options.initial_density_weight,
        };
        let mut networks: Vec<Mlp> = learners.into_iter().map(|learner| learner.network).collect();
        // Larger weights than at a start of training bend the fields more.
        networks.iter_mut().flat_map(|n| n.parameters_mut()).for_each(|p| *p *= 1.5);
        Self { stage: Stage { phase: Phase::Training, epochs: 1, weights }, run, networks, paths }
    }

    pub(crate) fn networks(&self) -> usize {
        self.networks.len()
    }

    pub(crate) fn evaluate(&mut self) -> (f64, Vec<Vec<f32>>) {
        let mut gradients: Vec<Vec<f32>> =
            self.networks.iter().map(|network| vec![0.0; network.parameters().len()]).collect();
        let (loss, _) =
            self.run.evaluate(&self.stage, 0, &self.networks, &mut self.paths, &mut gradients).unwrap();
        (loss, gradients)
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
