//! The operations, by noun.

pub mod api;
mod authorizer;
mod deployment;
mod domain;
mod import;
mod integration;
mod integration_response;
mod model;
mod route;
mod route_response;
pub mod stage;
mod tag;

use crate::error::Error;
use service::{Context, check_tags};
use std::collections::BTreeMap;

/// The ARN by which policies know what is at a path.
pub fn arn(cx: &Context, path: impl std::fmt::Display) -> String {
    format!("arn:aws:apigateway:{}::{path}", cx.region())
}

/// The ARN of a function or of its invocations, as `integrationUri` and `authorizerUri` may name it.
pub fn function_of(uri: &str) -> Option<&str> {
    if uri.starts_with("arn:aws:lambda:") {
        return uri.contains(":function:").then_some(uri);
    }
    execute_api::target::function(uri)
}

fn check(tags: Option<&BTreeMap<String, String>>) -> Result<(), Error> {
    let tags = tags.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    check_tags(tags).map_err(|_| Error::BadRequest("Invalid tags specified".to_owned()))
}
