//! The schedulers that the page on units of work tells of run what it says, to the model of `chreode fit`.

#![cfg(unix)]

mod cli_support;
mod python_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cli_support::{folder, run};
use python_support::Python;

/// The first block of the page in this language.
fn block(language: &str) -> String {
    let page = include_str!("../src/work/README.md");
    let after = page.split(&format!("```{language}\n")).nth(1).unwrap();
    // Smaller than what a cluster is for.
    let small = after.split("```").next().unwrap().replace("--chunk-size 1000", OPTIONS);
    assert!(language == "bash" || small.contains(OPTIONS), "{small}");
    small
}

const OPTIONS: &str = "--chunk-size 60 --epochs 20 --hidden 8x2 --batch-size 20";

/// A folder with cells and a model that was fitted to them at once.
fn with_cells(name: &str) -> PathBuf {
    let folder = folder(name);
    run(&folder, "generate gene-network --cells-per-state 40 --seed 2 -o cells.csv").succeeded();
    run(&folder, &format!("fit cells.csv --method usb {OPTIONS} -o at-once")).succeeded();
    folder
}

fn with_chreode(command: &mut Command) -> &mut Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_chreode")).parent().unwrap();
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", told(&output.stdout), told(&output.stderr));
}

fn same_model(folder: &Path) {
    assert!(fs::read(folder.join("MODEL")).unwrap() == fs::read(folder.join("at-once")).unwrap());
}

#[test]
fn the_three_commands_of_the_page_give_the_model_of_fit() {
    let folder = with_cells("schedulers-shell");
    succeed(with_chreode(Command::new("sh").args(["-ec", &block("sh")]).current_dir(&folder)));
    same_model(&folder);
}

#[test]
fn the_jobs_of_the_slurm_array_do_all_tasks() {
    let folder = with_cells("schedulers-slurm");
    run(&folder, &format!("plan cells.csv --method usb {OPTIONS} -o run")).succeeded();
    fs::write(folder.join("work.sh"), block("bash")).unwrap();
    for job in ["2", "0", "1"] {
        let mut script = Command::new("bash");
        let slurm =
            [("SLURM_ARRAY_TASK_ID", job), ("SLURM_ARRAY_TASK_COUNT", "3"), ("SLURM_CPUS_PER_TASK", "1")];
        succeed(with_chreode(script.arg("work.sh").current_dir(&folder).envs(slurm)));
    }
    run(&folder, "finish run -o MODEL").succeeded();
    same_model(&folder);
}

#[test]
fn snakemake_runs_the_rules_of_the_page() {
    let Some(python) = Python::find(&["snakemake"]) else { return };
    let folder = with_cells("schedulers-snakemake");
    fs::write(folder.join("Snakefile"), block("snakemake")).unwrap();
    let snakemake = |more: &[&str]| {
        let mut command = python.command();
        command.args(["-m", "snakemake", "--cores", "2", "--quiet", "all"]).args(more);
        // What it keeps for later runs stays in the folder.
        succeed(with_chreode(command.current_dir(&folder).env("HOME", &folder)));
    };
    snakemake(&[]);
    same_model(&folder);
    // One part is lost, and the model: what is there is not done again.
    let parts = folder.join("run/parts");
    let kept = parts.join("000001.part");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();
    fs::remove_file(parts.join("000002.part")).unwrap();
    fs::remove_file(folder.join("MODEL")).unwrap();
    snakemake(&[]);
    same_model(&folder);
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
}
