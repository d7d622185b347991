//! Particles stepped on a CUDA device are those of the CPU: the kernels of cuda/particles.cu, through the real host path and
//! the stand-in driver of tests/simt, which runs them on the CPU and watches them.

mod common;
mod cuda_support;

use chreode::device::Device;
use chreode::evaluate::protocol::Protocol;
use chreode::exec::stop::Stop;
use chreode::method::{FitOptions, Method, fit};
use chreode::nn::Activation;
use chreode::simulate::Particles;
use chreode::simulate::branching::{Motion, Offspring};
use chreode::simulate::simulation::{Outcome, Process, Rule, Simulation};
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::{Dynamics, Error};
use common::normal;

const GPU: Device = Device::Cuda(0);

/// What the stand-in has if nothing else is set.
const STANDIN_MULTIPROCESSORS: i64 = 132;

/// Three snapshots of a drifting, growing cloud.
fn snapshots(dims: usize) -> Snapshots {
    snapshots_at([0.0, 1.0, 2.0], dims)
}

fn snapshots_at(at: [f64; 3], dims: usize) -> Snapshots {
    let (points, times): (Vec<f64>, Vec<f64>) = {
        let mut points = vec![];
        let mut times = vec![];
        for (k, count) in [20usize, 26, 34].into_iter().enumerate() {
            points.extend(normal(40 + k as u64, count * dims).iter().map(|x| x + 0.6 * k as f64));
            times.extend(std::iter::repeat_n(at[k], count));
        }
        (points, times)
    };
    Snapshots::new(MatrixView::from_f64(&points, times.len(), dims).unwrap(), &times, None).unwrap()
}

/// A model that was hardly trained: its fields are smooth, and none is zero.
fn model(method: Method, dims: usize, hidden: &[usize], activation: Activation) -> Dynamics {
    fitted_to(&snapshots(dims), method, hidden, activation)
}

fn fitted_to(snapshots: &Snapshots, method: Method, hidden: &[usize], activation: Activation) -> Dynamics {
    let mut options = FitOptions::new(method);
    let training = &mut options.training;
    (training.epochs, training.batch_size, training.activation) = (3, 16, activation);
    (training.hidden, training.growth_hidden, training.score_hidden) = (hidden.to_vec(), None, None);
    let rollout = &mut options.rollout;
    (rollout.pretraining_epochs, rollout.score_epochs, rollout.probes) = (1, 2, 1);
    fit(snapshots, &options, &mut chreode::exec::progress::silent).unwrap().dynamics
}

fn start(count: usize, dims: usize) -> Particles {
    let points: Vec<f32> = normal(3, count * dims).iter().map(|&x| x as f32).collect();
    let weights: Vec<f64> = (0..count).map(|i| 1.0 + (i % 3) as f64).collect();
    Particles::new(0.0, dims, points, Some(&weights)).unwrap()
}

/// 100 steps of a process on either.
fn run(simulation: &Simulation, model: &Dynamics, start: &Particles, times: &[f64]) -> (Outcome, Outcome) {
    let on =
        |device| Simulation { device, ..*simulation }.run(model, start, times, &Stop::default()).unwrap();
    (on(Device::Cpu), on(GPU))
}

/// The bound: states to 1e-5, in units of the particles' spread, after 100 steps.
fn agree(what: &str, cpu: &Outcome, gpu: &Outcome) {
    let outside = [cpu, gpu].map(|outcome| outcome.trajectory.outside.unwrap());
    // A particle may be at a border up to rounding.
    assert!((outside[0] - outside[1]).abs() < 1e-3, "{what}: outside of the box {outside:?}");
    for (a, b) in cpu.trajectory.frames.iter().zip(&gpu.trajectory.frames) {
        assert_eq!(
            (a.time, a.len(), &a.ids, &a.ancestors),
            (b.time, b.len(), &b.ids, &b.ancestors),
            "{what}"
        );
        let spread = a.points.iter().fold(1.0, |m: f32, x| m.max(x.abs()));
        for (row, (x, y)) in a.points.iter().zip(&b.points).enumerate() {
            assert!((x - y).abs() <= 1e-5 * spread, "{what}, time {}: number {row} is {x} and {y}", a.time);
        }
        for (l, k) in a.log_weights.iter().zip(&b.log_weights) {
            assert!((l - k).abs() <= 1e-5 * l.abs().max(1.0), "{what}: ln w is {l} and {k}");
        }
    }
}

fn hundred_steps(process: Process, rule: Rule) -> Simulation {
    Simulation { process, rule, step: Some(0.02), seed: 17, ..Simulation::default() }
}

const PROCESSES: [(Process, Rule); 3] =
    [(Process::Ode, Rule::Euler), (Process::Ode, Rule::RungeKutta4), (Process::Sde, Rule::Euler)];

#[test]
fn every_method_s_fields_step_the_same() {
    let Some(_device) = cuda_support::device() else { return };
    for method in [
        Method::OtCfm,
        Method::Sf2m,
        Method::Vgfm,
        Method::Usb,
        Method::Tigon,
        Method::DeepRuot,
        Method::VarRuot,
    ] {
        let model = model(method, 3, &[24, 10], Activation::Silu);
        for (process, rule) in PROCESSES {
            let (cpu, gpu) = run(&hundred_steps(process, rule), &model, &start(37, 3), &[0.5, 2.0]);
            agree(&format!("{method}, {process}, {rule}"), &cpu, &gpu);
        }
    }
}

#[test]
fn units_of_each_interval_step_the_same_forward_and_backward() {
    let Some(_device) = cuda_support::device() else { return };
    let spaced = snapshots_at([0.0, 0.25, 2.0], 3);
    for method in [Method::Usb, Method::VarRuot] {
        let model = fitted_to(&spaced, method, &[24, 10], Activation::Silu);
        for (process, rule) in PROCESSES {
            let simulation = hundred_steps(process, rule);
            for (from, times) in [(0.0, [0.2, 2.0]), (2.5, [0.25, 0.0])] {
                let start = Particles { time: from, ..start(37, 3) };
                let (cpu, gpu) = run(&simulation, &model, &start, &times);
                agree(&format!("{method}, {process}, {rule} from {from}"), &cpu, &gpu);
            }
        }
        let equal = Particles::new(0.0, 3, start(50, 3).points, None).unwrap();
        let (cpu, gpu) = run(&hundred_steps(Process::Branching, Rule::Euler), &model, &equal, &[0.2, 2.0]);
        agree(&format!("{method}, branching"), &cpu, &gpu);
    }
}

#[test]
fn both_growth_laws_of_a_potential_step_the_same() {
    let Some(_device) = cuda_support::device() else { return };
    for law in ["quadratic", "power"] {
        let mut settings = chreode::options::Settings::<FitOptions>::default();
        for (name, value) in [
            ("method", "var-ruot"),
            ("epochs", "2"),
            ("hidden", "12x2"),
            ("batch_size", "16"),
            ("score_epochs", "1"),
            ("growth_price", law),
        ] {
            settings.set(name, value).unwrap();
        }
        let fitted =
            fit(&snapshots(2), &settings.build().unwrap(), &mut chreode::exec::progress::silent).unwrap();
        let (cpu, gpu) =
            run(&hundred_steps(Process::Sde, Rule::Euler), &fitted.dynamics, &start(20, 2), &[2.0]);
        agree(law, &cpu, &gpu);
    }
}

#[test]
fn every_activation_steps_the_same() {
    let Some(_device) = cuda_support::device() else { return };
    for &activation in Activation::ALL {
        let model = model(Method::Usb, 2, &[33], activation);
        let (cpu, gpu) = run(&hundred_steps(Process::Sde, Rule::Euler), &model, &start(19, 2), &[2.0]);
        agree(activation.as_str(), &cpu, &gpu);
        if activation.is_smooth() {
            let model = self::model(Method::VarRuot, 2, &[33, 5], activation);
            let (cpu, gpu) =
                run(&hundred_steps(Process::Ode, Rule::RungeKutta4), &model, &start(19, 2), &[2.0]);
            agree(activation.as_str(), &cpu, &gpu);
        }
    }
}

#[test]
fn sizes_that_fit_no_block_step_the_same() {
    let Some(device) = cuda_support::device() else { return };
    let multiprocessors = |count: i64| {
        if let Some(standin) = device.standin() {
            standin.set("multiprocessors", count);
        }
    };
    // One multiprocessor: large blocks for few particles.
    multiprocessors(1);
    for (count, dims, hidden) in [
        (1, 1, vec![1]),
        (15, 1, vec![65, 3]),
        (64, 16, vec![64, 64]),
        (65, 17, vec![7, 130]),
        (130, 2, vec![16; 5]),
        (33, 128, vec![20]),
    ] {
        let model = model(Method::Usb, dims, &hidden, Activation::Tanh);
        for (process, rule) in PROCESSES {
            let (cpu, gpu) = run(&hundred_steps(process, rule), &model, &start(count, dims), &[2.0]);
            agree(
                &format!("{count} particles in {dims} dimensions, {hidden:?}, {process}, {rule}"),
                &cpu,
                &gpu,
            );
        }
    }
    multiprocessors(STANDIN_MULTIPROCESSORS);
    // Many multiprocessors take 16 particles a block; wide networks leave room for no more than 32, or 16.
    for hidden in [vec![500], vec![700, 4]] {
        multiprocessors(1);
        let model = model(Method::DeepRuot, 2, &hidden, Activation::Silu);
        let simulation = Simulation { step: Some(0.5), ..hundred_steps(Process::Sde, Rule::Euler) };
        let (cpu, gpu) = run(&simulation, &model, &start(70, 2), &[2.0]);
        agree(&format!("{hidden:?}"), &cpu, &gpu);
        multiprocessors(STANDIN_MULTIPROCESSORS);
    }
    // No particles at all.
    let model = model(Method::Usb, 2, &[8], Activation::Silu);
    let none = Particles::new(0.0, 2, vec![], None).unwrap();
    for (process, rule) in PROCESSES {
        let (cpu, gpu) = run(&hundred_steps(process, rule), &model, &none, &[2.0]);
        assert_eq!(cpu, gpu);
    }
}

#[test]
fn the_way_back_and_resampling_are_the_same() {
    let Some(_device) = cuda_support::device() else { return };
    let model = model(Method::Usb, 2, &[16, 16], Activation::Silu);
    let late = Particles { time: 2.0, ..start(40, 2) };
    for (process, rule) in PROCESSES {
        let (cpu, gpu) = run(&hundred_steps(process, rule), &model, &late, &[1.5, 0.0]);
        agree(&format!("{process} backward"), &cpu, &gpu);
    }
    let resampled = Simulation { resample_below: 0.99, ..hundred_steps(Process::Sde, Rule::Euler) };
    let (cpu, gpu) = run(&resampled, &model, &start(50, 2), &[1.0, 2.0]);
    agree("resampling", &cpu, &gpu);
    assert_ne!(gpu.trajectory.frames[0].ancestors, (0..50).collect::<Vec<_>>(), "something was resampled");
}

#[test]
fn families_are_the_same_cell_by_cell() {
    let Some(device) = cuda_support::device() else { return };
    for method in [Method::Usb, Method::VarRuot] {
        let model = model(method, 2, &[16, 16], Activation::Silu);
        let one_hot = [(Motion::Flow, 0.0), (Motion::Diffusion, 0.4), (Motion::Diffusion, 3.0)];
        let all = one_hot.map(|(motion, turnover)| (motion, turnover, Offspring::OneHot));
        let of_reference = (Motion::Diffusion, 0.1, Offspring::Reference);
        for (motion, turnover, offspring) in all.into_iter().chain([of_reference]) {
            let simulation = Simulation {
                motion: Some(motion),
                turnover,
                offspring,
                branching_rate: (offspring == Offspring::Reference).then_some(2.0),
                step: Some(0.05),
                ..hundred_steps(Process::Branching, Rule::Euler)
            };
            let equal = Particles::new(0.0, 2, start(90, 2).points, None).unwrap();
            let (cpu, gpu) = run(&simulation, &model, &equal, &[0.7, 2.0]);
            let what = format!("{method}, {motion}, turnover {turnover}, {offspring}");
            agree(&what, &cpu, &gpu);
            let (a, b) = (cpu.lineage.unwrap(), gpu.lineage.unwrap());
            assert_eq!(a.nodes().len(), b.nodes().len(), "{what}");
            for (a, b) in a.nodes().iter().zip(b.nodes()) {
                assert_eq!((a.parent, a.fate), (b.parent, b.fate), "{what}");
                // Times are drawn from rates in single precision.
                assert!(
                    (a.birth - b.birth).abs() < 1e-4 && (a.end - b.end).abs() < 1e-4,
                    "{what}: {a:?} {b:?}"
                );
            }
            if turnover > 0.0 {
                assert!(a.nodes().len() > 100, "{what}: there were births");
            }
        }
    }
    // More than the cap is an error on either, at the same time.
    let model = model(Method::Usb, 2, &[8], Activation::Silu);
    let simulation =
        Simulation { turnover: 5.0, max_population: 95, ..hundred_steps(Process::Branching, Rule::Euler) };
    let equal = Particles::new(0.0, 2, start(90, 2).points, None).unwrap();
    let on = |device| {
        Simulation { device, ..simulation }.run(&model, &equal, &[2.0], &Stop::default()).unwrap_err()
    };
    assert_eq!(on(GPU), on(Device::Cpu));
    assert!(device.standin().is_none_or(|standin| standin.get("allocations") == 0));
}

#[test]
fn an_evaluation_predicts_on_the_device_and_measures_the_same() {
    let Some(device) = cuda_support::device() else { return };
    let (model, snapshots) = (model(Method::Usb, 2, &[16], Activation::Silu), snapshots(2));
    for (process, rule) in PROCESSES {
        let on = |device| {
            let simulation = Simulation { device, step: Some(0.1), ..hundred_steps(process, rule) };
            Protocol { simulation, runs: 2, ..Protocol::default() }
                .run(&model, &snapshots, &Stop::default())
                .unwrap()
        };
        let launches = || device.standin().map_or(0, |standin| standin.get("launches"));
        let before = launches();
        let (cpu, gpu) = (on(Device::Cpu), on(GPU));
        assert!(device.standin().is_none() || launches() > before, "{process} ran on the device");
        for (a, b) in cpu.time_points.iter().zip(&gpu.time_points) {
            assert!((a.w1.mean - b.w1.mean).abs() < 1e-5 * a.w1.mean, "{process}: {a:?} and {b:?}");
            assert!((a.rme.mean - b.rme.mean).abs() < 1e-5, "{process}: {a:?} and {b:?}");
        }
    }
}

#[test]
fn the_order_of_threads_and_blocks_does_not_matter() {
    let Some(device) = cuda_support::device() else { return };
    let model = model(Method::VarRuot, 2, &[12, 12], Activation::Silu);
    let simulation =
        Simulation { turnover: 1.0, step: Some(0.2), ..hundred_steps(Process::Branching, Rule::Euler) };
    let equal = Particles::new(0.0, 2, start(70, 2).points, None).unwrap();
    let outcome = |order| {
        device.order(order);
        Simulation { device: GPU, ..simulation }.run(&model, &equal, &[2.0], &Stop::default()).unwrap()
    };
    let first = outcome(0);
    for order in 1..=20 {
        assert_eq!(outcome(order), first, "thread order {order}");
    }
}

#[test]
fn populations_beyond_the_memory_go_in_parts() {
    let Some(device) = cuda_support::standin() else { return };
    let model = model(Method::Usb, 2, &[8], Activation::Silu);
    let simulation = Simulation { device: GPU, step: Some(0.5), ..hundred_steps(Process::Sde, Rule::Euler) };
    let whole = simulation.run(&model, &start(3000, 2), &[1.0, 2.0], &Stop::default()).unwrap();
    device.set("multiprocessors", 1);
    // Room for the kernels' own buffers and about a thousand particles.
    device.set("memory", 300_000);
    let before = device.get("launches");
    let parts = simulation.run(&model, &start(3000, 2), &[1.0, 2.0], &Stop::default()).unwrap();
    assert!(device.get("launches") - before > 2, "it went in parts");
    assert_eq!(parts, whole);
    // Cells that branch need each other: they are refused with the numbers.
    let branching = Simulation { process: Process::Branching, ..simulation };
    let equal = Particles::new(0.0, 2, start(3000, 2).points, None).unwrap();
    let error = branching.run(&model, &equal, &[2.0], &Stop::default()).unwrap_err().to_string();
    assert!(error.contains("a population of 3000 in 2 dimensions needs"), "{error}");
    device.set("new", 0);
}

#[test]
fn what_a_device_cannot_do_is_refused_in_words() {
    let Some(device) = cuda_support::standin() else { return };
    let model = model(Method::Usb, 2, &[40], Activation::Silu);
    let (start, times) = (start(20, 2), [1.0]);
    let told = |simulation: Simulation, part: &str| {
        let error = simulation.run(&model, &start, &times, &Stop::default()).unwrap_err().to_string();
        assert!(error.contains(part), "`{error}` does not tell `{part}`");
        assert_eq!(device.get("allocations"), 0, "after `{error}`");
    };
    let euler = Simulation { device: GPU, ..hundred_steps(Process::Ode, Rule::Euler) };
    told(Simulation { rule: Rule::DormandPrince, ..euler }, "solver must be rk4 or euler on a CUDA device");
    device.set("shared_optin", 6000);
    told(euler, "networks 40 units wide in 2 dimensions need");
    device.set("new", 0);
    for nth in 1..=3 {
        device.set("fail_launch", nth);
        told(Simulation { process: Process::Sde, resample_below: 1.0, ..euler }, "CUDA_ERROR_LAUNCH_FAILED");
        device.set("new", 0);
    }
    device.set("fail_alloc", 4);
    told(euler, "CUDA_ERROR_OUT_OF_MEMORY");
    device.set("new", 0);
    // A field that blows up is told as on the CPU.
    let far = Particles::new(0.0, 2, vec![f32::MAX; 4], None).unwrap();
    let on = |device| {
        Simulation { device, step: Some(1e37), ..euler }
            .run(&model, &far, &[3e38], &Stop::default())
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(on(GPU).is_err(), on(Device::Cpu).is_err());
    // `auto` leaves to the CPU what is small, and what only it can do.
    let before = device.get("launches");
    for rule in [Rule::DormandPrince, Rule::Euler] {
        Simulation { device: Device::Auto, rule, ..euler }
            .run(&model, &start, &times, &Stop::default())
            .unwrap();
    }
    assert_eq!(device.get("launches"), before);
    // The mean of an ensemble is the CPU's, which `auto` knows at any number of particles.
    let mut options = FitOptions::new(Method::OtCfm);
    (options.ensemble, options.training.epochs, options.training.hidden) = (2, 1, vec![4]);
    let ensemble = fit(&snapshots(2), &options, &mut chreode::exec::progress::silent).unwrap().dynamics;
    let many = self::start(1 << 14, 2);
    let run = |device| {
        Simulation { device, step: Some(1.0), ..euler }.run(&ensemble, &many, &times, &Stop::default())
    };
    let told = run(GPU).unwrap_err().to_string();
    assert!(told.starts_with("the number of members of the model must be 1 on a CUDA device"), "{told}");
    assert_eq!(run(Device::Auto), run(Device::Cpu));
    assert_eq!(device.get("launches"), before);
}

/// The offsets of descendants are summed in passes of 8192 cells: here there are two.
#[test]
fn a_population_beyond_one_pass_of_the_sums_branches_the_same() {
    let Some(_device) = cuda_support::device() else { return };
    let model = model(Method::Usb, 2, &[8], Activation::Silu);
    let equal = Particles::new(0.0, 2, start(8300, 2).points, None).unwrap();
    let simulation =
        Simulation { turnover: 0.2, step: Some(0.5), ..hundred_steps(Process::Branching, Rule::Euler) };
    let (cpu, gpu) = run(&simulation, &model, &equal, &[0.5]);
    agree("8300 cells", &cpu, &gpu);
}

#[test]
fn a_request_to_stop_ends_every_process_on_the_device() {
    let Some(device) = cuda_support::standin() else { return };
    let model = model(Method::Usb, 2, &[8], Activation::Silu);
    let (start, equal) = (start(40, 2), Particles::new(0.0, 2, start(40, 2).points, None).unwrap());
    // A hundred million steps: they would take days.
    let endless = Simulation { device: GPU, step: Some(1e-8), ..hundred_steps(Process::Ode, Rule::Euler) };
    for (process, resample_below, start) in [
        (Process::Ode, 0.0, &start),
        (Process::Sde, 0.0, &start),
        (Process::Sde, 0.5, &start),
        (Process::Branching, 0.0, &equal),
    ] {
        let stop = Stop::default();
        let simulation = Simulation { process, resample_below, ..endless };
        let before = device.get("launches");
        let run = || simulation.run(&model, start, &[1.0], &stop).map(drop);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while device.get("launches") < before + 20 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                stop.request();
            });
            assert_eq!(run(), Err(Error::Cancelled), "{process}");
        });
        let launched = device.get("launches");
        assert_eq!(run(), Err(Error::Cancelled), "{process}, asked before it begins");
        assert_eq!(device.get("launches"), launched);
        assert_eq!(device.get("allocations"), 0);
    }
}
