//! How a model and its page were made: the command, the seed, the options.

use super::section::ModelSection;
use super::table;
use crate::output::short;

/// The card's table.
pub fn table_of(section: &ModelSection<'_>) -> String {
    let info = section.model.info();
    let listed = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("version", format!("chreode {}", env!("CARGO_PKG_VERSION"))),
        ("command", command(std::env::args())),
        ("seed of the page", section.seed.to_string()),
        ("method", info.method.clone()),
        ("seed of the fit", info.seed.to_string()),
        ("training steps", info.epochs.to_string()),
        ("times", listed(&info.times)),
        ("σ", short(info.sigma)),
    ];
    if let Some(last) = info.final_sigma {
        rows.push(("σ at the last time", short(last)));
    }
    if let Some(delta) = info.delta {
        rows.push(("δ", short(delta)));
    }
    if let Some(masses) = &info.masses {
        rows.push(("masses", listed(masses)));
    }
    if section.model.members() > 1 {
        rows.push(("members", section.model.members().to_string()));
    }
    let mut rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.into(), value]).collect();
    if let Some(options) = info.attributes.get(OPTIONS) {
        rows.push(vec!["options of the fit".into(), options.clone()]);
    }
    format!("<div class=\"made\">{}</div>", table(&["", ""], &rows))
}

/// The attribute of a model that says with which options the command fitted it.
pub const OPTIONS: &str = "command.options";

/// A command line, with quotes around what has more than letters and plain signs.
fn command(words: impl Iterator<Item = String>) -> String {
    let word = |(i, word): (usize, String)| {
        let is_plain = |c: char| c.is_alphanumeric() || "-_=.,:/+<>~@%".contains(c);
        match i {
            0 => "chreode".into(),
            _ if !word.is_empty() && word.chars().all(is_plain) => word,
            _ => format!("'{}'", word.replace('\'', "'\\''")),
        }
    };
    words.enumerate().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_line_is_one_that_a_shell_takes() {
        let words = ["/usr/bin/chreode", "report", "my cells.csv", "--label-column", "type's", ""];
        let told = super::command(words.iter().map(ToString::to_string));
        assert_eq!(told, r"chreode report 'my cells.csv' --label-column 'type'\''s' ''");
    }
}
