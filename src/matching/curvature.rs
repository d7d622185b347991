//! How the paths of cells bend: the accelerations of place and of log-mass at every cell, from the couplings on both sides of it.

use crate::bridge::acceleration;
use crate::snapshots::Snapshots;
use crate::transport::coupling::{Coupling, Pair};

/// The accelerations at the cells of all snapshots, the same at any number of threads.
///
/// A cell's mean velocity in an interval is the mean of its partners' displacements, weighted by the mass that it sends them or
/// receives from them, over the interval's length; the log-masses' rate of change likewise. Where a cell has partners on both
/// sides, the two rates give its [`acceleration`]. A cell with partners on one side alone, as all cells of the first and of the
/// last snapshot are, has no second rate to compare: it is taken to accelerate as its partners do on average, those that have
/// an acceleration of their own, or not at all where none has. So two snapshots alone give none.
#[derive(Debug)]
pub(crate) struct Curvature {
    dims: usize,
    /// Of each snapshot, cell by cell: d²x/dt², then d² ln m/dt².
    accelerations: Vec<Vec<f64>>,
}

impl Curvature {
    /// The accelerations, scaled by 1 − `tension`, of cells that are coupled between consecutive snapshots.
    pub(crate) fn new(snapshots: &Snapshots, couplings: &[Coupling], tension: f64) -> Self {
        let own = between_intervals(snapshots, couplings, 1.0 - tension);
        let of_partners = of_partners(snapshots, couplings, &own);
        let of_snapshot = |k: usize| {
            let mut rows = Vec::with_capacity(snapshots.count(k) * (snapshots.dims() + 1));
            for cell in 0..snapshots.count(k) as u32 {
                match own[k].of(cell).or_else(|| of_partners[k].of(cell)) {
                    Some(acceleration) => rows.extend(acceleration),
                    None => rows.resize(rows.len() + snapshots.dims() + 1, 0.0),
                }
            }
            rows
        };
        Self { dims: snapshots.dims(), accelerations: (0..snapshots.len()).map(of_snapshot).collect() }
    }

    /// d²x/dt² of a cell.
    pub(super) fn of_place(&self, snapshot: usize, cell: u32) -> &[f64] {
        &self.of(snapshot, cell)[..self.dims]
    }

    /// d² ln m/dt² of a cell.
    pub(super) fn of_log_mass(&self, snapshot: usize, cell: u32) -> f64 {
        self.of(snapshot, cell)[self.dims]
    }

    fn of(&self, snapshot: usize, cell: u32) -> &[f64] {
        let width = self.dims + 1;
        &self.accelerations[snapshot][cell as usize * width..][..width]
    }
}

/// The accelerations of the cells that have partners on both sides, times `looseness`.
fn between_intervals(snapshots: &Snapshots, couplings: &[Coupling], looseness: f64) -> Vec<Means> {
    let dims = snapshots.dims();
    let length = |k: usize| snapshots.times()[k + 1] - snapshots.times()[k];
    // Mean rates of change from the snapshot before, and towards the next one.
    let (mut before, mut after) = (Means::of_cells(snapshots), Means::of_cells(snapshots));
    for (k, coupling) in couplings.iter().enumerate() {
        for &Pair { source, target, sent, received } in &coupling.pairs {
            let place = |snapshot: usize, cell: u32, c: usize| {
                f64::from(snapshots.points(snapshot)[cell as usize * dims + c])
            };
            let change = |c: usize| match c {
                c if c < dims => place(k + 1, target, c) - place(k, source, c),
                _ => libm::log(received / sent),
            };
            let rates = || (0..=dims).map(|c| change(c) / length(k));
            after[k].add(source, sent, rates());
            before[k + 1].add(target, received, rates());
        }
    }
    let mut own = Means::of_cells(snapshots);
    for k in 1..snapshots.len() - 1 {
        for cell in 0..snapshots.count(k) as u32 {
            if let (Some(before), Some(after)) = (before[k].of(cell), after[k].of(cell)) {
                let rates = before.zip(after);
                let of_rates = |(past, future)| acceleration((past, length(k - 1)), (future, length(k)));
                own[k].add(cell, 1.0, rates.map(|rates| looseness * of_rates(rates)));
            }
        }
    }
    own
}

/// The mean accelerations of each cell's partners on either side, of those that have one of their `own`.
fn of_partners(snapshots: &Snapshots, couplings: &[Coupling], own: &[Means]) -> Vec<Means> {
    let mut means = Means::of_cells(snapshots);
    for (k, coupling) in couplings.iter().enumerate() {
        for &Pair { source, target, sent, received } in &coupling.pairs {
            if let Some(acceleration) = own[k + 1].of(target) {
                means[k].add(source, sent, acceleration);
            }
            if let Some(acceleration) = own[k].of(source) {
                means[k + 1].add(target, received, acceleration);
            }
        }
    }
    means
}

/// Weighted means of rows of numbers, one for each cell of a snapshot.
struct Means {
    width: usize,
    sums: Vec<f64>,
    weights: Vec<f64>,
}

impl Means {
    /// Of nothing yet, for the cells of each snapshot: a row has a number for every coordinate and one for the log-mass.
    fn of_cells(snapshots: &Snapshots) -> Vec<Self> {
        let width = snapshots.dims() + 1;
        let of_count =
            |cells: usize| Self { width, sums: vec![0.0; cells * width], weights: vec![0.0; cells] };
        (0..snapshots.len()).map(|k| of_count(snapshots.count(k))).collect()
    }

    fn add(&mut self, cell: u32, weight: f64, row: impl Iterator<Item = f64>) {
        let sums = &mut self.sums[cell as usize * self.width..][..self.width];
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        self.weights[cell as usize] += weight;
    }

    /// The mean, if there is anything to take one of.
    fn of(&self, cell: u32) -> Option<impl Iterator<Item = f64>> {
        let weight = self.weights[cell as usize];
        let sums = &self.sums[cell as usize * self.width..][..self.width];
        (weight > 0.0).then(|| sums.iter().map(move |sum| sum / weight))
    }
}
