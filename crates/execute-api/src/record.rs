//! Records of both of API Gateway's services: shapes of their APIs as JSON, read through a snapshot or a transaction.

use bytes::Bytes;
use serde_json::Value as Json;
use service::{Range, Snapshot, StoreError, Transaction};
use wire::{
    Structure,
    json::{JsonEncoder, Names, decode},
};

/// Reads through a snapshot or within a transaction.
pub trait Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;
    fn all(&mut self, range: Range) -> Result<Vec<Bytes>, StoreError>;
}

impl Reader for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Snapshot::get(self, key)
    }
    fn all(&mut self, range: Range) -> Result<Vec<Bytes>, StoreError> {
        self.scan(range).map(|entry| Ok(entry?.1)).collect()
    }
}

impl Reader for Transaction<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Transaction::get(self, key)
    }
    fn all(&mut self, range: Range) -> Result<Vec<Bytes>, StoreError> {
        Ok(self.scan(range, usize::MAX)?.into_iter().map(|(_, value)| value).collect())
    }
}

pub fn to_bytes<T: Structure>(value: &T) -> Vec<u8> {
    let mut encoder = JsonEncoder::new(T::SCHEMA, Names::Model);
    value.encode(&mut encoder);
    encoder.finish()
}

pub fn from_bytes<T: Structure>(record: &[u8]) -> Result<T, StoreError> {
    let mut missing = false;
    decode(record, T::SCHEMA, Names::Model, |decoder| T::decode(decoder, &mut missing))
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub fn to_json<T: Structure>(value: &T) -> Result<Json, StoreError> {
    serde_json::from_slice(&to_bytes(value)).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub fn from_json<T: Structure>(value: &Json) -> Result<T, StoreError> {
    from_bytes(value.to_string().as_bytes())
}

pub fn to_list<T: Structure>(values: &[T]) -> Result<Vec<Json>, StoreError> {
    values.iter().map(to_json).collect()
}

pub fn from_list<T: Structure>(values: &Json) -> Result<Vec<T>, StoreError> {
    values.as_array().into_iter().flatten().map(from_json).collect()
}
