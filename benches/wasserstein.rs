//! Exact W1 between 2000 and 2000 points: seconds, pivots, and pairs priced a second.
//!
//! `cargo bench --bench wasserstein` prints a table. With the environment variable CHREODE_CLOUDS naming a folder, each case's
//! clouds and weights are written there too, as raw f64, for `benches/against_pot.py` to solve with POT in the
//! same run; the lines that begin with `case` are what that script reads.

use chreode::exec::rng::{Purpose, stream};
use chreode::exec::threads::with_threads;
use chreode::snapshots::MatrixView;
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::{Cost, PointCloud, Problem};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::path::PathBuf;
use std::time::Instant;

const POINTS: usize = 2000;
/// As many as POT's BLAS gets in `against_pot.py`.
const THREADS: usize = 2;
const REPEATS: usize = 3;

fn main() {
    let folder = std::env::var_os("CHREODE_CLOUDS").map(PathBuf::from);
    for dims in [2, 50] {
        for weights in ["uniform", "random"] {
            let name = format!("w1-{dims}d-{weights}");
            let source = cloud(dims, weights, 0.0, 1);
            let target = cloud(dims, weights, 0.5, 2);
            if let Some(folder) = &folder {
                write(folder, &format!("{name}-source"), &source);
                write(folder, &format!("{name}-target"), &target);
            }
            time_wasserstein1(&name, &source, &target);
        }
    }
}

fn time_wasserstein1(name: &str, source: &PointCloud, target: &PointCloud) {
    let (cost, hard) = (Cost::Euclidean, f64::INFINITY);
    let problem = Problem { source, target, cost, source_penalty: hard, target_penalty: hard };
    let mut best = f64::INFINITY;
    let mut report = None;
    for _ in 0..REPEATS {
        let start = Instant::now();
        report = Some(with_threads(THREADS, || network_simplex(&problem)).unwrap().unwrap().report);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let report = report.unwrap();
    let pairs = (source.len() * target.len()) as f64;
    println!(
        "case {name} {} seconds {best:.4} value {:.12} pivots {} million-pairs-per-second {:.1} gap {:.1e}",
        source.dims(),
        report.primal,
        report.iterations,
        pairs / best / 1e6,
        report.gap
    );
}

/// Standard normal points around `shift`·(1, …, 1), with equal or uniformly random weights of total 1.
fn cloud(dims: usize, weights: &str, shift: f64, index: u64) -> PointCloud {
    let mut rng = stream(1, Purpose::Dataset, index, dims as u64);
    let points: Vec<f64> =
        (0..POINTS * dims).map(|_| shift + Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
    let weights: Vec<f64> =
        (0..POINTS).map(|_| if weights == "random" { rng.random() } else { 1.0 }).collect();
    let view = MatrixView::from_f64(&points, POINTS, dims).unwrap();
    PointCloud::new(view, Some(&weights)).unwrap().normalised()
}

fn write(folder: &std::path::Path, name: &str, cloud: &PointCloud) {
    for (kind, numbers) in [("points", cloud.points()), ("weights", cloud.weights())] {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_ne_bytes()).collect();
        std::fs::write(folder.join(format!("{name}-{kind}.f64")), bytes).unwrap();
    }
}
