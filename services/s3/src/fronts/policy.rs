//! The policy of a posted form: until when it holds, and what the fields must be.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use serde_json::Value;
use service::{ApiError, Timestamp};

/// A policy that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct FormPolicy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Equal { name: String, value: String, text: String },
    StartsWith { name: String, value: String, text: String },
    Length(u64, u64),
}

fn invalid(text: &str) -> ApiError {
    ApiError::new(400, "InvalidPolicyDocument", format!("Invalid Policy: {text}"))
}

fn denied(text: &str) -> ApiError {
    ApiError::new(403, "AccessDenied", format!("Invalid according to Policy: {text}"))
}

/// A scalar as the text that a field would have.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

impl FormPolicy {
    pub fn parse(document: &[u8]) -> Result<FormPolicy, ApiError> {
        let document: Value = serde_json::from_slice(document).map_err(|_| invalid("Invalid JSON."))?;
        let get = |name: &str| {
            document.as_object().and_then(|members| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
        };
        let (_, expiration) = get("expiration").ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = expiration.as_str().unwrap_or_default();
        let expiration = Timestamp::parse(expiration)
            .filter(|_| expiration.contains('T'))
            .ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?;
        let (_, conditions) = get("conditions").ok_or_else(|| invalid("Policy missing conditions."))?;
        let list = conditions.as_array().ok_or_else(|| invalid("Invalid 'conditions' value: must be a List."))?;
        let conditions = list.iter().map(condition).collect::<Result<_, _>>()?;
        Ok(FormPolicy { expiration, conditions })
    }

    /// How long the file may be, if the policy says.
    pub fn length(&self) -> Option<(u64, u64)> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Length(low, high) => Some((*low, *high)),
            _ => None,
        })
    }

    /// Checks the fields of a form, among them `bucket`.
    pub fn check(&self, fields: &[(String, String)], now: Timestamp) -> Result<(), ApiError> {
        if now >= self.expiration {
            return Err(denied("Policy expired."));
        }
        let value_of = |name: &str| fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        for condition in &self.conditions {
            let (holds, text) = match condition {
                Condition::Equal { name, value, text } => (value_of(name) == value, text),
                Condition::StartsWith { name, value, text } => {
                    // Every type of a list must have the beginning.
                    let given = value_of(name);
                    let all = name != "content-type" || given.split(',').all(|one| one.trim().starts_with(value));
                    (given.starts_with(value.as_str()) && all, text)
                }
                Condition::Length(..) => continue,
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {text}")));
            }
        }
        let covered = |field: &str| {
            self.conditions.iter().any(|condition| match condition {
                Condition::Equal { name, .. } | Condition::StartsWith { name, .. } => name == field,
                Condition::Length(..) => false,
            })
        };
        const FREE: [&str; 5] = ["x-amz-signature", "file", "policy", "awsaccesskeyid", "signature"];
        let extra: Vec<&str> = (fields.iter())
            .map(|(name, _)| name.as_str())
            .filter(|name| !FREE.contains(name) && !name.starts_with("x-ignore-") && !covered(name))
            .collect();
        if extra.is_empty() {
            return Ok(());
        }
        Err(denied(&format!("Extra input fields: {}", extra.join(", "))))
    }
}

fn condition(value: &Value) -> Result<Condition, ApiError> {
    match value {
        Value::Object(members) => {
            let mut members = members.iter();
            let (Some((name, value)), None) = (members.next(), members.next()) else {
                let text = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.";
                return Err(invalid(text));
            };
            let value = scalar(value).ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
            let text = serde_json::json!(["eq", format!("${name}"), value]).to_string().replace("\",", "\", ");
            Ok(Condition::Equal { name: name.to_ascii_lowercase(), value, text })
        }
        Value::Array(parts) => {
            let operator = parts.first().and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
            let [_, second, third] = parts.as_slice() else {
                return Err(invalid("Invalid Condition: wrong number of arguments."));
            };
            if operator == "content-length-range" {
                let number = |value: &Value| {
                    value
                        .as_u64()
                        .or_else(|| value.as_str()?.parse().ok())
                        .ok_or_else(|| invalid("Invalid content-length-range: the limits must be numbers."))
                };
                return Ok(Condition::Length(number(second)?, number(third)?));
            }
            let name = second.as_str().and_then(|name| name.strip_prefix('$'));
            let name = name.ok_or_else(|| invalid("Invalid Condition: field names begin with '$'."))?;
            let name = name.to_ascii_lowercase();
            let value = scalar(third).ok_or_else(|| invalid("Invalid Condition: value must be a string."))?;
            let quoted: Vec<String> = parts.iter().map(Value::to_string).collect();
            let text = format!("[{}]", quoted.join(", "));
            match operator.as_str() {
                "eq" => Ok(Condition::Equal { name, value, text }),
                "starts-with" => Ok(Condition::StartsWith { name, value, text }),
                _ => Err(invalid(&format!("Invalid Condition: unknown operation '{operator}'."))),
            }
        }
        _ => Err(invalid("Invalid Condition: conditions are lists or objects.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(conditions: &Value) -> Result<FormPolicy, ApiError> {
        let document = json!({ "expiration": "2030-01-01T00:00:00Z", "conditions": conditions });
        FormPolicy::parse(document.to_string().as_bytes())
    }

    fn check(conditions: &Value, fields: &[(&str, &str)]) -> String {
        let fields: Vec<_> = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        match policy(conditions).unwrap().check(&fields, Timestamp::from_secs(0)) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.message.replace("Invalid according to Policy: ", ""),
        }
    }

    #[test]
    fn conditions() {
        let exact = json!([{ "bucket": "b" }, ["eq", "$key", "k"]]);
        assert_eq!(check(&exact, &[("bucket", "b"), ("key", "k")]), "ok");
        assert_eq!(
            check(&exact, &[("bucket", "b"), ("key", "x")]),
            "Policy Condition failed: [\"eq\", \"$key\", \"k\"]"
        );
        assert_eq!(
            check(&exact, &[("bucket", "c"), ("key", "k")]),
            "Policy Condition failed: [\"eq\", \"$bucket\", \"b\"]"
        );
        assert_eq!(check(&exact, &[("bucket", "b"), ("key", "k"), ("acl", "x")]), "Extra input fields: acl");
        assert_eq!(check(&exact, &[("bucket", "b"), ("key", "k"), ("x-ignore-a", "x")]), "ok");
        // The policy must also say for which bucket it is.
        let anywhere = json!([["eq", "$key", "k"]]);
        assert_eq!(check(&anywhere, &[("bucket", "b"), ("key", "k")]), "Extra input fields: bucket");
        let start = json!([["starts-with", "$KEY", "a/"], ["content-length-range", 0, "5"]]);
        assert_eq!(check(&start, &[("key", "a/b")]), "ok");
        assert_eq!(check(&start, &[("key", "b")]), "Policy Condition failed: [\"starts-with\", \"$KEY\", \"a/\"]");
        assert_eq!(policy(&start).unwrap().length(), Some((0, 5)));
    }

    #[test]
    fn policies_that_are_no_policies() {
        for bad in ["", "{}", r#"{"expiration":"x","conditions":[]}"#, r#"{"expiration":"2030-01-01T00:00:00Z"}"#] {
            assert_eq!(FormPolicy::parse(bad.as_bytes()).unwrap_err().code, "InvalidPolicyDocument");
        }
        for bad in [json!([{}]), json!([["eq", "key", "x"]]), json!([["is", "$key", "x"]]), json!([1]), json!({})] {
            assert!(policy(&bad).is_err(), "{bad}");
        }
        let late = policy(&json!([])).unwrap().check(&[], Timestamp::from_secs(4_000_000_000));
        assert_eq!(late.unwrap_err().message, "Invalid according to Policy: Policy expired.");
    }
}
