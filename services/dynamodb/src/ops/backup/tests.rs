//! Backups and restores, and the past.

use serde_json::{Value, json};

use crate::testing::Bench;

fn count(bench: &Bench, table: &str) -> Value {
    bench.ok("Scan", json!({ "TableName": table, "Select": "COUNT" }))["Count"].clone()
}

fn bench() -> Bench {
    let bench = Bench::new();
    let definitions = ["pk", "sk", "kind"].map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
    bench.create(
        "tab",
        &["pk", "sk"],
        json!({
            "AttributeDefinitions": definitions,
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-kind",
                "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "ALL" },
            }],
        }),
    );
    bench
}

#[test]
fn a_backup_is_a_table_of_its_moment() {
    let bench = bench();
    for n in 0..1500 {
        bench.put("a", &n.to_string(), json!({ "kind": { "S": "k" } }));
    }
    let made = bench.ok("CreateBackup", json!({ "TableName": "tab", "BackupName": "first" }))["BackupDetails"].clone();
    assert_eq!(made["BackupStatus"], "CREATING");
    let arn = made["BackupArn"].as_str().unwrap();
    bench.put("a", "later", json!({}));
    bench.ok("DeleteTable", json!({ "TableName": "tab" }));
    let described = bench.ok("DescribeBackup", json!({ "BackupArn": arn }))["BackupDescription"].clone();
    assert_eq!(described["BackupDetails"]["BackupStatus"], "AVAILABLE");
    assert_eq!(described["SourceTableDetails"]["ItemCount"], 1500);
    assert_eq!(described["SourceTableFeatureDetails"]["GlobalSecondaryIndexes"][0]["IndexName"], "by-kind");
    let restored = bench.ok("RestoreTableFromBackup", json!({ "BackupArn": arn, "TargetTableName": "new" }));
    assert_eq!(restored["TableDescription"]["RestoreSummary"]["RestoreInProgress"], true);
    let table = bench.ok("DescribeTable", json!({ "TableName": "new" }))["Table"].clone();
    assert_eq!((&table["ItemCount"], &table["RestoreSummary"]["SourceBackupArn"]), (&json!(1500), &json!(arn)));
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 1500);
    assert_eq!(count(&bench, "new"), 1500);
    let again = json!({ "BackupArn": arn, "TargetTableName": "new" });
    assert_eq!(bench.error("RestoreTableFromBackup", again).0, "TableAlreadyExistsException");
    let bare = json!({ "BackupArn": arn, "TargetTableName": "bare", "GlobalSecondaryIndexOverride": [] });
    bench.ok("RestoreTableFromBackup", bare);
    let table = bench.ok("DescribeTable", json!({ "TableName": "bare" }))["Table"].clone();
    assert_eq!(
        (table.get("GlobalSecondaryIndexes"), table["AttributeDefinitions"].as_array().unwrap().len()),
        (None, 2)
    );
    bench.ok("DeleteBackup", json!({ "BackupArn": arn }));
    assert_eq!(bench.error("DescribeBackup", json!({ "BackupArn": arn })).0, "BackupNotFoundException");
    for table in ["new", "bare"] {
        bench.ok("DeleteTable", json!({ "TableName": table }));
    }
    let left = bench.cloud.store.scan(service::Range::prefix("dynamodb/")).count();
    assert_eq!(left, 1, "only the number of the next table remains");
}

#[test]
fn backups_are_listed() {
    let bench = bench();
    bench.create("other", &["pk"], json!({}));
    for (table, name) in [("tab", "one"), ("tab", "two"), ("other", "three")] {
        bench.ok("CreateBackup", json!({ "TableName": table, "BackupName": name }));
        bench.cloud.clock.advance(1000);
    }
    let names = |request: Value| {
        let output = bench.ok("ListBackups", request);
        let summaries = output["BackupSummaries"].as_array().unwrap().clone();
        let names: Vec<_> = summaries.iter().map(|one| one["BackupName"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), output.get("LastEvaluatedBackupArn").cloned())
    };
    assert_eq!(names(json!({ "TableName": "tab" })), ("one two".into(), None));
    assert_eq!(names(json!({})).0, "three one two");
    let (first, last) = names(json!({ "TableName": "tab", "Limit": 1 }));
    assert_eq!(first, "one");
    assert_eq!(names(json!({ "TableName": "tab", "ExclusiveStartBackupArn": last })).0, "two");
    assert_eq!(names(json!({ "TimeRangeLowerBound": 1_700_000_002 })).0, "three");
    assert_eq!(names(json!({ "BackupType": "SYSTEM" })).0, "");
    assert_eq!(
        bench.error("CreateBackup", json!({ "TableName": "gone", "BackupName": "xxx" })),
        ("TableNotFoundException".into(), "Table not found: gone".into())
    );
}

#[test]
fn any_second_can_be_restored() {
    let bench = bench();
    bench.put("a", "before", json!({ "v": { "N": "0" } }));
    let restore = |more: Value| {
        let mut request = json!({ "SourceTableName": "tab", "TargetTableName": "past" });
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        bench.call("RestoreTableToPointInTime", request)
    };
    let latest = json!({ "UseLatestRestorableTime": true });
    assert_eq!(restore(latest.clone()).unwrap_err().code, "PointInTimeRecoveryUnavailableException");
    let on = json!({ "TableName": "tab", "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true } });
    bench.cloud.clock.advance(1000);
    let on = bench.ok("UpdateContinuousBackups", on)["ContinuousBackupsDescription"].clone();
    assert_eq!(on["PointInTimeRecoveryDescription"]["RecoveryPeriodInDays"], 35);
    assert_eq!(on["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"], 1_700_000_001);
    let key = |sk: &str| json!({ "pk": { "S": "a" }, "sk": { "S": sk } });
    for second in 2..6 {
        bench.cloud.clock.advance(1000);
        bench.put("a", "before", json!({ "v": { "N": second.to_string() } }));
        bench.put("a", &format!("new{second}"), json!({ "kind": { "S": "k" } }));
        if second == 4 {
            bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key("new3") }));
        }
    }
    bench.cloud.clock.advance(10_000);
    let at = |second: i64| {
        restore(json!({ "RestoreDateTime": 1_700_000_000 + second })).unwrap();
        let items = bench.ok("Scan", json!({ "TableName": "past" }))["Items"].clone();
        let filed = bench.ok("Scan", json!({ "TableName": "past", "IndexName": "by-kind" }))["Count"].clone();
        bench.ok("DeleteTable", json!({ "TableName": "past" }));
        let keys: Vec<_> =
            items.as_array().unwrap().iter().map(|i| i["sk"]["S"].as_str().unwrap().to_owned()).collect();
        (keys.join(" "), items[0]["v"]["N"].clone(), filed)
    };
    assert_eq!(at(1), ("before".into(), json!("0"), json!(0)));
    assert_eq!(at(3), ("before new2 new3".into(), json!("3"), json!(2)));
    assert_eq!(at(4), ("before new2 new4".into(), json!("4"), json!(2)));
    assert_eq!(at(9), ("before new2 new4 new5".into(), json!("5"), json!(3)));
    for bad in [0, 100] {
        let error = restore(json!({ "RestoreDateTime": 1_700_000_000 + bad })).unwrap_err();
        assert_eq!(error.code, "InvalidRestoreTimeException");
    }
    assert_eq!(restore(json!({})).unwrap_err().code, "ValidationException");

    bench.cloud.clock.advance(36 * 24 * 3_600_000);
    bench.db.trim_histories(&bench.cloud.store, bench.cloud.clock.now().millis()).unwrap();
    assert_eq!(restore(json!({ "RestoreDateTime": 1_700_000_004 })).unwrap_err().code, "InvalidRestoreTimeException");
    bench.ok("DeleteTable", json!({ "TableName": "tab" }));
    let kept = bench.ok("ListBackups", json!({ "BackupType": "SYSTEM" }))["BackupSummaries"][0].clone();
    assert_eq!(kept["BackupName"], "tab$DeletedTableBackup");
    bench.ok("RestoreTableFromBackup", json!({ "BackupArn": kept["BackupArn"], "TargetTableName": "tab" }));
    assert_eq!(count(&bench, "tab"), 4);
    bench.cloud.clock.advance(36 * 24 * 3_600_000);
    bench.db.expire_backups(&bench.cloud.store, bench.cloud.clock.now()).unwrap();
    assert_eq!(bench.ok("ListBackups", json!({}))["BackupSummaries"], json!([]));
}

#[test]
fn a_copy_that_was_not_finished_is_cleared_away() {
    let bench = bench();
    for n in 0..10 {
        bench.put("a", &n.to_string(), json!({}));
    }
    let table = bench.db.find_table(&bench.cx(), "tab").unwrap().unwrap();
    let store = &bench.cloud.store;
    let copied = crate::backup::copy(store, crate::backup::items(&store.snapshot(), table.number)).unwrap();
    let left = || store.scan(service::Range::prefix(crate::table::table_prefix(copied.number))).count();
    assert_eq!((left(), copied.sizes.of(crate::table::PRIMARY).1), (10, 10));
    // The process ends here, and the next one goes on.
    bench.db.resume(&bench.cloud);
    let begun = std::time::Instant::now();
    while left() > 0 {
        assert!(begun.elapsed().as_secs() < 20, "the copy is still there");
        std::thread::yield_now();
    }
    assert_eq!(count(&bench, "tab"), 10);
}
