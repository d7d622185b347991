//! Fates: what cells become, by labels of the cells of a later snapshot.
//!
//! From each cell, several families are simulated to the time of the labelled cells. A descendant has the labels of its nearest
//! labelled cells there, each by its share of their weight. Counted are, of each cell and label,
//!
//! | | what it is | by the diffusion or the flow | by branching |
//! | --- | --- | --- | --- |
//! | n | the expected number of descendants with the label | the mean weight of its particles with the label | the mean number of members of its families |
//! | p | the probability that a random descendant has it | n over the sum of all n | the same |
//! | none | the probability to have no descendants | that of the birth–death process with the growth rates along each particle's way, if all its family went that way | the share of families that died out |
//!
//! with their standard errors, which shrink with the square root of the families. The flow is without chance: its errors are 0. So
//! p is of the population, not of one lineage: where a cell has more descendants of one kind, they count more, in all modes.
//! By the diffusion, `none` takes a family's members for one, which die out together: more often than members that part. By the flow they stay together, and it
//! is exact; in both, cells divide or die at the rate |g|, never both.
//!
//! | file | what is in it |
//! | --- | --- |
//! | this one | [`fates`], what is asked and what comes of it |
//! | `count` | the numbers of one cell from its families |
//! | `descent` | which cells of a snapshot descend from which of an earlier one |
//! | `ensemble` | how far they depend on the cells, by the members of an ensemble |
//! | `labels` | labels of cells, some of them unknown |
//! | `neighbours` | an index of points for their nearest neighbours |
//! | `transitions` | which label's cells became which, with mass |

mod count;
mod descent;
mod ensemble;
mod labels;
mod neighbours;
mod transitions;

use crate::error::{Error, Result};
use crate::exec::stop::Stop;
use crate::fields::{Fields, require_whole};
use crate::simulate::branching::Motion;
use crate::simulate::families::{Families, Founders};
use crate::simulate::simulation::{Process, Simulation};
use crate::simulate::{extrapolation, stray};
use crate::snapshots::Snapshots;
use count::{Counter, Layout};
pub use descent::{Descent, descent};
pub use ensemble::fates_of_model;
pub use labels::Labels;
use neighbours::Neighbours;
pub use transitions::Transitions;

/// How fates are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FateOptions {
    /// What moves.
    pub process: Process,
    /// The time of the cells whose fates are asked for; all times before that of the labelled cells where absent.
    pub from: Option<f64>,
    /// The time of the labelled cells; the last where absent.
    pub to: Option<f64>,
    /// Sde and branching: the families that are simulated of each cell.
    pub descendants: usize,
    /// The labelled cells that say what a descendant is; ten, or all where they are fewer, where absent.
    pub neighbours: Option<usize>,
    /// The longest step, in units of time; a tenth of the mean interval between snapshots where absent.
    pub step: Option<f64>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Branching: turnover added to both rates, per unit of time.
    pub turnover: f64,
    /// Branching: how cells move; diffusion for fields with noise, else flow, where absent.
    pub motion: Option<Motion>,
    /// Branching: the most descendants that one cell may have in all its families at once.
    pub max_population: usize,
    /// Of an ensemble, whether the fates of every member are found as well, for how far they differ.
    pub error_bars: bool,
    /// Threads, 0 for all cores, for a host to start, as [`Simulation::threads`].
    pub threads: Option<usize>,
}

impl Default for FateOptions {
    /// By the diffusion, of all earlier cells.
    fn default() -> Self {
        Self {
            process: Process::Sde,
            from: None,
            to: None,
            descendants: 100,
            neighbours: None,
            step: None,
            seed: 0,
            turnover: 0.0,
            motion: None,
            max_population: 1_000_000,
            error_bars: true,
            threads: None,
        }
    }
}

/// Numbers of each cell, and how far each may be off.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estimates {
    /// Row-major, one row a cell, one column a label; one column of what is no label's.
    pub mean: Vec<f64>,
    /// The standard error, from the number of families.
    pub se: Vec<f64>,
    /// The standard deviation [by the cells](crate::model::Dynamics::deviation_over_members), of an ensemble.
    pub sd: Option<Vec<f64>>,
}

/// What cells become.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fates {
    /// The labels that labelled cells have, increasing: the columns.
    pub labels: Vec<u32>,
    /// The time of the labelled cells.
    pub to: f64,
    /// The cells, by their numbers in the order in which the snapshots hold them: the rows.
    pub cells: Vec<usize>,
    /// The time of each.
    pub times: Vec<f64>,
    /// The probability that a random descendant has the label; NaN of a cell without any.
    pub probability: Estimates,
    /// The expected number of descendants with the label, of one cell.
    pub number: Estimates,
    /// The probability to have no descendants.
    pub none: Estimates,
    /// The label of each of the cells asked for, by each time.
    pub transitions: Vec<Transitions>,
    /// How many labelled cells were found for each descendant.
    pub neighbours: usize,
    /// How many cells of the labelled snapshot have no label, and are nobody's neighbours.
    pub unlabelled: usize,
    /// The share of the descendants' time that was spent outside of the box of the cells, of fields with a guard: see
    /// [`Trajectory::outside`](crate::simulate::Trajectory::outside). The largest of all times.
    pub outside: Option<f64>,
    /// Why the result may mean little, in whole sentences.
    pub warnings: Vec<String>,
}

/// How many labelled cells say what a descendant is, unless asked.
const NEIGHBOURS: usize = 10;
/// Steps of the mean interval between snapshots, unless asked.
const STEPS: f64 = 10.0;
/// Families of a cell have numbers below this.
pub(crate) const MOST_DESCENDANTS: u64 = 1_000_000;

/// The fates of cells by `labels` of cells of a later snapshot; of a [model](crate::Dynamics) that may be an ensemble, see
/// [`fates_of_model`].
///
/// The numbers of a cell are functions of the fields, the cell's number, the labelled cells and the options: the same bits at any number of
/// threads, whichever other cells are asked for.
///
/// # Errors
/// [`Error::InvalidArgument`] for labels of another number than the cells, a time without cells, or one that is not before that of the labelled
/// cells, for more neighbours than there are labelled cells, and for options out of range; [`Error::InvalidData`] if no cell of the labelled snapshot
/// has a label; those of the simulation: [`Error::NonFinite`] naming the cell, [`Error::PopulationLimit`];
/// [`Error::Cancelled`] once `stop` is requested.
///
/// # Example
/// ```
/// use chreode::exec::stop::Stop;
/// use chreode::fates::{FateOptions, Labels, fates};
/// use chreode::fields::ClosedForm;
/// use chreode::snapshots::{MatrixView, Snapshots};
/// // Cells leave 0 to either side, and those to the right divide.
/// let fields = ClosedForm {
///     dims: 1,
///     sigma: 0.3,
///     velocity: Box::new(|_, x, v| v[0] = x[0]),
///     growth: Box::new(|_, x| if x[0] > 0.0 { 1.0 } else { 0.0 }),
///     score_drift: Box::new(|_, _, s| s[0] = 0.0),
/// };
/// let points = MatrixView::from_f64(&[0.0, 1.0, -2.0, 2.0], 4, 1)?;
/// let snapshots = Snapshots::new(points, &[0.0, 0.0, 1.0, 1.0], None)?;
/// let labels = Labels::new(vec![None, None, Some(0), Some(1)])?; // left and right
/// let options = FateOptions { neighbours: Some(1), ..FateOptions::default() };
/// let found = fates(&fields, &snapshots, &labels, &options, &Stop::default())?;
/// let right = |cell: usize| found.probability.mean[2 * cell + 1];
/// assert!(right(0) > 0.55 && right(0) < 0.95, "{}", right(0));
/// assert!(right(1) > 0.95);
/// # Ok::<(), chreode::Error>(())
/// ```
pub fn fates(
    fields: &dyn Fields,
    snapshots: &Snapshots,
    labels: &Labels,
    options: &FateOptions,
    stop: &Stop,
) -> Result<Fates> {
    options.check_of(fields, snapshots)?;
    let to = options.to.map_or(Ok(snapshots.len() - 1), |time| snapshots.index_of(time))?;
    let starts = options.starts(snapshots, to)?;
    let index = labelled(snapshots, labels, to, options.neighbours)?;
    let layout = Layout::new(labels.present(snapshots, to));
    let families = options.families(fields, snapshots);
    let (cells, times) = rows(snapshots, &starts);
    let mut table = vec![0.0; cells.len() * layout.width()];
    let (mut rest, mut outside) = (table.as_mut_slice(), None::<f64>);
    for &start in &starts {
        let (of_start, later) = rest.split_at_mut(snapshots.count(start) * layout.width());
        rest = later;
        let points = snapshots.points(start);
        let first = offset(snapshots, start) as u64;
        let founders =
            Founders { time: snapshots.times()[start], to: snapshots.times()[to], points: &points, first };
        let share = families.simulate(
            fields,
            founders,
            (of_start, layout.width()),
            || Counter::new(&index, &layout),
            &|counter: &mut Counter<'_>, descendants, row| {
                counter.count(descendants, row);
                Ok(())
            },
            stop,
        )?;
        outside = outside.into_iter().chain(share).reduce(f64::max);
    }
    let moments = starts.iter().chain([&to]).map(|&k| snapshots.times()[k]);
    let warnings = extrapolation(fields, moments).into_iter().chain(stray(outside)).collect();
    let [probability, number, none] = layout.estimates(&table);
    let transitions = transitions::of_rows(snapshots, labels, &starts, &layout.labels, &number);
    Ok(Fates {
        to: snapshots.times()[to],
        cells,
        times,
        probability,
        number,
        none,
        transitions,
        neighbours: index.count(),
        unlabelled: labels.unknown(snapshots, to),
        labels: layout.labels,
        outside,
        warnings,
    })
}

impl FateOptions {
    /// Refuses what cannot be asked of these fields and cells.
    fn check_of(&self, fields: &dyn Fields, snapshots: &Snapshots) -> Result<()> {
        self.check()?;
        require_whole(fields, "fates")?;
        if fields.dims() != snapshots.dims() {
            let allowed = format!("{}, the dimension of the fields", fields.dims());
            return Err(Error::argument("dimension of the cells", snapshots.dims(), &allowed));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let most = MOST_DESCENDANTS as usize;
        if self.process != Process::Ode && !(2..=most).contains(&self.descendants) {
            return Err(Error::argument("descendants", self.descendants, &format!("between 2 and {most}")));
        }
        if !(self.turnover >= 0.0 && self.turnover.is_finite()) {
            return Err(Error::argument("turnover", self.turnover, "finite and not negative"));
        }
        Ok(())
    }

    /// The snapshots whose cells' fates are asked for, all before number `to`.
    fn starts(&self, snapshots: &Snapshots, to: usize) -> Result<Vec<usize>> {
        let labelled = snapshots.times()[to];
        match self.from {
            Some(time) => {
                let start = snapshots.index_of(time)?;
                if start >= to {
                    let allowed = format!("before {labelled}, the time of the labelled cells");
                    return Err(Error::argument("from", time, &allowed));
                }
                Ok(vec![start])
            }
            None if to == 0 => Err(Error::argument(
                "to",
                labelled,
                "later than the first time: there are no cells before it",
            )),
            None => Ok((0..to).collect()),
        }
    }

    fn families(&self, fields: &dyn Fields, snapshots: &Snapshots) -> Families {
        let times = snapshots.times();
        let mean_interval = (times[times.len() - 1] - times[0]) / (times.len() - 1) as f64;
        let motion = Simulation { motion: self.motion, ..Simulation::default() }.motion_of(fields);
        Families {
            process: self.process,
            count: self.descendants,
            step: self.step.unwrap_or(mean_interval / STEPS),
            seed: self.seed,
            motion,
            turnover: self.turnover,
            max_population: self.max_population,
        }
    }
}

/// The number of the first cell of snapshot `k`.
fn offset(snapshots: &Snapshots, k: usize) -> usize {
    (0..k).map(|earlier| snapshots.count(earlier)).sum()
}

/// The cells of some snapshots, and the time of each.
fn rows(snapshots: &Snapshots, starts: &[usize]) -> (Vec<usize>, Vec<f64>) {
    let of_start = |&k: &usize| {
        let first = offset(snapshots, k);
        (first..first + snapshots.count(k)).map(move |cell| (cell, snapshots.times()[k]))
    };
    starts.iter().flat_map(of_start).unzip()
}

/// The index of the labelled cells of snapshot `k`, of which `count` are asked for at a time.
fn labelled(snapshots: &Snapshots, labels: &Labels, k: usize, count: Option<usize>) -> Result<Neighbours> {
    let known = labels.known(snapshots, k)?;
    let count = neighbour_count(count, known.len(), "the labelled cells", snapshots.times()[k])?;
    let mut points = Vec::with_capacity(known.len() * snapshots.dims());
    known.iter().for_each(|cell| points.extend_from_slice(snapshots.point(k, cell.row)));
    Ok(Neighbours::new(snapshots.dims(), &points, known.iter().map(|cell| (cell.column, cell.weight)), count))
}

/// How many of so many cells say what a descendant is, by what was asked for.
fn neighbour_count(asked: Option<usize>, cells: usize, which: &str, time: f64) -> Result<usize> {
    match asked {
        Some(count) if count == 0 || count > cells => {
            let allowed = format!("between 1 and {cells}, {which} at time {time}");
            Err(Error::argument("neighbours", count, &allowed))
        }
        count => Ok(count.unwrap_or(NEIGHBOURS.min(cells))),
    }
}
