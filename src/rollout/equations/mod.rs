//! The equations that particles follow, one file a model: how particles move and grow, what that costs, by how much the
//! model's optimality condition is missed, which networks all this takes, and how they become fields.
//!
//! To add a model, add its file and its row here. All quantities are in the networks' units.

mod branch;
mod deep_ruot;
mod diffusion;
mod flow;
mod growth_penalty;
mod matched;
mod tigon;
mod var_ruot;

pub(super) use branch::Branch;
pub(super) use matched::{MATCHED, MATCHED_WITH_GROWTH};
pub(super) use tigon::CarriedDensity;

use super::options::RolloutOptions;
use crate::error::{Error, Result};
use crate::exec::progress::Stage;
use crate::fields::{GrowthLaw, GrowthPrice, Role};
use crate::metric::MetricScratch;
use crate::named::named;
use crate::nn::{Directions, Mlp, Tape, Var};
use crate::scales::Scales;

/// Whose equations the particles follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EquationsKind {
    /// A velocity: MIOFlow (Huguet et al., NeurIPS 2022).
    MioFlow,
    /// A velocity and a growth rate, by the densities that they carry: TIGON (Sha et al., Nature Machine Intelligence 2024).
    Tigon,
    /// TIGON's flow, by particles that meet the snapshots in W2 and mass.
    TigonW2,
    /// A velocity, a growth rate and a density: DeepRUOT (Zhang, Li, Zhou, ICLR 2025).
    DeepRuot,
    /// A potential: Var-RUOT (Sun et al., NeurIPS 2025).
    VarRuot,
}

named!(
    EquationsKind,
    "equations",
    MioFlow = "mioflow",
    Tigon = "tigon",
    TigonW2 = "tigon-w2",
    DeepRuot = "deep-ruot",
    VarRuot = "var-ruot"
);

/// What is known of a model before anything is computed.
#[derive(Debug)]
#[non_exhaustive]
pub struct EquationsFacts {
    /// Whether it learns a growth rate.
    pub grows: bool,
    /// Whether it learns a score.
    pub scores: bool,
    /// Whether it learns a landscape.
    pub has_landscape: bool,
    /// Of a model with noise: the share of the data's spread that the automatic σ diffuses in a mean interval.
    pub noise: Option<f64>,
    /// The options of a fit that it takes, beside those of every training.
    pub options: &'static [&'static str],
    /// The prices of growth that it knows.
    pub prices: &'static [GrowthPrice],
    /// The stages of its training.
    pub stages: &'static [Stage],
    /// What needs an activation with second derivatives, where something does.
    pub(super) smooth: Option<&'static str>,
    /// Whether densities along the flow are fitted to those of the snapshots, rather than particles to cells.
    pub(super) fits_densities: bool,
    /// The networks that the equations take, in this order.
    pub(super) networks: &'static [Role],
    build: fn(&Setting<'_>) -> Result<Box<dyn Equations>>,
}

/// What equations are made from, in the networks' units with the mean interval as that of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    /// σ at the first snapshot, and δ.
    pub(super) scales: Scales,
    /// σ at the last snapshot over that at the first.
    pub(super) final_over_first: Option<f64>,
    /// The time from the first snapshot to the last.
    pub(super) span: f64,
    pub(super) options: &'a RolloutOptions,
}

impl EquationsKind {
    /// What is known of the model before anything is computed.
    pub fn facts(self) -> &'static EquationsFacts {
        match self {
            EquationsKind::MioFlow => &flow::MIOFLOW,
            EquationsKind::Tigon => &tigon::FACTS,
            EquationsKind::TigonW2 => &flow::TIGON_W2,
            EquationsKind::DeepRuot => &deep_ruot::FACTS,
            EquationsKind::VarRuot => &var_ruot::FACTS,
        }
    }
}

impl EquationsFacts {
    /// The equations.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a price of growth that the model does not know.
    pub(super) fn build(&self, setting: &Setting<'_>) -> Result<Box<dyn Equations>> {
        let price = setting.options.growth_price;
        if !self.prices.is_empty() && !self.prices.contains(&price) {
            let known: Vec<&str> = self.prices.iter().map(|price| price.as_str()).collect();
            return Err(Error::argument("growth_price", price, &known.join(" or ")));
        }
        (self.build)(setting)
    }

    /// Whether an option of a fit means something to the model.
    pub(super) fn takes(&self, option: &str) -> bool {
        self.options.contains(&option)
    }
}

/// What a chunk of particles carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// Positions, in network units.
    pub(super) x: Var,
    /// ln w, a column.
    pub(super) log_weight: Var,
}

/// How the state changes per unit of time, and what that costs, a column each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) drift: Var,
    pub(super) growth: Option<Var>,
    /// The cost of a unit of mass.
    pub(super) energy: Option<Var>,
    /// By how much the method's optimality condition is missed.
    pub(super) residual: Option<Var>,
}

/// What of the [`Rates`] is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Motion,
    Energy,
    EnergyAndResidual,
}

/// A moment of a rollout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Network time.
    pub(super) time: f64,
    /// Physical time since the first snapshot, in mean intervals.
    pub(super) elapsed: f64,
    /// The unit of network time, and so of all rates, in mean intervals: 1 where all intervals are equal.
    pub(super) unit: f64,
}

impl Moment {
    /// So much network time later, in the same interval.
    pub(super) fn after(self, length: f64) -> Self {
        let Self { time, elapsed, unit } = self;
        Self { time: time + length, elapsed: elapsed + length * unit, unit }
    }
}

/// What equations are recorded on, and with.
pub(super) struct Record<'a> {
    pub(super) tape: &'a mut Tape,
    pub(super) networks: &'a [Mlp],
    /// What the residual's divergence or Laplacian is taken along.
    pub(super) directions: &'a Directions,
    /// Buffers of a metric of cells.
    pub(super) scratch: &'a mut MetricScratch,
}

/// What particles carry beside their place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Carried {
    /// The logarithm of their weight.
    LogWeight,
    /// That of a density: the divergence along all axes is part of how it changes.
    LogDensity,
    /// What was added to the weight that they all began with.
    Added { first: f32 },
}

/// A model's equations of motion, all in network units.
///
/// The unit of time is that of the interval: velocity, growth rate, potential, energy and residual are each in the unit that
/// goes with it, in which the equations are the same in every interval. Only the diffusion is not: σ² of an interval is
/// the physical one times its unit of time.
pub(super) trait Equations: Send + Sync {
    /// Records the rates of a chunk of particles at a moment.
    fn rates(&self, record: &mut Record<'_>, moment: Moment, state: State, wanted: Wanted) -> Rates;

    /// The diffusion of the particles themselves, by the square root of a mean interval.
    fn noise(&self) -> f64 {
        0.0
    }

    /// σ² of the population that the particles stand for, where the model has a score.
    fn sigma2(&self, _moment: Moment) -> f64 {
        0.0
    }

    /// What particles carry beside their place.
    fn carried(&self) -> Carried {
        Carried::LogWeight
    }

    /// Whether the residual needs the Laplacian along its directions, or first derivatives only.
    fn needs_laplacian(&self) -> bool {
        false
    }

    /// Records by how much the learned log-density at the start misses the data's, where the method has one; a
    /// column.
    fn initial_error(&self, _record: &mut Record<'_>, _points: Var, _log_density: Var) -> Option<Var> {
        None
    }

    /// How growth follows from the potential, where the model has one.
    fn law(&self) -> Option<GrowthLaw> {
        None
    }
}
