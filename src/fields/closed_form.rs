//! Fields given as functions.

use super::{FieldValues, Fields, Scratch};

/// The pointwise form of a vector field: (time, point, where to put the value).
pub type VectorField = Box<dyn Fn(f64, &[f32], &mut [f32]) + Sync + Send>;
/// The pointwise form of a scalar field: (time, point) → value.
pub type ScalarField = Box<dyn Fn(f64, &[f32]) -> f32 + Sync + Send>;

/// Fields given as functions of (time, point): ground truths, and models that are not networks.
pub struct ClosedForm {
    /// The dimension d of the space.
    pub dims: usize,
    /// The diffusion σ ≥ 0, the same at all times.
    pub sigma: f64,
    /// v.
    pub velocity: VectorField,
    /// g.
    pub growth: ScalarField,
    /// s = (σ²/2) ∇ log p.
    pub score_drift: VectorField,
}

impl Fields for ClosedForm {
    fn dims(&self) -> usize {
        self.dims
    }

    fn sigma(&self, _time: f64) -> f64 {
        self.sigma
    }

    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, _scratch: &mut Scratch) {
        let rows = || points.chunks_exact(self.dims);
        if let Some(velocity) = values.velocity {
            rows().zip(velocity.chunks_exact_mut(self.dims)).for_each(|(x, v)| (self.velocity)(time, x, v));
        }
        if let Some(growth) = values.growth {
            rows().zip(growth).for_each(|(x, g)| *g = (self.growth)(time, x));
        }
        if let Some(score) = values.score_drift {
            rows().zip(score.chunks_exact_mut(self.dims)).for_each(|(x, s)| (self.score_drift)(time, x, s));
        }
    }
}
