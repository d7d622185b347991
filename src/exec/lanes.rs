//! Several long computations side by side, while the caller's thread asks whether they are still wanted.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::stop::Stop;
use super::threads::{NAME, Threads};
use crate::error::{Error, Result};

/// How often the caller is asked.
const EVERY: Duration = Duration::from_millis(50);

/// Runs `work(index, threads, stop)` for each index below `count`, as many at once as there are `threads` (0: those of the ambient
/// pool), which they share out among them; calls `look` on this thread about twenty times a second meanwhile, and raises the
/// [`Stop`] when it breaks. Gives what came of each, in order.
///
/// Each of them has threads of its own: in one pool, a thread that waits for the parts of one would begin another, and come back
/// after all of it.
///
/// # Errors
/// [`Error::InvalidArgument`] if the system cannot start that many threads.
pub(crate) fn side_by_side<R: Send>(
    count: usize,
    threads: usize,
    look: &mut dyn FnMut() -> ControlFlow<()>,
    work: impl Fn(usize, &Threads, &Stop) -> R + Sync,
) -> Result<Vec<R>> {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    let lanes = threads.min(count);
    // Some have one thread more, where they cannot be shared out evenly.
    let size = |lane: usize| threads / lanes + usize::from(lane < threads % lanes);
    let pools = (0..lanes).map(|lane| Threads::new(size(lane))).collect::<Result<Vec<_>>>()?;
    let (stop, next) = (Stop::default(), AtomicUsize::new(0));
    let run = |pool: &Threads| {
        let index = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&index| index < count);
        std::iter::from_fn(index).map(|index| (index, work(index, pool, &stop))).collect::<Vec<(usize, R)>>()
    };
    let outcomes = thread::scope(|scope| {
        let (ended, ends) = channel::<()>();
        let started = pools.iter().enumerate().map(|(lane, pool)| {
            let (run, ended) = (&run, ended.clone());
            // Dropped when the lane has ended, by a panic too.
            let body = move || (run(pool), ended).0;
            thread::Builder::new().name(format!("{NAME}lane-{lane}")).spawn_scoped(scope, body)
        });
        let started: Vec<_> = started.collect();
        drop(ended);
        if started.iter().any(std::result::Result::is_err) {
            stop.request();
        }
        while matches!(ends.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            if look().is_break() {
                stop.request();
            }
        }
        let join = |lane: std::io::Result<thread::ScopedJoinHandle<'_, Vec<(usize, R)>>>| {
            let allowed = |e: &std::io::Error| format!("a number this system can start ({e})");
            let lane = lane.map_err(|e| Error::argument("threads", threads, &allowed(&e)))?;
            Ok(lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        };
        started.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let mut outcomes: Vec<(usize, R)> = outcomes.into_iter().flatten().collect();
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_done_in_order_at_any_number_of_threads() {
        for threads in [1, 2, 3, 7, 16] {
            let mut look = || ControlFlow::Continue(());
            let done = side_by_side(7, threads, &mut look, |index, pool, _| {
                (index, pool.run(rayon::current_num_threads))
            });
            let done = done.unwrap();
            assert_eq!(done.iter().map(|(index, _)| *index).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
            assert!(done.iter().all(|(_, pool)| (1..=threads.div_ceil(7)).contains(pool)), "{done:?}");
        }
    }

    #[test]
    fn the_caller_is_asked_on_its_own_thread_and_can_stop_all() {
        let here = thread::current().id();
        let mut asked = 0;
        let mut look = || {
            asked += 1;
            assert_eq!(thread::current().id(), here);
            if asked == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ended = side_by_side(5, 2, &mut look, |_, _, stop| {
            while !stop.is_requested() {
                thread::sleep(Duration::from_millis(1));
            }
            stop.check()
        });
        assert_eq!(ended.unwrap(), vec![Err(Error::Cancelled); 5]);
    }

    #[test]
    fn a_panic_of_one_is_the_callers() {
        let outcome = std::panic::catch_unwind(|| {
            side_by_side(3, 2, &mut || ControlFlow::Continue(()), |index, _, _| assert!(index != 1))
        });
        assert!(outcome.is_err());
    }
}
