//! What a WHERE clause says about keys: where a statement has to look.

use super::statement::{Condition, Operand};
use crate::error::Invalid;
use crate::expression::condition::{Comparator, Condition as Tree};
use crate::expression::key_condition::{Term, Test};
use crate::key::KeySchema;
use crate::value::{AttributeValue, Item};

/// Where to look, and what has to be asked of each item there.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The partitions; `None` for all of them.
    pub hashes: Option<Vec<&'a AttributeValue>>,
    /// The part of each partition.
    pub range: Option<Term<'a>>,
    pub filter: Option<Tree<'a>>,
}

impl<'a> Plan<'a> {
    pub fn new(condition: Option<&'a Condition>, keys: &KeySchema) -> Result<Plan<'a>, Invalid> {
        let mut plan = Plan { hashes: None, range: None, filter: None };
        for term in condition.map(terms).unwrap_or_default() {
            if plan.hashes.is_none()
                && keys.more_hash.is_empty()
                && let Some(values) = equals(term, &keys.hash.name)
            {
                plan.hashes = Some(values);
                continue;
            }
            if plan.range.is_none()
                && let Some(range) = &keys.range
                && let Some(test) = test(term, &range.name)
                && test.values().all(|value| range.scalar.matches(value))
            {
                let name = attribute(term).unwrap_or_default();
                plan.range = Some((name, test));
                continue;
            }
            let tree = term.tree()?;
            plan.filter = Some(match plan.filter.take() {
                Some(filter) => filter.and(tree),
                None => tree,
            });
        }
        // Without a partition, the sort key is an attribute like any other.
        if plan.hashes.is_none() && plan.range.is_some() {
            plan.range = None;
            plan.filter = condition.map(Condition::tree).transpose()?;
        }
        Ok(plan)
    }

    /// The key of the one item that is meant, if it is one; what else must hold of it stays in `filter`.
    pub fn key(&self, keys: &KeySchema) -> Option<Item> {
        let [hash] = self.hashes.as_deref()? else { return None };
        let mut key = Item::from([(keys.hash.name.clone(), (*hash).clone())]);
        match (&keys.range, &self.range) {
            (None, None) => {}
            (Some(range), Some((_, Test::Compare(Comparator::Equal, value)))) => {
                key.insert(range.name.clone(), (*value).clone());
            }
            _ => return None,
        }
        Some(key)
    }
}

/// The parts of a condition that must all hold.
fn terms(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::And(a, b) => [terms(a), terms(b)].concat(),
        condition => vec![condition],
    }
}

fn is_attribute(operand: &Operand, name: &str) -> bool {
    matches!(operand, Operand::Path(path) if path.root == name && path.rest.is_empty())
}

/// The values that an attribute may have, if the condition says nothing but that.
fn equals<'a>(condition: &'a Condition, name: &str) -> Option<Vec<&'a AttributeValue>> {
    match condition {
        Condition::Compare(Comparator::Equal, a, Operand::Value(value)) if is_attribute(a, name) => Some(vec![value]),
        Condition::Compare(Comparator::Equal, Operand::Value(value), b) if is_attribute(b, name) => Some(vec![value]),
        Condition::In(operand, members) if is_attribute(operand, name) => {
            let mut values: Vec<&AttributeValue> = Vec::with_capacity(members.len());
            for member in members {
                let Operand::Value(value) = member else { return None };
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Some(values)
        }
        Condition::Or(a, b) => {
            let mut values = equals(a, name)?;
            for value in equals(b, name)? {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Some(values)
        }
        _ => None,
    }
}

/// What the condition says of an attribute, if a sort key can be found by it.
fn test<'a>(condition: &'a Condition, name: &str) -> Option<Test<'a>> {
    match condition {
        Condition::Compare(Comparator::NotEqual, ..) => None,
        Condition::Compare(comparator, a, Operand::Value(value)) if is_attribute(a, name) => {
            Some(Test::Compare(*comparator, value))
        }
        Condition::Compare(comparator, Operand::Value(value), b) if is_attribute(b, name) => {
            Some(Test::Compare(comparator.mirrored(), value))
        }
        Condition::Between(a, Operand::Value(low), Operand::Value(high)) if is_attribute(a, name) => {
            Some(Test::Between(low, high))
        }
        Condition::BeginsWith(a, Operand::Value(prefix)) if is_attribute(a, name) => match prefix {
            AttributeValue::S(_) | AttributeValue::B(_) => Some(Test::BeginsWith(prefix)),
            _ => None,
        },
        _ => None,
    }
}

/// The attribute that a condition with a test is about.
fn attribute(condition: &Condition) -> Option<&str> {
    let operands = match condition {
        Condition::Compare(_, a, b) | Condition::BeginsWith(a, b) => [Some(a), Some(b)],
        Condition::Between(a, ..) => [Some(a), None],
        _ => [None, None],
    };
    operands.into_iter().flatten().find_map(|operand| match operand {
        Operand::Path(path) => Some(path.root.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyAttribute, Scalar};
    use crate::partiql::parse;

    fn shape(condition: &str) -> (Option<usize>, bool, bool) {
        let keys = KeySchema::new(
            KeyAttribute { name: "pk".into(), scalar: Scalar::S },
            Some(KeyAttribute { name: "sk".into(), scalar: Scalar::N }),
        );
        let statement = parse(&format!("SELECT * FROM T WHERE {condition}"), &[]).unwrap();
        let plan = Plan::new(statement.condition(), &keys).unwrap();
        (plan.hashes.map(|hashes| hashes.len()), plan.range.is_some(), plan.filter.is_some())
    }

    #[test]
    fn keys_are_found_in_conditions() {
        assert_eq!(shape("pk = 'a'"), (Some(1), false, false));
        assert_eq!(shape("'a' = pk AND sk > 3 AND x = 1"), (Some(1), true, true));
        assert_eq!(shape("pk IN ['a', 'b', 'a'] AND sk BETWEEN 1 AND 2"), (Some(2), true, false));
        assert_eq!(shape("pk = 'a' OR pk = 'b'"), (Some(2), false, false));
        assert_eq!(shape("pk = 'a' OR x = 1"), (None, false, true));
        assert_eq!(shape("sk = 3"), (None, false, true));
        assert_eq!(shape("pk = 'a' AND sk > 1 AND sk < 9"), (Some(1), true, true));
        assert_eq!(shape("pk = 'a' AND sk = 'text'"), (Some(1), false, true));
        assert_eq!(shape("NOT pk = 'a'"), (None, false, true));
    }
}
