//! Object Lock: of buckets, and of versions.

use s3_api::{
    DefaultRetention, EventHoldDuration, GetObjectLegalHold, GetObjectLegalHoldOutput, GetObjectLegalHoldRequest,
    GetObjectLockConfiguration, GetObjectLockConfigurationOutput, GetObjectLockConfigurationRequest,
    GetObjectRetention, GetObjectRetentionOutput, GetObjectRetentionRequest, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockEventHold, ObjectLockLegalHold, ObjectLockRetention, ObjectLockRetentionMode,
    ObjectLockRule, PutObjectLegalHold, PutObjectLegalHoldOutput, PutObjectLegalHoldRequest,
    PutObjectLockConfiguration, PutObjectLockConfigurationOutput, PutObjectLockConfigurationRequest,
    PutObjectRetention, PutObjectRetentionOutput, PutObjectRetentionRequest,
};
use service::{ApiError, Context, Timestamp, operation};

use super::read::{event_status, hold_status};
use super::write::retained_until;
use super::{bucket_of, check_owner, find, load, on_bucket, on_object};
use crate::lock::{check_date, check_span, event_hold, missing_configuration};
use crate::store::{self, Bucket, Lock, Span, Versioning, load_bucket, save_bucket};
use crate::{Error, S3};

operation! {
    S3, GetObjectLockConfiguration,
    access: |_, cx, request| {
        on_bucket(cx, "s3:GetBucketObjectLockConfiguration", &request.bucket).map(|access| vec![access])
    },
    handler: get_object_lock_configuration
}

async fn get_object_lock_configuration(
    _: &S3,
    cx: &Context,
    request: GetObjectLockConfigurationRequest,
) -> Result<GetObjectLockConfigurationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    if !bucket.locked {
        let text = "Object Lock configuration does not exist for this bucket";
        return Err(Error::no_such_configuration("ObjectLockConfigurationNotFoundError", text, &bucket.name));
    }
    let rule = bucket.default_retention.as_ref().map(|default| ObjectLockRule {
        default_retention: Some(DefaultRetention {
            mode: Some(ObjectLockRetentionMode::from(default.mode.as_str())),
            days: default.days,
            years: default.years,
            default_event_hold: default.event.map(shown),
        }),
    });
    let configuration = ObjectLockConfiguration { object_lock_enabled: Some(ObjectLockEnabled::Enabled), rule };
    Ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
}

operation! {
    S3, PutObjectLockConfiguration,
    access: |_, cx, request| {
        on_bucket(cx, "s3:PutBucketObjectLockConfiguration", &request.bucket).map(|access| vec![access])
    },
    handler: put_object_lock_configuration
}

fn shown(span: Span) -> EventHoldDuration {
    EventHoldDuration { days: span.days, years: span.years }
}

fn span_of(duration: &EventHoldDuration) -> Result<Span, Error> {
    let span = Span { days: duration.days, years: duration.years };
    check_span(span).map(|()| span)
}

/// The default retention of a rule: a mode, and either days or years, or how long a version is held after an event.
fn default_of(rule: &ObjectLockRule) -> Result<store::DefaultRetention, Error> {
    let default = rule.default_retention.as_ref().ok_or_else(Error::malformed_xml)?;
    let event = default.default_event_hold.as_ref().map(span_of).transpose()?;
    let mode = default.mode.as_ref().ok_or_else(Error::malformed_xml)?.as_str().to_owned();
    let (period, limit) = match (default.days, default.years) {
        (None, None) if event.is_some() => {
            return Ok(store::DefaultRetention { mode, days: None, years: None, event });
        }
        (Some(days), None) => (days, 36_500),
        (None, Some(years)) => (years, 100),
        _ => return Err(Error::malformed_xml()),
    };
    if period <= 0 {
        let text = "Default retention period must be a positive integer value.";
        return Err(ApiError::new(400, "InvalidArgument", text).into());
    }
    if period > limit {
        let text = format!("Default retention period too large: the maximum is {limit}.");
        return Err(ApiError::new(400, "InvalidArgument", text).into());
    }
    Ok(store::DefaultRetention { mode, days: default.days, years: default.years, event })
}

async fn put_object_lock_configuration(
    _: &S3,
    cx: &Context,
    request: PutObjectLockConfigurationRequest,
) -> Result<PutObjectLockConfigurationOutput, Error> {
    let configuration = request.object_lock_configuration.as_ref().ok_or_else(Error::malformed_xml)?;
    if configuration.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str) != Some("Enabled") {
        return Err(Error::malformed_xml());
    }
    let default_retention = configuration.rule.as_ref().map(default_of).transpose()?;
    cx.store().write(|tx| {
        let mut bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        if bucket.versioning != Versioning::Enabled {
            let text = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(Error::invalid_bucket_state(text));
        }
        bucket.locked = true;
        bucket.default_retention = default_retention;
        Ok(save_bucket(tx, &bucket)?)
    })?;
    Ok(PutObjectLockConfigurationOutput::default())
}

fn locked(bucket: &Bucket) -> Result<(), Error> {
    if bucket.locked { Ok(()) } else { Err(missing_configuration()) }
}

fn never_set() -> Error {
    let text = "The specified object does not have a ObjectLock configuration";
    ApiError::new(404, "NoSuchObjectLockConfiguration", text).into()
}

operation! {
    S3, GetObjectRetention,
    access: |_, cx, request| on_object(cx, "s3:GetObjectRetention", &request.bucket, &request.key).map(|access| vec![access]),
    handler: get_object_retention
}

async fn get_object_retention(
    s3: &S3,
    cx: &Context,
    request: GetObjectRetentionRequest,
) -> Result<GetObjectRetentionOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    locked(&bucket)?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    let Lock { retention, event, .. } = object.lock;
    let held = event.as_ref().filter(|event| event.on);
    let mode = retention.as_ref().map(|(mode, _)| mode).or(held.map(|held| &held.mode)).ok_or_else(never_set)?;
    let retention = ObjectLockRetention {
        mode: Some(ObjectLockRetentionMode::from(mode.as_str())),
        retain_until_date: retention.as_ref().map(|(_, until)| Timestamp::from_millis(*until)),
        event_hold: event.as_ref().map(|event| event_status(event.on)),
        event_hold_duration: held.map(|held| shown(held.after)),
    };
    Ok(GetObjectRetentionOutput { retention: Some(retention) })
}

operation! {
    S3, PutObjectRetention,
    access: |_, cx, request| (|| {
        let mut access = on_object(cx, "s3:PutObjectRetention", &request.bucket, &request.key)?;
        let asked = request.retention.as_ref();
        if let Some(mode) = asked.and_then(|asked| asked.mode.as_ref()) {
            access = access.with("s3:object-lock-mode", mode.as_str());
        }
        if let Some(until) = asked.and_then(|asked| asked.retain_until_date) {
            access = retained_until(cx, access, until);
        }
        let mut all = vec![access];
        if request.bypass_governance_retention == Some(true) {
            all.push(on_object(cx, "s3:BypassGovernanceRetention", &request.bucket, &request.key)?);
        }
        Ok::<_, Error>(all)
    })(),
    handler: put_object_retention
}

async fn put_object_retention(
    s3: &S3,
    cx: &Context,
    request: PutObjectRetentionRequest,
) -> Result<PutObjectRetentionOutput, Error> {
    let now = cx.now();
    let asked = request.retention.as_ref().ok_or_else(Error::malformed_xml)?;
    let mode = asked.mode.as_ref().map(ObjectLockRetentionMode::as_str);
    let status = asked.event_hold.as_ref().map(ObjectLockEventHold::as_str);
    let after = asked.event_hold_duration.as_ref().map(span_of).transpose()?.unwrap_or_default();
    let event = event_hold(mode, status, after)?;
    let released = status == Some("OFF");
    let next = match (mode, asked.retain_until_date) {
        (Some(mode), Some(until)) => Some((mode.to_owned(), until)),
        (None, None) => None,
        (Some(_), None) if event.is_some() || released => None,
        _ => return Err(Error::malformed_xml()),
    };
    let bypass = request.bypass_governance_retention == Some(true);
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        locked(&bucket)?;
        if let Some((_, until)) = &next {
            check_date(*until, now)?;
        }
        let mut object = load(tx, &bucket.name, &request.key, request.version_id.as_deref())?;
        match next {
            Some((mode, until)) => object.lock.retain(Some((mode, until.millis())), bypass, now)?,
            None if event.is_none() && !released => object.lock.release(bypass, now)?,
            None => {}
        }
        object.lock.hold_event(event, released, bypass, now)?;
        Ok::<_, Error>(s3.described(tx, cx, &bucket, &request.key, &mut object, None)?)
    })?;
    Ok(PutObjectRetentionOutput::default())
}

operation! {
    S3, GetObjectLegalHold,
    access: |_, cx, request| on_object(cx, "s3:GetObjectLegalHold", &request.bucket, &request.key).map(|access| vec![access]),
    handler: get_object_legal_hold
}

async fn get_object_legal_hold(
    s3: &S3,
    cx: &Context,
    request: GetObjectLegalHoldRequest,
) -> Result<GetObjectLegalHoldOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    locked(&bucket)?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    let status = hold_status(object.lock.hold.ok_or_else(never_set)?);
    Ok(GetObjectLegalHoldOutput { legal_hold: Some(ObjectLockLegalHold { status: Some(status) }) })
}

operation! {
    S3, PutObjectLegalHold,
    access: |_, cx, request| on_object(cx, "s3:PutObjectLegalHold", &request.bucket, &request.key).map(|access| vec![access]),
    handler: put_object_legal_hold
}

async fn put_object_legal_hold(
    s3: &S3,
    cx: &Context,
    request: PutObjectLegalHoldRequest,
) -> Result<PutObjectLegalHoldOutput, Error> {
    let status = request.legal_hold.as_ref().and_then(|hold| hold.status.as_ref()).ok_or_else(Error::malformed_xml)?;
    let hold = match status.as_str() {
        "ON" => true,
        "OFF" => false,
        _ => return Err(Error::malformed_xml()),
    };
    cx.store().write(|tx| {
        let bucket = load_bucket(tx, &request.bucket)?;
        check_owner(&bucket, request.expected_bucket_owner.as_deref())?;
        locked(&bucket)?;
        let mut object = load(tx, &bucket.name, &request.key, request.version_id.as_deref())?;
        object.lock.hold = Some(hold);
        Ok::<_, Error>(s3.described(tx, cx, &bucket, &request.key, &mut object, None)?)
    })?;
    Ok(PutObjectLegalHoldOutput::default())
}
