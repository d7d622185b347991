//! The `chreode` command with a CUDA device: what it computes there, and what it says where there is none. The driver of
//! these processes is the stand-in of `simt/driver.cpp`, which complains on stderr when anything is left on the device.

#![cfg(target_os = "linux")]

mod cli_support;
mod cuda_support;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use cli_support::{Outcome, TINY, chreode_with, folder, run};
use cuda_support::{Build, environment, has_compiler};
use serde_json::Value;

/// A folder with a small gene network, its first two snapshots as clouds, and a model fitted on the CPU.
fn with_model(name: &str) -> PathBuf {
    let folder = folder(name);
    run(&folder, "generate gene-network --cells-per-state 12 --seed 5 -o cells.csv").succeeded();
    let cells = fs::read_to_string(folder.join("cells.csv")).unwrap();
    for (time, file) in [("0,", "a.csv"), ("1,", "b.csv")] {
        let points = cells.lines().filter_map(|line| line.strip_prefix(time));
        let cloud: String = points.map(|point| format!("{point}\n")).collect();
        fs::write(folder.join(file), format!("x1,x2\n{cloud}")).unwrap();
    }
    run(&folder, &format!("fit cells.csv --method usb --seed 3 {TINY} -o model")).succeeded();
    folder
}

/// Runs `chreode` with the stand-in as its driver.
fn with_device(folder: &Path, how: Build, settings: &str, call: &str) -> Outcome {
    in_environment(&environment(how, settings), folder, call)
}

fn in_environment(environment: &[(&'static str, OsString)], folder: &Path, call: &str) -> Outcome {
    chreode_with(environment, folder, &call.split_whitespace().collect::<Vec<_>>())
}

fn close(what: &str, a: f64, b: f64, relative: f64) {
    assert!((a - b).abs() <= relative * a.abs().max(b.abs()), "{what}: {a} and {b}");
}

/// All numbers of the first are those of the second, up to a relative difference.
fn agree(what: &str, a: &Value, b: &Value, relative: f64) {
    match (a, b) {
        (Value::Object(all), Value::Object(_)) => {
            all.iter().for_each(|(key, value)| agree(&format!("{what}, {key}"), value, &b[key], relative));
        }
        (Value::Array(all), Value::Array(others)) => {
            assert_eq!(all.len(), others.len(), "{what}");
            all.iter().zip(others).for_each(|(a, b)| agree(what, a, b, relative));
        }
        (Value::Number(_), Value::Number(_)) => {
            close(what, a.as_f64().unwrap(), b.as_f64().unwrap(), relative);
        }
        _ => assert_eq!(a, b, "{what}"),
    }
}

/// Two tables have the same rows, with numbers up to a difference.
fn tables_agree(what: &str, a: &str, b: &str, allowed: f64) {
    assert_eq!(a.lines().count(), b.lines().count(), "{what}");
    for (a, b) in a.lines().zip(b.lines()) {
        assert_eq!(a.split(',').count(), b.split(',').count(), "{what}");
        for (x, y) in a.split(',').zip(b.split(',')) {
            match (x.parse::<f64>(), y.parse::<f64>()) {
                (Ok(x), Ok(y)) => assert!((x - y).abs() <= allowed, "{what}: {a} and {b}"),
                _ => assert_eq!(x, y, "{what}"),
            }
        }
    }
}

#[test]
fn doctor_loads_every_kernel_and_finds_the_cpu_s_numbers() {
    if !has_compiler() {
        return;
    }
    let folder = folder("cuda-doctor");
    let told = with_device(&folder, Build::Plain, "", "doctor");
    let text = &told.succeeded().stdout;
    assert!(
        text.contains("cuda:0: chreode's stand-in, compute capability 9.0, 132 multiprocessors"),
        "{text}"
    );
    assert!(text.contains("kernels loaded: advance_16") && !text.contains("WRONG"), "{text}");
}

/// The run that shows that no kernel, and nothing on the way to one, touches memory that is not its own.
#[test]
fn doctor_touches_no_memory_but_its_own() {
    if !has_compiler() {
        return;
    }
    let folder = folder("cuda-doctor-sanitized");
    let told = with_device(&folder, Build::Sanitized, "", "doctor --json").json();
    let device = &told["devices"][0];
    assert_eq!((&device["device"], told["devices"].as_array().unwrap().len()), (&"cuda:0".into(), 1));
    assert_eq!(device["kernels"].as_array().unwrap().len(), kernels_of_the_sources());
    let checks = device["checks"].as_array().unwrap();
    assert!(checks.len() >= 7 && checks.iter().all(|check| check["passed"] == true), "{told}");
}

/// How many kernels there are in cuda/.
fn kernels_of_the_sources() -> usize {
    let ptx = Path::new(env!("CARGO_MANIFEST_DIR")).join("cuda/ptx");
    let files = fs::read_dir(ptx).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.map(|text| text.matches(".visible .entry ").count()).sum()
}

#[test]
fn a_fit_with_couplings_of_the_device_predicts_what_the_cpu_s_does() {
    if !has_compiler() {
        return;
    }
    let folder = with_model("cuda-fit");
    let fit = format!("fit cells.csv --method usb --seed 3 {TINY} -o of-device --device cuda:0");
    with_device(&folder, Build::Plain, "", &fit).succeeded();
    let measured = |model: &str| run(&folder, &format!("evaluate {model} cells.csv --json")).json();
    agree("evaluate", &measured("model"), &measured("of-device"), 3e-3);
}

#[test]
fn every_process_on_the_device_gives_the_cpu_s_figures_and_rows() {
    if !has_compiler() {
        return;
    }
    let folder = with_model("cuda-simulate");
    for mode in ["ode --solver rk4", "sde", "branching"] {
        let how = format!("model cells.csv --mode {mode} --step 0.1 --seed 2 --json");
        let evaluate = format!("evaluate {how}");
        let there = with_device(&folder, Build::Plain, "", &format!("{evaluate} --device cuda:0")).json();
        agree(mode, &run(&folder, &evaluate).json(), &there, 3e-3);

        let simulate = |file: &str, device: &str| {
            let call = format!("simulate {how} -o {file} --device {device}");
            with_device(&folder, Build::Plain, "", &call).succeeded();
            fs::read_to_string(folder.join(file)).unwrap()
        };
        tables_agree(mode, &simulate("cpu.csv", "cpu"), &simulate("device.csv", "cuda:0"), 1e-4);
    }
}

#[test]
fn transport_on_the_device_is_the_cpu_s() {
    if !has_compiler() {
        return;
    }
    let folder = with_model("cuda-transport");
    let call = "transport a.csv b.csv --epsilon 0.1 --json --plan";
    let mut cpu = run(&folder, &format!("{call} cpu.csv")).json();
    let mut there =
        with_device(&folder, Build::Plain, "", &format!("{call} device.csv --device cuda:0")).json();
    for told in [&mut cpu, &mut there] {
        // A difference of the two, and a count.
        told["gap"].take();
        told["iterations"].take();
    }
    agree("transport", &cpu, &there, 1e-6);
    let plan = |file| fs::read_to_string(folder.join(file)).unwrap();
    tables_agree("plan", &plan("cpu.csv"), &plan("device.csv"), 1e-6);
}

/// A call of every command that can use a device, each of which would write a file or a line.
const CALLS: [&str; 4] = [
    "transport a.csv b.csv --epsilon 0.1 --plan out",
    "fit cells.csv --method usb --epochs 3 --hidden 8x1 -o out",
    "simulate model cells.csv --mode ode --solver euler -o out",
    "evaluate model cells.csv --mode sde",
];

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_device_that_cannot_be_used_is_one_clear_line_and_no_file() {
    if !has_compiler() {
        return;
    }
    let folder = with_model("cuda-refused");
    let before = files(&folder);
    for (how, settings, device, told) in [
        (
            Build::OldDriver,
            "",
            "cuda:0",
            "the CUDA driver of this machine is too old, it lacks cuMemAllocAsync",
        ),
        (Build::Plain, "driver_version=12020", "cuda:0", "too old, it is for CUDA 12.2"),
        (Build::Plain, "devices=0", "cuda:0", "no CUDA device"),
        (Build::Plain, "", "cuda:5", "there is no device cuda:5"),
        (Build::Plain, "capability=61", "cuda:0", "has compute capability 6.1; 7.0 or higher is needed"),
        (Build::Plain, "memory=2000", "cuda:0", "memory"),
        (Build::Plain, "fail_launch=1", "cuda:0", "CUDA_ERROR_LAUNCH_FAILED"),
    ] {
        for call in CALLS {
            let outcome = with_device(&folder, how, settings, &format!("{call} --device {device}"));
            let complaint = outcome.complaint(1);
            assert!(complaint.contains(told), "{call}, {settings}: `{complaint}` does not tell `{told}`");
            assert_eq!(files(&folder), before, "{call}, {settings}");
        }
    }
}

#[test]
fn doctor_fails_where_a_device_cannot_be_used_and_says_why() {
    if !has_compiler() {
        return;
    }
    let folder = folder("cuda-doctor-refused");
    let old = with_device(&folder, Build::Plain, "capability=61", "doctor");
    assert_eq!((old.code, old.stderr.as_str()), (Some(1), "chreode: cuda:0 cannot be used\n"));
    assert!(old.stdout.contains("has compute capability 6.1"), "{old:?}");
    let none = with_device(&folder, Build::OldDriver, "", "doctor");
    assert!(none.succeeded().stdout.contains("cuda: the CUDA driver of this machine is too old"), "{none:?}");
}

#[test]
fn without_a_driver_a_device_is_refused_by_name_and_auto_is_the_cpu() {
    if cuda_support::has_driver() {
        return;
    }
    let folder = with_model("cuda-no-driver");
    let before = files(&folder);
    for call in CALLS {
        let outcome = run(&folder, &format!("{call} --device cuda:0"));
        let complaint = outcome.complaint(1);
        assert!(complaint.contains("there is no CUDA driver on this machine"), "{call}: {complaint}");
        assert_eq!(files(&folder), before, "{call}");
    }
    for call in CALLS {
        let result = |device: &str| {
            let told = run(&folder, &format!("{call} --device {device}"));
            assert_eq!(told.code, Some(0), "{told:?}");
            fs::read(folder.join("out")).unwrap_or(told.stdout.into_bytes())
        };
        assert!(result("auto") == result("cpu"), "{call}");
        let _ = fs::remove_file(folder.join("out"));
    }
    let told = run(&folder, "doctor");
    assert!(told.succeeded().stdout.contains("cuda: there is no CUDA driver on this machine"), "{told:?}");
}
