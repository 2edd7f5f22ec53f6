//! Whether a bucket policy makes a bucket public.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>

use serde_json::Value;

/// Condition keys that name who may come in. A statement that fixes one of them is not public.
const FIXED: [&str; 10] = [
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalaccount",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceowner",
    "aws:sourceaccount",
    "aws:userid",
    "aws:sourceip",
];

/// Whether some statement of a policy lets everybody in.
pub fn is_public(policy: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = match &document["Statement"] {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && (everybody(&statement["Principal"]) || !statement["NotPrincipal"].is_null())
            && !fixed(&statement["Condition"])
    })
}

fn everybody(principal: &Value) -> bool {
    match principal {
        Value::String(text) => text == "*",
        Value::Array(list) => list.iter().any(everybody),
        Value::Object(kinds) => kinds.get("AWS").is_some_and(everybody),
        _ => false,
    }
}

fn fixed(condition: &Value) -> bool {
    let operators = condition.as_object().into_iter().flat_map(|operators| operators.values());
    let mut keys = operators.filter_map(Value::as_object).flatten();
    keys.any(|(key, values)| {
        let texts = match values {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect::<Vec<_>>(),
        };
        FIXED.contains(&key.to_ascii_lowercase().as_str())
            && !texts.iter().any(|text| text.contains(['*', '?', '$']) || *text == "0.0.0.0/0" || *text == "::/0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_comes_in() {
        let public = |principal: Value, condition: Value| {
            let statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*", "Condition": condition });
            is_public(&json!({ "Statement": [statement] }).to_string())
        };
        assert!(public(json!("*"), json!({})));
        assert!(public(json!({ "AWS": ["*"] }), json!({})));
        assert!(public(json!("*"), json!({ "Bool": { "aws:SecureTransport": "true" } })));
        assert!(public(json!("*"), json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } })));
        assert!(!public(json!("*"), json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } })));
        assert!(!public(json!({ "AWS": "arn:aws:iam::123456789012:root" }), json!({})));
        assert!(!public(json!({ "Service": "logs.amazonaws.com" }), json!({})));
        assert!(!is_public("{"));
    }
}
