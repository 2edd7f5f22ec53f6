//! Bulk operations: items put into a table that is there, from files in S3.
//!
//! - An operation is a record and a job. The job reads the files in the order of their keys and puts their items a step at a
//!   time; what it has done so far is noted in the transaction of the step, so that after a kill no item is put twice and
//!   every count is right.
//! - An item may come with a condition, as that of PutItem. Items that break a rule, or whose condition does not hold, are
//!   left out; what the report is to say of them is stored with the step, and written to S3 at the end.
//! - A cancellation is a change of the record, which the next step notices.

mod input;
mod report;
mod run;

use dynamodb_api as api;
use serde::{Deserialize, Serialize};
use service::{Arn, Context, Principal};
use store::{Range, Store};

use crate::capacity::Consumed;
use crate::error::Error;
use crate::history::DAY;
use crate::import::source::Source;
use crate::table::{IndexNumber, Scope, Table};

pub use run::{Bulks, queue};

const BULKS: &str = "dynamodb/bulk/";
/// How long operations are listed and described.
const KEPT: i64 = 90 * DAY;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Completed,
    CompletedWithErrors,
    Cancelling,
    Cancelled,
    Failed,
}

impl Status {
    pub fn is_over(self) -> bool {
        !matches!(self, Status::InProgress | Status::Cancelling)
    }
}

impl From<Status> for api::BulkOperationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::InProgress => api::BulkOperationStatus::InProgress,
            Status::Completed => api::BulkOperationStatus::Completed,
            Status::CompletedWithErrors => api::BulkOperationStatus::CompletedWithErrors,
            Status::Cancelling => api::BulkOperationStatus::Cancelling,
            Status::Cancelled => api::BulkOperationStatus::Cancelled,
            Status::Failed => api::BulkOperationStatus::Failed,
        }
    }
}

/// What was asked for, beside the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub input_bucket: String,
    pub input_owner: Option<String>,
    pub input_prefix: Option<String>,
    pub ion: bool,
    pub compression: Option<String>,
    pub output_bucket: String,
    pub output_owner: Option<String>,
    pub output_prefix: Option<String>,
    pub encryption: Option<String>,
    pub encryption_key: Option<String>,
    pub reports: Vec<String>,
    pub most_units: Option<i64>,
    pub tier: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bulk {
    pub id: String,
    /// On whose behalf files are read and written.
    pub principal: Principal,
    pub token: String,
    pub account: String,
    pub region: String,
    pub table: String,
    pub table_id: String,
    pub asked: Asked,
    pub status: Status,
    pub started: i64,
    pub ended: Option<i64>,
    pub failure: Option<(String, String)>,
    /// The size of all files, once they have been listed.
    pub total: Option<i64>,
    /// How many bytes of them were read.
    pub bytes: i64,
    /// The file that was finished last.
    pub after: Option<String>,
    /// How many records of the file after it were dealt with.
    pub position: usize,
    pub processed: i64,
    pub failed: i64,
    /// How many lines each kind of report has: errors, and conditions that did not hold.
    pub lines: [u64; 2],
    pub usage: Usage,
}

/// Bytes that were put, on the table and on each of its indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    units: std::collections::BTreeMap<IndexNumber, i64>,
    vectors: std::collections::BTreeMap<IndexNumber, i64>,
}

impl Usage {
    pub fn add(&mut self, consumed: &Consumed) {
        for (index, units) in consumed.by_index() {
            *self.units.entry(index).or_default() += units.kilobytes() * 1024;
        }
        for (index, bytes) in consumed.vectors() {
            *self.vectors.entry(index).or_default() += bytes as i64;
        }
    }

    /// Write units that were used.
    pub fn units(&self) -> i64 {
        self.units.values().sum::<i64>() / 1024
    }

    pub fn describe(&self, name: &str, table: Option<&Table>) -> api::BulkOperationUsage {
        let bytes = |bytes: i64| api::BulkOperationBytes { bulk_put_bytes: Some(bytes) };
        let of = |scope: Scope| {
            let indexes = table.into_iter().flat_map(|table| &table.indexes).filter(|index| index.scope == scope);
            let used: std::collections::BTreeMap<_, _> = indexes
                .filter_map(|index| Some((index.name.clone(), bytes(*self.units.get(&index.number)?))))
                .collect();
            (!used.is_empty()).then_some(used)
        };
        let vectors: std::collections::BTreeMap<_, _> = table
            .into_iter()
            .flat_map(|table| &table.vectors)
            .filter_map(|index| {
                let bulk_put_vector_bytes = Some(*self.vectors.get(&index.number)?);
                Some((index.name.clone(), api::BulkOperationVectorBytes { bulk_put_vector_bytes }))
            })
            .collect();
        api::BulkOperationUsage {
            table_name: Some(name.to_owned()),
            bulk_put_bytes: Some(self.units.values().sum()),
            table: Some(bytes(self.units.get(&crate::table::PRIMARY).copied().unwrap_or_default())),
            local_secondary_indexes: of(Scope::Local),
            global_secondary_indexes: of(Scope::Global),
            vector_indexes: (!vectors.is_empty()).then_some(vectors),
        }
    }
}

impl Bulk {
    pub fn table_arn(&self) -> String {
        crate::table::arn(&self.region, &self.account, &self.table)
    }

    pub fn arn(&self) -> String {
        format!("{}/bulk-operation/{}", self.table_arn(), self.id)
    }

    /// Identifiers begin with the time, so keys are in the order in which operations were started.
    pub fn key(&self) -> Vec<u8> {
        key(&self.account, &self.region, &self.id)
    }

    fn source(&self) -> Source<'_> {
        let packed = |kind: &str| self.asked.compression.as_deref() == Some(kind);
        Source {
            principal: &self.principal,
            bucket: &self.asked.input_bucket,
            owner: self.asked.input_owner.as_ref(),
            prefix: self.asked.input_prefix.as_ref(),
            gzip: packed("GZIP"),
            zstandard: packed("ZSTD"),
        }
    }

    pub fn is_listed(&self, now: i64) -> bool {
        self.started + KEPT > now
    }
}

fn key(account: &str, region: &str, id: &str) -> Vec<u8> {
    format!("{BULKS}{account}/{region}/{id}").into_bytes()
}

/// The operation with an ARN.
pub fn find(cx: &Context, arn: &str) -> Result<Bulk, Error> {
    let missing = || Error::ResourceNotFound(format!("Bulk operation not found: {arn}"));
    let parsed = Arn::parse(arn).filter(|arn| arn.account == cx.account() && arn.region == cx.region());
    let parsed = parsed.ok_or_else(missing)?;
    let parts = parsed.resource.strip_prefix("table/").and_then(|rest| rest.split_once("/bulk-operation/"));
    let (table, id) = parts.ok_or_else(missing)?;
    let record = cx.store().get(&key(cx.account(), cx.region(), id))?.ok_or_else(missing)?;
    let bulk: Bulk = service::from_record(&record)?;
    if bulk.table == table && bulk.is_listed(cx.now().millis()) { Ok(bulk) } else { Err(missing()) }
}

/// The operations of the account in the region, the latest first.
pub fn all(store: &Store, account: &str, region: &str) -> Result<Vec<Bulk>, Error> {
    let entries = store.scan(Range::prefix(key(account, region, "")));
    let mut bulks = entries.map(|entry| Ok(service::from_record(&entry?.1)?)).collect::<Result<Vec<Bulk>, Error>>()?;
    bulks.reverse();
    Ok(bulks)
}

/// Whether something is being put into a table.
pub fn is_busy(store: &Store, table: &Table) -> Result<bool, Error> {
    let bulks = all(store, &table.account, &table.region)?;
    Ok(bulks.iter().any(|bulk| bulk.table_id == table.id && !bulk.status.is_over()))
}
