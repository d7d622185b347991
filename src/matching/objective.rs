//! What is learned of the bridges between coupled cells.

use crate::named::named;

/// By which loss fields are learned from bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objective {
    /// The regression of velocity, growth and score on those of the bridges.
    Regression,
    /// The action of a potential, by the places on the bridges alone: action matching (Neklyudov et al., ICML 2023).
    Action,
    /// The same, on paths that are learned against it: Wasserstein Lagrangian flows (Neklyudov et al., ICML 2024).
    Lagrangian,
}

named!(Objective, "objective", Regression = "regression", Action = "action", Lagrangian = "lagrangian");

impl Objective {
    /// Whether what is learned is a potential, whose gradient is the velocity, and whose value the growth rate where there is growth.
    pub fn has_potential(self) -> bool {
        self != Objective::Regression
    }
}
