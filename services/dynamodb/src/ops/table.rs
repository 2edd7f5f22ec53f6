//! CreateTable, DescribeTable, ListTables, UpdateTable, DeleteTable.

use std::sync::Arc;

use dynamodb_api as api;
use service::{Access, Context, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::cache::no_such_table;
use crate::describe;
use crate::error::{Error, Invalid};
use crate::maintenance::purge_key;
use crate::ops::tag;
use crate::schema;
use crate::store::{Head, NEXT_NUMBER, Sizes, head_key, read_table, table_key, tables_prefix, ttl_key, write_table};
use crate::stream;
use crate::table::{Index, Scope, Table, TableClass, Throughput, index_prefix, table_prefix};

const MAX_NAMES: usize = 100;

operation! {
    DynamoDb, api::CreateTable,
    access: |_, cx, request| {
        let arn = access::table_arn(cx, &request.table_name);
        let tags = request.tags.as_ref().map(|_| Access::new("dynamodb:TagResource", arn.clone()));
        Ok::<_, Error>(std::iter::once(Access::new("dynamodb:CreateTable", arn)).chain(tags).collect())
    },
    handler: create_table
}

async fn create_table(
    _: &DynamoDb,
    cx: &Context,
    request: api::CreateTableInput,
) -> Result<api::CreateTableOutput, Error> {
    schema::check_table_name(&request.table_name)?;
    refuse_unreal(&request)?;
    let throughput = schema::throughput(request.billing_mode.as_ref(), request.provisioned_throughput.as_ref())?;
    let declared = schema::declared(&request, throughput)?;
    let now = cx.now().millis();
    let mut table = Table {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        name: request.table_name.clone(),
        id: cx.random().uuid(),
        number: 0,
        generation: 1,
        created: now,
        keys: declared.keys,
        attributes: declared.attributes,
        next_index: declared.indexes.last().map_or(1, |last| last.number + 1),
        indexes: declared.indexes,
        throughput,
        on_demand_since: throughput.is_on_demand().then_some(now),
        deletion_protection: request.deletion_protection_enabled.unwrap_or(false),
        class: request.table_class.map(|class| TableClass { name: class.as_str().to_owned(), changed: None }),
        tags: Default::default(),
        ttl: None,
        stream: None,
    };
    if let Some(view) = request.stream_specification.as_ref().map(stream::specified).transpose()?.flatten() {
        stream::enable(&mut table, view);
    }
    tag::add(&mut table.tags, request.tags.unwrap_or_default())?;
    let key = table_key(&table.account, &table.region, &table.name);
    cx.store().write(|transaction| {
        if transaction.contains(&key)? {
            return Err(Error::ResourceInUse(format!("Table already exists: {}", table.name)));
        }
        let next = transaction.get(NEXT_NUMBER)?;
        table.number = next.and_then(|next| next.as_ref().try_into().map(u64::from_be_bytes).ok()).unwrap_or(1);
        transaction.put(NEXT_NUMBER, (table.number + 1).to_be_bytes().to_vec());
        transaction.put(head_key(table.number), Head { generation: 1, ..Head::default() }.encode());
        stream::open(transaction, &mut table, 0, now)?;
        transaction.put(key.clone(), write_table(&table)?);
        Ok(())
    })?;
    Ok(api::CreateTableOutput {
        table_description: Some(describe::table(&table, &Sizes::default(), api::TableStatus::Creating)),
    })
}

/// What would have to be ignored is refused.
fn refuse_unreal(request: &api::CreateTableInput) -> Result<(), Error> {
    refuse_first(&[
        (is_encryption_chosen(request.sse_specification.as_ref()), "SSESpecification"),
        (request.warm_throughput.is_some(), "WarmThroughput"),
        (request.on_demand_throughput.is_some(), "OnDemandThroughput"),
        (request.resource_policy.is_some(), "ResourcePolicy"),
        (request.global_table_source_arn.is_some(), "GlobalTableSourceArn"),
        (request.vector_indexes.is_some(), "VectorIndexes"),
    ])
}

fn refuse_first(parameters: &[(bool, &str)]) -> Result<(), Error> {
    match parameters.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(Error::NotImplemented(format!("{name} is not implemented"))),
        None => Ok(()),
    }
}

fn is_encryption_chosen(encryption: Option<&api::SSESpecification>) -> bool {
    encryption.is_some_and(|encryption| encryption.enabled == Some(true) || encryption.kms_master_key_id.is_some())
}

operation! {
    DynamoDb, api::DescribeTable,
    action: "dynamodb:DescribeTable" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: describe_table
}

async fn describe_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::DescribeTableInput,
) -> Result<api::DescribeTableOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    let sizes = db.head(cx, &table)?.sizes;
    Ok(api::DescribeTableOutput { table: Some(describe::table(&table, &sizes, api::TableStatus::Active)) })
}

operation! {
    DynamoDb, api::ListTables,
    action: "dynamodb:ListTables" on |cx, _| format!("arn:aws:dynamodb:{}:{}:table/*", cx.region(), cx.account()),
    handler: list_tables
}

async fn list_tables(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListTablesInput,
) -> Result<api::ListTablesOutput, Error> {
    let prefix = tables_prefix(cx.account(), cx.region());
    let mut range = Range::prefix(prefix.clone());
    if let Some(start) = &request.exclusive_start_table_name {
        range = range.after(table_key(cx.account(), cx.region(), start));
    }
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_NAMES);
    let mut names = Vec::new();
    let mut more = false;
    for entry in cx.store().scan(range) {
        if names.len() == limit {
            more = true;
            break;
        }
        names.push(String::from_utf8_lossy(&entry?.0[prefix.len()..]).into_owned());
    }
    Ok(api::ListTablesOutput {
        last_evaluated_table_name: names.last().filter(|_| more).cloned(),
        table_names: Some(names),
    })
}

operation! {
    DynamoDb, api::DeleteTable,
    action: "dynamodb:DeleteTable" on |cx, request| access::table_arn(cx, &request.table_name),
    handler: delete_table
}

async fn delete_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::DeleteTableInput,
) -> Result<api::DeleteTableOutput, Error> {
    let table = db.named_table(cx, &request.table_name)?;
    let key = table_key(&table.account, &table.region, &table.name);
    let (table, sizes) = cx.store().write(|transaction| {
        let record = transaction.get(&key)?.ok_or_else(|| no_such_table(cx, &request.table_name))?;
        let table = read_table(&record)?;
        if table.deletion_protection {
            return Err(Error::Validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                 protection first."
                    .to_owned(),
            ));
        }
        let head = transaction.get(&head_key(table.number))?.ok_or(crate::codec::Corrupt)?;
        let head = Head::decode(&head)?;
        stream::close(transaction, &table, head.sequence, cx.now().millis())?;
        transaction.delete(key.clone());
        transaction.delete(ttl_key(&key));
        transaction.delete(head_key(table.number));
        transaction.put(purge_key(&table_prefix(table.number)), Vec::new());
        Ok((table, head.sizes))
    })?;
    db.forget(&table);
    db.purge(cx.store())?;
    Ok(api::DeleteTableOutput { table_description: Some(describe::table(&table, &sizes, api::TableStatus::Deleting)) })
}

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
    refuse_first(&[
        (is_encryption_chosen(request.sse_specification.as_ref()), "SSESpecification"),
        (request.warm_throughput.is_some(), "WarmThroughput"),
        (request.on_demand_throughput.is_some(), "OnDemandThroughput"),
        (request.replica_updates.is_some(), "ReplicaUpdates"),
        (request.multi_region_consistency.is_some(), "MultiRegionConsistency"),
        (request.global_table_witness_updates.is_some(), "GlobalTableWitnessUpdates"),
        (request.disassociation_protection_enabled.is_some(), "DisassociationProtectionEnabled"),
        (request.vector_index_updates.is_some(), "VectorIndexUpdates"),
    ])?;
    let updates = request.global_secondary_index_updates.as_deref().unwrap_or_default();
    if request.billing_mode.is_none()
        && request.provisioned_throughput.is_none()
        && request.global_secondary_index_updates.is_none()
        && request.stream_specification.is_none()
        && request.sse_specification.is_none()
        && request.table_class.is_none()
        && request.deletion_protection_enabled.is_none()
    {
        return Err(Invalid::new(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required",
        )
        .into());
    }
    if updates.iter().filter(|update| update.create.is_some() || update.delete.is_some()).count() > 1 {
        return Err(Error::LimitExceeded(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                .to_owned(),
        ));
    }
    let now = cx.now().millis();
    let (table, removed) = db.change_table(cx, &request.table_name, |table| {
        change_billing(table, &request, now)?;
        if let Some(specification) = &request.stream_specification {
            change_stream(table, specification)?;
        }
        if let Some(protected) = request.deletion_protection_enabled {
            table.deletion_protection = protected;
        }
        if let Some(class) = &request.table_class {
            table.class = Some(TableClass { name: class.as_str().to_owned(), changed: Some(now) });
        }
        change_indexes(table, &request, updates, now)
    })?;
    let sizes = db.head(cx, &table)?.sizes;
    let description = describe::table(&table, &sizes, api::TableStatus::Updating);
    if !removed.is_empty() {
        db.purge(cx.store())?;
    }
    if table.indexes.iter().any(|index| index.backfill.is_some()) {
        db.finish_backfill(cx.store(), &table)?;
    }
    Ok(api::UpdateTableOutput { table_description: Some(description) })
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

fn change_billing(table: &mut Table, request: &api::UpdateTableInput, now: i64) -> Result<(), Invalid> {
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
        )));
    }
    if wanted.is_on_demand() {
        if !table.throughput.is_on_demand() {
            table.on_demand_since = Some(now);
        }
        table.indexes.iter_mut().for_each(|index| index.throughput = Throughput::OnDemand);
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
            if table.index(&create.index_name).is_some() {
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
        } else {
            return Err(Invalid::values(
                "One of Update, Create or Delete must be specified in each GlobalSecondaryIndexUpdate",
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
    // Definitions that no key needs any more go with the index that needed them.
    let used = |name: &str| table.keys.contains(name) || table.indexes.iter().any(|index| index.keys.contains(name));
    let kept = table.attributes.iter().filter(|attribute| used(&attribute.name)).cloned().collect();
    table.attributes = kept;
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

impl DynamoDb {
    /// Changes a table's record. Indexes that the change removes are marked to be purged.
    pub fn change_table<T>(
        &self,
        cx: &Context,
        name_or_arn: &str,
        change: impl FnOnce(&mut Table) -> Result<T, Error>,
    ) -> Result<(Arc<Table>, T), Error> {
        let known = self.named_table(cx, name_or_arn)?;
        let key = table_key(&known.account, &known.region, &known.name);
        let (table, value) = cx.store().write(|transaction| {
            let record = transaction.get(&key)?.ok_or_else(|| no_such_table(cx, name_or_arn))?;
            let before = read_table(&record)?;
            let mut table = before.clone();
            let value = change(&mut table)?;
            table.generation += 1;
            let record = transaction.get(&head_key(table.number))?.ok_or(crate::codec::Corrupt)?;
            let mut head = Head::decode(&record)?;
            head.generation = table.generation;
            for gone in before.indexes.iter().filter(|old| table.indexes.iter().all(|new| new.number != old.number)) {
                head.sizes.forget(gone.number);
                transaction.put(purge_key(&index_prefix(table.number, gone.number)), Vec::new());
            }
            if before.ttl != table.ttl {
                match &table.ttl {
                    Some(_) => transaction.put(ttl_key(&key), Vec::new()),
                    None => transaction.delete(ttl_key(&key)),
                }
                if let Some(gone) = &before.ttl {
                    transaction.put(purge_key(&index_prefix(table.number, gone.number)), Vec::new());
                }
            }
            if before.stream != table.stream {
                let now = cx.now().millis();
                match table.open_stream() {
                    Some(_) => stream::open(transaction, &mut table, head.sequence, now)?,
                    None => stream::close(transaction, &before, head.sequence, now)?,
                }
            }
            transaction.put(head_key(table.number), head.encode());
            transaction.put(key.clone(), write_table(&table)?);
            Ok::<_, Error>((table, value))
        })?;
        self.forget(&table);
        Ok((Arc::new(table), value))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;
    use service::Store;

    #[test]
    fn tables_come_and_go() {
        let bench = Bench::new();
        bench.create("things", &["pk"], json!({ "Tags": [{ "Key": "a", "Value": "b" }] }));
        let table = &bench.ok("DescribeTable", json!({ "TableName": "things" }))["Table"];
        assert_eq!(table["TableStatus"], json!("ACTIVE"));
        assert_eq!(table["TableArn"], json!("arn:aws:dynamodb:us-east-1:000000000000:table/things"));
        assert_eq!(table["BillingModeSummary"]["BillingMode"], json!("PAY_PER_REQUEST"));
        assert_eq!(table["CreationDateTime"], json!(1_700_000_000));
        assert_eq!((&table["ItemCount"], &table["TableSizeBytes"]), (&json!(0), &json!(0)));
        assert_eq!(
            bench.error(
                "CreateTable",
                json!({
                    "TableName": "things",
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
                })
            ),
            ("ResourceInUseException".into(), "Table already exists: things".into())
        );
        bench.ok("PutItem", json!({ "TableName": "things", "Item": { "pk": { "S": "a" } } }));
        let gone = bench.ok("DeleteTable", json!({ "TableName": "things" }));
        assert_eq!(gone["TableDescription"]["TableStatus"], json!("DELETING"));
        assert_eq!(
            bench.error("DescribeTable", json!({ "TableName": "things" })),
            ("ResourceNotFoundException".into(), "Requested resource not found: Table: things not found".into())
        );
        let left: Vec<_> = bench.cloud.store.scan(service::Range::prefix("dynamodb/")).map(|e| e.unwrap().0).collect();
        assert_eq!(left, ["dynamodb/next"], "nothing remains");
        bench.create("things", &["pk"], json!({}));
        assert!(bench.ok("Scan", json!({ "TableName": "things" }))["Items"].as_array().unwrap().is_empty());
    }

    #[test]
    fn lists_are_paged() {
        let bench = Bench::new();
        for name in ["ccc", "aaa", "bbb"] {
            bench.create(name, &["pk"], json!({}));
        }
        let first = bench.ok("ListTables", json!({ "Limit": 2 }));
        assert_eq!(first, json!({ "TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb" }));
        assert_eq!(
            bench.ok("ListTables", json!({ "ExclusiveStartTableName": "bbb" })),
            json!({ "TableNames": ["ccc"] })
        );
    }

    #[test]
    fn protection_holds_until_it_is_lifted() {
        let bench = Bench::new();
        bench.create("things", &["pk"], json!({ "DeletionProtectionEnabled": true }));
        assert!(bench.invalid("DeleteTable", json!({ "TableName": "things" })).contains("protected against deletion"));
        bench.ok("UpdateTable", json!({ "TableName": "things", "DeletionProtectionEnabled": false }));
        bench.ok("DeleteTable", json!({ "TableName": "things" }));
    }

    #[test]
    fn new_indexes_are_filled_and_old_ones_vanish() {
        let bench = Bench::with_table();
        for n in 0..2500 {
            bench.put("a", &format!("{n:04}"), json!({ "kind": { "S": if n % 5 == 0 { "five" } else { "other" } } }));
        }
        let update = |change: serde_json::Value| {
            bench.ok(
                "UpdateTable",
                json!({
                    "TableName": "tab",
                    "AttributeDefinitions": [{ "AttributeName": "kind", "AttributeType": "S" }],
                    "GlobalSecondaryIndexUpdates": [change],
                }),
            )
        };
        let description = update(json!({ "Create": {
            "IndexName": "by-kind",
            "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
            "Projection": { "ProjectionType": "ALL" },
        } }));
        let index = &description["TableDescription"]["GlobalSecondaryIndexes"][0];
        assert_eq!((&index["IndexStatus"], &index["Backfilling"]), (&json!("CREATING"), &json!(true)));
        let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
        assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], json!("ACTIVE"));
        assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], json!(2500));
        assert_eq!(table["ItemCount"], json!(2500));
        let count = || {
            bench.call(
                "Query",
                json!({
                    "TableName": "tab",
                    "IndexName": "by-kind",
                    "KeyConditionExpression": "kind = :k",
                    "ExpressionAttributeValues": { ":k": { "S": "five" } },
                    "Select": "COUNT",
                }),
            )
        };
        assert_eq!(count().unwrap()["Count"], json!(500));
        bench.put("a", "0000", json!({ "kind": { "S": "other" } }));
        assert_eq!(count().unwrap()["Count"], json!(499));
        update(json!({ "Delete": { "IndexName": "by-kind" } }));
        assert!(count().unwrap_err().message.contains("does not have the specified index"));
        let table = &bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"];
        assert_eq!(table["AttributeDefinitions"].as_array().unwrap().len(), 2);
        let items = bench.cloud.store.scan(service::Range::prefix("dynamodb/item/")).count();
        assert_eq!(items, 2500, "the entries of the index are gone");
    }

    #[test]
    fn billing_changes() {
        let bench = Bench::with_table();
        let units = |read: i64, write: i64| {
            json!({
                "TableName": "tab",
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": { "ReadCapacityUnits": read, "WriteCapacityUnits": write },
            })
        };
        let provisioned = &bench.ok("UpdateTable", units(5, 5))["TableDescription"];
        assert_eq!(provisioned["ProvisionedThroughput"]["ReadCapacityUnits"], json!(5));
        assert_eq!(provisioned["BillingModeSummary"]["BillingMode"], json!("PROVISIONED"));
        assert!(
            bench.invalid("UpdateTable", units(5, 5)).starts_with("The provisioned throughput for the table will not")
        );
        let more = &bench.ok("UpdateTable", units(6, 4))["TableDescription"]["ProvisionedThroughput"];
        assert!(more.get("LastIncreaseDateTime").is_some() && more.get("LastDecreaseDateTime").is_some());
        let back = bench.ok("UpdateTable", json!({ "TableName": "tab", "BillingMode": "PAY_PER_REQUEST" }));
        assert_eq!(back["TableDescription"]["ProvisionedThroughput"]["ReadCapacityUnits"], json!(0));
        assert!(bench.invalid("UpdateTable", json!({ "TableName": "tab" })).starts_with("At least one of"));
    }

    #[test]
    fn what_is_not_real_is_refused() {
        let bench = Bench::with_table();
        let witness = json!({ "TableName": "tab", "GlobalTableWitnessUpdates": [{ "Delete": { "RegionName": "x" } }] });
        assert_eq!(bench.error("UpdateTable", witness).0, "NotImplemented");
    }

    #[test]
    fn state_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Bench::over(Store::open(folder.path(), Default::default()).unwrap());
        let bench = open();
        bench.create("tab", &["pk", "sk"], json!({}));
        bench.put("a", "1", json!({ "v": { "N": "1" } }));
        drop(bench);
        let bench = open();
        assert_eq!(bench.get("a", "1")["v"], json!({ "N": "1" }));
        assert_eq!(bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"]["ItemCount"], json!(1));
    }
}
