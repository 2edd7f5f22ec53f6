//! Tables from their creation to their end.

use crate::testing::Bench;
use serde_json::json;
use service::Store;

#[test]
fn tables_come_and_go() {
    let bench = Bench::new();
    bench.create("things", &["pk"], json!({ "Tags": [{ "Key": "a", "Value": "b" }] }));
    let table = &bench.ok("DescribeTable", json!({ "TableName": "things" }))["Table"];
    assert_eq!(table["TableStatus"], json!("ACTIVE"));
    assert_eq!(table["TableArn"], json!("arn:aws:dynamodb:us-east-1:000000000000:table/things"));
    assert_eq!(table["BillingModeSummary"]["BillingMode"], json!("PAY_PER_REQUEST"));
    assert_eq!(table["CreationDateTime"], json!(1_700_000_000));
    assert_eq!((&table["ItemCount"], &table["TableSizeBytes"]), (&json!(0), &json!(0)));
    assert_eq!(
        bench.error(
            "CreateTable",
            json!({
                "TableName": "things",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
            })
        ),
        ("ResourceInUseException".into(), "Table already exists: things".into())
    );
    bench.ok("PutItem", json!({ "TableName": "things", "Item": { "pk": { "S": "a" } } }));
    let gone = bench.ok("DeleteTable", json!({ "TableName": "things" }));
    assert_eq!(gone["TableDescription"]["TableStatus"], json!("DELETING"));
    assert_eq!(
        bench.error("DescribeTable", json!({ "TableName": "things" })),
        ("ResourceNotFoundException".into(), "Requested resource not found: Table: things not found".into())
    );
    let left: Vec<_> = bench.cloud.store.scan(service::Range::prefix("dynamodb/")).map(|e| e.unwrap().0).collect();
    assert_eq!(left, ["dynamodb/next"], "nothing remains");
    bench.create("things", &["pk"], json!({}));
    assert!(bench.ok("Scan", json!({ "TableName": "things" }))["Items"].as_array().unwrap().is_empty());
}

#[test]
fn lists_are_paged() {
    let bench = Bench::new();
    for name in ["ccc", "aaa", "bbb"] {
        bench.create(name, &["pk"], json!({}));
    }
    let first = bench.ok("ListTables", json!({ "Limit": 2 }));
    assert_eq!(first, json!({ "TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb" }));
    assert_eq!(bench.ok("ListTables", json!({ "ExclusiveStartTableName": "bbb" })), json!({ "TableNames": ["ccc"] }));
}

#[test]
fn protection_holds_until_it_is_lifted() {
    let bench = Bench::new();
    bench.create("things", &["pk"], json!({ "DeletionProtectionEnabled": true }));
    assert!(bench.invalid("DeleteTable", json!({ "TableName": "things" })).contains("protected against deletion"));
    bench.ok("UpdateTable", json!({ "TableName": "things", "DeletionProtectionEnabled": false }));
    bench.ok("DeleteTable", json!({ "TableName": "things" }));
}

#[test]
fn new_indexes_are_filled_and_old_ones_vanish() {
    let bench = Bench::with_table();
    for n in 0..2500 {
        bench.put("a", &format!("{n:04}"), json!({ "kind": { "S": if n % 5 == 0 { "five" } else { "other" } } }));
    }
    let update = |change: serde_json::Value| {
        bench.ok(
            "UpdateTable",
            json!({
                "TableName": "tab",
                "AttributeDefinitions": [{ "AttributeName": "kind", "AttributeType": "S" }],
                "GlobalSecondaryIndexUpdates": [change],
            }),
        )
    };
    let description = update(json!({ "Create": {
        "IndexName": "by-kind",
        "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
        "Projection": { "ProjectionType": "ALL" },
    } }));
    let index = &description["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!((&index["IndexStatus"], &index["Backfilling"]), (&json!("CREATING"), &json!(false)));
    let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], json!("ACTIVE"));
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], json!(2500));
    assert_eq!(table["ItemCount"], json!(2500));
    let count = || {
        bench.call(
            "Query",
            json!({
                "TableName": "tab",
                "IndexName": "by-kind",
                "KeyConditionExpression": "kind = :k",
                "ExpressionAttributeValues": { ":k": { "S": "five" } },
                "Select": "COUNT",
            }),
        )
    };
    assert_eq!(count().unwrap()["Count"], json!(500));
    bench.put("a", "0000", json!({ "kind": { "S": "other" } }));
    assert_eq!(count().unwrap()["Count"], json!(499));
    update(json!({ "Delete": { "IndexName": "by-kind" } }));
    assert!(count().unwrap_err().message.contains("does not have the specified index"));
    let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
    assert_eq!(table["AttributeDefinitions"].as_array().unwrap().len(), 2);
    let items = bench.cloud.store.scan(service::Range::prefix("dynamodb/item/")).count();
    assert_eq!(items, 2500, "the entries of the index are gone");
}

#[test]
fn billing_changes() {
    let bench = Bench::with_table();
    let units = |read: i64, write: i64| {
        json!({
            "TableName": "tab",
            "BillingMode": "PROVISIONED",
            "ProvisionedThroughput": { "ReadCapacityUnits": read, "WriteCapacityUnits": write },
        })
    };
    let provisioned = &bench.ok("UpdateTable", units(5, 5))["TableDescription"];
    assert_eq!(provisioned["ProvisionedThroughput"]["ReadCapacityUnits"], json!(5));
    assert_eq!(provisioned["BillingModeSummary"]["BillingMode"], json!("PROVISIONED"));
    assert!(bench.invalid("UpdateTable", units(5, 5)).starts_with("The provisioned throughput for the table will not"));
    let more = &bench.ok("UpdateTable", units(6, 4))["TableDescription"]["ProvisionedThroughput"];
    assert!(more.get("LastIncreaseDateTime").is_some() && more.get("LastDecreaseDateTime").is_some());
    let back = bench.ok("UpdateTable", json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST" }));
    assert_eq!(back["TableDescription"]["ProvisionedThroughput"]["ReadCapacityUnits"], json!(0));
    assert!(bench.invalid("UpdateTable", json!({ "TableName": "tab" })).starts_with("At least one of"));
}

#[test]
fn what_is_not_real_is_refused() {
    let bench = Bench::with_table();
    let mode = json!({ "TableName": "tab", "GlobalTableSettingsReplicationMode": "ENABLED" });
    assert_eq!(bench.error("UpdateTable", mode).0, "NotImplemented");
}

#[test]
fn state_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Bench::over(Store::open(folder.path(), Default::default()).unwrap());
    let bench = open();
    bench.create("tab", &["pk", "sk"], json!({}));
    bench.put("a", "1", json!({ "v": { "N": "1" } }));
    drop(bench);
    let bench = open();
    assert_eq!(bench.get("a", "1")["v"], json!({ "N": "1" }));
    assert_eq!(bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["ItemCount"], json!(1));
}
