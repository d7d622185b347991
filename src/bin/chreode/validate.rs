//! `chreode validate`: how well recipes predict cells that they were not fitted to.

use std::path::PathBuf;

use chreode::evaluate::validation::{MeanInterval, Scores, TimeScore, Validation, ValidationOptions};
use chreode::method;
use chreode::options::validate::Grid;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

use crate::arguments::{self, Flags};
use crate::cells::DataArgs;
use crate::failure::Result;
use crate::output::{check_writable, columns, print, print_json, rounded, short};
use crate::progress::Bar;
use crate::report;

#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    options: Flags<ValidationOptions>,
    #[command(flatten)]
    grid: GridArgs,
    /// A column that says which part each cell is in, held out in turn, the last one first: a half, a fold, a donor, a replicate
    ///
    /// Default: parts are drawn, founders in matched pairs.
    #[arg(long, value_name = "NAME")]
    half_column: Option<String>,
    /// A column that holds the true growth rate at each cell, to be compared with the learned one
    #[arg(long, value_name = "NAME")]
    truth_column: Option<String>,
    /// Also write a page of the tables and pictures
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The options of a fit, each with one value or several.
#[derive(Debug)]
struct GridArgs(Grid);

impl Args for GridArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flags = Grid::entries().map(|entry| {
            let flag = arguments::flag(entry);
            let flag = flag
                .value_parser(|text: &str| Grid::default().set(entry.name, text).map(|()| text.to_string()));
            let told = entry.describe();
            let more = format!(
                "{}\n\nSeveral values, {}, make a grid of recipes. Range: {}.\n\nDefault: {}.",
                told.meaning_and_takers(),
                Grid::separator(entry),
                told.range,
                told.defaults()
            );
            let flag = flag.long_help(more);
            if entry.name == "method" { flag.visible_alias("methods") } else { flag }
        });
        flags.fold(command, clap::Command::arg)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for GridArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut grid = Grid::default();
        let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        for entry in Grid::entries().filter(|entry| given(entry.name)) {
            let text = matches.get_one::<String>(entry.name).map_or("", String::as_str);
            grid.set(entry.name, text).map_err(|error| arguments::refusal(&error))?;
        }
        // Combinations that do not go together are refused before the data are read.
        grid.recipes().map_err(|error| arguments::refusal(&error))?;
        Ok(Self(grid))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Validate {
    pub fn run(self) -> Result<()> {
        let (data, annotations) =
            self.data.read_annotated(self.truth_column.as_deref(), self.half_column.as_deref())?;
        if let Some(path) = &self.report {
            check_writable(path)?;
        }
        let recipes = self.grid.0.recipes()?;
        let mut bar =
            Bar::new(&format!("{} recipe{}", recipes.len(), if recipes.len() == 1 { "" } else { "s" }));
        let found = method::validate(&data.snapshots, &annotations, &recipes, &self.options.0, &mut |now| {
            bar.show(now)
        })?;
        drop(bar);
        if let Some(path) = &self.report {
            report::write_validation(path, &self.data.name(), &data, &found)?;
        }
        if self.json { print_json(&found.to_json()) } else { print(&text(&found)) }
    }
}

fn text(found: &Validation) -> String {
    let best = found.best().unwrap_or(0);
    let mut text = String::new();
    if let Some(verdict) = found.verdict(best) {
        let whose =
            if found.recipes.len() > 1 { format!("{}: ", found.recipes[best].name) } else { String::new() };
        text += &format!("{whose}{}\n", verdict.sentence);
    }
    let (header, rows) = table_of_recipes(found);
    text += &format!("\n{}", columns(&header, &rows));
    for recipe in &found.recipes {
        if let Err(why) = &recipe.scores {
            text += &format!("{}: failed: {why}\n", recipe.name);
        }
    }
    if let Ok(scores) = &found.recipes[best].scores {
        let (header, rows) = table_of_times(found, scores);
        let whose =
            if found.recipes.len() > 1 { format!("{}, ", found.recipes[best].name) } else { String::new() };
        text += &format!("\n{whose}at each time\n{}", columns(&header, &rows));
    }
    if let Some((header, rows)) = table_of_held_out_times(found) {
        text += &format!("\nW1 to times that were left out\n{}", columns(&header, &rows));
    }
    text + &format!("\n{}\n", how(found))
}

/// The scores of all recipes: header and rows.
pub fn table_of_recipes(found: &Validation) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let grows = found.recipes.iter().flat_map(|r| &r.scores).any(|scores| scores.growth_error.is_some());
    let mut header = vec!["", "recipe", "ratio", "energy", "RME", "W1"];
    if grows {
        header.extend(["growth error", "correlation"]);
    }
    header.extend(["mode", "CPU s"]);
    let best = found.best();
    let row = |(i, recipe): (usize, &chreode::evaluate::validation::RecipeScore)| {
        let mark = match found.is_as_good_as_best(i) {
            _ if best == Some(i) && found.recipes.len() > 1 => "best",
            Some(true) => "≈ best",
            _ => "",
        };
        let mut row = vec![mark.to_string(), recipe.name.clone()];
        match &recipe.scores {
            Err(_) => row.push("failed".into()),
            Ok(scores) => {
                row.extend([
                    shown(scores.ratio),
                    with_decimals(scores.energy),
                    shown(scores.rme),
                    shown(scores.w1),
                ]);
                if grows {
                    row.extend(
                        [scores.growth_error, scores.growth_correlation]
                            .map(|e| e.map_or(String::new(), shown)),
                    );
                }
                row.extend([scores.simulator.process.to_string(), format!("{:.1}", scores.cpu_seconds)]);
            }
        }
        row.resize(header.len(), String::new());
        row
    };
    let mut rows: Vec<Vec<String>> = found.recipes.iter().enumerate().map(row).collect();
    let mean = |of: fn(&TimeScore) -> f64| {
        found.nothing_moves.iter().map(of).sum::<f64>() / found.nothing_moves.len() as f64
    };
    let mut still = vec![String::new(), "nothing moves".into(), shown(found.nothing_moves_ratio)];
    still.extend([decimals(mean(|at| at.energy)), short(mean(|at| at.rme)), short(mean(|at| at.w1))]);
    still.resize(header.len(), String::new());
    rows.push(still);
    (header, rows)
}

/// One recipe at each time beside the floor: header and rows.
pub fn table_of_times(found: &Validation, scores: &Scores) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let row = |(k, at): (usize, &TimeScore)| {
        let (floor, still) = (found.floor[k], found.nothing_moves[k]);
        let distances = [at.w1, floor.mean, still.w1].map(short);
        let more = [decimals(at.energy), short(at.rme)];
        std::iter::once(at.time.to_string()).chain(distances).chain(more).collect()
    };
    (
        vec!["time", "W1", "floor", "nothing moves", "energy", "RME"],
        scores.times.iter().enumerate().map(row).collect(),
    )
}

/// All recipes at held-out times, where there are any: a row a time.
pub fn table_of_held_out_times(found: &Validation) -> Option<(Vec<&str>, Vec<Vec<String>>)> {
    if found.held_out_times.is_empty() {
        return None;
    }
    let scored: Vec<(&str, &Scores)> =
        found.recipes.iter().filter_map(|r| Some((&r.name[..], r.scores.as_ref().ok()?))).collect();
    let mut header = vec!["time"];
    header.extend(scored.iter().map(|(name, _)| *name));
    header.extend(["mid-points", "nothing moves"]);
    let rows = found.held_out_times.iter().enumerate().map(|(k, beside)| {
        let mut row = vec![beside.time.to_string()];
        row.extend(scored.iter().map(|(_, scores)| short(scores.held_out_times[k].w1)));
        row.extend([beside.interpolation_w1, beside.nothing_moves_w1].map(short));
        row
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let mean = |of: fn(&chreode::evaluate::validation::HeldOutTime) -> f64| {
        short(found.held_out_times.iter().map(of).sum::<f64>() / found.held_out_times.len() as f64)
    };
    let mut last = vec!["mean".to_string()];
    last.extend(scored.iter().map(|(_, scores)| scores.held_out_w1.map_or(String::new(), shown)));
    last.extend([mean(|at| at.interpolation_w1), mean(|at| at.nothing_moves_w1)]);
    rows.push(last);
    Some((header, rows))
}

/// What was done, and what the figures mean.
pub fn how(found: &Validation) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let parts = if found.parts == 2 { "halves".to_string() } else { format!("{} parts", found.parts) };
    let used = if found.cells_used < found.cells {
        format!("{} of {} cells", found.cells_used, found.cells)
    } else {
        format!("all {} cells", found.cells)
    };
    let interval = match (found.splits, found.seeds) {
        (1, 1) => String::new(),
        (1, _) => "; ± 95 % intervals over seeds, by Student's t".into(),
        _ => "; ± 95 % intervals over splits, by Student's t".into(),
    };
    format!(
        "{} into {parts}, {} each, {used}{interval}. ratio: mean W1 to unseen cells over that between two samples of the data; \
         energy: unbiased energy distance over the spread of the data, 0 for the truth; RME: relative error of the mass; CPU s: of a fit.",
        count(found.splits, "split"),
        count(found.seeds, "fit"),
    )
}

/// An estimate with its interval, where it has one.
pub fn shown(estimate: MeanInterval) -> String {
    // What is the same in all fits but for rounding has no interval to tell.
    if estimate.half_width.is_nan() || estimate.half_width < 1e-9 * estimate.mean.abs() {
        short(estimate.mean)
    } else {
        format!("{} ± {}", short(estimate.mean), rounded(estimate.half_width, 2))
    }
}

/// An energy distance is zero but for chance at the truth: what counts are its decimals, not its figures.
fn decimals(energy: f64) -> String {
    format!("{energy:.4}")
}

fn with_decimals(energy: MeanInterval) -> String {
    let interval =
        if energy.half_width.is_nan() { String::new() } else { format!(" ± {:.4}", energy.half_width) };
    decimals(energy.mean) + &interval
}
