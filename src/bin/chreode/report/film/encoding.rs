//! A population as the text that the script of a page reads.
//!
//! Numbers are whole ones of 8 or 16 bits, the low byte first, in base64; of all frames, one after another, and in each of all
//! its rows:
//!
//! | name | bits | what it is |
//! | --- | --- | --- |
//! | `places` | 16, 16 | across and up: 0 to 65535 are the ends of `within`, three times as wide as what is `shown` |
//! | `mothers` | 16 | the row of the frame before that it comes from; in the first frame, the founder |
//! | `births` | 8 | 0 for a cell that lived at the frame before; 1 to 255 are the times from there to its own, at which it was born |
//! | `ends` | 8 | 0 for a cell with a row in the next frame; 1 to 255 are the times up to there, at which the last of its family died |
//! | `channels` | 8 | what particles are coloured by, `width` numbers a row: 0 to 254 are the ends `low` and `high` of a mode's scale, or the number of a name |
//!
//! `divisions` and `deaths` are times in order, 16 bits from the first to the last. Between two frames a cell moves along a
//! straight line from where its mother was.

use chreode::simulate::Particles;
use chreode::simulate::lineage::{Fate, Lineage};
use serde_json::{Value, json};

use super::population::Population;

/// Bytes of a row without what it is coloured by.
pub const ROW: usize = 8;
/// Bytes of the time of a division or a death.
pub const MOMENT: usize = 2;
/// The number of the end of a scale.
pub const LAST: f64 = 254.0;

/// An axis of what is shown, from where to where.
pub type Range = (f64, f64);

/// The frames of a population whose particles stand at `places`, by the names of the module's table.
pub fn frames(population: &Population, places: &[Vec<(f64, f64)>], shown: [Range; 2]) -> Value {
    let within = shown.map(|(from, to)| (2.0 * from - to, 2.0 * to - from));
    let rounded = |x: f64, (from, to): Range| (65535.0 * ((x - from) / (to - from)).clamp(0.0, 1.0)) as u16;
    let places = places.iter().flatten().flat_map(|&(x, y)| [rounded(x, within[0]), rounded(y, within[1])]);
    let frames = &population.frames;
    let mothers = frames.iter().flat_map(|frame| frame.ancestors.iter().map(|&row| row as u16));
    let (births, ends) = match &population.lineage {
        Some(lineage) => lives(frames, lineage),
        None => [(); 2].map(|()| vec![0; frames.iter().map(Particles::len).sum()]).into(),
    };
    let span = (frames[0].time, frames[frames.len() - 1].time);
    // Never before they happened.
    let moment = |time: f64| (65535.0 * ((time - span.0) / (span.1 - span.0)).clamp(0.0, 1.0)).ceil() as u16;
    let moments = |fate: Fate| {
        let mut times: Vec<f64> =
            population.lineage.iter().flat_map(|lineage| lineage.times_of(fate)).collect();
        times.sort_by(f64::total_cmp);
        base64(&words(times.into_iter().map(moment)))
    };
    json!({
        "times": frames.iter().map(|frame| frame.time).collect::<Vec<_>>(),
        "counts": frames.iter().map(Particles::len).collect::<Vec<_>>(),
        "within": within,
        "shown": shown,
        "places": base64(&words(places)),
        "mothers": base64(&words(mothers)),
        "births": base64(&births),
        "ends": base64(&ends),
        "divisions": moments(Fate::Divided),
        "deaths": moments(Fate::Died),
        "branches": population.lineage.is_some(),
    })
}

/// When rows were born, and when their families died out.
fn lives(frames: &[Particles], lineage: &Lineage) -> (Vec<u8>, Vec<u8>) {
    let nodes = lineage.nodes();
    let moment = |time: f64, from: f64, to: f64| 1 + (LAST * ((time - from) / (to - from))).ceil() as u8;
    let mut births = vec![0; frames[0].len()];
    for pair in frames.windows(2) {
        let (from, to) = (pair[0].time, pair[1].time);
        births.extend(pair[1].ids.iter().map(|&id| {
            let birth = nodes[id as usize].birth;
            if birth > from { moment(birth, from, to) } else { 0 }
        }));
    }
    // The last death in the family of each node that lived at a frame, before the next.
    let mut last = vec![f64::NEG_INFINITY; nodes.len()];
    for (id, node) in nodes.iter().enumerate().filter(|(_, node)| node.fate == Fate::Died) {
        let next = frames.partition_point(|frame| frame.time < node.end);
        let from = frames[next.saturating_sub(1)].time;
        let mut alive = id;
        while let Some(mother) = nodes[alive].parent.filter(|_| nodes[alive].birth > from) {
            alive = mother as usize;
        }
        last[alive] = last[alive].max(node.end);
    }
    let mut ends = vec![];
    for (f, frame) in frames.iter().enumerate() {
        let Some(next) = frames.get(f + 1) else {
            ends.extend(std::iter::repeat_n(0, frame.len()));
            continue;
        };
        let mut lives_on = vec![false; frame.len()];
        next.ancestors.iter().for_each(|&row| lives_on[row] = true);
        ends.extend(frame.ids.iter().zip(lives_on).map(|(&id, lives_on)| {
            if lives_on {
                0
            } else {
                moment(last[id as usize].clamp(frame.time, next.time), frame.time, next.time)
            }
        }));
    }
    (births, ends)
}

/// Numbers of 16 bits as bytes, the low one first.
fn words(numbers: impl Iterator<Item = u16>) -> Vec<u8> {
    numbers.flat_map(u16::to_le_bytes).collect()
}

/// Base64 as browsers read it.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for letter in 0..4 {
            let is_there = letter <= three.len();
            let sixth = (bits >> (18 - 6 * letter)) as usize & 63;
            text.push(if is_there { LETTERS[sixth] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let pairs = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[255, 254, 253]), "//79");
    }
}
