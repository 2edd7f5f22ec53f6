//! The event history.

use cloudtrail_api::{
    Event, LookupAttribute, LookupAttributeKey, LookupEvents, LookupEventsRequest, LookupEventsResponse, Resource,
};
use service::{Context, Range, StoreError, Timestamp, decode_token, encode_token, operation};

use crate::chunk::{SPAN_MILLIS, decode};
use crate::event::Record;
use crate::trail::place;
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
    let prefix = place(cx.account(), cx.region());
    let millis = |time: Timestamp| time.millis().unsigned_abs();
    let mut range = Range::prefix(prefix.clone());
    if let Some(start) = request.start_time {
        // A record is found by its first event; the others may be later by its span.
        range = range.starting_at(prefix.clone().number(millis(start.plus_millis(-SPAN_MILLIS))));
    }
    if let Some(end) = request.end_time {
        range = range.before(prefix.number(millis(end.plus_secs(1).plus_millis(SPAN_MILLIS))));
    }
    // Where the last page ended: a record, and how many of its events are still to be shown.
    let mut left = None;
    if let Some(token) = &request.next_token {
        let invalid = || Error::InvalidNextToken("The token is invalid.".to_owned());
        let token = decode_token(token).ok_or_else(invalid)?;
        let (key, count) = token.split_last_chunk::<4>().ok_or_else(invalid)?;
        left = Some((key.to_vec(), u32::from_be_bytes(*count) as usize));
        range = range.up_to(key.to_vec());
    }
    let most = usize::try_from(request.max_results.unwrap_or(50)).unwrap_or(50);
    let mut found = Vec::new();
    for entry in cx.store().scan(range).rev() {
        let (key, value) = entry?;
        let mut records =
            decode(&value, cx.account(), cx.region()).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if let Some((_, count)) = left.take().filter(|(at, _)| *at == *key) {
            records.truncate(count);
        }
        for (index, record) in records.iter().enumerate().rev() {
            let in_time = request.start_time.is_none_or(|start| record.time >= start)
                && request.end_time.is_none_or(|end| record.time.millis() < end.plus_secs(1).millis());
            if !in_time || !attributes.iter().all(|attribute| matches(attribute, record)) {
                continue;
            }
            if found.len() == most {
                let count = u32::try_from(index + 1).unwrap_or(u32::MAX).to_be_bytes();
                let next_token = Some(encode_token(&[&key[..], &count].concat()));
                return Ok(LookupEventsResponse { events: Some(found), next_token });
            }
            found.push(shown(record));
        }
    }
    Ok(LookupEventsResponse { events: Some(found), next_token: None })
}

fn matches(attribute: &LookupAttribute, record: &Record) -> bool {
    let wanted = attribute.attribute_value.as_str();
    match &attribute.attribute_key {
        LookupAttributeKey::EventId => record.id == wanted,
        LookupAttributeKey::EventName => record.operation == wanted,
        LookupAttributeKey::Username => record.caller.user.as_deref() == Some(wanted),
        LookupAttributeKey::AccessKeyId => record.caller.key.as_deref() == Some(wanted),
        LookupAttributeKey::EventSource => record.source() == wanted,
        LookupAttributeKey::ReadOnly => record.read_only.to_string() == wanted,
        LookupAttributeKey::ResourceName => record.resource_names().contains(&wanted),
        LookupAttributeKey::ResourceType | LookupAttributeKey::Unknown(_) => false,
    }
}

fn shown(record: &Record) -> Event {
    let resource = |name: &str| Resource { resource_name: Some(name.to_owned()), ..Resource::default() };
    Event {
        event_id: Some(record.id.clone()),
        event_name: Some(record.operation.clone()),
        read_only: Some(record.read_only.to_string()),
        access_key_id: record.caller.key.clone(),
        event_time: Some(Timestamp::from_secs(record.time.secs())),
        event_source: Some(record.source()),
        username: record.caller.user.clone(),
        resources: Some(record.resource_names().into_iter().map(resource).collect()),
        cloud_trail_event: Some(record.json().to_string()),
    }
}
