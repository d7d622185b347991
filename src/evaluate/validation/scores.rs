//! Scores of recipes over splits and seeds, and what they say.

use std::fmt;

use super::Simulator;
use super::measure::{Baselines, Distance, Interpolated, Measured};
use crate::named::named;

/// A mean and how far the truth may be from it by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct MeanInterval {
    /// The mean over splits, of each the mean over its seeds.
    pub mean: f64,
    /// Half the width of the 95 % confidence interval by Student's t: over splits, or over seeds where there is a single split;
    /// NaN for a single fit. Splits share cells, so it is too narrow rather than too wide.
    pub half_width: f64,
}

impl MeanInterval {
    /// Of values by split and, within it, by seed.
    fn of(values: &[Vec<f64>]) -> Self {
        let means: Vec<f64> = values.iter().map(|seeds| mean(seeds)).collect();
        let independent = if let [seeds] = values { seeds } else { &means };
        Self { mean: mean(&means), half_width: half_width(independent) }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Half the 95 % confidence interval of the mean of `values`.
fn half_width(values: &[f64]) -> f64 {
    let n = values.len();
    if n < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1) as f64;
    t_quantile(n - 1) * (variance / n as f64).sqrt()
}

/// The 97.5 % quantile of Student's t for up to 30 degrees of freedom.
const T_QUANTILES: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
    2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555,
    2.0518, 2.0484, 2.0452, 2.0423,
];

fn t_quantile(degrees: usize) -> f64 {
    let z: f64 = 1.959_964;
    let tail = (z.powi(3) + z) / (4.0 * degrees as f64); // Cornish and Fisher 1937; the next term is below 1e-3 here
    T_QUANTILES.get(degrees - 1).copied().unwrap_or(z + tail)
}

/// Measures at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TimeScore {
    /// The time.
    pub time: f64,
    /// W1 between the predicted population and held-out cells, both normalised.
    pub w1: f64,
    /// Unbiased energy distance over the rms spread of all held-out cells: 0 in expectation at the truth.
    pub energy: f64,
    /// Relative mass error.
    pub rme: f64,
}

/// How well a recipe predicts cells that it was not fitted to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Scores {
    /// Mean W1 over times, over the mean distance between two samples of the data of that size.
    pub ratio: MeanInterval,
    /// Mean W1 over times.
    pub w1: MeanInterval,
    /// Mean energy distance over times.
    pub energy: MeanInterval,
    /// Mean relative mass error over times.
    pub rme: MeanInterval,
    /// The relative error of the growth rate at held-out cells, where the truth is given.
    pub growth_error: Option<MeanInterval>,
    /// Its correlation with the truth, where that is given; NaN where either is constant.
    pub growth_correlation: Option<MeanInterval>,
    /// At each time but the first, means over splits and seeds.
    pub times: Vec<TimeScore>,
    /// At inner times, of fits to all cells but those of that time: means over seeds. Empty unless asked for.
    pub held_out_times: Vec<TimeScore>,
    /// The mean over these times of W1.
    pub held_out_w1: Option<MeanInterval>,
    /// What moved the particles.
    pub simulator: Simulator,
    /// Processor seconds of a fit, which has one thread; by the clock where the system does not tell. The mean over the fits to
    /// parts of the cells.
    pub cpu_seconds: f64,
    /// The ratio of each split, the mean over its seeds.
    pub ratios: Vec<f64>,
}

/// A recipe and what became of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecipeScore {
    /// What the caller calls it.
    pub name: String,
    /// Its scores, or why a fit of it failed.
    pub scores: Result<Scores, String>,
}

/// What an inner snapshot is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct HeldOutTime {
    /// The time.
    pub time: f64,
    /// W1 of the mid-points: pairs of an exact coupling (W2) of the neighbouring snapshots, on the straight line between the two.
    pub interpolation_w1: f64,
    /// Relative mass error of a mass that grows at a constant rate between the neighbours.
    pub interpolation_rme: f64,
    /// W1 of the first snapshot, as it is.
    pub nothing_moves_w1: f64,
    /// Relative mass error of the first snapshot, as it is.
    pub nothing_moves_rme: f64,
}

/// Recipes held against cells that they were not fitted to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Validation {
    /// One a recipe, in the order given.
    pub recipes: Vec<RecipeScore>,
    /// All times but the first.
    pub times: Vec<f64>,
    /// W1 between the held-out cells and as many others, at each time: two samples of the data of that size.
    pub floor: Vec<MeanInterval>,
    /// The prediction that nothing moves: the held-out founders, as they are, at each time.
    pub nothing_moves: Vec<TimeScore>,
    /// Its ratio.
    pub nothing_moves_ratio: MeanInterval,
    /// What predictions of held-out times have to be held against; empty unless asked for.
    pub held_out_times: Vec<HeldOutTime>,
    /// The number of splits.
    pub splits: usize,
    /// Fits a split and recipe.
    pub seeds: usize,
    /// The parts of a cut, of which one is held out: 2 for halves.
    pub parts: usize,
    /// The cells of the data.
    pub cells: usize,
    /// Those of a split, seen and held out.
    pub cells_used: usize,
}

/// How much was done, and with how many cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) seeds: usize,
    pub(super) parts: usize,
    pub(super) cells: usize,
    pub(super) cells_used: usize,
}

/// What was measured of a recipe, by split and seed and by inner time and seed; or why a fit failed.
pub(super) type OfRecipe = Result<(Vec<Measured>, Vec<Distance>), String>;

/// Above this ratio, predictions are worse than more data would be, by more than the gap between one sample and another.
const AS_GOOD: f64 = 1.15;
/// The share of the way from "nothing moves" to the floor that a prediction has to go to hold in the main.
const IN_THE_MAIN: f64 = 0.8;
/// The least share of it that counts as a prediction at all.
const AT_ALL: f64 = 0.05;
/// A mass error below which nothing is said of it but its size.
const MASS: f64 = 0.1;

/// May one trust the fit?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// W1 to unseen cells is at most 1.15 times the distance between two samples of the data.
    Holds,
    /// It is more, but of the way from "nothing moves" (share 0) to the floor (share 1) at least 80 % are predicted.
    InTheMain,
    /// Less than that.
    Weak,
    /// Less than 5 %: that nothing moves is as good a guess.
    Fails,
    /// Snapshots differ from the first by at most 1.15 times what two samples of one differ by: nothing can be told.
    Undecided,
}

named!(
    Trust,
    "trust",
    Holds = "holds",
    InTheMain = "in-the-main",
    Weak = "weak",
    Fails = "fails",
    Undecided = "undecided"
);

/// What a validation says of one recipe.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// May one trust the fit?
    pub trust: Trust,
    /// The same as a sentence, with the figures.
    pub sentence: String,
}

impl Validation {
    pub(super) fn new(
        recipes: &[String],
        times: &[f64],
        baselines: &[Baselines],
        interpolated: &[(f64, Interpolated)],
        measured: Vec<OfRecipe>,
        counts: Counts,
    ) -> Self {
        let floors: Vec<f64> = baselines.iter().map(|b| mean(&b.floor)).collect();
        let over_splits = |of: &dyn Fn(&Baselines) -> f64| {
            MeanInterval::of(&baselines.iter().map(|b| vec![of(b)]).collect::<Vec<_>>())
        };
        let nothing = |k: usize| TimeScore {
            time: times[k],
            w1: over_splits(&|b| b.nothing_moves[k].w1).mean,
            energy: over_splits(&|b| b.nothing_moves[k].energy).mean,
            rme: over_splits(&|b| b.nothing_moves[k].rme).mean,
        };
        let still = baselines
            .iter()
            .zip(&floors)
            .map(|(b, floor)| vec![mean(&b.nothing_moves.iter().map(|d| d.w1).collect::<Vec<_>>()) / floor]);
        let held_out_time =
            |&(time, Interpolated { by_coupling, nothing_moves }): &(f64, Interpolated)| HeldOutTime {
                time,
                interpolation_w1: by_coupling.0,
                interpolation_rme: by_coupling.1,
                nothing_moves_w1: nothing_moves.0,
                nothing_moves_rme: nothing_moves.1,
            };
        let inner: Vec<f64> = interpolated.iter().map(|(time, _)| *time).collect();
        let recipes = recipes.iter().zip(measured).map(|(name, measured)| RecipeScore {
            name: name.clone(),
            scores: measured.map(|(cells, of_inner)| {
                let by_split: Vec<&[Measured]> = cells.chunks(counts.seeds).collect();
                Scores::of(times, &floors, &by_split).with_held_out_times(&inner, &of_inner, counts.seeds)
            }),
        });
        Self {
            times: times.to_vec(),
            floor: (0..times.len()).map(|k| over_splits(&|b| b.floor[k])).collect(),
            nothing_moves: (0..times.len()).map(nothing).collect(),
            nothing_moves_ratio: MeanInterval::of(&still.collect::<Vec<_>>()),
            held_out_times: interpolated.iter().map(held_out_time).collect(),
            splits: baselines.len(),
            seeds: counts.seeds,
            parts: counts.parts,
            cells: counts.cells,
            cells_used: counts.cells_used,
            recipes: recipes.collect(),
        }
    }

    /// The recipe with the lowest ratio.
    pub fn best(&self) -> Option<usize> {
        let ratio = |i: &usize| self.recipes[*i].scores.as_ref().map_or(f64::NAN, |s| s.ratio.mean);
        let scored = (0..self.recipes.len()).filter(|i| !ratio(i).is_nan());
        scored.min_by(|a, b| ratio(a).total_cmp(&ratio(b)))
    }

    /// Whether a recipe cannot be told from the best one: the 95 % confidence interval of the differences of their ratios, split
    /// by split, holds zero. None for fewer than three splits, from which nearly nothing can be told apart, for the best one
    /// itself, and for recipes without scores.
    pub fn is_as_good_as_best(&self, recipe: usize) -> Option<bool> {
        let best = self.best().filter(|&best| best != recipe && self.splits > 2)?;
        let ratios = |i: usize| self.recipes[i].scores.as_ref().ok().map(|scores| &scores.ratios);
        let differences: Vec<f64> = ratios(recipe)?.iter().zip(ratios(best)?).map(|(a, b)| a - b).collect();
        Some(mean(&differences).abs() <= half_width(&differences))
    }

    /// May one trust this recipe's fit? None without scores.
    pub fn verdict(&self, recipe: usize) -> Option<Verdict> {
        let scores = self.recipes[recipe].scores.as_ref().ok().filter(|s| !s.ratio.mean.is_nan())?;
        let (ratio, still) = (scores.ratio.mean, self.nothing_moves_ratio.mean);
        let share = (still - ratio) / (still - 1.0);
        let trust = match () {
            () if still <= AS_GOOD => Trust::Undecided,
            () if ratio <= AS_GOOD => Trust::Holds,
            () if share < AT_ALL => Trust::Fails,
            () if share >= IN_THE_MAIN => Trust::InTheMain,
            () => Trust::Weak,
        };
        let percent = format!("{:.0} %", 100.0 * share);
        let told = match trust {
            Trust::Holds => "predictions hold".to_string(),
            Trust::InTheMain => format!("predictions hold in the main: {percent} of the way is predicted"),
            Trust::Weak => format!("predictions are weak: {percent} of the way is predicted"),
            Trust::Fails => "predictions do not hold: that nothing moves is as good a guess".into(),
            Trust::Undecided => "nothing can be told: the snapshots hardly differ".into(),
        };
        let mass = 100.0 * scores.rme.mean;
        let mass = match scores.rme.mean <= MASS {
            true => format!("The mass is right to {mass:.1} %."),
            false => format!("But the mass is off by {mass:.0} %."),
        };
        let samples = if self.parts == 2 { "halves" } else { "samples" };
        let sentence = format!(
            "W1 to unseen cells is {} times the distance between two {samples} of the data (1: as good as more data; nothing moves: \
             {still:.2}): {told}. {mass}",
            Shown(scores.ratio)
        );
        Some(Verdict { trust, sentence })
    }
}

fn time_score(time: f64, distances: &[Distance]) -> TimeScore {
    let over = |of: fn(&Distance) -> f64| mean(&distances.iter().map(of).collect::<Vec<_>>());
    TimeScore { time, w1: over(|d| d.w1), energy: over(|d| d.energy), rme: over(|d| d.rme) }
}

impl Scores {
    /// Of measures by split and seed; `floors` has the mean floor of each split.
    fn of(times: &[f64], floors: &[f64], measured: &[&[Measured]]) -> Self {
        let over_times = |of: fn(&Distance) -> f64| -> Vec<Vec<f64>> {
            let of_fit = |fit: &Measured| mean(&fit.distances.iter().map(of).collect::<Vec<_>>());
            measured.iter().map(|seeds| seeds.iter().map(of_fit).collect()).collect()
        };
        let w1 = over_times(|d| d.w1);
        let ratios: Vec<Vec<f64>> =
            w1.iter().zip(floors).map(|(seeds, floor)| seeds.iter().map(|w1| w1 / floor).collect()).collect();
        let of_growth = |of: &dyn Fn(&Measured) -> Option<f64>| -> Option<MeanInterval> {
            let of_seeds = |seeds: &&[Measured]| seeds.iter().map(of).collect::<Option<Vec<f64>>>();
            Some(MeanInterval::of(&measured.iter().map(of_seeds).collect::<Option<Vec<_>>>()?))
        };
        let fits = || measured.iter().copied().flatten();
        let at = |k: usize| time_score(times[k], &fits().map(|fit| fit.distances[k]).collect::<Vec<_>>());
        Self {
            ratio: MeanInterval::of(&ratios),
            w1: MeanInterval::of(&w1),
            energy: MeanInterval::of(&over_times(|d| d.energy)),
            rme: MeanInterval::of(&over_times(|d| d.rme)),
            growth_error: of_growth(&|fit| Some(fit.growth?.relative)),
            growth_correlation: of_growth(&|fit| Some(fit.growth?.correlation.unwrap_or(f64::NAN))),
            times: (0..times.len()).map(at).collect(),
            held_out_times: vec![],
            held_out_w1: None,
            simulator: measured[0][0].simulator,
            cpu_seconds: mean(&fits().map(|fit| fit.seconds).collect::<Vec<_>>()),
            ratios: ratios.iter().map(|seeds| mean(seeds)).collect(),
        }
    }

    /// With those of fits without an inner time, by time and then by seed.
    fn with_held_out_times(mut self, inner: &[f64], measured: &[Distance], seeds: usize) -> Self {
        if inner.is_empty() {
            return self;
        }
        let of_times = || measured.chunks(seeds);
        let of_seed = |seed: usize| mean(&of_times().map(|of_time| of_time[seed].w1).collect::<Vec<_>>());
        self.held_out_w1 = Some(MeanInterval::of(&[(0..seeds).map(of_seed).collect()]));
        self.held_out_times = inner.iter().zip(of_times()).map(|(&time, of)| time_score(time, of)).collect();
        self
    }
}

/// An estimate as it is read: with its interval, where it has one.
struct Shown(MeanInterval);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(MeanInterval { mean, half_width }) = self;
        if half_width.is_nan() { write!(f, "{mean:.2}") } else { write!(f, "{mean:.2} ± {half_width:.2}") }
    }
}
