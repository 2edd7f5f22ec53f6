//! UpdateTable: billing, indexes, streams and the other settings of a live table.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::bulk;
use crate::describe;
use crate::encryption;
use crate::error::{Error, Invalid};
use crate::global::Membership;
use crate::limits::{self, OnDemand, Warm};
use crate::ops::replica;
use crate::ops::table::refuse_first;
use crate::pace::Work;
use crate::schema;
use crate::stream;
use crate::table::{Index, PRIMARY, Scope, Table, TableClass, Throughput};
use crate::vector::{self, VectorIndex};

operation! {
    DynamoDb, api::UpdateTable,
    action: "dynamodb:UpdateTable" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: update_table
}

async fn update_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateTableInput,
) -> Result<api::UpdateTableOutput, Error> {
    refuse_first(&[(request.global_table_settings_replication_mode.is_some(), "GlobalTableSettingsReplicationMode")])?;
    let updates = request.global_secondary_index_updates.as_deref().unwrap_or_default();
    let vectors = request.vector_index_updates.as_deref().unwrap_or_default();
    if !changes_table(&request)
        && request.replica_updates.is_none()
        && request.disassociation_protection_enabled.is_none()
        && request.global_table_witness_updates.is_none()
        && request.multi_region_consistency.is_none()
    {
        return Err(Invalid::new(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required",
        )
        .into());
    }
    check_updated_once(updates)?;
    let online = updates.iter().filter(|update| update.create.is_some() || update.delete.is_some()).count();
    let online_vectors = vectors.iter().filter(|update| update.create.is_some() || update.delete.is_some()).count();
    let online = online + online_vectors;
    if online > 1 {
        return Err(one_at_a_time());
    }
    let replicas = request.replica_updates.as_deref().unwrap_or_default();
    replica::check(cx, replicas)?;
    let alone = alone(&request);
    if !alone && request.disassociation_protection_enabled.is_some() {
        return Err(Invalid::values(
            "DisassociationProtectionEnabled cannot be changed together with other settings of the table",
        )
        .into());
    }
    let now = cx.now().millis();
    let known = db.named_table(cx, &request.table_name)?;
    let known_sizes = db.head(cx, &known)?.sizes;
    let membership = Membership::asked(&known, known_sizes.of(PRIMARY).1, &request)?;
    if let Some(leave) = replicas.iter().find_map(|update| update.disassociate.as_ref()) {
        if !alone || replicas.len() > 1 {
            return Err(Invalid::values("Disassociate must be the only change of the request").into());
        }
        db.disassociate(cx, &known, leave)?;
        let table = db.named_table(cx, &request.table_name)?;
        let sizes = db.head(cx, &table)?.sizes;
        let description = describe::table(&table, &sizes, api::TableStatus::Updating, now);
        return Ok(api::UpdateTableOutput { table_description: Some(description) });
    }
    if replicas.iter().any(|update| update.create.is_some()) && bulk::is_busy(cx.store(), &known)? {
        return Err(Error::ResourceInUse(format!(
            "Attempt to change a resource which is still in use: A bulk operation is in progress on table: {}",
            known.name
        )));
    }
    let key = encryption::asked(cx, request.sse_specification.as_ref())?;
    let (table, removed) = db.change_table(cx, &request.table_name, |table| {
        if online > 0 && matches!(table.work(now), Some(Work::Indexing(_))) {
            return Err(one_at_a_time());
        }
        table.check_idle(now)?;
        change_billing(table, &request, now)?;
        table.on_demand = OnDemand::changed(table.on_demand, request.on_demand_throughput.as_ref(), table.throughput)?;
        table.warm = Warm::changed(table.warm, request.warm_throughput.as_ref(), table.throughput, "table")?;
        if let Some(specification) = &request.stream_specification {
            change_stream(table, specification)?;
        }
        if let Some(protected) = request.disassociation_protection_enabled {
            if !table.may_be_disassociated() {
                return Err(Invalid::values(
                    "DisassociationProtectionEnabled is only supported for replicas of global tables of version \
                     2019.11.21 with multi-Region eventual consistency",
                )
                .into());
            }
            table.global.unprotected = !protected;
        }
        if let Some(protected) = request.deletion_protection_enabled {
            table.deletion_protection = protected;
        }
        if let Some(key) = &key {
            table.encryption = key.clone();
        }
        if let Some(class) = &request.table_class {
            table.class = Some(TableClass { name: class.as_str().to_owned(), changed: Some(now) });
        }
        let known = table.next_index;
        let removed = change_indexes(table, &request, updates, now)?;
        let removed = change_vectors(table, &request, vectors)? || !removed.is_empty();
        let joining = replicas.iter().filter(|update| update.create.is_some()).count();
        let work = match () {
            () if table.next_index > known => Work::Indexing(known),
            () if joining > 0 => Work::Replicating(joining),
            () => Work::Updating,
        };
        db.begin(table, work, now);
        Ok(removed)
    })?;
    // What must be the same everywhere is changed everywhere.
    for region in table.followers() {
        let cx = cx.clone().in_place(&table.account, region);
        let key = encryption::asked(&cx, request.sse_specification.as_ref())?;
        let (replica, removed) = db.change_table(&cx, &table.name, |replica| {
            change_billing(replica, &request, now)?;
            if let Some(key) = &key {
                replica.encryption = key.clone();
            }
            let removed = change_indexes(replica, &request, updates, now)?;
            Ok(change_vectors(replica, &request, vectors)? || !removed.is_empty())
        })?;
        if removed {
            db.purge(cx.store())?;
        }
        db.finish_backfill(cx.store(), &replica)?;
    }
    let table = match replicas {
        [] => table,
        replicas => {
            db.change_replicas(cx, &table, replicas)?;
            db.settle_group(cx, &table, &membership)?;
            db.named_table(cx, &request.table_name)?
        }
    };
    let sizes = db.head(cx, &table)?.sizes;
    let mut description = describe::table(&table, &sizes, api::TableStatus::Updating, now);
    if key.is_some() {
        description.sse_description = encryption::describe(table.encryption.as_ref(), api::SSEStatus::Updating);
    }
    if removed {
        describe::removed(&mut description, &known, &table, &known_sizes, now);
        db.purge(cx.store())?;
    }
    if table.is_indexing() {
        db.finish_backfill(cx.store(), &table)?;
    }
    Ok(api::UpdateTableOutput { table_description: Some(description) })
}

/// Something is asked for that concerns the table rather than its place in a global table.
fn changes_table(request: &api::UpdateTableInput) -> bool {
    request.billing_mode.is_some()
        || request.provisioned_throughput.is_some()
        || request.global_secondary_index_updates.as_ref().is_some_and(|updates| !updates.is_empty())
        || request.vector_index_updates.as_ref().is_some_and(|updates| !updates.is_empty())
        || request.stream_specification.is_some()
        || request.sse_specification.is_some()
        || request.table_class.is_some()
        || request.deletion_protection_enabled.is_some()
        || request.on_demand_throughput.is_some()
        || request.warm_throughput.is_some()
}

/// What is asked for is one change of the replica's place, if it is any.
fn alone(request: &api::UpdateTableInput) -> bool {
    !changes_table(request)
        && request.multi_region_consistency.is_none()
        && request.global_table_witness_updates.is_none()
        && (request.replica_updates.is_none() || request.disassociation_protection_enabled.is_none())
}

fn one_at_a_time() -> Error {
    Error::LimitExceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".to_owned(),
    )
}

fn check_updated_once(updates: &[api::GlobalSecondaryIndexUpdate]) -> Result<(), Invalid> {
    let name = |update: &api::GlobalSecondaryIndexUpdate| {
        let create = update.create.as_ref().map(|create| create.index_name.clone());
        let change = update.update.as_ref().map(|change| change.index_name.clone());
        create.or(change).or_else(|| update.delete.as_ref().map(|delete| delete.index_name.clone()))
    };
    let names: Vec<String> = updates.iter().filter_map(name).collect();
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, name)) => Err(Invalid::values(format!(
            "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
        ))),
        None => Ok(()),
    }
}

fn change_stream(table: &mut Table, specification: &api::StreamSpecification) -> Result<(), Invalid> {
    match (stream::specified(specification)?, table.open_stream()) {
        (Some(_), Some(_)) => Err(Invalid(format!("Table already has an enabled stream: TableName: {}", table.name))),
        (None, None) => Err(Invalid(format!("Table has no stream to disable: TableName: {}", table.name))),
        (Some(view), None) => {
            stream::enable(table, view);
            Ok(())
        }
        (None, Some(_)) => {
            table.stream.iter_mut().for_each(|stream| stream.enabled = false);
            Ok(())
        }
    }
}

fn change_billing(table: &mut Table, request: &api::UpdateTableInput, now: i64) -> Result<(), Error> {
    if request.billing_mode.is_none() && request.provisioned_throughput.is_none() {
        return Ok(());
    }
    let stays_on_demand = request.billing_mode.is_none() && table.throughput.is_on_demand();
    let mode = if stays_on_demand { Some(&api::BillingMode::PayPerRequest) } else { request.billing_mode.as_ref() };
    if mode == Some(&api::BillingMode::Provisioned)
        && request.provisioned_throughput.is_none()
        && !table.throughput.is_on_demand()
    {
        return Ok(());
    }
    let wanted = schema::throughput(mode, request.provisioned_throughput.as_ref())?;
    let (read, write) = wanted.units();
    let (old_read, old_write) = table.throughput.units();
    if !table.throughput.is_on_demand() && !wanted.is_on_demand() && (read, write) == (old_read, old_write) {
        return Err(Invalid(format!(
            "The provisioned throughput for the table will not change. The requested value equals the current value. \
             Current ReadCapacityUnits provisioned for the table: {old_read}. Requested ReadCapacityUnits: {read}. \
             Current WriteCapacityUnits provisioned for the table: {old_write}. Requested WriteCapacityUnits: \
             {write}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher \
             limits."
        ))
        .into());
    }
    if wanted.is_on_demand() {
        if !table.throughput.is_on_demand() {
            table.on_demand_since = Some(now);
        }
        table.indexes.iter_mut().for_each(|index| index.throughput = Throughput::OnDemand);
    } else if !table.throughput.is_on_demand() && (read < old_read || write < old_write) {
        limits::decrease(&mut table.decreases, now)?;
    } else if table.throughput.is_on_demand() {
        table.on_demand = None;
        table.indexes.iter_mut().for_each(|index| index.on_demand = None);
    }
    table.throughput = table.throughput.changed_to(wanted, now);
    Ok(())
}

/// Applies the changes to global indexes; returns those that have been removed.
fn change_indexes(
    table: &mut Table,
    request: &api::UpdateTableInput,
    updates: &[api::GlobalSecondaryIndexUpdate],
    now: i64,
) -> Result<Vec<Index>, Error> {
    if let Some(definitions) = &request.attribute_definitions {
        merge_attributes(table, definitions)?;
    }
    let mut removed = Vec::new();
    for update in updates {
        if let Some(create) = &update.create {
            if table.index(&create.index_name).is_some() || table.vector(&create.index_name).is_some() {
                return Err(Error::ResourceInUse(format!(
                    "Attempting to create an index which already exists: {}",
                    create.index_name
                )));
            }
            let index = schema::new_global(create, &table.attributes, table.throughput, table.next_index)?;
            table.next_index += 1;
            table.indexes.push(index);
        } else if let Some(delete) = &update.delete {
            let at = global_position(table, &delete.index_name)?;
            removed.push(table.indexes.remove(at));
        } else if let Some(change) = &update.update {
            let at = global_position(table, &change.index_name)?;
            if let Some(units) = &change.provisioned_throughput {
                let wanted = Throughput::provisioned(units.read_capacity_units, units.write_capacity_units);
                table.indexes[at].throughput = table.indexes[at].throughput.changed_to(wanted, now);
            }
            let index = &mut table.indexes[at];
            let of = format!("index {}", index.name);
            index.on_demand =
                OnDemand::changed(index.on_demand, change.on_demand_throughput.as_ref(), index.throughput)?;
            index.warm = Warm::changed(index.warm, change.warm_throughput.as_ref(), index.throughput, &of)?;
        } else {
            return Err(Invalid::values(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
                 GlobalSecondaryIndexUpdate.Delete must not be null",
            )
            .into());
        }
    }
    schema::check_indexes(&table.keys, &table.indexes)?;
    for index in table.indexes.iter().filter(|index| index.scope == Scope::Global) {
        if index.throughput.is_on_demand() != table.throughput.is_on_demand() {
            return Err(Invalid::values(match table.throughput.is_on_demand() {
                true => format!(
                    "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                    index.name
                ),
                false => format!("ProvisionedThroughput must be specified for index: {}", index.name),
            })
            .into());
        }
    }
    Ok(removed)
}

/// Applies the changes to vector indexes; says whether one was removed.
fn change_vectors(
    table: &mut Table,
    request: &api::UpdateTableInput,
    updates: &[api::VectorIndexUpdate],
) -> Result<bool, Error> {
    let mut removed = false;
    for update in updates {
        match (&update.create, &update.delete) {
            (Some(create), None) => {
                if table.index(&create.index_name).is_some() || table.vector(&create.index_name).is_some() {
                    return Err(Error::ResourceInUse(format!(
                        "Attempting to create an index which already exists: {}",
                        create.index_name
                    )));
                }
                // Other than with global indexes, definitions that the table has already are not looked at.
                let definitions = schema::attributes(request.attribute_definitions.as_deref().unwrap_or_default())?;
                let index = vector::new_index(&vector::schema_of(create), &definitions, table.next_index)?;
                table.next_index += 1;
                table.vectors.push(VectorIndex { backfill: Some(Vec::new()), ..index });
            }
            (None, Some(delete)) => {
                let name = &delete.index_name;
                let at = table.vectors.iter().position(|index| index.name == *name).ok_or_else(|| {
                    Error::ResourceNotFound(format!("Requested resource not found: Index: {name} not found"))
                })?;
                table.vectors.remove(at);
                removed = true;
            }
            _ => {
                return Err(Invalid::values(
                    "One of VectorIndexUpdate.Create, VectorIndexUpdate.Delete must not be null",
                )
                .into());
            }
        }
    }
    // Definitions that no key needs any more go with the index that needed them.
    let used = |name: &str| table.keys.contains(name) || table.indexes_by(name);
    let kept = table.attributes.iter().filter(|attribute| used(&attribute.name)).cloned().collect();
    table.attributes = kept;
    vector::check_all(table)?;
    Ok(removed)
}

fn global_position(table: &Table, name: &str) -> Result<usize, Error> {
    let found = table.indexes.iter().position(|index| index.name == name && index.scope == Scope::Global);
    found.ok_or_else(|| Error::ResourceNotFound(format!("Requested resource not found: Index: {name} not found")))
}

fn merge_attributes(table: &mut Table, definitions: &[api::AttributeDefinition]) -> Result<(), Invalid> {
    for attribute in schema::attributes(definitions)? {
        match table.attributes.iter().find(|known| known.name == attribute.name) {
            Some(known) if known.scalar != attribute.scalar => {
                return Err(Invalid::values(format!(
                    "The type of an attribute of a key cannot be changed. Attribute: {}, current type: {}, requested \
                     type: {}",
                    attribute.name,
                    known.scalar.code(),
                    attribute.scalar.code()
                )));
            }
            Some(_) => {}
            None => table.attributes.push(attribute),
        }
    }
    Ok(())
}
