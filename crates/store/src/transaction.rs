//! A transaction: reads see the state as it was at the start plus the transaction's own writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Change, Entry, Range, Result, Snapshot, Store, StoreError};

pub struct Transaction<'a> {
    store: &'a Store,
    /// Taken at the first scan. Point reads need none: writers are serialised, so the state cannot change meanwhile.
    snapshot: Option<Snapshot>,
    changes: BTreeMap<Bytes, Change>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Transaction { store, snapshot: None, changes: BTreeMap::new() }
    }

    pub(crate) fn into_changes(self) -> BTreeMap<Bytes, Change> {
        self.changes
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.store.get(key),
        }
    }

    /// See [`Store::parsed`]; what this transaction wrote itself is parsed anew.
    pub fn parsed<T: Send + Sync + 'static, E: From<StoreError>>(
        &self,
        key: &[u8],
        parse: impl FnOnce(&Bytes) -> std::result::Result<T, E>,
    ) -> std::result::Result<Option<Arc<T>>, E> {
        match self.changes.get(key) {
            Some(change) => change.as_ref().map(|record| parse(record).map(Arc::new)).transpose(),
            None => self.store.parsed(key, parse),
        }
    }

    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.insert(key.into(), Some(value.into()));
    }

    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.changes.insert(key.into(), None);
    }

    /// Up to `limit` entries of a range, in key order.
    pub fn scan(&mut self, range: Range, limit: usize) -> Result<Vec<Entry>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.snapshot.get_or_insert_with(|| self.store.snapshot());
        let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
        let mut own = self.changes.range::<[u8], _>(bounds).peekable();
        let mut stored = snapshot.scan(range.clone()).peekable();
        let mut entries = Vec::new();
        while entries.len() < limit {
            let order = match (own.peek(), stored.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (Some((key, _)), Some(Ok((other, _)))) => (*key).cmp(other),
                (None, Some(Ok(_))) => std::cmp::Ordering::Greater,
                (_, Some(Err(_))) => std::cmp::Ordering::Greater,
            };
            // A key that was changed here hides the stored one.
            if order.is_eq() {
                stored.next();
            }
            if order.is_le() {
                if let Some((key, Some(value))) = own.next() {
                    entries.push((key.clone(), value.clone()));
                }
            } else if let Some(entry) = stored.next() {
                entries.push(entry?);
            }
        }
        Ok(entries)
    }

    /// Deletes every key of a range; returns how many there were.
    pub fn delete_range(&mut self, range: Range) -> Result<usize> {
        let entries = self.scan(range, usize::MAX)?;
        let count = entries.len();
        for (key, _) in entries {
            self.delete(key);
        }
        Ok(count)
    }
}
