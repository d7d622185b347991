//! The optimiser and the clipping of its gradients.

use rayon::prelude::*;

use crate::exec::simd::vectorised;

/// Parameters of one parallel task of an update.
pub(super) const UPDATE_CHUNK: usize = 16_384;

/// Adam (Kingma, Ba, ICLR 2015), bias-corrected, with β₁ = 0.9, β₂ = 0.999 and ε = 1e-8:
///
/// ```text
/// m ← β₁ m + (1−β₁) g      v ← β₂ v + (1−β₂) g²
/// θ ← θ − η m̂ / (√v̂ + ε),  m̂ = m/(1−β₁ᵗ),  v̂ = v/(1−β₂ᵗ)
/// ```
#[derive(Debug, Clone)]
pub struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    steps: u64,
    first_moment: Vec<f32>,
    second_moment: Vec<f32>,
}

impl Adam {
    /// The state before the first step of that many parameters.
    pub fn new(parameter_count: usize) -> Self {
        Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            steps: 0,
            first_moment: vec![0.0; parameter_count],
            second_moment: vec![0.0; parameter_count],
        }
    }

    /// The state after so many `steps`, as [`moments`](Self::moments) told it.
    pub(crate) fn with_moments(steps: u64, first_moment: Vec<f32>, second_moment: Vec<f32>) -> Self {
        Adam { steps, first_moment, second_moment, ..Adam::new(0) }
    }

    /// The number of steps so far, and m and v.
    pub(crate) fn moments(&self) -> (u64, &[f32], &[f32]) {
        (self.steps, &self.first_moment, &self.second_moment)
    }

    /// Moves `parameters` against `gradient` with learning rate η = `learning_rate`.
    ///
    /// # Panics
    /// If there are not as many parameters or gradient entries as this was made for.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f64) {
        assert_eq!(parameters.len(), self.first_moment.len(), "the number of parameters");
        assert_eq!(gradient.len(), self.first_moment.len(), "the number of gradient entries");
        self.steps += 1;
        let steps = self.steps as f64;
        let first_correction = 1.0 - libm::pow(self.beta1, steps);
        let second_correction = 1.0 - libm::pow(self.beta2, steps);

        let (beta1, beta2, epsilon) = (self.beta1 as f32, self.beta2 as f32, self.epsilon as f32);
        // 1 − β is rounded once, from f64: 1 − β₂ in f32 would be wrong in the fifth digit.
        let (rest1, rest2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let rate = (learning_rate / first_correction) as f32;
        let scale = (1.0 / second_correction.sqrt()) as f32;

        (parameters.par_chunks_mut(UPDATE_CHUNK), gradient.par_chunks(UPDATE_CHUNK))
            .into_par_iter()
            .zip(
                (
                    self.first_moment.par_chunks_mut(UPDATE_CHUNK),
                    self.second_moment.par_chunks_mut(UPDATE_CHUNK),
                )
                    .into_par_iter(),
            )
            .for_each(|((parameters, gradient), (first, second))| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (((parameter, &g), m), v) in
                            parameters.iter_mut().zip(gradient).zip(first).zip(second)
                        {
                            *m = beta1.mul_add(*m, rest1 * g);
                            *v = beta2.mul_add(*v, rest2 * g * g);
                            *parameter -= rate * *m / v.sqrt().mul_add(scale, epsilon);
                        }
                    },
                );
            });
    }
}

/// Scales one of the gradients whose joint norm is `norm` so that the joint norm becomes at most `most` (Pascanu, Mikolov,
/// Bengio, ICML 2013). A norm that is not finite leaves it as it is, for the caller to stop.
pub fn clip(gradient: &mut [f32], norm: f64, most: f64) {
    if norm.is_finite() && norm > most {
        let factor = (most / norm) as f32;
        gradient.iter_mut().for_each(|value| *value *= factor);
    }
}

/// Σ x², summed in f64 in a fixed order: of the gradients of networks trained together, the square of their joint norm.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    const LANES: usize = 16;
    vectorised(
        #[inline(always)]
        || {
            let (blocks, rest) = values.as_chunks::<LANES>();
            let mut sums = [0.0f64; LANES];
            for block in blocks {
                for (sum, &value) in sums.iter_mut().zip(block) {
                    *sum += f64::from(value) * f64::from(value);
                }
            }
            let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
            sums.iter().sum::<f64>() + rest
        },
    )
}
