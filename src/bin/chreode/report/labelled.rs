//! Pictures of labels: where the cells of each are, their mass over time, and what they become.

use std::fmt::Write;

use super::colours::{self, GREY, PALE};
use super::labels::LabelledCells;
use super::nearest::AMONG;
use super::pictures::{Curve, Figure, Mark, dot, interval, plane, shaded};
use super::section::ModelSection;
use super::svg::{Axis, Plot, Stroke, escape};

/// Labels whose fates have a panel, at most.
const PANELS: usize = 9;
/// Cells of such a panel, at most.
const CELLS: usize = 2500;

/// The cells in the colours of their labels.
pub fn cells(section: &ModelSection<'_>, labels: &LabelledCells) -> Figure {
    let mut plot = plane(section);
    let of = |wanted: Option<u32>| {
        let rows = (0..labels.of.len()).flat_map(|k| section.drawn(k).map(move |row| (k, row)));
        rows.filter(|&(k, row)| labels.of[k][row] == wanted)
            .map(|(k, row)| section.places[k][row])
            .collect::<Vec<_>>()
    };
    plot.dots(of(None).into_iter(), dot(section), PALE, 0.8);
    let mut legend = vec![];
    for (label, name) in labels.names.iter().enumerate() {
        let (colour, places) = (colours::of_label(label), of(Some(label as u32)).into_iter());
        let first = colours::is_first(label);
        if first {
            plot.dots(places, dot(section), colour, 0.7);
        } else {
            plot.squares(places, dot(section), colour, 0.7);
        }
        legend.push((
            colour.into(),
            if first { Mark::Dot } else { Mark::Square },
            escape(&format!("{name} ({})", labels.counts[label])),
        ));
    }
    if labels.without > 0 {
        legend.push((PALE.into(), Mark::Dot, format!("without a label ({})", labels.without)));
    }
    Figure {
        title: "Labels".into(),
        svg: plot.finish("Cells coloured by their labels"),
        bar: None,
        legend,
        caption: "The cells of all times, and how many there are of each label.".into(),
    }
}

/// The mass of each label over time: of the weighted particles, by the labelled cells around them, and as observed.
pub fn mass(section: &ModelSection<'_>, labels: &LabelledCells) -> Option<Figure> {
    let predicted = labels.mass.as_ref()?;
    let observed = |label: usize| {
        let times = section.shown.times().iter().zip(&labels.observed);
        times.map(move |(&time, masses)| (time, masses[label])).collect::<Curve>()
    };
    let rings: Vec<Curve> = (0..labels.names.len())
        .map(|label| {
            let of: Vec<_> = predicted.iter().map(|(time, masses)| (*time, masses[label])).collect();
            let ring = if section.model.members() > 1 { interval(&of) } else { vec![] };
            ring.into_iter().map(|(time, mass)| (time, mass.max(0.0))).collect()
        })
        .collect();
    let means = |label: usize| predicted.iter().map(move |(time, masses)| (*time, masses[label].mean));
    let all: Vec<f64> = (0..labels.names.len())
        .flat_map(|label| means(label).chain(observed(label)).map(|point| point.1).collect::<Vec<_>>())
        .chain(rings.iter().flatten().map(|point| point.1))
        .collect();
    let times = Axis::around("time", section.shown.times().iter().copied());
    let mut plot = Plot::new(times, Axis::around("mass", all.into_iter()).down_to_zero(), 0.62);
    for (label, ring) in rings.into_iter().enumerate().filter(|(_, ring)| !ring.is_empty()) {
        plot.tint(ring.into_iter(), colours::of_label(label), 0.2);
    }
    let mut legend = vec![];
    for (label, name) in labels.names.iter().enumerate() {
        let colour = colours::of_label(label);
        let (stroke, first) = (Stroke::new(colour, 2.0), colours::is_first(label));
        plot.lines(std::iter::once(means(label)), if first { stroke } else { stroke.dashed() });
        plot.dots(observed(label).into_iter(), 7.0, colour, 1.0);
        legend.push((colour.into(), if first { Mark::Line } else { Mark::Dashes }, escape(name)));
    }
    legend.push((GREY.into(), Mark::Dot, "observed".into()));
    let bands = match section.model.members() {
        1 => "",
        _ => " Bands: 90 % intervals by the cells, from the members of the ensemble.",
    };
    Some(Figure {
        title: "Mass of each label".into(),
        svg: plot.finish("The mass of each label over time"),
        bar: None,
        legend,
        caption: format!(
            "Lines: the weighted particles from the first snapshot, each with the labels of the {AMONG} labelled cells that are nearest to \
             it. Dots: the observed cells.{bands}"
        ),
    })
}

/// For each label the probability that descendants have it, at the cells of all times but the last.
pub fn fates(section: &ModelSection<'_>, labels: &LabelledCells) -> Option<Figure> {
    let found = labels.fates.as_ref().ok()?;
    let earlier = section.places.len() - 1;
    let of = |column: usize| {
        let snapshots = (0..earlier).flat_map(move |k| (0..labels.of[k].len()).map(move |cell| (k, cell)));
        snapshots.map(move |(k, cell)| (labels.fate(k, cell, column), section.places[k][cell]))
    };
    let stride = of(0).count().div_ceil(CELLS).max(1);
    let mut svg = String::new();
    for (column, &label) in found.labels.iter().take(PANELS).enumerate() {
        let name = &labels.names[label as usize];
        let mut plot = plane(section);
        shaded(&mut plot, of(column).step_by(stride), 0.0, colours::of_amount, dot(section) + 0.4);
        let panel = plot.finish(&format!("The probability of the fate {name}"));
        let _ = writeln!(svg, "<div><h4>{}</h4>{panel}</div>", escape(name));
    }
    let mut caption = format!(
        "At every cell before time {}: the probability that a random descendant there has the label, by {} simulated descendants \
         of each cell and the {} labelled cells nearest to each of them.",
        found.to, labels.descendants, found.neighbours
    );
    if found.labels.len() > PANELS {
        let _ = write!(caption, " Of {} labels, {PANELS} are shown.", found.labels.len());
    }
    Some(Figure {
        title: "Fates".into(),
        svg: format!("<div class=\"panels\">\n{svg}</div>"),
        bar: Some(colours::bar(colours::of_amount, 0.0, ["0", "0.5", "1"], "probability")),
        legend: vec![],
        caption,
    })
}
