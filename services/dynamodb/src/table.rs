//! Tables and their indexes: what they are, how items are filed in them, and which entries a write changes.
//!
//! A table's items and its indexes' entries are kept under the table's number, which is never used again, so what a
//! deleted table may have left behind is never seen. An index entry holds everything that the index projects.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::error::Invalid;
use crate::global::Global;
use crate::history::Recovery;
use crate::key::{self, KeyAttribute, KeySchema};
use crate::limits::{OnDemand, Warm};
use crate::pace::Busy;
use crate::scaling::Scaling;
use crate::size;
use crate::stream::TableStream;
use crate::value::{Item, equal};
use crate::vector::VectorIndex;

/// The place of an index among those of its table; the table's own items are kept at `PRIMARY`.
pub type IndexNumber = u16;
pub const PRIMARY: IndexNumber = 0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub account: String,
    pub region: String,
    pub name: String,
    /// The identifier that users see.
    pub id: String,
    /// Under which the items are kept.
    pub number: u64,
    /// Grows with every change of this record, so that writers notice that what they know is old.
    pub generation: u64,
    pub created: i64,
    pub keys: KeySchema,
    pub attributes: Vec<KeyAttribute>,
    pub indexes: Vec<Index>,
    /// They share their numbers with the indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vectors: Vec<VectorIndex>,
    pub next_index: IndexNumber,
    pub throughput: Throughput,
    /// When the table last became on-demand.
    pub on_demand_since: Option<i64>,
    pub deletion_protection: bool,
    pub class: Option<TableClass>,
    pub tags: std::collections::BTreeMap<String, String>,
    pub ttl: Option<TimeToLive>,
    /// The latest stream, even if it is closed.
    pub stream: Option<TableStream>,
    pub on_demand: Option<OnDemand>,
    pub warm: Option<Warm>,
    /// When throughput was decreased today.
    #[serde(default)]
    pub decreases: Vec<i64>,
    pub recovery: Option<Recovery>,
    pub restored: Option<Restored>,
    /// The other regions in which the table lives.
    #[serde(default)]
    pub replicas: Vec<String>,
    #[serde(default)]
    pub global: Global,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scaling: Vec<Scaling>,
    pub policy: Option<ResourcePolicy>,
    /// Contributor insights, of the table itself under the empty name and of its indexes.
    #[serde(default)]
    pub insights: std::collections::BTreeMap<String, Insights>,
    /// The ARN of the managed key, where the table has it and not AWS's own.
    #[serde(default)]
    pub encryption: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Busy>,
}

/// A policy that is attached to a table or stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourcePolicy {
    pub document: String,
    pub revision: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insights {
    pub mode: Option<String>,
    pub enabled: bool,
    pub changed: i64,
}

/// Where a table's first items came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub backup: Option<String>,
    pub table: String,
    /// The time whose state the table began with.
    pub at: i64,
}

/// The attribute that says when an item is to go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeToLive {
    pub attribute: String,
    /// Where the list of items by their time is kept.
    pub number: IndexNumber,
    /// While the list is being filled from the table: the store key after which to go on.
    pub backfill: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throughput {
    OnDemand,
    Provisioned { read: i64, write: i64, increased: Option<i64>, decreased: Option<i64> },
}

impl Throughput {
    pub fn provisioned(read: i64, write: i64) -> Throughput {
        Throughput::Provisioned { read, write, increased: None, decreased: None }
    }

    pub fn is_on_demand(self) -> bool {
        self == Throughput::OnDemand
    }

    /// This throughput after it has been set to another, with the time of the change.
    pub fn changed_to(self, wanted: Throughput, now: i64) -> Throughput {
        let (Throughput::Provisioned { increased, decreased, .. }, Throughput::Provisioned { read, write, .. }) =
            (self, wanted)
        else {
            return wanted;
        };
        let (old_read, old_write) = self.units();
        Throughput::Provisioned {
            read,
            write,
            increased: if read > old_read || write > old_write { Some(now) } else { increased },
            decreased: if read < old_read || write < old_write { Some(now) } else { decreased },
        }
    }

    /// Read and write units; both zero on demand, as AWS shows them.
    pub fn units(self) -> (i64, i64) {
        match self {
            Throughput::OnDemand => (0, 0),
            Throughput::Provisioned { read, write, .. } => (read, write),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableClass {
    pub name: String,
    pub changed: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    pub name: String,
    pub number: IndexNumber,
    pub scope: Scope,
    pub keys: KeySchema,
    pub projection: Projected,
    pub throughput: Throughput,
    pub on_demand: Option<OnDemand>,
    pub warm: Option<Warm>,
    /// While the index is being filled from the table: the store key after which to go on.
    pub backfill: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    Local,
    Global,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projected {
    All,
    KeysOnly,
    Include(Vec<String>),
}

impl Table {
    pub fn arn(&self) -> String {
        arn(&self.region, &self.account, &self.name)
    }

    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }

    /// An index or the list of times is not full yet.
    pub fn is_filling(&self) -> bool {
        self.is_indexing() || self.ttl.as_ref().is_some_and(|ttl| ttl.backfill.is_some())
    }

    /// An index is not full yet.
    pub fn is_indexing(&self) -> bool {
        self.indexes.iter().any(|index| index.backfill.is_some())
            || self.vectors.iter().any(|index| index.backfill.is_some())
    }

    /// The stream that takes records.
    pub fn open_stream(&self) -> Option<&TableStream> {
        self.stream.as_ref().filter(|stream| stream.enabled)
    }

    /// Somebody wants to know of every change of an item.
    pub fn keeps_changes(&self) -> bool {
        self.open_stream().is_some() || self.recovery.is_some()
    }

    pub fn has_local_indexes(&self) -> bool {
        self.indexes.iter().any(|index| index.scope == Scope::Local)
    }

    /// Checks an item against the table's keys and those of its indexes.
    pub fn check_item(&self, item: &Item) -> Result<(), Invalid> {
        self.keys.check_item(item)?;
        self.check_indexes(item)
    }

    /// Checks what the table's indexes would have to file an item under.
    pub fn check_indexes(&self, item: &Item) -> Result<(), Invalid> {
        self.indexes.iter().try_for_each(|index| index.keys.check_index(item, &index.name))?;
        self.vectors.iter().try_for_each(|index| index.check(item))
    }

    /// Whether an index is filed, or searched, by an attribute.
    pub fn indexes_by(&self, name: &str) -> bool {
        self.indexes.iter().any(|index| index.keys.contains(name))
            || self.vectors.iter().any(|index| index.searched().any(|attribute| attribute.name == name))
    }

    /// Where the item with this key is kept; the key has been checked.
    pub fn item_key(&self, key: &Item) -> Result<Vec<u8>, Invalid> {
        self.file(PRIMARY, &self.keys, key).ok_or_else(unfit)
    }

    fn file(&self, number: IndexNumber, keys: &KeySchema, item: &Item) -> Option<Vec<u8>> {
        let mut at = partition(self.number, number, &keys.hash_bytes(item)?);
        keys.put_range(item, &mut at)?;
        Some(at)
    }

    /// Where the index keeps the item, if it does.
    pub fn entry_key(&self, index: &Index, item: &Item) -> Option<Vec<u8>> {
        let mut at = self.file(index.number, &index.keys, item)?;
        // Several items may have the same index key; the table's own key tells them apart.
        at.extend_from_slice(&self.keys.hash_bytes(item)?);
        self.keys.put_range(item, &mut at)?;
        Some(at)
    }

    pub fn entry_value(&self, index: &Index, item: &Item) -> Vec<u8> {
        match index.projection {
            Projected::All => codec::encode(item),
            _ => codec::encode_some(item, |name| self.projects(index, name)),
        }
    }

    /// Whether the index holds this attribute of the items that are in it.
    pub fn projects(&self, index: &Index, attribute: &str) -> bool {
        index.keys.contains(attribute)
            || self.keys.contains(attribute)
            || match &index.projection {
                Projected::All => true,
                Projected::KeysOnly => false,
                Projected::Include(names) => names.iter().any(|name| name == attribute),
            }
    }

    /// The key that says where reading stopped: the table's key, and the index's if one was read.
    pub fn position(&self, index: Option<&Index>, item: &Item) -> Item {
        let mut position = self.keys.of(item);
        if let Some(index) = index {
            position.extend(index.keys.of(item));
        }
        position
    }

    /// What the entry of an item weighs in the index.
    fn entry_weight(&self, index: &Index, item: &Item) -> usize {
        let projected = item.iter().filter(|(name, _)| self.projects(index, name));
        projected.map(|(name, value)| name.len() + size::value(value)).sum()
    }

    /// What the index has to change when an item changes; nothing, where all that it projects stays the same.
    pub fn entry_change(&self, index: &Index, old: Option<&Item>, new: Option<&Item>) -> EntryChange {
        let old_key = old.and_then(|old| self.entry_key(index, old));
        let new_key = new.and_then(|new| self.entry_key(index, new));
        let same_projection = |old: &Item, new: &Item| {
            let within = |item: &Item, other: &Item| {
                item.iter().all(|(name, value)| {
                    !self.projects(index, name) || other.get(name).is_some_and(|other| equal(value, other))
                })
            };
            within(old, new) && within(new, old)
        };
        if let (Some(old), Some(new)) = (old, new)
            && old_key == new_key
            && (old_key.is_none() || same_projection(old, new))
        {
            return EntryChange::default();
        }
        EntryChange {
            old: old.zip(old_key).map(|(old, key)| (key, self.entry_weight(index, old))),
            new: new.zip(new_key).map(|(new, key)| Entry {
                key,
                value: self.entry_value(index, new),
                weight: self.entry_weight(index, new),
            }),
        }
    }
}

/// A change of an index: the key and weight of the entry as it was, and the entry as it becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryChange {
    pub old: Option<(Vec<u8>, usize)>,
    pub new: Option<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub weight: usize,
}

pub fn arn(region: &str, account: &str, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{account}:table/{table}")
}

fn unfit() -> Invalid {
    Invalid::new("The provided key element does not match the schema")
}

/// What every key of items and index entries begins with.
pub const ITEMS: &[u8] = b"dynamodb/item/";

/// What everything that a table holds begins with.
pub fn table_prefix(table: u64) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(96);
    prefix.extend_from_slice(ITEMS);
    prefix.extend_from_slice(&table.to_be_bytes());
    prefix
}

/// What all entries of one index, or all items of a table, begin with.
pub fn index_prefix(table: u64, index: IndexNumber) -> Vec<u8> {
    let mut prefix = table_prefix(table);
    prefix.extend_from_slice(&index.to_be_bytes());
    prefix
}

/// What all items of a partition begin with. Partitions are in the order of their hashes, so that a scan can be split
/// evenly into segments.
pub fn partition(table: u64, index: IndexNumber, hash_key: &[u8]) -> Vec<u8> {
    let mut prefix = index_prefix(table, index);
    prefix.extend_from_slice(&spread(hash_key).to_be_bytes());
    prefix.extend_from_slice(hash_key);
    prefix
}

/// Where a segment of a parallel scan begins.
pub fn segment_start(table: u64, index: IndexNumber, segment: u64, segments: u64) -> Vec<u8> {
    let mut start = index_prefix(table, index);
    let hash = (u128::from(segment) << 32).div_ceil(u128::from(segments.max(1)));
    match u32::try_from(hash) {
        Ok(hash) => start.extend_from_slice(&hash.to_be_bytes()),
        // The end of the last segment.
        Err(_) => return key::after_prefix(&start).unwrap_or_default(),
    }
    start
}

/// FNV-1a with a final mix, so that similar keys spread over the whole range. Stored keys depend on it.
fn spread(bytes: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> 32) as u32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::key::Scalar;
    use crate::value::AttributeValue;
    use proptest::prelude::*;

    fn key(name: &str, scalar: Scalar) -> KeyAttribute {
        KeyAttribute { name: name.into(), scalar }
    }

    pub(crate) fn table() -> Table {
        let index = |name: &str, number, scope, hash, projection| Index {
            name: name.into(),
            number,
            scope,
            keys: KeySchema::new(key(hash, Scalar::S), Some(key("at", Scalar::N))),
            projection,
            throughput: Throughput::OnDemand,
            on_demand: None,
            warm: None,
            backfill: None,
        };
        Table {
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: "things".into(),
            id: "id".into(),
            number: 7,
            generation: 1,
            created: 0,
            keys: KeySchema::new(key("pk", Scalar::S), Some(key("sk", Scalar::S))),
            attributes: vec![],
            indexes: vec![
                index("by-owner", 1, Scope::Global, "owner", Projected::KeysOnly),
                index("by-time", 2, Scope::Local, "pk", Projected::Include(vec!["title".into()])),
            ],
            vectors: vec![],
            next_index: 3,
            throughput: Throughput::OnDemand,
            on_demand_since: None,
            deletion_protection: false,
            class: None,
            tags: [].into(),
            ttl: None,
            stream: None,
            on_demand: None,
            warm: None,
            decreases: vec![],
            recovery: None,
            restored: None,
            replicas: vec![],
            global: Global::default(),
            scaling: vec![],
            policy: None,
            insights: [].into(),
            encryption: None,
            busy: None,
        }
    }

    fn item(pairs: &[(&str, &str)]) -> Item {
        let value = |name: &str, text: &str| match name {
            "at" => AttributeValue::N(text.into()),
            _ => AttributeValue::S(text.into()),
        };
        pairs.iter().map(|(name, text)| (name.to_string(), value(name, text))).collect()
    }

    #[test]
    fn index_entries_follow_their_items() {
        let table = table();
        let index = &table.indexes[0];
        let bare = item(&[("pk", "a"), ("sk", "1")]);
        let owned = item(&[("pk", "a"), ("sk", "1"), ("owner", "me"), ("at", "5"), ("title", "t")]);
        let retitled = item(&[("pk", "a"), ("sk", "1"), ("owner", "me"), ("at", "5"), ("title", "u")]);
        let moved = item(&[("pk", "a"), ("sk", "1"), ("owner", "you"), ("at", "5"), ("title", "t")]);
        let none = EntryChange::default();
        assert_eq!(table.entry_change(index, None, Some(&bare)), none, "items without the index's keys are not in it");
        let put = table.entry_change(index, Some(&bare), Some(&owned));
        assert!(put.old.is_none() && put.new.is_some());
        assert_eq!(table.entry_change(index, Some(&owned), Some(&retitled)), none, "titles are not projected");
        let change = table.entry_change(index, Some(&owned), Some(&moved));
        assert!(change.old.unwrap().0 == put.new.unwrap().key && change.new.is_some());
        assert!(table.entry_change(index, Some(&moved), None).new.is_none());

        let local = &table.indexes[1];
        let change = table.entry_change(local, Some(&owned), Some(&retitled));
        assert_eq!(change.old.unwrap().0, change.new.unwrap().key, "here titles are projected");
    }

    #[test]
    fn segments_cover_everything_once() {
        assert_eq!(segment_start(7, 0, 0, 3), [index_prefix(7, 0), vec![0; 4]].concat());
        assert_eq!(Some(segment_start(7, 0, 3, 3)), key::after_prefix(&index_prefix(7, 0)));
        assert!(segment_start(7, 0, 1, 3) < segment_start(7, 0, 2, 3));
    }

    proptest! {
        #[test]
        fn every_partition_is_in_one_segment(hash in prop::collection::vec(any::<u8>(), 1..20), segments in 1u64..50) {
            let at = partition(7, 0, &hash);
            let containing = (0..segments)
                .filter(|s| segment_start(7, 0, *s, segments) <= at && at < segment_start(7, 0, s + 1, segments))
                .count();
            prop_assert_eq!(containing, 1);
        }
    }
}
