//! Amazon CloudWatch Logs: groups, streams and events.
//!
//! An event lies in its stream by time and number, and once more in its group's index of times, so that both reading one
//! stream and following a whole group cost what they return. Events older than the group's retention are never shown,
//! and are deleted as newer ones come in.

mod error;
mod filter;
mod ops;
mod store;

use service::{AnyOperation, ApiError, Service};
use wire::{ServiceModel, Violations};

pub use error::Error;

service::operations! { Logs, logs_api:
    CreateLogGroup,
    CreateLogStream,
    DeleteLogGroup,
    DeleteLogStream,
    DeleteRetentionPolicy,
    DescribeLogGroups,
    DescribeLogStreams,
    FilterLogEvents,
    GetLogEvents,
    ListTagsForResource,
    ListTagsLogGroup,
    PutLogEvents,
    PutRetentionPolicy,
    TagLogGroup,
    TagResource,
    UntagLogGroup,
    UntagResource,
}

/// See the module.
#[derive(Default)]
pub struct Logs;

impl Service for Logs {
    fn model(&self) -> &'static ServiceModel {
        &logs_api::SERVICE_MODEL
    }

    fn resources(&self) -> &'static [(&'static str, &'static str)] {
        &[("log groups", "logs/group\0\u{1}"), ("log streams", "logs/stream\0\u{1}")]
    }

    fn operations(&self) -> &'static [&'static dyn AnyOperation] {
        OPERATIONS
    }

    fn invalid(&self, violations: &Violations) -> ApiError {
        ApiError::new(400, "InvalidParameterException", violations.to_string())
    }
}
