//! Stages: a name under which a deployment is reachable, with its variables and settings.

use super::{arn, check};
use crate::{
    ApiGatewayV2, deploy,
    error::{Error, bad},
    record::{convert, update as merge},
    store::{Paging, Place, Reader},
};
use apigatewayv2_api::*;
use execute_api::logs::{self, group_of};
use service::{Context, operation};

operation! { ApiGatewayV2, CreateStage, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/stages", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetStage, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/stages/{}", r.api_id, r.stage_name)), handler: get }
operation! { ApiGatewayV2, GetStages, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/stages", r.api_id)), handler: list }
operation! { ApiGatewayV2, UpdateStage, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/stages/{}", r.api_id, r.stage_name)), handler: update }
operation! { ApiGatewayV2, DeleteStage, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/stages/{}", r.api_id, r.stage_name)), handler: delete }
operation! { ApiGatewayV2, DeleteAccessLogSettings, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/stages/{}/accesslogsettings", r.api_id, r.stage_name)), handler: delete_access_log }
operation! { ApiGatewayV2, DeleteRouteSettings, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/stages/{}/routesettings/{}", r.api_id, r.stage_name, r.route_key)), handler: delete_settings }

async fn create(_: &ApiGatewayV2, cx: &Context, request: CreateStageRequest) -> Result<CreateStageResponse, Error> {
    check(request.tags.as_ref())?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let api = place.api(tx)?;
        if place.find::<Stage>(tx, &request.stage_name)?.is_some() {
            return Err(Error::Conflict("Stage already exists".to_owned()));
        }
        let mut stage: Stage = convert(&request)?;
        stage.created_date = Some(deploy::now(cx));
        stage.last_updated_date = Some(deploy::now(cx));
        complete(&mut stage);
        stage.stage_variables.get_or_insert_default();
        stage.tags.get_or_insert_default();
        check_stage(place, tx, &api, &stage)?;
        place.put(tx, &request.stage_name, &stage);
        if stage.auto_deploy == Some(true) {
            deploy::changed(cx, place, tx)?;
            stage = place.get(tx, &request.stage_name)?;
        }
        convert(&stage)
    })
}

/// Puts the defaults into a stage's settings.
fn complete(stage: &mut Stage) {
    stage.default_route_settings.get_or_insert_default();
    stage.route_settings.get_or_insert_default();
    let own = stage.route_settings.iter_mut().flat_map(|all| all.values_mut());
    for settings in stage.default_route_settings.iter_mut().chain(own) {
        settings.detailed_metrics_enabled.get_or_insert(false);
    }
}

fn check_stage(place: Place<'_>, reader: &mut impl Reader, api: &Api, stage: &Stage) -> Result<(), Error> {
    let name = stage.stage_name.as_str();
    let http = api.protocol_type == ProtocolType::Http;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !(http && name == "$default") && (name.is_empty() || name.len() > 128 || !name.chars().all(allowed)) {
        return bad("Stage name only allows a-zA-Z0-9_- or $default for HTTP APIs");
    }
    if let Some(id) = &stage.deployment_id
        && place.find::<Deployment>(reader, id)?.is_none()
    {
        return Err(Error::NotFound(format!("Invalid Deployment identifier specified {id}")));
    }
    for (name, value) in stage.stage_variables.iter().flatten() {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return bad("Stage variable names can have only letters, digits and underscores");
        }
        if !value.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c)) {
            return bad("Stage variable values must match [A-Za-z0-9-._~:/?#&=,]+");
        }
    }
    if stage.client_certificate_id.is_some() && http {
        return bad("ClientCertificateId is supported only for WebSocket APIs");
    }
    let settings = stage.default_route_settings.iter().chain(stage.route_settings.iter().flat_map(|all| all.values()));
    for settings in settings {
        let logs = settings.logging_level.is_some() || settings.data_trace_enabled.is_some();
        if http && logs {
            return bad("Execution logs are not supported on protocolType HTTP");
        }
        let wanted = matches!(settings.logging_level, Some(LoggingLevel::Error | LoggingLevel::Info));
        if wanted || settings.data_trace_enabled == Some(true) {
            let record = reader.get(logs::settings(place.account, place.region).as_slice())?;
            if record.map(|record| logs::role(&record)).transpose()?.flatten().is_none() {
                return bad("CloudWatch Logs role ARN must be set in account settings to enable logging");
            }
        }
    }
    let routes: Vec<Route> = place.all(reader)?;
    let known = |key: &String| routes.iter().any(|route| route.route_key == *key);
    if let Some(key) = stage.route_settings.iter().flat_map(|all| all.keys()).find(|key| !known(key)) {
        return Err(Error::NotFound(format!("Unable to find Route by key {key} within the provided RouteSettings")));
    }
    let Some(settings) = &stage.access_log_settings else { return Ok(()) };
    match settings.destination_arn.as_deref() {
        None | Some("") => return bad("Access log destination must be specified"),
        Some(arn) if arn.starts_with("arn:aws:firehose:") => {
            return Err(Error::NotImplemented("Access logs to Firehose are not implemented.".to_owned()));
        }
        Some(arn) if group_of(arn).is_none() => return bad("Access log destination must be a log group's ARN"),
        Some(_) => {}
    }
    let format = settings.format.as_deref().unwrap_or_default();
    if !format.contains("$context.requestId") && !format.contains("$context.extendedRequestId") {
        return bad("Access log format must include $context.requestId or $context.extendedRequestId");
    }
    Ok(())
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetStageRequest) -> Result<GetStageResponse, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Stage>(&cx.store().snapshot(), &request.stage_name)?)
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetStagesRequest) -> Result<GetStagesResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetStagesResponse { items: Some(items), next_token })
}

async fn update(_: &ApiGatewayV2, cx: &Context, request: UpdateStageRequest) -> Result<UpdateStageResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Stage = place.get(tx, &request.stage_name)?;
        let mut stage: Stage = merge(&old, &request)?;
        if stage.auto_deploy == Some(true) && request.deployment_id.is_some() {
            return bad("Deployment ID cannot be set on a stage when auto-deploy is enabled");
        }
        complete(&mut stage);
        check_stage(place, tx, &place.api(tx)?, &stage)?;
        stage.last_updated_date = Some(deploy::now(cx));
        place.put(tx, &request.stage_name, &stage);
        if stage.auto_deploy == Some(true) && old.auto_deploy != Some(true) {
            deploy::changed(cx, place, tx)?;
            stage = place.get(tx, &request.stage_name)?;
        }
        convert(&stage)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteStageRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Stage>(tx, &request.stage_name)?;
        place.delete::<Stage>(tx, &request.stage_name);
        Ok(wire::Unit::default())
    })
}

async fn delete_access_log(
    _: &ApiGatewayV2,
    cx: &Context,
    request: DeleteAccessLogSettingsRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let stage = Stage { access_log_settings: None, ..place.get(tx, &request.stage_name)? };
        place.put(tx, &request.stage_name, &stage);
        Ok(wire::Unit::default())
    })
}

async fn delete_settings(
    _: &ApiGatewayV2,
    cx: &Context,
    request: DeleteRouteSettingsRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let mut stage: Stage = place.get(tx, &request.stage_name)?;
        let key = &request.route_key;
        if stage.route_settings.as_mut().and_then(|all| all.remove(key)).is_none() {
            return Err(Error::NotFound(format!(
                "Unable to find Route by key {key} within the provided RouteSettings"
            )));
        }
        place.put(tx, &request.stage_name, &stage);
        Ok(wire::Unit::default())
    })
}
