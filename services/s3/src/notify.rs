//! Notifications: which events of a bucket go where, and the records that tell of them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>
//!
//! A notification is a job, scheduled in the transaction that makes the change, so that no change goes untold and none is told
//! of that was not made. Functions are invoked as `s3.amazonaws.com`, which their own policies must allow.

use std::sync::Arc;

use jobs::{Handler, Job, Outcome, Policy, Queue};
use percent_encoding::utf8_percent_encode;
use s3_api::{FilterRule, LambdaFunctionConfiguration, NotificationConfiguration, NotificationConfigurationFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{Cloud, Context, Principal, StoreError, Timestamp, Transaction};

use crate::Error;
use crate::bucket::canonical_id;
use crate::config;
use crate::event_bus::{self, Notice};
use crate::store::{Bucket, Object};
use crate::versions;

pub const POLICY: Policy = Policy { concurrency: 16, delays: &[60_000, 120_000], maximum_age: 6 * 60 * 60 * 1000 };
/// Who delivers.
pub const PRINCIPAL: &str = "s3.amazonaws.com";

/// What is told when a restored copy ends.
pub const RESTORE_ENDS: &str = "ObjectRestore:Delete";

const EVENTS: [&str; 29] = [
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
];

/// A notification on its way.
#[derive(Serialize, Deserialize)]
struct Notification {
    /// The function that is invoked; without one, the event bus is told.
    #[serde(default)]
    function: Option<String>,
    bucket: String,
    account: String,
    region: String,
    event: Value,
    /// Told only if a restored copy ends then: meanwhile it may have got a longer life, or its object may be gone.
    #[serde(default)]
    ending: Option<Ending>,
    /// The tracing header of the change, by which Lambda recognises loops.
    #[serde(default)]
    trace: Option<String>,
}

/// When the restored copy of a version ends.
#[derive(Clone, Serialize, Deserialize)]
struct Ending {
    key: String,
    version: String,
    expires: i64,
}

impl Ending {
    fn of(event: &str, key: &str, object: &Object) -> Option<Ending> {
        let restore = object.restore.as_ref().filter(|_| event == RESTORE_ENDS)?;
        Some(Ending { key: key.to_owned(), version: object.version_id(), expires: restore.expires })
    }

    fn comes(&self, cloud: &Cloud, bucket: &str) -> Result<bool, StoreError> {
        let found = versions::version(&cloud.store.snapshot(), bucket, &self.key, &self.version)?;
        let restore = found.and_then(|object| object.restore);
        Ok(restore.is_some_and(|restore| restore.expires == self.expires))
    }
}

/// Delivers notifications.
pub struct Delivery;

impl Handler for Delivery {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        let Ok(notification) = serde_json::from_slice::<Notification>(&job.payload) else { return Outcome::Done };
        let Notification { function, bucket, account, region, event, ending, trace } = notification;
        match ending.map_or(Ok(true), |ending| ending.comes(cloud, &bucket)) {
            Ok(true) => {}
            Ok(false) => return Outcome::Done,
            Err(_) => return Outcome::Failed,
        }
        let Some(function) = function else {
            if let Ok(notice) = serde_json::from_value::<Notice>(event) {
                notice.publish(cloud, &bucket, &account, &region);
            }
            return Outcome::Done;
        };
        let source = format!("arn:aws:s3:::{bucket}");
        let cx = cloud.context(Principal::service(PRINCIPAL), &account, &region).with_trace(trace);
        let cx =
            cx.acting_as(Principal::service(PRINCIPAL), &[("aws:SourceArn", &source), ("aws:SourceAccount", &account)]);
        let request = lambda_api::InvocationRequest {
            function_name: function.clone(),
            invocation_type: Some(lambda_api::InvocationType::Event),
            payload: Some(event.to_string().into()),
            ..Default::default()
        };
        match cx.perform::<lambda_api::Invoke>(request).await {
            Ok(_) => Outcome::Done,
            Err(error) => {
                tracing::info!(%function, %bucket, code = error.code, "a notification was not delivered");
                Outcome::Failed
            }
        }
    }
}

/// What happened to an object.
pub struct Happening<'a> {
    pub bucket: &'a Bucket,
    pub key: &'a str,
    pub object: &'a Object,
    /// `ObjectCreated:Put`
    pub event: &'a str,
    pub due: Timestamp,
    /// What records tell of this event beside what they tell of all: a member's name and value.
    pub data: Option<(&'static str, Value)>,
}

impl<'a> Happening<'a> {
    pub fn new(bucket: &'a Bucket, key: &'a str, object: &'a Object, event: &'a str, due: Timestamp) -> Happening<'a> {
        Happening { bucket, key, object, event, due, data: None }
    }
}

/// Schedules the notifications of a change, in its transaction.
pub fn schedule(
    tx: &mut Transaction<'_>,
    queue: &Queue,
    cx: &Context,
    happening: &Happening<'_>,
) -> Result<(), StoreError> {
    let Happening { bucket, key, object, event, due, data } = happening;
    let set: Option<NotificationConfiguration> = config::find(tx, bucket, "notification")?;
    let Some(set) = set else { return Ok(()) };
    let notification = |function, event, trace| Notification {
        function,
        bucket: bucket.name.clone(),
        account: bucket.account.clone(),
        region: bucket.region.clone(),
        event,
        ending: Ending::of(happening.event, key, object),
        trace,
    };
    let mut enter = |notification: Notification| {
        let payload = serde_json::to_vec(&notification).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        queue.schedule(tx, &cx.random().uuid(), *due, payload)
    };
    if set.event_bridge_configuration.is_some()
        && let Some(notice) = event_bus::notice(cx, happening)
    {
        let event = serde_json::to_value(notice).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        enter(notification(None, event, None))?;
    }
    for function in set.lambda_function_configurations.unwrap_or_default() {
        let wanted = function.events.iter().any(|pattern| covers(pattern, event));
        if !wanted || !passes(function.filter.as_ref(), key) {
            continue;
        }
        let mut record = record(cx, bucket, key, object, event, *due, function.id.as_deref().unwrap_or_default());
        if let Some((name, value)) = data {
            record[name] = value.clone();
        }
        let event = json!({ "Records": [record] });
        enter(notification(Some(function.lambda_function_arn), event, cx.origin().trace.clone()))?;
    }
    Ok(())
}

/// Whether a configured event, perhaps with a star, covers one that happened.
fn covers(pattern: &str, event: &str) -> bool {
    let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
    match pattern.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => pattern == event,
    }
}

fn rules(filter: Option<&NotificationConfigurationFilter>) -> &[FilterRule] {
    let key = filter.and_then(|filter| filter.key.as_ref());
    key.and_then(|key| key.filter_rules.as_deref()).unwrap_or_default()
}

/// The value of a filter's rule.
fn rule<'a>(filter: Option<&'a NotificationConfigurationFilter>, name: &str) -> &'a str {
    let rule =
        rules(filter).iter().find(|rule| rule.name.as_ref().is_some_and(|given| given.eq_ignore_ascii_case(name)));
    rule.and_then(|rule| rule.value.as_deref()).unwrap_or_default()
}

fn passes(filter: Option<&NotificationConfigurationFilter>, key: &str) -> bool {
    key.starts_with(rule(filter, "prefix")) && key.ends_with(rule(filter, "suffix"))
}

/// Tells which of two events of a key came later.
pub fn sequencer(object: &Object, time: Timestamp) -> String {
    format!("{:018X}", object.seq.max(u64::try_from(time.millis()).unwrap_or_default() << 20))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn record(
    cx: &Context,
    bucket: &Bucket,
    key: &str,
    object: &Object,
    event: &str,
    time: Timestamp,
    configuration: &str,
) -> Value {
    let key = utf8_percent_encode(key, crate::ops::KEPT).to_string().replace(' ', "+");
    let mut shown = json!({ "key": key });
    if !event.starts_with("ObjectRemoved:Delete") || event.ends_with("MarkerCreated") {
        if !object.deleted {
            shown["size"] = object.size.into();
        }
        let etag = if object.deleted { "d41d8cd98f00b204e9800998ecf8427e" } else { &object.etag };
        shown["eTag"] = etag.into();
    }
    if let Some(version) = object.shown_version() {
        shown["versionId"] = version.into();
    }
    shown["sequencer"] = sequencer(object, time).into();
    let caller = match cx.principal() {
        Principal::Root { account } => account.clone(),
        Principal::Anonymous => "Anonymous".to_owned(),
        Principal::Service { .. } => PRINCIPAL.to_owned(),
        principal => format!("AWS:{}", principal.user_id()),
    };
    let mut record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": time.iso8601_millis(),
        "eventName": event,
        "userIdentity": { "principalId": caller },
        "requestParameters": { "sourceIPAddress": if caller == PRINCIPAL { PRINCIPAL } else { &cx.origin().source_ip } },
        "responseElements": {
            "x-amz-request-id": cx.request_id(),
            "x-amz-id-2": wire::error::host_id(cx.request_id()),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": { "principalId": canonical_id(&bucket.account).to_ascii_uppercase()[..14] },
                "arn": format!("arn:aws:s3:::{}", bucket.name),
            },
            "object": shown,
        },
    });
    if let Some(restore) = object.restore.as_ref().filter(|_| event == "ObjectRestore:Completed") {
        record["glacierEventData"] = json!({ "restoreEventData": {
            "lifecycleRestorationExpiryTime": Timestamp::from_millis(restore.expires).iso8601_millis(),
            "lifecycleRestoreStorageClass": object.storage_class,
        } });
    }
    record
}

/// What all kinds of configurations have in common.
struct Common<'a> {
    events: Vec<&'a str>,
    filter: Option<&'a NotificationConfigurationFilter>,
}

/// What S3 asks of a configuration, but for whether its destinations are there.
pub fn check(configuration: &NotificationConfiguration) -> Result<(), Error> {
    fn texts(events: &[String]) -> Vec<&str> {
        events.iter().map(String::as_str).collect()
    }
    let mut all: Vec<Common<'_>> = Vec::new();
    for one in configuration.topic_configurations.iter().flatten() {
        all.push(Common { events: texts(&one.events), filter: one.filter.as_ref() });
    }
    for one in configuration.queue_configurations.iter().flatten() {
        all.push(Common { events: texts(&one.events), filter: one.filter.as_ref() });
    }
    for one in configuration.lambda_function_configurations.iter().flatten() {
        all.push(Common { events: texts(&one.events), filter: one.filter.as_ref() });
    }
    for one in &all {
        if one.events.is_empty() {
            return Err(Error::malformed_xml());
        }
        if let Some(event) = one.events.iter().find(|event| !EVENTS.contains(event)) {
            let text = "The event is not supported for notifications";
            return Err(Error::invalid_argument(text, "Event", event));
        }
        check_filter(one.filter)?;
    }
    for (at, one) in all.iter().enumerate() {
        for other in all.iter().skip(at + 1) {
            if overlap(one, other) {
                let text = if rules(one.filter).is_empty() && rules(other.filter).is_empty() {
                    "Configurations overlap. Configurations on the same bucket cannot share a common event type."
                } else {
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
                };
                return Err(Error::invalid_argument(text, "", ""));
            }
        }
    }
    Ok(())
}

fn check_filter(filter: Option<&NotificationConfigurationFilter>) -> Result<(), Error> {
    let (mut prefixes, mut suffixes) = (0, 0);
    for rule in rules(filter) {
        let name = rule.name.as_deref().unwrap_or_default();
        let value = rule.value.as_deref().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "prefix" => prefixes += 1,
            "suffix" => suffixes += 1,
            _ => {
                let text = "filter rule name must be either prefix or suffix";
                return Err(Error::invalid_argument(text, "FilterRule.Name", name));
            }
        }
        if value.len() > 1024 {
            let text = "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation";
            return Err(Error::invalid_argument(text, "FilterRule.Value", value));
        }
    }
    for (count, name) in [(prefixes, "prefix"), (suffixes, "suffix")] {
        if count > 1 {
            let text = format!("Cannot specify more than one {name} rule in a filter.");
            return Err(Error::invalid_argument(text, "FilterRule.Name", name));
        }
    }
    Ok(())
}

/// Whether some event of some key would go to both.
fn overlap(one: &Common<'_>, other: &Common<'_>) -> bool {
    let same_event = one.events.iter().any(|a| {
        let (a, plain_a) = (a.trim_end_matches('*'), !a.ends_with('*'));
        other.events.iter().any(|b| {
            let (b, plain_b) = (b.trim_end_matches('*'), !b.ends_with('*'));
            match (plain_a, plain_b) {
                (true, true) => a == b,
                (true, false) => a.starts_with(b),
                (false, true) => b.starts_with(a),
                (false, false) => a.starts_with(b) || b.starts_with(a),
            }
        })
    });
    let (prefix, other_prefix) = (rule(one.filter, "prefix"), rule(other.filter, "prefix"));
    let (suffix, other_suffix) = (rule(one.filter, "suffix"), rule(other.filter, "suffix"));
    same_event
        && (prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix))
        && (suffix.ends_with(other_suffix) || other_suffix.ends_with(suffix))
}

/// Whether S3 may invoke a function for a bucket. That it exists is part of it.
pub fn may_invoke(cx: &Context, bucket: &Bucket, function: &LambdaFunctionConfiguration) -> bool {
    let source = format!("arn:aws:s3:::{}", bucket.name);
    let service = Principal::service(PRINCIPAL);
    let cx = cx.acting_as(service, &[("aws:SourceArn", &source), ("aws:SourceAccount", &bucket.account)]);
    let Some(lambda) = cx.cloud.service("lambda") else { return false };
    let access = service::Access::new("lambda:InvokeFunction", &function.lambda_function_arn);
    cx.cloud.stages().authorize(&cx, &**lambda, &access).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3_api::S3KeyFilter;

    fn filter(pairs: &[(&str, &str)]) -> Option<NotificationConfigurationFilter> {
        let rule = |(name, value): &(&str, &str)| FilterRule {
            name: Some((*name).to_owned()),
            value: Some((*value).to_owned()),
        };
        let key = S3KeyFilter { filter_rules: Some(pairs.iter().map(rule).collect()) };
        Some(NotificationConfigurationFilter { key: Some(key) })
    }

    fn function(events: &[&str], filter: Option<NotificationConfigurationFilter>) -> LambdaFunctionConfiguration {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        LambdaFunctionConfiguration { id: None, lambda_function_arn: "arn".into(), events, filter }
    }

    fn of(functions: Vec<LambdaFunctionConfiguration>) -> Result<(), Error> {
        check(&NotificationConfiguration { lambda_function_configurations: Some(functions), ..Default::default() })
    }

    #[test]
    fn events_and_filters() {
        assert!(covers("s3:ObjectCreated:*", "ObjectCreated:Put") && covers("s3:ObjectAcl:Put", "ObjectAcl:Put"));
        assert!(!covers("s3:ObjectCreated:*", "ObjectRemoved:Delete"));
        let images = filter(&[("Prefix", "img/"), ("Suffix", ".jpg")]);
        assert!(passes(images.as_ref(), "img/a.jpg") && !passes(images.as_ref(), "img/a.png"));
        assert!(passes(None, "anything"));
    }

    #[test]
    fn configurations_that_are_refused() {
        assert!(of(vec![function(&["s3:ObjectCreated:*"], None)]).is_ok());
        assert!(of(vec![function(&["s3:ObjectMoved"], None)]).is_err());
        assert!(of(vec![function(&[], None)]).is_err());
        assert!(of(vec![function(&["s3:ObjectCreated:Put"], filter(&[("middle", "x")]))]).is_err());
        assert!(of(vec![function(&["s3:ObjectCreated:Put"], filter(&[("prefix", "x"), ("prefix", "y")]))]).is_err());
        let two = |a: &[&str], b: &[&str], x: &str, y: &str| {
            of(vec![function(a, filter(&[("prefix", x)])), function(b, filter(&[("prefix", y)]))])
        };
        assert!(two(&["s3:ObjectCreated:*"], &["s3:ObjectCreated:Put"], "a", "ab").is_err());
        assert!(two(&["s3:ObjectCreated:*"], &["s3:ObjectCreated:Put"], "a", "b").is_ok());
        assert!(two(&["s3:ObjectCreated:*"], &["s3:ObjectRemoved:*"], "a", "a").is_ok());
    }
}
