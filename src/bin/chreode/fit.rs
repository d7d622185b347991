//! `chreode fit`: cells in, model out, and what was chosen on the way.

use std::path::PathBuf;
use std::time::Instant;

use chreode::Error;
use chreode::matching::{IntervalWeighting, TrainingOptions};
use chreode::method::{self, BridgeKind, CouplingKind, FitOptions, FitReport, Method, Recipe};
use chreode::nn::Activation;
use chreode::snapshots::Snapshots;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::arguments::{Data, DataArgs, Widths, by_name};
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

/// What is fitted, and how. `chreode options` prints this list, of which the second and third paragraphs are range and
/// default.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// The published method (chreode methods)
    #[arg(long, default_value_t = Method::WfrFm, value_parser = by_name::<Method>(Method::ALL.iter().map(|m| m.as_str())))]
    method: Method,
    /// A coupling of free choice, with --bridge, instead of a method
    #[arg(long, requires = "bridge", conflicts_with = "method",
        value_parser = by_name::<CouplingKind>(CouplingKind::ALL.iter().map(|c| c.as_str())))]
    coupling: Option<CouplingKind>,
    /// A bridge of free choice, with --coupling, instead of a method
    #[arg(long, requires = "coupling", conflicts_with = "method",
        value_parser = by_name::<BridgeKind>(BridgeKind::ALL.iter().map(|b| b.as_str())))]
    bridge: Option<BridgeKind>,
    /// δ of the Wasserstein–Fisher–Rao metric, a length: cells farther apart than πδ are never matched
    ///
    /// Range: positive.
    ///
    /// Default: the largest 99 % quantile of nearest-neighbour distances between consecutive snapshots.
    #[arg(long, value_name = "REAL")]
    delta: Option<f64>,
    /// Diffusion σ, a length per square root of time
    ///
    /// Range: positive.
    ///
    /// Default: so that σ√h is 3 % (sf2m: 10 %) of the spread of a coordinate, h the mean interval.
    #[arg(long, value_name = "REAL")]
    sigma: Option<f64>,
    /// λ of branching Brownian motion, per unit of time; λ = σ²/δ², so two of the three are enough
    ///
    /// Range: positive.
    ///
    /// Default: from σ and δ.
    #[arg(long, value_name = "REAL")]
    branching_rate: Option<f64>,
    /// ρ of uot-fm and vgfm, a squared length: what it costs to create or destroy mass
    ///
    /// Range: positive.
    ///
    /// Default: 2δ².
    #[arg(long, value_name = "REAL")]
    penalty: Option<f64>,
    /// Couple in random blocks of at most this many cells a side, to bound memory
    ///
    /// Range: at least 1.
    ///
    /// Default: all cells at once.
    #[arg(long, value_name = "COUNT")]
    chunk_size: Option<usize>,
    /// Training steps
    ///
    /// Range: at least 1.
    #[arg(long, value_name = "COUNT", default_value_t = TrainingOptions::default().epochs)]
    epochs: usize,
    /// Pairs of cells drawn a step, for each interval
    ///
    /// Range: at least 1.
    #[arg(long, value_name = "COUNT", default_value_t = TrainingOptions::default().batch_size)]
    batch_size: usize,
    /// Seed of all random numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Hidden layers of the velocity network: 256x5, or a list of widths 256,128,64
    #[arg(long, value_name = "WIDTHS", default_value_t = Widths(TrainingOptions::default().hidden))]
    hidden: Widths,
    /// Hidden layers of the growth network
    ///
    /// Default: 256x3; usb: as --hidden.
    #[arg(long, value_name = "WIDTHS")]
    growth_hidden: Option<Widths>,
    /// Hidden layers of the score network
    ///
    /// Default: as --hidden.
    #[arg(long, value_name = "WIDTHS")]
    score_hidden: Option<Widths>,
    /// Function of the hidden units
    #[arg(long, default_value_t = TrainingOptions::default().activation, value_parser = by_name::<Activation>(Activation::ALL.iter().map(|a| a.as_str())))]
    activation: Activation,
    /// Adam's learning rate at the first step
    ///
    /// Range: positive.
    #[arg(long, value_name = "REAL", default_value_t = TrainingOptions::default().learning_rate)]
    learning_rate: f64,
    /// The learning rate that half a cosine leads down to; equal to --learning-rate, it stays constant
    ///
    /// Range: positive.
    #[arg(long, value_name = "REAL", default_value_t = TrainingOptions::default().final_learning_rate.unwrap_or(1e-5))]
    final_learning_rate: f64,
    /// Decay of the moving average of the parameters, which is the model; 0 for the last parameters
    ///
    /// Range: at least 0, below 1.
    #[arg(long, value_name = "REAL", default_value_t = TrainingOptions::default().ema)]
    ema: f64,
    /// Clip the gradient's norm to this
    ///
    /// Range: positive.
    ///
    /// Default: no clipping.
    #[arg(long, value_name = "REAL")]
    clip: Option<f64>,
    /// How much an interval counts in the loss
    #[arg(long, value_enum, default_value = "uniform")]
    interval_weighting: Weighting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Weighting {
    /// All intervals the same
    Uniform,
    /// By the mass at its start
    Mass,
}

impl FitArgs {
    fn options(&self) -> FitOptions {
        let mut options = FitOptions::new(self.method);
        if let Some((coupling, bridge)) = self.coupling.zip(self.bridge) {
            options.recipe = Recipe::custom(coupling, bridge);
        }
        let widths = |given: &Option<Widths>| given.as_ref().map(|Widths(widths)| widths.clone());
        options.delta = self.delta;
        options.sigma = self.sigma;
        options.branching_rate = self.branching_rate;
        options.penalty = self.penalty;
        options.chunk_size = self.chunk_size;
        options.seed = self.seed;
        options.training = TrainingOptions {
            epochs: self.epochs,
            batch_size: self.batch_size,
            hidden: self.hidden.0.clone(),
            growth_hidden: widths(&self.growth_hidden).or(options.training.growth_hidden),
            score_hidden: widths(&self.score_hidden),
            activation: self.activation,
            learning_rate: self.learning_rate,
            final_learning_rate: Some(self.final_learning_rate),
            ema: self.ema,
            clip: self.clip,
            interval_weighting: match self.interval_weighting {
                Weighting::Uniform => IntervalWeighting::Uniform,
                Weighting::Mass => IntervalWeighting::Mass,
            },
        };
        options
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
        let options = self.options.options();
        let fitted = fit(&training, &options)?;
        fitted.dynamics.save(&self.output)?;
        let total = started.elapsed().as_secs_f64();
        if let Some(path) = &self.report {
            self.write_report(path, &data, &options, &fitted)?;
        }
        if self.json {
            print_json(&json(&options, &fitted.report, total, &self))
        } else {
            let parameters = fitted.dynamics.parameter_count();
            print(&format!(
                "{}model: {}, {parameters} parameters",
                summary(&options, &fitted.report),
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

/// What was chosen: (name, value, by which rule).
pub fn choices(options: &FitOptions, report: &FitReport) -> Vec<(&'static str, f64, String)> {
    let given =
        |given: Option<f64>, rule: &str| if given.is_some() { "given".to_string() } else { rule.to_string() };
    let from_rate =
        |rule: &'static str| if options.branching_rate.is_some() { "from δ² = σ²/λ" } else { rule };
    let sigma_rule = if options.recipe.bridge == BridgeKind::PoissonBrownian {
        "σ√h is 3 % of the spread of a coordinate, h the mean interval"
    } else {
        "σ√h is 10 % of the spread of a coordinate, h the mean interval"
    };
    let delta_rule = "largest 99 % quantile of nearest-neighbour distances between consecutive snapshots";
    let mut all = vec![];
    let mut add = |name, value: Option<f64>, rule| all.extend(value.map(|value| (name, value, rule)));
    add("delta", report.delta, given(options.delta, from_rate(delta_rule)));
    let sigma_rule = if options.delta.is_some() { from_rate(sigma_rule) } else { sigma_rule };
    add("sigma", report.sigma, given(options.sigma, sigma_rule));
    add("branching rate", report.branching_rate, given(options.branching_rate, "σ²/δ²"));
    add("penalty", report.penalty, given(options.penalty, "2δ²"));
    all
}

fn summary(options: &FitOptions, report: &FitReport) -> String {
    let recipe = &options.recipe;
    let mut text = format!("{}: coupling {}, bridge {}\n", recipe.name, recipe.coupling, recipe.bridge);
    for (name, value, rule) in choices(options, report) {
        text += &format!("{name} = {} ({rule})\n", short(value));
    }
    for (k, (dying, born)) in report.unmatched_mass.iter().enumerate() {
        text += &format!(
            "interval {}: {} pairs, relative gap {}, unmatched mass {} dying, {} born\n",
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
    text + &format!(
        "coupling {}, training {}\n",
        output::seconds(report.coupling_seconds),
        output::seconds(report.training_seconds)
    )
}
