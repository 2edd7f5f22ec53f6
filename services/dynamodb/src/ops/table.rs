//! CreateTable, DescribeTable, ListTables, DeleteTable.

use dynamodb_api as api;
use service::{Access, Context, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::backup;
use crate::cache::no_such_table;
use crate::change;
use crate::describe;
use crate::encryption;
use crate::error::Error;
use crate::limits::{OnDemand, Warm};
use crate::ops::{policy, replica, tag};
use crate::pace::Work;
use crate::schema;
use crate::store::{Sizes, read_table, table_key, tables_prefix};
use crate::stream;
use crate::table::{Table, TableClass};
use crate::vector;

const MAX_NAMES: usize = 100;

operation! {
    DynamoDb, api::CreateTable,
    access: |_, cx, request| {
        let arn = access::table_arn(cx, &request.table_name);
        let tags = request.tags.as_ref().map(|_| Access::new("dynamodb:TagResource", arn.clone()));
        let policy = request.resource_policy.as_ref().map(|_| Access::new("dynamodb:PutResourcePolicy", arn.clone()));
        Ok::<_, Error>(std::iter::once(Access::new("dynamodb:CreateTable", arn)).chain(tags).chain(policy).collect())
    },
    handler: create_table
}

async fn create_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::CreateTableInput,
) -> Result<api::CreateTableOutput, Error> {
    let now = cx.now().millis();
    let mut table = new_table(cx, request)?;
    db.begin(&mut table, Work::Creating, now);
    // A table of this name may be one that is to be removed now.
    db.find_table(cx, &table.name)?;
    cx.store().write(|transaction| {
        table.number = change::next_number(transaction)?;
        change::add(transaction, &mut table, Sizes::default(), now)
    })?;
    Ok(api::CreateTableOutput {
        table_description: Some(describe::table(&table, &Sizes::default(), api::TableStatus::Creating, now)),
    })
}

/// The table that a request describes; it has no number yet.
pub fn new_table(cx: &Context, request: api::CreateTableInput) -> Result<Table, Error> {
    schema::check_table_name(&request.table_name)?;
    refuse_unreal(&request)?;
    let policy = request.resource_policy.as_deref().map(|text| policy::attached(cx, text)).transpose()?;
    let throughput = schema::throughput(request.billing_mode.as_ref(), request.provisioned_throughput.as_ref())?;
    let declared = schema::declared(&request, throughput)?;
    let encryption = encryption::asked(cx, request.sse_specification.as_ref())?.flatten();
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
        next_index: declared.next_index,
        indexes: declared.indexes,
        vectors: declared.vectors,
        throughput,
        on_demand_since: throughput.is_on_demand().then_some(now),
        deletion_protection: request.deletion_protection_enabled.unwrap_or(false),
        class: request.table_class.map(|class| TableClass { name: class.as_str().to_owned(), changed: None }),
        tags: Default::default(),
        ttl: None,
        stream: None,
        on_demand: OnDemand::changed(None, request.on_demand_throughput.as_ref(), throughput)?,
        warm: Warm::changed(None, request.warm_throughput.as_ref(), throughput, "table")?,
        decreases: Vec::new(),
        recovery: None,
        restored: None,
        replicas: Vec::new(),
        global: Default::default(),
        scaling: Vec::new(),
        policy,
        insights: Default::default(),
        encryption,
        busy: None,
    };
    vector::check_all(&table)?;
    if let Some(view) = request.stream_specification.as_ref().map(stream::specified).transpose()?.flatten() {
        stream::enable(&mut table, view);
    }
    tag::add(&mut table.tags, request.tags.unwrap_or_default())?;
    Ok(table)
}

/// What would have to be ignored is refused.
fn refuse_unreal(request: &api::CreateTableInput) -> Result<(), Error> {
    refuse_first(&[
        (request.global_table_source_arn.is_some(), "GlobalTableSourceArn"),
        (request.global_table_settings_replication_mode.is_some(), "GlobalTableSettingsReplicationMode"),
    ])
}

pub fn refuse_first(parameters: &[(bool, &str)]) -> Result<(), Error> {
    match parameters.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(Error::NotImplemented(format!("{name} is not implemented"))),
        None => Ok(()),
    }
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
    Ok(api::DescribeTableOutput {
        table: Some(describe::table(&table, &sizes, table.status(cx.now().millis()), cx.now().millis())),
    })
}

operation! {
    DynamoDb, api::ListTables,
    action: "dynamodb:ListTables" on |cx, _| format!("arn:aws:dynamodb:{}:{}:table/*", cx.region(), cx.account()),
    handler: list_tables
}

async fn list_tables(
    db: &DynamoDb,
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
        let (key, record) = entry?;
        if db.delays && read_table(&record)?.is_gone(cx.now().millis()) {
            continue;
        }
        if names.len() == limit {
            more = true;
            break;
        }
        names.push(String::from_utf8_lossy(&key[prefix.len()..]).into_owned());
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
    table.check_idle(cx.now().millis())?;
    if db.delays && !table.deletion_protection {
        return begin_deletion(db, cx, &request.table_name);
    }
    if table.recovery.is_some() && !table.deletion_protection {
        backup::make(cx, &table, format!("{}$DeletedTableBackup", table.name), true)?;
    }
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
        let sizes = replica::remove(transaction, &table, cx.now().millis())?;
        Ok((table, sizes))
    })?;
    db.forget_everywhere(&table);
    db.purge(cx.store())?;
    Ok(api::DeleteTableOutput {
        table_description: Some(describe::table(&table, &sizes, api::TableStatus::Deleting, cx.now().millis())),
    })
}

/// The table stays a while, and is removed by whoever looks at it later.
fn begin_deletion(db: &DynamoDb, cx: &Context, name: &str) -> Result<api::DeleteTableOutput, Error> {
    let now = cx.now().millis();
    let (table, ()) = db.change_table(cx, name, |table| {
        table.check_idle(now)?;
        db.begin(table, Work::Deleting, now);
        Ok(())
    })?;
    if table.recovery.is_some() {
        backup::make(cx, &table, format!("{}$DeletedTableBackup", table.name), true)?;
    }
    let sizes = db.head(cx, &table)?.sizes;
    Ok(api::DeleteTableOutput {
        table_description: Some(describe::table(&table, &sizes, api::TableStatus::Deleting, now)),
    })
}

#[cfg(test)]
mod tests;
