//! A task that is one stage of one step, while the caller is asked whether it is still wanted.

use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::exec::watch::watched;

/// Runs `work` by so many threads.
///
/// # Errors
/// [`Error::Cancelled`] if the caller asks for it; those of `work`.
pub(super) fn stage_of<R: Send>(
    stage: Stage,
    threads: usize,
    reporter: &mut Reporter<'_, '_>,
    work: impl FnOnce(&Stop) -> Result<R> + Send,
) -> Result<R> {
    let threads = Threads::new(threads)?;
    let mut told = |done| reporter.report(&Progress { stage, done, total: 1, loss: None });
    if told(0).is_break() {
        return Err(Error::Cancelled);
    }
    let result = watched(&threads, &mut || told(0), work)?;
    let _ = told(1);
    Ok(result)
}
