//! Paths of weighted particles, forward and in reverse.
//!
//! The particles are cut into chunks of rows by their number alone, which parallel tasks carry from one snapshot to the
//! next. Of the forward pass only the state after each step is kept; the reverse pass records one step at a time again
//! and sweeps it, so that memory is that of one step's tape for each chunk and does not grow with the number of steps
//! (Griewank, Walther, *Evaluating Derivatives*, SIAM 2008, chapter 12: checkpoints at every step).

use rayon::prelude::*;

use super::equations::{Carried, Equations, Moment, Record, State, Wanted};
use super::solver::{Scheme, SolverStep, advance};
use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, normals, stream};
use crate::metric::MetricScratch;
use crate::nn::{Directions, Mlp, Tape, Var};
use crate::simulate::resampling::{effective_sample_size, equalise};
use crate::units::Scaling;

/// The most particles of a chunk: more would leave the cache. There are several chunks for each, so that threads end
/// together, unless chunks would become too small for matrix products to run at speed.
const CHUNK_ROWS: usize = 128;
const FEWEST_ROWS: usize = 32;
const CHUNKS_IN_STEP: usize = 4;
/// A particle farther out than this, in units of the data's spread, has exploded.
const FARTHEST: f32 = 1e6;
/// A particle heavier than e to this has, too: its weight would leave single precision.
const HEAVIEST: f32 = 80.0;

/// The solver's steps between snapshots, in network time.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// The network times of the snapshots.
    pub(super) marks: Vec<f64>,
    /// The number of steps of each interval between them.
    pub(super) steps: Vec<usize>,
    /// The intervals between them in physical time.
    spacing: Vec<Spacing>,
    /// How many snapshots there are.
    snapshots: usize,
    /// Whether time runs from the last of the marks to the first.
    runs_back: bool,
}

/// An interval in physical time, in units of the mean interval.
#[derive(Debug, Clone, Copy)]
struct Spacing {
    /// Its start, from the first snapshot on.
    start: f64,
    /// The unit of network time in it.
    unit: f64,
}

impl Grid {
    /// Steps of at most 1/`per_unit` between the snapshots of these times.
    pub(super) fn new(times: &[f64], scaling: &Scaling, per_unit: usize) -> Self {
        let whole = |time: f64| (time - scaling.start) / scaling.duration;
        let mark = |(k, &time): (usize, &f64)| if scaling.knots.is_empty() { whole(time) } else { k as f64 };
        let marks: Vec<f64> = times.iter().enumerate().map(mark).collect();
        let spacing = |(k, &time): (usize, &f64)| Spacing {
            start: whole(time),
            unit: scaling.clock_of(k).unit / scaling.duration,
        };
        let spacing = times[..times.len() - 1].iter().enumerate().map(spacing).collect();
        // An interval that is a unit up to rounding gets exactly `per_unit` steps.
        let steps = |pair: &[f64]| ((pair[1] - pair[0]) * per_unit as f64 - 1e-9).ceil().max(1.0) as usize;
        let steps = marks.windows(2).map(steps).collect();
        Self { steps, marks, spacing, snapshots: times.len(), runs_back: false }
    }

    /// The same steps back in time, from snapshot `from` to the first.
    pub(super) fn back_from(&self, from: usize) -> Self {
        let end = |k: usize| {
            let Moment { elapsed, unit, .. } = self.moment(k, self.marks[k + 1]);
            Spacing { start: elapsed, unit }
        };
        Self {
            marks: self.marks[..=from].iter().rev().copied().collect(),
            steps: self.steps[..from].iter().rev().copied().collect(),
            spacing: (0..from).rev().map(end).collect(),
            snapshots: self.snapshots,
            runs_back: true,
        }
    }

    /// The snapshot at the end of an interval, counted from one in the order of time.
    fn reached(&self, interval: usize) -> usize {
        if self.runs_back { self.intervals() - interval } else { interval + 2 }
    }

    pub(super) fn intervals(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn step(&self, interval: usize, index: usize) -> SolverStep {
        let (start, end) = (self.marks[interval], self.marks[interval + 1]);
        let length = (end - start) / self.steps[interval] as f64;
        SolverStep { start: self.moment(interval, start + index as f64 * length), length }
    }

    /// A network time in an interval.
    pub(super) fn moment(&self, interval: usize, time: f64) -> Moment {
        let Spacing { start, unit } = self.spacing[interval];
        let elapsed = if unit == 1.0 { time } else { start + (time - self.marks[interval]) * unit };
        Moment { time, elapsed, unit }
    }

    /// The network time from the first snapshot to the last.
    pub(super) fn span(&self) -> f64 {
        self.marks[self.marks.len() - 1] - self.marks[0]
    }
}

/// How the particles of a run are stepped, beside the equations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stepping {
    pub(super) scheme: Scheme,
    /// Resample at a snapshot where the effective sample size is below this share of the particles.
    pub(super) resample_below: f64,
    /// Whether particles at a snapshot are taken as given: what later snapshots miss is not differentiated through them.
    pub(super) detached: bool,
    /// Random directions of the residual's derivatives; none for exact ones.
    pub(super) probes: Option<usize>,
    pub(super) seed: u64,
}

/// How much the costs of the path count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PathWeights {
    pub(super) energy: f64,
    pub(super) residual: f64,
    pub(super) initial: f64,
}

/// The costs of a path: ∫Σ w e dt, the time mean of Σ ŵ r², and the mean square error of the initial log-density.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PathCosts {
    pub(super) energy: f64,
    pub(super) residual: f64,
    pub(super) initial: f64,
}

/// Points drawn from the density of the first snapshot, and its logarithm there.
#[derive(Debug, Default)]
pub(super) struct InitialDraws {
    pub(super) points: Vec<f32>,
    pub(super) log_density: Vec<f32>,
}

/// What the particles of all chunks carry at one moment.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    pub(super) x: Vec<f32>,
    pub(super) log_weight: Vec<f32>,
}

impl Cloud {
    /// Takes what another one carries, in the room that it has.
    fn copy_from(&mut self, other: &Cloud) {
        self.x.clone_from(&other.x);
        self.log_weight.clone_from(&other.log_weight);
    }

    /// Makes all of it zero.
    pub(super) fn clear(&mut self) {
        self.x.fill(0.0);
        self.log_weight.fill(0.0);
    }
}

/// Paths of particles through all intervals, and the buffers of their reverse.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) grid: Grid,
    dims: usize,
    particles: usize,
    chunks: Vec<Chunk>,
    /// For each interval and step, Σ w, where particles have weights.
    totals: Vec<Vec<f64>>,
    /// For each interval, the rows that its particles were drawn from at its start, where they were resampled.
    ancestors: Vec<Option<Vec<usize>>>,
    /// The particles at the start of the interval that the forward pass has come to.
    current: Cloud,
}

/// A block of consecutive particles.
#[derive(Debug)]
struct Chunk {
    first: usize,
    rows: usize,
    /// For each interval the states from its start to its end, step by step.
    intervals: Vec<Cloud>,
    /// The loss's derivative with respect to the state that the reverse pass has come to.
    adjoint: Cloud,
    gradients: Vec<Vec<f32>>,
    costs: PathCosts,
    tape: Tape,
    directions: Directions,
    scratch: MetricScratch,
    normals: Vec<f64>,
    single: Vec<f32>,
    exploded: bool,
}

impl Paths {
    /// Room for `particles` particles in `dims` dimensions.
    pub(super) fn new(grid: Grid, dims: usize, particles: usize, networks: &[Mlp]) -> Self {
        let count = particles.div_ceil(CHUNK_ROWS).next_multiple_of(CHUNKS_IN_STEP);
        let count = count.min(particles.div_ceil(FEWEST_ROWS));
        let chunk = |index: usize| {
            let (first, end) = (particles * index / count, particles * (index + 1) / count);
            let rows = end - first;
            let states = |steps: &usize| Cloud {
                x: vec![0.0; (steps + 1) * rows * dims],
                log_weight: vec![0.0; (steps + 1) * rows],
            };
            Chunk {
                first,
                rows,
                intervals: grid.steps.iter().map(states).collect(),
                adjoint: Cloud { x: vec![0.0; rows * dims], log_weight: vec![0.0; rows] },
                gradients: networks.iter().map(|network| vec![0.0; network.parameters().len()]).collect(),
                costs: PathCosts::default(),
                tape: Tape::default(),
                directions: Directions::default(),
                scratch: MetricScratch::default(),
                normals: vec![0.0; rows * dims],
                single: vec![],
                exploded: false,
            }
        };
        Self {
            dims,
            particles,
            chunks: (0..count).map(chunk).collect(),
            totals: grid.steps.iter().map(|steps| vec![0.0; steps + 1]).collect(),
            ancestors: vec![None; grid.intervals()],
            current: Cloud::default(),
            grid,
        }
    }

    /// How many numbers [`new`](Self::new) makes room for, if they can be counted.
    pub(super) fn numbers(grid: &Grid, dims: usize, particles: usize) -> Option<usize> {
        grid.steps
            .iter()
            .sum::<usize>()
            .checked_add(2 * grid.intervals())?
            .checked_mul(dims + 1)?
            .checked_mul(particles)
    }

    /// Rolls `start` forward through all intervals; `run` numbers the realisation of the noise. Where there are `restarts`, one of them
    /// takes the particles' place at the start of each interval but the first.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for particles that explode, or whose weight vanishes.
    pub(super) fn forward(
        &mut self,
        equations: &dyn Equations,
        networks: &[Mlp],
        stepping: &Stepping,
        run: u64,
        start: &Cloud,
        restarts: &[Cloud],
    ) -> Result<()> {
        let mut current = std::mem::take(&mut self.current);
        current.copy_from(start);
        for interval in 0..self.grid.intervals() {
            let grid = &self.grid;
            let dims = self.dims;
            self.chunks.par_iter_mut().with_max_len(1).for_each(|chunk| {
                chunk.start(interval, dims, &current);
                for index in 0..grid.steps[interval] {
                    chunk.forward(equations, networks, (stepping, run), grid, (interval, index), dims);
                }
            });
            let snapshot = self.grid.reached(interval);
            if self.chunks.iter().any(|chunk| chunk.exploded) {
                return Err(Error::NonFinite(format!(
                    "particles exploded on their way to snapshot {snapshot} of {}; smaller steps (more rollout_steps), a smaller learning_rate or a clip of the gradient would hold them",
                    self.grid.snapshots
                )));
            }
            if equations.carried() == Carried::LogWeight {
                self.sum_weights(interval);
                let total = self.totals[interval][self.grid.steps[interval]];
                if !(total > 1e-30 && total.is_finite()) {
                    return Err(Error::NonFinite(format!(
                        "the total weight of the particles is {total} at snapshot {snapshot} of {}; a larger mass_weight or a \
                         smaller learning_rate would keep it from vanishing",
                        self.grid.snapshots
                    )));
                }
            }
            if interval + 1 < self.grid.intervals() {
                self.end_of(interval, &mut current);
                if let Some(restart) = restarts.get(interval) {
                    current.copy_from(restart);
                }
                self.ancestors[interval + 1] = resample(&mut current, self.dims, stepping, (run, interval))?;
            }
        }
        self.current = current;
        Ok(())
    }

    /// Whether the last forward pass resampled anywhere.
    #[cfg(test)]
    pub(super) fn was_resampled(&self) -> bool {
        self.ancestors.iter().any(Option::is_some)
    }

    fn sum_weights(&mut self, interval: usize) {
        let totals = &mut self.totals[interval];
        totals.fill(0.0);
        for chunk in &self.chunks {
            for (total, weights) in
                totals.iter_mut().zip(chunk.intervals[interval].log_weight.chunks_exact(chunk.rows))
            {
                *total += weights.iter().map(|&l| libm::exp(f64::from(l))).sum::<f64>();
            }
        }
    }

    /// The particles at the end of an interval, before any resampling.
    pub(super) fn end_of(&self, interval: usize, cloud: &mut Cloud) {
        self.state((interval, self.grid.steps[interval]), cloud);
    }

    /// The particles after so many steps of an interval.
    pub(super) fn state(&self, (interval, steps): (usize, usize), cloud: &mut Cloud) {
        cloud.x.clear();
        cloud.log_weight.clear();
        for chunk in &self.chunks {
            let (rows, states) = (chunk.rows, &chunk.intervals[interval]);
            cloud.x.extend_from_slice(&states.x[steps * rows * self.dims..(steps + 1) * rows * self.dims]);
            cloud.log_weight.extend_from_slice(&states.log_weight[steps * rows..(steps + 1) * rows]);
        }
    }

    /// Sweeps the paths of the last [`forward`](Self::forward) from their end to their start. `at_marks` are the loss's
    /// derivatives with respect to the particles at the end of each interval, or none; to them come those of the costs along
    /// the path. Adds the parameter gradient of network k to `gradients[k]`.
    ///
    /// The weights ŵ of the residual are not differentiated: they say where the condition is to hold, and a loss must not
    /// fall by moving mass away from where it fails.
    #[allow(clippy::too_many_arguments)] // all of them change from call to call
    pub(super) fn backward(
        &mut self,
        equations: &dyn Equations,
        networks: &[Mlp],
        stepping: &Stepping,
        run: u64,
        weights: &PathWeights,
        at_marks: &[Cloud],
        initial: Option<&InitialDraws>,
        gradients: &mut [Vec<f32>],
    ) -> PathCosts {
        for chunk in &mut self.chunks {
            chunk.gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
            chunk.adjoint.clear();
            chunk.costs = PathCosts::default();
        }
        let (grid, dims, particles) = (&self.grid, self.dims, self.particles);
        for interval in (0..grid.intervals()).rev() {
            let totals = &self.totals[interval];
            self.chunks.par_iter_mut().with_max_len(1).for_each(|chunk| {
                if stepping.detached {
                    chunk.adjoint.clear();
                }
                if let Some(at_mark) = at_marks.get(interval) {
                    chunk.add_to_adjoint(at_mark, dims);
                }
                for index in (0..grid.steps[interval]).rev() {
                    let step = ((interval, index), totals[index]);
                    chunk.backward(equations, networks, (stepping, run), grid, step, weights, dims);
                }
            });
            if let Some(ancestors) = &self.ancestors[interval] {
                let end = (interval - 1, grid.steps[interval - 1]);
                let total = self.totals[interval - 1][end.1];
                reverse_resampling(&mut self.chunks, dims, ancestors, end, total);
            }
        }
        if let Some(initial) = initial {
            self.chunks.par_iter_mut().with_max_len(1).for_each(|chunk| {
                chunk.initial(equations, networks, initial, weights.initial / particles as f64, dims);
            });
        }
        let mut costs = PathCosts::default();
        for chunk in &self.chunks {
            costs.energy += chunk.costs.energy;
            costs.residual += chunk.costs.residual / grid.span();
            costs.initial += chunk.costs.initial / particles as f64;
            for (sum, gradient) in gradients.iter_mut().zip(&chunk.gradients) {
                sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
            }
        }
        costs
    }
}

impl Chunk {
    /// Puts the chunk's rows of `cloud` at the start of an interval.
    fn start(&mut self, interval: usize, dims: usize, cloud: &Cloud) {
        let (first, rows) = (self.first, self.rows);
        let states = &mut self.intervals[interval];
        states.x[..rows * dims].copy_from_slice(&cloud.x[first * dims..(first + rows) * dims]);
        states.log_weight[..rows].copy_from_slice(&cloud.log_weight[first..first + rows]);
        self.exploded = false;
    }

    fn add_to_adjoint(&mut self, more: &Cloud, dims: usize) {
        let (first, rows) = (self.first, self.rows);
        let x = self.adjoint.x.iter_mut().zip(&more.x[first * dims..(first + rows) * dims]);
        x.for_each(|(a, b)| *a += b);
        let log_weight = self.adjoint.log_weight.iter_mut().zip(&more.log_weight[first..first + rows]);
        log_weight.for_each(|(a, b)| *a += b);
    }

    /// Records the state that step `index` of an interval starts from, and the noise of the step.
    fn begin(
        &mut self,
        equations: &dyn Equations,
        (stepping, run): (&Stepping, u64),
        grid: &Grid,
        (interval, index): (usize, usize),
        dims: usize,
    ) -> (State, Option<Var>) {
        let (rows, states) = (self.rows, &self.intervals[interval]);
        if equations.carried() == Carried::LogDensity {
            self.directions.set_axes(rows, dims, false);
        }
        self.tape.reset();
        let x = self.tape.leaf(rows, &states.x[index * rows * dims..(index + 1) * rows * dims]);
        let log_weight = self.tape.leaf(rows, &states.log_weight[index * rows..(index + 1) * rows]);
        let noise = (equations.noise() > 0.0).then(|| {
            let SolverStep { start, length } = grid.step(interval, index);
            let size = equations.noise() * (start.unit * length).sqrt();
            normals(&mut self.stream(stepping, run, (interval, index), 0), &mut self.normals);
            self.single.clear();
            self.single.extend(self.normals.iter().map(|&z| (size * z) as f32));
            self.tape.leaf(rows, &self.single)
        });
        (State { x, log_weight }, noise)
    }

    /// The random numbers of a step: a function of the run, the chunk and the step, the same forward and in reverse.
    fn stream(
        &self,
        stepping: &Stepping,
        run: u64,
        (interval, index): (usize, usize),
        use_of_it: u64,
    ) -> crate::exec::rng::ChaCha8Rng {
        let place = ((interval as u64) << 52) | ((index as u64) << 32) | self.first as u64;
        stream(stepping.seed, Purpose::Rollout, run, (place << 2) | use_of_it)
    }

    fn forward(
        &mut self,
        equations: &dyn Equations,
        networks: &[Mlp],
        run: (&Stepping, u64),
        grid: &Grid,
        (interval, index): (usize, usize),
        dims: usize,
    ) {
        if self.exploded {
            return;
        }
        let (start, noise) = self.begin(equations, run, grid, (interval, index), dims);
        let step = grid.step(interval, index);
        let Self { tape, directions, scratch, .. } = self;
        let mut record = Record { tape, networks, directions, scratch };
        let end = advance(equations, &mut record, run.0.scheme, step, start, noise, Wanted::Motion).state;
        let (x, log_weight) = (self.tape.value(end.x), self.tape.value(end.log_weight));
        // A NaN fails both comparisons.
        self.exploded = !(x.iter().all(|x| x.abs() < FARTHEST) && log_weight.iter().all(|l| *l < HEAVIEST));
        let (rows, states) = (self.rows, &mut self.intervals[interval]);
        states.x[(index + 1) * rows * dims..][..rows * dims].copy_from_slice(x);
        states.log_weight[(index + 1) * rows..][..rows].copy_from_slice(log_weight);
    }

    /// Takes the adjoint from the end of a step to its start; `total` is Σ w there.
    #[allow(clippy::too_many_arguments)] // as of Paths::backward
    fn backward(
        &mut self,
        equations: &dyn Equations,
        networks: &[Mlp],
        run: (&Stepping, u64),
        grid: &Grid,
        ((interval, index), total): ((usize, usize), f64),
        weights: &PathWeights,
        dims: usize,
    ) {
        let wanted = match *weights {
            PathWeights { residual, .. } if residual > 0.0 => Wanted::EnergyAndResidual,
            PathWeights { energy, .. } if energy > 0.0 => Wanted::Energy,
            _ => Wanted::Motion,
        };
        if wanted == Wanted::EnergyAndResidual {
            match run.0.probes {
                None => self.directions.set_axes(self.rows, dims, equations.needs_laplacian()),
                Some(count) => {
                    let mut rng = self.stream(run.0, run.1, (interval, index), 1);
                    self.directions.set_probes(self.rows, dims, count, equations.needs_laplacian(), &mut rng);
                }
            }
        }
        let (start, noise) = self.begin(equations, run, grid, (interval, index), dims);
        let step = grid.step(interval, index);
        let Self { tape, directions, scratch, .. } = self;
        let mut record = Record { tape, networks, directions, scratch };
        let end = advance(equations, &mut record, run.0.scheme, step, start, noise, wanted);

        let tape = &mut self.tape;
        let adjoint = &mut self.adjoint;
        for (var, values) in [(end.state.x, &adjoint.x), (end.state.log_weight, &adjoint.log_weight)] {
            tape.seed(var, |to| to.iter_mut().zip(values).for_each(|(to, value)| *to += value));
        }
        if let Some(energy) = end.energy {
            self.costs.energy += tape.value(energy).iter().map(|&e| f64::from(e)).sum::<f64>();
            tape.seed(energy, |to| to.iter_mut().for_each(|to| *to += weights.energy as f32));
        }
        if let Some(residual) = end.residual {
            self.single.clear();
            let normalised = |&l: &f32| (libm::exp(f64::from(l)) / total) as f32;
            self.single.extend(tape.value(start.log_weight).iter().map(normalised));
            let sum = tape.value(residual).iter().zip(&self.single).map(|(r, w)| f64::from(r * w));
            self.costs.residual += sum.sum::<f64>();
            let factor = (weights.residual / grid.span()) as f32;
            tape.seed(residual, |to| to.iter_mut().zip(&self.single).for_each(|(to, w)| *to += factor * w));
        }
        tape.backward(networks, &mut self.gradients);
        for (var, values) in [(start.x, &mut adjoint.x), (start.log_weight, &mut adjoint.log_weight)] {
            match tape.adjoint(var) {
                Some(derivative) => values.copy_from_slice(derivative),
                None => values.fill(0.0),
            }
        }
    }

    /// The error of the initial log-density at the chunk's share of the draws, and its gradient.
    fn initial(
        &mut self,
        equations: &dyn Equations,
        networks: &[Mlp],
        draws: &InitialDraws,
        weight: f64,
        dims: usize,
    ) {
        let (first, rows) = (self.first, self.rows);
        self.tape.reset();
        let points = self.tape.leaf(rows, &draws.points[first * dims..(first + rows) * dims]);
        let log_density = self.tape.leaf(rows, &draws.log_density[first..first + rows]);
        let Self { tape, directions, scratch, .. } = self;
        let mut record = Record { tape, networks, directions, scratch };
        let Some(error) = equations.initial_error(&mut record, points, log_density) else { return };
        let square = self.tape.product(error, error);
        self.costs.initial = self.tape.value(square).iter().map(|&e| f64::from(e)).sum();
        self.tape.seed(square, |to| to.fill(weight as f32));
        self.tape.backward(networks, &mut self.gradients);
    }
}

/// Where the effective sample size is too low, replaces the particles by as many of equal weight and the same total,
/// drawn by systematic resampling; gives the rows they were drawn from.
fn resample(
    cloud: &mut Cloud,
    dims: usize,
    stepping: &Stepping,
    (run, interval): (u64, usize),
) -> Result<Option<Vec<usize>>> {
    let log_weights = cloud.log_weight.iter().map(|&l| f64::from(l));
    let fewest = stepping.resample_below * log_weights.len() as f64;
    if fewest == 0.0 || effective_sample_size(log_weights.clone()) >= fewest {
        return Ok(None);
    }
    let log_weights: Vec<f64> = log_weights.collect();
    let (log_weight, ancestors) = equalise(&log_weights, stepping.seed, (run, interval as u64))?;
    cloud.x = ancestors.iter().flat_map(|&row| &cloud.x[row * dims..(row + 1) * dims]).copied().collect();
    cloud.log_weight.fill(log_weight as f32);
    Ok(Some(ancestors))
}

/// The adjoint of [`resample`], given the rows that were drawn: a child's position is its ancestor's, and every child's
/// ln w is ln(Σw/n), which changes by w_i/Σw with the ln w of particle i.
fn reverse_resampling(
    chunks: &mut [Chunk],
    dims: usize,
    ancestors: &[usize],
    (interval, steps): (usize, usize),
    total: f64,
) {
    let children: Vec<f32> = chunks.iter().flat_map(|chunk| &chunk.adjoint.x).copied().collect();
    let sum: f64 = chunks.iter().flat_map(|chunk| &chunk.adjoint.log_weight).map(|&a| f64::from(a)).sum();
    let mut parents = vec![0.0f32; children.len()];
    for (child, &ancestor) in children.chunks_exact(dims).zip(ancestors) {
        let parent = &mut parents[ancestor * dims..(ancestor + 1) * dims];
        parent.iter_mut().zip(child).for_each(|(parent, child)| *parent += child);
    }
    for chunk in chunks {
        let (first, rows) = (chunk.first, chunk.rows);
        chunk.adjoint.x.copy_from_slice(&parents[first * dims..(first + rows) * dims]);
        let weights = &chunk.intervals[interval].log_weight[steps * rows..(steps + 1) * rows];
        for (adjoint, &l) in chunk.adjoint.log_weight.iter_mut().zip(weights) {
            *adjoint = (libm::exp(f64::from(l)) / total * sum) as f32;
        }
    }
}
