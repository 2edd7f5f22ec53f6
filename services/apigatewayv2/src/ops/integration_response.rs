//! Responses of integrations: how what an integration answers is mapped.

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

operation! { ApiGatewayV2, CreateIntegrationResponse, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}/integrationresponses", r.api_id, r.integration_id)), handler: create }
operation! { ApiGatewayV2, GetIntegrationResponse, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}/integrationresponses/{}", r.api_id, r.integration_id, r.integration_response_id)), handler: get }
operation! { ApiGatewayV2, GetIntegrationResponses, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}/integrationresponses", r.api_id, r.integration_id)), handler: list }
operation! { ApiGatewayV2, UpdateIntegrationResponse, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}/integrationresponses/{}", r.api_id, r.integration_id, r.integration_response_id)), handler: update }
operation! { ApiGatewayV2, DeleteIntegrationResponse, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/integrations/{}/integrationresponses/{}", r.api_id, r.integration_id, r.integration_response_id)), handler: delete }

async fn create(
    _: &ApiGatewayV2,
    cx: &Context,
    request: CreateIntegrationResponseRequest,
) -> Result<CreateIntegrationResponseResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Integration>(tx, &request.integration_id)?;
        if place.api(tx)?.protocol_type != ProtocolType::Websocket {
            return bad("Integration responses are supported only for WebSocket APIs");
        }
        let within = format!("{}/", request.integration_id);
        let known: Vec<IntegrationResponse> = place.all_within(tx, &within)?;
        if known.iter().any(|known| known.integration_response_key == request.integration_response_key) {
            let key = &request.integration_response_key;
            return Err(Error::Conflict(format!("IntegrationResponse with key {key} already exists")));
        }
        let id = cx.random().lower_alphanumeric(6);
        let mut response: IntegrationResponse = convert(&request)?;
        response.integration_response_id = Some(id.clone());
        place.put(tx, &(within + &id), &response);
        changed(cx, place, tx)?;
        convert(&response)
    })
}

async fn get(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetIntegrationResponseRequest,
) -> Result<GetIntegrationResponseResponse, Error> {
    let id = format!("{}/{}", request.integration_id, request.integration_response_id);
    convert(&Place::new(cx, &request.api_id).get::<IntegrationResponse>(&cx.store().snapshot(), &id)?)
}

async fn list(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetIntegrationResponsesRequest,
) -> Result<GetIntegrationResponsesResponse, Error> {
    let place = Place::new(cx, &request.api_id);
    let snapshot = cx.store().snapshot();
    place.get::<Integration>(&snapshot, &request.integration_id)?;
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = place.page(&snapshot, &format!("{}/", request.integration_id), paging)?;
    Ok(GetIntegrationResponsesResponse { items: Some(items), next_token })
}

async fn update(
    _: &ApiGatewayV2,
    cx: &Context,
    request: UpdateIntegrationResponseRequest,
) -> Result<UpdateIntegrationResponseResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let id = format!("{}/{}", request.integration_id, request.integration_response_id);
        let old: IntegrationResponse = place.get(tx, &id)?;
        let response: IntegrationResponse = merge(&old, &request)?;
        place.put(tx, &id, &response);
        changed(cx, place, tx)?;
        convert(&response)
    })
}

async fn delete(
    _: &ApiGatewayV2,
    cx: &Context,
    request: DeleteIntegrationResponseRequest,
) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let id = format!("{}/{}", request.integration_id, request.integration_response_id);
        place.get::<IntegrationResponse>(tx, &id)?;
        place.delete::<IntegrationResponse>(tx, &id);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
