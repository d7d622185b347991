//! What a fit is to do.

use super::{Learning, Method, Objective, Recipe};
use crate::device::Device;
use crate::metric::MetricKind;
use crate::named::named;
use crate::rollout::RolloutOptions;
use crate::train::TrainingOptions;

/// Where the settings come from that nobody gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preset {
    /// Chosen by how well cells are predicted that were not fitted: small networks, noise on the scale of the cells' own
    /// spacing, guarded fields.
    #[default]
    Recommended,
    /// As published, by which the tables of the papers are made: large networks that learn the cells by heart, noise that is a
    /// share of the data's spread, no guard.
    Published,
}

named!(Preset, "preset", Recommended = "recommended", Published = "published");

/// How σ is chosen where neither it nor a branching rate is given; h̄ is the mean interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigmaRule {
    /// σ√h̄ = 2r, but at least 0.06 L and at most 0.3 L: r is the median distance from a cell to the nearest other cell of its
    /// snapshot, over √d; L is the root mean square deviation of a coordinate.
    Spacing,
    /// σ√h̄ is [`Recipe::default_noise`] of L.
    Spread,
}

named!(SigmaRule, "sigma_rule", Spacing = "spacing", Spread = "spread");

/// How δ is chosen where neither it, nor σ with a branching rate, is given.
///
/// Both begin with the reach of the cells: the largest, over intervals and both directions, of the 99 % quantiles of the distance
/// from a cell to the nearest cell of the neighbouring snapshot. Cells then reach their neighbours at half a radian of the cone,
/// well inside πδ, where mass would rather die and be born.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaRule {
    /// The reach, but at least 2 L, L as in [`SigmaRule`]: where snapshots overlap, the reach alone is so short that mass rather
    /// grows and dies in place than moves, and growth is learned with an error of its own.
    Spread,
    /// The reach.
    Reach,
}

named!(DeltaRule, "delta_rule", Spread = "spread", Reach = "reach");

/// What a fit is to do.
///
/// δ, σ and the branching rate λ of USB's reference process are tied by δ² = σ²/λ: any two give the third. What is
/// absent is chosen from the data by a rule, and the report says what was chosen:
///
/// * δ: by a [`DeltaRule`].
/// * σ: by a [`SigmaRule`].
/// * ρ (UOT-FM, uot-growth, VGFM): 2δ², which makes small displacements cost what they do in WFR_δ.
///
/// Each method has a use for some of these options only, see [`Recipe::takes`]; set by name, the others are refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FitOptions {
    /// What the method is made of.
    pub recipe: Recipe,
    /// Where the settings came from that follow; it has no effect of its own.
    pub preset: Preset,
    /// δ of the Wasserstein–Fisher–Rao metric, a length in the data's units.
    pub delta: Option<f64>,
    /// How δ is chosen where it is absent.
    pub delta_rule: DeltaRule,
    /// Diffusion σ, length per square root of time.
    pub sigma: Option<f64>,
    /// How σ is chosen where it is absent.
    pub sigma_rule: SigmaRule,
    /// λ of branching Brownian motion, per unit of time.
    pub branching_rate: Option<f64>,
    /// ρ of couplings with relaxed marginals, a squared length.
    pub penalty: Option<f64>,
    /// κ_a, what it costs that cells do not send what they are expected to weigh at the end of an interval, in units of the
    /// coupling's cost; infinite: they send that. The coupling's own penalty where absent: 1 of `wfr` and `entropic-wfr`, else ρ.
    ///
    /// With a [growth prior](crate::snapshots::Snapshots::with_growth_prior) ĝ a cell of weight a is expected to weigh
    /// a' = a e^{ĝ h} after h; the plan γ minimises ⟨C,γ⟩ + κ_a KL(γ1 | a') + κ_b KL(γᵀ1 | b), by which a pair alone has
    /// γ = (a'^{κ_a} b^{κ_b} e^{−C})^{1/(κ_a + κ_b)}. What its cells send is a, what they receive is b, and what they grow by is the
    /// ratio: with both penalties infinite it is e^{ĝ h}.
    pub source_penalty: Option<f64>,
    /// κ_b, the same of the cells that receive and their weights b.
    pub target_penalty: Option<f64>,
    /// β, what it costs more to join cells of known, different [clones](crate::snapshots::Snapshots::with_clones), in units of the
    /// coupling's cost; where absent, infinite: they are out of reach of each other, and clones are coupled each on its own, but
    /// for cells whose clone is not known. Where a clone is seen at one time only, or barcodes may be wrong, a finite one lets its
    /// cells have partners all the same.
    pub clone_penalty: Option<f64>,
    /// The tension of a bridge whose place bends, [`BridgeKind::Hermite`](super::BridgeKind::Hermite), from 0, where velocity goes on
    /// through snapshots on average, to 1, where paths are straight. The default of a quarter was chosen by held-out times
    /// of three data sets: it keeps what full bends gain where a population moves as one, and is better where it branches.
    pub tension: f64,
    /// The tension of its log-mass, and of that of USB's bridge: at 1 the growth rate of a pair is constant and jumps at snapshots,
    /// as published. A quarter, as recommended, learns growth with three quarters of the error, and costs next to nothing on cells
    /// that were not fitted.
    pub growth_tension: f64,
    /// The standard deviation, per coordinate and in the data's units, of cells about the bridges of a kind without noise of its own:
    /// travelling Gaussians in the place of Diracs, whose velocity and growth rate are those of their centres. 0, the default,
    /// for the bridges themselves; WFR-FM has it as a parameter, and VGFM's public code takes 0.1.
    pub bandwidth: f64,
    /// Training steps of the paths of a bridge that learns them, before all others.
    pub interpolant_epochs: usize,
    /// The metric that they are to be short in.
    pub metric: MetricKind,
    /// γ of LAND, in units of the data's spread (the root mean square deviation of a coordinate): how near to a path cells have a say.
    pub metric_width: f64,
    /// ρ of either metric, the same unit squared of LAND: motion costs at most 1/ρ as much as among many cells.
    pub metric_ridge: f64,
    /// The clusters of cells by k-means of which the metric of radial basis functions is made, at most; never more than one for
    /// every four cells.
    pub metric_centres: usize,
    /// κ of that metric: the width of a kernel over the spread of its cluster.
    pub metric_kappa: f64,
    /// Whether the energy of branches is in that metric too, as in BranchSBM's public code, and not in the plane. Motion far from cells is then so dear that
    /// weights are kept from where it is, and goals of mass are missed: see benches/README.md.
    pub metric_energy: bool,
    /// How many branches there are, of a method that has some: parts of the last snapshot by k-means (Lloyd, IEEE Trans. Inf. Theory 1982, from starts
    /// by Arthur, Vassilvitskii, SODA 2007), each of which has a way of its own that leads there.
    pub branches: usize,
    /// Couple in random blocks of at most this many cells a side; a number as large as the snapshots couples them whole. Where
    /// absent, snapshots of more than [`WHOLE_CELLS`](Self::WHOLE_CELLS) are coupled in blocks of [`BLOCK_CELLS`](Self::BLOCK_CELLS). What
    /// that costs at the most, the report estimates ([`FitReport::whole_gaps`](super::FitReport::whole_gaps)).
    pub chunk_size: Option<usize>,
    /// Whether the model keeps the couplings of its cells, for [`Dynamics::couplings`](crate::Dynamics::couplings): its file grows by them.
    pub keep_couplings: bool,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Members of an ensemble, fitted to resampled cells side by side, whose mean the model is and whose differences are its error
    /// bars; 1 for a single fit to the cells as they are.
    pub ensemble: usize,
    /// Where Sinkhorn's sweeps of the couplings run. Exact plans, training and simulation-based methods have none.
    pub device: Device,
    /// Whether the fields are given a [`Guard`](crate::fields::Guard).
    pub guard: bool,
    /// Threads; 0 for the ambient rayon pool.
    pub threads: usize,
    /// Networks and optimiser.
    pub training: TrainingOptions,
    /// What simulation-based methods take beside that.
    pub rollout: RolloutOptions,
}

/// What bends, by a quarter less than the cells on both sides of it say.
const TENSION: f64 = 0.25;

impl Default for FitOptions {
    /// The recommended settings of USB: the method that does best, of those with its cost, on cells that were not fitted.
    fn default() -> Self {
        Self::new(Method::Usb)
    }
}

impl FitOptions {
    /// The most cells of a snapshot that are coupled whole unless asked for: time and memory for a block's costs grow with the
    /// square of its cells.
    pub const WHOLE_CELLS: usize = 6000;
    /// The cells of a block, where snapshots are larger.
    pub const BLOCK_CELLS: usize = 2000;

    /// The most cells of a block between snapshots of so many cells; none where they are coupled whole.
    pub fn block_cells(&self, source: usize, target: usize) -> Option<usize> {
        let large = source.max(target) > Self::WHOLE_CELLS;
        self.chunk_size.or(large.then_some(Self::BLOCK_CELLS))
    }

    /// What it costs more to join cells of different clones.
    pub(crate) fn price_of_clones(&self) -> f64 {
        self.clone_penalty.unwrap_or(f64::INFINITY)
    }

    /// The recommended settings of a method.
    pub fn new(method: Method) -> Self {
        Self::of(method.recipe(), Preset::default())
    }

    /// The settings that a recipe comes with; of simulation-based ones, those found to serve here.
    pub fn of(recipe: Recipe, preset: Preset) -> Self {
        let (published, rollout) = (recipe.presets)();
        let is_recommended = preset == Preset::Recommended;
        // What was found to serve is what regressions were tried with.
        let is_matched =
            matches!(recipe.learning, Learning::Matching { objective: Objective::Regression, .. });
        let training = if is_recommended && is_matched {
            TrainingOptions {
                pair_weighting: published.pair_weighting,
                ..TrainingOptions::recommended(recipe.takes("score_hidden"))
            }
        } else {
            published
        };
        Self {
            recipe,
            preset,
            delta: None,
            delta_rule: if is_recommended && is_matched { DeltaRule::Spread } else { DeltaRule::Reach },
            sigma: None,
            sigma_rule: if is_recommended && is_matched { SigmaRule::Spacing } else { SigmaRule::Spread },
            branching_rate: None,
            penalty: None,
            source_penalty: None,
            target_penalty: None,
            clone_penalty: None,
            tension: TENSION,
            growth_tension: if is_recommended || recipe.takes("tension") { TENSION } else { 1.0 },
            bandwidth: 0.0,
            interpolant_epochs: 1000,
            metric: MetricKind::Land,
            metric_width: 0.4,
            metric_ridge: 1e-3,
            metric_centres: 100,
            metric_kappa: 1.0,
            metric_energy: false,
            branches: 2,
            chunk_size: None,
            keep_couplings: false,
            seed: 0,
            ensemble: 1,
            device: Device::default(),
            guard: is_recommended,
            threads: 0,
            training,
            rollout,
        }
    }

    /// The rule by which δ is chosen where it is absent, in words.
    pub(crate) fn delta_rule_in_words(&self) -> String {
        let reach = "the largest 99 % quantile of nearest-neighbour distances between consecutive snapshots";
        match self.delta_rule {
            DeltaRule::Spread => format!("{reach}, and at least twice the spread of a coordinate"),
            DeltaRule::Reach => reach.into(),
        }
    }

    /// The rule by which σ is chosen where it is absent, in words.
    pub(crate) fn sigma_rule_in_words(&self) -> String {
        match self.sigma_rule {
            SigmaRule::Spacing => "so that σ√h is twice the median distance to the nearest cell of the same snapshot over √d, at \
                                   least 6 % and at most 30 % of the spread of a coordinate, h the mean interval"
                .into(),
            SigmaRule::Spread => {
                let percent = 100.0 * self.recipe.noise_share();
                format!("so that σ√h is {percent:.0} % of the spread of a coordinate, h the mean interval")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_snapshots_are_coupled_in_blocks_unless_a_number_is_given() {
        let mut options = FitOptions::default();
        assert_eq!(options.block_cells(6000, 6000), None);
        assert_eq!(options.block_cells(10, 6001), Some(2000));
        assert_eq!(options.block_cells(1_000_000, 10), Some(2000));
        for given in [300, 1_000_000] {
            options.chunk_size = Some(given);
            assert_eq!(
                (options.block_cells(10, 10), options.block_cells(7000, 7000)),
                (Some(given), Some(given))
            );
        }
    }
}
