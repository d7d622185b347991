//! The C interface, `include/chreode.h`. Its conventions are told at the top of that header, which is generated from the
//! functions and comments here.
//!
//! Every exported function does its work inside `status::guard`, and reads its arguments by way of `pointers` and
//! [`matrix`]: those two and [`field`] are where raw memory is touched.

// The names here are those of the C header.
#![allow(non_camel_case_types)]
// The conventions of the header are the safety contract of all functions: pointers are valid, or NULL where that is said.
#![allow(clippy::missing_safety_doc)]

pub mod couple;
pub mod evaluate;
pub mod fates;
pub mod field;
pub mod fit;
mod json;
pub mod library;
pub mod matrix;
pub mod model;
pub mod options;
mod pointers;
pub mod progress;
pub mod simulate;
pub mod snapshots;
pub mod status;
pub mod transport;
pub mod validate;
pub mod work;
mod workers;

#[cfg(test)]
mod tests;
