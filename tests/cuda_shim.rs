//! The machine that runs the CUDA kernels on the CPU finds what is wrong with wrong kernels and nothing in right ones:
//! as it is, with portable context switches, and under the compiler's sanitizers.

#![cfg(target_os = "linux")]

mod capi_support;

use std::process::Command;

use capi_support::{folder, has, root, succeed};

fn self_test(name: &str, more: &[&str]) {
    if !has("c++") {
        return;
    }
    let (program, source) = (folder(name).join("self_test"), root().join("tests/simt/self_test.cpp"));
    let mut cxx = Command::new("c++");
    cxx.args(["-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-pthread"]);
    cxx.args(["-DCHREODE_SIMT", "-I"])
        .arg(root().join("tests/simt"))
        .arg("-I")
        .arg(root().join("cuda"))
        .args(more);
    succeed(cxx.arg(source).arg("-o").arg(&program));
    let mut run = Command::new(program);
    run.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
    assert_eq!(succeed(&mut run), "all as promised\n");
}

#[test]
fn wrong_kernels_are_found_out_and_right_ones_run() {
    self_test("simt", &[]);
}

#[test]
fn wrong_kernels_are_found_out_where_contexts_are_switched_by_the_system() {
    self_test("simt-ucontext", &["-DSIMT_UCONTEXT"]);
}

#[test]
fn faults_leave_nothing_behind() {
    self_test("simt-sanitizers", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
}
