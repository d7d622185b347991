//! The loss of action matching: a potential whose gradient moves cells and whose value grows them, by where bridges are alone (Neklyudov,
//! Brekelmans, Severo, Makhzani, ICML 2023), and by where they are that are learned against it (Wasserstein Lagrangian flows: Neklyudov et
//! al., ICML 2024).

use rayon::prelude::*;

use super::batch::{Batch, Row};
use super::source::Source;
use crate::error::{Result, fits_in_memory};
use crate::fields::{GrowthLaw, Role};
use crate::nn::{Mlp, Tape, Var};
use crate::train::{Loss, TrainingOptions};

/// Steps up h that places take before the potential learns from them, where paths are learned, as published for cells.
const ASCENTS: usize = 10;
/// Their length, of a derivative that is held within ±1, times 2r(1−r).
const ASCENT: f32 = 0.01;

/// Of a potential s, summed over the intervals,
///
/// ```text
/// ω_k { E_k[m s] − E_{k+1}[m s] + ∫ E_t[m h] dt } / d,   h = ∂_t s + ½‖∇s‖² + H(s)
/// ```
///
/// with masses m relative to what is sent, and H the growth part of the [Hamiltonian](GrowthLaw::hamiltonian), 0 without growth: by the continuity
/// equation this is the mean of ½‖∇s − v‖² + ½α(s/α − g)², up to what does not depend on s, for the velocity v and growth rate g of
/// least action that go with the path of densities; these need not be known. At its minimum it is minus their action.
///
/// Where paths are learned, x = (1−r)x0 + r x1 + r(1−r)φ(x0, x1, t) with a second network φ, which ascends the mean of h: of all paths
/// between the snapshots it takes the one of least action, so that minimum and maximum are the dual of dynamical transport.
pub(super) struct Action<'a> {
    source: Source<'a>,
    law: Option<GrowthLaw>,
    batch: Batch,
    tasks: Vec<Task>,
    gradients: Vec<Vec<f32>>,
}

/// A batch's consecutive rows, and the buffers of their derivatives.
#[derive(Debug, Default)]
struct Task {
    tape: Tape,
    curves: Tape,
    /// (t, x) of each row, as bent; and where it has gone from there.
    bent: Vec<f32>,
    places: Vec<f32>,
    /// 2r(1−r) of each row, 0 of one that has no path.
    hump: Vec<f32>,
    /// (t, x0) of all rows, then (t, x1); and what the paths are a function of.
    at_ends: Vec<f32>,
    inputs: Vec<f32>,
    /// Derivatives in rows (t, x).
    slopes: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    /// Of sweeps that are made for the derivatives by places alone.
    unused: Vec<Vec<f32>>,
    loss: f64,
}

impl<'a> Action<'a> {
    /// The loss of a potential, which is the first of `networks`, and of paths, whose network is the second where there is one; `source` gives
    /// the ends of its rows.
    pub(super) fn new(
        source: Source<'a>,
        law: Option<GrowthLaw>,
        networks: &[Mlp],
        options: &TrainingOptions,
    ) -> Result<Self> {
        let (dims, intervals) = (source.snapshots.dims(), source.intervals.len());
        let numbers =
            options.batch_size.checked_mul(intervals).and_then(|rows| rows.checked_mul(8 * dims + 8));
        fits_in_memory("batch_size", options.batch_size, numbers)?;
        let gradients = || networks.iter().map(|network| vec![0.0; network.parameters().len()]).collect();
        let batch = Batch::new(&source);
        let task = |_| Task { gradients: gradients(), unused: gradients(), ..Task::default() };
        Ok(Self { law, tasks: (0..batch.tasks()).map(task).collect(), gradients: gradients(), batch, source })
    }

    /// The potential's network, flat to begin with, and that of the paths, straight to begin with, where they are learned.
    pub(super) fn networks(
        options: &TrainingOptions,
        learned: bool,
        dims: usize,
        seed: u64,
    ) -> Result<Vec<Mlp>> {
        let shape = options.architecture(Role::Potential, dims)?;
        fits_in_memory("hidden", shape.parameter_count(), shape.parameter_count().checked_mul(8))?;
        let mut networks = vec![options.silent_network(Role::Potential, dims, seed)?];
        if learned {
            networks.push(super::interpolant::network(options, dims, seed)?);
        }
        Ok(networks)
    }
}

impl Loss for Action<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let Self { source, law, batch, tasks, gradients, .. } = self;
        batch.draw(source, step);
        let dims = source.snapshots.dims();
        tasks.par_iter_mut().enumerate().with_max_len(1).for_each(|(index, task)| {
            let (rows, inputs, ends) = batch.of_task(index);
            task.evaluate(networks, *law, dims, rows, inputs, ends);
        });
        for (k, sum) in gradients.iter_mut().enumerate() {
            sum.fill(0.0);
            for task in &*tasks {
                sum.iter_mut().zip(&task.gradients[k]).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(tasks.iter().map(|task| task.loss).sum())
    }

    fn gradient(&mut self, network: usize) -> &mut [f32] {
        &mut self.gradients[network]
    }
}

/// h at the rows (t, x) of `input`, a column.
fn rate(tape: &mut Tape, networks: &[Mlp], law: Option<GrowthLaw>, input: Var, dims: usize) -> Var {
    let potential = tape.apply(networks, 0, input, 2);
    let slopes = tape.input_gradient(networks, &potential);
    let (change, drift) = (tape.columns(slopes, 0, 1), tape.columns(slopes, 1, dims));
    let speed = tape.dot(drift, drift);
    let moving = tape.sum((change, 1.0), (speed, 0.5));
    let Some(law) = law else { return moving };
    let growing = tape.map(potential.output, |s| {
        let (value, slope) = law.hamiltonian(f64::from(s));
        (value as f32, slope as f32)
    });
    tape.sum((moving, 1.0), (growing, 1.0))
}

impl Task {
    fn evaluate(
        &mut self,
        networks: &[Mlp],
        law: Option<GrowthLaw>,
        dims: usize,
        rows: &[Row],
        inputs: &[f32],
        ends: &[f32],
    ) {
        let share = 1.0 / dims as f32;
        let count = rows.len();
        self.gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        self.bent.clear();
        self.bent.extend_from_slice(inputs);
        let paths = (networks.len() > 1).then(|| self.bend(networks, dims, rows, ends));
        self.places.clone_from(&self.bent);
        if paths.is_some() {
            for _ in 0..ASCENTS {
                self.ascend(networks, law, dims);
            }
        }
        let Self { tape, places, at_ends, gradients, .. } = self;
        tape.reset();
        let leaf = tape.leaf(count, places);
        let h = rate(tape, networks, law, leaf, dims);
        at_ends.clear();
        for side in 0..2 {
            for (row, ends) in rows.iter().zip(ends.chunks_exact(2 * dims)) {
                at_ends.push(row.times[side]);
                at_ends.extend_from_slice(&ends[side * dims..(side + 1) * dims]);
            }
        }
        let leaf = tape.leaf(2 * count, at_ends);
        let s = tape.apply(networks, 0, leaf, 1).output;
        let outer = |at: usize| {
            let (row, side) = (&rows[at % count], at / count);
            share * row.weight * row.at_ends[side] * if side == 0 { 1.0 } else { -1.0 }
        };
        let weigh = |values: &[f32], weight: &dyn Fn(usize) -> f32| {
            values
                .iter()
                .enumerate()
                .map(|(at, &value)| f64::from(weight(at)) * f64::from(value))
                .sum::<f64>()
        };
        let of_row = |at: usize| share * rows[at].weight * (rows[at].times[1] - rows[at].times[0]);
        self.loss = weigh(tape.value(h), &of_row) + weigh(tape.value(s), &outer);
        tape.seed(h, |to| to.iter_mut().enumerate().for_each(|(at, to)| *to += of_row(at)));
        tape.seed(s, |to| to.iter_mut().enumerate().for_each(|(at, to)| *to += outer(at)));
        tape.backward(networks, gradients);
        let Some(phi) = paths else { return };
        // φ ascends Σ weight h: by the chain of derivatives through where it bends the rows to.
        let Self { tape, curves, bent, hump, slopes, gradients, unused, .. } = self;
        differentiate(tape, (networks, law), dims, bent, (unused, slopes), of_row);
        curves.seed(phi, |to| {
            let of_rows = to.chunks_exact_mut(dims).zip(slopes.chunks_exact(dims + 1)).zip(&*hump);
            for ((to, slope), hump) in of_rows {
                to.iter_mut().zip(&slope[1..]).for_each(|(to, slope)| *to -= 0.5 * hump * slope);
            }
        });
        curves.backward(networks, gradients);
    }

    /// Bends the rows by the second network, whose values it gives.
    fn bend(&mut self, networks: &[Mlp], dims: usize, rows: &[Row], ends: &[f32]) -> Var {
        let Self { curves, bent, hump, inputs, .. } = self;
        inputs.clear();
        hump.clear();
        for ((row, input), ends) in
            rows.iter().zip(bent.chunks_exact(dims + 1)).zip(ends.chunks_exact(2 * dims))
        {
            let [start, end] = row.times;
            let r = ((input[0] - start) / (end - start)).clamp(0.0, 1.0);
            inputs.extend([start, r]);
            inputs.extend_from_slice(ends);
            // A cell without a partner stays where it is.
            let is_matched = row.at_ends.iter().all(|weight| *weight > 0.0);
            hump.push(if is_matched { 2.0 * r * (1.0 - r) } else { 0.0 });
        }
        curves.reset();
        let leaf = curves.leaf(rows.len(), inputs);
        let phi = curves.apply(networks, 1, leaf, 1).output;
        let of_rows = bent.chunks_exact_mut(dims + 1).zip(curves.value(phi).chunks_exact(dims)).zip(&*hump);
        for ((input, phi), hump) in of_rows {
            input[1..].iter_mut().zip(phi).for_each(|(x, phi)| *x += 0.5 * hump * phi);
        }
        phi
    }

    /// Moves the places by a step up h.
    fn ascend(&mut self, networks: &[Mlp], law: Option<GrowthLaw>, dims: usize) {
        let Self { tape, places, hump, slopes, unused, .. } = self;
        differentiate(tape, (networks, law), dims, places, (unused, slopes), |_| 1.0);
        let of_rows = places.chunks_exact_mut(dims + 1).zip(slopes.chunks_exact(dims + 1)).zip(&*hump);
        for ((place, slope), hump) in of_rows {
            let steps = place[1..].iter_mut().zip(&slope[1..]);
            steps.for_each(|(x, slope)| *x += ASCENT * hump * slope.clamp(-1.0, 1.0));
        }
    }
}

/// The derivative of Σ weight h in the rows (t, x), to `slopes`.
fn differentiate(
    tape: &mut Tape,
    (networks, law): (&[Mlp], Option<GrowthLaw>),
    dims: usize,
    rows: &[f32],
    (unused, slopes): (&mut [Vec<f32>], &mut Vec<f32>),
    weight: impl Fn(usize) -> f32,
) {
    tape.reset();
    let leaf = tape.leaf(rows.len() / (dims + 1), rows);
    let h = rate(tape, networks, law, leaf, dims);
    tape.seed(h, |to| to.iter_mut().enumerate().for_each(|(at, to)| *to += weight(at)));
    tape.backward(networks, unused);
    slopes.clear();
    match tape.adjoint(leaf) {
        Some(adjoint) => slopes.extend_from_slice(adjoint),
        None => slopes.resize(rows.len(), 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::in_the_plane;
    use super::*;
    use crate::bridge::BridgeKind;
    use crate::nn::Activation;
    use crate::scales::Scales;
    use crate::transport::coupling::{Coupling, Pair};

    /// Pairs in the plane with masses of their own, a cell that dies and one that is born, over the interval from 0 to 2.
    fn pairs<R>(look: impl FnOnce(Source<'_>) -> R) -> R {
        let points = [0.0, 0.0, 1.0, 0.5, 0.3, 0.9, 1.5, 1.5, 0.4, 0.7, 1.2, 1.0, 0.0, 2.0, 2.0, 0.2];
        let times = [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0];
        let pair = |cell, sent, received| Pair { source: cell, target: cell, sent, received, coupled: sent };
        let coupling = Coupling {
            pairs: vec![pair(0, 1.0, 2.0), pair(1, 1.0, 0.4), pair(2, 0.7, 1.0)],
            dying: vec![(3, 1.0), (2, 0.3)],
            born: vec![(3, 1.0)],
        };
        let (kind, scales) = (BridgeKind::TravellingDirac, Scales { sigma: 0.0, delta: 1.5 });
        in_the_plane(&points, &times, coupling, (kind.facts(), &*kind.build(&scales).unwrap()), |source| {
            look(Source { gives_ends: true, ..source })
        })
    }

    fn law() -> Option<GrowthLaw> {
        Some(GrowthLaw::quadratic(0.8).unwrap())
    }

    fn options() -> TrainingOptions {
        TrainingOptions {
            batch_size: 100,
            hidden: vec![12, 12],
            activation: Activation::Tanh,
            ..Default::default()
        }
    }

    /// A potential, and paths, that are random where those of a fit begin flat and straight.
    fn networks(learned: bool) -> Vec<Mlp> {
        let silent = Action::networks(&options(), learned, 2, 5).unwrap();
        let random = silent.iter().map(|network| Mlp::new(network.architecture().clone(), 5, 9).unwrap());
        random.collect()
    }

    /// By the continuity equation the loss is the mean of ½‖∇s‖² − v·∇s + H(s) − g s with the bridges' own v and g, which know nothing
    /// of its ends: over many batches the two agree within what the draws leave, to which both would be blind alone.
    #[test]
    fn it_is_the_regression_on_the_bridges_fields_up_to_a_constant() {
        pairs(|source| {
            let networks = networks(false);
            let mut action = Action::new(source, law(), &networks, &options()).unwrap();
            let batches = 3000;
            let (mut sum, mut squares, mut size) = (0.0, 0.0, 0.0);
            let mut tape = Tape::default();
            for step in 0..batches {
                let got = action.evaluate(step, &networks).unwrap();
                let Batch { input, velocity, rows, .. } = &action.batch;
                tape.reset();
                let leaf = tape.leaf(rows.len(), input);
                let potential = tape.apply(&networks, 0, leaf, 2);
                let slopes = tape.input_gradient(&networks, &potential);
                let (values, slopes) = (tape.value(potential.output), tape.value(slopes));
                let of_row = |(at, row): (usize, &Row)| {
                    let (slope, v) = (&slopes[3 * at + 1..3 * at + 3], &velocity[2 * at..2 * at + 2]);
                    let along = |c: usize| f64::from(slope[c] * (0.5 * slope[c] - v[c]));
                    let s = f64::from(values[at]);
                    let growing = s * s / (2.0 * 0.8) - f64::from(row.growth) * s;
                    f64::from(row.weight) / 2.0 * (along(0) + along(1) + growing)
                };
                let want: f64 = rows.iter().enumerate().map(of_row).sum();
                sum += got - want;
                squares += (got - want).powi(2);
                size += want.abs();
            }
            let (mean, count) = (sum / batches as f64, batches as f64);
            let error = ((squares / count - mean * mean) / count).sqrt();
            assert!(mean.abs() < 5.0 * error, "{mean} ± {error}");
            assert!(error < 0.02 * size / count, "{error} of {}", size / count);
        });
    }

    /// Σ weight h at the places that the paths bend the rows of the last evaluation to.
    fn ascended(action: &Action<'_>, networks: &[Mlp]) -> f64 {
        let mut tape = Tape::default();
        let of_task = |(index, task): (usize, &Task)| {
            let (rows, ..) = action.batch.of_task(index);
            tape.reset();
            let leaf = tape.leaf(rows.len(), &task.bent);
            let h = rate(&mut tape, networks, law(), leaf, 2);
            let of_row = |(h, row): (&f32, &Row)| {
                f64::from(0.5 * row.weight * (row.times[1] - row.times[0])) * f64::from(*h)
            };
            tape.value(h).iter().zip(rows).map(of_row).sum::<f64>()
        };
        action.tasks.iter().enumerate().map(of_task).sum()
    }

    #[test]
    fn the_potential_and_the_paths_have_the_right_gradients() {
        pairs(|source| {
            for learned in [false, true] {
                let mut networks = networks(learned);
                let mut action = Action::new(source, law(), &networks, &options()).unwrap();
                // Places that went up h are not differentiated through: where paths are learned, only those are compared.
                let which = usize::from(learned);
                let value = |action: &mut Action<'_>, networks: &[Mlp]| {
                    let loss = action.evaluate(0, networks).unwrap();
                    if learned { -ascended(action, networks) } else { loss }
                };
                value(&mut action, &networks);
                let gradient = action.gradient(which).to_vec();
                assert!(gradient.iter().any(|g| *g != 0.0));
                for direction in 0..2 {
                    let along = |i: usize| match direction {
                        0 => f64::from(gradient[i]),
                        _ => ((i * 13) % 11) as f64 / 5.0 - 1.0,
                    };
                    let length = (0..gradient.len()).map(|i| along(i).powi(2)).sum::<f64>().sqrt();
                    let got: f64 =
                        (0..gradient.len()).map(|i| along(i) / length * f64::from(gradient[i])).sum();
                    let mut at = |step: f64| {
                        let before = networks[which].parameters().to_vec();
                        for (i, parameter) in networks[which].parameters_mut().iter_mut().enumerate() {
                            *parameter = (f64::from(*parameter) + step * along(i) / length) as f32;
                        }
                        let value = value(&mut action, &networks);
                        networks[which].parameters_mut().copy_from_slice(&before);
                        value
                    };
                    let h = 1e-2;
                    let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    // As the gradients of rollouts: rounding of 1e-5, and the step's.
                    let allowed = 2e-3 * want.abs() + 3e-4;
                    assert!((got - want).abs() < allowed, "{learned} {direction}: {got}, not {want}");
                }
            }
        });
    }
}
