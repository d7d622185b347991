//! The one optimiser of the crate: it takes networks down a loss by Adam, whatever the loss is.
//!
//! What differs between methods is the loss, which `matching` and `rollout` give; how networks are shaped and how they
//! are trained is told by [`TrainingOptions`].

mod descent;
mod memory;
mod network;
mod options;

pub(crate) use descent::{Descended, Descent, Keep, Loss};
pub use options::{IntervalWeighting, PairWeighting, TrainingOptions};
