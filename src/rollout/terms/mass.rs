//! The population's size.

use super::{Comparison, Derivative, SnapshotTerm};
use crate::error::Result;

/// (Σw/M − 1)², M the snapshot's mass over that of the first.
pub(super) struct Mass;

impl SnapshotTerm for Mass {
    fn name(&self) -> &'static str {
        "mass"
    }

    fn evaluate(&self, comparison: &Comparison<'_>, weight: f64, derivative: &mut Derivative) -> Result<f64> {
        let Comparison { mass, total, target, .. } = comparison;
        let excess = total / target.mass - 1.0;
        for (slope, mass) in derivative.log_weight.iter_mut().zip(mass) {
            *slope += weight * 2.0 * excess * mass / target.mass;
        }
        Ok(excess * excess)
    }
}
