//! The small languages that several services share. Pure functions: no I/O, no clock, no randomness.
//!
//! - [`vtl`]: the Velocity Template Language;
//! - [`mapping`]: API Gateway's mapping templates, Velocity with `$input`, `$context` and `$util`;
//! - [`jsonpath`]: the JSONPath dialect of those templates;
//! - [`event_pattern`]: the patterns with which events are chosen;
//! - [`schema`]: JSON Schema, as API Gateway's models use it.

pub mod event_pattern;
pub mod jsonpath;
pub mod mapping;
pub mod schema;
pub mod vtl;
