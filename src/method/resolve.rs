//! The numbers of a fit, given or chosen from the data by stated rules.

use rand::seq::SliceRandom;

use super::coupling::CouplingNumbers;
use super::{Choice, DeltaRule, FitOptions, Learning, SigmaRule};
use crate::error::{Error, Result, positive};
use crate::exec::rng::{Purpose, stream};
use crate::exec::stop::Stop;
use crate::rollout::GrowthPrice;
use crate::scales::Scales;
use crate::snapshots::Snapshots;
use crate::transport::PointCloud;
use crate::transport::cloud::{Cloud, SnapshotCells};
use crate::transport::pricing::nearest_distances;
use crate::units::Scaling;

/// The numbers of a recipe, each where the recipe has it.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) delta: Option<f64>,
    pub(super) sigma: Option<f64>,
    pub(super) penalty: Option<f64>,
    /// The penalties of the source's and the target's marginal, where they are given.
    penalties: [Option<f64>; 2],
    /// Each of them with the rule that it came by.
    pub(super) choices: Vec<Choice>,
}

impl Resolved {
    /// Takes what is given and chooses the rest by the rules of [`FitOptions`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for numbers that are not positive and finite or that contradict each other;
    /// [`Error::Cancelled`].
    pub(super) fn new(
        snapshots: &Snapshots,
        scaling: &Scaling,
        options: &FitOptions,
        stop: &Stop,
    ) -> Result<Self> {
        let recipe = &options.recipe;
        let needs_sigma = recipe.default_noise().is_some()
            || matches!(recipe.learning, Learning::Rollout(_))
                && recipe.takes("growth_price")
                && options.rollout.growth_price == GrowthPrice::Branching;
        for (name, value) in [
            ("delta", options.delta),
            ("sigma", options.sigma),
            ("branching_rate", options.branching_rate),
            ("penalty", options.penalty),
        ] {
            value.map(|value| positive(name, value)).transpose()?;
        }
        let (mut delta, mut sigma) = (options.delta, options.sigma);
        if let Some(rate) = options.branching_rate {
            match (delta, sigma) {
                (Some(delta), Some(sigma)) if (delta * delta * rate / (sigma * sigma) - 1.0).abs() > 1e-6 => {
                    let allowed =
                        format!("sigma²/delta² = {} (give two of the three)", (sigma / delta).powi(2));
                    return Err(Error::argument("branching_rate", rate, &allowed));
                }
                (None, Some(sigma)) => delta = Some(sigma / rate.sqrt()),
                (Some(delta), None) => sigma = Some(delta * rate.sqrt()),
                (None, None) if !needs_sigma => {
                    let allowed = "given with sigma or delta: delta² = sigma²/branching_rate";
                    return Err(Error::argument("branching_rate", rate, allowed));
                }
                _ => {}
            }
        }
        if needs_sigma && sigma.is_none() {
            sigma = Some(automatic_noise(snapshots, scaling, options, stop)? / scaling.duration.sqrt());
        }
        if let (None, Some(rate), Some(sigma)) = (delta, options.branching_rate, sigma) {
            delta = Some(sigma / rate.sqrt());
        }
        let (needs_delta, needs_penalty) = (recipe.needs_delta(), recipe.needs_penalty());
        if (needs_delta || needs_penalty && options.penalty.is_none()) && delta.is_none() {
            delta = Some(automatic_delta(snapshots, scaling, options, stop)?);
        }
        let penalty = options.penalty.or(delta.map(|delta| 2.0 * delta * delta));
        let mut resolved = Self {
            delta: delta.filter(|_| needs_delta),
            sigma: sigma.filter(|_| needs_sigma),
            penalty: penalty.filter(|_| needs_penalty),
            penalties: [options.source_penalty, options.target_penalty],
            choices: vec![],
        };
        resolved.choices = resolved.explain(options);
        resolved.choices.extend(chosen_blocks(snapshots, options));
        Ok(resolved)
    }

    /// The numbers that [`new`](Self::new) chose once, for the same options.
    pub(super) fn of_numbers([delta, sigma, penalty]: [Option<f64>; 3], options: &FitOptions) -> Self {
        let penalties = [options.source_penalty, options.target_penalty];
        let mut resolved = Self { delta, sigma, penalty, penalties, choices: vec![] };
        resolved.choices = resolved.explain(options);
        resolved
    }

    /// The same with δ² times `factor`: growth at another price.
    pub(super) fn at_price(&self, factor: f64) -> Self {
        Self { delta: self.delta.map(|delta| delta * factor.sqrt()), ..self.clone() }
    }

    /// By which rule each number came to be.
    fn explain(&self, options: &FitOptions) -> Vec<Choice> {
        let by_rate = options.branching_rate.is_some();
        let rule = |given: Option<f64>, from_rate: bool, otherwise: String| match given {
            Some(_) => "given".to_string(),
            None if from_rate => "from δ² = σ²/λ".to_string(),
            None => otherwise,
        };
        let sigma_rule = options.sigma_rule_in_words();
        let penalty_rule = if options.delta.is_some() { "2δ²" } else { "2δ², δ as for other methods" };
        let all = [
            ("delta", self.delta, rule(options.delta, by_rate, options.delta_rule_in_words())),
            ("sigma", self.sigma, rule(options.sigma, by_rate && options.delta.is_some(), sigma_rule)),
            ("branching_rate", self.branching_rate(), rule(options.branching_rate, false, "σ²/δ²".into())),
            ("penalty", self.penalty, rule(options.penalty, false, penalty_rule.into())),
            ("source_penalty", options.source_penalty, "given".into()),
            ("target_penalty", options.target_penalty, "given".into()),
            ("clone_penalty", options.clone_penalty, "given".into()),
        ];
        let there = |(name, value, rule): (_, Option<f64>, _)| Some(Choice { name, value: value?, rule });
        all.into_iter().filter_map(there).collect()
    }

    /// λ = σ²/δ², where the recipe has both.
    pub(super) fn branching_rate(&self) -> Option<f64> {
        self.delta.zip(self.sigma).map(|(delta, sigma)| (sigma / delta).powi(2))
    }

    /// δ, or what it corresponds to where a penalty ρ = 2δ² stands in its place.
    pub(super) fn length(&self) -> Option<f64> {
        self.delta.or(self.penalty.map(|penalty| (penalty / 2.0).sqrt()))
    }

    /// σ (0 without noise) and δ (NaN without growth).
    pub(super) fn scales(&self) -> Scales {
        Scales { sigma: self.sigma.unwrap_or(0.0), delta: self.delta.unwrap_or(f64::NAN) }
    }

    /// What the static problem of an interval of length `h` is made of.
    pub(super) fn coupling(&self, h: f64) -> CouplingNumbers {
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        CouplingNumbers {
            delta: or_nan(self.delta),
            penalty: or_nan(self.penalty),
            diffused: or_nan(self.sigma).powi(2) * h,
            penalties: self.penalties,
        }
    }
}

/// The size of the blocks that large snapshots are coupled in where nobody gave it.
fn chosen_blocks(snapshots: &Snapshots, options: &FitOptions) -> Option<Choice> {
    if options.chunk_size.is_some() || !options.recipe.takes("chunk_size") {
        return None;
    }
    let largest = (0..snapshots.len()).map(|k| snapshots.count(k)).max().unwrap_or(0);
    let cells = options.block_cells(largest, largest)?;
    let rule = format!(
        "snapshots of more than {} cells are coupled in random blocks of at most so many; a chunk_size of {largest} couples \
         all cells at once",
        FitOptions::WHOLE_CELLS
    );
    Some(Choice { name: "chunk_size", value: cells as f64, rule })
}

/// The noise of a mean interval, σ√h̄, by the rule of the options.
fn automatic_noise(
    snapshots: &Snapshots,
    scaling: &Scaling,
    options: &FitOptions,
    stop: &Stop,
) -> Result<f64> {
    match options.sigma_rule {
        SigmaRule::Spread => Ok(options.recipe.noise_share() * scaling.length),
        SigmaRule::Spacing => {
            let most = MOST_NOISE * scaling.length;
            let noise = SPACINGS * spacing(snapshots, options.seed, stop)?;
            Ok(noise.clamp(LEAST_NOISE * scaling.length, most))
        }
    }
}

/// The noise of the spacing's rule, in spacings, and at least and at most in lengths of the data.
const SPACINGS: f64 = 2.0;
const LEAST_NOISE: f64 = 0.06;
const MOST_NOISE: f64 = 0.3;

/// The median distance from a cell to the nearest other of its snapshot, over √d; at most [`NEIGHBOUR_SAMPLE`] cells of each
/// snapshot are asked.
fn spacing(snapshots: &Snapshots, seed: u64, stop: &Stop) -> Result<f64> {
    let mut distances = vec![];
    for k in (0..snapshots.len()).filter(|&k| snapshots.count(k) > 1) {
        let mut cells: Vec<usize> = (0..snapshots.count(k)).collect();
        let mut rng = stream(seed, Purpose::Minibatch, k as u64, 4 + k as u64);
        let (sample, _) = cells.partial_shuffle(&mut rng, NEIGHBOUR_SAMPLE);
        let sample = SnapshotCells::new(snapshots, k).part(sample);
        distances.extend(nearest_distances(&sample, pieces(snapshots, k), 1, stop)?);
    }
    distances.sort_by(f64::total_cmp);
    let median = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    Ok(median / (snapshots.dims() as f64).sqrt())
}

/// The cells of snapshot `k`, so many at a time that a large one is never held in double precision.
fn pieces(snapshots: &Snapshots, k: usize) -> impl Iterator<Item = PointCloud> {
    let (cells, count) = (SnapshotCells::new(snapshots, k), snapshots.count(k));
    let piece = move |from: usize| cells.part(&(from..count.min(from + PIECE)).collect::<Vec<usize>>());
    (0..count).step_by(PIECE).map(piece)
}

/// Cells of a piece.
const PIECE: usize = 1 << 14;

/// Cells whose nearest neighbours are looked up for the automatic δ, for each interval and direction.
const NEIGHBOUR_SAMPLE: usize = 1000;

/// The least δ of the spread's rule, in lengths of the data.
const LEAST_DELTA: f64 = 2.0;

/// δ by the rule of the options; the data's length where all cells have a twin in the neighbouring snapshots.
fn automatic_delta(
    snapshots: &Snapshots,
    scaling: &Scaling,
    options: &FitOptions,
    stop: &Stop,
) -> Result<f64> {
    let least = match options.delta_rule {
        DeltaRule::Spread => LEAST_DELTA * scaling.length,
        DeltaRule::Reach => 0.0,
    };
    let mut largest = 0.0f64;
    for k in 0..snapshots.len() - 1 {
        for (from, to) in [(k, k + 1), (k + 1, k)] {
            let mut cells: Vec<usize> = (0..snapshots.count(from)).collect();
            let mut rng = stream(options.seed, Purpose::Minibatch, from as u64, 2 + to as u64);
            let (sample, _) = cells.partial_shuffle(&mut rng, NEIGHBOUR_SAMPLE);
            let sample = SnapshotCells::new(snapshots, from).part(sample);
            let mut distances = nearest_distances(&sample, pieces(snapshots, to), 0, stop)?;
            distances.sort_by(f64::total_cmp);
            largest = largest.max(distances[((distances.len() - 1) as f64 * 0.99).round() as usize]);
        }
    }
    Ok(if largest > 0.0 { largest.max(least) } else { scaling.length.max(least) })
}
