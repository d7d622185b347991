//! What a simulation-based fit is to do.

use super::solver::Scheme;
use crate::error::{Error, Result, positive};
use crate::fields::GrowthPrice;

/// The options of simulation-based methods; the loss that they weigh is the [module](super)'s.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutOptions {
    /// How particles are stepped. With noise, it is Euler–Maruyama.
    pub scheme: Scheme,
    /// Steps of the solver in an interval between snapshots.
    pub steps: usize,
    /// Weight of the total mass at each snapshot.
    pub mass_weight: f64,
    /// Weight of each particle's mass.
    pub local_mass_weight: f64,
    /// Weight of how far particles are from the nearest cells of a snapshot, which MIOFlow may have; 0 leaves it out.
    pub density_weight: f64,
    /// The distance that this forgives, in units of the data's spread: distances are root means over the coordinates.
    pub density_hinge: f64,
    /// MIOFlow's training steps, before all others, in which particles begin every interval as cells of its own snapshot; 0 for none.
    pub local_epochs: usize,
    /// The same after all others.
    pub post_local_epochs: usize,
    /// Weight of the energy, or action, of the paths; 0 leaves it out.
    pub energy_weight: f64,
    /// Weight of the residual of the optimality condition, which DeepRUOT and Var-RUOT have; 0 leaves it out.
    pub residual_weight: f64,
    /// Weight of the density at the first snapshot, which DeepRUOT learns; 0 leaves it out.
    pub initial_density_weight: f64,
    /// The variance of the Gaussian kernels that TIGON makes densities of snapshots with, in units of the data's spread squared: that
    /// which its draws have, and which the kernels of the fit, wide to begin with, come down to.
    pub kernel_variance: f64,
    /// What growth costs.
    pub growth_price: GrowthPrice,
    /// The largest growth rate of [`GrowthPrice::Power`], per interval between snapshots.
    pub growth_cap: f64,
    /// ε of the plans between particles and cells, a squared length in the data's units; exact plans where absent.
    pub plan_epsilon: Option<f64>,
    /// Random directions for divergences and Laplacians in more than [`EXACT_DIMS`] dimensions.
    pub probes: usize,
    /// Var-RUOT replaces its particles by as many of equal weight where the effective sample size at a snapshot is below this share
    /// of them; 0 for never. Which particles are drawn is not differentiated, so the gradient is biased where it happens.
    pub resample_below: f64,
    /// DeepRUOT's training steps on the reconstruction alone, before all others.
    pub pretraining_epochs: usize,
    /// Training steps of the density on bridges: of DeepRUOT between pre-training and the joint training, of Var-RUOT
    /// after its training; of a fine-tuned method with noise those of its score afterwards, from where it was; without them, or if its training ends early, Var-RUOT has no score, and its flow moves by ∇λ.
    pub score_epochs: usize,
    /// Steps of fine-tuning after a simulation-free training; 0 for none. Its loss, 1/K Σ_k [W2²(ŵ(t_k), snapshot k)/d + mass_weight
    /// (Σw/M_k − 1)²] along the flow from the first snapshot, is differentiated through each interval alone: the particles at its
    /// start are taken as given. The networks that met the least transport are kept, those of the start among them, so that the
    /// transport is never more than before (the second stage of VGFM: Wang et al., NeurIPS 2025).
    pub finetune_steps: usize,
    /// Its constant learning rate.
    pub finetune_learning_rate: f64,
    /// The most particles, and cells of a snapshot, of it: of more a sample is drawn, the same in all its steps.
    pub finetune_batch_size: usize,
    /// BranchSBM's training steps of how much goes each way, along the ways that are known by then.
    pub growth_epochs: usize,
    /// Its training steps of the ways and of that together, afterwards; 0 for none.
    pub joint_epochs: usize,
    /// DeepRUOT's σ at the last snapshot, geometric in time from that at the first; constant where absent.
    pub final_sigma: Option<f64>,
}

/// Up to this dimension divergences and Laplacians are exact, beyond they are estimated.
pub const EXACT_DIMS: usize = 12;

impl RolloutOptions {
    /// What a rollout does where its method has no preset of its own.
    pub const DEFAULT: Self = Self {
        scheme: Scheme::RungeKutta4,
        steps: 3,
        mass_weight: 1.0,
        local_mass_weight: 0.0,
        density_weight: 0.0,
        density_hinge: 0.01,
        local_epochs: 0,
        post_local_epochs: 0,
        energy_weight: 0.001,
        residual_weight: 0.01,
        initial_density_weight: 0.01,
        kernel_variance: 0.02,
        growth_price: GrowthPrice::Quadratic,
        growth_cap: 5.0,
        plan_epsilon: None,
        probes: 8,
        resample_below: 0.5,
        pretraining_epochs: 1000,
        score_epochs: 500,
        finetune_steps: 0,
        finetune_learning_rate: 1e-4,
        finetune_batch_size: 1024,
        growth_epochs: 1000,
        joint_epochs: 0,
        final_sigma: None,
    };

    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("rollout_steps", self.steps),
            ("probes", self.probes),
            ("finetune_batch_size", self.finetune_batch_size),
        ] {
            if value == 0 {
                return Err(Error::argument(name, value, "at least 1"));
            }
        }
        for (name, value) in [
            ("mass_weight", self.mass_weight),
            ("local_mass_weight", self.local_mass_weight),
            ("density_weight", self.density_weight),
            ("density_hinge", self.density_hinge),
            ("energy_weight", self.energy_weight),
            ("residual_weight", self.residual_weight),
            ("initial_density_weight", self.initial_density_weight),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::argument(name, value, "finite and not negative"));
            }
        }
        if !(0.0..=1.0).contains(&self.resample_below) {
            return Err(Error::argument(
                "resample_below",
                self.resample_below,
                "between 0 and 1, both included",
            ));
        }
        positive("kernel_variance", self.kernel_variance)?;
        positive("growth_cap", self.growth_cap)?;
        positive("finetune_learning_rate", self.finetune_learning_rate)?;
        self.plan_epsilon.map(|epsilon| positive("plan_epsilon", epsilon)).transpose()?;
        self.final_sigma.map(|sigma| positive("final_sigma", sigma)).transpose()?;
        Ok(())
    }
}
