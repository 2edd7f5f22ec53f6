//! Settings of global tables of version 2017.11.29, which each region has for itself: capacity, how it is scaled, billing and
//! class.

use dynamodb_api as api;
use service::{Context, operation};

use super::{Group, arn, find};
use crate::DynamoDb;
use crate::capacity::Direction;
use crate::describe::{billing, class};
use crate::error::{Error, Invalid};
use crate::table::{Index, Scope, Table, TableClass, Throughput};

fn there(cx: &Context, region: &str) -> Context {
    cx.clone().in_place(cx.account(), region)
}

fn describe(
    db: &DynamoDb,
    cx: &Context,
    name: &str,
    group: &Group,
) -> Result<Vec<api::ReplicaSettingsDescription>, Error> {
    let settings = |region: &String| {
        let table = db.named_table(&there(cx, region), name)?;
        let (read, write) = table.throughput.units();
        let globals = table.indexes.iter().filter(|index| index.scope == Scope::Global);
        let indexes: Vec<_> = globals.map(|index| index_settings(&table, index)).collect();
        let scaling = |direction| table.scaling(None, direction).map(|scaling| scaling.describe(&table));
        Ok(api::ReplicaSettingsDescription {
            region_name: region.clone(),
            replica_status: Some(api::ReplicaStatus::Active),
            replica_billing_mode_summary: billing(&table),
            replica_provisioned_read_capacity_units: Some(read),
            replica_provisioned_read_capacity_auto_scaling_settings: scaling(Direction::Read),
            replica_provisioned_write_capacity_units: Some(write),
            replica_provisioned_write_capacity_auto_scaling_settings: scaling(Direction::Write),
            replica_global_secondary_index_settings: (!indexes.is_empty()).then_some(indexes),
            replica_table_class_summary: table.class.as_ref().map(class),
        })
    };
    group.regions.iter().map(settings).collect()
}

fn index_settings(table: &Table, index: &Index) -> api::ReplicaGlobalSecondaryIndexSettingsDescription {
    let (read, write) = index.throughput.units();
    let scaling = |direction| table.scaling(Some(&index.name), direction).map(|scaling| scaling.describe(table));
    api::ReplicaGlobalSecondaryIndexSettingsDescription {
        index_name: index.name.clone(),
        index_status: Some(api::IndexStatus::Active),
        provisioned_read_capacity_units: Some(read),
        provisioned_read_capacity_auto_scaling_settings: scaling(Direction::Read),
        provisioned_write_capacity_units: Some(write),
        provisioned_write_capacity_auto_scaling_settings: scaling(Direction::Write),
    }
}

operation! {
    DynamoDb, api::DescribeGlobalTableSettings,
    action: "dynamodb:DescribeGlobalTableSettings" on |cx, request| arn(cx, &request.global_table_name),
    handler: describe_global_table_settings
}

async fn describe_global_table_settings(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeGlobalTableSettingsInput,
) -> Result<api::DescribeGlobalTableSettingsOutput, Error> {
    let group = find(cx, &request.global_table_name)?;
    let settings = describe(db, cx, &request.global_table_name, &group)?;
    Ok(api::DescribeGlobalTableSettingsOutput {
        global_table_name: Some(request.global_table_name),
        replica_settings: Some(settings),
    })
}

operation! {
    DynamoDb, api::UpdateGlobalTableSettings,
    action: "dynamodb:UpdateGlobalTableSettings" on |cx, request| arn(cx, &request.global_table_name),
    handler: update_global_table_settings
}

async fn update_global_table_settings(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateGlobalTableSettingsInput,
) -> Result<api::UpdateGlobalTableSettingsOutput, Error> {
    let name = &request.global_table_name;
    let group = find(cx, name)?;
    let replicas = request.replica_settings_update.as_deref().unwrap_or_default();
    if let Some(unknown) = replicas.iter().find(|replica| !group.regions.contains(&replica.region_name)) {
        return Err(Error::ReplicaNotFound(format!(
            "Replica not found: Replica with region: '{}' does not exist in the global table.",
            unknown.region_name
        )));
    }
    let now = cx.now().millis();
    // Whether every region can be changed is known before the first one is.
    for region in &group.regions {
        let mut table = (*db.named_table(&there(cx, region), name)?).clone();
        apply(&mut table, &request, now)?;
    }
    for region in &group.regions {
        db.change_table(&there(cx, region), name, |table| apply(table, &request, now))?;
    }
    let settings = describe(db, cx, name, &group)?;
    Ok(api::UpdateGlobalTableSettingsOutput { global_table_name: Some(name.clone()), replica_settings: Some(settings) })
}

/// Applies to the table of one region what is asked for it and for all.
fn apply(table: &mut Table, request: &api::UpdateGlobalTableSettingsInput, now: i64) -> Result<(), Error> {
    let replicas = request.replica_settings_update.as_deref().unwrap_or_default();
    let replica = replicas.iter().find(|replica| replica.region_name == table.region);
    match &request.global_table_billing_mode {
        Some(api::BillingMode::PayPerRequest) => {
            table.throughput = Throughput::OnDemand;
            table.on_demand_since.get_or_insert(now);
            table.indexes.iter_mut().for_each(|index| index.throughput = Throughput::OnDemand);
        }
        Some(_) if table.throughput.is_on_demand() => {
            let read = replica.and_then(|replica| replica.replica_provisioned_read_capacity_units);
            let write = request.global_table_provisioned_write_capacity_units;
            let (Some(read), Some(write)) = (read, write) else {
                return Err(Invalid::values(
                    "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
                )
                .into());
            };
            table.throughput = Throughput::provisioned(read, write);
        }
        _ => {}
    }
    let read = replica.and_then(|replica| replica.replica_provisioned_read_capacity_units);
    table.throughput = with_units(table.throughput, read, request.global_table_provisioned_write_capacity_units, now)?;
    if let Some(update) = &request.global_table_provisioned_write_capacity_auto_scaling_settings_update {
        table.rescale(None, Direction::Write, update)?;
    }
    for wanted in request.global_table_global_secondary_index_settings_update.as_deref().unwrap_or_default() {
        let index = index_of(table, &wanted.index_name)?;
        index.throughput = with_units(index.throughput, None, wanted.provisioned_write_capacity_units, now)?;
        if let Some(update) = &wanted.provisioned_write_capacity_auto_scaling_settings_update {
            table.rescale(Some(&wanted.index_name), Direction::Write, update)?;
        }
    }
    let Some(replica) = replica else { return Ok(()) };
    for wanted in replica.replica_global_secondary_index_settings_update.as_deref().unwrap_or_default() {
        let index = index_of(table, &wanted.index_name)?;
        index.throughput = with_units(index.throughput, wanted.provisioned_read_capacity_units, None, now)?;
        if let Some(update) = &wanted.provisioned_read_capacity_auto_scaling_settings_update {
            table.rescale(Some(&wanted.index_name), Direction::Read, update)?;
        }
    }
    if let Some(update) = &replica.replica_provisioned_read_capacity_auto_scaling_settings_update {
        table.rescale(None, Direction::Read, update)?;
    }
    if let Some(class) = &replica.replica_table_class {
        table.class = Some(TableClass { name: class.as_str().to_owned(), changed: Some(now) });
    }
    Ok(())
}

fn index_of<'t>(table: &'t mut Table, name: &str) -> Result<&'t mut Index, Error> {
    let found = table.indexes.iter_mut().find(|index| index.name == name && index.scope == Scope::Global);
    found.ok_or_else(|| Error::IndexNotFound(format!("Index not found: {name}")))
}

fn with_units(throughput: Throughput, read: Option<i64>, write: Option<i64>, now: i64) -> Result<Throughput, Invalid> {
    let (old_read, old_write) = throughput.units();
    match (throughput, read.or(write)) {
        (_, None) => Ok(throughput),
        (Throughput::OnDemand, Some(_)) => Err(Invalid::values(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (Throughput::Provisioned { .. }, Some(_)) => {
            let wanted = Throughput::provisioned(read.unwrap_or(old_read), write.unwrap_or(old_write));
            Ok(throughput.changed_to(wanted, now))
        }
    }
}
