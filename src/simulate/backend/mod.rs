//! Where a simulation's particles are stepped: on the CPU or on a device, one file each.
//!
//! A device steps fields that are made of networks, by rules of equal steps. One that is asked for by name is an error where
//! it cannot; `auto` leaves to the CPU what only that can do, and what is too small to gain.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

use super::branching;
use super::ode::Solver;
use super::{Particles, Shard, sde};
use crate::device::{Device, Opened};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::fields::Fields;

/// The three simulations of some fields. Each ends with [`Error::Cancelled`](crate::Error::Cancelled) once `stop` is requested.
pub(crate) trait Backend {
    /// [`ode::integrate`](super::ode::integrate) of particles that are `spread` so far with all others, which adaptive steps are
    /// relative to.
    fn flow(
        &self,
        start: &Particles,
        times: &[f64],
        solver: &Solver,
        spread: f64,
        stop: &Stop,
    ) -> Result<Shard>;

    /// [`sde::simulate`].
    fn diffusion(
        &self,
        start: &Particles,
        times: &[f64],
        options: &sde::Options,
        stop: &Stop,
    ) -> Result<Shard>;

    /// [`branching::simulate`] of particles that are numbered from `first` on, a multiple of [`BLOCK`](super::BLOCK).
    fn branching(
        &self,
        start: &Particles,
        first: u64,
        times: &[f64],
        options: &branching::Options,
        stop: &Stop,
    ) -> Result<Shard>;
}

/// Particles from which on a device gains.
const ENOUGH: usize = 1 << 14;

/// The backend of a device, for about so many `particles`, by a rule that is `adaptive` or has equal steps.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the device cannot be used, and
/// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for fields without networks on another device than the CPU.
pub(crate) fn open<'a>(
    device: Device,
    fields: &'a dyn Fields,
    particles: usize,
    adaptive: bool,
) -> Result<Box<dyn Backend + 'a>> {
    if !fields.of_branches().is_empty() {
        device.require_cpu("a model of branches")?;
    }
    let only_the_cpu = adaptive || fields.compiled().is_none_or(|compiled| compiled.members.len() > 1);
    let device = if only_the_cpu && device == Device::Auto { Device::Cpu } else { device };
    match device.open(particles, ENOUGH)? {
        Opened::Cpu => Ok(Box::new(cpu::Cpu { fields })),
        #[cfg(feature = "cuda")]
        Opened::Cuda(gpu) => Ok(Box::new(cuda::Cuda::new(gpu, fields)?)),
    }
}
