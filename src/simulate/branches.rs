//! A population that goes several ways: every founder has a particle in each branch.

use super::{Particles, Residence};
use crate::error::{Error, Result};
use crate::fields::Fields;

/// Refuses a start at another time than the first that the branches were learned from, and times before it: how much of a cell's weight
/// goes which way is known from there on.
pub(super) fn check(fields: &dyn Fields, start: &Particles, times: &[f64]) -> Result<()> {
    let Some([first, last]) = fields.learned_times() else { return Ok(()) };
    // As times that a caller computed agree with those of the data.
    if (start.time - first).abs() > 1e-9 * (last - first) {
        let allowed = format!(
            "{first}, the first that the branches were learned from: later, nothing tells how much of a cell goes which way"
        );
        return Err(Error::argument("the time of the start", start.time, &allowed));
    }
    match times.iter().find(|&&time| time < start.time) {
        Some(time) => {
            let allowed = format!("from {first} on for a model of branches");
            Err(Error::argument("output times", time, &allowed))
        }
        None => Ok(()),
    }
}

/// One population of those of all branches, founder by founder.
pub(super) fn together(branches: Vec<(Vec<Particles>, Residence)>) -> (Vec<Particles>, Residence) {
    let count = branches.len();
    let (frames, residences): (Vec<Vec<Particles>>, Vec<Residence>) = branches.into_iter().unzip();
    let residence = residences.into_iter().reduce(Residence::merge).expect("there is a branch");
    let frame = |k: usize| {
        let of_branches: Vec<&Particles> = frames.iter().map(|frames| &frames[k]).collect();
        let founders = of_branches[0].len();
        let rows = || (0..founders).flat_map(|row| (0..count).map(move |branch| (branch, row)));
        Particles {
            time: of_branches[0].time,
            dims: of_branches[0].dims,
            points: rows().flat_map(|(branch, row)| of_branches[branch].point(row)).copied().collect(),
            log_weights: rows().map(|(branch, row)| of_branches[branch].log_weights[row]).collect(),
            ids: rows()
                .map(|(branch, row)| of_branches[branch].ids[row] * count as u64 + branch as u64)
                .collect(),
            // Those of the first frame come from a founder.
            ancestors: rows().map(|(branch, row)| if k == 0 { row } else { row * count + branch }).collect(),
        }
    };
    ((0..frames[0].len()).map(frame).collect(), residence)
}
