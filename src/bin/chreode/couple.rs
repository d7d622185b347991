//! `chreode couple`: which cells become which, as files.

use std::path::{Path, PathBuf};

use chreode::method::{self, Couplings};
use chreode::snapshots::time_order;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cells::DataArgs;
use crate::failure::{Failure, Result};
use crate::fit::FitArgs;
use crate::output::{columns, print, print_json, short, warn};
use crate::progress::Bar;
use crate::written::{Cells, Values, write_cells};

#[derive(Debug, Args)]
pub struct Couple {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    options: FitArgs,
    /// The folder of the couplings, made if it is not there
    ///
    /// coupling_1, coupling_2, …, one an interval, hold a pair of cells a row: source and target, the rows of the data, counted from 0;
    /// sent, the mass that the source sends, and received, the mass that the target receives. cells holds a cell a row: its row in the
    /// data, its time and weight; what of it is sent to partners and what dies; what is received from partners and what is born.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The format of the files
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
    Parquet,
}

impl Couple {
    pub fn run(self) -> Result<()> {
        let (data, times) = self.data.read_with_times()?;
        // Of each cell of the snapshots, its row in the data.
        let rows = time_order(&times);
        let options = self.options.options();
        let mut bar = Bar::new("couple");
        let made = method::couple(&data.snapshots, options, &mut |progress| bar.show(progress))?;
        drop(bar);
        let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", self.output.display()));
        std::fs::create_dir_all(&self.output).map_err(failed)?;
        let mut first = 0;
        for (k, coupling) in made.couplings.iter().enumerate() {
            let of = |cell: u32, before: usize| Some(rows[before + cell as usize] as u64);
            let (here, there) = (first, first + made.counts[k]);
            let pairs = &coupling.pairs;
            let columns = vec![
                ("source", Values::Whole(pairs.iter().map(|pair| of(pair.source, here)).collect())),
                ("target", Values::Whole(pairs.iter().map(|pair| of(pair.target, there)).collect())),
                ("sent", Values::Real(pairs.iter().map(|pair| pair.sent).collect())),
                ("received", Values::Real(pairs.iter().map(|pair| pair.received).collect())),
            ];
            self.write(&format!("coupling_{}", k + 1), columns, pairs.len())?;
            first = there;
        }
        self.write_cells(&made, &data.snapshots, &rows)?;
        self.tell(&made)
    }

    /// What of every cell has partners, and what has none.
    fn write_cells(&self, made: &Couplings, snapshots: &chreode::Snapshots, rows: &[usize]) -> Result<()> {
        let (last, all) = (made.counts.len() - 1, rows.len());
        let mut real = [(); 6].map(|()| Vec::with_capacity(all));
        for k in 0..=last {
            let cells = made.counts[k];
            let alone = |of: &[(u32, f64)]| {
                let mut masses = vec![0.0; cells];
                of.iter().for_each(|&(cell, mass)| masses[cell as usize] += mass);
                masses
            };
            let none = || vec![0.0; cells];
            let (sent, dying) = match made.couplings.get(k) {
                Some(next) => (next.sent(cells), alone(&next.dying)),
                None => (none(), none()),
            };
            let (received, born) = match k.checked_sub(1).and_then(|k| made.couplings.get(k)) {
                Some(before) => (before.received(cells), alone(&before.born)),
                None => (none(), none()),
            };
            let parts =
                [vec![made.times[k]; cells], snapshots.weights(k).to_vec(), sent, dying, received, born];
            real.iter_mut().zip(parts).for_each(|(all, part)| all.extend(part));
        }
        let names = ["time", "weight", "sent", "dying", "received", "born"];
        let numbers = rows.iter().map(|&row| Some(row as u64)).collect();
        let mut columns = vec![("row", Values::Whole(numbers))];
        columns.extend(names.into_iter().zip(real.map(Values::Real)));
        self.write("cells", columns, all)
    }

    fn write(&self, name: &str, columns: Vec<(&str, Values)>, rows: usize) -> Result<()> {
        let columns = columns.into_iter().map(|(name, values)| (name.to_string(), values)).collect();
        let table = Cells { columns, names: vec![], points: vec![&[]; rows] };
        write_cells(&self.path(name), &table).map(drop)
    }

    fn path(&self, name: &str) -> PathBuf {
        let end = match self.format {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Parquet => "parquet",
        };
        Path::new(&self.output).join(format!("{name}.{end}"))
    }

    fn tell(&self, made: &Couplings) -> Result<()> {
        let report = &made.report;
        warn(&report.warnings);
        let output = self.output.display().to_string();
        if self.json {
            let mut told = report.to_json();
            told["method"] = json!(self.options.options().recipe.name);
            told["times"] = json!(made.times);
            told["pairs"] = json!(report.pairs);
            told["output"] = json!(output);
            return print_json(&told);
        }
        let row = |(k, &(dying, born)): (usize, &(f64, f64))| {
            let span = format!("{} to {}", made.times[k], made.times[k + 1]);
            vec![span, report.pairs[k].to_string(), short(dying), short(born), short(report.coupling_gap(k))]
        };
        let rows: Vec<Vec<String>> = report.unmatched_mass.iter().enumerate().map(row).collect();
        let text = columns(&["interval", "pairs", "dying", "born", "relative gap"], &rows);
        print(&(text + &format!("couplings: {output}")))
    }
}
