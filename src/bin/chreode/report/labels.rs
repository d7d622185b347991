//! The labels of the cells of a report, and what cells become by them.

use chreode::exec::stop::Stop;
use chreode::fates::{self, FateOptions, Fates, fates_of_model};
use chreode::model::Dynamics;
use chreode::simulate::{Particles, ode};
use chreode::snapshots::Snapshots;
use chreode::statistics::Estimate;

use super::nearest::{self, Near, mean};
use super::section::fine_times;

/// Families of each cell whose fates are drawn.
const DESCENDANTS: usize = 50;
/// Times of masses, about.
const TIMES: usize = 24;

/// Labelled cells.
#[derive(Debug)]
pub struct LabelledCells {
    /// What the labels are called.
    pub names: Vec<String>,
    /// How many of all cells have each label, and how many have none.
    pub counts: Vec<usize>,
    pub without: usize,
    /// Of the cells that are drawn, by snapshot.
    pub of: Vec<Vec<Option<u32>>>,
    /// The cells that are drawn, of each snapshot.
    pub of_snapshot: Vec<nearest::Cells>,
    /// Those of them that have labels, of all snapshots, and their labels.
    known: nearest::Cells,
    labels: Vec<u32>,
    /// The mass of the observed cells of each label, by snapshot.
    pub observed: Vec<Vec<f64>>,
    /// The mass of the weighted particles around the cells of each label, at some times; none where there is no flow. Of an ensemble,
    /// with how much they depend on the cells.
    pub mass: Option<Vec<(f64, Vec<Estimate>)>>,
    /// What the cells that are drawn become; or why nobody knows.
    pub fates: Result<Fates, String>,
    /// The simulated descendants of each of them.
    pub descendants: usize,
}

impl LabelledCells {
    /// Of all cells by their `labels`, and of those that are `shown`: the `rows` of each snapshot. None where no cell has a label.
    pub fn new(
        model: &Dynamics,
        all: &Snapshots,
        (labels, names): &(fates::Labels, Vec<String>),
        (shown, rows): (&Snapshots, &[Vec<usize>]),
        seed: u64,
    ) -> Option<Self> {
        let mut counts = vec![0; names.len()];
        let mut observed = vec![vec![0.0; names.len()]; all.len()];
        let mut of: Vec<Vec<Option<u32>>> = vec![];
        let mut first = 0;
        for (k, rows) in rows.iter().enumerate() {
            (first..first + all.count(k))
                .zip(all.weights(k))
                .filter_map(|(cell, weight)| Some((labels.get(cell)? as usize, weight)))
                .for_each(|(label, weight)| {
                    counts[label] += 1;
                    observed[k][label] += weight;
                });
            of.push(rows.iter().map(|&row| labels.get(first + row)).collect());
            first += all.count(k);
        }
        let labelled =
            || shown.all_cells().zip(of.iter().flatten()).filter_map(|(cell, label)| Some((cell, (*label)?)));
        let dims = shown.dims();
        let (known, of_known) = (
            nearest::Cells::new(dims, labelled().map(|of| of.0)),
            labelled().map(|of| of.1).collect::<Vec<_>>(),
        );
        if of_known.is_empty() {
            return None;
        }
        let options =
            FateOptions { descendants: DESCENDANTS, seed, error_bars: false, ..FateOptions::default() };
        let fates = fates::Labels::new(of.iter().flatten().copied().collect())
            .and_then(|labels| fates_of_model(model, shown, &labels, &options, &Stop::default()))
            .map_err(|error| error.to_string());
        let mut labelled = Self {
            observed,
            mass: None,
            descendants: DESCENDANTS,
            names: names.clone(),
            without: all.cells() - counts.iter().sum::<usize>(),
            counts,
            of_snapshot: (0..shown.len()).map(|k| nearest::Cells::new(dims, shown.cells_of(k))).collect(),
            of,
            known,
            labels: of_known,
            fates,
        };
        labelled.mass = labelled.masses(model, shown);
        Some(labelled)
    }

    /// The mass of each label over time, by the flow from the first snapshot.
    fn masses(&self, model: &Dynamics, shown: &Snapshots) -> Option<Vec<(f64, Vec<Estimate>)>> {
        let times = fine_times(shown.times(), TIMES);
        let start = Particles::of_snapshot(shown, 0);
        let run = |fields: &Dynamics| {
            let flow =
                ode::integrate(fields, &start, &times, &ode::Solver::default(), &Stop::default()).ok()?;
            Some(flow.frames.iter().map(|frame| self.masses_of(frame)).collect::<Vec<Vec<f64>>>())
        };
        let mean = run(model)?;
        let members: Vec<_> = match model.members() {
            1 => vec![],
            members => (0..members).map(|k| run(&model.member(k).ok()?)).collect::<Option<_>>()?,
        };
        let estimate = |k: usize, label: usize| {
            let of_members: Vec<f64> = members.iter().map(|masses| masses[k][label]).collect();
            let sd = if of_members.is_empty() { 0.0 } else { model.deviation_over_members(&of_members) };
            Estimate { mean: mean[k][label], sd }
        };
        let at = |(k, &time)| (time, (0..self.names.len()).map(|label| estimate(k, label)).collect());
        Some(times.iter().enumerate().map(at).collect())
    }

    fn masses_of(&self, frame: &Particles) -> Vec<f64> {
        let mut masses = vec![0.0; self.names.len()];
        let shares = self.shares(&frame.points);
        for (shares, weight) in shares.chunks_exact(masses.len()).zip(frame.weights()) {
            masses.iter_mut().zip(shares).for_each(|(mass, share)| *mass += weight * share);
        }
        masses
    }

    /// The share of each label in the labelled cells around each of `points`, row-major.
    pub fn shares(&self, points: &[f32]) -> Vec<f64> {
        let near = self.known.near(points);
        let mut shares = vec![];
        for near in near.chunks_exact(self.known.found()) {
            let first = shares.len();
            shares.resize(first + self.names.len(), 0.0);
            near.iter().for_each(|cell| shares[first + self.labels[cell.row] as usize] += cell.share);
        }
        shares
    }

    /// The mean probabilities of the first `columns` fates, of the cells of snapshot `k` around each of `points`, row-major.
    pub fn fates_around(&self, k: usize, points: &[f32], columns: usize) -> Vec<f64> {
        let cells = &self.of_snapshot[k];
        let near = cells.near(points);
        let of_point = |near: &[Near]| {
            (0..columns).map(|column| mean(near, |cell| self.fate(k, cell, column))).collect::<Vec<_>>()
        };
        near.chunks_exact(cells.found()).flat_map(of_point).collect()
    }

    /// The probability that a descendant of a cell of snapshot `k` has the label of a column of the fates: of a cell at their time
    /// by its own label. A cell without descendants has 0.
    pub fn fate(&self, k: usize, cell: usize, column: usize) -> f64 {
        let Ok(fates) = &self.fates else { return 0.0 };
        if k + 1 == self.of.len() {
            return f64::from(u8::from(self.of[k][cell] == Some(fates.labels[column])));
        }
        let before: usize = self.of[..k].iter().map(Vec::len).sum();
        let p = fates.probability.mean[(before + cell) * fates.labels.len() + column];
        if p.is_nan() { 0.0 } else { p }
    }
}
