//! The published methods by name, and the fit that they are recipes of.
//!
//! Most couple consecutive snapshots, then regress networks on the bridges between coupled cells: such a method is a
//! coupling and a bridge, and any coupling goes with any bridge; of a bridge its fields are learned, or a potential ([`Objective`]). The others roll particles forward and differentiate
//! through the solver: see [`mod@crate::rollout`]. One, BranchSBM, does both, for several parts of the last snapshot.
//!
//! [`catalogue`](Method) has one row a published method. A [`Recipe`] is what a method is made of; its parts say which options
//! they take. [`fit`](fn@fit) resolves the numbers that were not given, couples, trains, and reports; [`validate`](fn@validate)
//! holds recipes against cells that they were not fitted to.

mod branches;
mod catalogue;
mod couple;
mod coupling;
mod division;
mod ensemble;
mod fit;
mod options;
mod parts;
mod recipe;
mod report;
mod resolve;
mod validate;
mod warnings;

pub use catalogue::Method;
pub(crate) use couple::Gauge;
pub use coupling::CouplingKind;
pub(crate) use division::{Division, Pieces, Unit};
pub(crate) use ensemble::cheaper_count;
pub(crate) use fit::Learned;
pub use fit::{Coupled, Fit, couple, fit};
pub use options::{DeltaRule, FitOptions, Preset, SigmaRule};
pub use recipe::{Learning, Recipe};
pub use report::{BranchReport, Choice, EnsembleReport, FitReport};
pub(crate) use validate::learner;
pub use validate::{NamedRecipe, validate};

pub use crate::bridge::BridgeKind;
pub use crate::matching::Objective;
pub use crate::metric::MetricKind;
