//! A CUDA device beside the CPU, in one run: Sinkhorn's sweeps and the steps of particles, with the rates that they reach of what
//! the device can do at most.
//!
//! `cargo bench --features cuda --bench device [-- cuda:N]`; without a device it says so.

use std::time::Instant;

use chreode::datasets::GeneNetwork;
use chreode::device::Device;
use chreode::device::cuda::{Description, Gpu};
use chreode::exec::progress::silent;
use chreode::exec::rng::{Purpose, stream};
use chreode::exec::stop::Stop;
use chreode::simulate::Particles;
use chreode::simulate::simulation::{Process, Rule, Simulation};
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem};
use chreode::{Dynamics, FitOptions, Method, fit};
use rand_distr::{Distribution, StandardNormal};

/// Sweeps that are timed: fewer than those after which the solver looks whether the plan is sparse.
const SWEEPS: usize = 3;
const STEPS: usize = 20;

/// Operations in double precision that a pair takes beside those of its coordinates: an exponential, and −2 ln cos.
const EXPONENTIAL: f64 = 30.0;
const WFR: f64 = 75.0;

fn main() {
    let name = std::env::args().nth(1).filter(|a| !a.starts_with("--")).unwrap_or_else(|| "cuda:0".into());
    let Ok(Device::Cuda(ordinal)) = name.parse() else {
        return println!("{name} is no device of this build");
    };
    let gpu = match Gpu::open(ordinal) {
        Ok(gpu) => gpu,
        Err(error) => return println!("not run: {error}"),
    };
    let device = gpu.description();
    let peaks = Peaks::of(device);
    println!(
        "{}: {:.1} TFLOP/s single, {:.1} double, {:.0} GB/s; against {} threads of the CPU\n",
        device.name,
        peaks.single / 1e12,
        peaks.double / 1e12,
        device.bandwidth / 1e9,
        rayon::current_num_threads()
    );
    println!("{SWEEPS} sweeps of Sinkhorn's iteration, both ways");
    for (points, dims) in [(1_000, 10), (4_000, 10), (4_000, 50), (16_000, 10), (16_000, 50)] {
        for case in [Case::half_squared(dims), Case::wfr(dims)] {
            time_sweeps(points, dims, &case, Device::Cuda(ordinal), &peaks);
        }
    }
    println!("\nwhole problems, to a relative gap of 1e-6, at an ε of a fiftieth of the mean cost");
    for (points, dims) in [(1_000, 10), (4_000, 10), (16_000, 10), (16_000, 50)] {
        for case in [Case::half_squared(dims), Case::wfr(dims)] {
            time_solution(points, dims, &case, Device::Cuda(ordinal));
        }
    }
    println!("\n{STEPS} steps of learned fields");
    for (hidden, dims) in [(vec![64; 3], 2), (vec![128; 3], 10), (vec![256; 5], 10), (vec![256; 5], 50)] {
        for particles in [10_000, 100_000] {
            time_steps(particles, &hidden, dims, Device::Cuda(ordinal), &peaks);
        }
    }
}

/// What a device can do at most, in operations a second.
struct Peaks {
    single: f64,
    double: f64,
}

impl Peaks {
    /// From the lanes of a multiprocessor, in NVIDIA's CUDA C++ Programming Guide, table of arithmetic throughput; two operations
    /// a multiplication and addition.
    fn of(device: &Description) -> Self {
        let (single, double) = match device.capability {
            (7, 0) | (8, 0) => (64.0, 32.0),
            (7, _) => (64.0, 2.0),
            (9, _) | (10, 0) => (128.0, 64.0),
            _ => (128.0, 2.0),
        };
        let rate = 2.0 * device.clock * device.multiprocessors as f64;
        Self { single: single * rate, double: double * rate }
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// The best of three after one to warm up.
fn best(work: impl Fn()) -> f64 {
    work();
    (0..3).map(|_| seconds(&work)).fold(f64::INFINITY, f64::min)
}

fn normal(count: usize, index: u64) -> Vec<f64> {
    let mut rng = stream(1, Purpose::Dataset, index, 0);
    (0..count).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn cloud(points: usize, dims: usize, index: u64) -> PointCloud {
    let numbers = normal(points * dims, index);
    PointCloud::new(MatrixView::from_f64(&numbers, points, dims).unwrap(), None).unwrap().normalised()
}

/// A cost between clouds of `normal` points.
struct Case {
    name: &'static str,
    cost: Cost,
    /// Above the largest cost: there is no scaling of ε before the sweeps.
    above: f64,
    mean: f64,
    /// Operations of a pair.
    operations: f64,
}

impl Case {
    fn half_squared(dims: usize) -> Self {
        let (mean, operations) = (dims as f64, 3.0 * dims as f64 + EXPONENTIAL);
        Self {
            name: "half-sqeuclidean",
            cost: Cost::HalfSquaredEuclidean,
            above: 10.0 * mean,
            mean,
            operations,
        }
    }

    /// Of a δ at which all points are in reach.
    fn wfr(dims: usize) -> Self {
        let delta = 2.0 * (dims as f64).sqrt();
        let operations = 3.0 * dims as f64 + EXPONENTIAL + WFR;
        // (√(2d)/2δ)² = ⅛ is the mean u of −2 ln cos √u ≈ u.
        Self { name: "wfr", cost: Cost::Wfr { delta }, above: 4.0, mean: 0.125, operations }
    }

    fn problem<'a>(&self, source: &'a PointCloud, target: &'a PointCloud) -> Problem<'a> {
        Problem { source, target, cost: self.cost, source_penalty: 1.0, target_penalty: 1.0 }
    }
}

fn time_sweeps(points: usize, dims: usize, case: &Case, device: Device, peaks: &Peaks) {
    let (source, target) = (cloud(points, dims, 1), cloud(points, dims, 2));
    let problem = case.problem(&source, &target);
    // A gap that cannot be met, and no entry of the plan: the difference of two runs is SWEEPS sweeps.
    let run = |device, max_iterations| {
        let options = SinkhornOptions {
            device,
            max_iterations,
            tolerance: 1e-300,
            drop_below: 1.0,
            ..SinkhornOptions::new(case.above)
        };
        best(|| {
            let solved = sinkhorn(&problem, &options, &Stop::default()).unwrap();
            assert_eq!(solved.report.iterations, max_iterations);
        })
    };
    let of = |device| (run(device, SWEEPS + 1) - run(device, 1)).max(1e-9);
    let (cpu, there) = (of(Device::Cpu), of(device));
    let rate = 2.0 * case.operations * (points * points * SWEEPS) as f64 / there;
    println!(
        "  {points:>6} × {points:<6} d {dims:<3} {:<17} cpu {cpu:>8.4} s  device {there:>8.4} s  {:>6.1} ×  {:>5.1} % of peak (double)",
        case.name,
        cpu / there,
        100.0 * rate / peaks.double
    );
}

fn time_solution(points: usize, dims: usize, case: &Case, device: Device) {
    let (source, target) = (cloud(points, dims, 1), cloud(points, dims, 2));
    let problem = case.problem(&source, &target);
    let run = |device| {
        let options = SinkhornOptions { device, tolerance: 1e-6, ..SinkhornOptions::new(0.02 * case.mean) };
        let started = Instant::now();
        let report = sinkhorn(&problem, &options, &Stop::default()).unwrap().report;
        assert!(report.converged, "{report:?}");
        (started.elapsed().as_secs_f64(), report)
    };
    let ((cpu, of_cpu), (there, of_device)) = (run(Device::Cpu), run(device));
    println!(
        "  {points:>6} × {points:<6} d {dims:<3} {:<17} cpu {cpu:>8.4} s  device {there:>8.4} s  {:>6.1} ×  sweeps {} and {}, values differ by {:.0e}",
        case.name,
        cpu / there,
        of_cpu.iterations,
        of_device.iterations,
        (of_cpu.primal / of_device.primal - 1.0).abs()
    );
}

/// A model of USB that was hardly trained: its speed is what counts.
fn model(hidden: &[usize], dims: usize) -> Dynamics {
    let mut options = FitOptions::new(Method::Usb);
    (options.training.epochs, options.training.hidden) = (1, hidden.to_vec());
    let snapshots = if dims == 2 {
        GeneNetwork::default().generate().unwrap()
    } else {
        let times: Vec<f64> = (0..200).map(|i| f64::from(i / 100)).collect();
        let numbers = normal(200 * dims, 3);
        Snapshots::new(MatrixView::from_f64(&numbers, 200, dims).unwrap(), &times, None).unwrap()
    };
    fit(&snapshots, &options, &mut silent).unwrap().dynamics
}

fn time_steps(particles: usize, hidden: &[usize], dims: usize, device: Device, peaks: &Peaks) {
    let model = model(hidden, dims);
    let points: Vec<f32> = normal(particles * dims, 4).iter().map(|&x| x as f32).collect();
    let start = Particles::new(0.0, dims, points, None).unwrap();
    let multiplications = (model.parameter_count() * particles * STEPS) as f64;
    for (process, name, stages) in [(Process::Ode, "rk4", 4.0), (Process::Sde, "diffusion", 1.0)] {
        let simulation = Simulation {
            process,
            rule: Rule::RungeKutta4,
            step: Some(1.0 / STEPS as f64),
            ..Simulation::default()
        };
        let run = |device| {
            best(|| {
                drop(
                    Simulation { device, ..simulation }
                        .run(&model, &start, &[1.0], &Stop::default())
                        .unwrap(),
                )
            })
        };
        let (cpu, there) = (run(Device::Cpu), run(device));
        println!(
            "  {particles:>7} particles d {dims:<3} {} × {:<4} {name:<14} cpu {cpu:>8.4} s  device {there:>8.4} s  {:>6.1} ×  {:>5.1} % of peak (single)",
            hidden.len(),
            hidden[0],
            cpu / there,
            100.0 * 2.0 * stages * multiplications / there / peaks.single
        );
    }
}
