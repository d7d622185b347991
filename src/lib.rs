//! chreode
pub mod dynamics;
pub mod error;
pub mod exec;
pub mod nn;
pub mod snapshots;
pub mod transport;
pub use error::{Error, Result};
