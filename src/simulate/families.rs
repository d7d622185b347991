//! What becomes of each of many cells by one later time: several families of each, a few cells at a time.
//!
//! A family is one particle's: of a weighted simulation that particle alone, of a branching one all that descend from it.
//! Each is a function of its cell's number, its own number and the seed, so that it does not matter which cells are asked
//! for together; memory is that of a few cells a thread, however many there are.
//!
//! Fates are shares of families, known to their standard error, one in 2√count at best. Their steps need not be finer than
//! that, and are by a rule of second order, which takes a tenth of the steps of Euler's and Maruyama's for the same error.

use rayon::prelude::*;

use super::branching::{BirthDeath, Motion};
use super::simulation::Process;
use super::{BLOCK, BlockFields, OutputInterval, Residence, TimeStep, all_finite, ode};
use crate::error::{Error, Result};
use crate::exec::rng::{NormalPairs, Purpose, stream};
use crate::exec::stop::Stop;
use crate::fields::Fields;

/// How families are simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Families {
    /// What moves. The probability flow is without chance, so that one family is all.
    pub(crate) process: Process,
    /// How many of each cell.
    pub(crate) count: usize,
    /// The longest step, in units of time; of fields with knots, in an interval of the mean length.
    pub(crate) step: f64,
    /// The seed of all random numbers.
    pub(crate) seed: u64,
    /// Branching: how cells move.
    pub(crate) motion: Motion,
    /// Branching: added to both rates, per unit of time.
    pub(crate) turnover: f64,
    /// Branching: the most members that the families of one cell may have at once.
    pub(crate) max_population: usize,
}

/// The cells that families are of: some at one time, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Founders<'a> {
    pub(crate) time: f64,
    /// Not before.
    pub(crate) to: f64,
    /// Row-major, one row a cell.
    pub(crate) points: &'a [f32],
    /// The number of the first, by which random numbers are drawn; those of the others follow.
    pub(crate) first: u64,
}

/// The families of one cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descendants<'a> {
    /// The members, those of a family one after another, row-major.
    pub(crate) points: &'a [f32],
    /// What each member stands for, of a cell that weighs 1.
    pub(crate) weights: &'a [f64],
    /// How many members each family has.
    pub(crate) sizes: &'a [usize],
    /// With which probability each family has died out: 0 or 1 where its members were counted. Of a weighted particle, that
    /// of the birth–death process with its growth rates, if all members of its family go its way.
    pub(crate) extinct: &'a [f64],
}

/// A row's results, and the caller's buffers to make them in.
pub(crate) type Take<'a, S> = dyn Fn(&mut S, &Descendants<'_>, &mut [f64]) -> Result<()> + Sync + 'a;

impl Families {
    /// How many families of each cell there are.
    pub(crate) fn of_each(&self) -> usize {
        if self.process == Process::Ode { 1 } else { self.count }
    }

    /// Simulates the families of all `founders`, and has `take` make `width` numbers of those
    /// of each, into its row of `results`. Gives the share of the time that was spent outside, of fields with a guard.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a step out of range; [`Error::NonFinite`] naming cell and time when a state leaves the finite
    /// numbers; [`Error::PopulationLimit`]; [`Error::Cancelled`] once `stop` is requested; those of `take`.
    pub(crate) fn simulate<S: Send>(
        &self,
        fields: &dyn Fields,
        founders: Founders<'_>,
        (results, width): (&mut [f64], usize),
        scratch: impl Fn() -> S + Sync,
        take: &Take<'_, S>,
        stop: &Stop,
    ) -> Result<Option<f64>> {
        let (dims, to) = (fields.dims(), founders.to);
        let intervals = OutputInterval::all(founders.time, &[to], self.step, fields.knots())?;
        let steps: Vec<TimeStep> = (0..intervals[0].count).map(|j| intervals[0].step(j)).collect();
        let residence = Residence::new(founders.time, &[to]);
        let cells = (BLOCK / self.of_each()).max(1);
        let outcomes: Vec<Result<Residence>> = results
            .par_chunks_mut(cells * width)
            .zip(founders.points.par_chunks(cells * dims))
            .enumerate()
            .map_init(
                || (Group::new(self, fields, residence), scratch()),
                |(group, scratch), (g, (results, points))| {
                    *group.mover.residence() = residence;
                    group.found(founders.first + (g * cells) as u64, points);
                    for &step in &steps {
                        stop.check()?;
                        group.step(step)?;
                    }
                    group.conclude(to)?;
                    for (cell, results) in results.chunks_exact_mut(width).enumerate() {
                        take(scratch, &group.descendants(cell), results)?;
                    }
                    Ok(*group.mover.residence())
                },
            )
            .collect();
        let add = |sum: Residence, group: Result<Residence>| group.map(|group| sum.merge(group));
        let residence = outcomes.into_iter().try_fold(residence, add)?;
        Ok(fields.guard().map(|_| residence.share_outside()))
    }
}

/// Who a particle is, for its random numbers: no two of a step share them, and what they are depends on its family alone.
#[derive(Debug, Clone, Copy)]
struct Member {
    /// The cell's number, and the family's among those of the cell.
    family: u64,
    /// Its place in the family, in the order of descent.
    place: u64,
}

impl Member {
    /// Divisions and deaths have random numbers of their own.
    const OFFSPRING: u64 = 1 << 63;

    fn stream_of(self, step: TimeStep) -> u64 {
        step.index | self.place << 31
    }
}

/// The families of a few cells, and the buffers of a step.
struct Group<'a> {
    families: &'a Families,
    dims: usize,
    /// One row a member: coordinates, and the growth since the last step of a branching process, else since the start.
    state: Vec<f64>,
    members: Vec<Member>,
    /// How many members each family has, one family after another.
    sizes: Vec<usize>,
    /// Of weighted particles: e^{−G} with the growth G so far, and ∫ b e^{−G} dt with the birth rate b.
    survival: Vec<[f64; 2]>,
    /// As reported.
    points: Vec<f32>,
    weights: Vec<f64>,
    extinct: Vec<f64>,
    next: (Vec<f64>, Vec<Member>),
    mover: Mover<'a>,
}

impl<'a> Group<'a> {
    fn new(families: &'a Families, fields: &'a dyn Fields, residence: Residence) -> Self {
        Self {
            families,
            dims: fields.dims(),
            state: vec![],
            members: vec![],
            sizes: vec![],
            survival: vec![],
            points: vec![],
            weights: vec![],
            extinct: vec![],
            next: (vec![], vec![]),
            mover: Mover::new(families, fields, residence),
        }
    }

    /// Starts anew, with the families of cells at `points` that are numbered from `first` on.
    fn found(&mut self, first: u64, points: &[f32]) {
        let each = self.families.of_each();
        self.state.clear();
        self.members.clear();
        for (cell, point) in points.chunks_exact(self.dims).enumerate() {
            for family in 0..each as u64 {
                self.state.extend(point.iter().map(|&x| f64::from(x)));
                self.state.push(0.0);
                self.members.push(Member { family: (first + cell as u64) << 32 | family, place: 0 });
            }
        }
        self.sizes.clear();
        self.sizes.resize(self.members.len(), 1);
        self.survival.clear();
        self.survival.resize(self.members.len(), [1.0, 0.0]);
    }

    fn step(&mut self, step: TimeStep) -> Result<()> {
        let width = self.dims + 1;
        for (state, members) in self.state.chunks_mut(BLOCK * width).zip(self.members.chunks(BLOCK)) {
            self.mover.step(step, members, state);
            if !all_finite(state) {
                let row = state.chunks_exact(width).position(|row| !all_finite(row)).unwrap_or(0);
                return Err(blown_up(members[row], step.time + step.length));
            }
        }
        if self.families.process == Process::Branching {
            return self.branch(step);
        }
        for (row, [decay, births]) in self.state.chunks_exact(width).zip(&mut self.survival) {
            // With rates that are frozen in a step, b = g⁺, the integral of b e^{−G} is that of the derivative of −e^{−G}.
            let next = libm::exp(-row[width - 1]);
            *births += (*decay - next).max(0.0);
            *decay = next;
        }
        Ok(())
    }

    /// Replaces every member by its descendants after a step that left its growth over the step in its state.
    fn branch(&mut self, step: TimeStep) -> Result<()> {
        let (families, width) = (self.families, self.dims + 1);
        let limit = families.max_population;
        let (next_state, next_members) = &mut self.next;
        next_state.clear();
        next_members.clear();
        let mut row = 0;
        for of_cell in self.sizes.chunks_mut(families.of_each()) {
            let before = next_members.len();
            for size in of_cell {
                let mut place = 0;
                for _ in 0..std::mem::take(size) {
                    let (member, state) =
                        (self.members[row], &mut self.state[row * width..(row + 1) * width]);
                    let growth = std::mem::take(&mut state[width - 1]) / step.length;
                    let law = BirthDeath::of_growth(growth, families.turnover);
                    let index = member.stream_of(step) | Member::OFFSPRING;
                    let mut rng = stream(families.seed, Purpose::Fate, member.family, index);
                    for _ in 0..law.offspring(step.length, limit, &mut rng) {
                        next_state.extend_from_slice(state);
                        next_members.push(Member { place, ..member });
                        place += 1;
                    }
                    row += 1;
                    if next_members.len() - before > limit {
                        return Err(Error::PopulationLimit { limit, time: step.time + step.length });
                    }
                }
                *size = place as usize;
            }
        }
        std::mem::swap(&mut self.state, next_state);
        std::mem::swap(&mut self.members, next_members);
        Ok(())
    }

    /// Makes what is reported of the state at the time `to`.
    fn conclude(&mut self, to: f64) -> Result<()> {
        let width = self.dims + 1;
        self.points.clear();
        self.weights.clear();
        for (row, &member) in self.state.chunks_exact(width).zip(&self.members) {
            let (point, weight) = (&row[..self.dims], libm::exp(row[self.dims]));
            self.points.extend(point.iter().map(|&x| x as f32));
            let point = &self.points[self.points.len() - self.dims..];
            if !point.iter().all(|x| x.is_finite()) || weight.is_infinite() {
                return Err(blown_up(member, to));
            }
            self.weights.push(weight);
        }
        self.extinct.clear();
        match self.families.process {
            Process::Branching => {
                self.extinct.extend(self.sizes.iter().map(|&size| if size == 0 { 1.0 } else { 0.0 }));
            }
            // Kendall, Ann. Math. Stat. 1948: somebody lives with the probability 1/(e^{−G} + ∫ b e^{−G} dt).
            _ => {
                // Of cells that only divide it is 0, but for rounding.
                let extinct = |[decay, births]: &[f64; 2]| (1.0 - 1.0 / (decay + births)).max(0.0);
                self.extinct.extend(self.survival.iter().map(extinct))
            }
        }
        Ok(())
    }

    /// The families of the cell number `cell` of the group.
    fn descendants(&self, cell: usize) -> Descendants<'_> {
        let each = self.families.of_each();
        let before: usize = self.sizes[..cell * each].iter().sum();
        let sizes = &self.sizes[cell * each..(cell + 1) * each];
        let end = before + sizes.iter().sum::<usize>();
        Descendants {
            points: &self.points[before * self.dims..end * self.dims],
            weights: &self.weights[before..end],
            sizes,
            extinct: &self.extinct[cell * each..(cell + 1) * each],
        }
    }
}

/// How members move, with the buffers of a block of them.
enum Mover<'a> {
    Diffusion(Box<Heun<'a>>),
    Flow(Box<ode::Scratch<'a>>),
}

impl<'a> Mover<'a> {
    fn new(families: &Families, fields: &'a dyn Fields, residence: Residence) -> Self {
        let flows = match families.process {
            Process::Ode => true,
            Process::Sde => false,
            Process::Branching => families.motion == Motion::Flow,
        };
        if flows {
            Self::Flow(Box::new(ode::Scratch::new(fields, residence)))
        } else {
            Self::Diffusion(Box::new(Heun::new(fields, families.seed, residence)))
        }
    }

    fn residence(&mut self) -> &mut Residence {
        match self {
            Self::Diffusion(heun) => &mut heun.fields.residence,
            Self::Flow(scratch) => &mut scratch.fields.residence,
        }
    }

    fn step(&mut self, step: TimeStep, members: &[Member], state: &mut [f64]) {
        match self {
            Self::Diffusion(heun) => heun.step(step, members, state),
            Self::Flow(scratch) => {
                scratch.fields.reside(step.stretch.inside(step.time), step.length, state);
                ode::runge_kutta_step(scratch, step, state);
            }
        }
    }
}

/// The diffusion dX = (v + s) dt + σ dW, d ln w = g dt, by the stochastic rule of Heun: the mean of the drift here and of that at
/// the end of a step of Euler and Maruyama, with the same noise. Its error of what is expected is of second order in the step,
/// since σ does not depend on the place (Kloeden and Platen, Numerical Solution of Stochastic Differential Equations, 1992, 15.1).
struct Heun<'a> {
    fields: BlockFields<'a>,
    seed: u64,
    dims: usize,
    normals: NormalPairs,
    /// Rows of the state: its rates of change at the beginning, what the noise adds, and where Euler's step leads.
    rates: Vec<f64>,
    noise: Vec<f64>,
    ahead: Vec<f64>,
}

impl<'a> Heun<'a> {
    fn new(fields: &'a dyn Fields, seed: u64, residence: Residence) -> Self {
        let state = || vec![0.0; BLOCK * (fields.dims() + 1)];
        Self {
            fields: BlockFields::new(fields, residence),
            seed,
            dims: fields.dims(),
            normals: NormalPairs::default(),
            rates: state(),
            noise: state(),
            ahead: state(),
        }
    }

    fn step(&mut self, step: TimeStep, members: &[Member], state: &mut [f64]) {
        let (h, width) = (step.length, self.dims + 1);
        let inside = |part: f64| step.stretch.inside(step.time + part * h);
        let sigma = self.fields.model.sigma(inside(0.5));
        let rows = state.len();
        self.fields.reside(inside(0.0), h, state);
        self.fields.drift(inside(0.0), state, sigma > 0.0, &mut self.rates[..rows]);
        if sigma > 0.0 {
            let amplitude = sigma * h.sqrt();
            let stream_of =
                |member: &Member| stream(self.seed, Purpose::Fate, member.family, member.stream_of(step));
            let mut pairs = self.normals.draw(members.iter().map(stream_of), self.dims.div_ceil(2));
            for noise in self.noise[..rows].chunks_exact_mut(width) {
                for (noise, pair) in noise[..self.dims].chunks_mut(2).zip(&mut pairs) {
                    noise.iter_mut().zip(pair).for_each(|(noise, normal)| *noise = amplitude * normal);
                }
            }
        } else {
            self.noise.fill(0.0);
        }
        let (rates, noise, ahead) = (&self.rates[..rows], &self.noise[..rows], &mut self.ahead[..rows]);
        for (((ahead, x), rate), noise) in ahead.iter_mut().zip(&*state).zip(rates).zip(noise) {
            *ahead = x + h * rate + noise;
        }
        // The state is that of half a step with the rates at the beginning, before the other half is added.
        for ((x, rate), noise) in state.iter_mut().zip(rates).zip(noise) {
            *x += 0.5 * h * rate + noise;
        }
        self.fields.drift(inside(1.0), &self.ahead[..rows], sigma > 0.0, &mut self.rates[..rows]);
        state.iter_mut().zip(&self.rates[..rows]).for_each(|(x, rate)| *x += 0.5 * h * rate);
    }
}

fn blown_up(member: Member, time: f64) -> Error {
    Error::NonFinite(format!(
        "cell {}: a descendant's position or weight at time {time} is not finite; the fields blow up, the step is too long, or \
         the learned growth does not hold for so long a time",
        (member.family >> 32) + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::ClosedForm;

    #[test]
    fn a_cells_families_do_not_depend_on_who_is_in_the_group() {
        let fields = ClosedForm {
            dims: 2,
            sigma: 0.4,
            velocity: Box::new(|_, x, v| v.copy_from_slice(&[x[1].sin(), x[0].cos()])),
            growth: Box::new(|_, x| x[0].sin()),
            score_drift: Box::new(|_, x, s| s.copy_from_slice(&[0.1 * x[0], 0.0])),
        };
        let points: Vec<f32> = (0..80).map(|i| (i as f32).sin()).collect();
        for process in [Process::Ode, Process::Sde, Process::Branching] {
            let families = Families {
                process,
                count: 30,
                step: 0.1,
                seed: 4,
                motion: Motion::Diffusion,
                turnover: 0.2,
                max_population: 1000,
            };
            let sums = |first: usize| {
                let mut results = vec![0.0; 40 - first];
                let founders =
                    Founders { time: 0.0, to: 1.0, points: &points[2 * first..], first: first as u64 };
                let take: &Take<'_, ()> = &|(), descendants, result| {
                    let weighed = descendants.points.chunks(2).zip(descendants.weights);
                    result[0] = weighed.map(|(x, w)| w * f64::from(x[0] + 2.0 * x[1])).sum();
                    assert_eq!(descendants.sizes.iter().sum::<usize>(), descendants.weights.len());
                    Ok(())
                };
                let stop = Stop::default();
                families.simulate(&fields, founders, (&mut results, 1), || (), take, &stop).unwrap();
                results
            };
            // Eight cells of thirty families are a group.
            assert_eq!(sums(3), sums(0)[3..], "{process}");
        }
    }
}
