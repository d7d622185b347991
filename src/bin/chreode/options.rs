//! `chreode options`: every option of a fit, from the very definitions that the arguments are parsed by.

use clap::{Arg, Args, CommandFactory};
use serde_json::json;

use crate::Cli;
use crate::failure::Result;
use crate::fit::FitArgs;
use crate::output::{print, print_json};

#[derive(Debug, Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    pub fn run(self) -> Result<()> {
        let command = FitArgs::augment_args(clap::Command::new("fit"));
        let common = Cli::command();
        let threads = common.get_arguments().filter(|arg| arg.get_id() == "threads");
        let options: Vec<Described> = command.get_arguments().chain(threads).map(Described::of).collect();
        if self.json {
            return print_json(&options.iter().map(Described::as_json).collect());
        }
        print(&options.iter().map(Described::as_text).collect::<Vec<_>>().join("\n"))
    }
}

/// An option as its definition describes it.
struct Described {
    name: String,
    kind: String,
    default: Option<String>,
    range: Option<String>,
    meaning: String,
}

impl Described {
    /// The help's first paragraph is the meaning; others begin with `Range:` and `Default:`.
    fn of(arg: &Arg) -> Self {
        let text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let mut paragraphs = text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
        let meaning = paragraphs.next().unwrap_or_default();
        let rest: Vec<String> = paragraphs.collect();
        let told = |what: &str| {
            let found = rest.iter().find_map(|paragraph| paragraph.strip_prefix(what));
            found.map(|text| text.trim().trim_end_matches('.').to_string())
        };
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|v| v.get_name().to_string()).collect();
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let kind = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_lowercase());
        Self {
            name: arg.get_long().unwrap_or_default().into(),
            kind: if values.is_empty() { kind.unwrap_or_default() } else { "name".into() },
            default: default.or_else(|| told("Default:")),
            range: if values.is_empty() { told("Range:") } else { Some(values.join(" | ")) },
            meaning,
        }
    }

    fn as_json(&self) -> serde_json::Value {
        let Self { name, kind, default, range, meaning } = self;
        json!({ "name": name, "type": kind, "default": default, "range": range, "meaning": meaning })
    }

    fn as_text(&self) -> String {
        let mut text = format!("--{} <{}>\n    {}\n", self.name, self.kind, self.meaning);
        for (what, value) in [("range", &self.range), ("default", &self.default)] {
            if let Some(value) = value {
                text += &format!("    {what}: {value}\n");
            }
        }
        text
    }
}
