//! Reading objects.

use s3_api::{
    ChecksumType, GetObject, GetObjectOutput, GetObjectRequest, HeadObject, HeadObjectOutput, HeadObjectRequest,
    ObjectLockEventHold, ObjectLockLegalHoldStatus, ObjectLockMode, ReplicationStatus, StorageClass,
};
use service::{Context, Principal, Timestamp, operation};

use super::{bucket_of, charge, expiration, find, on_existing, root};
use crate::checksum::Checksum;
use crate::classes::is_archive;
use crate::encryption::{check, show_encryption, unlock};
use crate::integrity::show;
use crate::precondition::Preconditions;
use crate::range::{Asked, Span, parse};
use crate::store::{Bucket, Object};
use crate::{Error, S3, mime};

/// What part of an object an answer holds.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    span: Span,
    /// 206 with a `Content-Range`.
    partial: bool,
    /// Of a read by part number.
    parts_count: Option<i32>,
}

fn select(object: &Object, range: Option<&str>, part_number: Option<i32>) -> Result<Selection, Error> {
    let whole = Span { start: 0, len: object.size };
    match (range, part_number) {
        (Some(_), Some(_)) => {
            let text = "Cannot specify both Range header and partNumber query parameter";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        (None, None) => Ok(Selection { span: whole, partial: false, parts_count: None }),
        (Some(range), None) => match parse(range, object.size) {
            Asked::Whole => Ok(Selection { span: whole, partial: false, parts_count: None }),
            Asked::Part(span) => Ok(Selection { span, partial: true, parts_count: None }),
            Asked::Unsatisfiable => Err(Error::invalid_range(range, object.size)),
        },
        (None, Some(number)) if !(1..=10_000).contains(&number) => {
            let text = "Part number must be an integer between 1 and 10000, inclusive";
            Err(Error::invalid_argument(text, "partNumber", &number.to_string()))
        }
        (None, Some(1)) if object.parts.is_empty() => {
            Ok(Selection { span: whole, partial: object.size > 0, parts_count: None })
        }
        (None, Some(number)) => {
            let mut start = 0;
            for part in &object.parts {
                if part.number == number {
                    let span = Span { start, len: part.size };
                    return Ok(Selection { span, partial: true, parts_count: i32::try_from(object.parts.len()).ok() });
                }
                start += part.size;
            }
            Err(Error::invalid_part_number(number, object.parts.len().max(1)))
        }
    }
}

/// The headers that GetObject and HeadObject have in common.
macro_rules! describe {
    ($output:ident, $cx:expr, $bucket:expr, $request:expr, $object:expr, $selection:expr) => {{
        let (cx, bucket, request, object, selection): (&Context, &Bucket, _, &Object, &Selection) =
            ($cx, $bucket, $request, $object, $selection);
        let retention = object.lock.retention.as_ref();
        let event = object.lock.event.as_ref();
        let held = event.filter(|event| event.on);
        let mode = retention.map(|(mode, _)| mode).or(held.map(|held| &held.mode));
        let description = object.description.clone();
        let over = |given: &Option<String>, own: Option<String>| given.clone().or(own);
        let part = request.part_number.and_then(|number| part_checksum(object, number));
        let checksum = match request.part_number {
            Some(_) if !object.parts.is_empty() => part.as_ref(),
            _ => object.checksum.as_ref().filter(|_| !selection.partial || request.part_number.is_some()),
        };
        let checksum = checksum.filter(|_| request.checksum_mode.is_some());
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            last_modified: Some(Timestamp::from_millis(object.modified)),
            content_length: i64::try_from(selection.span.len).ok(),
            e_tag: Some(object.quoted_etag()),
            checksum_type: checksum.map(|checksum| match checksum.full {
                true => ChecksumType::FullObject,
                false => ChecksumType::Composite,
            }),
            cache_control: over(&request.response_cache_control, description.cache_control),
            content_disposition: over(&request.response_content_disposition, description.content_disposition),
            content_encoding: over(&request.response_content_encoding, description.content_encoding),
            content_language: over(&request.response_content_language, description.content_language),
            content_type: over(&request.response_content_type, description.content_type)
                .or_else(|| Some("binary/octet-stream".to_owned())),
            expires: request.response_expires.map(Timestamp::http_date).or(description.expires),
            website_redirect_location: description.redirect,
            metadata: Some(
                description.metadata.into_iter().map(|(name, value)| (name, mime::encode(&value))).collect(),
            ),
            storage_class: object.storage_class.as_deref().map(StorageClass::from),
            content_range: selection.partial.then(|| selection.span.content_range(object.size)),
            status_code: selection.partial.then_some(206),
            parts_count: selection.parts_count,
            tag_count: i32::try_from(object.tags.len()).ok().filter(|count| *count > 0),
            version_id: object.shown_version(),
            object_lock_mode: mode.map(|mode| ObjectLockMode::from(mode.as_str())),
            object_lock_event_hold: event.map(|event| event_status(event.on)),
            object_lock_event_hold_duration_days: held.and_then(|held| held.after.days),
            object_lock_event_hold_duration_years: held.and_then(|held| held.after.years),
            object_lock_retain_until_date: retention.map(|(_, until)| Timestamp::from_millis(*until)),
            object_lock_legal_hold_status: object.lock.hold.map(hold_status),
            replication_status: object.replication.as_deref().map(ReplicationStatus::from),
            expiration: expiration(cx, bucket, &request.key, object)?,
            restore: restore_header(object, cx.now()),
            ..$output::default()
        };
        show!(output, checksum);
        let md5 = request.sse_customer_key_md5.clone().filter(|_| object.customer_key.is_some());
        show_encryption!(output, object.kms.as_ref(), md5);
        output
    }};
}

/// The checksum of a part, where parts have their own. What kind it is follows from the object's.
fn part_checksum(object: &Object, number: i32) -> Option<Checksum> {
    let own = object.checksum.as_ref()?;
    let value = object.parts.iter().find(|part| part.number == number)?.checksum.clone()?;
    Some(Checksum { value, ..own.clone() })
}

pub(super) fn hold_status(on: bool) -> ObjectLockLegalHoldStatus {
    if on { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off }
}

pub(super) fn event_status(on: bool) -> ObjectLockEventHold {
    if on { ObjectLockEventHold::On } else { ObjectLockEventHold::Off }
}

/// Archived objects are read while a restored copy is there.
pub(super) fn is_readable(object: &Object, now: Timestamp) -> bool {
    let now = now.millis();
    let restored = object.restore.as_ref().is_some_and(|restore| restore.ready <= now && now < restore.expires);
    !is_archive(object.storage_class.as_deref()) || restored
}

/// `x-amz-restore`: whether a restoration is under way, or how long its copy is there.
fn restore_header(object: &Object, now: Timestamp) -> Option<String> {
    let restore = object.restore.as_ref().filter(|restore| now.millis() < restore.expires)?;
    if now.millis() < restore.ready {
        return Some("ongoing-request=\"true\"".to_owned());
    }
    let expires = Timestamp::from_millis(restore.expires).http_date();
    Some(format!("ongoing-request=\"false\", expiry-date=\"{expires}\""))
}

/// Everything that is asked of an object before it is shown.
macro_rules! admit {
    ($cx:expr, $request:expr) => {{
        let request = $request;
        let overrides = request.response_content_type.is_some()
            || request.response_cache_control.is_some()
            || request.response_content_disposition.is_some()
            || request.response_content_encoding.is_some()
            || request.response_content_language.is_some()
            || request.response_expires.is_some();
        if overrides && matches!($cx.principal(), Principal::Anonymous) {
            let text = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(Error::InvalidRequest(text.to_owned()));
        }
        Preconditions {
            if_match: request.if_match.as_deref(),
            if_none_match: request.if_none_match.as_deref(),
            if_modified_since: request.if_modified_since,
            if_unmodified_since: request.if_unmodified_since,
        }
    }};
}

/// The client's own key of a request.
macro_rules! key_of {
    ($request:expr) => {{
        let request = $request;
        let (algorithm, key) = (request.sse_customer_algorithm.as_deref(), request.sse_customer_key.as_deref());
        $crate::customer::Provided::read(algorithm, key, request.sse_customer_key_md5.as_deref())?
    }};
}
pub(super) use key_of;

operation! {
    S3, GetObject,
    access: |_, cx, request| {
        on_existing(cx, "s3:GetObject", &request.bucket, &request.key, request.version_id.as_deref()).map(|one| vec![one])
    },
    handler: get_object
}

async fn get_object(s3: &S3, cx: &Context, request: GetObjectRequest) -> Result<GetObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let preconditions = admit!(cx, &request);
    let key = key_of!(&request);
    loop {
        let snapshot = cx.store().snapshot();
        let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
        preconditions.check(&object)?;
        let unlocked = unlock(cx, (&bucket.name, &request.key), &object, key.clone())?;
        if !is_readable(&object, cx.now()) {
            return Err(Error::archived(&object));
        }
        let selection = select(&object, request.range.as_deref(), request.part_number)?;
        // An object that is replaced at this moment is looked up again.
        let (span, key) = (selection.span, unlocked.as_ref());
        let body = s3.blobs.open(root(cx), cx.store(), &snapshot, &object.body, span, key)?;
        if let Some(body) = body {
            let mut output = describe!(GetObjectOutput, cx, &bucket, &request, &object, &selection);
            output.request_charged = request_charged;
            output.body = Some(body);
            return Ok(output);
        }
    }
}

operation! {
    S3, HeadObject,
    access: |_, cx, request| {
        on_existing(cx, "s3:GetObject", &request.bucket, &request.key, request.version_id.as_deref()).map(|one| vec![one])
    },
    handler: head_object
}

async fn head_object(s3: &S3, cx: &Context, request: HeadObjectRequest) -> Result<HeadObjectOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let preconditions = admit!(cx, &request);
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    preconditions.check(&object)?;
    check(&object, key_of!(&request))?;
    let selection = select(&object, request.range.as_deref(), request.part_number)?;
    let mut output = describe!(HeadObjectOutput, cx, &bucket, &request, &object, &selection);
    output.request_charged = request_charged;
    Ok(output)
}
