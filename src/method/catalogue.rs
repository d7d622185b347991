//! The published methods: one row each. To add one, add its row and what it truly has new.

use super::{CouplingKind, Learning, Recipe};
use crate::bridge::BridgeKind;
use crate::error::{Error, Result};
use crate::matching::Objective;
use crate::nn::Activation;
use crate::rollout::{EquationsKind, RolloutOptions, Scheme};
use crate::train::{PairWeighting, TrainingOptions};

/// The enum of the methods, and their recipes, from one list.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $method:ident = $recipe:expr,)+) => {
        /// A published method.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Method { $($(#[$doc])* $method,)+ }

        impl Method {
            /// All methods.
            pub const ALL: &'static [Self] = &[$(Self::$method,)+];

            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$({ const RECIPE: Recipe = $recipe; RECIPE.name },)+];

            /// What the method is made of.
            pub const fn recipe(self) -> Recipe {
                match self { $(Self::$method => $recipe,)+ }
            }
        }
    };
}

catalogue! {
    /// OT-CFM: exact optimal transport, straight lines (Tong et al., TMLR 2024).
    OtCfm = Recipe {
        name: "ot-cfm",
        source: "Tong et al., TMLR 2024",
        learning: regressed(CouplingKind::ExactOt, BridgeKind::Straight),
        presets: published,
    },
    /// MMFM: exact optimal transport, natural cubic splines through one coupled cell of each snapshot (Rohbeck et al., ICLR 2025).
    Mmfm = Recipe {
        name: "mmfm",
        source: "Rohbeck et al., ICLR 2025",
        learning: regressed(CouplingKind::ExactOt, BridgeKind::Spline),
        presets: published,
    },
    /// Metric FM: exact optimal transport, learned paths near the cells, under the metric LAND or that of radial basis
    /// functions (Kapuśniak et al., NeurIPS 2024).
    MetricFm = Recipe {
        name: "metric-fm",
        source: "Kapuśniak et al., NeurIPS 2024",
        learning: regressed(CouplingKind::ExactOt, BridgeKind::Geodesic),
        presets: published,
    },
    /// SF2M: entropic optimal transport, Brownian bridges, score (Tong et al., AISTATS 2024).
    Sf2m = Recipe {
        name: "sf2m",
        source: "Tong et al., AISTATS 2024",
        learning: regressed(CouplingKind::EntropicOt, BridgeKind::Brownian),
        presets: published,
    },
    /// UOT-FM: unbalanced optimal transport, straight lines, pairs in proportion to the plan (Eyring et al., ICLR 2024). It learns a
    /// velocity and no growth: who has no place in the plan is left out of the regression, and the population keeps its mass. So it
    /// has no mass error of its own. Comparison tables print one all the same; they may have given it a growth rate, as CytoBridge's
    /// public code does (which regresses one on the plan's masses for its `uot_fm`), where the authors' own code has a velocity alone.
    UotFm = Recipe {
        name: "uot-fm",
        source: "Eyring et al., ICLR 2024",
        learning: regressed(CouplingKind::UnbalancedOt, BridgeKind::Straight),
        presets: by_plan,
    },
    /// Unbalanced optimal transport, straight lines, growth: what UOT-FM would be if its cells multiplied and died; not published, a
    /// free combination.
    UotGrowth = Recipe {
        name: "uot-growth",
        source: "a free combination",
        learning: regressed(CouplingKind::UnbalancedOt, BridgeKind::StraightLogLinear),
        presets: published,
    },
    /// VGFM: entropic semi-relaxed optimal transport, straight lines, growth, pairs in proportion to the plan; then fine-tuned through the
    /// rollout (Wang et al., NeurIPS 2025).
    Vgfm = Recipe {
        name: "vgfm",
        source: "Wang et al., NeurIPS 2025",
        learning: regressed(CouplingKind::EntropicSemiRelaxedOt, BridgeKind::StraightLogLinear),
        presets: || {
            let (training, rollout) = by_plan();
            (training, RolloutOptions { finetune_steps: 30, ..rollout })
        },
    },
    /// WFR-FM: Wasserstein–Fisher–Rao semi-coupling, travelling Diracs, growth (Peng et al., ICLR 2026).
    WfrFm = Recipe {
        name: "wfr-fm",
        source: "Peng et al., ICLR 2026",
        learning: regressed(CouplingKind::Wfr, BridgeKind::TravellingDirac),
        presets: published,
    },
    /// USB: Wasserstein–Fisher–Rao semi-coupling, Poisson–Brownian bridges, growth and score (Ying et al. 2026).
    Usb = Recipe {
        name: "usb",
        source: "Ying et al. 2026",
        learning: regressed(CouplingKind::Wfr, BridgeKind::PoissonBrownian),
        // Its growth has five layers, as its velocity.
        presets: || {
            let (training, rollout) = published();
            (TrainingOptions { growth_hidden: None, ..training }, rollout)
        },
    },
    /// Action matching: the potential of least action along straight lines between optimally coupled cells, by their places alone
    /// (Neklyudov et al., ICML 2023). The paper leaves it to its user by which densities snapshots are joined.
    ActionMatching = Recipe {
        name: "action-matching",
        source: "Neklyudov et al., ICML 2023",
        learning: Learning::Matching {
            coupling: CouplingKind::ExactOt,
            bridge: BridgeKind::Straight,
            objective: Objective::Action,
        },
        presets: of_potential,
    },
    /// Unbalanced action matching: the same with growth, s/δ², along travelling Diracs between cells of a Wasserstein–Fisher–Rao
    /// semi-coupling (Neklyudov et al., ICML 2023).
    UnbalancedActionMatching = Recipe {
        name: "unbalanced-action-matching",
        source: "Neklyudov et al., ICML 2023",
        learning: Learning::Matching {
            coupling: CouplingKind::Wfr,
            bridge: BridgeKind::TravellingDirac,
            objective: Objective::Action,
        },
        presets: of_potential,
    },
    /// Wasserstein Lagrangian flow of optimal transport: action matching on paths that are learned to be those of least action (Neklyudov et
    /// al., ICML 2024).
    Wlf = Recipe {
        name: "wlf",
        source: "Neklyudov et al., ICML 2024",
        learning: Learning::Matching {
            coupling: CouplingKind::ExactOt,
            bridge: BridgeKind::Straight,
            objective: Objective::Lagrangian,
        },
        presets: of_potential,
    },
    /// Wasserstein Lagrangian flow of unbalanced transport: the same with growth, s/δ², while the mass of the paths goes log-linearly from one
    /// snapshot's to the next's, where the paper's is one (Neklyudov et al., ICML 2024).
    UnbalancedWlf = Recipe {
        name: "unbalanced-wlf",
        source: "Neklyudov et al., ICML 2024",
        learning: Learning::Matching {
            coupling: CouplingKind::ExactOt,
            bridge: BridgeKind::StraightLogLinear,
            objective: Objective::Lagrangian,
        },
        presets: of_potential,
    },
    /// BranchSBM: paths as Metric FM's from the first snapshot to each part of the last, and how much of the population goes each way
    /// (Tang et al., ICLR 2026). Between these two, snapshots only tell where paths are to be near to. Its last stage, of ways and weights
    /// together, is an option.
    BranchSbm = Recipe {
        name: "branch-sbm",
        source: "Tang et al., ICLR 2026",
        learning: Learning::Branches,
        // Networks, pairs of a step, rate and weights as published, or as in the public code.
        presets: || {
            let training = TrainingOptions {
                epochs: 2000,
                batch_size: 128,
                hidden: vec![64; 3],
                growth_hidden: None,
                activation: Activation::Selu,
                growth_activation: Some(Activation::Tanh),
                learning_rate: 1e-3,
                final_learning_rate: None,
                ..TrainingOptions::default()
            };
            let rollout = RolloutOptions {
                scheme: Scheme::Euler,
                steps: 10,
                energy_weight: 1.0,
                mass_weight: 100.0,
                local_mass_weight: 1000.0,
                density_weight: 1.0,
                ..RolloutOptions::DEFAULT
            };
            (training, rollout)
        },
    },
    /// MIOFlow: rollout of a velocity (Huguet et al., NeurIPS 2022). Coordinates are taken as given: the paper first trains an autoencoder
    /// whose latent distances are those of diffusion along the data's manifold, rolls out in its latent space and decodes; here that is the
    /// caller's embedding. Its density loss and its local steps are options.
    MioFlow = Recipe {
        name: "mioflow",
        source: "Huguet et al., NeurIPS 2022",
        learning: Learning::Rollout(EquationsKind::MioFlow),
        presets: || (rolled_out(2000), RolloutOptions::DEFAULT),
    },
    /// TIGON: velocity and growth by the densities that they carry, against kernel densities of the snapshots (Sha et al., Nature Machine
    /// Intelligence 2024).
    Tigon = Recipe {
        name: "tigon",
        source: "Sha et al., Nat. Mach. Intell. 2024",
        learning: Learning::Rollout(EquationsKind::Tigon),
        presets: || {
            let training = TrainingOptions {
                batch_size: 100,
                hidden: vec![16; 4],
                growth_hidden: Some(vec![16; 3]),
                activation: Activation::Tanh,
                learning_rate: 3e-3,
                ..rolled_out(5000)
            };
            (training, RolloutOptions { energy_weight: 0.1, ..RolloutOptions::DEFAULT })
        },
    },
    /// TIGON's flow and price of growth, by particles that meet the snapshots in W2 and mass, as other rollouts meet them; not published.
    TigonW2 = Recipe {
        name: "tigon-w2",
        source: "after Sha et al., Nat. Mach. Intell. 2024",
        learning: Learning::Rollout(EquationsKind::TigonW2),
        presets: || (rolled_out(2000), RolloutOptions { local_mass_weight: 0.01, ..RolloutOptions::DEFAULT }),
    },
    /// DeepRUOT: rollout of velocity, growth and density (Zhang, Li, Zhou, ICLR 2025).
    DeepRuot = Recipe {
        name: "deep-ruot",
        source: "Zhang, Li, Zhou, ICLR 2025",
        learning: Learning::Rollout(EquationsKind::DeepRuot),
        presets: || (rolled_out(500), RolloutOptions { local_mass_weight: 0.01, ..RolloutOptions::DEFAULT }),
    },
    /// Var-RUOT: rollout of one potential (Sun et al., NeurIPS 2025).
    VarRuot = Recipe {
        name: "var-ruot",
        source: "Sun et al., NeurIPS 2025",
        learning: Learning::Rollout(EquationsKind::VarRuot),
        presets: || {
            let rollout = RolloutOptions {
                steps: 10,
                mass_weight: 5.0,
                energy_weight: 0.01,
                ..RolloutOptions::DEFAULT
            };
            (rolled_out(1500), rollout)
        },
    },
}

/// A regression on the bridges between coupled cells.
const fn regressed(coupling: CouplingKind, bridge: BridgeKind) -> Learning {
    Learning::Matching { coupling, bridge, objective: Objective::Regression }
}

/// The settings of potentials that are learned from bridges: they must be smooth, and are differentiated twice.
fn of_potential() -> (TrainingOptions, RolloutOptions) {
    let (training, rollout) = published();
    let training = TrainingOptions {
        epochs: 2000,
        batch_size: 128,
        hidden: vec![64; 3],
        growth_hidden: None,
        score_hidden: None,
        activation: Activation::Silu,
        learning_rate: 2e-3,
        clip: Some(1.0),
        ..training
    };
    (training, rollout)
}

/// The published settings of simulation-free methods.
fn published() -> (TrainingOptions, RolloutOptions) {
    (TrainingOptions::default(), RolloutOptions::DEFAULT)
}

/// The same, with pairs in proportion to the plan.
fn by_plan() -> (TrainingOptions, RolloutOptions) {
    let (training, rollout) = published();
    (TrainingOptions { pair_weighting: PairWeighting::Plan, ..training }, rollout)
}

/// The settings of simulation-based methods that were found to serve here, for so many steps of the main stage.
fn rolled_out(epochs: usize) -> TrainingOptions {
    TrainingOptions {
        epochs,
        batch_size: 1024,
        hidden: vec![64; 3],
        growth_hidden: None,
        score_hidden: None,
        activation: Activation::Silu,
        learning_rate: 5e-3,
        clip: Some(1.0),
        ..TrainingOptions::default()
    }
}

impl Method {
    /// The name, as the command line and the C interface spell it.
    pub fn as_str(self) -> &'static str {
        self.recipe().name
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|method| method.as_str() == name);
        found.ok_or_else(|| Error::argument("method", name, &format!("one of {}", Self::NAMES.join(" "))))
    }
}

impl From<Method> for Recipe {
    fn from(method: Method) -> Self {
        method.recipe()
    }
}
