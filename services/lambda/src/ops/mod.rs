//! The operations, by the noun that they are about.

pub mod account;
mod alias;
mod asynchronous;
mod code;
mod code_signing;
mod concurrency;
mod configuration;
mod event_invoke;
mod event_source;
mod function;
pub mod invocation;
mod layer;
pub mod layer_policy;
mod permission;
mod provisioned;
mod recursion;
mod resource_policy;
mod runtime;
mod streaming;
mod tag;
mod url;
mod version;

#[cfg(test)]
mod tests;

use service::Context;

use crate::arn::Reference;
use crate::error::Error;
use crate::function::not_found;
use crate::store::{self as records, Function};

/// The function that a request names.
fn reference(cx: &Context, name: &str, qualifier: Option<&str>) -> Result<Reference, Error> {
    let reference = Reference::parse(name, qualifier, cx.account(), cx.region()).ok_or_else(|| {
        Error::InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier.".into(),
        )
    })?;
    if reference.region != cx.region() {
        return Err(Error::ResourceNotFound(format!(
            "Functions from '{}' are not reachable in this region ('{}')",
            reference.region,
            cx.region()
        )));
    }
    Ok(reference)
}

fn find(cx: &Context, reference: &Reference) -> Result<Function, Error> {
    records::function(cx.store(), reference)?.ok_or_else(|| not_found(reference))
}

/// What operations on a function need to be allowed.
fn access(cx: &Context, action: &str, name: &str, qualifier: Option<&str>) -> Result<Vec<service::Access>, Error> {
    let reference = reference(cx, name, qualifier)?;
    let account = reference.account.clone();
    Ok(vec![service::Access::new(action, reference.to_string()).owned_by(account)])
}
