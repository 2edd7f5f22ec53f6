//! Item collections: in a table with local indexes, all that has one partition key, the entries of those indexes with it. There
//! may be 10 GB of each.
//!
//! A collection's size is a record that changes with its items. Where there is none yet (in tables that were restored, say) it is
//! counted when it is first needed. While a local index is being filled, after a restoration, nothing is.

use store::{Range, Snapshot, Transaction};

use crate::codec::{self, Corrupt};
use crate::error::Error;
use crate::table::{IndexNumber, PRIMARY, Scope, Table, index_prefix, partition};
use crate::value::Item;

pub const LIMIT: i64 = 10 * (1 << 30);
/// No index ever has this number.
const NUMBER: IndexNumber = IndexNumber::MAX;

/// Where the size of an item's collection is kept; nothing where it has none.
fn key(table: &Table, hash: &[u8]) -> Vec<u8> {
    [index_prefix(table.number, NUMBER).as_slice(), hash].concat()
}

fn parse(record: &[u8]) -> Result<i64, Corrupt> {
    Ok(i64::from_be_bytes(record.try_into().map_err(|_| Corrupt)?))
}

/// The numbers under which a collection's items and entries are kept.
fn numbers(table: &Table) -> impl Iterator<Item = IndexNumber> + '_ {
    let local = table.indexes.iter().filter(|index| index.scope == Scope::Local);
    std::iter::once(PRIMARY).chain(local.map(|index| index.number))
}

fn counts(table: &Table) -> bool {
    let mut local = table.indexes.iter().filter(|index| index.scope == Scope::Local).peekable();
    local.peek().is_some() && local.all(|index| index.backfill.is_none())
}

/// Accounts for a change of some bytes that the transaction has made. A collection that is too large can only shrink.
pub fn change(
    transaction: &mut Transaction<'_>,
    table: &Table,
    item: &Item,
    bytes: i64,
    limit: i64,
) -> Result<(), Error> {
    if bytes == 0 || !counts(table) {
        return Ok(());
    }
    let Some(hash) = table.keys.hash_bytes(item) else { return Ok(()) };
    let at = key(table, &hash);
    let after = match transaction.get(&at)? {
        Some(record) => parse(&record)? + bytes,
        None => {
            let mut counted = 0;
            for number in numbers(table) {
                for (_, record) in
                    transaction.scan(Range::prefix(partition(table.number, number, &hash)), usize::MAX)?
                {
                    counted += codec::weight(&record)? as i64;
                }
            }
            counted
        }
    };
    if bytes > 0 && after > limit {
        return Err(Error::ItemCollectionSizeLimitExceeded("Collection size exceeded.".to_owned()));
    }
    match after {
        0 => transaction.delete(at),
        _ => transaction.put(at, after.to_be_bytes().to_vec()),
    }
    Ok(())
}

/// How many bytes there are in an item's collection.
pub fn size(snapshot: &Snapshot, table: &Table, item: &Item) -> Result<i64, Error> {
    let Some(hash) = table.keys.hash_bytes(item) else { return Ok(0) };
    if let Some(record) = snapshot.get(&key(table, &hash))?.filter(|_| counts(table)) {
        return Ok(parse(&record)?);
    }
    let mut counted = 0;
    for number in numbers(table) {
        for entry in snapshot.scan(Range::prefix(partition(table.number, number, &hash))) {
            counted += codec::weight(&entry?.1)? as i64;
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Bench;

    fn bench(limit: i64) -> Bench {
        let mut bench = Bench::new();
        bench.db.collection_limit = limit;
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let keys = |range: &str| json!([{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        bench.ok(
            "CreateTable",
            json!({
                "TableName": "tab", "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("sk"),
                "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("at")],
                "LocalSecondaryIndexes": [{
                    "IndexName": "by-at", "KeySchema": keys("at"), "Projection": { "ProjectionType": "ALL" },
                }],
            }),
        );
        bench
    }

    fn put(sk: &str, length: usize) -> Value {
        let item = json!({
            "pk": { "S": "p" }, "sk": { "S": sk }, "at": { "S": "x" }, "text": { "S": "x".repeat(length) },
        });
        json!({ "TableName": "tab", "Item": item, "ReturnItemCollectionMetrics": "SIZE" })
    }

    #[test]
    fn collections_have_a_limit() {
        let bench = bench(3000);
        let metrics = bench.ok("PutItem", put("1", 1000))["ItemCollectionMetrics"].clone();
        assert_eq!(metrics["SizeEstimateRangeGB"], json!([0.0, 1.0]));
        let refused = bench.call("PutItem", put("2", 1000)).unwrap_err();
        assert_eq!(
            (refused.code.as_str(), refused.message.as_str()),
            ("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
        );
        // What lies in no local index counts once.
        let mut bare = put("2", 700);
        bare["Item"].as_object_mut().unwrap().remove("at");
        bench.ok("PutItem", bare);
        assert!(bench.call("PutItem", put("3", 200)).is_err());
        // It may shrink, and then grow again; other collections have nothing to do with it.
        bench.ok("PutItem", put("1", 500));
        bench.ok("PutItem", put("3", 200));
        let mut other = put("2", 1000);
        other["Item"]["pk"] = json!({ "S": "q" });
        bench.ok("PutItem", other);
    }

    #[test]
    fn transactions_say_which_member_is_too_much() {
        let bench = bench(3000);
        let member = |sk: &str| json!({ "Put": { "TableName": "tab", "Item": put(sk, 1000)["Item"] } });
        let refused = bench.call("TransactWriteItems", json!({ "TransactItems": [member("1"), member("2")] }));
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, "TransactionCanceledException");
        assert!(refused.message.ends_with("[None, ItemCollectionSizeLimitExceeded]"), "{}", refused.message);
        assert!(bench.get("p", "1").is_null());
    }

    #[test]
    fn restored_collections_are_counted() {
        let bench = bench(3000);
        bench.ok("PutItem", put("1", 1000));
        let backup = bench.ok("CreateBackup", json!({ "TableName": "tab", "BackupName": "one" }));
        let arn = backup["BackupDetails"]["BackupArn"].clone();
        bench.ok("RestoreTableFromBackup", json!({ "BackupArn": arn, "TargetTableName": "new" }));
        let mut more = put("2", 1000);
        more["TableName"] = json!("new");
        assert_eq!(bench.call("PutItem", more).unwrap_err().code, "ItemCollectionSizeLimitExceededException");
    }
}
