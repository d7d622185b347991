//! Measures of quality: how close simulated snapshots are to observed ones.

pub mod wasserstein;
