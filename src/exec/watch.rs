//! A long computation on other threads, while the caller's own asks whether it is still wanted.

use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::stop::Stop;
use super::threads::Threads;

/// How often the caller is asked.
const EVERY: Duration = Duration::from_millis(50);

/// Runs `work` with `threads` and calls `look` on this thread about twenty times a second meanwhile; when it breaks, `work`'s
/// [`Stop`] is raised, and what it then ends with is returned.
///
/// On a thread of a pool nobody can be asked meanwhile, since the thread itself is needed: there `work` runs to its end.
pub(crate) fn watched<R: Send>(
    threads: &Threads,
    look: &mut dyn FnMut() -> ControlFlow<()>,
    work: impl FnOnce(&Stop) -> R + Send,
) -> R {
    let stop = Stop::default();
    if rayon::current_thread_index().is_some() {
        return threads.run(|| work(&stop));
    }
    std::thread::scope(|scope| {
        let (ended, ends) = channel::<()>();
        let work = scope.spawn(|| {
            // Dropped when the work has ended, by a panic too.
            let _ended = ended;
            threads.run(|| work(&stop))
        });
        while matches!(ends.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            if look().is_break() {
                stop.request();
            }
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Result};

    fn endless(stop: &Stop) -> Result<()> {
        loop {
            stop.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn work_ends_when_the_caller_no_longer_wants_it_and_the_caller_is_asked_on_its_own_thread() {
        let here = std::thread::current().id();
        for count in [0, 1, 2] {
            let mut asked = 0;
            let mut look = || {
                asked += 1;
                assert_eq!(std::thread::current().id(), here);
                if asked == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let ended = watched(&Threads::new(count).unwrap(), &mut look, endless);
            assert_eq!(ended, Err(Error::Cancelled));
            assert!(asked >= 3);
        }
    }

    #[test]
    fn what_work_gives_is_returned_at_once() {
        let mut look = || -> ControlFlow<()> { panic!("nobody need be asked") };
        assert_eq!(watched(&Threads::new(1).unwrap(), &mut look, |_| 7), 7);
    }

    #[test]
    fn a_panic_of_the_work_is_the_callers() {
        let outcome = std::panic::catch_unwind(|| {
            watched(&Threads::new(1).unwrap(), &mut || ControlFlow::Continue(()), |_| panic!("on purpose"))
        });
        assert!(outcome.is_err());
    }
}
