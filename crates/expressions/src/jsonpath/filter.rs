//! The conditions of `[?( … )]`.

use super::{Error, Path, length};
use regex_lite::Regex;
use serde_json::Value as Json;
use std::cmp::Ordering;

#[derive(Debug, Clone)]
pub enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Comparison, Operand),
    Matches(Operand, Regex),
}

#[derive(Debug, Clone)]
pub enum Operand {
    /// A path from the node under test.
    Here(Path),
    /// A path from the document's root.
    Root(Path),
    Literal(Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Contains,
    Size,
    Empty,
}

impl Filter {
    pub fn accepts(&self, node: &Json, root: &Json, visits: &mut usize) -> Result<bool, Error> {
        Ok(match self {
            Self::Any(filters) => {
                for filter in filters {
                    if filter.accepts(node, root, visits)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::All(filters) => {
                for filter in filters {
                    if !filter.accepts(node, root, visits)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Not(filter) => !filter.accepts(node, root, visits)?,
            Self::Exists(operand) => operand.value(node, root, visits)?.is_some(),
            Self::Compare(left, comparison, right) => {
                let left = left.value(node, root, visits)?;
                let right = right.value(node, root, visits)?;
                compare(left.as_ref(), *comparison, right.as_ref())
            }
            Self::Matches(operand, regex) => {
                let value = operand.value(node, root, visits)?;
                value.as_ref().and_then(Json::as_str).is_some_and(|text| regex.is_match(text))
            }
        })
    }
}

impl Operand {
    fn value(&self, node: &Json, root: &Json, visits: &mut usize) -> Result<Option<Json>, Error> {
        match self {
            Self::Here(path) => path.evaluate(node, root, visits),
            Self::Root(path) => path.evaluate(root, root, visits),
            Self::Literal(value) => Ok(Some(value.clone())),
        }
    }
}

fn compare(left: Option<&Json>, comparison: Comparison, right: Option<&Json>) -> bool {
    let among = || match (left, right) {
        (Some(left), Some(Json::Array(items))) => items.iter().any(|item| equal(left, item)),
        _ => false,
    };
    let ordered = |test: fn(Ordering) -> bool| match (left, right) {
        (Some(Json::String(left)), Some(Json::String(right))) => test(left.cmp(right)),
        (Some(left), Some(right)) => {
            let numbers = left.as_f64().zip(right.as_f64());
            numbers.and_then(|(left, right)| left.partial_cmp(&right)).is_some_and(test)
        }
        _ => false,
    };
    match comparison {
        Comparison::Equal => same(left, right),
        Comparison::NotEqual => !same(left, right),
        Comparison::Less => ordered(Ordering::is_lt),
        Comparison::LessOrEqual => ordered(Ordering::is_le),
        Comparison::Greater => ordered(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(Ordering::is_ge),
        Comparison::In => among(),
        Comparison::NotIn => !among(),
        Comparison::Contains => match (left, right) {
            (Some(Json::Array(items)), Some(right)) => items.iter().any(|item| equal(item, right)),
            (Some(Json::String(text)), Some(Json::String(part))) => text.contains(part.as_str()),
            _ => false,
        },
        Comparison::Size => left.and_then(length).map(|length| length as u64) == right.and_then(Json::as_u64),
        Comparison::Empty => left.and_then(length).map(|length| length == 0) == right.and_then(Json::as_bool),
    }
}

fn same(left: Option<&Json>, right: Option<&Json>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => equal(left, right),
        (left, right) => left.is_none() && right.is_none(),
    }
}

/// Equality in which 1 and 1.0 are the same number.
fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
