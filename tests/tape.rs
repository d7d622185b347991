//! The tape and the jets: a network's own derivatives, and the parameter gradients of losses that hold them, against
//! differences of an independent double-precision network.

mod reference;

use chreode::exec::rng::{Purpose, stream};
use chreode::nn::{Activation, Architecture, Directions, Mlp, Tape};
use reference::reference;

const SMOOTH: [Activation; 3] = [Activation::Tanh, Activation::Silu, Activation::Softplus];

/// A network in f64.
struct Reference {
    architecture: Architecture,
    parameters: Vec<f64>,
}

impl Reference {
    fn of(network: &Mlp) -> Self {
        let parameters = network.parameters().iter().map(|&p| f64::from(p)).collect();
        Self { architecture: network.architecture().clone(), parameters }
    }

    fn value(&self, row: &[f64]) -> Vec<f64> {
        reference(&self.architecture, &self.parameters, row)
    }

    /// ∂/∂(input k) of output `o`, by fourth-order central differences: exact to about 1e-11.
    fn slope(&self, row: &[f64], k: usize, o: usize) -> f64 {
        let h = 1e-3;
        let at = |step: f64| {
            let mut row = row.to_vec();
            row[k] += step * h;
            self.value(&row)[o]
        };
        (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
    }

    /// ∂²/∂(input k)² of output 0, likewise, exact to about 1e-8.
    fn curvature(&self, row: &[f64], k: usize) -> f64 {
        let h = 3e-3;
        let at = |step: f64| {
            let mut row = row.to_vec();
            row[k] += step * h;
            self.value(&row)[0]
        };
        (16.0 * (at(1.0) + at(-1.0)) - (at(2.0) + at(-2.0)) - 30.0 * at(0.0)) / (12.0 * h * h)
    }
}

const ROWS: usize = 5;
const DIMS: usize = 3;
const TIME: f64 = 0.4;

fn points() -> Vec<f32> {
    (0..ROWS * DIMS).map(|i| ((i * 37 % 19) as f32 - 9.0) / 8.0).collect()
}

fn network(activation: Activation, outputs: usize, index: u64) -> Mlp {
    let architecture = Architecture { inputs: DIMS + 1, hidden: vec![17, 11, 13], outputs, activation };
    let mut network = Mlp::new(architecture, 5, index).unwrap();
    // Larger weights than at a start of training bend the network more.
    network.parameters_mut().iter_mut().for_each(|p| *p *= 1.8);
    network
}

fn rows(points: &[f64]) -> impl Iterator<Item = Vec<f64>> {
    points.chunks(DIMS).map(|x| [&[TIME][..], x].concat())
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

#[test]
fn gradient_laplacian_and_divergence_of_random_networks_are_exact() {
    let points = points();
    let (mut axes, mut vector_axes) = (Directions::default(), Directions::default());
    axes.set_axes(ROWS, DIMS, true);
    vector_axes.set_axes(ROWS, DIMS, false);
    for activation in SMOOTH {
        let networks = [network(activation, 1, 0), network(activation, DIMS, 1)];
        let reference = networks.each_ref().map(Reference::of);
        let mut tape = Tape::default();
        let x = tape.leaf(ROWS, &points);
        let scalar = tape.apply_jet(&networks, 0, (TIME as f32, x), &axes);
        let gradient = tape.input_gradient(&networks, &scalar);
        let laplacian = tape.laplacian(&scalar);
        let vector = tape.apply_jet(&networks, 1, (TIME as f32, x), &vector_axes);
        let divergence = tape.divergence(&vector, &vector_axes);
        for (i, row) in rows(&to_f64(&points)).enumerate() {
            // Single precision, values of order one: 1e-7 for each of some ten operations in a row, more for the
            // second derivatives, whose terms are larger than their sum.
            for k in 0..=DIMS {
                let got = f64::from(tape.value(gradient)[i * (DIMS + 1) + k]);
                let want = reference[0].slope(&row, k, 0);
                assert!((got - want).abs() < 5e-6, "{activation}: slope {k} of row {i}: {got}, not {want}");
            }
            let want: f64 = (1..=DIMS).map(|k| reference[0].curvature(&row, k)).sum();
            let got = f64::from(tape.value(laplacian)[i]);
            assert!(
                (got - want).abs() < 2e-5 * (1.0 + want.abs()),
                "{activation}: Laplacian {got}, not {want}"
            );
            let want: f64 = (1..=DIMS).map(|k| reference[1].slope(&row, k, k - 1)).sum();
            let got = f64::from(tape.value(divergence)[i]);
            assert!((got - want).abs() < 1e-5, "{activation}: divergence {got}, not {want}");
            let want = reference[0].value(&row)[0];
            assert!((f64::from(tape.value(scalar.output)[i]) - want).abs() < 5e-6);
        }
    }
}

#[test]
fn a_function_of_two_rows_is_swept_by_the_derivatives_that_it_gives() {
    // Σ_rows (a0 b0² + a1 b2) weighed 1, 2, 3, of matrices of different widths that are used elsewhere too.
    let (a, b) = ([1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5f32, 1.0, 2.0, -1.0, 0.0, 1.0, 3.0, 2.0, -2.0]);
    let mut tape = Tape::default();
    let (left, right) = (tape.leaf(3, &a), tape.leaf(3, &b));
    let twice = tape.scale(left, 2.0);
    let value = tape.function(twice, right, |(a, b), (by_a, by_b)| {
        by_a.copy_from_slice(&[b[0] * b[0], b[2]]);
        by_b.copy_from_slice(&[2.0 * a[0] * b[0], 0.0, a[1]]);
        a[0] * b[0] * b[0] + a[1] * b[2]
    });
    let want = |i: usize| 2.0 * a[2 * i] * b[3 * i] * b[3 * i] + 2.0 * a[2 * i + 1] * b[3 * i + 2];
    assert_eq!(tape.value(value), [want(0), want(1), want(2)]);
    tape.seed(value, |to| to.copy_from_slice(&[1.0, 2.0, 3.0]));
    tape.backward(&[], &mut []);
    for i in 0..3 {
        let weight = (i + 1) as f32;
        let (a0, a1, b0, b2) = (2.0 * a[2 * i], 2.0 * a[2 * i + 1], b[3 * i], b[3 * i + 2]);
        assert_eq!(tape.adjoint(left).unwrap()[2 * i..][..2], [2.0 * weight * b0 * b0, 2.0 * weight * b2]);
        assert_eq!(tape.adjoint(right).unwrap()[3 * i..][..3], [weight * 2.0 * a0 * b0, 0.0, weight * a1]);
    }
}

#[test]
fn probes_are_unbiased() {
    let points = points();
    let networks = [network(Activation::Tanh, 1, 0)];
    let reference = Reference::of(&networks[0]);
    let mut mean = [0.0; ROWS];
    let (draws, count) = (400, 8);
    let mut directions = Directions::default();
    let mut tape = Tape::default();
    let mut squares = [0.0; ROWS];
    for draw in 0..draws {
        directions.set_probes(ROWS, DIMS, count, true, &mut stream(3, Purpose::Training, draw, 0));
        tape.reset();
        let x = tape.leaf(ROWS, &points);
        let jet = tape.apply_jet(&networks, 0, (TIME as f32, x), &directions);
        let laplacian = tape.laplacian(&jet);
        for (i, &value) in tape.value(laplacian).iter().enumerate() {
            mean[i] += f64::from(value) / draws as f64;
            squares[i] += f64::from(value).powi(2) / draws as f64;
        }
    }
    for (i, row) in rows(&to_f64(&points)).enumerate() {
        let want: f64 = (1..=DIMS).map(|k| reference.curvature(&row, k)).sum();
        let error = ((squares[i] - mean[i].powi(2)).max(0.0) / draws as f64).sqrt();
        assert!((mean[i] - want).abs() < 5.0 * error + 1e-5, "row {i}: {} ± {error}, not {want}", mean[i]);
    }
}

/// A loss with everything that the rollout methods put in theirs: values, time derivative, gradient, Laplacian of a scalar
/// network f; values and divergence of a vector network v; products of them, and an exponential.
///
/// Σ_rows (∂_t f + ½‖∇f‖² + 0.3 Δf + v·∇f + ∇·v)² e^{0.1 f} + v·v
fn loss_of(reference: &[Reference; 2], points: &[f64]) -> f64 {
    rows(points)
        .map(|row| {
            let slopes: Vec<f64> = (0..=DIMS).map(|k| reference[0].slope(&row, k, 0)).collect();
            let laplacian: f64 = (1..=DIMS).map(|k| reference[0].curvature(&row, k)).sum();
            let v = reference[1].value(&row);
            let divergence: f64 = (1..=DIMS).map(|k| reference[1].slope(&row, k, k - 1)).sum();
            let gradient = &slopes[1..];
            let residual = slopes[0]
                + 0.5 * gradient.iter().map(|g| g * g).sum::<f64>()
                + 0.3 * laplacian
                + v.iter().zip(gradient).map(|(v, g)| v * g).sum::<f64>()
                + divergence;
            residual * residual * (0.1 * reference[0].value(&row)[0]).exp()
                + v.iter().map(|v| v * v).sum::<f64>()
        })
        .sum()
}

#[test]
fn one_sweep_gives_the_gradient_of_a_loss_of_derivatives() {
    let points = points();
    let (mut axes, mut vector_axes) = (Directions::default(), Directions::default());
    axes.set_axes(ROWS, DIMS, true);
    vector_axes.set_axes(ROWS, DIMS, false);
    let mut tape = Tape::default();
    for activation in SMOOTH {
        let networks = [network(activation, 1, 0), network(activation, DIMS, 1)];
        let mut gradients = networks.each_ref().map(|n| vec![0.0; n.parameters().len()]);
        // Twice on the same buffers: what the first left behind must not show.
        let mut x_adjoint = vec![];
        for _ in 0..2 {
            gradients.iter_mut().for_each(|g| g.fill(0.0));
            tape.reset();
            let x = tape.leaf(ROWS, &points);
            let f = tape.apply_jet(&networks, 0, (TIME as f32, x), &axes);
            let slopes = tape.input_gradient(&networks, &f);
            let (dt, dx) = (tape.columns(slopes, 0, 1), tape.columns(slopes, 1, DIMS));
            let laplacian = tape.laplacian(&f);
            let v = tape.apply_jet(&networks, 1, (TIME as f32, x), &vector_axes);
            let divergence = tape.divergence(&v, &vector_axes);
            let v = tape.output_value(&v);
            let square = tape.dot(dx, dx);
            let along = tape.dot(v, dx);
            let residual = tape.sum((dt, 1.0), (square, 0.5));
            let residual = tape.sum((residual, 1.0), (laplacian, 0.3));
            let residual = tape.sum((residual, 1.0), (along, 1.0));
            let residual = tape.sum((residual, 1.0), (divergence, 1.0));
            let squared = tape.product(residual, residual);
            let value = tape.output_value(&f);
            let weight = tape.map(value, |x| ((0.1 * x).exp(), 0.1 * (0.1 * x).exp()));
            let weighted = tape.product(squared, weight);
            let speed = tape.dot(v, v);
            let total = tape.sum((weighted, 1.0), (speed, 1.0));
            tape.seed(total, |adjoint| adjoint.fill(1.0));
            tape.backward(&networks, &mut gradients);
            x_adjoint = tape.adjoint(x).unwrap().to_vec();
        }
        let mut reference = networks.each_ref().map(Reference::of);
        let exact = to_f64(&points);
        // Differences in f64 are good to 1e-6; the tape is single precision with sums of some hundred terms.
        let h = 1e-4;
        let check = |got: f64, size: f64, what: &str, at: &mut dyn FnMut(f64) -> f64| {
            let want = (at(h) - at(-h)) / (2.0 * h);
            assert!((got - want).abs() < 3e-5 * size + 1e-4, "{activation}: {what}: {got}, not {want}");
        };
        for which in 0..2 {
            let size = gradients[which].iter().fold(0.0f64, |m, g| m.max(f64::from(g.abs())));
            for k in (0..gradients[which].len()).step_by(7) {
                let start = reference[which].parameters[k];
                check(
                    f64::from(gradients[which][k]),
                    size,
                    &format!("parameter {k} of {which}"),
                    &mut |step| {
                        reference[which].parameters[k] = start + step;
                        let loss = loss_of(&reference, &exact);
                        reference[which].parameters[k] = start;
                        loss
                    },
                );
            }
        }
        let size = x_adjoint.iter().fold(0.0f64, |m, g| m.max(f64::from(g.abs())));
        for k in 0..exact.len() {
            check(f64::from(x_adjoint[k]), size, &format!("coordinate {k}"), &mut |step| {
                let mut moved = exact.clone();
                moved[k] += step;
                loss_of(&reference, &moved)
            });
        }
    }
}

#[test]
fn an_activation_without_second_derivatives_is_refused_by_name() {
    let error = Activation::LeakyRelu.require_smooth("the HJB residual").unwrap_err().to_string();
    for part in ["leaky-relu", "tanh, silu, softplus", "the HJB residual"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(SMOOTH.iter().all(|activation| activation.require_smooth("anything").is_ok()));
}
