//! Runs the command and reads what it says.

#![allow(dead_code)] // each test file uses a part

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What it said on stderr but for warnings, each a line.
    fn complaints(&self) -> String {
        let lines = self.stderr.lines().filter(|line| !line.starts_with("chreode: warning: "));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Its JSON, after checking that it succeeded and said nothing but warnings.
    pub fn json(&self) -> Value {
        self.succeeded();
        serde_json::from_str(&self.stdout).expect("stdout is one JSON value")
    }

    pub fn succeeded(&self) -> &Self {
        assert_eq!((self.code, self.complaints().as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// Its one line of complaint, after checking that it is one and that nothing else was said.
    pub fn complaint(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.one_line()
    }

    /// What it told of how it read the data, after checking that it succeeded and told nothing else.
    pub fn notes(&self) -> Vec<&str> {
        assert_eq!(self.code, Some(0), "{self:?}");
        let note = |line| str::strip_prefix(line, "chreode: note: ").unwrap_or_else(|| panic!("{self:?}"));
        self.stderr.lines().map(note).collect()
    }

    /// Its one line of complaint, after notes on how it read the data: exit code 1 or 2, no panic.
    pub fn one_line(&self) -> &str {
        assert!(matches!(self.code, Some(1 | 2)), "{self:?}");
        let text = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("{self:?}"));
        let mut lines = text.lines().skip_while(|line| line.starts_with("chreode: note: "));
        let line = lines.next().unwrap_or_else(|| panic!("{self:?}"));
        let is_last = lines.next().is_none() && text.ends_with(line);
        assert!(is_last && line.starts_with("chreode: ") && !line.contains("panicked"), "{self:?}");
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
    Outcome::of(command.output().unwrap())
}

/// Runs `chreode` in `folder` with arguments separated by spaces.
pub fn run(folder: &Path, arguments: &str) -> Outcome {
    chreode(folder, &arguments.split_whitespace().collect::<Vec<_>>())
}

/// Runs `chreode` in `folder` with arguments separated by spaces and something on standard input.
pub fn run_with_input(folder: &Path, arguments: &str, input: &[u8]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chreode"));
    command.current_dir(folder).args(arguments.split_whitespace());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Outcome::of(child.wait_with_output().unwrap())
}

/// Options of a fit that takes a moment.
pub const TINY: &str = "--epochs 3 --batch-size 8 --hidden 8x1";
