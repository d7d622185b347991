//! Plans: what is to be done, as bytes that any worker can read, and so can people: JSON.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::Part;
use super::data::{Fingerprint, Shape};
use super::evaluate::EvaluateJob;
use super::fit::FitJob;
use super::part::seal;
use super::reading::{Fields, unusable};
use super::simulate::SimulateJob;
use super::validate::ValidateJob;
use crate::FitOptions;
use crate::error::{Error, Result};
use crate::evaluate::Evaluation;
use crate::evaluate::ensemble::masses;
use crate::evaluate::protocol::Protocol;
use crate::evaluate::validation::{Annotations, Validation};
use crate::exec::checkpoint::Checkpoints;
use crate::exec::lanes::side_by_side;
use crate::exec::progress::{Progress, ProgressFn, Reporter, Stage};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::method::Fit;
use crate::model::Dynamics;
use crate::options::validate::Request;
use crate::options::{Settings, Target};
use crate::simulate::Particles;
use crate::simulate::simulation::{Outcome, Simulation};
use crate::snapshots::Snapshots;
use crate::statistics::Estimate;

/// The version of the format that this library reads and writes.
const VERSION: usize = 1;

/// A long computation in tasks: what is to be done, by which numbers, and to which data.
///
/// It is made where all data are, once; [`to_bytes`](Self::to_bytes) goes to the workers, which [`run`](Self::run) its tasks.
#[derive(Debug)]
pub struct Plan {
    job: Job,
    tasks: Vec<Task>,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
enum Job {
    Fit(Box<FitJob>),
    Validate(ValidateJob),
    Simulate(SimulateJob),
    Evaluate(EvaluateJob),
}

/// What every job has; what its parts are put together to differs.
pub(super) trait Work {
    fn name(&self) -> &'static str;

    /// As which stage its tasks are reported.
    fn stage(&self) -> Stage;

    /// What is known of the data.
    fn shape(&self) -> &Shape;

    fn tasks(&self) -> Vec<Task>;

    /// The cells that a task needs, in the order of all cells of the snapshots; none where it needs all.
    fn rows_of(&self, _task: usize) -> Result<Option<Vec<usize>>> {
        Ok(None)
    }

    /// The result of a task.
    fn run(
        &self,
        inputs: Inputs<'_>,
        task: usize,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Vec<u8>>;

    /// Refuses what cannot be a task's result.
    fn check(&self, task: usize, result: &[u8]) -> Result<()>;

    /// All that the plan says but for its tasks.
    fn to_json(&self) -> Map<String, Value>;
}

impl Job {
    fn work(&self) -> &dyn Work {
        match self {
            Job::Fit(job) => &**job,
            Job::Validate(job) => job,
            Job::Simulate(job) => job,
            Job::Evaluate(job) => job,
        }
    }
}

/// What a task of a plan is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// What it does: `block` (couples a block of an interval), `member`, `coarse` or `cheaper` (fits of an ensemble); of a validation `fold` and
    /// `time` (fits without some cells, or without a time), `baselines` and `interpolation`; `shard` (simulates founders), or `population`
    /// (all of them); `run` and `action` of an evaluation.
    pub kind: &'static str,
    /// What it is about: of a block its `interval` and its number in it, `block`, both counted from 0, and the fingerprint of its `cells`;
    /// of a fit of an ensemble its `index`; and so on.
    pub about: Map<String, Value>,
    /// How long it takes, very roughly: seconds of one core.
    pub cost: f64,
}

/// What tasks are done to.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The cells: all of them, or those of the task alone, see [`Plan::rows`].
    pub snapshots: &'a Snapshots,
    /// The model, of a plan that simulates or evaluates one.
    pub model: Option<&'a Dynamics>,
}

impl<'a> Inputs<'a> {
    pub(super) fn model(&self) -> Result<&'a Dynamics> {
        self.model.ok_or_else(|| Error::argument("model", "none", "the model that the plan was made for"))
    }
}

impl Task {
    pub(super) fn new(kind: &'static str, about: Value, cost: f64) -> Self {
        Self { kind, about: about.as_object().cloned().unwrap_or_default(), cost }
    }

    /// All that is known of it: its kind, what it is about, and its cost.
    pub fn to_json(&self) -> Value {
        let mut json = Map::from_iter([("kind".to_string(), self.kind.into())]);
        json.extend(self.about.clone());
        json.insert("cost".into(), self.cost.into());
        Value::Object(json)
    }
}

impl Plan {
    /// The plan of a fit, by `threads` (0: the ambient pool): the numbers that are not given are chosen from the data now. Of a method
    /// that couples, a task for each block of each interval; of an ensemble, one for each of its fits; a single fit that is based on
    /// simulation has no tasks. The option `threads` is not kept: it is a worker's own.
    ///
    /// # Errors
    /// Those of [`fit`](crate::method::fit()) for data and options that cannot be; [`Error::InvalidArgument`] for the device `auto`, which
    /// may be another one for each worker.
    pub fn fit(
        snapshots: &Snapshots,
        settings: &Settings<FitOptions>,
        threads: usize,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Self> {
        let job = FitJob::new(snapshots, settings, threads, &mut Reporter::new(progress))?;
        Ok(Self::of(Job::Fit(Box::new(job))))
    }

    /// The plan of a validation by a request for it, with what is known of the cells beside; `threads` as in [`fit`](Self::fit).
    ///
    /// # Errors
    /// Those of [`validate`](crate::method::validate()) for data and options that cannot be; [`Error::InvalidArgument`] for the device
    /// `auto`.
    pub fn validate(
        snapshots: &Snapshots,
        annotations: &Annotations,
        request: &Request,
        threads: usize,
    ) -> Result<Self> {
        Ok(Self::of(Job::Validate(ValidateJob::new(snapshots, annotations, request, threads)?)))
    }

    /// The plan of a simulation of the cells of the first snapshot to `times`. There is a task for about so many `founders` each, of a
    /// branching population with the lineage of their families; where all particles depend on each other (resampling), or a device
    /// steps them, there is one task.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for options and times that cannot be, and for the device `auto`.
    pub fn simulate(
        model: &Dynamics,
        snapshots: &Snapshots,
        times: &[f64],
        settings: &Settings<Simulation>,
        founders: usize,
    ) -> Result<Self> {
        Ok(Self::of(Job::Simulate(SimulateJob::new(model, snapshots, times, settings, founders)?)))
    }

    /// The plan of an evaluation of a model by the cells of all snapshots: a task for each run, of the model and, for error bars, of every
    /// member of an ensemble, and one for the action.
    ///
    /// # Errors
    /// Those of [`Protocol::run`] for data and options that cannot be; [`Error::InvalidArgument`] for the device `auto`.
    pub fn evaluate(model: &Dynamics, snapshots: &Snapshots, settings: &Settings<Protocol>) -> Result<Self> {
        Ok(Self::of(Job::Evaluate(EvaluateJob::new(model, snapshots, settings)?)))
    }

    fn of(job: Job) -> Self {
        let tasks = job.work().tasks();
        let mut plan = Self { job, tasks, fingerprint: Fingerprint(0) };
        plan.fingerprint = Fingerprint::of_bytes(plan.body().to_string().as_bytes());
        plan
    }

    /// What its tasks make together: `fit`, `validate`, `simulate` or `evaluate`.
    pub fn job(&self) -> &'static str {
        self.job.work().name()
    }

    /// The tasks, which can be done in any order.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// What tells the plan from others: 32 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.to_string()
    }

    /// The options of a fit that were set.
    pub fn fit_settings(&self) -> Option<&Settings<FitOptions>> {
        match &self.job {
            Job::Fit(job) => Some(job.settings()),
            _ => None,
        }
    }

    /// The cells that a task needs: their numbers in the order in which the snapshots hold the cells (by time, those of one time as
    /// they were given: see [`time_order`](crate::snapshots::time_order)). A worker may [`run`](Self::run) the task with snapshots of those
    /// cells alone, in that order. None for a task that needs all. A function of the plan alone.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a task that there is not.
    pub fn rows(&self, task: usize) -> Result<Option<Vec<usize>>> {
        self.check_task(task)?;
        self.job.work().rows_of(task)
    }

    /// Refuses other data than those of the plan.
    ///
    /// # Errors
    /// [`Error::InvalidData`] that says what differs.
    pub fn check_data(&self, snapshots: &Snapshots) -> Result<()> {
        self.job.work().shape().check(snapshots)
    }

    /// Does a task by `threads` (0: the ambient pool) and gives its part, which is the same bytes wherever it is done, but for the
    /// seconds that a fit of an ensemble took.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a task that there is not; [`Error::InvalidData`] for data that are not those of the plan;
    /// [`Error::Cancelled`] if `progress` breaks; those of the work itself.
    pub fn run(
        &self,
        inputs: Inputs<'_>,
        task: usize,
        threads: usize,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Vec<u8>> {
        self.check_task(task)?;
        let mut reporter = Reporter::new(progress);
        let result = self.job.work().run(inputs, task, threads, &mut reporter)?;
        Ok(seal(self.fingerprint, task, &result))
    }

    /// Does some of the tasks side by side, as many at once as there are `threads` (0: those of the ambient pool), which they share out
    /// among them; `keep` is given the part of each as soon as it is there.
    ///
    /// # Errors
    /// The first, in the order of `tasks`, of those of [`run`](Self::run) and of `keep`; the tasks that have begun are then stopped.
    pub fn run_all(
        &self,
        inputs: Inputs<'_>,
        tasks: &[usize],
        threads: usize,
        keep: &(dyn Fn(usize, &[u8]) -> Result<()> + Sync),
        progress: &mut ProgressFn<'_>,
    ) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let (stage, total) = (self.job.work().stage(), tasks.len());
        let done = AtomicUsize::new(0);
        let mut reporter = Reporter::new(progress);
        let mut told = |done| reporter.report(&Progress { stage, done, total, loss: None });
        if told(0).is_break() {
            return Err(Error::Cancelled);
        }
        let one = |index: usize, pool: &Threads, stop: &Stop| {
            stop.check()?;
            let threads = pool.run(rayon::current_num_threads);
            let mut asked = |_: &Progress| {
                if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let part = self.run(inputs, tasks[index], threads, &mut asked);
            let outcome = part.and_then(|part| keep(tasks[index], &part));
            if outcome.is_err() {
                stop.request();
            }
            done.fetch_add(1, Ordering::Relaxed);
            outcome
        };
        let mut look = || told(done.load(Ordering::Relaxed).clamp(1, total.max(2) - 1));
        let outcomes = side_by_side(total, threads, &mut look, one)?;
        // That others were stopped is not why.
        let failed = outcomes.iter().find(|outcome| !matches!(outcome, Ok(()) | Err(Error::Cancelled)));
        if let Some(outcome) = failed.or_else(|| outcomes.iter().find(|outcome| outcome.is_err())) {
            return outcome.clone();
        }
        let _ = told(total);
        Ok(())
    }

    /// Which task a part is of.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the part, if it is not whole, of another plan or of another version.
    pub fn task_of(&self, part: Part<'_>) -> Result<usize> {
        let (task, result) = part.open(self.fingerprint, self.tasks.len())?;
        self.job.work().check(task, result).map(|()| task).map_err(|error| named(&part, &error))
    }

    /// Puts the parts of a fit together, in any order, by `threads` (0: the ambient pool), and trains what is left to be trained. A part may
    /// be there more than once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another plan than one of a fit; [`Error::InvalidData`] for data that are not those of the plan, for
    /// tasks without a part, and for a part that is damaged, of another plan or version, naming it; those of
    /// [`fit`](crate::method::fit()).
    pub fn finish_fit<'p>(
        &self,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
        threads: usize,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Fit> {
        self.finish(snapshots, parts, threads, &mut Reporter::new(progress))
    }

    /// As [`finish_fit`](Self::finish_fit), and keeps in `folder`, every other second, what the training is at: called again after it was
    /// killed, it goes on from there to the same bits.
    ///
    /// # Errors
    /// As [`finish_fit`](Self::finish_fit), and [`Error::Io`] for a folder that cannot be written to; [`Error::InvalidData`] for a checkpoint
    /// that is damaged or of another plan, naming it. Both of them are told by [`Fit::stopped`] once training has begun.
    pub fn finish_fit_resumably<'p>(
        &self,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
        folder: &Path,
        threads: usize,
        progress: &mut ProgressFn<'_>,
    ) -> Result<Fit> {
        let seal = |state: &[u8]| seal(self.fingerprint, 0, state);
        let open = |name: &str, bytes: &[u8]| Ok(Part { name, bytes }.open(self.fingerprint, 1)?.1.to_vec());
        let mut reporter = Reporter::new(progress);
        reporter.checkpoints = Some(Checkpoints::new(folder, &seal, &open));
        self.finish(snapshots, parts, threads, &mut reporter)
    }

    fn finish<'p>(
        &self,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
        threads: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Fit> {
        let Job::Fit(job) = &self.job else { return Err(self.is_not("fit")) };
        let pieces = self.pieces(parts, |_, result| job.read(result))?;
        job.finish(snapshots, pieces, threads, reporter)
    }

    /// Puts the parts of a validation together, as [`finish_fit`](Self::finish_fit) those of a fit.
    ///
    /// # Errors
    /// As [`finish_fit`](Self::finish_fit), and those of [`validate`](crate::method::validate()) if all recipes have failed.
    pub fn finish_validate<'p>(
        &self,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
    ) -> Result<Validation> {
        let Job::Validate(job) = &self.job else { return Err(self.is_not("validate")) };
        job.finish(snapshots, self.pieces(parts, |task, result| job.read(task, result))?)
    }

    /// Puts the parts of a simulation together, as [`finish_fit`](Self::finish_fit) those of a fit.
    ///
    /// # Errors
    /// As [`finish_fit`](Self::finish_fit); [`Error::InvalidData`] for another model, too.
    pub fn finish_simulate<'p>(
        &self,
        model: &Dynamics,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
    ) -> Result<Outcome> {
        let Job::Simulate(job) = &self.job else { return Err(self.is_not("simulate")) };
        job.finish(model, snapshots, self.pieces(parts, |_, result| job.read(result))?)
    }

    /// The masses of a simulation's frames with their errors, of an ensemble: see [`masses`](crate::evaluate::ensemble::masses). None of any
    /// other model, or where error bars are not wanted.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another plan than one of a simulation; those of [`Simulation::run`].
    pub fn masses(
        &self,
        model: &Dynamics,
        snapshots: &Snapshots,
        outcome: &Outcome,
        stop: &Stop,
    ) -> Result<Option<Vec<Estimate>>> {
        let Job::Simulate(job) = &self.job else { return Err(self.is_not("simulate")) };
        let start = Particles::of_snapshot(snapshots, 0);
        masses(model, job.simulation(), &start, &outcome.trajectory.frames, stop)
    }

    /// Puts the parts of an evaluation together, as [`finish_fit`](Self::finish_fit) those of a fit.
    ///
    /// # Errors
    /// As [`finish_fit`](Self::finish_fit); [`Error::InvalidData`] for another model, too.
    pub fn finish_evaluate<'p>(
        &self,
        model: &Dynamics,
        snapshots: &Snapshots,
        parts: impl IntoIterator<Item = Part<'p>>,
    ) -> Result<Evaluation> {
        let Job::Evaluate(job) = &self.job else { return Err(self.is_not("evaluate")) };
        job.finish(model, snapshots, self.pieces(parts, |task, result| job.read(task, result))?)
    }

    fn is_not(&self, job: &str) -> Error {
        Error::argument("the job of the plan", self.job(), job)
    }

    /// One result for each task, in their order.
    fn pieces<'p, T>(
        &self,
        parts: impl IntoIterator<Item = Part<'p>>,
        read: impl Fn(usize, &[u8]) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut pieces: Vec<Option<T>> = self.tasks.iter().map(|_| None).collect();
        for part in parts {
            let (task, result) = part.open(self.fingerprint, self.tasks.len())?;
            if pieces[task].is_none() {
                pieces[task] = Some(read(task, result).map_err(|error| named(&part, &error))?);
            }
        }
        let missing = pieces.iter().enumerate().filter(|(_, piece)| piece.is_none());
        let missing: Vec<String> = missing.map(|(task, _)| task.to_string()).collect();
        if let [first, ..] = &missing[..] {
            let shown = if missing.len() > 10 { format!("{first} and others") } else { missing.join(", ") };
            return Err(Error::InvalidData(format!(
                "of the plan's {} tasks, {} have no part yet: {shown}",
                self.tasks.len(),
                missing.len()
            )));
        }
        Ok(pieces.into_iter().flatten().collect())
    }

    fn check_task(&self, task: usize) -> Result<()> {
        match self.tasks.len() {
            count if task < count => Ok(()),
            0 => Err(Error::argument("task", task, "left out: the plan has no tasks, it can be finished")),
            count => Err(Error::argument("task", task, &format!("below {count}, the number of tasks"))),
        }
    }

    /// All but the fingerprint.
    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("chreode_plan".into(), json!(VERSION));
        body.insert("library_version".into(), json!(env!("CARGO_PKG_VERSION")));
        body.insert("job".into(), json!(self.job()));
        body.extend(self.job.work().to_json());
        body.insert("tasks".into(), self.tasks.iter().map(Task::to_json).collect());
        Value::Object(body)
    }

    /// The plan as JSON, a task a line of its own.
    pub fn to_json(&self) -> Value {
        let mut json = self.body();
        json["fingerprint"] = json!(self.fingerprint.to_string());
        json
    }

    /// The plan as bytes: its JSON, to be read by people as well.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(&self.to_json()).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }

    /// The plan that [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for bytes that are no plan or one that was changed, or a plan of another version of the library: other versions
    /// may do the same tasks to other bits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).map_err(|error| match error {
            Error::InvalidArgument { .. } => Error::InvalidData(format!("not a usable plan: {error}")),
            Error::InvalidData(what) => Error::InvalidData(format!("not a usable plan: {what}")),
            error => error,
        })
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: String| Err(Error::InvalidData(what));
        let json: Value = match serde_json::from_slice(bytes) {
            Ok(json) => json,
            Err(error) => return wrong(format!("it is truncated or no JSON ({error})")),
        };
        let fields = Fields(&json);
        if json.get("chreode_plan").is_none() {
            return wrong("JSON, but not of a plan".into());
        }
        let version = fields.count("chreode_plan")?;
        if version != VERSION {
            return wrong(format!(
                "it is of format version {version}; this library reads version {VERSION}: plan again"
            ));
        }
        let library = fields.text("library_version")?;
        if library != env!("CARGO_PKG_VERSION") {
            return wrong(format!(
                "it was made by chreode {library}, this is {}: plan again, as other versions may give other bits",
                env!("CARGO_PKG_VERSION")
            ));
        }
        let tasks = fields.list("tasks", Some)?.into_iter().map(Fields).collect::<Vec<_>>();
        let job = match fields.text("job")? {
            "fit" => Job::Fit(Box::new(FitJob::of_json(&fields, &tasks)?)),
            "validate" => Job::Validate(ValidateJob::of_json(&fields, tasks.len())?),
            "simulate" => Job::Simulate(SimulateJob::of_json(&fields, &tasks)?),
            "evaluate" => Job::Evaluate(EvaluateJob::of_json(&fields, tasks.len())?),
            other => return Err(unusable(format!("a job `{other}`"))),
        };
        let plan = Self::of(job);
        let told = fields.fingerprint("fingerprint")?;
        if told != plan.fingerprint {
            return wrong(format!(
                "it was changed or corrupted: its fingerprint is {}, not {told}",
                plan.fingerprint
            ));
        }
        Ok(plan)
    }
}

/// An error of a part's content, naming it.
fn named(part: &Part<'_>, error: &Error) -> Error {
    Error::InvalidData(format!("{}: {error}; do its task again", part.name))
}

/// The options that were set, as texts by name.
pub(super) fn settings_json<T: Target>(settings: &Settings<T>) -> Value {
    settings.given().map(|(name, text)| (name.to_string(), Value::from(text))).collect::<Map<_, _>>().into()
}

/// The same settings, and what they make, without the number of threads: it is a worker's own.
pub(super) fn without_threads<T: Target>(settings: &Settings<T>) -> Result<(Settings<T>, T)> {
    let mut settings = settings.clone();
    settings.unset("threads")?;
    let target = settings.build()?;
    Ok((settings, target))
}

pub(super) fn read_settings<T: Target>(fields: &Fields<'_>) -> Result<Settings<T>> {
    let mut settings = Settings::default();
    let given = fields.0.as_object().ok_or_else(|| unusable("its options"))?;
    for (name, value) in given {
        settings.set(name, value.as_str().ok_or_else(|| unusable(format!("the option {name}")))?)?;
    }
    Ok(settings)
}
