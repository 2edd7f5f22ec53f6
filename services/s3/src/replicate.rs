//! Replication: versions that are written to a bucket come to be in another one, of whatever account and region here.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html>
//!
//! - A version that a rule is for is `PENDING` from the transaction on that wrote it, which also schedules the job that copies
//!   it, as the rule's role: `COMPLETED`, or `FAILED` where the role may not.
//! - A replica has the version's own id, and is `REPLICA`. Replicas are not replicated again.
//! - Deletions of versions are not replicated; delete markers are where the rule says so.

use std::sync::Arc;

use jobs::{Handler, Job, Outcome, Policy, Queue};
use s3_api::{ReplicationConfiguration, ReplicationRule};
use serde::{Deserialize, Serialize};
use service::{Access, Cloud, Context, Principal, StoreError, Transaction};

use crate::blob::{Blobs, Draft, Place, duplicate};
use crate::range::Span;
use crate::store::{Bucket, Object, Versioning, find_bucket, load_bucket, version_key};
use crate::{Error, config, versions};

pub const POLICY: Policy = Policy { concurrency: 4, delays: &[60_000, 300_000], maximum_age: 24 * 3_600_000 };
const MAX_RULES: usize = 1000;

/// A version that is to be copied.
#[derive(Serialize, Deserialize)]
struct Task {
    bucket: String,
    key: String,
    version: String,
}

fn prefix(rule: &ReplicationRule) -> &str {
    let of_filter = rule.filter.as_ref().map(|filter| match &filter.and {
        Some(and) => and.prefix.as_deref(),
        None => filter.prefix.as_deref(),
    });
    of_filter.flatten().or(rule.prefix.as_deref()).unwrap_or_default()
}

/// The rule of a version: the one of the highest priority.
fn rule_for<'a>(
    configuration: &'a ReplicationConfiguration,
    key: &str,
    object: &Object,
) -> Option<&'a ReplicationRule> {
    let admits = |rule: &&ReplicationRule| {
        let tags = rule.filter.iter().flat_map(|filter| match &filter.and {
            Some(and) => and.tags.iter().flatten().collect::<Vec<_>>(),
            None => filter.tag.iter().collect(),
        });
        let mut tags = tags.peekable();
        let markers = rule.delete_marker_replication.as_ref().and_then(|markers| markers.status.as_ref());
        let wanted = !object.deleted
            || match markers {
                Some(status) => status.as_str() == "Enabled",
                // Rules of the first form replicate them.
                None => rule.filter.is_none(),
            };
        rule.status.as_str() == "Enabled"
            && wanted
            && key.starts_with(prefix(rule))
            && (!object.deleted || tags.peek().is_none())
            && tags.all(|tag| object.tags.get(&tag.key) == Some(&tag.value))
    };
    configuration.rules.iter().filter(admits).max_by_key(|rule| rule.priority.unwrap_or_default())
}

/// What S3 asks of rules.
pub fn check(configuration: &ReplicationConfiguration) -> Result<(), Error> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Error::malformed_xml());
    }
    let invalid = |text: String| Err(Error::InvalidRequest(text));
    for (at, rule) in rules.iter().enumerate() {
        if rule.filter.is_some() == rule.prefix.is_some() {
            return Err(Error::malformed_xml());
        }
        if rule.id.as_ref().is_some_and(|id| id.len() > 255) {
            return Err(Error::invalid_argument("ID length should not exceed allowed limit of 255", "ID", ""));
        }
        if rule.filter.is_some() && (rule.priority.is_none() || rule.delete_marker_replication.is_none()) {
            return Err(Error::malformed_xml());
        }
        let others = rules.iter().take(at);
        if rule.id.is_some() && others.clone().any(|other| other.id == rule.id) {
            return invalid("Rule Id must be unique".to_owned());
        }
        if let Some(priority) = rule.priority
            && others.clone().any(|other| other.priority == Some(priority))
        {
            return invalid(format!("Found duplicate priorities in rules: {priority}"));
        }
        let destination = &rule.destination;
        let unsupported = destination.encryption_configuration.is_some()
            || destination.access_control_translation.is_some()
            || rule.source_selection_criteria.as_ref().is_some_and(|criteria| {
                criteria.sse_kms_encrypted_objects.is_some()
                    || criteria.replica_modifications.as_ref().is_some_and(|own| own.status.as_str() == "Enabled")
            })
            || rule.existing_object_replication.as_ref().is_some_and(|existing| existing.status.as_str() == "Enabled");
        if unsupported {
            let text = "Replication with KMS, ownership overrides, replica modifications or existing objects is not implemented.";
            return Err(Error::NotImplemented(text.to_owned()));
        }
    }
    Ok(())
}

/// Marks a new version that a rule is for, and schedules its copy. The caller saves it.
pub fn schedule(
    tx: &mut Transaction<'_>,
    queue: &Queue,
    cx: &Context,
    bucket: &Bucket,
    key: &str,
    object: &mut Object,
) -> Result<bool, StoreError> {
    if object.replication.is_some() || object.customer_key.is_some() || object.kms.is_some() {
        return Ok(false);
    }
    let set: Option<ReplicationConfiguration> = config::find(tx, bucket, "replication")?;
    let Some(set) = set else { return Ok(false) };
    if rule_for(&set, key, object).is_none() || object.version.is_none() {
        return Ok(false);
    }
    object.replication = Some("PENDING".to_owned());
    let task = Task { bucket: bucket.name.clone(), key: key.to_owned(), version: object.version_id() };
    let payload = serde_json::to_vec(&task).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    queue.schedule(tx, &cx.random().uuid(), cx.now(), payload)?;
    Ok(true)
}

/// Copies versions.
pub struct Replicator {
    pub blobs: Arc<Blobs>,
}

impl Handler for Replicator {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        let Ok(task) = serde_json::from_slice::<Task>(&job.payload) else { return Outcome::Done };
        let status = match self.copy(cloud, &task) {
            Ok(status) => status,
            Err(error) => {
                let error = service::ApiError::from(error);
                tracing::info!(bucket = task.bucket, key = task.key, code = error.code, "a version is not replicated");
                Some("FAILED")
            }
        };
        let Some(status) = status else { return Outcome::Done };
        let set = cloud.store.write(|tx| {
            let found = versions::version(tx, &task.bucket, &task.key, &task.version)?;
            let Some(mut object) = found else { return Ok(()) };
            object.replication = Some(status.to_owned());
            versions::save(tx, &task.bucket, &task.key, &object)
        });
        if set.is_ok() { Outcome::Done } else { Outcome::Failed }
    }
}

impl Replicator {
    /// How it went; nothing where the version is gone or no rule is for it any more.
    fn copy(&self, cloud: &Arc<Cloud>, task: &Task) -> Result<Option<&'static str>, Error> {
        let Task { bucket, key, version } = task;
        let Ok(source) = find_bucket(&cloud.store, bucket) else { return Ok(None) };
        let snapshot = cloud.store.snapshot();
        let Some(object) = versions::version(&snapshot, bucket, key, version)? else { return Ok(None) };
        let set: Option<ReplicationConfiguration> = config::find(&cloud.store, &source, "replication")?;
        let Some(set) = set else { return Ok(Some("FAILED")) };
        let Some(rule) = rule_for(&set, key, &object) else { return Ok(Some("FAILED")) };
        let name = rule.destination.bucket.strip_prefix("arn:aws:s3:::").unwrap_or_default();
        let destination = find_bucket(&cloud.store, name)?;
        authorize(cloud, &set.role, &source, &destination, key, object.deleted)?;
        let mut replica = object.clone();
        replica.replication = Some("REPLICA".to_owned());
        replica.acl = None;
        replica.superseded = None;
        replica.restore = None;
        replica.upload = None;
        replica.annotations = None;
        if let Some(class) = &rule.destination.storage_class {
            replica.storage_class = (class.as_str() != "STANDARD").then(|| class.as_str().to_owned());
        }
        let root = &cloud.config.files;
        // Opening the body keeps its files while they are linked.
        let whole = Span { start: 0, len: object.size };
        let body = self.blobs.open(root, &cloud.store, &snapshot, &object.body, whole, None)?;
        if body.is_none() {
            return Ok(None);
        }
        let draft: Draft = duplicate(Place::of(cloud), &cloud.random, &snapshot, &object.body)?;
        replica.body = draft.segments.clone();
        let entered = cloud.store.write(|tx| {
            let destination = load_bucket(tx, name)?;
            if destination.versioning != Versioning::Enabled {
                return Err(Error::invalid_bucket_state("The destination does not keep versions."));
            }
            if versions::version(tx, name, key, version)?.is_some() {
                return Ok(None);
            }
            draft.commit(tx);
            place(tx, name, key, &mut replica)?;
            Ok(Some(()))
        })?;
        if entered.is_some() {
            draft.keep();
        }
        Ok(Some("COMPLETED"))
    }
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

/// Whether the role may read there and write here.
fn authorize(
    cloud: &Arc<Cloud>,
    role: &str,
    source: &Bucket,
    destination: &Bucket,
    key: &str,
    marker: bool,
) -> Result<(), Error> {
    let denied = || Error::AccessDenied("Access Denied".to_owned());
    let role = cloud.directory().role(role)?.ok_or_else(denied)?;
    let principal = Principal::AssumedRole {
        account: role.account.clone(),
        role_path: role.path,
        role: role.name,
        role_id: role.id,
        session: "s3-replication".to_owned(),
    };
    let cx = cloud.context(principal, &role.account, &source.region);
    let s3 = cloud.service("s3").ok_or_else(denied)?;
    let action = if marker { "s3:ReplicateDelete" } else { "s3:ReplicateObject" };
    let needed = [("s3:GetObjectVersionForReplication", source), (action, destination)];
    for (action, bucket) in needed {
        let access = Access::new(action, format!("arn:aws:s3:::{}/{key}", bucket.name)).owned_by(&bucket.account);
        cloud.stages().authorize(&cx, &**s3, &access)?;
    }
    Ok(())
}
