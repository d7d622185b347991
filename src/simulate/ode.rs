//! The probability flow: dX = v dt, d ln w = g dt.

use rayon::prelude::*;

use super::branches;
use super::{
    BLOCK, BlockFields, OutputInterval, Particles, Residence, Stretch, TimeStep, Trajectory, Weighing,
    check_finite, fill_state, particle, record, runs_backward, share_outside,
};
use crate::error::{Error, Result, positive};
use crate::exec::simd::vectorised;
use crate::exec::stop::Stop;
use crate::fields::{Branch, Fields};

/// How the probability flow is integrated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Solver {
    /// Euler's rule, first order: equal steps, none longer than `step`, between output times.
    Euler {
        /// The longest step, in units of time; of fields with [`knots`](Fields::knots), in an interval of the mean length.
        step: f64,
    },
    /// The classical fourth-order Runge–Kutta rule: equal steps, none longer than `step`, between output
    /// times.
    RungeKutta4 {
        /// The longest step, in units of time; of fields with [`knots`](Fields::knots), in an interval of the mean length.
        step: f64,
    },
    /// The adaptive rule of Dormand and Prince, order 5(4), with output by its dense fourth-order
    /// interpolant.
    DormandPrince(Tolerance),
}

impl Default for Solver {
    fn default() -> Self {
        Solver::DormandPrince(Tolerance::default())
    }
}

/// The error that an adaptive step may make.
///
/// The estimated error of a step must be at most `relative · |x| + absolute · L` in each coordinate x, where
/// L is the root-mean-square distance of the starting particles from their centre per coordinate, and at most
/// `relative · |a| + absolute` in a = ln(w / w_start); root-mean-square over one particle's coordinates, for
/// the worst particle of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative to the state. Default 1e-5: learned fields are evaluated in single precision, with rounding
    /// errors around 1e-6, and are only piecewise smooth. A tighter tolerance costs steps and gains nothing
    /// beyond about 1e-7, where it is rounding that is measured.
    pub relative: f64,
    /// Relative to the spread of the starting particles. Default 1e-5.
    pub absolute: f64,
    /// The most steps, accepted and rejected, for one block of particles. Default 100 000.
    pub max_steps: usize,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { relative: 1e-5, absolute: 1e-5, max_steps: 100_000 }
    }
}

/// Moves weighted particles along the probability flow of `fields`, from `start` to each of the output
/// `times`.
///
/// `times` increase from the start time on (the first may equal it), or decrease from it: then the flow is
/// integrated backward.
///
/// Of fields of [branches](Fields::of_branches) every particle of the start is one in each of them: those of particle i, of K branches, are
/// the rows iK to iK + K − 1 of a frame, with the ids Kj to Kj + K − 1 where its own is j. The start is at the first of the times that
/// they were learned from, before which and between which nothing tells which way a cell goes.
///
/// Sources: Dormand and Prince, J. Comput. Appl. Math. 1980; step control and dense output as in Hairer,
/// Nørsett and Wanner, Solving Ordinary Differential Equations I, 1993, II.4–II.6.
///
/// # Errors
/// [`Error::InvalidArgument`] for times, steps or tolerances out of range, or too few steps allowed for the
/// tolerance; [`Error::InvalidData`] for a start that is not finite; [`Error::NonFinite`] naming time and
/// particle when the solution leaves the finite numbers; [`Error::Cancelled`] once `stop` is requested.
///
/// # Example
/// ```
/// use chreode::exec::stop::Stop;
/// use chreode::fields::ClosedForm;
/// use chreode::simulate::{Particles, ode};
/// // Cells flow towards 0 at rate 1 and double in unit time.
/// let fields = ClosedForm {
///     dims: 1,
///     sigma: 0.0,
///     velocity: Box::new(|_, x, v| v[0] = -x[0]),
///     growth: Box::new(|_, _| std::f32::consts::LN_2),
///     score_drift: Box::new(|_, _, s| s[0] = 0.0),
/// };
/// let start = Particles::new(0.0, 1, vec![1.0, 2.0], None)?;
/// let end = &ode::integrate(&fields, &start, &[0.5, 1.0], &ode::Solver::default(), &Stop::default())?.frames[1];
/// assert!((end.points[1] - 2.0 / 1f32.exp()).abs() < 1e-4);
/// assert!((end.mass() - 4.0).abs() < 1e-4);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn integrate(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    solver: &Solver,
    stop: &Stop,
) -> Result<Trajectory> {
    let (frames, residence) = integrate_some(fields, start, times, solver, spread(start), stop)?;
    Ok(Trajectory { frames, outside: share_outside(fields, residence) })
}

/// The same for some of the particles of a start, whole blocks of them, that is `spread` so far as a whole.
pub(super) fn integrate_some(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    solver: &Solver,
    spread: f64,
    stop: &Stop,
) -> Result<(Vec<Particles>, Residence)> {
    let ways = fields.of_branches();
    if ways.is_empty() {
        return integrate_flow(fields, start, times, (solver, spread), Weighing::Growing, stop);
    }
    branches::check(fields, start, times)?;
    let way = |branch: &Branch<'_>| {
        let weighing = Weighing::Adding { start: branch.start };
        integrate_flow(&*branch.fields, start, times, (solver, spread), weighing, stop)
    };
    Ok(branches::together(ways.iter().map(way).collect::<Result<_>>()?))
}

/// Particles along one flow.
fn integrate_flow(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    (solver, spread): (&Solver, f64),
    weighing: Weighing,
    stop: &Stop,
) -> Result<(Vec<Particles>, Residence)> {
    runs_backward(fields.dims(), start, times)?;
    let plan = Plan::new(fields, start, times, (solver, spread), weighing, stop)?;
    let mut frames: Vec<Particles> = times.iter().map(|&time| Particles { time, ..start.clone() }).collect();
    frames.iter_mut().for_each(|frame| frame.ancestors = (0..start.len()).collect());

    let residence = Residence::new(start.time, times);
    let outcomes: Vec<Result<Residence>> = blocks_of(&mut frames)
        .into_par_iter()
        .enumerate()
        .map_init(
            || Scratch::new(fields, residence),
            |scratch, (b, output)| {
                scratch.fields.residence = residence;
                integrate_block(scratch, &plan, b, output).map(|()| scratch.fields.residence)
            },
        )
        .collect();
    let residence =
        outcomes.into_iter().try_fold(residence, |sum, block| block.map(|block| sum.merge(block)))?;
    Ok((frames, residence))
}

/// What all blocks have in common.
struct Plan<'a> {
    start: &'a Particles,
    times: &'a [f64],
    stepping: Stepping,
    weighing: Weighing,
    stop: &'a Stop,
}

/// How a block goes from one output time to the next.
enum Stepping {
    /// One rule for every step.
    Fixed(Rule, Vec<OutputInterval>),
    /// Steps of any length within each stretch; `scale` is the L of the coordinates.
    Adaptive { tolerance: Tolerance, scale: f64, stretches: Vec<Stretch> },
}

type Rule = fn(&mut Scratch<'_>, TimeStep, &mut [f64]);

impl<'a> Plan<'a> {
    fn new(
        fields: &dyn Fields,
        start: &'a Particles,
        times: &'a [f64],
        (solver, spread): (&Solver, f64),
        weighing: Weighing,
        stop: &'a Stop,
    ) -> Result<Self> {
        let intervals = |step| OutputInterval::all(start.time, times, step, fields.knots());
        let stepping = match *solver {
            Solver::Euler { step } => Stepping::Fixed(euler_step, intervals(step)?),
            Solver::RungeKutta4 { step } => Stepping::Fixed(runge_kutta_step, intervals(step)?),
            Solver::DormandPrince(tolerance) => {
                positive("relative_tolerance", tolerance.relative)?;
                positive("absolute_tolerance", tolerance.absolute)?;
                let stretches = Stretch::all(start.time, times[times.len() - 1], fields.knots());
                Stepping::Adaptive { tolerance, scale: spread, stretches }
            }
        };
        Ok(Self { start, times, stepping, weighing, stop })
    }
}

/// The root-mean-square distance of particles from their centre, per coordinate; where they coincide, their
/// distance from the origin; 1 where that is 0 too.
pub(crate) fn spread(particles: &Particles) -> f64 {
    let mut visit = |each: &mut dyn FnMut(&[f32])| {
        particles.points.chunks_exact(particles.dims).for_each(each);
        Ok(())
    };
    spread_of(particles.len(), particles.dims, &mut visit).unwrap_or(1.0)
}

/// Shows points to a function, one after another.
pub(crate) type Visit<'a> = dyn FnMut(&mut dyn FnMut(&[f32])) -> Result<()> + 'a;

/// The same of so many points that `visit` shows as often as it is asked: they need not be held.
///
/// # Errors
/// Those of `visit`.
pub(crate) fn spread_of(rows: usize, dims: usize, visit: &mut Visit<'_>) -> Result<f64> {
    let rows = rows.max(1) as f64;
    let mut centre = vec![0.0; dims];
    visit(&mut |point| centre.iter_mut().zip(point).for_each(|(c, &x)| *c += f64::from(x) / rows))?;
    for centre in [centre, vec![0.0; dims]] {
        let mut squares = 0.0;
        visit(&mut |point| {
            squares += point.iter().zip(&centre).map(|(&x, c)| (f64::from(x) - c).powi(2)).sum::<f64>();
        })?;
        if squares > 0.0 {
            return Ok((squares / (rows * dims as f64)).sqrt());
        }
    }
    Ok(1.0)
}

/// One block's rows of every frame: positions and ln w.
type BlockOutput<'a> = Vec<(&'a mut [f32], &'a mut [f64])>;

/// Deals the frames' rows out to the blocks, so that each block writes its results in place.
fn blocks_of(frames: &mut [Particles]) -> Vec<BlockOutput<'_>> {
    let mut blocks: Vec<BlockOutput<'_>> = Vec::new();
    for frame in frames {
        let rows = frame.points.chunks_mut(BLOCK * frame.dims).zip(frame.log_weights.chunks_mut(BLOCK));
        for (b, rows) in rows.enumerate() {
            if b == blocks.len() {
                blocks.push(Vec::new());
            }
            blocks[b].push(rows);
        }
    }
    blocks
}

fn integrate_block(
    scratch: &mut Scratch<'_>,
    plan: &Plan<'_>,
    block: usize,
    mut output: BlockOutput<'_>,
) -> Result<()> {
    plan.stop.check()?;
    let (start, rows) = (plan.start, output[0].1.len());
    let first = block * BLOCK;
    let ids = &start.ids[first..first + rows];
    let mut emit = |k: usize, state: &[f64]| {
        let (points, log_weights) = &mut output[k];
        record(
            plan.times[k],
            state,
            (ids, particle),
            (&start.log_weights[first..first + rows], plan.weighing),
            points,
            log_weights,
        )
    };
    let mut state = std::mem::take(&mut scratch.state);
    fill_state(&mut state, &start.points[first * start.dims..(first + rows) * start.dims], start.dims);
    let outcome = match &plan.stepping {
        Stepping::Fixed(rule, intervals) => {
            fixed_steps(scratch, plan.stop, (*rule, intervals), ids, &mut state, &mut emit)
        }
        Stepping::Adaptive { tolerance, scale, stretches } => {
            adaptive_steps(scratch, plan, (tolerance, *scale), stretches, ids, &mut state, &mut emit)
        }
    };
    scratch.state = state;
    outcome
}

/// A block's buffers: its state, the rates at up to seven stages, and two states in the making.
pub(super) struct Scratch<'a> {
    pub(super) fields: BlockFields<'a>,
    state: Vec<f64>,
    rates: [Vec<f64>; 7],
    stage: Vec<f64>,
    next: Vec<f64>,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(fields: &'a dyn Fields, residence: Residence) -> Self {
        let state = || vec![0.0; BLOCK * (fields.dims() + 1)];
        Self {
            fields: BlockFields::new(fields, residence),
            state: state(),
            rates: std::array::from_fn(|_| state()),
            stage: state(),
            next: state(),
        }
    }

    /// Evaluates the rates of stage `k` at `time` and `state + h Σ_j coefficients[j] rates[j]`.
    fn evaluate_stage(&mut self, k: usize, time: f64, state: &[f64], h: f64, coefficients: &[f64]) {
        let n = state.len();
        combine(&mut self.stage[..n], state, h, coefficients, &self.rates);
        self.fields.rates(time, &self.stage[..n], &mut self.rates[k][..n]);
    }
}

/// `out = state + h Σ_j coefficients[j] rates[j]`.
fn combine(out: &mut [f64], state: &[f64], h: f64, coefficients: &[f64], rates: &[Vec<f64>; 7]) {
    out.copy_from_slice(state);
    add_rates(out, h, coefficients, rates);
}

/// `out += h Σ_j coefficients[j] rates[j]`, in pieces that stay in the first-level cache.
fn add_rates(out: &mut [f64], h: f64, coefficients: &[f64], rates: &[Vec<f64>; 7]) {
    const PIECE: usize = 1024;
    vectorised(
        #[inline(always)]
        || {
            for (p, out) in out.chunks_mut(PIECE).enumerate() {
                for (&c, rate) in coefficients.iter().zip(rates).filter(|(c, _)| **c != 0.0) {
                    let factor = h * c;
                    out.iter_mut().zip(&rate[p * PIECE..]).for_each(|(o, r)| *o += factor * r);
                }
            }
        },
    );
}

fn fixed_steps(
    scratch: &mut Scratch<'_>,
    stop: &Stop,
    (rule, intervals): (Rule, &[OutputInterval]),
    ids: &[u64],
    state: &mut [f64],
    emit: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    for (k, interval) in intervals.iter().enumerate() {
        for step in (0..interval.count).map(|j| interval.step(j)) {
            stop.check()?;
            scratch.fields.reside(step.stretch.inside(step.time), step.length, state);
            rule(scratch, step, state);
            check_finite(step.time + step.length, state, ids)?;
        }
        emit(k, state)?;
    }
    Ok(())
}

fn euler_step(scratch: &mut Scratch<'_>, step: TimeStep, state: &mut [f64]) {
    let rates = &mut scratch.rates[0][..state.len()];
    scratch.fields.rates(step.stretch.inside(step.time), state, rates);
    state.iter_mut().zip(rates).for_each(|(x, r)| *x += step.length * *r);
}

/// One step of the classical Runge–Kutta rule for a block's state.
pub(super) fn runge_kutta_step(scratch: &mut Scratch<'_>, step: TimeStep, state: &mut [f64]) {
    let (t, h, n) = (step.time, step.length, state.len());
    let (start, middle, end) =
        (step.stretch.inside(t), step.stretch.inside(t + h / 2.0), step.stretch.inside(t + h));
    scratch.evaluate_stage(0, start, state, h, &[]);
    scratch.evaluate_stage(1, middle, state, h, &[0.5]);
    scratch.evaluate_stage(2, middle, state, h, &[0.0, 0.5]);
    scratch.evaluate_stage(3, end, state, h, &[0.0, 0.0, 1.0]);
    scratch.stage[..n].copy_from_slice(state);
    combine(state, &scratch.stage[..n], h, &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0], &scratch.rates);
}

/// Dormand and Prince's nodes, stage coefficients, error weights (fifth minus fourth order) and dense output.
const NODES: [f64; 7] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
const STAGES: [&[f64]; 7] = [
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];
const DENSE: [f64; 7] = [
    -12715105075.0 / 11282082432.0,
    0.0,
    87487479700.0 / 32700410799.0,
    -10690763975.0 / 1880347072.0,
    701980252875.0 / 199316789632.0,
    -1453857185.0 / 822651844.0,
    69997945.0 / 29380423.0,
];

/// A step shorter than this fraction of the whole stretch cannot be meant.
const SHORTEST_STEP: f64 = 1e-12;

fn adaptive_steps(
    scratch: &mut Scratch<'_>,
    plan: &Plan<'_>,
    (tolerance, scale): (&Tolerance, f64),
    stretches: &[Stretch],
    ids: &[u64],
    state: &mut [f64],
    emit: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    let norm = ErrorNorm { tolerance, scale, width: plan.start.dims + 1 };
    let n = state.len();
    let mut next_output = 0;
    if plan.times[0] == plan.start.time {
        emit(0, state)?;
        next_output = 1;
    }
    let mut steps_left = tolerance.max_steps;
    for stretch in stretches {
        let (mut t, end) = (stretch.from, stretch.to);
        scratch.fields.rates(stretch.inside(t), state, &mut scratch.rates[0][..n]);
        check_finite(t, &scratch.rates[0][..n], ids)?;
        let mut h = first_step(scratch, &norm, stretch, state);
        let mut controller = Controller { previous: 1e-4, rejected: false };
        while t != end {
            if steps_left == 0 {
                return Err(too_many_steps(tolerance, t, plan.times[plan.times.len() - 1]));
            }
            steps_left -= 1;
            plan.stop.check()?;
            // A last step a little longer than planned beats a tiny one after it.
            if (t + 1.01 * h - end) * h.signum() >= 0.0 {
                h = end - t;
            }
            for k in 1..7 {
                scratch.evaluate_stage(k, stretch.inside(t + NODES[k] * h), state, h, STAGES[k]);
            }
            // The seventh stage is the new state itself.
            std::mem::swap(&mut scratch.next, &mut scratch.stage);
            let error = norm.of_step(state, &scratch.next[..n], h, &scratch.rates, &mut scratch.stage[..n]);
            let factor = controller.factor(error);
            if error <= 1.0 {
                let arrived = if h == end - t { end } else { t + h };
                check_finite(arrived, &scratch.next[..n], ids)?;
                while next_output < plan.times.len()
                    && (plan.times[next_output] - arrived) * h.signum() <= 0.0
                {
                    let theta = (plan.times[next_output] - t) / (arrived - t);
                    interpolate(&mut scratch.stage[..n], theta, h, state, &scratch.next[..n], &scratch.rates);
                    emit(next_output, &scratch.stage[..n])?;
                    next_output += 1;
                }
                scratch.fields.reside(stretch.inside(t), arrived - t, state);
                t = arrived;
                state.copy_from_slice(&scratch.next[..n]);
                scratch.rates.swap(0, 6);
            } else if h.abs() < SHORTEST_STEP * (end - stretch.from).abs() {
                check_finite(t + h, &scratch.next[..n], ids)?;
                return Err(unreachable_tolerance(tolerance, t, h));
            }
            h *= factor;
        }
    }
    Ok(())
}

fn too_many_steps(tolerance: &Tolerance, time: f64, end: f64) -> Error {
    let allowed =
        format!("larger for this tolerance: {} steps reached time {time} of {end}", tolerance.max_steps);
    Error::argument("max_steps", tolerance.max_steps, &allowed)
}

fn unreachable_tolerance(tolerance: &Tolerance, time: f64, h: f64) -> Error {
    let allowed =
        format!("looser: at time {time} even a step of {h:e} misses it, so the fields jump or blow up there");
    Error::argument("relative_tolerance", tolerance.relative, &allowed)
}

/// Measures errors against the tolerance: 1 is what is allowed.
struct ErrorNorm<'a> {
    tolerance: &'a Tolerance,
    scale: f64,
    width: usize,
}

impl ErrorNorm<'_> {
    /// The estimated error of a step from `state` to `next`, which is left in `error`; infinite if it cannot
    /// be told.
    fn of_step(&self, state: &[f64], next: &[f64], h: f64, rates: &[Vec<f64>; 7], error: &mut [f64]) -> f64 {
        error.fill(0.0);
        add_rates(error, h, &ERROR, rates);
        self.worst(state, next, |i| error[i])
    }

    /// The largest over particles of the root-mean-square of `value(i)` over the particle's entries, each in
    /// units of what is allowed there; infinite if one is not a number.
    fn worst(&self, state: &[f64], next: &[f64], value: impl Fn(usize) -> f64) -> f64 {
        let mut worst = 0.0f64;
        for first in (0..state.len()).step_by(self.width) {
            let mut sum = 0.0;
            for i in first..first + self.width {
                let scale = if i + 1 == first + self.width { 1.0 } else { self.scale };
                let size = state[i].abs().max(next[i].abs());
                let allowed = self.tolerance.relative * size + self.tolerance.absolute * scale;
                sum += (value(i) / allowed).powi(2);
            }
            worst = if sum.is_finite() { worst.max(sum) } else { f64::INFINITY };
        }
        (worst / self.width as f64).sqrt()
    }
}

/// The first step: such that both an Euler step and the second derivative stay within a hundredth of the
/// tolerance (Hairer, Nørsett, Wanner 1993, II.4). Needs `rates[0]` at the start.
fn first_step(scratch: &mut Scratch<'_>, norm: &ErrorNorm<'_>, stretch: &Stretch, state: &[f64]) -> f64 {
    let &Stretch { from: t, to: end, .. } = stretch;
    let (n, span) = (state.len(), (end - t).abs());
    let size = norm.worst(state, state, |i| state[i]);
    let slope = norm.worst(state, state, |i| scratch.rates[0][i]);
    let trial = if size < 1e-5 || slope < 1e-5 { 1e-6 * span } else { (0.01 * size / slope).min(span) };
    let h = trial.copysign(end - t);
    scratch.evaluate_stage(1, stretch.inside(t + h), state, h, &[1.0]);
    let (first, second) = (&scratch.rates[0][..n], &scratch.rates[1][..n]);
    let bend = norm.worst(state, state, |i| second[i] - first[i]) / trial;
    let steepest = slope.max(bend);
    let balanced = if steepest <= 1e-15 { span } else { libm::pow(0.01 / steepest, 0.2) };
    let longest = if steepest <= 1e-15 { span } else { (100.0 * trial).min(span) };
    // A start next to a singularity: leave it to the controller, from the smallest step that it accepts.
    let chosen = balanced.min(longest);
    if chosen.is_finite() && chosen > 0.0 { chosen.copysign(end - t) } else { SHORTEST_STEP * (end - t) }
}

/// The proportional-integral step controller of Hairer, Nørsett and Wanner's DOPRI5.
struct Controller {
    /// The error of the last accepted step.
    previous: f64,
    rejected: bool,
}

impl Controller {
    /// By what to multiply the step after one that made `error`, which is accepted up to 1.
    fn factor(&mut self, error: f64) -> f64 {
        const INTEGRAL: f64 = 0.04;
        if !error.is_finite() {
            self.rejected = true;
            return 0.1;
        }
        let proportional = libm::pow(error.max(1e-10), 0.2 - 0.75 * INTEGRAL);
        if error > 1.0 {
            self.rejected = true;
            return (0.9 / proportional).max(0.2);
        }
        let factor = (0.9 * libm::pow(self.previous, INTEGRAL) / proportional).clamp(0.2, 10.0);
        self.previous = error.max(1e-4);
        // Not longer right after a rejection.
        if std::mem::take(&mut self.rejected) { factor.min(1.0) } else { factor }
    }
}

/// The fourth-order interpolant of a step of length `h` at the fraction `theta` of it.
fn interpolate(out: &mut [f64], theta: f64, h: f64, state: &[f64], next: &[f64], rates: &[Vec<f64>; 7]) {
    for (i, out) in out.iter_mut().enumerate() {
        let difference = next[i] - state[i];
        let start = h * rates[0][i] - difference;
        let end = difference - h * rates[6][i] - start;
        let curve = h * DENSE.iter().zip(rates).map(|(d, k)| d * k[i]).sum::<f64>();
        let rest = 1.0 - theta;
        *out = state[i] + theta * (difference + rest * (start + theta * (end + rest * curve)));
    }
}
