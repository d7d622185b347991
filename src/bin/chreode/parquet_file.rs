//! Parquet files: flat columns of numbers and text.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use chreode::exec::files::NewFile;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type};

use crate::columns::{Column, Columns};
use crate::written::{Cells, Values};

type Told<T> = Result<T, String>;

/// An open file. Complaints do not name it.
pub struct ParquetFile {
    reader: SerializedFileReader<File>,
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile").field("names", &self.names()).finish()
    }
}

fn told(error: parquet::errors::ParquetError) -> String {
    let why = error.to_string();
    if why.contains("Disabled feature") {
        return format!(
            "{why}; this command reads what is not compressed, or by snappy or gzip, and by zstd if it was built with that feature"
        );
    }
    why
}

impl ParquetFile {
    pub fn open(path: &Path) -> Told<Self> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let reader = SerializedFileReader::new(file)
            .map_err(|error| format!("this is no whole Parquet file: {error}"))?;
        Ok(Self { reader })
    }
}

impl Columns for ParquetFile {
    fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().map(|column| column.path().string()).collect()
    }

    fn read(&self, index: usize) -> Told<Column> {
        let metadata = self.reader.metadata();
        let described = metadata.file_metadata().schema_descr().column(index);
        let mut column = empty(&described)?;
        for group in 0..metadata.num_row_groups() {
            let group = self.reader.get_row_group(group).map_err(told)?;
            let chunk = group.metadata().column(index);
            let first = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
            // The reader takes it for granted.
            if first < 0 || chunk.compressed_size() < 0 {
                return Err("what the file tells of it is damaged".into());
            }
            let rows = group.metadata().num_rows() as usize;
            let most = described.max_def_level();
            macro_rules! numbers {
                ($reader:expr, $kind:ident, $number:ty) => {
                    if let Column::$kind(all) = &mut column {
                        all.extend(read(&mut $reader, rows, most, <$number>::NAN, |x| *x as $number)?);
                    }
                };
            }
            match group.get_column_reader(index).map_err(told)? {
                ColumnReader::FloatColumnReader(mut reader) => numbers!(reader, Single, f32),
                ColumnReader::DoubleColumnReader(mut reader) => numbers!(reader, Double, f64),
                ColumnReader::Int32ColumnReader(mut reader) => numbers!(reader, Double, f64),
                ColumnReader::Int64ColumnReader(mut reader) => numbers!(reader, Double, f64),
                ColumnReader::BoolColumnReader(mut reader) => {
                    if let Column::Double(all) = &mut column {
                        all.extend(read(&mut reader, rows, most, f64::NAN, |&x| f64::from(u8::from(x)))?);
                    }
                }
                ColumnReader::ByteArrayColumnReader(mut reader) => {
                    if let Column::Text(all) = &mut column {
                        let text = |bytes: &ByteArray| String::from_utf8_lossy(bytes.data()).into_owned();
                        all.extend(read(&mut reader, rows, most, String::new(), text)?);
                    }
                }
                _ => return Err("it is of a type that is not read".into()),
            }
        }
        Ok(column)
    }
}

/// A column without rows, of the kind that is read.
fn empty(described: &ColumnDescriptor) -> Told<Column> {
    let refused = |what: &str| Err(format!("it holds {what}; numbers, text, true and false are read"));
    if described.max_rep_level() > 0 {
        return refused("lists");
    }
    match described.logical_type_ref() {
        Some(LogicalType::Decimal { .. }) => return refused("decimals"),
        Some(LogicalType::Date | LogicalType::Time { .. } | LogicalType::Timestamp { .. }) => {
            return refused("dates or times of the clock");
        }
        _ => {}
    }
    let converted = described.converted_type();
    match described.physical_type() {
        _ if converted == ConvertedType::DECIMAL => refused("decimals"),
        Physical::FLOAT => Ok(Column::Single(vec![])),
        Physical::DOUBLE | Physical::INT32 | Physical::INT64 | Physical::BOOLEAN => {
            Ok(Column::Double(vec![]))
        }
        Physical::BYTE_ARRAY => Ok(Column::Text(vec![])),
        other => refused(&format!("values of the type {other}")),
    }
}

/// All values of a column of a row group, `missing` where there is none.
fn read<T: DataType, V: Clone>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    most: i16,
    missing: V,
    value: impl Fn(&T::T) -> V,
) -> Told<Vec<V>> {
    // A damaged file may claim any number of rows.
    let (mut levels, mut values, mut all) = (vec![], vec![], vec![]);
    while all.len() < rows {
        levels.clear();
        values.clear();
        let (records, ..) =
            reader.read_records(rows - all.len(), Some(&mut levels), None, &mut values).map_err(told)?;
        if records == 0 {
            return Err(format!("there are {} values of {rows}", all.len()));
        }
        let is_missing = |record: usize| most > 0 && levels[record] < most;
        let mut there = values.iter();
        for record in 0..records {
            if is_missing(record) {
                all.push(missing.clone());
            } else {
                all.push(value(there.next().ok_or("a value is lost")?));
            }
        }
    }
    Ok(all)
}

/// Rows of a group that is written.
const GROUP: usize = 1 << 18;

/// A Parquet file in the making, compressed by snappy: columns, then coordinates.
pub struct Writer(SerializedFileWriter<NewFile>);

impl Writer {
    /// A file of cells like these.
    pub fn new(file: NewFile, cells: &Cells<'_>) -> Told<Self> {
        let field = |name: &str, kind: Physical, repetition: Repetition| {
            Type::primitive_type_builder(name, kind).with_repetition(repetition).build().map(Arc::new)
        };
        let of_column = |(name, values): &(String, Values)| match values {
            Values::Real(_) => field(name, Physical::DOUBLE, Repetition::REQUIRED),
            Values::Whole(_) => field(name, Physical::INT64, Repetition::OPTIONAL),
            Values::Text(_) => Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(Some(LogicalType::String))
                .build()
                .map(Arc::new),
        };
        let of_coordinate = |name: &String| field(name, Physical::FLOAT, Repetition::REQUIRED);
        let fields = cells.columns.iter().map(of_column).chain(cells.names.iter().map(of_coordinate));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(told)?;
        let schema = Type::group_type_builder("cells").with_fields(fields).build().map_err(told)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map(Self).map_err(told)
    }

    /// Writes the next cells, in groups of their own.
    pub fn append(&mut self, cells: &Cells<'_>) -> Told<()> {
        for first in (0..cells.points.len()).step_by(GROUP) {
            self.write_group(cells, first..cells.points.len().min(first + GROUP))?;
        }
        Ok(())
    }

    fn write_group(&mut self, cells: &Cells<'_>, rows: Range<usize>) -> Told<()> {
        let mut group = self.0.next_row_group().map_err(told)?;
        macro_rules! column {
            ($kind:ty, $values:expr, $levels:expr) => {
                if let Some(mut column) = group.next_column().map_err(told)? {
                    column.typed::<$kind>().write_batch($values, $levels, None).map_err(told)?;
                    column.close().map_err(told)?;
                }
            };
        }
        for (_, values) in &cells.columns {
            match values {
                Values::Real(all) => column!(DoubleType, &all[rows.clone()], None),
                Values::Whole(all) => {
                    let some = &all[rows.clone()];
                    let there: Vec<i64> = some.iter().flatten().map(|&x| x as i64).collect();
                    let levels: Vec<i16> = some.iter().map(|x| i16::from(x.is_some())).collect();
                    column!(Int64Type, &there, Some(&levels));
                }
                Values::Text(all) => {
                    let texts: Vec<ByteArray> =
                        all[rows.clone()].iter().map(|text| ByteArray::from(text.as_str())).collect();
                    column!(ByteArrayType, &texts, None);
                }
            }
        }
        for c in 0..cells.names.len() {
            let all: Vec<f32> = cells.points[rows.clone()].iter().map(|cell| cell[c]).collect();
            column!(FloatType, &all, None);
        }
        group.close().map(drop).map_err(told)
    }

    /// The file, which is whole now.
    pub fn finish(self) -> Told<NewFile> {
        self.0.into_inner().map_err(told)
    }
}
