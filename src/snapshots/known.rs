//! What may be known of cells beside where they are and what they weigh.

use crate::error::{Error, Result};

/// One entry a cell, in the order of all cells, of what somebody told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    /// Expected growth rates, per unit of time.
    pub(super) growth_prior: Option<Vec<f64>>,
    /// Clones, of the cells of which one is known.
    pub(super) clones: Option<Vec<Option<u32>>>,
}

impl Known {
    /// What is known of the cells `chosen`, in that order.
    pub(super) fn of(&self, chosen: impl Iterator<Item = usize> + Clone) -> Self {
        fn select<T: Copy>(all: &Option<Vec<T>>, chosen: impl Iterator<Item = usize>) -> Option<Vec<T>> {
            all.as_ref().map(|all| chosen.map(|cell| all[cell]).collect())
        }
        Self {
            growth_prior: select(&self.growth_prior, chosen.clone()),
            clones: select(&self.clones, chosen),
        }
    }
}

/// Refuses rates that are no numbers.
pub(super) fn check_rates(rates: &[f64]) -> Result<()> {
    match rates.iter().position(|rate| !rate.is_finite()) {
        None => Ok(()),
        Some(cell) => Err(Error::InvalidData(format!(
            "the growth prior of cell {} is {}; it must be a finite rate, per unit of time",
            cell + 1,
            rates[cell]
        ))),
    }
}
