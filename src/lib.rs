//! chreode
pub mod bridge;
pub mod datasets;
pub mod dynamics;
pub mod error;
pub mod evaluate;
pub mod exec;
pub mod matching;
pub mod method;
pub mod model_file;
pub mod nn;
pub mod simulate;
pub mod snapshots;
pub mod transport;
pub use error::{Error, Result};
