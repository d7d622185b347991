//! Checkpoints: what a long computation keeps on its way, for another process to go on from.

use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::write_atomically;
use super::progress::Stage;
use crate::error::{Error, Result};

/// How long a computation goes on between two of them: what a kill costs at the most.
const EVERY: Duration = Duration::from_secs(2);

/// Makes of a state what is kept.
type Seal<'a> = dyn Fn(&[u8]) -> Vec<u8> + 'a;
/// The state again, or what is wrong with the file of this name.
type Open<'a> = dyn Fn(&str, &[u8]) -> Result<Vec<u8>> + 'a;

/// The checkpoints of a computation in a folder, one a stage, each a file that is whole or not there.
pub(crate) struct Checkpoints<'a> {
    folder: &'a Path,
    seal: &'a Seal<'a>,
    open: &'a Open<'a>,
    kept: Instant,
}

impl<'a> Checkpoints<'a> {
    pub(crate) fn new(folder: &'a Path, seal: &'a Seal<'a>, open: &'a Open<'a>) -> Self {
        Self { folder, seal, open, kept: Instant::now() }
    }

    fn file(&self, stage: Stage) -> PathBuf {
        self.folder.join(format!("{stage}.checkpoint"))
    }

    /// The last state of a stage that was kept.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; those of opening it.
    pub(crate) fn last(&self, stage: Stage) -> Result<Option<Vec<u8>>> {
        let path = self.file(stage);
        match std::fs::read(&path) {
            Ok(bytes) => (self.open)(&path.display().to_string(), &bytes).map(Some),
            Err(error) if error.kind() == NotFound => Ok(None),
            Err(error) => Err(Error::io(path, &error)),
        }
    }

    /// Whether it is time for another.
    pub(crate) fn is_due(&self) -> bool {
        self.kept.elapsed() >= EVERY
    }

    /// Keeps the state of a stage, in place of the one before.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be written to.
    pub(crate) fn keep(&mut self, stage: Stage, state: &[u8]) -> Result<()> {
        write_atomically(&self.file(stage), &(self.seal)(state))?;
        self.kept = Instant::now();
        Ok(())
    }
}
