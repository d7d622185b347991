//! Which cells of a snapshot descend from which of an earlier one, by simulation, as a semi-coupling.
//!
//! From each cell i of the earlier snapshot several families are simulated to the time of the later one, where each descendant counts for
//! its nearest cells, each by its share of their weight: n_ij is what a cell's descendants weigh near cell j, e_i the probability that
//! it has none, both as [`fates`](fn@super::fates) have them, with every later cell a label of its own. Of cells that weigh a_i,
//!
//! | | |
//! | --- | --- |
//! | received_ij = a_i n_ij | what descends from i near j, with its growth |
//! | sent_ij = a_i (1 − e_i) n_ij / Σ_j n_ij | what of i it descends from |
//! | dying_i = a_i e_i | what of i has no descendants |
//! | born_j = b_j | the weight of a cell that no descendant came near |
//!
//! Pushed along it as shares, a distribution goes where a random descendant of a random cell of it is, and what has none is lost. Pulled
//! back, by Bayes' rule, it goes where a random ancestor is: P(i | j) = a_i n_ij / Σ_i a_i n_ij. That is the law of ancestors that the
//! diffusion run backward has as well, with drift −v + s for the score drift s = (σ²/2) ∇ log ρ (Anderson, Stochastic Processes and their
//! Applications 1982; see [`sde::simulate`](crate::simulate::sde::simulate)): of the density ρ_s(x) n(x, y) of a cell at x with a descendant at y,
//! that of x given y satisfies its equation, from which growth drops out, since every cell has one ancestor. Bayes' rule needs no score,
//! so that any model can be asked, and starts from the cells that there were instead of the density that was learned.

use super::neighbours::{Neighbours, Search};
use super::{FateOptions, offset};
use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::Fields;
use crate::simulate::families::{Descendants, Founders};
use crate::simulate::{extrapolation, stray};
use crate::snapshots::Snapshots;
use crate::transport::coupling::{Coupling, Pair};
use crate::transport::couplings::Couplings;

/// Which cells of a snapshot descend from which of an earlier one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Descent {
    /// Of one interval, between the times asked for.
    pub couplings: Couplings,
    /// How many cells say where a descendant is.
    pub neighbours: usize,
    /// The share of the descendants' time that was spent outside of the box of the cells, of fields with a guard.
    pub outside: Option<f64>,
    /// Why the result may mean little, in whole sentences.
    pub warnings: Vec<String>,
}

/// Numbers of a table that is filled at a time.
const TABLE: usize = 1 << 22;

/// Simulates which cells at the time `to` of the options, the last where it is absent, descend from which at the time `from`, the first
/// where it is absent; of an ensemble, by its mean fields.
///
/// The result is a function of the fields, the cells' numbers and the options: the same bits at any number of threads. It has about as many
/// pairs as there are cells near the descendants of each: at most the descendants times the neighbours.
///
/// # Errors
/// As [`fates`](fn@super::fates).
///
/// # Example
/// ```
/// use chreode::exec::stop::Stop;
/// use chreode::fates::{FateOptions, descent};
/// use chreode::fields::ClosedForm;
/// use chreode::snapshots::{MatrixView, Snapshots};
/// use chreode::transport::coupling::Carry;
/// // Cells go to the right, and divide once per unit of time.
/// let fields = ClosedForm {
///     dims: 1,
///     sigma: 0.0,
///     velocity: Box::new(|_, _, v| v[0] = 1.0),
///     growth: Box::new(|_, _| 1.0),
///     score_drift: Box::new(|_, _, s| s[0] = 0.0),
/// };
/// let points = MatrixView::from_f64(&[0.0, 5.0, 1.0, 6.0], 4, 1)?;
/// let snapshots = Snapshots::new(points, &[0.0, 0.0, 1.0, 1.0], None)?;
/// let options = FateOptions { neighbours: Some(1), ..FateOptions::default() };
/// let found = descent(&fields, &snapshots, &options, &Stop::default())?.couplings;
/// assert_eq!(found.carry(0, 1, &[1.0, 0.0], Carry::Share)?.masses, [1.0, 0.0]);
/// let grown = found.carry(0, 1, &[0.0, 1.0], Carry::Mass)?.masses[1];
/// assert!((grown - 1f64.exp()).abs() < 1e-6);
/// assert_eq!(found.carry(1, 0, &[0.0, 1.0], Carry::Share)?.masses, [0.0, 1.0]);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn descent(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    options: &FateOptions,
    stop: &Stop,
) -> Result<Descent> {
    options.check_of(fields, snapshots)?;
    let to = options.to.map_or(Ok(snapshots.len() - 1), |time| snapshots.index_of(time))?;
    let from = options.from.map_or(Ok(0), |time| snapshots.index_of(time))?;
    if from >= to {
        let allowed = format!("before {}, the time of the descendants", snapshots.times()[to]);
        return Err(Error::argument("from", snapshots.times()[from], &allowed));
    }
    let index = index_of(snapshots, to, options.neighbours)?;
    let families = options.families(fields, snapshots);
    let (dims, cells) = (snapshots.dims(), snapshots.count(to));
    let (points, weights) = (snapshots.points(from), snapshots.weights(from));
    let (first, width) = (offset(snapshots, from) as u64, cells + 1);
    let at_a_time = (TABLE / width).max(1);
    let mut table = vec![0.0; at_a_time.min(weights.len()) * width];
    let (mut coupling, mut outside) = (Coupling::default(), None::<f64>);
    for (c, points) in points.chunks(at_a_time * dims).enumerate() {
        let before = c * at_a_time;
        let founders = Founders {
            time: snapshots.times()[from],
            to: snapshots.times()[to],
            points,
            first: first + before as u64,
        };
        let table = &mut table[..points.len() / dims * width];
        table.fill(0.0);
        let take = |search: &mut Search, descendants: &Descendants<'_>, row: &mut [f64]| {
            count(descendants, &index, search, row);
            Ok(())
        };
        let share = families.simulate(fields, founders, (table, width), Search::default, &take, stop)?;
        outside = outside.into_iter().chain(share).reduce(f64::max);
        for (cell, row) in table.chunks_exact(width).enumerate() {
            couple(before + cell, weights[before + cell], row, &mut coupling);
        }
    }
    let mut found = vec![false; cells];
    coupling.pairs.iter().for_each(|pair| found[pair.target as usize] = true);
    let alone = snapshots.weights(to).iter().enumerate();
    let alone = alone.filter(|&(cell, &weight)| !found[cell] && weight > 0.0);
    coupling.born = alone.map(|(cell, &weight)| (cell as u32, weight)).collect();
    let times = [from, to].map(|k| snapshots.times()[k]);
    let counts = [from, to].map(|k| snapshots.count(k));
    Ok(Descent {
        couplings: Couplings::of_parts(vec![coupling], times.to_vec(), counts.to_vec())?,
        neighbours: index.count(),
        outside,
        warnings: extrapolation(fields, times).into_iter().chain(stray(outside)).collect(),
    })
}

/// The index of the cells of snapshot `k` that weigh anything, each a column of its own.
fn index_of(snapshots: &Snapshots, k: usize, count: Option<usize>) -> Result<Neighbours> {
    let weights = snapshots.weights(k).iter().copied().enumerate();
    let weighed: Vec<(usize, f64)> = weights.filter(|(_, weight)| *weight > 0.0).collect();
    let mut points = Vec::with_capacity(weighed.len() * snapshots.dims());
    weighed.iter().for_each(|&(cell, _)| points.extend_from_slice(snapshots.point(k, cell)));
    let count = super::neighbour_count(count, weighed.len(), "the cells", snapshots.times()[k])?;
    Ok(Neighbours::new(snapshots.dims(), &points, weighed.into_iter(), count))
}

/// What a cell's descendants weigh near each later cell, and behind it the probability that it has none, into its row of zeros.
fn count(descendants: &Descendants<'_>, index: &Neighbours, search: &mut Search, row: &mut [f64]) {
    let families = descendants.sizes.len() as f64;
    let (none, cells) = row.split_last_mut().expect("a column behind those of the cells");
    for (point, weight) in descendants.points.chunks_exact(index.dims()).zip(descendants.weights) {
        index.spread(point, search, weight / families, cells);
    }
    *none = descendants.extinct.iter().sum::<f64>() / families;
}

/// Adds what a cell of this weight becomes by its row.
fn couple(cell: usize, weight: f64, row: &[f64], coupling: &mut Coupling) {
    let (none, near) = row.split_last().expect("a column behind those of the cells");
    let all: f64 = near.iter().sum();
    let has_any = if all > 0.0 { (1.0 - none).max(0.0) } else { 0.0 };
    for (target, &descendants) in near.iter().enumerate().filter(|(_, descendants)| **descendants > 0.0) {
        let pair = Pair {
            source: cell as u32,
            target: target as u32,
            sent: weight * has_any * (descendants / all),
            received: weight * descendants,
            coupled: weight * descendants,
        };
        // A share that underflows at either end carries nothing.
        if pair.sent > 0.0 && pair.received > 0.0 {
            coupling.pairs.push(pair);
        }
    }
    if weight * (1.0 - has_any) > 0.0 {
        coupling.dying.push((cell as u32, weight * (1.0 - has_any)));
    }
}
