//! The one error type of the crate: every variant says what was wrong and what would be right.

use std::fmt;
use std::path::PathBuf;

/// Everything that can go wrong, for every function of the crate.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is outside its domain.
    InvalidArgument {
        /// The parameter's name, as the caller spells it.
        name: String,
        /// The value that was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// The data cannot be used; the message names the row, column or time point.
    InvalidData(String),
    /// The transport problem has no solution of finite cost.
    Infeasible(String),
    /// An iteration ended before it met its tolerance; the message says how far it came and what would help.
    NotConverged(String),
    /// A computation produced a value that is not finite; the message says where and when.
    NonFinite(String),
    /// The caller's progress function asked to stop.
    Cancelled,
    /// A simulated population grew past the caller's cap.
    PopulationLimit {
        /// The cap.
        limit: usize,
        /// The time at which it was passed.
        time: f64,
    },
    /// A device other than the CPU cannot be used; the message says why and what to do.
    Device(String),
    /// A model file is damaged, foreign, or of a version that this library does not read.
    ModelFile(String),
    /// The operating system refused a file.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        message: String,
    },
}

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument { name, value, allowed } => {
                write!(f, "{name} must be {allowed}, got {value}")
            }
            Error::InvalidData(message)
            | Error::Infeasible(message)
            | Error::NotConverged(message)
            | Error::NonFinite(message)
            | Error::Device(message)
            | Error::ModelFile(message) => f.write_str(message),
            Error::Cancelled => f.write_str("cancelled by the caller"),
            Error::PopulationLimit { limit, time } => write!(
                f,
                "the population passed its limit of {limit} cells at time {time}; raise the limit, start from fewer \
                 cells or simulate weighted particles instead"
            ),
            Error::Io { path, message } => write!(f, "{}: {message}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// An [`Error::InvalidArgument`] from anything printable.
    pub(crate) fn argument(name: &str, value: impl fmt::Display, allowed: &str) -> Self {
        Error::InvalidArgument { name: name.into(), value: value.to_string(), allowed: allowed.into() }
    }

    /// An [`Error::Io`] for a path.
    pub(crate) fn io(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        Error::Io { path: path.into(), message: error.to_string() }
    }
}

/// Refuses a `value` that asks for more `numbers` (of four bytes) than the system can give, so that a slip of the hand
/// is an error and not the end of the process.
pub(crate) fn fits_in_memory(name: &str, value: impl fmt::Display, numbers: Option<usize>) -> Result<()> {
    // Reserving address space touches no memory, and is refused for what could never be had.
    let reserved = numbers.map(|numbers| Vec::<f32>::new().try_reserve_exact(numbers).is_ok());
    if reserved == Some(true) {
        Ok(())
    } else {
        Err(Error::argument(name, value, "less: it does not fit in memory"))
    }
}

/// `value` if it is positive and finite.
pub(crate) fn positive(name: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::argument(name, value, "positive and finite"))
    }
}
