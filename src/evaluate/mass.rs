//! Mass: whether the predicted population grows as the data do.

use rayon::prelude::*;

use crate::error::{Error, Result, positive};
use crate::exec::stop::Stop;
use crate::fields::{FieldValues, Fields, Scratch, require_whole};
use crate::simulate::BLOCK;
use crate::snapshots::Snapshots;

/// The relative mass error (RME) at snapshot `k` of a prediction whose mass went from `start` at the first
/// snapshot to `predicted`: |predicted/start − M_k/M_0| / (M_k/M_0), M being the masses of the snapshots.
///
/// # Errors
/// [`Error::InvalidArgument`] if `start` is not positive and finite, or `predicted` negative or not finite.
pub fn relative_mass_error(start: f64, predicted: f64, snapshots: &Snapshots, k: usize) -> Result<f64> {
    positive("mass at the start", start)?;
    if !(predicted >= 0.0 && predicted.is_finite()) {
        return Err(Error::argument("predicted mass", predicted, "finite and not negative"));
    }
    let observed = snapshots.mass(k) / snapshots.mass(0);
    Ok((predicted / start - observed).abs() / observed)
}

/// The growth correlation: Pearson's correlation between the learned g(x, t) and a given growth rate, over
/// all cells of all snapshots, each at its own time and with its own weight. `truth` takes (time, point).
///
/// # Errors
/// [`Error::InvalidData`] if either takes one value only, since the correlation is not defined then;
/// [`Error::Cancelled`] once `stop` is requested.
pub fn growth_correlation(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    truth: impl Fn(f64, &[f32]) -> f64,
    stop: &Stop,
) -> Result<f64> {
    let given: Vec<f64> = (0..snapshots.len())
        .flat_map(|k| {
            let time = snapshots.times()[k];
            let truth = &truth;
            snapshots.cells_of(k).map(move |x| truth(time, x))
        })
        .collect();
    let learned = learned_growth(fields, snapshots, stop)?;
    correlation(&weights(snapshots), &learned, &given).ok_or_else(|| {
        Error::InvalidData(
            "the growth correlation is not defined: a growth rate is the same at all cells".into(),
        )
    })
}

/// How far the learned growth rate is from the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GrowthError {
    /// The root mean square of g − truth over that of the truth: 0 where all is known, 1 for a model without growth.
    pub relative: f64,
    /// Pearson's correlation; none if either is the same at all cells.
    pub correlation: Option<f64>,
}

/// The error of the learned g(x, t) at all cells of all snapshots, each at its own time and with its own weight. `truth` has the
/// growth rate of each cell, per unit of time, in the order in which the snapshots hold them.
///
/// # Errors
/// [`Error::InvalidArgument`] unless there is one finite rate a cell; [`Error::InvalidData`] if the truth is zero everywhere;
/// [`Error::Cancelled`] once `stop` is requested.
pub fn growth_error(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    truth: &[f64],
    stop: &Stop,
) -> Result<GrowthError> {
    let (weights, learned) = (weights(snapshots), learned_growth(fields, snapshots, stop)?);
    if truth.len() != learned.len() {
        return Err(Error::argument("truth", truth.len(), &format!("{}, one rate a cell", learned.len())));
    }
    let (mut missed, mut squares) = (0.0, 0.0);
    for ((g, truth), weight) in learned.iter().zip(truth).zip(&weights) {
        if !truth.is_finite() {
            return Err(Error::argument("truth", truth, "finite"));
        }
        missed += weight * (g - truth) * (g - truth);
        squares += weight * truth * truth;
    }
    if squares <= 0.0 {
        return Err(Error::InvalidData(
            "the true growth rate is zero at all cells: no error is relative to it".into(),
        ));
    }
    Ok(GrowthError {
        relative: (missed / squares).sqrt(),
        correlation: correlation(&weights, &learned, truth),
    })
}

/// g(x, t) at all cells of all snapshots, each at its own time.
fn learned_growth(fields: &dyn Fields, snapshots: &Snapshots, stop: &Stop) -> Result<Vec<f64>> {
    require_whole(fields, "a growth rate of cells")?;
    let mut learned = vec![];
    for (k, &time) in snapshots.times().iter().enumerate() {
        let mut growth = vec![0.0; snapshots.count(k)];
        let blocks = growth.par_chunks_mut(BLOCK).enumerate();
        let of_block = |scratch: &mut Scratch, (block, growth): (usize, &mut [f32])| {
            stop.check()?;
            let points = snapshots.points_of(k, block * BLOCK..block * BLOCK + growth.len());
            let values = FieldValues { growth: Some(growth), ..Default::default() };
            fields.evaluate(time, &points, values, scratch);
            Ok(())
        };
        let outcomes: Vec<Result<()>> = blocks.map_init(Scratch::default, of_block).collect();
        outcomes.into_iter().collect::<Result<()>>()?;
        learned.extend(growth.into_iter().map(f64::from));
    }
    Ok(learned)
}

/// The weights of all cells of all snapshots.
fn weights(snapshots: &Snapshots) -> Vec<f64> {
    (0..snapshots.len()).flat_map(|k| snapshots.weights(k)).copied().collect()
}

/// A relative deviation that is no more than the rounding of a weighted mean.
const ROUNDING: f64 = 1e-12;

/// Pearson's correlation of weighted pairs; none if a variance is zero or not finite.
fn correlation(weights: &[f64], a: &[f64], b: &[f64]) -> Option<f64> {
    let total = weights.iter().sum::<f64>();
    let mean = |x: &[f64]| x.iter().zip(weights).map(|(x, w)| w * x).sum::<f64>() / total;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for ((x, y), w) in a.iter().zip(b).zip(weights) {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += w * x * x;
        bb += w * y * y;
        ab += w * x * y;
    }
    // Equal numbers differ from their mean by rounding alone.
    let varies = |squares: f64, mean: f64| squares > total * (ROUNDING * mean) * (ROUNDING * mean);
    let value = ab / (aa * bb).sqrt();
    (varies(aa, mean_a) && varies(bb, mean_b) && value.is_finite()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::ClosedForm;
    use crate::snapshots::MatrixView;

    fn snapshots() -> Snapshots {
        let points = [1.0, 2.0, 0.0, 3.0, 5.0, 4.0];
        let labels = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
        Snapshots::new(MatrixView::from_f64(&points, 6, 1).unwrap(), &labels, None).unwrap()
    }

    fn growing(growth: impl Fn(f64, &[f32]) -> f32 + Sync + Send + 'static) -> ClosedForm {
        ClosedForm {
            dims: 1,
            sigma: 0.0,
            velocity: Box::new(|_, _, v| v.fill(0.0)),
            growth: Box::new(growth),
            score_drift: Box::new(|_, _, s| s.fill(0.0)),
        }
    }

    #[test]
    fn mass_errors_are_relative_to_the_growth_of_the_data() {
        // The data double; a prediction that grows from 10 to 15 is a quarter short.
        assert_eq!(relative_mass_error(10.0, 15.0, &snapshots(), 1), Ok(0.25));
        assert_eq!(relative_mass_error(10.0, 0.0, &snapshots(), 1), Ok(1.0));
        assert!(relative_mass_error(0.0, 1.0, &snapshots(), 1).is_err());
        assert!(relative_mass_error(1.0, f64::NAN, &snapshots(), 1).is_err());
    }

    #[test]
    fn growth_correlation_is_one_for_the_truth_and_undefined_for_a_constant() {
        let fields = growing(|t, x| 2.0 * x[0] + t as f32 - 7.0);
        let truth = |t: f64, x: &[f32]| f64::from(x[0]) + t / 2.0;
        assert!(
            (growth_correlation(&fields, &snapshots(), truth, &Stop::default()).unwrap() - 1.0).abs() < 1e-12
        );
        let opposite =
            growth_correlation(&fields, &snapshots(), |t, x| -truth(t, x), &Stop::default()).unwrap();
        assert!((opposite + 1.0).abs() < 1e-12);
        assert!(growth_correlation(&growing(|_, _| 1.0), &snapshots(), truth, &Stop::default()).is_err());
    }

    #[test]
    fn the_growth_error_is_relative_to_the_truth_and_weighs_cells() {
        // Cells at 1 and 2 at time 0, at 0, 3, 5 and 4 at time 1.
        let snapshots = snapshots();
        let error =
            |fields: &ClosedForm, truth: &[f64]| growth_error(fields, &snapshots, truth, &Stop::default());
        let of_place = growing(|_, x| x[0]);
        let exact = error(&of_place, &[1.0, 2.0, 0.0, 3.0, 5.0, 4.0]).unwrap();
        assert!(exact.relative == 0.0 && (exact.correlation.unwrap() - 1.0).abs() < 1e-12);
        let twice = error(&of_place, &[0.5, 1.0, 0.0, 1.5, 2.5, 2.0]).unwrap();
        assert!((twice.relative - 1.0).abs() < 1e-12, "{twice:?}");
        let none = error(&growing(|_, _| 0.0), &[1.0, 2.0, 0.0, 3.0, 5.0, 4.0]).unwrap();
        assert_eq!((none.relative, none.correlation), (1.0, None));
        assert!(error(&of_place, &[0.0; 6]).is_err());
        assert!(error(&of_place, &[1.0; 5]).is_err());
        assert!(error(&of_place, &[1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0]).is_err());
    }

    #[test]
    fn a_cell_of_weight_three_counts_as_three_in_the_growth_correlation() {
        let fields = growing(|_, x| x[0] * x[0]);
        let truth = |_: f64, x: &[f32]| f64::from(x[0]);
        let of = |points: &[f64], weights: Option<&[f64]>| {
            let labels: Vec<f64> = (0..points.len()).map(|i| if i < 2 { 0.0 } else { 1.0 }).collect();
            let view = MatrixView::from_f64(points, points.len(), 1).unwrap();
            let snapshots = Snapshots::new(view, &labels, weights).unwrap();
            growth_correlation(&fields, &snapshots, truth, &Stop::default()).unwrap()
        };
        let plain = of(&[1.0, -2.0, 3.0, 0.5], None);
        let weighted = of(&[1.0, -2.0, 3.0, 0.5, 9.0], Some(&[1.0, 1.0, 3.0, 1.0, 0.0]));
        let repeated = of(&[1.0, -2.0, 3.0, 3.0, 3.0, 0.5], None);
        assert!((weighted - repeated).abs() < 1e-12, "{weighted}, not {repeated}");
        assert!((weighted - plain).abs() > 0.01, "the weight does matter here");
        let stopped = Stop::default();
        stopped.request();
        assert_eq!(growth_correlation(&fields, &snapshots(), truth, &stopped), Err(Error::Cancelled));
    }
}
