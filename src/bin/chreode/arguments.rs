//! Arguments that several subcommands share, and how their values are written.

use std::path::PathBuf;

use chreode::dynamics::{Dynamics, Fields};
use chreode::options::{Default, Entry, Kind};
use chreode::simulate::branching::Motion;
use chreode::snapshots::Snapshots;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, ValueEnum};

use crate::failure::{Failure, Result};
use crate::table::{Role, Table, column};

/// A data set and how it is to be read.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// CSV file with a header: a column of times, the others coordinates, one row a cell
    pub data: PathBuf,
    /// The column that holds the times
    ///
    /// Default: samples, else the first column.
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
    /// A column that holds the cells' weights
    ///
    /// Default: every cell weighs 1.
    #[arg(long, value_name = "NAME")]
    pub weight_column: Option<String>,
    /// A column that is no coordinate; may be repeated
    #[arg(long, value_name = "NAME")]
    pub ignore_column: Vec<String>,
    /// The mass of the population at each time point, where the number of cells does not tell it
    ///
    /// Range: one positive number a time point, separated by commas.
    ///
    /// Default: the sum of the weights.
    #[arg(long, value_name = "REALS", value_delimiter = ',', allow_hyphen_values = true)]
    pub masses: Option<Vec<f64>>,
}

/// Cells and what their coordinates are called.
#[derive(Debug)]
pub struct Data {
    pub snapshots: Snapshots,
    pub names: Vec<String>,
}

impl DataArgs {
    pub fn read(&self) -> Result<Data> {
        let table = Table::read(&self.data, f32::MAX.into(), |header| self.roles(header))?;
        let snapshots = Snapshots::new(table.view()?, &table.times, table.weights.as_deref());
        let snapshots =
            snapshots.map_err(|error| Failure::Failed(format!("{}: {error}", self.data.display())))?;
        let snapshots = match &self.masses {
            Some(masses) => snapshots.with_masses(masses)?,
            None => snapshots,
        };
        Ok(Data { snapshots, names: table.names })
    }

    /// The file's name without its folder.
    pub fn name(&self) -> String {
        let name = self.data.file_name().unwrap_or(self.data.as_os_str());
        name.to_string_lossy().into_owned()
    }

    fn roles(&self, header: &[String]) -> Result<Vec<Role>> {
        let time = match &self.time_column {
            Some(name) => column(header, name)?,
            None => column(header, "samples").unwrap_or(0),
        };
        let mut roles = vec![Role::Coordinate; header.len()];
        for name in &self.ignore_column {
            roles[column(header, name)?] = Role::Ignored;
        }
        if let Some(name) = &self.weight_column {
            roles[column(header, name)?] = Role::Weight;
        }
        roles[time] = Role::Time;
        Ok(roles)
    }

    /// Refuses a model of another dimension.
    pub fn check_model(&self, data: &Data, path: &std::path::Path, model: &Dynamics) -> Result<()> {
        if data.names.len() == model.dims() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} is of dimension {}, but {} has {} coordinates ({})",
            path.display(),
            model.dims(),
            self.data.display(),
            data.names.len(),
            data.names.iter().take(5).cloned().collect::<Vec<_>>().join(", ")
                + if data.names.len() > 5 { ", …" } else { "" }
        )))
    }
}

/// How a population is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeName {
    /// Weighted particles along the probability flow
    Ode,
    /// Weighted particles along the diffusion
    Sde,
    /// Particles that divide and die
    Branching,
}

/// Whether branching particles diffuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MotionName {
    /// Drift v + s and noise σ
    Diffusion,
    /// Along v
    Flow,
}

/// A simulation's mode and what it needs.
#[derive(Debug, Args)]
pub struct ModeArgs {
    /// What moves
    #[arg(long, value_enum, default_value = "ode")]
    pub mode: ModeName,
    /// Seed of all random numbers
    #[arg(long, default_value_t = 0, value_name = "SEED")]
    pub seed: u64,
    /// Longest step of sde and branching, in units of time
    ///
    /// Range: positive.
    ///
    /// Default: a hundredth of the mean interval.
    #[arg(long, value_name = "REAL")]
    pub step: Option<f64>,
    /// Branching: rate added to both divisions and deaths, per unit of time
    ///
    /// Range: at least 0.
    #[arg(long, value_name = "REAL", default_value_t = 0.0)]
    pub turnover: f64,
    /// Branching: how cells move between divisions
    ///
    /// Default: diffusion for a model with noise, else flow.
    #[arg(long, value_enum)]
    pub motion: Option<MotionName>,
    /// Branching: the most cells that may live at once
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub max_population: usize,
}

impl ModeArgs {
    /// The step to take between `times`.
    pub fn step(&self, times: &[f64]) -> f64 {
        self.step.unwrap_or_else(|| default_step(times))
    }

    /// The motion of a branching population under `model`.
    pub fn motion(&self, model: &Dynamics) -> Motion {
        match self.motion {
            Some(MotionName::Diffusion) => Motion::Diffusion,
            Some(MotionName::Flow) => Motion::Flow,
            None => default_motion(model),
        }
    }
}

/// A hundredth of the mean interval; of a unit of time where there is no interval.
pub fn default_step(times: &[f64]) -> f64 {
    let span = (times[times.len() - 1] - times[0]).abs();
    if span > 0.0 { span / (times.len() - 1) as f64 / 100.0 } else { 0.01 }
}

/// Without noise the flow is the same process, integrated to a higher order.
pub fn default_motion(model: &Dynamics) -> Motion {
    if model.info().sigma > 0.0 { Motion::Diffusion } else { Motion::Flow }
}

/// The flag of one of the library's options: the meaning, and as further paragraphs its range and a default that is no value.
pub fn flag<T>(entry: &'static Entry<T>) -> Arg {
    let told = entry.describe();
    let dashed = entry.name.replace('_', "-");
    let arg = Arg::new(entry.name).long(dashed).value_name(told.kind.to_uppercase());
    let arg = match entry.default {
        Default::Value(value) => arg.default_value(value),
        Default::Rule(_) => arg,
    };
    let mut long = told.meaning.to_string();
    let arg = match &entry.kind {
        Kind::Name(names, _) => arg.value_parser(PossibleValuesParser::new(*names)),
        _ => {
            long += &format!("\n\nRange: {}.", told.range);
            arg.value_parser(move |text: &str| entry.check(text).map(|()| text.to_string()))
        }
    };
    if let Default::Rule(rule) = entry.default {
        long += &format!("\n\nDefault: {rule}.");
    }
    arg.help(told.meaning).long_help(long)
}

/// The library's refusal of options that do not go together, as a usage error.
pub fn refusal(error: &chreode::Error) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, error)
}
