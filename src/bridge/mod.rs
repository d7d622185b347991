//! Conditional bridges: how a matched pair of cells travels from one snapshot to the next.
//!
//! Between cells x0 of mass m0 and x1 of mass m1 over an interval of length h, at relative time 0 ≤ r ≤ 1, every
//! bridge here puts the cell at x0 + α(x1 − x0) + βξ with ξ ~ N(0, I), with velocity α'(x1 − x0) + β'ξ; one that bends adds
//! multiples of the accelerations at its two cells. So a bridge is a handful of scalars, a [`BridgeState`], computed from what
//! is known of its [`Ends`].
//!
//! Two kinds are told more than their two cells: one that is [chained](BridgeFacts::chained) goes through a cell of every snapshot, which
//! reaches it as accelerations, and one that is [learned](BridgeFacts::learned) has a network that bends it by a vector.
//!
//! Each kind of bridge is one file, which holds all that is known of it: the [`BridgeFacts`] that hold before anything is computed
//! and the [`Bridge`] itself. To add one, add its file and its row here.

mod brownian;
mod geodesic;
mod hermite;
mod log_cubic;
mod poisson_brownian;
mod spline;
mod straight;
mod straight_log_linear;
mod travelling_dirac;
mod unmatched;

pub use hermite::{acceleration, trust_in_turn};
pub use spline::natural_spline;
pub use unmatched::{MEAN_MASS, birth, birth_time_of_share, death, death_time_of_share};

use rand::Rng;

use crate::error::Result;
use crate::named::named;
use crate::scales::Scales;

/// The bridges of the published methods, and one of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeKind {
    /// Straight line, constant mass: OT-CFM (Tong et al., TMLR 2024), UOT-FM (Eyring et al., ICLR 2024).
    Straight,
    /// Straight line, mass log-linear in time: VGFM (Wang et al., NeurIPS 2025).
    StraightLogLinear,
    /// Brownian bridge of diffusion σ, constant mass: SF2M (Tong et al., AISTATS 2024).
    Brownian,
    /// The Wasserstein–Fisher–Rao geodesic between two Diracs, a straight line in the cone: WFR-FM (Peng et al.,
    /// ICLR 2026). Its pairs must be nearer than πδ.
    TravellingDirac,
    /// Brownian bridge of diffusion σ, mass log-linear in time: USB (Ying et al. 2026); as recommended, log-cubic, so that the growth
    /// rate goes on through snapshots.
    PoissonBrownian,
    /// Brownian bridge of diffusion σ about a cubic, log-mass cubic in time: velocity and growth rate go on through snapshots.
    Hermite,
    /// The natural cubic spline through one coupled cell of each snapshot, constant mass: MMFM (Rohbeck et al., ICLR 2025).
    Spline,
    /// A learned path near the cells of its two snapshots, constant mass: Metric FM (Kapuśniak et al., NeurIPS 2024).
    Geodesic,
}

named!(
    BridgeKind,
    "bridge",
    Straight = "straight",
    StraightLogLinear = "straight-log-linear",
    Brownian = "brownian",
    TravellingDirac = "travelling-dirac",
    PoissonBrownian = "poisson-brownian",
    Hermite = "hermite",
    Spline = "spline",
    Geodesic = "geodesic"
);

/// What is known of a kind of bridge before anything is computed.
#[derive(Debug)]
#[non_exhaustive]
pub struct BridgeFacts {
    /// Whether mass changes along it, so that there is a growth rate to learn.
    pub grows: bool,
    /// Of a bridge with noise, so that there is a score to learn: the share of the data's spread that the automatic σ
    /// diffuses in a mean interval.
    pub noise: Option<f64>,
    /// Whether place and log-mass bend.
    pub bends: Bends,
    /// Whether it goes through one coupled cell of every snapshot, not of its own two alone: the accelerations at its two cells are
    /// then those of the chain that was drawn.
    pub chained: bool,
    /// Whether its paths are learned from the cells before the fields are: what it says of itself is then what they begin with.
    pub learned: bool,
    /// The options of a fit that it takes.
    pub options: &'static [&'static str],
    /// Makes it.
    build: fn(&Scales) -> Result<Box<dyn Bridge>>,
}

/// What of a bridge bends: what happens on the other sides of its two snapshots has a say in it, as accelerations at its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bends {
    /// The place, by the option `tension`.
    pub place: bool,
    /// The log-mass, by the option `growth_tension`.
    pub growth: bool,
}

impl Bends {
    const NONE: Self = Self { place: false, growth: false };
}

impl BridgeKind {
    /// What is known of it before anything is computed.
    pub fn facts(self) -> &'static BridgeFacts {
        match self {
            BridgeKind::Straight => &straight::FACTS,
            BridgeKind::StraightLogLinear => &straight_log_linear::FACTS,
            BridgeKind::Brownian => &brownian::FACTS,
            BridgeKind::TravellingDirac => &travelling_dirac::FACTS,
            BridgeKind::PoissonBrownian => &poisson_brownian::FACTS,
            BridgeKind::Hermite => &hermite::FACTS,
            BridgeKind::Spline => &spline::FACTS,
            BridgeKind::Geodesic => &geodesic::FACTS,
        }
    }

    /// The bridge of these numbers, of which it takes those that its options name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error) unless those that it takes are positive and finite.
    pub fn build(self, scales: &Scales) -> Result<Box<dyn Bridge>> {
        (self.facts().build)(scales)
    }
}

impl BridgeFacts {
    /// The relative times that training draws from, uniformly.
    ///
    /// The velocity of a Brownian bridge grows like r^{−1/2} at its ends, so that its second moment diverges
    /// logarithmically there: noisy bridges leave out one thousandth of the interval at either end.
    pub fn time_range(&self) -> (f64, f64) {
        const NOISY_END: f64 = 1e-3;
        if self.noise.is_some() { (NOISY_END, 1.0 - NOISY_END) } else { (0.0, 1.0) }
    }
}

/// What a bridge knows of the cells that it joins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ends {
    /// ‖x1 − x0‖².
    pub distance2: f64,
    /// m0, the mass at the start.
    pub sent: f64,
    /// m1, the mass at the end.
    pub received: f64,
    /// The time of the start.
    pub start: f64,
    /// h, how long it takes.
    pub length: f64,
    /// d² ln m/dt² at the start and at the end, for a bridge whose growth bends; other bridges have no use for it.
    pub log_mass_acceleration: [f64; 2],
}

/// How matched cells travel.
pub trait Bridge: std::fmt::Debug + Send + Sync {
    /// The diffusion σ of the process at a time, 0 for a bridge without noise.
    fn sigma(&self, _time: f64) -> f64 {
        0.0
    }

    /// Whether it can join cells at this squared distance; of those that it cannot, one dies and one is born.
    fn reaches(&self, _distance2: f64) -> bool {
        true
    }

    /// Where a unit of mass at the start is at relative time `r`, and how it moves and grows there.
    fn state(&self, ends: &Ends, r: f64) -> BridgeState;

    /// ∫₀^r m(r′)/m0 dr′, the mass that has been on the way, times how long.
    fn cumulative_mass(&self, _ends: &Ends, r: f64) -> f64 {
        r
    }

    /// A relative time between two, drawn in proportion to m(r), where that is quicker than to look for the
    /// [time of a share](trait.Bridge.html#method.time_of_share).
    fn draw_time(&self, _ends: &Ends, _range: (f64, f64), _rng: &mut dyn Rng) -> Option<f64> {
        None
    }
}

impl dyn Bridge + '_ {
    /// The mean of m(r)/m0 over the relative times from `low` to `high`.
    pub fn mean_mass(&self, ends: &Ends, (low, high): (f64, f64)) -> f64 {
        (self.cumulative_mass(ends, high) - self.cumulative_mass(ends, low)) / (high - low)
    }

    /// The relative time between `low` and `high` before which a share of the mass between them has been on the way: with a uniform
    /// share, a draw in proportion to m(r).
    ///
    /// By Newton's method within a bracket; the cumulative mass increases, so that it ends. Good to 1e-12.
    pub fn time_of_share(&self, ends: &Ends, (low, high): (f64, f64), share: f64) -> f64 {
        let at = |r: f64| self.cumulative_mass(ends, r);
        let (first, last) = (at(low), at(high));
        let wanted = first + share * (last - first);
        let (mut below, mut above) = (low, high);
        let mut r = low + (high - low) * share;
        for _ in 0..60 {
            let excess = at(r) - wanted;
            if excess.abs() <= 1e-12 * (last - first) {
                break;
            }
            if excess > 0.0 {
                above = r
            } else {
                below = r
            }
            let step = r - excess / self.state(ends, r).relative_mass;
            r = if step > below && step < above { step } else { 0.5 * (below + above) };
        }
        r
    }
}

/// A bridge at one relative time, for a unit of mass at its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BridgeState {
    /// α: the share of x1 − x0 that has been covered.
    pub along: f64,
    /// The factors of the accelerations at the start and at the end in the place; 0 for a bridge that does not bend.
    pub bend: [f64; 2],
    /// β: the standard deviation about that point, per coordinate.
    pub spread: f64,
    /// α', per unit of physical time.
    pub velocity_along: f64,
    /// The factors of the accelerations in the velocity.
    pub velocity_bend: [f64; 2],
    /// β', per unit of physical time.
    pub velocity_spread: f64,
    /// m(r)/m0.
    pub relative_mass: f64,
    /// g = d ln m/dt, per unit of physical time.
    pub growth: f64,
    /// λ(r) of the score loss ‖λ s + ξ‖², with s = (σ²/2)∇ log p; 0 where there is no noise.
    pub score_weight: f64,
}

impl BridgeState {
    /// A cell that neither moves nor grows.
    const AT_REST: Self = Self {
        along: 0.0,
        bend: [0.0; 2],
        spread: 0.0,
        velocity_along: 0.0,
        velocity_bend: [0.0; 2],
        velocity_spread: 0.0,
        relative_mass: 1.0,
        growth: 0.0,
        score_weight: 0.0,
    };
}
