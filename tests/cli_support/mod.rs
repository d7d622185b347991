//! Runs the command and reads what it says.

#![allow(dead_code)] // each test file uses a part

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A folder of a test's own, empty.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// How a call ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Its JSON, after checking that it succeeded silently.
    pub fn json(&self) -> Value {
        self.succeeded();
        serde_json::from_str(&self.stdout).expect("stdout is one JSON value")
    }

    pub fn succeeded(&self) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// Its one line of complaint, after checking that it is one and that nothing else was said.
    pub fn complaint(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.one_line()
    }

    /// Its one line of complaint: exit code 1 or 2, no panic.
    pub fn one_line(&self) -> &str {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{self:?}"));
        assert!(
            line.starts_with("chreode: ") && !line.contains('\n') && !line.contains("panicked"),
            "{self:?}"
        );
        line
    }
}

/// Runs `chreode` in `folder`.
pub fn chreode(folder: &Path, arguments: &[&str]) -> Outcome {
    chreode_with(&[], folder, arguments)
}

/// Runs `chreode` in `folder`, with more environment variables.
pub fn chreode_with(environment: &[(&'static str, OsString)], folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chreode"));
    command.current_dir(folder).args(arguments).envs(environment.iter().cloned());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `chreode` in `folder` with arguments separated by spaces.
pub fn run(folder: &Path, arguments: &str) -> Outcome {
    chreode(folder, &arguments.split_whitespace().collect::<Vec<_>>())
}

/// Options of a fit that takes a moment.
pub const TINY: &str = "--epochs 3 --batch-size 8 --hidden 8x1";
