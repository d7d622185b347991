//! How many particle-steps a second simulation makes, and how close that is to what it cannot do without: the
//! evaluations of the fields and the random numbers, timed alone, in turn with the simulation, on the same
//! threads and over the same blocks.
//!
//! The fields are a cheap closed form (v = −x), so that the integrator's own cost shows: 10 to 100 ns a
//! particle-step, where a network of 5 × 256 units takes some 6 µs of one core.
//!
//! `cargo bench --bench simulate`

use std::hint::black_box;
use std::time::Instant;

use chreode::datasets::BranchingTree;
use chreode::exec::rng::{Purpose, normals, stream, uniform};
use chreode::exec::stop::Stop;
use chreode::fields::{ClosedForm, FieldValues, Fields, Scratch};
use chreode::simulate::branching;
use chreode::simulate::ode::{self, Solver};
use chreode::simulate::{BLOCK, Particles, sde};
use rayon::prelude::*;

const PARTICLES: usize = 20_000;
const STEPS: usize = 100;
const REPEATS: usize = 5;

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Times `work`, which makes PARTICLES × STEPS particle-steps, and its `floor` in turn; prints the best of each.
fn report(name: &str, work: impl Fn(), floor_name: &str, floor: impl Fn()) {
    let (mut of_work, mut of_floor) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..REPEATS {
        of_floor = of_floor.min(seconds(&floor));
        of_work = of_work.min(seconds(&work));
    }
    let rate = |elapsed: f64| (PARTICLES * STEPS) as f64 / elapsed / 1e6;
    println!(
        "  {name:<10} {:>7.2} M particle-steps/s;  {floor_name} alone {:>7.2} M/s;  {:>5.1} % of it",
        rate(of_work),
        rate(of_floor),
        100.0 * of_floor / of_work
    );
}

fn inward(dims: usize) -> ClosedForm {
    ClosedForm {
        dims,
        sigma: 0.3,
        velocity: Box::new(|_, x, v| v.iter_mut().zip(x).for_each(|(v, x)| *v = -x)),
        growth: Box::new(|_, x| 0.5 * x[0]),
        score_drift: Box::new(|_, x, s| s.iter_mut().zip(x).for_each(|(s, x)| *s = -0.1 * x)),
    }
}

/// Evaluates the fields `times` times at each point.
fn evaluate(fields: &ClosedForm, points: &[f32], with_score: bool, times: usize) {
    points.par_chunks(BLOCK * fields.dims).for_each(|points| {
        let rows = points.len() / fields.dims;
        let (mut v, mut s, mut g) = (vec![0.0; points.len()], vec![0.0; points.len()], vec![0.0; rows]);
        for step in 0..times {
            let score_drift = with_score.then_some(&mut s[..]);
            let values = FieldValues { velocity: Some(&mut v), growth: Some(&mut g), score_drift };
            fields.evaluate(step as f64, black_box(points), values, &mut Scratch::default());
        }
        black_box((v, s, g));
    });
}

/// Draws d normal numbers for each particle and step.
fn draw_noise(dims: usize) {
    let of_particle = |out: &mut Vec<f64>, i| {
        (0..STEPS).for_each(|j| normals(&mut stream(1, Purpose::Diffusion, i as u64, j as u64), out));
        black_box(out);
    };
    (0..PARTICLES).into_par_iter().for_each_init(|| vec![0.0; dims], of_particle);
}

/// Draws two uniform numbers for each particle and step.
fn draw_events() {
    (0..PARTICLES).into_par_iter().for_each(|i| {
        for j in 0..STEPS {
            let mut rng = stream(1, Purpose::Branching, i as u64, j as u64);
            black_box(uniform(&mut rng) + uniform(&mut rng));
        }
    });
}

fn main() {
    let step = 1.0 / STEPS as f64;
    println!("{PARTICLES} particles × {STEPS} steps, {} threads", rayon::current_num_threads());
    for dims in [2, 10, 50] {
        println!("d = {dims}");
        let fields = inward(dims);
        let points: Vec<f32> = (0..PARTICLES * dims).map(|i| (i as f32 * 0.7).sin()).collect();
        let start = Particles::new(0.0, dims, points, None).expect("valid particles");
        let flow = |solver| {
            black_box(
                ode::integrate(&fields, &start, &[1.0], &solver, &Stop::default())
                    .expect("a finite solution"),
            );
        };
        let diffuse = || {
            let options = sde::Options::new(step, 1);
            black_box(
                sde::simulate(&fields, &start, &[1.0], &options, &Stop::default()).expect("finite paths"),
            );
        };
        let branch = || {
            let options = branching::Options::new(step, 1);
            black_box(
                branching::simulate(&fields, &start, &[1.0], &options, &Stop::default())
                    .expect("finite paths"),
            );
        };
        let evaluate_flow = |times| evaluate(&fields, &start.points, false, times);
        let evaluate_all = || evaluate(&fields, &start.points, true, STEPS);
        report("ODE Euler", || flow(Solver::Euler { step }), "fields", || evaluate_flow(STEPS));
        report("ODE RK4", || flow(Solver::RungeKutta4 { step }), "4 × fields", || evaluate_flow(4 * STEPS));
        let noisy = || {
            evaluate_all();
            draw_noise(dims);
        };
        report("SDE", diffuse, "fields + noise", noisy);
        let eventful = || {
            noisy();
            draw_events();
        };
        report("branching", branch, "fields + noise + events", eventful);
        let adaptive =
            (0..REPEATS).map(|_| seconds(|| flow(Solver::default()))).fold(f64::INFINITY, f64::min);
        println!(
            "  ODE Dormand–Prince to 1e-5: {:.2} M particles/s over unit time",
            PARTICLES as f64 / adaptive / 1e6
        );
    }
    let tree = BranchingTree { cells: 1_000_000, dims: 50, fates: 8, ..Default::default() };
    let elapsed = seconds(|| {
        black_box(tree.generate().expect("valid options"));
    });
    println!("branching data set, 1 M cells × 50 dimensions: {elapsed:.2} s");
}
