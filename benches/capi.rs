//! What the C interface costs: the fields of 100 000 × 50 points through it, against the same blocks through the Rust call, both
//! on all cores. With numbers as an argument, that many rows and columns.

use std::ptr::null_mut;
use std::time::Instant;

use chreode::capi::field::chreode_model_field;
use chreode::capi::matrix::{CHREODE_F32, CHREODE_F64, chreode_matrix, chreode_matrix_mut};
use chreode::capi::model::{chreode_model, chreode_model_free, chreode_model_from_bytes};
use chreode::capi::status::chreode_status::CHREODE_OK;
use chreode::datasets::BranchingTree;
use chreode::exec::progress::silent;
use chreode::exec::threads::Threads;
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::method::{FitOptions, Method, fit};
use chreode::model::Dynamics;
use chreode::simulate::BLOCK;
use rayon::prelude::*;

const REPEATS: usize = 7;

fn main() {
    let size: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rows, dims) = (size.first().copied().unwrap_or(100_000), size.get(1).copied().unwrap_or(50));
    let dynamics = model(dims);
    let single: Vec<f32> = (0..rows * dims).map(|i| (i as f32 * 0.37).sin()).collect();
    let by_column: Vec<f64> =
        (0..rows * dims).map(|i| f64::from(single[i % rows * dims + i / rows])).collect();
    let (mut from_rust, mut from_c) = (vec![0f32; rows * dims], vec![0f32; rows * dims]);
    let mut doubles = vec![0f64; rows * dims];

    let threads = Threads::new(std::thread::available_parallelism().map_or(1, Into::into)).unwrap();
    let bytes = dynamics.to_bytes();
    let mut handle: *mut chreode_model = null_mut();
    // SAFETY: the bytes are a vector.
    assert_eq!(unsafe { chreode_model_from_bytes(bytes.as_ptr(), bytes.len(), &mut handle) }, CHREODE_OK);

    let (n, d) = (rows as isize, dims as isize);
    let matrix = |data, dtype, row_stride, col_stride| chreode_matrix {
        data,
        rows,
        cols: dims,
        row_stride,
        col_stride,
        dtype,
    };
    let matrix_mut = |data, dtype, row_stride, col_stride| chreode_matrix_mut {
        data,
        rows,
        cols: dims,
        row_stride,
        col_stride,
        dtype,
    };
    let call = |points: &chreode_matrix, values: &chreode_matrix_mut| {
        // SAFETY: the matrices are those of the vectors above.
        let status = unsafe { chreode_model_field(handle, c"velocity".as_ptr(), 0.5, points, values) };
        assert_eq!(status, CHREODE_OK);
    };
    let mut seconds = [f64::INFINITY; 3];
    for _ in 0..REPEATS {
        let mut time = |k: usize, work: &mut dyn FnMut()| {
            let started = Instant::now();
            work();
            seconds[k] = seconds[k].min(started.elapsed().as_secs_f64());
        };
        time(0, &mut || rust_call(&threads, &dynamics, &single, &mut from_rust));
        let values = matrix_mut(from_c.as_mut_ptr().cast(), CHREODE_F32, d, 1);
        time(1, &mut || call(&matrix(single.as_ptr().cast(), CHREODE_F32, d, 1), &values));
        let values = matrix_mut(doubles.as_mut_ptr().cast(), CHREODE_F64, 1, n);
        time(2, &mut || call(&matrix(by_column.as_ptr().cast(), CHREODE_F64, 1, n), &values));
    }
    // SAFETY: made above.
    unsafe { chreode_model_free(handle) };
    assert!(from_rust == from_c, "the numbers are the same");
    println!("velocity at {rows} × {dims} points, best of {REPEATS}");
    println!("Rust call, float rows       {:8.1} ms", 1e3 * seconds[0]);
    println!(
        "C call, float rows          {:8.1} ms, {:.3} of the Rust call",
        1e3 * seconds[1],
        seconds[1] / seconds[0]
    );
    println!(
        "C call, double columns (R)  {:8.1} ms, {:.3} of the Rust call",
        1e3 * seconds[2],
        seconds[2] / seconds[0]
    );
}

/// A model of the published widths; what it learned does not matter here.
fn model(dims: usize) -> Dynamics {
    let snapshots = BranchingTree { cells: 300, dims, ..Default::default() }.generate().unwrap();
    let mut options = FitOptions::new(Method::OtCfm);
    options.training.epochs = 1;
    fit(&snapshots, &options, &mut silent).unwrap().dynamics
}

fn rust_call(threads: &Threads, dynamics: &Dynamics, points: &[f32], velocity: &mut [f32]) {
    let block = BLOCK * dynamics.dims();
    threads.run(|| {
        points.par_chunks(block).zip(velocity.par_chunks_mut(block)).for_each_init(
            Scratch::default,
            |scratch, (points, velocity)| {
                let values = FieldValues { velocity: Some(velocity), ..Default::default() };
                dynamics.evaluate(0.5, points, values, scratch);
            },
        );
    });
}
