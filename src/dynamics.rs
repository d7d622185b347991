//! The fields that every method learns, and what simulation and evaluation need of them.

use crate::error::{Error, Result};
use crate::nn::Mlp;
use crate::snapshots::Snapshots;

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

/// Buffers of field evaluations.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    input: Vec<f32>,
    layers: Vec<f32>,
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
    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch);
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

/// The change of units between data and networks: networks see (t − start)/duration and (x − centre)/length.
///
/// It is chosen from the data alone, so that a fit does not depend on the units in which a caller measures time and
/// space: `length` is the root mean square deviation of a coordinate from its mean, `duration` the mean interval.
/// The length is the same in all directions, so that distances keep their meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The mean of the cells.
    pub centre: Vec<f64>,
    /// The unit of length.
    pub length: f64,
    /// The first time.
    pub start: f64,
    /// The unit of time.
    pub duration: f64,
}

impl Scaling {
    /// The scaling of a data set; a data set without spread has unit length.
    pub fn of(snapshots: &Snapshots) -> Self {
        let (dims, points) = (snapshots.dims(), snapshots.all_points());
        let cells = (points.len() / dims) as f64;
        let mut centre = vec![0.0; dims];
        for row in points.chunks_exact(dims) {
            centre.iter_mut().zip(row).for_each(|(c, &x)| *c += f64::from(x) / cells);
        }
        let squares: f64 = points
            .chunks_exact(dims)
            .map(|row| row.iter().zip(&centre).map(|(&x, c)| (f64::from(x) - c).powi(2)).sum::<f64>())
            .sum();
        let length = (squares / (cells * dims as f64)).sqrt();
        let times = snapshots.times();
        let duration = (times[times.len() - 1] - times[0]) / (times.len() - 1).max(1) as f64;
        Self {
            centre,
            length: if length > 0.0 && length.is_finite() { length } else { 1.0 },
            start: times[0],
            duration: if duration > 0.0 { duration } else { 1.0 },
        }
    }

    /// The network input for `points` at `time`: rows (t, x) in network units.
    pub(crate) fn write_row(&self, time: f64, point: &[f32], row: &mut [f32]) {
        row[0] = ((time - self.start) / self.duration) as f32;
        for ((input, &x), centre) in row[1..].iter_mut().zip(point).zip(&self.centre) {
            *input = ((f64::from(x) - centre) / self.length) as f32;
        }
    }
}

/// What a model was made with; kept in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The method's published name, or `custom`.
    pub method: String,
    /// The diffusion σ, 0 for a method without noise.
    pub sigma: f64,
    /// The Wasserstein–Fisher–Rao length δ (of a method with a penalty ρ instead, √(ρ/2)), where there is growth.
    pub delta: Option<f64>,
    /// The times of the snapshots that it was fitted to.
    pub times: Vec<f64>,
    /// The seed.
    pub seed: u64,
    /// The training steps done.
    pub epochs: usize,
}

/// Learned fields: one network for each, and the change of units around them.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamics {
    pub(crate) info: ModelInfo,
    pub(crate) scaling: Scaling,
    pub(crate) velocity: Mlp,
    pub(crate) growth: Option<Mlp>,
    pub(crate) score: Option<Mlp>,
}

impl Dynamics {
    /// Fields from networks with inputs (t, x): `velocity` and `score` have d outputs, `growth` one.
    ///
    /// # Errors
    /// [`Error::InvalidData`] if their widths do not fit together.
    pub(crate) fn new(
        info: ModelInfo,
        scaling: Scaling,
        velocity: Mlp,
        growth: Option<Mlp>,
        score: Option<Mlp>,
    ) -> Result<Self> {
        let dims = scaling.centre.len();
        let networks = [
            ("velocity", Some(&velocity), dims),
            ("growth", growth.as_ref(), 1),
            ("score", score.as_ref(), dims),
        ];
        for (name, network, outputs) in networks {
            let Some(network) = network else { continue };
            let shape = network.architecture();
            if shape.inputs != dims + 1 || shape.outputs != outputs {
                return Err(Error::InvalidData(format!(
                    "the {name} network takes {} numbers to {}; for {dims} dimensions it must take {} to {outputs}",
                    shape.inputs,
                    shape.outputs,
                    dims + 1
                )));
            }
        }
        Ok(Self { info, scaling, velocity, growth, score })
    }

    /// What the model was made with.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Whether a growth rate was learned; without, g = 0.
    pub fn has_growth(&self) -> bool {
        self.growth.is_some()
    }

    /// Whether a score drift was learned; without, s = 0.
    pub fn has_score(&self) -> bool {
        self.score.is_some()
    }

    /// The number of trained parameters.
    pub fn parameter_count(&self) -> usize {
        [Some(&self.velocity), self.growth.as_ref(), self.score.as_ref()]
            .into_iter()
            .flatten()
            .map(|network| network.parameters().len())
            .sum()
    }

    /// The factor from the score network's output, which is of order one, to s.
    pub(crate) fn score_unit(sigma: f64, scaling: &Scaling) -> f64 {
        sigma / scaling.duration.sqrt()
    }
}

impl Fields for Dynamics {
    fn dims(&self) -> usize {
        self.scaling.centre.len()
    }

    fn sigma(&self) -> f64 {
        self.info.sigma
    }

    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
        let dims = self.dims();
        let rows = points.len() / dims;
        let Scratch { input, layers } = scratch;
        input.resize(rows * (dims + 1), 0.0);
        for (point, row) in points.chunks_exact(dims).zip(input.chunks_exact_mut(dims + 1)) {
            self.scaling.write_row(time, point, row);
        }
        let mut apply = |network: Option<&Mlp>, unit: f64, values: Option<&mut [f32]>| match (network, values)
        {
            (Some(network), Some(values)) => {
                network.forward(rows, input, values, layers);
                let unit = unit as f32;
                values.iter_mut().for_each(|value| *value *= unit);
            }
            (None, Some(values)) => values.fill(0.0),
            (_, None) => {}
        };
        let Scaling { length, duration, .. } = self.scaling;
        apply(Some(&self.velocity), length / duration, values.velocity);
        apply(self.growth.as_ref(), 1.0 / duration, values.growth);
        apply(self.score.as_ref(), Self::score_unit(self.info.sigma, &self.scaling), values.score_drift);
    }
}
