//! Multipart uploads: begun, completed, aborted, listed. Their parts are in [`super::part`].

use md5::{Digest as _, Md5};
use s3_api::{
    AbortMultipartUpload, AbortMultipartUploadOutput, AbortMultipartUploadRequest, ChecksumAlgorithm, ChecksumType,
    CommonPrefix, CompleteMultipartUpload, CompleteMultipartUploadOutput, CompleteMultipartUploadRequest,
    CompletedPart, CreateMultipartUpload, CreateMultipartUploadOutput, CreateMultipartUploadRequest, Initiator,
    ListMultipartUploads, ListMultipartUploadsOutput, ListMultipartUploadsRequest, MultipartUpload,
    ServerSideEncryption, StorageClass,
};
use service::{Context, Range, Timestamp, Transaction, from_record, operation, to_record};

use super::list::{Naming, page_size};
use super::write::{asked, creation, description, now};
use super::{abortion, bucket_of, charge, check_key, expiration, on_bucket, on_object, owner, root};
use crate::blob::forget;
use crate::bucket::canonical_id;
use crate::checksum::{Algorithm, Checksum, of_parts};
use crate::directory::{self, listing, refuse};
use crate::encryption::show_encryption;
use crate::integrity::{self, show, stated};
use crate::listing::{Query, beyond, uploads_below};
use crate::precondition::check_write;
use crate::store::{
    Object, ObjectPart, Part, Segment, Upload, load_bucket, load_part, load_upload, parts_key, upload_key,
};
use crate::{Error, S3};
use crate::{tagging, versions};

/// Every part but the last has at least this many bytes.
const MIN_PART: u64 = 5 * 1024 * 1024;
const MAX_PARTS: usize = 10_000;
/// The length of an upload's id, and how much of it tells the time.
const ID_LENGTH: usize = 128;
const TIME: usize = 9;
const ORDER: &str = "The list of parts was not in ascending order. Parts must be ordered by part number.";

pub(super) fn checksum_type(full: bool) -> ChecksumType {
    if full { ChecksumType::FullObject } else { ChecksumType::Composite }
}

/// Whether the checksum is of the whole object: a CRC can be, and CRC64NVME always is.
fn is_full(algorithm: Option<Algorithm>, asked: Option<&ChecksumType>) -> Result<bool, Error> {
    let unsupported = |algorithm: Algorithm, kind: &str| {
        let name = algorithm.name().to_ascii_lowercase();
        Error::InvalidRequest(format!("The {kind} checksum type cannot be used with the {name} checksum algorithm."))
    };
    match (algorithm, asked.map(ChecksumType::as_str)) {
        (None, Some(_)) => Err(Error::InvalidRequest(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.".to_owned(),
        )),
        (None, None) => Ok(true),
        (Some(Algorithm::Crc64Nvme), Some("COMPOSITE")) => Err(unsupported(Algorithm::Crc64Nvme, "COMPOSITE")),
        (Some(algorithm), Some("FULL_OBJECT")) if !algorithm.combines() => Err(unsupported(algorithm, "FULL_OBJECT")),
        (Some(algorithm), asked) => Ok(algorithm == Algorithm::Crc64Nvme || asked == Some("FULL_OBJECT")),
    }
}

/// A new id. Those of one key sort by the time of their beginning, as listings show them.
fn upload_id(cx: &Context) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = u64::try_from(cx.now().millis()).unwrap_or_default();
    let mut time = [b'0'; TIME];
    for digit in time.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 62).unwrap_or_default()];
        rest /= 62;
    }
    format!("{}{}", String::from_utf8_lossy(&time), cx.random().alphanumeric(ID_LENGTH - TIME))
}

operation! {
    S3, CreateMultipartUpload,
    access: |_, cx, request| {
        let all = asked!(request).access(cx, &request.bucket, &request.key);
        all.map(|all| all.into_iter().map(|access| creation!(access, false)).collect())
    },
    handler: create_multipart_upload
}

async fn create_multipart_upload(
    _: &S3,
    cx: &Context,
    request: CreateMultipartUploadRequest,
) -> Result<CreateMultipartUploadOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    check_key(&request.key)?;
    let asked = asked!(&request);
    let settings = asked.settings(cx, &bucket, &request.key)?;
    refuse::headers(&bucket, &[("x-amz-website-redirect-location", request.website_redirect_location.is_some())])?;
    let algorithm = integrity::algorithm(request.checksum_algorithm.as_ref())?;
    let upload = Upload {
        id: upload_id(cx),
        key: request.key.clone(),
        initiated: now(cx),
        initiator: cx.principal().arn(),
        description: description!(&request)?,
        tags: tagging::of_header(request.tagging.as_deref())?,
        storage_class: settings.storage_class,
        algorithm,
        full: is_full(algorithm, request.checksum_type.as_ref())?,
        lock: settings.lock,
        acl: settings.acl,
        customer_key: settings.encryption.customer,
        kms: settings.encryption.kms,
    };
    cx.store().write(|tx| {
        load_bucket(tx, &bucket.name)?;
        tx.put(upload_key(&bucket.name, &upload.key, &upload.id), to_record(&upload)?);
        Ok::<_, Error>(())
    })?;
    let (abort_date, abort_rule_id) = abortion(cx, &bucket, &upload)?.unzip();
    let mut output = CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(bucket.name.clone()),
        key: Some(request.key),
        upload_id: Some(upload.id.clone()),
        checksum_type: algorithm.map(|_| checksum_type(upload.full)),
        checksum_algorithm: request.checksum_algorithm,
        ssekms_encryption_context: asked.encryption.context,
        request_charged,
        ..CreateMultipartUploadOutput::default()
    };
    show_encryption!(output, upload.kms.as_ref(), settings.encryption.md5);
    Ok(output)
}

operation! {
    S3, CompleteMultipartUpload,
    access: |_, cx, request| {
        let access = on_object(cx, "s3:PutObject", &request.bucket, &request.key);
        access.map(|access| vec![creation!(access, true, request)])
    },
    handler: complete_multipart_upload
}

async fn complete_multipart_upload(
    s3: &S3,
    cx: &Context,
    request: CompleteMultipartUploadRequest,
) -> Result<CompleteMultipartUploadOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let request_charged = charge(cx, &bucket, request.request_payer.as_ref())?;
    let Some(listed) = &request.multipart_upload else {
        return Err(Error::InvalidRequest("You must specify at least one part".to_owned()));
    };
    let listed = listed.parts.as_deref().unwrap_or_default();
    if listed.is_empty() || listed.len() > MAX_PARTS {
        return Err(Error::malformed_xml());
    }
    if listed.iter().any(|part| part.part_number.is_none() || part.e_tag.is_none()) {
        return Err(Error::malformed_xml());
    }
    let numbers: Vec<i32> = listed.iter().map(|part| part.part_number.unwrap_or_default()).collect();
    if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Error::InvalidPartOrder(ORDER.to_owned()));
    }
    let (name, key, id) = (&bucket.name, &request.key, &request.upload_id);
    let (object, removed) = cx.store().write(|tx| {
        let bucket = load_bucket(tx, name)?;
        let upload = match load_upload(tx, name, key, id) {
            Ok(upload) => upload,
            // Completing again, as after an answer that was lost, changes nothing.
            Err(error) => match versions::current(tx, name, key)? {
                Some(done) if done.upload.as_ref() == Some(id) && same_parts(&done, listed) => {
                    return Ok((done, Vec::new()));
                }
                _ => return Err(error),
            },
        };
        // Parts that are counted from one on: those of directory buckets, and those whose checksums make one.
        let consecutive = (1..).zip(&numbers).all(|(place, number)| place == *number);
        if !consecutive && (bucket.directory.is_some() || (upload.algorithm.is_some() && !upload.full)) {
            return Err(Error::InvalidPartOrder(ORDER.to_owned()));
        }
        let parts = chosen_parts(tx, &upload, listed)?;
        let mut object = assemble(cx, &upload, &parts)?;
        object.etag = directory::etag(cx, &bucket, object.etag);
        check_claims(&request, &object)?;
        let current = versions::current(tx, name, key)?;
        check_write(request.if_match.as_deref(), request.if_none_match.as_deref(), key, current.as_ref())?;
        let mut removed = Vec::new();
        // Parts that were uploaded but not listed go.
        for (key, record) in tx.scan(Range::prefix(parts_key(id)), usize::MAX)? {
            let part: Part = from_record(&record)?;
            if !numbers.contains(&part.number) {
                removed.extend(part.body);
            }
            tx.delete(key);
        }
        forget(tx, &removed);
        tx.delete(upload_key(name, key, id));
        removed.extend(versions::put(tx, cx.random(), &bucket, key, &mut object, current)?);
        s3.written(tx, cx, &bucket, key, &mut object, "ObjectCreated:CompleteMultipartUpload")?;
        Ok::<_, Error>((object, removed))
    })?;
    s3.blobs.remove(root(cx), &removed);
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("{}/{name}/{key}", cx.cloud.config.endpoint)),
        bucket: Some(name.clone()),
        key: Some(key.clone()),
        e_tag: Some(object.quoted_etag()),
        checksum_type: object.checksum.as_ref().map(|checksum| checksum_type(checksum.full)),
        version_id: object.shown_version(),
        expiration: expiration(cx, &bucket, key, &object)?,
        request_charged,
        ..CompleteMultipartUploadOutput::default()
    };
    match &object.kms {
        Some(kms) => {
            output.server_side_encryption = Some(kms.method.as_str().into());
            output.ssekms_key_id = Some(kms.key.clone());
            output.bucket_key_enabled = kms.bucket_key.then_some(true);
        }
        None if object.customer_key.is_none() => output.server_side_encryption = Some(ServerSideEncryption::Aes256),
        None => {}
    }
    show!(output, object.checksum.as_ref());
    Ok(output)
}

/// Whether an object was made of the parts that a client lists.
fn same_parts(object: &Object, listed: &[CompletedPart]) -> bool {
    object.parts.len() == listed.len()
        && object.parts.iter().zip(listed).all(|(part, claim)| Some(part.number) == claim.part_number)
}

/// The parts that a client lists, which must be the ones that it uploaded.
fn chosen_parts(tx: &Transaction<'_>, upload: &Upload, listed: &[CompletedPart]) -> Result<Vec<Part>, Error> {
    let mut parts = Vec::with_capacity(listed.len());
    for claim in listed {
        let (number, etag) = (claim.part_number.unwrap_or_default(), claim.e_tag.as_deref().unwrap_or_default());
        let etag = etag.trim_matches('"');
        let invalid = || Error::invalid_part(&upload.id, number, etag);
        let claimed = stated!(claim);
        if let Some(algorithm) = upload.algorithm.filter(|_| !upload.full && claimed.is_empty()) {
            let name = algorithm.name().to_ascii_lowercase();
            let text = format!(
                "The upload was created using a {name} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request."
            );
            return Err(Error::InvalidRequest(text));
        }
        let part = load_part(tx, &upload.id, number)?.ok_or_else(invalid)?;
        if etag != part.etag {
            return Err(invalid());
        }
        let differs = |(algorithm, value): &(Algorithm, String)| {
            *algorithm != part.checksum.algorithm || *value != part.checksum.value
        };
        if claimed.iter().any(differs) {
            return Err(invalid());
        }
        parts.push(part);
    }
    let mut before_last = parts.iter().take(parts.len().saturating_sub(1));
    match before_last.find(|part| part.size < MIN_PART) {
        Some(small) => Err(Error::entity_too_small(small.size, small.number, &small.etag)),
        None => Ok(parts),
    }
}

/// The object that parts make up: their bodies one after another.
fn assemble(cx: &Context, upload: &Upload, parts: &[Part]) -> Result<Object, Error> {
    let mut md5 = Md5::new();
    for part in parts {
        let bytes: Vec<u8> = (0..part.etag.len())
            .step_by(2)
            .filter_map(|at| u8::from_str_radix(part.etag.get(at..at + 2)?, 16).ok())
            .collect();
        md5.update(&bytes);
    }
    let digest: [u8; 16] = md5.finalize().into();
    let values: Vec<(String, u64)> = parts.iter().map(|part| (part.checksum.value.clone(), part.size)).collect();
    let checksum: Option<Checksum> = of_parts(upload.algorithm.unwrap_or(Algorithm::Crc64Nvme), upload.full, &values);
    Ok(Object {
        size: parts.iter().map(|part| part.size).sum(),
        etag: format!("{}-{}", service::hex(&digest), parts.len()),
        modified: now(cx),
        description: upload.description.clone(),
        tags: upload.tags.clone(),
        storage_class: upload.storage_class.clone(),
        checksum,
        parts: (parts.iter())
            .map(|part| ObjectPart {
                number: part.number,
                size: part.size,
                checksum: upload.algorithm.map(|_| part.checksum.value.clone()),
            })
            .collect(),
        body: parts.iter().flat_map(|part| part.body.clone()).collect::<Vec<Segment>>(),
        lock: upload.lock.clone(),
        customer_key: upload.customer_key.clone(),
        kms: upload.kms.clone(),
        upload: Some(upload.id.clone()),
        acl: upload.acl.clone(),
        ..Object::default()
    })
}

/// What the client says of the whole must be so.
fn check_claims(request: &CompleteMultipartUploadRequest, object: &Object) -> Result<(), Error> {
    let checksum = object.checksum.as_ref();
    if let Some(kind) = &request.checksum_type
        && checksum.is_some_and(|checksum| checksum_type(checksum.full) != *kind)
    {
        let text = format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            checksum.map_or("", |checksum| if checksum.full { "FULL_OBJECT" } else { "COMPOSITE" })
        );
        return Err(Error::InvalidRequest(text));
    }
    for (algorithm, value) in stated!(request) {
        if checksum.is_none_or(|checksum| checksum.algorithm != algorithm || checksum.value != value) {
            let name = algorithm.name().to_ascii_lowercase();
            return Err(Error::BadDigest(format!("The {name} you specified did not match the calculated checksum.")));
        }
    }
    if request.mpu_object_size.is_some_and(|size| u64::try_from(size) != Ok(object.size)) {
        let given = request.mpu_object_size.unwrap_or_default();
        let text = format!(
            "The provided 'x-amz-mp-object-size' header value {given} does not match what was computed: {}",
            object.size
        );
        return Err(Error::InvalidRequest(text));
    }
    Ok(())
}

operation! {
    S3, AbortMultipartUpload,
    access: |_, cx, request| {
        on_object(cx, "s3:AbortMultipartUpload", &request.bucket, &request.key).map(|access| vec![access])
    },
    handler: abort_multipart_upload
}

async fn abort_multipart_upload(
    s3: &S3,
    cx: &Context,
    request: AbortMultipartUploadRequest,
) -> Result<AbortMultipartUploadOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let removed = cx.store().write(|tx| {
        let upload = load_upload(tx, &bucket.name, &request.key, &request.upload_id)?;
        if request.if_match_initiated_time.is_some_and(|time| time.secs() != upload.initiated.div_euclid(1000)) {
            return Err(Error::precondition_failed("x-amz-if-match-initiated-time"));
        }
        tx.delete(upload_key(&bucket.name, &upload.key, &upload.id));
        drop_parts(tx, &upload.id)
    })?;
    s3.blobs.remove(root(cx), &removed);
    Ok(AbortMultipartUploadOutput::default())
}

/// Forgets the parts of an upload; returns what they were made of.
pub(crate) fn drop_parts(tx: &mut Transaction<'_>, upload: &str) -> Result<Vec<Segment>, Error> {
    let mut removed = Vec::new();
    for (key, record) in tx.scan(Range::prefix(parts_key(upload)), usize::MAX)? {
        let part: Part = from_record(&record)?;
        forget(tx, &part.body);
        removed.extend(part.body);
        tx.delete(key);
    }
    Ok(removed)
}

operation! {
    S3, ListMultipartUploads,
    access: |_, cx, request| {
        on_bucket(cx, "s3:ListBucketMultipartUploads", &request.bucket).map(|access| vec![access])
    },
    handler: list_multipart_uploads
}

async fn list_multipart_uploads(
    _: &S3,
    cx: &Context,
    request: ListMultipartUploadsRequest,
) -> Result<ListMultipartUploadsOutput, Error> {
    let bucket = bucket_of(cx, &request.bucket, request.expected_bucket_owner.as_deref())?;
    let limit = page_size(request.max_uploads, "max-uploads", "max-uploads")?;
    let prefix = request.prefix.clone().unwrap_or_default();
    let delimiter = request.delimiter.clone().unwrap_or_default();
    let naming = Naming::new(request.encoding_type.as_ref());
    listing::check(&bucket, &prefix, &delimiter)?;
    let id_marker = request.upload_id_marker.clone().unwrap_or_default();
    listing::refuse(&bucket, !id_marker.is_empty())?;
    let shown_marker = request.key_marker.clone().unwrap_or_default();
    let (key_marker, id_marker) = listing::read_marker(&bucket, &shown_marker, &id_marker)?;
    let general = bucket.directory.is_none() && !key_marker.is_empty() && !id_marker.is_empty();
    if general && (id_marker.len() != ID_LENGTH || !id_marker.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        return Err(Error::invalid_argument("Invalid uploadId marker", "upload-id-marker", &id_marker));
    }
    let mut uploads: Vec<MultipartUpload> = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let (mut last, mut last_upload) = ((String::new(), String::new()), (String::new(), String::new()));
    let mut truncated = false;
    let query = Query { prefix: prefix.clone(), delimiter: delimiter.clone(), ..Query::default() };
    let whole = Range::prefix(uploads_below(&bucket.name, &prefix));
    let mut from = whole.clone();
    if key_marker >= prefix {
        // A common prefix that the marker lies in was listed.
        let listed = query.common_prefix(&key_marker).filter(|_| key_marker.starts_with(&prefix));
        from = match listed {
            Some(common) => beyond(&whole, uploads_below(&bucket.name, common)),
            None => from.starting_at(uploads_below(&bucket.name, &key_marker)),
        };
    }
    let snapshot = cx.store().snapshot();
    'seek: loop {
        for entry in snapshot.scan(from) {
            let upload: Upload = from_record(&entry?.1)?;
            let after =
                upload.key > key_marker || (upload.key == key_marker && !id_marker.is_empty() && upload.id > id_marker);
            if !(key_marker.is_empty() || after) {
                continue;
            }
            let common = query.common_prefix(&upload.key).map(str::to_owned);
            if uploads.len() + prefixes.len() == usize::try_from(limit).unwrap_or_default() {
                truncated = limit > 0;
                break 'seek;
            }
            match common {
                // What else it stands for is passed over.
                Some(common) => {
                    from = beyond(&whole, uploads_below(&bucket.name, &common));
                    last = (common.clone(), String::new());
                    prefixes.push(common);
                    continue 'seek;
                }
                None => {
                    last = (upload.key.clone(), upload.id.clone());
                    last_upload = last.clone();
                    uploads.push(show_upload(upload, naming, &bucket.account));
                }
            }
        }
        break;
    }
    if !truncated && bucket.directory.is_none() {
        last = last_upload;
    }
    Ok(ListMultipartUploadsOutput {
        bucket: Some(bucket.name.clone()),
        key_marker: Some(naming.write(&shown_marker)),
        upload_id_marker: bucket.directory.is_none().then_some(id_marker),
        // Without another page, the markers are those of the last upload.
        next_key_marker: match bucket.directory {
            Some(_) => truncated.then(|| listing::write_marker(&last.0, &last.1)),
            None => Some(naming.write(&last.0)),
        },
        next_upload_id_marker: bucket.directory.is_none().then_some(last.1),
        prefix: Some(naming.write(&prefix)),
        delimiter: (!delimiter.is_empty()).then(|| naming.write(&delimiter)),
        max_uploads: Some(limit),
        is_truncated: Some(truncated),
        uploads: Some(uploads),
        common_prefixes: Some(
            prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(naming.write(prefix)) }).collect(),
        ),
        encoding_type: request.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

fn show_upload(upload: Upload, naming: Naming, account: &str) -> MultipartUpload {
    MultipartUpload {
        key: Some(naming.write(&upload.key)),
        initiated: Some(Timestamp::from_millis(upload.initiated)),
        storage_class: Some(StorageClass::from(upload.storage_class.as_deref().unwrap_or("STANDARD"))),
        owner: Some(owner(account)),
        initiator: Some(initiator(&upload, account)),
        checksum_algorithm: upload.algorithm.map(|algorithm| ChecksumAlgorithm::from(algorithm.name())),
        checksum_type: upload.algorithm.map(|_| checksum_type(upload.full)),
        upload_id: Some(upload.id),
        ..MultipartUpload::default()
    }
}

/// Who began an upload: an ARN, or the canonical id of an account's root.
pub(super) fn initiator(upload: &Upload, account: &str) -> Initiator {
    let root = upload.initiator.ends_with(":root");
    let id = if root { canonical_id(account) } else { upload.initiator.clone() };
    Initiator { id: Some(id), ..Initiator::default() }
}
