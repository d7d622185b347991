//! `chreode fit`: cells in, model out, and what was chosen on the way.

use std::path::{Path, PathBuf};
use std::time::Instant;

use chreode::Error;
use chreode::method::{self, EnsembleReport, FitOptions, FitReport};
use chreode::options::{Entry, Settings, Target};
use chreode::snapshots::Snapshots;
use clap::{ArgMatches, Args, FromArgMatches};
use serde_json::json;

use crate::arguments::Flags;
use crate::cells::{Data, DataArgs};
use crate::failure::{Failure, Result};
use crate::output::{self, check_writable, estimate, growth_beside_branching, print, print_json, short};
use crate::progress::Bar;
use crate::report::{self, ModelSection, Page};
use crate::work;

#[derive(Debug, Args)]
pub struct Fit {
    #[command(flatten)]
    pub subject: Subject,
    /// Keep what is done in this folder, and go on from what is there: killed at any moment and called again, it ends with the same bits
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    product: Product,
}

/// What is fitted, to what, and how.
#[derive(Debug, Args)]
pub struct Subject {
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    options: FitArgs,
    /// Train without the snapshot at this time; may be repeated. The first and the last cannot be held out
    #[arg(long, value_name = "TIME")]
    hold_out: Vec<f64>,
}

/// Where the model goes, and what is told of it.
#[derive(Debug, Args)]
pub struct Product {
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL")]
    output: PathBuf,
    /// Also write a page of pictures and figures, on which the population moves; with labels, or in an embedding: chreode report
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The options of a fit.
#[derive(Debug)]
pub struct FitArgs {
    options: FitOptions,
    /// Those that were set.
    settings: Settings<FitOptions>,
}

impl Args for FitArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Flags::<FitOptions>::augment_args(command)
            .mut_arg("coupling", |coupling| coupling.requires("bridge").conflicts_with("method"))
            .mut_arg("bridge", |bridge| bridge.requires("coupling").conflicts_with("method"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for FitArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let (Flags(options), settings) = (Flags::from_arg_matches(matches)?, Flags::given(matches)?);
        Ok(Self { options, settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl FitArgs {
    pub fn options(&self) -> &FitOptions {
        &self.options
    }
}

impl Fit {
    pub fn run(self) -> Result<()> {
        let Self { subject, resume, product } = self;
        let started = Instant::now();
        resume.as_ref().map_or(Ok(()), |_| work::require_file(&subject))?;
        let data = subject.read()?;
        let training = subject.training(&data)?;
        product.check_writable()?;
        let fitted = match &resume {
            Some(folder) => work::fit_in(folder, &subject, &training)?,
            None => fit(&training, subject.options())?,
        };
        product.write(&subject, &data, fitted, started)
    }
}

impl Subject {
    pub fn read(&self) -> Result<Data> {
        self.data.read()
    }

    /// The cells of the times that are not held out.
    pub fn training(&self, data: &Data) -> Result<Snapshots> {
        hold_out(&data.snapshots, &self.hold_out)
    }

    pub fn options(&self) -> &FitOptions {
        &self.options.options
    }

    /// The options that were set, in words; not on what it was computed.
    fn given(&self) -> String {
        let given = |entry: &Entry<FitOptions>| {
            let text = self.settings().get(entry.name).ok()??;
            Some(format!("{} {text}", entry.name.replace('_', "-")))
        };
        FitOptions::ENTRIES
            .iter()
            .filter(|entry| entry.name != "device")
            .filter_map(given)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The options that were set.
    pub fn settings(&self) -> &Settings<FitOptions> {
        &self.options.settings
    }
}

impl Product {
    pub fn check_writable(&self) -> Result<()> {
        std::iter::once(&self.output).chain(&self.report).try_for_each(|path| check_writable(path))
    }

    /// Writes the model, and tells of it; the call has `started` then.
    pub fn write(
        &self,
        subject: &Subject,
        data: &Data,
        mut fitted: method::Fit,
        started: Instant,
    ) -> Result<()> {
        fitted.dynamics.set_coordinates(data.names.clone())?;
        if let Some(masses) = &subject.data.masses {
            let times = &fitted.dynamics.info().times;
            let of_times = data.snapshots.times().iter().zip(masses);
            let fitted_to: Vec<f64> =
                of_times.filter(|(time, _)| times.contains(time)).map(|(_, &mass)| mass).collect();
            fitted.dynamics.set_masses(fitted_to)?;
        }
        fitted.dynamics.set_attribute(report::OPTIONS, &subject.given())?;
        fitted.dynamics.save(&self.output)?;
        output::warn(&fitted.report.warnings);
        let total = started.elapsed().as_secs_f64();
        let options = subject.options();
        if let Some(path) = &self.report {
            self.write_report(path, subject, data, &fitted)?;
        }
        if self.json {
            print_json(&self.as_json(subject, &fitted.report, total))
        } else {
            let parameters = fitted.dynamics.parameter_count();
            print(&format!(
                "{}model: {}, {parameters} parameters",
                summary(options, &fitted.report),
                self.output.display()
            ))
        }
    }

    fn write_report(&self, path: &Path, subject: &Subject, data: &Data, fitted: &method::Fit) -> Result<()> {
        let options = subject.options();
        let section = ModelSection::of_fit(&data.into(), options, fitted, &subject.hold_out)?;
        let page = Page {
            title: format!("{} on {}", options.recipe.name, subject.data.name()),
            notes: vec![],
            comparison: None,
            data,
            models: vec![section],
        };
        report::write(path, &page)
    }

    /// The library's report, and what this call adds to it.
    fn as_json(&self, subject: &Subject, report: &FitReport, total: f64) -> serde_json::Value {
        let options = subject.options();
        let mut json = report.to_json();
        json["method"] = json!(options.recipe.name);
        json["seed"] = json!(options.seed);
        json["seconds"] = json!({
            "coupling": report.coupling_seconds, "training": report.training_seconds, "total": total,
        });
        json["loss"] = json!({ "first": report.losses.first(), "last": report.losses.last() });
        json["held_out"] = json!(subject.hold_out);
        json["model"] = json!(self.output.display().to_string());
        json["peak_memory_bytes"] = json!(output::peak_memory_bytes());
        json
    }
}

/// The data that is trained on.
fn hold_out(snapshots: &Snapshots, times: &[f64]) -> Result<Snapshots> {
    let all = snapshots.times();
    for &time in times {
        let index =
            snapshots.index_of(time).map_err(|error| Failure::Usage(format!("--hold-out: {error}")))?;
        if index == 0 || index == all.len() - 1 {
            let which = if index == 0 { "first" } else { "last" };
            return Err(Failure::Usage(format!(
                "--hold-out: {time} is the {which} time point; only times between the first and the last can be held \
                 out, since the fields are learned between snapshots and not beyond them"
            )));
        }
    }
    Ok(snapshots.without(times)?)
}

/// Fits under a progress bar.
pub fn fit(snapshots: &Snapshots, options: &FitOptions) -> Result<method::Fit> {
    let mut bar = Bar::new(options.recipe.name);
    whole(method::fit(snapshots, options, &mut |progress| bar.show(progress))?)
}

/// Training that broke down is a failure, not a model.
pub fn whole(fitted: method::Fit) -> Result<method::Fit> {
    match fitted.stopped {
        None => Ok(fitted),
        Some(Error::NonFinite(what) | Error::NotConverged(what)) => {
            Err(Failure::Failed(format!("{what}; no model was written")))
        }
        Some(error) => Err(error.into()),
    }
}

/// The members, and how far the fields are off.
fn of_ensemble(ensemble: &EnsembleReport) -> String {
    let EnsembleReport { members, coarse_fits, cheaper_fits, uncertainty, .. } = ensemble;
    let mut text = format!(
        "ensemble: {members} members; beside them, for what bridges add to their errors, {coarse_fits} fits to fewer snapshots and \
         {cheaper_fits} at half and a quarter of the price of growth; the rest tells of the first member\n"
    );
    let Some(errors) = uncertainty else { return text };
    for (name, error) in
        [("velocity", errors.velocity), ("growth", errors.growth), ("score drift", errors.score_drift)]
    {
        let resolution =
            error.resolution.map_or("bridges unknown".into(), |r| format!("bridges {}", short(r)));
        let shrunk = match error.shrinkage {
            1.0 => String::new(),
            0.0 => ", nothing of what members differ by".into(),
            shrinkage => format!(", {} of what members differ by", short(shrinkage)),
        };
        let around = if error.biased { ", around the field less what the price makes wrong" } else { "" };
        text += &format!(
            "error of {name}, in network units of an interval: {} (cells {}{shrunk}, {resolution}){around}\n",
            short(error.total()),
            short(error.shrinkage * error.sampling)
        );
    }
    text
}

fn summary(options: &FitOptions, report: &FitReport) -> String {
    let recipe = &options.recipe;
    let mut text = format!("{}: {}\n", recipe.name, recipe.parts());
    for choice in &report.choices {
        text += &format!("{} = {} ({})\n", choice.name, short(choice.value), choice.rule);
    }
    for (k, (dying, born)) in report.unmatched_mass.iter().enumerate() {
        let of_blocks = match report.couplings[k].len() {
            0 | 1 => String::new(),
            blocks => format!(
                " (the largest of {blocks} blocks; of the whole at the most {})",
                estimate(&report.whole_gaps[k])
            ),
        };
        text += &format!(
            "interval {}: {} pairs, relative gap {}{of_blocks}, unmatched mass {} dying, {} born\n",
            k + 1,
            report.pairs[k],
            short(report.coupling_gap(k)),
            short(*dying),
            short(*born)
        );
    }
    for (k, branch) in report.branches.iter().enumerate() {
        text += &format!(
            "branch {k}: {} cells of mass {}, {} pairs, relative gap {}\n",
            branch.cells,
            short(branch.mass),
            branch.pairs,
            short(branch.relative_gap)
        );
    }
    if let Some(ensemble) = report.ensemble {
        text += &of_ensemble(&ensemble);
    }
    if let Some(told) = growth_beside_branching(report) {
        text += &(told + "\n");
    }
    if let (Some(first), Some(last)) = (report.interpolant_losses.first(), report.interpolant_losses.last()) {
        let steps = report.interpolant_losses.len();
        text += &format!("energy of the paths {} → {} in {steps} steps\n", short(*first), short(*last));
    }
    if let (Some(first), Some(last)) = (report.losses.first(), report.losses.last()) {
        text += &format!("loss {} → {} in {} steps\n", short(*first), short(*last), report.losses.len());
    }
    if let Some(rollout) = &report.rollout {
        let stages = [
            ("pre-training", &rollout.pretraining_losses),
            ("local", &rollout.local_losses),
            ("post-local", &rollout.post_local_losses),
            ("fine-tuning", &rollout.finetuning_losses),
            ("score", &rollout.score_losses),
            ("growth", &rollout.growth_losses),
            ("joint", &rollout.joint_losses),
        ];
        for (stage, losses) in stages {
            if let (Some(first), Some(last)) = (losses.first(), losses.last()) {
                text +=
                    &format!("{stage} loss {} → {} in {} steps\n", short(*first), short(*last), losses.len());
            }
        }
        let terms: Vec<String> = rollout
            .last_terms()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), short(value)))
            .collect();
        if !terms.is_empty() {
            text += &format!("of the last loss: {}, before their weights\n", terms.join(", "));
        }
    }
    text + &format!(
        "coupling {}, training {}\n",
        output::seconds(report.coupling_seconds),
        output::seconds(report.training_seconds)
    )
}
