//! Errors as JSON: why training ended early, why a recipe has no scores. What is read is the same error.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::reading::{Fields, unusable};
use crate::error::{Error, Result};

/// The kinds that are nothing but a message.
type OfMessage = fn(String) -> Error;
const MESSAGES: [(&str, OfMessage); 6] = [
    ("invalid-data", Error::InvalidData),
    ("infeasible", Error::Infeasible),
    ("not-converged", Error::NotConverged),
    ("non-finite", Error::NonFinite),
    ("device", Error::Device),
    ("model-file", Error::ModelFile),
];

pub(super) fn to_json(error: &Error) -> Value {
    let message = |at: usize, message: &String| json!({ "kind": MESSAGES[at].0, "message": message });
    match error {
        Error::InvalidArgument { name, value, allowed } => {
            json!({ "kind": "invalid-argument", "name": name, "value": value, "allowed": allowed })
        }
        Error::InvalidData(text) => message(0, text),
        Error::Infeasible(text) => message(1, text),
        Error::NotConverged(text) => message(2, text),
        Error::NonFinite(text) => message(3, text),
        Error::Device(text) => message(4, text),
        Error::ModelFile(text) => message(5, text),
        Error::Cancelled => json!({ "kind": "cancelled" }),
        Error::PopulationLimit { limit, time } => {
            json!({ "kind": "population-limit", "limit": limit, "time": time })
        }
        Error::Io { path, message } => {
            json!({ "kind": "io", "path": path.to_string_lossy(), "message": message })
        }
    }
}

pub(super) fn of_json(fields: &Fields<'_>) -> Result<Error> {
    let text = |name: &str| fields.text(name).map(String::from);
    Ok(match fields.text("kind")? {
        "invalid-argument" => {
            Error::InvalidArgument { name: text("name")?, value: text("value")?, allowed: text("allowed")? }
        }
        "cancelled" => Error::Cancelled,
        "population-limit" => {
            Error::PopulationLimit { limit: fields.count("limit")?, time: fields.real("time")? }
        }
        "io" => Error::Io { path: PathBuf::from(text("path")?), message: text("message")? },
        kind => {
            let known = MESSAGES.iter().find(|(known, _)| *known == kind);
            let (_, make) = known.ok_or_else(|| unusable(format!("an error of the kind `{kind}`")))?;
            make(text("message")?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_as_they_were_written() {
        let texts = MESSAGES.iter().map(|(kind, make)| make(format!("of the {kind}")));
        let others = [
            Error::argument("delta", -1, "positive"),
            Error::Cancelled,
            Error::PopulationLimit { limit: 7, time: 0.1 + 0.2 },
            Error::Io { path: "a/b".into(), message: "no".into() },
        ];
        for error in texts.chain(others) {
            assert_eq!(of_json(&Fields(&to_json(&error))), Ok(error));
        }
    }
}
