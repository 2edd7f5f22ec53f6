//! BatchGetItem and BatchWriteItem: many items of several tables, each on its own.

use std::collections::{BTreeMap, BTreeSet};

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::capacity::{Consumed, Direction};
use crate::error::{Error, Invalid};
use crate::expression::Placeholders;
use crate::legacy;
use crate::ops::item::{collection_metrics, projected};
use crate::parameters;
use crate::size::{self, Read, Units};
use crate::table::{PRIMARY, Table};
use crate::validate;
use crate::value::Item;
use crate::write::{Action, Write, check_put};

const MAX_GETS: usize = 100;
const MAX_WRITES: usize = 25;
/// The most that one response carries, and one request.
const MAX_BYTES: usize = 16 * 1024 * 1024;

operation! {
    DynamoDb, api::BatchGetItem,
    access: |db, cx, request| {
        let wanted = request.request_items.iter();
        let access = |(name, wanted): (&String, &api::KeysAndAttributes)| {
            let access = access::to_items(db, cx, "dynamodb:BatchGetItem", name, wanted.keys.iter())?;
            Ok::<_, Error>(access::with_projection(
                access,
                wanted.attributes_to_get.as_deref(),
                wanted.projection_expression.as_deref(),
                wanted.expression_attribute_names.as_ref(),
            ))
        };
        wanted.map(access).collect::<Result<Vec<_>, _>>()
    },
    handler: batch_get_item
}

async fn batch_get_item(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::BatchGetItemInput,
) -> Result<api::BatchGetItemOutput, Error> {
    let count: usize = request.request_items.values().map(|wanted| wanted.keys.len()).sum();
    if count > MAX_GETS {
        return Err(Invalid::new("Too many items requested for the BatchGetItem call").into());
    }
    for wanted in request.request_items.values_mut() {
        legacy::refuse_mixing(
            &[("AttributesToGet", wanted.attributes_to_get.is_some())],
            &[("ProjectionExpression", wanted.projection_expression.is_some())],
        )?;
        parameters::prepare(wanted.expression_attribute_names.as_ref(), None, None)?;
        wanted.keys.iter_mut().try_for_each(validate::normalise_item)?;
    }
    let mut output = api::BatchGetItemOutput {
        responses: Some(BTreeMap::new()),
        unprocessed_keys: Some(BTreeMap::new()),
        consumed_capacity: None,
    };
    let mut capacity = Vec::new();
    let mut bytes = 0;
    let (mut read_any, mut refused) = (false, None);
    for (name, wanted) in &request.request_items {
        let mut placeholders = Placeholders::new(wanted.expression_attribute_names.as_ref(), None);
        if wanted.projection_expression.is_none() {
            placeholders.refuse_without_expressions("")?;
        }
        let projection = parameters::projection(
            wanted.attributes_to_get.as_deref(),
            wanted.projection_expression.as_deref(),
            &mut placeholders,
        )?;
        placeholders.finish()?;
        let table = db.table(cx, name)?;
        let read = Read::consistent(wanted.consistent_read == Some(true));
        check_keys(&table, &wanted.keys)?;
        let mut consumed = Consumed::default();
        let mut items = Vec::with_capacity(wanted.keys.len());
        let mut unprocessed = Vec::new();
        for key in &wanted.keys {
            if bytes >= MAX_BYTES {
                unprocessed.push(key.clone());
                continue;
            }
            if let Err(error) = db.admit_read(cx, &table, PRIMARY) {
                refused = Some(error);
                unprocessed.push(key.clone());
                continue;
            }
            read_any = true;
            let found = db.read_item(cx, &table, key)?;
            let weight = found.as_ref().map_or(0, |(_, weight)| *weight);
            if bytes + weight > MAX_BYTES {
                bytes = MAX_BYTES;
                unprocessed.push(key.clone());
                continue;
            }
            bytes += weight;
            let spent = Consumed::on_table(Units::read(weight, read));
            db.charge(cx, &table, Direction::Read, &spent);
            consumed.merge(&spent);
            items.extend(found.map(|(item, _)| projected(projection.as_ref(), item)));
        }
        capacity.extend(consumed.report(&table, name, request.return_consumed_capacity.as_ref()));
        output.responses.get_or_insert_default().insert(name.clone(), items);
        if !unprocessed.is_empty() {
            let rest = api::KeysAndAttributes { keys: unprocessed, ..wanted.clone() };
            output.unprocessed_keys.get_or_insert_default().insert(name.clone(), rest);
        }
    }
    // Only where nothing at all could be read is the request refused.
    if let Some(error) = refused.filter(|_| !read_any) {
        return Err(error);
    }
    output.consumed_capacity = (!capacity.is_empty()).then_some(capacity);
    Ok(output)
}

/// Keys that fit the table, each of them once.
fn check_keys(table: &Table, keys: &[Item]) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for key in keys {
        table.keys.check_key(key)?;
        if !seen.insert(table.item_key(key)?) {
            return Err(Invalid::new("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

operation! {
    DynamoDb, api::BatchWriteItem,
    access: |db, cx, request| {
        let wanted = request.request_items.iter();
        let access = |(name, writes): (&String, &Vec<api::WriteRequest>)| {
            access::to_items(db, cx, "dynamodb:BatchWriteItem", name, writes.iter().map(|write| plain(write).key))
        };
        wanted.map(access).collect::<Result<Vec<_>, _>>()
    },
    handler: batch_write_item
}

async fn batch_write_item(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::BatchWriteItemInput,
) -> Result<api::BatchWriteItemOutput, Error> {
    let count: usize = request.request_items.values().map(Vec::len).sum();
    if count > MAX_WRITES {
        return Err(Invalid::new("Too many items requested for the BatchWriteItem call").into());
    }
    let mut bytes = 0;
    for writes in request.request_items.values_mut() {
        for write in writes {
            let item = match (&mut write.put_request, &mut write.delete_request) {
                (Some(put), None) => &mut put.item,
                (None, Some(delete)) => &mut delete.key,
                (Some(_), Some(_)) => {
                    return Err(Invalid::new(
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
                         supported datatypes",
                    )
                    .into());
                }
                (None, None) => {
                    return Err(Invalid::new(
                        "Supplied WriteRequest is empty, must contain exactly one of PutRequest or DeleteRequest",
                    )
                    .into());
                }
            };
            validate::normalise_item(item)?;
            bytes += size::item(item);
        }
    }
    if bytes > MAX_BYTES {
        return Err(Invalid::new("Request size exceeds the limit of 16 MB").into());
    }
    let names: Vec<&str> = request.request_items.keys().map(String::as_str).collect();
    let (tables, (consumed, unprocessed)) = db.write_tables(cx, &names, false, |tables, writer| {
        // Everything is checked before anything is written.
        for (table, writes) in tables.iter().zip(request.request_items.values()) {
            check_writes(table, writes)?;
        }
        let mut consumed = vec![Consumed::default(); tables.len()];
        let mut unprocessed: BTreeMap<String, Vec<api::WriteRequest>> = BTreeMap::new();
        let (mut wrote_any, mut refused) = (false, None);
        for ((table, (name, writes)), consumed) in tables.iter().zip(&request.request_items).zip(&mut consumed) {
            for write in writes {
                if let Err(error) = db.admit_write(cx, table) {
                    refused = Some(error);
                    unprocessed.entry(name.clone()).or_default().push(write.clone());
                    continue;
                }
                wrote_any = true;
                let spent = writer.perform(table, &plain(write))?.consumed;
                db.charge(cx, table, Direction::Write, &spent);
                consumed.merge(&spent);
            }
        }
        // Only where nothing at all could be written is the request refused.
        match refused.filter(|_| !wrote_any) {
            Some(error) => Err(error.into()),
            None => Ok((consumed, unprocessed)),
        }
    })?;
    let capacity = tables.iter().zip(request.request_items.keys()).zip(consumed);
    let capacity: Vec<_> = capacity
        .filter_map(|((table, name), consumed)| consumed.report(table, name, request.return_consumed_capacity.as_ref()))
        .collect();
    let mut metrics = BTreeMap::new();
    for (table, (name, writes)) in tables.iter().zip(&request.request_items) {
        let wanted = request.return_item_collection_metrics.as_ref();
        let mut of_table: Vec<api::ItemCollectionMetrics> = Vec::new();
        for write in writes {
            if let Some(one) = collection_metrics(cx, table, plain(write).key, wanted)?
                && !of_table.contains(&one)
            {
                of_table.push(one);
            }
        }
        if !of_table.is_empty() {
            metrics.insert(name.clone(), of_table);
        }
    }
    Ok(api::BatchWriteItemOutput {
        unprocessed_items: Some(unprocessed),
        item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
    })
}

/// A write without a condition. The request has been checked to hold one of the two.
fn plain(write: &api::WriteRequest) -> Write<'_> {
    static NOTHING: Item = Item::new();
    let (key, action) = match (&write.put_request, &write.delete_request) {
        (Some(put), _) => (&put.item, Action::Put),
        (None, Some(delete)) => (&delete.key, Action::Delete),
        (None, None) => (&NOTHING, Action::Check),
    };
    Write { key, action, condition: None, wants_old: false, wants_old_on_failure: false }
}

fn check_writes(table: &Table, writes: &[api::WriteRequest]) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for write in writes {
        let Write { key, action, .. } = plain(write);
        match action {
            Action::Put => check_put(table, key)?,
            _ => table.keys.check_key(key)?,
        }
        if !seen.insert(table.item_key(key)?) {
            return Err(Invalid::new("Provided list of item keys contains duplicates"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::{Value, json};

    fn puts(count: usize) -> Vec<Value> {
        let item =
            |n: usize| json!({ "pk": { "S": "a" }, "sk": { "S": format!("{n:03}") }, "n": { "N": n.to_string() } });
        (0..count).map(|n| json!({ "PutRequest": { "Item": item(n) } })).collect()
    }

    #[test]
    fn batches_write_and_read() {
        let bench = Bench::with_table();
        let output = bench
            .ok("BatchWriteItem", json!({ "RequestItems": { "tab": puts(25) }, "ReturnConsumedCapacity": "TOTAL" }));
        assert_eq!(output["UnprocessedItems"], json!({}));
        assert_eq!(output["ConsumedCapacity"][0]["CapacityUnits"], json!(25.0));
        let key = |n: &str| json!({ "pk": { "S": "a" }, "sk": { "S": n } });
        let output = bench.ok(
            "BatchGetItem",
            json!({ "RequestItems": { "tab": { "Keys": [key("003"), key("nothing")], "ProjectionExpression": "n" } } }),
        );
        assert_eq!(output["Responses"], json!({ "tab": [{ "n": { "N": "3" } }] }));
        assert_eq!(output["UnprocessedKeys"], json!({}));
    }

    #[test]
    fn twenty_six_are_too_many() {
        let bench = Bench::with_table();
        let message = bench.invalid("BatchWriteItem", json!({ "RequestItems": { "tab": puts(26) } }));
        let opening = "1 validation error detected: Value '{tab=[WriteRequest(putRequest=PutRequest(item={n=AttributeValue: \
                       {N:0}, pk=AttributeValue: {S:a}, sk=AttributeValue: {S:000}}), deleteRequest=null), ";
        assert!(message.starts_with(opening), "{message}");
        assert!(
            message.ends_with(
                "at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have \
                 length less than or equal to 25, Member must have length greater than or equal to 1]"
            ),
            "{message}"
        );
        bench.create("tab2", &["pk", "sk"], json!({}));
        assert_eq!(
            bench.invalid("BatchWriteItem", json!({ "RequestItems": { "tab": puts(20), "tab2": puts(6) } })),
            "Too many items requested for the BatchWriteItem call"
        );
        assert!(bench.get("a", "000").is_null());
    }

    #[test]
    fn duplicates_and_bad_items_stop_the_whole_batch() {
        let bench = Bench::with_table();
        let mut writes = puts(2);
        writes.push(json!({ "DeleteRequest": { "Key": { "pk": { "S": "a" }, "sk": { "S": "001" } } } }));
        let duplicates = "Provided list of item keys contains duplicates";
        assert_eq!(bench.invalid("BatchWriteItem", json!({ "RequestItems": { "tab": writes } })), duplicates);
        let key = json!({ "pk": { "S": "a" }, "sk": { "S": "001" } });
        assert_eq!(
            bench.invalid("BatchGetItem", json!({ "RequestItems": { "tab": { "Keys": [key, key] } } })),
            duplicates
        );
        let mut writes = puts(1);
        writes.push(json!({ "PutRequest": { "Item": { "pk": { "S": "a" } } } }));
        bench.invalid("BatchWriteItem", json!({ "RequestItems": { "tab": writes } }));
        assert!(bench.get("a", "000").is_null());
    }
}
