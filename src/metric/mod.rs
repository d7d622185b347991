//! What motion costs where: metrics under which it is cheap near cells and dear elsewhere (Metric FM: Kapuśniak et al., NeurIPS 2024). All in the
//! networks' units of length.

mod land;
mod rbf;

use rand::seq::index;

use crate::error::Result;
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::named::named;
use crate::snapshots::Snapshots;
use crate::units::Scaling;

/// Which metric of cells motion is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricKind {
    /// By the cells' own spread about a place: locally adaptive normal distributions (Arvanitidis, Hansen, Hauberg, NeurIPS 2016). As
    /// published for few dimensions.
    #[default]
    Land,
    /// By radial basis functions about the centres of clusters, which sum to about 1 at cells (Arvanitidis, Hauberg, Schölkopf, AISTATS
    /// 2021; Kapuśniak et al., NeurIPS 2024). As published for many dimensions; its cost does not grow with the number of cells.
    Rbf,
}

named!(MetricKind, "metric", Land = "land", Rbf = "rbf");

/// A kind of metric with its numbers, in the networks' units of length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Metric {
    pub(crate) kind: MetricKind,
    /// γ of [`MetricKind::Land`].
    pub(crate) width: f64,
    /// ρ.
    pub(crate) ridge: f64,
    /// The clusters of [`MetricKind::Rbf`], at most.
    pub(crate) centres: usize,
    /// κ of [`MetricKind::Rbf`]: the width of a kernel over its cluster's spread.
    pub(crate) kappa: f64,
}

/// The metric of LAND is that of at most so many cells at a time, drawn anew for every step where there are more.
const MOST_CELLS: usize = 512;

/// A metric of certain cells.
#[derive(Debug, Clone)]
pub(crate) struct CellMetric<'a> {
    dims: usize,
    /// Numbers the random streams.
    key: (u64, u64),
    form: Form<'a>,
}

#[derive(Debug, Clone)]
enum Form<'a> {
    Land {
        land: land::Land,
        cells: &'a [f32],
        /// Those of a step, and how many each stands for.
        landmarks: Vec<f32>,
        share: f64,
    },
    Rbf(rbf::Kernels),
}

impl<'a> CellMetric<'a> {
    /// The metric that `cells` (row-major) make; `key` is the seed and the number of its random streams.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error) for more clusters than memory holds; [`Error::Cancelled`](crate::Error).
    pub(crate) fn new(
        metric: Metric,
        cells: &'a [f32],
        dims: usize,
        key: (u64, u64),
        stop: &Stop,
    ) -> Result<Self> {
        let form = match metric.kind {
            MetricKind::Land => Form::Land {
                land: land::Land { width: metric.width, ridge: metric.ridge },
                cells,
                landmarks: vec![],
                share: 1.0,
            },
            MetricKind::Rbf => Form::Rbf(rbf::Kernels::new(&metric, cells, dims, key, stop)?),
        };
        Ok(Self { dims, key, form })
    }

    /// The same metric, which draws cells from other random streams.
    pub(crate) fn numbered(&self, key: (u64, u64)) -> Self {
        Self { key, ..self.clone() }
    }

    /// Draws the cells that stand for all in a step.
    pub(crate) fn draw(&mut self, step: usize) {
        let (dims, (seed, number)) = (self.dims, self.key);
        let Form::Land { cells, landmarks, share, .. } = &mut self.form else { return };
        let count = cells.len() / dims;
        if count > MOST_CELLS {
            let mut rng = stream(seed, Purpose::Minibatch, step as u64, 1 << 33 | number);
            landmarks.clear();
            for cell in index::sample(&mut rng, count, MOST_CELLS) {
                landmarks.extend_from_slice(&cells[cell * dims..(cell + 1) * dims]);
            }
            *share = count as f64 / MOST_CELLS as f64;
        } else if landmarks.is_empty() {
            landmarks.extend_from_slice(cells);
        }
    }

    /// The energy Σ_c u_c² G_c(x) of a velocity `u` at `x`; its derivatives by u and by x are written beside.
    pub(crate) fn energy(
        &self,
        place: (&[f32], &[f32]),
        derivatives: (&mut [f32], &mut [f32]),
        scratch: &mut MetricScratch,
    ) -> f64 {
        match &self.form {
            Form::Land { land, landmarks, share, .. } => {
                land.energy((landmarks, *share), place, derivatives, scratch)
            }
            Form::Rbf(kernels) => kernels.energy(place, derivatives, scratch),
        }
    }
}

/// The cells of some snapshots that weigh anything, in network units.
pub(crate) fn places(
    snapshots: &Snapshots,
    scaling: &Scaling,
    of: impl IntoIterator<Item = usize>,
) -> Vec<f32> {
    let cells = of.into_iter().flat_map(|k| {
        let weighted = snapshots.cells_of(k).zip(snapshots.weights(k));
        weighted.filter(|(_, w)| **w > 0.0).flat_map(|(cell, _)| scaling.placed(cell))
    });
    cells.collect()
}

/// Buffers of [`CellMetric::energy`].
#[derive(Debug, Clone, Default)]
pub(crate) struct MetricScratch {
    /// A number for each cell.
    weights: Vec<f64>,
    /// A number for each coordinate.
    variance: Vec<f64>,
    slope: Vec<f64>,
}
