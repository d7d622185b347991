//! The learned fields at points.

use std::ffi::{CStr, c_char};

use rayon::prelude::*;

use super::matrix::{Input, Output, chreode_matrix, chreode_matrix_mut};
use super::model::chreode_model;
use super::pointers::{borrow, put, text};
use super::status::{Outcome, chreode_status, guard};
use crate::error::{Error, Result};
use crate::fields::{FieldValues, Fields, Scratch};
use crate::model::Dynamics;
use crate::options::nearest;
use crate::simulate::BLOCK;
use crate::snapshots::MatrixView;

/// A field by its name.
struct Field {
    name: &'static CStr,
    /// How many numbers it has at a point of so many coordinates.
    columns: fn(usize) -> usize,
    /// Evaluates it at a time and the rows of points.
    evaluate: Evaluate,
}

type Evaluate = fn(&Dynamics, f64, &[f32], &mut [f32], &mut Scratch) -> Result<()>;

/// A new field is a new row here, and no new function.
const FIELDS: &[Field] = &[
    Field {
        name: c"velocity",
        columns: |dims| dims,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { velocity: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
    },
    Field {
        name: c"growth",
        columns: |_| 1,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { growth: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
    },
    Field {
        name: c"score_drift",
        columns: |dims| dims,
        evaluate: |model, time, points, values, scratch| {
            let wanted = FieldValues { score_drift: Some(values), ..Default::default() };
            model.evaluate(time, points, wanted, scratch);
            Ok(())
        },
    },
    Field { name: c"landscape", columns: |_| 1, evaluate: Dynamics::landscape },
];

/// The names of all fields.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name.to_str().unwrap_or_default())
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
        let model = borrow("model", model)?;
        let name = text("field", field)?;
        let found = FIELDS.iter().find(|field| field.name.to_bytes() == name.as_bytes());
        let field = found.ok_or_else(|| {
            let all = names().collect::<Vec<_>>().join(" ");
            Error::argument("field", name, &format!("one of {all} (nearest: {})", nearest(name, names())))
        })?;
        if !time.is_finite() {
            return Err(Error::argument("time", time, "finite").into());
        }
        let dims = model.dynamics.dims();
        let points = borrow("points", points)?.read("points")?;
        if points.view.cols() != dims {
            let allowed = format!("{dims}, the dimension of the model");
            return Err(
                Error::argument("the number of columns of points", points.view.cols(), &allowed).into()
            );
        }
        let columns = (field.columns)(dims);
        let values = borrow("values", values)?.check("values", points.view.rows(), columns)?;
        values.apart_from("values", &points)?;
        evaluate(model, (field, columns), time, &points, &values)
    })
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers {
    points: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
}

fn evaluate(
    model: &chreode_model,
    (field, columns): (&Field, usize),
    time: f64,
    points: &Input<'_>,
    values: &Output,
) -> Outcome {
    let view = &points.view;
    let block = |buffers: &mut Buffers, b: usize| -> Result<()> {
        let rows = b * BLOCK..((b + 1) * BLOCK).min(view.rows());
        let Buffers { points, values: own, scratch } = buffers;
        let points = read_rows(view, rows.clone(), points)?;
        // SAFETY: no two blocks share a row, and `values` is this call's alone.
        match unsafe { values.rows_in_place(rows.start, rows.len()) } {
            Some(values) => (field.evaluate)(&model.dynamics, time, points, values, scratch)?,
            None => {
                own.resize(rows.len() * columns, 0.0);
                (field.evaluate)(&model.dynamics, time, points, own, scratch)?;
                // SAFETY: as above.
                unsafe { values.write_rows(rows.start, own) };
            }
        }
        Ok(())
    };
    let blocks = 0..view.rows().div_ceil(BLOCK);
    let outcomes: Vec<Result<()>> = model.workers.run(|| {
        blocks.into_par_iter().map_init(Buffers::default, |buffers, b| block(buffers, b)).collect()
    })?;
    outcomes.into_iter().collect::<Result<()>>()?;
    Ok(())
}

/// The rows of a matrix, one after another in single precision, where they are or in `buffer`.
fn read_rows<'a>(
    view: &MatrixView<'a>,
    rows: std::ops::Range<usize>,
    buffer: &'a mut Vec<f32>,
) -> Result<&'a [f32]> {
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
