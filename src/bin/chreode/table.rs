//! Tables of numbers in CSV files: the only reader of the command, so that every complaint names file, line and column.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use chreode::snapshots::MatrixView;
use csv::{ByteRecord, ReaderBuilder, Trim};

use crate::failure::{Failure, Result};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The time of the cell.
    Time,
    /// The weight of the cell.
    Weight,
    /// A coordinate.
    Coordinate,
    /// Nothing of interest; not read.
    Ignored,
}

/// A file's cells.
#[derive(Debug)]
pub struct Table {
    /// The names of the coordinates.
    pub names: Vec<String>,
    /// Row-major, one row a cell.
    pub points: Vec<f64>,
    /// One a cell, if there is such a column.
    pub times: Vec<f64>,
    /// One a cell, if there is such a column.
    pub weights: Option<Vec<f64>>,
    /// The number of cells, at least 1.
    pub rows: usize,
}

impl Table {
    /// Reads a file with a header. `roles` says what each of the named columns holds; coordinates may be as large as
    /// `largest`.
    pub fn read(path: &Path, largest: f64, roles: impl Fn(&[String]) -> Result<Vec<Role>>) -> Result<Self> {
        let failed = |what: String| Failure::Failed(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|e| failed(e.to_string()))?;
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(file);
        let header = reader.byte_headers().map_err(|e| failed(e.to_string()))?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into()).collect();
        check_header(&header).map_err(&failed)?;
        let roles = roles(&header).map_err(|failure| match failure {
            Failure::Usage(what) => Failure::Usage(format!("{}: {what}", path.display())),
            Failure::Failed(what) => failed(what),
        })?;
        let is = |role: Role| move |found: &&Role| **found == role;
        if roles.iter().filter(is(Role::Coordinate)).count() == 0 {
            return Err(failed("there is no column of coordinates".into()));
        }
        let names = header.iter().zip(&roles).filter(|(_, role)| **role == Role::Coordinate);
        let weighted = roles.contains(&Role::Weight);
        let mut table = Self {
            names: names.map(|(name, _)| name.clone()).collect(),
            points: vec![],
            times: vec![],
            weights: weighted.then(Vec::new),
            rows: 0,
        };
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| failed(e.to_string()))? {
            if record.len() != header.len() {
                let (line, found, columns) = (line_of(path, &record), record.len(), header.len());
                return Err(failed(format!(
                    "line {line}: {found} values, but the header names {columns} columns"
                )));
            }
            for ((field, name), &role) in record.iter().zip(&header).zip(&roles) {
                let at_fault = |what: String| {
                    failed(format!("line {}, column `{name}`: {what}", line_of(path, &record)))
                };
                match role {
                    Role::Ignored => {}
                    Role::Time => table.times.push(number(field).map_err(at_fault)?),
                    Role::Coordinate => {
                        let x = number(field).map_err(at_fault)?;
                        if x.abs() > largest {
                            return Err(at_fault(format!(
                                "{x:e} is beyond {largest:.1e}, the largest coordinate"
                            )));
                        }
                        table.points.push(x);
                    }
                    Role::Weight => {
                        let weight = number(field).map_err(at_fault)?;
                        if weight < 0.0 {
                            return Err(at_fault(format!("a weight must not be negative, got {weight}")));
                        }
                        table.weights.get_or_insert_default().push(weight);
                    }
                }
            }
            table.rows += 1;
        }
        if table.rows == 0 {
            return Err(failed("there are no cells: no line follows the header".into()));
        }
        Ok(table)
    }

    /// The coordinates as a matrix.
    pub fn view(&self) -> Result<MatrixView<'_>> {
        Ok(MatrixView::from_f64(&self.points, self.rows, self.names.len())?)
    }
}

/// The line of a file at which a record begins. The CSV reader tells where the one before ended, and passes over empty
/// lines in between.
fn line_of(path: &Path, record: &ByteRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let mut empty_lines = 0;
    // The file was read a moment ago; should it be gone, the line is off by the empty ones.
    if let Ok(mut file) = File::open(path)
        && file.seek(SeekFrom::Start(position.byte())).is_ok()
    {
        let line_ends =
            BufReader::new(file).bytes().map_while(|byte| byte.ok().filter(|b| b"\r\n".contains(b)));
        empty_lines = line_ends.filter(|&byte| byte == b'\n').count() as u64;
    }
    position.line() + empty_lines
}

fn check_header(header: &[String]) -> std::result::Result<(), String> {
    if header.is_empty() {
        return Err("the file is empty; a header is needed".into());
    }
    for (i, name) in header.iter().enumerate() {
        if name.is_empty() {
            return Err(format!(
                "line 1: column {} has no name; row names are to be left out (R: row.names = FALSE, pandas: index=False)",
                i + 1
            ));
        }
        if header[..i].contains(name) {
            return Err(format!("line 1: two columns are called `{name}`"));
        }
    }
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err("line 1: a header is needed, but there are numbers only".into());
    }
    Ok(())
}

/// The index of the column `name`.
pub fn column(header: &[String], name: &str) -> Result<usize> {
    header.iter().position(|found| found == name).ok_or_else(|| {
        let some: Vec<&str> = header.iter().take(20).map(String::as_str).collect();
        let more = if header.len() > some.len() { ", …" } else { "" };
        Failure::Usage(format!("there is no column `{name}`; there are {}{more}", some.join(", ")))
    })
}

fn number(field: &[u8]) -> std::result::Result<f64, String> {
    let text = str::from_utf8(field).ok();
    match text.and_then(|text| text.parse::<f64>().ok()) {
        Some(x) if x.is_finite() => Ok(x),
        Some(x) => Err(format!("{x} is not a finite number")),
        None if field.is_empty() => Err("a number is missing".into()),
        None => Err(format!("`{}` is not a number", String::from_utf8_lossy(field))),
    }
}
