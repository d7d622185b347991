//! `chreode benchmark`: tables of recipes by name or from a file, that go on where they were ended.

#![cfg(feature = "command")]

mod cli_support;

use std::fs;
use std::path::Path;

use cli_support::{folder, run};
use serde_json::Value;

const TABLE: &str = r#"{"about": "two recipes", "source": "nobody", "growth_truth": "gene-network", "rows": [
    {"name": "ours", "options": {"epochs": 20, "hidden": "8x2", "growth_hidden": "8x2", "score_hidden": "8x2"}},
    {"name": "theirs", "options": {"method": "ot-cfm", "preset": "published", "epochs": 20, "hidden": "8x2"},
     "published": {"w1": [0.1, 0.2, 0.3, 0.4], "hold_one_out": 0.5}}]}"#;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_table_of_a_file_is_measured_once_and_shown_beside_what_was_published() {
    let folder = folder("benchmark");
    run(&folder, "generate gene-network --cells-per-state 20 --seed 5 -o cells.csv").succeeded();
    fs::write(folder.join("two.json"), TABLE).unwrap();
    let call = "benchmark cells.csv --table two.json --seeds 2 --seed 3 -o out";
    let told = run(&folder, call);
    let text = &told.succeeded().stdout;
    for word in ["ours", "theirs", "0.25", "0.5", "held-out ratio", "hold-one-out W1", "growth corr.", "±"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let found = json(&folder.join("out/benchmark.json"));
    for row in 0..2 {
        let result = &found["rows"][row]["fits"][1]["result"];
        for key in ["mean_w1", "action", "ratio", "energy", "hold_one_out", "floor_w1", "mid_points_w1"] {
            assert!(result[key].as_f64().unwrap().is_finite(), "{key} of {result}");
        }
        assert_eq!(result["w1"].as_array().unwrap().len(), 4);
    }
    assert!(found["rows"][0]["fits"][0]["result"]["sde"]["mean_w1"].is_number());
    assert!(found["rows"][0]["fits"][0]["result"]["growth_correlation"].is_number());
    let page = fs::read_to_string(folder.join("out/benchmark.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("theirs"), "{page}");
    let csv = fs::read_to_string(folder.join("out/benchmark.csv")).unwrap();
    assert!(csv.lines().any(|line| line.starts_with("two,theirs,4,hold_one_out,,")), "{csv}");

    // A second call measures nothing: what is kept is shown, whatever stands there.
    let part = folder.join("out/parts/two-theirs-4.json");
    let mut kept = json(&part);
    kept["result"]["mean_w1"] = 123.0.into();
    fs::write(&part, kept.to_string()).unwrap();
    run(&folder, call).succeeded();
    let again = json(&folder.join("out/benchmark.json"));
    assert_eq!(again["rows"][1]["fits"][1]["result"]["mean_w1"], 123.0);
    assert_eq!(again["rows"][0], found["rows"][0]);
    // Another option, other data or a damaged part are measured anew; the earlier table stands beside.
    fs::write(&part, "{").unwrap();
    run(&folder, call).succeeded();
    let mended = json(&folder.join("out/benchmark.json"));
    assert_eq!(mended["rows"][1]["fits"][1]["result"]["w1"], found["rows"][1]["fits"][1]["result"]["w1"]);
    let other = run(
        &folder,
        "benchmark cells.csv --table two.json --methods theirs --seed 3 --splits 0 --set epochs=5 --against out -o other",
    );
    let text = &other.succeeded().stdout;
    assert!(text.contains("before") && !text.contains("ours"), "{text}");
}

#[test]
fn between_two_snapshots_no_time_is_left_out() {
    let folder = folder("benchmark-two");
    run(&folder, "generate gaussian-mixture --dims 2 -o cells.csv").succeeded();
    fs::write(folder.join("two.json"), TABLE).unwrap();
    let told = run(&folder, "benchmark cells.csv --table two.json --methods theirs --set epochs=5 -o out");
    let text = &told.succeeded().stdout;
    assert!(text.contains("held-out ratio") && !text.contains("hold-one-out"), "{text}");
    let result = &json(&folder.join("out/benchmark.json"))["rows"][0]["fits"][0]["result"];
    assert!(result["ratio"].is_number() && result.get("hold_one_out").is_none(), "{result}");
}

#[test]
fn the_published_tables_are_of_methods_and_options_that_there_are() {
    let folder = folder("benchmark-published");
    run(&folder, "generate gene-network --cells-per-state 8 --seed 5 -o cells.csv").succeeded();
    // Every row of a table is checked before a file is read, and before anything is fitted.
    for table in ["gene", "dyngen", "emt", "gaussian"] {
        let told = run(&folder, &format!("benchmark missing.csv --table {table} -o out"));
        let complaint = told.complaint(1);
        assert!(complaint.contains("missing.csv"), "{table}: {complaint}");
    }
    for (call, code, words) in [
        ("--table nowhere.json", 2, "table must be one of gene dyngen emt gaussian, or a file"),
        ("--table gene --methods usb,nothing", 2, "methods must be all, or of default usb"),
        ("--set epochs", 2, "NAME=VALUE is needed"),
        ("--set epochs=0", 2, "epochs"),
        ("--set no_such=1", 2, "no_such"),
        ("--against nowhere", 1, "benchmark.json"),
    ] {
        let told = run(&folder, &format!("benchmark cells.csv {call} -o out"));
        let complaint = told.complaint(code);
        assert!(complaint.contains(words), "{call}: {complaint}");
    }
}
