//! Files that are whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes `contents` to a new file beside `path` and renames it into place: whoever reads `path` sees the old file or the new
/// one, never a part.
///
/// # Errors
/// [`Error::Io`] naming `path`; nothing is left behind.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(contents).map_err(|error| Error::io(path, &error))?;
    file.keep()
}

/// A file that is written some at a time, beside `path`, and takes its place once it is whole; dropped before, it is gone.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    beside: PathBuf,
    /// None once it is closed.
    writer: Option<BufWriter<File>>,
}

impl NewFile {
    /// An empty one.
    ///
    /// # Errors
    /// [`Error::Io`] naming `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let beside = name_beside(path)?;
        let file = File::create(&beside).map_err(|error| Error::io(path, &error))?;
        Ok(Self { path: path.into(), beside, writer: Some(BufWriter::new(file)) })
    }

    /// Puts it where it belongs.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path; nothing is left behind.
    pub fn keep(mut self) -> Result<()> {
        let written = self.flush().and_then(|()| match self.writer.take() {
            Some(writer) => writer.get_ref().sync_all(),
            None => Ok(()),
        });
        written.and_then(|()| fs::rename(&self.beside, &self.path)).map_err(|error| {
            // The first error is the one to report.
            let _ = fs::remove_file(&self.beside);
            Error::io(&self.path, &error)
        })
    }

    fn writer(&mut self) -> std::io::Result<&mut BufWriter<File>> {
        self.writer.as_mut().ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer()?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer()?.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // What is not yet written need not be.
            drop(writer.into_parts());
            let _ = fs::remove_file(&self.beside);
        }
    }
}

/// A file that its owner alone reads and writes, and that is gone with it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    /// None once it is closed.
    file: Option<File>,
}

impl Scratch {
    /// An empty one in the folder of `path`.
    ///
    /// # Errors
    /// [`Error::Io`] naming `path`.
    pub fn beside(path: &Path) -> Result<Self> {
        let name = name_beside(path)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&name);
        Ok(Self { file: Some(file.map_err(|error| Error::io(path, &error))?), path: name })
    }

    /// The file.
    pub fn file(&mut self) -> std::io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.file.take());
        let _ = fs::remove_file(&self.path);
    }
}

/// A name for a file in the making of `path`: of two processes that write the same file, on two machines even, each has its own.
fn name_beside(path: &Path) -> Result<PathBuf> {
    let name =
        path.file_name().ok_or_else(|| Error::argument("path", path.display(), "the name of a file"))?;
    let mut beside = name.to_os_string();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    beside.push(format!(".{}-{:x}.partial", std::process::id(), now.as_nanos()));
    Ok(path.with_file_name(beside))
}
