//! Options by name.

use std::any::Any;
use std::ffi::{CString, c_char};

use super::pointers::{borrow, borrow_mut, clear, fill_text, free, give, put, text};
use super::status::chreode_status::CHREODE_ERROR_INVALID_ARGUMENT;
use super::status::{Failure, chreode_status, guard, guard_free};
use crate::datasets::{BranchingTree, GaussianMixture, GeneNetwork};
use crate::error::{Error, Result};
use crate::evaluate::protocol::Protocol;
use crate::evaluate::validation::ValidationOptions;
use crate::fates::FateOptions;
use crate::method::FitOptions;
use crate::options::validate::Request;
use crate::options::{Description, Settings, Target, nearest, text_of_real};
use crate::simulate::simulation::Simulation;
use crate::transport::solver::TransportOptions;

/// Options of one list, set by name; what is not set is what it is by default. The lists are those of
/// `chreode_capabilities`: "fit", "simulate", "evaluate", "validate", "fates", "transport", and one for each built-in data set.
pub struct chreode_options {
    settings: Box<dyn Configure>,
    described: Vec<Texts>,
}

/// One option in words, in UTF-8. The texts live as long as the options that were asked. This struct will not grow.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct chreode_option {
    /// Its name.
    pub name: *const c_char,
    /// "real", "integer", "name", "widths" (of hidden layers: "256x5" or "256,128") or "switch" ("true" or "false").
    pub kind: *const c_char,
    /// Its default: a value, or the rule by which one is chosen. Where methods differ, that of the default method.
    pub default_value: *const c_char,
    /// The values that are allowed.
    pub range: *const c_char,
    /// What it means; in brackets the methods or modes that take it, where not all do; then the defaults of all methods, where
    /// they differ.
    pub meaning: *const c_char,
}

/// A [`Description`] as C reads it.
struct Texts {
    name: CString,
    kind: CString,
    default: CString,
    range: CString,
    meaning: CString,
}

impl Texts {
    fn of(description: Description) -> Self {
        // None of the library's texts holds a NUL.
        let c = |text: &str| CString::new(text).unwrap_or_default();
        let meaning = match description.other_defaults.is_empty() {
            true => description.meaning_and_takers(),
            false => format!("{}; default {}", description.meaning_and_takers(), description.defaults()),
        };
        Self {
            name: c(description.name),
            kind: c(description.kind),
            default: c(&description.default),
            range: c(&description.range),
            meaning: c(&meaning),
        }
    }
}

/// [`Settings`] of any target.
trait Configure: Any + Send + Sync {
    fn list(&self) -> &'static str;
    fn set(&mut self, name: &str, text: &str) -> Result<()>;
    fn set_real(&mut self, name: &str, value: f64) -> Result<()>;
    fn set_integer(&mut self, name: &str, value: i64) -> Result<()>;
    fn unset(&mut self, name: &str) -> Result<()>;
    fn get(&self, name: &str) -> Result<Option<&str>>;
}

impl<T: Target> Configure for Settings<T> {
    fn list(&self) -> &'static str {
        T::LIST
    }

    fn set(&mut self, name: &str, text: &str) -> Result<()> {
        Settings::set(self, name, text)
    }

    fn set_real(&mut self, name: &str, value: f64) -> Result<()> {
        Settings::set_real(self, name, value)
    }

    fn set_integer(&mut self, name: &str, value: i64) -> Result<()> {
        Settings::set_integer(self, name, value)
    }

    fn unset(&mut self, name: &str) -> Result<()> {
        Settings::unset(self, name)
    }

    fn get(&self, name: &str) -> Result<Option<&str>> {
        Settings::get(self, name)
    }
}

impl Configure for Request {
    fn list(&self) -> &'static str {
        ValidationOptions::LIST
    }

    fn set(&mut self, name: &str, text: &str) -> Result<()> {
        Request::set(self, name, text)
    }

    fn set_real(&mut self, name: &str, value: f64) -> Result<()> {
        Request::set(self, name, &text_of_real(value))
    }

    fn set_integer(&mut self, name: &str, value: i64) -> Result<()> {
        Request::set(self, name, &value.to_string())
    }

    fn unset(&mut self, name: &str) -> Result<()> {
        Request::unset(self, name)
    }

    fn get(&self, name: &str) -> Result<Option<&str>> {
        Request::get(self, name)
    }
}

/// Empty options of each list, by its name.
type Make = fn() -> chreode_options;
const LISTS: &[(&str, Make)] = &[
    (FitOptions::LIST, chreode_options::empty::<FitOptions>),
    (Simulation::LIST, chreode_options::empty::<Simulation>),
    (Protocol::LIST, chreode_options::empty::<Protocol>),
    (ValidationOptions::LIST, chreode_options::validation),
    (FateOptions::LIST, chreode_options::empty::<FateOptions>),
    (TransportOptions::LIST, chreode_options::empty::<TransportOptions>),
    (GeneNetwork::LIST, chreode_options::empty::<GeneNetwork>),
    (GaussianMixture::LIST, chreode_options::empty::<GaussianMixture>),
    (BranchingTree::LIST, chreode_options::empty::<BranchingTree>),
];

/// The names of all lists.
pub(super) fn lists() -> impl Iterator<Item = &'static str> {
    LISTS.iter().map(|(name, _)| *name)
}

impl chreode_options {
    fn empty<T: Target>() -> Self {
        let described = T::ENTRIES.iter().map(|entry| Texts::of(entry.describe())).collect();
        Self { settings: Box::new(Settings::<T>::default()), described }
    }

    fn validation() -> Self {
        let described = Request::describe().map(Texts::of).collect();
        Self { settings: Box::new(Request::default()), described }
    }

    /// The name of the list.
    pub(super) fn list(&self) -> &'static str {
        self.settings.list()
    }

    /// What the options make, if they are of the list of `T`.
    pub(super) fn build<T: Target>(&self) -> std::result::Result<T, Failure> {
        Ok(self.settings_of::<Settings<T>>(T::LIST)?.build()?)
    }

    /// The settings themselves, if they are those of the list.
    fn settings_of<S: 'static>(&self, list: &str) -> std::result::Result<&S, Failure> {
        let settings: &dyn Any = self.settings.as_ref();
        settings.downcast_ref::<S>().ok_or_else(|| {
            let given = format!("`{}`", self.list());
            Error::argument("the list of the options", given, &format!("`{list}`")).into()
        })
    }
}

/// What a caller's options make; the defaults where they are NULL.
///
/// # Safety
/// `options` is NULL or points to options.
pub(super) unsafe fn build<T: Target>(options: *const chreode_options) -> std::result::Result<T, Failure> {
    if options.is_null() {
        return Ok(T::initial());
    }
    // SAFETY: the same contract.
    unsafe { borrow("options", options) }?.build()
}

/// The options that a caller has set; none where they are NULL.
///
/// # Safety
/// `options` is NULL or points to options.
pub(super) unsafe fn settings<T: Target>(
    options: *const chreode_options,
) -> std::result::Result<Settings<T>, Failure> {
    if options.is_null() {
        return Ok(Settings::default());
    }
    // SAFETY: the same contract.
    Ok(unsafe { borrow("options", options) }?.settings_of::<Settings<T>>(T::LIST)?.clone())
}

/// What a caller asks of a validation; the defaults where the options are NULL.
///
/// # Safety
/// `options` is NULL or points to options.
pub(super) unsafe fn validation_of(options: *const chreode_options) -> std::result::Result<Request, Failure> {
    if options.is_null() {
        return Ok(Request::default());
    }
    // SAFETY: the same contract.
    Ok(unsafe { borrow("options", options) }?.settings_of::<Request>(ValidationOptions::LIST)?.clone())
}

/// Makes options of the list `list`, of which none is set yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_new(
    list: *const c_char,
    options: *mut *mut chreode_options,
) -> chreode_status {
    guard(|| {
        // SAFETY: the conventions of the header.
        unsafe {
            clear("options", options)?;
            let name = text("list", list)?;
            let found = LISTS.iter().find(|(known, _)| *known == name);
            let (_, make) = found.ok_or_else(|| {
                let allowed = format!(
                    "one of {} (nearest: {})",
                    lists().collect::<Vec<_>>().join(" "),
                    nearest(name, lists())
                );
                Error::argument("list", name, &allowed)
            })?;
            give("options", options, make())
        }
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_free(options: *mut chreode_options) {
    // SAFETY: the conventions of the header.
    guard_free(|| unsafe { free(options) });
}

/// Sets an option from a real number; a whole one will do for an integer. An unknown name is answered with the nearest one.
/// The order in which options are set does not matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_set_real(
    options: *mut chreode_options,
    name: *const c_char,
    value: f64,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { Ok(borrow_mut("options", options)?.settings.set_real(text("name", name)?, value)?) })
}

/// Sets an option from an integer. Numbers beyond its range, seeds above 2^63 for instance, can be set as text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_set_integer(
    options: *mut chreode_options,
    name: *const c_char,
    value: i64,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { Ok(borrow_mut("options", options)?.settings.set_integer(text("name", name)?, value)?) })
}

/// Sets an option of any kind from text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_set_string(
    options: *mut chreode_options,
    name: *const c_char,
    value: *const c_char,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        Ok(borrow_mut("options", options)?.settings.set(text("name", name)?, text("value", value)?)?)
    })
}

/// Gives an option its default back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_unset(
    options: *mut chreode_options,
    name: *const c_char,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { Ok(borrow_mut("options", options)?.settings.unset(text("name", name)?)?) })
}

/// Gets the text of an option that was set (size, then fill); the empty text if it was not, and is what it is by default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_get(
    options: *const chreode_options,
    name: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    size: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe {
        let value = borrow("options", options)?.settings.get(text("name", name)?)?;
        fill_text(value.unwrap_or_default(), buffer, capacity, size)
    })
}

/// Tells how many options there are in the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_count(
    options: *const chreode_options,
    count: *mut usize,
) -> chreode_status {
    // SAFETY: the conventions of the header.
    guard(|| unsafe { put("count", count, borrow("options", options)?.described.len()) })
}

/// Describes the option number `index` of the list, counted from 0, whether it is set or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chreode_options_describe(
    options: *const chreode_options,
    index: usize,
    option: *mut chreode_option,
) -> chreode_status {
    guard(|| {
        // SAFETY: the conventions of the header.
        let described = unsafe { &borrow("options", options)?.described };
        let Texts { name, kind, default, range, meaning } = described.get(index).ok_or_else(|| {
            let message = format!("index must be below {}, got {index}", described.len());
            Failure::new(CHREODE_ERROR_INVALID_ARGUMENT, message)
        })?;
        let found = chreode_option {
            name: name.as_ptr(),
            kind: kind.as_ptr(),
            default_value: default.as_ptr(),
            range: range.as_ptr(),
            meaning: meaning.as_ptr(),
        };
        // SAFETY: the conventions of the header.
        unsafe { put("option", option, found) }
    })
}
