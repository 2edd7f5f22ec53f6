//! One file a noun. What they share is here: what a call needs to be allowed, and the write of an object.

mod attributes;
mod bucket;
mod copy;
mod delete;
mod list;
mod multipart;
mod part;
mod policy;
mod read;
mod settings;
mod tag;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use s3_api::Owner;
use service::{Access, Context};

use crate::blob::{Draft, forget};
use crate::bucket::canonical_id;
use crate::precondition::check_write;
use crate::store::{Bucket, Object, Segment, find_bucket, load_bucket, load_object, save_object};
use crate::{Error, S3};

/// The largest object that one request may write.
pub(crate) const MAX_PUT: u64 = 5 * 1024 * 1024 * 1024;
const MAX_KEY: usize = 1024;
/// What is said of a copy source that is none.
pub(crate) const COPY_SOURCE: &str = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";

fn root(cx: &Context) -> &Path {
    &cx.cloud.config.files
}

/// `action` on a bucket. A bucket that is not there is said to be missing to everybody.
fn on_bucket(cx: &Context, action: &str, bucket: &str) -> Result<Access, Error> {
    let owner = find_bucket(cx.store(), bucket)?.account;
    Ok(Access::new(action, format!("arn:aws:s3:::{bucket}")).owned_by(owner))
}

/// `action` on an object.
fn on_object(cx: &Context, action: &str, bucket: &str, key: &str) -> Result<Access, Error> {
    let owner = find_bucket(cx.store(), bucket)?.account;
    Ok(Access::new(action, format!("arn:aws:s3:::{bucket}/{key}")).owned_by(owner))
}

/// The bucket of a request, which must belong to whom the client thinks it does.
fn bucket_of(cx: &Context, name: &str, expected_owner: Option<&str>) -> Result<Bucket, Error> {
    let bucket = find_bucket(cx.store(), name)?;
    check_owner(&bucket, expected_owner)?;
    Ok(bucket)
}

fn check_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != bucket.account => Err(Error::AccessDenied("Access Denied".to_owned())),
        _ => Ok(()),
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > MAX_KEY { Err(Error::key_too_long(key.len())) } else { Ok(()) }
}

/// Objects have one version, whose id is `null`.
fn check_version(id: Option<&str>) -> Result<(), Error> {
    match id {
        None | Some("null") => Ok(()),
        Some(id) => Err(Error::invalid_argument("Invalid version id specified", "versionId", id)),
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

/// Puts an object in its place, and lets go of the one before.
fn commit(
    s3: &S3,
    cx: &Context,
    (bucket, key): (&str, &str),
    object: &Object,
    draft: Draft,
    conditions: &Conditions,
) -> Result<(), Error> {
    let replaced = cx.store().write(|tx| {
        load_bucket(tx, bucket)?;
        let current = load_object(tx, bucket, key)?;
        let (if_match, if_none_match) = (conditions.if_match.as_deref(), conditions.if_none_match.as_deref());
        check_write(if_match, if_none_match, key, current.as_ref())?;
        let replaced: Vec<Segment> = current.map(|object| object.body).unwrap_or_default();
        forget(tx, &replaced);
        draft.commit(tx);
        save_object(tx, bucket, key, object)?;
        Ok::<_, Error>(replaced)
    })?;
    draft.keep();
    s3.blobs.remove(root(cx), &replaced);
    Ok(())
}
