//! The two numbers that the published models share.

/// The diffusion and the length that growth is priced with, both positive; a method takes those that it has a use for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    /// The diffusion σ, a length over the square root of a time.
    pub sigma: f64,
    /// The length δ of the Wasserstein–Fisher–Rao metric.
    pub delta: f64,
}
