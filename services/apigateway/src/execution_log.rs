//! A stage's execution log in CloudWatch Logs, written after the answer has gone out.

use crate::{log::Log, request::Incoming};
use logs_api::{
    CreateLogGroup, CreateLogGroupRequest, CreateLogStream, CreateLogStreamRequest, InputLogEvent, PutLogEvents,
    PutLogEventsRequest,
};
use service::{ApiError, Context, Principal};

/// Writes a request's log to `API-Gateway-Execution-Logs_{api}/{stage}`, a stream for each day.
pub fn write(cx: &Context, incoming: &Incoming, log: Log) {
    let group = format!("API-Gateway-Execution-Logs_{}/{}", incoming.api, incoming.stage);
    let stream = incoming.time.datetime().strftime("%Y/%m/%d/").to_string() + &incoming.deployment;
    let events: Vec<InputLogEvent> =
        log.events().map(|(time, message)| InputLogEvent { timestamp: time.millis(), message }).collect();
    let cx = cx.clone();
    tokio::spawn(async move {
        if let Err(error) = put(&cx, &group, &stream, events).await {
            tracing::warn!(code = error.code, message = error.message, group, "an execution log was not written");
        }
    });
}

async fn put(cx: &Context, group: &str, stream: &str, events: Vec<InputLogEvent>) -> Result<(), ApiError> {
    let writer = || Principal::service("apigateway.amazonaws.com");
    let input = PutLogEventsRequest {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events: events,
        ..PutLogEventsRequest::default()
    };
    match cx.call::<PutLogEvents>(writer(), input.clone()).await {
        Err(error) if error.code == "ResourceNotFoundException" => {}
        result => return result.map(drop),
    }
    let create_group = CreateLogGroupRequest { log_group_name: group.to_owned(), ..CreateLogGroupRequest::default() };
    tolerate(cx.call::<CreateLogGroup>(writer(), create_group).await)?;
    let create_stream = CreateLogStreamRequest { log_group_name: group.to_owned(), log_stream_name: stream.to_owned() };
    tolerate(cx.call::<CreateLogStream>(writer(), create_stream).await)?;
    cx.call::<PutLogEvents>(writer(), input).await.map(drop)
}

/// Another request may have created it in the meantime.
fn tolerate<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if error.code == "ResourceAlreadyExistsException" => Ok(()),
        result => result.map(drop),
    }
}
