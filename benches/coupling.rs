//! The unregularised Wasserstein–Fisher–Rao coupling of 2000 with 2000 points, to a relative gap of 1e-4: seconds, pivots,
//! and the floor of one entropic sweep over all pairs.
//!
//! `cargo bench --bench coupling` prints a table; for the folder CHREODE_CLOUDS see `benches/against_pot.py`.

#[path = "clouds.rs"]
mod clouds;

use chreode::exec::threads::with_threads;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem};
use std::time::Instant;

const TOLERANCE: f64 = 1e-4;

fn main() {
    // δ so large that every pair is in reach: POT cannot take an infinite cost.
    for (dims, delta) in [(2, 4.0), (50, 8.0)] {
        let name = format!("wfr-{dims}d-delta-{delta}");
        let source = clouds::cloud(dims, "uniform", 0.0, 1);
        let target = clouds::cloud(dims, "uniform", 0.5, 2);
        clouds::write_if_asked(&name, &source, &target);
        time_coupling(&name, &source, &target, delta);
    }
}

fn time_coupling(name: &str, source: &PointCloud, target: &PointCloud, delta: f64) {
    let problem =
        Problem { source, target, cost: Cost::Wfr { delta }, source_penalty: 1.0, target_penalty: 1.0 };
    let options = EntropyTransportOptions { tolerance: TOLERANCE, ..Default::default() };
    let (seconds, report) = clouds::best_of(|| {
        with_threads(clouds::THREADS, || entropy_transport(&problem, &options)).unwrap().unwrap().report
    });
    // What one pass over all pairs with one exponential each takes: no solver that looks at all pairs beats that.
    let sweeps = |count: usize| {
        let options =
            SinkhornOptions { max_iterations: count, tolerance: 1e-300, ..SinkhornOptions::new(1.0) };
        let start = Instant::now();
        with_threads(clouds::THREADS, || sinkhorn(&problem, &options)).unwrap().unwrap();
        start.elapsed().as_secs_f64()
    };
    let sweep = (sweeps(25) - sweeps(5)) / 20.0;
    println!(
        "case {name} {} seconds {seconds:.4} value {:.12} pivots {} gap {:.1e} in-sweeps {:.0}",
        source.dims(),
        report.primal,
        report.iterations,
        report.gap / report.primal,
        seconds / sweep
    );
}
