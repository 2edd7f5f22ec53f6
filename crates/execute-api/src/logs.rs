//! Writing to CloudWatch Logs.

use logs_api::{
    CreateLogGroup, CreateLogGroupRequest, CreateLogStream, CreateLogStreamRequest, InputLogEvent, PutLogEvents,
    PutLogEventsRequest,
};
use service::{ApiError, Context, Key, Principal, StoreError};

use crate::backend::session;

/// The place of an account's settings in a region, which REST APIs manage and all kinds follow.
pub fn settings(account: &str, region: &str) -> Key {
    Key::new("apigateway/account").text(account).text(region)
}

/// The role in such settings.
pub fn role(record: &[u8]) -> Result<Option<String>, StoreError> {
    let record: serde_json::Value =
        serde_json::from_slice(record).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(record["cloudwatchRoleArn"].as_str().map(str::to_owned))
}

/// As whom execution logs are written: the role that the account's settings name.
pub fn writer(cx: &Context) -> Result<Option<Principal>, StoreError> {
    let record = cx.store().snapshot().get(settings(cx.account(), cx.region()).as_slice())?;
    match record.map(|record| role(&record)).transpose()?.flatten() {
        Some(role) => session(cx, &role),
        None => Ok(None),
    }
}

/// The log group that a destination names.
pub fn group_of(destination: &str) -> Option<&str> {
    let group = destination.strip_prefix("arn:aws:logs:")?.split_once(":log-group:")?.1;
    Some(group.strip_suffix(":*").unwrap_or(group)).filter(|group| !group.is_empty())
}

/// Writes events to a stream, which is made with its group where it is not there.
pub async fn put(
    cx: &Context,
    writer: &Principal,
    group: &str,
    stream: &str,
    events: Vec<InputLogEvent>,
) -> Result<(), ApiError> {
    let input = PutLogEventsRequest {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events: events,
        ..PutLogEventsRequest::default()
    };
    match cx.call::<PutLogEvents>(writer.clone(), input.clone()).await {
        Err(error) if error.code == "ResourceNotFoundException" => {}
        result => return result.map(drop),
    }
    let create_group = CreateLogGroupRequest { log_group_name: group.to_owned(), ..CreateLogGroupRequest::default() };
    tolerate(cx.call::<CreateLogGroup>(writer.clone(), create_group).await)?;
    let create_stream = CreateLogStreamRequest { log_group_name: group.to_owned(), log_stream_name: stream.to_owned() };
    tolerate(cx.call::<CreateLogStream>(writer.clone(), create_stream).await)?;
    cx.call::<PutLogEvents>(writer.clone(), input).await.map(drop)
}

/// Another request may have created it in the meantime.
fn tolerate<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if error.code == "ResourceAlreadyExistsException" => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_name_groups() {
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/api/access";
        assert_eq!(group_of(arn), Some("/api/access"));
        assert_eq!(group_of(&format!("{arn}:*")), Some("/api/access"));
        assert_eq!(group_of("arn:aws:firehose:us-east-1:000000000000:deliverystream/x"), None);
    }
}
