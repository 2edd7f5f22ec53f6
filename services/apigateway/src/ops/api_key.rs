//! API keys: what callers of a method may have to show.

use super::{arn, now, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Record, delete_key, put_key},
};
use apigateway_api::*;
use execute_api::usage::key_of;
use service::{Context, Transaction, operation};

operation! { ApiGateway, CreateApiKey, action: "apigateway:POST" on |cx, _| arn(cx, "/apikeys"), handler: create }
operation! { ApiGateway, GetApiKey, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apikeys/{}", r.api_key)), handler: get }
operation! { ApiGateway, GetApiKeys, action: "apigateway:GET" on |cx, _| arn(cx, "/apikeys"), handler: list }
operation! { ApiGateway, UpdateApiKey, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apikeys/{}", r.api_key)), handler: update }
operation! { ApiGateway, DeleteApiKey, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apikeys/{}", r.api_key)), handler: delete }

pub fn missing() -> Error {
    Error::NotFound(ApiKey::missing(""))
}

async fn create(_: &ApiGateway, cx: &Context, request: CreateApiKeyRequest) -> Result<ApiKey, Error> {
    check_api_tags(request.tags.as_ref())?;
    if request.stage_keys.as_ref().is_some_and(|keys| !keys.is_empty()) {
        return Err(Error::NotImplemented("Stage keys are not implemented: use usage plans.".to_owned()));
    }
    cx.store().write(|tx| insert(cx, tx, request))
}

/// Makes a key.
pub fn insert(cx: &Context, tx: &mut Transaction<'_>, request: CreateApiKeyRequest) -> Result<ApiKey, Error> {
    if request.value.as_ref().is_some_and(|value| value.len() < 20) {
        return Err(Error::BadRequest("API Key value should be at least 20 characters".to_owned()));
    }
    let value = request.value.unwrap_or_else(|| cx.random().alphanumeric(40));
    if key_of(cx, tx, &value)?.is_some() {
        return Err(Error::Conflict("API Key already exists".to_owned()));
    }
    let key = ApiKey {
        id: Some(cx.random().lower_alphanumeric(10)),
        value: Some(value),
        name: request.name,
        customer_id: request.customer_id,
        description: request.description,
        enabled: Some(request.enabled.unwrap_or(false)),
        created_date: Some(now(cx)),
        last_updated_date: Some(now(cx)),
        stage_keys: Some(Vec::new()),
        tags: request.tags,
    };
    put_key(cx, tx, &key);
    Ok(key)
}

/// A key as it is shown: its value only to those who ask for it.
fn reply(key: ApiKey, with_value: Option<bool>) -> ApiKey {
    ApiKey { value: key.value.filter(|_| with_value == Some(true)), ..key }
}

async fn get(_: &ApiGateway, cx: &Context, request: GetApiKeyRequest) -> Result<ApiKey, Error> {
    let key = Place::of_account(cx).find(&cx.store().snapshot(), &request.api_key)?.ok_or_else(missing)?;
    Ok(reply(key, request.include_value))
}

async fn list(_: &ApiGateway, cx: &Context, request: GetApiKeysRequest) -> Result<ApiKeys, Error> {
    let wanted = |key: &ApiKey| {
        let starts = |name: &String| key.name.as_ref().is_some_and(|known| known.starts_with(name.as_str()));
        let customer = request.customer_id.is_none() || key.customer_id == request.customer_id;
        customer && request.name_query.as_ref().is_none_or(starts)
    };
    let snapshot = cx.store().snapshot();
    let (items, position) =
        Place::of_account(cx).page_where(&snapshot, "", request.position.as_deref(), request.limit, wanted)?;
    let items = items.into_iter().map(|key| reply(key, request.include_values)).collect();
    Ok(ApiKeys { items: Some(items), position, warnings: None })
}

fn slot<'a>(key: &'a mut ApiKey, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["name"] => Slot::Text(&mut key.name),
        ["description"] => Slot::Text(&mut key.description),
        ["customerId"] => Slot::Text(&mut key.customer_id),
        ["enabled"] => Slot::Flag(&mut key.enabled),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateApiKeyRequest) -> Result<ApiKey, Error> {
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        let mut key: ApiKey = place.find(tx, &request.api_key)?.ok_or_else(missing)?;
        let paths = &Paths::members(&["/name", "/description", "/customerId", "/enabled"]);
        patch::apply(&mut key, request.patch_operations.as_deref().unwrap_or_default(), paths, slot)?;
        key.last_updated_date = Some(now(cx));
        place.put(tx, &request.api_key, &key);
        Ok(reply(key, None))
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteApiKeyRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        let key: ApiKey = place.find(tx, &request.api_key)?.ok_or_else(missing)?;
        delete_key(cx, tx, &key);
        for plan in place.all::<UsagePlan>(tx)? {
            let id = execute_api::usage::plan_key_id(plan.id.as_deref().unwrap_or_default(), &request.api_key);
            place.delete::<UsagePlanKey>(tx, &id);
        }
        Ok(wire::Unit::default())
    })
}
