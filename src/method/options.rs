//! What a fit is to do.

use super::{Method, Recipe};
use crate::device::Device;
use crate::rollout::RolloutOptions;
use crate::train::TrainingOptions;

/// What a fit is to do.
///
/// δ, σ and the branching rate λ of USB's reference process are tied by δ² = σ²/λ: any two give the third. What is
/// absent is chosen from the data by a rule, and the report says what was chosen:
///
/// * δ: the largest, over intervals and both directions, of the 99 % quantiles of the distance from a cell to
///   the nearest cell of the neighbouring snapshot. Cells then reach their neighbours at half a radian of the cone,
///   well inside πδ, where mass would rather die and be born.
/// * σ: the noise of a mean interval, σ√h̄, is a share of the root mean square deviation of a coordinate:
///   [`Recipe::default_noise`], 3 % for branching particles, 10 % for SF2M, whose entropic plan it also sets, DeepRUOT and
///   Var-RUOT.
/// * ρ (UOT-FM, VGFM): 2δ², which makes small displacements cost what they do in WFR_δ.
///
/// Each method has a use for some of these options only, see [`Recipe::takes`]; set by name, the others are refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FitOptions {
    /// What the method is made of.
    pub recipe: Recipe,
    /// δ of the Wasserstein–Fisher–Rao metric, a length in the data's units.
    pub delta: Option<f64>,
    /// Diffusion σ, length per square root of time.
    pub sigma: Option<f64>,
    /// λ of branching Brownian motion, per unit of time.
    pub branching_rate: Option<f64>,
    /// ρ of UOT-FM and VGFM, a squared length.
    pub penalty: Option<f64>,
    /// Couple in random blocks of at most this many cells a side.
    pub chunk_size: Option<usize>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Members of an ensemble, fitted to resampled cells side by side, whose mean the model is and whose differences are its error
    /// bars; 1 for a single fit to the cells as they are.
    pub ensemble: usize,
    /// Where Sinkhorn's sweeps of the couplings run. Exact plans, training and simulation-based methods have none.
    pub device: Device,
    /// Threads; 0 for the ambient rayon pool.
    pub threads: usize,
    /// Networks and optimiser.
    pub training: TrainingOptions,
    /// What simulation-based methods take beside that.
    pub rollout: RolloutOptions,
}

impl FitOptions {
    /// The published settings of a method; of simulation-based ones, those found to serve here.
    pub fn new(method: Method) -> Self {
        Self::of_recipe(method.recipe())
    }

    /// The settings that a recipe comes with.
    pub fn of_recipe(recipe: Recipe) -> Self {
        let (training, rollout) = (recipe.presets)();
        Self {
            recipe,
            delta: None,
            sigma: None,
            branching_rate: None,
            penalty: None,
            chunk_size: None,
            seed: 0,
            ensemble: 1,
            device: Device::default(),
            threads: 0,
            training,
            rollout,
        }
    }
}
