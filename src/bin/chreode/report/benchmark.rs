//! The page of a benchmark: its table, and what recipes remember beside what they predict.

use std::path::Path;

use chreode::exec::files::write_atomically;

use super::pictures::{Figure, Mark};
use super::svg::{Axis, Plot, escape};
use super::{card, colours, data_line, document, figure, table};
use crate::benchmark::Measured;
use crate::cells::Data;
use crate::failure::Result;

/// Writes the page.
pub fn write_benchmark(
    path: &Path,
    title: &str,
    notes: &[String],
    data: &Data,
    (header, rows): (&[String], &[Vec<String>]),
    all: &[Measured],
) -> Result<()> {
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut body = format!("<header><h1>{}</h1>{}</header>\n<section>\n", escape(title), data_line(data));
    let told: String = notes
        .iter()
        .filter(|note| !note.is_empty())
        .map(|note| format!("<p class=\"note\">{}</p>", escape(note)))
        .collect();
    body += &format!(
        "<div class=\"wide\">{}</div>\n",
        card("Recipes", &format!("{}{told}", table(&header, rows)))
    );
    body += "<div class=\"cards\">\n";
    let ratio = ("ratio", "W1 to unseen cells, over the floor");
    let figures = [
        against(
            all,
            [("mean_w1", "W1 to the cells that were fitted"), ratio],
            "What is remembered, and what is predicted",
            "Left: near the cells that were fitted. Low: near cells of the same population that were not. A recipe that is only far left \
             remembers.",
        ),
        against(
            all,
            [("cpu_seconds", "processor seconds of a fit"), ratio],
            "What a prediction costs",
            "Both axes are logarithmic; the lower left is better.",
        ),
    ];
    body.extend(figures.into_iter().flatten().map(|found| figure(&found.title, &found)));
    body += "</div>\n</section>\n";
    Ok(write_atomically(path, document(title, &body).as_bytes())?)
}

/// A dot a recipe: one measure beside another, each with the label of its logarithmic axis.
fn against(all: &[Measured], [x, y]: [(&str, &str); 2], title: &str, caption: &str) -> Option<Figure> {
    let point = |row: &Measured| {
        let place = (row.statistic(x.0)?.middle(), row.statistic(y.0)?.middle());
        let shown = |at: f64| at > 0.0 && at.is_finite();
        (shown(place.0) && shown(place.1)).then_some((row.row.clone(), place))
    };
    let points: Vec<(String, (f64, f64))> = all.iter().filter_map(point).collect();
    if points.len() < 2 {
        return None;
    }
    let places = || points.iter().map(|(_, place)| *place);
    let mut plot = Plot::new(
        Axis::logarithmic(x.1, places().map(|place| place.0)),
        Axis::logarithmic(y.1, places().map(|place| place.1)),
        0.7,
    );
    let colour = |i: usize| colours::of_time(i, points.len());
    for (i, (_, place)) in points.iter().enumerate() {
        plot.dots(std::iter::once(*place), 11.0, &colour(i), 1.0);
    }
    let legend = points.iter().enumerate().map(|(i, (name, _))| (colour(i), Mark::Dot, escape(name)));
    Some(Figure {
        title: title.into(),
        svg: plot.finish(title),
        bar: None,
        legend: legend.collect(),
        caption: caption.into(),
    })
}
