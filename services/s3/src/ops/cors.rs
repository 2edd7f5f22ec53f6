//! The CORS rules of a bucket.

use s3_api::{
    CORSConfiguration, DeleteBucketCors, DeleteBucketCorsRequest, GetBucketCors, GetBucketCorsOutput,
    GetBucketCorsRequest, PutBucketCors, PutBucketCorsRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, off_bucket, on_bucket};
use crate::{Error, S3, config, cors};

operation! {
    S3, GetBucketCors,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketCORS", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_cors
}

async fn get_bucket_cors(_: &S3, cx: &Context, request: GetBucketCorsRequest) -> Result<GetBucketCorsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set: Option<CORSConfiguration> = config::find(cx.store(), &bucket, "cors")?;
    match set {
        Some(set) => Ok(GetBucketCorsOutput { cors_rules: Some(set.cors_rules) }),
        None => {
            let text = "The CORS configuration does not exist";
            Err(Error::no_such_configuration("NoSuchCORSConfiguration", text, &bucket.name))
        }
    }
}

operation! {
    S3, PutBucketCors,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketCORS", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_cors
}

async fn put_bucket_cors(_: &S3, cx: &Context, request: PutBucketCorsRequest) -> Result<Unit, Error> {
    cors::check(&request.cors_configuration)?;
    set(cx, &request.bucket, request.expected_bucket_owner.as_deref(), Some(&request.cors_configuration))
}

operation! {
    S3, DeleteBucketCors,
    access: |_, cx, request| off_bucket(cx, "s3:PutBucketCORS", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_cors
}

async fn delete_bucket_cors(_: &S3, cx: &Context, request: DeleteBucketCorsRequest) -> Result<Unit, Error> {
    set(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set(cx: &Context, bucket: &str, owner: Option<&str>, value: Option<&CORSConfiguration>) -> Result<Unit, Error> {
    cx.store().write(|tx| config::set(tx, bucket, owner, "cors", value, |_, _| Ok(())))?;
    Ok(Unit {})
}
