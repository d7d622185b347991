//! The Julia package: every ccall against the header by a parser of Julia, lint and format; and, where there is a `julia`, its own
//! tests and its example. The checks need no Julia but a Python (`CHREODE_PYTHON`, else python3) with pycparser, tree-sitter,
//! tree-sitter-julia and fatou.

mod capi_support;
mod python_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{libraries, root, succeed};
use python_support::{Python, scratch};

const PARSERS: &[&str] = &["pycparser", "tree_sitter", "tree_sitter_julia"];

fn package() -> PathBuf {
    root().join("bindings/julia")
}

fn tool(python: &Python, package: &Path, what: &str) -> Command {
    let mut command = python.command();
    command.arg(package.join("tools/ccalls.py")).arg(what);
    command
}

/// A copy of the package and the header, to be changed.
fn copied(name: &str) -> PathBuf {
    let to = scratch(name);
    let _ = fs::remove_dir_all(&to);
    let mut files = vec![PathBuf::from("include/chreode.h")];
    for folder in ["src", "test", "tools", "examples"] {
        let from = package().join(folder);
        let found = fs::read_dir(&from).unwrap().flatten().map(|entry| entry.path());
        let files_only = found.filter(|path| path.is_file());
        files.extend(files_only.map(|path| path.strip_prefix(root()).unwrap().to_path_buf()));
    }
    for file in files {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::copy(root().join(&file), to.join(&file)).unwrap();
    }
    to
}

#[test]
fn every_ccall_is_that_of_the_header() {
    let Some(python) = Python::find(PARSERS) else { return };
    eprintln!("{}", succeed(&mut tool(&python, &package(), "check")).trim());
}

#[test]
fn the_low_layer_is_what_the_header_makes() {
    let Some(python) = Python::find(PARSERS) else { return };
    let copy = copied("julia-written");
    succeed(&mut tool(&python, &copy.join("bindings/julia"), "write"));
    let low = "bindings/julia/src/LibChreode.jl";
    assert!(
        fs::read(root().join(low)).unwrap() == fs::read(copy.join(low)).unwrap(),
        "{low} is out of date: run python bindings/julia/tools/ccalls.py write"
    );
}

/// A check that finds nothing wrong is worth what it finds when something is.
#[test]
fn one_wrong_type_name_number_or_argument_is_found() {
    let Some(python) = Python::find(PARSERS) else { return };
    let copy = copied("julia-changed");
    let folder = copy.join("bindings/julia");
    for (file, from, to, told) in [
        ("src/LibChreode.jl", "Cstring, Cdouble)", "Cstring, Cfloat)", "chreode_options_set_real takes"),
        (
            "src/LibChreode.jl",
            "symbol(:chreode_model_dims)",
            "symbol(:chreode_model_dim)",
            "chreode_model_dims calls",
        ),
        (
            "src/LibChreode.jl",
            "Cstring, (Int32,), status",
            "Cstring, (Int32,), 0",
            "chreode_status_name hands on",
        ),
        (
            "src/LibChreode.jl",
            "function chreode_abi_version()",
            "function chreode_abi()",
            "chreode_abi_version is missing",
        ),
        (
            "src/LibChreode.jl",
            "    col_stride::Cptrdiff_t\n",
            "    col_stride::Cint\n",
            "the struct chreode_matrix",
        ),
        ("src/LibChreode.jl", "Int32(-11)", "Int32(-12)", "CHREODE_ERROR_NOT_CONVERGED is"),
        ("src/LibChreode.jl", "UInt32, ())", "Int32, ())", "chreode_abi_version returns"),
        (
            "src/dynamics.jl",
            "C.chreode_model_load(path, made)",
            "C.chreode_model_load(path)",
            "takes 2 arguments, here 1",
        ),
        ("src/library.jl", "C.CHREODE_OK", "C.CHREODE_FINE", "CHREODE_FINE is not in the header"),
        ("src/dynamics.jl", "function fit(", "function fit((", "not Julia"),
        (
            "../../include/chreode.h",
            "int64_t value);",
            "int32_t value);",
            "chreode_options_set_integer takes",
        ),
    ] {
        let path = folder.join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{file} has {from}");
        fs::write(&path, before.replacen(from, to, 1)).unwrap();
        let output = tool(&python, &folder, "check").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && said.contains(told), "{from} -> {to}: {said}");
        fs::write(&path, before).unwrap();
    }
}

#[test]
fn lint_and_format() {
    let Some(python) = Python::find(PARSERS) else { return };
    // Installed by pip, it lies beside the interpreter.
    let find = "import os, shutil, sys; bin = os.path.dirname(sys.executable)\n\
                print(shutil.which('fatou', path=os.pathsep.join([bin, os.environ['PATH']])) or '', end='')";
    let fatou = succeed(python.command().args(["-c", find]));
    if fatou.is_empty() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "fatou is missing in CI: pip install fatou");
        eprintln!("SKIPPED: there is no fatou, which lints Julia");
        return;
    }
    let told = succeed(Command::new(&fatou).args(["lint", "."]).current_dir(package()));
    // Warnings do not fail the command.
    assert!(!told.contains("warning"), "{told}");
    succeed(Command::new(&fatou).args(["format", "--check", "."]).current_dir(package()));
}

#[test]
fn the_tests_and_the_example_run_where_there_is_a_julia() {
    if Command::new("julia").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no julia: the package was checked, not run");
        return;
    }
    let library = libraries().join("libchreode.so");
    let julia = |code: &str| {
        let mut command = Command::new("julia");
        command.arg("--startup-file=no").arg(format!("--project={}", scratch("julia-project").display()));
        command.args(["-t", "2", "-e", code]).env("CHREODE_LIBRARY", &library);
        command.env("CHREODE_PACKAGE", package());
        command
    };
    fs::create_dir_all(scratch("julia-project")).unwrap();
    succeed(&mut julia("using Pkg; Pkg.develop(path = ENV[\"CHREODE_PACKAGE\"]); Pkg.test(\"Chreode\")"));
    let told =
        succeed(&mut julia("include(joinpath(ENV[\"CHREODE_PACKAGE\"], \"examples\", \"gene_network.jl\"))"));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 8 && lines[6].starts_with("population 50 "), "{told}");
}
