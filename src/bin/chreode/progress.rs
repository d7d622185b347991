//! The progress bar: on stderr, and only where that is a terminal.

use std::ops::ControlFlow;

use chreode::exec::progress::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar for the stages of a fit, gone when dropped.
pub struct Bar {
    bar: ProgressBar,
    stage: Option<Stage>,
}

impl Bar {
    /// A bar that begins with `what` is being fitted.
    pub fn new(what: &str) -> Self {
        let bar = ProgressBar::no_length().with_prefix(what.to_string());
        let template = "{prefix} {msg} {wide_bar} {pos}/{len} {eta}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { bar, stage: None }
    }

    /// Shows where a fit stands.
    pub fn show(&mut self, progress: &Progress) -> ControlFlow<()> {
        if self.stage != Some(progress.stage) {
            self.stage = Some(progress.stage);
            self.bar.reset();
        }
        self.bar.set_length(progress.total as u64);
        self.bar.set_position(progress.done as u64);
        let loss = progress.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
        self.bar.set_message(format!("{}{loss}", progress.stage));
        ControlFlow::Continue(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
