//! The small languages that several services share. Pure functions: no I/O, no clock, no randomness.
//!
//! - [`vtl`]: the Velocity Template Language;
//! - [`mapping`]: API Gateway's mapping templates, Velocity with `$input`, `$context` and `$util`;
//! - [`jsonpath`]: the JSONPath dialect of those templates;
//! - [`schema`]: JSON Schema, as API Gateway's models use it.

pub mod jsonpath;
pub mod mapping;
pub mod schema;
pub mod vtl;
