//! How work is run: threads, random numbers, vector loops, progress, requests to stop. Nothing here knows about transport or cells.

pub mod files;
pub mod progress;
pub mod rng;
pub mod simd;
pub mod stop;
pub mod threads;
pub(crate) mod watch;
