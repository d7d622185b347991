//! The guard: networks are not asked about places where there were no cells.

use crate::error::{Error, Result};
use crate::snapshots::Snapshots;

/// For each interval between snapshots, the smallest box that holds the cells of both: what lies outside of it is moved to the
/// nearest place inside before a network sees it.
///
/// A network was taught nothing outside of the cells' hull. Its output goes on there, linearly or worse: a particle that has
/// strayed is driven farther out, and growth compounds along its way. Clamped, a field outside of the box is what it is at the
/// box's border. Before the first snapshot and after the last, the box of the nearest interval holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// The times of the snapshots, increasing; two at least.
    times: Vec<f64>,
    /// The corners of the boxes, one row of d coordinates an interval.
    lower: Vec<f32>,
    upper: Vec<f32>,
}

impl Guard {
    /// The guard of the cells that fields are learned from.
    pub(crate) fn of(snapshots: &Snapshots) -> Self {
        let extreme = |k: usize, of: fn(f32, f32) -> f32| -> Vec<f32> {
            let mut rows = snapshots.cells_of(k).chain(snapshots.cells_of(k + 1));
            let first = rows.next().map(<[f32]>::to_vec).unwrap_or_default();
            rows.fold(first, |corner, row| corner.iter().zip(row).map(|(&a, &b)| of(a, b)).collect())
        };
        let corners =
            |of: fn(f32, f32) -> f32| (0..snapshots.len() - 1).flat_map(|k| extreme(k, of)).collect();
        Self { times: snapshots.times().to_vec(), lower: corners(f32::min), upper: corners(f32::max) }
    }

    /// One box of all cells, at all times.
    pub(crate) fn around(snapshots: &Snapshots) -> Self {
        let extreme = |of: fn(f32, f32) -> f32| -> Vec<f32> {
            let mut rows = snapshots.all_cells();
            let first = rows.next().map(<[f32]>::to_vec).unwrap_or_default();
            rows.fold(first, |corner, row| corner.iter().zip(row).map(|(&a, &b)| of(a, b)).collect())
        };
        let times = snapshots.times();
        Self {
            times: vec![times[0], times[times.len() - 1]],
            lower: extreme(f32::min),
            upper: extreme(f32::max),
        }
    }

    /// The guard of these boxes, in `dims` dimensions.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless two times or more increase, and there is one box an interval, with no corner above the other.
    pub(crate) fn new(dims: usize, times: Vec<f64>, lower: Vec<f32>, upper: Vec<f32>) -> Result<Self> {
        let apart = |pair: &[f64]| pair[1] > pair[0] && (pair[1] - pair[0]).is_finite();
        let numbers = times.len().saturating_sub(1) * dims;
        let sides = lower.iter().zip(&upper);
        if times.len() < 2 || !times.windows(2).all(apart) {
            return Err(Error::InvalidData("the times of the guard do not increase".into()));
        }
        if lower.len() != numbers
            || upper.len() != numbers
            || !sides.into_iter().all(|(low, high)| low <= high)
        {
            return Err(Error::InvalidData(format!(
                "the guard must have a lower and an upper corner of {dims} numbers for each of {} intervals",
                times.len() - 1
            )));
        }
        Ok(Self { times, lower, upper })
    }

    /// The times between which the boxes hold.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// All lower and all upper corners, one row an interval.
    pub fn corners(&self) -> (&[f32], &[f32]) {
        (&self.lower, &self.upper)
    }

    /// The lower and the upper corner of the box at a time; on the border of two intervals, that of the later one.
    pub fn at(&self, time: f64) -> (&[f32], &[f32]) {
        let intervals = self.times.len() - 1;
        let dims = self.lower.len() / intervals;
        let k = self.times[1..intervals].partition_point(|&border| border <= time);
        (&self.lower[k * dims..(k + 1) * dims], &self.upper[k * dims..(k + 1) * dims])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    #[test]
    fn each_interval_has_the_smallest_box_of_the_cells_at_its_ends() {
        let points = [0.0, 1.0, 2.0, -1.0, 5.0, 5.0, 9.0, 2.0];
        let view = MatrixView::from_f64(&points, 4, 2).unwrap();
        let guard = Guard::of(&Snapshots::new(view, &[0.0, 0.0, 1.0, 4.0], None).unwrap());
        let first = (&[0.0, -1.0][..], &[5.0, 5.0][..]);
        let last = (&[5.0, 2.0][..], &[9.0, 5.0][..]);
        for (time, want) in [(-7.0, first), (0.5, first), (1.0, last), (3.0, last), (9.0, last)] {
            assert_eq!(guard.at(time), want, "{time}");
        }
        let (times, (lower, upper)) = (guard.times().to_vec(), guard.corners());
        assert_eq!(Guard::new(2, times.clone(), lower.to_vec(), upper.to_vec()).unwrap(), guard);
        for (dims, times, lower, upper) in [
            (2, times.clone(), upper.to_vec(), lower.to_vec()),
            (3, times.clone(), lower.to_vec(), upper.to_vec()),
            (2, vec![0.0, 1.0, 1.0], lower.to_vec(), upper.to_vec()),
            (2, vec![0.0], vec![], vec![]),
            (2, times, vec![f32::NAN; 4], upper.to_vec()),
        ] {
            assert!(Guard::new(dims, times, lower, upper).is_err());
        }
    }
}
