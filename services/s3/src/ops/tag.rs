//! Tags of buckets and objects.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3_api::{
    DeleteBucketTagging, DeleteBucketTaggingRequest, DeleteObjectTagging, DeleteObjectTaggingOutput,
    DeleteObjectTaggingRequest, GetBucketTagging, GetBucketTaggingOutput, GetBucketTaggingRequest, GetObjectTagging,
    GetObjectTaggingOutput, GetObjectTaggingRequest, PutBucketTagging, PutBucketTaggingRequest, PutObjectTagging,
    PutObjectTaggingOutput, PutObjectTaggingRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::write::request_tags;
use super::{bucket_of, check_owner, find, load, off_bucket, on_bucket, on_existing};
use crate::store::{load_bucket, save_bucket};
use crate::tagging::{BUCKET_LIMIT, OBJECT_LIMIT, Tags, of_list, to_list};
use crate::{Error, S3};

operation! {
    S3, GetObjectTagging,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        on_existing(cx, "s3:GetObjectTagging", &request.bucket, &request.key, id).map(|access| vec![access])
    },
    handler: get_object_tagging
}

async fn get_object_tagging(
    s3: &S3,
    cx: &Context,
    request: GetObjectTaggingRequest,
) -> Result<GetObjectTaggingOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    Ok(GetObjectTaggingOutput { tag_set: to_list(&object.tags), version_id: object.shown_version() })
}

operation! {
    S3, PutObjectTagging,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        let text = header_of(&request.tagging.tag_set);
        let access = on_existing(cx, "s3:PutObjectTagging", &request.bucket, &request.key, id);
        access.map(|access| vec![request_tags(access, Some(&text))])
    },
    handler: put_object_tagging
}

async fn put_object_tagging(
    s3: &S3,
    cx: &Context,
    request: PutObjectTaggingRequest,
) -> Result<PutObjectTaggingOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let tags = of_list(request.tagging.tag_set, OBJECT_LIMIT)?;
    let version_id = set_object_tags(s3, cx, (&request.bucket, &request.key), request.version_id.as_deref(), tags)?;
    Ok(PutObjectTaggingOutput { version_id })
}

operation! {
    S3, DeleteObjectTagging,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        on_existing(cx, "s3:DeleteObjectTagging", &request.bucket, &request.key, id).map(|access| vec![access])
    },
    handler: delete_object_tagging
}

async fn delete_object_tagging(
    s3: &S3,
    cx: &Context,
    request: DeleteObjectTaggingRequest,
) -> Result<DeleteObjectTaggingOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let id = request.version_id.as_deref();
    let version_id = set_object_tags(s3, cx, (&request.bucket, &request.key), id, Tags::new())?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

/// Tags as a header would carry them.
fn header_of(tags: &[s3_api::Tag]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = tags.iter().map(|tag| format!("{}={}", encode(&tag.key), encode(&tag.value))).collect();
    pairs.join("&")
}

/// Returns the version whose tags they are.
fn set_object_tags(
    s3: &S3,
    cx: &Context,
    (bucket, key): (&str, &str),
    id: Option<&str>,
    tags: Tags,
) -> Result<Option<String>, Error> {
    cx.store().write(|tx| {
        let record = load_bucket(tx, bucket)?;
        let mut object = load(tx, bucket, key, id)?;
        object.tags = tags;
        let event = if object.tags.is_empty() { "ObjectTagging:Delete" } else { "ObjectTagging:Put" };
        s3.described(tx, cx, &record, key, &mut object, Some(event))?;
        Ok(object.shown_version())
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
    access: |_, cx, request| off_bucket(cx, "s3:PutBucketTagging", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_tagging
}

async fn delete_bucket_tagging(_: &S3, cx: &Context, request: DeleteBucketTaggingRequest) -> Result<Unit, Error> {
    set_bucket_tags(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set_bucket_tags(cx: &Context, name: &str, owner: Option<&str>, tags: Option<Tags>) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, name)?;
        check_owner(&bucket, owner)?;
        if bucket.abac {
            let text = "Bucket tags cannot be changed by this operation while ABAC is enabled for the bucket. Use TagResource and UntagResource instead.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        bucket.tags = tags;
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
