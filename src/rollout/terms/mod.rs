//! The terms of a rollout's loss, each a named item of one list, with its weight.
//!
//! Terms at the snapshots compare particles with cells; each is one file here, and to add one is to add its file and its row
//! in [`Objective::new`]. Terms along the paths are what the model's equations say of them: their energy, the
//! residual of the optimality condition, and the error of the density at the start.

mod density;
mod local_mass;
mod mass;
mod transport;

use std::sync::Mutex;

use super::equations::EquationsFacts;
use super::options::RolloutOptions;
use super::path::{Cloud, PathCosts, PathWeights};
use crate::error::Result;
use crate::snapshots::MatrixView;
use crate::transport::PointCloud;
use crate::transport::network_simplex::Basis;

/// A snapshot, or a sample of it, in network units.
#[derive(Debug, Clone)]
pub(super) struct SnapshotCloud {
    /// Its cells, with weights of sum 1.
    pub(super) cloud: PointCloud,
    /// Its mass over that of the first snapshot.
    pub(super) mass: f64,
}

impl SnapshotCloud {
    /// The cells `x` (row-major) with their weights, of which only the proportions matter.
    pub(super) fn new(x: &[f32], weights: &[f64], dims: usize, mass: f64) -> Result<Self> {
        let view = MatrixView::from_f32(x, weights.len(), dims)?;
        Ok(Self { cloud: PointCloud::new(view, Some(weights))?.normalised(), mass })
    }
}

/// Weighted particles beside the snapshot that they should be.
pub(super) struct Comparison<'a> {
    /// The particles, with weights of sum 1.
    source: PointCloud,
    /// The particles' weights, and their sum.
    mass: Vec<f64>,
    total: f64,
    /// The weights over their sum.
    shares: Vec<f64>,
    target: &'a SnapshotCloud,
    /// Where an exact plan between them begins, and leaves its own; none to begin afresh.
    basis: Option<&'a Mutex<Basis>>,
}

/// The derivative of a loss in the particles: in their positions, row-major, and in the logarithms of their weights.
#[derive(Debug)]
pub(super) struct Derivative {
    x: Vec<f32>,
    log_weight: Vec<f64>,
}

/// A term of the loss at a snapshot.
trait SnapshotTerm: Send + Sync {
    fn name(&self) -> &'static str;

    /// Its value; `weight` times its derivative is added to `derivative`.
    ///
    /// # Errors
    /// Those of a transport solver.
    fn evaluate(&self, comparison: &Comparison<'_>, weight: f64, derivative: &mut Derivative) -> Result<f64>;
}

/// What a stage of a rollout's training minimises: a list of terms and their weights.
pub(super) struct Objective {
    at_snapshots: Vec<(Box<dyn SnapshotTerm>, f64)>,
    along_paths: PathWeights,
    /// Intervals times dimensions, over which the reported energy is a mean.
    parts: f64,
}

impl Objective {
    /// The terms that the model has a use for and that weigh something. `length` is the unit of length, in the data's; the energy
    /// is the mean over `parts` of it, intervals times dimensions.
    pub(super) fn new(facts: &EquationsFacts, options: &RolloutOptions, length: f64, parts: f64) -> Self {
        let given = |name: &str, weight: f64| if facts.takes(name) { weight } else { 0.0 };
        let epsilon = options.plan_epsilon.map(|epsilon| epsilon / (length * length));
        // The transport is the first, and always there.
        let at_snapshots: Vec<(Box<dyn SnapshotTerm>, f64)> = vec![
            (Box::new(transport::Transport { epsilon }), 1.0),
            (
                Box::new(density::Density { hinge: options.density_hinge }),
                given("density_weight", options.density_weight),
            ),
            (Box::new(mass::Mass), given("mass_weight", options.mass_weight)),
            (Box::new(local_mass::LocalMass), given("local_mass_weight", options.local_mass_weight)),
        ];
        Self {
            at_snapshots: at_snapshots.into_iter().filter(|(_, weight)| *weight > 0.0).collect(),
            parts,
            along_paths: PathWeights {
                energy: given("energy_weight", options.energy_weight) / parts,
                residual: given("residual_weight", options.residual_weight),
                initial: given("initial_density_weight", options.initial_density_weight),
            },
        }
    }

    /// How far particles are from their nearest cells, of this weight, and nothing else.
    pub(super) fn of_density(hinge: f64, weight: f64) -> Self {
        let density: Box<dyn SnapshotTerm> = Box::new(density::Density { hinge });
        Self { at_snapshots: vec![(density, weight)], parts: 1.0, along_paths: PathWeights::default() }
    }

    /// The same without the terms along the paths.
    pub(super) fn at_snapshots_alone(mut self) -> Self {
        self.along_paths = PathWeights::default();
        self
    }

    /// How much the terms along the paths weigh.
    pub(super) fn along_paths(&self) -> &PathWeights {
        &self.along_paths
    }

    /// The names of the terms, in order.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let PathWeights { energy, residual, initial } = self.along_paths;
        let paths = [("energy", energy), ("residual", residual), ("initial_density", initial)];
        let paths = paths.into_iter().filter(|(_, weight)| *weight > 0.0).map(|(name, _)| name);
        self.at_snapshots.iter().map(|(term, _)| term.name()).chain(paths).collect()
    }

    /// Compares `particles` with `target`: the value of each term at a snapshot, and the derivative of their weighted sum. Exact plans
    /// begin at `basis`, that of nearly the same comparison, and leave theirs there.
    ///
    /// # Errors
    /// Those of the terms.
    pub(super) fn compare(
        &self,
        particles: &Cloud,
        target: &SnapshotCloud,
        basis: Option<&Mutex<Basis>>,
    ) -> Result<(Vec<f64>, Cloud)> {
        let comparison = Comparison { basis, ..Comparison::new(particles, target)? };
        let (n, dims) = (particles.log_weight.len(), target.cloud.dims());
        let mut derivative = Derivative { x: vec![0.0; n * dims], log_weight: vec![0.0; n] };
        let values = self
            .at_snapshots
            .iter()
            .map(|(term, weight)| term.evaluate(&comparison, *weight, &mut derivative));
        let values = values.collect::<Result<_>>()?;
        let log_weight = derivative.log_weight.iter().map(|&slope| slope as f32).collect();
        Ok((values, Cloud { x: derivative.x, log_weight }))
    }

    /// The loss: the means over the snapshots of what [`compare`](Self::compare) gave, and the costs of the paths, weighted.
    /// The unweighted values go to `values`, in the order of the names.
    pub(super) fn total(&self, at_snapshots: &[f64], paths: &PathCosts, values: &mut Vec<f64>) -> f64 {
        let reconstruction: f64 =
            at_snapshots.iter().zip(&self.at_snapshots).map(|(value, (_, weight))| weight * value).sum();
        values.extend_from_slice(at_snapshots);
        let weights = &self.along_paths;
        let mut along = 0.0;
        for (weight, cost, parts) in [
            (weights.energy, paths.energy, self.parts),
            (weights.residual, paths.residual, 1.0),
            (weights.initial, paths.initial, 1.0),
        ] {
            if weight > 0.0 {
                along += weight * cost;
                values.push(cost / parts);
            }
        }
        reconstruction + along
    }

    /// How many terms there are at the snapshots.
    pub(super) fn count_at_snapshots(&self) -> usize {
        self.at_snapshots.len()
    }
}

impl<'a> Comparison<'a> {
    fn new(particles: &Cloud, target: &'a SnapshotCloud) -> Result<Self> {
        let mass: Vec<f64> = particles.log_weight.iter().map(|&l| libm::exp(f64::from(l))).collect();
        let total: f64 = mass.iter().sum();
        let shares: Vec<f64> = mass.iter().map(|w| w / total).collect();
        let view = MatrixView::from_f32(&particles.x, mass.len(), target.cloud.dims())?;
        // Divided twice: shares of single-precision exponentials sum to one up to rounding only.
        let source = PointCloud::new(view, Some(&shares))?.normalised();
        Ok(Self { source, mass, total, shares, target, basis: None })
    }
}
