//! Small fully connected networks: evaluation, gradients and optimisation, on row-major f32 batches.
//!
//! [`Mlp`] evaluates; [`Backprop`] is the fused reverse sweep of one network over a block of rows, and [`BatchGradient`]
//! the data-parallel training gradient made of it; [`Tape`] is reverse mode over recorded matrix operations, for losses that
//! hold a network's own derivatives or a whole rollout; [`Adam`], [`Schedule`] and [`MovingAverage`] turn gradients into trained parameters.

mod activation;
mod adam;
mod backprop;
mod batch;
mod ema;
mod jet;
mod mlp;
mod schedule;
mod tape;

pub use activation::Activation;
pub use adam::{Adam, clip, sum_of_squares};
pub use backprop::Backprop;
pub use batch::BatchGradient;
pub use ema::MovingAverage;
pub use jet::Directions;
pub use mlp::{Architecture, Layer, Mlp};
pub use schedule::Schedule;
pub use tape::{Applied, Tape, Var};
