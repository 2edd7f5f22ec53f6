//! Request validators: what of a request is checked before its integration.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::Place,
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, CreateRequestValidator, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/requestvalidators", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetRequestValidator, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/requestvalidators/{}", r.rest_api_id, r.request_validator_id)), handler: get }
operation! { ApiGateway, GetRequestValidators, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/requestvalidators", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateRequestValidator, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/requestvalidators/{}", r.rest_api_id, r.request_validator_id)), handler: update }
operation! { ApiGateway, DeleteRequestValidator, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/requestvalidators/{}", r.rest_api_id, r.request_validator_id)), handler: delete }

async fn create(
    _: &ApiGateway,
    cx: &Context,
    request: CreateRequestValidatorRequest,
) -> Result<RequestValidator, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        let id = cx.random().lower_alphanumeric(6);
        let validator = RequestValidator {
            id: Some(id.clone()),
            name: request.name,
            validate_request_body: Some(request.validate_request_body.unwrap_or(false)),
            validate_request_parameters: Some(request.validate_request_parameters.unwrap_or(false)),
        };
        place.put(tx, &id, &validator);
        Ok(validator)
    })
}

async fn get(_: &ApiGateway, cx: &Context, request: GetRequestValidatorRequest) -> Result<RequestValidator, Error> {
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.request_validator_id)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetRequestValidatorsRequest) -> Result<RequestValidators, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(RequestValidators { items: Some(items), position })
}

fn slot<'a>(validator: &'a mut RequestValidator, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["name"] => Some(Slot::Text(&mut validator.name)),
        ["validateRequestBody"] => Some(Slot::Flag(&mut validator.validate_request_body)),
        ["validateRequestParameters"] => Some(Slot::Flag(&mut validator.validate_request_parameters)),
        _ => None,
    }
}

async fn update(
    _: &ApiGateway,
    cx: &Context,
    request: UpdateRequestValidatorRequest,
) -> Result<RequestValidator, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut validator: RequestValidator = place.get(tx, &request.request_validator_id)?;
        let paths = &Paths::members(&["/name", "/validateRequestParameters", "/validateRequestBody"]);
        patch::apply(&mut validator, request.patch_operations.as_deref().unwrap_or_default(), paths, slot)?;
        place.put(tx, &request.request_validator_id, &validator);
        Ok(validator)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteRequestValidatorRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<RequestValidator>(tx, &request.request_validator_id)?;
        for resource in place.all::<Resource>(tx)? {
            let mut methods = resource.resource_methods.iter().flatten();
            if methods.any(|(_, method)| method.request_validator_id.as_ref() == Some(&request.request_validator_id)) {
                let path = resource.path.as_deref().unwrap_or_default();
                let id = &request.request_validator_id;
                let message = format!("Cannot delete validator '{id}', is referenced in method: {path}");
                return Err(Error::Conflict(message));
            }
        }
        place.delete::<RequestValidator>(tx, &request.request_validator_id);
        Ok(wire::Unit::default())
    })
}
