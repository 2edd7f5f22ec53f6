//! The events that functions get of a connection and its messages.

use crate::request::{Identity, Request};
use execute_api::text::canonical_name;
use serde_json::{Map, Value as Json, json};
use wire::Timestamp;

/// What an event is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Connect,
    Message { id: String },
    Disconnect { code: u16, reason: String },
}

/// The connection that an event is of.
#[derive(Debug, Clone, Default)]
pub struct Of {
    pub id: String,
    pub connected_at: Timestamp,
}

/// The event for a proxied integration.
pub fn event(request: &Request, of: &Of, kind: &Kind) -> Json {
    let mut event = Map::new();
    if *kind == Kind::Connect || matches!(kind, Kind::Disconnect { .. }) {
        parameters(&mut event, request, *kind == Kind::Connect);
    }
    event.insert("requestContext".to_owned(), context(request, of, kind));
    if !request.stage_variables.is_empty() {
        event.insert("stageVariables".to_owned(), json!(request.stage_variables));
    }
    if matches!(kind, Kind::Message { .. }) {
        event.insert("body".to_owned(), json!(String::from_utf8_lossy(&request.body)));
    }
    event.insert("isBase64Encoded".to_owned(), json!(false));
    Json::Object(event)
}

/// The question for an authorizer's function: asked when a connection is opened.
pub fn question(request: &Request, of: &Of) -> Json {
    let mut event = Map::new();
    event.insert("type".to_owned(), json!("REQUEST"));
    event.insert("methodArn".to_owned(), json!(request.arn()));
    parameters(&mut event, request, true);
    event.entry("queryStringParameters".to_owned()).or_insert_with(|| json!({}));
    event.entry("multiValueQueryStringParameters".to_owned()).or_insert_with(|| json!({}));
    event.insert("stageVariables".to_owned(), json!(request.stage_variables));
    event.insert("requestContext".to_owned(), context(request, of, &Kind::Connect));
    Json::Object(event)
}

fn parameters(event: &mut Map<String, Json>, request: &Request, query: bool) {
    let headers = request.headers.iter().map(|(name, value)| (canonical_name(name), value.clone()));
    let headers: Vec<(String, String)> = headers.collect();
    event.insert("headers".to_owned(), last(&headers));
    event.insert("multiValueHeaders".to_owned(), multiple(&headers));
    if query && !request.query.is_empty() {
        event.insert("queryStringParameters".to_owned(), last(&request.query));
        event.insert("multiValueQueryStringParameters".to_owned(), multiple(&request.query));
    }
}

/// `requestContext`, which is `$context` in templates too.
pub fn context(request: &Request, of: &Of, kind: &Kind) -> Json {
    let mut context = json!({
        "routeKey": request.route_key,
        "eventType": match kind {
            Kind::Connect => "CONNECT",
            Kind::Message { .. } => "MESSAGE",
            Kind::Disconnect { .. } => "DISCONNECT",
        },
        "extendedRequestId": request.request_id,
        "requestTime": request.formatted_time(),
        "messageDirection": "IN",
        "stage": request.stage,
        "connectedAt": of.connected_at.millis(),
        "requestTimeEpoch": request.time.millis(),
        "identity": {"sourceIp": request.source_ip},
        "requestId": request.request_id,
        "domainName": request.domain,
        "connectionId": of.id,
        "apiId": request.api,
    });
    if let Some(agent) = request.header("user-agent") {
        context["identity"]["userAgent"] = json!(agent);
    }
    match kind {
        Kind::Message { id } => context["messageId"] = json!(id),
        Kind::Disconnect { code, reason } => {
            context["disconnectStatusCode"] = json!(code);
            context["disconnectReason"] = json!(reason);
        }
        Kind::Connect => {}
    }
    match &request.identity {
        Some(Identity::Lambda { context: said, principal }) => {
            let mut authorizer = said.clone();
            authorizer.insert("principalId".to_owned(), json!(principal));
            context["authorizer"] = Json::Object(authorizer);
        }
        Some(Identity::Iam(caller)) => {
            context["identity"]["accountId"] = json!(caller.account);
            context["identity"]["caller"] = json!(caller.user_id);
            context["identity"]["user"] = json!(caller.user_id);
            context["identity"]["userArn"] = json!(caller.arn);
        }
        _ => {}
    }
    context
}

fn last(pairs: &[(String, String)]) -> Json {
    Json::Object(pairs.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect())
}

fn multiple(pairs: &[(String, String)]) -> Json {
    let mut values: Map<String, Json> = Map::new();
    for (name, value) in pairs {
        if let Some(list) = values.entry(name.clone()).or_insert_with(|| json!([])).as_array_mut() {
            list.push(Json::from(value.as_str()));
        }
    }
    Json::Object(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_say_what_happened() {
        let request = Request {
            headers: vec![("user-agent".into(), "x".into())],
            query: vec![("a".into(), "1".into())],
            body: "hi".into(),
            route_key: "$default".into(),
            ..Request::default()
        };
        let of = Of { id: "c=".into(), connected_at: Timestamp::from_secs(1) };
        let connect = event(&request, &of, &Kind::Connect);
        assert_eq!(connect["requestContext"]["eventType"], "CONNECT");
        assert_eq!((&connect["queryStringParameters"]["a"], connect.get("body")), (&json!("1"), None));
        let message = event(&request, &of, &Kind::Message { id: "m".into() });
        assert_eq!((&message["body"], message.get("headers")), (&json!("hi"), None));
        assert_eq!(message["requestContext"]["messageId"], "m");
        let gone = event(&request, &of, &Kind::Disconnect { code: 1001, reason: "bye".into() });
        assert_eq!(gone["requestContext"]["disconnectStatusCode"], 1001);
        assert!(gone.get("queryStringParameters").is_none());
    }
}
