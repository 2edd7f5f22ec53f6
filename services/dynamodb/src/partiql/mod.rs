//! PartiQL: statements in a dialect of SQL, as another way to say what the other operations say.
//!
//! Text becomes tokens (`lexer`), tokens and parameters become a statement that owns its values (`parser`, `statement`),
//! and a statement lends itself to the trees of expressions (`tree`), so that conditions, updates and projections mean
//! the same everywhere. `plan` finds the keys in a WHERE clause. The dialect is that of DynamoDB's documentation: one
//! table, no joins, groups, aliases or subqueries.

mod lexer;
mod parser;
pub mod plan;
pub mod statement;
pub mod tree;

pub use parser::parse;
pub use statement::Statement;

use crate::error::Invalid;

/// The complaint about a statement that cannot be read.
fn malformed(detail: &str) -> Invalid {
    Invalid(format!("Statement wasn't well formed, can't be processed: {detail}"))
}
