//! Requests through whole APIs, with a scripted world behind them.

use crate::{
    definition::{Compiled, Definition},
    execution::{Action, Backend, Fetch, Invocation, Invoked, Relay, Unanswered, finish, route, run as perform},
    gateway_response::{Failure, Reply},
    log::Log,
    parameters::Answer,
    request::Incoming,
};
use apigateway_api::{Integration, IntegrationResponse, IntegrationType, Method, MethodResponse, Resource};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};
use wire::{ByteStream, Timestamp};

const LAMBDA: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                      arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.fn}/invocations";

/// Answers every call with the same, and remembers what it was asked.
struct World {
    invoked: Result<Invoked, Unanswered>,
    fetched: Result<Answer, Unanswered>,
    invocations: Mutex<Vec<Invocation>>,
    fetches: Mutex<Vec<Fetch>>,
}

impl World {
    fn answering(payload: Json, function_error: Option<&str>) -> Self {
        let function_error = function_error.map(str::to_owned);
        let payload = payload.to_string().into();
        Self::new(Ok(Invoked { status: 200, payload, function_error, request_id: "i-1".into() }))
    }

    fn new(invoked: Result<Invoked, Unanswered>) -> Self {
        let fetched =
            Ok(Answer { status: 404, headers: vec![("X-From".into(), "b".into())], body: r#"{"e":1}"#.into() });
        Self { invoked, fetched, invocations: Mutex::default(), fetches: Mutex::default() }
    }
}

impl Backend for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(0)
    }
    async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Unanswered> {
        self.invocations.lock().unwrap().push(invocation);
        self.invoked.clone()
    }
    async fn stream(&self, invocation: Invocation) -> Result<(Bytes, ByteStream), Unanswered> {
        let invoked = self.invoke(invocation).await?;
        Ok((invoked.payload, ByteStream::from(Bytes::from("streamed"))))
    }
    async fn act(&self, action: Action) -> Result<Answer, Unanswered> {
        let body = format!("{}:{}:{}", action.service, action.operation, String::from_utf8_lossy(&action.body));
        if action.credentials.is_none() {
            return Err(Unanswered::Denied);
        }
        Ok(Answer { status: 200, headers: Vec::new(), body: body.into() })
    }
    async fn relay(&self, relay: Relay) -> Result<Answer, Unanswered> {
        let body = format!("{} {}{}", relay.method, relay.host, relay.path);
        if relay.credentials.is_none() {
            return Err(Unanswered::Denied);
        }
        Ok(Answer { status: 200, headers: Vec::new(), body: body.into() })
    }
    async fn fetch(&self, fetch: Fetch) -> Result<Answer, Unanswered> {
        self.fetches.lock().unwrap().push(fetch);
        self.fetched.clone()
    }
}

/// Nothing here ever waits, so one poll is enough.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the scripted world does not wait"),
    }
}

fn map<T: Clone>(pairs: &[(&str, T)]) -> Option<BTreeMap<String, T>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn answers(responses: &[(&str, &str, &str)]) -> Option<BTreeMap<String, IntegrationResponse>> {
    let response = |(status, pattern, template): &(&str, &str, &str)| {
        let response = IntegrationResponse {
            status_code: Some((*status).to_owned()),
            selection_pattern: (!pattern.is_empty()).then(|| (*pattern).to_owned()),
            response_templates: (!template.is_empty())
                .then(|| map(&[("application/json", (*template).to_owned())]))
                .flatten(),
            ..IntegrationResponse::default()
        };
        ((*status).to_owned(), response)
    };
    Some(responses.iter().map(response).collect())
}

fn api(path: &str, http_method: &str, integration: Integration) -> Compiled {
    let responses = ["200", "400", "404", "500"].map(|status| (status, MethodResponse::default()));
    let method = Method {
        http_method: Some(http_method.to_owned()),
        method_responses: map(&responses),
        method_integration: Some(integration),
        ..Method::default()
    };
    let resource = Resource {
        id: Some("r".into()),
        path: Some(path.to_owned()),
        resource_methods: map(&[(http_method, method)]),
        ..Resource::default()
    };
    Compiled::new(Definition { resources: vec![resource], ..Definition::default() })
}

fn request(method: &str, path: &str, body: &str) -> Incoming {
    Incoming {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned().into(),
        query: vec![("q".into(), "a b".into())],
        headers: vec![("Accept".into(), "*/*".into())],
        request_id: "req".into(),
        account: "000000000000".into(),
        region: "us-east-1".into(),
        api: "abc".into(),
        stage: "v1".into(),
        stage_variables: [("fn".to_owned(), "f".to_owned())].into(),
        ..Incoming::default()
    }
}

fn run(compiled: &Compiled, mut request: Incoming, world: &World) -> (Reply, String) {
    let mut log = Log::new(true, true, "req");
    let result = match route(compiled, &mut request) {
        Some(method) => now(perform(compiled, method, &request, world, &mut log)),
        None => Err(Failure::missing_token()),
    };
    let reply = finish(compiled, &request, world.now(), &mut log, result);
    (reply, log.text())
}

fn body(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.body).unwrap()
}

fn lambda(r#type: IntegrationType) -> Integration {
    Integration {
        r#type: Some(r#type),
        uri: Some(LAMBDA.to_owned()),
        http_method: Some("POST".into()),
        ..Integration::default()
    }
}

#[test]
fn a_mock_answers_by_itself() {
    let integration = Integration {
        r#type: Some(IntegrationType::Mock),
        request_templates: map(&[("application/json", r#"{"statusCode": 200}"#.to_owned())]),
        integration_responses: Some(
            [(
                "200".to_owned(),
                IntegrationResponse {
                    status_code: Some("200".into()),
                    response_parameters: map(&[(
                        "method.response.header.Access-Control-Allow-Origin",
                        "'*'".to_owned(),
                    )]),
                    ..IntegrationResponse::default()
                },
            )]
            .into(),
        ),
        ..Integration::default()
    };
    let compiled = api("/users", "OPTIONS", integration.clone());
    let (reply, _) = run(&compiled, request("OPTIONS", "/users", ""), &World::answering(json!(null), None));
    assert_eq!((reply.status, body(&reply)), (200, ""));
    assert!(reply.headers.contains(&("Access-Control-Allow-Origin".into(), "*".into())));

    for template in ["{statusCode:200}", "{ 'statusCode' : 200 }", r#"{"statusCode":"200",}"#] {
        let request_templates = map(&[("application/json", template.to_owned())]);
        let lenient = Integration { request_templates, ..integration.clone() };
        let (reply, _) = run(&api("/", "GET", lenient), request("GET", "/", ""), &World::answering(json!(null), None));
        assert_eq!(reply.status, 200, "{template}");
    }

    let without_status =
        Integration { request_templates: map(&[("application/json", "{}".to_owned())]), ..integration };
    let (reply, log) =
        run(&api("/", "GET", without_status), request("GET", "/", ""), &World::answering(json!(null), None));
    assert_eq!((reply.status, body(&reply)), (500, r#"{"message": "Internal server error"}"#));
    assert!(log.contains("Unable to parse statusCode"));
}

#[test]
fn an_unknown_path_misses_a_token() {
    let compiled = api("/users", "GET", lambda(IntegrationType::AwsProxy));
    for (method, path) in [("GET", "/"), ("POST", "/users"), ("GET", "/users/1")] {
        let (reply, _) = run(&compiled, request(method, path, ""), &World::answering(json!({}), None));
        assert_eq!((reply.status, body(&reply)), (403, r#"{"message":"Missing Authentication Token"}"#));
    }
}

#[test]
fn a_lambda_proxy_passes_the_event_and_the_answer() {
    let compiled = api("/users/{id}", "ANY", lambda(IntegrationType::AwsProxy));
    let world = World::answering(json!({"statusCode": 201, "body": "made"}), None);
    let (reply, log) = run(&compiled, request("POST", "/users/7", "{}"), &world);
    assert_eq!((reply.status, body(&reply)), (201, "made"));
    let invocation = world.invocations.lock().unwrap().pop().unwrap();
    assert_eq!(invocation.function, "arn:aws:lambda:us-east-1:000000000000:function:f");
    assert_eq!(invocation.source_arn, "arn:aws:execute-api:us-east-1:000000000000:abc/v1/*/users/*");
    let event: Json = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(event["pathParameters"], json!({"id": "7"}));
    assert!(log.contains("Method completed with status: 201"), "{log}");
}

#[test]
fn a_failing_function_is_a_bad_gateway_for_a_proxy() {
    let compiled = api("/", "GET", lambda(IntegrationType::AwsProxy));
    let world = World::answering(json!({"errorMessage": "boom"}), Some("Unhandled"));
    let (reply, log) = run(&compiled, request("GET", "/", ""), &world);
    assert_eq!((reply.status, body(&reply)), (502, r#"{"message": "Internal server error"}"#));
    assert!(log.contains("due to customer function error: boom"), "{log}");
}

#[test]
fn without_permission_the_caller_learns_nothing() {
    let compiled = api("/", "GET", lambda(IntegrationType::Aws));
    let (reply, log) = run(&compiled, request("GET", "/", ""), &World::new(Err(Unanswered::Denied)));
    assert_eq!((reply.status, body(&reply)), (500, r#"{"message": "Internal server error"}"#));
    let line = "Execution failed due to configuration error: Invalid permissions on Lambda function";
    assert!(log.contains(line), "{log}");
}

#[test]
fn a_body_that_is_no_event_is_the_callers_fault() {
    let compiled = api("/", "POST", lambda(IntegrationType::Aws));
    let world = World::new(Err(Unanswered::Invalid("Could not parse request body into json: x".into())));
    let (reply, _) = run(&compiled, request("POST", "/", "nonsense"), &world);
    assert_eq!((reply.status, body(&reply)), (400, r#"{"message":"Could not parse request body into json: x"}"#));
}

#[test]
fn a_lambda_integration_maps_both_ways() {
    let integration = Integration {
        request_templates: map(&[("application/json", r#"{"id":"$input.params('q')"}"#.to_owned())]),
        integration_responses: answers(&[
            ("200", "", r#"{"got":$input.json('$.x')}"#),
            ("404", "Not found.*", ""),
            ("500", ".*boom.*", r#"{"e":"$input.path('$.errorMessage')"}"#),
        ]),
        ..lambda(IntegrationType::Aws)
    };
    let compiled = api("/", "GET", integration);
    let world = World::answering(json!({"x": [1]}), None);
    let (reply, _) = run(&compiled, request("GET", "/", ""), &world);
    assert_eq!((reply.status, body(&reply)), (200, r#"{"got":[1]}"#));
    assert_eq!(world.invocations.lock().unwrap()[0].payload, r#"{"id":"a b"}"#);

    let world = World::answering(json!({"errorMessage": "a\nboom b"}), Some("Unhandled"));
    let (reply, _) = run(&compiled, request("GET", "/", ""), &world);
    assert_eq!((reply.status, body(&reply)), (500, "{\"e\":\"a\nboom b\"}"));

    let world = World::answering(json!({"errorMessage": "Not found: 1"}), Some("Handled"));
    let (reply, _) = run(&compiled, request("GET", "/", ""), &world);
    assert_eq!((reply.status, body(&reply)), (404, r#"{"errorMessage":"Not found: 1"}"#));
}

#[test]
fn responses_that_are_not_configured_are_the_apis_fault() {
    let none = lambda(IntegrationType::Aws);
    let (reply, log) = run(&api("/", "GET", none), request("GET", "/", ""), &World::answering(json!({}), None));
    assert_eq!(reply.status, 500);
    assert!(log.contains("No match for output mapping and no default output mapping configured"), "{log}");

    let undeclared = Integration { integration_responses: answers(&[("201", "", "")]), ..lambda(IntegrationType::Aws) };
    let (_, log) = run(&api("/", "GET", undeclared), request("GET", "/", ""), &World::answering(json!({}), None));
    assert!(log.contains("Output mapping refers to an invalid method response: 201"), "{log}");
}

#[test]
fn an_action_of_another_service_needs_a_role() {
    let mut integration = Integration {
        r#type: Some(IntegrationType::Aws),
        uri: Some("arn:aws:apigateway:us-east-1:dynamodb:action/GetItem".into()),
        http_method: Some("POST".into()),
        integration_responses: answers(&[("200", "", "")]),
        ..Integration::default()
    };
    let world = World::answering(json!({}), None);
    let (_, log) = run(&api("/", "POST", integration.clone()), request("POST", "/", "{}"), &world);
    assert!(log.contains("does not have permission to assume the provided role"), "{log}");
    integration.credentials = Some("arn:aws:iam::000000000000:role/r".into());
    let (reply, _) = run(&api("/", "POST", integration), request("POST", "/", "{}"), &world);
    assert_eq!((reply.status, body(&reply)), (200, "dynamodb:GetItem:{}"));
}

#[test]
fn an_unsupported_media_type_is_refused() {
    let integration = Integration {
        passthrough_behavior: Some("NEVER".into()),
        integration_responses: answers(&[("200", "", "")]),
        ..lambda(IntegrationType::Aws)
    };
    let mut request = request("POST", "/", "x");
    request.headers.push(("Content-Type".into(), "text/plain".into()));
    let (reply, _) = run(&api("/", "POST", integration), request, &World::answering(json!({}), None));
    assert_eq!((reply.status, body(&reply)), (415, r#"{"message":"Unsupported Media Type"}"#));
}

#[test]
fn an_http_proxy_passes_everything_on() {
    let integration = Integration {
        r#type: Some(IntegrationType::HttpProxy),
        uri: Some("http://backend/{proxy}".into()),
        http_method: Some("ANY".into()),
        request_parameters: map(&[
            ("integration.request.path.proxy", "method.request.path.proxy".to_owned()),
            ("integration.request.header.X-Stage", "context.stage".to_owned()),
        ]),
        ..Integration::default()
    };
    let world = World::answering(json!({}), None);
    let (reply, _) = run(&api("/{proxy+}", "ANY", integration), request("PUT", "/a/b", "body"), &world);
    assert_eq!((reply.status, body(&reply)), (404, r#"{"e":1}"#));
    let fetch = world.fetches.lock().unwrap().pop().unwrap();
    assert_eq!((fetch.method.as_str(), fetch.url.as_str()), ("PUT", "http://backend/a/b?q=a%20b"));
    assert!(fetch.headers.contains(&("X-Stage".into(), "v1".into())));
}

#[test]
fn an_http_integration_selects_by_status() {
    let integration = Integration {
        r#type: Some(IntegrationType::Http),
        uri: Some("http://backend/x".into()),
        http_method: Some("GET".into()),
        integration_responses: answers(&[("200", "", ""), ("400", "4\\d{2}", r#"{"mapped":$input.json('$.e')}"#)]),
        ..Integration::default()
    };
    let (reply, _) = run(&api("/", "GET", integration), request("GET", "/", ""), &World::answering(json!({}), None));
    assert_eq!((reply.status, body(&reply)), (400, r#"{"mapped":1}"#));
}
