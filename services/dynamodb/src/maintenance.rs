//! Long work on tables, done in steps that can be repeated: filling new indexes, and clearing away what was deleted.
//!
//! Both leave a mark in the store with the change that makes them necessary and remove it when they are done, so that
//! a process that ended in between is continued by the next one.

use bytes::Bytes;
use service::Cloud;
use store::{Range, Store};

use crate::DynamoDb;
use crate::codec::{self, Corrupt};
use crate::error::Error;
use crate::store::{Head, TABLES, head_key, read_table, table_key, write_table};
use crate::table::{EntryChange, IndexNumber, PRIMARY, Table, TimeToLive, index_prefix};
use crate::value::Item;

/// How many items one step handles; a writer waits no longer than one step.
const STEP: usize = 1000;
const PURGES: &[u8] = b"dynamodb/purge/";
/// What a process is filling with a copy; if it ends before, the next one clears it away.
const COPIES: &[u8] = b"dynamodb/copy/";

/// The mark that everything under a prefix is to be deleted.
pub fn purge_key(prefix: &[u8]) -> Vec<u8> {
    [PURGES, prefix].concat()
}

/// The mark of a copy that is not complete.
pub fn copy_key(prefix: &[u8]) -> Vec<u8> {
    [COPIES, prefix].concat()
}

impl DynamoDb {
    /// Goes on with what the last process left unfinished, beside whatever else is going on.
    pub fn resume(&self, cloud: &Cloud) {
        let store = cloud.store.clone();
        let unfinished = match give_up_copies(&store).and_then(|()| unfinished(&store)) {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::error!(?error, "tables cannot be looked through for unfinished work");
                return;
            }
        };
        if unfinished.is_empty() && store.scan(Range::prefix(PURGES)).next().is_none() {
            return;
        }
        let db = self.clone();
        std::thread::spawn(move || {
            let filled = unfinished.iter().try_for_each(|table| db.finish_backfill(&store, table));
            if let Err(error) = filled.and_then(|()| db.purge(&store)) {
                tracing::error!(?error, "unfinished work on tables cannot go on");
            }
        });
    }

    /// Deletes what is marked to be deleted.
    pub fn purge(&self, store: &Store) -> Result<(), Error> {
        for mark in store.scan(Range::prefix(PURGES)) {
            let (mark, _) = mark?;
            let prefix = &mark[PURGES.len()..];
            while !store.write(|transaction| {
                let entries = transaction.scan(Range::prefix(prefix), STEP)?;
                if entries.is_empty() {
                    transaction.delete(mark.clone());
                }
                let done = entries.is_empty();
                entries.into_iter().for_each(|(key, _)| transaction.delete(key));
                Ok::<_, Error>(done)
            })? {}
        }
        Ok(())
    }

    /// Fills the indexes of a table that are not full yet.
    pub fn finish_backfill(&self, store: &Store, table: &Table) -> Result<(), Error> {
        let key = table_key(&table.account, &table.region, &table.name);
        while store.write(|transaction| backfill_step(transaction, &key))? {}
        self.forget(table);
        Ok(())
    }
}

/// Nobody goes on with the copies of a process that has ended.
fn give_up_copies(store: &Store) -> Result<(), Error> {
    let mut marks = Vec::new();
    for entry in store.scan(Range::prefix(COPIES)) {
        marks.push(entry?.0);
    }
    store.write(|transaction| {
        for mark in marks {
            transaction.put(purge_key(&mark[COPIES.len()..]), Vec::new());
            transaction.delete(mark);
        }
        Ok(())
    })
}

/// The tables with an index that is not full yet.
fn unfinished(store: &Store) -> Result<Vec<Table>, Error> {
    let mut unfinished = Vec::new();
    for entry in store.scan(Range::prefix(TABLES)) {
        let table = read_table(&entry?.1)?;
        if table.is_filling() {
            unfinished.push(table);
        }
    }
    Ok(unfinished)
}

/// An index that is not full yet.
enum Filling {
    Index(usize),
    Vector(usize),
}

impl Filling {
    fn next(table: &Table) -> Option<Filling> {
        let index = table.indexes.iter().position(|index| index.backfill.is_some()).map(Filling::Index);
        index.or_else(|| table.vectors.iter().position(|index| index.backfill.is_some()).map(Filling::Vector))
    }

    fn place<'t>(&self, table: &'t mut Table) -> &'t mut Option<Vec<u8>> {
        match self {
            Filling::Index(at) => &mut table.indexes[*at].backfill,
            Filling::Vector(at) => &mut table.vectors[*at].backfill,
        }
    }

    /// What the index, of this number, gets of an item.
    fn change(&self, table: &Table, item: &Item) -> (IndexNumber, EntryChange) {
        match self {
            Filling::Index(at) => {
                let index = &table.indexes[*at];
                (index.number, table.entry_change(index, None, Some(item)))
            }
            Filling::Vector(at) => {
                let index = &table.vectors[*at];
                (index.number, table.vector_change(index, None, Some(item)))
            }
        }
    }
}

/// Files some more items in an index; false when there is no more to do.
fn backfill_step(transaction: &mut store::Transaction<'_>, key: &[u8]) -> Result<bool, Error> {
    let Some(record) = transaction.get(key)? else { return Ok(false) };
    let mut table = read_table(&record)?;
    let Some(filling) = Filling::next(&table) else {
        return list_times_step(transaction, key, table);
    };
    let mut range = Range::prefix(index_prefix(table.number, PRIMARY));
    if let Some(after) = filling.place(&mut table).clone().filter(|after| !after.is_empty()) {
        range = range.after(after);
    }
    let mut head = Head::decode(&transaction.get(&head_key(table.number))?.ok_or(Corrupt)?)?;
    let entries = transaction.scan(range, STEP)?;
    for (_, record) in &entries {
        let (item, _) = codec::decode(record)?;
        let (number, change) = filling.change(&table, &item);
        let Some(entry) = change.new else { continue };
        // What was written since the index was declared is already in it.
        if !transaction.contains(&entry.key)? {
            head.sizes.replace(number, None, Some(entry.weight));
            transaction.put(entry.key, Bytes::from(entry.value));
        }
    }
    *filling.place(&mut table) = entries.last().map(|(last, _)| last.to_vec());
    if entries.is_empty() {
        table.generation += 1;
        head.generation = table.generation;
    }
    transaction.put(head_key(table.number), head.encode());
    transaction.put(key.to_vec(), write_table(&table)?);
    Ok(true)
}

/// Puts some more items into the list of times; false when there is no more to do.
fn list_times_step(transaction: &mut store::Transaction<'_>, key: &[u8], mut table: Table) -> Result<bool, Error> {
    let Some((ttl, after)) = table.ttl.clone().and_then(|ttl| ttl.backfill.clone().map(|after| (ttl, after))) else {
        return Ok(false);
    };
    let range = Range::prefix(index_prefix(table.number, PRIMARY));
    let range = if after.is_empty() { range } else { range.after(after) };
    let entries = transaction.scan(range, STEP)?;
    for (_, record) in &entries {
        if let Some(expiry) = table.expiry_key(&ttl, &codec::decode(record)?.0) {
            transaction.put(expiry, Vec::new());
        }
    }
    let backfill = entries.last().map(|(last, _)| last.to_vec());
    if backfill.is_none() {
        let mut head = Head::decode(&transaction.get(&head_key(table.number))?.ok_or(Corrupt)?)?;
        table.generation += 1;
        head.generation = table.generation;
        transaction.put(head_key(table.number), head.encode());
    }
    table.ttl = Some(TimeToLive { backfill, ..ttl });
    transaction.put(key.to_vec(), write_table(&table)?);
    Ok(true)
}
