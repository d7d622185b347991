//! Snapshots as a simulation predicts them, where there may be too many particles to keep: all weights, and the points that
//! distances look at.

use super::sampled::Sampling;
use crate::error::Result;
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::Particles;
use crate::simulate::founders::Founders;
use crate::simulate::simulation::{PIECE, Simulation, Summary};
use crate::transport::PointCloud;
use crate::transport::cloud::Cloud;

/// The particles of one time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Predicted {
    dims: usize,
    weights: Vec<f64>,
    /// The rows whose points are kept, in increasing order; all where absent.
    kept: Option<Vec<usize>>,
    points: Vec<f32>,
}

impl Predicted {
    /// Of no particles yet.
    fn new(dims: usize, kept: Option<Vec<usize>>) -> Self {
        Self { dims, weights: vec![], kept, points: vec![] }
    }

    /// Adds the next particles.
    fn extend(&mut self, frame: &Particles) {
        let rows = self.weights.len()..self.weights.len() + frame.len();
        match &self.kept {
            None => self.points.extend_from_slice(&frame.points),
            Some(kept) => {
                let of_frame = kept.partition_point(|&row| row < rows.start)
                    ..kept.partition_point(|&row| row < rows.end);
                kept[of_frame]
                    .iter()
                    .for_each(|&row| self.points.extend_from_slice(frame.point(row - rows.start)));
            }
        }
        self.weights.extend(frame.weights());
    }

    /// The total weight.
    pub(super) fn mass(&self) -> f64 {
        self.weights.iter().fold(0.0, |mass, weight| mass + weight)
    }

    fn point(&self, row: usize) -> &[f32] {
        let place = self.kept.as_ref().map_or(row, |kept| kept.partition_point(|&other| other < row));
        &self.points[place * self.dims..(place + 1) * self.dims]
    }
}

impl Cloud for Predicted {
    fn dims(&self) -> usize {
        self.dims
    }

    fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn part(&self, rows: &[usize]) -> PointCloud {
        PointCloud::gathered(self.dims, rows, |row| self.point(row), &self.weights)
    }
}

/// The predictions of `times`, to be compared with so many `cells` each by samples that are number `draw`.
///
/// Founders of more than one piece are simulated twice: first for the weights, which say which particles are drawn, and again for the
/// points of those.
///
/// # Errors
/// Those of [`Simulation::run_in_pieces`].
pub(super) fn predict(
    (simulation, fields): (&Simulation, &dyn Fields),
    founders: &Founders<'_>,
    (times, cells): (&[f64], &[usize]),
    (sampling, draw): (&Sampling, u64),
    stop: &Stop,
) -> Result<(Vec<Predicted>, Summary)> {
    let run = |predicted: &mut [Predicted]| {
        let some = &mut |rows| Ok(founders.some(rows));
        simulation.run_in_pieces(fields, founders.count(), some, times, stop, &mut |piece| {
            predicted.iter_mut().zip(&piece.frames).for_each(|(all, frame)| all.extend(frame));
            Ok(())
        })
    };
    let in_pieces = founders.count() > PIECE;
    let dims = fields.dims();
    let mut predicted = vec![Predicted::new(dims, in_pieces.then(Vec::new)); times.len()];
    let summary = run(&mut predicted)?;
    if in_pieces {
        for (predicted, &cells) in predicted.iter_mut().zip(cells) {
            let weights = std::mem::take(&mut predicted.weights);
            let lives = weights.iter().any(|&weight| weight > 0.0);
            let rows = if lives { sampling.rows(&weights, cells, draw)? } else { vec![] };
            *predicted = Predicted::new(dims, Some(rows));
        }
        run(&mut predicted)?;
    }
    Ok((predicted, summary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::ClosedForm;
    use crate::simulate::BLOCK;
    use crate::simulate::simulation::Process;
    use crate::snapshots::{MatrixView, Snapshots};
    use crate::transport::cloud::SnapshotCells;

    #[test]
    fn what_is_predicted_in_pieces_is_as_far_from_cells_as_what_is_predicted_at_once() {
        let fields = ClosedForm {
            dims: 1,
            sigma: 0.3,
            velocity: Box::new(|_, x, v| v[0] = x[0].sin()),
            growth: Box::new(|_, x| x[0].cos()),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        };
        let first = PIECE + BLOCK + 9;
        let points: Vec<f32> = (0..first + 500).map(|i| (i as f32 * 0.37).sin()).collect();
        let labels: Vec<f64> = (0..points.len()).map(|i| if i < first { 0.0 } else { 1.0 }).collect();
        let weights: Vec<f64> = (0..points.len()).map(|i| 1.0 + (i % 3) as f64).collect();
        let view = MatrixView::from_f32(&points, points.len(), 1).unwrap();
        let snapshots = Snapshots::new(view, &labels, Some(&weights)).unwrap();
        let (sampling, stop) = (Sampling { exact_cells: 90, seed: 2 }, Stop::default());
        let cells = SnapshotCells::new(&snapshots, 1);
        for process in [Process::Ode, Process::Sde, Process::Branching] {
            let simulation = Simulation { process, step: Some(0.25), seed: 5, ..Simulation::default() };
            let founders = Founders::of_snapshot(&snapshots, 0, &simulation).unwrap();
            let (predicted, summary) =
                predict((&simulation, &fields), &founders, (&[1.0], &[500]), (&sampling, 3), &stop).unwrap();
            let start = Particles::of_snapshot(&snapshots, 0);
            let whole = simulation.run(&fields, &start, &[1.0], &stop).unwrap();
            assert_eq!(summary.outside, whole.trajectory.outside);
            let mut at_once = Predicted::new(1, None);
            at_once.extend(&whole.trajectory.frames[0]);
            assert!(predicted[0].weights == at_once.weights, "{process}");
            assert_eq!(founders.mass(), start.mass());
            // Thirty of each of eight samples.
            assert!(predicted[0].points.len() <= 240 && at_once.points.len() > PIECE / 2);
            let distances = |predicted| sampling.distances(predicted, &cells, 3, &stop).unwrap();
            assert_eq!(distances(&predicted[0]), distances(&at_once), "{process}");
        }
    }
}
