//! The PTX that is committed is what the CUDA sources give, no kernel spills registers, and what the CPU runs in tests is
//! CUDA indeed.

mod capi_support;

use std::path::PathBuf;
use std::process::Command;

use capi_support::{folder, has, needed, root, succeed};

/// `cuda/compile.py`, where there is what it takes: NVRTC and ptxas in the folder that `CHREODE_NVRTC` tells.
fn compile(arguments: &[&str]) -> Option<Command> {
    let nvidia = std::env::var_os("CHREODE_NVRTC").map(PathBuf::from).filter(|folder| folder.exists());
    let found = needed("NVRTC (CHREODE_NVRTC)", nvidia.is_some()) && has("python3");
    found.then(|| {
        let mut python = Command::new("python3");
        python.arg(root().join("cuda/compile.py")).args(arguments);
        python
    })
}

#[test]
fn the_committed_ptx_is_what_the_sources_give() {
    let Some(mut check) = compile(&["--check"]) else { return };
    succeed(&mut check);
}

#[test]
fn no_kernel_spills_registers_and_the_documented_table_is_right() {
    let documented = std::fs::read_to_string(root().join("cuda/README.md")).unwrap();
    let command = documented.split('`').find_map(|text| text.strip_prefix("cuda/compile.py ")).unwrap();
    let Some(mut table) = compile(&command.split_whitespace().collect::<Vec<_>>()) else { return };
    let told = succeed(&mut table);
    assert!(documented.contains(told.trim_end()), "cuda/README.md should have\n{told}");
}

/// The kernels that the shim and the stand-in driver are tested with use every word of `device.cuh`.
#[test]
fn what_the_shim_runs_is_cuda() {
    let output = folder("cuda-ptx");
    let Some(mut write) = compile(&["--output", output.to_str().unwrap()]) else { return };
    succeed(write.arg("--sources").arg(root().join("tests/simt")));
    let sample = std::fs::read_to_string(output.join("sample.ptx")).unwrap();
    assert!(sample.contains(".visible .entry sample_axpy("), "{sample}");
    let mut table = compile(&["--table", "--dynamic", "sample_sum=8192"]).unwrap();
    let told = succeed(table.arg("--output").arg(&output));
    assert!(
        told.contains("| sample_sum | sm_90 | 1024 | ") && told.contains(" | 8192 | 0 | 0, 0 | 2 | 64 |"),
        "{told}"
    );
}
