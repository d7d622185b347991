//! What a model was made with.

use crate::fields::Diffusion;

/// What a model was made with; kept in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The method's published name, or `custom`.
    pub method: String,
    /// The diffusion σ, 0 for a method without noise; of a diffusion that changes with time, at the first snapshot.
    pub sigma: f64,
    /// σ at the last snapshot, where it changes with time: see [`diffusion`](Self::diffusion).
    pub final_sigma: Option<f64>,
    /// The Wasserstein–Fisher–Rao length δ (of a method with a penalty ρ instead, √(ρ/2)), where there is growth.
    pub delta: Option<f64>,
    /// The times of the snapshots that it was fitted to.
    pub times: Vec<f64>,
    /// The seed.
    pub seed: u64,
    /// The training steps done.
    pub epochs: usize,
}

impl ModelInfo {
    /// The diffusion: geometric from `sigma` to `final_sigma` between the first and the last snapshot, where there are both.
    pub fn diffusion(&self) -> Diffusion {
        match (self.final_sigma, &self.times[..]) {
            (Some(last), &[from, .., to]) => Diffusion::Geometric { first: self.sigma, last, from, to },
            _ => Diffusion::Constant(self.sigma),
        }
    }
}
