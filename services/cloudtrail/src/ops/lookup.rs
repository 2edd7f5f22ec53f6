//! The event history.

use cloudtrail_api::{
    Event, LookupAttribute, LookupAttributeKey, LookupEvents, LookupEventsRequest, LookupEventsResponse, Resource,
};
use serde_json::Value;
use service::{Context, Range, Timestamp, decode_token, encode_token, operation};

use crate::trail::events;
use crate::{CloudTrail, Error};

operation! { CloudTrail, LookupEvents, action: "cloudtrail:LookupEvents" on |_, _| "*", handler: lookup_events }

/// Newest first, of the caller's account and region.
async fn lookup_events(
    service: &CloudTrail,
    cx: &Context,
    request: LookupEventsRequest,
) -> Result<LookupEventsResponse, Error> {
    if let (Some(start), Some(end)) = (request.start_time, request.end_time)
        && start > end
    {
        return Err(Error::InvalidTimeRange("The StartTime must be before the EndTime.".to_owned()));
    }
    let attributes = request.lookup_attributes.unwrap_or_default();
    if attributes.len() > 1 {
        return Err(Error::InvalidLookupAttributes("You can specify only one lookup attribute.".to_owned()));
    }
    service.trail.flush()?;
    let prefix = events(cx.account(), cx.region());
    let mut range = Range::prefix(prefix.clone());
    if let Some(start) = request.start_time {
        range = range.starting_at(prefix.clone().number(start.millis().unsigned_abs()));
    }
    if let Some(end) = request.end_time {
        range = range.before(prefix.number(end.plus_secs(1).millis().unsigned_abs()));
    }
    if let Some(token) = &request.next_token {
        let key = decode_token(token).ok_or_else(|| Error::InvalidNextToken("The token is invalid.".to_owned()))?;
        range = range.before(key);
    }
    let most = usize::try_from(request.max_results.unwrap_or(50)).unwrap_or(50);
    let mut found = Vec::new();
    let mut last = None;
    let mut more = false;
    for entry in cx.store().scan(range).rev() {
        let (key, value) = entry?;
        let stored: Value = service_record(&value)?;
        if !attributes.iter().all(|attribute| matches(attribute, &stored)) {
            continue;
        }
        if found.len() == most {
            more = true;
            break;
        }
        found.push(shown(&stored));
        last = Some(key);
    }
    let next_token = last.filter(|_| more).map(|key| encode_token(&key));
    Ok(LookupEventsResponse { events: Some(found), next_token })
}

fn service_record(bytes: &[u8]) -> Result<Value, service::StoreError> {
    service::from_record(bytes)
}

fn matches(attribute: &LookupAttribute, stored: &Value) -> bool {
    let wanted = attribute.attribute_value.as_str();
    let record = &stored["record"];
    match &attribute.attribute_key {
        LookupAttributeKey::EventId => stored["id"] == wanted,
        LookupAttributeKey::EventName => stored["name"] == wanted,
        LookupAttributeKey::Username => stored["user"] == wanted,
        LookupAttributeKey::AccessKeyId => stored["key"] == wanted,
        LookupAttributeKey::EventSource => record["eventSource"] == wanted,
        LookupAttributeKey::ReadOnly => {
            record["readOnly"].as_bool().map(|value| value.to_string()).as_deref() == Some(wanted)
        }
        LookupAttributeKey::ResourceName => resource_names(record).iter().any(|name| name == wanted),
        LookupAttributeKey::ResourceType | LookupAttributeKey::Unknown(_) => false,
    }
}

/// Names among the parameters: `tableName`, `functionName`, `bucket`, …
fn resource_names(record: &Value) -> Vec<String> {
    let parameters = record["requestParameters"].as_object().into_iter().flatten();
    let is_name =
        |key: &str| key.ends_with("Name") || key.ends_with("Arn") || key.ends_with("ApiId") || key == "bucket";
    parameters.filter(|(key, _)| is_name(key)).filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
}

fn shown(stored: &Value) -> Event {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let record = &stored["record"];
    let resources = resource_names(record);
    Event {
        event_id: text(&stored["id"]),
        event_name: text(&stored["name"]),
        read_only: record["readOnly"].as_bool().map(|value| value.to_string()),
        access_key_id: text(&stored["key"]),
        event_time: record["eventTime"].as_str().and_then(Timestamp::parse),
        event_source: text(&record["eventSource"]),
        username: text(&stored["user"]),
        resources: Some(
            resources.into_iter().map(|name| Resource { resource_name: Some(name), ..Resource::default() }).collect(),
        ),
        cloud_trail_event: Some(record.to_string()),
    }
}
