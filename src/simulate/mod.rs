//! Simulation of a population under given fields: particles start from points at one time and are reported at
//! the times that the caller asks for.
//!
//! | module | what moves | equations |
//! | --- | --- | --- |
//! | [`ode`] | weighted particles, without noise | dX = v dt, d ln w = g dt |
//! | [`sde`] | weighted particles, with noise | dX = (v + s) dt + σ dW, d ln w = g dt |
//! | [`branching`] | equal particles that divide and die | either motion, birth minus death rate g |
//!
//! All three integrate in double precision (the fields themselves are evaluated in single precision), over
//! blocks of [`BLOCK`] particles in parallel. A result is the same bits at any number of threads.

pub(crate) mod backend;
mod branches;
pub mod branching;
pub(crate) mod families;
mod forest;
pub mod founders;
pub mod lineage;
pub mod ode;
pub mod resampling;
mod residence;
pub mod sde;
mod shard;
pub mod simulation;

pub(crate) use ode::{spread, spread_of};
use rayon::prelude::*;
use residence::Residence;
pub(crate) use shard::Shard;

use crate::error::{Error, Result, positive};
use crate::fields::{FieldValues, Fields, Scratch};
use crate::snapshots::Snapshots;

/// The number of particles that are integrated together. Fixed, so that the fields are evaluated over the
/// same rows at any number of threads.
#[doc(hidden)] // of use to tests and benchmarks
pub const BLOCK: usize = 256;

/// The most fixed steps between two output times: more means that the step is a mistake.
const MOST_SUBSTEPS: f64 = 1e9;

/// Weighted particles at one time: where a simulation starts, and what it reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Particles {
    /// The time.
    pub time: f64,
    /// The dimension d of the space.
    pub dims: usize,
    /// The positions, row-major, n × d.
    pub points: Vec<f32>,
    /// ln w of each particle; −∞ for a particle without mass.
    pub log_weights: Vec<f64>,
    /// Who each particle is. Of weighted simulation: the starting particle's id, kept; of [branches](Fields::of_branches) that id times
    /// their number, plus the branch. Of [`branching`]: the index of its node in the lineage.
    pub ids: Vec<u64>,
    /// For each particle, the row of the previously reported frame (for the first frame: of the start) that
    /// it comes from.
    pub ancestors: Vec<usize>,
}

impl Particles {
    /// Particles numbered from 0 at the rows of `points` (row-major, n × d), of weight 1 unless `weights` are
    /// given.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for lengths that disagree or d = 0, [`Error::InvalidData`] naming the row
    /// of a coordinate that is not finite or a weight that is negative or not finite.
    pub fn new(time: f64, dims: usize, points: Vec<f32>, weights: Option<&[f64]>) -> Result<Self> {
        if dims == 0 || !points.len().is_multiple_of(dims) {
            let allowed =
                format!("a whole number of rows of {dims} coordinates, at least one coordinate each");
            return Err(Error::argument("points", format!("{} numbers", points.len()), &allowed));
        }
        let rows = points.len() / dims;
        let log_weights = match weights {
            None => vec![0.0; rows],
            Some(weights) => weights.iter().map(|&w| libm::log(w)).collect(),
        };
        let particles = Self {
            time,
            dims,
            points,
            log_weights,
            ids: (0..rows as u64).collect(),
            ancestors: (0..rows).collect(),
        };
        particles.check()?;
        Ok(particles)
    }

    /// The cells of snapshot `k`, with their weights.
    pub fn of_snapshot(snapshots: &Snapshots, k: usize) -> Self {
        let rows = snapshots.count(k);
        Self {
            time: snapshots.times()[k],
            dims: snapshots.dims(),
            points: snapshots.points(k).into_owned(),
            log_weights: snapshots.weights(k).iter().map(|&w| libm::log(w)).collect(),
            ids: (0..rows as u64).collect(),
            ancestors: (0..rows).collect(),
        }
    }

    /// The number of particles n.
    pub fn len(&self) -> usize {
        self.log_weights.len()
    }

    /// Whether there are no particles (a branching population can die out).
    pub fn is_empty(&self) -> bool {
        self.log_weights.is_empty()
    }

    /// The position of particle `row`.
    pub fn point(&self, row: usize) -> &[f32] {
        &self.points[row * self.dims..(row + 1) * self.dims]
    }

    /// The weights w.
    pub fn weights(&self) -> Vec<f64> {
        self.log_weights.iter().map(|&l| libm::exp(l)).collect()
    }

    /// The total weight Σ w.
    pub fn mass(&self) -> f64 {
        // Not `sum`, by which nobody would weigh −0.
        self.log_weights.iter().fold(0.0, |mass, &l| mass + libm::exp(l))
    }

    /// The fields are public, so every simulation checks what it starts from.
    fn check(&self) -> Result<()> {
        if !self.time.is_finite() {
            return Err(Error::argument("time", self.time, "finite"));
        }
        if self.dims == 0 {
            return Err(Error::argument("dimension of the particles", 0, "at least 1"));
        }
        let rows = self.ids.len();
        if self.points.len() != rows * self.dims || self.log_weights.len() != rows {
            return Err(Error::argument(
                "particles",
                format!(
                    "{} ids, {} coordinates, {} weights",
                    rows,
                    self.points.len(),
                    self.log_weights.len()
                ),
                &format!("as many ids and weights as rows of {} coordinates", self.dims),
            ));
        }
        if let Some(at) = self.points.iter().position(|x| !x.is_finite()) {
            let (row, col) = (at / self.dims + 1, at % self.dims + 1);
            return Err(Error::InvalidData(format!(
                "row {row}, coordinate {col}: {} is not finite",
                self.points[at]
            )));
        }
        if let Some(row) = self.log_weights.iter().position(|l| l.is_nan() || *l == f64::INFINITY) {
            let message = format!("row {}: a weight must be finite and not negative", row + 1);
            return Err(Error::InvalidData(message));
        }
        Ok(())
    }
}

/// The share of the time that was spent outside, of fields with a guard.
fn share_outside(fields: &dyn Fields, residence: Residence) -> Option<f64> {
    fields.guard().map(|_| residence.share_outside())
}

/// What a simulation reports: one frame for every output time, in the order asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The particles at each output time.
    pub frames: Vec<Particles>,
    /// Of fields with a [`Guard`](crate::fields::Guard): the share of the particles' time that was spent outside of the box of
    /// the cells, where the fields are what they are at its border. Counted at the beginning of each step.
    pub outside: Option<f64>,
}

impl Trajectory {
    /// The output times.
    pub fn times(&self) -> Vec<f64> {
        self.frames.iter().map(|f| f.time).collect()
    }
}

/// Whether time runs backward in `times`, after checking that they can be output times of a simulation in `dims`
/// dimensions from `start`.
fn runs_backward(dims: usize, start: &Particles, times: &[f64]) -> Result<bool> {
    start.check()?;
    if dims != start.dims {
        let allowed = format!("{dims}, the dimension of the fields");
        return Err(Error::argument("dimension of the particles", start.dims, &allowed));
    }
    let Some(&last) = times.last() else {
        return Err(Error::argument("output times", "none", "at least one time"));
    };
    let backward = last < start.time;
    let mut previous = start.time;
    for (k, &time) in times.iter().enumerate() {
        let follows = if backward { time < previous } else { time > previous };
        if !time.is_finite() || !(follows || k == 0 && time == previous) {
            let order = if backward { "decreasing" } else { "increasing" };
            let allowed = format!("finite and strictly {order} from the start time {} on", start.time);
            return Err(Error::argument("output times", format!("{previous} followed by {time}"), &allowed));
        }
        previous = time;
    }
    Ok(backward)
}

/// One of the steps between two output times.
#[derive(Debug, Clone, Copy)]
struct TimeStep {
    /// Where it begins.
    time: f64,
    /// How long it is; negative when time runs backward.
    length: f64,
    /// Its number, counted from the start of the simulation.
    index: u64,
    /// The stretch that it is in.
    stretch: Stretch,
}

/// A stretch of time without a border of the fields' units inside.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    from: f64,
    to: f64,
    /// Between which moments the fields are those of the stretch: those of a border are those of the time after it, so the last
    /// moment is the one before the border at the later end. Infinite where there is no border.
    earliest: f64,
    latest: f64,
    /// The length of the interval between borders that it is in, over the mean of such lengths.
    relative: f64,
}

impl Stretch {
    /// The time between `from` and `to`, cut at the `knots` of the fields, in the direction from the one to the other; none
    /// if they coincide.
    fn all(from: f64, to: f64, knots: &[f64]) -> Vec<Self> {
        let (low, high) = (from.min(to), from.max(to));
        let mut ends: Vec<f64> = knots.iter().copied().filter(|&knot| low < knot && knot < high).collect();
        ends.push(high);
        let mut begin = low;
        let stretch = |end: f64| {
            let (a, b) = (std::mem::replace(&mut begin, end), end);
            let earliest = if knots.contains(&a) { a } else { f64::NEG_INFINITY };
            let latest = if knots.contains(&b) { b.next_down() } else { f64::INFINITY };
            let (from, to) = if from <= to { (a, b) } else { (b, a) };
            Self { from, to, earliest, latest, relative: relative_length(knots, a + (b - a) / 2.0) }
        };
        let mut stretches: Vec<Self> = ends.into_iter().map(stretch).collect();
        if from > to {
            stretches.reverse();
        }
        stretches.retain(|stretch| stretch.from != stretch.to);
        stretches
    }

    #[cfg(feature = "cuda")]
    fn middle(&self) -> f64 {
        self.from + (self.to - self.from) / 2.0
    }

    /// When the fields of `time` are to be evaluated, which is in the stretch or, up to rounding, at an end of it.
    fn inside(&self, time: f64) -> f64 {
        time.max(self.earliest).min(self.latest)
    }

    /// How many steps no longer than `step`, a length in an interval of the mean length, it is cut into.
    fn steps(&self, step: f64) -> f64 {
        // The tolerance keeps an interval of 0.3 at three steps of 0.1.
        let count = ((self.to - self.from).abs() / (step * self.relative) - 1e-9).ceil();
        count.max(1.0)
    }
}

/// The length of the interval between knots that `time` is in, or nearest to, over the mean; 1 without knots.
fn relative_length(knots: &[f64], time: f64) -> f64 {
    let [first, .., last] = *knots else { return 1.0 };
    let intervals = knots.len() - 1;
    let k = knots.partition_point(|&knot| knot <= time).clamp(1, intervals);
    (knots[k] - knots[k - 1]) / ((last - first) / intervals as f64)
}

/// The time between two output times, cut into stretches of equal steps.
#[derive(Debug, Clone)]
struct OutputInterval {
    to: f64,
    /// The stretches, and how many steps each has.
    stretches: Vec<(Stretch, usize)>,
    /// How many steps there are; none if the ends coincide.
    count: usize,
    /// The number of the first step.
    first_index: u64,
}

impl OutputInterval {
    /// The intervals that end at `times`, in steps no longer than `step` that do not cross the fields' `knots`.
    fn all(start: f64, times: &[f64], step: f64, knots: &[f64]) -> Result<Vec<Self>> {
        positive("step", step)?;
        let (mut from, mut first_index, mut intervals) = (start, 0, Vec::with_capacity(times.len()));
        for &to in times {
            let stretches = Stretch::all(from, to, knots);
            let count: f64 = stretches.iter().map(|stretch| stretch.steps(step)).sum();
            if count > MOST_SUBSTEPS {
                let shortest = step * (count / MOST_SUBSTEPS);
                let allowed = format!("at least {shortest:e} for the interval from {from} to {to}");
                return Err(Error::argument("step", step, &allowed));
            }
            let stretches = stretches.into_iter().map(|s| (s, s.steps(step) as usize)).collect();
            intervals.push(Self { to, stretches, count: count as usize, first_index });
            first_index += count as u64;
            from = to;
        }
        Ok(intervals)
    }

    fn step(&self, j: usize) -> TimeStep {
        let (mut first, mut at) = (0, 0);
        while j >= first + self.stretches[at].1 {
            first += self.stretches[at].1;
            at += 1;
        }
        let (stretch, count) = self.stretches[at];
        let length = (stretch.to - stretch.from) / count as f64;
        let time = stretch.from + (j - first) as f64 * length;
        TimeStep { time, length, index: self.first_index + j as u64, stretch }
    }
}

/// Makes the *state* of n particles: n rows of d + 1 doubles, a particle's coordinates and then its accumulated
/// growth ∫ g dt = ln(w / w_start). Keeping the two side by side makes a block of particles one slice.
fn fill_state(state: &mut Vec<f64>, points: &[f32], dims: usize) {
    state.clear();
    state.reserve(points.len() / dims * (dims + 1));
    for point in points.chunks_exact(dims) {
        state.extend(point.iter().map(|&x| f64::from(x)));
        state.push(0.0);
    }
}

/// Evaluates fields at the rows of a block's state, in buffers of its own that are kept from call to call.
struct BlockFields<'a> {
    model: &'a dyn Fields,
    points: Vec<f32>,
    velocity: Vec<f32>,
    growth: Vec<f32>,
    score_drift: Vec<f32>,
    scratch: Scratch,
    residence: Residence,
}

impl<'a> BlockFields<'a> {
    fn new(model: &'a dyn Fields, residence: Residence) -> Self {
        let coordinates = || vec![0.0; BLOCK * model.dims()];
        Self {
            model,
            points: coordinates(),
            velocity: coordinates(),
            growth: vec![0.0; BLOCK],
            score_drift: coordinates(),
            scratch: Scratch::default(),
            residence,
        }
    }

    /// Takes note of where the state's rows are at `time` for a time `length`.
    fn reside(&mut self, time: f64, length: f64, state: &[f64]) {
        let Some(guard) = self.model.guard() else { return };
        let (lower, upper) = guard.at(time);
        let is_outside = |row: &&[f64]| {
            let sides = lower.iter().zip(upper);
            row.iter().zip(sides).any(|(&x, (&low, &high))| !(low..=high).contains(&(x as f32)))
        };
        let rows = state.chunks_exact(self.model.dims() + 1);
        let (all, outside) = (rows.len(), rows.filter(is_outside).count());
        self.residence.add(length, all, outside);
    }

    /// Leaves v and g, and s where `with_score`, of the state's rows in the buffers.
    fn evaluate(&mut self, time: f64, state: &[f64], with_score: bool) {
        let dims = self.model.dims();
        let rows = state.len() / (dims + 1);
        for (point, row) in self.points.chunks_exact_mut(dims).zip(state.chunks_exact(dims + 1)) {
            point.iter_mut().zip(row).for_each(|(p, &x)| *p = x as f32);
        }
        let values = FieldValues {
            velocity: Some(&mut self.velocity[..rows * dims]),
            growth: Some(&mut self.growth[..rows]),
            score_drift: with_score.then_some(&mut self.score_drift[..rows * dims]),
        };
        self.model.evaluate(time, &self.points[..rows * dims], values, &mut self.scratch);
    }

    /// The rates of change (v, g) of the probability flow, laid out as the state.
    fn rates(&mut self, time: f64, state: &[f64], rates: &mut [f64]) {
        self.evaluate(time, state, false);
        let dims = self.model.dims();
        for (i, rate) in rates.chunks_exact_mut(dims + 1).enumerate() {
            let velocity = &self.velocity[i * dims..(i + 1) * dims];
            rate[..dims].iter_mut().zip(velocity).for_each(|(r, &v)| *r = f64::from(v));
            rate[dims] = f64::from(self.growth[i]);
        }
    }

    /// The rates of change (v + s, g) of the diffusion, without s unless there is a score, laid out as the state.
    fn drift(&mut self, time: f64, state: &[f64], with_score: bool, rates: &mut [f64]) {
        if !with_score {
            return self.rates(time, state, rates);
        }
        self.evaluate(time, state, true);
        let dims = self.model.dims();
        for (i, rate) in rates.chunks_exact_mut(dims + 1).enumerate() {
            let of_row = i * dims..(i + 1) * dims;
            let parts = self.velocity[of_row.clone()].iter().zip(&self.score_drift[of_row]);
            rate[..dims].iter_mut().zip(parts).for_each(|(r, (&v, &s))| *r = f64::from(v) + f64::from(s));
            rate[dims] = f64::from(self.growth[i]);
        }
    }
}

/// What errors call the particle of an id.
type Naming = fn(u64) -> String;

/// A particle that is one from the start on.
fn particle(id: u64) -> String {
    format!("particle {id}")
}

/// The error that a state is not finite, naming the first particle at fault; `ids` are those of the state's
/// rows.
fn check_finite(time: f64, state: &[f64], ids: &[u64]) -> Result<()> {
    if all_finite(state) {
        return Ok(());
    }
    let mut rows = state.chunks_exact(state.len() / ids.len());
    let row = rows.position(|row| !all_finite(row)).expect("some row is not finite");
    Err(blown_up(&particle(ids[row]), time))
}

fn blown_up(who: &str, time: f64) -> Error {
    Error::NonFinite(format!(
        "{who}: its state at time {time} is not finite; the fields blow up, or the step is too long"
    ))
}

/// Without branches or one long chain of additions, since it looks at every state of every step.
fn all_finite(values: &[f64]) -> bool {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(lanes.len());
    let rest = chunks.remainder();
    // 0·x is 0, or not a number.
    chunks.for_each(|chunk| lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += 0.0 * x));
    lanes.iter().chain(rest).all(|x| x.is_finite())
}

/// A warning if any of `times` lies outside those that the fields were learned from, and how far.
pub(crate) fn extrapolation(fields: &dyn Fields, times: impl IntoIterator<Item = f64>) -> Option<String> {
    let [first, last] = fields.learned_times()?;
    let beyond = |time: f64| (first - time).max(time - last);
    let farthest = times.into_iter().max_by(|a, b| beyond(*a).total_cmp(&beyond(*b)))?;
    // Times that a caller computed agree with those of the data to rounding.
    if beyond(farthest) <= 1e-9 * (last - first) {
        return None;
    }
    let (span, side) = (last - first, if farthest > last { "after" } else { "before" });
    Some(format!(
        "the time {farthest} is {:.3} {side} the times that the model was fitted to, {first} to {last} ({:.2} times their span): \
         what is computed there is an extrapolation",
        beyond(farthest),
        beyond(farthest) / span
    ))
}

/// More of the particles' time outside of the cells' box than this share of it is worth a word.
const MOST_OUTSIDE: f64 = 0.2;

/// A warning if particles spent much of their time where there were no cells, of the share that they did.
pub(crate) fn stray(outside: Option<f64>) -> Option<String> {
    let share = outside.filter(|&share| share > MOST_OUTSIDE)?;
    Some(format!(
        "{:.0} % of the particles' time was spent outside of the box of the cells that the model was fitted to, where its fields \
         are what they are at the border",
        100.0 * share
    ))
}

/// What becomes of the weight w of a founder.
#[derive(Debug, Clone, Copy)]
enum Weighing {
    /// w e^a, a the last number of the particle's state.
    Growing,
    /// w max(0, start + a).
    Adding { start: f64 },
}

impl Weighing {
    /// ln of the weight, of that of the founder and the last number of the state.
    fn log_weight(self, founder: f64, last: f64) -> f64 {
        match self {
            Weighing::Growing => founder + last,
            Weighing::Adding { start } => founder + libm::log((start + last).max(0.0)),
        }
    }
}

/// Writes a state's rows into a reported frame's rows: positions in single precision, ln w from the growth.
fn record(
    time: f64,
    state: &[f64],
    (ids, naming): (&[u64], Naming),
    (start_log_weights, weighing): (&[f64], Weighing),
    points: &mut [f32],
    log_weights: &mut [f64],
) -> Result<()> {
    let dims = points.len() / ids.len().max(1);
    for (i, row) in state.chunks_exact(dims + 1).enumerate() {
        for (p, &x) in points[i * dims..(i + 1) * dims].iter_mut().zip(row) {
            *p = x as f32;
            if !p.is_finite() {
                return Err(Error::NonFinite(format!(
                    "{}: its position at time {time} is {x}, beyond single precision",
                    naming(ids[i])
                )));
            }
        }
        log_weights[i] = weighing.log_weight(start_log_weights[i], row[dims]);
        if libm::exp(log_weights[i]).is_infinite() {
            return Err(Error::NonFinite(format!(
                "{}: its weight at time {time} is e^{:.6}, beyond double precision; the learned growth does not hold \
                 for so long a time",
                naming(ids[i]),
                log_weights[i]
            )));
        }
    }
    Ok(())
}

/// The frame of a state's rows at `time`.
fn report(
    time: f64,
    dims: usize,
    state: &[f64],
    (ids, naming): (&[u64], Naming),
    start_log_weights: &[f64],
    ancestors: &[usize],
) -> Result<Particles> {
    let (rows, width) = (ids.len(), dims + 1);
    let (mut points, mut log_weights) = (vec![0.0; rows * dims], vec![0.0; rows]);
    let outcomes: Vec<Result<()>> = points
        .par_chunks_mut(BLOCK * dims)
        .zip(log_weights.par_chunks_mut(BLOCK))
        .enumerate()
        .map(|(b, (points, log_weights))| {
            let of_block = b * BLOCK..b * BLOCK + log_weights.len();
            let state = &state[of_block.start * width..of_block.end * width];
            let who = (&ids[of_block.clone()], naming);
            let start = (&start_log_weights[of_block], Weighing::Growing);
            record(time, state, who, start, points, log_weights)
        })
        .collect();
    outcomes.into_iter().collect::<Result<()>>()?;
    Ok(Particles { time, dims, points, log_weights, ids: ids.to_vec(), ancestors: ancestors.to_vec() })
}

/// Calls `work(scratch, first row, rows)` for every block of a state whose rows are `width` long.
///
/// Each of the `lanes` owns one scratch and takes a run of consecutive blocks, so that a step allocates
/// nothing; which lane works on a block cannot change its result. Of several errors, that of the first block
/// is returned.
fn for_each_block<S: Send>(
    lanes: &mut [Lane<S>],
    state: &mut [f64],
    width: usize,
    work: impl Fn(&mut S, usize, &mut [f64]) -> Result<()> + Sync,
) -> Result<()> {
    let blocks = (state.len() / width).div_ceil(BLOCK);
    let rows_per_lane = blocks.div_ceil(lanes.len()).max(1) * BLOCK;
    state.par_chunks_mut(rows_per_lane * width).zip(lanes.par_iter_mut()).enumerate().for_each(
        |(l, (run, lane))| {
            lane.outcome = run
                .chunks_mut(BLOCK * width)
                .enumerate()
                .try_for_each(|(b, rows)| work(&mut lane.scratch, l * rows_per_lane + b * BLOCK, rows));
        },
    );
    lanes.iter_mut().try_for_each(|lane| std::mem::replace(&mut lane.outcome, Ok(())))
}

/// A worker's buffers, and how its last run of blocks ended.
struct Lane<S> {
    scratch: S,
    outcome: Result<()>,
}

/// One lane a thread.
fn lanes<S>(scratch: impl Fn() -> S) -> Vec<Lane<S>> {
    (0..rayon::current_num_threads()).map(|_| Lane { scratch: scratch(), outcome: Ok(()) }).collect()
}
