//! The work of a bulk operation, step by step.

use std::sync::Arc;

use jobs::{Handler, Job, Outcome, Policy, Queue};
use service::{ApiError, Cloud, Context, StoreError, Transaction};

use super::input::{self, Put, Record};
use super::report::{self, Told};
use super::{Bulk, Status};
use crate::DynamoDb;
use crate::error::{Error, Invalid};
use crate::export::failure;
use crate::expression::{Condition, Kind, Placeholders};
use crate::import::source;
use crate::table::Table;
use crate::write::{Action, Failure, Write, Writer, check_put};

/// How many items one transaction puts.
const STEP: usize = 500;
/// What fails for reasons of its own is tried again a few times; a busy table is waited for.
const POLICY: Policy = Policy { concurrency: 4, delays: &[1_000, 1_000, 1_000], maximum_age: super::KEPT };

pub fn queue() -> Arc<Queue> {
    Queue::new("dynamodb/bulk", POLICY)
}

/// Does the work of all bulk operations.
pub struct Bulks {
    pub db: DynamoDb,
}

impl Handler for Bulks {
    async fn run(&self, cloud: &Arc<Cloud>, job: &Job) -> Outcome {
        match self.go_on(cloud, job).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                let error = ApiError::from(error);
                tracing::warn!(id = job.id, code = error.code, "a bulk operation is interrupted");
                if is_throttled(&error) { Outcome::Postponed } else { Outcome::Failed }
            }
        }
    }

    fn gave_up(&self, tx: &mut Transaction<'_>, job: &Job) -> Result<(), StoreError> {
        let Some(record) = tx.get(job.id.as_bytes())? else { return Ok(()) };
        let mut bulk: Bulk = service::from_record(&record)?;
        bulk.status = Status::Failed;
        bulk.ended = Some(job.due.millis());
        bulk.failure =
            Some(("InternalServerError".to_owned(), "The operation failed for an internal reason".to_owned()));
        tx.put(bulk.key(), service::to_record(&bulk)?);
        Ok(())
    }
}

fn is_throttled(error: &ApiError) -> bool {
    matches!(error.code.as_str(), "ProvisionedThroughputExceededException" | "ThrottlingException")
}

/// How a stretch of work ended.
enum Stretch {
    /// Everything was read.
    Over,
    /// Somebody wants no more of it.
    Cancelled,
    /// It goes on later.
    Paused,
}

impl Bulks {
    async fn go_on(&self, cloud: &Arc<Cloud>, job: &Job) -> Result<(), Error> {
        let Some(record) = cloud.store.get(job.id.as_bytes())? else { return Ok(()) };
        let mut bulk: Bulk = service::from_record(&record)?;
        if bulk.status.is_over() {
            return Ok(());
        }
        let cx = cloud.context(bulk.principal.clone(), &bulk.account, &bulk.region);
        let mut ended = match self.work(&cx, &mut bulk, job).await {
            Ok(Stretch::Paused) => return Ok(()),
            Ok(Stretch::Cancelled) => Status::Cancelled,
            Ok(Stretch::Over) if bulk.failed > 0 => Status::CompletedWithErrors,
            Ok(Stretch::Over) => Status::Completed,
            Err(error) => {
                let error = ApiError::from(error);
                if is_throttled(&error) || error.status >= 500 {
                    return Err(Error::Reply(Box::new(error)));
                }
                bulk.failure = Some(failure(Error::Reply(Box::new(error))));
                Status::Failed
            }
        };
        if ended == Status::Cancelled {
            bulk.failure = Some(("UserCancelled".to_owned(), "The operation was cancelled".to_owned()));
        }
        if let Err(error) = report::write(&cx, &bulk, ended).await {
            bulk.failure.get_or_insert(failure(error));
            ended = if ended == Status::Cancelled { ended } else { Status::Failed };
        }
        bulk.status = ended;
        bulk.ended = Some(cx.now().millis());
        cx.store().put(bulk.key(), service::to_record(&bulk)?)?;
        report::clear(&cx, &bulk)
    }

    async fn work(&self, cx: &Context, bulk: &mut Bulk, job: &Job) -> Result<Stretch, Error> {
        if bulk.total.is_none() {
            let total = measure(cx, bulk).await?;
            let Some(next) = self.note(cx, bulk, |bulk| bulk.total = Some(total))? else {
                return Ok(Stretch::Cancelled);
            };
            *bulk = next;
        }
        loop {
            let (files, more) = bulk.source().list(cx, bulk.after.clone()).await?;
            for file in files {
                if !file.is_folder() {
                    match self.take_file(cx, bulk, &file.key, job).await? {
                        Stretch::Over => {}
                        stopped => return Ok(stopped),
                    }
                }
                let finish = |bulk: &mut Bulk| {
                    bulk.after = Some(file.key.clone());
                    bulk.position = 0;
                    bulk.bytes += file.bytes;
                };
                let Some(next) = self.note(cx, bulk, finish)? else { return Ok(Stretch::Cancelled) };
                *bulk = next;
            }
            if !more {
                return Ok(Stretch::Over);
            }
        }
    }

    async fn take_file(&self, cx: &Context, bulk: &mut Bulk, file: &str, job: &Job) -> Result<Stretch, Error> {
        let read = bulk.source().read(cx, file.to_owned()).await;
        let records = read.and_then(|(body, _)| input::records(&body, bulk.asked.ion));
        let records = match records {
            Ok(records) => records,
            // A file that is none costs itself alone.
            Err(Error::Reply(reply)) if reply.code == "ValidationError" => vec![Err(reply.message)],
            Err(error) => return Err(error),
        };
        let mut width = STEP;
        while bulk.position < records.len() {
            let before = bulk.usage.units();
            let next = match self.step(cx, bulk, file, &records, width) {
                // One of them would make its collection too large: they are put one by one.
                Err(Error::ItemCollectionSizeLimitExceeded(_)) if width > 1 => {
                    width = 1;
                    continue;
                }
                Err(Error::ItemCollectionSizeLimitExceeded(message)) => {
                    self.refuse(cx, bulk, file, &records, &message)?
                }
                next => next?,
            };
            let Some(next) = next else { return Ok(Stretch::Cancelled) };
            *bulk = next;
            if let Some(most) = bulk.asked.most_units {
                let pause = (bulk.usage.units() - before) * 1000 / most.max(1);
                if pause > 0 {
                    let due = cx.now().plus_millis(pause);
                    cx.store().write(|tx| self.db.bulks.schedule(tx, &job.id, due, Vec::new()))?;
                    return Ok(Stretch::Paused);
                }
            }
            // Requests come first.
            tokio::task::yield_now().await;
        }
        Ok(Stretch::Over)
    }

    /// Puts some more items; nothing where the operation is not to go on.
    fn step(
        &self,
        cx: &Context,
        bulk: &Bulk,
        file: &str,
        records: &[Record],
        width: usize,
    ) -> Result<Option<Bulk>, Error> {
        let chunk = records.iter().enumerate().skip(bulk.position).take(width);
        let (_, next) = self.db.write(cx, &bulk.table_arn(), |table, writer| {
            if table.id != bulk.table_id {
                return Err(Error::ResourceNotFound("Requested resource not found".to_owned()).into());
            }
            let mut next = bulk.clone();
            if !is_wanted(writer.transaction(), bulk)? {
                return Ok(None);
            }
            for (at, record) in chunk.clone() {
                next.processed += 1;
                next.position = at + 1;
                if let Some(told) = put(table, writer, &mut next, record)? {
                    next.failed += i64::from(matches!(told, Told::Error { .. }));
                    report::tell(writer.transaction(), &mut next, file, at, &told);
                }
            }
            writer.transaction().put(next.key(), service::to_record(&next)?);
            Ok(Some(next))
        })?;
        Ok(next)
    }

    /// Leaves out one item that the table does not take.
    fn refuse(
        &self,
        cx: &Context,
        bulk: &Bulk,
        file: &str,
        records: &[Record],
        message: &str,
    ) -> Result<Option<Bulk>, Error> {
        let item = records.get(bulk.position).and_then(|record| record.as_ref().ok()).map(|put| put.item.clone());
        let code = "ItemCollectionSizeLimitExceededException".to_owned();
        let told = Told::Error { code, message: message.to_owned(), item };
        cx.store().write(|transaction| {
            if !is_wanted(transaction, bulk)? {
                return Ok(None);
            }
            let mut next = bulk.clone();
            report::tell(transaction, &mut next, file, bulk.position, &told);
            next.processed += 1;
            next.failed += 1;
            next.position += 1;
            transaction.put(next.key(), service::to_record(&next)?);
            Ok(Some(next))
        })
    }

    /// Notes something about the operation, if it is to go on.
    fn note(&self, cx: &Context, bulk: &Bulk, change: impl FnOnce(&mut Bulk)) -> Result<Option<Bulk>, Error> {
        cx.store().write(|transaction| {
            if !is_wanted(transaction, bulk)? {
                return Ok(None);
            }
            let mut next = bulk.clone();
            change(&mut next);
            transaction.put(next.key(), service::to_record(&next)?);
            Ok(Some(next))
        })
    }
}

/// Whether the operation is there, and nobody has cancelled it.
fn is_wanted(transaction: &Transaction<'_>, bulk: &Bulk) -> Result<bool, StoreError> {
    let Some(record) = transaction.get(&bulk.key())? else { return Ok(false) };
    let stored: Bulk = service::from_record(&record)?;
    Ok(stored.status == Status::InProgress)
}

/// The size of all files.
async fn measure(cx: &Context, bulk: &Bulk) -> Result<i64, Error> {
    let (mut total, mut after, mut found) = (0, None, false);
    loop {
        let (files, more) = bulk.source().list(cx, after.take()).await?;
        found |= files.iter().any(|file| !file.is_folder());
        total += files.iter().map(|file| file.bytes).sum::<i64>();
        after = files.last().map(|file| file.key.clone());
        if !more {
            return if found { Ok(total) } else { Err(source::none_found()) };
        }
    }
}

/// Puts one item, or says why not.
fn put(table: &Table, writer: &mut Writer<'_, '_>, bulk: &mut Bulk, record: &Record) -> Result<Option<Told>, Failure> {
    let refused = |message: String, item| Told::Error { code: "ValidationException".to_owned(), message, item };
    let put = match record {
        Ok(put) => put,
        Err(reason) => return Ok(Some(refused(reason.clone(), None))),
    };
    let condition = match check_put(table, &put.item).and_then(|()| condition(put)) {
        Ok(condition) => condition,
        Err(Invalid(reason)) => return Ok(Some(refused(reason, Some(put.item.clone())))),
    };
    let write = Write {
        key: &put.item,
        action: Action::Put,
        condition: condition.as_ref(),
        wants_old: false,
        wants_old_on_failure: true,
    };
    match writer.perform(table, &write) {
        Ok(outcome) => {
            bulk.usage.add(&outcome.consumed);
            Ok(None)
        }
        Err(Failure::Condition(existing)) => Ok(Some(Told::Condition { item: put.item.clone(), existing })),
        Err(other) => Err(other),
    }
}

fn condition(put: &Put) -> Result<Option<Condition<'_>>, Invalid> {
    let mut placeholders = Placeholders::new(put.names.as_ref(), put.values.as_ref());
    let Some(text) = &put.condition else {
        placeholders.refuse_without_expressions("ConditionExpression is null")?;
        return Ok(None);
    };
    let condition = Condition::parse(Kind::Condition, text, &mut placeholders)?;
    placeholders.finish()?;
    Ok(Some(condition))
}
