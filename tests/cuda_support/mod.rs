//! The stand-in for the CUDA driver's library: where there is no GPU, cudarc finds it in the driver's place, and it runs
//! the kernels on the CPU. See `simt/driver.cpp`, whose settings and counts these functions reach. With CHREODE_GPU=1 the tests
//! of parity run on this machine's GPU instead.

#![allow(dead_code)] // each test file uses its own part

use std::ffi::{CStr, CString, OsString, c_char, c_long};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

/// How the stand-in is compiled.
#[derive(Clone, Copy, PartialEq)]
pub enum Build {
    /// For tests that load it.
    Plain,
    /// Without functions that drivers had not always.
    OldDriver,
    /// With the compiler's sanitizers, for child processes: see [`environment`].
    Sanitized,
}

/// The folder that `libcuda.so` lies in, compiled if that is not done or out of date.
pub fn build(how: Build) -> PathBuf {
    let (name, flags): (&str, &[&str]) = match how {
        Build::Plain => ("plain", &[]),
        Build::OldDriver => ("old-driver", &["-DSTANDIN_OLD_DRIVER"]),
        Build::Sanitized => ("sanitized", &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin").join(name);
    let library = folder.join("libcuda.so");
    // One test of this program at a time: the name of what is unfinished is theirs together.
    static COMPILING: Mutex<()> = Mutex::new(());
    let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let made = std::fs::metadata(&library).and_then(|found| found.modified());
    if made.is_ok_and(|made| made > newest_source()) {
        return folder;
    }
    std::fs::create_dir_all(&folder).unwrap();
    // Moved into place when it is complete, as other test programs may look for it now.
    let unfinished = folder.join(format!("libcuda.{}", std::process::id()));
    let simt = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simt");
    let mut cxx = Command::new("c++");
    cxx.args([
        "-std=c++17",
        "-O2",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-DCHREODE_SIMT",
    ]);
    cxx.args(["-shared", "-fPIC", "-fvisibility=hidden", "-pthread"]).args(flags);
    // The first name that cudarc looks for, so that a real driver is not found in its place.
    cxx.arg("-Wl,-soname,libcuda.so").arg("-I").arg(&simt).arg("-I").arg(simt.join("../../cuda"));
    cxx.args([simt.join("driver.cpp"), simt.join("kernels.cpp")]).arg("-o").arg(&unfinished);
    let told = cxx.output().unwrap();
    assert!(told.status.success(), "{cxx:?}: {}", String::from_utf8_lossy(&told.stderr));
    std::fs::rename(unfinished, library).unwrap();
    folder
}

fn newest_source() -> SystemTime {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("tests/simt"), root.join("cuda")];
    let files =
        folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap());
    let sources = files.filter(|file| {
        let name = file.file_name();
        [".cpp", ".hpp", ".cu", ".cuh"].iter().any(|ending| name.to_str().unwrap().ends_with(ending))
    });
    sources.map(|file| file.metadata().unwrap().modified().unwrap()).max().unwrap()
}

/// What makes a child process find the stand-in, with settings such as `devices=0,memory=1000000`.
pub fn environment(how: Build, settings: &str) -> Vec<(&'static str, OsString)> {
    let mut environment =
        vec![("LD_LIBRARY_PATH", build(how).into_os_string()), ("CHREODE_STANDIN", settings.into())];
    if how == Build::Sanitized {
        let told = Command::new("c++").arg("-print-file-name=libasan.so").output().unwrap();
        let runtime = String::from_utf8(told.stdout).unwrap();
        environment.push(("LD_PRELOAD", runtime.trim().into()));
    }
    environment
}

/// Whether there is what compiles the stand-in; if not, that is said on stderr, and is a failure in CI.
pub fn has_compiler() -> bool {
    let found = Command::new("c++").arg("--version").output().is_ok();
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "a C++ compiler is missing in CI");
        eprintln!("SKIPPED: there is no C++ compiler");
    }
    found
}

/// Whether the tests of parity run on this machine's own GPU: asked for by CHREODE_GPU=1.
fn on_hardware() -> bool {
    std::env::var("CHREODE_GPU").as_deref() == Ok("1")
}

/// Whether this machine has a real driver, for tests of what is said where there is none: they say that they are skipped.
pub fn has_driver() -> bool {
    // SAFETY: what runs when a driver is loaded is what any program that uses it runs.
    let found = ["libcuda.so", "libcuda.so.1"]
        .into_iter()
        .any(|name| unsafe { libloading::Library::new(name) }.is_ok());
    if found {
        eprintln!("SKIPPED: this machine has a CUDA driver");
    }
    found
}

/// The stand-in in this process, held by one test at a time.
pub struct Standin {
    library: &'static libloading::Library,
    _held: MutexGuard<'static, ()>,
}

/// What a test of parity runs on: this machine's GPU where CHREODE_GPU=1 asks for it, else the stand-in. None where there is
/// neither, which is said.
pub fn device() -> Option<OnDevice> {
    if on_hardware() { Some(OnDevice(None)) } else { standin().map(|standin| OnDevice(Some(standin))) }
}

/// A device that tests run on.
pub struct OnDevice(Option<Standin>);

impl OnDevice {
    /// The stand-in, to look into, where the device is no hardware.
    pub fn standin(&self) -> Option<&Standin> {
        self.0.as_ref()
    }

    /// Has threads and blocks run in another order; hardware has its own, another each time.
    pub fn order(&self, order: i64) {
        if let Some(standin) = self.standin() {
            standin.set("order", order);
        }
    }
}

/// Loads the stand-in, before cudarc looks for a driver; its settings are as if it were new. None where there is no
/// compiler: that is said on stderr, and is a failure in CI; and, said too, where the tests run on hardware.
pub fn standin() -> Option<Standin> {
    static ALONE: Mutex<()> = Mutex::new(());
    static LIBRARY: OnceLock<libloading::Library> = OnceLock::new();
    if on_hardware() {
        eprintln!(
            "SKIPPED: CHREODE_GPU=1 asks for hardware, and this test is of the stand-in's faults and counts"
        );
        return None;
    }
    if !has_compiler() {
        return None;
    }
    let held = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: our own library; what runs when it is loaded reads one environment variable.
    let open = || unsafe { libloading::Library::new(build(Build::Plain).join("libcuda.so")).unwrap() };
    let standin = Standin { library: LIBRARY.get_or_init(open), _held: held };
    standin.set("new", 0);
    Some(standin)
}

impl Standin {
    /// Sets a setting: `memory`, `fail_launch`, `order`, …
    pub fn set(&self, what: &str, value: i64) {
        let name = CString::new(what).unwrap();
        // SAFETY: the function's type is that of its definition.
        let told = unsafe {
            let set =
                self.library.get::<unsafe extern "C" fn(*const c_char, c_long) -> c_long>(b"standin_set");
            set.unwrap()(name.as_ptr(), value as c_long)
        };
        assert_eq!(told, 0, "the stand-in has no {what}");
    }

    /// A setting, or a count of what there is: `allocations`, `launches`, …
    pub fn get(&self, what: &str) -> i64 {
        let name = CString::new(what).unwrap();
        // SAFETY: the function's type is that of its definition.
        let told = unsafe {
            let get = self.library.get::<unsafe extern "C" fn(*const c_char) -> c_long>(b"standin_get");
            get.unwrap()(name.as_ptr())
        };
        assert!(told >= 0, "the stand-in has no {what}");
        told
    }

    /// What the stand-in found wrong first; empty if nothing.
    pub fn fault(&self) -> String {
        // SAFETY: the function's type is that of its definition; its text lives until this thread's next call.
        unsafe {
            let fault = self.library.get::<unsafe extern "C" fn() -> *const c_char>(b"standin_fault");
            CStr::from_ptr(fault.unwrap()()).to_str().unwrap().to_string()
        }
    }
}
