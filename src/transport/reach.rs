//! Which points of a problem can carry mass at all.

use super::backend;
use super::{PointCloud, Problem};
use crate::device::Opened;
use crate::error::{Error, Result};
use crate::exec::stop::Stop;

/// The points that can carry mass: positive weight, and a partner of positive weight at finite cost.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) rows: Vec<usize>,
    pub(crate) columns: Vec<usize>,
}

impl Reach {
    pub(crate) fn of(problem: &Problem<'_>, opened: &Opened, stop: &Stop) -> Result<Self> {
        let positive = |cloud: &PointCloud| -> Vec<usize> {
            (0..cloud.len()).filter(|&i| cloud.weights()[i] > 0.0).collect()
        };
        let weighty = Self { rows: positive(problem.source), columns: positive(problem.target) };
        if !problem.bounds_reach() {
            return Ok(weighty);
        }
        let reach = weighty.connected(problem, opened, stop)?;
        for (side, penalty, before, after) in [
            ("source", problem.source_penalty, &weighty.rows, &reach.rows),
            ("target", problem.target_penalty, &weighty.columns, &reach.columns),
        ] {
            if penalty.is_infinite() && after.len() < before.len() {
                return Err(Error::Infeasible(format!(
                    "{} {side} points are out of reach of every point on the other side, but their marginal is \
                     hard; give the {side} a finite penalty, or {}",
                    before.len() - after.len(),
                    problem.reach_advice()
                )));
            }
        }
        Ok(reach)
    }

    /// The points of either side with a partner at finite cost.
    fn connected(&self, problem: &Problem<'_>, opened: &Opened, stop: &Stop) -> Result<Self> {
        let (source, target) = (problem.source.subset(&self.rows), problem.target.subset(&self.columns));
        let reduced = Problem { source: &source, target: &target, ..*problem };
        let (rows, columns) = backend::on(opened, &reduced, stop)?.in_reach()?;
        let kept = |points: &[usize], hit: Vec<bool>| {
            points.iter().zip(hit).filter(|(_, hit)| *hit).map(|(&i, _)| i).collect()
        };
        Ok(Self { rows: kept(&self.rows, rows), columns: kept(&self.columns, columns) })
    }
}
