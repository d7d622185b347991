//! The unregularised Wasserstein–Fisher–Rao coupling of 2000 with 2000 points, to a relative gap of 1e-4: seconds, pivots,
//! and the floor: the time of one exponential a pair, which is what one look at all pairs costs an entropic solver.
//!
//! `cargo bench --bench coupling` prints a table; for the folder CHREODE_CLOUDS see `benches/against_pot.py`.

#[path = "clouds.rs"]
mod clouds;

use chreode::exec::simd;
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::{Cost, PointCloud, Problem};
use rayon::prelude::*;

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
        with_threads(clouds::THREADS, || entropy_transport(&problem, &options, &Stop::default()))
            .unwrap()
            .unwrap()
            .report
    });
    let sweep = exponentials(source.len() * target.len());
    println!(
        "case {name} {} seconds {seconds:.4} value {:.12} pivots {} gap {:.1e} floor {sweep:.4} ratio-to-floor {:.0}",
        source.dims(),
        report.primal,
        report.iterations,
        report.gap / report.primal,
        seconds / sweep
    );
}

/// Seconds for one exponential a pair on all threads: the floor of one look at all pairs, which an entropic solver needs
/// in every sweep.
fn exponentials(pairs: usize) -> f64 {
    let mut numbers: Vec<f64> = (0..pairs).map(|i| -(i as f64) / pairs as f64).collect();
    let mut pass = || {
        numbers.par_chunks_mut(1 << 14).for_each(|chunk| {
            simd::vectorised(
                #[inline(always)]
                || chunk.iter_mut().for_each(|x| *x = simd::exp(-*x)),
            );
        });
    };
    clouds::best_of(|| with_threads(clouds::THREADS, &mut pass).unwrap()).0
}
