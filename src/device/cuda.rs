//! CUDA devices: finding and opening one, its memory, and the launch of kernels. The only user of cudarc.
//!
//! The kernels (cuda/*.cu) are compiled ahead of time to PTX for the lowest architecture that they support, sm_70, and
//! embedded; the driver makes machine code of them when a device is opened. So a host needs NVIDIA's driver and nothing
//! else, and every user runs the kernels that were tested. cudarc panics where the driver or one of its functions is
//! missing, so all that is used is looked for first.

mod particles;
mod sinkhorn;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute, CUfunction_attribute_enum, CUresult};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, CudaView, DeviceRepr, DriverError, LaunchConfig,
    ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;

use crate::error::{Error, Result};
pub(crate) use particles::{Branching, Fault, Program, Rule, Stepper, Steps};
pub(crate) use sinkhorn::{Cloud, DeviceSinkhorn};

/// The oldest driver that reads the embedded PTX (version 8.7): that of CUDA 12.8.
const OLDEST_DRIVER: i32 = 12080;
/// The lowest compute capability that the PTX is for.
const LOWEST_CAPABILITY: (i32, i32) = (7, 0);

/// The kernels, and what they are in.
const SINKHORN: (&str, &[&str]) = (
    include_str!("../../cuda/ptx/sinkhorn.ptx"),
    &[
        "exponents",
        "log_sums",
        "join_segments",
        "update_potential",
        "marginal",
        "log_total",
        "translate",
        "cost_ranges",
        "count_entries",
        "fill_entries",
    ],
);
const PARTICLES: (&str, &[&str]) = (
    include_str!("../../cuda/ptx/particles.ptx"),
    &[
        "advance_64",
        "advance_32",
        "advance_16",
        "offspring",
        "scan",
        "place",
        "gather_events",
        "gather_growth",
        "gather_states",
        "gather_labels",
        "set_labels",
    ],
);

/// The driver's functions that are called, by us or by cudarc on our behalf.
const SYMBOLS: &[&str] = &[
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuCtxSynchronize",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamWaitEvent",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventElapsedTime_v2",
    "cuEventSynchronize",
    "cuMemAlloc_v2",
    "cuMemAllocAsync",
    "cuMemFree_v2",
    "cuMemFreeAsync",
    "cuMemGetInfo_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuFuncSetAttribute",
    "cuLaunchKernel",
    "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags",
    "cuGetErrorName",
    "cuGetErrorString",
];

/// What a device is.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its number, N of `cuda:N`.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Its compute capability, (major, minor).
    pub capability: (i32, i32),
    /// How many multiprocessors it has.
    pub multiprocessors: usize,
    /// Its clock, in Hz.
    pub clock: f64,
    /// Its memory, in bytes.
    pub memory: usize,
    /// The bandwidth of its memory, in bytes a second.
    pub bandwidth: f64,
}

/// The devices of this machine.
///
/// # Errors
/// [`Error::Device`] telling why there is no driver to ask, or none.
pub fn devices() -> Result<Vec<Description>> {
    probe()?;
    let count = CudaContext::device_count().map_err(|e| failure("counting the devices", &e))?;
    (0..count as usize).map(|ordinal| describe(&*context(ordinal)?)).collect()
}

/// A device with the kernels loaded. Opening one takes a moment, so those in use are shared.
#[derive(Debug)]
pub struct Gpu {
    context: Arc<CudaContext>,
    functions: HashMap<&'static str, CudaFunction>,
    description: Description,
    /// The most shared memory of a block, in bytes.
    shared_memory: usize,
    process: u32,
}

/// The devices that are open somewhere in this process.
static OPEN: Mutex<Vec<(usize, Weak<Gpu>)>> = Mutex::new(Vec::new());

impl Gpu {
    /// Opens device number `ordinal`, or finds it open.
    ///
    /// # Errors
    /// [`Error::Device`] telling what is missing, and what to do.
    pub fn open(ordinal: usize) -> Result<Arc<Self>> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gpu) = open.iter().filter(|(o, _)| *o == ordinal).find_map(|(_, gpu)| gpu.upgrade()) {
            if gpu.process != std::process::id() {
                return Err(Error::Device(
                    "a CUDA device that was opened before this process was forked cannot be used in it: fork first, or use \
                     device cpu"
                        .into(),
                ));
            }
            return Ok(gpu);
        }
        let gpu = Arc::new(Self::load(ordinal)?);
        open.retain(|(_, gpu)| gpu.strong_count() > 0);
        open.push((ordinal, Arc::downgrade(&gpu)));
        Ok(gpu)
    }

    fn load(ordinal: usize) -> Result<Self> {
        probe()?;
        let context = context(ordinal)?;
        // SAFETY: a buffer is used on one stream only, the one that made it (see Queue), which orders all its uses.
        unsafe { context.disable_event_tracking() };
        let description = describe(&context)?;
        let (major, minor) = LOWEST_CAPABILITY;
        if description.capability < LOWEST_CAPABILITY {
            return Err(Error::Device(format!(
                "cuda:{ordinal}, {}, has compute capability {}.{}; {major}.{minor} or higher is needed: use device cpu",
                description.name, description.capability.0, description.capability.1
            )));
        }
        let mut functions = HashMap::new();
        for (ptx, names) in [SINKHORN, PARTICLES] {
            let module =
                context.load_module(Ptx::from_src(ptx)).map_err(|e| failure("loading the kernels", &e))?;
            for name in names {
                let function =
                    module.load_function(name).map_err(|e| failure(&format!("loading {name}"), &e))?;
                functions.insert(*name, function);
            }
        }
        let shared_memory =
            attribute(&context, Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        Ok(Self {
            context,
            functions,
            description,
            shared_memory: shared_memory as usize,
            process: std::process::id(),
        })
    }

    /// What it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The kernels that are loaded, by name.
    pub fn kernels(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.functions.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The bytes of memory that are free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device does not answer.
    pub fn free_memory(&self) -> Result<usize> {
        self.context.mem_get_info().map(|(free, _)| free).map_err(|e| failure("asking for free memory", &e))
    }

    /// Refuses what needs more `bytes` than are free.
    fn require(&self, what: &str, bytes: usize, instead: &str) -> Result<()> {
        let free = self.free_memory()?;
        let size = |bytes: usize| match bytes {
            0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
            _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
        };
        if bytes <= free {
            return Ok(());
        }
        Err(Error::Device(format!(
            "{what} needs {} of memory on cuda:{}, which has {} free: {instead}, or use device cpu",
            size(bytes),
            self.description.ordinal,
            size(free)
        )))
    }
}

/// Refuses a machine whose driver cannot be called.
fn probe() -> Result<()> {
    // SAFETY: loads the driver's library, which runs its initialisers, as any use of it does.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::Device(
            "there is no CUDA driver on this machine (no libcuda is found): install NVIDIA's driver, or use device cpu".into(),
        ));
    }
    // SAFETY: the library is there; a symbol is only looked up.
    let missing = SYMBOLS.iter().find(|s| unsafe { sys::culib().get::<*const ()>(s.as_bytes()) }.is_err());
    if let Some(symbol) = missing {
        return Err(Error::Device(format!(
            "the CUDA driver of this machine is too old, it lacks {symbol}: install version 570 (CUDA 12.8) or later, or use \
             device cpu"
        )));
    }
    let mut version = 0;
    // SAFETY: the symbol is there, and the pointer is to an integer as the driver's documentation asks.
    let outcome = unsafe { sys::cuDriverGetVersion(&mut version) };
    outcome.result().map_err(|e| failure("asking for the driver's version", &e))?;
    if version < OLDEST_DRIVER {
        return Err(Error::Device(format!(
            "the CUDA driver of this machine is too old, it is for CUDA {}.{}: install version 570 (CUDA 12.8) or later, or use \
             device cpu",
            version / 1000,
            version % 1000 / 10
        )));
    }
    Ok(())
}

fn context(ordinal: usize) -> Result<Arc<CudaContext>> {
    CudaContext::new(ordinal).map_err(|e| match e.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => {
            Error::Device("there is a CUDA driver but no CUDA device: use device cpu".into())
        }
        CUresult::CUDA_ERROR_INVALID_DEVICE => Error::Device(format!(
            "there is no device cuda:{ordinal}: `chreode doctor` lists those that there are, counted from 0"
        )),
        _ => failure(&format!("opening cuda:{ordinal}"), &e),
    })
}

fn attribute(context: &CudaContext, which: Attribute) -> Result<i32> {
    context.attribute(which).map_err(|e| failure("asking what the device can do", &e))
}

fn describe(context: &CudaContext) -> Result<Description> {
    let asked = |e: DriverError| failure("asking what the device is", &e);
    let bus_bits = f64::from(attribute(context, Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)?);
    let memory_clock = 1e3 * f64::from(attribute(context, Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?);
    Ok(Description {
        ordinal: context.ordinal(),
        name: context.name().map_err(asked)?,
        capability: context.compute_capability().map_err(asked)?,
        multiprocessors: attribute(context, Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as usize,
        clock: 1e3 * f64::from(attribute(context, Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?),
        memory: context.total_mem().map_err(asked)?,
        // Two transfers a clock.
        bandwidth: 2.0 * memory_clock * bus_bits / 8.0,
    })
}

/// The error of a call that failed, and what to do.
fn failure(what: &str, error: &DriverError) -> Error {
    let advice = match error.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
            "its memory is full: free some, make the problem smaller, or use device cpu"
        }
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "the driver is too old: install version 570 (CUDA 12.8) or later, or use device cpu"
        }
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU | CUresult::CUDA_ERROR_INVALID_PTX => {
            "the device is too old or the driver does not fit it: use device cpu"
        }
        CUresult::CUDA_ERROR_NOT_INITIALIZED => {
            "in a process that was forked after a device was opened none can be used"
        }
        _ => "the device may be lost: start the program again, or use device cpu",
    };
    let name = error
        .error_name()
        .map_or_else(|_| format!("error {:?}", error.0), |n| n.to_string_lossy().into_owned());
    Error::Device(format!("the CUDA device failed at {what} ({name}); {advice}"))
}

/// A stream of a device: copies and kernels, one after the other. What is made on it is used on it only.
#[derive(Debug)]
struct Queue {
    gpu: Arc<Gpu>,
    stream: Arc<CudaStream>,
}

impl Queue {
    fn new(gpu: &Arc<Gpu>) -> Result<Self> {
        let stream = gpu.context.new_stream().map_err(|e| failure("making a stream", &e))?;
        Ok(Self { gpu: Arc::clone(gpu), stream })
    }

    /// Room for `count` numbers, all 0. There is always at least one: an empty buffer has no address.
    fn zeros<T: DeviceRepr + ValidAsZeroBits>(&self, count: usize) -> Result<CudaSlice<T>> {
        self.stream.alloc_zeros(count.max(1)).map_err(|e| failure("taking memory", &e))
    }

    fn upload<T: DeviceRepr + ValidAsZeroBits>(&self, values: &[T]) -> Result<CudaSlice<T>> {
        let mut buffer = self.zeros(values.len())?;
        self.write(values, &mut buffer)?;
        Ok(buffer)
    }

    /// Overwrites the first elements of a buffer.
    fn write<T: DeviceRepr>(&self, values: &[T], buffer: &mut CudaSlice<T>) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        self.stream.memcpy_htod(values, buffer).map_err(|e| failure("copying to it", &e))
    }

    /// The first `count` elements of a buffer, when all that is queued is done.
    fn read<T: DeviceRepr + Default + Clone>(&self, buffer: &CudaSlice<T>, count: usize) -> Result<Vec<T>> {
        let mut values = vec![T::default(); count];
        if count > 0 {
            self.read_into(&buffer.slice(..count), &mut values)?;
        }
        Ok(values)
    }

    /// As [`read`](Self::read), of a part of a buffer into a place of the caller's.
    fn read_into<T: DeviceRepr>(&self, from: &CudaView<'_, T>, to: &mut [T]) -> Result<()> {
        self.stream.memcpy_dtoh(from, to).map_err(|e| failure("copying from it", &e))?;
        self.finish()
    }

    /// Waits until all that is queued is done.
    fn finish(&self) -> Result<()> {
        self.stream.synchronize().map_err(|e| failure("running kernels", &e))?;
        self.gpu.context.check_err().map_err(|e| failure("running kernels", &e))
    }

    fn function(&self, name: &str) -> &CudaFunction {
        &self.gpu.functions[name]
    }

    /// How many blocks of a kernel a multiprocessor runs at a time.
    fn resident_blocks(&self, name: &str, threads: u32, shared: usize) -> Result<usize> {
        let blocks =
            self.function(name).occupancy_max_active_blocks_per_multiprocessor(threads, shared, None);
        blocks.map(|blocks| blocks as usize).map_err(|e| failure("asking for a kernel's occupancy", &e))
    }

    /// Lets a kernel have so much dynamic shared memory.
    fn allow_shared_memory(&self, name: &str, bytes: u32) -> Result<()> {
        let most = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let outcome = self.function(name).set_attribute(most, bytes as i32);
        outcome.map_err(|e| failure("making room for a kernel", &e))
    }
}

/// A launch of a thread for each of `count` elements, in blocks of 256.
fn for_each(count: usize) -> LaunchConfig {
    blocks((count.div_ceil(256).max(1) as u32, 1), 256, 0)
}

fn blocks((x, y): (u32, u32), threads: u32, shared_mem_bytes: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (x, y, 1), block_dim: (threads, 1, 1), shared_mem_bytes }
}

/// `launch!(queue, name, config, argument, …)` queues a kernel. The arguments are references, in the order and of the types of
/// its parameters in cuda/*.cu, to buffers as long as it documents: that is what each call promises for the launch's safety.
macro_rules! launch {
    ($queue:expr, $name:expr, $config:expr, $($argument:expr),+ $(,)?) => {{
        use cudarc::driver::PushKernelArg;
        let function = $queue.function($name);
        let mut call = $queue.stream.launch_builder(function);
        $(call.arg($argument);)+
        // SAFETY: see the macro.
        let outcome = unsafe { call.launch($config) };
        outcome.map(|_| ()).map_err(|e| $crate::device::cuda::failure($name, &e))
    }};
}
use launch;
