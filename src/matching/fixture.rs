//! The source of rows that tests of losses begin from.

use super::source::{Coupled, CoupledInterval, Source};
use crate::bridge::{Bridge, BridgeFacts};
use crate::snapshots::{MatrixView, Snapshots};
use crate::train::{PairWeighting, TrainingOptions};
use crate::transport::coupling::Coupling;
use crate::units::Scaling;

/// A hundred rows a batch between two snapshots of cells in the plane, given with their times, that are coupled like this.
pub(super) fn in_the_plane<R>(
    points: &[f64],
    times: &[f64],
    coupling: Coupling,
    (facts, bridge): (&BridgeFacts, &dyn Bridge),
    look: impl FnOnce(Source<'_>) -> R,
) -> R {
    let cells = MatrixView::from_f64(points, times.len(), 2).unwrap();
    let snapshots = Snapshots::new(cells, times, None).unwrap();
    let weighting = (1.0, PairWeighting::Mass);
    let interval = CoupledInterval::new(&snapshots, 0, coupling, None, (facts, bridge), weighting).unwrap();
    let coupled = Coupled { intervals: vec![interval], curvature: None, chains: None };
    let options = TrainingOptions { batch_size: 100, pair_weighting: weighting.1, ..Default::default() };
    look(Source::new(&snapshots, &coupled, (facts, bridge), &Scaling::of(&snapshots), 0.0, &options, 3))
}
