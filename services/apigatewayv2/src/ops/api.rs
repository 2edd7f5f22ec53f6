//! APIs themselves.

use super::{arn, check, function_of};
use crate::{
    ApiGatewayV2,
    deploy::{self, changed},
    error::{Error, bad},
    record::{convert, update as merge},
    route_key,
    store::{Paging, Place, apis},
};
use apigatewayv2_api::*;
use service::{Context, Transaction, operation};
use std::collections::BTreeMap;

operation! { ApiGatewayV2, CreateApi, action: "apigateway:POST" on |cx, _| arn(cx, "/apis"), handler: create }
operation! { ApiGatewayV2, GetApi, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}", r.api_id)), handler: get }
operation! { ApiGatewayV2, GetApis, action: "apigateway:GET" on |cx, _| arn(cx, "/apis"), handler: list }
operation! { ApiGatewayV2, UpdateApi, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}", r.api_id)), handler: update }
operation! { ApiGatewayV2, DeleteApi, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}", r.api_id)), handler: delete }
operation! { ApiGatewayV2, DeleteCorsConfiguration, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/cors", r.api_id)), handler: delete_cors }

/// How HTTP APIs select their routes: there is one way.
const HTTP_SELECTION: &str = "$request.method $request.path";

async fn create(_: &ApiGatewayV2, cx: &Context, request: CreateApiRequest) -> Result<CreateApiResponse, Error> {
    let (target, route_key) = (request.target.clone(), request.route_key.clone());
    let credentials = request.credentials_arn.clone();
    let api = new(cx, request)?;
    cx.store().write(|tx| {
        let id = api.api_id.clone().unwrap_or_default();
        let place = Place::new(cx, &id);
        place.put_api(tx, &api);
        if let Some(target) = target {
            quick(cx, place, tx, &api, target, route_key, credentials)?;
        }
        convert(&api)
    })
}

/// A new API of a request, with every default.
pub fn new(cx: &Context, request: CreateApiRequest) -> Result<Api, Error> {
    check(request.tags.as_ref())?;
    let id = cx.random().lower_alphanumeric(10);
    let web_socket = request.protocol_type == ProtocolType::Websocket;
    let selection = match (web_socket, request.route_selection_expression) {
        (true, None) => return bad("RouteSelectionExpression is required for WebSocket APIs"),
        (true, Some(selection)) => selection,
        (false, selection) => selection.unwrap_or_else(|| HTTP_SELECTION.to_owned()),
    };
    if web_socket && (request.target.is_some() || request.route_key.is_some()) {
        return bad("Quick create is not supported for WebSocket APIs");
    }
    let scheme = if web_socket { "wss" } else { "https" };
    let api = Api {
        api_endpoint: Some(format!("{scheme}://{id}.execute-api.{}.amazonaws.com", cx.region())),
        api_id: Some(id),
        api_key_selection_expression: Some(
            request.api_key_selection_expression.unwrap_or_else(|| "$request.header.x-api-key".to_owned()),
        ),
        cors_configuration: request.cors_configuration,
        created_date: Some(deploy::now(cx)),
        description: request.description,
        disable_schema_validation: request.disable_schema_validation,
        disable_execute_api_endpoint: Some(request.disable_execute_api_endpoint.unwrap_or(false)),
        ip_address_type: Some(request.ip_address_type.unwrap_or(IpAddressType::Ipv4)),
        name: request.name,
        protocol_type: request.protocol_type,
        route_selection_expression: selection,
        tags: Some(request.tags.unwrap_or_default()),
        version: request.version,
        ..Api::default()
    };
    check_api(&api)?;
    Ok(api)
}

pub fn check_api(api: &Api) -> Result<(), Error> {
    if api.name.is_empty() || api.name.len() > 128 {
        return bad("Invalid API name specified. Name must be between 1 and 128 characters");
    }
    let web_socket = api.protocol_type == ProtocolType::Websocket;
    let selection = api.route_selection_expression.as_str();
    if web_socket && !selection.contains("$request.body") && !selection.contains("${request.body") {
        return bad("Invalid RouteSelectionExpression specified");
    }
    if !web_socket && ![HTTP_SELECTION, "${request.method} ${request.path}"].contains(&selection) {
        return bad("Invalid RouteSelectionExpression specified. HTTP APIs support only $request.method $request.path");
    }
    let Some(cors) = &api.cors_configuration else { return Ok(()) };
    if web_socket {
        return bad("CORS configuration is not supported for WebSocket APIs");
    }
    let any = cors.allow_origins.iter().flatten().any(|origin| origin == "*");
    if any && cors.allow_credentials == Some(true) {
        return bad("If allow-credentials is true, then allow-origins, allow-methods and allow-headers cannot be *");
    }
    let methods = cors.allow_methods.iter().flatten();
    if methods.into_iter().any(|method| method != "*" && !route_key::METHODS.contains(&method.to_uppercase().as_str()))
    {
        return bad("Invalid HTTP method specified in allow-methods");
    }
    let origin_fits = |origin: &String| {
        origin == "*" || origin.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
    };
    match cors.allow_origins.iter().flatten().find(|origin| !origin_fits(origin)) {
        Some(origin) => {
            Err(Error::BadRequest(format!("Invalid format for origin {origin}. Origins must have a scheme")))
        }
        None => Ok(()),
    }
}

/// Quick create: an integration, a catch-all route and a stage that deploys by itself.
fn quick(
    cx: &Context,
    place: Place<'_>,
    tx: &mut Transaction<'_>,
    api: &Api,
    target: String,
    key: Option<String>,
    credentials: Option<String>,
) -> Result<(), Error> {
    let key = key.unwrap_or_else(|| "$default".to_owned());
    if !route_key::valid(&key) {
        return Err(super::route::malformed());
    }
    let lambda = function_of(&target).is_some();
    if !lambda && !target.starts_with("https://") && !target.starts_with("http://") {
        return bad("Invalid target specified. Target must be an HTTP URL or a Lambda function ARN");
    }
    let integration_id = cx.random().lower_alphanumeric(7);
    let integration = Integration {
        integration_id: Some(integration_id.clone()),
        api_gateway_managed: Some(true),
        integration_type: Some(if lambda { IntegrationType::AwsProxy } else { IntegrationType::HttpProxy }),
        integration_method: Some(if lambda { "POST" } else { "ANY" }.to_owned()),
        integration_uri: Some(target),
        payload_format_version: Some(if lambda { "2.0" } else { "1.0" }.to_owned()),
        connection_type: Some(ConnectionType::Internet),
        credentials_arn: credentials,
        timeout_in_millis: Some(30_000),
        ..Integration::default()
    };
    place.put(tx, &integration_id, &integration);
    let route_id = cx.random().lower_alphanumeric(7);
    let route = Route {
        route_id: Some(route_id.clone()),
        route_key: key,
        api_gateway_managed: Some(true),
        api_key_required: Some(false),
        authorization_type: Some(AuthorizationType::None),
        target: Some(format!("integrations/{integration_id}")),
        ..Route::default()
    };
    place.put(tx, &route_id, &route);
    let stage = Stage {
        stage_name: "$default".to_owned(),
        api_gateway_managed: Some(true),
        auto_deploy: Some(true),
        created_date: Some(deploy::now(cx)),
        default_route_settings: Some(RouteSettings {
            detailed_metrics_enabled: Some(false),
            ..RouteSettings::default()
        }),
        route_settings: Some(BTreeMap::new()),
        stage_variables: Some(BTreeMap::new()),
        tags: api.tags.clone(),
        ..Stage::default()
    };
    place.put(tx, "$default", &stage);
    changed(cx, place, tx)
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetApiRequest) -> Result<GetApiResponse, Error> {
    convert(&Place::new(cx, &request.api_id).api(&cx.store().snapshot())?)
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetApisRequest) -> Result<GetApisResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = apis(cx, &cx.store().snapshot(), paging)?;
    Ok(GetApisResponse { items: Some(items), next_token })
}

async fn update(_: &ApiGatewayV2, cx: &Context, request: UpdateApiRequest) -> Result<UpdateApiResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let api: Api = merge(&place.api(tx)?, &request)?;
        check_api(&api)?;
        if request.target.is_some() || request.route_key.is_some() || request.credentials_arn.is_some() {
            update_quick(place, tx, &request)?;
        }
        place.put_api(tx, &api);
        changed(cx, place, tx)?;
        convert(&api)
    })
}

/// What quick create made can be changed through the API.
fn update_quick(place: Place<'_>, tx: &mut Transaction<'_>, request: &UpdateApiRequest) -> Result<(), Error> {
    let managed = |flag: Option<bool>| flag == Some(true);
    let integration = place.all::<Integration>(tx)?.into_iter().find(|known| managed(known.api_gateway_managed));
    let route = place.all::<Route>(tx)?.into_iter().find(|known| managed(known.api_gateway_managed));
    let (Some(mut integration), Some(mut route)) = (integration, route) else {
        return bad("Target, RouteKey and CredentialsArn can be updated only for an API that was made by quick create");
    };
    if let Some(key) = &request.route_key {
        if !route_key::valid(key) {
            return Err(super::route::malformed());
        }
        route.route_key.clone_from(key);
    }
    if let Some(target) = &request.target {
        integration.integration_uri = Some(target.clone());
    }
    if let Some(credentials) = &request.credentials_arn {
        integration.credentials_arn = Some(credentials.clone());
    }
    place.put(tx, &integration.integration_id.clone().unwrap_or_default(), &integration);
    place.put(tx, &route.route_id.clone().unwrap_or_default(), &route);
    Ok(())
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteApiRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.api(tx)?;
        place.delete_api(tx)?;
        Ok(wire::Unit::default())
    })
}

async fn delete_cors(
    _: &ApiGatewayV2,
    cx: &Context,
    request: DeleteCorsConfigurationRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let api = Api { cors_configuration: None, ..place.api(tx)? };
        place.put_api(tx, &api);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
