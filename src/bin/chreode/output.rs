//! What a command gives back: text and JSON on stdout, files that are whole or not there.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use chreode::method::FitReport;
use chreode::snapshots::Snapshots;
use chreode::transport::whole::WholeGap;
use serde_json::Value;

use crate::columns::numbered;
use crate::failure::{Failure, Result};
use crate::written::{Cells, Values, beside, extension, write_cells};

/// Prints to stdout; a reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells on stderr what a reader should know of how the data were read; results on stdout stay as they are.
pub fn note(text: &str) {
    // Nobody can be told that stderr is closed.
    let _ = writeln!(std::io::stderr(), "chreode: note: {}", text.replace(['\n', '\r'], " "));
}

/// Prints one line of JSON.
pub fn print_json(value: &Value) -> Result<()> {
    print(&value.to_string())
}

/// Tells on stderr why a result may mean little, one sentence a line.
pub fn warn(warnings: &[String]) {
    // Whoever has closed stderr does not want to know.
    warnings.iter().for_each(|warning| drop(writeln!(std::io::stderr(), "chreode: warning: {warning}")));
}

/// Refuses an output file that could not be written, before hours are spent on what it is to hold.
pub fn check_writable(path: &Path) -> Result<()> {
    if extension(path) == "npy" {
        // What an array cannot hold is written beside it.
        check_table_writable(&beside(path))?;
    }
    check_table_writable(path)
}

/// The same of a table without coordinates, which is one file of any kind.
pub fn check_table_writable(path: &Path) -> Result<()> {
    let failed = |what: &str| Failure::Failed(format!("{}: cannot be written: {what}", path.display()));
    let Some(name) = path.file_name() else { return Err(failed("not the name of a file")) };
    if path.is_dir() {
        return Err(failed("it is a folder"));
    }
    let mut probe = name.to_os_string();
    probe.push(format!(".{}.probe", std::process::id()));
    let probe = path.with_file_name(probe);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .map_err(|error| failed(&error.to_string()))?;
    fs::remove_file(&probe).map_err(|error| failed(&error.to_string()))
}

/// A folder of files that are all there or none: they are written beside their places, and moved there when all are whole.
pub struct Folder {
    path: PathBuf,
    partial: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
}

impl Folder {
    /// Makes the folder, if it is not there; refuses one that could not be written to, before hours are spent on what it is to hold.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::Failed(format!("{}: cannot be written: {error}", path.display()))
        };
        let is_new = !path.is_dir();
        fs::create_dir_all(path).map_err(failed)?;
        let partial = path.join(format!(".{}.partial", std::process::id()));
        let folder = Self { path: path.into(), partial, is_new };
        fs::create_dir(&folder.partial).map_err(failed)?;
        Ok(folder)
    }

    /// Where to write the file that is to have this name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Moves all files to their places.
    pub fn finish(self) -> Result<()> {
        let moved = || -> std::io::Result<()> {
            for file in fs::read_dir(&self.partial)? {
                let file = file?;
                fs::rename(file.path(), self.path.join(file.file_name()))?;
            }
            Ok(())
        };
        moved().map_err(|error| Failure::Failed(format!("{}: {error}", self.path.display())))
    }
}

impl Drop for Folder {
    /// Leaves nothing of files that were not all written, and no empty folder that was not there. What cannot be removed stays.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.partial);
        if self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Writes snapshots as the commands read them, `samples` beside the coordinates x1 … xd; tells in words what was written.
pub fn write_snapshots(path: &Path, snapshots: &Snapshots) -> Result<String> {
    let times = snapshots.times().iter().enumerate();
    let times = times.flat_map(|(k, &time)| std::iter::repeat_n(time, snapshots.count(k)));
    let cells = Cells {
        columns: vec![("samples".into(), Values::Real(times.collect()))],
        names: numbered(snapshots.dims()),
        points: snapshots.all_cells().collect(),
    };
    write_cells(path, &cells)
}

/// Columns of text: numbers aligned to the right, words to the left.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([header[i].chars().count()]).max().unwrap_or(0)
    };
    let is_number = |i: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(i)).filter(|cell| !cell.is_empty());
        cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-') || cell == "mean")
    };
    let layout: Vec<(usize, bool)> = (0..header.len()).map(|i| (width(i), is_number(i))).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&layout).map(|(cell, &(width, is_number))| {
            if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    let mut text = line(&mut header.iter().copied());
    text.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    text
}

/// The gap of a whole coupling as estimated from its blocks, with its standard error where it has one.
pub fn estimate(gap: &WholeGap) -> String {
    if gap.relative >= 1.0 {
        "1, which says nothing".into()
    } else if gap.standard_error == 0.0 {
        short(gap.relative)
    } else {
        format!("{:.2e} ± {:.0e}", gap.relative, gap.standard_error)
    }
}

/// A number to four significant figures.
pub fn short(x: f64) -> String {
    rounded(x, 4)
}

/// A number to some significant figures.
pub fn rounded(x: f64, figures: i32) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let magnitude = x.abs().log10().floor() as i32;
    if !(-4..7).contains(&magnitude) {
        return format!("{x:.*e}", (figures - 1).max(0) as usize);
    }
    let decimals = (figures - 1 - magnitude).max(0) as usize;
    let text = format!("{x:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

/// A duration in seconds, to be read.
pub fn seconds(s: f64) -> String {
    if s < 60.0 { format!("{s:.1} s") } else { format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0) }
}

/// The most memory that this process has held, in bytes, where the system tells.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// How fast growth is beside λ, where there is a λ, and what that means.
pub fn growth_beside_branching(report: &FitReport) -> Option<String> {
    let ratio = short(report.growth_over_branching_rate?);
    Some(format!(
        "|g|/λ at most {ratio}: the price of growth, ½δ²g², is that of branching Brownian motion only far below 1"
    ))
}
