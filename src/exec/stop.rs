//! A request to stop a long computation, seen by all of its threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A flag that one thread raises and the loops of a computation look at: clones share it.
///
/// A computation that finds it raised ends with [`Error::Cancelled`] and leaves nothing half done. The default is a flag
/// of its own, which nobody raises.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the computation to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends the computation if it was asked to stop: for the head of a loop.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_see_the_request_and_strangers_do_not() {
        let (stop, other) = (Stop::default(), Stop::default());
        let seen = stop.clone();
        assert_eq!(seen.check(), Ok(()));
        stop.request();
        assert_eq!((seen.check(), other.check()), (Err(Error::Cancelled), Ok(())));
    }
}
