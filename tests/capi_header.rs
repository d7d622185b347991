//! `include/chreode.h` is what cbindgen makes of `src/capi`. To write it anew:
//!
//! ```text
//! CHREODE_WRITE_HEADER=1 cargo test --release --test capi_header
//! ```

use std::fs;
use std::path::{Path, PathBuf};

/// The files of the C interface, in the order in which a reader of the header needs them.
const SOURCES: [&str; 16] = [
    "status",
    "library",
    "matrix",
    "options",
    "snapshots",
    "progress",
    "fit",
    "couple",
    "model",
    "field",
    "simulate",
    "evaluate",
    "validate",
    "fates",
    "work",
    "transport",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn generated() -> String {
    let root = root();
    let config = cbindgen::Config::from_file(root.join("include/cbindgen.toml")).unwrap();
    let sources = SOURCES.iter();
    let builder = sources.fold(cbindgen::Builder::new().with_config(config), |builder, name| {
        builder.with_src(root.join(format!("src/capi/{name}.rs")))
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// The stages that the header lists, in the words of the library.
#[test]
fn the_header_names_every_stage() {
    let header = fs::read_to_string(root().join("include/chreode.h")).unwrap();
    let start = header.find("What is being done.").unwrap();
    let listed = header[start..].split("The text lives").next().unwrap();
    let quoted: Vec<&str> = listed.split('"').skip(1).step_by(2).collect();
    assert_eq!(quoted, chreode::exec::progress::Stage::NAMES);
}

#[test]
fn the_header_is_what_the_sources_make() {
    let path = root().join("include/chreode.h");
    let generated = generated();
    if std::env::var_os("CHREODE_WRITE_HEADER").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "include/chreode.h is out of date from line {}: run CHREODE_WRITE_HEADER=1 cargo test --release --test capi_header",
        differing.map_or(committed.lines().count(), |line| line) + 1
    );
}
