//! Particles of a simulation in pieces, on disk until all are there: pieces come one after another, and files go time by time.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chreode::Error;
use chreode::exec::files::Scratch;

/// Rows that are read at a time, at least where there are more.
const ROWS: usize = 1 << 16;

/// What is written of some particles of one time.
#[derive(Debug, Default)]
pub struct Rows {
    pub ids: Vec<u64>,
    pub parents: Vec<Option<u64>>,
    pub weights: Vec<f64>,
    /// Row-major.
    pub points: Vec<f32>,
}

impl Rows {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let parents = self.parents.iter().map(|parent| parent.unwrap_or(NONE));
        let whole = self.ids.iter().copied().chain(parents);
        let numbers = whole.chain(self.weights.iter().map(|weight| weight.to_bits()));
        let mut bytes: Vec<u8> = numbers.flat_map(u64::to_ne_bytes).collect();
        self.points.iter().for_each(|x| bytes.extend(x.to_ne_bytes()));
        bytes
    }

    /// Adds those that `bytes` hold.
    fn extend(&mut self, bytes: &[u8], rows: usize) {
        let (columns, points) = bytes.split_at(3 * 8 * rows);
        let mut numbers = columns.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        self.ids.extend(numbers.by_ref().take(rows));
        self.parents.extend(numbers.by_ref().take(rows).map(|parent| Some(parent).filter(|&id| id != NONE)));
        self.weights.extend(numbers.map(f64::from_bits));
        self.points.extend(points.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)));
    }
}

/// No number of a particle.
const NONE: u64 = u64::MAX;

/// The particles so far.
pub struct Spool {
    path: PathBuf,
    scratch: Scratch,
    /// Of each time, the places in the file, with their lengths in bytes and in rows.
    places: Vec<Vec<(u64, usize, usize)>>,
    end: u64,
}

impl Spool {
    /// Of a simulation to so many `times`, in the folder of the file that it will be.
    pub fn beside(path: &Path, times: usize) -> chreode::Result<Self> {
        let scratch = Scratch::beside(path)?;
        Ok(Self { path: path.into(), scratch, places: vec![vec![]; times], end: 0 })
    }

    fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
        |error| Error::Io { path: path.into(), message: error.to_string() }
    }

    /// Adds the next particles of a time.
    pub fn add(&mut self, time: usize, rows: &Rows) -> chreode::Result<()> {
        let bytes = rows.to_bytes();
        let written = self.scratch.file().and_then(|file| file.write_all(&bytes));
        written.map_err(Self::failed(&self.path))?;
        self.places[time].push((self.end, bytes.len(), rows.len()));
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// How many particles there are of all times.
    pub fn len(&self) -> usize {
        self.places.iter().flatten().map(|(_, _, rows)| rows).sum()
    }

    /// Hands all particles on, some of a time at once, time by time.
    pub fn read<E: From<Error>>(
        mut self,
        take: &mut dyn FnMut(usize, &Rows) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut bytes = vec![];
        for (time, places) in self.places.iter().enumerate() {
            let mut some = Rows::default();
            for &(from, length, rows) in places {
                bytes.resize(length, 0);
                let read = self.scratch.file().and_then(|file| {
                    file.seek(SeekFrom::Start(from))?;
                    file.read_exact(&mut bytes)
                });
                read.map_err(Self::failed(&self.path))?;
                some.extend(&bytes, rows);
                if some.len() >= ROWS {
                    take(time, &std::mem::take(&mut some))?;
                }
            }
            if some.len() > 0 {
                take(time, &some)?;
            }
        }
        Ok(())
    }
}
