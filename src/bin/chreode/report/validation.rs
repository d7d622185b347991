//! The page of a validation: what recipes score on unseen cells, as tables and pictures.

use std::path::Path;

use chreode::evaluate::validation::{Scores, Validation};
use chreode::exec::files::write_atomically;

use super::pictures::{Figure, Mark};
use super::svg::{Axis, Plot, Stroke, escape};
use super::{card, colours, data_line, document, figure, table};
use crate::cells::Data;
use crate::failure::Result;
use crate::validate::{how, table_of_held_out_times, table_of_recipes, table_of_times};

const FLOOR: &str = colours::INK;
const STILL: &str = colours::GREY;
const BETWEEN: &str = colours::PALETTE[4];
/// Recipes that are drawn, at most, the best first: more lines than this are not told apart.
const DRAWN: usize = 6;

/// Writes the page.
pub fn write_validation(path: &Path, name: &str, data: &Data, found: &Validation) -> Result<()> {
    Ok(write_atomically(path, html(name, data, found).as_bytes())?)
}

fn html(name: &str, data: &Data, found: &Validation) -> String {
    let title = format!("Validation on {name}");
    let mut body = format!("<header><h1>{}</h1>{}", escape(&title), data_line(data));
    if let Some(best) = found.best()
        && let Some(verdict) = found.verdict(best)
    {
        let whose =
            if found.recipes.len() > 1 { format!("{}: ", found.recipes[best].name) } else { String::new() };
        body += &format!("<p><strong>{}</strong></p>", escape(&(whose + &verdict.sentence)));
    }
    body += "</header>\n<section>\n<div class=\"wide\">";
    let (header, rows) = table_of_recipes(found);
    body += &card(
        "Recipes on cells that they were not fitted to",
        &format!("{}<p class=\"note\">{}</p>", table(&header, &rows), escape(&how(found))),
    );
    body += "</div>\n<div class=\"cards\">\n";
    let drawn = drawn(found);
    let w1 = w1_over_time(found, &drawn);
    body += &figure(&w1.title, &w1);
    let energy = energy_over_time(found, &drawn);
    body += &figure(&energy.title, &energy);
    if let Some((name, scores)) = drawn.first() {
        let (header, rows) = table_of_times(found, scores);
        body += &card(
            &format!("At each time: {name}"),
            &format!(
                "{}<p class=\"note\">floor: W1 between two samples of the data of the same size; nothing moves: W1 of the founders \
                 as they are.</p>",
                table(&header, &rows)
            ),
        );
    }
    if let Some((header, rows)) = table_of_held_out_times(found) {
        let inner = w1_of_held_out_times(found, &drawn);
        body += &figure(&inner.title, &inner);
        body += &card(
            "W1 to times that were left out",
            &format!(
                "{}<p class=\"note\">Each inner snapshot is predicted by fits to all others. Mid-points: pairs of an exact coupling of \
                 the two neighbours, on the straight line between them.</p>",
                table(&header, &rows)
            ),
        );
    }
    body += "</div>\n</section>\n";
    document(&title, &body)
}

/// The recipes that are drawn, the best first.
fn drawn(found: &Validation) -> Vec<(&str, &Scores)> {
    let mut scored: Vec<(&str, &Scores)> =
        found.recipes.iter().filter_map(|r| Some((&r.name[..], r.scores.as_ref().ok()?))).collect();
    scored.sort_by(|a, b| a.1.ratio.mean.total_cmp(&b.1.ratio.mean));
    scored.truncate(DRAWN);
    scored
}

/// A line over time: its name, colour, whether it is a recipe's, and its points.
struct Line {
    name: String,
    colour: String,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

impl Line {
    fn beside(name: &str, colour: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), colour: colour.into(), dashed: true, points }
    }
}

/// The lines of recipes, each in its colour.
fn of_recipes(
    drawn: &[(&str, &Scores)],
    points: impl Fn(&Scores) -> Vec<(f64, f64)>,
) -> impl Iterator<Item = Line> {
    // The ends of the scale of times are told apart best.
    drawn.iter().enumerate().map(move |(i, (name, scores))| Line {
        name: (*name).into(),
        colour: colours::of_time(i, drawn.len().max(3)),
        dashed: false,
        points: points(scores),
    })
}

fn w1_over_time(found: &Validation, drawn: &[(&str, &Scores)]) -> Figure {
    let at_times = |values: Vec<f64>| found.times.iter().copied().zip(values).collect::<Vec<_>>();
    let floor = at_times(found.floor.iter().map(|floor| floor.mean).collect());
    let still = at_times(found.nothing_moves.iter().map(|at| at.w1).collect());
    let mut lines: Vec<Line> =
        of_recipes(drawn, |scores| scores.times.iter().map(|at| (at.time, at.w1)).collect()).collect();
    lines.push(Line::beside("two samples of the data", FLOOR, floor));
    lines.push(Line::beside("nothing moves", STILL, still));
    lines_over_time(
        "W1 to unseen cells",
        Some("W1, logarithmic scale"),
        &lines,
        "Held-out cells of every later time, predicted from the held-out founders. The lower, the better; the lower dashed line is \
         what a second sample of the data would have, the upper one what standing still has.",
    )
}

fn energy_over_time(found: &Validation, drawn: &[(&str, &Scores)]) -> Figure {
    let energies = |scores: &Scores| scores.times.iter().map(|at| (at.time, at.energy)).collect::<Vec<_>>();
    let mut lines: Vec<Line> = of_recipes(drawn, energies).collect();
    let zero = found.times.iter().map(|&time| (time, 0.0)).collect();
    lines.push(Line::beside("the truth, in expectation", FLOOR, zero));
    lines_over_time(
        "Energy distance to unseen cells",
        None,
        &lines,
        "Unbiased, over the spread of the data. Unlike W1 it does not reward predictions that are narrower than the data.",
    )
}

fn w1_of_held_out_times(found: &Validation, drawn: &[(&str, &Scores)]) -> Figure {
    let inner = found.held_out_times.iter();
    let between = inner.clone().map(|at| (at.time, at.interpolation_w1)).collect();
    let still = inner.map(|at| (at.time, at.nothing_moves_w1)).collect();
    let held_out = |scores: &Scores| scores.held_out_times.iter().map(|at| (at.time, at.w1)).collect();
    let mut lines: Vec<Line> = of_recipes(drawn, held_out).collect();
    lines.push(Line::beside("mid-points of an exact coupling", BETWEEN, between));
    lines.push(Line::beside("nothing moves", STILL, still));
    lines_over_time(
        "W1 to times that were left out",
        Some("W1, logarithmic scale"),
        &lines,
        "Inner snapshots, predicted from all founders by fits to the other snapshots.",
    )
}

/// Lines over time with dots at the times; a logarithmic axis where it is labelled so.
fn lines_over_time(title: &str, logarithmic: Option<&str>, lines: &[Line], caption: &str) -> Figure {
    let values = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let times = lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    let y = match logarithmic {
        Some(label) => Axis::logarithmic(label, values()),
        None => Axis::around("energy distance over spread", values()),
    };
    let mut plot = Plot::new(Axis::around("time", times), y, 0.62);
    // The best recipe is drawn last, above the others.
    for line in lines.iter().rev() {
        let seen = || {
            line.points
                .iter()
                .copied()
                .filter(|point| point.1.is_finite() && (logarithmic.is_none() || point.1 > 0.0))
        };
        let stroke = Stroke::new(&line.colour, if line.dashed { 1.6 } else { 2.0 });
        plot.lines(std::iter::once(seen()), if line.dashed { stroke.dashed() } else { stroke });
        plot.dots(seen(), if line.dashed { 4.0 } else { 6.5 }, &line.colour, 1.0);
    }
    let legend = lines.iter().map(|line| {
        let mark = if line.dashed { Mark::Dashes } else { Mark::Line };
        (line.colour.clone(), mark, escape(&line.name))
    });
    Figure {
        title: title.into(),
        svg: plot.finish(title),
        bar: None,
        legend: legend.collect(),
        caption: caption.into(),
    }
}
