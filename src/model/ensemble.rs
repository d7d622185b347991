//! Ensembles: how far their fields may be off.

use serde_json::{Value, json};

use super::Dynamics;
use crate::error::{Error, Result};
use crate::fields::{FieldValues, Network, Scratch, SpreadScratch};
use crate::statistics::Estimate;

/// How far the fields of an ensemble are off from the truth, of one field: root mean squares over the cells, in units of
/// the field's size in an interval between snapshots (a length, 1, or the noise σ√h, over the interval h).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldError {
    /// The standard deviation by the cells, [that over the members](Dynamics::deviation_over_members).
    pub sampling: f64,
    /// What the deviations over the members are multiplied by, from 0 to 1: fits to every second and to every fourth snapshot tell how
    /// much of what they move by does not grow with the interval, and other cells explain no more than that. A few members tell the size of their differences badly.
    pub shrinkage: f64,
    /// What other cells do not explain of the error. That is told by what the field moves by when every second snapshot is left out, and again every
    /// second of these, so that intervals are twice and four times as long, or when growth costs half as much against motion, of methods
    /// with a δ, whichever says more: what is wrong with the way between
    /// snapshots, to first order in the interval and in the inverse of the price. None where there are two snapshots only, and no δ.
    pub resolution: Option<f64>,
    /// Whether it was the price of growth that made it move most, of methods whose couplings have one, and it moved twice as much again at a quarter of
    /// the price, as what goes with 1/δ² does: then the direction is known as well, and [`field_bias`](Dynamics::field_bias) is not zero.
    pub biased: bool,
}

impl FieldError {
    /// The variance that the resolution adds to that by the cells.
    fn bias2(&self) -> f64 {
        self.resolution.unwrap_or(0.0).powi(2)
    }

    /// The root mean square error, of both.
    pub fn total(&self) -> f64 {
        ((self.shrinkage * self.sampling).powi(2) + self.bias2()).sqrt()
    }

    /// How much larger than [that over the members](Dynamics::deviation_over_members) the standard deviation of the error is, at a
    /// typical cell.
    pub fn inflation(&self) -> f64 {
        if self.sampling > 0.0 { self.total() / self.sampling } else { self.shrinkage }
    }
}

/// How far the fields of an ensemble are off: what is added to the deviations over its members, to make intervals that hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uncertainty {
    /// Of a coordinate of the velocity.
    pub velocity: FieldError,
    /// Of the growth rate.
    pub growth: FieldError,
    /// Of a coordinate of the score drift.
    pub score_drift: FieldError,
}

impl Uncertainty {
    /// As JSON: `sampling`, `shrinkage`, `resolution` (null where unknown) and `biased` of each field.
    pub fn to_json(&self) -> Value {
        let of = |error: FieldError| {
            let FieldError { sampling, shrinkage, resolution, biased } = error;
            json!({ "sampling": sampling, "shrinkage": shrinkage, "resolution": resolution, "biased": biased })
        };
        json!({
            "velocity": of(self.velocity),
            "growth": of(self.growth),
            "score_drift": of(self.score_drift),
        })
    }
}

impl Dynamics {
    /// The number of members of an ensemble, whose mean the fields are; 1 of a model that is none.
    pub fn members(&self) -> usize {
        if self.branches() > 0 { 1 } else { self.compiled.members.len() }
    }

    /// Puts a fit with these networks at half the price of growth beside the members, for [`field_bias`](Self::field_bias).
    ///
    /// # Errors
    /// [`Error::InvalidData`] for networks of other roles than the members have, and for potentials.
    pub(crate) fn put_beside(&mut self, cheaper: Vec<Network>) -> Result<()> {
        self.compiled = self.compiled.clone().beside(cheaper)?;
        Ok(())
    }

    /// One member of an ensemble, as a model of its own: the same but for the fields, which are that member's.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless the index is below [`members`](Self::members).
    pub fn member(&self, index: usize) -> Result<Self> {
        if index >= self.members() {
            let allowed = format!("below {}, the number of members", self.members());
            return Err(Error::argument("member", index, &allowed));
        }
        let info = super::ModelInfo { uncertainty: None, ..self.info.clone() };
        if self.branches() > 0 {
            return Ok(Self { info, compiled: self.compiled.clone(), couplings: None });
        }
        Ok(Self { info, compiled: self.compiled.member(index), couplings: None })
    }

    /// The standard deviation by the cells of what each of the members has given, one number each: what fits to other cells would
    /// differ by. That over the members, with one less than their number in the denominator, times their [stretch](super::ModelInfo::stretch).
    pub fn deviation_over_members(&self, of_members: &[f64]) -> f64 {
        self.info.stretch * Estimate::of(of_members).sd
    }

    /// The standard deviations of the errors of the requested fields, beside their [bias](Self::field_bias), at time `time` and the rows of `points` (row-major, n × d),
    /// in the fields' units: sd² = (shrinkage × sd [over the members](Self::deviation_over_members))² + (what the snapshots' distance in
    /// time adds)², see [`Uncertainty`]. The fields themselves are the means over the members.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that is not an ensemble.
    pub fn field_sd(
        &self,
        time: f64,
        points: &[f32],
        values: FieldValues<'_>,
        scratch: &mut SpreadScratch,
    ) -> Result<()> {
        self.require_ensemble()?;
        let mut parts = values.into_parts();
        let [velocity, growth, score_drift] = parts.each_mut().map(Option::as_deref_mut);
        let wanted = FieldValues { velocity, growth, score_drift };
        self.compiled.deviation(time, points, wanted, self.info.stretch, scratch);
        let Some(Uncertainty { velocity, growth, score_drift }) = self.info.uncertainty else {
            return Ok(());
        };
        let units = self.compiled.units(time);
        for ((part, error), unit) in parts.into_iter().zip([velocity, growth, score_drift]).zip(units) {
            let bias2 = error.bias2() * unit * unit;
            let total = |sd: &mut f32| {
                *sd = ((error.shrinkage * f64::from(*sd)).powi(2) + bias2).sqrt() as f32;
            };
            part.unwrap_or_default().iter_mut().for_each(total);
        }
        Ok(())
    }

    /// How much too large the requested fields are to first order in the inverse of the price of growth, δ², at time `time` and the rows of
    /// `points`, in the fields' units: what they are more than that in a fit at half the price. The truth is to be looked for around the
    /// field less its bias, within so many [`field_sd`](Self::field_sd) (Richardson, Phil. Trans. 1911, extrapolates so; Efron, JASA 1987,
    /// corrects intervals so). Zero of fields that are not [biased](FieldError::biased). The fields themselves are left as they are: velocity
    /// and growth of one price go together, and make up the snapshots.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that is not an ensemble.
    pub fn field_bias(
        &self,
        time: f64,
        points: &[f32],
        values: FieldValues<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.require_ensemble()?;
        let errors = self.info.uncertainty.map(|errors| [errors.velocity, errors.growth, errors.score_drift]);
        let biased = errors.map_or([false; 3], |errors| errors.map(|error| error.biased));
        let mut parts = values.into_parts();
        for (part, _) in parts.iter_mut().zip(biased).filter(|(_, biased)| !biased) {
            part.take().into_iter().for_each(|part| part.fill(0.0));
        }
        let [velocity, growth, score_drift] = parts;
        self.compiled.bias(time, points, FieldValues { velocity, growth, score_drift }, scratch);
        Ok(())
    }

    /// Refuses a model without members to differ.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn require_ensemble(&self) -> Result<()> {
        let allowed = "2 or more for error bars: fit with the option ensemble";
        if self.members() > 1 {
            Ok(())
        } else {
            Err(Error::argument("the number of members of the model", self.members(), allowed))
        }
    }
}
