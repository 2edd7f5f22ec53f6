//! Statements as they were written, with their parameters filled in.

use crate::expression::condition::Comparator;
use crate::value::{AttributeValue, Item};

#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Select(Select),
    /// `EXISTS(SELECT …)`: a condition on an item within a transaction.
    Exists(Select),
    Insert {
        table: String,
        item: Item,
    },
    Update(Update),
    Delete {
        table: String,
        condition: Option<Condition>,
        returning: Option<Returning>,
    },
}

impl Statement {
    pub fn table(&self) -> &str {
        match self {
            Statement::Select(select) | Statement::Exists(select) => &select.table,
            Statement::Insert { table, .. } | Statement::Delete { table, .. } => table,
            Statement::Update(update) => &update.table,
        }
    }

    pub fn is_read(&self) -> bool {
        matches!(self, Statement::Select(_))
    }

    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Statement::Select(select) | Statement::Exists(select) => select.condition.as_ref(),
            Statement::Insert { .. } => None,
            Statement::Update(update) => update.condition.as_ref(),
            Statement::Delete { condition, .. } => condition.as_ref(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Nothing for `*`.
    pub paths: Option<Vec<Path>>,
    pub table: String,
    pub index: Option<String>,
    pub condition: Option<Condition>,
    pub order: Vec<Order>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub attribute: String,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub table: String,
    pub set: Vec<(Path, Operand)>,
    pub remove: Vec<Path>,
    pub condition: Option<Condition>,
    pub returning: Option<Returning>,
}

/// Which of its item a write returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// The whole item rather than what was modified.
    pub all: bool,
    /// As it has become rather than as it was.
    pub new: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub root: String,
    pub rest: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    Field(String),
    Index(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Missing(Path),
    Null(Operand),
    HasType(Operand, String),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Path(Path),
    Value(AttributeValue),
    Size(Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
    SetAdd(Box<Operand>, Box<Operand>),
    SetDelete(Box<Operand>, Box<Operand>),
    Plus(Box<Operand>, Box<Operand>),
    Minus(Box<Operand>, Box<Operand>),
}
