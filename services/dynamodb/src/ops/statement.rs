//! ExecuteStatement, and what it shares with the operations on several statements.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use dynamodb_api as api;
use service::{Access, Context, operation};
use store::Range;

use crate::DynamoDb;
use crate::access;
use crate::capacity::{Consumed, Direction};
use crate::codec;
use crate::error::{Error, Invalid};
use crate::expression::{Condition, Path, Update, key_condition};
use crate::ops::item::{returned, wants_old_on_failure};
use crate::ops::query::{Source, range_of};
use crate::ops::transaction::{Member, MemberKind};
use crate::partiql::plan::Plan;
use crate::partiql::statement::{Returning, Select};
use crate::partiql::{Statement, parse};
use crate::read::{Page, Reading, Stored};
use crate::table::{Table, index_prefix};
use crate::value::{AttributeValue, Item, compare};
use crate::write::{Action, Failure, Outcome, Write, Writer, check_put, check_update};

operation! {
    DynamoDb, api::ExecuteStatement,
    access: |db, cx, request| {
        parse(&request.statement, request.parameters.as_deref().unwrap_or_default())
            .map_err(Error::from)
            .and_then(|statement| to_statement(db, cx, &statement))
            .map(|access| vec![access])
    },
    handler: execute_statement
}

async fn execute_statement(
    db: &DynamoDb,
    cx: &Context,
    request: api::ExecuteStatementInput,
) -> Result<api::ExecuteStatementOutput, Error> {
    let statement = parse(&request.statement, request.parameters.as_deref().unwrap_or_default())?;
    let wanted = request.return_consumed_capacity.as_ref();
    if let Statement::Select(select) = &statement {
        let mut hasher = DefaultHasher::new();
        format!("{statement:?}").hash(&mut hasher);
        let request = Request {
            consistent: request.consistent_read == Some(true),
            limit: request.limit.and_then(|limit| usize::try_from(limit).ok()),
            start: request.next_token.as_deref().map(|token| Place::decode(token, hasher.finish())).transpose()?,
        };
        let (table, page, next) = db.select(cx, select, request)?;
        return Ok(api::ExecuteStatementOutput {
            items: Some(page.items.into_items().collect()),
            next_token: next.map(|place| place.encode(hasher.finish())),
            last_evaluated_key: page.last,
            consumed_capacity: page.consumed.report(&table, &table.name, wanted),
        });
    }
    if request.next_token.is_some() || request.limit.is_some() {
        let parameter = if request.limit.is_some() { "Limit" } else { "NextToken" };
        return Err(Invalid(format!("{parameter} is only supported for SELECT statements")).into());
    }
    let old = wants_old_on_failure(request.return_values_on_condition_check_failure.as_ref());
    let (table, (items, consumed)) =
        db.write(cx, statement.table(), |table, writer| write(table, writer, &statement, old))?;
    Ok(api::ExecuteStatementOutput {
        items: Some(items.into_iter().collect()),
        consumed_capacity: consumed.report(&table, &table.name, wanted),
        ..Default::default()
    })
}

/// What a statement needs to be allowed.
pub fn to_statement(db: &DynamoDb, cx: &Context, statement: &Statement) -> Result<Access, Error> {
    let table = db.find_table(cx, statement.table())?;
    let (action, index, attributes) = match statement {
        Statement::Select(select) | Statement::Exists(select) => {
            let paths = select.paths.iter().flatten();
            ("dynamodb:PartiQLSelect", select.index.as_deref(), paths.map(|path| path.root.clone()).collect())
        }
        Statement::Insert { item, .. } => ("dynamodb:PartiQLInsert", None, item.keys().cloned().collect()),
        Statement::Update(update) => {
            let targets = update.set.iter().map(|(path, _)| path).chain(&update.remove);
            ("dynamodb:PartiQLUpdate", None, targets.map(|path| path.root.clone()).collect())
        }
        Statement::Delete { .. } => ("dynamodb:PartiQLDelete", None, Vec::new()),
    };
    let mut access = Access::new(action, access::source_arn(cx, statement.table(), index));
    if !attributes.is_empty() {
        access = access.with_all("dynamodb:Attributes", attributes);
    }
    let Some(table) = table else { return Ok(access) };
    if let Statement::Insert { item, .. } = statement {
        let leading = item.get(&table.keys.hash.name).and_then(access::text);
        return Ok(access.with_all("dynamodb:LeadingKeys", leading.into_iter().collect()));
    }
    let keys = index.and_then(|name| table.index(name)).map_or(&table.keys, |index| &index.keys);
    let plan = Plan::new(statement.condition(), keys)?;
    if statement.is_read() {
        access = access.with("dynamodb:FullTableScan", plan.hashes.is_none().to_string());
    }
    let leading = plan.hashes.unwrap_or_default().into_iter().filter_map(access::text).collect();
    Ok(access.with_all("dynamodb:LeadingKeys", leading))
}

/// Where a page of a SELECT begins.
#[derive(Debug)]
pub struct Place {
    /// Which of the partitions that the statement names.
    partition: u32,
    /// After which item there; nothing for its beginning.
    after: Option<Item>,
}

impl Place {
    /// As a token, which is only good for the same statement.
    fn encode(&self, statement: u64) -> String {
        let after = self.after.as_ref().map(codec::encode).unwrap_or_default();
        BASE64.encode([&statement.to_be_bytes()[..], &self.partition.to_be_bytes()[..], &after].concat())
    }

    fn decode(token: &str, statement: u64) -> Result<Place, Invalid> {
        let decode = || {
            let bytes = BASE64.decode(token).ok()?;
            let (known, rest) = bytes.split_first_chunk::<8>()?;
            let (partition, after) = rest.split_first_chunk::<4>()?;
            let after = match after {
                [] => None,
                record => Some(codec::decode(&record.to_vec().into()).ok()?.0),
            };
            Some((*known, Place { partition: u32::from_be_bytes(*partition), after }))
        };
        match decode() {
            Some((known, place)) if known == statement.to_be_bytes() => Ok(place),
            Some(_) => Err(Invalid::new("The provided starting key is invalid")),
            None => Err(Invalid::new("Invalid NextToken")),
        }
    }
}

/// What a request says beside the statement.
pub struct Request {
    consistent: bool,
    limit: Option<usize>,
    start: Option<Place>,
}

impl DynamoDb {
    /// One page of a SELECT, and where the next begins.
    fn select(
        &self,
        cx: &Context,
        select: &Select,
        request: Request,
    ) -> Result<(Arc<Table>, Page, Option<Place>), Error> {
        let table = self.table(cx, &select.table)?;
        let source = Source::new("Query", &table, select.index.as_deref(), request.consistent, cx.now().millis())?;
        let mut plan = Plan::new(select.condition.as_ref(), source.keys())?;
        let backward = order(select, &source, &mut plan)?;
        let projection = select.projection();
        let wanted = source.wanted(None, projection.as_ref(), false)?;
        let snapshot = cx.store().snapshot();
        let partitions = plan.hashes.as_ref().map_or(1, Vec::len);
        let (mut at, mut after) = match request.start {
            Some(place) => (place.partition as usize, place.after),
            None => (0, None),
        };
        let mut page = Page::default();
        while at < partitions {
            let mut range = match &plan.hashes {
                None => Range::prefix(index_prefix(table.number, source.number())),
                Some(hashes) => {
                    let hash = (source.keys().hash.name.as_str(), equal_to(hashes[at]));
                    let terms: Vec<_> = std::iter::once(hash).chain(plan.range.clone()).collect();
                    range_of(&source, &key_condition::resolve(&terms, source.keys())?)
                }
            };
            if let Some(after) = after.take() {
                let start = Bound::Excluded(source.start(&after)?);
                *(if backward { &mut range.to } else { &mut range.from }) = start;
            }
            let reading = Reading {
                table: &table,
                index: source.index,
                range,
                backward,
                limit: request.limit.map(|limit| limit - page.scanned as usize),
                filter: plan.filter.as_ref(),
                projection: None,
                wants_items: true,
                fetches: wanted.fetches || source.must_fetch_for(plan.filter.as_ref()),
                read: source.read,
            };
            self.admit_read(cx, &table, source.number())?;
            let part = reading.page(&snapshot)?;
            self.charge(cx, &table, Direction::Read, &part.consumed);
            page.scanned += part.scanned;
            page.consumed.merge(&part.consumed);
            page.items.0.extend(part.items.into_items().map(|item| Stored::Item(select.pick(item))));
            page.last = part.last;
            if page.last.is_some() {
                break;
            }
            at += 1;
            if request.limit.is_some_and(|limit| page.scanned as usize >= limit) {
                break;
            }
        }
        let next = (at < partitions).then(|| Place { partition: at as u32, after: page.last.clone() });
        Ok((table, page, next))
    }
}

fn equal_to(value: &AttributeValue) -> key_condition::Test<'_> {
    key_condition::Test::Compare(crate::expression::condition::Comparator::Equal, value)
}

/// Checks ORDER BY and puts the partitions in order; true where items are read backwards.
fn order(select: &Select, source: &Source<'_>, plan: &mut Plan<'_>) -> Result<bool, Invalid> {
    if select.order.is_empty() {
        return Ok(false);
    }
    if select.condition.is_none() {
        return Err(Invalid::new("Must have WHERE clause in the statement when using ORDER BY clause."));
    }
    let Some(hashes) = &mut plan.hashes else {
        return Err(Invalid::new(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ));
    };
    let mut backward = false;
    for order in &select.order {
        let keys = source.keys();
        if order.attribute == keys.hash.name {
            hashes.sort_by(|a, b| compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
            if order.descending {
                hashes.reverse();
            }
        } else if keys.range.as_ref().is_some_and(|range| range.name == order.attribute) {
            backward = order.descending;
        } else {
            return Err(Invalid(format!(
                "Variable reference {} in ORDER BY clause must be part of the primary key",
                order.attribute
            )));
        }
    }
    Ok(backward)
}

/// The one item that a statement is about: its key, and what else its WHERE clause says.
pub fn single<'a>(statement: &'a Statement, table: &Table) -> Result<(Item, Option<Condition<'a>>), Invalid> {
    let plan = Plan::new(statement.condition(), &table.keys)?;
    let key = plan
        .key(&table.keys)
        .ok_or_else(|| Invalid::new("Where clause does not contain a mandatory equality on all key attributes"))?;
    table.keys.check_key(&key)?;
    Ok((key, plan.filter))
}

/// A statement that writes, or that checks an item, as a member of a transaction.
pub fn member<'a>(statement: &'a Statement, table: &'a Table, old: bool) -> Result<Member<'a>, Invalid> {
    let hash = || Path::top_level(&table.keys.hash.name);
    let member = |item, kind, update: Option<Update<'a>>, condition| Member {
        table: statement.table(),
        item,
        kind,
        update,
        condition,
        wants_old_on_failure: old,
    };
    Ok(match statement {
        Statement::Insert { item, .. } => {
            check_put(table, item)?;
            member(Cow::Borrowed(item), MemberKind::Insert, None, Some(Condition::NotExists(hash())))
        }
        Statement::Update(update) => {
            let tree = update.tree()?;
            check_update(table, &tree)?;
            let (key, filter) = single(statement, table)?;
            let exists = Condition::Exists(hash());
            let condition = match filter {
                Some(filter) => exists.and(filter),
                None => exists,
            };
            member(Cow::Owned(key), MemberKind::Update, Some(tree), Some(condition))
        }
        Statement::Delete { .. } => {
            let (key, filter) = single(statement, table)?;
            // Nothing is deleted, and nothing is wrong, where there is no item.
            let condition = filter.map(|filter| Condition::NotExists(hash()).or(filter));
            member(Cow::Owned(key), MemberKind::Delete, None, condition)
        }
        Statement::Select(_) | Statement::Exists(_) => {
            let (key, filter) = single(statement, table)?;
            let exists = Condition::Exists(hash());
            let condition = match filter {
                Some(filter) => exists.and(filter),
                None => exists,
            };
            member(Cow::Owned(key), MemberKind::Check, None, Some(condition))
        }
    })
}

/// Carries out one writing statement; also says what it returns of its item.
pub fn write(
    table: &Table,
    writer: &mut Writer<'_, '_>,
    statement: &Statement,
    old: bool,
) -> Result<(Option<Item>, Consumed), Failure> {
    if let Statement::Exists(_) = statement {
        return Err(Invalid::new("EXISTS is only supported in a transaction").into());
    }
    let member = member(statement, table, old)?;
    let returning = match statement {
        Statement::Update(update) => update.returning,
        Statement::Delete { returning, .. } => *returning,
        _ => None,
    };
    if member.kind == MemberKind::Delete && returning.is_some_and(|wanted| !wanted.all || wanted.new) {
        return Err(Invalid::new("DELETE statements only support RETURNING ALL OLD *").into());
    }
    let write = Write {
        key: &member.item,
        action: member.action(),
        condition: member.condition.as_ref(),
        wants_old: returning.is_some(),
        wants_old_on_failure: old,
    };
    let outcome = match writer.perform(table, &write) {
        Err(Failure::Condition(item)) if member.kind == MemberKind::Insert => return Err(Error::duplicate(item).into()),
        result => result?,
    };
    let consumed = outcome.consumed.clone();
    Ok((returned_by(returning, write.action, outcome), consumed))
}

fn returned_by(returning: Option<Returning>, action: Action<'_>, outcome: Outcome) -> Option<Item> {
    let wanted = match returning? {
        Returning { all: true, new: true } => api::ReturnValue::AllNew,
        Returning { all: true, new: false } => api::ReturnValue::AllOld,
        Returning { all: false, new: true } => api::ReturnValue::UpdatedNew,
        Returning { all: false, new: false } => api::ReturnValue::UpdatedOld,
    };
    match action {
        Action::Update(update) => returned(Some(&wanted), update, outcome),
        _ => outcome.old,
    }
}

#[cfg(test)]
mod tests;
