//! Models: what they were made with, and their file.

mod file;
mod info;

pub use file::FORMAT_VERSION;
pub use info::ModelInfo;
