//! The Extensions API and the subscriptions of the Telemetry and Logs APIs, as requests.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::agents::{Agents, Refusal, State};
use super::telemetry::{Buffering, Destination, Kind};
use super::{Answer, accepted, json as answer_json, not_found};

const NAME: &str = "lambda-extension-name";
const ID: &str = "lambda-extension-identifier";
const FEATURE: &str = "lambda-extension-accept-feature";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";
const BODY_LIMIT: usize = 64 << 10;

/// An answer that says no.
type Refused = Box<Answer>;

fn refuse(status: StatusCode, kind: &str, message: &str) -> Refused {
    Box::new(super::refuse(status, kind, message))
}

/// `None` where the path is not of these APIs.
pub async fn answer(agents: &Agents, request: Request<Incoming>) -> Option<Answer> {
    let path = request.uri().path().to_owned();
    let answer = match (request.method(), path.as_str()) {
        (&Method::POST, "/2020-01-01/extension/register") => register(agents, request).await,
        (&Method::GET, "/2020-01-01/extension/event/next") => next(agents, &request).await,
        (&Method::POST, "/2020-01-01/extension/init/error") => fail(agents, &request, "Extension.InitError"),
        (&Method::POST, "/2020-01-01/extension/exit/error") => fail(agents, &request, "Extension.ExitError"),
        (&Method::PUT, "/2022-07-01/telemetry" | "/2022-07-01/telemetry/") => {
            subscribe(agents, request, "Telemetry").await
        }
        (&Method::PUT, "/2020-08-15/logs" | "/2020-08-15/logs/") => subscribe(agents, request, "Logs").await,
        _ if path.starts_with("/2020-") || path.starts_with("/2022-") => Ok(not_found()),
        _ => return None,
    };
    Some(answer.unwrap_or_else(|refused| *refused))
}

fn header<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

async fn body(request: Request<Incoming>) -> Result<Value, Refused> {
    let invalid =
        || refuse(StatusCode::BAD_REQUEST, "InvalidRequestFormat", "The body is not JSON of the expected form");
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect().await.map_err(|_| invalid())?;
    serde_json::from_slice(&body.to_bytes()).map_err(|_| invalid())
}

fn refused(refusal: Refusal, name: &str) -> Refused {
    let (kind, message) = match refusal {
        Refusal::Closed => ("Extension.RegistrationClosed", "Extension registration closed already".to_owned()),
        Refusal::Name => {
            ("Extension.InvalidExtensionName", format!("Extension name '{name}' is empty or registered already"))
        }
        Refusal::Event => {
            ("Extension.InvalidEventType", "An event type is not supported for this extension".to_owned())
        }
        Refusal::TooMany => ("Extension.TooManyExtensions", "Extension limit (10) reached".to_owned()),
        Refusal::Unknown => ("Extension.UnknownExtensionIdentifier", "Unknown extension".to_owned()),
    };
    let status = if refusal == Refusal::Event { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
    refuse(status, kind, &message)
}

/// The identifier of a registered extension.
fn identify(agents: &Agents, request: &Request<Incoming>) -> Result<(String, String, State), Refused> {
    let missing = || {
        let message = "Missing Lambda-Extension-Identifier header";
        refuse(StatusCode::FORBIDDEN, "Extension.MissingExtensionIdentifier", message)
    };
    let id = header(request, ID).ok_or_else(missing)?.to_owned();
    let (name, state) = agents.find(&id).ok_or_else(|| refused(Refusal::Unknown, ""))?;
    Ok((id, name, state))
}

async fn register(agents: &Agents, request: Request<Incoming>) -> Result<Answer, Refused> {
    let missing = || refuse(StatusCode::FORBIDDEN, "Extension.MissingHeader", "Missing Lambda-Extension-Name header");
    let name = header(&request, NAME).ok_or_else(missing)?.to_owned();
    let with_account = header(&request, FEATURE).is_some_and(|features| features.contains("accountId"));
    let wanted = body(request).await?;
    let events: Vec<String> =
        wanted["events"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let about = agents.about().await;
    let id = agents.identifier();
    agents.register(id.clone(), &about, &name, &events).map_err(|refusal| refused(refusal, &name))?;
    agents.announce(&name, &events);
    let mut body = json!({ "functionName": about.name, "functionVersion": about.version, "handler": about.handler });
    if with_account {
        body["accountId"] = about.account.into();
    }
    let mut answer = answer_json(StatusCode::OK, body.to_string().into());
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(ID, id);
    }
    Ok(answer)
}

async fn next(agents: &Agents, request: &Request<Incoming>) -> Result<Answer, Refused> {
    let (id, ..) = identify(agents, request)?;
    let event = agents.next(&id).await.map_err(|refusal| refused(refusal, ""))?;
    let mut answer = answer_json(StatusCode::OK, event.to_string().into());
    if let Ok(id) = HeaderValue::from_str(&agents.identifier()) {
        answer.headers_mut().insert("lambda-extension-event-identifier", id);
    }
    Ok(answer)
}

fn fail(agents: &Agents, request: &Request<Incoming>, kind: &'static str) -> Result<Answer, Refused> {
    identify(agents, request)?;
    let missing = || {
        refuse(StatusCode::FORBIDDEN, "Extension.MissingHeader", "Missing Lambda-Extension-Function-Error-Type header")
    };
    let reason = header(request, ERROR_TYPE).ok_or_else(missing)?;
    agents.fail(kind, reason.to_owned());
    Ok(accepted())
}

/// Both APIs ask in the same way. Only an extension that is still initialising may subscribe.
async fn subscribe(agents: &Agents, request: Request<Incoming>, api: &str) -> Result<Answer, Refused> {
    let (_, name, state) = identify(agents, &request)?;
    if state != State::Registered {
        let message = format!("{api} API subscription is closed already");
        return Err(refuse(StatusCode::FORBIDDEN, &format!("{api}.SubscriptionClosed"), &message));
    }
    let wanted = body(request).await?;
    let invalid = |message: &str| refuse(StatusCode::BAD_REQUEST, "ValidationError", message);
    let types: Option<Vec<Kind>> =
        wanted["types"].as_array().into_iter().flatten().map(|kind| Kind::parse(kind.as_str()?)).collect();
    let types = types.filter(|types| !types.is_empty()).ok_or_else(|| invalid("types is not valid"))?;
    let destination = destination(&wanted["destination"]).ok_or_else(|| invalid("destination is not valid"))?;
    let buffering = buffering(&wanted["buffering"]).ok_or_else(|| invalid("buffering is not valid"))?;
    agents.announce_subscription(api, &name, &types);
    agents.hub.subscribe(types, destination, buffering);
    Ok(answer_json(StatusCode::OK, Bytes::from_static(b"\"OK\"")))
}

/// `{"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/path"}`, or a port for TCP.
fn destination(wanted: &Value) -> Option<Destination> {
    match wanted["protocol"].as_str()? {
        "TCP" => Some(Destination::Tcp { port: u16::try_from(wanted["port"].as_u64()?).ok()? }),
        "HTTP" => {
            let uri: hyper::Uri = wanted["URI"].as_str().or(wanted["uri"].as_str())?.parse().ok()?;
            let inside = matches!(uri.host()?, "sandbox.localdomain" | "sandbox");
            let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            inside.then(|| Destination::Http { port: uri.port_u16().unwrap_or(80), path })
        }
        _ => None,
    }
}

/// The defaults and limits of the documentation.
fn buffering(wanted: &Value) -> Option<Buffering> {
    let within = |name: &str, default: u64, low: u64, high: u64| match &wanted[name] {
        Value::Null => Some(default),
        value => value.as_u64().filter(|value| (low..=high).contains(value)),
    };
    Some(Buffering {
        items: within("maxItems", 10_000, 1_000, 10_000)? as usize,
        bytes: within("maxBytes", 262_144, 262_144, 1_048_576)? as usize,
        wait: Duration::from_millis(within("timeoutMs", 1_000, 25, 30_000)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_inside() {
        let http = |uri: &str| destination(&json!({ "protocol": "HTTP", "URI": uri }));
        let expected = Destination::Http { port: 4243, path: "/a?b".into() };
        assert_eq!(http("http://sandbox.localdomain:4243/a?b"), Some(expected));
        assert_eq!(http("http://169.254.169.254/"), None);
        assert_eq!(destination(&json!({ "protocol": "TCP", "port": 80_000 })), None);
        assert_eq!(destination(&json!({ "protocol": "TCP", "port": 80 })), Some(Destination::Tcp { port: 80 }));
    }

    #[test]
    fn buffering_has_limits() {
        assert_eq!(buffering(&Value::Null).map(|found| found.items), Some(10_000));
        assert!(buffering(&json!({ "timeoutMs": 24 })).is_none() && buffering(&json!({ "maxItems": 1 })).is_none());
        assert_eq!(buffering(&json!({ "timeoutMs": 25 })).map(|found| found.wait), Some(Duration::from_millis(25)));
    }
}
