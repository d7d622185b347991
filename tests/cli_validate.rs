//! What `chreode validate` promises: honest figures on cells that were not fitted, for scripts and people.

#![cfg(feature = "cli")]

mod cli_support;
mod common;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use cli_support::{chreode, folder, run};
use common::number;
use serde_json::Value;

/// Fits of a moment.
const SHORT: &str = "--hidden 8 --growth-hidden 8 --epochs 5 --batch-size 16";

/// A folder with a small gene network, `cells.csv`, and the same with halves and true growth, `known.csv`.
fn with_cells(name: &str) -> PathBuf {
    let folder = folder(name);
    run(&folder, "generate gene-network --cells-per-state 20 --seed 5 -o cells.csv").succeeded();
    let cells = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let mut lines = cells.lines();
    let mut known = format!("donor,{},growth\n", lines.next().unwrap());
    for (i, line) in lines.enumerate() {
        let x2: f64 = line.rsplit(',').next().unwrap().parse().unwrap();
        writeln!(known, "{},{line},{}", if i % 2 == 0 { "old" } else { "young" }, x2 * x2 / (1.0 + x2 * x2))
            .unwrap();
    }
    fs::write(folder.join("known.csv"), known).unwrap();
    folder
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is a list in {value}"))
}

#[test]
fn json_has_the_figures_of_the_best_recipe_and_of_all() {
    let folder = with_cells("validate-json");
    let found =
        run(&folder, &format!("validate cells.csv --methods wfr-fm,usb --sigma 0.02,0.05 {SHORT} --json"))
            .json();
    let recipes = list(&found, "recipes");
    let names: Vec<&str> = recipes.iter().map(|recipe| recipe["recipe"].as_str().unwrap()).collect();
    assert_eq!(names, ["wfr-fm", "usb sigma=0.02", "usb sigma=0.05"]);
    let ratios: Vec<f64> = recipes.iter().map(|recipe| number(recipe, "ratio")).collect();
    let best = found["best"].as_u64().unwrap() as usize;
    assert!(ratios.iter().all(|ratio| ratios[best] <= *ratio));
    for key in ["ratio", "energy", "rme", "cpu_seconds", "ratio_interval", "nothing_moves_ratio"] {
        assert!(number(&found, key).is_finite(), "{key}");
    }
    assert_eq!(found["ratio"], recipes[best]["ratio"]);
    for key in ["times", "w1", "floor", "nothing_moves", "energies", "rmes"] {
        assert_eq!(list(&found, key).len(), 4, "{key}");
    }
    let mean = |key: &str| list(&found, key).iter().map(|v| v.as_f64().unwrap()).sum::<f64>() / 4.0;
    assert!((mean("w1") - number(&found, "mean_w1")).abs() < 1e-12);
    assert_eq!((found["splits"].as_u64(), found["seeds"].as_u64()), (Some(3), Some(1)));
    assert_eq!((recipes[0]["mode"].as_str(), recipes[1]["mode"].as_str()), (Some("ode"), Some("sde")));
}

#[test]
fn the_same_seed_gives_the_same_figures_at_any_number_of_threads() {
    let folder = with_cells("validate-threads");
    let with = |threads: usize| {
        let mut found = run(
            &folder,
            &format!(
                "validate cells.csv --method usb {SHORT} --seed 3 --hold-out-times --threads {threads} --json"
            ),
        )
        .json();
        found["cpu_seconds"].take();
        found["recipes"][0]["cpu_seconds"].take();
        found
    };
    let one = with(1);
    assert!(list(&one, "held_out_w1").len() == 3 && list(&one["held_out"], "interpolation").len() == 3);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn given_halves_are_held_out_in_turn_and_growth_is_compared_with_the_truth() {
    let folder = with_cells("validate-halves");
    let known = "validate known.csv --half-column donor --truth-column growth";
    let found = run(&folder, &format!("{known} {SHORT} --json")).json();
    assert_eq!((found["splits"].as_u64(), found["parts"].as_u64()), (Some(2), Some(2)));
    assert!(number(&found, "growth_error") > 0.0 && number(&found, "growth_correlation").abs() <= 1.0);
    // The first split holds out the last label.
    let young = run(&folder, &format!("{known} {SHORT} --splits 1 --json")).json();
    assert_eq!(list(&found, "ratios")[0], list(&young, "ratios")[0]);
    let without = run(&folder, &format!("validate cells.csv {SHORT} --splits 1 --json")).json();
    assert!(without["growth_error"].is_null() && without["ratio_interval"].is_null());
}

#[test]
fn people_read_one_line_a_table_and_what_was_done_and_the_page_has_pictures() {
    let folder = with_cells("validate-text");
    let told = run(
        &folder,
        "validate cells.csv --hidden 4x1,8x1 --growth-hidden 8 --epochs 5 --cap 10 --hold-out-times --report page.html",
    );
    let text = &told.succeeded().stdout;
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("usb hidden=") && first.contains("W1 to unseen cells is"), "{text}");
    for wanted in [
        "ratio",
        "best",
        "nothing moves",
        "floor",
        "mid-points",
        "3 splits into halves, 1 fit each, ",
        "95 %",
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    // Twice ten of the largest snapshot are used, and that many in proportion of the others.
    let used = text.split("1 fit each, ").nth(1).unwrap();
    let words = used.split(' ').filter_map(|word| word.parse().ok());
    let counts: Vec<usize> = words.take(2).collect();
    assert!(counts[0] < counts[1] && counts[0] > 40 && counts[0] <= 100, "{used}");
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.matches("<figure").count() == 3 && page.contains(first.split(": ").nth(1).unwrap()));
    assert!(!page.contains("NaN"));
}

#[test]
fn what_cannot_be_validated_is_told_in_one_line() {
    let folder = with_cells("validate-bad");
    fs::write(folder.join("single.csv"), "samples,x\n0,1\n0,2\n0,3\n0,4\n").unwrap();
    fs::write(folder.join("apart.csv"), "samples,x,half\n0,1,a\n0,2,a\n0,3,a\n1,4,b\n1,5,b\n1,6,b\n")
        .unwrap();
    fs::write(folder.join("hole.csv"), "samples,x,half\n0,1,a\n0,2,\n").unwrap();
    for (arguments, code, told) in [
        ("validate single.csv", 1, "two times or more; there is one, 0"),
        ("validate apart.csv --half-column half", 1, "part `b` has 0 cells at time 0"),
        ("validate hole.csv --half-column half", 1, "line 3, column `half`"),
        ("validate cells.csv --half-column sex", 2, "there is no column `sex`"),
        ("validate cells.csv --truth-column g", 2, "there is no column `g`"),
        (
            "validate known.csv --ignore-column donor --truth-column growth --half-column donor --splits 3",
            2,
            "at most 2",
        ),
        ("validate cells.csv --splits 0", 2, "splits must be a whole number, 1 to 1000"),
        ("validate cells.csv --folds 1", 2, "folds must be a whole number, 2 to 20"),
        ("validate cells.csv --methods wfr-fm,usc", 2, "method must be one of"),
        ("validate cells.csv --method wfr-fm --sigma 0.1,0.2", 2, "sigma must be left out with wfr-fm"),
        ("validate cells.csv --delta 1,-2", 2, "delta must be positive"),
        ("validate cells.csv --mode branching", 2, "branching"),
        ("validate cells.csv --report /no/such/folder/page.html", 1, "cannot be written"),
    ] {
        let complaint = run(&folder, arguments);
        let complaint = complaint.complaint(code);
        assert!(complaint.contains(told), "{arguments}: {complaint}");
    }
    // A recipe that fails stands beside those that do not; one alone is a failure.
    let failing = format!("validate cells.csv --method uot-growth {SHORT} --learning-rate 1e30,1e-3");
    let told = run(&folder, &failing);
    let text = &told.succeeded().stdout;
    assert!(text.contains("uot-growth learning_rate=1e30: failed: ") && text.contains("best"), "{text}");
    run(&folder, &format!("validate cells.csv --method uot-growth {SHORT} --learning-rate 1e30"))
        .complaint(1);
    let help = chreode(&folder, &["validate", "--help"]);
    let help = &help.succeeded().stdout;
    assert!(help.contains("--half-column") && help.contains("make a grid of recipes"), "{help}");
}
