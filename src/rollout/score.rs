//! The score of a rolled-out population: its log-density's gradient, learned on bridges along the particles' own paths.

use rand::RngExt;
use rayon::prelude::*;

use super::equations::Moment;
use super::path::{Cloud, Paths};
use crate::exec::rng::{Purpose, normals, stream, uniform};
use crate::fields::Role;
use crate::nn::{Mlp, Tape};

/// Rows of one parallel task.
const TASK_ROWS: usize = 128;
/// Bridges are this long, in network time: short enough for a particle's path to be nearly straight, long enough for the
/// noise on it to spread the particles over the gaps between them.
const BRIDGE: f64 = 0.25;
/// Relative times on a bridge stay this far from its ends, where the noise and with it the information vanish.
const MARGIN: f64 = 0.02;

/// The score-matching loss of SF2M (Tong et al., AISTATS 2024) on Brownian bridges between clouds of the same rolled-out
/// particles, each coupled with itself a little later:
///
/// ```text
/// x = (1−r) x_a + r x_b + β ξ,  β = σ √(h r(1−r)),      E ‖β ∇ℓ(x, t) + ξ‖² / d
/// ```
///
/// with pairs drawn in proportion to the particles' weight. A network of the score drift itself, s = (σ²/2)∇ℓ in units of the
/// noise σ, has ∇ℓ = 2s/σ. Its minimiser is ∇ℓ = ∇ ln p of the population's path, up to the
/// spread β of the bridges.
#[derive(Debug)]
pub(super) struct ScoreMatching {
    /// States from which bridges start and at which they end, in network time.
    bridges: Vec<PathBridge>,
    tasks: Vec<Task>,
    dims: usize,
    /// What is learned: the log-density, or the score drift.
    role: Role,
}

#[derive(Debug)]
struct PathBridge {
    start: Moment,
    length: f64,
    from: Vec<f32>,
    to: Vec<f32>,
    /// Running sums of the particles' shares.
    cumulative: Vec<f64>,
}

#[derive(Debug)]
struct Task {
    first: usize,
    rows: usize,
    tape: Tape,
    gradient: Vec<f32>,
    loss: f64,
    /// The batch: network inputs, noise and bridge spreads, a row each; and one row's noise before it is rounded.
    input: Vec<f32>,
    xi: Vec<f32>,
    spread: Vec<f32>,
    noise: Vec<f64>,
}

impl ScoreMatching {
    /// Room for batches of `rows` rows.
    pub(super) fn new(rows: usize, dims: usize, role: Role, network: &Mlp) -> Self {
        let task = |first: usize| Task {
            first,
            rows: TASK_ROWS.min(rows - first),
            tape: Tape::default(),
            gradient: vec![0.0; network.parameters().len()],
            loss: 0.0,
            input: vec![],
            xi: vec![],
            spread: vec![],
            noise: vec![0.0; dims],
        };
        Self { bridges: vec![], tasks: (0..rows).step_by(TASK_ROWS).map(task).collect(), dims, role }
    }

    /// Takes the paths of the last rollout as what bridges are made from.
    pub(super) fn take(&mut self, paths: &Paths) {
        let grid = &paths.grid;
        let (mut from, mut to) = (Cloud::default(), Cloud::default());
        self.bridges.clear();
        for interval in 0..grid.intervals() {
            let steps = grid.steps[interval];
            let stride = ((BRIDGE / grid.step(interval, 0).length).round() as usize).clamp(1, steps);
            for first in (0..steps).step_by(stride) {
                let last = (first + stride).min(steps);
                paths.state((interval, first), &mut from);
                paths.state((interval, last), &mut to);
                let mut sum = 0.0;
                let cumulative = from.log_weight.iter().zip(&to.log_weight).map(|(&a, &b)| {
                    sum += libm::exp(0.5 * (f64::from(a) + f64::from(b)));
                    sum
                });
                self.bridges.push(PathBridge {
                    start: grid.step(interval, first).start,
                    length: grid.step(interval, last).start.time - grid.step(interval, first).start.time,
                    cumulative: cumulative.collect(),
                    from: std::mem::take(&mut from.x),
                    to: std::mem::take(&mut to.x),
                });
            }
        }
    }

    /// The loss on a new batch, whose draws are numbered by `step`, and its parameter gradient added to `gradient`.
    /// `sigma2` is σ² in the units of a moment.
    pub(super) fn evaluate(
        &mut self,
        network: &Mlp,
        sigma2: &(dyn Fn(Moment) -> f64 + Sync),
        (seed, step): (u64, usize),
        gradient: &mut [f32],
    ) -> f64 {
        let (bridges, dims, role) = (&self.bridges, self.dims, self.role);
        let total: usize = self.tasks.iter().map(|task| task.rows).sum();
        self.tasks.par_iter_mut().with_max_len(1).for_each(|task| {
            task.evaluate((role, network), bridges, sigma2, (seed, step), dims, total);
        });
        for task in &self.tasks {
            gradient.iter_mut().zip(&task.gradient).for_each(|(sum, value)| *sum += value);
        }
        self.tasks.iter().map(|task| task.loss).sum()
    }
}

impl Task {
    fn evaluate(
        &mut self,
        (role, network): (Role, &Mlp),
        bridges: &[PathBridge],
        sigma2: &(dyn Fn(Moment) -> f64 + Sync),
        (seed, step): (u64, usize),
        dims: usize,
        total: usize,
    ) {
        let mut rng = stream(seed, Purpose::Training, step as u64, self.first as u64);
        let Self { rows, tape, input, xi, spread, noise, .. } = self;
        let rows = *rows;
        [&mut *input, &mut *xi, &mut *spread].into_iter().for_each(Vec::clear);
        for _ in 0..rows {
            let bridge = &bridges[rng.random_range(0..bridges.len())];
            let place = uniform(&mut rng) * bridge.cumulative[bridge.cumulative.len() - 1];
            let i = bridge.cumulative.partition_point(|&sum| sum < place).min(bridge.cumulative.len() - 1);
            let r = MARGIN + (1.0 - 2.0 * MARGIN) * uniform(&mut rng);
            let h = bridge.length;
            let moment = bridge.start.after(r * h);
            let root = h * r * (1.0 - r);
            let beta = (sigma2(moment) * h * r * (1.0 - r)).sqrt();
            normals(&mut rng, noise);
            input.push(moment.time as f32);
            let ends = bridge.from[i * dims..(i + 1) * dims].iter().zip(&bridge.to[i * dims..(i + 1) * dims]);
            for ((&a, &b), z) in ends.zip(&*noise) {
                input.push(((1.0 - r) * f64::from(a) + r * f64::from(b) + beta * z) as f32);
                xi.push(*z as f32);
            }
            spread.push(if role == Role::Score { 2.0 * root.sqrt() } else { beta } as f32);
        }
        let networks = std::slice::from_ref(network);
        tape.reset();
        let input = tape.leaf(rows, input);
        let slopes = match role {
            Role::Score => tape.apply(networks, 0, input, 1).output,
            _ => {
                let applied = tape.apply(networks, 0, input, 2);
                let slopes = tape.input_gradient(networks, &applied);
                tape.columns(slopes, 1, dims)
            }
        };
        let (xi, spread) = (tape.leaf(rows, xi), tape.leaf(rows, spread));
        let scaled = tape.product(slopes, spread);
        let error = tape.sum((scaled, 1.0), (xi, 1.0));
        let square = tape.dot(error, error);
        let share = 1.0 / (total * dims) as f64;
        self.loss = share * tape.value(square).iter().map(|&s| f64::from(s)).sum::<f64>();
        tape.seed(square, |adjoint| adjoint.fill(share as f32));
        self.gradient.fill(0.0);
        tape.backward(networks, std::slice::from_mut(&mut self.gradient));
    }
}
