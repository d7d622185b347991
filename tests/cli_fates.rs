//! `chreode fates` tells what each cell of a table becomes, under its own name, and which mass went where.

#![cfg(feature = "cli")]

mod cli_support;
mod fates_support;

use std::fs;

use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, Labels, fates_of_model};
use chreode::model::Dynamics;
use chreode::snapshots::{MatrixView, Snapshots, time_order};
use cli_support::{TINY, folder, run};
use fates_support::{table, with_labelled};

#[test]
fn every_cell_has_a_row_under_its_name_with_the_librarys_numbers() {
    let folder = with_labelled("fates");
    let call = "fates model cells.csv --label-column kind --descendants 9 --seed 4 --neighbours 3 -o out.csv";
    let told = run(&folder, &format!("{call} --transitions moved.csv --json")).json();
    let (header, rows) = table(&folder.join("out.csv"));
    let (high, low) = ("high, or so", "low");
    let want = [
        "cell".into(),
        "time".into(),
        "label".into(),
        format!("p_{high}"),
        format!("p_{low}"),
        format!("n_{high}"),
        format!("n_{low}"),
        "p_none".into(),
        format!("se_p_{high}"),
        format!("se_p_{low}"),
        format!("se_n_{high}"),
        format!("se_n_{low}"),
        "se_p_none".into(),
    ];
    assert_eq!(header, want);
    // The same by the library, in the order of the file.
    let (_, cells) = table(&folder.join("cells.csv"));
    let numbers = |row: &Vec<String>| row[1..4].iter().map(|x| x.parse().unwrap()).collect::<Vec<f64>>();
    let all: Vec<Vec<f64>> = cells.iter().map(numbers).collect();
    let points: Vec<f64> = all.iter().flat_map(|row| row[1..].to_vec()).collect();
    let times: Vec<f64> = all.iter().map(|row| row[0]).collect();
    let snapshots = Snapshots::new(MatrixView::from_f64(&points, 240, 2).unwrap(), &times, None).unwrap();
    let order = time_order(&times);
    let label =
        |row: &usize| [high, low].iter().position(|kind| *kind == cells[*row][4]).map(|kind| kind as u32);
    let labels = Labels::new(order.iter().map(label).collect()).unwrap();
    let options = FateOptions { descendants: 9, seed: 4, neighbours: Some(3), ..FateOptions::default() };
    let model = Dynamics::load(folder.join("model")).unwrap();
    let found = fates_of_model(&model, &snapshots, &labels, &options, &Stop::default()).unwrap();
    let earlier: Vec<usize> = (0..240).filter(|&row| times[row] < 2.0).collect();
    assert_eq!(rows.len(), earlier.len());
    assert_eq!(found.cells.len(), earlier.len());
    for (row, at) in rows.iter().zip(earlier) {
        let cell = order.iter().position(|&other| other == at).unwrap();
        let kind = labels.get(cell).map_or("", |kind| [high, low][kind as usize]);
        assert_eq!(row[..3], [cells[at][0].clone(), times[at].to_string(), kind.into()]);
        let estimates = [&found.probability, &found.number, &found.none];
        let columns = |values: &[f64], width: usize| values[cell * width..(cell + 1) * width].to_vec();
        let wide = [2, 2, 1];
        let mut want = vec![];
        estimates.iter().zip(wide).for_each(|(e, width)| want.extend(columns(&e.mean, width)));
        estimates.iter().zip(wide).for_each(|(e, width)| want.extend(columns(&e.se, width)));
        assert_eq!(row[3..], want.iter().map(f64::to_string).collect::<Vec<_>>());
    }
    assert_eq!((&told["labels"][0], told["neighbours"].as_u64()), (&high.into(), Some(3)));
    assert_eq!(told["unlabelled"].as_u64(), Some(found.unlabelled as u64));
    let (header, moved) = table(&folder.join("moved.csv"));
    assert_eq!(header, ["time", "from", "to", "mass", "se_mass", "went", "came"]);
    // At two times, from either label and from none.
    assert_eq!(moved.len(), 2 * 3 * 2);
    assert_eq!(moved[0][..3], ["0".to_string(), String::new(), high.into()]);
    assert_eq!(moved[0][3], found.transitions[0].mass.mean[0].to_string());
    assert_eq!(told["transitions"][0]["mass"][0][0].as_f64(), Some(found.transitions[0].mass.mean[0]));
}

#[test]
fn the_table_is_the_same_at_any_number_of_threads_and_in_words_it_says_what_went_where() {
    let folder = with_labelled("fates_threads");
    let files = ["1", "2"].map(|threads| {
        let call = format!(
            "fates model cells.csv --label-column kind --mode branching --threads {threads} -o {threads}.csv"
        );
        let outcome = run(&folder, &call);
        outcome.succeeded();
        assert!(outcome.stdout.starts_with("from 0 to 2, shares\nlabel"), "{}", outcome.stdout);
        assert!(outcome.stdout.contains(" without a label are left out\nfates: "), "{}", outcome.stdout);
        fs::read(folder.join(format!("{threads}.csv"))).unwrap()
    });
    assert!(files[0] == files[1]);
    run(&folder, "fates model plain.csv --label-column samples --time-column x1 -o no.csv").complaint(1);
}

#[test]
fn without_names_cells_are_their_rows_and_labels_that_are_numbers_are_in_their_order() {
    let folder = folder("fates_rows");
    run(&folder, "generate gene-network --cells-per-state 20 --seed 5 -o plain.csv").succeeded();
    run(&folder, &format!("fit plain.csv -o model {TINY}")).succeeded();
    let text = fs::read_to_string(folder.join("plain.csv")).unwrap();
    let lines = text.lines().enumerate();
    let lines: Vec<String> = lines
        .map(|(row, line)| {
            format!("{line},{}", if row == 0 { "type".into() } else { (row % 11).to_string() })
        })
        .collect();
    fs::write(folder.join("cells.csv"), lines.join("\n")).unwrap();
    run(&folder, "fates model cells.csv --label-column type --mode ode --from 1 --to 3 -o out.tsv")
        .succeeded();
    let text = fs::read_to_string(folder.join("out.tsv")).unwrap();
    let mut lines = text.lines();
    let names = (0..11).map(|label| format!("p_{label}")).collect::<Vec<_>>().join("\t");
    assert!(lines.next().unwrap().starts_with(&format!("cell\ttime\tlabel\t{names}\tn_0")));
    let before = fs::read_to_string(folder.join("plain.csv"))
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("0,"))
        .count();
    assert!(lines.next().unwrap().starts_with(&format!("{}\t1\t", before + 1)));
}

#[cfg(feature = "parquet")]
#[test]
fn tables_of_fates_are_the_same_in_parquet() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let folder = with_labelled("fates_parquet");
    let call = "fates model cells.csv --label-column kind --descendants 3 --seed 4";
    for kind in ["csv", "parquet"] {
        run(&folder, &format!("{call} -o out.{kind} --transitions moved.{kind}")).succeeded();
    }
    for name in ["out", "moved"] {
        let (header, rows) = table(&folder.join(format!("{name}.csv")));
        let file = fs::File::open(folder.join(format!("{name}.parquet"))).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let mut count = 0;
        for (row, want) in reader.get_row_iter(None).unwrap().zip(&rows) {
            let row = row.unwrap();
            let columns: Vec<(&String, &Field)> = row.get_column_iter().collect();
            assert_eq!(
                columns.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
                header.iter().collect::<Vec<_>>()
            );
            for ((_, field), want) in columns.iter().zip(want) {
                match field {
                    Field::Str(text) => assert_eq!(text, want),
                    Field::Double(x) => assert_eq!(&x.to_string(), want),
                    other => panic!("{other}"),
                }
            }
            count += 1;
        }
        assert!(count > 10 && count == rows.len(), "{name}: {count} of {}", rows.len());
    }
}

#[cfg(feature = "npy")]
#[test]
fn tables_of_fates_are_the_same_in_records() {
    let folder = with_labelled("fates_npy");
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    fs::write(folder.join("cells.csv"), text.replace("high, or so", "it's é")).unwrap();
    for kind in ["csv", "npy"] {
        let call = "fates model cells.csv --label-column kind --descendants 3 --seed 4";
        run(&folder, &format!("{call} -o out.{kind} --transitions moved.{kind}")).succeeded();
    }
    for name in ["out", "moved"] {
        let (header, rows) = table(&folder.join(format!("{name}.csv")));
        let records = fs::read(folder.join(format!("{name}.npy"))).unwrap();
        let told = String::from_utf8_lossy(&records[..records.iter().position(|&b| b == b'\n').unwrap()]);
        // As Python writes a quote in a text between quotes; other letters than Latin ones need the third version.
        let named = |column: &String| told.contains(&format!("'{}'", column.replace('\'', "\\'")));
        assert!(header.iter().all(named), "{told}");
        assert_eq!(records[6], if name == "out" { 3 } else { 1 });
        assert!(told.contains(&format!("({},)", rows.len())), "{told}");
        let last = f64::from_le_bytes(*records.last_chunk().unwrap());
        assert_eq!(last.to_string(), *rows.last().unwrap().last().unwrap());
    }
}

#[test]
fn a_wrong_call_is_one_line_that_says_what_is_wrong() {
    let folder = with_labelled("fates_wrong");
    let told = |arguments: &str, code: i32| {
        run(&folder, &format!("fates model {arguments} -o no.csv")).complaint(code).to_string()
    };
    assert!(told("cells.csv --label-column sort", 2).contains("there is no column `sort`; there are "));
    assert!(told("cells.csv", 2).contains("--label-column"));
    assert!(told("cells.csv --label-column kind --to 1.5", 2).contains("1.5"));
    assert!(told("cells.csv --label-column kind --to 0", 2).contains("to must be later than the first time"));
    assert!(
        told("cells.csv --label-column kind --neighbours 500", 2)
            .contains("neighbours must be between 1 and ")
    );
    assert!(
        told("cells.csv --label-column kind --mode ode --descendants 5", 2)
            .contains("descendants must be left out with mode ode")
    );
    assert!(
        told("cells.csv --label-column kind --turnover 1", 2)
            .contains("turnover must be left out with mode sde")
    );
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    fs::write(folder.join("none.csv"), text.replace("\"low\"", "NA").replace("\"high, or so\"", "nan"))
        .unwrap();
    assert!(told("none.csv --label-column kind", 1).contains("has a label and a weight"));
    assert!(!folder.join("no.csv").exists());
}
