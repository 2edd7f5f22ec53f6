//! Tables as the API shows them.

use dynamodb_api as api;
use wire::Timestamp;

use crate::encryption;
use crate::key::{KeyAttribute, KeySchema};
use crate::limits::{OnDemand, Warm, decreases_today};
use crate::store::Sizes;
use crate::stream::arn as stream_arn;
use crate::table::{Index, PRIMARY, Projected, Scope, Table, Throughput};
use crate::vector::VectorIndex;

/// The table as it is after a request that leaves it in this status.
pub fn table(table: &Table, sizes: &Sizes, status: api::TableStatus, now: i64) -> api::TableDescription {
    let global =
        indexes(table, Scope::Global).map(|index| global(table, index, sizes, &status, now)).collect::<Vec<_>>();
    let local = indexes(table, Scope::Local).map(|index| local(table, index, sizes)).collect::<Vec<_>>();
    let (bytes, items) = sizes.of(PRIMARY);
    let vectors: Vec<_> = table.vectors.iter().map(|index| index.describe(table, sizes, &status, now)).collect();
    let warm = Warm::effective(table.warm, table.throughput);
    let current = !table.replicas.is_empty() && table.global.legacy.is_none();
    let status =
        if table.is_indexing() && status == api::TableStatus::Active { api::TableStatus::Updating } else { status };
    api::TableDescription {
        attribute_definitions: Some(table.attributes.iter().map(definition).collect()),
        table_name: Some(table.name.clone()),
        key_schema: Some(key_schema(&table.keys)),
        creation_date_time: Some(Timestamp::from_millis(table.created)),
        provisioned_throughput: Some(api::ProvisionedThroughputDescription {
            number_of_decreases_today: i64::try_from(decreases_today(&table.decreases, now)).ok(),
            ..throughput(table.throughput)
        }),
        table_size_bytes: Some(bytes),
        item_count: Some(items),
        table_arn: Some(table.arn()),
        table_id: Some(table.id.clone()),
        billing_mode_summary: billing(table),
        local_secondary_indexes: (!local.is_empty()).then_some(local),
        global_secondary_indexes: (!global.is_empty()).then_some(global),
        stream_specification: stream(table),
        latest_stream_label: table.stream.as_ref().map(|stream| stream.label.clone()),
        latest_stream_arn: table.stream.as_ref().map(|stream| stream_arn(&table.arn(), &stream.label)),
        table_class_summary: table.class.as_ref().map(class),
        deletion_protection_enabled: Some(table.deletion_protection),
        warm_throughput: Some(api::TableWarmThroughputDescription {
            read_units_per_second: Some(warm.read),
            write_units_per_second: Some(warm.write),
            status: Some(status.clone()),
        }),
        on_demand_throughput: table.on_demand.map(OnDemand::describe),
        restore_summary: table.restored.as_ref().map(|restored| api::RestoreSummary {
            source_backup_arn: restored.backup.clone(),
            source_table_arn: Some(restored.table.clone()),
            restore_date_time: Timestamp::from_millis(restored.at),
            restore_in_progress: status == api::TableStatus::Creating,
        }),
        replicas: current.then(|| table.replicas.iter().map(|region| replica(table, region, now)).collect()),
        global_table_version: current.then(|| "2019.11.21".to_owned()),
        global_table_settings_replication_mode: current
            .then_some(api::GlobalTableSettingsReplicationMode::EnabledWithOverrides),
        multi_region_consistency: current.then(|| table.global.consistency()),
        global_table_witnesses: table.global.witness.as_ref().map(|region| vec![witness(region)]),
        disassociation_protection_enabled: table.may_be_disassociated().then_some(!table.global.unprotected),
        sse_description: encryption::describe(table.encryption.as_ref(), api::SSEStatus::Enabled),
        vector_indexes: (!vectors.is_empty()).then_some(vectors),
        table_status: Some(status),
        ..Default::default()
    }
}

/// Adds the indexes that a request removes from a table, as they were.
pub fn removed(description: &mut api::TableDescription, before: &Table, after: &Table, sizes: &Sizes, now: i64) {
    let deleting = api::TableStatus::Deleting;
    let gone = |index: &&Index| after.indexes.iter().all(|kept| kept.number != index.number);
    let global = indexes(before, Scope::Global).filter(gone).map(|index| global(before, index, sizes, &deleting, now));
    let global: Vec<_> = global.collect();
    if !global.is_empty() {
        description.global_secondary_indexes.get_or_insert_default().extend(global);
    }
    let gone = |index: &&VectorIndex| after.vectors.iter().all(|kept| kept.number != index.number);
    let vectors = before.vectors.iter().filter(gone).map(|index| index.describe(before, sizes, &deleting, now));
    let vectors: Vec<_> = vectors.collect();
    if !vectors.is_empty() {
        description.vector_indexes.get_or_insert_default().extend(vectors);
    }
}

/// The billing mode, of a table that has ever been on demand.
pub fn billing(table: &Table) -> Option<api::BillingModeSummary> {
    table.on_demand_since.map(|since| api::BillingModeSummary {
        billing_mode: Some(match table.throughput {
            Throughput::OnDemand => api::BillingMode::PayPerRequest,
            Throughput::Provisioned { .. } => api::BillingMode::Provisioned,
        }),
        last_update_to_pay_per_request_date_time: Some(Timestamp::from_millis(since)),
    })
}

fn replica(table: &Table, region: &str, now: i64) -> api::ReplicaDescription {
    api::ReplicaDescription {
        region_name: Some(region.to_owned()),
        replica_status: Some(match table.is_replicating(region, now) {
            true => api::ReplicaStatus::Creating,
            false => api::ReplicaStatus::Active,
        }),
        replica_arn: Some(crate::table::arn(region, &table.account, &table.name)),
        replica_table_class_summary: table.class.as_ref().map(class),
        ..Default::default()
    }
}

fn witness(region: &str) -> api::GlobalTableWitnessDescription {
    api::GlobalTableWitnessDescription {
        region_name: Some(region.to_owned()),
        witness_status: Some(api::WitnessStatus::Active),
    }
}

pub fn class(class: &crate::table::TableClass) -> api::TableClassSummary {
    api::TableClassSummary {
        table_class: Some(class.name.as_str().into()),
        last_update_date_time: class.changed.map(Timestamp::from_millis),
    }
}

/// The stream that the table has, as it was asked for.
pub fn stream(table: &Table) -> Option<api::StreamSpecification> {
    table.open_stream().map(|stream| api::StreamSpecification {
        stream_enabled: true,
        stream_view_type: Some(stream.view.name().into()),
    })
}

fn indexes(table: &Table, scope: Scope) -> impl Iterator<Item = &Index> {
    table.indexes.iter().filter(move |index| index.scope == scope)
}

fn global(
    table: &Table,
    index: &Index,
    sizes: &Sizes,
    table_status: &api::TableStatus,
    now: i64,
) -> api::GlobalSecondaryIndexDescription {
    let (bytes, items) = sizes.of(index.number);
    let warm = Warm::effective(index.warm, index.throughput);
    let filling = table.filling(index.number, index.backfill.as_ref(), now);
    let status = match table_status {
        _ if filling.is_some() => api::IndexStatus::Creating,
        api::TableStatus::Creating => api::IndexStatus::Creating,
        api::TableStatus::Deleting => api::IndexStatus::Deleting,
        _ => api::IndexStatus::Active,
    };
    api::GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.keys)),
        projection: Some(projection(&index.projection)),
        backfilling: filling,
        provisioned_throughput: Some(throughput(index.throughput)),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(format!("{}/index/{}", table.arn(), index.name)),
        on_demand_throughput: index.on_demand.map(OnDemand::describe),
        warm_throughput: Some(api::GlobalSecondaryIndexWarmThroughputDescription {
            read_units_per_second: Some(warm.read),
            write_units_per_second: Some(warm.write),
            status: Some(status.clone()),
        }),
        index_status: Some(status),
    }
}

fn local(table: &Table, index: &Index, sizes: &Sizes) -> api::LocalSecondaryIndexDescription {
    let (bytes, items) = sizes.of(index.number);
    api::LocalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.keys)),
        projection: Some(projection(&index.projection)),
        index_size_bytes: Some(bytes),
        item_count: Some(items),
        index_arn: Some(format!("{}/index/{}", table.arn(), index.name)),
    }
}

pub fn definition(attribute: &KeyAttribute) -> api::AttributeDefinition {
    api::AttributeDefinition { attribute_name: attribute.name.clone(), attribute_type: attribute.scalar.code().into() }
}

pub fn key_schema(keys: &KeySchema) -> Vec<api::KeySchemaElement> {
    let element =
        |attribute: &KeyAttribute, key_type| api::KeySchemaElement { attribute_name: attribute.name.clone(), key_type };
    let hashes = keys.hashes().map(|hash| element(hash, api::KeyType::Hash));
    hashes.chain(keys.ranges().map(|range| element(range, api::KeyType::Range))).collect()
}

pub fn projection(projection: &Projected) -> api::Projection {
    let (kind, names) = match projection {
        Projected::All => (api::ProjectionType::All, None),
        Projected::KeysOnly => (api::ProjectionType::KeysOnly, None),
        Projected::Include(names) => (api::ProjectionType::Include, Some(names.clone())),
    };
    api::Projection { projection_type: Some(kind), non_key_attributes: names }
}

fn throughput(throughput: Throughput) -> api::ProvisionedThroughputDescription {
    let (read, write) = throughput.units();
    let (increased, decreased) = match throughput {
        Throughput::Provisioned { increased, decreased, .. } => (increased, decreased),
        Throughput::OnDemand => (None, None),
    };
    api::ProvisionedThroughputDescription {
        last_increase_date_time: increased.map(Timestamp::from_millis),
        last_decrease_date_time: decreased.map(Timestamp::from_millis),
        number_of_decreases_today: Some(0),
        read_capacity_units: Some(read),
        write_capacity_units: Some(write),
    }
}
