//! The commands of units of work: `plan`, `work`, `finish`, and `fit --resume`. Workers that are killed, that do the same twice or find
//! the disk full change nothing about the model.

#![cfg(unix)]

mod cli_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::{Outcome, folder, run};

const SHORT: &str = "--epochs 20 --batch-size 20 --hidden 8x2";

/// A folder with `cells.csv`, of five times.
fn with_cells(name: &str) -> PathBuf {
    let folder = folder(name);
    run(&folder, "generate gene-network --cells-per-state 40 --seed 2 -o cells.csv").succeeded();
    folder
}

fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// The files of a run, by name, without those of a plan.
fn parts(run: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(run.join("parts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "part"));
    all.sort();
    all
}

#[test]
fn tasks_in_any_order_and_in_any_process_give_the_model_of_fit() {
    let folder = with_cells("work-any-order");
    for (name, options) in [
        ("usb", "--method usb --chunk-size 90 --masses 1,2,3,4,5"),
        ("held", "--method sf2m --chunk-size 90 --hold-out 2"),
        ("ensemble", "--method wfr-fm --ensemble 2"),
        ("free", "--coupling exact-ot --bridge hermite --chunk-size 90 --ignore-column x2"),
        ("rollout", "--method mioflow --epochs 2"),
    ] {
        let options = format!("{options} {}", if name == "rollout" { "--hidden 8x2" } else { SHORT });
        run(&folder, &format!("fit cells.csv {options} -o {name}.at-once")).succeeded();
        let plan = run(&folder, &format!("plan cells.csv {options} -o {name} --json")).json();
        let tasks = plan["tasks"].as_u64().unwrap();
        assert_eq!(tasks == 0, name == "rollout");
        let incomplete = run(&folder, &format!("finish {name} -o {name}.model"));
        if tasks > 0 {
            assert!(incomplete.one_line().contains("have no part yet"), "{incomplete:?}");
            // The last tasks first, one of them twice, then by shares.
            for task in [tasks - 1, tasks - 2, tasks - 1] {
                run(&folder, &format!("work {name} --task {task} --threads 1")).succeeded();
            }
            for share in ["1/3", "2/3", "0/3"] {
                run(&folder, &format!("work {name} --share {share}")).succeeded();
            }
        }
        let done = run(&folder, &format!("work {name} --json")).json();
        assert_eq!((&done["done"], &done["already_there"]), (&0.into(), &tasks.into()));
        run(&folder, &format!("finish {name} -o {name}.model")).succeeded();
        assert!(
            bytes(folder.join(format!("{name}.model"))) == bytes(folder.join(format!("{name}.at-once"))),
            "{name}"
        );
    }
}

#[test]
fn the_data_are_found_from_wherever_a_worker_runs() {
    let folder = with_cells("work-elsewhere");
    fs::create_dir_all(folder.join("here/runs")).unwrap();
    run(&folder.join("here"), &format!("plan ../cells.csv {SHORT} -o runs/1")).succeeded();
    run(&folder, "work here/runs/1").succeeded();
    // The whole folder may be moved.
    fs::rename(folder.join("here"), folder.join("there")).unwrap();
    run(&folder.join("there/runs"), "finish 1 -o model").succeeded();
    run(&folder, &format!("fit cells.csv {SHORT} -o model")).succeeded();
    assert!(bytes(folder.join("model")) == bytes(folder.join("there/runs/model")));
}

#[test]
fn a_part_that_is_damaged_is_named_and_done_again() {
    let folder = with_cells("work-damaged");
    run(&folder, &format!("plan cells.csv --chunk-size 90 {SHORT} -o run")).succeeded();
    run(&folder, "work run").succeeded();
    run(&folder, "finish run -o whole").succeeded();
    let path = &parts(&folder.join("run"))[2];
    let mut damaged = bytes(path);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    fs::write(path, &damaged).unwrap();
    for bad in [&damaged[..], &damaged[..middle], b""] {
        fs::write(path, bad).unwrap();
        let told = run(&folder, "finish run -o model");
        assert!(told.complaint(1).contains("parts/000002.part: "), "{told:?}");
        assert!(!folder.join("model").exists());
    }
    assert_eq!(run(&folder, "work run --json").json()["done"], 1);
    run(&folder, "finish run -o model").succeeded();
    assert!(bytes(folder.join("model")) == bytes(folder.join("whole")));
}

#[test]
fn other_options_other_data_and_other_versions_are_named() {
    let folder = with_cells("work-others");
    let fit = |more: &str| run(&folder, &format!("fit cells.csv {SHORT} {more} --resume run -o model"));
    fit("--delta 1.5").succeeded();
    let whole = bytes(folder.join("model"));
    fit("--delta 1.5 --threads 1").succeeded();
    assert!(bytes(folder.join("model")) == whole);
    for (more, told) in [
        ("--delta 2", "--delta was `1.5`, and is `2` now"),
        ("", "--delta was `1.5`, and is not given now"),
        ("--delta 1.5 --seed 3", "--seed was not given, and is `3` now"),
    ] {
        let outcome = fit(more);
        assert!(outcome.complaint(2).contains(told), "{outcome:?}");
    }
    let outcome = fit("--delta 1.5 --hold-out 2");
    assert!(
        outcome.complaint(1).contains("run: the data are not those that the plan was made for"),
        "{outcome:?}"
    );

    let cells = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let (rest, last) = cells.trim_end().rsplit_once('\n').unwrap();
    fs::write(folder.join("cells.csv"), format!("{rest}\n{last}e1\n")).unwrap();
    let complains = |call: &str, told: &[&str]| {
        let outcome = run(&folder, call);
        let complaint = outcome.complaint(1);
        assert!(told.iter().all(|told| complaint.contains(told)), "{complaint}");
    };
    complains("finish run -o other", &["cells.csv: the data are not those", "other coordinates or weights"]);
    fs::remove_file(parts(&folder.join("run")).pop().unwrap()).unwrap();
    complains("work run", &["cells.csv: the cells of task", "not those that the plan was made for"]);
    fs::remove_file(folder.join("cells.csv")).unwrap();
    complains("work run", &["cells.csv"]);

    let plan = fs::read_to_string(folder.join("run/plan.json")).unwrap();
    for (change, told) in [
        (plan.replace("\"chreode_plan\": 1", "\"chreode_plan\": 0"), "format version 0"),
        (plan.replace(env!("CARGO_PKG_VERSION"), "9.9.9"), "made by chreode 9.9.9"),
        (plan[..plan.len() / 2].into(), "truncated or no JSON"),
    ] {
        assert_ne!(change, plan);
        fs::write(folder.join("run/plan.json"), change).unwrap();
        complains("work run", &["run/plan.json: not a usable plan: ", told]);
    }
    assert!(run(&folder, "work nowhere").complaint(1).contains("nowhere/plan.json"));
    for call in ["plan - -o other", "fit - --resume other -o model"] {
        assert!(run(&folder, call).complaint(2).contains("not standard input"));
    }
    assert!(run(&folder, "work run --share 3/3").complaint(2).contains("a number below another"));
}

fn start(folder: &Path, arguments: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chreode"));
    command.current_dir(folder).args(arguments.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Starts a call and kills it by SIGKILL as soon as `reached`, before it has ended.
fn kill_when(folder: &Path, arguments: &str, reached: impl Fn() -> bool) {
    let mut child = start(folder, arguments);
    let begun = Instant::now();
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it had ended before it could be killed");
        assert!(begun.elapsed() < Duration::from_secs(120), "it never got there");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it had ended before it could be killed");
}

#[test]
fn a_fit_that_is_killed_at_any_moment_and_called_again_ends_with_the_same_bits() {
    let folder = folder("work-killed");
    run(&folder, "generate gene-network --cells-per-state 400 --seed 2 -o cells.csv").succeeded();
    // Couplings of some seconds, and training through three checkpoints at least, which are two seconds apart.
    let options = "--chunk-size 400 --epochs 8000 --hidden 64x3 --seed 5";
    let fit = format!("fit cells.csv {options} --threads 1 --resume run -o model");
    let run_folder = folder.join("run");
    let done = |count: usize| move |run: &Path| run.join("parts").exists() && parts(run).len() >= count;
    for count in [1, 4] {
        kill_when(&folder, &fit, || done(count)(&run_folder));
        assert!(parts(&run_folder).len() < 12, "all blocks were done before the kill");
    }
    let checkpoint = run_folder.join("training.checkpoint");
    kill_when(&folder, &fit, || checkpoint.exists());
    let before = bytes(&checkpoint);
    kill_when(&folder, &fit, || bytes(&checkpoint) != before);
    assert!(!folder.join("model").exists());
    run(&folder, &fit).succeeded();
    run(&folder, &format!("fit cells.csv {options} -o at-once")).succeeded();
    assert!(bytes(folder.join("model")) == bytes(folder.join("at-once")));
}

#[test]
fn a_worker_in_another_folder_finds_the_array_and_the_file_of_its_times() {
    let folder = folder("work-elsewhere");
    run(&folder, "generate gene-network --cells-per-state 40 --seed 2 -o cells.npy").succeeded();
    fs::rename(folder.join("cells.obs.csv"), folder.join("days.csv")).unwrap();
    let cells = format!("cells.npy --times-file days.csv {SHORT}");
    run(&folder, &format!("plan {cells} -o run")).succeeded();
    let elsewhere = folder.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    run(&elsewhere, "work ../run").succeeded();
    run(&elsewhere, "finish ../run -o model").succeeded();
    run(&folder, &format!("fit {cells} -o at-once")).succeeded();
    assert!(bytes(elsewhere.join("model")) == bytes(folder.join("at-once")));
}

#[test]
fn workers_that_do_the_same_tasks_at_once_disturb_nobody() {
    let folder = with_cells("work-twice");
    run(&folder, &format!("plan cells.csv --chunk-size 60 {SHORT} -o run")).succeeded();
    let workers: Vec<Child> = (0..3).map(|_| start(&folder, "work run --threads 1")).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    run(&folder, "finish run -o model").succeeded();
    run(&folder, &format!("fit cells.csv --chunk-size 60 {SHORT} -o at-once")).succeeded();
    assert!(bytes(folder.join("model")) == bytes(folder.join("at-once")));
    let names = fs::read_dir(folder.join("run/parts")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.count(), parts(&folder.join("run")).len(), "nothing half written is left");
}

/// Runs the command in a shell after `before`.
fn in_shell(folder: &Path, before: &str, arguments: &str) -> Outcome {
    let mut shell = Command::new("sh");
    let script = format!("{before}; exec \"$0\" {arguments}");
    Outcome::of(
        shell.current_dir(folder).args(["-c", &script, env!("CARGO_BIN_EXE_chreode")]).output().unwrap(),
    )
}

#[test]
fn a_full_disk_is_a_clear_error_and_what_was_written_before_is_used() {
    let folder = with_cells("work-full");
    run(&folder, &format!("plan cells.csv --chunk-size 90 {SHORT} -o run")).succeeded();
    // Files of at most two blocks of 512 bytes; the signal that a longer one brings is ignored, for the system to say why.
    let outcome = in_shell(&folder, "trap '' XFSZ; ulimit -f 2", "work run");
    let complaint = outcome.complaint(1);
    assert!(complaint.contains("run/parts/") && complaint.contains("File too large"), "{complaint}");
    assert_eq!(fs::read_dir(folder.join("run/parts")).unwrap().count(), 0, "nothing half written is left");
    run(&folder, "work run").succeeded();
    let outcome = in_shell(&folder, "trap '' XFSZ; ulimit -f 2", "finish run -o model");
    assert!(outcome.complaint(1).contains("File too large"), "{outcome:?}");
    assert!(!folder.join("model").exists());
    run(&folder, "finish run -o model").succeeded();
    run(&folder, &format!("fit cells.csv --chunk-size 90 {SHORT} -o at-once")).succeeded();
    assert!(bytes(folder.join("model")) == bytes(folder.join("at-once")));
}

/// The same on a file system that is full.
#[test]
fn a_small_file_system_that_fills_up_is_a_clear_error() {
    let folder = with_cells("work-tmpfs");
    let small = folder.join("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&small).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("SKIPPED: no tmpfs can be mounted here");
        return;
    }
    let planned = run(&folder, &format!("plan cells.csv --chunk-size 30 {SHORT} -o small/run"));
    let outcome = run(&folder, "work small/run");
    Command::new("umount").arg(&small).status().unwrap();
    planned.succeeded();
    let complaint = outcome.complaint(1);
    assert!(complaint.contains("small/run/parts/") && complaint.contains("No space left"), "{complaint}");
}
