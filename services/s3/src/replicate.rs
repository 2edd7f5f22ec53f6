//! Replication: versions that are written to a bucket come to be in another one, of whatever account and region here.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html>
//!
//! - A version that a rule is for is `PENDING` from the transaction on that wrote it, which also schedules the job that copies
//!   it, as the rule's role: `COMPLETED`, or `FAILED` where the role may not.
//! - A replica has the version's own id, and is `REPLICA`. Replicas are not replicated again.
//! - Tags, lists of access, locks and annotations that change later change for the replica too; those of a replica for what it
//!   was made of, where a rule of its own bucket says so.
//! - Deletions of versions are not replicated; delete markers are where the rule says so.

mod copy;

use jobs::{Policy, Queue};
use s3_api::{ReplicationConfiguration, ReplicationRule};
use serde::{Deserialize, Serialize};
use service::{Context, StoreError, Transaction};

pub use copy::Replicator;

use crate::store::{Bucket, Object};
use crate::{Error, config};

pub const POLICY: Policy = Policy { concurrency: 4, delays: &[60_000, 300_000], maximum_age: 24 * 3_600_000 };
const MAX_RULES: usize = 1000;
const REPLICA: &str = "REPLICA";

/// A version that is to be copied.
#[derive(Serialize, Deserialize)]
struct Task {
    bucket: String,
    key: String,
    version: String,
    /// Only what is said of it: the body is there already.
    #[serde(default)]
    description: bool,
}

fn prefix(rule: &ReplicationRule) -> &str {
    let of_filter = rule.filter.as_ref().map(|filter| match &filter.and {
        Some(and) => and.prefix.as_deref(),
        None => filter.prefix.as_deref(),
    });
    of_filter.flatten().or(rule.prefix.as_deref()).unwrap_or_default()
}

/// Whether a rule is for objects that are encrypted with a key of KMS.
fn takes_kms(rule: &ReplicationRule) -> bool {
    let criteria = rule.source_selection_criteria.as_ref();
    let encrypted = criteria.and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref());
    encrypted.is_some_and(|encrypted| encrypted.status.as_str() == "Enabled")
}

/// Whether a rule is for changes to replicas.
fn takes_replicas(rule: &ReplicationRule) -> bool {
    let criteria = rule.source_selection_criteria.as_ref();
    let replicas = criteria.and_then(|criteria| criteria.replica_modifications.as_ref());
    replicas.is_some_and(|replicas| replicas.status.as_str() == "Enabled")
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
            && (object.kms.is_none() || takes_kms(rule))
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
        check_form(rule)?;
        let others = rules.iter().take(at);
        if rule.id.is_some() && others.clone().any(|other| other.id == rule.id) {
            return invalid("Rule Id must be unique".to_owned());
        }
        if let Some(priority) = rule.priority
            && others.clone().any(|other| other.priority == Some(priority))
        {
            return invalid(format!("Found duplicate priorities in rules: {priority}"));
        }
        check_destination(rule)?;
    }
    Ok(())
}

/// Rules with a filter are of the second form, which says more.
fn check_form(rule: &ReplicationRule) -> Result<(), Error> {
    let Some(filter) = &rule.filter else { return Ok(()) };
    let missing = |what: &str| {
        Err(Error::InvalidRequest(format!(
            "{what} must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information."
        )))
    };
    if rule.priority.is_none() {
        return missing("Priority");
    }
    let Some(markers) = &rule.delete_marker_replication else { return missing("DeleteMarkerReplication") };
    let tagged = filter.tag.is_some() || filter.and.as_ref().is_some_and(|and| and.tags.is_some());
    let followed = markers.status.as_ref().is_some_and(|status| status.as_str() == "Enabled");
    if tagged && followed {
        let text = "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

fn check_destination(rule: &ReplicationRule) -> Result<(), Error> {
    let destination = &rule.destination;
    let invalid = |text: &str| Err(Error::InvalidRequest(text.to_owned()));
    if rule.existing_object_replication.as_ref().is_some_and(|existing| existing.status.as_str() == "Enabled") {
        return Err(Error::NotImplemented("Replication of existing objects is not implemented.".to_owned()));
    }
    let key = destination.encryption_configuration.as_ref().and_then(|set| set.replica_kms_key_id.as_ref());
    match (takes_kms(rule), key) {
        (true, None) => {
            return invalid("EncryptionConfiguration must be specified if SseKmsEncryptedObjects is present.");
        }
        (false, Some(_)) => {
            return invalid("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.");
        }
        _ => {}
    }
    if destination.access_control_translation.is_some() && destination.account.is_none() {
        return invalid("Account must be specified if AccessControlTranslation is present.");
    }
    let timed = destination.replication_time.as_ref().filter(|time| time.status.as_str() == "Enabled");
    let measured = destination.metrics.as_ref().is_some_and(|metrics| metrics.status.as_str() == "Enabled");
    if timed.is_some() && !measured {
        return invalid("Replication Time Control requires Metrics to be enabled.");
    }
    let minutes = timed.and_then(|time| time.time.minutes);
    if timed.is_some() && minutes != Some(15) {
        return invalid("The only valid value for minutes in a replication time is 15.");
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
    if object.replication.is_some() {
        return Ok(false);
    }
    let set: Option<ReplicationConfiguration> = config::find(tx, bucket, "replication")?;
    let Some(set) = set else { return Ok(false) };
    if rule_for(&set, key, object).is_none() || object.version.is_none() {
        return Ok(false);
    }
    object.replication = Some("PENDING".to_owned());
    enter(tx, queue, cx, (bucket, key), object, false)?;
    Ok(true)
}

/// Schedules that what is said of a version, which just changed, is said of its replica too. The caller saves the version.
pub fn schedule_change(
    tx: &mut Transaction<'_>,
    queue: &Queue,
    cx: &Context,
    bucket: &Bucket,
    key: &str,
    object: &mut Object,
) -> Result<(), StoreError> {
    // What was there before there was a rule has no replica.
    let Some(status) = object.replication.clone() else { return Ok(()) };
    let set: Option<ReplicationConfiguration> = config::find(tx, bucket, "replication")?;
    let Some(set) = set else { return Ok(()) };
    let Some(rule) = rule_for(&set, key, object) else { return Ok(()) };
    if status == REPLICA {
        if !takes_replicas(rule) {
            return Ok(());
        }
    } else {
        object.replication = Some("PENDING".to_owned());
    }
    enter(tx, queue, cx, (bucket, key), object, true)
}

fn enter(
    tx: &mut Transaction<'_>,
    queue: &Queue,
    cx: &Context,
    (bucket, key): (&Bucket, &str),
    object: &Object,
    description: bool,
) -> Result<(), StoreError> {
    let task = Task { bucket: bucket.name.clone(), key: key.to_owned(), version: object.version_id(), description };
    let payload = serde_json::to_vec(&task).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    queue.schedule(tx, &cx.random().uuid(), cx.now(), payload)
}
