//! What the command promises to scripts and people.

#![cfg(feature = "cli")]

mod cli_support;
mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use cli_support::{TINY, chreode, folder, run, run_with_input};
use common::{number, shared};
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_has_keys(value: &Value, wanted: &[&str]) {
    let found = keys(value);
    assert!(wanted.iter().all(|key| found.contains(key)), "{wanted:?} in {found:?}");
}

/// A folder with a small gene network, `cells.csv`.
fn with_cells(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    run(&folder, "generate gene-network --cells-per-state 20 --seed 5 -o cells.csv").succeeded();
    folder
}

fn write_cloud(path: &Path, points: &Value, weights: &Value) {
    let dims = points[0].as_array().unwrap().len();
    let mut text: String = (1..=dims).map(|i| format!("x{i},")).collect::<String>() + "weight\n";
    for (point, weight) in points.as_array().unwrap().iter().zip(weights.as_array().unwrap()) {
        text += &point.as_array().unwrap().iter().map(|x| format!("{x},")).collect::<String>();
        text += &format!("{weight}\n");
    }
    fs::write(path, text).unwrap();
}

#[test]
fn transport_agrees_with_independent_values() {
    let Some(path) = shared("fixtures/transport.json") else { return };
    let folder = folder("fixtures");
    let cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 12);
    for (i, case) in cases.iter().enumerate() {
        write_cloud(&folder.join("a.csv"), &case["x"], &case["a"]);
        write_cloud(&folder.join("b.csv"), &case["y"], &case["b"]);
        let solve = |options: &str| run(&folder, &format!("transport a.csv b.csv {options} --json")).json();
        let close = |value: &Value, key: &str, want: f64| {
            let got = number(value, key);
            assert!((got - want).abs() <= 1e-6 * want.abs(), "case {i}: {key} is {got}, not {want}");
        };
        let delta = case["delta"].as_f64().unwrap_or(1.0);
        match case["kind"].as_str().unwrap() {
            "wfr_oet" => {
                let found = solve(&format!("--cost wfr --delta {delta}"));
                let (primal, dual) = (number(case, "primal"), number(case, "dual_lower_bound"));
                let slack = 1e-6 * primal;
                assert!(
                    (dual - slack..=primal + slack).contains(&number(&found, "primal")),
                    "case {i}: {found}"
                );
                close(&found, "dual", primal);
                close(&found, "transported_mass", number(case, "transported_mass"));
            }
            "entropic" => {
                let cost = if case["cost"] == "wfr" { "wfr" } else { "half-sqeuclidean" };
                let penalty = case["rho"].as_f64().map_or("inf".into(), |rho| rho.to_string());
                let epsilon = number(case, "epsilon");
                let found =
                    solve(&format!("--cost {cost} --delta {delta} --epsilon {epsilon} --penalty {penalty}"));
                close(&found, "primal", number(case, "primal"));
                // Parts of the objective are only as exact as the square root of its gap, 1e-9.
                for key in ["transport_cost", "transported_mass"] {
                    let (got, want) = (number(&found, key), number(case, key));
                    assert!((got / want - 1.0).abs() < 1e-4, "case {i}: {key} is {got}, not {want}");
                }
            }
            "emd" => {
                close(&solve("--cost euclidean --penalty inf --normalise"), "primal", number(case, "w1"));
                let half = number(case, "w2_squared") / 2.0;
                close(&solve("--cost half-sqeuclidean --penalty inf --normalise"), "primal", half);
            }
            other => panic!("an unknown kind of case: {other}"),
        }
    }
}

#[test]
fn transport_prints_the_promised_keys_and_a_plan_that_adds_up() {
    let folder = folder("plan");
    fs::write(folder.join("a.csv"), "x,weight\n0,1\n1,2\n").unwrap();
    fs::write(folder.join("b.csv"), "weight,x\n1,0.5\n2,3\n").unwrap();
    let found =
        run(&folder, "transport a.csv b.csv --cost euclidean --penalty inf --plan plan.csv --json").json();
    assert_has_keys(&found, &["primal", "dual", "gap", "transported_mass", "iterations", "converged"]);
    assert!((number(&found, "primal") - 4.5).abs() < 1e-12 && found["converged"] == true);
    let plan = fs::read_to_string(folder.join("plan.csv")).unwrap();
    assert_eq!(plan.lines().next(), Some("source,target,mass"));
    let mass: f64 = plan.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse::<f64>().unwrap()).sum();
    assert!((mass - 3.0).abs() < 1e-12);
    let complaint =
        run(&folder, "transport a.csv b.csv --cost euclidean --penalty inf --source-penalty 1 --json");
    assert!(complaint.json()["converged"] == true);
}

#[test]
fn fit_evaluate_and_simulate_keep_their_contract() {
    let folder = with_cells("contract");
    let fitted = run(&folder, &format!("fit cells.csv --method usb --seed 11 {TINY} -o model --json")).json();
    let wanted =
        ["method", "delta", "sigma", "epochs", "seconds", "loss", "unmatched_mass", "peak_memory_bytes"];
    assert_has_keys(&fitted, &wanted);
    assert_eq!(keys(&fitted["seconds"]), ["coupling", "training", "total"]);
    assert_eq!(keys(&fitted["loss"]), ["first", "last"]);
    assert_eq!((fitted["method"].as_str(), fitted["epochs"].as_u64()), (Some("usb"), Some(3)));
    assert_eq!(fitted["unmatched_mass"].as_array().unwrap().len(), 4);
    assert!(number(&fitted, "delta") > 0.0 && number(&fitted, "sigma") > 0.0);

    let measured = run(&folder, "evaluate model cells.csv --growth-correlation gene-network --json").json();
    assert_has_keys(&measured, &["time_points", "mean_w1", "mean_rme", "action", "growth_correlation"]);
    assert_eq!(keys(&measured["time_points"][0]), ["time", "w1", "w2", "rme"]);
    assert_eq!(measured["time_points"].as_array().unwrap().len(), 4);
    // Of more cells than distances are exact for, they are means over samples, and everywhere say so.
    let sampled = run(&folder, "evaluate model cells.csv --exact-cells 30 --json").json();
    let point = &sampled["time_points"][0];
    assert_eq!(
        keys(point),
        ["time", "w1", "w2", "rme", "w1_cells", "w1_se", "w2_se", "w1_floor", "w2_floor"]
    );
    assert_eq!(point["w1_cells"].as_u64(), Some(10));
    assert!(number(point, "w1_se") > 0.0 && number(point, "w1_floor") > 0.0);
    assert!(number(point, "w1") != number(&measured["time_points"][0], "w1"));
    let told = run(&folder, "evaluate model cells.csv --exact-cells 30");
    let told = told.succeeded();
    assert!(told.stdout.contains("(sampling ") && told.stdout.contains("floor of W1"));
    assert!(told.stderr.contains("means over samples of 10"), "{}", told.stderr);
    for mode in ["sde", "branching"] {
        let call = format!("evaluate model cells.csv --mode {mode} --runs 3 --seed 1 --step 0.1 --json");
        let measured = run(&folder, &call).json();
        assert_has_keys(&measured, &["w1_sd", "rme_sd"]);
        assert_has_keys(&measured["time_points"][0], &["w1_sd", "rme_sd"]);
        assert!(number(&measured, "w1_sd") > 0.0);
    }

    for mode in ["ode --solver rk4", "sde", "branching"] {
        let call = format!("simulate model cells.csv --mode {mode} --seed 2 --step 0.1 -o out.csv --json");
        let told = run(&folder, &call).json();
        let text = fs::read_to_string(folder.join("out.csv")).unwrap();
        assert_eq!(text.lines().next(), Some("time,particle,parent,weight,x1,x2"));
        let particles: u64 =
            told["time_points"].as_array().unwrap().iter().map(|p| p["particles"].as_u64().unwrap()).sum();
        assert_eq!(text.lines().count() as u64, particles + 1, "{mode}");
        assert!(text.lines().skip(1).all(|line| line.split(',').count() == 6));
    }
}

#[test]
fn an_ensemble_tells_its_errors_everywhere() {
    let folder = with_cells("ensemble");
    let fit = format!("fit cells.csv --method usb --seed 3 --ensemble 3 {TINY} -o model --report page.html");
    let told = run(&folder, &format!("{fit} --json")).json();
    let ensemble = &told["ensemble"];
    assert_eq!((ensemble["members"].as_u64(), ensemble["coarse_fits"].as_u64()), (Some(3), Some(3)));
    assert_eq!(ensemble["cheaper_fits"].as_u64(), Some(2));
    for field in ["velocity", "growth", "score_drift"] {
        let error = &ensemble["uncertainty"][field];
        assert!(number(error, "sampling") > 0.0 && number(error, "resolution") >= 0.0, "{field}");
        let shrinkage = number(error, "shrinkage");
        assert!((0.0..=1.0).contains(&shrinkage), "{field}: {shrinkage}");
    }
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    for shown in ["Growth rate and its error", "their 90 % interval", "from the 3 members of the ensemble"] {
        assert!(page.contains(shown), "{shown}");
    }
    let text = run(&folder, &fit).succeeded().stdout.clone();
    assert!(text.contains("ensemble: 3 members") && text.contains("error of growth"), "{text}");

    let measured = run(&folder, "evaluate model cells.csv --json").json();
    assert_has_keys(&measured["time_points"][0], &["w1_error", "w2_error", "rme_error"]);
    assert!(number(&measured["time_points"][3], "w1_error") > 0.0);
    assert!(run(&folder, "evaluate model cells.csv").succeeded().stdout.contains("(error "));
    let simulate = "simulate model cells.csv -o out.csv";
    let last = run(&folder, &format!("{simulate} --json")).json()["time_points"][4].clone();
    let [mass, sd, low, high] = ["mass", "mass_sd", "mass_q05", "mass_q95"].map(|name| number(&last, name));
    assert!(
        sd > 0.0 && ((high - mass) / sd - 1.6449).abs() < 1e-4 && ((mass - low) / sd - 1.6449).abs() < 1e-4
    );
    let without = run(&folder, &format!("{simulate} --error-bars=false --json")).json();
    assert_eq!(keys(&without["time_points"][4]), ["time", "particles", "mass"]);
}

#[test]
fn every_method_and_a_free_combination_can_be_fitted_and_evaluated() {
    let folder = with_cells("methods");
    let methods = run(&folder, "methods --json").json();
    assert_eq!(methods.as_array().unwrap().len(), 19);
    let names =
        methods.as_array().unwrap().iter().map(|m| format!("--method {}", m["name"].as_str().unwrap()));
    for choice in names.chain(["--coupling wfr --bridge straight".into()]) {
        let stages = match choice.as_str() {
            "--method deep-ruot" => "--pretraining-epochs 2 --score-epochs 2",
            "--method var-ruot" => "--score-epochs 2",
            "--method metric-fm" => "--interpolant-epochs 2",
            "--method branch-sbm" => "--interpolant-epochs 2 --growth-epochs 2",
            _ => "",
        };
        let call = format!("fit cells.csv {choice} {TINY} {stages} -o model --report page.html --json");
        let fitted = run(&folder, &call).json();
        let rollout = ["mioflow", "tigon", "ruot"].iter().any(|name| choice.contains(name));
        assert_eq!(
            fitted["unmatched_mass"].as_array().unwrap().len(),
            if rollout || choice.ends_with("branch-sbm") { 0 } else { 4 },
            "{choice}"
        );
        let rolled_out = rollout || choice.contains("vgfm") || choice.contains("branch-sbm");
        assert_eq!(fitted["rollout"]["terms"].is_object(), rolled_out, "{choice}");
        let page = fs::read_to_string(folder.join("page.html")).unwrap();
        let landscape = ["ruot", "action-matching", "wlf"].iter().any(|name| choice.contains(name));
        assert_eq!(page.contains("Waddington"), landscape, "{choice}");
        assert!(run(&folder, "evaluate model cells.csv --json").json()["mean_w1"].is_f64(), "{choice}");
    }
}

#[test]
fn the_same_seed_gives_the_same_model_and_particles_at_any_number_of_threads() {
    let folder = with_cells("threads");
    let files = |threads: usize| {
        let fit = format!(
            "fit cells.csv --method usb --seed 3 --threads {threads} {TINY} --batch-size 200 -o model"
        );
        run(&folder, &fit.replace("--batch-size 8", "")).succeeded();
        let simulate = format!(
            "simulate model cells.csv --mode branching --seed 3 --threads {threads} -o out.csv --newick out.nwk"
        );
        run(&folder, &simulate).succeeded();
        ["model", "out.csv", "out.nwk"].map(|name| fs::read(folder.join(name)).unwrap())
    };
    let one = files(1);
    assert!(one == files(2) && one == files(4));
}

#[test]
fn a_held_out_time_is_not_trained_on_and_the_ends_cannot_be_held_out() {
    let folder = with_cells("hold-out");
    let fitted =
        run(&folder, &format!("fit cells.csv --hold-out 2 --hold-out 1 {TINY} -o model --json")).json();
    assert_eq!(fitted["unmatched_mass"].as_array().unwrap().len(), 2);
    let measured = run(&folder, "evaluate model cells.csv --json").json();
    assert_eq!(measured["time_points"].as_array().unwrap().len(), 4, "held-out times are predicted too");
    for (time, why) in [("0", "first"), ("4", "last"), ("2.5", "one of")] {
        let outcome = run(&folder, &format!("fit cells.csv --hold-out {time} {TINY} -o other"));
        assert!(outcome.complaint(2).contains(why), "{outcome:?}");
        assert!(!folder.join("other").exists());
    }
}

#[test]
fn branching_lineages_are_consistent() {
    let folder = with_cells("lineages");
    run(
        &folder,
        &format!("fit cells.csv --delta 1.5 {TINY} --epochs 60 -o model").replace("--epochs 3 ", ""),
    )
    .succeeded();
    let call = "simulate model cells.csv --mode branching --founders 10 --turnover 0.3 --times 0,2,4 -o out.csv --newick out.nwk";
    run(&folder, call).succeeded();
    let text = fs::read_to_string(folder.join("out.csv")).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let founders: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] == "0").collect();
    assert_eq!(founders.len(), 10);
    assert!(founders.iter().all(|row| row[2].is_empty()), "founders have no parent");
    let newick = fs::read_to_string(folder.join("out.nwk")).unwrap();
    assert_eq!(newick.lines().count(), 10, "a tree for each founder");
    for row in rows.iter().filter(|row| row[0] == "4") {
        assert!(newick.contains(&format!("c{}:", row[1])), "cell {} is in the forest", row[1]);
        assert!(row[2].is_empty() || row[2].parse::<u64>().unwrap() < row[1].parse::<u64>().unwrap());
    }
}

#[test]
fn a_simulation_can_run_backward_from_a_later_snapshot() {
    let folder = with_cells("backward");
    run(&folder, &format!("fit cells.csv {TINY} -o model")).succeeded();
    run(&folder, "simulate model cells.csv --from 4 --times 3.5,1 -o out.csv").succeeded();
    let text = fs::read_to_string(folder.join("out.csv")).unwrap();
    assert!(text.lines().nth(1).unwrap().starts_with("3.5,0,,"));
    run(&folder, "simulate model cells.csv --from 4 --times -1 -o out.csv").succeeded();
    let outcome = run(&folder, "simulate model cells.csv --mode branching --from 4 --times 3 -o no.csv");
    assert!(outcome.complaint(2).contains("increasing"));
}

#[test]
fn columns_are_found_by_name_and_order_of_rows_does_not_matter() {
    let folder = folder("columns");
    fs::write(folder.join("a.csv"), "samples,x,y\n0,1,2\n0,2,3\n1,4,5\n1,4,6\n").unwrap();
    fs::write(folder.join("b.csv"), "x,w,cell,day,y\n4,1,c,1,5\n1,1,a,0,2\n4,1,d,1,6\n2,1,b,0,3\n").unwrap();
    run(&folder, &format!("fit a.csv {TINY} -o a")).succeeded();
    let roles = "--time-column day --weight-column w --ignore-column cell";
    run(&folder, &format!("fit b.csv {roles} {TINY} -o b")).succeeded();
    assert_eq!(fs::read(folder.join("a")).unwrap(), fs::read(folder.join("b")).unwrap());
    run(&folder, &format!("fit a.csv --masses 1,3 {TINY} -o c")).succeeded();
    assert_ne!(fs::read(folder.join("a")).unwrap(), fs::read(folder.join("c")).unwrap());
}

#[test]
fn a_model_finds_its_coordinates_by_name_in_any_file() {
    let folder = with_cells("names");
    run(&folder, &format!("fit cells.csv {TINY} -o model")).succeeded();
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let swapped = |line: &str| line.split(',').rev().map(String::from).collect::<Vec<_>>().join(",") + "\n";
    fs::write(folder.join("swapped.csv"), text.lines().map(swapped).collect::<String>()).unwrap();
    assert!(fs::read_to_string(folder.join("swapped.csv")).unwrap().starts_with("x2,x1,samples\n"));
    let measured =
        |file: &str| run(&folder, &format!("evaluate model {file} --json")).succeeded().stdout.clone();
    assert_eq!(measured("cells.csv"), measured("swapped.csv"));
    let simulated = |file: &str| {
        run(&folder, &format!("simulate model {file} --founders 7 --seed 4 -o out.csv")).succeeded();
        fs::read_to_string(folder.join("out.csv")).unwrap()
    };
    assert_eq!(simulated("cells.csv"), simulated("swapped.csv"));
    // Another seed, other founders: they are drawn, not the first.
    run(&folder, "simulate model cells.csv --founders 7 --seed 5 -o out.csv").succeeded();
    assert_ne!(fs::read_to_string(folder.join("out.csv")).unwrap(), simulated("cells.csv"));

    // A model that knows no names takes columns in their order.
    let mut model = chreode::model::Dynamics::load(folder.join("model")).unwrap();
    assert_eq!(model.info().coordinates.as_deref(), Some(&["x1".to_string(), "x2".to_string()][..]));
    model.set_coordinates(vec!["PC1".into(), "PC2".into()]).unwrap();
    model.save(folder.join("model")).unwrap();
    let refused = run(&folder, "evaluate model cells.csv");
    assert!(refused.complaint(1).contains("`PC1`, `PC2` are missing; there are `x1`, `x2`"), "{refused:?}");
}

#[test]
fn masses_of_a_fit_are_remembered() {
    let folder = with_cells("masses");
    run(&folder, &format!("fit cells.csv --masses 10,11,12,13,20 {TINY} -o model")).succeeded();
    let measured = |options: &str| run(&folder, &format!("evaluate model cells.csv {options} --json")).json();
    assert_eq!(measured(""), measured("--masses 10,11,12,13,20"));
    assert_ne!(measured(""), measured("--masses 10,11,12,13,40"));
    run(&folder, &format!("fit cells.csv --masses 10,11,12,13,20 --hold-out 2 {TINY} -o model")).succeeded();
    let unknown = run(&folder, "evaluate model cells.csv");
    assert!(unknown.complaint(2).contains("has none for 2: give --masses"), "{unknown:?}");
}

#[test]
fn tables_are_read_as_programs_write_them() {
    let folder = with_cells("dialects");
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let fitted = |file: &str| {
        let outcome = run(&folder, &format!("fit {file} {TINY} -o model"));
        (outcome.notes().join("\n"), fs::read(folder.join("model")).unwrap())
    };
    let (silence, expected) = fitted("cells.csv");
    assert_eq!(silence, "");
    let rows = || text.lines().skip(1).enumerate();
    let numbered = |header: &str, first: usize| {
        header.to_string()
            + "\n"
            + &rows().map(|(i, row)| format!("{},{row}\n", i + first)).collect::<String>()
    };
    let mut compressed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    compressed.write_all(text.as_bytes()).unwrap();
    let headed = |name: &str| text.replacen("samples", name, 1).into_bytes();
    let labelled = |before: &str, after: &str| {
        let row = |row: &str| {
            row.split_once(',').map(|(time, rest)| format!("{before}{time}{after},{rest}\n")).unwrap()
        };
        ("samples,x1,x2\n".to_string() + &rows().map(|(_, line)| row(line)).collect::<String>()).into_bytes()
    };
    for (name, contents, told) in [
        ("semicolons", text.replace(',', ";").into_bytes(), ""),
        ("tabs", text.replace(',', "\t").into_bytes(), ""),
        ("compressed", compressed.finish().unwrap(), ""),
        ("byte-order-mark", ("\u{feff}".to_string() + &text).into_bytes(), ""),
        ("empty-lines", ("\n\n".to_string() + &text.replace('\n', "\r\n\r\n")).into_bytes(), ""),
        ("pandas", numbered(",samples,x1,x2", 0).into_bytes(), "names of rows"),
        ("pandas-twice", numbered("Unnamed: 0,samples,x1,x2", 0).into_bytes(), "names of rows"),
        ("r", numbered("\"\",\"samples\",\"x1\",\"x2\"", 1).into_bytes(), "names of rows"),
        ("r-twice", numbered("X,samples,x1,x2", 1).into_bytes(), "`X`, is left out: it counts the rows"),
        ("day", headed("Day"), ""),
        ("batch-time", headed("batch_time"), ""),
        ("time-point", headed("Time point"), ""),
        ("first", headed("when"), "the times are taken from `when`, the first column"),
        ("labels", labelled("day", ""), "times: day0 → 0, day1 → 1, day2 → 2, day3 → 3, day4 → 4"),
        ("hours", labelled("", " h"), "times: 0 h → 0"),
        ("embryos", labelled("E", ".0"), "times: E0.0 → 0"),
    ] {
        fs::write(folder.join(name), contents).unwrap();
        let (notes, model) = fitted(name);
        assert!(notes.contains(told) && notes.is_empty() == told.is_empty(), "{name}: {notes}");
        assert!(model == expected, "{name}");
    }
    fs::write(
        folder.join("named"),
        labelled("t", "").iter().map(|&b| b as char).collect::<String>().replace("t4", "end"),
    )
    .unwrap();
    let mapped = run(&folder, &format!("fit named --time-map t0=0,t1=1,t2=2,t3=3,end=4 {TINY} -o model"));
    assert!(mapped.notes().is_empty() && fs::read(folder.join("model")).unwrap() == expected);
    let piped =
        run_with_input(&folder, &format!("fit - {TINY} -o model --report page.html"), text.as_bytes());
    assert!(piped.notes().is_empty() && fs::read(folder.join("model")).unwrap() == expected);
    assert!(fs::read_to_string(folder.join("page.html")).unwrap().contains("on standard input"));
    let broken = run_with_input(&folder, &format!("fit - {TINY} -o model"), b"samples,x\n\n0,1\n\n1,\n");
    assert!(broken.one_line().contains("standard input: line 5, column `x`"), "{broken:?}");
}

#[test]
fn clouds_agree_on_their_columns_by_name() {
    let folder = folder("clouds");
    fs::write(folder.join("a.csv"), "x,y\n0,1\n2,5\n").unwrap();
    fs::write(folder.join("b.csv"), "y,x\n1,0\n5,2\n").unwrap();
    fs::write(folder.join("c.csv"), "u,v\n1,0\n5,2\n").unwrap();
    let cost = |a: &str, b: &str| {
        number(
            &run(&folder, &format!("transport {a} {b} --cost euclidean --penalty inf --json")).json(),
            "primal",
        )
    };
    assert_eq!(cost("a.csv", "b.csv"), 0.0);
    assert!(cost("a.csv", "c.csv") > 1.0);
}

#[test]
fn cells_of_unequal_weight_can_branch() {
    let folder = folder("unequal");
    fs::write(folder.join("a.csv"), "samples,x,w\n0,1,2\n0,2,1\n0,3,0\n1,4,5\n1,4,6\n").unwrap();
    run(&folder, &format!("fit a.csv --weight-column w {TINY} -o model")).succeeded();
    run(&folder, "evaluate model a.csv --weight-column w --mode branching --json").json();
    run(&folder, "simulate model a.csv --weight-column w --mode branching -o out.csv").succeeded();
}

#[test]
fn generated_data_are_read_back_and_follow_the_seed() {
    let folder = folder("generate");
    for (what, columns) in [
        ("gene-network --cells-per-state 5", 3),
        ("gaussian-mixture --dims 4", 5),
        ("branching --cells 50 --dims 3 --fates 2 --time-points 4", 4),
    ] {
        let make = |seed: u64| {
            run(&folder, &format!("generate {what} --seed {seed} -o cells.csv")).succeeded();
            fs::read_to_string(folder.join("cells.csv")).unwrap()
        };
        let text = make(1);
        assert!(text.lines().all(|line| line.split(',').count() == columns), "{what}");
        assert_ne!(make(2), text);
        assert_eq!(make(1), text);
        run(&folder, &format!("fit cells.csv {TINY} -o model")).succeeded();
    }
}

#[test]
fn every_option_of_a_fit_is_listed_with_what_a_user_needs() {
    let folder = folder("options");
    let options = run(&folder, "options --json").json();
    let help = run(&folder, "fit --help").stdout;
    for option in options.as_array().unwrap() {
        assert_has_keys(option, &["name", "type", "default", "range", "meaning"]);
        let flag = format!("--{}", option["name"].as_str().unwrap());
        assert!([" ", "[="].iter().any(|end| help.contains(&format!("{flag}{end}"))), "{option}");
        assert!(
            !option["meaning"].as_str().unwrap().is_empty() && !option["type"].as_str().unwrap().is_empty()
        );
    }
    let default = |name: &str| {
        let found = options.as_array().unwrap().iter().find(|option| option["name"] == name).unwrap();
        found["default"].as_str().unwrap().to_string()
    };
    assert_eq!([default("epochs"), default("hidden"), default("ema")], ["2400", "64x3", "0.995"]);
}

#[test]
fn the_report_is_one_page_that_needs_nothing_else() {
    let folder = folder("report");
    for dims in [2, 5] {
        run(&folder, &format!("generate branching --cells 300 --dims {dims} -o cells.csv")).succeeded();
        run(&folder, &format!("fit cells.csv --method usb --hold-out 1 {TINY} -o model --report page.html"))
            .succeeded();
        let page = fs::read_to_string(folder.join("page.html")).unwrap();
        // What scripts read may hold any letters; `cli_report` looks at it in a browser.
        let parts = page.split("<script").enumerate();
        let page: String = parts
            .map(|(i, part)| if i == 0 { part } else { part.split_once("</script>").unwrap().1 })
            .collect();
        for outside in ["http", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN") && !page.contains(">inf"), "every figure is a number");
        assert_eq!(page.contains("principal component 1"), dims > 2);
        assert!(page.contains("held out"));
    }
}

#[test]
fn the_report_and_the_text_say_what_they_show() {
    let folder = folder("report-says");
    run(&folder, "generate branching --cells 4000 --dims 2 --time-points 2 --growth 0 -o cells.csv")
        .succeeded();
    let count = |time: &str| {
        let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
        text.lines().filter(|line| line.starts_with(&format!("{time},"))).count()
    };
    let fit = format!("fit cells.csv --method usb {TINY} --chunk-size 1000 -o model --report page.html");
    let fitted = run(&folder, &fit);
    let text = &fitted.succeeded().stdout;
    let page = fs::read_to_string(folder.join("page.html")).unwrap();
    // All cells are counted, though fewer are drawn.
    for time in ["0", "1"] {
        assert!(
            count(time) > 1500 && page.contains(&format!("time {time} ({} cells)", count(time))),
            "{time}"
        );
    }
    assert!(page.contains("sample of at most 1500 cells a time"));
    for told in ["|g|/λ at most ", " blocks"] {
        assert!(text.contains(told) && page.contains(told), "{told}");
    }
    assert!(page.contains("their range over 8 seeds") && page.contains("loss, logarithmic scale"));
    let mut headings: Vec<&str> =
        page.split("<h").skip(1).filter_map(|rest| rest.get(2..)?.split("</h").next()).collect();
    let all = headings.len();
    headings.sort();
    headings.dedup();
    assert!(all > 8 && headings.len() == all, "{headings:?}");
    // In one block and without λ there is nothing of the kind to tell.
    run(&folder, "generate gene-network --cells-per-state 20 -o few.csv").succeeded();
    let fitted = run(&folder, &format!("fit few.csv --method wfr-fm {TINY} -o model"));
    assert!(!fitted.stdout.contains("blocks") && !fitted.stdout.contains("|g|/λ"));
}

#[test]
fn help_and_version_succeed() {
    let folder = folder("help");
    for arguments in [&["--help"][..], &["--version"], &["fit", "--help"], &["generate", "branching", "-h"]] {
        assert!(!chreode(&folder, arguments).succeeded().stdout.is_empty());
    }
}

#[test]
fn doctor_tells_what_there_is_to_compute_with() {
    let folder = folder("cli-doctor");
    let told = run(&folder, "doctor --json").json();
    assert!(told["cpu"]["cores"].as_u64().unwrap() >= 1, "{told}");
    // With a device there is no problem, and without one it is told.
    assert_eq!(told["devices"].as_array().unwrap().is_empty(), told["problem"].is_string(), "{told}");
    let text = run(&folder, "doctor");
    let text = &text.succeeded().stdout;
    assert!(text.starts_with("chreode ") && text.contains("cpu: "), "{text}");
}
