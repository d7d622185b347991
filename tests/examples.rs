//! The example programs of all languages print the same lines, to the last digit: same seed, same bits.
//!
//! The lines are those of this machine: the bits of sums of products may differ between processors, so nothing is checked in.
//! They are left as `gene_network.expected` in the target folder's tmp.

#![cfg(unix)]

mod capi_support;

#[allow(dead_code)] // its main
#[path = "../bindings/rust/gene_network.rs"]
mod gene_network;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use capi_support::{Library, folder, has, root, succeed};

/// What the Rust example prints. It is compiled into this test, so that it can be no older than the library.
fn expected() -> &'static str {
    static LINES: OnceLock<String> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = gene_network::report().unwrap();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gene_network.expected");
        std::fs::write(file, &lines).unwrap();
        lines
    })
}

/// The lines of a program's that all programs have; a language may draw something beside them.
fn common(told: &str) -> String {
    let kinds = ["time ", "mean ", "population ", "lineage "];
    let lines = told.lines().filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Runs a language's example, which must print what that of Rust does. A new language is a test that calls this:
///
/// ```text
/// #[test]
/// fn r_prints_what_rust_prints() {
///     if has("Rscript") {
///         let example = root().join("bindings/r/inst/examples/gene_network.R");
///         prints_what_rust_prints("R", Command::new("Rscript").arg(example).env("R_LIBS", r_library()));
///     }
/// }
/// ```
fn prints_what_rust_prints(language: &str, example: &mut Command) -> String {
    let told = succeed(example);
    assert_eq!(common(&told), expected(), "{language}");
    told
}

/// An example of `bindings/cpp`, compiled as strictly as a compiler can.
fn compiled(compiler: &str, standard: &str, source: &str) -> Command {
    let folder = folder(&format!("example-{source}"));
    let (program, root) = (folder.join("gene_network"), root());
    let mut compile = Command::new(compiler);
    compile
        .args([standard, "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(root.join("include"));
    compile.arg(root.join("bindings/cpp/examples").join(source)).arg("-o").arg(&program);
    succeed(compile.args(Library::Shared.arguments(&folder)));
    Command::new(program)
}

#[test]
fn rust_prints_all_lines() {
    let kinds: Vec<&str> = expected().lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["time", "time", "time", "time", "mean", "mean", "population", "lineage"]);
    let population = expected().lines().nth(6).unwrap();
    assert!(population.starts_with("population 50 ") && population.split(' ').count() == 6, "{population}");
}

#[test]
fn c_prints_what_rust_prints() {
    if has("cc") {
        prints_what_rust_prints("C", &mut compiled("cc", "-std=c99", "gene_network.c"));
    }
}

#[test]
fn cpp_prints_what_rust_prints_and_a_tree() {
    if has("c++") {
        let told = prints_what_rust_prints("C++", &mut compiled("c++", "-std=c++17", "gene_network.cpp"));
        let tree = told.lines().find(|line| line.starts_with("tree ")).unwrap_or_default();
        assert!(tree.starts_with("tree (") && tree.ends_with(';'), "{told}");
    }
}

/// Numbers of all sizes, and their text by C.
const PRINTF: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <string.h>
int main(void) {
    uint64_t bits = 1;
    for (int i = 0; i < 4000; ++i) {
        double x;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        memcpy(&x, &bits, sizeof x);
        if (i % 2) x = (double)(int64_t)bits / 1e18;
        if (i % 16 == 0) x = (double)(i - 2000) / 8;
        if (x == x) printf("%.17g %g\n", x, x);
    }
    return 0;
}
"#;

#[test]
fn the_rust_example_writes_numbers_as_c_does() {
    if !has("cc") {
        return;
    }
    let folder = folder("example-printf");
    let (source, program) = (folder.join("printf.c"), folder.join("printf"));
    std::fs::write(&source, PRINTF).unwrap();
    succeed(Command::new("cc").arg("-std=c99").arg(source).arg("-o").arg(&program));
    let told = succeed(&mut Command::new(program));
    assert!(told.lines().count() > 3900);
    for line in told.lines() {
        let x: f64 = line.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(format!("{} {}", gene_network::general(x, 17), gene_network::general(x, 6)), line);
    }
}
