//! Keys and records.
//!
//! A listing reads records and no bodies: those lie under keys of their own, or in files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service::{Key, Snapshot, Store, StoreError, Transaction, from_record, to_record};

use crate::Error;
use crate::annotation;
use crate::checksum::{Algorithm, Checksum};
use crate::lifecycle::Sizes;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub name: String,
    pub account: String,
    pub region: String,
    /// Milliseconds since the epoch.
    pub created: i64,
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub ownership: Option<String>,
    #[serde(default)]
    pub public_access: Option<PublicAccess>,
    #[serde(default)]
    pub versioning: Versioning,
    /// Object Lock is on, which it stays.
    #[serde(default)]
    pub locked: bool,
    /// The retention of objects that are written without one.
    #[serde(default)]
    pub default_retention: Option<DefaultRetention>,
    /// Which configurations are set, so that a request need not look for those that are not.
    #[serde(default)]
    pub configured: BTreeSet<String>,
    #[serde(default)]
    pub requester_pays: bool,
    /// MFA delete was spoken of; it is off.
    #[serde(default)]
    pub mfa_known: bool,
    #[serde(default)]
    pub acl: Option<Acl>,
    /// Lifecycle rules move small objects to archives.
    #[serde(default)]
    pub archives_small: bool,
    /// The tags of the bucket are conditions of policies.
    #[serde(default)]
    pub abac: bool,
    /// Of a directory bucket: where it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<Directory>,
}

/// The zone of a directory bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// `use1-az4`
    pub zone: String,
    /// A Local Zone.
    pub local: bool,
}

impl Bucket {
    pub fn sizes(&self) -> Sizes {
        if self.archives_small { Sizes::SmallUnlessArchived } else { Sizes::Small }
    }

    /// Access control lists say nothing: every object is the bucket owner's.
    pub fn enforces_owner(&self) -> bool {
        self.ownership.as_deref() == Some("BucketOwnerEnforced")
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// Never enabled.
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// How long objects are kept from being deleted: days, or years.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRetention {
    pub mode: String,
    pub days: Option<i32>,
    pub years: Option<i32>,
    /// New versions are held until an event, and so long afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Span>,
}

/// Days, or years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub days: Option<i32>,
    pub years: Option<i32>,
}

/// Keeps a version until somebody says that an event happened, and for a time afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHold {
    /// It has not happened yet.
    pub on: bool,
    /// `GOVERNANCE` or `COMPLIANCE`
    pub mode: String,
    pub after: Span,
}

/// An access control list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    /// The account of the owner.
    pub owner: String,
    pub grants: Vec<Grant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub grantee: Grantee,
    /// `FULL_CONTROL`
    pub permission: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// The canonical id of an account.
    Account(String),
    /// The URI of a group.
    Group(String),
}

/// What keeps a version from being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// `GOVERNANCE` or `COMPLIANCE`, and until when in milliseconds.
    pub retention: Option<(String, i64)>,
    pub hold: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventHold>,
}

/// A copy of an archived object that can be read for a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// When the copy is there; before, the restoration is under way.
    pub ready: i64,
    pub expires: i64,
}

/// S3 Block Public Access of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccess {
    pub block_acls: bool,
    pub ignore_acls: bool,
    pub block_policy: bool,
    pub restrict_buckets: bool,
}

/// What a client says of an object beside its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    pub expires: Option<String>,
    pub redirect: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// A piece of a body: in a file, in the store, or, where it is all of a very small body, in the object's own record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: String,
    pub len: u64,
    pub file: bool,
    /// Of the bytes as they are stored.
    pub crc32: u32,
    /// Where the key stream begins with which the piece is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iv: Option<[u8; 16]>,
    /// What lies in the object's record, behind its JSON.
    #[serde(skip)]
    pub bytes: Option<Bytes>,
}

/// A part that an object was put together from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectPart {
    pub number: i32,
    pub size: u64,
    pub checksum: Option<String>,
}

/// A version of an object. The fields that a listing shows are not part of its JSON: see [`crate::record`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    #[serde(skip)]
    pub size: u64,
    /// Without its quotes.
    #[serde(skip)]
    pub etag: String,
    /// Milliseconds since the epoch; whole seconds.
    #[serde(skip)]
    pub modified: i64,
    #[serde(default)]
    pub description: Description,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(skip)]
    pub storage_class: Option<String>,
    pub checksum: Option<Checksum>,
    #[serde(default)]
    pub parts: Vec<ObjectPart>,
    #[serde(default)]
    pub body: Vec<Segment>,
    /// The id of this version; the null version has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The place among the key's versions: later ones have greater numbers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seq: u64,
    /// A delete marker.
    #[serde(skip)]
    pub deleted: bool,
    /// When a newer version took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub lock: Lock,
    /// The bucket owner has full control where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// `PENDING`, `COMPLETED`, `FAILED` or `REPLICA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<CustomerKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms: Option<Kms>,
    /// The multipart upload that it was made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<annotation::Set>,
    /// How many times something was written behind its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub appended: u32,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is kept of a key that only the client has (SSE-C): enough to know it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerKey {
    pub salt: String,
    /// An HMAC of the salt with the key.
    pub check: String,
}

/// Encryption with a key of KMS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kms {
    /// `aws:kms` or `aws:kms:dsse`
    pub method: String,
    /// The ARN of the key.
    pub key: String,
    /// The data key that the body is encrypted with, itself encrypted.
    pub wrapped: String,
    /// What the data key is bound to, beside the object.
    pub context: Option<String>,
    pub bucket_key: bool,
}

impl Object {
    /// The id in an answer; nothing in a bucket that never had versions.
    pub fn shown_version(&self) -> Option<String> {
        (self.seq > 0 || self.version.is_some()).then(|| self.version_id())
    }

    /// As clients see it.
    pub fn version_id(&self) -> String {
        self.version.clone().unwrap_or_else(|| "null".to_owned())
    }

    pub fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }
}

/// A multipart upload that is under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub initiated: i64,
    /// Who began it: an ARN.
    pub initiator: String,
    pub description: Description,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub storage_class: Option<String>,
    /// What the client asked for; CRC64NVME is computed where it asked for nothing.
    pub algorithm: Option<Algorithm>,
    /// The checksum is of the whole object.
    pub full: bool,
    #[serde(default)]
    pub lock: Lock,
    #[serde(default)]
    pub acl: Option<Acl>,
    #[serde(default)]
    pub customer_key: Option<CustomerKey>,
    #[serde(default)]
    pub kms: Option<Kms>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub number: i32,
    pub size: u64,
    pub etag: String,
    pub modified: i64,
    pub checksum: Checksum,
    pub body: Vec<Segment>,
}

pub fn bucket_key(name: &str) -> Key {
    Key::new("s3/bucket").text(name)
}

/// The buckets of an account, by name.
pub fn owned_key(account: &str) -> Key {
    Key::new("s3/owned").text(account)
}

/// The directory buckets of an account in a region, by name.
pub fn directories_key(account: &str, region: &str) -> Key {
    Key::new("s3/directory").text(account).text(region)
}

pub fn policy_key(bucket: &str) -> Key {
    Key::new("s3/policy").text(bucket)
}

/// What the keys of a bucket's objects begin with; the object's own key follows as it is.
pub fn objects_key(bucket: &str) -> Key {
    Key::new("s3/object").text(bucket)
}

pub fn object_key(bucket: &str, key: &str) -> Key {
    objects_key(bucket).raw(key.as_bytes())
}

/// What the keys of versions begin with that are not the current object of their key: older ones, and delete markers.
pub fn versions_key(bucket: &str) -> Key {
    Key::new("s3/version").text(bucket)
}

pub fn versions_of_key(bucket: &str, key: &str) -> Key {
    versions_key(bucket).text(key)
}

/// Newer versions sort first.
pub fn version_key(bucket: &str, key: &str, seq: u64) -> Key {
    versions_of_key(bucket, key).number(u64::MAX - seq)
}

/// Where the null version of a key is while it is not the current object.
pub fn null_key(bucket: &str, key: &str) -> Key {
    Key::new("s3/null").text(bucket).text(key)
}

pub fn configs_key(bucket: &str) -> Key {
    Key::new("s3/config").text(bucket)
}

/// A configuration of a bucket, such as its CORS rules.
pub fn config_key(bucket: &str, kind: &str) -> Key {
    configs_key(bucket).text(kind)
}

pub fn uploads_key(bucket: &str) -> Key {
    Key::new("s3/upload").text(bucket)
}

pub fn upload_key(bucket: &str, key: &str, id: &str) -> Key {
    uploads_key(bucket).text(key).text(id)
}

pub fn parts_key(upload: &str) -> Key {
    Key::new("s3/part").text(upload)
}

pub fn part_key(upload: &str, number: i32) -> Key {
    parts_key(upload).number(u64::from(number.unsigned_abs()))
}

/// A small body.
pub fn body_key(id: &str) -> Key {
    Key::new("s3/body").text(id)
}

/// Says that something refers to the file of this id; files without it are swept.
pub fn blob_key(id: &str) -> Key {
    Key::new("s3/blob").text(id)
}

pub fn decode<T: serde::de::DeserializeOwned>(bytes: Option<Bytes>) -> Result<Option<T>, StoreError> {
    bytes.map(|bytes| from_record(&bytes)).transpose()
}

/// The bucket of a name. Every request asks for it, some several times.
pub fn known_bucket(store: &Store, name: &str) -> Result<Option<Arc<Bucket>>, StoreError> {
    store.parsed(bucket_key(name).as_slice(), |record| from_record(record))
}

/// The bucket of a name, or S3's error.
pub fn find_bucket(store: &Store, name: &str) -> Result<Arc<Bucket>, Error> {
    known_bucket(store, name)?.ok_or_else(|| Error::no_such_bucket(name))
}

/// The bucket in a transaction that does not change it.
pub fn bucket_in(tx: &Transaction<'_>, name: &str) -> Result<Arc<Bucket>, Error> {
    let bucket = tx.parsed(bucket_key(name).as_slice(), |record| from_record(record))?;
    bucket.ok_or_else(|| Error::no_such_bucket(name))
}

pub fn load_bucket(tx: &Transaction<'_>, name: &str) -> Result<Bucket, Error> {
    decode(tx.get(bucket_key(name).as_slice())?)?.ok_or_else(|| Error::no_such_bucket(name))
}

pub fn save_bucket(tx: &mut Transaction<'_>, bucket: &Bucket) -> Result<(), StoreError> {
    tx.put(bucket_key(&bucket.name), to_record(bucket)?);
    Ok(())
}

pub fn load_upload(tx: &Transaction<'_>, bucket: &str, key: &str, id: &str) -> Result<Upload, Error> {
    decode(tx.get(upload_key(bucket, key, id).as_slice())?)?.ok_or_else(|| Error::no_such_upload(id))
}

pub fn find_upload(snapshot: &Snapshot, bucket: &str, key: &str, id: &str) -> Result<Upload, Error> {
    decode(snapshot.get(upload_key(bucket, key, id).as_slice())?)?.ok_or_else(|| Error::no_such_upload(id))
}

pub fn load_part(tx: &Transaction<'_>, upload: &str, number: i32) -> Result<Option<Part>, StoreError> {
    decode(tx.get(part_key(upload, number).as_slice())?)
}
