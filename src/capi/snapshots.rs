//! Time-stamped cells.

use std::sync::Arc;

use super::matrix::{chreode_matrix, chreode_matrix_mut};
use super::options::chreode_options;
use super::pointers::{borrow, clear, fill, free, give, optional_slice, put, slice};
use super::status::chreode_status::CHREODE_ERROR_INVALID_ARGUMENT;
use super::status::{Failure, chreode_status, guard, guard_free};
use crate::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use crate::error::Error;
use crate::options::Target;
use crate::snapshots::{MatrixView, Snapshots};

/// Cells at increasing times, with weights: what a fit learns from and an evaluation compares with. They are a copy of the
/// caller's data unless `chreode_snapshots_borrow` made them, and never change.
pub struct chreode_snapshots(pub(super) Snapshots);

/// Makes snapshots of cells with time labels: `points` has one row a cell, `times` one time a row, in any order. `weights`
/// has one weight a row, or is NULL with count 0 if every cell weighs 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_new(
    points: *const chreode_matrix,
    times: *const f64,
    times_count: usize,
    weights: *const f64,
    weights_count: usize,
    snapshots: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("snapshots", snapshots)?;
        let (points, times, weights) = cells_of(points, (times, times_count), (weights, weights_count))?;
        let made = Snapshots::new(points.read("points")?.view, times, weights)?;
        give("snapshots", snapshots, chreode_snapshots(made))
    })
}

/// As `chreode_snapshots_new`, without a copy of the points: `points` is CHREODE_F32, its rows stand one after another (strides
/// cols and 1), those of a time together or not. Beside the caller's memory, cells take 8 bytes each for the weight, and 4 for the
/// row where those of a time do not stand together. The points are read once, to be checked as a copy would be, and all results are
/// those of a copy, to the bit.
///
/// The memory of the points must stay as it is until these snapshots are freed, and all that were made of them by
/// `chreode_snapshots_without` and the functions whose names begin with `chreode_snapshots_with_`. Nothing else refers to it: no model, no
/// plan. `times` and `weights` are copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_borrow(
    points: *const chreode_matrix,
    times: *const f64,
    times_count: usize,
    weights: *const f64,
    weights_count: usize,
    snapshots: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("snapshots", snapshots)?;
        let (points, times, weights) = cells_of(points, (times, times_count), (weights, weights_count))?;
        let Some(elements) = points.read("points")?.view.as_dense_f32() else {
            let layout =
                format!("dtype {} and strides {}, {}", points.dtype, points.row_stride, points.col_stride);
            let allowed = format!("CHREODE_F32 (0) with the strides {}, 1 to be borrowed", points.cols);
            return Err(Error::argument("points", layout, &allowed).into());
        };
        let shared = Arc::new(CallersPoints { first: elements.as_ptr(), count: elements.len() });
        let made = Snapshots::shared(shared, points.cols, times, weights)?;
        give("snapshots", snapshots, chreode_snapshots(made))
    })
}

/// A caller's matrix of cells, the time of each, and their weights where there are any.
type Cells<'a> = (&'a chreode_matrix, &'a [f64], Option<&'a [f64]>);

/// The arguments of those constructors that take cells.
///
/// # Safety
/// The conventions of the header, for as long as the references are used.
unsafe fn cells_of<'a>(
    points: *const chreode_matrix,
    (times, times_count): (*const f64, usize),
    (weights, weights_count): (*const f64, usize),
) -> Result<Cells<'a>, Failure> {
    // SAFETY: the same contract.
    let (points, times, weights) = unsafe {
        (
            borrow("points", points)?,
            slice("times", times, times_count)?,
            optional_slice("weights", weights, weights_count)?,
        )
    };
    // Before the matrix is looked at: its number of rows bounds what is allocated.
    if times.len() != points.rows {
        return Err(Error::argument("times_count", times.len(), &points.rows.to_string()).into());
    }
    Ok((points, times, weights))
}

/// Elements that the caller keeps as they are for as long as there are snapshots of them.
struct CallersPoints {
    first: *const f32,
    count: usize,
}

// SAFETY: memory that is only read, and that nobody changes.
unsafe impl Send for CallersPoints {}
// SAFETY: as above.
unsafe impl Sync for CallersPoints {}

impl AsRef<[f32]> for CallersPoints {
    fn as_ref(&self) -> &[f32] {
        // SAFETY: a checked slice whose memory the caller of `chreode_snapshots_borrow` promised to keep as it is.
        unsafe { std::slice::from_raw_parts(self.first, self.count) }
    }
}

/// Makes snapshots of one matrix a time: `blocks` and `times` have `count` elements each. `weights` is NULL, or has `count`
/// pointers, each NULL or to one weight a row of its block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_from_blocks(
    blocks: *const chreode_matrix,
    times: *const f64,
    weights: *const *const f64,
    count: usize,
    snapshots: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("snapshots", snapshots)?;
        let blocks = slice("blocks", blocks, count)?;
        let times = slice("times", times, count)?;
        let weights = if weights.is_null() {
            vec![std::ptr::null(); count]
        } else {
            slice("weights", weights, count)?.to_vec()
        };
        let (mut points, mut labels, mut all_weights) = (vec![], vec![], vec![]);
        for (k, block) in blocks.iter().enumerate() {
            if block.cols != blocks[0].cols {
                let name = format!("the number of columns of block {}", k + 1);
                return Err(Error::argument(
                    &name,
                    block.cols,
                    &format!("{}, as the first's", blocks[0].cols),
                )
                .into());
            }
            let view = block.read(&format!("block {}", k + 1))?.view;
            room_for(&view)?;
            points.extend((0..view.rows()).flat_map(|i| (0..view.cols()).map(move |j| view.get(i, j))));
            labels.extend(std::iter::repeat_n(times[k], view.rows()));
            if weights[k].is_null() {
                all_weights.extend(std::iter::repeat_n(1.0, view.rows()));
            } else {
                all_weights.extend_from_slice(slice("weights", weights[k], view.rows())?);
            }
        }
        let cols = blocks.first().map_or(0, |block| block.cols);
        let view = MatrixView::from_f64(&points, labels.len(), cols)?;
        let made = Snapshots::new(view, &labels, Some(&all_weights))?;
        give("snapshots", snapshots, chreode_snapshots(made))
    })
}

/// A stride of zero makes a matrix of any size of one number; its copy must fit in memory all the same.
pub(super) fn room_for(view: &MatrixView<'_>) -> Result<(), Error> {
    // A copy in double precision, and as much again for what is made of it.
    let numbers = view.rows().checked_mul(view.cols()).and_then(|n| n.checked_mul(4));
    crate::error::fits_in_memory("the number of rows", view.rows(), numbers)
}

/// Makes one of the built-in data sets; its list is that of the options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_generate(
    options: *const chreode_options,
    snapshots: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("snapshots", snapshots)?;
        let options = borrow("options", options)?;
        let made = match options.list() {
            GeneNetwork::LIST => options.build::<GeneNetwork>()?.generate()?,
            GaussianMixture::LIST => options.build::<GaussianMixture>()?.generate()?,
            BranchingTree::LIST => options.build::<BranchingTree>()?.generate()?,
            other => {
                let sets = [GeneNetwork::LIST, GaussianMixture::LIST, BranchingTree::LIST].join(" ");
                return Err(
                    Error::argument("the list of the options", other, &format!("one of {sets}")).into()
                );
            }
        };
        give("snapshots", snapshots, chreode_snapshots(made))
    })
}

/// Makes the same snapshots with other total masses, one positive number a time: experiments subsample, so the number of
/// cells is not always the size of the population.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_with_masses(
    snapshots: *const chreode_snapshots,
    masses: *const f64,
    masses_count: usize,
    result: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("result", result)?;
        let chreode_snapshots(given) = borrow("snapshots", snapshots)?;
        let made = given.clone().with_masses(slice("masses", masses, masses_count)?)?;
        give("result", result, chreode_snapshots(made))
    })
}

/// Makes the same snapshots with a growth rate that is expected of each cell, per unit of time: births less deaths that are known
/// from elsewhere. It enters the couplings of a fit, by the options `source_penalty` and `target_penalty`. `rates` has one a cell, in the
/// order of time, those of one time in the order in which they were given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_with_growth_prior(
    snapshots: *const chreode_snapshots,
    rates: *const f64,
    rates_count: usize,
    result: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("result", result)?;
        let chreode_snapshots(given) = borrow("snapshots", snapshots)?;
        let made = given.clone().with_growth_prior(slice("rates", rates, rates_count)?)?;
        give("result", result, chreode_snapshots(made))
    })
}

/// Makes the same snapshots with the clone that each cell belongs to, as from lineage barcodes: cells of one clone have one number, 0
/// to 4294967294, at all times, and cells whose clone is not known have -1. Couplings do not join cells of known, different clones, or at the
/// price of the option `clone_penalty`. `clones` has one a cell, in the order of time, those of one time in the order in which they were
/// given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_with_clones(
    snapshots: *const chreode_snapshots,
    clones: *const i64,
    clones_count: usize,
    result: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("result", result)?;
        let chreode_snapshots(given) = borrow("snapshots", snapshots)?;
        let clones = slice("clones", clones, clones_count)?;
        // Numbers as they are, for some of the cells to have those that they have among all.
        let number = |(cell, &clone): (usize, &i64)| match u32::try_from(clone) {
            Ok(number) if number < u32::MAX => Ok(Some(number)),
            _ if clone == -1 => Ok(None),
            _ => {
                let allowed = "0 to 4294967294, or -1 where it is not known";
                Err(Error::argument(&format!("the clone of cell {}", cell + 1), clone, allowed))
            }
        };
        let numbers = clones.iter().enumerate().map(number).collect::<Result<Vec<_>, _>>()?;
        let made = given.clone().with_clones(&numbers)?;
        give("result", result, chreode_snapshots(made))
    })
}

/// Makes the snapshots without those at some times, exactly as `chreode_snapshots_times` tells them: what a held-out fit
/// learns from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_without(
    snapshots: *const chreode_snapshots,
    times: *const f64,
    times_count: usize,
    result: *mut *mut chreode_snapshots,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("result", result)?;
        let chreode_snapshots(given) = borrow("snapshots", snapshots)?;
        let made = given.without(slice("times", times, times_count)?)?;
        give("result", result, chreode_snapshots(made))
    })
}

/// Frees snapshots. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_free(snapshots: *mut chreode_snapshots) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(snapshots) });
}

/// Tells the number of coordinates of a cell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_dims(
    snapshots: *const chreode_snapshots,
    dims: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("dims", dims, borrow("snapshots", snapshots)?.0.dims()) })
}

/// Tells the number of times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_time_count(
    snapshots: *const chreode_snapshots,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("snapshots", snapshots)?.0.len()) })
}

/// Gets the times, increasing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_times(
    snapshots: *const chreode_snapshots,
    times: *mut f64,
    times_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_snapshots(given) = borrow("snapshots", snapshots)?;
        fill("times", times, times_count, given.times().iter().copied())
    })
}

/// Tells the number of cells at time number `k`, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_cell_count(
    snapshots: *const chreode_snapshots,
    k: usize,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, at(snapshots, k)?.count(k)) })
}

/// Gets the cells at time number `k`, one row a cell.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_points(
    snapshots: *const chreode_snapshots,
    k: usize,
    points: *const chreode_matrix_mut,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let given = at(snapshots, k)?;
        borrow("points", points)?.check("points", given.count(k), given.dims())?.fill(&given.points(k));
        Ok(())
    })
}

/// Gets the weights of the cells at time number `k`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_weights(
    snapshots: *const chreode_snapshots,
    k: usize,
    weights: *mut f64,
    weights_count: usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { fill("weights", weights, weights_count, at(snapshots, k)?.weights(k).iter().copied()) })
}

/// Draws `count` different cells at time number `k`, one after another, each from those that are left with a chance in proportion
/// to its weight, and tells their rows, counted from 0 and increasing. `rows` has `count` elements. The same seed draws the same
/// cells everywhere: a branching simulation starts from such founders rather than from the first rows, which stand as the
/// experiment left them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_sample(
    snapshots: *const chreode_snapshots,
    k: usize,
    count: usize,
    seed: u64,
    rows: *mut u64,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let drawn = at(snapshots, k)?.sample(k, count, seed)?;
        fill("rows", rows, count, drawn.into_iter().map(|row| row as u64))
    })
}

/// Tells the total mass at time number `k`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_snapshots_mass(
    snapshots: *const chreode_snapshots,
    k: usize,
    mass: *mut f64,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("mass", mass, at(snapshots, k)?.mass(k)) })
}

/// The snapshots, after a look at the number of a time.
///
/// # Safety
/// `snapshots` is NULL or points to snapshots.
unsafe fn at<'a>(snapshots: *const chreode_snapshots, k: usize) -> Result<&'a Snapshots, Failure> {
    // SAFETY: the same contract.
    let chreode_snapshots(given) = unsafe { borrow("snapshots", snapshots) }?;
    if k >= given.len() {
        let message = format!("k must be below {}, the number of times, got {k}", given.len());
        return Err(Failure::new(CHREODE_ERROR_INVALID_ARGUMENT, message));
    }
    Ok(given)
}
