//! The operations, a file a noun.

pub mod account;
pub mod api_key;
pub mod authorizer;
pub mod base_path_mapping;
pub mod client_certificate;
mod deployment;
pub mod documentation;
mod domain_name;
mod export;
pub mod gateway_response;
pub mod import;
mod import_keys;
pub mod integration;
pub mod integration_response;
pub mod method;
pub mod method_response;
pub mod model;
pub mod request_validator;
pub mod resource;
pub mod rest_api;
pub mod stage;
pub mod tag;
mod test_authorizer;
pub mod test_invoke;
#[cfg(test)]
mod tests;
pub mod usage_plan;

use service::{Context, Timestamp};

/// `arn:aws:apigateway:region::/path`: what permission to manage something is about.
fn arn(cx: &Context, path: impl AsRef<str>) -> String {
    format!("arn:aws:apigateway:{}::{}", cx.region(), path.as_ref())
}

/// The time as this service shows it: in whole seconds.
fn now(cx: &Context) -> Timestamp {
    Timestamp::from_secs(cx.now().secs())
}
