//! Event patterns: the JSON with which Lambda's event source mappings and EventBridge's rules choose events.
//!
//! A pattern is an object of fields. A field of the event matches if one of the values in the pattern's list does, or for an
//! event's list if one of its values does; all fields must match. `$or` holds alternatives. Text compares exactly, numbers by
//! value.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use std::net::IpAddr;

use serde_json::{Map, Value};

/// A pattern that can be matched.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPattern {
    all: Vec<Field>,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

#[derive(Clone, Debug, PartialEq)]
enum Field {
    /// One of these must match the value under the name.
    Values(String, Vec<Test>),
    Nested(String, EventPattern),
    Or(Vec<EventPattern>),
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String, bool),
    Suffix(String, bool),
    Wildcard(String),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
    Cidr(IpAddr, u8),
    AnythingBut(Vec<Test>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Patterns are nested no deeper than this, so that matching is bounded.
const MOST_LEVELS: usize = 32;

impl EventPattern {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let value: Value = serde_json::from_str(text).map_err(|error| Invalid(error.to_string()))?;
        match value {
            Value::Object(object) => Self::read(&object, 0),
            _ => Err(Invalid("Filter is not an object".to_owned())),
        }
    }

    fn read(object: &Map<String, Value>, level: usize) -> Result<Self, Invalid> {
        if object.is_empty() {
            return Err(Invalid("Empty objects are not allowed".to_owned()));
        }
        if level >= MOST_LEVELS {
            return Err(Invalid("The pattern is nested too deeply".to_owned()));
        }
        let field = |(name, value): (&String, &Value)| match value {
            Value::Array(list) if name == "$or" && list.iter().all(Value::is_object) && list.len() > 1 => {
                let alternatives = list.iter().filter_map(Value::as_object).map(|object| Self::read(object, level + 1));
                Ok(Field::Or(alternatives.collect::<Result<_, _>>()?))
            }
            Value::Array(list) if list.is_empty() => Err(Invalid("Empty arrays are not allowed".to_owned())),
            Value::Array(list) => Ok(Field::Values(name.clone(), list.iter().map(test).collect::<Result<_, _>>()?)),
            Value::Object(object) => Ok(Field::Nested(name.clone(), Self::read(object, level + 1)?)),
            _ => Err(Invalid(format!("\"{name}\" must be an object or an array"))),
        };
        Ok(Self { all: object.iter().map(field).collect::<Result<_, _>>()? })
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.all.iter().all(|field| match field {
            Field::Or(alternatives) => alternatives.iter().any(|pattern| pattern.matches(event)),
            Field::Nested(name, pattern) => match event.get(name) {
                Some(Value::Array(list)) => list.iter().any(|value| pattern.matches(value)),
                Some(value) => pattern.matches(value),
                None => pattern.matches(&Value::Null),
            },
            Field::Values(name, tests) => {
                let value = event.get(name);
                tests.iter().any(|test| test.holds(value))
            }
        })
    }
}

impl Test {
    /// `None`: the event has no such field.
    fn holds(&self, value: Option<&Value>) -> bool {
        if let Test::Exists(wanted) = self {
            // Only leaves exist: an object is not a value.
            return value.is_some_and(|value| !value.is_object()) == *wanted;
        }
        match value {
            None => false,
            Some(Value::Array(list)) => match self {
                Test::AnythingBut(_) => list.iter().all(|value| self.holds_for(value)),
                _ => list.iter().any(|value| self.holds_for(value)),
            },
            Some(value) => self.holds_for(value),
        }
    }

    fn holds_for(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Test::Equals(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(value)) => wanted == value,
                _ => wanted == value,
            },
            Test::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Test::Prefix(prefix, true) => {
                text.is_some_and(|text| text.to_lowercase().starts_with(&prefix.to_lowercase()))
            }
            Test::Prefix(prefix, false) => text.is_some_and(|text| text.starts_with(prefix.as_str())),
            Test::Suffix(suffix, true) => {
                text.is_some_and(|text| text.to_lowercase().ends_with(&suffix.to_lowercase()))
            }
            Test::Suffix(suffix, false) => text.is_some_and(|text| text.ends_with(suffix.as_str())),
            Test::Wildcard(pattern) => text.is_some_and(|text| wildcard(pattern.as_bytes(), text.as_bytes())),
            Test::Numeric(tests) => {
                value.as_f64().is_some_and(|value| tests.iter().all(|(test, limit)| test.holds(value, *limit)))
            }
            Test::Exists(wanted) => *wanted,
            Test::Cidr(network, bits) => {
                text.and_then(|text| text.parse().ok()).is_some_and(|address| within(address, *network, *bits))
            }
            Test::AnythingBut(tests) => !tests.iter().any(|test| test.holds_for(value)),
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Equal => value == limit,
            Comparison::Less => value < limit,
            Comparison::LessOrEqual => value <= limit,
            Comparison::Greater => value > limit,
            Comparison::GreaterOrEqual => value >= limit,
        }
    }
}

fn test(value: &Value) -> Result<Test, Invalid> {
    let object = match value {
        Value::Object(object) => object,
        Value::Array(_) => return Err(Invalid("Arrays in arrays are not allowed".to_owned())),
        plain => return Ok(Test::Equals(plain.clone())),
    };
    let invalid = |text: &str| Err(Invalid(text.to_owned()));
    let mut entries = object.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return invalid("Only one key allowed in match expression");
    };
    let inner = |key: &str| operand.get(key).and_then(Value::as_str).map(str::to_owned);
    match (name.as_str(), operand) {
        ("prefix", Value::String(text)) => Ok(Test::Prefix(text.clone(), false)),
        ("suffix", Value::String(text)) => Ok(Test::Suffix(text.clone(), false)),
        ("prefix", _) if inner("equals-ignore-case").is_some() => {
            Ok(Test::Prefix(inner("equals-ignore-case").unwrap_or_default(), true))
        }
        ("suffix", _) if inner("equals-ignore-case").is_some() => {
            Ok(Test::Suffix(inner("equals-ignore-case").unwrap_or_default(), true))
        }
        ("equals-ignore-case", Value::String(text)) => Ok(Test::EqualsIgnoreCase(text.clone())),
        ("wildcard", Value::String(text)) if !text.contains("**") => Ok(Test::Wildcard(text.clone())),
        ("exists", Value::Bool(wanted)) => Ok(Test::Exists(*wanted)),
        ("cidr", Value::String(text)) => {
            let network = text.split_once('/').and_then(|(address, bits)| {
                let (address, bits): (IpAddr, u8) = (address.parse().ok()?, bits.parse().ok()?);
                (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Test::Cidr(address, bits))
            });
            network.ok_or_else(|| Invalid(format!("Malformed CIDR, one '/' required: {text}")))
        }
        ("numeric", Value::Array(list)) => numeric(list),
        ("anything-but", Value::Object(_)) => Ok(Test::AnythingBut(vec![test(operand)?])),
        ("anything-but", Value::Array(list))
            if !list.is_empty() && !list.iter().any(|one| one.is_array() || one.is_object()) =>
        {
            Ok(Test::AnythingBut(list.iter().map(test).collect::<Result<_, _>>()?))
        }
        ("anything-but", Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null) => {
            Ok(Test::AnythingBut(vec![test(operand)?]))
        }
        (
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" | "exists" | "cidr" | "numeric" | "anything-but",
            _,
        ) => Err(Invalid(format!("{name} match pattern has a value of the wrong type"))),
        _ => Err(Invalid(format!("Unrecognized match type {name}"))),
    }
}

/// `[">", 0, "<=", 5]`
fn numeric(list: &[Value]) -> Result<Test, Invalid> {
    let pair = |pair: &[Value]| {
        let comparison = match pair.first().and_then(Value::as_str) {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some(">") => Comparison::Greater,
            Some(">=") => Comparison::GreaterOrEqual,
            _ => return Err(Invalid("Unrecognized numeric range operator".to_owned())),
        };
        let limit = pair.get(1).and_then(Value::as_f64);
        Ok((comparison, limit.ok_or_else(|| Invalid("Value of numeric operator must be numeric".to_owned()))?))
    };
    if list.is_empty() || list.len() > 4 {
        return Err(Invalid("Invalid member in numeric match".to_owned()));
    }
    Ok(Test::Numeric(list.chunks(2).map(pair).collect::<Result<_, _>>()?))
}

/// `*` is any text, a backslash takes the next character as it is.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where to go on after the last star: behind it in the pattern, one further in the text.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), text.get(from)) {
            (Some(b'*'), _) => {
                star = Some((at + 1, from));
                at += 1;
                continue;
            }
            (None, None) => return true,
            (Some(b'\\'), Some(byte)) if pattern.get(at + 1) == Some(byte) => {
                (at, from) = (at + 2, from + 1);
                continue;
            }
            (Some(wanted), Some(byte)) if wanted == byte && *wanted != b'\\' => {
                (at, from) = (at + 1, from + 1);
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, begun)) if begun < text.len() => {
                star = Some((after, begun + 1));
                (at, from) = (after, begun + 1);
            }
            _ => return false,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let free = width - u32::from(bits);
        free >= width || a >> free == b >> free
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(pattern: Value, event: Value) -> bool {
        EventPattern::parse(&pattern.to_string()).unwrap().matches(&event)
    }

    #[test]
    fn values_and_nesting() {
        let event = json!({ "eventName": "INSERT", "dynamodb": { "Keys": { "id": { "S": "a-1" } }, "n": 5 }, "tags": ["x", "y"], "none": null });
        assert!(matches(json!({ "eventName": ["INSERT", "MODIFY"] }), event.clone()));
        assert!(!matches(json!({ "eventName": ["insert"] }), event.clone()));
        assert!(matches(json!({ "dynamodb": { "Keys": { "id": { "S": [{ "prefix": "a-" }] } } } }), event.clone()));
        assert!(matches(json!({ "dynamodb": { "n": [5.0] }, "tags": ["y"] }), event.clone()));
        assert!(matches(json!({ "none": [null], "missing": [{ "exists": false }] }), event.clone()));
        assert!(!matches(json!({ "missing": [null] }), event.clone()));
        assert!(matches(json!({ "missing": { "below": [{ "exists": false }] } }), event.clone()));
        assert!(matches(json!({ "$or": [{ "eventName": ["x"] }, { "tags": ["x"] }] }), event.clone()));
        assert!(!matches(json!({ "$or": [{ "eventName": ["x"] }, { "tags": ["z"] }] }), event));
    }

    #[test]
    fn operators() {
        let holds = |test: Value, value: Value| matches(json!({ "v": [test] }), json!({ "v": value }));
        assert!(
            holds(json!({ "suffix": ".png" }), json!("a.png")) && !holds(json!({ "suffix": ".png" }), json!("a.PNG"))
        );
        assert!(holds(json!({ "suffix": { "equals-ignore-case": ".png" } }), json!("a.PNG")));
        assert!(holds(json!({ "equals-ignore-case": "Alice" }), json!("aLICE")));
        assert!(
            holds(json!({ "numeric": [">", 0, "<=", 5] }), json!(5))
                && !holds(json!({ "numeric": [">", 0, "<=", 5] }), json!(0))
        );
        assert!(!holds(json!({ "numeric": ["=", 5] }), json!("5")));
        assert!(
            holds(json!({ "anything-but": ["a", "b"] }), json!("c"))
                && !holds(json!({ "anything-but": ["a", "b"] }), json!("b"))
        );
        assert!(
            holds(json!({ "anything-but": { "prefix": "x" } }), json!("a"))
                && !holds(json!({ "anything-but": 5 }), json!(5))
        );
        assert!(!holds(json!({ "anything-but": "a" }), json!(["b", "a"])));
        assert!(
            holds(json!({ "wildcard": "a*c*e" }), json!("abcde"))
                && !holds(json!({ "wildcard": "a*c" }), json!("abcd"))
        );
        assert!(
            holds(json!({ "wildcard": "a\\*c" }), json!("a*c")) && !holds(json!({ "wildcard": "a\\*c" }), json!("abc"))
        );
        assert!(
            holds(json!({ "cidr": "10.0.0.0/24" }), json!("10.0.0.255"))
                && !holds(json!({ "cidr": "10.0.0.0/24" }), json!("10.0.1.0"))
        );
        assert!(holds(json!({ "exists": true }), json!("")) && !holds(json!({ "exists": false }), json!(1)));
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":[]}"#,
            r#"{"a":[{"prefix":1}]}"#,
            r#"{"a":[{"unknown":1}]}"#,
            r#"{"a":[{"prefix":"x","suffix":"y"}]}"#,
            r#"{"a":[{"numeric":["<"]}]}"#,
            r#"{"a":[{"cidr":"1.2.3.4/33"}]}"#,
            r#"{"a":[["b"]]}"#,
        ] {
            assert!(EventPattern::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in ".{0,80}", text in ".{0,40}") {
            let _ = EventPattern::parse(&pattern);
            let _ = wildcard(pattern.as_bytes(), text.as_bytes());
        }

        #[test]
        fn a_wildcard_matches_what_it_was_made_of(parts in prop::collection::vec("[a-c]{0,4}", 1..5), between in prop::collection::vec("[a-c]{0,4}", 4)) {
            let pattern = parts.join("*");
            let text: String = parts.iter().enumerate().map(|(index, part)| if index == 0 { part.clone() } else { format!("{}{part}", between[index - 1]) }).collect();
            prop_assert!(wildcard(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
