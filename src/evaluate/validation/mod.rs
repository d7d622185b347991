//! Validation: how well recipes predict cells that they were not fitted to.
//!
//! A measure in sample says how well a fit remembers. Here the data are cut in parts, a recipe is fitted to the cells of all
//! parts but one, and from the founders that were held out, the cells of the first time, it predicts the held-out cells of
//! all later times:
//!
//! * *ratio*: mean W1 to the held-out cells over the mean W1 between them and as many others, both means over times. A prediction
//!   as good as more data has 1; a fresh sample of the truth itself has .75 to 1.02, since a prediction may have more particles.
//! * *energy*: the [unbiased energy distance](super::energy), over the spread of the data: 0 in expectation at the truth. It does
//!   not reward a prediction that is narrower than the data.
//! * *mass error* and, where the true growth rate is known, *growth error*.
//!
//! Beside each stands the prediction that nothing moves. Held-out times, where asked for, are inner snapshots that a fit to all
//! others predicts, beside the mid-points of an exact coupling of the neighbours.
//!
//! The distance between two samples falls with their size, so that ratios are compared at one number of parts and of cells: of
//! small parts, they are closer to 1.
//!
//! W1 and energy are exact for all particles and cells that are used; at most [`ValidationOptions::cap`] cells of a half-snapshot
//! are, thinned by one factor at all times.

mod json;
mod measure;
mod scores;
mod split;

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::exec::lanes::side_by_side;
use crate::exec::progress::{Progress, ProgressFn, Reporter, Stage};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::fields::Fields;
use crate::simulate::simulation::Process;
use crate::snapshots::Snapshots;
pub(crate) use measure::{Baselines, Distance, Interpolated, Measured};
use scores::Counts;
pub use scores::{HeldOutTime, MeanInterval, RecipeScore, Scores, TimeScore, Trust, Validation, Verdict};
pub use split::Parts;
use split::{Cutting, Split};

/// How recipes are validated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ValidationOptions {
    /// Splits: of split number i, part i modulo the number of parts is held out, of cut number i divided by it. Where absent 3,
    /// or as many as there are parts where `folds` or the parts themselves are given.
    pub splits: Option<usize>,
    /// The parts of a cut, 2 to 20; halves where absent.
    pub folds: Option<usize>,
    /// Fits of a recipe to each split, with consecutive seeds.
    pub seeds: usize,
    /// Simulated particles a founder, where they move with noise.
    pub particles: usize,
    /// What moves particles: the diffusion of a model with noise, the flow of others, where absent. Branching populations are
    /// not compared.
    pub process: Option<Process>,
    /// The longest step of the diffusion, in units of time; a twentieth of the shortest interval where absent.
    pub step: Option<f64>,
    /// The most cells of half a snapshot that are used: the largest snapshot keeps at most twice as many.
    pub cap: usize,
    /// Whether each inner time is left out in turn, too.
    pub hold_out_times: bool,
    /// The seed of the cuts and of the first fit of each split.
    pub seed: u64,
    /// Fits side by side, each on one thread; 0 for as many as there are threads in the ambient rayon pool.
    pub threads: usize,
}

impl Default for ValidationOptions {
    /// Three halves, one seed, four particles a founder, 800 cells a half-snapshot.
    fn default() -> Self {
        Self {
            splits: None,
            folds: None,
            seeds: 1,
            particles: 4,
            process: None,
            step: None,
            cap: 800,
            hold_out_times: false,
            seed: 0,
            threads: 0,
        }
    }
}

/// The splits if nobody says, where parts are drawn.
const SPLITS: usize = 3;
/// Parts of a cut: more would leave few cells to compare with.
const FOLDS: RangeInclusive<usize> = 2..=20;
/// Progress counts hundredths of fits.
const HUNDREDTHS: usize = 100;

impl ValidationOptions {
    fn check(&self, snapshots: &Snapshots, parts: Option<&Parts>) -> Result<()> {
        if snapshots.len() < 2 {
            return Err(Error::InvalidData(format!(
                "a validation needs cells at two times or more; there is one, {}",
                snapshots.times()[0]
            )));
        }
        for (name, value) in
            [("splits", self.splits.unwrap_or(1)), ("seeds", self.seeds), ("particles", self.particles)]
        {
            if value == 0 {
                return Err(Error::argument(name, value, "at least 1"));
            }
        }
        if self.cap < 2 {
            return Err(Error::argument("cap", self.cap, "at least 2"));
        }
        if let Some(folds) = self.folds.filter(|folds| !FOLDS.contains(folds)) {
            return Err(Error::argument("folds", folds, &format!("{} to {}", FOLDS.start(), FOLDS.end())));
        }
        if let Some(parts) = parts {
            let count = parts.count();
            if let Some(folds) = self.folds {
                return Err(Error::argument("folds", folds, "left out where the parts are given"));
            }
            if let Some(splits) = self.splits.filter(|&splits| splits > count) {
                let allowed = format!("at most {count}, the number of parts: each is held out once");
                return Err(Error::argument("splits", splits, &allowed));
            }
        }
        if self.process == Some(Process::Branching) {
            return Err(Error::argument("mode", "branching", "ode or sde: weighted particles are compared"));
        }
        if self.hold_out_times && snapshots.len() < 3 {
            let allowed =
                "false for two snapshots: only times between the first and the last can be held out";
            return Err(Error::argument("hold_out_times", true, allowed));
        }
        Ok(())
    }

    /// The number of splits.
    fn splits(&self, parts: Option<&Parts>) -> usize {
        let of_parts = parts.map(Parts::count).or(self.folds);
        self.splits.or(of_parts).unwrap_or(SPLITS)
    }
}

/// What is known of the cells beside where they are, in the order in which the snapshots hold them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// The part that each is in: parts are held out in turn. Where absent, parts are drawn.
    pub parts: Option<Parts>,
    /// The true growth rate at each, per unit of time.
    pub growth: Option<Vec<f64>>,
}

/// What predicted a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Simulator {
    /// What moved.
    pub process: Process,
    /// Particles a founder.
    pub particles: usize,
}

/// What one fit is to learn from.
#[derive(Debug)]
pub struct Lesson<'a> {
    /// The number of the recipe.
    pub recipe: usize,
    /// The cells that may be seen.
    pub seen: &'a Snapshots,
    /// The seed of the fit.
    pub seed: u64,
    stop: &'a Stop,
    reached: &'a AtomicUsize,
    told: AtomicUsize,
}

impl<'a> Lesson<'a> {
    fn new(recipe: usize, seen: &'a Snapshots, seed: u64, stop: &'a Stop, reached: &'a AtomicUsize) -> Self {
        Self { recipe, seen, seed, stop, reached, told: AtomicUsize::new(0) }
    }

    /// Tells the share of the fit that is done; breaks once it is no longer wanted.
    pub fn done(&self, share: f64) -> ControlFlow<()> {
        let now = (share.clamp(0.0, 1.0) * HUNDREDTHS as f64) as usize;
        let before = self.told.fetch_max(now, Ordering::Relaxed);
        self.reached.fetch_add(now.saturating_sub(before), Ordering::Relaxed);
        if self.stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// What a fit has learned.
#[derive(Debug)]
pub struct Learned<F> {
    /// The fields.
    pub fields: F,
    /// What that cost, in processor seconds.
    pub seconds: f64,
}

/// One of the things to be done, none of which needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Baselines { split: usize },
    Interpolation { k: usize },
    Cells { recipe: usize, split: usize, seed: u64 },
    Time { recipe: usize, k: usize, seed: u64 },
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Done {
    Baselines(Result<Baselines>),
    Interpolation(f64, Result<Interpolated>),
    Cells(usize, Result<Measured>),
    Time(usize, Result<Distance>),
}

/// Fits each of `recipes` (their names) to parts of the cells, by `learn`, and holds them against the others. Fits run side by
/// side; `learn` is called on several threads at once, and the result is the same bits at any number of them.
///
/// A recipe of which a fit fails has no scores but that error; the others have theirs.
///
/// ```
/// use chreode::evaluate::validation::{Annotations, Learned, Lesson, ValidationOptions, validate};
/// use chreode::fields::ClosedForm;
///
/// let snapshots = chreode::datasets::GeneNetwork { cells_per_state: 20, seed: 1 }.generate()?;
/// let still = |_: &Lesson<'_>| {
///     let fields = ClosedForm {
///         dims: 2,
///         sigma: 0.0,
///         velocity: Box::new(|_, _, v| v.fill(0.0)),
///         growth: Box::new(|_, _| 0.0),
///         score_drift: Box::new(|_, _, s| s.fill(0.0)),
///     };
///     Ok(Learned { fields, seconds: 0.0 })
/// };
/// let mut silent = chreode::exec::progress::silent;
/// let options = ValidationOptions::default();
/// let found = validate(&snapshots, &Annotations::default(), &["still".into()], still, &options, &mut silent)?;
/// let scores = found.recipes[0].scores.as_ref().unwrap();
/// assert!((scores.ratio.mean / found.nothing_moves_ratio.mean - 1.0).abs() < 1e-9);
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] for a single time point, too few cells for a part, parts or growth rates that are not one a cell;
/// [`Error::InvalidArgument`] for options outside their domain; [`Error::Cancelled`] if `progress` breaks; if all recipes fail,
/// the error of the first.
pub fn validate<F: Fields>(
    snapshots: &Snapshots,
    annotations: &Annotations,
    recipes: &[String],
    learn: impl Fn(&Lesson<'_>) -> Result<Learned<F>> + Sync,
    options: &ValidationOptions,
    progress: &mut ProgressFn<'_>,
) -> Result<Validation> {
    if recipes.is_empty() {
        return Err(Error::argument("recipes", "none", "at least one"));
    }
    let course = Course::new(snapshots, annotations, options)?;
    course.cut(&Threads::new(options.threads)?)?;
    let tasks = tasks(recipes.len(), snapshots.len(), annotations, options);
    let fits = tasks.iter().filter(|task| matches!(task, Task::Cells { .. } | Task::Time { .. })).count();
    let total = fits * HUNDREDTHS;

    let mut reporter = Reporter::new(progress);
    let mut cancelled = false;
    let mut look = |done: usize| {
        let answer = reporter.report(&Progress { stage: Stage::Validation, done, total, loss: None });
        cancelled |= answer.is_break();
        answer
    };
    if look(0).is_break() {
        return Err(Error::Cancelled);
    }
    let mut ask = || look(course.reached.load(Ordering::Relaxed).clamp(1, total - 1));
    let done = side_by_side(tasks.len(), options.threads, &mut ask, |task, threads, stop| {
        course.run(tasks[task], &learn, threads, stop)
    })?;
    let _ = look(total);
    if cancelled {
        return Err(Error::Cancelled);
    }
    course.gather(recipes, done)
}

/// What the tasks work on.
pub(crate) struct Course<'a> {
    cutting: Cutting<'a>,
    /// Each once a task has asked for it.
    splits: Vec<OnceLock<Split>>,
    whole: Snapshots,
    options: &'a ValidationOptions,
    /// Hundredths of fits that are done.
    reached: AtomicUsize,
}

impl<'a> Course<'a> {
    /// # Errors
    /// As [`validate`], for data and options that cannot be.
    pub(crate) fn new(
        snapshots: &'a Snapshots,
        annotations: &'a Annotations,
        options: &'a ValidationOptions,
    ) -> Result<Self> {
        let parts = annotations.parts.as_ref();
        options.check(snapshots, parts)?;
        let cutting = Cutting {
            snapshots,
            annotations,
            folds: options.folds.unwrap_or(2),
            most: options.cap.saturating_mul(2),
            seed: options.seed,
        };
        let splits = (0..options.splits(parts)).map(|_| OnceLock::new()).collect();
        Ok(Self { splits, whole: cutting.whole()?, cutting, options, reached: AtomicUsize::new(0) })
    }

    /// Makes all splits.
    ///
    /// # Errors
    /// As [`validate`].
    pub(crate) fn cut(&self, threads: &Threads) -> Result<()> {
        let never = Stop::default();
        threads.run(|| (0..self.splits.len()).try_for_each(|index| self.split(index, &never).map(drop)))
    }

    fn split(&self, index: usize, stop: &Stop) -> Result<&Split> {
        if let Some(split) = self.splits[index].get() {
            return Ok(split);
        }
        let split = self.cutting.split(index, stop)?;
        Ok(self.splits[index].get_or_init(|| split))
    }

    /// Does a task: a function of it, the options and the data.
    pub(crate) fn run<F: Fields>(
        &self,
        task: Task,
        learn: &(impl Fn(&Lesson<'_>) -> Result<Learned<F>> + Sync),
        threads: &Threads,
        stop: &Stop,
    ) -> Done {
        match task {
            Task::Baselines { split } => {
                Done::Baselines(threads.run(|| Baselines::of(self.split(split, stop)?, stop)))
            }
            Task::Interpolation { k } => {
                let interpolated = threads.run(|| measure::interpolate(&self.whole, k, stop));
                Done::Interpolation(self.whole.times()[k], interpolated)
            }
            Task::Cells { recipe, split, seed } => {
                let split = threads.run(|| self.split(split, stop));
                let predicted =
                    split.and_then(|split| self.predict_cells(recipe, split, seed, learn, threads, stop));
                Done::Cells(recipe, predicted)
            }
            Task::Time { recipe, k, seed } => {
                Done::Time(recipe, self.predict_time(recipe, k, seed, learn, threads, stop))
            }
        }
    }

    /// Sorts what came of all tasks by what they were.
    ///
    /// # Errors
    /// As [`validate`], if all recipes fail.
    pub(crate) fn gather(&self, recipes: &[String], done: Vec<Done>) -> Result<Validation> {
        let Cutting { snapshots, annotations, folds, .. } = self.cutting;
        let counts = Counts {
            seeds: self.options.seeds,
            parts: annotations.parts.as_ref().map_or(folds, Parts::count),
            cells: snapshots.cells(),
            cells_used: self.whole.cells(),
        };
        gather(recipes, &snapshots.times()[1..], done, counts)
    }

    fn predict_cells<F: Fields>(
        &self,
        recipe: usize,
        split: &Split,
        seed: u64,
        learn: &(impl Fn(&Lesson<'_>) -> Result<Learned<F>> + Sync),
        threads: &Threads,
        stop: &Stop,
    ) -> Result<Measured> {
        stop.check()?;
        let lesson = Lesson::new(recipe, &split.seen, seed, stop, &self.reached);
        let Learned { fields, seconds } = learn(&lesson)?;
        let measure = || measure::measure(&fields, split, self.options, seed, stop);
        let measured = threads.run(measure)?;
        let _ = lesson.done(1.0);
        Ok(Measured { seconds, ..measured })
    }

    fn predict_time<F: Fields>(
        &self,
        recipe: usize,
        k: usize,
        seed: u64,
        learn: &(impl Fn(&Lesson<'_>) -> Result<Learned<F>> + Sync),
        threads: &Threads,
        stop: &Stop,
    ) -> Result<Distance> {
        stop.check()?;
        let seen = self.whole.without(&[self.whole.times()[k]])?;
        let lesson = Lesson::new(recipe, &seen, seed, stop, &self.reached);
        let Learned { fields, .. } = learn(&lesson)?;
        let measure = || measure::measure_time(&fields, &self.whole, k, self.options, seed, stop);
        let measured = threads.run(measure)?;
        let _ = lesson.done(1.0);
        Ok(measured)
    }
}

/// What is to be done with snapshots of so many times: first what no fit is needed for, then recipe by recipe.
pub(crate) fn tasks(
    recipes: usize,
    times: usize,
    annotations: &Annotations,
    options: &ValidationOptions,
) -> Vec<Task> {
    let splits = options.splits(annotations.parts.as_ref());
    let inner = if options.hold_out_times { 1..times.saturating_sub(1) } else { 1..1 };
    let seeds = || (0..options.seeds as u64).map(|seed| options.seed.wrapping_add(seed));
    let mut tasks: Vec<Task> = (0..splits).map(|split| Task::Baselines { split }).collect();
    tasks.extend(inner.clone().map(|k| Task::Interpolation { k }));
    for recipe in 0..recipes {
        for split in 0..splits {
            tasks.extend(seeds().map(|seed| Task::Cells { recipe, split, seed }));
        }
        for k in inner.clone() {
            tasks.extend(seeds().map(|seed| Task::Time { recipe, k, seed }));
        }
    }
    tasks
}

/// Sorts what came of the tasks by what they were.
fn gather(recipes: &[String], later: &[f64], done: Vec<Done>, counts: Counts) -> Result<Validation> {
    let (mut baselines, mut interpolated) = (vec![], vec![]);
    let mut cells: Vec<Vec<Measured>> = recipes.iter().map(|_| vec![]).collect();
    let mut times: Vec<Vec<Distance>> = recipes.iter().map(|_| vec![]).collect();
    let mut failures: Vec<Option<Error>> = recipes.iter().map(|_| None).collect();
    for result in done {
        match result {
            Done::Baselines(result) => baselines.push(result?),
            Done::Interpolation(time, result) => interpolated.push((time, result?)),
            Done::Cells(recipe, Ok(measured)) => cells[recipe].push(measured),
            Done::Time(recipe, Ok(measured)) => times[recipe].push(measured),
            Done::Cells(recipe, Err(error)) | Done::Time(recipe, Err(error)) => {
                failures[recipe].get_or_insert(error);
            }
        }
    }
    if failures.iter().all(Option::is_some) {
        return Err(failures.into_iter().flatten().next().unwrap_or(Error::Cancelled));
    }
    let scored = cells.into_iter().zip(times).zip(failures).map(|((cells, times), failure)| match failure {
        Some(error) => Err(error.to_string()),
        None => Ok((cells, times)),
    });
    Ok(Validation::new(recipes, later, &baselines, &interpolated, scored.collect(), counts))
}

#[cfg(test)]
mod tests;
