//! `chreode plan`, `work` and `finish`: a fit in tasks, which any number of processes do in a folder that they share; and
//! `fit --resume`, the same in one process.
//!
//! | in the folder | what |
//! | --- | --- |
//! | `plan.json` | the library's plan |
//! | `call.json` | the call that made it, from which every worker knows how to read the data, and where they are |
//! | `parts/000017.part` | what came of task 17 |
//! | `training.checkpoint` | what the training is at, of a fit that is being finished; so for its other stages |

use std::fmt::Display;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use chreode::FitOptions;
use chreode::exec::files::write_atomically;
use chreode::method;
use chreode::options::Settings;
use chreode::snapshots::Snapshots;
use chreode::work::{Inputs, Part, Plan as Tasks};
use clap::Args;
use serde_json::{Value, json};

use crate::Command;
use crate::failure::{Failure, Result};
use crate::fit::{self, Subject};
use crate::output::{print, print_json, seconds};
use crate::progress::Bar;
use crate::source::is_standard_input;

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub subject: Subject,
    /// The folder of the plan and of its parts, made if it is not there; workers need to reach it and the data
    #[arg(short, long, value_name = "RUN")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Work {
    /// The folder that `chreode plan` made
    run: PathBuf,
    /// Do this task, counted from 0; may be repeated
    ///
    /// Default: all that have no part yet.
    #[arg(long, value_name = "TASK", conflicts_with = "share")]
    task: Vec<usize>,
    /// Do the share of one of several workers, as in 3/64: of 64 workers, number 3, counted from 0, does the tasks 3, 67, 131, …
    ///
    /// In an array of jobs: --share $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT.
    #[arg(long, value_name = "INDEX/COUNT")]
    share: Option<Share>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Finish {
    /// The folder that `chreode plan` made, with the parts of all tasks
    run: PathBuf,
    #[command(flatten)]
    product: fit::Product,
}

/// One of several workers.
#[derive(Debug, Clone, Copy)]
struct Share {
    index: usize,
    count: usize,
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(index, count)| {
            Some((index.trim().parse::<usize>().ok()?, count.trim().parse::<usize>().ok()?))
        });
        match numbers {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            _ => Err("it is a number below another, as in 0/64 to 63/64".into()),
        }
    }
}

impl Plan {
    pub fn run(self) -> Result<()> {
        require_file(&self.subject)?;
        let data = self.subject.read()?;
        let folder = Folder(self.output.clone());
        let tasks = folder.plan(&self.subject, &self.subject.training(&data)?)?;
        let cost: f64 = tasks.tasks().iter().map(|task| task.cost).sum();
        let run = self.output.display();
        if self.json {
            return print_json(&json!({
                "run": run.to_string(), "tasks": tasks.tasks().len(), "fingerprint": tasks.fingerprint(), "cost": cost,
            }));
        }
        let next = match tasks.tasks().len() {
            0 => {
                format!("no tasks: training is all that there is to do; next: chreode finish {run} -o MODEL")
            }
            1 => format!("1 task, roughly {} of one core; next: chreode work {run}", seconds(cost)),
            count => {
                format!("{count} tasks, roughly {} of one core; next: chreode work {run}", seconds(cost))
            }
        };
        print(&format!("plan: {run}, {next}"))
    }
}

impl Work {
    pub fn run(self) -> Result<()> {
        let folder = Folder(self.run.clone());
        let plan = folder.load()?;
        let count = plan.tasks().len();
        let chosen: Vec<usize> = match (&self.task[..], self.share) {
            ([], None) => (0..count).collect(),
            ([], Some(Share { index, count: workers })) => (index..count).step_by(workers).collect(),
            (tasks, _) => tasks.to_vec(),
        };
        if let Some(task) = chosen.iter().find(|&&task| task >= count) {
            return Err(Failure::Usage(format!(
                "--task must be below {count}, the number of tasks, got {task}"
            )));
        }
        let missing = folder.missing(&plan, chosen.iter().copied());
        if !missing.is_empty() {
            let subject = folder.subject()?;
            let data = subject.read()?;
            folder.work(&plan, &subject, &subject.training(&data)?, &missing)?;
        }
        let (done, there) = (missing.len(), chosen.len() - missing.len());
        if self.json {
            return print_json(&json!({ "done": done, "already_there": there, "tasks": count }));
        }
        // Others may be at work on them: that they are whole is looked at when they are put together.
        let left = (0..count).filter(|&task| !folder.part(task).exists()).count();
        let next = match left {
            0 => format!("all parts are there; next: chreode finish {} -o MODEL", self.run.display()),
            left => format!("{left} of {count} parts are not there yet"),
        };
        print(&format!("{done} tasks done, {there} were done before; {next}"))
    }
}

impl Finish {
    pub fn run(self) -> Result<()> {
        let started = Instant::now();
        let folder = Folder(self.run.clone());
        let plan = folder.load()?;
        self.product.check_writable()?;
        let subject = folder.subject()?;
        let data = subject.read()?;
        let fitted = folder.finish(&plan, &subject.training(&data)?, &subject)?;
        self.product.write(&subject, &data, fitted, started)
    }
}

/// Refuses data that cannot be read again.
pub fn require_file(subject: &Subject) -> Result<()> {
    if is_standard_input(&subject.data.data) {
        return Err(Failure::Usage(
            "the data must be a file, which can be read again: not standard input".into(),
        ));
    }
    Ok(())
}

/// Fits in tasks of one process, in a folder by which it goes on after it was killed.
pub fn fit_in(folder: &Path, subject: &Subject, training: &Snapshots) -> Result<method::Fit> {
    let folder = Folder(folder.into());
    let plan = folder.plan(subject, training)?;
    folder.work(&plan, subject, training, &folder.missing(&plan, 0..plan.tasks().len()))?;
    folder.finish(&plan, training, subject)
}

/// A folder of a plan and its parts.
struct Folder(PathBuf);

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn part(&self, task: usize) -> PathBuf {
        self.0.join("parts").join(format!("{task:06}.part"))
    }

    /// Makes the folder of a plan, or finds it there: a plan that is there must be the same.
    fn plan(&self, subject: &Subject, training: &Snapshots) -> Result<Tasks> {
        if self.file("plan.json").exists() {
            let there = self.load()?;
            self.refuse_other_options(&there, subject.settings())?;
            // By the same options and for the same data, it is the same plan.
            return match there.check_data(training) {
                Ok(()) => Ok(there),
                Err(error) => Err(self.failed(format!("{error}; choose another folder, or remove it"))),
            };
        }
        let plan = self.make(subject, training)?;
        std::fs::create_dir_all(self.file("parts")).map_err(|error| self.failed(error))?;
        let arguments: Option<Vec<String>> =
            std::env::args_os().skip(1).map(|a| a.into_string().ok()).collect();
        let arguments =
            arguments.ok_or_else(|| Failure::Usage("the arguments of a plan must be UTF-8".into()))?;
        let times_file = subject.data.times_file.as_deref().map(|file| self.path_of(file)).transpose()?;
        let data = self.path_of(&subject.data.data)?;
        let call = json!({ "arguments": arguments, "data": data, "times_file": times_file });
        let write = |name: &str, contents: &[u8]| write_atomically(&self.file(name), contents);
        write("call.json", format!("{call:#}\n").as_bytes())?;
        // Last: where it is, all is.
        write("plan.json", &plan.to_bytes())?;
        Ok(plan)
    }

    fn make(&self, subject: &Subject, training: &Snapshots) -> Result<Tasks> {
        let mut bar = Bar::new("plan");
        Ok(Tasks::fit(training, subject.settings(), 0, &mut |progress| bar.show(progress))?)
    }

    /// Refuses a plan by other options, naming the first that differs.
    fn refuse_other_options(&self, there: &Tasks, asked: &Settings<FitOptions>) -> Result<()> {
        let Some(planned) = there.fit_settings() else {
            return Err(self.failed("its plan is not one of a fit"));
        };
        let names = planned.given().chain(asked.given()).map(|(name, _)| name);
        for name in names.filter(|&name| name != "threads") {
            let (before, now) = (planned.get(name)?, asked.get(name)?);
            if before != now {
                let told = |text: Option<&str>| text.map_or("not given".into(), |text| format!("`{text}`"));
                return Err(Failure::Usage(format!(
                    "{}: its plan was made with other options: --{} was {}, and is {} now; choose another folder, or remove it",
                    self.0.display(),
                    name.replace('_', "-"),
                    told(before),
                    told(now)
                )));
            }
        }
        Ok(())
    }

    fn load(&self) -> Result<Tasks> {
        let path = self.file("plan.json");
        let bytes = std::fs::read(&path).map_err(|error| failed(&path, error))?;
        Tasks::from_bytes(&bytes).map_err(|error| failed(&path, error))
    }

    /// What the plan was made of, from the call that made it.
    fn subject(&self) -> Result<Subject> {
        let path = self.file("call.json");
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        let call: Value = serde_json::from_str(&text).map_err(|error| failed(&path, error))?;
        let arguments = call["arguments"].as_array().and_then(|all| {
            all.iter().map(|argument| argument.as_str().map(String::from)).collect::<Option<Vec<_>>>()
        });
        let (Some(arguments), Some(data)) = (arguments, call["data"].as_str()) else {
            return Err(failed(&path, "not the call of a plan"));
        };
        let mut subject = match crate::parse(&arguments).map_err(|error| failed(&path, error))? {
            Command::Plan(plan) => plan.subject,
            Command::Fit(fit) => fit.subject,
            _ => return Err(failed(&path, "not the call of a plan")),
        };
        subject.data.data = self.0.join(data);
        subject.data.times_file = call["times_file"].as_str().map(|file| self.0.join(file));
        Ok(subject)
    }

    /// Which of the tasks have no whole part.
    fn missing(&self, plan: &Tasks, tasks: impl Iterator<Item = usize>) -> Vec<usize> {
        let is_there = |task: &usize| {
            let bytes = std::fs::read(self.part(*task)).unwrap_or_default();
            plan.task_of(Part { name: "", bytes: &bytes }) == Ok(*task)
        };
        tasks.filter(|task| !is_there(task)).collect()
    }

    fn work(&self, plan: &Tasks, subject: &Subject, training: &Snapshots, tasks: &[usize]) -> Result<()> {
        let mut bar = Bar::new("tasks");
        let inputs = Inputs { snapshots: training, model: None };
        let keep = |task: usize, part: &[u8]| write_atomically(&self.part(task), part);
        plan.run_all(inputs, tasks, 0, &keep, &mut |progress| bar.show(progress)).map_err(|error| match error
        {
            chreode::Error::InvalidData(what) => failed(&subject.data.data, what),
            error => error.into(),
        })
    }

    fn finish(&self, plan: &Tasks, training: &Snapshots, subject: &Subject) -> Result<method::Fit> {
        plan.check_data(training).map_err(|error| failed(&subject.data.data, error))?;
        let mut parts = vec![];
        for task in 0..plan.tasks().len() {
            let path = self.part(task);
            match std::fs::read(&path) {
                Ok(bytes) => parts.push((path.display().to_string(), bytes)),
                // It is told with all that are missing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        let parts = parts.iter().map(|(name, bytes)| Part { name, bytes });
        let mut bar = Bar::new(subject.options().recipe.name);
        let fitted = plan
            .finish_fit_resumably(training, parts, &self.0, 0, &mut |progress| bar.show(progress))
            .map_err(|error| match error {
                chreode::Error::InvalidData(what) => self.failed(what),
                error => error.into(),
            })?;
        fit::whole(fitted)
    }

    /// The path of a file from the folder: as it was given if that is absolute.
    fn path_of(&self, file: &Path) -> Result<PathBuf> {
        if file.is_absolute() {
            return Ok(file.into());
        }
        let whole = |path: &Path| path.canonicalize().map_err(|error| failed(path, error));
        let (from, to) = (whole(&self.0)?, whole(file)?);
        let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
        let up = from.components().skip(shared).map(|_| Component::ParentDir);
        Ok(up.chain(to.components().skip(shared)).collect())
    }

    fn failed(&self, what: impl Display) -> Failure {
        failed(&self.0, what)
    }
}

fn failed(path: &Path, what: impl Display) -> Failure {
    Failure::Failed(format!("{}: {what}", path.display()))
}
