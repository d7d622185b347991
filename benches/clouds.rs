//! The point clouds that the transport benchmarks and POT solve, and how they are timed.

// Every bench takes a part of this.
#![allow(dead_code)]

use chreode::exec::rng::{Purpose, stream};
use chreode::snapshots::MatrixView;
use chreode::transport::PointCloud;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::path::PathBuf;
use std::time::Instant;

pub const POINTS: usize = 2000;
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

/// The processor time of this process so far, all threads added up, in steps of 10 ms; what a busy machine leaves comparable.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a system with /proc");
    // The fields after the command's name, which may hold anything, in brackets: the 12th and 13th are user and system ticks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

/// Standard normal points around `shift`·(1, …, 1), with equal or uniformly random weights of total 1.
pub fn cloud(points: usize, dims: usize, weights: &str, shift: f64, index: u64) -> PointCloud {
    let mut rng = stream(1, Purpose::Dataset, index, dims as u64);
    let coordinates: Vec<f64> =
        (0..points * dims).map(|_| shift + Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
    let weights: Vec<f64> =
        (0..points).map(|_| if weights == "random" { rng.random() } else { 1.0 }).collect();
    let view = MatrixView::from_f64(&coordinates, points, dims).unwrap();
    PointCloud::new(view, Some(&weights)).unwrap().normalised()
}

/// Five round clusters of standard deviation 0.3, the same on both sides but for their shares and a `shift` of every centre, with
/// equal weights of total 1.
pub fn clusters(points: usize, dims: usize, shift: f64, index: u64) -> PointCloud {
    let mut of_centres = stream(2, Purpose::Dataset, 0, dims as u64);
    let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
    let centres: Vec<f64> = (0..5 * dims).map(|_| shift + 3.0 * normal(&mut of_centres)).collect();
    let mut rng = stream(1, Purpose::Dataset, index, 1 << 32 | dims as u64);
    let mut coordinates = Vec::with_capacity(points * dims);
    for i in 0..points {
        // Shares that differ between the sides by some tenths.
        let cluster = (i * 7 + i / 5 * index as usize) % (5 + index as usize % 2) % 5;
        let centre = &centres[cluster * dims..(cluster + 1) * dims];
        coordinates.extend(centre.iter().map(|c| c + 0.3 * normal(&mut rng)));
    }
    let view = MatrixView::from_f64(&coordinates, points, dims).unwrap();
    PointCloud::new(view, None).unwrap().normalised()
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
