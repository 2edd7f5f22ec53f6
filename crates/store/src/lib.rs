//! State: one ordered key-value space, read through snapshots and changed in transactions.
//!
//! - A write is acknowledged when it has reached the operating system, so killing the process loses nothing; a thread
//!   syncs it to the disk within [`SYNC_WINDOW`], or every commit does with [`Durability::Sync`].
//! - Transactions are serialised: each reads its own writes, nobody sees half of one, and it either commits as a
//!   whole or leaves nothing. A reader may see one a moment before it is acknowledged.
//! - There is one keyspace, because each costs a file sync to create. Services keep apart by key prefix.
//! - What a record parses to can be remembered until its key is written ([`Store::parsed`]).
//! - Without a folder ([`Store::memory`]) the same interface works on a persistent map in memory.

mod disk;
mod error;
mod key;
mod memory;
mod parsed;
mod transaction;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

pub use error::StoreError;
pub use key::{Key, prefix_end};
pub use transaction::Transaction;

pub type Result<T = ()> = std::result::Result<T, StoreError>;

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// How long a commit may wait to be safe from a power cut.
pub const SYNC_WINDOW: Duration = Duration::from_millis(100);

/// When a commit is on the disk itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Within [`SYNC_WINDOW`].
    #[default]
    Window,
    /// Before it is acknowledged.
    Sync,
}

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Bound<Vec<u8>>,
    pub to: Bound<Vec<u8>>,
}

impl Range {
    /// All keys that begin with a prefix.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let from = prefix.into();
        let to = prefix_end(&from).map_or(Bound::Unbounded, Bound::Excluded);
        Range { from: Bound::Included(from), to }
    }

    /// The part of the range after a key. A key outside never widens the range: tokens that clients send back end here.
    pub fn after(mut self, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        let begins_later = match &self.from {
            Bound::Included(from) | Bound::Excluded(from) => *from > key,
            Bound::Unbounded => false,
        };
        if !begins_later {
            self.from = Bound::Excluded(key);
        }
        self
    }

    /// The part of the range from a key on.
    pub fn starting_at(mut self, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        let begins_later = match &self.from {
            Bound::Included(from) => *from > key,
            Bound::Excluded(from) => *from >= key,
            Bound::Unbounded => false,
        };
        if !begins_later {
            self.from = Bound::Included(key);
        }
        self
    }

    /// The part of the range before a key.
    pub fn before(mut self, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        let ends_earlier = match &self.to {
            Bound::Included(to) => *to < key,
            Bound::Excluded(to) => *to <= key,
            Bound::Unbounded => false,
        };
        if !ends_earlier {
            self.to = Bound::Excluded(key);
        }
        self
    }

    /// The part of the range up to a key, which it may hold.
    pub fn up_to(mut self, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        let ends_earlier = match &self.to {
            Bound::Included(to) | Bound::Excluded(to) => *to <= key,
            Bound::Unbounded => false,
        };
        if !ends_earlier {
            self.to = Bound::Included(key);
        }
        self
    }

    /// No key can be in the range; ordered maps refuse such bounds.
    fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b))
            | (Bound::Excluded(a), Bound::Included(b)) => a >= b,
            _ => false,
        }
    }
}

/// The state of a cloud. Clones share it.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Backend>,
    writer: Arc<Mutex<()>>,
    parsed: Arc<parsed::Parsed>,
}

enum Backend {
    Disk(disk::Disk),
    Memory(memory::Memory),
}

/// A change to one key: a new value, or its removal.
type Change = Option<Bytes>;

impl Store {
    /// Opens or creates the state in a folder.
    pub fn open(folder: &Path, durability: Durability) -> Result<Store> {
        Ok(Store::over(Backend::Disk(disk::Disk::open(folder, durability)?)))
    }

    /// State that ends with the process.
    pub fn memory() -> Store {
        Store::over(Backend::Memory(memory::Memory::default()))
    }

    fn over(backend: Backend) -> Store {
        Store { backend: Arc::new(backend), writer: Arc::default(), parsed: Arc::default() }
    }

    /// When a commit is on the disk: what belongs to it and lies elsewhere must be there no later.
    pub fn durability(&self) -> Durability {
        match &*self.backend {
            Backend::Disk(disk) => disk.durability(),
            Backend::Memory(_) => Durability::Window,
        }
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match &*self.backend {
            Backend::Disk(disk) => disk.get(key),
            Backend::Memory(memory) => Ok(memory.get(key)),
        }
    }

    /// What the record of a key parses to; it is parsed once after each change. For keys with one type of reader.
    pub fn parsed<T: Send + Sync + 'static, E: From<StoreError>>(
        &self,
        key: &[u8],
        parse: impl FnOnce(&Bytes) -> std::result::Result<T, E>,
    ) -> std::result::Result<Option<Arc<T>>, E> {
        self.parsed.get(key, || self.get(key)?.as_ref().map(parse).transpose())
    }

    /// A view of the state as it is now, unaffected by later writes.
    pub fn snapshot(&self) -> Snapshot {
        match &*self.backend {
            Backend::Disk(disk) => Snapshot::Disk(disk.snapshot()),
            Backend::Memory(memory) => Snapshot::Memory(memory.snapshot()),
        }
    }

    /// The entries of a range in key order, on a snapshot of their own.
    pub fn scan(&self, range: Range) -> Scan {
        self.snapshot().scan(range)
    }

    /// Runs a transaction. What `change` wrote is committed when it returns `Ok`, and forgotten otherwise.
    pub fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let one_at_a_time = self.writer.lock();
        let mut transaction = Transaction::new(self);
        let value = change(&mut transaction)?;
        let changes = transaction.into_changes();
        if changes.is_empty() {
            return Ok(value);
        }
        match &*self.backend {
            Backend::Disk(disk) => disk.commit(&changes)?,
            Backend::Memory(memory) => memory.commit(&changes),
        }
        self.parsed.forget(changes.keys().map(|key| &key[..]));
        drop(one_at_a_time);
        // Others go on meanwhile; what they write reaches the disk after this, or together with it.
        if let Backend::Disk(disk) = &*self.backend {
            disk.persist()?;
        }
        Ok(value)
    }

    /// Sets one key.
    pub fn put(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result {
        self.write(|transaction| {
            transaction.put(key, value);
            Ok(())
        })
    }

    /// Forgets everything.
    pub fn clear(&self) -> Result {
        let _one_at_a_time = self.writer.lock();
        match &*self.backend {
            Backend::Disk(disk) => disk.clear()?,
            Backend::Memory(memory) => memory.clear(),
        }
        self.parsed.clear();
        Ok(())
    }

    /// Returns when everything written so far is on the disk.
    pub fn sync(&self) -> Result {
        match &*self.backend {
            Backend::Disk(disk) => disk.sync(),
            Backend::Memory(_) => Ok(()),
        }
    }
}

/// A consistent view of the state.
pub enum Snapshot {
    Disk(disk::DiskSnapshot),
    Memory(memory::MemorySnapshot),
}

impl Snapshot {
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self {
            Snapshot::Disk(snapshot) => snapshot.get(key),
            Snapshot::Memory(snapshot) => Ok(snapshot.get(key)),
        }
    }

    /// The values of a range in the order of their keys, for who needs no keys; `.rev()` walks it backwards.
    pub fn values(&self, range: Range) -> Values {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        match self {
            Snapshot::Disk(snapshot) => Box::new(snapshot.values(range)),
            Snapshot::Memory(snapshot) => Box::new(snapshot.scan(range).map(|entry| entry.map(|(_, value)| value))),
        }
    }

    /// The entries of a range in key order; `.rev()` walks it backwards.
    pub fn scan(&self, range: Range) -> Scan {
        if range.is_empty() {
            return Scan(Box::new(std::iter::empty()));
        }
        match self {
            Snapshot::Disk(snapshot) => Scan(Box::new(snapshot.scan(range))),
            Snapshot::Memory(snapshot) => Scan(Box::new(snapshot.scan(range))),
        }
    }
}

/// The values of a range.
pub type Values = Box<dyn DoubleEndedIterator<Item = Result<Bytes>> + Send>;

trait Entries: DoubleEndedIterator<Item = Result<Entry>> + Send {}
impl<T: DoubleEndedIterator<Item = Result<Entry>> + Send> Entries for T {}

/// The entries of a range.
pub struct Scan(Box<dyn Entries>);

impl Iterator for Scan {
    type Item = Result<Entry>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

#[cfg(test)]
mod tests;
