//! The world behind an API: functions and services through the cloud's own calls, HTTP endpoints through the network.

use std::{future::Future, sync::Arc, time::Duration};

use crate::relay::{self, Relay};
use crate::streamed::Payloads;
use bytes::Bytes;
use lambda_api::{
    InvocationRequest, InvocationType, Invoke, InvokeWithResponseStream, InvokeWithResponseStreamRequest,
};
use service::{ApiError, Context, Principal, Role, Service, policy};
use wire::{
    ByteStream, Protocol, Timestamp,
    json::{self, JsonEncoder, Names},
};

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The function's ARN, with its qualifier.
    pub function: String,
    pub payload: Bytes,
    /// `X-Amz-Invocation-Type: Event`: do not wait.
    pub asynchronous: bool,
    /// What calls: the method's ARN.
    pub source_arn: String,
    /// The role to call as; without one the function's own policy decides.
    pub credentials: Option<String>,
}

/// What a function answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Invoked {
    pub status: u16,
    pub payload: Bytes,
    /// `Handled` or `Unhandled`, when the function failed.
    pub function_error: Option<String>,
    pub request_id: String,
}

/// An operation of another service: `arn:aws:apigateway:…:dynamodb:action/PutItem`.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub service: String,
    pub operation: String,
    pub body: Bytes,
    pub source_arn: String,
    /// The role to call as; there is no other way to be allowed.
    pub credentials: Option<String>,
}

/// An HTTP request to an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Whether an endpoint over TLS needs no authority that vouches for it.
    pub unverified: bool,
}

/// Why an integration did not answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Unanswered {
    /// Not allowed, or the function does not exist: AWS tells neither from the other.
    Denied,
    Timeout,
    /// What was sent is no input of the function: its words are for the caller.
    Invalid(String),
    Failed(String),
}

/// What an integration answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The largest answer of an endpoint that is passed on.
const LARGEST_ANSWER: usize = 10 << 20;

/// The name by which function policies know this service.
const PRINCIPAL: &str = "apigateway.amazonaws.com";

pub struct World {
    /// The context of the API: its account and region.
    pub cx: Context,
    pub timeout: Duration,
    /// The certificate and key, both PEM, with which endpoints are called.
    pub identity: Option<(String, String)>,
}

impl World {
    pub fn new(cx: Context, timeout: Duration) -> Self {
        Self { cx, timeout, identity: None }
    }

    pub fn now(&self) -> Timestamp {
        self.cx.now()
    }

    pub async fn invoke(&self, invocation: Invocation) -> Result<Invoked, Unanswered> {
        within(self.timeout, self.call_function(invocation)).await
    }

    /// Calls a function for an answer that streams. The time limit is for its beginning.
    pub async fn stream(&self, invocation: Invocation) -> Result<(Bytes, ByteStream), Unanswered> {
        within(self.timeout, self.call_streaming(invocation)).await
    }

    pub async fn act(&self, action: Action) -> Result<Answer, Unanswered> {
        within(self.timeout, self.call_service(action)).await
    }

    pub async fn relay(&self, relay: Relay) -> Result<Answer, Unanswered> {
        within(self.timeout, relay::send(&self.cx, relay)).await
    }

    pub async fn fetch(&self, fetch: Fetch) -> Result<Answer, Unanswered> {
        within(self.timeout, send(fetch, self.identity.clone())).await
    }
}

async fn within<T>(timeout: Duration, work: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
    tokio::time::timeout(timeout, work).await.unwrap_or(Err(Unanswered::Timeout))
}

impl World {
    async fn call_function(&self, invocation: Invocation) -> Result<Invoked, Unanswered> {
        let caller = self.caller(&invocation.source_arn, invocation.credentials.as_deref())?;
        let kind = if invocation.asynchronous { InvocationType::Event } else { InvocationType::RequestResponse };
        let input = InvocationRequest {
            function_name: invocation.function,
            invocation_type: Some(kind),
            payload: Some(invocation.payload),
            ..InvocationRequest::default()
        };
        let request_id = caller.request_id().to_owned();
        let output = caller.perform::<Invoke>(input).await.map_err(refused)?;
        Ok(Invoked {
            status: output.status_code.and_then(|status| status.try_into().ok()).unwrap_or(200),
            payload: output.payload.unwrap_or_default(),
            function_error: output.function_error,
            request_id,
        })
    }

    async fn call_streaming(&self, invocation: Invocation) -> Result<(Bytes, ByteStream), Unanswered> {
        let caller = self.caller(&invocation.source_arn, invocation.credentials.as_deref())?;
        let input = InvokeWithResponseStreamRequest {
            function_name: invocation.function,
            payload: Some(invocation.payload),
            ..InvokeWithResponseStreamRequest::default()
        };
        let output = caller.perform::<InvokeWithResponseStream>(input).await.map_err(refused)?;
        let stream = output.event_stream.unwrap_or_default();
        Payloads::new(&stream).head().await.map_err(Unanswered::Failed)
    }

    /// Performs an operation of a service that speaks JSON: the body is its input.
    async fn call_service(&self, action: Action) -> Result<Answer, Unanswered> {
        if action.credentials.is_none() {
            return Err(Unanswered::Denied);
        }
        let caller = self.caller(&action.source_arn, action.credentials.as_deref())?;
        let unknown = || Unanswered::Failed(format!("{}:{} is not there", action.service, action.operation));
        let service = json_service(&self.cx, &action.service).ok_or_else(unknown)?;
        let operation = service.operation(&action.operation).ok_or_else(unknown)?;
        let shapes = operation.model().shapes.as_ref().ok_or_else(unknown)?;

        let mut missing = false;
        let input =
            json::decode(&action.body, shapes.input, Names::Model, |decoder| operation.decode(decoder, &mut missing));
        let result = match input {
            Err(error) => Err(service.malformed(&error)),
            Ok(input) => self.cx.cloud.stages().perform(&caller, &**service, operation, input).await,
        };
        let content_type = ("Content-Type".to_owned(), "application/x-amz-json-1.0".to_owned());
        Ok(match result {
            Ok(output) => {
                let mut encoder = JsonEncoder::new(shapes.output, Names::Model);
                operation.encode_output(&*output, &mut encoder);
                Answer { status: 200, headers: vec![content_type], body: encoder.finish().into() }
            }
            Err(error) => {
                let encoded = error.encode(Protocol::AwsJson10, service.model(), caller.request_id());
                Answer { status: error.status, headers: vec![content_type], body: encoded.body.into() }
            }
        })
    }

    /// As whom a function is called: the integration's role, or this service, for which the function's policy must
    /// allow the method.
    fn caller(&self, source_arn: &str, credentials: Option<&str>) -> Result<Context, Unanswered> {
        let source = [("aws:SourceArn", source_arn), ("aws:SourceAccount", self.cx.account())];
        let Some(arn) = credentials else {
            return Ok(self.cx.acting_as(Principal::service(PRINCIPAL), &source));
        };
        let failed = |error: service::StoreError| Unanswered::Failed(error.to_string());
        let principal = session(&self.cx, arn).map_err(failed)?.ok_or(Unanswered::Denied)?;
        Ok(self.cx.acting_as(principal, &source))
    }
}

/// Why a function could not be called.
fn refused(error: ApiError) -> Unanswered {
    match error.code.as_str() {
        "AccessDeniedException" | "AccessDenied" | "ResourceNotFoundException" => Unanswered::Denied,
        "InvalidRequestContentException" => Unanswered::Invalid(error.message),
        _ => Unanswered::Failed(format!("{}: {}", error.code, error.message)),
    }
}

/// A service of this cloud whose operations take JSON.
pub fn json_service<'a>(cx: &'a Context, name: &str) -> Option<&'a Arc<dyn Service>> {
    let json = |protocol: &Protocol| matches!(protocol, Protocol::AwsJson10 | Protocol::AwsJson11);
    cx.cloud.service(name).filter(|service| service.model().protocols.iter().any(json))
}

/// Whether the service of a host is one of this cloud.
pub fn is_here(cx: &Context, host: &str) -> bool {
    cx.cloud.service(host.rsplit('.').next().unwrap_or_default()).is_some()
}

/// A session of a role that trusts this service; none where there is no such role.
pub fn session(cx: &Context, arn: &str) -> Result<Option<Principal>, service::StoreError> {
    let Some(role) = cx.cloud.directory().role(arn)?.filter(trusts) else { return Ok(None) };
    Ok(Some(Principal::AssumedRole {
        account: role.account,
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: "BackplaneAssumeRoleSession".to_owned(),
    }))
}

/// Whether this service may assume a role.
fn trusts(role: &Role) -> bool {
    let Ok(policy) = policy::Policy::parse(&role.trust_policy) else { return false };
    let request = policy::Request {
        caller: Principal::service(PRINCIPAL).caller(),
        action: "sts:AssumeRole".to_owned(),
        resource: role.arn.clone(),
        ..policy::Request::default()
    };
    policy::trusts(&policy, &request) == Some(policy::Effect::Allow)
}

/// Sends one request over a connection of its own.
async fn send(fetch: Fetch, identity: Option<(String, String)>) -> Result<Answer, Unanswered> {
    let failed = |error: &dyn std::fmt::Display| Unanswered::Failed(error.to_string());
    let mut request = http::Request::builder().method(fetch.method.as_str()).uri(&fetch.url);
    for (name, value) in fetch.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        request = request.header(name, value);
    }
    let request = request.body(fetch.body).map_err(|error| failed(&error))?;
    let tls = outbound::Tls { identity, unverified: fetch.unverified };
    let answer = outbound::send_with(request, LARGEST_ANSWER, &tls).await.map_err(|error| failed(&error))?;
    let (parts, body) = answer.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Answer { status: parts.status.as_u16(), headers: headers.collect(), body })
}
