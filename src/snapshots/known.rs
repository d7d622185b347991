//! What may be known of cells beside where they are and what they weigh.

use std::borrow::Cow;

use super::Snapshots;
use super::checks::check_len;
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

impl Snapshots {
    /// Gives every cell a growth rate that is expected of it, per unit of time, in the order in which
    /// [`all_cells`](Self::all_cells) gives the cells: of births less deaths that are known from elsewhere, as from scores of gene
    /// sets. Couplings that relax the source's marginal take it into account: see
    /// [`expected_weights`](Self::expected_weights).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one a cell; [`Error::InvalidData`] for one that is not finite.
    pub fn with_growth_prior(mut self, rates: &[f64]) -> Result<Self> {
        check_len("growth prior", rates.len(), self.cells())?;
        check_rates(rates)?;
        self.known.growth_prior = Some(rates.to_vec());
        Ok(self)
    }

    /// Gives every cell the clone that it belongs to, where one is known, as from lineage barcodes, in the order in which
    /// [`all_cells`](Self::all_cells) gives the cells. Cells of one clone have one number at all times. Couplings do not join
    /// cells of known, different clones, or at a price:
    /// [`FitOptions::clone_penalty`](crate::method::FitOptions::clone_penalty).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one entry a cell, each number below 2³² − 1.
    pub fn with_clones(mut self, clones: &[Option<u32>]) -> Result<Self> {
        check_len("clones", clones.len(), self.cells())?;
        if clones.contains(&Some(u32::MAX)) {
            return Err(Error::argument("a clone's number", u32::MAX, "below 2^32 - 1"));
        }
        self.known.clones = Some(clones.to_vec());
        Ok(self)
    }

    /// The growth rates that are expected of the cells of snapshot `k`, per unit of time, if any are.
    pub fn growth_prior(&self, k: usize) -> Option<&[f64]> {
        self.known.growth_prior.as_ref().map(|rates| &rates[self.offsets[k]..self.offsets[k + 1]])
    }

    /// The clones of the cells of snapshot `k`, each where it is known, if any are.
    pub fn clones(&self, k: usize) -> Option<&[Option<u32>]> {
        self.known.clones.as_ref().map(|clones| &clones[self.offsets[k]..self.offsets[k + 1]])
    }

    /// What the cells of snapshot `k` are expected to weigh after a `duration`: a e^{ĝ h}, with a the weight, ĝ the growth prior and h
    /// the duration; the weights themselves without a prior.
    pub fn expected_weights(&self, k: usize, duration: f64) -> Cow<'_, [f64]> {
        let weights = self.weights(k);
        let Some(rates) = self.growth_prior(k) else { return Cow::Borrowed(weights) };
        Cow::Owned(
            weights.iter().zip(rates).map(|(weight, rate)| weight * libm::exp(rate * duration)).collect(),
        )
    }
}

/// Refuses rates that are no numbers.
fn check_rates(rates: &[f64]) -> Result<()> {
    match rates.iter().position(|rate| !rate.is_finite()) {
        None => Ok(()),
        Some(cell) => Err(Error::InvalidData(format!(
            "the growth prior of cell {} is {}; it must be a finite rate, per unit of time",
            cell + 1,
            rates[cell]
        ))),
    }
}
