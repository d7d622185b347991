//! What a model was made with.

/// What a model was made with; kept in its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The method's published name, or `custom`.
    pub method: String,
    /// The diffusion σ, 0 for a method without noise; of a diffusion that changes with time, at the first snapshot.
    pub sigma: f64,
    /// σ at the last snapshot, where it changes with time: see [`sigma_at`](Self::sigma_at).
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
    /// The diffusion at time `time`: geometric from `sigma` to `final_sigma`, σ(t) = σ (σ_K/σ)^{(t−t₀)/(t_K−t₀)}
    /// between the first and the last snapshot, and constant before and after.
    pub fn sigma_at(&self, time: f64) -> f64 {
        let (Some(final_sigma), [first, .., last]) = (self.final_sigma, &self.times[..]) else {
            return self.sigma;
        };
        let share = ((time - first) / (last - first)).clamp(0.0, 1.0);
        self.sigma * libm::pow(final_sigma / self.sigma, share)
    }
}
