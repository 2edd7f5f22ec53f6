//! Parameter mapping of HTTP APIs: what is appended to, overwritten in or removed from a request before its integration
//! sees it, and from the answer.

use crate::{
    error::Error,
    reply::Reply,
    request::{Request, lookup, text},
};
use apigatewayv2_api::Integration;
use expressions::jsonpath;
use serde_json::Value as Json;

/// Headers that nobody may map.
const RESTRICTED: [&str; 19] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
const RESTRICTED_PREFIXES: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];

/// Whether the mappings of an integration can be carried out.
pub fn check(integration: &Integration) -> Result<(), Error> {
    if integration.integration_subtype.is_none() {
        for key in integration.request_parameters.iter().flat_map(|all| all.keys()) {
            check_key(key, &["header", "querystring"], "path")?;
        }
    }
    for (status, mappings) in integration.response_parameters.iter().flatten() {
        if !status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)) {
            return invalid(&format!(
                "Invalid status code {status} in ResponseParameters. It must be between 200 and 599"
            ));
        }
        for key in mappings.keys() {
            check_key(key, &["header"], "statuscode")?;
        }
    }
    Ok(())
}

fn check_key(key: &str, places: &[&str], whole: &str) -> Result<(), Error> {
    let wrong = || invalid(&format!("Invalid mapping expression specified: {key}"));
    let Some((action, target)) = key.split_once(':') else { return wrong() };
    if action == "overwrite" && target == whole {
        return Ok(());
    }
    let Some((place, name)) = target.split_once('.') else { return wrong() };
    if !["append", "overwrite", "remove"].contains(&action) || !places.contains(&place) || name.is_empty() {
        return wrong();
    }
    let lower = name.to_ascii_lowercase();
    let restricted =
        RESTRICTED.contains(&lower.as_str()) || RESTRICTED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if place == "header" && restricted {
        return invalid(&format!("Operations on header {name} are restricted"));
    }
    Ok(())
}

fn invalid(reason: &str) -> Result<(), Error> {
    let message =
        format!("Invalid mapping expression specified: Validation Result: warnings : [], errors : [{reason}]");
    Err(Error::BadRequest(message))
}

/// The value of a mapping: text with variables, `$request.header.x` or `${request.header.x}`. None where it is one
/// variable that has no value.
pub fn resolve(template: &str, find: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.starts_with('{');
        let name = after.strip_prefix('{').unwrap_or(after);
        let end = match braced {
            true => name.find('}'),
            false => Some(bare_end(name)),
        };
        let known = ["request.", "response.", "context.", "stageVariables.", "integration."];
        match end {
            Some(end) if known.iter().any(|prefix| name[..end].starts_with(prefix)) => {
                let name = &name[..end];
                rest = &after[name.len() + if braced { 2 } else { 0 }..];
                let found = find(name);
                if found.is_none() && out.is_empty() && rest.is_empty() {
                    return None;
                }
                out.push_str(&found.unwrap_or_default());
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    Some(out + rest)
}

/// Where a variable without braces ends. Header names have dashes, and paths into a body brackets.
fn bare_end(name: &str) -> usize {
    let signs = match name {
        _ if name.starts_with("request.body") || name.starts_with("response.body") => "._-[]*:@'",
        _ if name.starts_with("request.") || name.starts_with("response.") => "._-",
        _ => "._",
    };
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || signs.contains(c))).unwrap_or(name.len());
    name[..end].trim_end_matches('.').len()
}

/// A variable of a request: `request.header.x`, `context.x`, `stageVariables.x`.
pub fn of_request(name: &str, request: &Request, context: &Json) -> Option<String> {
    let (root, path) = name.split_once('.')?;
    match root {
        "context" => lookup(context, path),
        "stageVariables" => request.stage_variables.get(path).cloned(),
        "request" => match path.split_once('.').unwrap_or((path, "")) {
            ("header", name) => request.header(name),
            ("querystring", name) => request.query_value(name),
            ("path", "") => Some(if request.path.is_empty() { "/".to_owned() } else { request.path.clone() }),
            ("path", name) => request.path_parameters.get(name).cloned(),
            ("method", "") => Some(request.method.clone()),
            ("body", path) => of_body(path, &request.body),
            _ => None,
        },
        _ => None,
    }
}

/// A part of a JSON body, or all of it.
pub fn of_body(path: &str, body: &[u8]) -> Option<String> {
    if path.is_empty() {
        return Some(String::from_utf8_lossy(body).into_owned()).filter(|text| !text.is_empty());
    }
    let path = if path.starts_with('$') { path.to_owned() } else { format!("$.{path}") };
    let path = jsonpath::Path::parse(&path).ok()?;
    let document: Json = serde_json::from_slice(body).ok()?;
    text(&path.query(&document).ok()??)
}

/// Changes a request as its integration wants it.
pub fn request(integration: &Integration, request: &mut Request) {
    let original = request.clone();
    let context = original.context();
    let find = |name: &str| of_request(name, &original, &context);
    for (key, template) in integration.request_parameters.iter().flatten() {
        let Some((action, target)) = key.split_once(':') else { continue };
        if target == "path" {
            if let Some(path) = resolve(template, &find) {
                request.raw_path = if path.starts_with('/') { path } else { format!("/{path}") };
            }
            continue;
        }
        let Some((place, name)) = target.split_once('.') else { continue };
        let values = if place == "header" { &mut request.headers } else { &mut request.query };
        change(values, action, name, place == "header", resolve(template, &find));
    }
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    if request.query != original.query {
        let pairs = request.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        request.raw_query = pairs.collect::<Vec<_>>().join("&");
    }
}

fn change(values: &mut Vec<(String, String)>, action: &str, name: &str, fold: bool, value: Option<String>) {
    let name = if fold { name.to_ascii_lowercase() } else { name.to_owned() };
    match (action, value) {
        ("remove", _) => values.retain(|(known, _)| *known != name),
        ("append", Some(value)) => values.push((name, value)),
        ("overwrite", Some(value)) => {
            values.retain(|(known, _)| *known != name);
            values.push((name, value));
        }
        _ => {}
    }
}

/// Changes an answer as its integration wants it for the answer's status.
pub fn response(integration: &Integration, request: &Request, reply: &mut Reply) {
    let mappings = integration.response_parameters.as_ref().and_then(|all| all.get(&reply.status.to_string()));
    let Some(mappings) = mappings else { return };
    let original = reply.clone();
    let context = request.context();
    let find = |name: &str| match name.strip_prefix("response.") {
        Some(path) => match path.split_once('.').unwrap_or((path, "")) {
            ("header", name) => {
                let found = original.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                let values: Vec<&str> = found.map(|(_, value)| value.as_str()).collect();
                (!values.is_empty()).then(|| values.join(","))
            }
            ("body", path) => of_body(path, &original.body),
            _ => None,
        },
        None => of_request(name, request, &context),
    };
    for (key, template) in mappings {
        let Some((action, target)) = key.split_once(':') else { continue };
        let value = resolve(template, &find);
        if target == "statuscode" {
            let status = value.and_then(|value| value.parse().ok()).filter(|status| (100..1000).contains(status));
            reply.status = status.unwrap_or(reply.status);
        } else if let Some(name) = target.strip_prefix("header.") {
            change(&mut reply.headers, action, name, true, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| pair(name, value)).collect()
    }

    fn incoming() -> Request {
        Request {
            path: "/pets/7".into(),
            raw_path: "/dev/pets/7".into(),
            query: vec![pair("q", "1"), pair("old", "x")],
            headers: vec![pair("x-a", "1"), pair("x-gone", "1")],
            body: r#"{"pet":{"name":"rex"}}"#.into(),
            path_parameters: [pair("id", "7")].into(),
            stage_variables: [pair("color", "red")].into(),
            ..Request::default()
        }
    }

    #[test]
    fn requests_are_changed() {
        let integration = Integration {
            request_parameters: Some(map(&[
                ("append:header.x-a", "2"),
                ("overwrite:header.x-b", "${request.body.pet.name}-${stageVariables.color}"),
                ("remove:header.x-gone", "''"),
                ("overwrite:querystring.q", "$request.path.id"),
                ("remove:querystring.old", ""),
                ("append:header.x-none", "$request.header.none"),
                ("overwrite:path", "/animals${request.path}"),
            ])),
            ..Integration::default()
        };
        let mut request = incoming();
        super::request(&integration, &mut request);
        assert_eq!(request.headers, [pair("x-a", "1"), pair("x-a", "2"), pair("x-b", "rex-red")].to_vec());
        assert_eq!((request.query, request.raw_query.as_str()), (vec![pair("q", "7")], "q=7"));
        assert_eq!(request.raw_path, "/animals/pets/7");
    }

    #[test]
    fn answers_are_changed_by_status() {
        let mappings = map(&[
            ("overwrite:statuscode", "403"),
            ("append:header.x-id", "$response.body.id"),
            ("overwrite:header.x-old", "$response.header.x-old!"),
        ]);
        let integration =
            Integration { response_parameters: Some([("500".to_owned(), mappings)].into()), ..Integration::default() };
        let mut reply = Reply { status: 500, headers: vec![pair("x-old", "o")], body: r#"{"id":3}"#.into() };
        response(&integration, &incoming(), &mut reply);
        assert_eq!((reply.status, reply.headers), (403, vec![pair("x-id", "3"), pair("x-old", "o!")]));
        let mut fine = Reply { status: 200, ..Reply::default() };
        response(&integration, &incoming(), &mut fine);
        assert_eq!(fine.status, 200);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_template(template in r"(\$|\{|\}|request\.|header\.|x|-|context\.|é| ){0,12}", value in ".{0,5}") {
            let found = resolve(&template, &|_| Some(value.clone()));
            proptest::prop_assert!(found.is_some());
            // A text without variables is itself.
            if !template.contains('$') {
                proptest::prop_assert_eq!(found, Some(template));
            }
        }

        #[test]
        fn any_key_is_checked(key in ".{0,30}") {
            let _ = check_key(&key, &["header", "querystring"], "path");
        }
    }

    #[test]
    fn keys_are_checked() {
        let checked = |key: &str| {
            let request_parameters = Some(map(&[(key, "x")]));
            check(&Integration { request_parameters, ..Integration::default() }).is_ok()
        };
        for key in ["append:header.a", "overwrite:querystring.b", "remove:header.c", "overwrite:path"] {
            assert!(checked(key), "{key}");
        }
        for key in [
            "header.a",
            "append:path",
            "set:header.a",
            "append:header.",
            "append:header.Authorization",
            "append:body.x",
        ] {
            assert!(!checked(key), "{key}");
        }
    }
}
