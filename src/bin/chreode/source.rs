//! Where the bytes of a table come from: a file, plain or compressed by gzip, or standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// Bytes that can be read again: to count lines, once something is wrong.
#[derive(Debug)]
pub enum Source {
    File(PathBuf),
    /// Of what comes through a pipe.
    Memory(Vec<u8>),
}

impl Source {
    /// A file, or standard input where `path` is `-`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut bytes = vec![];
        if is_standard_input(path) {
            io::stdin().read_to_end(&mut bytes)?;
            return Ok(Source::Memory(bytes));
        }
        let mut file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_file() || kind.is_dir() {
            return Ok(Source::File(path.into()));
        }
        file.read_to_end(&mut bytes)?;
        Ok(Source::Memory(bytes))
    }

    /// The bytes from the first, decompressed.
    pub fn reader(&self) -> io::Result<Box<dyn BufRead + '_>> {
        let mut raw: Box<dyn BufRead + '_> = match self {
            Source::File(path) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
            Source::Memory(bytes) => Box::new(&bytes[..]),
        };
        // What is compressed begins so, whatever it is called.
        if raw.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
            return Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(raw))));
        }
        Ok(raw)
    }
}

pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What a complaint calls it.
pub fn name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".into() } else { path.display().to_string() }
}
