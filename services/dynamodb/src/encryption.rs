//! Encryption at rest, as tables say it: with the key that AWS owns (the default), or with the account's managed key.
//!
//! There is no KMS whose keys could be named. A table says which key it has, as on AWS; what this cloud writes to its own disk is
//! not encrypted with it, which the README says.

use dynamodb_api as api;
use managed_keys::{ManagedKey, not_found};
use service::Context;

use crate::error::{Error, Invalid};

/// The key that a request asks for, in the region of `cx`. The outer option is whether it asks for anything, the inner one is
/// the managed key's ARN; nothing where the key is AWS's own.
pub fn asked(cx: &Context, wanted: Option<&api::SSESpecification>) -> Result<Option<Option<String>>, Error> {
    let Some(wanted) = wanted else { return Ok(None) };
    let kind = wanted.sse_type.as_ref().map(api::SSEType::as_str);
    if wanted.enabled != Some(true) {
        // A type or key alone means that encryption with it is not asked for.
        return match (kind, &wanted.kms_master_key_id) {
            (None, None) => Ok(Some(None)),
            (_, Some(_)) => Err(Invalid::values("KMSMasterKeyId can only be specified if SSE is enabled").into()),
            (Some(_), None) => Err(Invalid::values("SSEType can only be specified if SSE is enabled").into()),
        };
    }
    if kind == Some("AES256") {
        return Err(Invalid::values("The only valid SSEType is KMS").into());
    }
    let name = wanted.kms_master_key_id.as_deref();
    if let Some(name) = name {
        named(cx, name)?;
    }
    of_table(cx, cx.region()).map(|arn| Some(Some(arn)))
}

/// Checks that a key that somebody names is the managed one: there are no others.
pub fn named(cx: &Context, name: &str) -> Result<(), Error> {
    let key = ManagedKey::need(cx, cx.account(), cx.region(), "dynamodb")?;
    if key.is_named(name) {
        return Ok(());
    }
    let missing = not_found(name, cx.account(), cx.region());
    let id = cx.random().uuid();
    Err(Invalid(format!(
        "KMS validation error: com.amazonaws.services.kms.model.NotFoundException: {missing} (Service: AWSKMS; Status Code: 400; Error Code: NotFoundException; Request ID: {id}; \
         Proxy: null)"
    ))
    .into())
}

/// The ARN of the managed key of a region.
pub fn of_table(cx: &Context, region: &str) -> Result<String, Error> {
    Ok(ManagedKey::need(cx, cx.account(), region, "dynamodb")?.arn)
}

/// What is shown of a table's encryption; nothing where the key is AWS's own.
pub fn describe(key: Option<&String>, status: api::SSEStatus) -> Option<api::SSEDescription> {
    key.map(|arn| api::SSEDescription {
        status: Some(status),
        sse_type: Some(api::SSEType::Kms),
        kms_master_key_arn: Some(arn.clone()),
        ..Default::default()
    })
}
