//! Where the tests of the C interface find the header, the libraries and the tools, and how they compile programs against
//! them.

#![allow(dead_code)] // each test file uses a part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the crate.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The folder of the libraries that cargo built together with the running test: `libchreode.so` and `libchreode.a`.
pub fn libraries() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().to_path_buf()
}

/// The number of the binary interface, as the header tells it.
pub fn abi() -> String {
    let header = std::fs::read_to_string(root().join("include/chreode.h")).unwrap();
    let number = header.lines().find_map(|line| line.strip_prefix("#define CHREODE_ABI_VERSION "));
    number.unwrap().to_string()
}

/// An empty folder of the running test's own.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The first program in this language on a page of the repository.
pub fn program_of(page: &str, language: &str) -> String {
    let page = std::fs::read_to_string(root().join(page)).unwrap();
    let after = page.split(&format!("```{language}\n")).nth(1).unwrap();
    after.split("```").next().unwrap().to_string()
}

/// What programs are linked with.
pub enum Library {
    /// `libchreode.so`, found again by the folder that it lies in.
    Shared,
    /// `libchreode.a`, and what a static Rust library needs on Linux.
    Static,
}

#[cfg(unix)]
impl Library {
    /// The arguments for the linker, of a program in `folder`.
    pub fn arguments(&self, folder: &Path) -> Vec<String> {
        match self {
            Self::Static => {
                let library = libraries().join("libchreode.a").display().to_string();
                let system = ["-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];
                [library].into_iter().chain(system.map(String::from)).collect()
            }
            Self::Shared => {
                link_names(folder);
                let at = folder.display();
                let own = [format!("-L{at}"), "-lchreode".into(), format!("-Wl,-rpath,{at}")];
                own.into_iter().chain(["-lpthread".into(), "-lm".into()]).collect()
            }
        }
    }
}

/// The shared library in `folder`, under the names by which linkers and programs find it.
#[cfg(unix)]
fn link_names(folder: &Path) {
    let (ending, number) = (std::env::consts::DLL_SUFFIX, abi());
    let library = libraries().join(format!("libchreode{ending}"));
    let with_number = if cfg!(target_os = "macos") {
        format!("libchreode.{number}{ending}")
    } else {
        format!("libchreode{ending}.{number}")
    };
    for name in [format!("libchreode{ending}"), with_number] {
        std::os::unix::fs::symlink(&library, folder.join(name)).unwrap();
    }
}

/// What valgrind finds wrong with a program is a failure: leaks, and memory that is not the program's own.
pub fn under_valgrind(program: &Path) -> Command {
    let suppressions = format!("--suppressions={}", root().join("tests/c/valgrind.supp").display());
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full", "--num-callers=30", &suppressions]);
    valgrind.arg(program);
    valgrind
}

/// Whether a tool is there; if not, that is said on stderr, and is a failure in CI.
pub fn has(tool: &str) -> bool {
    needed(tool, Command::new(tool).arg("--version").output().is_ok())
}

/// Says on stderr what a test cannot do without, if it is not there; in CI that is a failure.
pub fn needed(what: &str, found: bool) -> bool {
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{what} is missing in CI");
        eprintln!("SKIPPED: there is no {what}");
    }
    found
}

/// Runs a command that must succeed, and returns what it said.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} ended with {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}
