//! Whether an item meets a condition.
//!
//! What does not exist compares with nothing: every comparison with it is false, except that it is unequal.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::condition::{Comparator, Condition, Operand};
use crate::value::{AttributeValue, Item, Type, compare, equal};

impl Condition<'_> {
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Condition::And(a, b) => a.holds(item) && b.holds(item),
            Condition::Or(a, b) => a.holds(item) || b.holds(item),
            Condition::Not(inner) => !inner.holds(item),
            Condition::Compare(comparator, a, b) => compares(*comparator, a.resolve(item), b.resolve(item)),
            Condition::Between(value, low, high) => {
                let Some(value) = value.resolve(item) else { return false };
                let order = |bound: &Operand<'_>| compare(&value, bound.resolve(item).as_deref()?);
                matches!(order(low), Some(Ordering::Greater | Ordering::Equal))
                    && matches!(order(high), Some(Ordering::Less | Ordering::Equal))
            }
            Condition::In(value, members) => value.resolve(item).is_some_and(|value| {
                members.iter().any(|member| member.resolve(item).is_some_and(|member| equal(&value, &member)))
            }),
            Condition::Exists(path) => path.find(item).is_some(),
            Condition::NotExists(path) => path.find(item).is_none(),
            Condition::HasType(operand, kind) => operand.resolve(item).is_some_and(|value| Type::of(&value) == *kind),
            Condition::BeginsWith(operand, prefix) => both(operand, prefix, item).is_some_and(|(a, b)| begins(&a, &b)),
            Condition::Contains(operand, member) => both(operand, member, item).is_some_and(|(a, b)| contains(&a, &b)),
        }
    }
}

impl Operand<'_> {
    fn resolve<'i>(&'i self, item: &'i Item) -> Option<Cow<'i, AttributeValue>> {
        match self {
            Operand::Path(path) => path.find(item).map(Cow::Borrowed),
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Size(inner) => {
                let size = size(inner.resolve(item)?.as_ref())?;
                Some(Cow::Owned(AttributeValue::N(size.to_string())))
            }
        }
    }
}

type Pair<'i> = (Cow<'i, AttributeValue>, Cow<'i, AttributeValue>);

fn both<'i>(a: &'i Operand<'_>, b: &'i Operand<'_>, item: &'i Item) -> Option<Pair<'i>> {
    Some((a.resolve(item)?, b.resolve(item)?))
}

fn compares(comparator: Comparator, a: Option<Cow<'_, AttributeValue>>, b: Option<Cow<'_, AttributeValue>>) -> bool {
    let same = || matches!((&a, &b), (Some(a), Some(b)) if equal(a, b));
    let order = || compare(a.as_deref()?, b.as_deref()?);
    match comparator {
        Comparator::Equal => same(),
        Comparator::NotEqual => !same(),
        Comparator::Less => order().is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparator::Greater => order().is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

fn begins(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(value), AttributeValue::S(prefix)) => value.starts_with(prefix.as_str()),
        (AttributeValue::B(value), AttributeValue::B(prefix)) => value.starts_with(prefix),
        _ => false,
    }
}

fn contains(value: &AttributeValue, member: &AttributeValue) -> bool {
    match (value, member) {
        (AttributeValue::S(value), AttributeValue::S(part)) => value.contains(part.as_str()),
        (AttributeValue::B(value), AttributeValue::B(part)) => {
            part.is_empty() || value.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(members), AttributeValue::S(member))
        | (AttributeValue::Ns(members), AttributeValue::N(member)) => members.contains(member),
        (AttributeValue::Bs(members), AttributeValue::B(member)) => members.contains(member),
        (AttributeValue::L(members), member) => members.iter().any(|candidate| equal(candidate, member)),
        _ => false,
    }
}

/// What `size` counts; numbers, booleans and nulls have no size.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.encode_utf16().count()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::Ss(members) | AttributeValue::Ns(members) => Some(members.len()),
        AttributeValue::Bs(members) => Some(members.len()),
        AttributeValue::M(members) => Some(members.len()),
        AttributeValue::L(members) => Some(members.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::{Kind, Placeholders};
    use std::collections::BTreeMap;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.into())
    }

    fn holds(text: &str) -> bool {
        let item: Item = [
            ("id", s("thing-1")),
            ("num", n("10")),
            ("tags", AttributeValue::Ss(vec!["x".into(), "y".into()])),
            ("seq", AttributeValue::L(vec![s("zero"), n("1"), AttributeValue::M([("deep".into(), s("deep"))].into())])),
            ("flag", AttributeValue::Bool(true)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect();
        let values: BTreeMap<String, AttributeValue> = [
            (":id", s("thing-1")),
            (":pre", s("thing")),
            (":n2", n("2")),
            (":n9", n("9")),
            (":n10", n("10")),
            (":x", s("x")),
            (":S", s("S")),
            (":flag", AttributeValue::Bool(true)),
            (":tags", AttributeValue::Ss(vec!["y".into(), "x".into()])),
            (":deep", s("deep")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect();
        let mut placeholders = Placeholders::new(None, Some(&values));
        Condition::parse(Kind::Filter, text, &mut placeholders).unwrap().holds(&item)
    }

    #[test]
    fn true_conditions() {
        for text in [
            "id = :id",
            "num > :n9 AND num >= :n10 AND num <= :n10 AND NOT num < :n10",
            "num BETWEEN :n9 AND :n10",
            "num IN (:n9, :n10)",
            "flag = :flag",
            "tags = :tags",
            "attribute_exists(seq[2].deep) AND seq[2].deep = :deep",
            "attribute_not_exists(seq[3])",
            "attribute_type(id, :S)",
            "begins_with(id, :pre)",
            "contains(id, :pre) AND contains(tags, :x) AND NOT contains(seq, :x)",
            "size(tags) = :n2",
            "nothing <> :x",
            "size(num) <> :n2",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn false_conditions() {
        for text in [
            "id = :x",
            "nothing = :x",
            "nothing < :x OR nothing >= :x",
            "id < :n9 OR id > :n9",
            "NOT nothing <> :x",
            "num BETWEEN :n2 AND :n9",
            "flag = :x",
            "attribute_type(num, :S)",
            "begins_with(num, :pre)",
            "size(flag) = :n2",
        ] {
            assert!(!holds(text), "{text}");
        }
    }
}
