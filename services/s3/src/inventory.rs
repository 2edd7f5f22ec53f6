//! Inventories: lists of what is in a bucket, delivered at midnight (UTC) of the cloud's clock, every day or on Sundays.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>
//!
//! - A list is one file of CSV, whatever its length; a manifest with its checksum and a list for Hive stand beside it.
//! - It is of one moment: a snapshot of the bucket.
//! - They are written as `s3.amazonaws.com`, which the destination's policy has to allow.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jobs::{Handler, Job, Outcome, Policy};
use md5::{Digest as _, Md5};
use percent_encoding::utf8_percent_encode;
use s3_api::{
    InventoryConfiguration, InventoryOptionalField, ObjectCannedACL, PutObject, PutObjectRequest, ServerSideEncryption,
};
use serde_json::json;
use service::{ByteStream, Bytes, Cloud, Context, Principal, Snapshot, StoreError, Timestamp, Transaction};

use crate::bucket::canonical_id;
use crate::lifecycle::{self, midnight};
use crate::listing::{Query, Versioned, list_versions};
use crate::notify::PRINCIPAL;
use crate::store::{Acl, Bucket, Object, config_key, find_bucket};
use crate::{Error, S3, acl, config};

pub const POLICY: Policy = Policy { concurrency: 1, delays: &[60_000, 600_000], maximum_age: 24 * 3_600_000 };
const DAY: i64 = 86_400_000;
const PAGE: usize = 1000;
const ARN: &str = "arn:aws:s3:::";

/// What is asked of a configuration that is set.
pub fn check(configuration: &InventoryConfiguration) -> Result<(), Error> {
    let destination = &configuration.destination.s3_bucket_destination;
    if !destination.bucket.starts_with(ARN) {
        return Err(service::ApiError::new(400, "InvalidS3DestinationBucket", "Invalid bucket ARN.").into());
    }
    if configuration.is_enabled && destination.format.as_str() != "CSV" {
        let text = format!("Inventories in the format {} are not implemented.", destination.format.as_str());
        return Err(Error::NotImplemented(text));
    }
    Ok(())
}

/// A configuration was set, or removed: its job follows.
pub fn changed(
    s3: &S3,
    cx: &Context,
    tx: &mut Transaction<'_>,
    (bucket, id): (&str, &str),
    configuration: Option<&InventoryConfiguration>,
) -> Result<(), Error> {
    let job = format!("{bucket}/{id}");
    if let Some(configuration) = configuration {
        check(configuration)?;
    }
    match configuration.filter(|configuration| configuration.is_enabled) {
        Some(configuration) => s3.inventories.schedule(tx, &job, next(configuration, cx.now()), Vec::new())?,
        None => drop(s3.inventories.cancel(tx, &job)?),
    }
    Ok(())
}

/// When the next list is due.
fn next(configuration: &InventoryConfiguration, now: Timestamp) -> Timestamp {
    let mut due = midnight(now.millis() + 1);
    // The epoch began on a Thursday.
    let sunday = |due: i64| (due.div_euclid(DAY) + 4).rem_euclid(7) == 0;
    while configuration.schedule.frequency.as_str() == "Weekly" && !sunday(due) {
        due += DAY;
    }
    Timestamp::from_millis(due)
}

/// Makes and delivers inventories.
pub struct Inventories {
    pub queue: Arc<jobs::Queue>,
}

impl Handler for Inventories {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        let Some((bucket, id)) = job.id.split_once('/') else { return Outcome::Done };
        match self.deliver(cloud, bucket, id, job.first_due).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                let error = service::ApiError::from(error);
                tracing::info!(bucket, id, code = error.code, "an inventory was not delivered");
                Outcome::Failed
            }
        }
    }
}

impl Inventories {
    async fn deliver(&self, cloud: &Arc<Cloud>, name: &str, id: &str, due: Timestamp) -> Result<(), Error> {
        let Ok(bucket) = find_bucket(&cloud.store, name) else { return Ok(()) };
        let Some(record) = cloud.store.get(config_key(name, "inventory").text(id).as_slice())? else { return Ok(()) };
        let configuration: InventoryConfiguration = config::decode(&record)?;
        if !configuration.is_enabled {
            return Ok(());
        }
        // The next one is due whatever becomes of this one.
        let job = format!("{name}/{id}");
        let next = next(&configuration, cloud.clock.now());
        cloud.store.write(|tx| self.queue.schedule(tx, &job, next, Vec::new()))?;
        let report = Report { cloud, bucket: &bucket, configuration: &configuration };
        if let Err(error) = report.deliver(due).await {
            let error = service::ApiError::from(error);
            tracing::info!(bucket = name, id, code = error.code, "an inventory was not delivered");
        }
        Ok(())
    }
}

/// One list.
struct Report<'a> {
    cloud: &'a Arc<Cloud>,
    bucket: &'a Bucket,
    configuration: &'a InventoryConfiguration,
}

impl Report<'_> {
    async fn deliver(&self, due: Timestamp) -> Result<(), Error> {
        let destination = &self.configuration.destination.s3_bucket_destination;
        let target = destination.bucket.strip_prefix(ARN).unwrap_or_default();
        let prefix = destination.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let prefix = prefix.map_or(String::new(), |prefix| format!("{}/", prefix.trim_end_matches('/')));
        let base = format!("{prefix}{}/{}", self.bucket.name, self.configuration.id);
        let file = format!("{base}/data/{}.csv.gz", self.cloud.random.uuid());
        let list = self.list().await?;
        let now = self.cloud.clock.now();
        let manifest = json!({
            "sourceBucket": self.bucket.name,
            "destinationBucket": destination.bucket,
            "version": "2016-11-30",
            "creationTimestamp": now.millis().to_string(),
            "fileFormat": "CSV",
            "fileSchema": self.columns().join(", "),
            "files": [{ "key": file, "size": list.len(), "MD5checksum": hex_md5(&list) }],
        });
        let manifest = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        let checksum = hex_md5(&manifest);
        let (folder, hive) = (due.datetime().strftime("%Y-%m-%dT%H-%MZ"), due.datetime().strftime("%Y-%m-%d-%H-%M"));
        self.put(target, &file, list).await?;
        let symlink = format!("s3://{target}/{file}\n").into_bytes();
        self.put(target, &format!("{base}/hive/dt={hive}/symlink.txt"), symlink).await?;
        self.put(target, &format!("{base}/{folder}/manifest.json"), manifest).await?;
        self.put(target, &format!("{base}/{folder}/manifest.checksum"), checksum.into_bytes()).await
    }

    async fn put(&self, target: &str, key: &str, body: Vec<u8>) -> Result<(), Error> {
        let service = Principal::service(PRINCIPAL);
        let source = format!("{ARN}{}", self.bucket.name);
        let cx = self.cloud.context(service.clone(), &self.bucket.account, &self.bucket.region);
        let cx = cx.acting_as(service, &[("aws:SourceArn", &source), ("aws:SourceAccount", &self.bucket.account)]);
        let encryption = self.configuration.destination.s3_bucket_destination.encryption.as_ref();
        let kms = encryption.and_then(|encryption| encryption.ssekms.as_ref());
        let request = PutObjectRequest {
            bucket: target.to_owned(),
            key: key.to_owned(),
            body: Some(ByteStream::from(Bytes::from(body))),
            acl: Some(ObjectCannedACL::BucketOwnerFullControl),
            server_side_encryption: encryption.map(|_| match kms {
                Some(_) => ServerSideEncryption::AwsKms,
                None => ServerSideEncryption::Aes256,
            }),
            ssekms_key_id: kms.map(|kms| kms.key_id.clone()),
            expected_bucket_owner: self.configuration.destination.s3_bucket_destination.account_id.clone(),
            ..PutObjectRequest::default()
        };
        cx.perform::<PutObject>(request).await?;
        Ok(())
    }

    fn all_versions(&self) -> bool {
        self.configuration.included_object_versions.as_str() == "All"
    }

    fn optional(&self) -> &[InventoryOptionalField] {
        self.configuration.optional_fields.as_deref().unwrap_or_default()
    }

    fn columns(&self) -> Vec<&str> {
        let versions = ["VersionId", "IsLatest", "IsDeleteMarker"].into_iter().filter(|_| self.all_versions());
        let optional = self.optional().iter().map(InventoryOptionalField::as_str);
        ["Bucket", "Key"].into_iter().chain(versions).chain(optional).collect()
    }

    /// The lines of everything, packed.
    async fn list(&self) -> Result<Vec<u8>, Error> {
        let snapshot = self.cloud.store.snapshot();
        let set = config::find(&self.cloud.store, self.bucket, "lifecycle")?;
        let set: Option<s3_api::BucketLifecycleConfiguration> = set;
        let rules = set.map(|set| set.rules).unwrap_or_default();
        let prefix = self.configuration.filter.as_ref().map(|filter| filter.prefix.clone()).unwrap_or_default();
        let mut query = Query { prefix, limit: PAGE, ..Query::default() };
        let mut older = None;
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let failed = |error: std::io::Error| Error::file("pack an inventory", &error);
        loop {
            let page = self.page(&snapshot, &query, older)?;
            for version in page
                .versions
                .iter()
                .filter(|version| self.all_versions() || (version.latest && !version.object.deleted))
            {
                let line = self.line(version, &rules);
                packed.write_all(line.as_bytes()).map_err(failed)?;
            }
            let Some(last) = page.versions.last().filter(|_| page.truncated) else { break };
            query.after = last.key.clone();
            older = Some(last.object.seq);
            // Requests come first.
            tokio::task::yield_now().await;
        }
        packed.finish().map_err(failed)
    }

    fn page(
        &self,
        snapshot: &Snapshot,
        query: &Query,
        older: Option<u64>,
    ) -> Result<crate::listing::VersionListing, StoreError> {
        list_versions(snapshot, &self.bucket.name, query, older)
    }

    fn line(&self, version: &Versioned, rules: &[s3_api::LifecycleRule]) -> String {
        let mut line = String::new();
        for (at, column) in self.columns().into_iter().enumerate() {
            let value = self.value(column, version, rules).replace('"', "\"\"");
            let _ = write!(line, "{}\"{value}\"", if at > 0 { "," } else { "" });
        }
        line.push('\n');
        line
    }

    fn value(&self, column: &str, version: &Versioned, rules: &[s3_api::LifecycleRule]) -> String {
        let Versioned { key, object, latest } = version;
        let time = |millis: i64| Timestamp::from_millis(millis).iso8601_millis();
        let text = |text: &str| text.to_owned();
        match column {
            "Bucket" => self.bucket.name.clone(),
            "Key" => utf8_percent_encode(key, crate::ops::KEPT).to_string().replace(' ', "+"),
            "VersionId" => object.version.clone().unwrap_or_default(),
            "IsLatest" => latest.to_string(),
            "IsDeleteMarker" => object.deleted.to_string(),
            "LastModifiedDate" => time(object.modified),
            "ObjectOwner" => canonical_id(object.acl.as_ref().map_or(&self.bucket.account, |acl| &acl.owner)),
            _ if object.deleted => String::new(),
            "Size" => object.size.to_string(),
            "StorageClass" => text(object.storage_class.as_deref().unwrap_or("STANDARD")),
            "ETag" => object.etag.clone(),
            "IsMultipartUploaded" => (!object.parts.is_empty()).to_string(),
            "ReplicationStatus" => object.replication.clone().unwrap_or_default(),
            "EncryptionStatus" => text(encryption(object)),
            "ObjectLockRetainUntilDate" => {
                object.lock.retention.as_ref().map_or(String::new(), |(_, until)| time(*until))
            }
            "ObjectLockMode" => object.lock.retention.as_ref().map_or(String::new(), |(mode, _)| mode.clone()),
            "ObjectLockLegalHoldStatus" => text(object.lock.hold.map_or("", |hold| if hold { "ON" } else { "OFF" })),
            "ObjectLockEventHoldStatus" => {
                text(object.lock.event.as_ref().map_or("", |event| if event.on { "ON" } else { "OFF" }))
            }
            "IntelligentTieringAccessTier" if object.storage_class.as_deref() == Some("INTELLIGENT_TIERING") => {
                text("FREQUENT")
            }
            "BucketKeyStatus" => {
                text(object.kms.as_ref().map_or("", |kms| if kms.bucket_key { "ENABLED" } else { "DISABLED" }))
            }
            "ChecksumAlgorithm" => object.checksum.as_ref().map_or(String::new(), |sum| text(sum.algorithm.name())),
            "ObjectAccessControlList" => self.access(object),
            "LifecycleExpirationDate" if *latest => {
                lifecycle::expiration(rules, key, object).map_or(String::new(), |(due, _)| time(due))
            }
            _ => String::new(),
        }
    }

    /// The list of access as JSON in base64.
    fn access(&self, object: &Object) -> String {
        let own = Acl::private(&self.bucket.account);
        let list = object.acl.as_ref().filter(|_| !self.bucket.enforces_owner()).unwrap_or(&own);
        let grants: Vec<_> = (acl::show(list).into_iter())
            .map(|grant| {
                let grantee = grant.grantee.unwrap_or_default();
                let kind = if grantee.uri.is_some() { "Group" } else { "CanonicalUser" };
                json!({
                    "canonicalId": grantee.id,
                    "uri": grantee.uri,
                    "type": kind,
                    "permission": grant.permission.map(|permission| permission.as_str().to_owned()),
                })
            })
            .collect();
        let document = json!({ "version": "2022-11-10", "status": "AVAILABLE", "grants": grants });
        STANDARD.encode(document.to_string())
    }
}

fn encryption(object: &Object) -> &'static str {
    match &object.kms {
        _ if object.customer_key.is_some() => "SSE-C",
        Some(kms) if kms.method == "aws:kms:dsse" => "DSSE-KMS",
        Some(_) => "SSE-KMS",
        None => "SSE-S3",
    }
}

fn hex_md5(bytes: &[u8]) -> String {
    service::hex(&Md5::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3_api::{InventoryFrequency, InventorySchedule};

    #[test]
    fn days() {
        let of = |frequency| InventoryConfiguration {
            schedule: InventorySchedule { frequency },
            ..InventoryConfiguration::default()
        };
        // A Tuesday: 14 November 2023, 22:13:20.
        let now = Timestamp::from_secs(1_700_000_000);
        let day = |frequency| next(&of(frequency), now).iso8601();
        assert_eq!(day(InventoryFrequency::Daily), "2023-11-15T00:00:00Z");
        assert_eq!(day(InventoryFrequency::Weekly), "2023-11-19T00:00:00Z");
    }
}
