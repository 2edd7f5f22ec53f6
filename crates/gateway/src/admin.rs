//! What is not AWS: health, reset and the clock, under `/_welkin/`, and the addresses by which wrappers made for other
//! local clouds recognise one.
//!
//! They need no signature, as they serve whoever runs the cloud. A web page in a browser cannot reach those that change
//! something: any request with an `Origin` is refused.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use service::{Clock, ClockMode, Cloud, Range, Timestamp};

use crate::authorize::Pipeline;
use crate::body::Body;

/// The largest body an administrative request may have.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// Whether the path is administrative.
pub(crate) fn is_admin(path: &str) -> bool {
    path.starts_with("/_welkin/") || path == "/_localstack/health" || path == "/moto-api/reset"
}

pub(crate) fn answer(cloud: &Arc<Cloud>, pipeline: &Pipeline, parts: &Parts, body: &[u8]) -> Response<Body> {
    let changes = parts.method != Method::GET && parts.method != Method::HEAD;
    if changes && parts.headers.contains_key("origin") {
        return reply(403, &json!({ "message": "administrative requests are not accepted from web pages" }));
    }
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET" | "HEAD", "/_welkin/health") => reply(200, &health(cloud)),
        ("GET" | "HEAD", "/_localstack/health") => reply(200, &localstack(cloud)),
        ("POST", "/_welkin/reset" | "/moto-api/reset") => match cloud.reset() {
            Ok(()) => reply(200, &json!({ "status": "ok" })),
            Err(error) => reply(500, &json!({ "message": error.to_string() })),
        },
        ("GET", "/_welkin/clock") => reply(200, &show(&cloud.clock)),
        ("POST", "/_welkin/clock") => match set(&cloud.clock, body) {
            Ok(()) => reply(200, &show(&cloud.clock)),
            Err(message) => reply(400, &json!({ "message": message })),
        },
        ("GET", "/_welkin/denials") => reply(200, &denials(pipeline)),
        ("GET", "/_welkin/services") => reply(200, &services(cloud)),
        (_, path) => reply(404, &json!({ "message": format!("there is no {path} here") })),
    }
}

fn reply(status: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(format!("{value}\n"))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn health(cloud: &Cloud) -> Value {
    let services: Vec<&str> = cloud.services().map(|service| service.model().name).collect();
    json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "region": cloud.config.region,
        "account": cloud.config.default_account,
        "certificateAuthority": cloud.config.authority,
        "auth": if cloud.config.strict { "strict" } else { "default" },
        "services": services,
    })
}

/// In LocalStack's form: wrappers and testcontainers modules look for `services` and `version`.
fn localstack(cloud: &Cloud) -> Value {
    let services: serde_json::Map<String, Value> =
        cloud.services().map(|service| (service.model().name.to_owned(), json!("available"))).collect();
    json!({ "services": services, "edition": "welkin", "version": env!("CARGO_PKG_VERSION") })
}

/// Counting stops here: the status of a large cloud must not cost more than a glance.
const MOST_COUNTED: usize = 100_000;

/// Coverage of the models (which operations are there), and how many resources of each kind there are.
fn services(cloud: &Cloud) -> Value {
    let list: serde_json::Map<String, Value> = cloud
        .services()
        .map(|service| {
            let known: Vec<&str> = service.operations().iter().map(|operation| operation.model().name).collect();
            let total = service.model().operations.len();
            let resources: serde_json::Map<String, Value> = service
                .resources()
                .iter()
                .map(|(kind, prefix)| {
                    let count = cloud.store.scan(Range::prefix(prefix.as_bytes())).take(MOST_COUNTED).count();
                    ((*kind).to_owned(), json!(count))
                })
                .collect();
            (service.model().name.to_owned(), json!({ "operations": known, "of": total, "resources": resources }))
        })
        .collect();
    Value::Object(list)
}

fn show(clock: &Clock) -> Value {
    let now = clock.now();
    match clock.mode() {
        ClockMode::Running { offset } => {
            json!({ "now": now.iso8601_millis(), "mode": "running", "offsetMillis": offset })
        }
        ClockMode::Frozen { .. } => json!({ "now": now.iso8601_millis(), "mode": "frozen" }),
    }
}

/// One of `{"advanceMillis": n}`, `{"offsetMillis": n}`, `{"freeze": true}`, `{"freezeAt": "…"}`, `{"resume": true}`.
fn set(clock: &Clock, body: &[u8]) -> Result<(), String> {
    let request: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if let Some(millis) = request["advanceMillis"].as_i64() {
        clock.advance(millis);
    } else if let Some(offset) = request["offsetMillis"].as_i64() {
        clock.set(ClockMode::Running { offset });
    } else if let Some(text) = request["freezeAt"].as_str() {
        let at = Timestamp::parse(text).ok_or_else(|| format!("{text} is not a time"))?;
        clock.set(ClockMode::Frozen { at });
    } else if request["freeze"] == true {
        clock.freeze();
    } else if request["resume"] == true {
        clock.resume();
    } else {
        return Err("say advanceMillis, offsetMillis, freeze, freezeAt or resume".to_owned());
    }
    Ok(())
}

fn denials(pipeline: &Pipeline) -> Value {
    let list: Vec<Value> = pipeline
        .denials()
        .into_iter()
        .map(|denial| {
            json!({
                "time": denial.time.iso8601_millis(),
                "requestId": denial.request_id,
                "principal": denial.principal,
                "action": denial.action,
                "resource": denial.resource,
                "explicit": denial.denial.explicit,
                "policyKind": denial.denial.kind.name(),
                "statement": denial.denial.statement,
                "considered": denial.considered,
            })
        })
        .collect();
    json!({ "denials": list })
}
