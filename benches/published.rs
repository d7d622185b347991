//! Measured beside published: W1 per time point, RME, action and growth correlation on the shared data, at the published
//! settings (3000 steps, five hidden layers of 256).
//!
//! `cargo bench --bench published -- [DATA] [METHOD] [SEED…]` (all data, all methods, seed 11 without words). A fit takes one to three
//! minutes on two cores. Needs the data of ../shared; sources of the published figures: Peng et al. (WFR-FM, ICLR
//! 2026) and Ying et al. (USB, 2026), tables on the same files.

#[path = "../tests/common/mod.rs"]
mod common;

use chreode::datasets::GeneNetwork;
use chreode::evaluate::mass::growth_correlation;
use chreode::evaluate::{EvaluationOptions, Mode, evaluate};
use chreode::exec::progress::silent;
use chreode::exec::threads::with_threads;
use chreode::method::{FitOptions, Method, fit};
use chreode::simulate::ode;
use std::time::Instant;

const THREADS: usize = 2;

struct Case {
    data: &'static str,
    method: Method,
    delta: Option<f64>,
    sigma: Option<f64>,
    batch: usize,
    /// W1 at each later time point where known, mean W1, mean RME.
    published: &'static str,
}

/// δ and batch as published; σ of USB, which is not published, is 0.02 on gene, 0.01 on emt and the library's default
/// elsewhere.
const fn case(
    data: &'static str,
    method: Method,
    (delta, sigma, batch): (Option<f64>, Option<f64>, usize),
    published: &'static str,
) -> Case {
    Case { data, method, delta, sigma, batch, published }
}

const CASES: [Case; 10] = [
    case(
        "simulation_gene",
        Method::WfrFm,
        (Some(1.5), None, 400),
        "mean W1 .019 RME .001 action 1.305 corr .9913",
    ),
    case(
        "simulation_gene",
        Method::Usb,
        (Some(1.5), Some(0.02), 400),
        ".020 .021 .019 .018 mean .019 RME .002 corr .9739",
    ),
    case("dyngen", Method::WfrFm, (Some(2.0), None, 256), ".110 .098 .211 .121 mean .135 RME .005"),
    case("dyngen", Method::Usb, (Some(2.0), None, 256), ".109 .093 .180 .142 mean .131 RME .007"),
    case("emt", Method::WfrFm, (Some(2.0), None, 256), ".2099 .2272 .2346 RME .001"),
    case("emt", Method::Usb, (Some(2.0), Some(0.01), 256), ".1831 .2159 .2309 RME .006"),
    case("simulation_gene", Method::OtCfm, (None, None, 400), "—"),
    case("simulation_gene", Method::Sf2m, (None, None, 400), "mean W1 .224"),
    case("simulation_gene", Method::UotFm, (None, None, 400), "mean W1 .093 RME .010"),
    case("simulation_gene", Method::Vgfm, (None, None, 400), "mean W1 .046 RME .006 (both stages)"),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let seeds: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let seeds = if seeds.is_empty() { vec![11] } else { seeds };
    let wanted = |case: &Case| {
        let names = [case.data, case.method.as_str()];
        words.iter().filter(|word| word.parse::<u64>().is_err()).all(|word| names.contains(&word.as_str()))
    };
    for seed in seeds {
        for case in CASES.iter().filter(|case| wanted(case)) {
            run(case, seed);
        }
    }
}

fn run(case: &Case, seed: u64) {
    let Some(snapshots) = common::shared_snapshots(case.data) else { return };
    let mut options = FitOptions::new(case.method);
    (options.delta, options.sigma, options.seed, options.threads) = (case.delta, case.sigma, seed, THREADS);
    options.training.batch_size = case.batch;
    let started = Instant::now();
    let fitted = fit(&snapshots, &options, &mut silent).unwrap();
    let (dynamics, report) = (&fitted.dynamics, &fitted.report);
    println!(
        "\n{} {} seed {seed}: fit {:.0} s (coupling {:.1} s)",
        case.data,
        case.method,
        started.elapsed().as_secs_f64(),
        report.coupling_seconds
    );
    println!("  published      {}", case.published);
    let mut modes = vec![("flow", Mode::Ode(ode::Solver::default()))];
    if dynamics.has_score() {
        let times = snapshots.times();
        let step = (times[times.len() - 1] - times[0]) / (times.len() - 1) as f64 / 100.0;
        modes.push(("SDE, 5 runs", Mode::Sde { step }));
    }
    for (name, mode) in modes {
        let delta = dynamics.info().delta.unwrap_or(1.0);
        let options = EvaluationOptions { mode, runs: 5, seed, delta };
        let evaluation = with_threads(THREADS, || evaluate(dynamics, &snapshots, &options)).unwrap().unwrap();
        let w1: Vec<String> =
            evaluation.time_points.iter().map(|point| format!("{:.4}", point.w1.mean)).collect();
        println!(
            "  {name:14} {} mean {:.4} ± {:.4} RME {:.4} action {:.3}",
            w1.join(" "),
            evaluation.mean_w1.mean,
            evaluation.mean_w1.sd,
            evaluation.mean_rme.mean,
            evaluation.action
        );
    }
    if case.data == "simulation_gene" && dynamics.has_growth() {
        let truth = |_: f64, x: &[f32]| GeneNetwork::growth_shape(x);
        println!("  growth correlation {:.4}", growth_correlation(dynamics, &snapshots, truth).unwrap());
    }
}
