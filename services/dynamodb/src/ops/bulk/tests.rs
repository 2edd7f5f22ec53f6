use serde_json::{Value, json};

use crate::testing::Bench;

const HOUR: i64 = 3600 * 1000;

fn request(more: Value) -> Value {
    let mut request = json!({
        "TableName": "tab", "ClientToken": "one",
        "InputS3Configuration": { "S3Bucket": "from", "InputFormat": "DYNAMODB_JSON" },
        "OutputS3Configuration": { "S3Bucket": "to", "OutputType": ["ERROR"] },
    });
    for (member, value) in more.as_object().unwrap() {
        request[member] = value.clone();
    }
    request
}

fn start(bench: &Bench, more: Value) -> Value {
    bench.ok("StartBulkPutItems", request(more))["BulkOperationDescription"].clone()
}

fn cancel(bench: &Bench, started: &Value) {
    let answer = bench.ok("CancelBulkOperation", json!({ "BulkOperationArn": started["BulkOperationArn"] }));
    assert_eq!(answer["BulkOperationStatus"], "CANCELLING");
}

#[test]
fn tokens_mean_the_same_operation_for_eight_hours() {
    let bench = Bench::with_table();
    let first = start(&bench, json!({}));
    assert_eq!((&first["BulkOperationStatus"], &first["PerformanceTier"]), (&json!("IN_PROGRESS"), &json!("STANDARD")));
    assert_eq!(first["InputS3Configuration"]["InputCompressionType"], "NONE");
    assert_eq!(first["TableDetails"][0]["TableName"], "tab");
    assert_eq!((first.get("EndTime"), first.get("TotalInputBytes")), (None, None));
    assert_eq!(start(&bench, json!({})), first);
    let (code, _) = bench.error("StartBulkPutItems", request(json!({ "MaxWriteRequestUnits": 2048 })));
    assert_eq!(code, "IdempotentParameterMismatchException");
    let (code, _) = bench.error("StartBulkPutItems", request(json!({ "ClientToken": "two" })));
    assert_eq!(code, "LimitExceededException", "one at a time");
    bench.cloud.clock.advance(8 * HOUR);
    assert_eq!(bench.error("StartBulkPutItems", request(json!({}))).0, "LimitExceededException", "the token is new");
}

#[test]
fn requests_are_checked() {
    let bench = Bench::with_table();
    let invalid = |more: Value| bench.invalid("StartBulkPutItems", request(more));
    assert!(invalid(json!({ "MaxWriteRequestUnits": 1023 })).contains("greater than or equal to 1024"));
    assert!(
        invalid(json!({ "OutputS3Configuration": { "OutputType": ["ERROR"] } }))
            .contains("outputS3Configuration.s3Bucket")
    );
    let output = |more: Value| {
        let mut output = json!({ "S3Bucket": "to", "OutputType": ["ERROR"] });
        for (member, value) in more.as_object().unwrap() {
            output[member] = value.clone();
        }
        json!({ "OutputS3Configuration": output })
    };
    assert!(invalid(output(json!({ "OutputType": [] }))).contains("OutputType"));
    assert!(invalid(output(json!({ "S3SseKmsKeyId": "key" }))).contains("S3SseAlgorithm is KMS"));
    assert!(invalid(output(json!({ "S3SseAlgorithm": "KMS" }))).contains("S3SseKmsKeyId must be specified"));
    assert_eq!(
        bench.error("StartBulkPutItems", request(json!({ "TableName": "none" }))).0,
        "ResourceNotFoundException"
    );
    bench.ok(
        "UpdateTable",
        json!({ "TableName": "tab", "ReplicaUpdates": [{ "Create": { "RegionName": "eu-west-1" } }] }),
    );
    assert!(invalid(json!({})).contains("global tables"));
}

#[test]
fn operations_are_listed_for_ninety_days() {
    let bench = Bench::new();
    let mut arns = Vec::new();
    for number in 0..12 {
        let table = format!("tab{number}");
        bench.create(&table, &["pk"], json!({}));
        let started = start(&bench, json!({ "TableName": table, "ClientToken": table }));
        arns.insert(0, started["BulkOperationArn"].clone());
        bench.cloud.clock.advance(1000);
    }
    let list = |more: Value| bench.ok("ListBulkOperations", more);
    let listed = |page: &Value| -> Vec<Value> {
        page["BulkOperationsSummaryList"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["BulkOperationArn"].clone())
            .collect()
    };
    let first = list(json!({}));
    assert_eq!(listed(&first), arns[..10]);
    let rest = list(json!({ "NextToken": first["NextToken"] }));
    assert_eq!((listed(&rest), rest.get("NextToken")), (arns[10..].to_vec(), None));
    assert_eq!(bench.invalid("ListBulkOperations", json!({ "NextToken": "0123456789abcdef" })), "Invalid NextToken");
    bench.cloud.clock.advance(90 * 24 * HOUR - 6001);
    assert_eq!(listed(&list(json!({ "MaxResults": 25 }))), arns[..6]);
    let gone = bench.error("DescribeBulkOperation", json!({ "BulkOperationArn": arns[11] }));
    assert_eq!(gone.0, "ResourceNotFoundException");
}

#[test]
fn cancellations_are_accepted_until_the_end() {
    let bench = Bench::with_table();
    let started = start(&bench, json!({}));
    cancel(&bench, &started);
    cancel(&bench, &started);
    let described = bench.ok("DescribeBulkOperation", json!({ "BulkOperationArn": started["BulkOperationArn"] }));
    assert_eq!(described["BulkOperationDescription"]["BulkOperationStatus"], "CANCELLING");
    let unknown = "arn:aws:dynamodb:us-east-1:000000000000:table/tab/bulk-operation/none";
    for operation in ["CancelBulkOperation", "DescribeBulkOperation"] {
        assert_eq!(bench.error(operation, json!({ "BulkOperationArn": unknown })).0, "ResourceNotFoundException");
    }
}

#[test]
fn tables_that_are_being_filled_get_no_replicas() {
    let bench = Bench::with_table();
    start(&bench, json!({}));
    let replicate = json!({ "TableName": "tab", "ReplicaUpdates": [{ "Create": { "RegionName": "eu-west-1" } }] });
    assert_eq!(bench.error("UpdateTable", replicate).0, "ResourceInUseException");
}
