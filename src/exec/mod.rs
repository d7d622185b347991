//! How work is run: threads, random numbers, vector loops, progress, requests to stop. Nothing here knows about transport or cells.

pub(crate) mod arrays;
pub(crate) mod checkpoint;
pub(crate) mod clock;
#[doc(hidden)] // for the command
pub mod files;
pub(crate) mod lanes;
#[cfg(feature = "npy")]
#[doc(hidden)] // for the command
pub mod mapped;
pub mod progress;
#[doc(hidden)] // for tests and benchmarks
pub mod rng;
#[doc(hidden)] // for benchmarks
pub mod simd;
pub mod stop;
pub mod threads;
pub(crate) mod watch;
