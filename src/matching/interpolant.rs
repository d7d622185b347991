//! Learned paths between coupled cells, which keep near the cells of their two snapshots.

use rand::RngExt;
use rayon::prelude::*;

use super::source::Source;
use crate::error::{Result, fits_in_memory};
use crate::exec::rng::{Purpose, stream};
use crate::metric::{CellMetric, Metric, MetricScratch};
use crate::nn::{Activation, Architecture, Directions, Mlp, Tape};
use crate::train::{Loss, TrainingOptions};
use crate::transport::sampling::Draw;

/// How paths are learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InterpolantOptions {
    pub(crate) epochs: usize,
    pub(crate) metric: Metric,
}

/// Rows of one task.
const TASK_ROWS: usize = 64;

/// What an interpolant bends the straight line by: x = (1−r)x0 + r x1 + r(1−r) φ(x0, x1, t), all in network units, and the time t
/// given as the network time of the interval and the relative time r in it.
///
/// The network is silent at first, and so are paths straight. What is learned is its derivative too, so that its hidden units have a second one: SiLU, but
/// SELU for those who take it everywhere, as BranchSBM's public code does.
pub(super) fn network(options: &TrainingOptions, dims: usize, seed: u64) -> Result<Mlp> {
    let shape = Architecture {
        inputs: 2 * dims + 2,
        hidden: options.hidden.clone(),
        outputs: dims,
        activation: match options.activation {
            Activation::Selu => Activation::Selu,
            _ => Activation::Silu,
        },
    };
    fits_in_memory("hidden", shape.parameter_count(), shape.parameter_count().checked_mul(8))?;
    let mut network = Mlp::new(shape, seed, STREAM)?;
    if let Some(last) = network.architecture().layers().last() {
        let parameters = network.parameters_mut();
        parameters[last.weights()].fill(0.0);
        parameters[last.bias()].fill(0.0);
    }
    Ok(network)
}

/// Numbers the random stream of its initial parameters; the fields have those before.
const STREAM: u64 = 3;

/// Evaluates φ and ∂φ/∂r.
#[derive(Debug, Default)]
pub(super) struct Curves {
    tape: Tape,
    directions: Directions,
    /// (r, x0, x1) of each row.
    pub(super) points: Vec<f32>,
}

impl Curves {
    /// φ and ∂φ/∂r at the rows of `points` in the interval that begins at the network time `time`, to be differentiated by the tape.
    fn record(&mut self, network: &Mlp, time: f32, points: std::ops::Range<usize>) -> [crate::nn::Var; 2] {
        let width = network.architecture().inputs - 1;
        let rows = points.len();
        let Self { tape, directions, points: all } = self;
        tape.reset();
        let leaf = tape.leaf(rows, &all[points.start * width..points.end * width]);
        directions.set_axis(rows, width, 0);
        let networks = std::slice::from_ref(network);
        let applied = tape.apply_jet(networks, 0, (time, leaf), directions);
        [tape.output_value(&applied), tape.rows(applied.output, rows, rows)]
    }

    /// Bends rows of a batch: places and velocities of straight lines, in the networks' units, in the interval that begins at `time`, in
    /// which the relative time passes at `rate` a unit of network time. Rows of which r is negative have no path.
    pub(super) fn bend(
        &mut self,
        network: &Mlp,
        (time, rate): (f32, f32),
        rows: std::ops::Range<usize>,
        (inputs, velocities): (&mut [f32], &mut [f32]),
    ) {
        let dims = network.architecture().outputs;
        let first = rows.start;
        let [value, slope] = self.record(network, time, rows.clone());
        let (value, slope) = (self.tape.value(value), self.tape.value(slope));
        for row in rows {
            let r = self.points[row * (2 * dims + 1)];
            if r < 0.0 {
                continue;
            }
            let at = (row - first) * dims;
            let bent = value[at..at + dims].iter().zip(&slope[at..at + dims]);
            let input = &mut inputs[row * (dims + 1) + 1..][..dims];
            let velocity = &mut velocities[row * dims..][..dims];
            for ((x, v), (phi, slope)) in input.iter_mut().zip(velocity).zip(bent) {
                *x += r * (1.0 - r) * phi;
                *v += rate * ((1.0 - 2.0 * r) * phi + r * (1.0 - r) * slope);
            }
        }
    }
}

/// The mean energy of paths under the metric, E Σ_c ẋ_c² G_c(x)/d over pairs and relative times (Metric FM: Kapuśniak et al.,
/// NeurIPS 2024), with the metric of given cells. Its minimisers are geodesics.
pub(super) struct Energy<'a> {
    source: Source<'a>,
    /// Of each interval that of the cells of its two snapshots or more.
    metrics: Vec<CellMetric<'a>>,
    tasks: Vec<Task>,
    gradient: Vec<f32>,
}

#[derive(Debug)]
struct Task {
    interval: usize,
    rows: usize,
    curves: Curves,
    scratch: MetricScratch,
    /// x, u, and the derivatives by them, of one row.
    row: [Vec<f32>; 4],
    /// The derivatives by φ and by ∂φ/∂r.
    adjoints: [Vec<f32>; 2],
    gradient: Vec<Vec<f32>>,
    energy: f64,
}

impl<'a> Energy<'a> {
    /// The energy under the metric of each interval.
    pub(super) fn new(source: Source<'a>, metrics: Vec<CellMetric<'a>>, network: &Mlp) -> Self {
        let dims = source.snapshots.dims();
        let task = |interval: usize, rows: usize| Task {
            interval,
            rows,
            curves: Curves::default(),
            scratch: MetricScratch::default(),
            row: std::array::from_fn(|_| vec![0.0; dims]),
            adjoints: std::array::from_fn(|_| vec![0.0; rows * dims]),
            gradient: vec![vec![0.0; network.parameters().len()]],
            energy: 0.0,
        };
        let rows = source.rows_per_interval;
        let of_interval = |interval: usize| {
            (0..rows).step_by(TASK_ROWS).map(move |first| task(interval, TASK_ROWS.min(rows - first)))
        };
        let intervals = source.intervals.len();
        Self {
            metrics,
            tasks: (0..intervals).flat_map(of_interval).collect(),
            gradient: vec![0.0; network.parameters().len()],
            source,
        }
    }
}

impl Loss for Energy<'_> {
    fn evaluate(&mut self, step: usize, networks: &[Mlp]) -> Result<f64> {
        let Self { source, metrics, tasks, gradient } = self;
        metrics.iter_mut().for_each(|metric| metric.draw(step));
        let network = &networks[0];
        tasks.par_iter_mut().enumerate().with_max_len(1).for_each(|(number, task)| {
            task.evaluate(source, network, &metrics[task.interval], (step, number));
        });
        gradient.fill(0.0);
        for task in &*tasks {
            gradient.iter_mut().zip(&task.gradient[0]).for_each(|(sum, value)| *sum += value);
        }
        Ok(tasks.iter().map(|task| task.energy).sum())
    }

    fn gradient(&mut self, _network: usize) -> &mut [f32] {
        &mut self.gradient
    }
}

impl Task {
    fn evaluate(
        &mut self,
        source: &Source<'_>,
        network: &Mlp,
        metric: &CellMetric<'_>,
        (step, number): (usize, usize),
    ) {
        let dims = source.snapshots.dims();
        let Self { interval, rows, curves, scratch, row: [x, u, d_u, d_x], adjoints, gradient, energy } =
            self;
        let interval = &source.intervals[*interval];
        // Apart from the tasks of the regression, whose numbers are small.
        let mut rng = stream(source.seed, Purpose::Training, step as u64, 1 << 32 | number as u64);
        curves.points.clear();
        for _ in 0..*rows {
            let draw = interval.sampler.sample(&mut rng);
            let r = rng.random::<f32>();
            match draw {
                Draw::Matched(pair) => source.write_ends(interval, &pair, r, &mut curves.points),
                // There is no path to learn.
                Draw::Dying(_) | Draw::Born(_) => source.write_no_ends(&mut curves.points),
            }
        }
        let time = source.scaling.clock_of(interval.index).read(interval.start) as f32;
        let [value, slope] = curves.record(network, time, 0..*rows);
        let (phi, phi_slope) = (curves.tape.value(value), curves.tape.value(slope));
        let scale = 1.0 / (source.intervals.len() * source.rows_per_interval * dims) as f64;
        *energy = 0.0;
        let points = curves.points.chunks_exact(2 * dims + 1);
        let [d_phi, d_slope] = adjoints;
        for (row, point) in points.enumerate() {
            let (r, at) = (point[0], row * dims);
            if r < 0.0 {
                d_phi[at..at + dims].fill(0.0);
                d_slope[at..at + dims].fill(0.0);
                continue;
            }
            let (x0, x1) = point[1..].split_at(dims);
            let (hump, slant) = (r * (1.0 - r), 1.0 - 2.0 * r);
            for c in 0..dims {
                x[c] = x0[c] + r * (x1[c] - x0[c]) + hump * phi[at + c];
                u[c] = x1[c] - x0[c] + slant * phi[at + c] + hump * phi_slope[at + c];
            }
            *energy += scale * metric.energy((x, u), (d_u, d_x), scratch);
            for c in 0..dims {
                d_phi[at + c] = scale as f32 * (hump * d_x[c] + slant * d_u[c]);
                d_slope[at + c] = scale as f32 * hump * d_u[c];
            }
        }
        for (var, adjoint) in [(value, &*d_phi), (slope, &*d_slope)] {
            curves.tape.seed(var, |to| to.iter_mut().zip(adjoint).for_each(|(to, value)| *to += value));
        }
        gradient[0].fill(0.0);
        curves.tape.backward(std::slice::from_ref(network), gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::in_the_plane;
    use super::*;
    use crate::bridge::BridgeKind;
    use crate::exec::progress::{Reporter, Stage, silent};
    use crate::exec::stop::Stop;
    use crate::exec::threads::Threads;
    use crate::metric::{self, Metric, MetricKind};
    use crate::scales::Scales;
    use crate::train::{Descent, Keep};
    use crate::transport::coupling::{Coupling, Pair};

    /// A cell at either end of the half circle of radius 1, coupled with each other, and many along it at the first time.
    fn half_circle<R>(look: impl FnOnce(Source<'_>) -> R) -> R {
        let angles = (0..61).map(|i| std::f64::consts::PI * (1.0 - f64::from(i) / 60.0));
        let mut points: Vec<f64> = angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect();
        points.extend([1.0, 0.0]);
        let times: Vec<f64> = (0..62).map(|i| f64::from(i / 61)).collect();
        let pair = Pair { source: 0, target: 0, sent: 1.0, received: 1.0, coupled: 1.0 };
        let coupling = Coupling { pairs: vec![pair], ..Default::default() };
        let (kind, scales) = (BridgeKind::Geodesic, Scales { sigma: 0.0, delta: 1.0 });
        in_the_plane(&points, &times, coupling, (kind.facts(), &*kind.build(&scales).unwrap()), look)
    }

    fn cells_of(source: &Source<'_>) -> Vec<f32> {
        metric::places(source.snapshots, source.scaling, [0, 1])
    }

    fn metrics<'a>(source: &Source<'_>, kind: MetricKind, cells: &'a [f32]) -> Vec<CellMetric<'a>> {
        let metric = Metric { kind, width: 0.4, ridge: 0.1, centres: 4, kappa: 2.0 };
        vec![CellMetric::new(metric, cells, source.snapshots.dims(), (3, 0), &Stop::default()).unwrap()]
    }

    fn small() -> TrainingOptions {
        TrainingOptions { hidden: vec![16, 16], ..Default::default() }
    }

    #[test]
    fn the_energy_has_the_right_gradient() {
        half_circle(|source| {
            let shape = network(&small(), 2, 5).unwrap().architecture().clone();
            // As random as a silent network is not.
            let mut networks = [Mlp::new(shape, 5, 9).unwrap()];
            let cells = cells_of(&source);
            for kind in MetricKind::ALL {
                let mut energy = Energy::new(source, metrics(&source, *kind, &cells), &networks[0]);
                energy.evaluate(0, &networks).unwrap();
                let gradient = energy.gradient(0).to_vec();
                for which in 0..2 {
                    let along = |i: usize| {
                        if which == 0 { f64::from(gradient[i]) } else { ((i * 13) % 11) as f64 / 5.0 - 1.0 }
                    };
                    let length = (0..gradient.len()).map(|i| along(i).powi(2)).sum::<f64>().sqrt();
                    let got: f64 =
                        (0..gradient.len()).map(|i| along(i) / length * f64::from(gradient[i])).sum();
                    let mut at = |step: f64| {
                        let before = networks[0].parameters().to_vec();
                        for (i, parameter) in networks[0].parameters_mut().iter_mut().enumerate() {
                            *parameter = (f64::from(*parameter) + step * along(i) / length) as f32;
                        }
                        let value = energy.evaluate(0, &networks).unwrap();
                        networks[0].parameters_mut().copy_from_slice(&before);
                        value
                    };
                    let h = 1e-2;
                    let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    // As the gradients of rollouts: rounding of 1e-5, and the step's.
                    assert!(
                        (got - want).abs() < 2e-3 * want.abs() + 3e-4,
                        "{kind}, {which}: {got}, not {want}"
                    );
                }
            }
        });
    }

    #[test]
    fn paths_bend_to_where_the_cells_are() {
        half_circle(|source| {
            let cells = cells_of(&source);
            for kind in MetricKind::ALL {
                let mut networks = vec![network(&small(), 2, 5).unwrap()];
                let mut energy = Energy::new(source, metrics(&source, *kind, &cells), &networks[0]);
                let descent = Descent {
                    stage: Stage::Interpolant,
                    steps: 400,
                    schedule: small().schedule_over(400),
                    clip: None,
                    keep: Keep::Average(0.9),
                };
                let (threads, mut function) = (Threads::new(1).unwrap(), silent);
                let mut reporter = Reporter::new(&mut function);
                let losses = descent.run(&mut networks, &mut energy, &threads, &mut reporter).losses;
                let (first, last) = (losses[0], losses[losses.len() - 1]);
                let mut curves = Curves::default();
                let interval = &source.intervals[0];
                let pair = interval.sampler.coupling().pairs[0];
                // On its way from (−1, 0) to (1, 0), half way.
                source.write_ends(interval, &pair, 0.5, &mut curves.points);
                let [value, _] = curves.record(&networks[0], 0.0, 0..1);
                let height = 0.25 * curves.tape.value(value)[1] * source.scaling.length as f32;
                // The straight line has the height 0, the half circle 1. Wide kernels about four centres make a flatter valley.
                let (less, higher) = if *kind == MetricKind::Land { (0.7, 0.5) } else { (0.85, 0.3) };
                assert!(
                    last < less * first && height > higher,
                    "{kind}: energy {first} to {last}, height {height}"
                );
            }
        });
    }
}
