//! The gradient of every loss against central differences, through solver steps, resampling and all terms.
//!
//! The loss is evaluated in single precision with sums in double: a difference over 2h with h = 1e-2 of a loss of order one is
//! good to about 1e-5 from rounding, and h² times third derivatives, of order 1e-4, from the step; each comparison is along
//! a direction in which the loss changes at a rate of order one or more.

use super::probe::Probe;
use super::{EquationsKind as Model, GrowthPrice, RolloutOptions, Scheme};
use crate::nn::Activation;
use crate::snapshots::{MatrixView, Snapshots};
use crate::train::TrainingOptions;
use crate::units::Scaling;

fn cells(dims: usize) -> Snapshots {
    let (mut points, mut labels) = (vec![], vec![]);
    for (time, count) in [(0.0, 23), (1.0, 31), (1.5, 40)] {
        for i in 0..count {
            for c in 0..dims {
                let wave = ((i * 7 + c * 5) % 13) as f64 / 6.0 - 1.0;
                points.push(wave + time * (1.0 + c as f64 * 0.3) + 0.2 * (i as f64 * 0.37 + c as f64).sin());
            }
            labels.push(time);
        }
    }
    Snapshots::new(MatrixView::from_f64(&points, labels.len(), dims).unwrap(), &labels, None).unwrap()
}

fn training(activation: Activation) -> TrainingOptions {
    TrainingOptions {
        batch_size: 100,
        hidden: vec![9, 7],
        growth_hidden: None,
        activation,
        ..Default::default()
    }
}

fn options() -> RolloutOptions {
    RolloutOptions {
        steps: 3,
        mass_weight: 0.7,
        local_mass_weight: 0.0,
        energy_weight: 0.3,
        residual_weight: 0.0,
        initial_density_weight: 0.0,
        ..RolloutOptions::DEFAULT
    }
}

/// Compares the directional derivative along the gradient of each network, and along a mixed direction.
fn check(what: &str, probe: &mut Probe) {
    check_along(what, probe, 0..=probe.networks());
}

fn check_along(what: &str, probe: &mut Probe, directions: std::ops::RangeInclusive<usize>) {
    let (_, gradients) = probe.evaluate();
    let networks = gradients.len();
    assert!(gradients.iter().flatten().any(|&g| g != 0.0), "{what}: the gradient is zero");
    for which in directions {
        let direction: Vec<Vec<f64>> = gradients
            .iter()
            .enumerate()
            .map(|(k, gradient)| {
                let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt().max(1e-30);
                let along = |(i, &g): (usize, &f32)| match which {
                    w if w == networks => ((i * 13 + k * 5) % 11) as f64 / 5.0 - 1.0,
                    w if w == k => f64::from(g) / norm,
                    _ => 0.0,
                };
                gradient.iter().enumerate().map(along).collect()
            })
            .collect();
        let length = direction.iter().flatten().map(|d| d * d).sum::<f64>().sqrt();
        if length == 0.0 {
            continue;
        }
        let got: f64 = direction
            .iter()
            .flatten()
            .zip(gradients.iter().flatten())
            .map(|(d, &g)| d / length * f64::from(g))
            .sum();
        let h = 1e-2;
        let at = |probe: &mut Probe, step: f64| probe.loss_along(&direction, step / length);
        // Fourth order, so that h may be large enough for single precision.
        let want =
            (8.0 * (at(probe, h) - at(probe, -h)) - (at(probe, 2.0 * h) - at(probe, -2.0 * h))) / (12.0 * h);
        assert!(
            (got - want).abs() < 2e-3 * want.abs() + 3e-4,
            "{what}, direction {which}: {got}, not {want}"
        );
    }
}

#[test]
fn the_reconstruction_and_the_energy_of_every_model_have_the_right_gradient() {
    for dims in [1, 2, 3] {
        for model in [Model::MioFlow, Model::TigonW2, Model::DeepRuot, Model::VarRuot] {
            for scheme in [Scheme::Euler, Scheme::RungeKutta4] {
                if model == Model::VarRuot && scheme == Scheme::RungeKutta4 {
                    continue;
                }
                let mut options = RolloutOptions { scheme, ..options() };
                options.final_sigma = (model == Model::DeepRuot).then_some(0.7);
                // No resampling here: its draws jump with the weights.
                options.resample_below = 0.0;
                let what = format!("{model:?} by {scheme}, {dims} dimensions");
                check(&what, &mut Probe::new(&cells(dims), model, &options, &training(Activation::Silu)));
            }
        }
    }
}

/// The assignment of cells to particles jumps as particles move, and its jumps are not differentiated: the loss is smooth in
/// the growth network alone.
#[test]
fn the_local_mass_has_the_right_gradient_in_the_growth() {
    for model in [Model::TigonW2, Model::DeepRuot] {
        let options = RolloutOptions { local_mass_weight: 0.05, ..options() };
        let mut probe = Probe::new(&cells(2), model, &options, &training(Activation::Silu));
        check_along(&format!("the local mass of {model:?}"), &mut probe, 1..=1);
    }
}

#[test]
fn every_price_of_growth_has_the_right_gradient() {
    for (model, growth_price) in [
        (Model::TigonW2, GrowthPrice::Branching),
        (Model::DeepRuot, GrowthPrice::Branching),
        (Model::VarRuot, GrowthPrice::Power),
    ] {
        let options = RolloutOptions { growth_price, growth_cap: 1.0, resample_below: 0.0, ..options() };
        let what = format!("{model:?} with {growth_price}");
        check(&what, &mut Probe::new(&cells(2), model, &options, &training(Activation::Tanh)));
    }
}

/// The residual's weights ŵ are not differentiated, so differences of the loss see its gradient where ŵ does not change with
/// the parameters: at the first step of a path, and along whole paths without growth.
#[test]
fn the_residuals_have_the_right_gradient() {
    for activation in [Activation::Tanh, Activation::Silu, Activation::Softplus] {
        for model in [Model::DeepRuot, Model::VarRuot] {
            let residual = RolloutOptions {
                steps: 1,
                residual_weight: 0.4,
                initial_density_weight: 0.02,
                resample_below: 0.0,
                ..options()
            };
            let two = cells(2).without(&[1.5]).unwrap();
            let what = format!("the residual of {model:?} with {activation}");
            check(&what, &mut Probe::new(&two, model, &residual, &training(activation)));

            let path = RolloutOptions { steps: 4, mass_weight: 0.0, ..residual };
            let what = format!("{what} along a path");
            check(&what, &mut Probe::without_growth(&cells(2), model, &path, &training(activation)));
        }
    }
}

#[test]
fn estimated_residuals_have_the_right_gradient_for_their_own_probes() {
    for model in [Model::DeepRuot, Model::VarRuot] {
        let options = RolloutOptions {
            steps: 1,
            residual_weight: 0.4,
            initial_density_weight: 0.0,
            probes: 3,
            resample_below: 0.0,
            ..options()
        };
        let snapshots = cells(super::EXACT_DIMS + 2).without(&[1.5]).unwrap();
        check(
            &format!("{model:?} with probes"),
            &mut Probe::new(&snapshots, model, &options, &training(Activation::Tanh)),
        );
    }
}

/// Resampling maps positions and weights; with the draws held, the loss is a smooth function of the parameters again. They are
/// held where every particle is resampled (threshold 1) and weights, hence draws, do not change: without growth but with
/// unequal weights from the start.
#[test]
fn gradients_pass_through_resampling() {
    let snapshots = cells(2);
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for k in 0..snapshots.len() {
        for (i, row) in snapshots.points(k).chunks(2).enumerate() {
            points.extend(row.iter().map(|&x| f64::from(x)));
            labels.push(snapshots.times()[k]);
            weights.push(if k == 0 { 1.0 + (i % 3) as f64 } else { 1.0 });
        }
    }
    let view = MatrixView::from_f64(&points, labels.len(), 2).unwrap();
    let unequal = Snapshots::new(view, &labels, Some(&weights)).unwrap();
    let options = RolloutOptions { steps: 3, mass_weight: 0.0, resample_below: 1.0, ..options() };
    let mut probe = Probe::without_growth(&unequal, Model::VarRuot, &options, &training(Activation::Tanh));
    check("Var-RUOT with resampling", &mut probe);
    assert!(probe.was_resampled());
}

#[test]
fn a_fine_tuning_has_the_right_gradient_in_its_first_interval() {
    let two = cells(2).without(&[1.5]).unwrap();
    let (options, training) = (options(), training(Activation::LeakyRelu));
    let mut probe = Probe::finetuning(&two, &Scaling::of(&two), &options, &training);
    check("fine-tuning", &mut probe);
}

/// What the particles at a snapshot are is not differentiated after it: the gradient over two intervals is the mean of that of the
/// first and of that of a flow which begins with the particles of the first one's end as its cells.
#[test]
fn a_fine_tuning_takes_the_particles_at_a_snapshot_as_given() {
    let (mut points, mut labels) = (vec![], vec![]);
    for (time, count) in [(0.0, 23), (1.0, 31), (2.0, 40)] {
        for i in 0..count {
            let wave = |c: usize| ((i * 7 + c * 5) % 13) as f64 / 6.0 - 1.0;
            points.extend([wave(0) + time, wave(1) + 0.3 * time]);
            labels.push(time);
        }
    }
    let view = MatrixView::from_f64(&points, labels.len(), 2).unwrap();
    let snapshots = Snapshots::new(view, &labels, None).unwrap();
    let scaling = Scaling::of(&snapshots);
    let options = RolloutOptions { mass_weight: 0.0, ..options() };
    let training = training(Activation::Silu);
    let gradient = |snapshots: &Snapshots| {
        let mut probe = Probe::finetuning(snapshots, &scaling, &options, &training);
        let (_, gradients) = probe.evaluate();
        (gradients.concat(), probe.particles(0))
    };
    let (whole, (x, log_weights)) = gradient(&snapshots);
    let (first, _) = gradient(&snapshots.without(&[2.0]).unwrap());
    let last = snapshots.points(2);
    let at_end = last.iter().map(|&x| f64::from(x));
    let moved = x.iter().enumerate().map(|(i, &x)| f64::from(x) * scaling.length + scaling.centre[i % 2]);
    let points: Vec<f64> = moved.chain(at_end).collect();
    let weights: Vec<f64> =
        log_weights.iter().map(|&l| f64::from(l).exp()).chain(std::iter::repeat_n(1.0, 40)).collect();
    let labels: Vec<f64> = (0..weights.len()).map(|i| if i < 23 { 1.0 } else { 2.0 }).collect();
    let view = MatrixView::from_f64(&points, labels.len(), 2).unwrap();
    let (second, _) = gradient(&Snapshots::new(view, &labels, Some(&weights)).unwrap());
    let size = whole.iter().map(|g| g * g).sum::<f32>().sqrt();
    for ((whole, first), second) in whole.iter().zip(&first).zip(&second) {
        // Single precision, and places that were rounded once more.
        assert!((whole - 0.5 * (first + second)).abs() < 1e-4 * size, "{whole}, not {first} and {second}");
    }
    // The second interval has its say, and so would what it misses at the first one's end.
    assert!(second.iter().any(|g| g.abs() > 0.01 * size));
}

/// Between two snapshots a local step is a global one; over more, it is the mean of theirs.
#[test]
fn a_local_step_is_the_mean_of_those_of_its_intervals() {
    let (mut points, mut labels) = (vec![], vec![]);
    for time in [0.0, 1.0, 2.0] {
        for i in 0..23 {
            let wave = |c: usize| ((i * 7 + c * 5) % 13) as f64 / 6.0 - 1.0;
            points.extend([wave(0) + time, wave(1) + 0.3 * time * time]);
            labels.push(time);
        }
    }
    let view = MatrixView::from_f64(&points, labels.len(), 2).unwrap();
    let snapshots = Snapshots::new(view, &labels, None).unwrap();
    let scaling = Scaling::of(&snapshots);
    let options = RolloutOptions { energy_weight: 0.0, density_weight: 0.4, ..options() };
    let training = training(Activation::Silu);
    let local = |snapshots: &Snapshots| Probe::local(snapshots, &scaling, &options, &training).evaluate();
    let (value, gradient) = local(&snapshots);
    let (first, second) = (snapshots.without(&[2.0]).unwrap(), snapshots.without(&[0.0]).unwrap());
    let ((first, d_first), (second, d_second)) = (local(&first), local(&second));
    assert!((value - 0.5 * (first + second)).abs() < 1e-6, "{value}, not {first} and {second}");
    let size = gradient[0].iter().map(|g| g * g).sum::<f32>().sqrt();
    for ((whole, first), second) in gradient[0].iter().zip(&d_first[0]).zip(&d_second[0]) {
        assert!((whole - 0.5 * (first + second)).abs() < 1e-4 * size, "{whole}, not {first} and {second}");
    }
}

/// TIGON's kernels at a width of the data's order, so that every density reaches every draw.
fn densities() -> RolloutOptions {
    RolloutOptions { kernel_variance: 0.3, ..options() }
}

#[test]
fn densities_along_the_flow_have_the_right_gradient() {
    for dims in [1, 2, 3] {
        for scheme in [Scheme::Euler, Scheme::RungeKutta4] {
            let options = RolloutOptions { scheme, ..densities() };
            let what = format!("the densities by {scheme}, {dims} dimensions");
            let training = TrainingOptions { batch_size: 40, ..training(Activation::Tanh) };
            check(&what, &mut Probe::new(&cells(dims), Model::Tigon, &options, &training));
        }
    }
}

/// Against the definition, point by point in double precision: the same draws go back by the same solver, with the divergence by
/// differences of the velocity.
#[test]
fn densities_along_the_flow_are_those_of_the_change_of_variables() {
    for dims in [1, 2, 3] {
        let snapshots = cells(dims);
        let scaling = Scaling::of(&snapshots);
        let options = RolloutOptions { energy_weight: 0.0, ..densities() };
        let training = TrainingOptions { batch_size: 25, ..training(Activation::Tanh) };
        let mut probe = Probe::new(&snapshots, Model::Tigon, &options, &training);
        let (loss, _) = probe.evaluate();
        let draws = probe.draws();

        // Network units, in which snapshot k is at time k.
        let place = |k: usize, i: usize| -> Vec<f64> {
            let point = snapshots.point(k, i).iter().zip(&scaling.centre);
            point.map(|(&x, c)| (f64::from(x) - c) / scaling.length).collect()
        };
        let mass = |k: usize| snapshots.count(k) as f64 / snapshots.count(0) as f64;
        let density = |k: usize, x: &[f64]| {
            // The variance of the first steps is 1.
            let kernel = |i: usize| {
                let square: f64 = x.iter().zip(place(k, i)).map(|(x, y)| (x - y) * (x - y)).sum();
                (-0.5 * square).exp() / std::f64::consts::TAU.powf(dims as f64 / 2.0)
            };
            mass(k) * (0..snapshots.count(k)).map(kernel).sum::<f64>() / snapshots.count(k) as f64
        };
        let rates = |t: f64, x: &[f64]| {
            let (velocity, growth) = probe.fields(t, x);
            let h = 1e-3;
            let slope = |c: usize| {
                let moved = |by: f64| {
                    let mut x = x.to_vec();
                    x[c] += by;
                    probe.fields(t, &x).0[c]
                };
                (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h)
            };
            (velocity, growth - (0..dims).map(slope).sum::<f64>())
        };
        let step = |t: f64, h: f64, x: &[f64], l: f64| {
            let shifted =
                |by: f64, v: &[f64]| -> Vec<f64> { x.iter().zip(v).map(|(x, v)| x + by * v).collect() };
            let first = rates(t, x);
            let second = rates(t + h / 2.0, &shifted(h / 2.0, &first.0));
            let third = rates(t + h / 2.0, &shifted(h / 2.0, &second.0));
            let fourth = rates(t + h, &shifted(h, &third.0));
            let mean = |c: usize| (first.0[c] + 2.0 * second.0[c] + 2.0 * third.0[c] + fourth.0[c]) / 6.0;
            let v: Vec<f64> = (0..dims).map(mean).collect();
            (shifted(h, &v), l + h * (first.1 + 2.0 * second.1 + 2.0 * third.1 + fourth.1) / 6.0)
        };
        let (mut want, count) = (0.0, 25);
        for (k, draws) in draws.iter().enumerate().map(|(k, draws)| (k + 1, draws)) {
            for x in draws.chunks(dims) {
                let mut x: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let (wanted, mut l) = (density(k, &x), 0.0);
                for j in (0..k).rev() {
                    for index in 0..options.steps {
                        let h = 1.0 / options.steps as f64;
                        (x, l) = step((j + 1) as f64 - index as f64 * h, -h, &x, l);
                    }
                    let of_term = f64::from(j == 0) + f64::from(j == k - 1);
                    want += of_term * (density(j, &x) * (-l).exp() - wanted).powi(2) / count as f64 / 2.0;
                }
            }
        }
        let of_cells = (0..snapshots.count(0)).map(|i| density(0, &place(0, i)).powi(2));
        want /= of_cells.sum::<f64>() / snapshots.count(0) as f64;
        // Fields in single precision, whose differences over 2e-3 are good to 1e-4.
        assert!((loss / want - 1.0).abs() < 2e-3, "{dims} dimensions: {loss}, not {want}");
    }
}

/// A population that moves by a vector and doubles is met by that velocity and by g = ln 2 exactly; by g = 0 each density misses half of
/// what it should be.
#[test]
fn a_density_that_moves_and_doubles_is_met_by_the_flow_that_does_so() {
    let (mut points, mut labels, mut weights) = (vec![], vec![], vec![]);
    for time in 0..2 {
        for i in 0..30 {
            points.extend([(f64::from(i) * 0.7).sin() + f64::from(time), (f64::from(i) * 1.3).cos()]);
            labels.push(f64::from(time));
            weights.push(f64::from(1 + time));
        }
    }
    let view = MatrixView::from_f64(&points, 60, 2).unwrap();
    let snapshots = Snapshots::new(view, &labels, Some(&weights)).unwrap();
    let options = RolloutOptions { energy_weight: 0.0, ..densities() };
    let mut probe = Probe::new(&snapshots, Model::Tigon, &options, &training(Activation::Tanh));
    let v = 1.0 / Scaling::of(&snapshots).length;
    probe.set_constant(&[v, 0.0], 2f64.ln());
    let (met, _) = probe.evaluate();
    assert!(met < 1e-8, "{met}");
    probe.set_constant(&[v, 0.0], 0.0);
    let (missed, _) = probe.evaluate();
    // The error is half of ρ_1 = 2 ρ_0(x − v), over draws of narrower kernels than those of ⟨ρ_0²⟩: both terms have it.
    let draws = probe.draws();
    let square = probe.mean_square_density(&draws[0], 1);
    let own = probe.mean_square_density_of_cells(0);
    assert!((missed / (2.0 * 0.25 * square / own) - 1.0).abs() < 1e-4, "{missed}");
}
