//! Changing items within a store transaction: the condition, the item, its index entries and the table's sizes together.

use bytes::Bytes;
use store::Transaction;

use crate::capacity::Consumed;
use crate::codec;
use crate::error::{Error, Invalid};
use crate::expression::{Condition, Update};
use crate::size::{self, Units};
use crate::store::{Head, head_key};
use crate::table::{PRIMARY, Table};
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
}

struct TouchedHead {
    number: u64,
    stored: Head,
    head: Head,
}

impl<'t, 's> Writer<'t, 's> {
    pub fn new(transaction: &'t mut Transaction<'s>) -> Self {
        Writer { transaction, heads: Vec::with_capacity(1) }
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
        self.head(table)?;
        let key = table.item_key(write.key)?;
        let stored = self.transaction.get(&key)?;
        let needs_old = write.wants_old
            || write.condition.is_some()
            || !table.indexes.is_empty()
            || table.ttl.is_some()
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
                let consumed = self.replace(table, &key, (old.as_ref(), old_weight), Some(write.key))?;
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
        let mut consumed = Consumed::on_table(Units::write(old_weight.max(new_weight).unwrap_or(0)));
        for index in &table.indexes {
            let change = table.entry_change(index, old, new);
            let (old_weight, new_weight) =
                (change.old.as_ref().map(|(_, weight)| *weight), change.new.as_ref().map(|entry| entry.weight));
            let moved = match (&change.old, &change.new) {
                (Some((old, _)), Some(new)) => *old != new.key,
                _ => true,
            };
            if moved {
                for weight in [old_weight, new_weight].into_iter().flatten() {
                    consumed.add(index.number, Units::write(weight));
                }
            } else {
                consumed.add(index.number, Units::write(old_weight.max(new_weight).unwrap_or(0)));
            }
            if let Some((key, _)) = change.old.filter(|_| moved) {
                self.transaction.delete(key);
            }
            if let Some(entry) = change.new {
                self.transaction.put(entry.key, entry.value);
            }
            self.head(table)?.sizes.replace(index.number, old_weight, new_weight);
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
    for index in &table.indexes {
        index.keys.check_index(&new, &index.name)?;
    }
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
