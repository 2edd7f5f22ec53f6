//! Random values of any shape, for tests.
//!
//! [`generate`] fills a typed shape from a seed: the shape's own `decode` asks a [`Generator`] for members, elements and
//! scalars, and gets what the schema allows. The same seed gives the same value. Depth and size are bounded.
//!
//! A [`Form`] says how the value will travel, because some values have no form on some wires; each such rule stands in
//! `form.rs` with its reason.

mod form;
mod generator;
mod random;

pub use form::{Form, Side};
pub use generator::{Generator, generate};
pub use random::Random;
