//! TransactWriteItems and TransactGetItems: all of the items, or none.
//!
//! Store transactions are serialised, so transactions never conflict; what cancels one is its own conditions.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use dynamodb_api as api;
use service::{Context, operation};
use store::{Range, Transaction};

use crate::DynamoDb;
use crate::access;
use crate::capacity::{Consumed, Direction};
use crate::error::{CancellationReason, Error, Invalid};
use crate::expression::{Condition, Kind, Placeholders, Update};
use crate::ops::item::{collection_metrics, projected, wants_old_on_failure};
use crate::parameters::{self, Names, Values};
use crate::size::{self, Read, Units};
use crate::table::{PRIMARY, Table};
use crate::validate;
use crate::value::Item;
use crate::write::{Action, Failure, Write, Writer, check_put, check_update};

/// The most that the items of one transaction may weigh together.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long a client token stands for the request that brought it.
const TOKEN_MILLIS: i64 = 10 * 60 * 1000;
const TOKENS: &str = "dynamodb/token/";
const TOKEN_ENDS: &str = "dynamodb/token-end/";
/// How many tokens past their time one transaction clears away.
const TOKENS_CLEARED: usize = 16;

/// One of the kinds of members of a transaction, in a common form.
pub struct Member<'a> {
    pub table: &'a str,
    /// The key; the whole item where it is put.
    pub item: Cow<'a, Item>,
    pub kind: MemberKind,
    pub update: Option<Update<'a>>,
    pub condition: Option<Condition<'a>>,
    pub wants_old_on_failure: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub enum MemberKind {
    Put,
    /// A put that must not find an item.
    Insert,
    Delete,
    Update,
    Check,
}

operation! {
    DynamoDb, api::TransactWriteItems,
    access: |db, cx, request| {
        let members = request.transact_items.iter().map(|item| {
            let (action, table, item) = target(item);
            let access = access::to_items(db, cx, action, table, item.into_iter())?;
            Ok::<_, Error>(access.with("dynamodb:EnclosingOperation", "TransactWriteItems"))
        });
        members.collect::<Result<Vec<_>, _>>()
    },
    handler: transact_write_items
}

async fn transact_write_items(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::TransactWriteItemsInput,
) -> Result<api::TransactWriteItemsOutput, Error> {
    let token = request.client_request_token.take().map(|token| Token::new(token, &request.transact_items));
    let mut bytes = 0;
    for item in &mut request.transact_items {
        bytes += prepare(item)?;
    }
    if bytes > MAX_BYTES {
        return Err(Invalid::new("Collection size of items in the transaction exceeds the limit of 4 MB").into());
    }
    let members = request.transact_items.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let names = distinct_names(members.iter().map(|member| member.table));
    if db.throttle.is_some() {
        let tables = members.iter().map(|member| db.table(cx, member.table)).collect::<Result<Vec<_>, _>>()?;
        refuse_throttled(tables.iter().map(|table| db.admit_write(cx, table)))?;
    }

    let (tables, consumed) = db.write_all(cx, &names, |tables, writer| {
        writer.transactional = true;
        tables.iter().try_for_each(|table| table.refuse_if_strong("TransactWriteItems"))?;
        let tables = Tables { names: &names, tables };
        check_distinct(members.iter().map(|member| (tables.of(member.table).1, member.item.as_ref())))?;
        let mut transaction = Performed::new(tables, members.len());
        if let Some(token) = &token
            && !token.register(writer.transaction(), cx)?
        {
            return transaction.repeat(writer, &members);
        }
        members.iter().try_for_each(|member| transaction.perform(writer, member))?;
        transaction.finish()
    })?;

    let capacity = report(&tables, &consumed, request.return_consumed_capacity.as_ref());
    let mut metrics: BTreeMap<String, Vec<api::ItemCollectionMetrics>> = BTreeMap::new();
    for member in &members {
        let table = &tables[names.binary_search(&member.table).unwrap_or_default()];
        let wanted = request.return_item_collection_metrics.as_ref();
        if let Some(one) = collection_metrics(cx, table, &member.item, wanted)? {
            metrics.entry(member.table.to_owned()).or_default().push(one);
        }
    }
    Ok(api::TransactWriteItemsOutput {
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
        item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
    })
}

/// Cancels a transaction where one of its members is not let in.
fn refuse_throttled(admissions: impl Iterator<Item = Result<(), Error>>) -> Result<(), Error> {
    let reason = |admitted: Result<(), Error>| match admitted {
        Ok(()) => CancellationReason::none(),
        Err(error) => CancellationReason::throttled(error),
    };
    let reasons: Vec<CancellationReason> = admissions.map(reason).collect();
    match reasons.iter().any(CancellationReason::cancels) {
        true => Err(Error::cancelled(&reasons)),
        false => Ok(()),
    }
}

/// Names of tables, sorted, each once.
pub fn distinct_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The tables of a transaction by their names, which are sorted.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    pub names: &'a [&'a str],
    pub tables: &'a [Arc<Table>],
}

impl<'a> Tables<'a> {
    pub fn of(&self, name: &str) -> (usize, &'a Table) {
        let at = self.names.binary_search(&name).unwrap_or_default();
        (at, &self.tables[at])
    }
}

/// What the members of a transaction came to so far.
pub struct Performed<'a> {
    tables: Tables<'a>,
    pub consumed: Vec<Consumed>,
    reasons: Vec<CancellationReason>,
}

impl<'a> Performed<'a> {
    pub fn new(tables: Tables<'a>, members: usize) -> Self {
        let consumed = vec![Consumed::default(); tables.tables.len()];
        Performed { tables, consumed, reasons: Vec::with_capacity(members) }
    }

    pub fn refuse(&mut self, Invalid(message): Invalid) {
        self.reasons.push(CancellationReason::validation(message));
    }

    pub fn perform(&mut self, writer: &mut Writer<'_, '_>, member: &Member<'_>) -> Result<(), Failure> {
        let (at, table) = self.tables.of(member.table);
        let write = Write {
            key: &member.item,
            action: member.action(),
            condition: member.condition.as_ref(),
            wants_old: false,
            wants_old_on_failure: member.wants_old_on_failure,
        };
        let result = check(table, member).map_err(Failure::from).and_then(|()| writer.perform(table, &write));
        self.reasons.push(match result {
            Ok(outcome) => {
                self.consumed[at].merge(&outcome.consumed.doubled());
                CancellationReason::none()
            }
            Err(Failure::Condition(item)) if member.kind == MemberKind::Insert => CancellationReason::duplicate(item),
            Err(Failure::Condition(item)) => CancellationReason::condition(item),
            Err(Failure::Error(Error::Validation(message))) => CancellationReason::validation(message),
            Err(Failure::Error(Error::ItemCollectionSizeLimitExceeded(message))) => {
                CancellationReason::collection(message)
            }
            Err(failure) => return Err(failure),
        });
        Ok(())
    }

    pub fn finish(self) -> Result<Done, Failure> {
        match self.reasons.iter().any(CancellationReason::cancels) {
            true => Err(Error::cancelled(&self.reasons).into()),
            false => Ok(Done { consumed: self.consumed, direction: Direction::Write }),
        }
    }

    /// What it costs to see that a transaction was carried out before: its items are read.
    pub fn repeat(mut self, writer: &mut Writer<'_, '_>, members: &[Member<'_>]) -> Result<Done, Failure> {
        for member in members {
            let (at, table) = self.tables.of(member.table);
            let record = writer.transaction().get(&table.item_key(&member.item)?)?;
            let weight = record.as_ref().map(crate::codec::weight).transpose()?.unwrap_or(0);
            self.consumed[at].merge(&Consumed::on_table(Units::read(weight, Read::Transactional)));
        }
        Ok(Done { consumed: self.consumed, direction: Direction::Read })
    }
}

/// What a transaction consumed, table by table.
pub struct Done {
    pub consumed: Vec<Consumed>,
    pub direction: Direction,
}

/// The capacity that a transaction consumed, as it is reported.
pub fn report(
    tables: &[Arc<Table>],
    done: &Done,
    wanted: Option<&api::ReturnConsumedCapacity>,
) -> Vec<api::ConsumedCapacity> {
    let capacity = tables.iter().zip(&done.consumed);
    capacity.filter_map(|(table, consumed)| consumed.report_as(table, wanted, Some(done.direction))).collect()
}

/// The action that a member needs, its table and its item.
fn target(item: &api::TransactWriteItem) -> (&'static str, &str, Option<&Item>) {
    if let Some(check) = &item.condition_check {
        return ("dynamodb:ConditionCheckItem", &check.table_name, Some(&check.key));
    }
    if let Some(put) = &item.put {
        return ("dynamodb:PutItem", &put.table_name, Some(&put.item));
    }
    if let Some(delete) = &item.delete {
        return ("dynamodb:DeleteItem", &delete.table_name, Some(&delete.key));
    }
    match &item.update {
        Some(update) => ("dynamodb:UpdateItem", &update.table_name, Some(&update.key)),
        None => ("dynamodb:UpdateItem", "", None),
    }
}

/// Brings the values of a member into normal form; returns what it weighs.
fn prepare(item: &mut api::TransactWriteItem) -> Result<usize, Invalid> {
    let given = [item.condition_check.is_some(), item.put.is_some(), item.delete.is_some(), item.update.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(Invalid::new("TransactItems can only contain one of Check, Put, Update or Delete"));
    }
    if let Some(check) = &mut item.condition_check {
        let names = check.expression_attribute_names.as_ref();
        return prepare_parts(names, check.expression_attribute_values.as_mut(), &mut check.key);
    }
    if let Some(put) = &mut item.put {
        let names = put.expression_attribute_names.as_ref();
        return prepare_parts(names, put.expression_attribute_values.as_mut(), &mut put.item);
    }
    if let Some(delete) = &mut item.delete {
        let names = delete.expression_attribute_names.as_ref();
        return prepare_parts(names, delete.expression_attribute_values.as_mut(), &mut delete.key);
    }
    if let Some(update) = &mut item.update {
        let names = update.expression_attribute_names.as_ref();
        return prepare_parts(names, update.expression_attribute_values.as_mut(), &mut update.key);
    }
    Ok(0)
}

fn prepare_parts(names: Option<&Names>, values: Option<&mut Values>, item: &mut Item) -> Result<usize, Invalid> {
    parameters::prepare(names, values, None)?;
    validate::normalise_item(item)?;
    Ok(size::item(item))
}

fn parse(item: &api::TransactWriteItem) -> Result<Member<'_>, Invalid> {
    if let Some(check) = &item.condition_check {
        let mut placeholders =
            Placeholders::new(check.expression_attribute_names.as_ref(), check.expression_attribute_values.as_ref());
        let condition = Condition::parse(Kind::Condition, &check.condition_expression, &mut placeholders)?;
        placeholders.finish()?;
        return Ok(Member {
            table: &check.table_name,
            item: Cow::Borrowed(&check.key),
            kind: MemberKind::Check,
            update: None,
            condition: Some(condition),
            wants_old_on_failure: wants_old_on_failure(check.return_values_on_condition_check_failure.as_ref()),
        });
    }
    if let Some(put) = &item.put {
        let mut placeholders =
            Placeholders::new(put.expression_attribute_names.as_ref(), put.expression_attribute_values.as_ref());
        let condition = optional_condition(put.condition_expression.as_deref(), &mut placeholders)?;
        return Ok(Member {
            table: &put.table_name,
            item: Cow::Borrowed(&put.item),
            kind: MemberKind::Put,
            update: None,
            condition,
            wants_old_on_failure: wants_old_on_failure(put.return_values_on_condition_check_failure.as_ref()),
        });
    }
    if let Some(delete) = &item.delete {
        let mut placeholders =
            Placeholders::new(delete.expression_attribute_names.as_ref(), delete.expression_attribute_values.as_ref());
        let condition = optional_condition(delete.condition_expression.as_deref(), &mut placeholders)?;
        return Ok(Member {
            table: &delete.table_name,
            item: Cow::Borrowed(&delete.key),
            kind: MemberKind::Delete,
            update: None,
            condition,
            wants_old_on_failure: wants_old_on_failure(delete.return_values_on_condition_check_failure.as_ref()),
        });
    }
    let Some(update) = &item.update else {
        return Err(Invalid::new("TransactItems can only contain one of Check, Put, Update or Delete"));
    };
    let mut placeholders =
        Placeholders::new(update.expression_attribute_names.as_ref(), update.expression_attribute_values.as_ref());
    let tree = Update::parse(&update.update_expression, &mut placeholders)?;
    let condition = match &update.condition_expression {
        Some(expression) => Some(Condition::parse(Kind::Condition, expression, &mut placeholders)?),
        None => None,
    };
    placeholders.finish()?;
    Ok(Member {
        table: &update.table_name,
        item: Cow::Borrowed(&update.key),
        kind: MemberKind::Update,
        update: Some(tree),
        condition,
        wants_old_on_failure: wants_old_on_failure(update.return_values_on_condition_check_failure.as_ref()),
    })
}

/// Transactions, unlike single writes, accept placeholders where there is no expression to use them.
fn optional_condition<'a>(
    expression: Option<&'a str>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<Condition<'a>>, Invalid> {
    let Some(expression) = expression else { return Ok(None) };
    let condition = Condition::parse(Kind::Condition, expression, placeholders)?;
    placeholders.finish()?;
    Ok(Some(condition))
}

impl Member<'_> {
    pub fn action(&self) -> Action<'_> {
        match (self.kind, &self.update) {
            (MemberKind::Put | MemberKind::Insert, _) => Action::Put,
            (MemberKind::Delete, _) => Action::Delete,
            (_, Some(update)) => Action::Update(update),
            (_, None) => Action::Check,
        }
    }
}

fn check(table: &Table, member: &Member<'_>) -> Result<(), Invalid> {
    match (member.kind, &member.update) {
        (MemberKind::Put | MemberKind::Insert, _) => check_put(table, &member.item),
        (_, update) => {
            table.keys.check_key(&member.item)?;
            update.iter().try_for_each(|update| check_update(table, update))
        }
    }
}

pub fn check_distinct<'a>(items: impl Iterator<Item = (&'a Table, &'a Item)>) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for (table, item) in items {
        // Items without a proper key are complained about one by one.
        if let Ok(key) = table.item_key(item)
            && !seen.insert(key)
        {
            return Err(Invalid::new("Transaction request cannot include multiple operations on one item"));
        }
    }
    Ok(())
}

/// A client's token, and what tells two requests with the same token apart.
pub struct Token {
    text: String,
    fingerprint: u64,
}

impl Token {
    pub fn new(text: String, request: &impl std::fmt::Debug) -> Token {
        let mut hasher = DefaultHasher::new();
        format!("{request:?}").hash(&mut hasher);
        Token { text, fingerprint: hasher.finish() }
    }

    /// Notes that the token was used; false if the same request was carried out under it before.
    pub fn register(&self, transaction: &mut Transaction<'_>, cx: &Context) -> Result<bool, Error> {
        let now = cx.now().millis();
        clear_tokens(transaction, now)?;
        let key = format!("{TOKENS}{}/{}/{}", cx.account(), cx.region(), self.text).into_bytes();
        let record = transaction.get(&key)?;
        if let Some((end, known)) = record.as_ref().and_then(|record| record.split_first_chunk::<8>()) {
            if i64::from_be_bytes(*end) > now {
                let same = known == self.fingerprint.to_be_bytes();
                return if same { Ok(false) } else { Err(mismatch()) };
            }
            transaction.delete([TOKEN_ENDS.as_bytes(), end, &key].concat());
        }
        let end = now.saturating_add(TOKEN_MILLIS).to_be_bytes();
        transaction.put([TOKEN_ENDS.as_bytes(), &end, &key].concat(), Vec::new());
        transaction.put(key, [end, self.fingerprint.to_be_bytes()].concat());
        Ok(true)
    }
}

fn mismatch() -> Error {
    Error::IdempotentParameterMismatch(
        "The request was rejected because the client token was used with other parameters before".to_owned(),
    )
}

fn clear_tokens(transaction: &mut Transaction<'_>, now: i64) -> Result<(), Error> {
    let passed = Range::prefix(TOKEN_ENDS).before([TOKEN_ENDS.as_bytes(), &now.to_be_bytes()].concat());
    for (mark, _) in transaction.scan(passed, TOKENS_CLEARED)? {
        let key = mark.slice((TOKEN_ENDS.len() + 8).min(mark.len())..);
        transaction.delete(key);
        transaction.delete(mark);
    }
    Ok(())
}

operation! {
    DynamoDb, api::TransactGetItems,
    access: |db, cx, request| {
        let members = request.transact_items.iter().map(|item| {
            let get = &item.get;
            let access = access::to_item(db, cx, "dynamodb:GetItem", &get.table_name, &get.key)?
                .with("dynamodb:EnclosingOperation", "TransactGetItems");
            let names = get.expression_attribute_names.as_ref();
            Ok::<_, Error>(access::with_projection(access, None, get.projection_expression.as_deref(), names))
        });
        members.collect::<Result<Vec<_>, _>>()
    },
    handler: transact_get_items
}

async fn transact_get_items(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::TransactGetItemsInput,
) -> Result<api::TransactGetItemsOutput, Error> {
    for item in &mut request.transact_items {
        parameters::prepare(item.get.expression_attribute_names.as_ref(), None, None)?;
        validate::normalise_item(&mut item.get.key)?;
    }
    let gets: Vec<&api::Get> = request.transact_items.iter().map(|item| &item.get).collect();
    let mut projections = Vec::with_capacity(gets.len());
    let mut tables = Vec::with_capacity(gets.len());
    for get in &gets {
        let mut placeholders = Placeholders::new(get.expression_attribute_names.as_ref(), None);
        projections.push(parameters::projection(None, get.projection_expression.as_deref(), &mut placeholders)?);
        if get.projection_expression.is_some() {
            placeholders.finish()?;
        }
        tables.push(db.table(cx, &get.table_name)?);
        tables.iter().try_for_each(|table| table.refuse_if_strong("TransactGetItems"))?;
    }
    check_distinct(tables.iter().zip(&gets).map(|(table, get)| (table.as_ref(), &get.key)))?;
    let reasons: Vec<CancellationReason> = tables
        .iter()
        .zip(&gets)
        .map(|(table, get)| match table.keys.check_key(&get.key) {
            Ok(()) => CancellationReason::none(),
            Err(Invalid(message)) => CancellationReason::validation(message),
        })
        .collect();
    if reasons.iter().any(CancellationReason::cancels) {
        return Err(Error::cancelled(&reasons));
    }

    refuse_throttled(tables.iter().map(|table| db.admit_read(cx, table, PRIMARY)))?;
    let snapshot = cx.store().snapshot();
    let mut responses = Vec::with_capacity(gets.len());
    let mut consumed: BTreeMap<u64, (&Table, Consumed)> = BTreeMap::new();
    for ((get, table), projection) in gets.iter().zip(&tables).zip(&projections) {
        let record = snapshot.get(&table.item_key(&get.key)?)?;
        let (item, weight) = record.map(|record| crate::codec::decode(&record)).transpose()?.unzip();
        let units = Units::read(weight.unwrap_or(0), Read::Transactional);
        db.charge(cx, table, Direction::Read, &Consumed::on_table(units));
        consumed
            .entry(table.number)
            .or_insert_with(|| (table, Consumed::default()))
            .1
            .merge(&Consumed::on_table(units));
        responses.push(api::ItemResponse { item: item.map(|item| projected(projection.as_ref(), item)) });
    }
    let wanted = request.return_consumed_capacity.as_ref();
    let capacity: Vec<_> = consumed
        .values()
        .filter_map(|(table, consumed)| consumed.report_as(table, wanted, Some(Direction::Read)))
        .collect();
    Ok(api::TransactGetItemsOutput {
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
        responses: Some(responses),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use serde_json::{Value, json};

    fn key(sk: &str) -> Value {
        json!({ "pk": { "S": "a" }, "sk": { "S": sk } })
    }

    fn put(sk: &str) -> Value {
        json!({ "Put": { "TableName": "tab", "Item": key(sk) } })
    }

    fn check(sk: &str) -> Value {
        json!({ "ConditionCheck": {
            "TableName": "tab", "Key": key(sk), "ConditionExpression": "attribute_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } })
    }

    #[test]
    fn all_or_nothing() {
        let bench = Bench::with_table();
        let error = bench.call("TransactWriteItems", json!({ "TransactItems": [put("1"), check("2")] })).unwrap_err();
        assert_eq!(error.code, "TransactionCanceledException");
        assert!(error.message.ends_with("[None, ConditionalCheckFailed]"));
        assert!(bench.get("a", "1").is_null());
        let update = json!({ "Update": {
            "TableName": "tab", "Key": key("2"), "UpdateExpression": "SET v = :v",
            "ExpressionAttributeValues": { ":v": { "N": "1" } },
        } });
        let output = bench.ok(
            "TransactWriteItems",
            json!({ "TransactItems": [put("1"), update], "ReturnConsumedCapacity": "TOTAL" }),
        );
        assert_eq!(
            output["ConsumedCapacity"][0],
            json!({ "TableName": "tab", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0 })
        );
        let delete = json!({ "Delete": { "TableName": "tab", "Key": key("2") } });
        bench.ok("TransactWriteItems", json!({ "TransactItems": [check("1"), delete] }));
        assert!(bench.get("a", "2").is_null());
    }

    #[test]
    fn one_operation_an_item() {
        let bench = Bench::with_table();
        assert_eq!(
            bench.invalid("TransactWriteItems", json!({ "TransactItems": [put("1"), check("1")] })),
            "Transaction request cannot include multiple operations on one item"
        );
    }

    #[test]
    fn tokens_make_requests_idempotent() {
        let bench = Bench::with_table();
        let add = |n: &str| {
            bench.call(
                "TransactWriteItems",
                json!({
                    "ClientRequestToken": "token",
                    "TransactItems": [{ "Update": {
                        "TableName": "tab", "Key": key("1"), "UpdateExpression": "ADD v :n",
                        "ExpressionAttributeValues": { ":n": { "N": n } },
                    } }],
                }),
            )
        };
        add("1").unwrap();
        add("1").unwrap();
        assert_eq!(bench.get("a", "1")["v"], json!({ "N": "1" }));
        assert_eq!(add("2").unwrap_err().code, "IdempotentParameterMismatchException");
        bench.cloud.clock.advance(601_000);
        add("2").unwrap();
        assert_eq!(bench.get("a", "1")["v"], json!({ "N": "3" }));
    }

    #[test]
    fn reads_are_of_one_moment() {
        let bench = Bench::with_table();
        bench.put("a", "1", json!({ "v": { "N": "1" } }));
        let get = |sk: &str| json!({ "Get": { "TableName": "tab", "Key": key(sk), "ProjectionExpression": "v" } });
        let output = bench.ok(
            "TransactGetItems",
            json!({ "TransactItems": [get("1"), get("2")], "ReturnConsumedCapacity": "TOTAL" }),
        );
        assert_eq!(output["Responses"], json!([{ "Item": { "v": { "N": "1" } } }, {}]));
        assert_eq!(output["ConsumedCapacity"][0]["ReadCapacityUnits"], json!(4.0));
    }
}
