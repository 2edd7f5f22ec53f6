//! How an object is written in the store: what a listing shows comes first, in a few bytes that are read without the rest,
//! then everything else as JSON, and last the body where it is so small that a read of its own would cost more. A page of a
//! listing reads a thousand of these.

use bytes::Bytes;
use service::StoreError;

use crate::checksum::Algorithm;
use crate::store::{Object, Segment};

/// The format that is written.
const FORMAT: u8 = 2;
/// Without the length of the JSON, which went to the end.
const WITHOUT_BODY: u8 = 1;
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
    let place = record.len();
    record.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut record, object).map_err(|error| corrupt(error.to_string()))?;
    let len =
        u32::try_from(record.len() - place - 4).map_err(|_| corrupt("an object's record is too long".to_owned()))?;
    record[place..place + 4].copy_from_slice(&len.to_be_bytes());
    if let [Segment { bytes: Some(bytes), .. }] = object.body.as_slice() {
        record.extend_from_slice(bytes);
    }
    Ok(record)
}

pub fn decode(record: &Bytes) -> Result<Object, StoreError> {
    let (summary, rest) = read(record)?;
    let (json, body) = match record.first() {
        Some(&WITHOUT_BODY) => (rest, &[][..]),
        _ => {
            let split = rest.split_first_chunk().and_then(|(len, rest)| {
                rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX))
            });
            split.ok_or_else(|| corrupt("an object's record is cut off".to_owned()))?
        }
    };
    let mut object: Object = serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
    if let [only] = object.body.as_mut_slice()
        && !body.is_empty()
    {
        only.bytes = Some(record.slice_ref(body));
    }
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
        matches!(*format, FORMAT | WITHOUT_BODY).then_some((summary, rest))
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
            small in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..9)),
        ) {
            let algorithm = Algorithm::ALL.get(algorithm).copied();
            let checksum = algorithm.map(|algorithm| Checksum { algorithm, value: "AAAA".to_owned(), full });
            let segment = |bytes: Vec<u8>| Segment { len: 3, bytes: Some(bytes.into()), ..Segment::default() };
            let body: Vec<Segment> = small.map(segment).into_iter().collect();
            let object = Object { size, modified, etag, storage_class: class, deleted, checksum, tags, body, ..Object::default() };
            let record = Bytes::from(encode(&object).unwrap());
            prop_assert_eq!(decode(&record).unwrap(), object.clone());
            let summary = summary(&record).unwrap();
            prop_assert_eq!((summary.size, summary.modified, summary.etag), (size, modified, object.etag.as_str()));
            prop_assert_eq!(summary.checksum, algorithm.map(|algorithm| (algorithm, full)));
        }

        #[test]
        fn damaged_records_are_errors(record in proptest::collection::vec(any::<u8>(), 0..80)) {
            let record = Bytes::from(record);
            let _ = decode(&record);
            prop_assert!(decode(&record.slice(..record.len().min(20))).is_err());
        }
    }

    #[test]
    fn records_of_the_first_format_are_read() {
        let object = Object { size: 7, etag: "e".to_owned(), ..Object::default() };
        let mut record = encode(&object).unwrap();
        let json = record.iter().position(|byte| *byte == b'{').unwrap();
        record.drain(json - 4..json);
        record[0] = WITHOUT_BODY;
        assert_eq!(decode(&record.into()).unwrap(), object);
    }
}
