//! Simulation on the CPU: the algorithms of the modules beside this folder.

use super::Backend;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::branching::{self, BranchingTrajectory};
use crate::simulate::ode::{self, Solver};
use crate::simulate::{Particles, Trajectory, sde};

/// Any fields, on the threads of the pool that it is called in.
pub(super) struct Cpu<'a> {
    pub(super) fields: &'a dyn Fields,
}

impl Backend for Cpu<'_> {
    fn flow(&self, start: &Particles, times: &[f64], solver: &Solver, stop: &Stop) -> Result<Trajectory> {
        ode::integrate(self.fields, start, times, solver, stop)
    }

    fn diffusion(
        &self,
        start: &Particles,
        times: &[f64],
        options: &sde::Options,
        stop: &Stop,
    ) -> Result<Trajectory> {
        sde::simulate(self.fields, start, times, options, stop)
    }

    fn branching(
        &self,
        start: &Particles,
        times: &[f64],
        options: &branching::Options,
        stop: &Stop,
    ) -> Result<BranchingTrajectory> {
        branching::simulate(self.fields, start, times, options, stop)
    }
}
