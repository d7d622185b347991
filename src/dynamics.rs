//! The fields that every method learns, and what simulation and evaluation need of them.

/// Which fields to evaluate at a block of points, and where to put them: an absent field is not computed.
#[derive(Debug, Default)]
pub struct FieldValues<'a> {
    /// v, row-major, one row a point.
    pub velocity: Option<&'a mut [f32]>,
    /// g, one value a point.
    pub growth: Option<&'a mut [f32]>,
    /// s = (σ²/2) ∇ log p, row-major, one row a point.
    pub score_drift: Option<&'a mut [f32]>,
}

/// Velocity v, growth rate g, score drift s and diffusion σ of a population:
///
/// ```text
/// probability flow:  dX = v dt,                d ln w = g dt
/// diffusion:         dX = (v + s) dt + σ dW,   d ln w = g dt
/// ```
///
/// Implemented by the learned [`Dynamics`] and by [`ClosedForm`] fields given as functions.
pub trait Fields: Sync {
    /// The dimension d of the space.
    fn dims(&self) -> usize;

    /// The diffusion σ ≥ 0.
    fn sigma(&self) -> f64;

    /// Evaluates the requested fields at time `time` for the rows of `points` (row-major, n × d).
    ///
    /// `scratch` is the caller's, kept between calls, so that a steady-state loop does not allocate.
    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Vec<f32>);
}

/// The pointwise form of a vector field: (time, point, where to put the value).
pub type VectorField = Box<dyn Fn(f64, &[f32], &mut [f32]) + Sync + Send>;
/// The pointwise form of a scalar field: (time, point) → value.
pub type ScalarField = Box<dyn Fn(f64, &[f32]) -> f32 + Sync + Send>;

/// Fields given as functions of (time, point): ground truths, and models that are not networks.
pub struct ClosedForm {
    /// The dimension d of the space.
    pub dims: usize,
    /// The diffusion σ ≥ 0.
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

    fn sigma(&self) -> f64 {
        self.sigma
    }

    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, _scratch: &mut Vec<f32>) {
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
