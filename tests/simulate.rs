//! What simulation promises: the orders of its rules, the laws of its noise and of its births and deaths,
//! lineages that hold together, and the same bits at any number of threads.
//!
//! Monte-Carlo bounds are five standard errors: with fixed seeds they hold forever, and a wrong law fails
//! them.

use std::sync::atomic::{AtomicUsize, Ordering};

use chreode::Error;
use chreode::exec::rng::{Purpose, stream};
use chreode::exec::stop::Stop;
use chreode::exec::threads::with_threads;
use chreode::fields::{ClosedForm, FieldValues, Fields, Scratch};
use chreode::simulate::branching::{self, BirthDeath, Motion};
use chreode::simulate::lineage::{Fate, Lineage};
use chreode::simulate::ode::{self, Solver, Tolerance};
use chreode::simulate::{BLOCK, Particles, resampling, sde};

/// Fields in `dims` dimensions without score drift.
fn fields(
    dims: usize,
    sigma: f64,
    velocity: impl Fn(f64, &[f32], &mut [f32]) + Sync + Send + 'static,
    growth: impl Fn(f64, &[f32]) -> f32 + Sync + Send + 'static,
) -> ClosedForm {
    ClosedForm {
        dims,
        sigma,
        velocity: Box::new(velocity),
        growth: Box::new(growth),
        score_drift: Box::new(|_, _, s| s.fill(0.0)),
    }
}

/// A rotation at angular speed `speed` whose growth 6 cos(6t) integrates to sin(6t).
fn rotation(speed: f32) -> ClosedForm {
    let velocity = move |_: f64, x: &[f32], v: &mut [f32]| (v[0], v[1]) = (-speed * x[1], speed * x[0]);
    fields(2, 0.0, velocity, |t, _| (6.0 * (6.0 * t).cos()) as f32)
}

/// Growth everywhere alike, no motion.
fn growing(rate: f64) -> ClosedForm {
    fields(1, 0.0, |_, _, v| v.fill(0.0), move |_, _| rate as f32)
}

fn at_origin(count: usize) -> Particles {
    Particles::new(0.0, 1, vec![0.0; count], None).unwrap()
}

fn mean_and_variance(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, values.map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0))
}

/// The distance from the exact rotation of (1, 0), and the error of ln w, worst over `times`.
fn rotation_errors(times: &[f64], solver: &Solver) -> (f64, f64) {
    let start = Particles::new(0.0, 2, vec![1.0, 0.0], None).unwrap();
    let result = ode::integrate(&rotation(3.0), &start, times, solver, &Stop::default()).unwrap();
    result.frames.iter().fold((0.0, 0.0), |(position, weight), frame| {
        let (sine, cosine) = (3.0 * frame.time).sin_cos();
        let distance = (f64::from(frame.points[0]) - cosine).hypot(f64::from(frame.points[1]) - sine);
        let error = (frame.log_weights[0] - (6.0 * frame.time).sin()).abs();
        (f64::max(position, distance), f64::max(weight, error))
    })
}

#[test]
fn fixed_rules_converge_at_their_orders() {
    // Steps so long that errors stay above the 1e-6 that single-precision fields leave.
    type Make = fn(f64) -> Solver;
    let rules: [(Make, f64, [f64; 2]); 2] = [
        (|step| Solver::Euler { step }, 1.0, [1e-3, 5e-4]),
        (|step| Solver::RungeKutta4 { step }, 4.0, [0.1, 0.05]),
    ];
    for (make, order, [long, short]) in rules {
        let (a, b) = (rotation_errors(&[2.0], &make(long)), rotation_errors(&[2.0], &make(short)));
        for (coarse, fine) in [(a.0, b.0), (a.1, b.1)] {
            let measured = (coarse / fine).log2();
            assert!(
                (measured - order).abs() < 0.25,
                "order {measured}, not {order}: errors {coarse:e}, {fine:e}"
            );
        }
    }
}

#[test]
fn dormand_prince_keeps_its_tolerance_at_every_output_time() {
    let times: Vec<f64> = (0..=200).map(|i| 0.01 * f64::from(i)).collect();
    for (tolerance, allowed) in [(1e-3, 3e-2), (1e-4, 3e-3), (1e-5, 3e-4), (1e-6, 3e-5)] {
        let solver =
            Solver::DormandPrince(Tolerance { relative: tolerance, absolute: tolerance, max_steps: 10_000 });
        // A local tolerance: the global error is it times the number of steps, below 30 here; between the
        // steps the interpolant must not add to it.
        let (position, weight) = rotation_errors(&times, &solver);
        assert!(position < allowed, "tolerance {tolerance:e}: position off by {position:e}");
        assert!(weight < allowed, "tolerance {tolerance:e}: ln w off by {weight:e}");
    }
}

#[test]
fn output_times_do_not_change_an_adaptive_solution() {
    let times: Vec<f64> = (1..=50).map(|i| 0.04 * f64::from(i)).collect();
    let start = Particles::new(0.0, 2, vec![1.0, 0.0], None).unwrap();
    let end = |times: &[f64]| {
        ode::integrate(&rotation(3.0), &start, times, &Solver::default(), &Stop::default())
            .unwrap()
            .frames
            .pop()
            .unwrap()
            .points
    };
    assert_eq!(end(&times), end(&[2.0]));
}

#[test]
fn the_flow_is_undone_by_going_back() {
    let points: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
    let start = Particles::new(0.5, 2, points, None).unwrap();
    for solver in [Solver::default(), Solver::RungeKutta4 { step: 0.01 }] {
        let end = ode::integrate(&rotation(1.0), &start, &[0.7, 2.0], &solver, &Stop::default())
            .unwrap()
            .frames
            .pop()
            .unwrap();
        let back = ode::integrate(&rotation(1.0), &end, &[1.0, 0.5], &solver, &Stop::default())
            .unwrap()
            .frames
            .pop()
            .unwrap();
        for (a, b) in start.points.iter().zip(&back.points) {
            assert!((a - b).abs() < 1e-4, "{a} came back as {b}");
        }
        assert!(back.log_weights.iter().all(|l| l.abs() < 1e-4));
    }
}

#[test]
fn blow_up_and_unreachable_tolerances_are_clear_errors() {
    // x' = x² from 1 leaves every bound at t = 1.
    let explosion = || fields(1, 0.0, |_, x, v| v[0] = x[0] * x[0], |_, _| 0.0);
    let start = Particles::new(0.0, 1, vec![0.1, 1.0], None).unwrap();
    let fixed = ode::integrate(&explosion(), &start, &[2.0], &Solver::Euler { step: 0.01 }, &Stop::default());
    assert!(
        matches!(&fixed, Err(Error::NonFinite(m)) if m.contains("particle 1") && m.contains("time 1.")),
        "{fixed:?}"
    );
    let adaptive = ode::integrate(&explosion(), &start, &[2.0], &Solver::default(), &Stop::default());
    assert!(matches!(adaptive, Err(Error::NonFinite(_) | Error::InvalidArgument { .. })), "{adaptive:?}");
    let few = Solver::DormandPrince(Tolerance { max_steps: 3, ..Default::default() });
    let few = ode::integrate(
        &rotation(3.0),
        &Particles::new(0.0, 2, vec![1.0, 0.0], None).unwrap(),
        &[9.0],
        &few,
        &Stop::default(),
    );
    assert!(matches!(&few, Err(Error::InvalidArgument { name, .. }) if name == "max_steps"), "{few:?}");
    for times in [&[][..], &[1.0, 1.0], &[1.0, 0.5], &[f64::NAN], &[-1.0, 0.5]] {
        assert!(
            ode::integrate(&explosion(), &start, times, &Solver::default(), &Stop::default()).is_err(),
            "{times:?}"
        );
    }
    for step in [0.0, -1.0, f64::NAN, 1e-12] {
        assert!(
            ode::integrate(&explosion(), &start, &[0.5], &Solver::Euler { step }, &Stop::default()).is_err(),
            "step {step}"
        );
    }
}

#[test]
fn fields_that_vanish_and_points_that_coincide_are_integrated() {
    let still =
        ode::integrate(&growing(0.0), &at_origin(300), &[0.0, 3.0], &Solver::default(), &Stop::default())
            .unwrap();
    assert!(still.frames.iter().all(|f| f.points.iter().all(|&x| x == 0.0) && f.mass() == 300.0));
    let nothing = Particles::new(0.0, 1, vec![], None).unwrap();
    assert!(
        ode::integrate(&growing(1.0), &nothing, &[1.0], &Solver::default(), &Stop::default()).unwrap().frames
            [0]
        .is_empty()
    );
    assert!(
        sde::simulate(&growing(1.0), &nothing, &[1.0], &sde::Options::new(0.1, 1), &Stop::default())
            .unwrap()
            .frames[0]
            .is_empty()
    );
    let none = branching::simulate(
        &growing(1.0),
        &nothing,
        &[1.0],
        &branching::Options::new(0.1, 1),
        &Stop::default(),
    )
    .unwrap();
    assert!(none.trajectory.frames[0].is_empty() && none.lineage.newick().is_empty());
}

#[test]
fn ornstein_uhlenbeck_has_its_mean_and_variance() {
    let (count, sigma, step) = (40_000, 0.7, 0.01);
    let ou = fields(1, sigma, |_, x, v| v[0] = -x[0], |_, _| 0.3);
    let start = Particles::new(0.0, 1, vec![2.0; count], None).unwrap();
    let result =
        sde::simulate(&ou, &start, &[0.5, 1.5], &sde::Options::new(step, 3), &Stop::default()).unwrap();
    for frame in &result.frames {
        let (mean, variance) = mean_and_variance(frame.points.iter().map(|&x| f64::from(x)));
        // The law of the discrete scheme, exactly: x' = (1 − h) x + σ √h ξ.
        let steps = (frame.time / step).round();
        let decay = (1.0 - step).powf(steps);
        let spread = sigma * sigma * step * (1.0 - decay * decay) / (1.0 - (1.0 - step).powi(2));
        let error = (spread / count as f64).sqrt();
        assert!((mean - 2.0 * decay).abs() < 5.0 * error, "mean {mean} at {}", frame.time);
        let error = spread * (2.0 / count as f64).sqrt();
        assert!((variance - spread).abs() < 5.0 * error, "variance {variance}, not {spread}");
        // And that is within O(h) of the continuous process.
        assert!((mean - 2.0 * (-frame.time).exp()).abs() < 0.02);
        let exact = sigma * sigma / 2.0 * (1.0 - (-2.0 * frame.time).exp());
        assert!((variance / exact - 1.0).abs() < 0.03);
        assert!(frame.log_weights.iter().all(|l| (l - 0.3 * frame.time).abs() < 1e-6));
    }
}

/// No motion but a noise that grows with time, σ(t) = t.
struct Warming;

impl Fields for Warming {
    fn dims(&self) -> usize {
        1
    }

    fn sigma(&self, time: f64) -> f64 {
        time
    }

    fn evaluate(&self, _time: f64, _points: &[f32], values: FieldValues<'_>, _scratch: &mut Scratch) {
        [values.velocity, values.growth, values.score_drift].into_iter().flatten().for_each(|v| v.fill(0.0));
    }
}

#[test]
fn a_diffusion_that_changes_with_time_is_that_of_each_steps_start() {
    let (count, steps) = (40_000, 8);
    let options = sde::Options::new(1.0 / f64::from(steps), 5);
    let check = |from: f64, to: f64| {
        let start = Particles::new(from, 1, vec![0.0; count], None).unwrap();
        let frame =
            sde::simulate(&Warming, &start, &[to], &options, &Stop::default()).unwrap().frames.remove(0);
        let (mean, variance) = mean_and_variance(frame.points.iter().map(|&x| f64::from(x)));
        let sigma = |j| from + (to - from) * f64::from(j) / f64::from(steps);
        let want = (0..steps).map(|j| sigma(j).powi(2)).sum::<f64>() / f64::from(steps);
        assert!(mean.abs() < 5.0 * (want / count as f64).sqrt());
        assert!((variance - want).abs() < 5.0 * want * (2.0 / count as f64).sqrt(), "{variance}, not {want}");
    };
    check(0.0, 1.0);
    check(1.0, 0.0);
}

/// One unit of way and growth in each interval between knots, whatever its length.
struct Paced {
    knots: Vec<f64>,
}

impl Fields for Paced {
    fn dims(&self) -> usize {
        1
    }

    fn sigma(&self, _time: f64) -> f64 {
        0.0
    }

    fn evaluate(&self, time: f64, _points: &[f32], values: FieldValues<'_>, _scratch: &mut Scratch) {
        let k = self.knots.partition_point(|&knot| knot <= time).clamp(1, self.knots.len() - 1);
        let pace = (1.0 / (self.knots[k] - self.knots[k - 1])) as f32;
        [values.velocity, values.growth].into_iter().flatten().for_each(|v| v.fill(pace));
        values.score_drift.into_iter().for_each(|s| s.fill(0.0));
    }

    fn knots(&self) -> &[f64] {
        &self.knots
    }
}

#[test]
fn solvers_step_onto_the_knots_of_fields_and_not_across() {
    let fields = Paced { knots: vec![0.0, 0.1, 1.0, 6.0, 1000.0] };
    // The mean interval is 250: a step that long is one step in every interval.
    let (step, close) = (250.0, 1e-6);
    let check = |frames: &[Particles], want: &[f64], what: &str| {
        for (frame, want) in frames.iter().zip(want) {
            let (x, growth) = (f64::from(frame.points[0]), frame.log_weights[0]);
            assert!(
                (x - want).abs() < close && (growth - want).abs() < close,
                "{what}: {x}, {growth}, not {want}"
            );
        }
    };
    // Output times on knots, between them, across several of them, and after the last.
    let (forward, way) = ([0.1, 0.55, 6.0, 503.0, 1497.0], [1.0, 1.5, 3.0, 3.5, 4.5]);
    let (backward, way_back) = ([1000.0, 3.5, 0.05, -0.1], [-0.5, -2.0, -4.0, -5.5]);
    for (from, times, want) in [(0.0, &forward[..], &way[..]), (1497.0, &backward[..], &way_back[..])] {
        let start = Particles::new(from, 1, vec![0.0; 3], None).unwrap();
        for solver in [
            Solver::Euler { step },
            Solver::RungeKutta4 { step },
            Solver::DormandPrince(Tolerance::default()),
        ] {
            let frames = ode::integrate(&fields, &start, times, &solver, &Stop::default()).unwrap().frames;
            check(&frames, want, &format!("{solver:?} from {from}"));
        }
        for resample_below in [0.0, 1.0] {
            let options = sde::Options { resample_below, ..sde::Options::new(step, 1) };
            let frames = sde::simulate(&fields, &start, times, &options, &Stop::default()).unwrap().frames;
            check(&frames, want, &format!("sde from {from}"));
        }
    }
    // Cells double at every division: their number is that of the growth, on average.
    let start = Particles::new(0.0, 1, vec![0.0; 4000], None).unwrap();
    for motion in [Motion::Flow, Motion::Diffusion] {
        let options = branching::Options { motion, ..branching::Options::new(step, 1) };
        let population =
            branching::simulate(&fields, &start, &[0.1, 6.0], &options, &Stop::default()).unwrap();
        for (frame, way) in population.trajectory.frames.iter().zip([1.0f64, 3.0]) {
            // A family of mean m has variance m² − m at most.
            let (ratio, error) = (frame.len() as f64 / 4000.0 / way.exp(), 5.0 / 4000f64.sqrt());
            assert!((ratio - 1.0).abs() < error, "{motion}: {ratio}");
            assert!(frame.points.iter().all(|&x| (f64::from(x) - way).abs() < close), "{motion}");
        }
    }
}

/// A Gaussian N(m(t), V(t)) with m = 1 + t and V = 0.3 + σ² t / 2 + 0.1 t, as velocity, score and diffusion.
fn moving_gaussian(sigma: f64) -> (ClosedForm, impl Fn(f64) -> (f64, f64)) {
    let law = move |t: f64| (1.0 + t, 0.3 + (0.5 * sigma * sigma + 0.1) * t);
    let velocity = move |t: f64, x: &[f32], v: &mut [f32]| {
        let (mean, variance) = law(t);
        let rate = 0.5 * sigma * sigma + 0.1;
        v[0] = (1.0 + rate / (2.0 * variance) * (f64::from(x[0]) - mean)) as f32;
    };
    let score_drift = move |t: f64, x: &[f32], s: &mut [f32]| {
        let (mean, variance) = law(t);
        s[0] = (-0.5 * sigma * sigma * (f64::from(x[0]) - mean) / variance) as f32;
    };
    let mut fields = fields(1, sigma, velocity, |_, _| 0.0);
    fields.score_drift = Box::new(score_drift);
    (fields, law)
}

#[test]
fn flow_diffusion_and_backward_diffusion_agree_on_a_moving_gaussian() {
    let (fields, law) = moving_gaussian(0.8);
    let count = 40_000;
    let normal_sample = |(mean, variance): (f64, f64), seed| {
        let mut noise = vec![0.0; count];
        chreode::exec::rng::normals(&mut stream(seed, Purpose::Dataset, 0, 0), &mut noise);
        noise.iter().map(|n| (mean + variance.sqrt() * n) as f32).collect::<Vec<_>>()
    };
    let check = |frame: &Particles, what: &str| {
        let (mean, variance) = mean_and_variance(frame.points.iter().map(|&x| f64::from(x)));
        let (want_mean, want_variance) = law(frame.time);
        // Start and noise are random, twice the variance of one sample; the step adds O(h) = 0.01.
        let error = (2.0 * want_variance / count as f64).sqrt();
        assert!((mean - want_mean).abs() < 5.0 * error + 0.01, "{what}: mean {mean}, not {want_mean}");
        let error = want_variance * (4.0 / count as f64).sqrt();
        assert!(
            (variance - want_variance).abs() < 5.0 * error + 0.01,
            "{what}: variance {variance}, not {want_variance}"
        );
    };
    let early = Particles::new(0.0, 1, normal_sample(law(0.0), 1), None).unwrap();
    let late = Particles::new(1.0, 1, normal_sample(law(1.0), 2), None).unwrap();
    let options = sde::Options::new(0.01, 9);
    check(
        &ode::integrate(&fields, &early, &[1.0], &Solver::default(), &Stop::default()).unwrap().frames[0],
        "flow",
    );
    check(
        &sde::simulate(&fields, &early, &[1.0], &options, &Stop::default()).unwrap().frames[0],
        "diffusion",
    );
    let back = sde::simulate(&fields, &late, &[0.5, 0.0], &options, &Stop::default()).unwrap();
    back.frames.iter().for_each(|frame| check(frame, "backward diffusion"));
}

#[test]
fn a_backward_brownian_bridge_starts_where_it_began() {
    // Brownian motion from N(0, 0.04), σ = 1: at time t it is N(0, 0.04 + t), and s = −x / (2 (0.04 + t)), v
    // = −s. Every particle of the backward diffusion is a bridge from its end to the start's law, whatever
    // the end.
    let mut fields = fields(1, 1.0, |t, x, v| v[0] = x[0] / (2.0 * (0.04 + t as f32)), |_, _| 0.0);
    fields.score_drift = Box::new(|t, x, s| s[0] = -x[0] / (2.0 * (0.04 + t as f32)));
    let count = 20_000;
    let end = Particles::new(1.0, 1, vec![1.5; count], None).unwrap();
    let back = sde::simulate(&fields, &end, &[0.0], &sde::Options::new(0.002, 4), &Stop::default()).unwrap();
    let (mean, variance) = mean_and_variance(back.frames[0].points.iter().map(|&x| f64::from(x)));
    // Gaussian conditioning: mean 1.5·0.04/1.04, variance 0.04·1/1.04. The step leaves O(h/0.04) = 5 % of
    // the variance.
    let want = 0.04 / 1.04;
    let error = (want / f64::from(count as u32)).sqrt();
    assert!((mean - 1.5 * want).abs() < 5.0 * error + 0.05 * 1.5 * want, "mean {mean}, not {}", 1.5 * want);
    assert!(
        (variance / want - 1.0).abs() < 5.0 * (2.0 / count as f64).sqrt() + 0.05,
        "variance {variance}, not {want}"
    );
}

/// Founder by founder, how many descendants live at the end.
fn family_sizes(population: &branching::BranchingTrajectory) -> Vec<usize> {
    let mut sizes = vec![0; population.lineage.founders()];
    for &id in &population.trajectory.frames.last().unwrap().ids {
        sizes[population.lineage.founder(id) as usize] += 1;
    }
    sizes
}

#[test]
fn family_sizes_follow_the_linear_birth_death_law_at_every_step_size() {
    let founders = 20_000;
    let one_hot =
        [(0.8, 0.0), (-0.6, 0.0), (0.0, 1.0), (0.5, 0.7), (-0.9, 0.4), (1e-9, 0.5)].map(|(g, c)| (g, c, 0.0));
    let of_reference = [(0.5, 0.0, 1.5), (-0.5, 0.0, 0.8), (0.0, 0.2, 2.0)];
    for (growth, turnover, branching_rate) in one_hot.into_iter().chain(of_reference) {
        let root = f64::sqrt(branching_rate * branching_rate + growth * growth);
        let (birth, death) = (0.5 * (root + growth) + turnover, 0.5 * (root - growth) + turnover);
        let law = BirthDeath { birth, death };
        for (seed, step) in [(1, 2.0), (2, 0.5), (3, 0.1)] {
            for motion in [Motion::Flow, Motion::Diffusion] {
                let options = branching::Options {
                    turnover,
                    branching_rate,
                    motion,
                    ..branching::Options::new(step, seed)
                };
                let result = branching::simulate(
                    &growing(growth),
                    &at_origin(founders),
                    &[2.0],
                    &options,
                    &Stop::default(),
                )
                .unwrap();
                let sizes: Vec<f64> = family_sizes(&result).into_iter().map(|n| n as f64).collect();
                let case = format!("g {growth}, c {turnover}, λ {branching_rate}, step {step}");
                let n = founders as f64;

                let (mean, variance) = mean_and_variance(sizes.iter().copied());
                let want = law.variance(2.0);
                assert!((mean - law.mean(2.0)).abs() < 5.0 * (want / n).sqrt(), "{case}: mean {mean}");
                // The standard error of a variance is √((μ4 − var²)/n), from the sample's own fourth moment.
                let fourth = sizes.iter().map(|x| (x - mean).powi(4)).sum::<f64>() / n;
                let error = ((fourth - want * want).max(0.0) / n).sqrt();
                assert!((variance - want).abs() < 5.0 * error, "{case}: variance {variance}, not {want}");
                let extinct = sizes.iter().filter(|&&x| x == 0.0).count() as f64 / n;
                let alpha = law.extinction(2.0);
                let error = (alpha * (1.0 - alpha) / n).sqrt();
                assert!(
                    (extinct - alpha).abs() <= 5.0 * error + 1e-12,
                    "{case}: P(0) is {extinct}, not {alpha}"
                );
            }
        }
    }
}

/// What births at rate b and deaths at rate e are unlike those of branching Brownian motion, each at rate λ/2: the rate of relative entropy.
fn unlikeness(b: f64, e: f64, lambda: f64) -> f64 {
    let part = |rate: f64| if rate > 0.0 { rate * (2.0 * rate / lambda).ln() - rate } else { 0.0 };
    part(b) + part(e) + lambda
}

#[test]
fn the_offspring_of_the_reference_process_are_least_unlike_it_of_all_that_grow_as_much() {
    for lambda in [0.3, 1.0, 7.0] {
        for growth in [-3.0, -0.4, 0.0, 1e-9, 0.9, 5.0] {
            let law = BirthDeath::of_reference(growth, lambda);
            assert!((law.birth - law.death - growth).abs() < 1e-14 * (lambda + growth.abs()), "{law:?}");
            let found = unlikeness(law.birth, law.death, lambda);
            // The least of b ↦ unlikeness(b, b − g), a convex function, by golden sections.
            let at = |b: f64| unlikeness(b, b - growth, lambda);
            let (mut low, mut high) = (growth.max(0.0), growth.max(0.0) + 10.0 * lambda);
            let ratio = 0.5 * (5f64.sqrt() - 1.0);
            for _ in 0..60 {
                let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
                if at(left) < at(right) { high = right } else { low = left }
            }
            let least = at(0.5 * (low + high));
            assert!(
                found <= least + 1e-12 && found >= least - 1e-12,
                "{found} and {least} for {growth}, {lambda}"
            );
            assert!(
                (law.birth - 0.5 * (low + high)).abs() < 1e-6 * lambda,
                "{law:?}, g {growth}, λ {lambda}"
            );
            for off in [0.9, 1.1] {
                assert!(at(growth.max(0.0) + off * (law.birth - growth.max(0.0))) > found);
            }
        }
    }
    // Far from the reference process nothing is left over but what growth asks for, to the last figure.
    let far = BirthDeath::of_reference(1e9, 1e-3);
    assert_eq!((far.birth, far.death), (1e9, 0.25e-15));
    assert_eq!(BirthDeath::of_reference(-0.7, 0.0), BirthDeath::of_growth(-0.7, 0.0));
}

#[test]
fn the_law_agrees_with_the_textbook_formula_and_survives_its_limits() {
    for (b, e, t) in [(0.7f64, 0.3, 2.0), (0.3, 0.7, 2.0), (2.0, 0.1, 0.01), (1.0, 1.0 + 1e-6, 3.0)] {
        let law = BirthDeath { birth: b, death: e };
        let growth: f64 = f64::exp((b - e) * t);
        let alpha = e * (growth - 1.0) / (b * growth - e);
        let beta = b * (growth - 1.0) / (b * growth - e);
        // The textbook form itself loses digits where b ≈ e.
        assert!((law.extinction(t) - alpha).abs() < 1e-8, "α({t}) for b {b}, e {e}");
        assert!((law.continuation(t) - beta).abs() < 1e-8, "β({t}) for b {b}, e {e}");
        let mean = (1.0 - law.extinction(t)) / (1.0 - law.continuation(t));
        assert!((mean / growth - 1.0).abs() < 1e-8 && (law.mean(t) / growth - 1.0).abs() < 1e-8);
    }
    let equal = BirthDeath { birth: 0.5, death: 0.5 };
    assert_eq!((equal.extinction(2.0), equal.continuation(2.0), equal.variance(2.0)), (0.5, 0.5, 2.0));
    for tiny in [1e-300, 1e-20] {
        let law = BirthDeath { birth: tiny, death: 0.0 };
        assert!((law.continuation(1.0) / tiny - 1.0).abs() < 1e-12 && law.extinction(1.0) == 0.0);
    }
    let mut rng = stream(1, Purpose::Branching, 0, 0);
    assert_eq!(BirthDeath { birth: 1e6, death: 0.0 }.offspring(1.0, 100, &mut rng), 101);
    assert_eq!(BirthDeath { birth: 0.0, death: 1e6 }.offspring(1.0, 100, &mut rng), 0);
    assert_eq!(BirthDeath { birth: 0.0, death: 0.0 }.offspring(1.0, 100, &mut rng), 1);
}

#[test]
fn event_times_within_a_step_follow_the_process() {
    // One step of length 2 against the expected number of divisions of a Yule process before t, n (e^{bt} −
    // 1), and of deaths of a death process, n (1 − e^{−et}).
    let (rate, n) = (0.8, 50_000);
    for (growth, fate) in [(rate, Fate::Divided), (-rate, Fate::Died)] {
        let options = branching::Options { motion: Motion::Flow, ..branching::Options::new(2.0, 5) };
        let result =
            branching::simulate(&growing(growth), &at_origin(n), &[2.0], &options, &Stop::default()).unwrap();
        for t in [0.3, 1.0, 1.7] {
            let early = result.lineage.times_of(fate).filter(|&time| time < t).count() as f64;
            let law = BirthDeath::of_growth(growth, 0.0);
            let want = n as f64 * (law.mean(t) - 1.0).abs();
            let error = (n as f64 * law.variance(t)).sqrt();
            assert!((early - want).abs() < 5.0 * error, "g {growth}: {early} events before {t}, not {want}");
        }
    }
}

/// The number of leaves of one Newick tree, and the length from its root to each, or what is wrong with it.
fn parse_newick(text: &str) -> Result<Vec<f64>, String> {
    fn subtree<'a>(text: &'a str, leaves: &mut Vec<f64>) -> Result<&'a str, String> {
        let first = leaves.len();
        let mut rest = text;
        if let Some(inner) = rest.strip_prefix('(') {
            rest = subtree(inner, leaves)?;
            while let Some(next) = rest.strip_prefix(',') {
                rest = subtree(next, leaves)?;
            }
            rest = rest.strip_prefix(')').ok_or("a parenthesis is not closed")?;
            // A founder that never divided: one leaf below a root that is no cell.
            if rest == ";" && leaves.len() == 1 {
                return Ok(rest);
            }
        } else {
            leaves.push(0.0);
        }
        let end = rest.find([',', ')', ';']).ok_or("no end")?;
        let (name, length) = rest[..end].split_once(':').ok_or("no length")?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!("bad name {name}"));
        }
        let length: f64 = length.parse().map_err(|_| format!("bad length {length}"))?;
        leaves[first..].iter_mut().for_each(|l| *l += length);
        Ok(&rest[end..])
    }
    let mut leaves = Vec::new();
    let rest = subtree(text, &mut leaves)?;
    if rest == ";" { Ok(leaves) } else { Err(format!("left over: {rest}")) }
}

fn check_lineage(lineage: &Lineage, alive: &[u64], end: f64) {
    let mut daughters = vec![0; lineage.nodes().len()];
    for (id, node) in lineage.nodes().iter().enumerate() {
        assert!(node.birth <= node.end, "cell {id} ends before it is born");
        if let Some(parent) = node.parent {
            assert!((parent as usize) < id, "cell {id} comes before its mother");
            daughters[parent as usize] += 1;
            assert_eq!(node.birth, lineage.nodes()[parent as usize].end);
        }
    }
    for (id, node) in lineage.nodes().iter().enumerate() {
        assert_eq!(daughters[id], if node.fate == Fate::Divided { 2 } else { 0 }, "daughters of cell {id}");
        assert_eq!(alive.contains(&(id as u64)), node.fate == Fate::Alive, "cell {id}");
        assert!(node.fate != Fate::Alive || node.end == end);
    }
}

#[test]
fn lineages_hold_together_and_their_newick_trees_parse() {
    let drift = fields(2, 0.3, |_, x, v| (v[0], v[1]) = (1.0, -x[1]), |t, x| (x[0] - t as f32).tanh());
    let start = Particles::new(1.0, 2, (0..200).map(|i| (i as f32).sin()).collect(), None).unwrap();
    // The long step makes families of many within one step.
    for step in [0.05, 3.0] {
        let options = branching::Options { turnover: 1.0, ..branching::Options::new(step, 8) };
        let result = branching::simulate(&drift, &start, &[2.0, 4.0], &options, &Stop::default()).unwrap();
        let (lineage, frames) = (&result.lineage, &result.trajectory.frames);
        check_lineage(lineage, &frames[1].ids, 4.0);
        assert!(lineage.times_of(Fate::Died).count() > 10 && lineage.times_of(Fate::Divided).count() > 10);
        assert_eq!(lineage.founders(), 100);

        // The ancestors that the frames record are those of the lineage.
        for (row, &id) in frames[1].ids.iter().enumerate() {
            let from = frames[0].ids[frames[1].ancestors[row]];
            assert!(
                id == from || lineage.ancestors(id).any(|a| a == from),
                "{id} does not descend from {from}"
            );
        }
        let newick = lineage.newick();
        let trees: Vec<Vec<f64>> =
            newick.lines().map(|t| parse_newick(t).unwrap_or_else(|e| panic!("{e}: {t}"))).collect();
        assert_eq!(trees.len(), 100);
        // Leaves are the cells that live or died; those that live are as far from the root as the run was
        // long.
        let leaves: Vec<f64> = trees.concat();
        let ended = lineage.nodes().iter().filter(|n| n.fate != Fate::Divided).count();
        assert_eq!(leaves.len(), ended);
        let at_end = leaves.iter().filter(|&&l| (l - 3.0).abs() < 1e-9).count();
        assert!(at_end >= frames[1].len() && leaves.iter().all(|&l| l < 3.0 + 1e-9));
    }
}

#[test]
fn branching_counts_agree_with_the_weights_of_the_flow() {
    // Growth that depends on place and time, and a common mass per particle.
    let velocity = |t: f64, x: &[f32], v: &mut [f32]| v[0] = (t as f32).cos() - 0.3 * x[0];
    let fields = fields(1, 0.0, velocity, |t, x| 0.8 * x[0].sin() + 0.3 * t as f32);
    let count = 40_000;
    let points: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
    let start = Particles::new(0.0, 1, points, Some(&vec![0.25; count])).unwrap();
    let times = [0.5, 1.0, 2.0];
    let weighted = ode::integrate(&fields, &start, &times, &Solver::default(), &Stop::default()).unwrap();
    let options = branching::Options { motion: Motion::Flow, ..branching::Options::new(0.25, 21) };
    let branched = branching::simulate(&fields, &start, &times, &options, &Stop::default()).unwrap();
    for (w, b) in weighted.frames.iter().zip(&branched.trajectory.frames) {
        // A family's size has variance below 2 e^{2·1.4} here; five standard errors of the mean of 40 000
        // families.
        let error = 5.0 * (2.0 * 2.8f64.exp() / count as f64).sqrt();
        let ratio = b.mass() / w.mass();
        assert!((ratio - 1.0).abs() < error, "at {}: mass {} against {}", w.time, b.mass(), w.mass());
        let mean = |p: &Particles| {
            p.points.iter().zip(p.weights()).map(|(&x, w)| f64::from(x) * w).sum::<f64>() / p.mass()
        };
        assert!((mean(w) - mean(b)).abs() < error, "at {}: mean {} against {}", w.time, mean(b), mean(w));
    }
}

#[test]
fn without_growth_branching_is_the_diffusion() {
    let motion = fields(2, 0.5, |_, x, v| (v[0], v[1]) = (x[1], -x[0]), |_, _| 0.0);
    let start = Particles::new(0.0, 2, (0..600).map(|i| (i as f32).cos()).collect(), None).unwrap();
    let diffusion =
        sde::simulate(&motion, &start, &[0.3, 1.0], &sde::Options::new(0.1, 6), &Stop::default()).unwrap();
    let branching =
        branching::simulate(&motion, &start, &[0.3, 1.0], &branching::Options::new(0.1, 6), &Stop::default())
            .unwrap();
    assert_eq!(diffusion, branching.trajectory);
}

#[test]
fn a_population_past_its_cap_is_an_error() {
    for (rate, step) in [(3.0, 0.1), (1e4, 1.0), (1e300, 1.0)] {
        let options = branching::Options { max_population: 1000, ..branching::Options::new(step, 1) };
        let result = branching::simulate(&growing(rate), &at_origin(100), &[5.0], &options, &Stop::default());
        match result {
            Err(Error::PopulationLimit { limit: 1000, time }) => assert!(time > 0.0 && time <= 5.0),
            // A rate that single precision cannot hold.
            Err(Error::NonFinite(_)) if rate > 1e38 => {}
            other => panic!("rate {rate}: {other:?}"),
        }
    }
    let unequal = Particles::new(0.0, 1, vec![0.0, 1.0], Some(&[1.0, 2.0])).unwrap();
    assert!(
        branching::simulate(
            &growing(1.0),
            &unequal,
            &[1.0],
            &branching::Options::new(0.1, 1),
            &Stop::default()
        )
        .is_err()
    );
    let equal = resampling::resample(&unequal, 3).unwrap();
    assert!((equal.mass() - 3.0).abs() < 1e-12);
    assert!(
        branching::simulate(
            &growing(1.0),
            &equal,
            &[1.0],
            &branching::Options::new(0.1, 1),
            &Stop::default()
        )
        .is_ok()
    );
}

#[test]
fn everything_is_the_same_bits_at_any_number_of_threads() {
    let run = || {
        let mut fields = fields(
            3,
            0.4,
            |t, x, v| (0..3).for_each(|i| v[i] = (x[(i + 1) % 3] + t as f32).sin()),
            |_, x| x[0],
        );
        fields.score_drift = Box::new(|_, x, s| s.copy_from_slice(x));
        let points: Vec<f32> = (0..3 * 2000).map(|i| (i as f32 * 0.1).sin()).collect();
        let start = Particles::new(0.0, 3, points, None).unwrap();
        let times = [0.4, 1.0];
        let sde_options = sde::Options { resample_below: 0.8, ..sde::Options::new(0.05, 2) };
        let branching_options = branching::Options { turnover: 0.5, ..branching::Options::new(0.05, 2) };
        let tree =
            chreode::datasets::BranchingTree { cells: 20_000, ..Default::default() }.generate().unwrap();
        (
            ode::integrate(&fields, &start, &times, &Solver::default(), &Stop::default()).unwrap(),
            sde::simulate(&fields, &start, &times, &sde_options, &Stop::default()).unwrap(),
            branching::simulate(&fields, &start, &times, &branching_options, &Stop::default()).unwrap(),
            tree,
        )
    };
    let one = with_threads(1, run).unwrap();
    for threads in [2, 4] {
        assert!(with_threads(threads, run).unwrap() == one, "{threads} threads differ from one");
    }
}

#[test]
fn a_particle_is_the_same_alone_and_in_company() {
    let ou = fields(2, 0.7, |_, x, v| (v[0], v[1]) = (-x[0], x[0]), |_, _| 0.0);
    let points: Vec<f32> = (0..2 * 700).map(|i| (i as f32).sin()).collect();
    let all = Particles::new(0.0, 2, points.clone(), None).unwrap();
    let mut one = Particles::new(0.0, 2, points[2 * 511..2 * 512].to_vec(), None).unwrap();
    one.ids = vec![511];
    let options = sde::Options::new(0.1, 1);
    let together = sde::simulate(&ou, &all, &[1.0], &options, &Stop::default()).unwrap();
    let alone = sde::simulate(&ou, &one, &[1.0], &options, &Stop::default()).unwrap();
    assert_eq!(together.frames[0].point(511), alone.frames[0].point(0));
}

#[test]
fn resampling_keeps_the_mass_and_is_unbiased() {
    let weights = [0.5, 0.0, 3.0, 1.5, 1e-9, 2.0];
    let (draws, count) = (20_000, 6);
    let mut seen = [0.0; 6];
    for i in 0..draws {
        let offset = (f64::from(i) + 0.5) / f64::from(draws);
        let rows = resampling::systematic(&weights, count, offset).unwrap();
        assert!(rows.len() == count && rows.is_sorted() && !rows.contains(&1));
        for row in 0..6 {
            let times = rows.iter().filter(|&&r| r == row).count() as f64;
            let expected = 6.0 * weights[row] / 7.0;
            assert!((times - expected).abs() < 1.0, "row {row} drawn {times} times, expected {expected}");
            seen[row] += times / f64::from(draws);
        }
    }
    // Offsets on a grid of 20 000: the means are exact to a grid cell's share.
    (0..6).for_each(|row| assert!((seen[row] - 6.0 * weights[row] / 7.0).abs() < 1e-3));

    // g = x grows the far particles; with and without resampling the same mass and mean position are
    // estimated.
    let count = 20_000;
    let tilt = fields(1, 1.0, |_, _, v| v.fill(0.0), |_, x| x[0]);
    let plain =
        sde::simulate(&tilt, &at_origin(count), &[1.0], &sde::Options::new(0.02, 3), &Stop::default())
            .unwrap();
    let options = sde::Options { resample_below: 0.9, ..sde::Options::new(0.02, 3) };
    let resampled = sde::simulate(&tilt, &at_origin(count), &[0.5, 1.0], &options, &Stop::default()).unwrap();
    // E exp(∫ W dt) = exp(1/6), and the tilted mean of W_1 is ∫ (1 − s) ds … = 1/2.
    for frame in [&plain.frames[0], &resampled.frames[1]] {
        let per_particle = frame.mass() / count as f64;
        let mean = frame.points.iter().zip(frame.weights()).map(|(&x, w)| f64::from(x) * w).sum::<f64>()
            / frame.mass();
        // Standard deviations of one particle's contribution are below 1.3; Euler's step adds 0.02.
        let allowed = 5.0 * 1.3 / (count as f64).sqrt() + 0.02;
        assert!((per_particle - (1.0f64 / 6.0).exp()).abs() < allowed, "mass {per_particle}");
        assert!((mean - 0.5).abs() < allowed, "mean {mean}");
    }
    let unequal = resampling::effective_sample_size(plain.frames[0].log_weights.iter().copied());
    let equal = resampling::effective_sample_size(resampled.frames[1].log_weights.iter().copied());
    assert!(unequal < 0.8 * count as f64 && equal >= 0.9 * count as f64 - 1.0, "{unequal}, {equal}");
    assert!(resampled.frames[1].ancestors.windows(2).any(|w| w[0] == w[1]), "no particle was drawn twice");
}

/// Fields that ask for a stop when they are evaluated for the `last` time that they should be, and count on.
struct Stopping {
    stop: Stop,
    last: usize,
    evaluations: AtomicUsize,
}

impl Fields for Stopping {
    fn dims(&self) -> usize {
        1
    }

    fn sigma(&self, _time: f64) -> f64 {
        0.1
    }

    fn evaluate(&self, time: f64, _points: &[f32], values: FieldValues<'_>, _scratch: &mut Scratch) {
        // A velocity that keeps an adaptive rule at short steps.
        let velocity = (1e4 * time).sin() as f32;
        values.velocity.into_iter().for_each(|v| v.fill(velocity));
        [values.growth, values.score_drift].into_iter().flatten().for_each(|v| v.fill(0.0));
        if self.evaluations.fetch_add(1, Ordering::Relaxed) + 1 == self.last {
            self.stop.request();
        }
    }
}

#[test]
fn a_request_to_stop_ends_every_simulation_within_a_step() {
    const THREADS: usize = 3;
    // A million steps of forty blocks: they would take minutes.
    let (start, times) = (at_origin(40 * BLOCK), [1.0]);
    type Run<'a> = &'a (dyn Fn(&Stopping) -> chreode::Result<()> + Sync);
    let flow = |solver| {
        let (start, times) = (&start, &times);
        move |f: &Stopping| ode::integrate(f, start, times, &solver, &f.stop).map(drop)
    };
    let diffuse = |resample_below| {
        let options = sde::Options { resample_below, ..sde::Options::new(1e-6, 1) };
        let (start, times) = (&start, &times);
        move |f: &Stopping| sde::simulate(f, start, times, &options, &f.stop).map(drop)
    };
    let branch = |motion| {
        let options = branching::Options { motion, ..branching::Options::new(1e-6, 1) };
        let (start, times) = (&start, &times);
        move |f: &Stopping| branching::simulate(f, start, times, &options, &f.stop).map(drop)
    };
    let adaptive = Solver::DormandPrince(Tolerance { max_steps: usize::MAX, ..Default::default() });
    let runs: [(&str, Run<'_>); 7] = [
        ("euler", &flow(Solver::Euler { step: 1e-6 })),
        ("rk4", &flow(Solver::RungeKutta4 { step: 1e-6 })),
        ("dormand-prince", &flow(adaptive)),
        ("sde", &diffuse(0.0)),
        ("sde with resampling", &diffuse(0.5)),
        ("branching by flow", &branch(Motion::Flow)),
        ("branching by diffusion", &branch(Motion::Diffusion)),
    ];
    for (name, run) in runs {
        for last in [1, 100] {
            let fields = Stopping { stop: Stop::default(), last, evaluations: AtomicUsize::new(0) };
            assert_eq!(with_threads(THREADS, || run(&fields)).unwrap(), Err(Error::Cancelled), "{name}");
            // Each thread finishes the step that it is in: no rule evaluates a block more than eight times.
            let after = fields.evaluations.into_inner() - last;
            assert!(after <= 8 * THREADS, "{name}: {after} evaluations after the request");
        }
    }
}
