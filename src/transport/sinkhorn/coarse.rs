//! The first stages on a fraction of the points.

use super::super::backend;
use super::super::reach::Reach;
use super::super::{PointCloud, Problem};
use super::Sweeper;
use crate::error::{Error, Result};

/// The coarse problem keeps every so many-th point, and takes the stages down to so many times its resolution: there the
/// potentials are smooth enough for its points to tell them.
const COARSENING: usize = 4;
const SMOOTH: f64 = 4.0;
/// Problems with fewer points on a side are not worth it.
const COARSEST: usize = 400;

impl Sweeper<'_> {
    /// Finds target potentials at some ε above `epsilon` from a problem with a quarter of the points on either side, which takes a
    /// sixteenth of the time; returns that ε. None if the problem is small, ε large, or the coarse problem's points out of
    /// each other's reach.
    pub(super) fn coarse_start(&mut self, epsilon: f64, wanted: (f64, f64)) -> Result<Option<f64>> {
        let Problem { source, target, source_penalty, target_penalty, .. } = self.problem;
        if source.len().min(target.len()) < COARSEST || epsilon >= self.scale {
            return Ok(None);
        }
        let (few_sources, few_targets) = (thinned(source), thinned(target));
        let coarse = Problem { source: &few_sources, target: &few_targets, ..self.problem };
        let reach = match Reach::of(&coarse, &self.opened, &self.stop) {
            Err(Error::Infeasible(_)) => return Ok(None),
            reach => reach?,
        };
        if reach.rows.is_empty() {
            return Ok(None);
        }
        let (few_sources, few_targets) =
            (few_sources.subset(&reach.rows), few_targets.subset(&reach.columns));
        let coarse = Problem { source: &few_sources, target: &few_targets, ..self.problem };
        let mut sweeper = Sweeper::new(&coarse, &self.opened, &self.stop)?;
        // Below its resolution the coarse problem tells of its own points only.
        let last = epsilon.max(SMOOTH * sweeper.resolution);
        let (level, _) = sweeper.stages(self.scale, last, wanted, usize::MAX)?;
        let (f, _) = sweeper.backend.potentials()?;
        // A sweep of the problem turned round makes target potentials of f.
        let turned = Problem {
            source: target,
            target: &few_sources,
            source_penalty: target_penalty,
            target_penalty: source_penalty,
            ..self.problem
        };
        let mut extension = backend::on(&self.opened, &turned, &self.stop)?;
        extension.set_potentials(vec![0.0; target.len()], f)?;
        extension.sweep(level)?;
        let (mut g, _) = extension.potentials()?;
        // Out of reach of the few.
        g.iter_mut().filter(|g| !g.is_finite()).for_each(|g| *g = 0.0);
        self.backend.set_potentials(vec![0.0; source.len()], g)?;
        Ok(Some(level))
    }
}

/// Every fourth point, with weights that add up to the same total.
fn thinned(cloud: &PointCloud) -> PointCloud {
    let kept: Vec<usize> = (0..cloud.len()).step_by(COARSENING).collect();
    let few = cloud.subset(&kept);
    let factor = cloud.mass() / few.mass();
    few.scaled(factor)
}
