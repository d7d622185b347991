//! `chreode benchmark`: a table of recipes on one data set, as papers print it and as it should be read: beside each figure of
//! the cells that were fitted, those of cells and times that were not.

mod measured;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use chreode::exec::files::write_atomically;
use chreode::snapshots::Snapshots;
use chreode::statistics::Estimate;
use chreode::work::fingerprint;
use clap::Args;
use serde_json::{Value, json};

use crate::cells::DataArgs;
use crate::failure::{Failure, Result};
use crate::output::{columns, note, print, print_json, rounded, short};
use crate::report;
use crate::written::write_csv;
use measured::{Honest, measure};
use rows::{Row, Table};

#[derive(Debug, Args)]
pub struct Benchmark {
    #[command(flatten)]
    data: DataArgs,
    /// A published table by its name (gene, dyngen, emt, gaussian), or a file of recipes (.json)
    ///
    /// A file holds an object with `rows`, a list of objects: `name`, `options` of a fit by name, and, where there are any, `published`
    /// figures: w1 (a list), mean_w1, rme, action, growth_correlation, hold_one_out.
    ///
    /// Default: the default recipe and the published recipe of every method, without published figures.
    #[arg(long, value_name = "NAME|FILE.json")]
    table: Option<String>,
    /// The rows, by their names, separated by commas; or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "all")]
    methods: Vec<String>,
    /// Fits of each row, with consecutive seeds
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "INTEGER", default_value_t = 11)]
    seed: u64,
    /// Halves of the cells that each row is validated on; 0 for none, which leaves what a fit remembers
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    splits: usize,
    /// Leave out each inner time in turn as well, where there are any
    #[arg(long, value_name = "SWITCH", default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    hold_one_out: bool,
    /// An option of a fit for all rows, over their own; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// The folder of the results: benchmark.csv, benchmark.json, benchmark.html, and what each fit came to
    ///
    /// A fit whose result is there already, of the same data and options, is not done again: a call that was ended goes on where it
    /// was.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// The folder of an earlier benchmark, whose figures are shown beside
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// NAME=VALUE.
fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// The measures of a table, from the keys of a fit's results: those that papers show, then those that they do not.
pub const MEASURES: [(&str, &str); 9] = [
    ("mean_w1", "W1"),
    ("rme", "RME"),
    ("action", "action"),
    ("growth_correlation", "growth corr."),
    ("ratio", "held-out ratio"),
    ("energy", "held-out energy"),
    ("held_out_rme", "held-out RME"),
    ("hold_one_out", "hold-one-out W1"),
    ("cpu_seconds", "CPU s"),
];

/// What fits with several seeds come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Their mean and standard deviation.
    Mean(Estimate),
    /// Where one goes anywhere, of which a mean would tell nothing else: the median, and the worst.
    Median { median: f64, worst: f64 },
}

impl Statistic {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let median = Estimate::of(&[values[(values.len() - 1) / 2], values[values.len() / 2]]).mean;
        let worst = values[values.len() - 1];
        if worst.is_infinite() || worst > (3.0 * median).max(1.0) {
            Self::Median { median, worst }
        } else {
            Self::Mean(Estimate::of(&values))
        }
    }

    pub fn middle(&self) -> f64 {
        match *self {
            Self::Mean(Estimate { mean, .. }) => mean,
            Self::Median { median, .. } => median,
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mean(Estimate { mean, sd: 0.0 }) => write!(f, "{}", rounded(mean, 3)),
            Self::Mean(Estimate { mean, sd }) => write!(f, "{} ± {}", rounded(mean, 3), rounded(sd, 2)),
            Self::Median { median, .. } if median.is_infinite() => write!(f, "not finite"),
            Self::Median { median, worst } => {
                write!(f, "{} (worst {})", rounded(median, 3), rounded(worst, 2))
            }
        }
    }
}

/// A row with all of its fits.
#[derive(Debug)]
pub struct Measured {
    pub row: String,
    /// Published figures by the names of measures.
    pub published: BTreeMap<&'static str, f64>,
    /// The results by seed.
    pub results: Vec<(u64, Value)>,
}

impl Measured {
    /// What the seeds come to in a measure; none where no fit has it.
    pub fn statistic(&self, measure: &str) -> Option<Statistic> {
        // Methods without growth have no error of the mass to speak of: it is that of standing still. What is not finite is no number in JSON.
        let of = |(_, result): &(u64, Value)| {
            let without_growth = measure.ends_with("rme") && result["grows"] == false;
            let value = result.get(measure).filter(|_| !without_growth)?;
            Some(value.as_f64().unwrap_or(f64::INFINITY))
        };
        let values: Vec<f64> = self.results.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| Statistic::of(values))
    }

    /// Why fits failed.
    fn failures(&self) -> impl Iterator<Item = String> + '_ {
        let told = |key: &'static str| {
            move |(seed, result): &(u64, Value)| Some(format!("seed {seed}: {}", result[key].as_str()?))
        };
        self.results
            .iter()
            .filter_map(told("failed"))
            .chain(self.results.iter().filter_map(told("held_out_failed")))
    }
}

impl Benchmark {
    pub fn run(self) -> Result<()> {
        let mut table = self.table.as_deref().map_or_else(|| Ok(Table::of_methods()), Table::find)?;
        table.keep(&self.methods)?;
        for row in &table.rows {
            row.recipe(self.seed, &self.set)?;
        }
        let before = self.against.as_deref().map(read_earlier).transpose()?;
        let data = self.data.read()?;
        let parts = self.output.join("parts");
        fs::create_dir_all(&parts)
            .map_err(|error| Failure::Failed(format!("{}: {error}", parts.display())))?;
        let fingerprint = fingerprint(&data.snapshots);
        let mut all: Vec<Measured> = vec![];
        for row in &table.rows {
            let seeds = self.seed..self.seed.saturating_add(self.seeds);
            let one = |seed| Ok((seed, self.part(&parts, &data.snapshots, &fingerprint, &table, row, seed)?));
            let results = seeds.map(one).collect::<Result<_>>()?;
            let published = MEASURES.iter().filter_map(|(key, _)| Some((*key, row.figure(key)?))).collect();
            all.push(Measured { row: row.name.clone(), published, results });
            // What there is so far can be looked at while the rest goes on.
            self.write(&table, &data, &all, before.as_ref())?;
        }
        if self.json {
            print_json(&self.as_json(&table, &all))
        } else {
            print(&text(&table, &all, before.as_ref()))
        }
    }

    /// What a row came to with one seed: as it was kept, or measured now.
    fn part(
        &self,
        parts: &Path,
        snapshots: &Snapshots,
        fingerprint: &str,
        table: &Table,
        row: &Row,
        seed: u64,
    ) -> Result<Value> {
        let path = parts.join(format!("{}-{}-{seed}.json", table.name, row.name.replace(['/', '\\'], "_")));
        let asked = json!({
            "data": fingerprint, "options": row.options, "set": self.set, "seed": seed, "splits": self.splits,
            "hold_one_out": self.hold_one_out, "version": env!("CARGO_PKG_VERSION"),
        });
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept["asked"] == asked) {
            return Ok(kept["result"].clone());
        }
        let options = row.recipe(seed, &self.set)?;
        let honest = Honest { splits: self.splits, hold_one_out: self.hold_one_out };
        let what = format!("{} {}, seed {seed}", table.name, row.name);
        let result = measure(&what, snapshots, &options, honest, table.is_gene_network)?;
        let whole = json!({ "asked": asked, "result": result });
        write_atomically(&path, whole.to_string().as_bytes())?;
        Ok(result)
    }

    fn write(
        &self,
        table: &Table,
        data: &crate::cells::Data,
        all: &[Measured],
        before: Option<&Earlier>,
    ) -> Result<()> {
        let file = |name: &str| self.output.join(name);
        let header: Vec<String> =
            ["table", "row", "seed", "measure", "time", "value"].map(String::from).into();
        write_csv(&file("benchmark.csv"), &header, lines(table, all).into_iter())?;
        write_atomically(&file("benchmark.json"), self.as_json(table, all).to_string().as_bytes())?;
        let (header, rows) = table_of(all, before);
        let title = format!("{} on {}", table.name, self.data.name());
        let notes = [table.about.clone(), source(table), self.how(all)];
        report::write_benchmark(&file("benchmark.html"), &title, &notes, data, (&header, &rows), all)
    }

    /// What was done, and what the figures mean.
    fn how(&self, all: &[Measured]) -> String {
        let first = all.iter().flat_map(|row| &row.results).map(|(_, result)| result);
        let first = first.into_iter().find(|result| result["floor_w1"].is_number());
        let beside = first.map_or(String::new(), |result| {
            format!(
                " Two halves of the data are {} apart (W1, mean over times); if nothing moves, held-out cells are predicted with the ratio {}.",
                short(result["floor_w1"].as_f64().unwrap_or(f64::NAN)),
                short(result["nothing_moves_ratio"].as_f64().unwrap_or(f64::NAN))
            )
        });
        let inner = if all.iter().any(|row| row.statistic("hold_one_out").is_some()) {
            "Hold-one-out: W1 to inner times that were left out. "
        } else {
            ""
        };
        format!(
            "W1, RME, action: of the cells that were fitted, predicted from the first snapshot by the flow, as papers show them; they measure \
             memory. Held-out ratio: mean W1 to unseen cells over that between two samples of the data, 1 for a prediction as good as more data \
             ({} split{}). {inner}{} seed{}; ± is the standard deviation over them; where one goes anywhere, median and worst are shown.{beside}",
            self.splits,
            if self.splits == 1 { "" } else { "s" },
            self.seeds,
            if self.seeds == 1 { "" } else { "s" },
        )
    }

    fn as_json(&self, table: &Table, all: &[Measured]) -> Value {
        let row = |measured: &Measured| {
            let results =
                measured.results.iter().map(|(seed, result)| json!({ "seed": seed, "result": result }));
            json!({
                "name": measured.row,
                "published": measured.published,
                "fits": results.collect::<Vec<_>>(),
            })
        };
        json!({
            "table": table.name, "about": table.about, "source": table.source, "data": self.data.name(),
            "version": env!("CARGO_PKG_VERSION"), "splits": self.splits, "hold_one_out": self.hold_one_out,
            "set": self.set, "rows": all.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

fn source(table: &Table) -> String {
    if table.source.is_empty() { String::new() } else { format!("Published figures: {}.", table.source) }
}

/// The rows of an earlier benchmark by their names.
type Earlier = BTreeMap<String, Measured>;

fn read_earlier(folder: &Path) -> Result<Earlier> {
    let path = folder.join("benchmark.json");
    let failed = |why: String| Failure::Failed(format!("{}: {why}", path.display()));
    let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| failed(format!("no JSON: {error}")))?;
    let rows = value["rows"].as_array().ok_or_else(|| failed("no benchmark: it has no rows".into()))?;
    let row = |row: &Value| {
        let name = row["name"].as_str()?.to_string();
        let fit = |fit: &Value| Some((fit["seed"].as_u64()?, fit["result"].clone()));
        let results = row["fits"].as_array()?.iter().filter_map(fit).collect();
        Some((name.clone(), Measured { row: name, published: BTreeMap::new(), results }))
    };
    Ok(rows.iter().filter_map(row).collect())
}

/// Header and rows: each measure, beside what was published and what an earlier benchmark found.
fn table_of(all: &[Measured], before: Option<&Earlier>) -> (Vec<String>, Vec<Vec<String>>) {
    let kept: Vec<&(&str, &str)> =
        MEASURES.iter().filter(|(key, _)| all.iter().any(|row| row.statistic(key).is_some())).collect();
    let is_published = |key: &str| all.iter().any(|row| row.published.contains_key(key));
    let is_earlier =
        |key: &str| before.is_some_and(|rows| rows.values().any(|row| row.statistic(key).is_some()));
    let mut header = vec!["row".to_string()];
    for (key, name) in kept.iter().copied() {
        header.push((*name).into());
        if is_published(key) {
            header.push("published".into());
        }
        if is_earlier(key) {
            header.push("before".into());
        }
    }
    let row = |measured: &Measured| {
        let mut row = vec![measured.row.clone()];
        for (key, _) in kept.iter().copied() {
            row.push(measured.statistic(key).map_or_else(String::new, |of| of.to_string()));
            if is_published(key) {
                row.push(measured.published.get(key).map_or_else(String::new, |&figure| rounded(figure, 3)));
            }
            if is_earlier(key) {
                let earlier = before.and_then(|rows| rows.get(&measured.row)?.statistic(key));
                row.push(earlier.map_or_else(String::new, |of| of.to_string()));
            }
        }
        row
    };
    let rows = all.iter().map(row).collect();
    (header, rows)
}

/// Every figure of every fit, one a line: of W1 at each time, too.
fn lines(table: &Table, all: &[Measured]) -> Vec<Vec<String>> {
    let mut lines = vec![];
    for measured in all {
        for (seed, result) in &measured.results {
            let mut line = |measure: &str, time: String, value: f64| {
                let start = [table.name.clone(), measured.row.clone(), seed.to_string()];
                lines.push(start.into_iter().chain([measure.into(), time, format!("{value:?}")]).collect());
            };
            let more =
                ["held_out_w1", "floor_w1", "nothing_moves_w1", "nothing_moves_ratio", "mid_points_w1"];
            for key in MEASURES.iter().map(|(key, _)| *key).chain(more) {
                if let Some(value) = result.get(key) {
                    line(key, String::new(), value.as_f64().unwrap_or(f64::NAN));
                }
            }
            for (process, of) in [("", result), ("sde_", &result["sde"])] {
                let list = |key: &str| of[key].as_array().cloned().unwrap_or_default();
                for (time, w1) in list("times").iter().zip(list("w1")) {
                    line(&format!("{process}w1"), time.to_string(), w1.as_f64().unwrap_or(f64::NAN));
                }
            }
            for key in ["mean_w1", "rme"] {
                if let Some(value) = result["sde"].get(key) {
                    line(&format!("sde_{key}"), String::new(), value.as_f64().unwrap_or(f64::NAN));
                }
            }
        }
    }
    lines
}

fn text(table: &Table, all: &[Measured], before: Option<&Earlier>) -> String {
    let (header, rows) = table_of(all, before);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut text = columns(&header, &rows);
    for row in all {
        for why in row.failures() {
            note(&format!("{} {}, {why}", table.name, row.row));
        }
    }
    let source = source(table);
    if !source.is_empty() {
        text += &format!("\n{source}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_goes_anywhere_is_told_and_not_averaged() {
        let of = |values: &[Option<f64>]| {
            let fit = |(seed, value): (usize, &Option<f64>)| (seed as u64, json!({ "mean_w1": value }));
            let results = values.iter().enumerate().map(fit).collect();
            let row = Measured { row: String::new(), published: BTreeMap::new(), results };
            row.statistic("mean_w1").map(|of| of.to_string())
        };
        let shown = |values: &[Option<f64>]| of(values).unwrap();
        assert_eq!(shown(&[Some(0.1234)]), "0.123");
        assert_eq!(shown(&[Some(0.1), Some(0.2), Some(0.3)]), "0.2 ± 0.1");
        assert_eq!(shown(&[Some(0.05), Some(3.82), Some(0.045)]), "0.05 (worst 3.8)");
        // Twice as much, and what is small anyway, is a deviation.
        assert_eq!(shown(&[Some(2.0), Some(1.0)]), "1.5 ± 0.71");
        assert_eq!(shown(&[Some(0.01), Some(0.01), Some(0.4)]), "0.14 ± 0.23");
        // A figure that is not finite is null in JSON.
        assert_eq!(shown(&[Some(1.0), None, Some(2.0)]), "2 (worst inf)");
        assert_eq!(shown(&[None]), "not finite");
        assert_eq!(of(&[]), None);
    }
}
