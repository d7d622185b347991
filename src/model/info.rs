//! What a model was made with.

use std::collections::BTreeMap;

use super::{Dynamics, Uncertainty};
use crate::error::{Error, Result, positive};
use crate::fields::{Diffusion, Fields, GrowthPrice};

/// What a model was made with; kept in its file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// The method's published name, or `custom`.
    pub method: String,
    /// The diffusion σ, 0 for a method without noise; of a diffusion that changes with time, at the first snapshot.
    pub sigma: f64,
    /// σ at the last snapshot, where it changes with time: see [`diffusion`](Self::diffusion).
    pub final_sigma: Option<f64>,
    /// The Wasserstein–Fisher–Rao length δ (of a method with a penalty ρ instead, √(ρ/2)), where there is growth.
    pub delta: Option<f64>,
    /// What growth costs in the problem that it solves.
    pub growth_price: GrowthPrice,
    /// The times of the snapshots that it was fitted to.
    pub times: Vec<f64>,
    /// The seed.
    pub seed: u64,
    /// The training steps done.
    pub epochs: usize,
    /// What the coordinates are called, where somebody said: one name a dimension. See [`Dynamics::set_coordinates`].
    pub coordinates: Option<Vec<String>>,
    /// The masses of the snapshots that it was fitted to, where somebody said: one a time. See [`Dynamics::set_masses`].
    pub masses: Option<Vec<f64>>,
    /// What deviations over the members of an ensemble are multiplied by to be those of fits to other cells: the members' cells differ
    /// by less than other cells would. A member has that of its ensemble, other models have 1. See [`Dynamics::deviation_over_members`].
    pub stretch: f64,
    /// How far the fields of an ensemble are off.
    pub uncertainty: Option<Uncertainty>,
    /// Whatever a caller wants to find again beside the model, by name: where in its own data the coordinates were, for
    /// instance. The library does not look at it. See [`Dynamics::set_attribute`].
    pub attributes: BTreeMap<String, String>,
}

impl ModelInfo {
    /// That of fields that were not learned, without noise, for tests.
    #[cfg(test)]
    pub(crate) fn custom(times: Vec<f64>) -> Self {
        Self {
            method: "custom".into(),
            sigma: 0.0,
            final_sigma: None,
            delta: None,
            growth_price: GrowthPrice::Quadratic,
            times,
            seed: 0,
            epochs: 0,
            coordinates: None,
            masses: None,
            stretch: 1.0,
            uncertainty: None,
            attributes: BTreeMap::new(),
        }
    }

    /// The diffusion: geometric from `sigma` to `final_sigma` between the first and the last snapshot, where there are both.
    pub fn diffusion(&self) -> Diffusion {
        match (self.final_sigma, &self.times[..]) {
            (Some(last), &[from, .., to]) => Diffusion::Geometric { first: self.sigma, last, from, to },
            _ => Diffusion::Constant(self.sigma),
        }
    }

    /// Refuses what does not go together, for a model in `dims` dimensions.
    pub(crate) fn check(&self, dims: usize) -> Result<()> {
        if let Some(last) = self.final_sigma
            && !(last > 0.0 && last.is_finite() && self.sigma > 0.0)
        {
            return Err(Error::InvalidData(format!(
                "the diffusion goes from {} to {last}; both must be positive and finite",
                self.sigma
            )));
        }
        positive("stretch", self.stretch)?;
        if let Some(names) = self.coordinates.as_ref().filter(|names| names.len() != dims) {
            let (count, allowed) = (names.len(), format!("{dims} names, one a dimension"));
            return Err(Error::argument("coordinates", format!("{count} names"), &allowed));
        }
        if let Some(masses) = &self.masses {
            if masses.len() != self.times.len() {
                let (count, allowed) = (masses.len(), format!("{} numbers, one a time", self.times.len()));
                return Err(Error::argument("masses", format!("{count} numbers"), &allowed));
            }
            masses.iter().try_for_each(|&mass| positive("mass", mass).map(drop))?;
        }
        if self.attributes.contains_key("") {
            return Err(Error::argument("the name of an attribute", "an empty text", "a text"));
        }
        Ok(())
    }
}

/// What a caller may have a model remember: kept in its file, and without any effect on its fields.
impl Dynamics {
    /// Remembers what the coordinates are called.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one name a dimension.
    pub fn set_coordinates(&mut self, names: Vec<String>) -> Result<()> {
        self.remember(|info| info.coordinates = Some(names))
    }

    /// Remembers the masses of the snapshots that the model was fitted to.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one positive finite mass a time.
    pub fn set_masses(&mut self, masses: Vec<f64>) -> Result<()> {
        self.remember(|info| info.masses = Some(masses))
    }

    /// Remembers a text by a name of the caller's; an empty text takes it away.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty name.
    pub fn set_attribute(&mut self, name: &str, text: &str) -> Result<()> {
        self.remember(|info| {
            if text.is_empty() && !name.is_empty() {
                info.attributes.remove(name);
            } else {
                info.attributes.insert(name.into(), text.into());
            }
        })
    }

    fn remember(&mut self, what: impl FnOnce(&mut ModelInfo)) -> Result<()> {
        let mut info = self.info.clone();
        what(&mut info);
        info.check(self.dims())?;
        self.info = info;
        Ok(())
    }
}
