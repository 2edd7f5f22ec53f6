//! Invoke.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use compute::{Invocation, Outcome};
use lambda_api::{InvocationRequest, InvocationResponse, InvocationType, Invoke, LogType};
use service::{Context, operation};

use super::{access, find, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::not_found;
use crate::runner::{Runner, trace};
use crate::store::{self as records, Configuration, Event, Function, State};

const SYNCHRONOUS_LIMIT: usize = 6_291_456;
const ASYNCHRONOUS_LIMIT: usize = 1_048_576;
/// How much of the log a caller can get with the answer.
const TAIL: usize = 4096;

operation! {
    Lambda, Invoke,
    access: |_s, cx, request| access(cx, "lambda:InvokeFunction", &request.function_name, request.qualifier.as_deref()),
    handler: invoke
}

async fn invoke(lambda: &Lambda, cx: &Context, request: InvocationRequest) -> Result<InvocationResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (mut function, mut configuration) = resolve(cx, &reference)?;
    let kind = request.invocation_type.unwrap_or(InvocationType::RequestResponse);
    check_tenant(&configuration, request.tenant_id.as_deref())?;
    if request.durable_execution_name.is_some() {
        let text = "DurableExecutionName is only supported for functions with a DurableConfig.";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    let payload = request.payload.filter(|payload| !payload.is_empty()).unwrap_or_else(|| "{}".into());
    check_payload(&payload, kind == InvocationType::Event, "InvokeFunction")?;
    let accepted = |status| Ok(InvocationResponse { status_code: Some(status), ..InvocationResponse::default() });
    match kind {
        InvocationType::DryRun => return accepted(204),
        InvocationType::Event => {
            lambda.events.accept(cx, &event(cx, reference, &payload, request.client_context, request.tenant_id))?;
            return accepted(202);
        }
        _ => {}
    }
    if configuration.state == State::Pending {
        (function, configuration) = active(&lambda.runner, cx, &reference).await?;
    }
    let executed_version = Some(configuration.version.clone());
    let invocation = Invocation {
        request_id: cx.request_id().to_owned(),
        payload,
        invoked_arn: reference.to_string(),
        client_context: client_context(request.client_context)?,
        tenant: request.tenant_id,
        ..Invocation::default()
    };
    let outcome = run(lambda, cx, function, configuration, invocation).await?;
    Ok(InvocationResponse {
        status_code: Some(200),
        function_error: outcome.function_error.map(str::to_owned),
        log_result: (request.log_type == Some(LogType::Tail)).then(|| tail(&outcome)),
        payload: Some(outcome.payload),
        executed_version,
        durable_execution_arn: None,
    })
}

/// The version that a reference means, when it can be invoked.
pub async fn active(runner: &Runner, cx: &Context, reference: &Reference) -> Result<(Function, Configuration), Error> {
    let found =
        runner.when_active(|| Ok(Some(resolve(cx, reference)?).filter(|(_, found)| found.state == State::Active)));
    found.await?.ok_or_else(|| {
        Error::ResourceConflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
                .into(),
        )
    })
}

/// A function ends what it has begun, even if nobody waits for the answer any more.
async fn run(
    lambda: &Lambda,
    cx: &Context,
    function: Function,
    configuration: Configuration,
    invocation: Invocation,
) -> Result<Outcome, Error> {
    let (runner, cx) = (lambda.runner.clone(), cx.clone().in_place(&function.account, &function.region));
    let running = tokio::spawn(async move { runner.run(&cx, &function, &configuration, invocation).await });
    running.await.unwrap_or_else(|error| Err(Error::Internal(service::Internal(error.to_string()))))
}

/// The version that a reference means.
pub fn resolve(cx: &Context, reference: &Reference) -> Result<(Function, Configuration), Error> {
    let mut function = find(cx, &reference.unqualified()).map_err(|_| not_found(reference))?;
    let qualifier = reference.qualifier_or_latest();
    if qualifier == LATEST {
        let latest = std::mem::take(&mut function.latest);
        return Ok((function, latest));
    }
    let version = if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        qualifier.to_owned()
    } else {
        let alias = records::alias(cx.store(), reference, qualifier)?.ok_or_else(|| not_found(reference))?;
        match alias.second {
            Some((version, weight)) if share(cx) < weight => version,
            _ => alias.version,
        }
    };
    if version == LATEST {
        let latest = std::mem::take(&mut function.latest);
        return Ok((function, latest));
    }
    let number = version.parse().map_err(|_| not_found(reference))?;
    let configuration = records::version(cx.store(), reference, number)?.ok_or_else(|| not_found(reference))?;
    Ok((function, configuration))
}

/// Evenly distributed between 0 and 1.
fn share(cx: &Context) -> f64 {
    let mut bytes = [0; 4];
    cx.random().fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

pub fn check_payload(payload: &[u8], asynchronous: bool, operation: &str) -> Result<(), Error> {
    let limit = if asynchronous { ASYNCHRONOUS_LIMIT } else { SYNCHRONOUS_LIMIT };
    if payload.len() > limit {
        return Err(Error::RequestTooLarge(format!(
            "Request must be smaller than {limit} bytes for the {operation} operation"
        )));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(payload).map(drop).map_err(|error| {
        Error::InvalidRequestContent(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))
    })
}

/// Comes as base64, goes to the function as JSON.
pub fn client_context(encoded: Option<String>) -> Result<Option<String>, Error> {
    let Some(encoded) = encoded else { return Ok(None) };
    let decoded = BASE64_STANDARD.decode(&encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let valid = decoded.filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    valid
        .map(|text| Some(text.replace('\n', " ")))
        .ok_or_else(|| Error::InvalidRequestContent("Could not parse client context as JSON".into()))
}

/// Functions that isolate tenants want to know the tenant, others do not.
pub fn check_tenant(configuration: &Configuration, tenant: Option<&str>) -> Result<(), Error> {
    let refused = |text: &str| Err(Error::InvalidParameterValue(text.into()));
    match (&configuration.tenancy, tenant) {
        (Some(_), None) => refused(
            "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.",
        ),
        (None, Some(_)) => refused(
            "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.",
        ),
        _ => Ok(()),
    }
}

pub fn event(
    cx: &Context,
    reference: Reference,
    payload: &[u8],
    client_context: Option<String>,
    tenant: Option<String>,
) -> Event {
    Event {
        request_id: cx.request_id().to_owned(),
        account: reference.account,
        region: reference.region,
        name: reference.name,
        qualifier: reference.qualifier,
        payload: String::from_utf8_lossy(payload).into_owned(),
        client_context,
        tenant,
        trace: Some(cx.origin().trace.clone().unwrap_or_else(|| trace(cx))),
    }
}

/// The last 4 KB of the log, as base64.
pub fn tail(outcome: &Outcome) -> String {
    let mut log = String::new();
    for line in &outcome.logs {
        log.push_str(&line.message);
        log.push('\n');
    }
    let bytes = log.as_bytes();
    BASE64_STANDARD.encode(&bytes[bytes.len().saturating_sub(TAIL)..])
}
