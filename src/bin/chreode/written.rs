//! Cells as files, in the format that the file's name says: whole, or not there.

use std::io::Write;
use std::path::{Path, PathBuf};

use chreode::exec::files::write_atomically;
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
    match format(path) {
        Format::Text(_) => {
            let header = cells.columns.iter().map(|(name, _)| name.clone()).chain(cells.names.clone());
            let rows = cells.points.iter().enumerate().map(|(row, point)| {
                let before = cells.columns.iter().map(move |(_, values)| values.text(row));
                before.chain(point.iter().map(f32::to_string))
            });
            write_csv(path, &header.collect::<Vec<_>>(), rows)?;
        }
        Format::Npy => return write_npy(path, cells),
        Format::Parquet => write_parquet(path, cells)?,
    }
    Ok(path.display().to_string())
}

#[cfg(feature = "npy")]
fn write_npy(path: &Path, cells: &Cells<'_>) -> Result<String> {
    if cells.names.is_empty() {
        write_atomically(path, &crate::npy::record_bytes(cells.points.len(), &cells.columns))?;
        return Ok(path.display().to_string());
    }
    let table = beside(path);
    let header: Vec<String> = cells.columns.iter().map(|(name, _)| name.clone()).collect();
    let row = |row: usize| cells.columns.iter().map(move |(_, values)| values.text(row));
    write_csv(&table, &header, (0..cells.points.len()).map(row))?;
    let points = cells.points.iter().copied();
    write_atomically(path, &crate::npy::matrix_bytes(cells.points.len(), cells.names.len(), points))?;
    Ok(format!("{} (coordinates, float32) and {} ({})", path.display(), table.display(), header.join(", ")))
}

#[cfg(not(feature = "npy"))]
fn write_npy(path: &Path, _: &Cells<'_>) -> Result<String> {
    Err(without(path, "npy"))
}

#[cfg(feature = "parquet")]
fn write_parquet(path: &Path, cells: &Cells<'_>) -> Result<()> {
    let bytes = crate::parquet_file::bytes(cells)
        .map_err(|why| Failure::Failed(format!("{}: {why}", path.display())))?;
    Ok(write_atomically(path, &bytes)?)
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(path: &Path, _: &Cells<'_>) -> Result<()> {
    Err(without(path, "parquet"))
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
    let failed = |error: String| Failure::Failed(format!("{}: {error}", path.display()));
    let delimiter = if let Format::Text(delimiter) = format(path) { delimiter } else { b',' };
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(header).map_err(|e| failed(e.to_string()))?;
    for row in rows {
        writer.write_record(row).map_err(|e| failed(e.to_string()))?;
    }
    let mut contents = writer.into_inner().map_err(|e| failed(e.to_string()))?;
    if extension(path) == "gz" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&contents).map_err(|e| failed(e.to_string()))?;
        contents = encoder.finish().map_err(|e| failed(e.to_string()))?;
    }
    Ok(write_atomically(path, &contents)?)
}
