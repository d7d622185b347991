//! What a descent is at, as bytes: another process goes on from there to the same bits.

use serde_json::json;

use super::descent::Kept;
use crate::error::{Error, Result};
use crate::exec::arrays::{Arrays, Read};
use crate::nn::{Adam, Mlp, MovingAverage};

/// A descent between two steps, or at its end.
pub(super) struct Memory {
    pub(super) losses: Vec<f64>,
    pub(super) optimisers: Vec<Adam>,
    pub(super) kept: Kept,
    /// What the loss has noted, step after step.
    pub(super) notes: Vec<f64>,
    /// Whether it has ended: the networks have the parameters that are to be kept.
    pub(super) ended: bool,
}

impl Memory {
    pub(super) fn to_bytes(&self, networks: &[Mlp]) -> Vec<u8> {
        let Self { losses, optimisers, kept, notes, ended } = self;
        let mut arrays = Arrays::default();
        arrays.reals("losses", losses.iter().copied());
        arrays.reals("notes", notes.iter().copied());
        for (k, (network, adam)) in networks.iter().zip(optimisers).enumerate() {
            let (_, first, second) = adam.moments();
            arrays.singles(format!("parameters {k}"), network.parameters().iter().copied());
            arrays.singles(format!("first {k}"), first.iter().copied());
            arrays.singles(format!("second {k}"), second.iter().copied());
        }
        let steps: Vec<u64> = optimisers.iter().map(|adam| adam.moments().0).collect();
        let mut updates = vec![];
        match kept {
            Kept::Average(averages) => {
                for (k, average) in averages.iter().enumerate() {
                    updates.push(average.updates());
                    arrays.singles(format!("kept {k}"), average.parameters().iter().copied());
                }
            }
            Kept::Best { smoothed, least, parameters, .. } => {
                arrays.reals("judged", [*least].into_iter().chain(*smoothed));
                for (k, parameters) in parameters.iter().enumerate() {
                    arrays.singles(format!("kept {k}"), parameters.iter().copied());
                }
            }
        }
        arrays.to_bytes(&json!({ "steps": steps, "updates": updates, "ended": ended }))
    }

    /// Takes up what [`to_bytes`](Self::to_bytes) wrote of the same descent of these networks; `self` is its beginning.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for a state of other networks.
    pub(super) fn take_up(&mut self, bytes: &[u8], networks: &mut [Mlp]) -> Result<()> {
        let other = || Error::InvalidData("the checkpoint is of another training".into());
        let read = Read::new(bytes)?;
        let number = |name: &str, k: usize| read.beside[name][k].as_u64().ok_or_else(other);
        let singles = |name: &str, k: usize, count: usize| {
            let values = read.singles(&format!("{name} {k}"))?;
            if values.len() == count { Ok(values) } else { Err(other()) }
        };
        self.losses = read.reals("losses")?;
        self.notes = read.reals("notes")?;
        self.ended = read.beside["ended"].as_bool().ok_or_else(other)?;
        for (k, (network, adam)) in networks.iter_mut().zip(&mut self.optimisers).enumerate() {
            let count = network.parameters().len();
            network.parameters_mut().copy_from_slice(&singles("parameters", k, count)?);
            let moments = (singles("first", k, count)?, singles("second", k, count)?);
            *adam = Adam::with_moments(number("steps", k)?, moments.0, moments.1);
        }
        match &mut self.kept {
            Kept::Average(averages) => {
                for (k, average) in averages.iter_mut().enumerate() {
                    let parameters = singles("kept", k, average.parameters().len())?;
                    *average =
                        MovingAverage::with_updates(number("updates", k)?, parameters, average.decay());
                }
            }
            Kept::Best { smoothed, least, parameters, .. } => {
                let judged = read.reals("judged")?;
                *least = *judged.first().ok_or_else(other)?;
                *smoothed = judged.get(1).copied();
                for (k, kept) in parameters.iter_mut().enumerate() {
                    *kept = singles("kept", k, kept.len())?;
                }
            }
        }
        Ok(())
    }
}
