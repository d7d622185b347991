//! How good a fit is: the measures of quality by which methods are compared.

pub mod action;
pub mod mass;
