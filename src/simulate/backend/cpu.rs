//! Simulation on the CPU: the algorithms of the modules beside this folder.

use super::Backend;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::branching;
use crate::simulate::ode::{self, Solver};
use crate::simulate::{Particles, Shard, sde};

/// Any fields, on the threads of the pool that it is called in.
pub(super) struct Cpu<'a> {
    pub(super) fields: &'a dyn Fields,
}

impl Backend for Cpu<'_> {
    fn flow(
        &self,
        start: &Particles,
        times: &[f64],
        solver: &Solver,
        spread: f64,
        stop: &Stop,
    ) -> Result<Shard> {
        let (frames, residence) = ode::integrate_some(self.fields, start, times, solver, spread, stop)?;
        Ok(Shard::of(frames, residence))
    }

    fn diffusion(
        &self,
        start: &Particles,
        times: &[f64],
        options: &sde::Options,
        stop: &Stop,
    ) -> Result<Shard> {
        let (frames, residence) = sde::simulate_some(self.fields, start, times, options, stop)?;
        Ok(Shard::of(frames, residence))
    }

    fn branching(
        &self,
        start: &Particles,
        first: u64,
        times: &[f64],
        options: &branching::Options,
        stop: &Stop,
    ) -> Result<Shard> {
        branching::simulate_some(self.fields, start, first, times, options, stop)
    }
}
