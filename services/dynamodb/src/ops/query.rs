//! Query, and what it shares with Scan.

use std::ops::Bound;

use dynamodb_api as api;
use service::{Context, operation};
use store::Range;
use wire::Deferred;

use crate::DynamoDb;
use crate::access;
use crate::capacity::Direction;
use crate::error::{Error, Invalid};
use crate::expression::{Condition, Placeholders, Projection, key_condition};
use crate::key::{KeySchema, after_prefix};
use crate::legacy;
use crate::parameters;
use crate::read::{Page, Reading};
use crate::size::Read;
use crate::table::{Index, PRIMARY, Projected, Scope, Table, partition};
use crate::validate;
use crate::value::Item;

operation! {
    DynamoDb, api::Query,
    access: |db, cx, request| access::to_query(db, cx, request).map(|access| vec![access]),
    handler: query
}

async fn query(db: &DynamoDb, cx: &Context, mut request: api::QueryInput) -> Result<api::QueryOutput, Error> {
    legacy::refuse_mixing(
        &[
            ("AttributesToGet", request.attributes_to_get.is_some()),
            ("QueryFilter", request.query_filter.is_some()),
            ("ConditionalOperator", request.conditional_operator.is_some()),
            // Key conditions of the old kind go along with the other expressions.
            ("KeyConditions", request.key_conditions.is_some() && request.key_condition_expression.is_some()),
        ],
        &[
            ("ProjectionExpression", request.projection_expression.is_some()),
            ("FilterExpression", request.filter_expression.is_some()),
            ("KeyConditionExpression", request.key_condition_expression.is_some()),
        ],
    )?;
    parameters::prepare(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_mut(),
        None,
    )?;
    parameters::prepare_conditions(request.query_filter.as_mut())?;
    parameters::prepare_conditions(request.key_conditions.as_mut())?;
    if let Some(start) = &mut request.exclusive_start_key {
        validate::normalise_item(start)?;
    }

    let mut placeholders =
        Placeholders::new(request.expression_attribute_names.as_ref(), request.expression_attribute_values.as_ref());
    if request.filter_expression.is_none()
        && request.key_condition_expression.is_none()
        && request.projection_expression.is_none()
    {
        placeholders.refuse_without_expressions("FilterExpression and KeyConditionExpression are null")?;
    }
    let filter = parameters::filter(
        request.query_filter.as_ref(),
        request.conditional_operator.as_ref(),
        request.filter_expression.as_deref(),
        &mut placeholders,
    )?;
    let projection = parameters::projection(
        request.attributes_to_get.as_deref(),
        request.projection_expression.as_deref(),
        &mut placeholders,
    )?;
    let terms = match (&request.key_condition_expression, &request.key_conditions) {
        (Some(expression), _) => key_condition::parse(expression, &mut placeholders)?,
        (None, Some(conditions)) => conditions
            .iter()
            .map(|(attribute, condition)| {
                let values = condition.attribute_value_list.as_deref().unwrap_or_default();
                legacy::key_term(attribute, condition.comparison_operator.as_str(), values)
            })
            .collect::<Result<_, _>>()?,
        (None, None) => {
            return Err(Invalid::new(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            )
            .into());
        }
    };
    placeholders.finish()?;

    let table = db.table(cx, &request.table_name)?;
    let source = Source::new(
        "Query",
        &table,
        request.index_name.as_deref(),
        request.consistent_read == Some(true),
        cx.now().millis(),
    )?;
    let keys = source.keys();
    let meant = key_condition::resolve(&terms, keys)?;
    if let Some(attribute) = filter.as_ref().and_then(|filter| filter.find_attribute(&|name| keys.contains(name))) {
        let parameter = if request.filter_expression.is_some() { "Filter Expression" } else { "QueryFilter" };
        return Err(Invalid(format!(
            "{parameter} can only contain non-primary key attributes: Primary key attribute: {attribute}"
        ))
        .into());
    }
    let mut range = range_of(&source, &meant);
    let backward = request.scan_index_forward == Some(false);
    if let Some(start) = &request.exclusive_start_key {
        if !source.has_keys_of(start) {
            return Err(Invalid::new("The provided starting key is invalid").into());
        }
        let start = source.start(start)?;
        if !contains(&range, &start) {
            let partition = partition(table.number, source.number(), &meant.hash);
            return Err(Invalid::new(match start.starts_with(&partition) {
                true => "The provided starting key does not match the range key predicate",
                false => "The provided starting key is outside query boundaries based on provided conditions",
            })
            .into());
        }
        match backward {
            true => range.to = Bound::Excluded(start),
            false => range.from = Bound::Excluded(start),
        }
    }
    let asked = Asked {
        range,
        backward,
        select: request.select.as_ref(),
        old: request.attributes_to_get.is_some(),
        limit: request.limit,
        filter: filter.as_ref(),
        projection: projection.as_ref(),
    };
    let (wanted, page) = source.page(db, cx, asked)?;
    Ok(api::QueryOutput {
        items: wanted.items.then(|| Deferred::new(page.items)),
        count: Some(page.count),
        scanned_count: Some(page.scanned),
        last_evaluated_key: page.last,
        consumed_capacity: page.consumed.report(&table, &request.table_name, request.return_consumed_capacity.as_ref()),
    })
}

/// The part of the store that a key condition means.
pub fn range_of(source: &Source<'_>, meant: &key_condition::Range) -> Range {
    let partition = partition(source.table.number, source.number(), &meant.hash);
    Range {
        from: Bound::Included([partition.as_slice(), &meant.from].concat()),
        to: match &meant.to {
            Some(to) => Bound::Excluded([partition.as_slice(), to].concat()),
            None => after_prefix(&partition).map_or(Bound::Unbounded, Bound::Excluded),
        },
    }
}

fn contains(range: &Range, key: &[u8]) -> bool {
    let after_start = match &range.from {
        Bound::Included(from) => key >= from.as_slice(),
        Bound::Excluded(from) => key > from.as_slice(),
        Bound::Unbounded => true,
    };
    let before_end = match &range.to {
        Bound::Included(to) => key <= to.as_slice(),
        Bound::Excluded(to) => key < to.as_slice(),
        Bound::Unbounded => true,
    };
    after_start && before_end
}

/// What is read: a table, or one of its indexes.
pub struct Source<'a> {
    pub table: &'a Table,
    pub index: Option<&'a Index>,
    pub read: Read,
}

/// A page that Query or Scan asks for.
pub struct Asked<'a> {
    pub range: Range,
    pub backward: bool,
    pub select: Option<&'a api::Select>,
    /// The projection came as `AttributesToGet`.
    pub old: bool,
    pub limit: Option<i32>,
    pub filter: Option<&'a Condition<'a>>,
    pub projection: Option<&'a Projection<'a>>,
}

/// What of it is wanted.
pub struct Wanted {
    pub items: bool,
    pub fetches: bool,
}

impl<'a> Source<'a> {
    /// The table or one of its indexes, to be read by the operation of this name.
    pub fn new(
        operation: &str,
        table: &'a Table,
        index: Option<&str>,
        consistent: bool,
        now: i64,
    ) -> Result<Source<'a>, Invalid> {
        if index.is_some_and(|name| table.vector(name).is_some()) {
            return Err(Invalid(format!("{operation} operation not supported on this index type.")));
        }
        let index = match index {
            Some(name) => Some(
                table
                    .index(name)
                    .ok_or_else(|| Invalid(format!("The table does not have the specified index: {name}")))?,
            ),
            None => None,
        };
        if let Some(index) = index {
            if index.backfill.is_some() || table.is_building(index.number, now) {
                return Err(Invalid(format!("Cannot read from backfilling global secondary index: {}", index.name)));
            }
            if consistent && index.scope == Scope::Global {
                return Err(Invalid::new("Consistent reads are not supported on global secondary indexes"));
            }
        }
        Ok(Source { table, index, read: Read::consistent(consistent) })
    }

    pub fn keys(&self) -> &'a KeySchema {
        self.index.map_or(&self.table.keys, |index| &index.keys)
    }

    pub fn number(&self) -> u16 {
        self.index.map_or(PRIMARY, |index| index.number)
    }

    /// Whether a position names the keys of the table and of the index, and nothing else.
    pub fn has_keys_of(&self, position: &Item) -> bool {
        let schemas = || std::iter::once(&self.table.keys).chain(self.index.map(|index| &index.keys));
        schemas().flat_map(KeySchema::attributes).all(|attribute| position.contains_key(&attribute.name))
            && position.keys().all(|name| schemas().any(|keys| keys.contains(name)))
    }

    /// Where the given position is in the store.
    pub fn start(&self, position: &Item) -> Result<Vec<u8>, Invalid> {
        self.table
            .keys
            .check_key(&self.table.keys.of(position))
            .map_err(|Invalid(reason)| Invalid(format!("The provided starting key is invalid: {reason}")))?;
        match self.index {
            Some(index) => self
                .table
                .entry_key(index, position)
                .ok_or_else(|| Invalid::new("The provided starting key is invalid")),
            None => self.table.item_key(position),
        }
    }

    /// Works out `Select`, and whether the index has all that it asks for.
    pub fn wanted(
        &self,
        select: Option<&api::Select>,
        projection: Option<&Projection<'_>>,
        legacy: bool,
    ) -> Result<Wanted, Invalid> {
        let parameter = if legacy { "AttributesToGet" } else { "ProjectionExpression" };
        let refuse_projection = |purpose: &str| match projection {
            Some(_) => Err(Invalid(format!("Cannot specify the {parameter} when choosing to get {purpose}"))),
            None => Ok(()),
        };
        match select {
            Some(api::Select::Count) => {
                refuse_projection("only the Count")?;
                return Ok(Wanted { items: false, fetches: false });
            }
            Some(api::Select::AllAttributes) => {
                refuse_projection("ALL_ATTRIBUTES")?;
                let partial = self.index.filter(|index| index.projection != Projected::All);
                if let Some(index) = partial
                    && index.scope == Scope::Global
                {
                    return Err(Invalid::values(format!(
                        "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its \
                         projection type is not ALL",
                        index.name
                    )));
                }
                return Ok(Wanted { items: true, fetches: partial.is_some() });
            }
            Some(api::Select::AllProjectedAttributes) => {
                refuse_projection("ALL_PROJECTED_ATTRIBUTES")?;
                if self.index.is_none() {
                    return Err(Invalid::new(
                        "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                    ));
                }
            }
            Some(api::Select::SpecificAttributes) if projection.is_none() => {
                return Err(Invalid::new(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to get \
                     SPECIFIC_ATTRIBUTES",
                ));
            }
            _ => {}
        }
        let missing: Vec<&str> = match (self.index, projection) {
            (Some(index), Some(projection)) => {
                let roots = projection.paths.iter().map(|path| path.root);
                roots.filter(|root| !self.table.projects(index, root)).collect()
            }
            _ => Vec::new(),
        };
        match self.index {
            Some(index) if !missing.is_empty() && index.scope == Scope::Global => Err(Invalid::values(format!(
                "Global secondary index {} does not project [{}]",
                index.name,
                missing.join(", ")
            ))),
            _ => Ok(Wanted { items: true, fetches: !missing.is_empty() }),
        }
    }

    /// Reads a page, and charges for it.
    pub fn page(&self, db: &DynamoDb, cx: &Context, asked: Asked<'_>) -> Result<(Wanted, Page), Error> {
        let wanted = self.wanted(asked.select, asked.projection, asked.old)?;
        let reading = Reading {
            table: self.table,
            index: self.index,
            range: asked.range,
            backward: asked.backward,
            limit: asked.limit.and_then(|limit| usize::try_from(limit).ok()),
            filter: asked.filter,
            projection: asked.projection,
            wants_items: wanted.items,
            fetches: wanted.fetches || self.must_fetch_for(asked.filter),
            read: self.read,
        };
        db.admit_read(cx, self.table, self.number())?;
        let page = reading.page(&cx.store().snapshot())?;
        db.charge(cx, self.table, Direction::Read, &page.consumed);
        Ok((wanted, page))
    }

    /// Whether a filter looks at what a local index does not hold.
    pub fn must_fetch_for(&self, filter: Option<&Condition<'_>>) -> bool {
        match (self.index, filter) {
            (Some(index), Some(filter)) if index.scope == Scope::Local => {
                filter.find_attribute(&|name| !self.table.projects(index, name)).is_some()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::{Value, json};

    /// Twelve items in two partitions, with a global and a local index on `kind` and `rank`.
    fn bench() -> Bench {
        let bench = Bench::new();
        let key = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        bench.ok(
            "CreateTable",
            json!({
                "TableName": "tab",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    { "AttributeName": "pk", "AttributeType": "S" }, { "AttributeName": "sk", "AttributeType": "S" },
                    { "AttributeName": "kind", "AttributeType": "S" }, { "AttributeName": "rank", "AttributeType": "N" },
                ],
                "KeySchema": key("pk", "sk"),
                "GlobalSecondaryIndexes": [
                    { "IndexName": "by-kind", "KeySchema": key("kind", "rank"), "Projection": { "ProjectionType": "KEYS_ONLY" } },
                ],
                "LocalSecondaryIndexes": [
                    { "IndexName": "by-rank", "KeySchema": key("pk", "rank"), "Projection": { "ProjectionType": "KEYS_ONLY" } },
                ],
            }),
        );
        for n in 0..12 {
            let kind = if n % 3 == 0 { "fizz" } else { "plain" };
            bench.put(
                if n % 2 == 0 { "even" } else { "odd" },
                &format!("{n:02}"),
                json!({ "kind": { "S": kind }, "rank": { "N": (20 - n).to_string() }, "text": { "S": "t" } }),
            );
        }
        bench
    }

    fn query(more: Value) -> Value {
        let mut request = json!({
            "TableName": "tab",
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": { ":pk": { "S": "even" } },
        });
        for (member, value) in more.as_object().unwrap() {
            request[member] = value.clone();
        }
        request
    }

    fn sort_keys(output: &Value) -> Vec<&str> {
        output["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect()
    }

    #[test]
    fn partitions_are_in_order() {
        let bench = bench();
        assert_eq!(sort_keys(&bench.ok("Query", query(json!({})))), ["00", "02", "04", "06", "08", "10"]);
        let backward = bench.ok("Query", query(json!({ "ScanIndexForward": false, "Limit": 2 })));
        assert_eq!(sort_keys(&backward), ["10", "08"]);
        assert_eq!(backward["LastEvaluatedKey"], json!({ "pk": { "S": "even" }, "sk": { "S": "08" } }));
        let rest = bench.ok(
            "Query",
            query(json!({ "ScanIndexForward": false, "ExclusiveStartKey": backward["LastEvaluatedKey"] })),
        );
        assert_eq!(sort_keys(&rest), ["06", "04", "02", "00"]);
        assert!(rest.get("LastEvaluatedKey").is_none());
        let range = bench.ok(
            "Query",
            query(json!({
                "KeyConditionExpression": "pk = :pk AND sk BETWEEN :a AND :b",
                "ExpressionAttributeValues": { ":pk": { "S": "even" }, ":a": { "S": "02" }, ":b": { "S": "07" } },
                "Select": "COUNT",
            })),
        );
        assert_eq!((&range["Count"], range.get("Items")), (&json!(3), None));
        let legacy = bench.ok(
            "Query",
            json!({
                "TableName": "tab",
                "KeyConditions": {
                    "pk": { "ComparisonOperator": "EQ", "AttributeValueList": [{ "S": "even" }] },
                    "sk": { "ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{ "S": "1" }] },
                },
            }),
        );
        assert_eq!(sort_keys(&legacy), ["10"]);
    }

    #[test]
    fn filters_come_after_the_limit() {
        let bench = bench();
        let output = bench.ok(
            "Query",
            query(json!({
                "FilterExpression": "kind = :k",
                "ExpressionAttributeValues": { ":pk": { "S": "even" }, ":k": { "S": "fizz" } },
                "Limit": 3,
                "ReturnConsumedCapacity": "TOTAL",
            })),
        );
        assert_eq!((sort_keys(&output), &output["ScannedCount"]), (vec!["00"], &json!(3)));
        assert_eq!(output["LastEvaluatedKey"]["sk"], json!({ "S": "04" }));
        assert_eq!(output["ConsumedCapacity"]["CapacityUnits"], json!(0.5));
        assert_eq!(
            bench.invalid(
                "Query",
                query(json!({
                    "FilterExpression": "sk = :k",
                    "ExpressionAttributeValues": { ":pk": { "S": "even" }, ":k": { "S": "fizz" } },
                }))
            ),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
        );
    }

    #[test]
    fn indexes_have_their_own_order() {
        let bench = bench();
        let by_kind = |more: Value| {
            let mut request = query(json!({
                "IndexName": "by-kind",
                "KeyConditionExpression": "kind = :pk AND #r > :low",
                "ExpressionAttributeNames": { "#r": "rank" },
                "ExpressionAttributeValues": { ":pk": { "S": "fizz" }, ":low": { "N": "9" } },
            }));
            for (member, value) in more.as_object().unwrap() {
                request[member] = value.clone();
            }
            request
        };
        let output = bench.ok("Query", by_kind(json!({ "Limit": 2 })));
        assert_eq!(sort_keys(&output), ["09", "06"], "ranks 11 and 14");
        assert!(output["Items"][0].get("text").is_none(), "only keys are projected");
        assert_eq!(output["LastEvaluatedKey"].as_object().unwrap().len(), 4);
        let rest = bench.ok("Query", by_kind(json!({ "ExclusiveStartKey": output["LastEvaluatedKey"] })));
        assert_eq!(sort_keys(&rest), ["03", "00"]);
        assert_eq!(
            bench.invalid("Query", by_kind(json!({ "ConsistentRead": true }))),
            "Consistent reads are not supported on global secondary indexes"
        );
        assert_eq!(
            bench.invalid("Query", by_kind(json!({ "Select": "ALL_ATTRIBUTES" }))),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
             secondary index by-kind because its projection type is not ALL"
        );
        assert_eq!(
            bench.invalid("Query", query(json!({ "IndexName": "none" }))),
            "The table does not have the specified index: none"
        );
    }

    #[test]
    fn local_indexes_fetch_what_they_lack() {
        let bench = bench();
        let by_rank = |select: &str| {
            bench.ok(
                "Query",
                query(json!({ "IndexName": "by-rank", "Select": select, "ReturnConsumedCapacity": "INDEXES" })),
            )
        };
        let projected = by_rank("ALL_PROJECTED_ATTRIBUTES");
        assert_eq!(sort_keys(&projected), ["10", "08", "06", "04", "02", "00"]);
        assert!(projected["Items"][0].get("text").is_none());
        let whole = by_rank("ALL_ATTRIBUTES");
        assert_eq!(whole["Items"][0]["text"], json!({ "S": "t" }));
        let capacity = &whole["ConsumedCapacity"];
        assert_eq!(capacity["Table"]["CapacityUnits"], json!(3.0));
        assert_eq!(capacity["LocalSecondaryIndexes"]["by-rank"]["CapacityUnits"], json!(0.5));
        assert_eq!(capacity["CapacityUnits"], json!(3.5));
    }

    #[test]
    fn starting_keys_are_checked() {
        let bench = bench();
        let start = |key: Value| bench.invalid("Query", query(json!({ "ExclusiveStartKey": key })));
        assert_eq!(
            start(json!({ "pk": { "S": "odd" }, "sk": { "S": "01" } })),
            "The provided starting key is outside query boundaries based on provided conditions"
        );
        assert_eq!(start(json!({ "pk": { "S": "even" } })), "The provided starting key is invalid");
        let narrow = json!({
            "KeyConditionExpression": "pk = :pk AND sk > :sk",
            "ExpressionAttributeValues": { ":pk": { "S": "even" }, ":sk": { "S": "04" } },
            "ExclusiveStartKey": { "pk": { "S": "even" }, "sk": { "S": "02" } },
        });
        assert_eq!(
            bench.invalid("Query", query(narrow)),
            "The provided starting key does not match the range key predicate"
        );
        assert_eq!(
            start(json!({ "pk": { "S": "even" }, "sk": { "N": "1" } })),
            "The provided starting key is invalid: The provided key element does not match the schema"
        );
        assert_eq!(
            start(json!({ "pk": { "S": "even" }, "sk": { "S": "01" }, "x": { "S": "01" } })),
            "The provided starting key is invalid"
        );
    }

    #[test]
    fn pages_end_at_a_megabyte() {
        let bench = Bench::with_table();
        for n in 0..4 {
            bench.put("even", &n.to_string(), json!({ "text": { "S": "x".repeat(300_000) } }));
        }
        let first = bench.ok("Query", query(json!({})));
        assert_eq!(sort_keys(&first), ["0", "1", "2"]);
        let rest = bench.ok("Query", query(json!({ "ExclusiveStartKey": first["LastEvaluatedKey"] })));
        assert_eq!((sort_keys(&rest), rest.get("LastEvaluatedKey")), (vec!["3"], None));
    }

    #[test]
    fn keys_of_several_attributes() {
        let bench = Bench::new();
        let attribute =
            |name: &str| json!({ "AttributeName": name, "AttributeType": if name == "seat" { "N" } else { "S" } });
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let names = ["pk", "city", "hall", "day", "seat"];
        let keys = [key("city", "HASH"), key("hall", "HASH"), key("day", "RANGE"), key("seat", "RANGE")];
        let create = |table: &str, keys: &[Value]| {
            bench.call(
                "CreateTable",
                json!({
                    "TableName": table,
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": names.map(attribute),
                    "KeySchema": [key("pk", "HASH")],
                    "GlobalSecondaryIndexes": [
                        { "IndexName": "places", "KeySchema": keys, "Projection": { "ProjectionType": "ALL" } },
                    ],
                }),
            )
        };
        let mixed = [key("city", "HASH"), key("day", "RANGE"), key("hall", "HASH"), key("seat", "RANGE")];
        assert!(create("bad", &mixed).unwrap_err().message.contains("must come before"));
        let made = create("tab", &keys).unwrap();
        assert_eq!(made["TableDescription"]["GlobalSecondaryIndexes"][0]["KeySchema"], json!(keys));
        for n in 0..12 {
            let mut item = json!({
                "pk": { "S": n.to_string() }, "city": { "S": "Bonn" }, "hall": { "S": if n % 2 == 0 { "A" } else { "B" } },
                "day": { "S": format!("d{}", n / 6) }, "seat": { "N": n.to_string() },
            });
            if n == 10 {
                item.as_object_mut().unwrap().remove("hall");
            }
            bench.ok("PutItem", json!({ "TableName": "tab", "Item": item }));
        }
        let query = |condition: &str, more: Value| {
            let all = json!({
                ":c": { "S": "Bonn" }, ":h": { "S": "A" }, ":d": { "S": "d0" }, ":e": { "S": "d" }, ":s": { "N": "2" },
            });
            let used = all.as_object().unwrap().iter().filter(|(name, _)| condition.contains(name.as_str()));
            let mut request = json!({
                "TableName": "tab", "IndexName": "places", "KeyConditionExpression": condition,
                "ExpressionAttributeValues": used.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>(),
            });
            for (name, value) in more.as_object().unwrap() {
                request[name] = value.clone();
            }
            bench.call("Query", request).map(|page| {
                let items = page["Items"].as_array().unwrap().clone();
                let found: Vec<_> = items.iter().map(|item| item["pk"]["S"].as_str().unwrap().to_owned()).collect();
                (found.join(" "), page.get("LastEvaluatedKey").cloned().unwrap_or_default())
            })
        };
        let found = |condition: &str| query(condition, json!({})).unwrap().0;
        assert_eq!(found("city = :c AND hall = :h"), "0 2 4 6 8");
        let by_day = json!({ "ExpressionAttributeNames": { "#d": "day" } });
        let found_by_day = |condition: &str| query(condition, by_day.clone()).map(|(found, _)| found);
        assert_eq!(found_by_day("city = :c AND hall = :h AND #d = :d").unwrap(), "0 2 4");
        assert_eq!(found_by_day("city = :c AND hall = :h AND begins_with(#d, :e)").unwrap(), "0 2 4 6 8");
        assert_eq!(found_by_day("city = :c AND hall = :h AND #d = :d AND seat >= :s").unwrap(), "2 4");
        assert!(found_by_day("city = :c AND #d = :d").unwrap_err().message.ends_with("key schema element: hall"));
        assert!(found_by_day("city = :c AND hall = :h AND #d > :d AND seat = :s").is_err());
        assert!(query("city = :c AND hall = :h AND seat = :s", json!({})).is_err());
        let (first, last) = query("city = :c AND hall = :h", json!({ "Limit": 3 })).unwrap();
        assert_eq!((first.as_str(), last.as_object().unwrap().len()), ("0 2 4", 5));
        let (rest, _) = query("city = :c AND hall = :h", json!({ "ExclusiveStartKey": last })).unwrap();
        assert_eq!(rest, "6 8");
    }
}
