//! The Python package: built around the library under test, installed beside the target folder, and put through its tests,
//! its example and its type hints. `CHREODE_PYTHON` names the interpreter, python3 if it is not set.

mod capi_support;
#[cfg(feature = "cli")]
mod cli_support;
#[cfg(feature = "cli")]
mod fates_support;
#[allow(dead_code)] // its main
#[path = "../bindings/rust/gene_network.rs"]
mod gene_network;
mod python_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use capi_support::{libraries, root, succeed};
use python_support::{Python, scratch};

/// The shared library that cargo built with this test.
fn library() -> PathBuf {
    let file = fs::read_dir(libraries()).unwrap().flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        matches!(&*name, "libchreode.so" | "libchreode.dylib" | "chreode.dll")
    });
    file.expect("cargo built the shared library")
}

/// The package, installed once: pip makes a wheel of it that holds `library`.
fn package(python: &Python) -> &'static Path {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    PACKAGE.get_or_init(|| install(python))
}

fn install(python: &Python) -> PathBuf {
    let (target, build) = (scratch("python-package"), scratch("python-build"));
    for folder in [&target, &build] {
        let _ = fs::remove_dir_all(folder);
    }
    let mut pip = python.command();
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"])
        .args(["--no-build-isolation", "--no-warn-script-location", "--target"])
        .arg(&target)
        .arg(root().join("bindings/python"))
        .env("CARGO_TARGET_DIR", build)
        .env("CHREODE_LIBRARY", library());
    succeed(&mut pip);
    let licence = format!("chreode-{}.dist-info/licenses/LICENSE", env!("CARGO_PKG_VERSION"));
    let (wheels, ours) =
        (fs::read(target.join(&licence)).expect(&licence), fs::read(root().join("LICENSE")).unwrap());
    assert!(wheels == ours, "a wheel carries the licence of the crate");
    target
}

#[test]
fn the_package_keeps_its_promises() {
    let modules = ["setuptools", "pip", "numpy", "cffi", "pytest"];
    let Some(python) = Python::find(&modules) else { return };
    let (package, bindings) = (package(&python), root().join("bindings/python"));
    let told = succeed(
        python
            .command()
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"])
            .current_dir(&bindings)
            .env("PYTHONPATH", package),
    );
    eprintln!("{told}");
    example(&python, package, &bindings);
    readme(&python, package, &bindings);
}

/// The same labels, seed and model give the command's numbers, to the bit and under the same names.
#[cfg(feature = "cli")]
#[test]
fn fates_are_those_of_the_command() {
    let Some(python) = Python::find(&["setuptools", "pip", "numpy", "cffi", "pytest", "pandas"]) else {
        return;
    };
    let folder = fates_support::by_the_command("fates_python");
    let script = r#"
import chreode, pandas
cells = pandas.read_csv("cells.csv", index_col=0)
model = chreode.Dynamics.load("model")
found = model.fates(cells[["x2", "x1"]], cells["samples"], cells["kind"].iloc[::-1],
                    mode="branching", seed=4, descendants=9, neighbours=3, turnover=0.2)
found.to_frame().to_csv("python.csv", index_label="cell")
rows = [(table.time, source, to, table.mass[i, j], table.mass_se[i, j], table.went[i, j], table.came[i, j])
        for table in found.transitions
        for i, source in enumerate(table.labels) for j, to in enumerate(found.labels)]
names = ["time", "from", "to", "mass", "se_mass", "went", "came"]
pandas.DataFrame(rows, columns=names).to_csv("python_transitions.csv", index=False)
"#;
    let run = |command: &mut Command| {
        command.current_dir(&folder).env("PYTHONPATH", package(&python));
        succeed(command)
    };
    run(python.command().args(["-c", script]));
    fates_support::assert_same(&folder, "fates.csv", "python.csv");
    fates_support::assert_same(&folder, "transitions.csv", "python_transitions.csv");
}

/// The same cells and options give the command's couplings, to the bit and under the same names.
#[cfg(feature = "cli")]
#[test]
fn couplings_are_those_of_the_command() {
    let Some(python) = Python::find(&["setuptools", "pip", "numpy", "cffi", "pytest", "pandas"]) else {
        return;
    };
    let folder = fates_support::couplings_by_the_command("couplings_python");
    let script = r#"
import chreode, numpy, pandas
cells = pandas.read_csv("cells.csv", index_col=0)
found = chreode.couple(cells[["x1", "x2"]], cells["samples"].iloc[::-1], "wfr-fm", delta=0.25, seed=4)
for k in range(len(found)):
    source, target, sent, received = found.pairs(k)
    table = {"source": found.rows(k)[source], "target": found.rows(k + 1)[target], "sent": sent, "received": received,
             "source_cell": found.cells(k)[source], "target_cell": found.cells(k + 1)[target]}
    pandas.DataFrame(table).to_csv(f"couplings/python_{k + 1}.csv", index=False)
rows = numpy.concatenate([found.rows(k) for k in range(len(found.times))])
frame = found.to_frame().iloc[rows].reset_index(names="cell")
frame.insert(0, "row", rows)
frame.to_csv("couplings/python_cells.csv", index=False)
"#;
    succeed(python.command().args(["-c", script]).current_dir(&folder).env("PYTHONPATH", package(&python)));
    let folder = folder.join("couplings");
    for k in 1..3 {
        fates_support::assert_same(&folder, &format!("coupling_{k}.csv"), &format!("python_{k}.csv"));
    }
    fates_support::assert_same(&folder, "cells.csv", "python_cells.csv");
}

fn example(python: &Python, package: &Path, bindings: &Path) {
    let example = bindings.join("examples/gene_network.py");
    let told = succeed(python.command().arg(example).env("PYTHONPATH", package));
    let report = gene_network::report().unwrap();
    let (lines, expected): (Vec<&str>, Vec<&str>) = (told.lines().collect(), report.lines().collect());
    // To the last digit what Rust prints.
    assert_eq!((lines.len(), expected.len()), (9, 8), "{told}");
    assert_eq!(lines[..8], expected[..], "{told}");
    assert!(lines[8].starts_with("tree (") && lines[8].ends_with(';'), "{told}");
}

/// The README's Python runs, one block after another, in a folder of its own.
fn readme(python: &Python, package: &Path, bindings: &Path) {
    let text = fs::read_to_string(bindings.join("README.md")).unwrap();
    let blocks = text.split("```python\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let program: String = blocks.collect();
    assert!(program.contains("chreode.fit"), "the README shows a fit");
    let folder = scratch("python-readme");
    fs::create_dir_all(&folder).unwrap();
    let mut run = python.command();
    succeed(run.args(["-c", &program]).current_dir(folder).env("PYTHONPATH", package));
}

/// Built against an old glibc, the wheel has the tag that says so; a library of this machine is refused under that tag.
#[test]
#[cfg(target_os = "linux")]
fn a_wheel_for_other_machines_is_tagged_by_what_it_needs() {
    let modules = ["setuptools", "pip", "wheel", "cffi", "auditwheel", "ziglang"];
    let Some(python) = Python::find(&modules) else { return };
    let folder = scratch("python-wheels");
    let _ = fs::remove_dir_all(&folder);
    let make = || {
        let mut make = Command::new(root().join("bindings/python/tools/wheel.sh"));
        make.arg(&folder).env("PYTHON", python.path()).env("CARGO_TARGET_DIR", root().join("target"));
        make
    };
    let refused = make().env("CHREODE_LIBRARY", library()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("too-recent versioned symbols"), "{told}");

    eprintln!("{}", succeed(&mut make()));
    let wheels: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(wheels.len(), 1, "{wheels:?}");
    let name = wheels[0].to_string_lossy();
    assert!(name.contains("-py3-none-manylinux") && name.contains("manylinux_2_17_"), "{name}");
    // And it works, with the digits of the library that cargo links.
    let target = scratch("python-wheel");
    let _ = fs::remove_dir_all(&target);
    let mut pip = python.command();
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]).arg(&target);
    succeed(pip.arg(folder.join(&wheels[0])));
    let program = "import chreode\n\
                   snapshots = chreode.dataset('gene-network', cells_per_state=30)\n\
                   model = chreode.fit(snapshots, hidden='16x2', epochs=20)\n\
                   print(repr(model.evaluate(snapshots).measures))\n\
                   try:\n    chreode.fit(snapshots, delta=-1)\n\
                   except ValueError as error:\n    print(error)\n";
    let [ours, linked_here] = [&target, package(&python)]
        .map(|package| succeed(python.command().args(["-c", program]).env("PYTHONPATH", package)));
    assert!(ours.contains("mean_w1") && ours.contains("delta must be"), "{ours}");
    assert_eq!(ours, linked_here);
}

/// An old cargo would fail over the manifest or the lock file, in words that do not say what to do.
#[test]
#[cfg(unix)]
fn an_old_rust_is_told_what_is_needed() {
    use std::os::unix::fs::PermissionsExt;

    let Some(python) = Python::find(&["setuptools", "pip", "wheel", "cffi"]) else { return };
    let folder = scratch("python-old-rust");
    fs::create_dir_all(&folder).unwrap();
    let cargo = folder.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho 'cargo 1.63.0'\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut pip = python.command();
    pip.args(["-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir"])
        .arg(&folder)
        .arg(root().join("bindings/python"))
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", folder.join("build"))
        .env_remove("CHREODE_LIBRARY");
    let output = pip.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    let needed =
        format!("chreode needs Rust {} or later, here is cargo 1.63.0", env!("CARGO_PKG_RUST_VERSION"));
    assert!(!output.status.success() && told.contains(&needed), "{told}");
}

/// With the real packages, which have an environment of their own: they hold others back.
#[test]
fn other_packages_take_what_is_handed_over() {
    let Some(python) = Python::find(&["setuptools", "pip", "cffi"]) else { return };
    let modules = ["scvelo", "cellrank", "ete3", "cffi", "pytest"];
    let Some(theirs) = Python::named("CHREODE_HANDOVER", &modules) else { return };
    let told = succeed(
        theirs
            .command()
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests/test_external.py"])
            .current_dir(root().join("bindings/python"))
            .env("PYTHONPATH", package(&python)),
    );
    assert!(told.contains("passed") && !told.contains("skipped"), "{told}");
}
