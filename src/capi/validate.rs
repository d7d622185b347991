//! Validations.

use std::ffi::{c_char, c_void};

use super::options::{chreode_options, validation_of};
use super::pointers::{borrow, clear, fill_text, free, give, optional_slice};
use super::progress::{Listener, chreode_progress_fn};
use super::snapshots::chreode_snapshots;
use super::status::{Failure, chreode_status, guard, guard_free};
use super::workers::resolved;
use crate::evaluate::validation::{Annotations, Parts, Validation};
use crate::exec::progress::Progress;
use crate::method::validate;

/// How well recipes predict cells that they were not fitted to.
pub struct chreode_validation(pub(super) Validation);

/// Fits recipes to a part of the cells and holds them against the others, by options of the list "validate" (NULL: all
/// defaults): those of the validation itself, and those of a fit, of which each may have several values, separated by commas
/// ("wfr-fm,usb"); widths of hidden layers, which have commas of their own, by semicolons, unless each is like "64x3". A recipe is
/// a combination of these values; an option that some methods do not take goes to those that do.
///
/// `parts` has the part that each cell is in, numbered from 0: each is held out in turn, the last one first. NULL with count 0
/// has parts drawn. `growth` has the true growth rate at each cell, per unit of time, or is NULL with count 0. Both are in the
/// order in which the snapshots hold the cells: by time, those of one time as they were given.
///
/// A recipe of which a fit fails is told by its error; the call fails if all do. `progress` may be NULL, and tells hundredths of
/// fits; `user_data` is handed to it and not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_validate(
    snapshots: *const chreode_snapshots,
    options: *const chreode_options,
    parts: *const u32,
    parts_count: usize,
    growth: *const f64,
    growth_count: usize,
    progress: chreode_progress_fn,
    user_data: *mut c_void,
    validation: *mut *mut chreode_validation,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        clear("validation", validation)?;
        let chreode_snapshots(snapshots) = borrow("snapshots", snapshots)?;
        let request = validation_of(options)?;
        let annotations = annotations((parts, parts_count), (growth, growth_count))?;
        let (mut options, recipes) = (request.validation.build()?, request.grid.recipes()?);
        options.threads = resolved(options.threads);
        let listener = Listener::new(progress, user_data);
        let mut report = |now: &Progress| listener.tell(now);
        let found = validate(snapshots, &annotations, &recipes, &options, &mut report)?;
        give("validation", validation, chreode_validation(found))
    })
}

/// What a caller knows of the cells.
///
/// # Safety
/// Both are NULL with count 0, or arrays of so many elements.
pub(super) unsafe fn annotations(
    parts: (*const u32, usize),
    growth: (*const f64, usize),
) -> Result<Annotations, Failure> {
    // SAFETY: the same contract.
    let (parts, growth) = unsafe {
        (optional_slice("parts", parts.0, parts.1)?, optional_slice("growth", growth.0, growth.1)?)
    };
    Ok(Annotations {
        parts: parts.map(|of_cell| numbered(of_cell.to_vec())).transpose()?,
        growth: growth.map(<[f64]>::to_vec),
    })
}

/// Parts that are called by their numbers.
fn numbered(of_cell: Vec<u32>) -> crate::error::Result<Parts> {
    // A number above that of the cells leaves a part without any, and is refused whatever else has a name.
    let count = of_cell.iter().max().map_or(0, |&last| last as usize + 1).min(of_cell.len());
    Parts::new(of_cell, (0..count).map(|part| part.to_string()).collect())
}

/// Frees a validation. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_validation_free(validation: *mut chreode_validation) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(validation) });
}

/// Gets everything as a JSON object (size, then fill); numbers that there are not are null. Of the best recipe, that with the
/// lowest ratio: ratio (mean W1 to unseen cells over the mean W1 between two samples of the data), energy (mean unbiased energy
/// distance over the spread of the data), rme (mean relative mass error), mean_w1, where growth was given growth_error and
/// growth_correlation, each with half its 95 % confidence interval (ratio_interval, …); at each of `times` w1, energies and rmes;
/// ratios (of each split), cpu_seconds (of a fit), mode, particles (a founder), trust ("holds", "in-the-main", "weak", "fails" or
/// "undecided") and verdict (a sentence). Beside it at each time floor (W1 between two samples of the data) and
/// nothing_moves (W1 of the founders as they are), nothing_moves_energy, nothing_moves_rme; nothing_moves_ratio. With held-out
/// times held_out_w1, held_out_energies, held_out_rmes, held_out_mean_w1, and held_out, an object with times, interpolation (W1 of
/// the mid-points of an exact coupling of the neighbours), interpolation_rme, nothing_moves and nothing_moves_rme. Then recipes, an
/// array of objects with the scores of each by the same names, its name (recipe) and, where it failed, why (failed);
/// as_good_as_best tells whether it cannot be told from the best one (best, its index), from three splits on. splits, seeds, parts, cells, cells_used.
/// Later versions may add keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_validation_json(
    validation: *const chreode_validation,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let chreode_validation(found) = borrow("validation", validation)?;
        fill_text(&found.to_json().to_string(), buffer, capacity, size)
    })
}
