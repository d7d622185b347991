//! Simulation-based training: particles start at the first snapshot, are rolled forward by a differentiable solver, and what
//! they miss of the later snapshots, with what their paths cost, is differentiated through the solver's steps.
//!
//! | model | learns | is trained on |
//! | --- | --- | --- |
//! | MIOFlow (Huguet et al., NeurIPS 2022) | v | reconstruction, energy |
//! | TIGON (Sha et al., Nature Machine Intelligence 2024) | v, g | densities, Wasserstein–Fisher–Rao action |
//! | its flow (`tigon-w2`) | v, g | reconstruction, mass, Wasserstein–Fisher–Rao action |
//! | DeepRUOT (Zhang, Li, Zhou, ICLR 2025) | v, g, ln p | the same, the energy of regularised unbalanced transport, the Fokker–Planck equation |
//! | BranchSBM (Tang et al., ICLR 2026), after its regressions | g, u of each branch | masses, energy: see `branches` |
//! | Var-RUOT (Sun et al., NeurIPS 2025) | one potential λ | the same, the Hamilton–Jacobi–Bellman equation |
//!
//! [Fine-tuning](RolloutOptions::finetune_steps) gives the networks of a simulation-free method the first two terms of it.
//!
//! The loss of all but TIGON, in the networks' units of space (the root mean square deviation of a coordinate) and time (the interval between
//! snapshots), with squared lengths as means over the d coordinates, is
//!
//! ```text
//! 1/K Σ_k [ W2²(ŵ(t_k), snapshot k) + density_weight ⟨max(0, distance to the nearest cells − hinge)⟩ + mass_weight (Σw/M_k − 1)² + local_mass_weight n Σ_i (w_i − mass nearest to i)² ]
//!   + energy_weight 1/K ∫ Σ w e dt + residual_weight ⟨Σ ŵ r²⟩_t + initial_density_weight ⟨(ln p_θ − ln p_0)²⟩
//! ```
//!
//! with each model's energy rate e and residual r. Where intervals differ, energy and residual are each in the interval's own
//! unit of time, in which the equations are the same: between snapshots that are met, the path of least energy does not
//! depend on the unit, and so a short interval gives up no more of its reconstruction for its energy than a long one.

mod branches;
mod density_fit;
mod equations;
mod fit;
mod kernel;
mod mixture;
mod options;
mod path;
#[cfg(test)]
mod probe;
mod report;
mod score;
mod snapshot;
mod solver;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use branches::{Way, weigh};
pub use equations::{EquationsFacts, EquationsKind};
pub(crate) use fit::{finetune, train};
pub use options::{EXACT_DIMS, RolloutOptions};

pub use crate::fields::GrowthPrice;
pub use report::{RolloutReport, Term};
pub use solver::Scheme;
