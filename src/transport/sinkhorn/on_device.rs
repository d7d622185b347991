//! The sweeper's work on a CUDA device.

use std::sync::Arc;

use super::sparse::{DENSE, Kernel, NEGLIGIBLE};
use super::{Reach, Side, Sweeper};
use crate::device::cuda::{Cloud, DeviceSinkhorn, Gpu};
use crate::error::Result;
use crate::transport::{Cost, PointCloud, Problem};

/// Why a sweeper that is asked for its device's work has a device.
const ON_DEVICE: &str = "the sweeps run on a device";

/// A problem's points, on a device.
pub(in crate::transport) fn upload(gpu: &Arc<Gpu>, problem: &Problem<'_>) -> Result<DeviceSinkhorn> {
    // The numbers are those of cuda/sinkhorn.cu.
    let cost = match problem.cost {
        Cost::Euclidean => (0, 1.0),
        Cost::HalfSquaredEuclidean => (1, 1.0),
        Cost::Wfr { delta } => (2, 1.0 / (4.0 * delta * delta)),
    };
    let cloud = |cloud| -> Cloud<'_> {
        let cloud: &PointCloud = cloud;
        Cloud { points: cloud.points(), weights: cloud.weights() }
    };
    DeviceSinkhorn::new(gpu, (cloud(problem.source), cloud(problem.target)), problem.source.dims(), cost)
}

/// What either marginal adds to the objective at the last sweep.
pub(super) fn sides(
    device: &mut DeviceSinkhorn,
    source_penalty: f64,
    target_penalty: f64,
) -> Result<[Side; 2]> {
    let sums = device.side_sums(source_penalty, target_penalty)?;
    Ok(sums.map(|[mass, linear, error, total, penalty, dual]| Side {
        mass,
        linear,
        penalty,
        dual,
        error,
        total,
    }))
}

impl Sweeper<'_> {
    /// Moves the sweeps to a device; returns the largest cost of every row, and by how much its second cheapest partner is
    /// dearer than its cheapest.
    pub(super) fn move_to(&mut self, gpu: &Arc<Gpu>) -> Result<Vec<(f64, f64)>> {
        let device = upload(gpu, &self.problem)?;
        let [largest, smallest, second] = device.cost_ranges()?;
        let spread = |(first, second): (f64, f64)| if second.is_finite() { second - first } else { 0.0 };
        self.device = Some(device);
        Ok(largest.into_iter().zip(smallest.into_iter().zip(second).map(spread)).collect())
    }

    /// As `kernel_of_rows`, from the device.
    pub(super) fn kernel_of_device(&mut self, epsilon: f64) -> Result<Option<Kernel>> {
        let device = self.device.as_mut().expect(ON_DEVICE);
        // exp((f_i + g_j − C_ij)/ε) > e^−40
        let exponents: Vec<f64> = self.g.iter().map(|g| g / epsilon).collect();
        let thresholds: Vec<f64> = self.f.iter().map(|f| -NEGLIGIBLE - f / epsilon).collect();
        let most = self.f.len() * self.g.len() / DENSE;
        let Some(entries) = device.entries(epsilon, &exponents, &thresholds, most)? else { return Ok(None) };
        let b = self.problem.target.weights();
        let row_offsets: Vec<usize> = entries.offsets.iter().map(|&offset| offset as usize).collect();
        let mut values = Vec::with_capacity(entries.costs.len());
        for (i, row) in row_offsets.windows(2).enumerate() {
            values.extend((row[0]..row[1]).map(|e| {
                let j = entries.columns[e] as usize;
                b[j] * libm::exp((self.f[i] + self.g[j] - entries.costs[e]) / epsilon)
            }));
        }
        Ok(Some(Kernel { row_offsets, columns: entries.columns, values }))
    }

    /// As `plan_entries`, from the device.
    pub(super) fn plan_entries_of_device(
        &mut self,
        epsilon: f64,
        drop_below: f64,
        reach: &Reach,
    ) -> Result<Vec<(u32, u32, f64)>> {
        let exponents = self.column_exponents(epsilon);
        let device = self.device.as_mut().expect(ON_DEVICE);
        let log_sums = device.row_log_sums()?;
        let thresholds: Vec<f64> = log_sums.iter().map(|sum| sum + libm::log(drop_below)).collect();
        let entries = device.entries(epsilon, &exponents, &thresholds, usize::MAX)?;
        let entries = entries.expect("no number of entries is too many");
        let mut kept = Vec::with_capacity(entries.costs.len());
        for (i, row) in entries.offsets.windows(2).enumerate() {
            let row = row[0] as usize..row[1] as usize;
            // In units of the row's sum, which what is kept adds up to again.
            let share = |e: usize| {
                libm::exp(exponents[entries.columns[e] as usize] - entries.costs[e] / epsilon - log_sums[i])
            };
            let sum: f64 = row.clone().map(share).sum();
            let mass = self.problem.source.weights()[i] * libm::exp(self.f[i] / epsilon + log_sums[i]);
            kept.extend(row.map(|e| {
                let j = reach.columns[entries.columns[e] as usize];
                (reach.rows[i] as u32, j as u32, mass * share(e) / sum)
            }));
        }
        Ok(kept)
    }
}
