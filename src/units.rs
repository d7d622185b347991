//! The change of units between data and networks.

use crate::snapshots::Snapshots;

/// The change of units between data and networks: networks see (t − start)/duration and (x − centre)/length.
///
/// It is chosen from the data alone, so that a fit does not depend on the units in which a caller measures time and
/// space: `length` is the root mean square deviation of a coordinate from its mean, `duration` the mean interval.
/// The length is the same in all directions, so that distances keep their meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The mean of the cells.
    pub centre: Vec<f64>,
    /// The unit of length.
    pub length: f64,
    /// The first time.
    pub start: f64,
    /// The unit of time.
    pub duration: f64,
}

impl Scaling {
    /// The scaling of a data set; a data set without spread has unit length.
    pub fn of(snapshots: &Snapshots) -> Self {
        let (dims, points) = (snapshots.dims(), snapshots.all_points());
        let cells = (points.len() / dims) as f64;
        let mut centre = vec![0.0; dims];
        for row in points.chunks_exact(dims) {
            centre.iter_mut().zip(row).for_each(|(c, &x)| *c += f64::from(x) / cells);
        }
        let squares: f64 = points
            .chunks_exact(dims)
            .map(|row| row.iter().zip(&centre).map(|(&x, c)| (f64::from(x) - c).powi(2)).sum::<f64>())
            .sum();
        let length = (squares / (cells * dims as f64)).sqrt();
        let times = snapshots.times();
        let duration = (times[times.len() - 1] - times[0]) / (times.len() - 1).max(1) as f64;
        Self {
            centre,
            length: if length > 0.0 && length.is_finite() { length } else { 1.0 },
            start: times[0],
            duration: if duration > 0.0 { duration } else { 1.0 },
        }
    }

    /// The factor from a score network's output, which is of order one, to s, for the diffusion `sigma`.
    pub(crate) fn score_unit(&self, sigma: f64) -> f64 {
        sigma / self.duration.sqrt()
    }

    /// The network input for `points` at `time`: rows (t, x) in network units.
    pub(crate) fn write_row(&self, time: f64, point: &[f32], row: &mut [f32]) {
        row[0] = ((time - self.start) / self.duration) as f32;
        for ((input, &x), centre) in row[1..].iter_mut().zip(point).zip(&self.centre) {
            *input = ((f64::from(x) - centre) / self.length) as f32;
        }
    }
}
