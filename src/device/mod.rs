//! Where the heavy loops run: on the CPU or, in a library that was built for them, on a graphics device.
//!
//! This is the only place that knows how to talk to a device; [`transport`](crate::transport) and
//! [`simulate`](crate::simulate) say what it shall compute.

#[cfg(feature = "cuda")]
pub mod cuda;

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Where to compute.
///
/// Results on the CPU are the same bits at any number of threads. Those of a device agree with them up to rounding, and
/// are the same bits on every run on the same kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The first device where there is one that can be used and the problem is large enough to gain from it, else the
    /// CPU: transport from 2²² pairs of points on, simulation from 2¹⁴ particles on.
    Auto,
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device of this number, or an error.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl Device {
    /// What a device may be called.
    pub const ALLOWED: &'static str =
        if cfg!(feature = "cuda") { "auto | cpu | cuda:0, cuda:1, …" } else { "auto | cpu" };

    /// Refuses a device that was asked for by name where `what`, which is computed on the CPU, would not use it.
    pub(crate) fn require_cpu(self, what: &str) -> Result<()> {
        if matches!(self, Device::Auto | Device::Cpu) {
            return Ok(());
        }
        Err(Error::argument("device", self, &format!("cpu or auto for {what}, which runs on the CPU only")))
    }

    /// Gets ready for a problem of this `size`, of which `enough` gain from a device.
    pub(crate) fn open(self, size: usize, enough: usize) -> Result<Opened> {
        #[cfg(feature = "cuda")]
        match self {
            Device::Cuda(ordinal) => return cuda::Gpu::open(ordinal).map(Opened::Cuda),
            Device::Auto if size >= enough => {
                return Ok(cuda::Gpu::open(0).map_or(Opened::Cpu, Opened::Cuda));
            }
            Device::Auto | Device::Cpu => {}
        }
        let _ = (size, enough);
        Ok(Opened::Cpu)
    }
}

/// The names of the devices that there are on this machine.
pub fn available() -> Vec<String> {
    #[allow(unused_mut)] // without other devices
    let mut names = vec![Device::Cpu.to_string()];
    #[cfg(feature = "cuda")]
    names.extend(cuda::devices().unwrap_or_default().iter().map(|d| Device::Cuda(d.ordinal).to_string()));
    names
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => return Ok(Device::Auto),
            "cpu" => return Ok(Device::Cpu),
            _ => {}
        }
        #[cfg(feature = "cuda")]
        if let Some(rest) = name.strip_prefix("cuda") {
            let ordinal = if rest.is_empty() { Some("0") } else { rest.strip_prefix(':') };
            if let Some(ordinal) = ordinal.and_then(|ordinal| ordinal.parse().ok()) {
                return Ok(Device::Cuda(ordinal));
            }
        }
        let built =
            if cfg!(feature = "cuda") { "" } else { " (this library was built without other devices)" };
        Err(Error::argument("device", name, &format!("one of {}{built}", Self::ALLOWED)))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

/// A device that is ready.
#[derive(Debug, Clone)]
pub(crate) enum Opened {
    Cpu,
    #[cfg(feature = "cuda")]
    Cuda(std::sync::Arc<cuda::Gpu>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_called_by_name() {
        for name in ["auto", "cpu"] {
            assert_eq!(name.parse::<Device>().unwrap().to_string(), name);
        }
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:0x", "cuda0", "CPU"] {
            let told = wrong.parse::<Device>().unwrap_err().to_string();
            assert!(told.starts_with("device must be one of auto | cpu"), "{told}");
        }
        assert_eq!(Device::default(), Device::Cpu);
        assert_eq!(available()[0], "cpu");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_other_devices_says_so() {
        let told = "cuda:0".parse::<Device>().unwrap_err().to_string();
        assert!(told.contains("built without other devices") && told.ends_with("got cuda:0"), "{told}");
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn without_a_driver_a_device_is_an_error_and_auto_is_the_cpu() {
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        assert_eq!("cuda:3".parse::<Device>().unwrap().to_string(), "cuda:3");
        match cuda::devices() {
            Ok(found) => eprintln!("SKIPPED: there is a driver, with {} devices", found.len()),
            Err(error) => {
                assert!(matches!(error, Error::Device(_)), "{error:?}");
                assert_eq!(Device::Cuda(0).open(1, 1).unwrap_err(), error);
                assert!(matches!(Device::Auto.open(usize::MAX, 1), Ok(Opened::Cpu)));
                assert_eq!(available(), ["cpu"]);
            }
        }
    }
}
