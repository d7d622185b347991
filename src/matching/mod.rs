//! Simulation-free training: regress networks on the fields of conditional bridges between coupled cells.

mod batch;
mod train;

pub(crate) use train::{Interval, train};
pub use train::{IntervalWeighting, TrainingOptions};
