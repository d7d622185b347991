//! A simulation as its options describe it: what moves, and how.

use std::ops::Range;

use super::lineage::Lineage;
use super::residence::share_of;
use super::{
    BLOCK, Particles, Trajectory, backend, branching, extrapolation, ode, resampling, sde, spread_of,
    straying,
};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::named::named;

/// Founders that are simulated at a time: whole blocks, so that every particle is in the block that it is in among all, which
/// chooses its steps.
const PIECE: usize = 256 * BLOCK;

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

/// What became of some of the particles of a start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shard {
    pub(crate) frames: Vec<Particles>,
    /// The ticks of their time in all, and outside of the box of the cells.
    pub(crate) residence: [u128; 2],
}

impl Shard {
    /// The particles of all shards, in their order.
    pub(crate) fn join(shards: Vec<Self>, fields: &dyn Fields) -> Trajectory {
        let mut shards = shards.into_iter();
        let Some(Self { mut frames, mut residence }) = shards.next() else {
            return Trajectory { frames: vec![], outside: None };
        };
        for shard in shards {
            for (frame, more) in frames.iter_mut().zip(shard.frames) {
                let before = frame.len();
                frame.points.extend(more.points);
                frame.log_weights.extend(more.log_weights);
                frame.ids.extend(more.ids);
                frame.ancestors.extend(more.ancestors.into_iter().map(|row| row.saturating_add(before)));
            }
            let [all, outside] = &mut residence;
            (*all, *outside) =
                (all.saturating_add(shard.residence[0]), outside.saturating_add(shard.residence[1]));
        }
        let outside = fields.guard().map(|_| share_of(residence));
        Trajectory { frames, outside }
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
        let step = self.step_from(start.time, times);
        let open = |adaptive| backend::open(self.device, fields, start.len(), adaptive);
        let (trajectory, lineage) = match self.process {
            Process::Ode => {
                let adaptive = self.rule == Rule::DormandPrince;
                let trajectory = open(adaptive)?.flow(start, times, &self.solver(step), stop)?;
                (trajectory, None)
            }
            Process::Sde => {
                let options = sde::Options { step, seed: self.seed, resample_below: self.resample_below };
                let trajectory = open(false)?.diffusion(start, times, &options, stop)?;
                (trajectory, None)
            }
            Process::Branching => {
                let options = branching::Options {
                    step,
                    seed: self.seed,
                    motion: self.motion_of(fields),
                    turnover: self.turnover,
                    branching_rate: self.branching_rate_of(fields)?,
                    max_population: self.max_population,
                };
                let start = resampling::equal(start, self.seed)?;
                let population = open(false)?.branching(&start, times, &options, stop)?;
                (population.trajectory, Some(population.lineage))
            }
        };
        Ok(self.conclude(fields, start.time, trajectory, lineage))
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
        let warnings = far.into_iter().chain(straying(&trajectory)).collect();
        Outcome { trajectory, lineage, warnings }
    }

    /// Whether the particles do not know of each other, so that some of them can be simulated without the others.
    pub(crate) fn has_shards(&self) -> bool {
        let alone = match self.process {
            Process::Ode => true,
            Process::Sde => self.resample_below == 0.0,
            Process::Branching => false,
        };
        alone && self.device == Device::Cpu
    }

    /// Refuses times that a simulation from `start` cannot be reported at.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn check(&self, fields: &dyn Fields, start: &Particles, times: &[f64]) -> Result<()> {
        super::runs_backward(fields.dims(), start, times).map(drop)
    }

    /// Simulates some of the particles of a start that is `spread` so far as a whole: whole blocks of them, with the numbers that they
    /// have among all.
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
        let step = self.step_from(start.time, times);
        let (frames, residence) = match self.process {
            Process::Sde => {
                let options = sde::Options { step, seed: self.seed, resample_below: self.resample_below };
                sde::simulate_some(fields, start, times, &options, stop)?
            }
            _ => ode::integrate_some(fields, start, times, &self.solver(step), spread, stop)?,
        };
        Ok(Shard { frames, residence: residence.ticks() })
    }

    /// Simulates `count` founders as [`run`](Self::run) would, some at a time, so that memory is that of one piece: `founders` gives
    /// those of a range of rows, and `take` is handed what became of them, piece after piece. The results are the same bits as those of
    /// one run, whose particles have the rows as their ids. The adaptive rule measures its errors against how far all founders are spread, and asks for
    /// them two or three times.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a population whose particles need each other: one that branches, or is resampled; those of
    /// [`run`](Self::run), of `founders` and of `take`.
    pub fn run_in_pieces(
        &self,
        fields: &dyn Fields,
        count: usize,
        founders: &mut dyn FnMut(Range<usize>) -> Result<Particles>,
        times: &[f64],
        stop: &Stop,
        take: &mut dyn FnMut(Range<usize>, Outcome) -> Result<()>,
    ) -> Result<()> {
        if self.process == Process::Branching {
            let allowed =
                "ode or sde where founders are simulated in pieces: a branching population has one lineage";
            return Err(Error::argument("mode", self.process, allowed));
        }
        if self.process == Process::Sde && self.resample_below > 0.0 {
            let allowed = "0 where founders are simulated in pieces: resampling needs all particles";
            return Err(Error::argument("resample_below", self.resample_below, allowed));
        }
        let pieces = || (0..count).step_by(PIECE).map(|from| from..count.min(from + PIECE));
        // On a GPU it is refused, by `run`.
        let on_cpu = matches!(self.device, Device::Cpu | Device::Auto);
        let is_adaptive = on_cpu && self.process == Process::Ode && self.rule == Rule::DormandPrince;
        let mut visit = |each: &mut dyn FnMut(&[f32])| {
            pieces().try_for_each(|rows| {
                founders(rows)?.points.chunks_exact(fields.dims()).for_each(&mut *each);
                stop.check()
            })
        };
        let spread = is_adaptive.then(|| spread_of(count, fields.dims(), &mut visit)).transpose()?;
        for rows in pieces() {
            let mut start = founders(rows.clone())?;
            start.ids = rows.clone().map(|row| row as u64).collect();
            let outcome = match spread {
                Some(spread) => {
                    let shard = self.run_shard(fields, &start, times, spread, stop)?;
                    self.conclude(fields, start.time, Shard::join(vec![shard], fields), None)
                }
                None => self.run(fields, &start, times, stop)?,
            };
            take(rows, outcome)?;
        }
        Ok(())
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
        for process in [Process::Ode, Process::Sde] {
            let simulation = Simulation { process, step: Some(0.25), seed: 3, ..Simulation::default() };
            let whole = simulation.run(&fields, &particles(0..count).unwrap(), &[0.5, 1.0], &stop).unwrap();
            let (mut places, mut weights, mut rows_so_far) = (vec![], vec![], 0);
            let mut take = |rows: Range<usize>, outcome: Outcome| {
                assert_eq!(rows.start, rows_so_far);
                rows_so_far = rows.end;
                places.extend(outcome.trajectory.frames[1].points.clone());
                weights.extend(outcome.trajectory.frames[1].log_weights.clone());
                Ok(())
            };
            simulation
                .run_in_pieces(&fields, count, &mut |rows| particles(rows), &[0.5, 1.0], &stop, &mut take)
                .unwrap();
            assert!(places == whole.trajectory.frames[1].points, "{process}");
            assert!(weights == whole.trajectory.frames[1].log_weights, "{process}");
        }
    }

    #[test]
    fn populations_whose_particles_need_each_other_are_not_simulated_in_pieces() {
        let told = |simulation: Simulation| {
            let mut none = |_: Range<usize>| panic!("nothing is asked for");
            let refused = simulation.run_in_pieces(
                &growing(0.0),
                10,
                &mut none,
                &[1.0],
                &Stop::default(),
                &mut |_, _| Ok(()),
            );
            refused.unwrap_err().to_string()
        };
        let simulation = Simulation { process: Process::Branching, ..Simulation::default() };
        assert!(told(simulation).starts_with("mode must be ode or sde"));
        let simulation = Simulation { process: Process::Sde, resample_below: 0.5, ..Simulation::default() };
        assert!(told(simulation).starts_with("resample_below must be 0"));
    }
}
