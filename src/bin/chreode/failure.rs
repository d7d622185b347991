//! How a command fails: one line, and an exit code that tells a wrong call from a computation that did not succeed.

use std::fmt;
use std::process::ExitCode;

use chreode::Error;
use clap::error::ErrorKind;

/// Why a command did not succeed, in one line.
#[derive(Debug)]
pub enum Failure {
    /// The call was wrong: exit code 2.
    Usage(String),
    /// The data, a file or a computation was: exit code 1.
    Failed(String),
}

/// The result of every step of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// clap's explanation, which spans several lines, in one.
    pub fn of_arguments(error: &clap::Error) -> Self {
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Failure::Usage("a command is needed (see --help)".into());
        }
        let text = error.to_string();
        let told = text.split("\n\nUsage:").next().unwrap_or_default();
        let told = told.split("\n\nFor more information").next().unwrap_or_default();
        let words: Vec<&str> = told.trim_start_matches("error: ").split_whitespace().collect();
        Failure::Usage(format!("{} (see --help)", words.join(" ")))
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidArgument { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Usage(message) | Failure::Failed(message)) = self;
        // A file's name or content may hold a line break; the message is one line all the same.
        f.write_str(&message.replace(['\n', '\r'], " "))
    }
}
