//! Global tables of version 2017.11.29: tables of one name in several regions, made one by one and then joined.
//!
//! A write reaches every replica in its own store transaction, as with the newer version ([`super::replica`]); settings do
//! not. Items show the attributes `aws:rep:*`, as they do on AWS. The group is one record; each member's record names its
//! siblings.

use dynamodb_api as api;
use serde::{Deserialize, Serialize};
use service::{Context, operation};
use store::{Range, Transaction};
use wire::Timestamp;

use crate::DynamoDb;
use crate::codec::Corrupt;
use crate::error::{Error, Invalid};
use crate::global::{Global, alike};
use crate::ops::replica::save;
use crate::store::{Head, head_key, read_table, table_key};
use crate::stream::View;
use crate::table::{PRIMARY, Table};

mod settings;

const GLOBAL_TABLES: &str = "dynamodb/global/";
const MAX_NAMES: usize = 100;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    created: i64,
    regions: Vec<String>,
}

fn group_key(account: &str, name: &str) -> Vec<u8> {
    format!("{GLOBAL_TABLES}{account}/{name}").into_bytes()
}

fn not_found(name: &str) -> Error {
    Error::GlobalTableNotFound(format!("Global table not found: Global table with name: '{name}' does not exist."))
}

fn arn(cx: &Context, name: &str) -> String {
    format!("arn:aws:dynamodb::{}:global-table/{name}", cx.account())
}

fn find(cx: &Context, name: &str) -> Result<Group, Error> {
    let record = cx.store().get(&group_key(cx.account(), name))?.ok_or_else(|| not_found(name))?;
    Ok(service::from_record(&record)?)
}

/// The table that is to join, or has joined, in a region.
fn member(transaction: &Transaction<'_>, account: &str, region: &str, name: &str) -> Result<Table, Error> {
    let record = transaction.get(&table_key(account, region, name))?;
    read_table(&record.ok_or_else(|| Error::TableNotFound(format!("Table not found: {name}")))?)
}

/// Refuses a table that cannot join.
fn check_joining(transaction: &Transaction<'_>, table: &Table, first: &Table) -> Result<(), Error> {
    let refused = |why: &str| Error::Validation(format!("{why} TableName: {}, Region: {}", table.name, table.region));
    if !table.replicas.is_empty() {
        return Err(refused("The table is a replica of a global table already."));
    }
    if table.open_stream().is_none_or(|stream| stream.view != View::NewAndOldImages) {
        return Err(refused("The table must have a stream with StreamViewType NEW_AND_OLD_IMAGES."));
    }
    let head = Head::decode(&transaction.get(&head_key(table.number))?.ok_or(Corrupt)?)?;
    if head.sizes.of(PRIMARY).1 > 0 {
        return Err(refused("The table must be empty."));
    }
    match alike(table, first) {
        true => Ok(()),
        false => Err(refused("The key schema and the indexes of the table must be those of the other replicas.")),
    }
}

/// Writes the group and what its members and those that have left know of it.
fn regroup(
    transaction: &mut Transaction<'_>,
    account: &str,
    name: &str,
    group: &Group,
    left: &[String],
) -> Result<(), Error> {
    for region in &group.regions {
        let mut table = member(transaction, account, region, name)?;
        table.replicas = group.regions.iter().filter(|other| *other != region).cloned().collect();
        table.global = Global { legacy: Some(group.created), ..Global::default() };
        save(transaction, &mut table)?;
    }
    for region in left {
        let mut table = member(transaction, account, region, name)?;
        table.replicas = Vec::new();
        table.global = Global::default();
        save(transaction, &mut table)?;
    }
    match group.regions.is_empty() {
        true => transaction.delete(group_key(account, name)),
        false => transaction.put(group_key(account, name), service::to_record(group)?),
    }
    Ok(())
}

/// Takes a table that is being deleted out of its group.
pub fn leave(transaction: &mut Transaction<'_>, table: &Table) -> Result<(), Error> {
    let key = group_key(&table.account, &table.name);
    let Some(record) = transaction.get(&key)? else { return Ok(()) };
    let mut group: Group = service::from_record(&record)?;
    group.regions.retain(|region| *region != table.region);
    match group.regions.is_empty() {
        true => transaction.delete(key),
        false => transaction.put(key, service::to_record(&group)?),
    }
    Ok(())
}

fn describe(cx: &Context, name: &str, group: &Group, status: api::GlobalTableStatus) -> api::GlobalTableDescription {
    let replica = |region: &String| api::ReplicaDescription {
        region_name: Some(region.clone()),
        replica_status: Some(api::ReplicaStatus::Active),
        ..Default::default()
    };
    api::GlobalTableDescription {
        replication_group: Some(group.regions.iter().map(replica).collect()),
        global_table_arn: Some(arn(cx, name)),
        creation_date_time: Some(Timestamp::from_millis(group.created)),
        global_table_status: Some(status),
        global_table_name: Some(name.to_owned()),
    }
}

impl DynamoDb {
    fn forget_group(&self, cx: &Context, name: &str, regions: &[String]) {
        for region in regions {
            self.forget_named(cx.account(), region, name);
        }
    }
}

operation! {
    DynamoDb, api::CreateGlobalTable,
    action: "dynamodb:CreateGlobalTable" on |cx, request| arn(cx, &request.global_table_name),
    handler: create_global_table
}

async fn create_global_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::CreateGlobalTableInput,
) -> Result<api::CreateGlobalTableOutput, Error> {
    let name = &request.global_table_name;
    let regions: Vec<String> =
        request.replication_group.iter().filter_map(|replica| replica.region_name.clone()).collect();
    if regions.is_empty() || regions.len() < request.replication_group.len() {
        return Err(Invalid::values("ReplicationGroup must name at least one region").into());
    }
    if let Some((_, twice)) = regions.iter().enumerate().find(|(at, region)| regions[..*at].contains(region)) {
        return Err(Invalid::values(format!("The region {twice} is named more than once")).into());
    }
    let group = Group { created: cx.now().millis(), regions };
    cx.store().write(|transaction| {
        if transaction.contains(&group_key(cx.account(), name))? {
            return Err(Error::GlobalTableAlreadyExists(format!(
                "Global table already exists: Global table with name: '{name}' already exists."
            )));
        }
        let tables = group.regions.iter().map(|region| member(transaction, cx.account(), region, name));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        for table in &tables {
            check_joining(transaction, table, &tables[0])?;
        }
        regroup(transaction, cx.account(), name, &group, &[])
    })?;
    db.forget_group(cx, name, &group.regions);
    let description = describe(cx, name, &group, api::GlobalTableStatus::Creating);
    Ok(api::CreateGlobalTableOutput { global_table_description: Some(description) })
}

operation! {
    DynamoDb, api::DescribeGlobalTable,
    action: "dynamodb:DescribeGlobalTable" on |cx, request| arn(cx, &request.global_table_name),
    handler: describe_global_table
}

async fn describe_global_table(
    _: &DynamoDb,
    cx: &Context,
    request: api::DescribeGlobalTableInput,
) -> Result<api::DescribeGlobalTableOutput, Error> {
    let group = find(cx, &request.global_table_name)?;
    let description = describe(cx, &request.global_table_name, &group, api::GlobalTableStatus::Active);
    Ok(api::DescribeGlobalTableOutput { global_table_description: Some(description) })
}

operation! {
    DynamoDb, api::UpdateGlobalTable,
    action: "dynamodb:UpdateGlobalTable" on |cx, request| arn(cx, &request.global_table_name),
    handler: update_global_table
}

async fn update_global_table(
    db: &DynamoDb,
    cx: &Context,
    request: api::UpdateGlobalTableInput,
) -> Result<api::UpdateGlobalTableOutput, Error> {
    let name = &request.global_table_name;
    let (group, left) = cx.store().write(|transaction| {
        let record = transaction.get(&group_key(cx.account(), name))?.ok_or_else(|| not_found(name))?;
        let mut group: Group = service::from_record(&record)?;
        let mut left = Vec::new();
        for update in &request.replica_updates {
            match (&update.create, &update.delete) {
                (Some(create), None) => {
                    let region = &create.region_name;
                    if group.regions.contains(region) {
                        return Err(Error::ReplicaAlreadyExists(format!(
                            "Replica already exists: Replica with region: '{region}' already exists in the global table."
                        )));
                    }
                    let table = member(transaction, cx.account(), region, name)?;
                    let first = match group.regions.first() {
                        Some(first) => member(transaction, cx.account(), first, name)?,
                        None => table.clone(),
                    };
                    check_joining(transaction, &table, &first)?;
                    group.regions.push(region.clone());
                }
                (None, Some(delete)) => {
                    let region = &delete.region_name;
                    if !group.regions.contains(region) {
                        return Err(Error::ReplicaNotFound(format!(
                            "Replica not found: Replica with region: '{region}' does not exist in the global table."
                        )));
                    }
                    group.regions.retain(|member| member != region);
                    left.push(region.clone());
                }
                _ => {
                    return Err(Invalid::values(
                        "One of ReplicaUpdate.Create, ReplicaUpdate.Delete must not be null",
                    )
                    .into());
                }
            }
        }
        regroup(transaction, cx.account(), name, &group, &left)?;
        Ok::<_, Error>((group, left))
    })?;
    db.forget_group(cx, name, &group.regions);
    db.forget_group(cx, name, &left);
    let description = describe(cx, name, &group, api::GlobalTableStatus::Updating);
    Ok(api::UpdateGlobalTableOutput { global_table_description: Some(description) })
}

operation! {
    DynamoDb, api::ListGlobalTables,
    action: "dynamodb:ListGlobalTables" on |_, _| "*",
    handler: list_global_tables
}

async fn list_global_tables(
    _: &DynamoDb,
    cx: &Context,
    request: api::ListGlobalTablesInput,
) -> Result<api::ListGlobalTablesOutput, Error> {
    let prefix = group_key(cx.account(), "");
    let mut range = Range::prefix(prefix.clone());
    if let Some(start) = &request.exclusive_start_global_table_name {
        range = range.after(group_key(cx.account(), start));
    }
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MAX_NAMES);
    let mut tables: Vec<api::GlobalTable> = Vec::new();
    let mut more = false;
    for entry in cx.store().scan(range) {
        let (key, record) = entry?;
        let group: Group = service::from_record(&record)?;
        if request.region_name.as_ref().is_some_and(|region| !group.regions.contains(region)) {
            continue;
        }
        if tables.len() == limit {
            more = true;
            break;
        }
        tables.push(api::GlobalTable {
            global_table_name: Some(String::from_utf8_lossy(&key[prefix.len()..]).into_owned()),
            replication_group: Some(
                group.regions.into_iter().map(|region| api::Replica { region_name: Some(region) }).collect(),
            ),
        });
    }
    Ok(api::ListGlobalTablesOutput {
        last_evaluated_global_table_name: tables.last().filter(|_| more).and_then(|one| one.global_table_name.clone()),
        global_tables: Some(tables),
    })
}

#[cfg(test)]
mod tests;
