//! The learned fields at points.

use std::ffi::{CStr, c_char, c_void};
use std::ops::Range;

use rayon::prelude::*;

use super::matrix::{Input, Output, chreode_matrix, chreode_matrix_mut};
use super::model::chreode_model;
use super::pointers::{borrow, put, slice, text};
use super::progress::{Listener, chreode_progress_fn};
use super::status::{Failure, chreode_status, guard};
use crate::error::{Error, Result};
use crate::exec::progress::Stage;
use crate::exec::stop::Stop;
use crate::fields::{FieldValues, Fields, Scratch, SpreadScratch, require_whole};
use crate::model::Dynamics;
use crate::options::nearest;
use crate::simulate::BLOCK;
use crate::snapshots::MatrixView;
use crate::statistics::normal_quantile;

/// A field by its name.
struct Field {
    name: &'static CStr,
    /// How many numbers it has at a point of so many coordinates.
    columns: fn(usize) -> usize,
    /// Whether a model has learned it.
    learned: fn(&Dynamics) -> bool,
    /// Evaluates it at a time and the rows of points.
    evaluate: Evaluate,
    /// Its place among the fields that have error bars; a landscape is known up to a constant only, and has none.
    place: Option<Place>,
}

type Place = for<'a> fn(&'a mut [f32]) -> FieldValues<'a>;

type Evaluate = fn(&Dynamics, f64, &[f32], &mut [f32], &mut Scratch) -> Result<()>;

/// A new field is a new row here, and no new function.
const FIELDS: &[Field] = &[
    Field {
        name: c"velocity",
        columns: |dims| dims,
        learned: |_| true,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { velocity: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
        place: Some(|values| FieldValues { velocity: Some(values), ..Default::default() }),
    },
    Field {
        name: c"growth",
        columns: |_| 1,
        learned: Dynamics::has_growth,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { growth: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
        place: Some(|values| FieldValues { growth: Some(values), ..Default::default() }),
    },
    Field {
        name: c"score_drift",
        columns: |dims| dims,
        learned: Dynamics::has_score,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { score_drift: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
        place: Some(|values| FieldValues { score_drift: Some(values), ..Default::default() }),
    },
    Field {
        name: c"landscape",
        columns: |_| 1,
        learned: Dynamics::has_landscape,
        evaluate: Dynamics::landscape,
        place: None,
    },
];

/// The names of all fields.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name.to_str().unwrap_or_default())
}

/// The names of the fields that a model has learned.
pub(super) fn learned(model: &Dynamics) -> impl Iterator<Item = &'static str> {
    FIELDS.iter().filter(|field| (field.learned)(model)).map(|field| field.name.to_str().unwrap_or_default())
}

/// Tells how many fields there are, the same for every model: one that was not learned is zero, but for the landscape,
/// which is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field_count(
    model: *const chreode_model,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        borrow("model", model)?;
        put("count", count, FIELDS.len())
    })
}

/// Tells the name (static) and the number of columns of the field number `index`, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field_describe(
    model: *const chreode_model,
    index: usize,
    name: *mut *const c_char,
    columns: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let dims = borrow("model", model)?.dynamics.dims();
        let wrong = || Error::argument("index", index, &format!("below {}", FIELDS.len()));
        let field = FIELDS.get(index).ok_or_else(wrong)?;
        put("name", name, field.name.as_ptr())?;
        put("columns", columns, (field.columns)(dims))
    })
}

/// Evaluates a field at points (n x d) of one time into `values` (n rows). The fields are "velocity" (d columns, length per
/// time), "growth" (one column, per time), "score_drift" ((sigma^2/2) grad log p, d columns, length per time) and, of a
/// model that learned one (deep-ruot, var-ruot), "landscape" (Waddington's, one column, squared length per time); see also
/// `chreode_model_field_describe`.
///
/// The rows are shared out among the model's threads. Nothing is copied where both matrices are CHREODE_F32 in C order;
/// other layouts are converted block by block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field(
    model: *const chreode_model,
    field: *const c_char,
    time: f64,
    points: *const chreode_matrix,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        if !time.is_finite() {
            return Err(Error::argument("time", time, "finite").into());
        }
        let asked = Asked::new(model, field, What::Mean, points, values)?;
        asked.model.workers.lend(|threads| threads.run(|| asked.at_one_time(time, &Stop::default())))??;
        Ok(())
    })
}

/// Evaluates a field as `chreode_model_field` does, at points each of which has a time of its own: `times` has one element a row
/// of `points`, or one for all. Rows of equal times are evaluated together, wherever they stand. For calls that may take long,
/// `progress`, which may be NULL, is told and can cancel; `values` are then filled in part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field_at(
    model: *const chreode_model,
    field: *const c_char,
    times: *const f64,
    times_count: usize,
    points: *const chreode_matrix,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let asked = Asked::new(model, field, What::Mean, points, values)?;
        asked.at(times, times_count, Listener::new(progress, user_data))
    })
}

/// Evaluates the standard deviation of a field's error, beside its bias (see `chreode_model_field_quantile`), as `chreode_model_field_at` evaluates the field, in the field's unit. The
/// model must be an ensemble and the field "velocity", "growth" or "score_drift". The variance is that by the cells, over the
/// members (see `chreode_model_member`), and what the distance of the snapshots in time adds: see "uncertainty" of `chreode_model_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field_sd(
    model: *const chreode_model,
    field: *const c_char,
    times: *const f64,
    times_count: usize,
    points: *const chreode_matrix,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let asked = Asked::new(model, field, What::Deviation, points, values)?;
        asked.at(times, times_count, Listener::new(progress, user_data))
    })
}

/// Evaluates the quantile of a level between 0 and 1 of what a field may be, as `chreode_model_field_sd` its standard deviation:
/// the field less its bias plus so many standard deviations, of a normal distribution. The bias is what a finite price of growth against
/// motion, δ², makes wrong to first order, as a fit at half of δ² tells: there is one where "uncertainty" of `chreode_model_info` calls the field
/// "biased", and the quantile of 0.5 is the field without it. Between the quantiles of 0.05 and 0.95 lies the true field at nine cells of ten.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_model_field_quantile(
    model: *const chreode_model,
    field: *const c_char,
    level: f64,
    times: *const f64,
    times_count: usize,
    points: *const chreode_matrix,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    values: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let asked = Asked::new(model, field, What::Quantile(normal_quantile(level)?), points, values)?;
        asked.at(times, times_count, Listener::new(progress, user_data))
    })
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    points: Vec<f32>,
    row: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
    deviations: Vec<f32>,
    spread: SpreadScratch,
}

/// What of a field is asked for.
#[derive(Clone, Copy)]
enum What {
    /// The field, of an ensemble the mean over its members.
    Mean,
    /// The standard deviation of its error.
    Deviation,
    /// The field less its bias, plus so many standard deviations.
    Quantile(f64),
}

/// A field of a model at points, and where its values go.
struct Asked<'a> {
    model: &'a chreode_model,
    field: &'static Field,
    what: What,
    columns: usize,
    points: Input<'a>,
    values: Output,
}

impl<'a> Asked<'a> {
    /// What a caller asks for, checked.
    ///
    /// # Safety
    /// The conventions of the header.
    unsafe fn new(
        model: *const chreode_model,
        field: *const c_char,
        what: What,
        points: *const chreode_matrix,
        values: *const chreode_matrix_mut,
    ) -> std::result::Result<Self, Failure> {
        // SAFETY: the same contract.
        unsafe {
            let model = borrow("model", model)?;
            let name = text("field", field)?;
            let found = FIELDS.iter().find(|field| field.name.to_bytes() == name.as_bytes());
            let field = found.ok_or_else(|| {
                let all = names().collect::<Vec<_>>().join(" ");
                let allowed = format!("one of {all} (nearest: {})", nearest(name, names()));
                Error::argument("field", name, &allowed)
            })?;
            require_whole(&model.dynamics, field.name.to_str().unwrap_or_default())?;
            if !matches!(what, What::Mean) {
                model.dynamics.require_ensemble()?;
                if field.place.is_none() {
                    let allowed =
                        "velocity, growth or score_drift: a landscape is known up to a constant only";
                    return Err(Error::argument("a field with error bars", name, allowed).into());
                }
            }
            let dims = model.dynamics.dims();
            let points = borrow("points", points)?.read("points")?;
            if points.view.cols() != dims {
                let (name, allowed) =
                    ("the number of columns of points", format!("{dims}, the dimension of the model"));
                return Err(Error::argument(name, points.view.cols(), &allowed).into());
            }
            let columns = (field.columns)(dims);
            let values = borrow("values", values)?.check("values", points.view.rows(), columns)?;
            values.apart_from("values", &points)?;
            Ok(Self { model, field, what, columns, points, values })
        }
    }

    /// Evaluates all rows, each at its own time or all at one, while a listener is told.
    ///
    /// # Safety
    /// `times` points to so many numbers.
    unsafe fn at(
        &self,
        times: *const f64,
        times_count: usize,
        listener: Listener,
    ) -> std::result::Result<(), Failure> {
        // SAFETY: the same contract.
        let times = unsafe { slice("times", times, times_count) }?;
        if let Some(row) = times.iter().position(|time| !time.is_finite()) {
            let name = format!("the time of row {}", row + 1);
            return Err(Error::argument(&name, times[row], "finite").into());
        }
        let rows = self.points.view.rows();
        if ![1, rows].contains(&times.len()) {
            let allowed = format!("1, or {rows}, one a row of points");
            return Err(Error::argument("times_count", times.len(), &allowed).into());
        }
        self.model.workers.lend(|threads| {
            let work = |stop: &Stop| match times {
                [time] => self.at_one_time(*time, stop),
                _ => self.at_times_of_rows(times, stop),
            };
            listener.watch(Stage::Field, threads, work)
        })??;
        Ok(())
    }

    /// Evaluates what is asked for at one time.
    fn evaluate(
        &self,
        time: f64,
        points: &[f32],
        values: &mut [f32],
        (scratch, deviations, spread): (&mut Scratch, &mut Vec<f32>, &mut SpreadScratch),
    ) -> Result<()> {
        let (model, field) = (&self.model.dynamics, self.field);
        let (What::Deviation | What::Quantile(_), Some(place)) = (self.what, field.place) else {
            return (field.evaluate)(model, time, points, values, scratch);
        };
        let What::Quantile(z) = self.what else { return model.field_sd(time, points, place(values), spread) };
        (field.evaluate)(model, time, points, values, scratch)?;
        deviations.resize(values.len(), 0.0);
        model.field_bias(time, points, place(deviations), scratch)?;
        values.iter_mut().zip(&*deviations).for_each(|(value, bias)| *value -= bias);
        if z == 0.0 {
            return Ok(());
        }
        model.field_sd(time, points, place(deviations), spread)?;
        let add = |(value, &sd): (&mut f32, &f32)| *value = (f64::from(*value) + z * f64::from(sd)) as f32;
        values.iter_mut().zip(&*deviations).for_each(add);
        Ok(())
    }

    /// Evaluates all rows at one time, block by block.
    fn at_one_time(&self, time: f64, stop: &Stop) -> Result<()> {
        let view = &self.points.view;
        let block = |buffers: &mut Buffers, b: usize| -> Result<()> {
            stop.check()?;
            let rows = b * BLOCK..((b + 1) * BLOCK).min(view.rows());
            let Buffers { points, values: own, scratch, deviations, spread, .. } = buffers;
            let points = read_rows(view, rows.clone(), points)?;
            // SAFETY: no two blocks share a row, and `values` is this call's alone.
            match unsafe { self.values.rows_in_place(rows.start, rows.len()) } {
                Some(values) => self.evaluate(time, points, values, (scratch, deviations, spread))?,
                None => {
                    own.resize(rows.len() * self.columns, 0.0);
                    self.evaluate(time, points, own, (scratch, deviations, spread))?;
                    // SAFETY: as above.
                    unsafe { self.values.write_rows(rows.start, own) };
                }
            }
            Ok(())
        };
        let blocks = (0..view.rows().div_ceil(BLOCK)).into_par_iter();
        first_error(blocks.map_init(Buffers::default, block).collect())
    }

    /// Evaluates every row at its own time: rows of equal times, in the order of time, share blocks.
    fn at_times_of_rows(&self, times: &[f64], stop: &Stop) -> Result<()> {
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
        let same_time = order.chunk_by(|&a, &b| times[a] == times[b]);
        let blocks: Vec<&[usize]> = same_time.flat_map(|rows| rows.chunks(BLOCK)).collect();
        let block = |buffers: &mut Buffers, rows: &&[usize]| -> Result<()> {
            stop.check()?;
            let Buffers { points, row: one, values, scratch, deviations, spread } = buffers;
            points.clear();
            for &row in *rows {
                points.extend_from_slice(read_rows(&self.points.view, row..row + 1, one)?);
            }
            values.resize(rows.len() * self.columns, 0.0);
            self.evaluate(times[rows[0]], points, values, (scratch, deviations, spread))?;
            for (&row, values) in rows.iter().zip(values.chunks_exact(self.columns)) {
                // SAFETY: every row is in one block only, and `values` is this call's alone.
                unsafe { self.values.write_rows(row, values) };
            }
            Ok(())
        };
        first_error(blocks.par_iter().map_init(Buffers::default, block).collect())
    }
}

/// Of several errors that of the first block, at any number of threads.
fn first_error(outcomes: Vec<Result<()>>) -> Result<()> {
    outcomes.into_iter().collect()
}

/// The rows of a matrix, one after another in single precision, where they are or in `buffer`.
fn read_rows<'a>(view: &MatrixView<'a>, rows: Range<usize>, buffer: &'a mut Vec<f32>) -> Result<&'a [f32]> {
    let dims = view.cols();
    let points = match view.as_dense_f32() {
        Some(all) => &all[rows.start * dims..rows.end * dims],
        None => {
            buffer.clear();
            buffer.extend(rows.clone().flat_map(|i| (0..dims).map(move |j| view.get(i, j) as f32)));
            buffer.as_slice()
        }
    };
    match points.iter().position(|x| !x.is_finite()) {
        None => Ok(points),
        Some(at) => {
            let (row, col) = (rows.start + at / dims, at % dims);
            Err(Error::InvalidData(format!(
                "row {}, coordinate {}: {} is not finite in single precision",
                row + 1,
                col + 1,
                view.get(row, col)
            )))
        }
    }
}
