//! Keys and records.
//!
//! A listing reads records and no bodies: those lie under keys of their own, or in files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use service::{Key, Snapshot, StoreError, Transaction, from_record, to_record};

use crate::Error;
use crate::checksum::{Algorithm, Checksum};

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

/// A piece of a body: in the store, or in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub id: String,
    pub len: u64,
    pub file: bool,
    pub crc32: u32,
}

/// A part that an object was put together from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectPart {
    pub number: i32,
    pub size: u64,
    pub checksum: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// Milliseconds since the epoch; whole seconds.
    pub modified: i64,
    #[serde(default)]
    pub description: Description,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub storage_class: Option<String>,
    pub checksum: Option<Checksum>,
    #[serde(default)]
    pub parts: Vec<ObjectPart>,
    #[serde(default)]
    pub body: Vec<Segment>,
}

impl Object {
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

fn decode<T: serde::de::DeserializeOwned>(bytes: Option<service::Bytes>) -> Result<Option<T>, StoreError> {
    bytes.map(|bytes| from_record(&bytes)).transpose()
}

/// The bucket of a name, or S3's error.
pub fn find_bucket(store: &service::Store, name: &str) -> Result<Bucket, Error> {
    decode(store.get(bucket_key(name).as_slice())?)?.ok_or_else(|| Error::no_such_bucket(name))
}

pub fn load_bucket(tx: &Transaction<'_>, name: &str) -> Result<Bucket, Error> {
    decode(tx.get(bucket_key(name).as_slice())?)?.ok_or_else(|| Error::no_such_bucket(name))
}

pub fn save_bucket(tx: &mut Transaction<'_>, bucket: &Bucket) -> Result<(), StoreError> {
    tx.put(bucket_key(&bucket.name), to_record(bucket)?);
    Ok(())
}

pub fn find_object(snapshot: &Snapshot, bucket: &str, key: &str) -> Result<Option<Object>, StoreError> {
    decode(snapshot.get(object_key(bucket, key).as_slice())?)
}

pub fn load_object(tx: &Transaction<'_>, bucket: &str, key: &str) -> Result<Option<Object>, StoreError> {
    decode(tx.get(object_key(bucket, key).as_slice())?)
}

pub fn save_object(tx: &mut Transaction<'_>, bucket: &str, key: &str, object: &Object) -> Result<(), StoreError> {
    tx.put(object_key(bucket, key), to_record(object)?);
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
