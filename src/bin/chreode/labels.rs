//! Labels of times as numbers: `7`, `day7`, `E8.5`, `3h`, or as a map tells.

use std::collections::HashMap;
use std::str::FromStr;

/// Times of labels that are not the numbers themselves: `--time-map day0=0,day2=2,iPSC=18`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    label: String,
    time: f64,
}

impl FromStr for Mapped {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (label, time) =
            text.rsplit_once('=').ok_or("a label, = and its time are needed, as in day0=0")?;
        match time.trim().parse::<f64>() {
            Ok(time) if time.is_finite() => Ok(Self { label: label.trim().into(), time }),
            _ => Err(format!("the time of `{label}` must be a finite number, got `{time}`")),
        }
    }
}

/// The labels of a column, each once, and which of them each row has.
#[derive(Debug, Default)]
pub struct Labels {
    levels: Vec<Vec<u8>>,
    of_row: Vec<usize>,
    index: HashMap<Vec<u8>, usize>,
}

/// A label that has no time, and why.
#[derive(Debug)]
pub struct Refused {
    /// The first row that has it.
    pub row: usize,
    pub why: String,
}

impl Labels {
    pub fn push(&mut self, label: &[u8]) {
        let level = match self.index.get(label) {
            Some(&level) => level,
            None => {
                self.index.insert(label.into(), self.levels.len());
                self.levels.push(label.into());
                self.levels.len() - 1
            }
        };
        self.of_row.push(level);
    }

    /// The time of every row, and if the labels were not numbers what each was taken for, in words.
    pub fn times(&self, map: &[Mapped]) -> Result<(Vec<f64>, Option<String>), Refused> {
        let texts: Vec<&str> =
            self.levels.iter().map(|level| str::from_utf8(level).unwrap_or("\u{fffd}")).collect();
        let mapped = |text: &str| map.iter().find(|mapped| mapped.label == text).map(|mapped| mapped.time);
        // A time that is not there is the fault, whatever the other labels are.
        for (level, text) in texts.iter().enumerate().filter(|(_, text)| mapped(text).is_none()) {
            if let (false, Err(why)) = (is_words(text), number(text.as_bytes())) {
                return Err(self.refuse(level, why));
            }
        }
        let mut of_level = vec![];
        let mut told = None;
        if map.is_empty() && !texts.is_empty() && texts.iter().all(|text| is_words(text)) {
            of_level = numbers_between_words(&texts).ok_or_else(|| self.refuse(0, unclear(&texts)))?;
            told = Some(mapping(&texts, &of_level));
        } else {
            for (level, text) in texts.iter().enumerate() {
                let time = mapped(text).map_or_else(|| number(text.as_bytes()), Ok);
                of_level.push(time.map_err(|why| self.refuse(level, why + &hint(&texts, text)))?);
            }
        }
        Ok((self.of_row.iter().map(|&level| of_level[level]).collect(), told))
    }

    /// Which of the labels each row has, counted from 0; none where a label is missing.
    pub fn numbers(&self) -> Vec<Option<u32>> {
        let is_missing = |level: &Vec<u8>| is_missing(level) || level.eq_ignore_ascii_case(b"NaN");
        let missing: Vec<bool> = self.levels.iter().map(is_missing).collect();
        self.of_row.iter().map(|&level| (!missing[level]).then_some(level as u32)).collect()
    }

    fn refuse(&self, level: usize, why: String) -> Refused {
        Refused { row: self.of_row.iter().position(|&of_row| of_row == level).unwrap_or(0), why }
    }
}

/// A finite number, or why it is none.
pub fn number(field: &[u8]) -> Result<f64, String> {
    let text = str::from_utf8(field).ok();
    match text.and_then(|text| text.parse::<f64>().ok()) {
        Some(x) if x.is_finite() => Ok(x),
        Some(x) => Err(format!("{x} is not a finite number")),
        None if field.is_empty() => Err("a number is missing".into()),
        None if is_missing(field) => Err(format!(
            "`{}`: a number is missing; leave the cell out or fill it in",
            String::from_utf8_lossy(field)
        )),
        None => Err(format!("`{}` is not a number", String::from_utf8_lossy(field))),
    }
}

/// What R, pandas and databases write where there is no value.
pub fn is_missing(field: &[u8]) -> bool {
    field.is_empty()
        || [&b"NA"[..], b"<NA>", b"N/A", b"null", b"None"].iter().any(|na| field.eq_ignore_ascii_case(na))
}

/// Whether a label is neither a number nor the absence of one.
fn is_words(text: &str) -> bool {
    text.parse::<f64>().is_err() && !is_missing(text.as_bytes())
}

/// The numbers in labels that differ by one number without a sign each; none where a reader could take them otherwise.
fn numbers_between_words(texts: &[&str]) -> Option<Vec<f64>> {
    let mut words = None;
    let mut numbers = vec![];
    for text in texts {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let length = text[from..].find(|c: char| !c.is_ascii_digit() && c != '.');
        let to = length.map_or(text.len(), |length| from + length);
        let (before, after) = (&text[..from], &text[to..]);
        // A sign may be a dash, and a second number another unit, a replicate or a range.
        let clear = !before.ends_with(['-', '+', '−', '.', ',']) && !after.contains(|c: char| c.is_numeric());
        if !clear || *words.get_or_insert((before, after)) != (before, after) {
            return None;
        }
        numbers.push(text[from..to].parse().ok()?);
    }
    Some(numbers)
}

/// Levels that a message shows, at most.
const SHOWN: usize = 12;

fn unclear(texts: &[&str]) -> String {
    let more = if texts.len() > SHOWN { ", …" } else { "" };
    let levels: Vec<String> = texts.iter().take(SHOWN).map(|text| format!("`{text}`")).collect();
    let example: Vec<String> =
        texts.iter().take(2).enumerate().map(|(k, text)| format!("{text}={k}")).collect();
    format!(
        "the labels are not numbers, nor one number each between the same words: {}{more}; tell their times, as in \
         --time-map {},…",
        levels.join(", "),
        example.join(",")
    )
}

fn hint(texts: &[&str], text: &str) -> String {
    let others = texts.iter().filter(|text| is_words(text)).count();
    if is_words(text) && others <= SHOWN {
        format!("; if it is a label, tell its time: --time-map {text}=…")
    } else {
        String::new()
    }
}

fn mapping(texts: &[&str], times: &[f64]) -> String {
    let mut pairs: Vec<(&str, f64)> = texts.iter().copied().zip(times.iter().copied()).collect();
    pairs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let shown = pairs.iter().take(SHOWN).map(|(text, time)| format!("{text} → {time}"));
    let more = if pairs.len() > SHOWN { ", …" } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &[&str], map: &str) -> Result<Vec<f64>, String> {
        let mut column = Labels::default();
        labels.iter().for_each(|label| column.push(label.as_bytes()));
        let map: Vec<Mapped> = map.split(',').filter(|s| !s.is_empty()).map(|s| s.parse().unwrap()).collect();
        column
            .times(&map)
            .map(|(times, _)| times)
            .map_err(|refused| format!("{}: {}", refused.row, refused.why))
    }

    #[test]
    fn labels_of_one_number_between_the_same_words_are_times() {
        for (labels, times) in [
            (["day0", "day2", "day10"], [0.0, 2.0, 10.0]),
            (["E8.5", "E7.25", "E8.5"], [8.5, 7.25, 8.5]),
            (["3h", "0h", "12h"], [3.0, 0.0, 12.0]),
            (["day 1 p.i.", "day 2 p.i.", "day 3 p.i."], [1.0, 2.0, 3.0]),
            (["1e1", "-2", "0.5"], [10.0, -2.0, 0.5]),
        ] {
            assert_eq!(read(&labels, ""), Ok(times.to_vec()), "{labels:?}");
        }
    }

    #[test]
    fn labels_that_could_be_read_otherwise_are_refused_and_a_map_tells() {
        for labels in [
            ["day0", "Day2", "day4"],
            ["3h", "2d", "1h"],
            ["day-1", "day-2", "day-3"],
            ["d0_r1", "d1_r1", "d2_r1"],
            ["D0", "D2", "iPSC"],
            ["1.2.3a", "1.2.4a", "1a"],
        ] {
            let why = read(&labels, "").unwrap_err();
            assert!(why.contains("--time-map") && why.contains(labels[1]), "{why}");
        }
        assert_eq!(read(&["D0", "D2", "iPSC", "5"], "D0=0,D2=2,iPSC=18"), Ok(vec![0.0, 2.0, 18.0, 5.0]));
        assert!(read(&["0", "D2", "1"], "").unwrap_err().starts_with("1: `D2` is not a number"));
        for missing in ["NA", "", "nan", "null"] {
            for others in [["day0", "day1"], ["0", "1"]] {
                assert!(
                    read(&[others[0], others[1], missing], "").unwrap_err().starts_with("2: "),
                    "{missing}"
                );
            }
        }
        assert!("day0".parse::<Mapped>().is_err() && "day0=x".parse::<Mapped>().is_err());
    }
}
