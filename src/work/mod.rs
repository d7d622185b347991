//! Units of work: a long computation as a plan, tasks that any process on any machine can do, and a finish.
//!
//! A [`Plan`] says what is to be done, by which numbers and to which data, and lists the tasks. A task is a pure function of the
//! plan and the cells that it names: [`Plan::run`] gives its part as bytes. When all parts are there, [`Plan::finish_fit`] and its
//! likes put them together. The result is the same bits as that of the one call that does it all, whatever the number of workers,
//! their order, or how many died on the way: chreode brings no cluster of its own, whatever starts processes will do.
//!
//! ```
//! use chreode::FitOptions;
//! use chreode::exec::progress::silent;
//! use chreode::options::Settings;
//! use chreode::work::{Inputs, Part, Plan};
//!
//! let snapshots = chreode::datasets::GeneNetwork { cells_per_state: 60, seed: 1 }.generate()?;
//! let mut settings = Settings::<FitOptions>::default();
//! settings.set("chunk_size", "200")?;
//! settings.set("epochs", "10")?; // 2400 for a real fit
//!
//! let plan = Plan::fit(&snapshots, &settings, 0, &mut silent)?;
//! let inputs = Inputs { snapshots: &snapshots, model: None };
//! let tasks = 0..plan.tasks().len(); // in any order, on any machine
//! let parts: Vec<Vec<u8>> =
//!     tasks.map(|task| plan.run(inputs, task, 0, &mut silent)).collect::<Result<_, _>>()?;
//!
//! let parts = parts.iter().map(|bytes| Part { name: "in memory", bytes });
//! let fitted = plan.finish_fit(&snapshots, parts, 0, &mut silent)?;
//! let at_once = chreode::fit(&snapshots, &settings.build()?, &mut silent)?;
//! assert_eq!(fitted.dynamics.to_bytes(), at_once.dynamics.to_bytes());
//! # Ok::<(), chreode::Error>(())
//! ```

mod data;
mod evaluate;
mod failure;
mod fit;
mod learned;
mod part;
mod plan;
mod reading;
mod simulate;
mod validate;
mod worker;

pub use data::fingerprint;
pub use part::Part;
pub use plan::{Inputs, Plan, Task};

#[cfg(test)]
mod tests;
