//! `chreode options`: every option of a fit, from the library's list.

use chreode::FitOptions;
use chreode::method::Method;
use chreode::options::{Description, Entry, Target};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::failure::Result;
use crate::output::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// Only the options that this method takes, with its defaults
    #[arg(long, value_parser = PossibleValuesParser::new(Method::NAMES.iter().copied()))]
    method: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<()> {
        let options: Vec<Description> = match &self.method {
            None => FitOptions::ENTRIES.iter().map(Entry::describe).collect(),
            Some(name) => {
                let of_method = FitOptions::new(name.parse()?);
                let taken = FitOptions::ENTRIES.iter().filter(|entry| of_method.takes(entry.name));
                taken.map(|entry| entry.describe_for(&of_method)).collect()
            }
        };
        if self.json {
            return print_json(&options.into_iter().map(as_json).collect());
        }
        print(&options.into_iter().map(as_text).collect::<Vec<_>>().join("\n"))
    }
}

fn as_json(option: Description) -> serde_json::Value {
    let others =
        option.other_defaults.iter().map(|(value, methods)| json!({ "default": value, "methods": methods }));
    json!({
        "name": dashed(option.name), "type": option.kind, "default": option.default,
        "other_defaults": others.collect::<serde_json::Value>(), "range": option.range,
        "meaning": option.meaning, "methods": option.takers,
    })
}

fn as_text(option: Description) -> String {
    let takers = match &option.takers[..] {
        [] => String::new(),
        takers => format!("    of: {}\n", takers.join(", ")),
    };
    format!(
        "--{} <{}>\n    {}\n{takers}    range: {}\n    default: {}\n",
        dashed(option.name),
        option.kind,
        option.meaning,
        option.range,
        option.defaults()
    )
}

/// The name as a flag spells it.
fn dashed(name: &str) -> String {
    name.replace('_', "-")
}
