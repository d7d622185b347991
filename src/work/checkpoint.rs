//! Checkpoints of a fit's training in a folder, each a file that is whole or not there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Part;
use super::data::Fingerprint;
use super::part::seal;
use crate::error::{Error, Result};
use crate::exec::checkpoint::Checkpoints;
use crate::exec::files::write_atomically;
use crate::exec::progress::Stage;

/// How long training goes on between two of them: what a kill costs at the most.
const EVERY: Duration = Duration::from_secs(2);

/// The checkpoints of the fit of a plan.
pub(super) struct Folder<'a> {
    path: &'a Path,
    plan: Fingerprint,
    last: Instant,
}

impl<'a> Folder<'a> {
    pub(super) fn new(path: &'a Path, plan: Fingerprint) -> Self {
        Self { path, plan, last: Instant::now() }
    }

    fn file(&self, stage: Stage) -> PathBuf {
        self.path.join(format!("{stage}.checkpoint"))
    }
}

impl Checkpoints for Folder<'_> {
    fn last(&mut self, stage: Stage) -> Result<Option<Vec<u8>>> {
        let path = self.file(stage);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, &error)),
        };
        let part = Part { name: &path.display().to_string(), bytes: &bytes };
        Ok(Some(part.open(self.plan, 1)?.1.to_vec()))
    }

    fn is_due(&self) -> bool {
        self.last.elapsed() >= EVERY
    }

    fn keep(&mut self, stage: Stage, state: &[u8]) -> Result<()> {
        write_atomically(&self.file(stage), &seal(self.plan, 0, state))?;
        self.last = Instant::now();
        Ok(())
    }
}
