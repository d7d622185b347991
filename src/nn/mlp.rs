//! Fully connected networks with flat parameters.

use std::iter::once;
use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rand::RngExt;

use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream};
use crate::exec::simd::vectorised;
use crate::nn::Activation;

/// Rows that go through all layers together, so that their activations stay in the cache from one layer to the
/// next. benches/training_step.rs gives the same time from 128 to 256 rows; at 64 it loses 3 % to the packing of
/// the weights in each product, and fewer rows feed more threads.
pub(super) const BLOCK_ROWS: usize = 128;

/// More parameters than this are taken for a mistake, before anything is allocated.
const MAX_PARAMETERS: usize = 1 << 31;

/// The shape of a network: `inputs` → `hidden[0]` → … → `outputs`, with `activation` after every layer but the
/// last, which is linear. Without hidden layers it is an affine map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Width of an input row.
    pub inputs: usize,
    /// Widths of the hidden layers, first to last.
    pub hidden: Vec<usize>,
    /// Width of an output row.
    pub outputs: usize,
    /// The function of every hidden unit.
    pub activation: Activation,
}

/// One layer, x ↦ x·W + b, and where its parameters are in the flat vector: W (inputs × outputs, row-major),
/// then b (outputs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Width of its input rows.
    pub inputs: usize,
    /// Width of its output rows.
    pub outputs: usize,
    /// Index of its first parameter.
    pub offset: usize,
}

/// A fully connected network.
///
/// ```
/// use chreode::nn::{Activation, Architecture, Mlp};
/// let architecture = Architecture { inputs: 3, hidden: vec![64, 64], outputs: 2, activation: Activation::Silu };
/// let network = Mlp::new(architecture, 11, 0)?;
/// let points = [0.0, 0.5, -0.5, 1.0, 0.1, 0.2]; // two rows
/// let mut values = [0.0; 4];
/// network.forward(2, &points, &mut values, &mut Vec::new());
/// assert!(values.iter().all(|v| v.is_finite()));
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    architecture: Architecture,
    parameters: Vec<f32>,
}

impl Architecture {
    /// Checks that every width is positive and that the number of parameters is sane.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that names the width, or the number of parameters (at most 2³¹).
    pub fn validate(&self) -> Result<()> {
        let named = once(("inputs", self.inputs))
            .chain(self.hidden.iter().map(|&width| ("hidden", width)))
            .chain(once(("outputs", self.outputs)));
        for (name, width) in named {
            if width == 0 {
                return Err(Error::argument(name, width, "at least 1 (the width of a layer)"));
            }
        }
        let mut count = 0usize;
        for (inputs, outputs) in self.widths() {
            count = inputs.saturating_add(1).saturating_mul(outputs).saturating_add(count);
        }
        if count > MAX_PARAMETERS {
            return Err(Error::argument("the number of network parameters", count, "at most 2^31"));
        }
        Ok(())
    }

    /// The number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.widths().map(|(inputs, outputs)| (inputs + 1) * outputs).sum()
    }

    /// The layers, first to last.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        self.widths().scan(0, |next, (inputs, outputs)| {
            let offset = *next;
            *next += (inputs + 1) * outputs;
            Some(Layer { inputs, outputs, offset })
        })
    }

    /// The layers, last to first.
    fn layers_backward(&self) -> impl Iterator<Item = Layer> {
        let mut offset = self.parameter_count();
        (0..=self.hidden.len()).rev().map(move |number| {
            let inputs = if number == 0 { self.inputs } else { self.hidden[number - 1] };
            let outputs = self.hidden.get(number).copied().unwrap_or(self.outputs);
            offset -= (inputs + 1) * outputs;
            Layer { inputs, outputs, offset }
        })
    }

    fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        let hidden = || self.hidden.iter().copied();
        once(self.inputs).chain(hidden()).zip(hidden().chain(once(self.outputs)))
    }

    /// Width of the widest hidden layer; 0 if there is none.
    pub(super) fn widest_hidden(&self) -> usize {
        self.hidden.iter().copied().max().unwrap_or(0)
    }
}

impl Layer {
    /// Where W is in the flat parameters.
    pub fn weights(&self) -> Range<usize> {
        self.offset..self.offset + self.inputs * self.outputs
    }

    /// Where b is in the flat parameters.
    pub fn bias(&self) -> Range<usize> {
        let start = self.offset + self.inputs * self.outputs;
        start..start + self.outputs
    }
}

impl Mlp {
    /// A network with random parameters: weights and biases of a layer are uniform on ±1/√inputs, PyTorch's
    /// default for linear layers (after LeCun et al., Efficient BackProp, 1998).
    ///
    /// They are a function of `seed` and `index`; networks of one model differ in `index`.
    ///
    /// # Errors
    /// As [`Architecture::validate`].
    pub fn new(architecture: Architecture, seed: u64, index: u64) -> Result<Self> {
        architecture.validate()?;
        let mut parameters = vec![0.0; architecture.parameter_count()];
        for (number, layer) in architecture.layers().enumerate() {
            let mut rng = stream(seed, Purpose::Initialisation, index, number as u64);
            let bound = 1.0 / (layer.inputs as f32).sqrt();
            for parameter in &mut parameters[layer.offset..layer.bias().end] {
                *parameter = bound * (2.0 * rng.random::<f32>() - 1.0);
            }
        }
        Ok(Mlp { architecture, parameters })
    }

    /// A network with given parameters, in the order of [`Layer`].
    ///
    /// # Errors
    /// As [`Architecture::validate`], and [`Error::InvalidArgument`] if there are not as many parameters as the
    /// architecture has.
    pub fn from_parameters(architecture: Architecture, parameters: Vec<f32>) -> Result<Self> {
        architecture.validate()?;
        let count = architecture.parameter_count();
        if parameters.len() != count {
            return Err(Error::argument(
                "the number of network parameters",
                parameters.len(),
                &format!("{count}, as its layers have"),
            ));
        }
        Ok(Mlp { architecture, parameters })
    }

    /// The shape of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The parameters, layer by layer, in the order of [`Layer`].
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The parameters, to be changed by an optimiser.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Evaluates the network at the rows of `input` (row-major, rows × inputs) into `output` (rows × outputs),
    /// on the calling thread.
    ///
    /// `scratch` is the caller's, kept between calls, so that a steady-state loop does not allocate. A row's
    /// values do not depend on the rows beside it beyond rounding.
    ///
    /// # Panics
    /// If `input` or `output` does not have `rows` rows.
    pub fn forward(&self, rows: usize, input: &[f32], output: &mut [f32], scratch: &mut Vec<f32>) {
        let (inputs, outputs) = (self.architecture.inputs, self.architecture.outputs);
        assert_eq!(input.len(), rows * inputs, "the input must be rows × inputs");
        assert_eq!(output.len(), rows * outputs, "the output must be rows × outputs");
        let half = rows.min(BLOCK_ROWS) * self.architecture.widest_hidden();
        if scratch.len() < 2 * half {
            scratch.resize(2 * half, 0.0);
        }
        let (current, next) = scratch[..2 * half].split_at_mut(half);
        for (input, output) in input.chunks(BLOCK_ROWS * inputs).zip(output.chunks_mut(BLOCK_ROWS * outputs))
        {
            self.forward_block(input, output, current, next);
        }
    }

    fn forward_block<'a>(
        &self,
        input: &[f32],
        output: &mut [f32],
        mut current: &'a mut [f32],
        mut next: &'a mut [f32],
    ) {
        let rows = input.len() / self.architecture.inputs;
        for (number, layer) in self.architecture.layers().enumerate() {
            let (weights, bias) = self.layer_parameters(&layer);
            let from = if number == 0 { input } else { &current[..rows * layer.inputs] };
            if number == self.architecture.hidden.len() {
                multiply(rows, from, weights, output);
                add_to_rows(bias, output);
            } else {
                let to = &mut next[..rows * layer.outputs];
                multiply(rows, from, weights, to);
                self.architecture.activation.apply(bias, to);
                std::mem::swap(&mut current, &mut next);
            }
        }
    }

    /// The value of a network with one output at the rows of `input` (row-major, rows × inputs), into `values` (one a
    /// row), and its gradient in the whole input row, into `gradient` (rows × inputs), on the calling thread.
    ///
    /// The gradient is exact, by one reverse sweep; of a piecewise linear activation it is piecewise constant.
    /// `scratch` is the caller's, kept between calls, so that a steady-state loop does not allocate.
    ///
    /// ```
    /// use chreode::nn::{Activation, Architecture, Mlp};
    /// let architecture = Architecture { inputs: 2, hidden: vec![], outputs: 1, activation: Activation::Tanh };
    /// let plane = Mlp::from_parameters(architecture, vec![3.0, -1.0, 0.5])?; // 3a − b + 1/2
    /// let (mut value, mut gradient) = ([0.0], [0.0; 2]);
    /// plane.value_and_gradient(1, &[2.0, 1.0], &mut value, &mut gradient, &mut Vec::new());
    /// assert_eq!((value, gradient), ([5.5], [3.0, -1.0]));
    /// # Ok::<(), chreode::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the network has more than one output, or a slice does not have `rows` rows.
    pub fn value_and_gradient(
        &self,
        rows: usize,
        input: &[f32],
        values: &mut [f32],
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let inputs = self.architecture.inputs;
        assert_eq!(self.architecture.outputs, 1, "only a network with one output has a gradient");
        assert_eq!(input.len(), rows * inputs, "the input must be rows × inputs");
        assert_eq!(values.len(), rows, "there must be one value a row");
        assert_eq!(gradient.len(), rows * inputs, "the gradient must be rows × inputs");
        let block = rows.min(BLOCK_ROWS);
        let half = block * self.architecture.widest_hidden();
        let slopes = block * self.architecture.hidden.iter().sum::<usize>();
        if scratch.len() < 2 * half + slopes {
            scratch.resize(2 * half + slopes, 0.0);
        }
        let (layers, slopes) = scratch.split_at_mut(2 * half);
        let (current, next) = layers.split_at_mut(half);
        let blocks = input.chunks(BLOCK_ROWS * inputs).zip(gradient.chunks_mut(BLOCK_ROWS * inputs));
        for ((input, gradient), values) in blocks.zip(values.chunks_mut(BLOCK_ROWS)) {
            self.differentiate_block(input, values, gradient, (&mut *current, &mut *next), slopes);
        }
    }

    /// `slopes` holds f′ of every hidden layer in turn on the way forward; on the way back each layer's slopes become
    /// the derivatives in its pre-activations.
    fn differentiate_block<'a>(
        &self,
        input: &[f32],
        values: &mut [f32],
        gradient: &mut [f32],
        (mut current, mut next): (&'a mut [f32], &'a mut [f32]),
        slopes: &mut [f32],
    ) {
        let rows = values.len();
        let Architecture { hidden, activation, .. } = &self.architecture;
        let mut end = 0;
        for (number, layer) in self.architecture.layers().enumerate() {
            let (weights, bias) = self.layer_parameters(&layer);
            let from = if number == 0 { input } else { &current[..rows * layer.inputs] };
            if number == hidden.len() {
                multiply(rows, from, weights, values);
                add_to_rows(bias, values);
            } else {
                let to = &mut next[..rows * layer.outputs];
                multiply(rows, from, weights, to);
                activation.apply_with_slopes(bias, to, &mut slopes[end..end + to.len()]);
                std::mem::swap(&mut current, &mut next);
                end += rows * layer.outputs;
            }
        }
        let mut layers = self.architecture.layers_backward();
        // The last layer is linear: its derivatives are its weights, the same in every row.
        let last = layers.next().map_or(&[][..], |layer| self.layer_parameters(&layer).0);
        if hidden.is_empty() {
            gradient.chunks_exact_mut(last.len()).for_each(|row| row.copy_from_slice(last));
        } else {
            multiply_rows(last, &mut slopes[end - rows * last.len()..end]);
        }
        for layer in layers {
            let weights = self.layer_parameters(&layer).0;
            let (before, d) = slopes[..end].split_at_mut(end - rows * layer.outputs);
            end = before.len();
            if layer.offset == 0 {
                multiply_transposed(rows, d, weights, gradient);
            } else {
                let d_from = &mut current[..rows * layer.inputs];
                multiply_transposed(rows, d, weights, d_from);
                multiply_each(&mut before[end - d_from.len()..], d_from);
            }
        }
    }

    /// W and b of a layer.
    pub(super) fn layer_parameters(&self, layer: &Layer) -> (&[f32], &[f32]) {
        (&self.parameters[layer.weights()], &self.parameters[layer.bias()])
    }
}

/// product (rows × n) = left (rows × k) · right (k × n).
pub(super) fn multiply(rows: usize, left: &[f32], right: &[f32], product: &mut [f32]) {
    let (inner, columns) = (left.len() / rows, product.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(product, rows, columns),
        Accum::Replace,
        MatRef::from_row_major_slice(left, rows, inner),
        MatRef::from_row_major_slice(right, inner, columns),
        1.0,
        Par::Seq,
    );
}

/// product (rows × k) = left (rows × n) · rightᵀ, of right (k × n).
fn multiply_transposed(rows: usize, left: &[f32], right: &[f32], product: &mut [f32]) {
    let (inner, columns) = (left.len() / rows, product.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(product, rows, columns),
        Accum::Replace,
        MatRef::from_row_major_slice(left, rows, inner),
        MatRef::from_row_major_slice(right, columns, inner).transpose(),
        1.0,
        Par::Seq,
    );
}

/// values ∘= factors.
pub(super) fn multiply_each(values: &mut [f32], factors: &[f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (value, factor) in values.iter_mut().zip(factors) {
                *value *= factor;
            }
        },
    );
}

/// Multiplies every row of `values` by `factors`, entry by entry.
fn multiply_rows(factors: &[f32], values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(factors.len()) {
                for (value, factor) in row.iter_mut().zip(factors) {
                    *value *= factor;
                }
            }
        },
    );
}

/// Adds `bias` to every row of `values`.
pub(super) fn add_to_rows(bias: &[f32], values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for row in values.chunks_exact_mut(bias.len()) {
                for (value, b) in row.iter_mut().zip(bias) {
                    *value += b;
                }
            }
        },
    );
}
