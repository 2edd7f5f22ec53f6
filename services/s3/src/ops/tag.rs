//! Tags of buckets and objects.

use s3_api::{
    DeleteBucketTagging, DeleteBucketTaggingRequest, DeleteObjectTagging, DeleteObjectTaggingOutput,
    DeleteObjectTaggingRequest, GetBucketTagging, GetBucketTaggingOutput, GetBucketTaggingRequest, GetObjectTagging,
    GetObjectTaggingOutput, GetObjectTaggingRequest, PutBucketTagging, PutBucketTaggingRequest, PutObjectTagging,
    PutObjectTaggingOutput, PutObjectTaggingRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, check_owner, check_version, missing, on_bucket, on_object};
use crate::store::{find_object, load_bucket, load_object, save_bucket, save_object};
use crate::tagging::{BUCKET_LIMIT, OBJECT_LIMIT, Tags, of_list, to_list};
use crate::{Error, S3};

operation! {
    S3, GetObjectTagging,
    access: |_, cx, request| on_object(cx, "s3:GetObjectTagging", &request.bucket, &request.key).map(|access| vec![access]),
    handler: get_object_tagging
}

async fn get_object_tagging(
    s3: &S3,
    cx: &Context,
    request: GetObjectTaggingRequest,
) -> Result<GetObjectTaggingOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_version(request.version_id.as_deref())?;
    let object = find_object(&cx.store().snapshot(), &bucket.name, &request.key)?;
    let object = object.ok_or_else(|| missing(s3, cx, &bucket.name, &request.key))?;
    Ok(GetObjectTaggingOutput { tag_set: to_list(&object.tags), ..GetObjectTaggingOutput::default() })
}

operation! {
    S3, PutObjectTagging,
    access: |_, cx, request| on_object(cx, "s3:PutObjectTagging", &request.bucket, &request.key).map(|access| vec![access]),
    handler: put_object_tagging
}

async fn put_object_tagging(
    _: &S3,
    cx: &Context,
    request: PutObjectTaggingRequest,
) -> Result<PutObjectTaggingOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_version(request.version_id.as_deref())?;
    let tags = of_list(request.tagging.tag_set, OBJECT_LIMIT)?;
    set_object_tags(cx, &request.bucket, &request.key, tags)?;
    Ok(PutObjectTaggingOutput::default())
}

operation! {
    S3, DeleteObjectTagging,
    access: |_, cx, request| on_object(cx, "s3:DeleteObjectTagging", &request.bucket, &request.key).map(|access| vec![access]),
    handler: delete_object_tagging
}

async fn delete_object_tagging(
    _: &S3,
    cx: &Context,
    request: DeleteObjectTaggingRequest,
) -> Result<DeleteObjectTaggingOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_version(request.version_id.as_deref())?;
    set_object_tags(cx, &request.bucket, &request.key, Tags::new())?;
    Ok(DeleteObjectTaggingOutput::default())
}

fn set_object_tags(cx: &Context, bucket: &str, key: &str, tags: Tags) -> Result<(), Error> {
    cx.store().write(|tx| {
        load_bucket(tx, bucket)?;
        let mut object = load_object(tx, bucket, key)?.ok_or_else(|| Error::no_such_key(key))?;
        object.tags = tags;
        Ok(save_object(tx, bucket, key, &object)?)
    })
}

operation! {
    S3, GetBucketTagging,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketTagging", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_tagging
}

async fn get_bucket_tagging(
    _: &S3,
    cx: &Context,
    request: GetBucketTaggingRequest,
) -> Result<GetBucketTaggingOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    match &bucket.tags {
        Some(tags) => Ok(GetBucketTaggingOutput { tag_set: to_list(tags) }),
        None => Err(Error::no_such_configuration("NoSuchTagSet", "The TagSet does not exist", &bucket.name)),
    }
}

operation! {
    S3, PutBucketTagging,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketTagging", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_tagging
}

async fn put_bucket_tagging(_: &S3, cx: &Context, request: PutBucketTaggingRequest) -> Result<Unit, Error> {
    let tags = of_list(request.tagging.tag_set, BUCKET_LIMIT)?;
    set_bucket_tags(cx, &request.bucket, request.expected_bucket_owner.as_deref(), Some(tags))
}

operation! {
    S3, DeleteBucketTagging,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketTagging", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_tagging
}

async fn delete_bucket_tagging(_: &S3, cx: &Context, request: DeleteBucketTaggingRequest) -> Result<Unit, Error> {
    set_bucket_tags(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set_bucket_tags(cx: &Context, name: &str, owner: Option<&str>, tags: Option<Tags>) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, name)?;
        check_owner(&bucket, owner)?;
        bucket.tags = tags;
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
