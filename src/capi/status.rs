//! How every function ends: with a status, and a message where it is not success.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::Error;
use crate::exec::threads;

/// How a call ended. The numbers are fixed; later versions may add more, all negative.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum chreode_status {
    /// Success.
    CHREODE_OK = 0,
    /// A pointer that must not be NULL is.
    CHREODE_ERROR_NULL_POINTER = -1,
    /// An argument or an option is outside its domain, or a size does not fit.
    CHREODE_ERROR_INVALID_ARGUMENT = -2,
    /// The data cannot be used; the message names the row and column, counted from 1.
    CHREODE_ERROR_INVALID_DATA = -3,
    /// The transport problem has no solution of finite cost.
    CHREODE_ERROR_INFEASIBLE = -4,
    /// A computation left the finite numbers.
    CHREODE_ERROR_NON_FINITE = -5,
    /// The progress function asked to stop.
    CHREODE_ERROR_CANCELLED = -6,
    /// A branching population grew past the option `max_population`.
    CHREODE_ERROR_POPULATION_LIMIT = -7,
    /// The bytes are not a model that this library reads.
    CHREODE_ERROR_MODEL_FILE = -8,
    /// The operating system refused a file.
    CHREODE_ERROR_IO = -9,
    /// The caller's buffer is smaller than the size that was reported; nothing was written.
    CHREODE_ERROR_BUFFER_TOO_SMALL = -10,
    /// A static solver stopped before its tolerance; its result is there all the same.
    CHREODE_ERROR_NOT_CONVERGED = -11,
    /// The model computed in the parent of this process, and its threads did not come along through fork.
    CHREODE_ERROR_FORKED = -12,
    /// The option `device` asks for a device that cannot be used; the message says why and what to do.
    CHREODE_ERROR_DEVICE = -13,
    /// A defect of the library: please report it with the message. The handles of the call should only be freed.
    CHREODE_ERROR_INTERNAL = -100,
}

use chreode_status::*;

impl chreode_status {
    /// Every status with its name.
    pub const ALL: &'static [(Self, &'static CStr)] = &[
        (CHREODE_OK, c"CHREODE_OK"),
        (CHREODE_ERROR_NULL_POINTER, c"CHREODE_ERROR_NULL_POINTER"),
        (CHREODE_ERROR_INVALID_ARGUMENT, c"CHREODE_ERROR_INVALID_ARGUMENT"),
        (CHREODE_ERROR_INVALID_DATA, c"CHREODE_ERROR_INVALID_DATA"),
        (CHREODE_ERROR_INFEASIBLE, c"CHREODE_ERROR_INFEASIBLE"),
        (CHREODE_ERROR_NON_FINITE, c"CHREODE_ERROR_NON_FINITE"),
        (CHREODE_ERROR_CANCELLED, c"CHREODE_ERROR_CANCELLED"),
        (CHREODE_ERROR_POPULATION_LIMIT, c"CHREODE_ERROR_POPULATION_LIMIT"),
        (CHREODE_ERROR_MODEL_FILE, c"CHREODE_ERROR_MODEL_FILE"),
        (CHREODE_ERROR_IO, c"CHREODE_ERROR_IO"),
        (CHREODE_ERROR_BUFFER_TOO_SMALL, c"CHREODE_ERROR_BUFFER_TOO_SMALL"),
        (CHREODE_ERROR_NOT_CONVERGED, c"CHREODE_ERROR_NOT_CONVERGED"),
        (CHREODE_ERROR_FORKED, c"CHREODE_ERROR_FORKED"),
        (CHREODE_ERROR_DEVICE, c"CHREODE_ERROR_DEVICE"),
        (CHREODE_ERROR_INTERNAL, c"CHREODE_ERROR_INTERNAL"),
    ];
}

/// Why a call did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: chreode_status,
    pub(super) message: String,
}

/// How the work of a call ends.
pub(super) type Outcome = Result<(), Failure>;

impl Failure {
    pub(super) fn new(status: chreode_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::InvalidArgument { .. } => CHREODE_ERROR_INVALID_ARGUMENT,
            Error::InvalidData(_) => CHREODE_ERROR_INVALID_DATA,
            Error::Infeasible(_) => CHREODE_ERROR_INFEASIBLE,
            Error::NotConverged(_) => CHREODE_ERROR_NOT_CONVERGED,
            Error::NonFinite(_) => CHREODE_ERROR_NON_FINITE,
            Error::Cancelled => CHREODE_ERROR_CANCELLED,
            Error::PopulationLimit { .. } => CHREODE_ERROR_POPULATION_LIMIT,
            Error::ModelFile(_) => CHREODE_ERROR_MODEL_FILE,
            Error::Device(_) => CHREODE_ERROR_DEVICE,
            Error::Io { .. } => CHREODE_ERROR_IO,
        };
        Self::new(status, error.to_string())
    }
}

thread_local! {
    /// The message of this thread's last call.
    static MESSAGE: RefCell<CString> = RefCell::new(CString::default());
    /// How many calls this thread is inside of: a progress function may call back.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Does the work of an exported function: no panic leaves it, and its failure becomes a status and this thread's message.
pub(super) fn guard(work: impl FnOnce() -> Outcome) -> chreode_status {
    let outcome = caught(work);
    let status = outcome.as_ref().map_or_else(|failure| failure.status, |()| CHREODE_OK);
    tell(outcome.map_or_else(|failure| failure.message, |()| String::new()));
    status
}

/// [`guard`] for what has no status to return: the message is all there is. A success leaves that of the call before, for a
/// garbage collector may free handles between a failure and the look at its message.
pub(super) fn guard_free(work: impl FnOnce()) {
    let outcome = caught(|| {
        work();
        Ok(())
    });
    if let Err(failure) = outcome {
        tell(failure.message);
    }
}

/// Does the work of an exported function; a panic is a failure.
fn caught(work: impl FnOnce() -> Outcome) -> Outcome {
    silence_our_panics();
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        super::tests::panic_if_asked();
        work()
    }));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    outcome.unwrap_or_else(|payload| Err(of_panic(payload.as_ref())))
}

/// Keeps the message for [`chreode_last_error_message`].
fn tell(message: String) {
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    MESSAGE.with(|last| *last.borrow_mut() = message);
}

fn of_panic(payload: &(dyn Any + Send)) -> Failure {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
    Failure::new(CHREODE_ERROR_INTERNAL, format!("internal error, please report it: {text}"))
}

/// Keeps panics of our own calls and threads off stderr: they are reported by status.
///
/// The hook belongs to the copy of Rust's runtime inside this library. A host in another language, or another library that
/// contains Rust, has a copy of its own and never notices; in a Rust program all other panics go on to the hook that was there.
fn silence_our_panics() {
    static ONCE: Once = Once::new();
    if std::thread::panicking() {
        return; // the hook cannot be changed now; a later call does it
    }
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let in_call = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false);
            if !(in_call || threads::is_ours()) {
                before(panic);
            }
        }));
    });
}

/// Returns the name of a status, `"CHREODE_ERROR_INVALID_ARGUMENT"` for instance; `"unknown"` for other numbers. The text is
/// static.
#[unsafe(no_mangle)]
pub extern "C" fn chreode_status_name(status: i32) -> *const c_char {
    let known = chreode_status::ALL.iter().find(|(known, _)| *known as i32 == status);
    known.map_or(c"unknown", |(_, name)| name).as_ptr()
}

/// Returns what was wrong with this thread's last call and what would be right, in UTF-8; empty after a success. The text
/// stays valid until this thread's next call of any other function than this one, `chreode_status_name` and those that free.
#[unsafe(no_mangle)]
pub extern "C" fn chreode_last_error_message() -> *const c_char {
    MESSAGE.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
