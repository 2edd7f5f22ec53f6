//! ListStreams, DescribeStream, GetShardIterator, GetRecords.

use dynamodbstreams_api as api;
use service::{Access, Arn, Context, Timestamp, operation};
use store::Range;

use super::Streams;
use super::iterator::{ShardIterator, VALID_MILLIS};
use crate::error::{Error, Invalid};
use crate::key::KeySchema;
use crate::store::{Head, head_key};
use crate::stream::{Actor, Event, KEPT_MILLIS, Record, STREAMS, Stream, View, key, read_sequence, sequence_text};
use crate::value::{AttributeValue, Item};

const MAX_STREAMS: i32 = 100;
const MAX_RECORDS: i32 = 1000;
const MAX_BYTES: usize = 1024 * 1024;

operation! {
    Streams, api::ListStreams,
    action: "dynamodb:ListStreams" on |cx, request| {
        let table = request.table_name.as_deref().unwrap_or("*");
        format!("{}/stream/*", crate::table::arn(cx.region(), cx.account(), table))
    },
    handler: list_streams
}

async fn list_streams(
    _: &Streams,
    cx: &Context,
    request: api::ListStreamsInput,
) -> Result<api::ListStreamsOutput, Error> {
    check_limit(request.limit, MAX_STREAMS)?;
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_STREAMS as usize);
    let mut prefix = format!("{STREAMS}{}/{}/", cx.account(), cx.region());
    if let Some(table) = &request.table_name {
        prefix = format!("{prefix}{table}/");
    }
    let mut range = Range::prefix(prefix);
    if let Some(start) = &request.exclusive_start_stream_arn {
        range = range.after(stream_key(cx, start).ok_or_else(invalid_arn)?);
    }
    let mut streams: Vec<api::Stream> = Vec::new();
    let mut last = None;
    for entry in cx.store().scan(range) {
        let stream: Stream = service::from_record(&entry?.1)?;
        if is_gone(&stream, cx) {
            continue;
        }
        if streams.len() == limit {
            last = streams.last().and_then(|stream| stream.stream_arn.clone());
            break;
        }
        streams.push(api::Stream {
            stream_arn: Some(stream.arn()),
            table_name: Some(stream.table),
            stream_label: Some(stream.label),
        });
    }
    Ok(api::ListStreamsOutput { streams: Some(streams), last_evaluated_stream_arn: last })
}

/// The greatest numbers are in the documentation, but not in the model.
fn check_limit(limit: Option<i32>, greatest: i32) -> Result<(), Invalid> {
    match limit {
        Some(limit) if limit > greatest => Err(Invalid(format!(
            "1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: Member must have \
             value less than or equal to {greatest}"
        ))),
        _ => Ok(()),
    }
}

operation! {
    Streams, api::DescribeStream,
    action: "dynamodb:DescribeStream" on |_, request| request.stream_arn.clone(),
    handler: describe_stream
}

async fn describe_stream(
    _: &Streams,
    cx: &Context,
    request: api::DescribeStreamInput,
) -> Result<api::DescribeStreamOutput, Error> {
    check_limit(request.limit, MAX_STREAMS)?;
    let stream = find(cx, &request.stream_arn)?;
    let children =
        request.shard_filter.as_ref().is_some_and(|filter| filter.r#type == Some(api::ShardFilterType::ChildShards));
    let shard_id = stream.shard_id();
    let shard = api::Shard {
        sequence_number_range: Some(api::SequenceNumberRange {
            starting_sequence_number: Some(sequence_text(stream.first)),
            ending_sequence_number: stream.closed.map(|closed| sequence_text(closed.last.max(stream.first))),
        }),
        parent_shard_id: None,
        shard_id: Some(shard_id.clone()),
    };
    // The one shard there is has no children, and nothing comes after it.
    let after = request.exclusive_start_shard_id.as_ref().is_some_and(|start| *start >= shard_id);
    let enabled = stream.closed.is_none();
    Ok(api::DescribeStreamOutput {
        stream_description: Some(api::StreamDescription {
            stream_arn: Some(stream.arn()),
            stream_status: Some(if enabled { api::StreamStatus::Enabled } else { api::StreamStatus::Disabled }),
            stream_view_type: Some(view(stream.view)),
            creation_request_date_time: Some(Timestamp::from_millis(stream.created)),
            key_schema: Some(key_schema(&stream.keys)),
            shards: Some(if children || after { Vec::new() } else { vec![shard] }),
            table_name: Some(stream.table),
            stream_label: Some(stream.label),
            last_evaluated_shard_id: None,
        }),
    })
}

operation! {
    Streams, api::GetShardIterator,
    action: "dynamodb:GetShardIterator" on |_, request| request.stream_arn.clone(),
    handler: get_shard_iterator
}

async fn get_shard_iterator(
    _: &Streams,
    cx: &Context,
    request: api::GetShardIteratorInput,
) -> Result<api::GetShardIteratorOutput, Error> {
    let named = request.sequence_number.as_ref();
    let by_number = matches!(
        request.shard_iterator_type,
        api::ShardIteratorType::AtSequenceNumber | api::ShardIteratorType::AfterSequenceNumber
    );
    if by_number && named.is_none() {
        return Err(Invalid(format!(
            "SequenceNumber must be specified when ShardIteratorType is {}",
            request.shard_iterator_type.as_str()
        ))
        .into());
    }
    let stream = find(cx, &request.stream_arn)?;
    if request.shard_id != stream.shard_id() {
        return Err(Error::ResourceNotFound("Requested resource not found: Shard does not exist".to_owned()));
    }
    let end = end(cx, &stream)?;
    let number = || match named.and_then(|text| read_sequence(text)) {
        Some(number) if (stream.first..end.max(stream.first + 1)).contains(&number) => Ok(number),
        _ => Err(Invalid(format!("Invalid SequenceNumber: {}", named.map_or("", String::as_str)))),
    };
    let (next, exact) = match request.shard_iterator_type {
        api::ShardIteratorType::AtSequenceNumber => (number()?, true),
        api::ShardIteratorType::AfterSequenceNumber => (number()? + 1, true),
        api::ShardIteratorType::Latest => (end, false),
        api::ShardIteratorType::AtTimestamp => (at_time(cx, &stream, request.timestamp, end)?, false),
        _ => (stream.first, false),
    };
    let iterator = ShardIterator { arn: request.stream_arn, next, exact, issued: cx.now().millis() };
    check_kept(cx, &stream, &iterator, end)?;
    Ok(api::GetShardIteratorOutput { shard_iterator: Some(iterator.encode()) })
}

/// The number of the first record that is not older than a time.
fn at_time(cx: &Context, stream: &Stream, time: Option<Timestamp>, end: u64) -> Result<u64, Error> {
    let Some(time) = time else {
        return Err(Invalid::new("Timestamp must be specified when ShardIteratorType is AT_TIMESTAMP").into());
    };
    for record in stream.records(cx.store(), stream.first, cx.now().millis()) {
        let (sequence, record) = record?;
        if record.created >= time.millis() {
            return Ok(sequence);
        }
    }
    Ok(end)
}

operation! {
    Streams, api::GetRecords,
    access: |_, cx, request| {
        let arn = match ShardIterator::decode(&request.shard_iterator) {
            Some(iterator) => iterator.arn,
            None => format!("{}/stream/*", crate::table::arn(cx.region(), cx.account(), "*")),
        };
        Ok::<_, Error>(vec![Access::new("dynamodb:GetRecords", arn)])
    },
    handler: get_records
}

async fn get_records(_: &Streams, cx: &Context, request: api::GetRecordsInput) -> Result<api::GetRecordsOutput, Error> {
    let limit = request.limit.unwrap_or(MAX_RECORDS);
    check_limit(request.limit, MAX_RECORDS)?;
    let iterator = ShardIterator::decode(&request.shard_iterator)
        .ok_or_else(|| Invalid::new("Invalid ShardIterator: The given iterator is not valid"))?;
    let now = cx.now().millis();
    if iterator.issued < now - VALID_MILLIS {
        return Err(Error::ExpiredIterator(
            "The shard iterator is expired. Shard iterators are only valid for 15 minutes".to_owned(),
        ));
    }
    let stream = find(cx, &iterator.arn)?;
    // Taken before the records are read, so that none is passed over.
    let end = end(cx, &stream)?;
    check_kept(cx, &stream, &iterator, end)?;
    let (mut records, mut bytes, mut next) = (Vec::new(), 0, iterator.next);
    let mut all = true;
    for record in stream.records(cx.store(), iterator.next, now) {
        let (sequence, record) = record?;
        let size = record.size();
        if records.len() == limit as usize || (!records.is_empty() && bytes + size > MAX_BYTES) {
            all = false;
            break;
        }
        bytes += size;
        next = sequence + 1;
        records.push(shown(&stream, sequence, record));
    }
    // Numbers beyond the last record belong to records that are too old.
    if all {
        next = next.max(end);
    }
    let goes_on = stream.closed.is_none() || !all;
    let iterator = ShardIterator { next, exact: false, issued: now, ..iterator };
    Ok(api::GetRecordsOutput { records: Some(records), next_shard_iterator: goes_on.then(|| iterator.encode()) })
}

pub fn find(cx: &Context, arn: &str) -> Result<Stream, Error> {
    let key = stream_key(cx, arn).ok_or_else(invalid_arn)?;
    let missing = || Error::ResourceNotFound(format!("Requested resource not found: Stream: {arn} not found"));
    let record = cx.store().get(&key)?.ok_or_else(missing)?;
    let stream = service::from_record(&record)?;
    if is_gone(&stream, cx) { Err(missing()) } else { Ok(stream) }
}

fn invalid_arn() -> Error {
    Invalid::new("Invalid StreamArn").into()
}

pub fn stream_key(cx: &Context, arn: &str) -> Option<Vec<u8>> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "dynamodb")?;
    let (table, label) = arn.resource.strip_prefix("table/")?.split_once("/stream/")?;
    // A stream of elsewhere is not found rather than invalid.
    let here = arn.account == cx.account() && arn.region == cx.region();
    Some(key(&arn.account, &arn.region, table, if here { label } else { "" }))
}

/// A day after it was closed a stream is no longer there, even if it has not been cleared away yet.
fn is_gone(stream: &Stream, cx: &Context) -> bool {
    stream.closed.is_some_and(|closed| closed.at < cx.now().millis() - KEPT_MILLIS)
}

/// The number that the next record gets; one past the last where there will be none.
fn end(cx: &Context, stream: &Stream) -> Result<u64, Error> {
    if let Some(closed) = stream.closed {
        return Ok(closed.last + 1);
    }
    match cx.store().get(&head_key(stream.table_number))? {
        Some(record) => Ok(Head::decode(&record)?.sequence + 1),
        None => Ok(stream.first),
    }
}

/// Refuses places whose records are gone.
fn check_kept(cx: &Context, stream: &Stream, iterator: &ShardIterator, end: u64) -> Result<(), Error> {
    if !iterator.exact || iterator.next >= end {
        return Ok(());
    }
    let oldest = stream.records(cx.store(), stream.first, cx.now().millis()).next().transpose()?;
    if iterator.next < oldest.map_or(end, |(sequence, _)| sequence) {
        return Err(Error::TrimmedDataAccess("The data you are trying to access has been trimmed".to_owned()));
    }
    Ok(())
}

fn shown(stream: &Stream, sequence: u64, record: Record) -> api::Record {
    let size = record.size();
    api::Record {
        event_id: Some(stream.event_id(sequence)),
        event_name: Some(match record.event {
            Event::Insert => api::OperationType::Insert,
            Event::Modify => api::OperationType::Modify,
            Event::Remove => api::OperationType::Remove,
        }),
        event_version: Some("1.1".to_owned()),
        event_source: Some("aws:dynamodb".to_owned()),
        aws_region: Some(stream.region.clone()),
        user_identity: (record.actor == Actor::TimeToLive).then(|| api::Identity {
            principal_id: Some("dynamodb.amazonaws.com".to_owned()),
            r#type: Some("Service".to_owned()),
        }),
        dynamodb: Some(api::StreamRecord {
            approximate_creation_date_time: Some(Timestamp::from_secs(record.created.div_euclid(1000))),
            keys: Some(image(record.keys)),
            new_image: record.new.map(image),
            old_image: record.old.map(image),
            sequence_number: Some(sequence_text(sequence)),
            size_bytes: i64::try_from(size).ok(),
            stream_view_type: Some(view(stream.view)),
        }),
    }
}

fn view(view: View) -> api::StreamViewType {
    view.name().into()
}

fn key_schema(keys: &KeySchema) -> Vec<api::KeySchemaElement> {
    let element = |name: &str, key_type| api::KeySchemaElement { attribute_name: name.to_owned(), key_type };
    let range = keys.range.as_ref().map(|range| element(&range.name, api::KeyType::Range));
    std::iter::once(element(&keys.hash.name, api::KeyType::Hash)).chain(range).collect()
}

fn image(item: Item) -> std::collections::BTreeMap<String, api::AttributeValue> {
    item.into_iter().map(|(name, value)| (name, shown_value(value))).collect()
}

/// The two APIs have shapes of their own for the same values.
fn shown_value(value: AttributeValue) -> api::AttributeValue {
    match value {
        AttributeValue::S(text) => api::AttributeValue::S(text),
        AttributeValue::N(text) => api::AttributeValue::N(text),
        AttributeValue::B(bytes) => api::AttributeValue::B(bytes),
        AttributeValue::Ss(members) => api::AttributeValue::Ss(members),
        AttributeValue::Ns(members) => api::AttributeValue::Ns(members),
        AttributeValue::Bs(members) => api::AttributeValue::Bs(members),
        AttributeValue::M(members) => api::AttributeValue::M(image(members)),
        AttributeValue::L(members) => api::AttributeValue::L(members.into_iter().map(shown_value).collect()),
        AttributeValue::Null(null) => api::AttributeValue::Null(null),
        AttributeValue::Bool(truth) => api::AttributeValue::Bool(truth),
    }
}
