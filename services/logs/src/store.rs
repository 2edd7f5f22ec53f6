//! Keys and records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::{Context, Key, StoreError, Transaction, from_record, to_record};

/// A log group. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub created: i64,
    pub retention_days: Option<i32>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub class: Option<String>,
    #[serde(default)]
    pub stored_bytes: i64,
}

impl Group {
    /// Events before this are expired.
    pub fn expires_before(&self, now: i64) -> Option<i64> {
        self.retention_days.map(|days| now - i64::from(days) * 86_400_000)
    }
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub name: String,
    pub created: i64,
    pub first_event: Option<i64>,
    pub last_event: Option<i64>,
    pub last_ingestion: Option<i64>,
    /// Number of the next event.
    pub next: u64,
}

/// An event as it lies in its stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    #[serde(rename = "m")]
    pub message: String,
    #[serde(rename = "i")]
    pub ingested: i64,
}

/// The place of a group in an account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn of(cx: &Context) -> Place {
        Place { account: cx.account().to_owned(), region: cx.region().to_owned() }
    }

    fn key(&self, kind: &str) -> Key {
        Key::new(kind).text(&self.account).text(&self.region)
    }

    pub fn groups(&self) -> Key {
        self.key("logs/group")
    }

    pub fn group(&self, group: &str) -> Key {
        self.groups().text(group)
    }

    pub fn streams(&self, group: &str) -> Key {
        self.key("logs/stream").text(group)
    }

    pub fn stream(&self, group: &str, stream: &str) -> Key {
        self.streams(group).text(stream)
    }

    /// Events of a stream: time, then number.
    pub fn events(&self, group: &str, stream: &str) -> Key {
        self.key("logs/event").text(group).text(stream)
    }

    pub fn all_events(&self, group: &str) -> Key {
        self.key("logs/event").text(group)
    }

    pub fn event(&self, group: &str, stream: &str, time: i64, number: u64) -> Key {
        self.events(group, stream).number(sortable(time)).number(number)
    }

    /// The group's index of times: time, stream, number.
    pub fn times(&self, group: &str) -> Key {
        self.key("logs/time").text(group)
    }

    pub fn time(&self, group: &str, stream: &str, time: i64, number: u64) -> Key {
        self.times(group).number(sortable(time)).text(stream).number(number)
    }
}

/// A time as a number that sorts, also before the epoch.
pub fn sortable(time: i64) -> u64 {
    (time as u64) ^ (1 << 63)
}

/// The reverse of [`sortable`].
pub fn time_of(number: u64) -> i64 {
    (number ^ (1 << 63)) as i64
}

/// Eight bytes of a key as a number.
pub fn number_at(key: &[u8], at: usize) -> Option<u64> {
    key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
}

pub fn load_group(tx: &Transaction<'_>, place: &Place, name: &str) -> Result<Option<Group>, StoreError> {
    tx.get(place.group(name).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}

pub fn save_group(tx: &mut Transaction<'_>, place: &Place, group: &Group) -> Result<(), StoreError> {
    tx.put(place.group(&group.name), to_record(group)?);
    Ok(())
}

pub fn load_stream(tx: &Transaction<'_>, place: &Place, group: &str, name: &str) -> Result<Option<Stream>, StoreError> {
    tx.get(place.stream(group, name).as_slice())?.map(|bytes| from_record(&bytes)).transpose()
}

pub fn save_stream(tx: &mut Transaction<'_>, place: &Place, group: &str, stream: &Stream) -> Result<(), StoreError> {
    tx.put(place.stream(group, &stream.name), to_record(stream)?);
    Ok(())
}
