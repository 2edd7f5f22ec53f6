//! Changing items within a store transaction: the condition, the item, its index entries and the table's sizes together.

use bytes::Bytes;
use store::Transaction;

use crate::capacity::Consumed;
use crate::codec;
use crate::collection;
use crate::error::{Error, Invalid};
use crate::expression::{Condition, Update};
use crate::history;
use crate::ops::replica::sibling;
use crate::size::{self, Units};
use crate::store::{Head, head_key};
use crate::stream::{self, Actor};
use crate::table::{EntryChange, IndexNumber, PRIMARY, Scope, Table, index_prefix};
use crate::validate;
use crate::value::{Item, equal};

/// Why a transaction came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// The table has changed since it was cached; what was prepared with it must be prepared again.
    Stale,
    /// The condition did not hold; with the item, where that was asked for.
    Condition(Option<Item>),
    Error(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Error(error.into())
    }
}

/// A store transaction and the heads of the tables that it has touched.
pub struct Writer<'t, 's> {
    transaction: &'t mut Transaction<'s>,
    heads: Vec<TouchedHead>,
    actor: Actor,
    now: i64,
    /// What was consumed of each table, where somebody wants to know.
    pub spent: Option<Vec<(u64, Consumed)>>,
    /// How many bytes an item collection may have.
    pub collection_limit: i64,
    /// Of a transaction, everything costs twice as much.
    pub transactional: bool,
}

struct TouchedHead {
    number: u64,
    stored: Head,
    head: Head,
}

impl<'t, 's> Writer<'t, 's> {
    /// A writer on behalf of a request or of the clock, at a time in milliseconds.
    pub fn new(transaction: &'t mut Transaction<'s>, actor: Actor, now: i64) -> Self {
        let heads = Vec::with_capacity(1);
        Writer {
            transaction,
            heads,
            actor,
            now,
            spent: None,
            collection_limit: collection::LIMIT,
            transactional: false,
        }
    }

    fn head(&mut self, table: &Table) -> Result<&mut Head, Failure> {
        let known = self.heads.iter().position(|touched| touched.number == table.number);
        let at = match known {
            Some(at) => at,
            None => {
                let record = self.transaction.get(&head_key(table.number))?.ok_or(Failure::Stale)?;
                let head = Head::decode(&record)?;
                if head.generation != table.generation {
                    return Err(Failure::Stale);
                }
                self.heads.push(TouchedHead { number: table.number, stored: head.clone(), head });
                self.heads.len() - 1
            }
        };
        Ok(&mut self.heads[at].head)
    }

    /// Writes the heads that have changed.
    pub fn finish(&mut self) {
        for TouchedHead { number, stored, head } in self.heads.drain(..) {
            if head != stored {
                self.transaction.put(head_key(number), head.encode());
            }
        }
    }

    pub fn transaction(&mut self) -> &mut Transaction<'s> {
        self.transaction
    }

    /// Does what the write asks for, if its condition holds. Everything about it but its condition has been checked.
    pub fn perform(&mut self, table: &Table, write: &Write<'_>) -> Result<Outcome, Failure> {
        let outcome = self.perform_unaccounted(table, write)?;
        if let Some(spent) = &mut self.spent {
            let consumed = if self.transactional { outcome.consumed.doubled() } else { outcome.consumed.clone() };
            spent.push((table.number, consumed));
        }
        Ok(outcome)
    }

    fn perform_unaccounted(&mut self, table: &Table, write: &Write<'_>) -> Result<Outcome, Failure> {
        self.head(table)?;
        let key = table.item_key(write.key)?;
        let stored = self.transaction.get(&key)?;
        let needs_old = write.wants_old
            || write.condition.is_some()
            || !table.indexes.is_empty()
            || !table.vectors.is_empty()
            || table.ttl.is_some()
            || table.keeps_changes()
            || !table.replicas.is_empty()
            || matches!(write.action, Action::Update(_));
        let old = match &stored {
            Some(record) if needs_old => Some(codec::decode(record)?.0),
            _ => None,
        };
        if let Some(condition) = write.condition
            && !condition.holds(old.as_ref().unwrap_or(&Item::new()))
        {
            return Err(Failure::Condition(old.filter(|_| write.wants_old_on_failure)));
        }
        let old_weight = stored.as_ref().map(codec::weight).transpose()?;
        match write.action {
            Action::Check => {
                let consumed = Consumed::on_table(Units::write(old_weight.unwrap_or(0)));
                Ok(Outcome { old, new: None, consumed })
            }
            Action::Put => {
                let stamped = table.stamped(write.key, self.now);
                let new = stamped.as_ref().unwrap_or(write.key);
                let consumed = self.replace(table, &key, (old.as_ref(), old_weight), Some(new))?;
                Ok(Outcome { old, new: None, consumed })
            }
            Action::Delete => {
                let consumed = self.replace(table, &key, (old.as_ref(), old_weight), None)?;
                Ok(Outcome { old, new: None, consumed })
            }
            Action::Update(update) => {
                let new = updated(table, old.as_ref().unwrap_or(write.key), update)?;
                if old.is_none() && !update.creates() {
                    return Ok(Outcome { old, new: None, consumed: Consumed::on_table(Units::write(0)) });
                }
                let new = table.stamped(&new, self.now).unwrap_or(new);
                let consumed = self.replace(table, &key, (old.as_ref(), old_weight), Some(&new))?;
                Ok(Outcome { old, new: Some(new), consumed })
            }
        }
    }

    /// Replaces an item, or removes it, with its index entries.
    pub fn replace(
        &mut self,
        table: &Table,
        key: &[u8],
        (old, old_weight): (Option<&Item>, Option<usize>),
        new: Option<&Item>,
    ) -> Result<Consumed, Failure> {
        let new_weight = match new {
            Some(new) => {
                let record = Bytes::from(codec::encode(new));
                let weight = codec::weight(&record)?;
                self.transaction.put(key.to_vec(), record);
                Some(weight)
            }
            None => {
                if old_weight.is_some() {
                    self.transaction.delete(key.to_vec());
                }
                None
            }
        };
        self.head(table)?.sizes.replace(PRIMARY, old_weight, new_weight);
        if table.keeps_changes() {
            self.record(table, key, old, new)?;
        }
        let grown = |old: Option<usize>, new: Option<usize>| new.unwrap_or(0) as i64 - old.unwrap_or(0) as i64;
        let mut collected = grown(old_weight, new_weight);
        let mut consumed = Consumed::on_table(Units::write(old_weight.max(new_weight).unwrap_or(0)));
        for index in &table.indexes {
            let change = table.entry_change(index, old, new);
            let moved = self.refile(table, index.number, index.backfill.is_some(), change)?;
            if index.scope == Scope::Local {
                collected += grown(moved.old, moved.new);
            }
            moved.weights().for_each(|weight| consumed.add(index.number, Units::write(weight)));
        }
        for index in &table.vectors {
            let change = table.vector_change(index, old, new);
            let moved = self.refile(table, index.number, index.backfill.is_some(), change)?;
            moved.weights().for_each(|weight| consumed.add_vector(index.number, weight));
        }
        if table.has_local_indexes()
            && let Some(item) = new.or(old)
        {
            collection::change(self.transaction, table, item, collected, self.collection_limit)?;
        }
        for region in &table.replicas {
            self.replicate(table, region, old, new)?;
        }
        if let Some(ttl) = &table.ttl {
            let expiry = |item: Option<&Item>| item.and_then(|item| table.expiry_key(ttl, item));
            let (old, new) = (expiry(old), expiry(new));
            if old != new {
                old.into_iter().for_each(|key| self.transaction.delete(key));
                new.into_iter().for_each(|key| self.transaction.put(key, Vec::new()));
            }
        }
        Ok(consumed)
    }
}

/// What became of an entry: what it weighed and weighs, and whether it is filed elsewhere now.
struct Refiled {
    old: Option<usize>,
    new: Option<usize>,
    moved: bool,
}

impl Refiled {
    /// What the change is charged by: an entry that has moved was written twice.
    fn weights(&self) -> impl Iterator<Item = usize> + use<> {
        let weights = match self.moved {
            true => [self.old, self.new],
            false => [self.old.max(self.new), None],
        };
        weights.into_iter().flatten()
    }
}

impl Writer<'_, '_> {
    /// Changes the entry of an index.
    fn refile(
        &mut self,
        table: &Table,
        number: IndexNumber,
        filling: bool,
        mut change: EntryChange,
    ) -> Result<Refiled, Failure> {
        // While an index is being filled, an item that was there before may not be in it yet: then nothing of it is
        // replaced, and the entry written here is the one that the filling finds.
        if filling
            && let Some((key, _)) = &change.old
            && !self.transaction.contains(key)?
        {
            change.old = None;
        }
        let moved = match (&change.old, &change.new) {
            (Some((old, _)), Some(new)) => *old != new.key,
            _ => true,
        };
        let old = change.old.as_ref().map(|(_, weight)| *weight);
        let new = change.new.as_ref().map(|entry| entry.weight);
        if let Some((key, _)) = change.old.filter(|_| moved) {
            self.transaction.delete(key);
        }
        if let Some(entry) = change.new {
            self.transaction.put(entry.key, entry.value);
        }
        self.head(table)?.sizes.replace(number, old, new);
        Ok(Refiled { old, new, moved })
    }

    /// Does to the replica in a region what was done here.
    fn replicate(
        &mut self,
        table: &Table,
        region: &str,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Result<(), Failure> {
        let Some(item) = new.or(old) else { return Ok(()) };
        let replica = sibling(self.transaction, table, region)?;
        let replica = Table { replicas: Vec::new(), ..replica };
        let key = replica.item_key(item)?;
        let known = self.transaction.get(&key)?.map(|record| codec::decode(&record)).transpose()?;
        let (known, weight) = known.unzip();
        // The replica's stream tells of a write, whoever made it.
        let actor = std::mem::replace(&mut self.actor, Actor::Request);
        let result = self.replace(&replica, &key, (known.as_ref(), weight), new);
        self.actor = actor;
        result.map(drop)
    }

    /// Tells the table's stream and its history of a change, if there is one.
    fn record(&mut self, table: &Table, key: &[u8], old: Option<&Item>, new: Option<&Item>) -> Result<(), Failure> {
        let view = table.open_stream().map_or(stream::View::KeysOnly, |stream| stream.view);
        let Some(record) = stream::record(table, view, (old, new), self.actor, self.now) else { return Ok(()) };
        let head = self.head(table)?;
        head.sequence += 1;
        let sequence = head.sequence;
        if let Some(stream) = table.open_stream() {
            stream::append(self.transaction, table.number, stream.number, sequence, &record);
        }
        if let Some(recovery) = &table.recovery {
            let place = key.get(index_prefix(table.number, PRIMARY).len()..).unwrap_or_default();
            let old = old.map(codec::encode);
            let at = (table.number, recovery.number, sequence);
            history::note(self.transaction, at, self.now, place, old.as_deref());
        }
        Ok(())
    }
}

/// One item to be written.
#[derive(Debug)]
pub struct Write<'a> {
    /// The item's key; the whole item where it is put.
    pub key: &'a Item,
    pub action: Action<'a>,
    pub condition: Option<&'a Condition<'a>>,
    pub wants_old: bool,
    pub wants_old_on_failure: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    Put,
    Delete,
    Update(&'a Update<'a>),
    /// Only the condition matters.
    Check,
}

#[derive(Debug)]
pub struct Outcome {
    /// The item as it was, where that had to be known.
    pub old: Option<Item>,
    /// The item as an update has left it.
    pub new: Option<Item>,
    pub consumed: Consumed,
}

/// Checks an item that is to be stored as a whole.
pub fn check_put(table: &Table, item: &Item) -> Result<(), Invalid> {
    table.check_item(item)?;
    if size::item(item) > size::MAX_ITEM {
        return Err(Invalid::new("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// Refuses updates of the key itself.
pub fn check_update(table: &Table, update: &Update<'_>) -> Result<(), Invalid> {
    match update.targets().find(|target| table.keys.contains(target.root)) {
        Some(target) => {
            Err(Invalid::values(format!("Cannot update attribute {}. This attribute is part of the key", target.root)))
        }
        None => Ok(()),
    }
}

fn updated(table: &Table, base: &Item, update: &Update<'_>) -> Result<Item, Invalid> {
    let mut new = update.apply(base)?;
    table.check_indexes(&new)?;
    if size::item(&new) > size::MAX_ITEM {
        return Err(Invalid::new("Item size to update has exceeded the maximum allowed size"));
    }
    // Values that were within the limits where they came from may no longer be where they are put.
    for (name, value) in &mut new {
        if !base.get(name).is_some_and(|old| equal(old, value)) {
            validate::normalise(value)?;
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    /// One write of a random history: an item number, and the index key it gets, loses or keeps.
    #[derive(Clone, Debug)]
    enum Step {
        Put(usize, Option<usize>),
        SetKind(usize, usize),
        RemoveKind(usize),
        Delete(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let item = 0usize..5;
        let kind = 0usize..3;
        prop::collection::vec(
            prop_oneof![
                (item.clone(), prop::option::of(kind.clone())).prop_map(|(item, kind)| Step::Put(item, kind)),
                (item.clone(), kind).prop_map(|(item, kind)| Step::SetKind(item, kind)),
                item.clone().prop_map(Step::RemoveKind),
                item.prop_map(Step::Delete),
            ],
            0..30,
        )
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        let definitions = ["pk", "sk", "kind"].map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
        bench.create(
            "tab",
            &["pk", "sk"],
            json!({
                "AttributeDefinitions": definitions,
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-kind",
                    "KeySchema": [{ "AttributeName": "kind", "KeyType": "HASH" }],
                    "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["step"] },
                }],
            }),
        );
        bench
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn indexes_and_sizes_always_mirror_the_table(steps in steps()) {
            let bench = bench();
            let mut model: BTreeMap<usize, Value> = BTreeMap::new();
            for (number, step) in steps.into_iter().enumerate() {
                let key = |item: usize| json!({ "pk": { "S": "p" }, "sk": { "S": item.to_string() } });
                let kind = |kind: usize| json!({ "S": format!("k{kind}") });
                let update = |item: usize, expression: &str, values: Value| {
                    let mut request = json!({
                        "TableName": "tab", "Key": key(item), "UpdateExpression": expression,
                    });
                    if !values.is_null() {
                        request["ExpressionAttributeValues"] = values;
                    }
                    bench.ok("UpdateItem", request);
                };
                match step {
                    Step::Put(item, with) => {
                        let mut value = key(item);
                        value["step"] = json!({ "N": number.to_string() });
                        if let Some(with) = with {
                            value["kind"] = kind(with);
                        }
                        bench.ok("PutItem", json!({ "TableName": "tab", "Item": value }));
                        model.insert(item, value);
                    }
                    Step::SetKind(item, with) => {
                        update(item, "SET kind = :k", json!({ ":k": kind(with) }));
                        model.entry(item).or_insert_with(|| key(item))["kind"] = kind(with);
                    }
                    Step::RemoveKind(item) => {
                        update(item, "REMOVE kind", Value::Null);
                        if let Some(value) = model.get_mut(&item) {
                            value.as_object_mut().unwrap().remove("kind");
                        }
                    }
                    Step::Delete(item) => {
                        bench.ok("DeleteItem", json!({ "TableName": "tab", "Key": key(item) }));
                        model.remove(&item);
                    }
                }
            }
            let scanned = |index: Option<&str>| {
                let mut request = json!({ "TableName": "tab" });
                if let Some(index) = index {
                    request["IndexName"] = json!(index);
                }
                let items = bench.ok("Scan", request)["Items"].clone();
                let items = items.as_array().unwrap().iter().cloned();
                items.map(|item| (item["sk"]["S"].as_str().unwrap().parse().unwrap(), item)).collect()
            };
            let table: BTreeMap<usize, Value> = scanned(None);
            prop_assert_eq!(&table, &model);
            let filed: BTreeMap<usize, Value> = scanned(Some("by-kind"));
            model.retain(|_, item| item.get("kind").is_some());
            prop_assert_eq!(&filed, &model);
            let described = bench.ok("DescribeTable", json!({ "TableName": "tab" }))["Table"].clone();
            prop_assert_eq!(&described["ItemCount"], &json!(table.len()));
            let index = &described["GlobalSecondaryIndexes"][0];
            prop_assert_eq!(&index["ItemCount"], &json!(filed.len()));
            if table.is_empty() {
                prop_assert_eq!(&described["TableSizeBytes"], &json!(0));
            }
            if filed.is_empty() {
                prop_assert_eq!(&index["IndexSizeBytes"], &json!(0));
            }
        }
    }
}
