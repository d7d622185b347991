//! `chreode fates`: what cells become, by labels of later cells, as a file.

use std::path::PathBuf;

use chreode::exec::stop::Stop;
use chreode::fates::{Estimates, FateOptions, Transitions, fates_of_model};
use chreode::model::Dynamics;
use clap::Args;
use serde_json::{Value, json};

use crate::arguments::Flags;
use crate::cells::{DataArgs, Labelled};
use crate::failure::Result;
use crate::output::{check_table_writable, columns, print, print_json, short, warn};
use crate::written::{Values, write_table};

#[derive(Debug, Args)]
pub struct Fates {
    /// The model
    model: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// The column that holds the cells' labels: their types, clusters, fates
    ///
    /// Cells without one (empty, NA) tell nothing. Those of the time --to say what descendants are; those of other times, where their mass
    /// is counted in the transitions.
    #[arg(long, value_name = "NAME")]
    label_column: String,
    #[command(flatten)]
    options: Flags<FateOptions>,
    /// Where to write the fates, one row a cell: its name or its row, from 1, its time and label, then of each label L p_L, the probability that
    /// a random descendant has it, and n_L, the expected number of descendants with it; p_none, the probability to have none; and se_ of each, the
    /// standard error
    ///
    /// A table of the kind that the name says: .csv, .tsv, either with .gz, Parquet (.parquet), or NumPy's array of records (.npy). p_none of the mode branching is the share of families that died out; else that of cells which divide or die at the rate |g|, if all of a
    /// family went the way of one particle: exact for ode, rather too large for sde. Of an ensemble also sd_ of each, the standard deviation by the cells, from its members. A cell without descendants has the probabilities NaN.
    #[arg(short, long, value_name = "OUT.csv")]
    output: PathBuf,
    /// Also write which label's cells became which: their time, both labels, the mass with standard error, and its share in what the one became
    /// (went) and in what the other came from (came)
    #[arg(long, value_name = "FILE.csv")]
    transitions: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fates {
    pub fn run(self) -> Result<()> {
        let outputs = || std::iter::once(&self.output).chain(&self.transitions);
        let model = Dynamics::load(&self.model)?;
        let mut labelled = self.data.read_labelled_for(&self.model, &model, &self.label_column)?;
        labelled.data = labelled.data.with_masses_of(&model, &self.data)?;
        outputs().try_for_each(|path| check_table_writable(path))?;
        let snapshots = &labelled.data.snapshots;
        let found = fates_of_model(&model, snapshots, &labelled.labels, &self.options.0, &Stop::default())?;
        warn(&found.warnings);
        let names: Vec<&str> =
            found.labels.iter().map(|&label| labelled.names[label as usize].as_str()).collect();
        self.write(&labelled, &found, &names)?;
        if let Some(path) = &self.transitions {
            write_transitions(path, &labelled, &found, &names)?;
        }
        if self.json {
            return print_json(&self.as_json(&labelled, &found, &names));
        }
        let mut text = String::new();
        for table in &found.transitions {
            text += &went(table, &labelled, &names, found.to);
        }
        if found.unlabelled > 0 {
            text +=
                &format!("{} cells at time {} without a label are left out\n", found.unlabelled, found.to);
        }
        print(&format!("{text}fates: {}", self.output.display()))
    }

    fn write(&self, labelled: &Labelled, found: &chreode::fates::Fates, names: &[&str]) -> Result<()> {
        // As they stand in the data.
        let mut order: Vec<usize> = (0..found.cells.len()).collect();
        order.sort_by_key(|&row| labelled.rows[found.cells[row]]);
        let name = |&row: &usize| labelled.called(found.cells[row]);
        let label = |&row: &usize| labelled.label(found.cells[row]).unwrap_or_default().to_string();
        let mut columns = vec![
            ("cell".to_string(), Values::Text(order.iter().map(name).collect())),
            ("time".into(), Values::Real(order.iter().map(|&row| found.times[row]).collect())),
            ("label".into(), Values::Text(order.iter().map(label).collect())),
        ];
        for (names, values) in blocks(found, names) {
            let width = names.len();
            for (column, name) in names.into_iter().enumerate() {
                let of_rows = order.iter().map(|&row| values[row * width + column]).collect();
                columns.push((name, Values::Real(of_rows)));
            }
        }
        write_table(&self.output, columns, order.len()).map(drop)
    }

    fn as_json(&self, labelled: &Labelled, found: &chreode::fates::Fates, names: &[&str]) -> Value {
        let rows = |values: &[f64]| values.chunks(names.len()).map(|row| json!(row)).collect::<Vec<_>>();
        let table = |table: &Transitions| {
            json!({
                "time": table.from,
                "from": table.sources.iter().map(|source| labelled.name(*source)).collect::<Vec<_>>(),
                "cells_mass": table.weight,
                "mass": rows(&table.mass.mean),
                "se_mass": rows(&table.mass.se),
                "sd_mass": table.mass.sd.as_ref().map(|sd| rows(sd)),
                "went": rows(&table.went()),
                "came": rows(&table.came()),
            })
        };
        json!({
            "cells": found.cells.len(),
            "to": found.to,
            "labels": names,
            "neighbours": found.neighbours,
            "unlabelled": found.unlabelled,
            "outside": found.outside,
            "transitions": found.transitions.iter().map(table).collect::<Vec<_>>(),
            "warnings": found.warnings,
            "output": self.output.display().to_string(),
        })
    }
}

impl Labelled {
    fn name(&self, label: Option<u32>) -> Option<&str> {
        Some(self.names[label? as usize].as_str())
    }

    /// The label of a cell.
    fn label(&self, cell: usize) -> Option<&str> {
        self.name(self.labels.get(cell))
    }
}

/// Columns that follow one another, and their numbers, one row a cell.
type Block<'a> = (Vec<String>, &'a [f64]);

/// The columns of the numbers: all means, then their standard errors, then the standard deviations where there are any.
fn blocks<'a>(found: &'a chreode::fates::Fates, names: &[&str]) -> Vec<Block<'a>> {
    let of_labels = |what: &str| names.iter().map(|name| format!("{what}_{name}")).collect::<Vec<_>>();
    let all = |prefix: &str, of: fn(&Estimates) -> Option<&Vec<f64>>| -> Vec<Block<'a>> {
        let columns = [
            (of_labels(&format!("{prefix}p")), &found.probability),
            (of_labels(&format!("{prefix}n")), &found.number),
            (vec![format!("{prefix}p_none")], &found.none),
        ];
        columns
            .into_iter()
            .filter_map(|(names, estimates)| Some((names, of(estimates)?.as_slice())))
            .collect()
    };
    let means = all("", |estimates| Some(&estimates.mean));
    let errors = all("se_", |estimates| Some(&estimates.se));
    means.into_iter().chain(errors).chain(all("sd_", |estimates| estimates.sd.as_ref())).collect()
}

fn write_transitions(
    path: &std::path::Path,
    labelled: &Labelled,
    found: &chreode::fates::Fates,
    names: &[&str],
) -> Result<()> {
    let has_sd = found.transitions.iter().any(|table| table.mass.sd.is_some());
    let mut texts = ["from", "to"].map(|name| (name, vec![]));
    let mut numbers = ["time", "mass", "se_mass", "went", "came", "sd_mass"].map(|name| (name, vec![]));
    for table in &found.transitions {
        let (went, came) = (table.went(), table.came());
        for i in 0..went.len() {
            let source = labelled.name(table.sources[i / names.len()]).unwrap_or_default();
            texts[0].1.push(source.to_string());
            texts[1].1.push(names[i % names.len()].to_string());
            let sd = table.mass.sd.as_ref().map_or(f64::NAN, |sd| sd[i]);
            let of_row = [table.from, table.mass.mean[i], table.mass.se[i], went[i], came[i], sd];
            numbers.iter_mut().zip(of_row).for_each(|((_, all), x)| all.push(x));
        }
    }
    let rows = texts[0].1.len();
    let [time, rest @ ..] = numbers.map(|(name, all)| (name.to_string(), Values::Real(all)));
    let mut columns = vec![time];
    columns.extend(texts.map(|(name, all)| (name.to_string(), Values::Text(all))));
    columns.extend(rest.into_iter().filter(|(name, _)| has_sd || name != "sd_mass"));
    write_table(path, columns, rows).map(drop)
}

/// What the cells of each label became, in words.
fn went(table: &Transitions, labelled: &Labelled, names: &[&str], to: f64) -> String {
    let mut header = vec!["label", "mass", "mass then"];
    header.extend(names);
    let shares = table.went();
    let rows = table.sources.iter().enumerate().map(|(source, label)| {
        let of = source * names.len()..(source + 1) * names.len();
        let then: f64 = table.mass.mean[of.clone()].iter().sum();
        let masses = [short(table.weight[source]), short(then)].into_iter();
        let name = labelled.name(*label).unwrap_or("without").to_string();
        std::iter::once(name).chain(masses).chain(shares[of].iter().map(|&share| short(share))).collect()
    });
    format!("from {} to {to}, shares\n{}", table.from, columns(&header, &rows.collect::<Vec<_>>()))
}
