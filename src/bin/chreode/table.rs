//! Tables of cells, of text or with columns on their own: the only reader of the command, so that every complaint names file, line
//! and column.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use chreode::snapshots::{MatrixView, Snapshots, time_order};
use csv::{ByteRecord, Position, Reader, ReaderBuilder, Trim};

use crate::columns::{Column, Columns, Matrix, Points};
use crate::failure::{Failure, Result};
use crate::labels::{Labels, Mapped, Refused, is_missing, number};
use crate::source::{self, Source};
use crate::written::extension;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The time of the cell.
    Time,
    /// The weight of the cell.
    Weight,
    /// A coordinate.
    Coordinate,
    /// The true growth rate at the cell.
    Growth,
    /// The part of the data that the cell is in.
    Part,
    /// The growth rate that is expected of the cell.
    GrowthPrior,
    /// The clone that the cell belongs to, where it is known.
    Clone,
    /// The label of the cell, which may be missing.
    Label,
    /// One of the two places of the cell in an embedding: across, 0, or up, 1.
    Embedding(usize),
    /// The name of the cell.
    Name,
    /// Nothing of interest; not read.
    Ignored,
}

/// A file whose header has been read.
#[derive(Debug)]
pub struct TableFile {
    path: PathBuf,
    format: Format,
    /// The names of the columns; only the first may be without.
    pub header: Vec<String>,
}

#[derive(Debug)]
enum Format {
    /// Columns separated by commas, semicolons or tabs, a line a row.
    Text { source: Source, delimiter: u8 },
    /// Each column on its own.
    Columns(Box<dyn Columns>),
}

/// A file's cells.
#[derive(Debug)]
pub struct Table {
    /// The names of the coordinates.
    pub names: Vec<String>,
    pub points: Points,
    /// One a cell, if there is such a column.
    pub times: Vec<f64>,
    /// What the labels of times were taken for, where they are not numbers.
    pub time_labels: Option<String>,
    /// One a cell, if there is such a column.
    pub weights: Option<Vec<f64>>,
    /// One a cell, if there is such a column.
    pub growth: Option<Vec<f64>>,
    /// One a cell, if there is such a column.
    pub parts: Option<Vec<String>>,
    /// One a cell, if there is such a column.
    pub growth_prior: Option<Vec<f64>>,
    /// One a cell, if there is such a column: which of all clones, where it is known.
    pub clones: Option<Vec<Option<u32>>>,
    /// One a cell, empty where it is missing, if there is such a column.
    pub labels: Option<Vec<String>>,
    /// Both places of each cell in an embedding, if there are such columns.
    pub embedding: Option<[Vec<f64>; 2]>,
    /// One a cell, if there is such a column.
    pub cells: Option<Vec<String>>,
    /// The number of cells, at least 1.
    pub rows: usize,
}

impl TableFile {
    /// Reads the header of a file, or of standard input where the path is `-`.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |what: String| Failure::Failed(format!("{}: {what}", source::name(path)));
        match extension(path).as_str() {
            #[cfg(feature = "parquet")]
            "parquet" | "pq" => {
                let file = crate::parquet_file::ParquetFile::open(path).map_err(failed)?;
                return Self::of_columns(path, Box::new(file));
            }
            #[cfg(feature = "npy")]
            "npy" => {
                let array = crate::npy::Array::open(path).map_err(failed)?;
                return Self::of_columns(path, Box::new(array));
            }
            #[cfg(not(feature = "parquet"))]
            "parquet" | "pq" => return Err(crate::written::without(path, "parquet")),
            #[cfg(not(feature = "npy"))]
            "npy" => return Err(crate::written::without(path, "npy")),
            _ => {}
        }
        let source = Source::open(path).map_err(|e| failed(e.to_string()))?;
        let delimiter = delimiter(&source).map_err(|e| failed(e.to_string()))?;
        let mut reader = reader(&source, delimiter).map_err(|e| failed(e.to_string()))?;
        let header = reader.byte_headers().map_err(|e| failed(e.to_string()))?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into()).collect();
        check_header(&header).map_err(failed)?;
        drop(reader);
        Ok(Self { path: path.into(), format: Format::Text { source, delimiter }, header })
    }

    /// The columns of a file, which `path` names in complaints.
    pub fn of_columns(path: &Path, columns: Box<dyn Columns>) -> Result<Self> {
        Ok(Self { path: path.into(), header: columns.names(), format: Format::Columns(columns) })
    }

    /// A failure that names the file.
    pub fn failed(&self, what: impl std::fmt::Display) -> Failure {
        Failure::Failed(format!("{}: {what}", source::name(&self.path)))
    }

    /// A usage error that names the file.
    pub fn misused(&self, what: impl std::fmt::Display) -> Failure {
        Failure::Usage(format!("{}: {what}", source::name(&self.path)))
    }

    /// The index of the column `name`.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|found| found == name).ok_or_else(|| {
            self.misused(format!("there is no column `{name}`; there are {}", listed(&self.header)))
        })
    }

    /// Whether column `index` holds the names or numbers of rows, as R and pandas write them: it says nothing of the cells.
    pub fn is_row_names(&self, index: usize) -> bool {
        let name = self.header.get(index).map_or("", String::as_str);
        index == 0 && matches!(name, "" | "Unnamed: 0") || name == "__index_level_0__"
    }

    /// Reads the cells. `roles` says what each of the columns holds; coordinates may be as large as `largest`; `time_map` tells
    /// times of labels.
    pub fn read(&self, roles: &[Role], largest: f64, time_map: &[Mapped]) -> Result<Table> {
        let names = self.header.iter().zip(roles).filter(|(_, role)| **role == Role::Coordinate);
        let mut table = Table {
            names: names.map(|(name, _)| name.clone()).collect(),
            points: Points::Double(vec![]),
            times: vec![],
            time_labels: None,
            weights: roles.contains(&Role::Weight).then(Vec::new),
            growth: roles.contains(&Role::Growth).then(Vec::new),
            parts: roles.contains(&Role::Part).then(Vec::new),
            growth_prior: roles.contains(&Role::GrowthPrior).then(Vec::new),
            clones: None,
            labels: roles.contains(&Role::Label).then(Vec::new),
            embedding: None,
            cells: None,
            rows: 0,
        };
        if let Format::Columns(columns) = &self.format {
            table.cells = columns.row_names();
        }
        let (mut labels, mut clones) = (Labels::default(), Labels::default());
        let both = (&mut labels, &mut clones);
        match &self.format {
            Format::Text { source, delimiter } => {
                let reader = reader(source, *delimiter).map_err(|e| self.failed(e))?;
                self.read_text(reader, roles, largest, &mut table, both)?;
            }
            Format::Columns(columns) => {
                self.read_columns(&**columns, roles, largest, &mut table, both)?;
            }
        }
        table.clones = roles.contains(&Role::Clone).then(|| clones.numbers());
        if let Some(time) = roles.iter().position(|&role| role == Role::Time) {
            let times = labels.times(time_map).map_err(|refused| self.no_time(time, &refused));
            (table.times, table.time_labels) = times?;
        }
        Ok(table)
    }

    fn read_text(
        &self,
        mut reader: Reader<impl Read>,
        roles: &[Role],
        largest: f64,
        table: &mut Table,
        (labels, clones): (&mut Labels, &mut Labels),
    ) -> Result<()> {
        let mut points = vec![];
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|e| self.failed(e))? {
            if record.len() != self.header.len() {
                return Err(self.ragged(&record));
            }
            for ((field, name), &role) in record.iter().zip(&self.header).zip(roles) {
                let at_fault = |what: String| self.at_fault(record.position(), name, &what);
                match role {
                    Role::Ignored => {}
                    Role::Time => labels.push(field),
                    Role::Clone => clones.push(field),
                    Role::Coordinate => {
                        let x =
                            number(field).map_err(|why| at_fault(self.not_a_coordinate(field, name, why)))?;
                        if x.abs() > largest {
                            return Err(at_fault(format!(
                                "{x:e} is beyond {largest:.1e}, the largest coordinate"
                            )));
                        }
                        points.push(x);
                    }
                    Role::Weight => {
                        let weight = number(field).map_err(at_fault)?;
                        if weight < 0.0 {
                            return Err(at_fault(format!("a weight must not be negative, got {weight}")));
                        }
                        table.weights.get_or_insert_default().push(weight);
                    }
                    Role::Growth => {
                        table.growth.get_or_insert_default().push(number(field).map_err(at_fault)?);
                    }
                    Role::Part => {
                        if field.is_empty() {
                            return Err(at_fault("the part of the cell is missing".into()));
                        }
                        table.parts.get_or_insert_default().push(String::from_utf8_lossy(field).into());
                    }
                    Role::GrowthPrior => {
                        table.growth_prior.get_or_insert_default().push(number(field).map_err(at_fault)?);
                    }
                    Role::Label => {
                        table.labels.get_or_insert_default().push(label(&String::from_utf8_lossy(field)));
                    }
                    Role::Embedding(axis) => {
                        let place = number(field).map_err(at_fault)?;
                        table.embedding.get_or_insert_default()[axis].push(place);
                    }
                    Role::Name => {
                        table.cells.get_or_insert_default().push(String::from_utf8_lossy(field).into());
                    }
                }
            }
            table.rows += 1;
        }
        if table.rows == 0 {
            return Err(self.failed("there are no cells: no line follows the header"));
        }
        table.points = Points::Double(points);
        Ok(())
    }

    fn read_columns(
        &self,
        columns: &dyn Columns,
        roles: &[Role],
        largest: f64,
        table: &mut Table,
        (labels, clones): (&mut Labels, &mut Labels),
    ) -> Result<()> {
        let mut coordinates = vec![];
        for (index, &role) in roles.iter().enumerate().filter(|(_, role)| **role != Role::Ignored) {
            let name = &self.header[index];
            let at =
                |row: usize, what: String| self.failed(format!("row {}, column `{name}`: {what}", row + 1));
            let column = columns.read(index).map_err(|why| self.failed(format!("column `{name}`: {why}")))?;
            table.rows = column.len();
            let number = |row: usize| column.number(row).map_err(|why| at(row, why));
            match role {
                Role::Ignored => {}
                Role::Time => (0..column.len()).for_each(|row| labels.push(column.text(row).as_bytes())),
                Role::Clone => (0..column.len()).for_each(|row| clones.push(column.text(row).as_bytes())),
                Role::Coordinate => {
                    for row in 0..column.len() {
                        let x = column.number(row).map_err(|why| {
                            at(row, self.not_a_coordinate(column.text(row).as_bytes(), name, why))
                        })?;
                        if x.abs() > largest {
                            return Err(at(
                                row,
                                format!("{x:e} is beyond {largest:.1e}, the largest coordinate"),
                            ));
                        }
                    }
                    coordinates.push(match column {
                        // Numbers that a file holds as text.
                        Column::Text(_) => Column::Double(
                            (0..column.len()).filter_map(|row| column.number(row).ok()).collect(),
                        ),
                        numbers => numbers,
                    });
                }
                Role::Weight => {
                    let weights = (0..column.len()).map(number).collect::<Result<Vec<f64>>>()?;
                    if let Some(row) = weights.iter().position(|&weight| weight < 0.0) {
                        return Err(at(row, format!("a weight must not be negative, got {}", weights[row])));
                    }
                    table.weights = Some(weights);
                }
                Role::Growth => table.growth = Some((0..column.len()).map(number).collect::<Result<_>>()?),
                Role::GrowthPrior => {
                    table.growth_prior = Some((0..column.len()).map(number).collect::<Result<_>>()?);
                }
                Role::Part => {
                    let part = |row: usize| match &*column.text(row) {
                        "" | "NaN" => Err(at(row, "the part of the cell is missing".into())),
                        part => Ok(part.to_string()),
                    };
                    table.parts = Some((0..column.len()).map(part).collect::<Result<_>>()?);
                }
                Role::Label => {
                    table.labels = Some((0..column.len()).map(|row| label(&column.text(row))).collect());
                }
                Role::Embedding(axis) => {
                    table.embedding.get_or_insert_default()[axis] =
                        (0..column.len()).map(number).collect::<Result<_>>()?;
                }
                Role::Name => {
                    table.cells = Some((0..column.len()).map(|row| column.text(row).into()).collect());
                }
            }
        }
        if table.rows == 0 {
            return Err(self.failed("there are no cells"));
        }
        table.points = Points::of_columns(coordinates, table.rows);
        Ok(())
    }

    fn at_fault(&self, position: Option<&Position>, column: &str, what: &str) -> Failure {
        self.failed(format!("line {}, column `{column}`: {what}", self.line_of(position)))
    }

    /// Explains a field that is not a number, by what is often the matter.
    fn not_a_coordinate(&self, field: &[u8], name: &str, why: String) -> String {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        match (field.iter().filter(|&&byte| byte == b',').count(), field.iter().any(is_digit)) {
            (1, true) => why + "; decimals are written with a point",
            (_, false) if why.contains("is not a number") => {
                format!("{why}; if the column holds no coordinate: --ignore-column {name}")
            }
            _ => why,
        }
    }

    fn ragged(&self, record: &ByteRecord) -> Failure {
        let (found, columns) = (record.len(), self.header.len());
        let names_of_rows = if found == columns + 1 {
            "; if they are names of rows, write the file without (R: row.names = FALSE)"
        } else {
            ""
        };
        let line = self.line_of(record.position());
        self.failed(format!(
            "line {line}: {found} values, but the header names {columns} columns{names_of_rows}"
        ))
    }

    /// Explains a label without a time; its row is read again to find the line.
    fn no_time(&self, column: usize, refused: &Refused) -> Failure {
        let Format::Text { source, delimiter } = &self.format else {
            let (row, name) = (refused.row + 1, &self.header[column]);
            return self.failed(format!("row {row}, column `{name}`: {}", refused.why));
        };
        let position = reader(source, *delimiter).ok().and_then(|reader| {
            let record = reader.into_byte_records().nth(refused.row)?.ok()?;
            record.position().cloned()
        });
        self.at_fault(position.as_ref(), &self.header[column], &refused.why)
    }

    /// The line of a file at which a record begins. The CSV reader tells where the one before ended, and passes over empty
    /// lines in between.
    fn line_of(&self, position: Option<&Position>) -> u64 {
        let Some(position) = position else { return 0 };
        let mut empty_lines = 0;
        // The file was read a moment ago; should it be gone, the line is off by the empty ones.
        if let Format::Text { source, .. } = &self.format
            && let Ok(mut bytes) = source.reader()
            && std::io::copy(&mut bytes.by_ref().take(position.byte()), &mut std::io::sink()).is_ok()
        {
            let line_ends = bytes.bytes().map_while(|byte| byte.ok().filter(|b| b"\r\n".contains(b)));
            empty_lines = line_ends.filter(|&byte| byte == b'\n').count() as u64;
        }
        position.line() + empty_lines
    }
}

impl Table {
    /// The coordinates as a matrix.
    pub fn view(&self) -> Result<MatrixView<'_>> {
        Ok(self.points.view(self.rows, self.names.len())?)
    }

    /// Takes the coordinates from a matrix.
    pub fn take(&mut self, matrix: Matrix) {
        (self.names, self.points) = (matrix.names, matrix.points);
    }

    /// The cells as snapshots: what is single precision already stays where it is.
    pub fn snapshots(&self) -> chreode::Result<Snapshots> {
        let mut snapshots = match &self.points {
            Points::Single(points) => {
                Snapshots::shared(points.clone(), self.names.len(), &self.times, self.weights.as_deref())
            }
            points => {
                let view = points.view(self.rows, self.names.len())?;
                Snapshots::new(view, &self.times, self.weights.as_deref())
            }
        }?;
        let order = time_order(&self.times);
        if let Some(rates) = &self.growth_prior {
            snapshots =
                snapshots.with_growth_prior(&order.iter().map(|&row| rates[row]).collect::<Vec<_>>())?;
        }
        if let Some(clones) = &self.clones {
            snapshots = snapshots.with_clones(&order.iter().map(|&row| clones[row]).collect::<Vec<_>>())?;
        }
        Ok(snapshots)
    }

    /// Takes the coordinates of these indices, in this order.
    pub fn select(&mut self, columns: &[usize]) {
        self.points = self.points.select(self.names.len(), columns);
        self.names = columns.iter().map(|&column| self.names[column].clone()).collect();
    }

    /// Whether the first coordinate counts the rows, from 0 or from 1.
    pub fn begins_with_row_numbers(&self) -> bool {
        let Ok(points) = self.view() else { return false };
        let start = points.get(0, 0);
        (start == 0.0 || start == 1.0) && (0..self.rows).all(|row| points.get(row, 0) == start + row as f64)
    }

    /// The number of different times.
    pub fn distinct_times(&self) -> usize {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        times.dedup();
        times.len()
    }
}

/// A label as it stands in a file; empty where it is missing.
fn label(text: &str) -> String {
    let missing = is_missing(text.as_bytes()) || text.eq_ignore_ascii_case("nan");
    if missing { String::new() } else { text.into() }
}

fn reader(source: &Source, delimiter: u8) -> std::io::Result<Reader<impl Read + '_>> {
    let mut builder = ReaderBuilder::new();
    builder.flexible(true).trim(Trim::All).delimiter(delimiter);
    Ok(builder.from_reader(source.reader()?))
}

/// The first names, for a message.
pub fn listed(names: &[String]) -> String {
    let some: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    some.join(", ") + if names.len() > some.len() { ", …" } else { "" }
}

/// Longest header that is looked at to find out what separates columns.
const HEADER: u64 = 1 << 24;

/// What separates the columns of the first line that is not empty: a tab if there is one, else the more frequent of comma and
/// semicolon, quoted names aside.
fn delimiter(source: &Source) -> std::io::Result<u8> {
    let mut bytes = source.reader()?.take(HEADER);
    let mut line = vec![];
    while line.iter().all(u8::is_ascii_whitespace) {
        line.clear();
        if bytes.read_until(b'\n', &mut line)? == 0 {
            return Ok(b',');
        }
    }
    let mut quoted = false;
    let bare = line.into_iter().filter(|&byte| {
        quoted ^= byte == b'"';
        !quoted
    });
    let bare: Vec<u8> = bare.collect();
    let count = |delimiter: u8| bare.iter().filter(|&&byte| byte == delimiter).count();
    Ok(match (count(b'\t'), count(b';'), count(b',')) {
        (0, semicolons, commas) if semicolons <= commas => b',',
        (0, ..) => b';',
        _ => b'\t',
    })
}

fn check_header(header: &[String]) -> std::result::Result<(), String> {
    if header.is_empty() {
        return Err("the file is empty; a header is needed".into());
    }
    let is_binary = |c: char| c.is_control() && !c.is_whitespace();
    if header.iter().any(|name| name.contains(is_binary)) {
        return Err(
            "line 1: this is no text; tables are read from CSV files (export them from Excel, R or AnnData)"
                .into(),
        );
    }
    for (i, name) in header.iter().enumerate() {
        if i > 0 && name.is_empty() {
            return Err(format!("line 1: column {} has no name", i + 1));
        }
        if header[..i].contains(name) {
            return Err(format!("line 1: two columns are called `{name}`"));
        }
    }
    if header.iter().all(|name| name.is_empty() || name.parse::<f64>().is_ok()) {
        return Err("line 1: a header is needed, but there are numbers only".into());
    }
    Ok(())
}
