//! The Python package: built around the library under test, installed beside the target folder, and put through its tests,
//! its example and its type hints. `CHREODE_PYTHON` names the interpreter, python3 if it is not set.

mod capi_support;
#[allow(dead_code)] // its main
#[path = "../bindings/rust/gene_network.rs"]
mod gene_network;
mod python_support;

use std::fs;
use std::path::{Path, PathBuf};

use capi_support::{libraries, root, succeed};
use python_support::{Python, scratch};

/// The package, installed once: pip makes a wheel of it that holds `library`.
fn install(python: &Python) -> PathBuf {
    let target = scratch("python-package");
    let _ = fs::remove_dir_all(&target);
    let library = fs::read_dir(libraries()).unwrap().flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        matches!(&*name, "libchreode.so" | "libchreode.dylib" | "chreode.dll")
    });
    let mut pip = python.command();
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"])
        .args(["--no-build-isolation", "--no-warn-script-location", "--target"])
        .arg(&target)
        .arg(root().join("bindings/python"))
        .env("CARGO_TARGET_DIR", scratch("python-build"))
        .env("CHREODE_LIBRARY", library.expect("cargo built the shared library"));
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
    let (package, bindings) = (install(&python), root().join("bindings/python"));
    let told = succeed(
        python
            .command()
            .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "tests"])
            .current_dir(&bindings)
            .env("PYTHONPATH", &package),
    );
    eprintln!("{told}");
    example(&python, &package, &bindings);
    readme(&python, &package, &bindings);
}

fn example(python: &Python, package: &Path, bindings: &Path) {
    let example = bindings.join("examples/gene_network.py");
    let told = succeed(python.command().arg(example).env("PYTHONPATH", package));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 9, "{told}");
    // To the last digit what Rust prints.
    assert_eq!(lines[..8].join("\n"), gene_network::report().unwrap().trim_end());
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
