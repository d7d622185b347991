//! Colours: an ordered scale for times, a diverging one for growth, a pale one for heights.

/// Dark violet over teal to a green that is still seen on white.
const TIMES: [[u8; 3]; 5] = [[68, 1, 84], [62, 74, 137], [38, 130, 142], [53, 183, 121], [160, 200, 40]];
/// Blue for decline, grey for none, red for growth.
const GROWTH: [[u8; 3]; 5] =
    [[33, 102, 172], [120, 170, 210], [205, 205, 205], [235, 140, 110], [178, 24, 43]];
/// Paper in the valleys, so that cells are seen there as on white, to slate on the hills.
const HEIGHTS: [[u8; 3]; 5] =
    [[252, 252, 250], [226, 233, 237], [188, 203, 213], [143, 166, 182], [92, 119, 140]];

/// The colour of the `k`-th of `count` times.
pub fn of_time(k: usize, count: usize) -> String {
    interpolate(&TIMES, k as f64 / (count - 1).max(1) as f64)
}

/// The colour of a growth rate, relative to the largest magnitude: −1 to 1.
pub fn of_growth(relative: f64) -> String {
    interpolate(&GROWTH, (relative + 1.0) / 2.0)
}

/// The colour of a height of a landscape, from 0 in its valleys to 1.
pub fn of_height(relative: f64) -> String {
    interpolate(&HEIGHTS, relative)
}

fn interpolate(scale: &[[u8; 3]; 5], place: f64) -> String {
    let place = place.clamp(0.0, 1.0) * (scale.len() - 1) as f64;
    let i = (place as usize).min(scale.len() - 2);
    let share = place - i as f64;
    let mix = |c: usize| {
        (f64::from(scale[i][c]) * (1.0 - share) + f64::from(scale[i + 1][c]) * share).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}
