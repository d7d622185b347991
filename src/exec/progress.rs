//! Progress reports and cancellation of long computations.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoints;
use crate::named::named;

/// What a long computation is at: the stages that a fit goes through, in the order of their beginning (a method has those that it
/// needs), and other computations, each a stage of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Static transport problems couple the cells of consecutive snapshots.
    Coupling,
    /// Paths between coupled cells are learned, before what moves along them (Metric FM).
    Interpolant,
    /// Particles begin every interval as cells of its own snapshot, before they go through all (MIOFlow).
    Local,
    /// Networks learn to reconstruct the snapshots, before the whole loss is trained on (DeepRUOT).
    PreTraining,
    /// The density learns from bridges along the particles' own paths (DeepRUOT before, Var-RUOT after its training), or a score
    /// anew after the fine-tuning of the velocity that it goes with.
    Score,
    /// Networks are trained on the method's loss.
    Training,
    /// Networks that a regression has trained are fitted to the snapshots along rolled-out paths (VGFM, and whoever asks for it).
    FineTuning,
    /// As [`Local`](Self::Local), afterwards.
    PostLocal,
    /// How much of the population goes each way is learned, along ways that are known (BranchSBM).
    Growth,
    /// The ways and how much goes each of them are learned together (BranchSBM).
    Joint,
    /// One static transport problem.
    Transport,
    /// A population is simulated.
    Simulation,
    /// Snapshots are predicted and compared.
    Evaluation,
    /// Recipes are fitted to a part of the cells and held against the others.
    Validation,
    /// A learned field is evaluated at many points.
    Field,
    /// Descendants of cells are simulated and counted by their labels.
    Fates,
}

named!(
    Stage,
    "stage",
    Coupling = "coupling",
    Interpolant = "interpolant",
    Local = "local",
    PreTraining = "pre-training",
    Score = "score",
    Training = "training",
    FineTuning = "fine-tuning",
    PostLocal = "post-local",
    Growth = "growth",
    Joint = "joint",
    Transport = "transport",
    Simulation = "simulation",
    Evaluation = "evaluation",
    Validation = "validation",
    Field = "field",
    Fates = "fates"
);

/// Where a long computation stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Steps done so far in this stage.
    pub done: usize,
    /// Steps of this stage in all.
    pub total: usize,
    /// The latest training loss, where there is one.
    pub loss: Option<f64>,
}

/// A caller's progress function: called on the caller's thread, at most every twentieth of a second within a
/// stage; [`ControlFlow::Break`] cancels.
pub type ProgressFn<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// The progress function that ignores every report and never cancels.
pub fn silent(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What a long computation has of its caller: a progress function, called at a bounded rate, but always for a stage's first and last
/// step; and, where they are kept, checkpoints.
pub(crate) struct Reporter<'a, 'f> {
    function: &'a mut ProgressFn<'f>,
    last: Option<Instant>,
    pub(crate) checkpoints: Option<Checkpoints<'a>>,
}

impl<'a, 'f> Reporter<'a, 'f> {
    pub(crate) fn new(function: &'a mut ProgressFn<'f>) -> Self {
        Self { function, last: None, checkpoints: None }
    }

    pub(crate) fn report(&mut self, progress: &Progress) -> ControlFlow<()> {
        let edge = progress.done == 0 || progress.done == progress.total;
        if !edge && self.last.is_some_and(|last| last.elapsed() < Duration::from_millis(50)) {
            return ControlFlow::Continue(());
        }
        self.last = Some(Instant::now());
        (self.function)(progress)
    }
}
