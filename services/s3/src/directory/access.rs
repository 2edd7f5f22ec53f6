//! What a call on a directory bucket needs to be allowed.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-authenticating-authorizing.html>
//!
//! The rest of the service speaks of `s3:` actions; here they become those of S3 Express, or a refusal.

use service::{Access, ApiError, Context, Principal};

use super::{arn, refuse};
use crate::Error;
use crate::store::Bucket;

pub const READ_WRITE: &str = "ReadWrite";
pub const READ_ONLY: &str = "ReadOnly";

/// Which way a call is decided.
enum Kind {
    /// By IAM, under the same name of `s3express:`.
    Regional,
    /// By a session; `true` where it must be one that writes.
    Zonal(bool),
    Unsupported,
}

fn kind(action: &str) -> Kind {
    match action.trim_start_matches("s3:") {
        "DeleteBucket"
        | "DeleteBucketPolicy"
        | "GetBucketPolicy"
        | "GetEncryptionConfiguration"
        | "GetInventoryConfiguration"
        | "GetLifecycleConfiguration"
        | "GetMetricsConfiguration"
        | "PutBucketPolicy"
        | "PutEncryptionConfiguration"
        | "PutInventoryConfiguration"
        | "PutLifecycleConfiguration"
        | "PutMetricsConfiguration" => Kind::Regional,
        "GetObject"
        | "GetObjectAttributes"
        | "GetObjectVersion"
        | "GetObjectVersionAttributes"
        | "ListBucket"
        | "ListBucketMultipartUploads"
        | "ListMultipartUploadParts" => Kind::Zonal(false),
        "AbortMultipartUpload" | "DeleteObject" | "DeleteObjectVersion" | "PutObject" | "RenameObject" => {
            Kind::Zonal(true)
        }
        _ => Kind::Unsupported,
    }
}

/// What the removal of a setting is called where directory buckets do not have that setting.
pub fn removal(action: &str) -> String {
    match kind(action) {
        Kind::Unsupported => action.replacen("s3:Put", "s3:Delete", 1),
        _ => action.to_owned(),
    }
}

pub fn denied() -> Error {
    Error::AccessDenied("Access Denied".to_owned())
}

/// The endpoints of one region do not know the buckets of another.
pub fn check_place(cx: &Context, bucket: &Bucket) -> Result<(), Error> {
    if bucket.region == cx.region() || cx.access_key_id().is_none() || cx.origin().via.is_some() {
        return Ok(());
    }
    Err(Error::no_such_bucket(&bucket.name))
}

/// What `action`, as it is called of other buckets, needs of this one, or of an object in it.
pub fn access(cx: &Context, action: &str, bucket: &Bucket, object: bool) -> Result<Access, Error> {
    check_place(cx, bucket)?;
    match kind(action) {
        Kind::Regional => {
            // No policy opens these to another account.
            let own = matches!(cx.principal(), Principal::Service { .. }) || cx.principal().account() == bucket.account;
            if !own {
                return Err(denied());
            }
            own_session(cx, &bucket.name, !action.starts_with("s3:Get"))?;
            let action = action.replacen("s3:", "s3express:", 1);
            Ok(Access::new(action, arn(bucket)).owned_by(&bucket.account))
        }
        Kind::Zonal(writes) => zonal(cx, bucket, writes),
        Kind::Unsupported if matches!(cx.principal(), Principal::Anonymous) => Err(denied()),
        Kind::Unsupported => Err(refuse::operation(action, object)),
    }
}

fn zonal(cx: &Context, bucket: &Bucket, writes: bool) -> Result<Access, Error> {
    if let Some(opened) = cx.opened() {
        if opened.resource != bucket.name {
            return Err(denied());
        }
        match opened.mode.as_deref() {
            Some(READ_ONLY) if writes => return Err(denied()),
            Some(_) => return Ok(to_open(bucket, READ_WRITE).granted()),
            None => {}
        }
    }
    if writes {
        return Ok(to_open(bucket, READ_WRITE));
    }
    let mode = best_mode(cx, bucket)?;
    Ok(to_open(bucket, mode.unwrap_or(READ_ONLY)))
}

/// What opening a session of a mode needs.
pub fn to_open(bucket: &Bucket, mode: &str) -> Access {
    let access = Access::new("s3express:CreateSession", arn(bucket)).owned_by(&bucket.account);
    access.with("s3express:SessionMode", mode)
}

/// The mode that the caller may do most in.
pub fn best_mode(cx: &Context, bucket: &Bucket) -> Result<Option<&'static str>, Error> {
    let s3 = cx.cloud.service("s3").ok_or_else(|| service::Internal("S3 is not there".to_owned()))?;
    let allowed = |mode: &&&str| cx.cloud.stages().authorize(cx, &**s3, &to_open(bucket, mode)).is_ok();
    Ok([READ_WRITE, READ_ONLY].iter().find(allowed).copied())
}

/// There are no versions but the null one.
pub fn check_version(id: Option<&str>) -> Result<(), Error> {
    match id {
        Some(id) if id != "null" => Err(Error::invalid_argument("Invalid version id specified", "versionId", id)),
        _ => Ok(()),
    }
}

/// Regional calls do not take `x-amz-expected-bucket-owner`.
pub fn no_expected_owner(bucket: &Bucket, expected: Option<&str>) -> Result<(), Error> {
    match expected {
        Some(_) if bucket.directory.is_some() => Err(Error::header_not_implemented("x-amz-expected-bucket-owner")),
        _ => Ok(()),
    }
}

/// SDKs that were given an endpoint sign calls about buckets with a session too, where AWS's own endpoints tell these
/// apart. It must be one of that bucket, and not one for reading where something is changed.
pub fn own_session(cx: &Context, bucket: &str, changes: bool) -> Result<(), Error> {
    match cx.opened() {
        Some(opened) if opened.resource != bucket => Err(denied()),
        Some(opened) if changes && opened.mode.as_deref() == Some(READ_ONLY) => Err(denied()),
        _ => Ok(()),
    }
}

/// The refusal of a session's own credentials where they are good for nothing.
pub fn no_session(cx: &Context) -> Result<(), Error> {
    match cx.opened() {
        Some(_) => Err(ApiError::from(denied()).into()),
        None => Ok(()),
    }
}
