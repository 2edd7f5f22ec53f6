//! Values as they may be stored: numbers in normal form, sets without duplicates, nesting within the limit.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use crate::error::Invalid;
use crate::number::Number;
use crate::value::{AttributeValue, Item};

const MAX_DEPTH: usize = 32;

/// Checks every attribute and brings its numbers into normal form.
pub fn normalise_item(item: &mut Item) -> Result<(), Invalid> {
    if item.contains_key("") {
        return Err(nameless());
    }
    item.values_mut().try_for_each(normalise)
}

/// What is said of an attribute without a name.
pub fn nameless() -> Invalid {
    Invalid::values("Attribute name must not be empty")
}

pub fn normalise(value: &mut AttributeValue) -> Result<(), Invalid> {
    at_depth(value, 1)
}

fn at_depth(value: &mut AttributeValue, depth: usize) -> Result<(), Invalid> {
    if depth > MAX_DEPTH {
        return Err(Invalid::new("Nesting Levels have exceeded supported limits"));
    }
    match value {
        AttributeValue::N(text) => number(text),
        AttributeValue::Ss(members) => strings(members),
        AttributeValue::Ns(members) => numbers(members),
        AttributeValue::Bs(members) => binaries(members),
        AttributeValue::M(members) => members.values_mut().try_for_each(|member| at_depth(member, depth + 1)),
        AttributeValue::L(members) => members.iter_mut().try_for_each(|member| at_depth(member, depth + 1)),
        AttributeValue::Null(false) => Err(Invalid::values("Null attribute value types must have the value of true")),
        AttributeValue::S(_) | AttributeValue::B(_) | AttributeValue::Bool(_) | AttributeValue::Null(true) => Ok(()),
    }
}

fn number(text: &mut String) -> Result<(), Invalid> {
    // Short whole numbers are nearly all of them, and already in normal form.
    let bytes = text.as_bytes();
    if bytes.len() <= 18 && !bytes.is_empty() && bytes[0] != b'0' && bytes.iter().all(u8::is_ascii_digit) {
        return Ok(());
    }
    *text = Number::parse(text)?.to_string();
    Ok(())
}

fn strings(members: &[String]) -> Result<(), Invalid> {
    if members.is_empty() {
        return Err(Invalid::values("An string set  may not be empty"));
    }
    if members.iter().any(String::is_empty) {
        return Err(Invalid::values("An string set may not have a empty string as a member"));
    }
    if has_duplicates(members) {
        return Err(Invalid::values(format!("Input collection [{}] contains duplicates.", members.join(", "))));
    }
    Ok(())
}

fn numbers(members: &mut [String]) -> Result<(), Invalid> {
    if members.is_empty() {
        return Err(Invalid::values("An number set  may not be empty"));
    }
    members.iter_mut().try_for_each(number)?;
    if has_duplicates(members) {
        return Err(Invalid::new("Input collection contains duplicates"));
    }
    Ok(())
}

fn binaries(members: &[Bytes]) -> Result<(), Invalid> {
    if members.is_empty() {
        return Err(Invalid::values("Binary sets should not be empty"));
    }
    if members.iter().any(Bytes::is_empty) {
        return Err(Invalid::values("Binary sets may not contain null or empty values"));
    }
    if has_duplicates(members) {
        let list: Vec<_> = members.iter().map(|member| BASE64.encode(member)).collect();
        return Err(Invalid::values(format!("Input collection [{}]of type BS contains duplicates.", list.join(", "))));
    }
    Ok(())
}

fn has_duplicates<T: std::hash::Hash + Eq>(members: &[T]) -> bool {
    let mut seen = HashSet::with_capacity(members.len());
    !members.iter().all(|member| seen.insert(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mut value: AttributeValue) -> String {
        normalise(&mut value).unwrap_err().0
    }

    #[test]
    fn numbers_come_out_in_normal_form() {
        for (text, normal) in [("007", "7"), ("1e2", "100"), ("0", "0"), ("42", "42")] {
            let mut value = AttributeValue::L(vec![AttributeValue::N(text.into())]);
            normalise(&mut value).unwrap();
            assert_eq!(value, AttributeValue::L(vec![AttributeValue::N(normal.into())]));
        }
    }

    #[test]
    fn sets_are_sets() {
        let invalid = "One or more parameter values were invalid: ";
        let set = |members: &[&str]| members.iter().map(|m| m.to_string()).collect::<Vec<_>>();
        assert_eq!(message(AttributeValue::Ss(vec![])), format!("{invalid}An string set  may not be empty"));
        assert_eq!(message(AttributeValue::Ns(vec![])), format!("{invalid}An number set  may not be empty"));
        assert_eq!(message(AttributeValue::Bs(vec![])), format!("{invalid}Binary sets should not be empty"));
        assert_eq!(
            message(AttributeValue::Ss(set(&["a", "b", "a"]))),
            format!("{invalid}Input collection [a, b, a] contains duplicates.")
        );
        assert_eq!(message(AttributeValue::Ns(set(&["1", "1.0"]))), "Input collection contains duplicates");
        assert_eq!(
            message(AttributeValue::Bs(vec!["b".into(), "b".into()])),
            format!("{invalid}Input collection [Yg==, Yg==]of type BS contains duplicates.")
        );
    }

    #[test]
    fn nesting_stops_at_32_levels() {
        let nested = |depth| (1..depth).fold(AttributeValue::Bool(true), |inner, _| AttributeValue::L(vec![inner]));
        normalise(&mut nested(32)).unwrap();
        assert_eq!(message(nested(33)), "Nesting Levels have exceeded supported limits");
    }

    #[test]
    fn null_is_true() {
        assert!(message(AttributeValue::Null(false)).ends_with("must have the value of true"));
    }
}
