//! What an import leaves out, told to CloudWatch Logs on the caller's behalf: an event for each record, in the stream of the
//! import. A caller who may not write logs goes without; an import that is begun again tells again.

use logs_api::{
    CreateLogGroup, CreateLogGroupRequest, CreateLogStream, CreateLogStreamRequest, InputLogEvent, PutLogEvents,
    PutLogEventsRequest,
};
use serde_json::json;
use service::{ApiError, Context};

use super::Import;

const GROUP: &str = "/aws-dynamodb/imports";
/// What one call may carry, with something to spare.
const BATCH_EVENTS: usize = 1000;
const BATCH_BYTES: usize = 900_000;

/// A record that was left out: its place in its file, and why.
pub type LeftOut = (usize, String);

pub fn group_arn(import: &Import) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{GROUP}:*", import.table.region, import.table.account)
}

/// Tells of the records of a file that were left out.
pub async fn tell(cx: &Context, import: &Import, file: &str, left_out: &[LeftOut]) {
    if left_out.is_empty() {
        return;
    }
    if let Err(error) = write(cx, import, file, left_out).await {
        tracing::debug!(code = error.code, message = error.message, "an import's errors were not logged");
    }
}

async fn write(cx: &Context, import: &Import, file: &str, left_out: &[LeftOut]) -> Result<(), ApiError> {
    let group = CreateLogGroupRequest { log_group_name: GROUP.to_owned(), ..Default::default() };
    exists(cx.call::<CreateLogGroup>(import.principal.clone(), group).await.map(drop))?;
    let stream = CreateLogStreamRequest { log_group_name: GROUP.to_owned(), log_stream_name: import.id.clone() };
    exists(cx.call::<CreateLogStream>(import.principal.clone(), stream).await.map(drop))?;
    let mut batch: Vec<InputLogEvent> = Vec::new();
    let mut bytes = 0;
    for (place, reason) in left_out {
        let message = json!({
            "itemS3Pointer": { "bucket": import.bucket, "key": file, "itemIndex": place },
            "importArn": import.arn(),
            "errorMessages": [reason],
        })
        .to_string();
        if batch.len() == BATCH_EVENTS || bytes + message.len() > BATCH_BYTES {
            put(cx, import, std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
        bytes += message.len();
        batch.push(InputLogEvent { timestamp: cx.now().millis(), message });
    }
    put(cx, import, batch).await
}

async fn put(cx: &Context, import: &Import, log_events: Vec<InputLogEvent>) -> Result<(), ApiError> {
    let request = PutLogEventsRequest {
        log_group_name: GROUP.to_owned(),
        log_stream_name: import.id.clone(),
        log_events,
        ..Default::default()
    };
    cx.call::<PutLogEvents>(import.principal.clone(), request).await.map(drop)
}

fn exists(created: Result<(), ApiError>) -> Result<(), ApiError> {
    match created {
        Err(error) if error.code == "ResourceAlreadyExistsException" => Ok(()),
        other => other,
    }
}
