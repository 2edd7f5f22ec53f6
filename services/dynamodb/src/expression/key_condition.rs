//! Key conditions: one value for the partition key and, at most, one condition on the sort key.

use super::condition::{Comparator, Condition, Operand};
use super::{Kind, Placeholders};
use crate::error::Invalid;
use crate::key::{KeySchema, after_prefix, check_not_empty, encode, encode_prefix};
use crate::value::AttributeValue;

/// As many attributes as the key of a global index may have.
const MAX_TERMS: usize = 8;

#[derive(Clone, Debug, PartialEq)]
pub enum Test<'a> {
    Compare(Comparator, &'a AttributeValue),
    Between(&'a AttributeValue, &'a AttributeValue),
    BeginsWith(&'a AttributeValue),
}

impl<'a> Test<'a> {
    pub fn values(&self) -> impl Iterator<Item = &'a AttributeValue> + use<'a> {
        let (first, second) = match self {
            Test::Compare(_, value) | Test::BeginsWith(value) => (*value, None),
            Test::Between(low, high) => (*low, Some(*high)),
        };
        std::iter::once(first).chain(second)
    }
}

/// One key attribute and what it must meet.
pub type Term<'a> = (&'a str, Test<'a>);

pub fn parse<'a>(text: &'a str, placeholders: &mut Placeholders<'a>) -> Result<Vec<Term<'a>>, Invalid> {
    let condition = Condition::parse(Kind::KeyCondition, text, placeholders)?;
    let mut terms = Vec::with_capacity(2);
    collect(condition, &mut terms)?;
    if terms.len() > MAX_TERMS {
        return Err(Invalid::new("Conditions can be of length 1 or 2 only"));
    }
    if terms.len() == 2 && terms[0].0 == terms[1].0 {
        return Err(Invalid::new("KeyConditionExpressions must only contain one condition per key"));
    }
    Ok(terms)
}

fn collect<'a>(condition: Condition<'a>, terms: &mut Vec<Term<'a>>) -> Result<(), Invalid> {
    let term = match condition {
        Condition::And(a, b) => {
            collect(*a, terms)?;
            return collect(*b, terms);
        }
        Condition::Compare(Comparator::NotEqual, ..) => return Err(wrong_operator("<>")),
        Condition::Compare(comparator, Operand::Value(value), path @ Operand::Path(_)) => {
            (attribute(path)?, Test::Compare(comparator.mirrored(), value))
        }
        Condition::Compare(comparator, path, value) => (attribute(path)?, Test::Compare(comparator, literal(value)?)),
        Condition::Between(path, low, high) => (attribute(path)?, Test::Between(literal(low)?, literal(high)?)),
        Condition::BeginsWith(path, prefix) => (attribute(path)?, Test::BeginsWith(literal(prefix)?)),
        Condition::Or(..) => return Err(wrong_operator("OR")),
        Condition::Not(_) => return Err(wrong_operator("NOT")),
        Condition::In(..) => return Err(wrong_operator("IN")),
        Condition::Exists(_) => return Err(wrong_operator("attribute_exists")),
        Condition::NotExists(_) => return Err(wrong_operator("attribute_not_exists")),
        Condition::HasType(..) => return Err(wrong_operator("attribute_type")),
        Condition::Contains(..) => return Err(wrong_operator("contains")),
    };
    terms.push(term);
    Ok(())
}

fn wrong_operator(operator: &str) -> Invalid {
    Invalid(format!("Invalid operator used in KeyConditionExpression: {operator}"))
}

fn attribute(operand: Operand<'_>) -> Result<&str, Invalid> {
    match operand {
        Operand::Path(path) if path.rest.is_empty() => Ok(path.root),
        Operand::Path(_) => Err(Invalid::new("KeyConditionExpressions cannot have conditions on nested attributes")),
        Operand::Size(_) => Err(wrong_operator("size")),
        Operand::Value(_) => {
            Err(Invalid::new("Invalid condition in KeyConditionExpression: No key attribute specified"))
        }
    }
}

fn literal(operand: Operand<'_>) -> Result<&AttributeValue, Invalid> {
    match operand {
        Operand::Value(value) => Ok(value),
        Operand::Size(_) => Err(wrong_operator("size")),
        Operand::Path(_) => Err(Invalid::new(
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        )),
    }
}

/// A key condition resolved against a schema: the partition, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// The encoded partition key.
    pub hash: Vec<u8>,
    /// The first encoded sort key that is meant.
    pub from: Vec<u8>,
    /// The first encoded sort key that is no longer meant; `None` for the end of the partition.
    pub to: Option<Vec<u8>>,
}

pub fn resolve(terms: &[Term<'_>], schema: &KeySchema) -> Result<Range, Invalid> {
    let missed = |name: &str| Invalid(format!("Query condition missed key schema element: {name}"));
    let find = |name: &str| terms.iter().find(|(term, _)| *term == name).map(|(_, test)| test);
    let known = schema.attributes().count();
    if terms.is_empty() || terms.len() > known.max(2) {
        return Err(Invalid::new("Conditions can be of length 1 or 2 only"));
    }
    let mut tests = Vec::with_capacity(terms.len());
    for hash in schema.hashes() {
        tests.push((hash, find(&hash.name).ok_or_else(|| missed(&hash.name))?));
    }
    let hashes = tests.len();
    tests.extend(schema.ranges().filter_map(|range| Some((range, find(&range.name)?))));
    // What is left over is about something else.
    if terms.len() > tests.len() {
        let absent = schema.ranges().find(|range| find(&range.name).is_none());
        return Err(
            absent.map_or_else(|| Invalid::new("Query key condition not supported"), |range| missed(&range.name))
        );
    }
    for (attribute, test) in &tests {
        for value in test.values() {
            if !attribute.scalar.matches(value) {
                return Err(Invalid::values("Condition parameter type does not match schema type"));
            }
            check_not_empty(&attribute.name, value)?;
        }
    }
    let mut hash = Vec::with_capacity(32);
    for (_, test) in &tests[..hashes] {
        let Test::Compare(Comparator::Equal, value) = test else {
            return Err(Invalid::new("Query key condition not supported"));
        };
        hash.extend(encoded(value));
    }
    // Sort keys are met from the first on; only the last of them may be met otherwise than by equality.
    let (mut prefix, mut range) = (Vec::new(), (Vec::new(), None));
    for (at, expected) in schema.ranges().enumerate().take(tests.len() - hashes) {
        let (attribute, test) = tests[hashes + at];
        if attribute != expected {
            return Err(missed(&expected.name));
        }
        match test {
            Test::Compare(Comparator::Equal, value) if hashes + at + 1 < tests.len() => prefix.extend(encoded(value)),
            _ if hashes + at + 1 < tests.len() => return Err(Invalid::new("Query key condition not supported")),
            test => range = bounds(test),
        }
    }
    let (from, to) = range;
    let to = to.map(|to| [prefix.as_slice(), &to].concat());
    let to = to.or_else(|| if prefix.is_empty() { None } else { after_prefix(&prefix) });
    Ok(Range { hash, from: [prefix, from].concat(), to })
}

/// The range of encoded sort keys that meet the test.
fn bounds(test: &Test<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
    let after = |value: &AttributeValue| after_prefix(&encoded(value));
    match test {
        Test::Compare(Comparator::Equal | Comparator::NotEqual, value) => (encoded(value), after(value)),
        Test::Compare(Comparator::Less, value) => (Vec::new(), Some(encoded(value))),
        Test::Compare(Comparator::LessOrEqual, value) => (Vec::new(), after(value)),
        Test::Compare(Comparator::Greater, value) => (after(value).unwrap_or_default(), None),
        Test::Compare(Comparator::GreaterOrEqual, value) => (encoded(value), None),
        Test::Between(low, high) => (encoded(low), after(high)),
        Test::BeginsWith(prefix) => {
            let mut from = Vec::with_capacity(32);
            let _ = encode_prefix(prefix, &mut from);
            let to = after_prefix(&from);
            (from, to)
        }
    }
}

fn encoded(value: &AttributeValue) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    // The type has been checked against the schema, whose types can all be encoded.
    let _ = encode(value, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyAttribute, Scalar};
    use std::collections::BTreeMap;

    fn resolved(text: &str) -> Result<Range, String> {
        let schema = KeySchema::new(
            KeyAttribute { name: "pk".into(), scalar: Scalar::S },
            Some(KeyAttribute { name: "sk".into(), scalar: Scalar::N }),
        );
        let values: BTreeMap<String, AttributeValue> = [
            (":p", AttributeValue::S("a".into())),
            (":e", AttributeValue::S(String::new())),
            (":n", AttributeValue::N("1".into())),
            (":m", AttributeValue::N("2".into())),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .collect();
        let mut placeholders = Placeholders::new(None, Some(&values));
        parse(text, &mut placeholders).and_then(|terms| resolve(&terms, &schema)).map_err(|e| e.0)
    }

    fn number(text: &str) -> Vec<u8> {
        encoded(&AttributeValue::N(text.into()))
    }

    #[test]
    fn ranges() {
        let whole = resolved("pk = :p").unwrap();
        assert_eq!((whole.hash, whole.from, whole.to), (b"a\0\0".to_vec(), vec![], None));
        let inside =
            |range: &Range, key: &[u8]| key >= &range.from[..] && range.to.as_ref().is_none_or(|to| key < &to[..]);
        for (text, members) in [
            ("pk = :p AND sk = :n", vec!["1"]),
            ("sk < :n AND pk = :p", vec!["-5", "0.5"]),
            ("pk = :p AND sk <= :n", vec!["-5", "0.5", "1"]),
            ("pk = :p AND :n < sk", vec!["1.5", "2", "1E20"]),
            ("(pk = :p) AND (sk >= :n)", vec!["1", "1.5", "2", "1E20"]),
            ("pk = :p AND sk BETWEEN :n AND :m", vec!["1", "1.5", "2"]),
        ] {
            let range = resolved(text).unwrap();
            let found: Vec<_> =
                ["-5", "0.5", "1", "1.5", "2", "1E20"].into_iter().filter(|n| inside(&range, &number(n))).collect();
            assert_eq!(found, members, "{text}");
        }
    }

    #[test]
    fn complaints() {
        for (text, expected) in [
            ("sk = :n", "Query condition missed key schema element: pk"),
            ("pk = :p AND elsewhere = :n", "Query condition missed key schema element: sk"),
            ("pk > :p", "Query key condition not supported"),
            ("pk = :p OR sk = :n", "Invalid operator used in KeyConditionExpression: OR"),
            ("pk <> :p", "Invalid operator used in KeyConditionExpression: <>"),
            ("pk = :p AND contains(sk, :n)", "Invalid operator used in KeyConditionExpression: contains"),
            ("pk = sk", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
            (":p = :p", "Invalid condition in KeyConditionExpression: No key attribute specified"),
            ("pk.x = :p", "KeyConditionExpressions cannot have conditions on nested attributes"),
            ("pk = :p AND pk = :p", "KeyConditionExpressions must only contain one condition per key"),
            ("pk = :p AND sk = :n AND x = :n", "Conditions can be of length 1 or 2 only"),
            (
                "pk = :n",
                "One or more parameter values were invalid: Condition parameter type does not match schema type",
            ),
            (
                "pk = :e",
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain \
                 an empty string value. Key: pk",
            ),
        ] {
            assert_eq!(resolved(text).unwrap_err(), expected, "{text}");
        }
    }
}
