//! `chreode doctor`: what there is to compute with, and whether it computes the same.

use clap::Args;
use serde_json::{Value, json};

use crate::failure::Result;
use crate::output::{print, print_json};

#[derive(Debug, Args)]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub fn run(self) -> Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let found = devices::examine();
        if self.json {
            print_json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "cpu": { "cores": cores },
                "devices": found.devices,
                "problem": found.problem,
            }))?;
        } else {
            let version = env!("CARGO_PKG_VERSION");
            print(&format!("chreode {version}\n\ncpu: {cores} cores\n{}", found.text))?;
        }
        found.outcome
    }
}

/// What is found out about devices other than the CPU.
struct Findings {
    text: String,
    devices: Vec<Value>,
    /// Why there is none.
    problem: Option<String>,
    /// A failure if a device does not compute what the CPU does.
    outcome: Result<()>,
}

#[cfg(not(feature = "cuda"))]
mod devices {
    use super::Findings;

    pub fn examine() -> Findings {
        let problem = "This command was built without other devices.";
        Findings { text: problem.into(), devices: vec![], problem: Some(problem.into()), outcome: Ok(()) }
    }
}

#[cfg(feature = "cuda")]
mod devices {
    use std::time::Instant;

    use chreode::datasets::GeneNetwork;
    use chreode::device::Device;
    use chreode::device::cuda::{self, Gpu};
    use chreode::exec::progress::silent;
    use chreode::exec::stop::Stop;
    use chreode::simulate::Particles;
    use chreode::simulate::simulation::{Outcome, Process, Rule, Simulation};
    use chreode::snapshots::MatrixView;
    use chreode::transport::{Cost, PointCloud, Problem, sinkhorn};
    use chreode::{Dynamics, Error, FitOptions, Method, fit};

    use super::{Findings, Value, json};
    use crate::failure::Failure;
    use crate::output::{columns, short};

    /// How far a device may be from the CPU, in units of what is compared: networks are evaluated in single precision, with
    /// rounding errors of 1e-7 an operation.
    const ALLOWED: f64 = 1e-5;

    pub fn examine() -> Findings {
        let devices = match cuda::devices() {
            Ok(devices) => devices,
            Err(error) => {
                let problem = format!("cuda: {error}");
                return Findings {
                    text: problem.clone(),
                    devices: vec![],
                    problem: Some(problem),
                    outcome: Ok(()),
                };
            }
        };
        let (mut text, mut found_devices, mut outcome) = (String::new(), vec![], Ok(()));
        for device in devices {
            let name = format!("cuda:{}", device.ordinal);
            let (major, minor) = device.capability;
            let (memory, multiprocessors) = (device.memory >> 20, device.multiprocessors);
            text += &format!(
                "{name}: {}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, {memory} MiB\n",
                device.name
            );
            let mut found = json!({
                "device": name, "name": device.name, "compute_capability": [major, minor],
                "multiprocessors": multiprocessors, "memory": device.memory, "bandwidth": device.bandwidth,
            });
            match Gpu::open(device.ordinal).and_then(|gpu| Ok((gpu.kernels(), self_test(device.ordinal)?))) {
                Ok((kernels, checks)) => {
                    text += &format!("{} kernels loaded: {}\n\n", kernels.len(), kernels.join(", "));
                    let rows: Vec<Vec<String>> = checks.iter().map(Check::row).collect();
                    text += &columns(&["check", "difference", "", "cpu", "device"], &rows);
                    found["kernels"] = json!(kernels);
                    found["checks"] = checks.iter().map(Check::json).collect();
                    if let Some(bad) = checks.iter().find(|check| !check.passed()) {
                        outcome =
                            Err(Failure::Failed(format!("{name} differs from the CPU in {}", bad.name)));
                    }
                }
                Err(error) => {
                    text += &format!("{error}\n");
                    found["error"] = json!(error.to_string());
                    outcome = Err(Failure::Failed(format!("{name} cannot be used")));
                }
            }
            found_devices.push(found);
        }
        Findings { text, devices: found_devices, problem: None, outcome }
    }

    /// One comparison of a device with the CPU.
    struct Check {
        name: &'static str,
        /// The largest difference, in units of the largest value.
        difference: f64,
        cpu_seconds: f64,
        device_seconds: f64,
    }

    impl Check {
        fn passed(&self) -> bool {
            self.difference <= ALLOWED
        }

        fn row(&self) -> Vec<String> {
            let verdict = if self.passed() { "ok" } else { "WRONG" };
            vec![
                self.name.into(),
                short(self.difference),
                verdict.into(),
                format!("{} s", short(self.cpu_seconds)),
                format!("{} s", short(self.device_seconds)),
            ]
        }

        fn json(&self) -> Value {
            json!({
                "check": self.name, "difference": self.difference, "allowed": ALLOWED, "passed": self.passed(),
                "cpu_seconds": self.cpu_seconds, "device_seconds": self.device_seconds,
            })
        }
    }

    /// Every kernel, on small problems.
    fn self_test(ordinal: usize) -> Result<Vec<Check>, Error> {
        let device = Device::Cuda(ordinal);
        let snapshots = GeneNetwork { cells_per_state: 40, seed: 0 }.generate()?;
        let mut options = FitOptions::new(Method::Usb);
        (options.training.epochs, options.training.hidden) = (50, vec![64, 64]);
        let model = fit(&snapshots, &options, &mut silent)?.dynamics;
        let start = Particles::of_snapshot(&snapshots, 0);
        let cloud = |k: usize| -> Result<PointCloud, Error> {
            let points = snapshots.points(k);
            let view = MatrixView::from_f32(&points, snapshots.count(k), snapshots.dims())?;
            PointCloud::new(view, Some(snapshots.weights(k)))
        };
        let clouds = (cloud(0)?, cloud(4)?);
        Ok(vec![
            transport(
                "transport, half-sqeuclidean, hard marginals",
                &clouds,
                Cost::HalfSquaredEuclidean,
                f64::INFINITY,
                device,
            )?,
            transport("transport, euclidean, penalty 1", &clouds, Cost::Euclidean, 1.0, device)?,
            transport("transport, wfr, penalty 1", &clouds, Cost::Wfr { delta: 1.0 }, 1.0, device)?,
            simulation("flow, euler", Process::Ode, Rule::Euler, &model, &start, device)?,
            simulation("flow, rk4", Process::Ode, Rule::RungeKutta4, &model, &start, device)?,
            simulation("diffusion", Process::Sde, Rule::Euler, &model, &start, device)?,
            simulation("branching", Process::Branching, Rule::Euler, &model, &start, device)?,
        ])
    }

    fn transport(
        name: &'static str,
        (source, target): &(PointCloud, PointCloud),
        cost: Cost,
        penalty: f64,
        device: Device,
    ) -> Result<Check, Error> {
        let (source, target) = (source.clone().normalised(), target.clone().normalised());
        let problem = Problem {
            source: &source,
            target: &target,
            cost,
            source_penalty: penalty,
            target_penalty: penalty,
        };
        let solve = |device: Device| {
            let options = sinkhorn::SinkhornOptions { device, ..sinkhorn::SinkhornOptions::new(0.05) };
            sinkhorn::sinkhorn(&problem, &options, &chreode::exec::stop::Stop::default())
        };
        let ((cpu, cpu_seconds), (there, device_seconds)) =
            (timed(|| solve(Device::Cpu))?, timed(|| solve(device))?);
        let difference = difference(&cpu.source_potential, &there.source_potential)
            .max(difference(&cpu.target_potential, &there.target_potential));
        Ok(Check { name, difference, cpu_seconds, device_seconds })
    }

    fn simulation(
        name: &'static str,
        process: Process,
        rule: Rule,
        model: &Dynamics,
        start: &Particles,
        device: Device,
    ) -> Result<Check, Error> {
        let times = [1.0, 2.0];
        let run = |device: Device| -> Result<Outcome, Error> {
            let simulation =
                Simulation { process, rule, seed: 1, step: Some(0.05), device, ..Simulation::default() };
            simulation.run(model, start, &times, &Stop::default())
        };
        let ((cpu, cpu_seconds), (there, device_seconds)) =
            (timed(|| run(Device::Cpu))?, timed(|| run(device))?);
        let of_frame = |(a, b): (&Particles, &Particles)| {
            let points = |p: &Particles| p.points.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
            difference(&points(a), &points(b)).max(difference(&a.weights(), &b.weights()))
        };
        let frames = cpu.trajectory.frames.iter().zip(&there.trajectory.frames);
        Ok(Check { name, difference: frames.map(of_frame).fold(0.0, f64::max), cpu_seconds, device_seconds })
    }

    /// The largest difference in units of the largest finite value; infinite between vectors of different length.
    fn difference(a: &[f64], b: &[f64]) -> f64 {
        if a.len() != b.len() {
            return f64::INFINITY;
        }
        let largest = a.iter().filter(|x| x.is_finite()).fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
        let apart = |(x, y): (&f64, &f64)| if x == y { 0.0 } else { (x - y).abs() };
        // Not a number is as far as can be.
        let distances = a.iter().zip(b).map(apart).map(|d| if d.is_nan() { f64::INFINITY } else { d });
        distances.fold(0.0, f64::max) / largest
    }

    fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(T, f64), Error> {
        let started = Instant::now();
        work().map(|result| (result, started.elapsed().as_secs_f64()))
    }
}
