//! Networks: values and derivatives against an independent f64 reference, optimisers against arithmetic by hand.

use chreode::exec::threads::with_threads;
use chreode::nn::{
    Activation, Adam, Architecture, Backprop, BatchGradient, Mlp, MovingAverage, Schedule, clip,
    sum_of_squares,
};

mod reference;

use reference::reference;

/// Numbers in [−1, 1) without structure, from a linear congruence: independent of the library's generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn vector(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| self.next() as f32).collect()
    }
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Odd widths, none a multiple of a vector, 1 to 5 hidden layers.
fn architectures() -> impl Iterator<Item = Architecture> {
    let widths = [13, 7, 19, 5, 11];
    Activation::ALL.iter().flat_map(move |&activation| {
        (1..=5).map(move |depth| Architecture {
            inputs: 3,
            hidden: widths[..depth].to_vec(),
            outputs: 2,
            activation,
        })
    })
}

/// A network whose pre-activations spread over both sides of zero and past where exponentials saturate.
fn network(architecture: &Architecture, numbers: &mut Numbers) -> Mlp {
    let parameters = numbers.vector(architecture.parameter_count()).iter().map(|p| 0.9 * p).collect();
    Mlp::from_parameters(architecture.clone(), parameters).unwrap()
}

#[test]
fn values_agree_with_the_definition_for_any_number_of_rows() {
    let mut numbers = Numbers(1);
    for mut architecture in architectures() {
        for outputs in [1, 2] {
            architecture.outputs = outputs;
            let network = network(&architecture, &mut numbers);
            let parameters = to_f64(network.parameters());
            // The same scratch serves batches that grow and shrink; 128 rows are one block.
            let mut scratch = Vec::new();
            for rows in [0, 1, 5, 128, 131, 300, 2] {
                let input: Vec<f32> = numbers.vector(rows * 3).iter().map(|x| 3.0 * x).collect();
                let mut output = vec![f32::NAN; rows * outputs];
                network.forward(rows, &input, &mut output, &mut scratch);
                for (row, values) in input.chunks(3).zip(output.chunks(outputs)) {
                    for (want, got) in reference(&architecture, &parameters, &to_f64(row)).iter().zip(values)
                    {
                        // Up to 6 products of up to 20 terms of size ≤ 10, each rounded to 6e-8.
                        assert!(
                            (want - f64::from(*got)).abs() < 2e-5 * want.abs().max(1.0),
                            "{architecture:?}: {got}, want {want}"
                        );
                    }
                }
            }
        }
    }
}

/// L = Σ_rows Σ_k c_k(row)·y_k + ½ y_k²: its derivative in y depends on y, so a wrong forward pass shows too.
fn loss_of(output: &[f64], coefficients: &[f32]) -> f64 {
    output.iter().zip(coefficients).map(|(y, &c)| f64::from(c) * y + 0.5 * y * y).sum()
}

fn reference_loss(
    architecture: &Architecture,
    parameters: &[f64],
    input: &[f64],
    coefficients: &[f32],
) -> f64 {
    input
        .chunks(architecture.inputs)
        .zip(coefficients.chunks(architecture.outputs))
        .map(|(row, coefficients)| loss_of(&reference(architecture, parameters, row), coefficients))
        .sum()
}

/// d(loss)/d(values[index]) by a central difference in f64. A step of 1e-6 leaves a truncation error of 1e-12
/// and a rounding error of 1e-9; a kink of (leaky) ReLU inside the step has a probability of about 1e-6 a unit.
fn central_difference(values: &mut [f64], index: usize, mut loss: impl FnMut(&[f64]) -> f64) -> f64 {
    let (centre, step) = (values[index], 1e-6);
    values[index] = centre + step;
    let above = loss(values);
    values[index] = centre - step;
    let below = loss(values);
    values[index] = centre;
    (above - below) / (2.0 * step)
}

/// f32 rounding of sums of about a hundred terms, relative to the largest entry of the gradient.
fn assert_gradient(got: &[f32], want: &[f64], what: &str) {
    let scale = want.iter().fold(0.0f64, |scale, w| scale.max(w.abs()));
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (f64::from(*got) - want).abs() < 1e-5 * scale,
            "{what}, entry {index}: {got}, want {want} (largest {scale})"
        );
    }
}

#[test]
fn parameter_and_input_gradients_agree_with_central_differences() {
    let mut numbers = Numbers(2);
    let rows = 21;
    for architecture in architectures() {
        let network = network(&architecture, &mut numbers);
        let input = numbers.vector(rows * 3);
        let coefficients = numbers.vector(rows * 2);
        let (mut parameters, mut points) = (to_f64(network.parameters()), to_f64(&input));

        let mut pass = Backprop::new(&architecture, 32);
        let mut output = vec![0.0; rows * 2];
        pass.forward(&network, &input, &mut output);
        let d_output: Vec<f32> = output.iter().zip(&coefficients).map(|(y, c)| c + y).collect();
        let mut gradient = vec![0.0; parameters.len()];
        let mut d_input = vec![f32::NAN; input.len()];
        pass.backward(&network, &d_output, &mut gradient, Some(&mut d_input));

        let want: Vec<f64> = (0..parameters.len())
            .map(|index| {
                central_difference(&mut parameters, index, |parameters| {
                    reference_loss(&architecture, parameters, &points, &coefficients)
                })
            })
            .collect();
        assert_gradient(&gradient, &want, &format!("parameters of {architecture:?}"));
        let want: Vec<f64> = (0..points.len())
            .map(|index| {
                central_difference(&mut points, index, |points| {
                    reference_loss(&architecture, &parameters, points, &coefficients)
                })
            })
            .collect();
        assert_gradient(&d_input, &want, &format!("inputs of {architecture:?}"));

        // A second sweep adds to the gradient, and the inputs can be left out.
        let once = gradient.clone();
        pass.backward(&network, &d_output, &mut gradient, None);
        for (twice, once) in gradient.iter().zip(once) {
            assert!((twice - 2.0 * once).abs() <= 1e-5 * once.abs().max(1.0));
        }
    }
}

#[test]
fn the_value_and_its_gradient_in_the_input_agree_with_central_differences() {
    let mut numbers = Numbers(6);
    // Over hundreds of rows some difference would step across a kink of (leaky) ReLU.
    let smooth = [Activation::Tanh, Activation::Silu, Activation::Softplus];
    for mut architecture in architectures().filter(|shape| smooth.contains(&shape.activation)) {
        architecture.outputs = 1;
        let network = network(&architecture, &mut numbers);
        let parameters = to_f64(network.parameters());
        // The same scratch serves batches that grow and shrink; 128 rows are one block.
        let mut scratch = Vec::new();
        for rows in [0, 1, 300, 5] {
            let input = numbers.vector(rows * 3);
            let (mut values, mut gradient) = (vec![f32::NAN; rows], vec![f32::NAN; rows * 3]);
            network.value_and_gradient(rows, &input, &mut values, &mut gradient, &mut scratch);
            let mut forward = vec![f32::NAN; rows];
            network.forward(rows, &input, &mut forward, &mut Vec::new());
            assert_eq!(values, forward, "{architecture:?}");
            let want: Vec<f64> = to_f64(&input)
                .chunks_mut(3)
                .flat_map(|row| {
                    [0, 1, 2].map(|index| {
                        central_difference(row, index, |row| reference(&architecture, &parameters, row)[0])
                    })
                })
                .collect();
            assert_gradient(&gradient, &want, &format!("{rows} rows of {architecture:?}"));
        }
    }
}

/// The squared loss of the batch tests: ½ Σ (y − target)² / rows.
fn squared_loss(targets: &[f32], outputs: usize) -> impl Fn(usize, &[f32], &mut [f32]) -> f64 + Sync {
    let rows = (targets.len() / outputs) as f32;
    move |first_row, output, d_output| {
        let mut loss = 0.0;
        for ((y, d), target) in output.iter().zip(d_output).zip(&targets[first_row * outputs..]) {
            *d = (y - target) / rows;
            loss += f64::from(0.5 * (y - target) * *d);
        }
        loss
    }
}

#[test]
fn a_batch_gives_the_gradient_of_one_pass_over_all_rows() {
    let mut numbers = Numbers(3);
    let architecture =
        Architecture { inputs: 4, hidden: vec![33, 17], outputs: 3, activation: Activation::Softplus };
    let network = network(&architecture, &mut numbers);
    let mut batch = BatchGradient::new(&architecture, 5000);
    // Less than a block, a block, two uneven parts, all parts with one block each, several blocks a part.
    for rows in [1, 7, 128, 129, 2048, 5000, 40] {
        let (input, targets) = (numbers.vector(rows * 4), numbers.vector(rows * 3));
        let mut pass = Backprop::new(&architecture, rows);
        let (mut output, mut d_output) = (vec![0.0; rows * 3], vec![0.0; rows * 3]);
        pass.forward(&network, &input, &mut output);
        let want_loss = squared_loss(&targets, 3)(0, &output, &mut d_output);
        let mut want = vec![0.0; architecture.parameter_count()];
        pass.backward(&network, &d_output, &mut want, None);

        let loss = batch.evaluate(&network, &input, squared_loss(&targets, 3));
        assert!((loss - want_loss).abs() < 1e-6 * want_loss);
        assert_gradient(batch.gradient(), &to_f64(&want), &format!("{rows} rows"));
    }
    // Nothing to learn from.
    assert_eq!(batch.evaluate(&network, &[], |_, _, _| unreachable!()), 0.0);
    assert!(batch.gradient().iter().all(|&g| g == 0.0));
}

#[test]
fn training_gives_the_same_bits_at_any_number_of_threads() {
    let train = || {
        let mut numbers = Numbers(4);
        let architecture =
            Architecture { inputs: 5, hidden: vec![64, 31], outputs: 4, activation: Activation::Silu };
        let mut network = Mlp::new(architecture.clone(), 11, 0).unwrap();
        let (input, targets) = (numbers.vector(3001 * 5), numbers.vector(3001 * 4));
        let mut batch = BatchGradient::new(&architecture, 3001);
        let mut adam = Adam::new(architecture.parameter_count());
        let mut average = MovingAverage::new(network.parameters(), 0.995);
        let mut bits = Vec::new();
        for _ in 0..5 {
            bits.push(batch.evaluate(&network, &input, squared_loss(&targets, 4)).to_bits());
            bits.push(clip_together(&mut [batch.gradient_mut()], 0.01).to_bits());
            adam.step(network.parameters_mut(), batch.gradient(), 1e-3);
            average.update(network.parameters());
        }
        bits.extend(network.parameters().iter().chain(average.parameters()).map(|p| u64::from(p.to_bits())));
        bits
    };
    let want = with_threads(1, train).unwrap();
    for threads in [2, 4, 16] {
        assert!(with_threads(threads, train).unwrap() == want, "{threads} threads");
    }
}

#[test]
fn a_small_regression_is_learnt() {
    // y = (sin 3x₀ · x₁, |x₀|) on the square: every activation gets below a twentieth of the variance.
    let rows = 400;
    let input = Numbers(5).vector(2 * rows);
    let targets: Vec<f32> = input.chunks(2).flat_map(|x| [(3.0 * x[0]).sin() * x[1], x[0].abs()]).collect();
    for &activation in Activation::ALL {
        let architecture = Architecture { inputs: 2, hidden: vec![32, 32], outputs: 2, activation };
        let mut network = Mlp::new(architecture.clone(), 11, 0).unwrap();
        let mut batch = BatchGradient::new(&architecture, rows);
        let mut adam = Adam::new(architecture.parameter_count());
        let mut average = MovingAverage::new(network.parameters(), 0.995);
        let steps = 600;
        let schedule = Schedule::Cosine { start: 1e-2, end: 1e-5, steps };
        let first = batch.evaluate(&network, &input, squared_loss(&targets, 2));
        for step in 0..steps {
            batch.evaluate(&network, &input, squared_loss(&targets, 2));
            adam.step(network.parameters_mut(), batch.gradient(), schedule.rate(step));
            average.update(network.parameters());
        }
        let averaged = Mlp::from_parameters(architecture, average.parameters().to_vec()).unwrap();
        for (network, which) in [(&network, "last"), (&averaged, "averaged")] {
            let loss = batch.evaluate(network, &input, squared_loss(&targets, 2));
            assert!(loss < 0.005 && loss < first / 20.0, "{activation}, {which}: {first} → {loss}");
        }
    }
}

#[test]
fn initial_parameters_are_uniform_within_the_bound_and_differ_by_seed_and_index() {
    let architecture =
        Architecture { inputs: 16, hidden: vec![400], outputs: 100, activation: Activation::Tanh };
    let network = Mlp::new(architecture.clone(), 11, 0).unwrap();
    assert_eq!(network.parameters().len(), 17 * 400 + 401 * 100);
    for (layer, bound) in architecture.layers().zip([0.25f32, 0.05]) {
        let parameters = &network.parameters()[layer.offset..layer.bias().end];
        assert!(parameters.iter().all(|p| p.abs() <= bound));
        // The variance of U(±b) is b²/3, estimated here from at least 6800 numbers: 5 standard errors are 6 %.
        let variance =
            parameters.iter().map(|&p| f64::from(p).powi(2)).sum::<f64>() / parameters.len() as f64;
        assert!((variance / (f64::from(bound).powi(2) / 3.0) - 1.0).abs() < 0.06);
    }
    assert_eq!(network, Mlp::new(architecture.clone(), 11, 0).unwrap());
    assert_ne!(network, Mlp::new(architecture.clone(), 12, 0).unwrap());
    assert_ne!(network, Mlp::new(architecture, 11, 1).unwrap());
}

#[test]
fn impossible_architectures_and_names_are_refused() {
    let architecture = |inputs, hidden: &[usize], outputs| Architecture {
        inputs,
        hidden: hidden.to_vec(),
        outputs,
        activation: Activation::default(),
    };
    let refusal = |architecture| Mlp::new(architecture, 1, 0).unwrap_err().to_string();
    assert_eq!(refusal(architecture(0, &[4], 1)), "inputs must be at least 1 (the width of a layer), got 0");
    assert!(refusal(architecture(2, &[4, 0], 1)).starts_with("hidden must be"));
    assert!(refusal(architecture(2, &[4], 0)).starts_with("outputs must be"));
    assert!(refusal(architecture(2, &[usize::MAX, 2], 1)).contains("at most 2^31"));
    let error = Mlp::from_parameters(architecture(2, &[3], 1), vec![0.0; 12]).unwrap_err().to_string();
    assert_eq!(error, "the number of network parameters must be 13, as its layers have, got 12");
    for &activation in Activation::ALL {
        assert_eq!(activation.as_str().parse(), Ok(activation));
    }
    assert!("gelu".parse::<Activation>().unwrap_err().to_string().contains("leaky-relu"));
    assert!(Schedule::Constant(-1.0).validate().is_err());
    assert!(Schedule::Cosine { start: 1e-3, end: f64::NAN, steps: 3 }.validate().is_err());
    assert!(Schedule::Cosine { start: 1e-3, end: 1e-5, steps: 3 }.validate().is_ok());
}

#[test]
fn an_affine_network_is_its_matrix() {
    let architecture =
        Architecture { inputs: 2, hidden: vec![], outputs: 2, activation: Activation::default() };
    let network = Mlp::from_parameters(architecture.clone(), vec![1.0, 2.0, 3.0, 4.0, 0.5, -0.5]).unwrap();
    let mut output = [0.0; 2];
    network.forward(1, &[10.0, 1.0], &mut output, &mut Vec::new());
    assert_eq!(output, [13.5, 23.5]);
    let mut pass = Backprop::new(&architecture, 1);
    pass.forward(&network, &[10.0, 1.0], &mut output);
    assert_eq!(output, [13.5, 23.5]);
    let (mut gradient, mut d_input) = ([0.0; 6], [0.0; 2]);
    pass.backward(&network, &[1.0, -1.0], &mut gradient, Some(&mut d_input));
    assert_eq!(gradient, [10.0, -10.0, 1.0, -1.0, 1.0, -1.0]);
    assert_eq!(d_input, [-1.0, -1.0]);

    let line = Architecture { outputs: 1, ..architecture };
    let line = Mlp::from_parameters(line, vec![1.0, 2.0, 0.5]).unwrap();
    let (mut values, mut gradient) = ([0.0; 2], [0.0; 4]);
    line.value_and_gradient(2, &[10.0, 1.0, 0.0, -1.0], &mut values, &mut gradient, &mut Vec::new());
    assert_eq!((values, gradient), ([12.5, -1.5], [1.0, 2.0, 1.0, 2.0]));
}

#[test]
fn adam_follows_the_published_recurrence() {
    // By hand for θ₀ = 1, η = 0.1, gradients 1, −0.5, 2 (the recurrence in f64):
    // m = 0.1, 0.04, 0.236; v = 0.001, 0.001249, 0.005247751; m̂ = 1, 0.2105263, 0.8708487;
    // v̂ = 1, 0.6248124, 1.7510008.
    let mut parameters = [1.0f32, 1.0];
    let mut adam = Adam::new(2);
    let want = [0.9, 0.873_366_30, 0.807_555_14];
    for (gradient, want) in [1.0f32, -0.5, 2.0].into_iter().zip(want) {
        adam.step(&mut parameters, &[gradient, 0.0], 0.1);
        // Three updates of size 0.1 in f32.
        assert!((f64::from(parameters[0]) - want).abs() < 3e-7, "{} want {want}", parameters[0]);
        assert_eq!(parameters[1], 1.0, "no gradient, no movement");
    }
}

#[test]
fn the_cosine_schedule_meets_its_ends_and_middle() {
    let schedule = Schedule::Cosine { start: 5e-3, end: 1e-5, steps: 3000 };
    assert_eq!(schedule.rate(0), 5e-3);
    assert!((schedule.rate(1500) - 0.5 * (5e-3 + 1e-5)).abs() < 1e-15);
    assert_eq!(schedule.rate(3000), 1e-5);
    assert_eq!(schedule.rate(usize::MAX), 1e-5);
    assert!((0..3000).all(|step| schedule.rate(step) > schedule.rate(step + 1)));
    assert_eq!(Schedule::Constant(0.1).rate(7), 0.1);
    assert_eq!(Schedule::Cosine { start: 1.0, end: 0.5, steps: 0 }.rate(0), 0.5);
}

/// Clips gradients to a joint norm; returns the norm that they had.
fn clip_together(gradients: &mut [&mut [f32]], most: f64) -> f64 {
    let norm = gradients.iter().map(|gradient| sum_of_squares(gradient)).sum::<f64>().sqrt();
    gradients.iter_mut().for_each(|gradient| clip(gradient, norm, most));
    norm
}

#[test]
fn clipping_scales_the_joint_norm_and_only_when_it_is_too_large() {
    let (mut a, mut b) = (vec![3.0f32; 16], vec![4.0f32; 16]); // norm 20
    assert_eq!(clip_together(&mut [&mut a, &mut b], 20.0), 20.0);
    assert!(a.iter().all(|&g| g == 3.0));
    assert_eq!(clip_together(&mut [&mut a, &mut b], 5.0), 20.0);
    assert!(a.iter().all(|&g| g == 0.75) && b.iter().all(|&g| g == 1.0));
    // Squares that overflow f32 do not overflow the norm; a NaN is reported, not spread.
    let mut large = [1e30f32, 0.0, 0.0];
    assert!((clip_together(&mut [&mut large], 1.0) / 1e30 - 1.0).abs() < 1e-6);
    assert!((large[0] - 1.0).abs() < 1e-6);
    let mut broken = [f32::NAN, 1.0];
    assert!(clip_together(&mut [&mut broken], 0.5).is_nan());
    assert_eq!(broken[1], 1.0);
}

#[test]
fn the_moving_average_forgets_its_start_and_then_decays_as_asked() {
    // From 0, with parameters 1 ever after, the average is 1 − Π d_n.
    let mut average = MovingAverage::new(&[0.0], 0.995);
    let mut left = 1.0;
    for n in 1..=3000 {
        average.update(&[1.0]);
        left *= (f64::from(n) / f64::from(n + 9)).min(0.995);
        assert!((f64::from(average.parameters()[0]) - (1.0 - left)).abs() < 1e-5);
    }
    let mut latest = MovingAverage::new(&[0.0], 0.0);
    latest.update(&[0.25]);
    assert_eq!(latest.parameters(), [0.25]);
}

#[test]
fn a_diverged_network_is_not_hidden_by_its_activation() {
    for &activation in Activation::ALL {
        let mut values = [f32::NAN, 1.0];
        activation.apply(&[0.0, 0.0], &mut values);
        assert!(values[0].is_nan(), "{activation}");
        let (mut values, mut slopes) = ([f32::INFINITY, f32::NEG_INFINITY], [0.0; 2]);
        activation.apply_with_slopes(&[0.0, 0.0], &mut values, &mut slopes);
        let right = if activation == Activation::Tanh { 1.0 } else { f32::INFINITY };
        assert_eq!(values[0], right, "{activation}");
    }
}
