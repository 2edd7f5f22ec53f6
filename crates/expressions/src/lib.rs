//! The small languages that several services share. Pure functions: no I/O, no clock, no randomness.
//!
//! - [`vtl`]: the Velocity Template Language of API Gateway's mapping templates;
//! - [`jsonpath`]: the JSONPath dialect of those templates.

pub mod jsonpath;
pub mod vtl;
