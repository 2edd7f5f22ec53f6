//! The Velocity Template Language as Amazon API Gateway runs it: the language of Apache Velocity 1.7, without
//! `#include` and `#parse` (there are no files to read).
//!
//! A [`Template`] is parsed once and rendered many times by an [`Engine`], which owns every list and map that the
//! template sees. Rendering is a pure function of the template and the engine's variables: no I/O, no clock.
//!
//! Invariants:
//! - no input makes parsing or rendering panic; hostile templates end in an [`Error`] when they exceed [`Limits`];
//! - an unresolved reference renders as the author wrote it, or as nothing, as [`Unresolved`] says;
//! - lists and maps have reference semantics, as in Java: `$list.add(1)` changes the list that every name for it sees.

mod ast;
mod eval;
mod expression;
mod format;
mod methods;
mod operators;
mod parser;
mod pattern;
#[cfg(test)]
mod tests;
mod value;

pub use eval::{Engine, Limits, Unresolved};
pub use value::{Heap, Host, Value};

/// Why a template could not be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{message} at line {line}, column {column}")]
    Syntax { message: String, line: usize, column: usize },
    #[error("Invocation of method '{method}' failed: {reason}")]
    Method { method: String, reason: String },
    #[error("{0}")]
    Evaluation(String),
    #[error("template exceeds the limit of {0}")]
    Limit(&'static str),
}

/// A parsed template.
#[derive(Debug, Clone)]
pub struct Template {
    body: ast::Block,
    macros: std::sync::Arc<ast::Macros>,
}

impl Template {
    /// Parses a template's source.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let (body, macros) = parser::parse(source, 0)?;
        Ok(Self { body, macros: macros.into() })
    }
}
