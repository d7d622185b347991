//! Which static problem couples the cells of consecutive snapshots: all that is known of each kind of coupling.

use crate::device::Device;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::named::named;
use crate::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use crate::transport::network_simplex::network_simplex;
use crate::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use crate::transport::{Cost, PointCloud, Problem, Solution};

/// Which static problem couples the cells of consecutive snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CouplingKind {
    /// Exact optimal transport of the normalised snapshots, cost ½‖x−y‖².
    ExactOt,
    /// Entropic optimal transport of the normalised snapshots, cost ½‖x−y‖², ε = σ²h.
    EntropicOt,
    /// Unregularised transport, cost ½‖x−y‖², both marginals relaxed by ρ KL.
    UnbalancedOt,
    /// Unregularised transport, cost ½‖x−y‖², the source marginal relaxed by ρ KL, the target's hard.
    SemiRelaxedOt,
    /// The Wasserstein–Fisher–Rao optimum of length δ.
    Wfr,
}

named!(
    CouplingKind,
    "coupling",
    ExactOt = "exact-ot",
    EntropicOt = "entropic-ot",
    UnbalancedOt = "unbalanced-ot",
    SemiRelaxedOt = "semi-relaxed-ot",
    Wfr = "wfr"
);

/// What is known of a kind of coupling.
pub(super) struct CouplingFacts {
    /// The options of a fit that it takes.
    pub(super) options: &'static [&'static str],
    /// Of a coupling whose regularisation is the noise: the share of the data's spread that the automatic σ diffuses in a mean
    /// interval.
    pub(super) noise: Option<f64>,
    /// Whether it is between the snapshots' shares: what is received for what is sent is then in the proportion of their
    /// masses.
    pub(super) balanced: bool,
    /// What helps where it does not converge.
    pub(super) advice: &'static str,
    /// The cost and the penalties of either marginal.
    terms: fn(&CouplingNumbers) -> (Cost, f64, f64),
    solver: Solver,
}

/// The numbers that couplings are made of; each kind takes those that its options name.
#[derive(Debug, Clone, Copy)]
pub(super) struct CouplingNumbers {
    pub(super) delta: f64,
    /// ρ.
    pub(super) penalty: f64,
    /// σ²h.
    pub(super) epsilon: f64,
}

enum Solver {
    Exact,
    Entropic,
    Unregularised,
}

const HARD: f64 = f64::INFINITY;

const EXACT_OT: CouplingFacts = CouplingFacts {
    options: &[],
    noise: None,
    balanced: true,
    advice: "smaller chunks (chunk_size)",
    terms: |_| (Cost::HalfSquaredEuclidean, HARD, HARD),
    solver: Solver::Exact,
};

const ENTROPIC_OT: CouplingFacts = CouplingFacts {
    options: &["sigma", "device"],
    noise: Some(0.1),
    balanced: true,
    advice: "a larger sigma, which sets its regularisation, or smaller chunks (chunk_size)",
    terms: |_| (Cost::HalfSquaredEuclidean, HARD, HARD),
    solver: Solver::Entropic,
};

const UNBALANCED_OT: CouplingFacts = CouplingFacts {
    options: &["penalty", "delta", "device"],
    noise: None,
    balanced: false,
    advice: "another penalty (or delta, which sets it), or smaller chunks (chunk_size)",
    terms: |numbers| (Cost::HalfSquaredEuclidean, numbers.penalty, numbers.penalty),
    solver: Solver::Unregularised,
};

const SEMI_RELAXED_OT: CouplingFacts =
    CouplingFacts { terms: |numbers| (Cost::HalfSquaredEuclidean, numbers.penalty, HARD), ..UNBALANCED_OT };

const WFR: CouplingFacts = CouplingFacts {
    options: &["delta", "device"],
    noise: None,
    balanced: false,
    advice: "another delta, or smaller chunks (chunk_size)",
    terms: |numbers| (Cost::Wfr { delta: numbers.delta }, 1.0, 1.0),
    solver: Solver::Unregularised,
};

/// Relative duality gap of the couplings of a fit: far below what sampling a few hundred pairs a step can see.
const TOLERANCE: f64 = 1e-6;
/// The same of entropic couplings, whose sweeps converge slowly where clusters lie far apart in units of σ: the automatic σ
/// must not fail there, and no step sees an error of this size either.
const ENTROPIC_TOLERANCE: f64 = 1e-4;
const ENTROPIC_SWEEPS: usize = 100_000;

impl CouplingKind {
    pub(super) fn facts(self) -> &'static CouplingFacts {
        match self {
            CouplingKind::ExactOt => &EXACT_OT,
            CouplingKind::EntropicOt => &ENTROPIC_OT,
            CouplingKind::UnbalancedOt => &UNBALANCED_OT,
            CouplingKind::SemiRelaxedOt => &SEMI_RELAXED_OT,
            CouplingKind::Wfr => &WFR,
        }
    }
}

impl CouplingFacts {
    /// Whether its sweeps can run on a device other than the CPU.
    pub(super) fn runs_on_devices(&self) -> bool {
        self.options.contains(&"device")
    }

    /// The static problem between two clouds, but for its regularisation.
    pub(super) fn problem<'a>(
        &self,
        source: &'a PointCloud,
        target: &'a PointCloud,
        numbers: &CouplingNumbers,
    ) -> Problem<'a> {
        let (cost, source_penalty, target_penalty) = (self.terms)(numbers);
        Problem { source, target, cost, source_penalty, target_penalty }
    }

    /// The entropic regularisation, 0 without one.
    pub(super) fn epsilon(&self, numbers: &CouplingNumbers) -> f64 {
        match self.solver {
            Solver::Entropic => numbers.epsilon,
            Solver::Exact | Solver::Unregularised => 0.0,
        }
    }

    /// Solves the static problem between two clouds.
    ///
    /// # Errors
    /// Those of the solver.
    pub(super) fn solve(
        &self,
        source: &PointCloud,
        target: &PointCloud,
        numbers: &CouplingNumbers,
        device: Device,
        stop: &Stop,
    ) -> Result<Solution> {
        let problem = self.problem(source, target, numbers);
        match self.solver {
            Solver::Exact => network_simplex(&problem, stop),
            Solver::Entropic => {
                let options = SinkhornOptions {
                    tolerance: ENTROPIC_TOLERANCE,
                    max_iterations: ENTROPIC_SWEEPS,
                    drop_below: 1e-6,
                    device,
                    ..SinkhornOptions::new(numbers.epsilon)
                };
                sinkhorn(&problem, &options, stop)
            }
            Solver::Unregularised => {
                let options = EntropyTransportOptions { tolerance: TOLERANCE, device, ..Default::default() };
                entropy_transport(&problem, &options, stop)
            }
        }
    }
}
