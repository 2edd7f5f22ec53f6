//! Routes: which requests or messages go to which integration.

use super::arn;
use crate::{
    ApiGatewayV2,
    deploy::changed,
    error::{Error, bad},
    record::{convert, update as merge},
    route_key,
    store::{Paging, Place, Reader},
};
use apigatewayv2_api::*;
use service::{Context, operation};

operation! { ApiGatewayV2, CreateRoute, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/routes", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetRoute, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/routes/{}", r.api_id, r.route_id)), handler: get }
operation! { ApiGatewayV2, GetRoutes, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/routes", r.api_id)), handler: list }
operation! { ApiGatewayV2, UpdateRoute, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/routes/{}", r.api_id, r.route_id)), handler: update }
operation! { ApiGatewayV2, DeleteRoute, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/routes/{}", r.api_id, r.route_id)), handler: delete }
operation! { ApiGatewayV2, DeleteRouteRequestParameter, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/requestparameters/{}", r.api_id, r.route_id, r.request_parameter_key)), handler: delete_parameter }

/// What is said of a route key that an HTTP API cannot have.
pub fn malformed() -> Error {
    Error::BadRequest(
        "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE \
         PATH>\" or \"$default\""
            .to_owned(),
    )
}

async fn create(_: &ApiGatewayV2, cx: &Context, request: CreateRouteRequest) -> Result<CreateRouteResult, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.api(tx)?;
        let id = cx.random().lower_alphanumeric(7);
        let mut route: Route = convert(&request)?;
        route.route_id = Some(id.clone());
        route.api_key_required.get_or_insert(false);
        route.authorization_type.get_or_insert(AuthorizationType::None);
        check(place, tx, &route)?;
        place.put(tx, &id, &route);
        changed(cx, place, tx)?;
        convert(&route)
    })
}

/// Whether a route can be one of its API, beside those that are there.
pub fn check(place: Place<'_>, reader: &mut impl Reader, route: &Route) -> Result<(), Error> {
    let http = place.api(reader)?.protocol_type == ProtocolType::Http;
    if http && !route_key::valid(&route.route_key) {
        return Err(malformed());
    }
    if route.route_key.is_empty() {
        return bad("Route key must not be empty");
    }
    let others: Vec<Route> = place.all(reader)?;
    if others.iter().any(|known| known.route_id != route.route_id && known.route_key == route.route_key) {
        return Err(Error::Conflict(format!("Route with key {} already exists for this API", route.route_key)));
    }
    if let Some(target) = &route.target {
        let Some(id) = target.strip_prefix("integrations/") else {
            return Err(Error::BadRequest(format!("Invalid target specified: {target}")));
        };
        if place.find::<Integration>(reader, id)?.is_none() {
            return Err(Error::BadRequest(format!("Invalid Integration identifier specified {id}")));
        }
    }
    let wanted = route.authorization_type.clone().unwrap_or_default();
    if !http && wanted == AuthorizationType::Jwt {
        return bad("JWT authorization is supported only for HTTP APIs");
    }
    if !http && route.route_key != "$connect" && wanted != AuthorizationType::None {
        return bad("Currently, authorization is restricted to the $connect route only");
    }
    if http && route.api_key_required == Some(true) {
        return bad("ApiKeyRequired is supported only for WebSocket APIs");
    }
    if route.authorization_scopes.as_ref().is_some_and(|scopes| !scopes.is_empty()) && wanted != AuthorizationType::Jwt
    {
        return bad(
            "Invalid Route authorization type specified. Authorization Scopes are only valid for COGNITO_USER_POOLS and \
             JWT authorization types",
        );
    }
    let (expected, name) = match wanted {
        AuthorizationType::Jwt => (AuthorizerType::Jwt, "JWT"),
        AuthorizationType::Custom => (AuthorizerType::Request, "CUSTOM"),
        _ => return Ok(()),
    };
    let id = route.authorizer_id.as_deref().unwrap_or_default();
    match place.find::<Authorizer>(reader, id)? {
        Some(authorizer) if authorizer.authorizer_type == Some(expected) => Ok(()),
        _ => Err(Error::BadRequest(format!(
            "Invalid authorizer ID specified. Setting the authorization type to {name} requires a valid {name} authorizer."
        ))),
    }
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetRouteRequest) -> Result<GetRouteResult, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Route>(&cx.store().snapshot(), &request.route_id)?)
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetRoutesRequest) -> Result<GetRoutesResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetRoutesResponse { items: Some(items), next_token })
}

async fn update(_: &ApiGatewayV2, cx: &Context, request: UpdateRouteRequest) -> Result<UpdateRouteResult, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Route = place.get(tx, &request.route_id)?;
        let route: Route = merge(&old, &request)?;
        check(place, tx, &route)?;
        place.put(tx, &request.route_id, &route);
        changed(cx, place, tx)?;
        convert(&route)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteRouteRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Route>(tx, &request.route_id)?;
        place.delete::<Route>(tx, &request.route_id);
        place.delete_all::<RouteResponse>(tx, &format!("{}/", request.route_id))?;
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}

async fn delete_parameter(
    _: &ApiGatewayV2,
    cx: &Context,
    request: DeleteRouteRequestParameterRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let mut route: Route = place.get(tx, &request.route_id)?;
        let key = &request.request_parameter_key;
        let removed = route.request_parameters.as_mut().and_then(|all| all.remove(key));
        if removed.is_none() {
            return Err(Error::NotFound(format!("Unable to find request parameter {key} for the route")));
        }
        place.put(tx, &request.route_id, &route);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
