//! Models: learned fields, what they were made with, and their file.

mod dynamics;
mod file;
mod info;

pub use dynamics::Dynamics;
pub use file::FORMAT_VERSION;
pub use info::ModelInfo;
