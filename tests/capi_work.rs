//! Units of work, called as C calls them.

use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};

use chreode::capi::evaluate::*;
use chreode::capi::fit::*;
use chreode::capi::model::*;
use chreode::capi::options::*;
use chreode::capi::simulate::*;
use chreode::capi::snapshots::*;
use chreode::capi::status::chreode_status::*;
use chreode::capi::status::*;
use chreode::capi::validate::*;
use chreode::capi::work::*;

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

/// A call that must be refused with this status and these words.
macro_rules! refused {
    ($status:expr, $told:expr, $call:expr) => {{
        // SAFETY: what is wrong about the arguments is what the header says is answered with a status.
        let status = unsafe { $call };
        assert_eq!(status, $status, "{}", message());
        assert!(message().contains($told), "{}", message());
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

const SHORT: [(&str, &str); 4] = [("epochs", "5"), ("batch_size", "8"), ("hidden", "8x2"), ("threads", "1")];

fn snapshots() -> *mut chreode_snapshots {
    let mut snapshots = null_mut();
    let set = options("gene-network", &[("cells_per_state", "20")]);
    ok!(chreode_snapshots_generate(set, &mut snapshots));
    // SAFETY: made above.
    unsafe { chreode_options_free(set) };
    snapshots
}

/// Bytes by the rule of size, then fill.
macro_rules! bytes {
    ($get:ident, $handle:expr $(, $more:expr)*) => {{
        let mut size = 0;
        ok!($get($handle $(, $more)*, null_mut(), 0, &mut size));
        let mut bytes = vec![0; size];
        ok!($get($handle $(, $more)*, bytes.as_mut_ptr(), size, &mut size));
        bytes
    }};
}

/// A text by the same rule.
macro_rules! bytes_of_json {
    ($get:ident, $handle:expr) => {{
        let mut size = 0;
        ok!($get($handle, null_mut(), 0, &mut size));
        let mut text = vec![0; size];
        ok!($get($handle, text.as_mut_ptr(), size, &mut size));
        text
    }};
}

/// The parts of all tasks, the last first, by a plan that went through its bytes.
fn parts(
    work: *const chreode_work,
    cells: *const chreode_snapshots,
    model: *const chreode_model,
) -> Vec<Vec<u8>> {
    let sent = bytes!(chreode_work_to_bytes, work);
    let mut plan = null_mut();
    ok!(chreode_work_from_bytes(sent.as_ptr(), sent.len(), &mut plan));
    let mut count = 0;
    ok!(chreode_work_task_count(plan, &mut count));
    let part = |task: usize| {
        let mut part = null_mut();
        ok!(chreode_work_run(plan, cells, model, task, 1, None, null_mut(), &mut part));
        let bytes = bytes!(chreode_part_to_bytes, part);
        let mut of = usize::MAX;
        ok!(chreode_work_check_part(plan, bytes.as_ptr(), bytes.len(), &mut of));
        assert_eq!(of, task);
        // SAFETY: made above.
        unsafe { chreode_part_free(part) };
        bytes
    };
    let parts = (0..count).rev().map(part).collect();
    // SAFETY: made above.
    unsafe { chreode_work_free(plan) };
    parts
}

/// Parts as C hands them over.
fn handed(parts: &[Vec<u8>]) -> (Vec<*const u8>, Vec<usize>) {
    parts.iter().map(|part| (part.as_ptr(), part.len())).unzip()
}

#[test]
fn a_fit_in_tasks_gives_the_model_of_a_fit() {
    let (cells, set) = (snapshots(), options("fit", &[&SHORT[..], &[("chunk_size", "30")]].concat()));
    let (mut work, mut at_once, mut together) = (null_mut(), null_mut(), null_mut());
    ok!(chreode_work_plan_fit(cells, set, None, null_mut(), &mut work));
    ok!(chreode_fit(cells, set, None, null_mut(), &mut at_once));
    let all = parts(work, cells, null());
    assert!(all.len() > 4);
    let (pointers, sizes) = handed(&all);
    let (parts, sizes) = (pointers.as_ptr(), sizes.as_ptr());
    ok!(chreode_work_finish_fit(work, cells, parts, sizes, all.len(), 1, None, null_mut(), &mut together));
    assert!(bytes!(chreode_model_to_bytes, at_once) == bytes!(chreode_model_to_bytes, together));
    let mut none = null_mut();
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "1 have no part yet: 0",
        chreode_work_finish_fit(work, cells, parts, sizes, all.len() - 1, 1, None, null_mut(), &mut none)
    );
    assert!(none.is_null());

    // What a task is, and its cells alone.
    let mut size = 0;
    ok!(chreode_work_task(work, 1, null_mut(), 0, &mut size));
    let mut text = vec![0; size];
    ok!(chreode_work_task(work, 1, text.as_mut_ptr(), size, &mut size));
    // SAFETY: a text that was just written.
    let told = unsafe { CStr::from_ptr(text.as_ptr()) }.to_str().unwrap();
    assert!(told.starts_with("{\"kind\":\"block\",\"interval\":0,\"block\":1,"), "{told}");
    let mut count = 0;
    ok!(chreode_work_row_count(work, 1, &mut count));
    let mut rows = vec![0; count];
    ok!(chreode_work_rows(work, 1, rows.as_mut_ptr(), count));
    assert!(count <= 60 && rows.windows(2).all(|pair| pair[0] < pair[1]));
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "the size of rows must be",
        chreode_work_rows(work, 1, rows.as_mut_ptr(), 1)
    );
    let mut part = null_mut();
    let beyond = all.len();
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "task must be below",
        chreode_work_run(work, cells, null(), beyond, 1, None, null_mut(), &mut part)
    );
    let mut of = 0;
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "the part: the part is truncated or corrupted",
        chreode_work_check_part(work, all[0].as_ptr(), all[0].len() - 1, &mut of)
    );
    let mut other = null_mut();
    refused!(
        CHREODE_ERROR_INVALID_DATA,
        "not a usable plan",
        chreode_work_from_bytes(b"{}".as_ptr(), 2, &mut other)
    );
    assert!(other.is_null());
    // SAFETY: all were made above; NULL is allowed.
    unsafe {
        chreode_work_free(work);
        chreode_work_free(null_mut());
        chreode_part_free(null_mut());
        chreode_model_free(at_once);
        chreode_model_free(together);
        chreode_options_free(set);
        chreode_snapshots_free(cells);
    }
}

#[test]
fn what_a_model_is_put_to_in_tasks_is_what_it_gives_at_once() {
    let (cells, set) = (snapshots(), options("fit", &SHORT));
    let mut model = null_mut();
    ok!(chreode_fit(cells, set, None, null_mut(), &mut model));

    let of_evaluation = options("evaluate", &[("mode", "sde"), ("runs", "2"), ("step", "0.2")]);
    let (mut work, mut at_once, mut together) = (null_mut(), null_mut(), null_mut());
    ok!(chreode_work_plan_evaluate(model, cells, of_evaluation, &mut work));
    ok!(chreode_evaluate(model, cells, of_evaluation, None, null_mut(), &mut at_once));
    let mut part = null_mut();
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "model must be the model that the plan was made for",
        chreode_work_run(work, cells, null(), 0, 1, None, null_mut(), &mut part)
    );
    let all = parts(work, cells, model);
    let (pointers, sizes) = handed(&all);
    ok!(chreode_work_finish_evaluate(
        work,
        model,
        cells,
        pointers.as_ptr(),
        sizes.as_ptr(),
        all.len(),
        &mut together
    ));
    assert_eq!(
        bytes_of_json!(chreode_evaluation_json, at_once),
        bytes_of_json!(chreode_evaluation_json, together)
    );

    let of_simulation = options("simulate", &[("mode", "branching"), ("step", "0.2"), ("seed", "3")]);
    let times = [1.0, 2.0];
    let (mut simulation, mut trajectory, mut report) = (null_mut(), null_mut(), null_mut());
    ok!(chreode_work_plan_simulate(model, cells, times.as_ptr(), 2, of_simulation, 100, &mut simulation));
    let all = parts(simulation, cells, model);
    let (pointers, sizes) = handed(&all);
    ok!(chreode_work_finish_simulate(
        simulation,
        model,
        cells,
        pointers.as_ptr(),
        sizes.as_ptr(),
        all.len(),
        1,
        &mut trajectory
    ));
    let mut frames = 0;
    ok!(chreode_trajectory_frame_count(trajectory, &mut frames));
    assert_eq!(frames, 2);
    refused!(
        CHREODE_ERROR_INVALID_ARGUMENT,
        "the job of the plan must be evaluate, got simulate",
        chreode_work_finish_evaluate(
            simulation,
            model,
            cells,
            pointers.as_ptr(),
            sizes.as_ptr(),
            1,
            &mut report
        )
    );

    let of_validation =
        options("validate", &[("epochs", "3"), ("hidden", "8x1"), ("splits", "1"), ("threads", "1")]);
    let (mut validation, mut found) = (null_mut(), null_mut());
    ok!(chreode_work_plan_validate(cells, of_validation, null(), 0, null(), 0, &mut validation));
    let all = parts(validation, cells, null());
    assert_eq!(all.len(), 2);
    let (pointers, sizes) = handed(&all);
    ok!(chreode_work_finish_validate(validation, cells, pointers.as_ptr(), sizes.as_ptr(), 2, &mut found));
    // SAFETY: all were made above.
    unsafe {
        [work, simulation, validation].into_iter().for_each(|work| chreode_work_free(work));
        let sets = [set, of_evaluation, of_simulation, of_validation];
        sets.into_iter().for_each(|set| chreode_options_free(set));
        [at_once, together].into_iter().for_each(|evaluation| chreode_evaluation_free(evaluation));
        chreode_trajectory_free(trajectory);
        chreode_validation_free(found);
        chreode_model_free(model);
        chreode_snapshots_free(cells);
    }
}
