//! A simulation as its options describe it: what moves, and how.

use std::ops::Range;

use super::backend::{self, Backend};
use super::lineage::{Lineage, Renumbering};
use super::residence::share_of;
use super::shard::Shard;
use super::{
    BLOCK, OutputInterval, Particles, Trajectory, branching, extrapolation, ode, resampling, sde, spread,
    spread_of, stray,
};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::named::named;

/// Founders that are simulated at a time: whole blocks, so that every particle is in the block that it is in among all, which
/// chooses its steps.
pub(crate) const PIECE: usize = 256 * BLOCK;

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Process {
    /// Weighted particles along the probability flow: [`ode`].
    Ode,
    /// Weighted particles along the diffusion: [`sde`].
    Sde,
    /// Particles that divide and die: [`branching`].
    Branching,
}

/// Which rule integrates the probability flow; see [`ode::Solver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// [`ode::Solver::DormandPrince`]
    DormandPrince,
    /// [`ode::Solver::RungeKutta4`]
    RungeKutta4,
    /// [`ode::Solver::Euler`]
    Euler,
}

named!(Process, "mode", Ode = "ode", Sde = "sde", Branching = "branching");
named!(Rule, "solver", DormandPrince = "dormand-prince", RungeKutta4 = "rk4", Euler = "euler");

/// How a population is simulated. The times, the start and the fields come with each run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulation {
    /// What moves.
    pub process: Process,
    /// The longest step, in units of time; a hundredth of the mean interval where absent.
    pub step: Option<f64>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Ode: the rule.
    pub rule: Rule,
    /// Ode: the errors of an adaptive step.
    pub tolerance: ode::Tolerance,
    /// Sde: see [`sde::Options::resample_below`].
    pub resample_below: f64,
    /// Branching: see [`branching::Options::turnover`].
    pub turnover: f64,
    /// Branching: at which rates cells divide and die.
    pub offspring: branching::Offspring,
    /// Branching: λ of [`Offspring::Reference`](branching::Offspring::Reference), that of the
    /// [fields](Fields::branching_rate) where absent.
    pub branching_rate: Option<f64>,
    /// Branching: how cells move; diffusion for fields with noise, else flow, where absent.
    pub motion: Option<branching::Motion>,
    /// Branching: see [`branching::Options::max_population`].
    pub max_population: usize,
    /// Where particles are stepped. `auto` takes a device for equal steps of many particles.
    pub device: Device,
    /// Of an ensemble, whether a host is to simulate every member as well, for the errors of masses and measures;
    /// [`run`](Self::run) simulates the fields that it is given.
    pub error_bars: bool,
    /// Threads, 0 for all cores, for a host to start: [`run`](Self::run) uses the pool that it is called in, as a host does that
    /// was not told.
    pub threads: Option<usize>,
}

impl Default for Simulation {
    /// The probability flow, by the defaults of each part.
    fn default() -> Self {
        let branching = branching::Options::new(1.0, 0);
        Self {
            process: Process::Ode,
            step: None,
            seed: 0,
            rule: Rule::DormandPrince,
            tolerance: ode::Tolerance::default(),
            resample_below: 0.0,
            turnover: branching.turnover,
            offspring: branching::Offspring::default(),
            branching_rate: None,
            motion: None,
            max_population: branching.max_population,
            device: Device::default(),
            error_bars: true,
            threads: None,
        }
    }
}

/// What a simulation gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The particles at each output time.
    pub trajectory: Trajectory,
    /// The cells that ever lived, of a branching population.
    pub lineage: Option<Lineage>,
    /// Why the result may mean little, in whole sentences: times far from those that the fields were learned from.
    pub warnings: Vec<String>,
}

/// What became of some of the founders of a simulation in pieces.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Piece {
    /// Which of the founders.
    pub founders: Range<usize>,
    /// The particles at each output time. Those of a branching population are called by the cells of the piece's lineage.
    pub frames: Vec<Particles>,
    /// The cells of their families, of a branching population.
    pub lineage: Option<Lineage>,
    /// In how many branches each founder has a particle, 1 where it is one: see [`ode::integrate`].
    pub branches: usize,
    numbers: Option<Renumbering>,
}

impl Piece {
    /// The number that the particle `id` of the piece has among those of all pieces.
    pub fn number(&self, id: u64) -> u64 {
        self.numbers.map_or(id, |numbers| numbers.of(id))
    }

    /// The piece's part of the forest in the Newick format, see [`Lineage::newick`], with these numbers; empty without a lineage.
    pub fn newick(&self) -> String {
        self.lineage.as_ref().map_or(String::new(), |lineage| lineage.newick_of(&|id| self.number(id)))
    }
}

/// What is to be said of all pieces of a simulation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// See [`Trajectory::outside`].
    pub outside: Option<f64>,
    /// See [`Outcome::warnings`].
    pub warnings: Vec<String>,
}

/// A simulation of given fields to given times, where its particles are stepped.
struct Runner<'a> {
    simulation: &'a Simulation,
    fields: &'a dyn Fields,
    backend: Box<dyn Backend + 'a>,
    step: f64,
    times: &'a [f64],
}

impl Runner<'_> {
    /// Simulates some of the particles of a start that is `spread` so far as a whole, of which those that branch are numbered from `first`
    /// on, and the others by their ids.
    fn run(&self, start: &Particles, first: u64, spread: f64, stop: &Stop) -> Result<Shard> {
        let Self { simulation, fields, backend, step, times } = self;
        match simulation.process {
            Process::Ode => backend.flow(start, times, &simulation.solver(*step), spread, stop),
            Process::Sde => {
                let (seed, resample_below) = (simulation.seed, simulation.resample_below);
                let options = sde::Options { step: *step, seed, resample_below };
                backend.diffusion(start, times, &options, stop)
            }
            Process::Branching => {
                backend.branching(start, first, times, &simulation.branching(*fields, *step)?, stop)
            }
        }
    }
}

impl Simulation {
    /// Simulates from `start` to each of `times`. A branching population starts from particles of equal weight,
    /// [`resampled`](resampling::equal) where they are not.
    ///
    /// # Errors
    /// Those of [`ode::integrate`], [`sde::simulate`] and [`branching::simulate`];
    /// [`Error::Cancelled`] once `stop` is requested;
    /// [`Error::Device`] if the device cannot be used, and
    /// [`Error::InvalidArgument`] for what it cannot do: fields that are not made of networks,
    /// and the adaptive rule.
    pub fn run(&self, fields: &dyn Fields, start: &Particles, times: &[f64], stop: &Stop) -> Result<Outcome> {
        let equal;
        let start = if self.process == Process::Branching {
            equal = resampling::equal(start, self.seed)?;
            &*equal
        } else {
            start
        };
        let runner = self.runner(fields, start.len(), start.time, times)?;
        let shard = runner.run(start, 0, spread(start), stop)?;
        self.join(fields, start.time, times, vec![shard])
    }

    /// Ready to simulate about so many particles of a start.
    fn runner<'a>(
        &'a self,
        fields: &'a dyn Fields,
        particles: usize,
        start: f64,
        times: &'a [f64],
    ) -> Result<Runner<'a>> {
        let adaptive = self.process == Process::Ode && self.rule == Rule::DormandPrince;
        let backend = backend::open(self.device, fields, particles, adaptive)?;
        Ok(Runner { simulation: self, fields, backend, step: self.step_from(start, times), times })
    }

    /// What a simulation from `start` on gave, and what is to be said of it.
    pub(crate) fn conclude(
        &self,
        fields: &dyn Fields,
        start: f64,
        trajectory: Trajectory,
        lineage: Option<Lineage>,
    ) -> Outcome {
        let times = trajectory.frames.iter().map(|frame| frame.time);
        let far = extrapolation(fields, times.chain([start]));
        let warnings = far.into_iter().chain(stray(trajectory.outside)).collect();
        Outcome { trajectory, lineage, warnings }
    }

    /// How a branching population of these fields is simulated, in steps of at most `step`.
    fn branching(&self, fields: &dyn Fields, step: f64) -> Result<branching::Options> {
        Ok(branching::Options {
            step,
            seed: self.seed,
            motion: self.motion_of(fields),
            turnover: self.turnover,
            branching_rate: self.branching_rate_of(fields)?,
            max_population: self.max_population,
        })
    }

    /// Whether the particles do not know of each other, so that some of them can be simulated without the others.
    pub(crate) fn has_shards(&self) -> bool {
        !self.resamples() && self.device == Device::Cpu
    }

    fn resamples(&self) -> bool {
        self.process == Process::Sde && self.resample_below > 0.0
    }

    /// Refuses what a simulation cannot start from, and times that it cannot be reported at.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn check(&self, fields: &dyn Fields, start: &Particles, times: &[f64]) -> Result<()> {
        if self.process == Process::Branching {
            let options = self.branching(fields, self.step_from(start.time, times))?;
            let start = resampling::equal(start, self.seed)?;
            return branching::check(fields.dims(), &start, times, &options);
        }
        super::runs_backward(fields.dims(), start, times).map(drop)
    }

    /// Simulates some of the particles of a start that is `spread` so far as a whole: whole blocks of them, with the numbers that they
    /// have among all as their ids. Those that branch are of equal weight.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn run_shard(
        &self,
        fields: &dyn Fields,
        start: &Particles,
        times: &[f64],
        spread: f64,
        stop: &Stop,
    ) -> Result<Shard> {
        let runner = self.runner(fields, start.len(), start.time, times)?;
        runner.run(start, start.ids.first().copied().unwrap_or(0), spread, stop)
    }

    /// What all shards of a start came to, in their order.
    ///
    /// # Errors
    /// [`Error::PopulationLimit`] if those of all shards were too many together.
    pub(crate) fn join(
        &self,
        fields: &dyn Fields,
        start: f64,
        times: &[f64],
        shards: Vec<Shard>,
    ) -> Result<Outcome> {
        let mut shard = Shard::join(shards);
        self.check_living(fields, start, times, &shard.living)?;
        let lineage = shard.lineage.take();
        Ok(self.conclude(fields, start, shard.trajectory(fields), lineage))
    }

    /// Refuses more living particles after any step than there may be.
    fn check_living(&self, fields: &dyn Fields, start: f64, times: &[f64], living: &[u64]) -> Result<()> {
        let limit = self.max_population;
        let Some(step) = living.iter().position(|&living| living > limit as u64) else { return Ok(()) };
        let ends = self.step_ends(fields, start, times)?;
        Err(Error::PopulationLimit { limit, time: ends.get(step).copied().unwrap_or(start) })
    }

    /// When each step ends.
    fn step_ends(&self, fields: &dyn Fields, start: f64, times: &[f64]) -> Result<Vec<f64>> {
        let step = self.step_from(start, times);
        let intervals = OutputInterval::all(start, times, step, fields.knots())?;
        let steps = intervals.iter().flat_map(|interval| (0..interval.count).map(|j| interval.step(j)));
        Ok(steps.map(|step| step.time + step.length).collect())
    }

    /// Simulates `count` founders as [`run`](Self::run) would, some at a time, so that memory is that of one piece: `founders` gives
    /// those of a range of rows, and `take` is handed what became of them, piece after piece. The results are the same bits as those of
    /// one run, whose particles have the rows as their ids. The adaptive rule measures its errors against how far all founders are
    /// spread, and asks for them two or three times. Where particles are resampled, and so need each other, all are one piece.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), of `founders` and of `take`; [`Error::InvalidArgument`] for founders of different weights that
    /// branch: see [`resampling::equal_rows`].
    pub fn run_in_pieces(
        &self,
        fields: &dyn Fields,
        count: usize,
        founders: &mut dyn FnMut(Range<usize>) -> Result<Particles>,
        times: &[f64],
        stop: &Stop,
        take: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<Summary> {
        let branches = self.process == Process::Branching;
        let ways = fields.of_branches().len().max(1);
        let piece = if self.resamples() { count.max(1) } else { PIECE };
        let pieces = || (0..count).step_by(piece).map(|from| from..count.min(from + piece));
        // On a GPU it is refused, by the backend.
        let on_cpu = matches!(self.device, Device::Cpu | Device::Auto);
        let is_adaptive = on_cpu && self.process == Process::Ode && self.rule == Rule::DormandPrince;
        let mut visit = |each: &mut dyn FnMut(&[f32])| {
            pieces().try_for_each(|rows| {
                founders(rows)?.points.chunks_exact(fields.dims()).for_each(&mut *each);
                stop.check()
            })
        };
        let spread = if is_adaptive { spread_of(count, fields.dims(), &mut visit)? } else { 0.0 };
        let (mut begin, mut runner) = (None, None);
        let (mut residence, mut living, mut next) = ([0; 2], vec![], Renumbering::first(count));
        for rows in pieces() {
            let mut start = founders(rows.clone())?;
            start.ids = rows.clone().map(|row| row as u64).collect();
            let log_weight = start.log_weights.first().copied().unwrap_or(0.0);
            let (time, of_first) = *begin.get_or_insert((start.time, log_weight));
            if branches && count > self.max_population {
                return Err(Error::PopulationLimit { limit: self.max_population, time });
            }
            if branches && log_weight != of_first {
                return Err(branching::unequal(of_first, log_weight));
            }
            if runner.is_none() {
                runner = Some(self.runner(fields, count, time, times)?);
            }
            let runner = runner.as_ref().expect("made for the first piece");
            let shard = runner.run(&start, rows.start as u64, spread, stop)?;
            for (sum, ticks) in residence.iter_mut().zip(shard.residence) {
                *sum += ticks;
            }
            living.resize(shard.living.len(), 0);
            for (sum, living) in living.iter_mut().zip(&shard.living) {
                *sum += living;
            }
            self.check_living(fields, time, times, &living)?;
            let numbers = shard.lineage.as_ref().map(|lineage| next.take(lineage));
            let Shard { frames, lineage, .. } = shard;
            take(Piece { founders: rows, frames, lineage, branches: ways, numbers })?;
        }
        let outside = fields.guard().map(|_| share_of(residence));
        let far = extrapolation(fields, times.iter().copied().chain(begin.map(|(time, _)| time)));
        Ok(Summary { outside, warnings: far.into_iter().chain(stray(outside)).collect() })
    }

    /// λ of the births and deaths, 0 where they are no more than growth asks for.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the offspring are those of the reference process, whose rate neither was given nor is known to
    /// the fields.
    pub(crate) fn branching_rate_of(&self, fields: &dyn Fields) -> Result<f64> {
        match self.offspring {
            branching::Offspring::OneHot => Ok(0.0),
            branching::Offspring::Reference => {
                self.branching_rate.or_else(|| fields.branching_rate()).ok_or_else(|| {
                    let allowed =
                        "given where offspring is reference: the model has no rate of its own, σ²/δ²";
                    Error::argument("branching_rate", "none", allowed)
                })
            }
        }
    }

    /// The rule of the probability flow, with steps of at most `step` where it has equal ones.
    pub fn solver(&self, step: f64) -> ode::Solver {
        match self.rule {
            Rule::DormandPrince => ode::Solver::DormandPrince(self.tolerance),
            Rule::RungeKutta4 => ode::Solver::RungeKutta4 { step },
            Rule::Euler => ode::Solver::Euler { step },
        }
    }

    /// The longest step between the output `times` from `start` on: as given, or a hundredth of the mean interval; of a
    /// unit of time where there is no interval.
    pub fn step_from(&self, start: f64, times: &[f64]) -> f64 {
        let last = times.last().copied().unwrap_or(start);
        let intervals = times.len() - usize::from(times.first() == Some(&start));
        let span = (last - start).abs();
        let rule = if span > 0.0 { span / intervals as f64 / 100.0 } else { 0.01 };
        self.step.unwrap_or(rule)
    }

    /// The motion of a branching population: as given, or by whether there is noise. Without noise the flow is the same
    /// process, integrated to a higher order.
    pub fn motion_of(&self, fields: &dyn Fields) -> branching::Motion {
        // A σ that changes with time is positive at all times or at none.
        let rule =
            if fields.sigma(0.0) > 0.0 { branching::Motion::Diffusion } else { branching::Motion::Flow };
        self.motion.unwrap_or(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{ClosedForm, FieldValues, Scratch};

    fn growing(rate: f32) -> ClosedForm {
        ClosedForm {
            dims: 1,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.fill(0.0)),
            growth: Box::new(move |_, _| rate),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        }
    }

    fn run(process: Process, rate: f32, times: &[f64]) -> Result<Outcome> {
        let start = Particles::new(0.0, 1, vec![0.0, 1.0], None)?;
        Simulation { process, ..Default::default() }.run(&growing(rate), &start, times, &Stop::default())
    }

    #[test]
    fn a_weight_beyond_the_finite_numbers_is_an_error_that_names_time_and_particle() {
        for process in [Process::Ode, Process::Sde] {
            assert!(run(process, 7.0, &[100.0]).unwrap().trajectory.frames[0].mass().is_finite());
            let Err(Error::NonFinite(told)) = run(process, 8.0, &[50.0, 100.0]) else {
                panic!("e^800 is no double")
            };
            assert!(told.starts_with("particle 0: its weight at time 100 is e^800"), "{told}");
        }
    }

    #[test]
    fn a_population_that_died_out_has_the_mass_zero_and_no_sign() {
        let frames = run(Process::Branching, -50.0, &[9.0]).unwrap().trajectory.frames;
        assert!(frames[0].is_empty());
        assert_eq!(frames[0].mass().to_string(), "0");
    }

    /// Fields that were learned from cells at the times from 0 to 2.
    struct Learned(ClosedForm);

    impl Fields for Learned {
        fn dims(&self) -> usize {
            self.0.dims()
        }

        fn sigma(&self, time: f64) -> f64 {
            self.0.sigma(time)
        }

        fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch) {
            self.0.evaluate(time, points, values, scratch);
        }

        fn learned_times(&self) -> Option<[f64; 2]> {
            Some([0.0, 2.0])
        }
    }

    #[test]
    fn times_beyond_those_learned_from_are_warned_of_by_how_far_they_are() {
        let fields = Learned(growing(0.0));
        let warned = |start: f64, times: &[f64]| {
            let start = Particles::new(start, 1, vec![0.0], None).unwrap();
            Simulation::default().run(&fields, &start, times, &Stop::default()).unwrap().warnings.join("\n")
        };
        assert_eq!(warned(0.0, &[1.0, 2.0]), "");
        assert_eq!(warned(0.1 + 0.2 - 0.3, &[2.0 + 1e-12]), "", "rounding is no extrapolation");
        assert!(
            warned(0.0, &[1.0, 50.0])
                .starts_with("the time 50 is 48.000 after the times that the model was fitted to, 0 to 2")
        );
        assert!(warned(0.0, &[-1.0]).contains("the time -1 is 1.000 before"));
        assert!(warned(-3.0, &[1.0]).contains("the time -3 is 3.000 before"));
    }

    #[test]
    fn founders_in_pieces_become_what_they_become_all_at_once() {
        let fields = ClosedForm {
            dims: 1,
            sigma: 0.5,
            velocity: Box::new(|_, x, v| v[0] = x[0].sin()),
            growth: Box::new(|_, x| x[0].cos()),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        let count = PIECE + 3 * BLOCK + 5;
        let points = |rows: Range<usize>| rows.map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let particles = |rows| Particles::new(0.0, 1, points(rows), None);
        let stop = Stop::default();
        let fields = &fields;
        for (process, resample_below) in
            [(Process::Ode, 0.0), (Process::Sde, 0.0), (Process::Sde, 0.9), (Process::Branching, 0.0)]
        {
            let options =
                Simulation { process, resample_below, step: Some(0.25), seed: 3, ..Default::default() };
            let simulation = Simulation { turnover: 0.5, ..options };
            let times = [0.5, 1.0];
            let whole = simulation.run(fields, &particles(0..count).unwrap(), &times, &stop).unwrap();
            let mut frames: Vec<Particles> = whole
                .trajectory
                .frames
                .iter()
                .map(|frame| Particles { points: vec![], ..frame.clone() })
                .collect();
            frames.iter_mut().for_each(|frame| {
                frame.log_weights.clear();
                frame.ids.clear();
            });
            let (mut mothers, mut reached) = (vec![], 0);
            let mut take = |piece: Piece| {
                assert_eq!(piece.founders.start, reached);
                reached = piece.founders.end;
                for (all, some) in frames.iter_mut().zip(&piece.frames) {
                    all.points.extend(&some.points);
                    all.log_weights.extend(&some.log_weights);
                    all.ids.extend(some.ids.iter().map(|&id| piece.number(id)));
                }
                for (id, node) in piece.lineage.iter().flat_map(|lineage| lineage.nodes().iter().enumerate())
                {
                    let mother = node.parent.map(|mother| piece.number(mother));
                    mothers.push((piece.number(id as u64), mother, node.end));
                }
                Ok(())
            };
            let summary = simulation
                .run_in_pieces(fields, count, &mut |rows| particles(rows), &times, &stop, &mut take)
                .unwrap();
            assert_eq!((&summary.warnings, summary.outside), (&whole.warnings, whole.trajectory.outside));
            assert_eq!(reached, count);
            assert!(frames == whole.trajectory.frames, "{process}, {resample_below}");
            mothers.sort_unstable_by_key(|(id, ..)| *id);
            let nodes = whole.lineage.iter().flat_map(|lineage| lineage.nodes().iter().enumerate());
            let expected: Vec<_> = nodes.map(|(id, node)| (id as u64, node.parent, node.end)).collect();
            assert!(mothers == expected, "{process}: the lineage");
            assert!(process != Process::Branching || expected.len() > 2 * count, "there were births");
        }
    }

    #[test]
    fn pieces_of_a_population_that_is_too_large_together_or_of_unequal_weights_are_refused() {
        let count = PIECE + 1;
        let of_weights = |weight: fn(usize) -> f64| {
            move |rows: Range<usize>| {
                let weights: Vec<f64> = rows.clone().map(weight).collect();
                Particles::new(0.0, 1, vec![0.0; rows.len()], Some(&weights))
            }
        };
        let told = |max_population: usize, founders: &mut dyn FnMut(Range<usize>) -> Result<Particles>| {
            let simulation = Simulation { process: Process::Branching, max_population, ..Default::default() };
            let simulation = Simulation { step: Some(0.25), ..simulation };
            let (fields, stop) = (growing(1.0), Stop::default());
            simulation.run_in_pieces(&fields, count, founders, &[1.0], &stop, &mut |_| Ok(())).unwrap_err()
        };
        let mut equal = of_weights(|_| 2.0);
        assert_eq!(told(PIECE, &mut equal), Error::PopulationLimit { limit: PIECE, time: 0.0 });
        // A quarter more than the founders live after a quarter of a unit of time.
        assert_eq!(told(count + 100, &mut equal), Error::PopulationLimit { limit: count + 100, time: 0.25 });
        let told = told(1_000_000, &mut of_weights(|row| if row < PIECE { 1.0 } else { 3.0 })).to_string();
        assert!(told.starts_with("the particles' weights must be equal"), "{told}");
    }
}
