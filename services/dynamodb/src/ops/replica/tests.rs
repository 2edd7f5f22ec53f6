//! Tables that live in several regions.

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::testing::Bench;

const WEST: &str = "us-west-2";

fn update(bench: &Bench, change: Value) -> Result<Value, service::ApiError> {
    bench.call("UpdateTable", json!({ "TableName": "tab", "ReplicaUpdates": [change] }))
}

fn create(bench: &Bench, region: &str) {
    update(bench, json!({ "Create": { "RegionName": region } })).unwrap();
}

fn there(bench: &Bench, region: &str, operation: &str, mut request: Value) -> Value {
    request["TableName"] = json!("tab");
    bench.in_region(region, operation, request).unwrap()
}

fn key(sk: &str) -> Value {
    json!({ "pk": { "S": "a" }, "sk": { "S": sk } })
}

#[test]
fn writes_reach_every_replica() {
    let bench = Bench::with_table();
    for n in 0..1200 {
        bench.put("a", &format!("{n:04}"), json!({ "kind": { "S": "k" } }));
    }
    create(&bench, WEST);
    create(&bench, "eu-west-1");
    let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
    let regions: Vec<_> = table["Replicas"].as_array().unwrap().iter().map(|one| one["RegionName"].clone()).collect();
    assert_eq!((regions, &table["GlobalTableVersion"]), (vec![json!(WEST), json!("eu-west-1")], &json!("2019.11.21")));
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    let west = there(&bench, WEST, "DescribeTable", json!({}))["Table"].clone();
    assert_eq!((&west["ItemCount"], west["Replicas"].as_array().unwrap().len()), (&json!(1200), 2));
    there(&bench, WEST, "PutItem", json!({ "Item": { "pk": { "S": "a" }, "sk": { "S": "west" } } }));
    assert!(!bench.get("a", "west").is_null());
    bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key("0000") }));
    let change = json!({
        "Key": key("0001"), "UpdateExpression": "SET kind = :k", "ExpressionAttributeValues": { ":k": { "S": "changed" } },
    });
    there(&bench, "eu-west-1", "UpdateItem", change);
    for region in ["us-east-1", WEST, "eu-west-1"] {
        let count = there(&bench, region, "Scan", json!({ "Select": "COUNT" }))["Count"].clone();
        assert_eq!(count, 1200, "{region}");
        assert_eq!(there(&bench, region, "GetItem", json!({ "Key": key("0001") }))["Item"]["kind"]["S"], "changed");
        assert_eq!(there(&bench, region, "DescribeTable", json!({}))["Table"]["ItemCount"], 1200);
    }
}

#[test]
fn indexes_and_times_to_live_are_everywhere() {
    let bench = Bench::with_table();
    create(&bench, WEST);
    bench.put("a", "1", json!({ "kind": { "S": "k" }, "until": { "N": "1700000060" } }));
    bench.ok(
        "UpdateTable",
        json!({
            "TableName": "tab",
            "AttributeDefinitions": [{ "AttributeName": "kind", "AttributeType": "S" }],
            "GlobalSecondaryIndexUpdates": [{ "Create": {
                "IndexName": "by-kind",
                "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "ALL" },
            } }],
        }),
    );
    assert_eq!(there(&bench, WEST, "Scan", json!({ "IndexName": "by-kind" }))["Count"], 1);
    let wanted = json!({ "Enabled": true, "AttributeName": "until" });
    bench.ok("UpdateTimeToLive", json!({ "TableName": "tab", "TimeToLiveSpecification": wanted }));
    bench.cloud.clock.advance(61_000);
    bench.db.expire(&bench.cloud.store, bench.cloud.clock.now()).now_or_never().unwrap().unwrap();
    assert_eq!(there(&bench, WEST, "Scan", json!({}))["Count"], 0);
    assert_eq!(there(&bench, WEST, "Scan", json!({ "IndexName": "by-kind" }))["Count"], 0);
}

#[test]
fn replicas_go_and_the_others_stay() {
    let bench = Bench::with_table();
    bench.put("a", "1", json!({}));
    create(&bench, WEST);
    create(&bench, "eu-west-1");
    update(&bench, json!({ "Delete": { "RegionName": "eu-west-1" } })).unwrap();
    assert_eq!(
        bench.in_region("eu-west-1", "DescribeTable", json!({ "TableName": "tab" })).unwrap_err().code,
        "ResourceNotFoundException"
    );
    bench.put("a", "2", json!({}));
    bench.ok("DeleteTable", json!({ "TableName": "tab" }));
    let west = there(&bench, WEST, "DescribeTable", json!({}))["Table"].clone();
    assert_eq!((&west["ItemCount"], west.get("Replicas")), (&json!(2), None));
    there(&bench, WEST, "PutItem", json!({ "Item": key("3") }));
    there(&bench, WEST, "DeleteTable", json!({}));
    let left = bench.cloud.store.scan(service::Range::prefix("dynamodb/item/")).count();
    assert_eq!(left, 0);
}

#[test]
fn replicas_have_settings_of_their_own() {
    let bench = Bench::with_table();
    let infrequent = json!({ "RegionName": WEST, "TableClassOverride": "STANDARD_INFREQUENT_ACCESS" });
    update(&bench, json!({ "Create": infrequent })).unwrap();
    let west = || there(&bench, WEST, "DescribeTable", json!({}))["Table"].clone();
    assert_eq!(west()["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert!(bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].get("TableClassSummary").is_none());
    let limited = json!({ "RegionName": WEST, "OnDemandThroughputOverride": { "MaxReadRequestUnits": 50 } });
    update(&bench, json!({ "Update": limited })).unwrap();
    assert_eq!(west()["OnDemandThroughput"]["MaxReadRequestUnits"], 50);
    let units = json!({ "RegionName": WEST, "ProvisionedThroughputOverride": { "ReadCapacityUnits": 5 } });
    assert_eq!(update(&bench, json!({ "Update": units })).unwrap_err().code, "ValidationException");
}

#[test]
fn bad_replicas_are_refused() {
    let bench = Bench::with_table();
    let local = update(&bench, json!({ "Create": { "RegionName": "us-east-1" } })).unwrap_err();
    assert!(local.message.starts_with("Cannot add, delete, or update the local region"), "{}", local.message);
    create(&bench, WEST);
    let twice = update(&bench, json!({ "Create": { "RegionName": WEST } })).unwrap_err();
    assert!(twice.message.contains("already existed as tables"));
    assert_eq!(
        update(&bench, json!({ "Delete": { "RegionName": "eu-west-1" } })).unwrap_err().code,
        "ValidationException"
    );
    assert_eq!(
        bench.error("DescribeGlobalTable", json!({ "GlobalTableName": "tab" })).0,
        "GlobalTableNotFoundException"
    );
}

fn strengthen(bench: &Bench, replicas: &[&str], witness: Option<&str>) -> Result<Value, service::ApiError> {
    let creates: Vec<_> = replicas.iter().map(|region| json!({ "Create": { "RegionName": region } })).collect();
    let mut request = json!({ "TableName": "tab", "ReplicaUpdates": creates, "MultiRegionConsistency": "STRONG" });
    if let Some(region) = witness {
        request["GlobalTableWitnessUpdates"] = json!([{ "Create": { "RegionName": region } }]);
    }
    bench.call("UpdateTable", request)
}

#[test]
fn strong_consistency_needs_three_regions_of_a_set_and_an_empty_table() {
    let bench = Bench::with_table();
    for (replicas, witness) in [
        (&[WEST][..], None),
        (&[WEST, "eu-west-1"], None),
        (&[WEST, "us-east-2"], Some("us-west-2")),
        (&[WEST], Some(WEST)),
    ] {
        let error = strengthen(&bench, replicas, witness).unwrap_err();
        assert!(error.message.contains("exactly three Regions"), "{replicas:?}: {}", error.message);
    }
    bench.put("a", "1", json!({}));
    assert!(strengthen(&bench, &[WEST], Some("us-east-2")).unwrap_err().message.contains("must be empty"));
    bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key("1") }));
    let ttl = |enabled: bool| {
        let wanted = json!({ "Enabled": enabled, "AttributeName": "until" });
        json!({ "TableName": "tab", "TimeToLiveSpecification": wanted })
    };
    bench.ok("UpdateTimeToLive", ttl(true));
    assert!(strengthen(&bench, &[WEST], Some("us-east-2")).unwrap_err().message.contains("Time to Live"));
    bench.ok("UpdateTimeToLive", ttl(false));
    assert!(bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].get("Replicas").is_none());

    let table = strengthen(&bench, &[WEST], Some("us-east-2")).unwrap()["TableDescription"].clone();
    assert_eq!(table["MultiRegionConsistency"], "STRONG");
    assert_eq!(table["GlobalTableWitnesses"], json!([{ "RegionName": "us-east-2", "WitnessStatus": "ACTIVE" }]));
    there(&bench, WEST, "PutItem", json!({ "Item": key("2") }));
    assert!(!bench.get("a", "2").is_null());
    let transaction = json!({ "TransactItems": [{ "Put": { "TableName": "tab", "Item": key("3") } }] });
    assert!(bench.invalid("TransactWriteItems", transaction).contains("strong consistency"));
    assert!(bench.invalid("UpdateTimeToLive", ttl(true)).contains("strong consistency"));
    assert!(update(&bench, json!({ "Create": { "RegionName": "us-east-2" } })).is_err());
    assert!(
        update(&bench, json!({ "Delete": { "RegionName": WEST } })).unwrap_err().message.contains("single replica")
    );
    bench.ok(
        "UpdateTable",
        json!({
            "TableName": "tab",
            "ReplicaUpdates": [{ "Delete": { "RegionName": WEST } }],
            "GlobalTableWitnessUpdates": [{ "Delete": { "RegionName": "us-east-2" } }],
        }),
    );
    let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
    assert!(table.get("MultiRegionConsistency").is_none() && table.get("GlobalTableWitnesses").is_none(), "{table}");
    bench.ok("TransactWriteItems", json!({ "TransactItems": [{ "Put": { "TableName": "tab", "Item": key("3") } }] }));
}

#[test]
fn a_replica_may_leave_with_its_items_once_it_is_not_protected() {
    let bench = Bench::with_table();
    bench.put("a", "1", json!({}));
    let protect = |on: bool| json!({ "TableName": "tab", "DisassociationProtectionEnabled": on });
    assert!(bench.invalid("UpdateTable", protect(false)).contains("only supported for replicas"));
    create(&bench, WEST);
    assert_eq!(there(&bench, WEST, "DescribeTable", json!({}))["Table"]["MultiRegionConsistency"], "EVENTUAL");
    let leave = |region: &str| json!({ "Disassociate": { "RegionName": region, "DisassociationMode": "WAIT_FOR_REPLICATION" } });
    assert!(update(&bench, leave("us-east-1")).unwrap_err().message.contains("protected against disassociation"));
    let mut both = protect(false);
    both["DeletionProtectionEnabled"] = json!(true);
    assert!(bench.invalid("UpdateTable", both).contains("together with other settings"));
    bench.ok("UpdateTable", protect(false));
    let described = |region: &str| there(&bench, region, "DescribeTable", json!({}))["Table"].clone();
    assert_eq!(described("us-east-1")["DisassociationProtectionEnabled"], false);
    assert_eq!(described(WEST)["DisassociationProtectionEnabled"], true);
    assert!(update(&bench, leave(WEST)).unwrap_err().message.contains("its own region"));
    update(&bench, leave("us-east-1")).unwrap();
    for region in ["us-east-1", WEST] {
        let table = described(region);
        assert!(table.get("Replicas").is_none() && table.get("DisassociationProtectionEnabled").is_none(), "{table}");
        assert_eq!(table["ItemCount"], 1);
    }
    bench.put("a", "2", json!({}));
    assert_eq!(described(WEST)["ItemCount"], 1);
}
