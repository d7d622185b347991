//! How far fates depend on the cells, by the members of an ensemble.

use super::{Estimates, FateOptions, Fates, Labels, fates};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::model::Dynamics;
use crate::snapshots::Snapshots;

/// [`fates`] by a model; of an ensemble, by its mean fields, and their standard deviations [by the cells](Dynamics::deviation_over_members): over those
/// by each of its members, with the same seed.
///
/// # Errors
/// As [`fates`].
pub fn fates_of_model(
    model: &Dynamics,
    snapshots: &Snapshots,
    labels: &Labels,
    options: &FateOptions,
    stop: &Stop,
) -> Result<Fates> {
    let mut found = fates(model, snapshots, labels, options, stop)?;
    if model.members() < 2 || !options.error_bars {
        return Ok(found);
    }
    let of_member = |member: usize| fates(&model.member(member)?, snapshots, labels, options, stop);
    let members = (0..model.members()).map(of_member).collect::<Result<Vec<_>>>()?;
    let deviations = |of: &dyn Fn(&Fates) -> &Estimates| {
        let at = |i: usize| {
            let values: Vec<f64> = members.iter().map(|fates| of(fates).mean[i]).collect();
            model.deviation_over_members(&values)
        };
        Some((0..of(&members[0]).mean.len()).map(at).collect())
    };
    found.probability.sd = deviations(&|fates| &fates.probability);
    found.number.sd = deviations(&|fates| &fates.number);
    found.none.sd = deviations(&|fates| &fates.none);
    for k in 0..found.transitions.len() {
        found.transitions[k].mass.sd = deviations(&|fates| &fates.transitions[k].mass);
    }
    Ok(found)
}
