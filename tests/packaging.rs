//! The installed library, as strangers find it: `bindings/cpp/install.sh` into a staged prefix that is moved afterwards, then
//! projects in C and C++ by CMake's find_package and by pkg-config, with the shared and with the static library.

#![cfg(target_os = "linux")]

mod capi_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{abi, folder, has, libraries, root, succeed};

const PREFIX: &str = "opt/chreode";

/// Runs the install script for [`PREFIX`] below `stage`, with the libraries that cargo built for this test.
fn install(stage: &Path, more: &[&str]) -> String {
    let mut script = Command::new("sh");
    script
        .arg(root().join("bindings/cpp/install.sh"))
        .args(["--prefix", "/opt/chreode", "--destdir"])
        .arg(stage);
    succeed(script.arg("--from").arg(libraries()).args(more))
}

/// An installation that lies elsewhere than it was made for.
fn moved_installation(name: &str) -> PathBuf {
    let folder = folder(name);
    install(&folder.join("stage"), &[]);
    let moved = folder.join("moved");
    fs::rename(folder.join("stage").join(PREFIX), &moved).unwrap();
    moved
}

/// What the loader is to find for a program.
fn needed(program: &Path) -> String {
    succeed(Command::new("readelf").arg("-d").arg(program))
}

#[test]
fn cmake_projects_find_the_package() {
    if !["cmake", "cc", "c++", "readelf"].into_iter().all(has) {
        return;
    }
    let prefix = moved_installation("packaging-cmake");
    let build = prefix.with_file_name("build");
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(root().join("tests/packaging")).arg("-B").arg(&build);
    cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    succeed(cmake.arg(format!("-DCHREODE_VERSION={}", env!("CARGO_PKG_VERSION"))));
    succeed(Command::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]));
    let soname = format!("[libchreode.so.{}]", abi());
    let consumers = ["c_shared", "cpp_shared", "c_static", "cpp_static"].map(|name| build.join(name));
    for (consumer, shared) in consumers.iter().zip([true, true, false, false]) {
        assert_eq!(needed(consumer).contains(&soname), shared, "{consumer:?}");
    }
    all_say_the_same(consumers.map(Command::new));
}

#[test]
fn pkg_config_tells_how_to_compile_and_link() {
    if !["pkg-config", "cc", "c++"].into_iter().all(has) {
        return;
    }
    let prefix = moved_installation("packaging-pkg-config");
    let here = prefix.parent().unwrap();
    let consumers = [("cc", "consumer.c"), ("c++", "consumer.cpp")].map(|(compiler, source)| {
        [(false, "shared"), (true, "static")].map(|(whole, kind)| {
            let program = here.join(format!("{source}.{kind}"));
            let mut compile = Command::new(compiler);
            compile.args(whole.then_some("-static")).arg(root().join("tests/packaging").join(source));
            succeed(compile.args(flags(&prefix, whole)).arg("-o").arg(&program));
            let mut run = Command::new(program);
            if !whole {
                run.env("LD_LIBRARY_PATH", prefix.join("lib"));
            }
            run
        })
    });
    all_say_the_same(consumers.into_iter().flatten());
    let mut version = pkg_config(&prefix);
    assert_eq!(succeed(version.arg("--modversion")).trim(), env!("CARGO_PKG_VERSION"));
}

fn pkg_config(prefix: &Path) -> Command {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).arg("chreode");
    command
}

/// The arguments for the compiler.
fn flags(prefix: &Path, whole: bool) -> Vec<String> {
    let mut command = pkg_config(prefix);
    let told = succeed(command.args(whole.then_some("--static")).args(["--cflags", "--libs"]));
    told.split_whitespace().map(String::from).collect()
}

fn all_say_the_same(programs: impl IntoIterator<Item = Command>) {
    let told: Vec<String> = programs.into_iter().map(|mut program| succeed(&mut program)).collect();
    assert!(told.len() == 4 && told.iter().all(|line| *line == told[0]), "{told:?}");
    let wanted = format!("chreode {}: 3 entries, mass 2.9", env!("CARGO_PKG_VERSION"));
    assert!(told[0].starts_with(&wanted), "{told:?}");
}

/// Debuggers find what was taken out of the library, by its link and where they look.
#[test]
fn an_installed_library_is_small_and_its_debug_information_is_beside_it() {
    if !["strip", "objcopy", "readelf"].into_iter().all(has) {
        return;
    }
    let (small, whole) = (folder("packaging-stripped"), folder("packaging-whole"));
    install(&small, &[]);
    install(&whole, &["--no-strip"]);
    let real = format!("libchreode.so.{}.{}", abi(), env!("CARGO_PKG_VERSION"));
    let size =
        |stage: &Path, name: &str| fs::metadata(stage.join(PREFIX).join("lib").join(name)).unwrap().len();
    for name in [&*real, "libchreode.a"] {
        let (less, all) = (size(&small, name), size(&whole, name));
        println!("{name}: {} MB of {} MB", less >> 20, all >> 20);
        assert!(2 * less < all, "{name}: {less} of {all} bytes");
    }
    let library = small.join(PREFIX).join("lib").join(&real);
    let debug = library.with_file_name(".debug").join(format!("{real}.debug"));
    assert!(
        succeed(Command::new("readelf").arg("--string-dump=.gnu_debuglink").arg(&library))
            .contains(&format!("{real}.debug"))
    );
    assert!(succeed(Command::new("readelf").arg("-S").arg(&debug)).contains(".debug_info"));
    assert!(!succeed(Command::new("readelf").arg("-S").arg(&library)).contains(".debug_info"));
}

#[test]
fn an_installation_can_be_taken_away_again() {
    let stage = folder("packaging-uninstall");
    let libdir = ["--libdir", "lib/x86_64-linux-gnu"];
    assert!(install(&stage, &libdir).contains(env!("CARGO_PKG_VERSION")));
    let prefix = stage.join(PREFIX);
    let library = prefix.join("lib/x86_64-linux-gnu").join(format!("libchreode.so.{}", abi()));
    let real = fs::canonicalize(&library).unwrap();
    let name = format!("libchreode.so.{}.{}", abi(), env!("CARGO_PKG_VERSION"));
    assert_eq!(real.file_name().unwrap().to_str(), Some(&*name));
    let stranger = prefix.join("include/stranger.h");
    fs::write(&stranger, "").unwrap();
    install(&stage, &["--libdir", "lib/x86_64-linux-gnu", "--uninstall"]);
    assert_eq!(files(&prefix), [stranger]);
}

/// All files and links below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] })
        .collect()
}

#[test]
fn the_install_script_says_what_is_wrong() {
    for (arguments, told) in [
        (&["--prefx", "/opt"][..], "unknown option --prefx"),
        (&["--prefix", "opt"], "must begin with /, got opt"),
        (&["--libdir", "/usr/lib"], "within the prefix"),
        (&["--prefix"], "needs a value"),
        (&["--prefix", "/nowhere/chreode", "--uninstall"], "there is no /nowhere/chreode/share"),
    ] {
        let script = root().join("bindings/cpp/install.sh");
        let output = Command::new("sh").arg(script).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(told), "{arguments:?}: {said}");
    }
}

/// Whoever does not ask for devices gets nothing of them: no dependency, and no word in the header.
#[test]
fn a_library_without_features_knows_nothing_of_cuda() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args([
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let dependencies = succeed(&mut cargo);
    assert!(dependencies.contains("faer v") && !dependencies.contains("cudarc"), "{dependencies}");
    let header = fs::read_to_string(root().join("include/chreode.h")).unwrap();
    assert!(!header.to_lowercase().contains("cuda"));
}
