//! DescribeTableReplicaAutoScaling, UpdateTableReplicaAutoScaling: the settings of [`crate::scaling`], of a table in all of its
//! regions at once. Writes have the same capacity everywhere and so the same settings; reads have their own.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::capacity::Direction;
use crate::error::{Error, Invalid};
use crate::table::{Index, Scope, Table};

impl DynamoDb {
    /// The table as it is in a region.
    fn table_there(&self, cx: &Context, table: &Table, region: &str) -> Result<std::sync::Arc<Table>, Error> {
        self.named_table(&cx.clone().in_place(&table.account, region), &table.name)
    }

    fn describe_scaling(&self, cx: &Context, table: &Table) -> Result<api::TableAutoScalingDescription, Error> {
        let regions = std::iter::once(&table.region).chain(&table.replicas);
        let replicas = regions.map(|region| Ok(describe(&*self.table_there(cx, table, region)?)));
        Ok(api::TableAutoScalingDescription {
            table_name: Some(table.name.clone()),
            table_status: Some(table.status(cx.now().millis())),
            replicas: Some(replicas.collect::<Result<_, Error>>()?),
        })
    }
}

fn describe(table: &Table) -> api::ReplicaAutoScalingDescription {
    let settings =
        |index: Option<&str>, direction| table.scaling(index, direction).map(|scaling| scaling.describe(table));
    let of_index = |index: &Index| api::ReplicaGlobalSecondaryIndexAutoScalingDescription {
        index_name: Some(index.name.clone()),
        index_status: Some(match index.backfill {
            Some(_) => api::IndexStatus::Creating,
            None => api::IndexStatus::Active,
        }),
        provisioned_read_capacity_auto_scaling_settings: settings(Some(&index.name), Direction::Read),
        provisioned_write_capacity_auto_scaling_settings: settings(Some(&index.name), Direction::Write),
    };
    let indexes: Vec<_> = table.indexes.iter().filter(|index| index.scope == Scope::Global).map(of_index).collect();
    api::ReplicaAutoScalingDescription {
        region_name: Some(table.region.clone()),
        global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
        replica_provisioned_read_capacity_auto_scaling_settings: settings(None, Direction::Read),
        replica_provisioned_write_capacity_auto_scaling_settings: settings(None, Direction::Write),
        replica_status: Some(api::ReplicaStatus::Active),
    }
}

operation! {
    DynamoDb, api::DescribeTableReplicaAutoScaling,
    action: "dynamodb:DescribeTableReplicaAutoScaling" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: describe_table_replica_auto_scaling
}

async fn describe_table_replica_auto_scaling(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeTableReplicaAutoScalingInput,
) -> Result<api::DescribeTableReplicaAutoScalingOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    let description = db.describe_scaling(cx, &table)?;
    Ok(api::DescribeTableReplicaAutoScalingOutput { table_auto_scaling_description: Some(description) })
}

operation! {
    DynamoDb, api::UpdateTableReplicaAutoScaling,
    action: "dynamodb:UpdateTableReplicaAutoScaling" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: update_table_replica_auto_scaling
}

async fn update_table_replica_auto_scaling(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateTableReplicaAutoScalingInput,
) -> Result<api::UpdateTableReplicaAutoScalingOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    if request.provisioned_write_capacity_auto_scaling_update.is_none()
        && request.global_secondary_index_updates.is_none()
        && request.replica_updates.is_none()
    {
        return Err(Invalid::new("At least one auto scaling setting must be specified").into());
    }
    let regions: Vec<&String> = std::iter::once(&table.region).chain(&table.replicas).collect();
    let replicas = request.replica_updates.as_deref().unwrap_or_default();
    if let Some(unknown) = replicas.iter().find(|replica| !regions.contains(&&replica.region_name)) {
        return Err(Invalid(format!(
            "Update operation failed: the replica of table '{}' in region '{}' does not exist",
            table.name, unknown.region_name
        ))
        .into());
    }
    // Whether all of it can be done is known before anything is.
    for region in &regions {
        apply(&mut (*db.table_there(cx, &table, region)?).clone(), &request)?;
    }
    for region in &regions {
        let there = cx.clone().in_place(&table.account, region);
        db.change_table(&there, &table.name, |table| apply(table, &request))?;
    }
    let mut description = db.describe_scaling(cx, &table)?;
    description.table_status = Some(api::TableStatus::Updating);
    Ok(api::UpdateTableReplicaAutoScalingOutput { table_auto_scaling_description: Some(description) })
}

/// Applies what is asked for everywhere, and for the region of the table.
fn apply(table: &mut Table, request: &api::UpdateTableReplicaAutoScalingInput) -> Result<(), Error> {
    if let Some(update) = &request.provisioned_write_capacity_auto_scaling_update {
        table.rescale(None, Direction::Write, update)?;
    }
    for index in request.global_secondary_index_updates.as_deref().unwrap_or_default() {
        if let Some(update) = &index.provisioned_write_capacity_auto_scaling_update {
            table.rescale(Some(named(index.index_name.as_deref())?), Direction::Write, update)?;
        }
    }
    let replicas = request.replica_updates.as_deref().unwrap_or_default();
    let Some(replica) = replicas.iter().find(|replica| replica.region_name == table.region) else { return Ok(()) };
    if let Some(update) = &replica.replica_provisioned_read_capacity_auto_scaling_update {
        table.rescale(None, Direction::Read, update)?;
    }
    for index in replica.replica_global_secondary_index_updates.as_deref().unwrap_or_default() {
        if let Some(update) = &index.provisioned_read_capacity_auto_scaling_update {
            table.rescale(Some(named(index.index_name.as_deref())?), Direction::Read, update)?;
        }
    }
    Ok(())
}

fn named(index: Option<&str>) -> Result<&str, Invalid> {
    index.ok_or_else(|| Invalid::values("IndexName must be specified"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Bench;

    const MINUTE: i64 = 60_000;

    fn bench() -> Bench {
        let bench = Bench::new();
        let units = |read: i64, write: i64| json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write });
        bench.create(
            "tab",
            &["pk", "sk"],
            json!({ "BillingMode": "PROVISIONED", "ProvisionedThroughput": units(5, 5) }),
        );
        bench.ok(
            "UpdateTable",
            json!({ "TableName": "tab", "ReplicaUpdates": [{ "Create": { "RegionName": "us-west-2" } }] }),
        );
        bench
    }

    fn settings(minimum: i64, maximum: i64) -> Value {
        let tracking = json!({ "TargetValue": 50.0, "ScaleOutCooldown": 0, "ScaleInCooldown": 0 });
        let policy = json!({ "TargetTrackingScalingPolicyConfiguration": tracking });
        json!({ "MinimumUnits": minimum, "MaximumUnits": maximum, "ScalingPolicyUpdate": policy })
    }

    fn writes(bench: &Bench, region: &str) -> Value {
        let table = bench.in_region(region, "DescribeTable", json!({ "TableName": "tab" })).unwrap();
        table["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"].clone()
    }

    fn minute(bench: &Bench, puts: usize) {
        for n in 0..puts {
            bench.put("a", &n.to_string(), json!({}));
        }
        bench.cloud.clock.advance(MINUTE);
    }

    #[test]
    fn capacity_follows_what_is_consumed_in_all_regions() {
        let bench = bench();
        let since = bench.cloud.clock.now().millis();
        let scale = || bench.db.scale(&bench.cloud, since).unwrap();
        let request = json!({ "TableName": "tab", "ProvisionedWriteCapacityAutoScalingUpdate": settings(2, 40) });
        let description = bench.ok("UpdateTableReplicaAutoScaling", request)["TableAutoScalingDescription"].clone();
        let replicas = description["Replicas"].as_array().unwrap();
        assert_eq!(replicas.len(), 2);
        for replica in replicas {
            let shown = &replica["ReplicaProvisionedWriteCapacityAutoScalingSettings"];
            assert_eq!((&shown["MinimumUnits"], &shown["MaximumUnits"]), (&json!(2), &json!(40)));
            let policy = &shown["ScalingPolicies"][0];
            assert_eq!(policy["PolicyName"], "DynamoDBWriteCapacityUtilization:table/tab");
            assert_eq!(policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"], 50.0);
        }
        minute(&bench, 0);
        minute(&bench, 600);
        scale();
        assert_eq!(writes(&bench, "us-east-1"), 5, "one minute is not enough");
        minute(&bench, 600);
        scale();
        // 600 puts are 10 units a second, which are to be half of the capacity.
        assert_eq!((writes(&bench, "us-east-1"), writes(&bench, "us-west-2")), (json!(20), json!(20)));
        for _ in 0..16 {
            minute(&bench, 0);
        }
        scale();
        assert_eq!((writes(&bench, "us-east-1"), writes(&bench, "us-west-2")), (json!(2), json!(2)));
        let off = json!({
            "TableName": "tab", "ProvisionedWriteCapacityAutoScalingUpdate": { "AutoScalingDisabled": true },
        });
        bench.ok("UpdateTableReplicaAutoScaling", off);
        minute(&bench, 600);
        minute(&bench, 600);
        scale();
        assert_eq!(writes(&bench, "us-east-1"), 2);
        let described = bench.ok("DescribeTableReplicaAutoScaling", json!({ "TableName": "tab" }));
        let replica = &described["TableAutoScalingDescription"]["Replicas"][0];
        assert!(replica.get("ReplicaProvisionedWriteCapacityAutoScalingSettings").is_none(), "{replica}");
    }

    #[test]
    fn reads_have_settings_of_their_region() {
        let bench = bench();
        let of_west = json!([{
            "RegionName": "us-west-2", "ReplicaProvisionedReadCapacityAutoScalingUpdate": settings(8, 9),
        }]);
        bench.ok("UpdateTableReplicaAutoScaling", json!({ "TableName": "tab", "ReplicaUpdates": of_west }));
        bench.db.scale(&bench.cloud, bench.cloud.clock.now().millis()).unwrap();
        let reads = |region| {
            let table = bench.in_region(region, "DescribeTable", json!({ "TableName": "tab" })).unwrap();
            table["Table"]["ProvisionedThroughput"]["ReadCapacityUnits"].clone()
        };
        assert_eq!(
            (reads("us-east-1"), reads("us-west-2")),
            (json!(5), json!(8)),
            "the minimum is brought about at once"
        );
        bench.in_region("us-west-2", "DeleteTable", json!({ "TableName": "tab" })).unwrap();
        bench.db.scale(&bench.cloud, 0).unwrap();
    }

    #[test]
    fn bad_settings_change_nothing() {
        let bench = bench();
        let invalid = |more: Value| {
            let mut request = json!({ "TableName": "tab" });
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            bench.invalid("UpdateTableReplicaAutoScaling", request)
        };
        let write = |settings: Value| invalid(json!({ "ProvisionedWriteCapacityAutoScalingUpdate": settings }));
        assert!(invalid(json!({})).starts_with("At least one"));
        assert!(write(json!({ "MinimumUnits": 1 })).contains("MaximumUnits"));
        assert!(write(settings(3, 2)).contains("less than or equal"));
        let mut high = settings(1, 2);
        high["ScalingPolicyUpdate"]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = json!(95.0);
        assert!(write(high).contains("between 20 and 90"));
        let elsewhere = json!([{ "RegionName": "sa-east-1" }]);
        assert!(invalid(json!({ "ReplicaUpdates": elsewhere })).contains("does not exist"));
        let index = json!([{ "IndexName": "none", "ProvisionedWriteCapacityAutoScalingUpdate": settings(1, 2) }]);
        let request = json!({ "TableName": "tab", "GlobalSecondaryIndexUpdates": index });
        assert_eq!(bench.error("UpdateTableReplicaAutoScaling", request).0, "ResourceNotFoundException");
        let free = Bench::with_table();
        let request = json!({ "TableName": "tab", "ProvisionedWriteCapacityAutoScalingUpdate": settings(1, 2) });
        assert!(free.invalid("UpdateTableReplicaAutoScaling", request).contains("PAY_PER_REQUEST"));
    }
}
