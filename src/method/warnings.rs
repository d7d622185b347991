//! Why a fit may mean little although nothing went wrong: what a report warns of.

use super::FitReport;
use crate::snapshots::Snapshots;

/// More of an interval's mass without a partner than this share of it is worth a word.
const MOST_UNMATCHED: f64 = 0.5;

/// What is odd about the cells themselves, as single precision holds them.
pub(super) fn of_cells(snapshots: &Snapshots) -> Vec<String> {
    let dims = snapshots.dims();
    let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); dims];
    for row in snapshots.all_cells() {
        ranges.iter_mut().zip(row).for_each(|((low, high), &x)| (*low, *high) = (low.min(x), high.max(x)));
    }
    if ranges.iter().all(|(low, high)| low == high) {
        return vec![
            "all cells are at the same point, as single precision holds their coordinates: there is no motion to learn, and \
             lengths chosen from the data (sigma, delta) mean nothing"
                .into(),
        ];
    }
    vec![]
}

/// Intervals of which most mass has no partner, which say little of how cells move, and clones that were parted.
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
    let mut warnings: Vec<String> =
        report.unmatched_mass.iter().enumerate().filter_map(of_interval).collect();
    if snapshots.clones(0).is_some() && report.couplings.iter().any(|blocks| blocks.len() > 1) {
        warnings.push(
            "clones are known, but cells were coupled in random blocks: cells of a clone in different blocks are not joined; a \
             chunk_size as large as the snapshots couples them all at once"
                .into(),
        );
    }
    warnings
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

    /// Those that single precision tells apart badly are refused before: see `Snapshots`.
    #[test]
    fn cells_that_are_all_at_one_point_are_warned_of_and_others_are_not() {
        let warned = |points: &[f64]| of_cells(&cells(points)).join("\n");
        assert_eq!(warned(&[0.0, 1.0, 2.0, -1.0]), "");
        assert!(warned(&[3.0, 1.0, 3.0, 1.0]).contains("the same point"));
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
