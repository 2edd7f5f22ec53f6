//! The jobs of one kind: scheduling them, and running what is due.

use std::collections::HashSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::FutureExt;
use parking_lot::Mutex;
use service::{Cloud, Store, StoreError, Timestamp, Transaction};
use tokio::sync::Notify;

use crate::policy::{Next, Policy};
use crate::record::{Job, all_due, due_key, job_key, next_key, number, text};

/// Does the jobs of one kind.
pub trait Handler: Send + Sync + 'static {
    /// Does a job. It may have been done before, in part or as a whole, if a kill came in between.
    fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> impl Future<Output = Outcome> + Send;

    /// A job failed for the last time or became too old; called in the transaction that removes it.
    fn gave_up(&self, _tx: &mut Transaction<'_>, _job: &Job) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How a run went. A panic is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Tried again after the policy's delay, so many times.
    Failed,
    /// Could not be tried; that is no failure of the job.
    Postponed,
}

/// See the module.
pub struct Queue {
    kind: &'static str,
    policy: Policy,
    changed: Notify,
    /// Ids of the jobs that run.
    pub(crate) running: Mutex<HashSet<String>>,
    /// Numbers go on over a reset of the cloud, so that a run from before it is known as such.
    next: AtomicU64,
}

impl Queue {
    /// `kind` is part of the records' keys, such as `lambda/event`; there is one queue for it in a cloud.
    pub fn new(kind: &'static str, policy: Policy) -> Arc<Queue> {
        Arc::new(Queue { kind, policy, changed: Notify::new(), running: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Schedules a job, in place of one with the same id.
    pub fn schedule(
        &self,
        tx: &mut Transaction<'_>,
        id: &str,
        due: Timestamp,
        payload: impl Into<Bytes>,
    ) -> Result<(), StoreError> {
        self.cancel(tx, id)?;
        let job = Job { id: id.to_owned(), due, first_due: due, payload: payload.into(), ..Job::default() };
        self.insert(tx, job)
    }

    /// Moves a job to another time, with all its tries before it; says whether there is such a job.
    pub fn reschedule(&self, tx: &mut Transaction<'_>, id: &str, due: Timestamp) -> Result<bool, StoreError> {
        let Some(job) = self.find(tx, id)? else { return Ok(false) };
        self.schedule(tx, id, due, job.payload)?;
        Ok(true)
    }

    /// Removes a job; says whether there was one. One that is running runs to its end.
    pub fn cancel(&self, tx: &mut Transaction<'_>, id: &str) -> Result<bool, StoreError> {
        let Some(job) = self.find(tx, id)? else { return Ok(false) };
        tx.delete(due_key(self.kind, &job));
        tx.delete(job_key(self.kind, id));
        Ok(true)
    }

    /// The jobs in the order of their times.
    pub fn jobs(&self, store: &Store) -> Result<Vec<Job>, StoreError> {
        let snapshot = store.snapshot();
        let job = |id: &[u8]| -> Result<Option<Job>, StoreError> {
            let id = text(id)?;
            snapshot.get(job_key(self.kind, id).as_slice())?.map(|record| Job::decode(id, &record)).transpose()
        };
        snapshot.scan(all_due(self.kind)).filter_map(|entry| entry.and_then(|(_, id)| job(&id)).transpose()).collect()
    }

    fn find(&self, tx: &Transaction<'_>, id: &str) -> Result<Option<Job>, StoreError> {
        let record = tx.get(job_key(self.kind, id).as_slice())?;
        record.map(|record| Job::decode(id, &record)).transpose()
    }

    fn insert(&self, tx: &mut Transaction<'_>, mut job: Job) -> Result<(), StoreError> {
        let stored = tx.get(next_key(self.kind).as_slice())?.map_or(Ok(0), |record| number(&record))?;
        // Transactions come one after the other, so nobody else changes it meanwhile.
        job.number = stored.max(self.next.load(Ordering::Relaxed));
        self.next.store(job.number + 1, Ordering::Relaxed);
        tx.put(next_key(self.kind), (job.number + 1).to_be_bytes().to_vec());
        tx.put(due_key(self.kind, &job), job.id.clone());
        tx.put(job_key(self.kind, &job.id), job.encode());
        // The runner looks in a transaction of its own, which begins when this one has ended.
        self.changed.notify_one();
        Ok(())
    }

    /// Runs jobs from now on, beginning with those that a stop interrupted.
    pub fn start(self: &Arc<Self>, cloud: &Arc<Cloud>, handler: Arc<impl Handler>) {
        let (queue, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            loop {
                match queue.start_due(&cloud, &handler) {
                    Ok(Some(next)) => {
                        tokio::select! {
                            () = cloud.clock.wait_until(next) => {}
                            () = queue.changed.notified() => {}
                        }
                    }
                    Ok(None) => queue.changed.notified().await,
                    Err(error) => {
                        tracing::error!(%error, kind = queue.kind, "jobs cannot be read");
                        queue.changed.notified().await;
                    }
                }
            }
        });
    }

    /// Starts what is due and has room; returns when to look again unless something changes before.
    fn start_due(
        self: &Arc<Self>,
        cloud: &Arc<Cloud>,
        handler: &Arc<impl Handler>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let now = cloud.clock.now();
        cloud.store.write(|tx| {
            // If all of these are due, those that run fill the queue.
            for (_, id) in tx.scan(all_due(self.kind), self.policy.concurrency + 1)? {
                let Some(job) = self.find(tx, text(&id)?)? else { continue };
                if job.due > now {
                    return Ok(Some(job.due));
                }
                if self.running.lock().len() >= self.policy.concurrency {
                    return Ok(None);
                }
                if self.running.lock().insert(job.id.clone()) {
                    let slot = Slot { queue: self.clone(), id: job.id.clone() };
                    let (cloud, handler) = (cloud.clone(), handler.clone());
                    tokio::spawn(async move { slot.queue.run(&cloud, &*handler, job).await });
                }
            }
            Ok(None)
        })
    }

    async fn run(&self, cloud: &Arc<Cloud>, handler: &impl Handler, job: Job) {
        let run = AssertUnwindSafe(handler.run(cloud, &job)).catch_unwind();
        let outcome = run.await.unwrap_or_else(|_| {
            tracing::error!(kind = self.kind, id = job.id, "a job panicked");
            Outcome::Failed
        });
        if let Err(error) = self.conclude(cloud, handler, &job, outcome) {
            tracing::error!(%error, kind = self.kind, id = job.id, "a job could not be concluded");
        }
    }

    fn conclude(&self, cloud: &Cloud, handler: &impl Handler, job: &Job, outcome: Outcome) -> Result<(), StoreError> {
        let next = self.policy.after(job, outcome, cloud.clock.now());
        cloud.store.write(|tx| {
            if self.find(tx, &job.id)?.is_none_or(|stored| stored.number != job.number) {
                return Ok(());
            }
            self.cancel(tx, &job.id)?;
            match next {
                Next::Done => Ok(()),
                Next::GiveUp => handler.gave_up(tx, job),
                Next::Retry { due, attempts } => self.insert(tx, Job { due, attempts, ..job.clone() }),
            }
        })
    }
}

/// The place of a running job. Left however the run ends.
struct Slot {
    queue: Arc<Queue>,
    id: String,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.running.lock().remove(&self.id);
        self.queue.changed.notify_one();
    }
}
