//! The point clouds that the transport benchmarks and POT solve, and how they are timed.

use chreode::exec::rng::{Purpose, stream};
use chreode::snapshots::MatrixView;
use chreode::transport::PointCloud;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::path::PathBuf;
use std::time::Instant;

const POINTS: usize = 2000;
/// As many as POT's BLAS gets in `against_pot.py`.
pub const THREADS: usize = 2;
const REPEATS: usize = 3;

/// The shortest of a few runs, and what the last one gave.
pub fn best_of<R>(mut run: impl FnMut() -> R) -> (f64, R) {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed().as_secs_f64(), result)
    };
    let (mut best, mut result) = timed();
    for _ in 1..REPEATS {
        let (seconds, again) = timed();
        best = best.min(seconds);
        result = again;
    }
    (best, result)
}

/// Standard normal points around `shift`·(1, …, 1), with equal or uniformly random weights of total 1.
pub fn cloud(dims: usize, weights: &str, shift: f64, index: u64) -> PointCloud {
    let mut rng = stream(1, Purpose::Dataset, index, dims as u64);
    let points: Vec<f64> =
        (0..POINTS * dims).map(|_| shift + Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
    let weights: Vec<f64> =
        (0..POINTS).map(|_| if weights == "random" { rng.random() } else { 1.0 }).collect();
    let view = MatrixView::from_f64(&points, POINTS, dims).unwrap();
    PointCloud::new(view, Some(&weights)).unwrap().normalised()
}

/// Writes a case's clouds as raw f64 into the folder that the environment variable CHREODE_CLOUDS names, if it does.
pub fn write_if_asked(name: &str, source: &PointCloud, target: &PointCloud) {
    let Some(folder) = std::env::var_os("CHREODE_CLOUDS").map(PathBuf::from) else { return };
    for (side, cloud) in [("source", source), ("target", target)] {
        for (kind, numbers) in [("points", cloud.points()), ("weights", cloud.weights())] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
            std::fs::write(folder.join(format!("{name}-{side}-{kind}.f64")), bytes).unwrap();
        }
    }
}
