//! Global tables of version 2017.11.29.

use serde_json::{Value, json};

use crate::testing::Bench;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";

fn create_in(bench: &Bench, region: &str, view: Option<&str>) {
    let stream = view.map(|view| json!({ "StreamEnabled": true, "StreamViewType": view }));
    let mut request = json!({
        "TableName": "both",
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        "ProvisionedThroughput": { "ReadCapacityUnits": 5, "WriteCapacityUnits": 6 },
    });
    if let Some(stream) = stream {
        request["StreamSpecification"] = stream;
    }
    bench.in_region(region, "CreateTable", request).unwrap();
}

fn group(regions: &[&str]) -> Value {
    let regions: Vec<_> = regions.iter().map(|region| json!({ "RegionName": region })).collect();
    json!({ "GlobalTableName": "both", "ReplicationGroup": regions })
}

fn joined() -> Bench {
    let bench = Bench::new();
    create_in(&bench, EAST, Some("NEW_AND_OLD_IMAGES"));
    create_in(&bench, WEST, Some("NEW_AND_OLD_IMAGES"));
    bench.ok("CreateGlobalTable", group(&[EAST, WEST]));
    bench
}

fn item_in(bench: &Bench, region: &str, pk: &str) -> Value {
    let request = json!({ "TableName": "both", "Key": { "pk": { "S": pk } } });
    bench.in_region(region, "GetItem", request).unwrap()["Item"].clone()
}

#[test]
fn writes_reach_all_regions_with_the_attributes_of_the_last_writer() {
    let bench = joined();
    let put = json!({ "TableName": "both", "Item": { "pk": { "S": "a" }, "v": { "N": "1" } } });
    bench.in_region(WEST, "PutItem", put).unwrap();
    let here = item_in(&bench, EAST, "a");
    assert_eq!(here, item_in(&bench, WEST, "a"));
    assert_eq!(here["aws:rep:updateregion"]["S"], WEST);
    assert_eq!(here["aws:rep:deleting"]["BOOL"], false);
    let now = bench.cloud.clock.now().millis();
    assert_eq!(here["aws:rep:updatetime"]["N"], format!("{}.{:03}001", now / 1000, now % 1000));
    let add = json!({
        "TableName": "both", "Key": { "pk": { "S": "a" } }, "UpdateExpression": "ADD v :one",
        "ExpressionAttributeValues": { ":one": { "N": "1" } },
    });
    bench.ok("UpdateItem", add);
    let there = item_in(&bench, WEST, "a");
    assert_eq!((&there["v"]["N"], &there["aws:rep:updateregion"]["S"]), (&json!("2"), &json!(EAST)));
    bench.ok("DeleteItem", json!({ "TableName": "both", "Key": { "pk": { "S": "a" } } }));
    assert!(item_in(&bench, WEST, "a").is_null());
    // What it is, only the operations of its version tell.
    let table = &bench.ok("DescribeTable", json!({ "TableName": "both" }))["Table"];
    assert!(table.get("Replicas").is_none() && table.get("GlobalTableVersion").is_none(), "{table}");
}

#[test]
fn groups_are_described_listed_and_changed() {
    let bench = joined();
    let name = json!({ "GlobalTableName": "both" });
    let described = bench.ok("DescribeGlobalTable", name.clone())["GlobalTableDescription"].clone();
    assert_eq!(described["GlobalTableStatus"], "ACTIVE");
    assert_eq!(described["GlobalTableArn"], "arn:aws:dynamodb::000000000000:global-table/both");
    assert_eq!(described["ReplicationGroup"].as_array().unwrap().len(), 2);
    let listed = bench.ok("ListGlobalTables", json!({ "RegionName": WEST }))["GlobalTables"].clone();
    assert_eq!(listed[0]["ReplicationGroup"], json!([{ "RegionName": EAST }, { "RegionName": WEST }]));
    assert_eq!(bench.ok("ListGlobalTables", json!({ "RegionName": "eu-west-1" }))["GlobalTables"], json!([]));
    create_in(&bench, "eu-west-1", Some("NEW_AND_OLD_IMAGES"));
    let change = |what: &str, region: &str| json!({ "GlobalTableName": "both", "ReplicaUpdates": [{ what: { "RegionName": region } }] });
    bench.ok("UpdateGlobalTable", change("Create", "eu-west-1"));
    assert_eq!(bench.error("UpdateGlobalTable", change("Create", WEST)).0, "ReplicaAlreadyExistsException");
    assert_eq!(bench.error("UpdateGlobalTable", change("Delete", "sa-east-1")).0, "ReplicaNotFoundException");
    assert_eq!(bench.error("UpdateGlobalTable", change("Create", "sa-east-1")).0, "TableNotFoundException");
    bench.ok("UpdateGlobalTable", change("Delete", WEST));
    bench.ok("PutItem", json!({ "TableName": "both", "Item": { "pk": { "S": "b" } } }));
    assert!(item_in(&bench, WEST, "b").is_null());
    assert!(item_in(&bench, "eu-west-1", "b").is_object());
    bench.in_region("eu-west-1", "DeleteTable", json!({ "TableName": "both" })).unwrap();
    let rest = bench.ok("DescribeGlobalTable", name.clone())["GlobalTableDescription"]["ReplicationGroup"].clone();
    assert_eq!(rest.as_array().unwrap().len(), 1);
    bench.ok("PutItem", json!({ "TableName": "both", "Item": { "pk": { "S": "c" } } }));
    bench.ok("DeleteTable", json!({ "TableName": "both" }));
    assert_eq!(bench.error("DescribeGlobalTable", name).0, "GlobalTableNotFoundException");
}

#[test]
fn only_alike_and_empty_tables_with_both_images_can_join() {
    let bench = Bench::new();
    create_in(&bench, EAST, Some("NEW_AND_OLD_IMAGES"));
    assert_eq!(bench.error("CreateGlobalTable", group(&[EAST, WEST])).0, "TableNotFoundException");
    create_in(&bench, WEST, Some("KEYS_ONLY"));
    assert!(bench.invalid("CreateGlobalTable", group(&[EAST, WEST])).contains("NEW_AND_OLD_IMAGES"));
    create_in(&bench, "eu-west-1", Some("NEW_AND_OLD_IMAGES"));
    let put = json!({ "TableName": "both", "Item": { "pk": { "S": "a" } } });
    bench.in_region("eu-west-1", "PutItem", put).unwrap();
    assert!(bench.invalid("CreateGlobalTable", group(&[EAST, "eu-west-1"])).contains("empty"));
    assert!(bench.invalid("CreateGlobalTable", group(&[EAST, EAST])).contains("more than once"));
    bench.ok("CreateGlobalTable", group(&[EAST]));
    assert_eq!(bench.error("CreateGlobalTable", group(&[EAST])).0, "GlobalTableAlreadyExistsException");
}

#[test]
fn settings_are_each_regions_own() {
    let bench = joined();
    let request = json!({
        "GlobalTableName": "both",
        "GlobalTableProvisionedWriteCapacityUnits": 9,
        "ReplicaSettingsUpdate": [{ "RegionName": WEST, "ReplicaProvisionedReadCapacityUnits": 7 }],
    });
    let settings = bench.ok("UpdateGlobalTableSettings", request)["ReplicaSettings"].clone();
    let units = |one: &Value| {
        (one["ReplicaProvisionedReadCapacityUnits"].clone(), one["ReplicaProvisionedWriteCapacityUnits"].clone())
    };
    assert_eq!(units(&settings[0]), (json!(5), json!(9)));
    assert_eq!(units(&settings[1]), (json!(7), json!(9)));
    let described = bench.ok("DescribeGlobalTableSettings", json!({ "GlobalTableName": "both" }));
    assert_eq!(described["ReplicaSettings"], settings);
    let unknown = json!({
        "GlobalTableName": "both",
        "GlobalTableProvisionedWriteCapacityUnits": 20,
        "GlobalTableGlobalSecondaryIndexSettingsUpdate": [{ "IndexName": "none", "ProvisionedWriteCapacityUnits": 1 }],
    });
    assert_eq!(bench.error("UpdateGlobalTableSettings", unknown).0, "IndexNotFoundException");
    let still = bench.ok("DescribeGlobalTableSettings", json!({ "GlobalTableName": "both" }));
    assert_eq!(still["ReplicaSettings"], settings);
    let bounds = json!({ "MinimumUnits": 12, "MaximumUnits": 20 });
    let scaling = json!({
        "GlobalTableName": "both",
        "GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate": bounds,
    });
    let scaled = bench.ok("UpdateGlobalTableSettings", scaling)["ReplicaSettings"].clone();
    assert_eq!(scaled[1]["ReplicaProvisionedWriteCapacityAutoScalingSettings"]["MinimumUnits"], 12);
    bench.db.scale(&bench.cloud, bench.cloud.clock.now().millis()).unwrap();
    let described = bench.ok("DescribeGlobalTableSettings", json!({ "GlobalTableName": "both" }));
    let replicas = described["ReplicaSettings"].as_array().unwrap();
    assert!(replicas.iter().all(|one| units(one).1 == 12), "{described}");
}
