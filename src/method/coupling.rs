//! Which static problem couples the cells of consecutive snapshots: all that is known of each kind of coupling.

use crate::device::Device;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::named::named;
use crate::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use crate::transport::network_simplex::network_simplex;
use crate::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use crate::transport::whole::Terms;
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
    /// The same with entropy: min ⟨C,γ⟩ + ρ KL(γ1|a) + ε KL(γ | a⊗b) with γᵀ1 = b, cost ½‖x−y‖², ε = σ²h (Wang et al., NeurIPS 2025).
    /// As the target's marginal is hard, masses in other units give the same plan in other units.
    EntropicSemiRelaxedOt,
    /// The Wasserstein–Fisher–Rao optimum of length δ.
    Wfr,
    /// The same with entropy: min ⟨C,γ⟩ + KL(γ1|a) + KL(γᵀ1|b) + ε KL(γ | a⊗b/√(M_a M_b)), ε = σ²h/(2δ²). The reference measure is
    /// such that masses in other units give the same plan in other units. As ε → 0 it is the optimum of `wfr`; as δ → ∞, where
    /// nothing grows, the coupling of SF2M.
    EntropicWfr,
}

named!(
    CouplingKind,
    "coupling",
    ExactOt = "exact-ot",
    EntropicOt = "entropic-ot",
    UnbalancedOt = "unbalanced-ot",
    SemiRelaxedOt = "semi-relaxed-ot",
    EntropicSemiRelaxedOt = "entropic-semi-relaxed-ot",
    Wfr = "wfr",
    EntropicWfr = "entropic-wfr"
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
    /// Whether its reference measure has the geometric mean of the two masses, whatever their unit.
    pub(super) scaled: bool,
    /// What helps where it does not converge.
    pub(super) advice: &'static str,
    /// The cost, and the penalties of either marginal where others are not given.
    terms: fn(&CouplingNumbers) -> (Cost, f64, f64),
    /// The entropic regularisation, of a coupling by Sinkhorn's sweeps.
    regularisation: fn(&CouplingNumbers) -> f64,
    solver: Solver,
}

/// The numbers that couplings are made of; each kind takes those that its options name.
#[derive(Debug, Clone, Copy)]
pub(super) struct CouplingNumbers {
    pub(super) delta: f64,
    /// ρ.
    pub(super) penalty: f64,
    /// σ²h.
    pub(super) diffused: f64,
    /// The penalties of the source's and the target's marginal, where they are given.
    pub(super) penalties: [Option<f64>; 2],
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
    scaled: false,
    advice: "smaller chunks (chunk_size)",
    terms: |_| (Cost::HalfSquaredEuclidean, HARD, HARD),
    regularisation: |_| 0.0,
    solver: Solver::Exact,
};

const ENTROPIC_OT: CouplingFacts = CouplingFacts {
    options: &["sigma", "device"],
    noise: Some(0.1),
    balanced: true,
    scaled: false,
    advice: "a larger sigma, which sets its regularisation, or smaller chunks (chunk_size)",
    terms: |_| (Cost::HalfSquaredEuclidean, HARD, HARD),
    regularisation: |numbers| numbers.diffused,
    solver: Solver::Entropic,
};

const UNBALANCED_OT: CouplingFacts = CouplingFacts {
    options: &["penalty", "delta", "source_penalty", "target_penalty", "device"],
    noise: None,
    balanced: false,
    scaled: false,
    advice: "another penalty (or delta, which sets it), or smaller chunks (chunk_size)",
    terms: |numbers| (Cost::HalfSquaredEuclidean, numbers.penalty, numbers.penalty),
    regularisation: |_| 0.0,
    solver: Solver::Unregularised,
};

const SEMI_RELAXED_OT: CouplingFacts = CouplingFacts {
    options: &["penalty", "delta", "source_penalty", "device"],
    terms: |numbers| (Cost::HalfSquaredEuclidean, numbers.penalty, HARD),
    ..UNBALANCED_OT
};

const ENTROPIC_SEMI_RELAXED_OT: CouplingFacts = CouplingFacts {
    options: &["penalty", "delta", "source_penalty", "sigma", "device"],
    noise: Some(0.03),
    advice: "a larger sigma, which sets its regularisation, another penalty (or delta, which sets it), or smaller chunks \
             (chunk_size)",
    regularisation: |numbers| numbers.diffused,
    solver: Solver::Entropic,
    ..SEMI_RELAXED_OT
};

const WFR: CouplingFacts = CouplingFacts {
    options: &["delta", "source_penalty", "target_penalty", "device"],
    noise: None,
    balanced: false,
    scaled: false,
    advice: "another delta, or smaller chunks (chunk_size)",
    terms: |numbers| (Cost::Wfr { delta: numbers.delta }, 1.0, 1.0),
    regularisation: |_| 0.0,
    solver: Solver::Unregularised,
};

const ENTROPIC_WFR: CouplingFacts = CouplingFacts {
    options: &["delta", "sigma", "source_penalty", "target_penalty", "device"],
    noise: Some(0.03),
    scaled: true,
    advice: "a larger sigma, which sets its regularisation, another delta, or smaller chunks (chunk_size)",
    regularisation: |numbers| numbers.diffused / (2.0 * numbers.delta.powi(2)),
    solver: Solver::Entropic,
    ..WFR
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
            CouplingKind::EntropicSemiRelaxedOt => &ENTROPIC_SEMI_RELAXED_OT,
            CouplingKind::Wfr => &WFR,
            CouplingKind::EntropicWfr => &ENTROPIC_WFR,
        }
    }

    /// The couplings that relax the source's marginal, by which growth that is expected enters.
    pub(super) fn relaxing_source() -> impl Iterator<Item = &'static str> {
        Self::ALL
            .iter()
            .filter(|kind| kind.facts().options.contains(&"source_penalty"))
            .map(|kind| kind.as_str())
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
        let Terms { cost, source_penalty, target_penalty } = self.terms_of(numbers);
        Problem { source, target, cost, source_penalty, target_penalty }
    }

    /// What that problem is, whatever its clouds.
    pub(super) fn terms_of(&self, numbers: &CouplingNumbers) -> Terms {
        let (cost, source, target) = (self.terms)(numbers);
        let [source_penalty, target_penalty] =
            [(source, 0), (target, 1)].map(|(own, side)| numbers.penalties[side].unwrap_or(own));
        Terms { cost, source_penalty, target_penalty }
    }

    /// The entropic regularisation, 0 without one.
    pub(super) fn epsilon(&self, numbers: &CouplingNumbers) -> f64 {
        (self.regularisation)(numbers)
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
        if self.scaled {
            // Between clouds of this unit the reference measure is the product of their weights.
            let factor = unit_factor(source, target);
            let (source, target) = (source.clone().scaled(factor), target.clone().scaled(factor));
            let solution = self.solve_as_it_is(&source, &target, numbers, device, stop)?;
            return Ok(solution.scaled(1.0 / factor));
        }
        self.solve_as_it_is(source, target, numbers, device, stop)
    }

    fn solve_as_it_is(
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
                    ..SinkhornOptions::new(self.epsilon(numbers))
                };
                sinkhorn(&problem, &options, stop)
            }
            Solver::Unregularised
                if problem.source_penalty.is_infinite() && problem.target_penalty.is_infinite() =>
            {
                device.require_cpu("exact transport")?;
                network_simplex(&problem, stop)
            }
            Solver::Unregularised => {
                let options = EntropyTransportOptions { tolerance: TOLERANCE, device, ..Default::default() };
                entropy_transport(&problem, &options, stop)
            }
        }
    }
}

/// What makes one the geometric mean of the two masses.
fn unit_factor(source: &PointCloud, target: &PointCloud) -> f64 {
    unit_factor_of(source.mass(), target.mass())
}

/// The same, of the two masses.
pub(super) fn unit_factor_of(source: f64, target: f64) -> f64 {
    1.0 / (source.sqrt() * target.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;
    use crate::transport::coupling::Coupling;

    /// The midpoints of `n` equal shares of N(0, 1), of mass `mass` each.
    fn gaussian(n: usize, mass: f64) -> PointCloud {
        let quantile = |share: f64| {
            let (mut low, mut high) = (-9.0, 9.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                let below = 0.5 * (1.0 + libm::erf(middle / std::f64::consts::SQRT_2)) < share;
                (low, high) = if below { (middle, high) } else { (low, middle) };
            }
            low
        };
        let points: Vec<f64> = (0..n).map(|i| quantile((i as f64 + 0.5) / n as f64)).collect();
        PointCloud::new(MatrixView::from_f64(&points, n, 1).unwrap(), Some(&vec![mass; n])).unwrap()
    }

    fn coupled(kind: CouplingKind, sigma: f64, delta: f64, masses: [f64; 2]) -> (Solution, Coupling) {
        let (a, b) = (gaussian(300, masses[0]), gaussian(300, masses[1]));
        let numbers =
            CouplingNumbers { delta, penalty: f64::NAN, diffused: sigma * sigma, penalties: [None; 2] };
        let solution = kind.facts().solve(&a, &b, &numbers, Device::Cpu, &Stop::default()).unwrap();
        assert!(solution.report.converged);
        let coupling = Coupling::from_plan(&solution.plan, a.weights(), b.weights());
        (solution, coupling)
    }

    /// Between two N(0, 1) the Schrödinger bridge of σ = 1 has the variance ½(1 + c) + ¼ at its middle, with c the covariance of its
    /// ends, c = √(1 + ¼) − ½ (Mallasto, Gerolin, Minh 2022): 1.059. Pairs of an unregularised plan would have c = 1, and 1.25.
    #[test]
    fn where_nothing_grows_the_entropic_wfr_coupling_is_that_of_the_schroedinger_bridge() {
        let cloud = gaussian(300, 1.0);
        let x = |i: u32| cloud.point(i as usize)[0];
        let variance = |kind| {
            let (_, coupling) = coupled(kind, 1.0, 30.0, [1.0, 1.0]);
            let square = |pair: &crate::transport::coupling::Pair| {
                pair.sent * (0.5 * (x(pair.source) + x(pair.target))).powi(2)
            };
            coupling.pairs.iter().map(square).sum::<f64>() / 300.0 + 0.25
        };
        let got = variance(CouplingKind::EntropicWfr);
        assert!((got - 1.059).abs() < 0.02, "{got}");
        assert!((variance(CouplingKind::Wfr) - 1.25).abs() < 0.02);
    }

    #[test]
    fn without_noise_it_is_the_optimum_of_wfr_and_masses_in_other_units_are_coupled_the_same() {
        let best = coupled(CouplingKind::Wfr, 1.0, 1.5, [1.0, 2.0]).0.report.primal;
        let (little, _) = coupled(CouplingKind::EntropicWfr, 0.02, 1.5, [1.0, 2.0]);
        // It pays ε KL beside, which is at most ε ln n for each unit of the reference's mass, √2·300.
        let (more, most) = (
            little.report.primal - best,
            0.02f64.powi(2) / (2.0 * 1.5 * 1.5) * 300f64.ln() * 2f64.sqrt() * 300.0,
        );
        assert!((0.0..most).contains(&more), "{more} of {most}");
        let (one, pairs) = coupled(CouplingKind::EntropicWfr, 0.5, 1.5, [1.0, 2.0]);
        let (other, as_many) = coupled(CouplingKind::EntropicWfr, 0.5, 1.5, [70.0, 140.0]);
        // To the tolerance of the sweeps.
        assert!((other.report.primal / one.report.primal / 70.0 - 1.0).abs() < 1e-4);
        let sent = |coupling: &Coupling| {
            coupling.pairs.iter().map(|pair| pair.sent * f64::from(pair.target)).sum::<f64>()
        };
        assert!((sent(&as_many) / sent(&pairs) / 70.0 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn the_entropic_semi_relaxed_plan_meets_its_optimality_conditions_and_its_limit() {
        let (a, b) = (gaussian(60, 1.0), gaussian(80, 1.5).scaled(2.0));
        let (penalty, epsilon): (f64, f64) = (0.7, 0.2);
        let numbers = CouplingNumbers { delta: f64::NAN, penalty, diffused: epsilon, penalties: [None; 2] };
        let kind = CouplingKind::EntropicSemiRelaxedOt;
        let solve = |numbers: &CouplingNumbers, kind: CouplingKind| {
            kind.facts().solve(&a, &b, numbers, Device::Cpu, &Stop::default()).unwrap()
        };
        // Far below the tolerance of fits, for which a tail hardly counts.
        let options =
            SinkhornOptions { tolerance: 1e-10, ..SinkhornOptions::new(kind.facts().epsilon(&numbers)) };
        let problem = kind.facts().problem(&a, &b, &numbers);
        let solution = sinkhorn(&problem, &options, &Stop::default()).unwrap();
        assert!(solution.report.converged);
        let coupling = Coupling::from_plan(&solution.plan, a.weights(), b.weights());
        let (mut rows, mut columns) = (vec![0.0; 60], vec![0.0; 80]);
        for pair in &coupling.pairs {
            rows[pair.source as usize] += pair.coupled;
            columns[pair.target as usize] += pair.coupled;
            // What is received for what is sent is what the source's mass has become.
            let grown = pair.received / pair.sent;
            assert!(
                (grown
                    / (solution.plan.row_mass()[pair.source as usize] / a.weights()[pair.source as usize])
                    - 1.0)
                    .abs()
                    < 1e-3
            );
        }
        // The target's marginal is hard.
        assert!(columns.iter().zip(b.weights()).all(|(got, want)| (got / want - 1.0).abs() < 1e-3));
        // ln γ_ij/(a_i b_j) = (f_i + g_j − C_ij)/ε with f_i = −ρ ln(row_i/a_i), and g_j the same for every source of a target.
        let half_square = |pair: &crate::transport::coupling::Pair| {
            0.5 * (a.point(pair.source as usize)[0] - b.point(pair.target as usize)[0]).powi(2)
        };
        let mut of_target = vec![None; 80];
        for pair in coupling.pairs.iter().filter(|pair| pair.coupled > 1e-3) {
            let (i, j) = (pair.source as usize, pair.target as usize);
            let f = -penalty * (rows[i] / a.weights()[i]).ln();
            let g = epsilon * (pair.coupled / (a.weights()[i] * b.weights()[j])).ln() - f + half_square(pair);
            let known: &mut f64 = of_target[j].get_or_insert(g);
            assert!((g - *known).abs() < 1e-3, "{i} {j}: {g} and {known}");
        }
        // With little entropy it is the unregularised plan's value, plus at most ε ln n of its mass.
        let little = CouplingNumbers { diffused: 1e-3, ..numbers };
        let (best, near) = (solve(&little, CouplingKind::SemiRelaxedOt), solve(&little, kind));
        let above = near.report.transport_cost - best.report.transport_cost;
        assert!(above.abs() < 1e-3 * 80f64.ln() * b.mass(), "{above}");
    }
}
