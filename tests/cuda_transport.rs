//! Sinkhorn on a CUDA device gives the CPU's numbers: the kernels of cuda/sinkhorn.cu, through the real host path and the
//! stand-in driver of tests/simt, which runs them on the CPU and watches them.

mod common;
mod cuda_support;

use chreode::device::Device;
use chreode::exec::stop::Stop;
use chreode::method::{FitOptions, Method, fit};
use chreode::transport::entropy_transport::{EntropyTransportOptions, entropy_transport};
use chreode::transport::sinkhorn::{SinkhornOptions, sinkhorn};
use chreode::transport::{Cost, PointCloud, Problem, Solution};
use common::{cloud, normal};

const GPU: Device = Device::Cuda(0);
const HARD: f64 = f64::INFINITY;

/// Two clouds of `n` and `m` points around 0 and around 0.7, with weights that differ.
fn clouds(n: usize, m: usize, dims: usize, seed: u64) -> (PointCloud, PointCloud) {
    let weights = |count: usize| (0..count).map(|i| 0.5 + (i % 7) as f64 / 7.0).collect::<Vec<f64>>();
    // In many dimensions distances concentrate: of the same size as in few, so that ε means the same.
    let scale = 1.0 / (dims as f64).sqrt();
    let x: Vec<f64> = normal(seed, n * dims).iter().map(|x| x * scale).collect();
    let y: Vec<f64> = normal(seed + 1, m * dims).iter().map(|y| (y + 0.7) * scale).collect();
    (cloud(&x, dims, Some(&weights(n))), cloud(&y, dims, Some(&weights(m))))
}

fn solve(
    clouds: &(PointCloud, PointCloud),
    cost: Cost,
    penalties: (f64, f64),
    epsilon: f64,
    device: Device,
) -> Solution {
    let normalised =
        |cloud: &PointCloud| if penalties.0 == HARD { cloud.clone().normalised() } else { cloud.clone() };
    let (source, target) = (normalised(&clouds.0), normalised(&clouds.1));
    let (source_penalty, target_penalty) = penalties;
    let problem = Problem { source: &source, target: &target, cost, source_penalty, target_penalty };
    let options = SinkhornOptions { device, tolerance: 1e-8, ..SinkhornOptions::new(epsilon) };
    sinkhorn(&problem, &options, &Stop::default()).unwrap()
}

/// The largest finite value.
fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().filter(|x| x.is_finite()).fold(1e-300, |m: f64, x| m.max(x.abs()))
}

/// The largest difference in units of `largest`; what is infinite must be so on both sides.
fn difference(what: &str, a: &[f64], b: &[f64], largest: f64) -> f64 {
    assert_eq!(a.len(), b.len(), "{what}");
    a.iter().zip(b).fold(0.0, |worst: f64, (x, y)| {
        assert_eq!(x.is_finite(), y.is_finite(), "{what}: {x} and {y}");
        if x.is_finite() { worst.max((x - y).abs() / largest) } else { worst }
    })
}

fn agrees(what: &str, cpu: &Solution, gpu: &Solution) {
    assert!(cpu.report.converged && gpu.report.converged, "{what}: {:?} {:?}", cpu.report, gpu.report);
    // The potentials of a converged iteration are as far from each other as either is from the optimum; the issue asks for 1e-5.
    let scale = largest(cpu.source_potential.iter().chain(&cpu.target_potential));
    let f = difference(what, &cpu.source_potential, &gpu.source_potential, scale);
    let g = difference(what, &cpu.target_potential, &gpu.target_potential, scale);
    assert!(f < 1e-5 && g < 1e-5, "{what}: the potentials differ by {f:e} and {g:e}");
    for (name, a, b) in [
        ("primal", cpu.report.primal, gpu.report.primal),
        ("dual", cpu.report.dual, gpu.report.dual),
        ("mass", cpu.report.transported_mass, gpu.report.transported_mass),
        ("cost", cpu.report.transport_cost, gpu.report.transport_cost),
    ] {
        assert!((a - b).abs() <= 1e-6 * a.abs().max(1e-9), "{what}: {name} is {a} and {b}");
    }
    let (rows, columns) = (cpu.plan.row_mass(), cpu.plan.column_mass(cpu.target_potential.len()));
    let of_device = (gpu.plan.row_mass(), gpu.plan.column_mass(gpu.target_potential.len()));
    assert!(difference(what, &rows, &of_device.0, largest(&rows)) < 1e-5, "{what}: row masses");
    assert!(difference(what, &columns, &of_device.1, largest(&columns)) < 1e-5, "{what}: column masses");
    // The same entries but for those at the threshold.
    let (a, b) = (cpu.plan.values.len() as f64, gpu.plan.values.len() as f64);
    assert!((a - b).abs() <= 2.0 + 0.01 * a, "{what}: {a} and {b} entries");
}

#[test]
fn every_cost_and_penalty_agrees_at_sizes_that_fit_no_tile() {
    let Some(_device) = cuda_support::device() else { return };
    let sizes = [(1, 1, 1), (1, 70, 2), (65, 1, 3), (64, 64, 16), (63, 65, 17), (130, 257, 5), (40, 33, 128)];
    for (k, (n, m, dims)) in sizes.into_iter().enumerate() {
        let clouds = clouds(n, m, dims, 10 + k as u64);
        for cost in [Cost::Euclidean, Cost::HalfSquaredEuclidean, Cost::Wfr { delta: 1.0 }] {
            for penalties in [(HARD, HARD), (1.5, HARD), (HARD, 0.8), (1.0, 1.0)] {
                if penalties != (1.0, 1.0) && matches!(cost, Cost::Wfr { .. }) {
                    continue; // points out of reach forbid hard marginals
                }
                let what = format!("{n} × {m} in {dims} dimensions, {cost:?}, penalties {penalties:?}");
                let of = |device| solve(&clouds, cost, penalties, 0.3, device);
                agrees(&what, &of(Device::Cpu), &of(GPU));
            }
        }
    }
}

#[test]
fn points_out_of_reach_and_small_regularisation_agree() {
    let Some(_device) = cuda_support::device() else { return };
    let (mut x, y) = (normal(1, 2 * 90), normal(2, 2 * 75));
    x[4] = 100.0; // the third point is out of everyone's reach
    let clouds = (cloud(&x, 2, None), cloud(&y, 2, None));
    let of = |device| solve(&clouds, Cost::Wfr { delta: 0.6 }, (1.0, 1.0), 0.02, device);
    let (cpu, gpu) = (of(Device::Cpu), of(GPU));
    assert_eq!(gpu.source_potential[2], f64::INFINITY);
    agrees("out of reach", &cpu, &gpu);
    // No point reaches any other: nothing is transported, on either.
    let far = cloud(&[500.0, 500.0], 2, None);
    let of =
        |device| solve(&(clouds.0.clone(), far.clone()), Cost::Wfr { delta: 0.6 }, (1.0, 1.0), 0.1, device);
    assert_eq!(of(GPU).report, of(Device::Cpu).report);
}

#[test]
fn coordinates_whose_squares_underflow_agree() {
    let Some(_device) = cuda_support::device() else { return };
    for unit in [1e-200, 1e-300, 1e100] {
        let (x, y) = clouds(50, 70, 2, 3);
        let scaled = |c: &PointCloud| {
            let points: Vec<f64> = c.points().iter().map(|x| unit * x).collect();
            cloud(&points, 2, Some(c.weights()))
        };
        let clouds = (scaled(&x), scaled(&y));
        for (cost, penalty, epsilon) in
            [(Cost::Euclidean, unit, 0.3 * unit), (Cost::Wfr { delta: unit }, 1.0, 0.3)]
        {
            let of = |device| solve(&clouds, cost, (penalty, penalty), epsilon, device);
            let (cpu, gpu) = (of(Device::Cpu), of(GPU));
            assert!(cpu.report.transport_cost > 0.1 * epsilon, "{:?}", cpu.report);
            assert!((gpu.report.primal / cpu.report.primal - 1.0).abs() < 1e-6, "{unit:e} {cost:?}");
            let cost_of = |solution: &Solution| solution.report.transport_cost;
            assert!((cost_of(&gpu) / cost_of(&cpu) - 1.0).abs() < 1e-6, "{unit:e} {cost:?}");
        }
    }
}

#[test]
fn the_order_of_threads_and_blocks_does_not_matter() {
    let Some(device) = cuda_support::device() else { return };
    let clouds = clouds(70, 131, 3, 5);
    let solution = |order| {
        device.order(order);
        solve(&clouds, Cost::Wfr { delta: 1.0 }, (1.0, 1.0), 0.2, GPU)
    };
    let first = solution(0);
    for order in 1..=20 {
        assert_eq!(solution(order), first, "thread order {order}");
    }
    device.order(0);
}

#[test]
fn unregularised_transport_starts_on_the_device_and_ends_at_the_same_optimum() {
    let Some(_device) = cuda_support::device() else { return };
    let (source, target) = clouds(150, 140, 4, 7);
    for cost in [Cost::Wfr { delta: 1.0 }, Cost::HalfSquaredEuclidean] {
        let problem =
            Problem { source: &source, target: &target, cost, source_penalty: 1.0, target_penalty: 1.0 };
        let of = |device| {
            entropy_transport(
                &problem,
                &EntropyTransportOptions { device, ..Default::default() },
                &Stop::default(),
            )
            .unwrap()
        };
        let (cpu, gpu) = (of(Device::Cpu), of(GPU));
        assert!(gpu.report.converged);
        let relative = (cpu.report.primal - gpu.report.primal).abs() / cpu.report.primal;
        // Both are certified to 1e-9.
        assert!(relative <= 2e-9, "{} and {}", cpu.report.primal, gpu.report.primal);
    }
}

#[test]
fn a_fit_with_couplings_of_the_device_learns_the_same() {
    let Some(device) = cuda_support::device() else { return };
    let generator = chreode::datasets::GeneNetwork { cells_per_state: 8, seed: 3 };
    let snapshots = generator.generate().unwrap();
    for method in [Method::Usb, Method::Sf2m] {
        let of = |device, chunk_size| {
            let mut options = FitOptions::new(method);
            (options.training.epochs, options.training.hidden) = (30, vec![16, 16]);
            options.sigma = Some(0.3);
            (options.device, options.chunk_size, options.seed) = (device, chunk_size, 5);
            fit(&snapshots, &options, &mut chreode::exec::progress::silent).unwrap()
        };
        for chunk in [None, Some(12)] {
            let (cpu, gpu) = (of(Device::Cpu, chunk), of(GPU, chunk));
            for (a, b) in cpu.report.losses.iter().zip(&gpu.report.losses) {
                // Plans that differ in the ninth figure choose the same pairs, but for a rare one.
                assert!((a - b).abs() <= 2e-2 * a.abs(), "{method}: losses {a} and {b}");
            }
            for (a, b) in cpu.report.couplings.iter().flatten().zip(gpu.report.couplings.iter().flatten()) {
                assert!(
                    (a.primal - b.primal).abs() <= 1e-5 * a.primal.abs(),
                    "{method}: {} and {}",
                    a.primal,
                    b.primal
                );
            }
        }
    }
    drop(device);
}

#[test]
fn nothing_is_left_on_the_device() {
    let Some(device) = cuda_support::standin() else { return };
    let clouds = clouds(80, 90, 2, 9);
    solve(&clouds, Cost::Euclidean, (1.0, 1.0), 0.1, GPU);
    for what in ["allocations", "bytes", "modules", "streams", "events", "contexts"] {
        assert_eq!(device.get(what), 0, "{what}");
    }
    assert_eq!(device.get("faults"), 0);
}

#[test]
fn what_a_device_cannot_do_is_refused_in_words() {
    let Some(device) = cuda_support::standin() else { return };
    let clouds = clouds(400, 300, 3, 9);
    let problem = Problem {
        source: &clouds.0,
        target: &clouds.1,
        cost: Cost::Euclidean,
        source_penalty: 1.0,
        target_penalty: 1.0,
    };
    let refused = |told: &[&str]| {
        let error = sinkhorn(
            &problem,
            &SinkhornOptions { device: GPU, ..SinkhornOptions::new(0.1) },
            &Stop::default(),
        )
        .unwrap_err();
        assert!(matches!(error, chreode::Error::Device(_)), "{error:?}");
        for part in told {
            assert!(error.to_string().contains(part), "`{error}` does not tell `{part}`");
        }
        assert_eq!(device.get("allocations"), 0, "after `{error}`");
        assert_eq!(device.get("contexts"), 0, "after `{error}`");
    };
    device.set("memory", 20_000);
    refused(&[
        "400 and 300 points in 3 dimensions needs 80 KiB of memory on cuda:0, which has 20 KiB free",
        "cpu",
    ]);
    device.set("memory", 200_000);
    refused(&["a plan of", "raise epsilon, or use device cpu"]);
    device.set("memory", 1 << 30);
    for nth in [1, 5, 12, 20] {
        device.set("fail_alloc", nth);
        refused(&["taking memory (CUDA_ERROR_OUT_OF_MEMORY)", "its memory is full"]);
    }
    device.set("fail_alloc", 0);
    for nth in [1, 2, 40] {
        device.set("fail_launch", nth);
        refused(&["CUDA_ERROR_LAUNCH_FAILED", "device cpu"]);
        device.set("new", 0);
    }
    device.set("capability", 60);
    refused(&["compute capability 6.0; 7.0 or higher is needed"]);
    device.set("new", 0);
    device.set("driver_version", 12020);
    refused(&["too old, it is for CUDA 12.2", "570"]);
    device.set("new", 0);
    device.set("devices", 0);
    refused(&["no CUDA device", "device cpu"]);
    device.set("new", 0);
    let error = solve_on(&problem, Device::Cuda(7));
    assert!(error.contains("no device cuda:7"), "{error}");
    // And then it works again.
    assert!(
        sinkhorn(&problem, &SinkhornOptions { device: GPU, ..SinkhornOptions::new(0.1) }, &Stop::default())
            .unwrap()
            .report
            .converged
    );
}

fn solve_on(problem: &Problem<'_>, device: Device) -> String {
    sinkhorn(problem, &SinkhornOptions { device, ..SinkhornOptions::new(0.1) }, &Stop::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn auto_takes_the_device_for_large_problems_only() {
    let Some(device) = cuda_support::standin() else { return };
    let small = clouds(30, 30, 2, 1);
    let before = device.get("launches");
    solve(&small, Cost::Euclidean, (1.0, 1.0), 0.5, Device::Auto);
    assert_eq!(device.get("launches"), before, "900 pairs");
}
