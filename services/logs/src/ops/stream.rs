//! Log streams.

use logs_api::{
    CreateLogStream, CreateLogStreamRequest, DeleteLogStream, DeleteLogStreamRequest, DescribeLogStreams,
    DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream, OrderBy,
};
use service::{Context, Range, from_record, operation};
use wire::Unit;

use super::{group_arn, group_name, group_resource, stream_resource};
use crate::store::{Place, Stream, load_group, load_stream, number_at, save_stream, time_of};
use crate::{Error, Logs};

operation! {
    Logs, CreateLogStream,
    action: "logs:CreateLogStream" on |cx, request| {
        stream_resource(cx, &request.log_group_name, &request.log_stream_name)
    },
    handler: create_log_stream
}

async fn create_log_stream(_: &Logs, cx: &Context, request: CreateLogStreamRequest) -> Result<Unit, Error> {
    let (place, group) = (Place::of(cx), &request.log_group_name);
    let stream = Stream {
        name: request.log_stream_name,
        created: cx.now().millis(),
        first_event: None,
        last_event: None,
        last_ingestion: None,
        next: 0,
    };
    cx.store().write(|tx| {
        load_group(tx, &place, group)?.ok_or_else(Error::no_group)?;
        if load_stream(tx, &place, group, &stream.name)?.is_some() {
            return Err(Error::ResourceAlreadyExists("The specified log stream already exists".to_owned()));
        }
        Ok(save_stream(tx, &place, group, &stream)?)
    })?;
    Ok(Unit {})
}

operation! {
    Logs, DescribeLogStreams,
    access: |_, cx, request| {
        let name = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
        Ok::<_, Error>(vec![service::Access::new("logs:DescribeLogStreams", group_resource(cx, &name))])
    },
    handler: describe_log_streams
}

async fn describe_log_streams(
    _: &Logs,
    cx: &Context,
    request: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Error> {
    let name = group_name(request.log_group_name.as_deref(), request.log_group_identifier.as_deref())?;
    let place = Place::of(cx);
    let by_time = request.order_by == Some(OrderBy::LastEventTime);
    if by_time && request.log_stream_name_prefix.is_some() {
        return Err(Error::InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.".to_owned()));
    }
    let snapshot = cx.store().snapshot();
    if snapshot.get(place.group(&name).as_slice())?.is_none() {
        return Err(Error::no_group());
    }
    let prefix = request.log_stream_name_prefix.unwrap_or_default();
    let mut streams = Vec::new();
    for entry in snapshot.scan(Range::prefix(place.streams(&name))) {
        let stream: Stream = from_record(&entry?.1)?;
        if stream.name.starts_with(&prefix) {
            streams.push(stream);
        }
    }
    if by_time {
        streams.sort_by_key(|stream| (stream.last_event, stream.name.clone()));
    }
    if request.descending == Some(true) {
        streams.reverse();
    }
    let from = match &request.next_token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Error::InvalidParameter("The specified nextToken is invalid.".to_owned()))?,
    };
    let limit = usize::try_from(request.limit.unwrap_or(50)).unwrap_or(50);
    let more = streams.len() > from + limit;
    let shown = streams.iter().skip(from).take(limit).map(|stream| show(stream, &place, &name)).collect();
    Ok(DescribeLogStreamsResponse { log_streams: Some(shown), next_token: more.then(|| (from + limit).to_string()) })
}

fn show(stream: &Stream, place: &Place, group: &str) -> LogStream {
    LogStream {
        log_stream_name: Some(stream.name.clone()),
        creation_time: Some(stream.created),
        first_event_timestamp: stream.first_event,
        last_event_timestamp: stream.last_event,
        last_ingestion_time: stream.last_ingestion,
        upload_sequence_token: Some(super::event::sequence_token(stream.next)),
        arn: Some(format!("{}:log-stream:{}", group_arn(place, group), stream.name)),
        // AWS has answered zero here since 2019.
        stored_bytes: Some(0),
    }
}

operation! {
    Logs, DeleteLogStream,
    action: "logs:DeleteLogStream" on |cx, request| {
        stream_resource(cx, &request.log_group_name, &request.log_stream_name)
    },
    handler: delete_log_stream
}

async fn delete_log_stream(_: &Logs, cx: &Context, request: DeleteLogStreamRequest) -> Result<Unit, Error> {
    let (place, group, name) = (Place::of(cx), &request.log_group_name, &request.log_stream_name);
    cx.store().write(|tx| {
        load_group(tx, &place, group)?.ok_or_else(Error::no_group)?;
        load_stream(tx, &place, group, name)?.ok_or_else(Error::no_stream)?;
        let events = place.events(group, name);
        let at = events.as_slice().len();
        for (key, _) in tx.scan(Range::prefix(events), usize::MAX)? {
            if let (Some(time), Some(number)) = (number_at(&key, at), number_at(&key, at + 8)) {
                tx.delete(place.time(group, name, time_of(time), number));
            }
            tx.delete(key);
        }
        tx.delete(place.stream(group, name));
        Ok::<_, Error>(())
    })?;
    Ok(Unit {})
}
