//! Cells as files, in the format that the file's name says: whole, or not there.

use std::io::Write;
use std::path::{Path, PathBuf};

use chreode::exec::files::NewFile;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::failure::{Failure, Result};

/// Cells with what is known of each.
pub struct Cells<'a> {
    /// The columns before the coordinates, one value a cell.
    pub columns: Vec<(String, Values)>,
    /// What the coordinates are called.
    pub names: Vec<String>,
    /// The coordinates, one slice a cell.
    pub points: Vec<&'a [f32]>,
}

/// A column.
pub enum Values {
    Real(Vec<f64>),
    /// Numbers that count, or none.
    Whole(Vec<Option<u64>>),
    Text(Vec<String>),
}

impl Values {
    fn text(&self, row: usize) -> String {
        match self {
            Values::Real(all) => all[row].to_string(),
            Values::Whole(all) => all[row].map_or(String::new(), |x| x.to_string()),
            Values::Text(all) => all[row].clone(),
        }
    }
}

/// Formats of a file by the end of its name; what compresses it aside.
enum Format {
    /// Columns separated so.
    Text(u8),
    Npy,
    Parquet,
}

fn format(path: &Path) -> Format {
    match extension(path).as_str() {
        "npy" => Format::Npy,
        "parquet" | "pq" => Format::Parquet,
        "tsv" => Format::Text(b'\t'),
        "gz" if extension(Path::new(path.file_stem().unwrap_or_default())) == "tsv" => Format::Text(b'\t'),
        _ => Format::Text(b','),
    }
}

/// What a file's name ends in, in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The table beside an array that holds all but the coordinates: `cells.obs.csv` beside `cells.npy`.
pub fn beside(path: &Path) -> PathBuf {
    path.with_extension("obs.csv")
}

/// Writes cells; tells in words what was written.
pub fn write_cells(path: &Path, cells: &Cells<'_>) -> Result<String> {
    let mut writer = CellWriter::create(path, cells, cells.points.len())?;
    writer.append(cells)?;
    writer.finish()
}

/// Writes a table without coordinates; tells in words what was written.
pub fn write_table(path: &Path, columns: Vec<(String, Values)>, rows: usize) -> Result<String> {
    #[cfg(feature = "npy")]
    if matches!(format(path), Format::Npy) {
        // An array of records.
        chreode::exec::files::write_atomically(path, &crate::npy::record_bytes(rows, &columns))?;
        return Ok(path.display().to_string());
    }
    write_cells(path, &Cells { columns, names: vec![], points: vec![&[]; rows] })
}

/// A file of cells that are written some at a time.
pub struct CellWriter {
    path: PathBuf,
    file: CellFile,
}

enum CellFile {
    Text(TextFile),
    #[cfg(feature = "npy")]
    Npy {
        array: NewFile,
        /// All but the coordinates.
        table: TextFile,
    },
    #[cfg(feature = "parquet")]
    Parquet(crate::parquet_file::Writer),
}

impl CellWriter {
    /// A file of `rows` cells, which are like these: their columns and the names of their coordinates.
    #[cfg_attr(not(feature = "npy"), expect(unused_variables))]
    pub fn create(path: &Path, cells: &Cells<'_>, rows: usize) -> Result<Self> {
        let columns: Vec<String> = cells.columns.iter().map(|(name, _)| name.clone()).collect();
        let file = match format(path) {
            Format::Text(_) => {
                CellFile::Text(TextFile::create(path, &[&columns[..], &cells.names].concat())?)
            }
            #[cfg(feature = "npy")]
            Format::Npy => {
                let table = TextFile::create(&beside(path), &columns)?;
                let mut array = NewFile::create(path)?;
                let header = crate::npy::matrix_header(rows, cells.names.len());
                array.write_all(&header).map_err(|error| failed(path, error))?;
                CellFile::Npy { array, table }
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let file = NewFile::create(path)?;
                let writer = crate::parquet_file::Writer::new(file, cells);
                CellFile::Parquet(writer.map_err(|why| failed(path, why))?)
            }
            #[cfg(not(feature = "npy"))]
            Format::Npy => return Err(without(path, "npy")),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(without(path, "parquet")),
        };
        Ok(Self { path: path.into(), file })
    }

    /// Writes the next cells.
    pub fn append(&mut self, cells: &Cells<'_>) -> Result<()> {
        let values = |row: usize| cells.columns.iter().map(move |(_, values)| values.text(row));
        match &mut self.file {
            CellFile::Text(table) => {
                for (row, point) in cells.points.iter().enumerate() {
                    table.record(values(row).chain(point.iter().map(f32::to_string)))?;
                }
            }
            #[cfg(feature = "npy")]
            CellFile::Npy { array, table } => {
                for (row, point) in cells.points.iter().enumerate() {
                    table.record(values(row))?;
                    let mut numbers = point.iter();
                    numbers
                        .try_for_each(|x| array.write_all(&x.to_le_bytes()))
                        .map_err(|error| failed(&self.path, error))?;
                }
            }
            #[cfg(feature = "parquet")]
            CellFile::Parquet(writer) => writer.append(cells).map_err(|why| failed(&self.path, why))?,
        }
        Ok(())
    }

    /// Puts the file where it belongs; tells in words what was written.
    pub fn finish(self) -> Result<String> {
        let shown = self.path.display().to_string();
        match self.file {
            CellFile::Text(table) => table.finish()?,
            #[cfg(feature = "npy")]
            CellFile::Npy { array, table } => {
                let (beside, header) = (table.path.display().to_string(), table.header.join(", "));
                table.finish()?;
                array.keep()?;
                return Ok(format!("{shown} (coordinates, float32) and {beside} ({header})"));
            }
            #[cfg(feature = "parquet")]
            CellFile::Parquet(writer) => writer.finish().map_err(|why| failed(&self.path, why))?.keep()?,
        }
        Ok(shown)
    }
}

fn failed(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {why}", path.display()))
}

/// A format that was left out when the command was built.
#[cfg_attr(all(feature = "npy", feature = "h5ad", feature = "parquet"), expect(dead_code))]
pub fn without(path: &Path, feature: &str) -> Failure {
    Failure::Failed(format!(
        "{}: this command was built without the feature `{feature}`, which such files take",
        path.display()
    ))
}

/// Writes a table of text: separated by tabs where the file's name ends in .tsv, else by commas, and compressed where it ends in .gz.
pub fn write_csv<R>(path: &Path, header: &[String], rows: impl Iterator<Item = R>) -> Result<()>
where
    R: IntoIterator<Item = String>,
{
    let mut table = TextFile::create(path, header)?;
    for row in rows {
        table.record(row)?;
    }
    table.finish()
}

/// A table of text that is written row by row.
struct TextFile {
    path: PathBuf,
    #[cfg_attr(not(feature = "npy"), expect(dead_code))]
    header: Vec<String>,
    writer: csv::Writer<Stream>,
}

/// Bytes on their way to a file.
enum Stream {
    Plain(NewFile),
    Compressed(GzEncoder<NewFile>),
}

impl TextFile {
    fn create(path: &Path, header: &[String]) -> Result<Self> {
        let delimiter = if let Format::Text(delimiter) = format(path) { delimiter } else { b',' };
        let file = NewFile::create(path)?;
        let stream = if extension(path) == "gz" {
            Stream::Compressed(GzEncoder::new(file, Compression::default()))
        } else {
            Stream::Plain(file)
        };
        let writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(stream);
        let mut table = Self { path: path.into(), header: header.to_vec(), writer };
        table.record(header)?;
        Ok(table)
    }

    fn record<T: AsRef<[u8]>>(&mut self, row: impl IntoIterator<Item = T>) -> Result<()> {
        self.writer.write_record(row).map_err(|error| failed(&self.path, error))
    }

    fn finish(self) -> Result<()> {
        let stream = self.writer.into_inner().map_err(|error| failed(&self.path, error.error()))?;
        let file = match stream {
            Stream::Plain(file) => file,
            Stream::Compressed(encoder) => encoder.finish().map_err(|error| failed(&self.path, error))?,
        };
        Ok(file.keep()?)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(file) => file.write(bytes),
            Stream::Compressed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(file) => file.flush(),
            Stream::Compressed(encoder) => encoder.flush(),
        }
    }
}
