//! JSON Schema draft 4, as API Gateway's models use it, with the wording of its validator.
//!
//! References to other models are resolved through the caller; nothing is ever fetched.

use jsonschema::{
    Draft, JsonType, Retrieve, Uri, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A compiled schema.
#[derive(Debug, Clone)]
pub struct Schema(Validator);

/// The documents that a schema may refer to, by address.
pub type Documents = BTreeMap<String, Json>;

struct Known(Documents);

impl Retrieve for Known {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.0.get(uri.as_str()).cloned();
        found.ok_or_else(|| format!("Unknown reference {}", uri.as_str()).into())
    }
}

impl Schema {
    /// Compiles a schema; the error says what is wrong with it.
    pub fn compile(schema: &Json, documents: Documents) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft4)
            .should_validate_formats(true)
            .with_retriever(Known(documents))
            .build(&without_dialect(schema))
            .map(Self)
            .map_err(|error| error.to_string())
    }

    /// What is wrong with an instance, one message a broken rule; empty when it is valid.
    pub fn validate(&self, instance: &Json) -> Vec<String> {
        let mut messages: Vec<String> = Vec::new();
        // One message names all the properties that an object lacks.
        let mut missing: Vec<(String, Vec<String>)> = Vec::new();
        for error in self.0.iter_errors(instance) {
            if let ValidationErrorKind::Required { property } = error.kind() {
                let rule = format!("{} {}", error.instance_path(), error.schema_path());
                let name = property.to_string();
                match missing.iter_mut().find(|(known, _)| *known == rule) {
                    Some((_, names)) => names.push(name),
                    None => missing.push((rule, vec![name])),
                }
            } else {
                messages.push(describe(&error));
            }
        }
        let missing = missing.into_iter().map(|(_, mut names)| {
            names.sort();
            format!("object has missing required properties ([{}])", names.join(","))
        });
        missing.chain(messages).collect()
    }
}

/// The schema without its `$schema`: API Gateway takes every model as draft 4, whatever it says.
fn without_dialect(schema: &Json) -> Json {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.shift_remove("$schema");
    }
    schema
}

/// The messages of an error list as one text, as `$context.error.validationErrorString` shows it.
pub fn summary(messages: &[String]) -> String {
    format!("[{}]", messages.join(", "))
}

fn describe(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    let instance = error.instance();
    match error.kind() {
        Kind::Type { kind } => {
            let mut allowed: Vec<&str> = match kind {
                TypeKind::Single(single) => vec![single.as_str()],
                TypeKind::Multiple(several) => several.iter().map(JsonType::as_str).collect(),
            };
            if allowed.contains(&"number") && !allowed.contains(&"integer") {
                allowed.push("integer");
            }
            allowed.sort_unstable();
            format!(
                "instance type ({}) does not match any allowed primitive type (allowed: {})",
                type_name(instance),
                Json::from(allowed)
            )
        }
        Kind::Enum { options } => {
            format!("instance value ({instance}) not found in enum (possible values: {options})")
        }
        Kind::AdditionalProperties { unexpected } => {
            let mut names = unexpected.clone();
            names.sort();
            format!("object instance has properties which are not allowed by the schema: {}", Json::from(names))
        }
        Kind::MinLength { limit } => {
            format!("string {instance} is too short (length: {}, required minimum: {limit})", length(instance))
        }
        Kind::MaxLength { limit } => {
            format!("string {instance} is too long (length: {}, maximum allowed: {limit})", length(instance))
        }
        Kind::Pattern { pattern } => {
            format!("ECMA 262 regex {} does not match input string {instance}", Json::from(pattern.as_str()))
        }
        Kind::Minimum { limit } => {
            format!("numeric instance is lower than the required minimum (minimum: {limit}, found: {instance})")
        }
        Kind::Maximum { limit } => {
            format!("numeric instance is greater than the required maximum (maximum: {limit}, found: {instance})")
        }
        Kind::ExclusiveMinimum { limit } => {
            format!("numeric instance is not strictly greater than the required minimum {limit}")
        }
        Kind::ExclusiveMaximum { limit } => {
            format!("numeric instance is not strictly lower than the required maximum {limit}")
        }
        Kind::MultipleOf { multiple_of } => format!("remainder of division is not zero ({instance} / {multiple_of})"),
        Kind::MinItems { limit } => {
            let found = length(instance);
            format!("array is too short: must have at least {limit} elements but instance has {found} elements")
        }
        Kind::MaxItems { limit } => {
            let found = length(instance);
            format!("array is too long: must have at most {limit} elements but instance has {found} elements")
        }
        Kind::AdditionalItems { limit } => {
            let found = length(instance);
            format!("array is too long: must have at most {limit} elements but instance has {found} elements")
        }
        Kind::UniqueItems => "array must not contain duplicate elements".to_owned(),
        Kind::MinProperties { limit } => {
            format!("object has too few properties (found {} but schema requires at least {limit})", length(instance))
        }
        Kind::MaxProperties { limit } => {
            format!("object has too many properties (found {} but schema requires at most {limit})", length(instance))
        }
        Kind::AnyOf { context } => {
            format!("instance failed to match at least one required schema among {}", context.len())
        }
        Kind::OneOfNotValid { context } => {
            format!("instance failed to match exactly one schema (matched 0 out of {})", context.len())
        }
        Kind::OneOfMultipleValid { context } => {
            let matched = context.iter().filter(|errors| errors.is_empty()).count();
            format!("instance failed to match exactly one schema (matched {matched} out of {})", context.len())
        }
        Kind::Not { .. } => "instance matched a schema which it should not have".to_owned(),
        Kind::Format { format } => match format.as_str() {
            "email" => format!("string {instance} is not a valid email address"),
            "uri" => format!("string {instance} is not a valid URI"),
            "ipv4" => format!("string {instance} is not a valid IPv4 address"),
            "ipv6" => format!("string {instance} is not a valid IPv6 address"),
            "date-time" => format!(
                "string {instance} is invalid against requested date format(s) \
                 [yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{{1,12}}Z]"
            ),
            _ => format!("string {instance} is invalid against requested format {format}"),
        },
        _ => error.to_string(),
    }
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn length(value: &Json) -> usize {
    match value {
        Json::String(text) => text.chars().count(),
        Json::Array(items) => items.len(),
        Json::Object(members) => members.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: Json, instance: Json) -> String {
        summary(&Schema::compile(&schema, Documents::new()).unwrap().validate(&instance))
    }

    #[test]
    fn one_message_names_all_missing_properties() {
        let schema = json!({"type": "object", "required": ["name", "age"], "properties": {"age": {"type": "integer"}}});
        assert_eq!(check(schema.clone(), json!({})), r#"[object has missing required properties (["age","name"])]"#);
        assert_eq!(
            check(schema, json!({"age": "x"})),
            r#"[object has missing required properties (["name"]), instance type (string) does not match any allowed primitive type (allowed: ["integer"])]"#
        );
    }

    #[test]
    fn rules_are_worded_as_api_gateway_words_them() {
        for (schema, instance, message) in [
            (
                json!({"type": "number"}),
                json!("x"),
                r#"instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])"#,
            ),
            (
                json!({"enum": ["a", "b"]}),
                json!("c"),
                r#"instance value ("c") not found in enum (possible values: ["a","b"])"#,
            ),
            (
                json!({"properties": {"y": {}}, "additionalProperties": false}),
                json!({"x": 1}),
                r#"object instance has properties which are not allowed by the schema: ["x"]"#,
            ),
            (json!({"minLength": 3}), json!("ab"), r#"string "ab" is too short (length: 2, required minimum: 3)"#),
            (
                json!({"minimum": 5}),
                json!(3),
                "numeric instance is lower than the required minimum (minimum: 5, found: 3)",
            ),
            (
                json!({"minimum": 5, "exclusiveMinimum": true}),
                json!(5),
                "numeric instance is not strictly greater than the required minimum 5",
            ),
            (json!({"pattern": "^a$"}), json!("b"), r#"ECMA 262 regex "^a$" does not match input string "b""#),
        ] {
            assert_eq!(check(schema, instance), format!("[{message}]"));
        }
    }

    #[test]
    fn references_resolve_among_the_given_documents_only() {
        let address = "https://apigateway.amazonaws.com/restapis/abc/models/Pet";
        let schema =
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "array", "items": {"$ref": address}});
        assert!(Schema::compile(&schema, Documents::new()).is_err());
        let documents = Documents::from([(address.to_owned(), json!({"type": "string"}))]);
        let compiled = Schema::compile(&schema, documents).unwrap();
        assert!(compiled.validate(&json!(["x"])).is_empty());
        assert_eq!(compiled.validate(&json!([1])).len(), 1);
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        assert!(Schema::compile(&json!({"type": "nonsense"}), Documents::new()).is_err());
    }
}
