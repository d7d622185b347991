//! `chreode evaluate`: how well a model predicts every later snapshot from the first.

use std::path::PathBuf;

use chreode::datasets::GeneNetwork;
use chreode::evaluate::ensemble::evaluate_model;
use chreode::evaluate::mass::growth_correlation;
use chreode::evaluate::protocol::Protocol;
use chreode::evaluate::{Evaluation, EvaluationOptions, MemberErrors, Statistic, TimePoint};
use chreode::exec::stop::Stop;
use chreode::model::Dynamics;
use chreode::simulate::simulation::Process;
use chreode::snapshots::Snapshots;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::arguments::Flags;
use crate::cells::DataArgs;
use crate::failure::{Failure, Result};
use crate::output::{columns, print, print_json, short, warn};

#[derive(Debug, Args)]
pub struct Evaluate {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    protocol: Flags<Protocol>,
    /// Correlate the growth rate with the true one of a built-in data set
    #[arg(long, value_enum)]
    growth_correlation: Option<Truth>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Data sets with a known growth rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Truth {
    /// x2²/(1 + x2²)
    GeneNetwork,
}

impl Evaluate {
    pub fn run(self) -> Result<()> {
        let model = Dynamics::load(&self.model)?;
        let data = self.data.read_for(&self.model, &model)?.with_masses_of(&model, &self.data)?;
        let snapshots = &data.snapshots;
        let options = self.protocol.0.options(&model, snapshots)?;
        let correlation =
            self.growth_correlation.map(|truth| correlation(truth, &model, snapshots)).transpose()?;
        let error_bars = self.protocol.0.simulation.error_bars;
        let evaluation = evaluate_model(&model, snapshots, &options, error_bars, &Stop::default())?;
        warn(&evaluation.warnings);
        if self.json {
            print_json(&self.as_json(&evaluation, correlation))
        } else {
            print(&self.as_text(&evaluation, &options, correlation))
        }
    }

    fn is_stochastic(&self) -> bool {
        self.protocol.0.simulation.process != Process::Ode
    }

    fn as_json(&self, evaluation: &Evaluation, correlation: Option<f64>) -> Value {
        let time_point = |point: &TimePoint| {
            let mut value = json!({
                "time": point.time, "w1": point.w1.mean, "w2": point.w2.mean, "rme": point.rme.mean,
            });
            if self.is_stochastic() {
                value["w1_sd"] = json!(point.w1.sd);
                value["w2_sd"] = json!(point.w2.sd);
                value["rme_sd"] = json!(point.rme.sd);
            }
            if let Some(sampled) = point.sampled {
                value["w1_cells"] = json!(sampled.cells);
                value["w1_se"] = json!(sampled.w1_se);
                value["w2_se"] = json!(sampled.w2_se);
                value["w1_floor"] = json!(sampled.w1_floor);
                value["w2_floor"] = json!(sampled.w2_floor);
            }
            if let Some(errors) = point.errors {
                value["w1_error"] = json!(errors.w1);
                value["w2_error"] = json!(errors.w2);
                value["rme_error"] = json!(errors.rme);
            }
            value
        };
        let mut value = json!({
            "time_points": evaluation.time_points.iter().map(time_point).collect::<Vec<_>>(),
            "mean_w1": evaluation.mean_w1.mean,
            "mean_rme": evaluation.mean_rme.mean,
            "action": evaluation.action,
            "regularised_action": evaluation.regularised_action,
            "warnings": evaluation.warnings,
        });
        if self.is_stochastic() {
            value["w1_sd"] = json!(evaluation.mean_w1.sd);
            value["rme_sd"] = json!(evaluation.mean_rme.sd);
            value["runs"] = json!(self.protocol.0.runs);
        }
        if let Some(correlation) = correlation {
            value["growth_correlation"] = json!(correlation);
        }
        value
    }

    fn as_text(
        &self,
        evaluation: &Evaluation,
        options: &EvaluationOptions,
        correlation: Option<f64>,
    ) -> String {
        let mut text = measures(evaluation, self.is_stochastic());
        text += &format!("action {} (δ = {})\n", short(evaluation.action), short(options.delta));
        if let Some(action) = evaluation.regularised_action {
            text += &format!("action of the diffusion, at the fit's own price of growth {}\n", short(action));
        }
        if let Some(correlation) = correlation {
            text += &format!("growth correlation {correlation:.4}\n");
        }
        text
    }
}

/// The measures of every time point as a table.
///
/// Where distances are means over samples, with their standard errors, and with the floor that they are to be held against.
pub fn measures(evaluation: &Evaluation, stochastic: bool) -> String {
    let is_sampled = evaluation.time_points.iter().any(|point| point.sampled.is_some());
    let show = |s: Statistic| {
        if stochastic { format!("{} ± {}", short(s.mean), short(s.sd)) } else { short(s.mean) }
    };
    let row = |point: &TimePoint| {
        let with_error = |s: Statistic, error: fn(MemberErrors) -> f64| match point.errors {
            // Over the members of an ensemble, not over runs.
            Some(errors) => format!("{} (error {})", show(s), short(error(errors))),
            None => show(s),
        };
        let distance = |s: Statistic, error: fn(MemberErrors) -> f64, sampled: Option<[f64; 2]>| match sampled
        {
            Some([se, _]) => format!("{} (sampling {})", with_error(s, error), short(se)),
            None => with_error(s, error),
        };
        let of_w1 = point.sampled.map(|of| [of.w1_se, of.w1_floor]);
        let of_w2 = point.sampled.map(|of| [of.w2_se, of.w2_floor]);
        let mut row = vec![
            point.time.to_string(),
            distance(point.w1, |errors| errors.w1, of_w1),
            distance(point.w2, |errors| errors.w2, of_w2),
            with_error(point.rme, |errors| errors.rme),
        ];
        if is_sampled {
            let floor = |of: Option<[f64; 2]>| match of {
                Some([_, floor]) if !floor.is_nan() => short(floor),
                _ => String::new(),
            };
            row.extend([floor(of_w1), floor(of_w2)]);
        }
        row
    };
    let mut rows: Vec<Vec<String>> = evaluation.time_points.iter().map(row).collect();
    rows.push(vec!["mean".into(), show(evaluation.mean_w1), String::new(), show(evaluation.mean_rme)]);
    let mut header = vec!["time", "W1", "W2", "RME"];
    if is_sampled {
        header.extend(["floor of W1", "floor of W2"]);
        let last = rows.len() - 1;
        rows[last].resize(header.len(), String::new());
    }
    columns(&header, &rows)
}

fn correlation(truth: Truth, model: &Dynamics, snapshots: &Snapshots) -> Result<f64> {
    let Truth::GeneNetwork = truth;
    if snapshots.dims() != 2 {
        let dims = snapshots.dims();
        return Err(Failure::Failed(format!("the gene network has 2 coordinates, the data {dims}")));
    }
    Ok(growth_correlation(model, snapshots, |_, point| GeneNetwork::growth_shape(point), &Stop::default())?)
}
