//! Files that are whole or not there.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `contents` to a new file beside `path` and renames it into place: whoever reads `path` sees the old file or the new
/// one, never a part.
///
/// # Errors
/// [`Error::Io`] naming `path`; nothing is left behind.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<()> {
    let name =
        path.file_name().ok_or_else(|| Error::argument("path", path.display(), "the name of a file"))?;
    let mut beside = name.to_os_string();
    // Of two processes that write the same file, on two machines even, each has its own.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    beside.push(format!(".{}-{:x}.partial", std::process::id(), now.as_nanos()));
    let beside = path.with_file_name(beside);
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        // The first error is the one to report; a file that was never made cannot be removed.
        let _ = fs::remove_file(&beside);
        Error::io(path, &error)
    })
}
