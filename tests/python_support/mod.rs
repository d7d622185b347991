//! The Python that drives tests of bindings.

#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that has what a test needs.
pub struct Python(String);

impl Python {
    /// `CHREODE_PYTHON`, else python3, if it has `modules`; if not, that is said on stderr, and is a failure in CI.
    pub fn find(modules: &[&str]) -> Option<Self> {
        Self::named("CHREODE_PYTHON", modules)
    }

    /// As [`find`](Self::find), of another environment, whose interpreter that variable names.
    pub fn named(variable: &str, modules: &[&str]) -> Option<Self> {
        let name = std::env::var(variable).unwrap_or_else(|_| "python3".into());
        let python = Self(name);
        let imports = modules.iter().map(|module| format!("import {module}\n")).collect::<String>();
        let tried = python.command().args(["-c", &imports]).output();
        let missing = match tried {
            Ok(output) if output.status.success() => return Some(python),
            Ok(output) => {
                String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_string()
            }
            Err(error) => error.to_string(),
        };
        let told = format!("{} cannot run this test: {missing}", python.0);
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{told}");
        eprintln!("SKIPPED: {told}");
        None
    }

    /// Its name, or where it is.
    pub fn path(&self) -> &str {
        &self.0
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH");
        command
    }
}

/// Python's `read_parquet(path)`, for programs to begin with: by path and on one thread, as Arrow's threads may outlive the reading and
/// then abort an interpreter that ends ("terminate called without an active exception": apache/arrow 34314, 50482).
pub const READ_PARQUET: &str = "
from pyarrow import parquet
def read_parquet(path):
    return parquet.read_table(path, use_threads=False, pre_buffer=False).to_pandas(use_threads=False)
";

/// A folder of cargo's for what a test makes.
pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
