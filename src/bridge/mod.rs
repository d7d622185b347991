//! Conditional bridges: how a matched pair of cells travels from one snapshot to the next.
//!
//! Between cells x0 of mass m0 and x1 of mass m1 over an interval of length h, at relative time 0 ≤ r ≤ 1, every
//! bridge here puts the cell at x0 + α(x1 − x0) + βξ with ξ ~ N(0, I), with velocity α'(x1 − x0) + β'ξ. So a
//! bridge is a handful of scalars, a [`BridgeState`], computed from ‖x1 − x0‖², the masses, h and r.

mod brownian;
mod poisson_brownian;
mod straight;
mod travelling_dirac;

use crate::error::{Result, positive};

/// The bridges of the published methods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bridge {
    /// Straight line, constant mass: OT-CFM (Tong et al., TMLR 2024).
    Straight,
    /// Straight line, mass log-linear in time: UOT-FM (Eyring et al., ICLR 2024), VGFM (Wang et al., NeurIPS 2025).
    StraightLogLinear,
    /// Brownian bridge of diffusion σ, constant mass: SF2M (Tong et al., AISTATS 2024).
    Brownian {
        /// σ > 0.
        sigma: f64,
    },
    /// The Wasserstein–Fisher–Rao geodesic between two Diracs, a straight line in the cone: WFR-FM (Peng et al.,
    /// ICLR 2026).
    TravellingDirac {
        /// δ > 0; pairs must be nearer than πδ.
        delta: f64,
    },
    /// Brownian bridge of diffusion σ, mass log-linear in time: USB (Ying et al. 2026).
    PoissonBrownian {
        /// σ > 0.
        sigma: f64,
    },
}

/// A bridge at one relative time, for a unit of mass at its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BridgeState {
    /// α: the share of x1 − x0 that has been covered.
    pub along: f64,
    /// β: the standard deviation about that point, per coordinate.
    pub spread: f64,
    /// α', per unit of physical time.
    pub velocity_along: f64,
    /// β', per unit of physical time.
    pub velocity_spread: f64,
    /// m(r)/m0.
    pub relative_mass: f64,
    /// g = d ln m/dt, per unit of physical time.
    pub growth: f64,
    /// λ(r) of the score loss ‖λ s + ξ‖², with s = (σ²/2)∇ log p; 0 where there is no noise.
    pub score_weight: f64,
}

/// r is drawn from [η, 1−η] on bridges with noise, whose velocity is unbounded at the ends.
const NOISY_END: f64 = 1e-3;

impl Bridge {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error) unless σ and δ are positive and finite.
    pub fn validate(self) -> Result<()> {
        match self {
            Bridge::Straight | Bridge::StraightLogLinear => Ok(()),
            Bridge::Brownian { sigma } | Bridge::PoissonBrownian { sigma } => {
                positive("sigma", sigma).map(drop)
            }
            Bridge::TravellingDirac { delta } => positive("delta", delta).map(drop),
        }
    }

    /// The diffusion σ of the process, 0 for a bridge without noise.
    pub fn sigma(self) -> f64 {
        match self {
            Bridge::Brownian { sigma } | Bridge::PoissonBrownian { sigma } => sigma,
            _ => 0.0,
        }
    }

    /// Whether mass changes along the bridge, so that there is a growth rate to learn.
    pub fn grows(self) -> bool {
        !matches!(self, Bridge::Straight | Bridge::Brownian { .. })
    }

    /// The relative times that training draws from, uniformly.
    ///
    /// The velocity of a Brownian bridge grows like r^{−1/2} at its ends, so that its second moment diverges
    /// logarithmically there: noisy bridges leave out one thousandth of the interval at either end.
    pub fn time_range(self) -> (f64, f64) {
        if self.sigma() > 0.0 { (NOISY_END, 1.0 - NOISY_END) } else { (0.0, 1.0) }
    }

    /// The bridge between cells at squared distance `distance2` with masses `m0`, `m1`, over an interval of length
    /// `h`, at relative time `r`.
    pub fn state(self, distance2: f64, (m0, m1): (f64, f64), h: f64, r: f64) -> BridgeState {
        match self {
            Bridge::Straight => straight::constant_mass(h, r),
            Bridge::StraightLogLinear => straight::log_linear_mass(m1 / m0, h, r),
            Bridge::Brownian { sigma } => brownian::state(sigma, h, r),
            Bridge::TravellingDirac { delta } => travelling_dirac::state(delta, distance2, m0, m1, h, r),
            Bridge::PoissonBrownian { sigma } => poisson_brownian::state(sigma, m1 / m0, h, r),
        }
    }

    /// A cell without a partner that dies where it is: m(r) = m0(1−r)², the Wasserstein–Fisher–Rao geodesic to nothing.
    pub fn death(h: f64, r: f64) -> BridgeState {
        let left = 1.0 - r;
        BridgeState { relative_mass: left * left, growth: -2.0 / (left * h), ..BridgeState::at_rest() }
    }

    /// A cell without an ancestor that is born where it is: m(r) = m1 r², relative to its mass at the *end*.
    pub fn birth(h: f64, r: f64) -> BridgeState {
        BridgeState { relative_mass: r * r, growth: 2.0 / (r * h), ..BridgeState::at_rest() }
    }
}

impl BridgeState {
    fn at_rest() -> Self {
        Self {
            along: 0.0,
            spread: 0.0,
            velocity_along: 0.0,
            velocity_spread: 0.0,
            relative_mass: 1.0,
            growth: 0.0,
            score_weight: 0.0,
        }
    }
}
