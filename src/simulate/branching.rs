//! Branching particles: each moves on its own, divides at a birth rate b and dies at a death rate e, with b −
//! e = g.

use rayon::prelude::*;

use super::forest::{self, Forest};
use super::lineage::Lineage;
use super::{
    BLOCK, Lane, OutputInterval, Particles, Residence, Shard, TimeStep, Trajectory, all_finite, blown_up,
    fill_state, lanes, ode, report, runs_backward, sde,
};
use crate::error::{Error, Result};
use crate::exec::rng::{ChaCha8Rng, Purpose, stream, uniform};
use crate::exec::stop::Stop;
use crate::fields::{Fields, require_whole};
use crate::named::named;

/// How particles move between divisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Motion {
    /// dX = (v + s) dt + σ dW, by Euler and Maruyama's rule; growth rates are those at a step's beginning.
    Diffusion,
    /// dX = v dt by the classical Runge–Kutta rule; growth rates are their means over a step, by the same
    /// rule.
    Flow,
}

named!(Motion, "motion", Diffusion = "diffusion", Flow = "flow");

/// At which rates cells divide and die that grow at a rate g: any b and e with b − e = g give the same expected population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Offspring {
    /// Growth is divisions and shrinking is deaths, never both: b = g⁺, e = g⁻.
    #[default]
    OneHot,
    /// As in branching Brownian motion of rate λ that grows at g: see [`BirthDeath::of_reference`].
    Reference,
}

named!(Offspring, "offspring", OneHot = "one-hot", Reference = "reference");

/// How a branching population is simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The longest step, in units of time: the interval between two output times is cut into equal steps. Of fields with
    /// [`knots`](Fields::knots), in an interval of the mean length.
    pub step: f64,
    /// The seed of the noise, the divisions and the deaths.
    pub seed: u64,
    /// How particles move. Default: [`Motion::Diffusion`].
    pub motion: Motion,
    /// Turnover c ≥ 0, per unit time, added to both birth and death rate: b = g⁺ + c, e = g⁻ + c. The
    /// expected population stays, its variance grows. Default 0.
    pub turnover: f64,
    /// λ ≥ 0 of [`Offspring::Reference`], per unit time: b and e before turnover are those of
    /// [`BirthDeath::of_reference`]. Default 0, which is [`Offspring::OneHot`].
    pub branching_rate: f64,
    /// The most particles that may live at once. Default 1 000 000.
    pub max_population: usize,
}

impl Options {
    /// Steps of at most `step`, random numbers of `seed`, and the defaults.
    pub fn new(step: f64, seed: u64) -> Self {
        Self {
            step,
            seed,
            motion: Motion::Diffusion,
            turnover: 0.0,
            branching_rate: 0.0,
            max_population: 1_000_000,
        }
    }

    /// The births and deaths of a particle that grows at rate `growth`.
    pub(super) fn law(&self, growth: f64) -> BirthDeath {
        let BirthDeath { birth, death } = BirthDeath::of_reference(growth, self.branching_rate);
        BirthDeath { birth: birth + self.turnover, death: death + self.turnover }
    }
}

/// What a branching simulation gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BranchingTrajectory {
    /// The living particles at each output time; [`Particles::ids`] are their cells in the lineage.
    pub trajectory: Trajectory,
    /// The cells that ever lived.
    pub lineage: Lineage,
}

/// Lets a population of equal particles move, divide and die, from `start` to each of the increasing output
/// `times`.
///
/// Each particle stands for the same mass, the common weight of `start` (1 by default; particles of different
/// weight are made equal by [`resampling::resample`](super::resampling::resample)).
///
/// Over a step the rates are frozen and the number of offspring follows the exact law of the linear
/// birth–death process, [`BirthDeath`]; the expected mass is therefore that of the weighted particles of
/// [`ode`] or [`sde`] at every step size. A family's tree within a step has the exact law of the
/// reconstructed tree (lines that die out within the step they arose in are not recorded): see
/// [`BirthDeath`]. Daughters start where their mother's motion ended the step.
///
/// A division ends a cell and starts two. Cells are numbered family by family, as [`Lineage`] says. All randomness of a cell is a pure
/// function of (seed, its founder, its place in the founder's family, step): motion as in [`sde`], so that without growth the two give
/// the same paths. So a family does not depend on the others, unless there are more particles than there may be: founders can be
/// simulated some at a time, in whole blocks of [`BLOCK`] since the fields are evaluated for those of a block together.
///
/// # Errors
/// [`Error::PopulationLimit`] when more than [`Options::max_population`] particles live;
/// [`Error::InvalidArgument`] for times, steps, turnover or unequal weights; [`Error::InvalidData`] for a
/// start that is not finite; [`Error::NonFinite`] naming time and particle when a state leaves the finite
/// numbers; [`Error::Cancelled`] once `stop` is requested.
pub fn simulate(
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &Options,
    stop: &Stop,
) -> Result<BranchingTrajectory> {
    let mut all = simulate_some(fields, start, 0, times, options, stop)?;
    let lineage = all.lineage.take().expect("a branching population has a lineage");
    Ok(BranchingTrajectory { trajectory: all.trajectory(fields), lineage })
}

/// The same for some of the particles of a start, whole blocks of them, of which the first is number `first` among all.
pub(super) fn simulate_some(
    fields: &dyn Fields,
    start: &Particles,
    first: u64,
    times: &[f64],
    options: &Options,
    stop: &Stop,
) -> Result<Shard> {
    require_whole(fields, "the mode branching")?;
    check(fields.dims(), start, times, options)?;
    let mut forest = Forest::new(first, start.len(), start.time)?;
    let mut living = Living::new(start, &forest);
    let residence = Residence::new(start.time, times);
    let mut lanes = lanes(|| Mover::new(fields, options, residence));
    let (mut frames, mut counts) = (Vec::with_capacity(times.len()), vec![]);
    for interval in OutputInterval::all(start.time, times, options.step, fields.knots())? {
        for step in (0..interval.count).map(|j| interval.step(j)) {
            living.step(&mut lanes, step, stop)?;
            stop.check()?;
            living.branch(step, options, &mut forest)?;
            counts.push(living.ids.len() as u64);
        }
        let log_weights = vec![start.log_weights.first().copied().unwrap_or(0.0); living.ids.len()];
        let (who, origins) = ((&living.ids[..], forest::name as _), &living.origins);
        frames.push(report(interval.to, start.dims, &living.state, who, &log_weights, origins)?);
        living.origins = (0..living.ids.len()).collect();
    }
    forest.survive(&living.ids, times[times.len() - 1]);
    let residence = lanes.iter().fold(residence, |sum, lane| sum.merge(lane.scratch.residence()));
    let lineage = Some(forest.end(&mut frames));
    Ok(Shard { lineage, living: counts, ..Shard::of(frames, residence) })
}

/// Refuses what a branching population cannot start from.
pub(super) fn check(dims: usize, start: &Particles, times: &[f64], options: &Options) -> Result<()> {
    if runs_backward(dims, start, times)? {
        return Err(Error::argument("output times", times[0], "increasing: branching has no way back"));
    }
    for (name, rate) in [("turnover", options.turnover), ("branching_rate", options.branching_rate)] {
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(Error::argument(name, rate, "finite and not negative"));
        }
    }
    if let Some(row) = start.log_weights.iter().position(|l| *l != start.log_weights[0]) {
        return Err(unequal(start.log_weights[0], start.log_weights[row]));
    }
    let limit = options.max_population;
    if start.len() > limit {
        return Err(Error::PopulationLimit { limit, time: start.time });
    }
    Ok(())
}

/// That there are particles of these ln w.
pub(super) fn unequal(one: f64, other: f64) -> Error {
    let value = format!("{} and {}", libm::exp(one), libm::exp(other));
    Error::argument("the particles' weights", value, "equal (resample them first)")
}

/// A block's way to move, with its buffers.
enum Mover<'a> {
    Diffusion(sde::Scratch<'a>, sde::Noise),
    Flow(ode::Scratch<'a>),
}

impl<'a> Mover<'a> {
    fn new(fields: &'a dyn Fields, options: &Options, residence: Residence) -> Self {
        match options.motion {
            Motion::Flow => Self::Flow(ode::Scratch::new(fields, residence)),
            Motion::Diffusion => {
                let noise = sde::Noise { seed: options.seed, backward: false };
                Self::Diffusion(sde::Scratch::new(fields, residence), noise)
            }
        }
    }

    fn residence(&self) -> Residence {
        match self {
            Self::Diffusion(scratch, _) => scratch.fields.residence,
            Self::Flow(scratch) => scratch.fields.residence,
        }
    }

    fn step(&mut self, step: TimeStep, ids: &[u64], state: &mut [f64]) -> Result<()> {
        match self {
            Self::Diffusion(scratch, noise) => sde::diffusion_step(scratch, *noise, step, ids, state),
            Self::Flow(scratch) => {
                scratch.fields.reside(step.stretch.inside(step.time), step.length, state);
                ode::runge_kutta_step(scratch, step, state);
            }
        }
        if all_finite(state) {
            return Ok(());
        }
        let mut rows = state.chunks_exact(state.len() / ids.len());
        let row = rows.position(|row| !all_finite(row)).unwrap_or(0);
        Err(blown_up(&forest::name(ids[row]), step.time + step.length))
    }
}

/// The living particles, and the buffers in which those after the next step are gathered.
struct Living {
    width: usize,
    state: Vec<f64>,
    /// The names of the [forest](Forest), founder after founder.
    ids: Vec<u64>,
    /// How many rows each block has: those of [`BLOCK`] founders fill one block after another, and what is left is one of its own.
    /// Who is in a block does not depend on other founders.
    blocks: Vec<usize>,
    /// The row of the last reported frame that each descends from.
    origins: Vec<usize>,
    /// How many descendants each particle leaves in this step.
    offspring: Vec<usize>,
    depths: Vec<f64>,
    next_state: Vec<f64>,
    next_ids: Vec<u64>,
    next_origins: Vec<usize>,
}

impl Living {
    fn new(start: &Particles, forest: &Forest) -> Self {
        let mut state = Vec::new();
        fill_state(&mut state, &start.points, start.dims);
        let mut living = Self {
            width: start.dims + 1,
            state,
            ids: forest.founders().collect(),
            blocks: Vec::new(),
            origins: (0..start.len()).collect(),
            offspring: Vec::new(),
            depths: Vec::new(),
            next_state: Vec::new(),
            next_ids: Vec::new(),
            next_origins: Vec::new(),
        };
        living.cut();
        living
    }

    /// Cuts the rows into blocks.
    fn cut(&mut self) {
        self.blocks.clear();
        let group = |id: &u64| forest::founder_of(*id) / BLOCK as u64;
        for some in self.ids.chunk_by(|a, b| group(a) == group(b)) {
            self.blocks.extend(some.chunks(BLOCK).map(<[u64]>::len));
        }
    }

    /// Moves all particles by a step. Each of the `lanes` takes a run of consecutive blocks; which lane works on a block cannot
    /// change its result. Of several errors, that of the first block is returned.
    fn step(&mut self, lanes: &mut [Lane<Mover<'_>>], step: TimeStep, stop: &Stop) -> Result<()> {
        let blocks_per_lane = self.blocks.len().div_ceil(lanes.len()).max(1);
        let (width, mut state, mut ids) = (self.width, &mut self.state[..], &self.ids[..]);
        rayon::scope(|scope| {
            for (lane, blocks) in lanes.iter_mut().zip(self.blocks.chunks(blocks_per_lane)) {
                let rows: usize = blocks.iter().sum();
                let (run, later) = std::mem::take(&mut state).split_at_mut(rows * width);
                let (of_run, ids_later) = ids.split_at(rows);
                (state, ids) = (later, ids_later);
                scope.spawn(move |_| {
                    let mut from = 0;
                    lane.outcome = blocks.iter().try_for_each(|&rows| {
                        let of_block = from..from + rows;
                        from = of_block.end;
                        stop.check()?;
                        let state = &mut run[of_block.start * width..of_block.end * width];
                        lane.scratch.step(step, &of_run[of_block], state)
                    });
                });
            }
        });
        lanes.iter_mut().try_for_each(|lane| std::mem::replace(&mut lane.outcome, Ok(())))
    }

    /// Replaces every particle by its descendants after a step that left its growth over the step in its
    /// state.
    ///
    /// Numbers of offspring are drawn in parallel. Few particles leave other than one, so the trees of those
    /// few are drawn (again, from the same streams) in a scan that also numbers the newborn.
    fn branch(&mut self, step: TimeStep, options: &Options, forest: &mut Forest) -> Result<()> {
        let end = step.time + step.length;
        self.draw_offspring(step, options);
        let total = self.offspring.iter().fold(0usize, |sum, &n| sum.saturating_add(n));
        if total > options.max_population {
            return Err(Error::PopulationLimit { limit: options.max_population, time: end });
        }
        self.next_state.clear();
        self.next_ids.clear();
        self.next_origins.clear();
        for row in 0..self.ids.len() {
            let (id, offspring) = (self.ids[row], self.offspring[row]);
            if offspring == 1 {
                self.next_ids.push(id);
            } else {
                let (law, mut rng) = self.law_and_stream(row, step, options);
                if let Some(time) = law.extinction_time(step.length, &mut rng) {
                    forest.die(id, step.time + time);
                } else {
                    self.depths.clear();
                    self.depths.extend(law.split_depths(step.length, &mut rng));
                    forest.divide(id, end, &self.depths, |leaf| self.next_ids.push(leaf))?;
                }
            }
            let state = &mut self.state[row * self.width..(row + 1) * self.width];
            state[self.width - 1] = 0.0;
            for _ in 0..offspring {
                self.next_state.extend_from_slice(state);
                self.next_origins.push(self.origins[row]);
            }
        }
        std::mem::swap(&mut self.state, &mut self.next_state);
        std::mem::swap(&mut self.ids, &mut self.next_ids);
        std::mem::swap(&mut self.origins, &mut self.next_origins);
        self.cut();
        Ok(())
    }

    fn draw_offspring(&mut self, step: TimeStep, options: &Options) {
        let mut offspring = std::mem::take(&mut self.offspring);
        offspring.resize(self.ids.len(), 0);
        offspring.par_chunks_mut(BLOCK).enumerate().for_each(|(block, offspring)| {
            for (i, offspring) in offspring.iter_mut().enumerate() {
                let (law, mut rng) = self.law_and_stream(block * BLOCK + i, step, options);
                *offspring = law.offspring(step.length, options.max_population, &mut rng);
            }
        });
        self.offspring = offspring;
    }

    /// The birth–death process of the particle in `row` during the step, and the random numbers that decide
    /// it.
    fn law_and_stream(&self, row: usize, step: TimeStep, options: &Options) -> (BirthDeath, ChaCha8Rng) {
        let growth = self.state[(row + 1) * self.width - 1] / step.length;
        (options.law(growth), stream(options.seed, Purpose::Branching, self.ids[row], step.index))
    }
}

/// The linear birth–death process: each particle divides in two at rate b and dies at rate e, per unit time.
///
/// Started from one particle, with g = b − e and q(t) = g / (e^{gt} − 1) (1/t for g = 0), the number at time
/// t is
///
/// ```text
/// P(0) = α = e / (q + b),    P(n) = (1 − α)(1 − β) βⁿ⁻¹ for n ≥ 1,  β = b / (q + b)
/// ```
///
/// (Kendall, Ann. Math. Stat. 1948, in a form without cancellation for any rates). Seen from the end, the
/// lines of neighbouring survivors parted independently of each other, at a depth H before the end with P(H ≤
/// s) = β(s): the survivors' tree is a coalescent point process (Popovic, Ann. Appl. Probab. 2004; Lambert
/// and Stadler, Theor. Popul. Biol. 2013). So one inversion draws number and times at once: depths are drawn
/// until one exceeds t. Likewise the time at which a family dies out is below s with probability α(s).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BirthDeath {
    /// The birth rate b ≥ 0, per unit time.
    pub birth: f64,
    /// The death rate e ≥ 0, per unit time.
    pub death: f64,
}

impl BirthDeath {
    /// b = g⁺ + c, e = g⁻ + c for the growth rate g and the turnover c.
    pub fn of_growth(growth: f64, turnover: f64) -> Self {
        Self { birth: growth.max(0.0) + turnover, death: (-growth).max(0.0) + turnover }
    }

    /// b = (√(λ² + g²) + g)/2 and e = (√(λ² + g²) − g)/2 for the growth rate g: of all with b − e = g, those that are least unlike the
    /// births and deaths of the reference process, each at rate λ/2, by their relative entropy
    /// b ln(2b/λ) − b + e ln(2e/λ) − e + λ (Baradat and Lavenant, 2021: regularised unbalanced optimal transport as entropy
    /// minimisation with respect to branching Brownian motion). Without a rate, λ = 0, they are those of
    /// [`of_growth`](Self::of_growth) without turnover.
    pub fn of_reference(growth: f64, rate: f64) -> Self {
        if rate == 0.0 {
            return Self::of_growth(growth, 0.0);
        }
        // The lesser of the two from the greater, by b e = λ²/4: their difference would lose its figures.
        let greater = 0.5 * (libm::hypot(rate, growth) + growth.abs());
        let lesser = 0.25 * rate * (rate / greater);
        let (birth, death) = if growth >= 0.0 { (greater, lesser) } else { (lesser, greater) };
        Self { birth, death }
    }

    /// α(t): the probability that the descendants of one particle have died out by time `t`.
    pub fn extinction(&self, t: f64) -> f64 {
        self.death / (self.pace(t) + self.birth)
    }

    /// β(t): the probability that there is one more survivor at time `t`, given that there is another before
    /// it.
    pub fn continuation(&self, t: f64) -> f64 {
        self.birth / (self.pace(t) + self.birth)
    }

    /// The mean number of particles at time `t`, e^{gt}.
    pub fn mean(&self, t: f64) -> f64 {
        libm::exp((self.birth - self.death) * t)
    }

    /// The variance of the number of particles at time `t`.
    pub fn variance(&self, t: f64) -> f64 {
        self.mean(t) * (self.birth + self.death) / self.pace(t)
    }

    /// Draws the number of particles at time `t`, counting no further than one past `most`. Uses one random
    /// number for extinction and one for each survivor.
    pub fn offspring(&self, t: f64, most: usize, rng: &mut ChaCha8Rng) -> usize {
        if self.birth == 0.0 && self.death == 0.0 {
            return 1;
        }
        match self.extinction_time(t, rng) {
            Some(_) => 0,
            None => 1 + self.split_depths(t, rng).take(most).count(),
        }
    }

    /// Draws when one particle's descendants die out, if they do so by time `t`.
    pub(super) fn extinction_time(&self, t: f64, rng: &mut ChaCha8Rng) -> Option<f64> {
        let u = uniform(rng);
        (u < self.extinction(t)).then(|| self.time_of_pace(self.death / u - self.birth).min(t))
    }

    /// Draws, given survival to time `t`, how long before `t` each pair of neighbouring survivors parted.
    pub(super) fn split_depths(&self, t: f64, rng: &mut ChaCha8Rng) -> impl Iterator<Item = f64> {
        let (law, continuation) = (*self, self.continuation(t));
        std::iter::from_fn(move || {
            let u = uniform(rng);
            (u < continuation).then(|| law.time_of_pace(law.birth / u - law.birth).min(t))
        })
    }

    /// q(t) = g / (e^{gt} − 1), which falls from ∞ at t = 0.
    fn pace(&self, t: f64) -> f64 {
        let growth = self.birth - self.death;
        if growth * t == 0.0 { 1.0 / t } else { growth / libm::expm1(growth * t) }
    }

    /// The time t with q(t) = `pace`.
    fn time_of_pace(&self, pace: f64) -> f64 {
        let growth = self.birth - self.death;
        let relative = growth / pace;
        // Rounding may take a certain death just past the process's limit.
        if relative == 0.0 {
            1.0 / pace
        } else if relative <= -1.0 {
            f64::INFINITY
        } else {
            libm::log1p(relative) / growth
        }
    }
}
