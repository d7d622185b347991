//! Labelled cells of a table, a model of them, and their fates by the command, for whoever must find the same.

#![allow(dead_code)] // each test file uses a part

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli_support::{TINY, folder, run};

/// The options that fates are compared by, as the command takes them.
pub const OPTIONS: &str = "--descendants 9 --seed 4 --neighbours 3 --mode branching --turnover 0.2";

/// A table of cells in a mixed order with names, labels and times, and a model of them.
pub fn with_labelled(name: &str) -> PathBuf {
    let folder = folder(name);
    run(&folder, "generate branching --cells 240 --dims 2 --fates 2 --seed 3 -o plain.csv").succeeded();
    run(&folder, &format!("fit plain.csv -o model {TINY}")).succeeded();
    let text = fs::read_to_string(folder.join("plain.csv")).unwrap();
    let mut lines: Vec<String> =
        text.lines().skip(1).enumerate().map(|(row, line)| labelled(row, line)).collect();
    // By the last digit of their numbers first.
    lines.sort_by_key(|line| line.split(',').next().unwrap().chars().rev().collect::<String>());
    fs::write(folder.join("cells.csv"), format!(",samples,x1,x2,kind\n{}\n", lines.join("\n"))).unwrap();
    folder
}

/// A cell with its name before, and a label behind; every ninth has none.
fn labelled(row: usize, line: &str) -> String {
    let kind = match row % 9 {
        0 => "",
        1..6 => "low",
        _ => "high, or so",
    };
    format!("cell-{row},{line},\"{kind}\"")
}

/// The header and the rows of a table.
pub fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(String::from).collect();
    let rows = reader.records().map(|row| row.unwrap().iter().map(String::from).collect());
    (header, rows.collect())
}

/// The folder of [`with_labelled`] with the command's tables, `fates.csv` and `transitions.csv`.
pub fn by_the_command(name: &str) -> PathBuf {
    let folder = with_labelled(name);
    let call = "fates model cells.csv --label-column kind -o fates.csv --transitions transitions.csv";
    run(&folder, &format!("{call} {OPTIONS}")).succeeded();
    folder
}

/// The folder of [`with_labelled`] with the command's couplings in `couplings/`, made by these options.
pub fn couplings_by_the_command(name: &str) -> PathBuf {
    let folder = with_labelled(name);
    let call = "couple cells.csv --ignore-column kind --method wfr-fm --delta 0.25 --seed 4 -o couplings";
    run(&folder, call).succeeded();
    folder
}

/// Asserts that two tables of a folder are the same: words to the letter, numbers to the bit, however they are written.
pub fn assert_same(folder: &Path, one: &str, other: &str) {
    let (a, b) = (table(&folder.join(one)), table(&folder.join(other)));
    assert_eq!(a.0, b.0);
    assert!(a.1.len() == b.1.len() && a.1.len() > 1, "{} and {} rows", a.1.len(), b.1.len());
    for (a, b) in a.1.iter().flatten().zip(b.1.iter().flatten()) {
        let same = match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || a.is_nan() && b.is_nan(),
            _ => a == b,
        };
        assert!(same, "{a} in {one}, {b} in {other}");
    }
}
