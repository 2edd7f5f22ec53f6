//! Integration responses: how an integration's answer becomes a method's response.

use super::{
    arn,
    integration::{check_templates, missing as no_integration},
    method::{change, invalid_mapping, read},
};
use crate::{
    ApiGateway,
    error::Error,
    parameters,
    patch::{self, Paths, Slot},
};
use apigateway_api::*;
use service::{Context, operation};

operation! { ApiGateway, PutIntegrationResponse, action: "apigateway:PUT" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: put }
operation! { ApiGateway, GetIntegrationResponse, action: "apigateway:GET" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: get }
operation! { ApiGateway, UpdateIntegrationResponse, action: "apigateway:PATCH" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: update }
operation! { ApiGateway, DeleteIntegrationResponse, action: "apigateway:DELETE" on |cx, r| response_arn(cx, &r.rest_api_id, &r.resource_id, &r.http_method, &r.status_code), handler: delete }

fn response_arn(cx: &Context, api: &str, resource: &str, method: &str, status: &str) -> String {
    arn(cx, format!("/restapis/{api}/resources/{resource}/methods/{method}/integration/responses/{status}"))
}

fn missing() -> Error {
    Error::NotFound("Invalid Integration Response identifier specified".to_owned())
}

async fn put(
    _: &ApiGateway,
    cx: &Context,
    request: PutIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    let response = IntegrationResponse {
        status_code: Some(request.status_code.clone()),
        selection_pattern: request.selection_pattern,
        response_parameters: request.response_parameters,
        response_templates: request.response_templates,
        content_handling: request.content_handling,
    };
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        check(&response, &request.status_code, method)?;
        let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
        integration.integration_responses.get_or_insert_default().insert(request.status_code.clone(), response.clone());
        Ok(response)
    })
}

/// A response may set only headers that the method declares for its status.
pub fn check(response: &IntegrationResponse, status: &str, method: &Method) -> Result<(), Error> {
    let declared = method.method_responses.as_ref().and_then(|responses| responses.get(status));
    let declared = declared.and_then(|response| response.response_parameters.as_ref());
    for (target, source) in response.response_parameters.iter().flatten() {
        if !declared.is_some_and(|declared| declared.contains_key(target)) {
            return Err(invalid_mapping(target));
        }
        if !parameters::valid_response_source(source) {
            return Err(invalid_mapping(source));
        }
    }
    if let Some(pattern) = &response.selection_pattern
        && regex_lite::Regex::new(pattern).is_err()
    {
        return Err(Error::BadRequest(format!("Invalid selection pattern specified: {pattern}")));
    }
    check_templates(response.response_templates.as_ref())
}

async fn get(
    _: &ApiGateway,
    cx: &Context,
    request: GetIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    let method = read(cx, &request.rest_api_id, &request.resource_id, &request.http_method)?;
    let responses = method.method_integration.ok_or_else(no_integration)?.integration_responses;
    responses.and_then(|mut responses| responses.remove(&request.status_code)).ok_or_else(missing)
}

const PATHS: &Paths = &Paths {
    add: &["/responseParameters/{parameter}", "/responseTemplates/{content_type}"],
    replace: &[
        "/contentHandling",
        "/responseParameters/{parameter}",
        "/responseTemplates/{content_type}",
        "/selectionPattern",
    ],
    remove: &["/responseParameters/{parameter}", "/responseTemplates/{content_type}", "/selectionPattern"],
};

fn slot<'a>(response: &'a mut IntegrationResponse, path: &[&str]) -> Option<Slot<'a>> {
    Some(match path {
        ["selectionPattern"] => Slot::Text(&mut response.selection_pattern),
        ["responseParameters", name] => Slot::Entry(&mut response.response_parameters, (*name).to_owned()),
        ["responseTemplates", name] => Slot::Entry(&mut response.response_templates, (*name).to_owned()),
        ["contentHandling"] => Slot::Set(Box::new(|value| {
            response.content_handling = value.filter(|value| !value.is_empty()).map(ContentHandlingStrategy::from);
            !matches!(response.content_handling, Some(ContentHandlingStrategy::Unknown(_)))
        })),
        _ => return None,
    })
}

async fn update(
    _: &ApiGateway,
    cx: &Context,
    request: UpdateIntegrationResponseRequest,
) -> Result<IntegrationResponse, Error> {
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        let integration = method.method_integration.as_ref().ok_or_else(no_integration)?;
        let responses = integration.integration_responses.as_ref();
        let mut response =
            responses.and_then(|responses| responses.get(&request.status_code)).cloned().ok_or_else(missing)?;
        patch::apply(&mut response, request.patch_operations.as_deref().unwrap_or_default(), PATHS, slot)?;
        check(&response, &request.status_code, method)?;
        let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
        integration.integration_responses.get_or_insert_default().insert(request.status_code.clone(), response.clone());
        Ok(response)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteIntegrationResponseRequest) -> Result<wire::Unit, Error> {
    change(cx, &request.rest_api_id, &request.resource_id, &request.http_method, |_, method| {
        let integration = method.method_integration.as_mut().ok_or_else(no_integration)?;
        let responses = integration.integration_responses.as_mut();
        responses.and_then(|responses| responses.remove(&request.status_code)).ok_or_else(missing)?;
        Ok(wire::Unit::default())
    })
}
