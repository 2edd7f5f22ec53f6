//! Tags of everything that has some: APIs, their stages, and what belongs to the account.

use super::{arn, client_certificate, domain_name, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    store::{Place, Record},
};
use ::store::Transaction;
use apigateway_api::{
    ApiKey, ClientCertificate, GetTags, GetTagsRequest, RestApi, Stage, TagResource, TagResourceRequest, UntagResource,
    UntagResourceRequest, UsagePlan,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, TagResource, action: "apigateway:PUT" on |cx, r| tags_arn(cx, &r.resource_arn), handler: tag }
operation! { ApiGateway, UntagResource, action: "apigateway:DELETE" on |cx, r| tags_arn(cx, &r.resource_arn), handler: untag }
operation! { ApiGateway, GetTags, action: "apigateway:GET" on |cx, r| tags_arn(cx, &r.resource_arn), handler: get }

fn tags_arn(cx: &Context, resource_arn: &str) -> String {
    arn(cx, format!("/tags/{}", utf8_percent_encode(resource_arn, NON_ALPHANUMERIC)))
}

type Tags = BTreeMap<String, String>;

/// Reads the tags of what an ARN names; `change` says what they become, or leaves them.
fn at(
    cx: &Context,
    tx: &mut Transaction<'_>,
    resource_arn: &str,
    change: impl FnOnce(&mut Tags) -> Result<bool, Error>,
) -> Result<Tags, Error> {
    let decoded = percent_decode_str(resource_arn).decode_utf8_lossy().into_owned();
    let invalid = || Error::BadRequest("Invalid ARN specified in the request.".to_owned());
    let path = decoded.strip_prefix(&arn(cx, "/")).ok_or_else(invalid)?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["restapis", id] => {
            let place = Place::new(cx, id);
            let api = place.api(tx)?;
            let mut tags = api.tags.clone().unwrap_or_default();
            if change(&mut tags)? {
                place.put_api(tx, &RestApi { tags: Some(tags.clone()), ..api });
            }
            Ok(tags)
        }
        ["restapis", id, "stages", stage] => {
            let place = Place::new(cx, id);
            place.api(tx)?;
            record::<Stage>(place, tx, stage, |stage| &mut stage.tags, change)
        }
        ["apikeys", id] => record::<ApiKey>(Place::of_account(cx), tx, id, |key| &mut key.tags, change),
        ["usageplans", id] => record::<UsagePlan>(Place::of_account(cx), tx, id, |plan| &mut plan.tags, change),
        ["clientcertificates", id] => {
            client_certificate::find(cx, tx, id)?;
            record::<ClientCertificate>(Place::of_account(cx), tx, id, |certificate| &mut certificate.tags, change)
        }
        ["domainnames", name] => {
            let domains = domain_name::domains(cx);
            let mut domain = domains.get(tx, name)?.ok_or_else(domain_name::missing)?;
            if change(&mut domain.tags)? {
                domains.put(tx, &domain)?;
            }
            Ok(domain.tags)
        }
        _ => Err(invalid()),
    }
}

fn record<T: Record>(
    place: Place<'_>,
    tx: &mut Transaction<'_>,
    id: &str,
    tags: impl FnOnce(&mut T) -> &mut Option<Tags>,
    change: impl FnOnce(&mut Tags) -> Result<bool, Error>,
) -> Result<Tags, Error> {
    let mut found: T = place.find(tx, id)?.ok_or_else(|| Error::NotFound(T::missing(id)))?;
    let own = tags(&mut found).get_or_insert_default();
    let changed = change(own)?;
    let shown = own.clone();
    if changed {
        place.put(tx, id, &found);
    }
    Ok(shown)
}

async fn tag(_: &ApiGateway, cx: &Context, request: TagResourceRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        at(cx, tx, &request.resource_arn, |tags| {
            tags.extend(request.tags);
            check_api_tags(Some(tags))?;
            Ok(true)
        })?;
        Ok(wire::Unit::default())
    })
}

async fn untag(_: &ApiGateway, cx: &Context, request: UntagResourceRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        at(cx, tx, &request.resource_arn, |tags| {
            tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(true)
        })?;
        Ok(wire::Unit::default())
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetTagsRequest) -> Result<apigateway_api::Tags, Error> {
    let tags = cx.store().write(|tx| at(cx, tx, &request.resource_arn, |_| Ok(false)))?;
    Ok(apigateway_api::Tags { tags: Some(tags) })
}
