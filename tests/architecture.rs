//! ARCHITECTURE.md tells the truth: imports run along its arrows and no others, and its folders are those that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src/` and what each may import, as the table of ARCHITECTURE.md has them.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| room |")).skip(2);
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>();
    let mut arrows = BTreeMap::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').collect();
        let (rooms, may) = (names(cells[1]), names(cells[3]));
        for room in rooms {
            arrows.insert(room, may.iter().cloned().collect());
        }
    }
    arrows
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The first part of a path below `src/`, without the extension.
fn room(path: &Path) -> String {
    let first = path.components().nth(1).unwrap();
    Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned()
}

/// The rooms that a file imports from: `crate::room` or `chreode::room`, in a list or alone, tests and comments left out.
fn imports(text: &str, rooms: &BTreeSet<String>) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    for start in ["crate::", "chreode::"] {
        for (at, _) in code.match_indices(start) {
            let rest = &code[at + start.len()..];
            let list = match rest.strip_prefix('{') {
                Some(list) => list.split_once('}').map_or(list, |(list, _)| list).to_string(),
                None => rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect(),
            };
            for word in list.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
                if rooms.contains(word) {
                    found.insert(word.to_string());
                }
            }
        }
    }
    found
}

/// A file's code: no tests, no comments.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    before_tests
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Numbers are the same on every platform: what the system's mathematical library computes differs between them in the last
/// bit. The command's pages may differ so.
#[test]
fn transcendental_functions_are_those_of_libm() {
    let mut found = vec![];
    files(Path::new("src"), &mut found);
    let mut wrong = vec![];
    for path in found.iter().filter(|path| room(path) != "bin" && !path.ends_with("tests.rs")) {
        for (number, line) in code(&fs::read_to_string(path).unwrap()).lines().enumerate() {
            let functions = [
                "exp", "exp2", "exp_m1", "ln", "ln_1p", "log10", "log2", "powf", "cbrt", "sin", "cos", "tan",
            ];
            let more = ["sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "hypot"];
            for function in functions.iter().chain(&more) {
                if line.contains(&format!(".{function}(")) {
                    wrong.push(format!("{}: {function} in code line {number}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_run_along_the_arrows_of_the_architecture() {
    let arrows = arrows();
    let mut found = vec![];
    files(Path::new("src"), &mut found);
    let rooms: BTreeSet<String> = found.iter().map(|path| room(path)).filter(|room| room != "lib").collect();
    let told: BTreeSet<String> = arrows.keys().cloned().collect();
    assert_eq!(told, rooms, "the table of ARCHITECTURE.md and the folders of src/");
    let mut wrong = vec![];
    for path in &found {
        let from = room(path);
        if from == "lib" {
            continue;
        }
        for to in imports(&fs::read_to_string(path).unwrap(), &rooms) {
            if to != from && !arrows[&from].contains(&to) {
                wrong.push(format!("{} imports {to}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the arrows of ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// Following the arrows never leads back: there is an order in which everything is built from what is below it.
#[test]
fn the_arrows_have_no_circle() {
    let mut left = arrows();
    while !left.is_empty() {
        let ground: Vec<String> = left
            .iter()
            .filter(|(own, may)| may.iter().all(|room| room == *own || !left.contains_key(room)))
            .map(|(room, _)| room.clone())
            .collect();
        assert!(!ground.is_empty(), "a circle among {:?}", left.keys().collect::<Vec<_>>());
        ground.iter().for_each(|room| drop(left.remove(room)));
    }
}

#[test]
fn the_files_that_it_sends_a_reader_to_exist() {
    let text = fs::read_to_string("ARCHITECTURE.md").unwrap();
    let paths = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && !word.contains(['<', '*', ' ']));
    let mut count = 0;
    for path in paths {
        assert!(Path::new(path).exists(), "{path} is not there");
        count += 1;
    }
    assert!(count > 10, "only {count} paths were found");
}
