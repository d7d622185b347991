//! Hold-one-out: how well a snapshot is predicted by a model that has not seen it.

use super::{EvaluationOptions, TimePoint, evaluate};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::snapshots::Snapshots;

/// For each of `times` in turn: learns without the snapshot there and measures the prediction of it, from all cells of the
/// first snapshot. The other snapshots keep their true times.
///
/// ```
/// use chreode::evaluate::{EvaluationOptions, Mode, hold_out::hold_out};
/// use chreode::exec::stop::Stop;
/// use chreode::method::{FitOptions, Method, fit};
///
/// let snapshots = chreode::datasets::GeneNetwork { cells_per_state: 20, seed: 1 }.generate()?;
/// let mut options = FitOptions::new(Method::WfrFm);
/// options.training.epochs = 10; // 3000 for a real fit
/// let learn = |seen: &_| Ok(fit(seen, &options, &mut chreode::exec::progress::silent)?.dynamics);
/// let measure = EvaluationOptions { mode: Mode::Ode(Default::default()), runs: 1, seed: 0, delta: 1.0, device: Default::default(), exact_cells: 6000 };
/// let inner = hold_out(&snapshots, &[1.0, 3.0], learn, &measure, &Stop::default())?;
/// assert_eq!((inner.len(), inner[1].time), (2, 3.0));
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidArgument`] for a time that is not one of the inner time points; those of `learn` and of
/// [`evaluate`], [`Error::Cancelled`] among them once `stop` is requested.
pub fn hold_out<F: Fields>(
    snapshots: &Snapshots,
    times: &[f64],
    mut learn: impl FnMut(&Snapshots) -> Result<F>,
    options: &EvaluationOptions,
    stop: &Stop,
) -> Result<Vec<TimePoint>> {
    let (first, last) = (snapshots.times()[0], snapshots.times()[snapshots.len() - 1]);
    let held_out = |&time: &f64| {
        stop.check()?;
        let k = snapshots.index_of(time)?;
        if time == first || time == last {
            let allowed = "between the first and the last time point: fields are learned between snapshots";
            return Err(Error::argument("the held-out time", time, allowed));
        }
        let fields = learn(&snapshots.without(&[time])?)?;
        Ok(evaluate(&fields, snapshots, options, stop)?.time_points[k - 1])
    };
    times.iter().map(held_out).collect()
}
