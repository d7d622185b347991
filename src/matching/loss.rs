//! The loss of simulation-free methods: mass-weighted regression of the fields on those of the bridges.

use super::batch::{Batch, Row};
use super::source::Source;
use crate::error::{Result, fits_in_memory};
use crate::fields::Role;
use crate::nn::{BatchGradient, Mlp};
use crate::train::{Loss, TrainingOptions};

/// Σ_k ω_k E[(m(r)/m0)(‖v − v*‖²/d + |g − g*|² + ‖λ s + ξ‖²/d)], all in the networks' units, on a new batch each step
/// (mass-weighted conditional regression: Peng et al., ICLR 2026, Theorem 4.2; Ying et al. 2026, Theorem 4.3).
pub(super) struct Regression<'a> {
    source: Source<'a>,
    batch: Batch,
    /// What each network stands for, and the buffers of its gradient.
    networks: Vec<(Role, BatchGradient)>,
}

impl<'a> Regression<'a> {
    pub(super) fn new(source: Source<'a>, roles: &[Role], options: &TrainingOptions) -> Result<Self> {
        let (dims, intervals) = (source.snapshots.dims(), source.intervals.len());
        let numbers =
            options.batch_size.checked_mul(intervals).and_then(|rows| rows.checked_mul(3 * dims + 4));
        fits_in_memory("batch_size", options.batch_size, numbers)?;
        let batch = Batch::new(&source);
        let rows = batch.rows.len();
        let network = |&role: &Role| {
            let shape = options.architecture(role, dims)?;
            fits_in_memory("hidden", shape.parameter_count(), BatchGradient::numbers(&shape, rows))?;
            Ok((role, BatchGradient::new(&shape, rows)))
        };
        Ok(Self { networks: roles.iter().map(network).collect::<Result<_>>()?, source, batch })
    }
}

impl Loss for Regression<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let Self { source, batch, networks: gradients } = self;
        batch.draw(source, step);
        let dims = source.snapshots.dims();
        let parts = gradients
            .iter_mut()
            .zip(networks)
            .map(|((role, gradient), network)| of_network(*role, gradient, network, batch, dims));
        Ok(parts.sum())
    }

    fn gradient(&mut self, network: usize) -> &mut [f32] {
        self.networks[network].1.gradient_mut()
    }
}

/// A network's part of the loss, whose derivative is left in `gradient`.
fn of_network(role: Role, gradient: &mut BatchGradient, network: &Mlp, batch: &Batch, dims: usize) -> f64 {
    gradient.evaluate(network, &batch.input, |first, output, d_output| {
        let rows = &batch.rows[first..];
        match role {
            // Σ weight ‖v − v*‖²/d
            Role::Velocity => {
                let targets = &batch.velocity[first * dims..][..output.len()];
                squared_error(dims, rows, output, d_output, |row, at, value| {
                    (value - targets[at], row.weight, 1.0)
                })
            }
            // Σ weight |g − g*|²
            Role::Growth => squared_error(1, rows, output, d_output, |row, _, value| {
                (value - row.growth, row.weight, 1.0)
            }),
            // Σ weight ‖λ s + ξ‖²/d
            Role::Score => {
                let noise = &batch.noise[first * dims..][..output.len()];
                squared_error(dims, rows, output, d_output, |row, at, value| {
                    (row.score_weight.mul_add(value, noise[at]), row.weight, row.score_weight)
                })
            }
            Role::Potential | Role::LogDensity | Role::Source => {
                unreachable!("bridges give velocity, growth and score, and no others are made for them")
            }
        }
    })
}

/// Σ weight residual²/width over rows of `width` outputs, and its derivative; `residual` gives the residual of an
/// output, its weight and its slope.
#[inline(always)]
fn squared_error(
    width: usize,
    rows: &[Row],
    output: &[f32],
    d_output: &mut [f32],
    residual: impl Fn(&Row, usize, f32) -> (f32, f32, f32),
) -> f64 {
    let share = 1.0 / width as f32;
    let mut sum = 0.0f64;
    for (r, row) in rows.iter().take(output.len() / width).enumerate() {
        for at in r * width..(r + 1) * width {
            let (residual, weight, slope) = residual(row, at, output[at]);
            let scaled = weight * share * residual;
            sum += f64::from(scaled) * f64::from(residual);
            d_output[at] = 2.0 * scaled * slope;
        }
    }
    sum
}
