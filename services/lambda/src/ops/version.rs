//! PublishVersion, ListVersionsByFunction.

use lambda_api::{
    FunctionConfiguration, ListVersionsByFunction, ListVersionsByFunctionRequest, ListVersionsByFunctionResponse,
    PublishVersion, PublishVersionRequest,
};
use service::{Context, Range, encode_token, from_record, operation, to_record};
use store::Transaction;

use super::function::marker_key;
use super::{access, find, reference};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::{check_revision, check_settled, describe, describe_in_list, not_found};
use crate::store::{self as records, Alias, Configuration, Function, State, Update};

operation! {
    Lambda, PublishVersion,
    access: |_s, cx, request| access(cx, "lambda:PublishVersion", &request.function_name, None),
    handler: publish_version
}
operation! {
    Lambda, ListVersionsByFunction,
    access: |_s, cx, request| access(cx, "lambda:ListVersionsByFunction", &request.function_name, None),
    handler: list_versions
}

async fn publish_version(
    _: &Lambda,
    cx: &Context,
    request: PublishVersionRequest,
) -> Result<FunctionConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let (function, version) = cx.store().write(|tx| {
        let mut function = records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        check_settled(&function)?;
        check_revision(&function.latest.revision_id, request.revision_id.as_deref())?;
        let current = &function.latest.code.sha256_base64;
        if request.code_sha256.as_ref().is_some_and(|expected| expected != current) {
            return Err(Error::InvalidParameterValue(format!(
                "CodeSHA256 ({}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST.",
                request.code_sha256.as_deref().unwrap_or_default()
            )));
        }
        let version = publish(tx, &mut function, request.description)?;
        records::put_function(tx, &function)?;
        Ok((function, version))
    })?;
    let arn = reference.qualified(&version.version).to_string();
    Ok(describe(&function, &version, arn))
}

/// Publishes what the latest configuration is; if nothing has changed since the last version, that is it. The caller stores
/// the function.
pub fn publish(
    tx: &mut Transaction<'_>,
    function: &mut Function,
    description: Option<String>,
) -> Result<Configuration, Error> {
    let reference = function.reference();
    if let Some(last) = tx.get(records::versions_key(&reference).number(function.versions).as_slice())? {
        let last: Configuration = from_record(&last)?;
        if is_same(&last, &function.latest) {
            return Ok(last);
        }
    }
    function.versions += 1;
    let mut version = Configuration {
        version: function.versions.to_string(),
        state: State::Active,
        update: Update::Successful,
        ..function.latest.clone()
    };
    if let Some(description) = description {
        version.description = description;
    }
    records::change_use(tx, &reference.clone().qualified(&version.version), &[], &version.packages())?;
    tx.put(records::versions_key(&reference).number(function.versions), to_record(&version)?);
    Ok(version)
}

/// Publishing keeps the revision, so a version is what the latest configuration was as long as their revisions agree.
fn is_same(version: &Configuration, latest: &Configuration) -> bool {
    version.revision_id == latest.revision_id
}

async fn list_versions(
    _: &Lambda,
    cx: &Context,
    request: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let function = find(cx, &reference)?;
    let limit = request.max_items.map_or(50, |limit| limit.clamp(1, 50)) as usize;
    let after = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let mut range = Range::prefix(records::versions_key(&reference));
    let mut found = Vec::new();
    match after {
        Some(key) => range = range.after(key),
        None => found.push(function.latest.clone()),
    }
    let (mut last, mut next_marker) = (records::versions_key(&reference).as_slice().to_vec(), None);
    for entry in cx.store().scan(range) {
        let (key, record) = entry?;
        if found.len() == limit {
            next_marker = Some(encode_token(&last));
            break;
        }
        found.push(from_record(&record)?);
        last = key.to_vec();
    }
    let arn = |version: &Configuration| reference.clone().qualified(&version.version).to_string();
    let versions = found.iter().map(|version| describe_in_list(&function, version, arn(version))).collect();
    Ok(ListVersionsByFunctionResponse { versions: Some(versions), next_marker })
}

/// Removes one version; returns the package that it used.
pub fn delete(cx: &Context, reference: &Reference, version: &str) -> Result<Vec<String>, Error> {
    let number: u64 = version
        .parse()
        .map_err(|_| Error::InvalidParameterValue("Deletion of aliases is not currently supported.".into()))?;
    cx.store().write(|tx| {
        let key = records::versions_key(reference).number(number);
        let record = tx.get(key.as_slice())?.ok_or_else(|| not_found(reference))?;
        let configuration: Configuration = from_record(&record)?;
        for (_, alias) in tx.scan(Range::prefix(records::aliases_key(reference)), usize::MAX)? {
            let alias: Alias = from_record(&alias)?;
            let second = alias.second.as_ref().is_some_and(|(second, _)| second == version);
            if alias.version == version || second {
                return Err(Error::ResourceConflict(format!(
                    "Version {version} is in use by alias {} and cannot be deleted.",
                    alias.name
                )));
            }
        }
        tx.delete(key);
        if let Some(mut function) = records::function_in(tx, reference)? {
            function.forget(version);
            records::put_function(tx, &function)?;
        }
        Ok(records::change_use(tx, reference, &configuration.packages(), &[])?)
    })
}

/// Whether a function has this version.
pub fn exists(tx: &Transaction<'_>, reference: &Reference, version: &str) -> Result<bool, Error> {
    match version.parse() {
        _ if version == LATEST => Ok(true),
        Ok(number) => Ok(tx.contains(records::versions_key(reference).number(number).as_slice())?),
        Err(_) => Ok(false),
    }
}
