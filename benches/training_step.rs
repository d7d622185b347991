//! How close is a training step to the machine's matrix-product rate?
//!
//! `cargo bench --bench training_step` runs, on 2 threads, steps of a velocity network 51 → 5 × 256 → 50 and a
//! growth network 51 → 3 × 256 → 1 on 2048 rows (LeakyReLU, squared loss): forward, backward, Adam, moving average.
//! Between the steps it measures faer's single-precision rate, two threads each with products of its own, so that
//! both see the same machine. The roofline is the time of the step's matrix products at that rate.
//!
//! "Best" is the fastest step against the fastest bursts of products, which are an eighth as long: where others use
//! the machine too, bursts escape them more easily than steps do, so this can only make the step look worse. "Median"
//! compares products of a step's length with steps, about equally disturbed: a step waits for its last thread eight
//! times, products once. Only an idle machine gives the figure to quote.

use std::time::Instant;

use chreode::exec::threads::with_threads;
use chreode::nn::{Activation, Adam, Architecture, BatchGradient, Mlp, MovingAverage};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

const THREADS: usize = 2;
const ROWS: usize = 2048;
const DIMS: usize = 50;
const ROUNDS: usize = 50;
const BURSTS: usize = 8;
const STEPS_PER_ROUND: usize = 5;
/// Rows, columns and depth of the products whose best rate is the roofline.
const SHAPES: [(usize, usize, usize); 5] =
    [(240, 240, 240), (256, 256, 256), (512, 480, 256), (1024, 1024, 1024), (2048, 256, 256)];

fn main() {
    with_threads(THREADS, run).expect("two threads");
}

fn run() {
    let architecture = |layers, outputs| Architecture {
        inputs: DIMS + 1,
        hidden: vec![256; layers],
        outputs,
        activation: Activation::LeakyRelu,
    };
    let architectures = [architecture(5, DIMS), architecture(3, 1)];
    let flops: f64 = architectures.iter().map(product_flops).sum();
    let mut models = architectures.map(Model::new);
    let input: Vec<f32> = (0..ROWS * (DIMS + 1)).map(wave).collect();
    let mut products: Vec<Products> = SHAPES.iter().map(|&shape| Products::new(shape)).collect();

    let (mut steps, mut gradients, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    let mut losses = [f64::NAN; 2];
    let mut rates = vec![(0.0f64, Vec::new()); products.len()];
    for round in 0..ROUNDS + 1 {
        for ((best, sustained), products) in rates.iter_mut().zip(&mut products) {
            let (burst, rate) = products.rates();
            *best = best.max(burst);
            sustained.push(rate);
        }
        for _ in 0..STEPS_PER_ROUND {
            let start = Instant::now();
            let loss: f64 = models.iter_mut().map(|model| model.differentiate(&input)).sum();
            let middle = start.elapsed().as_secs_f64();
            for model in &mut models {
                model.update();
            }
            let end = start.elapsed().as_secs_f64();
            losses = [if losses[0].is_nan() { loss } else { losses[0] }, loss];
            // The first round warms up: caches, threads, the buffers.
            if round > 0 {
                steps.push(end);
                gradients.push(middle);
                updates.push(end - middle);
            }
        }
    }

    println!("sgemm, {THREADS} threads, each its own products (GFLOP/s)   best  median");
    for ((rows, columns, depth), (best, sustained)) in SHAPES.iter().zip(&mut rates) {
        let shape = format!("{rows} × {columns} × {depth}");
        println!("  {shape:47} {:6.1}  {:6.1}", best, median(sustained));
    }
    let best = rates.iter().map(|rates| rates.0).fold(0.0, f64::max);
    let typical = rates.iter_mut().map(|rates| median(&mut rates.1)).fold(0.0, f64::max);

    println!("training step, {} steps (ms)                          best  median", steps.len());
    let parts = [
        ("forward + backward", &mut gradients),
        ("Adam + moving average", &mut updates),
        ("step", &mut steps),
    ];
    for (name, times) in parts {
        println!("  {name:47} {:6.2}  {:6.2}", 1e3 * minimum(times), 1e3 * median(times));
    }
    let products = |rate: f64| 1e-9 * flops / rate;
    println!(
        "  {:47} {:6.2}  {:6.2}",
        "its products at that rate",
        1e3 * products(best),
        1e3 * products(typical)
    );
    let (fastest, step) = (minimum(&steps), median(&mut steps));
    println!("  {:47} {:6.3}  {:6.3}", "ratio", fastest / products(best), step / products(typical));
    println!("  (the loss went from {:.3} to {:.3})", losses[0], losses[1]);
    println!(
        "roofline: {:.3} GFLOP of matrix products a step, done at {:.0} of {best:.0} GFLOP/s ({:.0} %): {:.2} × their \
         time, target at most 1.4 ×",
        1e-9 * flops,
        1e-9 * flops / fastest,
        100.0 * products(best) / fastest,
        fastest / products(best),
    );
}

/// Floating-point operations of the matrix products of one gradient: forward, weights, and, but for the first
/// layer, inputs.
fn product_flops(architecture: &Architecture) -> f64 {
    architecture
        .layers()
        .enumerate()
        .map(|(number, layer)| {
            let products = if number == 0 { 2 } else { 3 };
            (products * 2 * ROWS * layer.inputs * layer.outputs) as f64
        })
        .sum()
}

/// A network in training, towards numbers of no meaning: the time of a step does not depend on them.
struct Model {
    network: Mlp,
    gradient: BatchGradient,
    adam: Adam,
    average: MovingAverage,
    targets: Vec<f32>,
}

impl Model {
    fn new(architecture: Architecture) -> Self {
        let network = Mlp::new(architecture.clone(), 11, 0).expect("a valid architecture");
        Model {
            gradient: BatchGradient::new(&architecture, ROWS),
            adam: Adam::new(architecture.parameter_count()),
            average: MovingAverage::new(network.parameters(), 0.995),
            targets: (0..ROWS * architecture.outputs).map(|i| wave(3 * i)).collect(),
            network,
        }
    }

    fn differentiate(&mut self, input: &[f32]) -> f64 {
        let targets = &self.targets;
        let outputs = targets.len() / ROWS;
        self.gradient.evaluate(&self.network, input, |first_row, output, d_output| {
            let mut sum = 0.0f32;
            for ((y, d), target) in output.iter().zip(d_output).zip(&targets[first_row * outputs..]) {
                *d = (y - target) / ROWS as f32;
                sum += (y - target) * *d;
            }
            0.5 * f64::from(sum)
        })
    }

    fn update(&mut self) {
        self.adam.step(self.network.parameters_mut(), self.gradient.gradient(), 1e-3);
        self.average.update(self.network.parameters());
    }
}

/// Row-major products of one shape, one set of matrices a thread.
struct Products {
    shape: (usize, usize, usize),
    repeats: usize,
    matrices: Vec<[Vec<f32>; 3]>,
}

impl Products {
    fn new(shape: (usize, usize, usize)) -> Self {
        let (rows, columns, depth) = shape;
        let matrix = |length: usize| (0..length).map(wave).collect::<Vec<f32>>();
        // Eight bursts are about as long as a step.
        let repeats = (30e-3 / BURSTS as f64 * 90e9 / (2 * rows * columns * depth) as f64).ceil() as usize;
        let matrices = (0..THREADS)
            .map(|_| [matrix(rows * depth), matrix(depth * columns), matrix(rows * columns)])
            .collect();
        Products { shape, repeats, matrices }
    }

    /// GFLOP/s of all threads together: the sum of the best bursts of each, and over the whole until the last
    /// is done.
    fn rates(&mut self) -> (f64, f64) {
        let ((rows, columns, depth), repeats) = (self.shape, self.repeats);
        let work = 1e-9 * (BURSTS * repeats * 2 * rows * columns * depth) as f64;
        let start = Instant::now();
        let bursts = self.matrices.par_iter_mut().with_max_len(1).map(|[left, right, product]| {
            let burst = |_| {
                let start = Instant::now();
                for _ in 0..repeats {
                    matmul(
                        MatMut::from_row_major_slice_mut(product, rows, columns),
                        Accum::Replace,
                        MatRef::from_row_major_slice(left, rows, depth),
                        MatRef::from_row_major_slice(right, depth, columns),
                        1.0,
                        Par::Seq,
                    );
                }
                start.elapsed().as_secs_f64()
            };
            work / BURSTS as f64 / (0..BURSTS).map(burst).fold(f64::INFINITY, f64::min)
        });
        let best = bursts.sum();
        (best, THREADS as f64 * work / start.elapsed().as_secs_f64())
    }
}

/// Numbers in [−1, 1] without much structure.
fn wave(i: usize) -> f32 {
    (i as f32 * 0.7 + (i % 97) as f32).sin()
}

fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
