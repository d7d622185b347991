//! The training gradient of a batch, over all threads.

use std::sync::{Mutex, PoisonError};

use faer::Accum;
use rayon::prelude::*;

use crate::exec::simd::vectorised;
use crate::nn::mlp::BLOCK_ROWS;
use crate::nn::{Architecture, Backprop, Mlp};

/// A batch is cut into at most this many parts, whatever the number of threads, each with its own gradient.
/// More would let more threads work, at the price of the memory traffic of summing them.
const MAX_PARTS: usize = 16;
/// Parameters of one task of the final sum.
const SUM_CHUNK: usize = 8192;

/// Loss and parameter gradient of a batch, in parallel, the same bits at any number of threads.
///
/// The rows are cut into parts by their number alone; each part runs forward and backward block by block into
/// its own gradient; losses (f64) and gradients are then summed in the order of the parts. All buffers are
/// made here, or, one pass per thread, at the first evaluation: a training loop does not allocate.
///
/// ```
/// use chreode::nn::{Activation, Adam, Architecture, BatchGradient, Mlp};
/// let architecture = Architecture { inputs: 1, hidden: vec![16], outputs: 1, activation: Activation::Tanh };
/// let mut network = Mlp::new(architecture.clone(), 11, 0)?;
/// let mut batch = BatchGradient::new(&architecture, 64);
/// let mut adam = Adam::new(architecture.parameter_count());
/// let x: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
/// let mut loss = f64::INFINITY;
/// for _ in 0..500 {
///     loss = batch.evaluate(&network, &x, |first_row, output, d_output| {
///         let mut sum = 0.0;
///         for ((y, d), x) in output.iter().zip(d_output).zip(&x[first_row..]) {
///             let error = y - x * x;
///             *d = 2.0 * error / 64.0;
///             sum += f64::from(error * error) / 64.0;
///         }
///         sum
///     });
///     adam.step(network.parameters_mut(), batch.gradient(), 0.01);
/// }
/// assert!(loss < 1e-3);
/// # Ok::<(), chreode::Error>(())
/// ```
#[derive(Debug)]
pub struct BatchGradient {
    architecture: Architecture,
    max_rows: usize,
    parts: Vec<Part>,
    /// Buffers not in use: a task takes one and puts it back, so there are never more than tasks at once.
    idle: Mutex<Vec<Block>>,
    gradient: Vec<f32>,
}

/// What one part of the batch gives.
#[derive(Debug)]
struct Part {
    loss: f64,
    gradient: Vec<f32>,
}

/// The buffers of one block of rows.
#[derive(Debug)]
struct Block {
    pass: Backprop,
    output: Vec<f32>,
    d_output: Vec<f32>,
}

impl BatchGradient {
    /// Buffers for batches of up to `max_rows` rows of a network of this shape.
    pub fn new(architecture: &Architecture, max_rows: usize) -> Self {
        let parameters = architecture.parameter_count();
        let part = || Part { loss: 0.0, gradient: vec![0.0; parameters] };
        BatchGradient {
            architecture: architecture.clone(),
            max_rows,
            parts: (0..part_count(max_rows)).map(|_| part()).collect(),
            idle: Mutex::new(Vec::new()),
            gradient: vec![0.0; parameters],
        }
    }

    /// How many numbers [`new`](Self::new) makes room for, if they can be counted.
    pub(crate) fn numbers(architecture: &Architecture, max_rows: usize) -> Option<usize> {
        architecture.parameter_count().checked_mul(part_count(max_rows) + 1)
    }

    /// Evaluates the network at the rows of `input` (row-major, rows × inputs) and differentiates the loss.
    ///
    /// `loss(first_row, output, d_output)` is given the network's values at some consecutive rows, of which
    /// `first_row` is the first; it writes ∂L/∂output to `d_output` (it holds old numbers before) and returns
    /// these rows' share of the loss L. It is called concurrently. The result is L, and
    /// [`gradient`](Self::gradient) its derivative.
    ///
    /// # Panics
    /// If the network has another architecture or `input` more than `max_rows` rows.
    pub fn evaluate(
        &mut self,
        network: &Mlp,
        input: &[f32],
        loss: impl Fn(usize, &[f32], &mut [f32]) -> f64 + Sync,
    ) -> f64 {
        let width = self.architecture.inputs;
        let rows = input.len() / width;
        assert_eq!(network.architecture(), &self.architecture, "a network of another architecture");
        assert_eq!(input.len(), rows * width, "the input must be rows × inputs");
        assert!(rows <= self.max_rows, "{rows} rows in buffers for {}", self.max_rows);

        let count = part_count(rows);
        let (parts, architecture, idle) = (&mut self.parts[..count], &self.architecture, &self.idle);
        parts.par_iter_mut().enumerate().with_max_len(1).for_each(|(index, part)| {
            let mut block = lock(idle).pop().unwrap_or_else(|| Block::new(architecture));
            let (start, end) = (rows * index / count, rows * (index + 1) / count);
            part.evaluate(&mut block, network, &input[start * width..end * width], start, &loss);
            lock(idle).push(block);
        });
        let parts = &self.parts[..count];
        self.gradient
            .par_chunks_mut(SUM_CHUNK)
            .enumerate()
            .for_each(|(index, sum)| sum_parts(parts, index * SUM_CHUNK, sum));
        parts.iter().map(|part| part.loss).sum()
    }

    /// ∂L/∂parameters of the last evaluation, in the order of the parameters.
    pub fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// The gradient, to be clipped.
    pub fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.gradient
    }
}

impl Part {
    fn evaluate(
        &mut self,
        block: &mut Block,
        network: &Mlp,
        input: &[f32],
        first_row: usize,
        loss: &impl Fn(usize, &[f32], &mut [f32]) -> f64,
    ) {
        let (inputs, outputs) = (network.architecture().inputs, network.architecture().outputs);
        self.loss = 0.0;
        let mut accumulate = Accum::Replace;
        for (input, first_row) in input.chunks(BLOCK_ROWS * inputs).zip((first_row..).step_by(BLOCK_ROWS)) {
            let values = input.len() / inputs * outputs;
            let (output, d_output) = (&mut block.output[..values], &mut block.d_output[..values]);
            block.pass.forward(network, input, output);
            self.loss += loss(first_row, output, d_output);
            block.pass.sweep(network, d_output, &mut self.gradient, accumulate, None);
            accumulate = Accum::Add;
        }
    }
}

impl Block {
    fn new(architecture: &Architecture) -> Self {
        let values = vec![0.0; BLOCK_ROWS * architecture.outputs];
        Block { pass: Backprop::new(architecture, BLOCK_ROWS), output: values.clone(), d_output: values }
    }
}

fn part_count(rows: usize) -> usize {
    rows.div_ceil(BLOCK_ROWS).min(MAX_PARTS)
}

fn sum_parts(parts: &[Part], offset: usize, sum: &mut [f32]) {
    let Some((first, others)) = parts.split_first() else { return sum.fill(0.0) };
    let range = offset..offset + sum.len();
    sum.copy_from_slice(&first.gradient[range.clone()]);
    for part in others {
        vectorised(
            #[inline(always)]
            || {
                for (sum, value) in sum.iter_mut().zip(&part.gradient[range.clone()]) {
                    *sum += value;
                }
            },
        );
    }
}

/// A panic in the loss leaves the buffers usable: they hold nothing between blocks.
fn lock(idle: &Mutex<Vec<Block>>) -> std::sync::MutexGuard<'_, Vec<Block>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
