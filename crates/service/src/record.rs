//! Records as JSON: readable, and new optional fields need no migration. Hot records have encodings of their own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::StoreError;

/// Encodes a record.
pub fn to_record<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Decodes a record.
pub fn from_record<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
}
