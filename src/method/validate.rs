//! Fits held against cells that they have not seen.

use super::{FitOptions, fit};
use crate::error::Result;
use crate::evaluate::validation::{self, Annotations, Learned, Lesson, Validation, ValidationOptions};
use crate::exec::progress::{Progress, ProgressFn, Stage};
use crate::model::Dynamics;
use crate::snapshots::Snapshots;

/// What is fitted, and what that is called.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRecipe {
    /// A name that tells it from the others.
    pub name: String,
    /// The options of its fits; their seed and threads are those of the validation.
    pub options: FitOptions,
}

/// Fits each recipe to parts of the cells and holds it against the others: see
/// [`validation`](mod@crate::evaluate::validation).
///
/// ```
/// use chreode::evaluate::validation::{Annotations, ValidationOptions};
/// use chreode::method::{FitOptions, Method, NamedRecipe, validate};
///
/// let snapshots = chreode::datasets::GeneNetwork { cells_per_state: 30, seed: 1 }.generate()?;
/// let mut options = FitOptions::new(Method::WfrFm);
/// options.training.epochs = 10; // 3000 for a real fit
/// let recipes = [NamedRecipe { name: "wfr-fm".into(), options }];
/// let mut silent = chreode::exec::progress::silent;
/// let found =
///     validate(&snapshots, &Annotations::default(), &recipes, &ValidationOptions::default(), &mut silent)?;
/// println!("{}", found.verdict(0).unwrap().sentence);
/// # Ok::<(), chreode::Error>(())
/// ```
///
/// # Errors
/// Those of [`validation::validate`], and if all recipes fail those of [`fit`] by the first. A training that ends early for a
/// loss that is not finite is a failure here.
pub fn validate(
    snapshots: &Snapshots,
    annotations: &Annotations,
    recipes: &[NamedRecipe],
    options: &ValidationOptions,
    progress: &mut ProgressFn<'_>,
) -> Result<Validation> {
    let names: Vec<String> = recipes.iter().map(|recipe| recipe.name.clone()).collect();
    validation::validate(snapshots, annotations, &names, learner(recipes), options, progress)
}

/// What fits the recipes, each on one thread.
pub(crate) fn learner(recipes: &[NamedRecipe]) -> impl Fn(&Lesson<'_>) -> Result<Learned<Dynamics>> + Sync {
    |lesson| {
        let options = FitOptions { seed: lesson.seed, threads: 1, ..recipes[lesson.recipe].options.clone() };
        let fitted = fit(lesson.seen, &options, &mut |now: &Progress| lesson.done(share(now)))?;
        match fitted.stopped {
            Some(error) => Err(error),
            None => {
                let by_the_clock = fitted.report.coupling_seconds + fitted.report.training_seconds;
                let seconds = fitted.report.cpu_seconds.unwrap_or(by_the_clock);
                Ok(Learned { fields: fitted.dynamics, seconds })
            }
        }
    }
}

/// How much of a fit is done: its main stage takes nearly all of its time.
fn share(now: &Progress) -> f64 {
    match now.stage {
        Stage::Training => now.done as f64 / now.total.max(1) as f64,
        Stage::FineTuning => 1.0,
        _ => 0.0,
    }
}
