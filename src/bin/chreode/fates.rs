//! `chreode fates`: what cells become, by labels of later cells, as a file.

use std::path::PathBuf;

use chreode::exec::stop::Stop;
use chreode::fates::{Estimates, FateOptions, Transitions, fates_of_model};
use chreode::model::Dynamics;
use clap::Args;
use serde_json::{Value, json};

use crate::arguments::Flags;
use crate::cells::{DataArgs, Labelled};
use crate::failure::{Failure, Result};
use crate::output::{check_writable, columns, print, print_json, short, warn};
use crate::written::{extension, write_csv};

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
    /// p_none of the mode branching is the share of families that died out; else that of cells which divide or die at the rate |g|, if all of a
    /// family went the way of one particle: exact for ode, rather too large for sde. Of an ensemble also sd_ of each, the standard deviation over its members. A cell without descendants has the probabilities NaN.
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
        if let Some(path) =
            outputs().find(|path| ["npy", "parquet", "pq"].contains(&extension(path).as_str()))
        {
            let told = format!("{}: fates are tables of text (.csv, .tsv, either with .gz)", path.display());
            return Err(Failure::Usage(told));
        }
        let model = Dynamics::load(&self.model)?;
        let mut labelled = self.data.read_labelled_for(&self.model, &model, &self.label_column)?;
        labelled.data = labelled.data.with_masses_of(&model, &self.data)?;
        outputs().try_for_each(|path| check_writable(path))?;
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
        let blocks = blocks(found, names);
        let mut header: Vec<String> = ["cell", "time", "label"].map(String::from).to_vec();
        header.extend(blocks.iter().flat_map(|(names, _)| names.clone()));
        // As they stand in the data.
        let mut order: Vec<usize> = (0..found.cells.len()).collect();
        order.sort_by_key(|&row| labelled.rows[found.cells[row]]);
        let rows = order.into_iter().map(|row| {
            let at = labelled.rows[found.cells[row]];
            let cell =
                labelled.cells.as_ref().map_or_else(|| (at + 1).to_string(), |names| names[at].clone());
            let label = labelled.label(found.cells[row]).unwrap_or_default();
            let numbers = blocks.iter().flat_map(move |(names, values)| {
                values[row * names.len()..(row + 1) * names.len()].iter().map(f64::to_string)
            });
            [cell, found.times[row].to_string(), label.into()].into_iter().chain(numbers)
        });
        write_csv(&self.output, &header, rows)
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
    let mut header = vec!["time", "from", "to", "mass", "se_mass", "went", "came"];
    header.extend(has_sd.then_some("sd_mass"));
    let header: Vec<String> = header.into_iter().map(String::from).collect();
    let rows = found.transitions.iter().flat_map(|table| {
        let (went, came) = (table.went(), table.came());
        (0..went.len()).map(move |i| {
            let source = labelled.name(table.sources[i / names.len()]).unwrap_or_default();
            let numbers = [table.mass.mean[i], table.mass.se[i], went[i], came[i]];
            let sd = table.mass.sd.as_ref().map(|sd| sd[i]);
            let texts = [table.from.to_string(), source.into(), names[i % names.len()].into()];
            texts.into_iter().chain(numbers.into_iter().chain(sd).map(|x| x.to_string()))
        })
    });
    write_csv(path, &header, rows)
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
