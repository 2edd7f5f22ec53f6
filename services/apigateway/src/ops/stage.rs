//! Stages: a name under which a deployment is reachable, with its variables and settings.

use super::{arn, base_path_mapping, client_certificate, now, rest_api::check_api_tags, usage_plan};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{self, Place},
};
use apigateway_api::*;
use execute_api::logs::group_of;
use service::{Context, Transaction, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, CreateStage, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/stages", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetStage, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}", r.rest_api_id, r.stage_name)), handler: get }
operation! { ApiGateway, GetStages, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/stages", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateStage, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}", r.rest_api_id, r.stage_name)), handler: update }
operation! { ApiGateway, DeleteStage, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}", r.rest_api_id, r.stage_name)), handler: delete }
operation! { ApiGateway, FlushStageCache, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}/cache/data", r.rest_api_id, r.stage_name)), handler: flush }
operation! { ApiGateway, FlushStageAuthorizersCache, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/stages/{}/cache/authorizers", r.rest_api_id, r.stage_name)), handler: flush_authorizers }

async fn create(_: &ApiGateway, cx: &Context, request: CreateStageRequest) -> Result<Stage, Error> {
    check_name(&request.stage_name)?;
    check_variables(request.variables.as_ref())?;
    check_api_tags(request.tags.as_ref())?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Deployment>(tx, &request.deployment_id)?;
        check_canary(place, tx, request.canary_settings.as_ref())?;
        if place.find::<Stage>(tx, &request.stage_name)?.is_some() {
            return Err(Error::Conflict("Stage already exists".to_owned()));
        }
        let mut stage = Stage {
            deployment_id: Some(request.deployment_id),
            canary_settings: request.canary_settings,
            description: request.description,
            variables: request.variables,
            documentation_version: request.documentation_version,
            tracing_enabled: Some(request.tracing_enabled.unwrap_or(false)),
            tags: request.tags,
            ..new(cx, &request.stage_name)
        };
        set_cache(&mut stage, request.cache_cluster_enabled, request.cache_cluster_size);
        place.put(tx, &request.stage_name, &stage);
        Ok(stage)
    })
}

/// A stage with every setting at its default.
pub fn new(cx: &Context, name: &str) -> Stage {
    Stage {
        stage_name: Some(name.to_owned()),
        cache_cluster_enabled: Some(false),
        cache_cluster_status: Some(CacheClusterStatus::NotAvailable),
        method_settings: Some(BTreeMap::new()),
        tracing_enabled: Some(false),
        created_date: Some(now(cx)),
        last_updated_date: Some(now(cx)),
        ..Stage::default()
    }
}

/// Turns a stage's cache on or off.
pub fn set_cache(stage: &mut Stage, enabled: Option<bool>, size: Option<CacheClusterSize>) {
    if let Some(enabled) = enabled {
        stage.cache_cluster_enabled = Some(enabled);
    }
    if size.is_some() {
        stage.cache_cluster_size = size;
    }
    complete_cache(stage);
}

fn complete_cache(stage: &mut Stage) {
    if stage.cache_cluster_enabled == Some(true) {
        stage.cache_cluster_size.get_or_insert_with(|| CacheClusterSize::from("0.5"));
        stage.cache_cluster_status = Some(CacheClusterStatus::Available);
    } else {
        stage.cache_cluster_status = Some(CacheClusterStatus::NotAvailable);
    }
}

fn check_canary(place: Place<'_>, tx: &Transaction<'_>, canary: Option<&CanarySettings>) -> Result<(), Error> {
    let Some(canary) = canary else { return Ok(()) };
    if !(0.0..=100.0).contains(&canary.percent_traffic.unwrap_or_default()) {
        return Err(Error::BadRequest("Canary percent traffic must be between 0.0 and 100.0".to_owned()));
    }
    if let Some(id) = &canary.deployment_id {
        place.get::<Deployment>(tx, id)?;
    }
    check_variables(canary.stage_variable_overrides.as_ref())
}

pub fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        return Err(Error::BadRequest("Stage name only allows a-zA-Z0-9_-".to_owned()));
    }
    Ok(())
}

pub fn check_variables(variables: Option<&BTreeMap<String, String>>) -> Result<(), Error> {
    for (name, value) in variables.into_iter().flatten() {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let message =
                format!("Stage variable name '{name}' is invalid: it may have letters, digits and underscores");
            return Err(Error::BadRequest(message));
        }
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c)) {
            let message = format!("Stage variable value '{value}' is invalid: it must match [A-Za-z0-9-._~:/?#&=,]+");
            return Err(Error::BadRequest(message));
        }
    }
    Ok(())
}

async fn get(_: &ApiGateway, cx: &Context, request: GetStageRequest) -> Result<Stage, Error> {
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.stage_name)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetStagesRequest) -> Result<Stages, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    place.api(&snapshot)?;
    let mut stages: Vec<Stage> = place.all(&mut snapshot)?;
    stages.retain(|stage| request.deployment_id.is_none() || stage.deployment_id == request.deployment_id);
    Ok(Stages { item: Some(stages) })
}

const PATHS: &Paths = &Paths {
    add: &[
        "/accessLogSettings/destinationArn",
        "/accessLogSettings/format",
        "/canarySettings/stageVariableOverrides/{name}",
        "/variables/{variable_name}",
    ],
    replace: &[
        "/deploymentId",
        "/description",
        "/cacheClusterEnabled",
        "/cacheClusterSize",
        "/clientCertificateId",
        "/accessLogSettings/destinationArn",
        "/accessLogSettings/format",
        "/{resourcePath}/{httpMethod}/metrics/enabled",
        "/{resourcePath}/{httpMethod}/logging/dataTrace",
        "/{resourcePath}/{httpMethod}/logging/loglevel",
        "/{resourcePath}/{httpMethod}/throttling/burstLimit",
        "/{resourcePath}/{httpMethod}/throttling/rateLimit",
        "/{resourcePath}/{httpMethod}/caching/ttlInSeconds",
        "/{resourcePath}/{httpMethod}/caching/enabled",
        "/{resourcePath}/{httpMethod}/caching/dataEncrypted",
        "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl",
        "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy",
        "/variables/{variable_name}",
        "/tracingEnabled",
        "/documentationVersion",
        "/canarySettings/deploymentId",
        "/canarySettings/percentTraffic",
        "/canarySettings/stageVariableOverrides/{name}",
        "/canarySettings/useStageCache",
    ],
    remove: &[
        "/accessLogSettings",
        "/canarySettings",
        "/canarySettings/stageVariableOverrides/{name}",
        "/variables/{variable_name}",
        "/{resourcePath}/{httpMethod}",
    ],
};

fn slot<'a>(stage: &'a mut Stage, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["deploymentId"] => Slot::Text(&mut stage.deployment_id),
        ["description"] => Slot::Text(&mut stage.description),
        ["documentationVersion"] => Slot::Text(&mut stage.documentation_version),
        ["variables", name] => Slot::Entry(&mut stage.variables, (*name).to_owned()),
        ["cacheClusterEnabled"] => Slot::Flag(&mut stage.cache_cluster_enabled),
        ["cacheClusterSize"] => Slot::Set(Box::new(|value| {
            stage.cache_cluster_size = value.map(CacheClusterSize::from);
            !matches!(stage.cache_cluster_size, Some(CacheClusterSize::Unknown(_)))
        })),
        ["canarySettings"] => Slot::Set(Box::new(|value| {
            stage.canary_settings = None;
            value.is_none()
        })),
        ["canarySettings", "percentTraffic"] => {
            Slot::Number(&mut stage.canary_settings.get_or_insert_default().percent_traffic)
        }
        ["canarySettings", "deploymentId"] => {
            Slot::Text(&mut stage.canary_settings.get_or_insert_default().deployment_id)
        }
        ["canarySettings", "useStageCache"] => {
            Slot::Flag(&mut stage.canary_settings.get_or_insert_default().use_stage_cache)
        }
        ["canarySettings", "stageVariableOverrides", name] => {
            Slot::Entry(&mut stage.canary_settings.get_or_insert_default().stage_variable_overrides, (*name).to_owned())
        }
        ["clientCertificateId"] => Slot::Text(&mut stage.client_certificate_id),
        ["tracingEnabled"] => Slot::Flag(&mut stage.tracing_enabled),
        ["accessLogSettings"] => Slot::Set(Box::new(|value| {
            stage.access_log_settings = None;
            value.is_none()
        })),
        ["accessLogSettings", "destinationArn"] => {
            Slot::Text(&mut stage.access_log_settings.get_or_insert_default().destination_arn)
        }
        ["accessLogSettings", "format"] => Slot::Text(&mut stage.access_log_settings.get_or_insert_default().format),
        // All settings of a method go at once.
        [resource, method] => {
            let settings = stage.method_settings.get_or_insert_default();
            settings.remove(&setting_key(resource, method))?;
            Slot::Set(Box::new(|_| true))
        }
        [resource, method, group, name] => setting(stage, resource, method, group, name)?,
        _ => return None,
    })
}

/// The name of a method's settings: what the patch's path said of it, `~1pets/GET`.
fn setting_key(resource: &str, method: &str) -> String {
    format!("{}/{method}", resource.replace('~', "~0").replace('/', "~1"))
}

/// A setting of a method, `*/*` for all of them.
fn setting<'a>(stage: &'a mut Stage, resource: &str, method: &str, group: &str, name: &str) -> Option<Slot<'a>> {
    let key = setting_key(resource, method);
    let settings = stage.method_settings.get_or_insert_default();
    let setting = settings.entry(key).or_insert_with(|| MethodSetting {
        metrics_enabled: Some(false),
        logging_level: Some("OFF".to_owned()),
        data_trace_enabled: Some(false),
        throttling_burst_limit: Some(-1),
        throttling_rate_limit: Some(-1.0),
        caching_enabled: Some(false),
        cache_ttl_in_seconds: Some(300),
        cache_data_encrypted: Some(false),
        require_authorization_for_cache_control: Some(true),
        unauthorized_cache_control_header_strategy: Some(
            UnauthorizedCacheControlHeaderStrategy::SucceedWithResponseHeader,
        ),
    });
    Some(match (group, name) {
        ("metrics", "enabled") => Slot::Flag(&mut setting.metrics_enabled),
        ("logging", "dataTrace") => Slot::Flag(&mut setting.data_trace_enabled),
        ("logging", "loglevel") => Slot::Set(Box::new(|value| {
            setting.logging_level = Some(value.unwrap_or("OFF").to_owned());
            matches!(value, None | Some("OFF" | "ERROR" | "INFO"))
        })),
        ("throttling", "burstLimit") => Slot::Integer(&mut setting.throttling_burst_limit),
        ("throttling", "rateLimit") => Slot::Number(&mut setting.throttling_rate_limit),
        ("caching", "enabled") => Slot::Flag(&mut setting.caching_enabled),
        ("caching", "ttlInSeconds") => Slot::Integer(&mut setting.cache_ttl_in_seconds),
        ("caching", "dataEncrypted") => Slot::Flag(&mut setting.cache_data_encrypted),
        ("caching", "requireAuthorizationForCacheControl") => {
            Slot::Flag(&mut setting.require_authorization_for_cache_control)
        }
        ("caching", "unauthorizedCacheControlHeaderStrategy") => Slot::Set(Box::new(|value| {
            let strategy = value.map(UnauthorizedCacheControlHeaderStrategy::from);
            let known = !matches!(strategy, Some(UnauthorizedCacheControlHeaderStrategy::Unknown(_)));
            setting.unauthorized_cache_control_header_strategy = strategy;
            known
        })),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateStageRequest) -> Result<Stage, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut stage: Stage = place.get(tx, &request.stage_name)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        let (copies, operations): (Vec<_>, Vec<_>) =
            operations.iter().cloned().partition(|operation| operation.op == Some(Op::Copy));
        copies.iter().try_for_each(|operation| promote(&mut stage, operation))?;
        patch::apply(&mut stage, &operations, PATHS, slot)?;
        complete_cache(&mut stage);
        check_canary(place, tx, stage.canary_settings.as_ref())?;
        place.get::<Deployment>(tx, stage.deployment_id.as_deref().unwrap_or_default())?;
        check_variables(stage.variables.as_ref())?;
        stage.client_certificate_id = stage.client_certificate_id.filter(|id| !id.is_empty());
        if let Some(id) = &stage.client_certificate_id {
            client_certificate::find(cx, tx, id)?;
        }
        stage.access_log_settings = stage
            .access_log_settings
            .filter(|settings| settings.destination_arn.is_some() || settings.format.is_some());
        check_settings(&stage)?;
        let logs =
            stage.access_log_settings.is_some() || stage.method_settings.iter().flat_map(BTreeMap::values).any(logs);
        if logs && store::account(cx, tx)?.cloudwatch_role_arn.is_none() {
            let message = "CloudWatch Logs role ARN must be set in account settings to enable logging";
            return Err(Error::BadRequest(message.to_owned()));
        }
        stage.last_updated_date = Some(now(cx));
        place.put(tx, &request.stage_name, &stage);
        Ok(stage)
    })
}

/// Makes of what the canary has the stage's own.
fn promote(stage: &mut Stage, operation: &PatchOperation) -> Result<(), Error> {
    let canary = stage.canary_settings.clone().unwrap_or_default();
    let (from, path) = (operation.from.as_deref().unwrap_or_default(), operation.path.as_deref().unwrap_or_default());
    match (from, path) {
        ("/canarySettings/deploymentId", "/deploymentId") => stage.deployment_id = canary.deployment_id,
        ("/canarySettings/stageVariableOverrides", "/variables") => {
            let overrides = canary.stage_variable_overrides.unwrap_or_default();
            stage.variables.get_or_insert_default().extend(overrides);
        }
        _ => return Err(Error::BadRequest(format!("Invalid copy operation from '{from}' to '{path}'"))),
    }
    Ok(())
}

/// Whether a method's executions are logged.
pub fn logs(setting: &MethodSetting) -> bool {
    matches!(setting.logging_level.as_deref(), Some("ERROR" | "INFO"))
}

fn check_settings(stage: &Stage) -> Result<(), Error> {
    for setting in stage.method_settings.iter().flat_map(BTreeMap::values) {
        if !matches!(setting.cache_ttl_in_seconds, None | Some(0..=3600)) {
            return Err(Error::BadRequest("Cache TTL must be between 0 and 3600 seconds".to_owned()));
        }
    }
    let Some(settings) = &stage.access_log_settings else { return Ok(()) };
    match settings.destination_arn.as_deref() {
        None => return Err(Error::BadRequest("Access log destination must be specified".to_owned())),
        Some(arn) if arn.starts_with("arn:aws:firehose:") => {
            return Err(Error::NotImplemented("Access logs to Firehose are not implemented.".to_owned()));
        }
        Some(arn) if group_of(arn).is_none() => {
            let message = "Access Log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': '*' and be a log group's ARN";
            return Err(Error::BadRequest(message.to_owned()));
        }
        Some(_) => {}
    }
    let Some(format) = settings.format.as_deref() else { return Ok(()) };
    if !format.contains("$context.requestId") && !format.contains("$context.extendedRequestId") {
        let message = "Access log format must include $context.requestId or $context.extendedRequestId";
        return Err(Error::BadRequest(message.to_owned()));
    }
    Ok(())
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteStageRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Stage>(tx, &request.stage_name)?;
        let mapped = base_path_mapping::mapped(cx, tx, &request.rest_api_id, Some(&request.stage_name))?;
        if !mapped.is_empty() {
            return Err(Error::BadRequest(format!(
                "Please remove all base path mappings related to the API stage in your domains: {}",
                mapped.join(", ")
            )));
        }
        place.delete::<Stage>(tx, &request.stage_name);
        usage_plan::forget(cx, tx, &request.rest_api_id, Some(&request.stage_name))?;
        Ok(wire::Unit::default())
    })
}

async fn flush(service: &ApiGateway, cx: &Context, request: FlushStageCacheRequest) -> Result<wire::Unit, Error> {
    Place::new(cx, &request.rest_api_id).get::<Stage>(&cx.store().snapshot(), &request.stage_name)?;
    service.front.flush(&request.rest_api_id, &request.stage_name);
    Ok(wire::Unit::default())
}

async fn flush_authorizers(
    service: &ApiGateway,
    cx: &Context,
    request: FlushStageAuthorizersCacheRequest,
) -> Result<wire::Unit, Error> {
    Place::new(cx, &request.rest_api_id).get::<Stage>(&cx.store().snapshot(), &request.stage_name)?;
    service.front.forget_grants(&request.rest_api_id, &request.stage_name);
    Ok(wire::Unit::default())
}
