//! The C interface, called as C calls it: whatever it is given, it answers with a status and a message.

#[cfg(feature = "cuda")]
mod cuda_support;

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use chreode::capi::couple::*;
use chreode::capi::evaluate::*;
use chreode::capi::fates::*;
use chreode::capi::field::*;
use chreode::capi::fit::*;
use chreode::capi::library::*;
use chreode::capi::matrix::*;
use chreode::capi::model::*;
use chreode::capi::options::*;
use chreode::capi::progress::*;
use chreode::capi::simulate::*;
use chreode::capi::snapshots::*;
use chreode::capi::status::chreode_status::*;
use chreode::capi::status::*;
use chreode::capi::transport::*;
use chreode::capi::validate::*;
use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::model::Dynamics;
use proptest::prelude::*;

fn message() -> String {
    // SAFETY: the message is valid until the next call, and copied before.
    unsafe { CStr::from_ptr(chreode_last_error_message()) }.to_str().unwrap().to_string()
}

/// A call that must succeed.
macro_rules! ok {
    ($call:expr) => {{
        // SAFETY: the arguments are as the header wants them.
        let status = unsafe { $call };
        assert_eq!(status, CHREODE_OK, "{}", message());
    }};
}

/// A status that must be this one, with these words.
macro_rules! is {
    ($status:expr, $told:expr, $found:expr) => {{
        assert_eq!($found, $status, "{}: {}", stringify!($found), message());
        assert!(message().contains($told), "{}: {}", stringify!($found), message());
    }};
}

/// A call that must be refused with this status and these words.
macro_rules! refused {
    ($status:expr, $told:expr, $call:expr) => {{
        // SAFETY: what is wrong about the arguments is what the header says is answered with a status.
        let status = unsafe { $call };
        is!($status, $told, status);
    }};
}

fn options(list: &str, settings: &[(&str, &str)]) -> *mut chreode_options {
    let mut options = null_mut();
    let text = |text: &str| CString::new(text).unwrap();
    ok!(chreode_options_new(text(list).as_ptr(), &mut options));
    for (name, value) in settings {
        ok!(chreode_options_set_string(options, text(name).as_ptr(), text(value).as_ptr()));
    }
    options
}

fn snapshots() -> *mut chreode_snapshots {
    let mut snapshots = null_mut();
    let set = options("gene-network", &[("cells_per_state", "20")]);
    ok!(chreode_snapshots_generate(set, &mut snapshots));
    // SAFETY: made above.
    unsafe { chreode_options_free(set) };
    snapshots
}

/// A model of the method, fitted in a moment.
fn fitted(method: &str, seed: &str) -> *mut chreode_model {
    let tiny = [("epochs", "5"), ("batch_size", "8"), ("hidden", "8x2"), ("threads", "1")];
    let all: Vec<(&str, &str)> = [("method", method), ("seed", seed)].into_iter().chain(tiny).collect();
    let (data, fit, mut model) = (snapshots(), options("fit", &all), null_mut());
    ok!(chreode_fit(data, fit, None, null_mut(), &mut model));
    // SAFETY: made above.
    unsafe {
        chreode_options_free(fit);
        chreode_snapshots_free(data);
    }
    model
}

fn bytes_of(model: *const chreode_model) -> Vec<u8> {
    let mut size = 0;
    ok!(chreode_model_to_bytes(model, null_mut(), 0, &mut size));
    let mut bytes = vec![0; size];
    ok!(chreode_model_to_bytes(model, bytes.as_mut_ptr(), size, &mut size));
    bytes
}

fn free(model: *mut chreode_model) {
    // SAFETY: the tests free what they made, once.
    unsafe { chreode_model_free(model) };
}

fn matrix(data: &[f64], rows: usize, cols: usize, strides: (isize, isize)) -> chreode_matrix {
    let (row_stride, col_stride) = strides;
    chreode_matrix { data: data.as_ptr().cast(), rows, cols, row_stride, col_stride, dtype: CHREODE_F64 }
}

fn output(data: &mut [f32], rows: usize, cols: usize) -> chreode_matrix_mut {
    chreode_matrix_mut {
        data: data.as_mut_ptr().cast(),
        rows,
        cols,
        row_stride: cols as isize,
        col_stride: 1,
        dtype: CHREODE_F32,
    }
}

const SQUARE: [f64; 8] = [0.5, 1.0, 1.0, 0.5, 0.2, 0.3, 0.4, 0.5];

#[test]
fn null_is_refused_by_name_wherever_it_is_not_allowed() {
    let (data, set, model) = (snapshots(), options("fit", &[]), fitted("usb", "1"));
    let square = matrix(&SQUARE, 4, 2, (2, 1));
    let mut numbers = [0f32; 8];
    let out = output(&mut numbers, 4, 2);
    let (mut size, mut number, mut name) = (0usize, 0f64, null());
    let (mut s, mut o, mut m, mut t, mut e, mut p) =
        (null_mut(), null_mut(), null_mut(), null_mut(), null_mut(), null_mut());
    let list = c"fit".as_ptr();
    let delta = c"delta".as_ptr();
    let (times, four) = ([0.0, 0.0, 1.0, 1.0], 4usize);
    let null_pointer = CHREODE_ERROR_NULL_POINTER;

    refused!(null_pointer, "size", chreode_capabilities(null_mut(), 0, null_mut()));
    refused!(null_pointer, "list", chreode_options_new(null(), &mut o));
    refused!(null_pointer, "options", chreode_options_new(list, null_mut()));
    refused!(null_pointer, "options", chreode_options_set_real(null_mut(), delta, 1.0));
    refused!(null_pointer, "name", chreode_options_set_real(set, null(), 1.0));
    refused!(null_pointer, "options", chreode_options_set_integer(null_mut(), delta, 1));
    refused!(null_pointer, "name", chreode_options_set_integer(set, null(), 1));
    refused!(null_pointer, "options", chreode_options_set_string(null_mut(), delta, delta));
    refused!(null_pointer, "name", chreode_options_set_string(set, null(), delta));
    refused!(null_pointer, "value", chreode_options_set_string(set, delta, null()));
    refused!(null_pointer, "options", chreode_options_unset(null_mut(), delta));
    refused!(null_pointer, "name", chreode_options_unset(set, null()));
    refused!(null_pointer, "options", chreode_options_get(null(), delta, null_mut(), 0, &mut size));
    refused!(null_pointer, "size", chreode_options_get(set, delta, null_mut(), 0, null_mut()));
    refused!(null_pointer, "options", chreode_options_count(null(), &mut size));
    refused!(null_pointer, "count", chreode_options_count(set, null_mut()));
    refused!(null_pointer, "options", chreode_options_describe(null(), 0, null_mut()));
    refused!(null_pointer, "option", chreode_options_describe(set, 0, null_mut()));

    refused!(null_pointer, "points", chreode_snapshots_new(null(), times.as_ptr(), 4, null(), 0, &mut s));
    refused!(null_pointer, "times", chreode_snapshots_new(&square, null(), 4, null(), 0, &mut s));
    refused!(null_pointer, "weights", chreode_snapshots_new(&square, times.as_ptr(), 4, null(), 4, &mut s));
    refused!(
        null_pointer,
        "snapshots",
        chreode_snapshots_new(&square, times.as_ptr(), 4, null(), 0, null_mut())
    );
    refused!(
        null_pointer,
        "blocks",
        chreode_snapshots_from_blocks(null(), times.as_ptr(), null(), 1, &mut s)
    );
    refused!(null_pointer, "times", chreode_snapshots_from_blocks(&square, null(), null(), 1, &mut s));
    refused!(null_pointer, "options", chreode_snapshots_generate(null(), &mut s));
    refused!(null_pointer, "snapshots", chreode_snapshots_with_masses(null(), times.as_ptr(), 4, &mut s));
    refused!(null_pointer, "masses", chreode_snapshots_with_masses(data, null(), 5, &mut s));
    refused!(null_pointer, "result", chreode_snapshots_with_masses(data, null(), 5, null_mut()));
    refused!(
        null_pointer,
        "snapshots",
        chreode_snapshots_with_growth_prior(null(), times.as_ptr(), 4, &mut s)
    );
    refused!(null_pointer, "rates", chreode_snapshots_with_growth_prior(data, null(), 200, &mut s));
    refused!(null_pointer, "clones", chreode_snapshots_with_clones(data, null(), 200, &mut s));
    let mut c = std::ptr::null_mut();
    refused!(null_pointer, "snapshots", chreode_couple(null(), null(), None, null_mut(), &mut c));
    refused!(null_pointer, "couplings", chreode_couple(data, null(), None, null_mut(), null_mut()));
    refused!(null_pointer, "couplings", chreode_couplings_report(null(), null_mut(), 0, &mut size));
    refused!(null_pointer, "couplings", chreode_couplings_time_count(null(), &mut size));
    refused!(null_pointer, "model", chreode_model_couplings(null(), &mut c));
    refused!(null_pointer, "couplings", chreode_model_couplings(model, null_mut()));
    refused!(null_pointer, "model", chreode_descent(null(), data, null(), None, null_mut(), &mut c));
    refused!(null_pointer, "snapshots", chreode_descent(model, null(), null(), None, null_mut(), &mut c));
    refused!(null_pointer, "couplings", chreode_descent(model, data, null(), None, null_mut(), null_mut()));
    let none = null_mut();
    refused!(null_pointer, "couplings", chreode_couplings_times(null(), none, null_mut(), 0));
    refused!(null_pointer, "couplings", chreode_couplings_cells(null(), 0, none, none, none, none, 0));
    refused!(null_pointer, "snapshots", chreode_snapshots_without(null(), times.as_ptr(), 1, &mut s));
    refused!(null_pointer, "snapshots", chreode_snapshots_dims(null(), &mut size));
    refused!(null_pointer, "dims", chreode_snapshots_dims(data, null_mut()));
    refused!(null_pointer, "count", chreode_snapshots_time_count(data, null_mut()));
    refused!(null_pointer, "times", chreode_snapshots_times(data, null_mut(), 5));
    refused!(null_pointer, "count", chreode_snapshots_cell_count(data, 0, null_mut()));
    refused!(null_pointer, "points", chreode_snapshots_points(data, 0, null()));
    refused!(null_pointer, "weights", chreode_snapshots_weights(data, 0, null_mut(), 40));
    refused!(null_pointer, "mass", chreode_snapshots_mass(data, 0, null_mut()));

    refused!(null_pointer, "snapshots", chreode_fit(null(), null(), None, null_mut(), &mut m));
    refused!(null_pointer, "model", chreode_fit(data, null(), None, null_mut(), null_mut()));
    refused!(null_pointer, "model", chreode_model_dims(null(), &mut size));
    refused!(null_pointer, "dims", chreode_model_dims(model, null_mut()));
    refused!(null_pointer, "model", chreode_model_info(null(), null_mut(), 0, &mut size));
    refused!(null_pointer, "model", chreode_model_report(null(), null_mut(), 0, &mut size));
    refused!(null_pointer, "model", chreode_model_members(null(), &mut size));
    refused!(null_pointer, "member", chreode_model_member(model, 0, null_mut()));
    refused!(null_pointer, "model", chreode_model_member(null(), 0, &mut m));
    refused!(null_pointer, "trajectory", chreode_trajectory_masses(null(), null_mut(), null_mut(), 0));
    refused!(null_pointer, "count", chreode_model_loss_count(model, null_mut()));
    refused!(null_pointer, "losses", chreode_model_losses(model, null_mut(), 5));
    refused!(null_pointer, "threads", chreode_model_threads(model, null_mut()));
    refused!(null_pointer, "model", chreode_model_set_threads(null_mut(), 1));
    refused!(null_pointer, "model", chreode_model_save(null(), c"x".as_ptr()));
    refused!(null_pointer, "path", chreode_model_save(model, null()));
    refused!(null_pointer, "path", chreode_model_load(null(), &mut m));
    refused!(null_pointer, "model", chreode_model_load(c"x".as_ptr(), null_mut()));
    refused!(null_pointer, "size", chreode_model_to_bytes(model, null_mut(), 0, null_mut()));
    refused!(null_pointer, "bytes", chreode_model_from_bytes(null(), 8, &mut m));
    refused!(null_pointer, "model", chreode_model_field_count(null(), &mut size));
    refused!(null_pointer, "name", chreode_model_field_describe(model, 0, null_mut(), &mut size));
    refused!(null_pointer, "columns", chreode_model_field_describe(model, 0, &mut name, null_mut()));
    refused!(null_pointer, "field", chreode_model_field(model, null(), 0.0, &square, &out));
    refused!(null_pointer, "points", chreode_model_field(model, c"velocity".as_ptr(), 0.0, null(), &out));
    refused!(null_pointer, "values", chreode_model_field(model, c"velocity".as_ptr(), 0.0, &square, null()));

    let simulate = |model, points, weights, count, times, out| {
        // SAFETY: as above.
        unsafe {
            chreode_simulate(model, 0.0, points, weights, count, times, four, null(), None, null_mut(), out)
        }
    };
    is!(null_pointer, "model", simulate(null(), &square, null(), 0, times.as_ptr(), &mut t));
    is!(null_pointer, "points", simulate(model, null(), null(), 0, times.as_ptr(), &mut t));
    is!(null_pointer, "weights", simulate(model, &square, null(), 4, times.as_ptr(), &mut t));
    is!(null_pointer, "times", simulate(model, &square, null(), 0, null(), &mut t));
    is!(null_pointer, "trajectory", simulate(model, &square, null(), 0, times.as_ptr(), null_mut()));
    refused!(null_pointer, "trajectory", chreode_trajectory_frame_count(null(), &mut size));
    refused!(null_pointer, "trajectory", chreode_trajectory_frame(null(), 0, &mut number, &mut size));
    refused!(null_pointer, "trajectory", chreode_trajectory_newick(null(), null_mut(), 0, &mut size));

    refused!(null_pointer, "model", chreode_evaluate(null(), data, null(), None, null_mut(), &mut e));
    refused!(null_pointer, "snapshots", chreode_evaluate(model, null(), null(), None, null_mut(), &mut e));
    refused!(null_pointer, "evaluation", chreode_evaluate(model, data, null(), None, null_mut(), null_mut()));
    refused!(null_pointer, "evaluation", chreode_evaluation_value(null(), delta, &mut number));
    let validate = |data, options, parts, growth, count, out| {
        // SAFETY: as above.
        unsafe { chreode_validate(data, options, parts, count, growth, count, None, null_mut(), out) }
    };
    let mut v = null_mut();
    is!(null_pointer, "snapshots", validate(null(), null(), null(), null(), 0, &mut v));
    is!(null_pointer, "validation", validate(data, null(), null(), null(), 0, null_mut()));
    is!(null_pointer, "parts", validate(data, null(), null(), null(), 3, &mut v));
    is!(CHREODE_ERROR_INVALID_ARGUMENT, "`validate`", validate(data, set, null(), null(), 0, &mut v));
    refused!(null_pointer, "validation", chreode_validation_json(null(), null_mut(), 0, &mut size));
    // SAFETY: NULL may be freed.
    unsafe { chreode_validation_free(null_mut()) };
    assert!(v.is_null());
    refused!(
        null_pointer,
        "source",
        chreode_transport(null(), null(), 0, &square, null(), 0, null(), None, null_mut(), &mut p)
    );
    refused!(
        null_pointer,
        "target",
        chreode_transport(&square, null(), 0, null(), null(), 0, null(), None, null_mut(), &mut p)
    );
    refused!(
        null_pointer,
        "plan",
        chreode_transport(&square, null(), 0, &square, null(), 0, null(), None, null_mut(), null_mut())
    );
    refused!(null_pointer, "plan", chreode_plan_report(null(), null_mut(), 0, &mut size));
    assert!(s.is_null() && o.is_null() && m.is_null() && t.is_null() && e.is_null() && p.is_null());
    // SAFETY: made above.
    unsafe {
        chreode_snapshots_free(data);
        chreode_options_free(set);
    }
    free(model);
}

/// A field's values, errors or quantiles at the square's points.
fn asked(evaluate: impl Fn(*const chreode_matrix, *const chreode_matrix_mut) -> chreode_status) -> Vec<f32> {
    let (square, mut numbers) = (matrix(&SQUARE, 4, 2, (2, 1)), vec![0f32; 4]);
    let status = evaluate(&square, &output(&mut numbers, 4, 1));
    assert_eq!(status, CHREODE_OK, "{}", message());
    numbers
}

#[test]
fn branches_are_models_of_their_own_and_the_whole_has_no_fields() {
    let settings = [
        ("method", "branch-sbm"),
        ("epochs", "5"),
        ("interpolant_epochs", "2"),
        ("growth_epochs", "2"),
        ("batch_size", "8"),
        ("hidden", "8x2"),
    ];
    let (data, fit, mut model) = (snapshots(), options("fit", &settings), null_mut());
    ok!(chreode_fit(data, fit, None, null_mut(), &mut model));
    let mut count = 0;
    ok!(chreode_model_branches(model, &mut count));
    assert_eq!(count, 2);
    let (invalid, v, square) =
        (CHREODE_ERROR_INVALID_ARGUMENT, c"velocity".as_ptr(), matrix(&SQUARE, 4, 2, (2, 1)));
    let mut numbers = [0f32; 8];
    let values = output(&mut numbers, 4, 2);
    refused!(invalid, "one velocity for velocity", chreode_model_field(model, v, 1.0, &square, &values));
    let of_branches: Vec<[f32; 8]> = (0..2)
        .map(|index| {
            let mut branch = null_mut();
            ok!(chreode_model_branch(model, index, &mut branch));
            ok!(chreode_model_branches(branch, &mut count));
            assert_eq!(count, 0);
            let mut numbers = [0f32; 8];
            ok!(chreode_model_field(branch, v, 1.0, &square, &output(&mut numbers, 4, 2)));
            free(branch);
            numbers
        })
        .collect();
    assert!(of_branches[0] != of_branches[1] && of_branches.iter().flatten().all(|v| v.is_finite()));
    let mut branch = null_mut();
    refused!(invalid, "branch must be below 2", chreode_model_branch(model, 2, &mut branch));
    free(model);
    // SAFETY: as the header wants it.
    unsafe {
        chreode_snapshots_free(data);
        chreode_options_free(fit);
    }
}

#[test]
fn an_ensemble_has_members_and_error_bars() {
    let settings =
        [("method", "usb"), ("ensemble", "3"), ("epochs", "5"), ("batch_size", "8"), ("hidden", "8x2")];
    let (data, fit, mut model) = (snapshots(), options("fit", &settings), null_mut());
    ok!(chreode_fit(data, fit, None, null_mut(), &mut model));
    let mut members = 0;
    ok!(chreode_model_members(model, &mut members));
    assert_eq!(members, 3);
    let g = c"growth".as_ptr();
    let growth = |model| {
        // SAFETY: the arguments are as the header wants them.
        asked(|points, values| unsafe { chreode_model_field(model, g, 1.0, points, values) })
    };
    let (mean, one) = (growth(model), [1.0]);
    let sd = asked(|points, values| {
        // SAFETY: as above.
        unsafe { chreode_model_field_sd(model, g, one.as_ptr(), 1, points, None, null_mut(), values) }
    });
    let quantile = |level: f64, times: &[f64]| {
        asked(|points, values| {
            let (times, count) = (times.as_ptr(), times.len());
            // SAFETY: as above.
            unsafe {
                chreode_model_field_quantile(model, g, level, times, count, points, None, null_mut(), values)
            }
        })
    };
    assert!(sd.iter().all(|&sd| sd > 0.0));
    // SAFETY: as above.
    let info = text_of(|b, c, s| unsafe { chreode_model_info(model, b, c, s) });
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let (middle, biased) = (quantile(0.5, &one), info["uncertainty"]["growth"]["biased"] == true);
    assert_eq!(middle != mean, biased, "what is in the middle is the field, unless it has a known bias");
    let high = quantile(0.95, &one);
    assert_eq!(high, quantile(0.95, &[1.0; 4]), "rows at times of their own");
    for ((high, mean), sd) in high.iter().zip(&middle).zip(&sd) {
        // The quantile of 0.95 of the normal distribution.
        assert!((high - mean - 1.644_853_6 * sd).abs() <= 1e-6 * (mean.abs() + sd), "{high} {mean} {sd}");
    }
    let of_members: Vec<Vec<f32>> = (0..3)
        .map(|index| {
            let mut member = null_mut();
            ok!(chreode_model_member(model, index, &mut member));
            ok!(chreode_model_members(member, &mut members));
            assert_eq!(members, 1);
            let values = growth(member);
            free(member);
            values
        })
        .collect();
    for (i, mean) in mean.iter().enumerate() {
        let want = of_members.iter().map(|values| values[i]).sum::<f32>() / 3.0;
        assert!((mean - want).abs() <= 1e-6 * want.abs().max(0.1), "{mean}, not {want}");
    }
    let (mut member, square) = (null_mut(), matrix(&SQUARE, 4, 2, (2, 1)));
    let invalid = CHREODE_ERROR_INVALID_ARGUMENT;
    refused!(invalid, "member must be below 3", chreode_model_member(model, 3, &mut member));
    let mut numbers = [0f32; 4];
    let values = output(&mut numbers, 4, 1);
    let sd_of = |model, field| {
        // SAFETY: as above.
        unsafe { chreode_model_field_sd(model, field, one.as_ptr(), 1, &square, None, null_mut(), &values) }
    };
    is!(invalid, "a field with error bars must be velocity", sd_of(model, c"landscape".as_ptr()));
    let plain = fitted("usb", "1");
    is!(invalid, "the number of members of the model must be 2 or more", sd_of(plain, g));
    let level = |level| {
        let (points, values) = (&square, &values);
        // SAFETY: as above.
        unsafe {
            chreode_model_field_quantile(model, g, level, one.as_ptr(), 1, points, None, null_mut(), values)
        }
    };
    is!(invalid, "the level of a quantile", level(1.0));

    // Masses with errors, and without: of a plain model, and where they are not wanted.
    let times = [0.0, 1.0, 2.0];
    let masses = |model, options| {
        let mut trajectory = null_mut();
        let (mut masses, mut sds) = ([0.0; 3], [0.0; 3]);
        ok!(chreode_simulate(
            model,
            0.0,
            &square,
            null(),
            0,
            times.as_ptr(),
            3,
            options,
            None,
            null_mut(),
            &mut trajectory
        ));
        ok!(chreode_trajectory_masses(trajectory, masses.as_mut_ptr(), sds.as_mut_ptr(), 3));
        ok!(chreode_trajectory_masses(trajectory, null_mut(), null_mut(), 3));
        refused!(invalid, "sds", chreode_trajectory_masses(trajectory, null_mut(), sds.as_mut_ptr(), 2));
        // SAFETY: made above.
        unsafe { chreode_trajectory_free(trajectory) };
        (masses, sds)
    };
    let (of_model, errors) = masses(model, null());
    assert!(errors[0] == 0.0 && errors[1] > 0.0 && errors[2] > 0.0);
    let off = options("simulate", &[("error_bars", "false")]);
    let (without, unknown) = masses(model, off);
    assert!(without == of_model && unknown.iter().all(|sd| sd.is_nan()));
    assert!(masses(plain, null()).1.iter().all(|sd| sd.is_nan()));

    // Exact distances have no error, nor cells to a sample; the others have both, and a floor.
    let sampling = |exact_cells: &str| {
        let (mut evaluation, mut values) = (null_mut(), [[0.0; 4]; 3]);
        let of = options("evaluate", &[("exact_cells", exact_cells)]);
        ok!(chreode_evaluate(plain, data, of, None, null_mut(), &mut evaluation));
        for (name, values) in [c"w1_cells", c"w1_se", c"w2_floor"].iter().zip(&mut values) {
            ok!(chreode_evaluation_values(evaluation, name.as_ptr(), values.as_mut_ptr(), 4));
        }
        // SAFETY: made above.
        unsafe {
            chreode_evaluation_free(evaluation);
            chreode_options_free(of);
        }
        values
    };
    let [cells, se, floor] = sampling("6000");
    assert!(cells.iter().chain(&floor).all(|value| value.is_nan()) && se == [0.0; 4]);
    let [cells, se, floor] = sampling("12");
    assert!(cells == [4.0; 4] && se.iter().chain(&floor).all(|&value| value > 0.0));

    let measured = |model| {
        let (mut evaluation, mut errors) = (null_mut(), [0.0; 4]);
        ok!(chreode_evaluate(model, data, null(), None, null_mut(), &mut evaluation));
        ok!(chreode_evaluation_values(evaluation, c"w1_error".as_ptr(), errors.as_mut_ptr(), 4));
        // SAFETY: made above.
        unsafe { chreode_evaluation_free(evaluation) };
        errors
    };
    assert!(measured(model).iter().all(|&error| error > 0.0));
    assert!(measured(plain).iter().all(|error| error.is_nan()));
    free(model);
    free(plain);
    // SAFETY: made above.
    unsafe {
        chreode_options_free(off);
        chreode_options_free(fit);
        chreode_snapshots_free(data);
    }
}

#[test]
fn a_model_keeps_the_texts_that_it_is_given() {
    let model = fitted("usb", "4");
    let of = |model, name: *const std::ffi::c_char| {
        let (mut text, mut size) = ([0 as std::ffi::c_char; 64], 0);
        ok!(chreode_model_attribute(model, name, text.as_mut_ptr(), text.len(), &mut size));
        // SAFETY: the call wrote a text that ends with NUL.
        let told = unsafe { std::ffi::CStr::from_ptr(text.as_ptr()) }.to_str().unwrap().to_string();
        assert_eq!(size, told.len() + 1);
        told
    };
    let name = c"obsm".as_ptr();
    assert_eq!(of(model, name), "");
    ok!(chreode_model_set_attribute(model, name, c"X_pca".as_ptr()));
    ok!(chreode_model_set_coordinates(model, [c"x".as_ptr(), c"y".as_ptr()].as_ptr(), 2));
    let (bytes, mut back) = (bytes_of(model), null_mut());
    ok!(chreode_model_from_bytes(bytes.as_ptr(), bytes.len(), &mut back));
    assert_eq!(of(back, name), "X_pca");
    let invalid = CHREODE_ERROR_INVALID_ARGUMENT;
    let one = [c"x".as_ptr()];
    refused!(invalid, "2 names", chreode_model_set_coordinates(model, one.as_ptr(), 1));
    refused!(invalid, "attribute", chreode_model_set_attribute(model, c"".as_ptr(), c"x".as_ptr()));
    refused!(invalid, "UTF-8", chreode_model_set_attribute(model, name, c"\xff".as_ptr()));
    let (null_pointer, mut size) = (CHREODE_ERROR_NULL_POINTER, 0);
    refused!(null_pointer, "name", chreode_model_set_attribute(model, null(), c"x".as_ptr()));
    refused!(null_pointer, "value", chreode_model_set_attribute(model, name, null()));
    refused!(null_pointer, "model", chreode_model_set_attribute(null_mut(), name, name));
    refused!(null_pointer, "model", chreode_model_attribute(null(), name, null_mut(), 0, &mut size));
    refused!(null_pointer, "name", chreode_model_attribute(model, null(), null_mut(), 0, &mut size));
    refused!(null_pointer, "size", chreode_model_attribute(model, name, null_mut(), 0, null_mut()));
    refused!(null_pointer, "names", chreode_model_set_coordinates(model, null(), 2));
    refused!(null_pointer, "a name", chreode_model_set_coordinates(model, [null()].as_ptr(), 1));
    assert_eq!(of(model, name), "X_pca", "what is refused changes nothing");
    free(back);
    free(model);
}

#[test]
fn a_failed_call_leaves_no_stale_handle() {
    let mut model = std::ptr::dangling_mut::<chreode_model>();
    refused!(
        CHREODE_ERROR_NULL_POINTER,
        "snapshots",
        chreode_fit(null(), null(), None, null_mut(), &mut model)
    );
    assert!(model.is_null());
}

#[test]
fn borrowed_points_are_those_of_a_copy_and_stay_where_they_are() {
    let points: Vec<f32> = (0..8).map(|i| (i * i) as f32).collect();
    let times = [1.0, 0.0, 1.0, 0.0];
    let rows = chreode_matrix {
        data: points.as_ptr().cast(),
        rows: 4,
        cols: 2,
        row_stride: 2,
        col_stride: 1,
        dtype: CHREODE_F32,
    };
    let (mut copied, mut borrowed, mut heavier) = (null_mut(), null_mut(), null_mut());
    ok!(chreode_snapshots_new(&rows, times.as_ptr(), 4, null(), 0, &mut copied));
    ok!(chreode_snapshots_borrow(&rows, times.as_ptr(), 4, null(), 0, &mut borrowed));
    ok!(chreode_snapshots_with_masses(borrowed, [2.0, 3.0].as_ptr(), 2, &mut heavier));
    // SAFETY: freed once, before those that were made of them.
    unsafe { chreode_snapshots_free(borrowed) };
    for k in 0..2 {
        let of = |snapshots: *mut chreode_snapshots| {
            let mut got = [0f32; 4];
            let to = chreode_matrix_mut {
                data: got.as_mut_ptr().cast(),
                rows: 2,
                cols: 2,
                row_stride: 2,
                col_stride: 1,
                dtype: CHREODE_F32,
            };
            ok!(chreode_snapshots_points(snapshots, k, &to));
            got
        };
        assert_eq!(of(copied), of(heavier));
    }
    let mut made = null_mut();
    let mut borrow = |points: &chreode_matrix| {
        // SAFETY: matrices within the points, or refused before they are read.
        unsafe { chreode_snapshots_borrow(points, times.as_ptr(), 4, null(), 0, &mut made) }
    };
    let invalid = CHREODE_ERROR_INVALID_ARGUMENT;
    is!(invalid, "to be borrowed", borrow(&chreode_matrix { row_stride: 1, col_stride: 4, ..rows }));
    is!(invalid, "to be borrowed", borrow(&matrix(&SQUARE, 4, 2, (2, 1))));
    is!(invalid, "times_count", borrow(&chreode_matrix { rows: 3, ..rows }));
    let lost = [0.0, 1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0, 7.0];
    is!(
        CHREODE_ERROR_INVALID_DATA,
        "row 2, coordinate 2",
        borrow(&chreode_matrix { data: lost.as_ptr().cast(), ..rows })
    );
    assert!(made.is_null());
    // SAFETY: freed once.
    unsafe {
        chreode_snapshots_free(copied);
        chreode_snapshots_free(heavier);
    }
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let times = [0.0, 0.0, 1.0, 1.0];
    let mut made = null_mut();
    let mut new = |points: &chreode_matrix, count: usize| {
        // SAFETY: the matrices below are within `SQUARE` or refused before they are read.
        unsafe { chreode_snapshots_new(points, times.as_ptr(), count, null(), 0, &mut made) }
    };
    let good = matrix(&SQUARE, 4, 2, (2, 1));
    let invalid = CHREODE_ERROR_INVALID_ARGUMENT;
    is!(invalid, "times_count", new(&good, 3));
    is!(invalid, "dtype", new(&chreode_matrix { dtype: 9, ..good }, 4));
    is!(invalid, "memory", new(&chreode_matrix { cols: usize::MAX, ..good }, 4));
    is!(invalid, "memory", new(&chreode_matrix { row_stride: isize::MAX, ..good }, 4));
    is!(invalid, "memory", new(&chreode_matrix { row_stride: isize::MIN, ..good }, 4));
    is!(invalid, "memory", new(&chreode_matrix { cols: usize::MAX / 2, col_stride: isize::MAX, ..good }, 4));
    let odd = good.data.wrapping_byte_add(1);
    is!(invalid, "multiple of 8", new(&chreode_matrix { data: odd, ..good }, 4));
    is!(CHREODE_ERROR_INVALID_DATA, "column", new(&chreode_matrix { cols: 0, ..good }, 4));
    is!(CHREODE_ERROR_INVALID_DATA, "no cells", new(&chreode_matrix { rows: 0, data: null(), ..good }, 0));
    is!(CHREODE_ERROR_NULL_POINTER, "data", new(&chreode_matrix { data: null(), ..good }, 4));
    assert!(made.is_null());

    // One number in the place of all, more than memory holds: the strides are allowed, the copy is not.
    let all_the_same = matrix(&SQUARE, 1 << 45, 2, (0, 0));
    let (model, one, mut trajectory) = (fitted("wfr-fm", "2"), [1.0], null_mut());
    refused!(
        invalid,
        "fit in memory",
        chreode_simulate(
            model,
            0.0,
            &all_the_same,
            null(),
            0,
            one.as_ptr(),
            1,
            null(),
            None,
            null_mut(),
            &mut trajectory
        )
    );
    free(model);
}

/// As R hands them over, whose empty arrays lie at the address 1.
#[test]
fn matrices_without_elements_are_taken_or_refused_wherever_they_lie() {
    let (model, times, invalid) = (fitted("usb", "7"), [0.0, 1.0], CHREODE_ERROR_INVALID_DATA);
    let square = matrix(&SQUARE, 4, 2, (2, 1));
    let (mut data, mut plan, mut trajectory) = (null_mut(), null_mut(), null_mut());
    for (address, dtype) in [(0, CHREODE_F64), (1, CHREODE_F64), (1, CHREODE_F32), (7, CHREODE_F64)] {
        let place = std::ptr::without_provenance_mut::<c_void>(address);
        for (rows, cols, told) in [(0, 2, "cells"), (4, 0, "column"), (0, 0, "column")] {
            let empty =
                chreode_matrix { data: place, rows, cols, dtype, row_stride: 1, col_stride: rows as isize };
            let labels = times.repeat(2);
            refused!(
                invalid,
                told,
                chreode_snapshots_new(&empty, labels.as_ptr(), rows, null(), 0, &mut data)
            );
            refused!(
                invalid,
                "source",
                chreode_transport(&empty, null(), 0, &square, null(), 0, null(), None, null_mut(), &mut plan)
            );
            refused!(
                invalid,
                "target",
                chreode_transport(&square, null(), 0, &empty, null(), 0, null(), None, null_mut(), &mut plan)
            );
            let none = chreode_matrix_mut { data: place, rows, cols, dtype, row_stride: 1, col_stride: 1 };
            // SAFETY: an empty matrix is neither read nor written.
            let (field, simulated) = unsafe {
                (
                    chreode_model_field(model, c"velocity".as_ptr(), 0.0, &empty, &none),
                    chreode_simulate(
                        model,
                        0.0,
                        &empty,
                        null(),
                        0,
                        times.as_ptr(),
                        2,
                        null(),
                        None,
                        null_mut(),
                        &mut trajectory,
                    ),
                )
            };
            if cols == 2 {
                assert_eq!(
                    (field, simulated),
                    (CHREODE_OK, CHREODE_OK),
                    "no points go nowhere: {}",
                    message()
                );
                ok!(chreode_trajectory_points(trajectory, 1, &none));
                // SAFETY: made above.
                unsafe { chreode_trajectory_free(trajectory) };
            } else {
                is!(CHREODE_ERROR_INVALID_ARGUMENT, "", simulated);
                assert!(
                    field == CHREODE_ERROR_INVALID_ARGUMENT && !message().is_empty() && trajectory.is_null()
                );
            }
        }
    }
    free(model);
}

#[test]
fn outputs_whose_elements_overlap_are_refused() {
    let model = fitted("wfr-fm", "3");
    let square = matrix(&SQUARE, 4, 2, (2, 1));
    let mut numbers = [0f32; 16];
    let good = output(&mut numbers, 4, 2);
    let velocity = |values: &chreode_matrix_mut| {
        // SAFETY: within `numbers`, or refused.
        unsafe { chreode_model_field(model, c"velocity".as_ptr(), 0.5, &square, values) }
    };
    for (row_stride, col_stride) in [(0, 1), (1, 1), (2, 0), (1, -1), (-1, 2), (0, 0), (3, 3)] {
        let values = chreode_matrix_mut { row_stride, col_stride, ..good };
        is!(CHREODE_ERROR_INVALID_ARGUMENT, "overlap", velocity(&values));
    }
    // From the middle, both ways and transposed, all are apart and get the same numbers.
    let mut seen = vec![];
    for (start, row_stride, col_stride) in
        [(0, 2, 1), (6, -2, 1), (7, -2, -1), (0, 1, 4), (3, -1, 4), (0, 4, 3)]
    {
        numbers.fill(0.0);
        // SAFETY: an element of `numbers`.
        let data = unsafe { numbers.as_mut_ptr().add(start) }.cast::<c_void>();
        let values = chreode_matrix_mut { data, row_stride, col_stride, ..good };
        assert_eq!(velocity(&values), CHREODE_OK, "{}", message());
        let at = |i: isize, j: isize| numbers[(start as isize + i * row_stride + j * col_stride) as usize];
        seen.push((0..4).flat_map(|i| [at(i, 0), at(i, 1)]).collect::<Vec<f32>>());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]) && seen[0].iter().all(|v| *v != 0.0), "{seen:?}");
    let wrong_rows = output(&mut numbers, 3, 2);
    is!(CHREODE_ERROR_INVALID_ARGUMENT, "4 rows", velocity(&wrong_rows));
    free(model);
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_row_and_column() {
    let (model, mut numbers) = (fitted("usb", "4"), [0f32; 8]);
    let values = output(&mut numbers, 4, 2);
    let (times, mut trajectory, mut plan, mut data) = ([1.0], null_mut(), null_mut(), null_mut());
    for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e300] {
        let mut cells = SQUARE;
        cells[5] = bad;
        let points = matrix(&cells, 4, 2, (2, 1));
        let labels = [0.0, 0.0, 1.0, 1.0];
        let told = "row 3, coordinate 2";
        let invalid = CHREODE_ERROR_INVALID_DATA;
        refused!(invalid, told, chreode_snapshots_new(&points, labels.as_ptr(), 4, null(), 0, &mut data));
        refused!(
            invalid,
            told,
            chreode_model_field(model, c"growth".as_ptr(), 0.0, &points, &output(&mut [0f32; 4], 4, 1))
        );
        refused!(
            invalid,
            told,
            chreode_simulate(
                model,
                0.0,
                &points,
                null(),
                0,
                times.as_ptr(),
                1,
                null(),
                None,
                null_mut(),
                &mut trajectory
            )
        );
        refused!(
            invalid,
            told,
            chreode_transport(&points, null(), 0, &points, null(), 0, null(), None, null_mut(), &mut plan)
        );
    }
    let (points, nan) = (matrix(&SQUARE, 4, 2, (2, 1)), [f64::NAN; 4]);
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "row 1: the time",
        chreode_snapshots_new(&points, nan.as_ptr(), 4, null(), 0, &mut data)
    );
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "time",
        chreode_model_field(model, c"velocity".as_ptr(), f64::NAN, &points, &values)
    );
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "row 1: a weight",
        chreode_simulate(
            model,
            0.0,
            &points,
            nan.as_ptr(),
            4,
            times.as_ptr(),
            1,
            null(),
            None,
            null_mut(),
            &mut trajectory
        )
    );
    free(model);
}

/// The times and labels of the cells of [`snapshots`], in their order: every fourth is without.
fn labels_of(data: *const chreode_snapshots) -> Vec<i32> {
    let (mut times, mut labels) = (0, vec![]);
    ok!(chreode_snapshots_time_count(data, &mut times));
    for k in 0..times {
        let mut count = 0;
        ok!(chreode_snapshots_cell_count(data, k, &mut count));
        labels.extend((0..count as i32).map(|cell| [5, 2, 9, -1][cell as usize % 4]));
    }
    labels
}

#[test]
fn fates_are_those_of_the_library_in_any_layout() {
    let (data, model) = (snapshots(), fitted("usb", "1"));
    let labels = labels_of(data);
    let set =
        options("fates", &[("descendants", "6"), ("seed", "3"), ("mode", "branching"), ("turnover", "0.1")]);
    let mut fates = null_mut();
    ok!(chreode_fates_new(model, data, labels.as_ptr(), labels.len(), set, None, null_mut(), &mut fates));

    let bytes = bytes_of(model);
    let dynamics = Dynamics::from_bytes(&bytes).unwrap();
    let cells =
        chreode::datasets::GeneNetwork { cells_per_state: 20, ..Default::default() }.generate().unwrap();
    let options = chreode::fates::FateOptions {
        process: chreode::simulate::simulation::Process::Branching,
        descendants: 6,
        seed: 3,
        turnover: 0.1,
        ..Default::default()
    };
    let of_cell = labels.iter().map(|&label| u32::try_from(label).ok()).collect();
    let own = chreode::fates::Labels::new(of_cell).unwrap();
    let stop = chreode::exec::stop::Stop::default();
    let found = chreode::fates::fates_of_model(&dynamics, &cells, &own, &options, &stop).unwrap();

    let (mut rows, mut columns) = (0, 0);
    ok!(chreode_fates_shape(fates, &mut rows, &mut columns));
    assert_eq!((rows, columns), (found.cells.len(), 3));
    let (mut names, mut numbers, mut times) = ([0; 3], vec![0u64; rows], vec![0.0; rows]);
    ok!(chreode_fates_labels(fates, names.as_mut_ptr(), 3));
    ok!(chreode_fates_cells(fates, numbers.as_mut_ptr(), times.as_mut_ptr(), rows));
    ok!(chreode_fates_cells(fates, null_mut(), null_mut(), rows));
    assert_eq!(names, [2, 5, 9]);
    assert_eq!(times, found.times);
    assert!(numbers.iter().zip(&found.cells).all(|(&a, &b)| a == b as u64));
    let by_column = |values: &mut [f64], rows: usize, cols: usize| chreode_matrix_mut {
        data: values.as_mut_ptr().cast(),
        rows,
        cols,
        row_stride: 1,
        col_stride: rows as isize,
        dtype: CHREODE_F64,
    };
    let all = [
        (c"p", &found.probability.mean),
        (c"se_p", &found.probability.se),
        (c"n", &found.number.mean),
        (c"se_n", &found.number.se),
        (c"p_none", &found.none.mean),
        (c"se_p_none", &found.none.se),
    ];
    for (name, want) in all {
        let cols = want.len() / rows;
        let mut values = vec![f64::NAN; want.len()];
        ok!(chreode_fates_values(fates, name.as_ptr(), &by_column(&mut values, rows, cols)));
        let same = |(i, want): (usize, &f64)| values[i / cols + i % cols * rows].to_bits() == want.to_bits();
        assert!(want.iter().enumerate().all(same), "{name:?}");
    }
    let mut values = vec![0.0; 3 * rows];
    ok!(chreode_fates_values(fates, c"sd_n".as_ptr(), &by_column(&mut values, rows, 3)));
    assert!(values.iter().all(|sd| sd.is_nan()), "the model is no ensemble");
    let mut floats = vec![0f32; 3 * rows];
    ok!(chreode_fates_values(fates, c"p".as_ptr(), &output(&mut floats, rows, 3)));
    assert!(floats.iter().zip(&found.probability.mean).all(|(&a, &b)| a == b as f32 || b.is_nan()));

    let mut tables = 0;
    ok!(chreode_fates_transition_count(fates, &mut tables));
    assert_eq!(tables, 4);
    let (mut time, mut sources) = (0.0, 0);
    ok!(chreode_fates_transition(fates, 1, &mut time, &mut sources));
    assert_eq!((time, sources), (1.0, 4));
    let (mut labels_of_rows, mut masses) = ([0; 4], [0.0; 4]);
    ok!(chreode_fates_transition_sources(fates, 1, labels_of_rows.as_mut_ptr(), masses.as_mut_ptr(), 4));
    assert_eq!((labels_of_rows, &masses[..]), ([-1, 2, 5, 9], &found.transitions[1].weight[..]));
    let mut table = [0.0; 12];
    for (name, want) in
        [(c"mass", found.transitions[1].mass.mean.clone()), (c"came", found.transitions[1].came())]
    {
        let mut out = by_column(&mut table, 4, 3);
        (out.row_stride, out.col_stride) = (3, 1);
        ok!(chreode_fates_transition_values(fates, 1, name.as_ptr(), &out));
        assert_eq!(table[..], want[..]);
    }
    let mut size = 0;
    ok!(chreode_fates_report(fates, null_mut(), 0, &mut size));
    let mut text = vec![0u8; size];
    ok!(chreode_fates_report(fates, text.as_mut_ptr().cast(), size, &mut size));
    let report: serde_json::Value = serde_json::from_slice(&text[..size - 1]).unwrap();
    assert_eq!((report["to"].as_f64(), report["neighbours"].as_u64()), (Some(4.0), Some(10)));

    let (bad, out) = (CHREODE_ERROR_INVALID_ARGUMENT, by_column(&mut table, 4, 3));
    refused!(bad, "nearest: se_p_none", chreode_fates_values(fates, c"se_pnone".as_ptr(), &out));
    refused!(bad, "values must have", chreode_fates_values(fates, c"p".as_ptr(), &out));
    refused!(
        bad,
        "below 4, the number of tables",
        chreode_fates_transition(fates, 4, &mut time, &mut sources)
    );
    refused!(
        bad,
        "mass se_mass sd_mass went came",
        chreode_fates_transition_values(fates, 0, c"x".as_ptr(), &out)
    );
    refused!(bad, "the size of labels must be 3", chreode_fates_labels(fates, names.as_mut_ptr(), 2));
    let mut none = null_mut();
    let count = labels.len();
    refused!(
        bad,
        "the number of labels must be",
        chreode_fates_new(model, data, labels.as_ptr(), count - 1, set, None, null_mut(), &mut none)
    );
    let wrong = vec![-2; count];
    refused!(
        bad,
        "labels[0] must be a number from 0, or -1 for unknown, got -2",
        chreode_fates_new(model, data, wrong.as_ptr(), count, set, None, null_mut(), &mut none)
    );
    let unknown = vec![-1; count];
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "has a label",
        chreode_fates_new(model, data, unknown.as_ptr(), count, set, None, null_mut(), &mut none)
    );
    refused!(
        CHREODE_ERROR_NULL_POINTER,
        "labels",
        chreode_fates_new(model, data, null(), count, set, None, null_mut(), &mut none)
    );
    extern "C" fn cancel(_: *const chreode_progress, _: *mut c_void) -> i32 {
        1
    }
    refused!(
        CHREODE_ERROR_CANCELLED,
        "cancelled",
        chreode_fates_new(model, data, labels.as_ptr(), count, set, Some(cancel), null_mut(), &mut none)
    );
    assert!(none.is_null());
    // SAFETY: the tests free what they made, once.
    unsafe {
        chreode_fates_free(fates);
        chreode_fates_free(null_mut());
        chreode_options_free(set);
        chreode_snapshots_free(data);
    }
    free(model);
}

#[test]
fn every_list_describes_options_that_can_be_set_to_their_own_defaults() {
    for list in [
        "fit",
        "simulate",
        "evaluate",
        "validate",
        "fates",
        "transport",
        "gene-network",
        "gaussian-mixture",
        "branching",
    ] {
        let (set, mut count) = (options(list, &[]), 0);
        ok!(chreode_options_count(set, &mut count));
        assert!(count >= 2);
        for index in 0..count {
            let mut told = chreode_option {
                name: null(),
                kind: null(),
                default_value: null(),
                range: null(),
                meaning: null(),
            };
            ok!(chreode_options_describe(set, index, &mut told));
            // SAFETY: the texts live as long as the options.
            let text = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_str().unwrap();
            assert!(["real", "integer", "name", "widths", "switch"].contains(&text(told.kind)));
            // A default that is a rule is no value; all others are in range.
            // SAFETY: as above.
            let status = unsafe { chreode_options_set_string(set, told.name, told.default_value) };
            assert!(
                status == CHREODE_OK || text(told.default_value).contains(|c: char| !c.is_ascii_digit()),
                "{list}"
            );
        }
        // SAFETY: made above.
        unsafe { chreode_options_free(set) };
    }
}

#[test]
fn a_device_has_one_of_the_names_that_are_listed() {
    let built = if cfg!(feature = "cuda") {
        "one of auto | cpu | cuda:0, cuda:1, …"
    } else {
        "one of auto | cpu (this library was built without other devices)"
    };
    for list in ["fit", "simulate", "evaluate", "transport"] {
        let set = options(list, &[("device", "auto"), ("device", "cpu")]);
        let names: &[&CStr] =
            if cfg!(feature = "cuda") { &[c"gpu", c"cuda:-1", c""] } else { &[c"gpu", c"cuda:0", c""] };
        for name in names {
            refused!(
                CHREODE_ERROR_INVALID_ARGUMENT,
                built,
                chreode_options_set_string(set, c"device".as_ptr(), name.as_ptr())
            );
        }
        // SAFETY: made above.
        unsafe { chreode_options_free(set) };
    }
    let mut size = 0;
    ok!(chreode_capabilities(null_mut(), 0, &mut size));
    let mut text = vec![0_u8; size];
    ok!(chreode_capabilities(text.as_mut_ptr().cast(), size, &mut size));
    let told: serde_json::Value = serde_json::from_slice(&text[..size - 1]).unwrap();
    assert_eq!(told["devices"][0], "cpu");
    assert!(cfg!(feature = "cuda") || told["devices"].as_array().unwrap().len() == 1);
}

#[cfg(feature = "cuda")]
#[test]
fn a_device_without_a_driver_is_a_status_that_says_so() {
    if cuda_support::has_driver() {
        return;
    }
    let (data, model) = (snapshots(), fitted("usb", "1"));
    let points = matrix(&SQUARE, 4, 2, (2, 1));
    let times = [1.0];
    let list = |name: &str, more: &[(&str, &str)]| options(name, &[&[("device", "cuda:0")], more].concat());
    let fit = list("fit", &[("method", "usb")]);
    let (flow, measure) = (list("simulate", &[("solver", "euler")]), list("evaluate", &[("solver", "rk4")]));
    let static_problem = list("transport", &[("epsilon", "0.1")]);
    let (mut m, mut t, mut e, mut p) = (null_mut(), null_mut(), null_mut(), null_mut());
    let told = "there is no CUDA driver on this machine";
    refused!(CHREODE_ERROR_DEVICE, told, chreode_fit(data, fit, None, null_mut(), &mut m));
    refused!(
        CHREODE_ERROR_DEVICE,
        told,
        chreode_simulate(model, 0.0, &points, null(), 0, times.as_ptr(), 1, flow, None, null_mut(), &mut t)
    );
    refused!(CHREODE_ERROR_DEVICE, told, chreode_evaluate(model, data, measure, None, null_mut(), &mut e));
    refused!(
        CHREODE_ERROR_DEVICE,
        told,
        chreode_transport(&points, null(), 0, &points, null(), 0, static_problem, None, null_mut(), &mut p)
    );
    assert!(m.is_null() && t.is_null() && e.is_null() && p.is_null());
    // SAFETY: made above.
    unsafe {
        [fit, flow, measure, static_problem].into_iter().for_each(|set| chreode_options_free(set));
        chreode_snapshots_free(data);
    }
    free(model);
}

extern "C" fn cancel_when_training(progress: *const chreode_progress, seen: *mut c_void) -> i32 {
    // SAFETY: the library's promise, and the caller below.
    let (progress, seen) = unsafe { (&*progress, &mut *seen.cast::<usize>()) };
    *seen += 1;
    // A call from inside a call leaves the fit alone.
    assert_eq!(chreode_abi_version(), CHREODE_ABI_VERSION);
    refused!(CHREODE_ERROR_NULL_POINTER, "model", chreode_model_dims(null(), null_mut()));
    // SAFETY: a static text.
    i32::from(unsafe { CStr::from_ptr(progress.stage) } == c"training" && progress.done > 0)
}

#[test]
fn a_cancelled_fit_keeps_what_it_had_learned() {
    let (data, mut seen, mut model) = (snapshots(), 0usize, null_mut());
    let set = options("fit", &[("hidden", "8"), ("epochs", "10000000"), ("batch_size", "8")]);
    refused!(
        CHREODE_ERROR_CANCELLED,
        "cancelled",
        chreode_fit(data, set, Some(cancel_when_training), (&raw mut seen).cast(), &mut model)
    );
    assert!(seen >= 3 && !model.is_null());
    let square = matrix(&SQUARE, 4, 2, (2, 1));
    ok!(chreode_model_field(model, c"velocity".as_ptr(), 0.0, &square, &output(&mut [0f32; 8], 4, 2)));
    assert!(Dynamics::from_bytes(&bytes_of(model)).unwrap().info().epochs > 0);
    // SAFETY: made above.
    unsafe {
        chreode_snapshots_free(data);
        chreode_options_free(set);
    }
    free(model);
}

/// Asks to stop at a call of its, and notes when.
struct Asking {
    at: usize,
    seen: usize,
    stages: Vec<String>,
    asked: Option<Instant>,
}

extern "C" fn ask_to_stop(progress: *const chreode_progress, asking: *mut c_void) -> i32 {
    // SAFETY: the library's promise, and the callers below.
    let (progress, asking) = unsafe { (&*progress, &mut *asking.cast::<Asking>()) };
    // SAFETY: a text that lives as long as this call.
    asking.stages.push(unsafe { CStr::from_ptr(progress.stage) }.to_str().unwrap().into());
    asking.seen += 1;
    if asking.seen < asking.at {
        return 0;
    }
    asking.asked.get_or_insert_with(Instant::now);
    1
}

/// Calls with a progress function that asks to stop at its call number `at`; returns how long after that the call returned.
fn stopped(
    what: &str,
    at: usize,
    call: impl FnOnce(chreode_progress_fn, *mut c_void) -> chreode_status,
) -> Duration {
    let mut asking = Asking { at, seen: 0, stages: vec![], asked: None };
    let status = call(Some(ask_to_stop), (&raw mut asking).cast());
    assert_eq!(status, CHREODE_ERROR_CANCELLED, "{what} was over before it was asked: {}", message());
    assert!(asking.stages.iter().all(|stage| stage == what), "{what} tells {:?}", asking.stages);
    let waited = asking.asked.unwrap().elapsed();
    println!("{what}: returned {:.0} ms after the request number {at}", 1e3 * waited.as_secs_f64());
    waited
}

/// So many points in ten dimensions, as a matrix that refers to them.
fn cloud(numbers: &[f64]) -> chreode_matrix {
    matrix(numbers, numbers.len() / 10, 10, (10, 1))
}

/// Points that no two of are equal.
fn many(points: usize) -> Vec<f64> {
    (0..10 * points).map(|i| ((i * i) as f64 * 0.37).sin()).collect()
}

/// Every long call, on 6000 points, stops soon after it is asked to: within three tenths of a second when the machine is free
/// (figures are printed), and here within ten times that, for a machine may be busy.
#[test]
fn every_long_call_stops_soon_after_it_is_asked_to() {
    const AT_MOST: Duration = Duration::from_secs(3);
    let (one, other) = (many(6000), many(12_000).split_off(60_000));
    let (source, target) = (cloud(&one), cloud(&other));
    let numbers = [one.clone(), other.clone()].concat();
    let labels: Vec<f64> = (0..12_000).map(|i| f64::from(i / 6000)).collect();
    let (mut data, mut model) = (null_mut(), null_mut());
    ok!(chreode_snapshots_new(&cloud(&numbers), labels.as_ptr(), labels.len(), null(), 0, &mut data));
    let quick =
        options("fit", &[("epochs", "1"), ("method", "ot-cfm"), ("chunk_size", "50"), ("hidden", "256x3")]);
    ok!(chreode_fit(data, quick, None, null_mut(), &mut model));
    let times = [1.0];
    for at in [1, 4] {
        for settings in [
            &[("cost", "euclidean"), ("penalty", "inf")][..],
            &[("delta", "3")],
            &[("delta", "3"), ("epsilon", "1e-4"), ("tolerance", "1e-15")],
        ] {
            let (set, mut plan) = (options("transport", settings), null_mut());
            // SAFETY: as the header wants them.
            let waited = stopped("transport", at, |tell, data| unsafe {
                chreode_transport(&source, null(), 0, &target, null(), 0, set, tell, data, &mut plan)
            });
            assert!(plan.is_null() && waited < AT_MOST, "{settings:?}: {waited:?}");
            // SAFETY: made above.
            unsafe { chreode_options_free(set) };
        }
        for mode in ["ode", "sde", "branching"] {
            let settings = [("mode", mode), ("step", "1e-4"), ("solver", "rk4")];
            let set = options("simulate", &settings[..if mode == "ode" { 3 } else { 2 }]);
            let mut trajectory = null_mut();
            // SAFETY: as the header wants them.
            let waited = stopped("simulation", at, |tell, data| unsafe {
                let to = &mut trajectory;
                chreode_simulate(model, 0.0, &source, null(), 0, times.as_ptr(), 1, set, tell, data, to)
            });
            assert!(trajectory.is_null() && waited < AT_MOST, "{mode}: {waited:?}");
            // SAFETY: made above.
            unsafe { chreode_options_free(set) };
        }
        let mut evaluation = null_mut();
        // SAFETY: as the header wants them.
        let waited = stopped("evaluation", at, |tell, user| unsafe {
            chreode_evaluate(model, data, null(), tell, user, &mut evaluation)
        });
        assert!(evaluation.is_null() && waited < AT_MOST, "{waited:?}");
        for settings in
            [&[("method", "ot-cfm")][..], &[("epochs", "100000"), ("hidden", "8"), ("chunk_size", "50")]]
        {
            let (set, mut validation) = (options("validate", settings), null_mut());
            // SAFETY: as the header wants them.
            let waited = stopped("validation", at, |tell, user| unsafe {
                chreode_validate(data, set, null(), 0, null(), 0, tell, user, &mut validation)
            });
            assert!(validation.is_null() && waited < AT_MOST, "{settings:?}: {waited:?}");
            // SAFETY: made above.
            unsafe { chreode_options_free(set) };
        }
        let mut values = vec![0f32; 60_000 * 10];
        // A row that stands for all: nothing is written twice, though.
        let repeated = matrix(&one, 60_000, 10, (0, 1));
        let moments: Vec<f64> = (0..60_000).map(|i| f64::from(i) / 6e4).collect();
        // SAFETY: as the header wants them.
        let waited = stopped("field", at.min(2), |tell, user| unsafe {
            let (name, into) = (c"velocity".as_ptr(), output(&mut values, 60_000, 10));
            chreode_model_field_at(model, name, moments.as_ptr(), moments.len(), &repeated, tell, user, &into)
        });
        assert!(waited < AT_MOST, "{waited:?}");
    }
    // SAFETY: made above.
    unsafe {
        chreode_snapshots_free(data);
        chreode_options_free(quick);
    }
    free(model);
}

/// A request that comes with the very last report cancels, too, and no result is left.
#[test]
fn a_request_at_the_last_report_cancels() {
    let (model, points, times, mut trajectory) =
        (fitted("usb", "5"), matrix(&SQUARE, 4, 2, (2, 1)), [0.5], null_mut());
    // SAFETY: as the header wants them.
    let call = |tell, data, to: &mut _| unsafe {
        chreode_simulate(model, 0.0, &points, null(), 0, times.as_ptr(), 1, null(), tell, data, to)
    };
    let mut asking = Asking { at: usize::MAX, seen: 0, stages: vec![], asked: None };
    assert_eq!(call(Some(ask_to_stop), (&raw mut asking).cast(), &mut trajectory), CHREODE_OK);
    assert_eq!(asking.seen, 2, "the first and the last report of a short call");
    // SAFETY: made above.
    unsafe { chreode_trajectory_free(trajectory) };
    stopped("simulation", 2, |tell, data| call(tell, data, &mut trajectory));
    assert!(trajectory.is_null());
    free(model);
}

/// A text of the library's, by size, then fill.
fn text_of(get: impl Fn(*mut c_char, usize, *mut usize) -> chreode_status) -> String {
    let mut size = 0;
    assert_eq!(get(null_mut(), 0, &mut size), CHREODE_OK);
    let mut buffer = vec![0u8; size];
    assert_eq!(get(buffer.as_mut_ptr().cast(), size, &mut size), CHREODE_OK);
    CStr::from_bytes_with_nul(&buffer).unwrap().to_str().unwrap().into()
}

/// The warnings of a report.
fn warnings_of(report: &str) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    report["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().into()).collect()
}

#[test]
fn results_that_mean_little_are_warned_of() {
    let (data, square, times) = (snapshots(), matrix(&SQUARE, 4, 2, (2, 1)), [9.0]);
    let (mut model, mut trajectory, mut plan, mut evaluation) =
        (null_mut(), null_mut(), null_mut(), null_mut());
    let near = options("fit", &[("method", "wfr-fm"), ("delta", "1e-4"), ("epochs", "1"), ("hidden", "4")]);
    ok!(chreode_fit(data, near, None, null_mut(), &mut model));
    // SAFETY: as the header wants them.
    let of_fit = warnings_of(&text_of(|b, c, s| unsafe { chreode_model_report(model, b, c, s) }));
    assert!(of_fit[0].contains("has no partner within reach"), "{of_fit:?}");
    let to = &mut trajectory;
    ok!(chreode_simulate(model, 0.0, &square, null(), 0, times.as_ptr(), 1, null(), None, null_mut(), to));
    // SAFETY: as the header wants them.
    let of_simulation =
        warnings_of(&text_of(|b, c, s| unsafe { chreode_trajectory_report(trajectory, b, c, s) }));
    assert!(
        of_simulation[0].contains("the time 9 is") && of_simulation[0].contains("extrapolation"),
        "{of_simulation:?}"
    );
    let far = options("transport", &[("delta", "1e-3")]);
    let elsewhere = matrix(&[50.0, 50.0], 1, 2, (2, 1));
    let to = &mut plan;
    ok!(chreode_transport(&square, null(), 0, &elsewhere, null(), 0, far, None, null_mut(), to));
    // SAFETY: as the header wants them.
    let of_plan = warnings_of(&text_of(|b, c, s| unsafe { chreode_plan_report(plan, b, c, s) }));
    assert!(of_plan[0].starts_with("nothing is transported"), "{of_plan:?}");
    let mut later = null_mut();
    ok!(chreode_snapshots_new(&square, [0.0, 0.0, 7.0, 7.0].as_ptr(), 4, null(), 0, &mut later));
    ok!(chreode_evaluate(model, later, null(), None, null_mut(), &mut evaluation));
    // SAFETY: as the header wants them.
    let of_evaluation =
        warnings_of(&text_of(|b, c, s| unsafe { chreode_evaluation_json(evaluation, b, c, s) }));
    assert!(of_evaluation[0].contains("the time 7 is"), "{of_evaluation:?}");
    // SAFETY: made above.
    unsafe {
        [near, far].into_iter().for_each(|set| chreode_options_free(set));
        [data, later].into_iter().for_each(|cells| chreode_snapshots_free(cells));
        chreode_trajectory_free(trajectory);
        chreode_plan_free(plan);
        chreode_evaluation_free(evaluation);
    }
    free(model);
}

#[test]
fn rows_at_times_of_their_own_have_the_values_of_each_time_to_the_bit() {
    let model = fitted("usb", "5");
    let rows = 700;
    let points: Vec<f64> = (0..2 * rows).map(|i| (i as f64 * 0.37).sin()).collect();
    let times: Vec<f64> = (0..rows).map(|i| if i % 3 == 0 { 0.25 } else { (i % 7) as f64 * 0.1 }).collect();
    // Column-major, so that rows are gathered and scattered.
    let view = matrix(&points, rows, 2, (1, rows as isize));
    let name = c"velocity".as_ptr();
    let mut together = vec![0f32; 2 * rows];
    let into = output(&mut together, rows, 2);
    let (no, user) = (None, null_mut());
    ok!(chreode_model_field_at(model, name, times.as_ptr(), rows, &view, no, user, &into));
    for (i, &time) in times.iter().enumerate() {
        let (point, mut alone) = ([points[i], points[rows + i]], [0f32; 2]);
        ok!(chreode_model_field(model, name, time, &matrix(&point, 1, 2, (2, 1)), &output(&mut alone, 1, 2)));
        assert_eq!(alone, together[2 * i..2 * i + 2], "row {i}");
    }
    let (mut at_once, mut one_for_all) = (vec![0f32; 2 * rows], vec![0f32; 2 * rows]);
    ok!(chreode_model_field(model, name, 0.25, &view, &output(&mut at_once, rows, 2)));
    let into = output(&mut one_for_all, rows, 2);
    ok!(chreode_model_field_at(model, name, [0.25].as_ptr(), 1, &view, no, user, &into));
    assert_eq!(at_once, one_for_all);
    let invalid = CHREODE_ERROR_INVALID_ARGUMENT;
    refused!(
        invalid,
        "1, or 700",
        chreode_model_field_at(model, name, times.as_ptr(), 2, &view, no, user, &into)
    );
    let mut wrong = times.clone();
    wrong[4] = f64::NAN;
    refused!(
        invalid,
        "the time of row 5",
        chreode_model_field_at(model, name, wrong.as_ptr(), rows, &view, no, user, &into)
    );
    free(model);
}

#[test]
fn a_model_tells_which_fields_it_has_learned() {
    for (method, fields) in [
        ("ot-cfm", &["velocity"][..]),
        ("usb", &["velocity", "growth", "score_drift"]),
        ("var-ruot", &["velocity", "growth", "score_drift", "landscape"]),
    ] {
        let model = fitted(method, "1");
        // SAFETY: as the header wants them.
        let info = text_of(|b, c, s| unsafe { chreode_model_info(model, b, c, s) });
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        assert_eq!(info["fields"], serde_json::json!(fields));
        assert_eq!(info["has_landscape"], fields.contains(&"landscape"));
        free(model);
    }
}

#[test]
fn founders_are_drawn_as_in_rust() {
    let data = snapshots();
    let mut rows = [0u64; 2];
    ok!(chreode_snapshots_sample(data, 0, 2, 7, rows.as_mut_ptr()));
    assert!(rows[0] < rows[1]);
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "cells to draw must be 1 to",
        chreode_snapshots_sample(data, 0, 99_999, 7, rows.as_mut_ptr())
    );
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "number of times",
        chreode_snapshots_sample(data, 99, 2, 7, rows.as_mut_ptr())
    );
    refused!(CHREODE_ERROR_NULL_POINTER, "rows", chreode_snapshots_sample(data, 0, 2, 7, null_mut()));
    // SAFETY: made above.
    unsafe { chreode_snapshots_free(data) };
}

#[test]
fn fields_are_those_of_the_rust_call_to_the_bit() {
    let model = fitted("usb", "5");
    let dynamics = Dynamics::from_bytes(&bytes_of(model)).unwrap();
    let rows = 1000;
    let points: Vec<f32> = (0..2 * rows).map(|i| (i as f32 * 0.37).sin()).collect();
    let view = chreode_matrix {
        data: points.as_ptr().cast(),
        rows,
        cols: 2,
        row_stride: 2,
        col_stride: 1,
        dtype: CHREODE_F32,
    };
    let (mut velocity, mut growth, mut score) =
        (vec![0f32; 2 * rows], vec![0f32; rows], vec![0f32; 2 * rows]);
    ok!(chreode_model_field(model, c"velocity".as_ptr(), 0.7, &view, &output(&mut velocity, rows, 2)));
    ok!(chreode_model_field(model, c"growth".as_ptr(), 0.7, &view, &output(&mut growth, rows, 1)));
    ok!(chreode_model_field(model, c"score_drift".as_ptr(), 0.7, &view, &output(&mut score, rows, 2)));
    let (mut v, mut g, mut s) = (velocity.clone(), growth.clone(), score.clone());
    let values = FieldValues { velocity: Some(&mut v), growth: Some(&mut g), score_drift: Some(&mut s) };
    dynamics.evaluate(0.7, &points, values, &mut Scratch::default());
    assert!(velocity == v && growth == g && score == s);
    assert!(score.iter().any(|s| *s != 0.0));
    free(model);
}

#[test]
fn eight_threads_with_handles_of_their_own_do_not_disturb_each_other() {
    let alone: Vec<Vec<u8>> = (0..4)
        .map(|seed| {
            let model = fitted("usb", &seed.to_string());
            let bytes = bytes_of(model);
            free(model);
            bytes
        })
        .collect();
    std::thread::scope(|scope| {
        for t in 0..8 {
            let alone = &alone;
            scope.spawn(move || {
                for _ in 0..3 {
                    let model = fitted("usb", &(t % 4).to_string());
                    assert!(bytes_of(model) == alone[t % 4]);
                    let told = format!("{t} is no field");
                    let name = CString::new(told.clone()).unwrap();
                    refused!(
                        CHREODE_ERROR_INVALID_ARGUMENT,
                        &told,
                        chreode_model_field(model, name.as_ptr(), 0.0, null(), null())
                    );
                    free(model);
                }
            });
        }
    });
}

/// Bytes are a model or are refused, and a model can be used, however wrong it is: whatever is asked of it has an answer.
fn use_or_refuse(bytes: &[u8]) {
    let mut model = null_mut();
    // SAFETY: the bytes are a slice.
    let status = unsafe { chreode_model_from_bytes(bytes.as_ptr(), bytes.len(), &mut model) };
    if status != CHREODE_OK {
        assert!(status == CHREODE_ERROR_MODEL_FILE && model.is_null() && !message().is_empty(), "{status:?}");
        return;
    }
    ok!(chreode_model_set_threads(model, 1));
    let (mut dims, mut size) = (0, 0);
    ok!(chreode_model_dims(model, &mut dims));
    ok!(chreode_model_info(model, null_mut(), 0, &mut size));
    assert!(!bytes_of(model).is_empty());
    let answered =
        |status| assert!(status == CHREODE_OK || (status != CHREODE_ERROR_INTERNAL && !message().is_empty()));
    let square = matrix(&SQUARE, 4, 2, (2, 1));
    for (field, columns) in [(c"velocity", 2), (c"growth", 1), (c"score_drift", 2), (c"landscape", 1)] {
        let (mut numbers, name) = ([0f32; 8], field.as_ptr());
        // SAFETY: as the header wants them; the dimension may be another.
        answered(unsafe {
            chreode_model_field(model, name, 0.5, &square, &output(&mut numbers, 4, columns))
        });
    }
    for choice in [
        &[("mode", "ode"), ("max_steps", "9")][..],
        &[("mode", "sde"), ("step", "0.5")],
        &[("mode", "branching"), ("step", "0.5"), ("max_population", "99")],
    ] {
        let set = options("simulate", choice);
        let mut trajectory = null_mut();
        // SAFETY: as above.
        unsafe {
            answered(chreode_simulate(
                model,
                0.0,
                &square,
                null(),
                0,
                [1.0].as_ptr(),
                1,
                set,
                None,
                null_mut(),
                &mut trajectory,
            ));
            chreode_trajectory_free(trajectory);
            chreode_options_free(set);
        }
    }
    free(model);
}

/// A model of each kind: velocity; with growth and score; with growth and density; potential and score.
const KINDS: [&str; 4] = ["ot-cfm", "usb", "deep-ruot", "var-ruot"];

/// The header of a model's bytes, after its eight bytes of length, and the parameters.
fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8..].split_at(length)
}

/// The bytes of a model with this header.
fn with_header(header: &[u8], parameters: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, parameters].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn models_of_random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        use_or_refuse(&bytes);
        use_or_refuse(&with_header(&bytes, &[]));
        use_or_refuse(&with_header(&[b"{\"__metadata__\":{\"chreode\":\"", &bytes[..]].concat(), &[]));
    }

    #[test]
    fn options_of_any_text_are_taken_or_refused(name in "[a-z_]{0,20}", value in ".{0,30}", real in any::<f64>(), integer in any::<i64>()) {
        let set = options("fit", &[]);
        for name in [name.as_str(), "delta", "epochs", "hidden", "method"] {
            let (name, value) = (CString::new(name).unwrap(), CString::new(value.replace('\0', "")).unwrap());
            // SAFETY: options and texts.
            let taken = unsafe {
                [
                    chreode_options_set_string(set, name.as_ptr(), value.as_ptr()),
                    chreode_options_set_real(set, name.as_ptr(), real),
                    chreode_options_set_integer(set, name.as_ptr(), integer),
                ]
            };
            prop_assert!(taken.iter().all(|status| matches!(status, CHREODE_OK | CHREODE_ERROR_INVALID_ARGUMENT)));
        }
        // SAFETY: made above.
        unsafe { chreode_options_free(set) };
    }
}

#[test]
fn models_cut_short_or_with_a_flipped_bit_are_used_or_refused() {
    for kind in KINDS {
        let model = fitted(kind, "6");
        let good = bytes_of(model);
        free(model);
        use_or_refuse(&good);
        let (header, _) = parts(&good);
        // Every byte of the header, and here and there a parameter's.
        let looked_at = || (0..8 + header.len()).chain((8 + header.len()..good.len()).step_by(31));
        for at in looked_at() {
            use_or_refuse(&good[..at]);
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            use_or_refuse(&bytes);
        }
    }
}

#[test]
fn models_that_claim_to_be_huge_or_odd_are_used_or_refused() {
    for kind in KINDS {
        let model = fitted(kind, "8");
        let good = bytes_of(model);
        free(model);
        let (header, parameters) = parts(&good);
        let length = header.len() as u64;
        for claimed in
            [0, 1, length - 1, length + 1, good.len() as u64, 1 << 32, 1 << 63, u64::MAX - 7, u64::MAX]
        {
            use_or_refuse(&[&claimed.to_le_bytes()[..], header, parameters].concat());
        }
        // Each number in turn: shapes, offsets, widths, and those of the recipe.
        let digit = |at: usize| header.get(at).is_some_and(u8::is_ascii_digit);
        for start in (0..header.len()).filter(|&at| digit(at) && !digit(at - 1)) {
            let end = (start..).find(|&at| !digit(at)).unwrap();
            for odd in [
                "0",
                "-1",
                "9",
                "1e9",
                "4294967296",
                "9223372036854775807",
                "18446744073709551615",
                "1e999",
                "null",
                "[]",
            ] {
                let edited = [&header[..start], odd.as_bytes(), &header[end..]].concat();
                use_or_refuse(&with_header(&edited, parameters));
            }
        }
    }
    // Nested deeper than any stack, in the header and in the recipe inside.
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(100_000);
        use_or_refuse(&with_header(deep.as_bytes(), &[]));
        let recipe = serde_json::json!({ "__metadata__": { "chreode": deep } });
        use_or_refuse(&with_header(recipe.to_string().as_bytes(), &[]));
    }
    let mut model = null_mut();
    let told = "less than memory holds";
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        told,
        chreode_model_from_bytes([0].as_ptr(), usize::MAX, &mut model)
    );
}

#[test]
fn clones_and_couplings_are_those_of_rust() {
    let data = snapshots();
    let (mut cells, mut total) = (0, 0);
    for k in 0..5 {
        ok!(chreode_snapshots_cell_count(data, k, &mut cells));
        total += cells;
    }
    let mut barcoded = null_mut();
    let clones: Vec<i64> = (0..total as i64).map(|i| i % 3 - 1).collect();
    ok!(chreode_snapshots_with_clones(data, clones.as_ptr(), total, &mut barcoded));
    for wrong in [-2, 4_294_967_295, i64::MAX] {
        let mut given = clones.clone();
        given[3] = wrong;
        let mut made = null_mut();
        // SAFETY: an array of so many elements, as the conventions of the header ask.
        let refused = unsafe { chreode_snapshots_with_clones(data, given.as_ptr(), total, &mut made) };
        assert!(refused == CHREODE_ERROR_INVALID_ARGUMENT && made.is_null());
        assert!(message().contains("the clone of cell 4 must be 0 to 4294967294"), "{}", message());
    }
    let set = options("fit", &[("method", "wfr-fm"), ("delta", "0.4")]);
    let mut couplings = null_mut();
    ok!(chreode_couple(barcoded, set, None, null_mut(), &mut couplings));
    let (mut rows, mut cols, mut pairs) = (0, 0, 0);
    ok!(chreode_couplings_size(couplings, 1, &mut rows, &mut cols, &mut pairs));
    let (mut sources, mut targets) = (vec![0u64; pairs], vec![0u64; pairs]);
    let (mut sent, mut received) = (vec![0.0; pairs], vec![0.0; pairs]);
    ok!(chreode_couplings_pairs(
        couplings,
        1,
        sources.as_mut_ptr(),
        targets.as_mut_ptr(),
        sent.as_mut_ptr(),
        received.as_mut_ptr(),
        pairs
    ));
    let (mut dying, mut born) = (vec![0.0; rows], vec![0.0; cols]);
    ok!(chreode_couplings_unmatched(couplings, 1, dying.as_mut_ptr(), rows, born.as_mut_ptr(), cols));
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-9 * want, "{got} {want}");
    near(sent.iter().chain(&dying).sum(), rows as f64);
    near(received.iter().chain(&born).sum(), cols as f64);
    let before: usize = {
        ok!(chreode_snapshots_cell_count(data, 0, &mut cells));
        cells
    };
    let (mut count, mut times, mut counts) = (0, [0.0; 5], [0u64; 5]);
    ok!(chreode_couplings_time_count(couplings, &mut count));
    ok!(chreode_couplings_times(couplings, times.as_mut_ptr(), counts.as_mut_ptr(), count));
    assert_eq!((times, counts[1], counts[2]), ([0.0, 1.0, 2.0, 3.0, 4.0], rows as u64, cols as u64));
    // What of each cell of a time between two others is sent, dies, is received and born.
    let (mut of_cells, null) = (vec![[0.0; 4]; rows], null_mut());
    let mut column = vec![0.0; rows];
    for part in 0..4 {
        let mut arrays = [null; 4];
        arrays[part] = column.as_mut_ptr();
        let [a, b, c, d] = arrays;
        ok!(chreode_couplings_cells(couplings, 1, a, b, c, d, rows));
        of_cells.iter_mut().zip(&column).for_each(|(cell, mass)| cell[part] = *mass);
    }
    of_cells.iter().for_each(|[sent, dying, received, born]| {
        near(sent + dying, 1.0);
        near(received + born, 1.0);
    });
    assert_eq!(of_cells.iter().map(|cell| cell[1]).collect::<Vec<_>>(), dying);
    // SAFETY: made above.
    let refused = unsafe { chreode_couplings_cells(couplings, 5, null, null, null, null, 0) };
    assert!(refused == CHREODE_ERROR_INVALID_ARGUMENT && message().contains("k must be below 5"));
    for (&i, &j) in sources.iter().zip(&targets) {
        let (one, other) = (clones[before + i as usize], clones[before + rows + j as usize]);
        assert!(one == other || one < 0 || other < 0);
    }
    // Through all intervals, from one end to the other.
    let masses = vec![1.0; before];
    ok!(chreode_snapshots_cell_count(data, 4, &mut cells));
    let (mut carried, mut lost) = (vec![0.0; cells], [0.0; 4]);
    let mut carry = |carry: &str, lost_count: usize| {
        let carry = std::ffi::CString::new(carry).unwrap();
        // SAFETY: arrays of so many elements, or a number of them that is refused.
        unsafe {
            chreode_couplings_carry(
                couplings,
                0,
                4,
                carry.as_ptr(),
                masses.as_ptr(),
                before,
                carried.as_mut_ptr(),
                cells,
                lost.as_mut_ptr(),
                lost_count,
            )
        }
    };
    assert_eq!(carry("shares", 4), CHREODE_ERROR_INVALID_ARGUMENT);
    assert_eq!(carry("share", 3), CHREODE_ERROR_INVALID_ARGUMENT);
    assert_eq!(carry("share", 4), CHREODE_OK);
    near(carried.iter().chain(&lost).sum(), before as f64);
    // Those of a model that keeps them.
    let short = [("method", "wfr-fm"), ("delta", "0.4"), ("epochs", "1"), ("hidden", "4")];
    let (mut model, mut kept) = (null_mut(), null_mut());
    let plain = options("fit", &short);
    ok!(chreode_fit(barcoded, plain, None, null_mut(), &mut model));
    // SAFETY: made above.
    let refused = unsafe { chreode_model_couplings(model, &mut kept) };
    assert!(refused == CHREODE_ERROR_INVALID_ARGUMENT && kept.is_null());
    assert!(message().contains("one that was fitted with keep_couplings"), "{}", message());
    let keeping = options("fit", &[&short[..], &[("keep_couplings", "true")]].concat());
    let mut keeper = null_mut();
    ok!(chreode_fit(barcoded, keeping, None, null_mut(), &mut keeper));
    ok!(chreode_model_couplings(keeper, &mut kept));
    let mut again = vec![0.0; pairs];
    ok!(chreode_couplings_pairs(kept, 1, null_mut(), null_mut(), again.as_mut_ptr(), null_mut(), pairs));
    assert_eq!(again, sent);
    // Through the dynamics: of the two times asked for, and as Rust has it.
    let how = options("fates", &[("from", "1"), ("to", "3"), ("descendants", "4"), ("seed", "3")]);
    let mut descended = null_mut();
    let bars = options("fates", &[("error_bars", "true")]);
    // SAFETY: all are made above.
    let refused = unsafe { chreode_descent(model, data, bars, None, null_mut(), &mut descended) };
    assert!(refused == CHREODE_ERROR_INVALID_ARGUMENT && descended.is_null());
    assert!(message().contains("error_bars must be left out"), "{}", message());
    // SAFETY: made above.
    unsafe { chreode_options_free(bars) };
    ok!(chreode_descent(model, data, how, None, null_mut(), &mut descended));
    ok!(chreode_couplings_times(descended, times.as_mut_ptr(), null_mut(), 2));
    assert_eq!(times[..2], [1.0, 3.0]);
    // SAFETY: made above.
    let report = text_of(|b, c, s| unsafe { chreode_couplings_report(descended, b, c, s) });
    assert!(report.contains(r#""to":3.0"#) && report.contains(r#""neighbours":10"#), "{report}");
    // SAFETY: made above.
    let refused = unsafe { chreode_couplings_size(couplings, 4, &mut rows, &mut cols, &mut pairs) };
    assert_eq!(refused, CHREODE_ERROR_INVALID_ARGUMENT);
    // SAFETY: made above.
    unsafe {
        for handle in [couplings, kept, descended, null_mut()] {
            chreode_couplings_free(handle);
        }
        for handle in [model, keeper] {
            chreode_model_free(handle);
        }
        for handle in [plain, keeping, how] {
            chreode_options_free(handle);
        }
        chreode_options_free(set);
        chreode_snapshots_free(barcoded);
        chreode_snapshots_free(data);
    }
}
