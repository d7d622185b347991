//! How the training options shape the network of a role.

use super::TrainingOptions;
use crate::error::Result;
use crate::fields::Role;
use crate::nn::{Architecture, Mlp};

/// Numbers the random stream of the initial parameters.
fn stream(role: Role) -> u64 {
    match role {
        Role::Velocity | Role::Potential => 0,
        Role::Growth | Role::Source => 1,
        Role::Score | Role::LogDensity => 2,
    }
}

impl TrainingOptions {
    /// The shape of a network in `dims` dimensions.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for widths that cannot be.
    pub(crate) fn architecture(&self, role: Role, dims: usize) -> Result<Architecture> {
        let (own, activation) = match role {
            Role::Velocity | Role::Potential => (None, None),
            Role::Growth | Role::Source => (self.growth_hidden.as_ref(), self.growth_activation),
            Role::Score | Role::LogDensity => (self.score_hidden.as_ref(), None),
        };
        let hidden = own.unwrap_or(&self.hidden).clone();
        let shape = Architecture {
            inputs: dims + 1,
            hidden,
            outputs: role.outputs(dims),
            activation: activation.unwrap_or(self.activation),
        };
        shape.validate()?;
        Ok(shape)
    }

    /// A network of that shape, with random parameters.
    ///
    /// # Errors
    /// As [`architecture`](Self::architecture).
    pub(crate) fn network(&self, role: Role, dims: usize, seed: u64) -> Result<Mlp> {
        Mlp::new(self.architecture(role, dims)?, seed, stream(role))
    }

    /// The same, silent to begin with: its last layer is zero, and so is its output everywhere. The layers before it are as
    /// random as ever, so that the last one learns at once, and all others from the next step on.
    ///
    /// # Errors
    /// As [`architecture`](Self::architecture).
    pub(crate) fn silent_network(&self, role: Role, dims: usize, seed: u64) -> Result<Mlp> {
        let mut network = self.network(role, dims, seed)?;
        if let Some(last) = network.architecture().layers().last() {
            let parameters = network.parameters_mut();
            parameters[last.weights()].fill(0.0);
            parameters[last.bias()].fill(0.0);
        }
        Ok(network)
    }
}
