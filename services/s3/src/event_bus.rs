//! What EventBridge is told of objects. Every account has its default bus, so that a bucket that tells it is always right; what
//! nobody waits for is forgotten there.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::{Cloud, Context, Event, Principal, ServiceEvent, Timestamp};

use crate::notify::{Happening, sequencer};

/// An event on its way to the bus.
#[derive(Debug, Serialize, Deserialize)]
pub struct Notice {
    id: String,
    /// Milliseconds since the epoch.
    time: i64,
    detail_type: String,
    detail: Value,
}

impl Notice {
    pub fn publish(self, cloud: &Cloud, bucket: &str, account: &str, region: &str) {
        cloud.events.publish(Event::Service(ServiceEvent {
            id: self.id,
            time: Timestamp::from_millis(self.time),
            account: account.to_owned(),
            region: region.to_owned(),
            source: "aws.s3",
            detail_type: self.detail_type,
            resources: vec![format!("arn:aws:s3:::{bucket}")],
            detail: self.detail,
        }));
    }
}

/// The detail type of an event, and the members that only it has. Some events of notifications are none here.
fn kind(event: &str, happening: &Happening<'_>) -> Option<(&'static str, Value)> {
    let class = happening.object.storage_class.as_deref().unwrap_or("STANDARD");
    let (permanent, marker) = ("Permanently Deleted", "Delete Marker Created");
    let deleted = |reason: &str, kind: &str| json!({ "reason": reason, "deletion-type": kind });
    let expiry = happening.object.restore.as_ref().map(|restore| Timestamp::from_millis(restore.expires).iso8601());
    Some(match event {
        "ObjectCreated:Put" => ("Object Created", json!({ "reason": "PutObject" })),
        "ObjectCreated:Post" => ("Object Created", json!({ "reason": "POST Object" })),
        "ObjectCreated:Copy" => ("Object Created", json!({ "reason": "CopyObject" })),
        "ObjectCreated:CompleteMultipartUpload" => ("Object Created", json!({ "reason": "CompleteMultipartUpload" })),
        "ObjectRemoved:Delete" => ("Object Deleted", deleted("DeleteObject", permanent)),
        "ObjectRemoved:DeleteMarkerCreated" => ("Object Deleted", deleted("DeleteObject", marker)),
        "LifecycleExpiration:Delete" => ("Object Deleted", deleted("Lifecycle Expiration", permanent)),
        "LifecycleExpiration:DeleteMarkerCreated" => ("Object Deleted", deleted("Lifecycle Expiration", marker)),
        "ObjectRestore:Post" => ("Object Restore Initiated", json!({ "source-storage-class": class })),
        "ObjectRestore:Completed" => {
            ("Object Restore Completed", json!({ "restore-expiry-time": expiry, "source-storage-class": class }))
        }
        "ObjectRestore:Delete" => ("Object Restore Expired", json!({})),
        "LifecycleTransition" => ("Object Storage Class Changed", json!({ "destination-storage-class": class })),
        "ObjectTagging:Put" => ("Object Tags Added", json!({})),
        "ObjectTagging:Delete" => ("Object Tags Deleted", json!({})),
        "ObjectAcl:Put" => ("Object ACL Updated", json!({})),
        _ => return None,
    })
}

/// What the bus is told of what happened to an object.
pub fn notice(cx: &Context, happening: &Happening<'_>) -> Option<Notice> {
    let Happening { bucket, key, object, event, due, .. } = happening;
    let (detail_type, further) = kind(event, happening)?;
    let mut shown = json!({ "key": key });
    let sized =
        ["Object Created", "Object Restore Initiated", "Object Restore Completed", "Object Storage Class Changed"];
    if sized.contains(&detail_type) {
        shown["size"] = object.size.into();
    }
    if !object.etag.is_empty() {
        shown["etag"] = object.etag.as_str().into();
    }
    if let Some(version) = object.shown_version() {
        shown["version-id"] = version.into();
    }
    if matches!(detail_type, "Object Created" | "Object Deleted") {
        shown["sequencer"] = sequencer(object, *due).into();
    }
    let own = event.starts_with("Lifecycle") || matches!(*event, "ObjectRestore:Completed" | "ObjectRestore:Delete");
    let requester = match cx.principal() {
        Principal::Service { .. } => "s3.amazonaws.com",
        _ if own => "s3.amazonaws.com",
        Principal::Anonymous => "Anonymous",
        principal => principal.account(),
    };
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": bucket.name },
        "object": shown,
        "request-id": cx.request_id(),
        "requester": requester,
    });
    if !own {
        detail["source-ip-address"] = cx.origin().source_ip.as_str().into();
    }
    if let (Some(detail), Value::Object(further)) = (detail.as_object_mut(), further) {
        detail.extend(further);
    }
    Some(Notice { id: cx.random().uuid(), time: due.millis(), detail_type: detail_type.to_owned(), detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Bucket, Object};
    use crate::testing::Bench;
    use s3_api::{EventBridgeConfiguration, NotificationConfiguration, PutBucketNotificationConfigurationRequest};

    #[tokio::test]
    async fn details() {
        let cx = Bench::new().await.cx();
        let bucket = Bucket { name: "b".into(), account: "1".into(), region: "r".into(), ..Bucket::default() };
        let object = Object { size: 3, etag: "e".into(), ..Object::default() };
        let of = |event| notice(&cx, &Happening::new(&bucket, "a b", &object, event, cx.now()));
        let created = of("ObjectCreated:Put").unwrap().detail;
        assert_eq!((&created["object"]["key"], &created["object"]["size"]), (&json!("a b"), &json!(3)));
        assert_eq!(created["reason"], "PutObject");
        let deleted = of("LifecycleExpiration:Delete").unwrap().detail;
        assert_eq!(
            (&deleted["deletion-type"], &deleted["requester"]),
            (&json!("Permanently Deleted"), &json!("s3.amazonaws.com"))
        );
        assert!(of("Replication:OperationFailedReplication").is_none());
    }

    type Events = service::events::Receiver<Event>;

    async fn next(events: &mut Events) -> ServiceEvent {
        let service::events::Received::Event(event) = events.receive().await else { panic!("no event") };
        let Event::Service(event) = &*event else { panic!("{event:?}") };
        event.clone()
    }

    /// Has the bucket tell the bus.
    async fn tell(bench: &Bench) -> NotificationConfiguration {
        let bus = NotificationConfiguration {
            event_bridge_configuration: Some(EventBridgeConfiguration {}),
            ..NotificationConfiguration::default()
        };
        let request = PutBucketNotificationConfigurationRequest {
            bucket: "bucket".into(),
            notification_configuration: bus.clone(),
            ..Default::default()
        };
        bench.ok::<s3_api::PutBucketNotificationConfiguration>(request).await;
        bus
    }

    #[tokio::test]
    async fn restored_copies_end_once() {
        let bench = Bench::new().await;
        tell(&bench).await;
        let mut events = bench.cloud.events.subscribe(8, |event| matches!(event, Event::Service(_)));
        let request = s3_api::PutObjectRequest {
            bucket: "bucket".into(),
            key: "k".into(),
            storage_class: Some(s3_api::StorageClass::Glacier),
            ..Default::default()
        };
        bench.ok::<s3_api::PutObject>(request).await;
        let restore = |days| s3_api::RestoreObjectRequest {
            bucket: "bucket".into(),
            key: "k".into(),
            restore_request: Some(s3_api::RestoreRequest { days: Some(days), ..Default::default() }),
            ..Default::default()
        };
        const HOUR: i64 = 3_600_000;
        bench.ok::<s3_api::RestoreObject>(restore(1)).await;
        let mut kinds = Vec::new();
        for _ in 0..2 {
            kinds.push(next(&mut events).await.detail_type);
        }
        bench.cloud.clock.advance(6 * HOUR);
        kinds.push(next(&mut events).await.detail_type);
        assert_eq!(kinds, ["Object Created", "Object Restore Initiated", "Object Restore Completed"]);
        // A longer life ends later, and only then.
        bench.ok::<s3_api::RestoreObject>(restore(5)).await;
        bench.cloud.clock.advance(24 * 10 * HOUR);
        let ended = next(&mut events).await;
        assert_eq!(
            (ended.detail_type.as_str(), &ended.detail["requester"]),
            ("Object Restore Expired", &json!("s3.amazonaws.com"))
        );
        bench.put("after", vec![1]).await;
        assert_eq!(next(&mut events).await.detail_type, "Object Created");
    }

    #[tokio::test]
    async fn the_bus_is_told_where_the_bucket_says_so() {
        let bench = Bench::new().await;
        let mut events = bench.cloud.events.subscribe(8, |event| matches!(event, Event::Service(_)));
        bench.put("before", vec![1]).await;
        let bus = tell(&bench).await;
        bench.put("a key", vec![1, 2]).await;
        let event = next(&mut events).await;
        assert_eq!((event.source, event.detail_type.as_str()), ("aws.s3", "Object Created"));
        assert_eq!(event.resources, ["arn:aws:s3:::bucket"]);
        assert_eq!((&event.detail["object"]["key"], &event.detail["object"]["size"]), (&json!("a key"), &json!(2)));
        let request =
            s3_api::GetBucketNotificationConfigurationRequest { bucket: "bucket".into(), ..Default::default() };
        assert_eq!(bench.ok::<s3_api::GetBucketNotificationConfiguration>(request).await, bus);
    }
}
