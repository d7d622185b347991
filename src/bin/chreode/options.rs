//! `chreode options`: every option of a fit, from the library's list.

use chreode::FitOptions;
use chreode::options::{Description, Entry, Target};
use clap::Args;
use serde_json::json;

use crate::failure::Result;
use crate::output::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<()> {
        let options = FitOptions::ENTRIES.iter().map(Entry::describe);
        if self.json {
            return print_json(&options.map(as_json).collect());
        }
        print(&options.map(as_text).collect::<Vec<_>>().join("\n"))
    }
}

fn as_json(option: Description) -> serde_json::Value {
    let Description { name, kind, default, range, meaning, .. } = option;
    json!({ "name": dashed(name), "type": kind, "default": default, "range": range, "meaning": meaning })
}

fn as_text(option: Description) -> String {
    let Description { name, kind, default, range, meaning, .. } = option;
    format!("--{} <{kind}>\n    {meaning}\n    range: {range}\n    default: {default}\n", dashed(name))
}

/// The name as a flag spells it.
fn dashed(name: &str) -> String {
    name.replace('_', "-")
}
