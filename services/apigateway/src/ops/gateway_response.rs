//! Gateway responses: those that an API changed, and the defaults of the others.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    gateway_response::{KINDS, Kind, effective, kind},
    patch::{self, Paths, Slot},
    store::{Place, Record},
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, PutGatewayResponse, action: "apigateway:PUT" on |cx, r| response_arn(cx, &r.rest_api_id, &r.response_type), handler: put }
operation! { ApiGateway, GetGatewayResponse, action: "apigateway:GET" on |cx, r| response_arn(cx, &r.rest_api_id, &r.response_type), handler: get }
operation! { ApiGateway, GetGatewayResponses, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/gatewayresponses", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateGatewayResponse, action: "apigateway:PATCH" on |cx, r| response_arn(cx, &r.rest_api_id, &r.response_type), handler: update }
operation! { ApiGateway, DeleteGatewayResponse, action: "apigateway:DELETE" on |cx, r| response_arn(cx, &r.rest_api_id, &r.response_type), handler: delete }

fn response_arn(cx: &Context, api: &str, response_type: &GatewayResponseType) -> String {
    arn(cx, format!("/restapis/{api}/gatewayresponses/{}", response_type.as_str()))
}

pub fn known(response_type: &GatewayResponseType) -> Result<Kind, Error> {
    let invalid = || Error::BadRequest(format!("Invalid gateway response type specified: {}", response_type.as_str()));
    kind(response_type.as_str()).ok_or_else(invalid)
}

pub fn check(response: &GatewayResponse) -> Result<(), Error> {
    if let Some(status) = response.status_code.as_deref().filter(|status| !status.is_empty())
        && !status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status))
    {
        return Err(Error::BadRequest(format!("Invalid status code specified: {status}")));
    }
    for (target, source) in response.response_parameters.iter().flatten() {
        let header = target.strip_prefix("gatewayresponse.header.").is_some_and(|name| !name.is_empty());
        let quoted = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
        let prefixes = ["method.request.", "context.", "stageVariables."];
        if !header || !(quoted || prefixes.iter().any(|prefix| source.starts_with(prefix))) {
            return Err(Error::BadRequest(format!("Invalid parameter mapping specified: {target}={source}")));
        }
    }
    Ok(())
}

async fn put(_: &ApiGateway, cx: &Context, request: PutGatewayResponseRequest) -> Result<GatewayResponse, Error> {
    let kind = known(&request.response_type)?;
    let response = GatewayResponse {
        response_type: Some(request.response_type),
        status_code: request.status_code,
        response_parameters: request.response_parameters,
        response_templates: request.response_templates,
        default_response: Some(false),
    };
    check(&response)?;
    store(cx, &request.rest_api_id, kind, response)
}

fn store(cx: &Context, api: &str, kind: Kind, response: GatewayResponse) -> Result<GatewayResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, api);
        place.api(tx)?;
        place.put(tx, kind.name, &response);
        Ok(effective(kind, &place.all::<GatewayResponse>(tx)?))
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetGatewayResponseRequest) -> Result<GatewayResponse, Error> {
    let kind = known(&request.response_type)?;
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    place.api(&snapshot)?;
    Ok(effective(kind, &place.all::<GatewayResponse>(&mut snapshot)?))
}

async fn list(_: &ApiGateway, cx: &Context, request: GetGatewayResponsesRequest) -> Result<GatewayResponses, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    place.api(&snapshot)?;
    let custom: Vec<GatewayResponse> = place.all(&mut snapshot)?;
    let items = KINDS.iter().map(|kind| effective(*kind, &custom)).collect();
    Ok(GatewayResponses { items: Some(items), position: None })
}

const PATHS: &Paths = &Paths {
    add: &["/responseParameters/{parameter}", "/responseTemplates/{content_type}"],
    replace: &["/statusCode", "/responseParameters/{parameter}", "/responseTemplates/{content_type}"],
    remove: &["/responseParameters/{parameter}", "/responseTemplates/{content_type}"],
};

fn slot<'a>(response: &'a mut GatewayResponse, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["statusCode"] => Some(Slot::Text(&mut response.status_code)),
        ["responseParameters", name] => Some(Slot::Entry(&mut response.response_parameters, (*name).to_owned())),
        ["responseTemplates", name] => Some(Slot::Entry(&mut response.response_templates, (*name).to_owned())),
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateGatewayResponseRequest) -> Result<GatewayResponse, Error> {
    let kind = known(&request.response_type)?;
    let place = Place::new(cx, &request.rest_api_id);
    let mut snapshot = cx.store().snapshot();
    place.api(&snapshot)?;
    let mut response = effective(kind, &place.all::<GatewayResponse>(&mut snapshot)?);
    patch::apply(&mut response, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
    check(&response)?;
    response.default_response = Some(false);
    store(cx, &request.rest_api_id, kind, response)
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteGatewayResponseRequest) -> Result<wire::Unit, Error> {
    let kind = known(&request.response_type)?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        if place.find::<GatewayResponse>(tx, kind.name)?.is_none() {
            return Err(Error::NotFound(GatewayResponse::missing(kind.name)));
        }
        place.delete::<GatewayResponse>(tx, kind.name);
        Ok(wire::Unit::default())
    })
}
