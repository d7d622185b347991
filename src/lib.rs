//! Learn how a cell population moves, spreads, divides and dies from time-stamped snapshots, and simulate it.
//!
//! Measuring a single cell kills it, so an experiment yields snapshots of a population at a few times. *chreode* (Waddington's
//! word for a canalised path of development) learns the fields that carry one snapshot into the next,
//!
//! ```text
//! probability flow:  dX = v dt,                d ln w = g dt
//! diffusion:         dX = (v + s) dt + σ dW,   d ln w = g dt,   s = (σ²/2) ∇ log p
//! ```
//!
//! and simulates the population, as weighted particles or as cells that divide and die. Data flow one way:
//!
//! ```text
//! Snapshots ─transport─▶ Coupling ─bridge─▶ regression targets ─matching─▶ Dynamics
//!     │                                                                      │
//!     └────────── rollout (differentiates through the solver) ──────────────▶│
//!             evaluate ◀─── particles, weights, lineages ◀─── simulate ◀─────┘
//! ```
//!
//! A method is a recipe ([`method`]). Simulation-free ones are a coupling and a bridge: OT-CFM, MMFM, Metric FM, SF2M, UOT-FM, VGFM,
//! WFR-FM and USB, and any other combination; action matching and Wasserstein Lagrangian flows learn a potential of them. Those that learn from rolled-out particles ([`rollout`]) are
//! MIOFlow, TIGON, DeepRUOT and Var-RUOT.
//!
//! ```
//! use chreode::exec::progress::silent;
//! use chreode::exec::stop::Stop;
//! use chreode::method::{FitOptions, Method, fit};
//! use chreode::simulate::{Particles, branching};
//!
//! let snapshots = chreode::datasets::GeneNetwork::default().generate()?; // or Snapshots::new(points, times, weights)
//! let mut options = FitOptions::new(Method::Usb);
//! options.training.epochs = 10; // 3000 for a real fit
//! let fitted = fit(&snapshots, &options, &mut silent)?;
//!
//! let founders = Particles::of_snapshot(&snapshots, 0);
//! let steps = branching::Options::new(0.05, 1); // the longest step, and a seed
//! let population = branching::simulate(&fitted.dynamics, &founders, snapshots.times(), &steps, &Stop::default())?;
//! println!("{} cells at the end, from {}", population.trajectory.frames[4].len(), founders.len());
//! println!("their trees: {}", population.lineage.newick());
//! # Ok::<(), chreode::Error>(())
//! ```
//!
//! The same seed gives the same bits at any number of threads. Points and networks are single precision, everything
//! that is summed or reported is double.

pub mod bridge;
pub mod capi;
pub mod datasets;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod exec;
pub mod fates;
pub mod fields;
mod matching;
pub mod method;
mod metric;
pub mod model;
mod named;
pub mod nn;
pub mod options;
pub mod rollout;
mod scales;
pub mod simulate;
pub mod snapshots;
pub mod statistics;
pub mod train;
pub mod transport;
pub mod units;
pub mod work;

pub use error::{Error, Result};
pub use fields::Fields;
pub use method::{FitOptions, Method, fit};
pub use model::Dynamics;
pub use scales::Scales;
pub use snapshots::Snapshots;

/// Keeps the README's example compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
