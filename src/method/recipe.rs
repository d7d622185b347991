//! What methods are made of, and what their parts make of it: the fields that are learned, the options that apply.

use super::CouplingKind;
use crate::bridge::BridgeKind;
use crate::matching::Objective;
use crate::rollout::{EquationsKind, RolloutOptions};
use crate::train::TrainingOptions;

/// A method as what it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// The published name, or `custom`.
    pub name: &'static str,
    /// Authors, venue and year; empty for a free combination without a name.
    pub source: &'static str,
    /// How it learns.
    pub learning: Learning,
    /// The settings of networks and optimiser, and of the rollout, that it comes with.
    pub(super) presets: fn() -> (TrainingOptions, RolloutOptions),
}

impl PartialEq for Recipe {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.learning) == (other.name, other.learning)
    }
}

/// How a method learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learning {
    /// From bridges between coupled cells, without simulation.
    Matching {
        /// Which cells belong together.
        coupling: CouplingKind,
        /// How they get from one to the other.
        bridge: BridgeKind,
        /// What is learned of that.
        objective: Objective,
    },
    /// By differentiating through rolled-out particles.
    Rollout(EquationsKind),
    /// From learned paths between optimally coupled cells of the first snapshot and of each part of the last, and then how much of the
    /// population goes each way: BranchSBM (Tang et al., ICLR 2026).
    Branches,
}

/// The options that every method takes.
const EVERY: &[&str] = &[
    "preset",
    "method",
    "coupling",
    "bridge",
    "epochs",
    "batch_size",
    "seed",
    "ensemble",
    "hidden",
    "activation",
    "learning_rate",
    "final_learning_rate",
    "clip",
    "guard",
    "threads",
];

/// The options that every method takes that couples cells.
const EVERY_MATCHING: &[&str] =
    &["clone_penalty", "chunk_size", "keep_couplings", "ema", "interval_weighting"];

/// The options that every regression takes.
const EVERY_REGRESSION: &[&str] = &["pair_weighting", "finetune_steps"];

/// The options of a fine-tuning: every method that couples cells takes them where it is fine-tuned.
const FINE_TUNING: &[&str] =
    &["finetune_learning_rate", "finetune_batch_size", "scheme", "rollout_steps", "plan_epsilon"];

/// The options of branches, beside those of their learned paths.
const OF_BRANCHES: &[&str] = &[
    "branches",
    "metric_energy",
    "chunk_size",
    "ema",
    "growth_hidden",
    "growth_activation",
    "growth_epochs",
    "joint_epochs",
    "scheme",
    "rollout_steps",
    "energy_weight",
    "mass_weight",
    "local_mass_weight",
    "density_weight",
    "density_hinge",
];

impl Recipe {
    /// A free combination.
    pub fn custom(coupling: CouplingKind, bridge: BridgeKind) -> Self {
        let presets = || (TrainingOptions::default(), RolloutOptions::DEFAULT);
        let learning = Learning::Matching { coupling, bridge, objective: Objective::Regression };
        Self { name: "custom", source: "", learning, presets }
    }

    /// The coupling of a simulation-free method.
    pub fn coupling(&self) -> Option<CouplingKind> {
        match self.learning {
            Learning::Matching { coupling, .. } => Some(coupling),
            Learning::Rollout(_) | Learning::Branches => None,
        }
    }

    /// The bridge of a simulation-free method.
    pub fn bridge(&self) -> Option<BridgeKind> {
        match self.learning {
            Learning::Matching { bridge, .. } => Some(bridge),
            Learning::Rollout(_) | Learning::Branches => None,
        }
    }

    /// How it learns, in words.
    pub fn parts(&self) -> String {
        match self.learning {
            Learning::Matching { coupling, bridge, objective: Objective::Regression } => {
                format!("coupling {coupling}, bridge {bridge}")
            }
            Learning::Matching { coupling, bridge, objective } => {
                format!("coupling {coupling}, bridge {bridge}, {objective} of a potential")
            }
            Learning::Rollout(_) => "rolled-out particles".into(),
            Learning::Branches => "branches from the first snapshot to parts of the last".into(),
        }
    }

    /// The fields that it learns: `velocity`, `growth`, `score`, `landscape`.
    pub fn fields(&self) -> Vec<&'static str> {
        let (growth, score, landscape) = match self.learning {
            Learning::Matching { bridge, objective, .. } => {
                (bridge.facts().grows, bridge.facts().noise.is_some(), objective.has_potential())
            }
            Learning::Rollout(kind) => (kind.facts().grows, kind.facts().scores, kind.facts().has_landscape),
            // What each branch adds to weights is no growth rate.
            Learning::Branches => (false, false, false),
        };
        let all = [("velocity", true), ("growth", growth), ("score", score), ("landscape", landscape)];
        all.into_iter().filter(|(_, learned)| *learned).map(|(name, _)| name).collect()
    }

    /// Whether an option of a fit means something to this method. What it does not take is refused by name.
    pub fn takes(&self, option: &str) -> bool {
        if option == "sigma_rule" {
            return self.takes("sigma");
        }
        if option == "delta_rule" {
            return self.takes("delta");
        }
        if option == "branching_rate" {
            // It ties the two: δ² = σ²/λ.
            return self.takes("sigma") && self.takes("delta");
        }
        if option == "ensemble" {
            return self.learning != Learning::Branches;
        }
        EVERY.contains(&option)
            || match self.learning {
                Learning::Matching { coupling, bridge, objective } => {
                    let of_objective = match objective {
                        Objective::Regression => {
                            EVERY_REGRESSION.contains(&option)
                                || FINE_TUNING.contains(&option)
                                || ["growth_hidden", "growth_activation", "mass_weight"].contains(&option)
                                    && bridge.facts().grows
                                || ["score_hidden", "score_epochs"].contains(&option)
                                    && bridge.facts().noise.is_some()
                        }
                        Objective::Action | Objective::Lagrangian => {
                            option == "delta" && bridge.facts().grows
                        }
                    };
                    EVERY_MATCHING.contains(&option)
                        || coupling.facts().options.contains(&option)
                        || bridge.facts().options.contains(&option)
                        || of_objective
                }
                Learning::Rollout(kind) => kind.facts().options.contains(&option),
                Learning::Branches => {
                    OF_BRANCHES.contains(&option) || BridgeKind::Geodesic.facts().options.contains(&option)
                }
            }
    }

    /// The share of the data's spread that the automatic σ diffuses in a mean interval; none without noise.
    pub fn default_noise(&self) -> Option<f64> {
        match self.learning {
            Learning::Matching { coupling, bridge, .. } => bridge.facts().noise.or(coupling.facts().noise),
            Learning::Rollout(kind) => kind.facts().noise,
            Learning::Branches => None,
        }
    }

    /// The same, for a recipe of which only the price of growth needs a σ as well.
    pub(crate) fn noise_share(&self) -> f64 {
        self.default_noise().unwrap_or(0.1)
    }

    /// Whether it has a δ of its own, beside what a penalty may be derived from.
    pub(crate) fn needs_delta(&self) -> bool {
        match self.learning {
            Learning::Matching { coupling, bridge, objective } => {
                coupling.facts().options.contains(&"delta") && !self.needs_penalty()
                    || bridge.facts().options.contains(&"delta")
                    || objective.has_potential() && bridge.facts().grows
            }
            Learning::Rollout(_) => self.takes("delta"),
            Learning::Branches => false,
        }
    }

    /// Whether its velocity and growth are regressions on a coupling in which growth has a price: what a finite price gets wrong of them
    /// is then proportional to its inverse, to first order.
    pub(super) fn couples_at_a_price(&self) -> bool {
        let regresses =
            matches!(self.learning, Learning::Matching { objective, .. } if !objective.has_potential());
        regresses && self.needs_delta()
    }

    /// Whether an option means something to it only where it is fine-tuned.
    pub(crate) fn takes_when_finetuned(&self, option: &str) -> bool {
        let is_of_finetuning =
            FINE_TUNING.contains(&option) || ["mass_weight", "score_epochs"].contains(&option);
        is_of_finetuning && matches!(self.learning, Learning::Matching { .. }) && self.takes(option)
    }

    /// Whether it has a penalty ρ.
    pub(super) fn needs_penalty(&self) -> bool {
        self.takes("penalty")
    }
}
