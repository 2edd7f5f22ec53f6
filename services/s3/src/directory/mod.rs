//! Directory buckets: the storage class S3 Express One Zone.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-overview.html>
//!
//! - A directory bucket lies in one zone, which its name tells ([`name`]). Its objects are kept as those of any bucket.
//! - What is for the bucket itself is decided under names of `s3express:`. What is for its objects is decided once, when a
//!   session is opened ([`session`]), or without one by each call, as if it opened one ([`access`]).
//! - Versions, tags, lists, locks, keys of clients and everything else of the kind do not exist here, and are refused.
//! - The SDKs open a session before *any* call to an endpoint of one's own, even before they make the bucket. So a session
//!   can be opened for a bucket that is not there; it decides nothing, and every call in it is decided for itself.

pub mod access;
pub mod append;
mod buckets;
pub mod listing;
pub mod name;
pub mod policy;
pub mod refuse;
pub mod rename;
pub mod session;

pub use buckets::{create, to_create};

use service::Context;

use crate::store::Bucket;

/// The class of every object, by where the bucket is.
pub fn storage_class(local: bool) -> &'static str {
    if local { "ONEZONE_IA" } else { "EXPRESS_ONEZONE" }
}

/// The entity tag of what is written to a bucket: in a directory bucket it says nothing of the body.
pub fn etag(cx: &Context, bucket: &Bucket, otherwise: String) -> String {
    if bucket.directory.is_some() { cx.random().hex(32) } else { otherwise }
}

/// `arn:aws:s3express:us-east-1:123456789012:bucket/name`
pub fn arn(bucket: &Bucket) -> String {
    arn_of(&bucket.region, &bucket.account, &bucket.name)
}

pub fn arn_of(region: &str, account: &str, name: &str) -> String {
    format!("arn:aws:s3express:{region}:{account}:bucket/{name}")
}

/// The bucket of an ARN.
pub fn bucket_of_arn(arn: &str) -> Option<&str> {
    let mut fields = arn.strip_prefix("arn:aws:s3express:")?.splitn(3, ':');
    fields.nth(2)?.strip_prefix("bucket/")
}
