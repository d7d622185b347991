//! The R package installs from this folder as its README says, passes its own tests, and computes what this library computes.

mod capi_support;

use std::fs;
use std::path::Path;
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
    if !has("R") {
        return false;
    }
    let asked = r("Rscript", library).args(["--vanilla", "-e", "library(testthat)"]).output().unwrap();
    if !asked.status.success() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "R lacks the package testthat in CI");
        eprintln!("SKIPPED: R is there without the package testthat");
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
    let dims = snapshots.dims();
    let founders =
        Particles::new(snapshots.times()[0], dims, first.points[..50 * dims].to_vec(), None).unwrap();
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

#[test]
fn the_package_installs_passes_its_tests_and_computes_the_same_numbers() {
    let library = std::env::temp_dir().join(format!("chreode-r-{}", std::process::id()));
    fs::create_dir_all(&library).unwrap();
    if !has_r(&library) {
        return;
    }
    succeed(
        r("R", &library).args(["CMD", "INSTALL", "--clean", "--library"]).arg(&library).arg("bindings/r"),
    );

    let tests = "testthat::test_dir('bindings/r/tests/testthat', package = 'chreode', load_package = 'installed', \
                 reporter = 'summary', stop_on_failure = TRUE)";
    eprintln!("{}", succeed(r("Rscript", &library).args(["--vanilla", "-e", tests])));

    let picture = library.join("lineage.png");
    let example = library.join("chreode/examples/gene_network.R");
    let printed = succeed(r("Rscript", &library).arg("--vanilla").arg(example).arg(&picture));
    assert_eq!(normal(&printed), normal(&expected()), "{printed}");
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"), "{} is no picture", picture.display());
    fs::remove_dir_all(&library).unwrap();
}
