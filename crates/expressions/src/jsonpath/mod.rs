//! JSONPath as API Gateway's templates use it: the dialect of the Jayway library.
//!
//! A *definite* path (only names, single indexes) has one result or none. Any other path has a list of results,
//! possibly empty, unless a definite part of it is missing. Limits: a document or path that would visit more than
//! [`MAX_VISITS`] nodes ends in an error.

mod filter;
mod parser;
#[cfg(test)]
mod tests;

use filter::Filter;
use serde_json::{Map, Value as Json};

/// How many nodes one query may visit.
pub const MAX_VISITS: usize = 5_000_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Invalid path: {0}")]
    Syntax(String),
    #[error("the path visits too many nodes")]
    TooManyNodes,
}

/// A parsed path.
#[derive(Debug, Clone)]
pub struct Path {
    steps: Vec<Step>,
    function: Option<Function>,
}

#[derive(Debug, Clone)]
enum Step {
    Names(Vec<String>),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    /// The next step, on the node and on everything below it.
    Scan,
    Filter(Filter),
}

#[derive(Debug, Clone, Copy)]
enum Function {
    Length,
    Keys,
    Sum,
    Min,
    Max,
    Average,
}

impl Path {
    pub fn parse(text: &str) -> Result<Self, Error> {
        parser::parse(text)
    }

    fn definite(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Names(_) => true,
            Step::Indexes(indexes) => indexes.len() == 1,
            _ => false,
        })
    }

    /// What the path finds, or `None` when it names something that is not there.
    pub fn query(&self, document: &Json) -> Result<Option<Json>, Error> {
        self.evaluate(document, document, &mut 0)
    }

    /// Evaluates from `start`, within `root` (filters may refer to it).
    fn evaluate(&self, start: &Json, root: &Json, visits: &mut usize) -> Result<Option<Json>, Error> {
        let mut search = Search { root, visits, found: Vec::new() };
        let definite = self.definite();
        // Several names at the end of a path select an object of those members.
        let (path, selection) = match self.steps.split_last() {
            Some((Step::Names(names), path)) if names.len() > 1 => (path, Some(names)),
            _ => (&self.steps[..], None),
        };
        let complete = search.walk(start, path, true)?;
        let mut found: Vec<Json> = match selection {
            None => search.found.into_iter().cloned().collect(),
            Some(names) => search.found.into_iter().filter_map(|node| select(node, names)).collect(),
        };
        let result = if definite { found.pop() } else { complete.then_some(Json::Array(found)) };
        Ok(match self.function {
            Some(function) => result.and_then(|result| function.apply(&result)),
            None => result,
        })
    }
}

fn select(node: &Json, names: &[String]) -> Option<Json> {
    let members = node.as_object()?;
    let selected: Map<_, _> =
        names.iter().filter_map(|name| Some((name.clone(), members.get(name)?.clone()))).collect();
    Some(Json::Object(selected))
}

struct Search<'a, 'v> {
    root: &'a Json,
    visits: &'v mut usize,
    found: Vec<&'a Json>,
}

impl<'a> Search<'a, '_> {
    /// Follows `steps` from `node`. False when a name or index that had to be there is missing.
    fn walk(&mut self, node: &'a Json, steps: &[Step], definite: bool) -> Result<bool, Error> {
        *self.visits += 1;
        if *self.visits > MAX_VISITS {
            return Err(Error::TooManyNodes);
        }
        let Some((step, rest)) = steps.split_first() else {
            self.found.push(node);
            return Ok(true);
        };
        match (step, node) {
            (Step::Names(names), Json::Object(members)) => {
                let mut all = true;
                for name in names {
                    all &= match members.get(name) {
                        Some(member) => self.walk(member, rest, definite)?,
                        None => !definite,
                    };
                }
                return Ok(all);
            }
            (Step::Indexes(indexes), Json::Array(items)) => {
                let mut all = true;
                for index in indexes {
                    all &= match at(*index, items.len()).and_then(|index| items.get(index)) {
                        Some(item) => self.walk(item, rest, definite)?,
                        None => !definite,
                    };
                }
                return Ok(all);
            }
            // A property of a list is looked for in its elements only by a scan or wildcard before it.
            (Step::Names(_) | Step::Indexes(_), _) => return Ok(!definite),
            (Step::Slice(from, to), Json::Array(items)) => {
                let bound = |bound: &Option<i64>, default: usize| match bound {
                    None => default,
                    Some(bound) if *bound < 0 => items.len().saturating_sub(bound.unsigned_abs() as usize),
                    Some(bound) => (*bound as usize).min(items.len()),
                };
                let (from, to) = (bound(from, 0), bound(to, items.len()));
                for item in items.get(from..to).unwrap_or_default() {
                    self.walk(item, rest, false)?;
                }
            }
            (Step::Slice(..), _) => return Ok(!definite),
            (Step::Wildcard, _) => {
                for child in children(node) {
                    self.walk(child, rest, false)?;
                }
            }
            (Step::Filter(filter), Json::Array(items)) => {
                for item in items {
                    if filter.accepts(item, self.root, self.visits)? {
                        self.walk(item, rest, false)?;
                    }
                }
            }
            (Step::Filter(filter), _) => {
                if filter.accepts(node, self.root, self.visits)? {
                    self.walk(node, rest, false)?;
                }
            }
            (Step::Scan, _) => self.scan(node, rest)?,
        }
        Ok(true)
    }

    fn scan(&mut self, node: &'a Json, rest: &[Step]) -> Result<(), Error> {
        match rest.first() {
            // Below a scan a filter tests every node itself, not the elements of every list.
            Some(Step::Filter(filter)) => {
                if !node.is_array() && filter.accepts(node, self.root, self.visits)? {
                    self.walk(node, &rest[1..], false)?;
                }
            }
            _ => {
                self.walk(node, rest, false)?;
            }
        }
        for child in children(node) {
            if child.is_object() || child.is_array() {
                self.scan(child, rest)?;
            } else {
                *self.visits += 1;
            }
        }
        Ok(())
    }
}

fn children(node: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match node {
        Json::Array(items) => Box::new(items.iter()),
        Json::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// An index from either end.
fn at(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

impl Function {
    fn apply(self, value: &Json) -> Option<Json> {
        match self {
            Self::Length => Some(Json::from(length(value)?)),
            Self::Keys => Some(Json::from(value.as_object()?.keys().cloned().collect::<Vec<_>>())),
            Self::Sum | Self::Min | Self::Max | Self::Average => {
                let numbers: Vec<f64> = value.as_array()?.iter().filter_map(Json::as_f64).collect();
                let sum: f64 = numbers.iter().sum();
                let result = match self {
                    _ if numbers.is_empty() => return None,
                    Self::Sum => sum,
                    Self::Average => sum / numbers.len() as f64,
                    Self::Min => numbers.into_iter().fold(f64::INFINITY, f64::min),
                    _ => numbers.into_iter().fold(f64::NEG_INFINITY, f64::max),
                };
                Some(Json::from(result))
            }
        }
    }
}

/// The length of a list, an object or a string.
fn length(value: &Json) -> Option<usize> {
    match value {
        Json::Array(items) => Some(items.len()),
        Json::Object(members) => Some(members.len()),
        Json::String(text) => Some(text.encode_utf16().count()),
        _ => None,
    }
}
