//! Sub-resources of buckets that tools read. What cannot be set here answers as in a bucket where it never was, and can be
//! removed or set to what it is anyway.

use s3_api::{
    DeleteBucketCors, DeleteBucketCorsRequest, DeleteBucketEncryption, DeleteBucketEncryptionRequest,
    DeleteBucketLifecycle, DeleteBucketLifecycleRequest, DeleteBucketReplication, DeleteBucketReplicationRequest,
    DeleteBucketWebsite, DeleteBucketWebsiteRequest, GetBucketAccelerateConfiguration,
    GetBucketAccelerateConfigurationOutput, GetBucketAccelerateConfigurationRequest, GetBucketAcl, GetBucketAclOutput,
    GetBucketAclRequest, GetBucketCors, GetBucketCorsOutput, GetBucketCorsRequest, GetBucketEncryption,
    GetBucketEncryptionOutput, GetBucketEncryptionRequest, GetBucketLifecycleConfiguration,
    GetBucketLifecycleConfigurationOutput, GetBucketLifecycleConfigurationRequest, GetBucketLogging,
    GetBucketLoggingOutput, GetBucketLoggingRequest, GetBucketNotificationConfiguration,
    GetBucketNotificationConfigurationRequest, GetBucketOwnershipControls, GetBucketOwnershipControlsOutput,
    GetBucketOwnershipControlsRequest, GetBucketReplication, GetBucketReplicationOutput, GetBucketReplicationRequest,
    GetBucketRequestPayment, GetBucketRequestPaymentOutput, GetBucketRequestPaymentRequest, GetBucketVersioning,
    GetBucketVersioningOutput, GetBucketVersioningRequest, GetBucketWebsite, GetBucketWebsiteOutput,
    GetBucketWebsiteRequest, GetObjectAcl, GetObjectAclOutput, GetObjectAclRequest, GetObjectLockConfiguration,
    GetObjectLockConfigurationOutput, GetObjectLockConfigurationRequest, Grant, Grantee, NotificationConfiguration,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, Payer, Permission, PutBucketAcl, PutBucketAclRequest,
    PutBucketEncryption, PutBucketEncryptionRequest, PutBucketOwnershipControls, PutBucketOwnershipControlsRequest,
    PutBucketRequestPayment, PutBucketRequestPaymentRequest, PutObjectAcl, PutObjectAclOutput, PutObjectAclRequest,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    Type,
};
use service::{Context, operation};
use wire::Unit;

use super::{bucket_of, check_version, missing, on_bucket, on_object, owner};
use crate::bucket::canonical_id;
use crate::store::find_object;
use crate::{Error, S3};

/// Operations on a sub-resource that change nothing: the bucket must be there and belong to the expected owner.
macro_rules! settings {
    ($($operation:ident($request:ident) -> $output:ty, $action:literal, $handler:ident:
        |$bucket:pat_param, $input:pat_param| $answer:expr;)*) => {$(
        operation! {
            S3, $operation,
            access: |_, cx, request| on_bucket(cx, $action, &request.bucket).map(|access| vec![access]),
            handler: $handler
        }

        async fn $handler(_: &S3, cx: &Context, request: $request) -> Result<$output, Error> {
            let $bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
            let $input = request;
            $answer
        }
    )*};
}

fn never_set<T>(code: &str, message: &str, bucket: &str) -> Result<T, Error> {
    Err(Error::no_such_configuration(code, message, bucket))
}

settings! {
    GetBucketVersioning(GetBucketVersioningRequest) -> GetBucketVersioningOutput,
        "s3:GetBucketVersioning", get_bucket_versioning: |_, _| Ok(GetBucketVersioningOutput::default());
    GetBucketAccelerateConfiguration(GetBucketAccelerateConfigurationRequest) -> GetBucketAccelerateConfigurationOutput,
        "s3:GetAccelerateConfiguration", get_bucket_accelerate_configuration: |_, _| {
            Ok(GetBucketAccelerateConfigurationOutput::default())
        };
    GetBucketLogging(GetBucketLoggingRequest) -> GetBucketLoggingOutput,
        "s3:GetBucketLogging", get_bucket_logging: |_, _| Ok(GetBucketLoggingOutput::default());
    GetBucketNotificationConfiguration(GetBucketNotificationConfigurationRequest) -> NotificationConfiguration,
        "s3:GetBucketNotification", get_bucket_notification_configuration: |_, _| Ok(NotificationConfiguration::default());
    GetBucketRequestPayment(GetBucketRequestPaymentRequest) -> GetBucketRequestPaymentOutput,
        "s3:GetBucketRequestPayment", get_bucket_request_payment: |_, _| {
            Ok(GetBucketRequestPaymentOutput { payer: Some(Payer::BucketOwner) })
        };
    GetBucketEncryption(GetBucketEncryptionRequest) -> GetBucketEncryptionOutput,
        "s3:GetEncryptionConfiguration", get_bucket_encryption: |_, _| Ok(encryption());
    GetBucketAcl(GetBucketAclRequest) -> GetBucketAclOutput,
        "s3:GetBucketAcl", get_bucket_acl: |bucket, _| Ok(GetBucketAclOutput {
            owner: Some(owner(&bucket.account)),
            grants: Some(full_control(&bucket.account)),
        });
    GetBucketOwnershipControls(GetBucketOwnershipControlsRequest) -> GetBucketOwnershipControlsOutput,
        "s3:GetBucketOwnershipControls", get_bucket_ownership_controls: |bucket, _| match &bucket.ownership {
            Some(ownership) => Ok(GetBucketOwnershipControlsOutput {
                ownership_controls: Some(OwnershipControls {
                    rules: vec![OwnershipControlsRule { object_ownership: ObjectOwnership::from(ownership.as_str()) }],
                }),
            }),
            None => never_set("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", &bucket.name),
        };
    GetBucketCors(GetBucketCorsRequest) -> GetBucketCorsOutput,
        "s3:GetBucketCORS", get_bucket_cors: |bucket, _| {
            never_set("NoSuchCORSConfiguration", "The CORS configuration does not exist", &bucket.name)
        };
    GetBucketLifecycleConfiguration(GetBucketLifecycleConfigurationRequest) -> GetBucketLifecycleConfigurationOutput,
        "s3:GetLifecycleConfiguration", get_bucket_lifecycle_configuration: |bucket, _| {
            never_set("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", &bucket.name)
        };
    GetBucketWebsite(GetBucketWebsiteRequest) -> GetBucketWebsiteOutput,
        "s3:GetBucketWebsite", get_bucket_website: |bucket, _| {
            let text = "The specified bucket does not have a website configuration";
            never_set("NoSuchWebsiteConfiguration", text, &bucket.name)
        };
    GetBucketReplication(GetBucketReplicationRequest) -> GetBucketReplicationOutput,
        "s3:GetReplicationConfiguration", get_bucket_replication: |bucket, _| {
            let text = "The replication configuration was not found";
            never_set("ReplicationConfigurationNotFoundError", text, &bucket.name)
        };
    GetObjectLockConfiguration(GetObjectLockConfigurationRequest) -> GetObjectLockConfigurationOutput,
        "s3:GetBucketObjectLockConfiguration", get_object_lock_configuration: |bucket, _| {
            let text = "Object Lock configuration does not exist for this bucket";
            never_set("ObjectLockConfigurationNotFoundError", text, &bucket.name)
        };
    PutBucketAcl(PutBucketAclRequest) -> Unit,
        "s3:PutBucketAcl", put_bucket_acl: |_, _| Err(no_acls());
    PutBucketEncryption(PutBucketEncryptionRequest) -> Unit,
        "s3:PutEncryptionConfiguration", put_bucket_encryption: |_, request| {
            let plain = |rule: &ServerSideEncryptionRule| {
                let default = rule.apply_server_side_encryption_by_default.as_ref();
                default.is_some_and(|default| default.sse_algorithm.as_str() == "AES256")
            };
            match request.server_side_encryption_configuration.rules.as_slice() {
                [rule] if plain(rule) && rule.blocked_encryption_types.is_none() => Ok(Unit {}),
                [_] => Err(Error::NotImplemented("Encryption other than AES256 is not implemented.".to_owned())),
                _ => Err(Error::malformed_xml()),
            }
        };
    DeleteBucketEncryption(DeleteBucketEncryptionRequest) -> Unit,
        "s3:PutEncryptionConfiguration", delete_bucket_encryption: |_, _| Ok(Unit {});
    PutBucketOwnershipControls(PutBucketOwnershipControlsRequest) -> Unit,
        "s3:PutBucketOwnershipControls", put_bucket_ownership_controls: |_, request| {
            match request.ownership_controls.rules.as_slice() {
                [rule] if rule.object_ownership.as_str() == "BucketOwnerEnforced" => Ok(Unit {}),
                [_] => Err(Error::NotImplemented("Access control lists are not implemented.".to_owned())),
                _ => Err(Error::malformed_xml()),
            }
        };
    PutBucketRequestPayment(PutBucketRequestPaymentRequest) -> Unit,
        "s3:PutBucketRequestPayment", put_bucket_request_payment: |_, request| {
            match request.request_payment_configuration.payer.as_str() {
                "BucketOwner" => Ok(Unit {}),
                _ => Err(Error::NotImplemented("Requester pays is not implemented.".to_owned())),
            }
        };
    DeleteBucketCors(DeleteBucketCorsRequest) -> Unit,
        "s3:PutBucketCORS", delete_bucket_cors: |_, _| Ok(Unit {});
    DeleteBucketLifecycle(DeleteBucketLifecycleRequest) -> Unit,
        "s3:PutLifecycleConfiguration", delete_bucket_lifecycle: |_, _| Ok(Unit {});
    DeleteBucketWebsite(DeleteBucketWebsiteRequest) -> Unit,
        "s3:DeleteBucketWebsite", delete_bucket_website: |_, _| Ok(Unit {});
    DeleteBucketReplication(DeleteBucketReplicationRequest) -> Unit,
        "s3:PutReplicationConfiguration", delete_bucket_replication: |_, _| Ok(Unit {});
}

/// Every object has it, as in every bucket of AWS.
fn encryption() -> GetBucketEncryptionOutput {
    let default =
        ServerSideEncryptionByDefault { sse_algorithm: ServerSideEncryption::Aes256, kms_master_key_id: None };
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(default),
        bucket_key_enabled: Some(false),
        ..ServerSideEncryptionRule::default()
    };
    GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration { rules: vec![rule] }),
    }
}

fn no_acls() -> Error {
    Error::AccessControlListNotSupported("The bucket does not allow ACLs".to_owned())
}

fn full_control(account: &str) -> Vec<Grant> {
    let grantee = Grantee { id: Some(canonical_id(account)), r#type: Type::CanonicalUser, ..Grantee::default() };
    vec![Grant { grantee: Some(grantee), permission: Some(Permission::FullControl) }]
}

operation! {
    S3, GetObjectAcl,
    access: |_, cx, request| on_object(cx, "s3:GetObjectAcl", &request.bucket, &request.key).map(|access| vec![access]),
    handler: get_object_acl
}

async fn get_object_acl(s3: &S3, cx: &Context, request: GetObjectAclRequest) -> Result<GetObjectAclOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_version(request.version_id.as_deref())?;
    if find_object(&cx.store().snapshot(), &bucket.name, &request.key)?.is_none() {
        return Err(missing(s3, cx, &bucket.name, &request.key));
    }
    Ok(GetObjectAclOutput {
        owner: Some(owner(&bucket.account)),
        grants: Some(full_control(&bucket.account)),
        ..GetObjectAclOutput::default()
    })
}

operation! {
    S3, PutObjectAcl,
    access: |_, cx, request| on_object(cx, "s3:PutObjectAcl", &request.bucket, &request.key).map(|access| vec![access]),
    handler: put_object_acl
}

async fn put_object_acl(_: &S3, cx: &Context, request: PutObjectAclRequest) -> Result<PutObjectAclOutput, Error> {
    bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    Err(no_acls())
}
