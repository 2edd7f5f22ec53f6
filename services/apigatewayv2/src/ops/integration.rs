//! Integrations: what a route leads to.

use super::{arn, function_of};
use crate::{
    ApiGatewayV2, aws,
    deploy::changed,
    error::{Error, bad},
    mapping,
    record::{convert, update as merge},
    store::{Paging, Place},
};
use apigatewayv2_api::*;
use execute_api::{
    backend::{is_here, json_service},
    target,
};
use service::{Context, operation};

operation! { ApiGatewayV2, CreateIntegration, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/integrations", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetIntegration, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}", r.api_id, r.integration_id)), handler: get }
operation! { ApiGatewayV2, GetIntegrations, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/integrations", r.api_id)), handler: list }
operation! { ApiGatewayV2, UpdateIntegration, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}", r.api_id, r.integration_id)), handler: update }
operation! { ApiGatewayV2, DeleteIntegration, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}", r.api_id, r.integration_id)), handler: delete }

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateIntegrationRequest,
) -> Result<CreateIntegrationResult, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let api = place.api(tx)?;
        let id = cx.random().lower_alphanumeric(7);
        let mut integration: Integration = convert(&request)?;
        integration.integration_id = Some(id.clone());
        complete(&api, &mut integration);
        check(cx, &api, &integration)?;
        place.put(tx, &id, &integration);
        changed(cx, place, tx)?;
        convert(&integration)
    })
}

/// Puts the defaults into an integration.
pub fn complete(api: &Api, integration: &mut Integration) {
    let web_socket = api.protocol_type == ProtocolType::Websocket;
    integration.connection_type.get_or_insert(ConnectionType::Internet);
    integration.timeout_in_millis.get_or_insert(if web_socket { 29_000 } else { 30_000 });
    if web_socket {
        integration.passthrough_behavior.get_or_insert(PassthroughBehavior::WhenNoMatch);
        if integration.integration_type == Some(IntegrationType::AwsProxy) {
            integration.payload_format_version.get_or_insert_with(|| "1.0".to_owned());
        }
        let selection = match integration.integration_type {
            Some(IntegrationType::Mock | IntegrationType::Aws | IntegrationType::Http) => {
                Some("${integration.response.statuscode}".to_owned())
            }
            _ => None,
        };
        integration.integration_response_selection_expression =
            integration.integration_response_selection_expression.take().or(selection);
    } else {
        integration.payload_format_version.get_or_insert_with(|| "1.0".to_owned());
    }
    if integration.integration_type == Some(IntegrationType::AwsProxy) && integration.integration_subtype.is_none() {
        integration.integration_method.get_or_insert_with(|| "POST".to_owned());
    }
}

/// Whether an integration is complete, and of a kind that this service can carry out.
pub fn check(cx: &Context, api: &Api, integration: &Integration) -> Result<(), Error> {
    let http = api.protocol_type == ProtocolType::Http;
    let r#type = integration.integration_type.clone().unwrap_or_default();
    if http && !matches!(r#type, IntegrationType::AwsProxy | IntegrationType::HttpProxy) {
        return bad("HTTP APIs support only AWS_PROXY and HTTP_PROXY integrations");
    }
    if integration.connection_type == Some(ConnectionType::VpcLink) {
        return Err(Error::NotImplemented("VPC links are not implemented.".to_owned()));
    }
    let most = if http { 30_000 } else { 29_000 };
    if !matches!(integration.timeout_in_millis, Some(timeout) if (50..=most).contains(&timeout)) {
        return Err(Error::BadRequest(format!("Timeout should be between 50 ms and {most} ms")));
    }
    if !matches!(integration.payload_format_version.as_deref(), None | Some("1.0" | "2.0")) {
        return bad("Invalid PayloadFormatVersion. PayloadFormatVersion should be one of: 1.0, 2.0");
    }
    if http {
        mapping::check(integration)?;
    }
    if let Some(subtype) = &integration.integration_subtype {
        return aws::check(cx, integration, subtype);
    }
    let uri = integration.integration_uri.as_deref().unwrap_or_default();
    match r#type {
        IntegrationType::Mock => Ok(()),
        IntegrationType::HttpProxy | IntegrationType::Http => {
            if integration.integration_method.as_deref().unwrap_or_default().is_empty() {
                return bad("HttpMethod is required for HTTP and HTTP_PROXY integrations");
            }
            if integration.payload_format_version.as_deref() == Some("2.0") {
                return bad("PayloadFormatVersion 2.0 is supported only for Lambda integrations");
            }
            if uri.starts_with("http://") || uri.starts_with("https://") {
                return Ok(());
            }
            bad("Invalid HTTP endpoint specified for URI")
        }
        _ if function_of(uri).is_some() => Ok(()),
        IntegrationType::AwsProxy => bad("Invalid Integration URI: it must be the ARN of a Lambda function"),
        // Only WebSocket APIs come here: `AWS` with an action or a path of a service.
        _ if !uri.starts_with("arn:aws:apigateway:") => bad("Invalid ARN specified in the request"),
        _ if target::action(uri).is_some_and(|(name, _)| json_service(cx, name).is_some()) => Ok(()),
        _ if target::path(uri).is_some_and(|(host, _)| is_here(cx, host)) => Ok(()),
        _ => Err(Error::NotImplemented(format!(
            "An integration with {uri} is not implemented: Lambda functions, the actions of JSON services and the paths of \
             services that are here are."
        ))),
    }
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetIntegrationRequest) -> Result<GetIntegrationResult, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Integration>(&cx.store().snapshot(), &request.integration_id)?)
}

async fn list(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetIntegrationsRequest,
) -> Result<GetIntegrationsResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetIntegrationsResponse { items: Some(items), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateIntegrationRequest,
) -> Result<UpdateIntegrationResult, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Integration = place.get(tx, &request.integration_id)?;
        let integration: Integration = merge(&old, &request)?;
        check(cx, &place.api(tx)?, &integration)?;
        place.put(tx, &request.integration_id, &integration);
        changed(cx, place, tx)?;
        convert(&integration)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteIntegrationRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Integration>(tx, &request.integration_id)?;
        let target = format!("integrations/{}", request.integration_id);
        let routes: Vec<Route> = place.all(tx)?;
        if let Some(route) = routes.iter().find(|route| route.target.as_ref() == Some(&target)) {
            return Err(Error::Conflict(format!(
                "Cannot delete Integration with id {}. It is referenced by Route {}",
                request.integration_id,
                route.route_id.as_deref().unwrap_or_default()
            )));
        }
        place.delete::<Integration>(tx, &request.integration_id);
        place.delete_all::<IntegrationResponse>(tx, &format!("{}/", request.integration_id))?;
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
