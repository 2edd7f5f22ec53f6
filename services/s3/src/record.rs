//! How an object is written in the store: what a listing shows comes first, in a few bytes that are read without the rest,
//! and then everything else as JSON. A page of a listing reads a thousand of these.

use service::StoreError;

use crate::checksum::Algorithm;
use crate::store::Object;

/// The format of the head.
const FORMAT: u8 = 1;
const DELETED: u8 = 1;
const FULL_CHECKSUM: u8 = 2;

/// What a listing shows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary<'a> {
    pub size: u64,
    /// Milliseconds since the epoch.
    pub modified: i64,
    /// Without its quotes.
    pub etag: &'a str,
    pub storage_class: Option<&'a str>,
    /// The algorithm, and whether the checksum is of the whole object.
    pub checksum: Option<(Algorithm, bool)>,
    deleted: bool,
}

pub fn encode(object: &Object) -> Result<Vec<u8>, StoreError> {
    let mut record = Vec::with_capacity(512);
    let checksum = object.checksum.as_ref();
    let full = checksum.is_some_and(|checksum| checksum.full);
    let algorithm = checksum.map_or("", |checksum| checksum.algorithm.name());
    record.push(FORMAT);
    record.extend_from_slice(&object.size.to_be_bytes());
    record.extend_from_slice(&object.modified.to_be_bytes());
    record.push(if object.deleted { DELETED } else { 0 } | if full { FULL_CHECKSUM } else { 0 });
    for text in [object.etag.as_str(), object.storage_class.as_deref().unwrap_or_default(), algorithm] {
        let len = u8::try_from(text.len()).map_err(|_| corrupt(format!("{text} is too long")))?;
        record.push(len);
        record.extend_from_slice(text.as_bytes());
    }
    serde_json::to_writer(&mut record, object).map_err(|error| corrupt(error.to_string()))?;
    Ok(record)
}

pub fn decode(record: &[u8]) -> Result<Object, StoreError> {
    let (summary, rest) = read(record)?;
    let object: Object = serde_json::from_slice(rest).map_err(|error| corrupt(error.to_string()))?;
    Ok(Object {
        size: summary.size,
        etag: summary.etag.to_owned(),
        modified: summary.modified,
        storage_class: summary.storage_class.map(str::to_owned),
        deleted: summary.deleted,
        ..object
    })
}

/// The head alone.
pub fn summary(record: &[u8]) -> Result<Summary<'_>, StoreError> {
    read(record).map(|(summary, _)| summary)
}

fn read(record: &[u8]) -> Result<(Summary<'_>, &[u8]), StoreError> {
    let parsed = || {
        let (format, rest) = record.split_first()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (modified, rest) = rest.split_first_chunk::<8>()?;
        let (flags, rest) = rest.split_first()?;
        let (etag, rest) = text(rest)?;
        let (storage_class, rest) = text(rest)?;
        let (algorithm, rest) = text(rest)?;
        let summary = Summary {
            size: u64::from_be_bytes(*size),
            modified: i64::from_be_bytes(*modified),
            etag,
            storage_class: Some(storage_class).filter(|class| !class.is_empty()),
            checksum: Algorithm::parse(algorithm).map(|algorithm| (algorithm, flags & FULL_CHECKSUM != 0)),
            deleted: flags & DELETED != 0,
        };
        (*format == FORMAT).then_some((summary, rest))
    };
    parsed().ok_or_else(|| corrupt("an object's record has another form".to_owned()))
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn corrupt(text: String) -> StoreError {
    StoreError::Corrupt(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checksum::Checksum;

    proptest! {
        #[test]
        fn records_round_trip(
            size: u64, modified: i64, etag in "[0-9a-f]{32}(-[0-9]{1,5})?", class in proptest::option::of("[A-Z_]{1,20}"),
            deleted: bool, full: bool, algorithm in 0..11usize, tags in proptest::collection::btree_map(".{1,5}", ".{0,5}", 0..4),
        ) {
            let algorithm = Algorithm::ALL.get(algorithm).copied();
            let checksum = algorithm.map(|algorithm| Checksum { algorithm, value: "AAAA".to_owned(), full });
            let object = Object { size, modified, etag, storage_class: class, deleted, checksum, tags, ..Object::default() };
            let record = encode(&object).unwrap();
            prop_assert_eq!(decode(&record).unwrap(), object.clone());
            let summary = summary(&record).unwrap();
            prop_assert_eq!((summary.size, summary.modified, summary.etag), (size, modified, object.etag.as_str()));
            prop_assert_eq!(summary.checksum, algorithm.map(|algorithm| (algorithm, full)));
        }

        #[test]
        fn damaged_records_are_errors(record in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&record);
            prop_assert!(decode(&record[..record.len().min(20)]).is_err());
        }
    }
}
