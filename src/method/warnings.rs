//! Why a fit may mean little although nothing went wrong: what a report warns of.

use super::FitReport;
use crate::snapshots::Snapshots;

/// Fewer steps of single precision than this over the range of a coordinate, and its cells are told apart badly.
const FEWEST_STEPS: f64 = 256.0;

/// More of an interval's mass without a partner than this share of it is worth a word.
const MOST_UNMATCHED: f64 = 0.5;

/// What is odd about the cells themselves, as single precision holds them.
pub(super) fn of_cells(snapshots: &Snapshots) -> Vec<String> {
    let dims = snapshots.dims();
    let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); dims];
    for row in snapshots.all_points().chunks_exact(dims) {
        ranges.iter_mut().zip(row).for_each(|((low, high), &x)| (*low, *high) = (low.min(x), high.max(x)));
    }
    if ranges.iter().all(|(low, high)| low == high) {
        return vec![
            "all cells are at the same point, as single precision holds their coordinates: there is no motion to learn, and \
             lengths chosen from the data (sigma, delta) mean nothing"
                .into(),
        ];
    }
    let of_coordinate = |(j, &(low, high)): (usize, &(f32, f32))| {
        let largest = f64::from(low.abs().max(high.abs()));
        let (range, step) = (f64::from(high) - f64::from(low), largest * f64::from(f32::EPSILON));
        (largest > 0.0 && range < FEWEST_STEPS * step).then(|| {
            format!(
                "coordinate {} lies within {range:.3e} of {high:e}, of which single precision tells {:.0} steps apart: subtract \
                 its mean from it",
                j + 1,
                range / step
            )
        })
    };
    ranges.iter().enumerate().filter_map(of_coordinate).collect()
}

/// Intervals of which most mass has no partner: they say little of how cells move.
pub(super) fn of_couplings(snapshots: &Snapshots, report: &FitReport) -> Vec<String> {
    let of_interval = |(k, &(dying, born)): (usize, &(f64, f64))| {
        let share = (dying + born) / (snapshots.mass(k) + snapshots.mass(k + 1));
        let delta = report.delta.map_or(String::new(), |delta| format!(" (delta is {delta:.4})"));
        (share > MOST_UNMATCHED).then(|| {
            format!(
                "from time {} to {}, {:.0} % of the cells' mass has no partner within reach and counts as dying or born: a \
                 larger delta reaches farther{delta}",
                snapshots.times()[k],
                snapshots.times()[k + 1],
                100.0 * share
            )
        })
    };
    report.unmatched_mass.iter().enumerate().filter_map(of_interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    fn cells(points: &[f64]) -> Snapshots {
        let rows = points.len() / 2;
        let labels: Vec<f64> = (0..rows).map(|i| if i < rows / 2 { 0.0 } else { 1.0 }).collect();
        Snapshots::new(MatrixView::from_f64(points, rows, 2).unwrap(), &labels, None).unwrap()
    }

    #[test]
    fn cells_that_single_precision_cannot_tell_apart_are_warned_of_and_others_are_not() {
        let warned = |points: &[f64]| of_cells(&cells(points)).join("\n");
        assert_eq!(warned(&[0.0, 1.0, 2.0, -1.0]), "");
        assert_eq!(
            warned(&[0.0, 1.0, 0.0, -1.0]),
            "",
            "a coordinate that is 0 everywhere is no matter of precision"
        );
        assert!(warned(&[3.0, 1.0, 3.0, 1.0]).contains("the same point"));
        assert!(warned(&[1e9, 1.0, 1e9 + 640.0, 2.0]).starts_with("coordinate 1 lies within 6.4"));
        assert!(warned(&[0.0, 1e9, 1.0, 1e9 + 3.0]).starts_with("coordinate 2"));
    }

    #[test]
    fn intervals_of_which_most_mass_is_unmatched_are_warned_of() {
        let warned = |dying: f64, born: f64| {
            let report =
                FitReport { unmatched_mass: vec![(dying, born)], delta: Some(0.01), ..Default::default() };
            of_couplings(&cells(&[0.0; 8]), &report).join("\n")
        };
        assert_eq!(warned(1.0, 1.0), "");
        assert!(warned(2.0, 1.0).contains("from time 0 to 1, 75 % of the cells' mass"));
    }
}
