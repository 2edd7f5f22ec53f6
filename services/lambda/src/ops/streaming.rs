//! InvokeWithResponseStream.

use bytes::Bytes;
use compute::{Invocation, Outcome, Part};
use futures_util::stream::unfold;
use lambda_api::{
    InvokeWithResponseStream, InvokeWithResponseStreamRequest, InvokeWithResponseStreamResponse, LogType,
    ResponseStreamingInvocationType,
};
use serde_json::{Map, Value};
use service::{ApiError, Context, operation};
use wire::ByteStream;
use wire::eventstream::Message;

use super::invocation::{active, check_payload, check_tenant, client_context, resolve, tail};
use super::{access, reference};
use crate::Lambda;
use crate::error::Error;
use crate::streaming::{Step, Streaming};

operation! {
    Lambda, InvokeWithResponseStream,
    access: |_s, cx, request| access(cx, "lambda:InvokeFunction", &request.function_name, request.qualifier.as_deref()),
    handler: invoke_with_response_stream
}

const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
const OPERATION: &str = "InvokeWithResponseStream";

async fn invoke_with_response_stream(
    lambda: &Lambda,
    cx: &Context,
    request: InvokeWithResponseStreamRequest,
) -> Result<InvokeWithResponseStreamResponse, Error> {
    let reference = reference(cx, &request.function_name, request.qualifier.as_deref())?;
    let (_, configuration) = resolve(cx, &reference)?;
    check_tenant(&configuration, request.tenant_id.as_deref())?;
    let payload = request.payload.filter(|payload| !payload.is_empty()).unwrap_or_else(|| "{}".into());
    check_payload(&payload, false, OPERATION)?;
    let answer = InvokeWithResponseStreamResponse {
        response_stream_content_type: Some(CONTENT_TYPE.into()),
        ..InvokeWithResponseStreamResponse::default()
    };
    if request.invocation_type == Some(ResponseStreamingInvocationType::DryRun) {
        return Ok(InvokeWithResponseStreamResponse { status_code: Some(204), ..answer });
    }
    let client_context = client_context(request.client_context)?;
    let (function, configuration) = active(&lambda.runner, cx, &reference).await?;
    let executed_version = Some(configuration.version.clone());
    let invocation = Invocation {
        request_id: cx.request_id().to_owned(),
        payload,
        invoked_arn: reference.to_string(),
        client_context,
        tenant: request.tenant_id,
        ..Invocation::default()
    };
    let own = cx.clone().in_place(&function.account, &function.region);
    let mut streaming = Streaming::start(lambda.runner.clone(), own, function, configuration, invocation);
    // What prevents the function from running is said instead of a stream.
    let first = match streaming.next().await {
        Step::Ended(ended) => Step::Ended(Box::new(Ok((*ended)?))),
        part => part,
    };
    let with_log = request.log_type == Some(LogType::Tail);
    Ok(InvokeWithResponseStreamResponse {
        status_code: Some(200),
        executed_version,
        event_stream: Some(events(streaming, first, with_log)),
        ..answer
    })
}

/// The events of an invocation, encoded.
fn events(streaming: Streaming, first: Step, with_log: bool) -> ByteStream {
    let stream = unfold(Some((streaming, Some(first))), move |state| async move {
        let (mut streaming, first) = state?;
        let step = match first {
            Some(first) => first,
            None => streaming.next().await,
        };
        match step {
            Step::Part(Part::Begin { .. }) => Some((Ok(Bytes::new()), Some((streaming, None)))),
            Step::Part(Part::Data(data)) => Some((Ok(chunk(data)), Some((streaming, None)))),
            Step::Ended(ended) => Some((Ok(last(*ended, with_log)), None)),
        }
    });
    ByteStream::new(stream, None)
}

fn chunk(payload: Bytes) -> Bytes {
    Message::event("PayloadChunk", Some("application/octet-stream"), payload).encode()
}

/// The answer of a function that did not stream, if it did not; and the end.
fn last(ended: Result<Outcome, Error>, with_log: bool) -> Bytes {
    let mut complete = Map::new();
    let mut events = Vec::new();
    match ended {
        Ok(outcome) => {
            if let Some(error) = outcome.function_error {
                complete.insert("ErrorCode".into(), error.into());
                complete.insert("ErrorDetails".into(), String::from_utf8_lossy(&outcome.payload).into());
            } else if !outcome.payload.is_empty() {
                events.extend_from_slice(&chunk(outcome.payload.clone()));
            }
            if with_log {
                complete.insert("LogResult".into(), tail(&outcome).into());
            }
        }
        Err(error) => {
            let error = ApiError::from(error);
            complete.insert("ErrorCode".into(), error.code.to_string().into());
            complete.insert("ErrorDetails".into(), error.message.into());
        }
    }
    let complete = Value::Object(complete).to_string().into();
    events.extend_from_slice(&Message::event("InvokeComplete", Some("application/json"), complete).encode());
    events.into()
}
