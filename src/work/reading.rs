//! Typed access to the JSON of plans and parts, with errors that name the field.

use serde_json::Value;

use super::data::Fingerprint;
use crate::error::Result;
pub(super) use crate::exec::arrays::unusable;

/// A JSON object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Result<&'a Value> {
        self.0.get(name).ok_or_else(|| unusable(format!("the field `{name}` is missing")))
    }

    fn read<T>(&self, name: &str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T> {
        read(self.get(name)?).ok_or_else(|| unusable(format!("the field `{name}` is not {what}")))
    }

    pub(super) fn fields(&self, name: &str) -> Result<Fields<'a>> {
        self.get(name).map(Fields)
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        self.read(name, "a text", Value::as_str)
    }

    pub(super) fn fingerprint(&self, name: &str) -> Result<Fingerprint> {
        self.read(name, "a fingerprint", |value| Fingerprint::parse(value.as_str()?))
    }

    pub(super) fn real(&self, name: &str) -> Result<f64> {
        self.read(name, "a number", Value::as_f64)
    }

    /// A number, or null.
    pub(super) fn optional_real(&self, name: &str) -> Result<Option<f64>> {
        if self.get(name)?.is_null() { Ok(None) } else { self.real(name).map(Some) }
    }

    pub(super) fn count(&self, name: &str) -> Result<usize> {
        self.read(name, "a count", count)
    }

    pub(super) fn counts(&self, name: &str) -> Result<Vec<usize>> {
        self.list(name, count)
    }

    pub(super) fn reals(&self, name: &str) -> Result<Vec<f64>> {
        self.list(name, Value::as_f64)
    }

    pub(super) fn pair(&self, name: &str) -> Result<(f64, f64)> {
        match self.reals(name)?[..] {
            [a, b] => Ok((a, b)),
            _ => Err(unusable(format!("the field `{name}` is not a pair of numbers"))),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        self.list(name, |value| value.as_str().map(String::from))
    }

    pub(super) fn list<T>(&self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Vec<T>> {
        let all = |list: &'a Value| list.as_array()?.iter().map(read).collect();
        self.read(name, "a list of what it should hold", all)
    }

    pub(super) fn all_counts(value: &Value) -> Option<Vec<usize>> {
        value.as_array()?.iter().map(count).collect()
    }
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}
