//! Configurations of buckets (CORS rules, lifecycle rules, and so on), kept as clients wrote them.
//!
//! A bucket knows which of them it has, so that a request looks for none that is not there.

use std::sync::Arc;

use service::{Key, Store, StoreError, Transaction};
use wire::Structure;
use wire::json::{JsonEncoder, Names};

use crate::Error;
use crate::store::{Bucket, config_key, load_bucket, save_bucket};

/// A structure of the API as a record.
pub fn encode<T: Structure>(value: &T) -> Vec<u8> {
    let mut encoder = JsonEncoder::new(T::SCHEMA, Names::Model);
    value.encode(&mut encoder);
    encoder.finish()
}

/// Reads a record of [`encode`].
pub fn decode<T: Structure>(record: &[u8]) -> Result<T, StoreError> {
    let mut missing = false;
    wire::json::decode(record, T::SCHEMA, Names::Model, |decoder| T::decode(decoder, &mut missing))
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Where configurations are read: the state as it is, or as a transaction sees it.
pub trait Settings {
    fn setting<T: Structure>(&self, key: &Key) -> Result<Option<Arc<T>>, StoreError>;
}

impl Settings for Store {
    fn setting<T: Structure>(&self, key: &Key) -> Result<Option<Arc<T>>, StoreError> {
        self.parsed(key.as_slice(), |record| decode(record))
    }
}

impl Settings for Transaction<'_> {
    fn setting<T: Structure>(&self, key: &Key) -> Result<Option<Arc<T>>, StoreError> {
        self.parsed(key.as_slice(), |record| decode(record))
    }
}

/// The configuration of a kind, if the bucket has one. It is parsed once after each change.
pub fn find<T: Structure + Clone>(read: &impl Settings, bucket: &Bucket, kind: &str) -> Result<Option<T>, StoreError> {
    if !bucket.configured.contains(kind) {
        return Ok(None);
    }
    Ok(read.setting(&config_key(&bucket.name, kind))?.map(Arc::unwrap_or_clone))
}

/// Sets or removes the configuration of a kind. `check` is asked before, with the bucket as it is.
pub fn set<T: Structure>(
    tx: &mut Transaction<'_>,
    name: &str,
    expected_owner: Option<&str>,
    kind: &str,
    value: Option<&T>,
    check: impl FnOnce(&mut Transaction<'_>, &mut Bucket) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut bucket = load_bucket(tx, name)?;
    crate::ops::check_owner(&bucket, expected_owner)?;
    check(tx, &mut bucket)?;
    match value {
        Some(value) => {
            tx.put(config_key(name, kind), encode(value));
            bucket.configured.insert(kind.to_owned());
        }
        None => {
            tx.delete(config_key(name, kind));
            bucket.configured.remove(kind);
        }
    }
    Ok(save_bucket(tx, &bucket)?)
}
