//! Which networks there are, and how the training options shape each.

use super::TrainingOptions;
use crate::error::Result;
use crate::nn::{Architecture, Mlp};

/// What a network stands for. All take (t, x).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// v: d outputs.
    Velocity,
    /// λ, whose gradient moves the population and whose value makes it grow: one output.
    Potential,
    /// g: one output.
    Growth,
    /// s: d outputs.
    Score,
    /// ln p: one output.
    LogDensity,
}

impl Role {
    fn outputs(self, dims: usize) -> usize {
        match self {
            Role::Velocity | Role::Score => dims,
            Role::Potential | Role::Growth | Role::LogDensity => 1,
        }
    }

    /// Numbers the random stream of the initial parameters.
    fn stream(self) -> u64 {
        match self {
            Role::Velocity | Role::Potential => 0,
            Role::Growth => 1,
            Role::Score | Role::LogDensity => 2,
        }
    }
}

impl TrainingOptions {
    /// The shape of a network in `dims` dimensions.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for widths that cannot be.
    pub(crate) fn architecture(&self, role: Role, dims: usize) -> Result<Architecture> {
        let own = match role {
            Role::Velocity | Role::Potential => None,
            Role::Growth => self.growth_hidden.as_ref(),
            Role::Score | Role::LogDensity => self.score_hidden.as_ref(),
        };
        let hidden = own.unwrap_or(&self.hidden).clone();
        let shape =
            Architecture { inputs: dims + 1, hidden, outputs: role.outputs(dims), activation: self.activation };
        shape.validate()?;
        Ok(shape)
    }

    /// A network of that shape, with random parameters.
    ///
    /// # Errors
    /// As [`architecture`](Self::architecture).
    pub(crate) fn network(&self, role: Role, dims: usize, seed: u64) -> Result<Mlp> {
        Mlp::new(self.architecture(role, dims)?, seed, role.stream())
    }
}
