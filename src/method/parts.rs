//! The parts of a snapshot: k-means of its cells.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::snapshots::Snapshots;
use crate::snapshots::kmeans::Points;

/// Starts of which the best is kept.
const STARTS: u64 = 8;

/// The cells of snapshot `k` that weigh anything, in `count` parts whose weighted squared distances from their means are least, of so many
/// random starts: the rows of each, the heaviest part first (Lloyd, IEEE Trans. Inf. Theory 1982; starts by Arthur, Vassilvitskii, SODA 2007).
///
/// # Errors
/// [`Error::InvalidArgument`] for more parts than the cells are at different places; [`Error::Cancelled`].
pub(super) fn parts(
    snapshots: &Snapshots,
    k: usize,
    count: usize,
    seed: u64,
    stop: &Stop,
) -> Result<Vec<Vec<usize>>> {
    let weights = snapshots.weights(k);
    let rows: Vec<usize> = (0..weights.len()).filter(|&row| weights[row] > 0.0).collect();
    // Of −0 and 0 both are 0.
    let place =
        |&row: &usize| snapshots.point(k, row).iter().map(|x| (x + 0.0).to_bits()).collect::<Vec<_>>();
    let mut places = BTreeSet::new();
    if !rows.iter().any(|row| places.insert(place(row)) && places.len() == count) {
        let allowed = format!(
            "at most {}, the different places of the cells at time {}",
            places.len(),
            snapshots.times()[k]
        );
        return Err(Error::argument("branches", count, &allowed));
    }
    let points: Vec<f64> = rows.iter().flat_map(|&row| snapshots.point(k, row)).map(|&x| x.into()).collect();
    let weights: Vec<f64> = rows.iter().map(|&row| weights[row]).collect();
    let cells = Points { coordinates: &points, weights: &weights, dims: snapshots.dims() };
    let mut best: Option<(f64, Vec<usize>)> = None;
    for start in 0..if count == 1 { 1 } else { STARTS } {
        let (spread, labels) = cells.settle(count, &mut stream(seed, Purpose::Branch, start, 0), stop)?;
        let is_better = best.as_ref().is_none_or(|(least, _)| spread < *least);
        if is_better && (0..count).all(|part| labels.contains(&part)) {
            best = Some((spread, labels));
        }
    }
    let Some((_, labels)) = best else {
        let allowed =
            format!("fewer: k-means leaves parts of the cells at time {} empty", snapshots.times()[k]);
        return Err(Error::argument("branches", count, &allowed));
    };
    let mut parts: Vec<(f64, Vec<usize>)> = vec![(0.0, vec![]); count];
    for ((&label, &row), weight) in labels.iter().zip(&rows).zip(&weights) {
        parts[label].0 += weight;
        parts[label].1.push(row);
    }
    parts.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
    Ok(parts.into_iter().map(|(_, rows)| rows).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    fn cells(points: &[f64], weights: Option<&[f64]>) -> Snapshots {
        let rows = points.len() / 2;
        Snapshots::new(MatrixView::from_f64(points, rows, 2).unwrap(), &vec![0.0; rows], weights).unwrap()
    }

    #[test]
    fn clouds_that_are_apart_are_the_parts_the_heaviest_first() {
        let cloud =
            |x: f64, n: usize| (0..n).flat_map(move |i| [x + (i as f64 * 0.7).sin(), (i as f64 * 1.3).cos()]);
        let points: Vec<f64> = cloud(0.0, 30).chain(cloud(20.0, 50)).chain(cloud(-20.0, 40)).collect();
        let clouds = [30..80, 80..120, 0..30].map(|rows| rows.collect::<Vec<usize>>());
        for seed in 0..5 {
            assert_eq!(parts(&cells(&points, None), 0, 3, seed, &Stop::default()).unwrap(), clouds, "{seed}");
        }
        // By weight, not by number; what weighs nothing is in no part.
        let weight = |row: usize| if row < 30 { 3.0 } else { f64::from(u8::from(row != 40)) };
        let weights: Vec<f64> = (0..120).map(weight).collect();
        let found = parts(&cells(&points, Some(&weights)), 0, 3, 1, &Stop::default()).unwrap();
        let without: Vec<usize> = (30..80).filter(|&row| row != 40).collect();
        assert_eq!(found, [(0..30).collect(), without, (80..120).collect::<Vec<usize>>()]);
    }

    #[test]
    fn there_are_no_more_parts_than_places() {
        let three = cells(&[0.0, 0.0, 1.0, 1.0, -0.0, 0.0], None);
        assert_eq!(parts(&three, 0, 2, 1, &Stop::default()).unwrap(), [vec![0, 2], vec![1]]);
        let told = parts(&three, 0, 3, 1, &Stop::default()).unwrap_err().to_string();
        assert_eq!(told, "branches must be at most 2, the different places of the cells at time 0, got 3");
    }
}
