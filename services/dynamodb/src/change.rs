//! New tables and changed ones: the record, and in the same transaction everything that has to follow it.

use std::sync::Arc;

use service::Context;
use store::Transaction;

use crate::DynamoDb;
use crate::cache::no_such_table;
use crate::codec::Corrupt;
use crate::error::Error;
use crate::maintenance::purge_key;
use crate::store::{Head, NEXT_NUMBER, head_key, mark_key, read_table, table_key, write_table};
use crate::store::{RECOVERIES, SCALINGS, Sizes, TIMES_TO_LIVE};
use crate::stream;
use crate::table::{Table, index_prefix};

/// A number that nothing else is kept under.
pub fn next_number(transaction: &mut Transaction<'_>) -> Result<u64, Error> {
    let next = transaction.get(NEXT_NUMBER)?;
    let number = next.and_then(|next| next.as_ref().try_into().map(u64::from_be_bytes).ok()).unwrap_or(1);
    transaction.put(NEXT_NUMBER, (number + 1).to_be_bytes().to_vec());
    Ok(number)
}

/// Puts a new table into the store, which already holds items of the given sizes under its number.
pub fn add(transaction: &mut Transaction<'_>, table: &mut Table, sizes: Sizes, now: i64) -> Result<(), Error> {
    let key = table_key(&table.account, &table.region, &table.name);
    if transaction.contains(&key)? {
        return Err(Error::ResourceInUse(format!("Table already exists: {}", table.name)));
    }
    let head = Head { generation: table.generation, sizes, ..Head::default() };
    transaction.put(head_key(table.number), head.encode());
    stream::open(transaction, table, 0, now)?;
    transaction.put(key, write_table(table)?);
    Ok(())
}

impl DynamoDb {
    /// Changes a table's record. Indexes that the change removes are marked to be purged.
    pub fn change_table<T>(
        &self,
        cx: &Context,
        name_or_arn: &str,
        change: impl FnOnce(&mut Table) -> Result<T, Error>,
    ) -> Result<(Arc<Table>, T), Error> {
        let known = self.named_table(cx, name_or_arn)?;
        let key = table_key(&known.account, &known.region, &known.name);
        let (table, value) = cx.store().write(|transaction| {
            let record = transaction.get(&key)?.ok_or_else(|| no_such_table(cx, name_or_arn))?;
            let before = read_table(&record)?;
            let mut table = before.clone();
            let value = change(&mut table)?;
            follow(transaction, &before, &mut table, cx.now().millis())?;
            transaction.put(key.clone(), write_table(&table)?);
            Ok::<_, Error>((table, value))
        })?;
        self.forget(&table);
        Ok((Arc::new(table), value))
    }
}

/// What a change of a table's record brings about elsewhere.
fn follow(transaction: &mut Transaction<'_>, before: &Table, table: &mut Table, now: i64) -> Result<(), Error> {
    let key = table_key(&table.account, &table.region, &table.name);
    table.generation += 1;
    let record = transaction.get(&head_key(table.number))?.ok_or(Corrupt)?;
    let mut head = Head::decode(&record)?;
    head.generation = table.generation;
    for gone in before.indexes.iter().filter(|old| table.indexes.iter().all(|new| new.number != old.number)) {
        head.sizes.forget(gone.number);
        transaction.put(purge_key(&index_prefix(table.number, gone.number)), Vec::new());
    }
    for gone in before.vectors.iter().filter(|old| table.vectors.iter().all(|new| new.number != old.number)) {
        head.sizes.forget(gone.number);
        transaction.put(purge_key(&index_prefix(table.number, gone.number)), Vec::new());
    }
    let ttl = [before, table].map(|table| table.ttl.as_ref().map(|ttl| ttl.number));
    let recovery = [before, table].map(|table| table.recovery.as_ref().map(|recovery| recovery.number));
    for (marks, [old, new]) in [(TIMES_TO_LIVE, ttl), (RECOVERIES, recovery)] {
        if old == new {
            continue;
        }
        match new {
            Some(_) => transaction.put(mark_key(marks, &key), Vec::new()),
            None => transaction.delete(mark_key(marks, &key)),
        }
        if let Some(gone) = old {
            transaction.put(purge_key(&index_prefix(table.number, gone)), Vec::new());
        }
    }
    match (before.scaling.is_empty(), table.scaling.is_empty()) {
        (true, false) => transaction.put(mark_key(SCALINGS, &key), Vec::new()),
        (false, true) => transaction.delete(mark_key(SCALINGS, &key)),
        _ => {}
    }
    if before.stream != table.stream {
        match table.open_stream() {
            Some(_) => stream::open(transaction, table, head.sequence, now)?,
            None => stream::close(transaction, before, head.sequence, now)?,
        }
    }
    transaction.put(head_key(table.number), head.encode());
    Ok(())
}
