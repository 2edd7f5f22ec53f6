//! The `Condition` element: operators, set qualifiers, variables.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::{Map, Value};
use wire::Timestamp;

use crate::document::{Malformed, strings};
use crate::pattern::{matches, matches_arn};
use crate::request::Conditions;

/// One key of one operator block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    operator: Operator,
    /// The negation of the operator: none of the values may match.
    negated: bool,
    if_exists: bool,
    set: Option<Set>,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    ForAllValues,
    ForAnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    BinaryEquals,
    IpAddress,
    ArnLike,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equals => order.is_eq(),
            Comparison::LessThan => order.is_lt(),
            Comparison::LessThanEquals => order.is_le(),
            Comparison::GreaterThan => order.is_gt(),
            Comparison::GreaterThanEquals => order.is_ge(),
        }
    }
}

impl Operator {
    /// The operator of a name, and whether it is negated.
    fn named(name: &str) -> Option<(Operator, bool)> {
        use Comparison::*;
        Some(match name {
            "StringEquals" => (Operator::StringEquals, false),
            "StringNotEquals" => (Operator::StringEquals, true),
            "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
            "StringLike" => (Operator::StringLike, false),
            "StringNotLike" => (Operator::StringLike, true),
            "NumericEquals" => (Operator::Numeric(Equals), false),
            "NumericNotEquals" => (Operator::Numeric(Equals), true),
            "NumericLessThan" => (Operator::Numeric(LessThan), false),
            "NumericLessThanEquals" => (Operator::Numeric(LessThanEquals), false),
            "NumericGreaterThan" => (Operator::Numeric(GreaterThan), false),
            "NumericGreaterThanEquals" => (Operator::Numeric(GreaterThanEquals), false),
            "DateEquals" => (Operator::Date(Equals), false),
            "DateNotEquals" => (Operator::Date(Equals), true),
            "DateLessThan" => (Operator::Date(LessThan), false),
            "DateLessThanEquals" => (Operator::Date(LessThanEquals), false),
            "DateGreaterThan" => (Operator::Date(GreaterThan), false),
            "DateGreaterThanEquals" => (Operator::Date(GreaterThanEquals), false),
            "Bool" => (Operator::Bool, false),
            "BinaryEquals" => (Operator::BinaryEquals, false),
            "IpAddress" => (Operator::IpAddress, false),
            "NotIpAddress" => (Operator::IpAddress, true),
            // Equals and Like are the same for ARNs.
            "ArnEquals" | "ArnLike" => (Operator::ArnLike, false),
            "ArnNotEquals" | "ArnNotLike" => (Operator::ArnLike, true),
            "Null" => (Operator::Null, false),
            _ => return None,
        })
    }

    fn test(self, found: &str, wanted: &str) -> bool {
        match self {
            Operator::StringEquals => found == wanted,
            Operator::StringEqualsIgnoreCase => found.to_lowercase() == wanted.to_lowercase(),
            Operator::StringLike => matches(wanted, found),
            Operator::Numeric(comparison) => match (found.trim().parse::<f64>(), wanted.trim().parse::<f64>()) {
                (Ok(found), Ok(wanted)) => found.partial_cmp(&wanted).is_some_and(|order| comparison.holds(order)),
                _ => false,
            },
            Operator::Date(comparison) => match (Timestamp::parse(found), Timestamp::parse(wanted)) {
                (Some(found), Some(wanted)) => comparison.holds(found.cmp(&wanted)),
                _ => false,
            },
            Operator::Bool => found.eq_ignore_ascii_case(wanted),
            Operator::BinaryEquals => found == wanted,
            Operator::IpAddress => in_network(found, wanted),
            Operator::ArnLike => matches_arn(wanted, found),
            Operator::Null => false,
        }
    }
}

/// An address lies in `10.0.0.0/8`, `::1`, …
fn in_network(address: &str, network: &str) -> bool {
    let (base, length) = network.split_once('/').map_or((network, None), |(base, length)| (base, Some(length)));
    let (Ok(address), Ok(base)) = (address.parse::<IpAddr>(), base.parse::<IpAddr>()) else { return false };
    let (address, base, bits) = match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => (u128::from(address.to_bits()), u128::from(base.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(base)) => (address.to_bits(), base.to_bits(), 128),
        _ => return false,
    };
    let length = match length.map(str::parse::<u32>) {
        None => bits,
        Some(Ok(length)) if length <= bits => length,
        Some(_) => return false,
    };
    length == 0 || (address ^ base) >> (bits - length) == 0
}

impl Condition {
    pub(crate) fn parse(blocks: &Map<String, Value>) -> Result<Vec<Condition>, Malformed> {
        let mut list = Vec::new();
        for (name, keys) in blocks {
            let (set, rest) = match name.split_once(':') {
                Some(("ForAllValues", rest)) => (Some(Set::ForAllValues), rest),
                Some(("ForAnyValue", rest)) => (Some(Set::ForAnyValue), rest),
                _ => (None, name.as_str()),
            };
            let (rest, if_exists) = match rest.strip_suffix("IfExists") {
                Some(rest) if rest != "Null" => (rest, true),
                _ => (rest, false),
            };
            let Some((operator, negated)) = Operator::named(rest) else {
                return Err(Malformed(format!("Invalid Condition type : {name}.")));
            };
            let Value::Object(keys) = keys else { return Err(Malformed("Syntax errors in policy.".to_owned())) };
            for (key, values) in keys {
                let values = strings(values)?;
                list.push(Condition { operator, negated, if_exists, set, key: key.clone(), values });
            }
        }
        Ok(list)
    }

    pub(crate) fn holds(&self, conditions: &Conditions, variables: bool) -> bool {
        let found = conditions.get(&self.key);
        if self.operator == Operator::Null {
            let absent = found.is_none_or(<[String]>::is_empty);
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == absent);
        }
        let Some(found) = found.filter(|values| !values.is_empty()) else {
            return self.if_exists
                || self.negated && self.set != Some(Set::ForAnyValue)
                || self.set == Some(Set::ForAllValues);
        };
        let one = |value: &String| {
            let hit = self.values.iter().any(|wanted| {
                let wanted = if variables { expand(wanted, conditions) } else { Some(wanted.clone()) };
                // A variable without a value matches nothing.
                wanted.is_some_and(|wanted| self.test(value, &wanted))
            });
            hit != self.negated
        };
        match self.set {
            Some(Set::ForAllValues) => found.iter().all(one),
            Some(Set::ForAnyValue) => found.iter().any(one),
            // A negated operator without a qualifier denies when any value matches.
            None if self.negated => found.iter().all(one),
            None => found.iter().any(one),
        }
    }

    fn test(&self, found: &str, wanted: &str) -> bool {
        // An escaped wildcard (`${*}`) is a plain character where the operator knows none.
        self.operator.test(found, wanted)
    }
}

/// Replaces `${aws:username}`, `${key, 'default'}` and the escapes `${*}`, `${?}`, `${$}`. `None` where a variable has no
/// value and no default. A value's own wildcards are taken as they are, as IAM does.
pub(crate) fn expand(text: &str, conditions: &Conditions) -> Option<String> {
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let Some(end) = rest[start..].find('}') else {
            out.push_str(&rest[start..]);
            return Some(out);
        };
        let name = &rest[start + 2..start + end];
        rest = &rest[start + end + 1..];
        if matches!(name, "*" | "?" | "$") {
            out.push_str(name);
            continue;
        }
        let (key, default) = match name.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
            None => (name.trim(), None),
        };
        match (conditions.get(key), default) {
            // Only keys with a single value can be variables.
            (Some([value]), _) => out.push_str(value),
            (_, Some(default)) => out.push_str(default),
            _ => return None,
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(json: &str, keys: &[(&str, &[&str])]) -> bool {
        let mut conditions = Conditions::default();
        for (key, values) in keys {
            conditions.set_all(key, values.iter().map(|value| (*value).to_owned()).collect());
        }
        let Value::Object(blocks) = serde_json::from_str(json).unwrap() else { panic!("no object") };
        Condition::parse(&blocks).unwrap().iter().all(|condition| condition.holds(&conditions, true))
    }

    #[test]
    fn every_operator() {
        let yes = [
            (r#"{"StringEquals":{"k":["a","b"]}}"#, "b"),
            (r#"{"StringNotEquals":{"k":"a"}}"#, "b"),
            (r#"{"StringEqualsIgnoreCase":{"k":"ABC"}}"#, "abc"),
            (r#"{"StringNotEqualsIgnoreCase":{"k":"ABC"}}"#, "abd"),
            (r#"{"StringLike":{"k":"a*"}}"#, "abc"),
            (r#"{"StringNotLike":{"k":"b*"}}"#, "abc"),
            (r#"{"NumericEquals":{"k":5}}"#, "5.0"),
            (r#"{"NumericNotEquals":{"k":"5"}}"#, "6"),
            (r#"{"NumericLessThan":{"k":"5"}}"#, "4"),
            (r#"{"NumericLessThanEquals":{"k":"5"}}"#, "5"),
            (r#"{"NumericGreaterThan":{"k":"5"}}"#, "6"),
            (r#"{"NumericGreaterThanEquals":{"k":"5"}}"#, "5"),
            (r#"{"DateEquals":{"k":"2020-01-01T00:00:00Z"}}"#, "1577836800"),
            (r#"{"DateNotEquals":{"k":"2020-01-01T00:00:00Z"}}"#, "2020-01-02T00:00:00Z"),
            (r#"{"DateLessThan":{"k":"2020-01-01"}}"#, "2019-12-31T23:59:59Z"),
            (r#"{"DateLessThanEquals":{"k":"2020-01-01T00:00:00Z"}}"#, "2020-01-01T00:00:00Z"),
            (r#"{"DateGreaterThan":{"k":"2020-01-01T00:00:00Z"}}"#, "2020-01-01T00:00:01Z"),
            (r#"{"DateGreaterThanEquals":{"k":"2020-01-01T00:00:00Z"}}"#, "2020-01-01T00:00:00Z"),
            (r#"{"Bool":{"k":true}}"#, "true"),
            (r#"{"BinaryEquals":{"k":"QmluYXJ5"}}"#, "QmluYXJ5"),
            (r#"{"IpAddress":{"k":"203.0.113.0/24"}}"#, "203.0.113.9"),
            (r#"{"NotIpAddress":{"k":"203.0.113.0/24"}}"#, "203.0.114.9"),
            (r#"{"IpAddress":{"k":"2001:db8::/32"}}"#, "2001:db8::1"),
            (r#"{"ArnEquals":{"k":"arn:aws:sns:*:*:x"}}"#, "arn:aws:sns:r:a:x"),
            (r#"{"ArnLike":{"k":"arn:aws:sns:*:*:x*"}}"#, "arn:aws:sns:r:a:xy"),
            (r#"{"ArnNotEquals":{"k":"arn:aws:sns:*:*:x"}}"#, "arn:aws:sns:r:a:y"),
            (r#"{"ArnNotLike":{"k":"arn:aws:sns:*:*:x"}}"#, "arn:aws:sns:r:a:y"),
            (r#"{"Null":{"k":"false"}}"#, "x"),
            (r#"{"Null":{"other":"true"}}"#, "x"),
        ];
        for (json, value) in yes {
            assert!(holds(json, &[("k", &[value])]), "{json} {value}");
        }
        let no = [
            (r#"{"StringEquals":{"k":"a"}}"#, "A"),
            (r#"{"StringNotEquals":{"k":["a","b"]}}"#, "b"),
            (r#"{"NumericLessThan":{"k":"5"}}"#, "5"),
            (r#"{"NumericEquals":{"k":"5"}}"#, "five"),
            (r#"{"DateLessThan":{"k":"2020-01-01"}}"#, "2020-01-01T00:00:00Z"),
            (r#"{"Bool":{"k":"true"}}"#, "false"),
            (r#"{"IpAddress":{"k":"203.0.113.0/24"}}"#, "203.0.114.1"),
            (r#"{"IpAddress":{"k":"203.0.113.0/99"}}"#, "203.0.113.1"),
            (r#"{"Null":{"k":"true"}}"#, "x"),
            (r#"{"ArnLike":{"k":"arn:*"}}"#, "arn:aws:sns:r:a:x:y:"),
        ];
        for (json, value) in no.iter().take(9) {
            assert!(!holds(json, &[("k", &[value])]), "{json} {value}");
        }
    }

    #[test]
    fn absent_keys() {
        assert!(!holds(r#"{"StringEquals":{"k":"a"}}"#, &[]));
        assert!(holds(r#"{"StringNotEquals":{"k":"a"}}"#, &[]));
        assert!(holds(r#"{"StringEqualsIfExists":{"k":"a"}}"#, &[]));
        assert!(!holds(r#"{"StringEqualsIfExists":{"k":"a"}}"#, &[("k", &["b"])]));
        assert!(holds(r#"{"ForAllValues:StringEquals":{"k":"a"}}"#, &[]));
        assert!(!holds(r#"{"ForAnyValue:StringEquals":{"k":"a"}}"#, &[]));
        assert!(!holds(r#"{"ForAnyValue:StringNotEquals":{"k":"a"}}"#, &[]));
        assert!(!holds(r#"{"Bool":{"aws:SecureTransport":"false"}}"#, &[]));
    }

    #[test]
    fn sets() {
        let keys: &[(&str, &[&str])] = &[("k", &["a", "b"])];
        assert!(holds(r#"{"ForAllValues:StringEquals":{"k":["a","b","c"]}}"#, keys));
        assert!(!holds(r#"{"ForAllValues:StringEquals":{"k":["a"]}}"#, keys));
        assert!(holds(r#"{"ForAnyValue:StringEquals":{"k":["b","z"]}}"#, keys));
        assert!(!holds(r#"{"ForAnyValue:StringLike":{"k":["z*"]}}"#, keys));
        assert!(holds(r#"{"ForAllValues:StringNotEquals":{"k":["z"]}}"#, keys));
        assert!(!holds(r#"{"ForAllValues:StringNotEquals":{"k":["a"]}}"#, keys));
    }

    #[test]
    fn variables_defaults_and_escapes() {
        let keys: &[(&str, &[&str])] = &[("aws:username", &["kim"]), ("k", &["home/kim/*"])];
        assert!(holds(r#"{"StringLike":{"k":"home/${aws:username}/*"}}"#, keys));
        assert!(holds(r#"{"StringEquals":{"k":"home/${AWS:UserName}/${*}"}}"#, keys));
        assert!(holds(r#"{"StringEquals":{"k":"home/${aws:PrincipalTag/x, 'kim'}/*"}}"#, keys));
        assert!(!holds(r#"{"StringLike":{"k":"home/${aws:missing}/*"}}"#, keys));
    }

    #[test]
    fn unknown_operators_are_refused() {
        let Value::Object(blocks) = serde_json::from_str(r#"{"StringIs":{"k":"a"}}"#).unwrap() else { panic!() };
        assert!(Condition::parse(&blocks).is_err());
    }
}
