//! Streams: what happened to the items of a table, one record for each change, in order, kept for a day.
//!
//! A record is written in the store transaction that changes its item, under the next number of the table's own count,
//! which is kept in the table's head. So the records of a stream are complete and in the order of the writes; there is
//! one shard, which is open for as long as the stream is. A stream outlives its table and its own end by a day.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service::Timestamp;
use store::{Range, Store, Transaction};

use crate::codec::{self, Corrupt};
use crate::error::{Error, Invalid};
use crate::key::KeySchema;
use crate::size;
use crate::table::{IndexNumber, ResourcePolicy, Table};
use crate::value::{Item, same};

/// How long records can be read.
pub const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// How many records one transaction clears away.
const STEP: usize = 1000;
pub const STREAMS: &str = "dynamodb/stream/";
const RECORDS: &[u8] = b"dynamodb/record/";

/// Which images of an item its records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

impl View {
    pub fn name(self) -> &'static str {
        match self {
            View::KeysOnly => "KEYS_ONLY",
            View::NewImage => "NEW_IMAGE",
            View::OldImage => "OLD_IMAGE",
            View::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    fn from_name(name: &str) -> Option<View> {
        [View::KeysOnly, View::NewImage, View::OldImage, View::NewAndOldImages]
            .into_iter()
            .find(|view| view.name() == name)
    }

    fn has_new(self) -> bool {
        matches!(self, View::NewImage | View::NewAndOldImages)
    }

    fn has_old(self) -> bool {
        matches!(self, View::OldImage | View::NewAndOldImages)
    }
}

/// A table's latest stream, as the table knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStream {
    /// Its place among the indexes and streams of its table.
    pub number: IndexNumber,
    pub view: View,
    /// What the stream's ARN ends in: when it was made.
    pub label: String,
    pub enabled: bool,
}

/// A stream on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub account: String,
    pub region: String,
    pub table: String,
    pub table_number: u64,
    pub number: IndexNumber,
    pub label: String,
    pub view: View,
    pub keys: KeySchema,
    pub created: i64,
    /// The number that its first record has, or will have.
    pub first: u64,
    pub closed: Option<Closed>,
    pub policy: Option<ResourcePolicy>,
}

/// The end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub at: i64,
    /// The number of the last record that the table had.
    pub last: u64,
}

impl Stream {
    pub fn arn(&self) -> String {
        arn(&crate::table::arn(&self.region, &self.account, &self.table), &self.label)
    }

    pub fn key(&self) -> Vec<u8> {
        key(&self.account, &self.region, &self.table, &self.label)
    }

    pub fn shard_id(&self) -> String {
        format!("shardId-{:020}-{:08x}", self.created, digest(&[self.label.as_bytes()]) as u32)
    }

    /// What identifies one record for ever.
    pub fn event_id(&self, sequence: u64) -> String {
        let parts = |salt: &[u8]| digest(&[salt, self.label.as_bytes(), &sequence.to_be_bytes()]);
        format!("{:016x}{:016x}", parts(b"a"), parts(b"b"))
    }

    /// The records from a number on that are not too old to be seen.
    pub fn records(&self, store: &Store, from: u64, now: i64) -> impl Iterator<Item = Result<(u64, Record), Error>> {
        let prefix = records_prefix(self.table_number, self.number);
        let start = [prefix.as_slice(), &from.to_be_bytes()].concat();
        let length = prefix.len();
        store
            .scan(Range::prefix(prefix).starting_at(start))
            .map(move |entry| {
                let (key, value) = entry?;
                let sequence = key.get(length..).and_then(|rest| rest.try_into().ok()).ok_or(Corrupt)?;
                Ok((u64::from_be_bytes(sequence), Record::decode(&value)?))
            })
            .skip_while(move |record| matches!(record, Ok((_, record)) if record.created < now - KEPT_MILLIS))
    }
}

/// The ARN of a stream of a table.
pub fn arn(table_arn: &str, label: &str) -> String {
    format!("{table_arn}/stream/{label}")
}

pub fn key(account: &str, region: &str, table: &str, label: &str) -> Vec<u8> {
    format!("{STREAMS}{account}/{region}/{table}/{label}").into_bytes()
}

fn records_prefix(table: u64, stream: IndexNumber) -> Vec<u8> {
    [RECORDS, &table.to_be_bytes(), &stream.to_be_bytes()].concat()
}

/// FNV-1a, so that identifiers need not be stored.
fn digest(parts: &[&[u8]]) -> u64 {
    parts.iter().copied().flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5)
    })
}

/// Sequence numbers are shown with 21 digits, the fewest that the API allows; so they sort as text, too.
pub fn sequence_text(sequence: u64) -> String {
    format!("1{sequence:020}")
}

pub fn read_sequence(text: &str) -> Option<u64> {
    text.strip_prefix('1').filter(|rest| rest.len() == 20)?.parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Insert = 0,
    Modify = 1,
    Remove = 2,
}

/// Who changed an item: somebody's request, or the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    Request,
    TimeToLive,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub event: Event,
    pub actor: Actor,
    pub created: i64,
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
}

impl Record {
    /// What the keys and images weigh.
    pub fn size(&self) -> usize {
        size::item(&self.keys) + [&self.old, &self.new].into_iter().flatten().map(size::item).sum::<usize>()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.event as u8, u8::from(self.actor == Actor::TimeToLive)];
        out.extend_from_slice(&self.created.to_be_bytes());
        for item in [Some(&self.keys), self.old.as_ref(), self.new.as_ref()] {
            let bytes = item.map(codec::encode).unwrap_or_default();
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(&bytes);
        }
        out
    }

    fn decode(record: &Bytes) -> Result<Record, Corrupt> {
        let (head, _) = record.split_first_chunk::<10>().ok_or(Corrupt)?;
        let [event, actor, created @ ..] = *head;
        let mut at = head.len();
        let mut item = || {
            let length = record.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or(Corrupt)?;
            let end = at + 4 + u32::from_be_bytes(length) as usize;
            let bytes = (end <= record.len()).then(|| record.slice(at + 4..end)).ok_or(Corrupt)?;
            at = end;
            if bytes.is_empty() { Ok(None) } else { codec::decode(&bytes).map(|(item, _)| Some(item)) }
        };
        Ok(Record {
            event: match event {
                0 => Event::Insert,
                1 => Event::Modify,
                2 => Event::Remove,
                _ => return Err(Corrupt),
            },
            actor: if actor == 0 { Actor::Request } else { Actor::TimeToLive },
            created: i64::from_be_bytes(created),
            keys: item()?.ok_or(Corrupt)?,
            old: item()?,
            new: item()?,
        })
    }
}

/// The record of a change of an item, if anything has changed.
pub fn record(
    table: &Table,
    view: View,
    (old, new): (Option<&Item>, Option<&Item>),
    actor: Actor,
    now: i64,
) -> Option<Record> {
    let event = match (old, new) {
        (None, None) => return None,
        (None, Some(_)) => Event::Insert,
        (Some(_), None) => Event::Remove,
        (Some(old), Some(new)) if same(old, new) => return None,
        (Some(_), Some(_)) => Event::Modify,
    };
    Some(Record {
        event,
        actor,
        created: now,
        keys: table.keys.of(new.or(old)?),
        old: old.filter(|_| view.has_old()).cloned(),
        new: new.filter(|_| view.has_new()).cloned(),
    })
}

/// Adds a record to a table's stream.
pub fn append(transaction: &mut Transaction<'_>, table: u64, stream: IndexNumber, sequence: u64, record: &Record) {
    transaction.put([&records_prefix(table, stream), sequence.to_be_bytes().as_slice()].concat(), record.encode());
}

/// The view that a request asks for; `None` where it switches the stream off.
pub fn specified(specification: &dynamodb_api::StreamSpecification) -> Result<Option<View>, Invalid> {
    let view = specification.stream_view_type.as_ref();
    match (specification.stream_enabled, view) {
        (true, Some(view)) => match View::from_name(view.as_str()) {
            Some(view) => Ok(Some(view)),
            None => Err(Invalid::values(format!("Unknown StreamViewType: {}", view.as_str()))),
        },
        (true, None) => Err(Invalid::values("StreamEnabled is true, but StreamViewType is not specified")),
        (false, Some(_)) => Err(Invalid::values("StreamViewType can only be specified if StreamEnabled is true")),
        (false, None) => Ok(None),
    }
}

/// Gives a table a stream that is to be opened with the change of the table's record.
pub fn enable(table: &mut Table, view: View) {
    table.stream = Some(TableStream { number: table.next_index, view, label: String::new(), enabled: true });
    table.next_index += 1;
}

/// Opens the table's new stream: names it and files it. `last` is the number of the table's last record.
pub fn open(transaction: &mut Transaction<'_>, table: &mut Table, last: u64, now: i64) -> Result<(), Error> {
    let (account, region, name) = (table.account.clone(), table.region.clone(), table.name.clone());
    let Some(own) = &mut table.stream else { return Ok(()) };
    let mut created = now;
    loop {
        own.label = Timestamp::from_millis(created).iso8601_millis().trim_end_matches('Z').to_owned();
        if !transaction.contains(&key(&account, &region, &name, &own.label))? {
            break;
        }
        created += 1;
    }
    let stream = Stream {
        account,
        region,
        table: name,
        table_number: table.number,
        number: own.number,
        label: own.label.clone(),
        view: own.view,
        keys: table.keys.clone(),
        created,
        first: last + 1,
        closed: None,
        policy: None,
    };
    transaction.put(stream.key(), service::to_record(&stream)?);
    Ok(())
}

/// Closes the stream that the table had.
pub fn close(transaction: &mut Transaction<'_>, table: &Table, last: u64, now: i64) -> Result<(), Error> {
    let Some(own) = table.stream.as_ref().filter(|own| own.enabled) else { return Ok(()) };
    let key = key(&table.account, &table.region, &table.name, &own.label);
    let Some(record) = transaction.get(&key)? else { return Ok(()) };
    let mut stream: Stream = service::from_record(&record)?;
    stream.closed = Some(Closed { at: now, last });
    transaction.put(key, service::to_record(&stream)?);
    Ok(())
}

/// Clears away what nobody can see any more.
pub fn trim(store: &Store, now: i64) -> Result<(), Error> {
    for entry in store.scan(Range::prefix(STREAMS)) {
        let (key, record) = entry?;
        let stream: Stream = service::from_record(&record)?;
        while !store.write(|transaction| trim_step(transaction, &stream, now))? {}
        if stream.closed.is_some_and(|closed| closed.at < now - KEPT_MILLIS) {
            store.write(|transaction| {
                transaction.delete(key.clone());
                Ok::<_, Error>(())
            })?;
        }
    }
    Ok(())
}

fn trim_step(transaction: &mut Transaction<'_>, stream: &Stream, now: i64) -> Result<bool, Error> {
    let range = Range::prefix(records_prefix(stream.table_number, stream.number));
    // Nearly always there is nothing to do, which the first record tells.
    for limit in [1, STEP] {
        let mut old = Vec::new();
        for (key, value) in transaction.scan(range.clone(), limit)? {
            if Record::decode(&value)?.created >= now - KEPT_MILLIS {
                break;
            }
            old.push(key);
        }
        if old.len() < limit {
            old.into_iter().for_each(|key| transaction.delete(key));
            return Ok(true);
        }
        if limit == STEP {
            old.into_iter().for_each(|key| transaction.delete(key));
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::any_value;
    use proptest::prelude::*;

    #[test]
    fn sequence_numbers_are_long_and_in_order() {
        assert_eq!(sequence_text(7), "100000000000000000007");
        assert_eq!(read_sequence(&sequence_text(u64::MAX / 2)), Some(u64::MAX / 2));
        assert!(sequence_text(99) < sequence_text(100));
        assert_eq!(read_sequence("7"), None);
    }

    proptest! {
        #[test]
        fn records_round_trip(
            item in prop::collection::btree_map("[a-z]{1,8}", any_value(), 1..4),
            old in prop::bool::ANY,
            created in any::<i64>(),
        ) {
            let record = Record {
                event: Event::Modify,
                actor: Actor::TimeToLive,
                created,
                keys: item.clone(),
                old: old.then(|| item.clone()),
                new: Some(item),
            };
            prop_assert_eq!(Record::decode(&record.encode().into()), Ok(record));
        }

        #[test]
        fn damaged_records_are_refused_not_fatal(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Record::decode(&Bytes::from(bytes));
        }
    }
}
