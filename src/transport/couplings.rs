//! Couplings of consecutive snapshots, and what is carried along all of them.

use std::ops::Deref;

use super::coupling::{Carry, Coupling};
use crate::error::{Error, Result};
use crate::snapshots::Snapshots;

/// Couplings of consecutive snapshots: one an interval, which it is a list of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Couplings {
    of_intervals: Vec<Coupling>,
    times: Vec<f64>,
    counts: Vec<usize>,
}

impl Deref for Couplings {
    type Target = [Coupling];

    fn deref(&self) -> &[Coupling] {
        &self.of_intervals
    }
}

/// What became of a distribution over cells that was carried to another snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The mass on each cell of the other snapshot.
    pub masses: Vec<f64>,
    /// Of each interval on the way, in the order in which it was crossed, the mass that stood on cells without a partner, as it was
    /// before that interval.
    pub lost: Vec<f64>,
}

/// What of every cell of a snapshot has partners, and what has none: one element a cell.
///
/// A cell sends its weight but for what of it dies, and receives its weight but for what of it is born; nothing is sent from the last
/// snapshot, and nothing received at the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellMasses {
    /// The mass sent to cells of the next snapshot.
    pub sent: Vec<f64>,
    /// The mass without a partner there.
    pub dying: Vec<f64>,
    /// The mass received from cells of the snapshot before.
    pub received: Vec<f64>,
    /// The mass without a partner there.
    pub born: Vec<f64>,
}

impl Couplings {
    /// The couplings of all intervals of some snapshots.
    pub(crate) fn new(of_intervals: Vec<Coupling>, snapshots: &Snapshots) -> Self {
        let counts = (0..snapshots.len()).map(|k| snapshots.count(k)).collect();
        Self { of_intervals, times: snapshots.times().to_vec(), counts }
    }

    /// Couplings of snapshots with so many cells at increasing times.
    ///
    /// # Errors
    /// [`Error::InvalidData`] unless there is a time more than intervals, the times increase, every cell is one of its snapshot's, and all
    /// masses are finite and not negative.
    pub(crate) fn of_parts(of_intervals: Vec<Coupling>, times: Vec<f64>, counts: Vec<usize>) -> Result<Self> {
        let refused = |what: String| Err(Error::InvalidData(format!("these are no couplings: {what}")));
        if times.len() != counts.len() || times.len() != of_intervals.len() + 1 {
            let (times, counts) = (times.len(), counts.len());
            return refused(format!("{times} times, {counts} counts, {} intervals", of_intervals.len()));
        }
        if !times.windows(2).all(|pair| pair[0] < pair[1] && (pair[1] - pair[0]).is_finite()) {
            return refused("their times do not increase".into());
        }
        for (k, coupling) in of_intervals.iter().enumerate() {
            let (before, after) = (counts[k], counts[k + 1]);
            let pairs = coupling.pairs.iter().flat_map(|pair| {
                let ends = [(pair.source, before, pair.sent), (pair.target, after, pair.received)];
                ends.into_iter().chain([(pair.source, before, pair.coupled)])
            });
            let dying = coupling.dying.iter().map(|&(cell, mass)| (cell, before, mass));
            let born = coupling.born.iter().map(|&(cell, mass)| (cell, after, mass));
            let mut all = pairs.chain(dying).chain(born);
            if let Some((cell, cells, mass)) =
                all.find(|&(cell, cells, mass)| cell as usize >= cells || !(mass >= 0.0 && mass.is_finite()))
            {
                return refused(format!("the mass {mass} of cell {cell} of {cells} in interval {k}"));
            }
        }
        Ok(Self { of_intervals, times, counts })
    }

    /// The times of the snapshots, increasing.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// How many cells each snapshot has.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// What of every cell of snapshot `k` has partners in the snapshots beside it, and what has none.
    ///
    /// # Panics
    /// If there are not so many snapshots.
    pub fn of_cells(&self, k: usize) -> CellMasses {
        let cells = self.counts[k];
        let alone = |of: &[(u32, f64)]| {
            let mut masses = vec![0.0; cells];
            of.iter().for_each(|&(cell, mass)| masses[cell as usize] += mass);
            masses
        };
        let mut of_cells = CellMasses {
            sent: vec![0.0; cells],
            dying: vec![0.0; cells],
            received: vec![0.0; cells],
            born: vec![0.0; cells],
        };
        if let Some(next) = self.get(k) {
            (of_cells.sent, of_cells.dying) = (next.sent(cells), alone(&next.dying));
        }
        if let Some(before) = k.checked_sub(1).and_then(|k| self.get(k)) {
            (of_cells.received, of_cells.born) = (before.received(cells), alone(&before.born));
        }
        of_cells
    }

    /// Carries a distribution over the cells of snapshot `from` to those of snapshot `to`, onwards or back, through the couplings of
    /// all intervals in between, one after another: what they make of it is their product.
    ///
    /// Carried as [shares](Carry::Share), what arrives and what was lost add up to what there was; nothing is normalised.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for snapshots that there are not, and unless there is one mass a cell, finite and not negative.
    pub fn carry(&self, from: usize, to: usize, masses: &[f64], carry: Carry) -> Result<Carried> {
        let count = self.counts.len();
        for (name, k) in [("from", from), ("to", to)] {
            if k >= count {
                return Err(Error::argument(name, k, &format!("below {count}, the number of times")));
            }
        }
        if masses.len() != self.counts[from] {
            let allowed = format!("{} values, one a cell at time {}", self.counts[from], self.times[from]);
            return Err(Error::argument("masses", masses.len(), &allowed));
        }
        if let Some(cell) = masses.iter().position(|mass| !(*mass >= 0.0 && mass.is_finite())) {
            let name = format!("the mass on cell {}", cell + 1);
            return Err(Error::argument(&name, masses[cell], "finite and not negative"));
        }
        let mut carried = Carried { masses: masses.to_vec(), lost: vec![] };
        let mut cross = |k: usize, onwards: bool| {
            let (coupling, there) = (&self[k], if onwards { k + 1 } else { k });
            let step = if onwards { Coupling::push } else { Coupling::pull };
            let (masses, lost) = step(coupling, &carried.masses, self.counts[there], carry);
            carried.masses = masses;
            carried.lost.push(lost);
        };
        (from..to).for_each(|k| cross(k, true));
        (to..from).rev().for_each(|k| cross(k, false));
        Ok(carried)
    }
}
