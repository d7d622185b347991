//! The R package installs from this folder as its README says, passes its own tests, and computes what this library computes.

mod capi_support;
#[cfg(feature = "cli")]
mod cli_support;
#[cfg(feature = "cli")]
mod fates_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{has, libraries, root, succeed};
use chreode::datasets::GeneNetwork;
use chreode::evaluate::protocol::Protocol;
use chreode::exec::stop::Stop;
use chreode::options::Settings;
use chreode::simulate::Particles;
use chreode::simulate::simulation::Simulation;
use chreode::{FitOptions, fit};

/// R with the packages of a library, and with cargo's work kept.
fn r(program: &str, library: &Path) -> Command {
    let mut command = Command::new(program);
    // target/release/deps is where this test lies. There, the static library of this build, with its features, would be in
    // the place of the one without, which R makes: they have one name, and cargo would not notice.
    let target = libraries().join("../..").canonicalize().unwrap().join("alone");
    command.current_dir(root()).env("R_LIBS", library).env("CARGO_TARGET_DIR", target);
    command
}

/// Whether R is there with what the package's tests need.
fn has_r(library: &Path) -> bool {
    has("R") && has_package("testthat", library)
}

/// Whether R has a package; in CI it must.
fn has_package(name: &str, library: &Path) -> bool {
    let asked =
        r("Rscript", library).args(["--vanilla", "-e", &format!("library({name})")]).output().unwrap();
    if !asked.status.success() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "R lacks the package {name} in CI");
        eprintln!("SKIPPED: R is there without the package {name}");
    }
    asked.status.success()
}

/// What the example of every language prints, computed here.
fn expected() -> String {
    let snapshots = GeneNetwork::default().generate().unwrap();
    let mut settings = Settings::<FitOptions>::default();
    let given = [
        ("method", "usb"),
        ("delta", "1.5"),
        ("sigma", "0.02"),
        ("hidden", "64x3"),
        ("epochs", "300"),
        ("seed", "11"),
    ];
    for (name, value) in given.into_iter().chain([("threads", "2")]) {
        settings.set(name, value).unwrap();
    }
    let model =
        fit(&snapshots, &settings.build().unwrap(), &mut chreode::exec::progress::silent).unwrap().dynamics;
    let measured =
        Settings::<Protocol>::default().build().unwrap().run(&model, &snapshots, &Stop::default()).unwrap();
    let mut settings = Settings::<Simulation>::default();
    settings.set("mode", "branching").unwrap();
    settings.set("seed", "11").unwrap();
    let first = Particles::of_snapshot(&snapshots, 0);
    let rows = snapshots.sample(0, 50, 11).unwrap();
    let points = rows.iter().flat_map(|&row| first.point(row)).copied().collect();
    let founders = Particles::new(snapshots.times()[0], snapshots.dims(), points, None).unwrap();
    let simulated =
        settings.build().unwrap().run(&model, &founders, snapshots.times(), &Stop::default()).unwrap();
    // R reads these numbers: to the bit, however many digits either language prints.
    let mut lines = vec![];
    for point in &measured.time_points {
        lines.push(format!("time {} W1 {:e} RME {:e}", point.time, point.w1.mean, point.rme.mean));
    }
    lines.push(format!("mean W1 {:e}", measured.mean_w1.mean));
    lines.push(format!("mean RME {:e}", measured.mean_rme.mean));
    let counts: Vec<_> = simulated.trajectory.frames.iter().map(|frame| frame.len().to_string()).collect();
    lines.push(format!("population {}", counts.join(" ")));
    lines.push(format!("lineage {} nodes", simulated.lineage.unwrap().nodes().len()));
    lines.join("\n")
}

/// Lines with their numbers written in one way.
fn normal(text: &str) -> Vec<Vec<String>> {
    let word = |word: &str| word.parse::<f64>().map_or(word.to_string(), |number| format!("{number:e}"));
    text.lines().map(|line| line.split_whitespace().map(word).collect()).collect()
}

/// A folder of R's packages with this one in it, installed as its README says.
fn installed(name: &str) -> Option<PathBuf> {
    let library = std::env::temp_dir().join(format!("chreode-r-{name}-{}", std::process::id()));
    fs::create_dir_all(&library).unwrap();
    if !has_r(&library) {
        return None;
    }
    let install = ["CMD", "INSTALL", "--clean", "--library"];
    succeed(r("R", &library).args(install).arg(&library).arg("bindings/r"));
    Some(library)
}

#[test]
fn the_package_installs_passes_its_tests_and_computes_the_same_numbers() {
    let Some(library) = installed("tests") else { return };
    let tests = "testthat::test_dir('bindings/r/tests/testthat', package = 'chreode', load_package = 'installed', \
                 reporter = 'summary', stop_on_failure = TRUE)";
    eprintln!("{}", succeed(r("Rscript", &library).args(["--vanilla", "-e", tests])));

    let picture = library.join("lineage.png");
    let example = library.join("chreode/examples/gene_network.R");
    let printed = succeed(r("Rscript", &library).arg("--vanilla").arg(example).arg(&picture));
    assert_eq!(normal(&printed), normal(&expected()), "{printed}");
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{} is no picture", picture.display());

    the_vignettes_run(&library);
    #[cfg(feature = "cli")]
    {
        fates_are_those_of_the_command(&library);
        couplings_are_those_of_the_command(&library);
    }
    the_help_pages_are_what_the_library_and_the_comments_give(&library);
    fs::remove_dir_all(&library).unwrap();
}

/// Every piece of their code, without an error; what makes pages of it is not needed.
fn the_vignettes_run(library: &Path) {
    if !["knitr", "HSMMSingleCell", "SingleCellExperiment"]
        .iter()
        .all(|package| has_package(package, library))
    {
        return;
    }
    let folder = library.join("vignettes");
    fs::create_dir_all(&folder).unwrap();
    for vignette in ["gene_network", "myoblasts"] {
        let source = root().join("bindings/r/vignettes").join(format!("{vignette}.Rmd"));
        let run = format!(
            "knitr::opts_chunk$set(error = FALSE); knitr::knit('{}', '{vignette}.md', quiet = TRUE)",
            source.display()
        );
        succeed(r("Rscript", library).current_dir(&folder).args(["--vanilla", "-e", &run]));
        let told = fs::read_to_string(folder.join(format!("{vignette}.md"))).unwrap();
        assert!(!told.contains("Skipped"), "{told}");
    }
    let pictures = fs::read_dir(folder.join("figure")).unwrap().count();
    assert!(pictures >= 12, "{pictures} pictures");
}

/// The same labels, seed and model give the command's numbers, to the bit and under the same names.
#[cfg(feature = "cli")]
fn fates_are_those_of_the_command(library: &Path) {
    let folder = fates_support::by_the_command("fates_r");
    let script = r#"
library(chreode)
cells <- read.csv("cells.csv", row.names = 1)
kinds <- rev(setNames(cells$kind, rownames(cells)))
found <- fates(
    load_dynamics("model"), kinds, as.matrix(cells[c("x2", "x1")]), cells$samples, mode = "branching", seed = 4,
    descendants = 9, neighbours = 3, turnover = 0.2
)
write <- function(table, file) {
    numbers <- vapply(table, is.numeric, NA)
    table[numbers] <- lapply(table[numbers], function(x) sprintf("%.17g", x))
    write.csv(table, file, row.names = FALSE, na = "")
}
write(cbind(cell = rownames(found), as.data.frame(unclass(found), optional = TRUE)), "r.csv")
write(attr(found, "transitions"), "r_transitions.csv")
"#;
    succeed(r("Rscript", library).current_dir(&folder).args(["--vanilla", "-e", script]));
    fates_support::assert_same(&folder, "fates.csv", "r.csv");
    fates_support::assert_same(&folder, "transitions.csv", "r_transitions.csv");
}

/// The same cells and options give the command's couplings, to the bit and under the same names.
#[cfg(feature = "cli")]
fn couplings_are_those_of_the_command(library: &Path) {
    let folder = fates_support::couplings_by_the_command("couplings_r");
    let script = r#"
library(chreode)
cells <- read.csv("cells.csv", row.names = 1)
days <- rev(setNames(cells$samples, rownames(cells)))
found <- couple(as.matrix(cells[c("x1", "x2")]), days, "wfr-fm", delta = 0.25, seed = 4, progress = FALSE)
write <- function(table, file) {
    numbers <- vapply(table, is.numeric, NA)
    table[numbers] <- lapply(table[numbers], function(x) sprintf("%.17g", x))
    write.csv(table, file.path("couplings", file), row.names = FALSE)
}
names <- rownames(found$cells)
for (k in seq_along(found$pairs)) {
    pairs <- found$pairs[[k]]
    write(data.frame(source = pairs$source - 1, target = pairs$target - 1, pairs[c("sent", "received")],
                     source_cell = names[pairs$source], target_cell = names[pairs$target]), sprintf("r_%d.csv", k))
}
rows <- order(cells$samples)
write(data.frame(row = rows - 1, cell = names[rows], found$cells[rows, ]), "r_cells.csv")
"#;
    succeed(r("Rscript", library).current_dir(&folder).args(["--vanilla", "-e", script]));
    let folder = folder.join("couplings");
    for k in 1..3 {
        fates_support::assert_same(&folder, &format!("coupling_{k}.csv"), &format!("r_{k}.csv"));
    }
    fates_support::assert_same(&folder, "cells.csv", "r_cells.csv");
}

/// Makes them anew, as tools/document.sh does, beside the committed ones.
fn the_help_pages_are_what_the_library_and_the_comments_give(library: &Path) {
    if !has_package("roxygen2", library) {
        return;
    }
    let package = library.join("source/chreode");
    fs::create_dir_all(&package).unwrap();
    for part in ["DESCRIPTION", "NAMESPACE", "R", "man"] {
        succeed(Command::new("cp").arg("-R").arg(root().join("bindings/r").join(part)).arg(&package));
    }
    let make = "roxygen2::roxygenise(load_code = 'installed')";
    succeed(r("Rscript", library).current_dir(&package).args(["--vanilla", "-e", make]));
    for part in ["NAMESPACE", "man"] {
        let mut compare = Command::new("diff");
        compare.arg("-r").arg(root().join("bindings/r").join(part)).arg(package.join(part));
        let told = compare.output().unwrap();
        assert!(told.status.success(), "run tools/document.sh: {}", String::from_utf8_lossy(&told.stdout));
    }
}

/// R CMD build, which remotes and Bioconductor's builder call, takes the crate along.
#[test]
fn a_source_package_is_built_from_a_checkout() {
    if !has("R") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("chreode-r-source-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let package = root().join("bindings/r");
    // The vignette would be built by a whole installation.
    let build = ["CMD", "build", "--no-build-vignettes"];
    succeed(r("R", &folder).current_dir(&folder).args(build).arg(package));
    succeed(Command::new("sh").current_dir(&folder).args(["-c", "tar -xzf chreode_*.tar.gz"]));
    let source = folder.join("chreode");
    let left: Vec<_> = ["src/rust/target", "src/Makevars"].map(|path| source.join(path).exists()).into();
    assert_eq!(left, [false, false]);

    // What it installs is this crate, with the dependencies that the lock file names, and nothing that did not come along.
    succeed(Command::new("sh").current_dir(&source).arg("./configure"));
    let crate_root = source.join("src/rust");
    let library = |folder: &Path| fs::read(folder.join("src/lib.rs")).unwrap();
    assert_eq!(library(&crate_root), library(&root()));
    let manifest = fs::read_to_string(crate_root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("[lib]") && !manifest.contains("[["), "{manifest}");
    let resolve = ["tree", "--locked", "--offline", "--edges", "normal,build"];
    succeed(Command::new("cargo").current_dir(&crate_root).args(resolve));
    fs::remove_dir_all(&folder).unwrap();
}
