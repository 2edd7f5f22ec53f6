//! What a function URL makes of a request and of a function's answer: payload format 2.0.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::store::CrossOrigin;
use crate::streaming::{INTEGRATION, Prelude, prelude};

const LABEL: &str = ".lambda-url.";

/// `http://ID.lambda-url.REGION.localhost:4566/`: names below `localhost` lead to this machine.
pub fn address(endpoint: &str, id: &str, region: &str) -> String {
    let port = endpoint.rsplit(':').next().unwrap_or_default();
    format!("http://{id}{LABEL}{region}.localhost:{port}/")
}

/// The id in a host name.
pub fn id(host: &str) -> Option<&str> {
    let (id, _) = host.split_once(LABEL)?;
    (!id.is_empty()).then_some(id)
}

/// A request, as far as a function sees it.
pub struct Incoming<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a Bytes,
    pub host: &'a str,
    pub source_ip: &'a str,
    pub request_id: &'a str,
    pub url_id: &'a str,
    pub account: &'a str,
    pub millis: i64,
    /// `02/Jan/2026:15:04:05 +0000`
    pub time: String,
    pub iam: Option<Value>,
}

/// The event.
pub fn event(request: &Incoming<'_>) -> Value {
    let mut headers = Map::new();
    for name in request.headers.keys().filter(|name| *name != COOKIE) {
        let values: Vec<_> =
            request.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": if request.iam.is_some() { request.account } else { "anonymous" },
            "apiId": request.url_id,
            "domainName": request.host,
            "domainPrefix": request.url_id,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": text(request.headers, "user-agent"),
            },
            "requestId": request.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": request.time,
            "timeEpoch": request.millis,
        },
        "isBase64Encoded": false,
    });
    if let Some(iam) = &request.iam {
        event["requestContext"]["authorizer"] = json!({ "iam": iam });
    }
    let cookies: Vec<Value> =
        text(request.headers, "cookie").split("; ").filter(|cookie| !cookie.is_empty()).map(Value::from).collect();
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    let parameters = parameters(request.query);
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    if !request.body.is_empty() {
        match std::str::from_utf8(request.body).ok().filter(|_| is_text(&text(request.headers, "content-type"))) {
            Some(body) => event["body"] = body.into(),
            None => {
                event["body"] = BASE64_STANDARD.encode(request.body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let named = ["application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded"];
    kind.starts_with("text/") || named.contains(&kind.as_str()) || kind.ends_with("+json") || kind.ends_with("+xml")
}

/// Decoded query parameters; repeated ones are joined by commas.
fn parameters(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, value) in wire::rest::parse_query(query) {
        match parameters.get_mut(&name) {
            Some(Value::String(values)) => {
                values.push(',');
                values.push_str(&value);
            }
            _ => {
                parameters.insert(name, value.into());
            }
        }
    }
    parameters
}

/// The response that a function's answer means. An answer without a status code is itself the body.
pub fn response(payload: &[u8]) -> Response<Bytes> {
    let Ok(answer) = serde_json::from_slice::<Value>(payload) else {
        // What a function streamed was gathered.
        return streamed(Some(INTEGRATION), &Bytes::copy_from_slice(payload)).unwrap_or_else(bad_gateway);
    };
    let Some(status) = answer.get("statusCode").and_then(Value::as_u64) else {
        return plain(StatusCode::OK, Bytes::copy_from_slice(payload));
    };
    let Some(status) = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok()) else {
        return bad_gateway();
    };
    let body = match answer.get("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(body)) if answer["isBase64Encoded"] == true => match BASE64_STANDARD.decode(body) {
            Ok(body) => body.into(),
            Err(_) => return bad_gateway(),
        },
        Some(Value::String(body)) => Bytes::copy_from_slice(body.as_bytes()),
        Some(other) => other.to_string().into(),
    };
    with_head(&answer, plain(status, body))
}

/// The headers and cookies that an answer asks for.
fn with_head(answer: &Value, mut response: Response<Bytes>) -> Response<Bytes> {
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// The response that a stream means, with what has arrived of its body; `None` while its head is not complete. A stream has
/// a head of its own only where its content type says so.
pub fn streamed(content_type: Option<&str>, arrived: &Bytes) -> Option<Response<Bytes>> {
    let kind = HeaderValue::from_str(content_type.unwrap_or("application/octet-stream")).ok();
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    if kind != INTEGRATION {
        let mut response = plain(StatusCode::OK, arrived.clone());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        return Some(response);
    }
    let Prelude { head, rest } = prelude(arrived)?;
    let Ok(head) = serde_json::from_slice::<Value>(&head) else { return Some(bad_gateway()) };
    let status = head.get("statusCode").and_then(Value::as_u64).unwrap_or(200);
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else { return Some(bad_gateway()) };
    let mut response = plain(status, rest);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Some(with_head(&head, response))
}

/// The function failed, or its answer makes no sense.
pub fn bad_gateway() -> Response<Bytes> {
    plain(StatusCode::BAD_GATEWAY, Bytes::from_static(b"Internal Server Error"))
}

pub fn forbidden() -> Response<Bytes> {
    let body = b"{\"Message\":\"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html\"}";
    plain(StatusCode::FORBIDDEN, Bytes::from_static(body))
}

pub fn plain(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The headers with which a URL lets pages of other origins read its answers.
pub fn allow_origin(cors: &CrossOrigin, origin: &str, preflight: bool, headers: &mut HeaderMap) {
    let any = cors.origins.iter().any(|allowed| allowed == "*");
    if !any && !cors.origins.iter().any(|allowed| allowed == origin) {
        return;
    }
    let mut set = |name: &'static str, value: String| {
        if let (Ok(value), false) = (HeaderValue::from_str(&value), value.is_empty()) {
            headers.insert(name, value);
        }
    };
    set("access-control-allow-origin", if any && !cors.credentials { "*".into() } else { origin.to_owned() });
    set("access-control-expose-headers", cors.expose.join(","));
    if cors.credentials {
        set("access-control-allow-credentials", "true".into());
    }
    if preflight {
        set("access-control-allow-headers", cors.headers.join(","));
        set("access-control-allow-methods", cors.methods.join(","));
        set("access-control-max-age", cors.max_age.map(|age| age.to_string()).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_becomes_an_event() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("cookie", HeaderValue::from_static("a=1; b=2"));
        let request = Incoming {
            method: "POST",
            path: "/x",
            query: "q=1&q=2&r=%20",
            headers: &headers,
            body: &Bytes::from_static(b"{}"),
            host: "id.lambda-url.us-east-1.localhost",
            source_ip: "127.0.0.1",
            request_id: "r",
            url_id: "id",
            account: "000000000000",
            millis: 0,
            time: String::new(),
            iam: None,
        };
        let event = event(&request);
        assert_eq!(event["queryStringParameters"], json!({ "q": "1,2", "r": " " }));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"{}".into(), &false.into()));
        assert_eq!(event["headers"], json!({ "content-type": "application/json" }));
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
    }

    #[test]
    fn answers_with_and_without_a_status() {
        let whole = response(
            br#"{"statusCode":201,"headers":{"X-A":"b"},"cookies":["c=1"],"body":"aGk=","isBase64Encoded":true}"#,
        );
        assert_eq!((whole.status().as_u16(), &whole.body()[..]), (201, &b"hi"[..]));
        assert_eq!(
            (whole.headers()["x-a"].as_bytes(), whole.headers()["set-cookie"].as_bytes()),
            (&b"b"[..], &b"c=1"[..])
        );
        let bare = response(br#""text""#);
        assert_eq!((bare.status().as_u16(), &bare.body()[..]), (200, &b"\"text\""[..]));
        assert_eq!(response(br#"{"statusCode":9999}"#).status().as_u16(), 502);
    }

    #[test]
    fn streams_with_and_without_a_head() {
        let plain = streamed(Some("text/plain"), &Bytes::from_static(b"x")).unwrap();
        assert_eq!((plain.status().as_u16(), &plain.body()[..]), (200, &b"x"[..]));
        assert_eq!(plain.headers()["content-type"], "text/plain");
        let head = b"{\"statusCode\":201,\"headers\":{\"X-A\":\"b\"},\"cookies\":[\"c=1\"]}\0\0\0\0\0\0\0\0hi";
        let whole = streamed(Some(INTEGRATION), &Bytes::from_static(head)).unwrap();
        assert_eq!((whole.status().as_u16(), &whole.body()[..]), (201, &b"hi"[..]));
        assert_eq!(
            (&whole.headers()["x-a"], &whole.headers()["set-cookie"]),
            (&"b".parse().unwrap(), &"c=1".parse().unwrap())
        );
        assert!(streamed(Some(INTEGRATION), &Bytes::from_static(&head[..20])).is_none());
        assert_eq!(response(head).status().as_u16(), 201);
    }

    #[test]
    fn hosts_name_urls() {
        assert_eq!(
            address("http://127.0.0.1:4566", "abc", "us-east-1"),
            "http://abc.lambda-url.us-east-1.localhost:4566/"
        );
        assert_eq!(id("abc.lambda-url.us-east-1.on.aws"), Some("abc"));
        assert_eq!(id("s3.us-east-1.localhost"), None);
    }
}
