//! Entropic couplings to a relative gap of 1e-4: seconds and processor seconds for ε from .001 to 10 times the mean cost, between
//! hard marginals and relaxed ones. The aim is a second at 2000 × 2000, and never a primal below its dual.
//!
//! `cargo bench --bench entropic` prints a table; `-- SIZE…` chooses other sizes. For the folder CHREODE_CLOUDS see
//! `benches/against_ott.py`.

#[path = "clouds.rs"]
mod clouds;

use std::time::Instant;

use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem};

const TOLERANCE: f64 = 1e-4;
const EPSILONS: [f64; 5] = [1e-3, 1e-2, 0.1, 1.0, 10.0];

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![500, 2000] } else { sizes };
    for n in sizes {
        let gaussian = |dims, shift, index| clouds::cloud(n, dims, "random", shift, index);
        let clusters = |dims, shift, index| clouds::clusters(n, dims, shift, index);
        for (kind, source, target) in [
            ("gauss2d", gaussian(2, 0.0, 1), gaussian(2, 0.5, 2)),
            ("gauss10d", gaussian(10, 0.0, 1), gaussian(10, 0.5, 2)),
            ("clusters2d", clusters(2, 0.0, 1), clusters(2, 0.5, 2)),
            ("clusters10d", clusters(10, 0.0, 1), clusters(10, 0.5, 2)),
        ] {
            clouds::write_if_asked(&format!("{kind}-{n}"), &source, &target);
            let mean = mean_cost(&source, &target);
            for penalty in [f64::INFINITY, 1.0] {
                for share in EPSILONS {
                    time_case(&format!("{kind}-{n}"), (&source, &target), mean, penalty, share);
                }
            }
        }
    }
}

/// ε is `share`, and the penalties of both marginals are `penalty`, times the mean cost.
fn time_case(name: &str, (source, target): (&PointCloud, &PointCloud), mean: f64, penalty: f64, share: f64) {
    let rho = penalty * mean;
    let problem = Problem {
        source,
        target,
        cost: Cost::HalfSquaredEuclidean,
        source_penalty: rho,
        target_penalty: rho,
    };
    let epsilon = share * mean;
    let options = SinkhornOptions { tolerance: TOLERANCE, ..SinkhornOptions::new(epsilon) };
    let (wall, processor) = (Instant::now(), clouds::processor_seconds());
    let (mut runs, mut report) = (0, None);
    // Short runs are repeated until the clock of processor time can tell.
    while runs == 0 || wall.elapsed().as_secs_f64() < 0.3 {
        let solve = || sinkhorn(&problem, &options, &Stop::default());
        report = Some(with_threads(clouds::THREADS, solve).unwrap().unwrap().report);
        runs += 1;
    }
    let per_run = |seconds: f64| seconds / f64::from(runs);
    let report = report.unwrap();
    println!(
        "case {name} {} penalty {rho:e} epsilon {epsilon:e} share {share} seconds {:.4} processor {:.4} sweeps {} primal {:.12e} \
         dual {:.12e} gap {:.1e} {}",
        source.dims(),
        per_run(wall.elapsed().as_secs_f64()),
        per_run(clouds::processor_seconds() - processor),
        report.iterations,
        report.primal,
        report.dual,
        report.relative_gap(),
        if report.converged && report.primal >= report.dual { "met" } else { "MISSED" },
    );
}

/// The mean of ½‖x − y‖² over all pairs, by weight.
fn mean_cost(source: &PointCloud, target: &PointCloud) -> f64 {
    let moments = |cloud: &PointCloud| {
        let mut mean = vec![0.0; cloud.dims()];
        let mut square = 0.0;
        for (i, w) in cloud.weights().iter().enumerate() {
            for (mean, x) in mean.iter_mut().zip(cloud.point(i)) {
                *mean += w * x;
                square += w * x * x;
            }
        }
        (mean, square)
    };
    let ((x, x2), (y, y2)) = (moments(source), moments(target));
    0.5 * (x2 + y2) - x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>()
}
