//! GetItem, PutItem, UpdateItem, DeleteItem: one item by its key.

use dynamodb_api as api;
use service::{Context, operation};

use crate::DynamoDb;
use crate::access;
use crate::capacity::{Consumed, Direction};
use crate::collection;
use crate::error::{Error, Invalid};
use crate::expression::{Placeholders, Projection, Update};
use crate::legacy;
use crate::parameters::{self, ExpectedMap, Names, Values};
use crate::size::{Read, Units};
use crate::table::{PRIMARY, Table};
use crate::validate;
use crate::value::Item;
use crate::write::{Action, Outcome, Write, check_put, check_update};

operation! {
    DynamoDb, api::GetItem,
    access: |db, cx, request| {
        let access = access::to_item(db, cx, "dynamodb:GetItem", &request.table_name, &request.key)?;
        Ok::<_, Error>(vec![access::with_projection(
            access,
            request.attributes_to_get.as_deref(),
            request.projection_expression.as_deref(),
            request.expression_attribute_names.as_ref(),
        )])
    },
    handler: get_item
}

async fn get_item(db: &DynamoDb, cx: &Context, mut request: api::GetItemInput) -> Result<api::GetItemOutput, Error> {
    legacy::refuse_mixing(
        &[("AttributesToGet", request.attributes_to_get.is_some())],
        &[("ProjectionExpression", request.projection_expression.is_some())],
    )?;
    parameters::prepare(request.expression_attribute_names.as_ref(), None, None)?;
    validate::normalise_item(&mut request.key)?;
    let mut placeholders = Placeholders::new(request.expression_attribute_names.as_ref(), None);
    if request.projection_expression.is_none() {
        placeholders.refuse_without_expressions("")?;
    }
    let projection = parameters::projection(
        request.attributes_to_get.as_deref(),
        request.projection_expression.as_deref(),
        &mut placeholders,
    )?;
    placeholders.finish()?;
    let table = db.table(cx, &request.table_name)?;
    table.keys.check_key(&request.key)?;
    db.admit_read(cx, &table, PRIMARY)?;
    let (item, weight) = db.read_item(cx, &table, &request.key)?.unzip();
    let read = Read::consistent(request.consistent_read == Some(true));
    let consumed = Consumed::on_table(Units::read(weight.unwrap_or(0), read));
    db.charge(cx, &table, Direction::Read, &consumed);
    Ok(api::GetItemOutput {
        item: item.map(|item| projected(projection.as_ref(), item)),
        consumed_capacity: consumed.report(&table, &request.table_name, request.return_consumed_capacity.as_ref()),
    })
}

pub fn projected(projection: Option<&Projection<'_>>, item: Item) -> Item {
    match projection {
        Some(projection) => projection.apply(&item),
        None => item,
    }
}

/// The parameters about conditions, which all three writes have.
struct Guard<'a> {
    expected: Option<&'a ExpectedMap>,
    operator: Option<&'a api::ConditionalOperator>,
    expression: Option<&'a str>,
    names: Option<&'a Names>,
    values: Option<&'a Values>,
}

/// The guard of a request; the members have the same names in all three.
macro_rules! guard {
    ($request:expr) => {
        Guard {
            expected: $request.expected.as_ref(),
            operator: $request.conditional_operator.as_ref(),
            expression: $request.condition_expression.as_deref(),
            names: $request.expression_attribute_names.as_ref(),
            values: $request.expression_attribute_values.as_ref(),
        }
    };
}

impl<'a> Guard<'a> {
    fn refuse_mixing(&self, update: Option<(bool, bool)>) -> Result<(), Invalid> {
        let (updates, update_expression) = update.unwrap_or_default();
        legacy::refuse_mixing(
            &[
                ("AttributeUpdates", updates),
                ("Expected", self.expected.is_some()),
                ("ConditionalOperator", self.operator.is_some()),
            ],
            &[("UpdateExpression", update_expression), ("ConditionExpression", self.expression.is_some())],
        )
    }

    fn placeholders(&self) -> Placeholders<'a> {
        Placeholders::new(self.names, self.values)
    }

    /// The condition of a write that has no other expression.
    fn alone(&self) -> Result<Option<crate::expression::Condition<'a>>, Invalid> {
        self.refuse_mixing(None)?;
        let mut placeholders = self.placeholders();
        if self.expression.is_none() {
            placeholders.refuse_without_expressions("ConditionExpression is null")?;
        }
        let condition = self.condition(&mut placeholders)?;
        placeholders.finish()?;
        Ok(condition)
    }

    fn condition(
        &self,
        placeholders: &mut Placeholders<'a>,
    ) -> Result<Option<crate::expression::Condition<'a>>, Invalid> {
        parameters::write_condition(self.expected, self.operator, self.expression, placeholders)
    }
}

operation! {
    DynamoDb, api::PutItem,
    access: |db, cx, request| {
        let access = access::to_item(db, cx, "dynamodb:PutItem", &request.table_name, &request.item)?
            .with_all("dynamodb:Attributes", request.item.keys().cloned().collect());
        Ok::<_, Error>(vec![access::with_returned(access, request.return_values.as_ref())])
    },
    handler: put_item
}

async fn put_item(db: &DynamoDb, cx: &Context, mut request: api::PutItemInput) -> Result<api::PutItemOutput, Error> {
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        request.expected.as_mut(),
    )?;
    let wants_old = old_wanted(request.return_values.as_ref())?;
    let guard = guard!(request);
    let condition = guard.alone()?;
    validate::normalise_item(&mut request.item)?;
    let write = Write {
        key: &request.item,
        action: Action::Put,
        condition: condition.as_ref(),
        wants_old,
        wants_old_on_failure: wants_old_on_failure(request.return_values_on_condition_check_failure.as_ref()),
    };
    let (table, outcome) = db.write(cx, &request.table_name, |table, writer| {
        check_put(table, &request.item)?;
        writer.perform(table, &write)
    })?;
    Ok(api::PutItemOutput {
        attributes: outcome.old.filter(|_| wants_old),
        consumed_capacity: outcome.consumed.report(
            &table,
            &request.table_name,
            request.return_consumed_capacity.as_ref(),
        ),
        item_collection_metrics: collection_metrics(
            cx,
            &table,
            &request.item,
            request.return_item_collection_metrics.as_ref(),
        )?,
    })
}

operation! {
    DynamoDb, api::DeleteItem,
    access: |db, cx, request| {
        let access = access::to_item(db, cx, "dynamodb:DeleteItem", &request.table_name, &request.key)?;
        Ok::<_, Error>(vec![access::with_returned(access, request.return_values.as_ref())])
    },
    handler: delete_item
}

async fn delete_item(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::DeleteItemInput,
) -> Result<api::DeleteItemOutput, Error> {
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        request.expected.as_mut(),
    )?;
    let wants_old = old_wanted(request.return_values.as_ref())?;
    let guard = guard!(request);
    let condition = guard.alone()?;
    validate::normalise_item(&mut request.key)?;
    let write = Write {
        key: &request.key,
        action: Action::Delete,
        condition: condition.as_ref(),
        wants_old,
        wants_old_on_failure: wants_old_on_failure(request.return_values_on_condition_check_failure.as_ref()),
    };
    let (table, outcome) = db.write(cx, &request.table_name, |table, writer| {
        table.keys.check_key(&request.key)?;
        writer.perform(table, &write)
    })?;
    Ok(api::DeleteItemOutput {
        attributes: outcome.old.filter(|_| wants_old),
        consumed_capacity: outcome.consumed.report(
            &table,
            &request.table_name,
            request.return_consumed_capacity.as_ref(),
        ),
        item_collection_metrics: collection_metrics(
            cx,
            &table,
            &request.key,
            request.return_item_collection_metrics.as_ref(),
        )?,
    })
}

operation! {
    DynamoDb, api::UpdateItem,
    access: |db, cx, request| {
        let access = access::to_item(db, cx, "dynamodb:UpdateItem", &request.table_name, &request.key)?;
        Ok::<_, Error>(vec![access::with_update(access, request)])
    },
    handler: update_item
}

async fn update_item(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::UpdateItemInput,
) -> Result<api::UpdateItemOutput, Error> {
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        request.expected.as_mut(),
    )?;
    if request.attribute_updates.as_ref().is_some_and(|updates| updates.contains_key("")) {
        return Err(validate::nameless().into());
    }
    let updates = request.attribute_updates.iter_mut().flat_map(|updates| updates.values_mut());
    updates.filter_map(|update| update.value.as_mut()).try_for_each(validate::normalise)?;
    let guard = guard!(request);
    guard.refuse_mixing(Some((request.attribute_updates.is_some(), request.update_expression.is_some())))?;
    let mut placeholders = guard.placeholders();
    if guard.expression.is_none() && request.update_expression.is_none() {
        placeholders.refuse_without_expressions("UpdateExpression and ConditionExpression are null")?;
    }
    let update = match &request.update_expression {
        Some(expression) => Update::parse(expression, &mut placeholders)?,
        None => {
            let mut update = Update::default();
            for (attribute, change) in request.attribute_updates.iter().flatten() {
                let action = change.action.as_ref().map_or("PUT", api::AttributeAction::as_str);
                legacy::add_update(&mut update, attribute, action, change.value.as_ref())?;
            }
            update
        }
    };
    let condition = guard.condition(&mut placeholders)?;
    placeholders.finish()?;
    validate::normalise_item(&mut request.key)?;
    let write = Write {
        key: &request.key,
        action: Action::Update(&update),
        condition: condition.as_ref(),
        wants_old: false,
        wants_old_on_failure: wants_old_on_failure(request.return_values_on_condition_check_failure.as_ref()),
    };
    let (table, outcome) = db.write(cx, &request.table_name, |table, writer| {
        table.keys.check_key(&request.key)?;
        check_update(table, &update)?;
        writer.perform(table, &write)
    })?;
    let consumed_capacity =
        outcome.consumed.report(&table, &request.table_name, request.return_consumed_capacity.as_ref());
    Ok(api::UpdateItemOutput {
        attributes: returned(request.return_values.as_ref(), &update, outcome),
        consumed_capacity,
        item_collection_metrics: collection_metrics(
            cx,
            &table,
            &request.key,
            request.return_item_collection_metrics.as_ref(),
        )?,
    })
}

/// What an update returns of the item as it was or as it is.
pub fn returned(wanted: Option<&api::ReturnValue>, update: &Update<'_>, outcome: Outcome) -> Option<Item> {
    let touched = |item: Option<Item>| {
        let projection = Projection { paths: update.targets().cloned().collect() };
        item.map(|item| projection.apply(&item)).filter(|item| !item.is_empty())
    };
    match wanted? {
        api::ReturnValue::AllOld => outcome.old,
        api::ReturnValue::AllNew => outcome.new,
        api::ReturnValue::UpdatedOld => touched(outcome.old),
        api::ReturnValue::UpdatedNew => touched(outcome.new),
        _ => None,
    }
}

fn old_wanted(wanted: Option<&api::ReturnValue>) -> Result<bool, Invalid> {
    match wanted {
        None | Some(api::ReturnValue::None) => Ok(false),
        Some(api::ReturnValue::AllOld) => Ok(true),
        Some(_) => Err(Invalid::new("Return values set to invalid value")),
    }
}

pub fn wants_old_on_failure(wanted: Option<&api::ReturnValuesOnConditionCheckFailure>) -> bool {
    wanted == Some(&api::ReturnValuesOnConditionCheckFailure::AllOld)
}

/// The size of the item's collection, in tables with local indexes: between which gigabytes it is.
pub fn collection_metrics(
    cx: &Context,
    table: &Table,
    item: &Item,
    wanted: Option<&api::ReturnItemCollectionMetrics>,
) -> Result<Option<api::ItemCollectionMetrics>, Error> {
    if wanted != Some(&api::ReturnItemCollectionMetrics::Size) || !table.has_local_indexes() {
        return Ok(None);
    }
    let size = collection::size(&cx.store().snapshot(), table, item)? / (1 << 30);
    let hash = item.get_key_value(&table.keys.hash.name).map(|(name, value)| (name.clone(), value.clone()));
    Ok(Some(api::ItemCollectionMetrics {
        item_collection_key: Some(hash.into_iter().collect()),
        size_estimate_range_gb: Some(vec![size as f64, (size + 1) as f64]),
    }))
}

impl DynamoDb {
    /// The item with a key that has been checked, and its weight.
    pub fn read_item(&self, cx: &Context, table: &Table, key: &Item) -> Result<Option<(Item, usize)>, Error> {
        match cx.store().get(&table.item_key(key)?)? {
            Some(record) => Ok(Some(crate::codec::decode(&record)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::json;

    #[test]
    fn items_come_back_as_they_were_put() {
        let bench = Bench::with_table();
        let rest = json!({
            "n": { "N": "1.50" }, "b": { "B": "aGk=" }, "flag": { "BOOL": true }, "none": { "NULL": true },
            "ss": { "SS": ["a", "b"] }, "ns": { "NS": ["1", "2"] }, "l": { "L": [{ "M": { "x": { "S": "" } } }] },
        });
        bench.put("a", "1", rest);
        let item = bench.get("a", "1");
        assert_eq!(item["n"], json!({ "N": "1.5" }));
        assert_eq!(item["l"], json!({ "L": [{ "M": { "x": { "S": "" } } }] }));
        assert_eq!(item.as_object().unwrap().len(), 9);
        assert!(bench.get("a", "2").is_null());
        let part = bench.ok(
            "GetItem",
            json!({
                "TableName": "arn:aws:dynamodb:us-east-1:000000000000:table/tab",
                "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                "ProjectionExpression": "#l[0].x, n",
                "ExpressionAttributeNames": { "#l": "l" },
                "ConsistentRead": true,
                "ReturnConsumedCapacity": "TOTAL",
            }),
        );
        assert_eq!(part["Item"], json!({ "l": { "L": [{ "M": { "x": { "S": "" } } }] }, "n": { "N": "1.5" } }));
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab";
        assert_eq!(part["ConsumedCapacity"], json!({ "TableName": arn, "CapacityUnits": 1.0 }));
    }

    #[test]
    fn incomplete_keys_are_refused() {
        let bench = Bench::with_table();
        let incomplete = json!({ "TableName": "tab", "Key": { "pk": { "S": "a" } } });
        for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
            assert_eq!(
                bench.invalid(operation, incomplete.clone()),
                "The provided key element does not match the schema"
            );
        }
        assert_eq!(
            bench.invalid("PutItem", json!({ "TableName": "tab", "Item": { "pk": { "S": "a" } } })),
            "One or more parameter values were invalid: Missing the key sk in the item"
        );
        assert_eq!(
            bench.error("GetItem", json!({ "TableName": "gone", "Key": { "pk": { "S": "a" } } })),
            ("ResourceNotFoundException".into(), "Requested resource not found".into())
        );
    }

    #[test]
    fn conditions_guard_writes() {
        let bench = Bench::with_table();
        bench.put("a", "1", json!({ "v": { "N": "1" } }));
        let put = |condition: &str| {
            json!({
                "TableName": "tab",
                "Item": { "pk": { "S": "a" }, "sk": { "S": "1" }, "v": { "N": "2" } },
                "ConditionExpression": condition,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                "ReturnValues": "ALL_OLD",
            })
        };
        let error = bench.call("PutItem", put("attribute_not_exists(pk)")).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("ConditionalCheckFailedException", "The conditional request failed")
        );
        assert_eq!(error.members[0].1["v"], json!({ "N": "1" }));
        assert_eq!(bench.get("a", "1")["v"], json!({ "N": "1" }));
        assert_eq!(bench.ok("PutItem", put("attribute_exists(pk)"))["Attributes"]["v"], json!({ "N": "1" }));
        assert_eq!(bench.get("a", "1")["v"], json!({ "N": "2" }));

        let delete = |value: &str| {
            json!({
                "TableName": "tab",
                "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                "Expected": { "v": { "ComparisonOperator": "GT", "AttributeValueList": [{ "N": value }] } },
            })
        };
        assert_eq!(bench.error("DeleteItem", delete("2")).0, "ConditionalCheckFailedException");
        bench.ok("DeleteItem", delete("1"));
        assert!(bench.get("a", "1").is_null());
    }

    #[test]
    fn updates_return_what_was_asked_for() {
        let bench = Bench::with_table();
        let update = |expression: &str, returned: &str| {
            bench.ok(
                "UpdateItem",
                json!({
                    "TableName": "tab",
                    "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                    "UpdateExpression": expression,
                    "ExpressionAttributeValues": { ":n": { "N": "5" } },
                    "ReturnValues": returned,
                }),
            )["Attributes"]
                .clone()
        };
        assert_eq!(update("SET v = :n, m = :n", "UPDATED_NEW"), json!({ "v": { "N": "5" }, "m": { "N": "5" } }));
        assert_eq!(update("SET v = v + :n", "UPDATED_OLD"), json!({ "v": { "N": "5" } }));
        assert_eq!(update("ADD v :n", "ALL_NEW")["v"], json!({ "N": "15" }));
        let legacy = bench.ok(
            "UpdateItem",
            json!({
                "TableName": "tab",
                "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                "AttributeUpdates": { "m": { "Action": "DELETE" }, "v": { "Action": "ADD", "Value": { "N": "1" } } },
                "ReturnValues": "ALL_NEW",
            }),
        );
        assert_eq!(legacy["Attributes"], json!({ "pk": { "S": "a" }, "sk": { "S": "1" }, "v": { "N": "16" } }));
    }

    #[test]
    fn bad_updates_leave_everything_as_it_was() {
        let bench = Bench::with_table();
        bench.put("a", "1", json!({ "v": { "S": "x" } }));
        let invalid = |expression: &str, values: serde_json::Value| {
            bench.invalid(
                "UpdateItem",
                json!({
                    "TableName": "tab",
                    "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                    "UpdateExpression": expression,
                    "ExpressionAttributeValues": values,
                }),
            )
        };
        let n = json!({ ":n": { "N": "1" } });
        assert_eq!(
            invalid("SET pk = :n", n.clone()),
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
        );
        assert_eq!(invalid("SET v = v + :n", n), "An operand in the update expression has an incorrect data type");
        assert_eq!(
            invalid("SET v = :n", json!({ ":n": { "N": "1" }, ":x": { "S": "" } })),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}"
        );
        assert_eq!(
            invalid("SET v = :n", json!({ ":n": {} })),
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
        );
        assert_eq!(
            bench.invalid(
                "UpdateItem",
                json!({
                    "TableName": "tab",
                    "Key": { "pk": { "S": "a" }, "sk": { "S": "1" } },
                    "UpdateExpression": "SET v = :v",
                    "ExpressionAttributeValues": { ":v": { "S": "y".repeat(409_600) } },
                })
            ),
            "Item size to update has exceeded the maximum allowed size"
        );
        assert_eq!(bench.get("a", "1")["v"], json!({ "S": "x" }));
    }

    #[test]
    fn only_taking_away_makes_no_item() {
        let bench = Bench::with_table();
        let key = json!({ "pk": { "S": "a" }, "sk": { "S": "1" } });
        bench.ok("UpdateItem", json!({ "TableName": "tab", "Key": key, "UpdateExpression": "REMOVE v" }));
        assert!(bench.get("a", "1").is_null());
        bench.ok("UpdateItem", json!({ "TableName": "tab", "Key": key }));
        assert_eq!(bench.get("a", "1"), key);
    }

    #[test]
    fn placeholders_need_expressions() {
        let bench = Bench::with_table();
        let item = json!({ "pk": { "S": "a" }, "sk": { "S": "1" } });
        assert_eq!(
            bench.invalid(
                "PutItem",
                json!({ "TableName": "tab", "Item": item, "ExpressionAttributeValues": { ":v": { "S": "x" } } })
            ),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
        );
        assert_eq!(
            bench.invalid("PutItem", json!({ "TableName": "tab", "Item": item, "ReturnValues": "ALL_NEW" })),
            "Return values set to invalid value"
        );
    }
}
