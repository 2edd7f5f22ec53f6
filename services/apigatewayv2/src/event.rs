//! The events that functions get, in both formats.

use crate::request::{Identity, Request};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use execute_api::text::media_type;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The body as an event carries it, and whether that is base64.
fn body(request: &Request) -> (Option<String>, bool) {
    if request.body.is_empty() {
        return (None, false);
    }
    let readable = request.header("content-type").is_some_and(|content_type| is_text(&content_type));
    match std::str::from_utf8(&request.body) {
        Ok(text) if readable => (Some(text.to_owned()), false),
        _ => (Some(BASE64.encode(&request.body)), true),
    }
}

/// Whether API Gateway takes a body of a media type for text; everything else travels as base64.
fn is_text(content_type: &str) -> bool {
    let media = media_type(content_type);
    media.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&media.as_str())
        || media.ends_with("+json")
        || media.ends_with("+xml")
}

/// Pairs with all values of a name as one.
fn combined<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        match out.get_mut(name) {
            Some(known) => {
                known.push(',');
                known.push_str(value);
            }
            None => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    out
}

/// Format 2.0. What is empty is left out.
pub fn v2(request: &Request) -> Json {
    let (body, encoded) = body(request);
    let cookies = request.headers.iter().filter(|(name, _)| name == "cookie");
    let cookies: Vec<&str> =
        cookies.flat_map(|(_, value)| value.split(';')).map(str::trim).filter(|cookie| !cookie.is_empty()).collect();
    let mut event = Map::new();
    event.insert("version".to_owned(), json!("2.0"));
    event.insert("routeKey".to_owned(), json!(request.route_key));
    event.insert("rawPath".to_owned(), json!(request.raw_path));
    event.insert("rawQueryString".to_owned(), json!(request.raw_query));
    if !cookies.is_empty() {
        event.insert("cookies".to_owned(), json!(cookies));
    }
    let headers = combined(request.headers.iter().filter(|(name, _)| name != "cookie"));
    event.insert("headers".to_owned(), json!(headers));
    if !request.query.is_empty() {
        event.insert("queryStringParameters".to_owned(), json!(combined(request.query.iter())));
    }
    event.insert("requestContext".to_owned(), context_v2(request));
    if !request.path_parameters.is_empty() {
        event.insert("pathParameters".to_owned(), json!(request.path_parameters));
    }
    if !request.stage_variables.is_empty() {
        event.insert("stageVariables".to_owned(), json!(request.stage_variables));
    }
    if let Some(body) = body {
        event.insert("body".to_owned(), json!(body));
    }
    event.insert("isBase64Encoded".to_owned(), json!(encoded));
    Json::Object(event)
}

fn context_v2(request: &Request) -> Json {
    let mut context = json!({
        "accountId": request.account,
        "apiId": request.api,
        "domainName": request.domain,
        "domainPrefix": request.domain_prefix(),
        "http": {
            "method": request.method,
            "path": request.raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent").unwrap_or_default(),
        },
        "requestId": request.request_id,
        "routeKey": request.route_key,
        "stage": request.stage,
        "time": request.formatted_time(),
        "timeEpoch": request.time.millis(),
    });
    let authorizer = match &request.identity {
        Some(Identity::Jwt { claims, scopes }) => json!({"jwt": {"claims": claims, "scopes": scopes}}),
        Some(Identity::Lambda { context, .. }) => json!({ "lambda": context }),
        Some(Identity::Iam(caller)) => json!({"iam": {
            "accessKey": caller.access_key,
            "accountId": caller.account,
            "callerId": caller.user_id,
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": caller.arn,
            "userId": caller.user_id,
        }}),
        None => return context,
    };
    context["authorizer"] = authorizer;
    context
}

/// Headers whose names format 1.0 writes as they are written by hand; the others stay in lower case.
const WRITTEN: [&str; 7] = [
    "Content-Length",
    "Host",
    "User-Agent",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
];

fn written((name, value): &(String, String)) -> (String, String) {
    let known = WRITTEN.iter().find(|known| known.eq_ignore_ascii_case(name));
    (known.map_or_else(|| name.clone(), |known| (*known).to_owned()), value.clone())
}

/// Format 1.0: that of REST APIs, but for the names of headers.
pub fn v1(request: &Request) -> Json {
    let headers: Vec<(String, String)> = request.headers.iter().map(written).collect();
    let (body, encoded) = body(request);
    let path = request.route_key.split_once(' ').map_or(request.route_key.as_str(), |(_, path)| path);
    json!({
        "version": "1.0",
        "resource": path,
        "path": request.shown_path(),
        "httpMethod": request.method,
        "headers": last(&headers),
        "multiValueHeaders": multiple(&headers),
        "queryStringParameters": some(last(&request.query)),
        "multiValueQueryStringParameters": some(multiple(&request.query)),
        "requestContext": context_v1(request, path),
        "pathParameters": some(json!(request.path_parameters)),
        "stageVariables": some(json!(request.stage_variables)),
        "body": body,
        "isBase64Encoded": encoded,
    })
}

fn context_v1(request: &Request, path: &str) -> Json {
    let caller = match &request.identity {
        Some(Identity::Iam(caller)) => Some(caller),
        _ => None,
    };
    let authorizer = match &request.identity {
        Some(Identity::Jwt { claims, scopes }) => json!({"claims": claims, "scopes": scopes}),
        Some(Identity::Lambda { context, principal }) => {
            let mut context = Json::Object(context.clone());
            if let Some(principal) = principal {
                context["principalId"] = json!(principal);
            }
            context
        }
        _ => Json::Null,
    };
    let mut context = json!({
        "accountId": request.account,
        "apiId": request.api,
        "domainName": request.domain,
        "domainPrefix": request.domain_prefix(),
        "extendedRequestId": request.request_id,
        "httpMethod": request.method,
        "identity": {
            "accessKey": caller.map(|caller| &caller.access_key),
            "accountId": caller.map(|caller| &caller.account),
            "caller": caller.map(|caller| &caller.user_id),
            "cognitoAmr": null,
            "cognitoAuthenticationProvider": null,
            "cognitoAuthenticationType": null,
            "cognitoIdentityId": null,
            "cognitoIdentityPoolId": null,
            "principalOrgId": null,
            "sourceIp": request.source_ip,
            "user": caller.map(|caller| &caller.user_id),
            "userAgent": request.header("user-agent").unwrap_or_default(),
            "userArn": caller.map(|caller| &caller.arn),
        },
        "path": request.shown_path(),
        "protocol": "HTTP/1.1",
        "requestId": request.request_id,
        "requestTime": request.formatted_time(),
        "requestTimeEpoch": request.time.millis(),
        "resourceId": request.route_key,
        "resourcePath": path,
        "stage": request.stage,
    });
    if !authorizer.is_null() {
        context["authorizer"] = authorizer;
    }
    context
}

/// An empty collection is null in format 1.0.
fn some(values: Json) -> Json {
    if values.as_object().is_some_and(Map::is_empty) { Json::Null } else { values }
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
    use wire::Timestamp;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn request() -> Request {
        Request {
            method: "POST".into(),
            raw_path: "/dev/pets/7".into(),
            path: "/pets/7".into(),
            raw_query: "a=1&a=2&b=3".into(),
            query: vec![pair("a", "1"), pair("a", "2"), pair("b", "3")],
            headers: vec![
                pair("content-type", "application/json"),
                pair("cookie", "c1=x; c2=y"),
                pair("x-a", "1"),
                pair("x-a", "2"),
            ],
            body: "{}".into(),
            source_ip: "10.0.0.1".into(),
            domain: "abc.execute-api.us-east-1.amazonaws.com".into(),
            request_id: "JKJaXmPLvHcESHA=".into(),
            time: Timestamp::from_secs(1_583_348_638),
            account: "000000000000".into(),
            api: "abc".into(),
            stage: "dev".into(),
            route_key: "POST /pets/{id}".into(),
            path_parameters: [("id".to_owned(), "7".to_owned())].into(),
            ..Request::default()
        }
    }

    #[test]
    fn format_2_combines_values_and_leaves_out_what_is_empty() {
        assert_eq!(
            v2(&request()),
            json!({
                "version": "2.0",
                "routeKey": "POST /pets/{id}",
                "rawPath": "/dev/pets/7",
                "rawQueryString": "a=1&a=2&b=3",
                "cookies": ["c1=x", "c2=y"],
                "headers": {"content-type": "application/json", "x-a": "1,2"},
                "queryStringParameters": {"a": "1,2", "b": "3"},
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "abc",
                    "domainName": "abc.execute-api.us-east-1.amazonaws.com",
                    "domainPrefix": "abc",
                    "http": {"method": "POST", "path": "/dev/pets/7", "protocol": "HTTP/1.1", "sourceIp": "10.0.0.1", "userAgent": ""},
                    "requestId": "JKJaXmPLvHcESHA=",
                    "routeKey": "POST /pets/{id}",
                    "stage": "dev",
                    "time": "04/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_583_348_638_000_i64,
                },
                "pathParameters": {"id": "7"},
                "body": "{}",
                "isBase64Encoded": false,
            })
        );
        let plain = v2(&Request::default());
        for absent in ["cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"] {
            assert!(plain.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn format_1_keeps_every_value() {
        let event = v1(&request());
        assert_eq!((&event["resource"], &event["path"]), (&json!("/pets/{id}"), &json!("/dev/pets/7")));
        assert_eq!(event["headers"]["x-a"], "2");
        assert_eq!(event["multiValueHeaders"]["x-a"], json!(["1", "2"]));
        assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"], "b": ["3"]}));
        assert_eq!((&event["stageVariables"], &event["version"]), (&Json::Null, &json!("1.0")));
        assert_eq!(event["requestContext"]["resourcePath"], "/pets/{id}");
    }

    #[test]
    fn bodies_of_unknown_types_travel_as_base64() {
        let form = Request { headers: vec![pair("content-type", "application/x-www-form-urlencoded")], ..request() };
        assert_eq!((&v2(&form)["body"], &v2(&form)["isBase64Encoded"]), (&json!("e30="), &json!(true)));
        let binary = Request { body: bytes::Bytes::from_static(&[0xff]), ..request() };
        assert_eq!(v2(&binary)["isBase64Encoded"], true);
        assert_eq!(v2(&Request { headers: vec![pair("content-type", "a/b+json; x=1")], ..request() })["body"], "{}");
    }

    #[test]
    fn identities_are_told() {
        let claims = json!({"sub": "s"}).as_object().cloned().unwrap();
        let jwt = Request { identity: Some(Identity::Jwt { claims, scopes: None }), ..request() };
        assert_eq!(v2(&jwt)["requestContext"]["authorizer"], json!({"jwt": {"claims": {"sub": "s"}, "scopes": null}}));
        assert_eq!(v1(&jwt)["requestContext"]["authorizer"]["claims"]["sub"], "s");
    }
}
