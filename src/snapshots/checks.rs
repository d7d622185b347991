//! What is refused of cells, times and weights, and the order in which they are kept.

use super::{MatrixView, time_order};
use crate::error::{Error, Result};

pub(super) fn checked_order(
    points: &MatrixView<'_>,
    labels: &[f64],
    weights: Option<&[f64]>,
) -> Result<Vec<usize>> {
    if points.cols() == 0 {
        return Err(Error::InvalidData(
            "the cells have no coordinates: at least one column is needed".into(),
        ));
    }
    check_len("labels", labels.len(), points.rows())?;
    if let Some(weights) = weights {
        check_len("weights", weights.len(), points.rows())?;
    }
    if let Some(row) = labels.iter().position(|t| !t.is_finite()) {
        let message = format!("row {}: the time is {}, which is not a finite number", row + 1, labels[row]);
        return Err(Error::InvalidData(message));
    }
    check_resolution(points)?;
    let order = time_order(labels);
    check_times(&sorted_times(labels, &order).0)?;
    Ok(order)
}

/// The different times of ordered labels, and how many cells there are before each, and in all.
pub(super) fn sorted_times(labels: &[f64], order: &[usize]) -> (Vec<f64>, Vec<usize>) {
    let (mut times, mut offsets) = (vec![], vec![]);
    for (position, &row) in order.iter().enumerate() {
        // −0 and 0 are one time.
        if position == 0 || labels[row] != labels[order[position - 1]] {
            times.push(labels[row] + 0.0);
            offsets.push(position);
        }
    }
    offsets.push(order.len());
    (times, offsets)
}

/// The weights in the order of the cells; 1 each where none are given.
pub(super) fn ordered_weights(weights: Option<&[f64]>, order: &[usize]) -> Result<Vec<f64>> {
    let Some(weights) = weights else { return Ok(vec![1.0; order.len()]) };
    let of_row = |&row: &usize| {
        let weight = weights[row];
        if weight >= 0.0 && weight.is_finite() {
            return Ok(weight);
        }
        let message = format!("row {}: the weight is {weight}; weights are finite and not negative", row + 1);
        Err(Error::InvalidData(message))
    };
    order.iter().map(of_row).collect()
}

/// How many there are before each, and in all.
pub(super) fn offsets_of(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut offsets = vec![0];
    offsets.extend(counts.scan(0, |all, count| {
        *all += count;
        Some(*all)
    }));
    offsets
}

pub(super) fn check_len(name: &str, got: usize, want: usize) -> Result<()> {
    if got == want {
        Ok(())
    } else {
        Err(Error::argument(name, format!("{got} values"), &format!("{want} values")))
    }
}

/// Times are told apart by at least this part of the span of all.
pub(super) const RESOLVED_TIME: f64 = 1e-9;

/// Half the span, which is finite where the span is not.
pub(super) fn half_span(times: &[f64]) -> f64 {
    times.last().zip(times.first()).map_or(0.0, |(last, first)| last / 2.0 - first / 2.0)
}

/// Refuses increasing times of which two are one but for rounding: between them cells would have to move at once.
fn check_times(times: &[f64]) -> Result<()> {
    let least = RESOLVED_TIME * half_span(times);
    match times.windows(2).find(|pair| pair[1] / 2.0 - pair[0] / 2.0 < least) {
        None => Ok(()),
        Some(pair) => Err(Error::InvalidData(format!(
            "times {} and {} differ by {:.1e}, less than {RESOLVED_TIME:e} of the span of all times: cells of one snapshot \
             must have one label; round the labels",
            pair[0],
            pair[1],
            pair[1] - pair[0]
        ))),
    }
}

/// The spread of the cells is resolved into at least so many steps of single precision.
const RESOLVED_STEPS: f64 = 1e4;

/// Refuses cells that single precision would blur: where a coordinate is large, its steps are wide, and they must be small
/// beside the widest spread of any coordinate, which is what distances between cells are made of. A coordinate that is the same
/// for all cells has nothing to blur.
fn check_resolution(points: &MatrixView<'_>) -> Result<()> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); points.cols()];
    for row in 0..points.rows() {
        for (col, (low, high)) in ranges.iter_mut().enumerate() {
            let x = points.get(row, col);
            (*low, *high) = (low.min(x), high.max(x));
        }
    }
    let widest = ranges.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    for (col, (low, high)) in ranges.into_iter().enumerate() {
        let size = low.abs().max(high.abs());
        // What is not finite is refused by its row. The step from a number of single precision to the next is at most this.
        let step = size * f64::from(f32::EPSILON);
        if low < high && size.is_finite() && widest < RESOLVED_STEPS * step {
            return Err(Error::InvalidData(format!(
                "coordinate {}: its values are as large as {size:.3e} and spread over {:.1e} (the widest coordinate over \
                 {widest:.1e}), but points are kept in single precision, whose steps are {step:.1e} there; subtract the \
                 mean of the coordinate first",
                col + 1,
                high - low
            )));
        }
    }
    Ok(())
}

pub(super) fn coordinate(value: f64, row: usize, col: usize) -> Result<f32> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    let what =
        if value.is_finite() { "is beyond single precision (3.4e38)" } else { "is not a finite number" };
    Err(Error::InvalidData(format!("row {}, coordinate {}: {value} {what}", row + 1, col + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::Snapshots;

    fn line(points: &[f64], labels: &[f64]) -> Result<Snapshots> {
        Snapshots::new(MatrixView::from_f64(points, labels.len(), points.len() / labels.len())?, labels, None)
    }

    fn refusal(made: Result<Snapshots>) -> String {
        match made {
            Err(Error::InvalidData(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_that_differ_by_rounding_are_refused_and_found() {
        let points = [0.0, 1.0, 2.0, 3.0];
        let message = refusal(line(&points, &[0.0, 0.3, 0.1 + 0.2, 1.0]));
        assert!(message.contains("0.3 and 0.30000000000000004"), "{message}");
        for labels in [[0.0, 1e-8, 0.3, 1.0], [-1e308, 0.0, 1e300, 1e308], [5.0; 4], [-0.0, 0.0, 1.0, 1.0]] {
            assert!(line(&points, &labels).is_ok(), "{labels:?}");
        }
        assert!(line(&points, &[-1e308, 0.0, 1e298, 1e308]).is_err());
        let snapshots = line(&points, &[0.0, 0.1 + 0.2, 0.6, 1.0]).unwrap();
        assert_eq!(snapshots.index_of(0.3), Ok(1));
        assert_eq!(snapshots.without(&[0.3]).unwrap().times(), [0.0, 0.6, 1.0]);
        assert!(snapshots.index_of(0.3 + 1e-8).is_err() && snapshots.index_of(f64::NAN).is_err());
    }

    #[test]
    fn cells_that_single_precision_would_blur_are_refused() {
        let times = [0.0, 0.0, 1.0, 1.0];
        for offset in [1e7, -1e9] {
            let points = [0.0, 0.1, 1.0, 1.2].map(|x| x + offset);
            let message = refusal(line(&points, &times));
            assert!(message.contains("coordinate 1") && message.contains("subtract the mean"), "{message}");
        }
        // A kilometre from the origin, metres are resolved into a tenth of a millimetre.
        assert!(line(&[1000.0, 1001.0, 1002.0, 1003.0], &times).is_ok());
        // All the same; far from the origin in a coordinate that does not vary; rounded beside a much wider coordinate.
        assert!(line(&[1e9; 4], &times).is_ok());
        assert!(line(&[0.0, 1e9, 0.1, 1e9, 0.5, 1e9, 0.7, 1e9], &times).is_ok());
        assert!(line(&[0.0, 1e6, 3e3, 1e6 + 1.0, 5e3, 1e6, 0.0, 1e6], &times).is_ok());
        assert!(line(&[0.0, 1e6, 0.0, 1e6 + 1.0, 1.0, 1e6, 1.0, 1e6], &times).is_err());
    }
}
