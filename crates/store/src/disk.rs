//! State on disk, in an LSM tree (fjall).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use fjall::config::PartitioningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use parking_lot::{Condvar, Mutex};

use crate::{Change, Durability, Entry, Range, Result, SYNC_WINDOW, StoreError};

/// The format of keys and records. A change of it comes with a migration.
const FORMAT: &[u8] = b"1";
const FORMAT_KEY: &[u8] = b"\0format";

/// Small, so that an idle cloud is small: 2 x 8 MiB of unflushed writes, 12 MiB of cache.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 12 * 1024 * 1024;

pub struct Disk {
    database: Database,
    keyspace: Keyspace,
    durability: Durability,
    syncer: Option<Syncer>,
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        StoreError::Io(format!("{error:?}"))
    }
}

impl Disk {
    pub fn durability(&self) -> Durability {
        self.durability
    }

    pub fn open(folder: &Path, durability: Durability) -> Result<Disk> {
        let failed = |reason: String| StoreError::Open { folder: folder.to_owned(), reason };
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        let database =
            Database::builder(folder).cache_size(CACHE_BYTES).worker_threads(2).open().map_err(
                |error| match error {
                    fjall::Error::Locked => StoreError::Locked(folder.to_owned()),
                    fjall::Error::Io(error) => failed(error.to_string()),
                    error => failed(format!("{error:?}")),
                },
            )?;
        let options = || {
            // An index or filter in one piece is megabytes for a large file, and was read again for each request once a
            // million objects' files had more of them than the cache holds. New files of the first level live too briefly.
            let partitioned = PartitioningPolicy::new([false, true]);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .index_block_partitioning_policy(partitioned.clone())
                .filter_block_partitioning_policy(partitioned)
        };
        let keyspace = database.keyspace("state", options).map_err(|error| failed(format!("{error:?}")))?;
        match keyspace.get(FORMAT_KEY)? {
            Some(found) if *found != *FORMAT => {
                return Err(StoreError::Format {
                    folder: folder.to_owned(),
                    found: String::from_utf8_lossy(&found).into_owned(),
                    known: String::from_utf8_lossy(FORMAT).into_owned(),
                });
            }
            Some(_) => {}
            None => keyspace.insert(FORMAT_KEY, FORMAT)?,
        }
        let syncer = (durability == Durability::Window).then(|| Syncer::start(database.clone())).transpose()?;
        Ok(Disk { database, keyspace, durability, syncer })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.keyspace.get(key)?.map(Bytes::from))
    }

    pub fn snapshot(&self) -> DiskSnapshot {
        DiskSnapshot { snapshot: self.database.snapshot(), keyspace: self.keyspace.clone() }
    }

    /// Makes changes visible. They are safe after the next [`Disk::persist`].
    pub fn commit(&self, changes: &BTreeMap<Bytes, Change>) -> Result {
        let mut batch = self.database.batch().durability(None);
        for (key, change) in changes {
            match change {
                Some(value) => batch.insert(&self.keyspace, &key[..], &value[..]),
                None => batch.remove(&self.keyspace, &key[..]),
            }
        }
        Ok(batch.commit()?)
    }

    /// Hands what was committed to the operating system, or to the disk. Where several wait for this, one does it for all.
    pub fn persist(&self) -> Result {
        self.database.persist(match self.durability {
            Durability::Sync => PersistMode::SyncAll,
            Durability::Window => PersistMode::Buffer,
        })?;
        if let Some(syncer) = &self.syncer {
            syncer.notice();
        }
        Ok(())
    }

    pub fn clear(&self) -> Result {
        self.keyspace.clear()?;
        self.keyspace.insert(FORMAT_KEY, FORMAT)?;
        self.sync()
    }

    pub fn sync(&self) -> Result {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.syncer = None;
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the state could not be synced at the end");
        }
    }
}

pub struct DiskSnapshot {
    snapshot: fjall::Snapshot,
    keyspace: Keyspace,
}

impl DiskSnapshot {
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.snapshot.get(&self.keyspace, key)?.map(Bytes::from))
    }

    pub fn values(&self, range: Range) -> impl DoubleEndedIterator<Item = Result<Bytes>> + Send + use<> {
        let entries = self.snapshot.range(&self.keyspace, (range.from, range.to));
        entries.map(|guard| Ok(Bytes::from(guard.value()?)))
    }

    pub fn scan(&self, range: Range) -> impl DoubleEndedIterator<Item = Result<Entry>> + Send + use<> {
        self.snapshot.range(&self.keyspace, (range.from, range.to)).map(|guard| {
            let (key, value) = guard.into_inner()?;
            Ok((Bytes::from(key), Bytes::from(value)))
        })
    }
}

/// Syncs commits to the disk in the background, one sync for all that came within a window.
struct Syncer {
    state: Arc<SyncState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct SyncState {
    /// Set at a commit, cleared by the sync that covers it; guards against waking the thread for every commit.
    dirty: AtomicBool,
    stop: Mutex<bool>,
    wake: Condvar,
}

impl Syncer {
    fn start(database: Database) -> Result<Syncer> {
        let state = Arc::new(SyncState::default());
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || {
                let mut stop = shared.stop.lock();
                while !*stop {
                    if !shared.dirty.load(Ordering::Acquire) {
                        shared.wake.wait(&mut stop);
                        continue;
                    }
                    shared.wake.wait_for(&mut stop, SYNC_WINDOW);
                    shared.dirty.store(false, Ordering::Release);
                    if let Err(error) = database.persist(PersistMode::SyncData) {
                        tracing::error!(?error, "the state could not be synced to the disk");
                    }
                }
            })
            .map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Syncer { state, thread: Some(thread) })
    }

    fn notice(&self) {
        if !self.state.dirty.swap(true, Ordering::AcqRel) {
            let _asleep_or_before_the_check = self.state.stop.lock();
            self.state.wake.notify_one();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        *self.state.stop.lock() = true;
        self.state.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread only ends; a panic in it was logged.
            let _ = thread.join();
        }
    }
}
