//! NumPy's arrays in files (.npy): a header, and the numbers as they are in memory.
//!
//! The format is NumPy's own: numpy.lib.format, versions 1 to 3.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use chreode::exec::mapped::MappedNumbers;

use crate::columns::{Column, Columns, Matrix, Points, numbered};

/// What an array is allowed to hold, for complaints.
const ALLOWED: &str = "float32, float64, whole numbers or bool";

/// An array of one or two dimensions.
#[derive(Debug)]
pub struct Array {
    rows: usize,
    /// None of an array of one dimension.
    cols: Option<usize>,
    values: Values,
    /// Why the numbers were copied, where they could have been used in the file.
    pub copied: Option<String>,
}

#[derive(Debug)]
enum Values {
    Numbers(Points),
    Text(Vec<String>),
}

/// What the numbers of an array are, and where.
#[derive(Debug, PartialEq)]
struct Header {
    /// As NumPy writes a type: byte order, kind, bytes a number.
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the numbers begin, in bytes.
    data: usize,
}

impl Array {
    /// Reads an array, or maps the file where its numbers can be used as they are. Complaints do not name the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let bytes = file.metadata().map_err(|error| error.to_string())?.len();
        let mut reader = BufReader::new(file);
        let header = Header::read(&mut reader)?;
        let (rows, cols) = match header.shape[..] {
            [rows] => (rows, None),
            [rows, cols] => (rows, Some(cols)),
            _ => {
                let dims = header.shape.len();
                return Err(format!("the array has {dims} dimensions; 2 are needed, one row a cell, or 1"));
            }
        };
        let kind = Kind::of(&header.descr)?;
        let count = rows.checked_mul(cols.unwrap_or(1));
        let wanted = count.and_then(|count| count.checked_mul(kind.bytes)?.checked_add(header.data));
        let shape = &header.shape;
        let Some((count, wanted)) = count.zip(wanted).filter(|(_, wanted)| *wanted as u64 <= bytes) else {
            return Err(format!(
                "the file is cut off: {bytes} bytes are too few for an array of shape {shape:?} and type `{}`",
                header.descr
            ));
        };
        let order = |transposed: bool| if transposed { "in Fortran order" } else { "in C order" };
        let transposed = header.fortran && cols.is_some_and(|cols| cols > 1 && rows > 1);
        let in_place = kind.letter == 'f' && kind.bytes == 4 && kind.native && !transposed;
        if in_place && let Ok(mapped) = MappedNumbers::open(path, header.data, count) {
            let values = Values::Numbers(Points::Single(Arc::new(mapped)));
            return Ok(Self { rows, cols, values, copied: None });
        }
        let mut raw = Vec::with_capacity(wanted - header.data);
        reader
            .take((wanted - header.data) as u64)
            .read_to_end(&mut raw)
            .map_err(|error| error.to_string())?;
        let values = kind.values(&raw, count, transposed.then_some((rows, cols.unwrap_or(1))))?;
        let copied = format!(
            "the numbers are copied, being `{}` {}; float32 in C order (`<f4`) is used where it is, without a copy",
            header.descr,
            order(transposed)
        );
        Ok(Self { rows, cols, values, copied: Some(copied) })
    }

    /// The coordinates of cells.
    pub fn matrix(self) -> Result<Matrix, String> {
        match (self.cols, self.values) {
            (Some(cols), Values::Numbers(points)) => {
                Ok(Matrix { names: numbered(cols), points, rows: self.rows })
            }
            (None, _) => Err(format!(
                "the array has one dimension, of {} elements; 2 are needed, one row a cell",
                self.rows
            )),
            (_, Values::Text(_)) => Err(format!("the array holds text; it must hold {ALLOWED}")),
        }
    }
}

impl Columns for Array {
    /// The numbers of the columns, from 0; an array of one dimension is one column of times.
    fn names(&self) -> Vec<String> {
        match self.cols {
            None => vec!["time".into()],
            Some(cols) => (0..cols).map(|col| col.to_string()).collect(),
        }
    }

    fn read(&self, index: usize) -> Result<Column, String> {
        let cols = self.cols.unwrap_or(1);
        Ok(match &self.values {
            Values::Numbers(Points::Double(numbers)) => {
                Column::Double(numbers.iter().copied().skip(index).step_by(cols).collect())
            }
            Values::Numbers(Points::Single(numbers)) => {
                Column::Single((**numbers).as_ref().iter().copied().skip(index).step_by(cols).collect())
            }
            Values::Text(texts) => Column::Text(texts.iter().skip(index).step_by(cols).cloned().collect()),
        })
    }
}

/// A type of numbers.
struct Kind {
    letter: char,
    bytes: usize,
    little: bool,
    native: bool,
}

impl Kind {
    fn of(descr: &str) -> Result<Self, String> {
        let refused =
            |why: &str| Err(format!("the array is of type `{descr}`, {why}; it must hold {ALLOWED}"));
        let mut chars = descr.chars();
        let (order, letter) = (chars.next().unwrap_or(' '), chars.next().unwrap_or(' '));
        let size: usize = chars.as_str().parse().unwrap_or(0);
        let bytes = match (letter, size) {
            ('f', 4 | 8) | ('i' | 'u', 1 | 2 | 4 | 8) | ('b', 1) => size,
            ('U', 1..) => 4 * size,
            ('S', 1..) => size,
            ('O', _) => return refused("Python objects (save np.asarray(x, 'float32'))"),
            ('V', _) => return refused("records or bytes"),
            ('M' | 'm', _) => return refused("dates or durations"),
            ('c', _) => return refused("complex numbers"),
            _ => return refused("which is not read"),
        };
        let little = match order {
            '<' | '|' => true,
            '>' => false,
            '=' => cfg!(target_endian = "little"),
            _ => return refused("which is not read"),
        };
        Ok(Self { letter, bytes, little, native: little == cfg!(target_endian = "little") })
    }

    /// The elements in C order, of an array `transposed` from this shape where it is.
    fn values(&self, raw: &[u8], count: usize, transposed: Option<(usize, usize)>) -> Result<Values, String> {
        let place = |i: usize| match transposed {
            Some((rows, cols)) => i / cols + (i % cols) * rows,
            None => i,
        };
        let element = |i: usize| &raw[place(i) * self.bytes..(place(i) + 1) * self.bytes];
        Ok(match self.letter {
            'U' | 'S' => Values::Text((0..count).map(|i| self.text(element(i))).collect::<Result<_, _>>()?),
            'f' if self.bytes == 4 => {
                let single = |i: usize| f32::from_bits(self.unsigned(element(i)) as u32);
                Values::Numbers(Points::of_single((0..count).map(single).collect()))
            }
            _ => Values::Numbers(Points::Double((0..count).map(|i| self.double(element(i))).collect())),
        })
    }

    fn unsigned(&self, element: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.little { element.iter().rev().fold(0, add) } else { element.iter().fold(0, add) }
    }

    fn double(&self, element: &[u8]) -> f64 {
        let bits = self.unsigned(element);
        match self.letter {
            'f' => f64::from_bits(bits),
            'i' => {
                let unused = 64 - 8 * self.bytes as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            'b' => f64::from(u8::from(bits != 0)),
            _ => bits as f64,
        }
    }

    /// Characters up to the padding: of four bytes each, or of one.
    fn text(&self, element: &[u8]) -> Result<String, String> {
        let width = if self.letter == 'U' { 4 } else { 1 };
        let letters = element.chunks_exact(width).map(|letter| self.unsigned(letter) as u32);
        let letters = letters.take_while(|&letter| letter != 0).map(char::from_u32);
        letters.collect::<Option<String>>().ok_or_else(|| "the array holds text that is none".into())
    }
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Self, String> {
        let cut_off = |_| "the file is cut off: it ends within the header of the array".to_string();
        let mut start = [0; 8];
        let magic = reader.read_exact(&mut start).map_err(cut_off);
        if !start.starts_with(b"\x93NUMPY") {
            return Err(magic
                .err()
                .unwrap_or("this is no .npy file: it does not begin as np.save writes".into()));
        }
        let (length, before) = match start[6] {
            1 => {
                let mut length = [0; 2];
                reader.read_exact(&mut length).map_err(cut_off)?;
                (usize::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                reader.read_exact(&mut length).map_err(cut_off)?;
                (u32::from_le_bytes(length) as usize, 12)
            }
            version => return Err(format!("version {version} of .npy files is not read, 1 to 3 are")),
        };
        let mut text = vec![];
        reader.take(length as u64).read_to_end(&mut text).map_err(|error| error.to_string())?;
        if text.len() < length {
            return Err("the file is cut off: it ends within the header of the array".into());
        }
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text, before + length)
            .ok_or_else(|| format!("the header of the array is damaged: {}", text.trim()))
    }

    /// Of a Python dictionary as NumPy writes it: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.
    fn parse(text: &str, data: usize) -> Option<Self> {
        let value = |key: &str| {
            Some(text.split_once(&format!("'{key}'"))?.1.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = value("descr")?;
        let descr = if descr.starts_with('[') {
            // A record's fields: a type that is refused by its name.
            "|V".into()
        } else {
            descr.strip_prefix('\'')?.split_once('\'')?.0.to_string()
        };
        let fortran = value("fortran_order")?;
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
        Some(Self {
            descr,
            fortran: if fortran.starts_with("True") {
                true
            } else {
                fortran.starts_with("False").then_some(false)?
            },
            shape: lengths.map(|length| length.parse().ok()).collect::<Option<_>>()?,
            data,
        })
    }
}

/// What stands before the numbers of a matrix of float32 in C order, as NumPy saves it.
pub fn matrix_header(rows: usize, cols: usize) -> Vec<u8> {
    header_bytes("'<f4'", &format!("{rows}, {cols}"))
}

/// A table as NumPy saves an array of records: a field a column, of doubles, of whole numbers (−1 for none) or of text.
pub fn record_bytes(rows: usize, columns: &[(String, crate::written::Values)]) -> Vec<u8> {
    use crate::written::Values;

    let letters = |text: &String| text.chars().count();
    let widths: Vec<usize> = columns
        .iter()
        .map(|(_, values)| match values {
            // A text of no letters has no type.
            Values::Text(all) => all.iter().map(letters).max().unwrap_or(0).max(1),
            _ => 8,
        })
        .collect();
    let field = |((name, values), width): (&(String, Values), &usize)| {
        let kind = match values {
            Values::Real(_) => "<f8".into(),
            Values::Whole(_) => "<i8".into(),
            Values::Text(_) => format!("<U{width}"),
        };
        format!("('{}', '{kind}')", literal(name))
    };
    let fields: Vec<String> = columns.iter().zip(&widths).map(field).collect();
    let mut bytes = header_bytes(&format!("[{}]", fields.join(", ")), &format!("{rows},"));
    for row in 0..rows {
        for ((_, values), width) in columns.iter().zip(&widths) {
            match values {
                Values::Real(all) => bytes.extend_from_slice(&all[row].to_le_bytes()),
                Values::Whole(all) => {
                    bytes.extend_from_slice(&all[row].map_or(-1, |x| x as i64).to_le_bytes())
                }
                Values::Text(all) => {
                    let letters = all[row].chars().map(u32::from).chain(std::iter::repeat(0));
                    letters.take(*width).for_each(|letter| bytes.extend_from_slice(&letter.to_le_bytes()));
                }
            }
        }
    }
    bytes
}

/// A name between the quotes of a text of Python's.
fn literal(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r")
}

/// What stands before the elements of an array in C order, of this type and shape.
fn header_bytes(descr: &str, shape: &str) -> Vec<u8> {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({shape}), }}");
    // The first version has Latin letters and 16 bits for the length, the third all letters and 32.
    let is_plain = header.is_ascii() && header.len() < 65_000;
    let before = if is_plain { 10 } else { 12 };
    // Numbers begin at a multiple of 64.
    header += &" ".repeat(63 - (before + header.len()) % 64);
    header.push('\n');
    let mut bytes = Vec::with_capacity(before + header.len());
    if is_plain {
        bytes.extend_from_slice(b"\x93NUMPY\x01\x00");
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    } else {
        bytes.extend_from_slice(b"\x93NUMPY\x03\x00");
        bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    }
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_numpy_writes_them_and_damaged_ones_are_not() {
        let header = |text: &str| Header::parse(text, 128);
        let plain = header("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }   \n").unwrap();
        assert_eq!(plain, Header { descr: "<f8".into(), fortran: true, shape: vec![3, 2], data: 128 });
        assert_eq!(header("{'shape': (7,), 'fortran_order': False, 'descr': '|b1'}").unwrap().shape, [7]);
        assert_eq!(
            header("{'descr': [('t', '<f8')], 'fortran_order': False, 'shape': ()}").unwrap().descr,
            "|V"
        );
        for damaged in [
            "{'descr': '<f8', 'shape': (3, 2)}",
            "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (3, 2)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -2)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2",
        ] {
            assert_eq!(header(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn numbers_of_either_byte_order_and_any_size_are_themselves() {
        let of = |descr: &str, raw: &[u8]| Kind::of(descr).unwrap().double(raw);
        assert_eq!(of("<i2", &[0xfe, 0xff]), -2.0);
        assert_eq!(of(">i4", &[0xff, 0xff, 0xff, 0x00]), -256.0);
        assert_eq!(of("<u2", &[0xfe, 0xff]), 65534.0);
        assert_eq!(of("|i1", &[0x80]), -128.0);
        assert_eq!(of(">f8", &1.5f64.to_be_bytes()), 1.5);
        assert_eq!(of("|b1", &[2]), 1.0);
        for descr in ["|O", "<c8", "<M8[ns]", "<f2", "|V8", "", "<f"] {
            let why = Kind::of(descr).err().expect(descr);
            assert!(why.contains("must hold float32"), "{why}");
        }
    }
}
