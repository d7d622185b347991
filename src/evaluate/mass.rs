//! Mass: whether the predicted population grows as the data do.

use rayon::prelude::*;

use crate::dynamics::{FieldValues, Fields, Scratch};
use crate::error::{Error, Result, positive};
use crate::simulate::BLOCK;
use crate::snapshots::Snapshots;

/// The relative mass error (RME) at snapshot `k` of a prediction whose mass went from `start` at the first snapshot to
/// `predicted`: |predicted/start − M_k/M_0| / (M_k/M_0), M being the masses of the snapshots.
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

/// The growth correlation: Pearson's correlation between the learned g(x, t) and a given growth rate, over all cells of
/// all snapshots, each at its own time. `truth` takes (time, point).
///
/// # Errors
/// [`Error::InvalidData`] if either takes one value only, since the correlation is not defined then.
pub fn growth_correlation(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    truth: impl Fn(f64, &[f32]) -> f64,
) -> Result<f64> {
    let (mut learned, mut given) = (Vec::new(), Vec::new());
    for (k, &time) in snapshots.times().iter().enumerate() {
        let points = snapshots.points(k);
        let mut growth = vec![0.0; snapshots.count(k)];
        let blocks = points.par_chunks(BLOCK * snapshots.dims()).zip(growth.par_chunks_mut(BLOCK));
        blocks.for_each_init(Scratch::default, |scratch, (points, growth)| {
            fields.evaluate(
                time,
                points,
                FieldValues { growth: Some(growth), ..Default::default() },
                scratch,
            );
        });
        learned.extend(growth.into_iter().map(f64::from));
        given.extend(points.chunks_exact(snapshots.dims()).map(|x| truth(time, x)));
    }
    correlation(&learned, &given).ok_or_else(|| {
        Error::InvalidData(
            "the growth correlation is not defined: a growth rate is the same at all cells".into(),
        )
    })
}

/// Pearson's correlation; none if a variance is zero or not finite.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    let value = ab / (aa * bb).sqrt();
    value.is_finite().then_some(value)
}
