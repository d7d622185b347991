//! Tasks that know nothing of each other, side by side on threads of their own, while the caller's thread asks whether they are
//! still wanted.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::stop::Stop;
use super::threads::Threads;
use crate::error::Result;

/// How often the caller is asked.
const EVERY: Duration = Duration::from_millis(50);

/// Runs `work` for each of `tasks` numbers from 0, at most `workers` at a time, in the order in which they become free, and
/// gives what each made by its number. Each worker has one thread for the parallel loops of its tasks, so a task's seconds do
/// not depend on its neighbours.
///
/// `look` is called on this thread about twenty times a second; when it breaks, the tasks' [`Stop`] is raised, and those that
/// have not begun begin with it raised.
///
/// # Errors
/// [`Error::InvalidArgument`](crate::Error::InvalidArgument) if the system cannot start that many threads.
pub(crate) fn side_by_side<R: Send>(
    workers: usize,
    tasks: usize,
    look: &mut dyn FnMut() -> ControlFlow<()>,
    work: impl Fn(usize, &Threads, &Stop) -> R + Sync,
) -> Result<Vec<R>> {
    let pools = (0..workers.min(tasks)).map(|_| Threads::new(1)).collect::<Result<Vec<_>>>()?;
    let (stop, next) = (Stop::default(), AtomicUsize::new(0));
    let mut made: Vec<Option<R>> = (0..tasks).map(|_| None).collect();
    std::thread::scope(|scope| {
        let (done, results) = channel();
        let start = |pool| {
            let (done, work, next, stop) = (done.clone(), &work, &next, &stop);
            scope.spawn(move || {
                loop {
                    let task = next.fetch_add(1, Ordering::Relaxed);
                    if task >= tasks {
                        return;
                    }
                    // Nobody listens any more once another worker has panicked.
                    let _ = done.send((task, work(task, pool, stop)));
                }
            })
        };
        let handles: Vec<_> = pools.iter().map(start).collect();
        drop(done);
        loop {
            match results.recv_timeout(EVERY) {
                Ok((task, result)) => made[task] = Some(result),
                Err(RecvTimeoutError::Timeout) => {
                    if look().is_break() {
                        stop.request();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for handle in handles {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    Ok(made.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go_on() -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn every_task_is_done_once_and_stands_at_its_number() {
        for workers in [1, 2, 7] {
            let squares = side_by_side(workers, 20, &mut go_on, |task, threads, _| {
                threads.run(|| (task * task, rayon::current_num_threads()))
            });
            assert_eq!(squares.unwrap(), (0..20).map(|task| (task * task, 1)).collect::<Vec<_>>());
        }
        assert_eq!(side_by_side(3, 0, &mut go_on, |task, _, _| task).unwrap(), [0usize; 0]);
    }

    #[test]
    fn all_tasks_hear_that_they_are_not_wanted() {
        let mut asked = 0;
        let mut look = || {
            asked += 1;
            if asked == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ended = side_by_side(2, 5, &mut look, |_, _, stop| {
            while !stop.is_requested() {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.check()
        });
        assert!(ended.unwrap().into_iter().all(|result| result == Err(crate::Error::Cancelled)));
    }

    #[test]
    fn a_panic_of_a_task_is_the_callers() {
        let outcome = std::panic::catch_unwind(|| {
            side_by_side(2, 4, &mut go_on, |task, _, _| assert_ne!(task, 2, "on purpose"))
        });
        assert!(outcome.is_err());
    }
}
