//! One request through a deployed API: route, validate, integrate, respond.
//!
//! Authorization has happened before: the caller hands over who signed the request, if anyone. What an integration
//! needs of the world comes through [`Backend`].

use crate::{
    definition::Compiled,
    gateway_response::{self, BAD_REQUEST_BODY, Failure, INTEGRATION_FAILURE, INTEGRATION_TIMEOUT, Reply},
    integration::{self, Outbound},
    log::{Integrated, Log, pairs},
    parameters::{self, Answer},
    proxy,
    request::Incoming,
    validation,
};
use apigateway_api::{Integration, IntegrationType, Method, ResponseTransferMode};
use bytes::Bytes;
use serde_json::Value as Json;
use std::{collections::BTreeMap, future::Future};
use wire::{ByteStream, Timestamp};

use execute_api::target;
pub use execute_api::{Action, Fetch, Invocation, Invoked, Relay, Unanswered, target::function as function_of};

/// The world behind an API.
pub trait Backend: Sync {
    fn now(&self) -> Timestamp;
    fn invoke(&self, invocation: Invocation) -> impl Future<Output = Result<Invoked, Unanswered>> + Send;
    fn stream(&self, invocation: Invocation) -> impl Future<Output = Result<(Bytes, ByteStream), Unanswered>> + Send;
    fn act(&self, action: Action) -> impl Future<Output = Result<Answer, Unanswered>> + Send;
    fn relay(&self, relay: Relay) -> impl Future<Output = Result<Answer, Unanswered>> + Send;
    fn fetch(&self, fetch: Fetch) -> impl Future<Output = Result<Answer, Unanswered>> + Send;
}

/// The integration timeout that applies when a method sets none.
pub const DEFAULT_TIMEOUT_MILLIS: i32 = 29_000;

/// Finds the method for a request and writes into it where it led.
pub fn route<'a>(compiled: &'a Compiled, request: &mut Incoming) -> Option<&'a Method> {
    let (route, resource, method) = compiled.route(&request.method, &request.path)?;
    request.path_parameters = route.parameters;
    request.resource_id = resource.id.clone().unwrap_or_default();
    request.resource_path = resource.path.clone().unwrap_or_default();
    Some(method)
}

/// Logs how a request ended, and makes the reply of a failure.
pub fn finish(
    compiled: &Compiled,
    request: &Incoming,
    now: Timestamp,
    log: &mut Log,
    result: Result<Reply, Failure>,
) -> Reply {
    let reply = match result {
        Ok(reply) => {
            log.data(now, || format!("Method response body after transformations: {}", lossy(&reply.body)));
            log.line(now, || {
                format!("Method response headers: {}", pairs(reply.headers.iter().map(|(name, value)| (name, value))))
            });
            log.line(now, || "Successfully completed execution".to_owned());
            reply
        }
        Err(failure) => {
            if let Some(text) = &failure.log {
                log.line(now, || text.clone());
            }
            gateway_response::render(&failure, &compiled.definition.responses, request, &request.context())
        }
    };
    log.line(now, || format!("Method completed with status: {}", reply.status));
    reply
}

/// Validates a routed request and passes it to its integration.
pub async fn run(
    compiled: &Compiled,
    method: &Method,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    begin(request, backend.now(), log);
    validation::validate(compiled, method, request)?;
    let integration = method
        .method_integration
        .as_ref()
        .ok_or_else(|| Failure::configuration("No integration defined for method"))?;
    let mut reply = match &integration.r#type {
        Some(IntegrationType::Mock) => return mock(compiled, method, integration, request, backend, log),
        Some(IntegrationType::AwsProxy) if streams(integration) => {
            lambda_stream(compiled, method, integration, request, backend, log).await
        }
        Some(IntegrationType::AwsProxy) => lambda_proxy(compiled, method, integration, request, backend, log).await,
        Some(IntegrationType::Aws) if action_of(integration).is_some() => {
            action(compiled, method, integration, request, backend, log).await
        }
        Some(IntegrationType::Aws) if path_of(integration).is_some() => {
            relay(compiled, method, integration, request, backend, log).await
        }
        Some(IntegrationType::Aws) => lambda(compiled, method, integration, request, backend, log).await,
        Some(IntegrationType::HttpProxy) => http_proxy(integration, request, backend, log).await,
        _ => http(compiled, method, integration, request, backend, log).await,
    }?;
    if let Some(trace) = request.header("x-amzn-trace-id") {
        reply.headers.push(("X-Amzn-Trace-Id".to_owned(), trace.to_owned()));
    }
    Ok(reply)
}

fn begin(request: &Incoming, now: Timestamp, log: &mut Log) {
    if !log.is_on() {
        return;
    }
    log.line(now, || format!("Starting execution for request: {}", request.request_id));
    log.line(now, || format!("HTTP Method: {}, Resource Path: {}", request.method, request.resource_path));
    log.line(now, || format!("Method request path: {}", pairs(&request.path_parameters)));
    log.line(now, || format!("Method request query string: {}", pairs(&request.single_query())));
    log.line(now, || format!("Method request headers: {}", pairs(&request.single_headers())));
    log.data(now, || format!("Method request body before transformations: {}", lossy(&request.body)));
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// A mock answers itself: its template says with which status.
fn mock(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let outbound = integration::request(compiled, integration, request)?;
    log.data(backend.now(), || format!("Endpoint request body after transformations: {}", lossy(&outbound.body)));
    let status = stated_status(&outbound.body).ok_or_else(|| {
        Failure::configuration("Unable to parse statusCode. It should be an integer defined in the request template")
    })?;
    let answer = Answer { status, ..Answer::default() };
    integration::respond(compiled, method, integration, request, &answer, Some(&status.to_string()))
}

/// The `statusCode` of a mock's template. Tools write it without quotes, `{statusCode:200}`, and API Gateway reads that.
fn stated_status(body: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(body).ok()?;
    if let Ok(body) = serde_json::from_str::<Json>(text) {
        return parameters::text(&body["statusCode"])?.parse().ok();
    }
    let (_, rest) = text.split_once("statusCode")?;
    let value = rest.trim_start_matches(['"', '\'', ' ', '\t', '\r', '\n']).strip_prefix(':')?;
    let digits = value.trim_start_matches(['"', '\'', ' ', '\t', '\r', '\n']);
    digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())].parse().ok()
}

/// The service and the operation that an integration's address names.
pub fn action_of(integration: &Integration) -> Option<(&str, &str)> {
    target::action(integration.uri.as_deref()?)
}

/// The service and the path that an integration's address names.
pub fn path_of(integration: &Integration) -> Option<(&str, &str)> {
    target::path(integration.uri.as_deref()?)
}

/// The ARN that a function's policy sees: of the method as it is defined, with variables in the path as `*`.
fn source_arn(method: &Method, request: &Incoming) -> String {
    let http_method = match method.http_method.as_deref() {
        None | Some("ANY") => "*",
        Some(http_method) => http_method,
    };
    let part = |part: &str| if crate::path::is_variable(part) { "*".to_owned() } else { part.to_owned() };
    let path: Vec<String> = request.resource_path.split('/').map(part).collect();
    request.execution_arn(http_method, &path.join("/"))
}

async fn call(
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    outbound: Outbound,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Invoked, Failure> {
    let function = function_of(&outbound.uri)
        .ok_or_else(|| Failure::configuration(format!("Unsupported integration endpoint: {}", outbound.uri)))?;
    let endpoint =
        format!("https://lambda.{}.amazonaws.com/2015-03-31/functions/{function}/invocations", request.region);
    let source_arn = source_arn(method, request);
    let started = backend.now();
    let headers = [
        ("Accept", "application/json".to_owned()),
        ("Authorization", "****".to_owned()),
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", format!("AmazonAPIGateway_{}", request.api)),
        ("X-Amz-Source-Arn", source_arn.clone()),
        ("x-amzn-lambda-integration-tag", request.request_id.clone()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
    sending(started, log, &endpoint, &headers, &outbound.body);
    let asynchronous = outbound
        .headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("x-amz-invocation-type") && value == "Event");
    let credentials = integration.credentials.clone().filter(|role| !role.is_empty());
    let invocation =
        Invocation { function: function.to_owned(), payload: outbound.body, asynchronous, source_arn, credentials };
    let invoked = backend.invoke(invocation).await.map_err(unanswered)?;
    let mut headers = vec![
        ("Content-Length".to_owned(), invoked.payload.len().to_string()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("x-amzn-RequestId".to_owned(), invoked.request_id.clone()),
    ];
    headers.extend(invoked.function_error.clone().map(|error| ("X-Amz-Function-Error".to_owned(), error)));
    let answer = Answer { status: invoked.status, headers, body: invoked.payload.clone() };
    received(backend.now(), started, log, &answer);
    Ok(invoked)
}

fn unanswered(reason: Unanswered) -> Failure {
    match reason {
        Unanswered::Denied => Failure::configuration("Invalid permissions on Lambda function"),
        Unanswered::Invalid(message) => Failure::new(BAD_REQUEST_BODY, message.clone()).logged(message),
        Unanswered::Timeout => Failure::new(INTEGRATION_TIMEOUT, "Endpoint request timed out")
            .logged("Execution failed due to a timeout error"),
        Unanswered::Failed(reason) => Failure::new(INTEGRATION_FAILURE, "Internal server error")
            .with_status(500)
            .logged(format!("Execution failed due to an internal error: {reason}")),
    }
}

async fn lambda_proxy(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let event = proxy::event(request, compiled.binary_types());
    let uri = integration::expand(integration.uri.as_deref().unwrap_or_default(), request, &request.path_parameters);
    let outbound = Outbound { uri, body: event.to_string().into(), ..Outbound::default() };
    let invoked = call(method, integration, request, outbound, backend, log).await?;
    if invoked.function_error.is_some() {
        let reason = format!(
            "Lambda execution failed with status {} due to customer function error: {}. Lambda request id: {}",
            invoked.status,
            error_message(&invoked.payload).unwrap_or_default(),
            invoked.request_id
        );
        return Err(Failure::new(INTEGRATION_FAILURE, "Internal server error").with_status(502).logged(reason));
    }
    proxy::reply(&invoked.payload, request, compiled.binary_types())
}

/// Whether an integration's answer is passed on as it comes.
pub fn streams(integration: &Integration) -> bool {
    integration.response_transfer_mode == Some(ResponseTransferMode::Stream)
}

/// A function that writes its answer bit by bit: a head in JSON, and the body.
async fn lambda_stream(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let event = proxy::event(request, compiled.binary_types());
    let uri = integration::expand(integration.uri.as_deref().unwrap_or_default(), request, &request.path_parameters);
    let function =
        function_of(&uri).ok_or_else(|| Failure::configuration(format!("Unsupported integration endpoint: {uri}")))?;
    let endpoint = format!(
        "https://lambda.{}.amazonaws.com/2021-11-15/functions/{function}/response-streaming-invocations",
        request.region
    );
    let payload = Bytes::from(event.to_string());
    let started = backend.now();
    sending(started, log, &endpoint, &BTreeMap::new(), &payload);
    let invocation = Invocation {
        function: function.to_owned(),
        payload,
        asynchronous: false,
        source_arn: source_arn(method, request),
        credentials: integration.credentials.clone().filter(|role| !role.is_empty()),
    };
    let (head, rest) = backend.stream(invocation).await.map_err(|reason| match reason {
        Unanswered::Failed(_) => unanswered(reason).with_status(502),
        other => unanswered(other),
    })?;
    let answer = Answer { status: 200, headers: Vec::new(), body: head };
    received(backend.now(), started, log, &answer);
    let reply = proxy::streamed_head(&answer.body)?;
    Ok(Reply { rest: Some(rest), ..reply })
}

async fn lambda(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let mut outbound = integration::request(compiled, integration, request)?;
    if outbound.body.is_empty() {
        // A body-less request reaches the function as an empty event.
        outbound.body = "{}".into();
    }
    let invoked = call(method, integration, request, outbound, backend, log).await?;
    let error = error_message(&invoked.payload).filter(|_| invoked.function_error.is_some());
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let answer = Answer { status: invoked.status, headers, body: invoked.payload };
    integration::respond(compiled, method, integration, request, &answer, error.as_deref())
}

async fn action(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let outbound = integration::request(compiled, integration, request)?;
    let Some((service, operation)) = action_of(integration) else { return Err(Failure::configuration("No action")) };
    let endpoint = format!("https://{service}.{}.amazonaws.com/?Action={operation}", request.region);
    sending(backend.now(), log, &endpoint, &outbound.headers, &outbound.body);
    let started = backend.now();
    let action = Action {
        service: service.to_owned(),
        operation: operation.to_owned(),
        body: outbound.body,
        source_arn: source_arn(method, request),
        credentials: integration.credentials.clone().filter(|role| !role.is_empty()),
    };
    let answer = backend.act(action).await.map_err(|reason| match reason {
        Unanswered::Denied => {
            Failure::configuration("API Gateway does not have permission to assume the provided role")
        }
        other => unanswered(other),
    })?;
    received(backend.now(), started, log, &answer);
    let subject = answer.status.to_string();
    integration::respond(compiled, method, integration, request, &answer, Some(&subject))
}

/// Passes a request to a service's own API.
async fn relay(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let outbound = integration::request(compiled, integration, request)?;
    let Some((host, path)) = target::path(&outbound.uri) else { return Err(Failure::configuration("No path")) };
    let path: Vec<String> = path.trim_start_matches('/').split('/').map(recoded).collect();
    let path = format!("/{}", path.join("/"));
    let endpoint = format!("https://{host}.{}.amazonaws.com{path}", request.region);
    let started = backend.now();
    sending(started, log, &endpoint, &outbound.headers, &outbound.body);
    let relayed = Relay {
        host: host.to_owned(),
        method: integration.http_method.clone().unwrap_or_else(|| request.method.clone()),
        path,
        query: outbound.query,
        headers: outbound.headers.into_iter().collect(),
        body: outbound.body,
        credentials: integration.credentials.clone().filter(|role| !role.is_empty()),
    };
    let answer = backend.relay(relayed).await.map_err(|reason| match reason {
        Unanswered::Denied => {
            Failure::configuration("API Gateway does not have permission to assume the provided role")
        }
        other => unanswered(other),
    })?;
    received(backend.now(), started, log, &answer);
    let subject = answer.status.to_string();
    integration::respond(compiled, method, integration, request, &answer, Some(&subject))
}

/// Logs a request to an integration.
fn sending(now: Timestamp, log: &mut Log, url: &str, headers: &BTreeMap<String, String>, body: &[u8]) {
    log.line(now, || format!("Endpoint request URI: {url}"));
    log.line(now, || format!("Endpoint request headers: {}", pairs(headers)));
    log.data(now, || format!("Endpoint request body after transformations: {}", lossy(body)));
    log.line(now, || format!("Sending request to {url}"));
}

/// Logs an integration's answer.
fn received(now: Timestamp, started: Timestamp, log: &mut Log, answer: &Answer) {
    let latency = now.millis() - started.millis();
    let request_id = answer.header("x-amzn-requestid").map(str::to_owned);
    log.integration = Some(Integrated { status: answer.status, latency, request_id });
    log.line(now, || format!("Received response. Status: {}, Integration latency: {latency} ms", answer.status));
    log.line(now, || {
        format!("Endpoint response headers: {}", pairs(answer.headers.iter().map(|(name, value)| (name, value))))
    });
    log.data(now, || format!("Endpoint response body before transformations: {}", lossy(&answer.body)));
}

fn error_message(payload: &[u8]) -> Option<String> {
    let payload: Json = serde_json::from_slice(payload).ok()?;
    payload["errorMessage"].as_str().map(str::to_owned)
}

async fn http_proxy(
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let mut outbound = integration::proxy_request(integration, request);
    identify(&mut outbound, request);
    let answer = fetch(integration, request, outbound, backend, log).await?;
    let hop = ["keep-alive", "transfer-encoding"];
    let headers = answer.headers.into_iter().filter(|(name, _)| !hop.contains(&name.to_ascii_lowercase().as_str()));
    let headers = headers.map(|(name, value)| (proxy::header_name(&name), value));
    Ok(Reply { status: answer.status, headers: headers.collect(), body: answer.body, rest: None })
}

/// Tells an endpoint which API calls, and in which trace.
fn identify(outbound: &mut Outbound, request: &Incoming) {
    outbound.headers.insert("X-Amzn-Apigateway-Api-Id".to_owned(), request.api.clone());
    if let Some(trace) = request.header("x-amzn-trace-id") {
        outbound.headers.insert("X-Amzn-Trace-Id".to_owned(), trace.to_owned());
    }
}

async fn http(
    compiled: &Compiled,
    method: &Method,
    integration: &Integration,
    request: &Incoming,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Reply, Failure> {
    let mut outbound = integration::request(compiled, integration, request)?;
    identify(&mut outbound, request);
    let own = [("Accept", "application/json".to_owned()), ("User-Agent", format!("AmazonAPIGateway_{}", request.api))];
    for (name, value) in own {
        if !outbound.headers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            outbound.headers.insert(name.to_owned(), value);
        }
    }
    let answer = fetch(integration, request, outbound, backend, log).await?;
    let subject = answer.status.to_string();
    integration::respond(compiled, method, integration, request, &answer, Some(&subject))
}

async fn fetch(
    integration: &Integration,
    request: &Incoming,
    outbound: Outbound,
    backend: &impl Backend,
    log: &mut Log,
) -> Result<Answer, Failure> {
    let method = match integration.http_method.as_deref() {
        None | Some("ANY") => request.method.clone(),
        Some(method) => method.to_owned(),
    };
    let mut url = outbound.uri;
    for (at, (name, value)) in outbound.query.iter().enumerate() {
        url.push(if at == 0 && !url.contains('?') { '?' } else { '&' });
        url.push_str(&format!("{}={}", encode(name), encode(value)));
    }
    let started = backend.now();
    sending(started, log, &url, &outbound.headers, &outbound.body);
    let unverified = integration.tls_config.as_ref().and_then(|tls| tls.insecure_skip_verification) == Some(true);
    let fetch = Fetch { method, url, headers: outbound.headers.into_iter().collect(), body: outbound.body, unverified };
    let answer = backend.fetch(fetch).await.map_err(|reason| match reason {
        Unanswered::Failed(reason) => Failure::new(INTEGRATION_FAILURE, "Network error communicating with endpoint")
            .logged(format!("Execution failed due to a network error communicating with endpoint: {reason}")),
        other => unanswered(other),
    })?;
    received(backend.now(), started, log, &answer);
    Ok(answer)
}

/// A part of a path in the encoding that signatures want, whichever it came in.
fn recoded(part: &str) -> String {
    execute_api::relay::encode(&percent_encoding::percent_decode_str(part).decode_utf8_lossy())
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
