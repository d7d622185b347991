//! What flows from labels to labels: an alluvial diagram, in which widths are masses.

use std::fmt::Write;

use super::colours::{self, GREY};
use super::labels::LabelledCells;
use super::pictures::Figure;
use super::svg::{WIDTH, bare, escape};
use crate::output::short;

/// Room for names beside the bars, the bars' width, and the gap between two.
const ROOM: f64 = 134.0;
const BAR: f64 = 14.0;
const GAP: f64 = 14.0;
/// The height of all masses together.
const HEIGHT: f64 = 240.0;
/// Letters of a name that there is room for.
const LETTERS: usize = 10;
/// Streams of less than this share of all are not drawn.
const LEAST: f64 = 0.005;
/// Where streams begin and end.
const FROM: f64 = ROOM + BAR;
const TO: f64 = WIDTH - ROOM - BAR;

/// What flows from the labels of the first cells to those of the last ones.
pub fn figure(labels: &LabelledCells) -> Option<Figure> {
    let found = labels.fates.as_ref().ok()?;
    let table = found.transitions.first()?;
    let columns = found.labels.len();
    let rows = table.mass.mean.chunks_exact(columns);
    let total: f64 = table.mass.mean.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    let height = |mass: f64| HEIGHT * mass / total;
    let sent: Vec<f64> = rows.clone().map(|row| row.iter().sum()).collect();
    let came: Vec<f64> = (0..columns).map(|column| rows.clone().map(|row| row[column]).sum()).collect();
    let (mut left, mut right) = (stacked(&sent, height), stacked(&came, height));
    let mut body = String::new();
    let bars = table
        .sources
        .iter()
        .zip(&left)
        .zip(&sent)
        .map(|((label, floor), mass)| (*label, *floor, *mass, true));
    let ends = found.labels.iter().zip(&right).zip(&came);
    let bars = bars.chain(ends.map(|((label, floor), mass)| (Some(*label), *floor, *mass, false)));
    let bars: String = bars
        .filter(|(_, _, mass, _)| *mass > 0.0)
        .map(|(label, floor, mass, is_left)| bar(labels, label, (floor, height(mass)), mass, is_left))
        .collect();
    for ((row, source), from) in rows.zip(&table.sources).zip(&mut left) {
        for (mass, to) in row.iter().zip(&mut right) {
            if *mass >= LEAST * total {
                body += &stream(*from, *to, height(*mass), look(*source));
            }
            *from += height(*mass);
            *to += height(*mass);
        }
    }
    let bottom = left.iter().chain(&right).fold(0.0f64, |most, floor| most.max(*floor));
    let _ = writeln!(
        body,
        "{bars}<text x=\"{FROM}\" y=\"{y:.0}\" text-anchor=\"end\">time {}</text><text x=\"{TO}\" y=\"{y:.0}\">time {}</text>",
        table.from,
        found.to,
        y = bottom + 22.0
    );
    Some(Figure {
        title: "What becomes what".into(),
        svg: bare(bottom + 30.0, &body, "What flows from labels to labels"),
        bar: None,
        legend: vec![],
        caption: format!(
            "Of the cells at time {}, the mass that the descendants of each label have at time {}, by the labels there: widths are \
             masses. Streams of less than half a per cent are left out.",
            table.from, found.to
        ),
    })
}

/// Where each bar begins, one under another.
fn stacked(masses: &[f64], height: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut next = 10.0;
    let floor = |mass: &f64| {
        let floor = next;
        next += height(*mass) + GAP;
        floor
    };
    masses.iter().map(floor).collect()
}

fn look(label: Option<u32>) -> &'static str {
    label.map_or(GREY, |label| colours::of_label(label as usize))
}

/// The bar of a label from a floor on, with its name and its mass.
fn bar(
    labels: &LabelledCells,
    label: Option<u32>,
    (floor, height): (f64, f64),
    mass: f64,
    is_left: bool,
) -> String {
    let name = label.map_or("no label", |label| labels.names[label as usize].as_str());
    let (x, at, anchor) = if is_left { (ROOM, ROOM - 6.0, "end") } else { (TO, TO + BAR + 6.0, "start") };
    format!(
        "<rect x=\"{x}\" y=\"{floor:.1}\" width=\"{BAR}\" height=\"{height:.1}\" fill=\"{}\"/>\
         <text x=\"{at}\" y=\"{:.1}\" text-anchor=\"{anchor}\" class=\"label\"><title>{}</title>{} {}</text>\n",
        look(label),
        floor + height / 2.0 + 4.0,
        escape(name),
        escape(&shortened(name)),
        short(mass),
    )
}

/// A band from the left to the right, as wide all along, that leaves and arrives level.
fn stream(from: f64, to: f64, width: f64, colour: &str) -> String {
    let middle = (FROM + TO) / 2.0;
    let (under_to, under_from) = (to + width, from + width);
    format!(
        "<path d=\"M{FROM} {from:.1}C{middle} {from:.1} {middle} {to:.1} {TO} {to:.1}V{under_to:.1}C{middle} {under_to:.1} {middle} \
         {under_from:.1} {FROM} {under_from:.1}z\" fill=\"{colour}\" fill-opacity=\".45\"/>\n"
    )
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.into();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}
