//! The Julia package: every ccall against the header by a parser of Julia, lint and format; and, where there is a Julia
//! (`CHREODE_JULIA`, else julia), its own tests, its example, its README, panics, interrupts and the end of the process. The checks
//! need no Julia but a Python (`CHREODE_PYTHON`, else python3) with pycparser, tree-sitter, tree-sitter-julia and fatou.

#![cfg(unix)]

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

use capi_support::{folder, has, libraries, needed, program_of, root, succeed};
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
        ("src/LibChreode.jl", "return shielded() do", "return begin", "chreode_status_name is not shielded"),
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
        ("src/dynamics.jl", "function fit_dynamics(", "function fit_dynamics((", "not Julia"),
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

fn program() -> String {
    std::env::var("CHREODE_JULIA").unwrap_or_else(|_| "julia".into())
}

/// Whether there is a Julia; if not, that is said on stderr, and is a failure in CI.
fn there_is_julia() -> bool {
    needed("julia", Command::new(program()).arg("--version").output().is_ok())
}

/// Julia with the package and the library, in a depot of the tests' own with a registry without packages: none can be reached, and
/// the package needs none.
fn julia() -> Command {
    let depot = scratch("julia-depot");
    let registry = depot.join("registries/Empty");
    fs::create_dir_all(&registry).unwrap();
    let empty =
        "name = \"Empty\"\nuuid = \"d1c5b1f0-7a3e-4e0b-9b0a-3a5f0c1d2e4f\"\nrepo = \"\"\n\n[packages]\n";
    let file = registry.join("Registry.toml");
    if fs::read_to_string(&file).ok().as_deref() != Some(empty) {
        fs::write(&file, empty).unwrap();
    }
    let mut command = Command::new(program());
    command.arg("--startup-file=no").env("JULIA_DEPOT_PATH", &depot).env("JULIA_PKG_OFFLINE", "true");
    command.env("JULIA_LOAD_PATH", format!("{}:@stdlib", package().display()));
    command.env("CHREODE_LIBRARY", libraries().join("libchreode.so"));
    command
}

#[test]
fn its_own_tests_pass() {
    if !there_is_julia() {
        return;
    }
    // As a user has it: a project that the package was added to. It is a copy, so that nothing is written beside the sources.
    let (copy, project) = (folder("julia-package"), folder("julia-project"));
    succeed(Command::new("cp").arg("-R").arg(package().join(".")).arg(&copy));
    let code = "using Pkg\n\
                Pkg.develop(Pkg.PackageSpec(path = ENV[\"CHREODE_PACKAGE\"]))\n\
                Pkg.build(\"Chreode\")\n\
                delete!(ENV, \"CHREODE_LIBRARY\")\n\
                Pkg.test(\"Chreode\")";
    let mut test = julia();
    test.args(["-e", code]).env("JULIA_NUM_THREADS", "2").env("CHREODE_PACKAGE", &copy);
    test.env("JULIA_PROJECT", &project).env_remove("JULIA_LOAD_PATH");
    succeed(&mut test);
    let noted = fs::read_to_string(copy.join("deps/library.txt")).unwrap();
    assert_eq!(Path::new(&noted), libraries().join("libchreode.so"));
}

/// The same labels, seed and model give the command's numbers, to the bit and under the same names.
#[cfg(feature = "cli")]
#[test]
fn fates_are_those_of_the_command() {
    if !there_is_julia() {
        return;
    }
    let folder = fates_support::by_the_command("fates_julia");
    let script = r#"
using Chreode
table = [split(line, ','; limit = 5) for line in readlines("cells.csv")[2:end]]
number(k) = [parse(Float64, row[k]) for row in table]
kinds = [strip(row[5], '"') for row in table]
found = fates(Chreode.load("model"), hcat(number(3), number(4)), number(2), kinds; cells = :rows,
              mode = "branching", seed = 4, descendants = 9, neighbours = 3, turnover = 0.2)
word(x) = x === missing ? "" : string('"', x, '"')
write_table(file, header, rows) = open(file, "w") do io
    println(io, join(header, ','))
    foreach(row -> println(io, join(row, ',')), rows)
end
of(prefix) = [word("$prefix$(what)_$label") for what in ("p", "n") for label in found.labels]
header = ["cell", "time", "label", of("")..., "p_none", of("se_")..., "se_p_none"]
write_table("julia.csv", header, [
    [table[cell][1], found.time[k], word(found.label[k]), found.p[k, :]..., found.n[k, :]..., found.p_none[k],
     found.p_se[k, :]..., found.n_se[k, :]..., found.p_none_se[k]]
    for (k, cell) in enumerate(found.cells)
])
header = ["time", "from", "to", "mass", "se_mass", "went", "came"]
write_table("julia_transitions.csv", header, [
    [moved.time, word(from), word(to), moved.mass[i, j], moved.mass_se[i, j], moved.went[i, j], moved.came[i, j]]
    for moved in found.transitions for (i, from) in enumerate(moved.labels) for (j, to) in enumerate(found.labels)
])
"#;
    succeed(julia().current_dir(&folder).args(["-e", script]));
    fates_support::assert_same(&folder, "fates.csv", "julia.csv");
    fates_support::assert_same(&folder, "transitions.csv", "julia_transitions.csv");
}

/// The same cells and options give the command's couplings, to the bit.
#[cfg(feature = "cli")]
#[test]
fn couplings_are_those_of_the_command() {
    if !there_is_julia() {
        return;
    }
    let folder = fates_support::couplings_by_the_command("couplings_julia");
    let script = r#"
using Chreode
table = [split(line, ','; limit = 5) for line in readlines("cells.csv")[2:end]]
number(k) = [parse(Float64, row[k]) for row in table]
name = [row[1] for row in table]
found = couple(hcat(number(3), number(4)), number(2); cells = :rows, method = "wfr-fm", delta = 0.25, seed = 4)
write_table(file, header, rows) = open(joinpath("couplings", file), "w") do io
    println(io, join(header, ','))
    foreach(row -> println(io, join(row, ',')), rows)
end
for k in 1:length(found)
    pairs, before, after = Chreode.pairs_of(found, k), Chreode.cells_at(found, k), Chreode.cells_at(found, k + 1)
    write_table("julia_$k.csv", ["source", "target", "sent", "received", "source_cell", "target_cell"], [
        [before[i] - 1, after[j] - 1, sent, received, name[before[i]], name[after[j]]]
        for (i, j, sent, received) in zip(pairs.source, pairs.target, pairs.sent, pairs.received)
    ])
end
rows = reduce(vcat, [Chreode.cells_at(found, k) for k in eachindex(found.times)])
write_table("julia_cells.csv", ["row", "cell", "time", "weight", "sent", "dying", "received", "born"], [
    [c - 1, name[c], found.time[c], found.weight[c], found.sent[c], found.dying[c], found.received[c], found.born[c]]
    for c in rows
])
"#;
    succeed(julia().current_dir(&folder).args(["-e", script]));
    let folder = folder.join("couplings");
    for k in 1..3 {
        fates_support::assert_same(&folder, &format!("coupling_{k}.csv"), &format!("julia_{k}.csv"));
    }
    fates_support::assert_same(&folder, "cells.csv", "julia_cells.csv");
}

#[test]
fn the_example_prints_what_rust_prints() {
    if !there_is_julia() {
        return;
    }
    let told = succeed(julia().arg(package().join("examples/gene_network.jl")));
    assert_eq!(told, gene_network::report().unwrap());
}

#[test]
fn the_programs_of_the_readme_run() {
    if !there_is_julia() {
        return;
    }
    let home = folder("julia-readme");
    let code = program_of("bindings/julia/README.md", "julia");
    let told = succeed(julia().arg("-e").arg(code).current_dir(&home));
    assert!(told.contains("mean W1"), "{told}");
    assert!(home.join("model.safetensors").is_file(), "{told}");
}

#[test]
fn a_panic_is_an_error() {
    if !there_is_julia() || !has("cc") {
        return;
    }
    let clock = folder("julia-clock").join("clock.so");
    let source = package().join("test/clock.c");
    succeed(Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&clock).arg(source));
    let told = succeed(julia().arg(package().join("test/panics.jl")).env("LD_PRELOAD", &clock));
    let panics: u32 = told.trim_end_matches(" panics\n").parse().unwrap();
    assert!(panics >= 3, "the fit reads its clock before, during and after");
}

#[test]
fn interrupts_do_not_jump_over_the_library() {
    if there_is_julia() {
        let told = succeed(julia().arg(package().join("test/interrupts.jl")));
        assert_eq!(told, "unharmed\n");
    }
}

/// Two processes of Distributed, one of which is killed.
#[test]
fn work_by_other_processes_gives_the_same_bits() {
    if there_is_julia() {
        eprintln!("{}", succeed(julia().arg(package().join("test/workers.jl"))));
    }
}

#[test]
fn the_process_ends_while_another_thread_fits() {
    if !there_is_julia() {
        return;
    }
    for seconds in ["0", "0.01", "0.03", "0.1", "0.2", "0.3"] {
        let mut ending = julia();
        ending.args(["-t", "2"]).arg(package().join("test/ending.jl")).arg(seconds);
        let output = ending.output().unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && wrong.is_empty(), "{seconds} s: {} {wrong}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ends\n");
    }
}
