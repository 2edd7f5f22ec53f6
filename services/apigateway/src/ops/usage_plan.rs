//! Usage plans, their keys, and how much those were used.

use super::{api_key, arn, rest_api::check_api_tags};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader, Record},
};
use apigateway_api::*;
use execute_api::{
    site,
    usage::{day, plan_key_id, set_left, used, used_in_period, web_socket_stage},
};
use service::{Context, Timestamp, Transaction, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, CreateUsagePlan, action: "apigateway:POST" on |cx, _| arn(cx, "/usageplans"), handler: create }
operation! { ApiGateway, GetUsagePlan, action: "apigateway:GET" on |cx, r| arn(cx, format!("/usageplans/{}", r.usage_plan_id)), handler: get }
operation! { ApiGateway, GetUsagePlans, action: "apigateway:GET" on |cx, _| arn(cx, "/usageplans"), handler: list }
operation! { ApiGateway, UpdateUsagePlan, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/usageplans/{}", r.usage_plan_id)), handler: update }
operation! { ApiGateway, DeleteUsagePlan, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/usageplans/{}", r.usage_plan_id)), handler: delete }
operation! { ApiGateway, CreateUsagePlanKey, action: "apigateway:POST" on |cx, r| arn(cx, format!("/usageplans/{}/keys", r.usage_plan_id)), handler: create_key }
operation! { ApiGateway, GetUsagePlanKey, action: "apigateway:GET" on |cx, r| arn(cx, format!("/usageplans/{}/keys/{}", r.usage_plan_id, r.key_id)), handler: get_key }
operation! { ApiGateway, GetUsagePlanKeys, action: "apigateway:GET" on |cx, r| arn(cx, format!("/usageplans/{}/keys", r.usage_plan_id)), handler: list_keys }
operation! { ApiGateway, DeleteUsagePlanKey, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/usageplans/{}/keys/{}", r.usage_plan_id, r.key_id)), handler: delete_key }
operation! { ApiGateway, UpdateUsage, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/usageplans/{}/keys/{}/usage", r.usage_plan_id, r.key_id)), handler: update_usage }
operation! { ApiGateway, GetUsage, action: "apigateway:GET" on |cx, r| arn(cx, format!("/usageplans/{}/usage", r.usage_plan_id)), handler: usage }

fn find(cx: &Context, reader: &impl Reader, id: &str) -> Result<UsagePlan, Error> {
    Place::of_account(cx).find(reader, id)?.ok_or_else(|| Error::NotFound(UsagePlan::missing(id)))
}

async fn create(_: &ApiGateway, cx: &Context, request: CreateUsagePlanRequest) -> Result<UsagePlan, Error> {
    check_api_tags(request.tags.as_ref())?;
    cx.store().write(|tx| {
        let id = cx.random().lower_alphanumeric(6);
        let plan = UsagePlan {
            id: Some(id.clone()),
            name: Some(request.name),
            description: request.description,
            api_stages: Some(request.api_stages.unwrap_or_default()),
            throttle: request.throttle,
            quota: request.quota.map(|quota| QuotaSettings { offset: quota.offset.or(Some(0)), ..quota }),
            tags: request.tags,
            product_code: None,
        };
        check(cx, tx, &plan)?;
        Place::of_account(cx).put(tx, &id, &plan);
        Ok(plan)
    })
}

fn check(cx: &Context, reader: &impl Reader, plan: &UsagePlan) -> Result<(), Error> {
    let bad = |message: &str| Err(Error::BadRequest(message.to_owned()));
    if plan.name.as_deref().unwrap_or_default().is_empty() {
        return bad("Usage Plan name cannot be blank");
    }
    if let Some(quota) = &plan.quota {
        if quota.limit.unwrap_or(0) < 1 {
            return bad("Usage Plan quota limit must be a positive number");
        }
        if !matches!(quota.period, Some(QuotaPeriodType::Day | QuotaPeriodType::Week | QuotaPeriodType::Month)) {
            return bad("Usage Plan quota period must be one of DAY, WEEK and MONTH");
        }
        let most = match quota.period {
            Some(QuotaPeriodType::Month) => 27,
            Some(QuotaPeriodType::Week) => 6,
            _ => 0,
        };
        if !(0..=most).contains(&quota.offset.unwrap_or(0)) {
            return bad("Usage Plan quota offset must be within the quota period");
        }
    }
    for stage in plan.api_stages.iter().flatten() {
        let (api, name) = (stage.api_id.as_deref().unwrap_or_default(), stage.stage.as_deref().unwrap_or_default());
        if !has_stage(cx, reader, api, name)? {
            return Err(Error::NotFound(format!("API Stage not found: {api}:{name}")));
        }
    }
    Ok(())
}

/// A key reaches a stage through one plan only: none of a plan's keys may be in another one for the same stage.
fn check_keys(cx: &Context, tx: &mut Transaction<'_>, plan: &UsagePlan) -> Result<(), Error> {
    let place = Place::of_account(cx);
    let name = |stage: &ApiStage| {
        format!("{}:{}", stage.api_id.as_deref().unwrap_or_default(), stage.stage.as_deref().unwrap_or_default())
    };
    let own: Vec<String> = plan.api_stages.iter().flatten().map(name).collect();
    let id = plan.id.as_deref().unwrap_or_default();
    let keys: Vec<String> =
        place.within::<UsagePlanKey>(tx, &plan_key_id(id, ""))?.into_iter().filter_map(|key| key.id).collect();
    for other in place.all::<UsagePlan>(tx)?.iter().filter(|other| other.id != plan.id) {
        let Some(shared) = other.api_stages.iter().flatten().map(name).find(|stage| own.contains(stage)) else {
            continue;
        };
        let other_id = other.id.as_deref().unwrap_or_default();
        for key in &keys {
            if place.find::<UsagePlanKey>(tx, &plan_key_id(other_id, key))?.is_some() {
                return Err(Error::Conflict(format!(
                    "API Key {key} cannot be in Usage Plan {id}: it is in Usage Plan {other_id} for the API Stage {shared}"
                )));
            }
        }
    }
    Ok(())
}

/// Whether a plan can cover a stage: of a REST API or of a WebSocket API.
fn has_stage(cx: &Context, reader: &impl Reader, api: &str, name: &str) -> Result<bool, Error> {
    if Place::new(cx, api).find::<Stage>(reader, name)?.is_some() {
        return Ok(true);
    }
    let web_socket = site::find(reader, api)?.is_some_and(|known| known.kind == site::Kind::WebSocket);
    Ok(web_socket && reader.get(web_socket_stage(cx, api, name).as_slice())?.is_some())
}

/// Takes the stages of an API that go, or one of them, out of all plans.
pub fn forget(cx: &Context, tx: &mut Transaction<'_>, api: &str, stage: Option<&str>) -> Result<(), Error> {
    let place = Place::of_account(cx);
    for mut plan in place.all::<UsagePlan>(tx)? {
        let gone = |known: &ApiStage| {
            known.api_id.as_deref() == Some(api) && stage.is_none_or(|stage| known.stage.as_deref() == Some(stage))
        };
        if plan.api_stages.iter().flatten().any(gone) {
            plan.api_stages.iter_mut().for_each(|stages| stages.retain(|known| !gone(known)));
            place.put(tx, &plan.id.clone().unwrap_or_default(), &plan);
        }
    }
    Ok(())
}

async fn get(_: &ApiGateway, cx: &Context, request: GetUsagePlanRequest) -> Result<UsagePlan, Error> {
    find(cx, &cx.store().snapshot(), &request.usage_plan_id)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetUsagePlansRequest) -> Result<UsagePlans, Error> {
    let place = Place::of_account(cx);
    let snapshot = cx.store().snapshot();
    let has = |plan: &UsagePlan| {
        let Some(key) = &request.key_id else { return true };
        let id = plan_key_id(plan.id.as_deref().unwrap_or_default(), key);
        place.find::<UsagePlanKey>(&snapshot, &id).is_ok_and(|found| found.is_some())
    };
    let (items, position) = place.page_where(&snapshot, "", request.position.as_deref(), request.limit, has)?;
    Ok(UsagePlans { items: Some(items), position })
}

const LIMITS: [&str; 7] = [
    "/throttle/rateLimit",
    "/throttle/burstLimit",
    "/quota/limit",
    "/quota/period",
    "/quota/offset",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/rateLimit",
    "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>/burstLimit",
];
const PATHS: &Paths = &Paths {
    add: &["/apiStages", LIMITS[0], LIMITS[1], LIMITS[2], LIMITS[3], LIMITS[4], LIMITS[5], LIMITS[6]],
    replace: &["/name", "/description", LIMITS[0], LIMITS[1], LIMITS[2], LIMITS[3], LIMITS[4], LIMITS[5], LIMITS[6]],
    remove: &[
        "/apiStages",
        "/quota",
        "/throttle",
        "/productCode",
        "/apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>",
        "/apiStages/<apidId:stageName>/throttle",
    ],
};

/// The stage that `api:stage` names.
fn stage_of<'a>(plan: &'a mut UsagePlan, name: &str) -> Option<&'a mut ApiStage> {
    let (api, stage) = name.split_once(':')?;
    let same = |known: &&mut ApiStage| known.api_id.as_deref() == Some(api) && known.stage.as_deref() == Some(stage);
    plan.api_stages.iter_mut().flatten().find(same)
}

fn slot<'a>(plan: &'a mut UsagePlan, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["name"] => Slot::Text(&mut plan.name),
        ["description"] => Slot::Text(&mut plan.description),
        ["throttle"] => Slot::Set(Box::new(|value| {
            plan.throttle = None;
            value.is_none()
        })),
        ["throttle", "rateLimit"] => Slot::Number(&mut plan.throttle.get_or_insert_default().rate_limit),
        ["throttle", "burstLimit"] => Slot::Integer(&mut plan.throttle.get_or_insert_default().burst_limit),
        ["productCode"] => Slot::Text(&mut plan.product_code),
        ["apiStages", name, "throttle"] => {
            let stage = stage_of(plan, name)?;
            Slot::Set(Box::new(|value| {
                stage.throttle = None;
                value.is_none()
            }))
        }
        ["apiStages", name, "throttle", path, method] => {
            stage_of(plan, name)?.throttle.as_mut()?.remove(&format!("{path}/{method}"))?;
            Slot::Set(Box::new(|value| value.is_none()))
        }
        ["apiStages", name, "throttle", path, method, limit] => {
            let stage = stage_of(plan, name)?;
            let throttle = stage.throttle.get_or_insert_default().entry(format!("{path}/{method}")).or_default();
            match *limit {
                "rateLimit" => Slot::Number(&mut throttle.rate_limit),
                "burstLimit" => Slot::Integer(&mut throttle.burst_limit),
                _ => return None,
            }
        }
        ["quota"] => Slot::Set(Box::new(|value| {
            plan.quota = None;
            value.is_none()
        })),
        ["quota", "limit"] => Slot::Integer(&mut plan.quota.get_or_insert_default().limit),
        ["quota", "offset"] => Slot::Integer(&mut plan.quota.get_or_insert_default().offset),
        ["quota", "period"] => Slot::Set(Box::new(|value| {
            plan.quota.get_or_insert_default().period = value.map(QuotaPeriodType::from);
            value.is_some()
        })),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateUsagePlanRequest) -> Result<UsagePlan, Error> {
    cx.store().write(|tx| {
        let mut plan = find(cx, tx, &request.usage_plan_id)?;
        for operation in request.patch_operations.iter().flatten() {
            // The stage of `/apiStages` stands in the value, also where it is removed.
            if operation.path.as_deref() == Some("/apiStages") {
                change_stage(&mut plan, operation)?;
            } else {
                patch::apply(&mut plan, std::slice::from_ref(operation), PATHS, slot)?;
            }
        }
        check(cx, tx, &plan)?;
        check_keys(cx, tx, &plan)?;
        Place::of_account(cx).put(tx, &request.usage_plan_id, &plan);
        Ok(plan)
    })
}

fn change_stage(plan: &mut UsagePlan, operation: &PatchOperation) -> Result<(), Error> {
    let (op, path) = patch::parts(operation, PATHS)?;
    let value = operation.value.as_deref().unwrap_or_default();
    let invalid = || Error::BadRequest("Invalid API Stage specified".to_owned());
    let (api, stage) = value.split_once(':').ok_or_else(invalid)?;
    let stages = plan.api_stages.get_or_insert_default();
    let same = |known: &ApiStage| known.api_id.as_deref() == Some(api) && known.stage.as_deref() == Some(stage);
    let known = stages.iter().position(same);
    match (op, known) {
        (Op::Add, None) => {
            let (api_id, stage) = (Some(api.to_owned()), Some(stage.to_owned()));
            stages.push(ApiStage { api_id, stage, throttle: None });
        }
        (Op::Remove, Some(at)) => {
            stages.remove(at);
        }
        (Op::Add, Some(_)) => {
            return Err(Error::Conflict(format!("API Stage already associated with the usage plan: {value}")));
        }
        (Op::Remove, None) => return Err(Error::NotFound(format!("API Stage not found: {value}"))),
        _ => return Err(patch::unknown(op, path, PATHS)),
    }
    Ok(())
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteUsagePlanRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        let plan = find(cx, tx, &request.usage_plan_id)?;
        // Stages that are gone do not hold a plan.
        for stage in plan.api_stages.iter().flatten() {
            let (api, name) = (stage.api_id.as_deref().unwrap_or_default(), stage.stage.as_deref().unwrap_or_default());
            if has_stage(cx, tx, api, name)? {
                return Err(Error::BadRequest(format!(
                    "Cannot delete Usage Plan {} because there are API Stages associated with it, including {api}:{name}",
                    request.usage_plan_id
                )));
            }
        }
        for key in place.all::<UsagePlanKey>(tx)? {
            let id = plan_key_id(&request.usage_plan_id, key.id.as_deref().unwrap_or_default());
            place.delete::<UsagePlanKey>(tx, &id);
        }
        place.delete::<UsagePlan>(tx, &request.usage_plan_id);
        Ok(wire::Unit::default())
    })
}

async fn create_key(_: &ApiGateway, cx: &Context, request: CreateUsagePlanKeyRequest) -> Result<UsagePlanKey, Error> {
    if request.key_type != "API_KEY" {
        return Err(Error::BadRequest(format!("Invalid key type specified: {}", request.key_type)));
    }
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        let plan = find(cx, tx, &request.usage_plan_id)?;
        let key: ApiKey = place.find(tx, &request.key_id)?.ok_or_else(api_key::missing)?;
        let id = plan_key_id(&request.usage_plan_id, &request.key_id);
        if place.find::<UsagePlanKey>(tx, &id)?.is_some() {
            let message = "Usage Plan key already exists for this Usage Plan and API Key";
            return Err(Error::Conflict(message.to_owned()));
        }
        let plan_key = UsagePlanKey { id: key.id, r#type: Some(request.key_type), value: key.value, name: key.name };
        place.put(tx, &id, &plan_key);
        check_keys(cx, tx, &plan)?;
        Ok(plan_key)
    })
}

async fn get_key(_: &ApiGateway, cx: &Context, request: GetUsagePlanKeyRequest) -> Result<UsagePlanKey, Error> {
    let id = plan_key_id(&request.usage_plan_id, &request.key_id);
    let snapshot = cx.store().snapshot();
    find(cx, &snapshot, &request.usage_plan_id)?;
    Place::of_account(cx).find(&snapshot, &id)?.ok_or_else(api_key::missing)
}

async fn list_keys(_: &ApiGateway, cx: &Context, request: GetUsagePlanKeysRequest) -> Result<UsagePlanKeys, Error> {
    let snapshot = cx.store().snapshot();
    find(cx, &snapshot, &request.usage_plan_id)?;
    let wanted = |key: &UsagePlanKey| {
        let starts = |name: &String| key.name.as_ref().is_some_and(|known| known.starts_with(name.as_str()));
        request.name_query.as_ref().is_none_or(starts)
    };
    let within = plan_key_id(&request.usage_plan_id, "");
    let (items, position) =
        Place::of_account(cx).page_where(&snapshot, &within, request.position.as_deref(), request.limit, wanted)?;
    Ok(UsagePlanKeys { items: Some(items), position })
}

async fn delete_key(_: &ApiGateway, cx: &Context, request: DeleteUsagePlanKeyRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::of_account(cx);
        find(cx, tx, &request.usage_plan_id)?;
        let id = plan_key_id(&request.usage_plan_id, &request.key_id);
        place.find::<UsagePlanKey>(tx, &id)?.ok_or_else(api_key::missing)?;
        place.delete::<UsagePlanKey>(tx, &id);
        Ok(wire::Unit::default())
    })
}

/// The longest span that usage is shown for.
const MOST_DAYS: i64 = 90;

async fn usage(_: &ApiGateway, cx: &Context, request: GetUsageRequest) -> Result<Usage, Error> {
    let mut snapshot = cx.store().snapshot();
    let plan = find(cx, &snapshot, &request.usage_plan_id)?;
    let (first, last) = (date(&request.start_date)?, date(&request.end_date)?);
    if first > last || last - first >= MOST_DAYS {
        return Err(Error::BadRequest("Usage may be retrieved for at most 90 days".to_owned()));
    }
    let mut items = BTreeMap::new();
    for key in Place::of_account(cx).all::<ApiKey>(&mut snapshot)? {
        let id = key.id.unwrap_or_default();
        let plan_key = plan_key_id(&request.usage_plan_id, &id);
        let asked = request.key_id.as_ref().is_none_or(|asked| *asked == id);
        if !asked || Place::of_account(cx).find::<UsagePlanKey>(&snapshot, &plan_key)?.is_none() {
            continue;
        }
        let mut days = Vec::new();
        let mut left = plan.quota.as_ref().and_then(|quota| quota.limit).map(i64::from);
        for day in first..=last {
            let count = used(cx, &snapshot, &request.usage_plan_id, &id, day)?;
            let daily = plan.quota.as_ref().is_some_and(|quota| quota.period == Some(QuotaPeriodType::Day));
            let limit = plan.quota.as_ref().and_then(|quota| quota.limit).map_or(0, i64::from);
            left = if daily { Some(limit - count) } else { left.map(|left| left - count) };
            days.push(vec![count, left.unwrap_or(0).max(0)]);
        }
        items.insert(id, days);
    }
    Ok(Usage {
        usage_plan_id: Some(request.usage_plan_id),
        start_date: Some(request.start_date),
        end_date: Some(request.end_date),
        position: None,
        items: Some(items),
    })
}

/// Changes how many requests are left to a key in the period that runs.
async fn update_usage(_: &ApiGateway, cx: &Context, request: UpdateUsageRequest) -> Result<Usage, Error> {
    cx.store().write(|tx| {
        let plan = find(cx, tx, &request.usage_plan_id)?;
        let id = plan_key_id(&request.usage_plan_id, &request.key_id);
        Place::of_account(cx).find::<UsagePlanKey>(tx, &id)?.ok_or_else(api_key::missing)?;
        let Some(quota) = &plan.quota else {
            return Err(Error::BadRequest("Usage Plan does not have a quota".to_owned()));
        };
        let mut left: Option<i32> = None;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut left, operations, &Paths::members(&["/remaining"]), |left, path| {
            (path == ["remaining"]).then_some(Slot::Integer(left))
        })?;
        let limit = i64::from(quota.limit.unwrap_or_default());
        let today = day(cx.now());
        if let Some(left) = left {
            set_left(cx, tx, &request.usage_plan_id, &request.key_id, quota, i64::from(left))?;
        }
        let count = used_in_period(cx, tx, &request.usage_plan_id, &request.key_id, quota)?;
        let date = Timestamp::from_secs(today * 86_400).datetime().strftime("%Y-%m-%d").to_string();
        Ok(Usage {
            usage_plan_id: Some(request.usage_plan_id),
            start_date: Some(date.clone()),
            end_date: Some(date),
            position: None,
            items: Some([(request.key_id, vec![vec![count, limit - count]])].into()),
        })
    })
}

/// The day that a date names.
fn date(text: &str) -> Result<i64, Error> {
    let invalid = || Error::BadRequest(format!("Invalid date specified: {text}. The format is YYYY-MM-DD"));
    let time: Option<Timestamp> = Timestamp::parse(&format!("{text}T00:00:00Z"));
    time.map(day).ok_or_else(invalid)
}
