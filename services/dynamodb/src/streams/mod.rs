//! The API of DynamoDB Streams: the same state as DynamoDB's, under another endpoint.

mod iterator;
pub mod read;

use service::policy::Source;
use service::{AnyOperation, ApiError, Context, Service, StoreError, operations};
use wire::{DecodeError, ServiceModel};

use crate::DynamoDb;

/// The service. It shares the tables of [`DynamoDb`].
#[derive(Clone)]
pub struct Streams {
    db: DynamoDb,
}

impl Streams {
    pub fn new(db: DynamoDb) -> Streams {
        Streams { db }
    }
}

operations! {
    Streams, dynamodbstreams_api:
    DescribeStream,
    GetRecords,
    GetShardIterator,
    ListStreams,
}

impl Service for Streams {
    fn model(&self) -> &'static ServiceModel {
        &dynamodbstreams_api::SERVICE_MODEL
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn resource_policy(&self, cx: &Context, resource: &str) -> Result<Option<Source>, StoreError> {
        crate::ops::policy::of_resource(&self.db, cx, resource)
    }

    fn malformed(&self, error: &DecodeError) -> ApiError {
        self.db.malformed(error)
    }
}

#[cfg(test)]
mod tests;
