//! What a stage writes to CloudWatch Logs once an answer has gone out: how each request was executed, and that it was
//! made. Both are written as the role in the account's settings, which must be allowed to.

use crate::{
    error::Error,
    gateway_response::{Failure, Reply, fill},
    log::Log,
    request::Incoming,
};
use apigateway_api::AccessLogSettings;
use execute_api::logs::{group_of, put, writer};
use logs_api::InputLogEvent;
use serde_json::{Value as Json, json};
use service::Context;

/// Writes a request's execution log to `API-Gateway-Execution-Logs_{api}/{stage}`.
pub fn execution(cx: &Context, incoming: &Incoming, log: &Log) {
    let group = format!("API-Gateway-Execution-Logs_{}/{}", incoming.api, incoming.stage);
    let events = log.events().map(|(time, message)| event(time.millis(), message)).collect();
    write(cx, incoming, group, events);
}

/// Writes a request's line of the access log.
pub fn access(
    cx: &Context,
    incoming: &Incoming,
    settings: &AccessLogSettings,
    reply: &Reply,
    failure: Option<&Failure>,
    log: &Log,
) {
    let Some(group) = settings.destination_arn.as_deref().and_then(group_of) else { return };
    // Without a format there is nothing to say.
    let Some(format) = settings.format.as_deref() else { return };
    let now = cx.now().millis();
    let mut context = incoming.context();
    context["status"] = reply.status.into();
    context["responseLength"] = reply.body.len().into();
    context["responseLatency"] = (now - incoming.time.millis()).into();
    if let Some(answered) = &log.integration {
        context["integrationLatency"] = answered.latency.into();
        context["integrationStatus"] = answered.status.into();
        context["integration"] = json!({
            "latency": answered.latency,
            "status": answered.status,
            "integrationStatus": answered.status,
            "requestId": answered.request_id,
        });
        if let Some(id) = &answered.request_id {
            context["awsEndpointRequestId"] = id.as_str().into();
        }
    }
    if let Some(failure) = failure {
        context["error"] = json!({
            "message": failure.message,
            "messageString": Json::from(failure.message.as_str()).to_string(),
            "responseType": failure.kind.name,
            "validationErrorString": failure.validation,
        });
        if let Some(reason) = failure.log.as_deref().filter(|_| failure.kind.status >= Some(500)) {
            context["integrationErrorMessage"] = reason.into();
            context["integration"]["error"] = reason.into();
        }
    }
    let line = fill(format, "-", incoming, &context);
    write(cx, incoming, group.to_owned(), vec![event(now, line)]);
}

fn event(timestamp: i64, message: String) -> InputLogEvent {
    InputLogEvent { timestamp, message }
}

/// Writes events to a stream for the day, without making the caller of the API wait.
fn write(cx: &Context, incoming: &Incoming, group: String, events: Vec<InputLogEvent>) {
    let stream = incoming.time.datetime().strftime("%Y/%m/%d/").to_string() + &incoming.deployment;
    let cx = cx.clone();
    tokio::spawn(async move {
        let written = match writer(&cx) {
            Ok(Some(writer)) => put(&cx, &writer, &group, &stream, events).await,
            Ok(None) => return,
            Err(error) => Err(Error::from(error).into()),
        };
        if let Err(error) = written {
            tracing::warn!(code = error.code, message = error.message, group, "a log was not written");
        }
    });
}
