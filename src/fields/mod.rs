//! The fields that move a population, and what simulation and evaluation need of them.
//!
//! | file | what is in it |
//! | --- | --- |
//! | this one | [`Fields`], the trait that simulation and evaluation know |
//! | `closed_form` | fields given as functions |
//! | `compiled` | networks as fields: what the CPU and the devices evaluate |
//! | `diffusion` | σ as a function of time |
//! | `guard` | the boxes outside of which networks are not asked |
//! | `growth_law` | the growth rate as a function of a potential |
//! | `growth_price` | what growth costs |

mod closed_form;
mod compiled;
mod diffusion;
mod growth_law;
mod growth_price;
mod guard;

use crate::error::{Error, Result};

pub use closed_form::{ClosedForm, ScalarField, VectorField};
pub use compiled::Compiled;
pub(crate) use compiled::{BranchWeight, Network, Role};
pub use diffusion::Diffusion;
pub use growth_law::GrowthLaw;
pub use growth_price::GrowthPrice;
pub(crate) use growth_price::Price;
pub use guard::Guard;

/// Which fields to evaluate at a block of points, and where to put them: an absent field is not computed.
#[derive(Debug, Default)]
pub struct FieldValues<'a> {
    /// v, row-major, one row a point.
    pub velocity: Option<&'a mut [f32]>,
    /// g, one value a point.
    pub growth: Option<&'a mut [f32]>,
    /// s = (σ²/2) ∇ log p, row-major, one row a point.
    pub score_drift: Option<&'a mut [f32]>,
}

impl<'a> FieldValues<'a> {
    /// Velocity, growth and score drift, in this order.
    pub(crate) fn into_parts(self) -> [Option<&'a mut [f32]>; 3] {
        [self.velocity, self.growth, self.score_drift]
    }

    /// The fields of which so many numbers are wanted, in buffers; those of the others are emptied.
    fn in_buffers(buffers: &'a mut [Vec<f32>; 3], wanted: [Option<usize>; 3]) -> Self {
        let mut parts = buffers.iter_mut().zip(wanted).map(|(buffer, wanted)| {
            buffer.resize(wanted.unwrap_or(0), 0.0);
            wanted.map(|_| buffer.as_mut_slice())
        });
        let mut next = || parts.next().flatten();
        Self { velocity: next(), growth: next(), score_drift: next() }
    }
}

/// Buffers of field evaluations.
#[derive(Debug, Default, Clone)]
pub struct Scratch {
    input: Vec<f32>,
    networks: MemberScratch,
    /// v, g and s of one member of an ensemble, before they are added to those of the others.
    member: [Vec<f32>; 3],
}

/// Buffers of the networks of one member.
#[derive(Debug, Default, Clone)]
struct MemberScratch {
    layers: Vec<f32>,
    /// Values and gradients (in t and x) of a scalar network.
    values: Vec<f32>,
    gradient: Vec<f32>,
    /// s, where only v = ∇λ − s was asked for.
    score_drift: Vec<f32>,
}

/// Buffers of the deviations of fields over the members of an ensemble.
#[derive(Debug, Default, Clone)]
pub struct SpreadScratch {
    scratch: Scratch,
    moments: [Vec<Moments>; 3],
}

/// Sums over the members of one number, measured from that of the first.
#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    first: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, member: usize, value: f64) {
        if member == 0 {
            self.first = value;
        }
        let difference = value - self.first;
        self.sum += difference;
        self.squares += difference * difference;
    }

    fn deviation(&self, members: usize) -> f64 {
        let n = members as f64;
        if members == 1 {
            0.0
        } else {
            ((self.squares - self.sum * self.sum / n).max(0.0) / (n - 1.0)).sqrt()
        }
    }
}

/// One of the ways that a population goes, for [`Fields::of_branches`].
///
/// Its particles move along the velocity of its fields, and their weights change by addition: of a founder of weight w they weigh
/// w max(0, `start` + ∫ g dt) with the fields' g along their way.
pub struct Branch<'a> {
    /// The velocity, and what is added to a weight a unit of time in the place of the growth rate.
    pub fields: Box<dyn Fields + 'a>,
    /// The share of its founder's weight that a particle begins with.
    pub start: f64,
}

impl std::fmt::Debug for Branch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch").field("start", &self.start).finish_non_exhaustive()
    }
}

/// Velocity v, growth rate g, score drift s and diffusion σ of a population:
///
/// ```text
/// probability flow:  dX = v dt,                d ln w = g dt
/// diffusion:         dX = (v + s) dt + σ(t) dW,   d ln w = g dt
/// ```
///
/// Implemented by the learned [`Dynamics`](crate::Dynamics) and by [`ClosedForm`] fields given as functions.
pub trait Fields: Sync {
    /// The dimension d of the space.
    fn dims(&self) -> usize;

    /// The diffusion σ(t) ≥ 0 at time `time`.
    fn sigma(&self, time: f64) -> f64;

    /// Evaluates the requested fields at time `time` for the rows of `points` (row-major, n × d).
    ///
    /// `scratch` is the caller's, kept between calls, so that a steady-state loop does not allocate.
    fn evaluate(&self, time: f64, points: &[f32], values: FieldValues<'_>, scratch: &mut Scratch);

    /// What a unit of mass pays for growing at rate `growth` at time `time`, a squared length over a squared time, where the
    /// fields were learned as the solution of a problem that has such a price.
    fn growth_cost(&self, _time: f64, _growth: f64) -> Option<f64> {
        None
    }

    /// The rate λ = σ²/δ², per unit time, at which the reference process branches that the fields were learned as the nearest process
    /// to; none of other fields.
    fn branching_rate(&self) -> Option<f64> {
        None
    }

    /// The first and the last time of the cells that the fields were learned from; none for fields that hold at all times.
    /// Beyond them a result is an extrapolation.
    fn learned_times(&self) -> Option<[f64; 2]> {
        None
    }

    /// The boxes outside of which the fields are what they are at the border; none for fields that hold everywhere.
    fn guard(&self) -> Option<&Guard> {
        None
    }

    /// The times between which the fields have units of time of their own, or a [`guard`](Self::guard), increasing: those of
    /// the snapshots that they were fitted to, where intervals differ or are guarded; none of other fields.
    ///
    /// The fields may jump there, to what they are from that time on: a solver steps onto these times and not across. What
    /// it takes as the longest step is meant for an interval of the mean length, and is as much shorter or longer as another
    /// interval is.
    fn knots(&self) -> &[f64] {
        &[]
    }

    /// The branches of a population that goes several ways (BranchSBM: Tang et al., ICLR 2026): every founder has a particle in each of
    /// them, and all those particles are the population. There are then no fields of the whole, which [`evaluate`](Self::evaluate)
    /// leaves as no numbers. Empty of other fields.
    fn of_branches(&self) -> Vec<Branch<'_>> {
        vec![]
    }

    /// The networks behind the fields, where there are any: those can be evaluated on a device as well.
    fn compiled(&self) -> Option<&Compiled> {
        None
    }
}

/// Refuses fields of branches, which have none of the whole, for `what` asks for those.
///
/// # Errors
/// [`Error::InvalidArgument`].
pub(crate) fn require_whole(fields: &dyn Fields, what: &str) -> Result<()> {
    let branches = fields.of_branches().len();
    if branches == 0 {
        return Ok(());
    }
    let allowed = format!(
        "a population with one velocity for {what}; of a model of branches each branch has its own: take one branch of it as a model, or \
         simulate all of them by the mode ode"
    );
    Err(Error::argument("the model", format!("one of {branches} branches"), &allowed))
}
