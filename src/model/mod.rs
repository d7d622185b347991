//! Models: learned fields, what they were made with, and their file.

mod branches;
mod dynamics;
mod ensemble;
mod file;
mod info;

pub use dynamics::Dynamics;
pub use ensemble::{FieldError, Uncertainty};
pub use file::FORMAT_VERSION;
pub use info::ModelInfo;
