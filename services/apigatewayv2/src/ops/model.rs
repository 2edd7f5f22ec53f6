//! Models: JSON schemas that messages of WebSocket APIs are checked against.

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

operation! { ApiGatewayV2, CreateModel, action: "apigateway:POST" on |cx, r| arn(cx, format!("/apis/{}/models", r.api_id)), handler: create }
operation! { ApiGatewayV2, GetModel, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/models/{}", r.api_id, r.model_id)), handler: get }
operation! { ApiGatewayV2, GetModels, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/models", r.api_id)), handler: list }
operation! { ApiGatewayV2, GetModelTemplate, action: "apigateway:GET" on |cx, r| arn(cx, format!("/apis/{}/models/{}/template", r.api_id, r.model_id)), handler: template }
operation! { ApiGatewayV2, UpdateModel, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/apis/{}/models/{}", r.api_id, r.model_id)), handler: update }
operation! { ApiGatewayV2, DeleteModel, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/apis/{}/models/{}", r.api_id, r.model_id)), handler: delete }

async fn create(_: &ApiGatewayV2, cx: &Context, request: CreateModelRequest) -> Result<CreateModelResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.api(tx)?;
        let id = cx.random().lower_alphanumeric(6);
        let mut model: Model = convert(&request)?;
        model.model_id = Some(id.clone());
        check(&model)?;
        let known: Vec<Model> = place.all(tx)?;
        if known.iter().any(|known| known.name == model.name) {
            return Err(Error::Conflict(format!("Model name already exists for this Api: {}", model.name)));
        }
        place.put(tx, &id, &model);
        changed(cx, place, tx)?;
        convert(&model)
    })
}

fn check(model: &Model) -> Result<(), Error> {
    if model.name.is_empty() || !model.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return bad("Model name must be alphanumeric");
    }
    match serde_json::from_str::<serde_json::Value>(model.schema.as_deref().unwrap_or_default()) {
        Ok(schema) if schema.is_object() => Ok(()),
        _ => bad("Invalid model schema specified"),
    }
}

async fn get(_: &ApiGatewayV2, cx: &Context, request: GetModelRequest) -> Result<GetModelResponse, Error> {
    convert(&Place::new(cx, &request.api_id).get::<Model>(&cx.store().snapshot(), &request.model_id)?)
}

/// A template that copies what a model describes.
async fn template(
    _: &ApiGatewayV2,
    cx: &Context,
    request: GetModelTemplateRequest,
) -> Result<GetModelTemplateResponse, Error> {
    let model: Model = Place::new(cx, &request.api_id).get(&cx.store().snapshot(), &request.model_id)?;
    let value = execute_api::sample::template(model.schema.as_deref().unwrap_or("{}"));
    Ok(GetModelTemplateResponse { value: Some(value) })
}

async fn list(_: &ApiGatewayV2, cx: &Context, request: GetModelsRequest) -> Result<GetModelsResponse, Error> {
    let paging = Paging { limit: request.max_results.as_deref(), token: request.next_token.as_deref() };
    let (items, next_token) = Place::new(cx, &request.api_id).page(&cx.store().snapshot(), "", paging)?;
    Ok(GetModelsResponse { items: Some(items), next_token })
}

async fn update(_: &ApiGatewayV2, cx: &Context, request: UpdateModelRequest) -> Result<UpdateModelResponse, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        let old: Model = place.get(tx, &request.model_id)?;
        let model: Model = merge(&old, &request)?;
        check(&model)?;
        place.put(tx, &request.model_id, &model);
        changed(cx, place, tx)?;
        convert(&model)
    })
}

async fn delete(_: &ApiGatewayV2, cx: &Context, request: DeleteModelRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.api_id);
        place.get::<Model>(tx, &request.model_id)?;
        place.delete::<Model>(tx, &request.model_id);
        changed(cx, place, tx)?;
        Ok(wire::Unit::default())
    })
}
