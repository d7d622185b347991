//! Colours, those of chreode's plots everywhere: told apart with any colour vision.

use std::fmt::Write;

/// In the order in which they are taken, for labels and lines.
pub const PALETTE: [&str; 8] =
    ["#0072b2", "#d55e00", "#66ccee", "#dfc27d", "#882255", "#000000", "#332288", "#cc79a7"];
/// Of what was observed.
pub const GREY: &str = "#8c8c8c";
/// Of what there is nothing to say about.
pub const PALE: &str = "#d9d9d9";
pub const INK: &str = "#1f2933";

/// Amounts, from little to much: cividis.
const AMOUNTS: [[u8; 3]; 5] = [[0, 34, 78], [65, 77, 107], [124, 123, 120], [188, 175, 111], [254, 232, 56]];
/// The part of the amounts that is seen on white, for times.
const LAST_TIME: f64 = 0.9;
/// Below, about and above a middle, which is seen on white as well.
const DIVERGING: [[u8; 3]; 3] = [[0, 114, 178], [220, 220, 220], [213, 94, 0]];
/// Paper in the valleys, so that cells are seen there as on white, to slate on the hills.
const HEIGHTS: [[u8; 3]; 5] =
    [[252, 252, 250], [226, 233, 237], [188, 203, 213], [143, 166, 182], [92, 119, 140]];

/// The colour of the `k`-th of `count` times.
pub fn of_time(k: usize, count: usize) -> String {
    interpolate(&AMOUNTS, LAST_TIME * k as f64 / (count - 1).max(1) as f64)
}

/// The colour of an amount from 0 to 1.
pub fn of_amount(amount: f64) -> String {
    interpolate(&AMOUNTS, amount)
}

/// The colour of a growth rate, relative to the largest magnitude: −1 to 1.
pub fn of_growth(relative: f64) -> String {
    interpolate(&DIVERGING, (relative + 1.0) / 2.0)
}

/// The colour of a height of a landscape, from 0 in its valleys to 1.
pub fn of_height(relative: f64) -> String {
    interpolate(&HEIGHTS, relative)
}

/// The colour of a label by its number; beyond the palette the same colours come again, as squares and dashes.
pub fn of_label(number: usize) -> &'static str {
    PALETTE[number % PALETTE.len()]
}

/// Whether a label has its colour as the first.
pub fn is_first(number: usize) -> bool {
    number < PALETTE.len()
}

/// A bar of a continuous scale with what its ends and its middle mean.
pub fn bar(of: fn(f64) -> String, from: f64, meanings: [&str; 3], title: &str) -> String {
    const STOPS: usize = 9;
    let mut stops = String::new();
    for stop in 0..STOPS {
        let share = stop as f64 / (STOPS - 1) as f64;
        let colour = of(from + (1.0 - from) * share);
        let _ = write!(stops, "{}{colour}", if stop == 0 { "" } else { "," });
    }
    let [low, middle, high] = meanings;
    format!(
        "<div class=\"bar\"><b>{title}</b><i style=\"background:linear-gradient(90deg,{stops})\"></i>\
         <span><em>{low}</em><em>{middle}</em><em>{high}</em></span></div>"
    )
}

fn interpolate(scale: &[[u8; 3]], place: f64) -> String {
    let place = place.clamp(0.0, 1.0) * (scale.len() - 1) as f64;
    let i = (place as usize).min(scale.len() - 2);
    let share = place - i as f64;
    let mix = |c: usize| {
        (f64::from(scale[i][c]) * (1.0 - share) + f64::from(scale[i + 1][c]) * share).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}
