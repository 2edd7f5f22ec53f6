//! Parts of multipart uploads.

use s3_api::{
    ChecksumAlgorithm, CopyPartResult, ListParts, ListPartsOutput, ListPartsRequest, StorageClass, UploadPart,
    UploadPartCopy, UploadPartCopyOutput, UploadPartCopyRequest, UploadPartOutput, UploadPartRequest,
};
use service::{Context, Page, Range, Timestamp, from_record, operation, to_record};

use super::copy::{Source, source_conditions, source_key};
use super::list::page_size;
use super::multipart::{checksum_type, initiator};
use super::read::key_of;
use super::write::{check_length, creation, now, trailing};
use super::{MAX_PUT, abortion, bucket_of, charge, on_object, owner, root};
use crate::blob::{Place, Received, forget, receive};
use crate::checksum::{Algorithm, Checksum};
use crate::cipher::Key;
use crate::customer::Provided;
use crate::directory::{self, refuse};
use crate::encryption::{self, show_encryption};
use crate::integrity::{Integrity, show, stated};
use crate::precondition::Preconditions;
use crate::range::{Asked, Span, parse};
use crate::store::{Bucket, Part, Upload, find_upload, load_part, load_upload, part_key, parts_key};
use crate::{Error, S3};

fn check_number(number: i32) -> Result<(), Error> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    let text = "Part number must be an integer between 1 and 10000, inclusive";
    Err(Error::invalid_argument(text, "partNumber", &number.to_string()))
}

/// What a part is encrypted with: what the upload was begun with. A client states its own key with each part.
fn part_key_of(cx: &Context, bucket: &str, upload: &Upload, provided: Option<Provided>) -> Result<Option<Key>, Error> {
    let invalid = |text: &str| Err(Error::InvalidRequest(text.to_owned()));
    match (&upload.customer_key, provided) {
        (None, None) => upload.kms.as_ref().map(|kms| encryption::unwrap(cx, bucket, &upload.key, kms)).transpose(),
        (Some(known), Some(provided)) if provided.is(known) => Ok(Some(provided.key)),
        (Some(_), Some(_)) => invalid("The provided encryption parameters did not match the ones used originally."),
        (Some(_), None) => invalid(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
        ),
        (None, Some(_)) => invalid(
            "The multipart upload initiate did not request encryption. Please resend the request without sending encryption parameters.",
        ),
    }
}

/// Enters a part; one of the same number is replaced.
fn enter(
    s3: &S3,
    cx: &Context,
    bucket: &Bucket,
    upload: &Upload,
    number: i32,
    received: Received,
    checksum: Checksum,
) -> Result<Part, Error> {
    let etag = encryption::etag(received.md5, upload.customer_key.as_ref(), upload.kms.as_ref());
    let part = Part {
        number,
        size: received.size,
        etag: directory::etag(cx, bucket, etag),
        modified: now(cx),
        checksum,
        body: received.draft.segments.clone(),
    };
    let replaced = cx.store().write(|tx| {
        load_upload(tx, &bucket.name, &upload.key, &upload.id)?;
        let replaced = load_part(tx, &upload.id, number)?.map(|part| part.body).unwrap_or_default();
        forget(tx, &replaced);
        received.draft.commit(tx);
        tx.put(part_key(&upload.id, number), to_record(&part)?);
        Ok::<_, Error>(replaced)
    })?;
    received.draft.keep();
    s3.blobs.remove(root(cx), &replaced);
    Ok(part)
}

operation! {
    S3, UploadPart,
    access: |_, cx, request| {
        let access = on_object(cx, "s3:PutObject", &request.bucket, &request.key);
        access.map(|access| vec![creation!(access, false)])
    },
    handler: upload_part
}

async fn upload_part(s3: &S3, cx: &Context, request: UploadPartRequest) -> Result<UploadPartOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    check_number(request.part_number)?;
    refuse::content_md5(&bucket, request.content_md5.as_deref())?;
    let upload = find_upload(&cx.store().snapshot(), &bucket.name, &request.key, &request.upload_id)?;
    let default = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let provided = key_of!(&request);
    let key = part_key_of(cx, &bucket.name, &upload, provided.clone())?;
    let named = trailing(request.checksum_algorithm.as_ref(), request.trailer.as_deref())?;
    let named = named.as_ref();
    let stated = stated!(request);
    let says = !stated.is_empty() || named.is_some();
    let mismatch = |actual: &str| {
        let expected = default.name().to_ascii_lowercase();
        Error::InvalidRequest(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
        ))
    };
    // A checksum of checksums needs one with every part; that of the whole is computed where a part brings none.
    if upload.algorithm.is_some() && !upload.full && !says {
        return Err(mismatch("null"));
    }
    let mut integrity = Integrity::new(stated, named, request.content_md5.clone(), default)?;
    if integrity.algorithm() != default {
        if upload.algorithm.is_some() && says {
            return Err(mismatch(&integrity.algorithm().name().to_ascii_lowercase()));
        }
        // The upload keeps CRC64NVME whatever its parts are checked with.
        integrity = integrity.keeping(default);
    }
    check_length(request.content_length)?;
    let hashers = integrity.hashers();
    let mut received = receive(Place::of(&cx.cloud), cx.random(), request.body, MAX_PUT, hashers, key.as_ref()).await?;
    let (kept, checked) = integrity.verify_both(&mut received)?;
    let part = enter(s3, cx, &bucket, &upload, request.part_number, received, kept)?;
    let mut output =
        UploadPartOutput { e_tag: Some(format!("\"{}\"", part.etag)), request_charged, ..UploadPartOutput::default() };
    show_encryption!(output, upload.kms.as_ref(), provided.map(|provided| provided.md5));
    show!(output, Some(&checked));
    Ok(output)
}

operation! {
    S3, UploadPartCopy,
    access: |_, cx, request| (|| {
        let source = Source::parse(&request.copy_source)?;
        Ok::<_, Error>(vec![
            source.access(cx)?,
            creation!(on_object(cx, "s3:PutObject", &request.bucket, &request.key)?, false),
        ])
    })(),
    handler: upload_part_copy
}

/// The part of the source that is copied. Unlike a read's, this range must be exact.
fn copied_span(range: Option<&str>, size: u64) -> Result<Span, Error> {
    let Some(range) = range else { return Ok(Span { start: 0, len: size }) };
    let form = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
    let malformed = || Error::invalid_argument(form, "x-amz-copy-source-range", range);
    let (_, last) = range.strip_prefix("bytes=").and_then(|text| text.split_once('-')).ok_or_else(malformed)?;
    let last: u64 = last.parse().map_err(|_| malformed())?;
    match parse(range, size) {
        Asked::Part(span) if last < size => Ok(span),
        Asked::Whole => Err(malformed()),
        _ => {
            let text = format!("Range specified is not valid for source object of size: {size}");
            Err(Error::invalid_argument(text, "x-amz-copy-source-range", range))
        }
    }
}

async fn upload_part_copy(
    s3: &S3,
    cx: &Context,
    request: UploadPartCopyRequest,
) -> Result<UploadPartCopyOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    check_number(request.part_number)?;
    let upload = find_upload(&cx.store().snapshot(), &bucket.name, &request.key, &request.upload_id)?;
    let provided = key_of!(&request);
    let key = part_key_of(cx, &bucket.name, &upload, provided.clone())?;
    let source_key = source_key!(&request);
    let source = Source::parse(&request.copy_source)?;
    let owner = request.expected_source_bucket_owner.as_deref();
    let conditions: Preconditions<'_> = source_conditions!(request);
    let (body, version) = loop {
        let snapshot = cx.store().snapshot();
        let object = source.find(s3, cx, &snapshot, owner, &conditions)?;
        let span = copied_span(request.copy_source_range.as_deref(), object.size)?;
        let from = encryption::unlock(cx, (&source.bucket, &source.key), &object, source_key.clone())?;
        let body = s3.blobs.open(root(cx), cx.store(), &snapshot, &object.body, span, from.as_ref())?;
        if let Some(body) = body {
            break (body, object.version);
        }
    };
    let default = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let integrity = Integrity::new(Vec::new(), None, None, default)?;
    let hashers = integrity.hashers();
    let mut received = receive(Place::of(&cx.cloud), cx.random(), Some(body), MAX_PUT, hashers, key.as_ref()).await?;
    let checksum = integrity.verify(&mut received)?;
    let part = enter(s3, cx, &bucket, &upload, request.part_number, received, checksum)?;
    let mut result = CopyPartResult {
        e_tag: Some(format!("\"{}\"", part.etag)),
        last_modified: Some(Timestamp::from_millis(part.modified)),
        ..CopyPartResult::default()
    };
    show!(result, upload.algorithm.map(|_| &part.checksum));
    let mut output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version.or(source.version),
        ..UploadPartCopyOutput::default()
    };
    show_encryption!(output, upload.kms.as_ref(), provided.map(|provided| provided.md5));
    Ok(output)
}

operation! {
    S3, ListParts,
    access: |_, cx, request| {
        on_object(cx, "s3:ListMultipartUploadParts", &request.bucket, &request.key).map(|access| vec![access])
    },
    handler: list_parts
}

async fn list_parts(_: &S3, cx: &Context, request: ListPartsRequest) -> Result<ListPartsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let limit = page_size(request.max_parts, "max-parts", "max-parts")?;
    if let Some(marker) = request.part_number_marker.filter(|marker| *marker < 0) {
        let text = "Argument part-number-marker must be an integer between 0 and 2147483647";
        return Err(Error::invalid_argument(text, "part-number-marker", &marker.to_string()));
    }
    let snapshot = cx.store().snapshot();
    let upload = find_upload(&snapshot, &bucket.name, &request.key, &request.upload_id)?;
    let marker = request.part_number_marker.unwrap_or_default();
    let after = (marker > 0).then(|| Vec::from(part_key(&upload.id, marker)));
    let size = usize::try_from(limit).unwrap_or_default();
    let range = Range::prefix(parts_key(&upload.id));
    let page = Page::read(&snapshot, range, after.as_deref(), size, |_, record| {
        let part: Part = from_record(record)?;
        let mut shown = s3_api::Part {
            part_number: Some(part.number),
            last_modified: Some(Timestamp::from_millis(part.modified)),
            e_tag: Some(format!("\"{}\"", part.etag)),
            size: i64::try_from(part.size).ok(),
            ..s3_api::Part::default()
        };
        show!(shown, upload.algorithm.map(|_| &part.checksum));
        Ok::<_, Error>(Some(shown))
    })?;
    let (abort_date, abort_rule_id) = abortion(cx, &bucket, &upload)?.unzip();
    Ok(ListPartsOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(bucket.name.clone()),
        key: Some(upload.key.clone()),
        upload_id: Some(upload.id.clone()),
        part_number_marker: Some(marker),
        next_part_number_marker: page.items.last().and_then(|part| part.part_number).or(Some(0)),
        max_parts: Some(limit),
        is_truncated: Some(page.next.is_some()),
        parts: Some(page.items),
        initiator: Some(initiator(&upload, &bucket.account)),
        owner: Some(owner(&bucket.account)),
        storage_class: Some(StorageClass::from(upload.storage_class.as_deref().unwrap_or("STANDARD"))),
        checksum_algorithm: upload.algorithm.map(|algorithm| ChecksumAlgorithm::from(algorithm.name())),
        checksum_type: upload.algorithm.map(|_| checksum_type(upload.full)),
        request_charged,
        ..ListPartsOutput::default()
    })
}
