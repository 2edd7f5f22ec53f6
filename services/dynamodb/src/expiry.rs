//! Time to live: items whose time has come are deleted.
//!
//! Where a table has a time to live, a list of its items by their time is kept like an index, so finding those to
//! delete reads nothing else. A task looks at the lists every few seconds of the cloud's clock; AWS takes up to days.

use service::{Cloud, Timestamp};
use store::{Range, Store};

use crate::DynamoDb;
use crate::codec::{self, Corrupt};
use crate::error::Error;
use crate::number::Number;
use crate::store::{TABLES, TIMES_TO_LIVE};
use crate::stream::{self, Actor};
use crate::table::{PRIMARY, Table, TimeToLive, index_prefix};
use crate::value::{AttributeValue, Item};
use crate::write::{Failure, Writer};

const PAUSE_MILLIS: i64 = 5_000;
/// How many items one transaction deletes; a writer waits no longer than that.
const STEP: usize = 500;
/// What should have expired longer ago than five years stays, as it was hardly meant as a time.
const PAST_SECONDS: i64 = 5 * 365 * 86_400;

impl Table {
    /// Where the item stands in the list of times, if it has one.
    pub fn expiry_key(&self, ttl: &TimeToLive, item: &Item) -> Option<Vec<u8>> {
        let AttributeValue::N(text) = item.get(&ttl.attribute)? else { return None };
        let seconds = u64::try_from(Number::parse(text).ok()?.whole()?).ok()?;
        let mut key = index_prefix(self.number, ttl.number);
        key.extend_from_slice(&seconds.to_be_bytes());
        let place = self.item_key(item).ok()?;
        key.extend_from_slice(place.strip_prefix(index_prefix(self.number, PRIMARY).as_slice())?);
        Some(key)
    }

    /// The part of the list of times whose time has come.
    fn expired(&self, ttl: &TimeToLive, now: Timestamp) -> Range {
        let at = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or_default();
            [index_prefix(self.number, ttl.number).as_slice(), &seconds.to_be_bytes()].concat()
        };
        let prefix = index_prefix(self.number, ttl.number);
        Range::prefix(prefix).starting_at(at(now.secs().saturating_sub(PAST_SECONDS))).before(at(now.secs() + 1))
    }
}

impl DynamoDb {
    /// Deletes expired items from now on.
    pub fn expire_in_background(&self, cloud: &Cloud) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (db, store, clock) = (self.clone(), cloud.store.clone(), cloud.clock.clone());
        runtime.spawn(async move {
            loop {
                clock.wait_until(clock.now().plus_millis(PAUSE_MILLIS)).await;
                if let Err(error) = db.expire(&store, clock.now()).await {
                    tracing::error!(?error, "expired items cannot be deleted");
                }
                if let Err(error) = db.expire_backups(&store, clock.now()) {
                    tracing::error!(?error, "old backups cannot be cleared away");
                }
                if let Err(error) = db.trim_histories(&store, clock.now().millis()) {
                    tracing::error!(?error, "old histories cannot be cleared away");
                }
                if let Err(error) = stream::trim(&store, clock.now().millis()) {
                    tracing::error!(?error, "old records of streams cannot be cleared away");
                }
            }
        });
    }

    /// Deletes what has expired by now.
    pub async fn expire(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        for mark in store.scan(Range::prefix(TIMES_TO_LIVE)) {
            let (mark, _) = mark?;
            let key = [TABLES.as_bytes(), &mark[TIMES_TO_LIVE.len()..]].concat();
            while let Some(table) = self.cached(store, &key)? {
                match store.write(|transaction| {
                    expire_step(&mut Writer::new(transaction, Actor::TimeToLive, now.millis()), &table, now)
                }) {
                    Ok(true) => tokio::task::yield_now().await,
                    Ok(false) => break,
                    Err(Failure::Stale) => self.forget(&table),
                    Err(Failure::Error(error)) => return Err(error),
                    Err(Failure::Condition(_)) => break,
                }
            }
        }
        Ok(())
    }
}

/// Deletes some expired items; false when there are no more.
fn expire_step(writer: &mut Writer<'_, '_>, table: &Table, now: Timestamp) -> Result<bool, Failure> {
    let Some(ttl) = &table.ttl else { return Ok(false) };
    let expired = writer.transaction().scan(table.expired(ttl, now), STEP)?;
    let listed = index_prefix(table.number, ttl.number).len() + size_of::<u64>();
    for (entry, _) in &expired {
        let place = entry.get(listed..).ok_or(Corrupt)?;
        let key = [index_prefix(table.number, PRIMARY).as_slice(), place].concat();
        if let Some(record) = writer.transaction().get(&key)? {
            let (item, weight) = codec::decode(&record)?;
            writer.replace(table, &key, (Some(&item), Some(weight)), None)?;
        }
        writer.transaction().delete(entry.clone());
    }
    writer.finish();
    Ok(expired.len() == STEP)
}
