//! All pairs of points, on a CUDA device: potentials and marginals stay there between sweeps.

use std::sync::Arc;

use rayon::prelude::*;

use super::{Backend, Block, Entry, Kernel, MOST_ENTRIES, chunk_rows, column_exponents, kappa, shares};
use crate::device::cuda::{Cloud, DeviceSinkhorn, Gpu};
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::transport::{Cost, PointCloud, Problem};

/// The state of Sinkhorn's iteration, on the device.
#[derive(Debug)]
pub(super) struct Cuda<'a> {
    problem: Problem<'a>,
    device: DeviceSinkhorn,
    stop: Stop,
}

impl<'a> Cuda<'a> {
    pub(super) fn new(problem: &Problem<'a>, gpu: &Arc<Gpu>, stop: &Stop) -> Result<Self> {
        Ok(Self { problem: *problem, device: upload(gpu, problem)?, stop: stop.clone() })
    }
}

/// A problem's points, on a device.
fn upload(gpu: &Arc<Gpu>, problem: &Problem<'_>) -> Result<DeviceSinkhorn> {
    let Problem { source, target, .. } = problem;
    let unit = unit_of_length(source).max(unit_of_length(target));
    // The numbers are those of cuda/sinkhorn.cu.
    let cost = match problem.cost {
        Cost::Euclidean => (0, unit),
        Cost::HalfSquaredEuclidean => (1, unit * unit),
        Cost::Wfr { delta } => (2, (0.5 * (unit / delta)).powi(2)),
    };
    let scaled = |cloud: &PointCloud| cloud.points().iter().map(|x| x * (1.0 / unit)).collect::<Vec<f64>>();
    let (x, y) = (scaled(source), scaled(target));
    let clouds =
        (Cloud { points: &x, weights: source.weights() }, Cloud { points: &y, weights: target.weights() });
    DeviceSinkhorn::new(gpu, clouds, source.dims(), cost)
}

/// The power of two above all coordinates: in units of it their squares do not underflow, and no figure is lost. (Of a cloud with
/// large coordinates and small ones, differences below 1e-160 of the largest are 0, as they are beside it.)
fn unit_of_length(cloud: &PointCloud) -> f64 {
    let largest = cloud.points().iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let exponent = if largest > 0.0 { libm::frexp(largest).1 } else { 0 };
    // The inverse must be a number, too.
    libm::ldexp(1.0, exponent.max(-1000))
}

impl Backend for Cuda<'_> {
    fn in_reach(&mut self) -> Result<(Vec<bool>, Vec<bool>)> {
        let (of_rows, of_columns) = self.device.nearest()?;
        let finite = |nearest: Vec<f64>| nearest.into_iter().map(f64::is_finite).collect();
        Ok((finite(of_rows), finite(of_columns)))
    }

    fn cost_ranges(&mut self) -> Result<(f64, f64)> {
        let [largest, smallest, second] = self.device.cost_ranges()?;
        let spread = |(first, second): (&f64, &f64)| if second.is_finite() { second - first } else { 0.0 };
        let spreads: f64 = smallest.iter().zip(&second).map(spread).sum();
        Ok((largest.iter().fold(0.0, |largest, cost| cost.max(largest)), spreads / largest.len() as f64))
    }

    fn sweep(&mut self, epsilon: f64) -> Result<()> {
        self.stop.check()?;
        self.device.sweep(epsilon, kappa(self.problem.source_penalty, epsilon))
    }

    fn update_target(&mut self, epsilon: f64) -> Result<()> {
        let (source, target) = (self.problem.source_penalty, self.problem.target_penalty);
        self.device.update_target(epsilon, kappa(target, epsilon))?;
        if source.is_finite() || target.is_finite() {
            self.device.translate(source, target)?;
        }
        Ok(())
    }

    fn potentials(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        self.device.potentials()
    }

    fn set_potentials(&mut self, f: Vec<f64>, g: Vec<f64>) -> Result<()> {
        self.device.set_potentials(&f, &g)
    }

    fn masses(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        self.device.marginals()
    }

    fn row_masses(&mut self, epsilon: f64, g: &[f64]) -> Result<Vec<f64>> {
        // Two sweeps: f follows from g alone, and the one at `g` differs from f by the logarithm of the rows' masses.
        let kappa = kappa(self.problem.source_penalty, epsilon);
        let (f, old) = self.device.potentials()?;
        self.device.set_potentials(&f, g)?;
        self.device.sweep(epsilon, kappa)?;
        let (moved, _) = self.device.potentials()?;
        self.device.set_potentials(&f, &old)?;
        self.device.sweep(epsilon, kappa)?;
        let a = self.problem.source.weights();
        Ok((0..a.len()).map(|i| a[i] * libm::exp((f[i] - moved[i] / kappa) / epsilon)).collect())
    }

    fn kernel(&mut self, epsilon: f64, cutoff: f64) -> Result<Option<Kernel>> {
        let Problem { source_penalty, target_penalty, target, .. } = self.problem;
        let (f, g) = self.device.potentials()?;
        // exp((f_i + g_j − C_ij)/ε) > e^−cutoff · min(share of the row, smallest share of a column)
        let smallest = shares(&g, target_penalty).into_iter().fold(f64::INFINITY, f64::min);
        let exponents: Vec<f64> = g.iter().map(|g| g / epsilon).collect();
        let threshold = |(f, share): (&f64, f64)| libm::log(smallest.min(share)) - cutoff - f / epsilon;
        let thresholds: Vec<f64> = f.iter().zip(shares(&f, source_penalty)).map(threshold).collect();
        let Some(entries) = self.device.entries(epsilon, &exponents, &thresholds, MOST_ENTRIES)? else {
            return Ok(None);
        };
        let value = |i: usize, e: usize| {
            let j = entries.columns[e] as usize;
            target.weights()[j] * libm::exp((f[i] + g[j] - entries.costs[e]) / epsilon)
        };
        let rows: Vec<usize> = (0..f.len()).collect();
        let block = |rows: &[usize]| {
            let at = |i: usize| entries.offsets[i] as usize;
            let (first, end) = (rows[0], rows[0] + rows.len());
            Block {
                first,
                offsets: (first..=end).map(|i| at(i) - at(first)).collect(),
                columns: entries.columns[at(first)..at(end)].to_vec(),
                values: rows
                    .iter()
                    .flat_map(|&i| (at(i)..at(i + 1)).map(move |e| (i, e)))
                    .map(|(i, e)| value(i, e))
                    .collect(),
            }
        };
        Ok(Some(Kernel { blocks: rows.par_chunks(chunk_rows(f.len())).map(block).collect() }))
    }

    fn plan(&mut self, epsilon: f64, drop_below: f64) -> Result<Vec<Entry>> {
        let (f, g) = self.device.potentials()?;
        let exponents = column_exponents(&self.problem, &g, epsilon);
        let log_sums = self.device.row_log_sums()?;
        let thresholds: Vec<f64> = log_sums.iter().map(|sum| sum + libm::log(drop_below)).collect();
        let entries = self.device.entries(epsilon, &exponents, &thresholds, usize::MAX)?;
        let entries = entries.expect("no number of entries is too many");
        let row = |i: usize| {
            let row = entries.offsets[i] as usize..entries.offsets[i + 1] as usize;
            // In units of the row's sum, which what is kept adds up to again.
            let share = |e: usize| {
                libm::exp(exponents[entries.columns[e] as usize] - entries.costs[e] / epsilon - log_sums[i])
            };
            let shares: Vec<f64> = row.clone().map(share).collect();
            let mass = self.problem.source.weights()[i] * libm::exp(f[i] / epsilon + log_sums[i]);
            let of_sum = mass / shares.iter().sum::<f64>();
            let columns = &entries.columns[row];
            columns.iter().zip(shares).map(|(&j, share)| (i as u32, j, of_sum * share)).collect::<Vec<_>>()
        };
        Ok((0..f.len()).into_par_iter().flat_map_iter(row).collect())
    }
}
