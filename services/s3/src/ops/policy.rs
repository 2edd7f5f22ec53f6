//! Bucket policies, and what keeps them from opening a bucket to everybody.

use s3_api::{
    DeleteBucketPolicy, DeleteBucketPolicyRequest, DeletePublicAccessBlock, DeletePublicAccessBlockRequest,
    GetBucketPolicy, GetBucketPolicyOutput, GetBucketPolicyRequest, GetBucketPolicyStatus, GetBucketPolicyStatusOutput,
    GetBucketPolicyStatusRequest, GetPublicAccessBlock, GetPublicAccessBlockOutput, GetPublicAccessBlockRequest,
    PolicyStatus, PublicAccessBlockConfiguration, PutBucketPolicy, PutBucketPolicyRequest, PutPublicAccessBlock,
    PutPublicAccessBlockRequest,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, check_owner, off_bucket, on_bucket, setting_of};
use crate::public::is_public;
use crate::store::{PublicAccess, load_bucket, policy_key, save_bucket};
use crate::{Error, S3, bucket_policy, directory};

fn text_of(cx: &Context, bucket: &str) -> Result<String, Error> {
    let policy = cx.store().get(policy_key(bucket).as_slice())?;
    let none = || Error::no_such_configuration("NoSuchBucketPolicy", "The bucket policy does not exist", bucket);
    policy.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).ok_or_else(none)
}

operation! {
    S3, GetBucketPolicy,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketPolicy", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_policy
}

async fn get_bucket_policy(
    _: &S3,
    cx: &Context,
    request: GetBucketPolicyRequest,
) -> Result<GetBucketPolicyOutput, Error> {
    let bucket = setting_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    Ok(GetBucketPolicyOutput { policy: Some(text_of(cx, &bucket.name)?) })
}

operation! {
    S3, GetBucketPolicyStatus,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketPolicyStatus", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_policy_status
}

async fn get_bucket_policy_status(
    _: &S3,
    cx: &Context,
    request: GetBucketPolicyStatusRequest,
) -> Result<GetBucketPolicyStatusOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let restricted = bucket.public_access.unwrap_or_default().restrict_buckets;
    let public = is_public(&text_of(cx, &bucket.name)?) && !restricted;
    Ok(GetBucketPolicyStatusOutput { policy_status: Some(PolicyStatus { is_public: Some(public) }) })
}

operation! {
    S3, PutBucketPolicy,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketPolicy", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_policy
}

async fn put_bucket_policy(_: &S3, cx: &Context, request: PutBucketPolicyRequest) -> Result<Unit, Error> {
    let name = &request.bucket;
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, name)?;
        match bucket.directory {
            Some(_) => directory::policy::check(&request.policy, &directory::arn(&bucket))?,
            None => bucket_policy::check(&request.policy, name)?,
        }
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        if bucket.public_access.unwrap_or_default().block_policy && is_public(&request.policy) {
            let caller = cx.principal().arn();
            let text = format!("User: {caller} is not authorized to perform: s3:PutBucketPolicy on resource: \"arn:aws:s3:::{name}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.");
            return Err(Error::AccessDenied(text));
        }
        tx.put(policy_key(name), request.policy.clone().into_bytes());
        let mut bucket = bucket;
        bucket.configured.insert("policy".to_owned());
        Ok(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}

operation! {
    S3, DeleteBucketPolicy,
    access: |_, cx, request| on_bucket(cx, "s3:DeleteBucketPolicy", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_policy
}

async fn delete_bucket_policy(_: &S3, cx: &Context, request: DeleteBucketPolicyRequest) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        tx.delete(policy_key(&request.bucket));
        bucket.configured.remove("policy");
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}

operation! {
    S3, GetPublicAccessBlock,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketPublicAccessBlock", &request.bucket).map(|access| vec![access]),
    handler: get_public_access_block
}

async fn get_public_access_block(
    _: &S3,
    cx: &Context,
    request: GetPublicAccessBlockRequest,
) -> Result<GetPublicAccessBlockOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let Some(access) = bucket.public_access else {
        let text = "The public access block configuration was not found";
        return Err(Error::no_such_configuration("NoSuchPublicAccessBlockConfiguration", text, &bucket.name));
    };
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(access.block_acls),
        ignore_public_acls: Some(access.ignore_acls),
        block_public_policy: Some(access.block_policy),
        restrict_public_buckets: Some(access.restrict_buckets),
    };
    Ok(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) })
}

operation! {
    S3, PutPublicAccessBlock,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketPublicAccessBlock", &request.bucket).map(|access| vec![access]),
    handler: put_public_access_block
}

async fn put_public_access_block(_: &S3, cx: &Context, request: PutPublicAccessBlockRequest) -> Result<Unit, Error> {
    let configuration = request.public_access_block_configuration;
    if configuration == PublicAccessBlockConfiguration::default() {
        return Err(Error::InvalidRequest("Must specify at least one configuration.".to_owned()));
    }
    let access = PublicAccess {
        block_acls: configuration.block_public_acls.unwrap_or_default(),
        ignore_acls: configuration.ignore_public_acls.unwrap_or_default(),
        block_policy: configuration.block_public_policy.unwrap_or_default(),
        restrict_buckets: configuration.restrict_public_buckets.unwrap_or_default(),
    };
    set_public_access(cx, &request.bucket, request.expected_bucket_owner.as_deref(), Some(access))
}

operation! {
    S3, DeletePublicAccessBlock,
    access: |_, cx, request| off_bucket(cx, "s3:PutBucketPublicAccessBlock", &request.bucket).map(|access| vec![access]),
    handler: delete_public_access_block
}

async fn delete_public_access_block(
    _: &S3,
    cx: &Context,
    request: DeletePublicAccessBlockRequest,
) -> Result<Unit, Error> {
    set_public_access(cx, &request.bucket, request.expected_bucket_owner.as_deref(), None)
}

fn set_public_access(
    cx: &Context,
    name: &str,
    owner: Option<&str>,
    access: Option<PublicAccess>,
) -> Result<Unit, Error> {
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, name)?;
        check_owner(&bucket, owner)?;
        bucket.public_access = access;
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
