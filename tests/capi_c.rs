//! The C interface from C, by the real compiler, against the shared and the static library, and under valgrind.

#![cfg(unix)]

mod capi_support;

use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{has, libraries, root, succeed};

/// What a static Rust library needs on Linux.
const STATIC: &[&str] = &["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

/// An empty folder with the shared library under the name by which programs find it.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let library =
        libraries().join(if cfg!(target_os = "macos") { "libchreode.dylib" } else { "libchreode.so" });
    for name in ["libchreode.so", "libchreode.so.0", "libchreode.dylib", "libchreode.0.dylib"] {
        std::os::unix::fs::symlink(&library, folder.join(name)).unwrap();
    }
    folder
}

/// `tests/c/capi.c` as strictly as a compiler can, with these arguments for the linker.
fn compile(program: &Path, linker: &[String]) {
    let root = root();
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-o"]).arg(program);
    cc.arg("-I").arg(root.join("include")).arg(root.join("tests/c/capi.c")).args(linker);
    succeed(&mut cc);
}

/// The C program of include/README.md.
fn first_program() -> String {
    let readme = std::fs::read_to_string(root().join("include/README.md")).unwrap();
    readme.split("```c\n").nth(1).unwrap().split("```").next().unwrap().to_string()
}

fn shared(folder: &Path) -> PathBuf {
    let (program, at) = (folder.join("capi"), folder.display());
    let linker =
        [format!("-L{at}"), "-lchreode".into(), format!("-Wl,-rpath,{at}"), "-lpthread".into(), "-lm".into()];
    compile(&program, &linker);
    program
}

#[test]
fn a_c_program_gets_what_the_header_promises_from_the_shared_library() {
    if has("cc") {
        let told = succeed(&mut Command::new(shared(&folder("c-shared"))));
        assert_eq!(told, "all as promised\n");
    }
}

#[test]
fn the_first_program_of_the_readme_runs() {
    if !has("cc") {
        return;
    }
    let folder = folder("c-first");
    let (source, program, at) = (folder.join("first.c"), folder.join("first"), folder.display());
    std::fs::write(&source, first_program()).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(&source);
    cc.arg("-I")
        .arg(root().join("include"))
        .arg(format!("-L{at}"))
        .arg("-lchreode")
        .arg(format!("-Wl,-rpath,{at}"));
    succeed(&mut cc);
    assert!(succeed(&mut Command::new(program)).starts_with("W1 0."));
}

#[test]
fn a_c_program_gets_what_the_header_promises_from_the_static_library() {
    if !cfg!(target_os = "linux") || !has("cc") {
        return;
    }
    let program = folder("c-static").join("capi");
    let library = libraries().join("libchreode.a").display().to_string();
    let linker: Vec<String> = [library].into_iter().chain(STATIC.iter().map(ToString::to_string)).collect();
    compile(&program, &linker);
    assert_eq!(succeed(&mut Command::new(program)), "all as promised\n");
}

#[test]
fn a_c_program_neither_leaks_nor_touches_what_is_not_its_own() {
    if !cfg!(target_os = "linux") || !has("cc") || !has("valgrind") {
        return;
    }
    let program = shared(&folder("c-valgrind"));
    let suppressions = format!("--suppressions={}", root().join("tests/c/valgrind.supp").display());
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full", "--num-callers=30", &suppressions]);
    assert_eq!(succeed(valgrind.arg(program).arg("without-fork")), "all as promised\n");
}

#[test]
fn the_header_is_clean_c99_and_cpp() {
    if !has("cc") || !has("c++") {
        return;
    }
    let folder = folder("c-header");
    for (compiler, file, standard) in [
        ("cc", "header.c", "-std=c99"),
        ("cc", "header.c", "-std=c11"),
        ("c++", "header.cpp", "-std=c++11"),
        ("c++", "header.cpp", "-std=c++17"),
    ] {
        let source = folder.join(file);
        std::fs::write(&source, "#include <chreode.h>\nint main(void) { return CHREODE_OK; }\n").unwrap();
        let strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", standard];
        succeed(Command::new(compiler).args(strict).arg("-I").arg(root().join("include")).arg(&source));
    }
}
