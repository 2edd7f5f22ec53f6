//! The versions of a key.
//!
//! - The current object of a key is one record, reached in one read, and the only one that listings of objects walk.
//! - Everything else lies apart, newest first: older versions, and delete markers, be they the newest. A key without a
//!   current object has a delete marker as its newest version, or none at all.
//! - At most one version of a key has no id, the null version; where it is not current, a record says where it is.
//! - The id of a version holds its place among the key's, so that finding it is one read.

use service::{Range, Snapshot, StoreError, Transaction, to_record};

use crate::annotation::release;
use crate::record;
use crate::store::{Bucket, Object, Segment, Versioning, decode, null_key, object_key, version_key, versions_of_key};

const ID_LENGTH: usize = 32;
const RANDOM: usize = 21;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new id for the version at a place.
fn id_of(seq: u64, random: &service::Random) -> String {
    let mut id = random.alphanumeric(RANDOM);
    let mut rest = seq;
    for _ in RANDOM..ID_LENGTH {
        id.push(char::from(DIGITS[usize::try_from(rest % 62).unwrap_or_default()]));
        rest /= 62;
    }
    id
}

/// The place that an id tells; `None` where it is no id at all.
pub fn seq_of(id: &str) -> Option<u64> {
    let wellformed = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let digits = id.get(RANDOM..).filter(|_| wellformed)?;
    digits.bytes().rev().try_fold(0u64, |seq, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        Some(seq.wrapping_mul(62).wrapping_add(digit as u64))
    })
}

/// The place of a version that is written now. The time comes first, so that replicas find theirs among the versions that
/// their bucket has already; what follows makes it unlikely that two have the same.
fn place_of(now: i64, random: &service::Random) -> u64 {
    let mut noise = [0; 8];
    random.fill(&mut noise);
    let noise = u64::from_be_bytes(noise) & 0xf_ffff;
    (u64::try_from(now).unwrap_or_default() << 20 | noise).max(1)
}

/// Point reads of a snapshot or a transaction.
pub trait Read {
    fn read(&self, key: &[u8]) -> Result<Option<service::Bytes>, StoreError>;
}

impl Read for Snapshot {
    fn read(&self, key: &[u8]) -> Result<Option<service::Bytes>, StoreError> {
        self.get(key)
    }
}

impl Read for Transaction<'_> {
    fn read(&self, key: &[u8]) -> Result<Option<service::Bytes>, StoreError> {
        self.get(key)
    }
}

fn parsed(record: Option<service::Bytes>) -> Result<Option<Object>, StoreError> {
    record.map(|record| record::decode(&record)).transpose()
}

/// The current object of a key; none where a delete marker hides it.
pub fn current(read: &impl Read, bucket: &str, key: &str) -> Result<Option<Object>, StoreError> {
    parsed(read.read(object_key(bucket, key).as_slice())?)
}

/// The version of an id, which may be a delete marker.
pub fn version(read: &impl Read, bucket: &str, key: &str, id: &str) -> Result<Option<Object>, StoreError> {
    let wanted = (id != "null").then_some(id);
    let current = current(read, bucket, key)?;
    if current.as_ref().is_some_and(|object| object.version.as_deref() == wanted) {
        return Ok(current);
    }
    let seq = match wanted {
        None => decode::<u64>(read.read(null_key(bucket, key).as_slice())?)?,
        Some(id) => seq_of(id),
    };
    let Some(seq) = seq else { return Ok(None) };
    let found = parsed(read.read(version_key(bucket, key, seq).as_slice())?)?;
    Ok(found.filter(|object| object.version.as_deref() == wanted))
}

/// The newest version where that is a delete marker.
pub fn marker(snapshot: &Snapshot, bucket: &str, key: &str) -> Result<Option<Object>, StoreError> {
    let newest = snapshot.scan(Range::prefix(versions_of_key(bucket, key))).next().transpose()?;
    Ok(parsed(newest.map(|(_, record)| record))?.filter(|object| object.deleted))
}

/// Stores a version that is there already, changed.
pub fn save(tx: &mut Transaction<'_>, bucket: &str, key: &str, object: &Object) -> Result<(), StoreError> {
    let current = current(tx, bucket, key)?;
    let is_current = current.is_some_and(|current| current.seq == object.seq && current.version == object.version);
    let place = if is_current { object_key(bucket, key) } else { version_key(bucket, key, object.seq) };
    tx.put(place, record::encode(object)?);
    Ok(())
}

fn put_apart(tx: &mut Transaction<'_>, bucket: &str, key: &str, object: &Object) -> Result<(), StoreError> {
    tx.put(version_key(bucket, key, object.seq), record::encode(object)?);
    if object.version.is_none() {
        tx.put(null_key(bucket, key), to_record(&object.seq)?);
    }
    Ok(())
}

/// Removes the null version, wherever it is. Returns what it was made of.
fn remove_null(
    tx: &mut Transaction<'_>,
    bucket: &str,
    key: &str,
    current: &mut Option<Object>,
) -> Result<Vec<Segment>, StoreError> {
    if let Some(object) = current.take_if(|object| object.version.is_none()) {
        tx.delete(object_key(bucket, key));
        return release(tx, &object);
    }
    let Some(seq) = decode::<u64>(tx.get(null_key(bucket, key).as_slice())?)? else { return Ok(Vec::new()) };
    let place = version_key(bucket, key, seq);
    let removed = parsed(tx.get(place.as_slice())?)?.map(|object| release(tx, &object)).transpose()?;
    tx.delete(place);
    tx.delete(null_key(bucket, key));
    Ok(removed.unwrap_or_default())
}

/// Makes room for a new newest version: gives it its id and place, and moves the current object aside or, as the null
/// version, out. Returns what was removed.
fn prepare(
    tx: &mut Transaction<'_>,
    random: &service::Random,
    bucket: &Bucket,
    key: &str,
    object: &mut Object,
    mut current: Option<Object>,
) -> Result<Vec<Segment>, StoreError> {
    let name = &bucket.name;
    if bucket.versioning == Versioning::Off {
        object.seq = 0;
        return remove_null(tx, name, key, &mut current);
    }
    let newest = match &current {
        Some(object) => Some(object.seq),
        None => {
            let newest = tx.scan(Range::prefix(versions_of_key(name, key)), 1)?;
            parsed(newest.into_iter().next().map(|(_, record)| record))?.map(|object| object.seq)
        }
    };
    object.seq = newest.map_or(0, |seq| seq + 1).max(place_of(object.modified, random));
    let removed = match bucket.versioning {
        Versioning::Enabled => {
            object.version.get_or_insert_with(|| id_of(object.seq, random));
            Vec::new()
        }
        _ => {
            object.version = None;
            remove_null(tx, name, key, &mut current)?
        }
    };
    if let Some(mut old) = current {
        old.superseded = Some(object.modified);
        put_apart(tx, name, key, &old)?;
        tx.delete(object_key(name, key));
    }
    Ok(removed)
}

/// Puts a new object in the place of the `current` one. Returns the body that it replaced for good.
pub fn put(
    tx: &mut Transaction<'_>,
    random: &service::Random,
    bucket: &Bucket,
    key: &str,
    object: &mut Object,
    current: Option<Object>,
) -> Result<Vec<Segment>, StoreError> {
    let removed = prepare(tx, random, bucket, key, object, current)?;
    tx.put(object_key(&bucket.name, key), record::encode(object)?);
    Ok(removed)
}

/// Enters a version that was made elsewhere, with the id and the place that it has there.
pub fn enter(tx: &mut Transaction<'_>, bucket: &str, key: &str, object: &mut Object) -> Result<(), StoreError> {
    let current = current(tx, bucket, key)?;
    let apart = tx.scan(Range::prefix(versions_of_key(bucket, key)), 1)?;
    let apart = parsed(apart.into_iter().next().map(|(_, record)| record))?;
    let newest = current.as_ref().or(apart.as_ref());
    if newest.is_some_and(|newest| newest.seq > object.seq) {
        object.superseded = Some(object.modified);
        return put_apart(tx, bucket, key, object);
    }
    if let Some(mut old) = current {
        old.superseded = Some(object.modified);
        put_apart(tx, bucket, key, &old)?;
        tx.delete(object_key(bucket, key));
    }
    if object.deleted {
        return put_apart(tx, bucket, key, object);
    }
    tx.put(object_key(bucket, key), record::encode(object)?);
    Ok(())
}

/// What a deletion did.
#[derive(Debug, Default, PartialEq)]
pub struct Deleted {
    /// The bodies that are gone.
    pub removed: Vec<Segment>,
    /// A delete marker was made, or was what was deleted.
    pub marker: bool,
    /// The id of the marker that was made.
    pub version: Option<String>,
    pub made: Option<Object>,
    /// Whether there was anything.
    pub found: bool,
}

/// Deletes a key: in a bucket with versions, by a delete marker.
pub fn delete(
    tx: &mut Transaction<'_>,
    random: &service::Random,
    bucket: &Bucket,
    key: &str,
    now: i64,
) -> Result<Deleted, StoreError> {
    let name = &bucket.name;
    let mut current = current(tx, name, key)?;
    let found = current.is_some();
    if bucket.versioning == Versioning::Off {
        let removed = remove_null(tx, name, key, &mut current)?;
        return Ok(Deleted { removed, found, ..Deleted::default() });
    }
    let mut marker = Object { modified: now, deleted: true, ..Object::default() };
    let removed = prepare(tx, random, bucket, key, &mut marker, current)?;
    put_apart(tx, name, key, &marker)?;
    Ok(Deleted { removed, marker: true, version: Some(marker.version_id()), made: Some(marker), found })
}

/// Deletes a version for good. What comes to be the newest version is the current object again, unless it is a delete
/// marker.
pub fn delete_version(
    tx: &mut Transaction<'_>,
    bucket: &str,
    key: &str,
    object: &Object,
) -> Result<Deleted, StoreError> {
    let current = current(tx, bucket, key)?;
    let was_current = current.as_ref().is_some_and(|current| current.seq == object.seq && !object.deleted);
    if was_current {
        tx.delete(object_key(bucket, key));
    } else {
        tx.delete(version_key(bucket, key, object.seq));
        if object.version.is_none() {
            tx.delete(null_key(bucket, key));
        }
    }
    let removed = release(tx, object)?;
    if was_current || current.is_none() {
        let newest = tx.scan(Range::prefix(versions_of_key(bucket, key)), 1)?.into_iter().next();
        if let Some(mut newest) = parsed(newest.map(|(_, record)| record))?
            && !newest.deleted
        {
            tx.delete(version_key(bucket, key, newest.seq));
            if newest.version.is_none() {
                tx.delete(null_key(bucket, key));
            }
            newest.superseded = None;
            tx.put(object_key(bucket, key), record::encode(&newest)?);
        }
    }
    Ok(Deleted { removed, marker: object.deleted, found: true, ..Deleted::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use service::{Random, Store};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn ids_tell_their_place(seq: u64) {
            let id = id_of(seq, &Random::seeded(seq));
            prop_assert_eq!(id.len(), ID_LENGTH);
            prop_assert_eq!(seq_of(&id), Some(seq));
        }

        #[test]
        fn whatever_is_no_id_is_none(text: String) {
            let _ = seq_of(&text);
        }

        /// Against a list of versions, newest first.
        #[test]
        fn versions_are_what_a_list_of_them_would_be(
            steps in prop::collection::vec((0u8..6, any::<prop::sample::Index>()), 1..60),
        ) {
            let (store, random) = (Store::memory(), Random::seeded(7));
            let mut bucket = Bucket { name: "b".into(), ..Bucket::default() };
            let mut list: Vec<(String, bool, u64)> = Vec::new();
            for (at, (step, index)) in steps.into_iter().enumerate() {
                let tag = at as u64;
                match step {
                    0 => bucket.versioning = Versioning::Enabled,
                    1 if bucket.versioning != Versioning::Off => bucket.versioning = Versioning::Suspended,
                    2 | 3 => {
                        let mut object = Object { size: tag, ..Object::default() };
                        store
                            .write(|tx| {
                                let before = current(tx, "b", "k")?;
                                put(tx, &random, &bucket, "k", &mut object, before)
                            })
                            .unwrap();
                        list.retain(|version| object.version.is_some() || version.0 != "null");
                        list.insert(0, (object.version_id(), false, tag));
                    }
                    4 => {
                        let deleted = store.write(|tx| delete(tx, &random, &bucket, "k", 0)).unwrap();
                        match deleted.version {
                            Some(id) => {
                                list.retain(|version| id != "null" || version.0 != "null");
                                list.insert(0, (id, true, 0));
                            }
                            None => list.clear(),
                        }
                    }
                    _ if !list.is_empty() => {
                        let (id, deleted, _) = list.remove(index.index(list.len()));
                        store.write(|tx| {
                            let object = version(tx, "b", "k", &id)?.unwrap();
                            assert_eq!(object.deleted, deleted);
                            delete_version(tx, "b", "k", &object)
                        }).unwrap();
                        prop_assert_eq!(version(&store.snapshot(), "b", "k", &id).unwrap(), None);
                    }
                    _ => {}
                }
                let snapshot = store.snapshot();
                let now = current(&snapshot, "b", "k").unwrap();
                let expected = list.first().filter(|version| !version.1);
                prop_assert_eq!(now.map(|object| object.size), expected.map(|version| version.2));
                let hidden = marker(&snapshot, "b", "k").unwrap().is_some();
                prop_assert_eq!(hidden && current(&snapshot, "b", "k").unwrap().is_none(), list.first().is_some_and(|version| version.1));
                for (id, deleted, tag) in &list {
                    let found = version(&snapshot, "b", "k", id).unwrap().unwrap();
                    prop_assert_eq!((found.deleted, found.size), (*deleted, *tag));
                }
                let apart = snapshot.scan(Range::prefix(versions_of_key("b", "k"))).count();
                prop_assert_eq!(apart + usize::from(expected.is_some()), list.len());
            }
        }
    }
}
