//! RestoreTableFromBackup, RestoreTableToPointInTime, and the switch that the latter needs.

use bytes::Bytes;
use dynamodb_api as api;
use service::{Access, Context, Timestamp, operation};

use crate::DynamoDb;
use crate::access;
use crate::backup::{self, copy};
use crate::describe;
use crate::encryption;
use crate::error::{Error, Invalid};
use crate::history::{self, Recovery};
use crate::limits::OnDemand;
use crate::pace::Work;
use crate::schema;
use crate::table::{Index, Restored, Scope, Table, Throughput};
use crate::vector;

const DEFAULT_DAYS: i32 = 35;

operation! {
    DynamoDb, api::DescribeContinuousBackups,
    action: "dynamodb:DescribeContinuousBackups" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: describe_continuous_backups
}

async fn describe_continuous_backups(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeContinuousBackupsInput,
) -> Result<api::DescribeContinuousBackupsOutput, Error> {
    let table = db.backed_table(cx, &request.table_name)?;
    let description = continuous_backups(cx, &table);
    Ok(api::DescribeContinuousBackupsOutput { continuous_backups_description: Some(description) })
}

operation! {
    DynamoDb, api::UpdateContinuousBackups,
    action: "dynamodb:UpdateContinuousBackups" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: update_continuous_backups
}

async fn update_continuous_backups(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateContinuousBackupsInput,
) -> Result<api::UpdateContinuousBackupsOutput, Error> {
    db.backed_table(cx, &request.table_name)?;
    let wanted = request.point_in_time_recovery_specification;
    if !wanted.point_in_time_recovery_enabled && wanted.recovery_period_in_days.is_some() {
        return Err(
            Invalid::new("RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled is true").into()
        );
    }
    let now = cx.now().millis();
    let (table, ()) = db.change_table(cx, &request.table_name, |table| {
        let days = wanted.recovery_period_in_days;
        table.recovery = match (table.recovery.take(), wanted.point_in_time_recovery_enabled) {
            (_, false) => None,
            (Some(recovery), true) => Some(Recovery { days: days.unwrap_or(recovery.days), ..recovery }),
            (None, true) => {
                table.next_index += 1;
                Some(Recovery { since: now, days: days.unwrap_or(DEFAULT_DAYS), number: table.next_index - 1 })
            }
        };
        Ok(())
    })?;
    if table.recovery.is_none() {
        db.purge(cx.store())?;
    }
    let description = continuous_backups(cx, &table);
    Ok(api::UpdateContinuousBackupsOutput { continuous_backups_description: Some(description) })
}

fn continuous_backups(cx: &Context, table: &Table) -> api::ContinuousBackupsDescription {
    let now = cx.now();
    let recovery = match &table.recovery {
        Some(recovery) => api::PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(api::PointInTimeRecoveryStatus::Enabled),
            recovery_period_in_days: Some(recovery.days),
            earliest_restorable_date_time: Some(Timestamp::from_millis(recovery.earliest(now.millis()))),
            latest_restorable_date_time: Some(now),
        },
        None => api::PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(api::PointInTimeRecoveryStatus::Disabled),
            ..Default::default()
        },
    };
    api::ContinuousBackupsDescription {
        continuous_backups_status: api::ContinuousBackupsStatus::Enabled,
        point_in_time_recovery_description: Some(recovery),
    }
}

/// What a request says about a restored table beside its items.
struct Overrides {
    name: String,
    billing: Option<api::BillingMode>,
    global: Option<Vec<api::GlobalSecondaryIndex>>,
    local: Option<Vec<api::LocalSecondaryIndex>>,
    vectors: Option<Vec<api::VectorIndex>>,
    units: Option<api::ProvisionedThroughput>,
    on_demand: Option<api::OnDemandThroughput>,
    /// The ARN of the managed key, if that is it.
    encryption: Option<String>,
}

operation! {
    DynamoDb, api::RestoreTableFromBackup,
    access: |_, cx, request| {
        let mut access = vec![Access::new("dynamodb:RestoreTableFromBackup", request.backup_arn.clone())];
        access.push(Access::new("dynamodb:RestoreTableFromBackup", access::table_arn(cx, &request.target_table_name)));
        Ok::<_, Error>(access)
    },
    handler: restore_table_from_backup
}

async fn restore_table_from_backup(
    db: &DynamoDb,
    cx: &Context,
    request: api::RestoreTableFromBackupInput,
) -> Result<api::RestoreTableFromBackupOutput, Error> {
    let backup = backup::find(cx, &request.backup_arn)?;
    let overrides = Overrides {
        name: request.target_table_name,
        billing: request.billing_mode_override,
        global: request.global_secondary_index_override,
        local: request.local_secondary_index_override,
        vectors: request.vector_index_override,
        units: request.provisioned_throughput_override,
        on_demand: request.on_demand_throughput_override,
        encryption: encrypted(cx, request.sse_specification_override.as_ref(), &backup.table)?,
    };
    let restored = Restored { backup: Some(backup.arn()), table: backup.table.arn(), at: backup.created };
    let items = backup::items(&cx.store().snapshot(), backup.number);
    let description = restore(db, cx, &backup.table, overrides, restored, items)?;
    Ok(api::RestoreTableFromBackupOutput { table_description: Some(description) })
}

operation! {
    DynamoDb, api::RestoreTableToPointInTime,
    access: |_, cx, request| {
        let source = request.source_table_arn.as_deref().or(request.source_table_name.as_deref()).unwrap_or("*");
        Ok::<_, Error>(
            [source, &request.target_table_name]
                .map(|table| Access::new("dynamodb:RestoreTableToPointInTime", access::table_arn(cx, table)))
                .into(),
        )
    },
    handler: restore_table_to_point_in_time
}

async fn restore_table_to_point_in_time(
    db: &DynamoDb,
    cx: &Context,
    request: api::RestoreTableToPointInTimeInput,
) -> Result<api::RestoreTableToPointInTimeOutput, Error> {
    let source = match (&request.source_table_arn, &request.source_table_name) {
        (Some(source), None) | (None, Some(source)) => source,
        _ => {
            return Err(Invalid::new("Exactly one of SourceTableArn and SourceTableName must be specified").into());
        }
    };
    let latest = request.use_latest_restorable_time == Some(true);
    if latest == request.restore_date_time.is_some() {
        return Err(Invalid::new("Exactly one of UseLatestRestorableTime and RestoreDateTime must be specified").into());
    }
    let table = db.backed_table(cx, source)?;
    let recovery = recovery_of(&table)?;
    let now = cx.now().millis();
    let at = match request.restore_date_time {
        None => now,
        // A second is meant as a whole: what happened within it is part of it.
        Some(time) if time.millis() % 1000 == 0 => (time.millis() + 999).min(now.max(time.millis())),
        Some(time) => time.millis(),
    };
    if at < recovery.earliest(now) || at > now {
        return Err(Error::InvalidRestoreTime(format!(
            "Restore time must be between {} and {}",
            Timestamp::from_millis(recovery.earliest(now)).iso8601(),
            Timestamp::from_millis(now).iso8601()
        )));
    }
    let overrides = Overrides {
        name: request.target_table_name,
        billing: request.billing_mode_override,
        global: request.global_secondary_index_override,
        local: request.local_secondary_index_override,
        vectors: request.vector_index_override,
        units: request.provisioned_throughput_override,
        on_demand: request.on_demand_throughput_override,
        encryption: encrypted(cx, request.sse_specification_override.as_ref(), &table)?,
    };
    let items = history::state(&cx.store().snapshot(), &table, recovery.number, at)?;
    let restored = Restored { backup: None, table: table.arn(), at };
    let description = restore(db, cx, &table, overrides, restored, items)?;
    Ok(api::RestoreTableToPointInTimeOutput { table_description: Some(description) })
}

pub fn recovery_of(table: &Table) -> Result<&Recovery, Error> {
    table.recovery.as_ref().ok_or_else(|| {
        Error::PointInTimeRecoveryUnavailable(format!(
            "Point in time recovery is not enabled for table '{}'",
            table.name
        ))
    })
}

/// The key of the restored table: the one that was asked for, or else of the kind that the source has.
fn encrypted(cx: &Context, asked: Option<&api::SSESpecification>, source: &Table) -> Result<Option<String>, Error> {
    match (encryption::asked(cx, asked)?, &source.encryption) {
        (Some(asked), _) => Ok(asked),
        (None, Some(_)) => encryption::of_table(cx, cx.region()).map(Some),
        (None, None) => Ok(None),
    }
}

fn restore(
    db: &DynamoDb,
    cx: &Context,
    source: &Table,
    overrides: Overrides,
    restored: Restored,
    items: impl Iterator<Item = Result<(Bytes, Bytes), Error>>,
) -> Result<api::TableDescription, Error> {
    schema::check_table_name(&overrides.name)?;
    if db.find_table(cx, &overrides.name)?.is_some() {
        return Err(Error::TableAlreadyExists(format!("Table already exists: {}", overrides.name)));
    }
    let mut table = target(cx, source, overrides, restored)?;
    db.begin(&mut table, Work::Creating, cx.now().millis());
    let copied = copy(cx.store(), items)?;
    let table = db.make_table(cx, table, &copied)?;
    Ok(describe::table(&table, &copied.sizes, api::TableStatus::Creating, cx.now().millis()))
}

/// The record of the table that is to be restored: the keys and indexes of its source, but none of what is attached to it.
fn target(cx: &Context, source: &Table, overrides: Overrides, restored: Restored) -> Result<Table, Error> {
    let now = cx.now().millis();
    let throughput = match (&overrides.billing, &overrides.units) {
        (None, None) => source.throughput,
        (None, Some(_)) if source.throughput.is_on_demand() => {
            schema::throughput(Some(&api::BillingMode::PayPerRequest), overrides.units.as_ref())?
        }
        (billing, units) => schema::throughput(billing.as_ref(), units.as_ref())?,
    };
    let mut indexes = Vec::new();
    for index in &source.indexes {
        indexes.push(restored_index(index, throughput, &overrides)?);
    }
    let wanted = overrides.global.iter().flatten().map(|index| &index.index_name);
    let mut wanted = wanted.chain(overrides.local.iter().flatten().map(|index| &index.index_name));
    if let Some(unknown) = wanted.find(|name| source.index(name).is_none()) {
        return Err(Invalid::values(format!(
            "Index override must be a subset of the indexes of the source table. Unknown index: {unknown}"
        ))
        .into());
    }
    let indexes: Vec<Index> = indexes.into_iter().flatten().collect();
    let vectors = vector::overridden(source, overrides.vectors.as_deref())?;
    let numbers = indexes.iter().map(|index| index.number).chain(vectors.iter().map(|index| index.number));
    let mut table = Table {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: overrides.name,
        id: cx.random().uuid(),
        number: 0,
        generation: 1,
        created: now,
        keys: source.keys.clone(),
        attributes: Vec::new(),
        next_index: numbers.max().map_or(1, |last| last + 1),
        indexes,
        vectors,
        throughput,
        on_demand_since: throughput.is_on_demand().then_some(now),
        deletion_protection: false,
        class: source.class.clone(),
        tags: Default::default(),
        ttl: None,
        stream: None,
        on_demand: match overrides.on_demand {
            Some(wanted) => OnDemand::changed(None, Some(&wanted), throughput)?,
            None => source.on_demand.filter(|_| throughput.is_on_demand()),
        },
        warm: None,
        decreases: Vec::new(),
        recovery: None,
        restored: Some(restored),
        replicas: Vec::new(),
        global: Default::default(),
        scaling: Vec::new(),
        policy: None,
        insights: Default::default(),
        encryption: overrides.encryption,
        busy: None,
    };
    let used = |name: &str| table.keys.contains(name) || table.indexes_by(name);
    table.attributes = source.attributes.iter().filter(|attribute| used(&attribute.name)).cloned().collect();
    vector::check_all(&table)?;
    Ok(table)
}

/// An index as it is restored: empty, to be filled; nothing where it is left out.
fn restored_index(index: &Index, table: Throughput, overrides: &Overrides) -> Result<Option<Index>, Error> {
    let mut index = Index { backfill: Some(Vec::new()), warm: None, ..index.clone() };
    if index.scope == Scope::Local {
        let kept = overrides.local.as_ref().is_none_or(|kept| kept.iter().any(|kept| kept.index_name == index.name));
        return Ok(kept.then_some(index));
    }
    let wanted = overrides.global.as_ref().map(|kept| kept.iter().find(|kept| kept.index_name == index.name));
    let units = match wanted {
        Some(None) => return Ok(None),
        Some(Some(wanted)) => wanted.provisioned_throughput.clone(),
        None => None,
    };
    index.throughput = match (table.is_on_demand(), units, index.throughput) {
        (true, ..) => Throughput::OnDemand,
        (false, Some(units), _) => Throughput::provisioned(units.read_capacity_units, units.write_capacity_units),
        (false, None, Throughput::OnDemand) => {
            let (read, write) = table.units();
            Throughput::provisioned(read, write)
        }
        (false, None, own) => own,
    };
    Ok(Some(index))
}
