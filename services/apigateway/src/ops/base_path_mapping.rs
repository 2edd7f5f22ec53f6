//! Base path mappings: which API a path of a custom domain leads to.

use super::{
    arn,
    domain_name::{domains, missing as no_domain},
};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, page_limit},
};
use apigateway_api::*;
use execute_api::domain::{Domain, Mapping};
use service::{Context, Page, Transaction, decode_token, encode_token, operation};

operation! { ApiGateway, CreateBasePathMapping, action: "apigateway:POST" on |cx, r| arn(cx, format!("/domainnames/{}/basepathmappings", r.domain_name)), handler: create }
operation! { ApiGateway, GetBasePathMapping, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}/basepathmappings/{}", r.domain_name, r.base_path)), handler: get }
operation! { ApiGateway, GetBasePathMappings, action: "apigateway:GET" on |cx, r| arn(cx, format!("/domainnames/{}/basepathmappings", r.domain_name)), handler: list }
operation! { ApiGateway, UpdateBasePathMapping, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/domainnames/{}/basepathmappings/{}", r.domain_name, r.base_path)), handler: update }
operation! { ApiGateway, DeleteBasePathMapping, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/domainnames/{}/basepathmappings/{}", r.domain_name, r.base_path)), handler: delete }

/// How the path without a base is written.
const NONE: &str = "(none)";

fn missing() -> Error {
    Error::NotFound("Invalid base path mapping identifier specified".to_owned())
}

fn key(base_path: &str) -> &str {
    if base_path == NONE { "" } else { base_path }
}

fn shown(mapping: Mapping) -> BasePathMapping {
    BasePathMapping {
        base_path: Some(if mapping.key.is_empty() { NONE.to_owned() } else { mapping.key }),
        rest_api_id: Some(mapping.api),
        stage: Some(mapping.stage).filter(|stage| !stage.is_empty()),
    }
}

async fn create(_: &ApiGateway, cx: &Context, request: CreateBasePathMappingRequest) -> Result<BasePathMapping, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(no_domain)?;
        let mapping = Mapping {
            id: cx.random().lower_alphanumeric(6),
            key: key(request.base_path.as_deref().unwrap_or_default()).to_owned(),
            api: request.rest_api_id,
            stage: request.stage.unwrap_or_default(),
        };
        check(cx, tx, &mapping)?;
        if domains(cx).mappings(tx, domain)?.iter().any(|known| known.key == mapping.key) {
            return Err(Error::Conflict("Base path already exists for this domain name".to_owned()));
        }
        domains(cx).put_mapping(tx, domain, &mapping)?;
        Ok(shown(mapping))
    })
}

/// A mapping must lead to an API and a stage that are there.
fn check(cx: &Context, tx: &Transaction<'_>, mapping: &Mapping) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()".contains(c);
    if !mapping.key.chars().all(allowed) {
        let message = "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a \
                       multi-level base path mapping, use API Gateway V2.";
        return Err(Error::BadRequest(message.to_owned()));
    }
    let place = Place::new(cx, &mapping.api);
    if place.api(tx).is_err() {
        return Err(Error::BadRequest("Invalid REST API identifier specified".to_owned()));
    }
    if !mapping.stage.is_empty() && place.find::<Stage>(tx, &mapping.stage)?.is_none() {
        return Err(Error::BadRequest("Invalid stage identifier specified".to_owned()));
    }
    Ok(())
}

/// The domains that lead to an API, or to one stage of it.
pub fn mapped(cx: &Context, tx: &mut Transaction<'_>, api: &str, stage: Option<&str>) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for (_, record) in tx.scan(domains(cx).range(), usize::MAX)? {
        let domain: Domain = service::from_record(&record)?;
        let leads = |mapping: &Mapping| mapping.api == api && stage.is_none_or(|stage| mapping.stage == stage);
        if domains(cx).mappings(tx, &domain.name)?.iter().any(leads) {
            found.push(domain.name);
        }
    }
    Ok(found)
}

async fn get(_: &ApiGateway, cx: &Context, request: GetBasePathMappingRequest) -> Result<BasePathMapping, Error> {
    let snapshot = cx.store().snapshot();
    domains(cx).get(&snapshot, &request.domain_name)?.ok_or_else(no_domain)?;
    let all = domains(cx).find_mappings(&snapshot, &request.domain_name)?;
    let found = all.into_iter().find(|mapping| mapping.key == key(&request.base_path));
    found.map(shown).ok_or_else(missing)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetBasePathMappingsRequest) -> Result<BasePathMappings, Error> {
    let snapshot = cx.store().snapshot();
    domains(cx).get(&snapshot, &request.domain_name)?.ok_or_else(no_domain)?;
    let invalid = || Error::BadRequest("Invalid position parameter".to_owned());
    let after = request.position.as_deref().map(|position| decode_token(position).ok_or_else(invalid)).transpose()?;
    let read = |_: &service::Bytes, value: &service::Bytes| Ok(Some(shown(service::from_record(value)?)));
    let range = domains(cx).mappings_range(&request.domain_name);
    let page = Page::read::<Error>(&snapshot, range, after.as_deref(), page_limit(request.limit)?, read)?;
    Ok(BasePathMappings { items: Some(page.items), position: page.next.map(|key| encode_token(&key)) })
}

const PATHS: Paths = Paths::members(&["/basePath", "/basepath", "/restapiId", "/restApiId", "/stage"]);

fn slot<'a>(mapping: &'a mut Mapping, path: &[&str]) -> Option<Slot<'a>> {
    let place = match path {
        ["basePath" | "basepath"] => &mut mapping.key,
        ["restapiId" | "restApiId"] => &mut mapping.api,
        ["stage"] => &mut mapping.stage,
        _ => return None,
    };
    Some(Slot::Set(Box::new(move |value| {
        key(value.unwrap_or_default()).clone_into(place);
        true
    })))
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateBasePathMappingRequest) -> Result<BasePathMapping, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(no_domain)?;
        let all = domains(cx).mappings(tx, domain)?;
        let old = all.iter().find(|mapping| mapping.key == key(&request.base_path)).ok_or_else(missing)?;
        let mut new = old.clone();
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut new, operations, &PATHS, slot)?;
        check(cx, tx, &new)?;
        if new.key != old.key && all.iter().any(|known| known.key == new.key) {
            return Err(Error::Conflict("Base path already exists for this domain name".to_owned()));
        }
        domains(cx).delete_mapping(tx, domain, &old.key);
        domains(cx).put_mapping(tx, domain, &new)?;
        Ok(shown(new))
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteBasePathMappingRequest) -> Result<wire::Unit, Error> {
    let domain = &request.domain_name;
    cx.store().write(|tx| {
        domains(cx).get(tx, domain)?.ok_or_else(no_domain)?;
        let key = key(&request.base_path);
        if !domains(cx).mappings(tx, domain)?.iter().any(|mapping| mapping.key == key) {
            return Err(missing());
        }
        domains(cx).delete_mapping(tx, domain, key);
        Ok(wire::Unit::default())
    })
}
