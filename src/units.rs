//! The change of units between data and networks.

use crate::snapshots::Snapshots;

/// The change of units between data and networks: networks see (t − start)/duration and (x − centre)/length.
///
/// It is chosen from the data alone, so that a fit does not depend on the units in which a caller measures time and
/// space: `length` is the root mean square deviation of a coordinate from its mean, `duration` the mean interval.
/// The length is the same in all directions, so that distances keep their meaning.
///
/// Where the intervals between snapshots differ, each has a unit of time of its own, its length: networks see snapshot k
/// at time k, and what they learn is a velocity in lengths an interval, a growth rate an interval, a score in the noise of
/// an interval. So a short interval is learned as well as a long one. Before the first snapshot and after the last, the
/// units of the nearest interval go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The mean of the cells.
    pub centre: Vec<f64>,
    /// The unit of length.
    pub length: f64,
    /// The first time.
    pub start: f64,
    /// The mean interval: the unit of time where all intervals are equal.
    pub duration: f64,
    /// The times of the snapshots, increasing, where the intervals between them differ; else empty.
    pub knots: Vec<f64>,
}

/// The unit of time in one interval: networks see (t − start)/unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Clock {
    /// The time that would be the networks' 0.
    pub(crate) start: f64,
    /// The unit of time.
    pub(crate) unit: f64,
}

impl Clock {
    /// The networks' time.
    pub(crate) fn read(self, time: f64) -> f64 {
        (time - self.start) / self.unit
    }

    /// The factor from a score network's output, which is of order one, to s, for the diffusion `sigma`.
    pub(crate) fn score_unit(self, sigma: f64) -> f64 {
        sigma / self.unit.sqrt()
    }
}

/// Intervals that differ from their mean by less than this share of it are equal: times are rarely exact.
const EQUAL: f64 = 1e-6;

impl Scaling {
    /// The scaling of a data set; a data set without spread has unit length.
    pub fn of(snapshots: &Snapshots) -> Self {
        let dims = snapshots.dims();
        let cells = snapshots.cells() as f64;
        let mut centre = vec![0.0; dims];
        for row in snapshots.all_cells() {
            centre.iter_mut().zip(row).for_each(|(c, &x)| *c += f64::from(x) / cells);
        }
        let squares: f64 = snapshots
            .all_cells()
            .map(|row| row.iter().zip(&centre).map(|(&x, c)| (f64::from(x) - c).powi(2)).sum::<f64>())
            .sum();
        let length = (squares / (cells * dims as f64)).sqrt();
        let times = snapshots.times();
        let duration = (times[times.len() - 1] - times[0]) / (times.len() - 1).max(1) as f64;
        let differ = times.windows(2).any(|pair| (pair[1] - pair[0] - duration).abs() > EQUAL * duration);
        Self {
            centre,
            length: if length > 0.0 && length.is_finite() { length } else { 1.0 },
            start: times[0],
            duration: if duration > 0.0 { duration } else { 1.0 },
            knots: if differ { times.to_vec() } else { vec![] },
        }
    }

    /// The same with the time from the first snapshot to the last as the unit, of those who know no others.
    pub(crate) fn of_ends(snapshots: &Snapshots) -> Self {
        let times = snapshots.times();
        let duration = times[times.len() - 1] - times[0];
        Self { duration, knots: vec![], ..Self::of(snapshots) }
    }

    /// The unit of time at a time; on the border of two intervals, that of the later one.
    pub(crate) fn clock(&self, time: f64) -> Clock {
        // Neither the first nor the last snapshot is a border.
        let borders = self.knots.get(1..self.knots.len().saturating_sub(1)).unwrap_or_default();
        self.clock_of(borders.partition_point(|&border| border <= time))
    }

    /// The unit of time in the interval that begins with snapshot `interval`.
    pub(crate) fn clock_of(&self, interval: usize) -> Clock {
        match self.knots.get(interval..interval + 2) {
            Some(&[from, to]) => {
                let unit = to - from;
                Clock { start: from - interval as f64 * unit, unit }
            }
            _ => Clock { start: self.start, unit: self.duration },
        }
    }

    /// A place in network units.
    pub(crate) fn placed<'a>(&'a self, point: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let Self { centre, length, .. } = self;
        point.iter().zip(centre).map(move |(&x, centre)| ((f64::from(x) - centre) / length) as f32)
    }

    /// The network input for `point` at the networks' time `time`: a row (t, x).
    pub(crate) fn write_row(&self, time: f64, point: impl Iterator<Item = f32>, row: &mut [f32]) {
        row[0] = time as f32;
        for ((input, x), centre) in row[1..].iter_mut().zip(point).zip(&self.centre) {
            *input = ((f64::from(x) - centre) / self.length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    fn at(times: &[f64]) -> Scaling {
        let points: Vec<f64> = (0..times.len()).map(|i| i as f64).collect();
        Scaling::of(
            &Snapshots::new(MatrixView::from_f64(&points, times.len(), 1).unwrap(), times, None).unwrap(),
        )
    }

    #[test]
    fn equal_intervals_have_one_unit_up_to_the_rounding_of_times() {
        for times in [vec![3.0, 5.0], vec![0.0, 0.1, 0.2, 0.1 + 0.2], vec![1.0, 2.0 + 1e-7, 3.0]] {
            let scaling = at(&times);
            assert!(scaling.knots.is_empty(), "{times:?}");
            let whole = Clock { start: times[0], unit: scaling.duration };
            for time in [-1.0, times[0], 1.7, 100.0] {
                assert_eq!(scaling.clock(time), whole);
            }
        }
    }

    #[test]
    fn every_snapshot_is_a_unit_after_the_one_before_it_and_time_goes_on_outside() {
        let scaling = at(&[2.0, 2.1, 3.0, 1000.0]);
        for (time, want, unit) in [
            (1.9, -1.0, 0.1),
            (2.0, 0.0, 0.1),
            (2.05, 0.5, 0.1),
            (2.1, 1.0, 0.9),
            (2.55, 1.5, 0.9),
            (3.0, 2.0, 997.0),
            (1000.0, 3.0, 997.0),
            (1997.0, 4.0, 997.0),
        ] {
            let clock = scaling.clock(time);
            assert!(
                (clock.read(time) - want).abs() < 1e-12 && (clock.unit - unit).abs() < 1e-12,
                "at {time}: {clock:?}"
            );
        }
        // From the left, network time is the same on a border.
        assert!((scaling.clock_of(0).read(2.1) - 1.0).abs() < 1e-12);
    }
}
