//! Backups: copies of a table's items and of its record, and new tables made from copies.
//!
//! A copy is taken from one snapshot of the store, in steps, under a number of its own as if it were a table. It belongs
//! to something only with the last step; until then a mark says that it may be thrown away.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use service::{Arn, Context, Timestamp};
use store::{Range, Snapshot, Store, Transaction};

use crate::DynamoDb;
use crate::change;
use crate::codec::{self, Corrupt};
use crate::error::Error;
use crate::history::DAY;
use crate::maintenance::{copy_key, purge_key};
use crate::store::{Sizes, read_table, table_key};
use crate::table::{PRIMARY, Table, index_prefix, table_prefix};

const BACKUPS: &str = "dynamodb/backup/";
/// How many items one transaction copies.
const STEP: usize = 1000;
/// How long the backup of a deleted table is kept.
const SYSTEM_DAYS: i64 = 35;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// What its ARN ends in.
    pub id: String,
    pub name: String,
    pub created: i64,
    /// Made by the service when the table was deleted; gone after this time.
    pub expires: Option<i64>,
    /// The table as it was.
    pub table: Table,
    pub bytes: i64,
    pub items: i64,
    /// Under which the items are kept.
    pub number: u64,
}

impl Backup {
    pub fn arn(&self) -> String {
        format!("{}/backup/{}", self.table.arn(), self.id)
    }

    pub fn key(&self) -> Vec<u8> {
        key(&self.table.account, &self.table.region, &self.table.name, &self.id)
    }
}

fn key(account: &str, region: &str, table: &str, id: &str) -> Vec<u8> {
    format!("{BACKUPS}{account}/{region}/{table}/{id}").into_bytes()
}

/// Where an account's backups in a region are kept, or those of one table.
pub fn prefix(cx: &Context, table: Option<&str>) -> Vec<u8> {
    match table {
        Some(table) => key(cx.account(), cx.region(), table, ""),
        None => format!("{BACKUPS}{}/{}/", cx.account(), cx.region()).into_bytes(),
    }
}

/// Where the backup with an ARN is kept, if it is one of this account and region.
pub fn key_of(cx: &Context, arn: &str) -> Option<Vec<u8>> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == "dynamodb")?;
    let (table, id) = arn.resource.strip_prefix("table/")?.split_once("/backup/")?;
    (arn.account == cx.account() && arn.region == cx.region()).then(|| key(&arn.account, &arn.region, table, id))
}

pub fn find(cx: &Context, arn: &str) -> Result<Backup, Error> {
    let missing = || Error::BackupNotFound(format!("Backup not found: {arn}"));
    let record = cx.store().get(&key_of(cx, arn).ok_or_else(missing)?)?.ok_or_else(missing)?;
    let backup: Backup = service::from_record(&record)?;
    if backup.expires.is_some_and(|expires| expires < cx.now().millis()) { Err(missing()) } else { Ok(backup) }
}

/// The identifiers of backups, exports and imports: the time, and something at random.
pub fn new_id(cx: &Context) -> String {
    format!("{:014}-{}", cx.now().millis(), &cx.random().uuid()[..8])
}

/// A finished copy that nothing owns yet.
pub struct Copied {
    pub number: u64,
    pub sizes: Sizes,
}

impl Copied {
    /// To be called in the transaction that gives the copy to somebody.
    pub fn keep(&self, transaction: &mut Transaction<'_>) {
        transaction.delete(copy_key(&table_prefix(self.number)));
    }

    /// Throws the copy away.
    pub fn discard(&self, store: &Store) -> Result<(), Error> {
        store.write(|transaction| {
            self.keep(transaction);
            transaction.put(purge_key(&table_prefix(self.number)), Vec::new());
            Ok(())
        })
    }
}

/// Copies items, each with its place.
pub fn copy(store: &Store, items: impl Iterator<Item = Result<(Bytes, Bytes), Error>>) -> Result<Copied, Error> {
    let number = store.write(|transaction| {
        let number = change::next_number(transaction)?;
        transaction.put(copy_key(&table_prefix(number)), Vec::new());
        Ok::<_, Error>(number)
    })?;
    let mut copied = Copied { number, sizes: Sizes::default() };
    let prefix = index_prefix(number, PRIMARY);
    let mut items = items.peekable();
    while items.peek().is_some() {
        store.write(|transaction| {
            for item in items.by_ref().take(STEP) {
                let (place, record) = item?;
                copied.sizes.replace(PRIMARY, None, Some(codec::weight(&record)?));
                transaction.put([prefix.as_slice(), &place].concat(), record);
            }
            Ok::<_, Error>(())
        })?;
    }
    Ok(copied)
}

/// The items under a number, each with its place.
pub fn items(snapshot: &Snapshot, number: u64) -> impl Iterator<Item = Result<(Bytes, Bytes), Error>> + use<> {
    let prefix = index_prefix(number, PRIMARY);
    let length = prefix.len();
    snapshot.scan(Range::prefix(prefix)).map(move |entry| {
        let (key, record) = entry?;
        Ok((key.slice(length.min(key.len())..), record))
    })
}

/// Makes a backup of a table as it is now.
pub fn make(cx: &Context, table: &Table, name: String, system: bool) -> Result<Backup, Error> {
    let snapshot = cx.store().snapshot();
    let record = snapshot.get(&table_key(&table.account, &table.region, &table.name))?.ok_or(Corrupt)?;
    let table = read_table(&record)?;
    let copied = copy(cx.store(), items(&snapshot, table.number))?;
    let (bytes, items) = copied.sizes.of(PRIMARY);
    let created = cx.now().millis();
    let expires = system.then_some(created + SYSTEM_DAYS * DAY);
    let backup = Backup { id: new_id(cx), name, created, expires, table, bytes, items, number: copied.number };
    cx.store().write(|transaction| {
        copied.keep(transaction);
        transaction.put(backup.key(), service::to_record(&backup)?);
        Ok::<_, Error>(())
    })?;
    Ok(backup)
}

pub fn delete(store: &Store, backup: &Backup) -> Result<(), Error> {
    store.write(|transaction| {
        transaction.delete(backup.key());
        transaction.put(purge_key(&table_prefix(backup.number)), Vec::new());
        Ok(())
    })
}

impl DynamoDb {
    /// Makes a table out of copied items, and fills its indexes.
    pub fn make_table(&self, cx: &Context, mut table: Table, copied: &Copied) -> Result<Table, Error> {
        table.number = copied.number;
        let made = cx.store().write(|transaction| {
            copied.keep(transaction);
            change::add(transaction, &mut table, copied.sizes.clone(), cx.now().millis())
        });
        if let Err(error) = made {
            copied.discard(cx.store())?;
            self.purge(cx.store())?;
            return Err(match error {
                Error::ResourceInUse(message) => Error::TableAlreadyExists(message),
                error => error,
            });
        }
        self.finish_backfill(cx.store(), &table)?;
        Ok(table)
    }

    /// Deletes the backups whose time is over.
    pub fn expire_backups(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let mut gone = Vec::new();
        for entry in store.scan(Range::prefix(BACKUPS)) {
            let backup: Backup = service::from_record(&entry?.1)?;
            if backup.expires.is_some_and(|expires| expires < now.millis()) {
                gone.push(backup);
            }
        }
        gone.iter().try_for_each(|backup| delete(store, backup))?;
        if gone.is_empty() { Ok(()) } else { self.purge(store) }
    }
}
