//! The three simulations, on the CPU or on a device.
//!
//! A device steps learned fields by rules of equal steps. One that is asked for by name is an error where it cannot; `auto`
//! leaves to the CPU what only that can do, and what is too small to gain.

use super::branching::{self, Population};
use super::ode::{self, Solver};
#[cfg(feature = "cuda")]
use super::on_device;
use super::{Particles, Trajectory, sde};
use crate::device::{Device, Opened};
use crate::error::Result;
use crate::fields::Fields;

/// Particles from which on a device gains.
const ENOUGH: usize = 1 << 14;

/// [`ode::integrate`] on a device.
///
/// # Errors
/// Those of [`ode::integrate`]; [`Error::Device`](crate::Error::Device) if the device cannot be used, and
/// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for what it cannot do: fields that are not learned, and the
/// adaptive rule.
pub fn flow(
    device: Device,
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    solver: &Solver,
) -> Result<Trajectory> {
    let adaptive = matches!(solver, Solver::DormandPrince(_));
    let device = if adaptive && device == Device::Auto { Device::Cpu } else { device };
    match open(device, fields, start)? {
        Opened::Cpu => ode::integrate(fields, start, times, solver),
        #[cfg(feature = "cuda")]
        Opened::Cuda(gpu) => on_device::integrate(&gpu, learned(fields)?, start, times, solver),
    }
}

/// [`sde::simulate`] on a device.
///
/// # Errors
/// As [`flow`], and those of [`sde::simulate`].
pub fn diffusion(
    device: Device,
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &sde::Options,
) -> Result<Trajectory> {
    match open(device, fields, start)? {
        Opened::Cpu => sde::simulate(fields, start, times, options),
        #[cfg(feature = "cuda")]
        Opened::Cuda(gpu) => on_device::diffuse(&gpu, learned(fields)?, start, times, options),
    }
}

/// [`branching::simulate`] on a device.
///
/// # Errors
/// As [`flow`], and those of [`branching::simulate`].
pub fn population(
    device: Device,
    fields: &dyn Fields,
    start: &Particles,
    times: &[f64],
    options: &branching::Options,
) -> Result<Population> {
    match open(device, fields, start)? {
        Opened::Cpu => branching::simulate(fields, start, times, options),
        #[cfg(feature = "cuda")]
        Opened::Cuda(gpu) => on_device::branch(&gpu, learned(fields)?, start, times, options),
    }
}

fn open(device: Device, fields: &dyn Fields, start: &Particles) -> Result<Opened> {
    let device = if fields.learned().is_none() && device == Device::Auto { Device::Cpu } else { device };
    device.open(start.len(), ENOUGH)
}

/// The fields as a device can evaluate them.
#[cfg(feature = "cuda")]
fn learned(fields: &dyn Fields) -> Result<&crate::fields::Dynamics> {
    fields.learned().ok_or_else(|| {
        let allowed = "learned ones on a device: fields that are given as functions run on the CPU";
        crate::error::Error::argument("the fields", "functions", allowed)
    })
}
