//! What streams tell of writes, through both APIs.

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::testing::Bench;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn bench(view: &str) -> (Bench, String) {
    let bench = Bench::new();
    let specification = json!({ "StreamEnabled": true, "StreamViewType": view });
    bench.create("tab", &["pk", "sk"], json!({ "StreamSpecification": specification }));
    let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
    assert_eq!(table["StreamSpecification"], specification);
    let arn = table["LatestStreamArn"].as_str().unwrap().to_owned();
    assert_eq!(
        arn,
        format!("{}/stream/{}", table["TableArn"].as_str().unwrap(), table["LatestStreamLabel"].as_str().unwrap())
    );
    (bench, arn)
}

fn shard(bench: &Bench, arn: &str) -> Value {
    bench.ok("DescribeStream", json!({ "StreamArn": arn }))["StreamDescription"]["Shards"][0].clone()
}

fn iterator(bench: &Bench, arn: &str, more: Value) -> Value {
    let mut request = json!({ "StreamArn": arn, "ShardId": shard(bench, arn)["ShardId"] });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    bench.ok("GetShardIterator", request)["ShardIterator"].clone()
}

fn read(bench: &Bench, iterator: &Value) -> (Vec<Value>, Value) {
    let output = bench.ok("GetRecords", json!({ "ShardIterator": iterator }));
    (output["Records"].as_array().unwrap().clone(), output["NextShardIterator"].clone())
}

fn all(bench: &Bench, arn: &str) -> Vec<Value> {
    read(bench, &iterator(bench, arn, json!({ "ShardIteratorType": "TRIM_HORIZON" }))).0
}

fn names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["eventName"].as_str().unwrap()).collect()
}

#[test]
fn every_change_is_told_once() {
    let (bench, arn) = bench("NEW_AND_OLD_IMAGES");
    let key = json!({ "pk": { "S": "a" }, "sk": { "S": "1" } });
    bench.put("a", "1", json!({ "v": { "N": "1" } }));
    bench.put("a", "1", json!({ "v": { "N": "1.0" } }));
    let set = |text: &str| json!({ "TableName": "tab", "Key": key, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": { ":v": { "N": text } } });
    bench.ok("UpdateItem", set("2"));
    bench.ok("UpdateItem", set("2"));
    bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key }));
    bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key }));
    let item = json!({ "pk": { "S": "b" }, "sk": { "S": "1" } });
    bench.ok("BatchWriteItem", json!({ "RequestItems": { "tab": [{ "PutRequest": { "Item": item } }] } }));
    bench.ok("TransactWriteItems", json!({ "TransactItems": [{ "Delete": { "TableName": "tab", "Key": item } }] }));
    let refused = json!({ "TableName": "tab", "Item": key, "ConditionExpression": "attribute_exists(pk)" });
    bench.error("PutItem", refused);
    let records = all(&bench, &arn);
    assert_eq!(names(&records), ["INSERT", "MODIFY", "REMOVE", "INSERT", "REMOVE"]);
    let images = |record: &Value| {
        let image = |name: &str| record["dynamodb"][name]["v"]["N"].as_str().map(str::to_owned);
        (image("OldImage"), image("NewImage"))
    };
    assert_eq!(images(&records[0]), (None, Some("1".into())));
    assert_eq!(images(&records[1]), (Some("1".into()), Some("2".into())));
    assert_eq!(images(&records[2]), (Some("2".into()), None));
    assert!(records.iter().all(|record| record["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"));
    assert_eq!(records[0]["dynamodb"]["Keys"], key);
    assert_eq!(records[0]["dynamodb"]["SizeBytes"], json!(6 + 6 + 1 + 2));
    let mut numbers: Vec<&str> = records.iter().map(|r| r["dynamodb"]["SequenceNumber"].as_str().unwrap()).collect();
    numbers.dedup();
    assert!(numbers.len() == 5 && numbers.is_sorted());
    assert_ne!(records[0]["eventID"], records[1]["eventID"]);
    assert_eq!(all(&bench, &arn), records, "reading again gives the same");
}

#[test]
fn views_choose_the_images() {
    for (view, old, new) in [("KEYS_ONLY", false, false), ("NEW_IMAGE", false, true), ("OLD_IMAGE", true, false)] {
        let (bench, arn) = bench(view);
        bench.put("a", "1", json!({ "v": { "N": "1" } }));
        bench.put("a", "1", json!({ "v": { "N": "2" } }));
        let change = all(&bench, &arn)[1]["dynamodb"].clone();
        assert_eq!((change.get("OldImage").is_some(), change.get("NewImage").is_some()), (old, new), "{view}");
    }
}

#[test]
fn iterators_begin_where_they_are_told() {
    let (bench, arn) = bench("KEYS_ONLY");
    let (nothing, latest) = read(&bench, &iterator(&bench, &arn, json!({ "ShardIteratorType": "LATEST" })));
    assert!(nothing.is_empty());
    for n in 0..5 {
        bench.put("a", &n.to_string(), json!({}));
        bench.cloud.clock.advance(1000);
    }
    let (records, next) = read(&bench, &latest);
    assert_eq!(records.len(), 5);
    assert!(read(&bench, &next).0.is_empty());
    let third = records[2]["dynamodb"]["SequenceNumber"].clone();
    let count = |more: Value| read(&bench, &iterator(&bench, &arn, more)).0.len();
    assert_eq!(count(json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": third })), 3);
    assert_eq!(count(json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": third })), 2);
    assert_eq!(count(json!({ "ShardIteratorType": "TRIM_HORIZON" })), 5);
    assert_eq!(count(json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_000_003 })), 2);
    let start = iterator(&bench, &arn, json!({ "ShardIteratorType": "TRIM_HORIZON" }));
    let output = bench.ok("GetRecords", json!({ "ShardIterator": start, "Limit": 2 }));
    assert_eq!(output["Records"].as_array().unwrap().len(), 2);
    assert_eq!(read(&bench, &output["NextShardIterator"]).0.len(), 3);
    bench.cloud.clock.advance(15 * 60 * 1000 + 1);
    assert_eq!(bench.error("GetRecords", json!({ "ShardIterator": start })).0, "ExpiredIteratorException");
    bench.invalid("GetRecords", json!({ "ShardIterator": "nonsense" }));
}

#[test]
fn records_are_kept_for_a_day() {
    let (bench, arn) = bench("KEYS_ONLY");
    bench.put("a", "1", json!({}));
    let first = all(&bench, &arn)[0]["dynamodb"]["SequenceNumber"].clone();
    bench.cloud.clock.advance(DAY);
    bench.put("a", "2", json!({}));
    assert_eq!(all(&bench, &arn).len(), 2);
    bench.cloud.clock.advance(1);
    assert_eq!(all(&bench, &arn).len(), 1);
    let gone = json!({
        "StreamArn": arn, "ShardId": shard(&bench, &arn)["ShardId"],
        "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": first,
    });
    assert_eq!(bench.error("GetShardIterator", gone).0, "TrimmedDataAccessException");
    let elsewhere =
        json!({ "StreamArn": arn, "ShardId": "shardId-00000000000000000000-00000000", "ShardIteratorType": "LATEST" });
    let message = "Requested resource not found: Shard does not exist";
    assert_eq!(bench.error("GetShardIterator", elsewhere), ("ResourceNotFoundException".into(), message.into()));
    let count = || bench.cloud.store.scan(service::Range::prefix("dynamodb/record/")).count();
    assert_eq!(count(), 2);
    crate::stream::trim(&bench.cloud.store, bench.cloud.clock.now().millis()).unwrap();
    assert_eq!((count(), all(&bench, &arn).len()), (1, 1));
}

#[test]
fn streams_outlive_their_end_and_their_table_by_a_day() {
    let (bench, arn) = bench("KEYS_ONLY");
    bench.put("a", "1", json!({}));
    let update = |enabled: bool| {
        let mut specification = json!({ "StreamEnabled": enabled });
        if enabled {
            specification["StreamViewType"] = json!("NEW_IMAGE");
        }
        json!({ "TableName": "tab", "StreamSpecification": specification })
    };
    assert_eq!(bench.invalid("UpdateTable", update(true)), "Table already has an enabled stream: TableName: tab");
    bench.ok("UpdateTable", update(false));
    bench.put("a", "2", json!({}));
    let described = bench.ok("DescribeStream", json!({ "StreamArn": arn }))["StreamDescription"].clone();
    assert_eq!(described["StreamStatus"], "DISABLED");
    assert!(described["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    let (records, next) = read(&bench, &iterator(&bench, &arn, json!({ "ShardIteratorType": "TRIM_HORIZON" })));
    assert_eq!((records.len(), next), (1, Value::Null));
    let table = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
    assert_eq!((table.get("StreamSpecification"), &table["LatestStreamArn"]), (None, &json!(arn)));
    bench.ok("UpdateTable", update(true));
    bench.put("a", "3", json!({}));
    let second = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["LatestStreamArn"].clone();
    let second = second.as_str().unwrap();
    assert_ne!(second, arn);
    bench.ok("DeleteTable", json!({ "TableName": "tab" }));
    assert_eq!((all(&bench, &arn).len(), all(&bench, second).len()), (1, 1));
    let listed = |request: Value| bench.ok("ListStreams", request);
    assert_eq!(listed(json!({ "TableName": "tab" }))["Streams"].as_array().unwrap().len(), 2);
    let page = listed(json!({ "Limit": 1 }));
    assert_eq!(page["LastEvaluatedStreamArn"], json!(arn));
    let rest = listed(json!({ "ExclusiveStartStreamArn": arn }));
    assert_eq!(rest["Streams"][0]["StreamArn"], json!(second));
    bench.cloud.clock.advance(DAY + 1);
    assert_eq!(bench.error("DescribeStream", json!({ "StreamArn": arn })).0, "ResourceNotFoundException");
    assert_eq!(listed(json!({}))["Streams"], json!([]));
    crate::stream::trim(&bench.cloud.store, bench.cloud.clock.now().millis()).unwrap();
    for prefix in ["dynamodb/record/", "dynamodb/stream/"] {
        assert_eq!(bench.cloud.store.scan(service::Range::prefix(prefix)).count(), 0, "{prefix}");
    }
}

#[test]
fn expired_items_are_removed_by_the_service() {
    let (bench, arn) = bench("OLD_IMAGE");
    let wanted = json!({ "Enabled": true, "AttributeName": "until" });
    bench.ok("UpdateTimeToLive", json!({ "TableName": "tab", "TimeToLiveSpecification": wanted }));
    bench.put("a", "1", json!({ "until": { "N": "1700000060" } }));
    bench.cloud.clock.advance(61_000);
    bench.db.expire(&bench.cloud.store, bench.cloud.clock.now()).now_or_never().unwrap().unwrap();
    let records = all(&bench, &arn);
    assert_eq!(names(&records), ["INSERT", "REMOVE"]);
    assert_eq!(records[1]["userIdentity"], json!({ "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" }));
    assert!(records[0].get("userIdentity").is_none());
}
