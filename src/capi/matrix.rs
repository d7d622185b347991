//! Matrices of the caller's, of any strides.

use std::ffi::c_void;

use super::pointers::{check_aligned, null};
use super::status::Failure;
use super::status::chreode_status::CHREODE_ERROR_INVALID_ARGUMENT;
use crate::snapshots::{MatrixView, extent};

/// Elements of a matrix are `float`.
pub const CHREODE_F32: i32 = 0;
/// Elements of a matrix are `double`.
pub const CHREODE_F64: i32 = 1;

/// A matrix that is read: one row a cell, one column a coordinate.
///
/// The element (i, j) lies `i * row_stride + j * col_stride` *elements* from `data`, which points to the element (0, 0).
/// Strides may be negative or zero. With n cells of d coordinates: C and numpy order has strides (d, 1); a column-major
/// n x d matrix (R, Julia) has strides (1, n); a column-major d x n matrix (Julia) has strides (d, 1).
///
/// `data` is not looked at if there are no rows or no columns: NULL will do, and so will the odd address of an empty array.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct chreode_matrix {
    /// The element (0, 0).
    pub data: *const c_void,
    /// Number of cells.
    pub rows: usize,
    /// Number of coordinates.
    pub cols: usize,
    /// Elements from a row to the next.
    pub row_stride: isize,
    /// Elements from a column to the next.
    pub col_stride: isize,
    /// CHREODE_F32 or CHREODE_F64.
    pub dtype: i32,
}

/// A matrix that is written, laid out as a `chreode_matrix`. No two elements may share memory, and no element may lie
/// within the memory that the same call reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct chreode_matrix_mut {
    /// The element (0, 0).
    pub data: *mut c_void,
    /// Number of cells.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from a row to the next.
    pub row_stride: isize,
    /// Elements from a column to the next.
    pub col_stride: isize,
    /// CHREODE_F32 or CHREODE_F64.
    pub dtype: i32,
}

fn wrong(message: String) -> Failure {
    Failure::new(CHREODE_ERROR_INVALID_ARGUMENT, message)
}

/// Where the elements of a matrix lie.
struct Extent {
    /// From the element (0, 0) down to that of the lowest address, in elements.
    origin: usize,
    /// From there to the end of the highest, in elements.
    span: usize,
    double: bool,
}

impl Extent {
    fn of(
        name: &str,
        data: *const c_void,
        shape: (usize, usize),
        strides: (isize, isize),
        dtype: i32,
    ) -> Result<Self, Failure> {
        let size = match dtype {
            CHREODE_F32 => size_of::<f32>(),
            CHREODE_F64 => size_of::<f64>(),
            _ => {
                let allowed = "CHREODE_F32 (0) or CHREODE_F64 (1)";
                return Err(wrong(format!("{name}: dtype must be {allowed}, got {dtype}")));
            }
        };
        let fits = |span: usize| span.checked_mul(size).is_some_and(|bytes| bytes <= isize::MAX as usize);
        let found = extent(shape, strides).filter(|&(_, span)| fits(span));
        let Some((origin, span)) = found else {
            return Err(wrong(format!(
                "{name}: {} rows x {} columns with strides {}, {} is more than memory holds",
                shape.0, shape.1, strides.0, strides.1
            )));
        };
        let double = dtype == CHREODE_F64;
        if span == 0 {
            return Ok(Self { origin, span, double });
        }
        if data.is_null() {
            return Err(null(&format!("{name}: data")));
        }
        if double {
            check_aligned(name, data.cast::<f64>())?;
        } else {
            check_aligned(name, data.cast::<f32>())?;
        }
        Ok(Self { origin, span, double })
    }

    /// The addresses of all elements.
    fn addresses(&self, data: *const c_void) -> std::ops::Range<usize> {
        let size = if self.double { size_of::<f64>() } else { size_of::<f32>() };
        // The address is not used to reach memory, and a real matrix does not wrap.
        let lowest = (data as usize).wrapping_sub(self.origin * size);
        lowest..lowest.wrapping_add(self.span * size)
    }
}

/// A matrix that the caller reads from, checked, with the addresses of its elements.
pub(super) struct Input<'a> {
    pub(super) view: MatrixView<'a>,
    addresses: std::ops::Range<usize>,
}

impl chreode_matrix {
    /// The matrix, checked.
    ///
    /// # Safety
    /// All memory from the element of the lowest address to that of the highest may be read and outlives `'a` unchanged.
    pub(super) unsafe fn read<'a>(&self, name: &str) -> Result<Input<'a>, Failure> {
        let (shape, strides) = ((self.rows, self.cols), (self.row_stride, self.col_stride));
        let extent = Extent::of(name, self.data, shape, strides, self.dtype)?;
        let told = |error: crate::Error| wrong(format!("{name}: {error}"));
        let view = if extent.span == 0 {
            MatrixView::from_f32_strided(&[], shape, strides)
        } else if extent.double {
            // SAFETY: not NULL, aligned, of a possible size, and readable by the caller's promise.
            let elements = unsafe {
                std::slice::from_raw_parts(self.data.cast::<f64>().sub(extent.origin), extent.span)
            };
            MatrixView::from_f64_strided(elements, shape, strides)
        } else {
            // SAFETY: as above.
            let elements = unsafe {
                std::slice::from_raw_parts(self.data.cast::<f32>().sub(extent.origin), extent.span)
            };
            MatrixView::from_f32_strided(elements, shape, strides)
        };
        Ok(Input { view: view.map_err(told)?, addresses: extent.addresses(self.data) })
    }
}

/// A matrix that the caller wants filled, checked: its elements exist, are apart, and are nobody else's.
pub(super) struct Output {
    data: *mut c_void,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
    double: bool,
    addresses: std::ops::Range<usize>,
}

// SAFETY: only `write_rows` and `rows_in_place` reach the memory, and their callers keep to disjoint rows.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl chreode_matrix_mut {
    /// The matrix, checked to be of this shape.
    pub(super) fn check(&self, name: &str, rows: usize, cols: usize) -> Result<Output, Failure> {
        if (self.rows, self.cols) != (rows, cols) {
            return Err(wrong(format!(
                "{name} must have {rows} rows and {cols} columns, got {} and {}",
                self.rows, self.cols
            )));
        }
        let strides = (self.row_stride, self.col_stride);
        let extent = Extent::of(name, self.data, (rows, cols), strides, self.dtype)?;
        if !apart((rows, cols), strides) {
            return Err(wrong(format!(
                "{name}: elements must not overlap, as {rows} rows x {cols} columns do with strides {}, {}",
                strides.0, strides.1
            )));
        }
        Ok(Output {
            data: self.data,
            rows,
            cols,
            row_stride: self.row_stride,
            col_stride: self.col_stride,
            double: extent.double,
            addresses: extent.addresses(self.data),
        })
    }
}

/// Whether all elements of a matrix lie at different places: along one direction they are apart, and along the other one
/// whole line is stepped over.
fn apart(shape: (usize, usize), strides: (isize, isize)) -> bool {
    if shape.0 == 0 || shape.1 == 0 {
        return true;
    }
    let mut lines = [(shape.0, strides.0.unsigned_abs()), (shape.1, strides.1.unsigned_abs())];
    lines.sort_by_key(|&(_, stride)| stride);
    let mut longest = 0;
    lines.into_iter().filter(|&(count, _)| count > 1).all(|(count, stride)| {
        let over = stride > longest;
        longest += (count - 1) * stride;
        over
    })
}

impl Output {
    /// Refuses to be written while `input`, which shares memory with it, is read.
    pub(super) fn apart_from(&self, name: &str, input: &Input<'_>) -> Result<(), Failure> {
        let (a, b) = (&self.addresses, &input.addresses);
        if a.start < b.end && b.start < a.end {
            return Err(wrong(format!("{name} must not share memory with the matrix that is read")));
        }
        Ok(())
    }

    /// The memory of `count` rows from `first` on, if it can hold single-precision rows one after another as they are.
    ///
    /// # Safety
    /// The rows exist; until the slice is gone nobody else uses them.
    // Exclusive by that contract, not by the borrow of `self`: several threads hold one `Output`.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn rows_in_place(&self, first: usize, count: usize) -> Option<&mut [f32]> {
        let dense = (self.cols <= 1 || self.col_stride == 1)
            && (self.rows <= 1 || self.row_stride == self.cols as isize);
        if self.double || !dense || self.rows == 0 || self.cols == 0 {
            return None;
        }
        // SAFETY: checked not NULL, aligned and writable over rows × cols, of which these are a part that is the caller's alone.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.data.cast::<f32>().add(first * self.cols), count * self.cols)
        })
    }

    /// Writes whole rows from `first` on, of numbers of either precision.
    ///
    /// # Safety
    /// The rows exist, and meanwhile nobody else uses them.
    pub(super) unsafe fn write_rows<T: Copy + Into<f64>>(&self, first: usize, values: &[T]) {
        for (i, row) in values.chunks_exact(self.cols.max(1)).enumerate() {
            for (j, &value) in row.iter().enumerate() {
                let at = (first + i) as isize * self.row_stride + j as isize * self.col_stride;
                // SAFETY: an element of the checked matrix, which is the caller's alone.
                unsafe {
                    if self.double {
                        self.data.cast::<f64>().offset(at).write(value.into());
                    } else {
                        self.data.cast::<f32>().offset(at).write(value.into() as f32);
                    }
                }
            }
        }
    }

    /// Fills the matrix.
    pub(super) fn fill<T: Copy + Into<f64>>(self, values: &[T]) {
        debug_assert_eq!(values.len(), self.rows * self.cols);
        // SAFETY: all rows, and the matrix is ours alone by value.
        unsafe { self.write_rows(0, values) };
    }
}
