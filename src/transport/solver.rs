//! A static problem as its options describe it, and the solver that suits it.

use super::entropy_transport::{EntropyTransportOptions, entropy_transport};
use super::network_simplex::network_simplex;
use super::sinkhorn::{SinkhornOptions, sinkhorn};
use super::{Cost, PointCloud, Problem, Solution};
use crate::device::Device;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::named::named;

/// Which cost; see [`Cost`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CostName {
    /// [`Cost::Wfr`]
    Wfr,
    /// [`Cost::Euclidean`]
    Euclidean,
    /// [`Cost::HalfSquaredEuclidean`]
    HalfSquaredEuclidean,
}

named!(CostName, "cost", Wfr = "wfr", Euclidean = "euclidean", HalfSquaredEuclidean = "half-sqeuclidean");

/// Which problem to solve between two clouds, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TransportOptions {
    /// The cost of moving a unit of mass.
    pub cost: CostName,
    /// δ of the cost `wfr`.
    pub delta: f64,
    /// Entropic regularisation, in units of the cost; 0 for the unregularised optimum.
    pub epsilon: f64,
    /// The penalty ρ of either marginal; infinite for hard marginals.
    pub penalty: f64,
    /// The penalty of the source's marginal, where it differs.
    pub source_penalty: Option<f64>,
    /// The penalty of the target's marginal, where it differs.
    pub target_penalty: Option<f64>,
    /// Whether the weights of either cloud are divided by their sum.
    pub normalise: bool,
    /// The relative duality gap to stop at. The exact solver has none: it ends at the optimum.
    pub tolerance: f64,
    /// Sweeps or pivots after which to give up; the solver's own bound where absent.
    pub max_iterations: Option<usize>,
    /// Where Sinkhorn's sweeps run. Exact transport has none.
    pub device: Device,
    /// Threads; 0 for the ambient rayon pool. [`solve`](Self::solve) uses the pool that it is called in.
    pub threads: usize,
}

impl Default for TransportOptions {
    /// The Wasserstein–Fisher–Rao optimum of length 1.
    fn default() -> Self {
        Self {
            cost: CostName::Wfr,
            delta: 1.0,
            epsilon: 0.0,
            penalty: 1.0,
            source_penalty: None,
            target_penalty: None,
            normalise: false,
            tolerance: 1e-9,
            max_iterations: None,
            device: Device::default(),
            threads: 0,
        }
    }
}

impl TransportOptions {
    /// What may help where the solver that these options choose did not converge.
    pub fn advice(&self) -> &'static str {
        let hard = |penalty: Option<f64>| penalty.unwrap_or(self.penalty).is_infinite();
        if self.epsilon > 0.0 {
            "raise epsilon, tolerance or max_iterations"
        } else if hard(self.source_penalty) && hard(self.target_penalty) {
            "coordinates or weights are of too different magnitudes for double precision: rescale them"
        } else {
            "raise tolerance or max_iterations, or bring the magnitudes of weights, costs and penalties together"
        }
    }

    /// Solves the problem: entropic by [`sinkhorn`], unregularised with two hard marginals by [`network_simplex`], else by
    /// [`entropy_transport`].
    ///
    /// # Errors
    /// Those of the solver.
    pub fn solve(&self, source: PointCloud, target: PointCloud, stop: &Stop) -> Result<Solution> {
        let prepared = |cloud: PointCloud| if self.normalise { cloud.normalised() } else { cloud };
        let (source, target) = (prepared(source), prepared(target));
        let cost = match self.cost {
            CostName::Wfr => Cost::Wfr { delta: self.delta },
            CostName::Euclidean => Cost::Euclidean,
            CostName::HalfSquaredEuclidean => Cost::HalfSquaredEuclidean,
        };
        let source_penalty = self.source_penalty.unwrap_or(self.penalty);
        let target_penalty = self.target_penalty.unwrap_or(self.penalty);
        let problem = Problem { source: &source, target: &target, cost, source_penalty, target_penalty };
        if self.epsilon > 0.0 {
            let standard = SinkhornOptions::new(self.epsilon);
            let max_iterations = self.max_iterations.unwrap_or(standard.max_iterations);
            let (tolerance, device) = (self.tolerance, self.device);
            sinkhorn(&problem, &SinkhornOptions { tolerance, max_iterations, device, ..standard }, stop)
        } else if source_penalty.is_infinite() && target_penalty.is_infinite() {
            self.device.require_cpu("exact transport")?;
            network_simplex(&problem, stop)
        } else {
            let standard = EntropyTransportOptions::default();
            let max_iterations = self.max_iterations.unwrap_or(standard.max_iterations);
            entropy_transport(
                &problem,
                &EntropyTransportOptions { tolerance: self.tolerance, max_iterations, device: self.device },
                stop,
            )
        }
    }
}
