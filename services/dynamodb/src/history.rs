//! The past of a table: with each change of an item, what it was before, so that any moment can be restored.
//!
//! The log is written in the transaction of the change, under the number that the table counts its changes by. The state
//! at a moment is the present with every later change undone, so nothing has to be copied when the log begins.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::{Range, Snapshot, Store, Transaction};

use crate::DynamoDb;
use crate::codec::Corrupt;
use crate::error::Error;
use crate::store::{RECOVERIES, TABLES};
use crate::table::{IndexNumber, PRIMARY, Table, index_prefix};

pub const DAY: i64 = 24 * 60 * 60 * 1000;
/// How many entries one transaction clears away.
const STEP: usize = 1000;

/// Point-in-time recovery, where it is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    pub since: i64,
    pub days: i32,
    /// Where the log is kept, among the indexes.
    pub number: IndexNumber,
}

impl Recovery {
    /// The earliest moment that can be restored.
    pub fn earliest(&self, now: i64) -> i64 {
        self.since.max(now - i64::from(self.days) * DAY)
    }
}

/// Notes what an item was before a change. `place` is where it is kept, without what all of the table's items share.
pub fn note(
    transaction: &mut Transaction<'_>,
    (table, log, sequence): (u64, IndexNumber, u64),
    now: i64,
    place: &[u8],
    old: Option<&[u8]>,
) {
    let key = [index_prefix(table, log).as_slice(), &sequence.to_be_bytes()].concat();
    let length = (place.len() as u32).to_be_bytes();
    transaction.put(key, [&now.to_be_bytes()[..], &length[..], place, old.unwrap_or_default()].concat());
}

struct Entry {
    at: i64,
    place: Bytes,
    old: Option<Bytes>,
}

fn read(record: &Bytes) -> Result<Entry, Corrupt> {
    let (at, rest) = record.split_first_chunk::<8>().ok_or(Corrupt)?;
    let (length, _) = rest.split_first_chunk::<4>().ok_or(Corrupt)?;
    let end = 12 + u32::from_be_bytes(*length) as usize;
    if end > record.len() {
        return Err(Corrupt);
    }
    let old = record.slice(end..);
    Ok(Entry { at: i64::from_be_bytes(*at), place: record.slice(12..end), old: (!old.is_empty()).then_some(old) })
}

/// What an item was at a moment, and when it has been changed since, latest first.
#[derive(Clone, Debug, Default)]
pub struct Before {
    pub record: Option<Bytes>,
    changes: Vec<i64>,
}

impl Before {
    /// When the item was last changed before the end of a moment.
    pub fn last_up_to(&self, moment: i64) -> Option<i64> {
        self.changes.iter().copied().find(|at| *at <= moment)
    }
}

/// The items that changed after a moment, each as it was then, by place.
pub fn before(
    snapshot: &Snapshot,
    table: &Table,
    log: IndexNumber,
    moment: i64,
) -> Result<BTreeMap<Bytes, Before>, Error> {
    let mut items: BTreeMap<Bytes, Before> = BTreeMap::new();
    for entry in snapshot.scan(Range::prefix(index_prefix(table.number, log))).rev() {
        let entry = read(&entry?.1)?;
        if entry.at <= moment {
            break;
        }
        let before = items.entry(entry.place).or_default();
        before.record = entry.old;
        before.changes.push(entry.at);
    }
    Ok(items)
}

/// Every item of a table as it was at a moment, with its place.
pub fn state(
    snapshot: &Snapshot,
    table: &Table,
    log: IndexNumber,
    moment: i64,
) -> Result<impl Iterator<Item = Result<(Bytes, Bytes), Error>> + use<>, Error> {
    let changed = before(snapshot, table, log, moment)?;
    let gone: Vec<_> =
        changed.iter().filter_map(|(place, before)| Some((place.clone(), before.record.clone()?))).collect();
    let prefix = index_prefix(table.number, PRIMARY);
    let length = prefix.len();
    let present = snapshot.scan(Range::prefix(prefix)).filter_map(move |entry| match entry {
        Ok((key, record)) => {
            let place = key.slice(length.min(key.len())..);
            (!changed.contains_key(&place)).then_some(Ok((place, record)))
        }
        Err(error) => Some(Err(error.into())),
    });
    Ok(present.chain(gone.into_iter().map(Ok)))
}

impl DynamoDb {
    /// Clears away what is too old to be restored.
    pub fn trim_histories(&self, store: &Store, now: i64) -> Result<(), Error> {
        for mark in store.scan(Range::prefix(RECOVERIES)) {
            let (mark, _) = mark?;
            let key = [TABLES.as_bytes(), &mark[RECOVERIES.len()..]].concat();
            let Some(table) = self.cached(store, &key)? else { continue };
            let Some(recovery) = &table.recovery else { continue };
            while trim_step(store, index_prefix(table.number, recovery.number), recovery.earliest(now))? {}
        }
        Ok(())
    }
}

/// Clears away some entries from before a moment; false when there are no more.
fn trim_step(store: &Store, log: Vec<u8>, moment: i64) -> Result<bool, Error> {
    let mut old = Vec::new();
    for entry in store.scan(Range::prefix(log)).take(STEP) {
        let (key, record) = entry?;
        if read(&record)?.at >= moment {
            break;
        }
        old.push(key);
    }
    if old.is_empty() {
        return Ok(false);
    }
    let more = old.len() == STEP;
    store.write(|transaction| {
        old.into_iter().for_each(|key| transaction.delete(key));
        Ok::<_, Error>(())
    })?;
    Ok(more)
}
