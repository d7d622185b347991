//! Ensembles: fits to resampled cells, and what is learned from them of the errors of their mean.
//!
//! Two things are wrong with a fit. Other cells would have given another one: that is what the members differ by, each of which
//! gives the cells of every snapshot random weights, couples them and trains from a seed of its own (Rubin, Ann. Stat. 1981; Breiman, Mach.
//! Learn. 1996). Over all members every cell weighs the same, so that their mean does not see some cells more than others (as in
//! the balanced bootstrap of Davison, Hinkley, Schechtman, Biometrika 1986). And between snapshots a bridge is a guess, which no
//! resampling of cells can tell from the truth: the guess gets worse with the interval, so fits to every second and to every fourth snapshot,
//! with all of their cells, tell of it by how far they move ([`Resolved`]).
//!
//! Whether cells moved or multiplied is a guess as well, by the price of growth against that of motion, δ². What a finite price gets wrong falls
//! as its inverse, so a fit at half the price moves by about as much as is wrong, to first order (Richardson, Phil. Trans. 1911). The size of the errors is the
//! larger of what fits to fewer snapshots and that at half the price tell, always, and the members tell how much of it the cells explain, and where.
//! Members' differences that are larger than these fits leave room for are shrunk: those of a few members are known badly, as
//! all cells of a kind weigh more or less together.
//!
//! Where it is the price that they move more by, and velocity and growth are regressions on a coupling, their bias may be known as well, and intervals lie
//! around the fields less it (bias-corrected: Efron, JASA 1987): if fields move twice as much from half to a quarter of the price, as what is of first order in 1/δ²
//! does. Where δ² is too large, as between clouds that grow where they are, they move less and less, and the truth is on the other side. Intervals are as long as
//! before: of what is left the order is the next, and no fit tells its size. Where they move more by fewer snapshots, to correct less than what is unknown would not pay.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rand::Rng;
use rand_distr::{Distribution, Gamma};

use super::fit::{Fitted, Learned, Settled};
use super::{EnsembleReport, FitOptions, FitReport, Recipe};
use crate::error::{Error, Result};
use crate::exec::clock::cpu_seconds;
use crate::exec::lanes::side_by_side;
use crate::exec::progress::{Progress, Reporter, Stage};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::exec::threads::Threads;
use crate::fields::{Compiled, FieldValues, GrowthLaw, Guard, Network, Scratch, SpreadScratch};
use crate::model::{Dynamics, FieldError, Uncertainty};
use crate::snapshots::Snapshots;
use crate::units::Scaling;

/// Fits to fewer snapshots: every how many of them, counted from the first or from the last, which leaves out others where their number is even.
const COARSE: [(usize, End); 3] = [(2, End::First), (2, End::Last), (4, End::First)];

/// The end of the snapshots that is counted from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// What δ² is multiplied by in the fits at other prices of growth: the first tells by how much fields move, the second whether they move as much
/// as they should if what is wrong is of first order.
const CHEAPER: [f64; 2] = [0.5, 0.25];

/// How far the observed order in 1/δ² may be from one.
const ORDER_MARGIN: f64 = 0.5;

/// What deviations over the members are multiplied by, since a cell's weight deviates by so much less over them than the number of its
/// copies when cells are drawn with replacement, whose deviation is 1: members that differ by that make a worse mean, since what a fit gets wrong
/// grows faster than the weights' deviations. See benches/README.md.
pub(super) const STRETCH: f64 = 2.0;

/// Cells of a snapshot at which errors are measured, at most.
const CELLS: usize = 2000;

/// Learns the members of an ensemble and how far their mean is off.
///
/// A stop during training keeps the members that had begun to train, without their errors.
///
/// # Errors
/// As [`fit`](super::fit).
pub(super) fn learn(
    snapshots: &Snapshots,
    scaling: &Scaling,
    settled: Settled<'_>,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Fitted> {
    let options = settled.options;
    let count = fit_count(snapshots, options);
    let (total, done) = (count * options.training.epochs, AtomicUsize::new(0));
    let mut look = || {
        let done = done.load(Relaxed).min(total - 1);
        reporter.report(&Progress { stage: Stage::Training, done, total, loss: None })
    };
    if look().is_break() {
        return Err(Error::Cancelled);
    }
    let one = |index: usize, threads: &Threads, stop: &Stop| {
        stop.check()?;
        let mut before = 0;
        let mut told = |now: &Progress| {
            if now.stage == Stage::Training {
                done.fetch_add(now.done.saturating_sub(before), Relaxed);
                before = now.done;
            }
            if stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let learned = learn_one(snapshots, scaling, settled, index, threads, &mut Reporter::new(&mut told));
        if learned.is_err() {
            // Nothing comes of the others.
            stop.request();
        }
        learned
    };
    let learned = side_by_side(count, options.threads, &mut look, one)?;
    let fitted = assemble(snapshots, options, learned)?;
    if fitted.stopped.is_none() {
        // The work is done: there is nothing left to cancel.
        let _ = reporter.report(&Progress { stage: Stage::Training, done: total, total, loss: None });
    }
    Ok(fitted)
}

/// How many fits an ensemble takes: the members, those to fewer snapshots, and where growth has a price, those at lower ones.
pub(super) fn fit_count(snapshots: &Snapshots, options: &FitOptions) -> usize {
    options.ensemble + Thinned::all(snapshots.len()).count() + cheaper_count(&options.recipe)
}

/// How many of the fits, the last, are at lower prices of growth.
pub(crate) fn cheaper_count(recipe: &Recipe) -> usize {
    if recipe.needs_delta() { CHEAPER.len() } else { 0 }
}

/// One of the fits of an ensemble: a function of the data, the options and the fit's number.
///
/// # Errors
/// As [`fit`](super::fit).
pub(super) fn learn_one(
    snapshots: &Snapshots,
    scaling: &Scaling,
    settled: Settled<'_>,
    index: usize,
    threads: &Threads,
    reporter: &mut Reporter<'_, '_>,
) -> Result<Learned> {
    // All members are dealt from one deal.
    let (deal, members) = (settled.options.seed, settled.options.ensemble);
    let options = FitOptions { seed: seed_of(deal, index), ..settled.options.clone() };
    let settled = Settled { options: &options, ..settled };
    let cpu_before = cpu_seconds(threads);
    let mut learned = match index.checked_sub(members) {
        None => {
            let cells = resampled(snapshots, deal, (index, members))?;
            settled.learn(&cells, scaling, None, threads, reporter)
        }
        Some(_) if index >= fit_count(snapshots, &options) => {
            let allowed = format!("below {}", fit_count(snapshots, &options));
            return Err(Error::argument("the fit of an ensemble", index, &allowed));
        }
        Some(which) => match Thinned::all(snapshots.len()).nth(which) {
            Some(thinned) => {
                let fewer = thinned.of(snapshots)?;
                settled.learn(&fewer, &Scaling::of(&fewer), None, threads, reporter)
            }
            None => {
                // The last are those at other prices.
                let price = CHEAPER[index + CHEAPER.len() - fit_count(snapshots, &options)];
                let resolved = settled.resolved.at_price(price);
                Settled { resolved: &resolved, ..settled }.learn(snapshots, scaling, None, threads, reporter)
            }
        },
    }?;
    learned.report.cpu_seconds = cpu_seconds(threads).zip(cpu_before).map(|(after, before)| after - before);
    Ok(learned)
}

/// Makes an ensemble of what came of its fits, in their order.
///
/// # Errors
/// The first of other errors than that fits were stopped; [`Error::Cancelled`] if no member has begun to train.
pub(super) fn assemble(
    snapshots: &Snapshots,
    options: &FitOptions,
    learned: Vec<Result<Learned>>,
) -> Result<Fitted> {
    let (members, count) = (options.ensemble, learned.len());
    let thinned: Vec<Thinned> = Thinned::all(snapshots.len()).collect();
    let mut learned = learned.into_iter();
    let of_members = begun(learned.by_ref().take(members))?;
    let of_thinned = begun(learned.by_ref().take(thinned.len()))?;
    let of_cheaper = begun(learned)?;
    let all = || of_members.iter().chain(&of_thinned).chain(&of_cheaper);
    let stopped = all().find_map(|learned| learned.stopped.clone());
    let whole = stopped.is_none() && all().count() == count;
    let Some(first) = of_members.first() else { return Err(Error::Cancelled) };
    let (law, sigma) = (first.law, first.sigma);
    let mut report = first.report.clone();
    let seconds = |of: fn(&FitReport) -> f64| all().map(|l| of(&l.report)).sum();
    report.coupling_seconds = seconds(|report| report.coupling_seconds);
    report.training_seconds = seconds(|report| report.training_seconds);
    report.cpu_seconds = Some(seconds(|report| report.cpu_seconds.unwrap_or(0.0)));
    if thinned.is_empty() {
        report.warnings.push(
            "between two snapshots nothing tells how wrong the bridges are: the error bars are those of the cells that were drawn \
             and of the price of growth, and too short"
                .into(),
        );
    }
    let members: Vec<_> = of_members.into_iter().map(|learned| learned.networks).collect();
    report.ensemble = Some(EnsembleReport {
        members: members.len(),
        coarse_fits: of_thinned.len(),
        cheaper_fits: of_cheaper.len(),
        uncertainty: None,
    });
    let displaced = |learned: Learned, snapshots: &Snapshots, thinned: Option<Thinned>| Displaced {
        guard: Guard::of(snapshots),
        scaling: Scaling::of(snapshots),
        law: learned.law,
        networks: learned.networks,
        thinned,
    };
    let coarse = thinned.into_iter().zip(of_thinned).map(|(thinned, learned)| {
        let fewer = thinned.of(snapshots)?;
        Ok(displaced(learned, &fewer, Some(thinned)))
    });
    let cheaper = of_cheaper.into_iter().map(|learned| Ok(displaced(learned, snapshots, None)));
    let displaced = whole.then(|| coarse.chain(cheaper).collect::<Result<_>>()).transpose()?;
    Ok(Fitted { members, branches: vec![], displaced, law, sigma, couplings: None, report, stopped })
}

/// The fits that had begun to train when they ended; the first of other errors than that they were stopped.
fn begun(outcomes: impl Iterator<Item = Result<Learned>>) -> Result<Vec<Learned>> {
    outcomes.filter(|outcome| !matches!(outcome, Err(Error::Cancelled))).collect()
}

/// The seed of one of the fits.
fn seed_of(seed: u64, index: usize) -> u64 {
    stream(seed, Purpose::Ensemble, index as u64, 0).next_u64()
}

/// All cells, those of each snapshot with random weights (the Bayesian bootstrap: Rubin, Annals of Statistics 1981), and its mass.
///
/// A cell's weights in B members are its own times B times a Dirichlet share, so that their mean is its own. With the
/// parameter 1/V − 1/B the variance over the members, that with the divisor B − 1, has the expectation V in units of the weight's square:
/// here 1/[`STRETCH`]². No cell is without a say in any member, as a third of them would be if cells were drawn.
fn resampled(snapshots: &Snapshots, seed: u64, (member, members): (usize, usize)) -> Result<Snapshots> {
    let shape = STRETCH * STRETCH - (members as f64).recip();
    let gamma = Gamma::new(shape, 1.0).map_err(|_| Error::argument("ensemble", members, "at least 2"))?;
    let mut shares = vec![0.0; members];
    let of_snapshot = |k: usize| {
        let mut rng = stream(seed, Purpose::Ensemble, k as u64, 1);
        let mut of_cell = |weight: &f64| {
            shares.fill_with(|| gamma.sample(&mut rng).max(f64::MIN_POSITIVE));
            weight * shares[member] / shares.iter().sum::<f64>()
        };
        snapshots.weights(k).iter().map(&mut of_cell).collect::<Vec<f64>>()
    };
    let weights: Vec<f64> = (0..snapshots.len()).flat_map(of_snapshot).collect();
    let masses: Vec<f64> = (0..snapshots.len()).map(|k| snapshots.mass(k)).collect();
    snapshots.clone().with_weights(&weights)?.with_masses(&masses)
}

/// Every second or every fourth snapshot, and the first and the last.
struct Thinned {
    /// Of each of all snapshots, whether it is kept.
    keeps: Vec<bool>,
    /// Of each, whether an interval beside it is longer than of twice as many snapshots.
    lengthened: Vec<bool>,
    /// Whether every fourth is kept.
    coarser: bool,
}

impl Thinned {
    /// Those of so many snapshots: every second from three on, every fourth from five on, so that intervals double.
    fn all(snapshots: usize) -> impl Iterator<Item = Self> {
        let last = snapshots - 1;
        let some = COARSE.into_iter().filter(move |&(every, _)| every <= last);
        some.map(move |(every, end)| {
            let counted = |k: usize| if end == End::First { k } else { last - k };
            let keep = |every: usize| {
                let kept = |k: usize| k == 0 || k == last || counted(k).is_multiple_of(every);
                (0..=last).map(kept).collect::<Vec<bool>>()
            };
            let (keeps, more) = (keep(every), keep(every / 2));
            let longer = |k: usize| interval(&keeps, k) != interval(&more, k);
            let lengthened = (0..=last).map(|k| k > 0 && longer(k - 1) || k < last && longer(k)).collect();
            Self { lengthened, coarser: every > 2, keeps }
        })
    }

    /// Those that are kept.
    ///
    /// # Errors
    /// None of the snapshots that it was made for.
    fn of(&self, snapshots: &Snapshots) -> Result<Snapshots> {
        let left_out = snapshots.times().iter().zip(&self.keeps).filter(|&(_, keeps)| !keeps);
        snapshots.without(&left_out.map(|(&time, _)| time).collect::<Vec<f64>>())
    }
}

/// The interval between kept snapshots in which that from `k` to k + 1 lies.
fn interval(keeps: &[bool], k: usize) -> (Option<usize>, Option<usize>) {
    let kept = |k: &usize| keeps[*k];
    ((0..=k).rev().find(kept), (k + 1..keeps.len()).find(kept))
}

/// A fit with another assumption than the members'.
pub(super) struct Displaced {
    scaling: Scaling,
    law: Option<GrowthLaw>,
    networks: Vec<Network>,
    guard: Guard,
    /// Of one to fewer snapshots, which; none of one at another price of growth.
    thinned: Option<Thinned>,
}

/// Compares an ensemble with displaced fits, for how far it is off; where couplings are made `at_a_price`, the fit at another one stays
/// beside it if that matters most to a field, for its bias.
///
/// # Errors
/// [`Error::InvalidData`] for networks that do not go together, which fits of one recipe do.
pub(super) fn compare(
    dynamics: &mut Dynamics,
    displaced: Vec<Displaced>,
    snapshots: &Snapshots,
    at_a_price: bool,
) -> Result<()> {
    let cheaper = displaced.iter().find(|fit| fit.thinned.is_none() && at_a_price);
    let cheaper = cheaper.map(|fit| fit.networks.clone());
    let mut errors = uncertainty(dynamics, displaced, snapshots)?;
    let fields = [&mut errors.velocity, &mut errors.growth, &mut errors.score_drift];
    match cheaper {
        None => fields.into_iter().for_each(|error| error.biased = false),
        Some(cheaper) if fields.iter().any(|error| error.biased) => dynamics.put_beside(cheaper)?,
        Some(_) => {}
    }
    dynamics.info.uncertainty = Some(errors);
    Ok(())
}

/// How far the members' mean is off, by what its cells and the displaced fits tell at the cells of all snapshots.
///
/// # Errors
/// [`Error::InvalidData`] for networks that do not go together, which fits of one recipe do.
fn uncertainty(dynamics: &Dynamics, displaced: Vec<Displaced>, snapshots: &Snapshots) -> Result<Uncertainty> {
    let (ensemble, diffusion) = (&dynamics.compiled, dynamics.info.diffusion());
    let (mut coarse, mut coarser, mut cheaper) = (vec![], vec![], vec![]);
    for Displaced { scaling, law, networks, guard, thinned } in displaced {
        let guard = ensemble.guard.as_ref().map(|_| guard);
        let fields = Compiled::new(scaling, diffusion, vec![networks], law, guard)?;
        match thinned {
            None => cheaper.push(fields),
            Some(thinned) if thinned.coarser => coarser.push((fields, thinned.lengthened)),
            Some(thinned) => coarse.push((fields, thinned.lengthened)),
        }
    }
    let mut sums = [Sums::default(); 3];
    let (mut scratch, mut spread) = (Scratch::default(), SpreadScratch::default());
    for (k, &time) in snapshots.times().iter().enumerate() {
        let stride = snapshots.count(k).div_ceil(CELLS);
        let cells = snapshots.cells_of(k).step_by(stride);
        let points: Vec<f32> = cells.flatten().copied().collect();
        let mut values = |fields: &Compiled| {
            Values::of(&points, snapshots.dims(), |values| {
                fields.evaluate(time, &points, values, &mut scratch)
            })
        };
        let mean = values(ensemble);
        let mut lengthened = |fits: &[(Compiled, Vec<bool>)]| {
            let here = fits.iter().filter(|(_, lengthened)| lengthened[k]);
            Values::mean(here.map(|(fields, _)| values(fields)).collect())
        };
        let (coarse, coarser) = (lengthened(&coarse), lengthened(&coarser));
        let mut cheaper = cheaper.iter().map(&mut values);
        let (half, quarter) = (cheaper.next(), cheaper.next());
        let deviation = Values::of(&points, snapshots.dims(), |values| {
            ensemble.deviation(time, &points, values, dynamics.info.stretch, &mut spread);
        });
        for (f, (sums, unit)) in sums.iter_mut().zip(ensemble.units(time)).enumerate() {
            let square = |sum: f64, value: f32| sum + (f64::from(value) / unit).powi(2);
            let apart = |from: &Values, to: &Values| {
                let (from, to) = (from.0[f].iter(), to.0[f].iter());
                from.zip(to).map(|(from, to)| to - from).fold(0.0, square)
            };
            let here = Moved {
                cells: mean.0[f].len() as f64,
                squares: 0.0,
                sampling: deviation.0[f].iter().copied().fold(0.0, square),
            };
            sums.cells += here.cells;
            sums.sampling += here.sampling;
            if let Some(coarse) = &coarse {
                let squares = apart(&mean, coarse);
                sums.coarse.add(Moved { squares, ..here });
                if let Some(coarser) = &coarser {
                    sums.doubled += squares;
                    sums.redoubled += apart(coarse, coarser);
                }
            }
            if let Some(half) = &half {
                sums.cheaper.add(Moved { squares: apart(&mean, half), ..here });
                sums.further += quarter.as_ref().map_or(0.0, |quarter| apart(half, quarter));
            }
        }
    }
    let [velocity, growth, score_drift] = sums.map(Sums::error);
    Ok(Uncertainty { velocity, growth, score_drift })
}

/// Sums of squares: by the cells, and of what displaced fits move by.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    cells: f64,
    sampling: f64,
    coarse: Moved,
    /// Of what those to every second snapshot move by, and those to every fourth from these, where both are known.
    doubled: f64,
    redoubled: f64,
    cheaper: Moved,
    /// Squares of what the fit at a quarter of the price is from that at half.
    further: f64,
}

/// Sums of squares of what fits move by, and by the cells there.
#[derive(Debug, Clone, Copy, Default)]
struct Moved {
    cells: f64,
    squares: f64,
    sampling: f64,
}

impl Moved {
    fn add(&mut self, more: Self) {
        self.cells += more.cells;
        self.squares += more.squares;
        self.sampling += more.sampling;
    }
}

/// What fits to fewer snapshots tell of the mean square error.
///
/// A fit to fewer snapshots is off by another error than that to all of them, not by a multiple of the same: the better estimate has nothing to do
/// with how the worse one differs from it (Hausman, Econometrica 1978), so that squares add. What is wrong in proportion to hᵖ, h being the interval, has the square e²
/// of all snapshots, 4ᵖe² of every second and 16ᵖe² of every fourth: the first two differ by (4ᵖ − 1)e², and the latter by 4ᵖ times that, which tells p
/// (as three grids tell the order of a scheme: Roache, Annu. Rev. Fluid Mech. 1997). Of what is smooth between snapshots p is 1 (Richardson, Phil. Trans. 1911), of what happens at
/// once it is ½, since that happens to a share of the cells that is proportional to h. So e² is from a third of what every second snapshot moves by to all of it.
///
/// *Other cells* make fits move as well: the rate between two snapshots is a difference over their interval, each with an error of its own, so its
/// variance by the cells, s², falls to a quarter when the interval doubles. By about s² every second snapshot moves (¾ of it at the first and the last, 5/4 in between), and by s²/4
/// every fourth from there. Beside what is smooth, 3e² and 12e², both moves leave s² no more than so much.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Resolved {
    /// e².
    error: f64,
    /// The most that s² can be.
    by_cells: f64,
}

impl Resolved {
    /// Of the mean square that every second snapshot moves by, and how many times as much every fourth moves by from there; where that is not known, p may be
    /// ½, and all of it by the cells.
    fn of(moved: f64, ratio: Option<f64>) -> Self {
        let Some(ratio) = ratio else { return Self { error: moved, by_cells: moved } };
        Self {
            error: moved / (ratio - 1.0).clamp(1.0, 3.0),
            by_cells: moved * ((4.0 - ratio) * 4.0 / 15.0).clamp(0.0, 1.0),
        }
    }
}

impl Sums {
    fn error(self) -> FieldError {
        // Without noise the score has the unit 0, and no error.
        let mean = |sum: f64, cells: f64| if sum.is_finite() && cells > 0.0 { sum / cells } else { 0.0 };
        let of = |moved: Moved| (moved.cells > 0.0).then(|| mean(moved.squares, moved.cells));
        let (coarse, cheaper) = (of(self.coarse), of(self.cheaper));
        let ratio = Some(self.redoubled / self.doubled).filter(|ratio| ratio.is_finite());
        let resolved = coarse.map(|moved| Resolved::of(moved, ratio));
        let by_intervals = resolved.map(|of| (of.error, self.coarse));
        let by_price = cheaper.map(|moved| (moved, self.cheaper));
        let most = by_intervals.into_iter().chain(by_price).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let sampling = mean(self.sampling, self.cells);
        let Some((total, moved)) = most else {
            return FieldError { sampling: sampling.sqrt(), shrinkage: 1.0, resolution: None, biased: false };
        };
        // The cells cannot explain more than is left to them.
        let by_cells = mean(moved.sampling, moved.cells);
        let explained = resolved.map_or(total, |of| of.by_cells.min(total)).min(by_cells);
        let shrinkage = if explained < by_cells { (explained / by_cells).sqrt() } else { 1.0 };
        // What is wrong in proportion to 1/δ² doubles with it. What is wrong in proportion to δ², where the price is too high, halves.
        let order = 0.5 * libm::log2(self.further / self.cheaper.squares);
        let moves_most = cheaper.is_some_and(|cheaper| coarse.is_none_or(|coarse| cheaper > coarse));
        FieldError {
            sampling: sampling.sqrt(),
            shrinkage,
            resolution: Some((total - explained).sqrt()),
            biased: moves_most && (order - 1.0).abs() <= ORDER_MARGIN,
        }
    }
}

/// Velocity, growth and score drift at some cells.
struct Values([Vec<f32>; 3]);

impl Values {
    fn of(points: &[f32], dims: usize, evaluate: impl FnOnce(FieldValues<'_>)) -> Self {
        let mut values = [vec![0.0; points.len()], vec![0.0; points.len() / dims], vec![0.0; points.len()]];
        let [velocity, growth, score_drift] = &mut values;
        evaluate(FieldValues {
            velocity: Some(velocity),
            growth: Some(growth),
            score_drift: Some(score_drift),
        });
        Self(values)
    }

    /// Their mean, of one or more.
    fn mean(all: Vec<Self>) -> Option<Self> {
        let share = 1.0 / all.len() as f64;
        let add = |mut sum: Self, more: Self| {
            for (sum, more) in sum.0.iter_mut().zip(more.0) {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            sum
        };
        let mut mean = all.into_iter().reduce(add)?;
        mean.0.iter_mut().flatten().for_each(|value| *value = (f64::from(*value) * share) as f32);
        Some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Role;
    use crate::model::ModelInfo;
    use crate::nn::{Activation, Architecture, Mlp};
    use crate::snapshots::MatrixView;

    /// Twenty cells at each of `times`, of which every third weighs nothing.
    fn snapshots(times: &[f64]) -> Snapshots {
        let count = 20 * times.len();
        let points: Vec<f64> = (0..count).map(|i| i as f64).collect();
        let labels: Vec<f64> = (0..count).map(|i| times[i / 20]).collect();
        let weights: Vec<f64> = (0..count).map(|i| (i % 3) as f64).collect();
        let view = MatrixView::from_f64(&points, count, 1).unwrap();
        Snapshots::new(view, &labels, Some(&weights)).unwrap()
    }

    #[test]
    fn members_share_the_weight_of_every_cell_and_have_the_masses_of_all() {
        let all = snapshots(&[0.0, 1.0, 5.0]);
        let drawn = |member, seed| resampled(&all, seed, (member, 4)).unwrap();
        let members: Vec<Snapshots> = (0..4).map(|member| drawn(member, 3)).collect();
        for drawn in &members {
            assert_eq!((drawn.times(), drawn.points(1)), (all.times(), all.points(1)));
            for k in 0..3 {
                assert!((drawn.mass(k) / all.mass(k) - 1.0).abs() < 1e-12);
                for (drawn, own) in drawn.weights(k).iter().zip(all.weights(k)) {
                    assert_eq!(*drawn > 0.0, *own > 0.0);
                }
            }
        }
        assert_eq!(drawn(1, 3).weights(2), members[1].weights(2));
        assert_ne!(drawn(1, 4).weights(2), members[1].weights(2));
        assert_ne!(members[0].weights(2), members[1].weights(2));
    }

    #[test]
    fn weights_that_are_stretched_vary_between_members_as_those_of_drawn_cells_do() {
        // Many cells of one weight, so that the masses of members are nearly those of all without being scaled.
        let count = 20_000;
        let points: Vec<f64> = (0..count).map(f64::from).collect();
        let view = MatrixView::from_f64(&points, points.len(), 1).unwrap();
        let all = Snapshots::new(view, &vec![0.0; points.len()], None).unwrap();
        for members in [2, 4, 9] {
            let drawn: Vec<Snapshots> =
                (0..members).map(|member| resampled(&all, 8, (member, members)).unwrap()).collect();
            let mut variance = 0.0;
            for cell in 0..points.len() {
                let weights = drawn.iter().map(|drawn| drawn.weights(0)[cell]);
                let mean = weights.clone().sum::<f64>() / members as f64;
                // The masses that are scaled leave a per cent.
                assert!((mean - 1.0).abs() < 0.05, "{mean}");
                variance += weights.map(|w| (w - mean).powi(2)).sum::<f64>() / (members - 1) as f64;
            }
            // Twenty thousand cells tell to a few per cent.
            variance /= points.len() as f64;
            assert!((STRETCH.powi(2) * variance - 1.0).abs() < 0.05, "{members} members: {variance}");
        }
    }

    #[test]
    fn errors_are_as_large_as_what_displaced_fits_tell() {
        let coarse = |squares| Moved { cells: 4.0, squares, sampling: 32.0 };
        let error = |coarse, squares| {
            let cheaper = Moved { cells: 2.0, squares, sampling: 18.0 };
            Sums { cells: 2.0, sampling: 18.0, coarse, cheaper, further: 4.0 * squares, ..Sums::default() }
                .error()
        };
        let of = |shrinkage, resolution, biased| FieldError {
            sampling: 3.0,
            shrinkage,
            resolution: Some(resolution),
            biased,
        };
        // The larger of both by the cell, whichever it is; the cells explain no more than those to every second snapshot move by.
        assert_eq!(
            (error(coarse(68.0), 3.0), error(coarse(8.0), 1.0)),
            (of(1.0, 3.0, false), of(0.5, 0.0, false))
        );
        assert_eq!(
            (error(coarse(8.0), 26.0), error(Moved::default(), 4.5)),
            (of((2.0f64 / 9.0).sqrt(), 11f64.sqrt(), true), of(0.5, 0.0, true))
        );
        // Errors at a typical cell, in deviations over the members: with as much again, half, and where these explain nothing.
        let inflation = |resolution: f64, shrinkage| of(shrinkage, resolution, false).inflation();
        assert!((error(coarse(68.0), 0.0).inflation() - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!((error(coarse(8.0), 0.0).inflation(), inflation(6.0, 0.0)), (0.5, 2.0));
        let nothing = Sums::default().error();
        assert_eq!((nothing.resolution, nothing.inflation()), (None, 1.0));
        // The bias is taken away only where the price is what fields move most by, even if it says most of the size.
        let ten = Moved { cells: 2.0, squares: 20.0, sampling: 0.0 };
        let smooth =
            Sums { coarse: coarse(44.0), cheaper: ten, further: 80.0, doubled: 1.0, ..Sums::default() };
        let smooth = Sums { redoubled: 4.0, ..smooth }.error();
        assert_eq!((smooth.resolution, smooth.biased), (Some(10f64.sqrt()), false));
        // And it is known only where moves double with 1/δ², and not where they halve.
        for (further, biased) in [(4.0, true), (2.1, true), (1.9, false), (0.25, false), (8.1, false)] {
            let cheaper = Moved { cells: 2.0, squares: 26.0, sampling: 18.0 };
            let sums =
                Sums { cells: 2.0, sampling: 18.0, cheaper, further: 26.0 * further, ..Sums::default() };
            assert_eq!(sums.error().biased, biased, "{further}");
        }
    }

    #[test]
    fn moves_tell_the_order_of_the_error_and_what_is_left_to_the_cells() {
        // Of an error of the order p, and of a smooth one beside what other cells change.
        for order in [0.5, 0.75, 1.0] {
            let doubled = 4f64.powf(order);
            let told = Resolved::of((doubled - 1.0) * 5.0, Some(doubled));
            assert!((told.error - 5.0).abs() < 1e-12, "{told:?}");
        }
        for (cells, smooth) in [(0.0, 4.0), (5.0, 0.0), (2.0, 3.0), (9.0, 0.25)] {
            let (moved, more) = (cells + 3.0 * smooth, cells / 4.0 + 12.0 * smooth);
            let told = Resolved::of(moved, Some(more / moved));
            assert!((told.by_cells - cells).abs() < 1e-12, "{told:?}");
        }
        // The order is ½ at least, where it is not known, and 1 at most.
        assert_eq!(Resolved::of(6.0, Some(9.0)), Resolved { error: 2.0, by_cells: 0.0 });
        for ratio in [Some(0.1), None] {
            assert_eq!(Resolved::of(6.0, ratio), Resolved { error: 6.0, by_cells: 6.0 });
        }
        // Every second moves by the mean square 17, and members say 9 of it.
        let coarse = Moved { cells: 4.0, squares: 68.0, sampling: 36.0 };
        let ratio = |ratio: f64| {
            let doubled = 34.0;
            let redoubled = ratio * doubled;
            Sums { cells: 4.0, sampling: 36.0, coarse, doubled, redoubled, ..Sums::default() }.error()
        };
        // 2·4/15 of it may be by the cells, and no more than members say.
        let FieldError { shrinkage, resolution, .. } = ratio(2.0);
        assert!((resolution.unwrap().powi(2) - 8.0).abs() < 1e-12 && shrinkage == 1.0);
        let FieldError { shrinkage, resolution, .. } = ratio(3.0);
        assert!((9.0 * shrinkage * shrinkage - 17.0 * 4.0 / 15.0).abs() < 1e-12, "{shrinkage}");
        assert!((resolution.unwrap().powi(2) - 17.0 * (0.5 - 4.0 / 15.0)).abs() < 1e-12, "{resolution:?}");
        // All of it smooth: nothing is left to the members, and a third of the square is wrong.
        let all = ratio(4.0);
        assert_eq!((all.shrinkage, all.sampling), (0.0, 3.0));
        assert!((all.total().powi(2) - 17.0 / 3.0).abs() < 1e-12 && all.inflation() < 1.0);
    }

    #[test]
    fn fits_to_every_fourth_snapshot_are_held_against_those_to_every_second() {
        let network = |role: Role, value: f64| {
            let shape = Architecture { inputs: 2, hidden: vec![1], outputs: 1, activation: Activation::Tanh };
            let mut parameters = vec![0.0; shape.parameter_count()];
            *parameters.last_mut().unwrap() = value as f32;
            Network { role, mlp: Mlp::from_parameters(shape, parameters).unwrap() }
        };
        let growing = |rate: f64| vec![network(Role::Velocity, 0.0), network(Role::Growth, rate)];
        let all = snapshots(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        // Members that grow at 0 and 0.2, fits to every second snapshot by 1 faster, and one to every fourth by `more` than these.
        let error = |more: f64| {
            let info = ModelInfo::custom(all.times().to_vec());
            let members = vec![growing(0.0), growing(0.2)];
            let dynamics = Dynamics::new(info, Scaling::of(&all), members, None, None).unwrap();
            let displaced = Thinned::all(5).map(|thinned| {
                let fewer = thinned.of(&all).unwrap();
                // Networks give the growth of an interval.
                let growth = if thinned.coarser { 4.0 * (1.1 + more) } else { 2.0 * 1.1 };
                Displaced {
                    guard: Guard::of(&fewer),
                    scaling: Scaling::of(&fewer),
                    law: None,
                    networks: growing(growth),
                    thinned: Some(thinned),
                }
            });
            uncertainty(&dynamics, displaced.collect(), &all).unwrap().growth
        };
        // Fields are in single precision, and the members' variance divides what is left of it by 0.02.
        let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 2e-5, "{value}, not {wanted}");
        for (more, square, by_cells) in [(2.0, 1.0 / 3.0, 0.0), (0.5, 1.0, 0.02), (-3f64.sqrt(), 0.5, 0.02)] {
            let told = error(more);
            near(told.total().powi(2), square);
            near(told.sampling, 0.02f64.sqrt());
            near(told.shrinkage.powi(2), by_cells / 0.02);
        }
    }

    #[test]
    fn every_interval_is_lengthened_in_one_of_the_fits_to_fewer_snapshots() {
        let thinned = |count: usize| -> Vec<(Vec<f64>, Vec<bool>, bool)> {
            let times: Vec<f64> = (0..count).map(|k| k as f64).collect();
            let all = snapshots(&times);
            let of = |thin: Thinned| (thin.of(&all).unwrap().times().to_vec(), thin.lengthened, thin.coarser);
            Thinned::all(count).map(of).collect()
        };
        let (yes, no) = (true, false);
        assert_eq!(thinned(2), []);
        assert_eq!(thinned(3), vec![(vec![0.0, 2.0], vec![yes; 3], no); 2]);
        assert_eq!(
            thinned(4),
            [
                (vec![0.0, 2.0, 3.0], vec![yes, yes, yes, no], no),
                (vec![0.0, 1.0, 3.0], vec![no, yes, yes, yes], no)
            ]
        );
        let five = thinned(5);
        assert_eq!(five[..2], vec![(vec![0.0, 2.0, 4.0], vec![yes; 5], no); 2]);
        assert_eq!(five[2..], [(vec![0.0, 4.0], vec![yes; 5], yes)]);
        // Of six the last interval is as it was, and of every fourth that from 4 to 5 as of every second.
        let six = thinned(6);
        assert_eq!(six[0], (vec![0.0, 2.0, 4.0, 5.0], vec![yes, yes, yes, yes, yes, no], no));
        assert_eq!(six[1], (vec![0.0, 1.0, 3.0, 5.0], vec![no, yes, yes, yes, yes, yes], no));
        assert_eq!(six[2], (vec![0.0, 4.0, 5.0], vec![yes, yes, yes, yes, yes, no], yes));
        assert_eq!(thinned(9)[2], (vec![0.0, 4.0, 8.0], vec![yes; 9], yes));
    }
}
