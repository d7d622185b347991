//! The exponential moving average of the parameters, which inference uses.

use rayon::prelude::*;

use crate::exec::simd::vectorised;
use crate::nn::adam::UPDATE_CHUNK;

/// An exponential moving average θ̄ of the parameters θ along a training run:
///
/// ```text
/// θ̄ ← d_n θ̄ + (1 − d_n) θ,   d_n = min(decay, n/(n + 9)),   n = 1, 2, … the updates so far
/// ```
///
/// With a constant decay, θ̄ after n steps would still hold the random initial parameters with weight decayⁿ
/// (37 % after 200 steps at 0.995), so a short run would be judged by its initialisation. The ramp, which is
/// that of TensorFlow's `ExponentialMovingAverage` (Abadi et al., OSDI 2016), averages over about the last ninth
/// of a young run instead and forgets θ₀ like n⁻⁹. It meets 0.995 at n = 1791; from there on this is the plain
/// average of the published runs, and at their 3000 steps what came before weighs 0.995¹²⁰⁹ = 0.2 %.
///
/// There is no bias correction: θ̄ is a proper average (its weights sum to one) at every step.
#[derive(Debug, Clone)]
pub struct MovingAverage {
    decay: f64,
    updates: u64,
    average: Vec<f32>,
}

impl MovingAverage {
    /// The average that starts at `parameters`, with a limiting decay in [0, 1); 0 keeps the latest parameters.
    pub fn new(parameters: &[f32], decay: f64) -> Self {
        MovingAverage { decay, updates: 0, average: parameters.to_vec() }
    }

    /// The average after so many `updates`.
    pub(crate) fn with_updates(updates: u64, average: Vec<f32>, decay: f64) -> Self {
        MovingAverage { decay, updates, average }
    }

    /// The number of updates so far.
    pub(crate) fn updates(&self) -> u64 {
        self.updates
    }

    pub(crate) fn decay(&self) -> f64 {
        self.decay
    }

    /// Takes in the parameters after a training step.
    ///
    /// # Panics
    /// If their number changed.
    pub fn update(&mut self, parameters: &[f32]) {
        assert_eq!(parameters.len(), self.average.len(), "the number of parameters");
        self.updates += 1;
        let n = self.updates as f64;
        let share = (1.0 - self.decay.min(n / (n + 9.0))) as f32;
        self.average.par_chunks_mut(UPDATE_CHUNK).zip(parameters.par_chunks(UPDATE_CHUNK)).for_each(
            |(average, parameters)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (average, parameter) in average.iter_mut().zip(parameters) {
                            *average += share * (parameter - *average);
                        }
                    },
                );
            },
        );
    }

    /// θ̄.
    pub fn parameters(&self) -> &[f32] {
        &self.average
    }
}
