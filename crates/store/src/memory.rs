//! State in memory: a persistent map, whose snapshots are free.

use std::collections::BTreeMap;

use bytes::Bytes;
use imbl::OrdMap;
use parking_lot::RwLock;

use crate::{Change, Entry, Range, Result};

#[derive(Default)]
pub struct Memory {
    map: RwLock<OrdMap<Bytes, Bytes>>,
}

impl Memory {
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.map.read().get(key).cloned()
    }

    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.map.read().clone())
    }

    pub fn commit(&self, changes: &BTreeMap<Bytes, Change>) {
        let mut map = self.map.write();
        for (key, change) in changes {
            match change {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
    }

    pub fn clear(&self) {
        *self.map.write() = OrdMap::new();
    }
}

pub struct MemorySnapshot(OrdMap<Bytes, Bytes>);

impl MemorySnapshot {
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.0.get(key).cloned()
    }

    pub fn scan(&self, range: Range) -> impl DoubleEndedIterator<Item = Result<Entry>> + Send + use<> {
        Walk { map: self.0.clone(), range, done: false }
    }
}

/// Owns its map, so it can outlive the snapshot; each step looks its neighbour up anew.
struct Walk {
    map: OrdMap<Bytes, Bytes>,
    range: Range,
    done: bool,
}

impl Walk {
    fn step(&mut self, backwards: bool) -> Option<Result<Entry>> {
        if self.done || self.range.is_empty() {
            return None;
        }
        let bounds = (self.range.from.as_ref().map(Vec::as_slice), self.range.to.as_ref().map(Vec::as_slice));
        let mut range = self.map.range::<_, [u8]>(bounds);
        let found = if backwards { range.next_back() } else { range.next() };
        let found = found.map(|(key, value)| (key.clone(), value.clone()));
        match &found {
            Some((key, _)) if backwards => self.range.to = std::ops::Bound::Excluded(key.to_vec()),
            Some((key, _)) => self.range.from = std::ops::Bound::Excluded(key.to_vec()),
            None => self.done = true,
        }
        found.map(Ok)
    }
}

impl Iterator for Walk {
    type Item = Result<Entry>;
    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl DoubleEndedIterator for Walk {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}
