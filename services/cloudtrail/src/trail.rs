//! Where events are gathered and kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use service::events::Sink;
use service::{AuditEvent, Bytes, Event, Key, Random, Range, Store, StoreError, Timestamp};
use tokio::sync::Notify;

use crate::event::{record, user_name};

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
    /// Number of the next event, and how many are stored.
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    oldest: u64,
    loaded: bool,
}

/// Events lie by account and region, newest last: time in milliseconds, then their number.
pub(crate) fn events(account: &str, region: &str) -> Key {
    Key::new("cloudtrail/event").text(account).text(region)
}

/// The same events by number alone, to drop the oldest.
fn by_number(number: u64) -> Key {
    Key::new("cloudtrail/number").number(number)
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
        let calls = || {
            batch.iter().filter_map(|event| match &**event {
                Event::Audit(call) => Some(call),
                Event::Metrics(_) => None,
            })
        };
        // Made before the write, which keeps every other one waiting.
        let entries: Vec<Vec<u8>> = calls().map(|event| self.entry(event).to_string().into_bytes()).collect();
        let newest = calls().next_back().map_or(Timestamp::default(), |event| event.time);
        self.store.write(|tx| {
            for (event, entry) in calls().zip(entries) {
                let number = state.next;
                state.next += 1;
                let millis = event.time.millis().unsigned_abs();
                let key = events(event.cx.account(), event.cx.region()).number(millis).number(number);
                tx.put(by_number(number).number(millis).raw(key.as_slice()), "");
                tx.put(key, entry);
            }
            self.drop_old(tx, &mut state, newest)
        })
    }

    fn entry(&self, event: &AuditEvent) -> Value {
        let id = self.random.uuid();
        json!({
            "id": id,
            "name": event.operation,
            "user": user_name(event.cx.principal()),
            "key": event.cx.access_key_id(),
            "record": record(event, &id),
        })
    }

    /// Finds out after a start where the numbers stand.
    fn load(&self, state: &mut State) -> Result<(), StoreError> {
        if state.loaded {
            return Ok(());
        }
        let range = Range::prefix(Key::new("cloudtrail/number"));
        let number = |entry: Option<Result<(Bytes, Bytes), StoreError>>| -> Result<Option<u64>, StoreError> {
            let Some((key, _)) = entry.transpose()? else { return Ok(None) };
            let at = Key::new("cloudtrail/number").as_slice().len();
            Ok(key.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes))
        };
        state.next = number(self.store.scan(range.clone()).next_back())?.map_or(0, |last| last + 1);
        state.oldest = number(self.store.scan(range).next())?.unwrap_or(state.next);
        state.loaded = true;
        Ok(())
    }

    fn drop_old(&self, tx: &mut service::Transaction<'_>, state: &mut State, now: Timestamp) -> Result<(), StoreError> {
        let at = Key::new("cloudtrail/number").as_slice().len();
        let limit = now.plus_millis(-KEPT_MILLIS).millis();
        // A few with every batch keep the trail at its length.
        let batch = tx.scan(Range::prefix(Key::new("cloudtrail/number")), 512)?;
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
