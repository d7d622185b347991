//! Threads. Every parallel loop of the crate runs in the ambient rayon pool, over chunks whose size does not
//! depend on the number of threads; partial results are combined in chunk order. So results are the same bits
//! at any thread count.

use crate::error::{Error, Result};

/// What the names of our threads begin with.
pub(super) const NAME: &str = "chreode-";

/// Their stacks in bytes: what is usual in Rust, said so that no environment variable is asked for it.
const STACK: usize = 2 << 20;

/// A pool of threads, or the ambient one.
#[derive(Debug)]
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// A pool of `count` threads; 0 is the ambient rayon pool (all cores, unless the host has set it up otherwise).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the system cannot start that many threads.
    pub fn new(count: usize) -> Result<Self> {
        if count == 0 {
            return Ok(Self(None));
        }
        let name = |i| format!("{NAME}{i}");
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(name);
        let pool = builder.stack_size(STACK).build();
        pool.map(|pool| Self(Some(pool)))
            .map_err(|e| Error::argument("threads", count, &format!("a number this system can start ({e})")))
    }

    /// Runs `work`, whose parallel loops use these threads.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// Runs `work` with at most `count` threads (0: the ambient pool).
///
/// # Errors
/// As [`Threads::new`].
pub fn with_threads<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(Threads::new(count)?.run(work))
}

/// Whether this is a thread of one of our pools.
pub(crate) fn is_ours() -> bool {
    std::thread::current().name().is_some_and(|name| name.starts_with(NAME))
}
