//! Writing behind the end of an object. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html>
//!
//! - The end must be where the request says it is when the write is committed: of two writers, one is refused.
//! - What is small is joined with the small end that is there, so that many small writes do not make many pieces.

use s3_api::{ChecksumType, PutObjectOutput, PutObjectRequest};
use service::{ApiError, Bytes, Context, Transaction};

use crate::Error;
use crate::blob::{Place, Received, forget, join, receive};
use crate::checksum::{Algorithm, Checksum, of_parts};
use crate::integrity::{Integrity, show, stated};
use crate::ops::{self, MAX_PUT};
use crate::precondition::check_write;
use crate::store::{Bucket, Description, Object, ObjectPart, Segment, bucket_in};
use crate::versions;

/// The most pieces of an object.
const MAX_PIECES: usize = 10_000;

fn wrong_offset() -> Error {
    let text = "The write offset value that you specified does not match the current object size.";
    ApiError::new(400, "InvalidWriteOffset", text).into()
}

/// What a write at an offset can be refused for before its body is read.
fn admit(current: Option<&Object>, offset: u64, metadata: bool) -> Result<(), Error> {
    match current {
        None if offset == 0 => Ok(()),
        Some(object) if object.size != offset => Err(wrong_offset()),
        None => Err(wrong_offset()),
        Some(_) if metadata => {
            let text =
                "Cannot specify both a write offset value and user-defined object metadata for existing objects.";
            Err(Error::InvalidRequest(text.to_owned()))
        }
        Some(object) if object.parts.len().max(1) + object.appended as usize >= MAX_PIECES => {
            let text = "You have attempted to add more parts than the maximum of 10000 that are allowed for this object. You can use the CopyObject operation to copy this object to another and then add more data to the newly copied object.";
            Err(ApiError::new(400, "TooManyParts", text).into())
        }
        Some(_) => Ok(()),
    }
}

/// A PutObject with `x-amz-write-offset-bytes`.
pub async fn put(
    cx: &Context,
    bucket: &Bucket,
    request: PutObjectRequest,
    description: Description,
) -> Result<PutObjectOutput, Error> {
    let given = request.write_offset_bytes.unwrap_or_default();
    let offset = u64::try_from(given).map_err(|_| {
        let text = "The write offset must not be negative.";
        Error::invalid_argument(text, "x-amz-write-offset-bytes", &given.to_string())
    })?;
    let key = &request.key;
    let metadata = !description.metadata.is_empty();
    let current = versions::current(&cx.store().snapshot(), &bucket.name, key)?;
    let (if_match, if_none_match) = (request.if_match.as_deref(), request.if_none_match.as_deref());
    check_write(if_match, if_none_match, key, current.as_ref())?;
    admit(current.as_ref(), offset, metadata)?;
    let own = current.as_ref().and_then(|object| object.checksum.as_ref()).map(|checksum| checksum.algorithm);
    let named = ops::trailing(request.checksum_algorithm.as_ref(), request.trailer.as_deref())?;
    let stated = stated!(request);
    let says = !stated.is_empty() || named.is_some();
    let default = own.unwrap_or(Algorithm::Crc64Nvme);
    let integrity = Integrity::new(stated, named.as_ref(), None, default)?;
    if own.is_some_and(|own| says && own != integrity.algorithm()) {
        let name = |algorithm: Algorithm| algorithm.name().to_ascii_lowercase();
        let text = format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            name(default),
            name(integrity.algorithm())
        );
        return Err(Error::InvalidRequest(text));
    }
    let hashers = integrity.hashers();
    let mut received = receive(Place::of(&cx.cloud), cx.random(), request.body, MAX_PUT, hashers, None).await?;
    if received.size == 0 {
        let text = "Request body cannot be empty when 'write offset' is specified.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    let checksum = integrity.verify(&mut received)?;
    let object = cx.store().write(|tx| {
        let bucket = bucket_in(tx, &bucket.name)?;
        let current = versions::current(tx, &bucket.name, key)?;
        check_write(if_match, if_none_match, key, current.as_ref())?;
        admit(current.as_ref(), offset, metadata)?;
        let is_new = current.is_none();
        let mut object = match current {
            Some(object) => grown(object, &checksum, received.size),
            None => Object {
                description: description.clone(),
                checksum: Some(checksum.clone()),
                storage_class: super::refuse::storage_class(&bucket, None)?,
                ..Object::default()
            },
        };
        object.size += received.size;
        object.etag = cx.random().hex(32);
        object.modified = ops::now(cx);
        extend(tx, cx, &mut object, &received)?;
        if is_new {
            versions::put(tx, cx.random(), &bucket, key, &mut object, None)?;
        } else {
            versions::save(tx, &bucket.name, key, &object)?;
        }
        Ok::<_, Error>(object)
    })?;
    received.draft.keep();
    let full = object.checksum.as_ref().is_some_and(|checksum| checksum.full);
    let mut output = PutObjectOutput {
        e_tag: Some(object.quoted_etag()),
        size: i64::try_from(object.size).ok(),
        checksum_type: Some(if full { ChecksumType::FullObject } else { ChecksumType::Composite }),
        server_side_encryption: Some(s3_api::ServerSideEncryption::Aes256),
        ..PutObjectOutput::default()
    };
    show!(output, object.checksum.as_ref());
    Ok(output)
}

/// Puts what was received behind an object's body.
fn extend(tx: &mut Transaction<'_>, cx: &Context, object: &mut Object, received: &Received) -> Result<(), Error> {
    received.draft.commit(tx);
    let last = object.body.last().filter(|segment| !segment.file).cloned();
    if let (Some(last), [next]) = (&last, received.draft.segments.as_slice())
        && let Some((segment, bytes)) = join(tx, cx.random(), last, next)?
    {
        forget(tx, &[last.clone(), next.clone()]);
        tx.put(crate::store::body_key(&segment.id), bytes);
        object.body.pop();
        object.body.push(segment);
        return Ok(());
    }
    // Only an object of one piece has it in its record.
    for segment in &mut object.body {
        if let Some(bytes) = Option::<Bytes>::take(&mut segment.bytes) {
            tx.put(crate::store::body_key(&segment.id), bytes);
        }
    }
    object.body.extend::<Vec<Segment>>(received.draft.segments.clone());
    Ok(())
}

/// An object's record once so much more is behind it: its checksum is that of the whole where that follows from both, and
/// otherwise the checksum of the pieces' checksums.
fn grown(mut object: Object, added: &Checksum, size: u64) -> Object {
    object.appended += 1;
    let Some(own) = object.checksum.take() else { return object };
    let piece = |number: usize, size: u64, value: &str| ObjectPart {
        number: i32::try_from(number).unwrap_or(i32::MAX),
        size,
        checksum: Some(value.to_owned()),
    };
    if own.full && own.algorithm.combines() {
        let both = [(own.value, object.size), (added.value.clone(), size)];
        object.checksum = of_parts(own.algorithm, true, &both);
        if !object.parts.is_empty() {
            object.parts.push(piece(object.parts.len() + 1, size, &added.value));
        }
        return object;
    }
    if object.parts.is_empty() {
        object.parts.push(piece(1, object.size, &own.value));
    }
    object.parts.push(piece(object.parts.len() + 1, size, &added.value));
    let pieces: Vec<(String, u64)> =
        object.parts.iter().filter_map(|part| Some((part.checksum.clone()?, part.size))).collect();
    object.checksum = of_parts(own.algorithm, false, &pieces);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = crate::checksum::Hasher::new(algorithm);
        hasher.update(bytes);
        Checksum { algorithm, value: hasher.finish(), full: true }
    }

    #[test]
    fn checksums_grow() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let object = Object { size: 3, checksum: Some(checksum(algorithm, b"abc")), ..Object::default() };
            let grown = grown(object, &checksum(algorithm, b"defg"), 4);
            assert_eq!(grown.checksum, Some(checksum(algorithm, b"abcdefg")));
            assert_eq!((grown.appended, grown.parts.len()), (1, 0));
        }
        let object = Object { size: 3, checksum: Some(checksum(Algorithm::Sha256, b"abc")), ..Object::default() };
        let grown = grown(object, &checksum(Algorithm::Sha256, b"defg"), 4);
        let value = grown.checksum.unwrap();
        assert!(!value.full && value.value.ends_with("-2"), "{value:?}");
        assert_eq!(grown.parts.iter().map(|part| part.size).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn offsets() {
        let object = Object { size: 3, ..Object::default() };
        let code = |current: Option<&Object>, offset, metadata| match admit(current, offset, metadata) {
            Ok(()) => String::new(),
            Err(error) => ApiError::from(error).code,
        };
        assert_eq!(code(None, 0, true), "");
        assert_eq!(code(None, 1, false), "InvalidWriteOffset");
        assert_eq!(code(Some(&object), 3, false), "");
        assert_eq!(code(Some(&object), 3, true), "InvalidRequest");
        assert_eq!(code(Some(&object), 2, true), "InvalidWriteOffset");
        let full = Object { appended: 9_999, ..object };
        assert_eq!(code(Some(&full), 3, false), "TooManyParts");
    }
}
