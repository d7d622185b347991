//! The stand-in for the CUDA driver, through cudarc, behaves as a driver does, and tells what a host or a kernel does
//! wrong.

#![cfg(target_os = "linux")]

mod cuda_support;

use std::process::Command;
use std::sync::Arc;

use cuda_support::{Build, Standin, environment, standin};
use cudarc::driver::result;
use cudarc::driver::sys::{CUevent_flags, CUfunction_attribute, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, CudaStream, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;

/// The kernels of `simt/sample.cu`, as far as a driver looks at PTX before compiling it.
const SAMPLE: &str = "
.version 8.7
.target sm_70
.address_size 64
.visible .entry sample_axpy(
  .param .u64 .ptr .align 1 x, .param .u64 y, .param .f32 a, .param .u32 n
) .maxntid 256 { ret; }
.visible .entry sample_sum(.param .u64 x, .param .u64 sums, .param .u32 n) .maxntid 1024 { ret; }
.visible .entry sample_divergent(.param .u64 out) .maxntid 64, 1, 1 { ret; }
.visible .entry sample_overrun(.param .u64 out, .param .u32 n) .maxntid 32 { ret; }
.visible .entry unknown() { ret; }
";

struct Device {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
}

impl Device {
    fn new() -> Self {
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        Self { context, stream }
    }

    fn function(&self, name: &str) -> CudaFunction {
        self.context.load_module(Ptx::from_src(SAMPLE)).unwrap().load_function(name).unwrap()
    }

    /// y += 2 x over `n` ones and threes.
    fn axpy(&self, n: usize) -> Result<Vec<f32>, DriverError> {
        let function = self.function("sample_axpy");
        let x = self.stream.clone_htod(&vec![1_f32; n])?;
        let mut y = self.stream.clone_htod(&vec![3_f32; n])?;
        let (a, count) = (2_f32, n as i32);
        let mut launch = self.stream.launch_builder(&function);
        launch.arg(&x).arg(&mut y).arg(&a).arg(&count);
        let blocks = (n as u32).div_ceil(256);
        let shape = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(shape) }?;
        self.stream.synchronize()?;
        self.stream.clone_dtoh(&y)
    }
}

/// Everything that there was has been given back.
fn is_clean(standin: &Standin) {
    for what in ["allocations", "bytes", "modules", "streams", "events", "contexts"] {
        assert_eq!(standin.get(what), 0, "{what}");
    }
}

fn error<T: std::fmt::Debug>(got: Result<T, DriverError>) -> CUresult {
    got.unwrap_err().0
}

#[test]
fn a_kernel_runs_and_nothing_is_left() {
    let Some(standin) = standin() else { return };
    for order in [0, 1, 2] {
        standin.set("order", order);
        assert_eq!(Device::new().axpy(1000).unwrap(), vec![5.0; 1000]);
    }
    assert_eq!((standin.get("launches"), standin.fault()), (3, String::new()));
    is_clean(&standin);
}

#[test]
fn the_device_tells_what_it_is() {
    let Some(standin) = standin() else { return };
    standin.set("capability", 86);
    let device = Device::new();
    assert_eq!(CudaContext::device_count().unwrap(), 1);
    assert_eq!(device.context.name().unwrap(), "chreode's stand-in");
    assert_eq!(device.context.compute_capability().unwrap(), (8, 6));
    let room = device.stream.alloc_zeros::<f32>(256).unwrap();
    assert_eq!(device.context.mem_get_info().unwrap(), ((1 << 30) - 1024, 1 << 30));
    assert_eq!(device.context.total_mem().unwrap(), 1 << 30);
    drop(room);
}

#[test]
fn dynamic_shared_memory_is_given_where_it_was_allowed() {
    let Some(standin) = standin() else { return };
    let device = Device::new();
    let function = device.function("sample_sum");
    let x = device.stream.clone_htod(&vec![1_f32; 1024]).unwrap();
    let mut sum = device.stream.alloc_zeros::<f64>(1).unwrap();
    let mut launch = |shared_mem_bytes| {
        let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1024, 1, 1), shared_mem_bytes };
        let mut launch = device.stream.launch_builder(&function);
        launch.arg(&x).arg(&mut sum).arg(&1024_i32);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(shape) }.map(|_| ())
    };
    launch(8192).unwrap();
    assert_eq!(error(launch(60 << 10)), CUresult::CUDA_ERROR_INVALID_VALUE);
    assert!(standin.fault().contains("dynamic shared memory"), "{}", standin.fault());
    let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assert_eq!(error(function.set_attribute(most, 228 << 10)), CUresult::CUDA_ERROR_INVALID_VALUE);
    function.set_attribute(most, 60 << 10).unwrap();
    launch(60 << 10).unwrap();
    assert_eq!(device.stream.clone_dtoh(&sum).unwrap(), [1024.0]);
    assert_eq!(function.occupancy_max_active_blocks_per_multiprocessor(1024, 100 << 10, None).unwrap(), 2);
    assert!(function.num_regs().unwrap() > 0 && function.shared_size_bytes().unwrap() == 0);
}

#[test]
fn events_measure_time() {
    let Some(_standin) = standin() else { return };
    let device = Device::new();
    let timed = Some(CUevent_flags::CU_EVENT_DEFAULT);
    let start = device.stream.record_event(timed).unwrap();
    device.axpy(100_000).unwrap();
    assert!(start.elapsed_ms(&device.stream.record_event(timed).unwrap()).unwrap() > 0.0);
}

#[test]
fn what_was_not_written_is_not_a_number() {
    let Some(_standin) = standin() else { return };
    let device = Device::new();
    // SAFETY: the stand-in's memory is written when it is allocated.
    let (single, double) = unsafe { (device.stream.alloc::<f32>(3), device.stream.alloc::<f64>(3)) };
    assert!(device.stream.clone_dtoh(&single.unwrap()).unwrap().iter().all(|x| x.is_nan()));
    assert!(device.stream.clone_dtoh(&double.unwrap()).unwrap().iter().all(|x| x.is_nan()));
}

#[test]
fn memory_runs_out() {
    let Some(standin) = standin() else { return };
    let device = Device::new();
    standin.set("memory", 1000);
    assert_eq!(error(device.stream.alloc_zeros::<f32>(251)), CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    let room = device.stream.alloc_zeros::<f32>(250).unwrap();
    drop(room);
    standin.set("fail_alloc", 2);
    assert_eq!(error(device.axpy(10)), CUresult::CUDA_ERROR_OUT_OF_MEMORY);
    device.axpy(10).unwrap();
    drop(device);
    is_clean(&standin);
}

#[test]
fn a_launch_that_fails_takes_the_context_with_it() {
    let Some(standin) = standin() else { return };
    let device = Device::new();
    standin.set("fail_launch", 2);
    device.axpy(10).unwrap();
    assert_eq!(error(device.axpy(10)), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    assert_eq!(error(device.stream.synchronize()), CUresult::CUDA_ERROR_LAUNCH_FAILED);
    drop(device);
    is_clean(&standin);
}

/// Launches a kernel that takes a pointer to ten numbers, and perhaps their count, and tells how that ended.
fn launch_wrong(name: &str, threads: u32, count: Option<i32>) -> Result<(), DriverError> {
    let device = Device::new(); // cudarc's context remembers errors
    let function = device.function(name);
    let mut out = device.stream.alloc_zeros::<f32>(10)?;
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 };
    let mut launch = device.stream.launch_builder(&function);
    launch.arg(&mut out);
    if let Some(count) = &count {
        launch.arg(count);
    }
    // SAFETY: what the kernels do wrong is found by the stand-in, in its fenced memory.
    unsafe { launch.launch(shape) }?;
    device.stream.synchronize()
}

#[test]
fn what_kernels_do_wrong_is_told() {
    let Some(standin) = standin() else { return };
    let failed = CUresult::CUDA_ERROR_LAUNCH_FAILED;
    assert_eq!(error(launch_wrong("sample_divergent", 64, None)), failed);
    assert!(standin.fault().contains("kernel sample_divergent, block (0,0,0)"), "{}", standin.fault());
    standin.set("new", 0);
    assert_eq!(error(launch_wrong("sample_overrun", 1, Some(11))), failed);
    assert!(standin.fault().contains("writes beyond an allocation of 40 bytes"), "{}", standin.fault());
    standin.set("new", 0);
    let refused = error(launch_wrong("sample_overrun", 33, Some(0)));
    assert_eq!(refused, CUresult::CUDA_ERROR_INVALID_VALUE);
    assert!(standin.fault().contains("a block of 33 threads, of at most 32"), "{}", standin.fault());
}

/// Below cudarc's safe layer, which lets none of this happen.
#[test]
fn misuse_of_memory_is_told() {
    let Some(standin) = standin() else { return };
    let device = Device::new();
    let is_told = |got: Result<(), DriverError>, what: &str| {
        assert_eq!(error(got), CUresult::CUDA_ERROR_INVALID_VALUE, "{what}");
        assert!(standin.fault().contains(what), "{}", standin.fault());
        standin.set("faults", 0);
    };
    let function = device.function("sample_overrun");
    let mut host = [0_u8; 9];
    // SAFETY: the stand-in checks each of these before it touches any memory.
    unsafe {
        let memory = result::malloc_sync(8).unwrap();
        is_told(result::memcpy_htod_sync(memory, &host), "9 bytes beyond an allocation");
        is_told(result::memcpy_dtoh_sync(&mut host[..8], memory + 1), "8 bytes beyond an allocation");
        is_told(result::memset_d8_sync(memory, 0, 9), "9 bytes beyond an allocation");
        result::free_sync(memory).unwrap();
        is_told(result::free_sync(memory), "memory is given back that is not there");
        is_told(result::memcpy_dtoh_sync(&mut host[..8], memory), "8 bytes beyond an allocation");
        let mut launch = device.stream.launch_builder(&function);
        launch.arg(&memory).arg(&0_i32);
        let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
        is_told(launch.launch(shape).map(|_| ()), "argument 0 points to no allocation");
    }
}

#[test]
fn ptx_must_suit_the_driver_and_the_device() {
    let Some(standin) = standin() else { return };
    let device = Device::new();
    let load = |text: &str| device.context.load_module(Ptx::from_src(text));
    assert_eq!(error(load("not PTX")), CUresult::CUDA_ERROR_INVALID_PTX);
    let module = load(SAMPLE).unwrap();
    assert_eq!(error(module.load_function("absent")), CUresult::CUDA_ERROR_NOT_FOUND);
    assert_eq!(error(module.load_function("unknown")), CUresult::CUDA_ERROR_NOT_FOUND);
    assert!(standin.fault().contains("not in kernels.cpp"), "{}", standin.fault());
    standin.set("faults", 0);
    let stale = load(&SAMPLE.replace(".param .u32 n", ".param .u64 n")).unwrap();
    assert_eq!(error(stale.load_function("sample_axpy")), CUresult::CUDA_ERROR_NOT_FOUND);
    assert!(standin.fault().contains("compile it again"), "{}", standin.fault());
    standin.set("driver_version", 12070);
    assert_eq!(error(load(SAMPLE)), CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
    standin.set("driver_version", 13000);
    standin.set("capability", 61);
    assert_eq!(error(load(SAMPLE)), CUresult::CUDA_ERROR_INVALID_PTX);
}

/// What [`settings_of_a_child_process`] starts.
#[test]
#[ignore = "run by another test, in a process whose driver is the stand-in"]
fn child() {
    match CudaContext::new(0) {
        Ok(_) => println!("axpy: {:?}", Device::new().axpy(3)),
        Err(error) => println!("no device: {error:?}"),
    }
}

fn run_child(how: Build, settings: &str) -> String {
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"]);
    let told = run.envs(environment(how, settings)).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr))
}

#[test]
fn settings_of_a_child_process() {
    let Some(_standin) = standin() else { return };
    let told = run_child(Build::Plain, "devices=0");
    assert!(told.contains("no device: DriverError(CUDA_ERROR_NO_DEVICE"), "{told}");
    let told = run_child(Build::Sanitized, "order=3");
    assert!(told.contains("axpy: Ok([5.0, 5.0, 5.0])"), "{told}");
    let told = run_child(Build::OldDriver, "");
    assert!(told.contains("cuMemAllocAsync"), "{told}");
}
