//! Small fully connected networks: evaluation, gradients and optimisation, on row-major f32 batches.
//!
//! [`Mlp`] evaluates; [`Tape`] is reverse mode for one block of rows; [`BatchGradient`] is the data-parallel
//! training gradient; [`Adam`], [`Schedule`] and [`MovingAverage`] turn gradients into trained parameters.

mod activation;
mod adam;
mod batch;
mod ema;
mod mlp;
mod schedule;
mod tape;

pub use activation::Activation;
pub use adam::{Adam, clip_gradients};
pub use batch::BatchGradient;
pub use ema::MovingAverage;
pub use mlp::{Architecture, Layer, Mlp};
pub use schedule::Schedule;
pub use tape::Tape;
