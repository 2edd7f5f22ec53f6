//! The lifecycle rules of a bucket, and what is due to its objects by them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3_api::{
    BucketLifecycleConfiguration, DeleteBucketLifecycle, DeleteBucketLifecycleRequest, GetBucketLifecycleConfiguration,
    GetBucketLifecycleConfigurationOutput, GetBucketLifecycleConfigurationRequest, PutBucketLifecycleConfiguration,
    PutBucketLifecycleConfigurationOutput, PutBucketLifecycleConfigurationRequest, TransitionDefaultMinimumObjectSize,
};
use service::{Context, Timestamp, operation};
use wire::Unit;

use super::{on_bucket, setting_of};
use crate::lifecycle::Sizes;
use crate::store::{Bucket, Object, Upload, find_bucket};
use crate::{Error, S3, config, lifecycle, sweep};

fn shown(sizes: Sizes) -> Option<TransitionDefaultMinimumObjectSize> {
    Some(match sizes {
        Sizes::Small => TransitionDefaultMinimumObjectSize::AllStorageClasses128k,
        Sizes::SmallUnlessArchived => TransitionDefaultMinimumObjectSize::VariesByStorageClass,
    })
}

operation! {
    S3, GetBucketLifecycleConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:GetLifecycleConfiguration", &request.bucket).map(|access| vec![access]),
    handler: get_bucket_lifecycle_configuration
}

async fn get_bucket_lifecycle_configuration(
    _: &S3,
    cx: &Context,
    request: GetBucketLifecycleConfigurationRequest,
) -> Result<GetBucketLifecycleConfigurationOutput, Error> {
    let bucket = setting_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let set: Option<BucketLifecycleConfiguration> = config::find(cx.store(), &bucket, "lifecycle")?;
    let Some(set) = set else {
        let text = "The lifecycle configuration does not exist";
        return Err(Error::no_such_configuration("NoSuchLifecycleConfiguration", text, &bucket.name));
    };
    Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(set.rules),
        transition_default_minimum_object_size: shown(bucket.sizes()).filter(|_| bucket.directory.is_none()),
    })
}

operation! {
    S3, PutBucketLifecycleConfiguration,
    access: |_, cx, request| on_bucket(cx, "s3:PutLifecycleConfiguration", &request.bucket).map(|access| vec![access]),
    handler: put_bucket_lifecycle_configuration
}

async fn put_bucket_lifecycle_configuration(
    s3: &S3,
    cx: &Context,
    request: PutBucketLifecycleConfigurationRequest,
) -> Result<PutBucketLifecycleConfigurationOutput, Error> {
    let mut configuration = request.lifecycle_configuration.ok_or_else(Error::malformed_xml)?;
    let size = request.transition_default_minimum_object_size.as_ref();
    let archives_small = size.is_some_and(|size| size.as_str() == "varies_by_storage_class");
    let directory = find_bucket(cx.store(), &request.bucket)?.directory.is_some();
    lifecycle::check(&configuration)?;
    if directory {
        lifecycle::check_directory(&configuration)?;
    }
    for rule in &mut configuration.rules {
        rule.id.get_or_insert_with(|| cx.random().alphanumeric(48));
    }
    let owner = request.expected_bucket_owner.as_deref();
    let sizes = cx.store().write(|tx| {
        let mut sizes = Sizes::Small;
        config::set(tx, &request.bucket, owner, "lifecycle", Some(&configuration), |_, bucket| {
            bucket.archives_small = archives_small;
            sizes = bucket.sizes();
            Ok(())
        })?;
        sweep::schedule(tx, &s3.lifecycles, &request.bucket, cx.now())?;
        Ok::<_, Error>(sizes)
    })?;
    let transition_default_minimum_object_size = shown(sizes).filter(|_| !directory);
    Ok(PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size })
}

operation! {
    S3, DeleteBucketLifecycle,
    access: |_, cx, request| on_bucket(cx, "s3:PutLifecycleConfiguration", &request.bucket).map(|access| vec![access]),
    handler: delete_bucket_lifecycle
}

async fn delete_bucket_lifecycle(s3: &S3, cx: &Context, request: DeleteBucketLifecycleRequest) -> Result<Unit, Error> {
    let owner = request.expected_bucket_owner.as_deref();
    cx.store().write(|tx| {
        let none: Option<&BucketLifecycleConfiguration> = None;
        config::set(tx, &request.bucket, owner, "lifecycle", none, |_, _| Ok(()))?;
        s3.lifecycles.cancel(tx, &request.bucket)?;
        Ok::<_, Error>(())
    })?;
    Ok(Unit {})
}

/// When a rule will remove an object: the header `x-amz-expiration`.
pub(super) fn expiration(cx: &Context, bucket: &Bucket, key: &str, object: &Object) -> Result<Option<String>, Error> {
    if !bucket.configured.contains("lifecycle") || object.superseded.is_some() {
        return Ok(None);
    }
    let set: Option<BucketLifecycleConfiguration> = config::find(cx.store(), bucket, "lifecycle")?;
    let rules = set.map(|set| set.rules).unwrap_or_default();
    Ok(lifecycle::expiration(&rules, key, object).map(|(due, rule)| {
        let date = Timestamp::from_millis(due).http_date();
        let id = utf8_percent_encode(rule.id.as_deref().unwrap_or_default(), NON_ALPHANUMERIC);
        format!("expiry-date=\"{date}\", rule-id=\"{id}\"")
    }))
}

/// When a rule will abort an upload, and the id of the rule: `x-amz-abort-date` and `x-amz-abort-rule-id`.
pub(super) fn abortion(cx: &Context, bucket: &Bucket, upload: &Upload) -> Result<Option<(Timestamp, String)>, Error> {
    if !bucket.configured.contains("lifecycle") {
        return Ok(None);
    }
    let set: Option<BucketLifecycleConfiguration> = config::find(cx.store(), bucket, "lifecycle")?;
    let rules = set.map(|set| set.rules).unwrap_or_default();
    Ok(lifecycle::abortion(&rules, &upload.key, upload.initiated)
        .map(|(due, rule)| (Timestamp::from_millis(due), rule.id.clone().unwrap_or_default())))
}
