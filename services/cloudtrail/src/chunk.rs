//! How events are kept: the calls of one account and region within a moment are one record, in which every caller is
//! written once and an event is little more than its operation, its request id and its parameters. CloudTrail's own
//! JSON is made when somebody looks, as far more calls are made than looked up.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use service::{AuditEvent, Caller, Origin, Timestamp, uuid_text};

use crate::event;

/// The events of a record are at most this far apart.
pub const SPAN_MILLIS: i64 = 1_000;
/// The most events of a record.
const MOST: usize = 1_000;
/// Callers are looked for among the latest so many; one that is not found is written once more.
const RECENT: usize = 16;

#[derive(Serialize, Deserialize)]
struct Stored {
    /// The id of the first event; those of the others follow it.
    id: u128,
    callers: Vec<event::Identity>,
    events: Vec<Call>,
}

/// Kept as a list rather than an object, for its size.
#[derive(Serialize, Deserialize)]
struct Call(usize, i64, String, String, u8, String, Option<Box<RawValue>>, Option<(String, String)>);

const READ_ONLY: u8 = 1;
const DATA: u8 = 2;

/// A record in the making.
pub struct Chunk<'a> {
    pub account: &'a str,
    pub region: &'a str,
    /// When its first event happened.
    pub began: Timestamp,
    events: Vec<&'a AuditEvent>,
}

impl Chunk<'_> {
    pub fn len(&self) -> usize {
        self.events.len()
    }
}

/// Gathers events, in their order, into records.
pub fn gather<'a>(events: impl Iterator<Item = &'a AuditEvent>) -> Vec<Chunk<'a>> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    let mut open: HashMap<(&str, &str), usize> = HashMap::new();
    for event in events {
        let place = (event.cx.account(), event.cx.region());
        let fitting = open.get(&place).copied().and_then(|index| chunks.get_mut(index)).filter(|chunk| {
            chunk.events.len() < MOST && (event.time.millis() - chunk.began.millis()).abs() < SPAN_MILLIS
        });
        match fitting {
            Some(chunk) => chunk.events.push(event),
            None => {
                open.insert(place, chunks.len());
                let (account, region) = place;
                chunks.push(Chunk { account, region, began: event.time, events: vec![event] });
            }
        }
    }
    chunks
}

/// The record's bytes. `id` is the id of its first event.
pub fn encode(chunk: &Chunk<'_>, id: [u8; 16]) -> serde_json::Result<Vec<u8>> {
    let mut seen: Vec<(&Caller, &Origin)> = Vec::new();
    let mut callers = Vec::new();
    let mut events = Vec::with_capacity(chunk.events.len());
    for event in &chunk.events {
        let (caller, origin) = (event.cx.caller(), event.cx.origin());
        let recent = seen.len().saturating_sub(RECENT);
        let known = seen[recent..].iter().position(|(other, from)| *from == origin && same(other, caller));
        let index = known.map_or(seen.len(), |index| recent + index);
        if known.is_none() {
            seen.push((caller, origin));
            callers.push(event::Identity::of(event));
        }
        let flags = if event.read_only { READ_ONLY } else { 0 } | if event.data { DATA } else { 0 };
        // Text that is no JSON object is left out rather than spoiling the record.
        let parameters = std::str::from_utf8(&event.parameters).ok().filter(|text| !text.is_empty());
        events.push(Call(
            index,
            event.time.millis(),
            event.service.to_owned(),
            event.operation.to_owned(),
            flags,
            event.cx.request_id().to_owned(),
            parameters.and_then(|text| RawValue::from_string(text.to_owned()).ok()),
            event.error.clone(),
        ));
    }
    serde_json::to_vec(&Stored { id: u128::from_be_bytes(id), callers, events })
}

/// The same caller, almost always by the same credential.
fn same(a: &Caller, b: &Caller) -> bool {
    match (a, b) {
        (Caller::Holder(a), Caller::Holder(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
        (Caller::Principal(a), Caller::Principal(b)) => a == b,
        _ => false,
    }
}

/// The events of a record in their order, as they are looked up.
pub fn decode(bytes: &[u8], account: &str, region: &str) -> serde_json::Result<Vec<event::Record>> {
    let stored: Stored = serde_json::from_slice(bytes)?;
    let Stored { id, callers, events } = stored;
    let nobody = event::Identity::default();
    let events = events.into_iter().enumerate().map(|(index, call)| {
        let Call(caller, millis, service, operation, flags, request_id, parameters, error) = call;
        event::Record {
            id: event_id(id, index),
            time: Timestamp::from_millis(millis),
            service,
            operation,
            read_only: flags & READ_ONLY != 0,
            data: flags & DATA != 0,
            request_id,
            parameters: parameters.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or(Value::Null),
            error,
            caller: callers.get(caller).unwrap_or(&nobody).clone(),
            account: account.to_owned(),
            region: region.to_owned(),
        }
    });
    Ok(events.collect())
}

/// A version 4 UUID for every event of a record.
fn event_id(first: u128, index: usize) -> String {
    let mut bytes = first.wrapping_add(index as u128).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    uuid_text(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_version_4() {
        let ids: std::collections::BTreeSet<String> = (0..300).map(|index| event_id(u128::MAX - 100, index)).collect();
        assert_eq!(ids.len(), 300);
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'4'));
    }

    #[test]
    fn damaged_records_are_errors() {
        assert!(decode(b"{\"id\":1,\"callers\":[],\"events\":[[0]]}", "a", "r").is_err());
        let orphan = br#"{"id":1,"callers":[],"events":[[7,5,"s3","ListBuckets",1,"q",null,null]]}"#;
        let [only] = &decode(orphan, "a", "r").unwrap()[..] else { panic!() };
        assert!(only.read_only && !only.data && only.time.millis() == 5);
    }
}
