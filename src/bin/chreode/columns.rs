//! Columns of files that keep each column on its own, and matrices beside them: what becomes of them is a [`Table`] as of text.
//!
//! [`Table`]: crate::table::Table

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use chreode::snapshots::{MatrixView, SharedPoints};

use crate::labels::number;

/// A file, or a part of one, whose columns are read one by one; complaints do not name the file.
pub trait Columns: Debug {
    /// What the columns are called.
    fn names(&self) -> Vec<String>;
    /// One of them.
    fn read(&self, index: usize) -> Result<Column, String>;
    /// What the rows are called, if it is no column that says so.
    fn row_names(&self) -> Option<Vec<String>> {
        None
    }
}

/// A column. What is missing is NaN, or an empty text.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Text(Vec<String>),
}

impl Column {
    pub fn len(&self) -> usize {
        match self {
            Column::Single(numbers) => numbers.len(),
            Column::Double(numbers) => numbers.len(),
            Column::Text(texts) => texts.len(),
        }
    }

    /// What a table of text would hold in this row.
    pub fn text(&self, row: usize) -> Cow<'_, str> {
        match self {
            Column::Single(numbers) => numbers[row].to_string().into(),
            Column::Double(numbers) => numbers[row].to_string().into(),
            Column::Text(texts) => texts[row].as_str().into(),
        }
    }

    /// A number; NaN where there is none.
    fn at(&self, row: usize) -> f64 {
        match self {
            Column::Single(numbers) => numbers[row].into(),
            Column::Double(numbers) => numbers[row],
            Column::Text(texts) => number(texts[row].as_bytes()).unwrap_or(f64::NAN),
        }
    }

    /// A finite number, or why it is none.
    pub fn number(&self, row: usize) -> Result<f64, String> {
        if let Column::Text(texts) = self {
            return number(texts[row].as_bytes());
        }
        let x = self.at(row);
        if x.is_finite() { Ok(x) } else { Err(format!("{x} is not a finite number")) }
    }
}

/// Coordinates, row-major, one row a cell.
#[derive(Clone)]
pub enum Points {
    /// As they were read.
    Double(Vec<f64>),
    /// As cells are kept, perhaps in a mapped file.
    Single(SharedPoints),
}

impl Points {
    pub fn of_single(numbers: Vec<f32>) -> Self {
        Points::Single(Arc::new(numbers))
    }

    /// The coordinates of all columns, each of `rows` numbers: single precision where all columns are.
    pub fn of_columns(columns: Vec<Column>, rows: usize) -> Self {
        let single = |column: &Column| matches!(column, Column::Single(_));
        let numbers = (0..rows).flat_map(|row| columns.iter().map(move |column| column.at(row)));
        if columns.iter().all(single) {
            // Back to what they were.
            Points::of_single(numbers.map(|x| x as f32).collect())
        } else {
            Points::Double(numbers.collect())
        }
    }

    pub fn view(&self, rows: usize, cols: usize) -> chreode::Result<MatrixView<'_>> {
        match self {
            Points::Double(numbers) => MatrixView::from_f64(numbers, rows, cols),
            Points::Single(numbers) => MatrixView::from_f32((**numbers).as_ref(), rows, cols),
        }
    }

    /// The coordinates `columns` of `dims`, in this order.
    pub fn select(&self, dims: usize, columns: &[usize]) -> Self {
        fn gather<T: Copy>(numbers: &[T], dims: usize, columns: &[usize]) -> Vec<T> {
            numbers.chunks_exact(dims).flat_map(|row| columns.iter().map(|&column| row[column])).collect()
        }
        match self {
            Points::Double(numbers) => Points::Double(gather(numbers, dims, columns)),
            Points::Single(numbers) => Points::of_single(gather((**numbers).as_ref(), dims, columns)),
        }
    }
}

impl Debug for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Points::Double(_) => "double precision",
            Points::Single(_) => "single precision",
        })
    }
}

/// A matrix of coordinates that has no times in it.
#[derive(Debug)]
pub struct Matrix {
    pub names: Vec<String>,
    pub points: Points,
    pub rows: usize,
}

/// What coordinates without names are called.
pub fn numbered(dims: usize) -> Vec<String> {
    (1..=dims).map(|i| format!("x{i}")).collect()
}
