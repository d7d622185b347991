//! The population through time, played by a small script inside the page; without scripts, and on paper, a still picture.

mod channels;
mod encoding;
mod population;

use serde_json::json;

use super::colours;
use super::figure;
use super::nearest::AMONG;
use super::pictures::{self, Figure, Mark, cells, dot, drawn, plane};
use super::section::ModelSection;
use super::svg::escape;
use channels::Channels;
use population::Population;

/// The script that plays all films of a page.
pub const SCRIPT: &str = include_str!("film.js");
/// Bytes of a film's rows, at most and at the least, before they are written as text, which takes a third more.
const BYTES: (usize, usize) = (60_000, 1_300_000);
/// Panels of the still picture, and simulated cells of each, at most.
const PANELS: usize = 6;
const CELLS: usize = 1500;
/// Bytes of a dot in a picture, about.
const DOT: usize = 14;
const TITLE: &str = "The population through time";
/// Places that the slider has.
const PLACES: usize = 240;

/// The card of a film, in so many bytes of the page if they are enough for a few cells, under a heading that may say whose it is.
pub fn card(section: &ModelSection<'_>, titled: &dyn Fn(&str) -> String, room: usize) -> String {
    let width = encoding::ROW + channels::width(section);
    let title = titled(TITLE);
    let shown = &section.shown;
    let (all, largest) = (shown.cells(), (0..shown.len()).map(|k| shown.count(k)).max().unwrap_or(0));
    let dots = all / section.stride() + all.min(PANELS * largest) + PANELS * CELLS;
    let bytes = (room.saturating_sub(DOT * dots) / 4 * 3).clamp(BYTES.0, BYTES.1);
    match Population::new(section, bytes, width) {
        Ok(population) => film(section, &title, &population),
        Err(why) => {
            super::card(&title, &format!("<p>It cannot be played: {}.</p>", escape(&why.to_string())))
        }
    }
}

fn film(section: &ModelSection<'_>, title: &str, population: &Population) -> String {
    let frames = &population.frames;
    let dims = section.shown.dims();
    let places: Vec<Vec<(f64, f64)>> =
        frames.iter().map(|frame| section.view.places(&frame.points, dims)).collect();
    let mut stage = plane(section);
    for k in 0..section.shown.len() {
        stage.dots(drawn(section, k), dot(section), colours::PALE, 0.5);
    }
    let (across, up) = stage.ranges();
    let ([left, top, width, height], wide) = (stage.inner(), stage.inner_width());
    let channels = Channels::new(section, frames);
    let mut told = encoding::frames(population, &places, [across, up]);
    let largest = frames.iter().map(|frame| frame.len()).max().unwrap_or(1);
    let span = frames[frames.len() - 1].time - frames[0].time;
    let more = json!({
        "names": section.view.labels,
        "snapshots": section.shown.times(),
        "digits": (2.0 - span.log10().floor()).clamp(0.0, 9.0) as usize,
        "dot": (60.0 / (largest as f64).sqrt()).clamp(3.4, 9.0),
        "wide": wide,
        "colour": colours::PALETTE[1],
        "channels": channels.values,
        "modes": channels.modes,
    });
    if let (Some(told), Some(more)) = (told.as_object_mut(), more.as_object()) {
        told.extend(more.clone());
    }
    // What could end the script's element early is written otherwise.
    let data = told.to_string().replace('<', "\\u003c");
    let choices: String =
        channels.names.iter().map(|name| format!("<option>{}</option>", escape(name))).collect();
    let choice = match channels.names.len() {
        0 => String::new(),
        _ => format!("<label>colour <select>{choices}</select></label>"),
    };
    let mut caption = format!("{} Grey: the cells of all snapshots.", population.told);
    if !section.view.is_linear() {
        caption += &format!(
            " In the embedding, a cell of the simulation stands where the {AMONG} cells of the data that are nearest to it are in the \
             mean."
        );
    }
    let still = figure("", &still(section, population, &places));
    format!(
        "<figure class=\"card film\"><h3>{title}</h3>\n<div class=\"still\">{still}</div>\n\
         <template><div class=\"stage\">{stage}<canvas style=\"left:{left:.3}%;top:{top:.3}%;width:{width:.3}%;height:{height:.3}%\" \
         role=\"img\" aria-label=\"Cells of a simulation among those of the data, at the time of the slider\"></canvas>\
         <div class=\"tip\" hidden></div></div>\n\
         <div class=\"controls\"><button type=\"button\">Play</button>\
         <input type=\"range\" min=\"0\" max=\"{PLACES}\" value=\"0\" aria-label=\"time\">{choice}</div>\n\
         <div class=\"told\"><output></output><div class=\"key\"></div></div></template>\n\
         <figcaption>{caption}</figcaption>\n<script type=\"application/json\">{data}</script></figure>\n",
        title = escape(title),
        stage = stage.finish("The plane of the film"),
        caption = escape(&caption),
    )
}

/// The population at the times of snapshots, over the observed cells, a panel each.
fn still(section: &ModelSection<'_>, population: &Population, places: &[Vec<(f64, f64)>]) -> Figure {
    let times = section.shown.times();
    let mut svg = String::new();
    for k in pictures::chosen(times.len(), PANELS) {
        let Some(frame) = population.frames.iter().position(|frame| frame.time == times[k]) else { continue };
        let mut plot = plane(section);
        plot.dots(cells(section, k), dot(section), colours::GREY, 0.5);
        let cells = places[frame].len();
        let stride = cells.div_ceil(CELLS).max(1);
        plot.dots(places[frame].iter().copied().step_by(stride), dot(section), colours::PALETTE[1], 0.6);
        let panel = plot.finish(&format!("The simulation and the observed cells at time {}", times[k]));
        let drawn = if stride > 1 { format!(", one in {stride} drawn") } else { String::new() };
        svg += &format!("<div><h4>time {}: {cells} simulated{drawn}</h4>{panel}</div>\n", times[k]);
    }
    Figure {
        title: String::new(),
        svg: format!("<div class=\"panels\">\n{svg}</div>"),
        bar: None,
        legend: vec![
            (colours::GREY.into(), Mark::Dot, "observed".into()),
            (colours::PALETTE[1].into(), Mark::Dot, "simulated".into()),
        ],
        caption: String::new(),
    }
}
