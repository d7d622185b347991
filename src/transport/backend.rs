//! Passes over all pairs of points, and the machines that they run on: a trait, and one file for each kind of machine.
//!
//! Which of them it is, only [`on`] knows; the algorithms ask the trait.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

use std::fmt::Debug;
use std::ops::Range;

use super::Problem;
use super::clones::ClonePenalty;
use crate::device::{Device, Opened};
use crate::error::Result;
use crate::exec::stop::Stop;

pub(super) use cpu::{chunk_rows, exponentials};

/// Pairs of points from which on a device gains.
pub(crate) const ENOUGH: usize = 1 << 22;

/// Gets ready what sweeps over the pairs of a problem: a device from [`ENOUGH`] pairs on, or one that was asked for by name. Points of
/// clones are the CPU's.
pub(super) fn open(problem: &Problem<'_>, device: Device) -> Result<Opened> {
    if ClonePenalty::of(problem).is_some() {
        device.require_cpu("points of clones")?;
        return Ok(Opened::Cpu);
    }
    device.open(problem.source.len().saturating_mul(problem.target.len()), ENOUGH)
}

/// The passes over the pairs of a problem in which every point has positive weight, with potentials 0. Once `stop` is
/// requested, they end early, with [`Cancelled`](crate::Error::Cancelled).
pub(super) fn on<'a>(opened: &Opened, problem: &Problem<'a>, stop: &Stop) -> Result<Box<dyn Backend + 'a>> {
    Ok(match opened {
        Opened::Cpu => Box::new(cpu::Cpu::new(problem, stop)),
        #[cfg(feature = "cuda")]
        Opened::Cuda(gpu) => Box::new(cuda::Cuda::new(problem, gpu, stop)?),
    })
}

/// An entry of a plan: row, column, mass.
pub(super) type Entry = (u32, u32, f64);

/// What the solvers ask of all pairs. A backend holds the potentials f and g and the marginals of the last sweep.
pub(super) trait Backend: Debug {
    /// Which rows and which columns have a partner at finite cost.
    fn in_reach(&mut self) -> Result<(Vec<bool>, Vec<bool>)>;

    /// The largest finite cost, and by how much a row's second cheapest partner is dearer than its cheapest, on average:
    /// where the plan is decided.
    fn cost_ranges(&mut self) -> Result<(f64, f64)>;

    /// One pass over the costs: updates f, and leaves the row and column masses of the plan at (new f, old g).
    fn sweep(&mut self, epsilon: f64) -> Result<()>;

    /// Updates g from the column masses of the last sweep, then shifts (f, g) along the translation.
    fn update_target(&mut self, epsilon: f64) -> Result<()>;

    /// (f, g).
    fn potentials(&self) -> Result<(Vec<f64>, Vec<f64>)>;

    /// Goes on from other potentials.
    fn set_potentials(&mut self, f: Vec<f64>, g: Vec<f64>) -> Result<()>;

    /// The row and column masses of the plan of the last sweep; their totals agree.
    fn masses(&self) -> Result<(Vec<f64>, Vec<f64>)>;

    /// The row masses of the plan at (f, `g`), which stay as they are.
    fn row_masses(&mut self, epsilon: f64, g: &[f64]) -> Result<Vec<f64>>;

    /// The entries at the current potentials above the share e^−`cutoff` of what their row or their column would have if its
    /// mass were spread over all pairs; none if there are more than [`MOST_ENTRIES`].
    fn kernel(&mut self, epsilon: f64, cutoff: f64) -> Result<Option<Kernel>>;

    /// The plan at the potentials of the last sweep. Of a row, entries below the share `drop_below` of its mass are left out
    /// and the others scaled up.
    fn plan(&mut self, epsilon: f64, drop_below: f64) -> Result<Vec<Entry>>;
}

/// The most entries that a kernel may have (48 MiB).
const MOST_ENTRIES: usize = 1 << 22;

/// exp((f_i + g_j − C_ij)/ε) b_j at some potentials, where it is not negligible.
pub(super) struct Kernel {
    /// Consecutive rows, [`chunk_rows`] a block.
    pub(super) blocks: Vec<Block>,
}

/// Some rows of a kernel.
#[derive(Default)]
pub(super) struct Block {
    /// The first row.
    pub(super) first: usize,
    /// Where each row begins, and the end of the last.
    pub(super) offsets: Vec<usize>,
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f64>,
}

impl Block {
    /// The rows.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first..self.first + self.offsets.len() - 1
    }

    /// Where the entries of the block's `r`-th row are.
    pub(super) fn entries(&self, r: usize) -> Range<usize> {
        self.offsets[r]..self.offsets[r + 1]
    }
}

/// e^{−p/ρ}, the share of its weight that a potential leaves a point; 1 for a hard marginal.
fn shares(potential: &[f64], rho: f64) -> Vec<f64> {
    potential.iter().map(|p| if rho.is_infinite() { 1.0 } else { libm::exp(-p / rho) }).collect()
}

/// u_j = g_j/ε + ln b_j.
pub(super) fn column_exponents(problem: &Problem<'_>, g: &[f64], epsilon: f64) -> Vec<f64> {
    g.iter().zip(problem.target.weights()).map(|(g, b)| g / epsilon + libm::log(*b)).collect()
}

/// ρ/(ρ+ε), 1 for a hard marginal.
pub(super) fn kappa(rho: f64, epsilon: f64) -> f64 {
    if rho.is_infinite() { 1.0 } else { rho / (rho + epsilon) }
}
