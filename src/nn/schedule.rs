//! Learning rates over a training run.

use crate::error::{Result, positive};

/// The learning rate as a function of the training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// The same at every step.
    Constant(f64),
    /// Half a cosine from `start` down to `end` (Loshchilov, Hutter, ICLR 2017, without restarts):
    /// end + ½(start − end)(1 + cos(π·step/steps)), and `end` from step `steps` on.
    Cosine {
        /// The rate of step 0.
        start: f64,
        /// The rate from step `steps` on.
        end: f64,
        /// How many steps the descent takes.
        steps: usize,
    },
}

impl Schedule {
    /// Checks that the rates are positive and finite.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) that names the rate.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Schedule::Constant(rate) => positive("learning_rate", rate)?,
            Schedule::Cosine { start, end, .. } => {
                positive("learning_rate", start)?;
                positive("final_learning_rate", end)?
            }
        };
        Ok(())
    }

    /// The learning rate of a step; the first step is 0.
    pub fn rate(&self, step: usize) -> f64 {
        match *self {
            Schedule::Constant(rate) => rate,
            Schedule::Cosine { end, steps, .. } if step >= steps => end,
            Schedule::Cosine { start, end, steps } => {
                let phase = std::f64::consts::PI * step as f64 / steps as f64;
                let share = 0.5 * (1.0 + libm::cos(phase));
                start * share + end * (1.0 - share)
            }
        }
    }
}
