//! Plans: what is to be done, as bytes that any worker can read, and so can people: JSON.

use serde_json::{Map, Value, json};

use super::Part;
use super::data::Fingerprint;
use super::fit::FitJob;
use super::part::seal;
use super::reading::{Fields, unusable};
use crate::FitOptions;
use crate::error::{Error, Result};
use crate::exec::progress::{ProgressFn, Reporter};
use crate::method::Fit;
use crate::model::Dynamics;
use crate::options::{Settings, Target};
use crate::snapshots::Snapshots;

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
    Fit(FitJob),
}

/// What a task of a plan is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// What it does: `block` (couples a block of an interval), `member` or `coarse` (fits of an ensemble).
    pub kind: &'static str,
    /// What it is about: of a block its `interval` and its number in it, `block`, both counted from 0, and the fingerprint of its `cells`;
    /// of a fit of an ensemble its `index`.
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
        Ok(Self::of(Job::Fit(job)))
    }

    fn of(job: Job) -> Self {
        let tasks = match &job {
            Job::Fit(job) => job.tasks(),
        };
        let mut plan = Self { job, tasks, fingerprint: Fingerprint(0) };
        plan.fingerprint = Fingerprint::of_bytes(plan.body().to_string().as_bytes());
        plan
    }

    /// What its tasks make together: `fit`.
    pub fn job(&self) -> &'static str {
        match &self.job {
            Job::Fit(_) => "fit",
        }
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
        match &self.job {
            Job::Fit(job) => job.rows_of(task),
        }
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
        let result = match &self.job {
            Job::Fit(job) => job.run(inputs.snapshots, task, threads, &mut reporter)?,
        };
        Ok(seal(self.fingerprint, task, &result))
    }

    /// Which task a part is of.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the part, if it is not whole, of another plan or of another version.
    pub fn task_of(&self, part: Part<'_>) -> Result<usize> {
        let (task, result) = part.open(self.fingerprint, self.tasks.len())?;
        let read = match &self.job {
            Job::Fit(job) => job.read(result).map(drop),
        };
        read.map(|()| task).map_err(|error| named(&part, &error))
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
        let Job::Fit(job) = &self.job;
        let pieces = self.pieces(parts, |result| job.read(result))?;
        job.finish(snapshots, pieces, threads, &mut Reporter::new(progress))
    }

    /// One result for each task, in their order.
    fn pieces<'p, T>(
        &self,
        parts: impl IntoIterator<Item = Part<'p>>,
        read: impl Fn(&[u8]) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut pieces: Vec<Option<T>> = self.tasks.iter().map(|_| None).collect();
        for part in parts {
            let (task, result) = part.open(self.fingerprint, self.tasks.len())?;
            if pieces[task].is_none() {
                pieces[task] = Some(read(result).map_err(|error| named(&part, &error))?);
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
        body.extend(match &self.job {
            Job::Fit(job) => job.to_json(),
        });
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
            "fit" => Job::Fit(FitJob::of_json(&fields, &tasks)?),
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

pub(super) fn read_settings<T: Target>(fields: &Fields<'_>) -> Result<Settings<T>> {
    let mut settings = Settings::default();
    let given = fields.0.as_object().ok_or_else(|| unusable("its options"))?;
    for (name, value) in given {
        settings.set(name, value.as_str().ok_or_else(|| unusable(format!("the option {name}")))?)?;
    }
    Ok(settings)
}
