//! Small settings of buckets: encryption, logging, acceleration, who pays.

use s3_api::{
    AccelerateConfiguration, BucketAccelerateStatus, BucketLoggingStatus, DeleteBucketEncryption,
    DeleteBucketEncryptionRequest, GetBucketAccelerateConfiguration, GetBucketAccelerateConfigurationOutput,
    GetBucketAccelerateConfigurationRequest, GetBucketEncryption, GetBucketEncryptionOutput,
    GetBucketEncryptionRequest, GetBucketLogging, GetBucketLoggingOutput, GetBucketLoggingRequest,
    GetBucketRequestPayment, GetBucketRequestPaymentOutput, GetBucketRequestPaymentRequest, LoggingEnabled, Payer,
    PutBucketAccelerateConfiguration, PutBucketAccelerateConfigurationRequest, PutBucketEncryption,
    PutBucketEncryptionRequest, PutBucketLogging, PutBucketLoggingRequest, PutBucketRequestPayment,
    PutBucketRequestPaymentRequest, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use service::{ApiError, Context, operation};
use wire::Unit;

use super::{bucket_of, check_owner, on_bucket, setting_of};
use crate::store::{find_bucket, load_bucket, save_bucket};
use crate::{Error, S3, config, encryption};

operation! {
    S3, GetBucketEncryption,
    access: |_, cx, request| on_bucket(cx, "s3:GetEncryptionConfiguration", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_encryption
}

/// Every object has it, as in every bucket of AWS.
fn default_encryption() -> ServerSideEncryptionConfiguration {
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(encryption::aes256()),
        bucket_key_enabled: Some(false),
        ..ServerSideEncryptionRule::default()
    };
    ServerSideEncryptionConfiguration { rules: vec![rule] }
}

async fn get_bucket_encryption(
    _: &S3,
    cx: &Context,
    request: GetBucketEncryptionRequest,
) -> Result<GetBucketEncryptionOutput, Error> {
    let bucket = setting_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set = config::find(cx.store(), &bucket, "encryption")?;
    Ok(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(set.unwrap_or_else(default_encryption)) })
}

operation! {
    S3, PutBucketEncryption,
    access: |_, cx, request| on_bucket(cx, "s3:PutEncryptionConfiguration", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_encryption
}

async fn put_bucket_encryption(_: &S3, cx: &Context, request: PutBucketEncryptionRequest) -> Result<Unit, Error> {
    let mut configuration = request.server_side_encryption_configuration;
    let [rule] = configuration.rules.as_mut_slice() else { return Err(Error::malformed_xml()) };
    encryption::check_rule(rule)?;
    encryption::check_directory_rule(cx, &*find_bucket(cx.store(), &request.bucket)?, rule)?;
    let (name, owner) = (&request.bucket, request.expected_bucket_owner.as_deref());
    cx.store().write(|tx| config::set(tx, name, owner, "encryption", Some(&configuration), |_, _| Ok(())))?;
    Ok(Unit {})
}

operation! {
    S3, DeleteBucketEncryption,
    access: |_, cx, request| on_bucket(cx, "s3:PutEncryptionConfiguration", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_encryption
}

async fn delete_bucket_encryption(_: &S3, cx: &Context, request: DeleteBucketEncryptionRequest) -> Result<Unit, Error> {
    let (name, owner) = (&request.bucket, request.expected_bucket_owner.as_deref());
    let none: Option<&ServerSideEncryptionConfiguration> = None;
    cx.store().write(|tx| config::set(tx, name, owner, "encryption", none, |_, _| Ok(())))?;
    Ok(Unit {})
}

operation! {
    S3, GetBucketLogging,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketLogging", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_logging
}

async fn get_bucket_logging(
    _: &S3,
    cx: &Context,
    request: GetBucketLoggingRequest,
) -> Result<GetBucketLoggingOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let logging_enabled: Option<LoggingEnabled> = config::find(cx.store(), &bucket, "logging")?;
    Ok(GetBucketLoggingOutput { logging_enabled })
}

operation! {
    S3, PutBucketLogging,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketLogging", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_logging
}

async fn put_bucket_logging(s3: &S3, cx: &Context, request: PutBucketLoggingRequest) -> Result<Unit, Error> {
    let BucketLoggingStatus { logging_enabled } = request.bucket_logging_status;
    let (name, owner) = (&request.bucket, request.expected_bucket_owner.as_deref());
    cx.store().write(|tx| {
        config::set(tx, name, owner, "logging", logging_enabled.as_ref(), |tx, bucket| {
            let Some(logging) = &logging_enabled else { return Ok(()) };
            let invalid = |text: &str| {
                let error = ApiError::new(400, "InvalidTargetBucketForLogging", text);
                Error::from(error.with("TargetBucket", logging.target_bucket.as_str()))
            };
            let Ok(target) = load_bucket(tx, &logging.target_bucket) else {
                return Err(invalid("The target bucket for logging does not exist"));
            };
            if target.account != bucket.account {
                return Err(invalid("The owner for the bucket to be logged and the target bucket must be the same."));
            }
            if target.region != bucket.region {
                let error =
                    ApiError::new(403, "CrossLocationLoggingProhibitted", "Cross S3 location logging not allowed. ");
                return Err(error.with("TargetBucketLocation", target.region.as_str()).into());
            }
            if logging.target_grants.is_some() && target.enforces_owner() {
                let text = "Target grants not supported for buckets with bucket owner enforced ACL";
                return Err(Error::invalid_argument(text, "TargetGrants", ""));
            }
            Ok(())
        })
    })?;
    s3.logs.set(name, logging_enabled.is_some());
    Ok(Unit {})
}

operation! {
    S3, GetBucketAccelerateConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:GetAccelerateConfiguration", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_accelerate_configuration
}

async fn get_bucket_accelerate_configuration(
    _: &S3,
    cx: &Context,
    request: GetBucketAccelerateConfigurationRequest,
) -> Result<GetBucketAccelerateConfigurationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set: Option<AccelerateConfiguration> = config::find(cx.store(), &bucket, "accelerate")?;
    let status = set.and_then(|set| set.status);
    Ok(GetBucketAccelerateConfigurationOutput { status, ..GetBucketAccelerateConfigurationOutput::default() })
}

operation! {
    S3, PutBucketAccelerateConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:PutAccelerateConfiguration", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_accelerate_configuration
}

async fn put_bucket_accelerate_configuration(
    _: &S3,
    cx: &Context,
    request: PutBucketAccelerateConfigurationRequest,
) -> Result<Unit, Error> {
    let configuration = request.accelerate_configuration;
    let status = configuration.status.as_ref().map(BucketAccelerateStatus::as_str);
    if !matches!(status, Some("Enabled" | "Suspended")) {
        return Err(Error::malformed_xml());
    }
    let (name, owner) = (&request.bucket, request.expected_bucket_owner.as_deref());
    if name.contains('.') {
        let text = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    cx.store().write(|tx| config::set(tx, name, owner, "accelerate", Some(&configuration), |_, _| Ok(())))?;
    Ok(Unit {})
}

operation! {
    S3, GetBucketRequestPayment,
    access: |_, cx, request| on_bucket(cx, "s3:GetBucketRequestPayment", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_request_payment
}

async fn get_bucket_request_payment(
    _: &S3,
    cx: &Context,
    request: GetBucketRequestPaymentRequest,
) -> Result<GetBucketRequestPaymentOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let payer = if bucket.requester_pays { Payer::Requester } else { Payer::BucketOwner };
    Ok(GetBucketRequestPaymentOutput { payer: Some(payer) })
}

operation! {
    S3, PutBucketRequestPayment,
    access: |_, cx, request| on_bucket(cx, "s3:PutBucketRequestPayment", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_request_payment
}

async fn put_bucket_request_payment(
    _: &S3,
    cx: &Context,
    request: PutBucketRequestPaymentRequest,
) -> Result<Unit, Error> {
    let requester_pays = match request.request_payment_configuration.payer.as_str() {
        "BucketOwner" => false,
        "Requester" => true,
        _ => return Err(Error::malformed_xml()),
    };
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        bucket.requester_pays = requester_pays;
        Ok::<_, Error>(save_bucket(tx, &bucket)?)
    })?;
    Ok(Unit {})
}
