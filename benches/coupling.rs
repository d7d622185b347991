//! The unregularised Wasserstein–Fisher–Rao coupling of 2000 with 2000 points, to a relative gap of 1e-4: seconds, pivots,
//! and the floor: the time of one exponential a pair, which is what one look at all pairs costs an entropic solver. Then how the
//! time grows from there to 5000 with 5000 points, in processor seconds: 6.25 times the pairs may cost 9 times as much.
//!
//! `cargo bench --bench coupling` prints a table, `-- NAME…` only the lines of growth of these names; for the folder CHREODE_CLOUDS see `benches/against_pot.py`.

#[path = "clouds.rs"]
mod clouds;

use chreode::datasets::GeneNetwork;
use chreode::exec::simd;
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::{Cost, PointCloud, Problem};
use rayon::prelude::*;

const TOLERANCE: f64 = 1e-4;
const SMALL: usize = 2000;
const LARGE: usize = 5000;

fn main() {
    if names().next().is_none() {
        time_couplings();
    }
    time_growths();
}

/// Which lines of growth are asked for; all where none is.
fn names() -> impl Iterator<Item = String> {
    std::env::args().skip(1).filter(|word| !word.starts_with('-'))
}

fn time_couplings() {
    // δ so large that every pair is in reach: POT cannot take an infinite cost.
    for (dims, delta) in [(2, 4.0), (50, 8.0)] {
        let name = format!("wfr-{dims}d-delta-{delta}");
        let source = clouds::cloud(clouds::POINTS, dims, "uniform", 0.0, 1);
        let target = clouds::cloud(clouds::POINTS, dims, "uniform", 0.5, 2);
        clouds::write_if_asked(&name, &source, &target);
        time_coupling(&name, &source, &target, delta);
    }
}

fn time_growths() {
    let gaussian =
        |n, dims| (clouds::cloud(n, dims, "uniform", 0.0, 1), clouds::cloud(n, dims, "uniform", 0.5, 2));
    let clusters = |n, dims| (clouds::clusters(n, dims, 0.0, 1), clouds::clusters(n, dims, 0.5, 2));
    time_growth("2d", 1.0, |n| gaussian(n, 2));
    time_growth("10d", 2.0, |n| gaussian(n, 10));
    time_growth("clusters-2d", 1.0, |n| clusters(n, 2));
    time_growth("clusters-10d", 2.0, |n| clusters(n, 10));
    let genes = GeneNetwork { cells_per_state: LARGE / 2, ..Default::default() }.generate().unwrap();
    time_growth("gene-network", 1.0, |n| (of_snapshot(&genes, 3, n), of_snapshot(&genes, 4, n)));
}

/// `n` cells of snapshot `k`, spread over all of it.
fn of_snapshot(snapshots: &Snapshots, k: usize, n: usize) -> PointCloud {
    let (dims, count) = (snapshots.dims(), snapshots.count(k));
    let rows = (0..n).map(|i| i * count / n);
    let points: Vec<f32> = rows.flat_map(|i| snapshots.point(k, i)).copied().collect();
    PointCloud::new(MatrixView::from_f32(&points, n, dims).unwrap(), None).unwrap().normalised()
}

/// The processor time of a coupling of LARGE points over that of SMALL, to the gap that fits ask for.
fn time_growth(name: &str, delta: f64, clouds: impl Fn(usize) -> (PointCloud, PointCloud)) {
    if names().next().is_some() && names().all(|asked| asked != name) {
        return;
    }
    let options = EntropyTransportOptions { tolerance: 1e-6, ..Default::default() };
    let time = |n: usize| {
        let (source, target) = clouds(n);
        let (source, target) = (&source, &target);
        let problem =
            Problem { source, target, cost: Cost::Wfr { delta }, source_penalty: 1.0, target_penalty: 1.0 };
        let solve = || {
            let before = clouds::processor_seconds();
            let run = || entropy_transport(&problem, &options, &Stop::default());
            let report = with_threads(clouds::THREADS, run).unwrap().unwrap().report;
            assert!(report.converged, "{report:?}");
            (clouds::processor_seconds() - before, report.iterations)
        };
        let runs = [solve(), solve(), solve()];
        (runs.map(|(seconds, _)| seconds).into_iter().fold(f64::INFINITY, f64::min), runs[0].1)
    };
    let ((small, few), (large, many)) = (time(SMALL), time(LARGE));
    println!(
        "growth {name:14} {SMALL}: {small:6.2} s, {few} pivots; {LARGE}: {large:6.2} s, {many} pivots; ratio {:.1}",
        large / small
    );
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
