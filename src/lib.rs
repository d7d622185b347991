//! chreode
pub mod datasets;
pub mod dynamics;
pub mod error;
pub mod evaluate;
pub mod exec;
pub mod simulate;
pub mod snapshots;
pub mod transport;
pub use error::{Error, Result};
