//! Models: JSON Schemas that request bodies are checked against.

use super::arn;
use crate::{
    ApiGateway,
    definition::model_address,
    error::Error,
    patch::{self, Paths, Slot},
    store::{Place, Reader},
};
use apigateway_api::*;
use expressions::schema::{Documents, Schema};
use service::{Context, operation};

operation! { ApiGateway, CreateModel, action: "apigateway:POST" on |cx, r| arn(cx, format!("/restapis/{}/models", r.rest_api_id)), handler: create }
operation! { ApiGateway, GetModel, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: get }
operation! { ApiGateway, GetModels, action: "apigateway:GET" on |cx, r| arn(cx, format!("/restapis/{}/models", r.rest_api_id)), handler: list }
operation! { ApiGateway, UpdateModel, action: "apigateway:PATCH" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: update }
operation! { ApiGateway, DeleteModel, action: "apigateway:DELETE" on |cx, r| arn(cx, format!("/restapis/{}/models/{}", r.rest_api_id, r.model_name)), handler: delete }

async fn create(_: &ApiGateway, cx: &Context, request: CreateModelRequest) -> Result<Model, Error> {
    if request.name.is_empty() || !request.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Error::BadRequest(format!("Model name must be alphanumeric: {}", request.name)));
    }
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.api(tx)?;
        if place.find::<Model>(tx, &request.name)?.is_some() {
            return Err(Error::Conflict("Model name already exists for this REST API".to_owned()));
        }
        if request.schema.as_deref().unwrap_or_default().is_empty() {
            let message = "Model schema must have at least 1 property or array items defined";
            return Err(Error::BadRequest(message.to_owned()));
        }
        check(place, tx, request.schema.as_deref())?;
        let model = Model {
            id: Some(cx.random().lower_alphanumeric(6)),
            name: Some(request.name.clone()),
            description: request.description,
            schema: request.schema,
            content_type: Some(request.content_type),
        };
        place.put(tx, &request.name, &model);
        Ok(model)
    })
}

/// A schema must be one, and refer only to models of the same API.
pub fn check(place: Place<'_>, reader: &mut impl Reader, schema: Option<&str>) -> Result<(), Error> {
    let invalid = |reason: String| {
        let message = format!("Invalid model specified: Validation Result: warnings : [], errors : [{reason}]");
        Error::BadRequest(message)
    };
    let Some(schema) = schema.filter(|schema| !schema.is_empty()) else { return Ok(()) };
    let schema = serde_json::from_str(schema).map_err(|_| invalid("Invalid model schema specified".to_owned()))?;
    let mut documents = Documents::new();
    for model in place.all::<Model>(reader)? {
        if let (Some(name), Ok(known)) = (model.name, serde_json::from_str(model.schema.as_deref().unwrap_or("{}"))) {
            documents.insert(model_address(place.api, &name), known);
        }
    }
    let reason = |reason| invalid(format!("Invalid model schema specified. {reason}"));
    Schema::compile(&schema, documents).map(drop).map_err(reason)
}

async fn get(_: &ApiGateway, cx: &Context, request: GetModelRequest) -> Result<Model, Error> {
    if request.flatten == Some(true) {
        return Err(Error::NotImplemented("Flattened models are not implemented.".to_owned()));
    }
    Place::new(cx, &request.rest_api_id).get(&cx.store().snapshot(), &request.model_name)
}

async fn list(_: &ApiGateway, cx: &Context, request: GetModelsRequest) -> Result<Models, Error> {
    let place = Place::new(cx, &request.rest_api_id);
    let (items, position) = place.page(&cx.store().snapshot(), request.position.as_deref(), request.limit)?;
    Ok(Models { items: Some(items), position })
}

fn slot<'a>(model: &'a mut Model, path: &[&str]) -> Option<Slot<'a>> {
    match path {
        ["description"] => Some(Slot::Text(&mut model.description)),
        ["schema"] => Some(Slot::Text(&mut model.schema)),
        _ => None,
    }
}

async fn update(_: &ApiGateway, cx: &Context, request: UpdateModelRequest) -> Result<Model, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        let mut model: Model = place.get(tx, &request.model_name)?;
        let operations = request.patch_operations.as_deref().unwrap_or_default();
        patch::apply(&mut model, operations, &Paths::members(&["/description", "/schema"]), slot)?;
        if model.schema.as_deref().unwrap_or_default().is_empty() {
            let message = "Model schema must have at least 1 property or array items defined.";
            return Err(Error::BadRequest(message.to_owned()));
        }
        check(place, tx, model.schema.as_deref())?;
        place.put(tx, &request.model_name, &model);
        Ok(model)
    })
}

async fn delete(_: &ApiGateway, cx: &Context, request: DeleteModelRequest) -> Result<wire::Unit, Error> {
    cx.store().write(|tx| {
        let place = Place::new(cx, &request.rest_api_id);
        place.get::<Model>(tx, &request.model_name)?;
        for resource in place.all::<Resource>(tx)? {
            for (http_method, method) in resource.resource_methods.into_iter().flatten() {
                let in_request = method.request_models.iter().flatten().any(|(_, model)| *model == request.model_name);
                let responses = method.method_responses.iter().flatten();
                let mut in_responses =
                    responses.filter_map(|(_, response)| response.response_models.as_ref()).flatten();
                if in_request || in_responses.any(|(_, model)| *model == request.model_name) {
                    let place = if in_request { "request" } else { "response" };
                    let path = resource.path.as_deref().unwrap_or_default();
                    let name = &request.model_name;
                    let message =
                        format!("Cannot delete model '{name}', is referenced in method {place}: {path}/{http_method}");
                    return Err(Error::Conflict(message));
                }
            }
        }
        place.delete::<Model>(tx, &request.model_name);
        Ok(wire::Unit::default())
    })
}
