//! Aliases: names for versions.

use lambda_api::{
    AliasConfiguration, AliasRoutingConfiguration, CreateAlias, CreateAliasRequest, DeleteAlias, DeleteAliasRequest,
    GetAlias, GetAliasRequest, ListAliases, ListAliasesRequest, ListAliasesResponse, UpdateAlias, UpdateAliasRequest,
};
use service::{Context, Page, Range, encode_token, from_record, operation, to_record};
use store::Transaction;
use wire::Unit;

use super::function::marker_key;
use super::{access, find, reference, version};
use crate::Lambda;
use crate::arn::{LATEST, Reference};
use crate::error::Error;
use crate::function::{check_revision, not_found};
use crate::store::{self as records, Alias};

operation! {
    Lambda, CreateAlias,
    access: |_s, cx, request| access(cx, "lambda:CreateAlias", &request.function_name, None),
    handler: create_alias
}
operation! {
    Lambda, DeleteAlias,
    access: |_s, cx, request| access(cx, "lambda:DeleteAlias", &request.function_name, None),
    handler: delete_alias
}
operation! {
    Lambda, GetAlias,
    access: |_s, cx, request| access(cx, "lambda:GetAlias", &request.function_name, None),
    handler: get_alias
}
operation! {
    Lambda, ListAliases,
    access: |_s, cx, request| access(cx, "lambda:ListAliases", &request.function_name, None),
    handler: list_aliases
}
operation! {
    Lambda, UpdateAlias,
    access: |_s, cx, request| access(cx, "lambda:UpdateAlias", &request.function_name, None),
    handler: update_alias
}

fn describe(reference: &Reference, alias: &Alias) -> AliasConfiguration {
    AliasConfiguration {
        alias_arn: Some(reference.clone().qualified(&alias.name).to_string()),
        name: Some(alias.name.clone()),
        function_version: Some(alias.version.clone()),
        description: Some(alias.description.clone()),
        revision_id: Some(alias.revision_id.clone()),
        routing_config: alias.second.as_ref().map(|(version, weight)| AliasRoutingConfiguration {
            additional_version_weights: Some([(version.clone(), *weight)].into()),
        }),
    }
}

fn alias_not_found(reference: &Reference, name: &str) -> Error {
    Error::ResourceNotFound(format!("Cannot find alias arn: {}", reference.clone().qualified(name)))
}

/// The second version of an alias and its share; `None` removes it.
fn second(
    tx: &Transaction<'_>,
    reference: &Reference,
    first: &str,
    routing: AliasRoutingConfiguration,
) -> Result<Option<(String, f64)>, Error> {
    let weights = routing.additional_version_weights.unwrap_or_default();
    if weights.len() > 1 {
        let text = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        return Err(Error::InvalidParameterValue(text.into()));
    }
    let Some((version, weight)) = weights.into_iter().next() else { return Ok(None) };
    let refused = |text: String| Err(Error::InvalidParameterValue(text));
    if version == LATEST || first == LATEST {
        return refused("$LATEST is not supported for an alias pointing to more than 1 version".into());
    }
    if version == first {
        return refused(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        ));
    }
    if !(0.0..=1.0).contains(&weight) {
        return refused(format!("Version weight {weight} is not in the range [0, 1]"));
    }
    check_version(tx, reference, &version)?;
    Ok(Some((version, weight)))
}

fn check_version(tx: &Transaction<'_>, reference: &Reference, number: &str) -> Result<(), Error> {
    if version::exists(tx, reference, number)? {
        return Ok(());
    }
    Err(not_found(&reference.clone().qualified(number)))
}

async fn create_alias(_: &Lambda, cx: &Context, request: CreateAliasRequest) -> Result<AliasConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    if request.name.bytes().all(|byte| byte.is_ascii_digit()) {
        let constraint = "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)";
        return Err(Error::violation(&request.name, "name", constraint));
    }
    let mut alias = Alias {
        name: request.name,
        version: request.function_version,
        description: request.description.unwrap_or_default(),
        revision_id: cx.random().uuid(),
        second: None,
    };
    cx.store().write(|tx| {
        records::function_in(tx, &reference)?.ok_or_else(|| not_found(&reference))?;
        check_version(tx, &reference, &alias.version)?;
        if let Some(routing) = request.routing_config {
            alias.second = second(tx, &reference, &alias.version, routing)?;
        }
        let key = records::aliases_key(&reference).text(&alias.name);
        if tx.contains(key.as_slice())? {
            let arn = reference.clone().qualified(&alias.name);
            return Err(Error::ResourceConflict(format!("Alias already exists: {arn}")));
        }
        tx.put(key, to_record(&alias)?);
        Ok(())
    })?;
    Ok(describe(&reference, &alias))
}

async fn delete_alias(_: &Lambda, cx: &Context, request: DeleteAliasRequest) -> Result<Unit, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    find(cx, &reference)?;
    cx.store().write(|tx| {
        tx.delete(records::aliases_key(&reference).text(&request.name));
        if let Some(mut function) = records::function_in(tx, &reference)? {
            function.forget(&request.name);
            if let Some(url) = function.urls.remove(&request.name) {
                tx.delete(records::url_key(&url.id));
            }
            records::put_function(tx, &function)?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(Unit::default())
}

async fn get_alias(_: &Lambda, cx: &Context, request: GetAliasRequest) -> Result<AliasConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let alias = records::alias(cx.store(), &reference, &request.name)?;
    alias.map(|alias| describe(&reference, &alias)).ok_or_else(|| alias_not_found(&reference, &request.name))
}

async fn list_aliases(_: &Lambda, cx: &Context, request: ListAliasesRequest) -> Result<ListAliasesResponse, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    find(cx, &reference)?;
    let limit = request.max_items.map_or(50, |limit| limit.clamp(1, 50)) as usize;
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty()).map(marker_key).transpose()?;
    let range = Range::prefix(records::aliases_key(&reference));
    let page = Page::read(&cx.store().snapshot(), range, marker.as_deref(), limit, |_, record| {
        let alias: Alias = from_record(record)?;
        let wanted = request.function_version.as_ref().is_none_or(|version| *version == alias.version);
        Ok::<_, Error>(wanted.then_some(alias))
    })?;
    Ok(ListAliasesResponse {
        aliases: Some(page.items.iter().map(|alias| describe(&reference, alias)).collect()),
        next_marker: page.next.map(|key| encode_token(&key)),
    })
}

async fn update_alias(_: &Lambda, cx: &Context, request: UpdateAliasRequest) -> Result<AliasConfiguration, Error> {
    let reference = reference(cx, &request.function_name, None)?.unqualified();
    let alias = cx.store().write(|tx| {
        let key = records::aliases_key(&reference).text(&request.name);
        let missing =
            || Error::ResourceNotFound(format!("Alias not found: {}", reference.clone().qualified(&request.name)));
        let record = tx.get(key.as_slice())?.ok_or_else(missing)?;
        let mut alias: Alias = from_record(&record)?;
        check_revision(&alias.revision_id, request.revision_id.as_deref())?;
        if let Some(version) = request.function_version {
            check_version(tx, &reference, &version)?;
            alias.version = version;
        }
        if let Some(routing) = request.routing_config {
            alias.second = second(tx, &reference, &alias.version, routing)?;
        }
        if let Some(description) = request.description {
            alias.description = description;
        }
        alias.revision_id = cx.random().uuid();
        tx.put(key, to_record(&alias)?);
        Ok::<_, Error>(alias)
    })?;
    Ok(describe(&reference, &alias))
}
