//! Methods of a resource.

use super::arn;
use crate::{
    ApiGateway,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader},
};
use ::store::Transaction;
use apigateway_api::*;
use service::{Context, operation};
use std::collections::BTreeMap;

operation! { ApiGateway, PutMethod, action: "apigateway:PUT" on |cx, r| method_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: put }
operation! { ApiGateway, GetMethod, action: "apigateway:GET" on |cx, r| method_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: get }
operation! { ApiGateway, UpdateMethod, action: "apigateway:PATCH" on |cx, r| method_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: update }
operation! { ApiGateway, DeleteMethod, action: "apigateway:DELETE" on |cx, r| method_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method), handler: delete }

pub fn method_arn(cx: &Context, api: &str, resource: &str, method: &str) -> String {
    arn(cx, format!("/restapis/{api}/resources/{resource}/methods/{method}"))
}

const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "ANY"];

pub fn check_http_method(name: &str) -> Result<(), Error> {
    if METHODS.contains(&name) {
        return Ok(());
    }
    Err(Error::BadRequest(format!("Invalid HttpMethod specified. Valid options are {}", METHODS.join(","))))
}

/// Finds a method among a resource's.
pub fn find<'a>(resource: &'a mut Resource, http_method: &str) -> Result<&'a mut Method, Error> {
    let found = resource.resource_methods.as_mut().and_then(|methods| methods.get_mut(http_method));
    found.ok_or_else(|| Error::NotFound("Invalid Method identifier specified".to_owned()))
}

/// Changes one method of a resource in a transaction.
pub fn change<T>(
    cx: &Context,
    api: &str,
    resource_id: &str,
    http_method: &str,
    change: impl FnOnce(&Transaction<'_>, &mut Method) -> Result<T, Error>,
) -> Result<T, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, api);
        let mut resource: Resource = place.get(tx, resource_id)?;
        let changed = change(tx, find(&mut resource, http_method)?)?;
        place.put(tx, resource_id, &resource);
        Ok(changed)
    })
}

/// Reads one method of a resource.
pub fn read(cx: &Context, api: &str, resource_id: &str, http_method: &str) -> Result<Method, Error> {
    let mut resource: Resource = Place::new(cx, api).get(&cx.store().snapshot(), resource_id)?;
    find(&mut resource, http_method).map(|method| method.clone())
}

async fn put(_: &ApiGateway, cx: &Context, request: PutMethodRequest) -> Result<Method, Error> {
    check_http_method(&request.http_method)?;
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut resource: Resource = place.get(tx, &request.resource_id)?;
        let methods = resource.resource_methods.get_or_insert_default();
        if methods.contains_key(&request.http_method) {
            return Err(Error::Conflict("Method already exists for this resource".to_owned()));
        }
        let method = Method {
            http_method: Some(request.http_method.clone()),
            authorization_type: Some(request.authorization_type),
            authorizer_id: request.authorizer_id,
            api_key_required: Some(request.api_key_required.unwrap_or(false)),
            request_validator_id: request.request_validator_id,
            operation_name: request.operation_name,
            request_parameters: request.request_parameters,
            request_models: request.request_models,
            authorization_scopes: request.authorization_scopes,
            ..Method::default()
        };
        check(place, tx, &method)?;
        methods.insert(request.http_method, method.clone());
        place.put(tx, &request.resource_id, &resource);
        Ok(method)
    })
}

/// Whether a method refers only to what is there, and asks only for what this service does.
pub fn check(place: Place<'_>, tx: &Transaction<'_>, method: &Method) -> Result<(), Error> {
    match method.authorization_type.as_deref().unwrap_or_default() {
        "NONE" | "none" | "AWS_IAM" => {}
        wanted @ ("CUSTOM" | "COGNITO_USER_POOLS" | "JWT") => {
            let id = method.authorizer_id.as_deref().unwrap_or_default();
            let serves = |known: Authorizer| match known.r#type {
                Some(AuthorizerType::CognitoUserPools) => "COGNITO_USER_POOLS",
                Some(AuthorizerType::Jwt) => "JWT",
                _ => "CUSTOM",
            };
            if place.find::<Authorizer>(tx, id)?.map(serves) != Some(wanted) {
                let message = "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or \
                               COGNITO_USER_POOLS requires a valid authorizer.";
                return Err(Error::BadRequest(message.to_owned()));
            }
        }
        _ => {
            let message =
                "Invalid authorization type specified. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS,JWT";
            return Err(Error::BadRequest(message.to_owned()));
        }
    }
    if let Some(id) = &method.request_validator_id {
        place
            .find::<RequestValidator>(tx, id)?
            .ok_or_else(|| Error::BadRequest("Invalid Request Validator identifier specified".to_owned()))?;
    }
    for parameter in method.request_parameters.iter().flat_map(BTreeMap::keys) {
        let place = parameter.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
        let known = matches!(place, Some(("path" | "querystring" | "header", name)) if !name.is_empty());
        if !known {
            return Err(invalid_mapping(parameter));
        }
    }
    check_models(place, tx, method.request_models.as_ref())
}

/// Every model that is named must be there.
pub fn check_models(
    place: Place<'_>,
    reader: &impl Reader,
    models: Option<&BTreeMap<String, String>>,
) -> Result<(), Error> {
    for model in models.into_iter().flat_map(BTreeMap::values) {
        if place.find::<Model>(reader, model)?.is_none() {
            return Err(Error::BadRequest(format!("Invalid model identifier specified: {model}")));
        }
    }
    Ok(())
}

pub fn invalid_mapping(parameter: &str) -> Error {
    Error::BadRequest(format!(
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
         [Invalid mapping expression parameter specified: {parameter}]"
    ))
}

async fn get(_: &ApiGateway, cx: &Context, request: GetMethodRequest) -> Result<Method, Error> {
    read(cx, &request.rest_api_id, &request.resource_id, &request.http_method)
}

const PATHS: &Paths = &Paths {
    add: &["/authorizationScopes", "/requestParameters/{parameter}", "/requestModels/{content_type}"],
    replace: &[
        "/authorizationType",
        "/authorizerId",
        "/apiKeyRequired",
        "/operationName",
        "/requestParameters/{parameter}",
        "/requestModels/{content_type}",
        "/requestValidatorId",
    ],
    remove: &["/authorizationScopes", "/requestParameters/{parameter}", "/requestModels/{content_type}"],
};

fn slot<'a>(method: &'a mut Method, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["authorizationType"] => Slot::Text(&mut method.authorization_type),
        ["authorizerId"] => Slot::Text(&mut method.authorizer_id),
        ["authorizationScopes"] => Slot::List(&mut method.authorization_scopes),
        ["apiKeyRequired"] => Slot::Flag(&mut method.api_key_required),
        ["operationName"] => Slot::Text(&mut method.operation_name),
        ["requestParameters", name] => Slot::FlagEntry(&mut method.request_parameters, (*name).to_owned()),
        ["requestModels", content_type] => Slot::Entry(&mut method.request_models, (*content_type).to_owned()),
        ["requestValidatorId"] => Slot::Text(&mut method.request_validator_id),
        _ => return None,
    })
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateMethodRequest) -> Result<Method, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut resource: Resource = place.get(tx, &request.resource_id)?;
        let method = find(&mut resource, &request.http_method)?;
        patch::apply(method, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        method.request_validator_id = method.request_validator_id.take().filter(|id| !id.is_empty());
        check(place, tx, method)?;
        let method = method.clone();
        place.put(tx, &request.resource_id, &resource);
        Ok(method)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteMethodRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut resource: Resource = place.get(tx, &request.resource_id)?;
        find(&mut resource, &request.http_method)?;
        if let Some(methods) = &mut resource.resource_methods {
            methods.remove(&request.http_method);
        }
        resource.resource_methods = resource.resource_methods.filter(|methods| !methods.is_empty());
        place.put(tx, &request.resource_id, &resource);
        Ok(wire::Unit::default())
    })
}
