//! The website of a bucket, as it is set up. [`crate::fronts`] serves it.

use s3_api::{
    DeleteBucketWebsite, DeleteBucketWebsiteRequest, GetBucketWebsite, GetBucketWebsiteOutput, GetBucketWebsiteRequest,
    PutBucketWebsite, PutBucketWebsiteRequest, WebsiteConfiguration,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, on_bucket};
use crate::{Error, S3, config, website};

operation! {
    S3, GetBucketWebsite,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketWebsite", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_website
}

async fn get_bucket_website(
    _: &S3,
    cx: &Context,
    request: GetBucketWebsiteRequest,
) -> Result<GetBucketWebsiteOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set: Option<WebsiteConfiguration> = config::find(cx.store(), &bucket, "website")?;
    let Some(set) = set else { return Err(Error::no_website(&bucket.name)) };
    Ok(GetBucketWebsiteOutput {
        redirect_all_requests_to: set.redirect_all_requests_to,
        index_document: set.index_document,
        error_document: set.error_document,
        routing_rules: set.routing_rules,
    })
}

operation! {
    S3, PutBucketWebsite,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketWebsite", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_website
}

async fn put_bucket_website(_: &S3, cx: &Context, request: PutBucketWebsiteRequest) -> Result<Unit, Error> {
    website::check(&request.website_configuration)?;
    set(cx, &request.bucket, request.expected_bucket_owner.as_deref(), Some(&request.website_configuration))
}

operation! {
    S3, DeleteBucketWebsite,
    access: |_, cx, request| on_bucket(cx, "s3:DeleteBucketWebsite", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_website
}

async fn delete_bucket_website(_: &S3, cx: &Context, request: DeleteBucketWebsiteRequest) -> Result<Unit, Error> {
    set(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set(cx: &Context, bucket: &str, owner: Option<&str>, value: Option<&WebsiteConfiguration>) -> Result<Unit, Error> {
    cx.store().write(|tx| config::set(tx, bucket, owner, "website", value, |_, _| Ok(())))?;
    Ok(Unit {})
}
