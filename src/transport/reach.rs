//! Which points of a problem can carry mass at all.

use rayon::prelude::*;

use super::cost::{Cost, CostRows};
use super::{PointCloud, Problem};
use crate::device::Opened;
use crate::error::{Error, Result};

/// The points that can carry mass: positive weight, and a partner of positive weight at finite cost.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Vec<usize>,
}

impl Reach {
    pub(crate) fn of(problem: &Problem<'_>, opened: &Opened) -> Result<Self> {
        let positive = |cloud: &PointCloud| -> Vec<usize> {
            (0..cloud.len()).filter(|&i| cloud.weights()[i] > 0.0).collect()
        };
        let mut reach = Self { rows: positive(problem.source), columns: positive(problem.target) };
        if let Cost::Wfr { .. } = problem.cost {
            let (rows, columns) = match opened {
                Opened::Cpu => reach.connected(problem),
                #[cfg(feature = "cuda")]
                Opened::Cuda(gpu) => reach.connected_on_device(problem, gpu)?,
            };
            let hard = |rho: f64| rho.is_infinite();
            for (side, penalty, before, after) in [
                ("source", problem.source_penalty, reach.rows.len(), rows.len()),
                ("target", problem.target_penalty, reach.columns.len(), columns.len()),
            ] {
                if hard(penalty) && after < before {
                    return Err(Error::Infeasible(format!(
                        "{} {side} points are out of reach of every point on the other side, but their marginal is \
                         hard; give the {side} a finite penalty or raise delta",
                        before - after
                    )));
                }
            }
            reach = Self { rows, columns };
        }
        Ok(reach)
    }

    /// The points of either side with a partner at finite cost.
    fn connected(&self, problem: &Problem<'_>) -> (Vec<usize>, Vec<usize>) {
        let costs = CostRows::new(problem);
        let blocks: Vec<(Vec<usize>, Vec<bool>)> = self
            .rows
            .par_chunks(256)
            .map(|rows| {
                let mut row = vec![0.0; problem.target.len()];
                let mut hit = vec![false; problem.target.len()];
                let reached = rows.iter().copied().filter(|&i| {
                    costs.row(i, 0, &mut row);
                    let mut any = false;
                    for &j in &self.columns {
                        let finite = row[j].is_finite();
                        hit[j] |= finite;
                        any |= finite;
                    }
                    any
                });
                (reached.collect(), hit)
            })
            .collect();
        let rows = blocks.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
        let hit = |j: &usize| blocks.iter().any(|(_, hit)| hit[*j]);
        (rows, self.columns.iter().copied().filter(hit).collect())
    }

    #[cfg(feature = "cuda")]
    fn connected_on_device(
        &self,
        problem: &Problem<'_>,
        gpu: &std::sync::Arc<crate::device::cuda::Gpu>,
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let (source, target) = (problem.source.subset(&self.rows), problem.target.subset(&self.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        let (of_rows, of_columns) = super::sinkhorn::upload(gpu, &reduced)?.nearest()?;
        let reached = |points: &[usize], nearest: Vec<f64>| {
            points.iter().copied().zip(nearest).filter(|(_, cost)| cost.is_finite()).map(|(i, _)| i).collect()
        };
        Ok((reached(&self.rows, of_rows), reached(&self.columns, of_columns)))
    }
}
