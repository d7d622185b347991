//! The binary interface moves only with its number: what `include/abi.txt` lists under a number stays as it is.
//!
//! After adding something, or after raising `CHREODE_ABI_VERSION` for a change:
//!
//! ```text
//! CHREODE_WRITE_ABI=1 cargo test --release --test capi_abi
//! ```

mod capi_support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use capi_support::{abi, has, libraries, root, succeed};

/// The header without comments, conditionals and line breaks; definitions of numbers are kept.
fn declarations(header: &str) -> (Vec<String>, Vec<String>) {
    let mut text = String::new();
    let mut rest = header;
    while let Some(start) = rest.find("/*") {
        text += &rest[..start];
        rest = &rest[start + rest[start..].find("*/").unwrap() + 2..];
    }
    text += rest;
    let (mut defines, mut code) = (vec![], String::new());
    for line in text.lines().map(|line| line.split("//").next().unwrap().trim()) {
        if let Some(define) = line.strip_prefix("#define CHREODE_").filter(|define| define.contains(' ')) {
            defines.push(format!("CHREODE_{define}"));
        }
        if !line.starts_with('#') {
            code += line;
            code.push(' ');
        }
    }
    let code = code.replace("extern \"C\" {", "");
    let (mut depth, mut statement, mut statements) = (0, String::new(), vec![]);
    for c in code.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ';' && depth == 0 {
            statements.push(statement.split_whitespace().collect::<Vec<_>>().join(" "));
            statement.clear();
        } else {
            statement.push(c);
        }
    }
    (defines, statements)
}

/// Everything that a program built against the header relies on, one line each.
fn interface(header: &str) -> BTreeSet<String> {
    let (defines, statements) = declarations(header);
    let mut lines: BTreeSet<String> = defines.into_iter().map(|define| format!("number {define}")).collect();
    lines.retain(|line| !line.starts_with("number CHREODE_ABI_VERSION"));
    for statement in statements {
        let inside = || statement[statement.find('{').unwrap() + 1..statement.rfind('}').unwrap()].trim();
        if statement.starts_with("enum ") {
            let constants = inside().split(',').map(str::trim).filter(|constant| !constant.is_empty());
            lines.extend(constants.map(|constant| format!("number {constant}")));
        } else if statement.ends_with("} chreode_progress") {
            // It may grow at its end.
            let members = inside().split(';').map(str::trim).filter(|member| !member.is_empty());
            lines.extend(
                members.enumerate().map(|(i, member)| format!("member {i} of chreode_progress: {member}")),
            );
        } else if statement.contains('(') && !statement.starts_with("typedef") {
            lines.insert(format!("function {statement}"));
        } else {
            lines.insert(format!("type {statement}"));
        }
    }
    lines
}

fn header() -> String {
    fs::read_to_string(root().join("include/chreode.h")).unwrap()
}

/// The names of the header's functions.
fn functions(header: &str) -> BTreeSet<String> {
    let (_, statements) = declarations(header);
    let functions =
        statements.iter().filter(|statement| statement.contains('(') && !statement.starts_with("typedef"));
    functions
        .map(|statement| {
            let before = statement.split('(').next().unwrap();
            before.rsplit([' ', '*']).next().unwrap().to_string()
        })
        .collect()
}

#[test]
fn nothing_changes_or_disappears_unless_the_number_moves() {
    let path = root().join("include/abi.txt");
    let listed = fs::read_to_string(&path).unwrap();
    let header = header();
    let (number, now) = (abi(), interface(&header));
    let recorded: BTreeSet<String> = listed.lines().skip(1).map(String::from).collect();
    let same_number = listed.lines().next() == Some(&format!("abi {number}"));
    if same_number {
        let lost: Vec<&String> = recorded.difference(&now).collect();
        assert!(lost.is_empty(), "changed or gone: raise CHREODE_ABI_VERSION\n{lost:#?}");
    }
    if std::env::var_os("CHREODE_WRITE_ABI").is_some() {
        let text: String = now.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, format!("abi {number}\n{text}")).unwrap();
        return;
    }
    let advice = "run CHREODE_WRITE_ABI=1 cargo test --release --test capi_abi";
    assert!(same_number, "the number has moved to {number}: {advice}");
    let new: Vec<&String> = now.difference(&recorded).collect();
    assert!(new.is_empty(), "not listed in include/abi.txt yet: {advice}\n{new:#?}");
}

#[test]
fn the_shared_library_exports_the_functions_of_the_header_and_nothing_else() {
    let library = libraries().join("libchreode.so");
    if !cfg!(target_os = "linux") || !has("nm") {
        return;
    }
    let symbols = succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let exported: BTreeSet<String> =
        symbols.lines().map(|line| line.rsplit(' ').next().unwrap().to_string()).collect();
    assert_eq!(exported, functions(&header()));
}

#[test]
fn the_shared_library_is_named_by_the_number() {
    let library = libraries().join("libchreode.so");
    if !cfg!(target_os = "linux") || !has("readelf") {
        return;
    }
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(&library));
    let wanted = format!("Library soname: [libchreode.so.{}]", abi());
    assert!(dynamic.contains(&wanted), "{dynamic}");
}
