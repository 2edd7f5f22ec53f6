//! Whether the tags of a bucket decide about access to it.

use s3_api::{
    AbacStatus, BucketAbacStatus, GetBucketAbac, GetBucketAbacOutput, GetBucketAbacRequest, PutBucketAbac,
    PutBucketAbacRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, check_owner, on_bucket};
use crate::store::{load_bucket, save_bucket};
use crate::{Error, S3};

operation! {
    S3, GetBucketAbac,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketAbac", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_abac
}

async fn get_bucket_abac(_: &S3, cx: &Context, request: GetBucketAbacRequest) -> Result<GetBucketAbacOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let status = if bucket.abac { BucketAbacStatus::Enabled } else { BucketAbacStatus::Disabled };
    Ok(GetBucketAbacOutput { abac_status: Some(AbacStatus { status: Some(status) }) })
}

operation! {
    S3, PutBucketAbac,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketAbac", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_abac
}

async fn put_bucket_abac(_: &S3, cx: &Context, request: PutBucketAbacRequest) -> Result<Unit, Error> {
    let enabled = match request.abac_status.status.as_ref().map(BucketAbacStatus::as_str) {
        Some("Enabled") => true,
        Some("Disabled") => false,
        _ => return Err(Error::malformed_xml()),
    };
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        bucket.abac = enabled;
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
