//! What a simulation-based fit tells beside its losses.

/// How the stages of a simulation-based fit went, beside the losses of its main stage.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RolloutReport {
    /// The losses of the pre-training on the reconstruction.
    pub pretraining_losses: Vec<f64>,
    /// The losses of the local training before the main stage, and after it (MIOFlow).
    pub local_losses: Vec<f64>,
    /// See [`local_losses`](Self::local_losses).
    pub post_local_losses: Vec<f64>,
    /// The losses of the density's training on bridges.
    pub score_losses: Vec<f64>,
    /// The losses of the fine-tuning of a simulation-free method.
    pub finetuning_losses: Vec<f64>,
    /// The losses of how much goes each way, along known ways (BranchSBM).
    pub growth_losses: Vec<f64>,
    /// Of both together.
    pub joint_losses: Vec<f64>,
    /// The terms of the main stage's loss, or of the fine-tuning's, in their order.
    pub terms: Vec<Term>,
}

/// One term of a loss along its training, before its weight.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Term {
    /// What it is called: `transport`, `density`, `mass`, `local_mass`, `energy`, `residual` or `initial_density`; of BranchSBM
    /// `energy`, `mass`, `negative_mass`, `branch_mass` and `density`; of TIGON `density_from_start`, `density_from_previous` and `energy`, and `kernel_variance`, by which the densities were made.
    pub name: &'static str,
    /// Its value at every training step.
    pub values: Vec<f64>,
}

impl Term {
    /// The terms along the first `steps` steps, from the values of all of them, step after step.
    pub(super) fn along(names: &[&'static str], values: &[f64], steps: usize) -> Vec<Self> {
        let of = |k: usize| values.iter().skip(k).step_by(names.len()).take(steps).copied().collect();
        names.iter().enumerate().map(|(k, &name)| Self { name, values: of(k) }).collect()
    }
}

impl RolloutReport {
    /// The values of a term at every training step; none of a term that the loss does not have.
    pub fn term(&self, name: &str) -> Option<&[f64]> {
        self.terms.iter().find(|term| term.name == name).map(|term| &term.values[..])
    }

    /// The terms of the last step's loss, by name.
    pub fn last_terms(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.terms.iter().filter_map(|term| Some((term.name, *term.values.last()?)))
    }
}
