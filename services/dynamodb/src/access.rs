//! What callers must be allowed: the resources of requests, and the condition keys about items.

use service::{Access, Context};

use crate::DynamoDb;
use crate::error::Error;
use crate::expression::condition::Comparator;
use crate::expression::key_condition::{self, Test};
use crate::expression::{Path, Placeholders, Projection, Update};
use crate::table;
use crate::value::{AttributeValue, Item};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use dynamodb_api as api;

/// The ARN of a table that is named by its name or its ARN.
pub fn table_arn(cx: &Context, name_or_arn: &str) -> String {
    match name_or_arn.starts_with("arn:") {
        true => name_or_arn.to_owned(),
        false => table::arn(cx.region(), cx.account(), name_or_arn),
    }
}

/// The ARN of what a query or scan reads.
pub fn source_arn(cx: &Context, name_or_arn: &str, index: Option<&str>) -> String {
    let table = table_arn(cx, name_or_arn);
    match index {
        Some(index) => format!("{table}/index/{index}"),
        None => table,
    }
}

/// Access to items of a table by their keys, or by whole items.
pub fn to_items<'a>(
    db: &DynamoDb,
    cx: &Context,
    action: &str,
    name_or_arn: &str,
    items: impl Iterator<Item = &'a Item>,
) -> Result<Access, Error> {
    let access = Access::new(action, table_arn(cx, name_or_arn));
    let Some(table) = db.find_table(cx, name_or_arn)? else { return Ok(access) };
    let hash = &table.keys.hash.name;
    let mut leading: Vec<String> = items.filter_map(|item| text(item.get(hash)?)).collect();
    leading.dedup();
    Ok(access.with_all("dynamodb:LeadingKeys", leading))
}

/// Access to one item by its key, or by the whole item.
pub fn to_item(db: &DynamoDb, cx: &Context, action: &str, name_or_arn: &str, item: &Item) -> Result<Access, Error> {
    to_items(db, cx, action, name_or_arn, std::iter::once(item))
}

/// A key value as condition keys hold it.
pub fn text(value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
        AttributeValue::B(bytes) => Some(BASE64.encode(bytes)),
        _ => None,
    }
}

/// Adds the attributes that are asked for by name.
pub fn with_projection(
    access: Access,
    attributes: Option<&[String]>,
    expression: Option<&str>,
    names: Option<&std::collections::BTreeMap<String, String>>,
) -> Access {
    let mut asked: Vec<String> = attributes.unwrap_or_default().to_vec();
    if let Some(expression) = expression {
        let mut placeholders = Placeholders::new(names, None);
        // An expression that is no good is refused by the operation itself.
        if let Ok(Projection { paths }) = Projection::parse(expression, &mut placeholders) {
            asked.extend(paths.into_iter().map(|Path { root, .. }| root.to_owned()));
        }
    }
    match asked.is_empty() {
        true => access,
        false => access.with_all("dynamodb:Attributes", asked),
    }
}

pub fn to_query(db: &DynamoDb, cx: &Context, request: &api::QueryInput) -> Result<Access, Error> {
    let arn = source_arn(cx, &request.table_name, request.index_name.as_deref());
    let mut access = Access::new("dynamodb:Query", arn);
    if let Some(select) = &request.select {
        access = access.with("dynamodb:Select", select.as_str());
    }
    let Some(table) = db.find_table(cx, &request.table_name)? else { return Ok(access) };
    let index = request.index_name.as_ref().and_then(|name| table.index(name));
    let hash = &index.map_or(&table.keys, |index| &index.keys).hash.name;
    if let Some(value) = partition_value(request, hash) {
        access = access.with_all("dynamodb:LeadingKeys", text(value).into_iter().collect());
    }
    Ok(with_projection(
        access,
        request.attributes_to_get.as_deref(),
        request.projection_expression.as_deref(),
        request.expression_attribute_names.as_ref(),
    ))
}

/// The value that a query gives for the partition key.
fn partition_value<'a>(request: &'a api::QueryInput, hash: &str) -> Option<&'a AttributeValue> {
    if let Some(conditions) = &request.key_conditions {
        return conditions.get(hash)?.attribute_value_list.as_deref()?.first();
    }
    let mut placeholders =
        Placeholders::new(request.expression_attribute_names.as_ref(), request.expression_attribute_values.as_ref());
    let terms = key_condition::parse(request.key_condition_expression.as_deref()?, &mut placeholders).ok()?;
    terms.into_iter().find(|(attribute, _)| *attribute == hash).and_then(|(_, test)| match test {
        Test::Compare(Comparator::Equal, value) => Some(value),
        _ => None,
    })
}

/// Adds what a write returns of the item, and the attributes that an update names.
pub fn with_update(access: Access, request: &api::UpdateItemInput) -> Access {
    let mut named: Vec<String> = request.key.keys().cloned().collect();
    named.extend(request.attribute_updates.iter().flat_map(|updates| updates.keys().cloned()));
    if let Some(expression) = &request.update_expression {
        let (names, values) = (&request.expression_attribute_names, &request.expression_attribute_values);
        let mut placeholders = Placeholders::new(names.as_ref(), values.as_ref());
        if let Ok(update) = Update::parse(expression, &mut placeholders) {
            named.extend(update.targets().map(|target| target.root.to_owned()));
        }
    }
    with_returned(access.with_all("dynamodb:Attributes", named), request.return_values.as_ref())
}

pub fn with_returned(access: Access, returned: Option<&api::ReturnValue>) -> Access {
    match returned {
        Some(returned) => access.with("dynamodb:ReturnValues", returned.as_str()),
        None => access,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::{Value, json};

    fn conditions(bench: &Bench, operation: &str, request: Value) -> Vec<(String, Vec<String>)> {
        let access = bench.access(operation, request);
        assert_eq!(access.len(), 1);
        assert_eq!(access[0].resource, "arn:aws:dynamodb:us-east-1:000000000000:table/tab");
        assert_eq!(access[0].action, format!("dynamodb:{operation}"));
        access.into_iter().next().unwrap().conditions
    }

    fn pair(key: &str, values: &[&str]) -> (String, Vec<String>) {
        (key.to_owned(), values.iter().map(|value| value.to_string()).collect())
    }

    #[test]
    fn keys_and_attributes_can_be_conditions() {
        let bench = Bench::with_table();
        let key = json!({ "pk": { "S": "me" }, "sk": { "S": "1" } });
        let leading = pair("dynamodb:LeadingKeys", &["me"]);
        assert_eq!(
            conditions(&bench, "GetItem", json!({ "TableName": "tab", "Key": key, "ProjectionExpression": "a.b, c" })),
            [leading.clone(), pair("dynamodb:Attributes", &["a", "c"])]
        );
        assert_eq!(
            conditions(
                &bench,
                "UpdateItem",
                json!({ "TableName": "tab", "Key": key, "UpdateExpression": "REMOVE x", "ReturnValues": "ALL_NEW" })
            ),
            [
                leading.clone(),
                pair("dynamodb:Attributes", &["pk", "sk", "x"]),
                pair("dynamodb:ReturnValues", &["ALL_NEW"])
            ]
        );
        assert_eq!(
            conditions(
                &bench,
                "Query",
                json!({
                    "TableName": "tab", "KeyConditionExpression": "sk > :s AND pk = :p", "Select": "COUNT",
                    "ExpressionAttributeValues": { ":p": { "S": "me" }, ":s": { "S": "1" } },
                })
            ),
            [pair("dynamodb:Select", &["COUNT"]), leading]
        );
    }

    #[test]
    fn transactions_need_the_actions_of_their_members() {
        let bench = Bench::with_table();
        let key = json!({ "pk": { "S": "me" }, "sk": { "S": "1" } });
        let check = json!({ "TableName": "tab", "Key": key, "ConditionExpression": "attribute_exists(pk)" });
        let items = json!([{ "ConditionCheck": check }, { "Delete": { "TableName": "other", "Key": key } }]);
        let access = bench.access("TransactWriteItems", json!({ "TransactItems": items }));
        assert_eq!(access[0].action, "dynamodb:ConditionCheckItem");
        assert_eq!(access[1].action, "dynamodb:DeleteItem");
        assert_eq!(access[1].resource, "arn:aws:dynamodb:us-east-1:000000000000:table/other");
        assert_eq!(access[1].conditions, [pair("dynamodb:EnclosingOperation", &["TransactWriteItems"])]);
    }
}
