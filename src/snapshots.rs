//! Time-stamped weighted point clouds: what every method takes, and the only place where data is validated.

mod known;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::exec::rng::{Purpose, stream, uniform};
use known::{Known, check_rates};

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

/// Points that somebody holds, a caller's array or a mapped file: single precision, row-major, one row a cell.
pub type SharedPoints = Arc<dyn AsRef<[f32]> + Send + Sync>;

/// Point clouds X_0 … X_K in ℝ^d at strictly increasing times, one weight a cell.
///
/// The measure at time t_k is Σ_i w_{k,i} δ_{x_{k,i}}; its total is the *mass* of the snapshot. Without weights
/// every cell weighs 1 and the mass is the cell count.
///
/// [`new`](Self::new) copies the cells. [`shared`](Self::shared) leaves them where they are, as do clones and parts of any
/// snapshots: they hold the times, the weights, and where the rows are.
#[derive(Clone)]
pub struct Snapshots {
    dims: usize,
    times: Vec<f64>,
    /// How many cells there are before each snapshot; one more entry than there are snapshots.
    offsets: Vec<usize>,
    points: SharedPoints,
    rows: Rows,
    weights: Vec<f64>,
    known: Known,
}

/// Which rows of the points the cells are.
#[derive(Debug, Clone)]
enum Rows {
    /// Those of each snapshot stand together, from this one on.
    Together(Vec<usize>),
    /// Cell by cell, through all snapshots.
    Listed(Vec<u32>),
}

impl Snapshots {
    /// Sorts cells by their time label into snapshots. `labels` holds one time a row of `points`; cells of equal
    /// label keep their order. `weights`, where given, holds one non-negative number a cell.
    ///
    /// Points are copied, kept in single precision, as they are, not centred.
    ///
    /// # Errors
    /// [`Error::InvalidData`] naming the row (and column) of a coordinate, label or weight that cannot be used; a time
    /// point without mass; two times that differ by less than 1e-9 of the span of all, as 0.3 and 0.1 + 0.2 do; a
    /// coordinate so far from the origin, for the spread of the cells, that single precision would blur them.
    /// [`Error::InvalidArgument`] for lengths that disagree.
    pub fn new(points: MatrixView<'_>, labels: &[f64], weights: Option<&[f64]>) -> Result<Self> {
        let order = checked_order(&points, labels, weights)?;
        let mut copied = Vec::with_capacity(order.len() * points.cols());
        for &row in &order {
            for col in 0..points.cols() {
                copied.push(coordinate(points.get(row, col), row, col)?);
            }
        }
        let (times, offsets) = sorted_times(labels, &order);
        let rows = Rows::Together(offsets[..times.len()].to_vec());
        let (points, dims) = (Arc::new(copied), points.cols());
        let weights = ordered_weights(weights, &order)?;
        Self { dims, times, offsets, points, rows, weights, known: Known::default() }.checked()
    }

    /// As [`new`](Self::new), without a copy of the points: rows of `dims` coordinates that `points` holds and never changes, in any
    /// order. Beside them, cells take 8 bytes each for the weight, and 4 for the row where those of a time do not stand together.
    ///
    /// The points are read once here, to be checked, and kept as long as these snapshots, clones and parts of them; what is learned from
    /// them keeps nothing of them. All results are those of a copy, to the bit.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::InvalidArgument`] for more than 2³² − 1 rows.
    pub fn shared(
        points: SharedPoints,
        dims: usize,
        labels: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        let elements = (*points).as_ref();
        let view = MatrixView::from_f32(elements, labels.len(), dims)?;
        if u32::try_from(labels.len()).is_err() {
            return Err(Error::argument("the number of rows", labels.len(), "below 2^32"));
        }
        let order = checked_order(&view, labels, weights)?;
        for (row, x) in elements.chunks_exact(dims).enumerate() {
            if let Some(col) = x.iter().position(|x| !x.is_finite()) {
                coordinate(x[col].into(), row, col)?;
            }
        }
        let (times, offsets) = sorted_times(labels, &order);
        let of_snapshot = |k: usize| &order[offsets[k]..offsets[k + 1]];
        let together = (0..times.len()).all(|k| of_snapshot(k).windows(2).all(|pair| pair[1] == pair[0] + 1));
        let rows = if together {
            Rows::Together((0..times.len()).map(|k| of_snapshot(k)[0]).collect())
        } else {
            Rows::Listed(order.iter().map(|&row| row as u32).collect())
        };
        let weights = ordered_weights(weights, &order)?;
        Self { dims, times, offsets, points, rows, weights, known: Known::default() }.checked()
    }

    /// Gives every cell a weight, in the order in which [`all_cells`](Self::all_cells) gives the cells.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one a cell; [`Error::InvalidData`] for one that is negative or not finite, and for a
    /// snapshot without mass.
    pub fn with_weights(mut self, weights: &[f64]) -> Result<Self> {
        check_len("weights", weights.len(), self.cells())?;
        if let Some(cell) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
            let message = format!(
                "the weight of cell {} is {}; it must be finite and not negative",
                cell + 1,
                weights[cell]
            );
            return Err(Error::InvalidData(message));
        }
        self.weights.copy_from_slice(weights);
        self.checked()
    }

    /// Rescales the weights so that snapshot k has mass `masses[k]`: real experiments subsample, so the number of
    /// cells is not always the size of the population.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one positive finite mass a snapshot.
    pub fn with_masses(mut self, masses: &[f64]) -> Result<Self> {
        check_len("masses", masses.len(), self.len())?;
        for (k, &mass) in masses.iter().enumerate() {
            let factor = crate::error::positive("mass", mass)? / self.mass(k);
            self.weights[self.offsets[k]..self.offsets[k + 1]].iter_mut().for_each(|w| *w *= factor);
        }
        self.checked()
    }

    /// Gives every cell a growth rate that is expected of it, per unit of time, in the order in which
    /// [`all_cells`](Self::all_cells) gives the cells: of births less deaths that are known from elsewhere, as from scores of gene
    /// sets. Couplings that relax the source's marginal take it into account: see
    /// [`expected_weights`](Self::expected_weights).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one a cell; [`Error::InvalidData`] for one that is not finite.
    pub fn with_growth_prior(mut self, rates: &[f64]) -> Result<Self> {
        check_len("growth prior", rates.len(), self.cells())?;
        check_rates(rates)?;
        self.known.growth_prior = Some(rates.to_vec());
        Ok(self)
    }

    /// Gives every cell the clone that it belongs to, where one is known, as from lineage barcodes, in the order in which
    /// [`all_cells`](Self::all_cells) gives the cells. Cells of one clone have one number at all times. Couplings do not join
    /// cells of known, different clones, or at a price:
    /// [`FitOptions::clone_penalty`](crate::method::FitOptions::clone_penalty).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one entry a cell, each number below 2³² − 1.
    pub fn with_clones(mut self, clones: &[Option<u32>]) -> Result<Self> {
        check_len("clones", clones.len(), self.cells())?;
        if clones.contains(&Some(u32::MAX)) {
            return Err(Error::argument("a clone's number", u32::MAX, "below 2^32 - 1"));
        }
        self.known.clones = Some(clones.to_vec());
        Ok(self)
    }

    /// The snapshots without those at `times`: what a held-out fit learns from.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a time that is not there.
    pub fn without(&self, times: &[f64]) -> Result<Self> {
        let left_out = times.iter().map(|&time| self.index_of(time)).collect::<Result<Vec<usize>>>()?;
        let kept: Vec<usize> = (0..self.len()).filter(|k| !left_out.contains(k)).collect();
        let rows = match &self.rows {
            Rows::Together(starts) => Rows::Together(kept.iter().map(|&k| starts[k]).collect()),
            Rows::Listed(rows) => {
                let of_snapshot = |&k: &usize| &rows[self.offsets[k]..self.offsets[k + 1]];
                Rows::Listed(kept.iter().flat_map(of_snapshot).copied().collect())
            }
        };
        Self {
            dims: self.dims,
            times: kept.iter().map(|&k| self.times[k]).collect(),
            offsets: offsets_of(kept.iter().map(|&k| self.count(k))),
            points: self.points.clone(),
            rows,
            weights: kept.iter().flat_map(|&k| self.weights(k)).copied().collect(),
            known: self.known.of(kept.iter().flat_map(|&k| self.offsets[k]..self.offsets[k + 1])),
        }
        .checked()
    }

    /// Of each snapshot the cells `rows[k]`, in that order and with their weights: see
    /// [`with_masses`](Self::with_masses) for a sample that stands for the whole.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there is one list of rows a snapshot, each below its count;
    /// [`Error::InvalidData`] if nothing of a snapshot's mass is left.
    pub fn subset(&self, rows: &[Vec<usize>]) -> Result<Self> {
        check_len("rows", rows.len(), self.len())?;
        for (k, rows) in rows.iter().enumerate() {
            if let Some(&row) = rows.iter().find(|&&row| row >= self.count(k)) {
                let (time, count) = (self.times[k], self.count(k));
                return Err(Error::argument("row", row, &format!("below {count}, the cells at time {time}")));
            }
        }
        let cells = || rows.iter().enumerate().flat_map(|(k, rows)| rows.iter().map(move |&cell| (k, cell)));
        Self {
            dims: self.dims,
            times: self.times.clone(),
            offsets: offsets_of(rows.iter().map(Vec::len)),
            points: self.points.clone(),
            rows: Rows::Listed(cells().map(|(k, cell)| self.row(k, cell) as u32).collect()),
            weights: cells().map(|(k, cell)| self.weights(k)[cell]).collect(),
            known: self.known.of(cells().map(|(k, cell)| self.offsets[k] + cell)),
        }
        .checked()
    }

    /// Draws `count` different cells of snapshot `k`, as increasing numbers of its rows: one after another, each from those that
    /// are left with a chance in proportion to its weight. A function of the weights and `seed` alone.
    ///
    /// Efraimidis and Spirakis, Information Processing Letters 97 (2006): every cell waits for an exponential time whose rate is
    /// its weight, and the first ones are drawn.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] unless there are so many cells with a weight.
    pub fn sample(&self, k: usize, count: usize, seed: u64) -> Result<Vec<usize>> {
        let weights = self.weights(k);
        let possible = weights.iter().filter(|&&weight| weight > 0.0).count();
        if !(1..=possible).contains(&count) {
            let allowed = format!("1 to {possible}, the cells with a weight at time {}", self.times[k]);
            return Err(Error::argument("the number of cells to draw", count, &allowed));
        }
        let mut rng = stream(seed, Purpose::Resampling, 1, 0);
        let waiting: Vec<f64> = weights.iter().map(|weight| -libm::log(uniform(&mut rng)) / weight).collect();
        let mut rows: Vec<usize> = (0..weights.len()).collect();
        rows.select_nth_unstable_by(count - 1, |&a, &b| waiting[a].total_cmp(&waiting[b]).then(a.cmp(&b)));
        rows.truncate(count);
        rows.sort_unstable();
        Ok(rows)
    }

    fn checked(self) -> Result<Self> {
        if self.times.is_empty() {
            return Err(Error::InvalidData("there are no cells".into()));
        }
        for (k, time) in self.times.iter().enumerate() {
            let mass = self.mass(k);
            if !(mass > 0.0 && mass.is_finite()) {
                return Err(Error::InvalidData(format!(
                    "time {time}: the total weight of its {} cells is {mass}; it must be positive and finite",
                    self.count(k)
                )));
            }
        }
        Ok(self)
    }

    /// The snapshot whose time is `time`, up to the rounding that tells 0.1 + 0.2 from 0.3: two times of a data set are
    /// never so close.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] listing the times that there are.
    pub fn index_of(&self, time: f64) -> Result<usize> {
        let near = RESOLVED_TIME * half_span(&self.times);
        self.times.iter().position(|&t| t == time || (t / 2.0 - time / 2.0).abs() < near / 2.0).ok_or_else(
            || Error::argument("time", time, &format!("one of the data's time points {:?}", self.times)),
        )
    }

    /// The dimension d of the space.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The number of snapshots, K + 1.
    #[allow(clippy::len_without_is_empty)] // never empty: construction refuses it
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// The times t_0 < … < t_K.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The time from snapshot `k` to the next.
    pub(crate) fn duration(&self, k: usize) -> f64 {
        self.times[k + 1] - self.times[k]
    }

    /// The number of cells of snapshot `k`.
    pub fn count(&self, k: usize) -> usize {
        self.offsets[k + 1] - self.offsets[k]
    }

    /// The number of cells of all snapshots.
    pub fn cells(&self) -> usize {
        self.weights.len()
    }

    /// The coordinates of a cell of snapshot `k`.
    pub fn point(&self, k: usize, cell: usize) -> &[f32] {
        let row = self.row(k, cell);
        &(*self.points).as_ref()[row * self.dims..(row + 1) * self.dims]
    }

    /// The coordinates of the cells of snapshot `k`, one slice a cell: nothing is copied.
    pub fn cells_of(&self, k: usize) -> impl ExactSizeIterator<Item = &[f32]> {
        let (elements, dims) = ((*self.points).as_ref(), self.dims);
        (0..self.count(k)).map(move |cell| {
            let row = self.row(k, cell);
            &elements[row * dims..(row + 1) * dims]
        })
    }

    /// The coordinates of all cells, of all snapshots in order of time.
    pub fn all_cells(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.len()).flat_map(|k| self.cells_of(k))
    }

    /// The coordinates of snapshot `k`, row-major, `count(k)` × `dims()`: gathered where its rows do not stand together.
    pub fn points(&self, k: usize) -> Cow<'_, [f32]> {
        self.points_of(k, 0..self.count(k))
    }

    /// The coordinates of some consecutive cells of snapshot `k`, row-major: gathered where their rows do not stand together.
    pub fn points_of(&self, k: usize, cells: Range<usize>) -> Cow<'_, [f32]> {
        match &self.rows {
            Rows::Together(starts) => {
                let elements = (starts[k] + cells.start) * self.dims..(starts[k] + cells.end) * self.dims;
                Cow::Borrowed(&(*self.points).as_ref()[elements])
            }
            Rows::Listed(_) => Cow::Owned(cells.flat_map(|cell| self.point(k, cell)).copied().collect()),
        }
    }

    /// The row of the points that a cell is.
    fn row(&self, k: usize, cell: usize) -> usize {
        match &self.rows {
            Rows::Together(starts) => starts[k] + cell,
            Rows::Listed(rows) => rows[self.offsets[k] + cell] as usize,
        }
    }

    /// The weights of the cells of snapshot `k`.
    pub fn weights(&self, k: usize) -> &[f64] {
        &self.weights[self.offsets[k]..self.offsets[k + 1]]
    }

    /// The growth rates that are expected of the cells of snapshot `k`, per unit of time, if any are.
    pub fn growth_prior(&self, k: usize) -> Option<&[f64]> {
        self.known.growth_prior.as_ref().map(|rates| &rates[self.offsets[k]..self.offsets[k + 1]])
    }

    /// The clones of the cells of snapshot `k`, each where it is known, if any are.
    pub fn clones(&self, k: usize) -> Option<&[Option<u32>]> {
        self.known.clones.as_ref().map(|clones| &clones[self.offsets[k]..self.offsets[k + 1]])
    }

    /// What the cells of snapshot `k` are expected to weigh after a `duration`: a e^{ĝ h}, with a the weight, ĝ the growth prior and h
    /// the duration; the weights themselves without a prior.
    pub fn expected_weights(&self, k: usize, duration: f64) -> Cow<'_, [f64]> {
        let weights = self.weights(k);
        let Some(rates) = self.growth_prior(k) else { return Cow::Borrowed(weights) };
        Cow::Owned(
            weights.iter().zip(rates).map(|(weight, rate)| weight * libm::exp(rate * duration)).collect(),
        )
    }

    /// The total weight of snapshot `k`.
    pub fn mass(&self, k: usize) -> f64 {
        self.weights(k).iter().sum()
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<usize> = (0..self.len()).map(|k| self.count(k)).collect();
        let mut told = f.debug_struct("Snapshots");
        told.field("dims", &self.dims).field("times", &self.times).field("counts", &counts);
        told.finish_non_exhaustive()
    }
}

impl PartialEq for Snapshots {
    /// Whether the cells are the same, and what is known of them, wherever they are kept.
    fn eq(&self, other: &Self) -> bool {
        (self.dims, &self.times, &self.offsets, &self.weights, &self.known)
            == (other.dims, &other.times, &other.offsets, &other.weights, &other.known)
            && self.all_cells().eq(other.all_cells())
    }
}

/// The rows of time-labelled cells in the order in which [`Snapshots`] hold them: by label, those of equal label as they came.
/// For what else is known of each cell.
pub fn time_order(labels: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| labels[a].total_cmp(&labels[b]));
    order
}

/// [`time_order`], once labels, weights and points have been found to be of one length, and the points resolved.
fn checked_order(points: &MatrixView<'_>, labels: &[f64], weights: Option<&[f64]>) -> Result<Vec<usize>> {
    if points.cols() == 0 {
        return Err(Error::InvalidData(
            "the cells have no coordinates: at least one column is needed".into(),
        ));
    }
    check_len("labels", labels.len(), points.rows())?;
    if let Some(weights) = weights {
        check_len("weights", weights.len(), points.rows())?;
    }
    if let Some(row) = labels.iter().position(|t| !t.is_finite()) {
        let message = format!("row {}: the time is {}, which is not a finite number", row + 1, labels[row]);
        return Err(Error::InvalidData(message));
    }
    check_resolution(points)?;
    let order = time_order(labels);
    check_times(&sorted_times(labels, &order).0)?;
    Ok(order)
}

/// The different times of ordered labels, and how many cells there are before each, and in all.
fn sorted_times(labels: &[f64], order: &[usize]) -> (Vec<f64>, Vec<usize>) {
    let (mut times, mut offsets) = (vec![], vec![]);
    for (position, &row) in order.iter().enumerate() {
        // −0 and 0 are one time.
        if position == 0 || labels[row] != labels[order[position - 1]] {
            times.push(labels[row] + 0.0);
            offsets.push(position);
        }
    }
    offsets.push(order.len());
    (times, offsets)
}

/// The weights in the order of the cells; 1 each where none are given.
fn ordered_weights(weights: Option<&[f64]>, order: &[usize]) -> Result<Vec<f64>> {
    let Some(weights) = weights else { return Ok(vec![1.0; order.len()]) };
    let of_row = |&row: &usize| {
        let weight = weights[row];
        if weight >= 0.0 && weight.is_finite() {
            return Ok(weight);
        }
        let message = format!("row {}: the weight is {weight}; weights are finite and not negative", row + 1);
        Err(Error::InvalidData(message))
    };
    order.iter().map(of_row).collect()
}

/// How many there are before each, and in all.
fn offsets_of(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut offsets = vec![0];
    offsets.extend(counts.scan(0, |all, count| {
        *all += count;
        Some(*all)
    }));
    offsets
}

fn check_len(name: &str, got: usize, want: usize) -> Result<()> {
    if got == want {
        Ok(())
    } else {
        Err(Error::argument(name, format!("{got} values"), &format!("{want} values")))
    }
}

/// Times are told apart by at least this part of the span of all.
const RESOLVED_TIME: f64 = 1e-9;

/// Half the span, which is finite where the span is not.
fn half_span(times: &[f64]) -> f64 {
    times.last().zip(times.first()).map_or(0.0, |(last, first)| last / 2.0 - first / 2.0)
}

/// Refuses increasing times of which two are one but for rounding: between them cells would have to move at once.
fn check_times(times: &[f64]) -> Result<()> {
    let least = RESOLVED_TIME * half_span(times);
    match times.windows(2).find(|pair| pair[1] / 2.0 - pair[0] / 2.0 < least) {
        None => Ok(()),
        Some(pair) => Err(Error::InvalidData(format!(
            "times {} and {} differ by {:.1e}, less than {RESOLVED_TIME:e} of the span of all times: cells of one snapshot \
             must have one label; round the labels",
            pair[0],
            pair[1],
            pair[1] - pair[0]
        ))),
    }
}

/// The spread of the cells is resolved into at least so many steps of single precision.
const RESOLVED_STEPS: f64 = 1e4;

/// Refuses cells that single precision would blur: where a coordinate is large, its steps are wide, and they must be small
/// beside the widest spread of any coordinate, which is what distances between cells are made of. A coordinate that is the same
/// for all cells has nothing to blur.
fn check_resolution(points: &MatrixView<'_>) -> Result<()> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); points.cols()];
    for row in 0..points.rows() {
        for (col, (low, high)) in ranges.iter_mut().enumerate() {
            let x = points.get(row, col);
            (*low, *high) = (low.min(x), high.max(x));
        }
    }
    let widest = ranges.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
    for (col, (low, high)) in ranges.into_iter().enumerate() {
        let size = low.abs().max(high.abs());
        // What is not finite is refused by its row. The step from a number of single precision to the next is at most this.
        let step = size * f64::from(f32::EPSILON);
        if low < high && size.is_finite() && widest < RESOLVED_STEPS * step {
            return Err(Error::InvalidData(format!(
                "coordinate {}: its values are as large as {size:.3e} and spread over {:.1e} (the widest coordinate over \
                 {widest:.1e}), but points are kept in single precision, whose steps are {step:.1e} there; subtract the \
                 mean of the coordinate first",
                col + 1,
                high - low
            )));
        }
    }
    Ok(())
}

fn coordinate(value: f64, row: usize, col: usize) -> Result<f32> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    let what =
        if value.is_finite() { "is beyond single precision (3.4e38)" } else { "is not a finite number" };
    Err(Error::InvalidData(format!("row {}, coordinate {}: {value} {what}", row + 1, col + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_of_different_cells_in_proportion_to_their_weights() {
        let of = |weights: &[f64]| {
            let points: Vec<f64> = (0..weights.len()).map(|i| i as f64).collect();
            let view = MatrixView::from_f64(&points, weights.len(), 1).unwrap();
            Snapshots::new(view, &vec![0.0; weights.len()], Some(weights)).unwrap()
        };
        let uneven = of(&[3.0, 1.0, 0.0]);
        let firsts = (0..4000).filter(|&seed| uneven.sample(0, 1, seed) == Ok(vec![0])).count();
        // Four standard deviations about 3000.
        assert!((firsts as f64 - 3000.0).abs() < 4.0 * (4000.0f64 * 0.75 * 0.25).sqrt(), "{firsts}");
        assert_eq!(uneven.sample(0, 2, 5), Ok(vec![0, 1]), "a cell without weight is never drawn");
        assert!(uneven.sample(0, 3, 5).is_err() && uneven.sample(0, 0, 5).is_err());
        let even = of(&[1.0; 100]);
        let drawn = even.sample(0, 20, 7).unwrap();
        assert!(drawn.len() == 20 && drawn.is_sorted_by(|a, b| a < b) && drawn[19] < 100);
        assert_ne!(Ok(drawn), even.sample(0, 20, 8));
    }

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

    fn line(points: &[f64], labels: &[f64]) -> Result<Snapshots> {
        Snapshots::new(MatrixView::from_f64(points, labels.len(), points.len() / labels.len())?, labels, None)
    }

    fn refusal(made: Result<Snapshots>) -> String {
        match made {
            Err(Error::InvalidData(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_that_differ_by_rounding_are_refused_and_found() {
        let points = [0.0, 1.0, 2.0, 3.0];
        let message = refusal(line(&points, &[0.0, 0.3, 0.1 + 0.2, 1.0]));
        assert!(message.contains("0.3 and 0.30000000000000004"), "{message}");
        for labels in [[0.0, 1e-8, 0.3, 1.0], [-1e308, 0.0, 1e300, 1e308], [5.0; 4], [-0.0, 0.0, 1.0, 1.0]] {
            assert!(line(&points, &labels).is_ok(), "{labels:?}");
        }
        assert!(line(&points, &[-1e308, 0.0, 1e298, 1e308]).is_err());
        let snapshots = line(&points, &[0.0, 0.1 + 0.2, 0.6, 1.0]).unwrap();
        assert_eq!(snapshots.index_of(0.3), Ok(1));
        assert_eq!(snapshots.without(&[0.3]).unwrap().times(), [0.0, 0.6, 1.0]);
        assert!(snapshots.index_of(0.3 + 1e-8).is_err() && snapshots.index_of(f64::NAN).is_err());
    }

    #[test]
    fn cells_that_single_precision_would_blur_are_refused() {
        let times = [0.0, 0.0, 1.0, 1.0];
        for offset in [1e7, -1e9] {
            let points = [0.0, 0.1, 1.0, 1.2].map(|x| x + offset);
            let message = refusal(line(&points, &times));
            assert!(message.contains("coordinate 1") && message.contains("subtract the mean"), "{message}");
        }
        // A kilometre from the origin, metres are resolved into a tenth of a millimetre.
        assert!(line(&[1000.0, 1001.0, 1002.0, 1003.0], &times).is_ok());
        // All the same; far from the origin in a coordinate that does not vary; rounded beside a much wider coordinate.
        assert!(line(&[1e9; 4], &times).is_ok());
        assert!(line(&[0.0, 1e9, 0.1, 1e9, 0.5, 1e9, 0.7, 1e9], &times).is_ok());
        assert!(line(&[0.0, 1e6, 3e3, 1e6 + 1.0, 5e3, 1e6, 0.0, 1e6], &times).is_ok());
        assert!(line(&[0.0, 1e6, 0.0, 1e6 + 1.0, 1.0, 1e6, 1.0, 1e6], &times).is_err());
    }

    #[test]
    fn a_subset_keeps_the_chosen_cells_and_their_weights() {
        let points = MatrixView::from_f64(&[0.0, 1.0, 2.0, 3.0], 4, 1).unwrap();
        let all = Snapshots::new(points, &[0.0, 0.0, 1.0, 1.0], Some(&[1.0, 2.0, 0.0, 4.0])).unwrap();
        let some = all.subset(&[vec![1, 0], vec![1]]).unwrap();
        assert_eq!((&*some.points(0), some.weights(0)), (&[1.0, 0.0][..], &[2.0, 1.0][..]));
        assert_eq!((&*some.points(1), some.weights(1)), (&[3.0][..], &[4.0][..]));
        for rows in [vec![vec![0]], vec![vec![0], vec![2]], vec![vec![0], vec![]], vec![vec![0], vec![0]]] {
            assert!(all.subset(&rows).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn shared_points_are_the_same_snapshots_as_copied_ones_in_any_order_of_rows() {
        let elements: Vec<f32> = (0..12).map(|i| (i * i) as f32).collect();
        let weights: Vec<f64> = (1..7).map(f64::from).collect();
        for labels in
            [[0.0, 0.0, 1.0, 1.0, 4.0, 4.0], [4.0, 4.0, 0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 4.0, 4.0, 0.0, 1.0]]
        {
            let view = MatrixView::from_f32(&elements, 6, 2).unwrap();
            let copied = Snapshots::new(view, &labels, Some(&weights)).unwrap();
            let shared = Snapshots::shared(Arc::new(elements.clone()), 2, &labels, Some(&weights)).unwrap();
            assert_eq!(copied, shared);
            for k in 0..3 {
                assert_eq!((copied.points(k), copied.weights(k)), (shared.points(k), shared.weights(k)));
                assert_eq!(copied.points_of(k, 1..2), shared.point(k, 1));
            }
            assert_eq!(copied.without(&[1.0]), shared.without(&[1.0]));
            let some = [vec![1], vec![0, 1], vec![1, 0]];
            assert_eq!(copied.subset(&some), shared.subset(&some));
            assert_eq!(
                shared.subset(&some).unwrap().without(&[0.0]).unwrap().points(1),
                [shared.point(2, 1), shared.point(2, 0)].concat()
            );
        }
    }

    #[test]
    fn shared_points_are_kept_as_long_as_anything_is_made_of_them_and_no_longer() {
        let points: SharedPoints = Arc::new(vec![0.0f32, 1.0, 2.0]);
        let all = Snapshots::shared(points.clone(), 1, &[0.0, 1.0, 2.0], None).unwrap();
        let some = all.without(&[1.0]).unwrap();
        drop(all);
        assert_eq!(Arc::strong_count(&points), 2);
        assert_eq!(some.points(1).as_ptr(), (*points).as_ref()[2..].as_ptr(), "where they were");
        drop(some);
        assert_eq!(Arc::strong_count(&points), 1);
    }

    #[test]
    fn shared_points_are_refused_as_copied_ones_are() {
        let labels = [0.0, 1.0, 0.0];
        for elements in
            [vec![0.0, 1.0, f32::NAN], vec![0.0, f32::INFINITY, 1.0], vec![1e7, 1e7 + 1.0, 1e7], vec![0.0; 2]]
        {
            let view = MatrixView::from_f32(&elements, 3, 1);
            let copied = view.and_then(|view| Snapshots::new(view, &labels, None));
            let shared = Snapshots::shared(Arc::new(elements), 1, &labels, None);
            assert_eq!(copied.unwrap_err(), shared.unwrap_err());
        }
        let weights = [1.0, -1.0, 1.0];
        assert!(Snapshots::shared(Arc::new(vec![0.0f32, 1.0, 2.0]), 1, &labels, Some(&weights)).is_err());
        assert!(Snapshots::shared(Arc::new(Vec::<f32>::new()), 0, &labels, None).is_err());
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
