//! What of a table an export is to hold: the items that meet a key condition and a filter, and which of their attributes.
//!
//! A selection is kept with its export as it was asked for, and read again by whoever writes the files.

use std::collections::BTreeMap;

use dynamodb_api as api;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Invalid, item_from_json, item_to_json};
use crate::expression::{Condition, Kind, Placeholders, Projection, key_condition};
use crate::ion::Record;
use crate::key::KeySchema;
use crate::parameters;
use crate::validate;
use crate::value::Item;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    key: Option<String>,
    filter: Option<String>,
    projection: Option<String>,
    names: Option<BTreeMap<String, String>>,
    /// In the form that the protocol has for values.
    values: Option<serde_json::Value>,
}

impl Selection {
    /// The selection that is asked for, checked against the table's keys.
    pub fn asked(given: &api::FilterSpecification, keys: &KeySchema) -> Result<Selection, Invalid> {
        let selection = Selection {
            key: given.key_condition_expression.clone(),
            filter: given.filter_expression.clone(),
            projection: given.projection_expression.clone(),
            names: given.expression_attribute_names.clone(),
            values: given.expression_attribute_values.as_ref().map(item_to_json),
        };
        let mut values = given.expression_attribute_values.clone();
        parameters::prepare(selection.names.as_ref(), values.as_mut(), None)?;
        selection.read(values.as_ref(), keys)?;
        Ok(selection)
    }

    pub fn describe(&self) -> api::FilterSpecification {
        api::FilterSpecification {
            filter_expression: self.filter.clone(),
            projection_expression: self.projection.clone(),
            key_condition_expression: self.key.clone(),
            expression_attribute_names: self.names.clone(),
            expression_attribute_values: self.values.as_ref().and_then(item_from_json),
        }
    }

    /// The records that are wanted of some, each with what is wanted of it.
    pub fn take(&self, keys: &KeySchema, records: Vec<Record>) -> Result<Vec<Record>, Error> {
        let mut values = self.values.as_ref().and_then(item_from_json);
        values.iter_mut().try_for_each(validate::normalise_item)?;
        let chosen = self.read(values.as_ref(), keys)?;
        Ok(records.into_iter().filter_map(|record| chosen.of(record, keys)).collect())
    }

    fn read<'a>(&'a self, values: Option<&'a Item>, keys: &KeySchema) -> Result<Chosen<'a>, Invalid> {
        let mut placeholders = Placeholders::new(self.names.as_ref(), values);
        if self.key.is_none() && self.filter.is_none() && self.projection.is_none() {
            placeholders.refuse_without_expressions("FilterExpression and KeyConditionExpression are null")?;
        }
        let filter = self.filter.as_deref();
        let filter = filter.map(|text| Condition::parse(Kind::Filter, text, &mut placeholders)).transpose()?;
        let projection = self.projection.as_deref();
        let projection = projection.map(|text| Projection::parse(text, &mut placeholders)).transpose()?;
        let key = self.key.as_deref();
        let terms = key.map(|text| key_condition::parse(text, &mut placeholders)).transpose()?;
        placeholders.finish()?;
        let range = terms.map(|terms| key_condition::resolve(&terms, keys)).transpose()?;
        if range.is_some()
            && let Some(attribute) =
                filter.as_ref().and_then(|filter| filter.find_attribute(&|name| keys.contains(name)))
        {
            return Err(Invalid(format!(
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: {attribute}"
            )));
        }
        Ok(Chosen { range, filter, projection })
    }
}

/// A selection that has been read.
struct Chosen<'a> {
    range: Option<key_condition::Range>,
    filter: Option<Condition<'a>>,
    projection: Option<Projection<'a>>,
}

impl Chosen<'_> {
    /// What is wanted of a record. A change is judged by the item as it is now, or by what it was where it is gone.
    fn of(&self, record: Record, keys: &KeySchema) -> Option<Record> {
        let shown = |item: Item| match &self.projection {
            Some(projection) => projection.apply(&item),
            None => item,
        };
        match record {
            Record::Item(item) => self.takes(&item, keys).then(|| Record::Item(shown(item))),
            Record::Change { micros, keys: of, old, new } => {
                let latest = new.as_ref().or(old.as_ref())?;
                self.takes(latest, keys).then(|| Record::Change {
                    micros,
                    keys: of,
                    old: old.map(shown),
                    new: new.map(shown),
                })
            }
        }
    }

    fn takes(&self, item: &Item, keys: &KeySchema) -> bool {
        self.range.as_ref().is_none_or(|range| within(range, item, keys))
            && self.filter.as_ref().is_none_or(|filter| filter.holds(item))
    }
}

fn within(range: &key_condition::Range, item: &Item, keys: &KeySchema) -> bool {
    let mut sorted = Vec::new();
    keys.hash_bytes(item).is_some_and(|hash| hash == range.hash)
        && keys.put_range(item, &mut sorted).is_some()
        && sorted >= range.from
        && range.to.as_ref().is_none_or(|to| sorted < *to)
}
