//! The API of DynamoDB Streams: the same state as DynamoDB's, under another endpoint.

mod iterator;
mod read;

use service::{AnyOperation, ApiError, Service, operations};
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

    fn malformed(&self, error: &DecodeError) -> ApiError {
        self.db.malformed(error)
    }
}

#[cfg(test)]
mod tests;
