//! `chreode carry`: cells pushed on to what they become, or pulled back to what they came from, as a file.

use std::path::PathBuf;

use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, descent};
use chreode::model::Dynamics;
use chreode::options::Target;
use chreode::snapshots::Snapshots;
use chreode::transport::coupling::Carry as What;
use chreode::transport::couplings::{Carried, Couplings};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use serde_json::json;

use crate::arguments::Flags;
use crate::cells::{DataArgs, Labelled};
use crate::failure::{Failure, Result};
use crate::output::{check_table_writable, columns, print, print_json, short, warn};
use crate::written::{Values, write_table};

#[derive(Debug, Args)]
pub struct Carry {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// The column that holds the cells' labels: the cells of each label at the time --from are carried for themselves
    ///
    /// Default: all cells together.
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// A label whose cells are carried; may be repeated
    ///
    /// Default: every label that cells at the time --from have.
    #[arg(long, value_name = "LABEL", requires = "label_column")]
    label: Vec<String>,
    /// What cells are carried along: the dynamics, by simulation; or the couplings of the fit, which a model keeps that was fitted with
    /// --keep-couplings, for the cells that it was fitted to
    #[arg(long, value_enum, default_value_t)]
    through: Through,
    /// What is carried: share, where a random unit of the mass goes or came from, without growth, so that what arrives and what is lost
    /// add up to what there was; or mass, with its growth
    #[arg(long = "as", value_name = "WHAT", value_enum, default_value_t)]
    what: Shape,
    #[command(flatten)]
    options: Options,
    /// Where to write what arrives, one row a cell at the time --to: its name or its row, from 1, its time, and the mass on it, mass_L of each
    /// label L
    ///
    /// By the end of its name a table (.csv, .tsv, either with .gz), Parquet (.parquet) or NumPy's array (.npy) of records.
    #[arg(short, long, value_name = "OUT.csv")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Through {
    #[default]
    Dynamics,
    Couplings,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shape {
    #[default]
    Share,
    Mass,
}

/// The options of fates, by which cells are simulated, and which of them were given.
#[derive(Debug)]
struct Options {
    fates: FateOptions,
    given: Vec<&'static str>,
}

impl Args for Options {
    fn augment_args(command: clap::Command) -> clap::Command {
        let told = |what: &'static str, range: &str, default: &str| {
            let long = format!("{what}\n\nRange: {range}.\n\nDefault: {default}.");
            move |arg: clap::Arg| arg.help(what).long_help(long)
        };
        let onwards = "The time that they are carried to: a later one onwards, an earlier one back";
        let near = "The nearest cells that say where a descendant is, each by its share of their weight";
        Flags::<FateOptions>::augment_args(command)
            .mut_arg("from", told("The time of the cells that are carried", "finite", "the first time"))
            .mut_arg("to", told(onwards, "finite", "the last time"))
            .mut_arg("neighbours", told(near, "at least 1", "10, or all cells where they are fewer"))
            // Ensembles are asked by their mean fields.
            .mut_arg("error_bars", |arg| arg.hide(true))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let names = FateOptions::ENTRIES.iter().map(|entry| entry.name).filter(|name| *name != "threads");
        let is_given = |name: &&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        let given = names.filter(is_given).collect();
        Ok(Self { fates: Flags::<FateOptions>::from_arg_matches(matches)?.0, given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Cells that are carried for themselves.
struct Group {
    /// Their label; none of all cells.
    label: Option<String>,
    /// The mass on each cell.
    masses: Vec<f64>,
}

impl Carry {
    pub fn run(self) -> Result<()> {
        if self.options.given.contains(&"error_bars") {
            let told = "--error-bars: the members of an ensemble are not asked one by one";
            return Err(Failure::Usage(told.into()));
        }
        let model = Dynamics::load(&self.model)?;
        let mut cells = match &self.label_column {
            Some(column) => self.data.read_labelled_for(&self.model, &model, column)?,
            None => self.data.read_unlabelled_for(&self.model, &model)?,
        };
        cells.data = cells.data.with_masses_of(&model, &self.data)?;
        check_table_writable(&self.output)?;
        let snapshots = &cells.data.snapshots;
        let options = &self.options.fates;
        let last = snapshots.len() - 1;
        let number = |name: &str, time: f64| {
            snapshots.index_of(time).map_err(|error| Failure::Usage(format!("--{name}: {error}")))
        };
        let from = options.from.map_or(Ok(0), |time| number("from", time))?;
        let to = options.to.map_or(Ok(last), |time| number("to", time))?;
        if from == to {
            let time = snapshots.times()[to];
            return Err(Failure::Usage(format!(
                "--to {time}: the cells are of that time; carry them to another one"
            )));
        }
        let groups = self.groups(&cells, from)?;
        let (couplings, warnings) = match self.through {
            Through::Couplings => (self.kept(&model)?, vec![]),
            Through::Dynamics => {
                let times = [from.min(to), from.max(to)].map(|k| Some(snapshots.times()[k]));
                let options = FateOptions { from: times[0], to: times[1], ..*options };
                let found = descent(&model, snapshots, &options, &Stop::default())?;
                (found.couplings, found.warnings)
            }
        };
        warn(&warnings);
        let number = |k: usize| number_of(&couplings, snapshots.times()[k]);
        let (a, b) = (number(from)?, number(to)?);
        if self.through == Through::Couplings {
            (a.min(b)..=a.max(b)).try_for_each(|k| self.check_cells(&couplings, k, snapshots))?;
        }
        let what = match self.what {
            Shape::Share => What::Share,
            Shape::Mass => What::Mass,
        };
        let carried = groups.iter().map(|group| Ok(couplings.carry(a, b, &group.masses, what)?));
        let carried = carried.collect::<Result<Vec<Carried>>>()?;
        let written = self.write(&cells, to, &groups, &carried)?;
        self.tell(snapshots, (from, to), &groups, &carried, &warnings, &written)
    }

    /// The cells of each label at the snapshot `from`, by their weights.
    fn groups(&self, cells: &Labelled, from: usize) -> Result<Vec<Group>> {
        let snapshots = &cells.data.snapshots;
        let weights = snapshots.weights(from);
        if self.label_column.is_none() {
            return Ok(vec![Group { label: None, masses: weights.to_vec() }]);
        }
        let first: usize = (0..from).map(|k| snapshots.count(k)).sum();
        let of = |cell: usize| cells.labels.get(first + cell);
        let mut present: Vec<u32> = (0..weights.len()).filter_map(of).collect();
        present.sort_unstable();
        present.dedup();
        let name = |label: &u32| cells.names[*label as usize].clone();
        let time = snapshots.times()[from];
        if let Some(unknown) = self.label.iter().find(|label| !present.iter().any(|p| name(p) == **label)) {
            let known: Vec<String> = present.iter().map(name).collect();
            return Err(Failure::Usage(format!(
                "--label {unknown}: no cell at time {time} has it; there are {}",
                crate::table::listed(&known)
            )));
        }
        if present.is_empty() {
            return Err(Failure::Failed(format!("no cell at time {time} has a label")));
        }
        let asked = present.into_iter().filter(|l| self.label.is_empty() || self.label.contains(&name(l)));
        let masses = |label: u32| {
            let mass = |(cell, &weight): (usize, &f64)| if of(cell) == Some(label) { weight } else { 0.0 };
            weights.iter().enumerate().map(mass).collect()
        };
        Ok(asked.map(|label| Group { label: Some(name(&label)), masses: masses(label) }).collect())
    }

    /// The couplings that the model keeps.
    fn kept(&self, model: &Dynamics) -> Result<Couplings> {
        if let Some(name) = self.options.given.iter().find(|name| !["from", "to"].contains(*name)) {
            return Err(Failure::Usage(format!(
                "--{}: nothing is simulated with --through couplings",
                name.replace('_', "-")
            )));
        }
        let kept = model.couplings().ok_or_else(|| {
            Failure::Failed(format!(
                "{} keeps no couplings: fit it with --keep-couplings, or carry cells --through dynamics",
                self.model.display()
            ))
        })?;
        Ok(kept.clone())
    }

    /// Refuses other cells than those that were coupled, as far as their numbers tell.
    fn check_cells(&self, couplings: &Couplings, k: usize, snapshots: &Snapshots) -> Result<()> {
        let time = couplings.times()[k];
        let (coupled, there) = (couplings.counts()[k], snapshots.count(snapshots.index_of(time)?));
        if coupled == there {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} has {there} cells at time {time}, but the couplings of {} are of {coupled}: the cells of the fit are needed, in their order",
            self.data.name(),
            self.model.display()
        )))
    }

    fn write(&self, cells: &Labelled, to: usize, groups: &[Group], carried: &[Carried]) -> Result<String> {
        let snapshots = &cells.data.snapshots;
        let first: usize = (0..to).map(|k| snapshots.count(k)).sum();
        // As they stand in the data.
        let mut order: Vec<usize> = (0..snapshots.count(to)).collect();
        order.sort_by_key(|&cell| cells.rows[first + cell]);
        let named = order.iter().map(|&cell| cells.called(first + cell)).collect();
        let mut columns = vec![
            ("cell".to_string(), Values::Text(named)),
            ("time".to_string(), Values::Real(vec![snapshots.times()[to]; order.len()])),
        ];
        for (group, carried) in groups.iter().zip(carried) {
            let name = group.label.as_ref().map_or("mass".into(), |label| format!("mass_{label}"));
            columns.push((name, Values::Real(order.iter().map(|&cell| carried.masses[cell]).collect())));
        }
        write_table(&self.output, columns, order.len())
    }

    fn tell(
        &self,
        snapshots: &Snapshots,
        (from, to): (usize, usize),
        groups: &[Group],
        carried: &[Carried],
        warnings: &[String],
        written: &str,
    ) -> Result<()> {
        let of = groups.iter().zip(carried);
        let sums = |(group, carried): (&Group, &Carried)| {
            // From 0: the sum of no numbers is −0.
            let sum = |masses: &[f64]| masses.iter().fold(0.0, |sum, mass| sum + mass);
            (group.label.clone(), [sum(&group.masses), sum(&carried.masses), sum(&carried.lost)])
        };
        let [from, to] = [from, to].map(|k| snapshots.times()[k]);
        if self.json {
            let told = |(label, [mass, arrived, _]): (Option<String>, [f64; 3]), lost: &[f64]| json!({ "label": label, "mass": mass, "arrived": arrived, "lost": lost });
            return print_json(&json!({
                "from": from,
                "to": to,
                "carried": of.map(|(g, c)| told(sums((g, c)), &c.lost)).collect::<Vec<_>>(),
                "warnings": warnings,
                "output": self.output.display().to_string(),
            }));
        }
        let row = |(label, masses): (Option<String>, [f64; 3])| {
            std::iter::once(label.unwrap_or("all".into())).chain(masses.map(short)).collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = of.map(sums).map(row).collect();
        let text = columns(&["cells", "mass", "arrived", "lost"], &rows);
        print(&format!("from {from} to {to}\n{text}masses: {written}"))
    }
}

/// The number of a time among those of couplings.
fn number_of(couplings: &Couplings, time: f64) -> Result<usize> {
    couplings.times().iter().position(|&known| known == time).ok_or_else(|| {
        Failure::Failed(format!(
            "there are no couplings of time {time}: they are of the times {:?}",
            couplings.times()
        ))
    })
}
