//! The particles' own masses.

use super::{Comparison, Derivative, SnapshotTerm};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::transport::cost::CostRows;
use crate::transport::pricing::cheapest;
use crate::transport::{Cost, Problem};

/// n Σ_i (w_i − M Σ_{j→i} b_j)²: each cell gives its share of the mass to the nearest particle, which should weigh as much
/// (Zhang, Li, Zhou, ICLR 2025); the assignment is not differentiated.
pub(super) struct LocalMass;

impl SnapshotTerm for LocalMass {
    fn name(&self) -> &'static str {
        "local_mass"
    }

    fn evaluate(&self, comparison: &Comparison<'_>, weight: f64, derivative: &mut Derivative) -> Result<f64> {
        let n = comparison.mass.len() as f64;
        let mut value = 0.0;
        let wanted = nearest_mass(comparison)?;
        for ((slope, mass), wanted) in derivative.log_weight.iter_mut().zip(&comparison.mass).zip(wanted) {
            let error = mass - wanted;
            value += n * error * error;
            *slope += weight * n * 2.0 * error * mass;
        }
        Ok(value)
    }
}

/// The mass of the cells that are nearest to each particle.
fn nearest_mass(comparison: &Comparison<'_>) -> Result<Vec<f64>> {
    let Comparison { source: particles, target, .. } = comparison;
    let costs = CostRows::new(&Problem {
        source: &target.cloud,
        target: particles,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: f64::INFINITY,
        target_penalty: f64::INFINITY,
    });
    let mut wanted = vec![0.0; particles.len()];
    for nearest in cheapest(&costs, target.cloud.len(), &vec![0.0; particles.len()], 1, &Stop::default())? {
        wanted[nearest.column as usize] += target.cloud.weights()[nearest.row as usize] * target.mass;
    }
    Ok(wanted)
}
