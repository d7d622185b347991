//! Fits.

use std::ffi::c_void;

use super::model::chreode_model;
use super::options::{build, chreode_options};
use super::pointers::{borrow, clear, give};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::chreode_snapshots;
use super::status::{chreode_status, guard};
use super::workers::{Workers, resolved};
use crate::exec::progress::Progress;
use crate::method::{FitOptions, fit};

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
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        let fitted = fit(snapshots, &options, &mut report)?;
        give("model", model, chreode_model::new(fitted.dynamics, Some(fitted.report), workers))?;
        fitted.stopped.map_or(Ok(()), |why| Err(why.into()))
    })
}
