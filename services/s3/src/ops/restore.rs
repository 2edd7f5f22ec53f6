//! Archived objects, and copies of them that can be read for a time.

use s3_api::{RestoreObject, RestoreObjectOutput, RestoreObjectRequest};
use service::{ApiError, Context, Timestamp, operation};

use super::{check_owner, load, on_version};
use crate::classes::is_archive;
use crate::lifecycle::midnight;
use crate::notify::{self, Happening, RESTORE_ENDS};
use crate::store::{Restore, load_bucket};
use crate::{Error, S3, versions};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long it takes: the upper end of what AWS says.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html>
fn duration(class: &str, tier: &str) -> Option<i64> {
    match (class, tier) {
        ("GLACIER", "Expedited") => Some(5 * MINUTE),
        ("GLACIER", "Standard") => Some(5 * HOUR),
        ("GLACIER", "Bulk") | ("DEEP_ARCHIVE", "Standard") => Some(12 * HOUR),
        ("DEEP_ARCHIVE", "Bulk") => Some(48 * HOUR),
        _ => None,
    }
}

operation! {
    S3, RestoreObject,
    access: |_, cx, request| {
        on_version(cx, "s3:RestoreObject", &request.bucket, &request.key, request.version_id.as_deref())
            .map(|access| vec![access])
    },
    handler: restore_object
}

async fn restore_object(s3: &S3, cx: &Context, request: RestoreObjectRequest) -> Result<RestoreObjectOutput, Error> {
    let asked = request.restore_request.as_ref().ok_or_else(Error::malformed_xml)?;
    if asked.r#type.is_some() || asked.select_parameters.is_some() || asked.output_location.is_some() {
        // Glacier Select takes no new customers.
        let text = "The specified method is not allowed against this resource.";
        let error = ApiError::new(405, "MethodNotAllowed", text);
        return Err(error.with("Method", "POST").with("ResourceType", "RESTORE").into());
    }
    let days = asked.days.ok_or_else(Error::malformed_xml)?;
    if days <= 0 {
        let text = "Days must be a positive integer value";
        return Err(ApiError::new(400, "InvalidArgument", text).into());
    }
    let tier = asked.glacier_job_parameters.as_ref().map_or("Standard", |job| job.tier.as_str());
    let now = cx.now().millis();
    let renewed = cx.store().write(|tx| {
        let bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        let mut object = load(tx, &bucket.name, &request.key, request.version_id.as_deref())?;
        let class = object.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
        if !is_archive(Some(&class)) {
            let text = "Restore is not allowed for the object's current storage class";
            return Err(ApiError::new(403, "InvalidObjectState", text).with("StorageClass", class).into());
        }
        let duration = duration(&class, tier).ok_or_else(|| {
            let text = format!("Retrieval option is not supported by this storage class: {tier}");
            Error::InvalidRequest(text)
        })?;
        let current = object.restore.filter(|restore| now < restore.expires);
        if current.as_ref().is_some_and(|restore| now < restore.ready) {
            let text = "Object restore is already in progress";
            return Err(ApiError::new(409, "RestoreAlreadyInProgress", text).into());
        }
        let ready = current.as_ref().map_or(now + duration, |restore| restore.ready);
        let expires = midnight(ready.max(now) + i64::from(days) * DAY);
        object.restore = Some(Restore { ready, expires });
        versions::save(tx, &bucket.name, &request.key, &object)?;
        let mut tell = |event, due| {
            let happening = Happening::new(&bucket, &request.key, &object, event, due);
            notify::schedule(tx, &s3.notifications, cx, &happening)
        };
        if current.is_none() {
            tell("ObjectRestore:Post", cx.now())?;
            tell("ObjectRestore:Completed", Timestamp::from_millis(ready))?;
        }
        tell(RESTORE_ENDS, Timestamp::from_millis(expires))?;
        Ok::<_, Error>(current.is_some())
    })?;
    // What only prolongs the life of a copy is done at once.
    let status_code = Some(if renewed { 200 } else { 202 });
    Ok(RestoreObjectOutput { status_code, ..RestoreObjectOutput::default() })
}
