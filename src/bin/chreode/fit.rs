//! `chreode fit`: cells in, model out, and what was chosen on the way.

use std::path::PathBuf;
use std::time::Instant;

use chreode::Error;
use chreode::method::{self, FitOptions, FitReport, Learning, Recipe};
use chreode::snapshots::Snapshots;
use clap::{ArgMatches, Args, FromArgMatches};
use serde_json::json;

use crate::arguments::{Data, DataArgs, Flags};
use crate::failure::{Failure, Result};
use crate::output::{self, check_writable, print, print_json, short};
use crate::progress::Bar;
use crate::report::{self, ModelSection, Page};

#[derive(Debug, Args)]
pub struct Fit {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    options: FitArgs,
    /// Train without the snapshot at this time; may be repeated. The first and the last cannot be held out
    #[arg(long, value_name = "TIME")]
    hold_out: Vec<f64>,
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL")]
    output: PathBuf,
    /// Also write a page of pictures and figures
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is fitted, and how.
#[derive(Debug)]
pub struct FitArgs(FitOptions);

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
        Flags::from_arg_matches(matches).map(|Flags(options)| Self(options))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Fit {
    pub fn run(self) -> Result<()> {
        let started = Instant::now();
        let data = self.data.read()?;
        let training = hold_out(&data.snapshots, &self.hold_out)?;
        for path in std::iter::once(&self.output).chain(&self.report) {
            check_writable(path)?;
        }
        let FitArgs(options) = &self.options;
        let fitted = fit(&training, options)?;
        fitted.dynamics.save(&self.output)?;
        let total = started.elapsed().as_secs_f64();
        if let Some(path) = &self.report {
            self.write_report(path, &data, options, &fitted)?;
        }
        if self.json {
            print_json(&json(options, &fitted.report, total, &self))
        } else {
            let parameters = fitted.dynamics.parameter_count();
            print(&format!(
                "{}model: {}, {parameters} parameters",
                summary(options, &fitted.report),
                self.output.display()
            ))
        }
    }

    fn write_report(
        &self,
        path: &std::path::Path,
        data: &Data,
        options: &FitOptions,
        fitted: &method::Fit,
    ) -> Result<()> {
        let section = ModelSection::new(&data.snapshots, options, fitted, &self.hold_out)?;
        let page = Page {
            title: format!("{} on {}", options.recipe.name, self.data.name()),
            notes: vec![],
            comparison: None,
            data,
            models: vec![section],
        };
        report::write(path, &page)
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

/// Fits under a progress bar. Training that broke down is a failure, not a model.
pub fn fit(snapshots: &Snapshots, options: &FitOptions) -> Result<method::Fit> {
    let mut bar = Bar::new(&options.recipe.name);
    let fitted = method::fit(snapshots, options, &mut |progress| bar.show(progress))?;
    match fitted.stopped {
        None => Ok(fitted),
        Some(Error::NonFinite(what)) => Err(Failure::Failed(format!("{what}; no model was written"))),
        Some(error) => Err(error.into()),
    }
}

fn json(options: &FitOptions, report: &FitReport, total: f64, call: &Fit) -> serde_json::Value {
    let unmatched: Vec<f64> = report.unmatched_mass.iter().map(|(dying, born)| dying + born).collect();
    json!({
        "method": options.recipe.name,
        "delta": report.delta,
        "sigma": report.sigma,
        "branching_rate": report.branching_rate,
        "penalty": report.penalty,
        "epochs": report.losses.len(),
        "seed": options.seed,
        "seconds": { "coupling": report.coupling_seconds, "training": report.training_seconds, "total": total },
        "loss": { "first": report.losses.first(), "last": report.losses.last() },
        "terms": report.rollout.as_ref().and_then(|rollout| rollout.terms.last()).map(|terms| json!({
            "transport": terms.transport, "mass": terms.mass, "local_mass": terms.local_mass,
            "energy": terms.energy, "residual": terms.residual, "initial_density": terms.initial_density,
        })),
        "unmatched_mass": unmatched,
        "pairs": report.pairs,
        "coupling_gap": (0..report.couplings.len()).map(|k| coupling_gap(report, k)).collect::<Vec<_>>(),
        "held_out": call.hold_out,
        "model": call.output.display().to_string(),
        "peak_memory_bytes": output::peak_memory_bytes(),
    })
}

/// The largest duality gap of an interval's blocks, relative to the block's optimum.
pub fn coupling_gap(report: &FitReport, interval: usize) -> f64 {
    let gap = |block: &chreode::transport::Report| {
        if block.primal != 0.0 { (block.gap / block.primal).abs() } else { block.gap.abs() }
    };
    report.couplings[interval].iter().map(gap).fold(0.0, f64::max)
}

/// How a method learns, in words.
pub fn learning(recipe: &Recipe) -> String {
    match recipe.learning {
        Learning::Matching { coupling, bridge } => format!("coupling {coupling}, bridge {bridge}"),
        Learning::Rollout(_) => "rolled-out particles".into(),
    }
}

/// What was chosen: (name, value, by which rule).
pub fn choices(options: &FitOptions, report: &FitReport) -> Vec<(&'static str, f64, String)> {
    let given =
        |given: Option<f64>, rule: &str| if given.is_some() { "given".to_string() } else { rule.to_string() };
    let share = options.recipe.learning.default_noise().unwrap_or(0.1);
    let sigma_rule =
        format!("σ√h is {:.0} % of the spread of a coordinate, h the mean interval", 100.0 * share);
    let delta_rule = "largest 99 % quantile of nearest-neighbour distances between consecutive snapshots";
    let from_rate = |rule| if options.branching_rate.is_some() { "from δ² = σ²/λ" } else { rule };
    let mut all = vec![];
    let mut add = |name, value: Option<f64>, rule| all.extend(value.map(|value| (name, value, rule)));
    add("delta", report.delta, given(options.delta, from_rate(delta_rule)));
    let sigma_rule = if options.delta.is_some() { from_rate(&sigma_rule) } else { &sigma_rule };
    add("sigma", report.sigma, given(options.sigma, sigma_rule));
    add("branching rate", report.branching_rate, given(options.branching_rate, "σ²/δ²"));
    add("penalty", report.penalty, given(options.penalty, "2δ²"));
    all
}

fn summary(options: &FitOptions, report: &FitReport) -> String {
    let recipe = &options.recipe;
    let mut text = format!("{}: {}\n", recipe.name, learning(recipe));
    for (name, value, rule) in choices(options, report) {
        text += &format!("{name} = {} ({rule})\n", short(value));
    }
    for (k, (dying, born)) in report.unmatched_mass.iter().enumerate() {
        let of_blocks = match report.couplings[k].len() {
            0 | 1 => String::new(),
            blocks => format!(" within each of {blocks} blocks"),
        };
        text += &format!(
            "interval {}: {} pairs, relative gap {}{of_blocks}, unmatched mass {} dying, {} born\n",
            k + 1,
            report.pairs[k],
            short(coupling_gap(report, k)),
            short(*dying),
            short(*born)
        );
    }
    if let (Some(first), Some(last)) = (report.losses.first(), report.losses.last()) {
        text += &format!("loss {} → {} in {} steps\n", short(*first), short(*last), report.losses.len());
    }
    if let Some(rollout) = &report.rollout {
        let stages = [("pre-training", &rollout.pretraining_losses), ("score", &rollout.score_losses)];
        for (stage, losses) in stages {
            if let (Some(first), Some(last)) = (losses.first(), losses.last()) {
                text +=
                    &format!("{stage} loss {} → {} in {} steps\n", short(*first), short(*last), losses.len());
            }
        }
        text += &rollout.terms.last().map_or_else(String::new, |terms| {
            format!(
                "of the last loss: transport {}, mass {}, local mass {}, energy {}, residual {}, initial density {}, \
                 before their weights\n",
                short(terms.transport),
                short(terms.mass),
                short(terms.local_mass),
                short(terms.energy),
                short(terms.residual),
                short(terms.initial_density)
            )
        });
    }
    text + &format!(
        "coupling {}, training {}\n",
        output::seconds(report.coupling_seconds),
        output::seconds(report.training_seconds)
    )
}
