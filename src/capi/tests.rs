//! Panics, which no caller can cause: they are injected here. In the library that ships, tests/c/panics.c causes some by a
//! clock that fails.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

use super::status::chreode_status::{CHREODE_ERROR_INTERNAL, CHREODE_OK};
use super::status::{chreode_last_error_message, guard};

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Panics inside the next call of this thread if a test asked for it.
pub(super) fn panic_if_asked() {
    assert!(!ASKED.replace(false), "injected");
}

fn message() -> String {
    // SAFETY: the message is valid until the next call, and copied before.
    unsafe { CStr::from_ptr(chreode_last_error_message()) }.to_str().unwrap().to_string()
}

/// What the header promises of functions that take a handle as const.
#[test]
fn handles_may_be_shared_by_threads() {
    fn shared<T: Sync>() {}
    shared::<super::model::chreode_model>();
    shared::<super::snapshots::chreode_snapshots>();
    shared::<super::options::chreode_options>();
    shared::<super::simulate::chreode_trajectory>();
    shared::<super::evaluate::chreode_evaluation>();
    shared::<super::validate::chreode_validation>();
    shared::<super::transport::chreode_plan>();
}

#[test]
fn a_panic_is_a_status_with_its_message() {
    let mut size = 0;
    let mut call = || {
        // SAFETY: the size is ours to be written.
        unsafe { super::library::chreode_capabilities(null_mut(), 0, &mut size) }
    };
    ASKED.set(true);
    assert_eq!(call(), CHREODE_ERROR_INTERNAL);
    assert_eq!(message(), "internal error, please report it: injected");
    assert_eq!(call(), CHREODE_OK);
    assert_eq!(message(), "");
    ASKED.set(true);
    // SAFETY: NULL may be freed.
    unsafe { super::model::chreode_model_free(null_mut()) };
    assert!(message().contains("injected"), "a function without status leaves its message");
    // SAFETY: as above.
    unsafe { super::model::chreode_model_free(null_mut()) };
    assert!(message().contains("injected"), "freeing leaves the message of the call before");
    // SAFETY: NULL is refused.
    assert_ne!(unsafe { super::fit::chreode_fit(null(), null(), None, null_mut(), null_mut()) }, CHREODE_OK);
}

#[test]
fn a_panic_of_a_worker_is_a_status() {
    let workers = super::workers::Workers::new(2);
    let status = guard(|| {
        workers.lend(|threads| threads.run(|| rayon::join(|| (), || panic!("of a worker"))))?;
        Ok(())
    });
    assert_eq!(status, CHREODE_ERROR_INTERNAL);
    assert!(message().contains("of a worker"));
    assert!(workers.lend(|threads| threads.run(|| 1)).is_ok(), "the threads go on");
}

#[test]
fn our_panics_print_nothing_and_those_of_others_do() {
    if std::env::var_os("CHREODE_TEST_PANICS").is_some() {
        guard(|| panic!("of a call"));
        guard(|| {
            super::workers::lend_once(2, |threads| threads.run(|| panic!("of a worker"))).map_err(Into::into)
        });
        let _ = std::thread::spawn(|| panic!("of the host")).join();
        return;
    }
    let name = "capi::tests::our_panics_print_nothing_and_those_of_others_do";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("CHREODE_TEST_PANICS", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("of the host") && !told.contains("of a call") && !told.contains("of a worker"),
        "{told}"
    );
}
