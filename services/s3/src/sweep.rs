//! Acts on lifecycle rules: once a day, at midnight, every bucket that has some is walked, in pages.
//!
//! The walk is a job, so that one that a stop interrupted is done again. Each change looks at the version once more inside its
//! own transaction, and tells of itself like any other.

use std::sync::Arc;

use jobs::{Handler, Job, Outcome, Policy, Queue};
use s3_api::{BucketLifecycleConfiguration, LifecycleRule};
use service::{Cloud, Context, Principal, Range, StoreError, Timestamp, Transaction, from_record};

use crate::blob::Blobs;
use crate::lifecycle::{Action, aborts, drops_marker, midnight, of_current, of_noncurrent};
use crate::listing::{Query, Versioned, list_versions};
use crate::lock::Guard;
use crate::notify::{self, Happening};
use crate::store::{Bucket, Object, Segment, Upload, Versioning, decode, find_bucket, uploads_key};
use crate::{Error, config, ops, versions};

pub const POLICY: Policy = Policy { concurrency: 1, delays: &[60_000, 600_000], maximum_age: 24 * 3_600_000 };
const PAGE: usize = 1000;

/// Walks buckets.
pub struct Sweep {
    pub queue: Arc<Queue>,
    pub notifications: Arc<Queue>,
    pub blobs: Arc<Blobs>,
}

/// Schedules the next walk of a bucket.
pub fn schedule(tx: &mut Transaction<'_>, queue: &Queue, bucket: &str, now: Timestamp) -> Result<(), StoreError> {
    let next = midnight(now.millis() + 1);
    queue.schedule(tx, bucket, Timestamp::from_millis(next), Vec::new())
}

impl Handler for Sweep {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        match self.walk(cloud, &job.id).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                let error = service::ApiError::from(error);
                tracing::error!(bucket = job.id, code = error.code, "a lifecycle cannot be followed");
                Outcome::Failed
            }
        }
    }
}

/// A version at hand, and what is known of those around it.
struct Place {
    version: Versioned,
    /// How many noncurrent versions of its key are newer.
    newer: usize,
    /// The only version of its key.
    lonely: bool,
}

impl Sweep {
    async fn walk(&self, cloud: &Arc<Cloud>, name: &str) -> Result<(), Error> {
        let now = cloud.clock.now();
        let Ok(bucket) = find_bucket(&cloud.store, name) else { return Ok(()) };
        let set: Option<BucketLifecycleConfiguration> = config::find(&cloud.store, &bucket, "lifecycle")?;
        let Some(set) = set else { return Ok(()) };
        let service = Principal::service("lifecycle.s3.amazonaws.com");
        let cx = cloud.context(service, &bucket.account, &bucket.region);
        let mut query = Query { limit: PAGE, ..Query::default() };
        let mut older = None;
        let mut newer = (String::new(), 0);
        loop {
            let page = list_versions(&cloud.store.snapshot(), name, &query, older)?;
            let count = page.versions.len();
            for (at, version) in page.versions.iter().enumerate() {
                if newer.0 != version.key {
                    newer = (version.key.clone(), 0);
                }
                let next = page.versions.get(at + 1);
                // At the end of a page, whether there is more of the key is not known: the next walk sees.
                let ends = next.map_or(!page.truncated || count == 0, |next| next.key != version.key);
                let place = Place { version: version.clone(), newer: newer.1, lonely: version.latest && ends };
                self.attend(&cx, &bucket, &set.rules, &place, now)?;
                newer.1 += usize::from(!version.latest);
            }
            let Some(last) = page.versions.last().filter(|_| page.truncated) else { break };
            query.after = last.key.clone();
            older = Some(last.object.seq);
            // Requests come first.
            tokio::task::yield_now().await;
        }
        self.abort_uploads(&cx, name, &set.rules, now)?;
        cloud.store.write(|tx| schedule(tx, &self.queue, name, cloud.clock.now()))?;
        Ok(())
    }

    fn attend(
        &self,
        cx: &Context,
        bucket: &Bucket,
        rules: &[LifecycleRule],
        place: &Place,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Versioned { key, object, latest } = &place.version;
        if *latest && object.deleted {
            if place.lonely && drops_marker(rules, key, object, now.millis()) {
                return self.change(cx, bucket, key, object, Change::Remove);
            }
            return Ok(());
        }
        let action = match latest {
            true => of_current(rules, bucket.sizes(), key, object, now.millis()),
            false => of_noncurrent(rules, bucket.sizes(), key, object, place.newer, now.millis()),
        };
        match action {
            Action::Keep => Ok(()),
            Action::Move(class) => self.change(cx, bucket, key, object, Change::Move(&class)),
            Action::Expire if *latest && bucket.versioning != Versioning::Off => {
                self.change(cx, bucket, key, object, Change::Hide)
            }
            Action::Expire => self.change(cx, bucket, key, object, Change::Remove),
        }
    }

    fn change(&self, cx: &Context, bucket: &Bucket, key: &str, seen: &Object, change: Change<'_>) -> Result<(), Error> {
        let now = cx.now();
        let name = &bucket.name;
        let removed = cx.store().write(|tx| {
            let found = versions::version(tx, name, key, &seen.version_id())?;
            let Some(mut object) = found.filter(|object| object.seq == seen.seq && object.etag == seen.etag) else {
                return Ok(Vec::new());
            };
            let tell = |tx: &mut Transaction<'_>, object: &Object, event: &str| {
                let happening = Happening::new(bucket, key, object, event, now);
                notify::schedule(tx, &self.notifications, cx, &happening)
            };
            match change {
                Change::Move(class) => {
                    object.storage_class = Some(class.to_owned());
                    object.restore = None;
                    versions::save(tx, name, key, &object)?;
                    tell(tx, &object, "LifecycleTransition")?;
                    Ok::<_, Error>(Vec::new())
                }
                Change::Hide => {
                    let now = Timestamp::from_secs(now.secs()).millis();
                    let deleted = versions::delete(tx, cx.random(), bucket, key, now)?;
                    let made = deleted.made.unwrap_or_default();
                    tell(tx, &made, "LifecycleExpiration:DeleteMarkerCreated")?;
                    Ok(deleted.removed)
                }
                Change::Remove => {
                    if object.lock.guard(now) != Guard::Free {
                        return Ok(Vec::new());
                    }
                    tell(tx, &object, "LifecycleExpiration:Delete")?;
                    Ok(versions::delete_version(tx, name, key, &object)?.removed)
                }
            }
        })?;
        self.blobs.remove(&cx.cloud.config.files, &removed);
        Ok(())
    }

    fn abort_uploads(&self, cx: &Context, name: &str, rules: &[LifecycleRule], now: Timestamp) -> Result<(), Error> {
        for entry in cx.store().scan(Range::prefix(uploads_key(name))) {
            let (key, record) = entry?;
            let upload: Upload = from_record(&record)?;
            if !aborts(rules, &upload.key, upload.initiated, now.millis()) {
                continue;
            }
            let removed: Vec<Segment> = cx.store().write(|tx| {
                if decode::<Upload>(tx.get(&key)?)?.is_none() {
                    return Ok::<_, Error>(Vec::new());
                }
                tx.delete(key);
                ops::drop_parts(tx, &upload.id)
            })?;
            self.blobs.remove(&cx.cloud.config.files, &removed);
        }
        Ok(())
    }
}

enum Change<'a> {
    /// Into another class.
    Move(&'a str),
    /// A delete marker takes its place.
    Hide,
    Remove,
}
