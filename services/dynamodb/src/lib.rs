//! DynamoDB: tables of items, found by their keys, with secondary indexes that change together with the items.
//!
//! - An item and its index entries are one store transaction; so is each batch and each transaction of the API.
//! - Items are kept under their table's number and the hash of their partition key, in the order of their sort keys, so
//!   that a query reads one range and nothing else.
//! - Everything behind the handlers holds numbers in their normal form; `validate` brings them there.
//! - Tables are cached; nothing else is kept in memory.

mod access;
mod backup;
mod bulk;
mod cache;
mod capacity;
mod change;
mod codec;
mod collection;
mod describe;
mod encryption;
mod error;
mod expiry;
mod export;
mod expression;
pub mod fuzz;
mod global;
mod history;
mod import;
mod ion;
mod key;
mod legacy;
mod limits;
mod maintenance;
#[cfg(test)]
mod model;
mod number;
mod ops;
mod pace;
mod parameters;
mod partiql;
mod read;
mod scaling;
mod schema;
mod selection;
mod size;
mod store;
mod stream;
mod streams;
mod table;
#[cfg(test)]
mod testing;
mod throttle;
mod validate;
mod value;
mod vector;
mod write;

use std::sync::Arc;

use service::policy::Source;
use service::{AnyOperation, ApiError, Cloud, Context, Service, StoreError, operations};
use wire::{DecodeError, ServiceModel, Violations};

pub use streams::Streams;

/// The service.
#[derive(Clone)]
pub struct DynamoDb {
    cache: Arc<cache::Cache>,
    throttle: Option<Arc<throttle::Throttle>>,
    meter: Arc<scaling::Meter>,
    /// How many bytes an item collection may have.
    collection_limit: i64,
    /// See [`pace`].
    delays: bool,
    bulks: Arc<jobs::Queue>,
}

impl Default for DynamoDb {
    fn default() -> DynamoDb {
        DynamoDb {
            cache: Arc::default(),
            throttle: None,
            meter: Arc::default(),
            collection_limit: collection::LIMIT,
            delays: false,
            bulks: bulk::queue(),
        }
    }
}

operations! {
    DynamoDb, dynamodb_api:
    BatchExecuteStatement,
    BatchGetItem,
    BatchWriteItem,
    CancelBulkOperation,
    CreateBackup,
    CreateGlobalTable,
    CreateTable,
    DeleteBackup,
    DeleteItem,
    DeleteResourcePolicy,
    DeleteTable,
    DescribeBackup,
    DescribeBulkOperation,
    DescribeContinuousBackups,
    DescribeContributorInsights,
    DescribeEndpoints,
    DescribeExport,
    DescribeGlobalTable,
    DescribeGlobalTableSettings,
    DescribeImport,
    DescribeKinesisStreamingDestination,
    DescribeLimits,
    DescribeTable,
    DescribeTableReplicaAutoScaling,
    DescribeTimeToLive,
    DisableKinesisStreamingDestination,
    EnableKinesisStreamingDestination,
    ExecuteStatement,
    ExecuteTransaction,
    ExportTableToPointInTime,
    GetItem,
    GetResourcePolicy,
    ImportTable,
    ListBackups,
    ListBulkOperations,
    ListContributorInsights,
    ListExports,
    ListGlobalTables,
    ListImports,
    ListTables,
    ListTagsOfResource,
    PutItem,
    PutResourcePolicy,
    Query,
    RestoreTableFromBackup,
    RestoreTableToPointInTime,
    Scan,
    SearchVectors,
    StartBulkPutItems,
    TagResource,
    TransactGetItems,
    TransactWriteItems,
    UntagResource,
    UpdateContinuousBackups,
    UpdateContributorInsights,
    UpdateGlobalTable,
    UpdateGlobalTableSettings,
    UpdateItem,
    UpdateKinesisStreamingDestination,
    UpdateTable,
    UpdateTableReplicaAutoScaling,
    UpdateTimeToLive,
}

impl Service for DynamoDb {
    fn model(&self) -> &'static ServiceModel {
        &dynamodb_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("tables", "dynamodb/table/")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &Violations) -> ApiError {
        if violations.iter().any(|violation| violation.constraint.contains("less than or equal to 65535")) {
            let text =
                "One or more parameter values were invalid: Attribute name is too large, must be less than 65536 bytes";
            return ApiError::new(400, "ValidationException", text);
        }
        ApiError::new(
            400,
            "ValidationException",
            reworded(violations).unwrap_or_else(|| in_their_order(violations.to_string())),
        )
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        match error {
            DecodeError::Malformed(_) => ApiError::new(400, "SerializationException", ""),
            DecodeError::Union { members: 0, .. } => ApiError::new(
                400,
                "ValidationException",
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ),
            DecodeError::Union { .. } => ApiError::new(
                400,
                "ValidationException",
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
                 datatypes",
            ),
            error => ApiError::new(400, "SerializationException", error.to_string()),
        }
    }

    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        ops::policy::of_resource(self, cx, resource)
    }

    fn start(&self, cloud: &Arc<Cloud>) {
        self.resume(cloud);
        self.expire_in_background(cloud);
        self.scale_in_background(cloud);
        self.bulks.start(cloud, Arc::new(bulk::Bulks { db: self.clone() }));
        if let Err(error) = self.resume_exports(cloud).and_then(|()| self.resume_imports(cloud)) {
            tracing::error!(?error, "unfinished exports and imports cannot go on");
        }
    }

    fn reset(&self) {
        self.cache.clear();
        self.throttle.iter().for_each(|throttle| throttle.clear());
        self.meter.clear();
    }
}

/// AWS complains about the lists in BatchWriteItem's map by way of the map, naming both of their constraints.
fn reworded(violations: &Violations) -> Option<String> {
    let violation = violations.iter().next()?;
    let table = violation.path.strip_prefix("requestItems.")?.strip_suffix(".member")?;
    let list = violation.value.trim_matches('\'');
    violation.constraint.starts_with("Member must have length").then(|| {
        format!(
            "1 validation error detected: Value '{{{table}={list}}}' at 'requestItems' failed to satisfy constraint: \
             Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have \
             length greater than or equal to 1]"
        )
    })
}

/// AWS lists the values of some enumerations in an order of its own.
fn in_their_order(message: String) -> String {
    const ORDERS: [(&str, &str); 7] = [
        ("[NONE, ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATED_NEW]", "[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"),
        (
            "[ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES, SPECIFIC_ATTRIBUTES, COUNT]",
            "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
        ),
        (
            "[EQ, NE, IN, LE, LT, GE, GT, BETWEEN, NOT_NULL, NULL, CONTAINS, NOT_CONTAINS, BEGINS_WITH]",
            "[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
        ),
        ("[S, N, B]", "[B, N, S]"),
        ("[AND, OR]", "[OR, AND]"),
        ("[ALL, KEYS_ONLY, INCLUDE]", "[ALL, INCLUDE, KEYS_ONLY]"),
        ("[NONE, ALL_OLD]", "[ALL_OLD, NONE]"),
    ];
    ORDERS.iter().fold(message, |message, (model, theirs)| message.replace(model, theirs))
}
