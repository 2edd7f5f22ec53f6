//! `SearchConditionExpression`: values for the partition's attribute and for inline filters.

use super::VectorIndex;
use crate::error::Invalid;
use crate::expression::condition::{Comparator, Condition, Operand};
use crate::expression::{Kind, Placeholders};
use crate::key::{check_not_empty, encode};
use crate::value::AttributeValue;

/// One attribute and the value that it must have.
pub type Term<'a> = (&'a str, &'a AttributeValue);

/// The terms of a condition, before it is known what they are about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sought<'a>(Vec<Term<'a>>);

impl<'a> Sought<'a> {
    pub fn parse(text: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Sought<'a>, Invalid> {
        let condition = Condition::parse(Kind::Search, text, placeholders)?;
        let mut terms = Vec::new();
        collect(condition, &mut terms)?;
        Ok(Sought(terms))
    }
}

fn collect<'a>(condition: Condition<'a>, terms: &mut Vec<Term<'a>>) -> Result<(), Invalid> {
    let (path, value) = match condition {
        Condition::And(a, b) => {
            collect(*a, terms)?;
            return collect(*b, terms);
        }
        Condition::Compare(Comparator::Equal, Operand::Path(path), Operand::Value(value))
        | Condition::Compare(Comparator::Equal, Operand::Value(value), Operand::Path(path)) => (path, value),
        _ => return Err(Kind::Search.invalid("Invalid comparator used in SearchConditionExpression")),
    };
    if !path.rest.is_empty() {
        return Err(Kind::Search.invalid("SearchConditionExpression cannot have conditions on nested attributes"));
    }
    if terms.iter().any(|(known, _)| *known == path.root) {
        return Err(Kind::Search.invalid("SearchConditionExpression must only contain one condition per key"));
    }
    terms.push((path.root, value));
    Ok(())
}

/// The encoded value of the partition's attribute, and of each inline filter that is asked for.
pub type Encoded = (Option<Vec<u8>>, Vec<Option<Vec<u8>>>);

/// Resolves the terms against an index.
pub fn sought(index: &VectorIndex, terms: &Sought<'_>) -> Result<Encoded, Invalid> {
    let Sought(terms) = terms;
    if let Some((unknown, _)) = terms.iter().find(|(name, _)| index.searched().all(|known| known.name != *name)) {
        return Err(Kind::Search.invalid(format_args!(
            "The attribute is not defined in the SearchSchema of the index; attribute: {unknown}"
        )));
    }
    let find = |name: &str| terms.iter().find(|(term, _)| *term == name).map(|(_, value)| *value);
    if index.hash.as_ref().is_some_and(|hash| find(&hash.name).is_none()) {
        return Err(Invalid::new("SearchConditionExpression must be provided when SearchSchema has a HASH key"));
    }
    for attribute in index.searched() {
        if find(&attribute.name).is_some_and(|value| !attribute.scalar.matches(value)) {
            return Err(Invalid::values("Condition parameter type does not match schema type"));
        }
    }
    let encoded = |name: &str| {
        find(name).and_then(|value| {
            let mut bytes = Vec::with_capacity(32);
            encode(value, &mut bytes).map(|()| bytes)
        })
    };
    if let Some((name, value)) = index.hash.as_ref().and_then(|hash| Some((&hash.name, find(&hash.name)?))) {
        check_not_empty(name, value)?;
    }
    let hash = index.hash.as_ref().and_then(|hash| encoded(&hash.name));
    Ok((hash, index.filters.iter().map(|filter| encoded(&filter.name)).collect()))
}
