//! Attribute values: their type names, equality and order.
//!
//! Everything behind validation holds numbers in their normal form (see `number`), so equal numbers have equal text.
//! Sets are unordered: equality of sets ignores the order in which their members are kept.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::number::Number;

pub use dynamodb_api::AttributeValue;

pub type Item = BTreeMap<String, AttributeValue>;

/// The type of an attribute value, as the documentation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    S,
    N,
    B,
    Ss,
    Ns,
    Bs,
    M,
    L,
    Null,
    Bool,
}

impl Type {
    pub fn of(value: &AttributeValue) -> Type {
        match value {
            AttributeValue::S(_) => Type::S,
            AttributeValue::N(_) => Type::N,
            AttributeValue::B(_) => Type::B,
            AttributeValue::Ss(_) => Type::Ss,
            AttributeValue::Ns(_) => Type::Ns,
            AttributeValue::Bs(_) => Type::Bs,
            AttributeValue::M(_) => Type::M,
            AttributeValue::L(_) => Type::L,
            AttributeValue::Null(_) => Type::Null,
            AttributeValue::Bool(_) => Type::Bool,
        }
    }

    /// The type descriptor used on the wire and in most messages.
    pub fn code(self) -> &'static str {
        match self {
            Type::S => "S",
            Type::N => "N",
            Type::B => "B",
            Type::Ss => "SS",
            Type::Ns => "NS",
            Type::Bs => "BS",
            Type::M => "M",
            Type::L => "L",
            Type::Null => "NULL",
            Type::Bool => "BOOL",
        }
    }

    /// The long name that messages about ADD and DELETE use.
    pub fn long_name(self) -> &'static str {
        match self {
            Type::S => "STRING",
            Type::N => "NUMBER",
            Type::B => "BINARY",
            Type::Ss => "STRING_SET",
            Type::Ns => "NUMBER_SET",
            Type::Bs => "BINARY_SET",
            Type::M => "MAP",
            Type::L => "LIST",
            Type::Null => "NULL",
            Type::Bool => "BOOLEAN",
        }
    }

    pub fn from_code(code: &str) -> Option<Type> {
        const ALL: [Type; 10] =
            [Type::S, Type::N, Type::B, Type::Ss, Type::Ns, Type::Bs, Type::M, Type::L, Type::Null, Type::Bool];
        ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub fn is_set(self) -> bool {
        matches!(self, Type::Ss | Type::Ns | Type::Bs)
    }

    /// Only strings, numbers and binaries have an order.
    pub fn is_orderable(self) -> bool {
        matches!(self, Type::S | Type::N | Type::B)
    }
}

/// Equality as conditions see it.
pub fn equal(a: &AttributeValue, b: &AttributeValue) -> bool {
    use AttributeValue as V;
    match (a, b) {
        (V::Ss(a), V::Ss(b)) | (V::Ns(a), V::Ns(b)) => same_members(a, b),
        (V::Bs(a), V::Bs(b)) => same_members(a, b),
        (V::L(a), V::L(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (V::M(a), V::M(b)) => same(a, b),
        (a, b) => a == b,
    }
}

/// Whether two items have the same attributes with equal values.
pub fn same(a: &Item, b: &Item) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && equal(a, b))
}

fn same_members<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    a.len() == b.len() && a.iter().all(|member| b.contains(member))
}

/// The order of two values of one orderable type; `None` where there is none.
pub fn compare(a: &AttributeValue, b: &AttributeValue) -> Option<Ordering> {
    use AttributeValue as V;
    match (a, b) {
        (V::S(a), V::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (V::B(a), V::B(b)) => Some(a.cmp(b)),
        (V::N(a), V::N(b)) => Some(Number::parse(a).ok()?.cmp(&Number::parse(b).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(members: &[&str]) -> AttributeValue {
        AttributeValue::Ss(members.iter().map(|m| m.to_string()).collect())
    }

    #[test]
    fn sets_are_equal_in_any_order() {
        assert!(equal(&strings(&["a", "b"]), &strings(&["b", "a"])));
        assert!(!equal(&strings(&["a", "b"]), &strings(&["a", "c"])));
        assert!(equal(&AttributeValue::L(vec![strings(&["a", "b"])]), &AttributeValue::L(vec![strings(&["b", "a"])])));
    }

    #[test]
    fn different_types_are_never_equal_nor_ordered() {
        let (s, n) = (AttributeValue::S("1".into()), AttributeValue::N("1".into()));
        assert!(!equal(&s, &n));
        assert_eq!(compare(&s, &n), None);
        assert_eq!(compare(&AttributeValue::Bool(true), &AttributeValue::Bool(true)), None);
    }

    #[test]
    fn numbers_compare_by_value() {
        let n = |text: &str| AttributeValue::N(text.into());
        assert_eq!(compare(&n("9"), &n("10")), Some(Ordering::Less));
        assert_eq!(compare(&n("-9"), &n("-10")), Some(Ordering::Greater));
    }
}
