//! The threads of a handle.

use std::mem::ManuallyDrop;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};

use super::status::Failure;
use super::status::chreode_status::CHREODE_ERROR_FORKED;
use crate::error::Result;
use crate::exec::threads::Threads;

/// As many threads as a caller asked for: all cores for 0. Never the pool that a Rust program shares, whose size an
/// environment variable sets.
pub(super) fn resolved(count: usize) -> usize {
    if count > 0 { count } else { std::thread::available_parallelism().map_or(1, NonZero::get) }
}

/// Lends `work` threads that are there for this call only.
pub(super) fn lend_once<R>(count: usize, work: impl FnOnce(&Threads) -> R) -> Result<R> {
    Ok(work(&Threads::new(resolved(count))?))
}

/// The threads that a handle computes with. Pools are shared: a call takes an idle one for itself alone, or starts one, and
/// leaves it to the next call of whichever handle asks for as many threads. So fifty models that are used one after the other
/// need the threads of one, and calls at the same time do not wait for each other.
pub(super) struct Workers {
    count: usize,
    /// The process that computed first.
    process: OnceLock<u32>,
}

/// A pool that no call uses now.
struct Idle {
    threads: ManuallyDrop<Threads>,
    count: usize,
    process: u32,
}

static IDLE: Mutex<Vec<Idle>> = Mutex::new(Vec::new());

/// How many handles there are; pools go with the last.
static HANDLES: AtomicUsize = AtomicUsize::new(0);

impl Drop for Idle {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: dropped here, or taken out of a value that is forgotten.
            unsafe { ManuallyDrop::drop(&mut self.threads) };
        }
        // In a child of fork the threads do not exist, and telling them to end could wait for a lock that one of them held.
    }
}

/// The idle pools, if no other thread is looking at them: in a child of fork that thread may not exist, so nobody waits for it,
/// and does without.
fn idle() -> Option<MutexGuard<'static, Vec<Idle>>> {
    match IDLE.try_lock() {
        Ok(idle) => Some(idle),
        Err(TryLockError::Poisoned(idle)) => Some(idle.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// An idle pool of this process, or a new one.
fn take(count: usize) -> Result<Threads> {
    let process = std::process::id();
    let found = idle().and_then(|mut idle| {
        let fits = |pool: &Idle| pool.count == count && pool.process == process;
        idle.iter().position(fits).map(|index| idle.swap_remove(index))
    });
    match found {
        Some(pool) => {
            let mut pool = ManuallyDrop::new(pool);
            // SAFETY: the value that it is taken out of is forgotten.
            Ok(unsafe { ManuallyDrop::take(&mut pool.threads) })
        }
        None => Threads::new(count),
    }
}

fn leave(threads: Threads, count: usize) {
    if let Some(mut idle) = idle() {
        idle.push(Idle { threads: ManuallyDrop::new(threads), count, process: std::process::id() });
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if HANDLES.fetch_sub(1, Ordering::AcqRel) == 1 {
            let all = idle().map(|mut idle| std::mem::take(&mut *idle));
            drop(all);
        }
    }
}

impl Workers {
    pub(super) fn new(count: usize) -> Self {
        HANDLES.fetch_add(1, Ordering::AcqRel);
        Self { count, process: OnceLock::new() }
    }

    /// How many threads were asked for; 0 for all cores.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Lends `work` as many threads as its options ask for, which are there for this call only; the handle's where they do not
    /// ask.
    pub(super) fn lend_as_asked<R>(
        &self,
        asked: Option<usize>,
        work: impl FnOnce(&Threads) -> R,
    ) -> std::result::Result<R, Failure> {
        match asked {
            Some(count) => Ok(lend_once(count, work)?),
            None => self.lend(work),
        }
    }

    /// Lends `work` the handle's threads.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&Threads) -> R) -> std::result::Result<R, Failure> {
        let process = std::process::id();
        if *self.process.get_or_init(|| process) != process {
            return Err(Failure::new(
                CHREODE_ERROR_FORKED,
                "the model computed before this process was forked, and its threads did not come along: load it anew in the \
                 child, or do not compute with it before the fork",
            ));
        }
        let count = resolved(self.count);
        let threads = take(count)?;
        let result = work(&threads);
        leave(threads, count);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    /// A number of threads that no other test asks for.
    const COUNT: usize = 13;

    fn ids(workers: &Workers) -> HashSet<thread::ThreadId> {
        let run = workers.lend(|threads| threads.run(|| rayon::broadcast(|_| thread::current().id())));
        run.unwrap_or_else(|_| panic!("this process was not forked")).into_iter().collect()
    }

    #[test]
    fn handles_take_turns_with_threads_and_never_share_them_at_once() {
        let handles: Vec<Workers> = (0..20).map(|_| Workers::new(COUNT)).collect();
        let in_turn: HashSet<_> = handles.iter().flat_map(ids).collect();
        assert_eq!(in_turn.len(), COUNT);
        let at_once = handles[0].lend(|_| ids(&handles[1])).unwrap_or_else(|_| panic!("not forked"));
        assert!(at_once.is_disjoint(&in_turn));
    }
}
