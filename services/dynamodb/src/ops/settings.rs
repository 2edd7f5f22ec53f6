//! What can only be asked: limits and endpoints.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::error::Error;

const ACCOUNT_UNITS: i64 = 80_000;
const TABLE_UNITS: i64 = 40_000;
const ENDPOINT_MINUTES: i64 = 1440;

operation! { DynamoDb, api::DescribeLimits, action: "dynamodb:DescribeLimits" on |_, _| "*", handler: describe_limits }

async fn describe_limits(
    _: &DynamoDb,
    _: &Context,
    _: api::DescribeLimitsInput,
) -> Result<api::DescribeLimitsOutput, Error> {
    Ok(api::DescribeLimitsOutput {
        account_max_read_capacity_units: Some(ACCOUNT_UNITS),
        account_max_write_capacity_units: Some(ACCOUNT_UNITS),
        table_max_read_capacity_units: Some(TABLE_UNITS),
        table_max_write_capacity_units: Some(TABLE_UNITS),
    })
}

operation! { DynamoDb, api::DescribeEndpoints, action: "dynamodb:DescribeEndpoints" on |_, _| "*", handler: describe_endpoints }

async fn describe_endpoints(
    _: &DynamoDb,
    cx: &Context,
    _: api::DescribeEndpointsRequest,
) -> Result<api::DescribeEndpointsResponse, Error> {
    let endpoint = api::Endpoint {
        address: format!("dynamodb.{}.amazonaws.com", cx.region()),
        cache_period_in_minutes: ENDPOINT_MINUTES,
    };
    Ok(api::DescribeEndpointsResponse { endpoints: vec![endpoint] })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn what_can_be_asked() {
        let bench = Bench::with_table();
        assert_eq!(bench.ok("DescribeLimits", json!({}))["TableMaxReadCapacityUnits"], json!(40_000));
        assert_eq!(bench.ok("DescribeEndpoints", json!({}))["Endpoints"].as_array().unwrap().len(), 1);
        assert_eq!(
            bench.error("DescribeContinuousBackups", json!({ "TableName": "gone" })),
            ("TableNotFoundException".into(), "Table not found: gone".into())
        );
    }
}
