//! A fit at the size people have: 50 000 cells, 50 dimensions, 3 time points, coupled in blocks of 2000. Prints seconds, the
//! process's peak memory beside that of the dense plans that it does without, and couplings against one sweep.
//!
//! `cargo bench --bench scale`, or with other sizes `cargo bench --bench scale -- CELLS DIMS EPOCHS`: the published recipe, then the
//! default one.

use chreode::datasets::BranchingTree;
use chreode::exec::progress::silent;
use chreode::method::{FitOptions, Method, Preset, fit};

const CHUNK: usize = 2000;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let number = |at: usize, default: usize| numbers.get(at).copied().unwrap_or(default);
    let (cells, dims, epochs) = (number(0, 50_000), number(1, 50), number(2, 100));
    let tree = BranchingTree { cells, dims, time_points: 3, ..Default::default() };
    let snapshots = tree.generate().unwrap();
    let mut options = FitOptions::of(Method::WfrFm.recipe(), Preset::Published);
    options.chunk_size = Some(CHUNK);
    options.threads = 2;
    options.training.epochs = epochs;
    options.training.batch_size = 512;
    let report = fit(&snapshots, &options, &mut silent).unwrap().report;
    let counts: Vec<usize> = (0..snapshots.len()).map(|k| snapshots.count(k)).collect();
    let dense: usize = counts.windows(2).map(|pair| pair[0] * pair[1] * 8).max().unwrap_or(0);
    println!("cells {counts:?}, {dims} dimensions, blocks of {CHUNK}, δ = {:.3}", report.delta.unwrap());
    println!("coupling   {:8.2} s, {} pairs", report.coupling_seconds, report.pairs.iter().sum::<usize>());
    let steps = report.losses.len() as f64;
    println!(
        "training   {:8.2} s for {steps} steps: {:.1} s for 3000",
        report.training_seconds,
        report.training_seconds / steps * 3000.0
    );
    println!(
        "peak       {:8.0} MB; one dense plan in double precision would be {:.0} MB",
        peak_megabytes(),
        dense as f64 / 1e6
    );
    let mut options = FitOptions::default();
    (options.chunk_size, options.threads) = (Some(CHUNK), 2);
    let report = fit(&snapshots, &options, &mut silent).unwrap().report;
    println!(
        "default    {:8.2} s coupling, {:.2} s training, all {} steps",
        report.coupling_seconds,
        report.training_seconds,
        report.losses.len()
    );
}

/// The process's peak resident memory, where the system tells.
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(f64::NAN, |kb| kb * 1024.0 / 1e6)
}
