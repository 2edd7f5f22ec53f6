//! The job that makes a replica, or brings one up to date.

use std::sync::Arc;

use jobs::{Handler, Job, Outcome, Queue};
use s3_api::{ReplicationConfiguration, ReplicationRule};
use serde_json::json;
use service::{Access, ApiError, Cloud, Context, Principal, Snapshot, StoreError, Timestamp, Transaction};

use super::{REPLICA, Task, rule_for};
use crate::annotation::{Copies, release};
use crate::blob::{Blobs, Draft, Place, duplicate, receive};
use crate::cipher::Key;
use crate::encryption::{self, Asked, Encryption};
use crate::notify::{self, Happening, PRINCIPAL};
use crate::range::Span;
use crate::store::{Acl, Bucket, Lock, Object, Versioning, bucket_in, find_bucket, load_bucket, version_key};
use crate::{Error, config, lock, versions};

/// Copies versions.
pub struct Replicator {
    pub blobs: Arc<Blobs>,
    pub notifications: Arc<Queue>,
}

impl Handler for Replicator {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        let Ok(task) = serde_json::from_slice::<Task>(&job.payload) else { return Outcome::Done };
        let copied = self.copy(cloud, &task).await;
        let status = match &copied {
            Ok(None) => return Outcome::Done,
            Ok(Some(status)) => *status,
            Err(Failure { reason, error }) => {
                let Task { bucket, key, .. } = &task;
                tracing::info!(bucket, key, code = error.code, reason, "a version is not replicated");
                "FAILED"
            }
        };
        let set = cloud.store.write(|tx| {
            let found = versions::version(tx, &task.bucket, &task.key, &task.version)?;
            let replica = |object: &Object| object.replication.as_deref() == Some(REPLICA);
            let Some(mut object) = found.filter(|object| !replica(object)) else { return Ok(()) };
            object.replication = Some(status.to_owned());
            versions::save(tx, &task.bucket, &task.key, &object)?;
            match &copied {
                Err(failure) => self.tell(cloud, tx, &task, &object, failure),
                Ok(_) => Ok(()),
            }
        });
        if set.is_ok() { Outcome::Done } else { Outcome::Failed }
    }
}

/// Why a version is not replicated: as notifications call it, and what was said.
struct Failure {
    reason: &'static str,
    error: Box<ApiError>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { reason: "", error: Box::new(error.into()) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Error::from(error).into()
    }
}

fn because<E: Into<Error>>(reason: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure { reason, error: Box::new(error.into().into()) }
}

/// A version on its way: where from, where to, by which rule, and as whom.
struct Way<'a> {
    cx: Context,
    source: &'a Bucket,
    destination: &'a Bucket,
    rule: &'a ReplicationRule,
    key: &'a str,
}

impl Replicator {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-metrics-events.html>
    fn tell(
        &self,
        cloud: &Arc<Cloud>,
        tx: &mut Transaction<'_>,
        task: &Task,
        object: &Object,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        let Ok(bucket) = bucket_in(tx, &task.bucket) else { return Ok(()) };
        let set: Option<ReplicationConfiguration> = config::find(tx, &bucket, "replication")?;
        let Some(rule) = set.as_ref().and_then(|set| rule_for(set, &task.key, object)) else { return Ok(()) };
        let cx = cloud.context(Principal::service(PRINCIPAL), &bucket.account, &bucket.region);
        let data = json!({
            "replicationRuleId": rule.id,
            "destinationBucket": rule.destination.bucket,
            "s3Operation": if object.deleted { "OBJECT_DELETE" } else { "OBJECT_PUT" },
            "requestTime": Timestamp::from_millis(object.modified).iso8601_millis(),
            "failureReason": failure.reason,
        });
        let event = "Replication:OperationFailedReplication";
        let happening = Happening::new(&bucket, &task.key, object, event, cx.now());
        let happening = Happening { data: Some(("replicationEventData", data)), ..happening };
        notify::schedule(tx, &self.notifications, &cx, &happening)
    }

    /// How it went; nothing where the version is gone.
    async fn copy(&self, cloud: &Arc<Cloud>, task: &Task) -> Result<Option<&'static str>, Failure> {
        let Task { bucket, key, version, description } = task;
        let Ok(source) = find_bucket(&cloud.store, bucket) else { return Ok(None) };
        let snapshot = cloud.store.snapshot();
        let Some(object) = versions::version(&snapshot, bucket, key, version)? else { return Ok(None) };
        let set: Option<ReplicationConfiguration> = config::find(&cloud.store, &source, "replication")?;
        let Some(set) = set else { return Ok(Some("FAILED")) };
        let Some(rule) = rule_for(&set, key, &object) else { return Ok(Some("FAILED")) };
        let name = rule.destination.bucket.strip_prefix("arn:aws:s3:::").unwrap_or_default();
        let destination = find_bucket(&cloud.store, name).map_err(because("DstBucketNotFound"))?;
        let cx = role(cloud, &set.role, &source).map_err(because("AssumeRoleNotPermitted"))?;
        let way = Way { cx, source: &source, destination: &destination, rule, key };
        way.authorize(object.deleted)?;
        if destination.versioning != Versioning::Enabled {
            let error = Error::invalid_bucket_state("The destination does not keep versions.");
            return Err(because("DstBucketUnversioned")(error));
        }
        if object.lock != Lock::default() && !destination.locked {
            return Err(because("DstBucketObjectLockConfigMissing")(lock::missing_configuration()));
        }
        let there = versions::version(&snapshot, name, key, version)?;
        match there {
            Some(_) if !description => Ok(Some("COMPLETED")),
            Some(replica) => Ok(self.describe(&way, &snapshot, &object, &replica).await?),
            None => Ok(self.create(&way, snapshot, &object).await?),
        }
    }

    /// Makes a replica.
    async fn create(&self, way: &Way<'_>, snapshot: Snapshot, object: &Object) -> Result<Option<&'static str>, Error> {
        let (cx, name) = (&way.cx, &way.destination.name);
        let mut replica = Object {
            replication: Some(REPLICA.to_owned()),
            superseded: None,
            restore: None,
            upload: None,
            annotations: None,
            ..object.clone()
        };
        way.describe(object, &mut replica)?;
        if let Some(class) = &way.rule.destination.storage_class {
            replica.storage_class = (class.as_str() != "STANDARD").then(|| class.as_str().to_owned());
        }
        let (from, to) = way.keys(object)?;
        let keys = (from.as_ref(), to.key.as_ref());
        let copies = Copies::make(&self.blobs, cx, &snapshot, object, keys).await?;
        let body = self.body(cx, snapshot, object, keys).await?;
        let (Some(draft), Some(copies)) = (body, copies) else { return Ok(None) };
        replica.body = draft.segments.clone();
        replica.kms = to.kms;
        let entered = cx.store().write(|tx| {
            let destination = load_bucket(tx, name)?;
            if destination.versioning != Versioning::Enabled {
                return Err(Error::invalid_bucket_state("The destination does not keep versions."));
            }
            if versions::version(tx, name, way.key, &object.version_id())?.is_some() {
                return Ok(false);
            }
            draft.commit(tx);
            copies.enter(tx, cx, &mut replica)?;
            place(tx, name, way.key, &mut replica)?;
            Ok(true)
        })?;
        if entered {
            draft.keep();
            copies.keep();
        }
        Ok(Some("COMPLETED"))
    }

    /// The body of a replica: its files are linked, unless what they are encrypted with changes.
    async fn body(
        &self,
        cx: &Context,
        snapshot: Snapshot,
        object: &Object,
        (from, to): (Option<&Key>, Option<&Key>),
    ) -> Result<Option<Draft>, Error> {
        let whole = Span { start: 0, len: object.size };
        let root = &cx.cloud.config.files;
        // Opening the body keeps its files while they are linked or read.
        let Some(body) = self.blobs.open(root, cx.store(), &snapshot, &object.body, whole, from)? else {
            return Ok(None);
        };
        let place = Place::of(&cx.cloud);
        if from.is_none() && to.is_none() {
            return duplicate(place, cx.random(), &snapshot, &object.body).map(Some);
        }
        drop(snapshot);
        let mut received = receive(place, cx.random(), Some(body), u64::MAX, Vec::new(), to).await?;
        received.draft.embed();
        Ok(Some(received.draft))
    }

    /// Says of a replica what is said of the version.
    async fn describe(
        &self,
        way: &Way<'_>,
        snapshot: &Snapshot,
        object: &Object,
        replica: &Object,
    ) -> Result<Option<&'static str>, Error> {
        let (cx, name) = (&way.cx, &way.destination.name);
        let from = way.unlock(way.source, object)?;
        let to = way.unlock(way.destination, replica)?;
        let copies = Copies::make(&self.blobs, cx, snapshot, object, (from.as_ref(), to.as_ref())).await?;
        let Some(copies) = copies else { return Ok(None) };
        let removed = cx.store().write(|tx| {
            let found = versions::version(tx, name, way.key, &replica.version_id())?;
            let Some(mut replica) = found else { return Ok(None) };
            way.describe(object, &mut replica)?;
            let old = Object { annotations: replica.annotations.take(), ..Object::default() };
            let removed = release(tx, &old)?;
            copies.enter(tx, cx, &mut replica)?;
            versions::save(tx, name, way.key, &replica)?;
            Ok::<_, Error>(Some(removed))
        })?;
        if let Some(removed) = removed {
            copies.keep();
            self.blobs.remove(&cx.cloud.config.files, &removed);
        }
        Ok(Some("COMPLETED"))
    }
}

impl Way<'_> {
    fn may(&self, action: &str, bucket: &Bucket) -> Result<(), Error> {
        let s3 = self.cx.cloud.service("s3").ok_or_else(denied)?;
        let access = Access::new(action, format!("arn:aws:s3:::{}/{}", bucket.name, self.key));
        Ok(self.cx.cloud.stages().authorize(&self.cx, &**s3, &access.owned_by(&bucket.account))?)
    }

    /// Whether the role may read there and write here.
    fn authorize(&self, marker: bool) -> Result<(), Failure> {
        let readable = self.may("s3:GetObjectVersionForReplication", self.source);
        readable.map_err(because("SrcGetObjectNotPermitted"))?;
        let (action, reason) = match marker {
            true => ("s3:ReplicateDelete", "DstDelObjNotPermitted"),
            false => ("s3:ReplicateObject", "DstPutObjectNotPermitted"),
        };
        self.may(action, self.destination).map_err(because(reason))?;
        if self.overrides_owner() {
            let overriding = self.may("s3:ObjectOwnerOverrideToBucketOwner", self.destination);
            overriding.map_err(because("DstPutObjectNotPermitted"))?;
        }
        Ok(())
    }

    fn overrides_owner(&self) -> bool {
        self.rule.destination.access_control_translation.is_some()
    }

    /// Tags, lock and list of access. Tags that the role may not take along stay behind.
    fn describe(&self, object: &Object, replica: &mut Object) -> Result<(), Error> {
        let tags = self.may("s3:GetObjectVersionTagging", self.source).is_ok()
            && self.may("s3:ReplicateTags", self.destination).is_ok();
        replica.tags = if tags { object.tags.clone() } else { Default::default() };
        replica.lock = object.lock.clone();
        let list = object.acl.clone().unwrap_or_else(|| Acl::private(&self.source.account));
        let kept = !self.overrides_owner() && !self.destination.enforces_owner();
        replica.acl = Some(list).filter(|list| kept && *list != Acl::private(&self.destination.account));
        Ok(())
    }

    /// What a version is read with. A client's own key stays unknown: the body is copied as it lies.
    fn unlock(&self, bucket: &Bucket, object: &Object) -> Result<Option<Key>, Error> {
        object.kms.as_ref().map(|kms| encryption::unwrap(&self.cx, &bucket.name, self.key, kms)).transpose()
    }

    /// What a version is read with, and how its replica is encrypted: with the key of the rule, or else as its bucket does.
    fn keys(&self, object: &Object) -> Result<(Option<Key>, Encryption), Error> {
        if object.customer_key.is_some() || object.deleted {
            return Ok((None, Encryption::default()));
        }
        let of_rule = self.rule.destination.encryption_configuration.as_ref();
        let asked = match &object.kms {
            None => Asked::default(),
            Some(kms) => Asked {
                method: Some(kms.method.clone()),
                key_id: of_rule.and_then(|set| set.replica_kms_key_id.clone()),
                context: kms.context.clone(),
                ..Asked::default()
            },
        };
        let from = self.unlock(self.source, object)?;
        Ok((from, asked.decide(&self.cx, self.destination, self.key)?))
    }
}

fn denied() -> Error {
    Error::AccessDenied("Access Denied".to_owned())
}

/// Acts as the role of the rules.
fn role(cloud: &Arc<Cloud>, role: &str, source: &Bucket) -> Result<Context, Error> {
    let role = cloud.directory().role(role)?.ok_or_else(denied)?;
    let principal = Principal::AssumedRole {
        account: role.account.clone(),
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: "s3-replication".to_owned(),
    };
    Ok(cloud.context(principal, &role.account, &source.region))
}

/// Enters a replica under the id that it has, which tells its place among the versions of its key.
fn place(tx: &mut Transaction<'_>, bucket: &str, key: &str, replica: &mut Object) -> Result<(), StoreError> {
    replica.seq = replica.version.as_deref().and_then(versions::seq_of).unwrap_or_default();
    let taken = tx.contains(version_key(bucket, key, replica.seq).as_slice())?;
    if taken || versions::current(tx, bucket, key)?.is_some_and(|current| current.seq == replica.seq) {
        return Err(StoreError::Corrupt(format!("the place of a replica of {key} is taken")));
    }
    versions::enter(tx, bucket, key, replica)
}
