//! Progress reports and cancellation of long computations.

use std::ops::ControlFlow;

/// Where a long computation stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done: `"coupling"` or `"training"`.
    pub stage: &'static str,
    /// Steps done so far in this stage.
    pub done: usize,
    /// Steps of this stage in all.
    pub total: usize,
    /// The latest training loss, where there is one.
    pub loss: Option<f64>,
}

/// A caller's progress function: called on the caller's thread, and [`ControlFlow::Break`] cancels.
pub type ProgressFn<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// The progress function that ignores every report and never cancels.
pub fn silent(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
