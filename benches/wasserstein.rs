//! Exact W1 between 2000 and 2000 points: seconds, pivots, and pairs priced a second.
//!
//! `cargo bench --bench wasserstein` prints a table. With the environment variable CHREODE_CLOUDS naming a folder, each case's
//! clouds and weights are written there too, as raw f64, for `benches/against_pot.py` to solve with POT in the
//! same run; the lines that begin with `case` are what that script reads.

#[path = "clouds.rs"]
mod clouds;

use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::transport::network_simplex::network_simplex;
use chreode::transport::{Cost, PointCloud, Problem};

fn main() {
    for dims in [2, 50] {
        for weights in ["uniform", "random"] {
            let name = format!("w1-{dims}d-{weights}");
            let source = clouds::cloud(clouds::POINTS, dims, weights, 0.0, 1);
            let target = clouds::cloud(clouds::POINTS, dims, weights, 0.5, 2);
            clouds::write_if_asked(&name, &source, &target);
            time_wasserstein1(&name, &source, &target);
        }
    }
}

fn time_wasserstein1(name: &str, source: &PointCloud, target: &PointCloud) {
    let (cost, hard) = (Cost::Euclidean, f64::INFINITY);
    let problem = Problem { source, target, cost, source_penalty: hard, target_penalty: hard };
    let (best, report) = clouds::best_of(|| {
        with_threads(clouds::THREADS, || network_simplex(&problem, &Stop::default())).unwrap().unwrap().report
    });
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
