//! The fit: resolve the numbers, couple or roll out, train, report.

use std::time::Instant;

use super::couple::{BlockSolver, Coupler};
use super::ensemble::Displaced;
use super::resolve::Resolved;
use super::{CouplingKind, FitOptions, FitReport, Learning, branches, ensemble, warnings};
use crate::device::Opened;
use crate::error::{Error, Result, positive};
use crate::exec::clock::cpu_seconds;
use crate::exec::progress::{Progress, ProgressFn, Reporter, Stage};
use crate::exec::threads::Threads;
use crate::exec::watch::watched;
use crate::fields::{BranchWeight, FieldValues, Fields, GrowthLaw, GrowthPrice, Guard, Network, Scratch};
use crate::matching::{InterpolantOptions, PathOptions, Trained};
use crate::metric::Metric;
use crate::model::{Dynamics, ModelInfo};
use crate::scales::Scales;
use crate::snapshots::Snapshots;
use crate::transport::couplings::Couplings;
use crate::transport::minibatch::SolvedBlock;
use crate::transport::sinkhorn;
use crate::units::Scaling;
use crate::{matching, rollout};

/// A fitted model and the report of its making.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fit {
    /// The learned fields.
    pub dynamics: Dynamics,
    /// What was chosen, and how it went.
    pub report: FitReport,
    /// Why training ended early, if it did: [`Error::Cancelled`], [`Error::NonFinite`], or [`Error::NotConverged`] of a plan
    /// that a step needed. The fields are then those of the last good step.
    pub stopped: Option<Error>,
}

/// Learns the dynamics of a population from snapshots.
///
/// ```
/// use chreode::datasets::GeneNetwork;
/// use chreode::method::{FitOptions, Method, fit};
///
/// let snapshots = GeneNetwork::default().generate()?;
/// let mut options = FitOptions::new(Method::WfrFm);
/// options.training.epochs = 20; // 3000 for a real fit
/// let fitted = fit(&snapshots, &options, &mut chreode::exec::progress::silent)?;
/// assert!(fitted.report.losses.iter().all(|loss| loss.is_finite()));
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidData`] for fewer than two snapshots, [`Error::InvalidArgument`] for an option outside its domain,
/// [`Error::Infeasible`] if a hard marginal cannot be met, [`Error::NotConverged`] if a static problem did not reach its
/// tolerance, [`Error::Cancelled`] if `progress` breaks during the coupling. A break, or a loss that is not
/// finite, during training ends with a usable model: see [`Fit::stopped`].
pub fn fit(snapshots: &Snapshots, options: &FitOptions, progress: &mut ProgressFn<'_>) -> Result<Fit> {
    let threads = Threads::new(options.threads)?;
    let mut reporter = Reporter::new(progress);
    let (_in_use, started) = begin(snapshots, options, &threads)?;
    let resolved = resolve(snapshots, options, &threads, &mut reporter)?;
    let settled = Settled { options, resolved: &resolved };
    let scaling = options.scaling(snapshots);
    let fitted = match options.ensemble {
        1 => settled.learn_single(snapshots, &scaling, None, &threads, &mut reporter)?,
        _ => ensemble::learn(snapshots, &scaling, settled, &mut reporter)?,
    };
    settled.conclude(snapshots, scaling, fitted, &threads, started)
}

/// The couplings of consecutive snapshots, and the report of their making.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupled {
    /// The couplings.
    pub couplings: Couplings,
    /// What was chosen, and how the static problems went; nothing is trained.
    pub report: FitReport,
}

/// Couples the cells of consecutive snapshots as [`fit`] does by the same options, and trains nothing: what the fields are learned
/// from. The bridge takes part where it cannot join cells that the coupling joins, which then die and are born.
///
/// ```
/// use chreode::datasets::GeneNetwork;
/// use chreode::method::{FitOptions, Method, couple};
///
/// let snapshots = GeneNetwork::default().generate()?;
/// let made = couple(&snapshots, &FitOptions::new(Method::WfrFm), &mut chreode::exec::progress::silent)?;
/// let first = &made.couplings[0];
/// let (dying, born) = first.unmatched_mass();
/// let (sent, received) = (first.sent(snapshots.count(0)), first.received(snapshots.count(1)));
/// assert!((sent.iter().sum::<f64>() + dying - snapshots.mass(0)).abs() < 1e-9);
/// assert!((received.iter().sum::<f64>() + born - snapshots.mass(1)).abs() < 1e-9);
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// Those of [`fit`] before it trains; [`Error::InvalidArgument`] for a method without couplings, and for an ensemble, whose members
/// couple resampled cells.
pub fn couple(snapshots: &Snapshots, options: &FitOptions, progress: &mut ProgressFn<'_>) -> Result<Coupled> {
    let Learning::Matching { coupling: kind, bridge, .. } = options.recipe.learning else {
        return Err(Error::argument("the method", options.recipe.name, "one that couples cells"));
    };
    if options.ensemble > 1 {
        let allowed = "1 to couple cells: the members of an ensemble couple resampled cells, each its own";
        return Err(Error::argument("ensemble", options.ensemble, allowed));
    }
    let started = Instant::now();
    let threads = Threads::new(options.threads)?;
    let mut reporter = Reporter::new(progress);
    let (_in_use, cpu_before) = begin(snapshots, options, &threads)?;
    let resolved = resolve(snapshots, options, &threads, &mut reporter)?;
    let settled = Settled { options, resolved: &resolved };
    let mut report = FitReport { warnings: warnings::of_cells(snapshots), ..settled.report() };
    let (facts, built) = (bridge.facts(), bridge.build(&resolved.scales())?);
    let solver = BlockSolver { kind, options, resolved: &resolved };
    let coupler = Coupler { snapshots, solver, bridge: (facts, &*built), threads: &threads };
    let couplings = coupler.couplings(None, &mut reporter, &mut report)?;
    let couplings = coupler.in_masses(couplings);
    report.warnings.extend(warnings::of_couplings(snapshots, &report));
    report.coupling_seconds = started.elapsed().as_secs_f64();
    report.cpu_seconds = cpu_seconds(&threads).zip(cpu_before).map(|(after, before)| after - before);
    Ok(Coupled { couplings, report })
}

/// Opens the device of a fit, to be kept while it couples, and tells the processor seconds that its threads had run before.
///
/// # Errors
/// Those of [`fit`] for data and options that cannot be.
pub(super) fn begin(
    snapshots: &Snapshots,
    options: &FitOptions,
    threads: &Threads,
) -> Result<(Opened, Option<f64>)> {
    check(options)?;
    if snapshots.len() < 2 {
        let message =
            format!("a fit needs cells at two times or more; there is one, {}", snapshots.times()[0]);
        return Err(Error::InvalidData(message));
    }
    check_growth_prior(snapshots, options)?;
    check_clones(snapshots, options)?;
    Ok((open_device(snapshots, options)?, cpu_seconds(threads)))
}

/// Logarithms of what cells are expected to grow by, at most: beyond are rates in another unit of time.
const MOST_GROWTH: f64 = 50.0;

/// Refuses growth that is expected where a method has no use for it, and growth beyond all bounds.
fn check_growth_prior(snapshots: &Snapshots, options: &FitOptions) -> Result<()> {
    for k in 0..snapshots.len() - 1 {
        let Some(rates) = snapshots.growth_prior(k) else { return Ok(()) };
        if !options.recipe.takes("source_penalty") {
            let because = match options.recipe.coupling() {
                Some(kind) => format!("its coupling {kind} has no source penalty by which it could enter"),
                None => couples_none(options).into(),
            };
            let relaxing: Vec<&str> = CouplingKind::relaxing_source().collect();
            let allowed = format!(
                "left out with {}: {because}; the couplings {} have one",
                options.recipe.name,
                relaxing.join(", ")
            );
            return Err(Error::argument("the growth prior of the cells", "one", &allowed));
        }
        let duration = snapshots.duration(k);
        if let Some(cell) = rates.iter().position(|rate| (rate * duration).abs() > MOST_GROWTH) {
            return Err(Error::InvalidData(format!(
                "time {}, cell {}: a growth prior of {} expects it to grow by e^{} until time {}, beyond e^±{MOST_GROWTH}; rates are \
                 per unit of time",
                snapshots.times()[k],
                cell + 1,
                rates[cell],
                rates[cell] * duration,
                snapshots.times()[k + 1]
            )));
        }
    }
    Ok(())
}

/// Why a method without couplings has no use for what is known of cells.
fn couples_none(options: &FitOptions) -> &'static str {
    match options.recipe.learning {
        Learning::Branches => "it couples no cells of consecutive snapshots",
        _ => "it couples no cells",
    }
}

/// Refuses clones where a method has no use for them, or where random blocks would part them unasked.
fn check_clones(snapshots: &Snapshots, options: &FitOptions) -> Result<()> {
    if snapshots.clones(0).is_none() {
        return match options.clone_penalty {
            None => Ok(()),
            Some(penalty) => {
                Err(Error::argument("clone_penalty", penalty, "left out where no clones of cells are known"))
            }
        };
    }
    if options.recipe.coupling().is_none() {
        let allowed = format!("left out with {}: {}", options.recipe.name, couples_none(options));
        return Err(Error::argument("the clones of the cells", "some", &allowed));
    }
    let largest = (0..snapshots.len()).map(|k| snapshots.count(k)).max().unwrap_or(0);
    if options.chunk_size.is_none() && options.block_cells(largest, largest).is_some() {
        let allowed = format!(
            "given where clones are known and a snapshot has more than {} cells: random blocks part the cells of a clone; {largest} \
             couples all cells at once",
            FitOptions::WHOLE_CELLS
        );
        return Err(Error::argument("chunk_size", "none", &allowed));
    }
    Ok(())
}

fn check(options: &FitOptions) -> Result<()> {
    options.training.validate()?;
    if let Some(penalty) = options.clone_penalty.filter(|penalty| penalty.is_nan() || *penalty <= 0.0) {
        return Err(Error::argument(
            "clone_penalty",
            penalty,
            "positive (infinite: clones are never joined)",
        ));
    }
    for (name, penalty) in
        [("source_penalty", options.source_penalty), ("target_penalty", options.target_penalty)]
    {
        if penalty.is_some_and(|penalty| penalty.is_nan() || penalty <= 0.0) {
            let value = penalty.unwrap_or(f64::NAN);
            return Err(Error::argument(name, value, "positive (infinite for a hard marginal)"));
        }
    }
    if options.chunk_size == Some(0) {
        return Err(Error::argument("chunk_size", 0, "at least 1"));
    }
    for (name, tension) in [("tension", options.tension), ("growth_tension", options.growth_tension)] {
        if !(0.0..=1.0).contains(&tension) {
            return Err(Error::argument(name, tension, "between 0 and 1, both included"));
        }
    }
    if !(options.bandwidth >= 0.0 && options.bandwidth.is_finite()) {
        return Err(Error::argument("bandwidth", options.bandwidth, "finite and not negative"));
    }
    for (name, value) in [
        ("metric_width", options.metric_width),
        ("metric_ridge", options.metric_ridge),
        ("metric_kappa", options.metric_kappa),
    ] {
        positive(name, value)?;
    }
    if options.metric_centres == 0 {
        return Err(Error::argument("metric_centres", 0, "at least 1"));
    }
    if options.ensemble == 0 {
        return Err(Error::argument("ensemble", 0, "at least 1"));
    }
    if options.ensemble > 1 && !options.recipe.takes("ensemble") {
        return Err(no_ensemble(options));
    }
    if options.branches == 0 {
        return Err(Error::argument("branches", 0, "at least 1"));
    }
    if options.keep_couplings && options.ensemble > 1 {
        let allowed = "false for an ensemble: its members couple resampled cells, each its own";
        return Err(Error::argument("keep_couplings", true, allowed));
    }
    Ok(())
}

/// That a method makes no ensembles.
fn no_ensemble(options: &FitOptions) -> Error {
    let allowed = format!("1 with {}: its branches are no members of an ensemble", options.recipe.name);
    Error::argument("ensemble", options.ensemble, &allowed)
}

/// The numbers of a fit, while the caller is asked whether it is still wanted.
///
/// # Errors
/// Those of [`Resolved::new`].
pub(super) fn resolve(
    snapshots: &Snapshots,
    options: &FitOptions,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Resolved> {
    let scaling = options.scaling(snapshots);
    let mut look = || {
        reporter.report(&Progress { stage: Stage::Coupling, done: 0, total: snapshots.len() - 1, loss: None })
    };
    watched(threads, &mut look, |stop| Resolved::new(snapshots, &scaling, options, stop))
}

/// What networks are learned by, once the numbers of a fit are chosen.
#[derive(Clone, Copy)]
pub(super) struct Settled<'a> {
    pub(super) options: &'a FitOptions,
    pub(super) resolved: &'a Resolved,
}

/// Networks, and how they were learned.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    pub(crate) networks: Vec<Network>,
    pub(crate) law: Option<GrowthLaw>,
    /// The diffusion at the first snapshot.
    pub(crate) sigma: f64,
    /// What the fields were learned from, where it is to be kept.
    pub(crate) couplings: Option<Couplings>,
    pub(crate) report: FitReport,
    pub(crate) stopped: Option<Error>,
}

/// What becomes a model.
pub(super) struct Fitted {
    pub(super) members: Vec<Vec<Network>>,
    /// How each branch weighs, where the lists are those of branches; else empty.
    pub(super) branches: Vec<BranchWeight>,
    /// The fits with other assumptions beside an ensemble, none where one of all fits was stopped.
    pub(super) displaced: Option<Vec<Displaced>>,
    pub(super) law: Option<GrowthLaw>,
    pub(super) sigma: f64,
    pub(super) couplings: Option<Couplings>,
    pub(super) report: FitReport,
    pub(super) stopped: Option<Error>,
}

impl From<Learned> for Fitted {
    fn from(Learned { networks, law, sigma, couplings, report, stopped }: Learned) -> Self {
        let (members, branches) = (vec![networks], vec![]);
        Self { members, branches, displaced: None, law, sigma, couplings, report, stopped }
    }
}

impl FitOptions {
    /// The units of the networks.
    pub(super) fn scaling(&self, snapshots: &Snapshots) -> Scaling {
        match self.recipe.learning {
            Learning::Branches => Scaling::of_ends(snapshots),
            _ => Scaling::of(snapshots),
        }
    }

    /// What learned paths are to be.
    pub(super) fn paths(&self) -> PathOptions {
        let interpolant = InterpolantOptions { epochs: self.interpolant_epochs, metric: self.cell_metric() };
        PathOptions { bandwidth: self.bandwidth, interpolant }
    }

    /// What motion costs where, of a method that measures it among cells.
    pub(super) fn cell_metric(&self) -> Metric {
        Metric {
            kind: self.metric,
            width: self.metric_width,
            ridge: self.metric_ridge,
            centres: self.metric_centres,
            kappa: self.metric_kappa,
        }
    }
}

impl Settled<'_> {
    /// What becomes of networks that were learned: a model, and the rest of the report. `started` are the processor seconds that the
    /// threads had run before.
    ///
    /// # Errors
    /// [`Error::InvalidData`] for networks that do not go together, which those of one recipe do.
    pub(super) fn conclude(
        self,
        snapshots: &Snapshots,
        scaling: Scaling,
        fitted: Fitted,
        threads: &Threads,
        started: Option<f64>,
    ) -> Result<Fit> {
        let Self { options, resolved } = self;
        let Fitted { members, branches, displaced, law, sigma, couplings, mut report, stopped } = fitted;
        report.final_sigma = options.rollout.final_sigma.filter(|_| options.recipe.takes("final_sigma"));
        let info = ModelInfo {
            method: options.recipe.name.into(),
            sigma,
            final_sigma: report.final_sigma,
            delta: resolved.length(),
            growth_price: match options.rollout.growth_price {
                price if options.recipe.takes("growth_price") => price,
                _ => GrowthPrice::default(),
            },
            times: snapshots.times().to_vec(),
            seed: options.seed,
            epochs: report.losses.len(),
            coordinates: None,
            masses: None,
            stretch: if members.len() > 1 && branches.is_empty() { ensemble::STRETCH } else { 1.0 },
            uncertainty: None,
            attributes: Default::default(),
        };
        let mut dynamics = if branches.is_empty() {
            let guard = options.guard.then(|| Guard::of(snapshots));
            Dynamics::new(info, scaling, members, law, guard)?
        } else {
            // On their way from the first to the last, cells know of no snapshots.
            let guard = options.guard.then(|| Guard::around(snapshots));
            Dynamics::of_branches(info, scaling, branches.into_iter().zip(members).collect(), guard)?
        };
        dynamics.couplings = couplings;
        if let (Some(displaced), Some(ensemble)) = (displaced, &mut report.ensemble) {
            let at_a_price = options.recipe.couples_at_a_price();
            threads.run(|| ensemble::compare(&mut dynamics, displaced, snapshots, at_a_price))?;
            ensemble.uncertainty = dynamics.info.uncertainty;
        }
        if let Some(rate) = report.branching_rate.filter(|_| dynamics.has_growth()) {
            report.growth_over_branching_rate =
                Some(threads.run(|| fastest_growth(&dynamics, snapshots)) / rate);
        }
        // The fits of an ensemble have threads of their own, and count them.
        let of_members = report.cpu_seconds.unwrap_or(0.0);
        report.cpu_seconds =
            cpu_seconds(threads).zip(started).map(|(after, before)| after - before + of_members);
        Ok(Fit { dynamics, report, stopped })
    }

    /// A report of the numbers that were chosen, and of nothing else yet.
    pub(super) fn report(self) -> FitReport {
        let resolved = self.resolved;
        FitReport {
            delta: resolved.delta,
            sigma: resolved.sigma,
            branching_rate: resolved.branching_rate(),
            penalty: resolved.penalty,
            choices: resolved.choices.clone(),
            ..FitReport::default()
        }
    }

    /// Learns a single fit, as [`learn`](Self::learn) does, or its branches.
    ///
    /// # Errors
    /// As [`fit`].
    pub(super) fn learn_single(
        self,
        snapshots: &Snapshots,
        scaling: &Scaling,
        solved: Option<Vec<Vec<SolvedBlock>>>,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Fitted> {
        match self.options.recipe.learning {
            Learning::Branches => branches::learn(snapshots, scaling, self, threads, reporter),
            _ => Ok(self.learn(snapshots, scaling, solved, threads, reporter)?.into()),
        }
    }

    /// Couples the cells and trains, or rolls out; `solved` has the blocks of each interval's coupling where that has been done.
    ///
    /// # Errors
    /// As [`fit`].
    pub(super) fn learn(
        self,
        snapshots: &Snapshots,
        scaling: &Scaling,
        solved: Option<Vec<Vec<SolvedBlock>>>,
        threads: &Threads,
        reporter: &mut Reporter<'_, '_>,
    ) -> Result<Learned> {
        let Self { options, resolved } = self;
        let mut report = FitReport { warnings: warnings::of_cells(snapshots), ..self.report() };
        match options.recipe.learning {
            Learning::Matching { coupling, bridge: kind, objective } => {
                let started = Instant::now();
                let bridge = kind.build(&resolved.scales())?;
                let facts = kind.facts();
                let bridge_of_kind = (facts, &*bridge);
                let solver = BlockSolver { kind: coupling, options, resolved };
                let coupler = Coupler { snapshots, solver, bridge: bridge_of_kind, threads };
                let couplings = coupler.couplings(solved, reporter, &mut report)?;
                let kept = options.keep_couplings.then(|| coupler.in_masses(couplings.clone()));
                let coupled = coupler.bridged(couplings)?;
                report.coupling_seconds = started.elapsed().as_secs_f64();
                report.warnings.extend(warnings::of_couplings(snapshots, &report));
                let started = Instant::now();
                let alpha = (resolved.scales().delta / scaling.length).powi(2);
                let law = (objective.has_potential() && facts.grows).then(|| GrowthLaw::quadratic(alpha));
                let law = law.transpose()?;
                let paths = options.paths();
                let Trained { networks, interpolant_losses, descended } = matching::train(
                    snapshots,
                    scaling,
                    &coupled,
                    bridge_of_kind,
                    (objective, law),
                    paths,
                    &options.training,
                    options.seed,
                    threads,
                    reporter,
                )?;
                (report.losses, report.interpolant_losses) = (descended.losses, interpolant_losses);
                let sigma = bridge.sigma(snapshots.times()[0]);
                let stopped = descended.stopped;
                let mut learned = Learned { networks, law, sigma, couplings: kept, report, stopped };
                if options.rollout.finetune_steps > 0 && learned.stopped.is_none() {
                    let rolled = rollout::finetune(
                        snapshots,
                        scaling,
                        learned.networks,
                        Scales { sigma, ..resolved.scales() },
                        &options.rollout,
                        &options.training,
                        options.seed,
                        threads,
                        reporter,
                    )?;
                    learned.networks = rolled.networks;
                    learned.report.rollout = Some(rolled.report);
                    learned.stopped = rolled.descended.stopped;
                }
                learned.report.training_seconds = started.elapsed().as_secs_f64();
                Ok(learned)
            }
            // Their lists of networks are no members.
            Learning::Branches => Err(no_ensemble(options)),
            Learning::Rollout(kind) => {
                let started = Instant::now();
                let scales = resolved.scales();
                let rolled = rollout::train(
                    snapshots,
                    scaling,
                    kind,
                    scales,
                    &options.rollout,
                    &options.training,
                    options.seed,
                    threads,
                    reporter,
                )?;
                report.losses = rolled.descended.losses;
                report.rollout = Some(rolled.report);
                report.training_seconds = started.elapsed().as_secs_f64();
                let (networks, law, stopped) = (rolled.networks, rolled.law, rolled.descended.stopped);
                Ok(Learned { networks, law, sigma: scales.sigma, couplings: None, report, stopped })
            }
        }
    }
}

/// The largest |g| over the cells at their own times.
fn fastest_growth(dynamics: &Dynamics, snapshots: &Snapshots) -> f64 {
    let (mut fastest, mut growth, mut scratch) = (0.0f32, vec![], Scratch::default());
    for (k, &time) in snapshots.times().iter().enumerate() {
        for first in (0..snapshots.count(k)).step_by(FIELD_ROWS) {
            let cells = first..snapshots.count(k).min(first + FIELD_ROWS);
            growth.resize(cells.len(), 0.0);
            let values = FieldValues { growth: Some(&mut growth), ..Default::default() };
            dynamics.evaluate(time, &snapshots.points_of(k, cells), values, &mut scratch);
            fastest = growth.iter().fold(fastest, |most, g| most.max(g.abs()));
        }
    }
    f64::from(fastest)
}

/// Rows of a block of field evaluations.
const FIELD_ROWS: usize = 4096;

/// Opens the device of a fit's couplings before anything is computed, to be kept while they are.
fn open_device(snapshots: &Snapshots, options: &FitOptions) -> Result<Opened> {
    if snapshots.clones(0).is_some() {
        options.device.require_cpu("couplings of cells of clones")?;
        return Ok(Opened::Cpu);
    }
    match options.recipe.coupling() {
        Some(kind) if kind.facts().runs_on_devices() => {}
        Some(_) => options.device.require_cpu("exact couplings")?,
        None => options.device.require_cpu("a method without couplings")?,
    }
    let of_interval = |k: usize| {
        let (source, target) = (snapshots.count(k - 1), snapshots.count(k));
        let most = options.block_cells(source, target).unwrap_or(usize::MAX);
        source.min(most).saturating_mul(target.min(most))
    };
    let pairs = (1..snapshots.len()).map(of_interval).max();
    options.device.open(pairs.unwrap_or(0), sinkhorn::ENOUGH)
}
