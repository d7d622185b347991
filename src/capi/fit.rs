//! Fits, with progress and cancellation.

use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;

use super::model::chreode_model;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, give};
use super::snapshots::chreode_snapshots;
use super::status::{chreode_status, guard};
use super::workers::{Workers, resolved};
use crate::exec::progress::Progress;
use crate::method::{FitOptions, fit};

/// Where a fit stands. Later versions may add members at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct chreode_progress {
    /// What is being done: "coupling", "pre-training", "score" or "training". The text lives as long as the call of the progress
    /// function.
    pub stage: *const c_char,
    /// Steps done so far in this stage.
    pub done: usize,
    /// Steps of this stage in all.
    pub total: usize,
    /// The latest training loss; NaN where there is none.
    pub loss: f64,
}

/// A progress function: called on the thread that called `chreode_fit`, at most twenty times a second and at the first and
/// last step of a stage. Anything but 0 cancels. It must return: no exception and no longjmp may leave it. It may call
/// functions of this library, but none on the handles of the fit itself.
pub type chreode_progress_fn =
    Option<unsafe extern "C" fn(progress: *const chreode_progress, user_data: *mut c_void) -> i32>;

/// Learns the dynamics of a population from snapshots, by options of the list "fit" (NULL: all defaults). `progress` may be
/// NULL; `user_data` is handed to it and not looked at.
///
/// With CHREODE_ERROR_CANCELLED and CHREODE_ERROR_NON_FINITE there is a model if training had begun, with the parameters of
/// the last good step, to be used and freed as any other; `*model` is NULL if it had not. After any other error it is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_fit(
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    model: *mut *mut chreode_model,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("model", model)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let mut options = build::<FitOptions>(options)?;
        let workers = Workers::new(options.threads);
        options.threads = resolved(options.threads);
        let mut report = |now: &Progress| match progress {
            None => ControlFlow::Continue(()),
            Some(function) => {
                let stage = CString::new(now.stage.as_str()).unwrap_or_default();
                let (done, total, loss) = (now.done, now.total, now.loss.unwrap_or(f64::NAN));
                let told = chreode_progress { stage: stage.as_ptr(), done, total, loss };
                if function(&told, user_data) == 0 {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            }
        };
        let fitted = fit(snapshots, &options, &mut report)?;
        give("model", model, chreode_model::new(fitted.dynamics, Some(fitted.report), workers))?;
        fitted.stopped.map_or(Ok(()), |why| Err(why.into()))
    })
}
