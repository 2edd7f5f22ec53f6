//! Annotations: named texts that are attached to versions of objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/annotations-overview.html>
//!
//! - They belong to one version and go with it; they have no versions of their own.
//! - A version knows the set that its annotations are kept under, and how many there are. The bodies are kept as those of
//!   objects are, and are encrypted with the data key of the version where that has one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use service::{ByteStream, Bytes, Context, Key, Range, Snapshot, StoreError, Transaction, from_record, to_record};

use crate::Error;
use crate::blob::{Blobs, Draft, Place, duplicate, forget, receive};
use crate::checksum::{Checksum, Hasher};
use crate::cipher;
use crate::range::Span;
use crate::store::{Object, Segment};

/// The most annotations of a version.
pub const MAX_COUNT: u32 = 1000;
/// The most bytes of one.
pub const MAX_SIZE: u64 = 1024 * 1024;
const MAX_NAME: usize = 512;

/// What a version knows of its annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    pub id: String,
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    pub size: u64,
    pub etag: String,
    /// Milliseconds since the epoch.
    pub modified: i64,
    pub checksum: Checksum,
    pub body: Vec<Segment>,
}

pub fn set_key(set: &str) -> Key {
    Key::new("s3/annotation").text(set)
}

pub fn key_of(set: &str, name: &str) -> Key {
    set_key(set).text(name)
}

pub fn check_name(name: &str) -> Result<(), Error> {
    let lower = name.to_ascii_lowercase();
    if name.len() > MAX_NAME {
        return Err(Error::AnnotationNameTooLong("The annotation name exceeds 512 bytes.".to_owned()));
    }
    if name.is_empty() || lower.starts_with("aws") || lower.starts_with("s3") || name.contains(char::is_control) {
        return Err(Error::InvalidAnnotationName("The annotation name you provided is invalid.".to_owned()));
    }
    Ok(())
}

pub fn check_prefix(prefix: &str) -> Result<(), Error> {
    match prefix.len() > MAX_NAME || prefix.contains(char::is_control) {
        true => Err(Error::InvalidPrefix("The annotation prefix you provided is invalid.".to_owned())),
        false => Ok(()),
    }
}

pub fn find(snapshot: &Snapshot, object: &Object, name: &str) -> Result<Option<Annotation>, StoreError> {
    let Some(set) = &object.annotations else { return Ok(None) };
    snapshot.get(key_of(&set.id, name).as_slice())?.map(|record| from_record(&record)).transpose()
}

/// Enters an annotation of a version; one of the same name is replaced. The caller saves the version. Returns what was
/// replaced.
pub fn enter(
    tx: &mut Transaction<'_>,
    cx: &Context,
    object: &mut Object,
    name: &str,
    annotation: &Annotation,
) -> Result<Vec<Segment>, Error> {
    let set = object.annotations.get_or_insert_with(|| Set { id: cx.random().hex(32), count: 0 });
    let place = key_of(&set.id, name);
    let replaced = match tx.get(place.as_slice())? {
        Some(record) => from_record::<Annotation>(&record)?.body,
        None if set.count >= MAX_COUNT => {
            let text = "The request would exceed the maximum number of annotations allowed per object.";
            return Err(Error::AnnotationLimitExceeded(text.to_owned()));
        }
        None => {
            set.count += 1;
            Vec::new()
        }
    };
    forget(tx, &replaced);
    tx.put(place, to_record(annotation)?);
    Ok(replaced)
}

/// Removes an annotation; the caller saves the version. Returns its body.
pub fn remove(tx: &mut Transaction<'_>, object: &mut Object, name: &str) -> Result<Vec<Segment>, Error> {
    let Some(set) = &mut object.annotations else { return Ok(Vec::new()) };
    let place = key_of(&set.id, name);
    let Some(record) = tx.get(place.as_slice())? else { return Ok(Vec::new()) };
    let annotation: Annotation = from_record(&record)?;
    set.count = set.count.saturating_sub(1);
    forget(tx, &annotation.body);
    tx.delete(place);
    if set.count == 0 {
        object.annotations = None;
    }
    Ok(annotation.body)
}

/// Lets go of everything that a version is made of: its body and its annotations. Returns the pieces.
pub fn release(tx: &mut Transaction<'_>, object: &Object) -> Result<Vec<Segment>, StoreError> {
    let mut pieces = object.body.clone();
    forget(tx, &object.body);
    if let Some(set) = &object.annotations {
        for (key, record) in tx.scan(Range::prefix(set_key(&set.id)), usize::MAX)? {
            let annotation: Annotation = from_record(&record)?;
            forget(tx, &annotation.body);
            pieces.extend(annotation.body);
            tx.delete(key);
        }
    }
    Ok(pieces)
}

/// The annotations of a version, made ready for another one. Entered in the transaction that writes that.
#[derive(Default)]
pub struct Copies(Vec<(String, Annotation, Draft)>);

impl Copies {
    /// Copies what `object` has: files are linked where neither side is encrypted. `None` where something was removed
    /// meanwhile.
    pub async fn make(
        blobs: &Arc<Blobs>,
        cx: &Context,
        snapshot: &Snapshot,
        object: &Object,
        (from, to): (Option<&cipher::Key>, Option<&cipher::Key>),
    ) -> Result<Option<Copies>, Error> {
        let mut copies = Copies::default();
        let Some(set) = &object.annotations else { return Ok(Some(copies)) };
        let base = set_key(&set.id);
        let entries: Vec<_> = snapshot.scan(Range::prefix(base.clone())).collect::<Result<_, _>>()?;
        for (key, record) in entries {
            let (name, _) = Key::read_text(&key, base.as_slice().len()).unwrap_or_default();
            let mut annotation: Annotation = from_record(&record)?;
            let place = Place::of(&cx.cloud);
            let draft = if from.is_none() && to.is_none() {
                let Some(_pinned) = open(blobs, cx, snapshot, &annotation, None)? else { return Ok(None) };
                duplicate(place, cx.random(), snapshot, &annotation.body)?
            } else {
                let Some(body) = open(blobs, cx, snapshot, &annotation, from)? else { return Ok(None) };
                let hashers: Vec<Hasher> = Vec::new();
                receive(place, cx.random(), Some(body), MAX_SIZE, hashers, to).await?.draft
            };
            annotation.body = draft.segments.clone();
            copies.0.push((name, annotation, draft));
        }
        Ok(Some(copies))
    }

    /// Enters the copies for a version that has no annotations yet; the caller writes it afterwards.
    pub fn enter(&self, tx: &mut Transaction<'_>, cx: &Context, object: &mut Object) -> Result<(), Error> {
        object.annotations = None;
        for (name, annotation, draft) in &self.0 {
            draft.commit(tx);
            enter(tx, cx, object, name, annotation)?;
        }
        Ok(())
    }

    /// The transaction was committed.
    pub fn keep(self) {
        self.0.into_iter().for_each(|(_, _, draft)| draft.keep());
    }
}

/// The body of an annotation; `None` where it was removed meanwhile.
pub fn open(
    blobs: &Arc<Blobs>,
    cx: &Context,
    snapshot: &Snapshot,
    annotation: &Annotation,
    key: Option<&cipher::Key>,
) -> Result<Option<ByteStream>, Error> {
    let whole = Span { start: 0, len: annotation.size };
    blobs.open(&cx.cloud.config.files, cx.store(), snapshot, &annotation.body, whole, key)
}

/// The text of a request: not empty, not too long, and UTF-8.
pub async fn text_of(body: ByteStream) -> Result<Bytes, Error> {
    let limit = usize::try_from(MAX_SIZE).unwrap_or(usize::MAX);
    let too_large = || {
        let text = "Your proposed upload exceeds the maximum allowed size";
        let error = service::ApiError::new(400, "EntityTooLarge", text);
        Error::from(error.with("MaxSizeAllowed", MAX_SIZE.to_string()))
    };
    if body.len().is_some_and(|len| len > MAX_SIZE) {
        return Err(too_large());
    }
    let bytes = body.collect(limit).await.map_err(|error| match error.code {
        "RequestEntityTooLarge" | "EntityTooLarge" => too_large(),
        _ => Error::broken_body(error),
    })?;
    if bytes.is_empty() {
        let text = "The annotation payload must be between 1 byte and 1 MiB in size.";
        return Err(Error::InvalidRequest(text.to_owned()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => {
            let text = "The annotation payload must be valid UTF-8 encoded text.";
            Err(Error::UnsupportedMediaType(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "labels/v1", "ünï", &"x".repeat(512)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let code = |name: &str| service::ApiError::from(check_name(name).unwrap_err()).code;
        assert_eq!(code(&"é".repeat(257)), "AnnotationNameTooLong");
        for bad in ["", "aws:x", "AWSx", "S3-own", "a\nb"] {
            assert_eq!(code(bad), "InvalidAnnotationName", "{bad}");
        }
    }
}
