//! Numbers of a file, where the system keeps the file: nothing is copied, and what is not looked at is not read.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// Single-precision numbers of a file, in the byte order of this machine, one after another.
///
/// The file must stay as it is for as long as this is there. Nothing can keep another program from cutting it off or writing to
/// it: the numbers would change under way, or the system would end this process.
#[derive(Debug)]
pub struct MappedNumbers {
    map: Mmap,
    from: usize,
    bytes: usize,
}

impl MappedNumbers {
    /// `count` numbers from the byte `from` on, a multiple of 4.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file; [`Error::InvalidData`] if it ends before that, or the numbers are not aligned.
    pub fn open(path: &Path, from: usize, count: usize) -> Result<Self> {
        let failed = |error: std::io::Error| Error::io(path, &error);
        let file = File::open(path).map_err(failed)?;
        // SAFETY: a private map that is only read. That nobody else changes the file meanwhile is what the type asks for, as every
        // program that maps a file must; it is the one thing here that no check can hold.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let bytes = count.checked_mul(size_of::<f32>());
        let part = bytes.and_then(|bytes| map.get(from..from.checked_add(bytes)?));
        match part.map(bytemuck::try_cast_slice::<u8, f32>) {
            Some(Ok(numbers)) => {
                let bytes = size_of_val(numbers);
                Ok(Self { map, from, bytes })
            }
            Some(Err(_)) => {
                Err(Error::InvalidData(format!("{}: its numbers are not aligned", path.display())))
            }
            None => Err(Error::InvalidData(format!(
                "{}: it ends after {} bytes, before the last of {count} numbers from byte {from} on",
                path.display(),
                map.len()
            ))),
        }
    }
}

impl AsRef<[f32]> for MappedNumbers {
    fn as_ref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.map[self.from..self.from + self.bytes])
    }
}
