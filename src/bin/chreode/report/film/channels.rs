//! What the particles of a film are coloured by: their growth, the label of the cells around them, and what they become.

use chreode::fields::{FieldValues, Fields, Scratch};
use chreode::simulate::Particles;
use serde_json::{Value, json};

use super::encoding::{LAST, base64};
use crate::report::colours;
use crate::report::labels::LabelledCells;
use crate::report::section::ModelSection;

/// Labels that have a number of 8 bits.
const LABELS: usize = 256;
/// Labels whose fates are played.
const FATES: usize = 12;

/// What a film's particles are coloured by.
#[derive(Debug, Default)]
pub struct Channels {
    /// The numbers of all rows.
    pub values: Vec<Value>,
    /// How they are shown.
    pub modes: Vec<Value>,
    /// What a reader chooses among.
    pub names: Vec<String>,
}

/// Bytes of a row.
pub fn width(section: &ModelSection<'_>) -> usize {
    let of_labels = |labels: &LabelledCells| {
        let fates = labels.fates.as_ref().map_or(0, |fates| fates.labels.len().min(FATES));
        usize::from(labels.names.len() <= LABELS) + fates
    };
    usize::from(section.model.has_growth()) + section.labels.as_ref().map_or(0, of_labels)
}

impl Channels {
    pub fn new(section: &ModelSection<'_>, frames: &[Particles]) -> Self {
        let mut channels = Self::default();
        if section.model.has_growth() {
            channels.growth(section, frames);
        }
        if let Some(labels) = &section.labels {
            if labels.names.len() <= LABELS {
                channels.labels(labels, frames);
            }
            channels.fates(section, labels, frames);
        }
        channels
    }

    fn add(&mut self, width: usize, values: &[u8]) -> usize {
        self.values.push(json!({ "width": width, "values": base64(values) }));
        self.values.len() - 1
    }

    fn growth(&mut self, section: &ModelSection<'_>, frames: &[Particles]) {
        let largest = section.largest_growth();
        let mut values = vec![];
        let mut scratch = Scratch::default();
        for frame in frames {
            let mut growth = vec![0.0; frame.len()];
            let of_frame = FieldValues { growth: Some(&mut growth), ..Default::default() };
            section.model.evaluate(frame.time, &frame.points, of_frame, &mut scratch);
            values.extend(growth.iter().map(|&g| scaled(f64::from(g), -largest, largest)));
        }
        let channel = self.add(1, &values);
        let stops: Vec<String> = [-1.0, 0.0, 1.0].map(colours::of_growth).to_vec();
        self.mode("growth rate", channel, 0, stops, (-largest, largest));
    }

    /// The label that has the largest share around each particle.
    fn labels(&mut self, labels: &LabelledCells, frames: &[Particles]) {
        let mut values = vec![];
        for frame in frames {
            let shares = labels.shares(&frame.points);
            values.extend(shares.chunks_exact(labels.names.len()).map(|shares| {
                let most = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
                most.map_or(0, |(label, _)| label as u8)
            }));
        }
        let channel = self.add(1, &values);
        let of_names: Vec<&str> = (0..labels.names.len()).map(colours::of_label).collect();
        self.names.push("label".into());
        self.modes.push(json!({
            "name": "label", "channel": channel, "column": 0, "names": labels.names, "colours": of_names, "dots": colours::PALETTE.len(),
        }));
    }

    /// The fates of the cells around each particle, of the two snapshots that it is between by how near they are.
    fn fates(&mut self, section: &ModelSection<'_>, labels: &LabelledCells, frames: &[Particles]) {
        let Ok(fates) = &labels.fates else { return };
        let shown = fates.labels.len().min(FATES);
        let times = section.shown.times();
        let mut values = vec![];
        for frame in frames {
            let k = times.partition_point(|&time| time < frame.time).clamp(1, times.len() - 1);
            let share = ((frame.time - times[k - 1]) / (times[k] - times[k - 1])).clamp(0.0, 1.0);
            let [before, after] = [k - 1, k].map(|k| labels.fates_around(k, &frame.points, shown));
            let between = before.iter().zip(&after).map(|(b, a)| (1.0 - share) * b + share * a);
            values.extend(between.map(|p| scaled(p, 0.0, 1.0)));
        }
        let channel = self.add(shown, &values);
        let stops: Vec<String> = [0.0, 0.25, 0.5, 0.75, 1.0].map(colours::of_amount).to_vec();
        for column in 0..shown {
            let name = &labels.names[fates.labels[column] as usize];
            self.mode(&format!("fate {name}"), channel, column, stops.clone(), (0.0, 1.0));
        }
    }

    fn mode(
        &mut self,
        name: &str,
        channel: usize,
        column: usize,
        stops: Vec<String>,
        (low, high): (f64, f64),
    ) {
        self.names.push(name.into());
        self.modes.push(json!({
            "name": name, "channel": channel, "column": column, "stops": stops, "low": low, "high": high,
        }));
    }
}

/// The number of a value on a scale from `low` to `high`.
fn scaled(value: f64, low: f64, high: f64) -> u8 {
    (LAST * ((value - low) / (high - low)).clamp(0.0, 1.0)).round() as u8
}
