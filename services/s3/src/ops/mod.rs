//! One file a noun. What they share is here: what a call needs to be allowed, and the write of an object.

mod abac;
mod acl;
mod annotation;
mod attributes;
mod bucket;
mod configurations;
mod copy;
mod cors;
mod delete;
mod lifecycle;
mod list;
mod lock;
mod multipart;
mod notification;
mod part;
mod policy;
mod read;
mod replication;
mod restore;
mod select;
mod settings;
mod tag;
#[cfg(test)]
mod tests;
mod torrent;
mod update_encryption;
mod versioning;
mod website;
mod write;

use lifecycle::{abortion, expiration};
pub(crate) use list::KEPT;
pub(crate) use multipart::drop_parts;
pub(crate) use update_encryption::BAD_ARN;
pub(crate) use write::{now, trailing};

use std::path::Path;
use std::sync::Arc;

use s3_api::{Owner, RequestCharged, RequestPayer};
use service::{Access, Context, Principal, Snapshot, Transaction};

use crate::annotation::Copies;
use crate::blob::Draft;
use crate::bucket::canonical_id;
use crate::directory::{self, access::no_session};
use crate::precondition::check_write;
use crate::store::{Bucket, Object, bucket_in, find_bucket};
use crate::versions;
use crate::{Error, S3};

/// The largest object that one request may write.
pub(crate) const MAX_PUT: u64 = 5 * 1024 * 1024 * 1024;
const MAX_KEY: usize = 1024;
/// What is said of a copy source that is none.
pub(crate) const COPY_SOURCE: &str = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";

pub(crate) fn root(cx: &Context) -> &Path {
    &cx.cloud.config.files
}

/// Who signs for another region than the bucket's is sent there. What comes from inside the cloud goes anywhere.
fn check_region(cx: &Context, bucket: &Bucket) -> Result<(), Error> {
    no_session(cx)?;
    if bucket.region == cx.region() || cx.access_key_id().is_none() || cx.origin().via.is_some() {
        return Ok(());
    }
    Err(Error::permanent_redirect(&bucket.name, &bucket.region))
}

/// `action` on a bucket. A bucket that is not there is said to be missing to everybody.
fn on_bucket(cx: &Context, action: &str, bucket: &str) -> Result<Access, Error> {
    let record = find_bucket(cx.store(), bucket)?;
    if record.directory.is_some() {
        return directory::access::access(cx, action, &record, false);
    }
    check_region(cx, &record)?;
    Ok(with_tags(Access::new(action, format!("arn:aws:s3:::{bucket}")).owned_by(&record.account), &record))
}

/// The tags of a bucket are conditions where its owner wants them to be.
fn with_tags(mut access: Access, bucket: &Bucket) -> Access {
    for (key, value) in bucket.tags.iter().flatten().filter(|_| bucket.abac) {
        access = access.with(format!("aws:ResourceTag/{key}"), value).with(format!("s3:BucketTag/{key}"), value);
    }
    access
}

/// The same for the removal of a setting, which has the action of its change.
fn off_bucket(cx: &Context, action: &str, bucket: &str) -> Result<Access, Error> {
    match find_bucket(cx.store(), bucket)?.directory {
        Some(_) => on_bucket(cx, &directory::access::removal(action), bucket),
        None => on_bucket(cx, action, bucket),
    }
}

/// `action` on an object.
fn on_object(cx: &Context, action: &str, bucket: &str, key: &str) -> Result<Access, Error> {
    let bucket = find_bucket(cx.store(), bucket)?;
    object_access(cx, action, &bucket, key)
}

fn object_access(cx: &Context, action: &str, bucket: &Bucket, key: &str) -> Result<Access, Error> {
    if bucket.directory.is_some() {
        return directory::access::access(cx, action, bucket, true);
    }
    check_region(cx, bucket)?;
    let access = Access::new(action, format!("arn:aws:s3:::{}/{key}", bucket.name)).owned_by(&bucket.account);
    Ok(with_tags(access, bucket))
}

/// The bucket of a request, which must belong to whom the client thinks it does.
pub(crate) fn bucket_of(cx: &Context, name: &str, expected_owner: Option<&str>) -> Result<Arc<Bucket>, Error> {
    let bucket = find_bucket(cx.store(), name)?;
    check_expected(&bucket, expected_owner)?;
    Ok(bucket)
}

/// The bucket of a request for a setting.
fn setting_of(cx: &Context, name: &str, expected_owner: Option<&str>) -> Result<Arc<Bucket>, Error> {
    let bucket = find_bucket(cx.store(), name)?;
    check_owner(&bucket, expected_owner)?;
    Ok(bucket)
}

/// The owner that a change of a bucket expects. Directory buckets do not take that header there.
pub(crate) fn check_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), Error> {
    directory::access::no_expected_owner(bucket, expected)?;
    check_expected(bucket, expected)
}

fn check_expected(bucket: &Bucket, expected: Option<&str>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected.len() != 12 || !expected.bytes().all(|byte| byte.is_ascii_digit()) => {
            let text =
                format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]");
            Err(service::ApiError::new(400, "InvalidBucketOwnerAWSAccountID", text).into())
        }
        Some(expected) if expected != bucket.account => Err(Error::AccessDenied("Access Denied".to_owned())),
        _ => Ok(()),
    }
}

/// Whoever reads a bucket whose requesters pay must say that they do. Returns what the answer says of it.
fn charge(cx: &Context, bucket: &Bucket, payer: Option<&RequestPayer>) -> Result<Option<RequestCharged>, Error> {
    if !bucket.requester_pays || cx.principal().account() == bucket.account || cx.origin().via.is_some() {
        return Ok(None);
    }
    match payer {
        Some(payer) if payer.as_str() == "requester" && !matches!(cx.principal(), Principal::Anonymous) => {
            Ok(Some(RequestCharged::from("requester")))
        }
        _ => Err(Error::AccessDenied("Access Denied".to_owned())),
    }
}

pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY { Err(Error::key_too_long(key.len())) } else { Ok(()) }
}

/// What an operation needs that only directory buckets have.
pub(crate) fn object_needs(cx: &Context, action: &str, bucket: &str) -> Result<Access, Error> {
    let bucket = find_bucket(cx.store(), bucket)?;
    match bucket.directory {
        Some(_) => directory::access::access(cx, action, &bucket, true),
        None if matches!(cx.principal(), Principal::Anonymous) => Err(directory::access::denied()),
        None => Err(directory::refuse::operation(action, true)),
    }
}

/// `action` on an object, or the action of the same kind on the version that the request names.
fn on_version(cx: &Context, action: &str, bucket: &str, key: &str, id: Option<&str>) -> Result<Access, Error> {
    let bucket = find_bucket(cx.store(), bucket)?;
    version_access(cx, action, &bucket, key, id)
}

fn version_access(cx: &Context, action: &str, bucket: &Bucket, key: &str, id: Option<&str>) -> Result<Access, Error> {
    let Some(id) = id else { return object_access(cx, action, bucket, key) };
    if bucket.directory.is_some() {
        directory::access::check_version(Some(id))?;
        return object_access(cx, action, bucket, key);
    }
    let action = match action {
        "s3:GetObject" => "s3:GetObjectVersion",
        "s3:GetObjectAttributes" => "s3:GetObjectVersionAttributes",
        "s3:GetObjectAcl" => "s3:GetObjectVersionAcl",
        "s3:PutObjectAcl" => "s3:PutObjectVersionAcl",
        "s3:GetObjectTagging" => "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging" => "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging" => "s3:DeleteObjectVersionTagging",
        "s3:DeleteObject" => "s3:DeleteObjectVersion",
        action => action,
    };
    Ok(object_access(cx, action, bucket, key)?.with("s3:VersionId", id))
}

/// What a request needs that reads or describes an object that is there: its tags are conditions, and where access control
/// lists count, its owner decides.
fn on_existing(cx: &Context, action: &str, bucket: &str, key: &str, id: Option<&str>) -> Result<Access, Error> {
    let bucket = find_bucket(cx.store(), bucket)?;
    let mut access = version_access(cx, action, &bucket, key, id)?;
    if bucket.directory.is_some() {
        return Ok(access);
    }
    // The object is only looked at where somebody asks for it: a policy with conditions, or an access control list.
    let contextual =
        || cx.cloud.directory().policies(cx.principal(), cx.access_key_id()).map(|all| all.are_contextual());
    if bucket.enforces_owner() && !bucket.configured.contains("policy") && !contextual()? {
        return Ok(access);
    }
    let snapshot = cx.store().snapshot();
    let object = match id {
        None => versions::current(&snapshot, &bucket.name, key)?,
        Some(id) => versions::version(&snapshot, &bucket.name, key, id)?,
    };
    let Some(object) = object else { return Ok(access) };
    for (key, value) in &object.tags {
        access = access.with(format!("s3:ExistingObjectTag/{key}"), value);
    }
    if let Some(acl) = object.acl.filter(|_| !bucket.enforces_owner()) {
        access = access.owned_by(acl.owner);
    }
    Ok(access)
}

/// An id that a client states must look like one.
fn check_version(id: Option<&str>) -> Result<(), Error> {
    match id {
        Some("") => Err(Error::invalid_argument("Version id cannot be the empty string", "versionId", "")),
        Some(id) if id != "null" && versions::seq_of(id).is_none() => {
            Err(Error::invalid_argument("Invalid version id specified", "versionId", id))
        }
        _ => Ok(()),
    }
}

/// The object that a request is for: the current one or the version that it names.
fn find(
    s3: &S3,
    cx: &Context,
    snapshot: &Snapshot,
    bucket: &str,
    key: &str,
    id: Option<&str>,
) -> Result<Object, Error> {
    check_version(id)?;
    let Some(id) = id else {
        let Some(object) = versions::current(snapshot, bucket, key)? else {
            return Err(hidden(missing(s3, cx, bucket, key), versions::marker(snapshot, bucket, key)?));
        };
        return Ok(object);
    };
    match versions::version(snapshot, bucket, key, id)? {
        None => Err(missing_version(s3, cx, bucket, key, id)),
        Some(object) if object.deleted => Err(Error::is_marker(&object, "GET")),
        Some(object) => Ok(object),
    }
}

/// A delete marker is told of where its object is missing.
fn hidden(error: Error, marker: Option<Object>) -> Error {
    let Some(marker) = marker else { return error };
    let reply = service::ApiError::from(error);
    if reply.code != "NoSuchKey" {
        return reply.into();
    }
    reply.with_header("x-amz-delete-marker", "true").with_header("x-amz-version-id", marker.version_id()).into()
}

fn missing_version(s3: &S3, cx: &Context, bucket: &str, key: &str, id: &str) -> Error {
    let access = match on_bucket(cx, "s3:ListBucketVersions", bucket) {
        Ok(access) => access,
        Err(error) => return error,
    };
    match cx.cloud.stages().authorize(cx, s3, &access) {
        Ok(()) => Error::no_such_version(key, id),
        Err(error) => error.into(),
    }
}

/// The version of a change, or the current object; the errors are those of [`find`].
fn load(tx: &Transaction<'_>, bucket: &str, key: &str, id: Option<&str>) -> Result<Object, Error> {
    check_version(id)?;
    match id {
        None => versions::current(tx, bucket, key)?.ok_or_else(|| Error::no_such_key(key)),
        Some(id) => match versions::version(tx, bucket, key, id)? {
            None => Err(Error::no_such_version(key, id)),
            Some(object) if object.deleted => Err(Error::is_marker(&object, "PUT")),
            Some(object) => Ok(object),
        },
    }
}

fn owner(account: &str) -> Owner {
    Owner { id: Some(canonical_id(account)), ..Owner::default() }
}

/// Why an object is not shown: it is missing, which only those hear who may list the bucket.
fn missing(s3: &S3, cx: &Context, bucket: &str, key: &str) -> Error {
    let access = match on_bucket(cx, "s3:ListBucket", bucket) {
        Ok(access) => access,
        Err(error) => return error,
    };
    match cx.cloud.stages().authorize(cx, s3, &access) {
        Ok(()) => Error::no_such_key(key),
        Err(error) => error.into(),
    }
}

/// What must hold of the object that a write replaces.
#[derive(Default)]
struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

/// Which object is written, and what is told of it.
struct Written<'a> {
    bucket: &'a str,
    key: &'a str,
    /// `ObjectCreated:Put`
    event: &'a str,
    annotations: Copies,
}

/// Puts an object in its place, and lets go of the one before. Returns it with its version.
fn commit(
    s3: &S3,
    cx: &Context,
    written: Written<'_>,
    mut object: Object,
    draft: Draft,
    conditions: &Conditions,
) -> Result<Object, Error> {
    let Written { bucket, key, event, annotations } = written;
    let removed = cx.store().write(|tx| {
        let bucket = bucket_in(tx, bucket)?;
        let current = versions::current(tx, &bucket.name, key)?;
        let (if_match, if_none_match) = (conditions.if_match.as_deref(), conditions.if_none_match.as_deref());
        check_write(if_match, if_none_match, key, current.as_ref())?;
        draft.commit(tx);
        annotations.enter(tx, cx, &mut object)?;
        let removed = versions::put(tx, cx.random(), &bucket, key, &mut object, current)?;
        s3.written(tx, cx, &bucket, key, &mut object, event)?;
        Ok::<_, Error>(removed)
    })?;
    draft.keep();
    annotations.keep();
    s3.blobs.remove(root(cx), &removed);
    Ok(object)
}
