//! `chreode couple`: which cells become which, as files.

use std::fs;
use std::path::PathBuf;

use chreode::method::{self, Coupled};
use chreode::transport::couplings::Couplings;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cells::{DataArgs, Named};
use crate::failure::{Failure, Result};
use crate::fit::FitArgs;
use crate::output::{Folder, columns, print, print_json, short, warn};
use crate::progress::Bar;
use crate::written::{Values, write_table};

#[derive(Debug, Args)]
pub struct Couple {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    options: FitArgs,
    /// The folder of the couplings, made if it is not there
    ///
    /// coupling_1, coupling_2, …, one an interval, hold a pair of cells a row: source and target, the rows of the data, counted from 0;
    /// sent, the mass that the source sends, and received, the mass that the target receives; source_cell and target_cell, their names, where
    /// the data have names of rows. cells holds a cell a row: its row in the data, its name (cell) if it has one, its time and weight; what of
    /// it is sent to partners and what dies; what is received from partners and what is born. All files are written, or none. A folder with couplings
    /// of more intervals, of an earlier call, is refused; files of the same names are replaced, and what else it holds stays there.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The format of the files; .npy are arrays of records, with the columns as fields
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Csv,
    Tsv,
    Npy,
    Parquet,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Npy => "npy",
            Format::Parquet => "parquet",
        }
    }

    fn check(self) -> Result<()> {
        let lacks = match self {
            Format::Npy => !cfg!(feature = "npy"),
            Format::Parquet => !cfg!(feature = "parquet"),
            _ => false,
        };
        let name = self.extension();
        if lacks {
            return Err(Failure::Usage(format!(
                "--format {name}: this command was built without the feature `{name}`"
            )));
        }
        Ok(())
    }
}

impl Couple {
    pub fn run(self) -> Result<()> {
        self.format.check()?;
        let named = self.data.read_named()?;
        self.refuse_more_than(named.data.snapshots.len() - 1)?;
        let folder = Folder::open(&self.output)?;
        let mut bar = Bar::new("couple");
        let options = self.options.options();
        let made = method::couple(&named.data.snapshots, options, &mut |progress| bar.show(progress))?;
        drop(bar);
        let mut first = 0;
        for k in 0..made.couplings.len() {
            self.write_pairs(&folder, &made.couplings, k, first, &named)?;
            first += made.couplings.counts()[k];
        }
        self.write_cells(&folder, &made.couplings, &named)?;
        folder.finish()?;
        self.tell(&made)
    }

    /// Refuses a folder with couplings of more intervals: they would lie beside those of this call as if they were of it.
    fn refuse_more_than(&self, intervals: usize) -> Result<()> {
        // A folder that is not there yet holds nothing; one that cannot be read is refused when it is opened.
        let Ok(files) = fs::read_dir(&self.output) else { return Ok(()) };
        let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
        let interval = |name: &str| {
            let (number, extension) = name.strip_prefix("coupling_")?.split_once('.')?;
            let is_ours = Format::value_variants().iter().any(|format| format.extension() == extension);
            number.parse::<usize>().ok().filter(|_| is_ours)
        };
        match names.filter_map(|name| Some((interval(&name)?, name))).max() {
            Some((number, name)) if number > intervals => Err(Failure::Failed(format!(
                "{}: {name} there is of an earlier call, and this one has couplings of {intervals} interval{} only: remove it, or give \
                 another folder",
                self.output.display(),
                if intervals == 1 { "" } else { "s" }
            ))),
            _ => Ok(()),
        }
    }

    /// The pairs of an interval, whose cells before are numbered from `first`.
    fn write_pairs(
        &self,
        folder: &Folder,
        made: &Couplings,
        k: usize,
        first: usize,
        named: &Named,
    ) -> Result<()> {
        let pairs = &made[k].pairs;
        let there = first + made.counts()[k];
        let sources = || pairs.iter().map(|pair| named.rows[first + pair.source as usize]);
        let targets = || pairs.iter().map(|pair| named.rows[there + pair.target as usize]);
        let whole =
            |rows: &mut dyn Iterator<Item = usize>| Values::Whole(rows.map(|row| Some(row as u64)).collect());
        let mut columns = vec![
            ("source", whole(&mut sources())),
            ("target", whole(&mut targets())),
            ("sent", Values::Real(pairs.iter().map(|pair| pair.sent).collect())),
            ("received", Values::Real(pairs.iter().map(|pair| pair.received).collect())),
        ];
        if let Some(cells) = &named.cells {
            columns.push(("source_cell", Values::Text(sources().map(|row| cells[row].clone()).collect())));
            columns.push(("target_cell", Values::Text(targets().map(|row| cells[row].clone()).collect())));
        }
        self.write(folder, &format!("coupling_{}", k + 1), columns, pairs.len())
    }

    /// What of every cell has partners, and what has none.
    fn write_cells(&self, folder: &Folder, made: &Couplings, named: &Named) -> Result<()> {
        let snapshots = &named.data.snapshots;
        let mut real = [(); 6].map(|()| Vec::with_capacity(named.rows.len()));
        for k in 0..made.counts().len() {
            let cells = made.of_cells(k);
            let time = vec![made.times()[k]; made.counts()[k]];
            let weight = snapshots.weights(k).to_vec();
            let parts = [time, weight, cells.sent, cells.dying, cells.received, cells.born];
            real.iter_mut().zip(parts).for_each(|(all, part)| all.extend(part));
        }
        let numbers = named.rows.iter().map(|&row| Some(row as u64)).collect();
        let mut columns = vec![("row", Values::Whole(numbers))];
        if let Some(cells) = &named.cells {
            columns.push(("cell", Values::Text(named.rows.iter().map(|&row| cells[row].clone()).collect())));
        }
        let names = ["time", "weight", "sent", "dying", "received", "born"];
        columns.extend(names.into_iter().zip(real.map(Values::Real)));
        self.write(folder, "cells", columns, named.rows.len())
    }

    fn write(&self, folder: &Folder, name: &str, columns: Vec<(&str, Values)>, rows: usize) -> Result<()> {
        let columns = columns.into_iter().map(|(name, values)| (name.to_string(), values)).collect();
        let file = folder.file(&format!("{name}.{}", self.format.extension()));
        write_table(&file, columns, rows).map(drop)
    }

    fn tell(&self, made: &Coupled) -> Result<()> {
        let (report, times) = (&made.report, made.couplings.times());
        warn(&report.warnings);
        let output = self.output.display().to_string();
        if self.json {
            let mut told = report.to_json();
            told["method"] = json!(self.options.options().recipe.name);
            told["times"] = json!(times);
            told["pairs"] = json!(report.pairs);
            told["output"] = json!(output);
            return print_json(&told);
        }
        let row = |(k, &(dying, born)): (usize, &(f64, f64))| {
            let span = format!("{} to {}", times[k], times[k + 1]);
            vec![span, report.pairs[k].to_string(), short(dying), short(born), short(report.coupling_gap(k))]
        };
        let rows: Vec<Vec<String>> = report.unmatched_mass.iter().enumerate().map(row).collect();
        let text = columns(&["interval", "pairs", "dying", "born", "relative gap"], &rows);
        print(&(text + &format!("couplings: {output}")))
    }
}
