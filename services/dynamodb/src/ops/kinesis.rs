//! Kinesis streaming destinations. There is no Kinesis here, and so no stream that a table could stream to: a table has no
//! destinations, and whoever names a stream is told that it is not there.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::error::{Error, Invalid};

operation! {
    DynamoDb, api::DescribeKinesisStreamingDestination,
    action: "dynamodb:DescribeKinesisStreamingDestination" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: describe_kinesis_streaming_destination
}

async fn describe_kinesis_streaming_destination(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeKinesisStreamingDestinationInput,
) -> Result<api::DescribeKinesisStreamingDestinationOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    Ok(api::DescribeKinesisStreamingDestinationOutput {
        table_name: Some(table.name.clone()),
        kinesis_data_stream_destinations: Some(Vec::new()),
    })
}

operation! {
    DynamoDb, api::EnableKinesisStreamingDestination,
    action: "dynamodb:EnableKinesisStreamingDestination" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: enable_kinesis_streaming_destination
}

async fn enable_kinesis_streaming_destination(
    db: &DynamoDb,
    cx: &Context,
    request: api::KinesisStreamingDestinationInput,
) -> Result<api::KinesisStreamingDestinationOutput, Error> {
    db.named_table(cx, &request.table_name)?;
    check_stream(&request.stream_arn)?;
    Err(Error::ResourceNotFound(format!("Requested resource not found: Stream: {} not found", request.stream_arn)))
}

operation! {
    DynamoDb, api::DisableKinesisStreamingDestination,
    action: "dynamodb:DisableKinesisStreamingDestination" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: disable_kinesis_streaming_destination
}

async fn disable_kinesis_streaming_destination(
    db: &DynamoDb,
    cx: &Context,
    request: api::KinesisStreamingDestinationInput,
) -> Result<api::KinesisStreamingDestinationOutput, Error> {
    db.named_table(cx, &request.table_name)?;
    check_stream(&request.stream_arn)?;
    Err(Invalid::new(
        "Table is not in a valid state to disable Kinesis Streaming Destination: KinesisStreamingDestination must be \
         ACTIVE to perform DISABLE operation.",
    )
    .into())
}

operation! {
    DynamoDb, api::UpdateKinesisStreamingDestination,
    action: "dynamodb:UpdateKinesisStreamingDestination" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: update_kinesis_streaming_destination
}

async fn update_kinesis_streaming_destination(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateKinesisStreamingDestinationInput,
) -> Result<api::UpdateKinesisStreamingDestinationOutput, Error> {
    db.named_table(cx, &request.table_name)?;
    check_stream(&request.stream_arn)?;
    Err(Invalid::new(
        "Table is not in a valid state to update Kinesis Streaming Destination: KinesisStreamingDestination must be \
         ACTIVE to perform UPDATE operation.",
    )
    .into())
}

fn check_stream(arn: &str) -> Result<(), Invalid> {
    let stream = service::Arn::parse(arn).filter(|arn| arn.service == "kinesis" && arn.resource.starts_with("stream/"));
    stream.map(drop).ok_or_else(|| Invalid::new("Invalid StreamArn"))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn no_stream_is_there() {
        let bench = Bench::with_table();
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/events";
        let request = json!({ "TableName": "tab", "StreamArn": arn });
        let missing = format!("Requested resource not found: Stream: {arn} not found");
        let enabled = bench.error("EnableKinesisStreamingDestination", request.clone());
        assert_eq!(enabled, ("ResourceNotFoundException".into(), missing));
        for operation in ["DisableKinesisStreamingDestination", "UpdateKinesisStreamingDestination"] {
            assert_eq!(bench.error(operation, request.clone()).0, "ValidationException");
            let gone = json!({ "TableName": "gone", "StreamArn": arn });
            assert_eq!(bench.error(operation, gone).0, "ResourceNotFoundException");
        }
        let destinations = bench.ok("DescribeKinesisStreamingDestination", json!({ "TableName": "tab" }));
        assert_eq!(destinations["KinesisDataStreamDestinations"], json!([]));
    }
}
