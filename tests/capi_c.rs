//! The C interface from C, by the real compiler, against the shared and the static library, and under valgrind.

#![cfg(unix)]

mod capi_support;
#[cfg(all(feature = "cuda", target_os = "linux"))]
mod cuda_support;

use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{Library, folder, has, program_of, root, succeed, under_valgrind};

/// A program of `tests/c` in `folder`, as strictly as a compiler can.
fn compile(name: &str, folder: &Path, library: &Library) -> PathBuf {
    let (root, program) = (root(), folder.join(name));
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-o"]).arg(&program);
    let source = root.join(format!("tests/c/{name}.c"));
    cc.arg("-I").arg(root.join("include")).arg(source).args(library.arguments(folder));
    succeed(&mut cc);
    program
}

#[test]
fn a_c_program_gets_what_the_header_promises_from_the_shared_library() {
    if has("cc") {
        let told = succeed(&mut Command::new(compile("capi", &folder("c-shared"), &Library::Shared)));
        assert_eq!(told, "all as promised\n");
    }
}

#[test]
fn the_programs_of_the_pages_run() {
    if !has("cc") {
        return;
    }
    for (name, page, told) in
        [("c-first", "include/README.md", "W1 0."), ("c-readme", "bindings/cpp/README.md", "dx/dt = ")]
    {
        let folder = folder(name);
        let (source, program) = (folder.join("first.c"), folder.join("first"));
        std::fs::write(&source, program_of(page, "c")).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(&source);
        cc.arg("-I").arg(root().join("include")).args(Library::Shared.arguments(&folder));
        succeed(&mut cc);
        assert!(succeed(&mut Command::new(program)).starts_with(told));
    }
}

#[test]
fn a_c_program_gets_what_the_header_promises_from_the_static_library() {
    if !cfg!(target_os = "linux") || !has("cc") {
        return;
    }
    let program = compile("capi", &folder("c-static"), &Library::Static);
    assert_eq!(succeed(&mut Command::new(program)), "all as promised\n");
}

#[test]
fn a_c_program_neither_leaks_nor_touches_what_is_not_its_own() {
    if !cfg!(target_os = "linux") || !has("cc") || !has("valgrind") {
        return;
    }
    let program = compile("capi", &folder("c-valgrind"), &Library::Shared);
    assert_eq!(succeed(under_valgrind(&program).arg("without-fork")), "all as promised\n");
}

#[cfg(all(feature = "cuda", target_os = "linux"))]
#[test]
fn a_device_opened_before_a_fork_is_refused_in_the_child() {
    use cuda_support::{Build, environment, has_compiler};
    if !has("cc") || !has_compiler() {
        return;
    }
    let mut program = Command::new(compile("device", &folder("c-device"), &Library::Shared));
    assert_eq!(succeed(program.envs(environment(Build::Plain, ""))), "all as promised\n");
}

#[test]
fn a_panic_inside_is_a_status_and_prints_nothing() {
    // Elsewhere a program's functions do not take the place of the system's.
    if !cfg!(target_os = "linux") || !has("cc") {
        return;
    }
    for (name, library) in [("c-panics", Library::Shared), ("c-panics-static", Library::Static)] {
        let output = Command::new(compile("panics", &folder(name), &library)).output().unwrap();
        let (told, printed) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && printed.is_empty(), "{}: {printed}", output.status);
        let panics: u32 = told.trim_end_matches(" panics\n").parse().unwrap();
        assert!(panics >= 3, "the fit reads its clock before, during and after");
    }
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
