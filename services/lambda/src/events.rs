//! Asynchronous invocations.
//!
//! An event is stored before it is accepted and removed when it has ended: after a success, or after the third failure.
//! One task waits for the earliest event on the cloud's clock; each event that is due runs on its own. After a restart the
//! stored events are all there is to know. A function therefore sees an event at least once.

use std::collections::HashSet;
use std::sync::Arc;

use compute::Invocation;
use parking_lot::Mutex;
use service::{Cloud, Context, Principal, Range, StoreError, Timestamp, from_record, to_record};
use tokio::sync::Notify;

use crate::arn::Reference;
use crate::error::Error;
use crate::ops::invocation::active;
use crate::runner::Runner;
use crate::store::{self as records, Event};

/// How often an event is tried.
const ATTEMPTS: u32 = 3;
/// An event that is older is given up.
const MAXIMUM_AGE: i64 = 6 * 3600 * 1000;
/// How many events run at once.
const CONCURRENCY: usize = 16;

pub struct Events {
    runner: Arc<Runner>,
    changed: Notify,
    running: Mutex<HashSet<String>>,
}

/// What to do with an event after an attempt.
#[derive(Clone, Debug, PartialEq)]
enum Next {
    Done,
    Retry { due: i64, attempts: u32 },
}

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Attempt {
    Succeeded,
    /// The function failed.
    Failed,
    /// The function could not be run; that is no fault of its own and is tried again until the event is too old.
    Unavailable,
    /// There is no such function any more.
    Gone,
}

impl Event {
    /// One minute before the first retry, two before the second; what could not be run is tried again every minute.
    fn after(&self, attempt: Attempt, now: i64) -> Next {
        let attempts = self.attempts + u32::from(attempt == Attempt::Failed);
        let delay = 60_000 * i64::from(attempts.max(1));
        let too_old = now + delay - self.accepted > MAXIMUM_AGE;
        match attempt {
            Attempt::Succeeded | Attempt::Gone => Next::Done,
            _ if attempts >= ATTEMPTS || too_old => Next::Done,
            _ => Next::Retry { due: now + delay, attempts },
        }
    }
}

impl Events {
    pub fn new(runner: Arc<Runner>) -> Self {
        Self { runner, changed: Notify::new(), running: Mutex::default() }
    }

    /// Stores an event; it runs as soon as there is room.
    pub fn accept(&self, cx: &Context, event: &Event) -> Result<(), Error> {
        cx.store().put(records::event_key(event), to_record(event)?)?;
        self.changed.notify_one();
        Ok(())
    }

    pub fn start(self: &Arc<Self>, cloud: &Arc<Cloud>) {
        let (events, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            loop {
                match events.start_due(&cloud) {
                    Ok(Some(next)) => {
                        tokio::select! {
                            () = cloud.clock.wait_until(next) => {}
                            () = events.changed.notified() => {}
                        }
                    }
                    Ok(None) => events.changed.notified().await,
                    Err(error) => {
                        tracing::error!(%error, "asynchronous invocations cannot be read");
                        events.changed.notified().await;
                    }
                }
            }
        });
    }

    /// Starts what is due and can be started; returns when the next event is.
    fn start_due(self: &Arc<Self>, cloud: &Arc<Cloud>) -> Result<Option<Timestamp>, StoreError> {
        let now = cloud.clock.now();
        for entry in cloud.store.scan(Range::prefix(records::events_key())) {
            let event: Event = from_record(&entry?.1)?;
            if event.due > now.millis() {
                return Ok(Some(Timestamp::from_millis(event.due)));
            }
            let mut running = self.running.lock();
            if running.len() >= CONCURRENCY {
                return Ok(None);
            }
            if running.insert(event.id.clone()) {
                let (events, cloud) = (self.clone(), cloud.clone());
                tokio::spawn(async move { events.run(&cloud, event).await });
            }
        }
        Ok(None)
    }

    async fn run(&self, cloud: &Arc<Cloud>, event: Event) {
        let attempt = self.attempt(cloud, &event).await;
        let next = event.after(attempt, cloud.clock.now().millis());
        if let Err(error) = conclude(cloud, &event, next) {
            tracing::error!(%error, id = event.id, "an asynchronous invocation could not be concluded");
        }
        self.running.lock().remove(&event.id);
        self.changed.notify_one();
    }

    async fn attempt(&self, cloud: &Arc<Cloud>, event: &Event) -> Attempt {
        let cx = cloud
            .context(Principal::service("lambda.amazonaws.com"), &event.account, &event.region)
            .with_request_id(event.id.clone());
        let reference = event.reference();
        let (function, configuration) = match active(&self.runner, &cx, &reference).await {
            Ok(found) => found,
            Err(Error::ResourceNotFound(_)) => return Attempt::Gone,
            Err(_) => return Attempt::Unavailable,
        };
        let invocation = Invocation {
            request_id: event.id.clone(),
            payload: event.payload.clone().into(),
            invoked_arn: reference.to_string(),
            client_context: event.client_context.clone(),
            ..Invocation::default()
        };
        match self.runner.run(&cx, &function, &configuration, invocation).await {
            Ok(outcome) if outcome.function_error.is_none() => Attempt::Succeeded,
            Ok(_) => Attempt::Failed,
            Err(_) => Attempt::Unavailable,
        }
    }
}

fn conclude(cloud: &Cloud, event: &Event, next: Next) -> Result<(), StoreError> {
    cloud.store.write(|tx| {
        let key = records::event_key(event);
        // A reset may have removed it meanwhile.
        if tx.contains(key.as_slice())? {
            tx.delete(key);
            if let Next::Retry { due, attempts } = next {
                let event = Event { due, attempts, ..event.clone() };
                tx.put(records::event_key(&event), to_record(&event)?);
            }
        }
        Ok(())
    })
}

impl Event {
    fn reference(&self) -> Reference {
        let reference = Reference::new(&self.region, &self.account, &self.name);
        Reference { qualifier: self.qualifier.clone(), ..reference }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_retries_one_and_two_minutes_apart() {
        let mut event = Event { accepted: 0, ..Event::default() };
        assert_eq!(event.after(Attempt::Succeeded, 0), Next::Done);
        assert_eq!(event.after(Attempt::Failed, 0), Next::Retry { due: 60_000, attempts: 1 });
        event.attempts = 1;
        assert_eq!(event.after(Attempt::Failed, 60_000), Next::Retry { due: 180_000, attempts: 2 });
        event.attempts = 2;
        assert_eq!(event.after(Attempt::Failed, 180_000), Next::Done);
    }

    #[test]
    fn what_cannot_run_is_tried_until_it_is_too_old() {
        let event = Event { accepted: 0, ..Event::default() };
        assert_eq!(event.after(Attempt::Unavailable, 0), Next::Retry { due: 60_000, attempts: 0 });
        assert_eq!(event.after(Attempt::Unavailable, MAXIMUM_AGE), Next::Done);
        assert_eq!(event.after(Attempt::Gone, 0), Next::Done);
    }
}
