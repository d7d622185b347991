//! Ensembles: fits to resampled cells, and what is learned from them of the errors of their mean.
//!
//! Two things are wrong with a fit. Other cells would have given another one: that is what the members differ by, each of which
//! gives the cells of every snapshot random weights, couples them and trains from a seed of its own (Rubin, Ann. Stat. 1981; Breiman, Mach.
//! Learn. 1996). Over all members every cell weighs the same, so that their mean does not see some cells more than others (as in
//! the balanced bootstrap of Davison, Hinkley, Schechtman, Biometrika 1986). And between snapshots a bridge is a guess, which no
//! resampling of cells can tell from the truth: the guess gets worse with the interval, so fits to every second snapshot, with all of their cells, move by about as much
//! as is wrong, to first order in the interval (Richardson, Phil. Trans. 1911). Both variances are added.
//!
//! Those fits would move as well if bridges were exact, since other cells say what the rates are: of a rate that is the difference of two
//! snapshots' quantities over the interval between them, each with an error of its own, ¾ of the rate's variance by the cells at the first and the
//! last snapshot, 5/4 in between, where it is that of the snapshots around. So once the variance by the cells is left out of what they move by.
//! Where they move by less than the cells alone would make them, the members' differences are too large: those of a few are known badly, as
//! all cells of a kind weigh more or less together. Then they are shrunk to what the fits move by.
//!
//! Whether cells moved or multiplied is a guess as well, by the price of growth against that of motion, δ². What a finite price gets wrong falls
//! as its inverse, so a fit at half the price moves by about as much as is wrong, to first order (Richardson again). The size of the errors is the
//! larger of what fits to fewer snapshots and at half the price move by, always, and the members tell how much of it the cells explain, and where.
//!
//! Where it is the price that matters more, and velocity and growth are regressions on a coupling, their bias may be known as well, and intervals lie
//! around the fields less it (bias-corrected: Efron, JASA 1987): if fields move twice as much from half to a quarter of the price, as what is of first order in 1/δ²
//! does. Where δ² is too large, as between clouds that grow where they are, they move less and less, and the truth is on the other side. Intervals are as long as
//! before: of what is left the order is the next, and no fit tells its size. Where those to fewer snapshots matter more, to correct less than what is unknown would not pay.

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

/// Fits to every second snapshot.
const COARSE: usize = 2;

/// What δ² is multiplied by in the fits at other prices of growth: the first tells by how much fields move, the second whether they move as much
/// as they should if what is wrong is of first order.
const CHEAPER: [f64; 2] = [0.5, 0.25];

/// How far the observed order may be from one.
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
    let coarse = (0..COARSE).filter(|&which| !Thinned::left_out(snapshots, which).is_empty()).count();
    options.ensemble + coarse + cheaper_count(&options.recipe)
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
        Some(which) => match Thinned::new(snapshots, which) {
            Some(Thinned { snapshots, scaling, .. }) => {
                settled.learn(&snapshots, &scaling, None, threads, reporter)
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
    let thinned: Vec<Thinned> = (0..COARSE).filter_map(|which| Thinned::new(snapshots, which)).collect();
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
    let coarse = thinned.into_iter().zip(of_thinned).map(|(thin, learned)| Displaced {
        guard: Guard::of(&thin.snapshots),
        scaling: thin.scaling,
        law: learned.law,
        networks: learned.networks,
        lengthened: Some(thin.lengthened),
    });
    let cheaper = of_cheaper.into_iter().map(|learned| Displaced {
        guard: Guard::of(snapshots),
        scaling: Scaling::of(snapshots),
        law: learned.law,
        networks: learned.networks,
        lengthened: None,
    });
    let displaced = whole.then(|| coarse.chain(cheaper).collect());
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

/// Every second snapshot, and the first and the last.
struct Thinned {
    snapshots: Snapshots,
    scaling: Scaling,
    /// Of each of all snapshots, whether an interval beside it has become longer.
    lengthened: Vec<bool>,
}

impl Thinned {
    /// The times that are left out, counted from the first snapshot, or, for every other fit, from the last: that leaves out the others
    /// where their number is even. None of two snapshots, between which there is nothing to leave out.
    fn left_out(snapshots: &Snapshots, which: usize) -> Vec<f64> {
        let last = snapshots.len() - 1;
        let left_out = (0..=last).filter(|&k| !Self::keeps(last, which, k));
        left_out.map(|k| snapshots.times()[k]).collect()
    }

    fn keeps(last: usize, which: usize, k: usize) -> bool {
        let counted = if which.is_multiple_of(2) { k } else { last - k };
        k == 0 || k == last || counted.is_multiple_of(2)
    }

    /// The snapshots without those; none where nothing is left out, and of numbers of other fits.
    fn new(snapshots: &Snapshots, which: usize) -> Option<Self> {
        let (last, left_out) = (snapshots.len() - 1, Self::left_out(snapshots, which));
        if left_out.is_empty() || which >= COARSE {
            return None;
        }
        let kept = |k: usize| Self::keeps(last, which, k);
        let as_before = |k: usize| kept(k) && kept(k + 1);
        let lengthened = |k: usize| k > 0 && !as_before(k - 1) || k < last && !as_before(k);
        let lengthened = (0..=last).map(lengthened).collect();
        let snapshots = snapshots.without(&left_out).ok()?;
        Some(Self { scaling: Scaling::of(&snapshots), snapshots, lengthened })
    }
}

/// A fit with another assumption than the members'.
pub(super) struct Displaced {
    scaling: Scaling,
    law: Option<GrowthLaw>,
    networks: Vec<Network>,
    guard: Guard,
    /// Of one to fewer snapshots, [where](Thinned::lengthened) intervals are longer; none of one at another price of growth.
    lengthened: Option<Vec<bool>>,
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
    let cheaper = displaced.iter().find(|fit| fit.lengthened.is_none() && at_a_price);
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

/// How far the members' mean is off: root mean squares over cells of what other cells would change, by the members, and of how much
/// further than that from their mean the displaced fits are, those to fewer snapshots together, where one of these has longer intervals, or that at half the price;
/// or, if it is less far, how much less.
///
/// # Errors
/// [`Error::InvalidData`] for networks that do not go together, which fits of one recipe do.
fn uncertainty(dynamics: &Dynamics, displaced: Vec<Displaced>, snapshots: &Snapshots) -> Result<Uncertainty> {
    let (ensemble, diffusion) = (&dynamics.compiled, dynamics.info.diffusion());
    let fields = |Displaced { scaling, law, networks, guard, lengthened }: Displaced| {
        let guard = ensemble.guard.as_ref().map(|_| guard);
        Ok((Compiled::new(scaling, diffusion, vec![networks], law, guard)?, lengthened))
    };
    let displaced =
        displaced.into_iter().map(fields).collect::<Result<Vec<(Compiled, Option<Vec<bool>>)>>>()?;
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
        let lengthened = displaced.iter().filter(|(_, of)| of.as_ref().is_some_and(|of| of[k]));
        let coarse: Vec<Values> = lengthened.map(|(fields, _)| values(fields)).collect();
        let at_price = displaced.iter().filter(|(_, of)| of.is_none());
        let mut cheaper: Vec<Values> = at_price.map(|(fields, _)| values(fields)).collect();
        let further = cheaper.split_off(cheaper.len().min(1));
        let deviation = Values::of(&points, snapshots.dims(), |values| {
            ensemble.deviation(time, &points, values, dynamics.info.stretch, &mut spread);
        });
        for (f, (sums, unit)) in sums.iter_mut().zip(ensemble.units(time)).enumerate() {
            for (half, quarter) in cheaper.iter().zip(&further) {
                let moved = half.0[f].iter().zip(&quarter.0[f]);
                sums.further += moved.map(|(h, q)| (f64::from(q - h) / unit).powi(2)).sum::<f64>();
            }
            let sampling = deviation.0[f].iter().map(|&sd| (f64::from(sd) / unit).powi(2)).sum::<f64>();
            let count = mean.0[f].len() as f64;
            sums.cells += count;
            sums.sampling += sampling;
            for (moved, fits) in [(&mut sums.coarse, &coarse), (&mut sums.cheaper, &cheaper)] {
                if fits.is_empty() {
                    continue;
                }
                moved.cells += count;
                moved.sampling += sampling;
                for (i, &mean) in mean.0[f].iter().enumerate() {
                    let of_fits = fits.iter().map(|fit| f64::from(fit.0[f][i])).sum::<f64>();
                    let difference = of_fits / fits.len() as f64 - f64::from(mean);
                    moved.squares += (difference / unit).powi(2);
                }
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

impl Sums {
    fn error(self) -> FieldError {
        // Without noise the score has the unit 0, and no error.
        let root = |sum: f64, cells: f64| if sum.is_finite() { (sum.max(0.0) / cells).sqrt() } else { 0.0 };
        let moved = [(self.coarse, false), (self.cheaper, true)].into_iter();
        let moved = moved.filter(|(moved, _)| moved.cells > 0.0);
        let most = moved.max_by(|(a, _), (b, _)| (a.squares / a.cells).total_cmp(&(b.squares / b.cells)));
        let (most, biased) = most.map_or((None, false), |(moved, biased)| (Some(moved), biased));
        // What is wrong in proportion to 1/δ² doubles with it. What is wrong in proportion to δ², where the price is too high, halves.
        let order = 0.5 * libm::log2(self.further / self.cheaper.squares);
        let biased = biased && (order - 1.0).abs() <= ORDER_MARGIN;
        let shrinkage = match most {
            Some(moved) if moved.squares < moved.sampling => (moved.squares / moved.sampling).sqrt(),
            _ => 1.0,
        };
        FieldError {
            sampling: shrinkage * root(self.sampling, self.cells),
            shrinkage,
            resolution: most.map(|moved| root(moved.squares - moved.sampling, moved.cells)),
            biased,
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
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn errors_are_as_large_as_what_displaced_fits_move_by() {
        let coarse = |squares| Moved { cells: 4.0, squares, sampling: 32.0 };
        let error = |coarse, squares| {
            let cheaper = Moved { cells: 2.0, squares, sampling: 18.0 };
            Sums { cells: 2.0, sampling: 18.0, coarse, cheaper, further: 4.0 * squares }.error()
        };
        let of = |sampling, shrinkage, resolution, biased| FieldError {
            sampling,
            shrinkage,
            resolution: Some(resolution),
            biased,
        };
        // The larger of both by the cell, whichever it is.
        assert_eq!(
            (error(coarse(68.0), 3.0), error(coarse(8.0), 1.0)),
            (of(3.0, 1.0, 3.0, false), of(1.5, 0.5, 0.0, false))
        );
        assert_eq!(
            (error(coarse(8.0), 26.0), error(Moved::default(), 4.5)),
            (of(3.0, 1.0, 2.0, true), of(1.5, 0.5, 0.0, true))
        );
        // Errors at a typical cell, in deviations over the members: with as much again, and half.
        let (more, less) = (error(coarse(68.0), 0.0).inflation(), error(coarse(8.0), 0.0).inflation());
        assert!((more - 2f64.sqrt()).abs() < 1e-12 && (less - 0.5).abs() < 1e-12, "{more} {less}");
        assert_eq!(Sums::default().error().resolution, None);
        // The bias is known only where moves double with 1/δ², and not where they halve.
        for (further, biased) in [(4.0, true), (2.1, true), (1.9, false), (0.25, false), (8.1, false)] {
            let cheaper = Moved { cells: 2.0, squares: 26.0, sampling: 18.0 };
            let sums =
                Sums { cells: 2.0, sampling: 18.0, cheaper, further: 26.0 * further, ..Sums::default() };
            assert_eq!(sums.error().biased, biased, "{further}");
        }
    }

    #[test]
    fn every_interval_is_lengthened_in_one_of_the_fits_to_fewer_snapshots() {
        let thinned = |count: usize, which: usize| {
            let times: Vec<f64> = (0..count).map(|k| k as f64).collect();
            Thinned::new(&snapshots(&times), which)
                .map(|thin| (thin.snapshots.times().to_vec(), thin.lengthened))
        };
        assert_eq!((thinned(2, 0), thinned(2, 1)), (None, None));
        for which in 0..COARSE {
            assert_eq!(thinned(3, which), Some((vec![0.0, 2.0], vec![true; 3])));
            assert_eq!(thinned(5, which), Some((vec![0.0, 2.0, 4.0], vec![true; 5])));
        }
        assert_eq!(thinned(4, 0), Some((vec![0.0, 2.0, 3.0], vec![true, true, true, false])));
        assert_eq!(thinned(4, 1), Some((vec![0.0, 1.0, 3.0], vec![false, true, true, true])));
    }
}
