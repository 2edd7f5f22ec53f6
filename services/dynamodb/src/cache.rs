//! Tables in memory, and the transactions that rely on them.
//!
//! The cache is filled from the store while it is locked, and a changed table is dropped from it after the change is
//! committed, so it never keeps what was read before a change. Writers check the generation besides.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use service::Context;
use store::Store;

use crate::DynamoDb;
use crate::capacity::Direction;
use crate::error::Error;
use crate::schema;
use crate::store::{Head, head_key, read_table, table_key};
use crate::stream::Actor;
use crate::table::Table;
use crate::write::{Failure, Writer};

/// How often a write starts again because its table keeps changing.
const ATTEMPTS: usize = 8;

#[derive(Default)]
pub struct Cache {
    tables: RwLock<HashMap<Vec<u8>, Arc<Table>>>,
}

impl Cache {
    fn get(&self, store: &Store, key: &[u8]) -> Result<Option<Arc<Table>>, Error> {
        if let Some(table) = self.tables.read().get(key) {
            return Ok(Some(table.clone()));
        }
        let mut tables = self.tables.write();
        let Some(record) = store.get(key)? else { return Ok(None) };
        let table = Arc::new(read_table(&record)?);
        tables.insert(key.to_vec(), table.clone());
        Ok(Some(table))
    }

    pub fn clear(&self) {
        self.tables.write().clear();
    }

    pub fn forget(&self, key: &[u8]) {
        self.tables.write().remove(key);
    }
}

/// Where a table is: its account and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub account: &'a str,
    pub name: &'a str,
}

/// The place that a name or an ARN means; `None` for ARNs of other regions and of no table. Tables of other accounts can
/// be named by their ARNs: their policies say who may.
pub fn place<'a>(cx: &'a Context, name_or_arn: &'a str) -> Option<Place<'a>> {
    let Some(rest) = name_or_arn.strip_prefix("arn:") else {
        return Some(Place { account: cx.account(), name: name_or_arn });
    };
    let mut parts = rest.splitn(5, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some("dynamodb"), Some(region), Some(account), Some(resource)) if region == cx.region() => {
            let name = resource.strip_prefix("table/")?;
            Some(Place { account, name: name.split_once('/').map_or(name, |(name, _)| name) })
        }
        _ => None,
    }
}

/// The table's name, of a name or an ARN; `None` for ARNs of other regions.
pub fn table_name<'a>(cx: &'a Context, name_or_arn: &'a str) -> Option<&'a str> {
    place(cx, name_or_arn).map(|place| place.name)
}

impl DynamoDb {
    pub fn find_table(&self, cx: &Context, name_or_arn: &str) -> Result<Option<Arc<Table>>, Error> {
        match place(cx, name_or_arn) {
            Some(Place { account, name }) => {
                let found = self.cache.get(cx.store(), &table_key(account, cx.region(), name))?;
                match found {
                    Some(gone) if gone.busy.is_some() && gone.is_gone(cx.now().millis()) => {
                        self.finish_deletion(cx, &gone)?;
                        Ok(None)
                    }
                    found => Ok(found),
                }
            }
            None => Ok(None),
        }
    }

    /// The table with a key in the store.
    pub fn cached(&self, store: &Store, key: &[u8]) -> Result<Option<Arc<Table>>, Error> {
        self.cache.get(store, key)
    }

    /// The table, for operations on items.
    pub fn table(&self, cx: &Context, name_or_arn: &str) -> Result<Arc<Table>, Error> {
        let found = self.find_table(cx, name_or_arn)?;
        let serves = |table: &Arc<Table>| table.busy.is_none() || table.serves_items(cx.now().millis());
        found.filter(serves).ok_or_else(|| match check_name(cx, name_or_arn) {
            Ok(()) => Error::ResourceNotFound("Requested resource not found".to_owned()),
            Err(error) => error,
        })
    }

    /// The table, for operations on tables.
    pub fn named_table(&self, cx: &Context, name_or_arn: &str) -> Result<Arc<Table>, Error> {
        self.find_table(cx, name_or_arn)?.ok_or_else(|| no_such_table(cx, name_or_arn))
    }

    pub fn forget(&self, table: &Table) {
        self.forget_named(&table.account, &table.region, &table.name);
    }

    pub fn forget_named(&self, account: &str, region: &str, name: &str) {
        self.cache.forget(&table_key(account, region, name));
    }

    pub fn head(&self, cx: &Context, table: &Table) -> Result<Head, Error> {
        match cx.store().get(&head_key(table.number))? {
            Some(record) => Ok(Head::decode(&record)?),
            None => Ok(Head::default()),
        }
    }

    /// Changes items of one table, all or nothing.
    pub fn write<T>(
        &self,
        cx: &Context,
        name_or_arn: &str,
        mut change: impl FnMut(&Table, &mut Writer<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(Arc<Table>, T), Error> {
        let (tables, value) = self.write_all(cx, &[name_or_arn], |tables, writer| change(&tables[0], writer))?;
        let [table] = <[Arc<Table>; 1]>::try_from(tables).map_err(|_| Error::internal("one table was asked for"))?;
        Ok((table, value))
    }

    /// Changes items of several tables, all or nothing. The closure sees the tables in the order of their names given.
    pub fn write_all<T>(
        &self,
        cx: &Context,
        names: &[&str],
        change: impl FnMut(&[Arc<Table>], &mut Writer<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(Vec<Arc<Table>>, T), Error> {
        self.write_tables(cx, names, true, change)
    }

    /// Changes items of several tables. Where they are not let in as a whole, the closure asks for each.
    pub fn write_tables<T>(
        &self,
        cx: &Context,
        names: &[&str],
        as_a_whole: bool,
        change: impl FnMut(&[Arc<Table>], &mut Writer<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(Vec<Arc<Table>>, T), Error> {
        let find = |name: &str| self.table(cx, name);
        self.write_found(cx, &find, names, as_a_whole, change)
    }

    /// Changes items of a table that may be closed to requests.
    pub fn write_closed<T>(
        &self,
        cx: &Context,
        name_or_arn: &str,
        mut change: impl FnMut(&Table, &mut Writer<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let find = |name: &str| self.named_table(cx, name);
        let change = |tables: &[Arc<Table>], writer: &mut Writer<'_, '_>| change(&tables[0], writer);
        self.write_found(cx, &find, &[name_or_arn], false, change).map(|(_, value)| value)
    }

    fn write_found<T>(
        &self,
        cx: &Context,
        find: &dyn Fn(&str) -> Result<Arc<Table>, Error>,
        names: &[&str],
        as_a_whole: bool,
        mut change: impl FnMut(&[Arc<Table>], &mut Writer<'_, '_>) -> Result<T, Failure>,
    ) -> Result<(Vec<Arc<Table>>, T), Error> {
        for _ in 0..ATTEMPTS {
            let tables = names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
            for table in tables.iter().filter(|_| as_a_whole) {
                self.admit_write(cx, table)?;
            }
            let result = cx.store().write(|transaction| {
                let mut writer = Writer::new(transaction, Actor::Request, cx.now().millis());
                writer.collection_limit = self.collection_limit;
                let counted = self.throttle.is_some() || tables.iter().any(|table| !table.scaling.is_empty());
                writer.spent = (counted && as_a_whole).then(Vec::new);
                let value = change(&tables, &mut writer)?;
                writer.finish();
                Ok::<_, Failure>((value, writer.spent))
            });
            match result {
                Ok((value, spent)) => {
                    for (number, consumed) in spent.iter().flatten() {
                        if let Some(table) = tables.iter().find(|table| table.number == *number) {
                            self.charge(cx, table, Direction::Write, consumed);
                        }
                    }
                    return Ok((tables, value));
                }
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Condition(item)) => return Err(Error::condition_failed(item)),
                Err(Failure::Stale) => tables.iter().for_each(|table| self.forget(table)),
            }
        }
        Err(Error::internal("the table keeps changing"))
    }
}

pub fn no_such_table(cx: &Context, name_or_arn: &str) -> Error {
    let name = table_name(cx, name_or_arn).unwrap_or(name_or_arn);
    match check_name(cx, name_or_arn) {
        Ok(()) => Error::ResourceNotFound(format!("Requested resource not found: Table: {name} not found")),
        Err(error) => error,
    }
}

/// Names that no table can have are complained about as such, once the table has not been found.
fn check_name(cx: &Context, name_or_arn: &str) -> Result<(), Error> {
    match table_name(cx, name_or_arn).map(schema::check_table_name) {
        Some(Err(_)) => Err(Error::Validation(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain \
             only the characters a-z, A-Z, 0-9, '_', '-', and '.'"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn writers_notice_that_a_table_has_changed() {
        let bench = Bench::with_table();
        let add = || {
            bench.ok(
                "UpdateItem",
                json!({
                    "TableName": "tab",
                    "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                    "UpdateExpression": "ADD hits :one SET kind = :k",
                    "ExpressionAttributeValues": { ":one": { "N": "1" }, ":k": { "S": "x" } },
                }),
            )
        };
        let index = json!({ "Create": {
            "IndexName": "by-kind",
            "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        } });
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..200).for_each(|_| drop(add())));
            }
            scope.spawn(|| {
                bench.ok(
                    "UpdateTable",
                    json!({
                        "TableName": "tab",
                        "AttributeDefinitions": [{ "AttributeName": "kind", "AttributeType": "S" }],
                        "GlobalSecondaryIndexUpdates": [index],
                    }),
                );
            });
        });
        assert_eq!(bench.get("a", "1")["hits"], json!({ "N": "600" }));
        let filed = bench.ok("Scan", json!({ "TableName": "tab", "IndexName": "by-kind" }));
        assert_eq!(filed["Items"][0]["hits"], json!({ "N": "600" }));
        let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
        assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], json!(1));
    }

    #[test]
    fn a_table_made_anew_is_not_the_old_one() {
        let bench = Bench::with_table();
        bench.put("a", "1", json!({}));
        bench.ok("DeleteTable", json!({ "TableName": "tab" }));
        assert_eq!(
            bench.error("PutItem", json!({ "TableName": "tab", "Item": { "pk": { "S": "a" }, "sk": { "S": "1" } } })).0,
            "ResourceNotFoundException"
        );
        bench.create("tab", &["pk", "sk"], json!({}));
        assert!(bench.get("a", "1").is_null());
        bench.put("a", "1", json!({}));
        bench.cloud.store.clear().unwrap();
        service::Service::reset(&bench.db);
        assert_eq!(
            bench.error("GetItem", json!({ "TableName": "tab", "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } } })).0,
            "ResourceNotFoundException"
        );
    }
}
