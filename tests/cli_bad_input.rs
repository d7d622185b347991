//! Whatever it is given, the command ends with a result or with one clear line: no panic, no half-written file.

#![cfg(feature = "cli")]

mod cli_support;

use std::fs;
use std::path::Path;

use cli_support::{TINY, folder, run};
use proptest::prelude::*;

const GOOD: &str = "samples,x,y\n0,1,2\n0,2,3\n1,4,5\n1,4,6\n2,7,8\n";

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A folder with a data set and a model fitted to it.
fn with_model(name: &str, options: &str) -> std::path::PathBuf {
    let folder = folder(name);
    fs::write(folder.join("cells.csv"), GOOD).unwrap();
    run(&folder, &format!("fit cells.csv {TINY} {options} -o model")).succeeded();
    folder
}

#[test]
fn unusable_files_are_refused_by_line_and_column() {
    let folder = with_model("bad-files", "");
    let before = files(&folder);
    for (text, told) in [
        ("", "empty"),
        ("\n\n\n", "empty"),
        ("samples,x,y\n", "no cells"),
        ("samples\n0\n1\n", "coordinates"),
        ("0,1,2\n1,2,3\n", "header"),
        ("samples,x,x\n0,1,2\n", "two columns are called `x`"),
        ("samples,x,\n1,0,2\n", "column 3 has no name"),
        (
            "samples,x,y\n1,0,1,2\n",
            "line 2: 4 values, but the header names 3 columns; if they are names of rows",
        ),
        ("samples,x,y\n0,1,2\n1,2\n", "line 3: 2 values, but the header names 3"),
        ("samples,x,y\n0,1,2\n1,2,3,4\n", "line 3: 4 values"),
        ("samples,x,y\n0,1,2\n\n1,2,B cell\n", "line 4, column `y`: `B cell` is not a number"),
        ("samples,x,y\n0,1,2\n1,,3\n", "line 3, column `x`: a number is missing"),
        ("samples,x,y\n0,1,NaN\n1,2,3\n", "line 2, column `y`: NaN is not a finite number"),
        ("samples,x,y\n0,1,2\n1,-inf,3\n", "line 3, column `x`: -inf is not a finite number"),
        ("samples,x,y\n0,1,2\n1,1e999,3\n", "line 3, column `x`: inf is not a finite number"),
        ("samples,x,y\nnan,1,2\n1,1,3\n", "line 2, column `samples`"),
        ("samples,x,y\n\nday0,1,2\n\nNA,1,3\n", "line 5, column `samples`: `NA`: a number is missing"),
        ("samples,x,y\n0,1,2\n1,NA,3\n", "line 3, column `x`: `NA`: a number is missing"),
        (
            "samples,x,y\nday0,1,2\nDay1,1,3\n",
            "`day0`, `Day1`; tell their times, as in --time-map day0=0,Day1=1",
        ),
        ("samples,x,y\nday-1,1,2\nday-2,1,3\n", "--time-map"),
        ("samples,x,y\n0,1,2\nlate,1,3\n", "line 3, column `samples`: `late` is not a number"),
        (
            "samples;x;y\n0;1,5;2\n1;1,5;3\n",
            "column `x`: `1,5` is not a number; decimals are written with a point",
        ),
        (
            "samples,x,y\n0.3,1,2\n0.30000000000000004,1,3\n1,1,2\n",
            "times 0.3 and 0.30000000000000004 differ by",
        ),
        (
            "samples,x,y\n0,1e7,2\n0,10000000.1,3\n1,10000000.2,3\n",
            "coordinate 1: its values are as large as 1.000e7",
        ),
        ("samples,x,y\n0,1,1e9\n0,2,1000000001\n1,2,1000000001\n", "coordinate 2: its values"),
        ("\u{0}\u{1}samples,x\n0,1\n1,2\n", "this is no text"),
        ("samples,x,y\n0,1,2\n1,1e300,3\n", "line 3, column `x`: 1e300 is beyond"),
        ("samples,x,y\n0,1,2\n1,\"2,3\n", "line 3"),
        ("samples,x,y\n0,1,\u{fffd}\n", "is not a number"),
    ] {
        fs::write(folder.join("bad.csv"), text).unwrap();
        for call in [
            format!("fit bad.csv {TINY} -o out"),
            "evaluate model bad.csv".into(),
            "simulate model bad.csv -o out".into(),
        ] {
            let outcome = run(&folder, &call);
            let line = outcome.complaint(1);
            assert!(line.contains("bad.csv") && line.contains(told), "{call} of {text:?}: {line}");
        }
        let outcome = run(&folder, "transport bad.csv bad.csv --plan out");
        // What is no time here is a coordinate; it is in double precision, and 1e300 is one more.
        if outcome.code != Some(0) {
            outcome.one_line();
        }
        let _ = fs::remove_file(folder.join("out"));
        let _ = fs::remove_file(folder.join("bad.csv"));
    }
    fs::write(folder.join("bytes.csv"), b"samples,x\n0,\xff\xfe\n").unwrap();
    assert!(run(&folder, &format!("fit bytes.csv {TINY} -o out")).complaint(1).contains("line 2"));
    fs::remove_file(folder.join("bytes.csv")).unwrap();
    assert_eq!(files(&folder), before);
}

#[test]
fn unusable_calls_are_usage_errors() {
    let folder = with_model("bad-calls", "");
    fs::write(folder.join("untimed.csv"), "x,y,when\n1,2,0\n2,3,0\n4,5,1\n5,6,1\n7,8,2\n").unwrap();
    let pseudotime: String = (0..12).map(|i| format!("{}.5,{},1\n", i, i % 5)).collect();
    fs::write(folder.join("pseudotime.csv"), "time,x,y\n".to_string() + &pseudotime).unwrap();
    fs::write(folder.join("ambiguous.csv"), "x,day,Stage\n1,0,1\n2,0,1\n1,1,2\n").unwrap();
    let before = files(&folder);
    for (call, told) in [
        ("", "a command is needed"),
        ("generate", "a command is needed"),
        ("frobnicate", "frobnicate"),
        ("fit cells.csv", "--output"),
        ("fit cells.csv -o out --delta -1", "delta must be positive and finite, got -1"),
        ("fit cells.csv -o out --delta 0", "delta"),
        ("fit cells.csv -o out --delta inf", "delta"),
        ("fit cells.csv -o out --delta NaN", "delta"),
        ("fit cells.csv -o out --delta abc", "delta"),
        ("fit cells.csv -o out --method usb --sigma -0.1", "sigma"),
        ("fit cells.csv -o out --method usb --sigma 1 --delta 1 --branching-rate 5", "branching_rate"),
        ("fit cells.csv -o out --method uot-fm --penalty 0", "penalty"),
        ("fit cells.csv -o out --method best", "ot-cfm"),
        ("fit cells.csv -o out --method usb --coupling wfr --bridge straight", "cannot be used with"),
        ("fit cells.csv -o out --coupling wfr", "--bridge"),
        ("fit cells.csv -o out --epochs 0", "epochs"),
        ("fit cells.csv -o out --epochs 18446744073709551615", "epochs"),
        ("fit cells.csv -o out --batch-size 0", "batch_size"),
        ("fit cells.csv -o out --batch-size 1844674407370955161", "batch_size"),
        ("fit cells.csv -o out --hidden 0", "--hidden"),
        ("fit cells.csv -o out --hidden 8x", "--hidden"),
        ("fit cells.csv -o out --hidden 9999999x3", "parameters"),
        ("fit cells.csv -o out --hidden 2x999999999", "layers"),
        ("fit cells.csv -o out --activation sine", "tanh"),
        ("fit cells.csv -o out --learning-rate 0", "learning_rate"),
        ("fit cells.csv -o out --final-learning-rate -1", "final_learning_rate"),
        ("fit cells.csv -o out --ema 1", "ema"),
        ("fit cells.csv -o out --clip 0", "clip"),
        ("fit cells.csv -o out --chunk-size 0", "chunk_size"),
        ("fit cells.csv -o out --threads 99999", "threads"),
        ("fit cells.csv -o out --hold-out 0", "first"),
        ("fit cells.csv -o out --hold-out 2", "last"),
        ("fit cells.csv -o out --hold-out 7", "one of"),
        ("fit cells.csv -o out --time-column t", "there is no column `t`"),
        ("fit untimed.csv -o out", "`x` has 5 values in 5 rows, so it can hardly be the time"),
        ("fit pseudotime.csv -o out", "`time` has 12 values in 12 rows"),
        ("fit ambiguous.csv -o out", "each of `day`, `Stage` could be the times"),
        ("fit cells.csv -o out --time-map day0", "time-map"),
        ("fit cells.csv -o out --time-map day0=inf", "must be a finite number, got `inf`"),
        ("transport - -", "standard input can be read once"),
        ("fit cells.csv -o out --weight-column w", "there is no column `w`"),
        ("fit cells.csv -o out --masses 1,2", "3 values"),
        ("fit cells.csv -o out --masses 1,-2,3", "positive"),
        ("evaluate model cells.csv --delta 0", "delta"),
        ("evaluate model cells.csv --mode sde --runs 0", "runs"),
        ("evaluate model cells.csv --mode sde --step 0", "step"),
        ("evaluate model cells.csv --mode sde --step 1e-300", "step"),
        ("evaluate model cells.csv --mode branching --turnover -1", "turnover"),
        ("simulate model cells.csv -o out --times 2,1", "increasing"),
        ("simulate model cells.csv -o out --times nan", "finite"),
        ("simulate model cells.csv -o out --times 0,0", "increasing"),
        ("simulate model cells.csv -o out --from 9", "one of"),
        ("simulate model cells.csv -o out --founders 0", "founders"),
        ("simulate model cells.csv -o out --founders 3", "founders"),
        ("simulate model cells.csv -o out --newick tree", "branching"),
        ("simulate model cells.csv -o out --mode sde --resample-below 2", "between 0 and 1, both included"),
        ("simulate model cells.csv -o out --turnover 1", "turnover must be left out with mode ode"),
        (
            "evaluate model cells.csv --step 0.1",
            "step must be left out with mode ode and solver dormand-prince",
        ),
        ("simulate model cells.csv -o out --solver runge-kutta-4", "rk4"),
        ("transport cells.csv cells.csv --cost wfr --delta -2", "delta"),
        ("transport cells.csv cells.csv --epsilon -1", "epsilon"),
        ("transport cells.csv cells.csv --epsilon nan", "epsilon"),
        ("transport cells.csv cells.csv --penalty 0", "penalty"),
        ("transport cells.csv cells.csv --penalty nan", "penalty"),
        ("generate gene-network --cells-per-state 0 -o out", "cells per state"),
        ("generate gene-network --cells-per-state 100000000000000000 -o out", "memory"),
        ("generate gaussian-mixture --dims 1 -o out", "at least 2"),
        ("generate gaussian-mixture --dims 10000000000000 -o out", "memory"),
        ("generate branching --cells 1 -o out", "cells"),
        ("generate branching --cells 1000000000000000 -o out", "memory"),
        ("generate branching --fates 1000000000000000 -o out", "memory"),
        ("generate branching --spread 0 -o out", "spread"),
        ("generate branching --growth -1 -o out", "growth"),
    ] {
        let outcome = run(&folder, call);
        assert!(outcome.complaint(2).contains(told), "{call}: {outcome:?}");
        assert_eq!(files(&folder), before, "{call}");
    }
}

#[test]
fn what_cannot_be_done_fails_and_leaves_no_file() {
    let folder = with_model("failures", "");
    fs::write(folder.join("one-time.csv"), "samples,x,y\n1,1,2\n1,3,4\n").unwrap();
    fs::write(folder.join("one-cell.csv"), "samples,x,y\n1,1,2\n").unwrap();
    fs::write(folder.join("three.csv"), "samples,x,y,z\n0,1,2,3\n1,1,2,3\n").unwrap();
    fs::write(folder.join("weightless.csv"), "samples,x,y,w\n0,1,2,0\n1,1,2,1\n").unwrap();
    fs::write(folder.join("negative.csv"), "samples,x,y,w\n0,1,2,1\n1,1,2,-1\n").unwrap();
    fs::write(folder.join("named.csv"), "samples,x,weight\n0,1,2\n1,1,2\n").unwrap();
    fs::write(folder.join("renamed.csv"), "samples,x,Y\n0,1,2\n1,1,2\n").unwrap();
    fs::write(folder.join("weighed.csv"), "samples,x,y,w\n0,1,2,1\n1,1,2,1\n").unwrap();
    fs::write(folder.join("a.csv"), "x\n0\n1\n").unwrap();
    fs::write(folder.join("b.csv"), "x\n100\n").unwrap();
    let before = files(&folder);
    for (call, told) in [
        ("fit absent.csv -o out", "absent.csv"),
        ("fit . -o out", "."),
        ("fit one-time.csv -o out", "two times"),
        ("fit one-cell.csv -o out", "two times"),
        ("fit weightless.csv --weight-column w -o out", "time 0: the total weight"),
        ("fit negative.csv --weight-column w -o out", "line 3, column `w`"),
        ("fit cells.csv -o absent/out", "absent/out"),
        ("fit cells.csv -o .", "."),
        ("fit cells.csv -o out --report absent/page.html", "absent/page.html"),
        (
            "fit cells.csv -o out --learning-rate 1e30 --final-learning-rate 1e30 --epochs 50 --hidden 8x2",
            "no model was written",
        ),
        ("evaluate absent cells.csv", "absent"),
        ("evaluate cells.csv cells.csv", "not a usable chreode model"),
        ("evaluate model one-time.csv", "two times"),
        ("evaluate model three.csv", "three.csv: `z` is not among the coordinates of model (x, y)"),
        ("evaluate model renamed.csv", "`y` is missing; there are `Y`"),
        ("evaluate model weighed.csv --ignore-column y --weight-column w", "`y` is missing"),
        (
            "evaluate model three.csv --ignore-column z --growth-correlation gene-network --time-column x",
            "line",
        ),
        ("evaluate model cells.csv --mode branching --max-population 1", "population"),
        ("simulate model three.csv -o out", "--ignore-column z"),
        ("simulate model named.csv -o out", "`weight`"),
        ("simulate model cells.csv -o absent/out", "absent/out"),
        ("simulate model cells.csv --mode branching -o out --newick absent/tree", "absent/tree"),
        ("simulate model cells.csv --mode branching --max-population 1 -o out", "limit of 1"),
        ("transport a.csv cells.csv", "1 coordinates"),
        ("transport renamed.csv cells.csv", "either all names must agree or none"),
        ("transport a.csv b.csv --penalty inf --cost euclidean", "total weights differ"),
        ("transport a.csv b.csv --penalty inf --normalise --plan out", "out of reach"),
        ("transport a.csv b.csv --penalty inf --normalise --epsilon 0.1 --plan out", "out of reach"),
        ("transport a.csv b.csv --plan absent/plan", "absent/plan"),
        ("generate gene-network -o absent/out", "absent/out"),
        ("demo --out cells.csv", "cells.csv"),
    ] {
        let outcome = run(&folder, call);
        // Of the few that are wrong calls as well, the code says so.
        if !outcome.one_line().contains(told) && !call.contains("--time-column x") {
            panic!("{call}: {outcome:?}");
        }
        assert_eq!(files(&folder), before, "{call}");
    }
}

#[test]
fn degenerate_data_are_data() {
    let sets = [
        ("duplicates", "samples,x,y\n0,1,2\n0,1,2\n0,1,2\n1,1,2\n1,1,2\n2,3,4\n2,3,4\n"),
        ("constant", "samples,x,y\n0,5,1\n0,5,2\n1,5,2\n1,5,3\n2,5,4\n"),
        ("all-the-same", "samples,x,y\n0,5,1\n0,5,1\n1,5,1\n1,5,1\n2,5,1\n"),
        ("one-cell-each", "samples,x,y\n0,1,2\n1,2,3\n2,0,1\n"),
        ("unsorted", "samples,x,y\n2,1,2\n0,2,3\n1,0,1\n0,5,5\n2,1,1\n"),
        ("huge", "samples,x,y\n0,1e30,2e30\n0,-1e30,3e30\n1,1e30,1e30\n1,2e30,1e29\n2,1e30,-1e30\n"),
        (
            "far-away",
            "samples,x,y\n0,1000000,1000000\n0,1001000,1000000\n1,1001000,1002000\n2,1000000,1001000\n",
        ),
        ("tiny", "samples,x,y\n0,1e-30,2e-30\n0,-1e-30,3e-30\n1,1e-30,1e-30\n2,1e-30,-1e-30\n"),
        ("mixed", "samples,x,y\n0,1e30,1\n0,2e30,2\n1,1e30,3\n1,3e30,1\n2,1e30,2\n"),
        ("uneven", "samples,x,y\n-3,1,2\n-3,2,1\n0.001,2,3\n1e6,0,1\n"),
        ("one-dimension", "samples,x\n0,1\n0,2\n1,3\n1,4\n2,5\n"),
        ("quoted", "\"samples\",\"x\",\"y\"\r\n0, 1 ,2\r\n\r\n1,\"3\",4\r\n2,3,4\r\n"),
    ];
    for (name, text) in sets {
        let folder = folder(&format!("degenerate-{name}"));
        fs::write(folder.join("cells.csv"), text).unwrap();
        for method in ["ot-cfm", "sf2m", "uot-fm", "vgfm", "wfr-fm", "usb"] {
            let fit = format!("fit cells.csv --method {method} {TINY} -o model --report page.html --json");
            let fitted = run(&folder, &fit);
            assert!(fitted.code == Some(0), "{name}, {method}: {fitted:?}");
            fitted.json();
            for mode in ["ode", "sde", "branching"] {
                let runs = if mode == "ode" { "" } else { "--runs 2" };
                let evaluated =
                    run(&folder, &format!("evaluate model cells.csv --mode {mode} {runs} --json"));
                // A branching population of a cell or two may die out, and that is the answer.
                let died = evaluated.stderr.contains("died out") && mode == "branching";
                assert!(evaluated.code == Some(0) || died, "{name}, {method}, {mode}: {evaluated:?}");
                let call = format!("simulate model cells.csv --mode {mode} -o out.csv");
                let simulated = run(&folder, &call);
                assert!(simulated.code == Some(0), "{name}, {method}, {mode}: {simulated:?}");
            }
            let page = fs::read_to_string(folder.join("page.html")).unwrap();
            assert!(!page.contains("NaN") && !page.contains("inf\""), "{name}, {method}");
        }
    }
}

#[test]
fn damaged_and_foreign_model_files_are_refused() {
    let folder = with_model("bad-models", "--method usb");
    let good = fs::read(folder.join("model")).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = String::from_utf8_lossy(&good[8..header]).into_owned();
    let with_header = |text: &str| -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &good[header..]].concat()
    };
    let mut bad: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), vec![]),
        ("text".into(), GOOD.into()),
        ("a header longer than memory".into(), [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        (
            "a future version".into(),
            with_header(&text.replace("format_version\\\":3", "format_version\\\":9")),
        ),
        ("no metadata".into(), with_header(&text.replace("__metadata__", "__nothing___"))),
        ("no velocity".into(), with_header(&text.replace("velocity", "velocitx"))),
        ("no number".into(), with_header(&text.replace("\\\"sigma\\\":0", "\\\"sigma\\\":x"))),
        ("longer".into(), [&good[..], b"x"].concat()),
    ];
    bad.extend(
        (0..good.len()).step_by(37).map(|length| (format!("cut at {length}"), good[..length].to_vec())),
    );
    for (what, bytes) in bad {
        assert_ne!(bytes, good, "{what}");
        fs::write(folder.join("bad"), bytes).unwrap();
        let outcome = run(&folder, "evaluate bad cells.csv");
        assert!(outcome.complaint(1).contains("bad"), "{what}: {outcome:?}");
    }
}

/// Fields of a CSV as a careless hand would write them.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-100i32..100).prop_map(|x| x.to_string()),
        2 => (0i32..3).prop_map(|x| x.to_string()),
        1 => any::<f64>().prop_map(|x| x.to_string()),
        1 => any::<f32>().prop_map(|x| format!("{x:e}")),
        1 => prop::sample::select(vec!["", "NaN", "inf", "-inf", "1e300", "1e30", "-0", "NA", "day1", "\"", "1,2", "é", " 3 ", "\0"])
            .prop_map(String::from),
    ]
}

fn csv() -> impl Strategy<Value = String> {
    let header = prop::sample::select(vec![
        "samples,x,y",
        "x,samples,y",
        "t,x,y",
        "samples,x,y,weight",
        "samples",
        "x,y,z",
        ",time,x",
        "x;day;y",
        "",
        "1,2,3",
    ]);
    let row = prop::collection::vec(field(), 2..5).prop_map(|fields| fields.join(","));
    (header, prop::collection::vec(row, 0..8), prop::sample::select(vec!["\n", "\r\n", "\n\n"]))
        .prop_map(|(header, rows, end)| header.to_string() + end + &rows.join(end))
}

/// Ends well: with a result, or with one line.
fn ends_well(folder: &Path, call: &str) -> Result<(), TestCaseError> {
    let _ = fs::remove_file(folder.join("out"));
    let outcome = run(folder, call);
    let is_note = |line: &str| line.starts_with("chreode: note: ") || line.starts_with("chreode: warning: ");
    match outcome.code {
        Some(0) => prop_assert!(outcome.stderr.lines().all(is_note), "{call}: {outcome:?}"),
        Some(1 | 2) => {
            let mut lines = outcome.stderr.lines().filter(|line| !is_note(line));
            let line = lines.next().unwrap_or("");
            prop_assert!(line.starts_with("chreode: ") && lines.next().is_none(), "{call}: {outcome:?}");
            prop_assert!(outcome.stderr.ends_with('\n'), "{call}: {outcome:?}");
            prop_assert!(!folder.join("out").exists(), "{call}: {outcome:?}");
        }
        _ => prop_assert!(false, "{call}: {outcome:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_table_ends_well(text in csv(), method in prop::sample::select(vec!["ot-cfm", "sf2m", "uot-fm", "vgfm", "wfr-fm", "usb"])) {
        let folder = folder("fuzz-tables");
        fs::write(folder.join("cells.csv"), &text).unwrap();
        ends_well(&folder, &format!("fit cells.csv --method {method} {TINY} -o out"))?;
        ends_well(&folder, "transport cells.csv cells.csv --plan out")?;
        ends_well(&folder, "transport cells.csv cells.csv --cost half-sqeuclidean --epsilon 0.5 --penalty inf --plan out")?;
    }

    #[test]
    fn any_bytes_end_well(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = folder("fuzz-bytes");
        fs::write(folder.join("cells.csv"), &bytes).unwrap();
        fs::write(folder.join("model"), &bytes).unwrap();
        ends_well(&folder, &format!("fit cells.csv {TINY} -o out"))?;
        ends_well(&folder, "transport cells.csv cells.csv --plan out")?;
        ends_well(&folder, "simulate model cells.csv -o out")?;
    }

    #[test]
    fn any_numbers_in_the_options_end_well(
        option in prop::sample::select(vec![
            "delta", "sigma", "branching-rate", "penalty", "learning-rate", "final-learning-rate", "ema", "clip", "hold-out",
        ]),
        value in prop_oneof![any::<f64>(), -10.0..10.0, Just(1e30), Just(1e-30)],
    ) {
        let folder = folder("fuzz-options");
        fs::write(folder.join("cells.csv"), GOOD).unwrap();
        ends_well(&folder, &format!("fit cells.csv --method usb {TINY} --{option} {value} -o out"))?;
        ends_well(&folder, &format!("fit cells.csv --method uot-fm {TINY} --{option} {value} -o out"))?;
    }

    #[test]
    fn a_model_with_flipped_bytes_ends_well(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let folder = with_model("fuzz-models", "--method usb");
        let mut bytes = fs::read(folder.join("model")).unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        fs::write(folder.join("model"), &bytes).unwrap();
        ends_well(&folder, "evaluate model cells.csv --json")?;
        ends_well(&folder, "simulate model cells.csv --mode branching --max-population 1000 -o out")?;
    }
}
