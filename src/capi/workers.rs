//! The threads of a handle.

use std::mem::ManuallyDrop;
use std::num::NonZero;
use std::sync::OnceLock;

use super::status::Failure;
use super::status::chreode_status::CHREODE_ERROR_FORKED;
use crate::error::Result;
use crate::exec::threads::Threads;

/// As many threads as a caller asked for: all cores for 0. Never the pool that a Rust program shares, whose size an
/// environment variable sets.
pub(super) fn resolved(count: usize) -> usize {
    if count > 0 { count } else { std::thread::available_parallelism().map_or(1, NonZero::get) }
}

/// Runs `work` on threads that are there for this call only.
pub(super) fn run_once<R: Send>(count: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(Threads::new(resolved(count))?.run(work))
}

/// Threads that live as long as a handle, started when they are first needed.
pub(super) struct Workers {
    count: usize,
    started: OnceLock<Started>,
}

struct Started {
    threads: ManuallyDrop<Threads>,
    process: u32,
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: dropped here and nowhere else.
            unsafe { ManuallyDrop::drop(&mut self.threads) };
        }
        // In a child of fork the threads do not exist, and telling them to end could wait for a lock that one of them held.
    }
}

impl Workers {
    pub(super) fn new(count: usize) -> Self {
        Self { count, started: OnceLock::new() }
    }

    /// How many threads were asked for; 0 for all cores.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` on as many threads as its options ask for, which are there for this call only; on the handle's where they
    /// do not ask.
    pub(super) fn run_as_asked<R: Send>(
        &self,
        asked: Option<usize>,
        work: impl FnOnce() -> R + Send,
    ) -> std::result::Result<R, Failure> {
        match asked {
            Some(count) => Ok(run_once(count, work)?),
            None => self.run(work),
        }
    }

    /// Runs `work` on the handle's threads.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> std::result::Result<R, Failure> {
        if self.started.get().is_none() {
            let threads = ManuallyDrop::new(Threads::new(resolved(self.count))?);
            // A handle is used from one thread at a time, so nobody was faster.
            let _ = self.started.set(Started { threads, process: std::process::id() });
        }
        match self.started.get() {
            Some(Started { threads, process }) if *process == std::process::id() => Ok(threads.run(work)),
            _ => Err(Failure::new(
                CHREODE_ERROR_FORKED,
                "the model computed before this process was forked, and its threads did not come along: load it anew in the \
                 child, or do not compute with it before the fork",
            )),
        }
    }
}
