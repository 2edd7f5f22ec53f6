//! BatchExecuteStatement and ExecuteTransaction: several statements, each on its own or all together.

use std::collections::BTreeMap;

use dynamodb_api as api;
use service::{ApiError, Context, operation};
use store::Snapshot;

use crate::DynamoDb;
use crate::capacity::{Consumed, Direction};
use crate::codec;
use crate::error::{CancellationReason, Error, Invalid};
use crate::ops::item::wants_old_on_failure;
use crate::ops::statement::{member, single, to_statement, write};
use crate::ops::transaction::{Performed, Tables, Token, check_distinct, distinct_names, report};
use crate::partiql::statement::Select;
use crate::partiql::{Statement, parse};
use crate::size::{Read, Units};
use crate::table::{PRIMARY, Table};
use crate::value::Item;

operation! {
    DynamoDb, api::BatchExecuteStatement,
    access: |db, cx, request| {
        let mut access = Vec::with_capacity(request.statements.len());
        for one in &request.statements {
            // Statements that cannot be read are answered one by one.
            if let Ok(statement) = parse(&one.statement, one.parameters.as_deref().unwrap_or_default()) {
                access.push(to_statement(db, cx, &statement)?);
            }
        }
        Ok::<_, Error>(access)
    },
    handler: batch_execute_statement
}

async fn batch_execute_statement(
    db: &DynamoDb,
    cx: &Context,
    request: api::BatchExecuteStatementInput,
) -> Result<api::BatchExecuteStatementOutput, Error> {
    let statements: Vec<_> = request
        .statements
        .iter()
        .map(|one| parse(&one.statement, one.parameters.as_deref().unwrap_or_default()))
        .collect();
    let reads = statements.iter().flatten().filter(|statement| statement.is_read()).count();
    if reads != 0 && reads != statements.iter().flatten().count() {
        return Err(Invalid::new(
            "Statements within BatchExecuteStatement must be either all read or all write statements",
        )
        .into());
    }
    let mut capacity = Capacity::default();
    let mut responses = Vec::with_capacity(statements.len());
    for (one, statement) in request.statements.iter().zip(statements) {
        let table_name = statement.as_ref().ok().map(|statement| statement.table().to_owned());
        let result = statement.map_err(Error::from).and_then(|statement| match &statement {
            Statement::Select(select) => {
                let read = Read::consistent(one.consistent_read == Some(true));
                db.read_one(cx, &cx.store().snapshot(), &statement, select, read, &mut capacity)
            }
            _ => {
                let old = wants_old_on_failure(one.return_values_on_condition_check_failure.as_ref());
                let (table, (item, consumed)) =
                    db.write(cx, statement.table(), |table, writer| write(table, writer, &statement, old))?;
                capacity.add(table, &consumed);
                Ok(item)
            }
        });
        let (item, error) = match result {
            Ok(item) => (item, None),
            Err(error) => (None, Some(statement_error(error)?)),
        };
        responses.push(api::BatchStatementResponse { error, table_name, item });
    }
    let capacity = capacity.report(request.return_consumed_capacity.as_ref(), None);
    Ok(api::BatchExecuteStatementOutput {
        responses: Some(responses),
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
    })
}

/// What one statement of a batch came to; what is not the statement's fault fails the whole request.
fn statement_error(error: Error) -> Result<api::BatchStatementError, Error> {
    let (code, message, item) = match error {
        Error::Validation(message) => (api::BatchStatementErrorCodeEnum::ValidationError, message, None),
        Error::ItemCollectionSizeLimitExceeded(message) => {
            (api::BatchStatementErrorCodeEnum::ItemCollectionSizeLimitExceeded, message, None)
        }
        Error::ResourceNotFound(message) => (api::BatchStatementErrorCodeEnum::ResourceNotFound, message, None),
        Error::Reply(reply) => {
            let ApiError { code, message, members, .. } = &*reply;
            let code = match code.as_str() {
                "ConditionalCheckFailedException" => api::BatchStatementErrorCodeEnum::ConditionalCheckFailed,
                "ProvisionedThroughputExceededException" => {
                    api::BatchStatementErrorCodeEnum::ProvisionedThroughputExceeded
                }
                "DuplicateItemException" => api::BatchStatementErrorCodeEnum::DuplicateItem,
                _ => return Err(Error::Reply(reply)),
            };
            let item = members.iter().find(|(name, _)| *name == "Item");
            (code, message.clone(), item.and_then(|(_, item)| crate::error::item_from_json(item)))
        }
        error => return Err(error),
    };
    Ok(api::BatchStatementError { code: Some(code), message: Some(message), item })
}

/// What was consumed, table by table, in the order in which the tables came first.
#[derive(Default)]
struct Capacity(Vec<(std::sync::Arc<Table>, Consumed)>);

impl Capacity {
    fn add(&mut self, table: std::sync::Arc<Table>, consumed: &Consumed) {
        match self.0.iter_mut().find(|(known, _)| known.number == table.number) {
            Some((_, sum)) => sum.merge(consumed),
            None => self.0.push((table, consumed.clone())),
        }
    }

    fn report(
        &self,
        wanted: Option<&api::ReturnConsumedCapacity>,
        direction: Option<Direction>,
    ) -> Vec<api::ConsumedCapacity> {
        self.0.iter().filter_map(|(table, consumed)| consumed.report_as(table, wanted, direction)).collect()
    }
}

impl DynamoDb {
    /// The item that a SELECT names by its key.
    fn read_one(
        &self,
        cx: &Context,
        snapshot: &Snapshot,
        statement: &Statement,
        select: &Select,
        read: Read,
        capacity: &mut Capacity,
    ) -> Result<Option<Item>, Error> {
        let table = self.table(cx, &select.table)?;
        let (key, filter) = match select.index {
            None => single(statement, &table).ok(),
            Some(_) => None,
        }
        .ok_or_else(|| {
            Invalid::new(
                "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
            )
        })?;
        self.admit_read(cx, &table, PRIMARY)?;
        let record = snapshot.get(&table.item_key(&key)?)?;
        let (item, weight) = record.map(|record| codec::decode(&record)).transpose()?.unzip();
        let consumed = Consumed::on_table(Units::read(weight.unwrap_or(0), read));
        self.charge(cx, &table, Direction::Read, &consumed);
        capacity.add(table, &consumed);
        let item = item.filter(|item| filter.as_ref().is_none_or(|filter| filter.holds(item)));
        Ok(item.map(|item| select.pick(item)))
    }
}

operation! {
    DynamoDb, api::ExecuteTransaction,
    access: |db, cx, request| {
        let statements = request.transact_statements.iter().map(|one| {
            let statement = parse(&one.statement, one.parameters.as_deref().unwrap_or_default())?;
            Ok(to_statement(db, cx, &statement)?.with("dynamodb:EnclosingOperation", "ExecuteTransaction"))
        });
        statements.collect::<Result<Vec<_>, Error>>()
    },
    handler: execute_transaction
}

async fn execute_transaction(
    db: &DynamoDb,
    cx: &Context,
    mut request: api::ExecuteTransactionInput,
) -> Result<api::ExecuteTransactionOutput, Error> {
    let token = request.client_request_token.take().map(|token| Token::new(token, &request.transact_statements));
    let statements = request
        .transact_statements
        .iter()
        .map(|one| parse(&one.statement, one.parameters.as_deref().unwrap_or_default()))
        .collect::<Result<Vec<_>, _>>()?;
    let wanted = request.return_consumed_capacity.as_ref();
    let reads = statements.iter().filter(|statement| statement.is_read()).count();
    if reads == statements.len() {
        return read_all(db, cx, &statements, wanted);
    }
    if reads != 0 {
        return Err(
            Invalid::new("Statements within a transaction must be either all read or all write statements").into()
        );
    }
    let names = distinct_names(statements.iter().map(Statement::table));
    let (tables, consumed) = db.write_all(cx, &names, |tables, writer| {
        let tables = Tables { names: &names, tables };
        let members: Vec<_> = statements
            .iter()
            .zip(&request.transact_statements)
            .map(|(statement, one)| {
                let old = wants_old_on_failure(one.return_values_on_condition_check_failure.as_ref());
                member(statement, tables.of(statement.table()).1, old)
            })
            .collect();
        check_distinct(members.iter().flatten().map(|member| (tables.of(member.table).1, member.item.as_ref())))?;
        writer.transactional = true;
        tables.tables.iter().try_for_each(|table| table.refuse_if_strong("ExecuteTransaction"))?;
        let mut transaction = Performed::new(tables, members.len());
        if let Some(token) = &token
            && !token.register(writer.transaction(), cx)?
        {
            let members: Vec<_> = members.into_iter().flatten().collect();
            return transaction.repeat(writer, &members);
        }
        for member in members {
            match member {
                Ok(member) => transaction.perform(writer, &member)?,
                Err(invalid) => transaction.refuse(invalid),
            }
        }
        transaction.finish()
    })?;
    let capacity = report(&tables, &consumed, wanted);
    Ok(api::ExecuteTransactionOutput {
        responses: Some(Vec::new()),
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
    })
}

fn read_all(
    db: &DynamoDb,
    cx: &Context,
    statements: &[Statement],
    wanted: Option<&api::ReturnConsumedCapacity>,
) -> Result<api::ExecuteTransactionOutput, Error> {
    let mut tables = BTreeMap::new();
    for statement in statements {
        tables.insert(statement.table(), db.table(cx, statement.table())?);
    }
    let singles: Vec<_> =
        statements.iter().map(|statement| (statement, single(statement, &tables[statement.table()]))).collect();
    let reasons: Vec<CancellationReason> = singles
        .iter()
        .map(|(_, single)| match single {
            Ok(_) => CancellationReason::none(),
            Err(Invalid(message)) => CancellationReason::validation(message.clone()),
        })
        .collect();
    if reasons.iter().any(CancellationReason::cancels) {
        return Err(Error::cancelled(&reasons));
    }
    let keys = singles.iter().filter_map(|(statement, single)| {
        Some((tables[statement.table()].as_ref(), single.as_ref().ok().map(|(key, _)| key)?))
    });
    check_distinct(keys)?;
    let snapshot = cx.store().snapshot();
    let mut capacity = Capacity::default();
    let mut responses = Vec::with_capacity(statements.len());
    for statement in statements {
        let Statement::Select(select) = statement else { continue };
        let item = db.read_one(cx, &snapshot, statement, select, Read::Transactional, &mut capacity)?;
        responses.push(api::ItemResponse { item });
    }
    let capacity = capacity.report(wanted, Some(Direction::Read));
    Ok(api::ExecuteTransactionOutput {
        responses: Some(responses),
        consumed_capacity: (!capacity.is_empty()).then_some(capacity),
    })
}
