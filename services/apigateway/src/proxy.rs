//! The Lambda proxy integration: the event that a function gets and the answer that it must give (format 1.0).

use crate::{
    gateway_response::{Failure, Reply},
    request::{Incoming, is_binary},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value as Json, json};

/// The event for a request.
pub fn event(request: &Incoming, binary_types: &[String]) -> Json {
    let binary = request.header("content-type").is_some_and(|content_type| is_binary(binary_types, content_type));
    let body = if request.body.is_empty() {
        Json::Null
    } else if binary {
        Json::from(BASE64.encode(&request.body))
    } else {
        Json::from(String::from_utf8_lossy(&request.body).into_owned())
    };
    json!({
        "resource": request.resource_path,
        "path": request.shown.as_deref().unwrap_or(if request.path.is_empty() { "/" } else { &request.path }),
        "httpMethod": request.method,
        "headers": single(&request.headers),
        "multiValueHeaders": multiple(&request.headers),
        "queryStringParameters": single(&request.query),
        "multiValueQueryStringParameters": multiple(&request.query),
        "pathParameters": some(&request.path_parameters),
        "stageVariables": some(&request.stage_variables),
        "requestContext": request.context(),
        "body": body,
        "isBase64Encoded": binary && !request.body.is_empty(),
    })
}

/// An empty collection is null in the event.
fn some(values: &std::collections::BTreeMap<String, String>) -> Json {
    if values.is_empty() { Json::Null } else { json!(values) }
}

fn single(pairs: &[(String, String)]) -> Json {
    if pairs.is_empty() {
        return Json::Null;
    }
    Json::Object(pairs.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect())
}

fn multiple(pairs: &[(String, String)]) -> Json {
    if pairs.is_empty() {
        return Json::Null;
    }
    let mut values = Map::new();
    for (name, value) in pairs {
        let list = values.entry(name.clone()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(Json::from(value.as_str()));
        }
    }
    Json::Object(values)
}

/// Headers that an integration may not set itself; what it sent is kept under another name.
const REMAPPED: [&str; 15] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "trailer",
    "upgrade",
    "user-agent",
    "www-authenticate",
    "x-amzn-requestid",
];

/// The name under which a header of an integration is passed on.
pub fn header_name(name: &str) -> String {
    if REMAPPED.contains(&name.to_ascii_lowercase().as_str()) {
        format!("x-amzn-Remapped-{name}")
    } else {
        name.to_owned()
    }
}

/// Reads a function's answer; anything but the agreed form is a bad gateway.
pub fn reply(payload: &[u8], request: &Incoming, binary_types: &[String]) -> Result<Reply, Failure> {
    let malformed = || Failure::configuration("Malformed Lambda proxy response").with_status(502);
    let answer: Json = serde_json::from_slice(payload).map_err(|_| malformed())?;
    let members = answer.as_object().ok_or_else(malformed)?;
    let known = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];
    if members.keys().any(|key| !known.contains(&key.as_str())) {
        return Err(malformed());
    }
    let status = match members.get("statusCode") {
        None | Some(Json::Null) => 200,
        Some(Json::String(text)) => text.parse().map_err(|_| malformed())?,
        Some(number) => number.as_u64().and_then(|status| u16::try_from(status).ok()).ok_or_else(malformed)?,
    };
    if !(100..1000).contains(&status) {
        return Err(malformed());
    }
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in object(members.get("multiValueHeaders")).ok_or_else(malformed)? {
        for value in values.as_array().ok_or_else(malformed)? {
            headers.push((header_name(name), scalar(value).ok_or_else(malformed)?));
        }
    }
    for (name, value) in object(members.get("headers")).ok_or_else(malformed)? {
        if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        match value {
            Json::Null => headers.push((header_name(name), String::new())),
            value => headers.push((header_name(name), scalar(value).ok_or_else(malformed)?)),
        }
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    let text = match members.get("body") {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(_) => return Err(malformed()),
    };
    let encoded = members.get("isBase64Encoded").is_some_and(|flag| *flag == true || *flag == "true");
    let body = if encoded && wants_binary(request, binary_types) {
        BASE64.decode(text.as_bytes()).map_err(|_| malformed())?
    } else {
        text.into_bytes()
    };
    Ok(Reply { status, headers, body: body.into(), rest: None })
}

/// Reads the head of an answer that streams: its status, headers and cookies.
pub fn streamed_head(head: &[u8]) -> Result<Reply, Failure> {
    let malformed = || Failure::configuration("Malformed Lambda proxy response").with_status(502);
    let head: Json = serde_json::from_slice(head).map_err(|_| malformed())?;
    let members = head.as_object().ok_or_else(malformed)?;
    let status = match members.get("statusCode") {
        None | Some(Json::Null) => 200,
        Some(number) => number.as_u64().and_then(|status| u16::try_from(status).ok()).ok_or_else(malformed)?,
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in object(members.get("headers")).ok_or_else(malformed)? {
        headers.push((header_name(name), scalar(value).ok_or_else(malformed)?));
    }
    for (name, values) in object(members.get("multiValueHeaders")).ok_or_else(malformed)? {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        for value in values.as_array().ok_or_else(malformed)? {
            headers.push((header_name(name), scalar(value).ok_or_else(malformed)?));
        }
    }
    for cookie in members.get("cookies").and_then(Json::as_array).into_iter().flatten() {
        headers.push(("Set-Cookie".to_owned(), scalar(cookie).ok_or_else(malformed)?));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    Ok(Reply { status, headers, ..Reply::default() })
}

/// A base64 body is decoded for a client whose first wish is a binary type; the type of the body itself does not count.
fn wants_binary(request: &Incoming, binary_types: &[String]) -> bool {
    let accepted = request.header("accept").and_then(|accept| accept.split(',').next()).unwrap_or("application/json");
    is_binary(binary_types, accepted)
}

fn object(value: Option<&Json>) -> Option<Box<dyn Iterator<Item = (&String, &Json)> + '_>> {
    match value {
        None | Some(Json::Null) => Some(Box::new(std::iter::empty())),
        Some(Json::Object(members)) => Some(Box::new(members.iter())),
        Some(_) => None,
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Incoming {
        Incoming {
            method: "POST".to_owned(),
            path: "/users/7".to_owned(),
            resource_path: "/users/{id}".to_owned(),
            stage: "v1".to_owned(),
            query: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: "{}".into(),
            path_parameters: [("id".to_owned(), "7".to_owned())].into(),
            ..Incoming::default()
        }
    }

    #[test]
    fn the_event_carries_the_request() {
        let event = event(&request(), &[]);
        assert_eq!(event["resource"], "/users/{id}");
        assert_eq!(event["path"], "/users/7");
        assert_eq!(event["queryStringParameters"], json!({"a": "2"}));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"]}));
        assert_eq!(event["pathParameters"], json!({"id": "7"}));
        assert_eq!(event["stageVariables"], Json::Null);
        assert_eq!(event["body"], "{}");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["path"], "/v1/users/7");
    }

    #[test]
    fn binary_bodies_travel_as_base64() {
        let types = ["application/json".to_owned()];
        let event = event(&request(), &types);
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("e30="), &json!(true)));
        let answer = json!({"statusCode": 200, "body": "aGk=", "isBase64Encoded": true});
        let text = |types: &[String]| reply(answer.to_string().as_bytes(), &request(), types).unwrap().body;
        assert_eq!(text(&types), "hi");
        assert_eq!(text(&[]), "aGk=");
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = json!({
            "statusCode": "201",
            "headers": {"X-A": 1, "Date": "now"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": "ok",
        });
        let reply = reply(answer.to_string().as_bytes(), &request(), &[]).unwrap();
        assert_eq!(reply.status, 201);
        assert_eq!(reply.body, "ok");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            reply.headers,
            [
                pair("Set-Cookie", "a=1"),
                pair("Set-Cookie", "b=2"),
                pair("X-A", "1"),
                pair("x-amzn-Remapped-Date", "now"),
                pair("Content-Type", "application/json"),
            ]
        );
    }

    #[test]
    fn the_head_of_a_stream_is_read() {
        let head = streamed_head(br#"{"statusCode":201,"headers":{"X-A":"1"},"cookies":["a=1"]}"#).unwrap();
        assert_eq!((head.status, head.headers[0].1.as_str(), head.headers[1].1.as_str()), (201, "1", "a=1"));
        assert!(streamed_head(b"[]").is_err() && streamed_head(b"{\"statusCode\":\"x\"}").is_err());
    }

    #[test]
    fn a_malformed_answer_is_a_bad_gateway() {
        for payload in [
            "null",
            "\"text\"",
            "[]",
            "{\"foo\":1}",
            "{\"statusCode\":\"x\"}",
            "{\"statusCode\":200,\"body\":{}}",
            "{\"statusCode\":200,\"headers\":[]}",
            "{\"statusCode\":200,\"headers\":{\"a\":{}}}",
            "",
            "{\"statusCode\":7}",
        ] {
            let failure = reply(payload.as_bytes(), &request(), &[]).unwrap_err();
            assert_eq!((failure.status, failure.message.as_str()), (Some(502), "Internal server error"), "{payload}");
        }
    }
}
