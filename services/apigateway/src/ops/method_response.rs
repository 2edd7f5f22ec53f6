//! Method responses: the statuses that a method declares, with their headers and models.

use super::{
    arn,
    method::{change, check_models, invalid_mapping, read},
};
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::Place,
};
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, PutMethodResponse, action: "apigateway:PUT" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: put }
operation! { ApiGateway, GetMethodResponse, action: "apigateway:GET" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: get }
operation! { ApiGateway, UpdateMethodResponse, action: "apigateway:PATCH" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: update }
operation! { ApiGateway, DeleteMethodResponse, action: "apigateway:DELETE" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: delete }

fn response_arn(cx: &Context, api: &str, resource: &str, method: &str, status: &str) -> String {
    arn(cx, format!("/restapis/{api}/resources/{resource}/methods/{method}/responses/{status}"))
}

fn missing() -> Error {
    Error::NotFound("Invalid Response status code specified".to_owned())
}

pub fn check(response: &MethodResponse) -> Result<(), Error> {
    for parameter in response.response_parameters.iter().flat_map(BTreeMap::keys) {
        if parameter.strip_prefix("method.response.header.").is_none_or(str::is_empty) {
            return Err(invalid_mapping(parameter));
        }
    }
    Ok(())
}

async fn put(_: &ApiGateway, cx: &Context, request: PutMethodResponseRequest) -> Result<MethodResponse, Error> {
    let response = MethodResponse {
        status_code: Some(request.status_code.clone()),
        response_parameters: request.response_parameters,
        response_models: request.response_models,
    };
    check(&response)?;
    let place = Place::new(cx, &request.rest_api_id);
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |tx, method| {
        check_models(place, tx, response.response_models.as_ref())?;
        let responses = method.method_responses.get_or_insert_default();
        if responses.contains_key(&request.status_code) {
            return Err(Error::Conflict("Response already exists for this resource".to_owned()));
        }
        responses.insert(request.status_code.clone(), response.clone());
        Ok(response)
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetMethodResponseRequest) -> Result<MethodResponse, Error> {
    let method = read(cx, &request.rest_api_id, &request.resource_id, &request.http_method)?;
    method.method_responses.and_then(|mut responses| responses.remove(&request.status_code)).ok_or_else(missing)
}

fn slot<'a>(response: &'a mut MethodResponse, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["responseParameters", name] => Some(Slot::FlagEntry(&mut response.response_parameters, (*name).to_owned())),
        ["responseModels", content_type] => {
            Some(Slot::Entry(&mut response.response_models, (*content_type).to_owned()))
        }
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateMethodResponseRequest) -> Result<MethodResponse, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |tx, method| {
        let responses = method.method_responses.as_mut();
        let response = responses.and_then(|responses| responses.get_mut(&request.status_code)).ok_or_else(missing)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        const PATHS: &[&str] = &["/responseParameters/{parameter}", "/responseModels/{content_type}"];
        let paths = &Paths { add: PATHS, replace: PATHS, remove: PATHS };
        patch::apply(response, operations, paths, slot)?;
        check(response)?;
        check_models(place, tx, response.response_models.as_ref())?;
        Ok(response.clone())
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteMethodResponseRequest) -> Result<wire::Unit, Error> {
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        let responses = method.method_responses.as_mut();
        responses.and_then(|responses| responses.remove(&request.status_code)).ok_or_else(missing)?;
        Ok(wire::Unit::default())
    })
}
