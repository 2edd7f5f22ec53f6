//! Server access logs: what is asked of a bucket, as objects in another one.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>
//!
//! Lines are gathered in memory and delivered a few minutes later on the cloud's clock, as `logging.s3.amazonaws.com`, which
//! the policy of the target must allow. As on AWS, delivery is a best effort: what a kill interrupts is lost. Which buckets are
//! logged is cached, so that requests to others cost nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;
use s3_api::{LoggingEnabled, PutObject, PutObjectRequest};
use service::events::Received;
use service::{AuditEvent, ByteStream, Bytes, Cloud, Event, Key, Principal, Range, Store, Timestamp, from_record};

use crate::bucket::canonical_id;
use crate::config;
use crate::store::{Bucket, find_bucket};

const PRINCIPAL: &str = "logging.s3.amazonaws.com";
/// How long lines are gathered, and how many at most.
const DELAY: i64 = 5 * 60 * 1000;
const MAX_LINES: usize = 10_000;
const WAITING: usize = 10_000;

/// The buckets that are logged.
#[derive(Default)]
pub struct Logs {
    buckets: RwLock<HashSet<String>>,
}

/// Lines of a bucket, and since when they wait.
struct Batch {
    since: Timestamp,
    lines: Vec<String>,
}

impl Logs {
    pub fn set(&self, bucket: &str, logged: bool) {
        let mut buckets = self.buckets.write();
        if logged {
            buckets.insert(bucket.to_owned())
        } else {
            buckets.remove(bucket)
        };
    }

    pub fn clear(&self) {
        self.buckets.write().clear();
    }

    fn rebuild(&self, store: &Store) {
        for entry in store.scan(Range::prefix(Key::new("s3/bucket"))) {
            let Ok(bucket) = entry.and_then(|(_, record)| from_record::<Bucket>(&record)) else { continue };
            if bucket.configured.contains("logging") {
                self.set(&bucket.name, true);
            }
        }
    }

    /// Gathers and delivers from now on.
    pub fn start(self: &Arc<Self>, cloud: &Arc<Cloud>) {
        self.rebuild(&cloud.store);
        let logs = self.clone();
        let mut receiver = cloud.events.subscribe(WAITING, move |event| match event {
            Event::Audit(audit) => audit.service == "s3" && !logs.buckets.read().is_empty(),
            _ => false,
        });
        let (logs, cloud) = (self.clone(), cloud.clone());
        tokio::spawn(async move {
            let mut batches: BTreeMap<String, Batch> = BTreeMap::new();
            loop {
                let due = batches.values().map(|batch| batch.since.plus_millis(DELAY)).min();
                let received = tokio::select! {
                    received = receiver.receive() => Some(received),
                    () = async { cloud.clock.wait_until(due.unwrap_or_default()).await }, if due.is_some() => None,
                };
                if let Some(Received::Event(event)) = received
                    && let Event::Audit(audit) = &*event
                {
                    logs.gather(audit, &mut batches);
                }
                let now = cloud.clock.now();
                let is_due = |batch: &Batch| now >= batch.since.plus_millis(DELAY) || batch.lines.len() >= MAX_LINES;
                let ready: Vec<String> =
                    batches.iter().filter(|(_, batch)| is_due(batch)).map(|(bucket, _)| bucket.clone()).collect();
                for bucket in ready {
                    if let Some(batch) = batches.remove(&bucket) {
                        deliver(&cloud, &bucket, batch).await;
                    }
                }
            }
        });
    }

    fn gather(&self, audit: &AuditEvent, batches: &mut BTreeMap<String, Batch>) {
        // What delivers logs is not logged: it would never end.
        if matches!(audit.cx.principal(), Principal::Service { name } if name == PRINCIPAL) {
            return;
        }
        let Some(path) = audit.resource.as_deref().and_then(|arn| arn.strip_prefix("arn:aws:s3:::")) else { return };
        let (bucket, key) = path.split_once('/').map_or((path, None), |(bucket, key)| (bucket, Some(key)));
        if !self.buckets.read().contains(bucket) {
            return;
        }
        let Ok(record) = find_bucket(&audit.cx.cloud.store, bucket) else { return };
        let batch = batches
            .entry(bucket.to_owned())
            .or_insert_with(|| Batch { since: audit.cx.cloud.clock.now(), lines: Vec::new() });
        batch.lines.push(line(audit, &record, key));
    }
}

/// `REST.GET.OBJECT` and its like, and the method.
fn operation(name: &str) -> (String, &'static str) {
    let Some(model) = s3_api::SERVICE_MODEL.operation(name) else { return (format!("REST.GET.{name}"), "GET") };
    let (path, query) = model.uri.split_once('?').unwrap_or((model.uri, ""));
    let sub = query.split(['&', '=']).next().unwrap_or_default();
    let resource = match (name, sub) {
        ("UploadPart" | "UploadPartCopy", _) => "PART".to_owned(),
        ("DeleteObjects", _) => "MULTI_OBJECT_DELETE".to_owned(),
        ("CompleteMultipartUpload" | "AbortMultipartUpload" | "ListParts", _) => "UPLOAD".to_owned(),
        (_, "" | "list-type") if path.contains("{Key+}") => "OBJECT".to_owned(),
        (_, "" | "list-type") => "BUCKET".to_owned(),
        (_, sub) => sub.replace('-', "_").to_ascii_uppercase(),
    };
    let verb = if name == "CopyObject" { "COPY" } else { model.method };
    (format!("REST.{verb}.{resource}"), model.method)
}

fn status(audit: &AuditEvent, method: &str) -> u16 {
    match audit.error.as_ref().map(|(code, _)| code.as_str()) {
        None if method == "DELETE" => 204,
        None => 200,
        Some("PermanentRedirect") => 301,
        Some("NotModified") => 304,
        Some("AccessDenied" | "AccessForbidden" | "InvalidObjectState") => 403,
        Some(code) if code.starts_with("NoSuch") || code.ends_with("NotFoundError") => 404,
        Some("MethodNotAllowed") => 405,
        Some("BucketNotEmpty" | "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" | "OperationAborted") => 409,
        Some("PreconditionFailed") => 412,
        Some("InvalidRange" | "InvalidPartNumber") => 416,
        Some("InternalError" | "InternalFailure") => 500,
        Some("NotImplemented") => 501,
        Some(_) => 400,
    }
}

fn line(audit: &AuditEvent, bucket: &Bucket, key: Option<&str>) -> String {
    let cx = &audit.cx;
    let (operation, method) = operation(audit.operation);
    let time = audit.time.datetime().strftime("%d/%b/%Y:%H:%M:%S +0000");
    let requester = match cx.principal() {
        Principal::Anonymous => "-".to_owned(),
        Principal::Root { account } => canonical_id(account),
        principal => principal.arn(),
    };
    let key = key.map(crate::website::encode);
    let path = format!("/{}{}", bucket.name, key.as_ref().map_or(String::new(), |key| format!("/{key}")));
    let (status, error) = (status(audit, method), audit.error.as_ref().map_or("-", |(code, _)| code.as_str()));
    let agent = cx.origin().user_agent.replace('"', "%22");
    let cipher = if cx.origin().secure { "TLS_AES_128_GCM_SHA256" } else { "-" };
    let version = if cx.origin().secure { "TLSv1.3" } else { "-" };
    let authentication =
        if matches!(cx.principal(), Principal::Anonymous) { ("-", "-") } else { ("SigV4", "AuthHeader") };
    format!(
        "{} {} [{time}] {} {requester} {} {operation} {} \"{method} {path} HTTP/1.1\" {status} {error} - - - - \"-\" \"{agent}\" - {} {} {cipher} {} s3.{}.amazonaws.com {version} - -",
        canonical_id(&bucket.account),
        bucket.name,
        cx.origin().source_ip,
        cx.request_id(),
        key.as_deref().unwrap_or("-"),
        wire::error::host_id(cx.request_id()),
        authentication.0,
        authentication.1,
        bucket.region,
    )
}

/// Writes the lines of a bucket as one object.
async fn deliver(cloud: &Arc<Cloud>, name: &str, batch: Batch) {
    let Ok(bucket) = find_bucket(&cloud.store, name) else { return };
    let set: Option<LoggingEnabled> = match config::find(&cloud.store, &bucket, "logging") {
        Ok(set) => set,
        Err(error) => {
            tracing::error!(%error, bucket = name, "a logging configuration cannot be read");
            return;
        }
    };
    let Some(set) = set else { return };
    let now = cloud.clock.now();
    let stamp = now.datetime().strftime("%Y-%m-%d-%H-%M-%S");
    let unique = cloud.random.upper_alphanumeric(16);
    let partitioned = set.target_object_key_format.as_ref().is_some_and(|format| format.partitioned_prefix.is_some());
    let place = match partitioned {
        true => format!("{}/{}/{name}/{}/", bucket.account, bucket.region, now.datetime().strftime("%Y/%m/%d")),
        false => String::new(),
    };
    let source = format!("arn:aws:s3:::{name}");
    let service = Principal::service(PRINCIPAL);
    let cx = cloud.context(service.clone(), &bucket.account, &bucket.region);
    let cx = cx.acting_as(service, &[("aws:SourceArn", &source), ("aws:SourceAccount", &bucket.account)]);
    let request = PutObjectRequest {
        bucket: set.target_bucket,
        key: format!("{}{place}{stamp}-{unique}", set.target_prefix),
        body: Some(ByteStream::from(Bytes::from(batch.lines.join("\n") + "\n"))),
        content_type: Some("text/plain".to_owned()),
        ..PutObjectRequest::default()
    };
    if let Err(error) = cx.perform::<PutObject>(request).await {
        tracing::info!(bucket = name, code = error.code, "an access log was not delivered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        let of = |name: &str| operation(name).0;
        assert_eq!(of("GetObject"), "REST.GET.OBJECT");
        assert_eq!(of("ListObjectsV2"), "REST.GET.BUCKET");
        assert_eq!(of("PutObjectAcl"), "REST.PUT.ACL");
        assert_eq!(of("CopyObject"), "REST.COPY.OBJECT");
        assert_eq!(of("UploadPart"), "REST.PUT.PART");
        assert_eq!(of("GetBucketVersioning"), "REST.GET.VERSIONING");
    }
}
