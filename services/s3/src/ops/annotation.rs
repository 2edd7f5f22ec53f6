//! Annotations of objects. What they are is in [`crate::annotation`].

use s3_api::{
    AnnotationEntry, ChecksumAlgorithm, ChecksumType, DeleteObjectAnnotation, DeleteObjectAnnotationOutput,
    DeleteObjectAnnotationRequest, GetObjectAnnotation, GetObjectAnnotationOutput, GetObjectAnnotationRequest,
    ListObjectAnnotations, ListObjectAnnotationsOutput, ListObjectAnnotationsRequest, PutObjectAnnotation,
    PutObjectAnnotationOutput, PutObjectAnnotationRequest, ReplicationStatus, ServerSideEncryption,
};
use service::{
    Access, ApiError, ByteStream, Context, Key, Page, Range, Timestamp, decode_token, encode_token, from_record,
    operation,
};

use super::write::now;
use super::{bucket_of, charge, find, load, on_existing, on_object, root};
use crate::annotation::{self, Annotation, MAX_SIZE, check_name, check_prefix, set_key, text_of};
use crate::blob::{Place, receive};
use crate::checksum::Algorithm;
use crate::integrity::{Integrity, show, stated};
use crate::lock::{Guard, protected};
use crate::precondition::names_etag;
use crate::store::{Object, bucket_in};
use crate::{Error, S3, encryption};

/// `action` on the version that a request names.
fn access(cx: &Context, action: &str, bucket: &str, key: &str, id: Option<&str>) -> Result<Access, Error> {
    on_existing(cx, action, bucket, key, id)
}

fn encrypted_as(object: &Object) -> Option<ServerSideEncryption> {
    Some(object.kms.as_ref().map_or(ServerSideEncryption::Aes256, |kms| kms.method.as_str().into()))
}

/// What a change asks of the version: that it is the one that the client means, and that its key is not only the client's.
fn check_object(object: &Object, if_match: Option<&str>) -> Result<(), Error> {
    if if_match.is_some_and(|list| !names_etag(list, &object.etag)) {
        return Err(Error::precondition_failed("x-amz-object-if-match"));
    }
    if object.customer_key.is_some() {
        let text = "Annotations are not supported for objects encrypted with SSE-C.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    Ok(())
}

operation! {
    S3, PutObjectAnnotation,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        access(cx, "s3:PutObjectAnnotation", &request.bucket, &request.key, id).map(|one| vec![one])
    },
    handler: put_object_annotation
}

async fn put_object_annotation(
    s3: &S3,
    cx: &Context,
    request: PutObjectAnnotationRequest,
) -> Result<PutObjectAnnotationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let (key, name, id) = (&request.key, &request.annotation_name, request.version_id.as_deref());
    check_name(name)?;
    let seen = find(s3, cx, &cx.store().snapshot(), &bucket.name, key, id)?;
    check_object(&seen, request.object_if_match.as_deref())?;
    let stated = stated!(request);
    let integrity =
        Integrity::new(stated, request.checksum_algorithm.as_ref(), request.content_md5.clone(), Algorithm::Crc64Nvme)?;
    let text = text_of(request.annotation_payload).await?;
    let data_key = encryption::unlock(cx, (&bucket.name, key), &seen, None)?;
    let (body, hashers) = (Some(ByteStream::from(text)), integrity.hashers());
    let mut received = receive(Place::of(&cx.cloud), cx.random(), body, MAX_SIZE, hashers, data_key.as_ref()).await?;
    let annotation = Annotation {
        size: received.size,
        etag: encryption::etag(received.md5, None, seen.kms.as_ref()),
        modified: now(cx),
        checksum: integrity.verify(&mut received)?,
        body: received.draft.segments.clone(),
    };
    let (object, replaced) = cx.store().write(|tx| {
        let bucket = bucket_in(tx, &bucket.name)?;
        let mut object = load(tx, &bucket.name, key, id)?;
        check_object(&object, request.object_if_match.as_deref())?;
        if object.kms != seen.kms {
            let text = "A conflicting operation occurred during this request. Please try again.";
            return Err(ApiError::new(409, "ConditionalRequestConflict", text).into());
        }
        received.draft.commit(tx);
        let replaced = annotation::enter(tx, cx, &mut object, name, &annotation)?;
        if !replaced.is_empty() && object.lock.guard(cx.now()) != Guard::Free {
            return Err(protected());
        }
        s3.described(tx, cx, &bucket, key, &mut object, Some("ObjectAnnotation:Put"))?;
        Ok((object, replaced))
    })?;
    received.draft.keep();
    s3.blobs.remove(root(cx), &replaced);
    let mut output = PutObjectAnnotationOutput {
        key: Some(key.clone()),
        annotation_name: Some(name.clone()),
        object_version_id: object.shown_version(),
        e_tag: Some(format!("\"{}\"", annotation.etag)),
        checksum_type: Some(ChecksumType::FullObject),
        server_side_encryption: encrypted_as(&object),
        request_charged,
        ..PutObjectAnnotationOutput::default()
    };
    show!(output, Some(&annotation.checksum));
    Ok(output)
}

operation! {
    S3, GetObjectAnnotation,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        access(cx, "s3:GetObjectAnnotation", &request.bucket, &request.key, id).map(|one| vec![one])
    },
    handler: get_object_annotation
}

async fn get_object_annotation(
    s3: &S3,
    cx: &Context,
    request: GetObjectAnnotationRequest,
) -> Result<GetObjectAnnotationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let (key, name) = (&request.key, &request.annotation_name);
    loop {
        let snapshot = cx.store().snapshot();
        let object = find(s3, cx, &snapshot, &bucket.name, key, request.version_id.as_deref())?;
        let annotation = annotation::find(&snapshot, &object, name)?;
        let annotation = annotation.ok_or_else(|| Error::no_such_annotation(key, name))?;
        let data_key = encryption::unlock(cx, (&bucket.name, key), &object, None)?;
        // One that is replaced at this moment is looked up again.
        let body = annotation::open(&s3.blobs, cx, &snapshot, &annotation, data_key.as_ref())?;
        let Some(body) = body else { continue };
        let mut output = GetObjectAnnotationOutput {
            annotation_payload: Some(body),
            object_version_id: object.shown_version(),
            last_modified: Some(Timestamp::from_millis(annotation.modified)),
            content_length: i64::try_from(annotation.size).ok(),
            e_tag: Some(format!("\"{}\"", annotation.etag)),
            server_side_encryption: encrypted_as(&object),
            replication_status: object.replication.as_deref().map(ReplicationStatus::from),
            request_charged,
            ..GetObjectAnnotationOutput::default()
        };
        if request.checksum_mode.is_some() {
            output.checksum_type = Some(ChecksumType::FullObject);
            show!(output, Some(&annotation.checksum));
        }
        return Ok(output);
    }
}

operation! {
    S3, ListObjectAnnotations,
    access: |_, cx, request| {
        let id = request.version_id.as_deref();
        access(cx, "s3:ListObjectAnnotations", &request.bucket, &request.key, id).map(|one| vec![one])
    },
    handler: list_object_annotations
}

async fn list_object_annotations(
    s3: &S3,
    cx: &Context,
    request: ListObjectAnnotationsRequest,
) -> Result<ListObjectAnnotationsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let limit = request.max_annotation_results.unwrap_or(1000);
    let prefix = request.annotation_prefix.as_deref().unwrap_or_default();
    check_prefix(prefix)?;
    let snapshot = cx.store().snapshot();
    let object = find(s3, cx, &snapshot, &bucket.name, &request.key, request.version_id.as_deref())?;
    let set = object.annotations.clone().unwrap_or_default();
    let base = set_key(&set.id);
    let after = request.continuation_token.as_deref().map(|token| {
        decode_token(token).filter(|after| after.starts_with(base.as_slice())).ok_or_else(|| {
            Error::invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
        })
    });
    let after = after.transpose()?;
    // A text part ends with two bytes, which the prefix does not have.
    let mut begin = Vec::from(base.clone().text(prefix));
    begin.truncate(begin.len() - 2);
    let size = usize::try_from(limit).unwrap_or_default();
    let page = Page::read(&snapshot, Range::prefix(begin), after.as_deref(), size, |key, record| {
        let annotation: Annotation = from_record(record)?;
        let (name, _) = Key::read_text(key, base.as_slice().len()).unwrap_or_default();
        Ok::<_, Error>(Some(AnnotationEntry {
            annotation_name: name,
            last_modified: Timestamp::from_millis(annotation.modified),
            e_tag: Some(format!("\"{}\"", annotation.etag)),
            checksum_algorithm: Some(vec![ChecksumAlgorithm::from(annotation.checksum.algorithm.name())]),
            size: i64::try_from(annotation.size).unwrap_or_default(),
            replication_status: object.replication.as_deref().map(ReplicationStatus::from),
        }))
    })?;
    Ok(ListObjectAnnotationsOutput {
        annotation_count: i32::try_from(page.items.len()).ok(),
        annotations: Some(page.items),
        bucket: Some(bucket.name.clone()),
        object_version_id: object.shown_version(),
        key: Some(request.key),
        annotation_prefix: request.annotation_prefix,
        max_annotation_results: Some(limit),
        continuation_token: request.continuation_token,
        next_continuation_token: page.next.map(|key| encode_token(&key)),
        request_charged,
    })
}

operation! {
    S3, DeleteObjectAnnotation,
    access: |_, cx, request| (|| {
        let id = request.version_id.as_deref();
        let mut all = vec![access(cx, "s3:DeleteObjectAnnotation", &request.bucket, &request.key, id)?];
        if request.bypass_governance_retention == Some(true) {
            all.push(on_object(cx, "s3:BypassGovernanceRetention", &request.bucket, &request.key)?);
        }
        Ok::<_, Error>(all)
    })(),
    handler: delete_object_annotation
}

async fn delete_object_annotation(
    s3: &S3,
    cx: &Context,
    request: DeleteObjectAnnotationRequest,
) -> Result<DeleteObjectAnnotationOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let (key, name, id) = (&request.key, &request.annotation_name, request.version_id.as_deref());
    check_name(name)?;
    find(s3, cx, &cx.store().snapshot(), &bucket.name, key, id)?;
    let (object, removed) = cx.store().write(|tx| {
        let bucket = bucket_in(tx, &bucket.name)?;
        let mut object = load(tx, &bucket.name, key, id)?;
        if request.object_if_match.as_ref().is_some_and(|list| !names_etag(list, &object.etag)) {
            return Err(Error::precondition_failed("x-amz-object-if-match"));
        }
        match object.lock.guard(cx.now()) {
            Guard::Free => {}
            Guard::Governance if request.bypass_governance_retention == Some(true) => {}
            _ => return Err(protected()),
        }
        let removed = annotation::remove(tx, &mut object, name)?;
        if !removed.is_empty() {
            s3.described(tx, cx, &bucket, key, &mut object, Some("ObjectAnnotation:Delete"))?;
        }
        Ok((object, removed))
    })?;
    s3.blobs.remove(root(cx), &removed);
    Ok(DeleteObjectAnnotationOutput { object_version_id: object.shown_version(), request_charged })
}
