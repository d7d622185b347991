//! Simulation-free training: regress networks on the fields of conditional bridges between coupled cells.

mod batch;
mod train;

pub use train::{IntervalWeighting, TrainingOptions};
pub(crate) use train::{Interval, Trained, train};
