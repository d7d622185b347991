//! Activation functions of the hidden layers.

use crate::error::{Error, Result};
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
    /// λz for z > 0, else λα(e^z − 1), with the λ and α that keep units of mean 0 and variance 1 so (Klambauer et al., NeurIPS 2017). Its slope
    /// jumps at 0.
    Selu,
}

named!(
    Activation,
    "activation",
    LeakyRelu = "leaky-relu",
    Relu = "relu",
    Tanh = "tanh",
    Silu = "silu",
    Softplus = "softplus",
    Selu = "selu"
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
            Activation::Selu => apply_each(bias, values, selu),
        }
    }

    /// Whether the second and third derivatives say everything: those of the (leaky) ReLU are zero almost everywhere,
    /// so that a network of them has no Laplacian and its gradient no useful parameter derivative, and SELU's miss what its slope jumps by.
    pub fn is_smooth(self) -> bool {
        !matches!(self, Activation::LeakyRelu | Activation::Relu | Activation::Selu)
    }

    /// Checks that `what`, which needs second derivatives of networks, gets them.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the activations that serve.
    pub fn require_smooth(self, what: &str) -> Result<()> {
        if self.is_smooth() {
            return Ok(());
        }
        let smooth: Vec<&str> = Self::ALL.iter().filter(|a| a.is_smooth()).map(|a| a.as_str()).collect();
        let allowed = format!("one with second derivatives for {what}: {}", smooth.join(", "));
        Err(Error::argument("activation", self, &allowed))
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
            Activation::Selu => apply_each_with_slope(bias, values, slopes, selu),
        }
    }

    /// [`apply`](Self::apply), which also writes f′, f″, … at z + bias, as many as `derivatives` has room for (one to
    /// three times the length of `values`), one after the other.
    ///
    /// # Panics
    /// If `bias` is empty.
    pub(super) fn apply_with_derivatives(self, bias: &[f32], values: &mut [f32], derivatives: &mut [f32]) {
        match self {
            Activation::LeakyRelu => apply_each_with_derivatives(bias, values, derivatives, leaky_relu),
            Activation::Relu => apply_each_with_derivatives(bias, values, derivatives, relu),
            Activation::Tanh => apply_each_with_derivatives(bias, values, derivatives, tanh),
            Activation::Silu => apply_each_with_derivatives(bias, values, derivatives, silu),
            Activation::Softplus => apply_each_with_derivatives(bias, values, derivatives, softplus),
            Activation::Selu => apply_each_with_derivatives(bias, values, derivatives, selu),
        }
    }
}

fn apply_each(bias: &[f32], values: &mut [f32], function: impl Fn(f32) -> [f32; 4]) {
    vectorised(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(bias.len()) {
                for (z, b) in row.iter_mut().zip(bias) {
                    [*z, ..] = function(*z + b);
                }
            }
        },
    );
}

fn apply_each_with_slope(
    bias: &[f32],
    values: &mut [f32],
    slopes: &mut [f32],
    function: impl Fn(f32) -> [f32; 4],
) {
    vectorised(
        #[inline(always)]
        || {
            for (row, slopes) in values.chunks_exact_mut(bias.len()).zip(slopes.chunks_exact_mut(bias.len()))
            {
                for ((z, slope), b) in row.iter_mut().zip(slopes).zip(bias) {
                    [*z, *slope, ..] = function(*z + b);
                }
            }
        },
    );
}

fn apply_each_with_derivatives(
    bias: &[f32],
    values: &mut [f32],
    derivatives: &mut [f32],
    function: impl Fn(f32) -> [f32; 4],
) {
    let (columns, length) = (bias.len(), values.len());
    let (first, rest) = derivatives.split_at_mut(length);
    vectorised(
        #[inline(always)]
        || {
            let rows = values.chunks_exact_mut(columns).zip(first.chunks_exact_mut(columns));
            if rest.is_empty() {
                for (values, first) in rows {
                    for ((z, f1), b) in values.iter_mut().zip(first).zip(bias) {
                        [*z, *f1, ..] = function(*z + b);
                    }
                }
                return;
            }
            let (second, third) = rest.split_at_mut(length);
            let rows = rows.zip(second.chunks_exact_mut(columns));
            if third.is_empty() {
                for ((values, first), second) in rows {
                    for (((z, f1), f2), b) in values.iter_mut().zip(first).zip(second).zip(bias) {
                        [*z, *f1, *f2, _] = function(*z + b);
                    }
                }
                return;
            }
            for (((values, first), second), third) in rows.zip(third.chunks_exact_mut(columns)) {
                for ((((z, f1), f2), f3), b) in values.iter_mut().zip(first).zip(second).zip(third).zip(bias)
                {
                    [*z, *f1, *f2, *f3] = function(*z + b);
                }
            }
        },
    );
}

// Each of the following gives f(z) and its first three derivatives, branch-free, and lets a NaN through so that training
// notices it. A caller that drops the higher ones does not pay for them: they are inlined.

#[inline(always)]
fn leaky_relu(z: f32) -> [f32; 4] {
    let slope = if z > 0.0 { 1.0 } else { 0.01 };
    [z * slope, slope, 0.0, 0.0]
}

#[inline(always)]
fn relu(z: f32) -> [f32; 4] {
    [if z < 0.0 { 0.0 } else { z }, if z > 0.0 { 1.0 } else { 0.0 }, 0.0, 0.0]
}

#[inline(always)]
fn tanh(z: f32) -> [f32; 4] {
    let value = tanh_f32(z);
    let slope = (-value).mul_add(value, 1.0);
    // f″ = −2 f f′ and f‴ = −2 (f′² + f f″) = f′ (6 f² − 2)
    [value, slope, -2.0 * value * slope, slope * (6.0 * value).mul_add(value, -2.0)]
}

#[inline(always)]
fn silu(z: f32) -> [f32; 4] {
    let (sigmoid, complement) = logistic(z, exp_f32(-z.abs()));
    let [s1, s2, s3] = logistic_derivatives(sigmoid, complement);
    [z * sigmoid, sigmoid * z.mul_add(complement, 1.0), z.mul_add(s2, 2.0 * s1), z.mul_add(s3, 3.0 * s2)]
}

#[inline(always)]
fn softplus(z: f32) -> [f32; 4] {
    let e = exp_f32(-z.abs());
    let (sigmoid, complement) = logistic(z, e);
    let [s1, s2, _] = logistic_derivatives(sigmoid, complement);
    [z.max(0.0) + ln_1p_f32(e), sigmoid, s1, s2]
}

#[inline(always)]
fn selu(z: f32) -> [f32; 4] {
    const SCALE: f32 = 1.050_701;
    const ALPHA: f32 = 1.673_263_2;
    let below = SCALE * ALPHA * exp_f32(if z > 0.0 { 0.0 } else { z });
    if z > 0.0 { [SCALE * z, SCALE, 0.0, 0.0] } else { [below - SCALE * ALPHA, below, below, below] }
}

/// 1/(1 + e^{−z}) and one minus it, given e = e^{−|z|}: no overflow and no cancellation on either side.
#[inline(always)]
fn logistic(z: f32, e: f32) -> (f32, f32) {
    let large = 1.0 / (1.0 + e);
    let small = e * large;
    if z < 0.0 { (small, large) } else { (large, small) }
}

/// The first three derivatives of σ = 1/(1 + e^{−z}), given σ and 1 − σ.
#[inline(always)]
fn logistic_derivatives(sigmoid: f32, complement: f32) -> [f32; 3] {
    let first = sigmoid * complement;
    let odd = complement - sigmoid;
    [first, first * odd, first * odd.mul_add(odd, -2.0 * first)]
}
