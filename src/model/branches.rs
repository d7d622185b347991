//! Branches: a population that goes several ways.

use super::{Dynamics, ModelInfo};
use crate::error::{Error, Result};

impl Dynamics {
    /// The number of branches of a population that goes several ways (BranchSBM: Tang et al., ICLR 2026), each with a velocity of its own:
    /// every founder has a particle in each of them. 0 of a model that has none.
    pub fn branches(&self) -> usize {
        self.compiled.branches.len()
    }

    /// One branch, as a model of its own of which all fields can be asked: cells move by its velocity and keep their mass. How much of the
    /// population goes that way, a simulation of the whole model tells. Branches are counted from 0, the one that ends with the most mass,
    /// in which all of it begins.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless the index is below [`branches`](Self::branches).
    pub fn branch(&self, index: usize) -> Result<Self> {
        if index >= self.branches() {
            let allowed = match self.branches() {
                0 => "left out: the model has no branches".into(),
                count => format!("below {count}, the number of branches"),
            };
            return Err(Error::argument("branch", index, &allowed));
        }
        let info = ModelInfo { masses: None, ..self.info.clone() };
        Ok(Self { info, compiled: self.compiled.velocity_of_branch(index), couplings: None })
    }
}
