//! The expression language: conditions, filters, projections, updates and key conditions.
//!
//! Text becomes tokens (`lexer`), tokens become a tree that borrows from the request (`condition`, `update`,
//! `projection`), and trees are evaluated against items (`evaluate`, `apply`). Syntax errors win over every other
//! complaint about an expression, as on AWS; of the others the first is reported.

pub mod apply;
pub mod condition;
pub mod evaluate;
pub mod key_condition;
pub mod lexer;
pub mod parser;
pub mod path;
pub mod placeholders;
pub mod projection;
pub mod reserved;
pub mod update;

use crate::error::Invalid;

pub use condition::Condition;
pub use path::Path;
pub use placeholders::Placeholders;
pub use projection::Projection;
pub use update::Update;

/// The parameter that an expression came in; its name opens every message about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Condition,
    Filter,
    KeyCondition,
    Projection,
    Search,
    Update,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Condition => "ConditionExpression",
            Kind::Filter => "FilterExpression",
            Kind::KeyCondition => "KeyConditionExpression",
            Kind::Projection => "ProjectionExpression",
            Kind::Search => "SearchConditionExpression",
            Kind::Update => "UpdateExpression",
        }
    }

    pub fn invalid(self, detail: impl std::fmt::Display) -> Invalid {
        Invalid(format!("Invalid {}: {detail}", self.name()))
    }
}
