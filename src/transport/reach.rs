//! Which points of a problem can carry mass at all.

use rayon::prelude::*;

use super::cost::{Cost, CostRows};
use super::{PointCloud, Problem};
use crate::error::{Error, Result};

/// The points that can carry mass: positive weight, and a partner of positive weight at finite cost.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Vec<usize>,
}

impl Reach {
    pub(crate) fn of(problem: &Problem<'_>) -> Result<Self> {
        let positive = |cloud: &PointCloud| -> Vec<usize> {
            (0..cloud.len()).filter(|&i| cloud.weights()[i] > 0.0).collect()
        };
        let mut reach = Self { rows: positive(problem.source), columns: positive(problem.target) };
        if let Cost::Wfr { .. } = problem.cost {
            let costs = CostRows::new(problem);
            let blocks: Vec<(Vec<usize>, Vec<bool>)> = reach
                .rows
                .par_chunks(256)
                .map(|rows| {
                    let mut row = vec![0.0; problem.target.len()];
                    let mut hit = vec![false; problem.target.len()];
                    let reached = rows.iter().copied().filter(|&i| {
                        costs.row(i, 0, &mut row);
                        let mut any = false;
                        for &j in &reach.columns {
                            let finite = row[j].is_finite();
                            hit[j] |= finite;
                            any |= finite;
                        }
                        any
                    });
                    (reached.collect(), hit)
                })
                .collect();
            let hard = |rho: f64| rho.is_infinite();
            let rows: Vec<usize> = blocks.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
            let columns: Vec<usize> =
                reach.columns.iter().copied().filter(|&j| blocks.iter().any(|(_, hit)| hit[j])).collect();
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
}
