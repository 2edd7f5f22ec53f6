//! Parameter mapping: where the value of a header, query parameter or path variable comes from.
//!
//! A source is `method.request.header.x`, `integration.response.body.$.x`, `context.x`, `stageVariables.x` or a
//! literal in single quotes.

use crate::request::Incoming;
use expressions::jsonpath;
use serde_json::Value as Json;

pub use execute_api::Answer;

/// The value of a source in an integration request.
pub fn for_request(source: &str, request: &Incoming, context: &Json) -> Option<String> {
    common(source, request, context).or_else(|| method_request(source.strip_prefix("method.request.")?, request))
}

/// The value of a source in a method response.
pub fn for_response(source: &str, request: &Incoming, context: &Json, answer: &Answer) -> Option<String> {
    if let Some(value) = common(source, request, context) {
        return Some(value);
    }
    let place = source.strip_prefix("integration.response.")?;
    if let Some(name) = place.strip_prefix("header.") {
        return answer.header(name).map(str::to_owned);
    }
    if let Some(name) = place.strip_prefix("multivalueheader.") {
        let values = answer.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        return (!values.is_empty()).then(|| values.join(","));
    }
    from_body(place, &answer.body)
}

fn common(source: &str, request: &Incoming, context: &Json) -> Option<String> {
    if let Some(literal) = source.strip_prefix('\'').and_then(|source| source.strip_suffix('\'')) {
        return Some(literal.to_owned());
    }
    if let Some(path) = source.strip_prefix("context.") {
        let found = jsonpath::Path::parse(&format!("$.{path}")).ok()?.query(context).ok()??;
        return text(&found);
    }
    request.stage_variables.get(source.strip_prefix("stageVariables.")?).cloned()
}

/// What stands after `method.request.`: a header, query parameter, path variable, or the body or a part of it.
pub fn method_request(place: &str, request: &Incoming) -> Option<String> {
    let (kind, name) = place.split_once('.').unwrap_or((place, ""));
    match kind {
        "header" => request.header(name).map(str::to_owned),
        "querystring" => request.query_value(name).map(str::to_owned),
        "path" => request.path_parameters.get(name).cloned(),
        "multivalueheader" => {
            let values = request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            joined(values.map(|(_, value)| value.as_str()))
        }
        "multivaluequerystring" => {
            let values = request.query.iter().filter(|(known, _)| known == name);
            joined(values.map(|(_, value)| value.as_str()))
        }
        _ => from_body(place, &request.body),
    }
}

fn joined<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let values: Vec<&str> = values.collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// `body` is all of it, `body.` a JSONPath into it.
fn from_body(place: &str, body: &[u8]) -> Option<String> {
    let body_text = || String::from_utf8_lossy(body).into_owned();
    if place == "body" {
        return Some(body_text());
    }
    let path = jsonpath::Path::parse(place.strip_prefix("body.")?).ok()?;
    let document: Json = serde_json::from_slice(body).ok()?;
    text(&path.query(&document).ok()??)
}

/// A JSON value as the text of a parameter; null is none.
pub fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a request's mapping has a source that can exist.
pub fn valid_request_source(source: &str) -> bool {
    let quoted = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
    let prefixes = ["method.request.", "context.", "stageVariables."];
    quoted || prefixes.iter().any(|prefix| source.len() > prefix.len() && source.starts_with(prefix))
}

/// Whether a response's mapping has a source that can exist.
pub fn valid_response_source(source: &str) -> bool {
    let quoted = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
    let prefixes = ["integration.response.", "context.", "stageVariables."];
    quoted || prefixes.iter().any(|prefix| source.len() > prefix.len() && source.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sources_lead_to_values() {
        let request = Incoming {
            query: vec![("q".into(), "1".into()), ("q".into(), "2".into())],
            headers: vec![("X-Id".into(), "h".into())],
            body: r#"{"a":{"b":[1,2]},"n":null}"#.into(),
            path_parameters: [("id".to_owned(), "7".to_owned())].into(),
            stage_variables: [("v".to_owned(), "s".to_owned())].into(),
            ..Incoming::default()
        };
        let context = json!({"identity": {"sourceIp": "1.2.3.4"}});
        for (source, expected) in [
            ("'lit'", Some("lit")),
            ("method.request.querystring.q", Some("2")),
            ("method.request.multivaluequerystring.q", Some("1,2")),
            ("method.request.header.x-id", Some("h")),
            ("method.request.path.id", Some("7")),
            ("method.request.body.a.b", Some("[1,2]")),
            ("method.request.body.n", None),
            ("method.request.header.nope", None),
            ("context.identity.sourceIp", Some("1.2.3.4")),
            ("stageVariables.v", Some("s")),
            ("integration.response.header.x", None),
        ] {
            assert_eq!(for_request(source, &request, &context).as_deref(), expected, "{source}");
        }
    }

    #[test]
    fn responses_draw_on_the_answer() {
        let answer =
            Answer { status: 200, headers: vec![("Location".into(), "/x".into())], body: r#"{"u":"v"}"#.into() };
        let value = |source: &str| for_response(source, &Incoming::default(), &json!({}), &answer);
        assert_eq!(value("integration.response.header.location").as_deref(), Some("/x"));
        assert_eq!(value("integration.response.body.u").as_deref(), Some("v"));
        assert_eq!(value("integration.response.body").as_deref(), Some(r#"{"u":"v"}"#));
        assert_eq!(value("'*'").as_deref(), Some("*"));
        assert_eq!(value("method.request.header.x"), None);
    }
}
