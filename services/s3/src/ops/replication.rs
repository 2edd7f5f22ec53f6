//! The replication rules of a bucket. [`crate::replicate`] follows them.

use s3_api::{
    DeleteBucketReplication, DeleteBucketReplicationRequest, GetBucketReplication, GetBucketReplicationOutput,
    GetBucketReplicationRequest, PutBucketReplication, PutBucketReplicationRequest, ReplicationConfiguration,
};
use service::{ApiError, Arn, Context, operation};
use wire::Unit;

use super::{bucket_of, off_bucket, on_bucket};
use crate::store::{Versioning, load_bucket};
use crate::{Error, S3, config, replicate};

operation! {
    S3, GetBucketReplication,
    access: |_, cx, request| on_bucket(cx, "s3:GetReplicationConfiguration", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_replication
}

async fn get_bucket_replication(
    _: &S3,
    cx: &Context,
    request: GetBucketReplicationRequest,
) -> Result<GetBucketReplicationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set: Option<ReplicationConfiguration> = config::find(cx.store(), &bucket, "replication")?;
    if set.is_none() {
        let text = "The replication configuration was not found";
        return Err(Error::no_such_configuration("ReplicationConfigurationNotFoundError", text, &bucket.name));
    }
    Ok(GetBucketReplicationOutput { replication_configuration: set })
}

operation! {
    S3, PutBucketReplication,
    access: |_, cx, request| on_bucket(cx, "s3:PutReplicationConfiguration", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_replication
}

async fn put_bucket_replication(_: &S3, cx: &Context, request: PutBucketReplicationRequest) -> Result<Unit, Error> {
    let mut configuration = request.replication_configuration;
    let invalid = |text: &str| Error::InvalidRequest(text.to_owned());
    let role = Arn::parse(&configuration.role).filter(|arn| arn.service == "iam");
    if role.is_none() {
        let text = "Invalid Role specified in replication configuration";
        return Err(Error::invalid_argument(text, "Role", &configuration.role));
    }
    replicate::check(&configuration)?;
    for rule in &mut configuration.rules {
        rule.id.get_or_insert_with(|| cx.random().alphanumeric(48));
    }
    let (name, owner) = (&request.bucket, request.expected_bucket_owner.as_deref());
    cx.store().write(|tx| {
        config::set(tx, name, owner, "replication", Some(&configuration), |tx, bucket| {
            if bucket.versioning != Versioning::Enabled {
                let text = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
                return Err(invalid(text));
            }
            for rule in &configuration.rules {
                let arn = rule.destination.bucket.as_str();
                let Some(name) = arn.strip_prefix("arn:aws:s3:::") else {
                    return Err(Error::invalid_argument("Invalid bucket ARN.", "Bucket", arn));
                };
                let destination = load_bucket(tx, name).map_err(|_| invalid("Destination bucket must exist."))?;
                if destination.versioning != Versioning::Enabled {
                    return Err(invalid("Destination bucket must have versioning enabled."));
                }
                if destination.name == bucket.name {
                    return Err(invalid("Destination bucket cannot be the same as the source bucket."));
                }
                let account = rule.destination.account.as_deref();
                if account.is_some_and(|account| account != destination.account) {
                    let text = "The destination account does not own the destination bucket.";
                    return Err(ApiError::new(400, "InvalidRequest", text).into());
                }
            }
            Ok(())
        })
    })?;
    Ok(Unit {})
}

operation! {
    S3, DeleteBucketReplication,
    access: |_, cx, request| off_bucket(cx, "s3:PutReplicationConfiguration", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_replication
}

async fn delete_bucket_replication(
    _: &S3,
    cx: &Context,
    request: DeleteBucketReplicationRequest,
) -> Result<Unit, Error> {
    let none: Option<&ReplicationConfiguration> = None;
    let owner = request.expected_bucket_owner.as_deref();
    cx.store().write(|tx| config::set(tx, &request.bucket, owner, "replication", none, |_, _| Ok(())))?;
    Ok(Unit {})
}
