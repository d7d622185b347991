//! AnnData's files (.h5ad): columns of `obs`, and coordinates from `obsm` or `X`.
//!
//! The layout is that of anndata's "on-disk format", encodings of version 0.7 and later.

use std::fmt;
use std::fs;
use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};

use crate::columns::{Column, Columns, Matrix, Points, numbered};
use crate::table::listed;

/// X is taken for coordinates if it has no more columns than this.
pub const MOST_COLUMNS: usize = 200;

/// Bytes that a byte of a file can stand for: gzip makes no more of it than 1032.
const DENSEST: usize = 1100;

/// An open file. Complaints do not name it.
pub struct H5ad {
    obs: Group,
    obsm: Option<Group>,
    root: Group,
    names: Vec<String>,
}

impl fmt::Debug for H5ad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("H5ad").field("names", &self.names).finish_non_exhaustive()
    }
}

type Told<T> = Result<T, String>;

impl H5ad {
    pub fn open(path: &Path) -> Told<Self> {
        let bytes = fs::metadata(path).map_err(|error| error.to_string())?.len() as usize;
        // A damaged file may claim any number of values.
        let options = OpenOptions::default().with_max_read_bytes(bytes.saturating_mul(DENSEST).max(1 << 24));
        let file = Hdf5File::open_with_options(path, options)
            .map_err(|error| format!("this is no readable HDF5 file: {error}"))?;
        let cut_off = |error| format!("this is no whole HDF5 file: {error}");
        let root = file.root_group().map_err(cut_off)?;
        let (groups, datasets) = root.member_names().map_err(cut_off)?;
        if datasets.iter().any(|name| name == "obs") {
            return Err(
                "`obs` is in the format of AnnData before 0.7; read and write the file by a newer one".into(),
            );
        }
        if !groups.iter().any(|name| name == "obs") {
            let all: Vec<String> = groups.into_iter().chain(datasets).collect();
            return Err(format!("this is no .h5ad file: there is no `obs` in it, only {}", listed(&all)));
        }
        let obs = root.group("obs").map_err(cut_off)?;
        let names = columns_of(&obs)?;
        let obsm = root.group("obsm").ok();
        Ok(Self { obs, obsm, root, names })
    }

    /// The coordinates `obsm[key]`; without a key, `X` if it is narrow.
    pub fn matrix(&self, key: Option<&str>) -> Told<Matrix> {
        let keys = self.keys()?;
        let choices = || {
            if keys.is_empty() {
                "the file has no obsm".into()
            } else {
                format!("there are {}", listed(&keys))
            }
        };
        match (key, &self.obsm) {
            (Some(key), Some(obsm)) if keys.iter().any(|name| name == key) => {
                matrix(obsm, key, None).map_err(|why| format!("obsm `{key}`: {why}"))
            }
            (Some(key), _) => Err(format!("there is no obsm `{key}`; {}", choices())),
            (None, _) => {
                let (groups, datasets) = self.root.member_names().map_err(told)?;
                if !groups.iter().chain(&datasets).any(|name| name == "X") {
                    return Err(format!("there is no `X`: name the coordinates by --obsm; {}", choices()));
                }
                let wide = |cols: usize| {
                    format!(
                        "`X` has {cols} columns, more than the {MOST_COLUMNS} that are taken for coordinates: name others by \
                         --obsm; {}",
                        choices()
                    )
                };
                let mut found = matrix(&self.root, "X", Some(&wide))?;
                if let Ok(names) = self.root.group("var").map_err(told).and_then(|var| index_of(&var))
                    && names.len() == found.names.len()
                {
                    found.names = names;
                }
                Ok(found)
            }
        }
    }

    fn keys(&self) -> Told<Vec<String>> {
        let Some(obsm) = &self.obsm else { return Ok(vec![]) };
        let (groups, datasets) = obsm.member_names().map_err(told)?;
        let mut all: Vec<String> = groups.into_iter().chain(datasets).collect();
        all.sort();
        Ok(all)
    }
}

impl Columns for H5ad {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn read(&self, index: usize) -> Told<Column> {
        column(&self.obs, &self.names[index])
    }

    fn row_names(&self) -> Option<Vec<String>> {
        index_of(&self.obs).ok()
    }
}

fn told(error: hdf5_reader::error::Error) -> String {
    let why = error.to_string();
    if why.contains("unsupported filter") {
        return format!("{why}; write the file without compression or with compression=\"gzip\"");
    }
    why
}

/// The columns of a data frame, in order.
fn columns_of(frame: &Group) -> Told<Vec<String>> {
    let order = frame.attribute("column-order").map_err(told)?;
    // Without columns the attribute is an empty array of numbers.
    if order.num_elements().map_err(told)? == 0 { Ok(vec![]) } else { order.read_strings().map_err(told) }
}

/// The names of the rows of a data frame.
fn index_of(frame: &Group) -> Told<Vec<String>> {
    let name = frame.attribute("_index").and_then(|name| name.read_string()).map_err(told)?;
    match column(frame, &name)? {
        Column::Text(names) => Ok(names),
        other => Ok((0..other.len()).map(|row| other.text(row).into()).collect()),
    }
}

/// A column of a data frame: numbers, text, categories or numbers with a mask.
fn column(frame: &Group, name: &str) -> Told<Column> {
    if let Ok(group) = frame.group(name) {
        let encoding = group.attribute("encoding-type").and_then(|encoding| encoding.read_string());
        return match encoding.as_deref() {
            Ok("categorical") => categories(&values(&group, "codes")?, &values(&group, "categories")?),
            Ok("nullable-integer" | "nullable-boolean") => {
                let (all, mask) = (values(&group, "values")?, values(&group, "mask")?);
                let kept = |row: usize| {
                    if mask.number(row) == Ok(0.0) { all.number(row).unwrap_or(f64::NAN) } else { f64::NAN }
                };
                Ok(Column::Double((0..all.len()).map(kept).collect()))
            }
            Ok("nullable-string-array") => {
                let (all, mask) = (values(&group, "values")?, values(&group, "mask")?);
                let kept = |row: usize| {
                    if mask.number(row) == Ok(0.0) { all.text(row).into() } else { String::new() }
                };
                Ok(Column::Text((0..all.len()).map(kept).collect()))
            }
            Ok(other) => Err(format!("it is encoded as `{other}`, which holds neither numbers nor labels")),
            Err(_) => Err("it is a group without an encoding".into()),
        };
    }
    let all = values(frame, name)?;
    // Until AnnData 0.7 the categories of all columns stood in a group of their own.
    match frame.group("__categories").ok().filter(|group| group.dataset(name).is_ok()) {
        Some(group) => categories(&all, &values(&group, name)?),
        None => Ok(all),
    }
}

/// Of each row the category that its code counts, from 0; −1 is none.
fn categories(codes: &Column, categories: &Column) -> Told<Column> {
    let of_row = |row: usize| -> Told<Option<usize>> {
        match codes.number(row)? {
            code if code < 0.0 => Ok(None),
            code if (code as usize) < categories.len() => Ok(Some(code as usize)),
            code => Err(format!("row {} has the category {code} of {}", row + 1, categories.len())),
        }
    };
    let rows = (0..codes.len()).map(of_row).collect::<Told<Vec<Option<usize>>>>()?;
    Ok(match categories {
        Column::Text(texts) => Column::Text(
            rows.iter().map(|code| code.map_or(String::new(), |code| texts[code].clone())).collect(),
        ),
        numbers => Column::Double(
            rows.iter()
                .map(|code| code.and_then(|code| numbers.number(code).ok()).unwrap_or(f64::NAN))
                .collect(),
        ),
    })
}

/// A dataset of one dimension, or any other in C order.
fn values(group: &Group, name: &str) -> Told<Column> {
    numbers(&group.dataset(name).map_err(told)?)
}

/// So many numbers, if memory can hold them: a damaged file may claim any.
fn room(count: u64) -> Told<usize> {
    let refused = |_| format!("it claims {count} numbers, more than memory holds");
    let count = usize::try_from(count).map_err(|_| refused(()))?;
    Vec::<f64>::new().try_reserve_exact(count).map_err(|_| refused(()))?;
    Ok(count)
}

fn numbers(dataset: &Dataset) -> Told<Column> {
    macro_rules! read {
        ($number:ty) => {{ dataset.read_array::<$number>().map_err(told)?.into_raw_vec_and_offset().0 }};
    }
    macro_rules! doubles {
        ($number:ty) => {
            Column::Double(read!($number).into_iter().map(|x| x as f64).collect())
        };
    }
    Ok(match dataset.dtype() {
        Datatype::FloatingPoint { size: 4, .. } => Column::Single(read!(f32)),
        Datatype::FloatingPoint { size: 8, .. } => Column::Double(read!(f64)),
        Datatype::FixedPoint { size: 1, signed: true, .. } => doubles!(i8),
        Datatype::FixedPoint { size: 2, signed: true, .. } => doubles!(i16),
        Datatype::FixedPoint { size: 4, signed: true, .. } => doubles!(i32),
        Datatype::FixedPoint { size: 8, signed: true, .. } => doubles!(i64),
        Datatype::FixedPoint { size: 1, signed: false, .. } => doubles!(u8),
        Datatype::FixedPoint { size: 2, signed: false, .. } => doubles!(u16),
        Datatype::FixedPoint { size: 4, signed: false, .. } => doubles!(u32),
        Datatype::FixedPoint { size: 8, signed: false, .. } => doubles!(u64),
        // What is true or false, in a byte.
        Datatype::Enum { base, .. } if matches!(**base, Datatype::FixedPoint { size: 1, .. }) => {
            let bytes = dataset.read_native_bytes().map_err(told)?;
            Column::Double(bytes.iter().map(|&byte| f64::from(u8::from(byte != 0))).collect())
        }
        Datatype::String { .. } | Datatype::VarLen { .. } => {
            Column::Text(dataset.read_strings().map_err(told)?)
        }
        Datatype::FloatingPoint { size, .. } => {
            return Err(format!("its numbers have {size} bytes; float32 and float64 are read"));
        }
        other => return Err(format!("it is of the type {other:?}, neither numbers nor text")),
    })
}

/// A matrix: dense, sparse by rows or by columns, or a data frame. `wide` refuses one of too many columns.
fn matrix(parent: &Group, name: &str, wide: Option<&dyn Fn(usize) -> String>) -> Told<Matrix> {
    let check = |cols: usize| match wide {
        Some(wide) if cols > MOST_COLUMNS => Err(wide(cols)),
        _ => Ok(()),
    };
    let Ok(group) = parent.group(name) else {
        let dataset = parent.dataset(name).map_err(told)?;
        let &[rows, cols] = dataset.shape() else {
            return Err(format!(
                "it has the shape {:?}; two dimensions are needed, one row a cell",
                dataset.shape()
            ));
        };
        check(cols as usize)?;
        let points = match numbers(&dataset)? {
            Column::Single(all) => Points::of_single(all),
            Column::Double(all) => Points::Double(all),
            Column::Text(_) => return Err("it holds text, not numbers".into()),
        };
        return Ok(Matrix { names: numbered(cols as usize), points, rows: rows as usize });
    };
    match group.attribute("encoding-type").and_then(|encoding| encoding.read_string()).as_deref() {
        Ok(encoding @ ("csr_matrix" | "csc_matrix")) => sparse(&group, encoding == "csr_matrix", check),
        Ok("dataframe") => {
            let names = columns_of(&group)?;
            let columns = names.iter().map(|name| column(&group, name)).collect::<Told<Vec<Column>>>()?;
            let rows = columns.first().map_or(0, Column::len);
            Ok(Matrix { points: Points::of_columns(columns, rows), names, rows })
        }
        Ok(other) => {
            Err(format!("it is encoded as `{other}`; arrays, csr_matrix, csc_matrix and dataframe are read"))
        }
        Err(_) => Err("it is a group without an encoding".into()),
    }
}

fn sparse(group: &Group, by_rows: bool, check: impl Fn(usize) -> Told<()>) -> Told<Matrix> {
    let damaged = || "the sparse matrix is damaged".to_string();
    let shape = group.attribute("shape").map_err(told)?;
    let shape = shape.read_1d::<i64>().map_err(told)?;
    let &[rows, cols] = &shape[..] else { return Err(damaged()) };
    let (rows, cols) =
        (usize::try_from(rows).map_err(|_| damaged())?, usize::try_from(cols).map_err(|_| damaged())?);
    check(cols)?;
    let [data, indices, ends] = ["data", "indices", "indptr"].map(|part| values(group, part));
    let (data, indices, ends) = (data?, indices?, ends?);
    let lines = if by_rows { rows } else { cols };
    if ends.len() != lines + 1 || indices.len() != data.len() {
        return Err(damaged());
    }
    let place = |column: &Column, at: usize| column.number(at).map(|number| number as usize);
    let mut entries = Vec::with_capacity(data.len());
    for line in 0..lines {
        for at in place(&ends, line)?..place(&ends, line + 1)? {
            if at >= data.len() {
                return Err(damaged());
            }
            let other = place(&indices, at)?;
            let (row, col) = if by_rows { (line, other) } else { (other, line) };
            if row >= rows || col >= cols {
                return Err(damaged());
            }
            entries.push((row * cols + col, at));
        }
    }
    let numbers = room((rows as u64).checked_mul(cols as u64).ok_or_else(damaged)?)?;
    let points = match &data {
        Column::Single(values) => {
            let mut all = vec![0.0f32; numbers];
            entries.iter().for_each(|&(place, at)| all[place] += values[at]);
            Points::of_single(all)
        }
        values => {
            let mut all = vec![0.0f64; numbers];
            for (place, at) in entries {
                all[place] += values.number(at).unwrap_or(f64::NAN);
            }
            Points::Double(all)
        }
    };
    Ok(Matrix { names: numbered(cols), points, rows })
}
