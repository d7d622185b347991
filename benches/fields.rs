//! The Rust call, timed for the bindings: bindings/python/benchmarks/overhead.py and bindings/r/tools/overhead.R ask for one
//! evaluation at a time, in turn with their own, so that what else the machine does falls on both.
//!
//! Arguments: a model file, rows, columns, threads. For each line on stdin, the seconds that the velocity at rows × columns
//! points takes, on stdout.

use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use chreode::exec::threads::Threads;
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::model::Dynamics;
use chreode::simulate::BLOCK;
use rayon::prelude::*;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(file) = arguments.next() else {
        println!("nothing to do without a model file");
        return;
    };
    let mut number =
        || arguments.next().and_then(|text| text.parse::<usize>().ok()).expect("rows columns threads");
    let (rows, dims, threads) = (number(), number(), number());
    let dynamics = Dynamics::load(file).expect("a model file");
    let threads = Threads::new(threads).expect("threads");
    let points: Vec<f32> = (0..rows * dims).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut velocity = vec![0f32; rows * dims];
    for _ in stdin().lock().lines() {
        let started = Instant::now();
        let blocks = points.par_chunks(BLOCK * dims).zip(velocity.par_chunks_mut(BLOCK * dims));
        threads.run(|| {
            blocks.for_each_init(Scratch::default, |scratch, (points, velocity)| {
                let values = FieldValues { velocity: Some(velocity), ..Default::default() };
                dynamics.evaluate(0.5, points, values, scratch);
            });
        });
        println!("{}", started.elapsed().as_secs_f64());
        stdout().flush().expect("stdout");
    }
}
