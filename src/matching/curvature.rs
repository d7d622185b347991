//! How the paths of cells bend: the accelerations of place and of log-mass at every cell, from the couplings on both sides of it.

use crate::bridge::{acceleration, trust_in_turn};
use crate::snapshots::Snapshots;
use crate::transport::coupling::{Coupling, Pair};

/// The accelerations at the cells of all snapshots, the same at any number of threads.
///
/// A cell's mean velocity in an interval is the mean of its partners' displacements, weighted by the mass that it sends them or
/// receives from them, over the interval's length; the log-masses' rate of change likewise. Where a cell has partners on both
/// sides, the two rates give its [`acceleration`], that of the place times the [trust](trust_in_turn) in its turn. A cell with partners on one side alone, as all cells of the first and of the
/// last snapshot are, has no second rate to compare: it is taken to accelerate as its partners do on average, those that have
/// an acceleration of their own, or not at all where none has. So two snapshots alone give none.
#[derive(Debug)]
pub(crate) struct Curvature {
    /// How many numbers of a cell are of its place: as many as there are dimensions, or none where places keep to straight lines.
    places: usize,
    /// Of each snapshot, cell by cell: d²x/dt², then d² ln m/dt².
    accelerations: Vec<Vec<f64>>,
}

/// The shares of what cells seem to accelerate by that their paths take: 1 − the tension; 0 keeps them straight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looseness {
    pub(crate) place: f64,
    pub(crate) growth: f64,
}

impl Curvature {
    /// The accelerations, scaled by `looseness`, of cells that are coupled between consecutive snapshots.
    pub(crate) fn new(snapshots: &Snapshots, couplings: &[Coupling], looseness: Looseness) -> Self {
        let places = if looseness.place > 0.0 { snapshots.dims() } else { 0 };
        let own = between_intervals(snapshots, couplings, looseness, places);
        let of_partners = of_partners(snapshots, couplings, &own, places);
        let of_snapshot = |k: usize| {
            let mut rows = Vec::with_capacity(snapshots.count(k) * (places + 1));
            for cell in 0..snapshots.count(k) as u32 {
                match own[k].of(cell).or_else(|| of_partners[k].of(cell)) {
                    Some(acceleration) => rows.extend(acceleration),
                    None => rows.resize(rows.len() + places + 1, 0.0),
                }
            }
            rows
        };
        Self { places, accelerations: (0..snapshots.len()).map(of_snapshot).collect() }
    }

    /// d²x/dt² of a cell, where places bend.
    pub(super) fn of_place(&self, snapshot: usize, cell: u32) -> Option<&[f64]> {
        (self.places > 0).then(|| &self.of(snapshot, cell)[..self.places])
    }

    /// d² ln m/dt² of a cell.
    pub(super) fn of_log_mass(&self, snapshot: usize, cell: u32) -> f64 {
        self.of(snapshot, cell)[self.places]
    }

    fn of(&self, snapshot: usize, cell: u32) -> &[f64] {
        let width = self.places + 1;
        &self.accelerations[snapshot][cell as usize * width..][..width]
    }
}

/// The accelerations of the cells that have partners on both sides, times `looseness`: of so many coordinates of their `places`, and of
/// their log-masses.
fn between_intervals(
    snapshots: &Snapshots,
    couplings: &[Coupling],
    looseness: Looseness,
    places: usize,
) -> Vec<Means> {
    let length = |k: usize| snapshots.times()[k + 1] - snapshots.times()[k];
    // Mean rates of change from the snapshot before, and towards the next one.
    let (mut before, mut after) = (Means::of_cells(snapshots, places), Means::of_cells(snapshots, places));
    for (k, coupling) in couplings.iter().enumerate() {
        for &Pair { source, target, sent, received, .. } in &coupling.pairs {
            let place =
                |snapshot: usize, cell: u32, c: usize| f64::from(snapshots.point(snapshot, cell as usize)[c]);
            let change = |c: usize| match c {
                c if c < places => place(k + 1, target, c) - place(k, source, c),
                _ => libm::log(received / sent),
            };
            let rates = || (0..=places).map(|c| change(c) / length(k));
            after[k].add(source, sent, rates());
            before[k + 1].add(target, received, rates());
        }
    }
    let mut own = Means::of_cells(snapshots, places);
    for k in 1..snapshots.len() - 1 {
        for cell in 0..snapshots.count(k) as u32 {
            let rates = || Some((before[k].of(cell)?, after[k].of(cell)?));
            if let (Some((past, future)), Some(rates)) = (rates(), rates()) {
                // Of no coordinates it is 0, and not asked for.
                let trust = trust_in_turn(past.take(places), future.take(places));
                let of_rates = |(c, (past, future))| {
                    let scale = if c < places { looseness.place * trust } else { looseness.growth };
                    scale * acceleration((past, length(k - 1)), (future, length(k)))
                };
                own[k].add(cell, 1.0, rates.0.zip(rates.1).enumerate().map(of_rates));
            }
        }
    }
    own
}

/// The mean accelerations of each cell's partners on either side, of those that have one of their `own`.
fn of_partners(snapshots: &Snapshots, couplings: &[Coupling], own: &[Means], places: usize) -> Vec<Means> {
    let mut means = Means::of_cells(snapshots, places);
    for (k, coupling) in couplings.iter().enumerate() {
        for &Pair { source, target, sent, received, .. } in &coupling.pairs {
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
    /// Of nothing yet, for the cells of each snapshot: a row has numbers for so many coordinates and one for the log-mass.
    fn of_cells(snapshots: &Snapshots, places: usize) -> Vec<Self> {
        let width = places + 1;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshots::MatrixView;

    const LOOSE: Looseness = Looseness { place: 1.0, growth: 1.0 };

    /// Cells on the line at the times 0, 1 and 3; the path of the first is `path`, its weight exp of that.
    fn three_times(path: impl Fn(f64) -> f64, others: &[(f64, f64)]) -> (Snapshots, Vec<Coupling>) {
        let times = [0.0, 1.0, 3.0];
        let cells = times.map(|t| (t, path(t))).into_iter().chain(others.iter().copied());
        let (labels, points): (Vec<f64>, Vec<f64>) = cells.unzip();
        let view = MatrixView::from_f64(&points, points.len(), 1).unwrap();
        let pair = |k: usize| Pair {
            source: 0,
            target: 0,
            sent: path(times[k]).exp(),
            received: path(times[k + 1]).exp(),
            coupled: path(times[k]).exp(),
        };
        let coupling = |k| Coupling { pairs: vec![pair(k)], ..Default::default() };
        (Snapshots::new(view, &labels, None).unwrap(), vec![coupling(0), coupling(1)])
    }

    #[test]
    fn constant_acceleration_is_found_at_all_cells_whatever_the_intervals() {
        for (velocity, acceleration) in [(0.5, 0.0), (0.0, 0.25), (-2.0, 0.5)] {
            let path = |t: f64| 1.0 + velocity * t + 0.5 * acceleration * t * t;
            let (snapshots, couplings) = three_times(path, &[]);
            for tension in [0.0, 0.25, 1.0] {
                let curvature = Curvature::new(
                    &snapshots,
                    &couplings,
                    Looseness { place: 1.0 - tension, growth: 1.0 - tension },
                );
                for k in 0..3 {
                    let want = (1.0 - tension) * acceleration;
                    // Places are single precision.
                    let place = curvature.of_place(k, 0).map_or(0.0, |a| a[0]);
                    assert!((place - want).abs() < 1e-6, "{k}: {curvature:?}");
                    assert!((curvature.of_log_mass(k, 0) - want).abs() < 1e-12, "{k}: {curvature:?}");
                }
            }
        }
    }

    #[test]
    fn rates_are_means_over_partners_by_the_mass_sent_and_received() {
        // The first cell comes to 0 at speed 2 by time 1, and then sends a quarter of its mass to 4 and the rest to 8, over a time
        // of 2: the mean velocity after is (0.25·4 + 0.75·8)/2.
        let path = |t: f64| if t < 2.0 { 2.0 * t - 2.0 } else { 4.0 };
        let (snapshots, mut couplings) = three_times(path, &[(3.0, 8.0)]);
        couplings[0].pairs[0].sent = couplings[0].pairs[0].received;
        let pair = |target, sent, received| Pair { source: 0, target, sent, received, coupled: sent };
        couplings[1].pairs = vec![pair(0, 0.25, 0.5), pair(1, 0.75, 0.75)];
        let curvature = Curvature::new(&snapshots, &couplings, LOOSE);
        assert!((curvature.of_place(1, 0).unwrap()[0] - 2.0 * (3.5 - 2.0) / 3.0).abs() < 1e-12);
        assert!((curvature.of_log_mass(1, 0) - 2.0 * 0.25 * 2f64.ln() / 2.0 / 3.0).abs() < 1e-12);
        // Both ends of both pairs have no other neighbour than that cell.
        for (k, cell) in [(0, 0), (2, 0), (2, 1)] {
            assert_eq!(curvature.of(k, cell), curvature.of(1, 0));
        }
    }

    #[test]
    fn cells_without_partners_on_both_sides_bend_as_their_partners_or_not_at_all() {
        // Beside the first cell, one that is born at time 1 and lives on, and one that is born at time 3.
        let path = |t: f64| 0.5 * t * t;
        let (snapshots, mut couplings) = three_times(path, &[(1.0, 20.0), (3.0, 21.0), (3.0, 30.0)]);
        couplings[0].born = vec![(1, 1.0)];
        couplings[1].pairs.push(Pair { source: 1, target: 1, sent: 1.0, received: 2.0, coupled: 1.0 });
        couplings[1].born = vec![(2, 1.0)];
        let curvature = Curvature::new(&snapshots, &couplings, LOOSE);
        assert!((curvature.of_place(1, 0).unwrap()[0] - 1.0).abs() < 1e-6);
        for (k, cell) in [(1, 1), (2, 1), (2, 2)] {
            assert_eq!(curvature.of(k, cell), [0.0, 0.0], "snapshot {k}, cell {cell}");
        }
        // The newborn's mass comes from elsewhere, too: its way is bent by that partner's acceleration.
        couplings[1].pairs.push(Pair { source: 0, target: 1, sent: 0.5, received: 0.5, coupled: 0.5 });
        let curvature = Curvature::new(&snapshots, &couplings, LOOSE);
        assert_eq!(curvature.of(2, 1), curvature.of(1, 0));
    }

    #[test]
    fn cells_that_turn_back_keep_to_straight_lines_and_their_growth_still_bends() {
        let path = |t: f64| if t < 0.5 { 1.0 } else { 2.5 - t / 2.0 };
        let (snapshots, couplings) = three_times(path, &[]);
        let curvature = Curvature::new(&snapshots, &couplings, LOOSE);
        // Log-masses change as places do: at rate 1, then at rate −1/2.
        assert_eq!(curvature.of_place(1, 0).unwrap(), [0.0]);
        assert!((curvature.of_log_mass(1, 0) + 1.0).abs() < 1e-12, "{curvature:?}");
    }

    #[test]
    fn two_snapshots_alone_bend_no_path() {
        let (snapshots, couplings) = three_times(|t| t * t, &[]);
        let curvature = Curvature::new(&snapshots.without(&[3.0]).unwrap(), &couplings[..1], LOOSE);
        assert_eq!((curvature.of(0, 0), curvature.of(1, 0)), (&[0.0; 2][..], &[0.0; 2][..]));
    }
}
