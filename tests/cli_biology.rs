//! What is known of cells, as columns of the command's data.

mod capi_support;
mod cli_support;
mod python_support;

use std::fs;

use cli_support::{folder, run};
use python_support::{Python, READ_PARQUET};

const SHORT: &str = "--epochs 5 --batch-size 20 --hidden 8x2 --delta 1";

/// A table of cells with a growth rate expected of each, in an order of rows that is not that of time.
fn with_growth_prior(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    let rows = (0..80).map(|i| {
        let (time, x) = ((i + 1) % 2, f64::from(i) / 40.0);
        format!("{time},{x},{},{}\n", f64::from(i % 7) / 7.0, if i < 40 { 0.9 } else { -0.9 })
    });
    fs::write(folder.join("cells.csv"), "time,x,y,birth\n".to_string() + &rows.collect::<String>()).unwrap();
    folder
}

#[test]
fn a_column_of_growth_that_is_expected_is_no_coordinate_and_decides_what_is_learned() {
    let folder = with_growth_prior("cli-growth-prior");
    let fit = |options: &str| run(&folder, &format!("fit cells.csv {SHORT} {options} -o m --json"));
    let plain = fit("--ignore-column birth").json();
    let expecting = fit("--growth-prior-column birth --source-penalty 5").json();
    assert_eq!(expecting["choices"].as_array().unwrap().last().unwrap()["name"], "source_penalty");
    assert_ne!(plain["loss"], expecting["loss"]);
    // The model has the other coordinates.
    run(&folder, "evaluate m cells.csv --growth-prior-column birth").succeeded();
    // In tasks it is the same model.
    let at_once = fs::read(folder.join("m")).unwrap();
    fit("--growth-prior-column birth --source-penalty 5 --resume run").succeeded();
    assert!(at_once == fs::read(folder.join("m")).unwrap());
    let told = run(
        &folder,
        &format!("fit cells.csv {SHORT} --ignore-column birth --source-penalty 5 --resume run -o m"),
    );
    assert!(told.one_line().contains("growth priors"), "{told:?}");
}

#[test]
fn a_column_of_growth_that_cannot_be_used_is_refused_by_line_or_by_method() {
    let folder = with_growth_prior("cli-growth-prior-refused");
    let told = run(&folder, "fit cells.csv --growth-prior-column birth --method ot-cfm -o m");
    assert!(
        told.one_line().contains("left out with ot-cfm: its coupling exact-ot has no source penalty"),
        "{told:?}"
    );
    let told = run(&folder, "fit cells.csv --growth-prior-column death -o m");
    assert!(told.one_line().contains("no column `death`"), "{told:?}");
    fs::write(folder.join("gap.csv"), "time,x,birth\n0,1,0.5\n0,2,\n1,1,0\n").unwrap();
    let told = run(&folder, "fit gap.csv --growth-prior-column birth -o m");
    assert!(told.one_line().contains("gap.csv: line 3, column `birth`: a number is missing"), "{told:?}");
}

#[test]
fn a_column_of_clones_is_labels_of_any_kind_and_joins_none_that_differ() {
    let folder = folder("cli-clones");
    let rows = (0..80).map(|i| {
        let (time, x) = (i % 2, f64::from(i / 2) / 40.0);
        format!("{time},{x},{}\n", ["AC-1", "7", "", "NA"][(i as usize / 3) % 4])
    });
    fs::write(folder.join("cells.csv"), "time,x,barcode\n".to_string() + &rows.collect::<String>()).unwrap();
    let fit = |options: &str| run(&folder, &format!("fit cells.csv {SHORT} {options} -o m --json"));
    let plain = fit("--ignore-column barcode").json();
    let clones = fit("--clone-column barcode").json();
    let priced = fit("--clone-column barcode --clone-penalty 0.0001").json();
    assert!(plain["loss"] != clones["loss"] && priced["loss"] != clones["loss"]);
    let told = fit("--ignore-column barcode --clone-penalty 2");
    assert!(
        told.one_line().contains("clone_penalty must be left out where no clones of cells are known"),
        "{told:?}"
    );
    let told = run(&folder, "fit cells.csv --clone-column barcode --method mioflow -o m");
    assert!(told.one_line().contains("left out with mioflow: it couples no cells"), "{told:?}");
}

#[test]
fn couplings_are_written_with_the_rows_of_the_data_and_nothing_is_lost() {
    let folder = folder("cli-couple");
    let rows = (0..60).map(|i| format!("{},{},{}\n", (i + 1) % 3, f64::from(i * i % 17), f64::from(i)));
    fs::write(folder.join("cells.csv"), "time,x,y\n".to_string() + &rows.collect::<String>()).unwrap();
    let told = run(&folder, "couple cells.csv --method wfr-fm --delta 3 -o out --json").json();
    assert_eq!(told["times"], serde_json::json!([0.0, 1.0, 2.0]));
    let table = |name: &str| -> Vec<Vec<f64>> {
        let text = fs::read_to_string(folder.join("out").join(name)).unwrap();
        let rows = text.lines().skip(1);
        rows.map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect()
    };
    let cells = table("cells.csv");
    assert_eq!(cells.len(), 60);
    for k in 0..2 {
        let pairs = table(&format!("coupling_{}.csv", k + 1));
        assert_eq!(pairs.len() as u64, told["pairs"][k].as_u64().unwrap());
        for pair in &pairs {
            // Row i of the data has the time (i + 1) mod 3.
            let time = |row: f64| (row as usize + 1) % 3;
            assert_eq!((time(pair[0]), time(pair[1])), (k, k + 1));
        }
        let sum = |column: usize| pairs.iter().map(|pair| pair[column]).sum::<f64>();
        let of_time = |k: usize, column: usize| -> f64 {
            cells.iter().filter(|cell| cell[1] == k as f64).map(|cell| cell[column]).sum()
        };
        assert!((sum(2) - of_time(k, 3)).abs() < 1e-9 && (sum(3) - of_time(k + 1, 5)).abs() < 1e-9);
        assert!((of_time(k, 3) + of_time(k, 4) - 20.0).abs() < 1e-9);
        assert!((of_time(k + 1, 5) + of_time(k + 1, 6) - 20.0).abs() < 1e-9);
    }
    let text = run(&folder, "couple cells.csv --method sf2m -o other --format tsv");
    assert!(text.succeeded().stdout.contains("0 to 1") && folder.join("other/coupling_2.tsv").is_file());
    run(&folder, "couple cells.csv -o tables --format parquet").succeeded();
    assert!(folder.join("tables/cells.parquet").is_file());
    // Whole files alone, and no name of one that was half written.
    let mut files: Vec<_> =
        fs::read_dir(folder.join("out")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["cells.csv", "coupling_1.csv", "coupling_2.csv"]);
    let refused = run(&folder, "couple cells.csv --method tigon -o none");
    assert!(
        refused.one_line().contains("one that couples cells") && !folder.join("none").exists(),
        "{refused:?}"
    );
}

#[test]
fn names_of_cells_stand_beside_their_rows_in_every_format() {
    let folder = folder("cli-couple-names");
    let rows = (0..40).map(|i| format!("c{i}é,{},{},{}\n", (i + 1) % 2, i * i % 17, i));
    fs::write(folder.join("cells.csv"), ",time,x,y\n".to_string() + &rows.collect::<String>()).unwrap();
    run(&folder, "couple cells.csv --method wfr-fm --delta 3 -o out").succeeded();
    let table = |name: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(folder.join("out").join(name)).unwrap();
        text.lines().map(|line| line.split(',').map(String::from).collect()).collect()
    };
    let (pairs, cells) = (table("coupling_1.csv"), table("cells.csv"));
    assert_eq!(pairs[0], ["source", "target", "sent", "received", "source_cell", "target_cell"]);
    assert_eq!(cells[0], ["row", "cell", "time", "weight", "sent", "dying", "received", "born"]);
    assert!(pairs.len() > 20 && cells.len() == 41);
    for pair in &pairs[1..] {
        assert_eq!((&pair[4], &pair[5]), (&format!("c{}é", pair[0]), &format!("c{}é", pair[1])));
    }
    cells[1..].iter().for_each(|cell| assert_eq!(cell[1], format!("c{}é", cell[0])));
    // The same in arrays of records and in Parquet, read by who reads them elsewhere.
    let Some(python) = Python::find(&["numpy", "pandas", "pyarrow"]) else { return };
    run(&folder, "couple cells.csv --method wfr-fm --delta 3 -o arrays --format npy").succeeded();
    run(&folder, "couple cells.csv --method wfr-fm --delta 3 -o tables --format parquet").succeeded();
    let script = r#"
import numpy as np, pandas as pd
for name in ("coupling_1", "cells"):
    text = pd.read_csv(f"out/{name}.csv", float_precision="round_trip")
    records = np.load(f"arrays/{name}.npy")
    pd.testing.assert_frame_equal(text, pd.DataFrame(records), check_dtype=False, check_exact=True)
    pd.testing.assert_frame_equal(text, read_parquet(f"tables/{name}.parquet"), check_dtype=False, check_exact=True)
"#;
    capi_support::succeed(
        python.command().args(["-c", &[READ_PARQUET, script].concat()]).current_dir(&folder),
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_coupled_and_failures_leave_nothing() {
    let folder = folder("cli-couple-folder");
    let rows = (0..30).map(|i| format!("{},{},{}\n", i % 3, i * i % 17, i));
    fs::write(folder.join("cells.csv"), "time,x,y\n".to_string() + &rows.collect::<String>()).unwrap();
    // The method would be refused, too, if it were looked at first.
    for path in ["cells.csv", "cells.csv/out"] {
        let refused = run(&folder, &format!("couple cells.csv --method tigon -o {path}"));
        assert!(refused.one_line().contains(&format!("{path}: cannot be written")), "{refused:?}");
    }
    // A folder that is there stays as it is.
    fs::create_dir(folder.join("there")).unwrap();
    fs::write(folder.join("there/coupling_1.csv"), "mine").unwrap();
    run(&folder, "couple cells.csv --method wfr-fm --delta -1 -o there").one_line();
    let files: Vec<_> = fs::read_dir(folder.join("there")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["coupling_1.csv"]);
    assert_eq!(fs::read_to_string(folder.join("there/coupling_1.csv")).unwrap(), "mine");
    // Couplings of more intervals would be taken for some of this call, which has two.
    fs::write(folder.join("there/coupling_x.csv"), "mine").unwrap();
    fs::write(folder.join("there/coupling_12.npy"), "mine").unwrap();
    let refused = run(&folder, "couple cells.csv --method tigon -o there");
    assert!(refused.one_line().contains("there: coupling_12.npy there is of an earlier call"), "{refused:?}");
    fs::remove_file(folder.join("there/coupling_12.npy")).unwrap();
    run(&folder, "couple cells.csv --method wfr-fm --delta 3 -o there").succeeded();
    assert!(fs::read_to_string(folder.join("there/coupling_1.csv")).unwrap().starts_with("source,"));
    assert_eq!(fs::read_to_string(folder.join("there/coupling_x.csv")).unwrap(), "mine");
}
