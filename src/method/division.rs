//! A fit divided into units of work, each a function of the options, the numbers that were chosen, and its own cells.
//!
//! [`fit`](super::fit) takes the same steps in one process: the units' results, put together here, give the same bits.

use super::couple::{BlockSolver, Gauge};
use super::fit::{Learned, Settled, begin, resolve};
use super::resolve::Resolved;
use super::{Fit, FitOptions, FitReport, ensemble};
use crate::error::{Error, Result};
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::snapshots::Snapshots;
use crate::transport::PointCloud;
use crate::transport::minibatch::{Cut, SolvedBlock};
use crate::units::Scaling;

/// What is to be done for a fit before all is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Couple a block of an interval.
    Block { interval: usize, block: usize },
    /// Learn one of the fits of an ensemble, from all cells.
    Member { index: usize },
}

/// The blocks of each interval's coupling, or the fits of an ensemble, in the order of their units.
#[derive(Debug)]
pub(crate) enum Pieces {
    Blocks(Vec<SolvedBlock>),
    Members(Vec<Learned>),
}

/// A fit whose numbers are chosen.
#[derive(Debug, Clone)]
pub(crate) struct Division<'a> {
    options: &'a FitOptions,
    resolved: Resolved,
    /// Of each interval of a single fit that couples.
    gauges: Vec<Gauge>,
    /// How many fits an ensemble takes; none of a single one.
    fits: usize,
}

impl<'a> Division<'a> {
    /// Chooses the numbers of a fit, and counts what there is to do.
    ///
    /// # Errors
    /// Those of [`fit`](super::fit) for data and options that cannot be.
    pub(crate) fn new(
        snapshots: &Snapshots,
        options: &'a FitOptions,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Self> {
        let threads = Threads::new(options.threads)?;
        begin(snapshots, options, &threads)?;
        let resolved = resolve(snapshots, options, &threads, reporter)?;
        let (gauges, fits) = match options.recipe.coupling() {
            _ if options.ensemble > 1 => (vec![], ensemble::fit_count(snapshots, options)),
            Some(kind) => {
                let solver = BlockSolver { kind, options, resolved: &resolved };
                ((0..snapshots.len() - 1).map(|k| solver.gauge(snapshots, k)).collect(), 0)
            }
            None => (vec![], 0),
        };
        Ok(Self { options, resolved, gauges, fits })
    }

    /// What [`new`](Self::new) chose once.
    pub(crate) fn of(
        options: &'a FitOptions,
        numbers: [Option<f64>; 3],
        gauges: Vec<Gauge>,
        fits: usize,
    ) -> Self {
        Self { options, resolved: Resolved::of_numbers(numbers, options), gauges, fits }
    }

    /// δ, σ and ρ, each where the recipe has it.
    pub(crate) fn numbers(&self) -> [Option<f64>; 3] {
        [self.resolved.delta, self.resolved.sigma, self.resolved.penalty]
    }

    pub(crate) fn gauges(&self) -> &[Gauge] {
        &self.gauges
    }

    pub(crate) fn fits(&self) -> usize {
        self.fits
    }

    /// All that is to be done; a simulation-based fit has nothing that could be done beforehand.
    pub(crate) fn units(&self) -> Vec<Unit> {
        let of_interval = |(interval, gauge): (usize, &Gauge)| {
            (0..gauge.blocks).map(move |block| Unit::Block { interval, block })
        };
        let members = (0..self.fits).map(|index| Unit::Member { index });
        self.gauges.iter().enumerate().flat_map(of_interval).chain(members).collect()
    }

    /// The blocks of an interval, of whose snapshots these cells have a weight.
    pub(crate) fn cut(&self, interval: usize, weighted: (Vec<usize>, Vec<usize>)) -> Result<Cut> {
        Ok(self.solver()?.cut(interval, &self.gauges[interval], weighted.0, weighted.1))
    }

    fn solver(&self) -> Result<BlockSolver<'_>> {
        let kind = self.options.recipe.coupling().ok_or_else(|| {
            Error::argument("the method", self.options.recipe.name, "one that couples cells")
        })?;
        Ok(BlockSolver { kind, options: self.options, resolved: &self.resolved })
    }

    /// Couples the cells of a block of an interval between two times.
    ///
    /// # Errors
    /// Those of the static solvers, [`Error::NotConverged`], [`Error::Cancelled`].
    pub(crate) fn solve(
        &self,
        interval: usize,
        times: (f64, f64),
        clouds: (PointCloud, PointCloud),
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<SolvedBlock> {
        let threads = Threads::new(self.options.threads)?;
        let (solver, gauge) = (self.solver()?, &self.gauges[interval]);
        let mut told =
            |done| reporter.report(&Progress { stage: Stage::Coupling, done, total: 1, loss: None });
        if told(0).is_break() {
            return Err(Error::Cancelled);
        }
        let solved = watched(&threads, &mut || told(0), |stop| solver.solve(times, gauge, clouds, stop))?;
        let _ = told(1);
        Ok(solved)
    }

    /// Learns one of the fits of an ensemble.
    ///
    /// # Errors
    /// As [`fit`](super::fit).
    pub(crate) fn learn(
        &self,
        snapshots: &Snapshots,
        index: usize,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Learned> {
        let threads = Threads::new(self.options.threads)?;
        let _in_use = begin(snapshots, self.options, &threads)?;
        let learned = ensemble::learn_one(
            snapshots,
            &Scaling::of(snapshots),
            self.settled(),
            index,
            &threads,
            reporter,
        )?;
        match learned.stopped {
            Some(Error::Cancelled) => Err(Error::Cancelled),
            _ => Ok(learned),
        }
    }

    /// Puts together what the units gave, all of them, and does what is left: a single fit is trained.
    ///
    /// # Errors
    /// As [`fit`](super::fit); [`Error::InvalidData`] for pieces that are not those of the units.
    pub(crate) fn finish(
        &self,
        snapshots: &Snapshots,
        pieces: Pieces,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Fit> {
        let threads = Threads::new(self.options.threads)?;
        let (_in_use, started) = begin(snapshots, self.options, &threads)?;
        let (settled, scaling) = (self.settled(), self.options.scaling(snapshots));
        let fitted = match pieces {
            Pieces::Members(learned) => {
                let learned = learned.into_iter().map(Ok).collect();
                ensemble::assemble(snapshots, self.options, learned)?
            }
            Pieces::Blocks(blocks) => {
                let mut blocks = blocks.into_iter();
                let of_interval =
                    |gauge: &Gauge| blocks.by_ref().take(gauge.blocks).collect::<Vec<SolvedBlock>>();
                let solved = self.gauges.iter().map(of_interval).collect();
                settled.learn_single(snapshots, &scaling, Some(solved), &threads, reporter)?
            }
        };
        settled.conclude(snapshots, scaling, fitted, &threads, started)
    }

    fn settled(&self) -> Settled<'_> {
        Settled { options: self.options, resolved: &self.resolved }
    }

    /// A report of the numbers that were chosen, and of nothing else yet.
    pub(crate) fn report(&self) -> FitReport {
        self.settled().report()
    }
}
