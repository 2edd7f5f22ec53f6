//! Where events are gathered and kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use service::events::Sink;
use service::{Event, Key, Random, Range, Store, StoreError, Timestamp};
use tokio::sync::Notify;

use crate::chunk::{encode, gather};

/// How long an event may wait to be written.
pub const WINDOW: Duration = Duration::from_millis(50);
/// How many events are kept.
pub const MOST: usize = 200_000;
/// Events that wait in memory when the store is slower than the calls; beyond it the oldest are dropped.
const MOST_WAITING: usize = 100_000;
const KEPT_MILLIS: i64 = 90 * 24 * 3600 * 1000;

/// See the module.
pub struct Trail {
    store: Store,
    random: Random,
    waiting: Mutex<VecDeque<Arc<Event>>>,
    /// Numbers of the next event and of the oldest that is kept.
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    oldest: u64,
    loaded: bool,
}

/// The records lie by account and region, newest last: milliseconds of the first event, then its number.
pub(crate) fn place(account: &str, region: &str) -> Key {
    Key::new("cloudtrail/events").text(account).text(region)
}

const NUMBERS: &str = "cloudtrail/events-by-number";

/// The same records by number alone, with how many events they hold, to drop the oldest.
fn by_number(number: u64) -> Key {
    Key::new(NUMBERS).number(number)
}

impl Trail {
    pub fn new(store: Store, random: Random) -> Arc<Self> {
        Arc::new(Trail { store, random, waiting: Mutex::default(), state: Mutex::default(), wake: Notify::new() })
    }

    /// Writes what waits, batch by batch, for as long as the cloud runs.
    pub async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            tokio::time::sleep(WINDOW).await;
            if let Err(error) = self.flush() {
                tracing::error!(%error, "audit events could not be written");
            }
        }
    }

    /// Writes what waits now.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let batch = std::mem::take(&mut *self.waiting.lock());
        if batch.is_empty() {
            return Ok(());
        }
        self.load(&mut state)?;
        let calls = batch.iter().filter_map(|event| match &**event {
            Event::Audit(call) => Some(call),
            Event::Metrics(_) | Event::Service(_) => None,
        });
        let newest = calls.clone().next_back().map_or(Timestamp::default(), |event| event.time);
        let chunks = gather(calls);
        // Made before the write, which keeps every other one waiting.
        let mut records = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            let mut id = [0; 16];
            self.random.fill(&mut id);
            records.push(encode(chunk, id).map_err(|error| StoreError::Corrupt(error.to_string()))?);
        }
        self.store.write(|tx| {
            for (chunk, record) in chunks.iter().zip(records) {
                let number = state.next;
                state.next += chunk.len() as u64;
                let millis = chunk.began.millis().unsigned_abs();
                let key = place(chunk.account, chunk.region).number(millis).number(number);
                let count = (chunk.len() as u64).to_be_bytes();
                tx.put(by_number(number).number(millis).raw(key.as_slice()), count.to_vec());
                tx.put(key, record);
            }
            self.drop_old(tx, &mut state, newest, chunks.len())
        })
    }

    /// Finds out after a start where the numbers stand.
    fn load(&self, state: &mut State) -> Result<(), StoreError> {
        if state.loaded {
            return Ok(());
        }
        let range = Range::prefix(Key::new(NUMBERS));
        let number = |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let at = Key::new(NUMBERS).as_slice().len();
        let last = self.store.scan(range.clone()).next_back().transpose()?;
        state.next = last.map_or(0, |(key, count)| number(key.get(at..at + 8)) + number(Some(&count)));
        let first = self.store.scan(range).next().transpose()?;
        state.oldest = first.map_or(state.next, |(key, _)| number(key.get(at..at + 8)));
        state.loaded = true;
        Ok(())
    }

    /// A few with every batch, more than it added, keep the trail at its length.
    fn drop_old(
        &self,
        tx: &mut service::Transaction<'_>,
        state: &mut State,
        now: Timestamp,
        added: usize,
    ) -> Result<(), StoreError> {
        let at = Key::new(NUMBERS).as_slice().len();
        let limit = now.plus_millis(-KEPT_MILLIS).millis();
        // Begins behind what was dropped before, whose tombstones may still be there.
        let oldest = Range::prefix(Key::new(NUMBERS)).starting_at(by_number(state.oldest));
        let batch = tx.scan(oldest, added + 8)?;
        for (key, _) in batch {
            let field = |from: usize| key.get(from..from + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
            let (Some(number), Some(millis)) = (field(at), field(at + 8)) else { continue };
            let too_many = state.next.saturating_sub(number) > MOST as u64;
            let too_old = i64::try_from(millis).is_ok_and(|millis| millis < limit);
            if !too_many && !too_old {
                break;
            }
            tx.delete(key.slice(at + 16..));
            tx.delete(key);
            state.oldest = number + 1;
        }
        Ok(())
    }

    /// The store was cleared.
    pub fn forget(&self) {
        self.waiting.lock().clear();
        *self.state.lock() = State::default();
    }
}

impl Sink<Event> for Trail {
    fn take(&self, event: &Arc<Event>) {
        if !matches!(**event, Event::Audit(_)) {
            return;
        }
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(event.clone());
        drop(waiting);
        self.wake.notify_one();
    }
}
