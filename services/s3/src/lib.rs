//! Amazon S3: buckets of objects.
//!
//! - The names of buckets are unique over all accounts; an object belongs to the account of its bucket.
//! - A write of an object is one transaction: a reader sees the old object or the new one. Conditions (`If-Match`,
//!   `If-None-Match`) are checked inside it.
//! - Bodies stream in and out ([`blob`]); a body that broke off, or whose checksum is wrong, leaves nothing.
//! - Every object has a checksum: the one that the client chose, or CRC64NVME.
//! - A key has one current object, and in buckets that keep them any number of older versions ([`versions`]).

mod access;
mod acl;
mod annotation;
mod blob;
mod bucket;
mod bucket_policy;
mod checksum;
mod cipher;
mod classes;
mod config;
mod cors;
mod customer;
mod directory;
mod encryption;
mod error;
mod event_bus;
mod filters;
mod fronts;
mod integrity;
mod inventory;
mod lifecycle;
mod listing;
mod lock;
mod logs;
mod mime;
mod notify;
mod ops;
mod precondition;
mod public;
mod range;
mod record;
mod replicate;
mod select;
mod store;
mod subresource;
mod sweep;
mod tagging;
#[cfg(test)]
mod testing;
mod versions;
mod website;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use jobs::Queue;
use service::policy::{Effect, Policy, Source, Statement};
use service::{
    Access, AnyOperation, ApiError, Cloud, Context, Credential, CrossOrigin, CrossOriginAnswer, Front, Principal,
    Service, StoreError, Transaction,
};
use wire::{DecodeError, OperationModel, ServiceModel, Violations};

pub use error::Error;

service::operations! { S3, s3_api:
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    CreateSession,
    DeleteBucket,
    DeleteBucketAnalyticsConfiguration,
    DeleteBucketCors,
    DeleteBucketEncryption,
    DeleteBucketIntelligentTieringConfiguration,
    DeleteBucketInventoryConfiguration,
    DeleteBucketLifecycle,
    DeleteBucketMetricsConfiguration,
    DeleteBucketOwnershipControls,
    DeleteBucketPolicy,
    DeleteBucketReplication,
    DeleteBucketTagging,
    DeleteBucketWebsite,
    DeleteObject,
    DeleteObjectAnnotation,
    DeleteObjectTagging,
    DeleteObjects,
    DeletePublicAccessBlock,
    GetBucketAbac,
    GetBucketAccelerateConfiguration,
    GetBucketAcl,
    GetBucketAnalyticsConfiguration,
    GetBucketCors,
    GetBucketEncryption,
    GetBucketIntelligentTieringConfiguration,
    GetBucketInventoryConfiguration,
    GetBucketLifecycleConfiguration,
    GetBucketLocation,
    GetBucketLogging,
    GetBucketMetricsConfiguration,
    GetBucketNotificationConfiguration,
    GetBucketOwnershipControls,
    GetBucketPolicy,
    GetBucketPolicyStatus,
    GetBucketReplication,
    GetBucketRequestPayment,
    GetBucketTagging,
    GetBucketVersioning,
    GetBucketWebsite,
    GetObject,
    GetObjectAcl,
    GetObjectAnnotation,
    GetObjectAttributes,
    GetObjectLegalHold,
    GetObjectLockConfiguration,
    GetObjectRetention,
    GetObjectTagging,
    GetObjectTorrent,
    GetPublicAccessBlock,
    HeadBucket,
    HeadObject,
    ListBucketAnalyticsConfigurations,
    ListBucketIntelligentTieringConfigurations,
    ListBucketInventoryConfigurations,
    ListBucketMetricsConfigurations,
    ListBuckets,
    ListDirectoryBuckets,
    ListMultipartUploads,
    ListObjectAnnotations,
    ListObjectVersions,
    ListObjects,
    ListObjectsV2,
    ListParts,
    PutBucketAbac,
    PutBucketAccelerateConfiguration,
    PutBucketAcl,
    PutBucketAnalyticsConfiguration,
    PutBucketCors,
    PutBucketEncryption,
    PutBucketIntelligentTieringConfiguration,
    PutBucketInventoryConfiguration,
    PutBucketLifecycleConfiguration,
    PutBucketLogging,
    PutBucketMetricsConfiguration,
    PutBucketNotificationConfiguration,
    PutBucketOwnershipControls,
    PutBucketPolicy,
    PutBucketReplication,
    PutBucketRequestPayment,
    PutBucketTagging,
    PutBucketVersioning,
    PutBucketWebsite,
    PutObject,
    PutObjectAcl,
    PutObjectAnnotation,
    PutObjectLegalHold,
    PutObjectLockConfiguration,
    PutObjectRetention,
    PutObjectTagging,
    PutPublicAccessBlock,
    RenameObject,
    RestoreObject,
    SelectObjectContent,
    UpdateObjectEncryption,
    UploadPart,
    UploadPartCopy,
}

/// See the module.
pub struct S3 {
    blobs: Arc<blob::Blobs>,
    notifications: Arc<Queue>,
    lifecycles: Arc<Queue>,
    replications: Arc<Queue>,
    inventories: Arc<Queue>,
    logs: Arc<logs::Logs>,
    /// Where the bodies lie, known once the cloud has started.
    files: OnceLock<PathBuf>,
}

impl Default for S3 {
    fn default() -> S3 {
        S3 {
            blobs: Arc::default(),
            notifications: Queue::new("s3/notification", notify::POLICY),
            lifecycles: Queue::new("s3/lifecycle", sweep::POLICY),
            replications: Queue::new("s3/replication", replicate::POLICY),
            inventories: Queue::new("s3/inventory", inventory::POLICY),
            logs: Arc::default(),
            files: OnceLock::new(),
        }
    }
}

impl S3 {
    /// Tells whoever wants to know what becomes of an object, in the transaction that does it.
    fn tell(
        &self,
        tx: &mut Transaction<'_>,
        cx: &Context,
        bucket: &store::Bucket,
        key: &str,
        object: &store::Object,
        event: &str,
    ) -> Result<(), StoreError> {
        let happening = notify::Happening::new(bucket, key, object, event, cx.now());
        notify::schedule(tx, &self.notifications, cx, &happening)
    }
}

impl S3 {
    /// What is said of a version changed: that is told, and said of its replica too.
    fn described(
        &self,
        tx: &mut Transaction<'_>,
        cx: &Context,
        bucket: &store::Bucket,
        key: &str,
        object: &mut store::Object,
        event: Option<&str>,
    ) -> Result<(), StoreError> {
        replicate::schedule_change(tx, &self.replications, cx, bucket, key, object)?;
        versions::save(tx, &bucket.name, key, object)?;
        event.map_or(Ok(()), |event| self.tell(tx, cx, bucket, key, object, event))
    }

    /// A version was written: it is told of, and copied where a rule says so.
    fn written(
        &self,
        tx: &mut Transaction<'_>,
        cx: &Context,
        bucket: &store::Bucket,
        key: &str,
        object: &mut store::Object,
        event: &str,
    ) -> Result<(), StoreError> {
        if replicate::schedule(tx, &self.replications, cx, bucket, key, object)? {
            versions::save(tx, &bucket.name, key, object)?;
        }
        self.tell(tx, cx, bucket, key, object, event)
    }
}

impl Service for S3 {
    fn model(&self) -> &'static ServiceModel {
        &s3_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("buckets", "s3/bucket\0\u{1}"), ("objects", "s3/object\0\u{1}")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &Violations) -> ApiError {
        let Some(violation) = violations.iter().next() else { return Error::malformed_xml().into() };
        let value = violation.value.trim_matches('\'');
        let member = violation.path.rsplit('.').next().unwrap_or_default();
        let error = match member {
            "locationConstraint" => Error::invalid_location_constraint(value),
            _ if violation.path.starts_with("objectAttributes") && value != "null" => {
                let (name, list) = ("x-amz-object-attributes", value.trim_matches(['[', ']']));
                Error::invalid_argument("Invalid attribute name specified.", name, list)
            }
            _ if violation.path.starts_with("accessControlPolicy") => acl::malformed(),
            member if member.eq_ignore_ascii_case("kmsKeyArn") && violation.path.starts_with("objectEncryption") => {
                Error::InvalidRequest(ops::BAD_ARN.to_owned())
            }
            // What is inside another member came in the body.
            _ if violation.path.contains('.') => Error::malformed_xml(),
            "storageClass" => Error::InvalidStorageClass("The storage class you specified is not valid".to_owned()),
            "checksumAlgorithm" => Error::InvalidRequest(integrity::UNSUPPORTED.to_owned()),
            "metadataDirective" => {
                Error::invalid_argument("Unknown metadata directive.", "x-amz-metadata-directive", value)
            }
            "taggingDirective" => {
                Error::invalid_argument("Unknown tagging directive.", "x-amz-tagging-directive", value)
            }
            "encodingType" => {
                Error::invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", value)
            }
            "serverSideEncryption" => Error::invalid_argument(
                "The encryption method specified is not supported",
                "x-amz-server-side-encryption",
                value,
            ),
            "maxBuckets" => {
                let text = "Argument max-buckets must be an integer between 1 and 10000";
                Error::invalid_argument(text, "max-buckets", value)
            }
            "renameSource" => directory::rename::malformed_source(value),
            "copySource" => Error::invalid_argument(ops::COPY_SOURCE, "x-amz-copy-source", value),
            "aCL" => Error::invalid_argument("", "x-amz-acl", value),
            "objectOwnership" => {
                let text = format!("Invalid x-amz-object-ownership header: {value}");
                Error::invalid_argument(text, "x-amz-object-ownership", value)
            }
            "objectLockMode" => Error::invalid_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", value),
            "objectLockLegalHoldStatus" => {
                let text = "Legal Hold must be either of 'ON' or 'OFF'";
                Error::invalid_argument(text, "x-amz-object-lock-legal-hold", value)
            }
            "policy" if value == "null" => {
                Error::MalformedPolicy("Policies must be valid JSON and the first byte must be '{'".to_owned())
            }
            "uploadId" if value == "null" => {
                let text = "The specified method is not allowed against this resource.";
                let error = ApiError::new(405, "MethodNotAllowed", text);
                error.with("Method", "POST").with("ResourceType", "OBJECT").into()
            }
            "objectAttributes" if value == "null" => {
                let text = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
                Error::InvalidRequest(text.to_owned())
            }
            "checksumType" => {
                let text = "Value for x-amz-checksum-type header is invalid.";
                Error::InvalidRequest(text.to_owned())
            }
            _ if value == "null" => Error::malformed_xml(),
            member => Error::invalid_argument(violation.constraint.clone(), member, value),
        };
        error.into()
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        match error {
            DecodeError::Type(text) => malformed_value(text),
            _ => Error::malformed_xml().into(),
        }
    }

    fn check_request(
        &self,
        operation: &OperationModel,
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        subresource::check(operation, query, headers)
    }

    fn check_body(&self, operation: &OperationModel, headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
        Ok(integrity::check_body(operation.name, headers, body)?)
    }

    fn cross_origin(&self, cloud: &Arc<Cloud>, request: &CrossOrigin<'_>) -> Option<CrossOriginAnswer> {
        cors::answer(cloud, request)
    }

    fn session(&self, cloud: &Cloud, access_key_id: &str) -> Result<Option<Credential>, StoreError> {
        directory::session::find(cloud, access_key_id)
    }

    fn fronts(&self) -> Vec<Box<dyn Front>> {
        vec![Box::new(fronts::Websites), Box::new(fronts::Forms)]
    }

    fn access_policy(&self, cx: &Context, access: &Access) -> Result<Option<Source>, StoreError> {
        access::policy(self, cx, access)
    }

    /// The policy of a bucket, for the bucket and everything in it.
    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        let bucket = match resource.strip_prefix("arn:aws:s3:::") {
            Some(path) => path.split('/').next(),
            None => directory::bucket_of_arn(resource),
        };
        let Some(bucket) = bucket else { return Ok(None) };
        let parse = |text: &service::Bytes| {
            let text = String::from_utf8_lossy(text);
            let policy = Policy::parse(&text)
                .map_err(|error| StoreError::Corrupt(format!("the policy of {bucket}: {error}")))?;
            Ok::<_, StoreError>(BucketPolicy { policy: policy.into(), public: public::is_public(&text) })
        };
        let Some(known) = cx.store().parsed(store::policy_key(bucket).as_slice(), parse)? else { return Ok(None) };
        let mut policy = known.policy.clone();
        if known.public && restricted(cx, bucket)? {
            let deny = |statement: &Statement| statement.effect == Effect::Deny;
            Arc::make_mut(&mut policy).statements.retain(deny);
        }
        Ok(Some(Source { name: format!("policy of bucket {bucket}"), policy }))
    }

    fn start(&self, cloud: &Arc<Cloud>) {
        let files = self.files.get_or_init(|| cloud.config.files.clone());
        blob::sweep(files, &cloud.store);
        self.notifications.start(cloud, Arc::new(notify::Delivery));
        let (queue, notifications) = (self.lifecycles.clone(), self.notifications.clone());
        let sweep = sweep::Sweep { queue, notifications, blobs: self.blobs.clone() };
        self.lifecycles.start(cloud, Arc::new(sweep));
        self.logs.start(cloud);
        self.inventories.start(cloud, Arc::new(inventory::Inventories { queue: self.inventories.clone() }));
        self.replications.start(
            cloud,
            Arc::new(replicate::Replicator { blobs: self.blobs.clone(), notifications: self.notifications.clone() }),
        );
    }

    fn reset(&self) {
        self.logs.clear();
        if let Some(files) = self.files.get() {
            blob::clear(files);
        }
    }
}

/// What S3 says of a header or parameter that cannot be read: `'x' is not a valid value of 'max-keys'`.
fn malformed_value(text: &str) -> ApiError {
    let Some((value, name)) = text.split_once("' is not a valid value of '") else {
        return Error::malformed_xml().into();
    };
    let (value, name) = (value.trim_start_matches('\''), name.trim_end_matches('\''));
    let text = match name {
        "max-keys" | "max-uploads" | "max-parts" | "part-number-marker" => {
            format!("Provided {name} not an integer or within integer range")
        }
        "partNumber" => "Part number must be an integer between 1 and 10000, inclusive".to_owned(),
        name => format!("The value of {name} is not valid."),
    };
    Error::invalid_argument(text, name, value).into()
}

/// A bucket's policy, and whether it lets the public in.
struct BucketPolicy {
    policy: Arc<Policy>,
    public: bool,
}

/// RestrictPublicBuckets: what a public policy allows, it allows only within the bucket's account and to services.
fn restricted(cx: &Context, bucket: &str) -> Result<bool, StoreError> {
    let Some(bucket) = store::known_bucket(cx.store(), bucket)? else { return Ok(false) };
    let outsider = !matches!(cx.principal(), Principal::Service { .. }) && cx.principal().account() != bucket.account;
    Ok(outsider && bucket.public_access.unwrap_or_default().restrict_buckets)
}
