//! Checkpoints: what a long computation keeps on its way, for another process to go on from.

use super::progress::Stage;
use crate::error::Result;

/// Where checkpoints are kept, one a stage.
pub(crate) trait Checkpoints {
    /// The last state of a stage that was kept.
    ///
    /// # Errors
    /// Those of whatever it is kept in.
    fn last(&mut self, stage: Stage) -> Result<Option<Vec<u8>>>;

    /// Whether it is time for another.
    fn is_due(&self) -> bool;

    /// Keeps the state of a stage, in place of the one before.
    ///
    /// # Errors
    /// Those of whatever it is kept in.
    fn keep(&mut self, stage: Stage, state: &[u8]) -> Result<()>;
}
