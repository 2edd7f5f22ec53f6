//! CreateBackup, DescribeBackup, ListBackups, DeleteBackup.

use std::sync::Arc;

use dynamodb_api as api;
use service::{Context, Timestamp, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::backup::{self, Backup};
use crate::cache::table_name;
use crate::describe;
use crate::encryption;
use crate::error::{Error, Invalid};
use crate::table::{Scope, Table};

const MAX_BACKUPS: usize = 100;

impl DynamoDb {
    /// The table, in the words of the operations on backups.
    pub fn backed_table(&self, cx: &Context, name_or_arn: &str) -> Result<Arc<Table>, Error> {
        self.find_table(cx, name_or_arn)?.ok_or_else(|| {
            let name = table_name(cx, name_or_arn).unwrap_or(name_or_arn);
            Error::TableNotFound(format!("Table not found: {name}"))
        })
    }
}

operation! {
    DynamoDb, api::CreateBackup,
    action: "dynamodb:CreateBackup" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: create_backup
}

async fn create_backup(
    db: &DynamoDb,
    cx: &Context,
    request: api::CreateBackupInput,
) -> Result<api::CreateBackupOutput, Error> {
    let table = db.backed_table(cx, &request.table_name)?;
    let backup = backup::make(cx, &table, request.backup_name, false)?;
    Ok(api::CreateBackupOutput { backup_details: Some(details(&backup, api::BackupStatus::Creating)) })
}

operation! {
    DynamoDb, api::DescribeBackup,
    action: "dynamodb:DescribeBackup" on |_, request| request.backup_arn.clone(),
    handler: describe_backup
}

async fn describe_backup(
    _: &DynamoDb,
    cx: &Context,
    request: api::DescribeBackupInput,
) -> Result<api::DescribeBackupOutput, Error> {
    let backup = backup::find(cx, &request.backup_arn)?;
    Ok(api::DescribeBackupOutput { backup_description: Some(description(&backup, api::BackupStatus::Available)) })
}

operation! {
    DynamoDb, api::DeleteBackup,
    action: "dynamodb:DeleteBackup" on |_, request| request.backup_arn.clone(),
    handler: delete_backup
}

async fn delete_backup(
    db: &DynamoDb,
    cx: &Context,
    request: api::DeleteBackupInput,
) -> Result<api::DeleteBackupOutput, Error> {
    let backup = backup::find(cx, &request.backup_arn)?;
    backup::delete(cx.store(), &backup)?;
    db.purge(cx.store())?;
    Ok(api::DeleteBackupOutput { backup_description: Some(description(&backup, api::BackupStatus::Deleted)) })
}

operation! {
    DynamoDb, api::ListBackups,
    action: "dynamodb:ListBackups" on |_, _| "*",
    handler: list_backups
}

async fn list_backups(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListBackupsInput,
) -> Result<api::ListBackupsOutput, Error> {
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_BACKUPS);
    let table = request.table_name.as_deref().map(|table| table_name(cx, table).unwrap_or(table));
    let mut range = Range::prefix(backup::prefix(cx, table));
    if let Some(start) = &request.exclusive_start_backup_arn {
        range = range.after(backup::key_of(cx, start).ok_or_else(|| Invalid::new("Invalid ExclusiveStartBackupArn"))?);
    }
    let wanted = |backup: &Backup| {
        let created = Timestamp::from_millis(backup.created);
        let kind = match request.backup_type {
            None | Some(api::BackupTypeFilter::All) => true,
            Some(api::BackupTypeFilter::User) => backup.expires.is_none(),
            Some(api::BackupTypeFilter::System) => backup.expires.is_some(),
            Some(_) => false,
        };
        kind && backup.expires.is_none_or(|expires| expires >= cx.now().millis())
            && request.time_range_lower_bound.is_none_or(|bound| created >= bound)
            && request.time_range_upper_bound.is_none_or(|bound| created < bound)
    };
    let mut summaries: Vec<api::BackupSummary> = Vec::new();
    let mut last = None;
    for entry in cx.store().scan(range) {
        let backup: Backup = service::from_record(&entry?.1)?;
        if !wanted(&backup) {
            continue;
        }
        if summaries.len() == limit {
            last = summaries.last().and_then(|summary| summary.backup_arn.clone());
            break;
        }
        summaries.push(summary(&backup));
    }
    Ok(api::ListBackupsOutput { backup_summaries: Some(summaries), last_evaluated_backup_arn: last })
}

fn kind(backup: &Backup) -> api::BackupType {
    if backup.expires.is_some() { api::BackupType::System } else { api::BackupType::User }
}

fn details(backup: &Backup, status: api::BackupStatus) -> api::BackupDetails {
    api::BackupDetails {
        backup_arn: backup.arn(),
        backup_name: backup.name.clone(),
        backup_size_bytes: Some(backup.bytes),
        backup_status: status,
        backup_type: kind(backup),
        backup_creation_date_time: Timestamp::from_millis(backup.created),
        backup_expiry_date_time: backup.expires.map(Timestamp::from_millis),
    }
}

fn summary(backup: &Backup) -> api::BackupSummary {
    api::BackupSummary {
        table_name: Some(backup.table.name.clone()),
        table_id: Some(backup.table.id.clone()),
        table_arn: Some(backup.table.arn()),
        backup_arn: Some(backup.arn()),
        backup_name: Some(backup.name.clone()),
        backup_creation_date_time: Some(Timestamp::from_millis(backup.created)),
        backup_expiry_date_time: backup.expires.map(Timestamp::from_millis),
        backup_status: Some(api::BackupStatus::Available),
        backup_type: Some(kind(backup)),
        backup_size_bytes: Some(backup.bytes),
    }
}

fn description(backup: &Backup, status: api::BackupStatus) -> api::BackupDescription {
    let table = &backup.table;
    let units = |throughput: crate::table::Throughput| {
        let (read, write) = throughput.units();
        api::ProvisionedThroughput { read_capacity_units: read, write_capacity_units: write }
    };
    let of = |scope| table.indexes.iter().filter(move |index| index.scope == scope);
    let local: Vec<_> = of(Scope::Local)
        .map(|index| api::LocalSecondaryIndexInfo {
            index_name: Some(index.name.clone()),
            key_schema: Some(describe::key_schema(&index.keys)),
            projection: Some(describe::projection(&index.projection)),
        })
        .collect();
    let global: Vec<_> = of(Scope::Global)
        .map(|index| api::GlobalSecondaryIndexInfo {
            index_name: Some(index.name.clone()),
            key_schema: Some(describe::key_schema(&index.keys)),
            projection: Some(describe::projection(&index.projection)),
            provisioned_throughput: Some(units(index.throughput)),
            on_demand_throughput: index.on_demand.map(|limits| limits.describe()),
        })
        .collect();
    let vectors: Vec<_> = table
        .vectors
        .iter()
        .map(|index| {
            let index = index.declaration();
            api::VectorIndexInfo {
                index_name: Some(index.index_name),
                vector_attribute: Some(index.vector_attribute),
                search_schema: index.search_schema,
                projection: Some(index.projection),
                dimensions: Some(index.dimensions),
                distance_function: Some(index.distance_function),
            }
        })
        .collect();
    api::BackupDescription {
        backup_details: Some(details(backup, status)),
        source_table_details: Some(api::SourceTableDetails {
            table_name: table.name.clone(),
            table_id: table.id.clone(),
            table_arn: Some(table.arn()),
            table_size_bytes: Some(backup.bytes),
            key_schema: describe::key_schema(&table.keys),
            table_creation_date_time: Timestamp::from_millis(table.created),
            provisioned_throughput: units(table.throughput),
            on_demand_throughput: table.on_demand.map(|limits| limits.describe()),
            item_count: Some(backup.items),
            billing_mode: Some(match table.throughput.is_on_demand() {
                true => api::BillingMode::PayPerRequest,
                false => api::BillingMode::Provisioned,
            }),
        }),
        source_table_feature_details: Some(api::SourceTableFeatureDetails {
            local_secondary_indexes: (!local.is_empty()).then_some(local),
            global_secondary_indexes: (!global.is_empty()).then_some(global),
            stream_description: describe::stream(table),
            time_to_live_description: table.ttl.as_ref().map(|ttl| api::TimeToLiveDescription {
                time_to_live_status: Some(api::TimeToLiveStatus::Enabled),
                attribute_name: Some(ttl.attribute.clone()),
            }),
            sse_description: encryption::describe(table.encryption.as_ref(), api::SSEStatus::Enabled),
            vector_indexes: (!vectors.is_empty()).then_some(vectors),
        }),
    }
}

#[cfg(test)]
mod tests;
