//! `chreode carry`: cells pushed on and pulled back, through the dynamics and through couplings that a model keeps.

#![cfg(feature = "cli")]

mod cli_support;
mod fates_support;

use std::fs;
use std::path::Path;

use chreode::exec::stop::Stop;
use chreode::fates::{FateOptions, descent};
use chreode::model::Dynamics;
use chreode::snapshots::{MatrixView, Snapshots};
use chreode::transport::coupling::Carry;
use cli_support::{TINY, folder, run};
use fates_support::{table, with_labelled};

/// The column of a table.
fn column(path: &Path, name: &str) -> Vec<String> {
    let (header, rows) = table(path);
    let at = header.iter().position(|found| found == name).unwrap_or_else(|| panic!("{name} in {header:?}"));
    rows.into_iter().map(|row| row[at].clone()).collect()
}

fn sum(path: &Path, name: &str) -> f64 {
    column(path, name).iter().map(|mass| mass.parse::<f64>().unwrap()).sum()
}

#[test]
fn cells_of_each_label_are_carried_on_and_back_under_their_names_and_nothing_is_lost_unseen() {
    let folder = with_labelled("carry");
    let carry = |more: &str| {
        let call = "carry model cells.csv --label-column kind --seed 2 -o out.csv --json";
        run(&folder, &format!("{call} {more}")).json()
    };
    let (_, cells) = table(&folder.join("cells.csv"));
    let of_time = |time: &str| cells.iter().filter(|row| row[1] == time).map(|row| row[0].clone()).collect();
    let labelled =
        |time: &str, kind: &str| cells.iter().filter(|row| row[1] == time && row[4] == kind).count() as f64;
    for (mode, from, to) in [("sde --descendants 8", "0", "2"), ("branching", "2", "0"), ("ode", "1", "2")] {
        let told = carry(&format!("--mode {mode} --from {from} --to {to}"));
        let names: Vec<String> = of_time(to);
        assert_eq!(column(&folder.join("out.csv"), "cell"), names);
        for (k, kind) in ["high, or so", "low"].into_iter().enumerate() {
            let carried = &told["carried"][k];
            let number = |name: &str| carried[name].as_f64().unwrap();
            assert_eq!((carried["label"].as_str(), number("mass")), (Some(kind), labelled(from, kind)));
            let lost = carried["lost"][0].as_f64().unwrap();
            assert!((number("arrived") + lost - number("mass")).abs() < 1e-9 * number("mass"));
            let written = sum(&folder.join("out.csv"), &format!("mass_{kind}"));
            assert!((written - number("arrived")).abs() < 1e-9);
        }
    }
    // One label, in words, and in other formats.
    let one = run(
        &folder,
        "carry model cells.csv --label-column kind --label low --from 0 --to 1 --as mass -o one.tsv",
    );
    assert!(one.succeeded().stdout.starts_with("from 0 to 1\ncells  mass  arrived  lost\nlow"), "{one:?}");
    assert!(fs::read_to_string(folder.join("one.tsv")).unwrap().starts_with("cell\ttime\tmass_low\n"));
    for file in ["all.csv", "all.npy", "all.parquet"] {
        run(&folder, &format!("carry model cells.csv --ignore-column kind --mode ode -o {file}")).succeeded();
        assert!(folder.join(file).is_file());
    }
    let (last, records) =
        (column(&folder.join("all.csv"), "mass"), fs::read(folder.join("all.npy")).unwrap());
    let in_records = f64::from_le_bytes(*records.last_chunk().unwrap());
    assert_eq!(in_records.to_string(), *last.last().unwrap());
    let threads = ["1", "2"].map(|threads| {
        run(&folder, &format!("carry model cells.csv --label-column kind --threads {threads} -o t.csv"))
            .succeeded();
        fs::read(folder.join("t.csv")).unwrap()
    });
    assert!(threads[0] == threads[1]);
}

/// The fields of a model without names in its data, as the library has them.
#[test]
fn the_command_carries_as_the_library_does() {
    let folder = folder("carry-plain");
    run(&folder, "generate gene-network --cells-per-state 20 --seed 5 -o plain.csv").succeeded();
    run(&folder, &format!("fit plain.csv -o model {TINY}")).succeeded();
    run(&folder, "carry model plain.csv --from 3 --to 1 --descendants 6 --seed 4 -o out.csv").succeeded();
    let (_, rows) = table(&folder.join("plain.csv"));
    let number = |text: &String| text.parse::<f64>().unwrap();
    let times: Vec<f64> = rows.iter().map(|row| number(&row[0])).collect();
    let points: Vec<f64> = rows.iter().flat_map(|row| row[1..].iter().map(number)).collect();
    let view = MatrixView::from_f64(&points, rows.len(), 2).unwrap();
    let snapshots = Snapshots::new(view, &times, None).unwrap();
    let model = Dynamics::load(folder.join("model")).unwrap();
    let options =
        FateOptions { from: Some(1.0), to: Some(3.0), descendants: 6, seed: 4, ..FateOptions::default() };
    let found = descent(&model, &snapshots, &options, &Stop::default()).unwrap().couplings;
    let want = found.carry(1, 0, snapshots.weights(3), Carry::Share).unwrap().masses;
    let masses = column(&folder.join("out.csv"), "mass");
    assert_eq!(masses, want.iter().map(f64::to_string).collect::<Vec<_>>());
    // Rows from 1.
    let first = times.iter().position(|&time| time == 1.0).unwrap() + 1;
    assert_eq!(column(&folder.join("out.csv"), "cell")[0], first.to_string());
}

#[test]
fn cells_are_carried_through_couplings_that_the_model_keeps() {
    let folder = with_labelled("carry-kept");
    let fit = "fit cells.csv --ignore-column kind --method wfr-fm --delta 0.25 --seed 4 --hidden 8x1 --epochs 2 --batch-size 16";
    let kept = |more: &str| run(&folder, &format!("{fit} {more}"));
    // The last in tasks: it is the same model.
    for how in ["-o without", "--keep-couplings -o with", "--keep-couplings --resume run -o again"] {
        assert_eq!(kept(how).code, Some(0), "{how}");
    }
    let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(bytes("with") == bytes("again") && bytes("with").len() > bytes("without").len());
    let carry = "carry with cells.csv --label-column kind --through couplings -o out.csv";
    let told = run(&folder, &format!("{carry} --json")).json();
    assert_eq!(told["carried"][1]["lost"].as_array().unwrap().len(), 2);
    // What is pushed is what the couplings of the command say, over two intervals.
    run(&folder, "couple cells.csv --ignore-column kind --method wfr-fm --delta 0.25 --seed 4 -o c")
        .succeeded();
    let (_, cells) = table(&folder.join("c/cells.csv"));
    let (_, all) = table(&folder.join("cells.csv"));
    let mut mass: Vec<f64> =
        all.iter().map(|row| f64::from(u8::from(row[1] == "0" && row[4] == "low"))).collect();
    let number = |text: &String| text.parse::<f64>().unwrap();
    let weight = |row: usize| number(&cells.iter().find(|cell| number(&cell[0]) as usize == row).unwrap()[3]);
    for k in 1..3 {
        let mut next = vec![0.0; all.len()];
        for pair in table(&folder.join(format!("c/coupling_{k}.csv"))).1 {
            let [source, target] = [0, 1].map(|i| number(&pair[i]) as usize);
            next[target] += mass[source] / weight(source) * number(&pair[2]);
        }
        mass = next;
    }
    let (names, got) = (column(&folder.join("out.csv"), "cell"), column(&folder.join("out.csv"), "mass_low"));
    assert!(names.len() > 50);
    for (name, got) in names.iter().zip(&got) {
        let row = all.iter().position(|row| row[0] == *name).unwrap();
        assert!((number(got) - mass[row]).abs() < 1e-9, "{name}: {got} for {}", mass[row]);
    }
    // What does not go together.
    let told = |call: &str| run(&folder, call).one_line().to_string();
    assert!(
        told(&carry.replace("with", "without"))
            .contains("without keeps no couplings: fit it with --keep-couplings")
    );
    assert!(told(&format!("{carry} --mode ode")).contains("--mode: nothing is simulated"));
    let text = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let but_one: Vec<&str> = text.lines().filter(|line| !line.starts_with("cell-0,")).collect();
    fs::write(folder.join("fewer.csv"), but_one.join("\n") + "\n").unwrap();
    assert!(told(&carry.replace("cells.csv", "fewer.csv")).contains("the cells of the fit are needed"));
    assert!(
        told(&format!("{carry} --label none")).contains("--label none: no cell at time 0 has it; there are")
    );
    assert!(told(&format!("{carry} --from 1 --to 1")).contains("--to 1: the cells are of that time"));
    assert!(
        told(&format!("{carry} --from 7")).contains("--from: time must be one of the data's time points")
    );
    assert!(told(&format!("{carry} --error-bars=false")).contains("--error-bars: the members"));
    let ensemble = kept("--keep-couplings --ensemble 2 -o no");
    assert!(ensemble.one_line().contains("keep_couplings must be false for an ensemble"), "{ensemble:?}");
    let rollout = run(&folder, "fit cells.csv --ignore-column kind --method tigon --keep-couplings -o no");
    assert!(rollout.one_line().contains("keep-couplings") || rollout.one_line().contains("keep_couplings"));
}
