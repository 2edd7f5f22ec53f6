//! Responses of routes: what goes back on a WebSocket for a message.

use super::arn;
use crate::{
    ApiGatewayV2,
    deploy::changed,
    error::{Error, bad},
    record::{convert, update as merge},
    store::{Paging, Place},
};
use apigatewayv2_api::*;
use service::{Context, operation};

operation! { ApiGatewayV2, CreateRouteResponse, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/routeresponses", r.api_id, r.route_id)), handler: create }
operation! { ApiGatewayV2, GetRouteResponse, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/routeresponses/{}", r.api_id, r.route_id, r.route_response_id)), handler: get }
operation! { ApiGatewayV2, GetRouteResponses, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/routeresponses", r.api_id, r.route_id)), handler: list }
operation! { ApiGatewayV2, UpdateRouteResponse, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/routeresponses/{}", r.api_id, r.route_id, r.route_response_id)), handler: update }
operation! { ApiGatewayV2, DeleteRouteResponse, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/routes/{}/routeresponses/{}", r.api_id, r.route_id, r.route_response_id)), handler: delete }

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateRouteResponseRequest,
) -> Result<CreateRouteResponseResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Route>(tx, &request.route_id)?;
        if place.api(tx)?.protocol_type != ProtocolType::Websocket {
            return bad("Route responses are supported only for WebSocket APIs");
        }
        let within = format!("{}/", request.route_id);
        let known: Vec<RouteResponse> = place.all_within(tx, &within)?;
        if known.iter().any(|known| known.route_response_key == request.route_response_key) {
            let key = &request.route_response_key;
            return Err(Error::Conflict(format!("RouteResponse with key {key} already exists")));
        }
        let id = cx.random().lower_alphanumeric(6);
        let mut response: RouteResponse = convert(&request)?;
        response.route_response_id = Some(id.clone());
        place.put(tx, &(within + &id), &response);
        changed(cx, place, tx)?;
        convert(&response)
    })
}

async fn get(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetRouteResponseRequest,
) -> Result<GetRouteResponseResponse, Error> {
    let id = format!("{}/{}", request.route_id, request.route_response_id);
    convert(&Place::new(cx, &request.api_id).get::<RouteResponse>(&cx.store().snapshot(), &id)?)
}

async fn list(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetRouteResponsesRequest,
) -> Result<GetRouteResponsesResponse, Error> {
    let place = Place::new(cx, &request.api_id);
    let snapshot = cx.store().snapshot();
    place.get::<Route>(&snapshot, &request.route_id)?;
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = place.page(&snapshot, &format!("{}/", request.route_id), paging)?;
    Ok(GetRouteResponsesResponse { items: Some(items), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateRouteResponseRequest,
) -> Result<UpdateRouteResponseResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let id = format!("{}/{}", request.route_id, request.route_response_id);
        let old: RouteResponse = place.get(tx, &id)?;
        let response: RouteResponse = merge(&old, &request)?;
        place.put(tx, &id, &response);
        changed(cx, place, tx)?;
        convert(&response)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteRouteResponseRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let id = format!("{}/{}", request.route_id, request.route_response_id);
        place.get::<RouteResponse>(tx, &id)?;
        place.delete::<RouteResponse>(tx, &id);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
