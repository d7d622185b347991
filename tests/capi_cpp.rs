//! `chreode.hpp` from C++, by the real compiler: strictly in every standard it promises, with both libraries, under
//! valgrind, and with the compiler's own sanitizers.

#![cfg(unix)]

mod capi_support;

use std::path::{Path, PathBuf};
use std::process::Command;

use capi_support::{Library, folder, has, needed, program_of, root, succeed, under_valgrind};

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// The C++ test program in `folder`, as strictly as a compiler can.
fn compile(folder: &Path, library: &Library, more: &[&str]) -> PathBuf {
    let (root, program) = (root(), folder.join("capi"));
    let mut cxx = Command::new("c++");
    cxx.arg("-std=c++17").args(STRICT).args(more).arg("-g").arg("-I").arg(root.join("include"));
    cxx.args(["capi.cpp", "second_unit.cpp"].map(|unit| root.join("tests/cpp").join(unit)));
    succeed(cxx.arg("-o").arg(&program).args(library.arguments(folder)));
    program
}

#[test]
fn a_cpp_program_gets_what_the_header_promises_from_the_shared_library() {
    if has("c++") {
        let folder = folder("cpp-shared");
        let program = compile(&folder, &Library::Shared, &[]);
        assert_eq!(succeed(Command::new(&program).arg(&folder)), "all as promised\n");
        leaks_nothing(&program, &folder);
    }
}

/// Under valgrind, which sees the library's memory, too.
fn leaks_nothing(program: &Path, folder: &Path) {
    if cfg!(target_os = "linux") && has("valgrind") {
        assert_eq!(succeed(under_valgrind(program).arg(folder)), "all as promised\n");
    }
}

#[test]
fn a_cpp_program_gets_what_the_header_promises_from_the_static_library() {
    if cfg!(target_os = "linux") && has("c++") {
        let folder = folder("cpp-static");
        let program = compile(&folder, &Library::Static, &[]);
        assert_eq!(succeed(Command::new(program).arg(&folder)), "all as promised\n");
    }
}

/// The library itself is not instrumented, but its allocations are watched: a handle that is not freed is a leak.
#[test]
fn a_cpp_program_is_clean_under_the_sanitizers() {
    if !cfg!(target_os = "linux") || !has("c++") {
        return;
    }
    let folder = folder("cpp-sanitizers");
    let sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = compile(&folder, &Library::Shared, &sanitize);
    let mut run = Command::new(program);
    run.arg(&folder).env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
    assert_eq!(succeed(&mut run), "all as promised\n");
}

#[test]
fn a_forgotten_handle_is_found_by_the_leak_detection() {
    if !cfg!(target_os = "linux") || !has("c++") {
        return;
    }
    let folder = folder("cpp-leak");
    let (source, program) = (folder.join("leak.cpp"), folder.join("leak"));
    let text = "#include <chreode.hpp>\nint main() { (void)chreode::Options(\"fit\").release(); }\n";
    std::fs::write(&source, text).unwrap();
    let mut cxx = Command::new("c++");
    cxx.args(["-std=c++17", "-fsanitize=address", "-I"]).arg(root().join("include")).arg(&source);
    succeed(cxx.arg("-o").arg(&program).args(Library::Shared.arguments(&folder)));
    let told = Command::new(program).env("ASAN_OPTIONS", "detect_leaks=1").output().unwrap();
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("leaked"), "{told:?}");
}

/// `capi.cpp` hands matrices of Eigen itself over wherever the compiler finds it; elsewhere only those made in its likeness.
#[test]
fn eigen_itself_is_there_to_be_tested_with() {
    if !has("c++") {
        return;
    }
    let source = folder("cpp-eigen").join("eigen.cpp");
    std::fs::write(&source, "#include <eigen3/Eigen/Core>\n").unwrap();
    let found = Command::new("c++").arg("-fsyntax-only").arg(source).output().unwrap().status.success();
    needed("Eigen (libeigen3-dev)", found);
}

#[test]
fn the_program_of_the_readme_runs() {
    if !has("c++") {
        return;
    }
    let folder = folder("cpp-readme");
    let (source, program) = (folder.join("readme.cpp"), folder.join("readme"));
    std::fs::write(&source, program_of("bindings/cpp/README.md", "cpp")).unwrap();
    let mut cxx = Command::new("c++");
    cxx.arg("-std=c++17")
        .args(STRICT)
        .arg("-I")
        .arg(root().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&program);
    succeed(cxx.args(Library::Shared.arguments(&folder)));
    let told = succeed(&mut Command::new(program));
    assert!(told.starts_with("W1 0.") && told.contains(" cells at the end\n"), "{told}");
}

#[test]
fn the_header_is_clean_in_every_standard() {
    for compiler in ["c++", "clang++"] {
        let there = has(compiler);
        for standard in ["-std=c++17", "-std=c++20"].iter().filter(|_| there) {
            let mut cxx = Command::new(compiler);
            cxx.arg(standard).args(STRICT).arg("-fsyntax-only").arg("-I").arg(root().join("include"));
            succeed(cxx.arg(root().join("tests/cpp/capi.cpp")));
        }
    }
}

#[test]
fn progress_functions_that_answer_as_in_c_are_refused_when_compiled() {
    if !has("c++") {
        return;
    }
    let source = folder("cpp-refused").join("refused.cpp");
    let call = "chreode::fit(chreode::Snapshots::generate(\"gene-network\"), chreode::Options(\"fit\"),\n\
                [](const chreode::Progress &) { return 0; });";
    std::fs::write(&source, format!("#include <chreode.hpp>\nint main() {{ {call} }}\n")).unwrap();
    let mut cxx = Command::new("c++");
    cxx.args(["-std=c++17", "-fsyntax-only", "-I"]).arg(root().join("include")).arg(source);
    let told = cxx.output().unwrap();
    let told = (told.status.success(), String::from_utf8_lossy(&told.stderr).into_owned());
    assert!(!told.0 && told.1.contains("true to go on"), "{}", told.1);
}
