//! What callers hand over, checked: handles, arrays, texts, and buffers to be filled.

use std::ffi::{CStr, c_char};

use super::status::Failure;
use super::status::chreode_status::{
    CHREODE_ERROR_BUFFER_TOO_SMALL, CHREODE_ERROR_INVALID_ARGUMENT, CHREODE_ERROR_NULL_POINTER,
};

type Checked<T> = Result<T, Failure>;

pub(super) fn null(name: &str) -> Failure {
    Failure::new(CHREODE_ERROR_NULL_POINTER, format!("{name} must not be NULL"))
}

fn wrong(message: String) -> Failure {
    Failure::new(CHREODE_ERROR_INVALID_ARGUMENT, message)
}

/// The object behind a pointer.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that outlives `'a` and is not changed meanwhile.
pub(super) unsafe fn borrow<'a, T>(name: &str, pointer: *const T) -> Checked<&'a T> {
    check_aligned(name, pointer)?;
    // SAFETY: by the caller's promise and the check for alignment.
    unsafe { pointer.as_ref() }.ok_or_else(|| null(name))
}

/// The object behind a pointer, to be changed.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that outlives `'a` and is used by nobody else meanwhile.
pub(super) unsafe fn borrow_mut<'a, T>(name: &str, pointer: *mut T) -> Checked<&'a mut T> {
    check_aligned(name, pointer)?;
    // SAFETY: by the caller's promise and the check for alignment.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(name))
}

/// Writes a result through a pointer.
///
/// # Safety
/// `pointer` is NULL or may be written to.
pub(super) unsafe fn put<T>(name: &str, pointer: *mut T, value: T) -> Checked<()> {
    check_aligned(name, pointer)?;
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL and aligned; the caller promised the rest. What was there is no object of ours and is not dropped.
    unsafe { pointer.write(value) };
    Ok(())
}

/// An array of the caller's; NULL will do for an empty one.
///
/// # Safety
/// `pointer` is NULL or points to `count` elements that outlive `'a` and are not changed meanwhile.
pub(super) unsafe fn slice<'a, T>(name: &str, pointer: *const T, count: usize) -> Checked<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    check_array(name, pointer, count)?;
    // SAFETY: not NULL, aligned and of a possible size; the caller promised the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// An array of the caller's that may be absent altogether: NULL, and then no elements.
///
/// # Safety
/// As [`slice`].
pub(super) unsafe fn optional_slice<'a, T>(
    name: &str,
    pointer: *const T,
    count: usize,
) -> Checked<Option<&'a [T]>> {
    if pointer.is_null() && count == 0 {
        return Ok(None);
    }
    // SAFETY: the same contract.
    unsafe { slice(name, pointer, count) }.map(Some)
}

/// Fills an array of the caller's, which must be as long as `values`.
///
/// # Safety
/// `pointer` is NULL or points to `count` elements that may be written to.
pub(super) unsafe fn fill<T>(
    name: &str,
    pointer: *mut T,
    count: usize,
    values: impl ExactSizeIterator<Item = T>,
) -> Checked<()> {
    if count != values.len() {
        return Err(wrong(format!("the size of {name} must be {}, got {count}", values.len())));
    }
    if count == 0 {
        return Ok(());
    }
    check_array(name, pointer, count)?;
    for (i, value) in values.enumerate() {
        // SAFETY: i < count, and the array is not NULL, aligned and the caller's to write.
        unsafe { pointer.add(i).write(value) };
    }
    Ok(())
}

/// Bytes by the rule of size, then fill: `size` becomes the number of bytes; they are written if there is a buffer, which must
/// then be large enough.
///
/// # Safety
/// `buffer` is NULL or points to `capacity` bytes that may be written to; `size` is NULL or may be written to.
pub(super) unsafe fn fill_bytes(
    bytes: &[u8],
    buffer: *mut u8,
    capacity: usize,
    size: *mut usize,
) -> Checked<()> {
    // SAFETY: the same contract.
    unsafe { put("size", size, bytes.len()) }?;
    if buffer.is_null() {
        let told = "a buffer of NULL asks for the size and must have capacity 0";
        return if capacity == 0 { Ok(()) } else { Err(wrong(format!("{told}, got {capacity}"))) };
    }
    if capacity < bytes.len() {
        let message = format!("the buffer must hold {} bytes, got {capacity}", bytes.len());
        return Err(Failure::new(CHREODE_ERROR_BUFFER_TOO_SMALL, message));
    }
    // SAFETY: the buffer is large enough by the check, and the caller's to write: it cannot be part of our own bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
    Ok(())
}

/// Text by the rule of [`fill_bytes`]; the size counts the NUL at its end.
///
/// # Safety
/// As [`fill_bytes`].
pub(super) unsafe fn fill_text(
    text: &str,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> Checked<()> {
    let mut bytes = text.replace('\0', " ").into_bytes();
    bytes.push(0);
    // SAFETY: the same contract.
    unsafe { fill_bytes(&bytes, buffer.cast(), capacity, size) }
}

/// A text of the caller's.
///
/// # Safety
/// `pointer` is NULL or points to a text that ends with NUL and outlives `'a`.
pub(super) unsafe fn text<'a>(name: &str, pointer: *const c_char) -> Checked<&'a str> {
    // SAFETY: the same contract.
    let bytes = unsafe { c_text(name, pointer) }?;
    bytes.to_str().map_err(|_| wrong(format!("{name} must be UTF-8, got {}", bytes.to_string_lossy())))
}

/// A text of the caller's in whatever encoding.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn c_text<'a>(name: &str, pointer: *const c_char) -> Checked<&'a CStr> {
    if pointer.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and a text by the caller's promise.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// Hands an object over to the caller, who frees it with [`free`].
///
/// # Safety
/// `out` is NULL or may be written to.
pub(super) unsafe fn give<T>(name: &str, out: *mut *mut T, object: T) -> Checked<()> {
    if out.is_null() {
        return Err(null(name));
    }
    // SAFETY: the same contract.
    unsafe { put(name, out, Box::into_raw(Box::new(object))) }
}

/// Makes the place for a handle empty before the work begins: whatever goes wrong then, it holds no stale pointer.
///
/// # Safety
/// `out` is NULL or may be written to.
pub(super) unsafe fn clear<T>(name: &str, out: *mut *mut T) -> Checked<()> {
    // SAFETY: the same contract.
    unsafe { put(name, out, std::ptr::null_mut()) }
}

/// Takes an object back from the caller and drops it.
///
/// # Safety
/// `handle` is NULL or came from [`give`] and was not freed before.
pub(super) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: by the caller's promise this is the box that was given.
        drop(unsafe { Box::from_raw(handle) });
    }
}

fn check_array<T>(name: &str, pointer: *const T, count: usize) -> Checked<()> {
    if pointer.is_null() {
        return Err(null(name));
    }
    check_aligned(name, pointer)?;
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(wrong(format!("the size of {name} must be less than memory holds, got {count}"))),
    }
}

pub(super) fn check_aligned<T>(name: &str, pointer: *const T) -> Checked<()> {
    if pointer.is_aligned() {
        Ok(())
    } else {
        Err(wrong(format!("{name} must be a multiple of {} bytes, got {pointer:p}", align_of::<T>())))
    }
}
