//! How networks are shaped and trained.

use crate::error::{Error, Result, fits_in_memory, positive};
use crate::named::named;
use crate::nn::{Activation, Schedule};

/// How much each interval between snapshots counts in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntervalWeighting {
    /// All intervals count the same.
    #[default]
    Uniform,
    /// An interval counts by the mass at its start.
    Mass,
}

named!(IntervalWeighting, "interval_weighting", Uniform = "uniform", Mass = "mass");

/// How much each coupled pair counts in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairWeighting {
    /// By the mass that it has on the way, m(r): the flow is that of a population whose cells multiply and die (mass-weighted
    /// conditional regression: Peng et al., ICLR 2026). Cells without a partner count by theirs.
    #[default]
    Mass,
    /// By what the plan couples, γ, the same all the way (Eyring et al., ICLR 2024; Wang et al., NeurIPS 2025): pairs are drawn in
    /// proportion to it, times uniformly, and cells without a partner have no say.
    Plan,
}

named!(PairWeighting, "pair_weighting", Mass = "mass", Plan = "plan");

/// How networks are shaped and trained.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOptions {
    /// Training steps.
    pub epochs: usize,
    /// Pairs drawn a step, for each interval.
    pub batch_size: usize,
    /// Hidden widths of the velocity network.
    pub hidden: Vec<usize>,
    /// Hidden widths of the growth network; as the velocity's where absent.
    pub growth_hidden: Option<Vec<usize>>,
    /// Hidden widths of the score network; as the velocity's where absent.
    pub score_hidden: Option<Vec<usize>>,
    /// The function of the hidden units.
    pub activation: Activation,
    /// That of the growth network; as the others' where absent.
    pub growth_activation: Option<Activation>,
    /// Adam's learning rate at the first step.
    pub learning_rate: f64,
    /// The rate that a cosine takes it down to at the last step; constant where absent.
    pub final_learning_rate: Option<f64>,
    /// Decay of the parameters' moving average, which is the model that a fit returns; 0 for the parameters themselves.
    pub ema: f64,
    /// The gradient's norm, over all networks, is clipped to this where given.
    pub clip: Option<f64>,
    /// How much each interval counts.
    pub interval_weighting: IntervalWeighting,
    /// How much each pair of coupled cells counts.
    pub pair_weighting: PairWeighting,
}

impl Default for TrainingOptions {
    /// The published recipe: 3000 steps of 400 pairs an interval, Adam from 5e-3 down to 1e-5 by a cosine, moving average
    /// 0.995, five hidden layers of 256 (three for growth), LeakyReLU.
    fn default() -> Self {
        Self {
            epochs: 3000,
            batch_size: 400,
            hidden: vec![256; 5],
            growth_hidden: Some(vec![256; 3]),
            score_hidden: None,
            activation: Activation::LeakyRelu,
            growth_activation: None,
            learning_rate: 5e-3,
            final_learning_rate: Some(1e-5),
            ema: 0.995,
            clip: None,
            interval_weighting: IntervalWeighting::Uniform,
            pair_weighting: PairWeighting::Mass,
        }
    }
}

impl TrainingOptions {
    /// What predicts cells best that were not fitted, at a fraction of the cost of the published recipe: 2400 steps of 160 pairs
    /// an interval, and small networks. Fewer pairs a step are better, and not only cheaper: their noise keeps networks from
    /// learning the cells by heart, as narrow layers do. The score, which spreads particles as the cells are spread, is the
    /// hardest to learn and gets the widest; where there is none (`noisy`), the velocity does all, and gets that.
    pub fn recommended(noisy: bool) -> Self {
        let hidden = if noisy { vec![64; 3] } else { vec![96; 3] };
        let (growth_hidden, score_hidden) = (Some(vec![32; 2]), Some(vec![80; 3]));
        Self { epochs: 2400, batch_size: 160, hidden, growth_hidden, score_hidden, ..Self::default() }
    }

    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("epochs", self.epochs), ("batch_size", self.batch_size)] {
            if value == 0 {
                return Err(Error::argument(name, value, "at least 1"));
            }
        }
        // One loss a step is kept.
        fits_in_memory("epochs", self.epochs, self.epochs.checked_mul(2))?;
        self.schedule_over(self.epochs).validate()?;
        if !(0.0..1.0).contains(&self.ema) {
            return Err(Error::argument("ema", self.ema, "at least 0 and below 1"));
        }
        if let Some(clip) = self.clip {
            positive("clip", clip)?;
        }
        Ok(())
    }

    /// The learning rate of a stage of `epochs` steps.
    pub(crate) fn schedule_over(&self, epochs: usize) -> Schedule {
        match self.final_learning_rate {
            Some(end) => Schedule::Cosine { start: self.learning_rate, end, steps: epochs },
            None => Schedule::Constant(self.learning_rate),
        }
    }
}
