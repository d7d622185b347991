//! Threads. Every parallel loop of the crate runs in the ambient rayon pool, over chunks whose size does not
//! depend on the number of threads; partial results are combined in chunk order. So results are the same bits
//! at any thread count, and a caller chooses the count by wrapping a call in [`with_threads`].

use crate::error::{Error, Result};

/// Runs `work` with at most `threads` threads (0: all cores of the machine).
///
/// # Errors
/// [`Error::InvalidArgument`] if the system cannot start that many threads.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::argument("threads", threads, &format!("a number this system can start ({e})")))?;
    Ok(pool.install(work))
}
