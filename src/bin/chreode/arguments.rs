//! Arguments that several subcommands share, and how their values are written.

use std::path::PathBuf;

use chreode::fields::Fields;
use chreode::model::Dynamics;
use chreode::options::{Entry, IfUnset, Kind, Settings, Target};
use chreode::snapshots::Snapshots;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches};

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

/// One of the library's lists of options as flags, but for `threads`, which the command takes before its subcommands.
#[derive(Debug)]
pub struct Flags<T>(pub T);

impl<T: Target> Flags<T> {
    fn entries() -> impl Iterator<Item = &'static Entry<T>> {
        T::ENTRIES.iter().filter(|entry| entry.name != "threads")
    }
}

impl<T: Target> Args for Flags<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        Self::entries().map(flag).fold(command, clap::Command::arg)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<T: Target> FromArgMatches for Flags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut settings = Settings::<T>::default();
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        for entry in Self::entries().filter(|entry| given(entry.name)) {
            let text = matches.get_one::<String>(entry.name).map_or("", String::as_str);
            settings.set(entry.name, text).map_err(|error| refusal(&error))?;
        }
        Ok(Self(settings.build().map_err(|error| refusal(&error))?))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of one of the library's options: the meaning, and as further paragraphs who takes it, its range and a default that is
/// not one value.
pub fn flag<T: Target>(entry: &'static Entry<T>) -> Arg {
    let told = entry.describe();
    let dashed = entry.name.replace('_', "-");
    let arg = Arg::new(entry.name).long(dashed).value_name(told.kind.to_uppercase());
    let one_value = match entry.default {
        IfUnset::Value(_) => true,
        IfUnset::Rule(_) => false,
        IfUnset::Brought(..) => told.other_defaults.is_empty() && entry.check(&told.default).is_ok(),
    };
    let meaning = told.meaning_and_takers();
    let mut long = meaning.clone();
    let arg = match &entry.kind {
        Kind::Name(names, _) => arg.value_parser(PossibleValuesParser::new(*names)),
        // `--name` alone switches on.
        Kind::Switch(_) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        _ => {
            long += &format!("\n\nRange: {}.", told.range);
            arg.value_parser(move |text: &str| entry.check(text).map(|()| text.to_string()))
        }
    };
    let arg = if one_value {
        arg.default_value(told.default)
    } else {
        long += &format!("\n\nDefault: {}.", told.defaults());
        arg
    };
    arg.help(meaning).long_help(long)
}

/// The library's refusal of options that do not go together, as a usage error.
pub fn refusal(error: &chreode::Error) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, error)
}
