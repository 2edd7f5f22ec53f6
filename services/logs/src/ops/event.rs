//! Log events: putting, getting, filtering.

use logs_api::{
    FilterLogEvents, FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, GetLogEvents,
    GetLogEventsRequest, GetLogEventsResponse, InputLogEvent, OutputLogEvent, PutLogEvents, PutLogEventsRequest,
    PutLogEventsResponse, RejectedLogEventsInfo,
};
use service::{Context, Key, Range, Transaction, decode_token, encode_token, from_record, operation, to_record};

use super::{group_name, group_resource, stream_resource};
use crate::filter::Filter;
use crate::store::{
    Event, Group, Place, Stream, load_group, load_stream, number_at, save_group, save_stream, sortable, time_of,
};
use crate::{Error, Logs};

/// Bytes that each event counts beside its message.
const EVENT_OVERHEAD: usize = 26;
const MAX_BATCH_BYTES: usize = 1_048_576;
const DAY: i64 = 86_400_000;
/// A response holds this many bytes of messages at most.
const MAX_RESPONSE_BYTES: usize = 1_048_576;
/// How many events one FilterLogEvents looks at.
const MAX_SEARCHED: usize = 50_000;

/// AWS ignores tokens today and still hands them out.
pub(super) fn sequence_token(next: u64) -> String {
    format!("{next:056}")
}

operation! {
    Logs, PutLogEvents,
    action: "logs:PutLogEvents" on |cx, request| stream_resource(cx, &request.log_group_name, &request.log_stream_name),
    handler: put_log_events
}

async fn put_log_events(_: &Logs, cx: &Context, request: PutLogEventsRequest) -> Result<PutLogEventsResponse, Error> {
    check_batch(&request.log_events)?;
    let (place, now) = (Place::of(cx), cx.now().millis());
    let (next, rejected) = cx.store().write(|tx| {
        let mut group = load_group(tx, &place, &request.log_group_name)?.ok_or_else(Error::no_group)?;
        let stream = load_stream(tx, &place, &group.name, &request.log_stream_name)?;
        let mut stream = stream.ok_or_else(Error::no_stream)?;
        let (events, rejected) = accepted(request.log_events, &group, now);
        for event in events {
            append(tx, &place, &mut group, &mut stream, event, now)?;
        }
        expire(tx, &place, &group, now)?;
        save_stream(tx, &place, &group.name, &stream)?;
        save_group(tx, &place, &group)?;
        Ok::<_, Error>((stream.next, rejected))
    })?;
    Ok(PutLogEventsResponse {
        next_sequence_token: Some(sequence_token(next)),
        rejected_log_events_info: rejected,
        ..PutLogEventsResponse::default()
    })
}

fn check_batch(events: &[InputLogEvent]) -> Result<(), Error> {
    if events.windows(2).any(|pair| pair[0].timestamp > pair[1].timestamp) {
        return Err(Error::InvalidParameter(
            "Log events in a single PutLogEvents request must be in chronological order.".to_owned(),
        ));
    }
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_OVERHEAD).sum();
    if bytes > MAX_BATCH_BYTES {
        return Err(Error::InvalidParameter(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MAX_BATCH_BYTES}"
        )));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.timestamp - first.timestamp > DAY
    {
        return Err(Error::InvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.".to_owned(),
        ));
    }
    Ok(())
}

/// The events that are neither too old nor too new, and what AWS tells of the others.
fn accepted(
    events: Vec<InputLogEvent>,
    group: &Group,
    now: i64,
) -> (Vec<InputLogEvent>, Option<RejectedLogEventsInfo>) {
    let index = |position: usize| i32::try_from(position).ok();
    let expired = group.expires_before(now).map_or(0, |limit| events.partition_point(|event| event.timestamp < limit));
    let too_old = events.partition_point(|event| event.timestamp < now - 14 * DAY);
    let too_new = events.partition_point(|event| event.timestamp <= now + 2 * 3_600_000);
    let info = RejectedLogEventsInfo {
        too_new_log_event_start_index: (too_new < events.len()).then(|| index(too_new)).flatten(),
        too_old_log_event_end_index: (too_old > 0).then(|| index(too_old)).flatten(),
        expired_log_event_end_index: (expired > 0).then(|| index(expired)).flatten(),
    };
    let rejected = (info != RejectedLogEventsInfo::default()).then_some(info);
    let from = expired.max(too_old);
    (events.into_iter().take(too_new).skip(from).collect(), rejected)
}

fn append(
    tx: &mut Transaction<'_>,
    place: &Place,
    group: &mut Group,
    stream: &mut Stream,
    event: InputLogEvent,
    now: i64,
) -> Result<(), Error> {
    let (time, number) = (event.timestamp, stream.next);
    stream.next += 1;
    stream.first_event = Some(stream.first_event.map_or(time, |first| first.min(time)));
    stream.last_event = Some(stream.last_event.map_or(time, |last| last.max(time)));
    stream.last_ingestion = Some(now);
    group.stored_bytes += i64::try_from(event.message.len() + EVENT_OVERHEAD).unwrap_or_default();
    tx.put(place.time(&group.name, &stream.name, time, number), "");
    let record = to_record(&Event { message: event.message, ingested: now })?;
    tx.put(place.event(&group.name, &stream.name, time, number), record);
    Ok(())
}

/// Deletes some of the events whose time is up, with every batch that comes in.
fn expire(tx: &mut Transaction<'_>, place: &Place, group: &Group, now: i64) -> Result<(), Error> {
    let Some(limit) = group.expires_before(now) else { return Ok(()) };
    let times = place.times(&group.name);
    let at = times.as_slice().len();
    let range = Range::prefix(times.clone()).before(times.number(sortable(limit)));
    for (key, _) in tx.scan(range, 200)? {
        if let Some((time, stream, number)) = read_time_key(&key, at) {
            tx.delete(place.event(&group.name, &stream, time, number));
        }
        tx.delete(key);
    }
    Ok(())
}

/// Time, stream and number of a key of the index of times.
fn read_time_key(key: &[u8], at: usize) -> Option<(i64, String, u64)> {
    let time = time_of(number_at(key, at)?);
    let (stream, next) = Key::read_text(key, at + 8)?;
    Some((time, stream, number_at(key, next)?))
}

operation! {
    Logs, GetLogEvents,
    access: |_, cx, request| {
        let name = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
        Ok::<_, Error>(vec![
            service::Access::new("logs:GetLogEvents", stream_resource(cx, &name, &request.log_stream_name))
        ])
    },
    handler: get_log_events
}

/// Tokens are `f/…` and `b/…` with the place of an event: forward from behind it, backward from before it. At an end the
/// token stays the same, which is how clients know.
async fn get_log_events(_: &Logs, cx: &Context, request: GetLogEventsRequest) -> Result<GetLogEventsResponse, Error> {
    let group = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
    let (place, snapshot) = (Place::of(cx), cx.store().snapshot());
    let record = snapshot.get(place.group(&group).as_slice())?.ok_or_else(Error::no_group)?;
    let expires = from_record::<Group>(&record)?.expires_before(cx.now().millis());
    snapshot.get(place.stream(&group, &request.log_stream_name).as_slice())?.ok_or_else(Error::no_stream)?;
    let prefix = place.events(&group, &request.log_stream_name);
    let at = prefix.as_slice().len();
    let mut range = Range::prefix(prefix.clone());
    let start = request.start_time.into_iter().chain(expires).max();
    if let Some(start) = start {
        range = range.starting_at(prefix.clone().number(sortable(start)));
    }
    if let Some(end) = request.end_time {
        range = range.before(prefix.clone().number(sortable(end)));
    }
    let invalid = || Error::InvalidParameter("The specified nextToken is invalid.".to_owned());
    let forward = match request.next_token.as_deref() {
        None => request.start_from_head == Some(true),
        Some(token) => {
            let (direction, place) = token.split_once('/').ok_or_else(invalid)?;
            let key = prefix.clone().raw(&decode_token(place).ok_or_else(invalid)?);
            match direction {
                "f" => {
                    range = range.after(key);
                    true
                }
                "b" => {
                    range = range.before(key);
                    false
                }
                _ => return Err(invalid()),
            }
        }
    };
    let limit = usize::try_from(request.limit.unwrap_or(10_000)).unwrap_or(10_000);
    let mut found = Vec::new();
    let mut bytes = 0;
    let mut scan = snapshot.scan(range);
    while let Some(entry) = if forward { scan.next() } else { scan.next_back() } {
        let (key, value) = entry?;
        let event: Event = from_record(&value)?;
        bytes += event.message.len() + EVENT_OVERHEAD;
        if found.len() == limit || bytes > MAX_RESPONSE_BYTES {
            break;
        }
        found.push((key, event));
    }
    if !forward {
        found.reverse();
    }
    let tail = |entry: Option<&(service::Bytes, Event)>| entry.map(|(key, _)| encode_token(&key[at..]));
    let unmoved =
        request.next_token.as_deref().and_then(|token| token.split_once('/')).map(|(_, place)| place.to_owned());
    let edge = unmoved.unwrap_or_else(|| encode_token(&[if forward { 0 } else { 0xff }; 16]));
    let last = tail(found.last()).unwrap_or_else(|| edge.clone());
    let first = tail(found.first()).unwrap_or(edge);
    let events = found.into_iter().map(|(key, event)| OutputLogEvent {
        timestamp: number_at(&key, at).map(time_of),
        message: Some(event.message),
        ingestion_time: Some(event.ingested),
    });
    Ok(GetLogEventsResponse {
        events: Some(events.collect()),
        next_forward_token: Some(format!("f/{last}")),
        next_backward_token: Some(format!("b/{first}")),
    })
}

operation! {
    Logs, FilterLogEvents,
    access: |_, cx, request| {
        let name = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
        Ok::<_, Error>(vec![service::Access::new("logs:FilterLogEvents", group_resource(cx, &name))])
    },
    handler: filter_log_events
}

/// Events of all streams of a group, in the order of their times.
async fn filter_log_events(
    _: &Logs,
    cx: &Context,
    request: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, Error> {
    let group = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
    if request.log_stream_names.is_some() && request.log_stream_name_prefix.is_some() {
        return Err(Error::InvalidParameter(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.".to_owned(),
        ));
    }
    let pattern = request.filter_pattern.unwrap_or_default();
    let filter =
        Filter::parse(&pattern).ok_or_else(|| Error::InvalidParameter(format!("Invalid filter pattern: {pattern}")))?;
    let (place, snapshot) = (Place::of(cx), cx.store().snapshot());
    let record = snapshot.get(place.group(&group).as_slice())?.ok_or_else(Error::no_group)?;
    let expires = from_record::<Group>(&record)?.expires_before(cx.now().millis());
    let prefix = place.times(&group);
    let at = prefix.as_slice().len();
    let mut range = Range::prefix(prefix.clone());
    if let Some(start) = request.start_time.into_iter().chain(expires).max() {
        range = range.starting_at(prefix.clone().number(sortable(start)));
    }
    if let Some(end) = request.end_time {
        range = range.before(prefix.clone().number(sortable(end.saturating_add(1))));
    }
    if let Some(token) = &request.next_token {
        let invalid = || Error::InvalidParameter("The specified nextToken is invalid.".to_owned());
        range = range.after(prefix.clone().raw(&decode_token(token).ok_or_else(invalid)?));
    }
    let wanted = |stream: &str| {
        request.log_stream_names.as_ref().is_none_or(|names| names.iter().any(|name| name == stream))
            && request.log_stream_name_prefix.as_ref().is_none_or(|prefix| stream.starts_with(prefix.as_str()))
    };
    let limit = usize::try_from(request.limit.unwrap_or(10_000)).unwrap_or(10_000);
    let (mut events, mut bytes, mut next) = (Vec::new(), 0, None);
    let mut last: Option<service::Bytes> = None;
    for (searched, entry) in snapshot.scan(range).enumerate() {
        let (key, _) = entry?;
        if events.len() == limit || bytes > MAX_RESPONSE_BYTES || searched == MAX_SEARCHED {
            next = last.as_ref().map(|key| encode_token(&key[at..]));
            break;
        }
        if let Some((time, stream, number)) = read_time_key(&key, at).filter(|(_, stream, _)| wanted(stream))
            && let Some(value) = snapshot.get(place.event(&group, &stream, time, number).as_slice())?
        {
            let event: Event = from_record(&value)?;
            if filter.matches(&event.message) {
                bytes += event.message.len() + EVENT_OVERHEAD;
                events.push(FilteredLogEvent {
                    event_id: Some(format!("{:036}{number:020}", sortable(time))),
                    log_stream_name: Some(stream),
                    timestamp: Some(time),
                    message: Some(event.message),
                    ingestion_time: Some(event.ingested),
                });
            }
        }
        last = Some(key);
    }
    Ok(FilterLogEventsResponse { events: Some(events), searched_log_streams: Some(Vec::new()), next_token: next })
}
