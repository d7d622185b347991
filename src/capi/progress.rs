//! Progress functions: every long call tells its caller where it stands and asks whether to go on.

use std::ffi::{CString, c_char, c_void};
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Stage};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::exec::watch;

/// Where a long call stands. Later versions may add members at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct chreode_progress {
    /// What is being done. A fit goes through "coupling", "interpolant", "local", "pre-training", "score", "training", "fine-tuning",
    /// "post-local", "growth" and "joint", or some of them; other calls are one stage each: "transport", "simulation", "evaluation", "validation", "field",
    /// "fates". The text lives as long as the call of the progress
    /// function.
    pub stage: *const c_char,
    /// Steps done so far in this stage.
    pub done: usize,
    /// Steps of this stage in all; 1 for a call that is one stage, but for a validation, which counts hundredths of its fits.
    pub total: usize,
    /// The latest training loss; NaN where there is none.
    pub loss: f64,
}

/// A progress function of a long call: called on the thread that made the call, about twenty times a second and at the first and
/// last step of a stage. Anything but 0 cancels: the call soon returns CHREODE_ERROR_CANCELLED and leaves nothing half done. It
/// must return: no exception and no longjmp may leave it. It may call functions of this library, but none on the handles of
/// the call itself.
pub type chreode_progress_fn =
    Option<unsafe extern "C" fn(progress: *const chreode_progress, user_data: *mut c_void) -> i32>;

/// A caller's progress function with its data; one that is NULL never cancels.
pub(super) struct Listener {
    function: chreode_progress_fn,
    user_data: *mut c_void,
}

impl Listener {
    pub(super) fn new(function: chreode_progress_fn, user_data: *mut c_void) -> Self {
        Self { function, user_data }
    }

    /// Tells the caller, on this thread.
    pub(super) fn tell(&self, now: &Progress) -> ControlFlow<()> {
        let Some(function) = self.function else { return ControlFlow::Continue(()) };
        let stage = CString::new(now.stage.as_str()).unwrap_or_default();
        let (done, total, loss) = (now.done, now.total, now.loss.unwrap_or(f64::NAN));
        let told = chreode_progress { stage: stage.as_ptr(), done, total, loss };
        // SAFETY: the caller's function, by the contract of its type; `told` outlives the call.
        if unsafe { function(&told, self.user_data) } == 0 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Runs `work`, which is a stage of one step, on `threads`, while the caller is told and asked on this thread.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the caller asks for it, even if the work had just been done; those of `work`.
    pub(super) fn watch<R: Send>(
        &self,
        stage: Stage,
        threads: &Threads,
        work: impl FnOnce(&Stop) -> Result<R> + Send,
    ) -> Result<R> {
        if self.function.is_none() {
            return threads.run(|| work(&Stop::default()));
        }
        let mut cancelled = false;
        let mut tell = |done| {
            let answer = self.tell(&Progress { stage, done, total: 1, loss: None });
            cancelled |= answer.is_break();
            answer
        };
        if tell(0).is_break() {
            return Err(Error::Cancelled);
        }
        let result = watch::watched(threads, &mut || tell(0), work)?;
        let _ = tell(1);
        if cancelled { Err(Error::Cancelled) } else { Ok(result) }
    }
}
