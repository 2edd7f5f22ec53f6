//! Writing behind the end of an object. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html>
//!
//! - The end must be where the request says it is when the write is committed: of two writers, one is refused.
//! - What is written is joined with the pieces before it that are not larger, so that many writes do not make many pieces: a
//!   byte is copied as often as the size of its piece doubles.

use s3_api::{ChecksumType, PutObjectOutput, PutObjectRequest};
use service::{ApiError, ByteStream, Bytes, Context, Snapshot, Transaction};

use crate::blob::{INLINE, Place, Received, forget, join, receive};
use crate::checksum::{Algorithm, Checksum, of_parts};
use crate::integrity::{Integrity, show, stated};
use crate::ops::{self, MAX_PUT};
use crate::precondition::check_write;
use crate::store::{Bucket, Description, Object, ObjectPart, Segment, body_key, bucket_in};
use crate::versions;
use crate::{Error, S3};

/// How often an object can be written behind its end, its parts counted in.
const MAX_PIECES: usize = 10_000;
/// Pieces are put together up to this size.
const MOST_JOINED: u64 = 8 * 1024 * 1024;

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

/// How many of the last pieces a new one of so many bytes is joined with: those of its size or less, in powers of two.
fn joined(body: &[Segment], added: u64) -> usize {
    let class = |len: u64| len.checked_ilog2().unwrap_or_default();
    let (mut size, mut count) = (added, 0);
    for segment in body.iter().rev() {
        let total = size + segment.len;
        if segment.iv.is_some() || class(segment.len) > class(size) || total > MOST_JOINED {
            break;
        }
        (size, count) = (total, count + 1);
    }
    count
}

fn last(body: &[Segment], count: usize) -> &[Segment] {
    body.get(body.len().saturating_sub(count)..).unwrap_or_default()
}

/// The new bytes together with the pieces that they are joined with, where that makes a file: written before the change
/// that puts it in their place.
struct Joined {
    pieces: Vec<Segment>,
    received: Received,
}

/// The pieces that new bytes are joined with into a file, and all of those bytes. The pieces are those of the snapshot.
fn to_join(
    s3: &S3,
    cx: &Context,
    snapshot: &Snapshot,
    body: &[Segment],
    added: &Received,
) -> Result<Option<(Vec<Segment>, ByteStream)>, Error> {
    let pieces = last(body, joined(body, added.size));
    let total = added.size + pieces.iter().map(|segment| segment.len).sum::<u64>();
    if pieces.is_empty() || total <= INLINE as u64 {
        return Ok(None);
    }
    let bytes = s3.blobs.chained(ops::root(cx), cx.store(), snapshot, pieces, &added.draft)?;
    Ok(bytes.map(|bytes| (pieces.to_vec(), bytes)))
}

/// A PutObject with `x-amz-write-offset-bytes`.
pub async fn put(
    s3: &S3,
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
    let to_join = {
        // The object may be another by now.
        let snapshot = cx.store().snapshot();
        let current = versions::current(&snapshot, &bucket.name, key)?;
        admit(current.as_ref(), offset, metadata)?;
        let body = current.map(|object| object.body).unwrap_or_default();
        to_join(s3, cx, &snapshot, &body, &received)?
    };
    let together = match to_join {
        Some((pieces, bytes)) => {
            let place = Place::of(&cx.cloud);
            let received = receive(place, cx.random(), Some(bytes), u64::MAX, Vec::new(), None).await?;
            Some(Joined { pieces, received })
        }
        None => None,
    };
    let (object, used, removed) = cx.store().write(|tx| {
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
        let together = together.as_ref().filter(|one| last(&object.body, one.pieces.len()) == one.pieces);
        let removed = match together {
            Some(Joined { pieces, received }) => {
                received.draft.commit(tx);
                forget(tx, pieces);
                object.body.truncate(object.body.len() - pieces.len());
                object.body.extend(received.draft.segments.clone());
                pieces.clone()
            }
            None => extend(tx, cx, &mut object, &received)?,
        };
        keep_apart(tx, &mut object);
        if is_new {
            versions::put(tx, cx.random(), &bucket, key, &mut object, None)?;
        } else {
            versions::save(tx, &bucket.name, key, &object)?;
        }
        Ok::<_, Error>((object, together.is_some(), removed))
    })?;
    match together.filter(|_| used) {
        Some(together) => together.received.draft.keep(),
        None => received.draft.keep(),
    }
    s3.blobs.remove(ops::root(cx), &removed);
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

/// Puts what was received behind an object's body, joined with what is small before it. Returns the pieces that are gone.
fn extend(
    tx: &mut Transaction<'_>,
    cx: &Context,
    object: &mut Object,
    received: &Received,
) -> Result<Vec<Segment>, Error> {
    received.draft.commit(tx);
    let count = joined(&object.body, received.size);
    let pieces = [last(&object.body, count), &received.draft.segments].concat();
    object.body.truncate(object.body.len() - count);
    match join(tx, cx.random(), &pieces)? {
        Some((segment, bytes)) => {
            forget(tx, &pieces);
            tx.put(body_key(&segment.id), bytes);
            object.body.push(segment);
        }
        None => object.body.extend(pieces),
    }
    Ok(Vec::new())
}

/// Only an object of one piece has it in its record.
fn keep_apart(tx: &mut Transaction<'_>, object: &mut Object) {
    for segment in &mut object.body {
        if let Some(bytes) = Option::<Bytes>::take(&mut segment.bytes) {
            tx.put(body_key(&segment.id), bytes);
        }
    }
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
    fn many_writes_make_few_pieces() {
        for size in [1, 120, 1_000, 70_000, 3_000_000] {
            let (mut body, mut copied) = (Vec::<Segment>::new(), 0);
            for _ in 0..9_999 {
                let pieces = last(&body, joined(&body, size)).to_vec();
                let before: u64 = pieces.iter().map(|segment| segment.len).sum();
                body.truncate(body.len() - pieces.len());
                body.push(Segment { len: before + size, ..Segment::default() });
                copied += before;
            }
            let total = size * 9_999;
            assert_eq!(body.iter().map(|segment| segment.len).sum::<u64>(), total);
            assert!(body.len() as u64 <= 25 + total / (MOST_JOINED / 4), "{} pieces of {size}", body.len());
            assert!(copied <= 14 * total, "{copied} bytes were copied for {total}");
        }
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
