//! The syntax tree of a template. Immutable and free of interior references, so that a parsed template can be cached
//! and shared between threads.

use std::{collections::BTreeMap, sync::Arc};

/// A run of nodes. Shared because `#define` and macros hand blocks around as values.
pub type Block = Arc<[Node]>;

#[derive(Debug)]
pub enum Node {
    Text(String),
    Reference { backslashes: usize, reference: Reference },
    Set { target: Reference, value: Expr },
    If { branches: Vec<(Expr, Block)>, otherwise: Option<Block> },
    Foreach { variable: String, source: Expr, body: Block },
    Define { name: String, body: Block },
    Evaluate(Expr),
    Call(Call),
    Break,
    Stop,
}

/// `#name(args)` or `#@name(args) body #end`; rendered as written when no such macro exists.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub arguments: Vec<(Expr, String)>,
    pub body: Option<Block>,
    pub literal: String,
}

#[derive(Debug)]
pub struct Macro {
    pub parameters: Vec<String>,
    pub body: Block,
}

pub type Macros = BTreeMap<String, Arc<Macro>>;

#[derive(Debug)]
pub struct Reference {
    pub name: String,
    pub segments: Vec<Segment>,
    /// `$!x`: an unresolved reference renders as nothing.
    pub quiet: bool,
    /// As the author wrote it, for when it does not resolve.
    pub literal: String,
}

#[derive(Debug)]
pub enum Segment {
    Property(String),
    Method(String, Vec<Expr>),
    Index(Expr),
}

#[derive(Debug)]
pub enum Expr {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    /// A double-quoted string that contains references or directives.
    Interpolated(Block),
    Reference(Box<Reference>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Range(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
