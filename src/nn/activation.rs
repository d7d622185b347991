//! Activation functions of the hidden layers.

use crate::exec::simd::{exp_f32, ln_1p_f32, tanh_f32, vectorised};
use crate::named::named;

/// The function applied to every hidden unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// z for z > 0, else z/100 (Maas, Hannun, Ng, ICML 2013). What the published simulation-free runs use.
    #[default]
    LeakyRelu,
    /// max(z, 0) (Nair, Hinton, ICML 2010).
    Relu,
    /// tanh z.
    Tanh,
    /// z/(1 + e^{−z}), also called swish (Elfwing, Uchibe, Doya, Neural Networks 2018).
    Silu,
    /// ln(1 + e^z) (Dugas et al., NeurIPS 2000).
    Softplus,
}

named!(
    Activation,
    "activation",
    LeakyRelu = "leaky-relu",
    Relu = "relu",
    Tanh = "tanh",
    Silu = "silu",
    Softplus = "softplus"
);

impl Activation {
    /// Replaces every row z of `values` (row-major, as wide as `bias`) by f(z + bias).
    ///
    /// # Panics
    /// If `bias` is empty.
    pub fn apply(self, bias: &[f32], values: &mut [f32]) {
        match self {
            Activation::LeakyRelu => apply_each(bias, values, leaky_relu),
            Activation::Relu => apply_each(bias, values, relu),
            Activation::Tanh => apply_each(bias, values, tanh),
            Activation::Silu => apply_each(bias, values, silu),
            Activation::Softplus => apply_each(bias, values, softplus),
        }
    }

    /// [`apply`](Self::apply), which also writes the derivatives f′(z + bias) to `slopes` (as long as `values`).
    ///
    /// Both come from one pass because they share their exponential, and because the derivative of SiLU
    /// cannot be found from its value afterwards.
    ///
    /// # Panics
    /// If `bias` is empty.
    pub fn apply_with_slopes(self, bias: &[f32], values: &mut [f32], slopes: &mut [f32]) {
        match self {
            Activation::LeakyRelu => apply_each_with_slope(bias, values, slopes, leaky_relu),
            Activation::Relu => apply_each_with_slope(bias, values, slopes, relu),
            Activation::Tanh => apply_each_with_slope(bias, values, slopes, tanh),
            Activation::Silu => apply_each_with_slope(bias, values, slopes, silu),
            Activation::Softplus => apply_each_with_slope(bias, values, slopes, softplus),
        }
    }
}

fn apply_each(bias: &[f32], values: &mut [f32], function: impl Fn(f32) -> (f32, f32)) {
    vectorised(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(bias.len()) {
                for (z, b) in row.iter_mut().zip(bias) {
                    *z = function(*z + b).0;
                }
            }
        },
    );
}

fn apply_each_with_slope(
    bias: &[f32],
    values: &mut [f32],
    slopes: &mut [f32],
    function: impl Fn(f32) -> (f32, f32),
) {
    vectorised(
        #[inline(always)]
        || {
            for (row, slopes) in values.chunks_exact_mut(bias.len()).zip(slopes.chunks_exact_mut(bias.len()))
            {
                for ((z, slope), b) in row.iter_mut().zip(slopes).zip(bias) {
                    (*z, *slope) = function(*z + b);
                }
            }
        },
    );
}

// Each of the following gives (f(z), f′(z)), branch-free, and lets a NaN through so that training notices it.

#[inline(always)]
fn leaky_relu(z: f32) -> (f32, f32) {
    let slope = if z > 0.0 { 1.0 } else { 0.01 };
    (z * slope, slope)
}

#[inline(always)]
fn relu(z: f32) -> (f32, f32) {
    (if z < 0.0 { 0.0 } else { z }, if z > 0.0 { 1.0 } else { 0.0 })
}

#[inline(always)]
fn tanh(z: f32) -> (f32, f32) {
    let value = tanh_f32(z);
    (value, (-value).mul_add(value, 1.0))
}

#[inline(always)]
fn silu(z: f32) -> (f32, f32) {
    let (sigmoid, complement) = logistic(z, exp_f32(-z.abs()));
    (z * sigmoid, sigmoid * z.mul_add(complement, 1.0))
}

#[inline(always)]
fn softplus(z: f32) -> (f32, f32) {
    let e = exp_f32(-z.abs());
    (z.max(0.0) + ln_1p_f32(e), logistic(z, e).0)
}

/// 1/(1 + e^{−z}) and one minus it, given e = e^{−|z|}: no overflow and no cancellation on either side.
#[inline(always)]
fn logistic(z: f32, e: f32) -> (f32, f32) {
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    if z < 0.0 { (small, large) } else { (large, small) }
}
