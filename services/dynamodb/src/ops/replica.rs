//! Global tables of version 2019.11.21: replicas of a table in other regions.
//!
//! A write reaches every replica in its own store transaction (see `write`), so replicas never differ and there is no
//! conflict that the last writer would have to win.

use dynamodb_api as api;
use service::Context;
use store::{Range, Transaction};

use crate::DynamoDb;
use crate::capacity::Direction;
use crate::change;
use crate::codec::{self, Corrupt};
use crate::encryption;
use crate::error::{Error, Invalid};
use crate::global::{Global, Membership};
use crate::limits::OnDemand;
use crate::maintenance::purge_key;
use crate::ops::global;
use crate::pace::Work;
use crate::store::{
    Head, RECOVERIES, SCALINGS, Sizes, TIMES_TO_LIVE, head_key, mark_key, read_table, table_key, write_table,
};
use crate::stream::{self, Actor, View};
use crate::table::{PRIMARY, Table, TableClass, Throughput, index_prefix, table_prefix};
use crate::write::{Failure, Writer};

/// How many items one transaction copies to a new replica.
const STEP: usize = 500;

/// Checks what is asked of replicas, as far as it can be without them.
pub fn check(cx: &Context, updates: &[api::ReplicationGroupUpdate]) -> Result<(), Error> {
    for update in updates {
        let region = match (&update.create, &update.delete, &update.update) {
            (Some(create), None, None) => {
                check_key(cx, create.kms_master_key_id.as_deref(), &create.region_name)?;
                &create.region_name
            }
            (None, Some(delete), None) => &delete.region_name,
            (None, None, Some(change)) => {
                check_key(cx, change.kms_master_key_id.as_deref(), &change.region_name)?;
                &change.region_name
            }
            (None, None, None) if update.disassociate.is_some() => continue,
            _ => {
                return Err(Invalid::values(
                    "One of ReplicationGroupUpdate.Create, ReplicationGroupUpdate.Update, \
                     ReplicationGroupUpdate.Delete must not be null",
                )
                .into());
            }
        };
        if region == cx.region() {
            return Err(Invalid::new(
                "Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, \
                 or UpdateTable as required.",
            )
            .into());
        }
        let shaped = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
        if !shaped {
            return Err(Invalid(format!("Invalid region name: {region}")).into());
        }
    }
    Ok(())
}

/// A replica's key is one of its own region.
fn check_key(cx: &Context, name: Option<&str>, region: &str) -> Result<(), Error> {
    match name {
        Some(name) => encryption::named(&cx.clone().in_place(cx.account(), region), name),
        None => Ok(()),
    }
}

impl DynamoDb {
    /// Makes and removes replicas of a table.
    pub fn change_replicas(
        &self,
        cx: &Context,
        table: &Table,
        updates: &[api::ReplicationGroupUpdate],
    ) -> Result<(), Error> {
        for create in updates.iter().filter_map(|update| update.create.as_ref()) {
            let there = table_key(&table.account, &create.region_name, &table.name);
            if cx.store().get(&there)?.is_some() {
                return Err(already_there(&table.name));
            }
        }
        for update in updates {
            if let Some(create) = &update.create {
                let settings = Settings {
                    class: create.table_class_override.as_ref(),
                    units: create.provisioned_throughput_override.as_ref(),
                    on_demand: create.on_demand_throughput_override.as_ref(),
                    indexes: create.global_secondary_indexes.as_deref().unwrap_or_default(),
                };
                self.add_replica(cx, table, &create.region_name, &settings)?;
            } else if let Some(change) = &update.update {
                let settings = Settings {
                    class: change.table_class_override.as_ref(),
                    units: change.provisioned_throughput_override.as_ref(),
                    on_demand: change.on_demand_throughput_override.as_ref(),
                    indexes: change.global_secondary_indexes.as_deref().unwrap_or_default(),
                };
                check_replica(table, &change.region_name)?;
                let there = cx.clone().in_place(&table.account, &change.region_name);
                self.change_table(&there, &table.name, |replica| settings.apply(replica, cx.now().millis()))?;
            } else if let Some(delete) = &update.delete {
                self.remove_replica(cx, table, &delete.region_name)?;
            }
        }
        Ok(())
    }

    fn add_replica(&self, cx: &Context, table: &Table, region: &str, settings: &Settings<'_>) -> Result<(), Error> {
        let now = cx.now().millis();
        let key = table.encryption.as_ref().map(|_| encryption::of_table(cx, region)).transpose()?;
        let (source, replica) = cx.store().write(|transaction| {
            let mut source = own(transaction, table)?;
            if source.open_stream().is_some_and(|stream| stream.view != View::NewAndOldImages) {
                return Err(Invalid::values(
                    "Table must have a stream with StreamViewType NEW_AND_OLD_IMAGES to have replicas",
                )
                .into());
            }
            if transaction.contains(&table_key(&source.account, region, &source.name))? {
                return Err(already_there(&source.name));
            }
            let others: Vec<String> = source.replicas.iter().chain([&source.region]).cloned().collect();
            let mut replica = Table {
                region: region.to_owned(),
                id: cx.random().uuid(),
                number: change::next_number(transaction)?,
                generation: 1,
                created: now,
                replicas: others,
                stream: None,
                recovery: None,
                policy: None,
                restored: None,
                global: Global::default(),
                tags: Default::default(),
                insights: Default::default(),
                encryption: key.clone(),
                busy: None,
                ..source.clone()
            };
            replica.scaling.retain(|scaling| scaling.direction == Direction::Write);
            stream::enable(&mut replica, View::NewAndOldImages);
            settings.apply(&mut replica, now)?;
            self.begin(&mut replica, Work::Creating, now);
            change::add(transaction, &mut replica, Sizes::default(), now)?;
            if replica.ttl.is_some() {
                let key = table_key(&replica.account, &replica.region, &replica.name);
                transaction.put(mark_key(TIMES_TO_LIVE, &key), Vec::new());
            }
            if !replica.scaling.is_empty() {
                let key = table_key(&replica.account, &replica.region, &replica.name);
                transaction.put(mark_key(SCALINGS, &key), Vec::new());
            }
            for other in &source.replicas {
                let mut other = sibling(transaction, &source, other)?;
                other.replicas.push(region.to_owned());
                save(transaction, &mut other)?;
            }
            source.replicas.push(region.to_owned());
            if source.open_stream().is_none() {
                stream::enable(&mut source, View::NewAndOldImages);
                let head = Head::decode(&transaction.get(&head_key(source.number))?.ok_or(Corrupt)?)?;
                stream::open(transaction, &mut source, head.sequence, now)?;
            }
            save(transaction, &mut source)?;
            Ok::<_, Error>((source, replica))
        })?;
        self.forget_everywhere(&source);
        // What is written from now on reaches the replica; what is there already is copied.
        let mut after = None;
        loop {
            let step = cx.store().write(|transaction| copy_step(transaction, &source, &replica, after.take(), now));
            match step {
                Ok(Some(last)) => after = Some(last),
                Ok(None) => return Ok(()),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Stale | Failure::Condition(_)) => {
                    return Err(Error::internal("a replica was changed while it was made"));
                }
            }
        }
    }

    /// Settles the consistency of a group whose members have just changed.
    pub fn settle_group(&self, cx: &Context, table: &Table, membership: &Membership) -> Result<(), Error> {
        if !membership.strengthen && !membership.dissolve {
            return Ok(());
        }
        let table = self.named_table(cx, &table.name)?;
        cx.store().write(|transaction| {
            for region in table.replicas.iter().chain([&table.region]) {
                let mut member = sibling(transaction, &table, region)?;
                member.global =
                    Global { strong: membership.strengthen, witness: membership.witness.clone(), ..Global::default() };
                save(transaction, &mut member)?;
            }
            Ok::<_, Error>(())
        })?;
        self.forget_everywhere(&table);
        Ok(())
    }

    /// Takes the replica of this region out of its group; it stays, with all that it has.
    pub fn disassociate(
        &self,
        cx: &Context,
        table: &Table,
        wanted: &api::DisassociateReplicationGroupMemberAction,
    ) -> Result<(), Error> {
        if wanted.region_name != cx.region() {
            return Err(Invalid::values("A replica can only be disassociated by a request to its own region").into());
        }
        cx.store().write(|transaction| {
            let mut leaving = own(transaction, table)?;
            if !leaving.may_be_disassociated() {
                return Err(Invalid::values(
                    "Only replicas of global tables of version 2019.11.21 with multi-Region eventual consistency can be \
                     disassociated",
                )
                .into());
            }
            if !leaving.global.unprotected {
                return Err(Error::Validation(
                    "The replica cannot be disassociated as it is currently protected against disassociation. Disable \
                     disassociation protection first."
                        .to_owned(),
                ));
            }
            for region in &leaving.replicas {
                part(transaction, &leaving, region)?;
            }
            leaving.replicas = Vec::new();
            leaving.global = Global::default();
            save(transaction, &mut leaving)
        })?;
        self.forget_everywhere(table);
        Ok(())
    }

    fn remove_replica(&self, cx: &Context, table: &Table, region: &str) -> Result<(), Error> {
        check_replica(table, region)?;
        cx.store().write(|transaction| {
            let gone = sibling(transaction, table, region)?;
            remove(transaction, &gone, cx.now().millis())
        })?;
        self.forget_everywhere(table);
        self.purge(cx.store())
    }

    /// Drops a table and all of its replicas from the cache.
    pub fn forget_everywhere(&self, table: &Table) {
        self.forget(table);
        for region in &table.replicas {
            self.forget(&Table { region: region.clone(), ..table.clone() });
        }
    }
}

fn check_replica(table: &Table, region: &str) -> Result<(), Invalid> {
    match table.replicas.iter().any(|known| known == region) {
        true => Ok(()),
        false => Err(Invalid(format!(
            "Update operation failed: the replica of table '{}' in region '{region}' does not exist",
            table.name
        ))),
    }
}

fn already_there(name: &str) -> Error {
    Error::Validation(format!(
        "Failed to create a the new replica of table with name: '{name}' because one or more replicas already existed as \
         tables."
    ))
}

/// What a replica has otherwise than its siblings.
struct Settings<'a> {
    class: Option<&'a api::TableClass>,
    units: Option<&'a api::ProvisionedThroughputOverride>,
    on_demand: Option<&'a api::OnDemandThroughputOverride>,
    indexes: &'a [api::ReplicaGlobalSecondaryIndex],
}

impl Settings<'_> {
    fn apply(&self, replica: &mut Table, now: i64) -> Result<(), Error> {
        if let Some(class) = self.class {
            replica.class = Some(TableClass { name: class.as_str().to_owned(), changed: Some(now) });
        }
        replica.throughput = with_reads(replica.throughput, self.units, now)?;
        replica.on_demand = with_most_reads(replica.on_demand, self.on_demand, replica.throughput)?;
        for wanted in self.indexes {
            let index = replica.indexes.iter_mut().find(|index| index.name == wanted.index_name);
            let index = index.ok_or_else(|| {
                Error::ResourceNotFound(format!("Requested resource not found: Index: {} not found", wanted.index_name))
            })?;
            index.throughput = with_reads(index.throughput, wanted.provisioned_throughput_override.as_ref(), now)?;
            let on_demand = wanted.on_demand_throughput_override.as_ref();
            index.on_demand = with_most_reads(index.on_demand, on_demand, index.throughput)?;
        }
        Ok(())
    }
}

fn with_reads(
    throughput: Throughput,
    wanted: Option<&api::ProvisionedThroughputOverride>,
    now: i64,
) -> Result<Throughput, Invalid> {
    let Some(read) = wanted.and_then(|wanted| wanted.read_capacity_units) else { return Ok(throughput) };
    match throughput {
        Throughput::OnDemand => Err(Invalid::values(
            "ProvisionedThroughputOverride cannot be specified when BillingMode is PAY_PER_REQUEST",
        )),
        Throughput::Provisioned { write, .. } => Ok(throughput.changed_to(Throughput::provisioned(read, write), now)),
    }
}

fn with_most_reads(
    limits: Option<OnDemand>,
    wanted: Option<&api::OnDemandThroughputOverride>,
    throughput: Throughput,
) -> Result<Option<OnDemand>, Invalid> {
    let wanted = wanted.map(|wanted| api::OnDemandThroughput {
        max_read_request_units: wanted.max_read_request_units,
        max_write_request_units: None,
    });
    OnDemand::changed(limits, wanted.as_ref(), throughput)
}

fn own(transaction: &Transaction<'_>, table: &Table) -> Result<Table, Error> {
    sibling(transaction, table, &table.region)
}

/// The table as it is in a region.
pub fn sibling(transaction: &Transaction<'_>, table: &Table, region: &str) -> Result<Table, Error> {
    let record = transaction.get(&table_key(&table.account, region, &table.name))?;
    read_table(&record.ok_or_else(|| Error::internal("a replica is not there"))?)
}

/// Writes a table that has changed for what its siblings did.
pub fn save(transaction: &mut Transaction<'_>, table: &mut Table) -> Result<(), Error> {
    table.generation += 1;
    let mut head = Head::decode(&transaction.get(&head_key(table.number))?.ok_or(Corrupt)?)?;
    head.generation = table.generation;
    transaction.put(head_key(table.number), head.encode());
    transaction.put(table_key(&table.account, &table.region, &table.name), write_table(table)?);
    Ok(())
}

/// Lets the replica in a region forget that the table is its sibling.
fn part(transaction: &mut Transaction<'_>, table: &Table, region: &str) -> Result<(), Error> {
    let mut other = sibling(transaction, table, region)?;
    other.replicas.retain(|region| *region != table.region);
    if other.replicas.is_empty() && other.global.legacy.is_none() {
        other.global = Global::default();
    }
    save(transaction, &mut other)
}

/// Removes a table with all that belongs to it, and takes leave of its replicas. What it held is marked to be purged.
pub fn remove(transaction: &mut Transaction<'_>, table: &Table, now: i64) -> Result<Sizes, Error> {
    let key = table_key(&table.account, &table.region, &table.name);
    let head = Head::decode(&transaction.get(&head_key(table.number))?.ok_or(Corrupt)?)?;
    stream::close(transaction, table, head.sequence, now)?;
    for region in &table.replicas {
        part(transaction, table, region)?;
    }
    global::leave(transaction, table)?;
    transaction.delete(mark_key(TIMES_TO_LIVE, &key));
    transaction.delete(mark_key(RECOVERIES, &key));
    transaction.delete(mark_key(SCALINGS, &key));
    transaction.delete(key);
    transaction.delete(head_key(table.number));
    transaction.put(purge_key(&table_prefix(table.number)), Vec::new());
    Ok(head.sizes)
}

/// Copies some more items; returns where to go on, or nothing at the end.
fn copy_step(
    transaction: &mut Transaction<'_>,
    source: &Table,
    replica: &Table,
    after: Option<Vec<u8>>,
    now: i64,
) -> Result<Option<Vec<u8>>, Failure> {
    let prefix = index_prefix(source.number, PRIMARY);
    let range = Range::prefix(prefix.clone());
    let range = match after {
        Some(after) => range.after(after),
        None => range,
    };
    let entries = transaction.scan(range, STEP)?;
    // A copy is no change that streams tell of, and goes nowhere else.
    let quiet = Table { stream: None, replicas: Vec::new(), ..replica.clone() };
    let mut writer = Writer::new(transaction, Actor::Request, now);
    for (key, record) in &entries {
        let place = key.get(prefix.len()..).unwrap_or_default();
        let to = [index_prefix(replica.number, PRIMARY).as_slice(), place].concat();
        if writer.transaction().get(&to)?.is_none() {
            let (item, _) = codec::decode(record)?;
            writer.replace(&quiet, &to, (None, None), Some(&item))?;
        }
    }
    writer.finish();
    Ok(entries.last().map(|(key, _)| key.to_vec()))
}

#[cfg(test)]
mod tests;
