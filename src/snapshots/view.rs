//! Matrices where they lie, with any strides.

use crate::error::{Error, Result};

/// A borrowed matrix with any strides: R's column-major double, Julia's d × n, numpy's C order, or either reversed.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    elements: Elements<'a>,
    rows: usize,
    cols: usize,
    /// Where in the elements the element (0, 0) is.
    origin: usize,
    row_stride: isize,
    col_stride: isize,
}

#[derive(Debug, Clone, Copy)]
enum Elements<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> MatrixView<'a> {
    /// `rows` × `cols` single-precision numbers, one row a cell, rows one after another.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the slice is not `rows * cols` long.
    pub fn from_f32(elements: &'a [f32], rows: usize, cols: usize) -> Result<Self> {
        Self::dense(Elements::F32(elements), elements.len(), rows, cols)
    }

    /// `rows` × `cols` double-precision numbers, one row a cell, rows one after another.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the slice is not `rows * cols` long.
    pub fn from_f64(elements: &'a [f64], rows: usize, cols: usize) -> Result<Self> {
        Self::dense(Elements::F64(elements), elements.len(), rows, cols)
    }

    /// Single-precision elements at `row * row_stride + col * col_stride` from the element (0, 0). The slice begins at the
    /// element of the lowest address: where a stride is negative, that is the last row or column.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if an element lies outside the slice.
    pub fn from_f32_strided(
        elements: &'a [f32],
        shape: (usize, usize),
        strides: (isize, isize),
    ) -> Result<Self> {
        Self::strided(Elements::F32(elements), elements.len(), shape, strides)
    }

    /// Double-precision elements, as [`from_f32_strided`](Self::from_f32_strided).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if an element lies outside the slice.
    pub fn from_f64_strided(
        elements: &'a [f64],
        shape: (usize, usize),
        strides: (isize, isize),
    ) -> Result<Self> {
        Self::strided(Elements::F64(elements), elements.len(), shape, strides)
    }

    fn dense(elements: Elements<'a>, len: usize, rows: usize, cols: usize) -> Result<Self> {
        let wanted = rows.checked_mul(cols);
        if wanted == Some(len) {
            return Self::strided(elements, len, (rows, cols), (cols as isize, 1));
        }
        let allowed = wanted.map_or("as many as".to_string(), |wanted| format!("{wanted} elements for"));
        let allowed = format!("{allowed} {rows} rows × {cols} columns");
        Err(Error::argument("points", format!("{len} elements"), &allowed))
    }

    fn strided(
        elements: Elements<'a>,
        len: usize,
        (rows, cols): (usize, usize),
        (row_stride, col_stride): (isize, isize),
    ) -> Result<Self> {
        match extent((rows, cols), (row_stride, col_stride)) {
            Some((origin, span)) if span <= len => {
                Ok(Self { elements, rows, cols, origin, row_stride, col_stride })
            }
            _ => Err(Error::argument(
                "points",
                format!("{len} elements"),
                &format!(
                    "large enough for {rows} rows × {cols} columns with strides {row_stride}, {col_stride}"
                ),
            )),
        }
    }

    /// The number of rows (cells).
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns (coordinates).
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The element at (`row`, `col`).
    pub fn get(&self, row: usize, col: usize) -> f64 {
        // Construction made sure that no element of the shape leaves the slice, or wraps.
        let offset = (row as isize).wrapping_mul(self.row_stride);
        let offset = offset.wrapping_add((col as isize).wrapping_mul(self.col_stride));
        let at = self.origin.wrapping_add_signed(offset);
        match self.elements {
            Elements::F32(e) => f64::from(e[at]),
            Elements::F64(e) => e[at],
        }
    }

    /// The elements, if they are single precision and row-major without gaps: what needs no copy.
    pub(crate) fn as_dense_f32(&self) -> Option<&'a [f32]> {
        let dense = (self.cols <= 1 || self.col_stride == 1)
            && (self.rows <= 1 || self.row_stride == self.cols as isize);
        match self.elements {
            Elements::F32(e) if dense => e.get(self.origin..self.origin + self.rows * self.cols),
            _ => None,
        }
    }
}

/// Of a strided matrix: how far the element (0, 0) is from that of the lowest address, and from there to the end of the
/// highest, in elements. None if that is more than memory holds.
pub(crate) fn extent(shape: (usize, usize), strides: (isize, isize)) -> Option<(usize, usize)> {
    if shape.0 == 0 || shape.1 == 0 {
        return Some((0, 0));
    }
    let (mut before, mut after) = (0usize, 0usize);
    for (count, stride) in [(shape.0, strides.0), (shape.1, strides.1)] {
        let reach = (count - 1).checked_mul(stride.unsigned_abs())?;
        let side = if stride < 0 { &mut before } else { &mut after };
        *side = side.checked_add(reach)?;
    }
    let span = before.checked_add(after)?.checked_add(1)?;
    isize::try_from(span).ok().map(|_| (before, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_any_strides_see_the_same_matrix() {
        // 1 2 3
        // 4 5 6
        let (rows, columns) = ([1f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1f64, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let upwards = [4f32, 5.0, 6.0, 1.0, 2.0, 3.0];
        let backwards = [6f64, 5.0, 4.0, 3.0, 2.0, 1.0];
        let views = [
            MatrixView::from_f32(&rows, 2, 3),
            MatrixView::from_f64_strided(&columns, (2, 3), (1, 2)),
            MatrixView::from_f32_strided(&upwards, (2, 3), (-3, 1)),
            MatrixView::from_f64_strided(&backwards, (2, 3), (-3, -1)),
        ];
        for view in views.map(Result::unwrap) {
            let all: Vec<f64> = (0..2).flat_map(|i| (0..3).map(move |j| view.get(i, j))).collect();
            assert_eq!(all, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        }
    }

    #[test]
    fn shapes_that_leave_their_slice_are_refused() {
        let six = [0f32; 6];
        for (shape, strides) in [
            ((2, 3), (4, 1)),
            ((2, 3), (-4, 1)),
            ((7, 1), (1, 1)),
            ((usize::MAX, usize::MAX), (1, 1)),
            ((2, 2), (isize::MIN, isize::MAX)),
            ((usize::MAX, 2), (isize::MAX, 1)),
        ] {
            assert!(MatrixView::from_f32_strided(&six, shape, strides).is_err(), "{shape:?} {strides:?}");
        }
        assert!(MatrixView::from_f32(&six, usize::MAX, 2).is_err());
        assert!(MatrixView::from_f32_strided(&six, (0, usize::MAX), (isize::MAX, 1)).is_ok());
    }
}
