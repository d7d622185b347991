//! Labels of cells, some of them unknown.

use super::offset;
use crate::error::{Error, Result};
use crate::snapshots::Snapshots;

/// A label of each cell, or none where it is not known, in the order in which snapshots hold the cells. Labels are numbers from 0; what they
/// are called is the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Vec<Option<u32>>);

/// A labelled cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Its number in its snapshot.
    pub(super) row: usize,
    /// Which of the labels that occur it has.
    pub(super) column: usize,
    pub(super) weight: f64,
}

/// The most different labels: more are not labels but names of cells.
const MOST_LABELS: u32 = 10_000;

impl Labels {
    /// Labels by their numbers.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of 10 000 or more, naming the cell.
    pub fn new(of_cell: Vec<Option<u32>>) -> Result<Self> {
        if let Some((cell, label)) =
            of_cell.iter().enumerate().find(|(_, label)| **label >= Some(MOST_LABELS))
        {
            let name = format!("the label of cell {}", cell + 1);
            let allowed = format!("below {MOST_LABELS}; are these names of cells?");
            return Err(Error::argument(&name, label.unwrap_or_default(), &allowed));
        }
        Ok(Self(of_cell))
    }

    /// The label of a cell, by its number.
    ///
    /// # Panics
    /// If there are not so many cells.
    pub fn get(&self, cell: usize) -> Option<u32> {
        self.0[cell]
    }

    /// Those of the cells of snapshot `k`.
    pub(super) fn of(&self, snapshots: &Snapshots, k: usize) -> &[Option<u32>] {
        let first = offset(snapshots, k);
        &self.0[first..first + snapshots.count(k)]
    }

    /// How many cells of snapshot `k` are without.
    pub(super) fn unknown(&self, snapshots: &Snapshots, k: usize) -> usize {
        self.of(snapshots, k).iter().filter(|label| label.is_none()).count()
    }

    /// The labels that cells of snapshot `k` with weight have, increasing.
    pub(super) fn present(&self, snapshots: &Snapshots, k: usize) -> Vec<u32> {
        let weighed =
            self.of(snapshots, k).iter().zip(snapshots.weights(k)).filter(|(_, weight)| **weight > 0.0);
        let mut present: Vec<u32> = weighed.filter_map(|(label, _)| *label).collect();
        present.sort_unstable();
        present.dedup();
        present
    }

    /// The cells of snapshot `k` that have a label and a weight.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if there are not as many labels as cells, [`Error::InvalidData`] if no cell has a label and a weight.
    pub(super) fn known(&self, snapshots: &Snapshots, k: usize) -> Result<Vec<Known>> {
        if self.0.len() != snapshots.cells() {
            let allowed = format!("{}, one a cell", snapshots.cells());
            return Err(Error::argument("the number of labels", self.0.len(), &allowed));
        }
        let present = self.present(snapshots, k);
        let cell = |(row, (label, &weight)): (usize, (&Option<u32>, &f64))| {
            let column = present.binary_search(&(*label)?).ok()?;
            (weight > 0.0).then_some(Known { row, column, weight })
        };
        let known: Vec<Known> =
            self.of(snapshots, k).iter().zip(snapshots.weights(k)).enumerate().filter_map(cell).collect();
        if known.is_empty() {
            return Err(Error::InvalidData(format!(
                "none of the {} cells at time {} has a label and a weight: fates are told by those of the cells there (another time: to)",
                snapshots.count(k),
                snapshots.times()[k]
            )));
        }
        Ok(known)
    }
}
