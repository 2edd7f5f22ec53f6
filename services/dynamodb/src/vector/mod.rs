//! Vector indexes: the items of a table by how near their vectors are to a given one.
//!
//! - An entry is filed under its index, its partition where the index has one, and the place of its item in the table. It
//!   holds the vector as packed 32-bit numbers and then the values of the inline filters, so that a search reads neither
//!   items nor anything else that it has to parse; the items of the few results are read from the table.
//! - Entries change in the store transaction of their item, as those of other indexes do. An item without a vector, or
//!   without the partition's attribute, has none; one with a vector that does not fit is refused.
//! - Searches are exact: every entry of the index, or of the partition, is looked at.

mod condition;
mod declare;
mod search;

use bytes::Bytes;
use dynamodb_api as api;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::key::{KeyAttribute, KeySchema, encode};
use crate::size;
use crate::store::Sizes;
use crate::table::{Entry, EntryChange, IndexNumber, PRIMARY, Projected, Table, index_prefix, partition};
use crate::value::{AttributeValue, Item, Type, equal};

pub use condition::{Sought, sought};
pub use declare::{MAX_TOP, check_all, declared, new_index, overridden, schema_of};
pub use search::{Hit, Search};

/// What every write request pays for at least, where it changes vector indexes at all.
pub const LEAST_BYTES: usize = 1024;
/// Stands for an inline filter that an item lacks.
const ABSENT: u32 = u32::MAX;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorIndex {
    pub name: String,
    pub number: IndexNumber,
    /// The attribute that holds the vectors.
    pub attribute: String,
    pub dimensions: usize,
    pub distance: Distance,
    /// The attribute that divides the index into partitions.
    pub hash: Option<KeyAttribute>,
    pub filters: Vec<KeyAttribute>,
    /// The search schema as it was declared: in which order, and which of them is the partition's.
    pub schema: Vec<String>,
    pub projection: Projected,
    /// While the index is being filled from the table: the store key after which to go on.
    pub backfill: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Distance {
    Cosine,
    Euclidean,
    DotProduct,
}

impl VectorIndex {
    /// The attributes of the search schema.
    pub fn searched(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.hash.iter().chain(&self.filters)
    }

    /// Checks what the index would have to hold of an item that is to be stored.
    pub fn check(&self, item: &Item) -> Result<(), Invalid> {
        if let Some(hash) = &self.hash {
            KeySchema::new(hash.clone(), None).check_index(item, &self.name)?;
        }
        for filter in &self.filters {
            if let Some(value) = item.get(&filter.name)
                && !filter.scalar.matches(value)
            {
                return Err(Invalid::values(format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}",
                    filter.name,
                    filter.scalar.code(),
                    Type::of(value).code(),
                    self.name
                )));
            }
        }
        match item.get(&self.attribute) {
            Some(vector) => self.check_vector(vector),
            None => Ok(()),
        }
    }

    fn check_vector(&self, vector: &AttributeValue) -> Result<(), Invalid> {
        let mistyped = |of: &str, expected: &str, actual: &AttributeValue| {
            Invalid::values(format!(
                "Invalid type for parameter {of}, Expected: {expected}, Actual: {}. IndexName: {}",
                Type::of(actual).code(),
                self.name
            ))
        };
        let AttributeValue::L(members) = vector else { return Err(mistyped(&self.attribute, "L", vector)) };
        for (at, member) in members.iter().enumerate() {
            let of = format!("{}[{at}]", self.attribute);
            let AttributeValue::N(text) = member else { return Err(mistyped(&of, "N", member)) };
            if single(text).is_none() {
                return Err(Invalid::values(format!(
                    "Invalid value for parameter {of}, the value must be a 32-bit floating-point number. IndexName: {}",
                    self.name
                )));
            }
        }
        if members.len() != self.dimensions {
            return Err(Invalid::values(format!(
                "Invalid size for parameter {}, Expected: {}, Actual: {}. IndexName: {}",
                self.attribute,
                self.dimensions,
                members.len(),
                self.name
            )));
        }
        Ok(())
    }

    /// The vector and the filters of an item, packed; nothing where its vector does not fit.
    fn packed(&self, item: &Item) -> Option<Vec<u8>> {
        let AttributeValue::L(members) = item.get(&self.attribute)? else { return None };
        if members.len() != self.dimensions {
            return None;
        }
        let mut out = Vec::with_capacity(4 * members.len() + 16 * self.filters.len());
        for member in members {
            let AttributeValue::N(text) = member else { return None };
            out.extend_from_slice(&single(text)?.to_le_bytes());
        }
        for filter in &self.filters {
            match item.get(&filter.name) {
                Some(value) if !filter.scalar.matches(value) => return None,
                Some(value) => {
                    let mut bytes = Vec::with_capacity(16);
                    encode(value, &mut bytes)?;
                    out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
                    out.extend_from_slice(&bytes);
                }
                None => out.extend_from_slice(&ABSENT.to_le_bytes()),
            }
        }
        Some(out)
    }

    /// The vector of a packed entry, as the index has it.
    pub fn unpacked(&self, entry: &Bytes) -> AttributeValue {
        let vector = entry.get(..4 * self.dimensions).unwrap_or_default();
        let (singles, _) = vector.as_chunks::<4>();
        AttributeValue::L(
            singles.iter().map(|bytes| AttributeValue::N(f32::from_le_bytes(*bytes).to_string())).collect(),
        )
    }

    pub fn describe(
        &self,
        table: &Table,
        sizes: &Sizes,
        status: &api::TableStatus,
        now: i64,
    ) -> api::VectorIndexDescription {
        let (bytes, items) = sizes.of(self.number);
        let filling = table.filling(self.number, self.backfill.as_ref(), now);
        api::VectorIndexDescription {
            index_name: Some(self.name.clone()),
            search_schema: self.search_schema(),
            projection: Some(crate::describe::projection(&self.projection)),
            vector_attribute: Some(self.vector_attribute()),
            dimensions: Some(self.dimensions as i64),
            distance_function: Some(self.distance.into()),
            index_status: Some(match status {
                _ if filling.is_some() => api::IndexStatus::Creating,
                api::TableStatus::Creating => api::IndexStatus::Creating,
                api::TableStatus::Deleting => api::IndexStatus::Deleting,
                _ => api::IndexStatus::Active,
            }),
            backfilling: filling,
            index_size_bytes: Some(bytes),
            item_count: Some(items),
            index_arn: Some(format!("{}/index/{}", table.arn(), self.name)),
        }
    }

    /// The index as CreateTable would declare it.
    pub fn declaration(&self) -> api::VectorIndex {
        api::VectorIndex {
            index_name: self.name.clone(),
            vector_attribute: self.vector_attribute(),
            search_schema: self.search_schema(),
            projection: crate::describe::projection(&self.projection),
            dimensions: self.dimensions as i64,
            distance_function: self.distance.into(),
        }
    }

    fn vector_attribute(&self) -> api::VectorAttributeDefinition {
        api::VectorAttributeDefinition { attribute_name: self.attribute.clone() }
    }

    fn search_schema(&self) -> Option<Vec<api::SearchSchemaElement>> {
        let element = |name: &String| api::SearchSchemaElement {
            attribute_name: name.clone(),
            search_schema_element_type: match &self.hash {
                Some(hash) if hash.name == *name => api::SearchSchemaElementType::Hash,
                _ => api::SearchSchemaElementType::InlineFilter,
            },
        };
        (!self.schema.is_empty()).then(|| self.schema.iter().map(element).collect())
    }
}

impl From<Distance> for api::VectorDistanceFunction {
    fn from(distance: Distance) -> Self {
        match distance {
            Distance::Cosine => api::VectorDistanceFunction::Cosine,
            Distance::Euclidean => api::VectorDistanceFunction::Euclidean,
            Distance::DotProduct => api::VectorDistanceFunction::DotProduct,
        }
    }
}

/// A number in 32 bits, if it is not too large for them.
pub fn single(text: &str) -> Option<f32> {
    text.parse::<f32>().ok().filter(|number| number.is_finite())
}

impl Table {
    pub fn vector(&self, name: &str) -> Option<&VectorIndex> {
        self.vectors.iter().find(|index| index.name == name)
    }

    /// What all entries begin with that a search looks at, the place of their items following.
    pub fn vector_prefix(&self, index: &VectorIndex, hash: Option<&[u8]>) -> Vec<u8> {
        match hash {
            Some(hash) => partition(self.number, index.number, hash),
            None => index_prefix(self.number, index.number),
        }
    }

    fn vector_key(&self, index: &VectorIndex, item: &Item) -> Option<Vec<u8>> {
        let hash = match &index.hash {
            Some(hash) => {
                let mut bytes = Vec::with_capacity(32);
                encode(item.get(&hash.name).filter(|value| hash.scalar.matches(value))?, &mut bytes)?;
                Some(bytes)
            }
            None => None,
        };
        let mut key = self.vector_prefix(index, hash.as_deref());
        let place = self.item_key(item).ok()?;
        key.extend_from_slice(place.get(index_prefix(self.number, PRIMARY).len()..)?);
        Some(key)
    }

    /// Whether results of the index can have this attribute.
    pub fn vector_projects(&self, index: &VectorIndex, attribute: &str) -> bool {
        index.attribute == attribute
            || self.keys.contains(attribute)
            || index.searched().any(|searched| searched.name == attribute)
            || match &index.projection {
                Projected::All => true,
                Projected::KeysOnly => false,
                Projected::Include(names) => names.iter().any(|name| name == attribute),
            }
    }

    /// What an entry weighs: its packed vector, and everything else that the index projects.
    fn vector_weight(&self, index: &VectorIndex, item: &Item) -> usize {
        let others = item.iter().filter(|(name, _)| **name != index.attribute && self.vector_projects(index, name));
        4 * index.dimensions + others.map(|(name, value)| name.len() + size::value(value)).sum::<usize>()
    }

    /// What the index has to change when an item changes; nothing, where all that it projects stays the same.
    pub fn vector_change(&self, index: &VectorIndex, old: Option<&Item>, new: Option<&Item>) -> EntryChange {
        if let (Some(old), Some(new)) = (old, new) {
            let within = |item: &Item, other: &Item| {
                item.iter().all(|(name, value)| {
                    !self.vector_projects(index, name) || other.get(name).is_some_and(|other| equal(value, other))
                })
            };
            if within(old, new) && within(new, old) {
                return EntryChange::default();
            }
        }
        let entry = |item: &Item| {
            let value = index.packed(item)?;
            Some(Entry { key: self.vector_key(index, item)?, value, weight: self.vector_weight(index, item) })
        };
        EntryChange { old: old.and_then(entry).map(|entry| (entry.key, entry.weight)), new: new.and_then(entry) }
    }
}

#[cfg(test)]
mod tests;
